"""The benchmark: what the agent costs, in time and in memory, beside a floor that is measured in the same run.

Prints a table and writes build/bench.json.  Times are medians; the agent's and the floor's runs alternate, so that
a busy machine slows both.  floor.py says what the floor is; a ratio says how many floors the agent needs.  A goal
that is missed is printed as missed and is no failure: this is no test.
"""
import contextlib
import http.client
import json
import os
import statistics
import sys
import threading
import time

import binding
import footprint
import graphs
import reach
import recovery
import speaking
from floor import Floor
from node import END, ROOT, Agent, Host, Node, memory, wire
from sheet import Sheet
from traffic import INTERVAL, Frames, join, rate

LAN, WAN = graphs.sap("lan", "lan0"), graphs.sap("wan", "wan0")
MANY = 500  # functions of the graph that is as large as the paper's largest
CROWD, FEW = 200, 100  # graphs on one node
SELDOM = 0.05  # seconds between two frames, where each passes a thousand ports
SETTLE = 0.2  # seconds for the kernel to put away what was taken down, before the next run


class World:
    """A node with two hosts: the agent has lan0 and wan0, the floor lan1 and wan1."""

    starts = []  # seconds that agents took to be ready on new nodes

    def __init__(self):
        self._things = contextlib.ExitStack()
        enter = self._things.enter_context
        try:
            self.node = enter(Node(interfaces=("lan0", "wan0", "lan1", "wan1")))
            self.lan, self.wan = enter(Host("lan")), enter(Host("wan"))
            for host in (self.lan, self.wan):
                for end in "01":
                    wire(host, self.node, host.name + end, "eth" + end)
            self.floor = enter(contextlib.closing(Floor(self.node, "lan1", "wan1")))
            begin = time.monotonic()
            self.agent = enter(Agent(self.node, {"interfaces": ["lan0", "wan0"]}))
            self.starts.append(time.monotonic() - begin)
        except BaseException:
            self._things.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self._things.close()

    def frames(self, end, interval=INTERVAL):
        return Frames(self.lan, self.wan, end, interval)

    def change(self, method, path, body=None):
        """Have the agent make a change; return the seconds until its answer."""
        begin = time.time()
        status, _, answer = self.agent.request(method, path, body, timeout=300)
        seconds = time.time() - begin
        if status not in (200, 201, 204):
            raise RuntimeError("%s %s: %d %.1000s" % (method, path, status, answer))
        return seconds

    def deploy(self, body, interval=INTERVAL):
        """Post a graph; return (seconds to the answer, seconds to the first forwarded frame)."""
        with self.frames("eth0", interval) as frames:
            begin = time.time()
            answer = self.change("POST", "/graphs", body)
            return answer, frames.first() - begin

    def metric(self, name):
        rows = dict([line.rsplit(" ", 1) for line in self.agent.request("GET", "/metrics")[2].strip().split("\n")])
        return float(rows[name])


def chain(name, count, one=LAN, other=WAN):
    """Return a graph of `count` wires in a row between two SAPs, as text."""
    stops = [one["id"]] + ["f%d:%s" % (number, port) for number in range(count) for port in "ab"] + [other["id"]]
    rules = [rule for number, ends in enumerate(zip(stops[::2], stops[1::2]))
             for rule in graphs.both("r%d" % number, *ends)]
    sfs = [graphs.sf("f%d" % number, "wire", "a", "b") for number in range(count)]
    return json.dumps(graphs.graph(name, [one, other], sfs, *rules))


def of_vlan(number, count=0):
    """Return (id, graph) of a graph of its own two VLAN SAPs."""
    name = "v%d" % number
    return name, chain(name, count, graphs.vlan_sap("lan", "lan0", number), graphs.vlan_sap("wan", "wan0", number))


