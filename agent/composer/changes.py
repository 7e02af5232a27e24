"""Changes: what a job does at the head of its graph's queue, by kind: put, delete, or act on one function.

Each is given the node (the Orchestrator), the job and the entry of its graph; it ends with node.end(job, entry, ...).
"""
from hashlib import sha256

from . import admission, host, trial
from .core import json, placing, plan, recursion
from .core.errors import Conflict, NotFound, Stale, StepFailed, Unavailable, failed

STATES = {"start": "running", "stop": "stopped", "pause": "paused", "resume": "running", "restart": "running"}


def put(node, job, entry, graph, match=None):
    """Make a graph what it is wanted to be, if it has the tag `match`."""
    _check_switch(node)
    if match is not None and not entry.placed:
        raise Stale("", "there is no graph %s" % entry.id)
    if match not in (None, "*") and match != tag(entry.placed["graph"]):
        raise Stale("", "graph %s is another one by now: GET it, and change that" % entry.id)
    if entry.trial and not entry.placed:
        raise Conflict("", "that graph %s was deleted waits to be confirmed: POST /graphs/%s/confirm" % (entry.id, entry.id))
    old = entry.placed or placing.empty(entry.id)

    def admitted(new, error):
        if error:
            raise error
        _update(node, job, entry, old, new)

    node.run(job, entry, admission.place(node, old, graph, entry.id, entry.owner), admitted)


def tag(graph):
    """Return what tells one body of a graph from another (ETag)."""
    return '"%s"' % sha256(json.dumps(graph.body).encode()).hexdigest()[:16]


def _update(node, job, entry, old, new):
    """Make what a graph is what it is placed to be."""
    if entry.placed and placing.same(old, new):
        if not (entry.trial and job.confirm):  # else it goes on waiting to be confirmed
            trial.accept(node, entry, new, 0)
        node.end(job, entry, "unchanged")
        return
    outcome = "updated" if entry.placed else "created"
    node.journal.open(entry.id, new["number"], placing.touched(old, new))
    entry.coming, entry.state, entry.percentage = new, "updating" if entry.placed else "deploying", 0

    def ended(result, error):
        if error:  # and undone, but for what is left
            _undone(node, entry, old, new, getattr(error, "left", ()))
            raise error
        try:
            trial.accept(node, entry, new, job.confirm)
        except OSError as reason:
            _go_back(node, job, entry, old, new, reason)
            return
        node.supervisor.restarted(entry, placing.touched(old, new))
        _tell_ports(node, entry, old, new)
        job.failures = result[0] + result[1]
        node.leave(entry, old, new, result[0])
        node.end(job, entry, outcome)

    node.run(job, entry, _after_a_turn(plan.update(old, new, node.drivers)), ended, node.progress(entry, old, new))


def _tell_ports(node, entry, old, new):
    """Tell which ports functions that stay have got, and which they have lost."""
    for sf_id in sorted(set(old["sfs"]) & set(new["sfs"])):
        before, after = [set([port["id"] for port in placed["sfs"][sf_id]["ports"]]) for placed in (old, new)]
        for word, those in (("removed", before - after), ("added", after - before)):
            for port in sorted(those):
                node.events.tell("port " + word, graph=entry.id, function=sf_id, port=port)


def _after_a_turn(generator):
    """Drive a plan when the loop has turned: the graph has just been placed."""
    yield []
    return (yield from generator)


def _go_back(node, job, entry, old, new, reason):
    """Make `new`, which cannot be stored and would be gone after a power cut, `old` again."""
    def ended(result, error):
        _undone(node, entry, old, new, getattr(error, "left", [error]) if error else result[0])
        raise failed("graph %s cannot be stored" % entry.id, reason)

    node.run(job, entry, plan.update(new, old, node.drivers), ended)


def _undone(node, entry, old, new, left):
    """Note what could not be undone of an update: what it touched of the old graph is made anew."""
    node.leave(entry, new, old, left)
    if left and entry.placed:
        numbers = set([sf["number"] for sf in old["sfs"].values()])
        entry.broken = (entry.broken or set()) | placing.touched(old, new) & numbers


