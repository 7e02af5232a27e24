"""The bus: what the node says over MQTT, and what it hears there (SPEC 5; paper 5.1.2, 5.7).

    composer/v1/<node>/status                  retained  online, with the boot; offline is the last will
    composer/v1/<node>/description, .../frog   retained  the domain description, in two shapes
    composer/v1/<node>/graphs/<id>/state       retained  empty when the graph is gone
    composer/v1/<node>/graphs/<id>/event, .../event      what happened, with its number: of a graph, of the node
    composer/v1/<node>/...                     whatever else is published: measurements, alarms

What is retained is not queued: its topic is noted as due, and its value is made when it is sent, so that after however long
without a broker what is there is true at once.  Events wait in a queue, the oldest is dropped and counted.  At most
WINDOW messages are on their way at a time.  Nothing else of the agent waits for the bus, or notices that it is away.
"""
import os
from collections import deque

from . import __version__, log, mqtt
from .core import json

ROOT = "composer/v1/"
FIRST, LAST, HELD = 1, 120, 3  # seconds until a connection is tried again: at most, doubled; after how long one was good
QUEUE, WINDOW = 256, 16  # messages that wait, and that are on their way
MEET = 0.5  # seconds in which changes of what is retained are collected
ROUND = 10  # seconds between two looks at what changes by itself, as load does
SETTLED = 5  # seconds after which all that a broker had retained of us has come


class Message:
    __slots__ = ("topic", "payload", "retain")

    def __init__(self, topic, payload, retain):
        self.topic, self.payload, self.retain = topic, payload, retain


