"""Packets: every match and every action of SPEC 1 does to real frames what it says, octet for octet.

A table has a line for each thing.  The packets of a line have a source address of their own, so one graph has the
rules of all lines, and all frames are under way together:

    lan  ->  the line's rule, priority 10  ->  where it says
         ->  all else, priority 1          ->  dmz

The rules are tried on LSI-0, of an interface SAP and of a VLAN SAP, and on a graph-LSI, where what lan sends comes out
of a function.
"""
import collections
import contextlib
import itertools
import re
import time

import pytest

from composer.core import actions, matches
from frames import DONT, crc32c, internet_sum, octets
from graphs import both, graph, port, rule, sap, sf, vlan_sap
from node import Host, wire
from packets import value_of
from place import LAN, WAN, Place
from probes import Ear, mouth

MANY = 32  # packets under way, for which every buffer has room
LABEL = re.compile(rb"<<([^<>]+)>>")  # in the payload of a packet
FIRST, LATER = 0x2000, 0x0010  # fragments: there are more, and 128 octets on

SAPS = [LAN, WAN, sap("dmz", "dmz0"), vlan_sap("lan30", "lan0", 30), vlan_sap("wan40", "wan0", 40),
        vlan_sap("wan41", "wan0", 41), vlan_sap("dmz50", "dmz0", 50)]
TAG_OF = {"lan": (), "lan30": ((30, 0),)}  # of what is sent, so that it enters by this SAP
ETHERNET = {"tags": (), "eth_dst": "02:00:00:00:00:99"}
IPV4 = {**ETHERNET, "eth_type": 0x0800, "ip_src": "10.9.0.1", "ip_dst": "10.9.0.2", "ip_dscp": 10, "ip_ecn": 1,
        "ttl": 64}
IPV6 = {**ETHERNET, "eth_type": 0x86dd, "ipv6_src": "2001:db8::1", "ipv6_dst": "2001:db8::2", "ip_dscp": 10,
        "ip_ecn": 1, "ttl": 64, "ipv6_label": 0x12345}
PORTS = {"tp_src": 40000, "tp_dst": 80}
ND = {**IPV6, "ttl": 255, "ip_proto": 58, "icmpv6_code": 0, "nd_target": "fe80::1"}
PACKETS = {
    "tcp4": {**IPV4, **PORTS, "ip_proto": 6}, "udp4": {**IPV4, **PORTS, "ip_proto": 17},
    "sctp4": {**IPV4, **PORTS, "ip_proto": 132}, "ping4": {**IPV4, "ip_proto": 1, "icmp_type": 8, "icmp_code": 0},
    "ospf4": {**IPV4, "ip_proto": 89},
    "tcp6": {**IPV6, **PORTS, "ip_proto": 6}, "udp6": {**IPV6, **PORTS, "ip_proto": 17},
    "sctp6": {**IPV6, **PORTS, "ip_proto": 132},
    "ping6": {**IPV6, "ip_proto": 58, "icmpv6_type": 128, "icmpv6_code": 0},
    "solicit": {**ND, "icmpv6_type": 135, "nd_sll": "02:00:00:00:01:01"},
    "advert": {**ND, "icmpv6_type": 136, "nd_tll": "02:00:00:00:01:01"},
    "arp": {**ETHERNET, "eth_type": 0x0806, "arp_op": 1, "arp_spa": "10.9.0.1", "arp_tpa": "10.9.0.2",
            "arp_sha": "02:00:00:00:01:01", "arp_tha": "02:00:00:00:01:02"},
    "mpls": {**ETHERNET, "eth_type": 0x8847, "mpls_label": 100, "mpls_tc": 3},
    "mpls2": {**ETHERNET, "eth_type": 0x8848, "mpls_label": 100, "mpls_tc": 3},
    "other": {**ETHERNET, "eth_type": 0x88b5}}

