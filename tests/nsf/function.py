"""A function as the agent runs it: its bundle unpacked, its scripts in a network namespace of its own.

    host  eth0 --- eth0  function  eth1 --- eth0  host
"""
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile

from node import wire

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

# What nsf/CONTRACT.md promises to a script, in the words of a shell.
ENTER = """
mount --bind "$1/run" /run
mkdir -p /run/sf
mount --bind "$1/image" /run/sf
mount -o remount,bind,ro /run/sf
mount --bind "$1/tmp" /tmp
cd /run/sf
shift
exec "$@"
"""


class Function:
    """The function of `bundle` (a path without its .tgz) on `node`, a Host.

    `variables` are the graph's, and `said` is the last line that a script wrote.
    """
    datapath = "system"  # for `wire`: no switch in user space here

    def __init__(self, bundle, node, variables):
        self.node, self.pid, self.variables, self.ports, self.said = node, node.pid, variables, [], ""
        self.home = tempfile.mkdtemp(dir=node.dir)
        self.space = os.path.basename(self.home)
        for folder in "image", "run", "tmp":
            os.mkdir("%s/%s" % (self.home, folder))
        subprocess.run(["tar", "-xzf", bundle + ".tgz", "-C", self.home + "/image"], check=True)
        self.node.run("ip", "netns", "add", self.space)
        self.inside("ip", "link", "set", "lo", "up")

    def hide(self, program):
        """Make the node one that lacks a program."""
        self.node.run("mount", "--bind", "/dev/null", shutil.which(program, path=PATH))

    def add_port(self, host):
        """Give the function one more port, with a wire to `host`."""
        port, far = "eth%d" % len(self.ports), "%s.%d" % (self.space[-8:], len(self.ports))
        self.node.run("ip", "link", "add", far + ".far", "type", "veth", "peer", "name", port, "netns", self.space)
        self.inside("ip", "link", "set", port, "up")
        wire(host, self, far)
        self.ports.append(port)

    def add_port_to(self, other):
        """Give the function and another on its node one more port each, with a wire between them."""
        self.node.run("ip", "link", "add", "eth%d" % len(self.ports), "netns", self.space, "type", "veth",
                      "peer", "name", "eth%d" % len(other.ports), "netns", other.space)
        for one in self, other:
            one.ports.append("eth%d" % len(one.ports))
            one.inside("ip", "link", "set", one.ports[-1], "up")

    def remove_port(self):
        """Take the last port away."""
        self.inside("ip", "link", "del", self.ports.pop())

    def inside(self, *argv, check=True):
        """Return what a program prints in the function's namespace."""
        return self.node.run("ip", "netns", "exec", self.space, *argv, check=check).stdout

    def run(self, script, **variables):
        """Run a script, with some variables changed; return its exit status."""
        self.variables = {**self.variables, **variables}
        env = {"PATH": PATH, "LC_ALL": "C", "SF_ID": "1", "SF_NAME": "test", "SF_GRAPH": "g",
               "SF_PORTS": " ".join(self.ports), "SF_ADDRESSES": "", "SF_DIR": "/run/sf", **self.variables}
        ended = self.node.run(
            "ip", "netns", "exec", self.space, "env", "-i", *["%s=%s" % item for item in env.items()],
            "sh", "-euc", ENTER, "sh", self.home, "./" + script, "lsi1", "1", str(len(self.ports)), *self.ports,
            check=False)
        self.said = ("\n" + ended.stdout + ended.stderr).splitlines()[-1]
        return ended.returncode

    def left(self):
        """Return what a stopped function must not have: links, addresses, routes, chains, processes."""
        return [link["ifname"] for link in json.loads(self.inside("ip", "-j", "link"))
                if link["ifname"] not in ("lo", *self.ports)] \
            + re.findall(r"inet6? \S+", self.inside("ip", "-o", "address", "show", "scope", "global")) \
            + self.inside("ip", "route").splitlines() \
            + self.inside("nft", "list", "chains", check=False).splitlines() \
            + self.node.run("ip", "netns", "pids", self.space).stdout.splitlines()


