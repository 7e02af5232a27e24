"""Random graphs, and the packets that they are about: a rule is made from a packet that it matches, so that packets hit.

A draft is a graph not yet written: a dict of "sfs", "saps" and "rules".  The ports of its rules are tuples, ("sap",
interface, VLAN or None) or ("sf", id, port id, trusted), so that it can be varied, and written in either dialect.
"""
import big_switch
from composer.core.errors import Conflict
from packets import IPV4S, IPV6S, MACS, PORTS, ipv4_text, ipv6_text, mac_text, near, packet

NAMES = ("a", "b", "c")  # of graphs on one node
INTERFACES = ("eth0", "eth1", "eth2")
SAPS = (("eth0", None), ("eth0", 25), ("eth0", 26), ("eth1", None), ("eth1", 25), ("eth2", None))
PRIORITIES = (0, 1, 2, 5, 500, 1000, 1001, 65535)


def draft(dice):
    """Return a new draft."""
    result = {"sfs": [_sf(dice, number) for number in range(dice.below(4))],
              "saps": dice.shuffled(SAPS)[:1 + dice.below(4)], "rules": []}
    result["rules"] = [_rule(dice, _ports(result), number) for number in range(1 + dice.below(8))]
    return result


def varied(dice, old):
    """Return a draft like `old`: functions, SAPs and rules have come, gone, or changed."""
    sfs, saps = list(old["sfs"]), list(old["saps"])
    if sfs and dice.one_in(4):
        sfs.pop(dice.below(len(sfs)))
    if sfs and dice.one_in(6):
        index = dice.below(len(sfs))
        sfs[index] = dict(sfs[index], name=dice.of(("wire", "tunnel")))
    if dice.one_in(3):
        sfs.append(_sf(dice, 4 + dice.below(4)) if not [sf for sf in sfs if sf["id"] > "f3"] else sfs.pop())
    if len(saps) > 1 and dice.one_in(4):
        saps.pop(dice.below(len(saps)))
    saps += [sap for sap in SAPS if sap not in saps and dice.one_in(6)]
    new = {"sfs": sfs, "saps": saps}
    ports, rules = _ports(new), []
    for rule in old["rules"]:
        stays = all([port in ports for port in [rule["match"]["port_in"]] + rule["outputs"]])
        if stays and dice.one_in(5):
            rule = dict(rule, priority=dice.of(PRIORITIES))
        elif dice.one_in(6) or not stays:
            rule = _rule(dice, ports, rule["number"])
        if not dice.one_in(6):
            rules.append(rule)
    new["rules"] = rules + [_rule(dice, ports, 100 + number) for number in range(dice.below(3))
                            if 100 + number not in [rule["number"] for rule in rules]]
    return new


def packets(dice, name, of):
    """Return [(place, packet)]: what the rules of a draft match, what nearly is that, and what comes by chance."""
    hits = []
    for rule in of["rules"]:
        port = rule["match"]["port_in"]
        hits.append((("wire", port[1]) if port[0] == "sap" else (name, "sf:%s:%s" % port[1:3]), rule["packet"]))
    return hits + [(place, near(dice, hit)) for place, hit in hits] \
        + [(("wire", dice.of(of["saps"])[0]), packet(dice)) for _ in range(2)]


def _sf(dice, number):
    return {"id": "f%d" % number, "name": "wire",
            "ports": [_sf_port(dice, "inout:%d" % port) for port in range(1 + dice.below(3))]}


def _ports(of):
    return [("sap", interface, vlan) for interface, vlan in of["saps"]] + [
        ("sf", sf["id"], port["id"], bool(port.get("trusted"))) for sf in of["sfs"] for port in sf["ports"]]


def _sf_port(dice, name):
    port = {"id": name}
    if dice.one_in(3):
        port["mac"] = dice.of(MACS[:3])
        port["trusted"] = dice.of((True, False, "true"))
    return port


def _rule(dice, ports, number):
    """Return a rule whose ports are tuples, with the packet that it was made for, as it comes."""
    port, found = dice.of(ports), packet(dice)
    vlan = port[2] if port[0] == "sap" else None
    if port[0] == "sap":
        owned = [other[2] for other in ports if other[0] == "sap" and other[1] == port[1]]
        if vlan is not None:
            found = dict(found, tags=())
        elif found["tags"] and found["tags"][0][0] in owned:
            found = dict(found, tags=((9, 0),))
    match = {} if dice.one_in(6) else _match(dice, found, vlan is None)
    if port[0] == "sf" and port[3]:  # a match of its MAC: of the one that it sends, or of the one that is forced on it?
        for key in ("source_mac", "source_mac_mask"):
            match.pop(key, None)
    outputs = [dice.of(ports) for _ in range(1 + dice.below(3) * dice.below(2))]
    actions = _actions(dice, match, found, list(outputs), vlan is None)
    if vlan is not None:
        found = dict(found, tags=((vlan, dice.of((0, 3))),))
    return {"number": number, "priority": dice.of(PRIORITIES), "match": dict(match, port_in=port), "actions": actions,
            "outputs": outputs, "packet": found}


