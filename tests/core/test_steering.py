"""Traffic steering: the paper's Figure 8, Table 4, and links that are few and stay where they lead."""
from composer.core import names, saps, sffg, steering


def rules(*texts):
    """Return rules of a graph: "eth0 -> nat:1" or "eth0 -> nat:1, eth1"; what has a colon is a port of a function."""
    made = []
    for number, text in enumerate(texts):
        port_in, _, outs = text.partition(" -> ")
        made.append(sffg.Rule(str(number + 1), 10 + number, reference(port_in), [{"of": (number, 255)}],
                              [("dec_ttl", None)] + [("output", reference(out)) for out in outs.split(", ")], 0, ""))
    return made


def reference(port):
    return ("sf:" if ":" in port else "sap:") + port


def links(*texts, **kept):
    """Return {port: number}, ports without their "sap:" or "sf:"; `kept` has a port's colon as _."""
    before = dict([(reference(port.replace("_", ":")), kept[port]) for port in kept])
    found = steering.links(rules(*texts), before)
    return dict([(port.partition(":")[2], found[port]) for port in found])


def split(*texts):
    """Return (LSI-0's rules, the graph-LSI's) as texts."""
    given = rules(*texts)
    low = dict([(rule.id, int(rule.id)) for rule in given])
    return [[shown(rule) for rule in side] for side in steering.split(given, steering.links(given, {}), low)]


def shown(rule):
    """Return a steering rule as a text: of a rule of the graph its match and other actions, an onward one has none."""
    def port(name):
        return name.partition(":")[2] if name[0] == "s" else name.replace(":", " ")
    other = [kind for kind, _ in rule.actions if kind != "output"]
    outs = [port(value) for kind, value in rule.actions if kind == "output"]
    match = "" if rule.onward else " #%d" % (rule.matches[0]["of"][0] + 1)
    return "%s%s -> %s" % (port(rule.port_in), match, ", ".join(other + outs))


def test_the_papers_figure_8():
    """#1 goes to a NAT's port by a link, #2 to eth1 by the same link, #3 stays on one LSI."""
    figure = ("eth0 -> nat:1", "nat:2 -> eth1", "nat:1 -> fw:1")
    assert links(*figure) == {"nat:1": 0, "eth1": 0}
    lsi0, graph_lsi = split(*figure)
    assert lsi0 == ["eth0 #1 -> dec_ttl, link 0", "link 0 -> eth1"]
    assert graph_lsi == ["nat:2 #2 -> dec_ttl, link 0", "nat:1 #3 -> dec_ttl, fw:1", "link 0 -> nat:1"]


def test_a_rule_whose_ends_are_on_one_lsi_needs_no_link():
    assert links("eth0 -> eth1", "eth1 -> eth0", "f:1 -> f:2") == {}
    assert split("eth0 -> eth1", "f:1 -> f:2") == [["eth0 #1 -> dec_ttl, eth1"], ["f:1 #2 -> dec_ttl, f:2"]]


# the rules, their links: there are as many as the more of those up and down
MINIMAL = (
    ((), {}), (("eth0 -> f:1",), {"f:1": 0}), (("f:1 -> eth0",), {"eth0": 0}),
    (("eth0 -> f:1", "eth1 -> f:1", "f:2 -> f:1"), {"f:1": 0}),
    (("eth0 -> f:1", "eth0 -> f:2", "f:1 -> eth0"), {"f:1": 0, "f:2": 1, "eth0": 0}),
    (("f:1 -> eth0", "f:1 -> eth1", "f:1 -> eth2", "eth0 -> f:1"), {"eth0": 0, "eth1": 1, "eth2": 2, "f:1": 0}),
    (("eth0 -> f:1, eth1, f:2", "f:1 -> f:2, eth1"), {"f:1": 0, "f:2": 1, "eth1": 0}))


def test_links_are_as_few_as_algorithm_1_makes_them():
    for texts, found in MINIMAL:
        assert links(*texts) == found, texts
        up = len([port for port in found if ":" in port])
        assert len(set(found.values())) == max(up, len(found) - up), texts


def test_a_rule_with_outputs_on_both_lsis_is_on_its_own_and_goes_on_from_a_link():
    assert split("eth0 -> eth1, f:1, eth0, f:2") == [
        ["eth0 #1 -> dec_ttl, eth1, link 0, eth0, link 1"], ["link 0 -> f:1", "link 1 -> f:2"]]


def test_two_rules_to_one_port_go_on_once():
    assert split("eth0 -> f:1", "eth1 -> f:1")[1] == ["link 0 -> f:1"]


def test_a_link_that_is_still_needed_stays_and_one_that_is_not_goes():
    assert links("eth0 -> f:1", "eth0 -> f:2", f_2=3) == {"f:1": 0, "f:2": 3}
    assert links("eth0 -> f:1", f_1=1, f_2=0) == {"f:1": 1}
    assert links("eth0 -> eth1", f_1=1, eth0=0) == {}


def test_a_number_is_not_given_to_another_port_of_that_lsi_in_the_same_update():
    assert links("eth0 -> f:1", f_2=0) == {"f:1": 1}
    assert links("eth0 -> f:1", "eth0 -> f:3", f_2=0, f_3=2) == {"f:1": 1, "f:3": 2}
    assert links("eth0 -> f:1", "f:1 -> eth0", eth0=0) == {"f:1": 0, "eth0": 0}  # the other way is free


def test_what_a_steering_rule_is_of():
    lsi0, graph_lsi = steering.split(rules("eth0 -> f:1"), {"sf:f:1": 4}, {"1": 7})
    assert tuple(lsi0[0]) == (7, False, 10, "sap:eth0", [{"of": (0, 255)}], [("dec_ttl", None), ("output", "link:4")], 0)
    assert tuple(graph_lsi[0]) == (names.ONWARD | 4, True, 0, "link:4", [{}], [("output", "sf:f:1")], 0)


def test_a_graph_needs_an_lsi_if_it_has_functions_or_saps_that_are_on_one():
    sf = sffg.SF("f", "wire", [], None, {}, {}, (), "")
    near, far = [saps.SAP("s", kind, "", None, {}, "", "") for kind in ("internal", "gre")]
    for sfs, ends, needs in (((), (), False), ((), (near,), False), ((sf,), (near,), True), ((sf,), (), True),
                             ((), (near, far), True)):
        assert steering.needs_lsi(sffg.Graph("g", "", {}, list(sfs), list(ends), rules("eth0 -> eth1"), "", None)) is needs
