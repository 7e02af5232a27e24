"""Examples: what agent/examples shows is what a user gets, with real packets, and nothing stays."""
import glob
import json
import os

import pytest

from ctl import ctl
from function import pings, seen
from node import ROOT
from place import Place
from probes import Ear, send

FOLDER = ROOT + "/agent/examples/"


@pytest.fixture
def own():
    """A node that nobody has used yet."""
    with Place(["lan0", "wan0"]) as place:
        yield place


def wire(place):
    assert pings(place.lan, "10.0.0.2") and pings(place.wan, "10.0.0.1")


def home(place):
    server = "192.168.2.10"
    assert pings(place.lan, server)
    assert seen(place.lan, place.wan, 8080, (server, 8080)) == "192.168.2.1", "the address of the NAT"
    assert not seen(place.lan, place.wan, 8081, (server, 8081), within=0.5), "the firewall refuses it"
    assert seen(place.wan, place.wan, 8081, (server, 8081)) == server, "who is behind the firewall gets there"


def voice(place):
    for near, far, vlan, other in (place.lan, place.wan, 25, 26), (place.wan, place.lan, 26, 25):
        with Ear(far) as ear:
            send(near, "call", vlan=vlan)
            send(near, "talk")
            assert ear.heard(2) == [("call", other, near.mac), ("talk", None, near.mac)]
    assert pings(place.lan, "10.0.0.2")


EXAMPLES = {"wire.json": wire, "home.json": home, "voice.json": voice}


def test_every_example_has_its_packets():
    assert sorted(EXAMPLES) == sorted(map(os.path.basename, glob.glob(FOLDER + "*")))


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_forwards_is_given_back_and_leaves_nothing(own, name):
    def run(*words, **options):
        done = ctl("unix:%s/agent.sock" % own.node.dir, *words, **options)
        assert (done.returncode, done.stderr.count("composerctl:")) == (0, 0), done
        return done.stdout

    before = own.world()
    assert not pings(own.lan, "10.0.0.2", within=0.3) and not pings(own.lan, "192.168.2.10", within=0.3)
    graph_id, outcome = run("apply", FOLDER + name).split()[:2]
    assert outcome == "created"
    EXAMPLES[name](own)
    given = run("get", graph_id)
    with open(FOLDER + name) as file:
        assert json.loads(given) == json.load(file)
    steps = own.metric("composer_steps_total")
    for again in "-", FOLDER + name:
        assert run("apply", again, "--id", graph_id, input=given).split()[:2] == [graph_id, "unchanged"]
    assert own.metric("composer_steps_total") == steps
    EXAMPLES[name](own)
    run("delete", graph_id)
    assert not own.changes(before)
    assert not pings(own.lan, "10.0.0.2", within=0.3) and not pings(own.lan, "192.168.2.10", within=0.3)
