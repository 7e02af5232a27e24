"""The monitoring manager without a node: rounds that take long are further apart, so that nobody else waits."""
import types

from composer.core import placing, sffg
from composer.events import Events
from composer.monitor import INTERVAL, Monitor


class Clock:
    """A loop whose clock goes on by `step` seconds whenever it is read."""

    def __init__(self, step):
        self.now, self.step, self.armed = 0, step, []

    def clock(self):
        self.now += self.step
        return self.now

    def soon(self, action, *arguments):
        action(*arguments)

    def at(self, seconds, action):
        self.armed.append((seconds, action))
        return action


def monitored(step):
    """Return (the loop, the Monitor) of a node with one monitored graph, on which a look at the clock takes `step` seconds."""
    loop = Clock(step)
    graph = sffg.parse({"sffg": {"id": "g", "monitoring":
                                 "measurements { m = reported(name = x); } zones { z = (COUNT(val = m, max_age = \"1 minute\") = 0); } "
                                 "actions { ->z = Publish(topic = t, message = m); }"}})
    entry = types.SimpleNamespace(id="g", running=False, placed=placing.place(placing.empty("g"), graph, {}, 1, "/run"))
    node = types.SimpleNamespace(loop=loop, events=Events(), bus=None, graphs={"g": entry})
    one = Monitor(node)
    one.follow(entry)
    return loop, one, entry


def test_a_round_that_takes_long_puts_off_the_next():
    for step, pause in (0.001, INTERVAL), (0.5, 2.5):
        loop, _, _ = monitored(step)
        loop.armed[-1][1]()
        assert abs(loop.armed[-1][0] - pause) < 1e-9


def test_a_graph_on_hold_is_not_looked_at_and_one_that_is_gone_has_no_timer():
    loop, one, entry = monitored(0.001)
    assert one.told("g")["zones"] == ["z"] and one.alarms == 1
    entry.running = True
    one.watched["g"].true = set()
    loop.armed[-1][1]()
    assert one.told("g")["zones"] == [], "on hold"
    entry.placed = None
    one.follow(entry)
    count = len(loop.armed)
    loop.armed[-1][1]()
    assert len(loop.armed) == count and one.timer is None and one.told("g") == {}
