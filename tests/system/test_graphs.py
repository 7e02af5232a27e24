"""Graphs: what a posted graph draws is the way that real packets take."""
import json
import re
import shutil
import tempfile
import time

import pytest

from function import pings, seen
from graphs import both, graph, rule, sap, sf, vlan_sap, wire
from probes import Ear, send, speed
from place import LAN, WAN, Place, chain

SPEED = 50  # Mb/s, a bound: 350 and more on a quiet machine, and nearly 0 when checksums are left to a card


def received(place, graph_id, function, port):
    """Return how many packets came into a function by a port."""
    return int(place.node.run("ip", "netns", "exec", "composer:%s:%s" % (graph_id, function),
                              "cat", "/sys/class/net/%s/statistics/rx_packets" % port).stdout)


def test_two_interfaces_are_joined_and_nothing_passes_before_or_after(place):
    assert not pings(place.lan, "10.0.0.2", within=0.3)
    place.put(wire("g", LAN, WAN))
    assert pings(place.lan, "10.0.0.2") and pings(place.wan, "10.0.0.1")
    assert "bridge lsi1" not in " ".join(place.world()), "LSI-0 is enough for it (Table 4)"
    place.delete("g")
    time.sleep(0.5)  # the switch forgets what it has worked out for packets when it has the time
    assert not pings(place.lan, "10.0.0.2", within=0.3)


def test_a_function_stands_in_the_way(place):
    place.put(graph("g", [LAN, WAN], [sf("w", "wire", "a", "b")], *both("1", "lan", "w:a"), *both("2", "w:b", "wan")))
    before = received(place, "g", "w", "eth0")
    assert pings(place.lan, "10.0.0.2")
    assert received(place, "g", "w", "eth0") > before


@pytest.mark.parametrize("parent", ["/run", "/var/run", "/tmp", "/var/tmp"])
def test_a_function_has_its_own_run_and_tmp_wherever_the_agent_keeps_its_folder(parent):
    folder = tempfile.mkdtemp(prefix="composer-test-", dir=parent)
    try:
        with Place(runtime=folder) as place:
            place.put(chain("w"))
            assert pings(place.lan, "10.0.0.2")
            assert place.node.run("ls", folder + "/functions").stdout.split()  # a node has a /run of its own
            place.delete("g")
            assert not place.node.run("ls", folder + "/functions").stdout
    finally:
        shutil.rmtree(folder)


def test_tcp_passes_a_function_at_speed(place):
    place.put(chain("w"))
    assert speed(place.lan, place.wan, "10.0.0.2") > SPEED


def test_tcp_ends_at_a_function_at_speed(place):
    """What the function itself sends needs its checksums: there is no card that would fill them in."""
    place.put(graph("g", [LAN], [sf("w", "puppet", "a", START="ip address add 10.0.0.9/24 dev eth0; exit")],
                    *both("1", "lan", "w:a")))
    assert speed(place.lan, place.node, "10.0.0.9", "ip", "netns", "exec", "composer:g:w") > SPEED


FIGURE_8 = graph(
    "fig8", [sap("eth0", "lan0"), sap("eth1", "wan0")], [sf("nat", "wire", "1", "2")],
    rule("1", "eth0", {"dec_ttl": True}, "nat:1", priority=10, ether_type="0x0800", protocol="tcp", dest_port=80),
    rule("2", "nat:2", "eth1"),
    rule("3", "eth0", "eth1", priority=2))


def test_figure_8_has_exactly_the_links_and_rules_of_algorithms_1_and_2(place):
    place.put(FIGURE_8)
    assert place.flows("lsi0") == sorted([
        "cookie=0x1, priority=0 actions=goto_table:1",
        # rule 1, but for its port: to the link of nat:1
        'cookie=0x100000001, table=1, priority=10,tcp,metadata=0,in_port=lan0,tp_dst=80 actions=dec_ttl,output:l1v0',
        # rule 2, the end of it: the same link leads to eth1 the other way
        'cookie=0x180000000, priority=500,in_port=l1v0 actions=output:wan0',
        # rule 3, which stays on LSI-0
        'cookie=0x100000003, table=1, priority=2,metadata=0,in_port=lan0 actions=output:wan0'])
    assert place.flows("lsi1") == sorted([
        'cookie=0x180000000, priority=500,in_port=l1w0 actions=output:l1s0p0',
        'cookie=0x100000002, priority=1,in_port=l1s0p1 actions=output:l1w0'])
    ports = [line.split(",")[0] for line in place.world() if line.startswith("port ") and "composer=fig8" in line]
    assert ports == ["port l1s0p0", "port l1s0p1", "port l1v0", "port l1w0"], "one virtual link is enough"


