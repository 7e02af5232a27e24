"""Figures of a node that speaks: monitoring, the description, the bus (for bench.py)."""
import json
import statistics
import time

from broker import Broker, Client
from composer import host
from composer.core import measure, windows
from node import ROOT, Agent, Node, memory

METRICS = 64
ROOT_TOPIC = "composer/v1/node/"


def monitoring(sheet):
    """Evaluation of 64 metrics with a zone and an action each.  The floor: so many averages of as many numbers as a window has."""
    found = measure.parse("measurements { %s } zones { %s } actions { %s }" % (
        "".join(["m%d = mem(vnf = f);" % number for number in range(METRICS)]),
        "".join(['z%d = ((AVG(val = m%d, max_age = "1 minute") > 0.5) and (MAX(val = m%d, max_age = "1 minute") < 9));' % ((number,) * 3)
                 for number in range(METRICS)]),
        "".join(["->z%d = Publish(topic = t, message = m);" % number for number in range(METRICS)])))
    kept = {key: windows.Window(key[1]) for key in measure.windows(found)}
    taken, least, true = [], [], set()
    for tick in range(300):
        begin = time.perf_counter()
        for window in kept.values():
            window.add(tick, tick % 7)
        true, _ = measure.evaluate(found, kept, tick, true)
        middle = time.perf_counter()
        for window in kept.values():
            sum(window.sums) / len(window.sums)
        taken.append(middle - begin)
        least.append(time.perf_counter() - middle)
    name = "monitoring: evaluation of 64 metrics, 64 zones, a tick"
    sheet.add(name, 1000 * statistics.median(taken[100:]), "ms", 1000 * statistics.median(least[100:]), [("1 ms", 1)])
    sheet.add("monitoring: the same, 99 of 100 ticks", 1000 * sorted(taken[100:])[-3], "ms", goals=[("1 ms", 1)])
    begin = time.perf_counter()
    for _ in range(METRICS):
        host.counters("lo")
    sheet.add("monitoring: counters of 64 devices read", 1000 * (time.perf_counter() - begin), "ms")


def bus(sheet):
    """A node with a broker: what the bus costs, and how soon what is retained is true when the broker is there again."""
    with Node() as node, Broker(node.host) as broker:
        with Agent(node) as agent:
            time.sleep(3)
            without = memory(agent.pid)["rss"]
            begin = time.monotonic()
            for _ in range(20):
                agent.request("GET", "/node")
            sheet.add("GET /node, the domain description", 1000 * (time.monotonic() - begin) / 20, "ms")
        with Agent(node, {"mqtt": {"host": "127.0.0.1"}}) as agent, open(ROOT + "/agent/examples/openflow.json") as file:
            time.sleep(3)
            sheet.add("agent with a broker, idle: memory", memory(agent.pid)["rss"], "MB", without)
            body, taken = json.load(file), []
            for _ in range(5):
                begin = time.monotonic()
                agent.request("PUT", "/graphs/openflow", body)
                taken.append(time.monotonic() - begin)
                agent.request("DELETE", "/graphs/openflow")
            sheet.add("an OpenFlow switch and its controller: PUT to answer", 1000 * statistics.median(taken), "ms")
            agent.request("PUT", "/graphs/openflow", body)
            taken = []
            for _ in range(10):
                broker.kill()
                begin = time.monotonic()
                broker.start()
                with Client(node.host, ROOT_TOPIC + "#") as ear:
                    up = ear.wait(ROOT_TOPIC + "status", lambda value: value["status"] == "online", 30, begin).time
                    taken.append(ear.wait(ROOT_TOPIC + "graphs/openflow/state", lambda value: value["state"] == "deployed", 30, begin).time - up)
                time.sleep(3.2)
            sheet.add("bus: agent connected to state of a graph retained, worst of 10 brokers", 1000 * max(taken), "ms", goals=[("2 s", 2000)])
