"""The node resource manager: desired graphs, and the jobs that make them so (paper, 5.3).

A change of a graph is a job.  Jobs of one graph run in order, jobs of different graphs interleave: each drives
its plan, whose steps the system performs.  What is accepted is stored; what could not be taken down is tried again.

    PUT  ->  Job  ->  head of its graph's queue: conflicts, resolve, place  ->  plan  ->  store  ->  answer
"""
from . import changes, host, log, restore
from .core import names, plan, resolver, sffg, steps
from .core.errors import Conflict, NotFound, Refused, StepFailed, TooBusy, Unavailable
from .jobs import AGAIN, Entry, Job, failure
from .journal import Journal

WAITING = 8  # writes that are not done yet; more are refused
PAST = 64  # graphs that failed and are gone whose last status can still be read


class Orchestrator:
    def __init__(self, loop, system, drivers, store, repository, config):
        self.loop, self.system, self.drivers = loop, system, drivers
        self.store, self.repository, self.config = store, repository, config
        self.journal = Journal(config.runtime)
        self.on_lsi0 = []  # of the interfaces, those that LSI-0 has
        self.interfaces = [interface.name for interface in config.interfaces]
        self.graphs = {}
        self.past = {}  # {id: last status} of graphs that failed and are gone, in order
        self.writes = 0
        self.jobs = {"done": 0, "failed": 0}
        self.ready, self.problem = False, "the switch has not been looked at yet"
        self.stale = False  # the switch was started anew, and the rules wait for the jobs under way
        self.version = self.life = ""  # of the switch: its version, and which life its rules were set in

    # What is asked of the node.

    def put(self, graph_id, graph, owner=None, create=False, most=WAITING):
        """Return the Job that makes `graph_id` into `graph`.  With `create`, Conflict if there is one already."""
        self._vacant(graph_id, create)
        return self._queue(graph_id, lambda job, entry: changes.put(self, job, entry, graph), owner, most=most)

    def delete(self, graph_id):
        self._entry(graph_id)
        return self._queue(graph_id, lambda job, entry: changes.delete(self, job, entry))

    def act(self, graph_id, sf_id, verb):
        """Return the Job that does `verb` (start stop pause resume restart) to one function (paper, Table 5)."""
        self.get(graph_id)
        return self._queue(graph_id, lambda job, entry: changes.act(self, job, entry, sf_id, verb), changes=False)

    def dry_run(self, graph_id, graph, create=False):
        """Return the lines of the plan that `put` would carry out now.  Nothing is done."""
        self._vacant(graph_id, create)
        entry = self.graphs.get(graph_id)
        old = entry.placed if entry and entry.placed else plan.empty(graph_id)
        new = self.place(old, graph, graph_id)
        rounds = [] if plan.same(old, new) else list(_walk(plan.update(old, new, self.drivers)))
        old.pop("flows", None)  # they can be had again, and memory is scarce
        return [steps.line(step) for wanted in rounds for step in wanted]

    def look(self, graph_id, reading):
        """Return the Job of a generator of steps that only reads; its answer is what the generator returns."""
        job = Job(graph_id, None)
        self.drive(reading, lambda answer, error: job.finish("done", error, answer))
        return job

    def get(self, graph_id):
        """Return the Graph as it is wanted."""
        entry = self._entry(graph_id)
        placed = entry.coming or entry.placed or entry.lost
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
            return self.graphs[graph_id].status()
        if graph_id in self.past:
            return self.past[graph_id]
        raise NotFound("", "there is no graph %s" % graph_id)

    def owner(self, graph_id):
        return self.graphs[graph_id].owner if graph_id in self.graphs else None

    def deployed(self):
        """Return the ids of the graphs, sorted."""
        return sorted([name for name, entry in self.graphs.items() if entry.both()])

    def templates(self):
        return self.repository.templates()

    # Jobs.

    def _entry(self, graph_id):
        if graph_id not in self.graphs:
            raise NotFound("", "there is no graph %s, there are %s" % (graph_id, ", ".join(self.deployed()[:8]) or "none"))
        return self.graphs[graph_id]

    def _vacant(self, graph_id, create):
        if create and graph_id in self.graphs:
            raise Conflict("id", "graph %s exists: PUT changes it" % graph_id)

    def _queue(self, graph_id, begin, owner=None, changes=True, most=WAITING):
        if self.writes >= most:
            raise TooBusy("", "%d writes are waiting: try again in a moment" % self.writes)
        if graph_id not in self.graphs:
            self.graphs[graph_id] = Entry(graph_id, owner)
        job = Job(graph_id, begin, changes)
        self.enqueue(self.graphs[graph_id], job)
        return job

    def enqueue(self, entry, job):
        """Put a job at the end of its graph's queue; it begins at once if it is alone there."""
        self.writes += 1
        entry.queue.append(job)
        self.begin(entry)

    def begin(self, entry):
        """Begin the first job of a graph's queue, after what an earlier one left, if the node is ready for it."""
        if not self._is_ready() or entry.running or not entry.queue:
            return
        entry.running, job = True, entry.queue[0]

        def cleared(_, error):
            error = error or (entry.left[0][2][0] if entry.left else None)
            if error:
                raise error
            job.begin(job, entry)

        self.run(job, entry, self._clear(entry), cleared)

    def run(self, job, entry, generator, ended, progress=lambda: None):
        """Drive a plan of a job; then call ended(what it returned, error), whose exceptions end the job."""
        def guarded(answer, error):
            try:
                ended(answer, error)
            except Exception as failed:
                self.end(job, entry, error=failed)
        self.drive(generator, guarded, progress)

    def end(self, job, entry, outcome=None, error=None):
        """End a job: note what it came to, tell who waits, begin the next one."""
        if isinstance(error, OSError):
            error = Unavailable("", "the node failed: %s" % error)
        elif error is not None and not isinstance(error, (Refused, StepFailed)):
            log.failure("orchestrator", error)
        self.writes -= 1
        self.jobs["failed" if error else "done"] += 1
        log.write("job", "failed" if error else outcome, graph=entry.id, **({"why": error} if error else {}))
        entry.queue.pop(0)
        entry.coming, entry.running = None, False
        if job.changes:
            entry.error = failure(error) if error else None
        entry.percentage = 100 if entry.placed else entry.percentage
        entry.state = "deployed" if entry.placed else "deleting" if entry.left else "failed" if error else "deleted"
        if entry.placed:
            entry.placed.pop("flows", None)  # they can be had again, and memory is scarce
        self.past.pop(entry.id, None)
        if not entry.placed and not entry.left and not entry.lost:
            if error:
                self._keep_past(entry)
            if not entry.queue:
                del self.graphs[entry.id]
        try:
            self.prune()
            if not entry.left:
                self.journal.close(entry.id)
        except OSError as failed:  # who waits is told all the same
            log.failure("orchestrator", failed)
        if not entry.left and not entry.lost:
            entry.pause = AGAIN[0]
        elif not entry.queue:
            if entry.again:
                entry.again.cancel()
            entry.again = self.loop.at(entry.pause, lambda: self._again(entry))
        self.loop.soon(self.begin, entry)
        job.finish(outcome, error)

    def _is_ready(self):
        """Say whether jobs may run.  They wait for the rules of a switch that was started again, and for an interface
        that has come to be on LSI-0."""
        life = host.daemon(self.config.ovs.rundir, "ovs-vswitchd")
        came = [name for name in self.interfaces if name not in self.on_lsi0 and host.has_interface(name)]
        if self.ready and (came or life and life != self.life):
            self.ready, self.problem = False, "the switch was started again, or has an interface more"
            self.stale = True
        if self.stale and not any([entry.running for entry in self.graphs.values()]):
            self.stale = False
            restore.start(self)
        return self.ready

    def _keep_past(self, entry):
        self.past[entry.id] = entry.status()
        while len(self.past) > PAST:
            del self.past[next(iter(self.past))]

    def _again(self, entry):
        """Try again to take down what is left, unless a job has done so or is about to."""
        if entry.queue or self.graphs.get(entry.id) is not entry:
            return
        entry.pause = min(2 * entry.pause, AGAIN[1])
        if entry.lost:
            restore.rebuild(self, entry, entry.lost)
            self.begin(entry)
        elif entry.left:
            self.enqueue(entry, Job(entry.id, lambda job, entry: self.end(job, entry, "done")))

    def _clear(self, entry):
        """Yield the steps that take down what is left of a graph."""
        for one in list(entry.left):
            left, _ = yield from plan.take_down(one[0], one[1], self.drivers)
            entry.left.remove(one)
            if left:
                entry.left.append((one[0], one[1], left))

    def leave(self, entry, old, new, failures):
        """Note what could not be taken down, to be tried again."""
        for one in failures:
            log.write("job", "not taken down", graph=entry.id, why=one)
        if failures:
            entry.left.append((old, new, list(failures)))

    def place(self, old, graph, graph_id):
        """Return the graph placed, or raise Conflict: this is where the node's state meets what is wanted."""
        for sap in graph.saps:
            if sap.interface not in self.interfaces:
                raise Conflict(sap.where, "interface %s is not given to LSI-0 by the configuration, which has %s"
                               % (sap.interface, ", ".join(self.interfaces) or "none"))
            free = [one.vlans for one in self.config.interfaces if one.name == sap.interface][0]
            if sap.vlan is not None and not any([first <= sap.vlan <= last for first, last in free]):
                raise Conflict(sap.where, "VLAN %d of %s is not for graphs, those are %s" % (
                    sap.vlan, sap.interface, ", ".join(["%d-%d" % pair for pair in free])))
            if not host.has_interface(sap.interface):
                raise Conflict(sap.where, "interface %s is not there" % sap.interface)
        others = [placed["graph"] for entry in self.graphs.values() if entry.id != graph_id
                  for placed in entry.both()]
        sffg.conflict(graph, others)
        images = resolver.resolve(graph, self.templates() if graph.sfs else (), self.drivers, old["sfs"],
                                  self.repository.read)
        return plan.place(old, graph, images, self._number(), self.config.runtime)

    def _number(self):
        """Return the smallest number that no graph has, and of which nobody else has taken a name."""
        taken, there = set([names.NODE]), host.interfaces()
        for entry in self.graphs.values():
            taken.update([placed["number"] for placed in entry.both() + [one[0] for one in entry.left]])
        return next(number for number in names.free(taken, 1) if not any(names.belongs(name, number) for name in there))

    def keep(self, entry, placed):
        """Store what was accepted; it is what the graph is from now on."""
        record = {"owner": entry.owner, "body": placed["graph"].body,
                  "placed": dict([(key, placed[key]) for key in placed if key not in ("graph", "flows")])}
        self.store.save(entry.id, record)
        entry.placed, entry.lost = placed, None

    def prune(self):
        """Remove the unpacked images and the functions' folders that no graph has."""
        sfs = [sf for entry in self.graphs.values() for placed in entry.both() + [one[0] for one in entry.left]
               for sf in placed["sfs"].values()]
        for folder, key in (("images", "folder"), ("functions", "home")):
            self.system.prune("%s/%s" % (self.config.runtime, folder), set([sf[key] for sf in sfs]))

    def progress(self, entry, old, new):
        """Return the function that keeps an entry's percentage true: rounds of steps done, of all of the plan."""
        rounds = sum(1 for _ in _walk(plan.update(old, dict(new, sfs=_copies(new)), self.drivers)))
        done = [0]

        def step():
            entry.percentage = min(99, done[0] * 100 // max(rounds, 1))
            done[0] += 1
        return step

    def drive(self, generator, done, progress=lambda: None):
        """Drive a plan: perform what it yields, send it what came out; call done(what it returned, error)."""
        def advance(answer, throw=False):
            try:
                wanted = generator.throw(answer) if throw else generator.send(answer)
            except StopIteration as end:
                done(end.value, None)
            except Exception as error:
                done(None, error)
            else:
                progress()
                if isinstance(wanted, list):
                    self.system.perform(wanted, advance)
                else:
                    self.system.perform([wanted], lambda results: advance(results[0], isinstance(results[0], Exception)))
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
