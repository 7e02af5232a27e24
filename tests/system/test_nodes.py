"""Nodes: one service over several, with real packets from end to end (paper, 5.1.1 and Figure 6).

    user  10.0.0.1 --- lan0  one    wan0 192.0.2.1 ---+
    web   10.0.0.2 --- lan0  two    wan0 192.0.2.2 ---+--- the underlay, a switch in a box of its own
    far   10.0.0.3 --- lan0  three  wan0 192.0.2.3 ---+

The addresses of the underlay are managed in band, so tunnels begin on LSI-0.  The halves of the service are examples;
where it is split over a VLAN they have another SAP of the same id.
"""
import contextlib
import json
import struct

import pytest

from ctl import ctl
from function import pings, seen
from graphs import sap, tunnel, vlan_sap
from node import ROOT, Agent, Host, Node, wire
from place import changes, world
from probes import Ear, send

VLAN, KEY, BIG = 100, 1, 1472  # of the underlay, of the tunnel; bytes of a ping that makes a packet of 1500
FIREWALL, BLOCKER = "figure-6-firewall", "figure-6-adv-blocker"


class Nodes:
    """.one, .two, .three: nodes, with the host behind each as .host and its agent as .agent."""

    def __init__(self):
        with contextlib.ExitStack() as stack:
            self.underlay = stack.enter_context(Host("underlay"))
            self.underlay.run("ip", "link", "add", "br0", "mtu", "1600", "type", "bridge")  # room for tunnels
            self.underlay.run("ip", "link", "set", "br0", "up")
            self.user = stack.enter_context(Host("user", "10.0.0.1/24", "192.168.1.10/24", gateway="192.168.1.1"))
            self.web = stack.enter_context(Host("web", "10.0.0.2/24", "10.0.0.66/24"))
            self.far = stack.enter_context(Host("far", "10.0.0.3/24", "192.168.2.10/24"))
            self.all = []
            for number, (name, host) in enumerate((("one", self.user), ("two", self.web), ("three", self.far)), 1):
                node = stack.enter_context(Node(name))
                wire(host, node, "lan0")
                wire(self.underlay, node, "wan0", end=name)
                self.underlay.run("ip", "link", "set", name, "mtu", "1600", "master", "br0")
                node.run("ip", "address", "add", "192.0.2.%d/24" % number, "dev", "wan0")
                node.agent = stack.enter_context(Agent(node, {"inband": {"interface": "wan0"}}))
                self.all.append(node)
            self.one, self.two, self.three = self.all
            self._stack = stack.pop_all()

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self._stack.close()


@pytest.fixture(scope="module")
def shared():
    with Nodes() as nodes:
        yield nodes


@pytest.fixture
def nodes(shared):
    """The nodes, without graphs; when the test has ended, and its graphs are deleted, all must be as before."""
    before = [world(node) for node in shared.all]
    yield shared
    for node in shared.all:
        for graph in node.agent.request("GET", "/graphs")[2]["graphs"]:
            run(node, "delete", graph["id"])
    assert [changes(*pair) for pair in zip(before, map(world, shared.all))] == [[]] * 3


def run(node, *words, **options):
    """Run composerctl for a node."""
    done = ctl("unix:%s/agent.sock" % node.dir, *words, **options)
    assert done.returncode == 0, done
    return done.stdout


def apply(node, name, *ends, **more):
    """Deploy an example on a node, with `ends` in place of its SAPs of the same ids, and `more` of the graph."""
    with open("%s/agent/examples/%s.json" % (ROOT, name)) as file:
        body = json.load(file)
    body["sffg"].update(more)
    for end in ends:
        saps = body["sffg"]["saps"]
        saps[[one["id"] for one in saps].index(end["id"])] = end
    run(node, "apply", "-", input=json.dumps(body))


def split(nodes, way):
    """Deploy the two halves of Figure 6, joined by `way`; return [(node, what deploys its half)]."""
    ends = [vlan_sap("far", "wan0", VLAN)] if way == "vlan" else []
    halves = [(nodes.one, lambda: apply(nodes.one, FIREWALL, *ends)),
              (nodes.two, lambda: apply(nodes.two, BLOCKER, *ends))]
    for _, deploy in halves:
        deploy()
    return halves


@contextlib.contextmanager
def overheard(nodes, **wanted):
    """While the body runs, what each node sends over the underlay is as wanted: {name of a node: {what}}."""
    with contextlib.ExitStack() as stack:
        ears = {name: stack.enter_context(Ear(nodes.underlay, name)) for name in wanted}
        yield
        heard = {name: set(map(outside, ear.frames(0))) - {"arp 192.0.2"} for name, ear in ears.items()}
    assert heard == wanted


