"""Mending: whatever of a graph's things is missing, and whichever step fails at first, the world is whole afterwards."""
import os
import random

import pytest

from composer.core import control, names, placing, plan
from composer.core.errors import StepFailed
from test_fail_everywhere import EVERY, GRAPHS, Drivers, deployed

SEED = int(os.environ.get("COMPOSER_SEED", "20261125"))


def take_away(node, placed, choose):
    """Take some things of a graph away, as `choose` says; return the numbers of the functions that are broken then."""
    lsis, ports = placing.on_switch(placed)
    world, broken = node.world, set()
    for name in sorted(lsis):
        if choose():
            node.drive(Drivers.vswitch.dismantle([Drivers.vswitch.UNMAKE["lsi"](name, "", "")]))
    for port in sorted(ports):
        if choose():
            node.drive(Drivers.vswitch.dismantle([Drivers.vswitch.UNMAKE["port"]("", port, "")]))
    for key in sorted(world["flow"]):
        if choose() and "cookie=0x1" in world["flow"][key] and not world["flow"][key].endswith("cookie=0x1"):
            del world["flow"][key]
    for sf in placed["sfs"].values():
        if choose():
            node.drive(Drivers.compute[sf["type"]].destroy(sf))
            broken.add(sf["number"])
    for name, sf, _ in placing.ports(placed, placing.empty(placed["id"])):
        if choose():
            world["veth"].pop(name, None)
            broken.add(sf["number"])
    for sf, port in control.ends(placed):
        if choose():
            world["veth"].pop(port, None)
        if choose():
            world["table"].pop(names.table(placed["number"], sf["number"]), None)
    if choose():
        world["gateway"].clear()
    return broken


def mend(placed, broken):
    """As restore.mending does."""
    failed = yield from plan.mend(placed, broken, Drivers)
    yield from plan.rules(placed, Drivers, anew=True)
    return failed


@EVERY
def test_whatever_is_missing_is_made_again(name):
    chance = random.Random(SEED)
    for turn in range(60):
        share = chance.choice((0.1, 0.5, 1))
        node, placed = deployed(GRAPHS[name])
        before = str(node)
        broken = take_away(node, placed, lambda: chance.random() < share)
        assert node.drive(mend(placed, broken)) == {}
        node.prune(placed)
        assert str(node) == before, "seed %d, turn %d" % (SEED, turn)


@EVERY
@pytest.mark.parametrize("late", [False, True], ids=["its work not done", "its work done"])
def test_a_mending_that_fails_is_done_again(name, late):
    node, placed = deployed(GRAPHS[name])
    before, every = str(node), set([sf["number"] for sf in placed["sfs"].values()])
    node.lines = []
    node.drive(mend(placed, every))
    for number in range(1, len(node.lines) + 1):
        node, placed = deployed(GRAPHS[name], (), late)
        take_away(node, placed, lambda: True)
        node.lines, node.failed, node.fail_at = [], [], [number]
        try:
            failed = node.drive(mend(placed, every))
        except StepFailed:
            failed = None
        assert failed != {} or not node.failed or "ovs-vsctl" in node.failed[0]
        node.fail_at = ()
        assert node.drive(mend(placed, every)) == {}
        node.prune(placed)
        assert str(node) == before, "failed at step %d: %s" % (number, node.failed)


def test_a_function_that_does_not_start_is_named_and_the_rest_is_mended():
    def mended(fail_at):
        node, placed = deployed(GRAPHS["chain"])
        take_away(node, placed, lambda: True)
        node.lines, node.fail_at = [], fail_at
        return node, node.drive(mend(placed, set([sf["number"] for sf in placed["sfs"].values()])))

    lines = mended(())[0].lines
    start, = [number for number, line in enumerate(lines, 1) if "/firewall/start " in line or "SF_ID=fw " in line]
    node, failed = mended([start])
    assert list(failed) == ["fw"] and isinstance(failed["fw"], StepFailed)
    assert "flow lsi1" in str(node) and "function composer:g:nat runs" in str(node)
