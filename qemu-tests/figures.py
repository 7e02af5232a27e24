"""The figures of a gateway: a table beside the paper's Table 7, and build/qemu-ARCH.json."""
import json

PAPER_MEMORY, PAPER_DISK = 31, 71  # MB, Table 7: what a node with native functions only adds to a system, vSwitch included
TABLE = (
    ("memory of the node: agent, switch, 2 graphs", "memory", "%.1f MB", "%d MB" % PAPER_MEMORY),
    ("    composer-agent, RSS and PSS", "composer-agent", "%.1f, %.1f MB", ""),
    ("    ovsdb-server, RSS and PSS", "ovsdb-server", "%.1f, %.1f MB", ""),
    ("    ovs-vswitchd, RSS and PSS", "ovs-vswitchd", "%.1f, %.1f MB", ""),
    ("memory available before there was any of it", "available", "%.0f MB", ""),
    ("flash: the system, kernel modules, Python, Open vSwitch", "image", "%.1f MB", ""),
    ("flash: packages, configuration, state", "packages", "%.1f MB", ""),
    ("disk that all this adds to a system, not compressed", "added", "%.1f MB", "%d MB" % PAPER_DISK),
    ("power-on to user space, at first and after", "boot", "%.1f, %.1f s", ""),
    ("power-on to the first forwarded frame, 2 graphs", "first frame", "%.1f s", ""),
    ("    of it with the kernel running", "uptime", "%.1f s", ""),
    ("installation of the packages", "install", "%.1f s", ""),
    ("deploy of a firewall and a NAT: at first, again", "deploy", "%.1f, %.1f s", ""),
    ("GET of the domain description", "description", "%.2f s", ""),
)


def lines(arch, figures):
    """Yield the lines of the table; what was not measured is not in it."""
    yield "%-58s %-18s %s" % ("gateway " + arch, "measured", "paper, Table 7")
    for title, key, form, paper in TABLE:
        if len(figures.get(key, ())) == form.count("%"):
            yield ("%-58s %-18s %s" % (title, form % tuple(figures[key]), paper)).rstrip()


def write(path, figures):
    with open(path, "w") as file:
        json.dump(figures, file, indent=1)
