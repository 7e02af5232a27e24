"""The load balancer, one at either side of parallel firewalls that let through what begins inside, and answers.

    users  eth0 --- eth0 near eth1 --- eth0 firewall eth1 --- eth1 far eth0 --- eth0  internet
                              eth2 --- eth0 firewall eth1 --- eth2

An answer that takes another way than the question is dropped.
"""
import socket

import pytest

from function import nothing_lost, pings, seen

STRICT = {"FIREWALL_POLICY": "drop", "FIREWALL_RULES": "accept from inside"}
MANY = 16  # connections: that all of them take the same one of two branches happens once in 32,768 times
KIND = 0x88b5  # IEEE 802: for local experiments


def join(one, other):
    """Wire two functions of a node by a further port of each."""
    ends = [(function, "eth%d" % len(function.ports)) for function in (one, other)]
    (space, port), (far_space, far_port) = [(function.space, port) for function, port in ends]
    one.node.run("ip", "link", "add", port, "netns", space, "type", "veth", "peer", "name", far_port, "netns", far_space)
    for function, port in ends:
        function.inside("ip", "link", "set", port, "up")
        function.ports.append(port)


class Balanced:
    """Two hosts, the load balancers, and the firewalls between them."""

    def __init__(self, host, function, branches):
        self.function = function
        self.users, self.internet = host("10.0.0.1/24", "fd00::1/64"), host("10.0.0.2/24", "fd00::2/64")
        self.near = function("load-balancer", self.users)
        self.far = function("load-balancer", self.internet, beside=self.near)
        self.firewalls = []
        for _ in range(branches):
            self.add_branch()
        for one in self.near, self.far:
            assert one.run("start") == 0, one.said

    def add_branch(self):
        firewall = self.function("firewall", beside=self.near, **STRICT)
        join(self.near, firewall)
        join(firewall, self.far)
        assert firewall.run("start") == 0, firewall.said
        self.firewalls.append(firewall)

    def update(self, **variables):
        for one in self.near, self.far:
            assert one.run("update", **variables) == 0, one.said

    def connect(self, port, **where):
        return [bool(seen(self.users, self.internet, port, **where)) for _ in range(MANY)].count(True)

    def carried(self):
        """Return how many packets have entered each firewall from inside."""
        return [int(one.inside("cat", "/sys/class/net/eth0/statistics/rx_packets")) for one in self.firewalls]


@pytest.fixture
def balanced(host, function):
    return lambda branches: Balanced(host, function, branches)


def test_connections_take_all_branches_each_the_same_both_ways(balanced):
    world = balanced(2)
    assert world.connect(80) == MANY
    assert min(world.carried()) > 4
    before = world.carried()
    assert world.connect(80, to=("fd00::2", 80)) == MANY
    assert world.connect(53, kind=socket.SOCK_DGRAM) == MANY
    assert min(now - was for now, was in zip(world.carried(), before)) > 4
    assert pings(world.users, "10.0.0.2") and pings(world.users, "fd00::2")
    assert not seen(world.internet, world.users, 80, within=0.15), "a firewall is between"


def test_one_answers_where_the_other_asks(balanced):
    world = balanced(2)
    assert world.near.run("update", LB_BRANCHES="eth2") == world.far.run("update", LB_BRANCHES="eth1") == 0
    before = world.carried()
    assert world.connect(80) == MANY
    assert world.carried()[0] - before[0] <= 2, "ARP only"


def test_what_is_not_ip_comes_once_and_not_back(balanced):
    world = balanced(2)
    frame = bytes.fromhex("ffffffffffff" + world.users.mac.replace(":", "") + "%04x" % KIND) + bytes(46)
    with world.users.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(KIND)) as mouth, \
            world.internet.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(KIND)) as ear:
        for link in mouth, ear:
            link.bind(("eth0", KIND))
            link.settimeout(0.15)
        mouth.send(frame)
        assert ear.recv(99) == frame
        for link in mouth, ear:
            with pytest.raises(TimeoutError):
                link.recv(99)


