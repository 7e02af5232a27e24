"""Good graphs: together they have every key, match and action of SPEC 1, in both dialects.

`graphs(interface)` returns them as JSON values, all for a node whose LSI-0 has that interface.  A rule is written
for SF-FG, and the second dialect (NF-FG) is made of it.
"""

SAP, SF = "service-access-point:", "sf:"
IPV4, IPV6, ARP = {"ether_type": "0x0800"}, {"ether_type": 0x86dd}, {"ether_type": "2054"}
TCP = dict(IPV4, protocol="tcp")
MAC = "02:00:00:00:00:01"

MATCHES = [
    {}, {"ether_type": "0x88cc"}, {"vlan_id": "ANY", "vlan_pcp": 3}, {"vlan_id": "NO_VLAN"}, {"vlan_id": "0x19"},
    {"vlan_id": 7, "vlan_priority": "2"}, {"source_mac": MAC, "source_mac_mask": "ff:ff:ff:00:00:00"},
    {"dest_mac": "01:00:00:00:00:00", "dest_mac_mask": "01:00:00:00:00:00"}, {"source_ip": "10.0.0.0/8"},
    {"dest_ip": "192.168.1.1", "dest_ip_mask": "255.255.0.255"}, {"source_ip": "2001:db8::/32"},
    {"dest_ip": "::ffff:1.2.3.4", "dest_ip_mask": "ffff::"}, {"protocol": "tcp", "dest_port": 80},
    {"protocol": "17", "source_port": "0x35", "source_port_mask": 255}, {"protocol": 132, "sctp_src": 1, "sctp_dst": 2},
    dict(IPV4, ip_dscp=46, ip_ecn=1), dict(IPV6, tos_bits=184), {"protocol": "icmp", "icmpv4_type": 8, "icmpv4_code": 0},
    {"protocol": "icmpv6", "icmpv6_type": 128, "icmpv6_code": 0}, dict(ARP, arp_opcode=1, arp_spa="10.0.0.0/24"),
    dict(ARP, arp_tpa="10.0.0.1", arp_tpa_mask="255.0.0.255", arp_sha=MAC, arp_tha=MAC, arp_tha_mask=MAC),
    dict(IPV6, ipv6_flabel=5, ipv6_flabel_mask=15), {"protocol": 58, "ipv6_nd_target": "fe80::1", "icmpv6_type": 135},
    {"protocol": 58, "ipv6_nd_sll": MAC}, {"protocol": 58, "ipv6_nd_tll": MAC}, {"ether_type": 0x8847, "mpls_label": 16},
    {"ether_type": "0x8848", "mpls_tc": 7}, {"hard_timeout": 30},
]
CHANGES = [  # (match, actions before the output)
    ({}, [{"push_vlan": 25}, {"set_vlan_priority": 1}]), ({"vlan_id": 25}, [{"pop_vlan": True}]),
    ({}, [{"set_vlan_id": "26"}]), ({"vlan_id": "ANY"}, [{"set_vlan_priority": 7}, {"set_vlan_id": 4}]),
    ({}, [{"set_ethernet_src_address": MAC}, {"set_ethernet_dst_address": MAC}]),
    (IPV4, [{"set_ip_src_address": "10.0.0.1"}, {"set_ip_dst_address": "10.0.0.2"}, {"set_ip_tos": 184}]),
    (IPV6, [{"set_ip_src_address": "fe80::1"}, {"set_ip_dst_address": "::1"}, {"dec_ttl": True}]),
    (TCP, [{"set_l4_src_port": 1}, {"set_l4_dst_port": 65535}, {"dec_ttl": ""}]),
]
ENDS = {"local-ip": "192.0.2.1", "remote-ip": "192.0.2.2"}  # of tunnels, which the node must have one of
OWN = [  # SAPs that are ports of their own
    {"id": "gre", "type": "gre", "gre": dict(ENDS, **{"gre-key": "0x7", "ttl": "", "secure": False})},
    {"id": "old", "type": "gre-tunnel", "gre-tunnel": dict(ENDS, **{"gre-key": 8, "ttl": 9})},
    {"id": "vx", "type": "vxlan", "vxlan": dict(ENDS, vni=7, port="8472")},
    {"id": "in", "type": "internal", "internal": {"internal-group": "friends"}},
    {"id": "too", "name": "the same", "type": "internal", "internal": {"internal-group": "friends"}},
    {"id": "me", "type": "host-stack", "host-stack": {"configuration": "Static", "IPv4": "192.168.1.1/24", "mac": MAC}},
    {"id": "also", "type": "hoststack", "hoststack": {"configuration": "DHCP", "ipv4": "", "mac": ""}}]
VARIABLES = {"RULES": "drop tcp 80; accept", "EMPTY": "", "_X9": "a line\nand 'another' $(one)"}


