"""OpenFlow switches as functions: an LSI that a controller of the same graph programs, and nothing else of the node."""
import json
import time

import pytest

from function import pings
from graphs import both, graph, rule, sap, sf, vlan_sap
from place import LAN, WAN, Place, bundle, until
from probes import Ear, send

DMZ = sap("dmz", "dmz0")
SWITCH, CONTROLLER = {"id": "control:0", "ip": "10.79.0.1/24"}, {"id": "control:0", "ip": "10.79.0.2/24"}


@pytest.fixture(scope="module")
def place():
    with Place() as place:
        yield place


@pytest.fixture(autouse=True)
def cleared(place):
    before = place.world()
    yield
    place.clear()
    assert not place.changes(before)


def switched(*ends, name="g", saps=(LAN, WAN), **variables):
    """Return a graph in which a switch joins SAPs (their ids), and its controller."""
    ports = ["data:%d" % number for number in range(len(ends))]
    rules = [one for port, end in zip(ports, ends) for one in both(port.replace(":", ""), end, "sw:" + port)]
    return graph(name, list(saps), [sf("sw", "openflow-switch", SWITCH, *ports, **variables), sf("ctl", "openflow-controller", CONTROLLER)],
                 *rules, *both("control", "sw:control:0", "ctl:control:0"))


def joined(place):
    return until(lambda: pings(place.lan, "10.0.0.2"), 8)


def told(place):
    """Return how many flows for pings the switch has been told of."""
    return place.node.ovs("ofctl", "-O", "OpenFlow14", "dump-flows", lsi(place)).count("icmp,")


def lsi(place):
    """Return the LSI that is the switch."""
    return [name for name in place.node.ovs("vsctl", "list-br").split() if name.endswith("o")][0]


def test_nothing_passes_until_the_controller_says_so(place):
    body = switched("lan", "wan")
    body["sffg"]["flowrules"] = [one for one in body["sffg"]["flowrules"] if "control" not in one["id"]]
    place.put(body)
    assert not pings(place.lan, "10.0.0.2")
    place.put(switched("lan", "wan"))
    joined(place)
    until(lambda: "is_connected: true" in place.node.ovs("vsctl", "show"))


def test_without_its_controller_it_goes_on_and_the_next_one_is_found(place):
    place.put(switched("lan", "wan"))
    joined(place)
    until(lambda: pings(place.lan, "10.0.0.2") and told(place) == 2)
    pid, = place.node.pids("ovs-testcontrol")
    place.node.run("kill", "-KILL", place.node.run("pidof", "ovs-testcontroller").stdout.strip())
    assert pings(place.lan, "10.0.0.2"), "what it has been told holds"
    until(lambda: [one for one in place.node.pids("ovs-testcontrol") if one != pid], 10)
    place.node.ovs("ofctl", "-O", "OpenFlow14", "del-flows", lsi(place))
    joined(place)


def test_a_switch_that_dies_is_programmed_again(place):
    place.put(switched("lan", "wan"))
    joined(place)
    place.node.stop_vswitchd()
    place.node.start_vswitchd()
    until(lambda: pings(place.lan, "10.0.0.2"), 15)


def test_the_agents_death_and_a_look_touch_nothing_of_it(place):
    place.put(switched("lan", "wan"))
    joined(place)
    place.node.ovs("ofctl", "-O", "OpenFlow14", "add-flow", lsi(place), "table=7,priority=7,actions=drop")
    flows = place.node.ovs("ofctl", "-O", "OpenFlow14", "dump-flows", lsi(place), "table=7")
    place.agent.kill()
    assert pings(place.lan, "10.0.0.2")
    before = len(place.agent.log)
    place.agent.start()
    time.sleep(5)
    again = place.node.ovs("ofctl", "-O", "OpenFlow14", "dump-flows", lsi(place), "table=7")
    assert again.split("actions")[1] == flows.split("actions")[1] and pings(place.lan, "10.0.0.2")
    assert "script" not in place.agent.log[before:] and "netns exec" not in place.agent.log[before:]


def test_what_somebody_takes_away_of_it_is_made_again(place):
    place.put(switched("lan", "wan"))
    joined(place)
    place.node.ovs("vsctl", "del-br", lsi(place))
    until(lambda: pings(place.lan, "10.0.0.2"), 15)
    place.node.run("dash", "-c", "rm %s/*.controller" % place.node.rundir)
    place.node.ovs("vsctl", "del-port", "l1s0p1")
    until(lambda: place.node.run("dash", "-c", "ls %s/*.controller" % place.node.rundir, check=False).returncode == 0, 10)
    until(lambda: pings(place.lan, "10.0.0.2"), 15)


