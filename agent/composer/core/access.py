"""Access: what SAPs that are ports of their own need of the node beside the switch (paper, 5.1.1 and 8.8).

    tunnel   where the switch cannot end it: a device of the kernel, which is put on the switch like any other
    host     an address on its port, by hand or by DHCP, and perhaps the node's default gateway

Each function yields steps for what `new` has and `old` has not, or the other way round; both are placed graphs.
"""
from . import control, names, placing, saps
from .errors import Conflict, StepFailed
from .steps import ip, run

# $1: a port to the TCP/IP stack of the node, which routes nothing that comes in there, not to another graph, nor beyond,
# unless a TCP port of the node leads there; and says there of no other address than the port's that it is the node's
APART = """\
cd /proc/sys/net && ip link set "$1" group %s && echo 0 >ipv4/conf/"$1"/forwarding && echo 1 >ipv4/conf/"$1"/arp_ignore || exit
! test -d ipv6/conf/"$1" || echo 1 >ipv6/conf/"$1"/disable_ipv6
""" % names.HOSTS + control.SETTLE
# $1: folder of the SAP  $2...: the client, which stays.  stdin: its script
START = """\
home=$1 && shift && mkdir -p "$home" && cat >"$home/script" && chmod 755 "$home/script" || exit
"$@" </dev/null >/dev/null 2>&1 &
echo $! >"$home/pid"
"""
# $1: folder of the SAP  $2: its port, which the client was told
STOP = 'pid=$(cat "$1/pid") && tr "\\0" " " <"/proc/$pid/cmdline" | grep -q " $2 " && kill "$pid"; rm -rf "$1"'
# Called by a DHCP client when it has got an address or lost it, by the names of udhcpc or those of dhclient.  Old addresses
# go first: the kernel takes with one all that came after it in its network.
SCRIPT = """#!/bin/sh
case ${1-}${reason-} in
bound|renew) new=$ip/$mask ;;
BOUND|RENEW|REBIND|REBOOT|TIMEOUT) new=$new_ip_address/$new_subnet_mask router=${new_routers-} ;;
deconfig|EXPIRE|FAIL|RELEASE|STOP) new= ;;
*) exit 0 ;;
esac
for old in $(ip -4 -o address show dev "$interface" | sed 's/.* inet \\([^ ]*\\).*/\\1/'); do
    test "${old%/*}" = "${new%/*}" || ip address del "$old" dev "$interface"
done
test -z "$new" || ip address replace "$new" dev "$interface"
test -z "$new" || test -z "${router-}" || ip -4 route show default | grep -qv " dev $interface " ||
    ip route replace default via "${router%% *}" dev "$interface"
exit 0
"""
UDHCPC = ("-f", "-A", "3", "-s", "%(home)s/script", "-i", "%(port)s", "-S")
# $1: the node's default gateway  $2: the port that leads there.  A default route of somebody else's stays the only one.
GATEWAY = ('while read -r port to _ _ _ _ _ mask _; do '
           'test "$to$mask" != 0000000000000000 || test "$port" = "$2" || exit 0; '
           'done </proc/net/route; ip route replace default via "$1" dev "$2"')
NO_GATEWAY = 'ip route del default via "$1" dev "$2" 2>/dev/null || :'  # it may have gone with its address
# DHCP clients, the best first: what runs each in the foreground; the port is never the last word
CLIENTS = (
    ("udhcpc", ("udhcpc",) + UDHCPC),
    ("busybox", ("busybox", "udhcpc") + UDHCPC),
    ("dhclient", ("dhclient", "-d", "-pf", "%(home)s/own", "-lf", "%(home)s/leases", "-sf", "%(home)s/script", "%(port)s", "-4")))


