"""Actions: the JSON of a rule's actions becomes a list of (kind, value), in the order of application.

A list keeps its order; an object is applied as pop, push, set, dec_ttl, outputs.  An action may need a match:
`pop_vlan` on a packet that may have no tag would be refused by the switch, so it is refused here, by name.
(SPEC 1, Actions.)

    ("output", port)  ("push_vlan", id)  ("pop_vlan", None)  ("set_vlan_id", id)  ("set_vlan_priority", 0..7)
    ("set_eth_src"|"set_eth_dst", int)  ("set_ip_src"|"set_ip_dst"|"set_ipv6_src"|"set_ipv6_dst", int)
    ("set_ip_tos", 0..252)  ("set_l4_src"|"set_l4_dst", 0..65535)  ("dec_ttl", None)
A rule with no output drops.
"""
from . import values
from .errors import BadGraph, Conflict, unknown, show
from .matches import IP, IPV4, IPV6, PRESENT, WITH_PORTS

# In the order in which an object's actions are applied.
ORDER = ("pop_vlan", "push_vlan", "set_vlan_id", "set_vlan_priority", "set_ethernet_src_address",
         "set_ethernet_dst_address", "set_ip_src_address", "set_ip_dst_address", "set_ip_tos", "set_l4_src_port",
         "set_l4_dst_port", "dec_ttl", "output_to_port", "drop", "output_to_queue", "output_to_controller")
MOST = 64  # actions of a rule
KINDS = {"set_ethernet_src_address": "set_eth_src", "set_ethernet_dst_address": "set_eth_dst",
         "set_l4_src_port": "set_l4_src", "set_l4_dst_port": "set_l4_dst"}
NUMBERS = {"push_vlan": (0, 4094), "set_vlan_id": (0, 4094), "set_vlan_priority": (0, 7), "set_ip_tos": (0, 255),
           "set_l4_src_port": (0, 65535), "set_l4_dst_port": (0, 65535)}


def parse(given, where, port, matches):
    """Return (actions, matches) of the rule's `actions`.

    `port(value, where)` reads a port reference; `matches` are the rule's normalised matches.  They come back
    doubled, tagged and untagged, where set_vlan_id has to push on untagged packets only.
    Raises BadGraph, and Conflict for what this node cannot do.
    """
    pairs = _pairs(given, where)
    actions, known = [], _Known(matches)
    for key, value, place in pairs:
        if key == "output_to_port":
            outputs = value if isinstance(value, list) and value else [value]
            if len(actions) + len(outputs) > MOST:
                raise BadGraph(place, "%d actions are the most that a rule may have" % MOST)
            for one in outputs:
                actions.append(("output", port(one, place)))
        elif key == "drop":
            _yes(value, place)
            if len(pairs) > 1:
                raise BadGraph(place, "should be the only action: a dropped packet needs no other")
        elif key == "output_to_queue":
            raise Conflict(place, "no queue is configured on this node")
        elif key == "output_to_controller":
            raise BadGraph(place, "a graph's LSI has no outside controller (paper, 5.2); send to a port")
        else:
            actions.append(_change(key, value, place, known))
    changed = [index for index, action in enumerate(actions) if action[0] != "output"]
    if changed and changed[-1] == len(actions) - 1:
        raise BadGraph(where, "should end with output_to_port: what is changed after it goes nowhere")
    return actions, known.doubled()


def _pairs(given, where):
    """Return [(key, value, place)] of an object or a list of one-key objects, in order of application."""
    if isinstance(given, dict):
        for key in given:
            if key not in ORDER:
                raise BadGraph("%s.%s" % (where, show(key)[1:-1]), unknown(key, ORDER, "action"))
        pairs = [(key, given[key], "%s.%s" % (where, key)) for key in ORDER if key in given]
    elif isinstance(given, list):
        pairs = []
        for index, one in enumerate(given):
            if not isinstance(one, dict) or len(one) != 1:
                raise BadGraph("%s[%d]" % (where, index), "should be an object with one action, such as "
                                                          '{"output_to_port": "..."}')
            key = list(one)[0]
            if key not in ORDER:
                raise BadGraph("%s[%d].%s" % (where, index, show(key)[1:-1]), unknown(key, ORDER, "action"))
            pairs.append((key, one[key], "%s[%d].%s" % (where, index, key)))
    else:
        raise BadGraph(where, "should be an object or a list of actions, not %s" % show(given))
    if len(pairs) > MOST:
        raise BadGraph(where, "has %d, %d actions are the most that a rule may have" % (len(pairs), MOST))
    if not pairs:
        raise BadGraph(where, "has no action: give output_to_port, or drop")
    return pairs


