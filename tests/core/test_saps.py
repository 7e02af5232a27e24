"""SAPs: every key of every kind as it is read, and what is refused, with the place."""
from composer.core import saps, sffg
from composer.core.errors import BadGraph, Conflict
from expect import raises

GOOD = {  # kind: what its JSON needs
    "interface": {"if-name": "eth0"},
    "vlan": {"if-name": "eth0", "vlan-id": 25},
    "internal": {"internal-group": "friends"},
    "gre": {"local-ip": "192.0.2.1", "remote-ip": "192.0.2.2", "gre-key": 7},
    "vxlan": {"local-ip": "192.0.2.1", "remote-ip": "192.0.2.2", "vni": 7},
    "host-stack": {"configuration": "static", "IPv4": "192.168.1.1/24"},
}
ABSENT = object()  # the value of a key that is not there
DEVICE, LENGTH, GROUP = "IPv4 address", "with the length of its network", "1 to 64 of A-Z"
NOT_TEXTS = (None, True, 5, 1.5, [], {}, ["x"])
NOT_NUMBERS = (None, True, False, "x", "-1", "1.5", 1.5, [], {}, "0x", "1e3", " 7", "\u0661")
NOT_DEVICES = NOT_TEXTS + ("", "x", "192.0.2", "192.0.2.256", "192.0.2.1/24", "0.0.0.0", "0.1.2.3", "127.0.0.1",
                           "224.0.0.5", "255.255.255.255", "::1", "host.example", "192.0.2.1 ", "1.2.3.4.5")

