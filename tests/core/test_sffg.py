"""Service graphs: both dialects, what is kept, and what is refused, with the place."""
from composer.core import saps, sffg
from composer.core.errors import BadGraph, Conflict
from expect import raises

FIGURE_4 = {"sffg": {
    "id": "0x1", "name": "example graph",
    "SFs": [{"id": "0x1", "name": "firewall", "ports": [{"id": "0xa", "name": "internal port"}]}],
    "saps": [{"id": "0x1", "type": "interface", "interface": {"if-name": "eth1"}}],
    "flowrules": [{"id": "0x1", "priority": 1, "match": {"port_in": "service-access-point:0x1"},
                   "actions": {"output_to_port": "sf:0x1:0xa"}}]}}
FIGURE_5 = ({"id": "0x2", "type": "vlan", "vlan": {"vlan-id": "25", "if-name": "eth1"}},
            {"id": "0x3", "type": "gre", "gre": {"local-ip": "10.0.0.1", "remote-ip": "10.0.0.2", "gre-key": "0x1"}})

FROG = {"forwarding-graph": {
    "id": "00000001", "name": "Forwarding graph", "description": "a NAT", "domain": {"type": "UN"}, "unify-monitoring": "",
    "VNFs": [{
        "id": "00000001", "name": "nat", "functional-capability": "nat", "vnf_template": "nat.json", "groups": ["isp"],
        "domain": "un", "gui-position": {"x": 1, "y": 2}, "unify-control": [],
        "unify-env-variables": [{"variable": "MODE=a=b"}],
        "ports": [{"id": "inout:0", "name": "lan", "mac": "02:00:00:00:00:01", "trusted": "true", "gui-position": {}},
                  {"id": "inout:1", "name": "wan", "unify-ip": ""}]}],
    "end-points": [
        {"id": "00000001", "name": "ingress", "type": "interface", "node-id": "10.0.0.1",
         "interface": {"if-name": "eth0", "node-id": "10.0.0.1", "switch-id": "1"}},
        {"id": "00000002", "type": "vlan", "remote_endpoint_id": "7:1", "prepare_connection_to_remote_endpoint_ids": [],
         "vlan": {"vlan-id": "0x19", "if-name": "eth1"}}],
    "big-switch": {"flow-rules": [
        {"id": "000000001", "priority": "40001", "description": "out", "match": {"port_in": "endpoint:00000001"},
         "actions": [{"output_to_port": "vnf:00000001:inout:0"}]},
        {"id": "2", "priority": "0x10", "match": {"port_in": "vnf:00000001:inout:1", "protocol": "tcp", "dest_port": "80"},
         "actions": [{"set_vlan_id": "5"}, {"output_to_port": "endpoint:00000002"}]}]}}}

OLD = "the value before"


def changed(body, **places):
    """Return a copy of a body in which some places are something else, or, if that is OLD, not there.

    A place is a path: SFs__0__name for graph["SFs"][0]["name"].
    """
    body = copied(body)
    for place in places:
        inner, words = list(body.values())[0], [int(word) if word.isdigit() else word for word in place.split("__")]
        for word in words[:-1]:
            inner = inner[word]
        if places[place] is OLD:
            del inner[words[-1]]
        elif isinstance(inner, list) and words[-1] == len(inner):
            inner.append(places[place])
        else:
            inner[words[-1]] = places[place]
    return body


def copied(value):
    if isinstance(value, dict):
        return dict([(key, copied(value[key])) for key in value])
    return [copied(one) for one in value] if isinstance(value, list) else value


def rule(name, port_in, output, priority=1, **match):
    return {"id": name, "priority": priority, "match": dict(match, port_in=port_in), "actions": {"output_to_port": output}}


def graph(*rules, **saps):
    """Return a graph whose SAPs are name="eth0" or name=("eth0", 25)."""
    ends = []
    for name in sorted(saps):
        where = saps[name]
        ends.append({"id": name, "type": "interface", "interface": {"if-name": where}} if isinstance(where, str) else
                    {"id": name, "type": "vlan", "vlan": {"if-name": where[0], "vlan-id": where[1]}})
    return {"sffg": {"id": "g", "SFs": [{"id": "f", "name": "wire", "ports": [{"id": "1"}]}], "saps": ends,
                     "flowrules": list(rules)}}


