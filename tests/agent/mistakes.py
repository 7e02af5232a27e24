"""Mistakes: all that a client can send that is wrong, in both dialects, and what the answer has to say of it.

The tables are for a node with the interfaces lan0, wan0 and old0, which is gone, and the graph THERE.  A row puts one
wrong thing into a graph that is good without it; test_bad_input.py sends it.
"""

SAP, OUT = "service-access-point:", {"output_to_port": "service-access-point:guest"}
MAC, IPV4, IPV6, TCP = "02:00:00:00:00:01", {"ether_type": "0x0800"}, {"ether_type": 0x86dd}, {"protocol": "tcp"}
GOOD = {"sffg": {
    "id": "g", "name": "good", "SFs": [{"id": "f", "name": "bridge", "ports": [{"id": "a"}, {"id": "b"}]}],
    "saps": [{"id": "lan", "type": "interface", "interface": {"if-name": "lan0"}},
             {"id": "guest", "type": "vlan", "vlan": {"vlan-id": 25, "if-name": "lan0"}}],
    "flowrules": [{"id": "1", "priority": 10, "match": {"port_in": SAP + "lan"}, "actions": {"output_to_port": "sf:f:a"}},
                  {"id": "2", "priority": 20, "match": {"port_in": "sf:f:b"}, "actions": [OUT]}]}}
SECOND = {"forwarding-graph": {
    "id": "any", "name": "good", "VNFs": GOOD["sffg"]["SFs"], "end-points": GOOD["sffg"]["saps"],
    "big-switch": {"flow-rules": [
        {"id": "1", "priority": 10, "match": {"port_in": "endpoint:lan"}, "actions": [{"output_to_port": "vnf:f:a"}]},
        {"id": "2", "priority": 20, "match": {"port_in": "vnf:f:b"}, "actions": [{"output_to_port": "endpoint:guest"}]}]}}}
THERE = {"sffg": {
    "id": "there", "SFs": [{"id": "br", "name": "bridge", "ports": [{"id": "1"}, {"id": "2"}]}],
    "saps": [{"id": "wan", "type": "interface", "interface": {"if-name": "wan0"}}], "flowrules": [
        {"id": "in", "priority": 100, "match": {"port_in": SAP + "wan"}, "actions": {"output_to_port": "sf:br:1"}}]}}
GONE = object()  # the value of a key that is not there
TEMPLATE = {"name": "own", "vnf-type": "native", "uri-image": "bridge.tgz", "ports": [{"position": "1-N", "min": 2}]}

# body, where, what would be right: nothing of a graph can be read
TEXTS = [
    ("", "", "should be JSON"), ("not json", "", "should be JSON"), ("{'sffg': {}}", "", "should be JSON"),
    ('{"sffg": {', "", "should be JSON"), ('{"sffg": {}} {}', "", "should be JSON"),
    (b"\xff\xfe\x00", "", "should be JSON"), (b'{"sffg": {"name": "\xe9"}}', "", "should be JSON"),
    ("[" * 5000 + "]" * 5000, "", "nested too deeply"),
    ('{"forwarding-graph": {"x": %s}}' % ("[" * 970 + "]" * 970), "", "nested too deeply"),
    ('{"sffg": {"SFs": %s}}' % ('{"a":' * 65 + "0" + "}" * 65), "", "64 levels are the most"),
    ('{"forwarding-graph": {"x": NaN}}', "", "no number"),
    ('{"forwarding-graph": {"x": [-Infinity]}}', "", "no number"),
    ('{"forwarding-graph": {"x": 1e999}}', "", "no number"),
    ('{"forwarding-graph": {"x": %s}}' % ("9" * 5000), "", "digits"),
    ("null", "", 'one key, "sffg" or "forwarding-graph"'), ("5", "", 'one key, "sffg"'),
    ("[]", "", 'one key, "sffg"'), ('"sffg"', "", 'one key, "sffg"'), ("{}", "", 'one key, "sffg"'),
    ('{"graph": {}}', "", 'one key, "sffg"'), ('{"sffg": {}, "forwarding-graph": {}}', "", 'one key, "sffg"'),
    ('{"sffg": {}, "id": "g"}', "", 'one key, "sffg"'), ('{"sffg": null}', "sffg", "should be an object"),
    ('{"sffg": []}', "sffg", "should be an object"),
    ('{"forwarding-graph": "x"}', "forwarding-graph", "should be an object"),
]

