"""Control: TCP ports of the node that lead to a port of a function, past its graph ("unify-control" of an NF-FG).

    client --- node:2000  ->  l1s0c 169.254.1.2 ---- 169.254.1.3 ctl0  port 80 of function 0 of graph 1

A veth of its own joins the node and the function, and a table of nftables for each function does the rest: what comes
to one of the node's own addresses, or from the node itself, goes to the function, from the node's end, so that the
function needs no route back.  Nothing else passes: no other port of the function, and nothing that the function
begins, or it would reach what listens on 127.0.0.1.  All of it is the kernel's, and lasts without the agent.

Each function yields steps for what `new` has and `old` has not, or the other way round; both are placed graphs.
"""
from . import names
from .steps import ip, run

# The way to a function is forwarded.  A node that forwards nothing has to, for this; so do the ports of host-stack SAPs,
# which else never do (core.access).  While there is a table of a function, another one, composer, keeps both from
# forwarding all else.  Other jobs may be at this too: who has done it looks once more whether it is still needed.
SETTLE = """\
done=
while
    set -- $(nft list tables ip 2>/dev/null)
    case " $* " in *" composer_"*) now=1 ;; *" composer "*) now=0 ;; *) now=${done:+0} ;; esac
    test "$now" != "$done"
do
    done=$now
    read -r forwards <ipv4/ip_forward
    if test $forwards = 1; then policy=accept; set -- ipv4/conf/l[0-9]*a[0-9]*; else policy=drop; set -- ipv4/conf/*; fi
    test $now = 0 || nft "%(anew)stable ip composer { chain forward {
        type filter hook forward priority 0; policy $policy; ct status dnat accept; iifgroup %(group)s drop; }; }" || exit
    for one do
        test "$one" = ipv4/conf/all || echo $now 2>/dev/null >"$one/forwarding" || :
    done
    test $now = 1 || nft "%(anew)s" || exit
done
"""
# $@: what is joined by the tables, of each function its end here, its namespace, and the address there
SCRIPT = """\
cd /proc/sys/net && nft -f - <<END || exit
%%s
END
up=
while test $# != 0; do
    echo 1 >ipv4/conf/"$1"/route_localnet || exit
    ! test -d ipv6/conf/"$1" || echo 1 >ipv6/conf/"$1"/disable_ipv6
    printf "link set %(inside)s up\\naddress replace $3 dev %(inside)s\\n" | ip -n "$2" -batch - || exit
    up="$up link set $1 up\\n"
    shift 3
done
test -z "$up" || printf "$up" | ip -batch - || exit
"""
ANEW = "table ip %(table)s; delete table ip %(table)s; "
TABLE = ANEW + (
    "table ip %(table)s { "
    "chain outside { type nat hook prerouting priority -100; %(rules)s; }; "
    "chain inside { type nat hook output priority -100; %(rules)s; }; "
    "chain back { type nat hook postrouting priority 100; oifname %(port)s masquerade; }; "
    "chain in { type filter hook postrouting priority 0; oifname %(port)s ct status dnat accept; oifname %(port)s drop; }; "
    "chain out { type filter hook prerouting priority 0; iifname %(port)s ct state established,related accept; "
    "iifname %(port)s drop; }; }")
RULE = "fib daddr type local tcp dport %d dnat to %s:%d"
SETTLE = SETTLE % {"anew": ANEW % {"table": names.MARK}, "group": names.HOSTS}
SCRIPT = SCRIPT % {"inside": names.CONTROL} + SETTLE


def make(new, old):
    """Yield the steps that join functions and the node: first the devices, beside those of ports, then what leads there."""
    there = dict([(sf["number"], sf["control"]) for sf in old["sfs"].values()])
    wishes, tables, joined = [], [], []
    for sf, port in ends(new):
        if there.get(sf["number"]) == sf["control"]:
            continue
        near, far = names.control_addresses(new["number"], sf["number"])
        wishes.append(ip("link", "add", port, "type", "veth", "peer", "name", names.CONTROL, "netns", sf["netns"]))
        wishes.append(ip("link", "set", port, "alias", names.alias(new["id"])))
        wishes.append(ip("address", "replace", near + "/31", "dev", port))
        tables.append(TABLE % {"table": names.table(new["number"], sf["number"]), "port": port, "rules": "; ".join(
            [RULE % (outside, far, inside) for outside, inside in sf["control"]])})
        joined.extend([port, sf["netns"], far + "/31"])
    if wishes:
        yield wishes
        yield run("sh", "-s", *joined, stdin=SCRIPT % "\n".join(tables))


def remove(old, new):
    """Yield the steps that part functions and the node."""
    kept = [port for _, port in ends(new)]
    gone = [(old["number"], sf["number"]) for sf, port in ends(old) if port not in kept]
    if gone:
        yield parted(gone)


def parted(numbers):
    """Return the steps that part functions, by the numbers of their graphs and their own, and the node."""
    tables = [ANEW % {"table": names.table(*pair)} for pair in numbers]
    return [run("sh", "-s", stdin=SCRIPT % "\n".join(tables))] \
        + [ip("link", "del", names.control(*pair)) for pair in numbers]


def ends(placed):
    """Return [(placed function, the node's end)] of the functions that ports of the node lead to."""
    return [(placed["sfs"][name], names.control(placed["number"], placed["sfs"][name]["number"]))
            for name in sorted(placed["sfs"]) if placed["sfs"][name]["control"]]