def test_web_traffic_goes_to_a_cache_and_back_and_no_other_does(place):
    web = {"ether_type": 0x0800, "protocol": "tcp"}
    place.put(graph(
        "g", [LAN, WAN], [sf("cache", "wire", "in", "out")],
        *both("all", "lan", "wan"),
        rule("to", "lan", "cache:in", priority=10, dest_port=80, **web), rule("on", "cache:out", "wan"),
        rule("from", "wan", "cache:out", priority=10, source_port=80, **web), rule("back", "cache:in", "lan")))
    assert seen(place.lan, place.wan, 81) == "10.0.0.1"
    assert received(place, "g", "cache", "eth0") == received(place, "g", "cache", "eth1") == 0
    assert seen(place.lan, place.wan, 80) == "10.0.0.1"
    assert received(place, "g", "cache", "eth0") > 1 and received(place, "g", "cache", "eth1") > 0


@pytest.mark.parametrize("priority", [0, 65535])
def test_a_vlan_goes_to_its_sap_and_all_else_to_the_interface_sap_at_any_priorities(place, priority):
    place.put(graph("g", [vlan_sap("v25", "lan0", 25), LAN, vlan_sap("out", "wan0", 100), WAN], [],
                    rule("1", "v25", "out", priority=65535 - priority), rule("2", "lan", "wan", priority=priority)))
    with Ear(place.wan) as ear:
        send(place.lan, "in 25", 25)
        send(place.lan, "in 26", 26)
        send(place.lan, "untagged")
        assert ear.heard(3) == [("in 25", 100, place.lan.mac), ("in 26", 26, place.lan.mac),
                                ("untagged", None, place.lan.mac)]


def test_a_vlan_sap_without_rules_keeps_its_vlan_from_the_interface_sap_of_another_graph(place):
    place.put(graph("one", [vlan_sap("v25", "lan0", 25)], []))
    place.put(graph("two", [LAN, WAN], [], rule("1", "lan", "wan", priority=65535)))
    with Ear(place.wan) as ear:
        send(place.lan, "in 25", 25)
        send(place.lan, "in 26", 26)
        assert ear.heard(1) == [("in 26", 26, place.lan.mac)]
        place.delete("one")
        send(place.lan, "in 25 again", 25)
        assert ear.heard(1) == [("in 25 again", 25, place.lan.mac)]


def test_two_graphs_share_a_vlan_and_one_goes_without_the_other(place):
    for name, kind in (("one", 0x88b5), ("two", 0x0800)):
        place.put(graph(name, [vlan_sap("in", "lan0", 25), vlan_sap("out", "wan0", 25)], [],
                        rule("1", "in", "out", ether_type=kind)))
    place.delete("two")
    with Ear(place.wan) as ear:
        send(place.lan, "still", 25)
        assert ear.heard(1) == [("still", 25, place.lan.mac)]


def test_traffic_goes_back_out_of_the_port_it_came_from(place):
    place.put(graph("g", [LAN], [], rule("1", "lan", {"set_ethernet_src_address": "02:00:00:00:00:07"}, "lan")))
    with Ear(place.lan) as ear:
        send(place.lan, "return")
        assert ear.heard(1) == [("return", None, "02:00:00:00:00:07")]


