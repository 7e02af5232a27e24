"""Matches: every key of SPEC 1 as the switch is told it, what each needs, and what is refused, with the place."""
from composer.core import flows, matches
from composer.core.errors import BadGraph
from expect import raises

TCP4, TCP6 = "dl_type=0x800,nw_proto=6", "dl_type=0x86dd,nw_proto=6"
ND = "dl_type=0x86dd,nw_proto=58,icmpv6_type="


def told(match):
    """Return how the switch is told a match: a text for each flow."""
    return [",".join(flows.fields(one)) for one in matches.parse(match, "match")[0]]


# match: what the switch is told
EVERY_KEY = (
    ({}, [""]),
    ({"source_mac": "02:00:00:00:00:01"}, ["dl_src=02:00:00:00:00:01"]),
    ({"dest_mac": "FF:ff:ff:ff:ff:ff"}, ["dl_dst=ff:ff:ff:ff:ff:ff"]),
    ({"dest_mac": "01:02:03:04:05:06", "dest_mac_mask": "01:00:00:00:00:00"},
     ["dl_dst=01:00:00:00:00:00/01:00:00:00:00:00"]),
    ({"ether_type": "0x0806"}, ["dl_type=0x806"]), ({"ether_type": 2048}, ["dl_type=0x800"]),
    ({"vlan_id": "25"}, ["vlan_vid=0x1019"]), ({"vlan_id": 0}, ["vlan_vid=0x1000"]),
    ({"vlan_id": "ANY"}, ["vlan_vid=0x1000/0x1000"]), ({"vlan_id": "NO_VLAN"}, ["vlan_vid=0x0"]),
    ({"vlan_pcp": "3"}, ["vlan_vid=0x1000/0x1000,vlan_pcp=3"]),
    ({"vlan_priority": 3, "vlan_id": 9}, ["vlan_vid=0x1009,vlan_pcp=3"]),
    ({"source_ip": "10.0.0.1"}, ["dl_type=0x800,nw_src=10.0.0.1"]),
    ({"dest_ip": "10.1.2.3/8"}, ["dl_type=0x800,nw_dst=10.0.0.0/255.0.0.0"]),
    ({"source_ip": "10.1.2.3", "source_ip_mask": "255.0.255.0"}, ["dl_type=0x800,nw_src=10.0.2.0/255.0.255.0"]),
    ({"source_ip": "::1"}, ["dl_type=0x86dd,ipv6_src=0:0:0:0:0:0:0:1"]),
    ({"dest_ip": "fe80::1/10"}, ["dl_type=0x86dd,ipv6_dst=fe80:0:0:0:0:0:0:0/10"]),
    ({"dest_ip": "fe80::1", "dest_ip_mask": "::ffff"}, ["dl_type=0x86dd,ipv6_dst=0:0:0:0:0:0:0:1/::ffff"]),
    ({"protocol": "tcp"}, [TCP4, TCP6]), ({"protocol": 6, "ether_type": "0x800"}, [TCP4]),
    ({"protocol": "0x06", "dest_ip": "::/0"}, [TCP6]),
    ({"protocol": "ICMP"}, ["dl_type=0x800,nw_proto=1"]), ({"protocol": 58}, ["dl_type=0x86dd,nw_proto=58"]),
    ({"protocol": "tcp", "dest_port": "80"}, [TCP4 + ",tp_dst=80", TCP6 + ",tp_dst=80"]),
    ({"protocol": "udp", "source_port": "0x35", "source_ip": "10.0.0.1"},
     ["dl_type=0x800,nw_proto=17,nw_src=10.0.0.1,tp_src=53"]),
    ({"protocol": "tcp", "dest_port": 80, "dest_port_mask": "0xfff0", "ether_type": 2048}, [TCP4 + ",tp_dst=0x50/0xfff0"]),
    ({"sctp_src": 5, "sctp_dst": "6", "source_ip": "10.0.0.1"},
     ["dl_type=0x800,nw_proto=132,nw_src=10.0.0.1,tp_dst=6,tp_src=5"]),
    ({"ip_dscp": 46}, ["dl_type=0x800,ip_dscp=46", "dl_type=0x86dd,ip_dscp=46"]),
    ({"tos_bits": 184, "ether_type": 2048}, ["dl_type=0x800,ip_dscp=46"]),
    ({"ip_ecn": 1, "ether_type": 2048}, ["dl_type=0x800,nw_ecn=1"]),
    ({"icmpv4_type": 8, "icmpv4_code": 0}, ["dl_type=0x800,nw_proto=1,icmp_code=0,icmp_type=8"]),
    ({"icmpv6_type": 128, "icmpv6_code": "1"}, [ND + "128,icmpv6_code=1"]),
    ({"arp_opcode": 1}, ["dl_type=0x806,arp_op=1"]), ({"arp_spa": "10.0.0.1"}, ["dl_type=0x806,arp_spa=10.0.0.1"]),
    ({"arp_tpa": "10.1.2.3/16"}, ["dl_type=0x806,arp_tpa=10.1.0.0/255.255.0.0"]),
    ({"arp_tpa": "10.1.2.3", "arp_tpa_mask": "255.0.0.0"}, ["dl_type=0x806,arp_tpa=10.0.0.0/255.0.0.0"]),
    ({"arp_sha": "02:00:00:00:00:01"}, ["dl_type=0x806,arp_sha=02:00:00:00:00:01"]),
    ({"arp_tha": "02:00:00:00:00:01", "arp_tha_mask": "ff:00:00:00:00:00"},
     ["dl_type=0x806,arp_tha=02:00:00:00:00:00/ff:00:00:00:00:00"]),
    ({"ipv6_flabel": "0x12345"}, ["dl_type=0x86dd,ipv6_label=0x12345"]),
    ({"ipv6_nd_target": "fe80::1", "icmpv6_type": 135}, [ND + "135,icmpv6_code=0,nd_target=fe80:0:0:0:0:0:0:1"]),
    ({"ipv6_nd_sll": "02:00:00:00:00:01"}, [ND + "135,icmpv6_code=0,nd_sll=02:00:00:00:00:01"]),
    ({"ipv6_nd_tll": "02:00:00:00:00:01"}, [ND + "136,icmpv6_code=0,nd_tll=02:00:00:00:00:01"]),
    ({"mpls_label": 16}, ["dl_type=0x8847,mpls_label=16", "dl_type=0x8848,mpls_label=16"]),
    ({"mpls_tc": 5, "ether_type": "0x8847"}, ["dl_type=0x8847,mpls_tc=5"]))


