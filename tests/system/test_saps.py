"""SAPs that are ports of their own: tunnels to another node, the node itself, segments; and management in band."""
import contextlib
import os
import shutil
import subprocess

import pytest

import packets
from composer.core import access, saps
from composer.system import PATH
from frames import octets
from function import pings
from graphs import both, graph, host_stack, internal, rule, sap, sf, tunnel, vlan_sap, wire
from node import Host
from node import wire as wired
from pair import Pair
from place import LAN, WAN, Place, until
from probes import Ear, mouth, send, speed

FLOOR = 20  # Mb/s, a bound: 300 and more on a quiet machine, and nearly 0 when full-size segments are lost
NOTHING = 0.5  # seconds in which nothing may come

# what is ended and started again; a side is a Place or one side of a Pair
RESTARTS = {
    "the agent": lambda side: (side.agent.kill(), side.agent.start()),
    "ovs-vswitchd": lambda side: (side.node.stop_vswitchd(), side.node.start_vswitchd()),
    "ovsdb-server": lambda side: (side.node.stop_ovsdb(), side.node.start_ovsdb()),
}


def reached(host, to):
    """Does a host get an answer soon?  One that has asked in vain for a MAC address gives up, and is told to go on."""
    return until(lambda: pings(host, to, within=1))


def refused(side, body, where, right):
    answer = side.put(body, 409)
    assert answer["where"] == where and right in answer["message"], answer


# Tunnels.


@pytest.fixture(scope="module")
def pair():
    with Pair() as pair:
        yield pair


@pytest.fixture
def sides(pair):
    """The sides of the pair without graphs, whose agents choose the way of tunnels; all must be as before in the end."""
    force(pair, "auto")
    before = pair.one.world(), pair.two.world()
    yield pair.one, pair.two
    for side in (pair.one, pair.two):
        side.clear()
    for side, was in zip((pair.one, pair.two), before):
        assert not side.changes(was)


def force(pair, way):
    """Have both agents make tunnels this way from now on."""
    for side in (pair.one, pair.two):
        if side.agent.config["ovs"].get("tunnels", "auto") != way:
            side.agent.stop()
            side.agent.config["ovs"]["tunnels"] = way
            side.agent.start()


def has_device(kind):
    """Say whether this machine's kernel has the devices for tunnels of a kind."""
    words = ["type", saps.KINDS[kind].tunnel[1], "local", "192.0.2.1", "remote", "192.0.2.2"]
    made = subprocess.run(["ip", "link", "add", "composer-try"] + words, capture_output=True, text=True)
    subprocess.run(["ip", "link", "del", "composer-try"], capture_output=True)
    return "Unknown device type" not in made.stderr


NO_GRETAP = pytest.mark.skipif(not has_device("gre"), reason="needs the kernel module ip_gre, which this machine lacks")
WAYS = [("gre", "ovs"), ("vxlan", "ovs"), ("vxlan", "device"), pytest.param("gre", "device", marks=NO_GRETAP)]


def end(side, kind, key=7, to=None, **more):
    """A graph that joins the host of a side and a tunnel to the other side's node."""
    remote = to or {"192.0.2.1": "192.0.2.2", "192.0.2.2": "192.0.2.1"}[side.address]
    return wire("g", LAN, tunnel(kind, side.address, remote, key, "t", **more))


def joined(sides, kind, **more):
    """Put both ends of a tunnel; return whether the hosts are joined by it."""
    for side in sides:
        side.put(end(side, kind, **more))
    return reached(sides[0].host, "10.0.0.2")


def port(side):
    """Return the port of the only SAP of graph g that has one of its own, and the way of its tunnel."""
    found, = side.status("g")["saps"]
    return found["port"], found.get("way")


@pytest.mark.parametrize("kind, way", WAYS)
def test_a_tunnel_carries_full_size_packets_at_speed_both_ways_and_comes_and_goes(pair, sides, kind, way):
    one, two = sides
    force(pair, way)
    assert joined(sides, kind) and port(one)[1] == way
    for source, target in ((one.host, two.host), (two.host, one.host)):
        source.run("ping", "-c", "1", "-W", "2", "-M", "dont", "-s", "1472", target.ip)
        assert speed(source, target, target.ip) > FLOOR
    two.delete("g")
    assert not pings(one.host, "10.0.0.2", within=NOTHING)