A, B, F = "service-access-point:a", "service-access-point:b", "sf:f:1"


def test_the_papers_figure_4_is_a_graph():
    found = sffg.parse(FIGURE_4)
    assert (found.id, found.name) == ("0x1", "example graph")
    assert [(sf.id, sf.name, [(port.id, port.name, port.mac, port.trusted) for port in sf.ports]) for sf in found.sfs] == [
        ("0x1", "firewall", [("0xa", "internal port", None, False)])]
    assert [(sap.id, sap.interface, sap.vlan) for sap in found.saps] == [("0x1", "eth1", None)]
    assert [tuple(one)[:6] for one in found.rules] == [("0x1", 1, "sap:0x1", [{}], [("output", "sf:0x1:0xa")], 0)]


def test_the_papers_figure_5a_is_a_vlan_sap():
    found = sffg.parse(changed(FIGURE_4, saps__1=FIGURE_5[0]))
    assert [(sap.id, sap.interface, sap.vlan) for sap in found.saps] == [("0x1", "eth1", None), ("0x2", "eth1", 25)]
    assert [saps.attachment(sap) for sap in found.saps] == [("eth1", -1), ("eth1", 25)]


def test_the_papers_figure_5b_is_a_gre_sap():
    body = changed(FIGURE_4, saps__1=FIGURE_5[1], flowrules__1=rule("2", "service-access-point:0x3", "sf:0x1:0xa"))
    found = sffg.parse(body)
    assert found.saps[1].kind == "gre"
    assert found.saps[1].options == {"local": "10.0.0.1", "remote": "10.0.0.2", "key": 1, "ttl": 64}
    assert found.rules[1].port_in == "far:0x3"  # on the graph-LSI


def test_a_graph_as_frog_sends_it():
    found = sffg.parse(FROG, "7")
    assert (found.id, found.name) == ("7", "Forwarding graph")
    sf = found.sfs[0]
    assert (sf.id, sf.name, sf.template, sf.variables) == ("00000001", "nat", "nat.json", {"MODE": "a=b"})
    assert [tuple(port) for port in sf.ports] == [("inout:0", "lan", 0x020000000001, True, ""), ("inout:1", "wan", None, False, "")]
    assert [(sap.id, sap.interface, sap.vlan) for sap in found.saps] == [("00000001", "eth0", None),
                                                            ("00000002", "eth1", 25)]
    first, second = found.rules
    assert tuple(first)[:6] == ("000000001", 40001, "sap:00000001", [{}], [("output", "sf:00000001:inout:0")], 0)
    assert (second.priority, second.port_in) == (16, "sf:00000001:inout:1")
    assert len(second.matches) == 4  # IPv4 and IPv6, tagged and untagged
    assert second.actions == [("set_vlan_id", 5), ("output", "sap:00000002")]


def test_what_a_gui_left_empty_is_as_if_it_were_not_there():
    empty = changed(FROG, **dict([("VNFs__0__" + place, "") for place in (
        "vnf_template", "functional-capability", "domain", "ports__0__mac", "ports__0__trusted", "ports__0__name")]))
    sf = sffg.parse(empty, "7").sfs[0]
    assert (sf.name, sf.template, sf.ports[0].mac, sf.ports[0].trusted) == ("nat", None, None, False)
    for place in ("name", "vnf_template"):
        sf = sffg.parse(changed(FROG, **{"VNFs__0__" + place: ""}), "7").sfs[0]
        assert sf.name == "nat", "the capability says it"
    refusal = raises(BadGraph, sffg.parse, changed(FROG, **{"big-switch__flow-rules__0__match__source_ip": ""}))
    assert refusal.where == "big-switch.flow-rules[0].match.source_ip", "who matches nothing does not match all"


def test_a_rule_of_an_nf_fg_may_have_no_priority():
    place = "big-switch__flow-rules__0__priority"
    assert sffg.parse(changed(FROG, **{place: OLD}), "7").rules[0].priority == 0, "the lowest, as its authors read it"
    assert raises(BadGraph, sffg.parse, changed(FROG, **{place: ""})).where == "big-switch.flow-rules[0].priority"


