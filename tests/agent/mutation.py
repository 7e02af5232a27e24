"""Mutation: makes of a good graph one that may be wrong in any way, as the text of a request.

`mutate(rng, text, others)` takes the JSON text of a graph, and those of others to take parts from.  It changes the
value in a few places, and now and then the text itself; all chance comes from `rng`.
"""
import json

WORDS = [
    "id", "name", "SFs", "saps", "flowrules", "ports", "match", "actions", "priority", "type", "interface", "if-name",
    "vlan", "vlan-id", "template", "vnf_template", "constraints", "variables", "port_in", "output_to_port", "drop",
    "mac", "trusted", "ip", "sha256", "uri-image", "vnf-type", "position", "min", "dependencies", "attributes",
    "monitoring", "unify-control", "gre", "internal", "host-stack", "memory-size", "", "Id", "__class__", "\0",
]
VALUES = [
    None, True, False, 0, -1, 1, 2, 255, 4095, 4096, 65535, 65536, 1 << 31, 1 << 63, 1 << 64, 10 ** 300, 1.5, -0.0,
    1e308, float("nan"), float("inf"), "", " ", "0", "0x", "0x0", "0X1f", "-1", "+1", "1_0", "1.0", "1e3", "\uff11",
    "\u00b2", "\u0663", "0" * 30 + "1", "9" * 5000, "a" * 64, "a" * 65, "a" * 20000, "\0", "a\0b", "\ud800",
    "\udfff.", "\n", "\u202e", ".", "..", "../../etc/passwd", "/dev/null", "any.tgz", "./any.tgz", "-",
    "--", "$(reboot)", "';", "%s%n", "{}", "ANY", "any", "NO_VLAN", "true", "null", "N", "1-N", "0-0", "2-1", "1-",
    "-1-2", "1-\u00b2", "99999999999-N", "1-99999999999", "9" * 5000 + "-N", "native", "docker", "lo", "lo.5", "lo/",
    "eth99", "service-access-point:lan", "service-access-point:", "endpoint:lan", "sf:fw:out", "sf:fw", "sf:fw:",
    "sf:::", "vnf:fw:out", "vnf:", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "02:00:00:00:00", "0g:00:00:00:00:00",
    "02-00-00-00-00-01", "10.0.0.1", "10.0.0.0/33", "10.0.0.0/0", "010.0.0.1", "1.2.3.4.5", "10.0.0.0/-1", "::",
    "::1/129", ":::", "1::2::3", "fe80::%eth0", "::1.2.3.4", "::1.2.3", "1:2:3:4:5:6:7:8:9", "0.0.0.0/\u0661",
    ":" * 5000, "." * 5000, "tcp", "TCP", "PATH=x", "LD_PRELOAD=x", "A=b", "=", "0x0800", "0x86dd", "0x0806",
    "0x8847", [], {}, [[]], [{}], {"": None}, [None] * 500, [1.5], ["sh"], [["sh"]], {"a": {"b": {}}},
    list(range(300)),
]
MAC = [
    "", "02:00:00:00:00:01", "00:00:00:00:00:00", "01:00:00:00:00:01", "02-00-00-00-00-01", "0g:00:00:00:00:00", 7,
    None, [],
]
ADDRESS = [
    "10.0.0.1", "10.0.0.0/33", "10.0.0.0/0", "10.0.0.0/\u0661", "fe80::1", "::1/129", "::1.2.3", ":" * 5000,
    "." * 5000, "", 1, None,
]
NUMBER = [
    -1, 0, 1, 3, 6, 8, 17, 58, 132, 134, 135, 136, 255, 4095, 4096, 65535, 65536, 1 << 64, "0x", "1e3", True, 1.5,
    "tcp", "ICMPv6", "ANY",
]
TYPE = ["0x0800", "0x86dd", 0x0806, 0x8847, 0x600, 0x5ff, 65536, "ip", None]
SAP = "service-access-point:lan"
FITTING = {  # for the places where some values are more dangerous than others
    "uri-image": [
        "/dev/null", "/etc/passwd", "../any.tgz", "..", ".", "", "firewall.json", "any.tgz\0", "\ud800", "gone.tgz",
        1],
    "sha256": ["", None, "ab" * 32, "AB" * 32, "g" * 64, 7, [], "\u0663" * 64],
    "position": [
        "1-N", "N", "N-1", "0-1", "2-1", "1-\u00b2", "\u0661", "\u00b2", "9" * 5000, "1-" + "9" * 30, "0x1-2",
        "1-1000", 1, -1, None],
    "min": [-1, True, 0, 1 << 40, 1.5, "1", None, []], "label": ["port", "more", None, [], {}, 7, ":"],
    "technology": [None, "tap", 1], "memory-size": ["1", None, -1, 1e300, [], True],
    "vnf-type": ["docker", "graph", "", None, []],
    "dependencies": [
        [], None, "sh", [1], [None], ["a\0b"], ["\ud800"], ["module:"], ["module:../.."], ["file:"], ["|"], [""],
        ["file:/\0"], ["sh"] * 999],
    "attributes": [None, [], {"speed": None}, {"speed": "1"}, {"speed": True}, {"ipv6": True}, 5],
    "constraints": [
        {"speed": True}, {"speed": None}, {"ipv6": 1}, {"ipv6": "x" * 5000}, {"\ud800": 1}, {"\n": [[]]}, [], 5,
        {"throughput": -1e300}],
    "template": ["firewall", "strange", "", None, {}, [], {"name": "x"}, 5], "vnf_template": ["bridge", {}, None, 0],
    "variables": [
        {"A": 1}, {"": ""}, {"PATH": ""}, {"SF_ID": ""}, {"A=B": ""}, {"A": "\0"}, {"A": "\ud800"}, {"1": ""},
        {"A": "x" * 5000}, 5],
    "unify-env-variables": [
        [{}], [{"variable": None}], [{"variable": "="}], [{"variable": "A"}], [{"variable": "A=B=C"}], {}],
    "output_to_port": [[], [[]], {}, None, SAP, [SAP] * 300, True], "drop": [False, None, "no", []],
    "pop_vlan": [False, 1, "x"],
    "if-name": ["lo", "lo ", "", "a" * 15, "a" * 16, "..", "a/b", "\u00fc", "lo\0", "eth99"],
    "vlan-id": [0, 1, 4094, 4095, "0x19", "ANY"],
    "type": ["interface", "vlan", "gre", "gre-tunnel", "vxlan", "hoststack", "host-stack", "internal", "Vlan", None, []],
    "local-ip": ADDRESS, "remote-ip": ADDRESS + ["192.0.2.1"], "gre-key": NUMBER, "vni": NUMBER, "ttl": NUMBER, "port": NUMBER,
    "secure": [True, "true", "", None, 1], "configuration": ["static", "dhcp", "PPPoE", "", None, []], "internal-group": WORDS,
    "IPv4": ["10.0.0.1/24", "10.0.0.0/24", "192.168.1.1/0", "192.0.2.1/24", "", "10.0.0.1"] + ADDRESS,
    "trusted": [True, "true", 0, "yes", None], "unify-control": [[{"host-tcp-port": 1}], {}, 5],
    "node-config": ["x", {"a": 1}], "unify-monitoring": ["x"], "id": ["a", "g1", "a b", "", 5, "lan"],
    "name": ["firewall", "bridge", "strange", "nothing", "", "x" * 257, 5, None],
    "ports": [[], None, {}, [{"id": "a"}], [{"id": "a:"}, {"id": ":a"}]], "mac": MAC, "source_mac": MAC,
    "arp_sha": MAC, "ipv6_nd_sll": MAC, "set_ethernet_src_address": MAC, "source_mac_mask": MAC, "source_ip": ADDRESS,
    "dest_ip": ADDRESS, "dest_ip_mask": ADDRESS, "arp_spa": ADDRESS, "ipv6_nd_target": ADDRESS, "ip": ADDRESS,
    "unify-ip": ADDRESS, "set_ip_src_address": ADDRESS, "set_ip_dst_address": ADDRESS, "ether_type": TYPE,
    "protocol": NUMBER, "vlan_id": NUMBER, "vlan_pcp": NUMBER, "dest_port": NUMBER, "source_port_mask": NUMBER,
    "tos_bits": NUMBER, "icmpv6_type": NUMBER, "icmpv6_code": NUMBER, "hard_timeout": NUMBER, "priority": NUMBER,
    "set_ip_tos": NUMBER, "set_l4_src_port": NUMBER, "set_vlan_id": NUMBER, "push_vlan": NUMBER,
}
MATCHES = [
    ("vlan_id", "NO_VLAN"), ("vlan_pcp", 1), ("vlan_priority", 2), ("tos_bits", 8), ("ip_dscp", 2), ("dest_port", 1),
    ("sctp_dst", 2), ("icmpv6_code", 1), ("ipv6_nd_sll", MAC[1]), ("ipv6_nd_tll", MAC[1]), ("dest_mac_mask", MAC[1]),
    ("dest_ip_mask", "::"), ("arp_spa", "10.0.0.1"), ("mpls_tc", 1), ("icmpv4_type", 3), ("ip_proto", 6),
    ("hard_timeout", 1), ("port_in", SAP),
]
ACTIONS = [
    ("drop", True), ("output_to_queue", 1), ("output_to_controller", True), ("set_ip_dst_address", "10.0.0.0/8"),
    ("set_ip_tos", 3), ("set_vlan_priority", 1), ("set_l4_dst_port", 80), ("pop_vlan", ""), ("push_vlan", 2),
    ("set_vlan_id", 3), ("dec_ttl", {}), ("output_to_port", SAP), ("output_to_port", "endpoint:guest"),
    ("set_ethernet_dst_address", MAC[1]), ("flood", True),
]
DEEP = "\"deep\""  # stands for what nests deeply, until it is text
TEXTS = [
    b"", b"\0", b"\xef\xbb\xbf", b"\xff\xfe", b"NaN", b"-Infinity", b"1e999", b"9" * 6000, b"\"\\ud800\"",
    b"\"\\u0000\"", b"null", b"{", b"[", b"}", b"]", b",", b":", b"\"", b"\\", b"//", b"\xc3\x28", b"\xed\xa0\x80",
    b"[" * 3000, b"{\"a\":" * 3000, b"\"id\":1,", b"\"sffg\":{},",
]


