"""Commit-confirm: a change that is not confirmed in time is taken back by itself, whatever ends the trial."""
import glob
import json
import time

import pytest

from ctl import ctl
from function import pings
from graphs import wire
from place import LAN, WAN, Place, chain

SECONDS = 1


def put(place, body, seconds=SECONDS, status=(200, 201)):
    return place.ask("PUT", "/graphs/%s?confirm=%d" % (body["sffg"]["id"], seconds), body, status)


def stored(place):
    return [line for line in place.world() if line.startswith("stored ")]


def until_over(place, name="g"):
    """Wait for the end of a trial; return the status of the graph, None if it is gone."""
    end = time.monotonic() + SECONDS + 5
    while time.monotonic() < end:
        code, _, status = place.agent.request("GET", "/graphs/%s/status" % name)
        if code == 404 or "confirm_within" not in status and status["state"] == "deployed":
            return None if code == 404 else status
        time.sleep(0.05)
    raise AssertionError("the trial has no end")


def cut(name="g"):
    """A graph that lets nothing through any more."""
    return {"sffg": {"id": name, "SFs": [], "saps": [LAN, WAN], "flowrules": []}}


def test_a_new_graph_that_is_not_confirmed_is_gone(place):
    before = place.world()
    put(place, chain("v"))
    assert place.status("g")["confirm_within"] <= SECONDS
    assert pings(place.lan, "10.0.0.2") and stored(place) == []
    assert until_over(place) is None
    assert not place.changes(before)


def test_a_change_that_cuts_somebody_off_is_taken_back(place):
    place.put(wire("g", LAN, WAN))
    before = place.world()
    put(place, cut())
    assert not pings(place.lan, "10.0.0.2", within=0.3)
    until_over(place)
    assert pings(place.lan, "10.0.0.2")
    assert not place.changes(before)
    assert place.ask("GET", "/graphs/g") == wire("g", LAN, WAN)


def test_functions_of_before_are_back_too(place):
    place.put(chain("v", "w"))
    before = place.world()
    put(place, chain("x"))
    until_over(place)
    assert pings(place.lan, "10.0.0.2")
    assert not place.changes(before)


def test_a_change_that_is_confirmed_stays_and_is_stored(place):
    put(place, wire("g", LAN, WAN))
    assert place.ask("POST", "/graphs/g/confirm", "") == {"id": "g", "outcome": "confirmed"}
    assert "confirm_within" not in place.status("g") and len(stored(place)) == 1
    time.sleep(SECONDS + 0.3)
    assert pings(place.lan, "10.0.0.2")
    assert "no change of graph g" in place.ask("POST", "/graphs/g/confirm", "", 409)["message"]


def test_a_deletion_that_is_not_confirmed_is_taken_back(place):
    place.put(chain("v"))
    before = place.world()
    place.ask("DELETE", "/graphs/g?confirm=%d" % SECONDS, None, 204)
    assert not pings(place.lan, "10.0.0.2", within=0.3)
    place.ask("GET", "/graphs/g", None, 404)
    assert "waits to be confirmed" in put(place, chain("v"), status=409)["message"]
    until_over(place)
    assert pings(place.lan, "10.0.0.2")
    assert not place.changes(before)


def test_a_deletion_that_is_confirmed_stays(place):
    place.put(wire("g", LAN, WAN))
    place.ask("DELETE", "/graphs/g?confirm=%d" % SECONDS, None, 204)
    place.ask("POST", "/graphs/g/confirm", "")
    time.sleep(SECONDS + 0.3)
    place.ask("GET", "/graphs/g/status", None, 404)


def test_of_several_changes_on_trial_all_are_taken_back(place):
    place.put(wire("g", LAN, WAN))
    before = place.world()
    put(place, cut(), 60)
    put(place, chain("v"))
    until_over(place)
    assert not place.changes(before)


def test_a_change_without_a_trial_is_a_confirmation(place):
    put(place, cut())
    place.put(wire("g", LAN, WAN))
    time.sleep(SECONDS + 0.3)
    assert pings(place.lan, "10.0.0.2") and len(stored(place)) == 1
    put(place, cut())
    assert place.put(cut())["outcome"] == "unchanged"
    time.sleep(SECONDS + 0.3)
    assert place.ask("GET", "/graphs/g") == cut()


