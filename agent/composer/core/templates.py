"""Templates: what one says of its function: ports, memory, processor, limits, what it wants of the node (SPEC 3).

A template is a dict as JSON has it, checked by the repository, which adds "path" and "digest" of its image.
"""
from . import names, values

ROOM = 16  # MiB that the scripts of a function may take beside what its template says
MEMORY, PIDS = 64, 64  # limits in MiB and in processes of a function whose template says nothing
GRAPH = "graph"  # the vnf-type of a template that is itself a graph


def capability(template):
    """Return the name of the function that a template implements."""
    return str(template.get("functional-capability", template.get("name")))


def functions(templates):
    """Return the names of the functions that the templates have, sorted."""
    return sorted(set([capability(template) for template in templates]))


def of_function(sf, templates):
    """Return those of the templates that a function of a graph may be made from: all that have it, or the one it names."""
    if sf.template is not None:
        return [template for template in templates if sf.template in (
            template.get("name"), "%s.json" % template.get("name"))]  # [U]: the name of its file
    return [template for template in templates if capability(template) == sf.name]


def needs(template):
    """Return what a running function of a template is counted with: {"memory": MiB, "cpu": cores}; 0 if it says nothing."""
    return {"memory": template.get("memory-size") or 0, "cpu": _cores(template)}


def limits(template):
    """Return what a function may take: {"memory": MiB, "pids": number, "cpu": cores}.

    memory-size and CPUrequirements say what it needs; "limits" [N] of a template sets any of the three itself.
    """
    size = template.get("memory-size")
    found = {"memory": int(size) + ROOM if size else MEMORY, "pids": PIDS, "cpu": _cores(template) or 1}
    found.update(template.get("limits", {}))
    return found


def _cores(template):
    return sum([one.get("coreNumbers", 0) for one in template.get("CPUrequirements", {}).get("socket", ())])


def version(template):
    """Return the version of a template as a list of four numbers; what it does not say is 0."""
    found = []
    for word in str(template.get("version", "")).split("."):
        word = word.lstrip("v")
        digits = word[:len(word) - len(word.lstrip(values.DIGITS))]
        found.append(int(digits or 0))
    return (found + [0, 0, 0, 0])[:4]


def port_range(template):
    """Return (least, most or None) ports of a template."""
    least, most = 0, 0
    for first, last, spec in _ranges(template):
        size = None if last is None else last - first + 1
        least += int(spec.get("min", size or 0))
        most = None if size is None or most is None else most + size
    return least, most


def last(template):
    """Return the last position of a template's ports, counted from 1; None if it has any number of them."""
    ends = [end for _, end, _ in _ranges(template)]
    return None if None in ends else max(ends + [0])


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