TAKE_ALL = 'for bridge in $(ovs-vsctl list-br); do ovs-vsctl del-br $bridge; done; ip link del "$1" || :'


@pytest.mark.parametrize("kind, way", WAYS)
def test_a_tunnel_is_there_after_every_restart(pair, sides, kind, way):
    one, two = sides
    force(pair, way)
    assert joined(sides, kind)
    before = one.world()
    for what, restart in RESTARTS.items():
        restart(one)
        assert reached(one.host, "10.0.0.2"), what
        until(lambda: not one.changes(before))
        assert port(one)[1] == way
    before = two.world()
    two.node.run("sh", "-c", TAKE_ALL, "sh", port(two)[0])
    until(lambda: not two.changes(before))
    assert reached(one.host, "10.0.0.2")


@pytest.mark.parametrize("kind, way", WAYS)
def test_a_tunnel_with_another_key_or_to_another_node_lets_nothing_through(pair, sides, kind, way):
    """Each is a change in place, and with the right one packets pass again: that they did not was no accident."""
    one, two = sides
    force(pair, way)
    assert joined(sides, kind)
    for wrong in ({"key": 8}, {"to": "192.0.2.99"}):
        assert two.put(end(two, kind, **wrong))["outcome"] == "updated"
        assert not pings(one.host, "10.0.0.2", within=NOTHING), wrong
        two.put(end(two, kind))
        assert reached(one.host, "10.0.0.2"), wrong
    assert joined(sides, kind, key=0xffffff)


@pytest.mark.parametrize("kind, way", WAYS)
def test_the_time_to_live_of_a_tunnel_is_changed_in_place(pair, sides, kind, way):
    one, two = sides
    force(pair, way)
    assert joined(sides, kind)
    was, protocol = port(one), {"gre": 47, "vxlan": 17}[kind]

    def lives():
        with Ear(two.node, "wan0") as ear:
            assert pings(one.host, "10.0.0.2")
            return {one[22] for one in ear.frames(1, wanted=lambda one: one[12:14] == b"\x08\x00" and one[23] == protocol)}
    assert lives() == {64}
    one.put(end(one, kind, ttl="0x9"))
    assert lives() == {9} and port(one) == was


def test_two_vxlan_tunnels_of_another_port_are_apart(sides):
    assert joined(sides, "vxlan", port=4790)
    sides[1].put(end(sides[1], "vxlan"))
    assert not pings(sides[0].host, "10.0.0.2", within=NOTHING)


@pytest.mark.parametrize("kind, way", WAYS)
def test_what_enters_one_tunnel_leaves_by_no_other(pair, sides, kind, way):
    one, two = sides
    force(pair, way)
    for side in sides:
        for key in (1, 2):
            other = (set(sides) - {side}).pop().address
            side.put(wire("g%d" % key, vlan_sap("v", "lan0", 20 + key), tunnel(kind, side.address, other, key, "t")))
    with Ear(two.host) as ear:
        for vlan in (21, 22, 23, None):
            send(one.host, "in %s" % vlan, vlan)
        assert ear.heard(2) == [("in 21", 21, one.host.mac), ("in 22", 22, one.host.mac)]
    assert sorted(port["port"] for name in ("g1", "g2") for port in one.status(name)["saps"]) == ["l1a0", "l2a0"]


def test_what_a_tunnel_cannot_have_is_said(pair, sides):
    one, two = sides
    one.put(end(one, "gre"))
    refused(one, dict(wire("h", LAN, tunnel("gre", one.address, two.address, "0x7"))), "saps[1]", "of graph g")
    one.put(wire("h", vlan_sap("v", "lan0", 7), tunnel("gre", one.address, two.address, 8)))
    refused(one, end(one, "gre", key=8), "saps[1]", "of graph h")
    twice = graph("i", [tunnel("vxlan", one.address, two.address, 1, name) for name in ("a", "b")], [])
    refused(one, twice, "saps[1]", "of this graph")
    refused(one, wire("i", LAN, tunnel("gre", "192.0.2.77", two.address, 7)), "saps[1].gre.local-ip", "192.0.2.1")
    refused(one, end(one, "gre", secure="true"), "saps[1].gre.secure", "leave it out")
    assert one.put(end(one, "gre", secure=False))["outcome"] == "unchanged"


