"""The OpenAPI description is whole, and it is true: of every route, of what is sent, and of what a node answers."""
import copy
import json
import re

import pytest

import corpus
import world
from composer import openapi, rest
from composer.core import actions, errors, matches, sffg
from graphs import both, graph, host_stack, internal, rule, sap, sf, tunnel

DOCUMENT = json.loads(json.dumps(openapi.document()))
SCHEMAS = DOCUMENT["components"]["schemas"]
OPERATIONS = {(method.upper(), path): operation for path, methods in DOCUMENT["paths"].items()
              for method, operation in methods.items()}
EXAMPLES = {name: one["value"] for name, one in OPERATIONS["POST", "/graphs"]["requestBody"]["content"][
    "application/json"]["examples"].items()}
WORDS = {"$ref", "type", "properties", "required", "additionalProperties", "items", "enum", "pattern", "oneOf", "anyOf",
         "allOf", "minimum", "maximum", "minItems", "minProperties", "maxProperties", "nullable", "description", "example"}
TYPES = {"string": str, "boolean": bool, "integer": int, "array": list, "object": dict, "number": (int, float)}


def misfits(schema, value, where="it"):
    """Return why a value does not fit a schema, a line each: the part of OpenAPI 3.0 that the description uses."""
    assert set(schema) <= WORDS, "the test does not know %s" % (set(schema) - WORDS)
    if "$ref" in schema:
        return misfits(resolved(schema["$ref"]), value, where)
    if value is None and schema.get("nullable"):
        return []
    found = []
    if "type" in schema and (not isinstance(value, TYPES[schema["type"]])
                             or isinstance(value, bool) and schema["type"] == "integer"):
        return ["%s: %r is no %s" % (where, value, schema["type"])]
    if "enum" in schema and (type(value), value) not in [(type(one), one) for one in schema["enum"]]:
        found.append("%s: %r is none of %s" % (where, value, schema["enum"]))
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        found.append("%s: %r is not like %s" % (where, value, schema["pattern"]))
    if isinstance(value, (int, float)) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        found.append("%s: %r is out of range" % (where, value))
    if isinstance(value, list):
        found += ["%s: is too short" % where] * (len(value) < schema.get("minItems", 0))
        for index, one in enumerate(value):
            found += misfits(schema.get("items", {}), one, "%s[%d]" % (where, index))
    if isinstance(value, dict):
        found += object_misfits(schema, value, where)
    for combined, allowed in (("oneOf", (1,)), ("anyOf", range(1, 99)), ("allOf", (len(schema.get("allOf", ())),))):
        if combined in schema:
            results = [misfits(one, value, where) for one in schema[combined]]
            if results.count([]) not in allowed:
                found.append("%s: fits %d of %s: %s" % (where, results.count([]), combined, results))
    return found


def object_misfits(schema, value, where):
    properties, more = schema.get("properties", {}), schema.get("additionalProperties", True)
    found = ["%s.%s: is missing" % (where, key) for key in schema.get("required", ()) if key not in value]
    if not schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", len(value)):
        found.append("%s: has %d keys" % (where, len(value)))
    for key, one in value.items():
        if key in properties:
            found += misfits(properties[key], one, "%s.%s" % (where, key))
        elif more is False:
            found.append("%s.%s: is not known" % (where, key))
        elif more is not True:
            found += misfits(more, one, "%s.%s" % (where, key))
    return found


def resolved(reference):
    start, name = reference.rsplit("/", 1)
    assert start == "#/components/schemas"
    return SCHEMAS[name]


def within(value, key):
    """Yield what stands under a key, wherever it is in a value."""
    if isinstance(value, dict):
        for name, one in value.items():
            if name == key:
                yield one
            yield from within(one, key)
    elif isinstance(value, list):
        for one in value:
            yield from within(one, key)


# The description is whole.