class Bus:
    """`values` are {topic: function that returns its value, a text} of what is retained beside the states of graphs;
    `ears` are [(topic, or its begin if that ends with /, function(what follows, payload, retained))]."""

    def __init__(self, node, dice=lambda: int.from_bytes(os.urandom(4), "big") / (1 << 32)):
        self.node, self.loop, self.config, self.dice = node, node.loop, node.config.mqtt, dice
        self.root = "%s%s/" % (ROOT, node.config.node)
        self.values = {"status": lambda: self._status("online")}
        self.ears = [("status", self._hear_status), ("graphs/", self._hear_state)]
        self.wishes = ["status"]  # topics that are subscribed to, but for those of the graphs' states
        self.queue, self.away = deque(), {}  # what waits; {number: Message} of what is on its way, None of what is retained
        self.due, self.said, self.meeting = {}, {}, None  # topics to be said, in order; {topic: hash of what was said}
        self.link, self.up, self.pause, self.since = None, False, FIRST, 0
        self.count = dict.fromkeys(("published", "received", "dropped", "connects", "failures"), 0)
        self.trouble, self.round = "", None

    def start(self):
        self.node.events.listeners.append(self._happened)
        self._connect()

    def listen(self, topic, name, ear):
        """Call `ear(what follows name, payload, retained)` of what comes under a topic, which may have wildcards; before start()."""
        self.wishes.append(topic)
        self.ears.append((name, ear))

    def stop(self):
        """Say good-bye, if that is possible at once."""
        if self.up:
            self.link.publish(self.root + "status", self._status("offline"), 1, True)
            self.link.leave()

    def publish(self, topic, payload, retain=False):
        """Publish a text under the node's root.  Measurements are not kept for a broker that is away."""
        if topic.startswith("measurement/"):
            if self.up and not self.link.client.want_write():
                self.count["published"] += 1
                self.link.publish(self.root + topic, payload, 0, retain)
            else:
                self.count["dropped"] += 1
            return
        if len(self.queue) >= QUEUE:
            self.queue.popleft()
            self.count["dropped"] += 1
        self.queue.append(Message(topic, payload, retain))
        self._pump()

    def note(self, topic):
        """Note that what is retained of a topic may be another by now.  Without a broker nothing is: all is due at a connection."""
        if not self.up:
            return
        self.due[topic] = True
        if self.meeting is None:
            self.meeting = self.loop.at(MEET, self._flush)

    def counters(self):
        return dict(self.count, connected=int(self.up), waiting=len(self.queue))

    # The connection.

    def _connect(self):
        will = (self.root + "status", self._status("offline"))
        self.up, self.since = False, self.loop.clock()
        self.link = mqtt.Connection(self.loop, self.config, "composer-" + self.node.config.node, will,
                                    self._connected, self._heard, self._sent, self._ended)

    def _connected(self):
        self.up, self.since, self.trouble = True, self.loop.clock(), ""
        self.count["connects"] += 1
        log.write("bus", "connected", broker="%s:%d" % (self.config.host, self.config.port))
        states = self.root + "graphs/+/state"
        self.link.subscribe([self.root + topic for topic in self.wishes] + [states])
        if self.up:
            self.loop.at(SETTLED, lambda link=self.link: link.over or link.unsubscribe([states]))
        self.said.clear()
        self.due = dict.fromkeys(list(self.values) + ["graphs/%s/state" % name for name in sorted(self.node.graphs)])
        self.round = self.loop.at(ROUND, self._look_again)
        self._flush()

    def _ended(self, why):
        """The connection has ended: try another one in a while, whose length nobody else has (full jitter)."""
        held = self.up and self.loop.clock() - self.since > HELD
        if not self.up:
            self.count["failures"] += 1
        self.up = False
        for timer in (self.round, self.meeting):
            if timer:
                timer.cancel()
        self.round = self.meeting = None
        lost, self.away = [self.away[number] for number in sorted(self.away) if self.away[number]], {}
        self.queue.extendleft(reversed(lost))
        while len(self.queue) > QUEUE:
            self.queue.popleft()
            self.count["dropped"] += 1
        if held:
            self.pause = FIRST
        if why != self.trouble:  # what fails again and again is said once
            log.write("bus", "no broker", broker="%s:%d" % (self.config.host, self.config.port), why=why)
        self.trouble = why
        self.loop.at(self.dice() * self.pause, self._connect)
        self.pause = min(2 * self.pause, LAST)

    # What is said.

    def _flush(self):
        """Say what is due, and what waits."""
        if self.meeting:
            self.meeting.cancel()
        self.meeting = None
        while self.up and self.due and len(self.away) < WINDOW:
            topic = next(iter(self.due))
            del self.due[topic]
            value = self._value(topic)
            if value is not None and self.said.get(topic) != hash(value):
                self.said[topic] = hash(value)
                if not value:
                    del self.said[topic]
                self._send(Message(topic, value, True), again=False)
        self._pump()

    def _pump(self):
        while self.up and self.queue and len(self.away) < WINDOW:
            self._send(self.queue.popleft())

    def _send(self, message, again=True):
        number = self.link.publish(self.root + message.topic, message.payload, 1, message.retain)
        self.count["published"] += 1
        if self.up:
            self.away[number] = message if again else None
        elif again:
            self.queue.appendleft(message)

    def _sent(self, number):
        """The broker has a message: another one may go."""
        self.away.pop(number, None)
        if len(self.away) == WINDOW // 2 and (self.queue or self.due):
            self.loop.soon(self._flush)

    def _value(self, topic):
        """Return what is to be retained of a topic, "" if nothing is, None if nobody knows."""
        if topic in self.values:
            return self.values[topic]()
        name = topic[len("graphs/"):-len("/state")]
        entry = self.node.graphs.get(name)
        return "" if entry is None else json.dumps(state(entry.status(self.loop.clock())))

    def _status(self, word):
        return json.dumps({"status": word, "boot": boot(), "version": __version__})

    def _happened(self, event):
        """Tell an event of the node; an interface that comes or goes is one of each graph that has it, too."""
        if "graph" in event:
            graphs = [event["graph"]]
        else:
            graphs = [name for name, entry in self.node.graphs.items() if "interface" in event and entry.placed
                      and event["interface"] in [sap.interface for sap in entry.placed["graph"].saps]]
        text = json.dumps(event)
        for name in graphs:
            self.publish("graphs/%s/event" % name, text)
            self.note("graphs/%s/state" % name)
        if "graph" not in event:
            self.publish("event", text)
        for topic in self.values:
            if topic != "status":
                self.note(topic)

    def _look_again(self):
        self.round = self.loop.at(ROUND, self._look_again)
        for topic in self.values:
            self.note(topic)

    # What is heard.

    def _heard(self, topic, payload, retained):
        self.count["received"] += 1
        try:
            rest = topic[len(self.root):]
            for name, ear in self.ears:
                if rest == name or name.endswith("/") and rest.startswith(name):
                    ear(rest[len(name):], payload, retained)
        except Exception as error:  # it must not cost us the connection
            log.failure("bus", error)

    def _hear_status(self, rest, payload, retained):
        """Somebody said that we are offline: the will of a connection that the broker has only now given up."""
        if self.up and payload != self._status("online").encode():
            self.said.pop("status", None)
            self.note("status")

    def _hear_state(self, rest, payload, retained):
        """The broker still has the state of a graph: is it ours?"""
        name, _, kind = rest.partition("/")
        if payload and kind == "state" and name not in self.node.graphs:
            self.note("graphs/" + rest)


def state(status):
    """Return what is retained of the status of a graph."""
    keys = ("id", "name", "implementation", "state", "restarts", "error")
    return {"id": status["id"], "state": status["state"], "error": status["error"],
            "functions": [dict([(key, one[key]) for key in keys if key in one]) for one in status["functions"]]}


def boot():
    """Return what tells one boot of the node from the next."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return ""
