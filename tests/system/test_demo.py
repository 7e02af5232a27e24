"""The demo: it holds, and ends at once when it is interrupted, leaving nothing."""
import contextlib
import glob
import os
import signal
import subprocess
import sys
import time

import pytest

from node import ROOT

LIMIT = 60  # seconds for a run
LEFT_LIMIT = 5  # seconds, for the kernel to take away what nobody uses
MARK = "COMPOSER_DEMO"  # in the environment of what a demo starts


@pytest.fixture
def demo():
    """The demo, as the leader of a group, which a terminal would interrupt."""
    env = dict(os.environ, **{MARK: str(time.monotonic_ns())})
    command = ["env", "--default-signal=INT", sys.executable, ROOT + "/tests/demo.py"]  # a job in the background has none
    process = subprocess.Popen(command, env=env, text=True, process_group=0, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    process.mark = ("%s=%s" % (MARK, env[MARK])).encode()
    yield process
    process.kill()
    process.communicate()


def running(mark):
    """Return the pids of all that has the mark; with the keeper of a box goes what has it not."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open("/proc/%s/environ" % pid, "rb") as file:
            if mark in file.read().split(b"\0"):
                found.append(int(pid))
    return found


def left(process):
    """Return what is left of a demo, when the kernel had time to take it away."""
    end = time.monotonic() + LEFT_LIMIT
    while True:
        found = running(process.mark) + glob.glob("/tmp/composer-%d-*" % process.pid)
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.05)


def test_the_demo_holds(demo):
    said, _ = demo.communicate(timeout=LIMIT)
    assert demo.returncode == 0 and "All of it held" in said and "FAIL" not in said, said
    assert not left(demo)


@pytest.mark.parametrize("heading", ["2. ", "4. "])
def test_an_interrupted_demo_ends_and_leaves_nothing(demo, heading):
    said = ""
    while "\n" + heading not in said:
        line = demo.stdout.readline()
        assert line, "it ended before it came to %s\n%s" % (heading, said)
        said += line
    assert len(running(demo.mark)) > 3 and len(glob.glob("/tmp/composer-%d-*" % demo.pid)) == 3, "a node and two hosts"
    os.killpg(demo.pid, signal.SIGINT)
    more, _ = demo.communicate(timeout=LIMIT)
    assert demo.returncode == 130 and "Traceback" not in more, said + more
    assert "All of it held" not in more
    assert not left(demo)
