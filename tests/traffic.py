"""Traffic for the benchmark: a probe that tells when a path begins to forward, and the rate of a TCP stream.

The probe sends raw frames all the time.  The kernel notes when one arrives, so nobody has to wait for it; the
clock is time.time().
"""
import json
import select
import socket
import struct
import subprocess
import sys
import time

KIND = 0x88b5  # IEEE 802: for local experiments
SO_TIMESTAMPNS = 35
SENDER = """
import socket, sys, time
interface, kind, interval, frame = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), bytes.fromhex(sys.argv[4])
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
link.bind((interface, kind))
print("sending", flush=True)
while True:
    link.send(frame)
    time.sleep(interval)
"""
INTERVAL = 0.00014  # seconds of sleep between two frames: a frame every 0.2 ms
LIMIT = 30  # seconds for the first frame to arrive


class Frames:
    """Sends from one host to another, out of and into the interface that is called so in both, until it is closed."""

    def __init__(self, source, target, interface, interval=INTERVAL):
        self._arrivals = target.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self._arrivals.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._arrivals.bind((interface, KIND))
        frame = bytes.fromhex((target.mac + source.mac).replace(":", "")) + struct.pack("!H", KIND) + bytes(46)
        self._sender = source.popen(sys.executable, "-SEc", SENDER, interface, str(KIND), str(interval), frame.hex(),
                                    stdout=subprocess.PIPE)
        self._sender.stdout.readline()

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self._sender.kill()
        self._sender.wait()
        self._sender.stdout.close()
        self._arrivals.close()

    def first(self):
        """Return when the first frame arrived, in seconds since the epoch; wait for it if there is none yet."""
        if not select.select([self._arrivals], [], [], LIMIT)[0]:
            raise TimeoutError("no frame got through in %d s" % LIMIT)
        _, notes, _, _ = self._arrivals.recvmsg(64, 64)
        seconds, nanoseconds = struct.unpack("ll", notes[0][2])
        return seconds + nanoseconds / 1e9


def rate(source, target, address):
    """Return the Gb/s of one TCP stream between two hosts."""
    with target.popen("iperf3", "-s", "-1", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        for _ in range(50):
            found = json.loads(source.run("iperf3", "-J", "-t", "3", "-c", address, check=False).stdout)
            if "error" not in found:
                return found["end"]["sum_received"]["bits_per_second"] / 1e9
            time.sleep(0.1)  # it does not listen yet
        server.terminate()
    raise RuntimeError("iperf3 to %s: %s" % (address, found["error"]))


def join(one, other):
    """Join two hosts by a veth, which gets their first addresses."""
    inside = ["nsenter", "--net=/proc/%d/ns/net" % one.pid, "ip"]
    subprocess.run(inside + ["link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", str(other.pid)],
                   check=True)
    for host in (one, other):
        host.run("ip", "address", "add", host.addresses[0], "dev", "eth0")
        host.run("ip", "link", "set", "eth0", "up")
