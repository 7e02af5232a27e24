"""The demo: the main job, from a posted graph to real packets, each step checked.

    host lan --- lan0  node: the agent, Open vSwitch, firewall -> nat  wan0 --- host wan

Exit status 0 only if all of it held.
"""
import json
import os
import sys
import time
from collections import namedtuple

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "system"))

from probes import RATE, Probe  # noqa: E402
from node import ROOT, Agent, Host, Node, processes, wire  # noqa: E402

GRAPH = ROOT + "/agent/examples/home.json"
LAN, WAN, NAT = "192.168.1.10", "192.168.2.10", "192.168.2.1"
PATIENT = ("--retry", "9", "--retry-connrefused", "--retry-delay", "1")  # while the servers begin
TIMED_OUT = 28  # curl's exit status
Ends = namedtuple("Ends", ("node", "lan", "wan"))
SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        text = b"hello %s\\n" % self.client_address[0].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    def log_message(self, *words):
        pass
http.server.HTTPServer(("", int(sys.argv[1])), Handler).serve_forever()
"""

failed = []


def say(text):
    print("\n\033[1m%s\033[0m" % text if sys.stdout.isatty() else "\n" + text, flush=True)


def check(held, text):
    """Print what was to be shown, and whether it held."""
    print("  %s %s" % ("ok  " if held else "FAIL", text), flush=True)
    if not held:
        failed.append(text)


def composerctl(node, *words):
    """Run composerctl in the node, as a user would; what it prints is shown."""
    print("  $ composerctl " + " ".join(words).replace(ROOT + "/", ""), flush=True)
    program = node.popen(sys.prefix + "/bin/composerctl", "--url", "unix:%s/agent.sock" % node.dir, *words)
    return program.wait(60) == 0


def updated():
    """Return the graph with one function more, for another branch, and one rule changed."""
    with open(GRAPH) as file:
        graph = json.load(file)
    inner = graph["sffg"]
    inner["SFs"].append({"id": "cache", "name": "wire", "ports": [{"id": "in"}, {"id": "out"}]})
    web = {"ether_type": "0x0800", "protocol": "tcp", "dest_port": 8088}
    inner["flowrules"] += [
        {"id": "web-cache", "priority": 20, "match": dict(web, port_in="sf:fw:out"), "actions": {"output_to_port": "sf:cache:in"}},
        {"id": "cache-nat", "priority": 10, "match": {"port_in": "sf:cache:out"}, "actions": {"output_to_port": "sf:nat:in"}}]
    next(rule for rule in inner["flowrules"] if rule["id"] == "fw-lan")["priority"] = 11
    return graph


def world(node):
    """Return what a node has beside LSI-0 and its interfaces."""
    flows = node.ovs("ofctl", "-O", "OpenFlow14", "dump-flows", "lsi0").strip().split("\n")[1:]
    return {"switches": [name for name in node.ovs("vsctl", "list-br").split() if name != "lsi0"],
            "ports of LSI-0": [name for name in node.ovs("vsctl", "list-ports", "lsi0").split() if name not in node.interfaces],
            "rules of graphs": [flow.strip() for flow in flows if "cookie=0x1," not in flow],
            "namespaces": node.run("ip", "netns").stdout.split(),
            "links": [name for name in node.run("ls", "/sys/class/net").stdout.split() if name.startswith("l1")],
            "processes": sorted([name for _, name in processes(node.pid) if name != "cat"]),  # that keeps the box
            "files": node.run("find", node.dir + "/runtime", node.dir + "/state", "-type", "f", check=False).stdout.split()}


def received(node, sf):
    """Return how many packets function `sf` got at its first port."""
    return int(node.run("ip", "netns", "exec", "composer:home:" + sf, "cat",
                        "/sys/class/net/eth0/statistics/rx_packets").stdout)


def fetch(host, port, *options):
    """Fetch http://WAN:port/ from a host; return (curl's exit status, the client that the server saw)."""
    done = host.run("curl", "-s", "-m", "3", *options, "http://%s:%d/" % (WAN, port), check=False)
    return done.returncode, done.stdout.strip()[len("hello "):]


