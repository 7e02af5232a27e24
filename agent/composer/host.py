"""The host: what this node is and has, read from /proc, /sys and the file system."""
import os
import socket
import struct

from .cgroups import SCARCE
from .system import PATH

GET_ADDRESSES, DUMP, IFA_LOCAL, IFA_LABEL, ENDS = 22, 0x301, 2, 3, (2, 3)  # rtnetlink(7); ENDS: an error, or all was said
NETFILTER, GET_TABLES, TABLE_NAME = 12, 10 << 8 | 1, 1  # linux/netlink.h, linux/netfilter/nf_tables.h
LISTENS = "0A"  # a state in /proc/net/tcp


def has(dependency):
    """Say whether a template's dependency is met: a program, module:<name>, file:<path>; a|b is one of them."""
    return any([_has_one(one) for one in dependency.split("|")])


def has_module(name, sys="/sys/module", lib="/lib/modules/" + os.uname().release):
    """Say whether the kernel has a module: loaded, built in, or there to be loaded, which most are when they are needed."""
    name = name.replace("-", "_")
    if os.path.exists("%s/%s" % (sys, name)):
        return True
    if not os.path.isdir(lib):
        return False
    ends = ["/%s.ko" % one for one in (name, name.replace("_", "-"))]
    for path in ("modules.builtin", "modules.dep"):
        try:
            with open("%s/%s" % (lib, path)) as file:
                if any([end in line.partition(":")[0] for line in file for end in ends]):
                    return True
        except FileNotFoundError:
            pass  # OpenWrt has neither: its modules are files in this folder
    return any([os.path.exists(lib + end) for end in ends])


def has_program(name):
    return program(name) != ""


def program(name):
    """Return the path of the file that a program is, wherever links lead, "" if it is not there."""
    paths = [os.path.join(folder, name) for folder in PATH.split(":")]
    return next((os.path.realpath(path) for path in paths if os.access(path, os.X_OK) and not os.path.isdir(path)), "")


def has_interface(name):
    return os.path.exists("/sys/class/net/" + name)


def interface_index(name):
    """Return the kernel's number of an interface as a text, which no later interface of that name has; "" without it."""
    return _said_of(name, "ifindex")


def mac(name):
    """Return the MAC address of an interface as a text."""
    with open("/sys/class/net/%s/address" % name) as file:
        return file.read().strip()


def mtu(name):
    with open("/sys/class/net/%s/mtu" % name) as file:
        return int(file.read())


def counters(name):
    """Return (packets in, bytes in, packets out, bytes out) of an interface, None if it is not there."""
    found = [_said_of(name, "statistics/" + one) for one in ("rx_packets", "rx_bytes", "tx_packets", "tx_bytes")]
    return tuple(map(int, found)) if all(found) else None


def alias(name):
    """Return what an interface was noted to be for, "" if it says nothing."""
    return _said_of(name, "ifalias")


def is_down(name):
    """Say whether an interface says that it carries nothing; some do not say."""
    return _said_of(name, "operstate") in ("down", "lowerlayerdown", "notpresent")


def speed(name):
    """Return the bits a second of an interface, 0 if it does not say."""
    try:
        return max(0, int(_said_of(name, "speed") or 0)) * 1000000
    except ValueError:
        return 0


def _said_of(name, what):
    try:
        with open("/sys/class/net/%s/%s" % (name, what)) as file:
            return file.read().strip()
    except OSError as error:
        if error.errno in SCARCE:
            raise  # nothing was said about the interface
        return ""  # it is not there, or on its way out


def interfaces():
    return os.listdir("/sys/class/net")


def addresses():
    """Return {(name of an interface, "a.b.c.d/n")} of the IPv4 addresses that this node has, asked of the kernel (netlink)."""
    found = set()
    for data in _dump(socket.NETLINK_ROUTE, GET_ADDRESSES, struct.pack("=BxxxI", socket.AF_INET, 0)):
        said = dict(attributes(data[8:]))
        name = said.get(IFA_LABEL, b"").rstrip(b"\0").decode("utf-8", "replace")
        found.add((name.partition(":")[0], "%s/%d" % (socket.inet_ntoa(said[IFA_LOCAL]), data[1])))
    return found


def tables():
    """Return the names of the IPv4 tables of nftables, asked of the kernel."""
    if not has_program("nft"):
        return set()  # none of ours, and perhaps no such thing in this kernel
    return set([dict(attributes(data[4:]))[TABLE_NAME].rstrip(b"\0").decode("utf-8", "replace")
                for data in _dump(NETFILTER, GET_TABLES, struct.pack("=BBH", socket.AF_INET, 0, 0))])


def default_routes():
    """Return [(interface, gateway)] of the IPv4 default routes, whatever their metric; a gateway is a text, "0.0.0.0" if none."""
    found = []
    with open("/proc/net/route") as file:
        for line in file.readlines()[1:]:
            name, to, gateway, _, _, _, _, mask = line.split()[:8]
            if int(to + mask, 16) == 0:
                found.append((name, socket.inet_ntoa(struct.pack("=I", int(gateway, 16)))))
    return found