# place, value, what would be right[, where, if it is another place]
PLACES = [
    ("id", 5, "1 to 64 of A-Z"), ("id", "", "1 to 64"), ("id", "a b", "1 to 64"), ("id", "x" * 65, "1 to 64"),
    ("id", "h", "the URL names g"), ("id", True, "1 to 64"), ("id", ["g"], "1 to 64"), ("name", 5, "a string"),
    ("name", "x" * 257, "at most 256"), ("name", "a\0b", "without NUL"), ("name", "\ud800", "a string"),
    ("flowrule", [], "nearest known is flowrules"), ("Saps", [], "nearest known is saps"),
    ("VNFs", [], "nearest known is SFs"), ("something", 1, "known are SFs, flowrules"),
    ("SFs", {}, "should be a list"), ("SFs", "x", "should be a list"), ("SFs", [{}] * 1025, "1024 are the most"),
    ("SFs[0].ports", [{}] * 65, "64 are the most"), ("saps", [{}] * 4097, "4096 are the most"),
    ("flowrules", [{}] * 8193, "8192 are the most"),
    ("flowrules[0].actions", [{"dec_ttl": True}] * 65, "64 actions are the most"), ("SFs[0]", 5, "should be an object"),
    ("SFs[0]", None, "should be an object"), ("SFs[0].id", GONE, "is missing"), ("SFs[0].id", "a/b", "1 to 64"),
    ("SFs[0].id", 1, "1 to 64"), ("SFs[0].id", "f:a", "1 to 64"),
    ("SFs[0].name", GONE, "name of the function wanted"), ("SFs[0].name", {}, "a string"),
    ("SFs[0].nam", "x", "nearest known is name"), ("SFs[0].template", 5, "name of a template or a template"),
    ("SFs[0].constraints", ["ipv6"], "an object of attribute: value"), ("SFs[0].constraints", [], "an object of"),
    ("SFs[0].constraints", 0, "an object of"), ("SFs[0].constraints", "ipv6", "an object of attribute: value"),
    ("SFs[1]", {"id": "f", "name": "nat"}, "ids are unique", "SFs[1].id"),
    ("SFs[0].variables", [], 'an object of "NAME": "value"'),
    ("SFs[0].variables", {"A": 5}, "a string", "SFs[0].variables.A"),
    ("SFs[0].variables", {"A": "a\0b"}, "without NUL", "SFs[0].variables.A"),
    ("SFs[0].variables", {"A": "x" * 4097}, "4096", "SFs[0].variables.A"),
    ("SFs[0].variables", {"A-B": ""}, "letters, digits and _", "SFs[0].variables.A-B"),
    ("SFs[0].variables", {"": ""}, "letters", "SFs[0].variables."),
    ("SFs[0].variables", {"1A": ""}, "letters", "SFs[0].variables.1A"),
    ("SFs[0].variables", {"a=b": ""}, "letters", "SFs[0].variables.a=b"),
]
PLACES += [("SFs[0].variables", {name: "x"}, "SF_*, LD_*, PATH, HOME, IFS, ENV", "SFs[0].variables." + name)
     for name in ("PATH", "HOME", "IFS", "ENV", "SF_ID", "SF_", "LD_PRELOAD")]
