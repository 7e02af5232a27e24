"""Admission: what a graph gets of the node, before anything is done for it: implementations, room, names; or a Conflict (409).

    vet        interfaces, addresses, ports, what other graphs have            (vet.py)
    resolve    a template for each function, with what the node can offer now  (core/resolver.py)
    bring      what the repository has not got here yet; then all once more, as the node may be another one by then
    place      the names and numbers of all that the graph needs               (core/placing.py)

What functions take is counted with what their templates say (memory-size, CPUrequirements), from the moment that a graph is
placed until what it had is taken down.  An update has room for what it makes beside what it will take down only then.
Paper, 4.1, 4.4.
"""
import os

from . import cores, host, monitor, vet
from .core import names, placing, recursion, resolver, saps, templates
from .core.errors import Conflict
from .repository import Absent

SHARE = 0.75  # of the node's memory that is for functions, if the configuration does not say
MOST = 64  # times that the repository is asked for more, for one graph


def place(node, old, graph, graph_id, owner=None, dead=(), dry=False):
    """Return the graph placed, or raise Conflict; a generator of the steps that bring what the repository lacks.

    With an owner, its interfaces must be his to use; what was accepted once is not asked again.  dead: numbers of the functions
    of `old` that are made anew whatever comes of it: what takes the place of one may have its room; dry: no image is brought, but graphs.
    """
    yield []  # the loop turns: the graph has just been parsed, and large ones take their time
    for _ in range(MOST):
        node.security.check_saps(graph, owner, node.config.interfaces, vet.owners(node, graph_id))
        vet.graph(node, graph, graph_id)
        monitor.vet(graph)
        found, absent = _resolve(node, graph, old, graph_id, dead)
        for one in [one for one in absent if dry and one.kind == "image" and one.key["vnf-type"] != templates.GRAPH]:
            if not one.key["digest"]:
                raise Conflict("", "%s has not been brought here yet, so there is no plan: a dry run brings none" % one)
            absent.remove(one)
        if not absent:
            return _placed(node, old, graph, graph_id, found)
        yield from node.repository.bring(absent)
    raise Conflict("", "the repository has always something new: try again")


def _resolve(node, graph, old, graph_id, dead):
    """Return (what a graph is Resolved to or None, what has to be brought before that can be told, or used)."""
    absent = []
    room = offer(node, {graph_id: dead}, absent)
    old = dict(old, sfs=dict([(name, dict(sf, needs={}) if sf["number"] in dead else sf) for name, sf in old["sfs"].items()]))
    absent.extend(_absent(graph, room.find))
    if absent:
        return None, absent
    try:
        found = resolver.resolve(graph, room, old)
    except Absent as one:
        return None, absent + [one]
    return found, [one for one in [node.repository.lacks(image["from"]) for image in found.images.values()] if one]


def _absent(graph, find):
    """Return what has to be brought for all functions of a graph, which the resolver would miss of one after the other."""
    absent = []
    for sf in graph.sfs:
        try:
            find(sf)
        except Absent as one:
            absent.append(one)
        except ValueError:
            pass  # the resolver says so
    return absent


def _placed(node, old, graph, graph_id, found):
    entry, mac = node.graphs.get(graph_id), vet.macs(node, graph_id)

    def fresh(sap):
        return vet.way(node, sap, host.addresses()) if saps.place(sap) == saps.TUNNEL else mac(sap.id)

    cores.choose(node, old, recursion.expand(graph, found.parts) if found.parts else graph, graph_id, found.images)
    return placing.place(old, graph, found.images, _number(node), node.config.runtime, vet.groups(node, graph), fresh,
                         entry.trial.before if entry and entry.trial else None, found.parts, found.choices, mac)


def _number(node):
    """Return the smallest number that no graph has, and of which nobody else has taken a name."""
    taken, there = set([names.NODE]), host.interfaces()
    for entry in node.graphs.values():
        taken.update(entry.numbers())
    return next(number for number in names.free(taken, 1) if not any(names.belongs(name, number) for name in there))


def offer(node, dead=None, absent=None):
    """Return what the node has for functions now, as the resolver wants it.  Each thing is looked up once: graphs are large.

    dead: as for `resources`; absent: a list for what the functions of templates that are graphs lack, as they are read.
    """
    room, met, found, graphs = resources(node, dead), {}, {}, {}

    def has(dependency):
        if dependency not in met:
            met[dependency] = host.has(dependency)
        return met[dependency]

    def find(sf):
        if isinstance(sf.template, dict):
            return node.repository.find(sf)
        if (sf.name, sf.template) not in found:
            found[sf.name, sf.template] = node.repository.find(sf)
        return found[sf.name, sf.template]

    def graph(template):
        key = template["path"], template["digest"]
        if key not in graphs:
            graphs[key] = recursion.read(node.repository.body(template))
            if absent is not None:
                absent.extend(_absent(graphs[key], find))
        return graphs[key]

    memory = min(room["memory"]["total"] - room["memory"]["reserved"], host.memory()["free"])
    return resolver.Offer(node.drivers.compute, has, host.has_accelerator,
                          (max(0, memory), room["memory"]["total"]),
                          (max(0, room["cpu"]["total"] - room["cpu"]["reserved"]), room["cpu"]["total"]),
                          find, lambda: templates.functions(node.templates()), graph)


def resources(node, dead=None):
    """Return what there is for functions, and what those that are there reserve: memory in MiB, cpu in cores.  dead: {graph id:
    numbers of functions that are not counted}."""
    wanted, taken = node.config.resources, {"memory": 0, "cpu": 0}
    for entry in node.graphs.values():
        for number, needs in _needs(entry).items():
            for key in taken:
                taken[key] += 0 if number in (dead or {}).get(entry.id, ()) else needs.get(key, 0)
    total = {"memory": wanted.memory or int(SHARE * host.memory()["total"]), "cpu": wanted.cpu or len(os.sched_getaffinity(0))}
    return dict([(key, {"total": total[key], "reserved": taken[key]}) for key in total])


def _needs(entry):
    """Return {number: needs} of all functions that a graph has or may have again, those that are still to be taken down too;
    of one whose template says another amount by now, the most."""
    found = {}
    for placed in entry.every() + [one[0] for one in entry.left]:
        for sf in placed["sfs"].values():
            most = found.setdefault(sf["number"], dict(sf["needs"]))
            most.update([(key, sf["needs"][key]) for key in sf["needs"] if sf["needs"][key] > most.get(key, 0)])
    return found
