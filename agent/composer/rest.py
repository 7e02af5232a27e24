"""The REST API: bottle routes, and the one place where errors become answers (SPEC 2).

A change is a job.  bottle cannot wait, so the handler puts the job into environ["composer.job"]; http.py throws
that answer away and, when the job has ended, calls the app again with it in environ["composer.outcome"].
"""
import os
import sys
import time

ABSENT = [name for name in ("ssl", "_hashlib") if name not in sys.modules]
sys.modules.update(dict.fromkeys(ABSENT))  # else bottle loads OpenSSL: 4 MB of memory, and nothing here needs it
import bottle  # noqa: E402
from bottle import request, response  # noqa: E402
for name in ABSENT:
    del sys.modules[name]  # who does need it can import it

from . import __version__, admission, auth, changes, description, host, log, metrics, openapi, passwords, trial
from .core import domain, json, resolver, sffg, templates, tracing, values
from .core.errors import BadGraph, BadRequest, Forbidden, NotFound, Refused, StepFailed, failed
from .jobs import failure
from .repository import Absent

LONGEST_TRIAL = 86400  # seconds until a change must be confirmed
VERBS = ("start", "stop", "pause", "resume", "restart")
FROG_STATES = {"deployed": "complete", "failed": "error"}  # all others are in_progress

# method, path, method of Rest; the last ones are what FROG's clients send [U]
ROUTES = (
    ("GET", "/graphs", "list_graphs"),
    ("POST", "/graphs", "post_graph"),
    ("GET", "/graphs/<graph_id>", "get_graph"),
    ("PUT", "/graphs/<graph_id>", "put_graph"),
    ("DELETE", "/graphs/<graph_id>", "delete_graph"),
    ("GET", "/graphs/<graph_id>/status", "status"),
    ("GET", "/graphs/<graph_id>/trace", "trace"),
    ("POST", "/graphs/<graph_id>/confirm", "confirm"),
    ("POST", "/graphs/<graph_id>/functions/<sf_id:path>/<verb>", "act"),
    ("GET", "/node", "describe"),
    ("GET", "/functions", "functions"),
    ("GET", "/health", "health"),
    ("GET", "/events", "events"),
    ("GET", "/metrics", "metrics"),
    ("GET", "/openapi.json", "openapi"),
    ("POST", "/login", "login"),
    ("GET", "/NF-FG", "frog_list"),
    ("GET", "/NF-FG/", "frog_list"),
    ("POST", "/NF-FG", "frog_post"),
    ("POST", "/NF-FG/", "frog_post"),
    ("GET", "/NF-FG/<graph_id>", "get_graph"),
    ("PUT", "/NF-FG/<graph_id>", "frog_put"),
    ("DELETE", "/NF-FG/<graph_id>", "delete_graph"),
    ("GET", "/NF-FG/status/<graph_id>", "frog_status"),
)


def application(node):
    """Return the WSGI application of a node (an Orchestrator)."""
    app, rest = bottle.Bottle(), Rest(node)
    app.default_error_handler = _unhandled
    app.install(_answering)
    for method, path, name in ROUTES:
        app.route(path, method, getattr(rest, name))
    return app


