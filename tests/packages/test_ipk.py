"""The .ipk packages: the same bytes whoever makes them; they install, are upgraded, and go, in an offline root."""
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile

import pytest

from composer import __version__, config

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OPENWRT = os.path.join(TOP, "qemu-tests/openwrt")
OPKG = os.path.join(OPENWRT, "bin/opkg")
SHELLS = [["busybox", "ash"], ["dash"]]


@pytest.fixture(scope="module")
def feed(tmp_path_factory):
    """Return the folder of the packages, made as `make ipk` makes them."""
    return make(tmp_path_factory.mktemp("feed"))


def make(folder, *words, umask=0o022):
    subprocess.run(["make", "-s", "-C", os.path.join(TOP, "opkg"), "OUT=%s" % folder, *words], check=True, umask=umask,
                   env=dict(os.environ, MAKEFLAGS="", PYTHONHASHSEED="7" if umask != 0o022 else "0"))
    return folder


def members(path, part):
    """Return {name: (TarInfo, bytes)} of the control or the data of a package."""
    with tarfile.open(path) as outer:
        assert outer.getnames() == ["./debian-binary", "./data.tar.gz", "./control.tar.gz"]
        inner = outer.extractfile("./%s.tar.gz" % part).read()
    with tarfile.open(fileobj=io.BytesIO(inner)) as file:
        return {one.name: (one, file.extractfile(one).read() if one.isfile() else None) for one in file}


def control(path):
    text = members(path, "control")["./control"][1].decode()
    return dict(line.split(": ", 1) for line in text.strip().split("\n"))


def packages(feed):
    return sorted(str(path) for path in feed.iterdir() if path.suffix == ".ipk")


def find(feed, name):
    return str(next(feed.glob(name + "_*.ipk")))


@pytest.fixture
def root(tmp_path):
    """An offline root, with the parts of OpenWrt's that packages use."""
    root = tmp_path / "root"
    shutil.copytree(OPENWRT, root)
    (root / "usr/lib/opkg").mkdir(parents=True)
    names = json.load(open(os.path.join(TOP, "agent/packages.json")))["names"]
    (root / "usr/lib/opkg/provided").write_text("\n".join(sorted({one["openwrt"] for one in names.values() if "openwrt" in one})))
    return root


def opkg(root, *words, check=True):
    return subprocess.run([OPKG, "-o", root, *words], check=check, capture_output=True, text=True)


def tree(root):
    return {os.path.relpath(os.path.join(base, name), root) for base, folders, names in os.walk(root) for name in names + folders}


def test_the_same_sources_give_the_same_bytes(feed, tmp_path):
    again = make(tmp_path / "again", umask=0o077)
    assert [path.name for path in sorted(again.iterdir())] == [path.name for path in sorted(feed.iterdir())]
    for path in feed.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes(), path.name


def test_everything_is_roots_and_readable_but_the_configuration(feed):
    for path in packages(feed):
        for part in ("control", "data"):
            for name, (info, _) in members(path, part).items():
                assert (info.uid, info.gid, info.mtime) == (0, 0, 0)
                wanted = 0o600 if name == "./etc/config/composer" else 0o755 if info.isdir() or name.startswith(
                    ("./usr/bin/", "./etc/init.d/", "./postinst", "./prerm")) else 0o644
                assert info.mode == wanted, (path, name, oct(info.mode))


def test_the_index_is_true(feed):
    text = gzip.decompress((feed / "Packages.gz").read_bytes()).decode()
    assert text == (feed / "Packages").read_text()
    entries = [dict(line.split(": ", 1) for line in entry.split("\n")) for entry in text.strip().split("\n\n")]
    assert sorted(entry["Filename"] for entry in entries) == [os.path.basename(path) for path in packages(feed)]
    for entry in entries:
        body = (feed / entry["Filename"]).read_bytes()
        assert (int(entry["Size"]), entry["SHA256sum"]) == (len(body), hashlib.sha256(body).hexdigest())
        assert control(str(feed / entry["Filename"])).items() <= entry.items()
        assert entry["Filename"] == "%(Package)s_%(Version)s_%(Architecture)s.ipk" % entry and entry["Architecture"] == "all"


