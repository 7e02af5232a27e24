"""Exhaustion: no room on a disk, no process, no file descriptor: a clear error, the old state, and it passes by itself."""
import contextlib
import os
import resource
import time

import pytest

from crash import SEED, Crash, sample
from function import pings
from place import Place, chain

SAMPLE = 12
OLD, NEW = chain("v"), chain("v", "w")


@pytest.fixture(scope="module")
def shared():
    with Place() as place:
        place.crash = Crash(place)
        yield place


def things(place):
    place.crash.at(1 << 30)
    place.put(NEW)
    count = place.crash.last()[0]
    place.crash.at(0)
    place.put(OLD)
    return count


@pytest.mark.timeout(600)
@pytest.mark.parametrize("how, said", [("full", "No space left on device"), ("fork", "temporarily unavailable")])
def test_a_system_that_refuses_any_one_thing(place, how, said):
    """What the agent does for an update is refused it, one after the other: a write, or a child."""
    place.put(OLD)
    count, answers = things(place), []
    before = place.world()
    for number in sample(list(range(1, count + 1)), SAMPLE):
        place.crash.at(number, how)
        status, _, answer = place.agent.request("PUT", "/graphs/g", NEW)
        name = "seed %d: %s at thing %d of %d, %s: %s %s" % (SEED, how, number, count, place.crash.last()[1], status, answer)
        place.crash.at(0)
        answers.append(status)
        if status in (200, 201):  # it could do without, or it was of the other kind
            place.put(NEW)
            assert pings(place.lan, "10.0.0.2"), name
            place.put(OLD)
            continue
        assert status == (507 if how == "full" else 500), name
        assert said in str(answer), name
        assert place.ask("GET", "/graphs/g") == OLD, name
        end = time.monotonic() + 5
        while changes := place.changes(before):
            assert time.monotonic() < end, name + str(changes)
            time.sleep(0.1)
        assert pings(place.lan, "10.0.0.2"), name
    assert set(answers) - {200, 201}, "nothing was refused"
    assert place.calls("v")[0] == "start" and place.calls("v").count("start") == 1


@contextlib.contextmanager
def limit(pid, what, soft):
    old = resource.prlimit(pid, what)
    resource.prlimit(pid, what, (soft, old[1]))
    yield
    resource.prlimit(pid, what, old)


@pytest.mark.timeout(300)
def test_no_file_descriptors_left(place):
    """With some more each time: whoever can be answered is told, whoever cannot waits, and then all is well."""
    place.put(OLD)
    before, pid = place.world(), place.agent.pid
    there = len(os.listdir("/proc/%d/fd" % pid))
    for more in sample(list(range(0, 14)), 5):
        with limit(pid, resource.RLIMIT_NOFILE, there + more):
            answer, thread = place.later("PUT", "/graphs/g", NEW)
            thread.join(2)
        thread.join()
        assert answer[0] in (200, 500, 503, 507), (more, answer)
        if answer[0] == 500:
            assert "Too many open files" in str(answer[1]), answer
        place.put(NEW)
        assert pings(place.lan, "10.0.0.2")
        place.put(OLD)
        end = time.monotonic() + 5
        while changes := place.changes(before):
            assert time.monotonic() < end, (more, changes)
            time.sleep(0.1)
    assert place.calls("v").count("start") == 1
    assert len(os.listdir("/proc/%d/fd" % pid)) <= there + 2


def test_the_loop_was_never_late(place):
    assert place.metric("composer_loop_latest_seconds") < 0.25
