"""Restore: at its start the agent looks once, and then does what is missing.

What the switch and the namespaces have, by their marks, is compared with the stored graphs.  A graph that is whole
is taken as it is: no step, no script.  One that only lost its rules (the switch was restarted) gets them back; any
other is made anew.  What bears the mark and is not wanted is removed.
"""
import os

from . import host, log
from .core import flows, json, names, plan, sffg, steps
from .core.errors import Refused, StepFailed
from .jobs import Entry, Job

NODE_MARK = "node"  # of LSI-0 and its interfaces
PATIENCE = 2  # seconds between two tries while the switch does not answer


def start(node):
    """Bring the node (an Orchestrator) to what is wanted; it is .ready when its jobs may run."""
    def ended(_, error):
        if error is None:
            node.ready, node.problem = True, ""
            log.write("restore", "ready", graphs=len(node.graphs), datapath=node.drivers.datapath)
            for entry in list(node.graphs.values()):
                node.begin(entry)
            return
        if not isinstance(error, (Refused, StepFailed)):
            log.failure("restore", error)
        node.problem = str(error)
        log.write("restore", "waits", why=error)
        node.loop.at(PATIENCE, lambda: start(node))

    node.drive(_restore(node), ended)


def read_store(node):
    """Make an entry for every graph of the store; what cannot be read is logged and left alone."""
    first = not os.path.exists(node.store.graphs)
    records, problems = node.store.load()
    for problem in problems:
        log.write("store", "left out", why=problem)
    for graph_id in sorted(records):
        try:
            placed = dict(records[graph_id]["placed"], graph=sffg.parse(records[graph_id]["body"], graph_id))
            entry = Entry(graph_id, records[graph_id]["owner"])
            plan.placed_flows(placed)
        except (KeyError, TypeError, Refused) as error:
            log.write("store", "left out", graph=graph_id, why=repr(error))
            continue
        node.graphs[graph_id] = entry
        entry.coming = placed
    if first:
        _first_graphs(node)


def _restore(node):
    vswitch, drivers = node.drivers.vswitch, node.drivers
    seen = yield from vswitch.look()
    node.version = seen["version"]
    drivers.datapath = seen["datapaths"].get(names.LSI0) or (yield from _datapath(node.config.ovs.datapath))
    node.system.checksums = "off" if drivers.datapath == "netdev" else "on"
    life = host.daemon(node.config.ovs.rundir, "ovs-vswitchd")
    rules_are_there = bool(life) and seen["lives"].get(names.LSI0) == life
    if seen["lsis"].get(names.LSI0, NODE_MARK) != NODE_MARK:
        raise StepFailed("", "bridge %s is somebody else's: rename it, the agent needs the name" % names.LSI0)
    spaces, changing = host.namespaces(names.MARK), node.journal.read()
    quiet = [entry for entry in node.graphs.values() if entry.both()]
    whole = [entry for entry in quiet if entry.id not in changing and _is_whole(entry.both()[0], seen, spaces)]
    yield from _remove_unwanted(node, seen, spaces, whole, changing, rules_are_there)
    if not rules_are_there or set(node.interfaces) - set(seen["ports"]):
        yield from _make_lsi0(node, seen)
    else:
        node.on_lsi0 = node.interfaces
    node.prune()
    for graph_id in set(changing) - set(node.graphs):
        node.journal.close(graph_id)
    whole = (yield from _with_rules(whole, drivers)) if not rules_are_there else whole
    if life and not rules_are_there:
        yield from vswitch.remember(names.LSI0, life)
    node.life = life
    for entry in quiet:  # from here on nothing can fail: a try that failed has changed no entry
        placed, entry.coming = entry.both()[0], None
        if entry not in whole:
            rebuild(node, entry, placed)
            continue
        entry.placed, entry.state, entry.percentage = placed, "deployed", 100
        placed.pop("flows", None)


def _with_rules(entries, drivers):
    """Set the rules of graphs again; return those that took them.  One that does not is in nobody else's way."""
    good = []
    for entry in entries:
        try:
            yield from plan.rules(entry.both()[0], drivers)
            good.append(entry)
        except StepFailed as error:
            log.write("restore", "rules not set", graph=entry.id, why=error)
    return good


def _datapath(wanted):
    """Return the datapath to use: the kernel's where it has one, unless the configuration says which."""
    if wanted == "auto" and not host.has("module:openvswitch"):
        try:
            yield steps.run("modprobe", "-q", "openvswitch")
        except StepFailed:
            pass
    return wanted if wanted != "auto" else "system" if host.has("module:openvswitch") else "netdev"


