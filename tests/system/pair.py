"""Pairs: two nodes that a wire joins, each with an agent, and a host behind it.

    host 10.0.0.1 --- lan0  one  wan0 --- wan0  two  lan0 --- 10.0.0.2 host
                         192.0.2.1        192.0.2.2

wan0 is on LSI-0 too and has the node's address, unless `config` says otherwise; the agents move it to LSI-0 itself.
"""
import contextlib
import subprocess

from node import Agent, Host, Node, wire
from place import Place, repository

INBAND = {"inband": {"interface": "wan0"}}


class Side:
    """One node of a pair: what a Place can do that has one host only."""
    put, delete, clear, status, ask, steps, world, changes = (
        Place.put, Place.delete, Place.clear, Place.status, Place.ask, Place.steps, Place.world, Place.changes)

    def __init__(self, stack, name, address, host):
        self.address = address
        self.node = stack.enter_context(Node(name, ["lan0"]))
        self.host = stack.enter_context(Host("host-" + name, host))
        wire(self.host, self.node, "lan0")


class Pair:
    """`config` is of both agents."""

    def __init__(self, **config):
        with contextlib.ExitStack() as stack:
            self.one = Side(stack, "one", "192.0.2.1", "10.0.0.1/24")
            self.two = Side(stack, "two", "192.0.2.2", "10.0.0.2/24")
            join(self.one.node, self.two.node, "wan0")
            for side, other in ((self.one, self.two), (self.two, self.one)):
                side.node.run("ip", "address", "add", side.address + "/24", "dev", "wan0")
                side.node.run("ip", "route", "add", "default", "via", other.address)
                side.node.interfaces.append("wan0")
                found = {"repository": repository(side.node.dir), **INBAND, **config}
                side.agent = stack.enter_context(Agent(side.node, found))
            self._stack = stack.pop_all()

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        logs = self.one.agent.log + self.two.agent.log
        self._stack.close()
        assert any(failure) or "loop: failed" not in logs, [line for line in logs.split("\n") if "loop: failed" in line]


def join(one, other, interface):
    """Join two boxes by a veth whose ends are called alike."""
    inside = ["nsenter", "--target", str(one.pid), "--net", "ip", "link"]
    peer = ["peer", "name", interface, "netns", str(other.pid)]
    subprocess.run(inside + ["add", interface, "up", "type", "veth"] + peer, check=True)
    other.run("ip", "link", "set", interface, "up")
