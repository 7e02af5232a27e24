"""Loop: one poll() that calls everything the agent does.

    source   a socket, a pipe: anything with fileno() and ready(readable, writable); wants_write() -> bool if it
             ever wants to write, wants_read() -> bool if it does not always want to read, close() if it has an end
    timer    at(seconds, action)
    child    watch(pid, done): done(exit code) when the process has ended
    soon     soon(action, ...): in the next turn, after what is ready by then

A turn asks each source what it wants, waits, and calls what is ready.  Nobody tells the loop that a wish has
changed, so nobody can forget to.  No handler may block: `longest` tells which turn took longest and why.
What a handler raises is logged in one line and the loop goes on; a source that raises is removed and closed.

Signals only write a byte into a pipe, of which the loop itself is the source.
"""
import heapq
import os
import select
import signal
import time

from . import log

WAIT_LIMIT = 3600  # seconds of one poll, whose argument is an int of milliseconds
GONE = 255         # exit code of a watched child whose status somebody else took


class Timer:
    """What at() returns: cancel() at any time, once or more."""
    __slots__ = ("when", "number", "action")

    def __init__(self, when, number, action):
        self.when, self.number, self.action = when, number, action

    def __lt__(self, other):
        return (self.when, self.number) < (other.when, other.number)

    def cancel(self):
        self.action = None


