"""Ports: addresses on them, ports of the node that lead to a function, the node's gateway, forced source addresses.

    host lan  10.0.0.1 --- lan0  node  10.0.0.9 (a host-stack SAP), l1s0c --- ctl0  function web, which listens on 80 and 81
"""
import contextlib
import glob
import socket
import time

import pytest

from frames import octets
from function import pings
from graphs import both, graph, host_stack, nffg, rule, sf
from node import Host, wire
from packets import value_of
from place import LAN, WAN, chain, until
from probes import Ear, Probe, mouth

SOON = 5  # seconds until the node is as it was (G4)
NODE = "10.0.0.9"
ME = host_stack("me", NODE + "/24", mac="02:00:00:00:00:09")  # the host remembers it from one test to the next
LISTENS = "for port in 80 81; do busybox nc -ll -p $port -e echo $port & done; exit 0"
# an interface of the node that is none of ours
OTHER = "link add ext0 type veth peer name ext0.far\nlink set ext0 up\nlink set ext0.far up\n"
QUIET = {"START": LISTENS, "UPDATE": "exit 0"}


def web(control, gateway=None, name="g", saps=(LAN, ME)):
    """A graph whose function web is reached by ports of the node; lan reaches the node's own 10.0.0.9."""
    rules = both("1", "lan", "me") if len(saps) > 1 else []
    return nffg(graph(name, list(saps), [sf("web", "puppet", "a", **QUIET)], *rules), {"web": control}, gateway)


def says(host, address, port, within=2):
    """Return what a TCP port says, "" if nothing."""
    end = time.monotonic() + within
    while True:
        with contextlib.suppress(OSError), host.socket(socket.AF_INET, socket.SOCK_STREAM) as link:
            link.settimeout(max(0.1, end - time.monotonic()))
            link.connect((address, port))
            return link.recv(9).decode().strip()
        if time.monotonic() > end:
            return ""
        time.sleep(0.02)


def inside(place, name, *words, **options):
    return place.node.run("ip", "netns", "exec", "composer:g:" + name, *words, **options).stdout


class Inside:
    """The network namespace of a function of graph g."""

    def __init__(self, place, name):
        self.socket = lambda *kind: place.node.socket(*kind, space="composer:g:" + name)


def addresses(place, name):
    """Return {port: its addresses} of a function."""
    found = {}
    for line in inside(place, name, "ip", "-4", "-o", "address").splitlines():
        words = line.split()
        found.setdefault(words[1], []).append(words[3])
    return found


def comes_back(place, before, also=lambda: True):
    end = time.monotonic() + SOON
    while place.changes(before) or not also():
        assert time.monotonic() < end, place.changes(before)
        time.sleep(0.05)


# Addresses.


def with_address(address, state=None):
    """A wire with a port m between its ends that is no part of it, and has an address."""
    there = '$(ip -4 -o address show dev eth1 | sed "s/.* inet \\([^ ]*\\).*/\\1/")'
    told = 'echo "w $1 $SF_ADDRESSES: %s" >>/tmp/calls' % there
    said = {verb: "set -- %s; %s; SF_PORTS='eth0 eth2'" % (verb.lower(), told) for verb in ("START", "UPDATE")}
    return graph("g", [LAN, WAN], [sf("w", "puppet", "a", {"id": "m", "ip": address}, "b", **said)],
                 *both("1", "lan", "w:a"), *both("2", "w:b", "wan"))


def test_an_address_is_there_before_start_and_update_run_and_the_old_one_is_not(place):
    place.put(with_address("10.1.0.1/24"))
    with Probe(place) as probe:
        for address in ("10.1.0.2/24", "10.1.0.2/25", "", "10.2.0.1/16"):
            place.put(with_address(address))
            assert addresses(place, "w").get("eth1", []) == [address] * bool(address)
    assert probe.lost == 0, "of %d" % probe.sent
    assert [line for line in place.calls("w") if ":" in line] == [
        "start eth1=10.1.0.1/24: 10.1.0.1/24", "update eth1=10.1.0.2/24: 10.1.0.2/24", "update eth1=10.1.0.2/25: 10.1.0.2/25",
        "update :", "update eth1=10.2.0.1/16: 10.2.0.1/16"]


