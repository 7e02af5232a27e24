"""Metrics: counters of the node, as Prometheus reads them."""
import os


def rows(node, uptime):
    """Return rows of (name, value); uptime: seconds."""
    with open("/proc/self/statm") as file:
        resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    states = {}
    for entry in node.graphs.values():
        states[entry.state] = states.get(entry.state, 0) + 1
    return [("composer_graphs{state=\"%s\"}" % state, count) for state, count in sorted(states.items())] + [
        ("composer_functions", sum([len(entry.placed["sfs"]) for entry in node.graphs.values() if entry.placed])),
        ("composer_jobs_total{result=\"done\"}", node.jobs["done"]),
        ("composer_jobs_total{result=\"failed\"}", node.jobs["failed"]),
        ("composer_jobs_waiting", node.writes),
        ("composer_steps_total", node.system.performed),
        ("composer_function_restarts_total", node.supervisor.restarts),
        ("composer_events_total", node.events.last),
        ("composer_loop_longest_seconds", node.loop.longest[0]),
        ("composer_loop_latest_seconds", node.loop.latest),
        ("composer_store_written_bytes_total", node.store.written),
        ("composer_store_syncs_total", node.store.syncs),
        ("process_resident_memory_bytes", resident),
        ("composer_uptime_seconds", uptime)]
