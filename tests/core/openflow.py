"""OpenFlow: says where a packet lands, from the lines that ovs-ofctl is given.

It reads text, and is stricter than a switch: a field without its prerequisites, which Open vSwitch may widen in silence, is
an AssertionError.
"""
from big_switch import MOST_TAGS
from packets import ARP, IPV4, IPV6, MPLS, value_of

# field of OpenFlow: (field of a packet, bits, {field that has to come before: the values it may have})
_IP, _L4 = {"dl_type": (IPV4, IPV6)}, {"nw_proto": (6, 17, 132)}
_ND = {"icmpv6_type": (135, 136), "icmpv6_code": (0,)}
FIELDS = {
    "in_port": ("in_port", 0, {}), "metadata": ("metadata", 64, {}), "dl_src": ("eth_src", 48, {}),
    "dl_dst": ("eth_dst", 48, {}),
    "dl_type": ("eth_type", 16, {}), "vlan_vid": ("vlan_vid", 13, {}), "vlan_pcp": ("vlan_pcp", 3, {"vlan_vid": None}),
    "nw_proto": ("ip_proto", 8, _IP), "nw_src": ("ip_src", 32, {"dl_type": (IPV4,)}),
    "nw_dst": ("ip_dst", 32, {"dl_type": (IPV4,)}),
    "ip_dscp": ("ip_dscp", 6, _IP), "nw_ecn": ("ip_ecn", 2, _IP), "tp_src": ("tp_src", 16, _L4),
    "tp_dst": ("tp_dst", 16, _L4),
    "ipv6_src": ("ipv6_src", 128, {"dl_type": (IPV6,)}), "ipv6_dst": ("ipv6_dst", 128, {"dl_type": (IPV6,)}),
    "ipv6_label": ("ipv6_label", 20, {"dl_type": (IPV6,)}),
    "icmp_type": ("icmp_type", 8, {"dl_type": (IPV4,), "nw_proto": (1,)}),
    "icmp_code": ("icmp_code", 8, {"dl_type": (IPV4,), "nw_proto": (1,)}),
    "icmpv6_type": ("icmpv6_type", 8, {"dl_type": (IPV6,), "nw_proto": (58,)}),
    "icmpv6_code": ("icmpv6_code", 8, {"dl_type": (IPV6,), "nw_proto": (58,)}), "nd_target": ("nd_target", 128, _ND),
    "nd_sll": ("nd_sll", 48, {"icmpv6_type": (135,), "icmpv6_code": (0,)}),
    "nd_tll": ("nd_tll", 48, {"icmpv6_type": (136,), "icmpv6_code": (0,)}), "arp_op": ("arp_op", 16, {"dl_type": (ARP,)}),
    "arp_spa": ("arp_spa", 32, {"dl_type": (ARP,)}), "arp_tpa": ("arp_tpa", 32, {"dl_type": (ARP,)}),
    "arp_sha": ("arp_sha", 48, {"dl_type": (ARP,)}), "arp_tha": ("arp_tha", 48, {"dl_type": (ARP,)}),
    "mpls_label": ("mpls_label", 20, {"dl_type": MPLS}), "mpls_tc": ("mpls_tc", 3, {"dl_type": MPLS})}
SETTABLE = {"tcp_src": ("tp_src", 6), "tcp_dst": ("tp_dst", 6), "udp_src": ("tp_src", 17), "udp_dst": ("tp_dst", 17),
            "sctp_src": ("tp_src", 132), "sctp_dst": ("tp_dst", 132), "eth_src": ("eth_src", None),
            "eth_dst": ("eth_dst", None),
            "ip_src": ("ip_src", None), "ip_dst": ("ip_dst", None), "ipv6_src": ("ipv6_src", None),
            "ipv6_dst": ("ipv6_dst", None), "ip_dscp": ("ip_dscp", None)}


