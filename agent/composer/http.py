"""HTTP: a non-blocking HTTP/1.1 front for a WSGI app.  h11 in, one call, bytes out, deadlines and caps.

A connection is a generator that yields what it waits for, so its life reads from top to bottom: READ the whole
request, call the app, WRITE the answer, and again.  No client can keep the app waiting.

An app that cannot answer yet puts a job into environ["composer.job"].  That answer is thrown away, the connection
waits for the JOB, and when it calls back (job.when_done(callback), callback takes no arguments) the app is called
again with a fresh environ of the same request and the job in environ["composer.outcome"].  Who hangs up meanwhile
cancels nothing.

Work comes in slices: at most one request, or EVENTS pieces of one, per connection and TURN of the loop.
"""
import errno
import os
import socket
import traceback
from collections import namedtuple

import h11

from .core.errors import show
from .listen import listen
from .wsgi import Unfit, call, check, environment, refusal, reply

Limits = namedtuple("Limits", ("header", "body", "connections", "header_time", "body_time", "idle_time", "answer_time"))
LIMITS = Limits(header=16 * 1024, body=1024 * 1024, connections=64,               # bytes, bytes, number
                header_time=5, body_time=15, idle_time=60, answer_time=30)        # seconds
CHUNK = 64 * 1024  # bytes read at once; also enough to read ahead while a job runs
EVENTS = 32        # pieces of a request looked at in one turn
ACCEPTS = 16       # connections accepted in one turn
SPARE = 16         # connections over the cap, only to be told 503
LEAVE_TIME = 2     # seconds for the client to close after us, so that our last answer is not lost
STALL_TIME = 2     # seconds without progress, after which who takes an answer may have to make room
PAUSE = 1          # seconds without accept() when the system is out of file descriptors or memory
SCARCE = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
FOREVER = float("inf")
READ, WRITE, JOB, TURN = "read", "write", "job", "turn"  # what a connection waits for


class Server:
    """Serve a WSGI app at an address, as listen.listen takes and refuses it.  `address` tells the port that it got."""

    def __init__(self, loop, app, address, limits=LIMITS):
        self.loop, self.app, self.limits = loop, app, limits
        self._socket, self.address = listen(address)
        self.connections = {}             # in the order of the last completed request: the first makes room first
        self._again = self._timer = None  # accept again; look at the deadlines of all connections
        loop.add(self)

    def close(self):
        """Stop listening and drop all connections."""
        self.loop.remove(self)
        self._socket.close()
        for connection in list(self.connections):
            connection.close()
        for timer in filter(None, (self._again, self._timer)):
            timer.cancel()
        if self.address.startswith("unix:") and os.path.lexists(self.address[5:]):
            os.unlink(self.address[5:])

    def fileno(self):
        return self._socket.fileno()

    def ready(self, readable, writable):
        for _ in range(ACCEPTS):
            try:
                client, peer = self._socket.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in SCARCE:
                    return self._pause(error.strerror)
                continue  # that client is gone already
            self._again = None
            self._admit(client, peer)

    def _pause(self, why):
        if not self._again:
            self.loop.log("http: accept failed, trying again every %g s: %s" % (PAUSE, why))
        self.loop.remove(self)
        self._again = self.loop.at(PAUSE, lambda: self.loop.add(self))

    def arm(self, when):
        """See to it that deadlines are looked at by `when`: one timer does for all."""
        if self._timer is None or when < self._timer.when:
            if self._timer:
                self._timer.cancel()
            self._timer = self.loop.at(when - self.loop.clock(), self._expire)

    def _admit(self, client, peer):
        """Make a connection of a new client; if all are taken, in the place of the one that is idle longest."""
        over = len(self.connections) - self.limits.connections
        if over >= SPARE:
            return client.close()
        idle = next((one for one in self.connections if one.yields()), None) if over >= 0 else None
        client.setblocking(False)
        connection = Connection(self, client, peer[0] if peer else "", over >= 0 and not idle)
        self.connections[connection] = None
        self.loop.add(connection)
        if idle:
            idle.close()
        connection.go()

    def _expire(self):
        self._timer = None
        now = self.loop.clock()
        late = [one for one in self.connections if one.deadline <= now]
        self.arm(min([one.deadline for one in self.connections if one.deadline > now], default=FOREVER))
        for connection in late:
            connection.expire()