# match, packets, a field of theirs, a value with which the match is met, and one with which it just is not
MATCHES = (
    ({"ether_type": "0x88b5"}, "other", "eth_type", 0x88b5, 0x88b4),
    ({"ether_type": 0x0806}, "arp", "eth_type", 0x0806, 0x0807),
    ({"ether_type": 0x0800}, "udp4 ping4", "tags", ((9, 0),), ((9, 0), (9, 0))),  # it looks through one tag
    ({"ether_type": 0x8100}, "udp4 udp6", "tags", ((9, 0), (9, 0)), ((9, 0),)),
    ({"vlan_id": 25}, "udp4 udp6 arp other", "tags", ((25, 3),), ((26, 3),)),
    ({"vlan_id": 25}, "udp4", "tags", ((25, 0),), ()),
    ({"vlan_id": 25}, "udp6", "tags", ((25, 0), (9, 0)), ((9, 0), (25, 0))),
    ({"vlan_id": 0}, "udp4", "tags", ((0, 5),), ()),
    ({"vlan_id": "ANY"}, "udp4 arp", "tags", ((4094, 0),), ()),
    ({"vlan_id": "ANY"}, "udp6 other", "tags", ((0, 0),), ()),
    ({"vlan_id": "NO_VLAN"}, "udp4 udp6 arp", "tags", (), ((0, 0),)),
    ({"vlan_pcp": 5}, "udp4 udp6 other", "tags", ((9, 5),), ((9, 4),)),
    ({"vlan_pcp": 0}, "udp4", "tags", ((9, 0),), ()),
    ({"vlan_priority": 3, "vlan_id": 9}, "udp4 udp6", "tags", ((9, 3),), ((9, 2),)),
    ({"vlan_priority": 3, "vlan_id": 9}, "arp", "tags", ((9, 3),), ((8, 3),)),
    ({"source_mac": "02:00:00:00:02:01"}, "udp4 other", "eth_src", "02:00:00:00:02:01", "02:00:00:00:02:03"),
    ({"source_mac": "02:00:00:05:02:00", "source_mac_mask": "ff:ff:ff:ff:00:00"}, "udp6", "eth_src",
     "02:00:00:05:ff:01", "02:00:00:04:02:00"),
    ({"dest_mac": "02:00:00:00:03:01"}, "udp4 arp", "eth_dst", "02:00:00:00:03:01", "02:00:00:00:03:00"),
    ({"dest_mac": "01:00:00:00:00:00", "dest_mac_mask": "01:00:00:00:00:00"}, "other", "eth_dst", "03:00:00:00:03:01",
     "02:00:00:00:03:01"),
    ({"source_ip": "10.9.1.1"}, "udp4 tcp4 ping4", "ip_src", "10.9.1.1", "10.9.1.0"),
    ({"source_ip": "10.0.0.0/9"}, "udp4", "ip_src", "10.127.255.255", "10.128.0.0"),
    ({"source_ip": "10.1.2.3", "source_ip_mask": "255.0.255.0"}, "udp4", "ip_src", "10.99.2.99", "10.1.3.3"),
    ({"source_ip": "2001:db8::5"}, "udp6 tcp6 ping6", "ipv6_src", "2001:db8::5", "2001:db8::4"),
    ({"source_ip": "2001:db8:8000::/33"}, "udp6", "ipv6_src", "2001:db8:ffff::1", "2001:db8:7fff::1"),
    ({"source_ip": "2001:db8::5", "source_ip_mask": "ffff::ffff"}, "udp6", "ipv6_src", "2001:7::5", "2001:db8::4"),
    ({"dest_ip": "10.9.1.1"}, "udp4 tcp4 ospf4", "ip_dst", "10.9.1.1", "10.9.1.3"),
    ({"dest_ip": "10.9.1.0/31"}, "udp4", "ip_dst", "10.9.1.1", "10.9.1.2"),
    ({"dest_ip": "10.1.2.3", "dest_ip_mask": "0.0.0.1"}, "udp4", "ip_dst", "10.9.9.9", "10.1.2.2"),
    ({"dest_ip": "2001:db8::5"}, "udp6 sctp6 solicit", "ipv6_dst", "2001:db8::5", "2001:db8::7"),
    ({"dest_ip": "2001:db8::4/127"}, "udp6", "ipv6_dst", "2001:db8::5", "2001:db8::6"),
    ({"dest_ip": "fe80::1", "dest_ip_mask": "::ffff"}, "udp6", "ipv6_dst", "2001:db8::1", "fe80::2"),
    ({"protocol": "tcp"}, "tcp4 tcp6", "ip_proto", 6, 17),
    ({"protocol": 17}, "udp4 udp6", "ip_proto", 17, 6),
    ({"protocol": "0x84"}, "sctp4 sctp6", "ip_proto", 132, 17),
    ({"protocol": "icmp"}, "ping4", "ip_proto", 1, 2),
    ({"protocol": "icmpv6"}, "ping6 solicit", "ip_proto", 58, 59),
    ({"protocol": "ospf"}, "ospf4", "ip_proto", 89, 88),
    ({"source_port": 53, "protocol": "tcp"}, "tcp4 tcp6", "tp_src", 53, 52),
    ({"source_port": 53, "protocol": "udp"}, "udp4 udp6", "tp_src", 53, 55),
    ({"source_port": "0x35", "protocol": "sctp"}, "sctp4 sctp6", "tp_src", 53, 21),
    ({"source_port": 0x8000, "source_port_mask": 0x8000, "protocol": "tcp"}, "tcp4 tcp6", "tp_src", 0xffff, 0x7fff),
    ({"source_port": 8, "source_port_mask": "0xfff8", "protocol": "udp"}, "udp4 udp6", "tp_src", 15, 16),
    ({"dest_port": 443, "protocol": "tcp"}, "tcp4 tcp6", "tp_dst", 443, 442),
    ({"dest_port": 80, "protocol": "tcp"}, "tcp4 tcp6", "ip_proto", 6, 17),
    ({"dest_port": 80, "protocol": "udp"}, "udp4", "fragment", DONT, FIRST),  # no fragment has ports, for Open vSwitch
    ({"dest_port": 443, "protocol": "udp"}, "udp4 udp6", "tp_dst", 443, 441),
    ({"dest_port": 443, "protocol": "sctp"}, "sctp4 sctp6", "tp_dst", 443, 187),
    ({"dest_port": 80, "dest_port_mask": "0xfff0", "protocol": "tcp"}, "tcp4 tcp6", "tp_dst", 95, 96),
    ({"dest_port": 80, "dest_port_mask": 1, "protocol": "udp"}, "udp4 udp6", "tp_dst", 0xfffe, 81),
    ({"sctp_src": 5}, "sctp4 sctp6", "tp_src", 5, 4),
    ({"sctp_src": 5, "sctp_src_mask": 4}, "sctp4 sctp6", "tp_src", 14, 10),
    ({"sctp_dst": 5}, "sctp4 sctp6", "tp_dst", 5, 7),
    ({"sctp_dst": 0, "sctp_dst_mask": "0xff00"}, "sctp4 sctp6", "tp_dst", 255, 256),
    ({"ip_dscp": 46}, "udp4 udp6 ping4 ping6", "ip_dscp", 46, 47),
    ({"ip_ecn": 1}, "udp4 udp6 ping4 ping6", "ip_ecn", 1, 3),
    ({"tos_bits": 184}, "tcp4 tcp6 ospf4", "ip_dscp", 46, 44),
    ({"icmpv4_type": 8}, "ping4", "icmp_type", 8, 0), ({"icmpv4_code": 1}, "ping4", "icmp_code", 1, 0),
    ({"icmpv6_type": 128}, "ping6", "icmpv6_type", 128, 129), ({"icmpv6_code": 0}, "ping6", "icmpv6_code", 0, 1),
    ({"arp_opcode": 1}, "arp", "arp_op", 1, 2),
    ({"arp_spa": "10.9.1.1"}, "arp", "arp_spa", "10.9.1.1", "10.9.1.0"),
    ({"arp_spa": "10.9.1.1", "arp_spa_mask": "255.255.0.0"}, "arp", "arp_spa", "10.9.9.9", "10.8.1.1"),
    ({"arp_tpa": "10.9.1.1"}, "arp", "arp_tpa", "10.9.1.1", "10.9.1.3"),
    ({"arp_tpa": "10.9.1.1", "arp_tpa_mask": "0.0.0.255"}, "arp", "arp_tpa", "10.8.8.1", "10.9.1.2"),
    ({"arp_tpa": "10.9.1.0/24"}, "arp", "arp_tpa", "10.9.1.255", "10.9.0.255"),
    ({"arp_sha": "02:00:00:00:04:01"}, "arp", "arp_sha", "02:00:00:00:04:01", "02:00:00:00:04:00"),
    ({"arp_sha": "02:00:00:00:04:00", "arp_sha_mask": "ff:ff:ff:00:ff:00"}, "arp", "arp_sha", "02:00:00:99:04:99",
     "02:00:00:00:05:00"),
    ({"arp_tha": "02:00:00:00:04:01"}, "arp", "arp_tha", "02:00:00:00:04:01", "02:00:00:00:04:03"),
    ({"arp_tha": "00:00:00:00:00:00", "arp_tha_mask": "ff:ff:ff:ff:ff:f0"}, "arp", "arp_tha", "00:00:00:00:00:0f",
     "00:00:00:00:00:10"),
    ({"ipv6_flabel": "0x12345"}, "udp6 tcp6 ping6", "ipv6_label", 0x12345, 0x12344),
    ({"ipv6_flabel": "0x80000", "ipv6_flabel_mask": "0x80001"}, "udp6", "ipv6_label", 0xffffe, 0xfffff),
    ({"ipv6_nd_target": "fe80::5", "icmpv6_type": 135}, "solicit", "nd_target", "fe80::5", "fe80::4"),
    ({"ipv6_nd_target": "fe80::5", "icmpv6_type": 136}, "advert", "nd_target", "fe80::5", "fe80::7"),
    ({"ipv6_nd_target": "fe80::5", "ipv6_nd_target_mask": "ffff::", "icmpv6_type": 135}, "solicit", "nd_target",
     "fe80:9::9", "fe90::5"),
    ({"ipv6_nd_sll": "02:00:00:00:05:01"}, "solicit", "nd_sll", "02:00:00:00:05:01", "02:00:00:00:05:00"),
    ({"ipv6_nd_tll": "02:00:00:00:05:01"}, "advert", "nd_tll", "02:00:00:00:05:01", "02:00:00:00:05:03"),
    ({"mpls_label": 1000}, "mpls mpls2", "mpls_label", 1000, 1001),
    ({"mpls_tc": 5}, "mpls mpls2", "mpls_tc", 5, 4))

