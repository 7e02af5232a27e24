"""The system: performs steps.  The one place that starts processes, and one short function for each verb.

What a plan yields at one time is performed side by side: folders, images and control groups in this process, in
slices; all wishes for ip(8) as one child; programs and scripts as children.  A child has a session of its own, no
stdin but a text, a clean environment and a limit of time; at the limit its process group is told to end, and soon
after killed.  (children.py)
"""
import os
import signal

from . import bundle, children, cores, log, netns, unixctl
from .cgroups import Groups
from .core import steps
from .core.errors import UNBORN, Refused, StepFailed, failed

COMMAND_LIMIT, SCRIPT_LIMIT = 60, 30  # seconds; ovs-vsctl and ovs-ofctl have shorter ones of their own
FETCH_LIMIT, STALL_LIMIT = 300, 15  # seconds of a fetch, and of those in which nothing comes
CALLS = 8  # programs at one time, of all lists: the switch turns away more
SLICE = 0.005  # seconds of work in this process before the loop turns
AT_ONCE = 32  # children of one list of steps
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# $1: the doors of the function's control group  $2...: what runs in it.  Functions die before the agent does.
JOIN = 'for door in $1; do echo 0 >"$door" || exit; done; echo 500 >/proc/self/oom_score_adj; shift; exec "$@"'
# $1: blocks of 512 bytes that a file may have  $2...: the program that makes it
FETCH = 'ulimit -f "$1" && shift && exec "$@"'
# In the function's network namespace and a mount namespace of its own (`ip netns exec` makes both).
# $1: its folder  $2: its image  $3: "up" to bring its ports up, with the addresses that they are to have and without those that
# an earlier start or update gave them, which its folder says  $4: "off" for transmit checksums  $5...: the script
ENTER = """\
home=$1 image=$2 up=$3 checksums=$4; shift 4
lines=
for port in ${up:+lo $SF_PORTS}; do
    lines="$lines
link set $port up"
    test "$checksums" = on -o "$port" = lo || ethtool -K "$port" tx off >/dev/null || exit
done
old= gone=
test -z "$up" || ! test -e "$home/addresses" || read -r old <"$home/addresses"
for one in $old; do
    case " $SF_ADDRESSES " in *" $one "*) ;; *) gone="$gone
address del ${one#*=} dev ${one%%%%=*}" ;; esac
done
test -z "$gone" || ip -force -batch - 2>/dev/null <<END || :
$gone
END
test -z "$up" || test "$old" = "$SF_ADDRESSES" || echo "$SF_ADDRESSES" >"$home/addresses" || exit
for one in ${up:+$SF_ADDRESSES}; do
    lines="$lines
address replace ${one#*=} dev ${one%%%%=*}"
done
test -z "$lines" || ip -batch - <<END || exit
$lines
END
mount -o bind,ro "$image" "$home/run/sf" && %s && cd /run/sf && exec "./$@"
"""
RUN, TMP = 'mount --rbind "$home/run" /run', 'mount --bind "$home/tmp" /tmp'
NESTED = 'mkdir -p "$home/tmp/run" && mount --rbind "$home/run" "$home/tmp/run" && mount --rbind "$home/tmp" /tmp'