class Rest:
    """The handlers; each returns a value for JSON, a text, or None."""

    def __init__(self, node):
        self.node, self.started = node, time.monotonic()

    # Graphs.

    def list_graphs(self):
        return {"graphs": [{"id": name, "name": self.node.get(name).name, "state": self.node.status(name)["state"]}
                           for name in self._readable(self._may(auth.SEE))]}

    def post_graph(self):
        return self._plan(None) if _dry_run() else self._put(None, _put_answer, create=True)

    def get_graph(self, graph_id):
        self._may(auth.READ, graph_id)
        response.headers["ETag"] = changes.tag(self.node.get(graph_id))
        return _given_back(self.node.get(graph_id))

    def put_graph(self, graph_id):
        return self._plan(graph_id) if _dry_run() else self._put(graph_id, _put_answer)

    def delete_graph(self, graph_id):
        def answer(job):
            if job.failures:
                return _with_failures(job, {"id": graph_id, "outcome": job.outcome})
            response.status = 204
            return None
        return self._change(graph_id, lambda who: self.node.delete(graph_id, _confirm()), answer)

    def confirm(self, graph_id):
        """A change that waits to be confirmed is what the manager wanted (commit-confirm)."""
        self._may(auth.WRITE, graph_id)
        try:
            trial.confirm(self.node, graph_id)
        except OSError as error:
            raise failed("graph %s cannot be stored" % graph_id, error)
        return {"id": graph_id, "outcome": "confirmed"}

    def status(self, graph_id):
        self._may(auth.READ, graph_id, self.node.past)
        found = self.node.status(graph_id)
        for sap in found.get("saps", ()):
            if sap["type"] == "host-stack":
                sap["addresses"] = sorted([address for port, address in host.addresses() if port == sap["port"]])
        return found

    def trace(self, graph_id):
        """The way of one packet through the LSIs: a job, because the switch is asked, but one that only reads."""
        def ask():
            self._may(auth.READ, graph_id)
            way = tracing.trace(self.node.placed(graph_id), dict(request.query), self.node.drivers.vswitch)
            return self.node.look(graph_id, way)
        return _when_done(ask, lambda job: job.answer)

    def act(self, graph_id, sf_id, verb):
        if verb not in VERBS:
            raise NotFound("", "%s is no verb of a function: %s are" % (verb, ", ".join(VERBS)))
        return self._change(graph_id, lambda who: self.node.act(graph_id, sf_id, verb),
                            lambda job: {"id": sf_id, "outcome": job.outcome})

    # The node.

    def describe(self):
        """The domain description (SPEC 6), or, with ?shape=frog, the same as FROG's library parses it."""
        self._may(auth.SEE)
        shape = request.query.get("shape", "yang")
        if [key for key in request.query if key != "shape"] or shape not in ("yang", "frog"):
            raise BadRequest("query", "should be nothing, or ?shape=frog, or ?shape=yang")
        found = description.current(self.node)
        return found if shape == "yang" else domain.frog(found, self.node.config.listen[0])

    def functions(self):
        self._may(auth.SEE)
        offer = admission.offer(self.node)
        return {"functions": [_function(template, offer) for template in self.node.templates()]}

    def health(self):
        response.status = 503 if self.node.problem else 200
        return {"status": "waits" if self.node.problem else "ok", "why": self.node.problem, "version": __version__}

    def events(self):
        """What happened on this node; with ?since=N what happened after the event of that number."""
        self._may(auth.WATCH)
        for key in request.query:
            if key != "since":
                raise BadRequest("query", "unknown key %s, since is known" % key)
        since = request.query.get("since", "0")
        if not (since.isascii() and since.isdigit() and len(since) < 16):
            raise BadRequest("since", "should be the number of an event, as in ?since=12")
        return {"events": self.node.events.since(int(since)), "last": self.node.events.last}

    def metrics(self):
        """Counters: a job, because there may be many functions."""
        def ask():
            self._may(auth.WATCH)
            return self.node.look(None, metrics.text(self.node, time.monotonic() - self.started))

        def answer(job):
            response.content_type = "text/plain; version=0.0.4"
            return job.answer
        return _when_done(ask, answer)

    def openapi(self):
        return openapi.document()

    # What FROG's clients send.

    def login(self):
        """A token for a name and a password: a job, because the hash of a password takes long."""
        def ask():
            name, password = _credentials()
            return self.node.look(None, self.node.security.login(name, password, request.environ.get("REMOTE_ADDR")))

        def answer(job):
            response.content_type = "text/plain"
            return job.answer
        return _when_done(ask, answer)

    def frog_post(self):
        def answer(job):
            response.status = 201
            response.headers["Location"] = "/NF-FG/" + job.graph_id
            return {"nffg-uuid": job.graph_id}
        return self._put(None, answer, create=True)

    def frog_put(self, graph_id):
        def answer(job):
            response.status = 202
            return {"nffg-uuid": graph_id}
        return self._put(graph_id, answer)

    def frog_list(self):
        return {"NF-FG": [dict(_given_back(self.node.get(name)), **{"nffg-uuid": name})
                          for name in self._readable(self._may(auth.SEE))]}

    def frog_status(self, graph_id):
        found = self.status(graph_id)
        return {"status": "error" if found["error"] else FROG_STATES.get(found["state"], "in_progress"),
                "percentage_completed": found["percentage_completed"]}

    # What they share.

    def _may(self, verb, graph_id=None, gone=(), new=False):
        """Return who asks, a Who, if he may do `verb`; of a job this is asked before it begins, and then no more.

        `graph_id` must be there, or in `gone`; if it may be `new`, it would be his, as is a graph without an id.
        """
        environ, node = request.environ, self.node
        who = node.security.who(environ.get("HTTP_X_AUTH_TOKEN"), environ.get("composer.unix"))
        entry = node.graphs.get(graph_id) or (gone[graph_id] if graph_id in gone else None)
        if not (entry or new or graph_id is None):
            raise NotFound("", "there is no graph %s, there are %s" % (
                graph_id, ", ".join(self._readable(who)[:8]) or "none"))
        if not auth.allowed(who, verb, entry.owner if entry else who.name):
            raise Forbidden("", "%s has the role %s, which may not %s %s" % (
                who.name, who.role, verb, "graph %s" % graph_id if graph_id else "here"))
        return who

    def _readable(self, who):
        """Return the ids of the graphs that a Who may read, sorted."""
        return [name for name in self.node.deployed() if auth.allowed(who, auth.READ, self.node.graphs[name].owner)]

    def _change(self, graph_id, change, answer, new=False):
        """Answer with the outcome of the job that `change(who)` queues."""
        def make():
            who = self._may(auth.WRITE, graph_id, new=new)
            if _dry_run():
                raise BadRequest("query", "dry-run is for POST /graphs and PUT /graphs/<id>: nothing is done")
            return change(who)
        return _when_done(make, answer)

    def _put(self, graph_id, answer, create=False):
        def change(who):
            graph = _graph(graph_id)
            name = graph.id or os.urandom(8).hex()
            return self.node.put(name, graph._replace(id=name), who.name, create, confirm=_confirm(),
                                 match=request.headers.get("If-Match"))
        return self._change(graph_id, change, answer, new=True)

    def _plan(self, graph_id):
        def ask():
            who = self._may(auth.READ, graph_id, new=True)
            graph = _graph(graph_id)
            name = graph.id or os.urandom(8).hex()
            return self.node.dry_run(name, graph._replace(id=name), who.name, create=graph_id is None and graph.id is not None)
        return _when_done(ask, lambda job: {"plan": job.answer})


