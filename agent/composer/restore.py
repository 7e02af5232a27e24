"""Restore: looks at what there is, and then does what is missing; at the start, and whenever the watch has cause.

What the switch, the namespaces and the control groups have, by their marks, is compared with the graphs that are
wanted.  A graph that is whole is taken as it is: no step, no script.  Of any other the missing parts are made, and
those functions anew whose namespace or ports are gone, or which somebody was at work on when the agent ended.  What
bears the mark and is not wanted is removed.  Graphs that have a job under way are left to it.

    look  ->  compare  ->  remove what nobody wants, make LSI-0, set lost rules  ->  a job for each graph to be mended
"""
import os

from . import admission, host, log, lsi0
from .core import access, control, flows, json, names, placing, plan, saps, sffg, steps, stored
from .core.errors import Refused, StepFailed, Unavailable
from .core.placing import NODE_MARK
from .jobs import Entry, Job

PATIENCE = (0.2, 2)  # seconds between two tries while the switch does not answer: at first, at most (doubled)


def start(node, why, pause=PATIENCE[0]):
    """Bring the node (an Orchestrator) to what is wanted; jobs begin when that was tried."""
    if node.looking:
        node.again = why
        return
    node.looking, node.again = True, ""
    if node.retry:
        node.retry.cancel()

    def ended(_, error):
        node.looking = False
        if error is None:
            if node.problem:
                node.events.tell("ready", graphs=len(node.graphs), datapath=node.drivers.datapath, after=why)
            node.known, node.problem = True, ""
        else:
            if not isinstance(error, (Refused, StepFailed, OSError)):
                log.failure("restore", error)
            if node.problem != str(error):
                node.events.tell("not ready", why=str(error))
            node.problem = str(error)
            node.retry = node.loop.at(pause, lambda: start(node, why, min(2 * pause, PATIENCE[1])))
        for entry in list(node.graphs.values()):
            node.begin(entry)
        if node.again and error is None:
            start(node, node.again)

    first = pause == PATIENCE[0]  # what fails again and again is said once
    node.drive(_restore(node, why if first else ""), ended, quiet=not first)


def _restore(node, why):
    vswitch, drivers = node.drivers.vswitch, node.drivers
    for name in vswitch.DAEMONS:
        if not host.daemon(node.config.ovs.rundir, name):
            raise Unavailable("", "%s is not running: start it" % name)
    busy = node.busy()
    life = host.daemon(node.config.ovs.rundir, vswitch.SWITCH)
    seen = yield from vswitch.look()
    node.version = seen["version"]
    drivers.datapath = seen["datapaths"].get(names.LSI0) or (yield from lsi0.datapath(node.config.ovs.datapath))
    node.system.checksums = "off" if drivers.datapath == "netdev" else "on"
    if seen["lsis"].get(names.LSI0, NODE_MARK) != NODE_MARK:
        raise StepFailed("", "bridge %s is somebody else's: rename it, the agent needs the name" % names.LSI0)
    if drivers.datapath == "system" and life not in ("", node.heard, seen["lives"].get(names.LSI0)):
        seen = yield from _heard(node, seen, life)
        node.heard = life
    found = compare(node, seen, busy | node.busy())
    if why and found.anything:
        node.events.tell("repair", why=why, **found.told())
    yield from _remove_unwanted(node, seen, found)
    if found.lsi0 or found.inband or not found.rules:
        yield from lsi0.make(node, found)
    node.prune()
    for graph_id in set(found.changing) - set(node.graphs):
        node.journal.close(graph_id)
    whole = [entry for entry in node.graphs.values() if entry.both() and entry.id not in found.broken]
    if not found.rules:
        yield from plan.together([_rules(node, entry, found.broken) for entry in whole if entry.id not in found.busy])
        yield from vswitch.remember(names.LSI0, life)
    if seen["held"] or life != node.life and drivers.datapath == "system":  # the wish may have come after the look
        yield from vswitch.release()
    node.life = life
    _take(node, found)


