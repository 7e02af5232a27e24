"""Service graphs (SF-FG): JSON of two dialects becomes one Graph, and every rule of SPEC 1 is checked here.

From here on a graph is valid and nobody checks again.  The body is kept as it came, so that what GET gives is
what was put.  Ports are named by references, one form for both dialects:

    sap:<sap>          a service access point on LSI-0        service-access-point:<sap>, endpoint:<id>
    far:<sap>          one on the graph-LSI (saps.py)         the same
    sf:<sf>:<port>     a port of a function                   sf:<sf>:<port>, vnf:<vnf>:<port>

Paper, 5.1.1; the second dialect (NF-FG) is that of the un-orchestrator and the FROG clients.
"""
from collections import namedtuple

from . import actions, matches, measure, saps, subjects, values
from .errors import BadGraph, Conflict, listed, show

# gateway: the node's, an address or ""; measure: a measure.Measure; control: ((TCP port of the node, TCP port of the function), ...); ip: a.b.c.d/n or ""
Graph = namedtuple("Graph", ("id", "name", "body", "sfs", "saps", "rules", "gateway", "measure"))
SF = namedtuple("SF", ("id", "name", "ports", "template", "constraints", "variables", "control", "where"))
Port = namedtuple("Port", ("id", "name", "mac", "trusted", "ip"))
Rule = namedtuple("Rule", ("id", "priority", "port_in", "matches", "actions", "timeout", "where"))
Dialect = namedtuple("Dialect", ("root", "sfs", "saps", "rules", "sf", "sap", "strict"))

SFFG = Dialect("sffg", "SFs", "saps", "flowrules", "sf:", "service-access-point:", True)
NFFG = Dialect("forwarding-graph", "VNFs", "end-points", "big-switch.flow-rules", "vnf:", "endpoint:", False)

GRAPH_KEYS = ("id", "name", "SFs", "saps", "flowrules", "monitoring")
SF_KEYS = ("id", "name", "ports", "template", "constraints", "variables")
PORT_KEYS = ("id", "name", "mac", "trusted", "ip")
RULE_KEYS = ("id", "priority", "match", "actions")
MOST = {"SFs": 1024, "VNFs": 1024, "saps": 4096, "end-points": 4096, "flowrules": 8192, "flow-rules": 8192}
MOST_OTHERS = 64  # ports of a function, variables of a VNF
GATEWAY = "default-gateway"  # the one type of node-config
# Variables that no graph may set: the agent's, and those that tell a shell or a program what to load or how to read.
RESERVED = ("PATH", "HOME", "IFS", "ENV", "OPTIND", "PS4", "TMPDIR", "SHELLOPTS")
RESERVED_BEGINS = ("SF_", "LD_", "LC_", "BASH", "PYTHON", "GLIBC_", "MALLOC_", "OPENSSL_", "STRONGSWAN_")
RESERVED_ENDS = ("_PATH", "LIBDIR", "LIB_DIR")
LONGEST_VARIABLE = 65536  # letters: the kernel takes 128 KiB in UTF-8


def parse(body, wanted=None):
    """Return the Graph of `body` (what JSON gave).  `wanted` is the id that the URL names, if it names one.

    Raises BadGraph (400) with the place, and Conflict (409) for what is well said but cannot be had.
    """
    if not isinstance(body, dict) or ("sffg" in body) == ("forwarding-graph" in body) or len(body) != 1:
        raise BadGraph("", 'should be an object with one key, "sffg" or "forwarding-graph"')
    dialect = SFFG if "sffg" in body else NFFG
    graph = body[dialect.root]
    if not isinstance(graph, dict):
        raise BadGraph(dialect.root, "should be an object, not %s" % show(graph))
    if dialect.strict:
        saps.known(graph, GRAPH_KEYS, "")
    later = []  # what is well said, but cannot be had: told when all else is right
    name = _text(graph, "name", "", "")
    sfs = [_sf(one, where, dialect) for one, where in _objects(graph, dialect.sfs, dialect.sfs)]
    _unique(sfs, "SF")
    ends = [saps.parse(one, where, dialect.strict, later) for one, where in _objects(graph, dialect.saps, dialect.saps)]
    _unique(ends, "SAP")
    rules = _rules(graph, dialect, sfs, ends, later)
    gateway = "" if dialect.strict else _gateway(graph, ends)
    monitoring, other = ("monitoring", "unify-monitoring") if dialect.strict else ("unify-monitoring", "monitoring")
    if graph.get(other):
        raise BadGraph(other, "is called %s in this dialect" % monitoring)
    measured = subjects.read(graph[monitoring], sfs, ends, monitoring) if graph.get(monitoring) else measure.EMPTY
    if later:
        raise later[0]
    _no_rule_twice(rules, ends)
    return Graph(_graph_id(graph, dialect, wanted), name, body, sfs, ends, rules, gateway, measured)


