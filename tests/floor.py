"""The floor: the same as a service graph, made by a bare shell script that is as fast as a user could write it.

What the agent is measured against.  For a chain of functions between two interfaces it is, in this order,

    one `ip -batch`          the namespaces; the veths, both ends up
    one `ovs-vsctl`          a bridge for the graph, two patch links to the node's bridge, the functions' ports
    the `start` scripts      the very same, of the unpacked bundles, side by side, each by `ip netns exec`; before
                             it lo is set up, and transmit checksums off, where the datapath needs that
    two `ovs-ofctl`          a bundle for the graph's bridge, then one for the node's

and for two interfaces alone, which need no bridge of their own, one `ovs-ofctl`.  Not in it: parsing, checking,
unpacking, storing, undoing, a private /run and /tmp for a function, and the start of the shell itself.
"""
import subprocess
import time

from node import ROOT

SHELL = 'while read -r script; do . "$script"; echo done; done'
BASE, GRAPH = "floor0", "floor1"  # the bridges: the node's and the graph's


class Floor:
    """A shell in a node that waits for scripts, with a bridge over two of the node's interfaces."""

    def __init__(self, node, near, far):
        self.node, self.near, self.far = node, near, far
        self.scripts = node.dir + "/floor"
        node.run("mkdir", self.scripts)
        node.run("tar", "-xzf", ROOT + "/build/nsf/sample.tgz", "-C", self.scripts)
        self._shell = node.popen("dash", "-euc", SHELL, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._run("ovs-vsctl%s\nip link set %s up\nip link set %s up\n%s" % (
            self._bridge(BASE, [near, far]), near, far, _bundle(BASE, "add table=0,priority=0,actions=goto_table:1")))

    def close(self):
        self._shell.stdin.close()
        self._shell.wait()
        self._shell.stdout.close()

    def join(self):
        """Join the two interfaces.  Return when it began and when it was done, in seconds since the epoch."""
        begin, marks = self._run(_bundle(BASE, *_both(1, self.near, self.far)))
        return begin, marks["done"]

    def part(self):
        self._run(_bundle(BASE, "delete table=1"))

    def chain(self, count):
        """Make a chain of `count` functions.  Return (begin, plumbed, started, done): `started` is after the scripts."""
        ports = ["f%dp%d" % (function, port) for function in range(count) for port in (0, 1)]
        ends = ["floor1w0"] + ports + ["floor1w1"]
        patches = "".join(" -- add-port %s %s -- set interface %s type=patch options:peer=%s" % (bridge, one, one, other)
                          for number in "01" for bridge, one, other in (
                              (BASE, "floor1v" + number, "floor1w" + number), (GRAPH, "floor1w" + number, "floor1v" + number)))
        graph = [flow for one, other in zip(ends[::2], ends[1::2]) for flow in _both(0, one, other)]
        base = _both(1, self.near, "floor1v0") + _both(1, "floor1v1", self.far)
        base = [flow.replace("table=1", "table=0") if "in_port=floor" in flow else flow for flow in base]
        begin, marks = self._run("\n".join([
            _batch(["netns add f%d" % function for function in range(count)] + [
                "link add eth%s netns %s up type veth peer name %s\nlink set %s up" % (port[-1], port[:-2], port, port)
                for port in ports]),
            "ovs-vsctl" + self._bridge(GRAPH, ports) + patches,
            "echo plumbed", self._starts(count), "echo started", _bundle(GRAPH, *graph), _bundle(BASE, *base)]))
        return begin, marks["plumbed"], marks["started"], marks["done"]

    def unchain(self, count):
        """Take the chain down."""
        links = ["f%dp%d" % (function, port) for function in range(count) for port in (0, 1)]
        self._run("\n".join([
            _bundle(BASE, "delete table=1", "delete table=0,in_port=floor1v0", "delete table=0,in_port=floor1v1"),
            "ovs-vsctl del-port floor1v0 -- del-port floor1v1 -- del-br " + GRAPH,
            _batch(["link set %s group 7" % link for link in links] + ["link del group 7"] * bool(links)
                   + ["netns del f%d" % function for function in range(count)])]))

    def _run(self, script):
        """Run a script.  Return when it began, and {word: when it said it}."""
        path = self.node.dir + "/floor.sh"
        with open(path, "w") as file:
            file.write(script)
        marks, begin = {}, time.time()
        self._shell.stdin.write(path + "\n")
        self._shell.stdin.flush()
        while "done" not in marks:
            line = self._shell.stdout.readline()
            if not line:
                raise RuntimeError("the floor's script failed, see above")
            marks[line.strip()] = time.time()
        return begin, marks

    def _bridge(self, bridge, ports):
        return " add-br %s -- set bridge %s fail_mode=secure datapath_type=%s other_config:disable-in-band=true%s" % (
            bridge, bridge, self.node.datapath, "".join(" -- add-port %s %s" % (bridge, port) for port in ports))

    def _starts(self, count):
        off = "".join("; ethtool -K eth%d tx off >/dev/null" % port for port in (0, 1) if self.node.datapath == "netdev")
        return "cd %s\nexport SF_PORTS='eth0 eth1'\n%s\nwait\ncd /" % (self.scripts, "\n".join(
            "ip netns exec f%d sh -c 'ip link set lo up%s; exec ./start' &" % (function, off) for function in range(count)))


def _both(table, one, other):
    return ["add table=%d,priority=1,in_port=%s,actions=output:%s" % (table, port, out)
            for port, out in ((one, other), (other, one))]


def _batch(lines):
    return "ip -batch - <<'END'\n%s\nEND" % "\n".join(lines) if lines else ""


def _bundle(bridge, *lines):
    return "ovs-ofctl -O OpenFlow14 --bundle add-flows %s - <<'END'\n%s\nEND\n" % (bridge, "\n".join(lines))
