"""Updates: what a PUT changes takes effect, and what it does not change is not touched."""
import copy
import time

import pytest

from function import pings, seen
from graphs import both, graph, rule, sap, sf, vlan_sap
from probes import PORT, Ear, Probe, send
from place import LAN, WAN

WEB = {"ether_type": 0x0800, "protocol": "tcp"}
ARP = both("arp", "lan", "wan", priority=100, ether_type=0x0806)
PROBE = {"ether_type": 0x0800, "protocol": "udp", "dest_port": PORT, "priority": 50}


def changed(body, **rules):
    """Return a graph with other rules under the ids of before: r1={"priority": 7}."""
    body = copy.deepcopy(body)
    for one in body["sffg"]["flowrules"]:
        one.update(copy.deepcopy(rules.pop(one["id"], {})))
    assert not rules
    return body


def test_a_changed_match_under_the_same_id_takes_effect(place):
    back = rule("back", "wan", "lan")
    body = graph("g", [LAN, WAN], [], *ARP, back, rule("r", "lan", "wan", dest_port=80, **WEB))
    place.put(body)
    assert seen(place.lan, place.wan, 80) and not seen(place.lan, place.wan, 81, within=0.3)
    match = dict(WEB, port_in="service-access-point:lan", dest_port=81)
    place.put(changed(body, r={"match": match}))
    assert seen(place.lan, place.wan, 81) and not seen(place.lan, place.wan, 80, within=0.3)


def test_a_changed_priority_under_the_same_id_takes_effect(place):
    body = graph("g", [LAN, WAN], [], *both("all", "lan", "wan", priority=5),
                 rule("no", "lan", {"drop": True}, priority=1, dest_port=80, **WEB))
    place.put(body)
    assert seen(place.lan, place.wan, 80)
    place.put(changed(body, no={"priority": 9}))
    assert not seen(place.lan, place.wan, 80, within=0.3)
    assert pings(place.lan, "10.0.0.2")
    place.put(body)
    assert seen(place.lan, place.wan, 80)


def test_a_changed_action_under_the_same_id_takes_effect_and_keeps_the_counter(place):
    body = graph("g", [LAN, WAN, vlan_sap("v9", "wan0", 9)], [], rule("r", "lan", "wan"))
    with Ear(place.wan) as ear:
        for to, vlan in ((["wan"], None), (["v9"], 9), (["wan", "v9"], "both")):
            outputs = [{"output_to_port": "service-access-point:" + one} for one in to]
            place.put(changed(body, r={"actions": outputs}))
            send(place.lan, "x")
            assert [heard[1] for heard in ear.heard(len(to))] == ([9, None] if vlan == "both" else [vlan])
    place.node.ovs("appctl", "revalidator/purge")  # so that all is counted
    packets = place.node.ovs("ofctl", "-O", "OpenFlow14", "dump-flows", "lsi0", "cookie=0x100000001/-1")
    assert "n_packets=3" in packets, packets


def test_two_rules_change_places(place):
    """Each takes the match that the other had: no flow of the one may fall with the other's."""
    body = graph("g", [LAN, WAN, vlan_sap("v9", "wan0", 9)], [],
                 rule("a", "lan", "wan", ether_type=0x88b5), rule("b", "lan", "v9", ether_type=0x88b6))
    place.put(body)
    swapped = changed(body, a={"match": body["sffg"]["flowrules"][1]["match"]},
                      b={"match": body["sffg"]["flowrules"][0]["match"]})
    place.put(swapped)
    assert len(place.flows("lsi0")) == 1 + 1 + 2  # the node's, the dispatching of VLAN 9, the rules
    with Ear(place.wan) as ear:
        send(place.lan, "x")
        assert ear.heard(1) == [("x", 9, place.lan.mac)]


def test_functions_come_and_go(place):
    straight = graph("g", [LAN, WAN], [], *both("1", "lan", "wan"))
    one = graph("g", [LAN, WAN], [sf("w", "puppet", "a", "b")], *both("1", "lan", "w:a"), *both("2", "w:b", "wan"))
    two = graph("g", [LAN, WAN], [sf("w", "puppet", "a", "b"), sf("x", "puppet", "a", "b")],
                *both("1", "lan", "w:a"), *both("2", "w:b", "x:a"), *both("3", "x:b", "wan"))
    before = None
    for body, functions in ((straight, []), (one, ["w"]), (two, ["w", "x"]), (one, ["w"]), (straight, [])):
        place.put(body)
        assert pings(place.lan, "10.0.0.2")
        found = [line for line in place.world() if line.startswith("namespace ")]
        assert found == ["namespace composer:g:" + name for name in functions]
        if body is straight:
            assert before is None or not place.changes(before), "nothing is left of the functions"
            before = place.world()
    assert [state["id"] for state in place.status("g")["functions"]] == []


