"""The VPN: two functions of one bundle, one of which calls the other, and what is seen on the wire between them."""
import os
import shutil
import subprocess

import pytest

from function import PATH, meet_by_the_tunnel_only, nothing_lost, pings


def wg(command, key=None):
    return subprocess.run(["wg", command], input=key, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def tunnel(host, function):
    """(a host near, a host far, the function that calls, the one that waits), started."""
    if not os.path.exists("/sys/module/wireguard") and not shutil.which("wireguard-go", path=PATH):
        pytest.skip("wireguard-go missing")
    near = host("10.1.0.9/24", gateway="10.1.0.1")
    far = host("10.2.0.9/16", "10.2.1.9/32", gateway="10.2.0.1")
    keys = wg("genkey"), wg("genkey")
    calls = function("vpn", near, VPN_INSIDE="10.1.0.1/24", VPN_PEER="192.168.2.2:4000", VPN_NETWORKS="10.2.0.0/24",
                     VPN_KEY=keys[0], VPN_PEER_KEY=wg("pubkey", keys[1]))
    waits = function("vpn", far, beside=calls, VPN_INSIDE="10.2.0.1/16", VPN_OUTSIDE="192.168.2.2/24", VPN_PORT="4000",
                     VPN_NETWORKS="10.1.0.0/24", VPN_KEY=keys[1], VPN_PEER_KEY=wg("pubkey", keys[0]))
    calls.add_port_to(waits)
    for one in waits, calls:
        assert one.run("start") == 0, one.said
    assert pings(near, far.ip)
    return near, far, calls, waits


def test_hosts_behind_both_meet_by_the_tunnel_and_no_other_way(tunnel):
    meet_by_the_tunnel_only(*tunnel, 4000)


def test_a_key_is_told_to_nobody(tunnel):
    near, far, calls, waits = tunnel
    key = calls.variables["VPN_KEY"]
    for pid in calls.node.pids("wireguard-go"):
        for file in "cmdline", "environ":
            with open("/proc/%d/%s" % (pid, file)) as said:
                assert key not in said.read()
    known = calls.inside("grep", "-lrF", "-D", "skip", key, calls.home).split()
    assert known and all(os.stat(name).st_mode & 0o077 == 0 for name in known)


def test_a_network_comes_and_goes_and_the_others_lose_no_packet(tunnel):
    near, far, calls, waits = tunnel
    with nothing_lost(near, far.ip, but=3 * bool(calls.node.pids("wireguard-go"))):  # one a change, rarely
        assert calls.run("update", VPN_NETWORKS="10.2.0.0/24 10.2.1.0/24") == 0, calls.said
        assert pings(near, "10.2.1.9")
        assert calls.run("start") == 0, calls.said
        assert calls.run("update", VPN_NETWORKS="10.2.0.0/24") == 0, calls.said
    assert not pings(near, "10.2.1.9", within=0.2)


def test_it_runs_from_start_to_stop_and_says_so(tunnel):
    near, far, calls, waits = tunnel
    assert (calls.run("status"), waits.run("status")) == (0, 0)
    assert calls.run("pause") == 0, calls.said
    assert not pings(near, far.ip, within=0.2)
    assert calls.run("update", VPN_NETWORKS="10.2.0.0/24 10.2.1.0/24") == 0, "paused, and heard of it"
    assert calls.run("pause") == 0, calls.said
    assert calls.run("resume") == 0, calls.said
    assert pings(near, far.ip)
    calls.inside("ip", "link", "del", "wg0")
    while calls.said != "wg0: is gone; start makes it":
        assert calls.run("status") in (0, 1)
    assert calls.run("start") == 0, calls.said
    assert pings(near, far.ip)
    for one in calls, waits:
        assert one.run("stop") == 0 and one.run("stop") == 0, one.said
        assert one.run("status") == 3
        assert one.left() == []


def test_who_has_another_key_has_no_tunnel_and_says_so(tunnel):
    near, far, calls, waits = tunnel
    assert waits.run("update", VPN_PEER_KEY=wg("pubkey", wg("genkey"))) == 0, waits.said
    assert calls.run("stop") == 0 and calls.run("start") == 0, calls.said
    assert not pings(near, far.ip, within=0.2)
    assert calls.run("status") == 0, calls.said
    calls.inside("sh", "-c", "echo -30 >%s/run/called" % calls.home)  # half a minute later
    assert calls.run("status") == 1
    assert calls.said == "VPN_PEER=192.168.2.2:4000: no answer for 200 s; has it the public key of VPN_KEY?"
