"""Placing: a graph gets every name that its plan needs, keeping those of before.

A *placed* graph is a dict of JSON values, so that it can be stored:
    {"id", "number", "lsi": bool, "links": {port: number}, "low": {rule id: low half of its cookie},
     "saps": {sap id: {"number", "way", "mac", "home"}} of those that are ports of their own, "groups": {group: number of its segment},
     "sfs": {sf id: {"id", "name", "number", "netns", "home", "type", "template", "image", "digest", "folder",
                     "ports": [{"id", "number", "mac", "ip"}, ...], "variables": {...}, "limits": {...}, "scripts": [...],
                     "needs": {"memory": MiB, "cpu": cores}, "cores": [those that it is bound to; none if it may run anywhere],
                     "control": [[TCP port of the node, TCP port of the function], ...],
                     "switch": the LSI that it is, if it is one}},
     "parts": {sf id: {"name", "template", "digest", "ports": {port id: SAP id}, "body"}} of functions that are graphs,
     "joints": {"<sf>:<port>" of those: number}, "choices": why each function is what it is (core.resolver)}
and beside it, not stored, "graph": the Graph, parts expanded, and "flows": what placed_flows returned.

A part is what the switch is made of, (kind, words), as its driver has them.
"""
from . import flows, names, recursion, saps, steering, values
from .errors import Conflict

BRIDGES = ("lsi", "segment", "switch")  # kinds of parts that are bridges
NODE_MARK = "node"  # of LSI-0, its interfaces and segments: what is no single graph's
LSI = "openflow-switch"  # the execution environment of functions that are LSIs; all their ports but the first are on these
SWITCH, DEVICE = "ovs", "device"  # ways of a tunnel: the switch's own, or a device of the kernel's on the switch


def empty(graph_id):
    """Return the placed graph that has nothing."""
    return {"id": graph_id, "number": 0, "lsi": False, "links": {}, "low": {}, "saps": {}, "groups": {}, "sfs": {},
            "parts": {}, "joints": {}, "choices": {}, "graph": None}


def place(old, graph, images, number, runtime, groups=None, fresh=lambda sap: SWITCH if saps.place(sap) == saps.TUNNEL else "",
          beside=None, parts=None, choices=None, mac=lambda name: ""):
    """Return `graph` placed: every name that its plan needs, keeping those of `old`.

    images: {sf id: {"type", "template", "image", "digest", "limits", "needs", "positions": {port id: position from 0}}}, and
    "cores" of those that are bound to some;
    number: of the graph, if `old` has none; runtime: the folder for what lasts until the next boot; groups: {group:
    number of its segment}, at least of those that the graph names; fresh(sap): of what is new, the way of a tunnel and the MAC
    address of a port to the node; beside: a placed graph that this one may have to become again, whose numbers are taken;
    parts, choices: as core.resolver has them; mac("<sf>:<port>"): of a new port, for which the graph says nothing.
    """
    graph, number = recursion.expand(graph, parts) if parts else graph, old["number"] or number
    sfs = {}
    numbers = names.free(set([sf["number"] for one in (old, beside) if one for sf in one["sfs"].values()]))
    spaces = set([sf["netns"] for one in (old, beside) if one for sf in one["sfs"].values()])
    for sf in graph.sfs:
        image, before = images[sf.id], old["sfs"].get(sf.id)
        had = dict([(port["id"], port["mac"]) for port in before["ports"]]) if before else {}
        ports = [{"id": port.id, "number": image["positions"][port.id], "ip": port.ip, "mac": values.mac_text(port.mac)
                  if port.mac else had[port.id] if port.id in had else mac("%s:%s" % (sf.id, port.id))} for port in sf.ports]
        one = {"id": sf.id, "name": sf.name, "type": image["type"], "template": image["template"],
               "image": image["image"], "digest": image["digest"], "folder": "%s/images/%s" % (runtime, image["digest"]),
               "ports": sorted(ports, key=lambda port: port["number"]), "variables": sf.variables,
               "limits": image["limits"], "needs": image["needs"], "cores": image.get("cores", []),
               "graph": graph.id, "lsi": names.lsi(number), "scripts": [],
               "control": [list(pair) for pair in sf.control]}
        if before and _replaces(before, one):
            before = None
        sf_number = before["number"] if before else next(numbers)
        one["number"] = sf_number
        if sf.control and not names.control_addresses(number, sf_number):
            raise Conflict(sf.where + ".unify-control", "no address is left to reach it: the numbers of the graph and the "
                           "function are %d and %d, and may come to 253" % (number, sf_number))
        one["netns"] = before["netns"] if before else names.namespace(graph.id, sf.id, sf_number, spaces)
        one["home"] = "%s/functions/%d-%d" % (runtime, number, sf_number)
        one["scripts"] = before["scripts"] if before else []
        if one["type"] == LSI:
            one["switch"] = names.switch(number, sf_number)
        one["state"] = before["state"] if before else "running"
        sfs[sf.id] = one
    lows = names.free(set(old["low"].values()), 1)
    low = dict([(rule.id, old["low"].get(rule.id) or next(lows)) for rule in graph.rules])
    named = set([sap.options["group"] for sap in graph.saps if saps.place(sap) == saps.SEGMENT])
    joints = recursion.joints(parts or {})
    known = dict([(joint, one["joints"][joint]) for one in (beside, old) if one for joint in one["joints"]])
    fresh_joints = names.free(set(known.values()))
    return {"id": graph.id, "number": number, "lsi": bool(joints) or steering.needs_lsi(graph), "sfs": sfs, "low": low,
            "joints": dict([(joint, known[joint] if joint in known else next(fresh_joints)) for joint in joints]),
            "parts": parts or {}, "choices": choices or {},
            "groups": dict([(group, old["groups"].get(group) or groups[group]) for group in sorted(named)]),
            "saps": _place_saps(old, beside, graph, number, runtime, fresh), "links": steering.links(graph.rules, old["links"]), "graph": graph}


