"""elastic-router/openflow.py: the little of OpenFlow 1.3 that a router's control needs, as bytes.

    message   version, type, length, xid, and a body           actions    output, set_field, dec_nw_ttl
    match     in_port, eth_type, ipv4_dst, arp_op (OXM)
"""
import struct

VERSION = 4
HELLO, ERROR, ECHO_REQUEST, ECHO_REPLY, FEATURES_REQUEST, FEATURES_REPLY, PACKET_IN, PACKET_OUT, FLOW_MOD, BARRIER_REQUEST, BARRIER_REPLY = (
    0, 1, 2, 3, 5, 6, 10, 13, 14, 20, 21)
CONTROLLER, IN_PORT, ANY = 0xfffffffd, 0xfffffff8, 0xffffffff
IPV4, ARP = 0x0800, 0x0806
FIELDS = {"in_port": (0, "!I"), "eth_dst": (3, "6s"), "eth_src": (4, "6s"), "eth_type": (5, "!H"), "ipv4_dst": (12, "4s"), "arp_op": (21, "!H")}


def message(kind, body=b"", xid=0):
    return struct.pack("!BBHI", VERSION, kind, 8 + len(body), xid) + body


def messages(data):
    """Return ([(type, xid, body)], what is left of the bytes)."""
    found = []
    while len(data) >= 8:
        _, kind, length, xid = struct.unpack_from("!BBHI", data)
        if length < 8:
            raise ValueError("a message of %d bytes" % length)
        if len(data) < length:
            break
        found.append((kind, xid, data[8:length]))
        data = data[length:]
    return found, data


def oxm(name, value):
    number, form = FIELDS[name]
    packed = struct.pack(form, value)
    return struct.pack("!HBB", 0x8000, number << 1, len(packed)) + packed


def match(**fields):
    inner = b"".join([oxm(name, fields[name]) for name in sorted(fields, key=lambda name: FIELDS[name][0])])
    return _padded(struct.pack("!HH", 1, 4 + len(inner)) + inner)


def output(port):
    return struct.pack("!HHIH6x", 0, 16, port, 0xffff if port == CONTROLLER else 0)


def rewrite(name, value):
    """Return the action that sets a field."""
    inner = oxm(name, value)
    size = 4 + len(inner)
    return _padded(struct.pack("!HH", 25, size + -size % 8) + inner)


DEC_TTL = struct.pack("!HH4x", 24, 8)


def flow(priority, fields, actions):
    """Return the message that adds a flow; one with this match and priority is replaced."""
    done = b"".join(actions)
    instruction = struct.pack("!HHI", 4, 8 + len(done), 0) + done
    return message(FLOW_MOD, struct.pack("!QQBBHHHIIIH2x", 0, 0, 0, 0, 0, 0, priority, ANY, ANY, ANY, 0) + match(**fields) + instruction)


def packet_out(port, frame):
    action = output(port)
    return message(PACKET_OUT, struct.pack("!IIH6x", ANY, CONTROLLER, len(action)) + action + frame)


def packet_in(body):
    """Return (the port by which a frame came, the frame)."""
    kind, length = struct.unpack_from("!HH", body, 16)
    at, end, port = 20, 16 + length, None
    while at + 4 <= end:
        _, field, size = struct.unpack_from("!HBB", body, at)
        if field >> 1 == 0:
            port, = struct.unpack_from("!I", body, at + 4)
        at += 4 + size
    return port, body[16 + length + -length % 8 + 2:]


def _padded(data):
    return data + b"\0" * (-len(data) % 8)