class System:
    """Performs steps with the help of the loop.  checksums: "off" where the datapath needs them off (FACTS).

    rundir: where the daemons of the switch have their sockets.
    """

    def __init__(self, loop, rundir=""):
        self.loop, self.rundir, self.groups = loop, rundir or "/var/run/openvswitch", Groups()
        self.environ = dict({"PATH": PATH, "LC_ALL": "C"}, **({"OVS_RUNDIR": rundir} if rundir else {}))
        self.checksums = "on"
        self.slices = []  # generators of work in this process, one after the other
        self.starts = []  # of children, which begin one in a turn
        self.calls, self.waiting = 0, []  # `run` steps under way, and starts of those that are too many now
        self.performed = 0
        self.verbs = {"unpack": _unpack, "mkdir": _mkdir, "remove": bundle.removing, "signal": self._signal, "bind": self._bind,
                      "group": self._group, "ungroup": self.groups.remove, "expose": self._expose}

    def perform(self, wanted, done, quiet=False):
        """Perform a list of steps; call done([output or exception, ...]) in their order.  quiet: nothing is logged."""
        results = [None] * len(wanted)
        if not quiet:
            self.performed += len(wanted)
            for step in wanted:
                log.write("step", steps.line(step))
        if not any([step.verb in self.verbs for step in wanted]):
            self._children(wanted, results, done)
            return
        self._in_turn(self._in_slices(wanted, results), lambda: self._children(wanted, results, done))

    def prune(self, folder, used):
        """Remove what is in a folder but not `used`; done when no other work in this process is."""
        try:
            unused = [entry.path for entry in os.scandir(folder) if entry.path not in used]
        except FileNotFoundError:
            return
        if unused:
            self.perform([steps.remove(path) for path in unused], lambda results: None)

    def _in_turn(self, work, then):
        self.slices.append((work, then))
        if len(self.slices) == 1:
            self._slice()

    def _slice(self):
        """Do the next slice of the work in this process, and come back for more.  A work that yields seconds waits."""
        end = self.loop.clock() + SLICE
        while self.slices:
            work, then = self.slices[0]
            pause = next(work, work)
            if pause is work:
                self.loop.soon(then)
            elif pause:
                self.loop.at(pause, lambda work=work, then=then: self._in_turn(work, then))
            elif self.loop.clock() > end:
                self.loop.soon(self._slice)
                return
            else:
                continue
            self.slices.pop(0)

    def _in_slices(self, wanted, results):
        """Perform the steps of a list that are for this process; a generator that yields between slices."""
        for index, step in enumerate(wanted):
            if step.verb in self.verbs:
                try:
                    results[index] = (yield from self.verbs[step.verb](*step.words)) or ""
                except Refused as refusal:
                    results[index] = refusal
                except Exception as error:  # whatever it is: the work of the others goes on
                    results[index] = failed(steps.line(step), error)
                yield

    def _group(self, namespace, *limits):
        self.groups.make(namespace, dict([(key, float(value)) for key, value in [word.split("=") for word in limits]]))
        yield

    def _expose(self, name, socket):
        """Have a link to a socket in the folder of the switch's daemons, or none."""
        path = "%s/%s" % (self.rundir, name)
        if os.path.islink(path):
            os.unlink(path)
        if socket:
            os.symlink(socket, path)
        yield

    def _signal(self, namespace, name):
        """STOP and CONT are for the freezer, if there is one; KILL is for all that the function has left."""
        there = any([os.path.exists(door) for door in self.groups.doors(namespace)])
        if name == "KILL" and there:
            self.groups.kill(namespace)
        elif name == "KILL" or not self.groups.freeze(namespace, name == "STOP"):
            netns.signal([namespace], getattr(signal, "SIG" + name))
        yield

    def _bind(self, namespace, wanted):
        """Bind whatever runs of a function now, and so what that will start."""
        grouped = any([os.path.exists(door) for door in self.groups.doors(namespace)])
        cores.bind(lambda: self.groups.pids(namespace) if grouped else netns.processes([namespace]), cores.usable(wanted))
        yield

    def _children(self, wanted, results, done):
        """Start the children of a list of steps, AT_ONCE at a time."""
        todo = []
        wishes = [index for index, step in enumerate(wanted) if step.verb == "ip"]
        if wishes:
            todo.append(self._ip([wanted[index] for index in wishes], wishes, results))
        for index, step in enumerate(wanted):
            if step.verb in ("run", "script"):
                todo.append(self._child(step, index, results))
            elif step.verb in ("ask", "fetch"):
                todo.append(getattr(self, "_" + step.verb)(step, index, results))
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
        def finished(error=None):
            for index in places:
                results[index] = ""
            if error:
                results[places[0]] = error

        def start(ended):
            words = [step.words for step in wishes]
            try:
                netns.signal([name for kind, verb, name, *_ in words if (kind, verb) == ("netns", "del")], signal.SIGKILL)
                lines = netns.batch(words)
            except OSError as error:
                finished(failed("ip -batch -", error))
                ended()
                return

            def finish(code, output):
                only_gone = all([verb == "del" for _, verb, *_ in words])  # by itself meanwhile: fine, too
                try:
                    good = code == 0 or only_gone and not netns.batch(words)
                except OSError:
                    good = False
                finished(None if good else _ip_failure(lines, output))
                ended()

            if lines:
                self.start(["ip", "-batch", "-"], "\n".join(lines) + "\n", (), COMMAND_LIMIT, finish)
            else:
                finish(0, "")
        return start

    def _ask(self, step, index, results):
        """Return a function that performs an `ask` step."""
        def start(ended):
            def finish(answer, why):
                results[index] = StepFailed(steps.line(step), why) if why else answer
                ended()

            try:
                with open("%s/%s.pid" % (self.rundir, step.words[0])) as file:
                    path = "%s/%s.%d.ctl" % (self.rundir, step.words[0], int(file.read()))
                unixctl.Ask(self.loop, path, step.words[1], step.words[2:], finish)
            except (OSError, ValueError) as error:
                finish("", "no answer: %s" % error)
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
                words = ("sh", "-c", JOIN, "join",
                         " ".join([door for door in self.groups.doors(space) if os.path.exists(door)]),
                         "ip", "netns", "exec", space, "sh", "-c", ENTER % _mounts(home), "enter", home, image,
                         "up" if name in ("start", "update") else "", self.checksums, name) + words[4:]

            def finish(code, output):
                if step.verb == "run":
                    self.calls -= 1
                    if self.waiting:
                        self._soon(self.waiting.pop(0))
                results[index] = output if code == 0 else StepFailed(steps.line(step), _ending(code, limit, output), code)
                ended()

            self.start(words, step.stdin, step.env, limit, finish, step.verb == "script")
        return start

    def _fetch(self, step, index, results):
        """Return a function that performs a `fetch` step, whose time is over when nothing comes."""
        path, most = step.words[1], int(step.words[2])
        state = {}

        def grows():
            before, state["size"] = state["size"], size(path)
            more = before != state["size"]
            state["why"] = "no end after %d s" % FETCH_LIMIT if more else "nothing came for %d s" % STALL_LIMIT
            return more and self.loop.clock() + STALL_LIMIT <= state["end"]

        def start(ended):
            def finish(code, output):
                why = state["why"] if code is None else _ending(code, FETCH_LIMIT, output)
                results[index] = output if code == 0 else StepFailed(steps.line(step), why, code)
                ended()

            state.update(size=size(path), end=self.loop.clock() + FETCH_LIMIT)
            words = ("sh", "-c", FETCH, "fetch", str(most // 512 + 1)) + step.words[3:]
            children.start(self.loop, words, "", self.environ, STALL_LIMIT, finish, False, grows)
        return start

    def start(self, argv, stdin, env, limit, done, leaves=False):
        children.start(self.loop, argv, stdin, dict(self.environ, **dict(env)), limit, done, leaves)


def _unpack(image, digest, folder):
    """Unpack an image in slices; the output is the names of its scripts."""
    yield from bundle.unpack(image, folder, digest)
    return " ".join([entry.name for entry in sorted(os.scandir(folder), key=lambda entry: entry.name)
                     if entry.is_file() and os.access(entry.path, os.X_OK)])


def size(path):
    """Return the bytes of a file, 0 if it is not there."""
    try:
        return os.path.getsize(path)
    except OSError:
        return 0


def _mkdir(folder):
    os.makedirs(folder, 0o755, exist_ok=True)
    yield


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
    lines = [text.strip() for text in output.strip().split("\n") if "|WARN|" not in text]  # those of the switch have times
    last = " | ".join(lines[-5:])[-1000:]
    how = "no end after %d s, killed" % limit if code is None else "could not be started" if code == UNBORN else "exit status %d" % code if code >= 0 else "signal %d" % -code
    return "%s, %s" % (how, "it said: " + last if last else "it said nothing")


def _mounts(home):
    """Return the commands that make /run and /tmp those of a function, whose folder may lie in either: none hides it from the next."""
    if os.path.realpath("/run").startswith("/tmp/"):
        return NESTED
    return " && ".join((RUN, TMP) if os.path.realpath(home).startswith("/tmp/") else (TMP, RUN))