def test_both_dialects_mean_the_same():
    ours = sffg.parse(graph(rule("1", A, F, dest_ip="10.0.0.0/8"), rule("2", F, B), a="eth0", b=("eth0", "25")))
    theirs = sffg.parse({"forwarding-graph": {
        "VNFs": [{"id": "f", "functional-capability": "wire", "ports": [{"id": "1"}]}],
        "end-points": [{"id": "a", "type": "interface", "interface": {"if-name": "eth0"}},
                       {"id": "b", "type": "vlan", "vlan": {"if-name": "eth0", "vlan-id": 25}}],
        "big-switch": {"flow-rules": [rule("1", "endpoint:a", "vnf:f:1", dest_ip="10.0.0.0/8"),
                                      rule("2", "vnf:f:1", "endpoint:b")]}}}, "g")
    assert [one[:6] for one in ours.rules] == [one[:6] for one in theirs.rules]
    assert [one[:6] for one in ours.sfs] == [one[:6] for one in theirs.sfs]
    assert [one[:3] for one in ours.saps] == [one[:3] for one in theirs.saps]


def test_the_body_is_kept_as_it_came():
    for body in (FIGURE_4, FROG):
        kept = copied(body)
        assert sffg.parse(body, "0x1").body == kept


def test_a_graph_may_be_nearly_empty():
    for body in ({"sffg": {}}, {"forwarding-graph": {}}, {"sffg": {"SFs": [], "saps": [], "flowrules": []}},
                 {"sffg": {"saps": None}},
                 {"forwarding-graph": {"big-switch": {}}}):
        found = sffg.parse(body, "g")
        assert (found.id, found.sfs, found.saps, found.rules) == ("g", [], [], [])


def test_the_id_is_that_of_the_url():
    assert sffg.parse(FIGURE_4, "0x1").id == "0x1"
    assert sffg.parse(changed(FIGURE_4, id=OLD), "g").id == "g"
    assert sffg.parse(changed(FIGURE_4, id=OLD)).id is None
    refusal = raises(BadGraph, sffg.parse, FIGURE_4, "0x2")
    assert (refusal.where, refusal.message) == ("id", "is 0x1, but the URL names 0x2")
    assert sffg.parse(changed(FROG, id="any thing")).id is None  # that of an NF-FG has no meaning for us
    assert raises(BadGraph, sffg.parse, changed(FIGURE_4, id="a/b")).where == "id"


def test_what_an_nf_fg_has_beside_is_kept_and_of_an_sf_fg_refused_with_the_nearest_key():
    for place in ("colour", "VNFs__0__colour", "VNFs__0__ports__0__colour", "end-points__0__colour",
                  "end-points__0__interface__colour",
                  "end-points__1__vlan__colour", "big-switch__colour", "big-switch__flow-rules__0__colour"):
        assert sffg.parse(changed(FROG, **{place: "red"}), "g").id == "g", place
    for place, where, near in (
            ("flowrule", "flowrule", "flowrules"), ("SFs__0__port", "SFs[0].port", "ports"),
            ("SFs__0__ports__0__truste", "SFs[0].ports[0].truste", "trusted"),
            ("saps__0__nam", "saps[0].nam", "name"), ("saps__0__interface__if_name", "saps[0].interface.if_name", "if-name"),
            ("flowrules__0__priorty", "flowrules[0].priorty", "priority"),
            ("flowrules__0__match__port_on", "flowrules[0].match.port_on", "port_in"),
            ("flowrules__0__actions__output_to_prt", "flowrules[0].actions.output_to_prt", "output_to_port")):
        refusal = raises(BadGraph, sffg.parse, changed(FIGURE_4, **{place: "red"}))
        assert refusal.where == where and "nearest known is " + near in refusal.message, str(refusal)


def test_match_and_actions_are_strict_in_an_nf_fg_too():
    for place, where in (("match__colour", "match.colour"), ("actions__0", "actions[0].colour")):
        refusal = raises(BadGraph, sffg.parse, changed(FROG, **{"big-switch__flow-rules__0__" + place: {"colour": 1}}))
        assert refusal.where == "big-switch.flow-rules[0]." + where, str(refusal)