IS_IPV4, IS_IPV6 = {"ether_type": 0x0800}, {"ether_type": 0x86dd}
TAGGED, TWICE = ((9, 3),), ((9, 3), (7, 1))
POP, TTL = {"pop_vlan": True}, {"dec_ttl": True}
MACS = MAC_A, MAC_B, MAC_C, MAC_D, MAC_E = ["02:00:00:00:06:0%d" % number for number in range(5)]
FROM_A, FROM_B, FROM_C, FROM_D, FROM_E = [{"set_ethernet_src_address": one} for one in MACS]

# match, actions (before an output to wan, if a list), packets, what is different in them before, and after
CHANGES = (
    ({}, [{"push_vlan": 25}], "udp4 udp6 arp mpls other", {}, {"tags": ((25, 0),)}),
    ({}, [{"push_vlan": 25}], "udp4", {"tags": TAGGED}, {"tags": ((25, 0), (9, 3))}),
    ({}, [{"push_vlan": 0}], "udp6", {}, {"tags": ((0, 0),)}),
    ({"vlan_id": 9}, [POP], "udp4 udp6 arp mpls other", {"tags": TAGGED}, {"tags": ()}),
    ({"vlan_id": "ANY"}, [POP], "udp4 udp6", {"tags": TAGGED}, {"tags": ()}),
    ({"vlan_pcp": 3}, [POP], "udp4 udp6", {"tags": TWICE}, {"tags": ((7, 1),)}),
    ({}, [{"set_vlan_id": 25}], "udp4 arp other", {"tags": TAGGED}, {"tags": ((25, 3),)}),
    ({}, [{"set_vlan_id": 25}], "udp4 arp other", {"tags": TWICE}, {"tags": ((25, 3), (7, 1))}),
    ({}, [{"set_vlan_id": 25}], "udp4 udp6 arp other", {}, {"tags": ((25, 0),)}),
    ({"vlan_id": "ANY"}, [{"set_vlan_id": 25}], "udp6", {"tags": TAGGED}, {"tags": ((25, 3),)}),
    ({}, [{"set_vlan_id": 0}], "udp6", {"tags": TAGGED}, {"tags": ((0, 3),)}),
    ({"vlan_id": "NO_VLAN"}, [{"set_vlan_id": 25}], "udp6", {}, {"tags": ((25, 0),)}),
    ({"protocol": "udp"}, [{"set_vlan_id": 25}, {"set_vlan_priority": 6}], "udp4 udp6", {}, {"tags": ((25, 6),)}),
    ({"vlan_id": "ANY"}, [{"set_vlan_priority": 6}], "udp4 udp6 arp", {"tags": TAGGED}, {"tags": ((9, 6),)}),
    ({"vlan_id": 9}, [{"set_vlan_priority": 0}], "other", {"tags": TWICE}, {"tags": ((9, 0), (7, 1))}),
    ({}, [{"push_vlan": 25}, {"set_vlan_priority": 6}], "udp4", {}, {"tags": ((25, 6),)}),
    ({}, [FROM_A], "udp4 udp6 arp mpls other", {}, {"eth_src": MAC_A}),
    ({}, [{"set_ethernet_dst_address": MAC_A}], "udp4 udp6 arp mpls other", {}, {"eth_dst": MAC_A}),
    (IS_IPV4, [{"set_ip_src_address": "192.0.2.9"}], "tcp4 udp4 sctp4 ping4 ospf4", {}, {"ip_src": "192.0.2.9"}),
    (IS_IPV4, [{"set_ip_dst_address": "192.0.2.9"}], "tcp4 udp4 sctp4 ping4 ospf4", {}, {"ip_dst": "192.0.2.9"}),
    (IS_IPV4, [{"set_ip_dst_address": "192.0.2.9"}], "udp4", {"unsummed": True}, {"ip_dst": "192.0.2.9"}),
    (IS_IPV6, [{"set_ip_src_address": "2001:db8::9"}], "tcp6 udp6 sctp6 ping6 solicit", {},
     {"ipv6_src": "2001:db8::9"}),
    (IS_IPV6, [{"set_ip_dst_address": "2001:db8::9"}], "tcp6 udp6 sctp6 ping6 advert", {}, {"ipv6_dst": "2001:db8::9"}),
    (IS_IPV4, [{"set_ip_tos": 184}], "tcp4 udp4 ping4", {}, {"ip_dscp": 46}),
    (IS_IPV6, [{"set_ip_tos": 184}], "tcp6 udp6 ping6", {"ip_ecn": 2}, {"ip_dscp": 46}),
    ({"protocol": "udp"}, [{"set_ip_tos": 0}], "udp4 udp6", {"tags": TAGGED}, {"ip_dscp": 0}),
    ({"protocol": "tcp"}, [{"set_l4_src_port": 7}], "tcp4 tcp6", {}, {"tp_src": 7}),
    ({"protocol": "udp"}, [{"set_l4_src_port": 7}], "udp4 udp6", {}, {"tp_src": 7}),
    ({"protocol": "sctp"}, [{"set_l4_src_port": 7}], "sctp4 sctp6", {}, {"tp_src": 7}),
    ({"protocol": "tcp"}, [{"set_l4_dst_port": 7}], "tcp4 tcp6", {"tags": TAGGED}, {"tp_dst": 7}),
    ({"protocol": "udp"}, [{"set_l4_dst_port": 7}], "udp4 udp6", {}, {"tp_dst": 7}),
    ({"protocol": "sctp"}, [{"set_l4_dst_port": 7}], "sctp4 sctp6", {}, {"tp_dst": 7}),
    ({"protocol": "udp"}, [{"set_l4_dst_port": 7}], "udp4", {"unsummed": True}, {"tp_dst": 7}),
    ({"protocol": "udp"}, [{"set_l4_dst_port": 7}], "udp4", {"fragment": FIRST}, {"tp_dst": 7}),
    ({"protocol": "udp"}, [{"set_l4_dst_port": 7}], "udp4", {"fragment": LATER}, {}),
    (IS_IPV4, [TTL], "tcp4 udp4 ping4 ospf4", {}, {"ttl": 63}),
    (IS_IPV4, [TTL], "udp4", {"ttl": 2, "tags": TAGGED, "fragment": LATER}, {"ttl": 1}),
    (IS_IPV6, [TTL], "tcp6 udp6 ping6 solicit", {"ttl": 65}, {"ttl": 64}),
    ({"protocol": "udp"}, [TTL, TTL], "udp4 udp6", {}, {"ttl": 62}),
    ({"vlan_id": 9}, [{"push_vlan": 25}, POP], "udp4", {"tags": TAGGED}, {}),
    ({"vlan_id": 9}, [POP, {"set_vlan_id": 25}], "udp4", {"tags": TAGGED}, {"tags": ((25, 0),)}),
    ({"vlan_id": 9}, {"push_vlan": 25, "pop_vlan": True, "output_to_port": port("wan")}, "udp4", {"tags": TAGGED},
     {"tags": ((25, 0),)}),
    ({"protocol": "tcp", **IS_IPV4},
     {"set_ip_src_address": "192.0.2.9", "set_ip_dst_address": "192.0.2.8", "set_l4_src_port": 7, "set_l4_dst_port": 8,
      "dec_ttl": True, "set_ip_tos": 4, "set_ethernet_src_address": MAC_A, "push_vlan": 25,
      "set_ethernet_dst_address": MAC_B, "set_vlan_priority": 1, "output_to_port": port("wan")}, "tcp4", {},
     {"ip_src": "192.0.2.9", "ip_dst": "192.0.2.8", "tp_src": 7, "tp_dst": 8, "ttl": 63, "ip_dscp": 1,
      "tags": ((25, 1),), "eth_src": MAC_A, "eth_dst": MAC_B}))

