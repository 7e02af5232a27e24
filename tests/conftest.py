"""Fixtures: a node, two hosts wired to it, an agent; and a look, at the end, at what was left behind."""
import glob
import os
import time

import pytest

from node import Agent, Host, Node, processes, wire

MARK = "COMPOSER_TESTS"  # in the environment of all that the tests start, with the pid of the worker that runs them
LEFT_LIMIT = 5  # seconds, for the kernel to take away what nobody uses


@pytest.fixture
def node():
    with Node() as node:
        yield node


@pytest.fixture
def lan(node):
    """A host behind the node's lan0."""
    with Host("lan", "10.0.0.1/24") as host:
        wire(host, node, "lan0")
        yield host


@pytest.fixture
def wan(node):
    """A host behind the node's wan0, in one subnet with `lan`."""
    with Host("wan", "10.0.0.2/24") as host:
        wire(host, node, "wan0")
        yield host


@pytest.fixture
def agent(node):
    with Agent(node) as agent:
        yield agent


def pytest_collection_modifyitems(items):
    for item in items:
        if "node" in item.fixturenames or "/system/" in str(item.path):
            item.add_marker("root")


@pytest.fixture(scope="session", autouse=True)
def nothing_left(request):
    """Fail the run if the machine is not as it was.  Each of two workers looks for what is its own, and what is nobody's."""
    os.environ[MARK] = str(os.getpid())
    before = _machine()
    yield
    if request.session.exitstatus == pytest.ExitCode.INTERRUPTED:
        return  # boxes that were being made end with this process
    end = time.monotonic() + LEFT_LIMIT
    while (left := _machine() - before) and time.monotonic() < end:
        time.sleep(0.1)
    assert not left, "left behind by the tests: " + ", ".join(sorted(left))


def _machine():
    """Return what tests could leave behind, a line each: namespaces, links, folders, processes, control groups."""
    namespaces = {"namespace " + path for path in glob.glob("/run/netns/*") + glob.glob("/etc/netns/*")}
    links = {"link " + name for name in os.listdir("/sys/class/net")}
    folders = {"folder " + path for path in glob.glob("/tmp/composer-%d-*" % os.getpid())}
    programs = {"process %d %s" % (pid, name) for pid, name in processes("self") if _ours(pid, name)}
    groups = {"control group " + path for pattern in ("/sys/fs/cgroup/composer*", "/sys/fs/cgroup/*/composer*")
              for path in glob.glob(pattern) if os.path.basename(path).startswith(("composer-%d-" % os.getpid(), "composer:"))}
    return namespaces | links | folders | programs | groups


def _ours(pid, name):
    """A process with our mark is ours; so is a daemon of which nobody knows where it comes from."""
    try:
        with open("/proc/%d/environ" % pid, "rb") as file:
            marks = [word for word in file.read().split(b"\0") if word.startswith(MARK.encode())]
    except OSError:
        return False
    if marks:
        return marks == [b"%s=%d" % (MARK.encode(), os.getpid())] and pid != os.getpid()
    return name.startswith(("ovs", "dnsmasq"))