def traffic(node, lan, wan):
    ping = lan.run("ping", "-c", "3", "-i", "0.2", "-W", "2", WAN, check=False)
    check(" 0% packet loss" in ping.stdout, "ping through both functions: " + ping.stdout.strip().split("\n")[-1])
    check(fetch(lan, 8080, *PATIENT) == (0, NAT), "HTTP through both: the server saw %s, the NAT's address" % NAT)
    check(fetch(wan, 8081, *PATIENT)[0] == 0, "port 8081 is served: the wan itself reaches it")
    check(fetch(lan, 8081)[0] == TIMED_OUT, "and the firewall refuses it to the lan")
    print("\n  the way of one packet of that HTTP, from port to port:")
    for port in ("sap:lan", "sf:fw:out", "sf:nat:out"):
        check(composerctl(node, "trace", "home", port, "ether_type=0x0800", "protocol=tcp", "dest_port=8080"), "on from " + port)


def update(node, lan, wan):
    path = node.dir + "/updated.json"
    with open(path, "w") as file:
        json.dump(updated(), file)
    check(fetch(lan, 8088) == (0, NAT), "before: web traffic on port 8088 goes straight to the NAT")
    with Probe(Ends(node, lan, wan)) as probe:
        time.sleep(1)
        check(composerctl(node, "apply", path), "a cache for port 8088; fw-lan has priority 11 instead of 10")
        time.sleep(1)
    check(probe.lost == 0, "probe packets lost: %d of %d, sent at %d/s" % (probe.lost, probe.sent, RATE))
    before = received(node, "cache")
    check(fetch(lan, 8088) == (0, NAT) and received(node, "cache") > before, "now: the same goes through the cache")


def show(node, lan, wan):
    say("1. A node, and the agent as a user starts it")
    print("  a node with a private Open vSwitch, datapath %s; host lan at lan0, host wan at wan0" % node.datapath)
    print("  functions, in build/nsf: " + " ".join(sorted([name[:-4] for name in os.listdir(ROOT + "/build/nsf") if ".tgz" in name])))
    print("  $ composer-agent --config agent.json")
    with Agent(node) as agent:
        before = world(node)

        say("2. A service graph: lan -> firewall -> nat -> wan")
        check(composerctl(node, "apply", GRAPH), "the graph is deployed")

        say("3. Real traffic")
        servers = [wan.popen(sys.executable, "-c", SERVER, port) for port in ("8080", "8081", "8088")]
        traffic(node, lan, wan)

        say("4. An update under a probe of %d packets/s, whose own rules do not change" % RATE)
        update(node, lan, wan)
        for server in servers:
            server.kill()

        say("5. Nothing is left")
        check(composerctl(node, "delete", "home"), "the graph is deleted")
        after = world(node)
        for name in sorted(after):
            check(after[name] == before[name], "%s: as before, %s" % (name, " ".join(after[name]) or "none"))
        check(agent.stop() == 0, "the agent ends in order")
        if failed:
            print(agent.log)


def main():
    begin = time.monotonic()
    say("COMPOSER for gateways: one node, two hosts, one service graph")
    with Node() as node, Host("lan", LAN + "/24", gateway="192.168.1.1") as lan, Host("wan", WAN + "/24") as wan:
        wire(lan, node, "lan0")
        wire(wan, node, "wan0")
        show(node, lan, wan)
    left = [name for name in os.listdir("/tmp") if name.startswith("composer-%d-" % os.getpid())]
    check(not left, "of the node and the hosts, nothing is left on this machine either")
    seconds = time.monotonic() - begin
    say("%s in %.0f s" % ("FAILED: " + "; ".join(failed) if failed else "All of it held", seconds))
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