PLACES += [
    ("SFs[0].ports", {}, "should be a list"), ("SFs[0].ports[0]", "a", "should be an object"),
    ("SFs[0].ports[0].id", GONE, "is missing"), ("SFs[0].ports[0].id", "a b", "1 to 64"),
    ("SFs[0].ports[0].id", 1, "1 to 64"), ("SFs[0].ports[1].id", "a", "ids are unique"),
    ("SFs[0].ports[0].mca", MAC, "nearest known is mac"),
    ("SFs[0].ports[0].mac", "02:00", "such as 02:00:00:00:00:01"), ("SFs[0].ports[0].mac", 5, "such as 02:00"),
    ("SFs[0].ports[0].mac", 0, "such as 02:00"), ("SFs[0].ports[0].mac", False, "such as"),
    ("SFs[0].ports[0].mac", [], "such as"), ("SFs[0].ports[0].mac", "01:00:00:00:00:01", "of one device"),
    ("SFs[0].ports[0].mac", "00:00:00:00:00:00", "of one device"),
    ("SFs[0].ports[0].trusted", "yes", "true or false"),
    ("SFs[0].ports[0].trusted", True, "a trusted port", "SFs[0].ports[0].mac"),
    ("SFs[0].ports[0].name", 5, "a string"), ("saps", 5, "should be a list"),
    ("saps[0]", "lan0", "should be an object"), ("saps[0].id", GONE, "is missing"),
    ("saps[0].id", "guest", "unique", "saps[1].id"), ("saps[0].id", "a:b", "1 to 64"),
    ("saps[0].type", GONE, "should be one of gre"), ("saps[0].type", "vlam", "nearest known is vlan"),
    ("saps[0].type", 5, "one of gre"), ("saps[0].interface", GONE, 'an object with "if-name"'),
    ("saps[0].interface", "lan0", 'an object with "if-name"'),
    ("saps[0].vlan", {}, "known are id, interface, name, type"),
    ("saps[0].interface.ifname", "lan0", "nearest known is if-name"),
    ("saps[0].interface.if-name", GONE, "is missing"), ("saps[0].interface.if-name", "", "1 to 15 letters"),
    ("saps[0].interface.if-name", "a" * 16, "1 to 15 letters"),
    ("saps[0].interface.if-name", "a/b", "1 to 15 letters"), ("saps[0].interface.if-name", "..", "1 to 15 letters"),
    ("saps[0].interface.if-name", "lan0\n", "1 to 15 letters"),
    ("saps[0].interface.if-name", ["lan0"], "1 to 15 letters"),
]
PLACES += [("saps[1].vlan.vlan-id", value, "from 1 to 4094") for value in (0, 4095, "x", True, 25.0, None, "", "-1", [25])]
PLACES += [
    ("saps[1].vlan.vlan-id", GONE, "is missing"), ("flowrules", "x", "should be a list"),
    ("flowrules[0]", 5, "should be an object"), ("flowrules[0].id", GONE, "is missing"),
    ("flowrules[0].id", "2", "unique", "flowrules[1].id"), ("flowrules[0].id", "a:b", "1 to 64"),
    ("flowrules[0].prio", 5, "actions, id, match, priority"), ("flowrules[0].priority", GONE, "is missing"),
]
PLACES += [("flowrules[0].priority", value, "from 0 to 65535") for value in (
    -1, 65536, 10 ** 400, "high", 1.5, True, "1e3", None, "", "\u0661", {})]
PLACES += [
    ("flowrules[0].match", GONE, 'an object with "port_in"'), ("flowrules[0].match", [], 'an object with "port_in"'),
    ("flowrules[0].match.port_in", GONE, SAP + "<id>"),
    ("flowrules[0].match.port_in", 5, SAP + "<id> or sf:<id>:<port>"),
    ("flowrules[0].match.port_in", "lan", SAP + "<id>"), ("flowrules[0].match.port_in", "endpoint:lan", SAP + "<id>"),
    ("flowrules[0].match.port_in", SAP + "wan", "no such SAP, there are guest, lan"),
    ("flowrules[0].match.port_in", "sf:g:a", "no such SF, there are f"),
    ("flowrules[0].match.port_in", "sf:f:c", "not a port of SF f, which has a and b"),
    ("flowrules[0].match.port_in", "sf:f", "which has a and b"),
]

