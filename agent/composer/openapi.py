"""The OpenAPI description of the REST API, made when it is asked for.

A line of ROUTES is an operation; what it answers is a text of `status schema`, a status alone is an Error.  The
schema of a graph is made of the tables that graphs are read with, so it says what they say.
"""
from . import __version__
from .core import actions, matches, saps

ID = {"type": "string", "pattern": "^[A-Za-z0-9_.-]{1,64}$"}
SF_ID = {"type": "string", "pattern": "^[A-Za-z0-9_./-]{1,1600}$", "description": "a/b: function b, or a rule, of what function a is made of"}
PORT_ID = {"type": "string", "pattern": "^[A-Za-z0-9_.:-]{1,64}$"}
MAC = {"type": "string", "pattern": "^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$", "example": "02:00:00:00:00:01"}
TEXT, TRUTH, NUMBER, EMPTY = {"type": "string"}, {"type": "boolean"}, {"type": "integer"}, {"enum": [""]}
IPV4 = "[0-9]{1,3}([.][0-9]{1,3}){3}"
YES = {"enum": [True, "true", "True", 1, "", {}, None], "nullable": True, "description": "true, or left out"}
REFUSED = ", 400, 401, 403, 409, 412, 413, 500, 503, 507"  # what a write of a graph may be answered

# method, path, operation, what it does, what it takes, what it answers
ROUTES = (
    ("get", "/graphs", "listGraphs", "The graphs of the node", "", "200 Graphs, 401"),
    ("post", "/graphs", "postGraph", "Deploy a graph; one without an id gets one", "dry-run confirm prefer graph",
     "201 Outcome, 200 Plan, 202 Accepted" + REFUSED),
    ("get", "/graphs/{graph_id}", "getGraph", "A graph as it was given; PUT takes it back", "",
     "200 Graph, 401, 403, 404"),
    ("put", "/graphs/{graph_id}", "putGraph", "Deploy a graph, or update it to what the body says; what has not "
     "changed is not touched", "dry-run confirm prefer graph", "201 Outcome, 200 Outcome|Plan, 202 Accepted" + REFUSED),
    ("delete", "/graphs/{graph_id}", "deleteGraph", "Take a graph down", "confirm prefer",
     "204, 200 Outcome, 202 Accepted, 400, 401, 403, 404, 500, 503, 507"),
    ("get", "/graphs/{graph_id}/status", "getStatus", "How a graph and its functions are; of one that failed and is "
     "gone too", "", "200 Status, 401, 403, 404"),
    ("post", "/graphs/{graph_id}/confirm", "confirm", "Have a change stay that is on trial", "", "200 Outcome, 401, 403, 409, 507"),
    ("get", "/graphs/{graph_id}/trace", "trace", "The way of a packet through the LSIs, with the rules' counters",
     "packet", "200 Way, 400, 401, 403, 404, 500"),
    ("post", "/graphs/{graph_id}/functions/{sf_id}/{verb}", "actOnFunction", "Start, stop, pause, resume or restart a "
     "function", "prefer", "200 Outcome, 202 Accepted, 400, 401, 403, 404, 409, 500, 503, 507"),
    ("get", "/node", "getNode", "What the node is and has: the domain description", "shape", "200 Node, 400, 401"),
    ("get", "/functions", "listFunctions", "What functions there are, and why one cannot run here", "",
     "200 Functions, 401"),
    ("get", "/health", "getHealth", "Whether the node carries out changes", "", "200 Health, 503 Health"),
    ("get", "/events", "listEvents", "What happened on this node, the last of it; each event has a number", "since",
     "200 Events, 400, 401, 403"),
    ("get", "/metrics", "getMetrics", "Counters, as Prometheus reads them", "", "200 Metrics, 401, 403"),
    ("get", "/openapi.json", "getDescription", "This description", "", "200 Description"),
    ("post", "/login", "login", "A token for a user; without users any name gets one, and nobody asks for it", "login",
     "200 Token, 400, 401, 503"),
    ("get", "/NF-FG", "listNffgs", "The graphs, for FROG", "", "200 NffgList, 401"),
    ("get", "/NF-FG/", "listNffgsSlash", "The graphs, for FROG", "", "200 NffgList, 401"),
    ("post", "/NF-FG", "postNffg", "Deploy a graph, for FROG", "prefer graph", "201 Nffg, 202 Accepted" + REFUSED),
    ("post", "/NF-FG/", "postNffgSlash", "Deploy a graph, for FROG", "prefer graph", "201 Nffg, 202 Accepted" + REFUSED),
    ("get", "/NF-FG/{graph_id}", "getNffg", "A graph, for FROG", "", "200 Graph, 401, 403, 404"),
    ("put", "/NF-FG/{graph_id}", "putNffg", "Deploy or update a graph, for FROG; answered when it is done",
     "prefer graph", "202 Nffg|Accepted" + REFUSED),
    ("delete", "/NF-FG/{graph_id}", "deleteNffg", "Take a graph down, for FROG", "prefer",
     "204, 200 Outcome, 202 Accepted, 400, 401, 403, 404, 500, 503, 507"),
    ("get", "/NF-FG/status/{graph_id}", "getNffgStatus", "How far a graph is, for FROG", "",
     "200 NffgStatus, 401, 403, 404"),
)
MEANINGS = {
    "200": "Done", "201": "Made", "202": "Accepted", "204": "Done, and there is nothing to say",
    "400": "The request is wrong: where, and what would be right", "404": "There is no such thing",
    "401": "Log in: there are users, and no token came, or one that has ended, or a wrong password",
    "403": "The role of who asks does not allow it",
    "409": "Well said, but this node cannot do it now", "412": "The graph is another one by now, or gone (If-Match)",
    "413": "The body is too large",
    "500": "A command failed, and what was done is undone", "503": "Not now: try again after a while",
    "507": "A disk of the node is full, and all is as before",
    "default": "The request did not get through: too slow, too large, no HTTP/1.1, or the agent failed",
}
PLAIN = ("Metrics", "Token")  # what is answered as text/plain
OPEN = ("getHealth", "getDescription", "login")  # operations that need no token
HEADERS = {"201": {"Location": TEXT}, "202": {"Location": TEXT, "Preference-Applied": TEXT}, "503": {"Retry-After": NUMBER}}
VERBS = ["start", "stop", "pause", "resume", "restart"]
STATES = ["deploying", "updating", "deployed", "repairing", "deleting", "deleted", "failed"]


