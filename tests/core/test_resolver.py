"""The resolver: which template a function is made from, why the others are not, and which port has which position."""
from composer.core import resolver, sffg
from composer.core.errors import BadGraph, Conflict
from expect import raises

FIREWALL = {"name": "fw-nft", "functional-capability": "firewall", "vnf-type": "native", "path": "/nsf/fw.tgz",
            "digest": "d1",
            "memory-size": 4, "dependencies": ["nft"], "attributes": {"ipv6": True, "throughput": 1000},
            "ports": [{"position": "1-1", "label": "inside"}, {"position": "2-2", "label": "outside"}]}
SMALL = dict(FIREWALL, name="fw-small", digest="d2", **{"memory-size": 2})
DOCKER = dict(FIREWALL, name="fw-docker", digest="d3", **{"vnf-type": "docker", "memory-size": 1})
BRIDGE = {"name": "bridge", "functional-capability": "bridge", "vnf-type": "native", "path": "/nsf/bridge.tgz",
          "digest": "d4",
          "ports": [{"position": "1-N", "min": 2}]}


class Offer:
    """What a node has."""

    def __init__(self, types=("native",), programs=("nft",)):
        self.types, self.programs = dict([(kind, None) for kind in types]), programs

    def has(self, dependency):
        return dependency in self.programs


def images(templates, offer=None, placed=None, read=None, ports=("1", "2"), **sf):
    """Return what function f of a graph is made from."""
    body = dict({"id": "f", "name": "firewall", "ports": [{"id": port} for port in ports]}, **sf)
    return resolver.resolve(sffg.parse({"sffg": {"SFs": [body]}}, "g"), templates, offer or Offer(), placed or {}, read)["f"]


def test_a_function_is_made_from_the_template_that_has_it():
    assert images([BRIDGE, FIREWALL]) == {"type": "native", "template": "fw-nft", "image": "/nsf/fw.tgz", "digest": "d1",
                                          "limits": {"memory": 20, "pids": 64, "cpu": 1}, "positions": {"1": 0, "2": 1}}


def test_a_function_may_take_what_its_template_says():
    for template, memory, pids, cpu in (
            ({}, resolver.MEMORY, resolver.PIDS, 1), ({"memory-size": 100}, 116, resolver.PIDS, 1),
            ({"CPUrequirements": {"socket": [{"coreNumbers": 2}, {"coreNumbers": 1}]}}, resolver.MEMORY, resolver.PIDS, 3),
            ({"memory-size": 8, "limits": {"memory": 9, "pids": 5, "cpu": 0.5}}, 9, 5, 0.5)):
        assert resolver.limits(template) == {"memory": memory, "pids": pids, "cpu": cpu}


# templates, what the node offers: the one that is taken
BEST = (
    ([FIREWALL, SMALL], Offer(), "fw-small"), ([SMALL, FIREWALL], Offer(), "fw-small"),
    ([DOCKER, FIREWALL], Offer(("native", "docker")), "fw-nft"), ([DOCKER, FIREWALL], Offer(("docker",)), "fw-docker"),
    ([dict(SMALL, dependencies=["gone"]), FIREWALL], Offer(), "fw-nft"),
    ([dict(FIREWALL, name="b"), dict(FIREWALL, name="a")], Offer(), "a"))


def test_of_those_that_can_run_native_is_best_then_the_least_memory_then_the_name():
    for templates, offer, name in BEST:
        assert images(templates, offer)["template"] == name


def test_a_graph_may_name_its_template():
    for name in "fw-nft", "fw-nft.json":
        assert images([SMALL, FIREWALL], template=name)["template"] == "fw-nft"
    assert "no template has it" in raises(Conflict, lambda: images([FIREWALL], template="other")).message


def test_a_graph_may_bring_its_template():
    assert images([], template={"name": "mine"}, read=lambda given: dict(FIREWALL, name=given["name"]))["template"] == "mine"

    def read(given):
        raise ValueError("uri-image: is missing")
    refusal = raises(BadGraph, lambda: images([], template={}, read=read))
    assert (refusal.where, refusal.message) == ("SFs[0].template", "uri-image: is missing")


