"""Service access points: where traffic enters and leaves a graph.  Each kind is a row of KINDS (paper, 5.1.1).

A kind says what its JSON has, and what its SAPs are on the node (Table 4):

    wire      an interface, or a VLAN of one: on LSI-0, shared by all graphs
    segment   a port of its own on LSI-0, linked to the segment that all graphs have which name the same group
    tunnel    a port of its own on the graph-LSI, the end of a tunnel to another node
    host      a port of its own on the graph-LSI, with an address, to the TCP/IP stack of the node

A new tunnel is a row: its keys, what the switch calls it, and what ip(8) does.
"""
from collections import namedtuple

from . import values
from .errors import BadGraph, Conflict, listed, show, unknown

# vlan None: the interface but for its VLAN SAPs; options: {name: text or number}, of kinds that have no interface; where, within:
# the places in the JSON of the SAP and of what its type says
SAP = namedtuple("SAP", ("id", "kind", "interface", "vlan", "options", "where", "within"))

# keys: (as JSON has it, name of the option, reader, default or NEEDED); tunnel: (the switch's name of it, the device's type
# for ip(8), that device's word for the key, its other words: packets that are too long are fragmented, whatever is in them,
# and who sends what is no matter of what comes in)
Kind = namedtuple("Kind", ("place", "keys", "tunnel"))

NEEDED = object()
WIRE, SEGMENT, TUNNEL, HOST = "wire", "segment", "tunnel", "host"
ALIASES = {"gre-tunnel": "gre", "hoststack": "host-stack"}  # [U]
SPELLINGS = {"ipv4": "IPv4"}  # [U]
CONFIGURATIONS = ("static", "dhcp")


def number(low, high):
    return lambda value: values.number(value, low, high)


def device(value):
    """Return the IPv4 address of one device, as a text."""
    found = values.ipv4(value)
    if not 1 <= found >> 24 <= 223 or found >> 24 == 127:
        raise ValueError("the IPv4 address of one device, such as 192.0.2.1")
    return values.ipv4_text(found)


def with_length(value):
    """Return a.b.c.d/n, the address of one device in its network, as a text."""
    text, slash, length = value.partition("/") if isinstance(value, str) else ("", "", "")
    wrong = ValueError("an IPv4 address with the length of its network, such as 192.168.1.1/24")
    if not slash:
        raise wrong
    try:
        found, length = values.ipv4(device(text)), values.number(length, 8, 32)
    except ValueError:
        raise wrong
    rest = found & ~values.prefix(length, 32)
    if length < 31 and rest in (0, (1 << 32 - length) - 1):
        raise ValueError("the address of one device, not of its whole network")
    return "%s/%d" % (values.ipv4_text(found), length)


def perhaps_with_length(value):
    """Return a.b.c.d/n as with_length does; an address without /n is that address alone."""
    return with_length(value if not isinstance(value, str) or "/" in value else value + "/32")


def mac(value):
    """Return the address of one network device, as a text."""
    found = values.mac(value)
    if found >> 40 & 1 or not found:
        raise ValueError("the address of one device, not of a group")
    return values.mac_text(found)


def configuration(value):
    if not isinstance(value, str) or value.lower() not in CONFIGURATIONS + ("pppoe",):
        raise ValueError(" or ".join(CONFIGURATIONS))
    return value.lower()


TUNNEL_KEYS = (("local-ip", "local", device, NEEDED), ("remote-ip", "remote", device, NEEDED),
               ("ttl", "ttl", number(1, 255), 64))
KINDS = {
    "interface": Kind(WIRE, (("if-name", "interface", values.interface_name, NEEDED),), None),
    "vlan": Kind(WIRE, (("if-name", "interface", values.interface_name, NEEDED),
                        ("vlan-id", "vlan", number(1, 4094), NEEDED)), None),
    "internal": Kind(SEGMENT, (("internal-group", "group", values.identifier, NEEDED),), None),
    "gre": Kind(TUNNEL, TUNNEL_KEYS + (("gre-key", "key", number(0, 0xffffffff), NEEDED),
                                       ("secure", "secure", values.truth, False)), ("gre", "gretap", "key", ("nopmtudisc", "ignore-df"))),
    "vxlan": Kind(TUNNEL, TUNNEL_KEYS + (("vni", "key", number(0, 0xffffff), NEEDED),
                                         ("port", "port", number(1, 65535), 4789)), ("vxlan", "vxlan", "id", ("nolearning",))),
    "host-stack": Kind(HOST, (("configuration", "configuration", configuration, NEEDED),
                              ("IPv4", "address", with_length, ""), ("mac", "mac", mac, "")), None),
}


