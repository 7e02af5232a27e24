"""IPsec: two functions of one bundle, one of which calls the other, and what is seen on the wire between them."""
import os

import pytest

from function import meet_by_the_tunnel_only, nothing_lost, pings

PLUGIN = "/usr/lib/ipsec/plugins/libstrongswan-kernel-libipsec.so"
SECRET = "what=both know"


@pytest.fixture
def ends(host, function):
    """(a host near, a host far, the function that calls, the one that waits), of which the last is started."""
    if not os.path.exists("/sys/module/esp4") and not os.path.exists(PLUGIN):
        pytest.skip("%s missing" % PLUGIN)
    near = host("10.1.0.9/24", gateway="10.1.0.1")
    far = host("10.2.0.9/16", "10.2.1.9/32", gateway="10.2.0.1")
    calls = function("ipsec", near, IPSEC_INSIDE="10.1.0.1/24", IPSEC_PEER="192.168.2.2", IPSEC_NETWORKS="10.2.0.0/24",
                     IPSEC_ID="near@example.org", IPSEC_SECRET=SECRET)
    waits = function("ipsec", far, beside=calls, IPSEC_INSIDE="10.2.0.1/16", IPSEC_OUTSIDE="192.168.2.2/24",
                     IPSEC_PEER_ID="near@example.org", IPSEC_NETWORKS="10.1.0.0/24", IPSEC_SECRET=SECRET)
    calls.add_port_to(waits)
    assert waits.run("start") == 0, waits.said
    return near, far, calls, waits


@pytest.fixture
def tunnel(ends):
    """`ends`, all started, and the tunnel up."""
    near, far, calls, waits = ends
    assert calls.run("start") == 0, calls.said
    assert pings(near, far.ip)
    return ends


def test_hosts_behind_both_meet_by_the_tunnel_and_no_other_way(tunnel):
    meet_by_the_tunnel_only(*tunnel, 4500)


def test_the_secret_is_told_to_nobody(tunnel):
    near, far, calls, waits = tunnel
    charon = calls.node.run("ip", "netns", "pids", calls.space).stdout.strip()
    assert SECRET not in calls.inside("cat", "/proc/%s/cmdline" % charon, "/proc/%s/environ" % charon)
    known = calls.inside("grep", "-lr", "-D", "skip", SECRET, calls.home).split()
    assert known and all(os.stat(name).st_mode & 0o077 == 0 for name in known)


def test_a_network_comes_and_goes_and_the_others_lose_no_packet(tunnel):
    near, far, calls, waits = tunnel
    waits.inside("ip", "address", "add", "10.2.1.1/24", "dev", "eth0")
    with nothing_lost(near, far.ip):
        assert calls.run("update", IPSEC_NETWORKS="10.2.0.0/24 10.2.1.0/24") == 0, calls.said
        assert pings(near, "10.2.1.9")
        assert calls.run("start") == 0, calls.said
        assert calls.run("update", IPSEC_NETWORKS="10.2.0.0/24") == 0, calls.said
    assert not pings(near, "10.2.1.9", within=0.2)
    assert calls.run("update", IPSEC_NETWORKS="10.2.0.0/24 10.2.1.0/24") == 0, calls.said
    assert pings(near, "10.2.1.9")
    assert waits.run("pause") == 0, waits.said
    assert calls.run("update", IPSEC_NETWORKS="10.2.0.0/24") == 0, "the peer is silent"
    assert not pings(near, "10.2.1.9", within=0.2)


def test_it_runs_from_start_to_stop_and_says_so(tunnel):
    near, far, calls, waits = tunnel
    assert (calls.run("status"), waits.run("status")) == (0, 0)
    assert calls.run("pause") == 0, calls.said
    assert calls.run("update") == 0, "paused, and heard of it"
    assert calls.run("pause") == 0, calls.said
    assert not pings(near, far.ip, within=0.2)
    assert calls.run("resume") == 0, calls.said
    assert pings(near, far.ip)
    calls.inside("sh", "-c", "kill -9 $(ip netns pids %s | head -n 1)" % calls.space)
    while calls.said != "charon: has died; start runs it again":
        assert calls.run("status") in (0, 1)
    assert calls.run("start") == 0, calls.said
    assert pings(near, far.ip)
    assert waits.run("stop") == 0, waits.said
    assert calls.run("stop") == 0, calls.said
    assert (calls.run("status"), waits.run("status")) == (3, 3)
    assert (calls.left(), waits.left()) == ([], [])


def test_who_does_not_know_the_secret_has_no_tunnel_and_says_why(ends):
    near, far, calls, waits = ends
    assert calls.run("start", IPSEC_SECRET="what one thinks") == 0, calls.said
    assert not pings(near, far.ip, within=0.5)
    assert calls.run("status") == 0, calls.said
    calls.inside("sh", "-c", "echo -30 >%s/run/called" % calls.home)  # half a minute later
    assert calls.run("status") == 1
    assert calls.said == ("IPSEC_PEER=192.168.2.2: no tunnel 10_2_0_0_24; charon tries again, "
                          "at last [IKE] received AUTHENTICATION_FAILED notify error")