# The same of the second dialect, where it differs.
SECOND_PLACES = [
    ("VNFs", {}, "should be a list"), ("VNFs[0].id", "a b", "1 to 64"),
    ("VNFs[0].name", GONE, "name of the function"), ("VNFs[0].functional-capability", 5, "a string"),
    ("VNFs[0].ports[0].id", GONE, "is missing"), ("VNFs[0].vnf_template", 5, "template"),
    ("VNFs[0].unify-env-variables", {}, "should be a list"),
    ("VNFs[0].unify-env-variables", [5], "should be an object", "VNFs[0].unify-env-variables[0]"),
    ("VNFs[0].unify-env-variables", [{"variable": "A"}], "NAME=value", "VNFs[0].unify-env-variables[0].variable"),
    ("VNFs[0].unify-env-variables", [{}], "NAME=value", "VNFs[0].unify-env-variables[0].variable"),
    ("VNFs[0].unify-env-variables", [{"variable": "PATH=/"}], "SF_*, LD_*", "VNFs[0].unify-env-variables[0].variable"),
    ("end-points", {}, "should be a list"), ("end-points[0].type", "loopback", "known are gre"),
    ("end-points[0].interface", GONE, "if-name"), ("end-points[1].vlan.vlan-id", "ANY", "from 1 to 4094"),
    ("big-switch", "x", "should be an object"), ("big-switch", [], "should be an object"),
    ("big-switch.flow-rules", {}, "should be a list"), ("big-switch.flow-rules[0].priority", "x", "from 0 to 65535"),
    ("big-switch.flow-rules[0].match.port_in", "sf:f:a", "endpoint:<id> or vnf:<id>:<port>"),
    ("big-switch.flow-rules[0].match.port_in", "vnf:f:c", "which has a and b"),
    ("big-switch.flow-rules[0].match.port_in", "endpoint:x", "guest, lan"),
    ("big-switch.flow-rules[0].match", "x", 'an object with "port_in"'),
    ("big-switch.flow-rules[1].id", "1", "unique"),
]

