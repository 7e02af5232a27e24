"""In-band management: the port that the node is managed through is on LSI-0, and its address on LSI-0 itself.

    before    wan0  192.0.2.1/24, default via 192.0.2.254
    after     wan0  on LSI-0;  lsi0  192.0.2.1/24, default via 192.0.2.254, the MAC of wan0

The rules for it (core.flows.inband) are in table 0, before any graph's and above what a graph can say.  They are set
before the address moves, and before any rule of a graph.  What was moved is noted in RUNTIME, so that it can be given
to an LSI-0 that somebody has deleted.  On the switch in user space such an address is also where tunnels begin, which
its packets are too long for: there the port is made to take longer ones.
"""
import os

from . import host, log
from .core import flows, json, names
from .core.errors import StepFailed
from .core.steps import ip, run

ROOM = 64  # bytes by which a tunnel makes a packet longer, at most


class Inband:
    """.interface: "" if there is no in-band management; .addresses, .routes: what LSI-0 has for it, as ip(8) says them."""

    def __init__(self, config, runtime):
        self.interface, self.path = config.interface, runtime + "/inband.json"
        self.addresses, self.routes, self.mtu = [], [], 0
        self.given = [config.address] if config.address else []
        self.gateway = [["default", "via", config.gateway]] if config.gateway else []
        try:
            with open(self.path) as file:
                noted = json.loads(file.read())
            if noted[0] == self.interface:
                self.addresses, self.routes, self.mtu = noted[1:]
        except (OSError, ValueError):
            pass  # nothing was moved yet
        if self.given:
            self.addresses, self.routes = self.given, self.gateway

    def flows(self):
        """Return the rules of LSI-0 that keep management alive."""
        return flows.inband(self.interface, [address.partition("/")[0] for address in self.addresses])

    def missing(self, addresses):
        """Say whether addresses have to be moved; addresses: as host.addresses returns them."""
        return bool(self.interface) and (any([name == self.interface for name, _ in addresses]) or any([
            (names.LSI0, address) not in addresses for address in self.addresses]))

    def look(self, addresses):
        """Yield the steps that find what is to be moved, and note it."""
        there = sorted([address for name, address in addresses if name == self.interface])
        if there and not self.given:  # what came to the interface later is added to what LSI-0 has
            text = yield run("ip", "-4", "route", "show", "dev", self.interface)
            found = [_route(line) for line in text.split("\n") if line.strip() and " proto kernel " not in line]
            self.routes = found + [route for route in self.routes if route[0] not in [one[0] for one in found]]
            self.addresses = there + [address for address in self.addresses
                                      if address not in there and (names.LSI0, address) in addresses]
        self.mtu = self.mtu or host.mtu(self.interface)
        os.makedirs(os.path.dirname(self.path), 0o755, exist_ok=True)
        with open(self.path + ".new", "w") as file:
            file.write(json.dumps([self.interface, self.addresses, self.routes, self.mtu]))
        os.rename(self.path + ".new", self.path)

    def part(self, vswitch):
        """Return the part of the switch that makes LSI-0 look like the interface from outside."""
        return vswitch.set_local(names.LSI0, host.mac(self.interface), self.mtu)

    def move(self, addresses, datapath):
        """Yield the steps that move what was found to LSI-0: all in one child, so that nobody stops half-way."""
        there = sorted([address for name, address in addresses if name == self.interface])
        yield [ip("link", "set", names.LSI0, "up")] \
            + [ip("address", "replace", address, "dev", names.LSI0) for address in self.addresses] \
            + [ip("route", "replace", *(route + ["dev", names.LSI0])) for route in sorted(self.routes, key=lambda one: "via" in one)] \
            + [ip("address", "del", address, "dev", self.interface) for address in there]
        if datapath == "netdev" and host.mtu(self.interface) < self.mtu + ROOM:
            try:
                yield run("ip", "link", "set", self.interface, "mtu", str(self.mtu + ROOM))
            except StepFailed as error:
                log.write("inband", "tunnels cannot carry whole packets", interface=self.interface, why=error)


def _route(line):
    """Return the words of a route as `ip route show dev` says it, but for what the kernel notes of it."""
    return [word for word in line.split() if word not in ("linkdown", "dead")]
