"""Matches: the JSON of a rule's match becomes what its packets have in common.

A normalised match is a dict of field -> (value, mask), all integers.  A match that says TCP but not which IP
stands for two of them, so a rule has a list: every one carries its eth_type, because Open vSwitch widens
`nw_proto=6` alone to all traffic.  Nothing is filled in that the given fields do not imply.  (SPEC 1, Match.)
"""
from . import values
from .errors import BadGraph, unknown, show

IPV4, IPV6, ARP, MPLS = 0x0800, 0x86dd, 0x0806, (0x8847, 0x8848)
IP = (IPV4, IPV6)
TCP, UDP, SCTP, ICMP, ICMPV6 = 6, 17, 132, 1, 58
PRESENT = 0x1000  # of a VLAN id: the packet has a tag
PROTOCOLS = {"icmp": ICMP, "igmp": 2, "ipip": 4, "tcp": TCP, "udp": UDP, "dccp": 33, "gre": 47, "esp": 50, "ah": 51,
             "icmpv6": ICMPV6, "ospf": 89, "pim": 103, "vrrp": 112, "sctp": SCTP, "udplite": 136}
ONLY_IN = {ICMP: (IPV4,), ICMPV6: (IPV6,)}  # the protocols that go with one IP
WITH_PORTS = (TCP, UDP, SCTP)

# key: (field, bits, may have a mask, eth_types or None, protocols or None)
KEYS = {
    "source_mac": ("eth_src", 48, True, None, None),
    "dest_mac": ("eth_dst", 48, True, None, None),
    "vlan_pcp": ("vlan_pcp", 3, False, None, None),
    "vlan_priority": ("vlan_pcp", 3, False, None, None),
    "ip_dscp": ("ip_dscp", 6, False, IP, None),
    "ip_ecn": ("ip_ecn", 2, False, IP, None),
    "source_port": ("tp_src", 16, True, IP, WITH_PORTS),
    "dest_port": ("tp_dst", 16, True, IP, WITH_PORTS),
    "sctp_src": ("tp_src", 16, True, IP, (SCTP,)),
    "sctp_dst": ("tp_dst", 16, True, IP, (SCTP,)),
    "icmpv4_type": ("icmp_type", 8, False, (IPV4,), (ICMP,)),
    "icmpv4_code": ("icmp_code", 8, False, (IPV4,), (ICMP,)),
    "icmpv6_type": ("icmpv6_type", 8, False, (IPV6,), (ICMPV6,)),
    "icmpv6_code": ("icmpv6_code", 8, False, (IPV6,), (ICMPV6,)),
    "arp_opcode": ("arp_op", 16, False, (ARP,), None),
    "arp_spa": ("arp_spa", 32, True, (ARP,), None),
    "arp_tpa": ("arp_tpa", 32, True, (ARP,), None),
    "arp_sha": ("arp_sha", 48, True, (ARP,), None),
    "arp_tha": ("arp_tha", 48, True, (ARP,), None),
    "ipv6_flabel": ("ipv6_label", 20, True, (IPV6,), None),
    "ipv6_nd_target": ("nd_target", 128, True, (IPV6,), (ICMPV6,)),
    "ipv6_nd_sll": ("nd_sll", 48, False, (IPV6,), (ICMPV6,)),
    "ipv6_nd_tll": ("nd_tll", 48, False, (IPV6,), (ICMPV6,)),
    "mpls_label": ("mpls_label", 20, False, MPLS, None),
    "mpls_tc": ("mpls_tc", 3, False, MPLS, None),
}
SPECIAL = ("port_in", "ether_type", "vlan_id", "protocol", "source_ip", "dest_ip", "tos_bits", "hard_timeout")
MASKS = [key + "_mask" for key in KEYS if KEYS[key][2]] + ["source_ip_mask", "dest_ip_mask"]
KNOWN = list(KEYS) + list(SPECIAL) + MASKS
ND_TYPES = {"ipv6_nd_sll": (135,), "ipv6_nd_tll": (136,), "ipv6_nd_target": (135, 136)}