def _heard(node, seen, life):
    """Return what a switch has that takes packets from the kernel: if it does not, its bridges have to be made anew."""
    vswitch = node.drivers.vswitch
    until, versions = vswitch.DEAF
    version = (yield from vswitch.version()) if host.born(life) < until else ""
    if version not in versions:
        return seen
    defect = "%s %s was started within %d s of boot and takes no packets" % (vswitch.SWITCH, version, until)
    if node.loop.clock() < until:
        raise Unavailable("", defect + " unless it begins with them later: that is waited for")
    there = [name for name, datapath in seen["datapaths"].items() if datapath == "system"]
    others = [name for name in there if seen["lsis"][name] is None]
    if others:
        raise Unavailable("", "%s: start it again (the agent cannot cure it: bridge %s is not its own)" % (defect, ", ".join(others)))
    if there:
        node.events.tell("bridges are made anew", why=defect)
        yield from vswitch.dismantle([vswitch.UNMAKE["lsi"](name, "", "") for name in there])
        seen = yield from vswitch.look()
    return seen


def _take(node, found):
    """Make the entries say what was found; what is broken is mended by a job.  From here on nothing can fail."""
    for entry in list(node.graphs.values()):
        if not entry.both():
            continue
        if entry.id in found.busy:
            if not found.rules or found.lsi0:
                entry.broken = entry.broken or set()  # when its job is done
            node.skipped.add(entry.id)
            if not (entry.running or entry.left):  # its job has ended meanwhile
                node.again = "a job is done"
            continue
        if entry.placed is None:
            entry.placed, entry.coming = entry.coming, None
        entry.placed.pop("flows", None)
        if entry.id in found.broken:
            if entry.broken is None or not entry.queue:
                entry.queue.insert(0, Job(entry.id, lambda job, entry: node.end(job, entry, "repaired")))
            entry.broken = found.broken[entry.id] | (entry.broken or set())
            entry.state = "repairing"
        elif entry.state != "deployed":
            entry.state, entry.percentage = "deployed", 100
            node.supervisor.follow(entry)
            node.monitor.follow(entry)


def mending(node, entry):
    """Yield the steps that mend a graph, as far as it is broken."""
    placed = yield from _with_images(node, entry)
    node.journal.open(entry.id, placed["number"], entry.broken)
    failed = yield from plan.mend(placed, entry.broken, node.drivers)
    node.supervisor.restarted(entry, entry.broken)
    entry.broken = set()  # should the rules fail, the functions are there
    for sf_id, error in failed.items():
        node.supervisor.failed(entry, sf_id, error)
    yield from plan.rules(placed, node.drivers, anew=True, absent=node.absent(placed["graph"]))
    entry.broken = None
    try:
        node.keep(entry, placed)  # an image that is another one may have other scripts
    except OSError as error:
        log.write("restore", "not stored", graph=entry.id, why=error)


def _with_images(node, entry):
    """Return the placed graph of an entry, placed anew if an image that it needs is another one by now: an upgrade."""
    placed = entry.placed
    for sf in placed["sfs"].values():
        if sf["number"] in entry.broken and not os.path.isdir(sf["folder"]) and not (yield from node.repository.has(sf)):
            graph = sffg.parse(placed["graph"].body, entry.id)
            renewed = yield from admission.place(node, placed, graph, entry.id, dead=entry.broken)
            node.keep(entry, renewed)
            entry.broken |= placing.touched(placed, renewed)
            node.skipped.add(entry.id)  # what there was of the old function is removed when this job is done
            return renewed
    return placed


class Found:
    """What a look found: what is to be done about it.

    broken: {graph id: numbers of the functions to be made anew}; unwanted: {kind: names}; lsi0: interfaces that LSI-0
    lacks, renewed: those of them that it had in an earlier life; lost: ports of SAPs whose device is gone, which the switch
    does not notice, nor that there is another one; rules: whether the rules that were set are there;
    inband: whether the node's addresses have to be moved; changing: what the journal says; busy: ids of the graphs that were left alone.
    """

    def __init__(self, busy, changing):
        self.busy, self.changing = busy, changing
        self.broken, self.unwanted, self.lsi0, self.renewed, self.lost, self.rules, self.inband = {}, {}, [], [], [], True, False

    @property
    def anything(self):
        return bool(self.broken or any(self.unwanted.values()) or self.lsi0 or self.inband or not self.rules)

    def told(self):
        return {"graphs": sorted(self.broken), "unwanted": sum(self.unwanted.values(), []), "interfaces": self.lsi0,
                "rules": "there" if self.rules else "lost"}