# change of figure 4, the place that is at fault, words of the message
REFUSED = (
    ({"name": 5}, "name", "a string"), ({"SFs": {}}, "SFs", "should be a list"),
    ({"saps": "eth0"}, "saps", "should be a list"),
    ({"flowrules": [1]}, "flowrules[0]", "should be an object"), ({"SFs__0": None}, "SFs[0]", "should be an object"),
    ({"SFs__0__id": OLD}, "SFs[0].id", "is missing"), ({"SFs__0__id": "a b"}, "SFs[0].id", "1 to 64"),
    ({"SFs__0__id": 1}, "SFs[0].id", "1: should be a string"),
    ({"SFs__0__name": OLD}, "SFs[0].name", "the name of the function wanted"),
    ({"SFs__0__name": 1}, "SFs[0].name", "a string"),
    ({"SFs__1": {"id": "0x1", "name": "nat"}}, "SFs[1].id", "taken by another SF"),
    ({"SFs__0__ports": 1}, "SFs[0].ports", "a list"),
    ({"SFs__0__ports__1": {"id": "0xa"}}, "SFs[0].ports[1].id", "taken by another port"),
    ({"SFs__0__ports__0__id": "a/b"}, "SFs[0].ports[0].id", "1 to 64"),
    ({"SFs__0__ports__0__name": 1}, "SFs[0].ports[0].name", "string"),
    ({"SFs__0__ports__0__mac": "02:00"}, "SFs[0].ports[0].mac", "MAC address"),
    ({"SFs__0__ports__0__mac": "01:00:00:00:00:01"}, "SFs[0].ports[0].mac", "one device"),
    ({"SFs__0__ports__0__mac": "00:00:00:00:00:00"}, "SFs[0].ports[0].mac", "one device"),
    ({"SFs__0__ports__0__trusted": True}, "SFs[0].ports[0].mac", "trusted port"),
    ({"SFs__0__ports__0__trusted": "yes"}, "SFs[0].ports[0].trusted", "true or false"),
    ({"SFs__0__constraints": []}, "SFs[0].constraints", "object of attribute"),
    ({"SFs__0__template": 5}, "SFs[0].template", "name of a template"),
    ({"SFs__0__constraints": [1]}, "SFs[0].constraints", "object of attribute"),
    ({"SFs__0__variables": []}, "SFs[0].variables", "object of"),
    ({"SFs__0__variables": {"A": 1}}, "SFs[0].variables.A", "string"),
    ({"saps__0__type": "interfaces"}, "saps[0].type", "nearest known is interface"),
    ({"saps__0__type": OLD}, "saps[0].type", "one of"), ({"saps__0__type": 1}, "saps[0].type", "one of"),
    ({"saps__0__interface": OLD}, "saps[0].interface", 'object with "if-name"'),
    ({"saps__0__interface": "eth1"}, "saps[0].interface", "object"),
    ({"saps__0__interface": {}}, "saps[0].interface.if-name", "is missing"),
    ({"saps__0__interface__if-name": "a" * 16}, "saps[0].interface.if-name", "1 to 15"),
    ({"saps__1": {"id": "0x1", "type": "interface", "interface": {"if-name": "eth2"}}}, "saps[1].id",
     "taken by another SAP"),
    ({"saps__1": {"id": "2", "type": "vlan", "vlan": {"if-name": "eth1"}}}, "saps[1].vlan.vlan-id", "is missing"),
    ({"saps__1": {"id": "2", "type": "vlan", "vlan": {"if-name": "eth1", "vlan-id": 4095}}}, "saps[1].vlan.vlan-id",
     "1 to 4094"),
    ({"saps__1": {"id": "2", "type": "vlan", "vlan": {"if-name": "eth1", "vlan-id": 0}}}, "saps[1].vlan.vlan-id",
     "1 to 4094"),
    ({"flowrules__0__id": OLD}, "flowrules[0].id", "is missing"),
    ({"flowrules__1": rule("0x1", "sf:0x1:0xa", "sf:0x1:0xa")}, "flowrules[1].id", "another rule"),
    ({"flowrules__0__priority": 65536}, "flowrules[0].priority", "0 to 65535"),
    ({"flowrules__0__priority": OLD}, "flowrules[0].priority", "is missing"),
    ({"flowrules__0__match": OLD}, "flowrules[0].match", 'object with "port_in"'),
    ({"flowrules__0__match": {}}, "flowrules[0].match.port_in", "is missing: service-access-point:<id>"),
    ({"flowrules__0__match__port_in": "eth0"}, "flowrules[0].match.port_in", "service-access-point:<id> or sf:<id>:<port>"),
    ({"flowrules__0__match__port_in": 5}, "flowrules[0].match.port_in", "should be"),
    ({"flowrules__0__match__port_in": "vnf:0x1:0xa"}, "flowrules[0].match.port_in", "should be"),
    ({"flowrules__0__match__port_in": "service-access-point:x"}, "flowrules[0].match.port_in", "no such SAP, there are 0x1"),
    ({"flowrules__0__match__port_in": "sf:nat:1"}, "flowrules[0].match.port_in", "no such SF, there are 0x1"),
    ({"flowrules__0__match__port_in": "sf:0x1:0xc"}, "flowrules[0].match.port_in",
     "sf:0x1:0xc is not a port of SF 0x1, which has 0xa"),
    ({"flowrules__0__match__port_in": "sf:0x1"}, "flowrules[0].match.port_in", "which has 0xa"),
    ({"flowrules__0__actions": OLD}, "flowrules[0].actions", "object or a list"),
    ({"flowrules__0__actions": []}, "flowrules[0].actions", "no action"),
    ({"flowrules__0__actions__output_to_port": "sf:0x1:0xc"}, "flowrules[0].actions.output_to_port", "which has 0xa"),
    ({"flowrules__0__match__dest_port": 80}, "flowrules[0].match.dest_port", "needs protocol"))