# template, what the function asks for, what the node offers, words of the refusal
REFUSED = (
    (BRIDGE, {}, Offer(), "no template has it, there are bridge"),
    (DOCKER, {}, Offer(), "template fw-docker: needs docker, this node offers native"),
    (DOCKER, {}, Offer(()), "this node offers nothing"),
    (FIREWALL, {}, Offer(programs=()), "template fw-nft: nft is missing on this node"),
    (dict(FIREWALL, dependencies=["a", "b"]), {}, Offer(), "a and b is missing"),
    (FIREWALL, {"constraints": {"ipv6": False}}, Offer(), "ipv6 is True, wanted is False"),
    (FIREWALL, {"constraints": {"throughput": 1001}}, Offer(), "throughput is 1000, wanted is 1001"),
    (FIREWALL, {"constraints": {"colour": "red"}}, Offer(), "colour is None, wanted is"),
    (FIREWALL, {"ports": ()}, Offer(), "has 2 ports, wanted are 0"),
    (FIREWALL, {"ports": ("1", "2", "3")}, Offer(), "has 2 ports, wanted are 3"),
    (BRIDGE, {"name": "bridge", "ports": ("1",)}, Offer(), "has 2 to any number of ports, wanted are 1"))


def test_a_function_that_cannot_run_is_told_which_condition_failed_for_which_template():
    for template, sf, offer, words in REFUSED:
        refusal = raises(Conflict, lambda: images([template], offer, **sf))
        assert refusal.where == "SFs[0]" and words in refusal.message, str(refusal)


def test_every_template_that_was_refused_is_named():
    message = raises(Conflict, lambda: images([DOCKER, dict(FIREWALL, dependencies=["gone"])])).message
    assert "fw-docker: needs docker" in message and "fw-nft: gone is missing" in message


def test_a_number_offers_itself_and_less_and_anything_else_itself():
    for constraints in ({"throughput": 1000}, {"throughput": 10}, {"ipv6": True}, {"ipv6": True, "throughput": 1}):
        assert images([FIREWALL], constraints=constraints)["template"] == "fw-nft", constraints


LABELS = {"ports": [{"position": "1-1", "label": "control"}, {"position": "2-N", "label": "inout", "min": 1}]}
TWO = {"ports": [{"position": "1-2", "label": "inout"}]}

# template, the graph's ports, positions of before: positions
POSITIONS = (
    (FIREWALL, ("x", "y"), {}, {"x": 0, "y": 1}), (FIREWALL, ("outside:0", "inside:0"), {}, {"outside:0": 1, "inside:0": 0}),
    (FIREWALL, ("outside:0", "y"), {}, {"outside:0": 1, "y": 0}),
    (FIREWALL, ("outside:1", "y"), {}, {"outside:1": 0, "y": 1}),
    (FIREWALL, ("b", "a"), {"a": 0}, {"a": 0, "b": 1}), (FIREWALL, ("a", "b"), {"a": 1, "b": 0}, {"a": 1, "b": 0}),
    (FIREWALL, ("a", "b"), {"a": 1}, {"a": 1, "b": 0}), (FIREWALL, ("a",), {}, None), (FIREWALL, ("a", "b", "c"), {}, None),
    (LABELS, ("inout:1", "inout:0", "control:0"), {}, {"inout:1": 2, "inout:0": 1, "control:0": 0}),
    (LABELS, ("a", "inout:0", "b"), {}, {"a": 0, "inout:0": 1, "b": 2}),
    (LABELS, ("inout:x", "inout:"), {}, {"inout:x": 0, "inout:": 1}),
    (BRIDGE, ("a", "b", "c", "d"), {"d": 7}, {"d": 7, "a": 0, "b": 1, "c": 2}),
    (TWO, ("a", "b"), {"a": 5}, {"a": 0, "b": 1}))  # another template, which has not that many


def test_a_port_goes_where_its_label_says_else_to_the_next_free_position_and_stays():
    for template, names, kept, found in POSITIONS:
        ports = [sffg.Port(name, "", None, False, "") for name in names]
        assert resolver.positions(ports, template, kept) == found, (names, kept)


def test_a_function_keeps_the_positions_of_its_ports():
    before = {"f": {"ports": [{"id": "2", "number": 0}, {"id": "1", "number": 1}]}}
    assert images([FIREWALL], placed=before)["positions"] == {"1": 1, "2": 0}


# ports of a template: the least and the most that it has
RANGES = (([], (0, 0)), ([{"position": "1-2"}], (2, 2)), ([{"position": "1-N"}], (0, None)),
          ([{"position": "1-N", "min": 2}], (2, None)),
          ([{"position": "1-2", "min": 1}, {"position": "3-3"}], (2, 3)),
          ([{"position": "1-2"}, {"position": "3-N", "min": "1"}], (3, None)), ([{}], (0, None)))


def test_a_template_says_how_many_ports_it_has():
    for ports, found in RANGES:
        assert resolver.port_range({"ports": ports}) == found, ports
    assert resolver.port_range({}) == (0, 0)


def test_the_functions_of_a_node_are_told_by_name():
    assert resolver.functions([BRIDGE, FIREWALL, SMALL, {"name": "plain"}]) == ["bridge", "firewall", "plain"]
