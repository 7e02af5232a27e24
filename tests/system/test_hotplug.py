"""An interface of the configuration that comes after the agent has started."""
import graphs
from node import Agent, Host, Node, wire


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
