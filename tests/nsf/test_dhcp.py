"""DHCP, with each server that it knows: real clients get real leases."""
import pytest

SHOW = """#!/bin/sh
[ "$1" != bound ] || echo "$ip/$mask via $router dns $dns for $lease from $serverid"
"""


def lease(host, again=""):
    """Return what a client on `host` is given, or None; `again` is the address that it asks for."""
    script = host.dir + "/show"
    with open(script, "w") as file:
        file.write(SHOW)
    host.run("chmod", "+x", script)
    asked = host.run("busybox", "udhcpc", "-f", "-n", "-q", "-t", "3", "-T", "1", "-i", "eth0", "-s", script,
                     *(["-r", again] if again else []), check=False)
    return asked.stdout.strip() or None


@pytest.fixture(params=["dnsmasq", "busybox"])
def without(request):
    """The program that the node lacks for it to use the one of the parameter."""
    return {"dnsmasq": None, "busybox": "dnsmasq"}[request.param]


def test_a_client_gets_an_address_and_what_goes_with_it(function, host, without):
    client = host()
    one = function("dhcp", client, without=without, DHCP_ADDRESS="10.1.0.1/20", DHCP_RANGE="10.1.1.7-10.1.1.7",
                   DHCP_GATEWAY="10.1.0.254", DHCP_DNS="9.9.9.9,1.1.1.1", DHCP_LEASE="600")
    assert one.run("status") == 3
    assert one.run("start") == 0, one.said
    assert lease(client) == "10.1.1.7/20 via 10.1.0.254 dns 9.9.9.9 1.1.1.1 for 600 from 10.1.0.1"
    assert one.run("status") == 0, one.said


def test_what_is_not_set_is_not_offered(function, host, without):
    client = host()
    one = function("dhcp", client, without=without, DHCP_RANGE="192.168.1.7-192.168.1.7")
    assert one.run("start") == 0, one.said
    assert lease(client) == "192.168.1.7/24 via  dns  for 3600 from 192.168.1.2"


def test_two_servers_side_by_side_do_not_meet(function, host, without):
    one_client, other_client = host(), host()
    one = function("dhcp", one_client, without=without, DHCP_RANGE="192.168.1.7-192.168.1.7")
    other = function("dhcp", other_client, beside=one, DHCP_RANGE="192.168.1.8-192.168.1.8")
    assert one.run("start") == 0 and other.run("start") == 0
    assert lease(one_client).startswith("192.168.1.7/")
    assert lease(other_client).startswith("192.168.1.8/")
    assert one.run("stop") == 0, one.said
    assert (one.run("status"), other.run("status")) == (3, 0)
    assert one.left() == []


def test_only_a_change_starts_the_server_anew(function, host, without):
    client = host()
    one = function("dhcp", client, without=without, DHCP_RANGE="192.168.1.7-192.168.1.8")
    one.run("start")
    given = lease(client)
    servers = [one.node.run("ip", "netns", "pids", one.space).stdout]
    assert one.run("update") == 0 and one.run("start") == 0
    servers.append(one.node.run("ip", "netns", "pids", one.space).stdout)
    assert one.run("update", DHCP_DNS="9.9.9.9") == 0, one.said
    servers.append(one.node.run("ip", "netns", "pids", one.space).stdout)
    assert servers[0] == servers[1] != servers[2]
    assert lease(client) == given.replace("dns ", "dns 9.9.9.9")


def test_a_paused_server_serves_when_it_is_resumed(function, host, without):
    client = host()
    one = function("dhcp", client, without=without, DHCP_RANGE="192.168.1.7-192.168.1.7")
    one.run("start")
    server = one.node.run("ip", "netns", "pids", one.space).stdout.strip()
    assert one.run("pause") == 0, one.said
    assert " T " in one.node.run("cat", "/proc/%s/stat" % server).stdout
    assert one.run("resume") == 0, one.said
    assert lease(client).startswith("192.168.1.7/")


def test_a_server_that_died_is_not_running_until_it_is_started(function, host, without):
    one = function("dhcp", host(), without=without)
    one.run("start")
    one.inside("sh", "-c", "kill -9 $(ip netns pids %s | head -n 1)" % one.space)
    while one.run("status") == 0:
        pass
    assert one.run("status") == 1
    assert one.said == "dhcp: its server has died; start runs it again"
    assert one.run("start") == 0, one.said
    assert one.run("status") == 0
