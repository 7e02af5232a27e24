"""Children: starts a program, reads what it says, and ends it at its limit of time.

Output comes through a pipe.  A script may leave daemons behind, which would hold the pipe: nobody waits for its end,
and their end of it is open for reading too and never blocks, so a daemon that talks when nobody listens any more, or
when the agent is gone, is neither stopped nor held up; what the pipe has no room for is lost.  Nobody can fill the
memory with what he says: of a script the last lines are kept, and one that says too much is read no longer.
"""
import fcntl
import os
import signal
import subprocess

from .core.errors import UNBORN

GRACE = 2  # seconds from SIGTERM to SIGKILL, and from there until nobody waits any more
PIPE = 1 << 20  # bytes that a script can say before anybody listens
TALK, TAIL = 8 << 20, 64 << 10  # bytes of a script that are read, and kept
OUTPUT = 64 << 20  # bytes of a program that are read
PIECE = 256 << 10


class Output:
    """The agent's end of a child's output, a source of the loop.  most: bytes that are read; tail: that are kept."""

    def __init__(self, loop, most, tail):
        self.loop, self.most, self.tail = loop, most, tail
        self.parts, self.kept, self.size = [], 0, 0
        self.end, self.far = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self.end, False)

    def wants_read(self):
        return self.size < self.most

    def fileno(self):
        return self.end

    def ready(self, readable, writable):
        """Read what there is; return whether there may be more."""
        try:
            part = os.read(self.end, PIECE)
        except BlockingIOError:
            return False
        if not part:
            self.loop.remove(self)  # a pipe whose other end is closed has always something to tell
        self.parts.append(part)
        self.size += len(part)
        self.kept += len(part)
        while self.tail and self.kept - len(self.parts[0]) >= self.tail:
            self.kept -= len(self.parts.pop(0))
        return len(part) > 0 and self.wants_read()

    def text(self):
        while self.ready(True, False):
            pass
        said = b"".join(self.parts).decode("utf-8", "replace")
        return said if self.size < PIPE or not self.tail else said + "\nand too much: of what is beyond %d bytes, some is lost" % PIPE


def start(loop, argv, stdin, environ, limit, done, leaves, more=lambda: False):
    """Start a child; call done(exit status, None at the limit or UNBORN, output).  leaves: it may leave daemons behind;
    more(): asked at the limit, whether it may go on for as long again."""
    output = text = None
    try:
        output = Output(loop, TALK, TAIL) if leaves else Output(loop, OUTPUT, 0)
        if leaves:
            _never_blocking(output)
        if stdin:
            text = os.memfd_create("input")
            os.write(text, stdin.encode())
            os.lseek(text, 0, os.SEEK_SET)
        child = subprocess.Popen(argv, stdin=text if stdin else subprocess.DEVNULL, stdout=output.far, stderr=output.far,
                                 env=environ, cwd="/", start_new_session=True)
    except OSError as error:
        if output:
            os.close(output.end)
        done(UNBORN, "%s: %s" % (argv[0], error.strerror))
        return
    finally:
        if text is not None:
            os.close(text)
        if output:
            os.close(output.far)
    loop.add(output)
    state = {"timer": None, "late": False, "over": False}

    def tell(number):
        try:
            os.killpg(child.pid, number)
        except ProcessLookupError:
            pass

    def at_limit(number, then):
        state["late"] = True
        tell(number)
        state["timer"] = loop.at(GRACE, then)

    def over():
        if more():
            state["timer"] = loop.at(limit, over)
        else:
            at_limit(signal.SIGTERM, lambda: at_limit(
                signal.SIGKILL, lambda: ended(None)))  # one that cannot die is waited for no longer

    def ended(code):
        state["timer"].cancel()
        child.returncode = code  # the loop has waited for it, or will
        if state["over"]:
            return
        state["over"] = True
        if state["late"]:
            tell(signal.SIGKILL)  # whatever of its group did not heed SIGTERM
        loop.remove(output)
        said = output.text()
        os.close(output.end)
        done(None if state["late"] else code, said)

    state["timer"] = loop.at(limit, over)
    loop.watch(child.pid, ended)


def _never_blocking(output):
    """Open the child's end anew: for reading too, and never blocking, which the other end does not share."""
    far = os.open("/proc/self/fd/%d" % output.far, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    os.close(output.far)
    output.far = far
    try:
        fcntl.fcntl(far, fcntl.F_SETPIPE_SZ, PIPE)
    except OSError:
        pass  # the usual size will do
