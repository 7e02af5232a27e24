"""The resolver: picks for each function of a graph the template, and so the image, that this node can run now.

    find(sf)        gives the templates that a function may be made from
    refusal         says why one of them cannot be it, here and now
    the best        of those that are left: what runs already, then native before container before VM (or in the order that
                    the graph gives), what uses an accelerator, the least memory, the newest version, the name

A template that is itself a graph is resolved with all that is in it, and counts with the sum of it.  Functions are resolved
in the graph's order, each with what those before left of the node; if the last does not fit so, all again, the least memory
before anything else.  What was considered and why is part of the result, and of the refusal: no answer without its reason.
Paper, 4.1, 4.4, 5.6.
"""
from collections import namedtuple

from . import recursion, sffg, templates
from .errors import BadGraph, Conflict, Refused, listed, show, unknown
from .templates import GRAPH

# What the node offers.  types: execution environments; has(dependency), has_accelerator(name); memory, cpu: MiB and cores
# that are left for functions, as (left, in all); find(sf): templates, raises ValueError; functions(): the names of
# those that there are; graph(template): the Graph that a template is, as recursion.read gives it, raises ValueError, Refused.  find
# and graph may raise what the caller knows: it has to be brought first.
Offer = namedtuple("Offer", ("types", "has", "has_accelerator", "memory", "cpu", "find", "functions", "graph"))

# images: {sf id: what core.placing.place needs of it}; parts: {sf id: {"name", "template", "digest", "ports", "body"}} of the
# functions that are graphs; choices: {sf id: [{"template", "taken", "why"}, ...]}, the best first.
Resolved = namedtuple("Resolved", ("images", "parts", "choices"))

ENVIRONMENTS = ("native", "openflow-switch", "docker", "dpdk", "virtual-machine-kvm")  # the best first
ENVIRONMENT = "vnf-type"  # among constraints: an execution environment, or several, the best first
TINY = 1e-6  # MiB or cores: what sums of parts may be off
MOST = 4096  # templates that are graphs, and are looked at for one graph: each may have some more in it

# A template that can be it.  kind: its execution environment, of a graph the worst in it; rank: the smaller the better;
# cost: what it takes of what is left of the node; resolved: itself and what it is made of
_Candidate = namedtuple("_Candidate", ("template", "kind", "rank", "cost", "resolved"))


def resolve(graph, offer, placed):
    """Return what a graph is Resolved to.

    placed: the placed graph of before, whose ports keep their positions and whose functions keep their templates if they
    can.  Raises Conflict (409) that says for each template which condition failed, as text and as `templates` in its `more`.
    """
    search = _Search(offer, placed, False)
    try:
        return search.graph(graph)
    except Conflict:
        if not search.short:
            raise
    return _Search(offer, placed, True).graph(graph)


def why_not(template, offer):
    """Return why a template cannot be run here now, whatever graph asks for it, or ""."""
    try:
        least, _ = port_range(template, offer)
    except (ValueError, Refused) as error:
        return str(error)
    ports = [sffg.Port(str(number), "", None, False, "") for number in range(least)]
    sf = sffg.SF("", templates.capability(template), ports, template, {}, {}, (), "")
    for hasty in (True, False):
        found = _Search(offer, {"sfs": {}, "parts": {}}, False, hasty).candidate(template, sf, "", (), 0)
        if not isinstance(found, str):
            return ""
    return found


def port_range(template, offer):
    """Return (least, most or None) ports of a template, of one that is a graph by its SAPs.  Raises ValueError, Refused."""
    return templates.port_range(_opened(template, offer)[0])


