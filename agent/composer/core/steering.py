"""Traffic steering: one big switch becomes LSI-0 and a graph-LSI.

A service graph draws its paths on one big switch.  The node has two layers: LSI-0 owns the physical
interfaces, and each graph has an LSI that owns the rest.  A rule whose ends lie on both is split over
a virtual link:

    the rule        eth0, tcp  ->  decrease TTL, nat:1
    on LSI-0        eth0, tcp  ->  decrease TTL, link 0
    on graph-LSI    link 0     ->  nat:1

Links are keyed by the port that they lead to: all traffic to one port shares one, and the same link carries the
traffic to a port of the graph-LSI one way and to a SAP of LSI-0 the other way.
Table 4 and Algorithms 1 and 2 of the COMPOSER paper.
"""
from collections import namedtuple

from . import names, saps

# A rule of one LSI.  port_in and the values of outputs are references: of ports (sap:, far:, sf:) and links (link:<n>).
# low: the low half of its cookie; onward: leads from a link to its port.
SteeringRule = namedtuple("SteeringRule", ("low", "onward", "priority", "port_in", "matches", "actions", "timeout"))


def on_lsi0(port):
    """Say whether a port is on LSI-0: interface, vlan and internal SAPs are (Table 4)."""
    return port.startswith("sap:")


def outputs(rule):
    return [value for kind, value in rule.actions if kind == "output"]


def crossed(rule):
    """Return the outputs of a rule that lie on the other LSI than its match."""
    return [port for port in outputs(rule) if on_lsi0(port) != on_lsi0(rule.port_in)]


def links(rules, kept):
    """Return {port: link number}: Algorithm 1, but for links that are `kept` (a result of before).

    Two ports have the same number only if they lie on different LSIs: the link leads to one in each direction.
    A number of before is not given to another port in the same update, which would lead old traffic there.
    """
    result, numbers = {}, {}
    for on_base in (True, False):
        numbers[on_base] = names.free(set([kept[port] for port in kept if on_lsi0(port) == on_base]))
    for rule in rules:
        for port in crossed(rule):
            if port not in result:
                result[port] = kept[port] if port in kept else next(numbers[on_lsi0(port)])
    return result


def split(rules, link_of, low_of):
    """Return (the rules of LSI-0, the rules of the graph-LSI): Algorithm 2.

    link_of: what `links` returned; low_of: {rule id: the low half of its cookie}.
    """
    base, graph = [], []
    for rule in rules:
        far = set(crossed(rule))
        actions = [(kind, "link:%d" % link_of[value]) if kind == "output" and value in far else (kind, value)
                   for kind, value in rule.actions]
        near = base if on_lsi0(rule.port_in) else graph
        near.append(SteeringRule(low_of[rule.id], False, rule.priority, rule.port_in, rule.matches, actions, rule.timeout))
    for port in sorted(link_of):
        number = link_of[port]
        far = base if on_lsi0(port) else graph
        far.append(SteeringRule(names.ONWARD | number, True, 0, "link:%d" % number, [{}], [("output", port)], 0))
    return base, graph


def needs_lsi(graph):
    """Say whether a graph has functions or SAPs that LSI-0 alone cannot have."""
    return bool(graph.sfs) or any([not on_lsi0(saps.reference(sap)) for sap in graph.saps])