def interfaces(sheet, world):
    """A graph of two interfaces.  The agent needs one ovs-ofctl for it, and so does the floor; beside it stands the
    floor of a script that gives each graph a bridge: one ovs-vsctl, two ovs-ofctl.
    """
    rows = []
    for _ in range(12):
        with world.frames("eth1") as frames:
            begin, done = world.floor.join()
            least = frames.first() - begin
        world.floor.part()
        with world.frames("eth1") as frames:
            begin = world.floor.chain(0)[0]
            bridged = frames.first() - begin
        world.floor.unchain(0)
        rows.append((done - begin, least, bridged) + world.deploy(chain("g", 0)) + (world.change("DELETE", "/graphs/g"),))
        time.sleep(SETTLE)
    _, least, bridged, answer, first, gone = _middles(rows)
    name = "2 interfaces: POST to first forwarded frame"
    sheet.add(name, first, "ms", least, [("60 ms", 60), ("1.5 x floor", 1.5 * least)], "6.7 ms (un-orchestrator)")
    sheet.add("2 interfaces: the same, floor with a bridge of its own", first, "ms", bridged, [("1.5 x floor", 1.5 * bridged)])
    sheet.add("2 interfaces: POST to answer", answer, "ms", rival="2.5 ms (un-orchestrator)")
    sheet.add("2 interfaces: DELETE to answer", gone, "ms", rival="1.3 ms (un-orchestrator)")


def functions(sheet, world, count, goal, rival):
    """A chain of functions.  The floor runs their scripts too; the goal counts those once, and the rest 1.5 times."""
    rows = []
    for _ in range(8):
        with world.frames("eth1") as frames:
            begin, plumbed, started, done = world.floor.chain(count)
            first = frames.first() - begin
        world.floor.unchain(count)
        time.sleep(SETTLE)
        rows.append((started - plumbed, done - begin, first) + world.deploy(chain("g", count))
                    + (world.change("DELETE", "/graphs/g"),))
        time.sleep(SETTLE)
    scripts, floor_done, floor_first, answer, first, gone = _middles(rows)
    name = "%d function%s: " % (count, "s" if count > 1 else "")
    limit = ("1.5 x floor + script", 1.5 * (floor_first - scripts) + scripts)
    sheet.add(name + "POST to first forwarded frame", first, "ms", floor_first, [("%d ms" % goal, goal), limit])
    sheet.add(name + "POST to answer", answer, "ms", floor_done, [("%d ms" % goal, goal)], rival)
    sheet.add(name + "DELETE to answer", gone, "ms")
    sheet.add(name + "the floor's scripts, side by side", scripts, "ms")


def many(sheet):
    """As many functions in one graph as the paper had containers; one run each, on new nodes: to take the functions
    down takes longer.  That a frame passes them all shows that they work; how long it takes is the datapath's affair.
    """
    with World() as world, world.frames("eth1", SELDOM) as frames:
        begin, _, _, done = world.floor.chain(MANY)
        floor_done, floor_first = done - begin, frames.first() - begin
        _end_switch(world)
    _settle()
    with World() as world, _reading(world.agent, pause=0.1) as latencies:
        answer, first = world.deploy(chain("g", MANY), SELDOM)
        resident, longest = memory(world.agent.pid)["rss"], world.metric("composer_loop_longest_seconds")
        _end_switch(world)
    name = "%d functions: " % MANY
    sheet.add(name + "POST to answer", answer, "s", floor_done, [("10 s", 10), ("1.5 x floor", 1.5 * floor_done)],
              "390 s (paper, containers)")
    sheet.add(name + "POST to a frame through them all", first, "s", floor_first)
    sheet.add(name + "RSS of the agent", resident, "MB")
    _add_latencies(sheet, "GET while %d functions are deployed" % MANY, latencies, longest)


def reads(sheet, world):
    """What a reader notices of a deploy: it reads all the time, on a connection of its own."""
    latencies = []
    for _ in range(4):
        with _reading(world.agent, pause=0.002) as those:
            world.change("POST", "/graphs", chain("g", 20))
        latencies += those
        world.change("DELETE", "/graphs/g")
    _add_latencies(sheet, "GET while 20 functions are deployed", latencies, world.metric("composer_loop_longest_seconds"))