class Loop:
    """`clock` gives seconds that never go back; `log` takes one line of text.

    `longest` is (seconds, name) of the longest turn between two polls, named by the slowest call in it, `latest` by how
    many seconds a timer was late at most.  Set them to NEVER and 0 to measure anew.
    """
    NEVER = (0.0, "")

    def __init__(self, clock=time.monotonic, log=log.line):
        self.clock, self.log = clock, log
        self.longest = self.NEVER
        self.latest = 0.0           # seconds that a timer was late, at most
        self._slowest = self.NEVER  # the call that took longest in this turn, without the calls within it
        self._spent = 0.0           # seconds in calls, ever
        self._poll = select.poll()
        self._sources = {}          # file descriptor: (source, its wants_read, its wants_write)
        self._masks = {}            # file descriptor: what poll was told to look for
        self._timers, self._room, self._armed = [], 64, 0
        self._actions = []
        self._children = {}         # pid: done
        self._stopped = False
        self._pipe, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.add(self)

    def add(self, source):
        """Watch `source` from the next turn on."""
        number = source.fileno()
        self._sources[number] = (source, getattr(source, "wants_read", _always), getattr(source, "wants_write", _never))
        self._masks[number] = 0
        self._poll.register(number, 0)

    def remove(self, source):
        """Watch `source` no more: to be called before it is closed, also from within any handler."""
        self._forget(source.fileno(), source)

    def at(self, seconds, action):
        """Call `action()` in so many seconds.  Return a Timer, to be cancelled."""
        if len(self._timers) > self._room:  # mostly cancelled ones: keep the heap as small as what lives
            self._timers = [timer for timer in self._timers if timer.action]
            heapq.heapify(self._timers)
            self._room = 64 + 2 * len(self._timers)
        self._armed += 1
        timer = Timer(self.clock() + seconds, self._armed, action)
        heapq.heappush(self._timers, timer)
        return timer

    def soon(self, action, *arguments):
        """Call `action(*arguments)` in the next turn."""
        self._actions.append((action, arguments))

    def watch(self, pid, done):
        """Call `done(code)` when child `pid` has ended; -n is the end by signal n, GONE an unknown one.

        Only watched children are waited for.  One that ended before this call is noticed as well.
        """
        self._children[pid] = done
        self.soon(self._look, pid)

    def run(self, signals=True):
        """Turn until stop().  SIGTERM and SIGINT stop it too; SIGCHLD is heard, so children need `signals`.

        Signals can only be taken in the main thread, and are given back at the end.  May be called again.
        """
        if signals:
            before = [(signal.SIGCHLD, signal.signal(signal.SIGCHLD, lambda number, frame: None))]
            for number in (signal.SIGTERM, signal.SIGINT):
                before.append((number, signal.signal(number, lambda number, frame: self.stop())))
            wake = signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        try:
            while not self._stopped:
                self.turn()
        finally:
            self._stopped = False
            if signals:
                signal.set_wakeup_fd(wake)
                for number, handler in before:
                    signal.signal(number, handler)

    def stop(self):
        """End run() after this turn, or as soon as it begins.  May be called from another thread."""
        self._stopped = True
        try:
            os.write(self._wake, b"\0")
        except BlockingIOError:  # full: the loop wakes anyway
            pass

    def close(self):
        """Give back the loop's own file descriptors.  The sources are closed by whoever made them."""
        self.remove(self)
        os.close(self._pipe)
        os.close(self._wake)

    def turn(self):
        """Wait for what happens first, and call all that is ready by then."""
        self._ask()
        ready = self._poll.poll(self._patience())
        begun = now = self.clock()
        self._slowest = self.NEVER
        self._serve([(number, self._sources.get(number), event) for number, event in ready])
        due = []  # taken out first: what is armed or called for meanwhile waits for the next turn
        while self._timers and self._timers[0].when <= now:
            due.append(heapq.heappop(self._timers))
        actions, self._actions = self._actions, []
        for timer in due:
            if timer.action:
                self.latest = max(self.latest, now - timer.when)
                self._call(timer.action)
        for action, arguments in actions:
            self._call(action, *arguments)
        spent = self.clock() - begun
        if spent > self.longest[0]:
            self.longest = (spent, self._slowest[1])

    def fileno(self):
        return self._pipe

    def ready(self, readable, writable):
        """A signal came, or stop() was called."""
        try:
            while len(os.read(self._pipe, 512)) == 512:
                pass
        except BlockingIOError:
            pass
        for pid in list(self._children):
            self._look(pid)

    def _ask(self):
        masks = self._masks
        for number, (source, wants_read, wants_write) in list(self._sources.items()):
            try:
                mask = (select.POLLIN if wants_read() else 0) | (select.POLLOUT if wants_write() else 0)
                if mask != masks.get(number, mask):
                    self._poll.modify(number, mask)
                    masks[number] = mask
            except Exception as error:
                self._failed(type(source), error)
                self._drop(number, source)

    def _patience(self):
        """Return the milliseconds that poll may wait, None for as long as it takes."""
        if self._actions or self._stopped:
            return 0
        while self._timers and not self._timers[0].action:
            heapq.heappop(self._timers)
        if not self._timers:
            return None
        seconds = min(self._timers[0].when - self.clock(), WAIT_LIMIT)
        return int(seconds * 1000) + 1 if seconds > 0 else 0

    def _serve(self, events):
        for number, known, event in events:
            if known is None or self._sources.get(number) is not known:
                continue  # removed by another handler of this turn, and its number perhaps in use again
            source = known[0]
            if event & select.POLLNVAL:
                self.log("loop: failed %s was closed before it was removed" % type(source).__name__)
                self._forget(number, source)
                continue
            over = event & (select.POLLHUP | select.POLLERR)
            if not self._call(source.ready, bool(over or event & select.POLLIN), bool(over or event & select.POLLOUT)):
                self._drop(number, source)

    def _look(self, pid):
        """Has child `pid` ended?"""
        if pid not in self._children:
            return
        try:
            ended, status = os.waitpid(pid, os.WNOHANG)
            code = os.waitstatus_to_exitcode(status)
        except ChildProcessError:
            ended, code = pid, GONE
        if ended:
            self._call(self._children.pop(pid), code)

    def _call(self, action, *arguments):
        """Call one handler, time it, and keep its failure from the others.  Return True if it did not fail."""
        begun, spent, good = self.clock(), self._spent, True
        try:
            action(*arguments)
        except Exception as error:
            good = False
            self._failed(action, error)
        seconds = self.clock() - begun
        within, self._spent = self._spent - spent, spent + seconds
        if seconds - within > self._slowest[0]:
            self._slowest = (seconds - within, _name(action))
        return good

    def _failed(self, action, error):
        place = error.__traceback__
        while place.tb_next:
            place = place.tb_next
        self.log("loop: failed %s %s at=%s:%d" % (
            _name(action), " ".join(("%s: %s" % (type(error).__name__, error)).split()),
            os.path.basename(place.tb_frame.f_code.co_filename), place.tb_lineno))

    def _drop(self, number, source):
        """Remove a source that failed, and close it if it can be closed."""
        self._forget(number, source)
        close = getattr(source, "close", None)
        if close:
            self._call(close)

    def _forget(self, number, source):
        known = self._sources.get(number)
        if known and known[0] is source:
            del self._sources[number], self._masks[number]
            self._poll.unregister(number)


def _always():
    return True


def _never():
    return False


def _name(action):
    return getattr(action, "__qualname__", type(action).__name__)