class _Search:
    """One way through a graph and all that it is made of.  frugal: the least memory before anything else; hasty: the first that
    can be it is the best."""

    def __init__(self, offer, placed, frugal, hasty=False):
        self.offer, self.placed, self.frugal, self.hasty = offer, placed, frugal, hasty
        self.left = {"memory": offer.memory[0], "cpu": offer.cpu[0]}
        self.seen, self.short = 0, False  # templates that were looked at; whether one was refused for want of room

    def graph(self, graph, above="", chain=()):
        """Resolve all functions of a graph; above: "gw/" if it is the template of function gw; chain: those it is within."""
        found = Resolved({}, {}, {})
        for sf in graph.sfs:
            best, choice = self._best(sf, above + sf.id, chain)
            found.choices[above + sf.id] = choice
            for mine, its in zip(found, best.resolved):
                mine.update(its)
            for key in self.left:
                self.left[key] -= best.cost[key]
        return found

    def _best(self, sf, name, chain):
        """Return (the best candidate of a function, its choice)."""
        candidates, refused = [], []
        try:
            every = self.offer.find(sf)
        except ValueError as error:
            raise BadGraph(sf.where + (".vnf_template" if sf.where.startswith("VNFs") else ".template"), str(error))
        for index, template in enumerate(every):
            found = self.candidate(template, sf, name, chain, index)
            if isinstance(found, str):
                refused.append(_considered(template, found))
            else:
                candidates.append(found)
                if self.hasty:
                    break
        if not candidates:
            texts = ["template %s: %s" % (one["template"], one["why"]) for one in refused]
            raise Conflict(sf.where, "function %s cannot run here: %s" % (sf.name, "; ".join(texts) or (
                "no template has it, there are %s" % listed(self.offer.functions()))), {"templates": refused})
        candidates.sort(key=lambda one: one.rank)
        best, others = candidates[0], candidates[1:]
        why = self._better(best, others[0]) if others else "the only one that %s" % ("can run here" if refused else "there is")
        return best, [_considered(best.template, why, True)] + [_considered(one.template, "%s is better: %s" % (
            best.template["name"], self._better(best, one))) for one in others] + refused

    def candidate(self, template, sf, name, chain, index):
        """Return a _Candidate, or why the template cannot be it."""
        try:
            template, inner = _opened(template, self.offer)
        except (ValueError, Refused) as error:
            return "its graph is wrong: %s" % error
        self.seen += inner is not None
        if self.seen > MOST:
            raise Conflict(sf.where, "more than %d templates that are graphs would have to be looked at: name one" % MOST)
        before = self.placed["parts" if inner else "sfs"].get(name)
        stays = bool(before) and (before["name"], before["template"], before["digest"]) == (
            sf.name, template["name"], template["digest"])
        places = templates.positions(sf.ports, template, _kept(before, inner))
        why = self._refusal(template, sf, places)
        if why:
            return why
        if inner:
            whole = self._whole(template, inner, sf, name, chain, places)
            if isinstance(whole, str):
                return whole
            kind, used, cost, found = whole
        else:
            kind, used, cost = template["vnf-type"], templates.needs(template), {}
            for key in used:
                cost[key] = max(0, used[key] - (before.get("needs", {}).get(key, 0) if stays else 0))
            why = self._lacking(cost)
            if why:
                return why
            found = Resolved({name: {"type": kind, "template": template["name"], "image": template["path"],
                                     "digest": template["digest"], "limits": templates.limits(template), "needs": used,
                                     "positions": places, "from": template}}, {}, {})
        rank = [not stays, self._environments(sf).index(kind), not template.get("accelerators"), used["memory"],
                [-number for number in templates.version(template)], template["name"], index]
        return _Candidate(template, kind, [cost["memory"], cost["cpu"]] + rank if self.frugal else rank, cost, found)

    def _whole(self, template, inner, sf, name, chain, places):
        """Return (kind, needs, cost, Resolved) of a template that is a graph, or why it cannot be it."""
        names = " -> ".join([one for one, _ in chain] + [template["name"]])
        if (template["name"], template["digest"]) in chain:
            return "is made of itself: " + names
        if len(chain) == recursion.DEEPEST:
            return "is deeper than %d graphs within graphs: %s" % (recursion.DEEPEST, names)
        before = dict(self.left)
        try:
            found = self.graph(inner, name + recursion.BETWEEN, chain + ((template["name"], template["digest"]),))
            cost = dict([(key, before[key] - self.left[key]) for key in before])
        except Refused as refusal:
            return "is a graph: %s" % refusal
        finally:
            self.left = before
        kinds = [image["type"] for image in found.images.values()] or [ENVIRONMENTS[0]]
        wanted = self._environments(sf)
        for kind in kinds:
            if kind not in wanted:
                return "is made of %s, wanted is %s" % (kind, _either(wanted))
        used = dict([(key, sum([image["needs"][key] for image in found.images.values()])) for key in cost])
        found.parts[name] = {"name": sf.name, "template": template["name"], "digest": template["digest"], "body": inner.body,
                             "ports": dict([(port, inner.saps[place].id) for port, place in places.items()])}
        return max(kinds, key=wanted.index), used, cost, found

    def _refusal(self, template, sf, places):
        """Return why this template cannot serve the function here, but for what it takes, or "" if it can."""
        kind, offer = template.get("vnf-type"), self.offer
        if kind == GRAPH:
            if sf.control or [port for port in sf.ports if port.mac is not None or port.ip]:
                return "is a graph: a port of it has no mac and no ip, and no TCP port of the node leads to it"
        elif kind not in offer.types:
            return "needs %s, this node offers %s" % (kind, ", ".join(sorted(offer.types)) or "nothing")
        elif kind not in self._environments(sf):
            return "is %s, wanted is %s" % (kind, _either(self._environments(sf)))
        missing = [dependency for dependency in template.get("dependencies", ()) if not offer.has(dependency)]
        if missing:
            return "%s %s missing on this node" % (listed(missing, " and "), "is" if len(missing) == 1 else "are")
        missing = [name for name in template.get("accelerators", ()) if not offer.has_accelerator(name)]
        if missing:
            return "this node has no accelerator for %s" % listed(missing, " and ")
        known = template.get("variables")
        for name in sorted(sf.variables) if known is not None and sf.where.startswith("SFs") else ():  # [U]: others ignore it
            if name not in known:
                return unknown(name, known, "variable")
        for attribute in sorted(sf.constraints):
            offered, wanted = template.get("attributes", {}).get(attribute), sf.constraints[attribute]
            if attribute != ENVIRONMENT and not _meets(offered, wanted):
                return "%s is %s, wanted is %s" % (show(attribute)[1:-1], show(offered), show(wanted))
        if places is None:
            least, most = templates.port_range(template)
            return "has %s ports, wanted are %d" % (
                least if least == most else "%d to %s" % (least, "any number of" if most is None else most), len(sf.ports))
        return ""

    def _environments(self, sf):
        """Return the execution environments that a function may have, the best first."""
        known = ENVIRONMENTS + tuple(sorted([kind for kind in self.offer.types if kind not in ENVIRONMENTS]))
        wanted = sf.constraints.get(ENVIRONMENT, known)
        return tuple(wanted) if isinstance(wanted, (list, tuple)) else (wanted,)

    def _lacking(self, cost):
        """Return what the node has too little of, or ""."""
        for key, words in (("memory", "MiB of memory"), ("cpu", "cores")):
            if cost[key] > self.left[key] + TINY:
                self.short = True
                return "needs %s %s, of %s %s are left" % (
                    _number(cost[key]), words, _number(getattr(self.offer, key)[1]), _number(max(0, self.left[key])))
        return ""

    def _better(self, best, one):
        """Return in what the best is better than another one, in words."""
        if self.frugal:
            return "only with the least memory the whole graph fits"
        place = [first == second for first, second in zip(best.rank, one.rank)].index(False)
        return ("runs already", "%s before %s" % (best.kind, one.kind), "uses an accelerator",
                "%s MiB of memory, not %s" % (_number(best.rank[3]), _number(one.rank[3])),
                "version %s, not %s" % (_version(best), _version(one)), "its name comes first", "it came first")[place]


