"""The demo: the main job, from a posted graph to real packets, each step checked.

    host lan --- lan0  node: the agent, Open vSwitch, firewall -> nat  wan0 --- host wan

Exit status 0 only if all of it held.
"""
import json
import sys
import threading
import time

from node import ROOT, Agent, Host, Node, processes, wire

GRAPH = ROOT + "/agent/examples/home.json"
LAN, WAN, NAT = "192.168.1.10", "192.168.2.10", "192.168.2.1"
PROBES, RATE = 2500, 1000  # packets, and packets a second
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


def probe(lan, wan, change):
    """Send PROBES packets at RATE from lan to wan while change() runs; return how many were lost."""
    import socket
    seen = set()
    with wan.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver, lan.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        receiver.bind(("", 9000))
        receiver.settimeout(1)

        def receive():
            try:
                while len(seen) < PROBES:
                    seen.add(receiver.recv(64))
            except TimeoutError:
                pass

        def send():
            begin = time.monotonic()
            for number in range(PROBES):
                time.sleep(max(0, begin + number / RATE - time.monotonic()))
                sender.sendto(b"%d" % number, (WAN, 9000))

        threads = [threading.Thread(target=receive), threading.Thread(target=send)]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        change()
        for thread in threads:
            thread.join()
    return PROBES - len(seen)


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
            "processes": sorted([name for _, name in processes(node.pid)]),
            "files": node.run("find", node.dir + "/runtime", node.dir + "/state", "-type", "f", check=False).stdout.split()}


def show(node, lan, wan):
    say("1. The agent, as a user starts it")
    print("  $ composer-agent --config agent.json")
    with Agent(node) as agent:
        print("  node with a private Open vSwitch, datapath %s; interfaces %s" % (node.datapath, ", ".join(node.interfaces)))
        before = world(node)

        say("2. A service graph: lan -> firewall -> nat -> wan")
        check(composerctl(node, "apply", GRAPH), "the graph is deployed")

        say("3. Real traffic")
        servers = [wan.popen(sys.executable, "-c", SERVER, port) for port in ("8080", "8081", "8088")]
        ping = lan.run("ping", "-c", "3", "-i", "0.2", "-W", "2", WAN, check=False)
        check(" 0% packet loss" in ping.stdout, "ping through both functions: " + ping.stdout.strip().split("\n")[-1])
        fetch = lan.run("curl", "-s", "-m", "5", "--retry", "9", "--retry-connrefused", "--retry-delay", "1",
                        "http://%s:8080/" % WAN, check=False)
        check(NAT in fetch.stdout, "HTTP: the server saw %s, the NAT's address" % (fetch.stdout.strip()[6:] or "nobody"))
        refused = lan.run("curl", "-s", "-m", "2", "http://%s:8081/" % WAN, check=False)
        check(refused.returncode != 0, "the firewall refuses port 8081")
        check(composerctl(node, "trace", "home", "sap:lan", "ether_type=0x0800", "protocol=tcp", "dest_port=8080"),
              "the way of one packet through the LSIs")

        say("4. An update under a probe of %d packets/s, whose own rules do not change" % RATE)
        path = node.dir + "/updated.json"
        with open(path, "w") as file:
            json.dump(updated(), file)
        lost = probe(lan, wan, lambda: check(composerctl(node, "apply", path), "one function more, one rule changed"))
        check(lost == 0, "probe packets lost: %d of %d" % (lost, PROBES))
        fetch = lan.run("curl", "-s", "-m", "5", "http://%s:8088/" % WAN, check=False)
        check(NAT in fetch.stdout, "HTTP through the new branch")
        for server in servers:
            server.kill()

        say("5. Nothing is left")
        check(composerctl(node, "delete", "home"), "the graph is deleted")
        after = world(node)
        for name in sorted(after):
            check(after[name] == before[name], "%s: %s" % (name, " ".join(after[name]) or "none"))
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
    seconds = time.monotonic() - begin
    say("%s in %.0f s" % ("FAILED: " + "; ".join(failed) if failed else "All of it held", seconds))
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