def test_an_interface_has_a_name_that_the_switch_can_be_told():
    for name in ("eth0", "eth0.25", "br-lan", "wlan0_1", "1", "a=b", "a)b"):
        assert sffg.parse(changed(FIGURE_4, **{"saps__0__interface__if-name": name})).saps[0].interface == name
    for name in ("", "a" * 16, ".", "..", "a b", "a/b", 'a"b', "a\\b", "a,b", "a(b", "a#b", "\u00e9", "a\n", 1, None):
        refusal = raises(BadGraph, sffg.parse, changed(FIGURE_4, **{"saps__0__interface__if-name": name}))
        assert refusal.where == "saps[0].interface.if-name", name


def test_a_bad_graph_is_told_its_place_and_what_would_be_right():
    for change, where, words in REFUSED:
        refusal = raises(BadGraph, sffg.parse, changed(FIGURE_4, **change))
        assert refusal.where == where and words in refusal.message, (change, str(refusal))


def test_a_body_is_an_object_with_a_graph_of_one_dialect():
    for body in (None, [], "x", 1, {}, {"sffg": {}, "forwarding-graph": {}}, {"sffg": {}, "more": 1}, {"graph": {}}):
        assert raises(BadGraph, sffg.parse, body).where == "", body
    for body, where in (({"sffg": []}, "sffg"), ({"forwarding-graph": None}, "forwarding-graph"),
                        ({"forwarding-graph": {"big-switch": []}}, "big-switch"),
                        ({"forwarding-graph": {"big-switch": {"flow-rules": {}}}}, "big-switch.flow-rules")):
        assert raises(BadGraph, sffg.parse, body).where == where, body


def test_the_place_in_an_nf_fg_is_of_its_own_words():
    for change, where in (
            ({"VNFs__0__ports__0__trusted": 7}, "VNFs[0].ports[0].trusted"),
            ({"VNFs__0__vnf_template": 7}, "VNFs[0].vnf_template"),
            ({"VNFs__0__unify-env-variables__0__variable": "A"}, "VNFs[0].unify-env-variables[0].variable"),
            ({"end-points__1__vlan__vlan-id": "x"}, "end-points[1].vlan.vlan-id"),
            ({"big-switch__flow-rules__1__priority": "x"}, "big-switch.flow-rules[1].priority"),
            ({"big-switch__flow-rules__1__match__port_in": "sf:00000001:inout:1"},
             "big-switch.flow-rules[1].match.port_in")):
        assert raises(BadGraph, sffg.parse, changed(FROG, **change)).where == where, change