def make(new, old):
    """Yield the steps that make the devices of tunnels, before they are put on the switch."""
    wishes = []
    for sap, port in _differing(new, old, _is_device):
        wishes.append(ip("link", "add", port, *saps.tunnel_device(sap)))
        if _there(old, sap, port):
            wishes.append(ip("link", "set", port, *saps.tunnel_change(sap)))
        wishes.append(ip("link", "set", port, "mtu", "1500", "alias", names.alias(new["id"]), "up"))
    try:
        if wishes:
            yield wishes
    except StepFailed as failure:
        if "Unknown device type" not in failure.output:
            raise
        raise Conflict("", "this kernel has no such device: %s: the tunnel has to be the switch's own" % failure.command)


def remove(old, new):
    """Yield the steps that remove the devices of tunnels, when they are off the switch."""
    for sap, port in own(old):
        if _is_device(old, sap) and port not in [name for _, name in own(new)]:
            yield ip("link", "del", port)


def configure(new, old, client):
    """Yield the steps that give the ports of host-stack SAPs their addresses, and the node its default gateway; client:
    the node's DHCP client."""
    before, wanted, moved = gateway(old), gateway(new), _differing(new, old, _is_host)
    if before and before != wanted:
        yield run("sh", "-c", NO_GATEWAY, "gateway", *before)
    for sap, port in moved:
        was = _there(old, sap, port)
        if was and was.options["configuration"] == "dhcp":
            yield _stop(old, sap)
        if was and was.options["address"] != sap.options["address"]:
            yield run("ip", "address", "flush", "dev", port)  # the routes of a client go with its address
        if not was:
            yield run("sh", "-s", port, stdin=APART)
        if sap.options["configuration"] == "static":
            yield [ip("link", "set", port, "up"), ip("address", "replace", sap.options["address"], "dev", port)]
            continue
        yield ip("link", "set", port, "up")
        told = {"home": new["saps"][sap.id]["home"], "port": port}
        yield run("sh", "-c", START, "dhcp", told["home"], *[word % told for word in dict(CLIENTS)[client]], stdin=SCRIPT)
    if wanted and (wanted != before or wanted[1] in [port for _, port in moved]):
        yield run("sh", "-c", GATEWAY, "gateway", *wanted)


def gateway(placed):
    """Return (the node's default gateway, the port that leads there) of a placed graph that has one, or None."""
    if not (placed["graph"] and placed["graph"].gateway):
        return None
    sap = saps.towards(placed["graph"].saps, placed["graph"].gateway)
    return placed["graph"].gateway, [port for one, port in own(placed) if one.id == sap.id][0]


def release(old, new):
    """Yield the steps that end what still works on the ports of host-stack SAPs, before those go."""
    for sap, port in own(old):
        if _is_host(old, sap) and sap.options["configuration"] == "dhcp" and not _there(new, sap, port):
            yield _stop(old, sap)


def clients(placed):
    """Return the folders of the SAPs that have a DHCP client."""
    return [placed["saps"][sap.id]["home"] for sap, _ in own(placed)
            if _is_host(placed, sap) and sap.options["configuration"] == "dhcp"]


def end(home):
    """Return the step that ends the DHCP client of a SAP, if it runs, and removes its folder."""
    return run("sh", "-c", STOP, "dhcp", home, home.rpartition("/")[2])


def own(placed):
    """Return [(SAP, its port)] of those that are ports of their own."""
    return [(sap, near) for sap, (near, _) in placing.own_saps(placed)]


def _stop(placed, sap):
    return end(placed["saps"][sap.id]["home"])


def _differing(new, old, wanted):
    """Return [(SAP, port)] of those of `new` that are `wanted` and that `old` has not just so."""
    return [(sap, port) for sap, port in own(new) if wanted(new, sap)
            and (_there(old, sap, port) is None or _there(old, sap, port).options != sap.options)]


def _there(placed, sap, port):
    """Return the SAP of a placed graph that has the port of `sap`, or None."""
    found = [one for one, name in own(placed) if (one.id, one.kind, name) == (sap.id, sap.kind, port)]
    return found[0] if found else None


def _is_device(placed, sap):
    return saps.place(sap) == saps.TUNNEL and placed["saps"][sap.id]["way"] == placing.DEVICE


def _is_host(placed, sap):
    return saps.place(sap) == saps.HOST
