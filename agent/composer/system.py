"""The system: performs steps.  The one place that starts processes, and one short function for each verb.

What a plan yields at one time is performed side by side: folders and images in this process, in slices; all wishes
for ip(8) as one child; programs and scripts as children.  A child has a session of its own, no stdin but a text,
a clean environment and a limit; at the limit its process group is killed.  Output goes to memory files: a daemon
that a script leaves behind would hold a pipe open.
"""
import os
import signal
import subprocess

from . import bundle, log, netns
from .core import steps
from .core.errors import Refused, StepFailed

COMMAND_LIMIT, SCRIPT_LIMIT = 60, 30  # seconds; ovs-vsctl and ovs-ofctl have shorter ones of their own
CALLS = 8  # programs at one time, of all lists: the switch turns away more
SLICE = 0.005  # seconds of work in this process before the loop turns
AT_ONCE = 32  # children of one list of steps
OUTPUT = 1 << 20  # bytes of a child's output that are read
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# In the function's network namespace and a mount namespace of its own (`ip netns exec` makes both).
# $1: its folder  $2: its image  $3: "up" to bring its ports up  $4: "off" for transmit checksums  $5...: the script
ENTER = """\
home=$1 image=$2 up=$3 checksums=$4; shift 4
lines=
for port in ${up:+lo $SF_PORTS}; do
    lines="$lines
link set $port up"
    test "$checksums" = on -o "$port" = lo || ethtool -K "$port" tx off >/dev/null || exit
done
test -z "$lines" || ip -batch - <<END || exit
$lines
END
mount -o bind,ro "$image" "$home/run/sf" && %s && cd /run/sf && exec "./$@"
"""
APART = 'mount --rbind "$home/run" /run && mount --bind "$home/tmp" /tmp'
NESTED = 'mkdir -p "$home/tmp/run" && mount --rbind "$home/run" "$home/tmp/run" && mount --rbind "$home/tmp" /tmp'


class System:
    """Performs steps with the help of the loop.  checksums: "off" where the datapath needs them off (FACTS)."""

    def __init__(self, loop, environ=()):
        self.loop = loop
        self.environ = dict({"PATH": PATH, "LC_ALL": "C"}, **dict(environ))
        self.checksums = "on"
        self.enter = ENTER % (NESTED if os.path.realpath("/run").startswith("/tmp") else APART)
        self.slices = []  # generators of work in this process, one after the other
        self.starts = []  # of children, which begin one in a turn
        self.calls, self.waiting = 0, []  # `run` steps under way, and starts of those that are too many now
        self.performed = 0

    def perform(self, wanted, done):
        """Perform a list of steps; call done([output or exception, ...]) in their order."""
        results = [None] * len(wanted)
        self.performed += len(wanted)
        for step in wanted:
            log.write("step", steps.line(step))
        if not any([step.verb in IN_PROCESS for step in wanted]):
            self._children(wanted, results, done)
            return
        self.slices.append((_in_slices(wanted, results), lambda: self._children(wanted, results, done)))
        if len(self.slices) == 1:
            self._slice()

    def prune(self, folder, used):
        """Remove what is in a folder but not `used`; done when no other work in this process is."""
        try:
            unused = [entry.path for entry in os.scandir(folder) if entry.path not in used]
        except FileNotFoundError:
            return
        if unused:
            self.perform([steps.remove(path) for path in unused], lambda results: None)

    def _slice(self):
        """Do the next slice of the work in this process, and come back for more."""
        end = self.loop.clock() + SLICE
        while self.slices:
            work, then = self.slices[0]
            if next(work, work) is work:
                self.slices.pop(0)
                self.loop.soon(then)
            elif self.loop.clock() > end:
                self.loop.soon(self._slice)
                return

    def _children(self, wanted, results, done):
        """Start the children of a list of steps, AT_ONCE at a time."""
        todo = []
        wishes = [index for index, step in enumerate(wanted) if step.verb == "ip"]
        if wishes:
            todo.append(self._ip([wanted[index] for index in wishes], wishes, results))
        for index, step in enumerate(wanted):
            if step.verb in ("run", "script"):
                todo.append(self._child(step, index, results))
        left = [len(todo)]
        if not todo:
            done(results)
            return

        def next_one():
            if todo:
                todo.pop(0)(ended)

        def ended():
            left[0] -= 1
            if left[0]:
                self._soon(next_one)
            else:
                done(results)

        for _ in range(min(AT_ONCE, len(todo))):
            self._soon(next_one)

    def _soon(self, start):
        """Start one child in a turn of the loop: each takes some milliseconds."""
        self.starts.append(start)
        if len(self.starts) == 1:
            self.loop.soon(self._start_one)

    def _start_one(self):
        start = self.starts.pop(0)
        if self.starts:
            self.loop.soon(self._start_one)
        start()

    def _ip(self, wishes, places, results):
        """Return a function that makes all wishes true with one child."""
        def start(ended):
            doomed = [step.words[2] for step in wishes if step.words[:2] == ("netns", "del")]
            netns.signal(doomed, signal.SIGKILL)
            words = [step.words for step in wishes]
            lines = netns.batch(words)

            def finish(code, output):
                for index in places:
                    results[index] = ""
                only_gone = all([verb == "del" for _, verb, *_ in words])  # by itself meanwhile: fine, too
                if code != 0 and not (only_gone and not netns.batch(words)):
                    results[places[0]] = _ip_failure(lines, output)
                ended()

            if lines:
                self.start(["ip", "-batch", "-"], "\n".join(lines) + "\n", (), COMMAND_LIMIT, finish)
            else:
                finish(0, "")
        return start

    def _child(self, step, index, results):
        """Return a function that performs a `run` or `script` step."""
        def start(ended):
            words, limit = step.words, COMMAND_LIMIT
            if step.verb == "run":
                if self.calls == CALLS:
                    self.waiting.append(lambda: start(ended))
                    return
                self.calls += 1
            if step.verb == "script":
                (space, home, image, name), limit = words[:4], SCRIPT_LIMIT
                words = ("ip", "netns", "exec", space, "sh", "-c", self.enter, "enter", home, image,
                         "up" if name in ("start", "update") else "", self.checksums, name) + words[4:]

            def finish(code, output):
                if step.verb == "run":
                    self.calls -= 1
                    if self.waiting:
                        self._soon(self.waiting.pop(0))
                results[index] = output if code == 0 else StepFailed(steps.line(step), _ending(code, limit, output), code)
                ended()

            self.start(words, step.stdin, step.env, limit, finish)
        return start

    def start(self, argv, stdin, env, limit, done):
        """Start a child; call done(exit status or None at the limit, output)."""
        out = text = None
        state = {"late": False}
        try:
            out = os.memfd_create("output")
            if stdin:
                text = os.memfd_create("input")
                os.write(text, stdin.encode())
                os.lseek(text, 0, os.SEEK_SET)
            child = subprocess.Popen(argv, stdin=text if stdin else subprocess.DEVNULL, stdout=out, stderr=out,
                                     env=dict(self.environ, **dict(env)), cwd="/", start_new_session=True)
        except OSError as error:
            if out is not None:
                os.close(out)
            done(127, "%s: %s" % (argv[0], error.strerror))
            return
        finally:
            if text is not None:
                os.close(text)

        def late():
            state["late"] = True
            os.killpg(child.pid, signal.SIGKILL)

        def ended(code):
            timer.cancel()
            child.returncode = code  # the loop has waited for it
            output = os.pread(out, OUTPUT, max(0, os.fstat(out).st_size - OUTPUT))
            os.close(out)
            done(None if state["late"] else code, output.decode("utf-8", "replace"))

        timer = self.loop.at(limit, late)
        self.loop.watch(child.pid, ended)


