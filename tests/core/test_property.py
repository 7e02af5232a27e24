"""Random graphs: packets land where the big switch says, with the headers that it says, also while a graph changes."""
import sys

import big_switch
import random_graphs
from composer.core.errors import StepFailed
from fake_node import FakeNode
from packets import Dice
from random_graphs import INTERFACES, NAMES

SEED = 20260101
PART = 1 if sys.implementation.name == "cpython" else 40  # MicroPython does one in so many
GRAPHS, UPDATES, FAILURES = 2000 // PART, 800 // PART, 400 // PART


def test_packets_land_where_the_big_switch_says():
    dice, made = Dice(SEED), 0
    print("seed", SEED)
    while made < GRAPHS:
        node, drafts, seen = several(dice)
        made += len(drafts)
        check(node, seen, "graph %d" % made, node.bodies)
        for name in sorted(node.bodies):
            node.delete(name)
        assert [len(node.switch.flows[lsi]) for lsi in sorted(node.switch.flows)] == [1], node.switch.flows


def test_while_a_graph_changes_every_packet_lands_as_before_or_as_after():
    dice = Dice(SEED)
    print("seed", SEED)
    for number in range(UPDATES):
        node, drafts, seen = several(dice)
        old, new = drafts["a"], random_graphs.varied(dice, drafts["a"])
        body = random_graphs.fitting(dice, "a", new, node)
        before, after = dict(node.bodies), dict(node.bodies, a=body)
        staying = [("a", "sf:%s:%s" % (sf["id"],
                                       port["id"])) for sf in new["sfs"] if sf in old["sfs"] for port in sf["ports"]]
        seen = [(place, packet) for place, packet in seen + random_graphs.packets(dice, "a", new)
                if place[0] != "a" or place in staying]
        node.changed = lambda: check(node, seen, "update %d" % number, before, after)
        assert not any(node.put("a", body)), number
        node.changed = lambda: None
        check(node, random_graphs.packets(dice, "a", new), "update %d" % number, node.bodies)


def test_a_step_that_fails_leaves_the_rules_as_they_were_or_as_they_should_be():
    dice, undone = Dice(SEED), 0
    print("seed", SEED)
    for number in range(FAILURES):
        node, drafts, seen = several(dice)
        new = random_graphs.varied(dice, drafts["a"])
        body, before = random_graphs.fitting(dice, "a", new, node), node.switch.state()
        node.perform = failing_at(1 + dice.below(8))
        try:
            node.put("a", body)
        except StepFailed:
            undone += 1
            assert node.switch.state() == before, number
        node.perform = lambda step: ""
        check(node, [one for one in random_graphs.packets(dice, "a", new) if node.has(one[0])], "failure %d" % number,
              node.bodies)
    assert undone > FAILURES // 4


def several(dice, empty=lambda: FakeNode(INTERFACES)):
    """Return (a node with one to three graphs, their drafts, packets)."""
    node, drafts, seen = empty(), {}, []
    for name in NAMES[:1 + dice.below(len(NAMES))]:
        drafts[name] = random_graphs.draft(dice)
        node.put(name, random_graphs.fitting(dice, name, drafts[name], node))
        seen += random_graphs.packets(dice, name, drafts[name])
    return node, drafts, seen


def failing_at(number):
    """Return a function that performs steps, but one."""
    steps = []

    def perform(step):
        steps.append(step)
        if len(steps) == number:
            raise StepFailed("step %d" % number, "fails")
        return ""
    return perform


def check(node, seen, why, *bodies):
    """Fail if a packet does not land where the big switch says, of the graphs `bodies` or of these or those."""
    for place, packet in seen:
        found, meant = node.lands(place, packet), []
        for one in bodies:
            meant += big_switch.lands(one, place, packet)
        assert any([same(found, way) for way in meant]), "%s: %r at %r lands %r, and should %r; %r" % (
            why, packet, place, found, meant, bodies)


def same(one, other):
    """Say whether two lists of (place, packet) are the same but for their order."""
    other = list(other)
    for landed in one:
        if landed not in other:
            return False
        other.remove(landed)
    return not other
