"""In-band management: the port that a node is managed through is on LSI-0, and no graph nor fault takes that away.

    two, who asks  192.0.2.2 --- wan0  one, whose agent is asked at 192.0.2.1
"""
import contextlib
import http.client
import time

import pytest

import packets
from frames import octets
from function import pings
from graphs import graph, host_stack, rule, vlan_sap, wire
from node import Agent, Node
from pair import Pair
from place import LAN, WAN, until
from probes import Ear, mouth

SOON = 5  # seconds until an answer
LOCAL = 9000  # a TCP port of nobody


@pytest.fixture(scope="module")
def pair():
    with Pair(listen="0.0.0.0:8080", auth="none") as pair:
        yield pair


@pytest.fixture
def one(pair):
    before = pair.one.world()
    yield pair.one
    pair.one.clear()
    assert not pair.one.changes(before)


def has(node):
    """Return what a node has for its management, as lines: addresses, routes, the MAC addresses of lan0, lsi0 and wan0."""
    show = "ip -4 -o address show scope global | awk '{print $2, $4}'; ip route; cat /sys/class/net/*0/address"
    return node.run("sh", "-c", show).stdout.splitlines()


def connection(pair):
    """Return a TCP connection of two with the agent of one."""
    link = http.client.HTTPConnection(pair.one.address)
    link.sock = pair.two.node.socket()
    link.sock.settimeout(SOON)
    link.sock.connect((pair.one.address, 8080))
    return link


def answers(link):
    link.request("GET", "/health")
    answer = link.getresponse()
    return answer.read() and answer.status == 200 and not answer.will_close


def is_reached(pair):
    """Say whether the agent of one answers two."""
    with contextlib.suppress(OSError), contextlib.closing(connection(pair)) as link:
        return answers(link)
    return False


def test_address_default_route_and_mac_are_on_lsi0_and_the_rules_for_them_came_before(pair, one):
    found = "\n".join(has(one.node))
    assert "lsi0 192.0.2.1/24" in found and "default via 192.0.2.2 dev lsi0" in found and "wan0 1" not in found
    macs = [one.node.run("cat", "/sys/class/net/%s/address" % name).stdout for name in ("wan0", "lsi0")]
    assert macs[0] == macs[1]
    steps = one.steps()
    rules, = [index for index, step in enumerate(steps) if "priority=60000" in step][:1]
    moved, = [index for index, step in enumerate(steps) if step == "ip address replace 192.0.2.1/24 dev lsi0"][:1]
    assert rules < moved
    assert is_reached(pair)


TAKEN = {
    "LSI-0": lambda side: side.node.ovs("vsctl", "del-br", "lsi0"),
    "the rules of LSI-0": lambda side: side.node.ovs("ofctl", "-O", "OpenFlow14", "del-flows", "lsi0"),
    "the address": lambda side: side.node.run("ip", "address", "flush", "dev", "lsi0"),
    "the port": lambda side: side.node.ovs("vsctl", "del-port", "wan0"),
    "ovs-vswitchd": lambda side: (side.node.stop_vswitchd(), side.node.start_vswitchd()),
    "both daemons": lambda side: (side.node.stop_vswitchd(), side.node.stop_ovsdb(), side.node.start_ovsdb(),
                                  side.node.start_vswitchd()),
}


@pytest.mark.parametrize("what", sorted(TAKEN))
def test_what_is_taken_away_comes_back(pair, one, what):
    one.put(wire("g", LAN, WAN))
    before, world = has(one.node), one.world()
    TAKEN[what](one)
    until(lambda: is_reached(pair))
    until(lambda: has(one.node) == before and not one.changes(world))


def test_rules_that_are_taken_away_again_and_again_come_back_each_time(pair, one):
    """Also if there are just as many each time that the watch counts them."""
    before = one.world()
    for _ in range(4):
        TAKEN["the rules of LSI-0"](one)
        until(lambda: not one.changes(before))


EVERYTHING = {
    "drops all": graph("g", [WAN], [], rule("1", "wan", {"drop": True}, priority=65535)),
    "sends all elsewhere": graph("g", [LAN, WAN], [], rule("1", "wan", "lan", priority=65535),
                                 rule("2", "lan", "wan", priority=65535)),
    "sends all back": graph("g", [WAN], [], rule("1", "wan", "wan", priority=65535)),
    "takes what is asked": graph("g", [LAN, WAN], [], rule("1", "wan", "lan", priority=65535, ether_type="0x0806"),
                                 rule("2", "wan", "lan", priority=65535, protocol="tcp", dest_ip="192.0.2.1", dest_port=8080)),
    "has a VLAN": graph("g", [LAN, vlan_sap("v", "wan0", 7)], [], rule("1", "v", "lan", priority=65535)),
}


def test_a_connection_lives_through_all_graphs_that_come_and_go(pair, one):
    with contextlib.closing(connection(pair)) as link:
        for what, body in EVERYTHING.items():
            one.put(body)
            assert answers(link) and is_reached(pair), what
        one.delete("g")
        assert answers(link)
        one.agent.request("PUT", "/graphs/g", EVERYTHING["drops all"])
        assert one.status("g")["state"] == "deployed" and answers(link)