def test_a_tunnel_whose_address_is_not_on_lsi0_is_a_device_of_the_kernel_or_refused(pair, sides):
    """The switch in user space knows the addresses of its bridges only."""
    if pair.one.node.datapath != "netdev":
        pytest.skip("needs a switch in user space")
    one, two = sides
    for side in sides:
        side.node.run("ip", "address", "add", side.address.replace("192.0.2", "198.51.100") + "/32", "dev", "lo")
        side.node.run("ip", "route", "add", "198.51.100.0/24", "dev", "lsi0")
    try:
        body = wire("g", LAN, tunnel("vxlan", "198.51.100.1", "198.51.100.2", 7, "t"))
        force(pair, "ovs")
        refused(one, body, "saps[1].vxlan.local-ip", "is not on lsi0")
        force(pair, "auto")
        one.put(body)
        assert port(one)[1] == "device"
    finally:
        one.delete("g")
        for side in sides:
            side.node.run("ip", "route", "del", "198.51.100.0/24", "dev", "lsi0")
            side.node.run("ip", "address", "del", side.address.replace("192.0.2", "198.51.100") + "/32", "dev", "lo")


REFUSING = """#!/bin/sh
for word do
    shift
    test "$word" != type=vxlan || word=type=vxlan-of-tomorrow
    set -- "$@" "$word"
done
exec /mnt/ovs-vsctl "$@"
"""


@contextlib.contextmanager
def refusing(node):
    """While the body runs, a kind of tunnel that ovs-vswitchd does not know is asked of it in place of vxlan."""
    path = shutil.which("ovs-vsctl", path=PATH)
    node.run("mount", "-t", "tmpfs", "tmpfs", "/mnt")
    node.run("cp", path, "/mnt/ovs-vsctl")
    place = 'cat >/mnt/shim && chmod 755 /mnt/shim && mount --bind /mnt/shim "$1"'
    node.run("dash", "-c", place, "sh", path, input=REFUSING)
    try:
        yield
    finally:
        node.run("umount", path)
        node.run("umount", "/mnt")


def test_a_tunnel_that_the_switch_refuses_becomes_a_device_of_the_kernel_by_itself(sides):
    """Paper, 8.8.  It stays one: for an agent that is started again, and when the switch has learned it."""
    one, two = sides
    before = one.world()
    with refusing(one.node), refusing(two.node):
        assert joined(sides, "vxlan") and port(one)[1] == port(two)[1] == "device"
        assert speed(one.host, two.host, "10.0.0.2") > FLOOR
        one.agent.kill()
        one.agent.start()
        assert one.put(end(one, "vxlan"))["outcome"] == "unchanged" and pings(one.host, "10.0.0.2")
        one.delete("g")
        assert not one.changes(before)
        one.put(end(one, "vxlan"))
    for _, restart in sorted(RESTARTS.items()):
        restart(one)
        assert port(one)[1] == "device" and reached(one.host, "10.0.0.2")


def test_a_tunnel_that_no_way_leads_to_is_refused_and_leaves_nothing(pair, sides):
    if has_device("gre"):
        pytest.skip("needs a kernel without gretap")
    one, _ = sides
    before = one.world()
    force(pair, "device")
    assert "this kernel has no such device" in one.put(end(one, "gre"), 409)["message"]
    assert not one.changes(before)


# The node itself, segments, management.


@pytest.fixture(scope="module")
def shared():
    inband = {"interface": "wan0", "address": "10.0.0.9/24", "gateway": "10.0.0.2"}
    with Place(listen="0.0.0.0:8080", auth="none", inband=inband) as place, Host("dmz", "10.0.0.3/24") as place.dmz:
        wired(place.dmz, place.node, "dmz0")
        place.node.run("ip", "link", "set", "dmz0", "up")
        yield place


DMZ, ME = sap("dmz", "dmz0"), "192.168.1.77"


def me(address=ME + "/24", mac="02:00:00:00:00:77"):
    """A graph that joins lan and the node; the MAC address is always the same one, which lan knows."""
    return wire("g", LAN, host_stack("me", address, mac=mac))