def test_every_route_is_described_and_nothing_else():
    routes = [(one.method, re.sub("<([a-z_]+)(:path)?>", r"{\1}", one.rule)) for one in rest.application(None).routes]
    assert sorted(routes) == sorted(OPERATIONS)


def test_the_document_is_an_openapi_document():
    assert DOCUMENT["openapi"] == "3.0.3" and DOCUMENT["info"]["title"] and DOCUMENT["info"]["version"]
    names = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(set(names)) == len(names)
    for (method, path), operation in OPERATIONS.items():
        assert operation["summary"] and operation["responses"]
        for status, response in operation["responses"].items():
            assert re.fullmatch("[1-5][0-9][0-9]|default", status) and response["description"], (method, path, status)
        assert ("requestBody" in operation) <= (method in ("POST", "PUT"))


def test_every_parameter_of_a_path_is_declared_and_all_have_schemas():
    for (_, path), operation in OPERATIONS.items():
        parameters = operation.get("parameters", [])
        declared = [one["name"] for one in parameters if one["in"] == "path" and one["required"] is True]
        assert sorted(declared) == sorted(re.findall("{(.*?)}", path))
        assert all(one["in"] in ("path", "query", "header") and one["schema"] for one in parameters)
        assert len({(one["in"], one["name"]) for one in parameters}) == len(parameters)


def test_every_reference_leads_somewhere_and_every_schema_is_used():
    references = set(within(DOCUMENT, "$ref"))
    assert {reference.rsplit("/", 1)[1] for reference in references} == set(SCHEMAS)
    for reference in references:
        assert resolved(reference)


def test_the_document_is_made_anew_for_who_asks():
    one = openapi.document()
    one["paths"].clear()
    assert openapi.document()["paths"]


def test_the_refusals_are_those_that_there_are():
    known = {str(one.status) for one in vars(errors).values() if isinstance(one, type) and hasattr(one, "status")}
    told = {status for operation in OPERATIONS.values() for status in operation["responses"] if status[0] in "45"}
    assert told == known | {"413"}


# The graphs.


def test_the_examples_are_graphs_of_one_meaning():
    one, other = [sffg.parse(EXAMPLES[name]) for name in ("SF-FG", "NF-FG")]
    for part, places in (("sfs", 1), ("saps", 2), ("rules", 1)):
        assert [one[:-places] for one in getattr(one, part)] == [two[:-places] for two in getattr(other, part)]


@pytest.mark.parametrize("body", list(EXAMPLES.values()) + corpus.graphs("eth0"))
def test_a_good_graph_fits_the_schema(body):
    sffg.parse(body)
    assert misfits(SCHEMAS["Graph"], body) == []


@pytest.mark.parametrize("key", matches.KNOWN)
def test_every_key_of_a_match_is_in_the_schema(key):
    assert key in SCHEMAS["Match"]["properties"]


def test_the_schema_has_the_keys_that_are_read_and_no_others():
    def keys(schema):
        return set(schema["properties"])
    inner = SCHEMAS["SFFG"]["properties"]["sffg"]
    assert (keys(inner), keys(SCHEMAS["SF"]), keys(SCHEMAS["Port"]), keys(SCHEMAS["Rule"])) == (
        set(sffg.GRAPH_KEYS), set(sffg.SF_KEYS), set(sffg.PORT_KEYS), set(sffg.RULE_KEYS))
    assert keys(SCHEMAS["Match"]) == set(matches.KNOWN)
    one_object = SCHEMAS["Rule"]["properties"]["actions"]["oneOf"][0]
    assert keys(one_object) == set(actions.ORDER) - {"output_to_controller"}


PORT = {"id": "a", "mac": "02:00:00:00:00:01", "trusted": True}
GOOD = graph("g", [sap("lan", "eth0"), tunnel("gre", "192.0.2.1", "192.0.2.2", 7), host_stack("me", "192.168.1.1/24"),
                   internal("in", "friends"), tunnel("vxlan", "192.0.2.1", "192.0.2.2", 7)], [sf("fw", "firewall", PORT, A="b")],
             rule("1", "lan", {"set_vlan_id": 5}, "fw:a", protocol="tcp", dest_port=80))
