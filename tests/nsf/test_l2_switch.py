"""The switch: who is in a VLAN with whom, who sees whom, and who gets what is for many."""
import socket
import time

import pytest

from function import nothing_lost, pings

GROUP = "239.1.2.3"
NOTHING = 0.15  # seconds to wait for what should not come


@pytest.fixture
def switch(host, function):
    """(three hosts, the switch between them)."""
    hosts = [host("10.0.0.%d/24" % number, "fd00::%d/64" % number) for number in (1, 2, 3)]
    return *hosts, function("l2-switch", *hosts)


def has_vlans(host):
    """Has a bridge of this kernel VLANs?"""
    return not host.run("ip", "link", "add", "probe", "type", "bridge", "vlan_filtering", "1", check=False).returncode


@pytest.fixture
def vlans(switch):
    """The same, where a bridge of the kernel has VLANs."""
    if not has_vlans(switch[0]):
        pytest.skip("VLANs of a bridge (CONFIG_BRIDGE_VLAN_FILTERING) missing")
    return switch


def received(host):
    return int(host.run("cat", "/sys/class/net/eth0/statistics/rx_packets").stdout)


def test_it_learns_where_everybody_is(switch):
    one, other, third, function = switch
    assert function.run("start", SWITCH_AGEING="60") == 0, function.said
    assert function.inside("cat", "/sys/class/net/br0/bridge/ageing_time").strip() == "6000"
    assert pings(one, other.ip) and pings(other, third.ip)
    before = received(third)
    assert pings(one, other.ip)
    assert received(third) == before


def test_ports_that_are_isolated_do_not_see_each_other(switch):
    one, other, third, function = switch
    assert function.run("start", SWITCH_ISOLATED="eth0 eth1") == 0, function.said
    assert not pings(one, other.ip, within=NOTHING)
    with nothing_lost(one, third.ip):
        assert pings(other, "fd00::3")
        assert function.run("update", SWITCH_ISOLATED="eth1 eth2") == 0, function.said
        assert not pings(other, third.ip, within=NOTHING)
        assert pings(one, other.ip)


def test_multicast_goes_to_who_listens(switch):
    one, other, third, function = switch
    assert function.run("start", SWITCH_SNOOPING="on") == 0, function.said
    mouth, *ears = [host.socket(socket.AF_INET, socket.SOCK_DGRAM) for host in (one, other)]
    mouth.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(one.ip))
    ears[0].bind(("", 5000))
    ears[0].settimeout(2)
    ears[0].setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(GROUP) + socket.inet_aton(other.ip))
    link = third.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x800))
    link.settimeout(NOTHING)

    def heard():
        """Does the third host see what is for the group, and the other get it?"""
        mouth.sendto(b"many", (GROUP, 5000))
        assert ears[0].recv(4) == b"many"
        try:
            while socket.inet_aton(GROUP) not in link.recv(64)[16:20]:
                pass
        except TimeoutError:
            return False
        return True

    end = time.monotonic() + 5
    while heard():  # until everybody has had the time to say that he listens
        assert time.monotonic() < end
    assert pings(one, "fd00::3")
    assert function.run("update", SWITCH_SNOOPING="off") == 0, function.said
    assert heard()
    for each in mouth, *ears, link:
        each.close()


def test_a_vlan_is_a_network_of_its_own(vlans):
    one, other, third, function = vlans
    assert function.run("start", SWITCH_VLANS="eth0=10 eth1=10 eth2=20") == 0, function.said
    assert not pings(one, third.ip, within=NOTHING)
    with nothing_lost(one, other.ip):
        assert function.run("update", SWITCH_VLANS="eth0=10 eth1=10,20t eth2=10") == 0, function.said
        assert pings(one, third.ip)
        assert function.run("update", SWITCH_VLANS="eth0=30 eth1=30") == 0, function.said
        assert not pings(one, third.ip, within=NOTHING)
        assert function.run("status") == 0, function.said
        assert function.run("update", SWITCH_VLANS="") == 0, function.said
        assert pings(one, third.ip)
        assert function.run("update", SWITCH_VLANS="eth2=20") == 0, function.said
        assert not pings(one, third.ip, within=NOTHING)
    assert function.run("stop") == 0, function.said
    assert function.left() == []


def test_a_trunk_carries_vlans_with_their_tags(vlans):
    one, other, third, function = vlans
    assert function.run("start", SWITCH_VLANS="eth0=10 eth1=20 eth2=10t,20t,1") == 0, function.said
    link = third.socket(socket.AF_PACKET, socket.SOCK_RAW)
    link.bind(("eth0", 0))
    ears = [host.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88b5)) for host in (one, other)]
    for ear in ears:
        ear.settimeout(NOTHING)
    for vlan, ear, deaf in (10, *ears), (20, *reversed(ears)):
        ends = b"\xff" * 6 + bytes.fromhex(third.mac.replace(":", ""))
        link.send(ends + bytes([0x81, 0, 0, vlan, 0x88, 0xb5]) + bytes(46))
        assert ear.recv(64)[12:14] == b"\x88\xb5"
        with pytest.raises(TimeoutError):
            deaf.recv(64)
    for each in link, *ears:
        each.close()


def test_vlans_that_the_kernel_cannot_have_are_refused(host, function):
    alone = host()
    if has_vlans(alone):
        pytest.skip("a kernel whose bridges have no VLANs missing")
    one = function("l2-switch", alone)
    assert one.run("start", SWITCH_VLANS="eth0=10") == 1
    assert one.said == "SWITCH_VLANS=eth0=10: bridges of this kernel have no VLANs; right would be none"
    assert one.left() == []


def test_what_it_cannot_read_it_refuses(function):
    one = function("l2-switch")
    one.ports = ["eth0", "eth1"]
    for vlans, said in (
            ("eth7=10", "eth7=10: eth7 is not one of the ports eth0 eth1"),
            ("eth0", "eth0: eth0 is not a VLAN; right would be eth0=10 or eth0=10t,20t"),
            ("eth0=", "eth0=: names no VLAN; right would be eth0=10 or eth0=10t,20t"),
            ("eth0=4095", "eth0=4095: 4095 is not a VLAN; right would be eth0=10 or eth0=10t,20t"),
            ("eth0=10,20", "eth0=10,20: 10 and 20 are untagged; right would be eth0=10,20t"),
            ("eth0=10 eth0=20t", "eth0=20t: is the second for eth0; right would be eth0=10,20t")):
        assert one.run("start", SWITCH_VLANS=vlans) == 1
        assert one.said == "SWITCH_VLANS, " + said
    for variables, said in (
            ({"SWITCH_VLANS": "", "SWITCH_ISOLATED": "eth2"},
             "SWITCH_ISOLATED, eth2: eth2 is not one of the ports eth0 eth1"),
            ({"SWITCH_ISOLATED": "", "SWITCH_AGEING": "0"},
             "SWITCH_AGEING=0: not a number of seconds from 1 to 1000000; right would be 300"),
            ({"SWITCH_AGEING": "", "SWITCH_SNOOPING": "igmp"}, "SWITCH_SNOOPING=igmp: neither on nor off")):
        assert one.run("start", **variables) == 1
        assert one.said == said
    assert one.left() == []