def get(host, address, path="/health", number=8080):
    """Return the status of a page of the node, None if nobody answers."""
    with host.socket() as link:
        link.settimeout(NOTHING)
        try:
            link.connect((address, number))
            link.sendall(b"GET %s HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n" % path.encode())
            return int(link.recv(100).split()[1])
        except (TimeoutError, OSError):
            return None


def test_the_node_is_reached_through_a_graph_at_speed_both_ways(place):
    assert not pings(place.lan, ME, within=NOTHING)
    place.put(me())
    assert pings(place.lan, ME)
    for back in (False, True):
        assert speed(place.lan, place.node, ME, back=back) > FLOOR
    place.delete("g")
    assert not pings(place.lan, ME, within=NOTHING)


@pytest.mark.parametrize("dhcp", [False, True], ids=["an address", "an address by DHCP"])
def test_a_host_stack_sap_is_there_after_every_restart(place, dhcp):
    place.put(me() if not dhcp else leased())
    address = ME if not dhcp else "192.168.1.150"
    assert reached(place.lan, address)
    before, client = place.world(), place.node.pids("busybox")
    for what, restart in RESTARTS.items():
        restart(place)
        assert reached(place.lan, address), what
        assert what != "the agent" or place.node.pids("busybox") == client, "nobody touches a client"
        until(lambda: not place.changes(before))


TAKEN = {"its address": 'ip address flush dev "$1"', "its device": 'ip link del "$1" || ovs-vsctl del-port "$1"',
         "its port": 'ovs-vsctl del-port "$1"'}


@pytest.mark.parametrize("what", sorted(TAKEN))
def test_what_is_taken_from_a_host_stack_sap_comes_back(place, what):
    place.put(me("192.168.1.79/24", mac=""))
    place.lan.run("ip", "neighbour", "flush", "dev", "eth0")
    assert pings(place.lan, "192.168.1.79")
    before, was = place.world(), mac(place, port(place)[0])
    place.node.run("sh", "-c", TAKEN[what], "sh", port(place)[0])
    assert not pings(place.lan, "192.168.1.79", within=0)
    assert reached(place.lan, "192.168.1.79"), "the neighbours know its MAC address"
    assert mac(place, port(place)[0]) == was
    until(lambda: not place.changes(before))


def test_the_address_and_the_mac_of_a_host_stack_sap_are_changed_in_place(place):
    place.put(me())
    was, other = port(place), "192.168.1.78"
    assert place.put(me(other + "/24", "02:00:00:00:00:79"))["outcome"] == "updated"
    assert pings(place.lan, other) and not pings(place.lan, ME, within=NOTHING) and port(place) == was
    assert "02:00:00:00:00:79" in place.lan.run("ip", "neighbour", "show", other).stdout
    place.put(leased())
    assert reached(place.lan, "192.168.1.150") and not pings(place.lan, other, within=NOTHING)
    place.put(me())
    assert reached(place.lan, ME) and not pings(place.lan, "192.168.1.150", within=NOTHING)
    assert place.node.pids("busybox") == []


def test_the_agent_is_reached_through_a_firewall_in_a_graph_and_nothing_else_of_the_node_is(place):
    def guarded(rules):
        ends = me()["sffg"]["saps"]
        return graph("g", ends, [sf("fw", "firewall", "in", "out", FIREWALL_RULES=rules)],
                     *both("1", "me", "fw:in"), *both("2", "fw:out", "lan"))
    with place.node.socket() as other:
        other.bind(("0.0.0.0", 8081))
        other.listen()
        place.put(guarded("accept tcp 8080; drop tcp"))
        assert get(place.lan, ME) == 200
        with place.lan.socket() as link, pytest.raises(TimeoutError):
            link.settimeout(NOTHING)
            link.connect((ME, 8081))
        place.put(guarded("accept"))
        with place.lan.socket() as link:
            link.settimeout(5)
            link.connect((ME, 8081))


FRAME = {"tags": (), "ip_dscp": 0, "ip_ecn": 0, "ttl": 64}
ASKS = {"ip": {"eth_type": packets.IPV4, "ip_proto": 1, "icmp_type": 8, "icmp_code": 0},
        "arp": {"eth_type": packets.ARP, "arp_op": 1, "arp_tha": 0}}


