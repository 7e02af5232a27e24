"""Commands: what the bus asks of the node (SPEC 5; paper, 5.7).

    composer/v1/<node>/bus/config/<graph>/<sf>   {"NAME": "value", ...}: the function's variables from now on; `update` runs
    composer/v1/<node>/command                   only if the configuration allows it ("commands": true)
        {"id": "7", "command": "put", "body": {"sffg": ...}}              and delete, with "graph"
        {"id": "8", "command": "stop", "graph": "home", "function": "fw"}      and start pause resume restart
    composer/v1/<node>/command/answer            {"id": "8", "status": 200, "outcome": "done"}, or the error as by HTTP

Who may publish there may do it: the broker's users and access list decide.  A configuration for a graph that is not there
yet waits for it; of several for one function only the last counts.  One that is refused is an event of its graph.
"""
from . import auth, log
from .core import json, parameters, sffg, values
from .core.errors import BadRequest, Refused, TooBusy, show, unknown
from .jobs import failure

VERBS = ("start", "stop", "pause", "resume", "restart")
COMMANDS = VERBS + ("put", "delete")
KEYS = {"put": ("id", "command", "graph", "body"), "delete": ("id", "command", "graph")}
WAITING = 64  # configurations that wait for their graph
AGAIN = 1  # seconds until one is tried again that the node was too busy for


class Commands:
    def __init__(self, node, bus):
        self.node, self.bus = node, bus
        self.waiting = {}  # {(graph, function): changes}, in order
        self.done = {}  # {(graph, function): the last payload}: a broker gives what it has retained at each connection
        bus.listen("bus/config/+/+", "bus/config/", self.configure)
        if bus.config.commands:
            bus.listen("command", "command", self.command)
        node.events.listeners.append(self._happened)

    # Configuration.

    def configure(self, rest, payload, retained):
        """Take the configuration of a function."""
        graph_id, _, sf_id = rest.partition("/")
        if not payload:
            self.done.pop((graph_id, sf_id), None)  # nothing is retained any more
            return
        if retained and self.done.get((graph_id, sf_id)) == hash(payload):
            return
        try:
            values.identifier(graph_id)
            values.identifier(sf_id)
        except ValueError as error:
            log.write("bus", "configuration of nobody", topic=rest[:200], why=error)
            return
        try:
            changes = read(payload)
        except Refused as error:
            self._refused(graph_id, sf_id, error)
            return
        self._keep(self.done, (graph_id, sf_id), hash(payload))
        self._keep(self.waiting, (graph_id, sf_id), changes)
        self._next()

    def _keep(self, kept, key, value):
        kept.pop(key, None)
        kept[key] = value
        while len(kept) > WAITING:
            kept.pop(next(iter(kept)))
            self.bus.count["dropped"] += 1

    def _next(self):
        """Put the graphs for which configurations wait, and that are at rest."""
        for graph_id, sf_id in list(self.waiting):
            entry = self.node.graphs.get(graph_id)
            if entry is None or not entry.placed or entry.running or entry.queue:
                continue
            changes = self.waiting.pop((graph_id, sf_id))
            try:
                body = parameters.changed(self.node.get(graph_id).body, sf_id, changes)
                job = self.node.put(graph_id, sffg.parse(body, graph_id), entry.owner, confirm=0)
            except TooBusy:
                self.waiting.setdefault((graph_id, sf_id), changes)
                self.node.loop.at(AGAIN, self._next)
            except Refused as error:
                self._refused(graph_id, sf_id, error)
            else:
                job.when_done(lambda job=job, sf_id=sf_id: self._put(job, sf_id))

    def _put(self, job, sf_id):
        if job.error:
            self._refused(job.graph_id, sf_id, job.error)
        elif job.outcome != "unchanged":
            self.node.events.tell("function configured", graph=job.graph_id, function=sf_id)
        self.node.loop.soon(self._next)

    def _refused(self, graph_id, sf_id, error):
        self.node.events.tell("configuration refused", graph=graph_id, function=sf_id, why=str(error)[-500:])

    def _happened(self, event):
        if self.waiting and event.get("graph") in [graph_id for graph_id, _ in self.waiting]:
            self.node.loop.soon(self._next)

    # Commands.

    def command(self, rest, payload, retained):
        """Carry out a command, and answer it; what a broker has retained is not a command of now."""
        if retained:
            return
        asked = {}
        try:
            asked = read(payload)
            check(asked)
            job = self._job(asked)
        except Refused as error:
            self._answer(asked, dict(failure(error), status=error.status))
        else:
            job.when_done(lambda: self._answer(asked, dict(failure(job.error), status=getattr(job.error, "status", 500)) if job.error
                                               else {"status": 200, "graph": job.graph_id, "outcome": job.outcome}))

    def _job(self, asked):
        kind, graph_id = asked["command"], asked.get("graph")
        if kind == "put":
            graph = sffg.parse(asked["body"], graph_id)
            if graph.id is None:
                raise BadRequest("graph", "is missing: the id of the graph")
            return self.node.put(graph.id, graph, auth.ANYBODY.name)
        if kind == "delete":
            return self.node.delete(graph_id)
        return self.node.act(graph_id, asked["function"], kind)

    def _answer(self, asked, answer):
        if isinstance(asked.get("id"), str):
            answer["id"] = asked["id"][:200]
        self.bus.publish("command/answer", json.dumps(answer))


def read(payload):
    """Return the object that a payload is.  Raises BadRequest."""
    try:
        asked = json.strict(payload)
    except ValueError as error:
        raise BadRequest("", "should be JSON: %s" % error)
    if not isinstance(asked, dict):
        raise BadRequest("", "should be an object, not %s" % show(asked))
    return asked


def check(asked):
    """Raise BadRequest unless an object is a command."""
    if asked.get("command") not in COMMANDS:
        raise BadRequest("command", "should be one of %s" % ", ".join(COMMANDS))
    keys = KEYS.get(asked["command"], ("id", "command", "graph", "function"))
    for key in asked:
        if key not in keys:
            raise BadRequest(key, unknown(key, keys, "key"))
    for key in keys:
        if key not in asked and key != "id" and (asked["command"], key) != ("put", "graph"):
            raise BadRequest(key, "is missing: %s wants %s" % (asked["command"], ", ".join(keys)))
        if key in asked and key != "body" and (not isinstance(asked[key], str) or len(asked[key]) > 200):
            raise BadRequest(key, "should be a text of 200 letters at most, not %s" % show(asked[key]))
    if "graph" in asked:
        try:
            values.identifier(asked["graph"])
        except ValueError as error:
            raise BadRequest("graph", "should be %s" % error)
