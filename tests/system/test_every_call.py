"""Every call of the agent: each program that it starts fails once, or is the last thing that it lives to see."""
import time

import pytest

from crash import meaning
from function import pings
from graphs import both, graph, host_stack, internal, vlan_sap, wire
from place import Place, chain
from shims import KILLED, WAYS, Shims

OLD, NEW = chain("v", "w"), chain("v", "x")  # function w goes, x comes, links and rules change
LITTLE, OTHER = chain("w"), chain("x")
PLAIN = wire("g", vlan_sap("a", "lan0", 1), vlan_sap("b", "lan0", 2))  # stays on LSI-0


ENDS = graph("g", [vlan_sap("a", "lan0", 1), internal("b", "group"), host_stack("c", "192.168.77.1/24"), host_stack("d")], [],
             *both("1", "a", "b"), *both("2", "c", "d"))


@pytest.fixture(scope="module")
def shared():
    with Place() as place, Shims(place.node) as place.shims:
        yield place


@pytest.fixture(autouse=True)
def no_call_fails(place):
    yield
    place.shims.fail(0)


@pytest.mark.parametrize("way", WAYS)
def test_a_deploy_that_fails_at_any_call_leaves_nothing(place, way):
    before, call, status = place.world(), 0, 500
    while status == 500:
        call += 1
        place.shims.fail(call, way)
        status, _, answer = place.agent.request("PUT", "/graphs/g", NEW)
        if status == 500:
            assert "the moon is full" in answer["output"]
            assert not place.changes(before), "call %d: %s" % (call, answer["command"])
    assert status == 201
    assert place.shims.calls() == call - 1 == 6  # ip, ovs-vsctl, two scripts, two switches
    assert pings(place.lan, "10.0.0.2")


@pytest.mark.parametrize("way", WAYS)
def test_an_update_that_fails_at_any_call_is_undone_or_done(place, way):
    """An error answers for the old world, success for the new one; what is left is gone with the next PUT."""
    place.put(NEW)
    after = meaning(place)
    place.put(OLD)
    before, outcomes, answer = place.world(), [], {}
    while not outcomes or outcomes[-1] == 500 or "failures" in answer:
        place.shims.fail(len(outcomes) + 1, way)
        status, _, answer = place.agent.request("PUT", "/graphs/g", NEW)
        outcomes.append(status)
        if status == 500:
            assert "the moon is full" in answer["output"]
            assert not place.changes(before), "call %d: %s" % (len(outcomes), answer["command"])
            continue
        place.put(NEW)
        assert meaning(place) == after, "call %d: %s" % (len(outcomes), answer)
        assert pings(place.lan, "10.0.0.2")
        place.put(OLD)
        before = place.world()
    assert outcomes == [500] * 5 + [200] * (len(outcomes) - 5), "ip, ovs-vsctl, a script, two switches; take down"


@pytest.mark.parametrize("way", WAYS)
def test_a_delete_that_fails_at_any_call_goes_forward(place, way):
    before, call, calls = place.world(), 0, 1
    while call < calls:
        call += 1
        place.put(OLD)
        place.shims.fail(call, way)
        status, _, answer = place.agent.request("DELETE", "/graphs/g")
        calls = place.shims.calls()
        assert status == 204 or status == 200 and "the moon is full" in answer["failures"][0]["output"]
        place.ask("DELETE", "/graphs/g", status=404)  # takes down what is left
        assert not place.changes(before), "call %d of %d: %s" % (call, calls, answer)


@pytest.mark.parametrize("old, new", [(None, OTHER), (None, PLAIN), (LITTLE, OTHER), (OTHER, None), (PLAIN, None), (None, ENDS), (ENDS, None)],
                         ids=["deploy", "deploy on LSI-0", "update", "delete", "delete on LSI-0", "deploy of SAPs", "delete of SAPs"])
def test_an_agent_killed_at_any_call_makes_it_good_at_its_next_start(place, old, new):
    """What was answered counts: an interrupted update is the old graph, an interrupted delete may be either.

    The call has done its work; one that has not is the state after the call before it.
    """
    worlds = {}
    for there, body in ((bool(new), new), (bool(old), old)):
        place.clear()
        if body:
            place.put(body)
        worlds[there] = meaning(place)
    call = 0
    while True:
        call += 1
        place.shims.fail(call, KILLED)
        answer, thread = place.later("PUT" if new else "DELETE", "/graphs/g", new)
        thread.join()
        place.shims.fail(0)
        if answer:
            break
        place.agent.process.wait(5)
        place.agent.start()
        while (found := place.ask("GET", "/graphs")["graphs"]) and found[0]["state"] != "deployed":
            time.sleep(0.01)
        assert meaning(place) == worlds[bool(found)], "call %d" % call
        if found:
            assert place.ask("GET", "/graphs/g") == old
        elif old:
            place.put(old)
        if old == LITTLE:
            assert pings(place.lan, "10.0.0.2"), "call %d" % call
    assert answer[0] in (200, 201, 204), answer
    assert call > 1