def _place_saps(old, beside, graph, number, runtime, fresh):
    """Return {sap id: {"number", "way", "mac", "home"}}.  A SAP of the same kind keeps its port; those of one group have one."""
    before = dict([(sap.id, sap) for sap in old["graph"].saps]) if old["graph"] else {}
    numbers, result, of_group = names.free(set([
        one["number"] for other in (old, beside) if other for one in other["saps"].values()])), {}, {}
    for sap in graph.saps:
        if saps.place(sap) == saps.WIRE:
            continue
        group, was = sap.options.get("group"), before.get(sap.id)
        kept = old["saps"][sap.id] if was and was.kind == sap.kind and was.options.get("group") == group else None
        if kept and kept["way"] == DEVICE and not saps.one_device(was, sap):
            kept = None
        if group in of_group:
            kept = of_group[group]
        if kept is None:
            kept = {"number": next(numbers), "way": "", "mac": ""}
            if saps.place(sap) != saps.SEGMENT:
                kept["way" if saps.place(sap) == saps.TUNNEL else "mac"] = fresh(sap)
        result[sap.id] = dict(kept, home="%s/saps/%s" % (runtime, names.sap(number, kept["number"])[0]))
        if group is not None:
            of_group[group] = result[sap.id]
    return result


def same(old, new):
    """Say whether two placed graphs mean the same, so that nothing has to be done."""
    return all([old[key] == new[key] for key in ("number", "lsi", "links", "low", "saps", "groups", "sfs", "parts", "joints")]) \
        and _options(old) == _options(new) and placed_flows(old) == placed_flows(new)


def _options(placed):
    return [(sap.id, sap.kind, sap.options) for sap, _ in own_saps(placed)] + [
        placed["graph"] and (placed["graph"].gateway, placed["graph"].measure)]


def touched(old, new):
    """Return the numbers of the functions that an update makes, changes or takes down."""
    return set([sf["number"] for sf in gone_sfs(new, old) + gone_sfs(old, new)
                + changed_sfs(old, new, ("ports", "variables", "limits", "control"))])


def on_switch(placed):
    """Return the marks of what a placed graph has on the switch: ({name of LSI or segment: mark}, {name of port: mark})."""
    lsis, found = {}, {}
    for kind, words in every_part(placed, ""):
        if kind in BRIDGES:
            lsis[words[0]] = words[1]
        elif kind in ("link", "plug"):
            found[words[1]] = found[words[3]] = words[4]
        else:
            found[words[1]] = words[2]
    return lsis, found


def placed_flows(placed):
    """Return (the flows of LSI-0, the flows of the graph-LSI) of a placed graph."""
    if "flows" not in placed:
        placed["flows"] = ([], []) if placed["graph"] is None else _flows(placed)
    return placed["flows"]


def _flows(placed):
    graph, number = placed["graph"], placed["number"]
    base, far = steering.split(graph.rules, placed["links"], placed["low"])
    on_lsi0, on_lsi = {}, {}
    for link in placed["links"].values():
        on_lsi0["link:%d" % link], on_lsi["link:%d" % link] = names.link(number, link)
    forced = {}
    for sf in graph.sfs:
        for port in placed["sfs"][sf.id]["ports"]:
            on_lsi["sf:%s:%s" % (sf.id, port["id"])] = port_name(placed, placed["sfs"][sf.id], port)
        for port in sf.ports:
            if port.trusted:
                forced["sf:%s:%s" % (sf.id, port.id)] = port.mac
    for joint, count in placed["joints"].items():
        on_lsi["up:" + joint], on_lsi["down:" + joint] = names.joint(number, count)
    near = dict([(saps.reference(sap), saps.attachment(sap)) for sap in graph.saps if sap.interface])
    for sap, (name, _) in own_saps(placed):
        if saps.place(sap) == saps.SEGMENT:
            near[saps.reference(sap)] = name, -1
        else:
            on_lsi[saps.reference(sap)] = name
    return flows.of_lsi0(number, base, near, on_lsi0), flows.of_graph(number, far, on_lsi, forced)


def port_name(placed, sf, port):
    """Return the name on the LSI of a placed function's port."""
    return names.port(placed["number"], sf["number"], port["number"])


