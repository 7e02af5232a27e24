"""The supervisor's pauses, with a clock that costs no time.  (With real functions: system/test_supervision.py.)"""
import heapq
import types

from composer import supervisor
from composer.core.errors import StepFailed
from composer.events import KEPT, Events
from composer.jobs import Entry
from composer.loop import Loop

HOUR = 3600


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class World:
    """One graph of one function; what becomes of a start is what `ends` says: it may fail, or fail some seconds later."""

    def __init__(self, ends):
        self.clock, self.ends, self.starts = Clock(), ends, [0.0]
        self.loop = Loop(clock=self.clock, log=lambda line: None)
        groups = types.SimpleNamespace(pids=lambda name: [], hits=lambda name: {"memory": 0, "pids": 2})
        self.node = types.SimpleNamespace(loop=self.loop, events=Events(), graphs={}, enqueue=self.enqueue,
                                          system=types.SimpleNamespace(groups=groups))
        self.entry = self.node.graphs["g"] = Entry("g", None)
        self.entry.placed = {"sfs": {"fw": {"number": 0, "netns": "composer:g:fw", "state": "running", "scripts": []}}}
        self.supervisor = supervisor.Supervisor(self.node)
        self.supervisor.follow(self.entry)

    def enqueue(self, entry, job):
        self.starts.append(self.clock.now)
        self.happens()

    def happens(self, first=False):
        """The function starts: it fails at once, or runs for some seconds."""
        seconds = self.ends(len(self.starts))
        if not seconds:
            error = StepFailed("start", "exit status 1")
            self.supervisor.failed(self.entry, "fw", error) if first else self.supervisor.revived(self.entry, "fw", error)
            return
        if not first:
            self.supervisor.revived(self.entry, "fw", None)
        self.loop.at(seconds, lambda: self.supervisor.failed(self.entry, "fw", StepFailed("status", "it died")))

    def run(self, seconds):
        end = self.clock.now + seconds
        while True:
            while self.loop._timers and not self.loop._timers[0].action:
                heapq.heappop(self.loop._timers)
            if not self.loop._timers or self.loop._timers[0].when > end:
                break
            self.clock.now = self.loop._timers[0].when
            self.loop.turn()
        self.clock.now = end


def pauses(starts):
    return [later - sooner for sooner, later in zip(starts, starts[1:])]


def test_one_that_fails_at_once_is_started_six_times_in_the_first_minute_and_at_least_every_five_minutes_after():
    world = World(lambda start: 0)
    world.happens(first=True)
    world.run(3 * HOUR)
    assert len([when for when in world.starts if when < 60]) == 6
    assert pauses(world.starts)[:10] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]
    assert max(pauses(world.starts)) == 300 and world.starts[-1] > 3 * HOUR - 300
    assert world.entry.health["fw"].told()["error"]["restart_in"] == 300
    assert world.entry.health["fw"].told()["error"]["limits_hit"] == ["pids"]


def test_one_that_runs_for_a_while_has_the_same_pauses_as_one_that_does_not():
    world = World(lambda start: 20)
    world.happens(first=True)
    world.run(HOUR)
    assert pauses(world.starts)[:4] == [20 + 1, 20 + 2, 20 + 4, 20 + 8]


def test_one_that_ran_well_is_as_good_as_new():
    world = World(lambda start: 0 if start < 8 else supervisor.GOOD + 60 if start == 8 else 0)
    world.happens(first=True)
    world.run(HOUR)
    assert pauses(world.starts)[7] == supervisor.GOOD + 60 + 1


def test_a_graph_that_is_gone_is_left_alone():
    world = World(lambda start: 0)
    world.happens(first=True)
    world.run(3)
    count = len(world.starts)
    del world.node.graphs["g"]
    world.entry.placed = None
    world.supervisor.follow(world.entry)
    world.run(HOUR)
    assert len(world.starts) == count and not world.entry.health


def test_events_have_numbers_and_only_the_last_are_kept():
    events, heard = Events(), []
    events.listeners.append(heard.append)
    for number in range(KEPT + 10):
        events.tell("something", value=number)
    assert len(events.kept) == KEPT and len(heard) == events.last == KEPT + 10
    assert [one["sequence"] for one in events.since(events.last - 2)] == [events.last - 1, events.last]
    assert events.since(events.last) == []
