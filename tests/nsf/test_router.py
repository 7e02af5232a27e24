"""The router: IPv4 and IPv6 between networks, and what an update leaves alone."""
import pytest

from function import nothing_lost, pings, seen

ADDRESSES = "eth0=10.0.1.1/24,fd00:1::1/64 eth1=10.0.2.1/24,fd00:2::1/64"
AT_ONCE = 0.7  # seconds; an address that is first probed for duplicates takes more than one


@pytest.fixture
def router(host, function):
    """(a host, another on the next network with one more address behind it, the router between them)."""
    near = host("10.0.1.9/24", "fd00:1::9/64", gateway="10.0.1.1")
    far = host("10.0.2.9/24", "fd00:2::9/64", "10.9.0.1/32", "fd00:9::1/128", gateway="10.0.2.1")
    one = function("router", near, far, ROUTER_ADDRESSES=ADDRESSES)
    near.run("ip", "route", "add", "default", "via", "fd00:1::1")
    far.run("ip", "route", "add", "default", "via", "fd00:2::1")
    return near, far, one


def test_both_families_are_routed_as_soon_as_it_has_started(router):
    near, far, one = router
    assert one.run("start") == 0, one.said
    assert pings(near, "fd00:2::9", within=AT_ONCE)
    assert pings(near, far.ip, within=AT_ONCE)
    assert seen(near, far, 80) == near.ip
    assert seen(near, far, 80, to=("fd00:2::9", 80)) == "fd00:1::9"


def test_routes_lead_further(router):
    near, far, one = router
    assert one.run("start", ROUTER_ROUTES="10.9.0.0/16=10.0.2.9 fd00:9::/64=fd00:2::9") == 0, one.said
    assert pings(near, "10.9.0.1")
    assert pings(near, "fd00:9::1")
    assert one.run("update", ROUTER_ROUTES="default=10.0.2.9 default=fd00:2::9") == 0, one.said
    assert pings(near, "10.9.0.1")
    assert pings(near, "fd00:9::1")
    assert one.run("update", ROUTER_ROUTES="") == 0, one.said
    assert not pings(near, "10.9.0.1", within=0.3)
    assert not pings(near, "fd00:9::1", within=0.3)


def test_a_route_to_a_network_of_its_own_takes_nothing_away(router):
    near, far, one = router
    assert one.run("start") == 0, one.said
    with nothing_lost(near, far.ip):
        assert one.run("update", ROUTER_ROUTES="10.0.2.0/24=10.0.1.9 fd00:2::/64=fd00:1::9") == 0, one.said
        assert pings(near, "fd00:2::9")
        assert one.run("update", ROUTER_ROUTES="") == 0, one.said
    assert pings(near, "fd00:2::9")


def test_what_an_update_does_not_name_loses_no_packet(router):
    near, far, one = router
    one.run("start", ROUTER_ROUTES="10.9.0.0/16=10.0.2.9")
    with nothing_lost(near, "10.9.0.1"), nothing_lost(near, "fd00:2::9"):
        assert one.run("update", ROUTER_ADDRESSES=ADDRESSES + " eth1=10.3.0.1/16",
                       ROUTER_ROUTES="10.9.0.0/16=10.0.2.9 10.8.0.0/16=10.0.2.8") == 0, one.said
        assert pings(near, "10.3.0.1")
        assert one.run("update", ROUTER_ADDRESSES=ADDRESSES, ROUTER_ROUTES="10.9.0.0/16=10.0.2.9") == 0, one.said
    assert not pings(near, "10.3.0.1", within=0.3)


def test_an_update_that_fails_is_undone_by_the_next(router):
    near, far, one = router
    one.run("start")
    assert one.run("update", ROUTER_ADDRESSES=ADDRESSES + " eth1=10.3.0.1/16",
                   ROUTER_ROUTES="10.9.0.0/16=10.7.7.7") == 1
    assert one.said == "ip route replace 10.9.0.0/16 via 10.7.7.7 metric 1024: Error: Nexthop has invalid gateway."
    assert one.run("update", ROUTER_ADDRESSES=ADDRESSES, ROUTER_ROUTES="") == 0, one.said
    assert pings(near, far.ip)
    assert not pings(near, "10.3.0.1", within=0.2)


def test_an_address_may_change_its_length_only(router):
    near, far, one = router
    one.run("start")
    changed = ADDRESSES.replace("10.0.1.1/24", "10.0.1.1/16").replace("fd00:1::1/64", "fd00:1::1/48")
    assert one.run("update", ROUTER_ADDRESSES=changed) == 0, one.said
    assert pings(near, far.ip)
    assert pings(near, "fd00:2::9")
    assert "10.0.1.1/16" in one.inside("ip", "-o", "address") and "10.0.1.1/24" not in one.inside("ip", "-o", "address")
    assert "fd00:1::1/48" in one.inside("ip", "-o", "address")


def test_a_port_that_goes_takes_its_addresses_along(router):
    near, far, one = router
    one.run("start", ROUTER_ROUTES="10.9.0.0/16=10.0.2.9")
    one.remove_port()
    assert one.run("update", ROUTER_ADDRESSES="eth0=10.0.1.1/24", ROUTER_ROUTES="",
                   SF_PORTS_REMOVED="eth1") == 0, one.said
    assert pings(near, "10.0.1.1")
    assert one.run("stop") == 0, one.said
    assert one.left() == []


def test_a_paused_router_routes_again_when_it_is_resumed(router):
    near, far, one = router
    one.run("start", ROUTER_ROUTES="10.9.0.0/16=10.0.2.9 fd00:9::/64=fd00:2::9")
    one.run("pause")
    assert one.run("resume") == 0, one.said
    assert pings(near, "10.9.0.1")
    assert pings(near, "fd00:9::1", within=AT_ONCE)
