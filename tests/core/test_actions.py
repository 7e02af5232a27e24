"""Actions: every one of SPEC 1, their order, what each needs of the match, and what is refused, with the place."""
from composer.core import actions, matches
from composer.core.errors import BadGraph, Conflict
from expect import raises

TCP = {"protocol": "tcp", "ether_type": 2048}
OUT = {"output_to_port": "b"}


def read(given, match=()):
    """Return (actions, matches) of actions that go with a match; a port's reference is its name in capitals."""
    return actions.parse(given, "actions", lambda value, where: value.upper(), matches.parse(dict(match), "")[0])


def done(given, match=()):
    return read(given, match)[0]


# action, its value, a match that it goes with, how it is kept
EVERY_ACTION = (
    ("push_vlan", "25", {}, ("push_vlan", 25)),
    ("pop_vlan", True, {"vlan_id": 5}, ("pop_vlan", None)),
    ("pop_vlan", "", {"vlan_id": "ANY"}, ("pop_vlan", None)),
    ("pop_vlan", {}, {"vlan_pcp": 1}, ("pop_vlan", None)),
    ("set_vlan_id", "0x19", {}, ("set_vlan_id", 25)),
    ("set_vlan_priority", 7, {"vlan_id": "ANY"}, ("set_vlan_priority", 7)),
    ("set_ethernet_src_address", "02:00:00:00:00:01", {}, ("set_eth_src", 0x020000000001)),
    ("set_ethernet_dst_address", "02:00:00:00:00:01", {}, ("set_eth_dst", 0x020000000001)),
    ("set_ip_src_address", "10.0.0.1", {"source_ip": "10.0.0.2"}, ("set_ip_src", 0x0a000001)),
    ("set_ip_dst_address", "10.0.0.1", {"protocol": "icmp"}, ("set_ip_dst", 0x0a000001)),
    ("set_ip_src_address", "::1", {"ether_type": "0x86dd"}, ("set_ipv6_src", 1)),
    ("set_ip_dst_address", "::1", {"ipv6_flabel": 1}, ("set_ipv6_dst", 1)),
    ("set_ip_tos", "184", {"protocol": "tcp"}, ("set_ip_tos", 184)),
    ("set_l4_src_port", "80", {"protocol": "udp"}, ("set_l4_src", 80)),
    ("set_l4_dst_port", 0, {"sctp_src": 1}, ("set_l4_dst", 0)),
    ("dec_ttl", True, {"ip_dscp": 1}, ("dec_ttl", None)),
    ("dec_ttl", "true", {"source_ip": "::1"}, ("dec_ttl", None)))


def test_every_action_goes_with_its_match_in_a_list_and_in_an_object():
    for key, value, match, kept in EVERY_ACTION:
        assert done([{key: value}, OUT], match) == [kept, ("output", "B")], key
        assert done({key: value, "output_to_port": "b"}, match) == [kept, ("output", "B")], key


def test_every_action_is_in_the_table_above():
    assert set(actions.ORDER) - set([key for key, _, _, _ in EVERY_ACTION]) == set(
        ["output_to_port", "drop", "output_to_queue", "output_to_controller"])


def test_a_rule_sends_to_one_port_or_to_several():
    assert done(OUT) == done([OUT]) == [("output", "B")]
    assert done({"output_to_port": ["b", "c"]}) == done([OUT, {"output_to_port": "c"}]) == [("output", "B"), ("output", "C")]


def test_a_rule_that_drops_sends_nowhere():
    for value in (True, "true", "", 1, {}, None):
        assert done({"drop": value}) == done([{"drop": value}]) == []


def test_a_list_keeps_its_order():
    assert [kind for kind, _ in done([{"dec_ttl": True}, OUT, {"push_vlan": 5}, {"set_ip_tos": 4}, OUT], TCP)] == [
        "dec_ttl", "output", "push_vlan", "set_ip_tos", "output"]


def test_an_object_is_applied_as_pop_push_set_ttl_output():
    given = {"output_to_port": "b", "dec_ttl": True, "set_l4_src_port": 1, "set_vlan_id": 5, "push_vlan": 6,
             "pop_vlan": True}
    assert [kind for kind, _ in done(given, dict(TCP, vlan_id=9))] == [
        "pop_vlan", "push_vlan", "set_vlan_id", "set_l4_src", "dec_ttl", "output"]


# actions, match: how many flows, and whether each is of tagged packets
TAGS = (
    ([{"set_vlan_id": 5}], {}, [True, False]), ([{"set_vlan_id": 5}], {"vlan_id": "ANY"}, [True]),
    ([{"set_vlan_id": 5}], {"vlan_id": "NO_VLAN"}, [False]), ([{"set_vlan_id": 5}], {"vlan_id": 9}, [True]),
    ([{"push_vlan": 5}, {"set_vlan_id": 6}], {}, [None]),
    ([{"push_vlan": 5}, {"pop_vlan": True}, {"set_vlan_id": 6}], {}, [True, False]),
    ([{"pop_vlan": True}, {"set_vlan_id": 6}], {"vlan_id": 9}, [True]),
    ([{"set_vlan_id": 5}, {"pop_vlan": True}], {}, [True, False]),
    ([{"set_vlan_id": 5}, {"set_vlan_priority": 1}], {}, [True, False]), ([{"push_vlan": 5}], {}, [None]))