def outside(frame):
    """Return what a frame is to the underlay, as a text."""
    kind, = struct.unpack_from("!H", frame, 12)
    if kind == 0x8100:
        return "VLAN %d" % (struct.unpack_from("!H", frame, 14)[0] & 0xfff)
    if kind == 0x0806:
        return "arp %d.%d.%d" % tuple(frame[28:31])
    if kind == 0x0800 and frame[23] == 47 and frame[34:38] == bytes.fromhex("20006558"):
        return "GRE 192.0.2.%d to 192.0.2.%d key %d" % (frame[29], frame[33], *struct.unpack_from("!I", frame, 38)) \
            if frame[26:29] == frame[30:33] == bytes((192, 0, 2)) else "GRE elsewhere"
    return frame.hex()


def gre(near, far):
    return {"GRE 192.0.2.%d to 192.0.2.%d key %d" % (near, far, KEY)}


TAGGED = {"VLAN %d" % VLAN}


@pytest.mark.parametrize("way, there, back", [("gre", gre(1, 2), gre(2, 1)), ("vlan", TAGGED, TAGGED)])
def test_a_service_split_over_two_nodes_is_as_it_would_be_on_one(nodes, way, there, back):
    assert not pings(nodes.user, nodes.web.ip, within=0.3)
    split(nodes, way)
    with overheard(nodes, one=there, two=back, three=set()):
        assert seen(nodes.user, nodes.web, 8080) == nodes.user.ip and seen(nodes.web, nodes.user, 8080) == nodes.web.ip
        assert pings(nodes.user, nodes.web.ip, size=BIG), "a whole packet fits"
        assert not seen(nodes.user, nodes.web, 8081, within=0.5), "the firewall refuses it, on node one"
        assert not seen(nodes.user, nodes.web, 80, ("10.0.0.66", 80), within=0.5), "the adv-blocker, on node two"


@pytest.mark.parametrize("way", ["gre", "vlan"])
def test_a_half_that_goes_takes_the_service_but_not_the_other_half_and_brings_it_back(nodes, way):
    halves = split(nodes, way)
    worlds = [world(node) for node in nodes.all]
    for node, deploy in halves:
        assert pings(nodes.user, nodes.web.ip)
        graph, = node.agent.request("GET", "/graphs")[2]["graphs"]
        run(node, "delete", graph["id"])
        assert not pings(nodes.user, nodes.web.ip, within=0.5)
        for other, before in zip(nodes.all, worlds):
            assert other is node or not changes(before, world(other))
        assert pings(nodes.one, "192.0.2.2") and pings(nodes.two, "192.0.2.3"), "the nodes themselves go on"
        deploy()
    assert seen(nodes.user, nodes.web, 8080) == nodes.user.ip


def test_a_chain_over_three_nodes_takes_a_tunnel_and_then_a_vlan(nodes):
    apply(nodes.one, FIREWALL)
    apply(nodes.two, BLOCKER, vlan_sap("internet", "wan0", VLAN))
    apply(nodes.three, "home", vlan_sap("lan", "wan0", VLAN), sap("wan", "lan0"))
    server, nat = "192.168.2.10", "192.168.2.1"
    with overheard(nodes, one=gre(1, 2), two=gre(2, 1) | TAGGED, three=TAGGED):
        assert seen(nodes.user, nodes.far, 8080, (server, 8080)) == nat, "which is on node three"
        assert pings(nodes.user, server, size=BIG)
        assert not seen(nodes.user, nodes.far, 8081, (server, 8081), within=0.5), "the firewall refuses it, on node one"


def test_two_services_between_the_same_nodes_do_not_meet(nodes):
    split(nodes, "gre")
    one, two = "192.0.2.1", "192.0.2.2"
    apply(nodes.one, FIREWALL, vlan_sap("user", "lan0", 25), tunnel("gre", one, two, KEY + 1, "far"), id="blue")
    apply(nodes.two, BLOCKER, tunnel("gre", two, one, KEY + 1, "far"), vlan_sap("internet", "lan0", 26), id="blue")
    with Ear(nodes.web) as ear:
        send(nodes.user, "red")
        send(nodes.user, "blue", vlan=25)
        assert ear.heard(2) == [("blue", 26, nodes.user.mac), ("red", None, nodes.user.mac)]


def test_a_node_that_fails_takes_the_service_no_longer_than_its_switch_is_away(nodes):
    split(nodes, "gre")
    nodes.two.agent.kill()
    assert pings(nodes.user, nodes.web.ip), "the agent's death stops nothing"
    nodes.two.agent.start()
    nodes.two.stop_vswitchd()
    nodes.two.start_vswitchd()
    assert pings(nodes.user, nodes.web.ip, within=5)
    assert seen(nodes.user, nodes.web, 8080) == nodes.user.ip