def test_a_restart_of_the_agent_looks_and_does_nothing(pair, one):
    one.put(wire("g", LAN, WAN))
    for end in (one.agent.stop, one.agent.kill):
        seen = len(one.steps())
        end()
        assert pings(pair.two.node, one.address, within=1), "the node is there without it"
        one.agent.start()
        time.sleep(0.5)
        look, = one.steps()[seen:]
        assert " list Bridge " in look and is_reached(pair)


def frame(target, tags=()):
    """Return a frame with a TCP packet to an IPv4 address, from a MAC address to another."""
    return octets({"eth_src": 0x020000000001, "eth_dst": 0x020000000002, "tags": tags, "eth_type": packets.IPV4,
                   "ip_dscp": 0, "ip_ecn": 0, "ip_proto": 6, "ttl": 64, "ip_src": packets.value_of("192.0.2.2"),
                   "ip_dst": packets.value_of(target), "tp_src": LOCAL, "tp_dst": LOCAL})


def test_a_graph_has_all_but_what_is_for_the_node(pair, one):
    """And of a VLAN it has everything: the node is not in that."""
    one.put(graph("g", [LAN, WAN, vlan_sap("v", "wan0", 7)], [],
                  rule("1", "wan", "lan"), rule("2", "v", "lan")))
    with Ear(one.host) as ear, mouth(pair.two.node, "wan0") as link:
        for sent in (frame("192.0.2.1"), frame("192.0.2.1", ((7, 0),)), frame("192.0.2.3"), frame("192.0.2.2", ((7, 0),))):
            link.send(sent)
        heard = ear.frames(3, wanted=lambda one: one[34:36] == LOCAL.to_bytes(2))
    assert sorted(heard) == sorted([frame("192.0.2.1"), frame("192.0.2.2"), frame("192.0.2.3")])
    one.put(graph("g", [LAN, WAN], [], rule("1", "wan", "lan")))
    with Ear(one.host) as ear, mouth(pair.two.node, "wan0") as link:
        for sent in (frame("192.0.2.1"), frame("192.0.2.3")):
            link.send(sent)
        assert ear.frames(1, wanted=lambda one: one[34:36] == LOCAL.to_bytes(2)) == [frame("192.0.2.3")]


def test_an_address_that_comes_to_the_interface_later_is_one_more(pair, one):
    before = has(one.node)
    one.node.run("ip", "address", "add", "192.0.2.77/24", "dev", "wan0")
    one.node.run("ip", "address", "add", "169.254.7.7/16", "dev", "wan0")
    one.put(wire("g", LAN, vlan_sap("v", "wan0", 5)))
    until(lambda: not [line for line in has(one.node) if line.startswith("wan0 ")], 60)
    assert is_reached(pair) and pings(pair.two.node, "192.0.2.77")
    assert set(before) <= set(has(one.node)), "nothing that was there is lost"
    one.clear()
    for address in "192.0.2.77/24", "169.254.7.7/16":
        one.node.run("ip", "address", "del", address, "dev", "lsi0", check=False)
    one.agent.stop()
    one.node.run("rm", one.node.dir + "/runtime/inband.json")
    one.node.run("dash", "-c", "ovs-vsctl del-br lsi0; ip address add 192.0.2.1/24 dev wan0; ip route add default via 192.0.2.2")
    one.agent.start()
    assert is_reached(pair)


def test_an_interface_that_is_on_a_bridge_of_somebody_else_keeps_its_address():
    with Node(interfaces=("lan0", "wan0")) as node:
        node.run("ip", "address", "add", "192.0.2.1/24", "dev", "wan0")
        node.ovs("vsctl", "add-br", "theirs", "--", "set", "bridge", "theirs", "datapath_type=" + node.datapath, "--", "add-port", "theirs", "wan0")
        with Agent(node, {"inband": {"interface": "wan0"}}) as agent:
            time.sleep(3)
            assert "wan0 192.0.2.1/24" in has(node) and agent.request("GET", "/health")[0] == 200


def test_a_gateway_outside_the_subnet_is_moved_too():
    with Node(interfaces=("lan0", "wan0")) as node:
        node.run("dash", "-euc", "ip address add 198.51.100.7/32 dev wan0; ip route add 192.0.2.254 dev wan0; "
                                 "ip route add default via 192.0.2.254 dev wan0 onlink")
        with Agent(node, {"inband": {"interface": "wan0"}}):
            found = "\n".join(has(node))
            assert "default via 192.0.2.254 dev lsi0" in found and "192.0.2.254 dev lsi0" in found
            assert "lsi0 198.51.100.7/32" in found and "wan0 1" not in found


def test_a_graph_takes_no_part_of_the_network_that_the_node_is_managed_through(pair, one):
    answer = one.put(graph("g", [LAN, host_stack("me", "192.0.2.3/29")], []), 409)
    assert answer["where"] == "saps[1].host-stack.IPv4" and "within the network of lsi0" in answer["message"]
    one.put(graph("g", [LAN, host_stack("me", "10.9.0.1/24")], []))
    assert "within the network of l1a0" in one.put(graph("h", [host_stack("me", "10.9.0.130/25")], []), 409)["message"]
    one.put(graph("g", [LAN, host_stack("me", "10.9.0.130/25")], []))  # its own may shrink
    assert is_reached(pair)