def document():
    """Return the description, a value for JSON."""
    paths = {}
    for method, path, operation, does, takes, answers in ROUTES:
        paths.setdefault(path, {})[method] = _operation(path, operation, does, takes.split(), answers)
    return {"openapi": "3.0.3",
            "info": {"title": "COMPOSER for gateways", "version": __version__, "license": {"name": "Apache-2.0"},
                     "description": "Service graphs on one box, through Open vSwitch and native service functions."},
            "servers": [{"url": "/"}],
            "paths": paths,
            "security": [{"token": []}],
            "components": {"schemas": dict(_answers(), **_graphs()), "securitySchemes": {"token": {
                "type": "apiKey", "in": "header", "name": "X-Auth-Token",
                "description": "what a login gave; not asked for while there are no users, nor on a unix socket"}}}}


def _operation(path, operation, does, takes, answers):
    result = {"operationId": operation, "summary": does, "responses": _responses(answers)}
    if operation in OPEN:
        result["security"] = []
    parameters = [_path_parameter(part[1:-1]) for part in path.split("/") if part.startswith("{")]
    if "dry-run" in takes:
        parameters.append({"name": "dry-run", "in": "query", "schema": {"type": "string", "enum": ["0", "1", "false", "true"]},
                           "description": "1: nothing is done, the answer is the plan"})
    if "confirm" in takes:
        parameters.append({"name": "confirm", "in": "query", "schema": _number(0, 86400),
                           "description": "seconds in which the change must be confirmed, or it is taken back; 0: it need not be"})
    if "prefer" in takes:
        parameters.append({"name": "Prefer", "in": "header", "schema": TEXT,
                           "description": "respond-async: answer 202 at once; the status tells how it went"})
    if "graph" in takes:
        parameters.append({"name": "If-Match", "in": "header", "schema": TEXT,
                           "description": "the ETag of a GET: 412 if the graph is another one by now; *: 412 if there is none"})
    if "packet" in takes:
        keys = [key for key in matches.KNOWN if key != "port_in"]
        parameters.append({"name": "port_in", "in": "query", "required": True, "schema": TEXT, "example": "sap:lan",
                           "description": "where the packet enters: sap:<sap> or sf:<sf>:<port>"})
        parameters.append({"name": "packet", "in": "query", "style": "form", "explode": True,
                           "schema": _object(dict([(key, TEXT) for key in keys])), "description": "what it is, as in a match"})
    if "shape" in takes:
        parameters.append({"name": "shape", "in": "query", "schema": {"type": "string", "enum": ["yang", "frog"]},
                           "description": "as the YANG module composer-domain has it, or as FROG's library parses it"})
    if "since" in takes:
        parameters.append({"name": "since", "in": "query", "schema": NUMBER,
                           "description": "only what happened after the event of this number"})
    if "graph" in takes:
        result["requestBody"] = {"required": True, "content": {"application/json": {
            "schema": _ref("Graph"), "examples": dict([(name, {"value": value}) for name, value in _examples().items()])}}}
    if "login" in takes:
        result["requestBody"] = {"required": True, "content": {"application/json": {"schema": _ref("Login")}}}
    return dict(result, parameters=parameters) if parameters else result


