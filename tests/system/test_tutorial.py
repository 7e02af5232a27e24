"""The tutorial of README.md, done as it is written: from the wish to the function that fulfils it."""
import os
import shutil
import subprocess
import sys

import pytest

from node import ROOT
from place import Place

HEADING = '## From "I want X on my gateway" to a function, in ten minutes'


def commands():
    """Return what the tutorial says to type, a shell script."""
    with open(ROOT + "/README.md") as file:
        section = file.read().partition(HEADING)[2].partition("\n## ")[0]
    return "".join(line[8:] or "\n" for line in section.splitlines(True) if line.startswith(" " * 8) or line == "\n")


@pytest.fixture
def place():
    with Place() as place:
        yield place


def test_what_the_tutorial_says_makes_the_function_that_it_promises(place, tmp_path):
    def pings():
        return place.lan.run("ping", "-c", "2", "-i", "0.1", "-W", "1", "10.0.0.2", check=False).returncode == 0

    shutil.copytree(ROOT + "/nsf", tmp_path / "nsf")
    script = commands().replace("/usr/lib/composer/nsf", place.node.dir + "/repository")
    assert script.count("composerctl") == 2 and "cp -r nsf/sample nsf/quiet\n" in script
    done = subprocess.run(["dash", "-euc", script], cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60, env=dict(
                              os.environ, PATH="%s/bin:%s" % (sys.prefix, os.environ["PATH"]),
                              COMPOSER_URL="unix:%s/agent.sock" % place.node.dir))
    assert done.returncode == 0 and "quiet created in" in done.stdout, done.stdout
    assert not pings() and place.wan.ip in place.lan.run("ip", "neigh").stdout, "other packets get there"
    subprocess.run(["shellcheck", "-P", "../common", "start", "stop"], cwd=tmp_path / "nsf/quiet", check=True)
    place.ask("POST", "/graphs/quiet/functions/x/stop")
    place.ask("POST", "/graphs/quiet/functions/x/start")
    assert not pings()
