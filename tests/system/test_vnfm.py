"""The manager of network functions (paper, 7.2.1 and Figure 14): a function that has the agent change its own graph.

    host lan --- lan0 --- near === fw1, fw2, ... === far --- wan0 --- host wan
                 vnfm --- 10.77.0.1, the agent, as user alice, who owns this graph and no other
"""
import json
import time

import pytest

from composer import passwords
from function import seen
from graphs import graph, sap
from node import ROOT
from place import Place, until
from probes import Probe

PASSWORD = "correct horse"
USERS = [{"name": name, "role": role, "password": passwords.make(PASSWORD, passwords.FEWEST)}
         for name, role in (("alice", "owner"), ("root", "admin"))]
MANY = 16  # connections: that all of them take the same one of two branches happens once in 32,768 times
WITHIN = 20  # seconds for the manager: two changes, and machines are slow


class Figure14(Place):
    """The graph of the example, which alice has deployed; another is root's."""

    def __init__(self):
        super().__init__(listen="0.0.0.0:8080", auth={"users": USERS},
                         inband={"interface": "dmz0", "address": "192.0.2.1/24", "confirm": 60})
        self.tokens = {}
        try:
            with open(ROOT + "/agent/examples/vnfm.json") as file:
                self.body = json.load(file)
            self.as_user("root", "PUT", "/graphs/other?confirm=0", graph("other", [sap("dmz", "dmz0")], []))
            self.before = self.world()
            self.tell(VNFM_PASSWORD=PASSWORD, VNFM_LOOK="1")
        except BaseException as failure:
            self.__exit__(failure)
            raise

    def as_user(self, name, method, path, body=None, status=(200, 201)):
        if name not in self.tokens:
            self.tokens[name] = self.ask("POST", "/login", {"username": name, "password": PASSWORD})
        return self.ask(method, path, body, status, {"X-Auth-Token": self.tokens[name]})

    def tell(self, confirm=0, **variables):
        """Change variables of the manager, as alice does: the graph as it is, with those; on trial for `confirm` seconds."""
        manager, = [sf for sf in self.body["sffg"]["SFs"] if sf["name"] == "vnfm"]
        manager["variables"].update(variables)
        self.as_user("alice", "PUT", "/graphs/vnfm?confirm=%d" % confirm, self.body)

    def uses(self, *branches):
        """Is the graph deployed, with load balancers that use these branches?  Takes it as it is."""
        if self.as_user("alice", "GET", "/graphs/vnfm/status")["state"] != "deployed":
            return False
        self.body = self.as_user("alice", "GET", "/graphs/vnfm")
        return [sf["variables"]["LB_BRANCHES"].split() for sf in self.body["sffg"]["SFs"]
                if sf["name"] == "load-balancer"] == [list(branches)] * 2

    def carried(self):
        """Return {firewall: packets that entered it from inside}."""
        return {sf["id"]: int(self.node.run("ip", "netns", "exec", "composer:vnfm:" + sf["id"],
                                            "cat", "/sys/class/net/eth0/statistics/rx_packets").stdout)
                for sf in self.body["sffg"]["SFs"] if sf["name"] == "firewall"}

    def connect(self):
        """Return how many packets each firewall has carried of many connections, all of which got an answer."""
        before = self.carried()
        assert all([seen(self.lan, self.wan, 80) for _ in range(MANY)])
        return {name: now - before[name] for name, now in self.carried().items()}


@pytest.fixture(scope="module")
def shared():
    with Figure14() as place:
        yield place


@pytest.fixture
def place(shared):
    return shared


def test_told_so_it_adds_a_firewall_and_has_it_used_and_no_packet_is_lost(place):
    assert place.uses("eth1") and place.connect().keys() == {"fw1"}
    with place.wan.socket() as ear, place.lan.socket() as mouth:
        ear.bind(("", 8080))
        ear.listen()
        mouth.connect(("10.0.0.2", 8080))
        with ear.accept()[0] as link, Probe(place) as probe, Probe(place, apart=True) as strangers:
            place.tell(60, VNFM_FIREWALLS="2")
            time.sleep(1)
            assert place.uses("eth1"), "it waits for what is on trial"
            place.as_user("alice", "POST", "/graphs/vnfm/confirm")
            until(lambda: place.uses("eth1", "eth2"), WITHIN)
            mouth.settimeout(5)
            link.send(b"still")
            assert mouth.recv(5) == b"still", "its firewall knows it, the other would let nothing in"
    status = place.as_user("alice", "GET", "/graphs/vnfm/status")
    assert "confirm_within" not in status, "what the manager does is on no trial, on a node where that has to be said"
    assert probe.lost == strangers.lost == 0, "of %d of one connection, and of %d connections" % (probe.sent, strangers.sent)
    assert min(place.connect().values()) > 4
    assert not seen(place.lan, place.wan, 8081, within=0.3), "both refuse it"


def test_with_much_to_carry_it_adds_one_by_itself_with_an_agent_that_has_forgotten_it(place):
    place.agent.kill()
    place.agent.start()
    place.tokens.clear()
    with Probe(place) as probe:
        place.tell(VNFM_RATE="100", VNFM_MOST="3")
        until(lambda: place.uses("eth1", "eth2", "eth3"), WITHIN)
    assert probe.lost == 0, "of %d" % probe.sent
    assert place.connect().keys() == {"fw1", "fw2", "fw3"}


def test_a_graph_that_is_taken_down_stays_down_and_all_that_was_added_is_gone(place):
    place.as_user("alice", "DELETE", "/graphs/vnfm?confirm=0", status=204)
    assert not place.changes(place.before)
