"""Flows: the lines that ovs-ofctl is given, and those that make one set of flows another."""
from composer.core import flows, placing, sffg
from composer.core.flows import Flow
from fake_node import place

SAP, SF = "service-access-point:", "sf:"
ETH0, ETH1, VLAN25, VLAN26 = ({"if-name": "eth0"}, {"if-name": "eth1"}, {"if-name": "eth0", "vlan-id": 25},
                              {"if-name": "eth0", "vlan-id": 26})


def told(rules, saps=(), ports=()):
    """Return ({LSI-0's flows}, {the graph-LSI's}), {match: actions}, of a graph whose number is 1.

    rules: [(port_in, match, actions)], all of priority 7; saps: {id: its interface, VLAN id}; ports: of function f.
    """
    body = {"SFs": [{"id": "f", "name": "wire", "ports": list(ports)}] if ports else [], "saps": [], "flowrules": []}
    saps = dict(saps)
    for name in sorted(saps):
        kind = "vlan" if "vlan-id" in saps[name] else "interface"
        body["saps"].append({"id": name, "type": kind, kind: saps[name]})
    for number, (port_in, match, actions) in enumerate(rules):
        body["flowrules"].append({"id": str(number), "priority": 7, "match": dict(match, port_in=port_in),
                                  "actions": actions})
    placed = place(sffg.parse({"sffg": body}, "g"), placing.empty("g"))
    return [dict([(flow.key, flow.actions) for flow in side]) for side in placing.placed_flows(placed)]


def to(*ports):
    return [{"output_to_port": port} for port in ports]


A, B, F1, F2 = SAP + "a", SAP + "b", SF + "f:1", SF + "f:2"
DISPATCH = ('table=0,priority=1001,in_port="eth0",vlan_vid=0x1019', "pop_vlan,write_metadata:0x1019,goto_table:1")
PLAIN, VLAN = 'table=1,priority=7,in_port="eth0",metadata=0', 'table=1,priority=7,in_port="eth0",metadata=0x1019'

# rules, the SAPs: LSI-0's flows
LSI0 = (
    ([(A, {}, to(B))], {"a": ETH0, "b": ETH1}, {PLAIN: 'output:"eth1"'}),
    ([(A, {}, {"drop": True})], {"a": ETH0}, {PLAIN: "drop"}),
    ([(A, {}, to(A))], {"a": ETH0}, {PLAIN: "in_port"}),
    ([(A, {}, to(A, B, A))], {"a": ETH0, "b": ETH1}, {PLAIN: 'in_port,output:"eth1",in_port'}),
    ([(A, {"hard_timeout": 60}, to(B))], {"a": ETH0, "b": ETH1}, {"hard_timeout=60," + PLAIN: 'output:"eth1"'}),
    ([(A, {"protocol": "tcp"}, to(B))], {"a": ETH0, "b": ETH1},
     {PLAIN + ",dl_type=0x800,nw_proto=6": 'output:"eth1"', PLAIN + ",dl_type=0x86dd,nw_proto=6": 'output:"eth1"'}),
    # by a VLAN SAP in, and out
    ([(A, {}, to(B))], {"a": VLAN25, "b": ETH1}, dict([DISPATCH, (VLAN, 'output:"eth1"')])),
    ([(A, {}, to(B))], {"a": ETH1, "b": VLAN25}, dict([DISPATCH, (
        'table=1,priority=7,in_port="eth1",metadata=0', 'push_vlan:0x8100,set_field:4121->vlan_vid,output:"eth0"')])),
    # from VLAN 25 to VLAN 26 of one interface, and back out of the VLAN that it came from
    ([(A, {}, to(B))], {"a": VLAN25, "b": VLAN26}, dict([
        DISPATCH, ('table=0,priority=1001,in_port="eth0",vlan_vid=0x101a', "pop_vlan,write_metadata:0x101a,goto_table:1"),
        (VLAN, "push_vlan:0x8100,set_field:4122->vlan_vid,in_port")])),
    ([(A, {}, to(A))], {"a": VLAN25}, dict([DISPATCH, (VLAN, "push_vlan:0x8100,set_field:4121->vlan_vid,in_port")])),
    # several outputs: only what leaves by the VLAN SAP has its tag
    ([(A, {}, to(B, A, B))], {"a": ETH1, "b": VLAN25}, dict([DISPATCH, (
        'table=1,priority=7,in_port="eth1",metadata=0',
        'push_vlan:0x8100,set_field:4121->vlan_vid,output:"eth0",pop_vlan,in_port,'
        'push_vlan:0x8100,set_field:4121->vlan_vid,output:"eth0"')])),
    # a SAP that no rule names still keeps its VLAN from the interface SAP
    ([(A, {}, to(A))], {"a": ETH0, "b": VLAN25}, dict([DISPATCH, (PLAIN, "in_port")])),
    # what set_vlan_id may find without a tag gets one
    ([(A, {}, [{"set_vlan_id": 5}] + to(B))], {"a": ETH0, "b": ETH1}, {
        PLAIN + ",vlan_vid=0x1000/0x1000": 'set_field:4101->vlan_vid,output:"eth1"',
        PLAIN + ",vlan_vid=0x0": 'push_vlan:0x8100,set_field:4101->vlan_vid,output:"eth1"'}))