def overlaps(graph, most=16):
    """Return up to `most` pairs of rule ids that match a common packet at one priority on one port."""
    found, places = [], _by_place([graph])
    for place in sorted(places):
        rules = places[place]
        for index, rule in enumerate(rules[:64]):  # enough to tell a person; not the square of thousands
            for other in rules[index + 1:64]:
                if _overlap(rule[1], other[1]):
                    found.append((rule[1].id, other[1].id))
                    if len(found) == most:
                        return found
    return found


def conflict(graph, others):
    """Raise Conflict if `graph` wants what one of `others` has: the same packets at one priority of one SAP, a tunnel, an address,
    a TCP port of the node, its default gateway."""
    claims = dict([(claim, "%s of graph %s" % (whose, other.id))
                   for other in others for claim, _, whose in _claims(other)])
    for claim, where, whose in _claims(graph):
        if claim in claims:
            raise Conflict(where, "%s is that of %s" % (claim, claims[claim]))
        claims[claim] = whose + " of this graph"
    mine = _by_place([graph], shared=True)
    theirs = _by_place(others, shared=True) if mine else {}
    for place in sorted(mine):
        find = matches.finder([(match, (owner, rule.id)) for owner, rule in theirs.get(place, ()) for match in rule.matches])
        for _, rule in mine[place]:
            for owner, other in filter(None, [find(match) for match in rule.matches]):
                raise Conflict(rule.where + ".match", "rule %s and rule %s of graph %s match the same packets of %s "
                               "at priority %d" % (rule.id, other, owner, _attachment_text(place[0]), place[1]))


def _claims(graph):
    """Return [(what no other may have too, its place, whose it is)] of a graph."""
    found = [(saps.claim(sap), sap.where, "another SAP,") for sap in graph.saps if saps.claim(sap)]
    for sf in graph.sfs:
        found.extend([("TCP port %d of the node" % port, sf.where + ".unify-control", "function " + sf.id)
                      for port, _ in sf.control])
    return found + ([("the node's default gateway", "node-config", "the node-config")] if graph.gateway else [])


def _gateway(graph, ends):
    """Return the default gateway that an NF-FG gives to the node, "" if it gives none."""
    found, items = "", _objects(graph, "node-config", "node-config") if graph.get("node-config") else ()
    for one, where in items:
        inner = one.get(GATEWAY)
        if one.get("type") != GATEWAY:
            raise BadGraph(where + ".type", "%s: should be %s" % (show(one.get("type")), GATEWAY))
        if not isinstance(inner, dict):
            raise BadGraph("%s.%s" % (where, GATEWAY), 'should be an object with "ip-address", not %s' % show(inner))
        if found:
            raise BadGraph(where, "is a second default gateway: a node has one")
        place = "%s.%s" % (where, GATEWAY)
        found = _value(saps.device, inner, "ip-address", place)
        if saps.towards(ends, found) is None:
            raise BadGraph(place + ".ip-address", "%s is in the network of no static host-stack SAP of the graph" % found)
    return found


def _graph_id(graph, dialect, wanted):
    given = graph.get("id") if dialect.strict else None  # the id of an NF-FG has no meaning for us
    if given is not None:
        _value(values.identifier, graph, "id", "")
        if wanted is not None and given != wanted:
            raise BadGraph("id", "is %s, but the URL names %s" % (given, wanted))
    return wanted if wanted is not None else given


def _sf(one, where, dialect):
    if dialect.strict:
        saps.known(one, SF_KEYS, where)
    capability = _filled(one, "functional-capability") if not dialect.strict else None
    key = "functional-capability" if capability is not None else "name"
    named = "template" if dialect.strict else "vnf_template"
    template = _filled(one, named)
    if key not in one and template is None:
        raise BadGraph("%s.%s" % (where, key), "is missing: the name of the function wanted")
    if template is not None and not isinstance(template, (str, dict)):
        raise BadGraph("%s.%s" % (where, named), "should be the name of a template or a template, not %s" % show(template))
    constraints = one.get("constraints")
    if constraints is None:
        constraints = {}
    if not isinstance(constraints, dict):
        raise BadGraph(where + ".constraints", "should be an object of attribute: value, not %s" % show(constraints))
    ports = [_port(port, place, dialect) for port, place in _objects(one, "ports", where + ".ports")]
    _unique(ports, "port", where + ".ports")
    return SF(_value(values.identifier, one, "id", where), _text(one, key, where, template), ports, template,
              constraints, _variables(one, where, dialect), () if dialect.strict else _control(one, where), where)