def _path_parameter(name):
    schema = {"type": "string", "enum": VERBS} if name == "verb" else SF_ID if name == "sf_id" else ID
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _responses(answers):
    result = {}
    for one in answers.split(", ") + ["default"]:
        status, _, names = one.partition(" ")
        result[status] = {"description": MEANINGS[status]}
        if status in HEADERS and names != "Health":
            result[status]["headers"] = dict([(name, {"schema": schema}) for name, schema in HEADERS[status].items()])
        if status != "204":
            schemas = [_ref(name) for name in (names or "Error").split("|")]
            result[status]["content"] = {"text/plain" if names in PLAIN else "application/json": {
                "schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}}}
    return result


def _answers():
    """Return the schemas of what the agent answers."""
    considered = _list(_whole({"template": TEXT, "taken": TRUTH, "why": TEXT}))
    error = _object({"error": TEXT, "message": TEXT, "where": TEXT, "command": TEXT, "output": TEXT, "templates": considered},
                    ("error", "message", "where"))
    state = {"type": "string", "enum": STATES}
    outcome = {"type": "string", "enum": ["created", "updated", "unchanged", "deleted", "done", "confirmed"]}
    sf = {"id": SF_ID, "name": TEXT, "implementation": TEXT, "type": TEXT,
          "state": {"type": "string", "enum": ["created", "running", "updated", "stopped", "paused", "destroyed"] + STATES}}
    more = {"cores": dict(_list(NUMBER), description="those that it is bound to; left out, it may be on any"),
            "restarts": NUMBER, "error": dict(_object({}), allOf=[_ref("Error")]), "choice": considered, "functions": _list(SF_ID)}
    event = {"sequence": NUMBER, "time": dict(NUMBER, description="seconds since 1970"), "event": TEXT}
    hop = {"lsi": TEXT, "table": NUMBER, "rule": TEXT, "match": TEXT, "actions": _list(TEXT), "packets": NUMBER,
           "bytes": NUMBER}
    function = {"function": TEXT, "template": TEXT, "type": TEXT, "available": TRUTH, "why": TEXT, "attributes": _object({}),
                "variables": _object({}), "memory": {"type": "number", "nullable": True, "description": "MiB"},
                "ports": _whole({"min": NUMBER, "max": dict(NUMBER, nullable=True)})}
    percentage = {"type": "integer", "minimum": 0, "maximum": 100}
    return {
        "Error": error,
        "Graphs": _whole({"graphs": _list(_whole({"id": ID, "name": TEXT, "state": state}))}),
        "Outcome": _object({"id": ID, "outcome": outcome, "failures": _list(_ref("Error"))}, ("id", "outcome")),
        "Accepted": _whole({"id": ID, "status": TEXT}),
        "Plan": _whole({"plan": _list(TEXT)}),
        "Status": _object({"id": ID, "state": state, "percentage_completed": percentage, "functions": _list(_object(dict(sf, **more), tuple(sf))),
                           "error": {"nullable": True, "allOf": [_ref("Error")]}, "left": _list(_ref("Error")),
                           "saps": _list(_object(
                               dict(dict.fromkeys(("id", "type", "port", "way"), TEXT), addresses=_list(TEXT)), ("id", "type", "port"))),
                           "confirm_within": {"type": "number"},
                           "overlaps": _list(_list(SF_ID))},
                          ("id", "state", "percentage_completed", "functions", "error", "overlaps")),
        "Way": _whole({"packet": TEXT, "hops": _list(_whole(hop)), "verdict": TEXT}),
        "Node": dict(_object({"composer-domain:domain": {"type": "object"}, "netgroup-domain:informations": {"type": "object"}}, ()),
                     minProperties=1, description="data of the YANG module composer-domain (agent/yang), or FROG's shape of it"),
        "Functions": _whole({"functions": _list(_whole(function))}),
        "Health": _whole({"status": {"type": "string", "enum": ["ok", "waits"]}, "why": TEXT, "version": TEXT}),
        "Events": _whole({"events": _list(_object(event, tuple(event))), "last": NUMBER}),
        "Metrics": TEXT,
        "Login": _whole({"username": TEXT, "password": TEXT}),
        "Token": dict(TEXT, pattern="^[0-9a-f]{64}$"),
        "Description": _object({"openapi": TEXT}, ("openapi",)),
        "Nffg": _whole({"nffg-uuid": ID}),
        "NffgList": _whole({"NF-FG": _list(_object({"nffg-uuid": ID}, ("nffg-uuid",)))}),
        "NffgStatus": _whole({"status": {"type": "string", "enum": ["complete", "in_progress", "error"]},
                              "percentage_completed": percentage}),
    }


def _sap(kind, keys):
    """Return the schema of a SAP of one type."""
    known = {"vlan": _number(1, 4094), "key": _number(0, 0xffffff if kind == "vxlan" else 0xffffffff), "ttl": _number(1, 255),
             "port": _number(1, 65535), "mac": MAC, "secure": dict(TRUTH, description="true is not offered by this agent: 409"),
             "configuration": dict(TEXT, pattern="^([Ss][Tt][Aa][Tt][Ii][Cc]|[Dd][Hh][Cc][Pp])$", example="static"),
             "local": dict(TEXT, pattern="^%s$" % IPV4, example="192.0.2.1"),
             "remote": dict(TEXT, pattern="^%s$" % IPV4, example="192.0.2.2"), "group": ID,
             "address": dict(TEXT, pattern="^%s/[0-9]{1,2}$" % IPV4, example="192.168.1.1/24")}
    found = {}
    for key, option, _, default in keys:
        one = known.get(option, TEXT)
        for spelling in [key] + [other for other in saps.SPELLINGS if saps.SPELLINGS[other] == key]:
            found[spelling] = one if default is saps.NEEDED else {"anyOf": [one, EMPTY]}
    inner = _strict(found, [key for key, _, _, default in keys if default is saps.NEEDED])
    return _strict({"id": ID, "name": TEXT, "type": {"enum": [kind]}, kind: inner}, ("id", "type", kind))


def _graphs():
    """Return the schemas of a graph, in both dialects."""
    reference = {"type": "string", "pattern": "^(service-access-point:|sf:)", "description":
                 "service-access-point:<sap> or sf:<sf>:<port>"}
    types = list(saps.KINDS) + list(saps.ALIASES)
    ends = [_sap(kind, saps.KINDS[saps.ALIASES.get(kind, kind)].keys) for kind in sorted(types)]
    changes = dict([(key, _number(*actions.NUMBERS[key]) if key in actions.NUMBERS else YES if key in (
        "pop_vlan", "dec_ttl", "drop") else MAC if "ethernet" in key else TEXT)
                    for key in actions.ORDER if key != "output_to_controller"])
    changes["output_to_queue"] = {"description": "no queue can be configured yet: 409"}
    changes["output_to_port"] = {"oneOf": [reference, dict(_list(reference), minItems=1)]}
    one_change = dict(_strict(changes), minProperties=1)
    sf = _strict({"id": ID, "name": TEXT, "ports": _list(_ref("Port")), "template": {"oneOf": [TEXT, _object({})]},
                  "constraints": _object({}), "variables": {"type": "object", "additionalProperties": TEXT}}, ("id",))
    sf["anyOf"] = [{"required": ["name"]}, {"required": ["template"]}]
    free = _list(_object({"id": PORT_ID}, ("id",)))
    control = _whole({"host-tcp-port": _number(1, 65535), "vnf-tcp-port": _number(1, 65535)})
    port = _object({"id": PORT_ID, "unify-ip": dict(TEXT, nullable=True, description=(
        "a.b.c.d/n; without /n that address alone"))}, ("id",))
    vnf = _object({"id": ID, "ports": _list(port), "unify-control": dict(_list(control), nullable=True, description=(
        "TCP ports of the node, at any of its addresses, that lead to ports of the function"))}, ("id",))
    gateway = _whole({"type": {"enum": ["default-gateway"]},
                      "default-gateway": _whole({"ip-address": dict(TEXT, example="10.0.0.254")})})
    return {
        "Graph": {"oneOf": [_ref("SFFG"), _ref("NFFG")]},
        "SFFG": _strict({"sffg": _strict({
            "id": ID, "name": TEXT, "SFs": _list(_ref("SF")), "saps": _list(_ref("SAP")),
            "flowrules": _list(_ref("Rule")),
            "monitoring": dict(TEXT, description="what is measured, in MEASURE")})}, ("sffg",)),
        "SF": sf,
        "Port": _strict({"id": PORT_ID, "name": TEXT, "mac": {"oneOf": [MAC, {"enum": [""]}]}, "trusted": TRUTH,
                         "ip": {"anyOf": [dict(TEXT, pattern="^%s/[0-9]{1,2}$" % IPV4, example="192.168.1.1/24"), EMPTY], "nullable": True,
                                "description": "it is on the port before `start` runs"}}, ("id",)),
        "SAP": {"oneOf": ends},
        "Rule": _strict({"id": ID, "priority": _number(0, 65535), "match": _ref("Match"), "actions": {"oneOf": [
            one_change, dict(_list(dict(one_change, maxProperties=1)), minItems=1)]}},
            ("id", "priority", "match", "actions")),
        "Match": _strict(dict(_match(), port_in=reference), ("port_in",)),
        "NFFG": _strict({"forwarding-graph": _object({
            "name": TEXT, "VNFs": _list(vnf), "end-points": free, "big-switch": _object({"flow-rules": free}),
            "node-config": {"oneOf": [_list(gateway), EMPTY], "nullable": True, "description": (
                "the node's default gateway, behind a static host-stack SAP of the graph")}})}, ("forwarding-graph",)),
    }


def _match():
    """Return {key: schema} of a match, of the table that matches are read with."""
    by_bits = {48: MAC, 32: TEXT, 128: TEXT}
    result = dict([(key, TEXT) for key in matches.KNOWN])
    for key, (_, bits, masked, _, _) in matches.KEYS.items():
        result[key] = by_bits.get(bits) or _number(0, (1 << bits) - 1)
        if masked:
            result[key + "_mask"] = result[key]
    result["vlan_id"] = {"oneOf": [_number(0, 4095), {"enum": ["ANY", "NO_VLAN"]}]}
    result["protocol"] = {"oneOf": [_number(0, 255), {"type": "string", "pattern": "^[A-Za-z]", "example": "tcp"}]}
    result.update(ether_type=_number(0x600, 0xffff), tos_bits=_number(0, 255), hard_timeout=_number(0, 65535))
    return result


def _examples():
    """Return one graph in both dialects: two interfaces, and a firewall between them."""
    saps = [{"id": name, "type": "interface", "interface": {"if-name": interface}}
            for name, interface in (("lan", "eth0"), ("wan", "eth1"))]
    sf = {"id": "fw", "name": "firewall", "ports": [{"id": "in"}, {"id": "out"}]}

    def rules(sap, sf):
        ways = ((sap + "lan", sf + "fw:in"), (sf + "fw:in", sap + "lan"),
                (sap + "wan", sf + "fw:out"), (sf + "fw:out", sap + "wan"))
        return [{"id": str(number), "priority": 10, "match": {"port_in": one}, "actions": [{"output_to_port": other}]}
                for number, (one, other) in enumerate(ways)]
    return {
        "SF-FG": {"sffg": {"id": "home", "SFs": [dict(sf, variables={"FIREWALL_RULES": "drop tcp 23"})], "saps": saps,
                           "flowrules": rules("service-access-point:", "sf:")}},
        "NF-FG": {"forwarding-graph": {
            "VNFs": [dict(sf, **{"unify-env-variables": [{"variable": "FIREWALL_RULES=drop tcp 23"}]})],
            "end-points": saps, "big-switch": {"flow-rules": rules("endpoint:", "vnf:")}}},
    }


def _ref(name):
    return {"$ref": "#/components/schemas/" + name}


def _list(items):
    return {"type": "array", "items": items}


def _object(properties, required=()):
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}


def _whole(properties):
    """Return the schema of an object that has all of these."""
    return _object(properties, tuple(properties))


def _strict(properties, required=()):
    """Return the schema of an object that has no others than these."""
    return dict(_object(properties, required), additionalProperties=False)


def _number(low, high):
    return {"oneOf": [{"type": "integer", "minimum": low, "maximum": high},
                      {"type": "string", "pattern": "^([0-9]+|0[xX][0-9A-Fa-f]+)$"}]}
