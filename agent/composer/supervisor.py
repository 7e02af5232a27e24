"""The supervisor: sees that functions that are to run do run, and starts again those that do not.

    a process of a function ends      the kernel says so at once (pidfd); then the function is asked
    one that nobody can see to fail   is asked in turn, as often as a thousandth of a processor allows

What is asked is the function's `status` script; one that has none has failed when all processes it had are gone.  A
function that failed is started again with growing pauses, at most 6 times in the first minute, never given up, until
it has run for a while.  Nothing else of its graph is touched.  Paper, 5.5 (the compute manager).
"""
import os

from .core.errors import StepFailed
from .jobs import Job, failure

PAUSES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 300)  # seconds before each start after the first
GOOD = 300  # seconds after which a function that runs is as good as new
FRESH = 1  # seconds after a start until the function is asked for the first time
ROUND, SHARE, FRESH_SHARE = 60, 0.001, 0.05  # seconds of a round of questions; the share of a processor it may take
QUIET = 2  # seconds between two questions to one function because of its processes
WATCHED, EACH = 256, 8  # processes that are watched, in all and of one function


class Health:
    """What the supervisor knows of one function.  number: the function's, which another one of its id has not."""

    def __init__(self, number, now):
        self.number, self.since, self.asked, self.fresh = number, now, 0, True
        self.state, self.starts, self.restarts, self.error, self.timer, self.due = "running", 0, 0, None, None, None
        self.watched, self.had = [], False

    def told(self):
        """Return what the graph's status tells of it."""
        found = {"restarts": self.restarts} if self.restarts else {}
        if self.state != "running":
            found.update(state=self.state, error=self.error)
        return found


class Process:
    """A process of a function, as a source of the loop."""

    def __init__(self, pid):
        self.pid, self.number = pid, os.pidfd_open(pid)
        self.ended = None

    def fileno(self):
        return self.number

    def ready(self, readable, writable):
        self.ended(self)