def test_a_port_is_added_and_taken_away_while_the_others_carry(place):
    place.put(switched("lan", "wan"))
    joined(place)
    with place.lan.popen("ping", "-q", "-i", "0.005", "-w", "4", "10.0.0.2", stdout=-1) as ping:
        time.sleep(0.5)
        place.put(switched("lan", "wan", "dmz", saps=(LAN, WAN, DMZ)))
        time.sleep(0.5)
        place.put(switched("lan", "wan"))
        out = ping.communicate()[0]
    assert " 0% packet loss" in out, out
    place.put(switched("lan", "wan", "dmz", saps=(LAN, WAN, DMZ)))
    text = place.node.ovs("ofctl", "-O", "OpenFlow14", "show", lsi(place))
    assert [" %d(l1s0q%d)" % (number, number) in text for number in (1, 2, 3)] == [True] * 3, "port numbers are positions"


@pytest.mark.parametrize("verb, back", [("pause", "resume"), ("stop", "start")])
def test_paused_or_stopped_it_forwards_nothing_even_if_the_switch_is_started_again(place, verb, back):
    place.put(switched("lan", "wan"))
    joined(place)
    place.ask("POST", "/graphs/g/functions/sw/" + verb)
    assert not pings(place.lan, "10.0.0.2")
    place.node.stop_vswitchd()
    place.node.start_vswitchd()
    time.sleep(3)
    assert not pings(place.lan, "10.0.0.2")
    place.put(switched("lan", "wan", "dmz", saps=(LAN, WAN, DMZ)))
    assert not pings(place.lan, "10.0.0.2")
    place.node.ovs("vsctl", "del-port", "l1w0")  # which has the graph mended
    until(lambda: "l1w0" in place.node.ovs("vsctl", "list-ports", "lsi1"), 10)
    assert not pings(place.lan, "10.0.0.2")
    place.ask("POST", "/graphs/g/functions/sw/" + back)
    joined(place)


def test_two_graphs_have_the_same_addresses_side_by_side(place):
    for name, one, vlan in ("g", LAN, 7), ("h", WAN, 8):
        place.put(switched(one["id"], "dmz", name=name, saps=(one, vlan_sap("dmz", "dmz0", vlan))))
    until(lambda: place.node.ovs("vsctl", "show").count("is_connected: true") == 2)


def test_its_controller_reaches_nothing_else_of_the_node(place):
    """Whatever rule it has: to all ports, to the node's own stack, by NORMAL, or to ports that it does not have."""
    place.put(switched("lan", "wan", "dmz", saps=(LAN, WAN, DMZ)))
    joined(place)
    place.ask("POST", "/graphs/g/functions/ctl/stop")
    place.put(graph("other", [vlan_sap("v9", "wan0", 9)], [], rule("1", "v9", "v9")))
    others = {bridge: place.flows(bridge) for bridge in ("lsi0", "lsi1", "lsi2")}
    for actions in ("NORMAL", "FLOOD", "ALL", "LOCAL", "CONTROLLER", "in_port", "9", "LOCAL,NORMAL"):
        place.node.ovs("ofctl", "-O", "OpenFlow14", "del-flows", lsi(place))
        place.node.ovs("ofctl", "-O", "OpenFlow14", "add-flow", lsi(place), "actions=" + actions)
        with Ear(place.wan) as ear:
            send(place.lan, "x" + actions, to="ff:ff:ff:ff:ff:ff")
            ear.heard(1 if actions in ("NORMAL", "FLOOD", "ALL", "LOCAL,NORMAL") else 0)
    assert {bridge: place.flows(bridge) for bridge in others} == others
    assert [place.node.ovs("vsctl", "get-controller", bridge, check=False).strip() for bridge in ("lsi0", "lsi1")] == ["", ""]
    local = place.node.run("ip", "address", "show", lsi(place)).stdout
    assert "state DOWN" in local and "inet" not in local
    assert place.node.run("cat", "/sys/class/net/%s/statistics/rx_packets" % lsi(place)).stdout.strip() == "0", "of its LOCAL port"


def test_the_node_picks_the_implementation(place):
    folder = place.agent.config["repository"]
    bundle(folder + "/other.tgz", {"start": "#!/bin/sh\nexit 0\n", "stop": "#!/bin/sh\n"})
    other = {"name": "other", "functional-capability": "openflow-switch", "vnf-type": "native", "uri-image": "other.tgz",
             "ports": [{"position": "1-N", "min": 2}]}
    with open(folder + "/other.json", "w") as file:
        json.dump(other, file)
    try:
        place.put(switched("lan", "wan"))
        assert place.status("g")["functions"][1]["implementation"] == "other", "a native one comes first"
        place.delete("g")
        body = switched("lan", "wan")
        body["sffg"]["SFs"][0]["constraints"] = {"vnf-type": "openflow-switch"}
        place.put(body)
        found = place.status("g")["functions"][1]
        assert (found["implementation"], found["type"]) == ("openflow-switch", "openflow-switch")
        joined(place)
    finally:
        place.node.run("rm", folder + "/other.json", folder + "/other.tgz")