def parse(match, where):
    """Return (the normalised matches, hard timeout in s or 0) of the object `match`; port_in is not looked at.

    Raises BadGraph where a key is unknown, a value is wrong, or a match that another one needs is missing.
    """
    for key in match:
        if key not in KNOWN:
            raise BadGraph("%s.%s" % (where, show(key)[1:-1]), unknown(key, KNOWN, "match"))
        if key.endswith("_mask") and key[:-5] not in match:
            raise BadGraph("%s.%s" % (where, key), "a mask needs its %s" % key[:-5])
    fields, types, protocols = {}, _Meet("ether_type"), _Meet("protocol")
    _ethernet(match, where, fields, types)
    _ip(match, where, fields, types, protocols)
    for key in sorted(KEYS):
        if key not in match:
            continue
        field, bits, masked, needs_type, needs_protocol = KEYS[key]
        value = _read(match, key, where, bits, masked)
        if field in fields and fields[field] != value:
            raise BadGraph("%s.%s" % (where, key), "another key of this match says otherwise")
        fields[field] = value
        types.meet(needs_type, where, key)
        protocols.meet(needs_protocol, where, key)
    if "vlan_pcp" in fields and not fields.setdefault("vlan_vid", (PRESENT, PRESENT))[0]:
        raise BadGraph(where + ".vlan_id", "NO_VLAN has no priority: leave vlan_pcp out, or match vlan_id ANY")
    if protocols.found is not None:
        if len(protocols.found) != 1:
            raise BadGraph("%s.%s" % (where, protocols.by), "needs protocol in the same match: tcp, udp or sctp")
        protocol = list(protocols.found)[0]
        types.meet(ONLY_IN.get(protocol, IP), where, "protocol")
        fields["ip_proto"] = (protocol, 255)
    _neighbour_discovery(match, where, fields)
    timeout = _value(match, "hard_timeout", where, 0, 65535) if "hard_timeout" in match else 0
    fields = dict([(field, fields[field]) for field in fields if fields[field][1]])  # a mask of 0 says nothing
    if types.found is None:
        return [fields], timeout
    result = []
    for ether_type in sorted(types.found):
        one = dict(fields)
        one["eth_type"] = (ether_type, 0xffff)
        result.append(one)
    return result, timeout


def overlap(one, other):
    """Say whether a packet can be in both normalised matches."""
    for field in one:
        if field in other:
            (value, mask), (value2, mask2) = one[field], other[field]
            if (value ^ value2) & mask & mask2:
                return False
    return True


def finder(pairs):
    """Return the function that finds, for a normalised match, the label of one of `pairs` (match, label) that overlaps.

    It returns None if there is none.  Matches of one shape (fields and masks) are looked up, not tried one by one.
    """
    shapes, tables = {}, {}
    for match, label in pairs:
        shapes.setdefault(_shape(match), []).append((match, label))

    def find(match):
        mine = _shape(match)
        for shape in sorted(shapes):
            common = [(field, match[field][1] & mask) for field, mask in shape if field in match]
            if (mine, shape) not in tables:
                tables[mine, shape] = dict([(_cut(one, common), label) for one, label in reversed(shapes[shape])])
            found = tables[mine, shape].get(_cut(match, common))
            if found is not None:
                return found
        return None
    return find


def _shape(match):
    return tuple([(field, match[field][1]) for field in sorted(match)])


def _cut(match, common):
    return tuple([match[field][0] & mask for field, mask in common])


class _Meet:
    """What several keys allow together.  `by`: the key that asked first."""

    def __init__(self, key):
        self.key, self.found, self.by = key, None, None

    def meet(self, allowed, where, by):
        if allowed is None:
            return
        met = set(allowed) if self.found is None else self.found & set(allowed)
        if not met:
            raise BadGraph("%s.%s" % (where, by), "goes with %s %s, but %s says otherwise" % (
                self.key, " or ".join([_name(self.key, one) for one in sorted(allowed)]), self.by))
        self.found = met
        if self.by is None or len(allowed) == 1:
            self.by = by


def _name(key, value):
    if key == "ether_type":
        return "0x%04x" % value
    return ([name for name in PROTOCOLS if PROTOCOLS[name] == value] + [str(value)])[0]


