"""The monitoring manager: measures what graphs say is to be measured, and tells who is to know (paper, 5.8, 8.7; SPEC 7).

    a graph is deployed   its metrics are measured from now on, once a second
    it is being changed   on hold: nothing of it is measured, nothing is evaluated (8.7, C to D)
    it has been changed   all begins anew: what was measured of the old one says nothing of the new one
    it is gone            nothing is left

What two graphs, or two metrics, say of one thing is measured once (sources.py).  Values go into windows of a bounded size
(core/windows.py), zones and actions follow of these (core/measure.py).  Without a graph that is monitored there is no timer, and
with very many the rounds are further apart.
"""
import time

from . import host
from .core import json, measure, saps, subjects
from .core.errors import Conflict
from .core.windows import Window
from .sources import Sources, key_of

INTERVAL, SHARE = 1, 5  # seconds; a round takes at most a fifth of the time until the next one, which else comes later


class Watched:
    """A graph that is monitored: its metrics and their keys, windows, last values, and the zones that are true."""

    def __init__(self, placed):
        self.placed, self.measure = placed, placed["graph"].measure
        self.keys = dict([(metric.name, key_of(_subject(metric, placed), metric, placed)) for metric in self.measure.metrics])
        self.kept = dict([(key, Window(key[1])) for key in measure.windows(self.measure)])
        self.of = dict([(metric.name, [window for key, window in sorted(self.kept.items()) if key[0] == metric.name])
                        for metric in self.measure.metrics])
        self.last, self.true = {}, set()

    def told(self):
        return {"measurements": dict([(metric.name, self.last.get(metric.name)) for metric in self.measure.metrics]),
                "zones": sorted(self.true)}


class Monitor:
    def __init__(self, node):
        self.node, self.watched, self.timer = node, {}, None  # {graph id: Watched}
        self.sources, self.alarms, self.malformed = Sources(node, INTERVAL), 0, 0
        self.spent = 0  # seconds in this round

    def follow(self, entry):
        """Measure what a graph is to be measured by now, if that is another graph than before."""
        placed = entry.placed
        if placed is None or not placed["graph"].measure.metrics and not placed["graph"].measure.zones:
            self.watched.pop(entry.id, None)
            return
        known = self.watched.get(entry.id)
        if known is None or known.placed is not placed:
            self.watched[entry.id] = Watched(placed)
            self.sources.anew(self.watched[entry.id].keys.values())
        if self.timer is None:
            self._tick()

    def told(self, graph_id):
        """Return what the status of a graph tells of it, {} if it is not monitored."""
        return self.watched[graph_id].told() if graph_id in self.watched else {}

    def reported(self, name, payload, retained=False):
        """Take what somebody has measured: a number, or {"value": number}, as JSON."""
        try:
            value = json.strict(payload)
            value = value.get("value") if isinstance(value, dict) else value
            if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > 1e300:
                raise ValueError("no number")
        except ValueError:
            self.malformed += 1
            return
        if not retained:
            self.sources.report(name, value)

    def _tick(self):
        if not self.watched:
            self.timer = None
            return
        self.sources.interval, self.spent = max(INTERVAL, SHARE * self.spent), 0
        self.timer = self.node.loop.at(self.sources.interval, self._tick)
        for name in sorted(self.watched):
            self.node.loop.soon(self._measure, name, self.watched[name])
        self.node.loop.soon(self._turn)

    def _measure(self, name, one):
        """Take the values of a graph, put them into its windows, and see what follows; unless it is on hold."""
        now, entry = self.node.loop.clock(), self.node.graphs.get(name)
        if self.watched.get(name) is not one or entry is None or entry.running:
            return
        for metric in one.measure.metrics:
            key = one.keys[metric.name]
            if key[0] == "ping":
                self.sources.ping(key, now)
            found = self.sources.value(metric, key, now)
            values = found if isinstance(found, list) else [] if found is None else [found]
            if values or not isinstance(found, list):
                one.last[metric.name] = values[-1] if values else None
            if values:
                self._publish("measurement/%s/%s" % (name, metric.name), {"value": values[-1], "time": int(time.time())})
            for window in one.of[metric.name]:
                for value in values:
                    window.add(now, value)
        self._evaluate(name, one, now)
        self.spent += self.node.loop.clock() - now

    def _turn(self):
        self.sources.turn(set([key for one in self.watched.values() for key in one.keys.values()]))

    def _evaluate(self, name, one, now):
        before = one.true
        one.true, fired = measure.evaluate(one.measure, one.kept, now, before)
        for action in fired:
            self._fire(name, action, action.way != measure.IN or action.zone not in before)

    def _fire(self, name, action, fresh):
        """Tell those whom an action names; as an event only when something has changed."""
        self.alarms += 1
        if fresh:
            self.node.events.tell("alarm", graph=name, zone=action.state, action=action.function, message=action.parameters["message"])
        topic = "alarms/" + action.parameters["topic"] if action.function == "Publish" else "bus/" + action.parameters["target"]
        self._publish(topic, {"graph": name, "zone": action.state, "action": action.function,
                              "message": action.parameters["message"], "time": int(time.time()), "sequence": self.alarms})

    def _publish(self, topic, value):
        if self.node.bus:
            self.node.bus.publish(topic, json.dumps(value))


def vet(graph):
    """Raise Conflict if this node cannot measure what a graph wants measured."""
    ends = dict([(sap.id, sap) for sap in graph.saps])
    for metric in graph.measure.metrics:
        subject, why = subjects.of(metric, graph.sfs, graph.saps), ""
        if subject[0] == "ping" and not host.has_program("ping"):
            why = "this node has no program ping"
        sap = ends[subject[1]] if subject[0] == "sap" else None
        if sap and sap.vlan is not None:
            why = "SAP %s is a VLAN, which has no counter of its own: measure a function's port behind it" % sap.id
        elif sap and metric.kind.startswith("overload") and not metric.parameters["line_rate"] and not (
                saps.place(sap) == saps.WIRE and host.speed(sap.interface)):
            why = "SAP %s does not say how fast it is: give its line_rate, in bits a second" % sap.id
        if why:
            raise Conflict("monitoring", "line %d, column %d: %s: %s" % (metric.line, metric.column, metric.name, why))


def _subject(metric, placed):
    """Return the subject of a metric of a placed graph, whose functions that are graphs are not in it any more."""
    parameters = metric.parameters
    if parameters.get("vnf") in placed["parts"]:
        return ("port", parameters["vnf"], parameters["interface"]) if "interface" in parameters else ("sf", parameters["vnf"])
    return subjects.of(metric, placed["graph"].sfs, placed["graph"].saps)
