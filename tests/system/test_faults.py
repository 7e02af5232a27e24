"""Faults: a step that fails is answered with its command and output, and nothing is left half-made."""
import concurrent.futures
import contextlib
import copy
import os
import signal
import time

import pytest

from function import pings
from graphs import both, graph, rule, sf, vlan_sap, wire
from probes import Probe
from place import Place, chain


@pytest.fixture(scope="module", autouse=True)
def hangs():
    """What hangs, hangs for tens of seconds, on nodes of its own beside the other tests."""
    with concurrent.futures.ThreadPoolExecutor() as threads:
        yield {story: threads.submit(story) for story in (scripts_hang, database_hangs, switch_hangs)}


@pytest.fixture
def own():
    """A node for one test, which takes its switch away."""
    with Place() as place:
        yield place


def refused(place, body, *said):
    """PUT a graph that must fail with 500, a command and an output that say all that is `said`; nothing may change."""
    before = place.world()
    answer = place.put(body, 500)
    assert answer["error"] == "StepFailed"
    for word in said:
        assert word in answer["command"] + "\n" + answer["output"], answer
    assert not place.changes(before)
    return answer


# The switch refuses a flow.


@contextlib.contextmanager
def room(node, lsi, table, flows):
    """While the body runs, a table of an LSI has room for so many flows, and refuses more."""
    node.ovs("vsctl", "--", "--id=@limit", "create", "Flow_Table", "overflow_policy=refuse", "flow_limit=%d" % flows,
             "--", "set", "bridge", lsi, "flow_tables:%d=@limit" % table)
    yield
    node.ovs("vsctl", "clear", "bridge", lsi, "flow_tables")


@pytest.mark.parametrize("table", [0, 1])
def test_a_deploy_whose_flow_is_refused_leaves_nothing(place, table):
    """Table 0 of LSI-0 has the node's rule, and takes the two onward ones last; table 1 the graph's own."""
    with room(place.node, "lsi0", table, 1):
        refused(place, chain("w"), "ovs-ofctl", "add-flows lsi0", "OFPFMFC_TABLE_FULL")
    place.put(chain("w"))
    assert pings(place.lan, "10.0.0.2")


@pytest.mark.parametrize("lsi, table", [("lsi0", 0), ("lsi1", 0), ("lsi0", 1)])
def test_an_update_whose_flow_is_refused_changes_nothing_and_loses_no_packet(place, lsi, table):
    """Function x comes with a branch of its own, which has a rule more on every table; no table has room for it."""
    old = chain("w")
    place.put(old)
    new = copy.deepcopy(old)
    new["sffg"]["SFs"].append(sf("x", "puppet", "a", "b"))
    new["sffg"]["saps"].append(vlan_sap("v9", "wan0", 9))
    new["sffg"]["flowrules"] += [rule("to", "lan", "v9", "x:a", priority=9, ether_type=0x9000),
                                 rule("on", "x:b", "wan")]
    held = len([line for line in place.flows(lsi) if ("table=1," in line) == (table == 1)])
    with room(place.node, lsi, table, held), Probe(place) as probe:
        refused(place, new, "ovs-ofctl", "add-flows " + lsi, "OFPFMFC_TABLE_FULL")
    assert probe.lost == 0
    assert place.calls("w") == ["start"]
    assert place.ask("GET", "/graphs/g") == old
    status = place.status("g")
    assert status["state"] == "deployed" and "TABLE_FULL" in status["error"]["output"]


# A script fails.


def test_a_start_that_fails_is_named_with_what_it_said_and_all_is_undone(place):
    answer = refused(place, chain("w", "sick", START="echo one; echo no moon >&2; exit 7"),
                     "/start lsi1 sick 2 eth0 eth1", "exit status 7", "no moon")
    assert place.status("g")["error"] == answer
    place.ask("GET", "/graphs/g", status=404)


def test_a_start_that_fails_in_an_update_leaves_the_old_graph_at_work(place):
    place.put(chain("w"))
    with Probe(place) as probe:
        refused(place, chain("w", "sick", START="exit 1"), "/start")
    assert probe.lost == 0
    assert place.calls("w") == ["start"]


