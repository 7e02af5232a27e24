"""Tracing: what Open vSwitch 3.1 said (recorded) becomes the hops of a packet, each with its rule and counters."""
from composer.core import names, placing, sffg, tracing
from composer.core.errors import BadGraph, BadRequest
from expect import raises
from fake_node import place

SAP = "service-access-point:"
HOME = place(sffg.parse({"sffg": {
    "SFs": [{"id": "fw", "name": "wire", "ports": [{"id": "in"}, {"id": "out"}]}],
    "saps": [{"id": "lan", "type": "vlan", "vlan": {"if-name": "eth0", "vlan-id": 25}},
             {"id": "wan", "type": "interface", "interface": {"if-name": "eth1"}}],
    "flowrules": [
        {"id": "both", "priority": 5, "match": {"port_in": SAP + "lan", "protocol": "tcp"},
         "actions": [{"output_to_port": "sf:fw:in"}, {"dec_ttl": True}, {"output_to_port": SAP + "wan"}]},
        {"id": "out", "priority": 1, "match": {"port_in": "sf:fw:out"}, "actions": {"output_to_port": SAP + "lan"}}]}},
        "home"),
    placing.empty("home"))

# From sap:lan, tcp: it leaves LSI-0 by the link, which is not the end of it.
BOTH = """\
Flow: tcp,in_port=eth0,dl_vlan=25,dl_vlan_pcp=0,vlan_tci1=0x0000,dl_src=00:00:00:00:00:00,dl_dst=00:00:00:00:00:00,nw_ttl=64

bridge("lsi0")
--------------
 0. in_port=eth0,dl_vlan=25, priority 1001, cookie 0x140000019
    pop_vlan
    write_metadata:0x1019
    goto_table:1
 1. tcp,metadata=0x1019,in_port=eth0, priority 5, cookie 0x100000001
    output:l1v0

    bridge("lsi1")
    --------------
         0. in_port=l1w0, priority 500, cookie 0x180000000
            output:l1s0p0
    dec_ttl
    output:eth1

Final flow: tcp,metadata=0x1019,in_port=eth0,vlan_tci=0x0000,dl_src=00:00:00:00:00:00,dl_dst=00:00:00:00:00:00,nw_ttl=63
Megaflow: recirc_id=0,eth,tcp,in_port=eth0,dl_vlan=25,dl_vlan_pcp=0,nw_ttl=64,nw_frag=no
Datapath actions: pop_vlan,l1s0p0,set(ipv4(ttl=63)),eth1
"""
# From sf:fw:out: the link is the end of its way through the graph's LSI.
OUT = """\
Flow: in_port=l1s0p1,vlan_tci=0x0000,dl_src=00:00:00:00:00:00,dl_dst=00:00:00:00:00:00,dl_type=0x0000

bridge("lsi1")
--------------
 0. in_port=l1s0p1, priority 1, cookie 0x100000002
    output:l1w0

bridge("lsi0")
--------------
 0. in_port=l1v0, priority 500, cookie 0x180000000
    push_vlan:0x8100
    set_field:4121->vlan_vid
    output:eth0

Final flow: unchanged
Megaflow: recirc_id=0,eth,in_port=l1s0p1,dl_type=0x0000
Datapath actions: push_vlan(vid=25,pcp=0),eth0
"""
# From sap:wan: no rule is for it.
NONE = """\
Flow: in_port=eth1,vlan_tci=0x0000,dl_src=00:00:00:00:00:00,dl_dst=00:00:00:00:00:00,dl_type=0x0000

bridge("lsi0")
--------------
 0. priority 0, cookie 0x1
    goto_table:1
 1. No match.
    drop

Final flow: unchanged
Megaflow: recirc_id=0,eth,in_port=eth1,dl_type=0x0000
Datapath actions: drop
"""


class Switch:
    """A driver that says what it was told to say, and keeps what it was asked."""

    def __init__(self, text, counters=()):
        self.text, self.counted, self.asked = text, dict(counters), []

    def trace(self, lsi, packet):
        self.asked.append((lsi, packet))
        return self.text
        yield

    def counters(self, lsi):
        return self.counted.get(lsi, {})
        yield


def traced(switch, **query):
    try:
        tracing.trace(HOME, query, switch).send(None)
    except StopIteration as end:
        return end.value


def way(text, **query):
    return [(hop["lsi"], hop["table"], hop["rule"], hop["actions"]) for hop in traced(Switch(text), **query)["hops"]]