def test_what_a_graph_on_trial_had_is_not_for_another(place):
    place.put(wire("g", LAN, WAN))
    put(place, cut())
    assert "graph g" in place.put(wire("h", LAN, WAN), 409)["message"]
    until_over(place)


def test_an_agent_that_is_killed_meanwhile_takes_the_change_back(place):
    place.put(chain("v"))
    before = place.world()
    for change in (lambda: put(place, cut(), 60), lambda: put(place, chain("v", "w"), 60),
                   lambda: place.ask("DELETE", "/graphs/g?confirm=60", None, 204)):
        change()
        place.agent.kill()
        place.agent.start()
        until_over(place)
        assert pings(place.lan, "10.0.0.2")
        assert not place.changes(before)


@pytest.mark.parametrize("seconds", ["-1", "86401", "soon", ""])
def test_what_is_no_number_of_seconds_is_refused(place, seconds):
    answer = place.ask("PUT", "/graphs/g?confirm=" + seconds, wire("g", LAN, WAN), 400)
    assert answer["where"] == "confirm" and "0 to 86400" in answer["message"]


def test_the_configuration_can_put_every_change_on_trial(tmp_path):
    with Place(["lan0", "wan0"], inband={"confirm": SECONDS}) as place:
        file, url = tmp_path / "g.json", "unix:%s/agent.sock" % place.node.dir
        file.write_text(json.dumps(wire("g", LAN, WAN)))
        assert ctl(url, "apply", str(file)).returncode == 0
        assert "composerctl confirm g" in ctl(url, "status", "g").stdout
        until_over(place)
        assert ctl(url, "apply", "--confirm", "60", str(file)).returncode == 0
        assert ctl(url, "confirm", "g").stdout == "g confirmed\n"
        assert ctl(url, "delete", "--confirm", "0", "g").returncode == 0
        assert until_over(place) is None
        assert ctl(url, "confirm", "g").returncode == 1


def test_the_graphs_of_the_configuration_need_nobody_to_confirm_them(tmp_path):
    file = tmp_path / "g.json"
    file.write_text(json.dumps(wire("g", LAN, WAN)))
    with Place(["lan0", "wan0"], inband={"confirm": SECONDS}, graphs=[str(file)]) as place:
        end = time.monotonic() + 5
        while place.ask("GET", "/graphs")["graphs"][0]["state"] != "deployed":
            assert time.monotonic() < end
        assert "confirm_within" not in place.status("g")
        time.sleep(SECONDS + 0.3)
        assert pings(place.lan, "10.0.0.2")


def test_of_several_changes_on_trial_each_function_is_another_one_than_before(place):
    """A function that is made during a trial has no number of one that may have to come back."""
    place.put(chain("v"))
    before = place.world()
    put(place, cut(), 60)
    put(place, chain("w"), 60)
    wired = chain("v")
    wired["sffg"]["SFs"][0]["name"] = "bridge"
    put(place, wired)
    until_over(place)
    assert pings(place.lan, "10.0.0.2") and place.status("g")["functions"][0]["implementation"] == "puppet"
    assert [line for line in place.changes(before) if "flow" not in line and "port" not in line and "link" not in line] == []


def test_a_function_of_a_graph_on_trial_is_left_as_it_is(place):
    place.put(chain("v"))
    put(place, chain("v", "w"))
    for verb in "stop", "pause", "restart":
        assert "confirm" in place.ask("POST", "/graphs/g/functions/v/" + verb, "", 409)["message"]
    until_over(place)


def test_what_stands_in_the_way_of_a_take_back_only_delays_it(place):
    place.put(chain("v"))
    home, = glob.glob(place.node.dir + "/runtime/functions/*")
    place.node.run("mount", "-t", "tmpfs", "tmpfs", home + "/tmp")
    put(place, cut())
    time.sleep(SECONDS + 1)
    assert place.status("g")["confirm_within"] == 0 and place.status("g")["left"]
    place.node.run("umount", home + "/tmp")
    until_over(place)
    assert pings(place.lan, "10.0.0.2")