def every_part(placed, datapath):
    """Return the parts of the switch of a placed graph, in order of making."""
    lsi, mark, found = names.lsi(placed["number"]), placed["id"], []
    if placed["lsi"]:
        found.append(("lsi", (lsi, mark, datapath)))
    for group in sorted(placed["groups"]):
        found.append(("segment", (names.segment(placed["groups"][group]), NODE_MARK, datapath)))
    for link in sorted(set(placed["links"].values())):
        near, far = names.link(placed["number"], link)
        found.append(("link", (names.LSI0, near, lsi, far, mark)))
    for joint in sorted(placed["joints"]):
        near, far = names.joint(placed["number"], placed["joints"][joint])
        found.append(("link", (lsi, near, lsi, far, mark)))
    for name, _, _ in ports(placed, empty(mark)):
        found.append(("port", (lsi, name, mark)))
    for sf in sorted([sf for sf in placed["sfs"].values() if "switch" in sf], key=lambda sf: sf["number"]):
        found.append(("switch", (sf["switch"], mark, datapath)))
        for port in plugs(sf):
            near, far = port_name(placed, sf, port), names.plug(placed["number"], sf["number"], port["number"])
            found.append(("plug", (lsi, near, sf["switch"], far, mark, port["number"], sf["state"] == "running")))
    for sap, (near, far) in own_saps(placed):
        if saps.place(sap) == saps.SEGMENT:
            part = "link", (names.LSI0, near, names.segment(placed["groups"][sap.options["group"]]), far, mark)
        elif saps.place(sap) == saps.HOST:
            part = "host", (lsi, near, mark, sap.options["mac"] or placed["saps"][sap.id]["mac"])
        elif placed["saps"][sap.id]["way"] == DEVICE:
            part = "port", (lsi, near, mark)
        else:
            part = "tunnel", (lsi, near, mark, saps.KINDS[sap.kind].tunnel[0], tuple(sorted(sap.options.items())))
        if part not in found:
            found.append(part)
    return found


def parts(new, old, datapath):
    """Return the parts that `new` has and `old` has not, or has with other words."""
    before = set(every_part(old, datapath))
    return [part for part in every_part(new, datapath) if part not in before]


def gone_parts(old, new, datapath):
    """Return the parts of `old` that nothing of `new` stands in the place of."""
    kept = set([_name(part) for part in every_part(new, datapath)])
    return [part for part in every_part(old, datapath) if _name(part) not in kept]


def changed_parts(old, new, datapath):
    """Return the parts of `old` that are still there in `new`, but with other words."""
    kept, after = set([_name(part) for part in every_part(new, datapath)]), set(every_part(new, datapath))
    return [part for part in every_part(old, datapath) if part not in after and _name(part) in kept]


def _name(part):
    """Return the name of what a part is: of a bridge, or of a port on one."""
    kind, words = part
    return words[0] if kind in BRIDGES else words[1]


def own_saps(placed):
    """Return [(SAP, (its port, the port at the other end if it is a link))] of those that are ports of their own."""
    return [(sap, names.sap(placed["number"], placed["saps"][sap.id]["number"]))
            for sap in (placed["graph"].saps if placed["graph"] else ()) if sap.id in placed["saps"]]


def _replaces(before, one):
    """Say whether a function has to be made anew: another image, or a port that is another device."""
    ports = dict([(port["number"], port["mac"]) for port in before["ports"]])
    return any([before[key] != one[key] for key in ("name", "type", "template", "digest")]) \
        or any([ports.get(port["number"], port["mac"]) != port["mac"] for port in one["ports"]])


def gone_sfs(old, new):
    """Return the placed functions of `old` that `new` has not, in order of their number."""
    kept = set([sf["number"] for sf in new["sfs"].values()])
    return sorted([sf for sf in old["sfs"].values() if sf["number"] not in kept], key=lambda sf: sf["number"])


def changed_sfs(old, new, keys=("ports", "variables", "limits", "cores")):
    """Return the placed functions of `new` that `old` has too, but otherwise in one of `keys`."""
    before = dict([(sf["number"], sf) for sf in old["sfs"].values()])
    return sorted([sf for sf in new["sfs"].values() if sf["number"] in before and any(
        [sf[key] != before[sf["number"]][key] for key in keys])], key=lambda sf: sf["number"])


def plugs(sf):
    """Return the ports of a placed function that are on the LSI which it is: the switch joins the two."""
    return [port for port in sf["ports"] if port["number"]] if "switch" in sf else []


def sockets(sf):
    """Return the names under which the daemons of the switch find sockets of a placed function."""
    return [names.socket(sf["switch"])] if "switch" in sf else []


def ports(new, old):
    """Return [(name on the LSI, placed function, port)] of the devices that `new` has and `old` has not."""
    before = set([port_name(old, sf, port) for sf in old["sfs"].values() for port in sf["ports"]])
    every = [(port_name(new, sf, port), sf, port) for sf in new["sfs"].values() for port in sf["ports"] if port not in plugs(sf)]
    return sorted([one for one in every if one[0] not in before], key=lambda one: (one[1]["number"], one[2]["number"]))
