"""Recursive decomposition: a function whose template is itself a graph becomes the functions of that graph (paper, 5.6).

    what is asked for    lan ---- gw:in  [gateway]  gw:out ---- wan

    its template         in ---- fw:a  [firewall]  fw:b ---- out           its k-th SAP is the k-th port of the function

    what is deployed     lan ---- =in ---- gw/fw:a  [firewall]  gw/fw:b ---- out= ---- wan

Each port of such a function is a joint (=), a link whose two ends are on the graph-LSI: rules of the graph outside see
the port at one end, those of its template the SAP at the other.  So both keep their priorities, and every packet and
header passes as it would between two boxes; the switch goes through a joint while it looks a packet's flow up, so it
costs the packets nothing.  To any depth: what is in gw/fw is gw/fw/x.

    up:<sf>:<port>     the end outside, what sf:<sf>:<port> was      down:<sf>:<port>   the end inside, the SAP
"""
from . import sffg
from .errors import BadGraph, Conflict

DEEPEST = 24  # graphs within graphs: the switch follows a packet through 64 links in a row, and this is there and back
WAY = 60  # joints in a row that the switch surely follows a packet through
BETWEEN = "/"  # in ids: a graph's own have none


def read(body):
    """Return the Graph of a graph that is a template.  Raises BadGraph, Conflict."""
    graph = sffg.parse(body)
    for sap in graph.saps:
        if sap.kind != "interface":
            raise BadGraph(sap.where + ".type", "%s: should be interface, as every SAP is a port of the function" % sap.kind)
    for sf in graph.sfs:
        if sf.control:
            raise BadGraph(sf.where + ".unify-control", "is not for a graph that is a template: its ports are the node's")
    if graph.gateway:
        raise BadGraph("node-config", "is not for a graph that is a template")
    if graph.measure.metrics or graph.measure.zones:
        raise BadGraph("monitoring", "is not for a graph that is a template: the graph it is in says what is measured")
    return graph


def expand(graph, parts):
    """Return `graph` with the functions of `parts` replaced by what they are made of, to any depth.

    parts: {sf id: {"body": the graph that its template is, "ports": {port id: SAP id}}}, of "gw" as well as of "gw/fw".
    Ids, places and references inside begin with the id of the function: gw/fw.  Raises Conflict if that is larger than a graph
    may be, or if the switch would not follow a packet through all of it.
    """
    sfs, rules = [], []
    _expand(graph, "", {}, parts, {}, sfs, rules)
    _check_way(rules)
    return sffg.Graph(graph.id, graph.name, graph.body, sfs, graph.saps, rules, graph.gateway, graph.measure)


def _check_way(rules):
    """Raise Conflict if packets may go through more joints in a row than the switch follows; it drops them then, and says
    nothing.  Ways that begin in a circle are not counted: what goes round for ever is dropped rightly."""
    onward, before, length = {}, {}, {}  # by the port by which packets come: those they come by next; how many lead there; joints so far
    for rule in rules:
        for kind, port in rule.actions:
            if kind == "output" and port.startswith(("up:", "down:")):
                onward.setdefault(rule.port_in, []).append(_other_end(port))
                before[_other_end(port)] = before.get(_other_end(port), 0) + 1
    ready = [port for port in onward if port not in before]
    while ready:
        port = ready.pop()
        for end in onward.get(port, ()):
            length[end] = max(length.get(end, 0), length.get(port, 0) + 1)
            before[end] -= 1
            if not before[end]:
                ready.append(end)
    longest = max(list(length.values()) + [0])
    if longest > WAY:
        raise Conflict("", "packets may go through %d ports in a row of functions that are graphs, and the switch follows them "
                       "through %d" % (longest, WAY))


def _other_end(port):
    """Return the end of a joint by which comes what is sent to the other one."""
    kind, _, joint = port.partition(":")
    return ("down:" if kind == "up" else "up:") + joint


def joints(parts):
    """Return the joints of parts, sorted: "<sf>:<port>"."""
    return sorted(["%s:%s" % (name, port) for name in parts for port in parts[name]["ports"]])


def of(name, names):
    """Return those of the names of functions that are this function, or within it; sorted."""
    return sorted([one for one in names if one == name or one.startswith(name + BETWEEN)])


def within(functions):
    """Return {name of a function that is a graph: those of `functions`, dicts with an "id", that are within it, in order}."""
    found = {}
    for one in functions:
        words = one["id"].split(BETWEEN)
        for count in range(1, len(words)):
            found.setdefault(BETWEEN.join(words[:count]), []).append(one)
    return found


def _expand(graph, path, variables, parts, graphs, sfs, rules):
    """Add to sfs and rules what a graph has, that is function `path` of the one it is in; "" if it is in none.

    graphs: {id of a body: the Graph that was read of it}, as one template may be that of many functions.
    """
    above = path + BETWEEN if path else ""
    inside = dict([("sap:" + sap, "down:%s:%s" % (path, port)) for port, sap in parts[path]["ports"].items()]) if path else {}
    for sf in graph.sfs:
        name, given = above + sf.id, dict(sf.variables)
        given.update(variables)
        where = "%s: %s" % (parts[path]["name"], sf.where) if path else sf.where
        if name in parts:
            inside.update([("sf:%s:%s" % (sf.id, port.id), "up:%s:%s" % (name, port.id)) for port in sf.ports])
            body = parts[name]["body"]
            if id(body) not in graphs:
                graphs[id(body)] = read(body)
            _expand(graphs[id(body)], name, given, parts, graphs, sfs, rules)
            continue
        inside.update([("sf:%s:%s" % (sf.id, port.id), "sf:%s:%s" % (name, port.id)) for port in sf.ports])
        sfs.append(sffg.SF(name, sf.name, sf.ports, sf.template, sf.constraints, given, sf.control, where))
    for rule in graph.rules:
        actions = [(kind, inside.get(value, value) if kind == "output" else value) for kind, value in rule.actions]
        rules.append(sffg.Rule(above + rule.id, rule.priority, inside.get(rule.port_in, rule.port_in), rule.matches, actions,
                               rule.timeout, rule.where))
    for key, found in (("SFs", sfs), ("flowrules", rules)):
        if len(found) > sffg.MOST[key]:
            raise Conflict(key, "with all that they are made of there are more than %d" % sffg.MOST[key])
