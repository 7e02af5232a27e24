"""Tracing: the way of one packet through the LSIs of a graph, with the counters of the rules that it meets.

The switch is asked (ofproto/trace), not our own tables: what it says is what it would do.
"""
from . import flows, matches, names, placing, saps
from .errors import BadRequest, listed, unknown


def trace(placed, query, vswitch):
    """Yield the steps that ask the switch, and return {"packet", "hops": [...], "verdict"}.

    query: {"port_in": a reference such as sap:lan or sf:fw:1, and keys of a match, as in a rule}; the packet is one that
    matches: the first address of a network, a TTL of 64.
    A hop is {"lsi", "table", "rule" (id or what the rule does for the node), "match", "actions", "packets", "bytes"}.
    """
    port_in, sides = query.get("port_in"), _sides(placed)
    if port_in is None:
        raise BadRequest("port_in", "is missing: known are %s" % listed(sides))
    if port_in not in sides:
        raise BadRequest("port_in", unknown(port_in, list(sides), "port"))
    lsi, start = sides[port_in]
    found, _ = matches.parse(dict([(key, value) for key, value in query.items() if key != "port_in"]), "query")
    if start[1] >= 0 and "vlan_vid" in found[0]:
        raise BadRequest("vlan_id", "a vlan SAP gives its traffic untagged: leave it out")
    packet = ['in_port="%s"' % start[0]] + (["dl_vlan=%d" % start[1]] if start[1] >= 0 else [])
    packet += [word.partition("/")[0] for word in flows.fields(found[0])]
    if found[0].get("eth_type", (0, 0))[0] in matches.IP:
        packet.append("nw_ttl=64")
    text = yield from vswitch.trace(lsi, ",".join(packet))
    counted = {names.LSI0: (yield from vswitch.counters(names.LSI0))}
    if placed["lsi"]:
        counted[names.lsi(placed["number"])] = yield from vswitch.counters(names.lsi(placed["number"]))
    return {"packet": ",".join(packet), "hops": _hops(text, placed, counted), "verdict": _verdict(text)}


def _sides(placed):
    """Return {reference: (LSI, (port name, VLAN id or -1))} of every port of a graph."""
    sides = {}
    own = dict([(sap.id, port) for sap, (port, _) in placing.own_saps(placed)])
    for sap in placed["graph"].saps:
        near = saps.reference(sap).startswith("sap:")
        sides["sap:" + sap.id] = names.LSI0 if near else names.lsi(placed["number"]), \
            (own[sap.id], -1) if sap.id in own else saps.attachment(sap)
    for sf in placed["sfs"].values():
        for port in sf["ports"]:
            sides["sf:%s:%s" % (sf["id"], port["id"])] = names.lsi(placed["number"]), (placing.port_name(placed, sf, port), -1)
    for joint, number in placed["joints"].items():  # what comes out of a function that is a graph
        sides["sf:" + joint] = names.lsi(placed["number"]), (names.joint(placed["number"], number)[0], -1)
    return sides


def _hops(text, placed, counted):
    """Read the lines of ofproto/trace: `bridge("lsi0")`, then ` 1. match, priority 1, cookie 0x100000001`, then actions.

    What a link leads to is set in, if more actions come after it: an action is of the last hop that is set in less.
    """
    hops, lsi = [], None  # hops: [(how far it is set in, hop)]
    for line in text.split("\n"):
        words = line.strip()
        depth = (len(line) - len(line.lstrip())) // 4
        number, dot, rest = words.partition(". ")
        if words.startswith("bridge("):
            lsi = words[len('bridge("'):-len('")')]
        elif lsi and dot and (number.isdigit() or number[:-1].isdigit()):
            match, _, rest = rest.partition(", cookie 0x") if ", cookie 0x" in rest else (rest, "", "0")
            cookie = int(rest.split(",")[0].split(" ")[0], 16)
            packets, octets = counted.get(lsi, {}).get(cookie, (0, 0))
            hops.append((depth, {"lsi": lsi, "table": int(number.rstrip("R")), "rule": _rule(cookie, placed), "match": match,
                                 "actions": [], "packets": packets, "bytes": octets}))
        elif line.startswith("Final flow:"):
            break
        elif words.strip("-") and depth:
            of = [hop for set_in, hop in hops if set_in < depth]
            if of:
                of[-1]["actions"].append(words.lstrip("-> "))
    return [hop for _, hop in hops]


def _rule(cookie, placed):
    """Return what a cookie stands for: the rule of the graph, or what the agent added."""
    number, low = cookie >> 32, cookie & 0xffffffff
    if not cookie:
        return "none: dropped"
    if number != placed["number"]:
        return "dispatch" if number == names.NODE else "of another graph"
    if low & names.ONWARD:
        return "onward from link %d" % (low & ~names.ONWARD)
    if low & names.DISPATCH:
        return "dispatch of VLAN %d" % (low & ~names.DISPATCH)
    return ([name for name in sorted(placed["low"]) if placed["low"][name] == low] + ["unknown"])[0]


def _verdict(text):
    """Return what the datapath would do, in the switch's words."""
    for line in text.split("\n"):
        if line.startswith("Datapath actions: "):
            return line[len("Datapath actions: "):]
    return "unknown"