def test_python_is_compiled_for_the_python_that_the_package_depends_on(feed):
    told, data = control(find(feed, "composer-agent")), members(find(feed, "composer-agent"), "data")
    version = re.search(r"python3-light \(>= (3\.\d+)\)", told["Depends"]).group(1)
    assert "./usr/lib/python%s/site-packages/composer/rest.pyc" % version in data
    assert not [name for name in data if name.endswith(".py") or "openflow" in name]
    assert "./usr/lib/python%s/site-packages/composer/compute/openflow.pyc" % version in members(find(feed, "composer-openflow"), "data")
    assert told["Version"] == __version__ + "-r1"


def test_each_package_installs_and_goes_and_leaves_nothing(feed, root):
    before = tree(root)
    own = sorted(packages(feed), key=lambda path: "-nsf-" in path)
    for path in own:
        opkg(root, "--force-depends", "install", path)
        opkg(root, "remove", control(path)["Package"])
        assert tree(root) - before <= {"usr/lib/opkg/info"}, path
    # All together, in an order in which each finds what it depends on.
    first = [find(feed, name) for name in ("python3-h11", "composer-agent", "composer-openflow", "composer-nsf-firewall", "composer-nsf-nat")]
    opkg(root, "install", *first, *[path for path in own if path not in first])
    assert opkg(root, "list-installed").stdout.count("\n") == len(own)
    assert (root / "etc/rc.d/S95composer").is_symlink() and (root / "etc/rc.d/K05composer").is_symlink()
    opkg(root, "remove", *[control(path)["Package"] for path in own])
    assert tree(root) - before <= {"usr/lib/opkg/info"}


def test_a_package_without_what_it_depends_on_is_refused(feed, root):
    refused = opkg(root, "install", find(feed, "composer-nsf-nat"), check=False)
    assert refused.returncode and "composer-nsf-nat: needs composer-agent" in refused.stderr
    assert opkg(root, "list-installed").stdout.strip(" -\n") == ""


def test_an_upgrade_keeps_what_the_user_has_changed(feed, root, tmp_path):
    opkg(root, "install", find(feed, "python3-h11"), find(feed, "composer-agent"))
    file = root / "etc/config/composer"
    graph = root / "etc/composer/graphs/home.json"
    graph.parent.mkdir(parents=True)
    graph.write_text("a graph")
    newer = make(tmp_path / "newer", "PKG_RELEASE=2")
    opkg(root, "install", find(newer, "composer-agent"))  # not changed: the package's own takes its place
    assert not (root / "etc/config/composer-opkg").exists()
    file.write_text(file.read_text() + "\toption node 'mine'\n")
    changed = file.read_text()
    opkg(root, "install", find(feed, "composer-agent"))
    assert file.read_text() == changed and (root / "etc/config/composer-opkg").exists() and graph.read_text() == "a graph"
    opkg(root, "remove", "composer-agent", "python3-h11")
    assert file.read_text() == changed and graph.read_text() == "a graph"
    assert not (root / "etc/config/composer-opkg").exists()
    assert "etc/composer/graphs/" in open(os.path.join(TOP, "opkg/composer/files/composer.keep")).read()


# --- UCI to JSON ---

def configuration(root, text, shell):
    """Return what the init script makes of a UCI file."""
    (root / "etc/config").mkdir(exist_ok=True)
    (root / "etc/config/composer").write_text(text)
    script = os.path.join(TOP, "opkg/composer/files/composer.init")
    command = '. "$1/lib/functions.sh"; extra_command() { :; }; . "$2"; configuration'
    done = subprocess.run([*shell, "-c", command, "sh", root, script], capture_output=True, text=True,
                          env={"PATH": os.environ["PATH"], "UCI_CONFIG_DIR": str(root / "etc/config")})
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return json.loads(done.stdout)