def test_an_address_survives_a_restart_and_a_repair_of_its_function(place):
    body = with_address("10.1.0.1/24")
    place.put(body)
    assert place.ask("GET", "/graphs/g") == body
    before = place.world()
    place.ask("POST", "/graphs/g/functions/w/restart")
    assert addresses(place, "w")["eth1"] == ["10.1.0.1/24"]
    place.ask("POST", "/graphs/g/functions/w/stop")
    place.put(with_address("10.1.0.2/24"))
    place.ask("POST", "/graphs/g/functions/w/start")
    assert addresses(place, "w")["eth1"] == ["10.1.0.2/24"]
    place.put(body)
    place.node.run("ip", "netns", "del", "composer:g:w")
    comes_back(place, before, lambda: addresses(place, "w").get("eth1") == ["10.1.0.1/24"])


def test_a_host_reaches_the_address_of_a_port(place):
    place.ask("PUT", "/graphs/g", nffg(graph("g", [LAN], [sf("web", "puppet", {"id": "a", "ip": "10.0.0.7/24"}, **QUIET)],
                                             *both("1", "lan", "web:a"))), 201)
    assert pings(place.lan, "10.0.0.7") and says(place.lan, "10.0.0.7", 80) == "80"


# Ports of the node.


def test_a_port_of_the_node_leads_to_its_port_of_the_function_and_to_no_other(place):
    body = web({2000: 80, 2001: 81})
    place.ask("PUT", "/graphs/g", body, 201)
    assert place.ask("GET", "/graphs/g") == body
    assert place.ask("PUT", "/graphs/g", body)["outcome"] == "unchanged"
    for host, address in ((place.lan, NODE), (place.node, NODE), (place.node, "127.0.0.1"), (place.node, "169.254.1.2")):
        assert (says(host, address, 2000), says(host, address, 2001)) == ("80", "81"), address
        assert says(host, address, 80, within=0.2) == says(host, address, 2002, within=0.2) == ""
    assert says(place.node, "169.254.1.3", 81, within=0.3) == "", "the function is reached by what the graph says only"
    assert not pings(place.node.host, "169.254.1.3", within=0.3)


def test_the_way_to_a_function_is_of_ipv4_only(place):
    """Else the function would reach by IPv6 what listens on the node."""
    default = "/proc/sys/net/ipv6/conf/default/disable_ipv6"
    place.node.run("dash", "-c", "echo 0 >" + default)
    try:
        place.ask("PUT", "/graphs/g", web({2000: 80}), 201)
        found = place.node.run("cat", "/proc/net/if_inet6").stdout
        assert "l1s0p0" in found and "l1s0c" not in found
    finally:
        place.node.run("dash", "-c", "echo 1 >" + default)


def test_a_function_reaches_nothing_of_the_node_by_that_way(place):
    place.ask("PUT", "/graphs/g", web({2000: 80}), 201)
    inside(place, "web", "sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1")
    inside(place, "web", "ip", "-batch", "-", input="address del 127.0.0.1/8 dev lo\nroute replace default via 169.254.1.2\n"
           "route replace 127.0.0.1 via 169.254.1.2 dev ctl0\n")
    with place.node.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear, \
            Inside(place, "web").socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        ear.bind(("", 0))
        for address in ("169.254.1.2", NODE, "127.0.0.1"):
            link.sendto(address.encode(), (address, ear.getsockname()[1]))
        ear.settimeout(0.2)
        with pytest.raises(TimeoutError):
            ear.recv(99)
    assert not inside(place, "web", "ping", "-c", "1", "-W", "0.3", "10.0.0.1", check=False).count(" 0% packet loss")
    assert says(place.lan, NODE, 2000) == "80"


