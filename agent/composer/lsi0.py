"""LSI-0: the bridge that owns the interfaces of the node, with the rules that are nobody's graph's (paper, 5.2)."""
from . import host, log
from .core import flows, names, plan, steps
from .core.errors import StepFailed
from .core.placing import NODE_MARK

# $@: interfaces of LSI-0.  The switch in user space reads them, and so does the kernel, which would answer on them for any
# address of the node, past every graph.  It is kept from all packets; a kernel that cannot do that is at least strict about
# where they come from.
DEAF = """\
cd /proc/sys/net
for one do
    echo 8 >ipv4/conf/"$one"/arp_ignore && echo 1 >ipv4/conf/"$one"/rp_filter || exit
    ! test -d ipv6/conf/"$one" || echo 1 >ipv6/conf/"$one"/disable_ipv6
    nft -f - 2>/dev/null <<END || test "$(cat ipv4/conf/all/rp_filter)" != 2 || exit
table netdev composer-$one
delete table netdev composer-$one
table netdev composer-$one { chain kernel { type filter hook ingress device "$one" priority 0; policy drop; }; }
END
done
"""


def make(node, found):
    """Yield the steps that make LSI-0, with the configured interfaces that are there, and its own rules."""
    vswitch = node.drivers.vswitch
    for name in node.interfaces:
        if not host.has_interface(name):
            log.write("restore", "interface is not there", interface=name)
    bridge = vswitch.MAKE["lsi"](names.LSI0, NODE_MARK, node.drivers.datapath)  # even if it is there: it may not be ready
    ends = dict([(name, (names.LSI0, name, NODE_MARK, host.interface_index(name))) for name in found.lsi0])
    inband, addresses = is_ours(node, found), host.addresses()
    if inband:
        yield from node.inband.look(addresses)
    local = [node.inband.part(vswitch)] if inband else []
    try:
        yield from vswitch.transact([bridge] + local + [vswitch.MAKE["sap"](*ends[name]) for name in ends])
        made = list(ends)
    except StepFailed:
        made = yield from _one_by_one(node, [bridge] + local, ends)
    for name in made:
        node.indexes[name] = ends[name][-1]
    if made:
        yield [steps.run("ip", "link", "set", name, "up") for name in made]
    if node.drivers.datapath == "netdev" and (made or not found.rules):
        yield steps.run("sh", "-c", DEAF, "deaf", *[name for name in node.interfaces if node.indexes.get(name)])
    inband = inband and bool(node.indexes.get(node.inband.interface))  # else its address stays where it is
    if inband or not found.rules:  # those of management come before anything else
        yield from vswitch.change_rules(names.LSI0, flows.anew(node.flows()))
    if inband:
        yield from plan.together([node.inband.move(addresses, node.drivers.datapath)])


def _one_by_one(node, bridge, ends):
    """Make LSI-0 and put on it those interfaces that can be; return their names.  No other has to wait for one."""
    vswitch, made = node.drivers.vswitch, []
    yield from vswitch.dismantle([vswitch.UNMAKE["sap"](*words) for words in ends.values()])
    yield from vswitch.transact(bridge)
    for name, words in ends.items():
        try:
            yield from vswitch.transact([vswitch.MAKE["sap"](*words)])
            made.append(name)
        except StepFailed as error:
            yield from vswitch.dismantle([vswitch.UNMAKE["sap"](*words)])
            node.indexes.pop(name, None)
            node.refused[name] = words[-1]
            node.events.tell("interface cannot be put on LSI-0", interface=name, why=error.output[-300:])
    return made


def is_ours(node, found):
    """Say whether the interface that the node is managed through is on LSI-0, or about to be."""
    return bool(node.indexes.get(node.inband.interface)) or node.inband.interface in found.lsi0


def datapath(wanted):
    """Return the datapath to use: the kernel's where it has one, unless the configuration says which."""
    if wanted == "auto" and not host.has("module:openvswitch"):
        try:
            yield steps.run("modprobe", "-q", "openvswitch")
        except StepFailed:
            pass
    return wanted if wanted != "auto" else "system" if host.has("module:openvswitch") else "netdev"
