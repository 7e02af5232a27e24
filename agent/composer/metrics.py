"""Metrics: what can be counted of the node, in the text format of Prometheus (0.0.4).

A family is (name, type, help, [(labels, value)]), labels a dict.  What is told of each function is read from its control group,
and from the devices of its ports, some functions at a time: a node may have hundreds.
"""
import os

from . import host
from .core import placing

SLICE = 16  # functions that are read in one turn of the loop
PORTS = (("receive_packets", "received, in packets"), ("receive_bytes", "received, in bytes"),
         ("transmit_packets", "sent, in packets"), ("transmit_bytes", "sent, in bytes"))
PLACES = (2, 3, 0, 1)  # of these in host.counters: what the node's end sends, the function receives
ESCAPED = (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"))


def text(node, uptime):
    """Return all families as text; a generator that yields pauses.  uptime: seconds."""
    found = []
    for family in _node(node, uptime) + [one for one in (yield from _functions(node)) if one[3]]:
        name, kind, meaning, rows = family
        found.append("# HELP %s %s\n# TYPE %s %s\n" % (name, meaning, name, kind))
        found.extend(["%s%s %s\n" % (name, _labels(labels), value) for labels, value in rows])
    return "".join(found)


def _node(node, uptime):
    placed = [entry.placed for entry in node.graphs.values() if entry.placed]
    with open("/proc/self/statm") as file:
        resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    ports = {"function": sum([len(sf["ports"]) for one in placed for sf in one["sfs"].values()]),
             "link": sum([len(set(one["links"].values())) for one in placed]), "sap": sum([len(one["saps"]) for one in placed]),
             "interface": len([name for name in node.interfaces if node.indexes.get(name)])}
    bus = node.bus.counters() if node.bus else None
    return [
        ("composer_graphs", "gauge", "Graphs, by state.", _counted([{"state": entry.state} for entry in node.graphs.values()])),
        ("composer_functions", "gauge", "Functions of graphs, by state and execution environment.", _counted(
            [{"state": _state(node, one, sf), "type": sf["type"]} for one in placed for sf in one["sfs"].values()])),
        ("composer_ports", "gauge", "Ports that graphs have, by kind; of interfaces those on LSI-0.",
         [({"kind": kind}, ports[kind]) for kind in sorted(ports)]),
        ("composer_rules", "gauge", "Rules of graphs.", [({}, sum([len(one["graph"].rules) for one in placed]))]),
        ("composer_switch_ports", "gauge", "Ports of the whole switch, whosever they are.", [({}, node.seen[0])]),
        ("composer_switch_rules", "gauge", "Rules of the whole switch, whosever they are.", [({}, node.seen[1])]),
        ("composer_jobs_total", "counter", "Changes of graphs that are over.",
         [({"result": result}, node.jobs[result]) for result in ("done", "failed")]),
        ("composer_jobs_waiting", "gauge", "Changes that users wait for.", [({}, node.writes)]),
        ("composer_steps_total", "counter", "Steps performed.", [({}, node.system.performed)]),
        ("composer_function_restarts_total", "counter", "Functions started again by the supervisor.", [({}, node.supervisor.restarts)]),
        ("composer_events_total", "counter", "Events told.", [({}, node.events.last)]),
        ("composer_monitored_graphs", "gauge", "Graphs that are monitored.", [({}, len(node.monitor.watched))]),
        ("composer_alarms_total", "counter", "Actions of MEASURE that were carried out.", [({}, node.monitor.alarms)]),
        ("composer_reports_malformed_total", "counter", "Reports on the bus that were no numbers.", [({}, node.monitor.malformed)]),
        ("composer_loop_longest_seconds", "gauge", "The longest turn of the loop.", [({}, node.loop.longest[0])]),
        ("composer_loop_latest_seconds", "gauge", "How late a timer was at most.", [({}, node.loop.latest)]),
        ("composer_store_written_bytes_total", "counter", "Bytes written to the store.", [({}, node.store.written)]),
        ("composer_store_syncs_total", "counter", "Times that the store was flushed.", [({}, node.store.syncs)]),
        ("process_resident_memory_bytes", "gauge", "Memory of the agent.", [({}, resident)]),
        ("composer_uptime_seconds", "gauge", "Seconds since the agent was started.", [({}, uptime)]),
    ] + ([] if bus is None else [
        ("composer_bus_connected", "gauge", "Whether the broker is there.", [({}, bus["connected"])]),
        ("composer_bus_waiting", "gauge", "Messages that wait for the broker.", [({}, bus["waiting"])]),
        ("composer_bus_connects_total", "counter", "Connections that the broker accepted.", [({}, bus["connects"])]),
        ("composer_bus_failures_total", "counter", "Tries to connect that failed.", [({}, bus["failures"])]),
        ("composer_bus_messages_total", "counter", "Messages, by what became of them.",
         [({"result": result}, bus[result]) for result in ("published", "received", "dropped")])])


def _functions(node):
    cpu, memory, groups, ports = [], [], node.system.groups, [[] for _ in PORTS]
    those = [(entry.placed, sf) for entry in node.graphs.values() if entry.placed for sf in entry.placed["sfs"].values()]
    for number, (placed, sf) in enumerate(those):
        if number % SLICE == SLICE - 1:
            yield []
        labels = {"graph": placed["id"], "function": sf["id"]}
        try:
            for rows, read in ((cpu, groups.cpu), (memory, groups.memory)):
                value = read(sf["netns"])
                if value is not None:
                    rows.append((labels, value))
            for port in sf["ports"]:
                counters = None if port in placing.plugs(sf) else host.counters(placing.port_name(placed, sf, port))
                for rows, place in zip(ports, PLACES) if counters else ():
                    rows.append((dict(labels, port=port["id"]), counters[place]))
        except OSError:  # out of file descriptors
            pass
    return [("composer_function_cpu_seconds_total", "counter", "Processor time that a function has taken.", cpu),
            ("composer_function_memory_bytes", "gauge", "Memory that a function has.", memory)] + [
                ("composer_port_%s_total" % name, "counter", "What a function's port has %s." % meaning, rows)
                for (name, meaning), rows in zip(PORTS, ports)]


def _state(node, placed, sf):
    health = node.graphs[placed["id"]].health.get(sf["id"])
    return health.state if health and health.state != "running" else sf["state"]


def _counted(rows):
    """Return [(labels, how often they are there)], sorted."""
    found = {}
    for labels in rows:
        key = tuple(sorted(labels.items()))
        found[key] = found.get(key, 0) + 1
    return [(dict(key), found[key]) for key in sorted(found)]


def _labels(labels):
    return "{%s}" % ",".join(['%s="%s"' % (key, _escaped(labels[key])) for key in sorted(labels)]) if labels else ""


def _escaped(value):
    for letter, other in ESCAPED:
        value = value.replace(letter, other)
    return value
