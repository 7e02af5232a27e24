"""What nsf/CONTRACT.md asks of every function's scripts, and a function's neighbours of what is left of it."""
import re

import pytest

from function import nothing_lost, pings

# name, addresses of two hosts, their gateways, variables
CROSSED = {
    "sample": ("10.0.0.1/24", "", "10.0.0.2/24", "", {}),
    "bridge": ("10.0.0.1/24", "", "10.0.0.2/24", "", {}),
    "l2-switch": ("10.0.0.1/24", "", "10.0.0.2/24", "", {}),
    "firewall": ("10.0.0.1/24", "", "10.0.0.2/24", "", {"FIREWALL_POLICY": "drop", "FIREWALL_RULES": "accept icmp"}),
    "shaper": ("10.0.0.1/24", "", "10.0.0.2/24", "", {"SHAPER_UP": "10mbit", "SHAPER_DOWN": "20mbit"}),
    "ids-mirror": ("10.0.0.1/24", "", "10.0.0.2/24", "", {}),
    "nat": ("192.168.1.9/24", "192.168.1.1", "192.168.2.9/24", "", {}),
    "router": ("10.0.1.9/24", "10.0.1.1", "10.0.2.9/24", "10.0.2.1",
               {"ROUTER_ADDRESSES": "eth0=10.0.1.1/24 eth1=10.0.2.1/24"}),
    "load-balancer": ("10.0.0.1/24", "", "10.0.0.2/24", "", {}),
}
THIRD = ("ids-mirror",)  # have a third port


@pytest.fixture(params=CROSSED)
def crossed(request, host, function):
    """(a host, another, the function between them), not started."""
    inner, inner_gateway, outer, outer_gateway, variables = CROSSED[request.param]
    client, server = host(inner, gateway=inner_gateway), host(outer, gateway=outer_gateway)
    more = [host()] if request.param in THIRD else []
    return client, server, function(request.param, client, server, *more, **variables)


def test_it_runs_from_start_to_stop_and_leaves_nothing(crossed):
    client, server, one = crossed
    assert one.run("status") == 3
    assert one.run("start") == 0, one.said
    assert pings(client, server.ip)
    assert one.run("status") == 0, one.said
    assert one.run("stop") == 0, one.said
    assert not pings(client, server.ip, within=0.2)
    assert one.run("status") == 3
    assert one.left() == []


def test_starting_or_updating_what_runs_loses_no_packet(crossed):
    client, server, one = crossed
    assert one.run("start") == 0, one.said
    with nothing_lost(client, server.ip):
        assert one.run("start") == 0, one.said
        assert one.run("update") == 0, one.said
    assert one.run("status") == 0


def test_a_variable_called_like_one_of_a_script_changes_nothing(crossed):
    client, server, one = crossed
    text = one.inside("sh", "-c", "cat %s/image/*" % one.home)
    for name in set(re.findall(r"\$\{?([a-z_0-9]*[a-z][a-z_0-9]*)", text)):
        one.variables[name] = "link add evil type bridge\nnetns exec"
    assert one.run("start") == 0, one.said
    assert pings(client, server.ip)
    assert "evil" not in one.inside("ip", "link")
    assert one.run("status") == 0, one.said
    assert one.run("stop") == 0, one.said


def test_what_is_stopped_can_be_stopped_and_started(crossed):
    client, server, one = crossed
    assert one.run("stop") == 0, one.said
    assert one.run("start") == 0, one.said
    assert one.run("stop") == 0, one.said
    assert one.run("stop") == 0, one.said
    assert one.run("start") == 0, one.said
    assert pings(client, server.ip)


def test_a_daemon_that_does_not_end_when_it_is_asked_to_is_killed(function, host):
    one = function("dhcp", host(), without=None)
    assert one.run("start") == 0, one.said
    one.inside("sh", "-c", "kill $(cat $1/run/server.pid); (trap '' TERM; exec sleep 60) >/dev/null 2>&1 & echo $! >$1/run/server.pid",
               "sh", one.home)
    assert one.run("stop") == 0, one.said
    assert one.left() == []