@pytest.mark.parametrize("routes", [False, True], ids=["does not route", "routes"])
def test_what_else_comes_to_the_node_to_be_forwarded_is_as_it_was(place, routes):
    """The way to the function is forwarded on a node that forwards nothing, too, and from a host-stack SAP, which never does."""
    place.node.run("sysctl", "-qw", "net.ipv4.ip_forward=%d" % routes)
    place.node.run("ip", "-batch", "-", input="link add ext0 type veth peer name ext0.far\nlink set ext0 up\n")
    try:
        with Host("outside", "203.0.113.2/24", gateway="203.0.113.1") as outside, Ear(place.lan) as ear:
            wire(outside, place.node, "ext0")
            place.node.run("ip", "address", "add", "203.0.113.1/24", "dev", "ext0")
            place.lan.run("ip", "route", "replace", "203.0.113.0/24", "via", NODE)
            for body in (web({2000: 80}), web({})):
                place.ask("PUT", "/graphs/g", body, (200, 201))
                assert pings(place.lan, "203.0.113.1") and pings(outside, NODE), "both are addresses of the node"
                for host, address in ((outside, "203.0.113.1"), (place.lan, NODE), (place.lan, "203.0.113.1")):
                    assert says(host, address, 2000, within=0.5) == ("80" if body == web({2000: 80}) else "")
                outside.run("ping", "-c", "2", "-i", "0.05", "-W", "0.1", "10.0.0.1", check=False)
                assert len(ear.frames(0, 0.1, lambda frame: frame[26:30] == bytes([203, 0, 113, 2]))) == 2 * routes
                assert not pings(place.lan, "203.0.113.2", within=0.3)
    finally:
        place.node.run("sysctl", "-qw", "net.ipv4.ip_forward=0")
        place.node.run("ip", "link", "del", "ext0", check=False)
        place.lan.run("ip", "route", "del", "203.0.113.0/24", check=False)


def test_ports_of_the_node_come_change_and_go_with_no_script_called(place):
    straight = both("1", "lan", "w:a") + both("2", "w:b", "wan")
    base = graph("g", [LAN, WAN], [sf("w", "puppet", "a", "b", START="busybox nc -ll -p 80 -e echo 80 &")], *straight)
    place.ask("PUT", "/graphs/g", nffg(base), 201)
    before = place.world()
    with Probe(place) as probe:
        for ports in ({2000: 80}, {2001: 80}, {2001: 81, 2002: 80}):
            place.ask("PUT", "/graphs/g", nffg(base, {"w": ports}))
            assert [port for port in (2000, 2001, 2002) if says(place.node, "127.0.0.1", port, 0.2)] \
                == [port for port in ports if ports[port] == 80]
        place.ask("PUT", "/graphs/g", nffg(base))
    assert probe.lost == 0, "of %d" % probe.sent
    assert place.calls("w") == ["start"]
    comes_back(place, before)


def test_an_agent_that_was_killed_does_nothing_and_connections_go_on(place):
    place.ask("PUT", "/graphs/g", web({2000: 80}), 201)
    place.node.run("ip", "netns", "exec", "composer:g:web", "dash", "-c", "busybox nc -ll -p 82 -e cat >/dev/null 2>&1 &")
    place.ask("PUT", "/graphs/g", web({2000: 80, 2002: 82}))
    before = place.world()
    with place.lan.socket(socket.AF_INET, socket.SOCK_STREAM) as link:
        link.settimeout(2)
        link.connect((NODE, 2002))
        place.agent.kill()
        assert says(place.lan, NODE, 2000) == "80"
        seen = len(place.steps())
        place.agent.start()
        link.send(b"still here")
        assert link.recv(99) == b"still here"
    assert len(place.steps()) == seen + 1 and not place.changes(before)


TAKEN = {"the link": "ip link del l1s0c", "the table": "nft delete table ip composer_1_0", "all tables": "nft flush ruleset ip",
         "the function": "ip netns del composer:g:web"}


@pytest.mark.parametrize("what", sorted(TAKEN))
def test_what_is_taken_away_is_made_again(place, what):
    place.ask("PUT", "/graphs/g", web({2000: 80}), 201)
    before = place.world()
    for path in glob.glob(place.node.dir + "/runtime/functions/*/tmp"):
        open(path + "/untouched", "w").close()
    place.node.run("dash", "-c", TAKEN[what])
    if "table" in what:  # nobody tells of that: a look finds it, within a minute by itself
        place.agent.kill()
        place.agent.start()
    comes_back(place, before, lambda: says(place.lan, NODE, 2000) == says(place.node, "127.0.0.1", 2000) == "80")
    assert len(glob.glob(place.node.dir + "/runtime/functions/*/tmp/untouched")) == (what != "the function")