class Supervisor:
    def __init__(self, node):
        self.node, self.watched, self.restarts = node, 0, 0
        self.asking, self.next = False, None  # whether somebody is asked in turn now, else the timer of the next turn

    def follow(self, entry):
        """Have a Health for each function of a graph that is to run, and for no other."""
        sfs = entry.placed["sfs"] if entry.placed else {}
        for sf_id in list(entry.health):
            sf = sfs.get(sf_id)
            if sf is None or sf["state"] != "running" or sf["number"] != entry.health[sf_id].number:
                self._forget(entry.health.pop(sf_id))
        for sf_id, sf in sfs.items():
            if sf["state"] == "running" and sf_id not in entry.health:
                entry.health[sf_id] = Health(sf["number"], self.node.loop.clock())
                self._watch(entry, sf_id)
                self._hurry()

    def restarted(self, entry, numbers):
        """Note that functions (their numbers) were started by a job: they begin anew."""
        for sf_id in [sf_id for sf_id, health in entry.health.items() if health.number in numbers]:
            self._forget(entry.health.pop(sf_id))

    def failed(self, entry, sf_id, error):
        """Note that a function has failed, and start it again in a while."""
        health = entry.health.get(sf_id)
        if health is None:
            health = entry.health[sf_id] = Health(entry.placed["sfs"][sf_id]["number"], self.node.loop.clock())
        if health.state == "running" and self.node.loop.clock() - health.since > GOOD:
            health.starts = 0
        pause = PAUSES[min(health.starts, len(PAUSES) - 1)]
        health.starts += 1
        health.state, health.error = "failed", dict(failure(error), restart_in=pause)
        try:
            hits = self.node.system.groups.hits(entry.placed["sfs"][sf_id]["netns"])
        except OSError:  # out of file descriptors: it is started again all the same
            hits = {}
        limits = [name for name in sorted(hits) if hits[name]]
        if limits:
            health.error["limits_hit"] = limits
        self.node.events.tell("function failed", graph=entry.id, function=sf_id, why=str(error)[-500:],
                              restart_in=pause, **({"limits_hit": limits} if limits else {}))
        self._unwatch(health)
        if health.timer:
            health.timer.cancel()
        health.timer = self.node.loop.at(pause, lambda: self._revive(entry, sf_id, health))

    def revived(self, entry, sf_id, error):
        """Note what became of a function that was started again."""
        health = entry.health.get(sf_id)
        if health is None:
            return
        health.restarts += 1
        self.restarts += 1
        if error:
            self.failed(entry, sf_id, error)
            return
        health.state, health.error, health.since, health.fresh = "running", None, self.node.loop.clock(), True
        self.node.events.tell("function started again", graph=entry.id, function=sf_id, restarts=health.restarts)
        self._watch(entry, sf_id)
        self._hurry()

    def _revive(self, entry, sf_id, health):
        from . import changes
        health.timer = None
        if entry.health.get(sf_id) is health and self.node.graphs.get(entry.id) is entry:
            job = Job(entry.id, lambda job, entry: changes.revive(self.node, job, entry, sf_id), changes=False)
            job.when_done(lambda: self._tried(entry, sf_id, health, job))
            self.node.enqueue(entry, job)

    def _tried(self, entry, sf_id, health, job):
        """Go on with a function that could not even be tried to be started: its graph could not be mended, say."""
        if job.error and entry.health.get(sf_id) is health and health.state == "failed" and health.timer is None:
            self.failed(entry, sf_id, job.error)

    # Processes.

    def _watch(self, entry, sf_id):
        """Watch the processes that a function has now."""
        health, sf = entry.health[sf_id], entry.placed["sfs"][sf_id]
        self._unwatch(health)
        try:
            pids = self.node.system.groups.pids(sf["netns"])
        except OSError:  # out of file descriptors: what it had is not known, but that it is asked
            pids, health.fresh = [], True
        else:
            health.had = bool(pids)
        for pid in pids[:EACH]:
            if self.watched < WATCHED:
                try:
                    process = Process(pid)
                except (OSError, AttributeError):  # it has ended, or this kernel cannot tell
                    continue
                process.ended = lambda process: self._ended(entry, sf_id, health, process)
                health.watched.append(process)
                self.watched += 1
                self.node.loop.add(process)

    def _unwatch(self, health):
        for process in health.watched:
            self._let_go(process)
        health.watched = []

    def _let_go(self, process):
        self.node.loop.remove(process)
        os.close(process.number)
        self.watched -= 1

    def _ended(self, entry, sf_id, health, process):
        health.watched.remove(process)
        self._let_go(process)
        if health.due is None:
            pause = max(0.05, QUIET - (self.node.loop.clock() - health.asked))
            health.due = self.node.loop.at(pause, lambda: self._because(entry, sf_id, health))

    def _because(self, entry, sf_id, health):
        """Ask a function of which a process has ended."""
        health.due = None
        if self._is_to_be_asked(entry, sf_id, health):
            if entry.running:  # a job may be what ended it
                health.due = self.node.loop.at(QUIET, lambda: self._because(entry, sf_id, health))
                return
            self._ask(entry, sf_id, health, lambda seconds: None)

    def _forget(self, health):
        self._unwatch(health)
        for timer in (health.timer, health.due):
            if timer:
                timer.cancel()

    # Questions.

    def _arm(self, seconds):
        if self.next:
            self.next.cancel()
        self.next = self.node.loop.at(seconds, self._turn)

    def _hurry(self):
        """There is a new function to be asked soon."""
        if not self.asking and (self.next is None or self.next.when > self.node.loop.clock() + FRESH):
            self._arm(FRESH)

    def _turn(self):
        """Ask the function whose turn it is: new ones first, then the one that was not asked for longest."""
        self.next = None
        known = [(entry, sf_id, health) for entry in self.node.graphs.values() for sf_id, health in entry.health.items()]
        those = [one for one in known if one[2].state == "running" and not one[0].running
                 and ("status" in one[0].placed["sfs"][one[1]]["scripts"] or one[2].had and not one[2].watched)]
        if not those:
            if known:
                self._arm(ROUND / 6)
            return
        entry, sf_id, health = min(those, key=lambda one: (not one[2].fresh, one[2].asked))
        wait, share = health.asked + ROUND - self.node.loop.clock(), FRESH_SHARE if health.fresh else SHARE
        if wait > 0 and not health.fresh:
            self._arm(min(wait, ROUND / 6))
            return

        def asked(seconds):
            self.asking = False
            self._arm(min(seconds / share, ROUND))

        self.asking = True
        self._ask(entry, sf_id, health, asked)

    def _ask(self, entry, sf_id, health, then):
        """Ask one function how it is; call then(the seconds that it took)."""
        begun, sf = self.node.loop.clock(), entry.placed["sfs"][sf_id]
        health.asked, health.fresh = begun, False

        def answered(answer, error):
            state, why = answer if error is None else ("failed", str(error))
            then(self.node.loop.clock() - begun)
            if entry.running or not self._is_to_be_asked(entry, sf_id, health):
                return
            try:
                if not state and health.had and not self.node.system.groups.pids(sf["netns"]):
                    state, why = "failed", "its processes have ended"
            except OSError:
                return  # out of file descriptors: nothing is known of it
            if state in ("failed", "stopped"):
                self.failed(entry, sf_id, StepFailed("status of function %s" % sf_id, why or "it says that it is stopped"))
            else:
                self._watch(entry, sf_id)

        self.node.drive(self.node.drivers.compute[sf["type"]].status(sf), answered, quiet=True)

    def _is_to_be_asked(self, entry, sf_id, health):
        return self.node.graphs.get(entry.id) is entry and entry.health.get(sf_id) is health \
            and health.state == "running" and entry.placed is not None and entry.placed["sfs"].get(sf_id) is not None