def test_an_update_that_fails_is_undone_by_the_update_to_what_was(place):
    place.put(chain("w", SAY="old"))
    refused(place, chain("w", SAY="new", UPDATE='echo "w said $SAY" >>/tmp/calls; [ "$SAY" = old ]'), "/update")
    assert place.calls("w") == ["start", "update", "said new", "update"]
    assert pings(place.lan, "10.0.0.2")


def test_a_daemon_of_a_start_that_failed_is_gone(place):
    refused(place, chain("w", START="sleep 1000 & trap '' TERM; setsid sleep 1000 & exit 1"), "/start")
    assert place.node.pids("sleep") == []


def test_a_delete_whose_stop_fails_removes_all_and_names_it(place):
    before = place.world()
    place.put(chain("w", "sick", STOP="echo not today; exit 3"))
    answer = place.delete("g", 200)
    assert answer["outcome"] == "deleted"
    left, = answer["failures"]
    assert "/stop lsi1 sick" in left["command"] and "exit status 3, it said: not today" in left["output"]
    assert not place.changes(before)
    place.ask("GET", "/graphs/g/status", status=404)


# The switch is away.


def test_without_a_switch_nothing_is_tried_and_afterwards_all_is_there_again(own):
    own.put(chain("w"))
    own.node.stop_vswitchd()
    before = own.world()
    for method, body in (("PUT", chain("w", "x")), ("DELETE", None)):
        answer = own.ask(method, "/graphs/g", body, 503)
        assert "ovs-vswitchd is not running" in answer["message"]
    assert not own.changes(before)
    own.node.start_vswitchd()
    own.put(wire("other", vlan_sap("a", "lan0", 7), vlan_sap("b", "wan0", 7)))
    assert pings(own.lan, "10.0.0.2"), "the first change sets all rules again"
    own.put(chain("w", "x"))
    assert pings(own.lan, "10.0.0.2")
    assert own.calls("w") == ["start"]


def test_a_switch_that_dies_during_a_deploy(own):
    before = own.world()
    answer, thread = own.later("PUT", "/graphs/g", chain("w", START="sleep 0.3"))
    while not own.node.pids("sleep"):
        pass
    own.node.stop_vswitchd()
    thread.join()
    assert answer[0] == 500 and "ovs-ofctl" in answer[1]["command"], answer
    own.node.start_vswitchd()
    assert not [line for line in own.changes(before) if line.startswith("+")]
    own.put(chain("w"))
    assert pings(own.lan, "10.0.0.2")


# What cannot be taken down.


def test_what_cannot_be_removed_is_named_and_is_no_obstacle_to_the_next_put(place):
    place.put(chain("w"))
    space = "/run/netns/composer:g:w"
    place.node.run("mount", "--bind", space, space)  # a file that is mounted on cannot be removed
    answer = place.delete("g", 200)
    assert "netns del composer:g:w" in answer["failures"][0]["command"]
    status = place.status("g")
    assert status["state"] == "deleting" and status["left"] == answer["failures"]
    place.ask("GET", "/graphs/g", status=404)
    assert [line for line in place.world() if "composer:g" in line] \
        == ["mount " + space, "namespace composer:g:w"]
    assert place.put(chain("w"))["outcome"] == "created"
    assert "left" not in place.status("g")
    assert pings(place.lan, "10.0.0.2")


# The disk is full.


@pytest.fixture
def full(place):
    """Make a folder of the node one that is full."""
    made = []

    def make(name, held=4096):
        path = "%s/%s" % (place.node.dir, name)
        place.node.run("mkdir", "-p", path)
        place.node.run("mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", path)
        made.append(path)
        place.node.run("dash", "-c", 'head -c "$2" /dev/zero >"$1/held"', "sh", path, str(held))
    yield make
    for path in made:
        place.node.run("umount", path)


def test_no_room_to_unpack(place, full):
    before = place.world()
    full("runtime/images", held=0)
    answer = place.put(chain("w"), 507)
    assert answer["error"] == "Full" and "No space left" in answer["message"]
    assert not place.changes(before)


def test_no_room_for_the_functions_folder(place, full):
    full("runtime/functions")
    place.node.run("mount", "-o", "remount,ro", place.node.dir + "/runtime/functions")
    refused(place, chain("w"), "mkdir -p", "Read-only file system")


