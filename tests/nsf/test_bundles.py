"""The build: which bytes come out of nsf/, and that they are what nsf/CONTRACT.md says."""
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import time

import pytest

from composer.core import recursion, templates
from node import ROOT

FUNCTIONS = sorted(name for name in os.listdir(ROOT + "/nsf") if os.path.exists(ROOT + "/nsf/%s/start" % name))
GRAPHS = sorted(name for name in os.listdir(ROOT + "/nsf") if os.path.exists(ROOT + "/nsf/%s/graph.json" % name))


def make(folder, *words):
    """Return what make says in a folder like nsf/."""
    return subprocess.run(["make", "-C", folder, *words], check=True, capture_output=True, text=True).stdout


def contents(folder):
    """Return {name: bytes} of the files in a folder."""
    found = {}
    for name in os.listdir(folder):
        with open("%s/%s" % (folder, name), "rb") as file:
            found[name] = file.read()
    return found


def test_the_same_sources_give_the_same_bytes_whoever_builds_them_and_when(bundles, tmp_path):
    shutil.copytree(ROOT + "/nsf", tmp_path / "nsf", copy_function=shutil.copyfile)
    for path in (tmp_path / "nsf").glob("*/*"):
        path.chmod(0o600 | os.stat("%s/nsf/%s/%s" % (ROOT, path.parent.name, path.name)).st_mode & 0o100)
    make(tmp_path / "nsf", "OUT=" + str(tmp_path / "out"))
    assert contents(tmp_path / "out") == contents(bundles)


def test_nothing_is_built_twice(tmp_path):
    make(ROOT + "/nsf", "OUT=" + str(tmp_path))
    begin = time.monotonic()
    assert "Nothing to be done" in make(ROOT + "/nsf", "OUT=" + str(tmp_path))
    assert time.monotonic() - begin < 1


def test_a_new_folder_with_a_template_is_a_new_function(tmp_path):
    shutil.copytree(ROOT + "/nsf", tmp_path / "nsf")
    shutil.copytree(tmp_path / "nsf/sample", tmp_path / "nsf/yours")
    make(tmp_path / "nsf", "OUT=" + str(tmp_path / "out"))
    assert {"yours.tgz", "yours.json"} <= set(os.listdir(tmp_path / "out"))


def test_a_function_without_a_start_that_can_be_run_is_not_built(tmp_path):
    shutil.copytree(ROOT + "/nsf", tmp_path / "nsf")
    os.chmod(tmp_path / "nsf/sample/start", 0o644)
    with pytest.raises(subprocess.CalledProcessError) as refused:
        make(tmp_path / "nsf", "OUT=" + str(tmp_path / "out"))
    assert "sample/start: not there, or not executable; chmod +x it" in refused.value.stdout


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_bundle_holds_scripts_and_nothing_else(bundles, name):
    with tarfile.open("%s/%s.tgz" % (bundles, name)) as bundle:
        members = bundle.getmembers()
    assert all(member.isfile() and "/" not in member.name for member in members)
    modes = {member.name: member.mode for member in members}
    assert {"start", "stop", "update", "status", "pause", "resume"} <= set(modes)
    assert all(mode == (0o644 if "." in script else 0o755) for script, mode in modes.items())


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_template_says_all_that_the_agent_asks_for(bundles, name):
    with open("%s/%s.json" % (bundles, name)) as file:
        template = json.load(file)
    with open("%s/%s" % (bundles, template["uri-image"]), "rb") as file:
        assert template["sha256"] == hashlib.sha256(file.read()).hexdigest()
    assert (template["name"], template["uri-image-type"]) == (name, "local-file")
    assert template["vnf-type"] in ("native", "openflow-switch")
    assert template["functional-capability"] and template["memory-size"] > 0 and template["dependencies"]
    assert all({"position", "label", "min", "technology"} <= set(port) for port in template["ports"])


@pytest.mark.parametrize("name", GRAPHS)
def test_a_function_that_is_a_graph_is_one_that_the_agent_takes(bundles, name):
    with open("%s/%s.json" % (bundles, name)) as file:
        template = json.load(file)
    with open("%s/%s" % (bundles, template["uri-image"]), "rb") as file:
        body = file.read()
    assert template["sha256"] == hashlib.sha256(body).hexdigest()
    graph = recursion.read(json.loads(body))
    assert templates.port_range(template) == (len(graph.saps), len(graph.saps))
    assert [sf.name for sf in graph.sfs] and {sf.name for sf in graph.sfs} <= set(FUNCTIONS + GRAPHS)
    known = set()
    for sf in graph.sfs:
        with open("%s/%s.json" % (bundles, sf.name)) as file:
            known.update(json.load(file)["variables"])
    assert set(template["variables"]) == known


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_template_and_the_start_name_the_same_variables(name):
    with open("%s/nsf/%s/template.json" % (ROOT, name)) as file:
        variables = json.load(file)["variables"]
    with open("%s/nsf/%s/start" % (ROOT, name)) as file:
        header = file.read().split("set -eu")[0]
    rows = [line.split() for line in header.splitlines() if line.startswith("#   ")]
    described = {row[1] for row in rows if row[1].isupper()}
    assert described - {"SF_PORTS"} == set(variables)
    for value in variables.values():
        assert "(%s)" % (value["default"] or "none") in header


def test_every_script_is_sound():
    said = make(ROOT + "/nsf", "check")
    assert "skipped" not in said, said
