"""One list of what the packages need, agent/packages.json: true to the sources, and the same in every ecosystem."""
import ast
import json
import os
import re
import stat
import subprocess
import sys
import tomllib

import pytest

from composer import __version__

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LIST = json.load(open(os.path.join(TOP, "agent/packages.json")))
NAMES = LIST["names"]
FUNCTIONS = sorted(name for name in os.listdir(os.path.join(TOP, "nsf"))
                   if os.path.exists(os.path.join(TOP, "nsf", name, "template.json")))
# What OpenWrt's python3-light lacks of the standard library, by its feed.
NOT_LIGHT = {"asyncio", "cgi", "codecs", "ctypes", "dbm", "decimal", "distutils", "email", "http.client", "logging", "lzma",
             "multiprocessing", "sqlite3", "ssl", "unittest", "urllib", "uuid", "xml"}
# Imported only where they are, or when they are asked for: a broker with TLS, a faster JSON.
OPTIONAL = {"ssl", "ujson"}


def read(path):
    with open(os.path.join(TOP, path)) as file:
        return file.read()


def imports(folder):
    """Return {module: {file}} of what the Python files of a folder import, but for one another."""
    found = {}
    for base, _, names in os.walk(os.path.join(TOP, folder)):
        own = {name[:-3] for name in names} if folder.startswith("nsf/") else set()  # the agent imports its own by dots
        for name in names:
            if not name.endswith(".py"):
                continue
            path = os.path.join(base, name)
            for node in ast.walk(ast.parse(open(path).read())):
                modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else \
                    [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
                for module in modules:
                    if module not in own:
                        found.setdefault(module, set()).add(os.path.relpath(path, TOP))
    return found


def named(key, ecosystem):
    """Return the packages that bring a thing, as a set; a KeyError if nobody has said which."""
    return {name for name in [NAMES[key].get(ecosystem)] if name}


def modules(folder, ecosystem):
    found = set()
    for module in imports(folder):
        name = "module:" + module.split(".")[0]
        if name in NAMES:
            found |= named(name, ecosystem)
    return found


def needs(function, ecosystem):
    """Return the packages that a function needs, as its template says, and the list of the kernel's parts."""
    template = json.loads(read("nsf/%s/template.json" % function))
    if template["vnf-type"] == "graph":
        graph = json.loads(read("nsf/%s/graph.json" % function))["sffg"]
        return {"composer-nsf-" + sf["name"] for sf in graph["SFs"]}
    found = set().union(*[named("kernel:" + part, ecosystem) for part in LIST["functions"].get(function, ())])
    for dependency in template.get("dependencies", ()):
        first = dependency.split("|")[0]
        if first == "python3":
            found |= named(first, ecosystem) | modules("nsf/" + function, ecosystem)
        elif first.startswith("module:"):
            found |= named("kernel:" + first[len("module:"):], ecosystem)
        else:
            found |= named(first, ecosystem)
    return found | {"composer-" + name for name, driver in LIST["drivers"].items() if driver["type"] == template["vnf-type"]}


def of_agent(ecosystem):
    found = named("python3", ecosystem) | modules("agent/composer", ecosystem)
    for key in LIST["libraries"] + LIST["programs"] + ["kernel:" + part for part in LIST["kernel"]]:
        found |= named(key, ecosystem)
    return found


# --- the list is true ---

def test_the_libraries_are_those_of_pyproject():
    project = tomllib.loads(read("agent/pyproject.toml"))["project"]
    assert [re.match("[a-z0-9-]+", line).group() for line in project["dependencies"]] == LIST["libraries"]
    assert sorted(project["scripts"]) == ["composer-agent", "composerctl"]


def test_every_import_is_of_the_libraries_or_of_pythons_base_or_listed():
    libraries = {"bottle", "h11", "paho"}
    for folder in ("agent/composer", "nsf/vnfm", "nsf/elastic-router"):
        for module, files in imports(folder).items():
            top = module.split(".")[0]
            if top in libraries or module in OPTIONAL:
                continue
            assert top in sys.stdlib_module_names, "%s of %s is in no list of agent/packages.json" % (module, files)
            if top in NOT_LIGHT or module in NOT_LIGHT:
                assert "module:" + top in NAMES, "%s of %s: which package has it?" % (module, files)


def test_every_function_is_listed_with_what_its_template_says():
    for function in FUNCTIONS:
        for ecosystem in ("openwrt", "buildroot", "yocto"):
            needs(function, ecosystem)
    assert set(LIST["functions"]) <= set(FUNCTIONS)


def test_debians_packages_are_those_that_the_tests_set_up():
    there = set(re.findall(r"^\S+ +(\S+)$", read("tests/setup"), re.M))
    assert {name["debian"] for name in NAMES.values() if "debian" in name} <= there


def test_drivers_beyond_the_base_are_listed():
    for package, base in (("compute", {"nsf.py"}), ("vswitch", {"ovs.py"})):
        there = {name for name in os.listdir(os.path.join(TOP, "agent/composer", package)) if name.endswith(".py")} - {"__init__.py"}
        listed = {path.split("/")[1] for driver in LIST["drivers"].values() for path in driver["files"] if path.startswith(package + "/")}
        assert there - base == listed


# --- OpenWrt ---

def feed():
    """Return {package: {field: value}} of the feed, as GNU make reads its Makefile."""
    text = read("opkg/composer/Makefile")
    functions = dict((name, words) for name, words in re.findall(r"call Function,([a-z0-9-]+),[^,\n]+,([^)\n]*)\)", text))
    found = {"composer-nsf-" + name: {"depends": set(words.replace("+", "").split())} for name, words in functions.items()}
    for name in ("composer-agent", "composer-openflow"):
        body = re.search(r"define Package/%s\n(.*?)\nendef" % name, text, re.S).group(1)
        found[name] = {"depends": set(re.search(r"DEPENDS:=((?:.*\\\n)*.*)", body).group(1).replace("\\", "").replace("+", "").split())}
    return found


def test_openwrts_packages_are_those_of_the_list():
    assert set(feed()) == {"composer-agent"} | {"composer-" + name for name in LIST["drivers"]} | {
        "composer-nsf-" + name for name in FUNCTIONS}
    for function in FUNCTIONS:
        assert feed()["composer-nsf-" + function]["depends"] == needs(function, "openwrt"), function
    assert feed()["composer-agent"]["depends"] == of_agent("openwrt")
    assert "+python3 " not in read("opkg/composer/Makefile").replace("\n", " ")


@pytest.mark.parametrize("driver", sorted(LIST["drivers"]))
def test_a_drivers_file_is_in_its_package_and_not_in_the_agents(driver):
    text = read("opkg/composer/Makefile")
    for path in LIST["drivers"][driver]["files"]:
        assert "-|$(PYTHON3_PKG_DIR)/composer/%s\n" % path in text
        assert re.search(r"define Py3Package/composer-%s/filespec\n\+\|\$\(PYTHON3_PKG_DIR\)/composer/%s\n" % (driver, path), text)


def test_the_version_is_the_agents_in_digits_and_dots():
    text = read("opkg/composer/Makefile")
    assert re.search(r"^PKG_VERSION:=(.*)$", text, re.M).group(1) == __version__
    assert re.fullmatch(r"[0-9]+(\.[0-9]+)*", __version__) and re.search(r"^PKG_RELEASE:=[0-9]+$", text, re.M)
    told = subprocess.run([sys.executable, "-m", "composer", "--version"], capture_output=True, text=True, check=True,
                          env=dict(os.environ, PYTHONPATH=os.path.join(TOP, "agent")))
    assert told.stdout == __version__ + "\n"


def test_names_and_versions_are_good_for_apk_and_opkg():
    for name in feed():
        assert re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", name), name  # opkg's rule, and within apk's
    for makefile in ("opkg/composer/Makefile", "opkg/python-h11/Makefile"):
        text = read(makefile)
        assert "PKGARCH:=all" in text and "PKG_LICENSE_FILES" in text
        assert not re.search(r"^\s+/etc/config/", text, re.M), "conffiles may not be indented, for apk"
    assert not re.search(r"\bopkg (install|remove|list)", "".join(read("opkg/composer/files/" + name)
                                                                  for name in os.listdir(os.path.join(TOP, "opkg/composer/files"))))


# --- Buildroot ---

def config_in(path):
    """Return {symbol: {symbols that it selects}} of a Config.in."""
    found, symbol = {}, None
    for line in read(path).split("\n"):
        if line.startswith("config "):
            symbol = line.split()[1]
            found[symbol] = set()
        elif line.startswith("\tselect "):
            found[symbol].add(line.split()[1])
    return found


def symbol(name):
    return "BR2_PACKAGE_" + name.upper().replace("-", "_")


def test_buildroots_packages_are_those_of_the_list():
    found = config_in("buildroot/package/composer-nsf/Config.in")
    assert set(found) == {"BR2_PACKAGE_COMPOSER_NSF"} | {symbol("composer-nsf-" + name) for name in FUNCTIONS}
    for function in FUNCTIONS:
        wanted = needs(function, "buildroot") - {"composer-openflow", "python3"}  # the agent's own, and what it selects
        assert found[symbol("composer-nsf-" + function)] == {symbol(name) for name in wanted}, function
    assert config_in("buildroot/package/composer-agent/Config.in")["BR2_PACKAGE_COMPOSER_AGENT"] == {
        symbol(name) for name in of_agent("buildroot")}
    listed = re.search(r"COMPOSER_NSF_FUNCTIONS = ((?:.*\\\n)*.*)", read("buildroot/package/composer-nsf/composer-nsf.mk")).group(1)
    assert listed.replace("\\", "").split() == FUNCTIONS


def test_buildroots_versions_are_the_agents():
    for name in ("composer-agent", "composer-nsf"):
        text = read("buildroot/package/%s/%s.mk" % (name, name))
        assert re.search(r"_VERSION = (.*)", text).group(1) == __version__
        assert not os.stat(os.path.join(TOP, "agent/init/S99composer")).st_mode & stat.S_IXUSR


def test_the_kernel_of_buildroots_boards_has_what_the_list_says():
    fragment = read("buildroot/board/linux.fragment")
    for name in NAMES.values():
        assert "linux" not in name or "CONFIG_%s=y\n" % name["linux"] in fragment, name
    for board in ("arm_vexpress", "mips32r2el_malta"):
        text = read("buildroot/configs/composer_qemu_%s_defconfig" % board)
        assert "$(BR2_EXTERNAL_COMPOSER_PATH)/board/linux.fragment" in text and "BR2_PACKAGE_COMPOSER_AGENT=y\n" in text


# --- Yocto ---

LAYER = "yocto-layer/meta-composer/"


def assigned(path, variable):
    """Return the words that a recipe assigns to a variable, its own name being ${PN}."""
    found = re.search(r'^%s = "((?:[^"\\]|\\\n)*)"' % re.escape(variable), read(LAYER + path), re.M)
    return set(found.group(1).replace("\\\n", " ").split()) if found else set()


def test_yoctos_packages_are_those_of_the_list():
    recipe = "recipes-composer/composer/composer-nsf_%s.bb" % __version__
    assert assigned(recipe, "FUNCTIONS") == set(FUNCTIONS)
    for function in FUNCTIONS:
        wanted = {name.replace("composer-openflow", "composer-agent-openflow") for name in needs(function, "yocto")}
        assert assigned(recipe, "RDEPENDS:composer-nsf-" + function) == {"composer-agent"} | {
            name for name in wanted if not name.startswith("kernel-module-")}, function
        assert {name for name in wanted if name.startswith("kernel-module-")} <= assigned(recipe, "RRECOMMENDS:composer-nsf-" + function)
    recipe, wanted = "recipes-composer/composer/composer-agent_%s.bb" % __version__, of_agent("yocto")
    assert assigned(recipe, "RDEPENDS:${PN}") == {name for name in wanted if not name.startswith("kernel-module-")}
    assert assigned(recipe, "RRECOMMENDS:${PN}") == {name for name in wanted if name.startswith("kernel-module-")}
    for driver in LIST["drivers"].values():
        for path in driver["files"]:
            assert "${PYTHON_SITEPACKAGES_DIR}/composer/" + path in assigned(recipe, "FILES:${PN}-openflow")


def test_yoctos_layer_has_what_one_is_looked_at_for():
    text = read(LAYER + "conf/layer.conf")
    assert "LAYERSERIES_COMPAT_composer" in text and "LAYERDEPENDS_composer" in text
    for name in ("README.md", "SECURITY.md", "recipes-composer/images/composer-image.bb"):
        assert read(LAYER + name)
    text = read(LAYER + "recipes-composer/composer/composer-agent_%s.bb" % __version__)
    assert re.search("inherit .*python_setuptools_build_meta systemd update-rc.d", text)
    assert "PACKAGECONFIG[kvm]" in text and "PACKAGECONFIG[dpdk]" in text