def mutate(rng, text, others):
    """Return the text (bytes) of a mutant."""
    body = [json.loads(text)]
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5))):
        if rng.random() < 0.4:
            _fit(rng, body)
        elif body:
            rng.choice(CHANGES)(rng, *_place(rng, body), others)
    found = json.dumps(body[0] if body else None, ensure_ascii=rng.random() < 0.9).encode("utf-8", "surrogatepass")
    if DEEP.encode() in found:
        depth = rng.choice((5, 60, 100, 300, rng.randrange(800, 1000), 5000))
        opening, closing = rng.choice(((b"[", b"]"), (b'{"a":', b"}"), (b'[{"id":', b"}]")))
        found = found.replace(DEEP.encode(), opening * depth + b"0" + closing * depth)
    return _garble(rng, found) if rng.random() < 0.15 else found


def word(rng):
    """Return a text that may be an id, or anything else."""
    return str(rng.choice(rng.choice((VALUES, WORDS, FITTING["id"]))))[:3000]


def pair(rng):
    """Return (key, value) of a query: mostly of a match."""
    key = rng.choice((word(rng)[:99], rng.choice(MATCHES)[0], rng.choice(sorted(FITTING)), rng.choice(sorted(FITTING))))
    return key, str(rng.choice(FITTING.get(key) or ("1", "10.0.0.1")))[:99]