def compare(node, seen, busy):
    """Return what was Found: `seen` by the switch driver, and on the node, against what is wanted."""
    spaces, groups, links = host.namespaces(names.MARK), node.system.groups.names(), set(host.interfaces())
    addresses, seen = host.addresses(), dict(
        seen, tables=host.tables(), sockets=host.exposed(node.config.ovs.rundir, node.config.runtime))
    found = Found(busy, node.journal.read())
    life = host.daemon(node.config.ovs.rundir, node.drivers.vswitch.SWITCH)
    found.rules = bool(life) and seen["lives"].get(names.LSI0) == life
    _compare_interfaces(node, seen, links, found)
    found.inband = lsi0.is_ours(node, found) and node.inband.missing(addresses)
    wanted = {"lsis": set(), "ports": set(), "spaces": set(), "clients": set(), "tables": set(), "sockets": set()}
    for entry in node.graphs.values():
        for placed in entry.both():
            lsis, ports = placing.on_switch(placed)
            wanted["lsis"].update(lsis)
            wanted["ports"].update(ports)
            wanted["spaces"].update([sf["netns"] for sf in placed["sfs"].values()])
            wanted["clients"].update(access.clients(placed))
            wanted["sockets"].update([name for sf in placed["sfs"].values() for name in placing.sockets(sf)])
            wanted["ports"].update([port for _, port in control.ends(placed)])
            wanted["tables"].update([names.table(placed["number"], sf["number"]) for sf, _ in control.ends(placed)])
        if entry.both() and entry.id not in busy:
            broken = _broken(entry, seen, spaces, links, addresses, found)
            if broken is not None:
                found.broken[entry.id] = broken
    for kind in ("lsis", "ports"):
        found.unwanted[kind] = sorted([name for name, mark in seen[kind].items() if mark and mark not in busy
                                       and name not in wanted[kind] and (mark != NODE_MARK or name.startswith("seg"))])
    for kind, there in (("spaces", spaces), ("groups", groups)):
        found.unwanted[kind] = [name for name in there if name not in wanted["spaces"] and name.split(":")[1] not in busy]
    found.unwanted["ports"] += found.lost
    found.unwanted["devices"] = sorted([name for name in links if names.number(name) is not None
                                        and name not in wanted["ports"] and _is_left(host.alias(name), busy)])
    homes = node.config.runtime + "/saps/"
    found.unwanted["clients"] = [homes + name for name in (os.listdir(homes) if os.path.isdir(homes) else ())
                                 if homes + name not in wanted["clients"]]
    found.unwanted["tables"] = sorted([name for name in seen["tables"] - wanted["tables"] if names.of_table(name) and not busy])
    found.unwanted["sockets"] = sorted([name for name in seen["sockets"] if name not in wanted["sockets"]]) if not busy else []
    found.unwanted["strangers"] = sorted([name for name, mark in seen["ports"].items()
                                          if mark == NODE_MARK and name not in node.interfaces])
    return found


def _is_left(alias, busy):
    """Say whether a device of the kernel with this alias is ours, and no graph's that is busy."""
    mark, _, graph_id = alias.partition(":")
    return mark == names.MARK and graph_id not in busy


def _compare_interfaces(node, seen, links, found):
    """Find which interfaces LSI-0 lacks, and note which it has; one that is on somebody else's bridge stays there."""
    for name in node.interfaces:
        index, mark = host.interface_index(name), seen["ports"].get(name, "")
        if name not in links or not index or index == node.refused.get(name):
            continue
        if mark is None:
            node.indexes.pop(name, None)
            node.refused[name] = index
            node.events.tell("interface is on somebody else's bridge", interface=name)
        elif mark and index == (seen["indexes"].get(name) or node.indexes.get(name) or index):
            node.indexes[name] = index
        else:
            found.lsi0.append(name)
            if mark:
                found.renewed.append(name)


def _broken(entry, seen, spaces, links, addresses, found):
    """Return the numbers of a graph's functions that have to be made anew, or None if nothing of the graph is missing."""
    placed = entry.placed or entry.coming
    lsis, ports = placing.on_switch(placed)
    changing, broken = None if entry.trial else found.changing.get(entry.id), set()
    for name, sf, _ in placing.ports(placed, placing.empty(entry.id)):
        if name not in links:
            broken.add(sf["number"])
    for sf in placed["sfs"].values():
        if sf["netns"] not in spaces or not os.path.isdir(sf["home"]) or changing and sf["number"] in changing[1] \
                or not set(placing.sockets(sf)) <= set(seen["sockets"]):
            broken.add(sf["number"])
    found.lost += [port for sap, port in access.own(placed) if port in seen["ports"] and not _has_device(placed, sap, port, links)]
    missing = [name for kind, mine in (("lsis", lsis), ("ports", ports)) for name in mine
               if seen[kind].get(name) != mine[name]] + [
                   port for sap, port in access.own(placed) if not _has_all(placed, sap, port, links, addresses)] \
        + [port for sf, port in control.ends(placed)
           if port not in links or names.table(placed["number"], sf["number"]) not in seen["tables"]]
    moved = [sap for sap in placed["graph"].saps if sap.interface in found.lsi0]
    gateway = access.gateway(placed)
    lost = gateway and not host.has_gateway(*gateway)
    return broken if broken or missing or changing or moved or lost or entry.broken is not None else None


