"""Open vSwitch driver: an LSI is a bridge, a virtual link a pair of patch ports, a port one end of a veth.

Switches and ports go through ovs-vsctl, rules through ovs-ofctl.  Ports are called by name in both, so
no step has to read a port number back.
"""
import re

from ..core import flows, json, steps
from ..core.errors import StepFailed
from ..core.names import UNPLUGGED
from ..core.steps import ask, ip, run

NAME = "ovs"
NEEDS = ("ovs-vsctl", "ovs-ofctl", "ovs-appctl", "ip")
TECHNOLOGIES = ("veth", "patch")
DAEMONS = SWITCH, DATABASE = ("ovs-vswitchd", "ovsdb-server")
DEAF = 10, ("3.1.0",)  # it counts no cores before, and has the kernel drop what it has no flow for; 3.1.1 is mended

OPTIONS = {"local": "local_ip", "remote": "remote_ip", "key": "key", "ttl": "ttl", "port": "dst_port"}  # of tunnels
LIMIT = 5  # seconds that ovs-vsctl and ovs-ofctl wait for the daemons, and more for what is large
SLICE = 1000  # lines of flows that are looked at in one turn of the loop
COUNTERS = re.compile("duration=[^,]*, n_packets=[^,]*, n_bytes=[^,]*, ")
COOKIE, QUOTED = re.compile(" cookie=0x([0-9a-f]+)"), re.compile('"([^"]*)"')


def create_lsi(lsi, mark, datapath, fail_mode="secure"):
    """Return the part that makes an LSI, which forwards nothing until it has rules (Table 2, createLSI)."""
    return ["--may-exist", "add-br", lsi, "--", "set", "bridge", lsi, "fail_mode=" + fail_mode, "external_ids:composer=" + mark,
            "datapath_type=" + datapath, "other_config:disable-in-band=true"]


def destroy_lsi(lsi, mark, datapath):
    return ["--if-exists", "del-br", lsi]


def connect_lsis(near, port, far, other, mark):
    """Return the part that makes a virtual link between two LSIs (Table 2, connectLSIs)."""
    words = []
    for lsi, one, peer in ((near, port, other), (far, other, port)):
        words.extend(["--may-exist", "add-port", lsi, one, "--", "set", "interface", one, "type=patch",
                      "options:peer=" + peer, "external_ids:composer=" + mark, "--"])
    return words[:-1]


def destroy_vlink(near, port, far, other, mark):
    return ["--if-exists", "del-port", near, port, "--", "--if-exists", "del-port", far, other]


def create_switch(lsi, mark, datapath):
    """Return the part that makes an LSI which a controller programs that listens on the socket <lsi>.controller in the rundir."""
    return create_lsi(lsi, mark, datapath) + [
        "--", "set-controller", lsi, "unix:%s.controller" % lsi, "--", "set", "controller", lsi, "max_backoff=1000",
        "inactivity_probe=5000", "connection_mode=out-of-band"]


def plug(near, port, far, other, mark, number, runs):
    """Return the part that makes a virtual link to an LSI that is a function; number: of the port there, which leads nowhere
    unless the function runs."""
    return connect_lsis(near, port, far, other, mark) + [
        "--", "set", "interface", other, "ofport_request=%d" % number, "options:peer=" + (port if runs else UNPLUGGED)]


def unplug(near, port, far, other, mark, number, runs):
    return destroy_vlink(near, port, far, other, mark)


def create_port(lsi, port, mark):
    """Return the part that puts a port on an LSI (Table 2, createPortOnLSI)."""
    return ["--may-exist", "add-port", lsi, port, "--", "set", "interface", port, "external_ids:composer=" + mark]


def destroy_port(lsi, port, mark):
    return ["--if-exists", "del-port"] + ([lsi] if lsi else []) + [port]


def create_sap(lsi, interface, mark, index):
    """Return the part that puts an interface on an LSI (Table 2, createSAPOnLSI), noting which life of it that is."""
    return create_port(lsi, interface, mark) + ["external_ids:composer-index=%s" % index]


def destroy_sap(lsi, interface, mark, index):
    return destroy_port(lsi, interface, mark)


def create_segment(segment, mark, datapath):
    """Return the part that makes the bridge that joins the graphs of a group: it learns who is where by itself."""
    return create_lsi(segment, mark, datapath, "standalone")