def test_every_key_is_told_to_the_switch_with_what_it_needs():
    for match, texts in EVERY_KEY:
        assert told(match) == texts, match


def test_every_key_is_in_the_table_above():
    tried = set()
    for match, _ in EVERY_KEY:
        tried.update(match)
    assert set(matches.KNOWN) - tried - set(matches.MASKS) == set(["port_in", "hard_timeout"])


def test_a_mask_of_zeros_says_nothing():
    mac = {"source_mac": "02:00:00:00:00:01", "source_mac_mask": "00:00:00:00:00:00"}
    assert matches.parse(mac, "")[0] == matches.parse({}, "")[0]
    for match in ({"source_ip": "10.0.0.1/0"}, {"dest_ip": "10.0.0.1", "dest_ip_mask": "0.0.0.0"}):
        assert matches.parse(match, "")[0] == matches.parse({"ether_type": 2048}, "")[0]


def test_nothing_is_filled_in_that_would_drop_other_traffic():
    for match in ({}, {"source_mac": "02:00:00:00:00:01"}, {"vlan_id": 5}, {"vlan_pcp": 1}):
        assert "dl_type" not in told(match)[0] and len(told(match)) == 1, match


def test_a_hard_timeout_is_of_the_flow_not_of_the_packets():
    assert matches.parse({"hard_timeout": "60"}, "") == ([{}], 60)
    assert matches.parse({}, "") == ([{}], 0)


def test_the_port_is_looked_at_elsewhere():
    assert matches.parse({"port_in": "anything"}, "") == ([{}], 0)


