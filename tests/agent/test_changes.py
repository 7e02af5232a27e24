"""Changes: what a verb does to a function, whatever that is made of."""
import json

import world
from graphs import both, graph, sap, sf


def test_a_function_that_is_a_graph_without_functions_takes_every_verb(tmp_path):
    node = world.Node(tmp_path)
    (tmp_path / "wire.graph").write_text(json.dumps(graph("t", [sap("a", "eth0"), sap("b", "eth1")], [], *both("1", "a", "b"))))
    (tmp_path / "wire.json").write_text(json.dumps({"name": "wire", "vnf-type": "graph", "uri-image": "wire.graph"}))
    body = graph("g", [], [sf("x", "wire", "a", "b")])
    assert node.ask("PUT", "/graphs/g", json.dumps(body).encode()).status == 201
    before = str(node.world)
    for verb in ("start", "stop", "pause", "resume", "restart"):
        assert node.ask("POST", "/graphs/g/functions/x/" + verb).json() == {"id": "x", "outcome": "done"}
    assert node.ask("POST", "/graphs/g/functions/y/stop").status == 404 and str(node.world) == before