def test_no_room_to_store(place, full):
    full("state/graphs")
    before = place.world()
    answer = place.put(chain("w"), 507)
    assert answer["error"] == "Full" and "No space left" in answer["message"]
    assert not place.changes(before)


def test_no_room_to_store_what_became_of_a_function(place, full):
    place.put(chain("w"))
    full("state/graphs")
    assert "No space left" in place.ask("POST", "/graphs/g/functions/w/stop", status=507)["message"]


# What hangs.


def lone(name, vlan, **variables):
    """A graph of one function on a VLAN of its own."""
    return graph(name, [vlan_sap("a", "lan0", vlan)], [sf("w", "puppet", "1", **variables)], *both("1", "a", "w:1"))


def quickest(place, body):
    """Return the seconds of the quickest of several deploys: what a busy machine adds is not in all of them."""
    found = []
    for _ in range(8):
        begun = time.monotonic()
        place.put(body, 201)
        found.append(time.monotonic() - begun)
        place.delete(body["sffg"]["id"])
    return min(found)


def scripts_hang():
    with Place() as place:
        place.put(lone("updated", 1))
        before = place.world()
        place.put(lone("stopped", 2, STOP="sleep 1000"))
        alone = quickest(place, lone("quick", 4))
        hanging = [place.later("PUT", "/graphs/started", lone("started", 3, START="sleep 1000 & sleep 1000")),
                   place.later("PUT", "/graphs/updated", lone("updated", 1, UPDATE="sleep 1000")),
                   place.later("DELETE", "/graphs/stopped")]
        while len(place.node.pids("sleep")) < 4:
            time.sleep(0.01)
        beside = quickest(place, lone("quick", 4))
        states = [place.status(name)["state"] for name in ("started", "updated", "stopped")]
        for _, thread in hanging:
            thread.join()
        return alone, beside, states, [answer for answer, _ in hanging], place.changes(before)


def test_a_script_that_hangs_ends_at_its_limit_and_holds_up_nobody(hangs):
    alone, beside, states, answers, changes = hangs[scripts_hang].result()
    assert beside - alone < 0.1
    assert states == ["deploying", "updating", "deleting"]
    for (status, answer), script in zip(answers, ("start", "update", "stop")):
        assert status == (200 if script == "stop" else 500)
        failure = answer["failures"][0] if script == "stop" else answer
        assert "/%s lsi" % script in failure["command"] and "no end after 30 s, killed" in failure["output"]
    assert not changes


def database_hangs():
    with Place() as place:
        before = place.world()
        place.put(chain("w"))
        pid, = place.node.pids("ovsdb-server")
        os.kill(pid, signal.SIGSTOP)
        answer, status = place.delete("g", 200), place.status("g")
        place.put(wire("plain", vlan_sap("a", "lan0", 7), vlan_sap("b", "wan0", 7)), 201)
        os.kill(pid, signal.SIGCONT)
        place.delete("plain")
        end = time.monotonic() + 30
        while place.changes(before) and time.monotonic() < end:
            time.sleep(0.2)
        place.ask("GET", "/graphs/g/status", status=404)
        return answer, status, place.changes(before)


def test_what_is_left_of_a_delete_is_tried_again_until_it_is_gone(hangs):
    answer, status, changes = hangs[database_hangs].result()
    assert status["state"] == "deleting" and status["left"] == answer["failures"]
    assert "ovs-vsctl" in answer["failures"][0]["command"]
    assert not changes


def switch_hangs():
    with Place() as place:
        before = place.world()
        pid, = place.node.pids("ovs-vswitchd")
        os.kill(pid, signal.SIGSTOP)
        answer = place.put(chain("w"), 500)
        os.kill(pid, signal.SIGCONT)
        end = time.monotonic() + 5
        while (changes := place.changes(before)) and time.monotonic() < end:
            time.sleep(0.1)
        place.put(chain("w"))
        return answer, changes, pings(place.lan, "10.0.0.2")


def test_a_switch_that_hangs_is_named_and_the_deploy_undone(hangs):
    answer, changes, passes = hangs[switch_hangs].result()
    assert "ovs-vsctl" in answer["command"] and "signal 14" in answer["output"]
    assert not changes
    assert passes
