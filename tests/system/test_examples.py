"""Examples: what agent/examples shows is what a user gets, with real packets, and nothing stays.

A node has the address where an example's tunnel begins, in band on wan0.  Host wan has the one where it ends, and who
is behind that is `far`.
"""
import contextlib
import glob
import json
import os
import time

import pytest

from broker import Broker, Client
from composer.core import sffg
from ctl import ctl
from far import Far
from frames import octets
from function import pings, seen
from node import ROOT
from place import Place, until
from probes import Ear, mouth, send

FOLDER = ROOT + "/agent/examples/"
SERVER, NAT = "192.168.2.10", "192.168.2.1"  # the wan as those behind a NAT know it, and the NAT as the wan knows it
TCP, UDP = 6, 17


def wire(place):
    assert pings(place.lan, "10.0.0.2") and pings(place.wan, "10.0.0.1")


def home(place):
    assert pings(place.lan, SERVER)
    assert seen(place.lan, place.wan, 8080, (SERVER, 8080)) == NAT
    assert not seen(place.lan, place.wan, 8081, (SERVER, 8081), within=0.5), "the firewall refuses it"
    assert seen(place.wan, place.wan, 8081, (SERVER, 8081)) == SERVER, "who is behind the firewall gets there"


def voice(place):
    for near, far, vlan, other in (place.lan, place.wan, 25, 26), (place.wan, place.lan, 26, 25):
        with Ear(far) as ear:
            send(near, "call", vlan=vlan)
            send(near, "talk")
            assert ear.heard(2) == [("call", other, near.mac), ("talk", None, near.mac)]
    assert pings(place.lan, "10.0.0.2")


def figure_4(place):
    with Ear(place.wan) as ear:
        assert pings(place.lan, "10.0.0.2")
        assert ear.frames(1, wanted=is_ipv4)[0][14 + 8] == 63, "the TTL"
        place.lan.run("ping", "-c", "1", "-W", "0.2", "-I", "192.168.1.10", "10.0.0.2", check=False)
        assert not ear.frames(0, wanted=is_ipv4), "only what is of the one network may pass"
    assert seen(place.lan, place.wan, 8080) == "10.0.0.1"
    assert not seen(place.lan, place.wan, 8081, within=0.5), "the firewall refuses it"


def figure_5(place):
    with Ear(place.far) as ear:
        send(place.lan, "out", vlan=25)
        send(place.lan, "of no VLAN")
        assert ear.heard(1) == [("out", None, place.lan.mac)]
    with Ear(place.lan) as ear:
        send(place.far, "back")
        assert ear.heard(1) == [("back", 25, place.far.mac)]


def figure_6_firewall(place):
    assert seen(place.lan, place.far, 8080) == "10.0.0.1"
    assert not seen(place.lan, place.far, 8081, within=0.5), "the firewall refuses it"
    assert seen(place.far, place.lan, 8080) == place.far.ip


def figure_6_adv_blocker(place):
    place.lan.run("ip", "address", "replace", "10.0.0.66/24", "dev", "eth0")
    assert seen(place.far, place.lan, 80) == place.far.ip
    assert not seen(place.far, place.lan, 80, ("10.0.0.66", 80), within=0.5), "where the advertisements come from"


def vxlan(place):
    assert seen(place.lan, place.far, 80) == "10.0.0.1" and pings(place.far, "10.0.0.1", size=1400 - 28)


def web_cache(place):
    for port, cached in (8080, False), (80, True):
        before = received(place, "cache")
        assert seen(place.lan, place.wan, port, (SERVER, port)) == NAT
        assert (received(place, "cache") > before) == cached


def network_monitor(place):
    before = received(place, "monitor")
    with Ear(place.wan) as ear:
        assert pings(place.lan, "10.0.0.2"), "only what is tagged gets past the monitor"
        assert ear.frames(1, wanted=is_ipv4), "and it bears no tag in the end"
    assert received(place, "monitor") > before