@contextlib.contextmanager
def _reading(agent, pause):
    """Read from the agent, in another thread; give the list of seconds that the reads took."""
    taken, over = [], threading.Event()

    def read():
        connection = http.client.HTTPConnection("localhost")
        connection.sock = agent.connect()
        while not over.wait(pause):
            begin = time.monotonic()
            connection.request("GET", "/graphs/g/status" if len(taken) % 2 else "/health")
            connection.getresponse().read()
            taken.append(time.monotonic() - begin)
        connection.close()

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield taken
    finally:
        over.set()
        thread.join()


def _add_latencies(sheet, name, latencies, longest):
    centiles = statistics.quantiles(latencies, n=100)
    sheet.add(name + ", p50", 1000 * centiles[49], "ms", goals=[("20 ms", 20)])
    sheet.add(name + ", p99", 1000 * centiles[98], "ms", goals=[("20 ms", 20)])
    sheet.add(name + ", longest turn of the loop", 1000 * longest, "ms", goals=[("50 ms", 50)])


def crowd(sheet, world):
    """Many graphs on one node: memory, and what one more costs beside the first on another node (`world`)."""
    with World() as other:
        daemons = [other.node.pids(name)[0] for name in ("ovsdb-server", "ovs-vswitchd")]
        add = footprint.Memory(sheet, other.agent.pid, dict(zip(("ovsdb-server", "ovs-vswitchd"), daemons)))
        add("idle", goals=[("28 MB", 28)], rival="12.6 MB (un-orchestrator)")
        other.change("POST", "/graphs", of_vlan(1)[1])
        other.change("DELETE", "/graphs/v1")
        before = add("after one deploy and delete")
        for number in range(1, FEW + 1):
            other.change("POST", "/graphs", of_vlan(number)[1])
        add("with %d graphs" % FEW, rival="43.8 MB (un-orchestrator)")
        for number in range(1, FEW + 1):
            other.change("DELETE", "/graphs/v%d" % number)
        add("after deleting them", goals=[("one deploy and delete + 2 MB", before + 2)], rival="44.6 MB (un-orchestrator)")
        for number in range(1, CROWD):
            other.change("POST", "/graphs", of_vlan(number)[1])
        name, body = of_vlan(CROWD)
        rows = []
        for turn in range(21):
            places = [world, other] if turn % 2 else [other, world]
            taken = [place.change("POST", "/graphs", body) for place in places]
            rows.append(taken if turn % 2 else taken[::-1])
            for place in places:
                place.change("DELETE", "/graphs/" + name)
    first, last = _middles(rows)
    sheet.add("graph %d of 2 interfaces (floor: the first): POST" % CROWD, last, "ms", first,
              [("1.2 x the first", 1.2 * first)])


def disk(sheet, world):
    """What a change writes: the agent's store, and the database of the switch, which lies on flash too."""
    for name, count in (("2 interfaces", 0), ("1 function", 1)):
        database = world.node.rundir + "/conf.db"
        stored, size = world.metric("composer_store_written_bytes_total"), os.path.getsize(database)
        for _ in range(5):
            world.change("POST", "/graphs", chain("g", count))
            world.change("DELETE", "/graphs/g")
        stored = world.metric("composer_store_written_bytes_total") - stored
        sheet.add("disk, POST and DELETE, %s: store" % name, stored / 5, "bytes")
        sheet.add("disk, POST and DELETE, %s: database of the switch" % name, (os.path.getsize(database) - size) / 5, "bytes")