@pytest.mark.parametrize("way", ["on LSI-0", "through a function"])
def test_traffic_goes_from_one_vlan_of_an_interface_to_another(place, way):
    saps = [vlan_sap("v25", "lan0", 25), vlan_sap("v26", "lan0", 26)]
    if way == "on LSI-0":
        place.put(graph("g", saps, [], *both("1", "v25", "v26")))
    else:
        place.put(graph("g", saps, [sf("w", "wire", "a", "b")], *both("1", "v25", "w:a"), *both("2", "w:b", "v26")))
    with Ear(place.lan) as ear:
        send(place.lan, "from 25", 25)
        send(place.lan, "from 26", 26, to="02:00:00:00:00:98")
        send(place.lan, "untagged")
        assert ear.heard(2) == [("from 25", 26, place.lan.mac), ("from 26", 25, place.lan.mac)]


def test_one_packet_leaves_by_several_ports_each_as_it_shall(place):
    place.put(graph("g", [LAN, WAN, vlan_sap("v9", "wan0", 9)], [], rule("1", "lan", "wan", "v9", "wan")))
    with Ear(place.wan) as ear:
        send(place.lan, "x")
        assert ear.heard(3) == [("x", 9, place.lan.mac), ("x", None, place.lan.mac), ("x", None, place.lan.mac)]


def test_what_a_trusted_port_sends_bears_its_own_address(place):
    mac = "02:00:00:00:00:aa"
    place.put(graph("g", [LAN, WAN], [sf("w", "wire", "a", {"id": "b", "mac": mac, "trusted": True})],
                    *both("1", "lan", "w:a"), *both("2", "w:b", "wan")))
    with Ear(place.wan) as wan, Ear(place.lan) as lan:
        send(place.lan, "forced")
        assert wan.heard(1) == [("forced", None, mac)]
        send(place.wan, "free")
        assert lan.heard(1) == [("free", None, place.wan.mac)]


def test_a_firewall_and_a_nat_in_a_row(place):
    place.put(graph(
        "home", [LAN, WAN],
        [sf("fw", "firewall", "in", "out", FIREWALL_RULES="drop tcp 8081"), sf("nat", "nat", "in", "out")],
        *both("1", "lan", "fw:in"), *both("2", "fw:out", "nat:in"), *both("3", "nat:out", "wan")))
    assert pings(place.lan, "192.168.2.10")
    assert seen(place.lan, place.wan, 80, ("192.168.2.10", 80)) == "192.168.2.1", "the server sees the NAT's address"
    assert seen(place.lan, place.wan, 8081, ("192.168.2.10", 8081), within=0.5) is None


@pytest.mark.parametrize("graphs", [1, 2])
def test_two_dhcp_servers_run_side_by_side(place, graphs):
    functions = [sf("d1", "dhcp", "1", DHCP_RANGE="192.168.1.7-192.168.1.7"),
                 sf("d2", "dhcp", "1", DHCP_RANGE="192.168.1.8-192.168.1.8")]
    if graphs == 1:
        place.put(graph("g", [LAN, WAN], functions, *both("1", "lan", "d1:1"), *both("2", "wan", "d2:1")))
    else:
        place.put(graph("g", [LAN], functions[:1], *both("1", "lan", "d1:1")))
        place.put(graph("h", [WAN], functions[1:], *both("2", "wan", "d2:1")))
    for host, address in ((place.lan, "192.168.1.7"), (place.wan, "192.168.1.8")):
        asked = host.run("busybox", "udhcpc", "-f", "-n", "-q", "-t", "3", "-T", "1", "-i", "eth0", "-s", "/bin/true")
        assert re.search(r"lease of (\S+) obtained", asked.stdout + asked.stderr).group(1) == address
    assert len(place.node.pids("dnsmasq")) == 2


NFFG = {"forwarding-graph": {
    "name": "home", "id": "what the client likes", "gui-position": {"x": 1},
    "VNFs": [{"id": "w", "name": "my wire", "functional-capability": "wire", "groups": ["isp"],
              "gui-position": {"y": 2},
              "ports": [{"id": "end:0", "name": "first"}, {"id": "end:1"}],
              "unify-env-variables": [{"variable": "WIRE_MTU=1400"}]}],
    "end-points": [{"id": "1", "type": "interface", "interface": {"if-name": "lan0", "node-id": "10.0.0.9"}},
                   {"id": "2", "type": "vlan", "vlan": {"if-name": "wan0", "vlan-id": "0x19"}}],
    "big-switch": {"flow-rules": [
        {"id": "r1", "priority": "1", "description": "kept", "match": {"port_in": "endpoint:1"},
         "actions": [{"output_to_port": "vnf:w:end:0"}]},
        {"id": "r2", "priority": 1, "match": {"port_in": "vnf:w:end:1"},
         "actions": [{"output_to_port": "endpoint:2"}]}]}}}