# match, actions ("in": to the port it came from), packet, what is different in it before, [(where, what is after)]
OUTPUTS = (
    ({}, ["wan"], "udp4", {}, [("wan", {})]),
    ({}, ["wan", "dmz"], "udp6", {}, [("dmz", {}), ("wan", {})]),
    ({}, ["wan", "wan"], "other", {}, [("wan", {}), ("wan", {})]),
    ({}, ["in"], "udp4", {}, [("lan", {})]),
    ({}, ["in", "wan", "in"], "arp", {}, [("lan", {}), ("lan", {}), ("wan", {})]),
    ({}, ["lan30"], "udp6", {}, [("lan", {"tags": ((30, 0),)})]),
    ({}, ["wan40"], "udp4", {"tags": TAGGED}, [("wan", {"tags": ((40, 0), (9, 3))})]),
    ({}, ["wan40", "wan"], "udp6", {"tags": TWICE}, [("wan", {}), ("wan", {"tags": ((40, 0), *TWICE)})]),
    ({}, [{"set_vlan_id": 25}, "wan40", "wan"], "udp4", {},
     [("wan", {"tags": ((25, 0),)}), ("wan", {"tags": ((40, 0), (25, 0))})]),
    ({}, ["wan40", "wan", "wan41", "lan30", "dmz"], "udp4", {},
     [("dmz", {}), ("lan", {"tags": ((30, 0),)}), ("wan", {}), ("wan", {"tags": ((40, 0),)}),
      ("wan", {"tags": ((41, 0),)})]),
    ({"vlan_id": "ANY"}, ["wan40", POP, "dmz", {"push_vlan": 5}, "wan"], "udp4", {"tags": TAGGED},
     [("dmz", {"tags": ()}), ("wan", {"tags": ((5, 0),)}), ("wan", {"tags": ((40, 0), (9, 3))})]),
    ({}, [FROM_A, "wan", FROM_B, "dmz", FROM_C, "in", "wan41"], "udp6", {},
     [("dmz", {"eth_src": MAC_B}), ("lan", {"eth_src": MAC_C}), ("wan", {"eth_src": MAC_A}),
      ("wan", {"eth_src": MAC_C, "tags": ((41, 0),)})]),
    (IS_IPV4, ["wan", {"set_ip_dst_address": "192.0.2.9"}, "dmz", TTL, "wan40"], "tcp4", {},
     [("dmz", {"ip_dst": "192.0.2.9"}), ("wan", {}), ("wan", {"ip_dst": "192.0.2.9", "ttl": 63, "tags": ((40, 0),)})]),
    (IS_IPV4, ["wan", TTL, "dmz"], "udp4", {"ttl": 1}, [("wan", {})]),
    (IS_IPV6, ["wan", TTL, "dmz"], "udp6", {"ttl": 1}, [("wan", {})]),
    (IS_IPV6, ["wan", TTL, "dmz"], "udp6", {"ttl": 2}, [("dmz", {"ttl": 1}), ("wan", {})]),
    ({}, [{"drop": True}], "udp4", {}, []), ({}, {"drop": True}, "udp6", {}, []),
    ({}, {"output_to_port": [port("wan"), port("dmz")]}, "udp4", {}, [("dmz", {}), ("wan", {})]))