def test_setting_a_vlan_id_where_there_may_be_no_tag_makes_two_flows():
    for given, match, tagged in TAGS:
        tags = [one.get("vlan_vid") for one in read(given + [OUT], match)[1]]
        assert [None if tag is None else tag[0] >= 0x1000 for tag in tags] == tagged, (given, match)


# actions, match, the place that is at fault, words of the message
REFUSED = (
    ({}, {}, "", "no action"), ([], {}, "", "no action"), (None, {}, "", "an object or a list"),
    ("drop", {}, "", "an object or a list"),
    ([{}], {}, "[0]", "one action"), ([OUT, {"drop": True, "dec_ttl": True}], {}, "[1]", "one action"),
    (["drop"], {}, "[0]", "one action"),
    ({"output": "b"}, {}, ".output", "known are dec_ttl"),
    ({"output_port": "b"}, {}, ".output_port", "nearest known is output_to_port"),
    ([{"dec_tll": 1}], {}, "[0].dec_tll", "nearest known is dec_ttl"),
    ({"push_vlan": 5}, {}, "", "should end with output_to_port"),
    ([OUT, {"push_vlan": 5}], {}, "", "should end with output_to_port"),
    ({"drop": True, "output_to_port": "b"}, {}, ".drop", "only action"),
    ([{"drop": True}, OUT], {}, "[0].drop", "only action"),
    ({"drop": False}, {}, ".drop", "should be true"), ({"drop": "no"}, {}, ".drop", "should be true"),
    ({"output_to_controller": True}, {}, ".output_to_controller", "no outside controller"),
    ([{"pop_vlan": True}, OUT], {}, "[0].pop_vlan", "needs vlan_id in the match"),
    ([{"pop_vlan": True}, OUT], {"vlan_id": "NO_VLAN"}, "[0].pop_vlan", "vlan_id"),
    ([{"pop_vlan": True}, {"pop_vlan": True}, OUT], {"vlan_id": 5}, "[1].pop_vlan", "vlan_id"),
    ([{"pop_vlan": False}, OUT], {"vlan_id": 5}, "[0].pop_vlan", "true"),
    ([{"set_vlan_priority": 1}, OUT], {}, "[0].set_vlan_priority", "push_vlan before it"),
    ([{"set_vlan_priority": 1}, {"push_vlan": 5}, OUT], {}, "[0].set_vlan_priority", "vlan_id"),
    ([{"push_vlan": 5}, {"pop_vlan": True}, {"set_vlan_priority": 1}, OUT], {}, "[2].set_vlan_priority", "vlan_id"),
    ([{"set_ip_src_address": "10.0.0.1"}, OUT], {}, "[0].set_ip_src_address", "needs ether_type 0x0800 in the match"),
    ([{"set_ip_src_address": "10.0.0.1"}, OUT], {"protocol": "tcp"}, "[0].set_ip_src_address", "ether_type 0x0800"),
    ([{"set_ip_dst_address": "::1"}, OUT], {"ether_type": 2048}, "[0].set_ip_dst_address", "ether_type 0x86dd"),
    ([{"set_ip_dst_address": "10.0.0.0/8"}, OUT], TCP, "[0].set_ip_dst_address", "without /n"),
    ([{"set_ip_dst_address": 1}, OUT], TCP, "[0].set_ip_dst_address", "IP address"),
    ([{"dec_ttl": True}, OUT], {}, "[0].dec_ttl", "needs ether_type 0x0800 or 0x86dd"),
    ([{"dec_ttl": True}, OUT], {"arp_opcode": 1}, "[0].dec_ttl", "ether_type"),
    ([{"set_ip_tos": 4}, OUT], {}, "[0].set_ip_tos", "ether_type"),
    ([{"set_ip_tos": 5}, OUT], TCP, "[0].set_ip_tos", "multiple of 4"),
    ([{"set_ip_tos": 256}, OUT], TCP, "[0].set_ip_tos", "0 to 255"),
    ([{"set_l4_src_port": 1}, OUT], {}, "[0].set_l4_src_port", "needs protocol tcp, udp or sctp"),
    ([{"set_l4_src_port": 1}, OUT], {"protocol": "icmp"}, "[0].set_l4_src_port", "protocol"),
    ([{"set_l4_dst_port": 65536}, OUT], TCP, "[0].set_l4_dst_port", "0 to 65535"),
    ([{"push_vlan": 4095}, OUT], {}, "[0].push_vlan", "0 to 4094"),
    ([{"set_vlan_id": "x"}, OUT], {}, "[0].set_vlan_id", "number"),
    ([{"set_ethernet_src_address": 2}, OUT], {}, "[0].set_ethernet_src_address", "MAC"))


def test_a_wrong_action_is_told_its_place_and_what_would_be_right():
    for given, match, place, words in REFUSED:
        refusal = raises(BadGraph, read, given, match)
        assert refusal.where == "actions" + place, (given, str(refusal))
        assert words in refusal.message, (given, str(refusal))


def test_a_queue_is_well_said_but_not_to_be_had():
    assert raises(Conflict, read, {"output_to_queue": 1}).where == "actions.output_to_queue"


def test_a_wrong_port_is_told_by_the_place_of_its_action():
    def port(value, where):
        raise BadGraph(where, value)
    for given, place in ((OUT, "a.output_to_port"), ([{"push_vlan": 1}, OUT], "a[1].output_to_port"),
                         ({"output_to_port": []}, "a.output_to_port")):
        assert raises(BadGraph, actions.parse, given, "a", port, [{}]).where == place