def _control(one, where):
    """Return the ports of the node that lead to a function of an NF-FG, sorted."""
    items = _objects(one, "unify-control", where + ".unify-control") if one.get("unify-control") else ()
    return tuple(sorted([tuple([_value(saps.number(1, 65535), item, key, place) for key in ("host-tcp-port", "vnf-tcp-port")])
                         for item, place in items]))


def _port(one, where, dialect):
    if dialect.strict:
        saps.known(one, PORT_KEYS, where)
    mac = None
    if _filled(one, "mac") is not None:
        mac = values.mac(_value(saps.mac, one, "mac", where))
    trusted = _value(values.truth, one, "trusted", where) if _filled(one, "trusted") is not None else False
    if trusted and mac is None:
        raise BadGraph(where + ".mac", "is missing: a trusted port has its source MAC forced, so it needs one")
    key, ip = "ip" if dialect.strict else "unify-ip", ""
    if one.get(key) not in (None, ""):
        ip = _value(saps.with_length if dialect.strict else saps.perhaps_with_length, one, key, where)
    _text(one, "name", where, "")
    return Port(_value(lambda value: values.identifier(value, ":"), one, "id", where), one.get("name", ""), mac, trusted, ip)


def _variables(one, where, dialect):
    if dialect.strict:
        given, place = one.get("variables"), where + ".variables"
        if given is not None and not isinstance(given, dict):
            raise BadGraph(place, 'should be an object of "NAME": "value", not %s' % show(given))
        pairs = [(name, given[name], "%s.%s" % (place, show(name)[1:-1])) for name in sorted(given or {})]
    else:
        pairs = []
        for item, place in _objects(one, "unify-env-variables", where + ".unify-env-variables"):
            variable = item.get("variable")
            if not isinstance(variable, str) or "=" not in variable:
                raise BadGraph(place + ".variable", "%s: should be a string NAME=value" % show(variable))
            pairs.append((variable.partition("=")[0], variable.partition("=")[2], place + ".variable"))
    result = {}
    for name, value, place in pairs:
        if not name or len(name) > 64 or name[0] in "0123456789" \
                or not all(["A" <= c <= "Z" or "a" <= c <= "z" or "0" <= c <= "9" or c == "_" for c in name]):
            raise BadGraph(place, "%s: a variable's name is of letters, digits and _, 64 at most" % show(name))
        if name in RESERVED or any([name.startswith(begin) for begin in RESERVED_BEGINS]) \
                or any([name.endswith(end) for end in RESERVED_ENDS]):
            raise BadGraph(place, "%s is not for a graph to set, nor are %s" % (name, ", ".join(
                [begin + "*" for begin in RESERVED_BEGINS] + ["*" + end for end in RESERVED_ENDS] + list(RESERVED))))
        try:
            result[name] = values.text(value, LONGEST_VARIABLE)
        except ValueError as error:
            raise BadGraph(place, "%s: should be %s" % (show(value), error))
    return result


def _rules(graph, dialect, sfs, ends, later):
    outer, _, inner = dialect.rules.partition(".")
    if inner:
        big_switch = graph.get(outer)
        if big_switch is None:
            big_switch = {}
        if not isinstance(big_switch, dict):
            raise BadGraph(outer, "should be an object, not %s" % show(big_switch))
        items = _objects(big_switch, inner, dialect.rules)
    else:
        items = _objects(graph, outer, outer)
    ports = dict([(saps.reference(sap), sap) for sap in ends])
    for sf in sfs:
        ports["sf:" + sf.id] = sf
        for port in sf.ports:
            ports["sf:%s:%s" % (sf.id, port.id)] = port
    rules = []
    for one, where in items:
        if dialect.strict:
            saps.known(one, RULE_KEYS, where)
        try:
            rules.append(_rule(one, where, dialect, ports))
        except Conflict as refusal:
            later.append(refusal)
    _unique(rules, "rule")
    return rules


def _rule(one, where, dialect, ports):
    match = one.get("match")
    if not isinstance(match, dict):
        raise BadGraph(where + ".match", 'should be an object with "port_in", not %s' % show(match))
    name = _value(values.identifier, one, "id", where)
    priority = 0 if not dialect.strict and "priority" not in one else _value(
        lambda value: values.number(value, 0, 65535), one, "priority", where)  # [U]
    if "port_in" not in match:
        raise BadGraph(where + ".match.port_in", "is missing: %s<id> or %s<id>:<port>" % (dialect.sap, dialect.sf))
    port_in = _reference(match["port_in"], where + ".match.port_in", dialect, ports)
    found, timeout = matches.parse(match, where + ".match")
    if port_in.startswith("sap:") and ports[port_in].vlan is not None and "vlan_vid" in found[0]:
        raise BadGraph("%s.match.%s" % (where, [key for key in ("vlan_id", "vlan_pcp", "vlan_priority") if key in match][0]),
                       "a vlan SAP gives its traffic untagged: leave it out")
    done, found = actions.parse(one.get("actions"), where + ".actions",
                                lambda value, place: _reference(value, place, dialect, ports), found)
    return Rule(name, priority, port_in, found, done, timeout, where)


