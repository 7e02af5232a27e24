"""The firewall, with each packet filter that it knows: what it lets through, and what becomes of open connections."""
import socket

import pytest

from function import nothing_lost, pings, seen

NOTHING = 0.15  # seconds to wait for what should not come


@pytest.fixture(params=["nft", "iptables"])
def wire(request, host, function):
    """(a host inside, a host outside, make the firewall between them)."""
    inside, outside = host("10.0.0.1/24", "fd00::1/64"), host("10.0.0.2/24", "fd00::2/64")
    without = {"nft": None, "iptables": "nft"}[request.param]

    def make(**variables):
        one = function("firewall", inside, outside, without=without, **variables)
        assert one.run("start") == 0, one.said
        return one
    return inside, outside, make


def test_without_variables_it_is_a_wire(wire):
    inside, outside, make = wire
    make()
    assert seen(outside, inside, 80) == outside.ip
    assert seen(inside, outside, 80, to=("fd00::2", 80)) == "fd00::1"
    assert pings(inside, outside.ip, size=1472)


def test_a_rule_for_a_port_holds_in_ipv4_and_ipv6(wire):
    inside, outside, make = wire
    make(FIREWALL_RULES="drop tcp 22")
    assert not seen(inside, outside, 22, within=NOTHING)
    assert not seen(inside, outside, 22, to=("fd00::2", 22), within=NOTHING)
    assert seen(inside, outside, 23)
    assert seen(inside, outside, 23, to=("fd00::2", 23))
    assert seen(inside, outside, 22, kind=socket.SOCK_DGRAM)


def test_what_one_side_opens_the_other_may_answer_but_not_open(wire):
    inside, outside, make = wire
    make(FIREWALL_POLICY="drop", FIREWALL_RULES="accept from inside")
    assert seen(inside, outside, 80)
    assert seen(inside, outside, 80, to=("fd00::2", 80))
    assert pings(inside, "fd00::2")
    assert not seen(outside, inside, 80, within=NOTHING)
    assert not seen(outside, inside, 80, to=("fd00::1", 80), within=NOTHING)
    assert not pings(outside, "10.0.0.1", within=NOTHING)


def test_a_rule_may_name_a_range_of_ports_and_addresses(wire):
    inside, outside, make = wire
    make(FIREWALL_POLICY="drop", FIREWALL_RULES="""
        accept tcp 80-81 from 10.0.0.0/24 to 10.0.0.2
        accept udp 53 from inside to fd00::2/128
        accept icmp to fd00::/64
    """)
    assert not seen(inside, outside, 79, within=NOTHING)
    assert seen(inside, outside, 80)
    assert seen(inside, outside, 81)
    assert not seen(inside, outside, 80, to=("fd00::2", 80), within=NOTHING)
    assert not seen(outside, inside, 80, within=NOTHING)
    assert seen(inside, outside, 53, to=("fd00::2", 53), kind=socket.SOCK_DGRAM)
    assert not seen(inside, outside, 53, kind=socket.SOCK_DGRAM, within=NOTHING)
    assert pings(inside, "fd00::2")
    assert not pings(inside, outside.ip, within=NOTHING)


def test_the_first_rule_that_fits_decides(wire):
    inside, outside, make = wire
    make(FIREWALL_RULES="accept tcp 22 from 10.0.0.1; drop tcp 22; accept tcp")
    assert seen(inside, outside, 22)
    assert not seen(outside, inside, 22, within=NOTHING)


def test_an_update_changes_the_rules_and_open_connections_stay_open(wire):
    inside, outside, make = wire
    one = make()
    with outside.socket() as ear, inside.socket() as mouth:
        ear.bind(("", 80))
        ear.listen()
        mouth.settimeout(2)
        mouth.connect((outside.ip, 80))
        with ear.accept()[0] as link, nothing_lost(inside, outside.ip):
            assert one.run("update", FIREWALL_POLICY="drop", FIREWALL_RULES="accept icmp") == 0, one.said
            link.settimeout(2)
            mouth.send(b"still")
            assert link.recv(5) == b"still"
    assert not seen(inside, outside, 81, within=NOTHING)


def test_a_firewall_that_lost_its_rules_is_not_running(function, host):
    one = function("firewall", host("10.0.0.1/24"), host("10.0.0.2/24"))
    one.run("start")
    one.inside("nft", "flush", "ruleset")
    assert one.run("status") == 1
    assert one.said == "rules: are gone; start makes them"


def test_a_bad_update_leaves_the_rules_as_they_were(wire):
    inside, outside, make = wire
    one = make(FIREWALL_RULES="drop tcp 22")
    assert one.run("update", FIREWALL_RULES="drop tcp 23; drop tpc 24") == 1
    assert not seen(inside, outside, 22, within=NOTHING)
    assert seen(inside, outside, 23)
