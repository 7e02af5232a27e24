"""Cores: a function's processes are bound to where the status says, for as long as it lives, and nobody else is."""
import contextlib
import os
import signal

import pytest

from node import processes
from place import Place, chain, until

DAEMON = "setsid sh -c 'sleep 1000; :' </dev/null >/dev/null 2>&1 &"  # two processes
THERE = os.sched_getaffinity(0)


@pytest.fixture(scope="module")
def shared():
    if len(THERE) < 2:
        pytest.skip("a second core is missing")
    with Place() as place:
        yield place


@pytest.fixture
def running(place):
    """The place, with a chain of two functions that have daemons."""
    body = chain("v", "w", START=DAEMON)
    body["sffg"]["SFs"][0]["variables"] = {"START": DAEMON}
    place.put(body)
    return place


def bound(place):
    """Return {function: its cores}, as the status says, when it is as it is said of every thread of its daemons."""
    found = {one["id"]: one["cores"] for one in place.status("g")["functions"]}
    for name in found:
        there = [os.sched_getaffinity(int(thread)) for pid in daemons(place, name) for thread in os.listdir("/proc/%d/task" % pid)]
        assert len(there) >= 2 and there == [set(found[name])] * len(there), (name, found, there)
    return found


def daemons(place, name):
    """Return the pids of a function's daemons, on this machine."""
    space, found = os.stat("/proc/%d/root/run/netns/composer:g:%s" % (place.node.pid, name)).st_ino, []
    for pid, _ in processes(place.node.pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a program of the agent's that has ended
            found += [pid] if os.stat("/proc/%d/ns/net" % pid).st_ino == space else []
    return found


def dies_and_is_started_again(place):
    count = place.status("g")["functions"][0].get("restarts", 0)
    before = daemons(place, "v")
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    until(lambda: place.status("g")["functions"][0].get("restarts", 0) > count and len(daemons(place, "v")) == 2)
    assert not set(before) & set(daemons(place, "v"))


def test_neighbours_are_on_one_core_when_they_are_deployed_started_again_and_after_a_restart_of_the_agent(running):
    place, found = running, bound(running)
    assert len(found["v"]) == 1 and found["v"] == found["w"]
    dies_and_is_started_again(place)
    assert bound(place) == found
    place.agent.kill()
    place.agent.start()
    assert bound(place) == found
    dies_and_is_started_again(place)
    assert bound(place) == found
    assert "ip netns pids composer:g:v | xargs -n 1 taskset -apc %d" % found["v"][0] in place.steps()
    for pid in [place.agent.pid] + place.node.pids("ovs-vswitchd"):
        assert os.sched_getaffinity(pid) == THERE


def test_when_a_core_can_no_longer_be_had_its_functions_are_bound_anew_and_not_told(running):
    place, core = running, bound(running)["v"]
    place.ask("POST", "/graphs/g/functions/w/pause")
    os.sched_setaffinity(place.agent.pid, THERE - set(core))
    try:
        left = sorted(THERE - set(core))
        seen = len(place.steps())
        assert place.put(place.ask("GET", "/graphs/g"))["outcome"] == "updated"
        wanted = "0-1023" if len(left) == 1 else str(left[0])
        assert [step for step in place.steps()[seen:]] == [
            "ip netns pids composer:g:%s | xargs -n 1 taskset -apc %s" % (name, wanted) for name in "vw"]
        for name in "vw":
            assert all(os.sched_getaffinity(pid) <= set(left) for pid in daemons(place, name))
        assert place.calls("v") == ["start"] and len(daemons(place, "v")) == 2
        assert place.put(place.ask("GET", "/graphs/g"))["outcome"] == "unchanged"
    finally:
        os.sched_setaffinity(place.agent.pid, THERE)


def test_each_of_two_graphs_that_have_nothing_to_do_with_each_other_has_a_core(place):
    place.put(chain("v", START=DAEMON))
    other = chain("w", name="h", START=DAEMON)
    for one in other["sffg"]["flowrules"]:
        one["priority"] += 1
    place.put(other)
    cores = [place.status(name)["functions"][0]["cores"] for name in "gh"]
    assert cores[0] != cores[1], cores