def test_another_kind_of_function_under_the_same_id_takes_its_place(place):
    def body(kind):
        return graph("g", [LAN, WAN], [sf("w", kind, "a", "b")], *both("1", "lan", "w:a"), *both("2", "w:b", "wan"))
    for kind in ("wire", "bridge", "wire"):
        place.put(body(kind))
        assert pings(place.lan, "10.0.0.2")
        assert [one["implementation"] for one in place.status("g")["functions"]] == [{"wire": "sample"}.get(kind, kind)]
        assert len([line for line in place.world() if line.startswith("namespace ")]) == 1


def test_saps_come_and_go(place):
    def body(*saps):
        return graph("g", [LAN, *saps], [], rule("1", "lan", *[one["id"] for one in saps]))
    with Ear(place.wan) as ear:
        for saps, vlans in (([WAN], [None]), ([vlan_sap("v9", "wan0", 9), WAN], [9, None]),
                            ([vlan_sap("v9", "wan0", 9), sap("dmz", "dmz0")], [9]), ([WAN], [None])):
            place.put(body(*saps))
            send(place.lan, "x")
            assert [heard[1] for heard in ear.heard(len(vlans))] == vlans
    assert len(place.flows("lsi0")) == 2


def test_ports_of_a_function_come_and_go_while_it_runs(place):
    two = graph("g", [LAN, WAN], [sf("w", "puppet", "a", "b")], *both("1", "lan", "w:a"))
    three = graph("g", [LAN, WAN], [sf("w", "puppet", "a", "b", "c")],
                  *both("1", "lan", "w:a"), *both("2", "w:c", "wan"))
    place.put(two)
    place.put(three)
    assert pings(place.lan, "10.0.0.2")
    assert place.calls("w") == ["start", "update eth2"]
    place.put(two)
    assert place.calls("w") == ["start", "update eth2", "update"]
    assert "link l1s0p2" not in place.world()


def test_a_middle_port_goes_and_the_others_stay_where_they_are(place):
    three = graph("g", [LAN, WAN], [sf("w", "puppet", "a", "b", "c")],
                  *both("1", "lan", "w:a"), *both("2", "w:c", "wan"))
    ends = graph("g", [LAN, WAN], [sf("w", "puppet", "a", "c")], *both("1", "lan", "w:a"), *both("2", "w:c", "wan"))
    place.put(three)
    with Probe(place) as probe:
        place.put(ends)
        place.put(three)
    assert probe.lost == 0
    links = [line for line in place.world() if line.startswith("link l1s")]
    assert links == ["link l1s0p0", "link l1s0p1", "link l1s0p2"]


@pytest.mark.parametrize("way", ["on LSI-0", "through a function"])
def test_a_probe_whose_rules_do_not_change_loses_nothing_over_updates(place, way):
    w = sf("w", "puppet", "a", "b")
    if way == "on LSI-0":
        own = both("probe", "lan", "wan", **PROBE)
    else:
        own = [rule("p1", "lan", "w:a", **PROBE), rule("p2", "w:b", "wan", **PROBE)]
    first = graph("g", [LAN, WAN], [w], *own, *ARP, *both("1", "lan", "wan"))
    branch = [rule("b1", "lan", "x:a", priority=20, dest_port=80, **WEB), rule("b2", "x:b", "wan"),
              rule("b3", "wan", "x:b", priority=20, source_port=80, **WEB), rule("b4", "x:a", "lan")]
    more = graph("g", [LAN, WAN], [w, sf("x", "puppet", "a", "b")], *own, *ARP, *both("1", "lan", "wan"), *branch)
    told = copy.deepcopy(more)
    told["sffg"]["SFs"][1]["variables"] = {"SAY": "new"}
    place.put(first)
    with Probe(place) as probe:
        for body in (more, changed(more, b1={"priority": 30}), told,
                     changed(told, **{"1a": {"priority": 3}}), first, more):
            place.put(body)
        place.put(told)
    assert probe.lost == 0, "of %d" % probe.sent
    assert probe.sent > 100
    assert place.calls("w") == ["start"], "its scripts have no business here"
    assert place.calls("x") == ["start", "update"]


