"""Repair: whatever somebody takes away or changes comes back by itself, and what is untouched goes on."""
import glob
import re
import time

import pytest

from crash import FULL, sample
from function import pings
from graphs import both, graph, rule, sf, vlan_sap
from node import wire as wired
from place import LAN, WAN, Place, chain

SOON = 5  # seconds until the node is as it was, from when the cause is gone (G4)
RULE = 60  # seconds until a changed rule is noticed: a look goes round
SEEN = 2.5  # seconds until the watch has looked at a change
IDLE = 6  # seconds that an agent is watched that has nothing to do: three short looks of its watch
HOME = chain("w", "x")


@pytest.fixture(scope="module")
def shared():
    with Place() as place:
        yield place


def names(place):
    """Return the names of graph g's things as variables for the shell."""
    number, = [re.match(r"bridge lsi(\d+),.*composer=g[,}]", line)[1] for line in place.world()
               if line.startswith("bridge ") and "composer=g" in line]
    return "LSI=lsi%s PORT=l%ss0p LINK=l%sv RUNTIME=%s/runtime; " % (number, number, number, place.node.dir)


def comes_back(place, before, seconds):
    """Wait until the world is as before and passes packets; return the seconds that it took."""
    begun = time.monotonic()
    while changes := place.changes(before):
        assert time.monotonic() - begun < seconds, changes
        time.sleep(0.05)
    while place.status("g")["state"] != "deployed" or not pings(place.lan, "10.0.0.2"):
        assert time.monotonic() - begun < seconds
    return time.monotonic() - begun


def events(place, since=0):
    return place.ask("GET", "/events?since=%d" % since)["events"]


# what is taken away: by which command, which functions have to be started again
TAKEN = {
    "a bridge": ("ovs-vsctl del-br $LSI", []),
    "LSI-0": ("ovs-vsctl del-br lsi0", []),
    "a port of a function": ("ovs-vsctl del-port ${PORT}0", []),
    "one end of a link": ("ovs-vsctl del-port ${LINK}0", []),
    "an interface of LSI-0": ("ovs-vsctl del-port lan0", []),
    "all rules of LSI-0": ("ovs-ofctl -O OpenFlow14 del-flows lsi0", []),
    "a rule of a graph-LSI": ("ovs-ofctl -O OpenFlow14 del-flows $LSI in_port=${PORT}0", []),
    "a namespace": ("ip netns del composer:g:w", ["w"]),
    "a veth": ("ip link del ${PORT}0", ["w"]),
    "everything": ("for name in $(ovs-vsctl list-br); do ovs-vsctl del-br $name; done; ip -all netns del", ["w", "x"]),
}


@pytest.mark.parametrize("what", sample(sorted(TAKEN), 6))
def test_what_is_taken_away_comes_back_and_no_other_function_is_touched(place, what):
    command, again = TAKEN[what]
    place.put(HOME)
    before = place.world()
    for path in glob.glob(place.node.dir + "/runtime/functions/*/tmp"):
        open(path + "/untouched", "w").close()
    time.sleep(SEEN)
    last = place.ask("GET", "/events")["last"]
    place.node.run("dash", "-c", names(place) + command)
    comes_back(place, before, SOON)
    untouched = [name for name in ("w", "x") if name not in again]
    assert len(glob.glob(place.node.dir + "/runtime/functions/*/tmp/untouched")) == len(untouched)
    assert [place.calls(name) for name in ("w", "x")] == [["start"]] * 2
    assert "repair" in [one["event"] for one in events(place, last)]


def test_a_rule_that_somebody_changes_is_changed_back(place):
    """Also one that only steals the match of ours; a rule of somebody else stays.

    A rule that is changed is found when its LSI has its turn, which takes most of a minute; in `make test` another rule
    comes, and all are looked at.
    """
    place.put(HOME)
    before = place.world()
    place.node.ovs("ofctl", "-O", "OpenFlow14", "add-flow", "lsi0", "cookie=0x77,table=0,priority=60007,dl_type=0x88cc,actions=drop")
    if FULL:
        time.sleep(2 * SEEN)  # nothing but the change is new
    place.node.ovs("ofctl", "-O", "OpenFlow14", "mod-flows", "lsi0", "table=1,in_port=lan0,actions=drop")
    if FULL:
        time.sleep(0.6)  # until the datapath knows
        assert not pings(place.lan, "10.0.0.2", within=1)
    assert [line for line in place.flows("lsi0") if "0x77" in line]
    foreign = ["+ flow lsi0  cookie=0x77, priority=60007,dl_type=0x88cc actions=drop"]
    end = time.monotonic() + RULE
    while place.changes(before) != foreign:
        assert time.monotonic() < end, place.changes(before)
        time.sleep(0.2)
    assert pings(place.lan, "10.0.0.2")
    assert [one for one in events(place) if one["event"] == "rules are not as wanted"][-1]["graphs"] == ["g"]
    place.node.ovs("ofctl", "-O", "OpenFlow14", "--strict", "del-flows", "lsi0", "table=0,priority=60007,dl_type=0x88cc")


