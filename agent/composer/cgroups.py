"""Control groups: what a function may take, and a list of its processes that no process leaves by itself.

Each function has a group in the folder `composer` at the top of every hierarchy, apart from the agent's own group: a
service manager that ends all in the agent's group ends no function.

    v2  /sys/fs/cgroup/composer/composer:home:fw
    v1  /sys/fs/cgroup/memory/composer/composer:home:fw, and the same for pids, cpu and freezer, as far as they are there

Names of groups begin with MARK, and nothing else is ever touched.  The colon tells them from files of the kernel.
"""
import errno
import os

MARK = "composer:"
SCARCE = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
LIMIT = 10  # seconds, for killed processes to be gone
ROUNDS = 100  # of killing what was forked meanwhile
LEAST, MOST = 0.001, 0.1  # seconds between two tries to remove

CONTROLLERS = ("memory", "pids", "cpu", "freezer")
PROOF = {"cgroup": "tasks", "cgroup2": "cgroup.controllers"}  # a file that a visible mount of this type has

# limit: (its unit, {version: ((file, text, text for no limit, whether it is missed where it is not there), ...)})
KNOBS = {
    "memory": (1 << 20, {"v1": (("memory.limit_in_bytes", "N", "-1", True), ("memory.memsw.limit_in_bytes", "N", "-1", False)),
                         "v2": (("memory.max", "N", "max", True), ("memory.swap.max", "0", "max", False))}),
    "pids": (1, {"v1": (("pids.max", "N", "max", True),), "v2": (("pids.max", "N", "max", True),)}),
    "cpu": (100000, {"v1": (("cpu.cfs_quota_us", "N", "-1", True),),  # of a usual period, in microseconds
                     "v2": (("cpu.max", "N", "max", True),)}),
}
WEIGHT = {"v1": ("cpu.shares", "512"), "v2": ("cpu.weight", "50")}  # half of the usual: the agent and the switch come first
FREEZER = {"v1": ("freezer.state", "THAWED", "FROZEN"), "v2": ("cgroup.freeze", "0", "1")}
# (controller, file, word before the number, numbers in a second) of the time of a processor: v2, and v1 where cpuacct is with cpu
USAGE = (("freezer", "cpu.stat", "usage_usec", 1e6), ("cpu", "cpuacct.usage", "", 1e9))
HITS = {"memory": {"v1": ("memory.oom_control", "oom_kill"), "v2": ("memory.events", "oom_kill")},
        "pids": {"v1": ("pids.events", "max"), "v2": ("pids.events", "max")}}