# packet, what is different in it, payload, and the end of the frame that Linux sent
FROM_LINUX = (
    ("udp4", {"ip_src": "10.0.0.1", "ip_dst": "10.0.0.2", "tp_src": 0xc91a, "tp_dst": 9}, b"odd",
     "0a0000010a000002c91a0009000b4f4d6f6464"),
    ("udp6", {"ipv6_src": "fd00::1", "ipv6_dst": "fd00::2", "ipv6_label": 0xf6bd4, "tp_src": 0xc015, "tp_dst": 9},
     b"odd",
     "86dd600f6bd4000b1140fd000000000000000000000000000001fd000000000000000000000000000002c0150009000b72506f6464"),
    ("solicit", {"eth_dst": "33:33:ff:00:00:02", "eth_src": "02:00:68:60:fd:ef", "ipv6_src": "fd00::1", "ipv6_label": 0,
                 "ipv6_dst": "ff02::1:ff00:2", "nd_target": "fd00::2", "nd_sll": "02:00:68:60:fd:ef"}, b"",
     "3333ff00000202006860fdef86dd6000000000203afffd000000000000000000000000000001ff0200000000000000000001ff000002"
     "8700174800000000fd000000000000000000000000000002010102006860fdef"))

# what is sent from lan, and what arrives, [(host, frame)] sorted
Case = collections.namedtuple("Case", ("label", "sent", "wanted"))


