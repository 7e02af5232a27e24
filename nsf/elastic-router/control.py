"""elastic-router/control.py: the control application of an elastic router (paper, 8.7).

    switches       connect over OpenFlow, and are told what they route; this is one loop
    alarms         come over the bus; a second thread has the agent make the router larger or smaller, in steps

A router of one switch becomes one of a switch for each SAP without losing a packet:

    1  PUT the graph with the new switches beside the old one, which still has the traffic
    2  wait until each new one has connected, and has said that it has been programmed
    3  PUT the graph with the new switches alone: the agent moves the rules before it takes anything down

and back the same way.  Where it stands is seen from the graph alone: one that is started anew in between finishes.  What
it has learned of hosts is in /run/hosts.

    control.py AGENT BROKER NETWORKS RATE RISK CALM     as the variables of start, which has checked them

Names and passwords are in the environment, where `ps` does not show them.
"""
import json
import os
import selectors
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # which python3 -I leaves out
import openflow as of  # noqa: E402
import topology  # noqa: E402
from agent import Agent  # noqa: E402

PORT, READY = 6653, 15  # seconds for new switches to be there and programmed
HOSTS, SAID = "/run/hosts", "/run/control.said"
AGAIN, ASKED, BEAT = 2, 1, 5  # seconds until the broker is tried again; between two ARP requests for a host, two looks at the broker


class Router:
    """What is routed: networks, hosts, and the switches that are connected.  Only the loop writes to switches."""

    def __init__(self, networks):
        self.gateways = [socket.inet_aton(network.partition("/")[0]) for network in networks]
        self.masks = [(1 << 32) - (1 << 32 - int(network.partition("/")[2])) for network in networks]
        self.hosts = _stored()  # {address: (number of the SAP, MAC)}
        self.switches, self.ready, self.news = {}, set(), threading.Condition()  # {name: Switch}; names of those that are programmed
        self.asked = {}

    def mac(self, sap):
        return bytes((2, 0, 0x5e, 0, 0, sap + 1))

    def of(self, address):
        """Return the number of the SAP whose network an address is in, None if it is in none."""
        for sap, (gateway, mask) in enumerate(zip(self.gateways, self.masks)):
            if not (int.from_bytes(gateway, "big") ^ int.from_bytes(address, "big")) & mask:
                return sap
        return None

    def learn(self, address, sap, mac):
        if self.of(address) == sap and self.hosts.get(address) != (sap, mac):
            self.hosts[address] = (sap, mac)
            with open(HOSTS, "w") as file:
                json.dump([[one.hex(), *[self.hosts[one][0], self.hosts[one][1].hex()]] for one in self.hosts], file)
            for switch in self.switches.values():
                switch.send(b"".join(self.flows(switch.name, address)))

    def flows(self, name, address):
        """Return the flows by which a switch routes to a host."""
        (sap, mac), (inside, others) = self.hosts[address], topology.places(name, len(self.gateways))
        found, to = [], inside.get(sap, others.get(sap))
        for port in inside.values():
            found.append(of.flow(50, {"in_port": port, "eth_type": of.IPV4, "ipv4_dst": address}, [
                of.DEC_TTL, of.rewrite("eth_src", self.mac(sap)), of.rewrite("eth_dst", mac), of.output(of.IN_PORT if port == to else to)]))
        for port in others.values() if sap in inside else ():
            found.append(of.flow(50, {"in_port": port, "eth_type": of.IPV4, "ipv4_dst": address}, [of.output(to)]))
        return found

    def program(self, switch):
        """Tell a switch all that it has to know, and ask whether it has understood."""
        inside = topology.places(switch.name, len(self.gateways))[0]
        found = [of.flow(100, {"in_port": port, "eth_type": of.ARP}, [of.output(of.CONTROLLER)]) for port in inside.values()]
        found += [of.flow(10, {"in_port": port, "eth_type": of.IPV4}, [of.output(of.CONTROLLER)]) for port in inside.values()]
        for address in self.hosts:
            found += self.flows(switch.name, address)
        switch.send(b"".join(found) + of.message(of.BARRIER_REQUEST))

    def frame(self, switch, port, frame):
        """Take a frame that a switch did not know what to do with."""
        inside = topology.places(switch.name, len(self.gateways))[0]
        sap = next((sap for sap in inside if inside[sap] == port), None)
        kind = int.from_bytes(frame[12:14], "big")
        if sap is not None and kind == of.ARP and len(frame) >= 42:
            mac, address, target = frame[22:28], frame[28:32], frame[38:42]
            self.learn(address, sap, mac)
            if frame[20:22] == b"\0\1" and target == self.gateways[sap]:
                switch.send(of.packet_out(port, arp(2, self.mac(sap), target, mac, address)))
        elif kind == of.IPV4 and len(frame) >= 34:
            self.ask(frame[30:34])

    def ask(self, address):
        """Ask who has an address, on its network."""
        sap, now = self.of(address), time.monotonic()
        if sap is None or now - self.asked.get(address, 0) < ASKED:
            return
        self.asked = dict([one for one in self.asked.items() if now - one[1] < ASKED])
        self.asked[address] = now
        for switch in self.switches.values():
            inside = topology.places(switch.name, len(self.gateways))[0]
            if sap in inside:
                switch.send(of.packet_out(inside[sap], arp(1, self.mac(sap), self.gateways[sap], b"\0" * 6, address)))

    def forget(self, names):
        """Forget switches that are about to be made: one that was taken down had nobody left to say good-bye."""
        with self.news:
            self.ready -= names
        for switch in [self.switches[name] for name in names if name in self.switches]:
            switch.end()

    def wait(self, names):
        """Wait until these switches are programmed.  Raises TimeoutError."""
        with self.news:
            if not self.news.wait_for(lambda: names <= self.ready, READY):
                raise TimeoutError("%s did not connect within %d s" % (", ".join(sorted(names - self.ready)), READY))