class Groups:
    """The groups of this node.  version: "v2", "v1", or "" where there are none; then all does nothing.

    problems: lines that say which limits do not hold here, each once.
    """

    def __init__(self, mounts="/proc/self/mounts"):
        self.version, self.places = _find(mounts)  # {controller: folder of all groups}
        self.folders = sorted(set(self.places.values()))
        self.problems = [] if self.version else ["nothing is limited: no control groups that can be written to are mounted"]
        self.prepared = False

    def make(self, name, limits):
        """Have a group with just these limits: {"memory": MiB, "pids": number, "cpu": cores}; None is no limit."""
        for folder, group in zip(self.folders, self._groups(name)):
            if _mkdir(folder) or not self.prepared:
                self._prepare(folder)
            _mkdir(group)
        self.prepared = True
        for key in sorted(KNOBS) if self.version else ():
            self._limit(name, key, limits.get(key))

    def doors(self, name):
        """Return the files into which a process writes 0, into each, to be in the group."""
        return tuple([group + "/cgroup.procs" for group in self._groups(name)])

    def pids(self, name):
        """Return the processes in a group."""
        words = [word for folder in self._tree(name) for word in read(folder + "/cgroup.procs").split()]
        return sorted(set(map(int, words)) - {0})  # 0 is one that this process cannot see, and for kill(2) all here

    def kill(self, name):
        """Kill all in a group, frozen ones and what they fork meanwhile as well.  They are gone soon, not at once."""
        if self.version != "v2" or _write(self._groups(name)[0] + "/cgroup.kill", "1"):
            self.freeze(name, True)
            self._signal(name)
            self.freeze(name, False)  # v1: what is frozen does not die
            self._signal(name)  # what was too late to be seen before
        else:
            self.freeze(name, False)

    def freeze(self, name, frozen):
        """Stop a group, or let it go on; return whether there was a freezer to do it."""
        if "freezer" not in self.places:
            return False
        knob, *texts = FREEZER[self.version]
        return not _write("%s/%s/%s" % (self.places["freezer"], self._safe(name), knob), texts[frozen])

    def remove(self, name):
        """Kill all in a group, and remove it; a generator that yields the seconds until it is to go on.

        Raises OSError, with the folder's name, if it is still there after LIMIT seconds.
        """
        end, pause = os.times().elapsed + LIMIT, LEAST
        for folder in self._tree(name):
            failure = _rmdir(folder)
            while failure:
                if os.times().elapsed > end:
                    raise failure
                self.kill(name)
                yield pause
                pause = min(2 * pause, MOST)
                failure = _rmdir(folder)
        for folder in self.folders:
            _rmdir(folder)  # if it was the last

    def names(self):
        """Return the names of the groups that are there, in whichever hierarchy."""
        found = set()
        for folder in self.folders:
            try:
                found.update([name for name in os.listdir(folder) if name.startswith(MARK)])
            except FileNotFoundError:
                pass  # nothing was made yet
        return sorted(found)

    def hits(self, name):
        """Return how often a limit was met, as far as the kernel tells: {"memory": kills, "pids": forks refused}."""
        found = {}
        for key in HITS:
            if key in self.places:
                knob, word = HITS[key][self.version]
                counts = read("%s/%s/%s" % (self.places[key], self._safe(name), knob)).split()
                if word in counts:
                    found[key] = int(counts[counts.index(word) + 1])
        return found

    def cpu(self, name):
        """Return the seconds of a processor that a group has taken, as far as they can be told; None if they cannot."""
        for key, knob, word, unit in USAGE if self.version else ():
            text = read("%s/%s/%s" % (self.places[key], self._safe(name), knob)) if key in self.places else ""
            words = text.split()
            if words and (not word or word in words):
                return int(words[words.index(word) + 1] if word else words[0]) / unit
        ticks = 0
        for pid in self.pids(name) if self.version else ():  # of its processes, and of their children that have ended
            fields = read("/proc/%d/stat" % pid).rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
        return ticks / os.sysconf("SC_CLK_TCK") if self.version else None

    def memory(self, name):
        """Return the bytes of memory that a group has; None if they cannot be told."""
        for knob in ("memory.current", "memory.usage_in_bytes"):
            text = read("%s/%s/%s" % (self.places["memory"], self._safe(name), knob)) if "memory" in self.places else ""
            if text:
                return int(text)
        sizes = [read("/proc/%d/statm" % pid).split() for pid in (self.pids(name) if self.version else ())]
        return sum([int(words[1]) for words in sizes if words]) * os.sysconf("SC_PAGE_SIZE") if self.version else None

    def _groups(self, name):
        return ["%s/%s" % (folder, self._safe(name)) for folder in self.folders]

    def _safe(self, name):
        if not name.startswith(MARK) or "/" in name:
            raise ValueError("%s is no name of a group of a function: those begin with %s" % (name, MARK))
        return name

    def _tree(self, name):
        """Return the folders of a group and of the groups that its processes made in it, these first."""
        return [folder for group in self._groups(name) for folder, _, _ in os.walk(group, topdown=False, onerror=_raise)]

    def _signal(self, name):
        known, fresh = set(), set(self.pids(name))
        for _ in range(ROUNDS):
            for pid in fresh:
                try:
                    os.kill(pid, 9)
                except ProcessLookupError:
                    pass
            known |= fresh
            fresh = set(self.pids(name)) - known
            if not fresh:
                return

    def _prepare(self, folder):
        """Set up the folder of all groups, as far as this kernel lets us; a limit that needs more will say so."""
        if self.version == "v2":
            for key in sorted(set(self.places) & set(KNOBS)):
                _write(os.path.dirname(folder) + "/cgroup.subtree_control", "+" + key)
                _write(folder + "/cgroup.subtree_control", "+" + key)
        if folder == self.places.get("cpu"):
            knob, text = WEIGHT[self.version]
            _write("%s/%s" % (folder, knob), text)

    def _limit(self, name, key, limit):
        if key not in self.places:
            if limit is not None:
                self._problem(key, "this kernel has no controller for it")
            return
        unit, knobs = KNOBS[key][0], KNOBS[key][1][self.version]
        errors = {}
        for _ in range(2):  # memory cannot be above memory with swap: one of the two has to wait for the other
            for knob in knobs:
                text = knob[2] if limit is None else knob[1].replace("N", str(int(limit * unit)))
                if errors.get(knob, True):
                    errors[knob] = _write("%s/%s/%s" % (self.places[key], name, knob[0]), text)
        for knob in knobs if limit is not None else ():
            if errors[knob] and (knob[3] or not isinstance(errors[knob], FileNotFoundError)):
                self._problem(key, "%s: %s" % (knob[0], errors[knob].strerror))

    def _problem(self, key, why):
        line = "%s is not limited: %s" % (key, why)
        if line not in self.problems:
            self.problems.append(line)


def _find(mounts):
    """Return (version, {controller: folder of all groups}) of what is mounted here, seen and writable."""
    single, unified = {}, []
    for line in read(mounts).split("\n"):
        _, folder, kind, options, *_ = (line + "    ").split(" ")
        if kind not in PROOF or not os.path.exists("%s/%s" % (folder, PROOF[kind])) or not os.access(folder, os.W_OK):
            continue
        if kind == "cgroup":
            for key in set(options.split(",")) & set(CONTROLLERS):
                single.setdefault(key, folder + "/composer")
        else:
            keys = set(read(folder + "/cgroup.controllers").split()) & set(KNOBS)
            unified.append((len(keys), folder + "/composer", keys))
    most, folder, keys = max(unified, default=(0, "", ()), key=lambda one: one[0])
    if folder and (most or not single):
        return "v2", {key: folder for key in list(keys) + ["freezer"]}
    return ("v1" if single else ""), single


def _raise(error):
    if error.errno in SCARCE:
        raise error


def _mkdir(folder):
    """Have a folder; return whether it is new."""
    try:
        os.mkdir(folder)
    except FileExistsError:
        return False
    return True


def _rmdir(folder):
    """Remove a folder; return the exception if it is still there."""
    try:
        os.rmdir(folder)
    except FileNotFoundError:
        pass
    except OSError as error:
        return error


def read(path):
    """Return what a file of the kernel says, "" if it is not there."""
    try:
        with open(path) as file:
            return file.read()
    except OSError as error:
        if error.errno in SCARCE:
            raise  # nothing was said about the file
        return ""


def _write(path, text):
    """Write into a file of the kernel; return the exception if that is not possible."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except OSError as error:
        return error
    try:
        os.write(file, text.encode())
    except OSError as error:
        return error
    finally:
        os.close(file)
