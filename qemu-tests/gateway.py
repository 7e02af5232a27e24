"""A gateway in QEMU: boots an image, types at its console, and asks its API through a port of the loopback.

The machines are those of the paper's gateways in class and size (8.8): two cores of a Cortex-A9 or one of a MIPS 34Kf, and
256 MB.  QEMU translates their code, so what takes time in them is no measure of the devices; what takes memory is.
"""
import http.client
import json
import os
import re
import select
import shutil
import socket
import subprocess
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MACHINES = {
    "arm": ["qemu-system-arm", "-M", "vexpress-a9", "-cpu", "cortex-a9", "-smp", "2", "-dtb", "board.dtb",
            "-append", "console=ttyAMA0 quiet maxcpus=2", "BUS=device"],
    "mips": ["qemu-system-mipsel", "-M", "malta", "-cpu", "34Kf", "-vga", "none", "-global", "virtio-net-pci.romfile=",
             "-append", "console=ttyS0 quiet", "BUS=pci"],
}
DEVICES = ["virtio-blk-%s,drive=root", "virtio-blk-%s,drive=flash", "virtio-rng-%s", "virtio-net-%s,netdev=wire"]
MEMORY = 256  # MB
FLASH = "64M"  # what can be written; the image comes on top
BOOT_LIMIT, COMMAND_LIMIT = 180, 120  # seconds
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Gateway:
    """A gateway of an architecture, in a folder; its flash has `files`, {path: file of the host}, and lasts over reboots."""

    def __init__(self, arch, folder, files):
        self.arch, self.folder, self.process, self.console = arch, str(folder), None, None
        self.image = os.path.join(TOP, "build/qemu", arch)
        self.port = _free_port()
        self.seen, self.figures = "", {}
        upper = os.path.join(self.folder, "flash/upper")
        for path, source in files.items():
            os.makedirs(os.path.dirname(upper + path), exist_ok=True)
            shutil.copy(source, upper + path)
        subprocess.run(["mkfs.ext4", "-q", "-d", os.path.join(self.folder, "flash"), self._file("flash.img"), FLASH],
                       check=True, stdout=subprocess.DEVNULL)

    def _file(self, name):
        return os.path.join(self.folder, name)

    def start(self):
        """Switch it on; return when it is booted, with the seconds since."""
        *machine, bus = MACHINES[self.arch]
        bus = bus[len("BUS="):]
        self.begun = time.monotonic()
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *machine, "-m", str(MEMORY), "-kernel", "kernel", "-initrd", "initrd", "-display", "none", "-monitor", "none",
             "-drive", "if=none,id=root,format=raw,readonly=on,file=root.squashfs",
             "-drive", "if=none,id=flash,format=raw,file=" + self._file("flash.img"),
             "-netdev", "user,id=wire,restrict=on,hostfwd=tcp:127.0.0.1:%d-10.0.2.15:8080" % self.port,
             "-chardev", "socket,id=console,server=on,wait=off,path=" + self._file("console"), "-serial", "chardev:console"]
            + [word for device in DEVICES for word in ("-device", device % bus)],
            cwd=self.image, stdin=subprocess.DEVNULL, stderr=open(self._file("qemu.log"), "ab"))
        self._open_console()
        self.wait_for("guest: booted", BOOT_LIMIT)
        booted = time.monotonic() - self.begun
        self._settle()
        return booted

    def _open_console(self):
        end = time.monotonic() + 10
        while True:
            self.console = socket.socket(socket.AF_UNIX)
            try:
                self.console.connect(self._file("console"))
                return
            except OSError:
                self.console.close()
                if time.monotonic() > end or self.process.poll() is not None:
                    raise RuntimeError("qemu does not run: " + open(self._file("qemu.log")).read()[-500:])
                time.sleep(0.05)

    def _settle(self):
        """Make the console's shell one that does not echo, and has nothing left to say."""
        self.console.sendall(b"\nstty -echo; PS1=; PS2=; export PATH=/usr/sbin:/usr/bin; echo ready-$((40+2))\n")
        self.wait_for("ready-42", 20)

    def read(self, limit):
        """Take what the console has to say within `limit` seconds, as soon as there is something."""
        if select.select([self.console], [], [], limit)[0]:
            said = self.console.recv(65536)
            if not said:
                raise RuntimeError("the gateway is off: " + self.seen[-500:])
            self.seen += ESCAPES.sub("", said.decode("utf-8", "replace")).replace("\r", "")

    def wait_for(self, text, limit):
        """Return the line of the console that has `text`, and the seconds from the start to it."""
        end = time.monotonic() + limit
        while True:
            for line in self.seen.split("\n")[:-1]:
                if text in line:
                    return line, time.monotonic() - self.begun
            if time.monotonic() > end:
                raise AssertionError("%r was not said within %d s: %s" % (text, limit, self.seen[-2000:]))
            self.read(0.1)

    def run(self, command, limit=COMMAND_LIMIT, check=True):
        """Run a command at the console; return what it says, with `check` unless it fails."""
        self.seen = ""
        self.console.sendall(("{ %s\n} 2>&1; echo \"end-of-command $?\"\n" % command).encode())
        line, _ = self.wait_for("end-of-command ", limit)
        said = self.seen[:self.seen.index(line)] + line[:line.index("end-of-command ")]
        assert not check or line.endswith(" 0"), "%s: %s: %s" % (command, line, said)
        return said

    def ask(self, method, path, body=None, limit=COMMAND_LIMIT):
        """Return (status, value) of the gateway's API, or (0, reason)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=limit)
        try:
            connection.request(method, path, body if body is None else json.dumps(body))
            answer = connection.getresponse()
            text = answer.read().decode()
            return answer.status, json.loads(text) if text.startswith(("{", "[")) else text
        except OSError as error:
            return 0, str(error)
        finally:
            connection.close()

    def reachable(self, limit=60):
        """Wait until the API answers; return the seconds that it took."""
        begun = time.monotonic()
        while True:
            status, value = self.ask("GET", "/health", limit=5)
            if status == 200:
                return time.monotonic() - begun
            assert time.monotonic() < begun + limit, value
            time.sleep(0.1)

    def off(self):
        """Pull the plug."""
        if self.console:
            self.console.close()
        if self.process:
            self.process.kill()
            self.process.wait()
        self.process = self.console = None
        self.seen = ""

    def reboot(self):
        """Shut it down in order, and switch it on again; return what `start` does."""
        self.run("sync")
        self.console.sendall(b"for script in /etc/rc.d/K*; do $script stop; done; sync; echo off-$((1+1)); poweroff -f\n")
        self.wait_for("off-2", 60)
        time.sleep(0.5)
        self.off()
        return self.start()


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
