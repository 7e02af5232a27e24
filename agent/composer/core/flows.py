"""Flows: a steering rule becomes lines of OpenFlow, as ovs-ofctl writes them.

LSI-0 has two tables.  Table 0 dispatches: it takes the tag off what enters by a VLAN SAP and notes the VLAN in
the metadata, so that table 1, which holds the graphs' rules, matches the SAP and sees the packet untagged.  No
priority of a graph can beat the dispatching or steal a VLAN.  A graph-LSI has one table.

    table 0   management (60000..)   VLAN SAPs (1000 + graph)   onward from links (500)   the rest: go to table 1
    table 1   in_port, metadata 0: the interface SAP;  0x1000 | VLAN id: the VLAN SAP

Each graph dispatches its own VLAN SAPs, at a priority of its own: two graphs on one VLAN SAP share nothing that
one of them could take away from the other.
"""
from collections import namedtuple

from . import names, values
from .matches import PRESENT

Flow = namedtuple("Flow", ("cookie", "onward", "key", "actions"))  # key: table, priority and match

INBAND_PRIORITY, DISPATCH_PRIORITY, ONWARD_PRIORITY = 60000, 1000, 500

NODE_FLOWS = [Flow(names.cookie(names.NODE, 1), False, "table=0,priority=0", "goto_table:1")]

_HEX = ("eth_type", "vlan_vid", "ipv6_label")
_TEXT = {"eth_src": values.mac_text, "eth_dst": values.mac_text, "arp_sha": values.mac_text,
         "arp_tha": values.mac_text, "nd_sll": values.mac_text, "nd_tll": values.mac_text,
         "ip_src": values.ipv4_text, "ip_dst": values.ipv4_text, "arp_spa": values.ipv4_text,
         "arp_tpa": values.ipv4_text, "ipv6_src": values.ipv6_text, "ipv6_dst": values.ipv6_text,
         "nd_target": values.ipv6_text}
_BITS = {"eth_src": 48, "eth_dst": 48, "arp_sha": 48, "arp_tha": 48, "nd_sll": 48, "nd_tll": 48, "ip_src": 32,
         "ip_dst": 32, "arp_spa": 32, "arp_tpa": 32, "ipv6_src": 128, "ipv6_dst": 128, "nd_target": 128,
         "vlan_vid": 13, "tp_src": 16, "tp_dst": 16, "ipv6_label": 20}
_NAMES = {"eth_src": "dl_src", "eth_dst": "dl_dst", "eth_type": "dl_type", "ip_proto": "nw_proto", "ip_src": "nw_src",
          "ip_dst": "nw_dst", "ip_ecn": "nw_ecn"}
_FIRST = ("eth_type", "ip_proto", "vlan_vid", "icmpv6_type", "icmpv6_code")  # what other fields need comes first
_SETS = {"set_eth_src": ("eth_src", values.mac_text), "set_eth_dst": ("eth_dst", values.mac_text),
         "set_ip_src": ("ip_src", values.ipv4_text), "set_ip_dst": ("ip_dst", values.ipv4_text),
         "set_ipv6_src": ("ipv6_src", values.ipv6_text), "set_ipv6_dst": ("ipv6_dst", values.ipv6_text),
         "set_vlan_priority": ("vlan_pcp", str)}
_L4 = {6: "tcp", 17: "udp", 132: "sctp"}


def inband(interface, addresses):
    """Return the flows that join an interface and LSI-0's own port, which has the node's addresses (IPv4, as texts).

    What a host behind the interface asks or tells the node gets there, and no graph sees it; all else is the graphs'.
    """
    ways = [("in_port=%s" % _quoted(names.LSI0), interface)] if interface else []
    for address in addresses if interface else ():
        for match in ("dl_type=0x806,%s,arp_tpa=%s", "dl_type=0x800,%s,nw_dst=%s"):
            ways.append(("in_port=%s,%s" % (_quoted(interface), match % (field("vlan_vid", 0, 0x1fff), address)), names.LSI0))
    return [Flow(names.cookie(names.NODE, 2 + index), False, "table=0,priority=%d,%s" % (INBAND_PRIORITY, key),
                 "output:%s" % _quoted(port)) for index, (key, port) in enumerate(ways)]


def entry(flow):
    """Return the name of the port that a flow of a graph is for."""
    return flow.key.partition('in_port="')[2].partition('"')[0]


def of_lsi0(number, rules, saps, link_ports):
    """Return the flows of a graph on LSI-0.

    number: the graph's; rules: steering rules of LSI-0; saps: {"sap:<id>": (interface or port, VLAN id or -1)};
    link_ports: {"link:<n>": its end on LSI-0}.
    """
    flows, seen = [], set()
    for reference in sorted(saps):
        interface, vlan = saps[reference]
        if vlan >= 0 and (interface, vlan) not in seen:
            seen.add((interface, vlan))
            flows.append(Flow(names.cookie(number, names.DISPATCH | vlan), False,
                              "table=0,priority=%d,in_port=%s,%s" % (
                                  DISPATCH_PRIORITY + number, _quoted(interface), field("vlan_vid", PRESENT | vlan, 0x1fff)),
                              "pop_vlan,write_metadata:0x%x,goto_table:1" % (PRESENT | vlan)))
    for rule in rules:
        if rule.onward:
            key, entered = "table=0,priority=%d,in_port=%s" % (ONWARD_PRIORITY, _quoted(link_ports[rule.port_in])), None
        else:
            entered, vlan = saps[rule.port_in]
            key = "table=1,priority=%d,in_port=%s,metadata=%s" % (
                rule.priority, _quoted(entered), hex(PRESENT | vlan) if vlan >= 0 else "0")
        flows.extend(_flows(number, rule, key, lambda port: _leave(port, entered, saps, link_ports), ()))
    return flows


