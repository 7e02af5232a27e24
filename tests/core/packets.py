"""Packets: what the tests send, the same on every Python, from the seed of the Dice.

A packet is a dict of numbers, {"eth_src", "eth_dst", "eth_type", "ip_src", ...}, and "tags", its VLAN tags as
((id, priority), ...), outermost first.  A switch looks through one tag: what has two is, on entering, a tagged packet of
type 0x8100, and what is in it is not seen.
"""
IPV4, IPV6, ARP, MPLS = 0x0800, 0x86dd, 0x0806, (0x8847, 0x8848)
MACS = ("02:00:00:00:00:01", "02:00:00:00:00:02", "0e:10:00:00:00:03", "ff:ff:ff:ff:ff:ff")
IPV4S = ("10.0.0.1", "10.0.0.2", "10.1.0.2", "192.168.1.1")
IPV6S = ("2001:db8::1", "2001:db8::2", "2001:db8:1::1", "fe80::1")
PORTS = (53, 80, 81, 443, 40000)
OTHER, TAGGED = 0x88b5, 0x8100

# What the fields of a packet may be; those of one kind of packet are in KINDS.
VALUES = {
    "eth_src": MACS[:3], "eth_dst": MACS, "ip_src": IPV4S, "ip_dst": IPV4S, "ipv6_src": IPV6S, "ipv6_dst": IPV6S,
    "ip_dscp": (0, 10, 46), "ip_ecn": (0, 1), "ttl": (1, 2, 64, 64), "tp_src": PORTS, "tp_dst": PORTS,
    "ipv6_label": (0, 0x12345),
    "icmp_type": (0, 8), "icmp_code": (0, 1), "arp_op": (1, 2), "arp_spa": IPV4S, "arp_tpa": IPV4S, "arp_sha": MACS,
    "arp_tha": MACS, "nd_target": IPV6S, "nd_sll": MACS, "nd_tll": MACS, "mpls_label": (16, 100), "mpls_tc": (0, 5)}
_ETH = ("eth_src", "eth_dst")
_V4 = _ETH + ("ip_src", "ip_dst", "ip_dscp", "ip_ecn", "ttl")
_V6 = _ETH + ("ipv6_src", "ipv6_dst", "ip_dscp", "ip_ecn", "ttl", "ipv6_label")
_L4 = ("tp_src", "tp_dst")
KINDS = (
    (_V4 + _L4, {"eth_type": IPV4, "ip_proto": 6}), (_V4 + _L4, {"eth_type": IPV4, "ip_proto": 17}),
    (_V4 + _L4, {"eth_type": IPV4, "ip_proto": 132}), (_V6 + _L4, {"eth_type": IPV6, "ip_proto": 6}),
    (_V6 + _L4, {"eth_type": IPV6, "ip_proto": 17}), (_V4 + ("icmp_type", "icmp_code"), {"eth_type": IPV4, "ip_proto": 1}),
    (_V4, {"eth_type": IPV4, "ip_proto": 89}),
    (_V6, {"eth_type": IPV6, "ip_proto": 58, "icmpv6_type": 128, "icmpv6_code": 0}),
    (_V6 + ("nd_target", "nd_sll"), {"eth_type": IPV6, "ip_proto": 58, "icmpv6_type": 135, "icmpv6_code": 0}),
    (_V6 + ("nd_target", "nd_tll"), {"eth_type": IPV6, "ip_proto": 58, "icmpv6_type": 136, "icmpv6_code": 0}),
    (_ETH + ("arp_op", "arp_spa", "arp_tpa", "arp_sha", "arp_tha"), {"eth_type": ARP}), (_ETH, {"eth_type": OTHER}),
    (_ETH + ("mpls_label", "mpls_tc"), {"eth_type": 0x8847}), (_ETH + ("mpls_label", "mpls_tc"), {"eth_type": 0x8848}))


class Dice:
    """Numbers that are random, but the same on CPython and MicroPython."""

    def __init__(self, seed):
        self.state = seed

    def below(self, limit):
        self.state = (self.state * 1664525 + 1013904223) & 0xffffffff
        return (self.state >> 8) % limit

    def one_in(self, chances):
        return self.below(chances) == 0

    def of(self, items):
        return items[self.below(len(items))]

    def shuffled(self, items):
        left, result = list(items), []
        while left:
            result.append(left.pop(self.below(len(left))))
        return result


def packet(dice):
    """Return a packet as it may come by wire."""
    fields, fixed = dice.of(KINDS)
    result = dict(fixed, tags=())
    for field in fields:
        result[field] = value_of(dice.of(VALUES[field]))
    if dice.one_in(3):
        result["tags"] = _tag(dice)
        if dice.one_in(4):  # a tag in a tag is not looked into
            result = {"eth_src": result["eth_src"], "eth_dst": result["eth_dst"], "eth_type": TAGGED, "tags": result["tags"]}
    return result


def near(dice, found):
    """Return a packet that differs from `found` in one thing."""
    if dice.one_in(4) and found["eth_type"] != TAGGED:
        return dict(found, tags=() if found["tags"] and dice.one_in(2) else _tag(dice))
    field = dice.of(sorted([field for field in found if field in VALUES]))
    result = dict(found)
    result[field] = value_of(dice.of(VALUES[field]))
    return result


def _tag(dice):
    return ((dice.of((25, 26, 9)), dice.of((0, 3))),)


def value_of(text):
    """Return the number that a number, a MAC or IP address, or a text of either stands for."""
    if not isinstance(text, str):
        return text
    if ":" not in text and "." not in text:
        return int(text, 16) if text[:2] == "0x" else int(text)
    if ":" not in text:
        groups, base = [int(part) for part in text.split(".")], 256
    elif len(text) == 17 and len(text.split(":")) == 6:
        groups, base = [int(part, 16) for part in text.split(":")], 256
    else:
        head, gap, tail = text.partition("::")
        ends = [[int(part, 16) for part in end.split(":") if part] for end in (head, tail)]
        groups, base = ends[0] + [0] * (8 - len(ends[0]) - len(ends[1])) + ends[1], 65536
    result = 0
    for group in groups:
        result = result * base + group
    return result


def mac_text(value):
    return ":".join(["%02x" % (value >> shift & 255) for shift in range(40, -8, -8)])


def ipv4_text(value):
    return ".".join([str(value >> shift & 255) for shift in range(24, -8, -8)])


def ipv6_text(value):
    return ":".join(["%x" % (value >> shift & 65535) for shift in range(112, -16, -16)])