def _why_not(template, offer):
    try:
        return resolver.why_not(template, offer)
    except Absent as absent:
        return "%s has not been brought here yet" % absent


def _function(template, offer):
    why = _why_not(template, offer)
    try:
        least, most = resolver.port_range(template, offer)
    except (ValueError, Refused, Absent):  # as `why` says
        least, most = templates.port_range(template)
    return {"function": templates.capability(template), "template": template["name"],
            "type": template["vnf-type"], "ports": {"min": least, "max": most}, "memory": template.get("memory-size"),
            "attributes": template.get("attributes", {}), "variables": template.get("variables", {}),
            "available": not why, "why": why}


def _when_done(make, answer):
    """Answer with `answer(job)`: now if the job that `make` returns is done, else when it is."""
    job = request.environ.get("composer.outcome")
    if job is None:
        job = make()
        if job.begin and "respond-async" in request.headers.get("Prefer", "").lower():
            status = "/graphs/%s/status" % job.graph_id
            response.status = 202
            response.headers["Location"] = status
            response.headers["Preference-Applied"] = "respond-async"
            return {"id": job.graph_id, "status": status}
        if not job.done:
            request.environ["composer.job"] = job
            return None
    if job.error:
        raise job.error
    return answer(job)


def _put_answer(job):
    response.status = 201 if job.outcome == "created" else 200
    response.headers["Location"] = "/graphs/" + job.graph_id
    return _with_failures(job, {"id": job.graph_id, "outcome": job.outcome})


