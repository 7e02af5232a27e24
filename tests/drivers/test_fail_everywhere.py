"""Failures: whichever step of a plan fails, and in whichever way, no world is half-made."""
import itertools

import pytest

from composer.core import flows, names, placing, plan, sffg
from composer.core.errors import StepFailed
from composer.vswitch import ovs
from fake import FakeSystem
from fake_node import Drivers
from graphs import both, graph, host_stack, internal, nffg, rule, sap, sf, tunnel, vlan_sap, wire

INTERFACES = ("lan0", "wan0")
LAN, WAN = sap("lan", "lan0"), sap("wan", "wan0")

PLAIN = wire("g", LAN, WAN)
VLAN = graph("g", [vlan_sap("v25", "lan0", 25), vlan_sap("v26", "lan0", 26), WAN], [], *both("1", "v25", "v26"),
             rule("3", "wan", "v25", "wan", dest_port=80, protocol="tcp"))
CHAIN = graph("g", [LAN, WAN], [sf("fw", "firewall", "in", "out", SAY="old"), sf("nat", "nat", "in", "out")],
              *both("1", "lan", "fw:in"), *both("2", "fw:out", "nat:in"), *both("3", "nat:out", "wan"))
BRANCH = graph("g", [LAN, WAN, vlan_sap("v25", "lan0", 25)],
               [sf("fw", "firewall", "in", "out", "more", SAY="new"),
                sf("cache", "cache", {"id": "1", "mac": "02:00:00:00:00:01"})],
               *both("1", "lan", "fw:in"), *both("3", "fw:out", "wan"), *both("4", "fw:more", "cache:1"),
               *both("5", "v25", "cache:1", priority=7))
FAR = graph("g", [LAN, internal("i", "yard"), tunnel("gre", "192.0.2.1", "192.0.2.2", 7), tunnel("vxlan", "192.0.2.1", "192.0.2.2", 8),
                  host_stack("me", "10.0.0.1/24"), host_stack("lease")], [],
            *both("1", "lan", "gre"), *both("2", "i", "vxlan"), *both("3", "me", "lease"))
# the same with other options: a tunnel to another node, a device with another key, another group, address and way to one
ELSE = graph("g", [LAN, internal("i", "meadow"), tunnel("gre", "192.0.2.1", "192.0.2.3", 7), tunnel("vxlan", "192.0.2.1", "192.0.2.2", 9),
                   tunnel("vxlan", "192.0.2.1", "192.0.2.4", 8, "more"), host_stack("me"), host_stack("lease", "10.0.0.2/24")], [],
             *both("1", "lan", "gre"), *both("2", "i", "vxlan"), *both("3", "me", "lease"))
NEAR = graph("g", [LAN, tunnel("vxlan", "192.0.2.1", "192.0.2.5", 8, ttl=9), host_stack("me", "10.0.0.3/24", mac="02:00:00:00:00:01")], [],
             *both("1", "lan", "vxlan"))
NODE = nffg(graph("g", [LAN, host_stack("me", "10.0.0.1/24")],
                  [sf("fw", "firewall", {"id": "in", "ip": "10.0.0.2/24"}, "out", SAY="old"), sf("web", "web", "1"),
                   sf("nat", "nat", "in", "out")],
                  *both("1", "lan", "fw:in"), *both("2", "me", "web:1")),
            control={"fw": {2000: 80}, "web": {2001: 80, 2002: 443}}, gateway="10.0.0.254")
GRAPHS = {"plain": PLAIN, "vlan": VLAN, "chain": CHAIN, "branch": BRANCH, "far": FAR, "else": ELSE, "near": NEAR, "node": NODE}
UPDATES = [pair for pair in itertools.permutations(sorted(GRAPHS), 2)]
EVERY = pytest.mark.parametrize("name", sorted(GRAPHS))
LATE = pytest.mark.parametrize("late", [False, True], ids=["its work not done", "its work done"])


def system(fail_at=(), late=False):
    """A node that has LSI-0 and its interfaces."""
    one = FakeSystem(INTERFACES)
    one.drive(ovs.transact([ovs.MAKE["lsi"](names.LSI0, "node", "netdev")]
                           + [ovs.MAKE["sap"](names.LSI0, name, "node", "7") for name in INTERFACES]))
    one.drive(ovs.change_rules(names.LSI0, [flows.add(flow) for flow in flows.NODE_FLOWS]))
    one.lines, one.fail_at, one.late = [], fail_at, late
    return one


EMPTY = str(system())
NOTHING = placing.empty("g")


def place(body, old=NOTHING):
    """Return a graph placed; each function has an image of its own name."""
    found = sffg.parse(body, "g")
    images = {one.id: {"type": "native", "template": one.name, "image": "/repository/%s.tgz" % one.name,
                       "digest": one.name, "limits": {}, "needs": {}, "positions": {port.id: index for index, port in enumerate(one.ports)}}
              for one in found.sfs}
    return placing.place(old, found, images, 1, "/runtime", {"yard": 1, "meadow": 2},
                         lambda sap: placing.DEVICE if sap.kind == "vxlan" else placing.SWITCH)


