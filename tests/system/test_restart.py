"""Restarts: the agent ends, in order or not, or is another one: no packet is lost, no function notices."""
import glob
import json
import os
import shutil
import signal
import time

import pytest

from node import ROOT
from place import Place, chain
from probes import Probe

VERSION = "9.9.9"


@pytest.fixture(scope="module")
def shared():
    with Place() as place:
        yield place


def restarted(place, end, between=lambda: None):
    """End the agent and start it again, under the probe; return its steps then."""
    place.put(chain("v", "w"))
    before = place.world()
    with Probe(place) as probe:
        end()
        between()
        seen = len(place.steps())
        place.agent.start()
        time.sleep(0.5)
    assert probe.lost == 0 and probe.sent > 500, (probe.lost, probe.sent)
    assert not place.changes(before)
    assert [place.calls(name) for name in ("v", "w")] == [["start"]] * 2
    assert place.put(chain("v", "w"))["outcome"] == "unchanged"
    return place.steps()[seen:]


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_an_agent_that_is_stopped_or_killed(place, end):
    look, = restarted(place, getattr(place.agent, end))
    assert " list Bridge " in look


def test_a_service_manager_that_ends_all_in_the_agents_own_group_ends_no_function(place):
    """As systemd does without KillMode=process: the functions are in groups apart."""
    place.put(chain("v", "w"))
    place.node.run("ip", "netns", "exec", "composer:g:v", "true")
    groups = [door.rpartition("/")[0] + "/service" for door in place.node.host.doors]
    if not groups:
        pytest.skip("needs control groups (cgroup v1 or v2), which this machine does not have")

    def end():
        for group in groups:
            os.makedirs(group, exist_ok=True)
            with open(group + "/cgroup.procs", "w") as file:
                file.write(str(place.agent.pid))
        with open(groups[0] + "/cgroup.procs") as file:
            pids = [int(word) for word in file.read().split()]
        assert place.agent.pid in pids
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        place.agent.process.wait(5)
    restarted(place, end)
    for group in groups:
        os.rmdir(group)


def test_an_upgrade_in_place(place):
    """Another version, which finds a store of the format before this one: records without sums, functions without limits."""
    folder = place.node.dir + "/next"
    shutil.copytree(ROOT + "/agent/composer", folder + "/composer", ignore=shutil.ignore_patterns("__pycache__"))
    with open(folder + "/composer/__init__.py") as file:
        text = file.read()
    with open(folder + "/composer/__init__.py", "w") as file:
        file.write(text + '\n__version__ = "%s"\n' % VERSION)

    def as_before():
        for path in glob.glob(place.node.dir + "/state/graphs/*.json"):
            with open(path) as file:
                record = json.loads(file.read().split("\n", 1)[1])
            for one in record["placed"]["sfs"].values():
                del one["limits"]
            with open(path, "w") as file:
                json.dump(record, file)
        place.node.host.env["PYTHONPATH"] = folder

    place.put(chain("v", "w"))
    with Probe(place) as probe:
        place.agent.stop()
        as_before()
        place.agent.start()
        time.sleep(0.5)
    assert probe.lost == 0
    assert place.ask("GET", "/health")["version"] == VERSION
    assert place.ask("GET", "/graphs/g") == chain("v", "w")
    assert [place.calls(name) for name in ("v", "w")] == [["start"]] * 2
    del place.node.host.env["PYTHONPATH"]
    place.agent.stop()
    place.agent.start()


def test_a_change_costs_two_flushes_of_flash_and_an_idle_agent_none(place):
    def syncs():
        return place.metric("composer_store_syncs_total")
    place.clear()
    place.put(chain("v"))
    for change, most in ((lambda: place.put(chain("v", "w")), 2), (lambda: place.put(chain("v", "w")), 0),
                         (lambda: time.sleep(5), 0), (lambda: place.delete("g"), 2), (lambda: place.put(chain("v")), 2)):
        before = syncs()
        change()
        assert syncs() - before <= most