def trusted(place):
    with Ear(place.lan) as ear, mouth(place.lan) as link:
        for protocol in TCP, UDP:
            link.send(octets({
                "eth_dst": 0x020000000099, "eth_src": int(place.lan.mac.replace(":", ""), 16), "tags": ((25, 0),),
                "eth_type": 0x0800, "ip_src": 0x0a000001, "ip_dst": 0x0a000002, "ip_dscp": 0, "ip_ecn": 0, "ttl": 64,
                "ip_proto": protocol, "tp_src": 4000, "tp_dst": 80}))
        back, = ear.frames(1)
    assert back[6:12].hex(":") == "aa:bb:cc:11:22:33", "the MAC of the firewall"
    assert back[12:16].hex() == "81000019" and back[18 + 9] == UDP, "in VLAN 25; its rules drop TCP"


def host_stack(place):
    assert pings(place.lan, "10.0.0.254") and pings(place.node, "10.0.0.1")


def gui(place):
    end = time.monotonic() + 10
    while "inet 192.168.1.1" not in place.node.run("ip", "-4", "-o", "address").stdout:
        assert time.monotonic() < end, "no address comes"
        time.sleep(0.05)
    assert pings(place.node, "192.168.1.2"), "the DHCP server"


def home_network(place):
    assert lease(place.lan).startswith("192.168.1.1")
    assert seen(place.lan, place.wan, 80, (SERVER, 80)) == NAT


def management(place):
    assert pings(place.far, "192.168.7.1") and pings(place.far, "192.168.7.2"), "the DHCP server, and the node itself"
    assert lease(place.far).startswith("192.168.7.1")


def configuration(place):
    assert pings(place.lan, "10.0.0.253") and pings(place.lan, "10.0.0.254"), "the address of its port, and the node's"
    assert "10.0.0.253 lladdr aa:bb:cc:dd:ee:ff" in place.lan.run("ip", "neigh", "show", "dev", "eth0").stdout
    assert lease(place.lan).startswith("192.168.1.1")
    assert "default via 10.0.0.1 dev l1a0" in place.node.run("ip", "route").stdout
    space, = place.node.run("ls", "/run/netns").stdout.split()
    inside = place.node.popen("ip", "netns", "exec", space, "busybox", "nc", "-ll", "-p", "80", "-e", "echo", "it is I")
    try:
        end = time.monotonic() + 5
        while "it is I" not in place.lan.run("busybox", "nc", "-w", "1", "10.0.0.254", "2000", check=False).stdout:
            assert time.monotonic() < end, "port 2000 of the node does not lead to the function"
    finally:
        inside.kill()
        inside.wait()


def vnfm(place):
    assert seen(place.lan, place.wan, 8080) == "10.0.0.1" and pings(place.node, "10.77.0.2"), "the manager's address"
    assert not seen(place.lan, place.wan, 8081, within=0.5), "the firewall refuses it"


def meter(place):
    with Broker(place.node.host, "listener 1883\nallow_anonymous true\n"), Client(place.node.host, "composer/v1/node/monitor/#") as ear:
        assert pings(place.lan, "10.0.0.2")
        ear.wait("composer/v1/node/monitor/meter.meter", lambda value: value > 0)


def monitored(place):
    assert pings(place.lan, "10.0.0.2")
    until(lambda: place.status("monitored")["zones"] == ["quiet"])
    until(lambda: pings(place.lan, "10.0.0.2") and place.status("monitored")["measurements"]["up"])


def openflow(place):
    until(lambda: pings(place.lan, "10.0.0.2") and pings(place.wan, "10.0.0.1"))
    assert "reply" in place.node.run("ovs-ofctl", "-O", "OpenFlow14", "dump-flows", "l1s0o").stdout