def parse(one, where, strict, later):
    """Return the SAP of the JSON object `one` at the place `where`.

    strict: an unknown key is an error.  What is well said but cannot be had is added to `later`, as a Conflict.
    Raises BadGraph.
    """
    given = one.get("type")
    kind = ALIASES.get(given, given) if isinstance(given, str) else None
    if kind not in KINDS:
        types = list(KINDS) + list(ALIASES)
        raise BadGraph(where + ".type", unknown(given, types, "SAP type") if isinstance(given, str)
                       else "%s: should be one of %s" % (show(given), ", ".join(sorted(types))))
    name = _value(one, "id", where, values.identifier, NEEDED)
    inner, place, keys = one.get(given), "%s.%s" % (where, given), KINDS[kind].keys
    if not isinstance(inner, dict):
        raise BadGraph(place, 'should be an object with "%s", not %s' % (
            '" and "'.join([key for key, _, _, default in keys if default is NEEDED]), show(inner)))
    inner = dict([(SPELLINGS.get(key, key), inner[key]) for key in inner])
    if strict:
        known(one, ("id", "name", "type", given), where)
        known(inner, [key for key, _, _, _ in keys], place)
    options = dict([(option, _value(inner, key, place, read, default)) for key, option, read, default in keys])
    if kind == "host-stack":
        _check_host(options, place, later)
    elif KINDS[kind].place == TUNNEL:
        if options["local"] == options["remote"]:
            raise BadGraph(place + ".remote-ip", "should be the address of another node, not local-ip itself")
        if options.pop("secure", False):
            later.append(Conflict(place + ".secure", "this node cannot encrypt tunnels: leave it out for a plain one"))
    return SAP(name, kind, options.pop("interface", ""), options.pop("vlan", None), options, where, place)


def _check_host(options, place, later):
    how = options["configuration"]
    if how == "static" and not options["address"]:
        raise BadGraph(place + ".IPv4", "is missing: a static configuration needs it, such as 192.168.1.1/24")
    if how != "static" and options["address"]:
        raise BadGraph(place + ".IPv4", "comes by %s: leave it out, or say static" % how)
    if how not in CONFIGURATIONS:
        later.append(Conflict(place + ".configuration", "%s is not offered by this agent, those are %s" % (
            how, listed(CONFIGURATIONS))))


def place(sap):
    return KINDS[sap.kind].place


def reference(sap):
    """Return how rules refer to a SAP: sap: is on LSI-0, far: on the graph-LSI (Table 4)."""
    return ("sap:" if place(sap) in (WIRE, SEGMENT) else "far:") + sap.id


def attachment(sap):
    """Return what a SAP on LSI-0 is attached to: (interface, VLAN id or -1), or (group, -1)."""
    return sap.interface or "group " + sap.options["group"], -1 if sap.vlan is None else sap.vlan


def claim(sap):
    """Return, as a text, what no other SAP of the node may have too; "" if there is no such thing."""
    if place(sap) == TUNNEL:
        return "%s from %s to %s with key %d" % (sap.kind, sap.options["local"], sap.options["remote"], sap.options["key"])
    if place(sap) == HOST and sap.options["address"]:
        return "address " + sap.options["address"].partition("/")[0]
    return ""


def towards(ends, address):
    """Return the static host-stack SAP in whose network another device's address is, or None."""
    for sap in ends:
        own, _, length = sap.options.get("address", "").partition("/")
        if own and own != address and not (values.ipv4(own) ^ values.ipv4(address)) & values.prefix(int(length), 32):
            return sap
    return None


def tunnel_device(sap):
    """Return the words for ip(8), after the name, that make a tunnel a device of the kernel."""
    port = ["dstport", str(sap.options["port"])] if "port" in sap.options else []
    _, _, key, others = KINDS[sap.kind].tunnel
    return tunnel_change(sap) + [key, str(sap.options["key"])] + port + list(others)


def tunnel_change(sap):
    """Return those of the words that the kernel takes for a device that is there; with others it is another device."""
    options = sap.options
    return ["type", KINDS[sap.kind].tunnel[1], "local", options["local"], "remote", options["remote"],
            "ttl", str(options["ttl"])]


def one_device(sap, other):
    """Say whether a device of the kernel for one SAP can become that for another one."""
    return all([sap.options.get(name) == other.options.get(name) for name in ("key", "port")])


def known(one, keys, where):
    """Raise BadGraph unless all keys of an object are among `keys`."""
    for key in one:
        if key not in keys:
            raise BadGraph((where + "." if where else "") + show(key)[1:-1], unknown(key, keys, "key"))


def _value(one, key, where, read, default):
    """Return one[key] as `read` reads it; the default if it is not there, or is "" as GUIs send what was left empty."""
    if key not in one or one[key] == "" and default is not NEEDED:
        if default is NEEDED:
            raise BadGraph("%s.%s" % (where, key), "is missing")
        return default
    try:
        return read(one[key])
    except ValueError as error:
        raise BadGraph("%s.%s" % (where, key), "%s: should be %s" % (show(one[key]), error))