@pytest.fixture(scope="module")
def shared():
    with Place() as place, Host("dmz") as place.dmz:
        wire(place.dmz, place.node, "dmz0")
        yield place


def deploy(place, begin, lines):
    """Deploy the rules of lines, [(match, actions)], as rules of the port `begin`."""
    rules = [line_rule(number, begin, match, given) for number, (match, given) in enumerate(lines)]
    rules.append(rule("else", begin, "dmz"))
    if begin in TAG_OF:
        place.put(graph("g", SAPS, [], *rules))
    else:
        place.put(graph("g", SAPS, [sf("w", "puppet", "a", "b")], *both("w", "lan", "w:a"), *rules))


def line_rule(number, begin, match, given):
    """Return the rule of a line: for the packets with the line's source address, if it does not say which."""
    result = rule(str(number), begin, priority=10, **{"source_mac": own_mac(number), **match})
    result["actions"] = given if isinstance(given, dict) else [
        {"output_to_port": port(begin if one == "in" else one)} if isinstance(one, str) else one for one in given]
    return result


def own_mac(number):
    return "0e:00:00:00:00:%02x" % number


def case(label, kind, before, wanted, begin="lan"):
    """Return the Case of a packet of some kind; wanted: [(where, what is different in it then)]."""
    def frame(after):
        fields = {**PACKETS[kind], **before, **after}
        return octets({name: value_of(fields[name]) for name in fields}, b"<<%s>>" % label.encode())
    return Case(label, frame({"tags": TAG_OF[begin]} if TAG_OF.get(begin) else {}),
                sorted([(where, frame(after)) for where, after in wanted]))