def _change(key, value, place, known):
    if key == "pop_vlan":
        _yes(value, place)
        known.pop(place)
        return "pop_vlan", None
    if key == "dec_ttl":
        _yes(value, place)
        known.ip(place, IP, "ether_type 0x0800 or 0x86dd")
        return "dec_ttl", None
    try:
        if key in NUMBERS:
            value = values.number(value, *NUMBERS[key])
        elif key in ("set_ip_src_address", "set_ip_dst_address"):
            family, value, mask = values.address(value)
            if mask != values.prefix(128 if family == 6 else 32, 128 if family == 6 else 32):
                raise ValueError("one IP address, without /n")
        else:
            value = values.mac(value)
    except ValueError as error:
        raise BadGraph(place, "%s: should be %s" % (show(value), error))
    if key in ("set_ip_src_address", "set_ip_dst_address"):
        known.ip(place, (IPV6,) if family == 6 else (IPV4,), "ether_type 0x%04x" % (IPV6 if family == 6 else IPV4))
        return ("set_ipv6_" if family == 6 else "set_ip_") + key[7:10], value
    if key == "set_ip_tos":
        known.ip(place, IP, "ether_type 0x0800 or 0x86dd")
        if value & 3:
            raise BadGraph(place, "should be a multiple of 4: the last two bits are the packet's own (ECN)")
    elif key in ("set_l4_src_port", "set_l4_dst_port"):
        known.ports(place)
    elif key == "push_vlan":
        known.pushed += 1
    elif key == "set_vlan_id":
        known.set_tag()
    elif key == "set_vlan_priority" and not known.tagged():
        raise BadGraph(place, "needs vlan_id in the match (a number or ANY), or push_vlan before it")
    return KINDS.get(key, key), value


def _yes(value, place):
    """A switch of an action is true; some clients send "" or {} or 1."""
    if value not in (True, "true", "True", 1, "", {}, None):
        raise BadGraph(place, "%s: should be true, or left out" % show(value))


class _Known:
    """What is known of the packet while the actions are applied to it, one after the other."""

    def __init__(self, matches):
        self.matches = matches
        self.types = set([match.get("eth_type", (0, 0))[0] for match in matches])
        self.protocol = matches[0].get("ip_proto", (None, 0))[0]
        tag = matches[0].get("vlan_vid")
        self.tag = None if tag is None else bool(tag[0] & PRESENT)  # its own; None: may have one or not
        self.pushed = 0  # tags before its own
        self.popped = self.double = False

    def ip(self, place, allowed, missing):
        if not self.types <= set(allowed):
            raise BadGraph(place, "needs %s in the match" % missing)

    def ports(self, place):
        if self.protocol not in WITH_PORTS:
            raise BadGraph(place, "needs protocol tcp, udp or sctp in the match")

    def tagged(self):
        return self.pushed > 0 or self.tag is True

    def pop(self, place):
        if not self.tagged():
            raise BadGraph(place, "needs vlan_id in the match (a number or ANY): without it there may be no tag to pop")
        if self.pushed:
            self.pushed -= 1
        else:
            self.tag, self.popped = None, True

    def set_tag(self):
        if self.tagged():
            return
        if self.tag is None and not self.popped:
            self.double = True
        self.tag = True

    def doubled(self):
        if not self.double:
            return self.matches
        result = []
        for match in self.matches:
            for vlan in ((PRESENT, PRESENT), (0, 0x1fff)):
                one = dict(match)
                one["vlan_vid"] = vlan
                result.append(one)
        return result
