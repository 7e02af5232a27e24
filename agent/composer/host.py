"""The host: what this node is and has, read from /proc, /sys and the file system."""
import os
import socket
import struct

from .cgroups import SCARCE
from .system import PATH

NEW_ADDRESS, GET_ADDRESSES, DUMP, IFA_LOCAL, IFA_LABEL = 20, 22, 0x301, 2, 3  # rtnetlink(7)


def has(dependency):
    """Say whether a template's dependency is met: a program, module:<name>, file:<path>; a|b is one of them."""
    return any([_has_one(one) for one in dependency.split("|")])


def has_program(name):
    return any([os.access(os.path.join(folder, name), os.X_OK) for folder in PATH.split(":")])


def has_interface(name):
    return os.path.exists("/sys/class/net/" + name)


def interface_index(name):
    """Return the kernel's number of an interface as a text, which no later interface of that name has; "" without it."""
    try:
        with open("/sys/class/net/%s/ifindex" % name) as file:
            return file.read().strip()
    except OSError as error:
        if error.errno in SCARCE:
            raise  # nothing was said about the interface
        return ""  # it is not there, or on its way out


def mac(name):
    """Return the MAC address of an interface as a text."""
    with open("/sys/class/net/%s/address" % name) as file:
        return file.read().strip()


def mtu(name):
    with open("/sys/class/net/%s/mtu" % name) as file:
        return int(file.read())


def alias(name):
    """Return what an interface was noted to be for, "" if it says nothing."""
    try:
        with open("/sys/class/net/%s/ifalias" % name) as file:
            return file.read().strip()
    except OSError as error:
        if error.errno in SCARCE:
            raise
        return ""


def interfaces():
    return os.listdir("/sys/class/net")


def addresses():
    """Return {(name of an interface, "a.b.c.d/n")} of the IPv4 addresses that this node has, asked of the kernel (netlink)."""
    found = set()
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as link:
        link.send(struct.pack("=IHHIIBxxxI", 24, GET_ADDRESSES, DUMP, 1, 0, socket.AF_INET, 0))
        while True:
            data, at = link.recv(1 << 16), 0
            while at + 16 <= len(data):
                size, kind = struct.unpack_from("=IH", data, at)
                if kind != NEW_ADDRESS:
                    return found  # NLMSG_DONE, or an error
                length = data[at + 17]
                said = dict(_attributes(data[at + 24:at + size]))
                name = said.get(IFA_LABEL, b"").rstrip(b"\0").decode("utf-8", "replace")
                found.add((name.partition(":")[0], "%s/%d" % (socket.inet_ntoa(said[IFA_LOCAL]), length)))
                at += (size + 3) & ~3


def _attributes(data):
    """Yield (type, value) of the attributes of a netlink message."""
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


def description():
    """Return what the node is and has: architecture, CPU, memory in MiB."""
    name = os.uname()
    total, free = 0, 0
    with open("/proc/meminfo") as file:
        for line in file:
            words = line.split()
            if words[0] == "MemTotal:":
                total = int(words[1]) // 1024
            elif words[0] == "MemAvailable:":
                free = int(words[1]) // 1024
    with open("/proc/loadavg") as file:
        load = float(file.read().split()[0])
    return {"architecture": name.machine, "kernel": name.release,
            "cpu": {"cores": os.cpu_count(), "load": load}, "memory": {"total": total, "free": free}}


def _has_one(dependency):
    kind, _, name = dependency.partition(":")
    if kind == "module" and name:
        return os.path.exists("/sys/module/" + name)
    if kind == "file" and name:
        return os.path.exists(name)
    return has_program(dependency)