def update(node, old, new):
    """Drive an update; return what could not be taken down, complaints included, or raise what failed."""
    try:
        left, complaints = node.drive(plan.update(old, new, Drivers))
    finally:
        node.prune(old, new)
    return left + complaints


def deployed(body, fail_at=(), late=False):
    """Return (a node that has the graph, the graph placed); what fails is counted from after that."""
    node, placed = system(), place(body)
    assert update(node, NOTHING, placed) == []
    node.lines, node.fail_at, node.late = [], fail_at, late
    return node, placed


def steps_of(old, new):
    node, placed = deployed(old) if old else (system(), NOTHING)
    update(node, placed, place(new, placed) if new else NOTHING)
    return len(node.lines)


@EVERY
@LATE
def test_a_failed_deploy_leaves_nothing_behind(name, late):
    count = steps_of(None, GRAPHS[name])
    for k in range(1, count + 1):
        node, new = system([k], late), place(GRAPHS[name])
        with pytest.raises(StepFailed) as failure:
            update(node, NOTHING, new)
        node.prune()
        assert [failure.value.command] == node.failed and failure.value.left == []
        assert str(node) == EMPTY, "failed at step %d of %d: %s" % (k, count, node.failed)


@EVERY
def test_a_failed_deploy_that_cannot_be_undone_names_what_is_left_and_takes_it_down_later(name):
    count = steps_of(None, GRAPHS[name])
    for k in range(1, count + 1):
        for j in range(k + 1, 2 * count + 8):
            node, new = system([k, j]), place(GRAPHS[name])
            with pytest.raises(StepFailed) as failure:
                update(node, NOTHING, new)
            node.prune()
            assert failure.value.left or str(node) == EMPTY, "failed at steps %d and %d: %s" % (k, j, node.failed)
            node.fail_at = ()
            assert node.drive(plan.take_down(new, NOTHING, Drivers))[0] == []
            node.prune()
            assert str(node) == EMPTY, "failed at steps %d and %d: %s" % (k, j, node.failed)


@pytest.mark.parametrize("old, new", UPDATES, ids=["%s to %s" % pair for pair in UPDATES])
@LATE
def test_a_failed_update_is_undone_before_its_rules_change_and_goes_forward_after(old, new, late):
    after, old_placed = deployed(GRAPHS[old])
    before = str(after)
    new_placed = place(GRAPHS[new], old_placed)
    update(after, old_placed, new_placed)
    after.prune(new_placed)
    undone = []
    for k in range(1, steps_of(GRAPHS[old], GRAPHS[new]) + 1):
        node, placed = deployed(GRAPHS[old], [k], late)
        wanted = place(GRAPHS[new], placed)
        try:
            named = update(node, placed, wanted)
        except StepFailed as failure:
            assert failure.left == []
            node.prune(placed)
            assert str(node) == before, "failed at step %d: %s" % (k, node.failed)
            undone.append(k)
            continue
        assert [one.command for one in named] == node.failed or "ovs-vsctl" in node.failed[0], "or done in another way"
        assert node.drive(plan.take_down(placed, wanted, Drivers))[0] == []
        node.prune(wanted)
        assert str(node) == str(after), "failed at step %d: %s" % (k, node.failed)
    assert undone == list(range(1, len(undone) + 1)), "there is one commit point"


@EVERY
@LATE
def test_a_delete_only_goes_forward(name, late):
    count, _ = deployed(GRAPHS[name])
    count.drive(plan.take_down(place(GRAPHS[name]), NOTHING, Drivers))
    for k in range(1, len(count.lines) + 1):
        node, placed = deployed(GRAPHS[name], [k], late)
        left, complaints = node.drive(plan.take_down(placed, NOTHING, Drivers))
        named = left + complaints
        assert [one.command for one in named] == node.failed or "ovs-vsctl" in node.failed[0], "or done in another way"
        assert node.drive(plan.take_down(placed, NOTHING, Drivers))[0] == []
        node.prune()
        assert str(node) == EMPTY, "failed at step %d: %s" % (k, node.failed)


@pytest.mark.parametrize("old, new", UPDATES, ids=["%s to %s" % pair for pair in UPDATES])
def test_an_update_and_back_is_the_world_of_before(old, new):
    node, placed = deployed(GRAPHS[old])
    before = meaning(node)
    wanted = place(GRAPHS[new], placed)
    assert update(node, placed, wanted) == []
    back = place(GRAPHS[old], wanted)
    assert update(node, wanted, back) == []
    node.prune(back)
    assert len(meaning(node)) == len(before)
    assert update(node, back, NOTHING) == []
    node.prune()
    assert str(node) == EMPTY


def meaning(node):
    """Return the kinds of the lines of a world: the numbers in them may differ between two ways to it."""
    return sorted(line.split(" ")[0] for line in str(node).splitlines())
