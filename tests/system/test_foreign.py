"""Foreign things on the node: whatever the agent does, what it has not made stays as it is."""
import time

import pytest

from function import pings
from graphs import wire
from place import LAN, WAN, Place, changes, chain, world

# Names are chosen to look like the agent's: only its marks tell.
FOREIGN = """
ovs-vsctl add-br guests -- set bridge guests datapath_type=$1 fail_mode=secure external_ids:owner=guest
ovs-vsctl add-br lsi1 -- set bridge lsi1 datapath_type=$1
ip link add guest0 type veth peer name guest1
ip link add l2s9p9 type veth peer name guest2
ip link set guest0 group 1668246896
ovs-vsctl add-port guests guest0 -- add-port lsi1 l2s9p9
ovs-vsctl add-port lsi1 l9v9 -- set interface l9v9 type=patch options:peer=l9w9
ip netns add guest
ip netns add composer
ip link set guest2 netns guest
"""
FLOWS = """
ovs-ofctl -O OpenFlow14 add-flow guests cookie=0x100000001,priority=7,in_port=guest0,actions=drop
ovs-ofctl -O OpenFlow14 add-flow lsi1 cookie=0x100000001,priority=7,actions=drop
ovs-ofctl -O OpenFlow14 add-flow lsi0 cookie=0x77,table=0,priority=60007,dl_type=0x88cc,actions=drop
"""
MINE = ("guest", "lsi1", "l2s9p9", "l9v9", "namespace composer", "0x77")


class Guest:
    """What is foreign on a node; `changed` says whether it is not as it was."""

    def __init__(self, place):
        self.place = place
        place.node.run("dash", "-euc", FOREIGN, "sh", place.node.datapath)
        self.flows()
        self.before = self.all()

    def flows(self):
        """Set the foreign flows, which a switch does not keep over a restart."""
        self.place.node.run("dash", "-euc", FLOWS)

    def all(self):
        """Return what is foreign, with the numbers that something made anew would not have."""
        lines = [line for line in self.place.world() if any(word in line for word in MINE) and "composer:" not in line]
        links = self.place.node.run("ip", "-o", "link", "show").stdout.splitlines()
        lines += sorted(" ".join(line.split()[:2]) for line in links if "guest" in line or "l2s9p9" in line)
        spaces = self.place.node.run("stat", "-Lc", "%i", "/run/netns/guest", "/run/netns/composer").stdout
        return lines + spaces.split()

    @property
    def changed(self):
        return changes(self.before, self.all())


@pytest.fixture(scope="module")
def place():
    with Place() as place:
        yield place


@pytest.fixture(scope="module")
def guest(place):
    return Guest(place)


def test_a_deploy_an_update_and_a_delete(place, guest):
    for body in (wire("g", LAN, WAN), chain("v"), chain("v", "w"), chain("w")):
        place.put(body)
        assert not guest.changed
        assert pings(place.lan, "10.0.0.2")
    assert "bridge lsi3" in " ".join(place.world()), "names of the numbers 1 and 2 are taken"
    place.delete("g")
    assert not guest.changed


def test_a_failed_deploy_and_a_failed_update(place, guest):
    place.put(chain("v", START="exit 1"), 500)
    assert not guest.changed
    place.put(chain("v"))
    place.put(chain("v", "w", START="exit 1"), 500)
    assert not guest.changed
    place.delete("g")


def test_a_restart_of_the_agent_is_one_look_and_no_more(place, guest):
    place.put(chain("v"))
    before = place.world()
    for end in (place.agent.stop, place.agent.kill):
        end()
        assert pings(place.lan, "10.0.0.2"), "without the agent"
        seen = len(place.steps())
        place.agent.start()
        look, = place.steps()[seen:]
        assert look.startswith("ovs-vsctl ") and " list Bridge " in look and " set " not in look
        assert not guest.changed and not place.changes(before)
    assert place.calls("v") == ["start"]
    assert place.put(chain("v"))["outcome"] == "unchanged"
    place.delete("g")
    assert not guest.changed


def test_a_restart_of_the_agent_after_all_it_had_is_gone(place, guest):
    """As after a reboot, with what is foreign set up again by its owner."""
    place.put(chain("v"))
    place.agent.stop()
    bridge, = [line for line in place.world() if line.startswith("bridge ") and "composer=g" in line]
    lsi = bridge.split(",")[0].split()[1]
    place.node.run("ovs-vsctl", "--", "del-br", lsi, "--", "del-br", "lsi0")
    place.node.run("ip", "netns", "del", "composer:g:v")
    place.agent.start()
    while place.status("g")["state"] != "deployed":
        pass
    guest.flows()  # one of them was on LSI-0
    assert not guest.changed
    assert pings(place.lan, "10.0.0.2")
    place.delete("g")


@pytest.mark.parametrize("agent", ["runs on", "starts again"])
def test_a_restart_of_the_switch(place, guest, agent):
    place.put(chain("v"))
    place.node.stop_vswitchd()
    place.node.start_vswitchd()
    guest.flows()
    if agent == "starts again":
        place.agent.stop()
        place.agent.start()
    assert place.put(chain("v"))["outcome"] == "unchanged"
    assert not guest.changed
    assert pings(place.lan, "10.0.0.2")
    assert place.calls("v") == ["start"]
    place.delete("g")
    assert not guest.changed


def test_a_foreign_bridge_of_the_name_of_lsi_0_is_not_taken(place):
    """The agent waits, says why, and touches nothing."""
    place.agent.stop()
    place.node.run("ovs-vsctl", "remove", "bridge", "lsi0", "external_ids", "composer", "--",
                   "set", "bridge", "lsi0", "external_ids:owner=guest")
    before = world(place.node)
    place.agent.start(ready=False)
    while "lsi0 is somebody else's" not in place.ask("GET", "/health", status=503)["why"]:
        time.sleep(0.01)
    after = [line for line in world(place.node) if line != "process composer-agent"]
    assert after == before
    place.node.run("ovs-vsctl", "remove", "bridge", "lsi0", "external_ids", "owner", "--",
                   "set", "bridge", "lsi0", "external_ids:composer=node")


def test_nothing_of_ours_is_left(place, guest):
    place.agent.stop()
    place.agent.start()
    place.put(wire("g", LAN, WAN))
    place.put(chain("v", "w"))
    place.delete("g")
    assert not guest.changed
    assert not [line for line in place.world() if "composer:" in line or "composer=g" in line]