def _reference(value, where, dialect, ports):
    """Return the reference of the port that the dialect's `value` names."""
    if isinstance(value, str) and value.startswith(dialect.sap):
        name = value[len(dialect.sap):]
        for reference in ("sap:" + name, "far:" + name):
            if reference in ports:
                return reference
        raise BadGraph(where, "%s: there is no such SAP, there are %s" % (show(value), listed([
            name[4:] for name in ports if not name.startswith("sf:")])))
    if isinstance(value, str) and value.startswith(dialect.sf):
        sf, _, port = value[len(dialect.sf):].partition(":")
        if "sf:" + sf not in ports:
            raise BadGraph(where, "%s: there is no such SF, there are %s" % (show(value), listed([
                name[3:] for name in ports if name.startswith("sf:") and isinstance(ports[name], SF)])))
        if "sf:%s:%s" % (sf, port) not in ports:
            raise BadGraph(where, "%s is not a port of SF %s, which has %s" % (
                show(value)[1:-1], sf, listed([port.id for port in ports["sf:" + sf].ports], " and ")))
        return "sf:%s:%s" % (sf, port)
    raise BadGraph(where, "%s: should be %s<id> or %s<id>:<port>" % (show(value), dialect.sap, dialect.sf))


def _no_rule_twice(rules, ends):
    seen, on_wire = {}, _on_wire(ends)
    for rule in rules:
        for match in rule.matches:
            key = (on_wire.get(rule.port_in, rule.port_in), rule.priority, tuple(sorted(match.items())))
            if key in seen:
                raise Conflict(rule.where + ".match", "rule %s and rule %s match the same packets at priority %d" % (
                    seen[key], rule.id, rule.priority))
        for match in rule.matches:
            seen[(on_wire.get(rule.port_in, rule.port_in), rule.priority, tuple(sorted(match.items())))] = rule.id


def _by_place(graphs, shared=False):
    """Return {(port or attachment, priority): [(graph id, rule)]}; with `shared` only of SAPs."""
    result = {}
    for graph in graphs:
        on_wire = _on_wire(graph.saps, shared)
        for rule in graph.rules:
            port = on_wire.get(rule.port_in)
            if port is None and not shared:
                port = (rule.port_in, -1)
            if port is not None:
                result.setdefault((port, rule.priority), []).append((graph.id, rule))
    return result


def _on_wire(ends, shared=False):
    """Return {reference: attachment} of the SAPs that are one port if they have one attachment; shared: with other graphs'."""
    return dict([(saps.reference(sap), saps.attachment(sap)) for sap in ends
                 if saps.place(sap) == saps.WIRE or saps.place(sap) == saps.SEGMENT and not shared])


def _overlap(rule, other):
    return any([matches.overlap(one, two) for one in rule.matches for two in other.matches])


def _attachment_text(place):
    return place[0] if place[1] < 0 else "VLAN %d of %s" % (place[1], place[0])


def _objects(parent, key, where):
    """Return [(object, its place)] of the list parent[key], which may be absent."""
    found = parent.get(key)
    if found is None:
        return []
    if not isinstance(found, list):
        raise BadGraph(where, "should be a list, not %s" % show(found))
    most = MOST.get(key, MOST_OTHERS)
    if len(found) > most:
        raise BadGraph(where, "has %d, %d are the most" % (len(found), most))
    for index, one in enumerate(found):
        if not isinstance(one, dict):
            raise BadGraph("%s[%d]" % (where, index), "should be an object, not %s" % show(one))
    return [(one, "%s[%d]" % (where, index)) for index, one in enumerate(found)]


def _unique(items, noun, where=""):
    seen = {}
    for index, item in enumerate(items):
        if item.id in seen:
            place = item.where if hasattr(item, "where") else "%s[%d]" % (where, index)
            raise BadGraph(place + ".id", "%s is taken by another %s: ids are unique" % (show(item.id), noun))
        seen[item.id] = True


def _value(read, one, key, where):
    """Return one[key] as `read` reads it, or raise BadGraph with its place."""
    place = "%s.%s" % (where, key) if where else key
    if key not in one:
        raise BadGraph(place, "is missing")
    try:
        return read(one[key])
    except ValueError as error:
        raise BadGraph(place, "%s: should be %s" % (show(one[key]), error))


def _filled(one, key):
    """Return one[key]; None if it is not there, or is "" as GUIs send what was left empty."""
    return None if one.get(key) == "" else one.get(key)


def _text(one, key, where, default):
    if key not in one and default is not None:
        return default if isinstance(default, str) else ""
    return _value(lambda value: values.text(value, 256), one, key, where)