class Connection:
    """One client.  `excess` says that there is no room for it."""

    def __init__(self, server, client, peer, excess):
        self._server, self._loop, self._limits = server, server.loop, server.limits
        self._socket, self._peer, self._excess = client, peer, excess
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=server.limits.header)
        self._life, self.waits = self._live(), READ
        self.deadline, self._late, self._seconds = FOREVER, "", 0  # when, what of a request is late by then, its time
        self._request = self._path = self._job = None
        self._ahead = self._events = self._moved = 0

    def fileno(self):
        return self._socket.fileno()

    def wants_read(self):
        return self.waits is READ or (self.waits is JOB and self._ahead < CHUNK)

    def wants_write(self):
        return self.waits is WRITE

    def ready(self, readable, writable):
        if self.wants_read() or self.wants_write():
            self.go()
        else:
            self.close()  # it hung up

    def go(self, error=None):
        """Live on until there is something to wait for."""
        if not self._life:
            return
        try:
            self.waits = self._life.throw(error) if error else next(self._life)
        except (StopIteration, OSError):
            self.close()
        except Exception:  # a fault of ours, which the loop logs
            self.close()
            raise

    def expire(self):
        """The deadline has passed.  Who is late with a request is told so."""
        if self._late:
            self.go(Unfit(408, self._late, "the %s must be sent within %g s" % (self._late, self._seconds)))
        else:
            self.close()

    def yields(self):
        """May it be closed to make room for another?"""
        if self.waits is WRITE:
            return self._loop.clock() - self._moved > STALL_TIME
        return self.waits is not JOB and not self._excess

    def close(self):
        if self._life:
            self._life = self._job = None
            self._loop.remove(self)
            del self._server.connections[self]
            self._socket.close()

    def _live(self):
        self._within(self._limits.header_time, "header")
        try:
            if self._excess:
                raise Unfit(503, "", "all %d connections are at work, try again" % self._limits.connections)
            while (yield from self._exchange()):
                self._server.connections[self] = self._server.connections.pop(self)  # now the last to make room
        except Unfit as unfit:
            yield from self._send(*refusal(self._request, *unfit.args))
        self._socket.shutdown(socket.SHUT_WR)
        self._within(LEAVE_TIME)
        while (yield from self._read(READ)) != b"":
            pass

    def _exchange(self):
        """Live through one request and its answer.  Return True if another may follow."""
        body = yield from self._collect()
        if body is None:
            return False
        answer, job = self._call(body)
        if job is not None:
            yield from self._wait(job)
            answer, _ = self._call(body, job)
        yield from self._send(*answer)
        if self._h11.our_state is not h11.DONE or self._h11.their_state is not h11.DONE:
            return False
        self._h11.start_next_cycle()
        self._request = None
        if any(self._h11.trailing_data):
            self._within(self._limits.header_time, "header")
            self._loop.soon(self.go)
            yield TURN
        else:
            self._within(self._limits.idle_time)
        return True

    def _collect(self):
        """Return the body of the next request, None if there is none."""
        body = bytearray()
        while True:
            event = yield from self._event()
            if type(event) is h11.Request:
                self._request = event
                self._path = check(event, self._limits)
                self._within(self._limits.body_time, "body")
            elif type(event) is h11.Data:
                body += event.data
                if len(body) > self._limits.body:
                    raise Unfit(413, "body", "the body may have %d bytes" % self._limits.body)
            else:
                return body if type(event) is h11.EndOfMessage else None

    def _event(self):
        """Return the next event of h11, which is given more bytes until there is one."""
        while True:
            try:
                event = self._h11.next_event()
            except (h11.RemoteProtocolError, ValueError) as error:  # ValueError: a number too long for int()
                raise Unfit(getattr(error, "error_status_hint", 400), self._late, "not HTTP/1.1: " + show(str(error)))
            if event is not h11.NEED_DATA:
                self._events += 1
                if self._events % EVENTS == 0:
                    self._loop.soon(self.go)
                    yield TURN
                return event
            if self._h11.they_are_waiting_for_100_continue:
                go = h11.InformationalResponse(status_code=100, reason=b"Continue", headers=[])
                yield from self._write(self._h11.send(go))
            received = yield from self._read(READ)
            if received is not None:
                if not self._late:  # it was idle until now
                    self._within(self._limits.header_time, "header")
                self._h11.receive_data(received)

    def _call(self, body, outcome=None):
        """Return (answer, the job to wait for or None)."""
        environ = environment(self._request, self._path, body, self._peer, self._server.address)
        if outcome is not None:
            environ["composer.outcome"] = outcome
        try:
            answer = reply(self._request, *call(self._server.app, environ))
            job = environ.get("composer.job") if outcome is None else None
            if job is not None:
                self._job = job
                job.when_done(lambda: self._loop.soon(self._ended, job))
            return answer, job
        except Exception:
            traceback.print_exc()
            raise Unfit(500, "", "the agent failed, its log says how")

    def _wait(self, job):
        """Wait until `job` has ended.  There is no deadline; what is sent meanwhile is the next request's."""
        self.deadline, self._ahead = FOREVER, 0
        while self._job is job:
            received = yield from self._read(JOB)
            if received == b"":
                raise ConnectionAbortedError
            if received:
                self._ahead += len(received)
                self._h11.receive_data(received)

    def _ended(self, job):
        if self._job is job:  # else the client hung up, or the job called back twice
            self._job = None
            self.go()

    def _send(self, response, body):
        events = (response, h11.Data(data=body), h11.EndOfMessage()) if body else (response, h11.EndOfMessage())
        self._within(self._limits.answer_time)
        yield from self._write(b"".join([self._h11.send(event) for event in events]))

    def _write(self, out):
        out = memoryview(out)
        while out:
            self._moved = self._loop.clock()
            try:
                out = out[self._socket.send(out):]
            except BlockingIOError:
                pass
            if out:
                yield WRITE

    def _read(self, waits):
        """Return what comes next: b"" at the end, None if there is nothing yet."""
        yield waits
        try:
            return self._socket.recv(CHUNK)
        except BlockingIOError:
            return None

    def _within(self, seconds, late=""):
        self.deadline, self._late, self._seconds = self._loop.clock() + seconds, late, seconds
        self._server.arm(self.deadline)
