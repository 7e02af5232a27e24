"""Footprints for the benchmark: what a process takes of memory, also import by import, and of the processor."""
import contextlib
import os
import statistics
import subprocess
import sys
import time

from node import ROOT, datapath, memory

RIVALS = ROOT + "/build/bench-rivals"  # libraries that the agent does without
IDLE = 30  # seconds after a start or a change until an agent has compared all rules and asked all functions
RSS = "\nimport os\nwith open('/proc/self/statm') as file:\n    print(int(file.read().split()[1]) * os.sysconf('SC_PAGE_SIZE'))"
IMPORTS = [  # (name, what is imported, each after those before)
    ("bare python", ""),
    ("json", "import json"),
    ("subprocess, select, socket, signal", "import select, signal, socket, subprocess"),
    ("h11", "import h11"),
    ("bottle", "import bottle"),
    ("composer, all of it", "from composer import __main__, restore, rest, drivers, http, loop, orchestrator, "
     "repository, store, system\ndrivers.Drivers('ovs')"),
]
LIBRARIES = [("paho-mqtt", "import paho.mqtt.client"), ("pyroute2", "import pyroute2")]


class Memory:
    """Adds the memory of the agent, and of the daemons beside it, to a sheet."""

    def __init__(self, sheet, agent, daemons):
        self.sheet, self.agent, self.daemons = sheet, agent, daemons

    def __call__(self, when, goals=(), rival=None):
        """Return the agent's RSS in MB."""
        found = memory(self.agent)
        self.sheet.add("memory %s: RSS of the agent" % when, found["rss"], "MB", goals=goals, rival=rival)
        self.sheet.add("memory %s: PSS of the agent" % when, found["pss"], "MB")
        beside = dict([(name, memory(self.daemons[name])["rss"]) for name in sorted(self.daemons)])
        for name in beside:
            self.sheet.add("memory %s: RSS of %s" % (when, name), beside[name], "MB")
        self.sheet.add("memory %s: RSS of all three" % when, found["rss"] + sum(beside.values()), "MB",
                       rival="31 MB (paper, without graphs)")
        return found["rss"]


def imports(sheet):
    """Add what each import of the agent costs, and what libraries would that it does without."""
    lines, before = [], 0.0
    for name, line in IMPORTS:
        lines.append(line)
        resident = _resident(lines)
        sheet.add("import: %s%s" % ("+ " if before else "", name), resident - before, "MB")
        before = resident
    whole = _resident(lines[-1:])
    sheet.add("import: the agent alone", whole, "MB")
    for name, line in LIBRARIES if _fetch_rivals() else ():
        sheet.add("import: %s, which the agent does without" % name, _resident([lines[-1], line]) - whole, "MB")


@contextlib.contextmanager
def idle(sheet, pid, seconds):
    """Measure what an idle agent takes of a processor meanwhile, for so many seconds at least, once it has looked at all."""
    time.sleep(IDLE)
    begin, spent = time.monotonic(), _spent(pid)
    yield
    time.sleep(max(0, begin + seconds - time.monotonic()))
    percent = 100 * (_spent(pid) - spent) / (time.monotonic() - begin)
    sheet.add("agent: CPU when idle, with 20 graphs, its children counted", percent, "%", goals=[("0.3 %", 0.3)])


def namespaces():
    """Return how many network namespaces the kernel has, about, those included that it has not put away yet."""
    with open("/proc/slabinfo") as file:
        return next((int(line.split()[1]) for line in file if line.startswith("net_namespace ")), 0)


def machine():
    """Return what this was measured on, in a line."""
    with open("/proc/cpuinfo") as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), os.uname().machine)
    version = subprocess.run(["ovs-vsctl", "--version"], capture_output=True, text=True).stdout.split("\n")[0]
    return "%d x %s, load %.1f; Linux %s; %s, %s datapath; Python %s" % (
        os.cpu_count(), model, os.getloadavg()[0], os.uname().release, version, datapath(), sys.version.split()[0])


def _resident(lines):
    """Return the MB of a Python that has run some lines: the median of three, after one that warms up."""
    env = dict(os.environ, PYTHONPYCACHEPREFIX=ROOT + "/build/pycache")
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    code = "import sys\nsys.path.append(%r)\n%s" % (RIVALS, "\n".join(lines)) + RSS
    taken = [int(subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True).stdout.split()[-1])
             for _ in range(4)]
    return statistics.median(taken[1:]) / (1 << 20)


def _fetch_rivals():
    """Have the rivals' libraries; return whether they are there."""
    if not os.path.isdir(RIVALS):
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", RIVALS]
        subprocess.run(pip + [name for name, _ in LIBRARIES], capture_output=True, check=False)
    if not os.path.isdir(RIVALS):
        print("bench: pip cannot fetch %s: left out" % " and ".join([name for name, _ in LIBRARIES]), file=sys.stderr)
    return os.path.isdir(RIVALS)


def _spent(pid):
    """Return the seconds that a process was on a processor, and the children that it has waited for."""
    with open("/proc/%d/schedstat" % pid) as file:
        own = int(file.read().split()[0]) / 1e9
    with open("/proc/%d/stat" % pid) as file:
        return own + sum(map(int, file.read().rpartition(")")[2].split()[13:15])) / os.sysconf("SC_CLK_TCK")
