"""The bus without a broker: what waits, when it tries again, and that nothing that comes from it does any harm."""
import contextlib
import json
import random
import types

import pytest

import mutation
import test_fuzz
import world
from composer import bus, commands, config
from composer.events import Events
from crash import sample

SEED = 20261126
PAYLOADS, CHUNK = 50_000, 5_000
TOPICS = ["command"] * 8 + ["bus/config/g/fw"] * 3 + ["bus/config/g/fw", "bus/config/g/none", "bus/config/h/fw", "bus/config/\u00e9/fw", "bus/config/g/", "status",
          "graphs/g/state", "graphs/g/event", "monitor/x", "monitor/", "other", ""]
VERBS = ["start", "stop", "pause", "resume", "restart", "put", "delete", "jump", None, 7, [], {}]
SMALL = '{"sffg": {"id": "g", "SFs": [{"id": "fw", "name": "firewall", "ports": [{"id": "in"}, {"id": "out"}]}], "saps": [], "flowrules": []}}'


class Clock:
    """The part of the loop that a bus needs: what is armed is noted."""

    def __init__(self):
        self.armed, self.now = [], 0

    def at(self, seconds, action):
        self.armed.append(seconds)
        return types.SimpleNamespace(cancel=lambda: None)

    def clock(self):
        return self.now


def unconnected(dice=lambda: 1.0):
    loop = Clock()
    found = config.parse({"node": "n", "mqtt": {"host": "127.0.0.1"}}, {})
    return loop, bus.Bus(types.SimpleNamespace(loop=loop, config=found, events=Events(), graphs={}), dice)


def test_the_pause_is_doubled_up_to_two_minutes_and_all_of_it_is_left_to_chance():
    loop, one = unconnected()
    for _ in range(9):
        one._ended("nobody is there")
    assert loop.armed == [1, 2, 4, 8, 16, 32, 64, 120, 120]
    loop, one = unconnected(lambda: 0.25)
    one._ended("nobody is there")
    one._ended("nobody is there")
    assert loop.armed == [0.25, 0.5]


def test_only_a_connection_that_held_makes_the_pause_short_again():
    loop, one = unconnected()
    for held, pause in (0, 1), (0, 2), (2, 4), (4, 1), (0, 2):
        one.up, one.since = True, loop.now
        loop.now += held
        one._ended("it broke off")
        assert loop.armed.pop() == pause


def test_what_waits_is_bounded_the_oldest_is_dropped_and_measurements_do_not_wait():
    _, one = unconnected()
    for number in range(bus.QUEUE + 10):
        one.publish("event", str(number))
    one.publish("measurement/g/m", "1")
    assert [message.payload for message in one.queue] == [str(number) for number in range(10, bus.QUEUE + 10)]
    assert one.counters()["dropped"] == 11


def test_what_changes_while_the_broker_is_away_takes_no_room():
    _, one = unconnected()
    for number in range(5000):
        one._happened({"sequence": number, "event": "graph deleted", "graph": "g%d" % number})
    assert len(one.due) == 0 and len(one.queue) == bus.QUEUE


@pytest.mark.timeout(300)
def test_whatever_comes_from_the_bus_does_no_harm(tmp_path):
    numbers = sample(list(range(PAYLOADS // CHUNK)), 2)
    for number in numbers:
        folder = tmp_path / str(number)
        folder.mkdir()
        with open(folder / "log", "w") as log, contextlib.redirect_stderr(log):
            chunk(number, folder)
        with open(folder / "log") as log:
            bad = [line for line in log if "Traceback" in line or ": failed at=" in line or "bus: failed" in line or "event: failed" in line]
        assert not bad, bad[:3]
    print("seed %d: %d payloads" % (SEED, CHUNK * len(numbers)))


def chunk(number, folder):
    rng, node = random.Random(SEED + number), world.Node(folder)
    small = node.orchestrator
    small.config = small.config._replace(mqtt=config.parse({"mqtt": {"host": "127.0.0.1", "commands": True}}, {}).mqtt)
    one = small.bus = bus.Bus(small)
    commands.Commands(small, one)
    small.events.listeners.append(one._happened)
    outcomes = set()
    for index in range(CHUNK):
        if index % 500 == 0:
            assert node.ask("PUT", "/graphs/g", SMALL.encode()).status in (200, 201)
        topic, payload = rng.choice(TOPICS), draw(rng)
        one._heard(one.root + topic, payload, rng.random() < 0.1)
        node.rest()
        for message in one.queue:
            value = json.loads(message.payload)
            if message.topic == "command/answer":
                assert value["status"] != 500, (index, payload[:2000], value)
                outcomes.add(value["status"])
            assert len(message.payload) < test_fuzz.LONGEST
        one.queue.clear()
        assert node.world.wrong == [], (index, topic, payload[:300])
    assert {200, 400, 404, 409} <= outcomes <= {200, 400, 404, 409}, outcomes
    for name in small.deployed():
        assert node.ask("DELETE", "/graphs/" + name).status == 204
    assert not small.graphs


def draw(rng):
    """Return a payload: a command, or variables, or a graph that is wrong somewhere, or noise."""
    kind = rng.random()
    if kind < 0.1:
        return rng.randbytes(rng.randrange(60))
    if kind < 0.4:
        value = {"command": rng.choice(VERBS), "graph": rng.choice(["g", "h", "", None, 3]), "function": rng.choice(["fw", "x", None]),
                 "id": rng.choice(["1"] * 9 + [7, None, "x" * 300])}
        if rng.random() < 0.5:
            value = {"command": "put", "body": json.loads(rng.choice(test_fuzz.GOOD + [SMALL] * 20)), "graph": "g"}
            if rng.random() < 0.5:
                del value["graph"]
        text = json.dumps({key: value[key] for key in value if rng.random() < 0.9})
    else:
        text = json.dumps({rng.choice(["A", "FIREWALL_POLICY", "LD_PRELOAD", "", "a b"]): rng.choice(mutation.VALUES[:60])
                           for _ in range(rng.randrange(4))})
    if rng.random() < 0.4:
        text = mutation.mutate(rng, text if text.startswith("{") and len(text) > 2 else SMALL, test_fuzz.GOOD)
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