class Switch:
    """LSIs with their ports and flows: {lsi: {port: its peer, if it is a patch port, else None}}, {lsi: {key: flow}}."""

    def __init__(self):
        self.ports, self.flows = {}, {}

    def add_port(self, lsi, port, peer=None):
        self.ports.setdefault(lsi, {})[port] = peer

    def state(self):
        """Return what it is like: two of these are equal if nothing has changed."""
        return (dict([(lsi, dict(self.ports[lsi])) for lsi in self.ports]),
                dict([(lsi, dict(self.flows[lsi])) for lsi in self.flows if self.flows[lsi]]))

    def configure(self, words):
        """Do what an ovs-vsctl command does with LSIs and their ports."""
        command, last = [], None
        for word in list(words[1:]) + ["--"]:
            if word != "--":
                command += [] if word[:2] == "--" else [word]
                continue
            if command[:1] == ["add-br"]:
                self.ports.setdefault(command[1], {})
            elif command[:1] == ["del-br"]:
                self.ports.pop(command[1], None)
                self.flows.pop(command[1], None)
            elif command[:1] == ["add-port"]:
                last = command[1]
                self.add_port(last, command[2])
            elif command[:1] == ["del-port"]:
                self.ports.get(command[1], {}).pop(command[2], None)
            for word in command:
                if word[:13] == "options:peer=":
                    self.add_port(last, command[2], word[13:])
            command = []

    def change(self, lsi, lines):
        """Do what ovs-ofctl --bundle add-flows does with these lines."""
        flows = self.flows.setdefault(lsi, {})
        for line in lines:
            verb, _, rest = line.partition(" ")
            if verb == "delete":
                value, mask = [int(word, 16) for word in rest[len("cookie="):].replace("-1",
                                                            "0xffffffffffffffff").split("/")]
                for key in [key for key in flows if (flows[key][0] ^ value) & mask == 0]:
                    del flows[key]
            else:
                assert verb == "add", line
                key, flow = _flow(rest)
                for name in [value for field, value, _ in flow[3] if field == "in_port"] + [
                        word.split('"')[1] for word in flow[4] if word[:7] == "output:"]:
                    assert name in self.ports[lsi], "%s has no port %s: %s" % (lsi, name, line)
                flows[key] = flow

    def walk(self, lsi, port, packet, table=0, metadata=0):
        """Return [((lsi, port), packet)] of where a packet lands that enters an LSI by a port."""
        best = None
        for flow in self.flows.get(lsi, {}).values():
            if flow[1] == table and (best is None or flow[2] > best[2]) and _is_in(flow[3], packet, port, metadata):
                best = flow
        return self._act(best, lsi, port, packet, metadata) if best else []

    def _act(self, flow, lsi, port, packet, metadata):
        landed, packet = [], dict(packet)
        for word in flow[4]:
            verb, _, value = word.partition(":")
            tags = packet["tags"]
            if verb == "output" and value.strip('"') != port:
                landed += self._out(lsi, value.strip('"'), packet)
            elif verb == "in_port":
                landed += self._out(lsi, port, packet)
            elif verb == "write_metadata":
                metadata = value_of(value)
            elif verb == "goto_table":
                return landed + self.walk(lsi, port, packet, int(value), metadata)
            elif verb == "pop_vlan":
                assert tags, "pop_vlan, but there is no tag"
                packet["tags"] = tags[1:]
            elif verb == "push_vlan":
                packet["tags"] = (((0, 0),) + tags)[:MOST_TAGS]
            elif verb == "set_field":
                _set(packet, value, flow[3])
            elif verb == "dec_ttl":
                if packet["ttl"] < 2:
                    break
                packet["ttl"] -= 1
            else:
                assert word == "drop" or verb == "output", word
        return landed

    def _out(self, lsi, port, packet):
        peer = self.ports[lsi].get(port)
        if not peer:
            return [((lsi, port), dict(packet))]
        return self.walk([other for other in self.ports if peer in self.ports[other]][0], peer, packet)


def _set(packet, value, match):
    text, _, name = value.partition("->")
    number, tags = value_of(text), packet["tags"]
    if name == "vlan_vid":
        assert tags and number & 0x1000, value
        packet["tags"] = ((number & 0xfff, tags[0][1]),) + tags[1:]
    elif name == "vlan_pcp":
        assert tags, value
        packet["tags"] = ((tags[0][0], number),) + tags[1:]
    else:
        field, protocol = SETTABLE[name]
        assert field in packet and (protocol is None or ("ip_proto", protocol, 255) in match), value
        packet[field] = number


def _flow(line):
    """Return (what makes the flow one and the same, (cookie, table, priority, match, actions))."""
    head, _, actions = line.partition(",actions=")
    plain, match, words = {"cookie": 0, "table": 0, "priority": 32768, "hard_timeout": 0}, [], {}
    for word in head.split(","):
        name, _, text = word.partition("=")
        if name in plain:
            plain[name] = value_of(text)
            continue
        field, bits, needs = FIELDS[name]
        for need in needs:
            assert need in words and (needs[need] is None or words[need] in needs[need]), "%s needs %s: %s" % (name, need,
                                                            line)
        if name == "in_port":
            words[name] = text.strip('"')
            match.append((field, words[name], 0))
            continue
        value, _, mask = text.partition("/")
        words[name], whole = value_of(value), (1 << bits) - 1
        match.append((field, words[name], _mask(mask, bits) if mask else whole))
    key = plain["table"], plain["priority"], tuple(sorted(match))
    return key, (plain["cookie"], plain["table"], plain["priority"], match, actions.split(","))


def _mask(text, bits):
    """Return a mask; that of an IPv6 address is the length of a prefix, if it begins with a digit of 0 to 9."""
    if bits != 128 or text[0] not in "0123456789":
        return value_of(text)
    return (1 << bits) - (1 << bits - int(text))


def _is_in(match, packet, port, metadata):
    for field, value, mask in match:
        if field == "in_port":
            if value != port:
                return False
            continue
        if field == "metadata":
            found = metadata
        elif field == "vlan_vid":
            found = 0x1000 | packet["tags"][0][0] if packet["tags"] else 0
        elif field == "vlan_pcp":
            found = packet["tags"][0][1] if packet["tags"] else 0
        elif field in packet:
            found = packet[field]
        else:
            return False
        if (found ^ value) & mask:
            return False
    return True
