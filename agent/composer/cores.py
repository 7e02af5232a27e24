"""Cores: which of them functions may be on, which share a cache, and who is bound to which.

Functions may be on the cores that the agent itself may be on: whoever starts it decides (CPUAffinity= of systemd, taskset).
A function is bound by the affinity of its processes, as by taskset(1): that needs no program, no controller and no mount,
and works on every kernel.  A cpuset would need the controller, cpuset.mems, and the same of each group above, to gain one
thing: that a function cannot leave it.  But who is root leaves a group, too; this is a place, not a prison.  The threads
of the switch are everywhere.

What a script leaves behind is bound when the script has ended, its threads too, and so all that it will start.  The script
itself runs where there is room: bound, the scripts of a large graph would wait for each other.
"""
import os

from .cgroups import read
from .core import scheduler

CACHES = 8  # of a core, that the kernel tells of; there are four or five
ROUNDS = 10  # of binding what was started meanwhile


def choose(node, old, graph, graph_id, images):
    """Note in the images of a graph's functions (core.placing) which cores those are bound to.  A function that is not made
    anew stays where it is, and so do those of other graphs."""
    needs = dict([(name, scheduler.own(images[name]["needs"])) for name in images])
    kept = dict([(name, sf["cores"]) for name, sf in old["sfs"].items()
                 if name in images and sf["digest"] == images[name]["digest"]])
    # what comes after what is, and that after what is on trial to be gone, of a function that is in more than one
    others = dict([((entry.id, sf["number"]), sf) for entry in node.graphs.values() if entry.id != graph_id
                   for placed in entry.every()[-1:] + entry.both() for sf in placed["sfs"].values()])
    load = scheduler.loads(others.values())
    bound = scheduler.bind(graph, needs, groups(usable()) if graph.sfs else [], load, kept)
    for name in bound:
        images[name]["cores"] = bound[name]


def usable(wanted=""):
    """Return the set of cores that functions may be on: of `wanted`, as "0-1,3", those that are there; all if it names none."""
    there = os.sched_getaffinity(0)
    return there & _numbers(wanted) or there


def groups(cores, folder="/sys/devices/system/cpu"):
    """Return [[core, ...] that share a cache, ...] of a set of cores: of the largest cache that not all of them share.  All are
    in one if there is none such, or the kernel does not say."""
    levels = {}
    for core in sorted(cores):
        for index in range(CACHES):
            level, shared = [read("%s/cpu%d/cache/index%d/%s" % (folder, core, index, what)).strip()
                             for what in ("level", "shared_cpu_list")]
            if not level or not shared:
                break
            group = sorted(cores & _numbers(shared))
            if group not in levels.setdefault(int(level), []):
                levels[int(level)].append(group)
    parted = [level for level in levels if len(levels[level]) > 1 and sum(map(len, levels[level])) == len(cores)]
    return levels[max(parted)] if parted else [sorted(cores)]


def bind(pids, cores):
    """Bind the processes that pids() returns, all their threads, and what they start meanwhile."""
    for _ in range(ROUNDS):
        if not any([_bind(pid, cores) for pid in pids()]):
            return


def _numbers(text):
    found = set()
    for part in text.split(",") if text else ():
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def _bind(pid, cores):
    """Bind the threads of a process; return whether one was elsewhere."""
    try:
        threads = os.listdir("/proc/%d/task" % pid)
    except (FileNotFoundError, ProcessLookupError):
        return False  # it has ended
    moved = False
    for thread in threads:
        try:
            if os.sched_getaffinity(int(thread)) != cores:
                os.sched_setaffinity(int(thread), cores)
                moved = True
        except ProcessLookupError:
            pass  # it alone
    return moved