# kind, key, values that are wrong, what would be right
WRONG = [
    ("interface", "if-name", NOT_TEXTS + ("", "a" * 16, "a/b", "..", "lan 0"), "1 to 15 letters"),
    ("vlan", "if-name", NOT_TEXTS + ("", "a" * 16, "a/b"), "1 to 15 letters"),
    ("vlan", "vlan-id", NOT_NUMBERS + ("", 0, 4095, "0", "0xfff", -1), "from 1 to 4094"),
    ("internal", "internal-group", NOT_TEXTS + ("", "a b", "a/b", "x" * 65, "\u00fc"), GROUP),
    ("gre", "gre-key", NOT_NUMBERS + ("", -1, 1 << 32, "4294967296"), "from 0 to 4294967295"),
    ("vxlan", "vni", NOT_NUMBERS + ("", -1, 1 << 24, "0x1000000"), "from 0 to 16777215"),
    ("vxlan", "port", NOT_NUMBERS + (0, 65536), "from 1 to 65535"),
    ("gre", "secure", (None, 5, 0.5, "yes", [], {}), "true or false"),
    ("host-stack", "configuration", NOT_TEXTS + ("", "manual", "stati"), "static or dhcp"),
    ("host-stack", "IPv4", NOT_TEXTS + ("x", "192.168.1.1", "192.168.1.1/", "192.168.1.1/0", "192.168.1.1/33",
                                        "192.168.1/24", "127.0.0.1/8", "0.0.0.0/1", "224.0.0.1/4", "fd00::1/64"), LENGTH),
    ("host-stack", "IPv4", ("192.168.1.0/24", "192.168.1.255/24", "10.0.0.0/30"), "not of its whole network"),
    ("host-stack", "mac", NOT_TEXTS + ("x", "02:00", "02-00-00-00-00-01", "020000000001"), "such as 02:00:00:00:00:01"),
    ("host-stack", "mac", ("01:00:00:00:00:01", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00"), "not of a group"),
]
WRONG += [(kind, key, NOT_DEVICES, DEVICE) for kind in ("gre", "vxlan") for key in ("local-ip", "remote-ip")]
WRONG += [(kind, "ttl", NOT_NUMBERS + (0, 256, "0x100"), "from 1 to 255") for kind in ("gre", "vxlan")]

OPTIONS = {  # kind: what is read of its JSON
    "internal": {"group": "friends"},
    "gre": {"local": "192.0.2.1", "remote": "192.0.2.2", "key": 7, "ttl": 64},
    "vxlan": {"local": "192.0.2.1", "remote": "192.0.2.2", "key": 7, "ttl": 64, "port": 4789},
    "host-stack": {"configuration": "static", "address": "192.168.1.1/24", "mac": ""},
}
BY_DHCP = {"configuration": "dhcp", "address": ""}
# kind, what its JSON has otherwise, what its options are otherwise
READ = [
    ("internal", {}, {}), ("gre", {}, {}), ("vxlan", {}, {}), ("host-stack", {}, {}),
    ("internal", {"internal-group": "a.B_9-"}, {"group": "a.B_9-"}),
    ("gre", {"gre-key": "0x1F", "ttl": "0xff"}, {"key": 31, "ttl": 255}),
    ("gre", {"gre-key": "4294967295", "ttl": "", "secure": ""}, {"key": 4294967295}),
    ("gre", {"gre-key": 0, "ttl": 1, "secure": "false"}, {"key": 0, "ttl": 1}),
    ("gre", {"local-ip": "010.000.000.001"}, {"local": "10.0.0.1"}),
    ("vxlan", {"vni": "0xffffff", "port": "8472", "ttl": "9"}, {"key": 0xffffff, "port": 8472, "ttl": 9}),
    ("vxlan", {"port": "", "vni": 0}, {"key": 0}),
    ("host-stack", {"configuration": "STATIC", "mac": ""}, {}),
    ("host-stack", {"mac": "02:00:00:00:00:AA"}, {"mac": "02:00:00:00:00:aa"}),
    ("host-stack", {"IPv4": ABSENT, "ipv4": "10.0.0.1/8"}, {"address": "10.0.0.1/8"}),
    ("host-stack", {"IPv4": "10.0.0.0/31"}, {"address": "10.0.0.0/31"}),
    ("host-stack", {"IPv4": "10.0.0.7/32"}, {"address": "10.0.0.7/32"}),
    ("host-stack", {"configuration": "DHCP", "IPv4": ABSENT}, BY_DHCP),
    ("host-stack", {"configuration": "dhcp", "IPv4": ""}, BY_DHCP),
    ("host-stack", {"configuration": "Dhcp", "IPv4": ABSENT, "ipv4": ""}, BY_DHCP),
]

# kind, what its JSON has otherwise, where, what would be right: of what goes together
TOGETHER = [
    ("gre", {"remote-ip": "192.0.2.1"}, ".remote-ip", "another node"),
    ("vxlan", {"remote-ip": "192.000.002.001"}, ".remote-ip", "another node"),
    ("host-stack", {"IPv4": ABSENT}, ".IPv4", "is missing: a static configuration needs it"),
    ("host-stack", {"IPv4": ""}, ".IPv4", "is missing: a static configuration needs it"),
    ("host-stack", {"configuration": "dhcp"}, ".IPv4", "comes by dhcp"),
    ("host-stack", {"configuration": "pppoe"}, ".IPv4", "comes by pppoe"),
]


def body(kind, changes=(), root="sffg", name=None):
    """Return a graph with one SAP, whose JSON has some keys otherwise."""
    inner = dict(GOOD[saps.ALIASES.get(kind, kind)])
    for key, value in dict(changes).items():
        if value is ABSENT:
            del inner[key]
        else:
            inner[key] = value
    return {root: {"saps" if root == "sffg" else "end-points": [{"id": "x", "type": kind, name or kind: inner}]}}


def one(kind, changes=(), root="sffg"):
    """Return the SAP that is read of it."""
    found, = sffg.parse(body(kind, changes, root)).saps
    return found


def refusal(kind, changes, root="sffg", error=BadGraph):
    return raises(error, sffg.parse, body(kind, changes, root))


def test_every_kind_is_read():
    for kind in GOOD:
        assert (one(kind).id, one(kind).kind, one(kind).where) == ("x", kind, "saps[0]")
        assert one(kind, root="forwarding-graph")[:5] == one(kind)[:5]
    assert sorted(GOOD) == sorted(saps.KINDS)


def test_every_option_is_read_as_it_is_meant():
    for kind, changes, options in READ:
        assert one(kind, changes).options == dict(OPTIONS[kind], **options), (kind, changes)


def test_what_is_wrong_is_named_with_its_place_and_what_would_be_right():
    for kind, key, values, right in WRONG:
        for value in values:
            found = refusal(kind, {key: value})
            assert found.where == "saps[0].%s.%s" % (kind, key), (kind, key, value, found.where)
            assert right in found.message, (kind, key, value, found.message)
            found = refusal(kind, {key: value}, "forwarding-graph")
            assert found.where == "end-points[0].%s.%s" % (kind, key)


def test_every_key_is_tried_and_what_is_needed_is_missed():
    assert sorted(set([(kind, key) for kind, key, _, _ in WRONG])) == sorted([
        (kind, key) for kind in saps.KINDS for key, _, _, _ in saps.KINDS[kind].keys])
    for kind in saps.KINDS:
        for key, _, _, default in saps.KINDS[kind].keys:
            if default is saps.NEEDED:
                found = refusal(kind, {key: ABSENT})
                assert (found.where, found.message[-10:]) == ("saps[0].%s.%s" % (kind, key), "is missing"), found.message


def test_what_does_not_go_together_is_named():
    for kind, changes, where, right in TOGETHER:
        found = refusal(kind, changes)
        assert found.where == "saps[0].%s%s" % (kind, where), (kind, changes, found.where)
        assert right in found.message, found.message


def test_the_names_that_frog_gives_are_known():
    for alias, kind in saps.ALIASES.items():
        assert one(alias).kind == kind and one(alias).options == one(kind).options
        found = refusal(alias, {"nonsense": 1})
        assert found.where == "saps[0].%s.nonsense" % alias
        found = raises(BadGraph, sffg.parse, body(alias, name=kind))  # the object is called as the type is
        assert found.where == "saps[0]." + alias


def test_a_key_that_nobody_knows_is_refused_in_the_first_dialect_and_kept_in_the_second():
    for kind, key, nearest in (
            ("gre", "gre-kez", "gre-key"), ("gre", "vni", "ttl"), ("vxlan", "remote_ip", "remote-ip"),
            ("host-stack", "ipv6", "IPv4"), ("internal", "group", "internal-group"), ("gre", "IPv4", "ttl")):
        found = refusal(kind, {key: 1})
        assert found.where == "saps[0].%s.%s" % (kind, key), found.where
        assert "known" in found.message and (nearest in found.message), found.message
        assert one(kind, {key: 1}, "forwarding-graph").options == one(kind).options


def test_an_object_is_needed_and_the_message_says_with_what():
    for kind in GOOD:
        for value in NOT_TEXTS[:6] + ("x",):
            if value != {}:
                found = raises(BadGraph, sffg.parse, {"sffg": {"saps": [{"id": "x", "type": kind, kind: value}]}})
                assert found.where == "saps[0]." + kind
                assert all([key in found.message for key, _, _, default in saps.KINDS[kind].keys if default is saps.NEEDED])


def test_what_is_well_said_but_cannot_be_had_is_a_conflict():
    for kind, changes, where in (("gre", {"secure": True}, ".secure"), ("gre", {"secure": "true"}, ".secure"),
                                 ("host-stack", {"configuration": "PPPoE", "IPv4": ABSENT}, ".configuration")):
        assert refusal(kind, changes, error=Conflict).where == "saps[0].%s%s" % (kind, where)
    wrong = body("gre", {"secure": True})
    wrong["sffg"]["saps"].append({"id": "y", "type": "gr"})
    assert raises(BadGraph, sffg.parse, wrong).where == "saps[1].type"  # which is told before what cannot be had


def graph_of(name, *changes):
    """Return a graph whose SAPs are (kind, changes)."""
    ends = [dict(body(kind, change)["sffg"]["saps"][0], id="s%d" % index)
            for index, (kind, change) in enumerate(changes)]
    return sffg.parse({"sffg": {"id": name, "saps": ends}})


def test_two_graphs_share_no_tunnel_and_no_address():
    there = graph_of("there", ("gre", {}), ("vxlan", {}), ("host-stack", {}), ("internal", {}))
    for change in (("gre", {"ttl": 9}), ("vxlan", {"ttl": 9}), ("host-stack", {"IPv4": "192.168.1.1/16"})):
        found = raises(Conflict, sffg.conflict, graph_of("new", ("internal", {}), change), [there])
        assert found.where == "saps[1]" and "of graph there" in found.message, found.message
        found = raises(Conflict, sffg.conflict, graph_of("new", change, change), [])
        assert found.where == "saps[1]" and "of this graph" in found.message, found.message
    by_dhcp = "host-stack", {"configuration": "dhcp", "IPv4": ""}
    sffg.conflict(graph_of("new", ("gre", {"gre-key": 8}), ("gre", {"remote-ip": "192.0.2.3"}),
                           ("vxlan", {"local-ip": "192.0.2.9"}), ("host-stack", {"IPv4": "192.168.1.2/24"}),
                           by_dhcp, by_dhcp, ("internal", {}), ("internal", {})), [there])


def test_saps_of_one_group_are_one_port_within_a_graph():
    """Where a rule of one is a rule of the other; not so those of two graphs, which have a port each."""
    def graph(one, other):
        ends = [dict(body("internal", {"internal-group": group})["sffg"]["saps"][0], id=name)
                for name, group in (("a", one), ("b", other))]
        rules = [{"id": name, "priority": 7, "match": {"port_in": "service-access-point:" + name}, "actions": {"drop": True}}
                 for name in ("a", "b")]
        return {"sffg": {"id": "g", "saps": ends, "flowrules": rules}}
    found = raises(Conflict, sffg.parse, graph("friends", "friends"))
    assert found.where == "flowrules[1].match" and "rule a and rule b" in found.message
    apart = graph("friends", "strangers")
    sffg.conflict(sffg.parse(apart), [sffg.parse(apart)])
    together = graph("friends", "friends")
    together["sffg"]["flowrules"][1]["match"]["ether_type"] = "0x0800"
    assert sffg.overlaps(sffg.parse(together)) == [("a", "b")]


def test_a_tunnel_is_a_device_in_words_of_ip():
    assert " ".join(saps.tunnel_device(one("gre"))) == \
        "type gretap local 192.0.2.1 remote 192.0.2.2 ttl 64 key 7 nopmtudisc ignore-df"
    assert " ".join(saps.tunnel_device(one("vxlan", {"ttl": 9}))) == \
        "type vxlan local 192.0.2.1 remote 192.0.2.2 ttl 9 id 7 dstport 4789 nolearning"
    for kind, key in (("gre", "gre-key"), ("vxlan", "vni"), ("vxlan", "port")):
        assert not saps.one_device(one(kind), one(kind, {key: 8}))
        assert saps.one_device(one(kind), one(kind, {"ttl": 8, "remote-ip": "192.0.2.9"}))