EVERYTHING = r"""
config composer 'main'
	option enabled '0'
	option node 'gw-1'
	list listen '127.0.0.1:8080'
	list listen 'unix:/run/composer.sock'
	list interfaces 'eth0'
	list graphs '/etc/composer/a.json'

config interface
	option name 'eth1'
	option neighbour 'my "isp" \ co	ltd'
	list vlans '10'
	list vlans '20-29'
	list owners 'ann'

config mqtt
	option host 'broker.lan'
	option port '8883'
	option commands '1'
	option user 'gw'
	option password '$(reboot)`x`"\\'

config tls
	option ca '/etc/ssl/ca.pem'

config auth
	option lifetime '60'

config user
	option name 'ann'
	option role 'owner'
	option password 'HASH'

config user
	option name 'bob'
	option role 'admin'
	option password 'HASH'

config ovs
	option datapath 'system'

config inband 'inband'
	option interface 'eth1'
	option address '192.0.2.1/24'
	option confirm '60'

config resources
	option memory '64'
	option cpu '0.5'

config cache
	option size '16'

config description
	option resources 'off'
"""


@pytest.mark.parametrize("shell", SHELLS, ids=["busybox", "dash"])
def test_uci_says_all_that_the_configuration_can_have(root, shell):
    hashed = "pbkdf2-sha256$100000$" + "ab" * 16 + "$" + "cd" * 32
    found = configuration(root, EVERYTHING.replace("HASH", hashed), shell)
    assert "enabled" not in found and found["mqtt"]["password"] == r'$(reboot)`x`"\\'
    assert found["interfaces"][1]["neighbour"] == 'my "isp" \\ co\tltd'
    found["interfaces"][1]["neighbour"] = "isp"  # the agent takes no tab
    ours = config.parse(found)
    assert ours.listen == ["127.0.0.1:8080", "unix:/run/composer.sock"] and ours.graphs == ["/etc/composer/a.json"]
    assert [(one.name, one.vlans, one.owners) for one in ours.interfaces] == [("eth0", [(1, 4094)], None), ("eth1", [(10, 10), (20, 29)], ["ann"])]
    assert (ours.mqtt.port, ours.mqtt.commands, ours.mqtt.tls.ca) == (8883, True, "/etc/ssl/ca.pem")
    assert [user.name for user in ours.auth.users] == ["ann", "bob"] and ours.auth.lifetime == 60
    assert (ours.ovs.datapath, ours.inband.confirm, ours.resources.cpu, ours.cache.size) == ("system", 60, 0.5, 16)
    assert not ours.description.resources
    # Every object of the configuration is a section; "tls" of the API is not offered yet.
    sections = set(re.findall(r"^config (\w+)", EVERYTHING, re.M))
    objects = {key for key, check, default in config.KEYS if default == {}} - {"tls"}
    assert objects <= sections


@pytest.mark.parametrize("shell", SHELLS, ids=["busybox", "dash"])
def test_the_packages_own_configuration_is_good(root, shell):
    text = open(os.path.join(TOP, "opkg/composer/files/composer.config")).read()
    assert configuration(root, text, shell) == {}
    assert config.parse(configuration(root, text.replace("#config", "config").replace("#\toption", "\toption").replace(
        "#\tlist", "\tlist").replace("pbkdf2-sha256$...", "pbkdf2-sha256$100000$" + "ab" * 16 + "$" + "cd" * 32), shell)).node == "gateway-1"
    assert configuration(root, "", shell) == {}


def test_a_fresh_gateway_gets_a_name_of_its_own_once(root):
    script = os.path.join(TOP, "opkg/composer/files/composer.defaults")
    file = root / "etc/config/composer"
    file.parent.mkdir(exist_ok=True)
    shutil.copy(os.path.join(TOP, "opkg/composer/files/composer.config"), file)
    environ = {"PATH": "%s:%s" % (root / "sbin", os.environ["PATH"]), "UCI_CONFIG_DIR": str(root / "etc/config")}
    subprocess.run(["sh", script], check=True, env=environ)
    name = configuration(root, file.read_text(), ["dash"]).get("node")
    assert re.fullmatch("OpenWrt-[0-9a-f]{6}", name or ""), name
    once = file.read_text()
    subprocess.run(["sh", script], check=True, env=environ)
    assert file.read_text() == once
    assert config.parse({"node": name}).node == name
