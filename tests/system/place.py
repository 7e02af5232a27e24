"""Places: a node with an agent, a host at either side, and a function that does what a graph tells it.

    host lan  10.0.0.1 --- lan0  node  wan0 --- 10.0.0.2  host wan

`world` is all that the agent could have made on the node, as lines of text: what is the same has the same lines.
The function is the puppet: a wire whose scripts first do what its variables say, as shell code, and write down
that they were called:

    sf("slow", "puppet", "a", "b", START="sleep 1", STOP="exit 1")

The patient is a puppet that can also say how it is (STATUS), and whose template gives it little of everything.
"""
import contextlib
import glob
import http.client
import io
import json
import os
import tarfile
import threading
import time

from graphs import both, graph, sap, sf
from node import ROOT, Agent, Host, Node, processes, wire

LAN, WAN = sap("lan", "lan0"), sap("wan", "wan0")
PUPPET = """#!/bin/sh
set -eu
echo "$SF_ID %(name)s ${SF_PORTS_ADDED-}" >>/tmp/calls
eval "${%(variable)s-}"
%(then)s
"""
STATUS = """#!/bin/sh
eval "${STATUS-}"
"""
SOON = 5  # seconds until a node is as it was, from when the cause is gone (G4)
LITTLE = {"memory": 24, "pids": 32, "cpu": 0.5}  # MiB, processes, cores
SCRIPTS = {"start": "exec ./wire", "stop": "[ ! -e /sys/class/net/br0 ] || ip link del br0", "update": "exec ./wire"}

PASSING = {"ovs-vsctl", "ovs-ofctl", "ip", "sh", "mount", "ethtool", "status"}  # programs that do not stay

# One line for each thing; without a switch that answers, without its flows.
SHOW = r"""
ovs-vsctl --timeout=5 --format=csv --no-headings --columns=name,fail_mode,external_ids list bridge |
    sed 's/^/bridge /; s/,* *composer-life=""[0-9-]*""//'
ovs-vsctl --timeout=5 --format=csv --no-headings --columns=name,type,options,external_ids list interface |
    sed 's/^/port /; s/, composer-index=""[0-9]*""//'
for bridge in $(ovs-vsctl --timeout=5 list-br); do
    ovs-ofctl --timeout=5 -O OpenFlow14 --no-stats --names dump-flows $bridge 2>/dev/null | sed "s/^/flow $bridge /"
done
nft list tables ip 2>/dev/null
ls /run/netns | sed 's/^/namespace /'
ls /sys/class/net | sed 's/^/link /'
cut -d ' ' -f 2 /proc/self/mounts | grep ^/run/netns/ | sed 's/^/mount /'
find "$1/runtime" -mindepth 2 -maxdepth 2 | sed 's/^/folder /'
find "$1/state" -type f ! -name '*.old' -exec cksum {} + | sed 's/^/stored /'
for old in "$1"/state/graphs/*.old; do [ ! -e "$old" ] || [ -e "${old%.old}" ] || echo "stored without a newer one $old"; done
find /sys/fs/cgroup -depth -type d -name 'composer:*' | sed 's/^/group /'
"""