def answers(host, kind, mac, source, target):
    """Return how many packets come back to a host that asks for an address in a frame of its own, to a MAC address."""
    own, other, more = ("ip_src", "ip_dst", {}) if kind == "ip" else ("arp_spa", "arp_tpa", {"arp_sha": host.mac})
    found = dict(FRAME, **ASKS[kind], **more, **{own: source, other: target}, eth_src=host.mac, eth_dst=mac)
    frame = octets({name: packets.value_of(value) if name != "tags" else value for name, value in found.items()})
    with Ear(host) as ear, mouth(host) as link:
        link.send(frame)
        return len(ear.frames(0, quiet=0.3))


def mac(place, interface):
    with open("/proc/%d/root/sys/class/net/%s/address" % (place.node.pid, interface)) as file:
        return file.read().strip()


def test_the_node_is_reached_through_its_graph_and_not_past_it(place):
    """The kernel hears what enters by an interface of LSI-0, and would answer for any address of the node: also on one
    that LSI-0 took with its address, from whose network packets may come."""
    place.put(me())
    own, lan, everybody = mac(place, port(place)[0]), "192.168.1.10", "ff:ff:ff:ff:ff:ff"
    assert answers(place.lan, "ip", own, lan, ME) and answers(place.lan, "arp", everybody, lan, ME)
    place.node.run("ip", "address", "add", "203.0.113.9/24", "dev", "dmz0")
    for host, interface, sources in ((place.wan, "wan0", [lan, "10.0.0.2"]), (place.dmz, "dmz0", [lan, "203.0.113.7"])):
        for source in sources:
            for to in (own, mac(place, interface)):
                assert not answers(host, "ip", to, source, ME), (interface, source)
            assert not answers(host, "arp", everybody, source, ME), (interface, source)
    place.node.run("ip", "address", "flush", "dev", "dmz0")


def test_what_a_host_stack_sap_cannot_have_is_said(place):
    place.put(me())
    refused(place, graph("h", [DMZ, host_stack("me", ME + "/16")], []), "saps[1]", "of graph g")
    refused(place, graph("h", [host_stack("me", "10.0.0.9/24")], []), "saps[0].host-stack.IPv4", "of lsi0 already")
    body = graph("h", [host_stack("me", configuration="PPPoE")], [])
    refused(place, body, "saps[0].host-stack.configuration", "those are dhcp, static")


def leased():
    """A graph that joins lan and the node, which has its address by DHCP from a function."""
    server = sf("d", "dhcp", "1", DHCP_RANGE="192.168.1.150-192.168.1.150", DHCP_LEASE="120")
    return graph("g", [LAN, host_stack("me", mac="02:00:00:00:00:78")], [server], *both("r", "lan", "me"),
                 rule("ask", "me", "d:1", priority=9, protocol="udp", dest_port=67), rule("tell", "d:1", "me"))


def test_a_dhcp_client_that_is_killed_is_started_again_and_goes_with_its_graph(place):
    place.put(leased())
    assert reached(place.lan, "192.168.1.150")
    client, = place.node.pids("busybox")
    os.kill(client, 9)
    assert until(lambda: place.node.pids("busybox") not in ([], [client]))
    assert reached(place.lan, "192.168.1.150")
    place.delete("g")
    assert place.node.pids("busybox") == []
    assert not os.listdir(place.node.dir + "/runtime/saps")


UDHCPC = [(["bound", "ip=%s", "mask=24", "router=10.9.0.254"], 5), (["renew", "ip=%s", "mask=24"], 6), (["leasefail"], 6),
          (["deconfig"], None)]
DHCLIENT = [(["", "reason=PREINIT"], None), (["", "reason=BOUND", "new_ip_address=%s", "new_subnet_mask=255.255.255.0",
                                              "new_routers=10.9.0.254 10.9.0.253"], 5),
            (["", "reason=RENEW", "new_ip_address=%s", "new_subnet_mask=255.255.255.0"], 6), (["", "reason=EXPIRE"], None)]