def test_what_is_not_offered_yet_is_409():
    refusal = raises(Conflict, sffg.parse, changed(FIGURE_4, flowrules__0__actions={"output_to_queue": 1}), "0x1")
    assert (refusal.status, refusal.where) == (409, "flowrules[0].actions.output_to_queue"), str(refusal)


PORT = changed(FIGURE_4, SFs__0__ports__0__ip="10.9.9.9/9")


def test_a_port_has_an_address():
    for given, read in (("10.0.0.1/24", "10.0.0.1/24"), ("", ""), (None, ""), (OLD, ""), ("192.168.001.7/0x18", "192.168.1.7/24")):
        assert sffg.parse(changed(PORT, SFs__0__ports__0__ip=given)).sfs[0].ports[0].ip == read
    for given, read in (("10.0.0.1/24", "10.0.0.1/24"), ("10.0.0.1", "10.0.0.1/32"), ("", ""), (OLD, "")):
        assert sffg.parse(changed(FROG, **{"VNFs__0__ports__1__unify-ip": given}), "g").sfs[0].ports[1].ip == read
    for given, words in (("10.0.0.1", "192.168.1.1/24"), ("10.0.0.0/24", "one device"), (5, "IPv4"), ("::1/64", "IPv4")):
        refusal = raises(BadGraph, sffg.parse, changed(FIGURE_4, SFs__0__ports__0__ip=given))
        assert refusal.where == "SFs[0].ports[0].ip" and words in refusal.message


def test_ports_of_the_node_lead_to_a_function_of_an_nf_fg():
    two = [{"host-tcp-port": "2001", "vnf-tcp-port": 80}, {"host-tcp-port": 2000, "vnf-tcp-port": 0x1bb, "why": "kept"}]
    assert sffg.parse(changed(FROG, **{"VNFs__0__unify-control": two}), "g").sfs[0].control == ((2000, 443), (2001, 80))
    assert "unify-control" in raises(BadGraph, sffg.parse, changed(FIGURE_4, **{"SFs__0__unify-control": two})).where
    graph = sffg.parse(changed(FROG, **{"VNFs__0__unify-control": two, "VNFs__1": {
        "id": "2", "name": "nat", "unify-control": two[:1]}}), "g")
    refusal = raises(Conflict, sffg.conflict, graph, [])
    assert refusal.where == "VNFs[1].unify-control"
    assert refusal.message == "TCP port 2001 of the node is that of function 00000001 of this graph"
    one = sffg.parse(changed(FROG, **{"VNFs__0__unify-control": two}), "other")
    refusal = raises(Conflict, sffg.conflict, sffg.parse(changed(FROG, **{"VNFs__0__unify-control": two[:1]}), "g"), [one])
    assert refusal.message == "TCP port 2001 of the node is that of function 00000001 of graph other"


HOST = {"id": "3", "type": "host-stack", "host-stack": {"configuration": "static", "IPv4": "10.0.0.1/24"}}


def gateway(address="10.0.0.254", **more):
    return dict({"id": "1", "type": "default-gateway", "default-gateway": {"ip-address": address}}, **more)


def with_gateway(*configs, **places):
    return changed(FROG, **dict({"end-points__2": HOST, "node-config": list(configs)}, **places))


def test_a_graph_gives_the_node_its_default_gateway():
    graph = sffg.parse(with_gateway(gateway()), "g")
    assert graph.gateway == "10.0.0.254"
    assert sffg.parse(with_gateway(), "g").gateway == sffg.parse(FROG, "g").gateway == sffg.parse(FIGURE_4).gateway == ""
    refusal = raises(Conflict, sffg.conflict, graph, [sffg.parse(with_gateway(gateway("10.0.0.9")), "other")])
    assert (refusal.where, refusal.message) == ("end-points[2]", "address 10.0.0.1 is that of another SAP, of graph other")
    other = sffg.parse(with_gateway(gateway("10.1.0.9"), **{"end-points__2": dict(HOST, **{
        "host-stack": {"configuration": "static", "IPv4": "10.1.0.1/24"}})}), "other")
    refusal = raises(Conflict, sffg.conflict, graph, [other])
    assert (refusal.where, refusal.message) == (
        "node-config", "the node's default gateway is that of the node-config of graph other")