def test_what_a_killed_agent_left_of_a_graph_that_is_not_wanted_is_removed(place):
    before = place.world()
    place.ask("PUT", "/graphs/g", web({2000: 80}), 201)
    place.agent.kill()
    place.node.run("dash", "-c", 'rm "$1"/state/graphs/*', "sh", place.node.dir)
    place.agent.start()
    comes_back(place, before)
    place.node.run("nft", "add", "table", "ip", "composer_x_0")  # somebody's, whatever it is for
    place.agent.kill()
    place.agent.start()
    assert place.changes(before) == ["+ table ip composer_x_0"]
    place.node.run("nft", "delete", "table", "ip", "composer_x_0")


def test_a_port_of_the_node_is_one_functions(place):
    def refused(body):
        answer = place.ask("PUT", "/graphs/other", body, 409)
        assert answer["where"] == "VNFs[0].unify-control"
        return answer["message"]

    place.ask("PUT", "/graphs/g", web({2000: 80}), 201)
    taken = "TCP port 2000 of the node is that of function web of graph g"
    assert refused(web({2001: 80, 2000: 81}, name="other", saps=[LAN])) == taken
    with place.node.socket(socket.AF_INET6, socket.SOCK_STREAM) as ear:
        ear.bind(("::", 2003))
        ear.listen()
        assert "the node itself listens on TCP port 2003" in refused(web({2003: 80}, name="other", saps=[LAN]))
    place.ask("PUT", "/graphs/other", web({2003: 80}, name="other", saps=[LAN]), 201)
    assert (says(place.lan, NODE, 2000), says(place.lan, NODE, 2003)) == ("80", "80")
    place.delete("g")
    assert says(place.node, "127.0.0.1", 2003) == "80"


def test_a_node_without_nft_says_so(place):
    hidden = place.node.run("readlink", "-f", "/usr/sbin/nft").stdout.strip()
    place.node.run("dash", "-c", 'cp "$1" /run/nft && : >/run/none && mount --bind /run/none "$1"', "sh", hidden)
    try:
        assert "nft is missing" in place.ask("PUT", "/graphs/g", web({2000: 80}), 409)["message"]
    finally:
        place.node.run("umount", hidden)
        place.node.run("rm", "/run/nft", "/run/none")


# The node's gateway.


def gateways(place):
    return place.node.run("ip", "-4", "route", "show", "default").stdout.split("\n")[:-1]


def test_a_gateway_is_set_and_changed_and_goes_with_its_graph(place):
    moved = host_stack("me", "10.0.0.8/24", mac="02:00:00:00:00:09")
    for body, wanted in ((web({}), []), (web({}, "10.0.0.1"), ["default via 10.0.0.1 dev l1a0 "]),
                         (web({}, "10.0.0.2"), ["default via 10.0.0.2 dev l1a0 "]),
                         (web({}, "10.0.0.2", saps=[LAN, moved]), ["default via 10.0.0.2 dev l1a0 "]),
                         (web({}), []), (web({}, "10.0.0.1"), ["default via 10.0.0.1 dev l1a0 "])):
        place.ask("PUT", "/graphs/g", body, (200, 201))
        assert gateways(place) == wanted
    place.lan.run("ip", "address", "add", "203.0.113.9/32", "dev", "eth0")
    assert pings(place.node.host, "203.0.113.9")
    place.lan.run("ip", "address", "del", "203.0.113.9/32", "dev", "eth0")
    place.delete("g")
    assert gateways(place) == []


