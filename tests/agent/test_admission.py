"""Admission: what functions reserve, whatever is just being done with them."""
import json

import pytest

from composer import admission
from graphs import graph, sf
from world import Node


@pytest.fixture
def node(tmp_path):
    node = Node(tmp_path)
    node.folder = tmp_path
    return node


def template(node, **more):
    said = {"name": "f", "vnf-type": "native", "uri-image": "any.tgz", "ports": [{"position": "1-N", "min": 1}]}
    (node.folder / "f.json").write_text(json.dumps(dict(said, **more)))


def put(node, how="", **variables):
    return node.ask("PUT", "/graphs/g" + how, json.dumps(graph("g", [], [sf("x", "f", "a", **variables)])).encode())


def test_a_function_that_asks_for_another_amount_by_now_reserves_the_most_of_what_it_may_have(node):
    for before, after in ((1, 40), (40, 1)):
        template(node, **{"memory-size": before})
        assert put(node).status in (200, 201)
        template(node, **{"memory-size": after})
        assert put(node, "?confirm=60", VARIABLE="1").status == 200
        assert admission.resources(node.orchestrator)["memory"]["reserved"] == 40, "on trial it is the one, and may be the other again"
        node.ask("POST", "/graphs/g/confirm")
        assert admission.resources(node.orchestrator)["memory"]["reserved"] == after


def test_a_template_that_is_a_graph_is_read_once_for_a_graph_whatever_has_it(node):
    (node.folder / "f.graph").write_text(json.dumps({"sffg": {}}))
    template(node, **{"vnf-type": "graph", "uri-image": "f.graph", "ports": []})
    offer, known = admission.offer(node.orchestrator), node.orchestrator.templates
    assert offer.graph(known()[1]) is offer.graph(known()[1])
    (node.folder / "f.graph").write_text(json.dumps({"sffg": {"name": "another"}}))
    assert admission.offer(node.orchestrator).graph(known()[1]).name == "another"


def test_what_is_wrong_with_a_template_is_logged_once_until_it_changes(node, capsys):
    for value in ("1", "2"):
        template(node, **{"memory-size": value + value})
        (node.folder / "f.json").write_text((node.folder / "f.json").read_text() + " " * int(value))  # another size
        for path in ("/functions", "/node") * 2:
            node.ask("GET", path)
        said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("repository: ")]
        assert said == ["repository: template left out template=f.json why=memory-size: should be a number of MiB"]


def test_a_template_that_is_no_json_is_left_out_and_the_answer_is_json(node):
    template(node, attributes={"throughput": float("nan")})
    assert [one["template"] for one in node.ask("GET", "/functions").json()["functions"]] == ["bridge", "firewall", "strange"]