def has_gateway(gateway, interface):
    """Say whether the node has this default gateway, or a default route of somebody else's."""
    routes = default_routes()
    return (interface, gateway) in routes or any([name != interface for name, _ in routes])


def listens(port):
    """Say whether something on this node listens on a TCP port, at whatever address."""
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        if os.path.exists(path):
            with open(path) as file:
                file.readline()
                for line in file:
                    _, local, _, state = line.split()[:4]
                    if state != LISTENS:
                        break  # those that listen come first
                    if int(local.rpartition(":")[2], 16) == port:
                        return True
    return False


def _dump(protocol, kind, question):
    """Yield the bodies of what the kernel says (netlink) when it is asked for all of something."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol) as link:
        link.send(struct.pack("=IHHII", 16 + len(question), kind, DUMP, 1, 0) + question)
        while True:
            data, at = link.recv(1 << 16), 0
            while at + 16 <= len(data):
                size, kind = struct.unpack_from("=IH", data, at)
                if kind in ENDS:
                    return
                yield data[at + 16:at + size]
                at += (size + 3) & ~3


def attributes(data):
    """Yield (type, value) of the attributes of a netlink message (bytes)."""
    at = 0
    while at + 4 <= len(data):
        size, kind = struct.unpack_from("=HH", data, at)
        yield kind, data[at + 4:at + size]
        at += max(4, (size + 3) & ~3)


def runs(path):
    """Say whether the process runs whose pid a file says."""
    try:
        with open(path) as file:
            return os.path.exists("/proc/%d" % int(file.read()))
    except (OSError, ValueError):
        return False


def namespaces_stamp():
    """Return a value that is another one when a namespace's name has come or gone."""
    try:
        return os.stat("/var/run/netns").st_mtime_ns
    except FileNotFoundError:
        return 0


def namespaces(mark):
    """Return the names of the namespaces that bear the mark."""
    try:
        return [name for name in os.listdir("/var/run/netns") if name.startswith(mark + ":")]
    except FileNotFoundError:
        return []


def exposed(rundir, runtime):
    """Return {name: socket} of the links, in the folder of the switch's daemons, to what is under the folder `runtime`."""
    found, folder = {}, rundir or "/var/run/openvswitch"
    for entry in os.scandir(folder) if os.path.isdir(folder) else ():
        if entry.is_symlink() and os.readlink(entry.path).startswith(runtime + "/"):
            found[entry.name] = os.readlink(entry.path)
    return found


def daemon(rundir, name):
    """Return what tells one life of a daemon from the next (pid and start time), or "" if it is not running.

    Raises OSError if that cannot be told now.
    """
    try:
        with open("%s/%s.pid" % (rundir or "/var/run/openvswitch", name)) as file:
            pid = int(file.read())
        with open("/proc/%d/stat" % pid) as file:
            fields = file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return ""
    return "" if fields[0] == "Z" else "%d-%s" % (pid, fields[19])


def born(life):
    """Return when a life of a daemon began, in seconds since boot."""
    return int(life.rpartition("-")[2]) / os.sysconf("SC_CLK_TCK")


def description():
    """Return what the node is and has: architecture, CPU, memory in MiB."""
    name = os.uname()
    with open("/proc/loadavg") as file:
        load = float(file.read().split()[0])
    return {"architecture": name.machine, "kernel": name.release,
            "cpu": {"cores": os.cpu_count(), "load": load}, "memory": memory(),
            "accelerators": [kind for kind in sorted(ACCELERATORS) if has_accelerator(kind)]}


def memory():
    """Return {"total", "free"} of the node's memory in MiB."""
    found = {}
    with open("/proc/meminfo") as file:
        for line in file:
            words = line.split()
            found[words[0]] = int(words[1]) // 1024
    return {"total": found["MemTotal:"], "free": found.get("MemAvailable:", found["MemFree:"])}


def has_accelerator(kind):
    """Say whether the node has an accelerator of a kind, one of ACCELERATORS."""
    return kind in ACCELERATORS and ACCELERATORS[kind]()


def _crypto():
    """AES by the processor itself, or by a device that the kernel has a driver for."""
    with open("/proc/cpuinfo") as file:
        if any([" aes" in line for line in file if line.startswith(("flags", "Features"))]):
            return True
    return any([word in _text("/proc/crypto") for word in ("-caam", "-qat", "-ccp", "-inside-secure", "-safexcel", "-mv-ces")])


def _l2_switch():
    """A switch chip whose ports the kernel knows to be ports of one."""
    return any([_said_of(name, "phys_switch_id") for name in interfaces()])


def _text(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


ACCELERATORS = {"crypto": _crypto, "l2-switch": _l2_switch}  # paper, 2 and 4.7


def _has_one(dependency):
    kind, _, name = dependency.partition(":")
    if kind == "module" and name:
        return has_module(name)
    if kind == "file" and name:
        return os.path.exists(name)
    return has_program(dependency)
