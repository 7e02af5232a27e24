"""Far: a host behind the far end of a node's tunnel, whose packets the test itself wraps and unwraps.

    node  wan0 ~~~ tunnel ~~~ eth0  host `at`  socket --- Far --- eth0 (a TAP device)  the host

So what a node's switch sends is read by other hands than its own, and no module of the kernel is needed.
"""
import fcntl
import os
import select
import socket
import struct
import threading

from node import Host

TUNSETIFF, TAP, BARE = 0x400454ca, 2, 0x1000
GRE, KEYED, FRAME = 47, 0x2000, 0x6558  # protocol, flag, type of what is carried: RFC 2784, RFC 2890
VXLAN, NUMBERED = 4789, 0x08000000  # port, flag: RFC 7348
MTU = 1400  # wrapped, it fits into a whole packet


class Far(Host):
    """`at` is the Host that the tunnel leads to; kind, local (of `at`), remote and key are the tunnel's."""

    def __init__(self, at, kind, local, remote, key, *addresses):
        super().__init__("far", *addresses)
        try:
            self._peer, self._skip = (remote, VXLAN if kind == "vxlan" else 0), 0 if kind == "vxlan" else 20
            self._head = struct.pack("!II", NUMBERED, key << 8) if kind == "vxlan" else struct.pack(
                "!HHI", KEYED, FRAME, key)
            at.run("ip", "address", "add", local + "/24", "dev", "eth0")
            self._link = at.socket(socket.AF_INET, *(socket.SOCK_DGRAM,) if kind == "vxlan" else (socket.SOCK_RAW, GRE))
            self._link.bind((local, self._peer[1]))
            self._device = self.enter(_tap)
            self.run("ip", "-batch", "-", input="".join(
                ["link set eth0 address %s mtu %d up\n" % (self.mac, MTU)]
                + ["address add %s dev eth0\n" % address for address in addresses]))
            self._bell, self._cord = os.pipe()
            self._thread = threading.Thread(target=self._carry, daemon=True)
            self._thread.start()
        except BaseException:
            super().close()
            raise

    def close(self):
        os.close(self._cord)
        self._thread.join()
        super().close()
        self._link.close()
        for one in self._device, self._bell:
            os.close(one)

    def _carry(self):
        """Carry frames both ways until the cord is let go."""
        while True:
            ready, _, _ = select.select([self._link, self._device, self._bell], [], [])
            if self._bell in ready:
                return
            if self._device in ready:
                self._link.sendto(self._head + os.read(self._device, 2048), self._peer)
            if self._link in ready:
                packet, peer = self._link.recvfrom(2048)
                packet = packet[self._skip:]  # a raw socket gives the IP header too
                if peer[0] == self._peer[0] and packet.startswith(self._head):
                    os.write(self._device, packet[len(self._head):])


def _tap():
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", b"eth0", TAP | BARE))
    return device