def test_a_paused_function_passes_nothing_until_it_is_resumed(crossed):
    client, server, one = crossed
    one.run("start")
    assert pings(client, server.ip)
    assert one.run("pause") == 0, one.said
    assert not pings(client, server.ip, within=0.2)
    assert one.run("resume") == 0, one.said
    assert pings(client, server.ip)


@pytest.mark.parametrize("name, variables, said", [
    ("sample", {"WIRE_MTU": "big"}, "WIRE_MTU=big: not a number from 68 to 9000; right would be 1500"),
    ("bridge", {"BRIDGE_STP": "maybe"}, "BRIDGE_STP=maybe: neither on nor off"),
    ("firewall", {"FIREWALL_POLICY": "deny"}, "FIREWALL_POLICY=deny: neither accept nor drop"),
    ("firewall", {"FIREWALL_POLICY": r"deny\c"}, r"FIREWALL_POLICY=deny\c: neither accept nor drop"),
    ("firewall", {"FIREWALL_RULES": "accept tcp; deny tcp 22"},
     "FIREWALL_RULES, rule 2 (deny tcp 22): begins with deny; right would be accept or drop"),
    ("firewall", {"FIREWALL_RULES": "drop tcp 90-80"},
     "FIREWALL_RULES, rule 1 (drop tcp 90-80): 90-80 is not a port; right would be 80 or 8000-8080"),
    ("firewall", {"FIREWALL_RULES": "accept tcp 80 443"},
     "FIREWALL_RULES, rule 1 (accept tcp 80 443): has 80 already; right would be one rule for each"),
    ("firewall", {"FIREWALL_RULES": "accept tcp 80 udp"},
     "FIREWALL_RULES, rule 1 (accept tcp 80 udp): has tcp already; right would be one rule for each"),
    ("firewall", {"FIREWALL_RULES": "drop from 10.0.0.1 from 10.0.0.2"},
     "FIREWALL_RULES, rule 1 (drop from 10.0.0.1 from 10.0.0.2): has 10.0.0.1 already; right would be one rule for each"),
    ("firewall", {"FIREWALL_RULES": "drop from inside from outside"},
     "FIREWALL_RULES, rule 1 (drop from inside from outside): has inside already; right would be one rule for each"),
    ("firewall", {"FIREWALL_RULES": "drop 22"},
     "FIREWALL_RULES, rule 1 (drop 22): port 22 is one of tcp, udp or sctp; right would be drop tcp 22"),
    ("firewall", {"FIREWALL_RULES": "drop from 10.0.0.256"},
     "FIREWALL_RULES, rule 1 (drop from 10.0.0.256): 10.0.0.256 after from is not an address; "
     "right would be from 10.0.0.0/8"),
    ("firewall", {"FIREWALL_RULES": "drop to"},
     "FIREWALL_RULES, rule 1 (drop to): nothing after to is not an address; right would be to 10.0.0.0/8"),
    ("firewall", {"FIREWALL_RULES": "drop from fd00::1 to 10.0.0.1"},
     "FIREWALL_RULES, rule 1 (drop from fd00::1 to 10.0.0.1): one address is IPv4 and one is IPv6"),
    ("firewall", {"FIREWALL_RULES": "drop *"},
     "FIREWALL_RULES, rule 1 (drop *): does not know *; right would be accept tcp 80 from inside to 10.0.0.0/8"),
    ("firewall", {"FIREWALL_RULES": "drop to dmz"},
     "FIREWALL_RULES, rule 1 (drop to dmz): there is no dmz; right would be to inside, or a third port"),
    ("shaper", {"SHAPER_DOWN": "20gbit"},
     "SHAPER_DOWN=20gbit: not a rate from 64 to 10000000 kbit/s; right would be 20000, 20000kbit or 20mbit"),
    ("shaper", {"SHAPER_LATENCY": "0"}, "SHAPER_LATENCY=0: not a number of ms from 1 to 1000; right would be 50"),
    ("ids-mirror", {}, "SF_PORTS=eth0 eth1: three ports are needed, inside, outside and mirror"),
    ("nat", {"NAT_INSIDE": "192.168.1.1"},
     "NAT_INSIDE=192.168.1.1: not an IPv4 address with a prefix length; right would be 192.168.1.1/24"),
    ("nat", {"NAT_GATEWAY": "fd00::1"}, "NAT_GATEWAY=fd00::1: not an IPv4 address; right would be 192.168.1.1"),
    ("nat", {"NAT_FORWARD": "tcp 8080"},
     "NAT_FORWARD, tcp 8080: not three words; right would be tcp 8080 192.168.1.10:80"),
    ("nat", {"NAT_FORWARD": "tcp 8080 host:80"},
     "NAT_FORWARD, tcp 8080 host:80: host:80 is not an address with a port; right would be 192.168.1.10:80"),
    ("router", {"ROUTER_ADDRESSES": "eth7=10.0.0.1/24"},
     "ROUTER_ADDRESSES, eth7=10.0.0.1/24: eth7 is not one of the ports eth0 eth1"),
    ("router", {"ROUTER_ADDRESSES": "eth0=10.0.0.1/24,fd00::1"},
     "ROUTER_ADDRESSES, eth0=10.0.0.1/24,fd00::1: fd00::1 has no prefix length; right would be eth0=10.0.1.1/24"),
    ("router", {"ROUTER_ADDRESSES": "eth0=fd00:::1/64"},
     "ROUTER_ADDRESSES, eth0=fd00:::1/64: fd00:::1/64 is not an address; right would be eth0=10.0.1.1/24,fd00:1::1/64"),
    ("router", {"ROUTER_ROUTES": "default"},
     "ROUTER_ROUTES, default: default is not the address of a gateway; right would be 10.9.0.0/16=10.0.2.254"),
    ("router", {"ROUTER_ROUTES": "fd00:9::/64=10.0.0.1"},
     "ROUTER_ROUTES, fd00:9::/64=10.0.0.1: of fd00:9::/64 and 10.0.0.1 one is IPv4 and one IPv6"),
    ("dhcp", {"DHCP_ADDRESS": "10.0.0.1/24"},
     "DHCP_RANGE=192.168.1.100-192.168.1.199: not a range in the network of 10.0.0.1/24; "
     "right would be 192.168.1.100-192.168.1.199"),
    ("dhcp", {"DHCP_DNS": "9.9.9.9,dns"}, "DHCP_DNS=dns: not an IPv4 address; right would be 192.168.1.1"),
    ("dhcp", {"DHCP_LEASE": "1h"},
     "DHCP_LEASE=1h: not a number of seconds from 120 to 31536000; right would be 3600"),
    ("load-balancer", {"LB_BRANCHES": "eth1 eth0"}, "LB_BRANCHES=eth1 eth0: eth0 is not one of the branches eth1"),
    ("vnfm", {"VNFM_FIREWALLS": "2"},
     'SF_ADDRESSES=: eth0 has no address; right would be "ip": "10.77.0.2/24" in the graph'),
    ("vnfm", {"SF_ADDRESSES": "eth0=10.77.0.2/24", "VNFM_AGENT": "10.77.0.1"},
     "VNFM_AGENT=10.77.0.1: not an IPv4 address with a port; right would be 10.77.0.1:8080"),
    ("vnfm", {"SF_ADDRESSES": "eth0=10.77.0.2/24", "VNFM_FIREWALLS": "many"},
     "VNFM_FIREWALLS=many: not a number from 1 to 16; right would be 1"),
    ("meter", {"SF_PORTS": "eth0 eth1"}, "SF_PORTS=eth0 eth1: three ports are needed, two ends and one to the broker"),
    ("meter", {"SF_PORTS": "eth0 eth1 eth2"},
     'SF_ADDRESSES=: eth2 has no address; right would be "ip": "10.78.0.2/24" in the graph'),
    ("meter", {"SF_PORTS": "eth0 eth1 eth2", "SF_ADDRESSES": "eth2=10.78.0.2/24", "METER_BROKER": "broker"},
     "METER_BROKER=broker: not an IPv4 address with a port; right would be 10.78.0.1:1883"),
    ("meter", {"SF_PORTS": "eth0 eth1 eth2", "SF_ADDRESSES": "eth2=10.78.0.2/24", "METER_NAME": "a/b"},
     "METER_NAME=a/b: not a name; right would be of A-Z a-z 0-9 _ . -, such as meter"),
    ("meter", {"SF_PORTS": "eth0 eth1 eth2", "SF_ADDRESSES": "eth2=10.78.0.2/24", "METER_EVERY": "0"},
     "METER_EVERY=0: not a number from 1 to 3600; right would be 5"),
    ("load-balancer", {"LB_BRANCHES": " "}, "LB_BRANCHES= : names no branch; right would be eth1"),
    ("load-balancer", {"LB_IDLE": "0"}, "LB_IDLE=0: not a number of seconds from 1 to 86400; right would be 600"),
    ("ipsec", {"IPSEC_PEER": "peer"}, "IPSEC_PEER=peer: not an IPv4 address; right would be 192.168.1.1"),
    ("ipsec", {"IPSEC_ID": "near }"}, "IPSEC_ID=near }: not a name; right would be 192.168.2.1 or gateway@example.org"),
    ("ipsec", {"IPSEC_SECRET": "known to \"both\""},
     "IPSEC_SECRET: has a quote, a backslash or a line break; right would be 0s and its base64"),
    ("ipsec", {"IPSEC_SECRET": "short"},
     "IPSEC_SECRET: has less than 8 characters; right would be what head -c 24 /dev/urandom | base64 says"),
    ("ipsec", {"IPSEC_SECRET": "long enough", "IPSEC_NETWORKS": " "},
     "IPSEC_NETWORKS: names no network; right would be 10.2.0.0/16"),
    ("ipsec", {"IPSEC_SECRET": "long enough", "IPSEC_NETWORKS": "10.2.0.0/16,10.3.0.0/16"},
     "IPSEC_NETWORKS=10.2.0.0/16,10.3.0.0/16: not an IPv4 address with a prefix length; right would be 192.168.1.1/24"),
    ("ipsec", {"IPSEC_SECRET": "long enough", "IPSEC_NETWORKS": "0.0.0.0/0", "IPSEC_GATEWAY": "192.168.2.9"},
     "IPSEC_GATEWAY: leads to nobody, as 0.0.0.0/0 is in the tunnel; right would be IPSEC_PEER, too"),
    ("captive-portal", {"PORTAL_TIME": "0"},
     "PORTAL_TIME=0: not a number of seconds from 1 to 31536000; right would be 3600"),
    ("captive-portal", {"PORTAL_ADDRESS": "portal"},
     "PORTAL_ADDRESS=portal: not an IPv4 address with a prefix length; right would be 192.168.1.1/24"),
    ("vpn", {"VPN_PEER": "peer:51820"},
     "VPN_PEER=peer:51820: not an IPv4 address, or one with a port; right would be 192.168.2.2:51820"),
    ("vpn", {"VPN_PORT": "0"}, "VPN_PORT=0: not a port; right would be 51820"),
    ("vpn", {}, "VPN_PEER_KEY: not 32 bytes in base64; right would be what wg pubkey of the key of the peer says"),
    ("vpn", {"VPN_PEER_KEY": 43 * "A" + "=", "VPN_KEY": 42 * "A" + "B="},
     "VPN_KEY: not 32 bytes in base64; right would be what wg genkey says"),
    ("vpn", {"VPN_PEER_KEY": 43 * "A" + "=", "VPN_KEY": 43 * "A" + "=", "VPN_NETWORKS": "0.0.0.0/0",
             "VPN_GATEWAY": "192.168.2.9"},
     "VPN_GATEWAY: leads to nobody, as 0.0.0.0/0 is in the tunnel; right would be VPN_PEER, too"),
    ("vpn", {"VPN_PEER_KEY": 43 * "A" + "=", "VPN_KEY": 43 * "A" + "=", "VPN_NETWORKS": " "},
     "VPN_NETWORKS: names no network; right would be 10.2.0.0/16"),
])
def test_a_bad_variable_is_refused_with_what_would_be_right(function, name, variables, said):
    one = function(name, **variables)
    one.ports = ["eth0", "eth1"]
    assert one.run("start") == 1
    assert one.said == said
    assert one.left() == []


def test_two_ports_are_not_one(function):
    for name in "firewall", "nat", "ipsec", "captive-portal", "vpn":
        one = function(name)
        one.ports = ["eth0"]
        assert one.run("start") == 1
        assert one.said == "SF_PORTS=eth0: two ports are needed, inside and outside"
