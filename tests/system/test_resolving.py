"""Asking for a function, not an image: what the node makes of it, by what it has; and functions that are graphs."""
import json
import os
import shutil

import pytest

from ctl import ctl
from graphs import both, graph, sap, sf
from place import LAN, WAN, Place, until
from probes import Probe

@pytest.fixture(scope="module")
def shared():
    with Place(resources={"memory": 64, "cpu": 2}) as place:
        yield place


def template(place, name, body=None, capability=None, **more):
    """Put a template into the repository of a place: a puppet, or a graph."""
    said = {"name": name, "functional-capability": capability or name, "vnf-type": "graph" if body else "native",
            "uri-image": name + ".graph" if body else "puppet.tgz"}
    if not body:
        said["ports"] = [{"position": "1-N", "min": 1}]
    folder = place.node.dir + "/repository/"
    if body:
        with open(folder + said["uri-image"], "w") as file:
            json.dump(body, file)
    with open(folder + name + ".json", "w") as file:
        json.dump(dict(said, **{key.replace("_", "-"): value for key, value in more.items()}), file)


@pytest.fixture
def templates(place):
    """Make templates that are gone when the test has ended."""
    folder = place.node.dir + "/repository/"
    before = set(os.listdir(folder))
    yield lambda name, body=None, **more: template(place, name, body, **more)
    place.clear()
    for name in set(os.listdir(folder)) - before:
        os.unlink(folder + name)


def asked(function="level-1", name="g", sfs=("x",), **variables):
    """A graph of functions in a row, lan and wan at its ends; each has two ports, a and b."""
    ends = ["lan"] + [one + end for one in sfs for end in (":a", ":b")] + ["wan"]
    rules = [both(str(index), ends[index], ends[index + 1]) for index in range(0, len(ends), 2)]
    return graph(name, [LAN, WAN], [sf(one, function, "a", "b", **variables) for one in sfs], *sum(rules, []))


def inner(function, *names):
    """The same as a template: its SAPs are its ports."""
    body = asked(function, sfs=names)
    del body["sffg"]["id"]
    return dict(body, sffg=dict(body["sffg"], saps=[sap("lan", "any0"), sap("wan", "any1")]))


def lost(place, count=3):
    """Return how many of some packets from lan to wan got no answer."""
    said = place.lan.run("ping", "-c", str(count), "-i", "0.02", "-W", "1", "10.0.0.2", check=False).stdout
    return count - int(said.partition(" received")[0].rpartition(" ")[2])


def functions(place, name="g"):
    return {one["id"]: one for one in place.status(name)["functions"]}


def test_a_function_of_depth_five_forwards_packets_and_is_one_function_to_its_user(place, templates):
    for level in range(1, 6):
        templates("level-%d" % level, inner("level-%d" % (level + 1) if level < 5 else "puppet", *"xy" if level == 3 else "x"))
    place.put(asked())
    told = [one for one in place.ask("GET", "/functions")["functions"] if one["template"] == "level-1"]
    assert [(one["ports"], one["available"]) for one in told] == [({"min": 2, "max": 2}, True)]
    leaves = ["x/x/x/x/x/x", "x/x/x/y/x/x"]
    found = functions(place)
    assert [one for one in found if found[one]["type"] == "native"] == leaves
    assert found["x"]["functions"] == leaves and found["x/x/x/y"]["implementation"] == "level-4"
    assert set(one["state"] for one in found.values()) == {"running"}
    assert lost(place) == 0
    assert [one.split(":")[2] for one in place.node.run("ls", "/run/netns").stdout.split()] == [one.replace("/", "+") for one in leaves]
    way = place.ask("GET", "/graphs/g/trace?port_in=sap:lan")
    assert [hop["rule"] for hop in way["hops"]][-1] == "x/x/x/x/x/0a"
    assert place.ask("GET", "/graphs/g/trace?port_in=sf:x:b")["hops"][0]["rule"] == "2a"
    place.ask("POST", "/graphs/g/functions/x/x/stop")
    assert functions(place)["x"]["state"] == "stopped" and lost(place, 1) == 1
    assert place.ask("POST", "/graphs/g/functions/x/x/pause", status=409)["message"] == "function x/x/x/x/x/x is stopped: start it first"
    place.ask("POST", "/graphs/g/functions/x/start")
    assert lost(place) == 0 and place.calls(leaves[1]) == ["start", "stop", "start"]
    before = len(place.steps())
    place.put(asked())
    assert len(place.steps()) == before, "a second PUT does nothing"


