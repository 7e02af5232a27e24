"""Binding for the benchmark: what it brings that two functions of a chain are on one core, as the scheduler has them.

    host --- lan0  LSIs --- relay --- LSI --- relay --- LSIs  wan0 --- host        one TCP stream

Only functions whose daemons touch packets can gain or lose by it, so these are such: each reads frames at one port and
writes them to the other.  What forwards in the kernel (wire, bridge, firewall, nat, router) does so on the core of whoever
sent, wherever its function is bound.  The floor is the same pair where the kernel puts it, anywhere; the runs alternate.

Found on two cores: as much traffic as where the kernel puts them, for 6 % less of the processor, and a quarter more than on a
core each.  Functions that compute much for a packet are better off on a core each: let their templates ask for one.
"""
import os
import statistics
import sys

from node import ROOT
from traffic import rate

sys.path.append(os.path.join(ROOT, "tests", "system"))
from place import Place, chain  # noqa: E402

ROUNDS = 5
RELAY = """
import select, socket
ends = [socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) for _ in (0, 1)]
poll, frame, other = select.poll(), bytearray(1 << 16), {}
for number, end in enumerate(ends):
    end.bind(("eth%d" % number, 3))
    other[end.fileno()] = end, ends[1 - number]
    poll.register(end, select.POLLIN)
while True:
    for number, _ in poll.poll():
        one, far = other[number]
        for _ in range(32):
            try:
                size, sender = one.recvfrom_into(frame, len(frame), socket.MSG_DONTWAIT)
                if sender[2] != socket.PACKET_OUTGOING:
                    far.send(memoryview(frame)[:size])
            except OSError:
                break
"""
START = "setsid python3 -SEc '%s' </dev/null >/dev/null 2>&1 & exit" % RELAY  # and not the wire of the puppet


def relays(sheet):
    """Gb/s, and seconds of a processor that the two relays take for a Gb; the floor is that of a pair that is not bound."""
    there = os.sched_getaffinity(0)
    if len(there) < 2:
        print("bench: binding: a second core is missing")
        return
    body = chain("v", "w", START=START)
    body["sffg"]["SFs"][0]["variables"] = {"START": START}
    with Place() as place:
        place.put(body)
        pids = place.node.pids("python3")
        chosen = [os.sched_getaffinity(pid) for pid in pids]
        ways = {"anywhere": [there, there], "as the scheduler binds them": chosen,
                "on two cores": [{core} for core in sorted(there)[:2]]}
        rows = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, places in ways.items():
                for pid, cores in zip(pids, places):
                    os.sched_setaffinity(pid, cores)
                before = _spent(pids)
                found = rate(place.lan, place.wan, "10.0.0.2")
                rows[name].append((found, (_spent(pids) - before) / (3 * found)))
    middles = {name: [statistics.median(column) for column in zip(*rows[name])] for name in ways}
    for name in ways:
        for number, (what, unit) in enumerate((("TCP through two relays", "Gb/s"), ("two relays' processor for a Gb", "s"))):
            floor = middles["anywhere"][number] if name != "anywhere" else None
            sheet.add("%s, %s" % (what, name), middles[name][number], unit, floor)


def _spent(pids):
    """Return the seconds that processes were on a processor."""
    total = 0
    for pid in pids:
        with open("/proc/%d/schedstat" % pid) as file:
            total += int(file.read().split()[0]) / 1e9
    return total