def graphs(interface):
    """Return [graph], each in SF-FG and in NF-FG."""
    saps = [{"id": "lan", "type": "interface", "interface": {"if-name": interface}},
            {"id": "guest", "name": "guests", "type": "vlan", "vlan": {"vlan-id": "25", "if-name": interface}}]
    plain = [_rule("r%d" % index, 10 + index, dict(match, port_in=SAP + "lan"), {"output_to_port": SAP + "lan"})
             for index, match in enumerate(MATCHES)]
    changing = [_rule("c.%d" % index, "0x%x" % index, dict(match, port_in=SAP + "lan"),
                      actions + [{"output_to_port": SAP + "guest"}]) for index, (match, actions) in enumerate(CHANGES)]
    as_objects = [_rule("o-%d" % index, index, dict(match, port_in=SF + "fw:inside:0"), dict(
        [pair for action in actions for pair in action.items()], output_to_port=[SAP + "lan", SF + "fw:out"]))
        for index, (match, actions) in enumerate(CHANGES)]
    firewall = {"id": "fw", "name": "firewall", "variables": VARIABLES, "constraints": {"ipv6": True, "throughput": 10},
                "ports": [{"id": "inside:0", "name": "in", "mac": MAC, "trusted": True}, {"id": "out", "mac": ""}]}
    found = [_graph(saps, [], plain[start:start + 7]) for start in range(0, len(plain), 7)]
    found += [_graph([], [_within(), dict(_within(), id="too", template=dict(_within()["template"], sha256=""))], [])]
    found += [_graph(saps, [], changing), _graph(saps, [firewall], as_objects), _graph([], [], [])]
    found += [_graph(saps, [firewall, _within(), _named()], _chain()), _graph(saps, [], [
        _rule("d", 65535, {"port_in": SAP + "guest"}, {"drop": True}), _rule("e", 0, {"port_in": SAP + "lan"}, [{"drop": 1}])])]
    found += [_graph(saps + OWN, [_named()], _pairs([SAP + sap["id"] for sap in saps + OWN] + [SF + "br.1:0x1"])),
              _graph(OWN, [], []), _graph(OWN[3:4], [], _pairs([SAP + "in", SAP + "in"]))]
    return found + [_second(graph["sffg"]) for graph in found]


def _graph(saps, sfs, rules):
    return {"sffg": {"name": "a graph", "SFs": sfs, "saps": saps, "flowrules": rules}}


def _rule(name, priority, match, actions):
    return {"id": name, "priority": priority, "match": match, "actions": actions}


def _within():
    """A function whose template comes within the graph."""
    template = {"name": "own", "vnf-type": "native", "uri-image": "any.tgz", "uri-image-type": "local-file",
                "memory-size": 4, "CPUrequirements": {"platformType": "x86", "socket": [{"coreNumbers": 1}]},
                "ports": [{"position": "1-2", "label": "port", "min": 1, "name": "p", "technology": "veth"},
                          {"position": "3-N", "label": "more", "min": 0}],
                "dependencies": ["sh", "sh|ash", "file:/"], "sha256": "ab" * 32, "attributes": {"speed": 1.5}}
    return {"id": "own", "name": "anything", "template": template, "constraints": {"speed": 1},
            "ports": [{"id": "port:1"}, {"id": "more:0"}, {"id": "x"}]}


def _named():
    return {"id": "br.1", "name": "bridge", "template": "bridge", "ports": [{"id": "0x1"}, {"id": "0x2"}]}


def _chain():
    """lan -> fw -> own -> br.1 -> guest, and back."""
    way = [SAP + "lan", "sf:fw:inside:0", "sf:fw:out", "sf:own:port:1", "sf:own:x", "sf:br.1:0x1", "sf:br.1:0x2",
           SAP + "guest"]
    return _pairs(way)


def _pairs(way):
    """Return the rules that join the first port with the second, the third with the fourth, and so on."""
    rules = []
    for index in range(0, len(way), 2):
        for port, other in ((way[index], way[index + 1]), (way[index + 1], way[index])):
            rules.append(_rule("%d" % len(rules), 1 + len(rules), {"port_in": port}, {"output_to_port": other}))
    return rules


def _second(graph):
    """Return the NF-FG that means the same as an SF-FG."""
    vnfs = []
    for sf in graph["SFs"]:
        template = {"vnf_template": sf["template"]} if "template" in sf else {}
        vnfs.append(dict(template, **{
            "id": sf["id"], "name": sf["name"], "functional-capability": sf["name"], "groups": [],
            "gui-position": {"x": 1.5, "y": -2}, "ports": [dict(port, **{"gui-position": {}}) for port in sf["ports"]],
            "unify-control": [], "unify-env-variables": [
                {"variable": "%s=%s" % pair} for pair in sf.get("variables", {}).items()]}))
    rules = [dict(rule, description="", match=_renamed(rule["match"]), actions=[
        {key: _renamed(value)} for action in _listed(rule["actions"]) for key, value in action.items()])
        for rule in graph["flowrules"]]
    return {"forwarding-graph": {
        "id": "theirs", "name": graph["name"], "description": "\u00fc", "domain": "d", "node-config": "", "VNFs": vnfs,
        "end-points": [dict(sap, remote_endpoint_id="r", domain="d") for sap in graph["saps"]],
        "big-switch": {"flow-rules": rules}, "unify-monitoring": ""}}


def _listed(actions):
    """Return an object of actions as a list in the order in which they are applied."""
    if isinstance(actions, list):
        return actions
    last = [key for key in actions if key == "output_to_port"]
    return [{key: actions[key]} for key in [key for key in actions if key not in last] + last]


def _renamed(value):
    """Return the references of a match or an action in the words of NF-FG."""
    if isinstance(value, dict):
        return {key: _renamed(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_renamed(one) for one in value]
    if isinstance(value, str) and value.startswith((SAP, SF)):
        return value.replace(SAP, "endpoint:").replace(SF, "vnf:")
    return value
