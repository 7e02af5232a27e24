"""The shaper: what it carries each way, measured; and that another limit loses nothing, not even what waits."""
import contextlib
import socket
import time

import pytest

from function import pings

SIZE, HEADERS = 1000, 42  # bytes; headers of Ethernet, IPv4 and UDP
WHILE = 0.4  # seconds
RCVBUFFORCE = 33  # asm-generic/socket.h


@pytest.fixture
def wire(host, function):
    """(a host inside, a host outside, the shaper between them)."""
    inside, outside = host("10.0.0.1/24"), host("10.0.0.2/24")
    return inside, outside, function("shaper", inside, outside)


def carried(client, server):
    """Return the Mbit/s that arrive of as many packets as `client` can send."""
    with client.socket(socket.AF_INET, socket.SOCK_DGRAM) as mouth, server.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.setsockopt(socket.SOL_SOCKET, RCVBUFFORCE, 1 << 22)
        ear.bind(("", 5000))
        ear.setblocking(False)
        mouth.connect((server.ip, 5000))
        begin = now = time.monotonic()
        counted, since = 0, None
        while now < begin + WHILE:
            for _ in range(10):
                mouth.send(bytes(SIZE))
            with contextlib.suppress(BlockingIOError):
                while ear.recv(SIZE):
                    counted += 1
            now = time.monotonic()
            if not since and now > begin + 0.1:  # the bucket is empty
                since, counted = now, 0
    return counted * (SIZE + HEADERS) * 8 / 1e6 / (now - since)


def test_each_direction_has_its_limit(wire):
    inside, outside, one = wire
    assert one.run("start", SHAPER_DOWN="8mbit", SHAPER_UP="20000") == 0, one.said
    assert carried(outside, inside) == pytest.approx(8, rel=0.1)
    assert carried(inside, outside) == pytest.approx(20, rel=0.1)
    assert one.run("update", SHAPER_DOWN="", SHAPER_UP="4000kbit") == 0, one.said
    assert carried(outside, inside) > 50
    assert carried(inside, outside) == pytest.approx(4, rel=0.1)
    assert one.run("status") == 0, one.said


def test_another_limit_loses_no_packet_those_that_wait_included(wire):
    inside, outside, one = wire
    assert one.run("start", SHAPER_DOWN="100", SHAPER_LATENCY="1000") == 0, one.said
    if "fq_codel" in one.inside("tc", "qdisc", "show"):
        pytest.skip("a kernel without fq_codel, which drops some of what waits, missing")
    with outside.socket(socket.AF_INET, socket.SOCK_DGRAM) as mouth, inside.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind(("", 5000))
        ear.settimeout(0.4)
        begin = time.monotonic()
        for number in range(14):
            mouth.sendto(bytes([number]) * SIZE, (inside.ip, 5000))
        assert one.run("update", SHAPER_DOWN="10mbit", SHAPER_UP="1mbit") == 0, one.said
        assert [ear.recv(1)[0] for _ in range(14)] == list(range(14))
    assert time.monotonic() - begin < 0.6, "they would have taken 0.9 s"


def test_what_would_wait_longer_is_dropped(wire):
    inside, outside, one = wire
    assert one.run("start", SHAPER_UP="1000", SHAPER_LATENCY="20") == 0, one.said
    carried(inside, outside)
    begin = time.monotonic()
    assert pings(inside, outside.ip)
    assert time.monotonic() - begin < 0.1


def test_a_shaper_that_lost_a_limit_is_not_running(wire):
    _, _, one = wire
    one.run("start", SHAPER_UP="1mbit")
    one.inside("tc", "qdisc", "del", "dev", "eth1", "root")
    assert one.run("status") == 1
    assert one.said == "eth1: has lost its limit; start makes it"
    assert one.run("start") == 0, one.said
    assert one.run("status") == 0, one.said
    assert one.run("stop") == 0, one.said
    assert "tbf" not in one.inside("tc", "qdisc", "show")
