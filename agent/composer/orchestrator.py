"""The node resource manager: desired graphs, and the jobs that make them so (paper, 5.3).

A change of a graph is a job.  Jobs of one graph run in order, jobs of different graphs interleave: each drives
its plan, whose steps the system performs.  What is accepted is stored; what could not be taken down is tried again.

    PUT  ->  Job  ->  head of its graph's queue: conflicts, resolve, place  ->  plan  ->  store  ->  answer
"""
from . import admission, auth, changes, host, log, restore
from .core import flows, names, placing, plan, steps, stored
from .core.errors import Conflict, NotFound, Refused, StepFailed, TooBusy, failed
from .events import Events
from .inband import Inband
from .jobs import AGAIN, Entry, Job, failure
from .journal import Journal
from .monitor import Monitor
from .supervisor import Supervisor

WAITING = 8  # writes that are not done yet; more are refused
PAST = 64  # graphs that failed and are gone whose last status can still be read


class Orchestrator:
    def __init__(self, loop, system, drivers, store, repository, config):
        self.loop, self.system, self.drivers = loop, system, drivers
        self.store, self.repository, self.config = store, repository, config
        self.journal, self.events, self.supervisor = Journal(config.runtime), Events(), Supervisor(self)
        self.bus, self.monitor = None, Monitor(self)  # bus: if there is a broker
        drivers.keeps, drivers.tell = self.keeps, self.tell
        self.inband = Inband(config.inband, config.runtime)
        self.indexes = {}  # {interface of LSI-0: its index when it was put there}
        self.refused = {}  # {interface: its index when it could not be put there}
        self.interfaces = [interface.name for interface in config.interfaces]
        self.graphs = {}
        self.security = auth.Manager(config.auth, loop.clock)
        self.past = {}  # {id: Entry} of graphs that failed and are gone, in order
        self.writes = 0
        self.jobs = {"done": 0, "failed": 0}
        self.known, self.problem = False, "the switch has not been looked at yet"
        self.looking, self.again = False, ""  # while the node is looked at no job begins; why to look again then
        self.tried, self.retry = None, None  # what was tried for the job that waits; the timer of the next try
        self.skipped = set()  # ids of graphs that were not looked at, because a job was at work on them
        self.seen = (0, 0)  # ports and rules of the switch, whosever they are, at the last look
        self.version = self.life = self.heard = ""  # of the switch: its version, the life its rules were set in, the last that was not DEAF

    # What is asked of the node.

    def put(self, graph_id, graph, owner=None, create=False, most=WAITING, confirm=None, match=None):
        """Return the Job that makes `graph_id` into `graph`.  With `create`, Conflict if there is one already.

        confirm: seconds in which the change has to be confirmed, 0 if it need not be, None as the configuration says;
        match: the tag that the graph must have, "*" for any, None if there need not be one.
        """
        self._vacant(graph_id, create)
        return self._queue(graph_id, lambda job, entry: changes.put(self, job, entry, graph, match), owner, most=most,
                           confirm=confirm)

    def delete(self, graph_id, confirm=None):
        self._entry(graph_id)
        return self._queue(graph_id, lambda job, entry: changes.delete(self, job, entry), mends=False, confirm=confirm)

    def act(self, graph_id, sf_id, verb):
        """Return the Job that does `verb` (start stop pause resume restart) to one function (paper, Table 5)."""
        self.get(graph_id)
        return self._queue(graph_id, lambda job, entry: changes.act(self, job, entry, sf_id, verb), changes=False)

    def dry_run(self, graph_id, graph, owner=None, create=False):
        """Return the Job whose answer are the lines of the plan that `put` would carry out now.  Nothing is done."""
        self._vacant(graph_id, create)
        entry = self.graphs.get(graph_id)

        def planning():
            old = entry.placed if entry and entry.placed else placing.empty(graph_id)
            new = yield from admission.place(self, old, graph, graph_id, entry.owner if entry else owner, dry=True)
            rounds = [] if placing.same(old, new) else list(_walk(plan.update(old, new, self.drivers.silent())))
            old.pop("flows", None)  # they can be had again, and memory is scarce
            return [steps.line(step) for wanted in rounds for step in wanted]
        return self.look(graph_id, planning())

    def look(self, graph_id, reading):
        """Return the Job of a generator of steps that only reads; its answer is what the generator returns."""
        job = Job(graph_id, None)
        self.drive(reading, lambda answer, error: job.finish("done", error, answer))
        return job

    def get(self, graph_id):
        """Return the Graph as it is wanted."""
        entry = self._entry(graph_id)
        placed = entry.coming or entry.placed
        if placed is None:
            raise NotFound("", "graph %s is not deployed" % graph_id)
        return placed["graph"]

    def placed(self, graph_id):
        """Return the placed graph as it is on the switch."""
        if self._entry(graph_id).placed is None:
            raise NotFound("", "graph %s is not deployed yet" % graph_id)
        return self.graphs[graph_id].placed

    def status(self, graph_id):
        if graph_id in self.graphs:
            return dict(self.graphs[graph_id].status(self.loop.clock()), **self.monitor.told(graph_id))
        if graph_id in self.past:
            return self.past[graph_id].status(self.loop.clock())
        raise NotFound("", "there is no graph %s" % graph_id)

    def deployed(self):
        """Return the ids of the graphs, sorted."""
        return sorted([name for name, entry in self.graphs.items() if entry.both()])

    def templates(self):
        return self.repository.templates()

    # Jobs.

    def _entry(self, graph_id):
        if graph_id not in self.graphs:
            raise NotFound("", "there is no graph %s" % graph_id)
        return self.graphs[graph_id]

    def _vacant(self, graph_id, create):
        if create and graph_id in self.graphs:
            raise Conflict("id", "graph %s exists: PUT changes it" % graph_id)

    def _queue(self, graph_id, begin, owner=None, changes=True, mends=True, most=WAITING, confirm=0):
        if self.writes >= most:
            raise TooBusy("", "%d writes are waiting: try again in a moment" % self.writes)
        if graph_id not in self.graphs:
            self.graphs[graph_id] = Entry(graph_id, owner)
        job = Job(graph_id, begin, changes, mends, counts=True,
                  confirm=self.config.inband.confirm if confirm is None else confirm)
        self.enqueue(self.graphs[graph_id], job)
        return job

    def enqueue(self, entry, job):
        """Put a job at the end of its graph's queue; it begins at once if it is alone there."""
        self.writes += job.counts
        entry.queue.append(job)
        self.begin(entry)

    def begin(self, entry):
        """Begin the first job of a graph's queue, after what an earlier one left or somebody broke."""
        if entry.running or not entry.queue or not self._is_current():
            return
        entry.running, job = True, entry.queue[0]

        def cleared(_, error):
            error = error or (entry.left[0][2][0] if entry.left else None)
            if error:
                raise error
            job.begin(job, entry)

        self.run(job, entry, self._clear(entry, job), cleared)

    def run(self, job, entry, generator, ended, progress=lambda: None):
        """Drive a plan of a job; then call ended(what it returned, error), whose exceptions end the job."""
        def guarded(answer, error):
            try:
                ended(answer, error)
            except Exception as problem:
                if entry.queue and entry.queue[0] is job:
                    self.end(job, entry, error=problem)
                else:  # it had ended
                    log.failure("orchestrator", problem)
        self.drive(generator, guarded, progress, quiet=job.again and entry.trouble != "")

    def end(self, job, entry, outcome=None, error=None):
        """End a job: note what it came to, tell who waits, begin the next one."""
        if isinstance(error, OSError):
            error = failed("the node", error)
        elif error is not None and not isinstance(error, (Refused, StepFailed)):
            log.failure("orchestrator", error)
        self.writes -= job.counts
        self.jobs["failed" if error else "done"] += 1
        if not (job.again and error and str(error) == entry.trouble):  # what fails again and again is said once
            log.write("job", "failed" if error else outcome, graph=entry.id, **({"why": error} if error else {}))
        entry.trouble = str(error or "")
        entry.queue.pop(0)
        entry.coming, entry.running, entry.lives = None, False, {}
        before = entry.state
        if not entry.placed:
            entry.broken = None
        if job.changes:
            entry.error = failure(error) if error else None
        entry.percentage = 100 if entry.placed else entry.percentage
        entry.state = "repairing" if entry.broken is not None else "deployed" if entry.placed \
            else "deleting" if entry.left else "failed" if error else "deleted"
        if entry.state != before:
            self.events.tell("graph " + entry.state, graph=entry.id)
        if entry.placed:
            entry.placed.pop("flows", None)  # they can be had again, and memory is scarce
        self.supervisor.follow(entry)
        self.monitor.follow(entry)
        self.past.pop(entry.id, None)
        if not entry.placed and not entry.left and error:
            self._keep_past(entry)
        self.settle(entry)
        self._later(job, entry, error)
        self.loop.soon(self.begin, entry)
        job.finish(outcome, error)

    def settle(self, entry):
        """Tidy up when a graph has come to rest: forget it if it is gone, and what nobody has any more."""
        if not entry.placed and not entry.left and not entry.queue and not entry.trial:
            self.graphs.pop(entry.id, None)
        try:
            self.prune()
            if not entry.left and not entry.trial:  # what is on trial is not what is stored
                self.journal.close(entry.id)
                if entry.broken:
                    self.journal.open(entry.id, entry.placed["number"], entry.broken)
        except OSError as problem:  # who waits is told all the same
            log.failure("orchestrator", problem)

    def _later(self, job, entry, error):
        """See to what is still to be done for a graph when its job is over."""
        if entry.id in self.skipped and not (job.again and (error or entry.left)):
            self.skipped.discard(entry.id)
            restore.start(self, "a job is done")
        if not entry.left and entry.broken is None:
            entry.pause = AGAIN[0]
        elif not entry.queue:
            if entry.again:
                entry.again.cancel()
            entry.again = self.loop.at(entry.pause if error or entry.left else 0, lambda: self._again(entry))

    def busy(self):
        """Return the ids of the graphs that a job is at work on, or that are not wholly taken down."""
        return set([entry.id for entry in self.graphs.values() if entry.running or entry.left])

    def _is_current(self):
        """Say whether jobs may begin.  They wait for the rules of a switch that was started again, and for an interface
        that has come to be on LSI-0."""
        if self.known and not self.looking:
            try:
                life, moved = host.daemon(self.config.ovs.rundir, self.drivers.vswitch.SWITCH), self.moved()
            except OSError:  # it cannot be told now; the job will find out
                return True
            if life and (life != self.life or moved) and self.tried != (life, moved):
                self.tried = (life, moved)
                restore.start(self, "interfaces have come" if life == self.life else "the switch was started again")
        return self.known and not self.looking

    def moved(self):
        """Return the interfaces that are there, and of which LSI-0 has not the present life."""
        found = [(name, host.interface_index(name)) for name in self.interfaces]
        return [name for name, index in found if index and index not in (self.indexes.get(name), self.refused.get(name))]

    def flows(self):
        """Return the node's own rules on LSI-0."""
        return flows.NODE_FLOWS + (self.inband.flows() if self.indexes.get(self.inband.interface) else [])

    def absent(self, graph):
        """Return the interfaces of a graph that LSI-0 does not have, as a set: no rule can name them."""
        return {sap.interface for sap in graph.saps if sap.interface and not self.indexes.get(sap.interface)}

    def _keep_past(self, entry):
        self.past[entry.id] = entry
        while len(self.past) > PAST:
            del self.past[next(iter(self.past))]

    def _again(self, entry):
        """Try again to take down what is left, or to mend, unless a job has done so or is about to."""
        if entry.queue or self.graphs.get(entry.id) is not entry:
            return
        entry.pause = min(2 * entry.pause, AGAIN[1])
        if entry.left or entry.broken is not None:
            self.enqueue(entry, Job(entry.id, lambda job, entry: self.end(job, entry, "done"), again=True))

    def _clear(self, entry, job):
        """Yield the steps that take down what is left of a graph, and mend what is broken."""
        for one in list(entry.left):
            left, _ = yield from plan.take_down(one[0], one[1], self.drivers)
            entry.left.remove(one)
            if left:
                entry.left.append((one[0], one[1], left))
        if entry.placed and entry.broken is not None and job.mends and not entry.left:
            yield from restore.mending(self, entry)

    def leave(self, entry, old, new, failures):
        """Note what could not be taken down, to be tried again."""
        for one in failures:
            log.write("job", "not taken down", graph=entry.id, why=one)
        if failures:
            entry.left.append((old, new, list(failures)))

    def keeps(self, segment, graph_id):
        """Say whether another graph than this one needs a segment."""
        return any([names.segment(number) == segment for entry in self.graphs.values() if entry.id != graph_id
                    for placed in entry.both() for number in placed["groups"].values()])

    def tell(self, sf, state):
        """Note what became of a function while a job is at work on it (paper, Table 5)."""
        entry = self.graphs.get(sf["graph"])
        if entry:
            entry.lives[sf["number"]] = state
        self.events.tell("function " + state, graph=sf["graph"], function=sf["id"])

    def keep(self, entry, placed):
        """Store what was accepted, unless it is on trial; it is what the graph is from now on."""
        if not entry.trial:
            self.store.save(entry.id, stored.record(entry.owner, placed))
        entry.placed = placed

    def prune(self):
        """Remove the unpacked images and the functions' folders that no graph has."""
        sfs = [sf for entry in self.graphs.values() for placed in entry.every() + [one[0] for one in entry.left]
               for sf in placed["sfs"].values()]
        self.repository.keep([sf["digest"] for sf in sfs])
        for folder, key in (("images", "folder"), ("functions", "home")):
            self.system.prune("%s/%s" % (self.config.runtime, folder), set([sf[key] for sf in sfs]))

    def progress(self, entry, old, new):
        """Return the function that keeps an entry's percentage true: rounds of steps done, of all of the plan."""
        rounds, done = [], [0]

        def step():
            if not rounds:  # not before the first of them: it takes its time
                rounds.append(sum(1 for _ in _walk(plan.update(old, dict(new, sfs=_copies(new)), self.drivers.silent()))))
            entry.percentage = min(99, done[0] * 100 // max(rounds[0], 1))
            done[0] += 1
        return step

    def drive(self, generator, done, progress=lambda: None, quiet=False):
        """Drive a plan: perform what it yields, send it what came out; call done(what it returned, error)."""
        def advance(answer, throw=False):
            try:
                wanted = generator.throw(answer) if throw else generator.send(answer)
            except StopIteration as end:
                done(end.value, None)
            except Exception as error:
                done(None, error)
            else:
                if wanted == []:
                    self.loop.soon(advance, [])  # a pause in a long work
                    return
                progress()
                if isinstance(wanted, list):
                    self.system.perform(wanted, advance, quiet)
                else:
                    self.system.perform([wanted], lambda results: advance(results[0], isinstance(results[0], Exception)), quiet)
        advance(None)


def _walk(generator):
    """Yield the rounds of steps of a plan, none of which is performed: each is told that nothing came out."""
    answer = None
    try:
        while True:
            wanted = generator.send(answer)
            steps = wanted if isinstance(wanted, list) else [wanted]
            yield steps
            answer = [""] * len(steps) if isinstance(wanted, list) else ""
    except StopIteration:
        pass


def _copies(placed):
    return dict([(name, dict(sf)) for name, sf in placed["sfs"].items()])