def test_an_update_follows_the_tree_and_loses_no_packet(place, templates):
    templates("level-1", inner("puppet", "x"))
    place.put(asked())
    with Probe(place) as probe:
        templates("level-1", inner("puppet", "x", "y"))
        place.put(asked())
    assert sorted(functions(place)) == ["x", "x/x", "x/y"] and place.calls("x/x") == ["start"] and probe.lost == 0
    templates("level-1", inner("puppet", "y"))
    place.put(asked())
    assert sorted(functions(place)) == ["x", "x/y"] and lost(place) == 0


def test_a_function_becomes_a_graph_and_one_again_and_is_called_otherwise_and_no_packet_is_lost(place, templates):
    templates("level-1")
    place.put(asked())
    with Probe(place) as probe:
        templates("level-1", inner("puppet", "x", "y"))
        place.put(asked())
        assert sorted(functions(place)) == ["x", "x/x", "x/y"]
        templates("level-1")
        place.put(asked())
        place.put(asked(sfs="z"))
    assert sorted(functions(place)) == ["z"] and probe.lost == 0


def test_the_agent_knows_the_tree_again_when_it_is_started_again_and_its_templates_are_gone(place, templates):
    templates("level-1", inner("puppet", "x"))
    place.put(asked())
    os.unlink(place.node.dir + "/repository/level-1.graph")
    before, choice = place.world(), functions(place)["x"]["choice"]
    with Probe(place) as probe:
        place.agent.kill()
        place.agent.start()
        assert until(lambda: functions(place)["x/x"]["state"] == "running")
    assert not place.changes(before) and probe.lost == 0 and functions(place)["x"]["choice"] == choice
    place.node.ovs("vsctl", "del-br", "lsi1")
    assert until(lambda: lost(place) == 0) and functions(place)["x/x"]["state"] == "running"


def test_a_cycle_is_refused_with_its_chain_of_names_and_nothing_is_done(place, templates):
    templates("level-1", inner("level-2", "x"))
    templates("level-2", inner("level-1", "x"))
    before = place.world()
    answer = place.put(asked(), 409)
    assert "is made of itself: level-1 -> level-2 -> level-1" in answer["message"] and not place.changes(before)


def test_a_program_that_goes_changes_the_choice_or_gives_the_409_that_says_so(place, templates):
    program = place.node.dir + "/programs/composer-probe"
    os.mkdir(os.path.dirname(program))
    with open(program, "w") as file:
        file.write("#!/bin/sh\n")
    os.chmod(program, 0o755)
    place.node.run("mount", "--bind", os.path.dirname(program), "/usr/local/sbin")  # in its PATH; seen by this node alone
    try:
        templates("better", capability="f", dependencies=["composer-probe"], memory_size=1)
        templates("worse", capability="f", memory_size=9)
        place.put(asked("f"))
        assert functions(place)["x"]["implementation"] == "better"
        assert functions(place)["x"]["choice"][0] == {"template": "better", "taken": True, "why": "1 MiB of memory, not 9"}
        os.chmod(program, 0o644)
        place.put(asked("f"))
        assert functions(place)["x"]["implementation"] == "worse" and lost(place) == 0
        assert {"template": "better", "taken": False, "why": "composer-probe is missing on this node"} in functions(place)["x"]["choice"]
        os.unlink(place.node.dir + "/repository/worse.json")
        answer = place.put(asked("f", VARIABLE="1"), 409)
        assert answer["templates"] == [{"template": "better", "taken": False, "why": "composer-probe is missing on this node"}]
        assert lost(place) == 0, "what runs runs on"
    finally:
        place.clear()
        place.node.run("umount", "/usr/local/sbin")


def resources(place):
    """Return what the domain description says of the room for functions."""
    found = place.ask("GET", "/node")["composer-domain:domain"]["resources"]
    memory, cpu = found["memory"]["state"], found["cpu"]["state"]
    return {"memory": {"total": int(memory["reservable"]), "reserved": int(memory["reserved"])},
            "cpu": {"total": float(cpu["total"]), "reserved": float(cpu["reserved"])}}