# What the first rule's match has more, the key that is wrong, what would be right; in both dialects.
MATCHES = [
    (dict(TCP, dest_prt=80), "dest_prt", "nearest known is dest_port"),
    ({"colour": 1}, "colour", "known are arp_opcode"), ({"dest_port": 80}, "dest_port", "needs protocol"),
    (dict(TCP, dest_port=65536), "dest_port", "from 0 to 65535"),
    (dict(TCP, dest_port="http"), "dest_port", "from 0"), (dict(TCP, dest_port=True), "dest_port", "from 0"),
    (dict(TCP, dest_port=80.0), "dest_port", "from 0 to 65535"),
    (dict(TCP, dest_port=80, dest_port_mask="x"), "dest_port_mask", "from 0"),
    ({"protocol": "icmp", "dest_port": 80}, "dest_port", "tcp or udp or sctp"),
    ({"protocol": "tpc"}, "protocol", "tcp, udp, udplite"), ({"protocol": 256}, "protocol", "from 0 to 255"),
    ({"protocol": None}, "protocol", "from 0 to 255"), ({"protocol": ["tcp"]}, "protocol", "from 0 to 255"),
    ({"ether_type": "ip"}, "ether_type", "from 1536 to 65535"), ({"ether_type": 5}, "ether_type", "from 1536"),
    ({"ether_type": 65536}, "ether_type", "from 1536"),
    (dict(TCP, ether_type="0x0806"), "protocol", "0x0800 or 0x86dd"),
    (dict(IPV6, source_ip="10.0.0.1"), "source_ip", "ether_type 0x0800"),
    ({"source_ip": "10.0.0.1", "dest_ip": "::1"}, "dest_ip", "ether_type 0x86dd"),
    ({"source_ip": "10.0.0"}, "source_ip", "such as 192.168.1.1"),
    ({"source_ip": "10.0.0.256"}, "source_ip", "such as 192.168.1.1"),
    ({"source_ip": 5}, "source_ip", "an IP address"), ({"source_ip": "10.0.0.0/33"}, "source_ip", "from 0 to 32"),
    ({"source_ip": "10.0.0.0/"}, "source_ip", "from 0 to 32"), ({"dest_ip": "::/129"}, "dest_ip", "from 0 to 128"),
    ({"dest_ip": "1::2::3"}, "dest_ip", "such as 2001:db8::1"),
    ({"dest_ip": "fe80::1%eth0"}, "dest_ip", "such as 2001:db8::1"),
    ({"dest_ip": "host.example"}, "dest_ip", "such as"),
    ({"source_ip_mask": "255.0.0.0"}, "source_ip_mask", "needs its source_ip"),
    ({"source_ip": "10.0.0.0", "source_ip_mask": "ff::"}, "source_ip_mask", "an IPv4 address"),
    ({"source_mac": "02:00:00:00:00"}, "source_mac", "such as 02:00"), ({"dest_mac": 5}, "dest_mac", "such as 02:00"),
    ({"dest_mac": MAC, "dest_mac_mask": "x"}, "dest_mac_mask", "such as"),
    ({"vlan_id": 4096}, "vlan_id", "from 0 to 4095"), ({"vlan_id": "SOME"}, "vlan_id", '"ANY", "NO_VLAN"'),
    ({"vlan_id": True}, "vlan_id", '"ANY"'), ({"vlan_id": None}, "vlan_id", '"ANY"'),
    ({"vlan_id": "NO_VLAN", "vlan_pcp": 1}, "vlan_id", "leave vlan_pcp out"),
    ({"vlan_pcp": 8}, "vlan_pcp", "from 0 to 7"), ({"vlan_pcp": 1, "vlan_priority": 2}, "vlan_priority", "otherwise"),
    ({"ip_dscp": 64}, "ip_dscp", "from 0 to 63"), ({"ip_ecn": 4}, "ip_ecn", "from 0 to 3"),
    ({"tos_bits": 3}, "tos_bits", "multiple of 4"), ({"tos_bits": 8, "ip_dscp": 2}, "tos_bits", "one of them"),
    (dict(TCP, icmpv4_type=8), "icmpv4_type", "protocol icmp"),
    ({"icmpv4_type": 256}, "icmpv4_type", "from 0 to 255"),
    (dict(IPV6, icmpv4_type=8), "icmpv4_type", "ether_type 0x0800"),
    ({"protocol": "icmp", "icmpv6_type": 1}, "icmpv6_type", "protocol icmpv6"),
    ({"ipv6_nd_target": "::1"}, "ipv6_nd_target", "icmpv6_type 135 or 136"),
    ({"ipv6_nd_sll": MAC, "icmpv6_type": 128}, "ipv6_nd_sll", "icmpv6_type 135"),
    ({"ipv6_nd_tll": MAC, "icmpv6_code": 1}, "icmpv6_code", "should be 0"),
    (dict(IPV4, arp_spa="10.0.0.1"), "arp_spa", "ether_type 0x0806"),
    ({"arp_spa": "::1"}, "arp_spa", "an IPv4 address"), ({"arp_opcode": -1}, "arp_opcode", "from 0"),
    ({"arp_sha": "x"}, "arp_sha", "such as"), ({"mpls_label": 1 << 20}, "mpls_label", "from 0 to 1048575"),
    ({"mpls_tc": 8}, "mpls_tc", "from 0 to 7"), (dict(IPV4, mpls_label=1), "mpls_label", "0x8847 or 0x8848"),
    (dict(IPV6, ipv6_flabel=1 << 20), "ipv6_flabel", "from 0"),
    ({"hard_timeout": -1}, "hard_timeout", "from 0 to 65535"), (dict(TCP, sctp_src=1), "sctp_src", "protocol sctp"),
    ({"protocol": "icmpv6", "source_ip": "10.0.0.1"}, "protocol", "ether_type 0x86dd"),
    ({"port_in": SAP + "guest", "vlan_id": 7}, "vlan_id", "leave it out"),
    ({"port_in": SAP + "guest", "vlan_id": "ANY"}, "vlan_id", "leave it out"),
    ({"port_in": SAP + "guest", "vlan_pcp": 1}, "vlan_pcp", "leave it out"),
]