BAD = [  # where, and what is put there; None takes it away
    ("sffg.id", "a b"), ("sffg.id", "x" * 65), ("sffg.id", 5), ("sffg.SFs", {}), ("sffg.SFs", [5]), ("sffg.saps", "x"),
    ("sffg.more", 1), ("more", 1), ("sffg", []), ("sffg.SFs.0.id", None), ("sffg.SFs.0.ports.0.id", "a b"),
    ("sffg.SFs.0.ports.0.mac", "02:00"), ("sffg.SFs.0.ports.0.more", 1), ("sffg.SFs.0.more", 1), ("sffg.SFs.0.variables.A", 5),
    ("sffg.SFs.0.variables", []), ("sffg.saps.0.type", "wifi"), ("sffg.saps.0.interface", None), ("sffg.saps.0.more", 1),
    ("sffg.saps.0.interface.if-name", None), ("sffg.saps.1.gre.local-ip", None), ("sffg.saps.1.gre.remote-ip", "host"),
    ("sffg.saps.1.gre.gre-key", None), ("sffg.saps.1.gre.gre-key", 1 << 32), ("sffg.saps.1.gre.ttl", 256),
    ("sffg.saps.1.gre.vni", 7), ("sffg.saps.1.gre.secure", "perhaps"), ("sffg.saps.1.gre", []), ("sffg.saps.1.type", "vxlan"),
    ("sffg.saps.2.host-stack.configuration", "manual"), ("sffg.saps.2.host-stack.configuration", None),
    ("sffg.saps.2.host-stack.IPv4", "192.168.1.1"), ("sffg.saps.2.host-stack.mac", "02:00"), ("sffg.saps.2.host-stack.IPv6", ""),
    ("sffg.saps.3.internal.internal-group", "a b"), ("sffg.saps.3.internal.group", "a"), ("sffg.saps.3.internal", None),
    ("sffg.saps.4.vxlan.vni", 1 << 24), ("sffg.saps.4.vxlan.port", 0), ("sffg.saps.4.vxlan.gre-key", 1), ("sffg.flowrules.0.id", None), ("sffg.flowrules.0.priority", None),
    ("sffg.flowrules.0.actions", None), ("sffg.flowrules.0.priority", 65536),
    ("sffg.flowrules.0.priority", "high"), ("sffg.flowrules.0.match", None), ("sffg.flowrules.0.match.port_in", "lan"),
    ("sffg.flowrules.0.match.port_in", None), ("sffg.flowrules.0.match.dest_port", 65536),
    ("sffg.flowrules.0.match.dst_port", 80),
    ("sffg.flowrules.0.match.vlan_id", "SOME"), ("sffg.flowrules.0.match.dest_mac", "x"), ("sffg.flowrules.0.match.ip_dscp", 64),
    ("sffg.flowrules.0.actions", []), ("sffg.flowrules.0.actions", "drop"), ("sffg.flowrules.0.actions.0", {}),
    ("sffg.flowrules.0.actions.0", {"pop_vlan": True, "drop": True}), ("sffg.flowrules.0.actions.0.set_vlan_id", 4095),
    ("sffg.flowrules.0.actions.0", {"output": "x"}), ("sffg.flowrules.0.actions", {"output_to_controller": True}),
]


@pytest.mark.parametrize("where, value", BAD, ids=["%s=%.20r" % pair for pair in BAD])
def test_a_bad_graph_neither_fits_nor_is_read(where, value):
    assert misfits(SCHEMAS["Graph"], GOOD) == [] and sffg.parse(GOOD)
    body = copy.deepcopy(GOOD)
    *path, last = [int(part) if part.isdigit() else part for part in where.split(".")]
    place = body
    for part in path:
        place = place[part]
    if value is None:
        del place[last]
    else:
        place[last] = value
    with pytest.raises(errors.Refused):
        sffg.parse(body)
    assert misfits(SCHEMAS["Graph"], body) != []


