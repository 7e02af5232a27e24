"""The figures of a gateway: tables beside the paper's Tables 7 and 8, and build/qemu-ARCH.json."""
import glob
import json
import os
import subprocess

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
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
    ("    Open vSwitch was started too soon to take packets", "deaf", "%s", ""),
    ("installation of the packages", "install", "%.1f s", ""),
    ("deploy of a firewall and a NAT: at first, again", "deploy", "%.1f, %.1f s", ""),
    ("GET of the domain description", "description", "%.2f s", ""),
)
DEBIAN = {"arm": "armhf", "mips": "mipsel"}
# Table 8, images of the IPsec client: on a residential gateway, an ARM, and on a professional CPE; as container, as VM.
PAPER_IMAGES = {"ipsec": "2 and 3.7 MB; Docker 240, VM 522 MB"}


def lines(arch, figures):
    """Yield the lines of the tables; what was not measured is not in them."""
    yield "%-58s %-18s %s" % ("gateway " + arch, "measured", "paper, Table 7")
    for title, key, form, paper in TABLE:
        if len(figures.get(key, ())) == form.count("%"):
            yield ("%-58s %-18s %s" % (title, form % tuple(figures[key]), paper)).rstrip()
    yield "%-24s %-14s %-38s %s" % ("function", "our package", "programs that only it needs, packed", "paper, Table 8")
    for name, (own, others) in sorted(figures.get("functions", {}).items()):
        yield ("%-24s %-14s %-38s %s" % (name, "%.1f kB" % (own / 1000), "%.2f MB" % (others / 1e6) if others else "",
                                         PAPER_IMAGES.get(name, ""))).rstrip()


def functions(arch):
    """Return {function: (bytes of its package, bytes of Debian's packages that it needs and the image has not)}."""
    names = json.load(open(os.path.join(TOP, "agent/packages.json")))["names"]
    there = open(os.path.join(TOP, "build/qemu", arch, "packages")).read().split()
    found = {}
    for path in sorted(glob.glob(os.path.join(TOP, "nsf/*/template.json"))):
        name = os.path.basename(os.path.dirname(path))
        needs = [need.split("|")[0] for need in json.load(open(path)).get("dependencies", ())]
        wanted = {names[need]["debian"] for need in needs if "debian" in names.get(need, ())}
        lacks = [one for one in _debian(arch, "list", *wanted).split() if one not in there] if wanted else []
        package, = glob.glob(os.path.join(TOP, "build/ipk/composer-nsf-%s_*.ipk" % name))
        found[name] = (os.path.getsize(package), int(_debian(arch, "size", *lacks) or 0))
    return found


def _debian(arch, *words):
    return subprocess.run([os.path.join(TOP, "qemu-tests/debian"), DEBIAN[arch], *words], stdout=subprocess.PIPE, text=True).stdout


def write(path, figures):
    with open(path, "w") as file:
        json.dump(figures, file, indent=1)