def create_tunnel(lsi, port, mark, protocol, options):
    """Return the part that makes a port that is the end of a tunnel, which the switch itself ends.

    options: ((name, value), ...) as core.saps has them.  Its packets may be fragmented on their way: theirs are not.
    """
    words = ["options:%s=%s" % (OPTIONS[name], value) for name, value in options]
    return create_port(lsi, port, mark) + ["type=" + protocol, "options:df_default=false"] + words


def create_host(lsi, port, mark, mac):
    """Return the part that makes a port to the TCP/IP stack of the node; mac: a text, "" if it does not matter."""
    return create_port(lsi, port, mark) + ["type=internal"] + (['mac="%s"' % mac] if mac else ["mac=[]"])


def set_local(lsi, mac, mtu):
    """Return the part that gives the port of an LSI itself, which the node sees, a MAC address and an MTU (bytes)."""
    return ["set", "bridge", lsi, 'other_config:hwaddr="%s"' % mac, "--", "set", "interface", lsi, "mtu_request=%d" % mtu]


def destroy_end(lsi, port, *words):
    return destroy_port(lsi, port, "")


MAKE = {"lsi": create_lsi, "link": connect_lsis, "port": create_port, "sap": create_sap, "segment": create_segment,
        "tunnel": create_tunnel, "host": create_host, "switch": create_switch, "plug": plug}
UNMAKE = {"lsi": destroy_lsi, "link": destroy_vlink, "port": destroy_port, "sap": destroy_sap, "segment": destroy_lsi,
          "tunnel": destroy_end, "host": destroy_end, "switch": destroy_lsi, "plug": unplug}


def transact(parts):
    """Make all parts in one transaction, and wait until the switch has them."""
    step = _vsctl(parts)
    said = _said((yield step))
    if said:  # it exits with 0 where a device is missing
        raise StepFailed(steps.line(step), "\n".join(said))


def dismantle(parts):
    """Unmake the parts in one transaction; without the switch, if it does not answer."""
    try:
        yield _vsctl(parts)
    except StepFailed:
        yield _vsctl(parts, "--no-wait")
        for part in parts:
            if part[1] == "del-br":  # of an LSI in user space a dead switch leaves the device
                yield ip("link", "del", part[2])


def make_port(port, namespace, inside, mac):
    """Make a veth: `port` here, `inside` in the function's namespace, with the address `mac` unless that is ""."""
    address = ("address", mac) if mac else ()
    yield ip("link", "add", port, "up", "type", "veth", "peer", "name", inside, *(address + ("netns", namespace)))


def unmake_port(port):
    yield ip("link", "del", port)