# What a node answers.


@pytest.fixture
def node(tmp_path):
    return world.Node(tmp_path)


@pytest.fixture
def ask(node):
    """Ask the node; return (the operation, status), which must be described, as must be what is answered."""
    def ask(method, path, body=None, **headers):
        answer = node.ask(method, path, b"" if body is None else json.dumps(body).encode(), **headers)
        operation = [(known, one) for (known, template), one in OPERATIONS.items() if known == method
                     and re.fullmatch(re.sub("{.*?}", "[^/?]+", template), path.partition("?")[0])]
        operation = min([one for _, one in operation], key=lambda one: len(one.get("parameters", ())))
        response = operation["responses"].get(str(answer.status))
        assert response, "%s %s: %d is not described: %s" % (method, path, answer.status, answer.body)
        if "content" in response:
            (kind, content), = response["content"].items()
            assert answer.headers["Content-Type"].startswith(kind)
            value = answer.json() if "json" in kind else answer.body.decode()
            assert misfits(content["schema"], value) == [], "%s %s: %s" % (method, path, value)
        else:
            assert answer.body == b""
        if answer.status != 202 or headers:  # FROG's 202 comes when all is done
            assert set(response.get("headers", {})) <= set(answer.headers)
        return operation["operationId"], answer.status
    return ask


HOME = graph("home", [sap("a", world.INTERFACE)], [sf("fw", "firewall", "in", "out")], *both("r", "a", "fw:in"))
OTHER = graph("other", [sap("a", world.INTERFACE)], [], rule("1", "a", "a", priority=9))
NFFG = {"forwarding-graph": {"end-points": [sap("a", world.INTERFACE)]}}
NOW = {"Prefer": "respond-async"}
ASKED = [
    ("GET", "/health", None, 200), ("GET", "/node", None, 200), ("GET", "/functions", None, 200), ("GET", "/metrics", None, 200),
    ("GET", "/events", None, 200), ("GET", "/events?since=1", None, 200), ("GET", "/events?since=x", None, 400),
    ("GET", "/openapi.json", None, 200), ("POST", "/login", {}, 400),
    ("POST", "/login", {"username": "a", "password": "b"}, 200),
    ("GET", "/graphs", None, 200), ("POST", "/graphs?dry-run=1", HOME, 200),
    ("POST", "/graphs?confirm=60", HOME, 201), ("POST", "/graphs/home/confirm", None, 200), ("POST", "/graphs/home/confirm", None, 409),
    ("POST", "/graphs", HOME, 409), ("PUT", "/graphs/home", HOME, 200),
    ("PUT", "/graphs/home?dry-run=true", HOME, 200), ("PUT", "/graphs/other", HOME, 400), ("POST", "/graphs?dry=1", OTHER, 400),
    ("PUT", "/graphs/other", OTHER, 201), ("GET", "/graphs/home", None, 200), ("GET", "/graphs/nope", None, 404),
    ("GET", "/graphs/home/status", None, 200), ("GET", "/graphs/nope/status", None, 404),
    ("GET", "/graphs/home/trace?port_in=sap:x", None, 400), ("GET", "/graphs/home/trace?port_in=sap:a&protocol=tcp", None, 200),
    ("GET", "/graphs/nope/trace?port_in=sap:a", None, 404), ("POST", "/graphs/home/functions/fw/pause", None, 200),
    ("POST", "/graphs/home/functions/nope/pause", None, 404), ("POST", "/graphs/home/functions/fw/jump", None, 404),
    ("GET", "/graphs/home/status", None, 200), ("GET", "/graphs", None, 200), ("GET", "/NF-FG", None, 200),
    ("GET", "/NF-FG/", None, 200), ("POST", "/NF-FG", NFFG, 201), ("POST", "/NF-FG/", NFFG, 201), ("PUT", "/NF-FG/n", NFFG, 202),
    ("POST", "/NF-FG", {}, 400), ("PUT", "/NF-FG/n", {"sffg": {"id": "m"}}, 400), ("GET", "/NF-FG/n", None, 200),
    ("GET", "/NF-FG/status/n", None, 200), ("GET", "/NF-FG/status/nope", None, 404), ("GET", "/NF-FG/nope", None, 404),
    ("DELETE", "/NF-FG/n", None, 204), ("DELETE", "/NF-FG/n", None, 404), ("DELETE", "/graphs/other", None, 204),
    ("DELETE", "/graphs/other", None, 404),
]