class Switch:
    def __init__(self, link, name):
        self.link, self.name, self.data = link, name, b""
        self.send(of.message(of.HELLO) + of.message(of.FEATURES_REQUEST))

    def send(self, data):
        try:
            self.link.sendall(data)
        except OSError:
            pass  # it has gone: the loop will hear of it


    def end(self):
        """Have the loop find that the connection has ended."""
        try:
            self.link.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def arp(operation, mac, address, to, target):
    frame = (b"\xff" * 6 if operation == 1 else to) + mac + struct.pack("!HHHBBH", of.ARP, 1, of.IPV4, 6, 4, operation) + mac + address + to + target
    return frame + b"\0" * (60 - len(frame))


def serve(router, count):
    """The loop: listen to switches, for ever."""
    names = dict([(address, name) for size in (topology.SMALL, topology.LARGE) for name, address in topology.switches(size, count).items()])
    watched, door = selectors.DefaultSelector(), socket.create_server(("", PORT))
    watched.register(door, selectors.EVENT_READ, None)
    while True:
        for key, _ in watched.select():
            if key.data is None:
                link, (address, _) = door.accept()
                link.settimeout(5)
                link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if address not in names:
                    link.close()
                    continue
                switch = Switch(link, names[address])
                watched.register(link, selectors.EVENT_READ, switch)
                continue
            try:
                more = key.fileobj.recv(65536)
                if not more:
                    raise OSError("it hung up")
                found, key.data.data = of.messages(key.data.data + more)
                for kind, xid, body in found:
                    heard(router, key.data, kind, xid, body)
            except (OSError, ValueError, struct.error):
                watched.unregister(key.fileobj)
                key.fileobj.close()
                with router.news:
                    if router.switches.get(key.data.name) is key.data:
                        del router.switches[key.data.name]
                        router.ready.discard(key.data.name)


def heard(router, switch, kind, xid, body):
    if kind == of.ECHO_REQUEST:
        switch.send(of.message(of.ECHO_REPLY, body, xid))
    elif kind == of.FEATURES_REPLY:
        router.switches[switch.name] = switch
        router.program(switch)
    elif kind == of.BARRIER_REPLY:
        with router.news:
            router.ready.add(switch.name)
            router.news.notify_all()
    elif kind == of.PACKET_IN:
        router.frame(switch, *of.packet_in(body))