def of_graph(number, rules, ports, forced):
    """Return the flows of a graph-LSI.

    ports: {reference of a port or link: its name on the LSI}; forced: {reference of a trusted port: its MAC}.
    """
    flows = []
    for rule in rules:
        key = "table=0,priority=%d,in_port=%s" % (ONWARD_PRIORITY if rule.onward else rule.priority,
                                                  _quoted(ports[rule.port_in]))
        first = [("set_eth_src", forced[rule.port_in])] if rule.port_in in forced and rule.actions else []
        flows.extend(_flows(number, rule, key, lambda port: (
            (), "in_port" if port == rule.port_in else "output:%s" % _quoted(ports[port]), ()), first))
    return flows


def add(flow):
    """Return the line of a bundle that puts a flow in."""
    return "add cookie=0x%x,%s,actions=%s" % (flow.cookie, flow.key, flow.actions)


def delete(cookie):
    """Return the line of a bundle that takes out all flows of a cookie: never by port, which may be gone."""
    return "delete cookie=0x%x/-1" % cookie


def delete_graph(number):
    """Return the line of a bundle that takes out all flows of a graph."""
    return "delete cookie=0x%x/0xffffffff00000000" % names.cookie(number, 0)


def anew(flows):
    """Return the lines that put flows in, and take out what there is by their cookies: those of ports that are gone."""
    return [delete(flow.cookie) for flow in flows] + [add(flow) for flow in flows]


def change(old, new):
    """Return the lines that make the flows `old` into `new`; what is in both is not touched, counters included.

    A flow whose match stays is changed by adding it again, which keeps its counters.
    """
    keys, lines, adds = {}, [], []
    for flow in new:
        keys.setdefault(flow.cookie, []).append(flow.key)
    gone = set([flow.cookie for flow in old if flow.key not in keys.get(flow.cookie, ())])
    for cookie in sorted(gone):
        lines.append(delete(cookie))
    kept = set([flow for flow in old if flow.cookie not in gone])
    for flow in new:
        if flow not in kept:
            adds.append(add(flow))
    return lines + adds


def _leave(port, entered, saps, link_ports):
    """Return (actions before, output, actions after) that send a packet of LSI-0 out of a port."""
    if port in link_ports:
        return (), "output:%s" % _quoted(link_ports[port]), ()
    interface, vlan = saps[port]
    output = "in_port" if interface == entered else "output:%s" % _quoted(interface)
    if vlan < 0:
        return (), output, ()
    return ("push_vlan:0x8100", "set_field:%d->vlan_vid" % (PRESENT | vlan)), output, ("pop_vlan",)


def _flows(number, rule, key, leave, first):
    """Return the flows of one steering rule: one for each of its matches."""
    flows = []
    timeout = "hard_timeout=%d," % rule.timeout if rule.timeout else ""
    for match in rule.matches:
        text = "".join(["," + word for word in fields(match)])
        flows.append(Flow(names.cookie(number, rule.low), rule.onward, timeout + key + text,
                          ",".join(_actions(list(first) + list(rule.actions), match, leave)) or "drop"))
    return flows


def _actions(actions, match, leave):
    words, after = [], ()
    protocol = match.get("ip_proto", (0, 0))[0]
    tags = 1 if match.get("vlan_vid", (0, 0))[0] & PRESENT else 0
    for kind, value in actions:
        words.extend(after)
        after = ()
        if kind == "output":
            before, output, after = leave(value)
            words.extend(list(before) + [output])
        elif kind in _SETS:
            words.append("set_field:%s->%s" % (_SETS[kind][1](value), _SETS[kind][0]))
        elif kind in ("push_vlan", "set_vlan_id"):
            if kind == "push_vlan" or not tags:
                words.append("push_vlan:0x8100")
                tags += 1
            words.append("set_field:%d->vlan_vid" % (PRESENT | value))
        elif kind == "set_ip_tos":
            words.append("set_field:%d->ip_dscp" % (value >> 2))
        elif kind in ("set_l4_src", "set_l4_dst"):
            words.append("set_field:%d->%s_%s" % (value, _L4[protocol], kind[7:]))
        else:  # pop_vlan, dec_ttl
            words.append(kind)
            tags -= kind == "pop_vlan"
    return words


def fields(match):
    """Return a normalised match as words of ovs-ofctl, what others need coming first."""
    order = [name for name in _FIRST if name in match] + [name for name in sorted(match) if name not in _FIRST]
    return [field(name, *match[name]) for name in order if match[name][1]]


def field(name, value, mask):
    whole = values.prefix(_BITS[name], _BITS[name]) if name in _BITS else mask
    text = _TEXT.get(name, hex if name in _HEX or mask != whole else str)
    return "%s=%s%s" % (_NAMES.get(name, name), text(value), "" if mask == whole else "/" + (
        values.ipv6_mask_text if text is values.ipv6_text else text)(mask))


def _quoted(name):
    """Quote a port's name: one that is a number would be taken for a port number."""
    return '"%s"' % name
