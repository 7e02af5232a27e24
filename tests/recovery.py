"""Recovery for the benchmark: how long after its cause is gone a fault is over, for traffic or for a function.

The floor of a switch that is started again is a shell that tries to set the rules of one bridge until it takes them.
"""
import contextlib
import os
import signal
import statistics
import threading
import time

from node import OVSDB_SERVER, wire

TIMES = 5
DATABASE = "\n".join([line for line in OVSDB_SERVER.strip().split("\n") if "create" not in line and "mkdir" not in line])
END = 'pid=$(cat "$OVS_RUNDIR/$1.pid")\nkill -9 "$pid"\nwhile kill -0 "$pid" 2>/dev/null; do sleep 0.01; done'


def faults(sheet, world, body):
    """Each fault some times, on a node with one graph, `body`; medians."""
    node, rows = world.node, {}
    world.change("POST", "/graphs", body)

    def measure(name, fault, **more):
        taken = []
        for _ in range(TIMES):
            time.sleep(2.5)  # the watch has seen all as it should be
            fault()
            begin = time.time()
            with world.frames("eth0") as frames:
                taken.append(frames.first() - begin)
        rows[name] = taken
        sheet.add("recovery: %s, until a frame passes" % name, 1000 * statistics.median(taken), "ms",
                  goals=[("5 s", 5000)], **more)

    measure("the graph's bridge is deleted", lambda: node.ovs("vsctl", "del-br", "lsi1"))
    measure("all rules of LSI-0 are deleted", lambda: node.ovs("ofctl", "-O", "OpenFlow14", "del-flows", "lsi0"))

    def interface():
        node.run("ip", "link", "del", "lan0")
        node.run("ip", "-batch", "-", input="link add lan0 type veth peer name lan0.far\nlink set lan0 up\n")
        wire(world.lan, node, "lan0", "eth0")
    measure("an interface comes back", interface)

    def switch():
        node.stop_vswitchd()
        node.start_vswitchd()
    floors = []
    for _ in range(TIMES):
        time.sleep(2.5)
        switch()
        begin = time.time()
        with world.frames("eth1") as frames, _trying(world):
            floors.append(frames.first() - begin)
        world.floor.part()
    measure("ovs-vswitchd is killed and started", switch, floor=1000 * statistics.median(floors))

    def database():
        node.run("dash", "-euc", END, "end", "ovsdb-server")
        node.run("dash", "-euc", DATABASE)
    measure("ovsdb-server is killed and started", database)
    world.change("DELETE", "/graphs/g")


@contextlib.contextmanager
def _trying(world):
    """Have the floor set its rules as soon as the switch takes them."""
    over = threading.Event()

    def trying():
        while not over.wait(0.01):
            with contextlib.suppress(Exception):
                world.node.ovs("ofctl", "-O", "OpenFlow14", "add-flow", "floor0", "table=0,priority=0,actions=goto_table:1")
                world.node.ovs("ofctl", "-O", "OpenFlow14", "add-flow", "floor0", "table=1,in_port=lan1,actions=output:wan1")
                return
    thread = threading.Thread(target=trying)
    thread.start()
    yield
    over.set()
    thread.join()


def function(sheet, world, body):
    """The daemon of a function is killed: until there is another one."""
    world.change("POST", "/graphs", body)
    taken = []
    for _ in range(3):
        time.sleep(2.5)
        before, = world.node.pids("dnsmasq")
        os.kill(before, signal.SIGKILL)
        begin = time.monotonic()
        while world.node.pids("dnsmasq") in ([], [before]):
            time.sleep(0.005)
        taken.append(time.monotonic() - begin)
    sheet.add("recovery: a function's daemon is killed for the first time, until the next one", 1000 * taken[0], "ms",
              goals=[("5 s", 5000)])
    world.change("DELETE", "/graphs/dhcp")


def reboot(sheet, world, count):
    """All that the agent made is gone: from its start until all of `count` graphs are deployed."""
    world.agent.stop()
    node = world.node
    node.run("dash", "-c", "for name in $(ovs-vsctl list-br); do [ $name = floor0 ] || ovs-vsctl del-br $name; done; "
             "ip -all netns del; rm -rf %s/runtime" % node.dir)
    begin = time.monotonic()
    world.agent.start()
    while [one for one in world.agent.request("GET", "/graphs")[2]["graphs"] if one["state"] != "deployed"]:
        time.sleep(0.01)
    sheet.add("recovery: a reboot, %d graphs with a function each, until all are deployed" % count,
              time.monotonic() - begin, "s", goals=[("5 s", 5)])