def test_a_hop_has_the_rule_and_its_actions_in_the_lsi_that_it_is_of():
    assert way(BOTH, port_in="sap:lan") == [
        ("lsi0", 0, "dispatch of VLAN 25", ["pop_vlan", "write_metadata:0x1019", "goto_table:1"]),
        ("lsi0", 1, "both", ["output:l1v0", "dec_ttl", "output:eth1"]),
        ("lsi1", 0, "onward from link 0", ["output:l1s0p0"])]
    assert way(OUT, port_in="sf:fw:out") == [
        ("lsi1", 0, "out", ["output:l1w0"]),
        ("lsi0", 0, "onward from link 0", ["push_vlan:0x8100", "set_field:4121->vlan_vid", "output:eth0"])]
    assert way(NONE, port_in="sap:wan") == [
        ("lsi0", 0, "dispatch", ["goto_table:1"]), ("lsi0", 1, "none: dropped", ["drop"])]


def test_a_hop_says_what_matched():
    hops = traced(Switch(BOTH), port_in="sap:lan")["hops"]
    assert [hop["match"] for hop in hops] == [
        "in_port=eth0,dl_vlan=25, priority 1001", "tcp,metadata=0x1019,in_port=eth0, priority 5",
        "in_port=l1w0, priority 500"]


def test_the_verdict_is_what_the_datapath_would_do():
    for text, verdict in ((BOTH, "pop_vlan,l1s0p0,set(ipv4(ttl=63)),eth1"), (NONE, "drop"), ("", "unknown")):
        assert traced(Switch(text), port_in="sap:lan")["verdict"] == verdict


def test_a_hop_has_the_counters_of_its_rule_on_its_lsi():
    counters = {"lsi0": {0x100000001: (7, 700), 0x180000000: (1, 1)}, "lsi1": {0x180000000: (5, 500)}}
    found = traced(Switch(BOTH, counters), port_in="sap:lan")["hops"]
    assert [(hop["packets"], hop["bytes"]) for hop in found] == [(0, 0), (7, 700), (5, 500)]


def test_a_rule_of_another_graph_or_of_nobody_is_told_so():
    for cookie, rule in (("0x200000001", "of another graph"), ("0x100000009", "unknown"), ("0x0", "none: dropped")):
        assert way(OUT.replace("0x100000002", cookie), port_in="sf:fw:out")[0][2] == rule


# the query: the LSI and the packet that the switch is asked about
ASKED = (
    ({"port_in": "sap:lan"}, "lsi0", 'in_port="eth0",dl_vlan=25'), ({"port_in": "sap:wan"}, "lsi0", 'in_port="eth1"'),
    ({"port_in": "sf:fw:out"}, "lsi1", 'in_port="l1s0p1"'),
    ({"port_in": "sap:wan", "protocol": "tcp", "dest_port": "80"}, "lsi0",
     'in_port="eth1",dl_type=0x800,nw_proto=6,tp_dst=80,nw_ttl=64'),
    ({"port_in": "sap:wan", "arp_opcode": "1"}, "lsi0", 'in_port="eth1",dl_type=0x806,arp_op=1'),
    # one packet of those that match
    ({"port_in": "sap:wan", "source_ip": "10.1.2.3/8"}, "lsi0", 'in_port="eth1",dl_type=0x800,nw_src=10.0.0.0,nw_ttl=64'),
    ({"port_in": "sap:wan", "vlan_id": "ANY"}, "lsi0", 'in_port="eth1",vlan_vid=0x1000'))


def test_the_switch_is_asked_about_one_packet():
    for query, lsi, packet in ASKED:
        switch = Switch(NONE)
        assert traced(switch, **query)["packet"] == packet, query
        assert switch.asked == [(lsi, packet)], query


def test_a_query_that_cannot_be_is_told_what_would_be_right():
    for query, where, words in (
            ({}, "port_in", "known are sap:lan, sap:wan, sf:fw:in, sf:fw:out"),
            ({"port_in": "sap:lam"}, "port_in", "nearest known is sap:lan"),
            ({"port_in": "sap:lan", "vlan_id": "7"}, "vlan_id", "untagged")):
        refusal = raises(BadRequest, lambda: traced(Switch(NONE), **query))
        assert refusal.where == where and words in refusal.message, str(refusal)
    assert raises(BadGraph, lambda: traced(Switch(NONE), port_in="sap:wan", dest_port="80")).where == "query.dest_port"


def test_only_a_graph_with_an_lsi_is_asked_for_its_counters():
    class Strict(Switch):
        def counters(self, lsi):
            assert lsi == names.LSI0, lsi
            return {}
            yield
    flat = dict(HOME, lsi=False)
    ended = raises(StopIteration, tracing.trace(flat, {"port_in": "sap:wan"}, Strict(NONE)).send, None)
    assert ended.value["verdict"] == "drop"