def _in_slices(wanted, results):
    """Perform the steps of a list that are for this process; a generator that yields between slices."""
    for index, step in enumerate(wanted):
        if step.verb in IN_PROCESS:
            try:
                results[index] = (yield from IN_PROCESS[step.verb](*step.words)) or ""
            except Refused as refusal:
                results[index] = refusal
            except Exception as error:  # whatever it is: the work of the others goes on
                results[index] = StepFailed(steps.line(step), str(error))
            yield


def _unpack(image, digest, folder):
    """Unpack an image in slices; the output is the names of its scripts."""
    yield from bundle.unpack(image, folder, digest)
    return " ".join([entry.name for entry in sorted(os.scandir(folder), key=lambda entry: entry.name)
                     if entry.is_file() and os.access(entry.path, os.X_OK)])


def _mkdir(folder):
    os.makedirs(folder, 0o755, exist_ok=True)
    yield


def _signal(namespace, name):
    netns.signal([namespace], getattr(signal, "SIG" + name))
    yield


IN_PROCESS = {"unpack": _unpack, "mkdir": _mkdir, "remove": bundle.removing, "signal": _signal}


def _ip_failure(lines, output):
    """Return the failure of a batch, which says only the number of the line that failed."""
    command = "ip -batch -"
    for text in output.split("\n"):
        if text.startswith("Command failed -:"):
            number = int(text[len("Command failed -:"):] or 1)
            command = "ip " + lines[min(number, len(lines)) - 1]
            break
    said = [text for text in output.split("\n") if text and not text.startswith("Command failed")]
    return StepFailed(command, " ".join(said) or "no output")


def _ending(code, limit, output):
    """Return what a person needs of a failed child: how it ended, and its last lines."""
    last = " | ".join([text.strip() for text in output.strip().split("\n")[-5:]])[-1000:]
    how = "no end after %d s, killed" % limit if code is None else "exit status %d" % code if code >= 0 else "signal %d" % -code
    return "%s, %s" % (how, "it said: " + last if last else "it said nothing")
