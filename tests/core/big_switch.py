"""The big switch: says where a packet lands, from the JSON of graphs, as their user means them (SPEC 1).

It knows nothing of the agent's code, and openflow.py, which walks packets through tables, knows nothing of graphs: they
agree only if the agent is right.

A place is ("wire", interface) or (graph id, "sf:<sf>:<port>").
"""
from packets import value_of

PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132, "icmp": 1, "icmpv6": 58}
MOST_TAGS = 2  # that Open vSwitch can see: an innermost third is lost

# match key of SPEC 1: (field of a packet, bits)
MATCHES = {
    "source_mac": ("eth_src", 48), "dest_mac": ("eth_dst", 48), "ether_type": ("eth_type", 16), "protocol": ("ip_proto", 8),
    "ip_dscp": ("ip_dscp", 6), "ip_ecn": ("ip_ecn", 2), "source_port": ("tp_src", 16), "dest_port": ("tp_dst", 16),
    "icmpv4_type": ("icmp_type", 8), "icmpv4_code": ("icmp_code", 8), "icmpv6_type": ("icmpv6_type", 8),
    "icmpv6_code": ("icmpv6_code", 8), "arp_opcode": ("arp_op", 16), "arp_spa": ("arp_spa", 32), "arp_tpa": ("arp_tpa", 32),
    "arp_sha": ("arp_sha", 48), "arp_tha": ("arp_tha", 48), "ipv6_flabel": ("ipv6_label", 20),
    "ipv6_nd_target": ("nd_target", 128), "ipv6_nd_sll": ("nd_sll", 48), "ipv6_nd_tll": ("nd_tll", 48),
    "mpls_label": ("mpls_label", 20), "mpls_tc": ("mpls_tc", 3)}
SETS = {"set_ethernet_src_address": "eth_src", "set_ethernet_dst_address": "eth_dst", "set_l4_src_port": "tp_src",
        "set_l4_dst_port": "tp_dst"}
OBJECT_ORDER = ("pop_vlan", "push_vlan", "set_vlan_id", "set_vlan_priority", "set_ethernet_src_address",
                "set_ethernet_dst_address", "set_ip_src_address", "set_ip_dst_address", "set_ip_tos", "set_l4_src_port",
                "set_l4_dst_port", "dec_ttl", "output_to_port", "drop")


class TooManyTags(Exception):
    """A packet that got more tags than Open vSwitch can see."""


def lands(bodies, place, packet):
    """Return the ways in which a packet that enters at `place` may land: each a list of (place, packet).

    bodies: {graph id: JSON of the graph}.  There are several ways only where rules of one priority overlap.
    """
    graphs = [(name, _read(bodies[name])) for name in sorted(bodies)]
    if place[0] == "wire":
        enters, packet = _enter(graphs, place[1], packet)
    else:
        enters, forced = [place], dict(graphs)[place[0]]["forced"].get(place[1])
        packet = packet if forced is None else dict(packet, eth_src=forced)
    found = [(rule["priority"], name, rule) for name, graph in graphs for rule in graph["rules"]
             if (name, rule["port_in"]) in enters and _meant(rule["match"], packet)]
    best = max([priority for priority, _, _ in found] + [0])
    saps = dict([(name, graph["saps"]) for name, graph in graphs])
    return [[_leave(name, port, saps[name], copy) for port, copy in _done(rule["actions"], packet)]
            for priority, name, rule in found if priority == best] or [[]]


def _read(body):
    """Return what a graph of either dialect says: {"saps", "rules", "forced"}, its ports as sap:... and sf:..."""
    if "sffg" in body:
        graph, sf, sap = body["sffg"], "sf:", "service-access-point:"
        sfs, saps, rules = graph.get("SFs", ()), graph["saps"], graph["flowrules"]
    else:
        graph, sf, sap = body["forwarding-graph"], "vnf:", "endpoint:"
        sfs, saps, rules = graph.get("VNFs", ()), graph["end-points"], graph["big-switch"]["flow-rules"]

    def port(value):
        return "sap:" + value[len(sap):] if value.startswith(sap) else "sf:" + value[len(sf):]

    forced = dict([("sf:%s:%s" % (one["id"], end["id"]), value_of(end["mac"]))
                   for one in sfs for end in one["ports"] if end.get("trusted") in (True, "true")])
    found = {}
    for one in saps:
        inner = one[one["type"]]
        found["sap:" + one["id"]] = inner["if-name"], value_of(inner["vlan-id"]) if one["type"] == "vlan" else None
    read = []
    for rule in rules:
        given, listed = rule["actions"], []
        pairs = [(key, given[key]) for key in OBJECT_ORDER if key in given] if isinstance(given, dict) else [
            (key, one[key]) for one in given for key in one]
        for key, value in pairs:
            if key == "output_to_port":
                listed += [(key, port(one)) for one in (value if isinstance(value, list) else [value])]
            else:
                listed.append((key, value))
        read.append({"priority": value_of(rule["priority"]), "port_in": port(rule["match"]["port_in"]),
                     "match": rule["match"], "actions": listed})
    return {"saps": found, "rules": read, "forced": forced}