def delete(node, job, entry):
    """Take a graph down.  It is out of the store first: from then on the way is forward."""
    _check_switch(node)
    old, new = entry.placed, placing.empty(entry.id)
    if old is None:
        raise NotFound("", "there is no graph %s" % entry.id)
    node.journal.open(entry.id, old["number"], placing.touched(old, new) if job.confirm else ())
    if not job.confirm:
        trial.accept(node, entry, None, 0)
    entry.state, entry.percentage = "deleting", 0

    def ended(result, error):
        if error:
            raise error
        if job.confirm:
            trial.accept(node, entry, None, job.confirm)
        entry.placed = entry.broken = None
        job.failures = result[0] + result[1]
        node.leave(entry, old, new, result[0])
        node.end(job, entry, "deleted")

    node.run(job, entry, plan.update(old, new, node.drivers), ended, node.progress(entry, old, new))


def act(node, job, entry, sf_id, verb):
    """Bring a function, or all that one which is a graph is made of, into the state that a verb leads to (paper, Table 5)."""
    there = entry.placed["sfs"] if entry.placed else {}
    sfs = [there[name] for name in recursion.of(sf_id, there)]
    if not sfs and not (entry.placed and sf_id in entry.placed["parts"]):
        raise NotFound("", "graph %s has no function %s" % (entry.id, sf_id))
    if entry.trial:
        raise Conflict("", "a change of graph %s waits to be confirmed: POST /graphs/%s/confirm first" % (entry.id, entry.id))
    for sf in sfs if verb in ("pause", "resume") else ():
        if sf["state"] == "stopped":
            raise Conflict("", "function %s is stopped: start it first" % sf["id"])
    node.journal.open(entry.id, entry.placed["number"], [sf["number"] for sf in sfs])
    failures = []

    def ended(_, error):
        node.supervisor.restarted(entry, [sf["number"] for sf in sfs])
        try:
            node.keep(entry, entry.placed)
        except OSError as reason:
            raise failed("graph %s cannot be stored" % entry.id, reason)
        if error or failures:
            raise error or failures[0]
        node.end(job, entry, "done")

    node.run(job, entry, plan.together([_acting(node, sf, verb) for sf in sfs], failures), ended)


def _acting(node, sf, verb):
    """Yield the steps of a verb for one function."""
    driver, was = node.drivers.compute[sf["type"]], dict(sf)
    if verb in ("stop", "restart"):
        sf["state"] = STATES[verb]  # whatever comes of it: no process is left, and the supervisor does the rest
        try:
            yield from driver.stop(was)
        except StepFailed:
            if verb == "stop":
                raise
    elif verb == "start" and was["state"] == "paused":
        yield from driver.resume(was)
    if verb in ("start", "restart"):
        yield from driver.start(dict(sf, state="running"))
    elif verb in ("pause", "resume"):
        yield from getattr(driver, verb)(was)
    sf["state"] = STATES[verb]
    node.tell(sf, sf["state"])


def revive(node, job, entry, sf_id):
    """Start again a function that has failed, unless it is no longer wanted to run or has been started meanwhile."""
    sf, health = (entry.placed or {"sfs": {}})["sfs"].get(sf_id), entry.health.get(sf_id)
    if sf is None or sf["state"] != "running" or health is None or health.state != "failed":
        node.end(job, entry, "unchanged")
        return
    driver = node.drivers.compute[sf["type"]]
    node.journal.open(entry.id, entry.placed["number"], [sf["number"]])

    def reviving():
        try:
            yield from driver.stop(sf)
        except StepFailed:
            pass  # its processes are ended all the same
        yield from driver.start(sf)

    def ended(_, error):
        node.supervisor.revived(entry, sf_id, error)
        node.end(job, entry, "failed again" if error else "restarted")

    node.run(job, entry, reviving(), ended)


def _check_switch(node):
    for name in node.drivers.vswitch.DAEMONS:
        if host.daemon(node.config.ovs.rundir, name) == "":
            raise Unavailable("", "%s is not running: start it, then try again" % name)
