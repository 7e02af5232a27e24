"""A node without a system: the agent's own plans, carried out on the tables of openflow.py.

`perform(step)` may carry out the steps elsewhere too; it returns their output, or raises StepFailed.
"""
from composer.compute import nsf
from composer.core import flows, names, placing, plan, sffg
from composer.core.errors import StepFailed
from composer.vswitch import ovs
from openflow import Switch


NODE_RULES = [flows.add(flow) for flow in flows.NODE_FLOWS]


class Drivers:
    vswitch, datapath, compute = ovs, "netdev", {"native": nsf}
    tunnels, dhcp, keeps, tell = "auto", "udhcpc", lambda segment, graph_id: False, lambda sf, state: None


class FakeNode:
    def __init__(self, interfaces, perform=lambda step: ""):
        self.perform, self.changed = perform, lambda: None  # changed: called after each change of rules
        self.placed, self.bodies, self.switch = {}, {}, Switch()
        self.places = dict([((names.LSI0, interface), ("wire", interface)) for interface in interfaces])
        for interface in interfaces:
            self.switch.add_port(names.LSI0, interface)
        self.switch.change(names.LSI0, NODE_RULES)

    def vet(self, name, body):
        """Return the Graph of `body`, or raise what the agent would."""
        graph = sffg.parse(body, name)
        sffg.conflict(graph, [self.placed[other]["graph"] for other in self.placed if other != name])
        return graph

    def put(self, name, body):
        """Make graph `name` what `body` says; return what plan.update returns."""
        old = self.placed.get(name) or placing.empty(name)
        taken = [placed["number"] for placed in self.placed.values()]
        number = [number for number in range(1, len(taken) + 2) if number not in taken][0]
        new = place(self.vet(name, body), old, number)
        ports = _ports(new)
        for end in ports:
            self.places[end] = name, ports[end]
        left = self.carry_out(plan.update(old, new, Drivers))
        self.placed[name], self.bodies[name] = new, body
        return left

    def delete(self, name):
        del self.bodies[name]
        return self.carry_out(plan.update(self.placed.pop(name), placing.empty(name), Drivers))

    def lands(self, place, packet):
        """Return [(place, packet)]: where a packet lands that enters at a place of big_switch.py."""
        lsi, port = self.port(place)
        return [(self.places[end], copy) for end, copy in self.switch.walk(lsi, port, packet)]

    def has(self, place):
        """Say whether there is such a place: a wire, or a port of a function."""
        return place[0] == "wire" or place[1] in _ports(self.placed[place[0]]).values()

    def port(self, place):
        """Return (LSI, port name) of a place."""
        ports = {(names.LSI0, place[1]): place[1]} if place[0] == "wire" else _ports(self.placed[place[0]])
        return [end for end in ports if ports[end] == place[1]][0]

    def carry_out(self, generator):
        answer = None
        try:
            while True:
                if isinstance(answer, StepFailed):
                    wanted = generator.throw(answer)
                else:
                    wanted = generator.send(answer)
                several = isinstance(wanted, list)
                answers = [self._step(step) for step in (wanted if several else [wanted])]
                answer = answers if several else answers[0]
        except StopIteration as end:
            return end.value

    def _step(self, step):
        try:
            output = self.perform(step)
        except StepFailed as failure:
            return failure
        if step.verb == "run" and step.words[0] == "ovs-vsctl":
            self.switch.configure(step.words)
        if step.verb == "run" and step.words[0] == "ovs-ofctl":
            self.switch.change(step.words[-2], step.stdin.strip().split("\n"))
            self.changed()
        return output


def place(graph, old, number=1):
    """Return a Graph placed: every function is a native one, whose ports have the positions of their order."""
    return placing.place(old, graph, images(graph), number, "/run/composer")


def images(graph):
    """Return what the resolver would."""
    result = {}
    for sf in graph.sfs:
        result[sf.id] = {"type": "native", "template": sf.name, "image": "/nsf/%s.tgz" % sf.name, "digest": "d-" + sf.name, "limits": {}, "needs": {},
                         "positions": dict([(port.id, index) for index, port in enumerate(sf.ports)])}
    return result


def _ports(placed):
    """Return {(LSI, port name): reference} of the ports of a placed graph's functions."""
    return dict([((names.lsi(placed["number"]), placing.port_name(placed, sf, port)), "sf:%s:%s" % (sf["id"], port["id"]))
                 for sf in placed["sfs"].values() for port in sf["ports"]])
