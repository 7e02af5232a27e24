"""Reach for the benchmark: one TCP stream through each kind of SAP, beside the same made by hand of bare Open vSwitch.

    host --- lan0  node one  wan0 --- wan0  node two  lan0 --- host

The floor is two bridges that learn, as a user would set them up: one with lan0 and the end of the tunnel, one with wan0
and the address of the node.
"""
import contextlib
import os
import sys

from graphs import both, graph, host_stack, internal, sap, tunnel, vlan_sap
from node import ROOT, Host, Node, wire
from traffic import rate

sys.path.append(os.path.join(ROOT, "tests", "system"))
from pair import Pair, join  # noqa: E402

KEYS = {"gre": "options:key=1", "vxlan": "options:key=1"}
BARE = """
ovs-vsctl add-br near -- set bridge near datapath_type=$1 -- add-br far -- set bridge far datapath_type=$1 \
    -- add-port near lan0 -- add-port far wan0
ip address add "$2/24" dev far
ip link set far up
ip link set wan0 mtu 1600
"""


def kinds(sheet):
    """Gb/s, for each kind of SAP; the ratio says how many floors: what is above 1 is faster than the floor."""
    floors = _floors()
    lan, one = sap("lan", "lan0"), "10.0.0.2"
    with Pair() as pair:
        ends = pair.one, pair.two

        def through(name, far, *hosts):
            for number, side in enumerate(ends):
                side.put(graph("g", [lan, far(number)], [], *both("r", "lan", far(number)["id"])))
            sheet.add("TCP over %s, %s datapath" % (name, pair.one.node.datapath), rate(pair.one.host, pair.two.host, one),
                      "Gb/s", floors.get(name))

        def addresses(number):
            return (ends[number].address, ends[1 - number].address)

        through("vlan", lambda number: vlan_sap("far", "wan0", 25))
        for kind in KEYS:
            through(kind, lambda number, kind=kind: tunnel(kind, *addresses(number), 1))
        pair.one.clear()
        pair.one.put(graph("a", [vlan_sap("far", "wan0", 25), internal("i", "yard")], [], *both("r", "far", "i")))
        pair.one.put(graph("b", [lan, internal("i", "yard")], [], *both("r", "lan", "i")))
        pair.two.put(graph("g", [lan, vlan_sap("far", "wan0", 25)], [], *both("r", "lan", "far")))
        sheet.add("TCP over vlan and internal, %s datapath" % pair.one.node.datapath,
                  rate(pair.one.host, pair.two.host, one), "Gb/s", floors["vlan"])
        pair.one.clear()
        pair.one.put(graph("h", [lan, host_stack("me", "10.0.0.7/24")], [], *both("r", "lan", "me")))
        sheet.add("TCP to the node by host-stack, %s datapath" % pair.one.node.datapath,
                  rate(pair.one.host, pair.one.node, "10.0.0.7"), "Gb/s", floors["host-stack"])


def _floors():
    """Return {kind: Gb/s} of bare Open vSwitch."""
    found = {}
    with contextlib.ExitStack() as stack:
        nodes, hosts = [], []
        for name, address in (("one", "10.0.0.1/24"), ("two", "10.0.0.2/24")):
            nodes.append(stack.enter_context(Node(name, ["lan0"])))
            hosts.append(stack.enter_context(Host("host-" + name, address)))
            wire(hosts[-1], nodes[-1], "lan0")
        join(nodes[0], nodes[1], "wan0")
        for number, node in enumerate(nodes):
            node.run("dash", "-euc", BARE, "bare", node.datapath, "192.0.2.%d" % (1 + number))
        for kind, key in KEYS.items():
            for number, node in enumerate(nodes):
                node.ovs("vsctl", "--may-exist", "add-port", "near", kind, "--", "set", "interface", kind, "type=" + kind, key,
                         "options:remote_ip=192.0.2.%d" % (2 - number), "options:local_ip=192.0.2.%d" % (1 + number))
            found[kind] = rate(hosts[0], hosts[1], "10.0.0.2")
            for node in nodes:
                node.ovs("vsctl", "del-port", "near", kind)
        for node in nodes:
            node.ovs("vsctl", "add-port", "near", "out", "--", "set", "interface", "out", "type=patch", "options:peer=in", "--",
                     "add-port", "far", "in", "tag=25", "--", "set", "interface", "in", "type=patch", "options:peer=out")
        found["vlan"] = rate(hosts[0], hosts[1], "10.0.0.2")
        nodes[0].run("ip", "address", "add", "10.0.0.7/24", "dev", "near")
        nodes[0].run("ip", "link", "set", "near", "up")
        found["host-stack"] = rate(hosts[0], nodes[0], "10.0.0.7")
    return found
