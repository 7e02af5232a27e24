"""The switch's daemons die and come back, as a service manager would have it: traffic is back at once, and all rules."""
import re
import time

import pytest

from crash import FULL
from function import pings
from graphs import vlan_sap, wire
from node import OVSDB_SERVER, datapath
from place import Place, chain
from probes import Ear, Probe, send

TIMES = 50 if FULL else 3
BACK = 2  # seconds from the daemon's start to the first packet that passes
FOREIGN = """
ovs-vsctl add-br guests -- set bridge guests datapath_type=$1 external_ids:owner=guest -- add-port guests guest0 -- \
    set interface guest0 type=internal
"""


@pytest.fixture(scope="module")
def shared():
    with Place() as place:
        place.node.run("dash", "-euc", FOREIGN, "sh", place.node.datapath)
        yield place


def silence(place):
    """Return the seconds from now until packets pass."""
    begun = time.monotonic()
    assert pings(place.lan, "10.0.0.2", within=30)
    return time.monotonic() - begun


def calm(place):
    """Let the switch's connection to its database have been good for a while: after a short one it waits for longer."""
    time.sleep(1.2)
    place.node.ovs("vsctl", "set", "bridge", "guests", "external_ids:calm=yes")
    place.node.ovs("vsctl", "remove", "bridge", "guests", "external_ids", "calm")


def settled(place, before):
    end = time.monotonic() + 5
    while changes := place.changes(before):
        assert time.monotonic() < end, changes
        time.sleep(0.05)
    return True


@pytest.mark.timeout(900)
def test_ovs_vswitchd_is_killed_again_and_again(place):
    place.put(chain("w", "x"))
    place.put(wire("plain", vlan_sap("a", "lan0", 7), vlan_sap("b", "wan0", 7)))
    before, waits = place.world(), []
    for _ in range(TIMES):
        place.node.stop_vswitchd()
        time.sleep(0.2)
        place.node.start_vswitchd()
        waits.append(silence(place))
        settled(place, before)
        with Ear(place.wan) as ear:
            send(place.lan, "x", 7)
            assert ear.heard(1) == [("x", 7, place.lan.mac)]
    print("ovs-vswitchd killed %d times: traffic back after %.2f s at most, %.2f s on average" % (
        TIMES, max(waits), sum(waits) / TIMES))
    assert max(waits) < BACK
    assert [place.calls(name) for name in ("w", "x")] == [["start"]] * 2


@pytest.mark.timeout(900)
def test_ovsdb_server_is_killed_again_and_again(place):
    """The kernel's datapath goes on without it; that in user space stops while the switch looks for its database, and a
    second more.  A change meanwhile is refused, and says why."""
    place.put(chain("w", "x"))
    before, waits = place.world(), []
    for count in range(TIMES):
        place.node.stop_ovsdb()
        if count % 10 == 0:
            assert "ovsdb-server is not running" in place.put(chain("w"), 503)["message"]
            assert "ovsdb-server" in place.ask("GET", "/health", status=503)["why"]
        time.sleep(0.1)
        place.node.start_ovsdb()
        waits.append(silence(place))
        settled(place, before)
        calm(place)
    print("ovsdb-server killed %d times: traffic back after %.2f s at most, %.2f s on average" % (
        TIMES, max(waits), sum(waits) / TIMES))
    assert max(waits) < BACK
    end = time.monotonic() + 5
    while place.agent.request("GET", "/health")[0] != 200:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert place.put(chain("w", "x"))["outcome"] == "unchanged"
    assert [place.calls(name) for name in ("w", "x")] == [["start"]] * 2


@pytest.fixture
def own():
    with Place() as place:
        yield place


def test_a_database_that_comes_back_empty_is_filled_again(own):
    """As on a device that keeps it in memory only: the switch drops all bridges when it sees that."""
    place = own
    place.put(chain("w", "x"))
    before = place.world()
    place.node.stop_ovsdb()
    place.node.run("dash", "-euc", 'rm "$OVS_DBDIR/conf.db"\n' + OVSDB_SERVER)
    settled(place, before)
    assert silence(place) < BACK
    assert [place.calls(name) for name in ("w", "x")] == [["start"]] * 2


def test_both_die_at_once(place):
    place.put(chain("w", "x"))
    before = place.world()
    calm(place)
    place.node.stop_vswitchd()
    place.node.stop_ovsdb()
    time.sleep(0.5)
    place.node.start_ovsdb()
    place.node.start_vswitchd()
    assert silence(place) < BACK
    settled(place, before)


@pytest.mark.skipif(datapath() == "netdev", reason="needs the kernel module openvswitch, which this machine lacks")
def test_the_kernel_goes_on_while_the_switch_is_killed_and_started(place):
    place.put(chain("w", "x"))
    with Probe(place) as probe:
        place.node.stop_vswitchd()
        time.sleep(1)
        place.node.start_vswitchd()
        time.sleep(3)
    assert probe.lost == 0
    assert "flow-restore-wait" not in place.node.ovs("vsctl", "get", "Open_vSwitch", ".", "other_config")


def test_what_is_foreign_is_as_it_was(place):
    assert re.search(r"^bridge guests,.*owner=guest", "\n".join(place.world()), re.M)
    assert place.metric("composer_loop_latest_seconds") < 0.25
