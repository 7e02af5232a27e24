"""An elastic router to look at: a node with four hosts, a broker, the agent, and loads that grow and fall (paper, 8.7).

    h0 10.1.0.10 --- eth0  node  eth2 --- 10.3.0.10 h2        established flows: h0 to h1 and h2 to h3, every packet counted
    h1 10.2.0.10 --- eth1        eth3 --- 10.4.0.10 h3        the load: h0 to h3
"""
import contextlib
import json
import sys
import time
import types

from broker import Broker, Client
from node import ROOT, Agent, Host, Node, wire
from probes import Probe

GRAPH = ROOT + "/agent/examples/elastic-router.json"
BUS = "composer/v1/node/"
STATE = BUS + "bus/elastic/elastic-router/state"
SIZE = 1200  # bytes of a packet of the load
LOAD = """
import socket, sys, time
link, begun, sent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), time.monotonic(), 0.0
target, size, plan = (sys.argv[1], 9), int(sys.argv[2]), [tuple(map(float, one.split(":"))) for one in sys.argv[3:]]
last, at = 0.0, 0.0
for seconds, rate in plan:  # within so many seconds to that rate, bits a second
    end, first, before = at + seconds, last, at
    while at < end:
        now = time.monotonic() - begun
        bits = (first + (rate - first) * min(1, (now - before) / seconds)) * (now - at)
        sent += bits / 8 / size
        at = now
        while sent >= 1:
            link.sendto(b"x" * (size - 42), target)
            sent -= 1
        time.sleep(0.002)
    last = rate
"""


class Elastic:
    def __init__(self, **mqtt):
        with contextlib.ExitStack() as stack:
            self.node = stack.enter_context(Node(interfaces=["eth%d" % number for number in range(4)]))
            self.hosts = []
            for number in range(4):
                host = stack.enter_context(Host("h%d" % number, "10.%d.0.10/24" % (number + 1), gateway="10.%d.0.1" % (number + 1)))
                host.ip = "10.%d.0.10" % (number + 1)
                wire(host, self.node, "eth%d" % number)
                self.hosts.append(host)
            self.broker = stack.enter_context(Broker(self.node.host, "listener 1883\nallow_anonymous true\n"))
            self.agent = stack.enter_context(Agent(self.node, {
                "listen": ["unix:%s/agent.sock" % self.node.dir, "0.0.0.0:8080"], "auth": "none", "mqtt": dict({"host": "127.0.0.1"}, **mqtt)}))
            self.ear = stack.enter_context(Client(self.node.host, BUS + "#"))
            self.ear.wait(BUS + "status", lambda value: value["status"] == "online", 15)
            self._stack = stack.pop_all()

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self._stack.close()

    def ask(self, method, path, body=None):
        status, _, answer = self.agent.request(method, path, body)
        assert status in (200, 201, 204), "%s %s: %s %s" % (method, path, status, answer)
        return answer

    def deploy(self):
        """Put the example, and wait until each host reaches each other."""
        with open(GRAPH) as file:
            answer = self.ask("PUT", "/graphs/elastic-router", json.load(file))
        end = time.monotonic() + 20
        for source in self.hosts:
            for target in self.hosts:
                while source is not target and source.run("ping", "-c", "1", "-W", "1", target.ip, check=False).returncode:
                    assert time.monotonic() < end, "%s does not reach %s" % (source.name, target.name)
        return answer

    def switches(self):
        return [sf["id"] for sf in self.ask("GET", "/graphs/elastic-router")["sffg"]["SFs"] if sf["name"] == "openflow-switch"]

    def probes(self):
        """Return the established flows, to be entered: each has .lost at its end."""
        ends = [types.SimpleNamespace(lan=self.hosts[one], wan=self.hosts[other], node=self.node) for one, other in ((0, 1), (2, 3))]
        return [Probe(one) for one in ends]

    def load(self, *plan):
        """Begin a load; `plan` are (seconds, bits a second at their end)."""
        return self.hosts[0].popen(sys.executable, "-c", LOAD, self.hosts[3].ip, str(SIZE), *["%g:%g" % one for one in plan])

    def wait(self, event, size, since, within):
        """Return when the control told of an event."""
        return self.ear.wait(STATE, lambda value: value and (value["event"], value["size"]) == (event, size), within, since).time

    def threshold(self, since, within=30):
        """Return when a SAP was first measured to be likely to have too much."""
        return self.ear.wait(BUS + "measurement/elastic-router/risk0", lambda value: value["value"] > 0.5, within, since).time