@pytest.mark.parametrize("client", [UDHCPC, DHCLIENT], ids=["udhcpc", "dhclient"])
def test_what_a_dhcp_client_tells_its_script_is_what_the_port_has(client):
    """Another address in the same network too: the kernel takes it away with the old one, if that is the elder."""
    with Host("box") as box:
        box.run("ip", "-batch", "-", input="link add port type veth peer name far\nlink set far up\nlink set port up\n")
        for (argument, *variables), last in client:
            given = [one.replace("%s", "10.9.0.%s" % last) for one in variables]
            box.run("env", "interface=port", *given, "sh", "-c", access.SCRIPT, "script", argument)
            has = box.run("ip", "-4", "-o", "address", "show", "dev", "port").stdout.split()
            assert has[3:4] == (["10.9.0.%d/24" % last] if last else []) and has.count("inet") <= 1
            if last == 5:
                assert "default via 10.9.0.254 dev port" in box.run("ip", "route").stdout


# Segments.


def member(name, end, group="friends"):
    return wire(name, end, internal("i", group))


@pytest.fixture
def friends(place):
    """Three graphs, which join lan, wan and dmz."""
    for name, end in (("one", LAN), ("two", WAN), ("three", DMZ)):
        place.put(member(name, end))
    return place


def test_graphs_of_one_group_are_joined_as_by_a_switch_that_learns(friends):
    place = friends
    assert pings(place.lan, "10.0.0.2") and pings(place.dmz, "10.0.0.1")
    for back in (False, True):
        assert speed(place.lan, place.wan, "10.0.0.2", back=back) > FLOOR
    with Ear(place.wan) as wan, Ear(place.dmz) as dmz:
        send(place.lan, "to all", to="ff:ff:ff:ff:ff:ff")
        send(place.lan, "to wan", to=place.wan.mac)
        assert wan.heard(2) == [("to all", None, place.lan.mac), ("to wan", None, place.lan.mac)]
        assert dmz.heard(1) == [("to all", None, place.lan.mac)]


def test_a_group_hears_nothing_of_another_one_and_a_graph_may_move_to_it(friends):
    place = friends
    assert place.put(member("three", DMZ, "strangers"))["outcome"] == "updated"
    with Ear(place.wan) as wan, Ear(place.dmz) as dmz:
        send(place.lan, "to friends", to="ff:ff:ff:ff:ff:ff")
        assert wan.heard(1) == [("to friends", None, place.lan.mac)] and dmz.heard(0) == []
        place.put(member("two", WAN, "strangers"))
        send(place.wan, "to strangers", to="ff:ff:ff:ff:ff:ff")
        assert dmz.heard(1) == [("to strangers", None, place.wan.mac)]
    assert not pings(place.lan, "10.0.0.2", within=NOTHING)


def test_a_segment_is_there_after_every_restart_and_comes_back_when_it_is_taken_away(friends):
    place = friends
    before, restarts = place.world(), dict(RESTARTS)
    restarts["the bridge"] = lambda place: place.node.ovs("vsctl", "del-br", "seg1")
    for what, restart in restarts.items():
        restart(place)
        assert reached(place.lan, "10.0.0.2"), what
        until(lambda: not place.changes(before))


@pytest.mark.parametrize("at_once", [False, True])
def test_a_segment_goes_with_the_last_graph(place, friends, at_once):
    def there():
        return "seg1" in place.node.ovs("vsctl", "list-br").split()
    if at_once:
        threads = [place.later("DELETE", "/graphs/" + name) for name in ("one", "two", "three")]
        assert [(thread.join(), answer[0])[1] for answer, thread in threads] == [204] * 3
    else:
        for name in ("one", "two"):
            place.delete(name)
            assert there()
        assert pings(place.dmz, "10.0.0.1", within=0) is False
        place.delete("three")
        assert not there()
    until(lambda: not there())


def test_two_saps_of_one_group_in_one_graph_are_one_port(place):
    place.put(graph("one", [LAN, internal("i", "friends"), internal("j", "friends")], [], *both("r", "lan", "i")))
    place.put(member("two", WAN))
    assert pings(place.lan, "10.0.0.2")
    assert [one["port"] for one in place.status("one")["saps"]] == ["l1a0", "l1a0"]
