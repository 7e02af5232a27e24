"""The host: what this node is and has, read from /proc, /sys and the file system."""
import os

from .cgroups import SCARCE
from .system import PATH


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


def interfaces():
    return os.listdir("/sys/class/net")


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