def _ethernet(match, where, fields, types):
    if "ether_type" in match:
        types.meet((_value(match, "ether_type", where, 0x600, 0xffff),), where, "ether_type")
    if "vlan_id" in match:
        value = match["vlan_id"]
        if value == "ANY":
            fields["vlan_vid"] = (PRESENT, PRESENT)
        elif value == "NO_VLAN":
            fields["vlan_vid"] = (0, 0x1fff)
        else:
            try:
                fields["vlan_vid"] = (PRESENT | values.number(value, 0, 4095), 0x1fff)
            except ValueError as error:
                raise BadGraph(where + ".vlan_id", '%s: should be "ANY", "NO_VLAN" or %s' % (show(value), error))


def _ip(match, where, fields, types, protocols):
    for key, field in (("source_ip", "src"), ("dest_ip", "dst")):
        if key not in match:
            continue
        try:
            family, value, mask = values.address(match[key])
        except ValueError as error:
            raise _wrong(match, key, where, error)
        mask = _mask(match, key + "_mask", where, values.ipv6 if family == 6 else values.ipv4, mask)
        types.meet((IPV6,) if family == 6 else (IPV4,), where, key)
        fields[("ipv6_" if family == 6 else "ip_") + field] = (value & mask, mask)
    if "protocol" in match:
        value = match["protocol"]
        if isinstance(value, str) and value.lower() in PROTOCOLS:
            protocols.meet((PROTOCOLS[value.lower()],), where, "protocol")
        else:
            try:
                protocols.meet((values.number(value, 0, 255),), where, "protocol")
            except ValueError as error:
                raise BadGraph(where + ".protocol", "%s: should be %s or one of %s" % (
                    show(value), error, ", ".join(sorted(PROTOCOLS))))
    if "tos_bits" in match:
        tos = _value(match, "tos_bits", where, 0, 255)
        if tos & 3:
            raise BadGraph(where + ".tos_bits", "should be a multiple of 4: its last two bits are matched by ip_ecn")
        if "ip_dscp" in match:
            raise BadGraph(where + ".tos_bits", "says what ip_dscp says: give one of them")
        fields["ip_dscp"] = (tos >> 2, 63)
        types.meet(IP, where, "tos_bits")


def _neighbour_discovery(match, where, fields):
    for key in sorted(ND_TYPES):
        if key not in match:
            continue
        allowed = ND_TYPES[key]
        if "icmpv6_type" not in fields and len(allowed) == 1:
            fields["icmpv6_type"] = (allowed[0], 255)
        if fields.get("icmpv6_type", (0, 0))[0] not in allowed:
            raise BadGraph("%s.%s" % (where, key), "needs icmpv6_type %s in the same match"
                           % " or ".join([str(one) for one in allowed]))
        if fields.setdefault("icmpv6_code", (0, 255))[0]:
            raise BadGraph(where + ".icmpv6_code", "should be 0 in neighbour discovery")


def _read(match, key, where, bits, masked):
    """Return (value, mask) of a plain field."""
    whole = (1 << bits) - 1
    read = {48: values.mac, 32: values.ipv4, 128: values.ipv6}.get(bits)
    mask = whole
    if not read:
        value = _value(match, key, where, 0, whole)
        if masked and key + "_mask" in match:
            mask = _value(match, key + "_mask", where, 0, whole)
        return value & mask, mask
    text = match[key]
    try:
        if bits in (32, 128) and isinstance(text, str) and "/" in text:
            text, _, length = text.partition("/")
            mask = values.prefix(values.number(length, 0, bits), bits)
        value = read(text)
    except ValueError as error:
        raise _wrong(match, key, where, error)
    mask = _mask(match, key + "_mask", where, read, mask)
    return value & mask, mask


def _mask(match, key, where, read, mask):
    """Return `mask` without what the match's own mask, if it has one, leaves out."""
    if key not in match:
        return mask
    try:
        mask &= read(match[key])
        if read is values.ipv6 and values.ipv6_mask_text(mask)[0] in "123456789" and ":" in values.ipv6_mask_text(mask):
            raise ValueError("a mask that the switch can be told: of a prefix, or with a letter or 0 in front")
    except ValueError as error:
        raise _wrong(match, key, where, error)
    return mask


def _value(match, key, where, low, high):
    try:
        return values.number(match[key], low, high)
    except ValueError as error:
        raise _wrong(match, key, where, error)


def _wrong(match, key, where, error):
    return BadGraph("%s.%s" % (where, key), "%s: should be %s" % (show(match[key]), error))
