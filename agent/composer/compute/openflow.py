"""OpenFlow switches as functions: an LSI of the node's own vSwitch that a controller in the same graph programs (paper, 7.1).

    graph-LSI  l7s1p1 ====== l7s1q1  LSI l7s1o  l7s1q2 ====== l7s1p2     its ports: the switch joins the two LSIs
               l7s1p0 --- eth0 [relay] --- socket --- ovs-vswitchd       its control port: in a namespace, as of any function

The switch part of it, LSI and ports, is made with all else that the switch is made of (core/placing.py).  Here is what is
left: a native function, whose relay carries OpenFlow between the daemon of the switch, which finds its socket as
<LSI>.controller, and the controller, by way of the graph.  So the controller reaches this one LSI and nothing of the node.
A function that is stopped or paused has its ports unplugged.
"""
from ..core import names
from ..core.steps import expose, run
from . import nsf

NAME = "openflow-switch"
NEEDS = nsf.NEEDS + ("ovs-vsctl",)
TECHNOLOGIES = ("patch",)

SOCKET = "/run/controller"  # as the relay has it
LIMIT = 5  # seconds that ovs-vsctl waits for the daemons


def create(sf):
    relay = _relay(sf)
    yield from nsf.create(relay)
    sf["scripts"] = relay["scripts"]
    yield expose(names.socket(sf["switch"]), sf["home"] + SOCKET)


def start(sf):
    yield from nsf.start(dict(_relay(sf), state="stopped" if sf["state"] == "stopped" else "running"))
    yield from _plug(sf, sf["state"] == "running")


def stop(sf):
    yield from _plug(sf, False)
    yield from nsf.stop(_relay(sf))


def update(old, new):
    yield from nsf.update(_relay(old), dict(_relay(new), state="stopped" if new["state"] == "stopped" else "running"))


def pause(sf):
    yield from _plug(sf, False)


def resume(sf):
    yield from _plug(sf, True)


def status(sf):
    return (yield from nsf.status(_relay(sf)))


def destroy(sf):
    yield expose(names.socket(sf["switch"]), "")
    yield from nsf.destroy(_relay(sf))


def _relay(sf):
    """Return the native function that is beside the LSI: it has the control port."""
    return dict(sf, ports=[port for port in sf["ports"] if not port["number"]])


def _plug(sf, wanted):
    """Have the ports of the LSI lead to the graph, or nowhere; those that are gone do not matter."""
    words = []
    for port in sf["ports"]:
        near, far = [name(int(sf["lsi"][len("lsi"):]), sf["number"], port["number"]) for name in (names.port, names.plug)]
        if port["number"]:
            words.extend(["--", "--if-exists", "set", "interface", far, "options:peer=" + (near if wanted else names.UNPLUGGED)])
    if words:
        yield run("ovs-vsctl", "--timeout=%d" % LIMIT, *words)
