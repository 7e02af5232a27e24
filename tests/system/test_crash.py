"""Crashes: kill -9 of the agent at any step and any moment; after a restart the node is as if it had not been.

`make test` tries a sample, `make test-faults` all.  An interrupted change is done or not done, never half: what was
answered counts, and the store decides the rest.
"""
import random
import time

import pytest

from crash import FULL, SEED, Crash, meaning, sample
from function import pings
from graphs import both, graph, host_stack, internal, tunnel, vlan_sap, wire
from place import LAN, Place, chain

SAMPLE = 3  # things of each story that are tried in `make test`
MOMENTS = 500 if FULL else 6
OLD, NEW = chain("v", "w", "x"), chain("v", "w", "y")
PLAIN = wire("g", vlan_sap("a", "lan0", 1), vlan_sap("b", "wan0", 1))
FAR = graph("g", [LAN, internal("i", "yard"), tunnel("vxlan", "192.0.2.1", "192.0.2.2", 8), host_stack("me", "10.0.0.9/24"),
                  host_stack("lease")], [], *both("1", "lan", "me"), *both("2", "i", "vxlan"), *both("3", "lease", "i", priority=2))
STORIES = {"deploy": (None, NEW), "update": (OLD, NEW), "delete": (NEW, None), "deploy on LSI-0": (None, PLAIN),
           "deploy SAPs": (None, FAR), "delete SAPs": (FAR, None)}


@pytest.fixture(scope="module")
def shared():
    with Place() as place:
        place.node.run("ip", "address", "add", "192.0.2.1/32", "dev", "lo")  # where a tunnel can begin that is a device
        place.agent.config["ovs"]["tunnels"] = "device"
        place.crash = Crash(place)
        place.worlds = {}  # an update keeps links that a deploy would not make, so there are two ways to NEW
        for old, new in STORIES.values():
            for body in (old, new):
                place.put(body) if body else place.clear()
                place.worlds[str(old), str(body)] = meaning(place)
            place.clear()
        yield place


def prepare(place, old):
    """Have the graph `old`, and no other."""
    place.crash.at(0)
    place.clear()
    if old:
        place.put(old)


def judge(place, old, new, said):
    """The node has the old graph or the new one, whole; if it was answered, the new one."""
    found = place.ask("GET", "/graphs")["graphs"]
    body = place.ask("GET", "/graphs/g") if found else None
    assert body in (old, new), said
    for _ in range(40):  # a program that the dead agent had started may just be ending
        if meaning(place) == place.worlds[str(old), str(body)]:
            break
        time.sleep(0.1)
    assert meaning(place) == place.worlds[str(old), str(body)], said
    if body and body != PLAIN:
        assert pings(place.lan, "10.0.0.9" if body == FAR else "10.0.0.2"), said
    return body


def change(place, new):
    return place.later("PUT" if new else "DELETE", "/graphs/g", new)


def things(place, old, new):
    """Return how many things the agent does for a change."""
    prepare(place, old)
    place.crash.at(1 << 30)
    answer, thread = change(place, new)
    thread.join()
    assert answer[0] in (200, 201, 204), answer
    return place.crash.last()[0]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("story", sorted(STORIES))
def test_an_agent_that_is_killed_at_any_step_of_a_change(place, story):
    old, new = STORIES[story]
    points = [(number, how) for number in range(1, things(place, old, new) + 1) for how in ("before", "amid")]
    assert len(points) > 10
    for number, how in sample(points, SAMPLE):
        prepare(place, old)
        place.crash.at(number, how)
        answer, thread = change(place, new)
        thread.join()
        said = "seed %d: %s of %s %d: %s, answered %s" % (SEED, how, story, number, place.crash.last()[1], answer)
        print(said)
        if not place.crash.is_over(0.5):
            place.crash.at(0)  # it was done before it died
        else:
            place.crash.start()
        body = judge(place, old, new, said)
        assert not answer or body == new, said


@pytest.mark.timeout(1800)
def test_an_agent_that_is_killed_at_any_step_of_a_restore(place):
    """All that it had is gone, as after a reboot; it is killed while it makes it again."""
    wipe = "for name in $(ovs-vsctl list-br); do ovs-vsctl del-br $name; done; ip -all netns del; rm -rf %s/runtime" % place.node.dir

    def wiped(number, how):
        prepare(place, NEW)
        place.agent.stop()
        for pid in place.node.pids("sleep"):
            place.node.run("kill", str(pid))
        place.node.run("dash", "-c", wipe)
        place.crash.at(number, how)

    wiped(1 << 30, "before")
    place.agent.start()
    place.crash.settles()
    points = [(number, how) for number in range(1, place.crash.last()[0] + 1) for how in ("before", "amid")]
    assert len(points) > 20
    for number, how in sample(points, SAMPLE):
        wiped(number, how)
        try:
            place.agent.start(ready=False)
        except RuntimeError:
            pass  # it died before it answered
        said = "seed %d: %s of restore %d" % (SEED, how, number)
        assert place.crash.is_over(), said
        said += ": " + place.crash.last()[1]
        print(said)
        place.crash.start()
        assert judge(place, NEW, NEW, said) == NEW  # as the story of the delete begins


@pytest.mark.timeout(3000)
def test_an_agent_that_is_killed_at_any_moment(place):
    moments = random.Random(SEED)
    for index in range(MOMENTS):
        old, new = STORIES[moments.choice(sorted(STORIES))]
        prepare(place, old)
        pause = moments.uniform(0, 0.35)
        answer, thread = change(place, new)
        time.sleep(pause)
        place.agent.kill()
        thread.join()
        said = "seed %d, moment %d: %.0f ms, answered %s" % (SEED, index, 1000 * pause, answer)
        place.crash.start()
        body = judge(place, old, new, said)
        assert not answer or body == new, said