def test_what_a_node_answers_is_described(ask):
    done = set()
    for method, path, body, status in ASKED:
        operation, answered = ask(method, path, body)
        assert answered == status, "%s %s: %d" % (method, path, answered)
        done.add(operation)
    assert done == {operation["operationId"] for operation in OPERATIONS.values()}


TRACE = """\
Flow: in_port=lo

bridge("lsi0")
--------------
 0. priority 0, cookie 0x1
    goto_table:1
 1. in_port=lo, priority 9, cookie 0x100000001
    output:l1v0

Final flow: unchanged
Datapath actions: l1v0
"""


def test_the_way_of_a_packet_is_described(ask, node):
    ask("PUT", "/graphs/home", HOME)
    run = node.world.run
    node.world.run = lambda step: TRACE if step.words[0] == "ovs-appctl" else run(step)
    assert ask("GET", "/graphs/home/trace?port_in=sap:a")[1] == 200
    assert len(node.ask("GET", "/graphs/home/trace?port_in=sap:a").json()["hops"]) == 2


def test_what_is_answered_before_it_is_done_is_described(ask):
    for method, path, body in (("POST", "/graphs", HOME), ("PUT", "/graphs/home", HOME), ("POST", "/NF-FG", NFFG),
                               ("PUT", "/NF-FG/n", NFFG), ("POST", "/graphs/home/functions/fw/stop", None),
                               ("DELETE", "/graphs/home", None), ("DELETE", "/NF-FG/n", None)):
        assert ask(method, path, body, **NOW)[1] == 202


def test_a_node_that_cannot_is_described(ask, node):
    node.orchestrator.known, node.orchestrator.problem = False, "the switch is away"
    assert ask("GET", "/health") == ("getHealth", 503)
    for number in range(8):
        ask("PUT", "/graphs/g%d" % number, OTHER | {"sffg": dict(OTHER["sffg"], id="g%d" % number)}, **NOW)
    assert ask("PUT", "/graphs/home", HOME)[1] == ask("POST", "/NF-FG", NFFG)[1] == 503


def test_what_is_told_of_a_function_that_is_a_graph_is_described(ask, tmp_path):
    body = graph("t", [sap("a", "eth0"), sap("b", "eth1")], [sf("x", "half", "a", "b")],
                 *both("1", "a", "x:a"), rule("2", "a", "x:a", ether_type=0x800))
    (tmp_path / "whole.graph").write_text(json.dumps(body))
    for name, more in (("whole", {"vnf-type": "graph", "uri-image": "whole.graph"}), ("half", {"memory-size": 0.5})):
        (tmp_path / (name + ".json")).write_text(json.dumps(dict(world.TEMPLATES[1], **{
            "name": name, "functional-capability": name, "ports": [{"position": "1-2", "min": 2}]}, **more)))
    ask("PUT", "/graphs/g", graph("g", [], [sf("y", "whole", "a", "b")]))
    assert ask("GET", "/graphs/g/status") == ("getStatus", 200) and ask("GET", "/functions") == ("listFunctions", 200)