# match, the place that is at fault, words of the message
REFUSED = (
    ({"dest_prt": 80}, "dest_prt", "nearest known is dest_port"),
    ({"ethertype": 1}, "ethertype", "nearest known is ether_type"),
    ({"dl_vlan_pcp_of": 1}, "dl_vlan_pcp_of", "known are arp_opcode"),
    ({"mpls_label_mask": 1}, "mpls_label_mask", "unknown match"),
    ({"dest_port": 80}, "dest_port", "needs protocol"),
    ({"source_port": 80, "ether_type": 2048}, "source_port", "tcp, udp or sctp"),
    ({"dest_port": 80, "protocol": "icmp"}, "dest_port", "protocol tcp or udp or sctp, but protocol says otherwise"),
    ({"dest_port": 80, "protocol": 47}, "dest_port", "protocol"),
    ({"sctp_src": 1, "protocol": "tcp"}, "sctp_src", "protocol sctp"),
    ({"sctp_src": 1, "source_port": 2, "protocol": "sctp"}, "source_port", "otherwise"),
    ({"protocol": "tcp", "ether_type": "0x0806"}, "protocol", "ether_type 0x0800 or 0x86dd, but ether_type says otherwise"),
    ({"protocol": "icmp", "ether_type": "0x86dd"}, "protocol", "ether_type 0x0800"),
    ({"protocol": "icmpv6", "source_ip": "10.0.0.1"}, "protocol", "0x86dd"),
    ({"source_ip": "10.0.0.1", "dest_ip": "::1"}, "dest_ip", "but source_ip says otherwise"),
    ({"source_ip": "::1", "ether_type": 2048}, "source_ip", "0x86dd"),
    ({"arp_spa": "10.0.0.1", "ether_type": 2048}, "arp_spa", "0x0806"),
    ({"arp_opcode": 1, "mpls_tc": 1}, "mpls_tc", "arp_opcode says otherwise"),
    ({"icmpv4_type": 8, "protocol": "tcp"}, "icmpv4_type", "protocol icmp, but"),
    ({"icmpv4_type": 8, "icmpv6_type": 1}, "icmpv6_type", "icmpv4_type says otherwise"),
    ({"ipv6_flabel": 1, "source_ip": "10.0.0.1"}, "ipv6_flabel", "0x86dd"),
    ({"ipv6_nd_target": "::1"}, "ipv6_nd_target", "needs icmpv6_type 135 or 136"),
    ({"ipv6_nd_target": "::1", "icmpv6_type": 128}, "ipv6_nd_target", "135 or 136"),
    ({"ipv6_nd_sll": "02:00:00:00:00:01", "icmpv6_type": 136}, "ipv6_nd_sll", "135"),
    ({"ipv6_nd_sll": "02:00:00:00:00:01", "ipv6_nd_tll": "02:00:00:00:00:01"}, "ipv6_nd_tll", "136"),
    ({"ipv6_nd_sll": "02:00:00:00:00:01", "icmpv6_code": 1}, "icmpv6_code", "should be 0"),
    ({"vlan_id": "any"}, "vlan_id", '"ANY", "NO_VLAN" or a number'), ({"vlan_id": 4096}, "vlan_id", "0 to 4095"),
    ({"vlan_id": None}, "vlan_id", "None"),
    ({"vlan_id": "NO_VLAN", "vlan_pcp": 1}, "vlan_id", "has no priority"), ({"vlan_pcp": 8}, "vlan_pcp", "0 to 7"),
    ({"vlan_pcp": 1, "vlan_priority": 2}, "vlan_priority", "otherwise"),
    ({"ip_dscp": 1, "tos_bits": 4}, "tos_bits", "one of them"),
    ({"tos_bits": 5}, "tos_bits", "multiple of 4"), ({"tos_bits": 256}, "tos_bits", "0 to 255"),
    ({"ip_dscp": 64}, "ip_dscp", "0 to 63"),
    ({"ip_ecn": 4}, "ip_ecn", "0 to 3"), ({"ether_type": "ip"}, "ether_type", "number"),
    ({"ether_type": 100}, "ether_type", "1536 to 65535"),
    ({"protocol": "tpc"}, "protocol", "tcp"), ({"protocol": 256}, "protocol", "0 to 255"),
    ({"protocol": ["tcp"]}, "protocol", "one of"),
    ({"dest_port": 65536, "protocol": "tcp"}, "dest_port", "65536: should be a number from 0 to 65535"),
    ({"source_mac": "02:00"}, "source_mac", "MAC address"), ({"source_mac": None}, "source_mac", "MAC address"),
    ({"source_mac": "02:00:00:00:00:01", "source_mac_mask": "ff"}, "source_mac_mask", "MAC address"),
    ({"source_mac_mask": "ff:ff:ff:00:00:00"}, "source_mac_mask", "needs its source_mac"),
    ({"dest_ip_mask": "255.0.0.0"}, "dest_ip_mask", "needs its dest_ip"),
    ({"source_ip": "10.0.0"}, "source_ip", "IPv4 address"), ({"source_ip": "10.0.0.0/33"}, "source_ip", "0 to 32"),
    ({"source_ip": 10}, "source_ip", "IP address"),
    ({"source_ip": "10.0.0.1", "source_ip_mask": "ffff::"}, "source_ip_mask", "IPv4 address"),
    ({"source_ip": "::1", "source_ip_mask": "7fff::"}, "source_ip_mask", "that the switch can be told"),
    ({"ipv6_nd_target": "::1", "ipv6_nd_target_mask": "7fff::", "icmpv6_type": 135}, "ipv6_nd_target_mask",
     "that the switch can be told"),
    ({"arp_spa": "::1"}, "arp_spa", "IPv4 address"),
    ({"arp_spa": "10.0.0.1/64"}, "arp_spa", "0 to 32"), ({"ipv6_flabel": 1 << 20}, "ipv6_flabel", "1048575"),
    ({"mpls_label": -1}, "mpls_label", "0 to"),
    ({"mpls_tc": 8}, "mpls_tc", "0 to 7"), ({"hard_timeout": 65536}, "hard_timeout", "65535"),
    ({"arp_opcode": "request"}, "arp_opcode", "number"))


