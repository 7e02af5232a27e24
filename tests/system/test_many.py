"""Many graphs on one node: names stay short, numbers are used again, and nobody pays for the others."""
import re
import time

from graphs import both, graph, sf, vlan_sap, wire
from probes import Ear, send

COUNT = 200
WITH_LSI = 12  # of them; the last ones, so that their numbers are the longest
NAME = 15  # bytes of an interface's name, the kernel's limit


def body(index, priority=1):
    """Graph number `index` joins one VLAN of both interfaces; some through a function."""
    name = "graph-%d" % index
    saps = [vlan_sap("a", "lan0", index), vlan_sap("b", "wan0", index)]
    if index <= COUNT - WITH_LSI:
        return graph(name, saps, [], *both("1", "a", "b", priority=priority))
    return graph(name, saps, [sf("w", "puppet", "1", "2")],
                 *both("1", "a", "w:1", priority=priority), *both("2", "w:2", "b"))


def numbers(place):
    """Return {VLAN: number of its graph}, from the cookies of the rules that dispatch the VLANs."""
    found = {}
    for line in place.flows("lsi0"):
        if match := re.match(r"cookie=0x(\w+)4\w{7}, .*dl_vlan=(\d+)", line):
            found[int(match[2])] = int(match[1], 16)
    return found


def sent_to_lsi0(place, seen):
    """Return the lines of flows that the agent has sent to LSI-0 since its first `seen` steps."""
    return [line for step in place.steps()[seen:] if step.endswith(" add-flows lsi0 -")
            for line in re.findall("'((?:add|delete) [^']*)'", step)]


def test_two_hundred_graphs_come_and_go(place):
    begun = time.monotonic()
    for index in range(1, COUNT + 1):
        seen = len(place.steps())
        place.put(body(index), 201)
        lines = sent_to_lsi0(place, seen)
        assert len(lines) == (4 if index <= COUNT - WITH_LSI else 6), "graph %d: %s" % (index, lines)
        assert all("cookie=0x%x" % index in line for line in lines), "only its own"
    assert numbers(place) == {index: index for index in range(1, COUNT + 1)}
    links = [line.split()[1] for line in place.world() if line.startswith("link ")]
    assert "l%ds0p1" % COUNT in links and max(map(len, links)) <= NAME
    with Ear(place.wan) as ear:
        for index in (1, 100, COUNT):
            send(place.lan, "x", index)
            assert ear.heard(1) == [("x", index, place.lan.mac)]

    gone = range(1, COUNT + 1, 3)
    for index in gone:
        place.delete("graph-%d" % index)
    for index in reversed(gone):
        place.put(body(index), 201)
    found = numbers(place)
    assert sorted(found[index] for index in gone) == list(gone), "numbers of before are used again"
    assert [found[index] for index in reversed(gone)] == list(gone), "the smallest first"

    seen = len(place.steps())
    place.put(body(77, priority=2), 200)
    assert len(sent_to_lsi0(place, seen)) == 2 + 2, "two rules: out with the old, in with the new"
    for index in range(1, COUNT + 1):
        place.delete("graph-%d" % index)
    assert time.monotonic() - begun < 100  # seconds; about 20 on a quiet machine


def test_graphs_deleted_at_one_time_do_not_take_each_others_links(place):
    for index in range(1, 9):
        place.put(graph("g%d" % index, [vlan_sap("a", "lan0", index)], [sf("w", "puppet", "1", "2", "3", "4")],
                        *both("1", "a", "w:1")))
    deleted = [place.later("DELETE", "/graphs/g%d" % index) for index in range(1, 9)]
    for answer, thread in deleted:
        thread.join()
        assert answer[0] == 204, answer


def test_the_id_of_a_graph_may_be_as_long_as_it_likes(place):
    for name in ("x" * 64, "x" * 63 + "y"):
        vlan = 1 if name.endswith("x") else 2
        place.put(graph(name, [vlan_sap("a", "lan0", vlan)], [sf("f" * 64, "puppet", "p" * 64)],
                        *both("1", "a", "f" * 64 + ":" + "p" * 64)))
    assert len(place.ask("GET", "/graphs")["graphs"]) == 2


def test_a_graph_refused_for_another_one_changes_nothing(place):
    place.put(wire("one", vlan_sap("a", "lan0", 1), vlan_sap("b", "wan0", 1)))
    before, seen = place.world(), len(place.steps())
    answer = place.put(wire("two", vlan_sap("x", "lan0", 1), vlan_sap("y", "lan0", 2)), 409)
    assert "graph one" in answer["message"] and answer["where"] == "flowrules[0].match"
    assert not place.changes(before) and place.steps()[seen:] == []