def test_links_that_stay_keep_their_numbers_when_others_come_before_them(place):
    late = both("2", "w:b", "wan", priority=4)
    place.put(graph("g", [LAN, WAN], [sf("w", "puppet", "a", "b")], *both("1", "lan", "w:a"), *late))
    before = [line for line in place.world() if line.startswith(("port ", "flow "))]
    with Probe(place) as probe:
        place.put(graph("g", [LAN, WAN, sap("dmz", "dmz0")], [sf("w", "puppet", "a", "b"), sf("v", "puppet", "a")],
                        *both("0", "dmz", "v:a", priority=9), *both("1", "lan", "w:a"), *late))
        assert set(before) < set(place.world())
        place.put(graph("g", [LAN, WAN], [sf("w", "puppet", "a", "b")], *both("1", "lan", "w:a"), *late))
    assert probe.lost == 0
    assert set(before) <= set(place.world())


def test_the_same_put_twice_runs_no_command_in_whatever_order_and_spelling(place):
    body = graph("g", [LAN, WAN], [sf("w", "puppet", "a", "b")], *both("1", "lan", "w:a", dest_port=80, **WEB),
                 *both("2", "w:b", "wan"))
    place.put(body)
    steps, log = place.metric("composer_steps_total"), len(place.steps())
    assert place.put(body)["outcome"] == "unchanged"
    other = changed(body, **{"1a": {"priority": "0x1"}})
    other["sffg"]["flowrules"].reverse()
    other["sffg"]["saps"].reverse()
    place.put(other)
    assert place.ask("GET", "/graphs/g") == other, "what was put is what is given back"
    assert (place.metric("composer_steps_total"), len(place.steps())) == (steps, log)


def test_jobs_of_one_graph_keep_their_order(place):
    def body(said):
        slow = sf("w", "puppet", "a", "b", SAY=said, START="sleep 0.3", UPDATE="echo w said $SAY >>/tmp/calls")
        return graph("g", [LAN, WAN], [slow], *both("1", "lan", "w:a"))
    for said in ("1", "2", "3", "4"):
        place.ask("PUT", "/graphs/g", body(said), 202, {"Prefer": "respond-async"})
    assert place.status("g")["state"] == "deploying"
    assert place.put(body("5"))["outcome"] == "updated"
    assert place.calls("w") == ["start", "update", "said 2", "update", "said 3", "update", "said 4", "update", "said 5"]


def test_jobs_of_two_graphs_interleave(place):
    slow = graph("slow", [LAN], [sf("w", "puppet", "a", START="sleep 0.5")], *both("1", "lan", "w:a"))
    answer, thread = place.later("PUT", "/graphs/slow", slow)
    quick = graph("quick", [WAN], [sf("w", "puppet", "a")], *both("1", "wan", "w:a"))
    place.put(quick)
    place.put(changed(quick, **{"1a": {"priority": 2}}))
    place.delete("quick")
    assert place.status("slow")["state"] == "deploying" and not answer
    thread.join()
    assert answer[0] == 201


@pytest.mark.parametrize("name, variables", [
    ("firewall", {"FIREWALL_RULES": "drop tcp %d"}), ("load-balancer", {"LB_IDLE": "%d"}), ("ids-mirror", {"IDS_FILTER": "tcp %d"})])
def test_what_is_paused_stays_paused_while_it_is_changed(place, name, variables):
    def body(number):
        return graph("g", [LAN, WAN], [sf("x", name, "a", "b", *["c"] * (name == "ids-mirror"), **{
            key: value % number for key, value in variables.items()})], *both("1", "lan", "x:a"), *both("2", "x:b", "wan"))

    place.put(body(1))
    with Probe(place) as probe:
        place.ask("POST", "/graphs/g/functions/x/pause")
        time.sleep(0.05)
        before = probe.heard()
        for number in range(2, 7):
            place.put(body(number))
        assert probe.heard() == before
        place.ask("POST", "/graphs/g/functions/x/resume")
        assert pings(place.lan, place.wan.ip) and probe.heard() > before