class Place:
    """`config` is of the agent.  Nobody is behind dmz0.

    The hosts' further addresses are for functions that have a subnet at either side.
    """

    def __init__(self, interfaces=("lan0", "wan0", "dmz0"), **config):
        with contextlib.ExitStack() as stack:
            self.node = stack.enter_context(Node(interfaces=interfaces))
            self.lan = stack.enter_context(Host("lan", "10.0.0.1/24", "192.168.1.10/24", gateway="192.168.1.1"))
            self.wan = stack.enter_context(Host("wan", "10.0.0.2/24", "192.168.2.10/24"))
            wire(self.lan, self.node, "lan0")
            wire(self.wan, self.node, "wan0")
            self.agent = stack.enter_context(Agent(self.node, {"repository": repository(self.node.dir), **config}))
            self._stack = stack.pop_all()

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        log = self.agent.log
        self._stack.close()
        assert any(failure) or "loop: failed" not in log, [line for line in log.split("\n") if "loop: failed" in line]

    def put(self, graph, status=(200, 201)):
        """PUT a graph; return the answer, whose status must be (one of) `status`."""
        return self.ask("PUT", "/graphs/" + graph["sffg"]["id"], graph, status)

    def delete(self, name, status=204):
        return self.ask("DELETE", "/graphs/" + name, None, status)

    def clear(self):
        """Delete all graphs."""
        for one in self.ask("GET", "/graphs")["graphs"]:
            self.delete(one["id"])

    def status(self, name):
        return self.ask("GET", "/graphs/%s/status" % name)

    def ask(self, method, path, body=None, status=200, headers=()):
        found, _, answer = self.agent.request(method, path, body, headers)
        wanted = status if isinstance(status, tuple) else (status,)
        assert found in wanted, "%s %s: %s %s" % (method, path, found, answer)
        return answer

    def later(self, method, path, body=None):
        """Ask from a thread; return the list that the answer's status and body will be in, and the thread.

        The list stays empty if the agent ends before it answers.
        """
        answer = []

        def asking():
            with contextlib.suppress(http.client.HTTPException, OSError):
                answer.extend(self.agent.request(method, path, body)[::2])
        thread = threading.Thread(target=asking)
        thread.start()
        return answer, thread

    def metric(self, name):
        for line in self.ask("GET", "/metrics").splitlines():
            if line.startswith(name + " "):
                return float(line.split()[1])
        raise KeyError(name)

    def steps(self):
        """Return the steps that the agent has performed so far, as it logs them."""
        return [line[len("step: "):] for line in self.agent.log.splitlines() if line.startswith("step: ")]

    def calls(self, name):
        """Return the scripts of puppet `name` that were called since it was made, with the ports added."""
        found = []
        for path in glob.glob(self.node.dir + "/runtime/functions/*/tmp/calls"):
            with open(path) as file:
                found += [line.split(" ", 1)[1].strip() for line in file if line.startswith(name + " ")]
        return found

    def world(self):
        return world(self.node)

    def changes(self, before):
        """Return how the world differs from that of before, [] if it does not."""
        return changes(before, self.world())

    def flows(self, lsi):
        """Return the flows of an LSI, sorted, without counters."""
        return sorted(line.partition(lsi)[2].strip() for line in self.world() if line.startswith("flow %s " % lsi))


def world(node):
    """Return all that the agent could have made on a node, sorted lines."""
    lines = node.run("dash", "-c", SHOW, "show", node.dir, check=False).stdout.splitlines()
    for _ in range(20):
        names = [name for _, name in processes(node.pid)]
        if not PASSING.intersection(names):
            break
        time.sleep(0.05)  # the agent is just looking
    return sorted(lines + ["process " + name for name in names])


def until(true, within=SOON):
    """Wait until a function returns what is true, and return that."""
    end = time.monotonic() + within
    while not (found := true()):
        assert time.monotonic() < end, "not within %d s" % within
        time.sleep(0.05)
    return found


def chain(*functions, name="g", **variables):
    """Return a graph of lan, puppets in a row, and wan; the last puppet has the variables."""
    sfs = [sf(one, "puppet", "a", "b", **(variables if one == functions[-1] else {})) for one in functions]
    ends = ["lan"] + [one + end for one in functions for end in (":a", ":b")] + ["wan"]
    rules = [both(str(index), ends[index], ends[index + 1]) for index in range(0, len(ends), 2)]
    return graph(name, [LAN, WAN], sfs, *[one for pair in rules for one in pair])


def changes(before, after):
    """Return what the one world has and the other has not, as lines that begin with - or +."""
    return ["- " + line for line in before if line not in after] + ["+ " + line for line in after if line not in before]


def repository(folder):
    """Return a folder with the templates of build/nsf and that of the puppet."""
    folder += "/repository"
    os.mkdir(folder)
    for path in glob.glob(ROOT + "/build/nsf/*"):
        os.symlink(path, "%s/%s" % (folder, os.path.basename(path)))
    files = {name: PUPPET % {"name": name, "variable": name.upper(), "then": then} for name, then in SCRIPTS.items()}
    for name, path in (("wire", "sample/start"), ("sf.sh", "common/sf.sh")):
        with open("%s/nsf/%s" % (ROOT, path)) as file:
            files[name] = file.read()
    for name, more in (("puppet", {}), ("patient", {"status": STATUS})):
        bundle("%s/%s.tgz" % (folder, name), dict(files, **more))
        with open("%s/%s.json" % (folder, name), "w") as file:
            json.dump(dict({"name": name, "functional-capability": name, "vnf-type": "native",
                            "uri-image": name + ".tgz", "ports": [{"position": "1-N", "min": 1}]},
                           **({"limits": LITTLE} if more else {})), file)
    return folder


def bundle(path, files):
    """Make a bundle of {name: text}."""
    with tarfile.open(path, "w:gz", format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(files[name].encode()), 0o755
            tar.addfile(entry, io.BytesIO(files[name].encode()))