class Wire:
    """What IPv4 is on the wire of a function's last port while the body runs."""

    def __init__(self, function):
        self.port, self.space = function.ports[-1], function.space
        self.ear = function.node.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3), space=self.space)
        self.ear.bind((self.port, 3))
        self.ear.setblocking(False)

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.ear.close()

    def frames(self):
        """Return the frames that were not yet returned."""
        found = []
        while True:
            try:
                found.append(self.ear.recv(2048))
            except BlockingIOError:
                return [frame for frame in found if frame[12:14] == b"\x08\x00"]

    @staticmethod
    def is_udp(frame, port):
        """Is it a datagram from or to `port`?"""
        return frame[14] == 0x45 and frame[23] == 17 and port.to_bytes(2, "big") in (frame[34:36], frame[36:38])


def pings(host, to, size=56, within=2):
    """Does `to` answer `host` within that many seconds?"""
    try:
        ended = host.run("ping", "-q", "-c", "1", "-i", "0.05", "-w", "9", "-M", "do", "-s", str(size), to,
                         timeout=within, check=False)
    except subprocess.TimeoutExpired:
        return False
    assert ended.returncode < 2, ended.stderr
    return ended.returncode == 0


def meet_by_the_tunnel_only(near, far, calls, waits, port):
    """Two hosts reach each other by the tunnel of two functions, which is all that is on the wire between these: UDP from
    or to `port`; and without it there is no way."""
    with Wire(calls) as wire:
        assert pings(near, far.ip)
        assert seen(near, far, 80) == near.ip
        assert seen(far, near, 53, kind=socket.SOCK_DGRAM) == far.ip
        frames = wire.frames()
    assert len(frames) > 4
    assert all(wire.is_udp(frame, port) for frame in frames)
    assert not any(socket.inet_aton(far.ip) in frame for frame in frames)
    assert not pings(near, "192.168.2.2", within=0.2)
    waits.inside("ip", "route", "add", near.ip, "via", "192.168.2.1")
    assert "0 received" in waits.inside("ping", "-c", "1", "-W", "0.2", near.ip, check=False)


@contextlib.contextmanager
def nothing_lost(host, to, but=0):
    """Ping each 2 ms while the body runs, and fail if an answer is missing, `but` so many."""
    stream = host.popen("ping", "-i", "0.002", to, stdout=subprocess.PIPE)
    said = stream.stdout.readline()
    while "bytes from" not in said:
        assert stream.poll() is None, "%s does not answer" % to
        said += stream.stdout.readline()
    yield
    assert pings(host, to)
    stream.send_signal(signal.SIGINT)
    said += stream.stdout.read()
    stream.wait()
    answered = [int(number) for number in re.findall(r"icmp_seq=(\d+)", said)]
    missing = set(range(1, max(answered))) - set(answered)
    assert len(missing) <= but, "no answer to %s of %d" % (sorted(missing), max(answered))


def seen(client, server, port, to=None, within=2, kind=socket.SOCK_STREAM):
    """Send from `client` to `port` of `server`; return the sender's address as the server sees it, None if nothing
    came within that many seconds.  `to` is (address, port) where the client shall aim elsewhere."""
    to = to or (server.ip, port)
    family = socket.AF_INET6 if ":" in to[0] else socket.AF_INET
    with server.socket(family, kind) as ear, client.socket(family, kind) as mouth:
        ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        ear.bind(("", port))
        for one in ear, mouth:
            one.settimeout(within)
        try:
            if kind == socket.SOCK_DGRAM:
                mouth.sendto(b"?", to)
                return ear.recvfrom(1)[1][0]
            ear.listen()
            mouth.connect(to)
            with ear.accept()[0] as link:
                return link.getpeername()[0]
        except OSError:
            return None