def change_rules(lsi, lines):
    """Carry out lines of flows, all at once or not at all (Table 3)."""
    if lines:
        yield run("ovs-ofctl", "--timeout=%d" % (LIMIT + len(lines) // 1000), "-O", "OpenFlow14", "--bundle", "add-flows",
                  lsi, "-", stdin="\n".join(lines) + "\n")


def version():
    """Return the version of the switch as the daemon says it; only ovs-ctl notes it in the database."""
    return (yield ask(SWITCH, "version")).partition("\n")[0].rpartition(" ")[2]


def look():
    """Return what the switch has: {"version", "held", "lsis": {name: mark}, "datapaths": {name: datapath}, "lives":
    {name: life}, "ports": {name: mark}, "indexes": {name: index}, "numbers": {name: number}}; a mark of None is somebody
    else's."""
    text = yield run("ovs-vsctl", "--timeout=%d" % LIMIT, "--format=json", "--columns=ovs_version,external_ids", "list",
                     "Open_vSwitch", "--", "--columns=name,external_ids,datapath_type", "list", "Bridge", "--",
                     "--columns=name,external_ids,ofport", "list", "Interface")
    node, bridges, interfaces = [json.loads(one)["data"] for one in _said(text)]
    (version, ids), = node
    return {"version": version if isinstance(version, str) else "", "held": _id(ids, "composer-held") is not None,
            "lsis": dict([(name, _id(ids, "composer")) for name, ids, _ in bridges]),
            "datapaths": dict([(name, datapath or "system") for name, _, datapath in bridges]),
            "lives": dict([(name, _id(ids, "composer-life")) for name, ids, _ in bridges]),
            "ports": dict([(name, _id(ids, "composer")) for name, ids, _ in interfaces]),
            "indexes": dict([(name, _id(ids, "composer-index")) for name, ids, _ in interfaces]),
            "numbers": dict([(name, number) for name, _, number in interfaces if isinstance(number, int) and number > 0])}


def pulse():
    """Return what changes when somebody makes or removes a port or a rule: their numbers, (ports, rules)."""
    words = dict([word.split(":") for word in (yield ask(SWITCH, "memory/show")).split() if word.count(":") == 1])
    return int(words.get("ports", 0)), int(words.get("rules", 0))


def fingerprint(lsi):
    """Return a number that changes when a rule of an LSI does: of the sum of its lines, without their counters."""
    text, total = (yield ask(SWITCH, "bridge/dump-flows", lsi)), 0
    for number, line in enumerate(text.split("\n")):
        total += hash(COUNTERS.sub("", line))
        if number % SLICE == SLICE - 1:
            yield []
    return total


def compare(lsi, wanted, numbers):
    """Return the graphs (their numbers) of which an LSI has not just the flows that are `wanted`.

    numbers: {name: number} of the ports.  Flows that end by themselves, and those of nobody we know, do not count.
    """
    def numbered(found):
        return str(numbers.get(found.group(1), found.group(0)))

    lines = [QUOTED.sub(numbered, flows.add(flow)[len("add "):]) for flow in wanted if "hard_timeout" not in flow.key]
    text = yield run("sh", "-c", 'ovs-ofctl --timeout=%d -O OpenFlow14 diff-flows "$1" /proc/self/fd/0 || [ $? = 2 ]' % LIMIT,
                     "diff", lsi, stdin="\n".join(lines) + "\n")
    found = set()
    for line in _said(text):
        cookie = COOKIE.search(line)
        number = int(cookie.group(1), 16) >> 32 if cookie else 0
        if (number or cookie and line.startswith("+")) and "hard_timeout" not in line:
            found.add(number)
    return found


def hold():
    """Have the switch, when it is started again, leave the kernel's flows at work until the rules are back."""
    yield run("ovs-vsctl", "--timeout=%d" % LIMIT, "--no-wait", "set", "Open_vSwitch", ".",
              "other_config:flow-restore-wait=true", "external_ids:composer-held=true")


def release():
    yield run("ovs-vsctl", "--timeout=%d" % LIMIT, "--no-wait", "remove", "Open_vSwitch", ".", "other_config",
              "flow-restore-wait", "--", "remove", "Open_vSwitch", ".", "external_ids", "composer-held")


def remember(lsi, life):
    """Note on an LSI in which life of the switch its rules were set."""
    yield run("ovs-vsctl", "--timeout=%d" % LIMIT, "set", "bridge", lsi, "external_ids:composer-life=" + life)


def trace(lsi, packet):
    """Return what the switch says it would do with a packet, as text."""
    return (yield run("ovs-appctl", "--timeout=%d" % LIMIT, "ofproto/trace", "--names", lsi, packet))


def counters(lsi):
    """Return {cookie: (packets, bytes)} of an LSI's rules."""
    result = {}
    for line in (yield run("ovs-ofctl", "--timeout=%d" % LIMIT, "-O", "OpenFlow14", "--no-names", "dump-flows", lsi)).split("\n"):
        fields = dict([word.split("=", 1) for word in line.replace(",", " ").split() if "=" in word])
        if "cookie" in fields:
            cookie = int(fields["cookie"], 16)
            packets, octets = result.get(cookie, (0, 0))
            result[cookie] = packets + int(fields["n_packets"]), octets + int(fields["n_bytes"])
    return result


def port_counters(lsi):
    """Return {port: (packets in, bytes in, packets out, bytes out)} of an LSI's ports, in and out of the LSI."""
    text = yield run("ovs-ofctl", "--timeout=%d" % LIMIT, "-O", "OpenFlow14", "--names", "dump-ports", lsi)
    result, port = {}, ""
    for line in _said(text):
        head, _, counts = line.partition(" pkts=")
        if " port " in head:
            port = head.partition(" port ")[2].rpartition(":")[0].strip().strip('"')
        words = counts.replace("bytes=", "").split(",")
        if counts and port and words[0].isdigit() and words[1].strip().isdigit():
            result[port] = result.get(port, ()) + (int(words[0]), int(words[1]))
    return dict([(port, result[port]) for port in result if len(result[port]) == 4])


def _id(ids, key):
    return dict([tuple(pair) for pair in ids[1]]).get(key)


def _said(output):
    """Return the lines of an output, but for the program's own log: on a busy machine it notes that it was slow."""
    return [text for text in output.split("\n") if text and "|WARN|" not in text]


def _vsctl(parts, *options):
    words = ["ovs-vsctl", "--timeout=%d" % (LIMIT + len(parts) // 20)] + list(options)
    for part in parts:
        words.extend(["--"] + part)
    return run(*words)