def test_a_gateway_comes_back_and_never_takes_the_place_of_another(place):
    place.ask("PUT", "/graphs/g", web({}, "10.0.0.1"), 201)
    other = web({}, "10.9.0.1", name="other", saps=[host_stack("me", "10.9.0.9/24")])
    before, answer = place.world(), place.ask("PUT", "/graphs/other", other, 409)
    assert answer["where"] == "node-config" and "of graph g" in answer["message"]
    place.node.run("ip", "route", "del", "default")
    place.agent.kill()
    place.agent.start()
    comes_back(place, before, lambda: gateways(place) == ["default via 10.0.0.1 dev l1a0 "])
    place.delete("g")
    place.node.run("ip", "-batch", "-", input=OTHER + "address add 10.8.0.1/24 dev ext0\n"
                   "route add default via 10.8.0.2 metric 1024\n")
    try:
        answer = place.ask("PUT", "/graphs/g", web({}, "10.0.0.1"), 409)
        assert answer["where"] == "node-config" and "a default route through ext0" in answer["message"]
        place.node.run("ip", "route", "del", "default")
        place.ask("PUT", "/graphs/g", web({}, "10.0.0.1"), 201)
        place.node.run("ip", "route", "replace", "default", "via", "10.8.0.2")
        place.agent.kill()
        place.agent.start()
        before = place.world()
        place.node.run("ip", "address", "del", NODE + "/24", "dev", "l1a0")
        comes_back(place, before, lambda: pings(place.lan, NODE))
        assert gateways(place) == ["default via 10.8.0.2 dev ext0 "]
    finally:
        place.node.run("ip", "link", "del", "ext0")


# Trusted ports.

SPOOFED, FORCED = "02:66:66:66:66:66", "02:00:00:00:00:77"
ETHERNET = {"tags": (), "eth_dst": "02:00:00:00:00:99", "eth_src": SPOOFED}
IP = {**ETHERNET, "ip_dscp": 0, "ip_ecn": 0, "ttl": 64, "ip_proto": 17, "tp_src": 7, "tp_dst": 7}
KINDS = {"ipv4": {**IP, "eth_type": 0x0800, "ip_src": "10.9.0.1", "ip_dst": "10.9.0.2"},
         "ipv6": {**IP, "eth_type": 0x86dd, "ipv6_src": "2001:db8::1", "ipv6_dst": "2001:db8::2", "ipv6_label": 0},
         "arp": {**ETHERNET, "eth_type": 0x0806, "arp_op": 1, "arp_spa": "10.9.0.1", "arp_tpa": "10.9.0.2",
                 "arp_sha": SPOOFED, "arp_tha": "00:00:00:00:00:00"}, "other": {**ETHERNET, "eth_type": 0x88b5}}


@pytest.mark.parametrize("trusted", [True, False])
def test_a_trusted_port_sends_from_its_own_address_only_and_no_other_port_is_touched(place, trusted):
    """To LSI-0, and to another function of the graph."""
    port = {"id": "a", "mac": FORCED, "trusted": trusted}
    quiet = {"START": "exit 0"}
    place.put(graph("g", [LAN, WAN], [sf("liar", "puppet", port, **quiet), sf("other", "puppet", "a", **quiet)],
                    rule("1", "liar:a", "wan", "other:a"), rule("2", "liar:a", "wan", ether_type=0x0806, priority=2)))

    def frame(kind, source):
        fields = {**KINDS[kind], "eth_src": source}
        return octets({name: value_of(fields[name]) for name in fields}, kind.encode())

    def ours(one):
        return one[:6] == bytes.fromhex("020000000099")

    with Ear(place.wan) as wan, Ear(Inside(place, "other")) as other, mouth(Inside(place, "liar")) as link:
        for kind in KINDS:
            link.send(frame(kind, SPOOFED))
        for ear, kinds in ((wan, ["ipv4", "ipv6", "arp", "other"]), (other, ["ipv4", "ipv6", "other"])):
            wanted = [frame(kind, FORCED if trusted else SPOOFED) for kind in kinds]
            assert sorted(ear.frames(len(kinds), wanted=ours)) == sorted(wanted)


def test_a_function_that_is_made_anew_is_known_to_its_neighbours_by_its_mac(place):
    def macs(name):
        space = "composer:%s:v" % name
        return [place.node.run("ip", "netns", "exec", space, "cat", "/sys/class/net/eth%d/address" % port).stdout.strip()
                for port in (0, 1)]

    place.put(chain("v"))
    before = macs("g")
    place.node.run("ip", "netns", "del", "composer:g:v")
    until(lambda: place.node.run("ip", "netns", "exec", "composer:g:v", "true", check=False).returncode == 0
          and place.status("g")["state"] == "deployed")
    assert macs("g") == before
    place.delete("g")
    place.put(chain("v"))
    assert macs("g") == before
    place.delete("g")
    place.put(chain("v", name="other"))
    assert len(set(before + macs("other"))) == 4
