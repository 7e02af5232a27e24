"""The firewall with a third port, with each packet filter that it knows: who may open what to whom."""
import pytest

from function import nothing_lost, pings, seen

NOTHING = 0.15  # seconds to wait for what should not come


@pytest.fixture(params=["nft", "iptables"])
def zones(request, host, function):
    """(a host inside, one outside, one in the dmz, the firewall between them)."""
    hosts = [host("10.0.0.%d/24" % number, "fd00::%d/64" % number) for number in (1, 2, 3)]
    return *hosts, function("firewall-dmz", *hosts, without={"nft": None, "iptables": "nft"}[request.param])


def test_the_dmz_opens_nothing_to_the_inside_and_the_others_what_they_like(zones):
    inside, outside, dmz, one = zones
    assert one.run("start") == 0, one.said
    assert pings(inside, "fd00::3"), "and so everybody knows where everybody is"
    for client, server in (inside, outside), (outside, inside), (inside, dmz), (dmz, outside), (outside, dmz):
        assert seen(client, server, 80) == client.ip
    assert not seen(dmz, inside, 80, within=NOTHING)
    assert not seen(dmz, inside, 80, to=("fd00::1", 80), within=NOTHING)
    assert one.run("status") == 0, one.said
    assert one.run("stop") == 0, one.said
    assert not pings(inside, outside.ip, within=0.2)
    assert one.run("status") == 3
    assert one.left() == []


def test_a_rule_may_say_where_a_packet_comes_from_and_where_it_goes(zones):
    inside, outside, dmz, one = zones
    assert one.run("start", FIREWALL_POLICY="drop", FIREWALL_RULES="""
        accept tcp 5432 from dmz to inside to 10.0.0.1
        accept tcp from dmz
        accept icmp
        accept udp to outside
    """) == 0, one.said
    assert seen(dmz, inside, 5432)
    assert not seen(outside, inside, 5432, within=NOTHING)
    with nothing_lost(dmz, outside.ip):
        assert one.run("update", FIREWALL_RULES="""
            accept icmp
            accept tcp 80-81 to dmz
            drop tcp to outside
            accept tcp
        """) == 0, one.said
    assert seen(outside, dmz, 81)
    assert seen(inside, dmz, 80, to=("fd00::3", 80))
    assert not seen(inside, outside, 80, within=NOTHING)
    assert seen(dmz, inside, 80), "which a rule accepts"
