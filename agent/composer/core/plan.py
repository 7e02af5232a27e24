"""The plan: the one order in which a graph becomes another one.  Deploying is an update of EMPTY, deleting one to EMPTY.

    make      namespaces, ports | one transaction of the switch | the functions' scripts, side by side
    steer     the far ends of new rules, the graph-LSI, LSI-0 (traffic flows last): the commit point
    take down what only the old graph had, in reverse

If a step fails before the commit point, what was done is undone and the failure is raised again; after it the way
is forward: what could not be taken down is returned, to be tried again.  A stop script that failed is only a
complaint: its function is gone all the same.  Destroy never minds absence, create never minds presence.

What a placed graph is, says placing.py.  Paper, Figure 7.
"""
from . import access, control, flows, names, placing
from .errors import Conflict, Refused, StepFailed, listed


def update(old, new, drivers):
    """Yield the steps from `old` to `new`, both placed; return (what could not be taken down, complaints), failures.

    drivers: an object with .vswitch, .datapath ("system" or "netdev"), .compute, {execution environment: driver},
    .tunnels ("auto", or the only way there is), .dhcp (a client), .keeps(segment, graph id), whether others need it, and
    .tell(sf, state), which hears what became of a function: created, running, updated, stopped ... (paper, Table 5).
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
        gone = flows.change(_between(old, new), placing.placed_flows(new)[1])
        yield from together([drivers.vswitch.change_rules(names.lsi(old["number"]), gone)], left)
    gone = placing.gone_sfs(old, new)
    yield from _stop(gone, drivers, complaints)
    yield from together([access.release(old, new)], left)
    yield from _dismantle(placing.gone_parts(old, new, drivers.datapath), drivers, left, old["id"])
    yield from _destroy(gone, placing.ports(old, new), drivers, left, access.remove(old, new), control.remove(old, new))
    return left, complaints


def mend(placed, broken, drivers):
    """Yield the steps that make a placed graph whole again, but for its rules, whatever of it is there; return {sf id:
    why it failed}.

    broken: numbers of the functions that are made anew.  All else that is there stays as it is, with its packets.
    A function that does not start is nobody else's concern: it is the supervisor's.
    """
    sfs = [sf for sf in placed["sfs"].values() if sf["number"] in broken]
    made = placing.ports(dict(placed, sfs=dict([(sf["id"], sf) for sf in sfs])), placing.empty(placed["id"]))
    left, failed, lsi, mark = [], {}, names.lsi(placed["number"]), placed["id"]
    yield from _dismantle([("port", (lsi, name, mark)) for name, _, _ in made], drivers, left, mark)
    yield from _destroy(sfs, made, drivers, left)
    if left:
        raise left[0]
    nothing = placing.empty(mark)
    yield from access.release(placed, nothing)
    yield from _create(sfs, made, drivers, access.make(placed, nothing), control.make(placed, nothing))
    yield from _switch(placed, nothing, drivers)
    yield from together([_try(_start(sf, drivers), sf["id"], failed) for sf in sfs]
                        + [access.configure(placed, nothing, drivers.dhcp)])
    return failed


def rules(placed, drivers, anew=False, absent=()):
    """Yield the steps that set all rules of a placed graph: far ends first, on a switch that has lost them.

    anew: take out first, in the same bundle, what there may be of them; absent: interfaces without which it has to be.
    """
    first = [flows.delete_graph(placed["number"])] if anew else []
    base, far = placing.placed_flows(placed)
    for switch, wanted in ([(names.lsi(placed["number"]), far)] if placed["lsi"] else []) + [(names.LSI0, base)]:
        yield from drivers.vswitch.change_rules(switch, first + [
            flows.add(flow) for flow in wanted if not any(['"%s"' % name in flow.key + flow.actions for name in absent])])


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
    fresh, changed, made = placing.gone_sfs(new, old), placing.changed_sfs(old, new), placing.ports(new, old)
    undo.append(lambda left: _destroy(fresh, made, drivers, left, access.remove(new, old), access.make(old, new),
                                      control.remove(new, old), control.make(old, new)))
    yield from _create(fresh, made, drivers, access.make(new, old), control.make(new, old))
    undo.append(lambda left: _switch_back(old, new, drivers, left))
    yield from _switch(new, old, drivers)
    undo.append(lambda left: _stop(fresh, drivers, []))
    undo.append(lambda left: together([access.release(new, old), access.configure(old, new, drivers.dhcp)], left))
    undo.append(lambda left: together([_update(sf, old["sfs"][sf["id"]], drivers) for sf in changed], left))
    yield from together([_start(sf, drivers) for sf in fresh] + [access.configure(new, old, drivers.dhcp)]
                        + [_update(old["sfs"][sf["id"]], sf, drivers) for sf in changed])


def _switch(new, old, drivers):
    """Make the parts of the switch that `new` has and `old` has not.  A tunnel that the switch cannot end becomes a device
    of the kernel (paper, 8.8)."""
    parts = placing.parts(new, old, drivers.datapath)
    if not parts:
        return
    try:
        yield from _transact(parts, drivers)
    except StepFailed as failure:
        refused = [words for kind, words in parts if kind == "tunnel" and "'%s'" % words[1] in failure.output]
        if not refused or drivers.tunnels != "auto":
            raise
        yield from drivers.vswitch.dismantle([drivers.vswitch.UNMAKE["tunnel"](*words) for words in refused])
        for sap, port in access.own(new):
            if port in [words[1] for words in refused]:
                new["saps"][sap.id]["way"] = placing.DEVICE
        yield from together([access.make(new, old)])
        yield from _transact(placing.parts(new, old, drivers.datapath), drivers)


def _transact(parts, drivers):
    return drivers.vswitch.transact([drivers.vswitch.MAKE[kind](*words) for kind, words in parts])


def _switch_back(old, new, drivers, left):
    """Undo what _switch did."""
    changed = placing.changed_parts(old, new, drivers.datapath)
    if changed:
        yield from together([_transact(changed, drivers)], left)
    yield from _dismantle(placing.gone_parts(new, old, drivers.datapath), drivers, left, new["id"])


def _create(sfs, made, drivers, *beside):
    return together([_told(_driver(sf, drivers).create(sf), sf, "created", drivers) for sf in sfs] + list(beside)
                    + [drivers.vswitch.make_port(name, sf["netns"], names.inside(port["number"]), port["mac"])
                       for name, sf, port in made])


def _start(sf, drivers):
    return _told(_driver(sf, drivers).start(sf), sf, sf["state"], drivers)


def _update(before, sf, drivers):
    return _told(_driver(sf, drivers).update(before, sf), sf, "updated", drivers)


def _told(generator, sf, state, drivers):
    """Drive a generator of a function; when it has come to its end, tell what has become of the function."""
    yield from generator
    drivers.tell(sf, state)


def _try(generator, key, failed):
    """Drive a generator; what fails in it is noted under `key` and not raised."""
    try:
        yield from generator
    except (StepFailed, Refused) as failure:
        failed[key] = failure


def _steer(old, new, drivers, undo):
    """Change the rules so that no packet that both graphs carry is lost: far ends, then near, LSI-0 last."""
    change_rules, lsi = drivers.vswitch.change_rules, names.lsi(new["number"])
    old_base, new_base = placing.placed_flows(old)[0], placing.placed_flows(new)[0]
    stages = []
    if old["lsi"] and new["lsi"]:
        keys = set([flow.key for flow in old_base])
        far = old_base + [flow for flow in new_base if flow.onward and flow.key not in keys]
        stages.append((names.LSI0, old_base, far))
        old_base = far
    if new["lsi"]:
        stages.append((lsi, placing.placed_flows(old)[1] if old["lsi"] else [], _between(old, new)))
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
    """Return the flows of the graph-LSI while LSI-0 may still send along old links: what comes by one goes all its old way."""
    if not new["lsi"]:
        return []
    after = placing.placed_flows(new)[1]
    keys = set([flow.key for flow in after])
    before = [flow for flow in placing.placed_flows(old)[1] if flow.key not in keys] if old["lsi"] else []
    if not any([flow.onward for flow in before]):
        return after
    _, there = placing.on_switch(new)
    return after + [flow for flow in before if flow.onward or flows.entry(flow) not in there]


def _stop(sfs, drivers, left):
    return together([_told(_driver(sf, drivers).stop(sf), sf, "stopped", drivers) for sf in sfs
                     if sf["type"] in drivers.compute], left)


def _dismantle(parts, drivers, left, graph_id):
    """Unmake parts of the switch, in the reverse of the order of making, but for segments that other graphs need."""
    backwards = [drivers.vswitch.UNMAKE[kind](*words) for kind, words in reversed(parts)
                 if kind != "segment" or not drivers.keeps(words[0], graph_id)]
    return together([drivers.vswitch.dismantle(backwards)] if backwards else [], left)


def _destroy(sfs, gone, drivers, left, *beside):
    return together(list(beside) + [drivers.vswitch.unmake_port(name) for name, _, _ in gone]
                    + [_told(_driver(sf, drivers).destroy(sf), sf, "destroyed", drivers) for sf in sfs
                       if sf["type"] in drivers.compute], left)


def _driver(sf, drivers):
    if sf["type"] not in drivers.compute:  # any more: its package was removed
        raise Conflict("", "function %s needs %s, this node offers %s" % (sf["id"], sf["type"], listed(drivers.compute)))
    return drivers.compute[sf["type"]]
