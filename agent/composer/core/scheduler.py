"""The scheduler: binds functions to processor cores, from how the graph joins them (paper, 5.3).

What one function has just sent is still in the cache of its core when the next one takes it.  So neighbours share a
core, a long chain is cut into pieces, and each goes to the least loaded core, to one of the same cache as before if it can:

    the graph       lan - a - b - c - d - e - f - wan           d asks for a core of its own
    caches          [0 1] [2 3]
    cores           a b c: 1        d: 0        e f: 2

A function that needs much says so in its template (CPUrequirements); any other is taken to be light, since it is the
switch that does the work, and what the kernel forwards by itself it does on the core of whoever sent.  What has a core stays
on it as long as it can.  The same graph on the same node always gets the same cores; with one core there is nothing to do.
"""
from . import steering

PIECE = 4  # light functions of a chain on one core, while there are cores
OWN = 1 << 20  # the load of a core that is one function's own: more than light functions can be; each of those is 1
AWAY = 2  # light functions that a core may have more than another, before the cache is left


def bind(graph, needs, groups, load, kept):
    """Return {sf id: [cores], sorted; [] if it may run anywhere}, or {} if there is nothing to choose from.

    needs: {sf id: cores that are to be its own, 0 for a light function}; groups: [[core, ...] that share a cache, ...], of
    the cores that functions may have; load: {core: what functions of other graphs put on it}, as `loads` counts;
    kept: {sf id: the cores that it has}, of functions that stay.  One core is nobody's own: a function that asks for
    more than there are then may run anywhere.
    """
    cores = [core for group in groups for core in group]
    if len(cores) < 2:
        return {}
    group_of = dict([(core, number) for number, group in enumerate(groups) for core in group])
    load = dict([(core, load.get(core, 0)) for core in cores])
    found = dict([(name, kept[name]) for name in kept if name in needs and _fits(kept[name], needs[name], group_of)])
    _count(load, [(found[name], needs[name]) for name in found])
    chains = order(graph)
    for chain in chains:
        near = None
        for name in chain:
            if name not in found and needs[name]:
                found[name] = _own(needs[name], groups, load, near)
                _count(load, [(found[name], needs[name])])
            near = group_of[found[name][0]] if found.get(name) else near
    for chain in chains:
        _pieces(chain, needs, found, load, group_of)
    return found


def order(graph):
    """Return [[sf id, ...]] of a graph's functions: each list are those that rules join, in the order of the way through
    them, from an end of it; a branch stays together."""
    neighbours = dict([(sf.id, []) for sf in graph.sfs])
    for rule in graph.rules:
        for port in steering.outputs(rule):
            ends = [_end(rule.port_in), _end(port)]
            if all(ends):
                for one, other in (ends, ends[::-1]):
                    if one != other and other not in neighbours.setdefault(one, []):
                        neighbours[one].append(other)
    chains, seen = [], set()
    for count in sorted(set([len(neighbours[sf.id]) for sf in graph.sfs])):  # those with one neighbour are ends
        for sf in graph.sfs:
            if len(neighbours[sf.id]) == count and sf.id not in seen:
                chains.append([name for name in _walk(sf.id, neighbours, seen) if name[0] != ":"])
    return chains


def _end(port):
    """Return whose a port is: an SF, or both ends of a joint, ":<sf>:<port>"; "" of a SAP."""
    kind, _, rest = port.partition(":")
    return rest.split(":")[0] if kind == "sf" else ":" + rest if kind in ("up", "down") else ""


def own(needs):
    """Return how many cores are to be a function's own, of what its template asks for; less than one is none."""
    return int(needs.get("cpu", 0))


def loads(sfs):
    """Return {core: what these placed functions put on it}."""
    found = {}
    _count(found, [(sf["cores"], own(sf["needs"])) for sf in sfs])
    return found


def _walk(start, neighbours, seen):
    chain, waiting = [], [start]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            chain.append(name)
            waiting.extend(neighbours[name][::-1])
    return chain


def _fits(cores, need, group_of):
    """Say whether a function can stay as it is bound, or unbound."""
    return not cores or len(cores) == max(1, need) and all([core in group_of for core in cores])


def _count(load, bound):
    for cores, need in bound:
        for core in cores:
            load[core] = load.get(core, 0) + (OWN if need else 1)


def _own(need, groups, load, near):
    """Return cores that become one function's own: of one cache if they can be, best that of `near`, the group of its
    neighbour, else the one where the fewest are left over."""
    free = [sorted([(load[core], core) for core in group if load[core] < OWN]) for group in groups]
    every = sorted([one for some in free for one in some])
    if need >= len(every):
        return []
    enough = [(sum([one[0] for one in free[number][:need]]), number != near, len(free[number]), number)
              for number in range(len(groups)) if len(free[number]) >= need]
    return sorted([core for _, core in (free[min(enough)[3]] if enough else every)[:need]])


def _pieces(chain, needs, found, load, group_of):
    """Bind the light functions of a chain that are not bound yet: each to the core of the light one before it until that has
    its share, and the first to that of the first that is bound."""
    light = [name for name in chain if not needs[name]]
    places = [found[name][0] for name in light if found.get(name)]
    cores = [core for core in sorted(load) if load[core] < OWN] or sorted(load)
    share = -(-len(light) // max(1, min(-(-len(light) // PIECE), len(cores))))
    here, near = places[0] if places else None, None
    for name in chain:
        if name not in found:
            if here is None or places.count(here) >= share:
                here = min([core for core in cores if places.count(core) < share] or cores, key=lambda core: (
                    load[core] + (AWAY if near not in (None, group_of[core]) else 0), core))
            found[name] = [here]
            places.append(here)
            _count(load, [([here], 0)])
        if found[name]:
            near = group_of[found[name][0]]
            here = here if needs[name] else found[name][0]
