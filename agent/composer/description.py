"""The description: reads what the domain description says of this node (core/domain.py is its shape; paper, 5.1.2).

Every value is read when it is told: end-points are the interfaces that LSI-0 has now, functions those of the repository that
can run here now, VLANs those that no graph has.
"""
import os

from . import __version__, admission, host
from .bus import boot
from .core import domain, json, names, resolver, saps, templates
from .core.errors import Refused
from .repository import Absent

ROUND, REST = 10, 2  # seconds between two times that load alone is told, and that anything is looked for: it takes a while
DEVICES = {"gre": "ip_gre", "vxlan": "vxlan"}  # tunnels, and the modules of the kernel that end them
_modules = {}  # those that the kernel was asked for, which it has or has not until the next boot


def current(node):
    """Return the description of a node as it is now, a JSON value."""
    wanted, facts = node.config.description, {
        "name": node.config.node, "version": __version__, "boot": boot(), "endpoints": _endpoints(node), "functions": _functions(node)}
    if wanted.infrastructure:
        facts["infrastructure"] = _infrastructure(node)
    if wanted.resources:
        facts["resources"] = _resources(node)
    return domain.describe(facts)


def tell(node, bus):
    """Have the bus retain the description in both shapes, another one when it is worth telling."""
    kept = {"told": None, "when": 0, "looked": 0}

    def changed():
        now = node.loop.clock()
        if kept["told"] is not None and now - kept["looked"] < REST:
            return json.dumps(kept["told"])  # the bus asks again within its round
        found, kept["looked"] = current(node), now
        if kept["told"] is None or domain.differs(kept["told"], found) or (
                now - kept["when"] >= ROUND and domain.moved(kept["told"], found)):
            kept.update(told=found, when=now)
        return json.dumps(kept["told"])

    bus.values["description"] = changed
    bus.values["description/frog"] = lambda: json.dumps(domain.frog(kept["told"] or current(node), node.config.listen[0]))


def _endpoints(node):
    addresses, found = host.addresses(), []
    for interface in node.config.interfaces:
        name = interface.name
        if not node.indexes.get(name) or not host.has_interface(name):
            continue
        mine = (name, names.LSI0) if node.config.inband.interface == name else (name,)
        found.append({"name": name, "mac": host.mac(name), "mtu": host.mtu(name), "up": not host.is_down(name),
                      "speed": host.speed(name), "neighbour": interface.neighbour,
                      "addresses": sorted([address for device, address in addresses if device in mine]),
                      "vlans": _free(interface.vlans, _used(node, name)), "tunnels": [kind for kind in sorted(DEVICES) if _ends(node, kind)]})
    return found


def _used(node, name):
    """Return the VLANs of an interface that graphs have."""
    return set([sap.vlan for entry in node.graphs.values() for placed in entry.both() for sap in placed["graph"].saps
                if sap.interface == name and sap.vlan is not None])


def _free(ranges, used):
    """Return the (first, last) of ranges without those that are used."""
    found = []
    for first, last in ranges:
        for vlan in sorted([one for one in used if first <= one <= last]):
            if vlan > first:
                found.append((first, vlan - 1))
            first = vlan + 1
        if first <= last:
            found.append((first, last))
    return found


def _ends(node, kind):
    """Say whether the node can end tunnels of a kind: by its switch, or by a device of the kernel."""
    wanted = node.drivers.tunnels
    by_switch = wanted != "device" and (node.drivers.datapath == "netdev" or _has_module("vport_" + kind))
    return by_switch or wanted != "ovs" and _has_module(DEVICES[kind])


def _has_module(name):
    if name not in _modules:
        _modules[name] = host.has_module(name)
    return _modules[name]


def _functions(node):
    """Return {name of a function: what is told of its templates that can run here now}."""
    offer, found = admission.offer(node), {}
    for template in node.templates():
        try:
            if resolver.why_not(template, offer):
                continue
            least, most = resolver.port_range(template, offer)
        except (Absent, ValueError, Refused):
            continue  # it has not been brought here yet, or cannot be read
        found.setdefault(templates.capability(template), []).append({
            "name": template["name"], "type": template["vnf-type"], "least": least, "most": most,
            "memory": int(templates.needs(template)["memory"]), "attributes": template.get("attributes", {})})
    return found


def _infrastructure(node):
    told, drivers = os.uname(), node.drivers
    found = {"architecture": told.machine, "kernel": told.release, "vswitch": drivers.vswitch.NAME,
             "datapath": drivers.datapath, "environment": sorted(drivers.compute),
             "port-technology": sorted(drivers.vswitch.TECHNOLOGIES), "sap-kind": sorted(saps.KINDS)}
    if node.version:  # the switch's database need not say it
        found["vswitch-version"] = node.version
    return found


def _resources(node):
    about, room, disk = host.description(), admission.resources(node), os.statvfs(_there(node.config.state))
    used = set([name for entry in node.graphs.values() for placed in entry.both() for sf in placed["sfs"].values()
                for name in _accelerators(node, sf["template"])])
    return {"cpu": {"cores": about["cpu"]["cores"], "load": about["cpu"]["load"], "total": room["cpu"]["total"],
                    "reserved": room["cpu"]["reserved"]},
            "memory": {"total": about["memory"]["total"], "free": about["memory"]["free"], "reservable": room["memory"]["total"],
                       "reserved": room["memory"]["reserved"]},
            "storage": {"total": disk.f_blocks * disk.f_frsize >> 20, "free": disk.f_bavail * disk.f_frsize >> 20},
            "accelerators": [(name, 1, int(name not in used)) for name in about["accelerators"]]}


def _accelerators(node, name):
    return [one for template in node.templates() if template["name"] == name for one in template.get("accelerators", ())]


def _there(folder):
    """Return a folder, or the first above it that is there."""
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return folder