def test_a_rule_with_a_timeout_may_end(place):
    place.put(graph("g", [LAN, WAN], [], *both("1", "lan", "wan"), rule("t", "lan", "wan", priority=7, hard_timeout=1, ether_type=0x0806)))
    time.sleep(SEEN + 1)
    last = place.ask("GET", "/events")["last"]
    time.sleep(2 * SEEN)
    assert not [line for line in place.flows("lsi0") if "hard_timeout" in line]
    assert not events(place, last)


def test_an_interface_that_vanishes_and_comes_back_carries_packets_again(place):
    """The kernel's interface is another one then, though its name is the same."""
    place.put(HOME)
    before = place.world()
    for _ in range(3):
        place.node.run("ip", "link", "del", "lan0")
        time.sleep(0.3)
        place.node.run("ip", "-batch", "-", input="link add lan0 type veth peer name lan0.far\nlink set lan0 up\n")
        wired(place.lan, place.node, "lan0")
        comes_back(place, [line for line in before if line != "link lan0.far"], SOON)
    assert [place.calls(name) for name in ("w", "x")] == [["start"]] * 2
    assert "loop: failed" not in place.agent.log


@pytest.fixture
def own():
    with Place() as place:
        yield place


def test_a_reboot_without_an_interface_brings_back_the_rest_and_the_interface_brings_back_its_rules(own):
    """Nothing is started again and again meanwhile, and it is told once."""
    place = own
    place.put(HOME)
    place.put(graph("near", [vlan_sap("a", "lan0", 7), vlan_sap("b", "dmz0", 7)], [], *both("1", "a", "b")))
    place.agent.stop()
    place.node.run("ip", "link", "del", "wan0")
    place.node.run("dash", "-c", "for name in $(ovs-vsctl list-br); do ovs-vsctl del-br $name; done; ip -all netns del")
    place.agent.start()
    time.sleep(6)
    assert [one["state"] for one in place.ask("GET", "/graphs")["graphs"]] == ["deployed"] * 2
    assert [place.calls(name) for name in ("w", "x")] == [["start"]] * 2
    last = place.ask("GET", "/events")["last"]
    time.sleep(6)
    assert not events(place, last)
    place.node.run("ip", "-batch", "-", input="link add wan0 type veth peer name wan0.far\nlink set wan0 up\n")
    wired(place.wan, place.node, "wan0")
    assert pings(place.lan, "10.0.0.2", within=SOON)
    assert [place.calls(name) for name in ("w", "x")] == [["start"]] * 2


def test_an_interface_on_a_bridge_of_somebody_else_stays_there(own):
    place = own
    place.agent.stop()
    place.node.run("ovs-vsctl", "del-port", "dmz0", "--", "add-br", "guests", "--", "set", "bridge", "guests",
                   "datapath_type=" + place.node.datapath, "--", "add-port", "guests", "dmz0")
    place.agent.start()
    place.put(HOME)
    time.sleep(SEEN)
    assert place.node.ovs("vsctl", "list-ports", "guests").split() == ["dmz0"]
    answer = place.put(graph("far", [vlan_sap("a", "dmz0", 7)], [], rule("1", "a", {"drop": True})), 409)
    assert "dmz0 cannot be put on LSI-0" in answer["message"]
    assert [one["interface"] for one in events(place) if "somebody else's bridge" in one["event"]] == ["dmz0"]
    assert pings(place.lan, "10.0.0.2")


def test_a_graph_may_not_have_the_mark_of_the_node(place):
    assert "another id" in place.put(graph("node", [LAN, WAN], [], *both("1", "lan", "wan")), 409)["message"]


def test_an_agent_that_is_idle_runs_no_program(place):
    """20 functions and 21 LSIs.  What is measured of the processor is in `make bench`."""
    for index in range(1, 21):
        place.put(graph("g%d" % index, [vlan_sap("a", "lan0", index)], [sf("w", "puppet", "1")], *both("1", "a", "w:1")))
    time.sleep(2 * SEEN)
    before, switches = place.steps(), spent(place.agent.pid)
    time.sleep(IDLE)
    assert place.steps() == before
    assert (spent(place.agent.pid) - switches) / IDLE < 0.02, "2 % of a processor: 0.3 % is the aim, the rest is slack"


def spent(pid):
    """Return the seconds that a process and its children were on a processor."""
    with open("/proc/%d/stat" % pid) as file:
        return sum(map(int, file.read().rpartition(")")[2].split()[11:15])) / 100
