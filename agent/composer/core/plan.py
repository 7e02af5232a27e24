"""The plan: the one order in which a graph becomes another one.  Deploying is an update of EMPTY, deleting one to EMPTY.

    make      namespaces, ports | one transaction of the switch | the functions' scripts, side by side
    steer     the far ends of new rules, the graph-LSI, LSI-0 (traffic flows last): the commit point
    take down what only the old graph had, in reverse

If a step fails before the commit point, what was done is undone and the failure is raised again; after it the way
is forward: what could not be taken down is returned, to be tried again.  A stop script that failed is only a
complaint: its function is gone all the same.  Destroy never minds absence, create never minds presence.

A *placed* graph is a dict of JSON values, so that it can be stored:
    {"id", "number", "lsi": bool, "links": {port: number}, "low": {rule id: low half of its cookie},
     "sfs": {sf id: {"id", "name", "number", "netns", "home", "type", "template", "image", "digest", "folder",
                     "ports": [{"id", "number", "mac"}, ...], "variables": {...}, "limits": {...}, "scripts": [...]}}}
and beside it, not stored, "graph": the Graph, and "flows": what placed_flows returned.  Paper, Figure 7.
"""
from . import flows, names, steering, values
from .errors import Conflict, Refused, StepFailed, listed


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


def update(old, new, drivers):
    """Yield the steps from `old` to `new`, both placed; return (what could not be taken down, complaints), failures.

    drivers: an object with .vswitch, .datapath ("system" or "netdev") and .compute, {execution environment: driver}.
    Raises what failed before the commit point, after undoing it; its `left` lists what could not be undone.
    """
    undo = []
    try:
        if new["number"]:
            yield from _make(old, new, drivers, undo)
            yield from _steer(old, new, drivers, undo)
    except (StepFailed, Refused) as failure:
        failure.left = []
        while undo:
            yield from undo.pop()(failure.left)
        raise failure
    return (yield from take_down(old, new, drivers))


def take_down(old, new, drivers):
    """Yield the steps that remove what `old` has and `new` has not; return as `update` does.  May be done again."""
    left, complaints = [], []
    if old["number"] and not new["number"]:
        yield from together([drivers.vswitch.change_rules(names.LSI0, [flows.delete_graph(old["number"])])], left)
    elif old["lsi"] and new["lsi"]:
        gone = flows.change(_between(old, new), placed_flows(new)[1])
        yield from together([drivers.vswitch.change_rules(names.lsi(old["number"]), gone)], left)
    gone, parts = _gone_sfs(old, new), _parts(old, new, drivers)
    yield from _stop(gone, drivers, complaints)
    yield from _dismantle(parts, drivers, left)
    yield from _destroy(gone, ports(old, new), drivers, left)
    return left, complaints


def touched(old, new):
    """Return the numbers of the functions that an update makes, changes or takes down."""
    return set([sf["number"] for sf in _gone_sfs(new, old) + _gone_sfs(old, new) + _changed_sfs(old, new)])


def mend(placed, broken, drivers):
    """Yield the steps that make a placed graph whole again, but for its rules, whatever of it is there; return {sf id:
    why it failed}.

    broken: numbers of the functions that are made anew.  All else that is there stays as it is, with its packets.
    A function that does not start is nobody else's concern: it is the supervisor's.
    """
    sfs = [sf for sf in placed["sfs"].values() if sf["number"] in broken]
    made = ports(dict(placed, sfs=dict([(sf["id"], sf) for sf in sfs])), empty(placed["id"]))
    left, failed, lsi, mark = [], {}, names.lsi(placed["number"]), placed["id"]
    yield from _dismantle([("port", (lsi, name, mark)) for name, _, _ in made], drivers, left)
    yield from _destroy(sfs, made, drivers, left)
    if left:
        raise left[0]
    yield from _create(sfs, made, drivers)
    parts = _parts(placed, empty(mark), drivers)
    if parts:
        yield from drivers.vswitch.transact([drivers.vswitch.MAKE[kind](*words) for kind, words in parts])
    yield from together([_try(_driver(sf, drivers).start(sf), sf["id"], failed) for sf in sfs])
    return failed


def rules(placed, drivers, anew=False, absent=()):
    """Yield the steps that set all rules of a placed graph: far ends first, on a switch that has lost them.

    anew: take out first, in the same bundle, what there may be of them; absent: interfaces without which it has to be.
    """
    first = [flows.delete_graph(placed["number"])] if anew else []
    base, far = placed_flows(placed)
    for switch, wanted in ([(names.lsi(placed["number"]), far)] if placed["lsi"] else []) + [(names.LSI0, base)]:
        yield from drivers.vswitch.change_rules(switch, first + [
            flows.add(flow) for flow in wanted if not any(['"%s"' % name in flow.key + flow.actions for name in absent])])


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


def together(generators, failures=None):
    """Drive generators of steps side by side: what they yield at one time goes out as one list.

    A failed step is thrown into its generator.  What a generator raises is appended to `failures`, or, without
    it, raised when all generators have come to their end.
    """
    raised = [] if failures is None else failures
    running = [(generator, None) for generator in generators]
    while running:
        asked, steps = [], []
        for generator, answer in running:
            try:
                if isinstance(answer, Exception):
                    step = generator.throw(answer)
                else:
                    step = generator.send(answer)
            except StopIteration:
                continue
            except (StepFailed, Refused) as failure:
                raised.append(failure)
                continue
            asked.append((generator, len(step) if isinstance(step, list) else None))
            steps.extend(step if isinstance(step, list) else [step])
        results = (yield steps) if steps else []
        running, place = [], 0
        for generator, count in asked:
            mine = results[place:place + (1 if count is None else count)]
            place += len(mine)
            failed = [result for result in mine if isinstance(result, Exception)]
            running.append((generator, failed[0] if failed else mine if count is not None else mine[0]))
    if failures is None and raised:
        raise raised[0]