def _has_device(placed, sap, port, links):
    """Say whether the port of a SAP is there for the kernel too, if it has to be."""
    return port in links or saps.place(sap) != saps.HOST and placed["saps"][sap.id]["way"] != placing.DEVICE


def _has_all(placed, sap, port, links, addresses):
    """Say whether the port of a SAP has what it needs beside the switch."""
    if saps.place(sap) != saps.HOST:
        return _has_device(placed, sap, port, links)
    if sap.options["configuration"] == "static":
        return (port, sap.options["address"]) in addresses
    return port in links and host.runs(placed["saps"][sap.id]["home"] + "/pid")


def _rules(node, entry, broken):
    """Set the rules of a whole graph again.  One that does not take them is mended, and in nobody's way."""
    try:
        placed = entry.both()[0]
        yield from plan.rules(placed, node.drivers, absent=node.absent(placed["graph"]))
    except StepFailed as error:
        log.write("restore", "rules not set", graph=entry.id, why=error)
        broken[entry.id] = set()


def read_store(node):
    """Make an entry for every graph of the store; what cannot be read is logged and left alone."""
    first = not os.path.exists(node.store.graphs)
    records, problems = node.store.load()
    for problem in problems:
        node.events.tell("store", why=problem)
    for graph_id in sorted(records):
        try:
            owner, placed = stored.read(records[graph_id], graph_id, node.config.runtime)
        except Refused as error:
            node.events.tell("graph left out", graph=graph_id, why=str(error))
            continue
        node.graphs[graph_id] = Entry(graph_id, owner)
        node.graphs[graph_id].coming = placed
    if first:
        _first_graphs(node)


def _remove_unwanted(node, seen, found):
    """Yield the steps that remove what bears our mark and nobody wants, and the rules on LSI-0 of graphs that are gone."""
    vswitch, unwanted = node.drivers.vswitch, found.unwanted
    parts = [vswitch.UNMAKE["lsi"](name, "", "") for name in unwanted["lsis"]] \
        + [vswitch.UNMAKE["sap"]("", name, "", "") for name in unwanted["ports"] + unwanted["strangers"] + found.renewed]
    if parts:
        yield from vswitch.dismantle(parts)
    for home in unwanted["clients"]:  # and the address that one has got
        yield access.end(home)
        if host.has_interface(home.rpartition("/")[2]):
            yield steps.run("ip", "address", "flush", "dev", home.rpartition("/")[2])
    wishes = [steps.ungroup(name) for name in unwanted["groups"]] + [steps.expose(name, "") for name in unwanted["sockets"]] \
        + [steps.ip("link", "del", name) for name in unwanted["ports"] + unwanted["devices"]] \
        + [steps.ip("netns", "del", name) for name in unwanted["spaces"]] \
        + (control.parted([names.of_table(name) for name in unwanted["tables"]]) if unwanted["tables"] else [])
    if wishes:
        failures = [error for error in (yield wishes) if isinstance(error, Exception)]
        if failures:
            raise failures[0]
    numbers = set([placed["number"] for entry in node.graphs.values() for placed in entry.both()])
    gone = set([int(name[len("lsi"):]) for name in unwanted["lsis"] if name[len("lsi"):].isdigit()])
    gone.update([number for name, (number, _) in found.changing.items() if name not in found.busy])
    if found.rules and gone - numbers:
        yield from vswitch.change_rules(names.LSI0, [flows.delete_graph(number) for number in sorted(gone - numbers)])


def _first_graphs(node):
    """Queue the graphs that the configuration names, on a node that never had one."""
    for path in node.config.graphs:
        try:
            with open(path, "rb") as file:
                graph = sffg.parse(json.loads(file.read()))
            node.put(graph.id or path.rpartition("/")[2].partition(".")[0], graph, most=len(node.config.graphs), confirm=0)
        except (OSError, ValueError, Refused) as error:
            log.write("restore", "first graph left out", file=path, why=error)