def spelled(dice, number):
    """Return a number as a client may write it."""
    return dice.of((number, str(number), "0x%x" % number))


def _match(dice, found, may_tag):
    """Return a match, but for its port, that is about the packet."""
    match = {}

    def say(key, field, chances=5):
        if field in found and dice.one_in(chances):
            match[key] = spelled(dice, found[field])

    for key, field in (("source_mac", "eth_src"), ("dest_mac", "eth_dst"), ("arp_sha", "arp_sha"), ("arp_tha", "arp_tha")):
        if field in found and dice.one_in(6):
            match[key] = mac_text(found[field])
            if dice.one_in(3):
                match[key + "_mask"] = dice.of(("ff:ff:ff:00:00:00", "01:00:00:00:00:00", "00:00:00:00:00:00"))
    say("ether_type", "eth_type", 3)
    if found.get("ip_proto") and dice.one_in(2):
        number = found["ip_proto"]
        named = [name for name in big_switch.PROTOCOLS if big_switch.PROTOCOLS[name] == number]
        match["protocol"] = dice.of(named) if named and dice.one_in(2) else spelled(dice, number)
        for key, field in (("source_port", "tp_src"), ("dest_port", "tp_dst")):
            say(key, field, 3)
            if key in match and dice.one_in(5):
                match[key + "_mask"] = "0xfff0"
    elif found.get("ip_proto") == 132:
        say("sctp_src", "tp_src")
        say("sctp_dst", "tp_dst")
    for key in ("source_ip", "dest_ip"):
        for field in ("ip_" + key[:-3], "ipv6_" + key[:-3]):
            _address(dice, match, key, found.get(field.replace("source", "src").replace("dest", "dst")), "v6" in field)
    for key in ("ip_dscp", "ip_ecn", "ipv6_flabel", "arp_opcode", "mpls_label", "mpls_tc", "icmpv4_type", "icmpv4_code",
                "icmpv6_type", "icmpv6_code"):
        say(key, big_switch.MATCHES[key][0])
    if "ip_dscp" in found and "ip_dscp" not in match and dice.one_in(6):
        match["tos_bits"] = found["ip_dscp"] << 2
    for key in ("arp_spa", "arp_tpa"):
        if key in found and dice.one_in(5):
            match[key] = ipv4_text(found[key]) + dice.of(("", "", "/16"))
    _neighbours(dice, match, found)
    if may_tag:
        _tags(dice, match, found["tags"])
    if dice.one_in(12):
        match["hard_timeout"] = 3600
    return match


def _address(dice, match, key, value, v6):
    if value is None or not dice.one_in(5):
        return
    match[key] = (ipv6_text if v6 else ipv4_text)(value)
    if dice.one_in(4):
        match[key + "_mask"] = dice.of(("ffff:ffff:0:0:ff::", "::ffff", "ffff::")) if v6 else "255.255.0.255"
    elif dice.one_in(3):
        match[key] += "/%d" % dice.of((0, 16, 33, 64, 128) if v6 else (0, 8, 31, 32))


def _neighbours(dice, match, found):
    if "nd_target" not in found or not dice.one_in(2):
        return
    link = "nd_sll" if "nd_sll" in found else "nd_tll"
    if dice.one_in(2):
        match["ipv6_" + link] = mac_text(found[link])
    if dice.one_in(2):
        match["icmpv6_type"] = found["icmpv6_type"]
        match["ipv6_nd_target"] = ipv6_text(found["nd_target"])


def _tags(dice, match, tags):
    if dice.one_in(3):
        match["vlan_id"] = dice.of((spelled(dice, tags[0][0]), "ANY")) if tags else "NO_VLAN"
    if tags and dice.one_in(5):
        match[dice.of(("vlan_pcp", "vlan_priority"))] = spelled(dice, tags[0][1])


