"""Frames: a packet of packets.py as it is on the wire, with all its checksums right."""
import struct

from packets import ARP, IPV4, IPV6, MPLS, TAGGED

TCP, UDP, SCTP, ICMPV6 = 6, 17, 132, 58
DONT = 0x4000  # fragment
NONCE = 14  # an option of neighbour discovery that may be of any octets


def octets(packet, payload=b""):
    """Return the frame of a packet, which may say two things more that a packet of packets.py does not.

    fragment: flags and offset in an IPv4 header; unsummed: a UDP packet has no checksum.
    """
    frame = packet["eth_dst"].to_bytes(6) + packet["eth_src"].to_bytes(6)
    for vlan, priority in packet["tags"]:
        frame += struct.pack("!HH", TAGGED, priority << 13 | vlan)
    return frame + struct.pack("!H", packet["eth_type"]) + _above_ethernet(packet, payload)


def internet_sum(whole):
    """Return the checksum of IP, TCP, UDP and ICMP (RFC 1071)."""
    total = sum(struct.unpack("!%dH" % ((len(whole) + 1) // 2), whole + bytes(len(whole) % 2)))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def crc32c(whole):
    """Return the checksum of SCTP (RFC 9260, appendix A), as a number whose first octet on the wire is its last."""
    register = 0xffffffff
    for octet in whole:
        register ^= octet
        for _ in range(8):
            register = register >> 1 ^ 0x82f63b78 * (register & 1)
    return register ^ 0xffffffff


def _above_ethernet(packet, payload):
    if packet["eth_type"] == TAGGED:
        return struct.pack("!HHH", 7, IPV4, 0x4500) + bytes(40) + payload
    if packet["eth_type"] == ARP:
        head = struct.pack("!HHBBH", 1, IPV4, 6, 4, packet["arp_op"])
        for whose in "st":
            head += packet["arp_%sha" % whose].to_bytes(6) + packet["arp_%spa" % whose].to_bytes(4)
        return head + payload
    if packet["eth_type"] in MPLS:
        label = packet["mpls_label"] << 12 | packet["mpls_tc"] << 9 | 0x140
        return struct.pack("!IB", label, 0x45) + bytes(19) + payload
    if packet["eth_type"] not in (IPV4, IPV6):
        return bytes(46) + payload
    traffic_class, protocol = packet["ip_dscp"] << 2 | packet["ip_ecn"], packet["ip_proto"]
    if packet["eth_type"] == IPV4:
        addresses = struct.pack("!II", packet["ip_src"], packet["ip_dst"])
        above = _above_ip(packet, payload, addresses)
        head = struct.pack("!BBHHHBBH", 0x45, traffic_class, 20 + len(above), 0, packet.get("fragment", DONT),
                           packet["ttl"], protocol, 0)
        return head[:10] + struct.pack("!H", internet_sum(head + addresses)) + addresses + above
    addresses = packet["ipv6_src"].to_bytes(16) + packet["ipv6_dst"].to_bytes(16)
    above = _above_ip(packet, payload, addresses)
    return struct.pack("!IHBB", 6 << 28 | traffic_class << 20 | packet["ipv6_label"], len(above), protocol,
                       packet["ttl"]) + addresses + above


def _above_ip(packet, payload, addresses):
    """Return what IP carries; `addresses`, with its length and protocol, are in most checksums."""
    protocol, sums_addresses = packet["ip_proto"], True
    if "tp_src" in packet:
        head = struct.pack("!HH", packet["tp_src"], packet["tp_dst"]) + {
            TCP: struct.pack("!IIHHHH", 1, 2, 0x5010, 1000, 0, 0), UDP: struct.pack("!HH", 8 + len(payload), 0),
            SCTP: struct.pack("!II", 3, 0)}[protocol]
        place = {TCP: 16, UDP: 6, SCTP: 8}[protocol]
    elif "icmp_type" in packet:
        head, place, sums_addresses = struct.pack("!BBHI", packet["icmp_type"], packet["icmp_code"], 0, 0), 2, False
    elif protocol == ICMPV6:
        head, place = struct.pack("!BBHI", packet["icmpv6_type"], packet["icmpv6_code"], 0, 0), 2
    else:
        return bytes(8) + payload
    if "nd_target" in packet:
        option, link = (1, "nd_sll") if "nd_sll" in packet else (2, "nd_tll")
        head += packet["nd_target"].to_bytes(16) + bytes((option, 1)) + packet[link].to_bytes(6)
        length = (len(payload) + 9) // 8
        payload = payload and bytes((NONCE, length)) + payload.ljust(8 * length - 2, b"\0")
    whole = head + payload
    if protocol == SCTP:
        return whole[:place] + struct.pack("<I", crc32c(whole)) + whole[place + 4:]
    if packet.get("unsummed"):
        return whole
    found = internet_sum((addresses + struct.pack("!II", len(whole), protocol) if sums_addresses else b"") + whole)
    if protocol == UDP:
        found = found or 0xffff
    return whole[:place] + struct.pack("!H", found) + whole[place + 2:]
