"""Changes: what a job does at the head of its graph's queue, by kind: put, delete, or act on one function.

Each is given the node (the Orchestrator), the job and the entry of its graph; it ends with node.end(job, entry, ...).
"""
from . import host
from .core import plan
from .core.errors import NotFound, Unavailable

STATES = {"start": "running", "stop": "stopped", "pause": "paused", "resume": "running"}  # that a verb leads to


def put(node, job, entry, graph):
    """Make a graph what it is wanted to be."""
    _check_switch(node)
    old = entry.placed or plan.empty(entry.id)
    new = node.place(old, graph, entry.id)
    if entry.placed and plan.same(old, new):
        node.keep(entry, new)
        node.end(job, entry, "unchanged")
        return
    outcome = "updated" if entry.placed else "created"
    node.journal.open(entry.id, new["number"])
    entry.coming, entry.state, entry.percentage = new, "updating" if entry.placed else "deploying", 0

    def ended(result, error):
        if error:  # and undone, but for what is left
            node.leave(entry, new, old, getattr(error, "left", ()))
            raise error
        try:
            node.keep(entry, new)
        except OSError as full:
            _go_back(node, job, entry, old, new, full)
            return
        job.failures = result[0] + result[1]
        node.leave(entry, old, new, result[0])
        node.end(job, entry, outcome)

    node.run(job, entry, plan.update(old, new, node.drivers), ended, node.progress(entry, old, new))


def _go_back(node, job, entry, old, new, full):
    """Make `new`, which cannot be stored and would be gone after a power cut, `old` again."""
    def ended(result, error):
        node.leave(entry, new, old, getattr(error, "left", ()) if error else result[0])
        raise Unavailable("", "graph %s cannot be stored: %s" % (entry.id, full.strerror))

    node.run(job, entry, plan.update(new, old, node.drivers), ended)


def delete(node, job, entry):
    """Take a graph down.  It is out of the store first: from then on the way is forward."""
    _check_switch(node)
    old, new = entry.placed or entry.lost, plan.empty(entry.id)
    if old is None:
        raise NotFound("", "there is no graph %s" % entry.id)
    node.journal.open(entry.id, old["number"])
    node.store.delete(entry.id)
    entry.state, entry.percentage = "deleting", 0

    def ended(result, error):
        if error:
            raise error
        entry.placed = entry.lost = None
        job.failures = result[0] + result[1]
        node.leave(entry, old, new, result[0])
        node.end(job, entry, "deleted")

    node.run(job, entry, plan.update(old, new, node.drivers), ended, node.progress(entry, old, new))


def act(node, job, entry, sf_id, verb):
    """Bring one function into the state that a verb leads to (paper, Table 5)."""
    if entry.placed is None or sf_id not in entry.placed["sfs"]:
        raise NotFound("", "graph %s has no function %s" % (entry.id, sf_id))
    sf = entry.placed["sfs"][sf_id]
    driver = node.drivers.compute[sf["type"]]

    def acting():
        for name in ("stop", "start") if verb == "restart" else (verb,):
            yield from getattr(driver, name)(dict(sf, state=STATES[name]))
            sf["state"] = STATES[name]

    def ended(_, error):
        node.keep(entry, entry.placed)
        if error:
            raise error
        node.end(job, entry, "done")

    node.run(job, entry, acting(), ended)


def _check_switch(node):
    if host.daemon(node.config.ovs.rundir, "ovs-vswitchd") == "":
        raise Unavailable("", "ovs-vswitchd is not running: start it, then try again")