def _actions(dice, match, found, outputs, may_tag):
    """Return actions that go with the match, [(key, value)] or a dict; what is output is a tuple."""
    if dice.one_in(10):
        return {"drop": True}
    family = any([key in match for key in ("ether_type", "source_ip", "dest_ip", "ipv6_flabel")]) or any(
        [key.startswith("icmp") or "_nd_" in key for key in match])
    ip = "ip_proto" in found and (family or any([key in match for key in (
        "protocol", "ip_dscp", "ip_ecn", "tos_bits", "sctp_src", "sctp_dst")]))
    ports = "tp_src" in found and any([key in match for key in ("protocol", "sctp_src", "sctp_dst")])
    tags = _Tags(match, may_tag, [port for port in outputs if port[0] == "sap" and port[2] is not None])
    named, done = dice.one_in(2), []  # named: an object, whose order is not its own
    keys = list(big_switch.OBJECT_ORDER[:-2])
    for key in keys if named else dice.shuffled(keys + keys[:4]):
        value = _value(dice, key, found, family and ip, ip, ports) if dice.one_in(4) else None
        if value is not None and tags.allow(key):
            done.append((key, value))
    if named:
        return dict(done + [("output_to_port", outputs)])
    if len(outputs) > 1:
        done.insert(dice.below(len(done) + 1), ("output_to_port", outputs.pop()))
    return done + [("output_to_port", port) for port in outputs]


class _Tags:
    """What is known of a packet's tags while a rule's actions are made.  `own`: whether it came with one, or None."""

    def __init__(self, match, may_tag, vlan_saps):
        self.own = None if may_tag else False
        if "vlan_id" in match or "vlan_pcp" in match or "vlan_priority" in match:
            self.own = match.get("vlan_id") != "NO_VLAN"
        self.above, self.room = 0, big_switch.MOST_TAGS - bool(vlan_saps)

    def allow(self, key):
        """Say whether an action may come next, and take it as done."""
        tagged, most = self.above or self.own, self.above + (self.own is not False)
        if key == "pop_vlan" and self.above:
            self.above -= 1
        elif key == "pop_vlan" and self.own:
            self.own = False
        elif key in ("pop_vlan", "set_vlan_priority"):
            return bool(tagged) and key != "pop_vlan"
        elif key == "push_vlan" or key == "set_vlan_id" and self.own is False and not tagged:
            if most == self.room:
                return False
            self.above += 1
        elif key == "set_vlan_id" and not tagged:
            if most > self.room:
                return False
            self.own = True
        return True


def _value(dice, key, found, family, ip, ports):
    """Return a value for an action, or None where the match does not allow it."""
    if key in ("push_vlan", "set_vlan_id"):
        return spelled(dice, dice.of((5, 9, 25)))
    if key == "pop_vlan":
        return dice.of((True, "true", ""))
    if key == "set_vlan_priority":
        return spelled(dice, dice.of((0, 1, 7)))
    if key.startswith("set_ethernet"):
        return dice.of(MACS[:3])
    if key in ("set_ip_src_address", "set_ip_dst_address"):
        return dice.of(IPV6S if "ipv6_src" in found else IPV4S) if family else None
    if key in ("set_l4_src_port", "set_l4_dst_port"):
        return spelled(dice, dice.of(PORTS)) if ports else None
    if key == "set_ip_tos":
        return spelled(dice, dice.of((0, 40, 184))) if ip else None
    return True if ip else None


def written(dice, name, of):
    """Return the JSON of a draft, in one dialect or the other."""
    ends = []
    for interface, vlan in of["saps"]:
        kind, inner = ("interface", {"if-name": interface}) if vlan is None else (
            "vlan", {"if-name": interface, "vlan-id": spelled(dice, vlan)})
        ends.append({"id": _sap_id(interface, vlan), "type": kind, kind: inner})
    ours, rules = dice.one_in(2), []

    def port(one):
        if one[0] == "sap":
            return ("service-access-point:" if ours else "endpoint:") + _sap_id(*one[1:])
        return "%s:%s:%s" % ("sf" if ours else "vnf", one[1], one[2])

    for rule in of["rules"]:
        actions = rule["actions"]
        if isinstance(actions, list):
            actions = [dict([(key, port(value) if key == "output_to_port" else value)]) for key, value in actions]
        elif "output_to_port" in actions:
            out = [port(one) for one in rule["outputs"]]
            actions = dict(actions, output_to_port=out if len(out) > 1 else out[0])
        rules.append({"id": str(rule["number"]), "priority": spelled(dice, rule["priority"]),
                      "match": dict(rule["match"], port_in=port(rule["match"]["port_in"])), "actions": actions})
    if ours:
        return {"sffg": {"id": name, "SFs": of["sfs"], "saps": ends, "flowrules": rules}}
    return {"forwarding-graph": {"name": name, "VNFs": of["sfs"], "end-points": ends, "big-switch": {"flow-rules": rules}}}


def fitting(dice, name, of, node):
    """Return the JSON of a draft, which loses those of its rules that the node refuses as matching what others match."""
    while True:
        body = written(dice, name, of)
        try:
            node.vet(name, body)
            return body
        except Conflict as refusal:
            del of["rules"][int(refusal.where.split("[")[1].split("]")[0])]


def _sap_id(interface, vlan):
    return interface if vlan is None else "%s.%d" % (interface, vlan)