def test_the_flows_of_lsi0():
    for rules, saps, found in LSI0:
        lsi0, graph_lsi = told(rules, saps)
        assert lsi0 == found, lsi0
        assert graph_lsi == {}


# action, a match that it goes with, how it is told
ACTIONS = (
    ({"push_vlan": 5}, {}, "push_vlan:0x8100,set_field:4101->vlan_vid"),
    ({"pop_vlan": True}, {"vlan_id": 9}, "pop_vlan"),
    ({"set_vlan_id": 5}, {"vlan_id": 9}, "set_field:4101->vlan_vid"),
    ({"set_vlan_id": 5}, {"vlan_id": "NO_VLAN"}, "push_vlan:0x8100,set_field:4101->vlan_vid"),
    ({"set_vlan_priority": 3}, {"vlan_id": 9}, "set_field:3->vlan_pcp"),
    ({"set_ethernet_src_address": "02:00:00:00:00:01"}, {}, "set_field:02:00:00:00:00:01->eth_src"),
    ({"set_ethernet_dst_address": "02:00:00:00:00:01"}, {}, "set_field:02:00:00:00:00:01->eth_dst"),
    ({"set_ip_src_address": "10.0.0.1"}, {"ether_type": 2048}, "set_field:10.0.0.1->ip_src"),
    ({"set_ip_dst_address": "10.0.0.1"}, {"ether_type": 2048}, "set_field:10.0.0.1->ip_dst"),
    ({"set_ip_src_address": "::1"}, {"ether_type": "0x86dd"}, "set_field:0:0:0:0:0:0:0:1->ipv6_src"),
    ({"set_ip_dst_address": "::1"}, {"ether_type": "0x86dd"}, "set_field:0:0:0:0:0:0:0:1->ipv6_dst"),
    ({"set_ip_tos": 184}, {"ether_type": 2048}, "set_field:46->ip_dscp"),
    ({"set_l4_src_port": 80}, {"protocol": "tcp", "ether_type": 2048}, "set_field:80->tcp_src"),
    ({"set_l4_dst_port": 80}, {"protocol": "udp", "ether_type": 2048}, "set_field:80->udp_dst"),
    ({"set_l4_dst_port": 80}, {"protocol": "sctp", "ether_type": 2048}, "set_field:80->sctp_dst"),
    ({"dec_ttl": True}, {"ether_type": 2048}, "dec_ttl"))


def test_every_action_is_told_to_the_switch():
    for action, match, words in ACTIONS:
        lsi0, _ = told([(A, match, [action] + to(B))], {"a": ETH0, "b": ETH1})
        assert list(lsi0.values()) == [words + ',output:"eth1"'], (action, lsi0)


def test_a_rule_that_crosses_is_split_over_a_link():
    lsi0, graph_lsi = told([(A, {"ether_type": 2048}, [{"dec_ttl": True}] + to(F1)), (F2, {}, to(A))], {"a": VLAN25},
                           [{"id": "1"}, {"id": "2"}])
    assert lsi0 == dict([DISPATCH, (VLAN + ",dl_type=0x800", 'dec_ttl,output:"l1v0"'), (
        'table=0,priority=500,in_port="l1v0"', 'push_vlan:0x8100,set_field:4121->vlan_vid,output:"eth0"')])
    assert graph_lsi == {'table=0,priority=500,in_port="l1w0"': 'output:"l1s0p0"',
                         'table=0,priority=7,in_port="l1s0p1"': 'output:"l1w0"'}