# What the first rule's match has more, its actions, the place in them, what would be right[, status]; in both dialects.
ACTIONS = [
    ({}, {}, "", "give output_to_port, or drop"), ({}, [], "", "give output_to_port, or drop"),
    ({}, "drop", "", "an object or a list"), ({}, GONE, "", "an object or a list"),
    ({}, [{}], "[0]", "an object with one action"), ({}, [OUT, 5], "[1]", "an object with one action"),
    ({}, [dict(OUT, drop=True)], "[0]", "an object with one action"),
    ({}, {"output_to_prt": "x"}, ".output_to_prt", "nearest known is output_to_port"),
    ({}, [{"fly": 1}], "[0].fly", "known are dec_ttl"),
    ({}, {"output_to_port": "wan"}, ".output_to_port", SAP + "<id>"),
    ({}, [{"output_to_port": 5}], "[0].output_to_port", "<id> or "),
    ({}, {"output_to_port": []}, ".output_to_port", SAP + "<id>"),
    ({}, {"output_to_port": [SAP + "lan", "sf:f:z"]}, ".output_to_port", "which has a and b"),
    ({}, [{"drop": True}, OUT], "[0].drop", "only action"), ({}, [{"drop": False}], "[0].drop", "should be true"),
    ({}, [{"dec_ttl": True}, OUT], "[0].dec_ttl", "needs ether_type 0x0800 or 0x86dd"),
    ({"ether_type": "0x0806"}, [{"dec_ttl": True}, OUT], "[0].dec_ttl", "needs ether_type"),
    ({}, [{"pop_vlan": True}, OUT], "[0].pop_vlan", "needs vlan_id"),
    ({"vlan_id": "NO_VLAN"}, [{"pop_vlan": True}, OUT], "[0].pop_vlan", "needs vlan_id"),
    ({"vlan_id": 1}, [{"pop_vlan": "no"}, OUT], "[0].pop_vlan", "should be true"),
    ({}, [{"set_ip_src_address": "10.0.0.1"}, OUT], "[0].set_ip_src_address", "needs ether_type 0x0800"),
    (IPV4, [{"set_ip_dst_address": "::1"}, OUT], "[0].set_ip_dst_address", "needs ether_type 0x86dd"),
    (IPV4, [{"set_ip_dst_address": "10.0.0.0/8"}, OUT], "[0].set_ip_dst_address", "without /n"),
    (IPV4, [{"set_ip_dst_address": 5}, OUT], "[0].set_ip_dst_address", "an IP address"),
    (IPV4, [{"set_ip_tos": 3}, OUT], "[0].set_ip_tos", "multiple of 4"),
    (IPV4, [{"set_ip_tos": 256}, OUT], "[0].set_ip_tos", "from 0 to 255"),
    ({}, [{"set_ip_tos": 4}, OUT], "[0].set_ip_tos", "needs ether_type"),
    (IPV4, [{"set_l4_dst_port": 80}, OUT], "[0].set_l4_dst_port", "needs protocol tcp, udp or sctp"),
    (TCP, [{"set_l4_src_port": 65536}, OUT], "[0].set_l4_src_port", "from 0 to 65535"),
    ({}, [{"set_vlan_priority": 1}, OUT], "[0].set_vlan_priority", "needs vlan_id"),
    ({"vlan_id": 5}, [{"set_vlan_priority": 8}, OUT], "[0].set_vlan_priority", "from 0 to 7"),
    ({}, [{"push_vlan": 4095}, OUT], "[0].push_vlan", "from 0 to 4094"),
    ({}, [{"set_vlan_id": True}, OUT], "[0].set_vlan_id", "from 0 to 4094"),
    ({}, [{"set_ethernet_src_address": "x"}, OUT], "[0].set_ethernet_src_address", "such as 02:00"),
    ({}, {"set_vlan_id": 5}, "", "end with output_to_port"),
    ({}, [OUT, {"push_vlan": 5}], "", "end with output_to_port"),
    ({}, [{"output_to_controller": True}], "[0].output_to_controller", "send to a port"),
    ({}, [{"output_to_queue": 1}, OUT], "[0].output_to_queue", "no queue", 409),
]