def _with_failures(job, answer):
    if job.failures:
        answer["failures"] = [failure(one) for one in job.failures]
    return answer


def _graph(graph_id):
    """Return the Graph of the request's body."""
    if graph_id is not None:
        try:
            values.identifier(graph_id)
        except ValueError as error:
            raise BadRequest("id", "should be %s" % error)
    try:
        body = json.strict(request.environ["wsgi.input"].read())
    except ValueError as error:
        raise BadGraph("", "should be JSON: %s" % error)
    return sffg.parse(body, graph_id)


def _credentials():
    """Return (name, password) of the request's body."""
    try:
        body = json.strict(request.environ["wsgi.input"].read())
    except ValueError:
        raise BadRequest("", "should be JSON")  # more would show what was sent
    for key in ("username", "password"):
        if not isinstance(body, dict) or not isinstance(body.get(key), str) or len(body[key]) > passwords.LONGEST:
            raise BadRequest(key, "should be a text of at most %d characters, as in "
                             '{"username": "...", "password": "..."}' % passwords.LONGEST)
    return body["username"], body["password"]


def _given_back(graph):
    """Return a graph in the dialect that it came in; with its id, if that was left to the agent."""
    if "sffg" in graph.body and "id" not in graph.body["sffg"]:
        return {"sffg": dict(graph.body["sffg"], id=graph.id)}
    return graph.body


def _confirm():
    """Return the seconds in which a change has to be confirmed, as ?confirm= says; None if it says nothing."""
    try:
        return values.number(request.query["confirm"], 0, LONGEST_TRIAL) if "confirm" in request.query else None
    except ValueError as error:
        raise BadRequest("confirm", "should be seconds, %s" % error)


def _dry_run():
    for key in request.query:
        if key not in ("dry-run", "confirm"):
            raise BadRequest("query", "unknown key %s, known are confirm and dry-run" % key)
    return request.query.get("dry-run", "0") not in ("", "0", "false")


def _answering(handler):
    """Make of what a handler returns or raises an answer."""
    def answered(*args, **kwargs):
        try:
            found = handler(*args, **kwargs)
        except (Refused, StepFailed) as error:
            return _error(error.status, failure(error), getattr(error, "headers", ()))
        except Exception as error:
            log.failure("rest", error)
            return _error(500, failure(error))
        if found is None or isinstance(found, str):
            return found or ""
        response.content_type = "application/json"
        return json.dumps(found)
    return answered


def _error(status, answer, headers=()):
    response.status = status
    response.content_type = "application/json"
    for name, value in headers:
        response.headers[name] = value
    return json.dumps(answer)


def _unhandled(error):
    """Answer for what reached no handler: a path or a method that does not exist."""
    status = 404 if error.status_code == 400 else error.status_code  # bottle 0.12 says 400 of a path that is not UTF-8
    allow = error.get_header("Allow")
    message = {404: "there is no path %s; /openapi.json has them all" % request.environ.get("PATH_INFO"),
               405: "%s is not for this path, which takes %s" % (request.environ.get("REQUEST_METHOD"), allow)}.get(
                   status, "the agent failed; its log says more")
    return _error(status, {"error": {404: "NotFound", 405: "BadRequest"}.get(status, "Internal"), "where": "",
                           "message": message}, [("Allow", allow)] if allow else [])
