"""Rules that meet: which are the same, overlap, or are in conflict with those of another graph."""
from composer.core import sffg
from composer.core.errors import Conflict
from expect import raises
from test_sffg import A, B, F, changed, graph, rule

# two rules: whether they match the same packets at one priority on one port
TWICE = (
    (rule("1", A, F), rule("2", A, B), True), (rule("1", A, F, 1), rule("2", A, F, 2), False),
    (rule("1", A, F), rule("2", B, F), False),
    (rule("1", F, A), rule("2", F, B), True),
    (rule("1", A, F, dest_ip="10.0.0.1"), rule("2", A, F, dest_ip="10.0.0.1/32"), True),
    (rule("1", A, F, dest_ip="10.0.0.1/8"), rule("2", A, F, dest_ip="10.2.0.0/8"), True),
    (rule("1", A, F, vlan_pcp=1), rule("2", A, F, vlan_priority="0x1"), True),
    (rule("1", A, F, protocol="tcp"), rule("2", A, F, protocol=6), True),
    (rule("1", A, F, dest_ip="10.0.0.0/8"), rule("2", A, F, dest_ip="10.0.0.0/9"), False),
    (rule("1", A, F, dest_ip="0.0.0.0/0"), rule("2", A, F, ether_type=2048), True),
    (rule("1", A, F), rule("2", A, F, source_mac="02:00:00:00:00:01", source_mac_mask="00:00:00:00:00:00"), True),
    (rule("1", A, F), rule("2", "service-access-point:c", F), True))  # c is where a is


def test_the_same_match_twice_is_refused_and_names_both_rules():
    for one, other, twice in TWICE:
        body = graph(one, other, a="eth0", b="eth1", c="eth0")
        if not twice:
            assert len(sffg.parse(body).rules) == 2, (one, other)
            continue
        refusal = raises(Conflict, sffg.parse, body)
        assert refusal.where == "flowrules[1].match" and "rule 1 and rule 2" in refusal.message, str(refusal)


def test_rules_of_one_graph_may_overlap_and_are_named():
    web, net = dict(protocol="tcp", dest_port=80), dict(dest_ip="10.0.0.0/8")
    rules = [rule("1", A, F, **web), rule("2", A, B, **net), rule("3", A, F, 2, **net), rule("4", B, F, **net),
             rule("5", A, B, protocol="udp")]
    found = sffg.parse(graph(*rules, a="eth0", b="eth1"))
    assert sffg.overlaps(found) == [("1", "2"), ("2", "5")]
    assert sffg.overlaps(found, 1) == [("1", "2")]
    assert sffg.overlaps(sffg.parse(graph(rule("1", A, F, **web), a="eth0"))) == []


# a rule of one graph, a rule of another, the SAPs of that one: whether they are in conflict
TOGETHER = (
    (rule("1", A, F), rule("2", A, F), {"a": "eth0"}, True), (rule("1", A, F), rule("2", B, F), {"b": "eth0"}, True),
    (rule("1", A, F), rule("2", A, F), {"a": "eth1"}, False), (rule("1", A, F), rule("2", A, F, 2), {"a": "eth0"}, False),
    (rule("1", A, F), rule("2", A, F), {"a": ("eth0", 25)}, False),
    (rule("1", A, F, protocol="tcp"), rule("2", A, F, protocol="udp"), {"a": "eth0"}, False),
    (rule("1", A, F, dest_ip="10.0.0.0/8"), rule("2", A, F, protocol="tcp", dest_port=80), {"a": "eth0"}, True),
    (rule("1", A, F), rule("2", F, A), {"a": "eth0"}, False))


def test_two_graphs_may_not_overlap_on_an_interface_that_they_share():
    for one, other, saps, both in TOGETHER:
        mine, theirs = sffg.parse(graph(one, a="eth0")), sffg.parse(changed(graph(other, **saps), id="theirs"))
        if not both:
            sffg.conflict(mine, [theirs])
            continue
        refusal = raises(Conflict, sffg.conflict, mine, [theirs])
        assert refusal.where == "flowrules[0].match", str(refusal)
        assert "rule 1 and rule 2 of graph theirs" in refusal.message and "eth0" in refusal.message, str(refusal)


def test_two_graphs_may_not_overlap_on_a_vlan_that_they_share():
    mine, theirs = [sffg.parse(graph(rule("1", A, F), a=("eth0", 25)))] * 2
    assert "VLAN 25 of eth0" in raises(Conflict, sffg.conflict, mine, [theirs]).message
    sffg.conflict(mine, [])
    sffg.conflict(mine, [sffg.parse(graph(rule("1", A, F), a=("eth0", 26))),
                         sffg.parse(graph(rule("1", A, F), a=("eth1", 25)))])