def test_a_function_may_send_back_to_the_port_that_it_heard():
    assert told([(F1, {}, to(F1, F2))], (),
                [{"id": "1"}, {"id": "2"}])[1] == {'table=0,priority=7,in_port="l1s0p0"': 'in_port,output:"l1s0p1"'}


def test_a_trusted_port_sends_with_its_own_address():
    trusted = {"id": "1", "mac": "02:00:00:00:00:01", "trusted": True}
    lsi0, graph_lsi = told([(F1, {}, to(A)), (A, {}, to(F1))], {"a": ETH0}, [trusted])
    assert graph_lsi == {'table=0,priority=7,in_port="l1s0p0"': 'set_field:02:00:00:00:00:01->eth_src,output:"l1w0"',
                         'table=0,priority=500,in_port="l1w0"': 'output:"l1s0p0"'}
    assert told([(F1, {}, to(F1))], (),
                [dict(trusted, trusted=False)])[1] == {'table=0,priority=7,in_port="l1s0p0"': "in_port"}


def test_every_rule_has_a_cookie_of_its_graph_and_the_node_one_of_its_own():
    body = {"sffg": {"SFs": [{"id": "f", "name": "wire", "ports": [{"id": "1"}]}],
                     "saps": [{"id": "a", "type": "vlan", "vlan": VLAN25}],
                     "flowrules": [{"id": "x", "priority": 1, "match": {"port_in": A, "protocol": "tcp"},
                                    "actions": to(F1)[0]}]}}
    lsi0, graph_lsi = placing.placed_flows(place(sffg.parse(body, "g"), placing.empty("g"), 3))
    assert ["%x" % flow.cookie for flow in lsi0] == ["340000019", "300000001", "300000001"]
    assert ["%x" % flow.cookie for flow in graph_lsi] == ["380000000"]
    assert [flow.cookie >> 32 for flow in flows.NODE_FLOWS] == [0]
    assert flows.add(graph_lsi[0]) == 'add cookie=0x380000000,table=0,priority=500,in_port="l3w0",actions=output:"l3s0p0"'


# flows are (cookie, match, actions): those before, those after, the lines
CHANGES = (
    ((), (), []), (((1, "m", "x"),), ((1, "m", "x"),), []), ((), ((1, "m", "x"),), ["add cookie=0x1,m,actions=x"]),
    (((1, "m", "x"),), (), ["delete cookie=0x1/-1"]),
    (((1, "m", "x"), (2, "n", "x")), ((1, "m", "y"), (2, "n", "x")), ["add cookie=0x1,m,actions=y"]),
     # in place: it keeps its counters
    (((1, "m", "x"), (2, "n", "x")), ((1, "o", "x"), (2, "n", "x")), ["delete cookie=0x1/-1", "add cookie=0x1,o,actions=x"]),
    (((1, "m", "x"), (1, "n", "x")), ((1, "m", "x"),), ["delete cookie=0x1/-1", "add cookie=0x1,m,actions=x"]),
     # all of a cookie goes
    (((1, "m", "x"),), ((1, "m", "x"), (1, "n", "x")), ["add cookie=0x1,n,actions=x"]),
    (((1, "m", "x"),), ((2, "m", "x"),), ["delete cookie=0x1/-1", "add cookie=0x2,m,actions=x"]),
    (((1, "m", "x"), (2, "n", "y")), ((1, "n", "y"), (2, "m", "x")), [
        "delete cookie=0x1/-1", "delete cookie=0x2/-1", "add cookie=0x1,n,actions=y", "add cookie=0x2,m,actions=x"]))


def test_a_change_is_the_difference_and_deletes_by_cookie_before_it_adds():
    for old, new, lines in CHANGES:
        before, after = [[Flow(cookie, False, match, actions) for cookie, match, actions in side] for side in (old, new)]
        assert flows.change(before, after) == lines, (old, new)


def test_all_of_a_graph_is_deleted_by_the_high_half_of_its_cookies():
    assert flows.delete_graph(3) == "delete cookie=0x300000000/0xffffffff00000000"