SFFG = graph("dialect", [LAN, vlan_sap("v25", "wan0", "0x19")], [sf("w", "wire", "a", "b", WIRE_MTU="1400")],
             rule("r1", "lan", "w:a", priority="0x1"), rule("r2", "w:b", "v25"))


@pytest.mark.parametrize("body", [SFFG, NFFG], ids=["SF-FG", "NF-FG"])
def test_what_get_gives_put_takes_and_nothing_is_run(place, body):
    assert place.ask("PUT", "/graphs/dialect", body, 201)["outcome"] == "created"
    with Ear(place.wan) as ear:
        send(place.lan, "x")
        assert ear.heard(1) == [("x", 25, place.lan.mac)]
    got, steps, world = place.ask("GET", "/graphs/dialect"), place.metric("composer_steps_total"), place.world()
    assert got == body
    assert place.ask("PUT", "/graphs/dialect", got)["outcome"] == "unchanged"
    assert place.ask("PUT", "/NF-FG/dialect", got, 202) == {"nffg-uuid": "dialect"}
    assert place.metric("composer_steps_total") == steps
    assert not place.changes(world)


def test_a_frog_client_finds_its_way(place):
    status, headers, answer = place.agent.request("POST", "/NF-FG/", NFFG)
    name = answer["nffg-uuid"]
    assert (status, headers["Location"]) == (201, "/NF-FG/" + name)
    assert place.ask("GET", "/NF-FG/status/" + name) == {"status": "complete", "percentage_completed": 100}
    assert place.ask("GET", "/NF-FG/" + name) == NFFG
    changed = json.loads(json.dumps(NFFG))
    changed["forwarding-graph"]["end-points"][1]["vlan"]["vlan-id"] = 26
    place.ask("PUT", "/NF-FG/" + name, changed, 202)
    listed = {"NF-FG": [dict(changed, **{"nffg-uuid": name})]}
    assert place.ask("GET", "/NF-FG") == place.ask("GET", "/NF-FG/") == listed
    with Ear(place.wan) as ear:
        send(place.lan, "x")
        assert ear.heard(1) == [("x", 26, place.lan.mac)]
    assert place.ask("DELETE", "/NF-FG/" + name, status=204) == ""
    place.ask("GET", "/NF-FG/" + name, status=404)
    assert place.ask("GET", "/NF-FG") == {"NF-FG": []}


def test_a_change_of_what_was_read_is_refused_if_it_is_another_one_by_now(place):
    body = wire("g", LAN, WAN)
    path = "/graphs/g"
    assert place.agent.request("PUT", path, body, {"If-Match": "*"})[0] == 412, "there is none"
    place.put(body)
    tag = place.agent.request("GET", path)[1]["ETag"]
    assert place.agent.request("PUT", path, dict(body, sffg=dict(body["sffg"], name="one")), {"If-Match": tag})[0] == 200
    status, _, answer = place.agent.request("PUT", path, dict(body, sffg=dict(body["sffg"], name="other")), {"If-Match": tag})
    assert (status, answer["error"]) == (412, "Stale") and place.ask("GET", path)["sffg"]["name"] == "one"
    tag = place.agent.request("GET", path)[1]["ETag"]
    place.agent.kill()
    place.agent.start()
    assert place.agent.request("GET", path)[1]["ETag"] == tag
    assert place.agent.request("PUT", path, body, {"If-Match": "*"})[0] == 200
    place.delete("g")
    assert place.agent.request("PUT", path, body, {"If-Match": tag})[0] == 412 and not place.ask("GET", "/graphs")["graphs"]