# {place: value}, where, what would be right; all 409
NODE = [
    ({"saps[0].interface.if-name": "lan9"}, "saps[0]", "not given to LSI-0 by the configuration, which has lan0, wan0, old0"),
    ({"saps[0].interface.if-name": "old0"}, "saps[0]", "is not there"),
    ({"flowrules[1].match": {"port_in": SAP + "lan"}, "flowrules[1].priority": "0xa"}, "flowrules[1].match",
     "rule 1 and rule 2 match the same packets"),
    ({"flowrules[0].match.protocol": 6, "flowrules[1].match": dict(TCP, port_in=SAP + "lan"), "flowrules[1].priority": 10},
     "flowrules[1].match", "rule 1 and rule 2 match the same"),
    ({"saps[0].interface.if-name": "wan0", "flowrules[0].priority": 100}, "flowrules[0].match",
     "rule in of graph there match the same packets of wan0 at priority 100"),
    ({"saps[0].interface.if-name": "wan0", "flowrules[0].priority": 100, "flowrules[0].match.protocol": "tcp"},
     "flowrules[0].match", "rule in of graph there"),
    ({"SFs[0].name": "bridgf"}, "SFs[0]", "there are bridge, dhcp, firewall, nat, router"),
    ({"SFs[0].template": "bridgf"}, "SFs[0]", "no template has it"),
    ({"SFs[0].name": "firewall", "SFs[0].ports[2]": {"id": "c"}}, "SFs[0]", "has 2 ports, wanted are 3"),
    ({"SFs[0].constraints": {"ipv9": True}}, "SFs[0]", "ipv9 is None, wanted is True"),
    ({"SFs[0].template": dict(TEMPLATE, **{"vnf-type": "docker"})}, "SFs[0]", "this node offers native"),
    ({"SFs[0].template": dict(TEMPLATE, dependencies=["warp-drive"])}, "SFs[0]", "warp-drive is missing"),
    ({"monitoring": "measurements {}"}, "monitoring", "leave it out"),
    ({"SFs[0].ports[0].ip": "10.0.0.1/24"}, "SFs[0].ports[0].ip", "as a variable of the function"),
]
SECOND_NODE = [
    ({"node-config": {"a": 1}}, "node-config", "leave it out"),
    ({"unify-monitoring": "x"}, "unify-monitoring", "leave it out"),
    ({"VNFs[0].ports[0].unify-ip": "1.2.3.4"}, "VNFs[0].ports[0].unify-ip", "as a variable"),
    ({"VNFs[0].unify-control": [{"host-tcp-port": 1, "vnf-tcp-port": 2}]}, "VNFs[0].unify-control", "leave it out"),
    ({"VNFs[0].functional-capability": "warp"}, "VNFs[0]", "there are bridge"),
    ({"end-points[0].interface.if-name": "eth7"}, "end-points[0]", "not given to LSI-0"),
]

# What a template within a graph has otherwise, what would be right; all 400
TEMPLATES = [
    ({"name": GONE}, "name: should be a string"), ({"vnf-type": 5}, "vnf-type: should be a string"),
    ({"uri-image": GONE}, "uri-image: should be"), ({"uri-image": "/etc/passwd"}, "without /"),
    ({"uri-image": "../x.tgz"}, "without /"), ({"uri-image": "a\0b"}, "of one line"),
    ({"uri-image": ".."}, "no such file"), ({"uri-image": "gone.tgz"}, "no such file"),
    ({"sha256": "x"}, "64 hexadecimal digits"), ({"ports": {}}, "should be a list"),
    ({"ports": [5]}, '"1-2" or "3-N"'), ({"ports": [{"position": "0-1"}]}, '"1-2" or "3-N"'),
    ({"ports": [{"position": "1-\u00b2"}]}, '"1-2" or "3-N"'), ({"ports": [{"position": "2-1"}]}, '"1-2"'),
    ({"ports": [{"min": -1}]}, "from 0 to 999"), ({"ports": [{"min": True}]}, "from 0 to 999"),
    ({"ports": [{}] * 65}, "64 at most"), ({"dependencies": "ip"}, "should be a list"),
    ({"dependencies": [1]}, "such as"), ({"dependencies": ["a\0b"]}, "such as"), ({"attributes": []}, "an object"),
    ({"memory-size": "big"}, "a number of MiB"),
]

