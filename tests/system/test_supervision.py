"""Supervision: a function that fails is started again, with growing pauses, and nobody else notices."""
import os
import signal
import time

import pytest

from graphs import both, graph, sf, vlan_sap
from place import LITTLE, Place, chain
from probes import Probe



@pytest.fixture(scope="module")
def shared():
    with Place() as place:
        yield place


def patient(name="sick", **variables):
    """A graph of one function on a VLAN of its own, beside the chain that carries the probe's packets."""
    return graph(name, [vlan_sap("a", "lan0", 99)], [sf("p", "patient", "1", **variables)], *both("1", "a", "p:1"))


def health(place, name="sick"):
    return place.status(name)["functions"][0]


def until(place, good, seconds):
    """Wait until good(health of the patient); return that."""
    end = time.monotonic() + seconds
    while not good(found := health(place)):
        assert time.monotonic() < end, found
        time.sleep(0.02)
    return found


def seen(place, event):
    return [one for one in place.ask("GET", "/events")["events"] if one["event"] == event]


# A daemon: it runs until it is told by a file, or killed.
DAEMON = "setsid sleep 1000 </dev/null >/dev/null 2>&1 & echo $! >/tmp/pid"
SERVES = 'read -r pid </tmp/pid && [ "/proc/$pid/ns/net" -ef /proc/self/ns/net ] || { echo it has died; exit 1; }'


def daemons(place):
    return place.node.pids("sleep")


def test_a_daemon_that_dies_is_started_again_at_once_and_its_neighbour_is_not_touched(place):
    place.put(chain("w"))
    place.put(patient(START=DAEMON, STATUS=SERVES))
    with Probe(place) as probe:
        for count in range(1, 3):
            before, = daemons(place)
            with open("/proc/%d/oom_score_adj" % before) as file:
                assert int(file.read()) > 0, "functions die before the agent"
            os.kill(before, signal.SIGKILL)
            found = until(place, lambda found: found.get("restarts") == count and found["state"] == "running", 5)
            assert len(daemons(place)) == 1 and daemons(place) != [before]
    assert probe.lost == 0
    assert place.calls("w") == ["start"]
    assert "it has died" in seen(place, "function failed")[-1]["why"]
    assert found["state"] == "running" and "error" not in found


def test_a_function_without_a_status_script_has_failed_when_all_its_processes_have_ended(place):
    place.put(graph("sick", [vlan_sap("a", "lan0", 99)], [sf("p", "puppet", "1", START=DAEMON)], *both("1", "a", "p:1")))
    os.kill(daemons(place)[0], signal.SIGTERM)
    until(place, lambda found: found.get("restarts") == 1 and found["state"] == "running", 5)
    assert "its processes have ended" in seen(place, "function failed")[-1]["why"]


def test_a_function_that_says_it_has_failed_is_asked_and_started_again(place):
    """It has no process that could end: it is asked a second after its start, and in turn."""
    place.put(patient(STATUS="[ -e /tmp/well ] || { touch /tmp/well; echo the moon is full; exit 1; }"))
    until(place, lambda found: found.get("restarts") == 1 and found["state"] == "running", 6)
    assert "the moon is full" in seen(place, "function failed")[-1]["why"]


def test_one_that_always_fails_is_started_again_after_growing_pauses_and_never_given_up(place):
    """The first pauses are counted, 1, 2 and 4 s; all of them, with a clock that costs no time, in agent/test_supervisor.py."""
    place.put(patient(START="[ ! -e /tmp/once ] || exit 7; touch /tmp/once; " + DAEMON, STATUS=SERVES))
    begun = time.monotonic()
    os.kill(daemons(place)[0], signal.SIGKILL)
    found = until(place, lambda found: found.get("restarts") == 3 and found["state"] == "failed", 12)
    assert time.monotonic() - begun > 1 + 2 + 4 - 0.5
    assert "exit status 7" in found["error"]["output"] and found["error"]["restart_in"] == 8
    assert [one["restart_in"] for one in seen(place, "function failed")][-4:] == [1, 2, 4, 8]
    assert place.status("sick")["state"] == "deployed"
    place.put(patient(START=DAEMON, STATUS=SERVES))
    until(place, lambda found: found["state"] == "running" and "restarts" not in found, 1)


def test_one_that_was_stopped_or_paused_stays_so(place):
    place.put(patient(START=DAEMON, STATUS=SERVES))
    for verb, state in (("pause", "paused"), ("stop", "stopped")):
        place.ask("POST", "/graphs/sick/functions/p/" + verb)
        time.sleep(2.5)
        assert health(place)["state"] == state and "restarts" not in health(place)
    assert daemons(place) == []
    place.ask("POST", "/graphs/sick/functions/p/start")
    os.kill(daemons(place)[0], signal.SIGKILL)
    until(place, lambda found: found.get("restarts") == 1 and found["state"] == "running", 5)