def _considered(template, why, taken=False):
    return {"template": template.get("name"), "taken": taken, "why": why}


def _opened(template, offer):
    """Return (the template, the Graph that it is or None); one that is a graph has as its ports the graph's SAPs."""
    if template.get("vnf-type") != GRAPH:
        return template, None
    inner = offer.graph(template)
    least, most = templates.port_range(template)
    if "ports" in template and not least == most == templates.last(template) == len(inner.saps):
        raise ValueError("ports: its graph has %d SAPs, and each has to be a port" % len(inner.saps))
    labelled = [{"position": "%d-%d" % (index + 1, index + 1), "label": sap.id} for index, sap in enumerate(inner.saps)]
    return dict([(key, template[key]) for key in template] + [("ports", template.get("ports") or labelled)]), inner


def _kept(before, inner):
    """Return {port id: position} that the ports of a function of before have."""
    if not before or not inner:
        return dict([(port["id"], port["number"]) for port in before["ports"]]) if before else {}
    place = dict([(sap.id, index) for index, sap in enumerate(inner.saps)])
    return dict([(port, place[sap]) for port, sap in before["ports"].items() if sap in place])


def _either(words):
    return " or ".join([str(word) for word in words])


def _meets(offered, wanted):
    """A number offers itself and less; anything else has to be equal."""
    if isinstance(offered, (int, float)) and isinstance(wanted, (int, float)) and not isinstance(wanted, bool):
        return offered >= wanted
    return offered == wanted


def _version(candidate):
    numbers = templates.version(candidate.template)
    while len(numbers) > 1 and not numbers[-1]:
        numbers.pop()
    return ".".join([str(number) for number in numbers])


def _number(value):
    """Return an amount as people write it: 4, not 4.0."""
    return "%d" % round(value) if abs(value - round(value)) < TINY else "%.1f" % value
