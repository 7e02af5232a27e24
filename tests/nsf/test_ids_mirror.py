"""The mirror: what it copies to the third port, and that the third port is a way out only."""
import re
import signal
import socket
import subprocess

import pytest

from function import nothing_lost, pings, seen

UDP = socket.SOCK_DGRAM


@pytest.fixture
def wire(host, function):
    """(a host inside, a host outside, an IDS, the function between them)."""
    hosts = host("10.0.0.1/24", "fd00::1/64"), host("10.0.0.2/24", "fd00::2/64"), host("10.0.0.3/24")
    return *hosts, function("ids-mirror", *hosts)


class Ear:
    """All that comes to a host, or is sent by it, from now on."""

    def __init__(self, host):
        self.socket = host.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 1 << 22)  # SO_RCVBUFFORCE
        self.socket.setblocking(False)

    def heard(self):
        """Return what came, as (sender's MAC, frame)s."""
        found = []
        while True:
            try:
                frame, (device, _, kind, _, _) = self.socket.recvfrom(2048)
            except BlockingIOError:
                return found
            if device == "eth0" and kind != socket.PACKET_OUTGOING:
                found.append((frame[6:12].hex(":"), frame))


def test_each_packet_is_copied_once_whichever_way_it_goes(wire):
    inside, outside, ids, one = wire
    assert one.run("start") == 0, one.said
    assert pings(inside, outside.ip) and pings(inside, "fd00::2", size=1400)
    ear = Ear(ids)
    with inside.socket(socket.AF_INET, UDP) as mouth:
        mouth.sendto(b"there", (outside.ip, 9))  # and an ICMP message comes back
    assert seen(outside, inside, 80, to=("fd00::1", 80)) == "fd00::2"
    copies = ear.heard()
    assert [who for who, frame in copies if b"there" in frame[42:47]] == [inside.mac]
    assert [who for who, frame in copies if b"there" in frame[47:]] == [outside.mac]
    assert len(copies) == len({frame for _, frame in copies}) >= 8
    assert {who for who, _ in copies} == {inside.mac, outside.mac}


def test_only_what_is_asked_for_is_copied(wire):
    inside, outside, ids, one = wire
    assert one.run("start", IDS_FILTER="icmp; udp 53-54; udp 54") == 0, one.said
    assert pings(outside, "fd00::1")
    ear = Ear(ids)
    assert seen(inside, outside, 80) and not ear.heard()
    assert seen(inside, outside, 55, kind=UDP) and not ear.heard()
    assert seen(inside, outside, 54, kind=UDP) and len(ear.heard()) == 1
    assert seen(outside, inside, 53, to=("fd00::1", 53), kind=UDP) and len(ear.heard()) == 1
    with nothing_lost(inside, outside.ip):
        assert one.run("update", IDS_FILTER="tcp 80") == 0, one.said
        ear.heard()
        assert seen(inside, outside, 80)
        assert {who for who, _ in ear.heard()} == {inside.mac, outside.mac}, "a port is that of either end"


def test_an_update_misses_no_copy(wire):
    inside, outside, ids, one = wire
    assert one.run("start") == 0, one.said
    assert pings(inside, outside.ip)
    ear = Ear(ids)
    with inside.popen("ping", "-q", "-i", "0.002", outside.ip, stdout=subprocess.PIPE) as stream:
        for filters in "icmp; tcp", "all", "icmp":
            assert one.run("update", IDS_FILTER=filters) == 0, one.said
        stream.send_signal(signal.SIGINT)
        counts = re.search(r"(\d+) packets transmitted, (\d+) received", stream.communicate()[0]).groups()
    copies = [frame[34:42] for _, frame in ear.heard() if frame[12:14] == b"\x08\0"]
    assert len(copies) == len(set(copies)) == sum(map(int, counts)) > 10


def test_what_enters_by_the_mirror_goes_nowhere(wire):
    inside, outside, ids, one = wire
    assert one.run("start") == 0, one.said
    ears = [Ear(inside), Ear(outside), Ear(ids)]
    one.inside("ip", "address", "add", "10.0.0.9", "peer", "10.0.0.3", "dev", "eth2")  # it may have one elsewhere, on ctl0
    assert not pings(ids, "10.0.0.9", within=0.1)
    assert not pings(ids, inside.ip, within=0.1)
    with ids.socket(socket.AF_INET, UDP) as mouth:
        mouth.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        mouth.sendto(b"?", ("10.0.0.255", 9))
    assert pings(inside, outside.ip)
    assert all(ids.mac not in [who for who, _ in ear.heard()] for ear in ears)


def test_a_paused_mirror_copies_nothing(wire):
    inside, outside, ids, one = wire
    assert one.run("start") == 0, one.said
    assert one.run("pause") == 0, one.said
    ear = Ear(ids)
    assert not pings(inside, outside.ip, within=0.1)
    assert not ear.heard()
    assert one.run("status") == 1
    assert one.said == "copies: are not made; start makes them"


def test_a_filter_that_is_none_is_refused(function):
    one = function("ids-mirror")
    one.ports = ["eth0", "eth1", "eth2"]
    for filters, said in (
            ("icmp; all 80", "all 80: all has no port; right would be all, or tcp 80"),
            ("udp 53-", "udp 53-: 53- is not a port; right would be udp 80 or udp 8000-8080"),
            (";", ";: copies nothing; right would be all, tcp 80, udp or icmp"),
            ("http", "http: does not know http; right would be all, tcp 80, udp or icmp"),
            ("tcp 80 443", "tcp 80 443: more than two words; right would be tcp 80; tcp 443")):
        assert one.run("start", IDS_FILTER=filters) == 1
        assert one.said == "IDS_FILTER, " + said
    assert one.left() == []