def _make(old, new, drivers, undo):
    """Make what only `new` has, and update the functions that stay but differ."""
    vswitch, parts = drivers.vswitch, _parts(new, old, drivers)
    fresh, changed, made = _gone_sfs(new, old), _changed_sfs(old, new), ports(new, old)
    undo.append(lambda left: _destroy(fresh, made, drivers, left))
    yield from _create(fresh, made, drivers)
    if parts:
        undo.append(lambda left: _dismantle(parts, drivers, left))
        yield from vswitch.transact([vswitch.MAKE[kind](*words) for kind, words in parts])
    undo.append(lambda left: _stop(fresh, drivers, []))
    undo.append(lambda left: together([_driver(sf, drivers).update(sf, old["sfs"][sf["id"]]) for sf in changed], left))
    yield from together([_driver(sf, drivers).start(sf) for sf in fresh]
                        + [_driver(sf, drivers).update(old["sfs"][sf["id"]], sf) for sf in changed])


def _create(sfs, made, drivers):
    return together([_driver(sf, drivers).create(sf) for sf in sfs]
                    + [drivers.vswitch.make_port(name, sf["netns"], names.inside(port["number"]), port["mac"])
                       for name, sf, port in made])


def _try(generator, key, failed):
    """Drive a generator; what fails in it is noted under `key` and not raised."""
    try:
        yield from generator
    except (StepFailed, Refused) as failure:
        failed[key] = failure


def _steer(old, new, drivers, undo):
    """Change the rules so that no packet that both graphs carry is lost: far ends, then near, LSI-0 last."""
    change_rules, lsi = drivers.vswitch.change_rules, names.lsi(new["number"])
    old_base, new_base = placed_flows(old)[0], placed_flows(new)[0]
    stages = []
    if old["lsi"] and new["lsi"]:
        keys = set([flow.key for flow in old_base])
        far = old_base + [flow for flow in new_base if flow.onward and flow.key not in keys]
        stages.append((names.LSI0, old_base, far))
        old_base = far
    if new["lsi"]:
        stages.append((lsi, placed_flows(old)[1] if old["lsi"] else [], _between(old, new)))
    stages.append((names.LSI0, old_base, new_base))
    for switch, before, after in stages:
        lines = flows.change(before, after)
        if not lines:
            continue
        if switch == names.LSI0 or old["lsi"]:  # a new LSI goes with its flows
            undo.append(lambda left, switch=switch, lines=flows.change(after, before):
                        together([change_rules(switch, lines)], left))
        yield from change_rules(switch, lines)


def _between(old, new):
    """Return the flows of the graph-LSI while LSI-0 may still send along old links."""
    if not new["lsi"]:
        return []
    after = placed_flows(new)[1]
    keys = set([flow.key for flow in after])
    before = placed_flows(old)[1] if old["lsi"] else []
    return after + [flow for flow in before if flow.onward and flow.key not in keys]


def _stop(sfs, drivers, left):
    return together([_driver(sf, drivers).stop(sf) for sf in sfs if sf["type"] in drivers.compute], left)


def _dismantle(parts, drivers, left):
    """Unmake parts of the switch, in the reverse of the order of making."""
    backwards = [drivers.vswitch.UNMAKE[kind](*words) for kind, words in reversed(parts)]
    return together([drivers.vswitch.dismantle(backwards)] if parts else [], left)


def _destroy(sfs, gone, drivers, left):
    return together([drivers.vswitch.unmake_port(name) for name, _, _ in gone]
                    + [_driver(sf, drivers).destroy(sf) for sf in sfs if sf["type"] in drivers.compute], left)


def _parts(new, old, drivers):
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


def _gone_sfs(old, new):
    """Return the placed functions of `old` that `new` has not, in order of their number."""
    kept = set([sf["number"] for sf in new["sfs"].values()])
    return sorted([sf for sf in old["sfs"].values() if sf["number"] not in kept], key=lambda sf: sf["number"])


def _changed_sfs(old, new):
    """Return the placed functions of `new` that `old` has too, with other ports, variables or limits."""
    before = dict([(sf["number"], sf) for sf in old["sfs"].values()])
    return sorted([sf for sf in new["sfs"].values() if sf["number"] in before and any(
        [sf[key] != before[sf["number"]][key] for key in ("ports", "variables", "limits")])], key=lambda sf: sf["number"])


def ports(new, old):
    """Return [(name on the LSI, placed function, port)] of what `new` has and `old` has not."""
    before = set([port_name(old, sf, port) for sf in old["sfs"].values() for port in sf["ports"]])
    every = [(port_name(new, sf, port), sf, port) for sf in new["sfs"].values() for port in sf["ports"]]
    return sorted([one for one in every if one[0] not in before], key=lambda one: (one[1]["number"], one[2]["number"]))


def _driver(sf, drivers):
    if sf["type"] not in drivers.compute:  # any more: its package was removed
        raise Conflict("", "function %s needs %s, this node offers %s" % (sf["id"], sf["type"], listed(drivers.compute)))
    return drivers.compute[sf["type"]]