def test_one_that_is_paused_can_be_started_and_one_whose_restart_fails_is_started_again(place):
    place.put(patient(START=DAEMON, STATUS=SERVES))
    place.ask("POST", "/graphs/sick/functions/p/pause")
    place.ask("POST", "/graphs/sick/functions/p/start")
    assert health(place)["state"] == "running" and daemons(place)
    place.put(patient(START="[ ! -e /tmp/no ] || { rm /tmp/no; exit 1; }; touch /tmp/no; " + DAEMON, STATUS=SERVES, NEW="1"))
    place.ask("POST", "/graphs/sick/functions/p/stop")
    place.node.run("dash", "-c", "for one in %s/runtime/functions/*/tmp; do touch $one/no; done" % place.node.dir)
    place.ask("POST", "/graphs/sick/functions/p/restart", status=500)
    until(place, lambda found: found["state"] == "running" and found.get("restarts") == 1, 8)


def test_what_stop_leaves_is_ended(place):
    place.put(patient(START=DAEMON + "; trap '' TERM; sleep 999 & exec 3>&-", STATUS=SERVES))
    assert len(daemons(place)) == 2
    place.ask("POST", "/graphs/sick/functions/p/stop")
    assert daemons(place) == []


# Functions that misbehave.


def test_pause_stops_all_processes_by_the_freezer_and_resume_lets_them_go_on(place):
    busy = "i=0; while :; do i=$((i+1)); echo $i >/tmp/count; sleep 0.01; done"
    place.put(patient(START="sh -c '%s' </dev/null >/dev/null 2>&1 &" % busy))

    def counts():
        path = place.node.run("dash", "-c", "ls -d %s/runtime/functions/*/tmp/count" % place.node.dir).stdout.split()[-1]
        with open(path) as file:
            return file.read()
    place.ask("POST", "/graphs/sick/functions/p/pause")
    first = counts()
    time.sleep(0.3)
    assert counts() == first
    place.ask("POST", "/graphs/sick/functions/p/resume")
    time.sleep(0.3)
    assert counts() != first
    place.ask("POST", "/graphs/sick/functions/p/pause")
    place.ask("POST", "/graphs/sick/functions/p/stop")
    assert daemons(place) == []


def test_one_that_forks_without_end_is_bounded_reported_and_ended(place):
    place.put(chain("w"))
    with Probe(place) as probe:
        answer = place.ask("PUT", "/graphs/sick", patient(
            START='bomb() { while :; do sleep 1000 & done; }; bomb'), 500)
        assert len(daemons(place)) <= LITTLE["pids"]
    assert probe.lost == 0 and place.calls("w") == ["start"]
    assert "ork" in answer["output"], answer  # cannot fork
    assert daemons(place) == []


def test_a_daemon_that_eats_memory_dies_before_anybody_else_and_is_started_again(place):
    eater = "exec 1>/dev/null 2>&1; python3 -c 'a=[]\nwhile True: a.append(bytearray(1<<20))'"
    place.put(chain("w"))
    place.put(patient(START="setsid sh -c \"%s\" </dev/null & echo $! >/tmp/pid" % eater.replace('"', '\\"'), STATUS=SERVES))
    with Probe(place) as probe:
        found = until(place, lambda found: found.get("restarts", 0) >= 1, 15)
    assert probe.lost == 0
    assert "memory" in seen(place, "function failed")[-1]["limits_hit"], found


def test_one_that_writes_a_gigabyte_is_cut_short(place):
    answer = place.ask("PUT", "/graphs/sick", patient(START="head -c 1000000000 /dev/zero; echo; echo and more"), 500)
    assert "too much" in answer["output"], answer
    assert place.metric("process_resident_memory_bytes") < 40e6


def test_a_daemon_that_talks_for_ever_costs_nobody_anything(place):
    """Nobody listens to it: it is neither ended nor held up, and its words fill nothing."""
    place.put(patient(START="(while :; do echo talk talk talk || :; done) & echo $! >/tmp/pid", STATUS=SERVES))
    time.sleep(3)
    assert "restarts" not in health(place)
    assert place.metric("process_resident_memory_bytes") < 40e6


@pytest.mark.long
def test_a_script_that_ignores_the_end_is_killed_with_all_its_group(place):
    """The limit of a script is 30 s: see test_faults; here its children are counted too."""
    begun = time.monotonic()
    answer = place.ask("PUT", "/graphs/sick", patient(START="trap '' TERM; sleep 1000 & while :; do sleep 1000; done"), 500)
    assert "no end after 30 s, killed" in answer["output"]
    assert time.monotonic() - begun < 36
    assert daemons(place) == []


def test_the_loop_was_never_late(place):
    assert place.metric("composer_loop_latest_seconds") < 0.25
    assert place.metric("composer_loop_longest_seconds") < 0.25