class Scaler:
    """Has the agent make the router larger or smaller, one change at a time."""

    def __init__(self, agent, router, settings, tell):
        self.agent, self.router, self.settings, self.tell = agent, router, settings, tell
        self.path = "/graphs/" + os.environ["SF_GRAPH"]

    def scale(self, size):
        """Bring the router to a size, None for that which it has: what was begun is finished."""
        body = self.agent.ask("GET", self.path)
        graph = body["sffg"]
        now = topology.carries(graph)
        size = size or now
        if now == size and topology.sizes(graph) == [size]:
            return
        self.tell("scaling", size)
        if now != size:
            fresh = set(topology.switches(size, len(topology.saps(graph))))
            if topology.sizes(graph) == [now]:
                self.router.forget(fresh)
            self._put(body, [topology.SMALL, topology.LARGE], now)
            self.router.wait(fresh)
        self._put(body, [size], size)
        self.tell("scaled", size)

    def _put(self, body, there, traffic):
        """Put the graph; what somebody else has changed meanwhile is not lost, but read and tried once more."""
        for _ in range(5):
            if self.agent.ask("PUT", self.path + "?confirm=0", {"sffg": topology.make(body["sffg"], there, traffic, self.settings)}):
                self.agent.ask("GET", self.path)  # its tag is that of the next change
                return
            body["sffg"] = self.agent.ask("GET", self.path)["sffg"]
        raise ValueError("the graph is changed by others all the time")


def main(address, broker, networks, rate, risk, calm):
    host, _, port = address.partition(":")
    networks, node = networks.split(), os.environ.get("ELASTIC_NODE") or "node"
    router = Router(networks)
    threading.Thread(target=serve, args=(router, len(networks)), daemon=True).start()
    root = "composer/v1/%s/" % node
    where = ["-h", broker.partition(":")[0], "-p", broker.partition(":")[2], "-q", "1"]

    def publish(topic, *words):
        return subprocess.run(["mosquitto_pub", *where, "-t", "%sbus/elastic/%s/%s" % (root, os.environ["SF_GRAPH"], topic), *words],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0

    def tell(event, size):
        publish("state", "-r", "-m", json.dumps({"event": event, "size": size, "time": time.time()}))

    agent = Agent((host, int(port)), os.environ.get("ELASTIC_USER", ""), os.environ.get("ELASTIC_PASSWORD", ""))
    scaler = Scaler(agent, router, {"rate": int(rate), "risk": float(risk), "calm": float(calm)}, tell)
    wanted = None
    while True:
        said = ""
        try:
            scaler.scale(wanted)
            for alarm in alarms(["mosquitto_sub", *where, "-t", root + "alarms/elastic"], lambda: publish("beat", "-n")):
                if alarm.get("graph") == os.environ["SF_GRAPH"]:
                    wanted = {"scale_out": topology.LARGE, "scale_in": topology.SMALL}.get(alarm.get("message"))
                    if wanted:
                        _say("")
                        scaler.scale(wanted)
                        break  # what came meanwhile was of the router as it was
            else:
                said = "no broker at %s, or not for this user" % broker
        except (OSError, ValueError, LookupError) as error:
            said = " ".join(str(error).split())
        wanted = None
        _say(said)
        time.sleep(AGAIN if said else 0)


def alarms(words, beat):
    """Yield the alarms that come, until the broker is gone, which mosquitto_sub itself does not tell: beat() does, now and then."""
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as program, selectors.DefaultSelector() as watched:
        watched.register(program.stdout, selectors.EVENT_READ)
        try:
            data = b""
            while True:
                if not watched.select(BEAT):
                    if not beat():
                        return
                    continue
                more = os.read(program.stdout.fileno(), 65536)
                if not more:
                    return
                *whole, data = (data + more).split(b"\n")
                for line in whole:
                    try:
                        found = json.loads(line)
                    except ValueError:
                        continue
                    if isinstance(found, dict):
                        yield found
        finally:
            program.kill()


def _say(text):
    """Note why nothing works, for status; since when, in seconds of the node's life."""
    try:
        with open(SAID) as file:
            before = file.read()
    except OSError:
        before = ""
    since = before.partition(" ")[0] if before and text else "%d" % time.monotonic()
    with open(SAID, "w") as file:
        file.write("%s %s\n" % (since, text) if text else "")


def _stored():
    try:
        with open(HOSTS) as file:
            return dict([(bytes.fromhex(address), (sap, bytes.fromhex(mac))) for address, sap, mac in json.load(file)])
    except (OSError, ValueError):
        return {}


if __name__ == "__main__":
    main(*sys.argv[1:])