def wrong(place, cases):
    """Send the packets of all cases; return a text of those of which something else arrived, "" if there are none."""
    hosts = {"lan": place.lan, "wan": place.wan, "dmz": place.dmz}
    arrived = {one.label: [] for one in cases}
    with contextlib.ExitStack() as stack:
        link = stack.enter_context(mouth(place.lan))
        ears = {name: stack.enter_context(Ear(hosts[name])) for name in hosts}
        for some in [cases[start:start + MANY] for start in range(0, len(cases), MANY)] + [[]]:
            for one in some:
                link.send(one.sent)
            wanted = [where for one in some for where, _ in one.wanted]
            for name in ears:
                for frame in ears[name].frames(wanted.count(name), 0 if some else 0.15, LABEL.search):
                    arrived[LABEL.search(frame)[1].decode()].append((name, frame))
    text = ""
    for one in cases:
        if sorted(arrived[one.label]) != one.wanted:
            text += "%s\n  sent        %s\n" % (one.label, one.sent.hex())
            text += "".join(["  wanted  %s %s\n" % (where, frame.hex()) for where, frame in one.wanted])
            text += "".join(["  arrived %s %s\n" % (where, frame.hex()) for where, frame in sorted(arrived[one.label])])
    return text


@pytest.mark.parametrize("begin", ["lan", "lan30", "w:b"])
def test_a_packet_takes_the_rule_that_it_matches_and_its_near_miss_another(place, begin):
    lines = [line for line in MATCHES if begin != "lan30" or line[2] != "tags"]
    deploy(place, begin, [(match, ["wan"]) for match, *_ in lines])
    assert wrong(place, [
        case("%d %s: %s with %s %s" % (number, match, kind, field, value), kind,
             {"eth_src": own_mac(number), field: value}, [(where, {})], begin)
        for number, (match, kinds, field, hit, miss) in enumerate(lines) for kind in kinds.split()
        for value, where in ((hit, "wan"), (miss, "dmz"))]) == ""


@pytest.mark.parametrize("begin", ["lan", "lan30", "w:b"])
def test_an_action_changes_of_a_packet_what_it_says_and_nothing_else(place, begin):
    lines = [line for line in CHANGES if begin != "lan30" or "tags" not in line[3] and "vlan_id" not in line[0]]
    deploy(place, begin, [(match, given if isinstance(given, dict) else [*given, "wan"]) for match, given, *_ in lines])
    assert wrong(place, [
        case("%d %s: %s" % (number, given, kind), kind, {"eth_src": own_mac(number), **before}, [("wan", after)],
             begin)
        for number, (_, given, kinds, before, after) in enumerate(lines) for kind in kinds.split()]) == ""