def test_a_gateway_is_behind_a_static_host_stack_sap_of_its_graph():
    place = "node-config[0].default-gateway.ip-address"
    by_dhcp = {"id": "3", "type": "host-stack", "host-stack": {"configuration": "dhcp"}}
    for body, where, words in (
            (with_gateway(gateway("10.0.1.254")), place, "10.0.1.254 is in the network of no static host-stack SAP"),
            (with_gateway(gateway("10.0.0.1")), place, "no static host-stack"),
            (with_gateway(gateway(), **{"end-points__2": by_dhcp}), place, "no static host-stack"),
            (changed(FROG, **{"node-config": [gateway()]}), place, "no static host-stack"),
            (with_gateway(gateway("10.0.0")), place, "an IPv4 address"), (with_gateway(gateway(5)), place, "IPv4"),
            (with_gateway(gateway("224.0.0.1")), place, "one device"),
            (with_gateway(gateway(), gateway()), "node-config[1]", "a node has one"),
            (with_gateway(gateway(type="route")), "node-config[0].type", "should be default-gateway"),
            (with_gateway({"id": "1", "type": "default-gateway"}), "node-config[0].default-gateway", 'with "ip-address"'),
            (with_gateway(5), "node-config[0]", "an object"), (with_gateway(**{"node-config": {"a": 1}}), "node-config", "a list")):
        refusal = raises(BadGraph, sffg.parse, body, "g")
        assert refusal.where == where and words in refusal.message, str(refusal)


def test_variables_have_plain_names_that_are_not_the_agents():
    for name in ("A", "nat_inside", "X1", "_", "P" * 64):
        assert sffg.parse(changed(FIGURE_4, SFs__0__variables={name: "v"})).sfs[0].variables == {name: "v"}
        env = {"VNFs__0__unify-env-variables__0__variable": name + "=v"}
        assert sffg.parse(changed(FROG, **env)).sfs[0].variables == {name: "v"}
    for name in ("", "1A", "A B", "A-B", "\u00c4", "P" * 65, "SF_ID", "SF_", "PATH", "HOME", "IFS", "ENV", "LD_PRELOAD"):
        ours = changed(FIGURE_4, SFs__0__variables={name: "v"})
        assert "SFs[0].variables" in raises(BadGraph, sffg.parse, ours).where, name
        frogs = changed(FROG, **{"VNFs__0__unify-env-variables__0__variable": name + "=v"})
        assert "VNFs[0].unify-env-variables[0]" in raises(BadGraph, sffg.parse, frogs).where, name


def test_a_vlan_sap_gives_its_traffic_untagged():
    for key in ("vlan_id", "vlan_pcp", "vlan_priority"):
        refusal = raises(BadGraph, sffg.parse, graph(rule("1", A, F, **{key: 1}), a=("eth0", 25)))
        assert refusal.where == "flowrules[0].match." + key
        assert sffg.parse(graph(rule("1", A, F, **{key: 1}), a="eth0")).rules
    popping = dict(rule("1", A, F), actions=[{"pop_vlan": True}, {"output_to_port": F}])
    refusal = raises(BadGraph, sffg.parse, graph(popping, a=("eth0", 25)))
    assert refusal.where == "flowrules[0].actions[0].pop_vlan"


def test_saps_of_one_group_are_one_port_of_a_graph_and_none_of_another():
    def yard(name):
        return {"id": name, "type": "internal", "internal": {"internal-group": "yard"}}
    body = changed(FIGURE_4, saps__1=yard("i"), saps__2=yard("j"), flowrules__1=rule("2", "service-access-point:i", "sf:0x1:0xa"))
    sffg.conflict(sffg.parse(body), [sffg.parse(changed(body, id="other", flowrules__0__priority=2))])
    twice = changed(body, flowrules__2=rule("3", "service-access-point:j", "sf:0x1:0xa"))
    assert raises(Conflict, sffg.parse, twice).where == "flowrules[2].match"
