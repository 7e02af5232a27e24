"""The domain description of a real node: a real YANG tool takes it, and it changes when the node does."""
import json
import os
import subprocess
import time

import pytest

from broker import Broker, Client
from graphs import graph, sf, vlan_sap
from node import ROOT
from place import Place, chain

MODULE = ROOT + "/agent/yang/composer-domain.yang"
TOPIC = "composer/v1/node/description"
SOON = 12  # seconds: what no event tells of is seen within 10


@pytest.fixture(scope="module")
def place():
    interfaces = ["lan0", {"name": "wan0", "neighbour": "isp", "vlans": ["10-19", 30]}, "dmz0"]
    with Place(mqtt={"host": "127.0.0.1"}) as place, Broker(place.node.host):
        place.agent.stop()
        place.agent.config["interfaces"] = interfaces
        place.node.ovs("vsctl", "set", "Open_vSwitch", ".", "ovs_version=9.8.7")  # as the system's own scripts do
        place.agent.start()
        with Client(place.node.host, TOPIC + "/#") as place.ear:
            place.ear.wait(TOPIC, within=15)
            yield place


def described(place):
    return place.ask("GET", "/node")["composer-domain:domain"]


def endpoints(found):
    return {one["name"]: one["state"] for one in found["endpoints"]["endpoint"]}


def lint(value, folder):
    path = str(folder / "data.json")
    with open(path, "w") as file:
        json.dump(value, file)
    return subprocess.run(["yanglint", "-t", "data", MODULE, path], capture_output=True, text=True)


def test_the_module_and_the_description_of_a_real_node_are_valid(place, tmp_path):
    assert subprocess.run(["yanglint", MODULE], capture_output=True, text=True).stderr == ""
    place.put(chain("one"))
    for value in place.ask("GET", "/node"), place.ear.last(TOPIC):
        found = lint(value, tmp_path)
        assert found.returncode == 0 and not found.stderr, found.stderr
    place.clear()


@pytest.mark.parametrize("path, wrong", [
    ("endpoints.endpoint.0.state.mac-address", "02:00"), ("endpoints.endpoint.0.state.oper-status", "up"),
    ("endpoints.endpoint.0.state.vlan-free", ["0-7"]), ("endpoints.endpoint.0.state.colour", "red"),
    ("resources.memory.state.free", 7), ("resources.cpu.state.load", "much"), ("infrastructure.state.datapath", "none")])
def test_a_description_that_is_wrong_is_not_valid(place, tmp_path, path, wrong):
    value = place.ask("GET", "/node")
    inner, words = value["composer-domain:domain"], path.split(".")
    for word in words[:-1]:
        inner = inner[int(word) if word.isdigit() else word]
    inner[words[-1]] = wrong
    assert lint(value, tmp_path).returncode != 0


def test_what_it_says_is_what_the_node_is(place):
    found = described(place)
    assert found["state"]["name"] == "node"
    ends = endpoints(found)
    assert list(ends) == ["lan0", "wan0", "dmz0"] and ends["wan0"]["neighbor-domain"] == "isp" and ends["wan0"]["vlan-free"] == ["10-19", "30"]
    for name, state in ends.items():
        assert state["mac-address"] == place.node.run("cat", "/sys/class/net/%s/address" % name).stdout.strip()
    assert found["infrastructure"]["state"]["architecture"] == os.uname().machine
    assert found["infrastructure"]["state"]["datapath"] == place.node.datapath
    assert found["infrastructure"]["state"]["vswitch-version"] == "9.8.7"
    assert found["resources"]["cpu"]["state"]["cores"] == os.cpu_count()
    names = [one["name"] for one in found["functional-capabilities"]["functional-capability"]]
    assert {"firewall", "nat", "openflow-switch", "puppet"} <= set(names)


def test_it_is_told_again_when_an_interface_a_function_or_a_resource_is_another(place):
    def told(change, true):
        before = time.monotonic()
        change()
        place.ear.wait(TOPIC, lambda value: true(value["composer-domain:domain"]), SOON, since=before)

    told(lambda: place.node.run("ip", "link", "set", "dmz0.far", "down"), lambda one: endpoints(one)["dmz0"]["oper-status"] == "DOWN")
    told(lambda: place.node.run("ip", "link", "set", "dmz0.far", "up"), lambda one: endpoints(one)["dmz0"]["oper-status"] == "UP")
    told(lambda: place.node.run("ip", "link", "del", "dmz0"), lambda one: "dmz0" not in endpoints(one))
    told(lambda: place.node.run("ip", "link", "add", "dmz0", "type", "veth", "peer", "name", "dmz0.far"), lambda one: "dmz0" in endpoints(one))

    def functions(one):
        return [name["name"] for name in one["functional-capabilities"]["functional-capability"]]

    folder = place.node.dir + "/repository/"
    with open(folder + "puppet.json") as file:
        other = dict(json.load(file), name="other", **{"functional-capability": "another"})

    def add():
        with open(folder + "other.json", "w") as file:
            json.dump(other, file)

    told(add, lambda one: "another" in functions(one))
    told(lambda: os.remove(folder + "other.json"), lambda one: "another" not in functions(one))
    body = graph("g", [vlan_sap("v", "wan0", 12)], [sf("fw", "firewall", "in", "out")])
    told(lambda: place.put(body), lambda one: endpoints(one)["wan0"]["vlan-free"] == ["10-11", "13-19", "30"]
         and one["resources"]["memory"]["state"]["reserved"] == "1")
    told(lambda: place.delete("g"), lambda one: endpoints(one)["wan0"]["vlan-free"] == ["10-19", "30"])


def test_it_is_not_told_again_while_nothing_changes(place):
    time.sleep(1)
    count = len(place.ear.of(TOPIC))
    for _ in range(10):
        place.put(graph("g", [], []))
        place.delete("g")
    time.sleep(2)
    assert len(place.ear.of(TOPIC)) <= count + 1


def test_frog_hears_it_too(place):
    heard, asked = place.ear.last(TOPIC + "/frog"), place.ask("GET", "/node?shape=frog")
    for found in heard, asked:
        assert found["netgroup-domain:informations"]["id"] == "node"
    assert "interfaces" in asked["netgroup-domain:informations"]["hardware-informations"]
    refused = place.ask("GET", "/node?shape=round", status=400)
    assert refused["where"] == "query"


def test_only_what_is_configured_is_told():
    with Place(description={"infrastructure": False, "resources": False}) as place:
        assert sorted(described(place)) == ["endpoints", "functional-capabilities", "state"]
