"""Trials: a change that is taken back by itself unless it is confirmed in time (commit-confirm).

Whoever manages a node through the node itself can cut himself off.  A change on trial is carried out but not stored,
so whatever ends the trial too early, a crash or a power cut, ends it with what there was before:

    change  ->  on trial  --confirmed in time-->  stored
                          --not confirmed------>  a job that makes the graph what it was
"""
from .core import placing, plan
from .core.errors import Conflict
from .jobs import AGAIN, Job


class Trial:
    """before: the placed graph of before, None if there was none; end: on the loop's clock, when it is taken back."""

    def __init__(self, before, end, timer):
        self.before, self.end, self.timer = before, end, timer


def accept(node, entry, placed, seconds):
    """Have what a graph has become, None if it is gone, on trial, or stored if `seconds` is 0: an OSError leaves all as it was."""
    if seconds:
        begin(node, entry, entry.placed, seconds)
        entry.placed = placed
        return
    trial, entry.trial = entry.trial, None
    try:
        if placed:
            node.keep(entry, placed)
        else:
            node.store.delete(entry.id)
    except OSError:
        entry.trial = trial
        raise
    if trial:
        trial.timer.cancel()


def begin(node, entry, before, seconds):
    """Put a graph on trial.  Of several changes on trial, all are taken back."""
    if entry.trial:
        entry.trial.timer.cancel()
        before = entry.trial.before
    entry.trial = Trial(before, node.loop.clock() + seconds, node.loop.at(seconds, lambda: _over(node, entry)))
    node.events.tell("graph waits to be confirmed", graph=entry.id, seconds=seconds)


def confirm(node, graph_id):
    """Have the change of a graph stay.  Raises Conflict if there is none on trial, OSError if it cannot be stored."""
    entry = node.graphs.get(graph_id)
    if entry is None or entry.trial is None or entry.running:
        raise Conflict("", "there is no change of graph %s to be confirmed" % graph_id if entry is None or entry.trial is None
                       else "a change of graph %s is under way: confirm it when it is done" % graph_id)
    accept(node, entry, entry.placed, 0)
    node.events.tell("graph confirmed", graph=graph_id)
    node.settle(entry)


def _over(node, entry):
    trial, job = entry.trial, Job(entry.id, lambda job, entry: _take_back(node, job, entry), mends=False)

    def tried():
        if job.error and entry.trial is trial:  # whatever it was: try again
            trial.timer = node.loop.at(AGAIN[1], lambda: _over(node, entry))

    job.when_done(tried)
    node.enqueue(entry, job)


def _take_back(node, job, entry):
    """Make a graph what it was before its trial."""
    trial = entry.trial
    if trial is None or node.loop.clock() < trial.end:  # confirmed, or changed again, while this waited
        node.end(job, entry, "unchanged")
        return
    now, before = entry.placed or placing.empty(entry.id), trial.before or placing.empty(entry.id)
    node.journal.open(entry.id, now["number"] or before["number"], placing.touched(now, before))

    def ended(result, error):
        if error:  # it is as it was
            node.leave(entry, before, now, getattr(error, "left", ()))
            raise error
        entry.trial, entry.placed = None, trial.before
        entry.broken = None
        node.supervisor.restarted(entry, placing.touched(now, before))
        job.failures = result[0] + result[1]
        node.leave(entry, now, before, result[0])
        node.events.tell("graph was not confirmed and is what it was", graph=entry.id)
        node.end(job, entry, "taken back")

    entry.coming = trial.before
    node.run(job, entry, plan.update(now, before, node.drivers), ended)