def test_a_wrong_match_is_told_its_place_and_what_would_be_right():
    for match, place, words in REFUSED:
        refusal = raises(BadGraph, matches.parse, match, "flowrules[0].match")
        assert refusal.where == "flowrules[0].match." + place, (match, str(refusal))
        assert words in refusal.message, (match, str(refusal))


def test_an_unknown_key_is_shown_as_it_can_be_shown():
    refusal = raises(BadGraph, matches.parse, {"x" * 1000 + "\n": 1}, "match")
    assert len(refusal.where) < 100 and "\n" not in str(refusal)


# one match, another, whether a packet can be in both
OVERLAPS = (
    ({}, {}, True), ({}, {"protocol": "tcp"}, True), ({"protocol": "tcp"}, {"protocol": "udp"}, False),
    ({"ether_type": 2048}, {"ether_type": 2054}, False),
    ({"source_ip": "10.0.0.0/8"}, {"source_ip": "10.1.0.0/16"}, True),
    ({"source_ip": "10.0.0.0/16"}, {"source_ip": "10.1.0.0/16"}, False),
    ({"source_ip": "10.0.0.0/8"}, {"source_ip": "::/0"}, False),
    ({"source_ip": "10.0.0.0/8"}, {"dest_ip": "10.0.0.0/8"}, True),
    ({"protocol": "tcp", "dest_port": 80}, {"protocol": "tcp", "dest_port": 81}, False),
    ({"protocol": "tcp", "dest_port": 80}, {"protocol": "tcp", "source_port": 81}, True),
    ({"vlan_id": "ANY"}, {"vlan_id": 5}, True), ({"vlan_id": "NO_VLAN"}, {"vlan_id": "ANY"}, False),
    ({"vlan_id": "NO_VLAN"}, {"vlan_id": 0}, False),
    ({"vlan_id": 5}, {"vlan_id": 6}, False), ({"arp_opcode": 1}, {"protocol": "udp"}, False),
    ({"source_mac": "02:00:00:00:00:01", "source_mac_mask": "00:00:00:00:00:ff"}, {"source_mac": "02:00:00:00:00:02"},
     False))


def test_two_matches_overlap_if_a_packet_can_be_in_both():
    for one, other, both in OVERLAPS:
        for first, second in ((one, other), (other, one)):
            found = any([matches.overlap(a, b) for a in matches.parse(first, "")[0] for b in matches.parse(second, "")[0]])
            assert found is both, (first, second)