def _enter(graphs, interface, packet):
    """Return (the SAPs by which it enters, the packet as they give it)."""
    saps = [(name, sap, graph["saps"][sap][1]) for name, graph in graphs for sap in graph["saps"]
            if graph["saps"][sap][0] == interface]
    vlan = packet["tags"][0][0] if packet["tags"] else None
    if vlan is not None and vlan in [one[2] for one in saps]:
        return [(name, sap) for name, sap, own in saps if own == vlan], dict(packet, tags=packet["tags"][1:])
    return [(name, sap) for name, sap, own in saps if own is None], packet


def _leave(name, port, saps, packet):
    if port not in saps:
        return (name, port), packet
    interface, vlan = saps[port]
    return ("wire", interface), packet if vlan is None else _tagged(packet, vlan)


def _tagged(packet, vlan):
    if len(packet["tags"]) == MOST_TAGS:
        raise TooManyTags(packet)
    return dict(packet, tags=((vlan, 0),) + packet["tags"])


def _meant(match, packet):
    """Say whether the packet is one that the match means."""
    for key in match:
        value = match[key]
        if key in ("port_in", "hard_timeout") or key.endswith("_mask"):
            continue
        if key == "vlan_id":
            tag = packet["tags"][0][0] if packet["tags"] else "NO_VLAN"
            good = tag != "NO_VLAN" if value == "ANY" else tag == (value if value == "NO_VLAN" else value_of(value))
        elif key in ("vlan_pcp", "vlan_priority"):
            good = bool(packet["tags"]) and packet["tags"][0][1] == value_of(value)
        elif key == "tos_bits":
            good = packet.get("ip_dscp") == value_of(value) >> 2
        elif key in ("sctp_src", "sctp_dst"):
            good = packet.get("ip_proto") == 132 and packet.get("tp" + key[4:]) == value_of(value)
        elif key in ("source_ip", "dest_ip"):
            field, bits = ("ipv6_", 128) if ":" in value else ("ip_", 32)
            good = _equal(packet, field + ("src" if key[0] == "s" else "dst"), bits, value, match.get(key + "_mask"))
        else:
            value = PROTOCOLS.get(value, value) if key == "protocol" else value
            good = _equal(packet, MATCHES[key][0], MATCHES[key][1], value, match.get(key + "_mask"))
        if not good:
            return False
    return True


def _equal(packet, field, bits, value, given):
    mask = (1 << bits) - 1
    if isinstance(value, str) and "/" in value:
        value, _, length = value.partition("/")
        mask &= ~((1 << bits - int(length)) - 1)
    if given is not None:
        mask &= value_of(given)
    return field in packet and (packet[field] ^ value_of(value)) & mask == 0


def _done(actions, packet):
    """Return [(port, packet)] that the actions send."""
    sent, packet = [], dict(packet)
    for key, value in actions:
        tags = packet["tags"]
        if key == "output_to_port":
            sent.append((value, dict(packet)))
        elif key == "push_vlan":
            packet = _tagged(packet, value_of(value))
        elif key == "pop_vlan":
            packet["tags"] = tags[1:]
        elif key == "set_vlan_id":
            packet["tags"] = ((value_of(value), tags[0][1] if tags else 0),) + tags[1:]
        elif key == "set_vlan_priority":
            packet["tags"] = ((tags[0][0], value_of(value)),) + tags[1:]
        elif key in ("set_ip_src_address", "set_ip_dst_address"):
            packet[("ipv6_" if ":" in value else "ip_") + key[7:10]] = value_of(value)
        elif key == "set_ip_tos":
            packet["ip_dscp"] = value_of(value) >> 2
        elif key in SETS:
            packet[SETS[key]] = value_of(value)
        elif key == "dec_ttl":
            if packet["ttl"] < 2:
                return sent
            packet["ttl"] -= 1
        else:
            assert key == "drop", key
    return sent
