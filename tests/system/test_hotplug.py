"""What comes and goes under way: an interface of the configuration, ports of a function that runs."""
import graphs
from function import pings
from node import Agent, Host, Node, wire
from place import LAN, WAN, Place
from probes import Probe


def test_an_interface_that_comes_later_carries_packets_at_the_next_change():
    with Node(interfaces=("lan0",)) as node, Host("lan", "10.0.0.1/24") as lan, Host("wan", "10.0.0.2/24") as wan:
        wire(lan, node, "lan0")
        lan_sap, wan_sap = graphs.sap("lan", "lan0"), graphs.sap("wan", "wan0")
        body = graphs.graph("g", [lan_sap, wan_sap], [], *graphs.both("r", "lan", "wan"))
        with Agent(node, {"interfaces": ["lan0", "wan0"]}) as agent:
            status, _, answer = agent.request("PUT", "/graphs/g", body)
            assert status == 409 and "wan0 is not there" in answer["message"]
            node.run("ip", "link", "add", "wan0", "type", "veth", "peer", "name", "wan0.far")
            node.run("ip", "link", "set", "wan0", "up")
            wire(wan, node, "wan0")
            assert agent.request("PUT", "/graphs/g", body)[0] == 201
            assert " 0% packet loss" in lan.run("ping", "-c", "2", "-i", "0.2", "10.0.0.2").stdout


def test_a_port_that_comes_to_a_running_function_is_used_and_one_that_goes_is_not_missed():
    """The probe goes through the function all the while, which is the one that was started at first."""
    told = 'echo "w said $SF_PORTS_ADDED, $SF_PORTS_REMOVED" >>/tmp/calls'
    ends = [LAN, WAN, graphs.sap("dmz", "dmz0")]

    def body(function, ports, **variables):
        rules = [one for port, sap in zip(ports, ends) for one in graphs.both(port, sap["id"], "w:" + port)]
        return graphs.graph("g", ends, [graphs.sf("w", function, *ports, **variables)], *rules)

    with Place() as place, Host("dmz", "10.0.0.3/24") as dmz:
        def inside(*words):
            return place.node.run("ip", "netns", "exec", "composer:g:w", *words).stdout.split()

        wire(dmz, place.node, "dmz0")
        for function, more in (("bridge", {}), ("puppet", {"UPDATE": told})):
            place.clear()
            place.put(body(function, "12", **more))
            space = inside("readlink", "/proc/self/ns/net")
            with Probe(place) as probe:
                for ports, third in (("123", True), ("12", False), ("123", True)):
                    place.put(body(function, ports, **more))
                    assert [name for name in inside("ls", "/sys/class/net") if name.startswith("eth")] == [
                        "eth0", "eth1", "eth2"][:len(ports)]
                    assert pings(dmz, "10.0.0.2", within=2 if third else 0.3) == third
            assert probe.lost == 0 and probe.sent > 500, "%d of %d" % (probe.lost, probe.sent)
            assert inside("readlink", "/proc/self/ns/net") == space
        assert place.calls("w") == ["start", "update eth2", "said eth2,", "update", "said , eth2", "update eth2", "said eth2,"]
