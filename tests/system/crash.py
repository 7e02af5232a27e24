"""Crashes: an agent that dies at a certain thing that it does, or at a moment, and what is there afterwards.

    crash.at(12, "amid")     the agent dies at the 12th thing that it does from now on
    crash.last()             (number, name) of what it did last
"""
import os
import random
import time

from node import ROOT

FULL = os.environ.get("COMPOSER_FAULTS") == "full"  # make test-faults; else a sample
SEED = int(os.environ.get("COMPOSER_SEED", "20261125"))


def sample(every, few):
    """Return all of a list, or, unless FULL, that many of them, drawn anew for each seed."""
    return every if FULL or len(every) <= few else sorted(random.Random(SEED).sample(every, few))


class Crash:
    """Makes the agent of a place mortal: it has to be started (again) after this."""

    def __init__(self, place):
        self.place, self.path = place, place.node.dir + "/kill"
        self.at(0)
        place.node.host.env.update(PYTHONPATH=ROOT + "/tests/system/killer", COMPOSER_KILL=self.path)
        place.agent.stop()
        place.agent.start()

    def at(self, number, how="before"):
        """Let the agent die at that thing, counted from now; 0 is none."""
        with open(self.path, "w") as file:
            file.write(("%d %s\n" % (number, how)).ljust(64) + " " * 512)

    def last(self):
        with open(self.path) as file:
            words = file.read()[64:].split(None, 1)
        return (int(words[0]), words[1].strip()) if words else (0, "nothing")

    def is_over(self, seconds=40):
        """Wait until the agent has died, or what it was told is done."""
        end = time.monotonic() + seconds
        while self.place.agent.process.poll() is None:
            if time.monotonic() > end:
                return False
            time.sleep(0.002)
        return True

    def start(self):
        """Start the agent again, as a service manager would, and wait until all is well."""
        self.at(0)
        self.place.agent.process.wait(10)
        self.place.agent.start()
        self.settles()

    def settles(self, seconds=20):
        end = time.monotonic() + seconds
        while [one for one in self.place.ask("GET", "/graphs")["graphs"] if one["state"] != "deployed"] \
                or self.place.agent.request("GET", "/health")[0] != 200:
            assert time.monotonic() < end, self.place.ask("GET", "/graphs")
            time.sleep(0.01)


def meaning(place):
    """Return a world without what may differ between two ways to the same graph: its numbers."""
    world = place.world()
    return [line.split(",")[0] for line in world if line.startswith(("bridge ", "namespace ", "process ", "group "))] \
        + [len([line for line in world if line.startswith(kind)])
           for kind in ("flow ", "port ", "folder ", "link ", "stored ", "mount ")]
