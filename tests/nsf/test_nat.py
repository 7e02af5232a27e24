"""NAT, with each packet filter that it knows: whom the server sees, and what leads inside."""
import socket

import pytest

from function import nothing_lost, pings, seen


@pytest.fixture(params=["nft", "iptables"])
def nat(request, host, function):
    """(a host inside, a host outside, the NAT between them), started."""
    inside = host("192.168.1.10/24", gateway="192.168.1.1")
    outside = host("192.168.2.9/24", "203.0.113.5/32")
    one = function("nat", inside, outside, without={"nft": None, "iptables": "nft"}[request.param],
                   NAT_GATEWAY="192.168.2.9", NAT_FORWARD="tcp 8080 192.168.1.10:80; udp 53 192.168.1.10")
    assert one.run("start") == 0, one.said
    return inside, outside, one


def test_a_server_sees_the_address_of_the_nat(nat):
    inside, outside, one = nat
    assert seen(inside, outside, 80) == "192.168.2.1"
    assert seen(inside, outside, 53, kind=socket.SOCK_DGRAM) == "192.168.2.1"
    assert seen(inside, outside, 80, to=("203.0.113.5", 80)) == "192.168.2.1"


def test_a_forwarded_port_leads_inside_and_no_other_does(nat):
    inside, outside, one = nat
    assert seen(outside, inside, 80, to=("192.168.2.1", 8080)) == outside.ip
    assert seen(outside, inside, 53, to=("192.168.2.1", 53), kind=socket.SOCK_DGRAM) == outside.ip
    assert not seen(outside, inside, 80, to=("192.168.2.1", 80))


def test_an_update_changes_what_is_forwarded_and_loses_no_packet(nat):
    inside, outside, one = nat
    with nothing_lost(inside, outside.ip):
        assert one.run("update", NAT_FORWARD="tcp 8081 192.168.1.10:80") == 0, one.said
    assert seen(outside, inside, 80, to=("192.168.2.1", 8081))
    assert not seen(outside, inside, 80, to=("192.168.2.1", 8080))


def test_an_update_moves_the_addresses(nat):
    inside, outside, one = nat
    assert one.run("update", NAT_OUTSIDE="192.168.2.3/24", NAT_GATEWAY="") == 0, one.said
    assert seen(inside, outside, 80) == "192.168.2.3"
    assert seen(outside, inside, 80, to=("192.168.2.3", 8080))
    assert not pings(outside, "192.168.2.1", within=0.3)
    assert not pings(inside, "203.0.113.5", within=0.3)


def test_it_leaves_nothing_whichever_filter_it_used(nat):
    inside, outside, one = nat
    assert one.run("stop") == 0, one.said
    assert one.run("status") == 3
    assert one.left() == []
