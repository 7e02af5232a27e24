"""Jobs: one change of one graph each, and the entry that keeps a graph's jobs in order."""
from .core import placing, recursion, sffg, templates
from .core.errors import Refused, StepFailed

AGAIN = (1, 4)  # seconds until what is left or broken is tried again: at first, and at most (doubled each time)


class Job:
    """One change of one graph.  `begin(job, entry)` is called at the head of the graph's queue.

    When it is done, it has an outcome (created, updated, unchanged, deleted, done, repaired ...) or an error, the exception.
    changes: whether it changes the graph, whose status then tells its error; else it acts on a function, or reads.
    mends: whether it needs the graph whole; again: whether it only tries again what failed;
    counts: whether it is one of the writes that users wait for; confirm: seconds in which the change must be confirmed, 0 if
    it need not.  `failures` are those of what was to be taken down: reported, but not in the way.
    """

    def __init__(self, graph_id, begin, changes=True, mends=True, again=False, counts=False, confirm=0):
        self.graph_id, self.begin, self.changes, self.mends = graph_id, begin, changes, mends
        self.again, self.counts, self.confirm = again, counts, confirm
        self.outcome = self.error = self.answer = None
        self.failures, self.done, self._told = [], False, []

    def when_done(self, callback):
        """Call `callback()` when the job is done, at once if it is."""
        if self.done:
            callback()
        else:
            self._told.append(callback)

    def finish(self, outcome=None, error=None, answer=None):
        self.outcome, self.error, self.answer, self.done = outcome, error, answer, True
        for callback in self._told:
            callback()


class Entry:
    """One graph of the node: what it is (placed), what it is about to be (coming), and its jobs in order.

    left: [(old, new, failures)], what plan.take_down did not bring to its end; broken: None, or the numbers of the
    functions that have to be made anew to mend it; pause: seconds until the next try of either.  health: {function's
    id: what its supervisor knows of it}.
    """

    def __init__(self, graph_id, owner):
        self.id, self.owner = graph_id, owner
        self.placed = self.coming = self.broken = None
        self.state, self.percentage, self.error = "deploying", 0, None
        self.queue, self.running, self.left, self.pause, self.again = [], False, [], AGAIN[0], None
        self.health, self.trouble = {}, ""  # trouble: why the last job failed
        self.trial = None  # if its last change waits to be confirmed
        self.lives = {}  # {number of a function: what the job that is at work has brought it to}

    def both(self):
        """Return what the graph is and what it is about to be, as far as there is any."""
        return [placed for placed in (self.placed, self.coming) if placed]

    def every(self):
        """Return whatever the graph may be or become without being asked: what it was before a trial, too."""
        return self.both() + ([self.trial.before] if self.trial and self.trial.before else [])

    def numbers(self):
        """Return the numbers by which the switch may know the graph."""
        return [placed["number"] for placed in self.every() + [one[place] for one in self.left for place in (0, 1)]]

    def status(self, now):
        """Return the status as SPEC 2 has it; now: on the loop's clock."""
        placed = self.coming or self.placed
        functions = [self._function(placed, sf) for _, sf in sorted(placed["sfs"].items())] if placed else []
        inside = recursion.within(functions)
        functions += [self._part(placed, name, inside.get(name, ())) for name in sorted(placed["parts"])] if placed else []
        found = {"id": self.id, "state": self.state, "percentage_completed": self.percentage, "error": self.error,
                 "functions": sorted(functions, key=lambda one: one["id"]),
                 "overlaps": [list(pair) for pair in sffg.overlaps(placed["graph"])] if placed else []}
        if placed and placed["saps"]:
            found["saps"] = [dict({"id": sap.id, "type": sap.kind, "port": port}, **(
                {"way": placed["saps"][sap.id]["way"]} if placed["saps"][sap.id]["way"] else {}))
                for sap, (port, _) in placing.own_saps(placed)]
        if self.trial:
            found["confirm_within"] = max(0, round(self.trial.end - now, 1))
        if self.left:
            found["left"] = [failure(one) for _, _, failures in self.left for one in failures]
        return found

    def _function(self, placed, sf):
        """Return what the status tells of a placed function."""
        there = self.placed is not None and sf["id"] in self.placed["sfs"]
        found = {"id": sf["id"], "name": sf["name"], "implementation": sf["template"], "type": sf["type"],
                 "state": sf["state"] if there else self.lives.get(sf["number"], self.state)}
        if sf["id"] in placed["choices"]:
            found["choice"] = placed["choices"][sf["id"]]
        if sf["cores"]:
            found["cores"] = sf["cores"]
        if sf["id"] in self.health:
            found.update(self.health[sf["id"]].told())
        return found

    def _part(self, placed, name, inside):
        """Return what the status tells of a function that is a graph: its state is that of all `inside`, or the first that differs."""
        part = placed["parts"][name]
        return {"id": name, "name": part["name"], "implementation": part["template"], "type": templates.GRAPH,
                "state": next((one["state"] for one in inside if one["state"] != "running"), "running"),
                "functions": [one["id"] for one in inside], "choice": placed["choices"].get(name, [])}


def failure(error):
    """Return what went wrong as an object for JSON."""
    if isinstance(error, StepFailed):
        return {"error": "StepFailed", "message": str(error), "where": "", "command": error.command, "output": error.output}
    if isinstance(error, Refused):
        return dict({"error": type(error).__name__, "message": error.message, "where": error.where}, **error.more)
    return {"error": "Internal", "message": "the agent failed; its log says more", "where": ""}
