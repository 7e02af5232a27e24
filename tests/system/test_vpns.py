"""Tunnels of functions: two gateways in one graph, whose ends find each other though they start before there are rules."""
import subprocess

import pytest

from function import pings
from graphs import both, graph, sf
from place import LAN, WAN, Place, until

SECRET = "bm90aGluZyB0aGF0IGlzIHVzZWQgYW55d2hlcmUgZWxzZQ=="


@pytest.fixture(scope="module")
def shared():
    with Place() as place:
        place.lan.run("ip", "address", "replace", "10.1.0.10/24", "dev", "eth0")
        place.lan.run("ip", "route", "replace", "10.2.0.0/24", "via", "10.1.0.1")
        place.wan.run("ip", "address", "replace", "10.2.0.10/24", "dev", "eth0")
        place.wan.run("ip", "route", "replace", "10.1.0.0/24", "via", "10.2.0.1")
        yield place


def wg(*words):
    return subprocess.run(["wg", *words[:1]], input="".join(words[1:]), check=True, capture_output=True, text=True).stdout.strip()


def ends(kind):
    """Return the variables of the two ends of a tunnel."""
    keys = [wg("genkey") for _ in range(2)] if kind == "vpn" else []
    found = []
    for here in (0, 1):
        there = 1 - here
        own = {"INSIDE": "10.%d.0.1/24" % (here + 1), "OUTSIDE": "192.0.2.%d/24" % (here + 1), "NETWORKS": "10.%d.0.0/24" % (there + 1),
               **({"KEY": keys[here], "PEER_KEY": wg("pubkey", keys[there])} if keys else {"SECRET": SECRET}),
               **({"PEER": "192.0.2.2"} if here == 0 else {})}
        found.append({kind.upper() + "_" + name: value for name, value in own.items()})
    return found


@pytest.mark.parametrize("kind", ["ipsec", "vpn"])
def test_two_gateways_of_one_graph_join_their_networks_and_no_secret_is_logged(place, kind):
    near, far = ends(kind)
    body = graph("g", [LAN, WAN], [sf("near", kind, "in", "out", **near), sf("far", kind, "in", "out", **far)],
                 *both("1", "lan", "near:in"), *both("2", "near:out", "far:out"), *both("3", "far:in", "wan"))
    for host in place.lan, place.wan:
        host.run("ip", "neigh", "flush", "dev", "eth0")  # another function answers there now
    place.put(body)
    assert until(lambda: pings(place.lan, "10.2.0.10", within=1), within=15)
    assert {one["state"] for one in place.status("g")["functions"]} == {"running"}
    for secret in [value for name, value in near.items() if name.endswith(("SECRET", "_KEY")) and "PEER" not in name]:
        assert secret not in place.agent.log and secret not in str(place.ask("GET", "/events"))
    body["sffg"]["SFs"][0]["variables"][kind.upper() + "_PEER"] = "nobody"
    answer = place.put(body, 500)
    assert "_PEER=nobody" in answer["output"] and "not an IPv4 address" in answer["output"] and "..." in answer["command"]
    assert not [value for name, value in near.items() if "KEY" in name or "SECRET" in name if value in str(answer)]
    assert pings(place.lan, "10.2.0.10", within=1), "the update was undone"