def _place(rng, body):
    """Return (holder, key) of a place somewhere in the list `body`, deep ones as likely as others."""
    holder, key = body, 0
    while True:
        inner = holder[key]
        if not isinstance(inner, (dict, list)) or not inner or rng.random() < 0.12:
            return holder, key
        holder, key = inner, rng.choice(list(inner)) if isinstance(inner, dict) else rng.randrange(len(inner))


def _delete(rng, holder, key, others):
    del holder[key]


def _duplicate(rng, holder, key, others):
    if isinstance(holder, list):
        holder.insert(rng.randrange(len(holder) + 1), _copy(holder[key]))
    else:
        holder[rng.choice(WORDS)] = _copy(holder[key])


def _rename(rng, holder, key, others):
    if isinstance(holder, dict):
        name = rng.choice((rng.choice(WORDS), key.upper(), key + "s", key[1:], key[::-1], "x" * 3000, key + "\ud800"))
        holder[name] = holder.pop(key)


def _replace(rng, holder, key, others):
    holder[key] = _copy(rng.choice(VALUES))


def _add(rng, holder, key, others):
    if isinstance(holder[key], dict):
        holder[key][rng.choice(WORDS)] = _copy(rng.choice(VALUES))
    elif isinstance(holder[key], list):
        holder[key].append(_copy(rng.choice(VALUES)))


