"""Placing: a graph gets every name that its plan needs, keeping those of before.

A *placed* graph is a dict of JSON values, so that it can be stored:
    {"id", "number", "lsi": bool, "links": {port: number}, "low": {rule id: low half of its cookie},
     "sfs": {sf id: {"id", "name", "number", "netns", "home", "type", "template", "image", "digest", "folder",
                     "ports": [{"id", "number", "mac"}, ...], "variables": {...}, "limits": {...}, "scripts": [...]}}}
and beside it, not stored, "graph": the Graph, and "flows": what placed_flows returned.
"""
from . import flows, names, steering, values


def empty(graph_id):
    """Return the placed graph that has nothing."""
    return {"id": graph_id, "number": 0, "lsi": False, "links": {}, "low": {}, "sfs": {}, "graph": None}


def place(old, graph, images, number, runtime):
    """Return `graph` placed: every name that its plan needs, keeping those of `old`.

    images: {sf id: {"type", "template", "image", "digest", "limits", "positions": {port id: position from 0}}};
    number: of the graph, if `old` has none; runtime: the folder for what lasts until the next boot.
    """
    number = old["number"] or number
    sfs = {}
    numbers = names.free(set([sf["number"] for sf in old["sfs"].values()]))
    spaces = set([sf["netns"] for sf in old["sfs"].values()])
    for sf in graph.sfs:
        image, before = images[sf.id], old["sfs"].get(sf.id)
        ports = [{"id": port.id, "number": image["positions"][port.id], "mac": values.mac_text(port.mac) if port.mac else ""} for port in sf.ports]
        one = {"id": sf.id, "name": sf.name, "type": image["type"], "template": image["template"],
               "image": image["image"], "digest": image["digest"], "folder": "%s/images/%s" % (runtime, image["digest"]),
               "ports": sorted(ports, key=lambda port: port["number"]), "variables": sf.variables,
               "limits": image["limits"], "graph": graph.id, "lsi": names.lsi(number), "scripts": []}
        if before and _replaces(before, one):
            before = None
        sf_number = before["number"] if before else next(numbers)
        one["number"] = sf_number
        one["netns"] = before["netns"] if before else names.namespace(graph.id, sf.id, sf_number, spaces)
        one["home"] = "%s/functions/%d-%d" % (runtime, number, sf_number)
        one["scripts"] = before["scripts"] if before else []
        one["state"] = before["state"] if before else "running"
        sfs[sf.id] = one
    lows = names.free(set(old["low"].values()), 1)
    low = dict([(rule.id, old["low"].get(rule.id) or next(lows)) for rule in graph.rules])
    return {"id": graph.id, "number": number, "lsi": steering.needs_lsi(graph), "sfs": sfs, "low": low,
            "links": steering.links(graph.rules, old["links"]), "graph": graph}


def same(old, new):
    """Say whether two placed graphs mean the same, so that nothing has to be done."""
    return all([old[key] == new[key] for key in ("number", "lsi", "links", "low", "sfs")]) \
        and placed_flows(old) == placed_flows(new)


def touched(old, new):
    """Return the numbers of the functions that an update makes, changes or takes down."""
    return set([sf["number"] for sf in gone_sfs(new, old) + gone_sfs(old, new) + changed_sfs(old, new)])


def on_switch(placed):
    """Return what a placed graph has on the switch: (names of LSIs, of ports)."""
    lsis = [names.lsi(placed["number"])] if placed["lsi"] else []
    found = [name for name, _, _ in ports(placed, empty(placed["id"]))]
    for link in set(placed["links"].values()):
        found.extend(names.link(placed["number"], link))
    return set(lsis), set(found)


def placed_flows(placed):
    """Return (the flows of LSI-0, the flows of the graph-LSI) of a placed graph."""
    if "flows" not in placed:
        placed["flows"] = ([], []) if placed["graph"] is None else _flows(placed)
    return placed["flows"]


def _flows(placed):
    graph, number = placed["graph"], placed["number"]
    base, far = steering.split(graph.rules, placed["links"], placed["low"])
    saps = dict([("sap:" + sap.id, sap) for sap in graph.saps])
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
    return flows.of_lsi0(number, base, saps, on_lsi0), flows.of_graph(number, far, on_lsi, forced)


def port_name(placed, sf, port):
    """Return the name on the LSI of a placed function's port."""
    return names.port(placed["number"], sf["number"], port["number"])


def parts(new, old, drivers):
    """Return the parts of the switch that `new` has and `old` has not, as [(kind, words)], in order of making."""
    lsi, mark, parts = names.lsi(new["number"]), new["id"], []
    if new["lsi"] and not old["lsi"]:
        parts.append(("lsi", (lsi, mark, drivers.datapath)))
    before = set(old["links"].values())
    for link in sorted(set(new["links"].values())):
        if link not in before:
            near, far = names.link(new["number"], link)
            parts.append(("link", (names.LSI0, near, lsi, far, mark)))
    for name, _, _ in ports(new, old):
        parts.append(("port", (lsi, name, mark)))
    return parts


def _replaces(before, one):
    """Say whether a function has to be made anew: another image, or a port that is another device."""
    ports = dict([(port["number"], port["mac"]) for port in before["ports"]])
    return any([before[key] != one[key] for key in ("name", "type", "template", "digest")]) \
        or any([ports.get(port["number"], port["mac"]) != port["mac"] for port in one["ports"]])


def gone_sfs(old, new):
    """Return the placed functions of `old` that `new` has not, in order of their number."""
    kept = set([sf["number"] for sf in new["sfs"].values()])
    return sorted([sf for sf in old["sfs"].values() if sf["number"] not in kept], key=lambda sf: sf["number"])


def changed_sfs(old, new):
    """Return the placed functions of `new` that `old` has too, with other ports, variables or limits."""
    before = dict([(sf["number"], sf) for sf in old["sfs"].values()])
    return sorted([sf for sf in new["sfs"].values() if sf["number"] in before and any(
        [sf[key] != before[sf["number"]][key] for key in ("ports", "variables", "limits")])], key=lambda sf: sf["number"])


def ports(new, old):
    """Return [(name on the LSI, placed function, port)] of what `new` has and `old` has not."""
    before = set([port_name(old, sf, port) for sf in old["sfs"].values() for port in sf["ports"]])
    every = [(port_name(new, sf, port), sf, port) for sf in new["sfs"].values() for port in sf["ports"]]
    return sorted([one for one in every if one[0] not in before], key=lambda one: (one[1]["number"], one[2]["number"]))
