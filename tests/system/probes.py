"""Packets that a test sends and hears itself: a probe that counts what is lost, a stream, and single frames, tagged ones too.

The kernel takes the VLAN tag off a frame before a raw socket sees it, and tells the tag beside it.
"""
import json
import re
import socket
import struct
import subprocess
import threading
import time

PORT = 7000  # of the probe
RATE = 1000  # packets a second
ETH_P_ALL, EXPERIMENT, VLAN = 3, 0x88b5, 0x8100
SOL_PACKET, AUXDATA, TAGGED = 263, 8, 1 << 4
OUTGOING = 4


class Probe:
    """1000 packets a second from lan to wan while the body runs; then `.lost` is how many of them never came.

    Those are not counted that a switch in user space had no time to read from its interfaces, because the machine
    was busy: the kernel counts them.  `apart`: each packet is of a connection of its own.
    """

    def __init__(self, place, apart=False):
        source, target, self._node = place.lan, place.wan, place.node
        self._to, self._apart = (target.ip, PORT + apart), apart
        kind = (socket.SOCK_RAW, socket.IPPROTO_UDP) if apart else (socket.SOCK_DGRAM,)
        self._mouth = source.socket(socket.AF_INET, *kind)
        self._ear = target.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._ear.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._ear.settimeout(1)
        self.sent = self.first = self.lost = 0
        self._seen, self._goes_on = set(), True
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._send, self._hear)]

    def __enter__(self):
        self._ear.bind(self._to)
        for thread in self._threads:
            thread.start()
        end = time.monotonic() + 5
        while len(self._seen) < 10:
            assert time.monotonic() < end, "the probe does not get through"
            time.sleep(0.01)
        self.first, self._unread = min(self._seen), self._not_read()
        return self

    def __exit__(self, *failure):
        self._goes_on = False
        for thread in self._threads:
            thread.join()
        self._mouth.close()
        self._ear.close()
        missing = set(range(self.first, self.sent)) - self._seen
        self.lost = max(0, len(missing) - (self._not_read() - self._unread))

    def heard(self):
        """Return how many packets have come so far."""
        return len(self._seen)

    def _not_read(self):
        """Return how many packets the switch's sockets had no room for."""
        return sum(map(int, re.findall(r",d(\d+)\)", self._node.run("ss", "-0mH").stdout)))

    def _send(self):
        begun = time.monotonic()
        while self._goes_on:
            if self.sent < (time.monotonic() - begun) * RATE:
                head = struct.pack("!4H", 1024 + self.sent % 64000, self._to[1], 12, 0) if self._apart else b""
                self._mouth.sendto(head + struct.pack("!I", self.sent), self._to)
                self.sent += 1
            else:
                time.sleep(0.0005)

    def _hear(self):
        """Hear until a second of silence."""
        while True:
            try:
                self._seen.add(struct.unpack("!I", self._ear.recv(4))[0])
            except TimeoutError:
                return


class Ear:
    """Hears the frames that come to an interface of a host, whole: a tag is put back where it was."""

    def __init__(self, host, interface="eth0"):
        self.link = host.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.link.bind((interface, ETH_P_ALL))
        self.link.setsockopt(SOL_PACKET, AUXDATA, 1)

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.link.close()

    def frames(self, count, quiet=0.15, wanted=lambda frame: True):
        """Return the frames that are wanted: `count` of them, and what comes in the quiet after that."""
        found, end = [], time.monotonic() + (3 if count else quiet)
        while (left := end - time.monotonic()) > 0:
            self.link.settimeout(left)
            try:
                frame, beside, _, address = self.link.recvmsg(2048, 256)
            except TimeoutError:
                break
            for _, _, auxiliary in beside:
                status, tag, kind = struct.unpack_from("I12xHH", auxiliary)
                if status & TAGGED:
                    frame = frame[:12] + struct.pack("!HH", kind, tag) + frame[12:]
            if address[2] == OUTGOING or not wanted(frame):
                continue
            found.append(frame)
            if len(found) == count:
                end = time.monotonic() + quiet
        return found

    def heard(self, count, quiet=0.15):
        """Return [(label, VLAN id or None, source)] of frames of `send`, sorted."""
        found = self.frames(count, quiet, lambda frame: _parts(frame)[1] == EXPERIMENT)
        return sorted([(_parts(frame)[2].rstrip(b"\0").decode(), _parts(frame)[0], frame[6:12].hex(":"))
                       for frame in found], key=str)


def mouth(host, interface="eth0"):
    """Return a socket whose send() sends a frame."""
    link = host.socket(socket.AF_PACKET, socket.SOCK_RAW)
    link.bind((interface, 0))
    return link


def send(host, label, vlan=None, to="02:00:00:00:00:99", interface="eth0"):
    """Send a frame from a host, tagged if a VLAN id is given."""
    tag = struct.pack("!HH", VLAN, vlan) if vlan is not None else b""
    frame = bytes.fromhex((to + host.mac).replace(":", "")) + tag + struct.pack("!H", EXPERIMENT) + label.encode()
    with mouth(host, interface) as link:
        link.send(frame.ljust(60, b"\0"))


def speed(source, box, address, *within, back=False):
    """Return the Mb/s of one TCP stream from a host to an address in a box, `within` a namespace of it; or the way back."""
    with box.popen(*within, "iperf3", "-s", "-1", "-B", address, "--forceflush", stdout=subprocess.PIPE) as listener:
        listener.stdout.readline()
        try:
            said = source.run("iperf3", "-J", "-c", address, "-n", "20M", *["-R"] * back, timeout=20).stdout
        finally:
            listener.terminate()
    return json.loads(said)["end"]["sum_received"]["bits_per_second"] / 1e6


def _parts(frame):
    """Return (VLAN id or None, type, the rest) of a frame."""
    kind, = struct.unpack_from("!H", frame, 12)
    if kind != VLAN:
        return None, kind, frame[14:]
    return struct.unpack_from("!H", frame, 14)[0] & 0xfff, *struct.unpack_from("!H", frame, 16), frame[18:]