def _retype(rng, holder, key, others):
    """The same, said in another type."""
    value = holder[key]
    if isinstance(value, str):
        holder[key] = rng.choice(([value], {value: value}, list(value), {"name": value}, value.swapcase()))
    elif isinstance(value, dict):
        holder[key] = rng.choice(([value], [list(pair) for pair in value.items()], list(value), str(value)))
    elif isinstance(value, list):
        numbered = {str(number): one for number, one in enumerate(value)}
        holder[key] = rng.choice((numbered, str(value), len(value), [value]))
    else:
        holder[key] = rng.choice((str(value), [value], {"value": value}, not value, str(value) + ".0"))


def _spell(rng, holder, key, others):
    """One letter or digit more, less or other."""
    value = holder[key]
    if isinstance(value, str):
        place = rng.randrange(len(value) + 1)
        letter = rng.choice(("", "0", ":", ".", "/", "a", " ", "\u00fc"))
        holder[key] = value[:place] + letter + value[place + rng.randrange(2):]
    elif isinstance(value, int):
        holder[key] = rng.choice((value + 1, value - 1, -value, value * 256, 1 << abs(value) % 70))


def _graft(rng, holder, key, others):
    """A part of another graph."""
    other = [json.loads(rng.choice(others))]
    source, place = _place(rng, other)
    holder[key] = source[place]


def _many(rng, holder, key, others):
    """Many of one, with ids of their own or not."""
    if isinstance(holder, list):
        apart = rng.random() < 0.7
        for number in range(rng.choice((10, 100, 300))):
            one = _copy(holder[key])
            if apart and isinstance(one, dict):
                one.update({"id": "n%d" % number}, **({"priority": number} if "priority" in one else {}))
            holder.append(one)


def _fit(rng, body):
    """Put a value that is dangerous in its place, or a match or an action more."""
    places, todo = {}, [(body, key) for key in range(len(body))]
    while todo:
        holder, key = todo.pop()
        inner = holder[key]
        if key in FITTING or key in ("match", "actions"):
            places.setdefault(key, []).append(holder)
        if isinstance(inner, (dict, list)):
            todo.extend((inner, one) for one in (inner if isinstance(inner, dict) else range(len(inner))))
    if places:
        key = rng.choice(sorted(places))
        holder = rng.choice(places[key])
        if key in FITTING:
            holder[key] = _copy(rng.choice(FITTING[key]))
        elif isinstance(holder[key], dict):
            holder[key].update(rng.sample(MATCHES if key == "match" else ACTIONS, rng.choice((1, 1, 2, 3))))
        elif isinstance(holder[key], list):
            holder[key].insert(rng.randrange(len(holder[key]) + 1), dict([rng.choice(ACTIONS)]))


def _deepen(rng, holder, key, others):
    holder[key] = "deep"


CHANGES = [
    _delete, _delete, _duplicate, _rename, _replace, _replace, _replace, _replace, _add, _retype, _retype, _spell,
    _spell, _spell, _graft, _graft, _many, _deepen,
]


def _garble(rng, text):
    place = rng.randrange(len(text) + 1)
    kind = rng.randrange(4)
    if kind == 0:
        return text[:place]
    if kind == 1:
        return text[:place] + rng.choice(TEXTS) + text[place + rng.choice((0, 0, 1, 10)):]
    if kind == 2:
        garbled = bytearray(text)
        for _ in range(rng.choice((1, 1, 3)) if garbled else 0):
            garbled[rng.randrange(len(garbled))] ^= 1 << rng.randrange(8)
        return bytes(garbled)
    end = min(len(text), place + rng.choice((1, 20, 200)))
    return text[:end] + text[place:end] + text[end:]


def _copy(value):
    return json.loads(json.dumps(value)) if isinstance(value, (dict, list)) else value