EXAMPLES = {  # what is deployed together
    "wire.json": wire, "home.json": home, "home-gateway.json": home, "voice.json": voice, "figure-4.json": figure_4, "figure-5.json": figure_5,
    "figure-6-firewall.json": figure_6_firewall, "figure-6-adv-blocker.json": figure_6_adv_blocker,
    "vxlan.json": vxlan, "web-cache.json": web_cache, "network-monitor.json": network_monitor, "trusted.json": trusted,
    "host-stack.json": host_stack, "gui.json": gui, "configuration.json": configuration, "home-network.json": home_network,
    "monitored.json": monitored, "vnfm.json": vnfm, "meter.json": meter, "openflow.json": openflow,
    "management.json management-afar.json": management}


ELSEWHERE = ["elastic-router.json"]  # it has four interfaces: test_elastic.py


def is_ipv4(frame):
    return frame[12:14] == b"\x08\0"


def received(place, function):
    """Return how many frames a function got at its first port."""
    space, = [name for name in place.node.run("ls", "/run/netns").stdout.split() if name.endswith(":" + function)]
    return int(place.node.run("ip", "netns", "exec", space, "cat", "/sys/class/net/eth0/statistics/rx_packets").stdout)


def lease(host):
    """Return the address that a DHCP server offers to a host, "" if none does."""
    asked = host.run("busybox", "udhcpc", "-f", "-n", "-q", "-t", "3", "-T", "1", "-i", "eth0", "-s", "/bin/true",
                     check=False)
    return asked.stderr.partition("lease of ")[2].partition(" ")[0]


def load(name):
    with open(FOLDER + name) as file:
        return json.load(file)


@pytest.fixture
def own(names):
    """A node that nobody has used yet, fit for the examples of that name."""
    tunnels = [sap for name in names.split() for sap in sffg.parse(load(name)).saps if "remote" in sap.options]
    with contextlib.ExitStack() as stack:
        address = {"address": tunnels[0].options["local"] + "/24", "interface": "wan0"} if tunnels else {}
        place = stack.enter_context(Place(["lan0", "wan0"], inband=address))
        for sap in tunnels:
            place.far = stack.enter_context(Far(place.wan, sap.kind, sap.options["remote"], sap.options["local"],
                                                sap.options["key"], "10.0.0.3/24", "192.168.7.10/24"))
        yield place


def joins(place):
    """Does anything that the lan sends get anywhere?"""
    with contextlib.ExitStack() as stack:
        ears = [stack.enter_context(Ear(host)) for host in (place.lan, place.wan, getattr(place, "far", place.wan))]
        for vlan in None, 25:
            send(place.lan, "anybody", vlan=vlan, to="ff:ff:ff:ff:ff:ff")
        return any([ear.heard(0) for ear in ears])


def test_every_example_has_its_packets():
    assert sorted(" ".join(EXAMPLES).split() + ELSEWHERE) == sorted(map(os.path.basename, glob.glob(FOLDER + "*.json")))


@pytest.mark.parametrize("names", EXAMPLES)
def test_an_example_forwards_is_given_back_and_leaves_nothing(own, names):
    def run(*words, **options):
        done = ctl("unix:%s/agent.sock" % own.node.dir, *words, **options)
        assert (done.returncode, done.stderr.count("composerctl:")) == (0, 0), done
        return done.stdout

    before = own.world()
    assert not joins(own)
    ids = {}
    for name in names.split():
        ids[name], outcome = run("apply", FOLDER + name).split()[:2]
        assert outcome == "created"
    EXAMPLES[names](own)
    for name, graph_id in ids.items():
        given = run("get", graph_id)
        assert json.loads(given) == load(name)
        steps = own.metric("composer_steps_total")
        for again in "-", FOLDER + name:
            assert run("apply", again, "--id", graph_id, input=given).split()[:2] == [graph_id, "unchanged"]
        assert own.metric("composer_steps_total") == steps
    EXAMPLES[names](own)
    for graph_id in ids.values():
        run("delete", graph_id)
    assert not own.changes(before)
    assert not joins(own)