def restart(sheet, world):
    """Start the agent again on a healthy node, whose graphs stay."""
    for number in range(1, 21):
        world.change("POST", "/graphs", of_vlan(number, 1)[1])
    taken = []
    for _ in range(5):
        world.agent.kill()
        logged, begin = len(world.agent.log), time.monotonic()
        world.agent.start()
        taken.append(time.monotonic() - begin)
    steps = [line for line in world.agent.log[logged:].split("\n") if line.startswith("step: ")]
    sheet.add("agent: start to ready, new node", 1000 * statistics.median(World.starts), "ms")
    sheet.add("agent: start to ready, 20 graphs that are there", 1000 * statistics.median(taken), "ms")
    sheet.add("agent: its steps then, one of which is the look", len(steps), "steps")
    sheet.add("agent: functions' scripts among them", sum("netns exec" in step for step in steps), "steps", goals=[("0", 0)])


def recover(sheet, world):
    """Faults, and how soon they are over, on a node of their own; a reboot on one with 20 graphs (`world`)."""
    with World() as other:
        recovery.faults(sheet, other, chain("g", 1))
        recovery.function(sheet, other, json.dumps(graphs.graph(
            "dhcp", [LAN], [graphs.sf("d", "dhcp", "1")], *graphs.both("1", "lan", "d:1"))))
    recovery.reboot(sheet, world, 20)


def throughput(sheet):
    """TCP through firewall and NAT, beside two hosts on one veth: what the datapath here can do, for context."""
    home = graphs.graph("home", [LAN, WAN], [graphs.sf("fw", "firewall", "in", "out"), graphs.sf("nat", "nat", "in", "out")],
                        *graphs.both("1", "lan", "fw:in"), *graphs.both("2", "fw:out", "nat:in"),
                        *graphs.both("3", "nat:out", "wan"))
    with Node() as node, Host("lan", "192.168.1.10/24", gateway="192.168.1.1") as lan, \
            Host("wan", "192.168.2.10/24") as wan:
        for host in (lan, wan):
            wire(host, node, host.name + "0")
        with Agent(node) as agent:
            agent.request("PUT", "/graphs/home", home)
            through = rate(lan, wan, "192.168.2.10")
    with Host("one", "10.0.0.1/24") as one, Host("two", "10.0.0.2/24") as two:
        join(one, two)
        plain = rate(one, two, "10.0.0.2")
    sheet.add("TCP through firewall and NAT, %s datapath" % node.datapath, through, "Gb/s")
    sheet.add("TCP between two namespaces on one veth", plain, "Gb/s")


def _middles(rows):
    """Return the medians of the columns, seconds made milliseconds.  The first row is left out: it warms up."""
    return [1000 * statistics.median(column) for column in zip(*rows[1:])]


def _end_switch(world):
    """End the switch of a node with very many ports, for which the kernel takes longer than a node may to close."""
    world.node.run("dash", "-euc", END, "end", "ovs-vswitchd", "KILL", timeout=120)


def _settle():
    """Wait until the kernel has put away the namespaces of a node with very many."""
    end = time.monotonic() + 20
    while footprint.namespaces() > 150 and time.monotonic() < end:
        time.sleep(0.2)


def main():
    begin = time.monotonic()
    print(footprint.machine())
    sheet = Sheet()
    with World() as world:
        interfaces(sheet, world)
        functions(sheet, world, 1, 120, "1300 ms (un-orchestrator)")
        functions(sheet, world, 5, 250, "6600 ms (un-orchestrator)")
        reads(sheet, world)
        crowd(sheet, world)
        disk(sheet, world)
        restart(sheet, world)
        with footprint.idle(sheet, world.agent.pid, 120):
            footprint.imports(sheet)
            throughput(sheet)
        recover(sheet, world)
    reach.kinds(sheet)
    binding.relays(sheet)
    speaking.monitoring(sheet)
    speaking.bus(sheet)
    many(sheet)
    sheet.write(ROOT + "/build/bench.json")
    print("%d figures in %.0f s, in build/bench.json; load now %.1f" % (
        len(sheet.figures), time.monotonic() - begin, os.getloadavg()[0]))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
