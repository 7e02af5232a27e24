"""The resolver: picks for each function of a graph the template, and so the image, that this node can run now.

templates are dicts as SPEC 3 has them, with "path" (of the image) and "digest" added by the repository.  The offer
is an object with .types {execution environment: its driver} and .has(dependency).  Paper, 5.6.
"""
from . import names, values
from .errors import Conflict, BadGraph, listed, show

ROOM = 16  # MiB that the scripts of a function may take beside what its template says
MEMORY, PIDS = 64, 64  # limits in MiB and in processes of a function whose template says nothing


def resolve(graph, templates, offer, placed, read):
    """Return {sf id: {"type", "template", "image", "digest", "limits", "positions"}} for core.placing.place.

    placed: {sf id: placed function} of before, whose ports keep their positions; read(template) makes a template
    that came within the graph like those of the repository.
    Raises Conflict that says for each template which condition failed.
    """
    images = {}
    for sf in graph.sfs:
        before = placed.get(sf.id)
        kept = dict([(port["id"], port["number"]) for port in before["ports"]]) if before else {}
        refusals, best = [], None
        for template in candidates(sf, templates, read):
            why = refusal(template, sf, offer, kept)
            if why:
                refusals.append("template %s: %s" % (template.get("name"), why))
            elif best is None or _order(template) < _order(best):
                best = template
        if best is None:
            raise Conflict(sf.where, "function %s cannot run here: %s" % (sf.name, "; ".join(refusals) or (
                "no template has it, there are %s" % listed(functions(templates)))))
        images[sf.id] = {"type": best["vnf-type"], "template": best["name"], "image": best["path"],
                         "digest": best["digest"], "limits": limits(best),
                         "positions": positions(sf.ports, best, kept)}
    return images


def functions(templates):
    """Return the names of the functions that the templates have, sorted."""
    return sorted(set([str(template.get("functional-capability", template.get("name"))) for template in templates]))


def candidates(sf, templates, read):
    """Return the templates that a function of a graph may be made from."""
    if isinstance(sf.template, dict):
        try:
            return [read(sf.template)]
        except ValueError as error:
            raise BadGraph(sf.where + (".vnf_template" if sf.where.startswith("VNFs") else ".template"), str(error))
    if sf.template is not None:
        return [template for template in templates if sf.template in (
            template.get("name"), "%s.json" % template.get("name"))]  # [U]: the name of its file
    return [template for template in templates if template.get("functional-capability") == sf.name]


def refusal(template, sf, offer, kept):
    """Return why this template cannot serve the function here, or "" if it can."""
    kind = template.get("vnf-type")
    if kind not in offer.types:
        return "needs %s, this node offers %s" % (kind, ", ".join(sorted(offer.types)) or "nothing")
    missing = [dependency for dependency in template.get("dependencies", ()) if not offer.has(dependency)]
    if missing:
        return "%s is missing on this node" % listed(missing, " and ")
    for attribute in sorted(sf.constraints):
        offered = template.get("attributes", {}).get(attribute)
        if not _meets(offered, sf.constraints[attribute]):
            return "%s is %s, wanted is %s" % (
                show(attribute)[1:-1], show(offered), show(sf.constraints[attribute]))
    if positions(sf.ports, template, kept) is None:
        least, most = port_range(template)
        return "has %s ports, wanted are %d" % (
            least if least == most else "%d to %s" % (least, "any number of" if most is None else most), len(sf.ports))
    return ""


def limits(template):
    """Return what a function may take: {"memory": MiB, "pids": number, "cpu": cores}.

    memory-size and CPUrequirements say what it needs; "limits" [N] of a template sets any of the three itself.
    """
    size, cores = template.get("memory-size"), template.get("CPUrequirements", {}).get("socket", [])
    found = {"memory": int(size) + ROOM if size else MEMORY, "pids": PIDS,
             "cpu": sum([one.get("coreNumbers", 0) for one in cores]) or 1}
    found.update(template.get("limits", {}))
    return found


def port_range(template):
    """Return (least, most or None) ports of a template."""
    least, most = 0, 0
    for first, last, spec in _ranges(template):
        size = None if last is None else last - first + 1
        least += int(spec.get("min", size or 0))
        most = None if size is None or most is None else most + size
    return least, most


def positions(ports, template, kept):
    """Return {port id: position from 0} of a graph's ports, or None if the template has no room or wants more.

    A port goes to <label>:<index> where the template has that label, else to the next free place; one that had a
    place keeps it, if the template has it.
    """
    least, most = port_range(template)
    if len(ports) < least or most is not None and len(ports) > most:
        return None
    result = dict([(port.id, kept[port.id]) for port in ports if port.id in kept
                   and (most is None or kept[port.id] < most)])
    taken, ranges = set(result.values()), _ranges(template)
    for port in ports:
        label, _, index = port.id.partition(":")
        for first, last, spec in ranges:
            if port.id not in result and index and spec.get("label") == label:
                try:
                    place = first - 1 + values.number(index, 0, 999)
                except ValueError:
                    continue
                if (last is None or place < last) and place not in taken:
                    result[port.id] = place
                    taken.add(place)
    places = names.free(taken)
    for port in ports:
        if port.id not in result:
            result[port.id] = next(places)
    return result


def _ranges(template):
    """Return [(first, last or None, port spec)] of a template's ports, counted from 1."""
    result = []
    for spec in template.get("ports", ()):
        first, _, last = str(spec.get("position", "1-N")).partition("-")
        result.append((int(first), None if last == "N" else int(last or first), spec))
    return result


def _meets(offered, wanted):
    """A number offers itself and less; anything else has to be equal."""
    if isinstance(offered, (int, float)) and isinstance(wanted, (int, float)) and not isinstance(wanted, bool):
        return offered >= wanted
    return offered == wanted


def _order(template):
    """Native before the others, then the least memory, then the name."""
    return template["vnf-type"] != "native", template.get("memory-size", 0), str(template.get("name"))
