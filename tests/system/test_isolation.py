"""Isolation: whatever happens to a node, what enters by the SAPs of one graph leaves by those of no other (G6)."""
import threading
import time

import pytest

from graphs import both, graph, sf, vlan_sap
from node import Host, wire
from place import Place
from probes import Ear, send


@pytest.fixture(scope="module")
def shared():
    with Place() as place, Host("dmz") as place.dmz:
        wire(place.dmz, place.node, "dmz0")
        yield place


def tenant(name, vlan, other=None, function="w"):
    """A graph that joins a VLAN of lan0 and one of wan0, through a function."""
    return graph(name, [vlan_sap("a", "lan0", vlan), vlan_sap("b", "wan0", other or vlan)],
                 [sf(function, "puppet", "1", "2")], *both("1", "a", function + ":1"), *both("2", function + ":2", "b"))


class Senders:
    """Frames of two tenants all the time, each with its name, and what was heard at the other side."""

    def __init__(self, place):
        self.place, self.over, self.heard, self.strays = place, threading.Event(), set(), []
        self.threads = [threading.Thread(target=run) for run in (self._send, self._hear, self._watch)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *failure):
        time.sleep(0.5)
        self.over.set()
        for thread in self.threads:
            thread.join()

    def _send(self):
        while not self.over.wait(0.004):
            for vlan, label in ((1, "one"), (2, "two"), (None, "nobody")):
                send(self.place.lan, label, vlan)

    def _hear(self):
        with Ear(self.place.wan) as ear:
            while not self.over.is_set():
                self.heard.update((label, vlan) for label, vlan, _ in ear.heard(1, quiet=0.01))

    def _watch(self):
        with Ear(self.place.dmz) as ear:
            while not self.over.is_set():
                self.strays += ear.heard(0, quiet=0.1)


def until_deployed(place):
    end = time.monotonic() + 10
    while [one for one in place.ask("GET", "/graphs")["graphs"] if one["state"] != "deployed"]:
        assert time.monotonic() < end
        time.sleep(0.01)


def restart(place):
    place.agent.kill()
    place.agent.start()


# what happens meanwhile: to the switch, to the agent, to either graph
STORY = (
    ("an update", lambda place: place.put(tenant("one", 1, function="x"))),
    ("a delete and a graph of the same number", lambda place: (place.delete("two"), place.put(tenant("new", 2)))),
    ("a restart of the agent", restart),
    ("a restart of the switch", lambda place: (place.node.stop_vswitchd(), place.node.start_vswitchd())),
    ("the loss of a bridge", lambda place: place.node.ovs("vsctl", "del-br", "lsi1")),
    ("the loss of all rules", lambda place: place.node.ovs("ofctl", "-O", "OpenFlow14", "del-flows", "lsi0")),
    ("the loss of all namespaces", lambda place: place.node.run("ip", "-all", "netns", "del")),
    ("a deploy that fails", lambda place: place.put(graph(
        "bad", [vlan_sap("a", "dmz0", 1)], [sf("w", "puppet", "1", START="exit 1")], *both("1", "a", "w:1")), 500)),
)


def test_no_packet_of_a_tenant_reaches_another_whatever_happens(place):
    place.put(tenant("one", 1))
    place.put(tenant("two", 2))
    for what, happen in STORY:
        with Senders(place) as senders:
            happen(place)
            until_deployed(place)
            end = time.monotonic() + 8
            while senders.heard != {("one", 1), ("two", 2)} and time.monotonic() < end:
                time.sleep(0.1)
        assert senders.heard == {("one", 1), ("two", 2)}, what
        assert senders.strays == [], what