@pytest.mark.parametrize("begin", ["lan", "w:b"])
def test_a_packet_leaves_by_each_output_as_it_is_at_that_point(place, begin):
    deploy(place, begin, [(match, given) for match, given, *_ in OUTPUTS])
    assert wrong(place, [case("%d %s" % (number, given), kind, {"eth_src": own_mac(number), **before}, wanted)
                         for number, (_, given, kind, before, wanted) in enumerate(OUTPUTS)]) == ""


def test_a_rule_sends_to_saps_and_functions_on_both_lsis_by_a_link_for_each_far_port(place):
    place.put(graph(
        "g", SAPS, [sf("f", "puppet", "a", "b"), sf("h", "puppet", "a", "b")],
        rule("1", "lan", FROM_A, "wan", FROM_B, "f:a", FROM_C, "wan40", "h:a", FROM_D, "dmz"),
        rule("2", "f:b", "dmz50", FROM_E, "dmz", "h:a"),
        rule("3", "h:b", "wan41")))
    assert wrong(place, [case("several", "udp4", {"eth_src": own_mac(0)}, [
        ("wan", {"eth_src": MAC_A}), ("wan", {"eth_src": MAC_C, "tags": ((40, 0),)}), ("dmz", {"eth_src": MAC_D}),
        ("dmz", {"eth_src": MAC_B, "tags": ((50, 0),)}), ("dmz", {"eth_src": MAC_E}),  # through f
        ("wan", {"eth_src": MAC_C, "tags": ((41, 0),)}), ("wan", {"eth_src": MAC_E, "tags": ((41, 0),)})])]) == ""  # h
    ports = [name for lsi in ("lsi0", "lsi1") for name in place.node.ovs("vsctl", "list-ports", lsi).split()]
    assert [name for name in ports if name[2] in "vw"] == ["l1v0", "l1v1", "l1v2", "l1w0", "l1w1", "l1w2"], \
        "one way they lead to f:a and h:a, the other way to dmz50, dmz and wan41"


def test_a_rule_with_a_hard_timeout_ends_after_it(place):
    place.put(graph("g", SAPS, [], rule("1", "lan", "wan", priority=10, hard_timeout=2), rule("2", "lan", "dmz")))
    assert wrong(place, [case("in time", "udp4", {"eth_src": own_mac(0)}, [("wan", {})])]) == ""
    end = time.monotonic() + 8
    while any("hard_timeout" in flow for flow in place.flows("lsi0")):
        assert time.monotonic() < end
        time.sleep(0.1)
    assert wrong(place, [case("late", "udp4", {"eth_src": own_mac(0)}, [("dmz", {})])]) == ""


def test_every_match_and_every_action_has_a_line():
    assert set(matches.KNOWN) - {key for match, *_ in MATCHES for key in match} == {"port_in", "hard_timeout"}
    done = {key for _, given, *_ in CHANGES + OUTPUTS for one in ([given] if isinstance(given, dict) else given)
            if not isinstance(one, str) for key in one}
    assert set(actions.ORDER) - done == {"output_to_queue", "output_to_controller"}, "no graph may have these"


def test_what_goes_with_several_protocols_is_tried_with_each():
    for key, (_, _, _, types, protocols) in matches.KEYS.items():
        tried = {(PACKETS[kind]["eth_type"], PACKETS[kind].get("ip_proto"))
                 for match, kinds, *_ in MATCHES if key in match for kind in kinds.split()}
        for kind, protocol in itertools.product(types or (), protocols or (None,)):
            assert [one for one in tried if one[0] == kind and protocol in (None, one[1])], (key, kind, protocol)


def test_the_checksums_are_those_of_others():
    assert internet_sum(bytes.fromhex("0001f203f4f5f6f7")) == 0xffff - 0xddf2, "RFC 1071, 3"
    assert crc32c(b"123456789") == 0xe3069283, "the check value that catalogues of such sums have"
    for kind, differences, payload, frame in FROM_LINUX:
        fields = {**PACKETS[kind], "eth_src": own_mac(0), "ip_dscp": 0, "ip_ecn": 0, **differences}
        assert octets({name: value_of(fields[name]) for name in fields}, payload).hex().endswith(frame), kind
