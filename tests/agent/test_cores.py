"""Cores: what the kernel says of them, and that processes are bound with all their threads."""
import json
import os
import subprocess

import pytest

import world
from composer import cores
from graphs import graph, sf

THERE = sorted(os.sched_getaffinity(0))
# caches of each core, {level: the cores that share it}; the groups
NODES = [
    (["1:0 2:0 3:0-1", "1:1 2:1 3:0-1"], [[0], [1]]),  # all share the last: the one before it counts
    (["1:0 2:0-1", "1:1 2:0-1"], [[0], [1]]),
    (["1:0,2 2:0,2 3:0-3", "1:1,3 2:1,3 3:0-3"] * 2, [[0, 2], [1, 3]]),  # two threads of a core share all of it
    (["1:0 2:0 3:0-1", "1:1 2:1 3:0-1", "1:2 2:2 3:2-3", "1:3 2:3 3:2-3"], [[0, 1], [2, 3]]),
    (["1:0-1", "1:0-1"], [[0, 1]]), (["", ""], [[0, 1]]), (["1:0", ""], [[0, 1]]),  # nothing to choose by, or not said of all
    (["1:0 2:0-2 3:0-3", "1:1 2:0-2 3:0-3", "1:2 2:0-2 3:0-3", "1:3 2:3 3:0-3"], [[0, 1, 2], [3]])]


@pytest.mark.parametrize("said, found", NODES)
def test_groups_are_of_the_largest_cache_that_not_all_share(tmp_path, said, found):
    for core, caches in enumerate(said):
        for index, cache in enumerate(caches.split()):
            folder = tmp_path / ("cpu%d/cache/index%d" % (core, index))
            folder.mkdir(parents=True)
            for name, text in zip(("level", "shared_cpu_list"), cache.split(":")):
                (folder / name).write_text(text + "\n")
    assert cores.groups(set(range(len(said))), str(tmp_path)) == found


def test_of_those_that_are_wanted_the_ones_that_are_there_can_be_had():
    assert cores.usable() == cores.usable("9999") == cores.usable("") == set(THERE)
    assert cores.usable("%d,9998-9999" % THERE[-1]) == set(THERE[-1:])


def test_threads_and_what_is_started_meanwhile_are_bound_and_what_has_ended_is_no_surprise():
    needs_two()
    program = "import threading, time\nfor _ in range(3): threading.Thread(target=time.sleep, args=[60], daemon=True).start()\n" \
        "print(flush=True)\ntime.sleep(60)"
    started = [subprocess.Popen(["python3", "-c", program], stdout=subprocess.PIPE) for _ in range(2)]
    try:
        for one in started:
            one.stdout.readline()
        asked = []

        def pids():
            asked.append(0)
            return [started[0].pid, 1 << 22] + [started[1].pid] * (len(asked) > 1)  # the second one was forked a moment too late
        cores.bind(pids, {THERE[-1]})
        threads = [int(thread) for one in started for thread in os.listdir("/proc/%d/task" % one.pid)]
        assert len(threads) == 8 and len(asked) == 3
        assert [os.sched_getaffinity(thread) for thread in threads] == [{THERE[-1]}] * 8
    finally:
        for one in started:
            one.kill()
            one.wait()
            one.stdout.close()


def needs_two():
    if len(THERE) < 2:
        pytest.skip("a second core is missing")


def test_a_core_of_ones_own_is_kept_for_what_may_come_back(tmp_path):
    needs_two()
    node = world.Node(tmp_path)
    (tmp_path / "own.json").write_text(json.dumps({
        "name": "own", "vnf-type": "native", "uri-image": "any.tgz", "CPUrequirements": {"socket": [{"coreNumbers": 1}]}}))
    for name in ("a", "b"):
        assert node.ask("PUT", "/graphs/" + name, json.dumps(graph(name, [], [sf("x", "own")])).encode()).status == 201
        assert name == "b" or node.ask("DELETE", "/graphs/a?confirm=60").status == 204
    mine = node.orchestrator.graphs["a"].trial.before["sfs"]["x"]["cores"]
    assert len(mine) == 1 and mine != node.orchestrator.graphs["b"].placed["sfs"]["x"]["cores"]