def _is_whole(placed, seen, spaces):
    """Say whether the node has all that a placed graph is made of, and nothing more that bears its mark."""
    lsis = [names.lsi(placed["number"])] if placed["lsi"] else []
    ports = [name for name, _, _ in plan.ports(placed, plan.empty(placed["id"]))]
    for link in set(placed["links"].values()):
        ports.extend(names.link(placed["number"], link))
    return all([sorted([name for name, mark in seen[kind].items() if mark == placed["id"]]) == sorted(mine)
                for kind, mine in (("lsis", lsis), ("ports", ports))]) \
        and all([sf["netns"] in spaces for sf in placed["sfs"].values()])


def _remove_unwanted(node, seen, spaces, whole, changing, rules):
    """Yield the steps that remove what bears our mark and belongs to no graph that is whole.

    changing: {id: number} of graphs whose rules may be there, `rules` says whether any are.
    """
    vswitch, kept = node.drivers.vswitch, set([entry.id for entry in whole])
    lsis = [name for name, mark in sorted(seen["lsis"].items()) if mark and mark != NODE_MARK and mark not in kept]
    ports = [name for name, mark in sorted(seen["ports"].items()) if mark and mark != NODE_MARK and mark not in kept]
    strangers = [name for name, mark in sorted(seen["ports"].items()) if mark == NODE_MARK and name not in node.interfaces]
    parts = [vswitch.UNMAKE["lsi"](name, "", "") for name in lsis] \
        + [vswitch.UNMAKE["sap"](names.LSI0, name, "") for name in ports + strangers]
    if parts:
        yield from vswitch.dismantle(parts)
    used = set([sf["netns"] for entry in whole for placed in entry.both() for sf in placed["sfs"].values()])
    wishes = [steps.ip("link", "del", name) for name in ports] \
        + [steps.ip("netns", "del", name) for name in spaces if name not in used]
    if wishes:
        yield wishes
    if rules:
        numbers = set([placed["number"] for entry in whole for placed in entry.both()])
        gone = set([int(name[len("lsi"):]) for name in lsis if name[len("lsi"):].isdigit()])
        gone.update([number for name, number in changing.items() if name not in kept])
        yield from vswitch.change_rules(names.LSI0, [flows.delete_graph(number) for number in sorted(gone - numbers)])


def _make_lsi0(node, seen):
    """Yield the steps that make LSI-0, with the configured interfaces that are there, and its own rules."""
    vswitch = node.drivers.vswitch
    there = [name for name in node.interfaces if host.has_interface(name)]
    for name in node.interfaces:
        if name not in there:
            log.write("restore", "interface is not there", interface=name)
    parts = [("lsi", (names.LSI0, NODE_MARK, node.drivers.datapath))] if names.LSI0 not in seen["lsis"] else []
    parts += [("sap", (names.LSI0, name, NODE_MARK)) for name in there if name not in seen["ports"]]
    if parts:
        try:
            yield from vswitch.transact([vswitch.MAKE[kind](*words) for kind, words in parts])
        except StepFailed:
            yield from vswitch.dismantle([vswitch.UNMAKE[kind](*words) for kind, words in reversed(parts)])
            raise
    yield [steps.run("ip", "link", "set", name, "up") for name in there]
    yield from vswitch.change_rules(names.LSI0, [flows.add(flow) for flow in flows.NODE_FLOWS])
    node.on_lsi0 = there


def rebuild(node, entry, placed):
    """Put before a graph's jobs the one that makes it anew: takes down what there is of it, then deploys it."""
    def rebuilding():
        yield from plan.take_down(placed, plan.empty(entry.id), node.drivers)
        yield from plan.update(plan.empty(entry.id), placed, node.drivers)

    def begin(job, entry):
        node.journal.open(entry.id, placed["number"])
        entry.placed, entry.coming = None, placed

        def ended(_, error):
            if error:
                entry.lost = placed  # and tried again, as long as it is wanted
                node.leave(entry, placed, plan.empty(entry.id), getattr(error, "left", ()))
                raise error
            entry.placed, entry.lost = placed, None
            node.end(job, entry, "restored")

        node.run(job, entry, rebuilding(), ended)

    node.writes += 1
    entry.coming = placed
    entry.queue.insert(0, Job(entry.id, begin))


def _first_graphs(node):
    """Queue the graphs that the configuration names, on a node that never had one."""
    for path in node.config.graphs:
        try:
            with open(path, "rb") as file:
                graph = sffg.parse(json.loads(file.read()))
            node.put(graph.id or path.rpartition("/")[2].partition(".")[0], graph, most=len(node.config.graphs))
        except (OSError, ValueError, Refused) as error:
            log.write("restore", "first graph left out", file=path, why=error)
