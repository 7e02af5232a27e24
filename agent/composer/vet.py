"""Vetting: what a graph wants of this node against what the node has now; what it cannot have is a Conflict (409)."""
from . import host
from .core import control, names, placing, saps, sffg, values
from .core.access import CLIENTS
from .core.errors import Conflict


def graph(node, wanted, graph_id):
    """Raise Conflict if a graph wants what the node (an Orchestrator) has not, or what another graph has."""
    if graph_id == placing.NODE_MARK:
        raise Conflict("id", "%s is the mark of the node's own things: the graph needs another id" % graph_id)
    addresses = None
    for sap in wanted.saps:
        if saps.place(sap) == saps.WIRE:
            _interface(node, sap)
        elif saps.place(sap) == saps.TUNNEL:
            addresses = addresses or host.addresses()
            _tunnel(node, sap, addresses)
        elif sap.options.get("address"):
            addresses = addresses or host.addresses()
            _address(sap, addresses, node.graphs[graph_id].numbers() if graph_id in node.graphs else ())
        elif sap.options.get("configuration") == "dhcp" and not node.drivers.dhcp:
            raise Conflict(sap.where, "this node has no DHCP client, those known are %s: give a static address" % ", ".join(
                [name for name, _ in CLIENTS]))
    absent = node.absent(wanted)
    for sap in [sap for sap in wanted.saps if sap.interface in absent]:
        raise Conflict(sap.where, "interface %s cannot be put on LSI-0 now, see the events" % sap.interface)
    sffg.conflict(wanted, [placed["graph"] for entry in node.graphs.values() if entry.id != graph_id
                           for placed in entry.every()])
    _node(node.graphs.get(graph_id), wanted)


def _node(entry, wanted):
    """Raise Conflict unless the node's TCP ports and its default gateway are for a graph to use; entry: None if it is new."""
    numbers = entry.numbers() if entry else ()
    had = [port for placed in (entry.both() if entry else ()) for sf, _ in control.ends(placed) for port, _ in sf["control"]]
    for sf in wanted.sfs:
        place = sf.where + ".unify-control"
        if sf.control and not host.has_program("nft"):
            raise Conflict(place, "nft is missing on this node: no port of it can lead to a function")
        for port in [port for port, _ in sf.control if port not in had and host.listens(port)]:
            raise Conflict(place, "the node itself listens on TCP port %d: choose another" % port)
    others = [name for name, _ in (host.default_routes() if wanted.gateway else ())
              if not any([names.belongs(name, number) for number in numbers])]
    if others:
        raise Conflict("node-config", "the node has a default route through %s, which is not this graph's" % ", ".join(others))


def _interface(node, sap):
    """Raise Conflict unless an interface or VLAN is there, and for graphs to use."""
    if sap.interface not in node.interfaces:
        raise Conflict(sap.where, "interface %s is not given to LSI-0 by the configuration, which has %s"
                       % (sap.interface, ", ".join(node.interfaces) or "none"))
    free = [one.vlans for one in node.config.interfaces if one.name == sap.interface][0]
    if sap.vlan is not None and not any([first <= sap.vlan <= last for first, last in free]):
        raise Conflict(sap.where, "VLAN %d of %s is not for graphs, those are %s" % (
            sap.vlan, sap.interface, ", ".join(["%d-%d" % pair for pair in free])))
    if not host.has_interface(sap.interface):
        raise Conflict(sap.where, "interface %s is not there" % sap.interface)


def _tunnel(node, sap, addresses):
    """Raise Conflict unless a tunnel can begin at its address here."""
    local, place = sap.options["local"], sap.within + ".local-ip"
    if not any([address.partition("/")[0] == local for _, address in addresses]):
        raise Conflict(place, "%s is no address of this node, those are %s" % (
            local, ", ".join(sorted([address.partition("/")[0] for _, address in addresses]))))
    if way(node, sap, addresses) == placing.SWITCH and not _can_switch(node, local, addresses):
        raise Conflict(place, '%s is not on %s, where the switch in user space needs it: "inband" of the configuration '
                       "puts it there" % (local, names.LSI0))


def _address(sap, addresses, numbers):
    """Raise Conflict if the address of a SAP is that of another port of the node, or its network a part of that of one, whose
    packets it would take; numbers: those of the graph itself."""
    wanted, _, length = sap.options["address"].partition("/")
    for name, address in sorted(addresses):
        there, _, other = address.partition("/")
        mask = values.prefix(int(other), 32)
        if there == wanted and not names.number(name):
            raise Conflict(sap.within + ".IPv4", "%s is the address of %s already" % (wanted, name))
        if int(length) > int(other) and not (values.ipv4(there) ^ values.ipv4(wanted)) & mask and not any([
                names.belongs(name, number) for number in numbers]):
            raise Conflict(sap.within + ".IPv4", "%s is within the network of %s, which is %s" % (
                sap.options["address"], name, address))


def macs(node, graph_id):
    """Return the function that gives the MAC address of a port, by the id of its SAP or by "<sf>:<port>": always the same one,
    so that its neighbours and a DHCP server know it again when it was away or made anew, and on no other node."""
    from hashlib import sha256
    there = [name for name in node.interfaces if host.has_interface(name)]
    seed = "%s %s " % (host.mac(there[0]) if there else node.config.node, graph_id)
    return lambda name: "02:" + sha256((seed + name).encode()).digest()[:5].hex(":")


def way(node, sap, addresses):
    """Return how the node makes the end of a tunnel: by the switch, or as a device of the kernel."""
    if node.drivers.tunnels != "auto":
        return node.drivers.tunnels
    return placing.SWITCH if _can_switch(node, sap.options["local"], addresses) else placing.DEVICE


def _can_switch(node, local, addresses):
    """Say whether the switch finds the address of a tunnel: in user space it knows those of its bridges only."""
    return node.drivers.datapath != "netdev" or any([
        name == names.LSI0 and address.partition("/")[0] == local for name, address in addresses])


def owners(node, graph_id):
    """Return {group: owners of the graphs that name it}, but for one graph."""
    found = {}
    for entry in node.graphs.values():
        for placed in entry.every() if entry.id != graph_id else ():
            for group in placed["groups"]:
                found.setdefault(group, set()).add(entry.owner)
    return found


def groups(node, wanted):
    """Return {group: number of its segment} for the groups that a graph names."""
    there, known = host.interfaces(), {}
    for entry in node.graphs.values():
        for placed in entry.every():
            known.update(placed["groups"])
    free = names.free(set(known.values()), 1)
    found = {}
    for sap in wanted.saps:
        group = sap.options.get("group")
        if group is not None and group not in found:
            found[group] = known[group] if group in known else next(
                number for number in free if names.segment(number) not in there)
    return found
