"""Templates: what one says of its function, and which port of a graph has which position."""
from composer.core import sffg, templates
from test_resolver import NFT, OLD, template

ANY = {"ports": [{"position": "1-N", "min": 2}]}
LABELS = {"ports": [{"position": "1-1", "label": "control"}, {"position": "2-N", "label": "inout", "min": 1}]}
TWO = {"ports": [{"position": "1-2", "label": "inout"}]}


def test_a_function_may_take_what_its_template_says():
    for said, memory, pids, cpu in (
            ({}, templates.MEMORY, templates.PIDS, 1), ({"memory-size": 100}, 116, templates.PIDS, 1),
            ({"CPUrequirements": {"socket": [{"coreNumbers": 2}, {"coreNumbers": 1}]}}, templates.MEMORY, templates.PIDS, 3),
            ({"memory-size": 8, "limits": {"memory": 9, "pids": 5, "cpu": 0.5}}, 9, 5, 0.5)):
        assert templates.limits(said) == {"memory": memory, "pids": pids, "cpu": cpu}


def test_a_function_is_counted_with_what_its_template_says():
    assert templates.needs({}) == {"memory": 0, "cpu": 0}
    assert templates.needs({"memory-size": 8, "CPUrequirements": {"socket": [{"coreNumbers": 2}, {}]}}) == {"memory": 8, "cpu": 2}


def test_a_version_is_numbers():
    for text, found in (("1.2.10", [1, 2, 10, 0]), ("2", [2, 0, 0, 0]), ("", [0] * 4), ("v3.1", [3, 1, 0, 0]), (7, [7, 0, 0, 0]),
                        ("1.2rc1", [1, 2, 0, 0]), ("1.2.3.4.5", [1, 2, 3, 4])):
        assert templates.version({"version": text}) == found


# template, the graph's ports, positions of before: positions
POSITIONS = (
    (NFT, ("x", "y"), {}, {"x": 0, "y": 1}), (NFT, ("outside:0", "inside:0"), {}, {"outside:0": 1, "inside:0": 0}),
    (NFT, ("outside:0", "y"), {}, {"outside:0": 1, "y": 0}),
    (NFT, ("outside:1", "y"), {}, {"outside:1": 0, "y": 1}),
    (NFT, ("b", "a"), {"a": 0}, {"a": 0, "b": 1}), (NFT, ("a", "b"), {"a": 1, "b": 0}, {"a": 1, "b": 0}),
    (NFT, ("a", "b"), {"a": 1}, {"a": 1, "b": 0}), (NFT, ("a",), {}, None), (NFT, ("a", "b", "c"), {}, None),
    (LABELS, ("inout:1", "inout:0", "control:0"), {}, {"inout:1": 2, "inout:0": 1, "control:0": 0}),
    (LABELS, ("a", "inout:0", "b"), {}, {"a": 0, "inout:0": 1, "b": 2}),
    (LABELS, ("inout:x", "inout:"), {}, {"inout:x": 0, "inout:": 1}),
    (ANY, ("a", "b", "c", "d"), {"d": 7}, {"d": 7, "a": 0, "b": 1, "c": 2}),
    (TWO, ("a", "b"), {"a": 5}, {"a": 0, "b": 1}))  # another template, which has not that many


def test_a_port_goes_where_its_label_says_else_to_the_next_free_position_and_stays():
    for said, names, kept, found in POSITIONS:
        ports = [sffg.Port(name, "", None, False, "") for name in names]
        assert templates.positions(ports, said, kept) == found, (names, kept)


# ports of a template: the least and the most that it has
RANGES = (([], (0, 0)), ([{"position": "1-2"}], (2, 2)), ([{"position": "1-N"}], (0, None)),
          ([{"position": "1-N", "min": 2}], (2, None)),
          ([{"position": "1-2", "min": 1}, {"position": "3-3"}], (2, 3)),
          ([{"position": "1-2"}, {"position": "3-N", "min": "1"}], (3, None)), ([{}], (0, None)))


def test_a_template_says_how_many_ports_it_has():
    for ports, found in RANGES:
        assert templates.port_range({"ports": ports}) == found, ports
    assert templates.port_range({}) == (0, 0)


def test_the_functions_of_a_node_are_told_by_name():
    assert templates.functions([NFT, OLD, template("b", functional_capability="bridge"), {"name": "plain"}]) == [
        "bridge", "firewall", "plain"]