def test_fragments_and_errors_get_where_their_packets_do(balanced):
    world = balanced(2)
    world.users.run("ping", "-c", "4", "-i", "0.002", "-W", "2", "-M", "dont", "-s", "4000", "10.0.0.2")
    world.internet.run("sysctl", "-qw", "net.ipv4.icmp_ratelimit=0")
    asked = [world.users.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(MANY)]
    try:
        for number, mouth in enumerate(asked):  # nobody listens: port unreachable, which is of the connection's firewall
            mouth.settimeout(2)
            mouth.connect(("10.0.0.2", 7000 + number))
            mouth.send(b"?")
            with pytest.raises(ConnectionRefusedError):
                mouth.recv(1)
    finally:
        for mouth in asked:
            mouth.close()


def test_a_branch_comes_and_takes_new_connections_only_when_it_may(balanced):
    world = balanced(1)
    with world.internet.socket() as ear, world.users.socket() as mouth:
        ear.bind(("", 80))
        ear.listen()
        mouth.connect(("10.0.0.2", 80))
        with ear.accept()[0] as link, nothing_lost(world.users, "10.0.0.2"):
            world.add_branch()
            world.update(SF_PORTS_ADDED="eth2", LB_BRANCHES="eth1")
            assert world.connect(81) == MANY and world.carried()[1] == 0
            world.update(LB_BRANCHES="eth2")
            assert world.connect(81) == MANY and world.carried()[1] > 4
            for one in mouth, link:
                one.settimeout(2)
            link.send(b"still")
            assert mouth.recv(5) == b"still", "the other firewall lets nothing in"


def test_the_connections_of_a_branch_that_goes_move_to_the_others(balanced):
    world = balanced(2)
    world.update(LB_BRANCHES="eth2")
    with nothing_lost(world.users, "10.0.0.2"):
        assert world.connect(80) == MANY
        for one in world.near, world.far:
            one.ports.remove("eth2")
        world.update(LB_BRANCHES="", SF_PORTS_REMOVED="eth2")
        before = world.carried()[1]
        assert pings(world.users, "10.0.0.2")
        for one in world.near, world.far:
            one.ports.append("eth2")
        world.update(LB_BRANCHES="eth1", SF_PORTS_ADDED="eth2")
        assert world.connect(80) == MANY
    assert world.carried()[1] == before, "they stay there when it comes back"


def test_a_branch_that_is_named_thrice_gets_three_times_as_many(balanced):
    world = balanced(2)
    world.update(LB_BRANCHES="eth1 eth2 eth2 eth2")
    before = world.carried()
    for port in range(1000, 1200):
        with world.users.socket(socket.AF_INET, socket.SOCK_DGRAM) as mouth:
            mouth.sendto(b"?", ("10.0.0.2", port))
    few, most = [now - was for now, was in zip(world.carried(), before)]
    assert 20 < few < 90 and few + most >= 200, "%d and %d" % (few, most)


def test_a_port_that_is_new_to_it_is_told_of(balanced):
    world = balanced(1)
    world.add_branch()
    said = "%s: nothing is sent on that enters or leaves there; start sees to it"
    assert (world.near.run("status"), world.near.said) == (1, said % "eth2")
    assert world.near.run("start") == world.near.run("status") == 0, world.near.said
    for port in "eth2", "eth0":  # another one by that name
        world.near.inside("ip", "link", "del", port)
        world.near.inside("ip", "link", "add", port, "type", "veth", "peer", "name", "far")
        assert (world.near.run("status"), world.near.said) == (1, said % port)
        assert world.near.run("start") == world.near.run("status") == 0, world.near.said
        world.near.inside("ip", "link", "set", "far", "name", "far." + port)


def test_one_that_lost_its_rules_is_not_running(balanced):
    world = balanced(1)
    world.near.inside("nft", "flush", "ruleset")
    assert (world.near.run("status"), world.near.said) == (1, "rules: are gone; start makes them")