def test_what_does_not_fit_is_refused_before_anything_is_done_and_fits_when_room_is_free(place, templates):
    templates("big", memory_size=40)
    templates("busy", memory_size=1, CPUrequirements={"socket": [{"coreNumbers": 2}]})
    place.put(asked("big"))
    assert resources(place) == {"memory": {"total": 64, "reserved": 40}, "cpu": {"total": 2, "reserved": 0}}
    before = place.world()
    second = graph("second", [], [sf("x", "big", "a"), sf("y", "busy", "a")])
    answer = place.put(second, 409)
    assert answer["where"] == "SFs[0]" and "template big: needs 40 MiB of memory, of 64 24 are left" in answer["message"]
    assert not place.changes(before)
    place.put(graph("third", [], [sf("y", "busy", "a")]))
    place.delete("g")
    assert "template busy: needs 2 cores, of 2 0 are left" in place.put(second, 409)["message"]
    place.delete("third")
    place.put(second)
    assert resources(place)["cpu"]["reserved"] == 2
    place.put(second), place.put(dict(second, sffg=dict(second["sffg"], SFs=second["sffg"]["SFs"][:1])))
    assert resources(place)["memory"]["reserved"] == 40


def test_after_an_upgrade_and_a_reboot_what_took_most_of_the_room_has_it_again(place, templates):
    folder = place.node.dir + "/repository/"
    shutil.copy(folder + "puppet.tgz", folder + "mine.tgz")
    templates("mine", memory_size=40, uri_image="mine.tgz")
    place.put(asked("mine"))
    place.agent.stop()
    place.node.run("dash", "-c", "ovs-vsctl del-br lsi1; ip -all netns del; rm -rf %s/runtime" % place.node.dir)
    shutil.copy(folder + "patient.tgz", folder + "mine.tgz")
    place.agent.start()
    assert until(lambda: place.status("g")["state"] == "deployed") and lost(place) == 0
    assert resources(place)["memory"]["reserved"] == 40


def test_each_state_of_a_function_is_an_event(place, templates):
    templates("mine", memory_size=1)
    last = place.ask("GET", "/events")["last"]
    place.put(asked("mine"))
    for verb in ("pause", "resume", "stop", "start", "restart"):
        place.ask("POST", "/graphs/g/functions/x/" + verb)
    place.put(asked("mine", VARIABLE="1"))
    place.delete("g")
    events = [one["event"] for one in place.ask("GET", "/events?since=%d" % last)["events"] if one.get("function") == "x"]
    assert events == ["function " + state for state in (
        "created", "running", "paused", "running", "stopped", "running", "running", "updated", "stopped", "destroyed")]


def test_of_two_firewalls_a_graph_gets_the_one_that_has_its_ports(place):
    for ports, taken in ((("a", "b"), "firewall"), (("a", "b", "c"), "firewall-dmz")):
        place.put(graph("g", [LAN, WAN], [sf("x", "firewall", *ports)], *both("1", "lan", "x:a"), *both("2", "x:b", "wan")))
        assert functions(place)["x"]["implementation"] == taken and lost(place) == 0
    answer = place.put(graph("g", [], [sf("x", "firewall", *"abcd")]), 409)
    assert answer["templates"] == [{"template": "firewall-dmz", "taken": False, "why": "has 3 ports, wanted are 4"},
                                   {"template": "firewall", "taken": False, "why": "has 2 ports, wanted are 4"}]


def test_composerctl_stops_and_starts_what_is_in_a_function_that_is_a_graph(place, templates):
    templates("level-1", inner("puppet", "y", "z"))
    place.put(asked())
    for verb, id, said in (("stop", "x/y", "x/y of g stopped\n"), ("start", "x/y", "x/y of g started\n"), ("stop", "x//y", "")):
        assert ctl("unix:%s/agent.sock" % place.node.dir, verb, "g", id).stdout == said
    assert place.calls("x/y") == ["start", "stop", "start"] and place.calls("x/z") == ["start"]
    row = ctl("unix:%s/agent.sock" % place.node.dir, "status", "g").stdout.splitlines()[2].split()
    assert row[:5] == ["x", "level-1", "level-1", "graph", "running"] and row[5:] in (["-"], [])  # no cores of its own


def test_composerctl_explains_why_this_one_and_why_none(place, templates):
    templates("small", capability="f", memory_size=1)
    templates("large", capability="f", memory_size=2)
    templates("other", capability="f", vnf_type="docker")
    place.put(asked("f"))
    said = ctl("unix:%s/agent.sock" % place.node.dir, "explain", "g").stdout
    assert said == ("x: f is small: 1 MiB of memory, not 2\n    not large  small is better: 1 MiB of memory, not 2\n"
                    "    not other  needs docker, this node offers native, openflow-switch\n"), said
    place.delete("g")
    for name in ("small", "large"):
        os.unlink("%s/repository/%s.json" % (place.node.dir, name))
    place.put(asked("f"), 409)
    assert ctl("unix:%s/agent.sock" % place.node.dir, "explain", "g").stdout.endswith("    not other  needs docker, this node offers native, openflow-switch\n")