# method, path, body, headers, status, where, what would be right
REQUESTS = [
    ("GET", "/nope", None, {}, 404, "", "/openapi.json"), ("GET", "/", None, {}, 404, "", "/openapi.json"),
    ("GET", "/graphs/", None, {}, 404, "", "/openapi.json"),
    ("GET", "/graphs/%ff", None, {}, 404, "", "/openapi.json"),
    ("GET", "/graphs/nope", None, {}, 404, "", "there are there"),
    ("DELETE", "/graphs/nope", None, {}, 404, "", "there are there"),
    ("GET", "/graphs/nope/status", None, {}, 404, "", "no graph nope"),
    ("GET", "/NF-FG/status/nope", None, {}, 404, "", "no graph nope"),
    ("DELETE", "/NF-FG/nope", None, {}, 404, "", "there are there"),
    ("GET", "/graphs/nope/trace?port_in=sap:wan", None, {}, 404, "", "there are there"),
    ("DELETE", "/graphs", None, {}, 405, "", "which takes GET,POST"),
    ("PATCH", "/graphs/there", GOOD, {}, 405, "", "which takes DELETE,GET,PUT"),
    ("POST", "/graphs/there", GOOD, {}, 405, "", "which takes DELETE,GET,PUT"),
    ("BREW", "/health", None, {}, 405, "", "which takes GET"), ("PUT", "/node", {}, {}, 405, "", "which takes GET"),
    ("POST", "/graphs/there/functions/br/fly", None, {}, 404, "", "start, stop, pause, resume, restart"),
    ("POST", "/graphs/there/functions/nope/stop", None, {}, 404, "", "no function nope"),
    ("POST", "/graphs/nope/functions/br/stop", None, {}, 404, "", "there are there"),
    ("GET", "/graphs/there/functions/br/stop", None, {}, 405, "", "which takes POST"),
    ("PUT", "/graphs/a%20b", GOOD, {}, 400, "id", "1 to 64"),
    ("PUT", "/graphs/" + "x" * 65, GOOD, {}, 400, "id", "1 to 64"),
    ("PUT", "/NF-FG/a%20b", SECOND, {}, 400, "id", "1 to 64"),
    ("PUT", "/graphs/h", GOOD, {}, 400, "id", "is g, but the URL names h"),
    ("PUT", "/NF-FG/h", GOOD, {}, 400, "id", "is g, but the URL names h"),
    ("POST", "/graphs", {"sffg": dict(GOOD["sffg"], id="there")}, {}, 409, "id", "graph there exists: PUT changes it"),
    ("POST", "/NF-FG/", THERE, {}, 409, "id", "PUT changes it"), ("POST", "/graphs?dry-run=1", THERE, {}, 409, "id", "exists"),
    ("POST", "/NF-FG?dry-run=1", SECOND, {}, 400, "query", "is for POST /graphs and PUT /graphs/<id>"),
    ("PUT", "/NF-FG/h?dry-run=1", SECOND, {}, 400, "query", "is for POST /graphs"),
    ("DELETE", "/graphs/there?dry-run=1", None, {}, 400, "query", "is for POST /graphs"),
    ("DELETE", "/graphs/there?force=1", None, {}, 400, "query", "dry-run is known"),
    ("POST", "/graphs/there/functions/br/stop?dry-run=1", None, {}, 400, "query", "is for POST /graphs"),
    ("POST", "/graphs?dryrun=1", GOOD, {}, 400, "query", "dry-run is known"),
    ("PUT", "/graphs/g?dry-run=1&x", GOOD, {}, 400, "query", "dry-run is known"),
    ("POST", "/graphs", " " * (1 << 20) + "{}", {}, 413, "body", "1048576 bytes"),
    ("GET", "/health", None, {"X-Long": "x" * 17000}, 431, "header", "16384 bytes"),
    ("GET", "/graphs/there/trace", None, {}, 400, "port_in", "is missing"),
    ("GET", "/graphs/there/trace?port_in=sap:wam", None, {}, 400, "port_in", "nearest known is sap:wan"),
    ("GET", "/graphs/there/trace?port_in=sap:wan&dest_port=80", None, {}, 400, "query.dest_port", "needs protocol"),
    ("GET", "/graphs/there/trace?port_in=sap:wan&colour=1", None, {}, 400, "query.colour", "known are arp_opcode"),
    ("POST", "/graphs", "x" * 10, {"Content-Length": "-5"}, 400, "header", "HTTP/1.1"),
    ("POST", "/graphs", "{}", {"Transfer-Encoding": "gzip"}, 501, "header", "HTTP/1.1"),
]
