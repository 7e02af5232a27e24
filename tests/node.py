"""Test nodes: boxes with real Open vSwitch, and hosts wired to them, that cannot be left behind.

    host lan  eth0 --- lan0  node  wan0 --- eth0  host wan
                             ovs-vswitchd, the agent, its functions

A box is a process.  A keeper holds a network, mount and process namespace of its own and waits for the end of
its standard input; all else in the box is run by nsenter.  When the test ends in whatever way, SIGKILL too,
the pipe closes, the keeper goes, and the kernel takes away every process, link and namespace of the box.
/run in it is private, so `ip netns add` in a box is seen in that box only; /tmp is shared with the machine.
A node has control groups of its own, in the hierarchies of the machine, and sees nothing above them.
"""
import atexit
import concurrent.futures
import contextlib
import ctypes
import functools
import http.client
import json
import os
import socket
import subprocess
import sys
import time
import zlib

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
START_LIMIT = 10  # seconds, for a box or an agent to be there
CLONE_NEWNET = 0x40000000
CONTROLLERS = ("memory", "pids", "cpu", "cpuacct", "freezer", "cpuset", "blkio", "devices", "perf_event", "hugetlb", "net_cls",
               "net_prio", "rdma", "misc")  # that can be mounted as one

JOIN = 'for door in $0; do echo 0 >"$door" || exit; done; exec "$@"'  # control groups

# $1: the folder, but for its random end  $2: hierarchies of control groups, "MOUNT TYPE CONTROLLERS" a line  $3: JOIN
# The box has a group with the folder's name in each.  In v2, groups below it can have limits if no process is in it itself.
KEEPER = """
trap "" HUP  # which the kernel sends if the runner is killed and a program here is stopped
folder=$(mktemp -d "$1XXXXXX")
hierarchies=$2 join=$3 groups= tops= homes=
export folder hierarchies
while read -r mount type controllers; test "$mount"; do
    group=$mount/${folder##*/} home=
    if test "$type" = cgroup2; then
        for one in $(cat "$mount/cgroup.controllers"); do echo "+$one" >"$mount/cgroup.subtree_control"; done
        home=/init
    fi
    mkdir -p "$group$home"
    groups="$groups $group" tops="$tops $group/cgroup.procs" homes="$homes $group$home/cgroup.procs"
done <<END
$hierarchies
END
set --
test -z "$hierarchies" || set -- dash -c "$join" "$tops" unshare --cgroup dash -c "$join" "$homes"
exec 3<&0
"$@" unshare --net --mount --pid --fork --kill-child --mount-proc dash -euc '
    mount -t tmpfs -o mode=755 tmpfs /run
    mkdir /run/netns
    mount -t sysfs sysfs /sys
    test -z "$hierarchies" || mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
    while read -r mount type controllers; test "$mount"; do
        mkdir -p "$mount"
        mount -t "$type" ${controllers:+-o "$controllers"} "$type" "$mount"
    done <<END
$hierarchies
END
    ip link set lo up
    for conf in all default; do echo 1 >/proc/sys/net/ipv6/conf/$conf/disable_ipv6; done
    echo "$folder"
    exec env --ignore-signal=CHLD cat >/dev/null  # so the kernel reaps whom nobody waits for
' <&3 &
cat >/dev/null
kill -CONT 0  # the kernel waits for every nsenter, and one whose program is stopped is stopped too
for try in ${groups:+$(seq 500)}; do
    for one in $(find $groups -name freezer.state); do echo THAWED >"$one"; done  # what is frozen does not die
    find $groups -depth -type d -exec rmdir {} +
    test "$(ls -d $groups)" || break
    sleep 0.01
done 2>/dev/null
wait
rm -rf "$folder"
"""

OVSDB_SERVER = """
mkdir -p "$OVS_RUNDIR"
ovsdb-tool create "$OVS_DBDIR/conf.db" /usr/share/openvswitch/vswitch.ovsschema
ovsdb-server --detach --no-chdir --pidfile --log-file -vconsole:off -vsyslog:off \
    --remote=punix:"$OVS_RUNDIR/db.sock" "$OVS_DBDIR/conf.db"
ovs-vsctl --no-wait init -- set Open_vSwitch . \
    other_config:n-handler-threads=1 other_config:n-revalidator-threads=1
"""
OVSDB_SERVER_AGAIN = "\n".join([line for line in OVSDB_SERVER.strip().split("\n") if "create" not in line and "mkdir" not in line])
VSWITCHD = """
ovs-vswitchd --detach --no-chdir --pidfile --log-file -vconsole:off -vsyslog:off unix:"$OVS_RUNDIR/db.sock"
"""
END = """
pid=$(cat "$OVS_RUNDIR/$1.pid")
kill -"$2" "$pid"
while kill -0 "$pid" 2>/dev/null; do sleep 0.01; done
"""


class Process(subprocess.Popen):
    """A program in a box.  `pid` is nsenter's, `inner` the program's own; signals go to the program."""

    @property
    def inner(self):
        while self.poll() is None:
            if inside := _children(self.pid):
                return inside[0]
            time.sleep(0.001)
        raise ProcessLookupError("%s has ended" % self.args)

    def send_signal(self, number):
        try:
            os.kill(self.inner, number)
        except ProcessLookupError:
            pass


class Host:
    """A box on the network: `addresses` are for the interface that `wire` gives it.

    No IPv6 but on an interface that is given an IPv6 address: its chatter would be in every counter.
    groups: it has control groups of its own.
    """

    def __init__(self, name, *addresses, gateway="", groups=False):
        self.name, self.addresses, self.gateway = name, addresses, gateway
        self.ip = addresses[0].split("/")[0] if addresses else ""
        self.mac = "02:00:%02x:%02x:%02x:%02x" % tuple(zlib.crc32(name.encode()).to_bytes(4, "big"))
        self.env = dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin:/sbin")
        self._processes = []
        self._keeper = subprocess.Popen(
            ["dash", "-uc", KEEPER, "keeper", "/tmp/composer-%d-%s-" % (os.getpid(), name),
             "\n".join(map(" ".join, hierarchies())) if groups else "", JOIN], env=self.env, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0)
        try:
            self.dir = self._keeper.stdout.readline().strip()
            if not self.dir:
                raise RuntimeError("%s: no namespaces, see above why; they need root" % name)
            self.pid = _children(_children(self._keeper.pid)[0])[0]
            self.doors = ["%s/%s%s/cgroup.procs" % (mount, os.path.basename(self.dir), "/init" * (kind == "cgroup2"))
                          for mount, kind, _ in hierarchies()] if groups else []
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.close()

    def close(self):
        """Take the box away, with all that is in it."""
        self._keeper.stdin.close()
        self._keeper.wait(START_LIMIT)
        self._keeper.stdout.close()
        for process in self._processes:
            process.wait(START_LIMIT)

    def popen(self, *argv, grouped=False, **options):
        """Start a program in the box, in folder /, without input; options as of subprocess.Popen.

        grouped: in the box's control groups, if it has any, which takes the kernel 13 ms; else in the runner's.
        """
        command = ["nsenter", "--target", str(self.pid), "--net", "--mount", "--pid", "--root", "--", *argv]
        if grouped and self.doors:
            command = ["dash", "-c", JOIN, " ".join(self.doors), "nsenter", "--cgroup", *command[1:]]
        options = {"env": self.env, "text": True, "stdin": subprocess.DEVNULL, "process_group": self._keeper.pid,
                   **options}
        process = Process(command, **options)
        self._processes = [other for other in self._processes if other.returncode is None] + [process]
        return process

    def run(self, *argv, check=True, input=None, timeout=30, grouped=False):
        """Run a program in the box to its end; return a CompletedProcess with its output as text."""
        stdin = subprocess.DEVNULL if input is None else subprocess.PIPE
        with self.popen(*argv, grouped=grouped, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            try:
                out, err = process.communicate(input, timeout)
            except BaseException:
                process.kill()
                raise
        if check and process.returncode:
            error = subprocess.CalledProcessError(process.returncode, argv, out, err)
            error.add_note("%s: %s\n%s%s" % (self.name, " ".join(argv), out, err))
            raise error
        return subprocess.CompletedProcess(argv, process.returncode, out, err)

    def enter(self, act, space=""):
        """Return what `act` returns, called in the box's network, or in a namespace that has a name there: a device or a socket
        for the test itself."""
        def inside():
            with open("/proc/%d/%s" % (self.pid, "root/run/netns/" + space if space else "ns/net")) as network:
                if ctypes.CDLL(None, use_errno=True).setns(network.fileno(), CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
            return act()
        with concurrent.futures.ThreadPoolExecutor(1) as thread:
            return thread.submit(inside).result()

    def socket(self, *kind, space=""):
        """Return a socket for the test itself, where `enter` goes; `kind` as of socket.socket."""
        return self.enter(lambda: socket.socket(*kind), space)

    def pids(self, name):
        """Return the pids, on this machine, of the programs called `name` in the box."""
        return [pid for pid, comm in processes(self.pid) if comm == name]


class Node:
    """A box with interfaces and a private Open vSwitch: what the agent is made for.

    `datapath` is "system" where the kernel has Open vSwitch, else "netdev".
    """

    def __init__(self, name="node", interfaces=("lan0", "wan0")):
        self.name, self.interfaces, self.datapath = name, list(interfaces), datapath()
        self.host = Host(name, groups=True)
        self.pid, self.dir = self.host.pid, self.host.dir
        self.run, self.popen, self.socket, self.pids = (
            self.host.run, self.host.popen, self.host.socket, self.host.pids)
        self.rundir = self.dir + "/ovs"
        self.host.env.update(OVS_RUNDIR=self.rundir, OVS_DBDIR=self.rundir, OVS_LOGDIR=self.rundir)
        try:
            self.run("ip", "-batch", "-", input="".join(
                "link add %s type veth peer name %s.far\nlink set %s up\n" % (name, name, name)
                for name in self.interfaces))
            self.run("dash", "-euc", OVSDB_SERVER + VSWITCHD)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.close()

    def close(self):
        self.host.close()

    def ovs(self, tool, *words, check=True, input=None):
        """Return what `ovs-TOOL words` prints: node.ovs("vsctl", "list-br")."""
        return self.run("ovs-" + tool, "--timeout=10", *words, check=check, input=input).stdout

    def stop_vswitchd(self, signal="KILL"):
        """End ovs-vswitchd: KILL, or TERM for an orderly end."""
        self.run("dash", "-euc", END, "end", "ovs-vswitchd", signal)

    def start_vswitchd(self):
        self.run("dash", "-euc", VSWITCHD)

    def stop_ovsdb(self, signal="KILL"):
        self.run("dash", "-euc", END, "end", "ovsdb-server", signal)

    def start_ovsdb(self):
        self.run("dash", "-euc", OVSDB_SERVER_AGAIN)


def wire(host, node, interface, end="eth0"):
    """Wire `host` to an interface of `node`; `end` is the host's end, with the host's addresses and MAC."""
    subprocess.run(["nsenter", "--target", str(node.pid), "--net", "ip", "link", "set", interface + ".far",
                    "netns", str(host.pid), "name", end], check=True, env=host.env)
    if any(":" in address for address in host.addresses):
        host.run("dash", "-c", "echo 0 >/proc/sys/net/ipv6/conf/%s/disable_ipv6" % end)
    lines = ["link set %s address %s up" % (end, host.mac)]
    lines += ["address add %s dev %s%s" % (address, end, " nodad" if ":" in address else "")
              for address in host.addresses]
    if host.gateway:
        lines.append("route add default via " + host.gateway)
    host.run("ip", "-batch", "-", input="\n".join(lines) + "\n")
    if node.datapath == "netdev":
        host.run("ethtool", "-K", end, "tx", "off")


class Agent:
    """The agent, as a user starts it: `composer-agent --config FILE`, in a node.  `config` overrides.

    It listens on a socket in the node's folder, so a test talks to it without being in its network.  The start
    ends when it says that it is well, or, if not `ready`, when it says anything.
    """

    def __init__(self, node, config=(), ready=True):
        self.node = node
        self.config = {"node": node.name, "listen": "unix:%s/agent.sock" % node.dir,
                       "interfaces": node.interfaces, "state": node.dir + "/state", "runtime": node.dir + "/runtime",
                       "repository": ROOT + "/build/nsf", "ovs": {"rundir": node.rundir}}
        self.config.update(config)
        self.start(ready)

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        if self.process.poll() is None:
            self.stop()

    def start(self, ready=True):
        """Start it (again), and wait until it answers."""
        path = self.node.dir + "/agent.json"
        with open(path, "w") as file:
            json.dump(self.config, file, indent=1)
        env = {name: value for name, value in self.node.host.env.items()
               if not name.startswith("OVS_") and name != "PYTHONDONTWRITEBYTECODE"}
        env["PYTHONPYCACHEPREFIX"] = ROOT + "/build/pycache"
        with open(self.node.dir + "/agent.log", "a") as log:
            self.process = self.node.popen(sys.prefix + "/bin/composer-agent", "--config", path, grouped=True, env=env,
                                           stdout=log, stderr=log)
        end = time.monotonic() + START_LIMIT
        while not self._answers(ready):
            if self.process.poll() is not None or time.monotonic() > end:
                self.process.kill()
                raise RuntimeError("the agent does not answer; its log:\n" + self.log)
            time.sleep(0.01)

    def stop(self):
        """End it in order; return its exit status."""
        self.process.terminate()
        return self.process.wait(START_LIMIT)

    def kill(self):
        self.process.kill()
        self.process.wait(START_LIMIT)

    @property
    def pid(self):
        """Its pid on this machine."""
        return self.process.inner

    @property
    def log(self):
        with open(self.node.dir + "/agent.log") as file:
            return file.read()

    def connect(self, timeout=60, address=None):
        """Return a socket that is connected to it, at one of its addresses; else at the first."""
        listen = self.config["listen"]
        kind, _, path = (address or (listen if isinstance(listen, str) else listen[0])).partition(":")
        if kind == "unix":
            link, address = socket.socket(socket.AF_UNIX), path
        else:
            link, address = self.node.socket(), (kind, int(path))
        link.settimeout(timeout)
        try:
            link.connect(address)
        except BaseException:
            link.close()
            raise
        return link

    def request(self, method, path, body=None, headers=(), timeout=60, address=None):
        """Return (status, headers, body) of an answer: the body from JSON, if it is JSON, else as text.

        A `body` that is not a string is sent as JSON.
        """
        if body is not None and not isinstance(body, (str, bytes)):
            body = json.dumps(body)
        connection = http.client.HTTPConnection("localhost")
        connection.sock = self.connect(timeout, address)
        try:
            with contextlib.suppress(BrokenPipeError):  # refused before all was sent: the answer says why
                connection.request(method, path, body, {"Content-Type": "application/json", **dict(headers)})
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        is_json = "json" in answer.headers.get("Content-Type", "") and text
        return answer.status, answer.headers, json.loads(text) if is_json else text

    def _answers(self, ready):
        try:
            return self.request("GET", "/health", timeout=1)[0] == 200 or not ready
        except (OSError, http.client.HTTPException):
            return False


@functools.cache
def datapath():
    """Return the best datapath here.  A module that had to be loaded is unloaded at the end."""
    if os.path.exists("/sys/module/openvswitch"):
        return "system"
    if subprocess.run(["modprobe", "-q", "openvswitch"], capture_output=True).returncode:
        return "netdev"
    atexit.register(subprocess.run, ["modprobe", "-qr", "openvswitch"], capture_output=True)
    return "system"


@functools.cache
def hierarchies():
    """Return (folder, type, controllers) of what this machine has of control groups that a function can be in."""
    found = {}
    with open("/proc/self/mounts") as file:
        for line in file:
            _, folder, kind, options, *_ = line.split()
            keys = [key for key in options.split(",") if key in CONTROLLERS]
            if folder.startswith("/sys/fs/cgroup") and os.access(folder, os.W_OK):
                if kind == "cgroup2" or kind == "cgroup" and {"memory", "pids", "cpu", "freezer"} & set(keys):
                    found[folder] = folder, kind, ",".join(keys)
    return list(found.values())


def memory(pid):
    """Return {"rss": MB, "pss": MB} of a process."""
    with open("/proc/%d/smaps_rollup" % pid) as file:
        sizes = dict(line.split()[:2] for line in file.readlines()[1:])
    return {"rss": int(sizes["Rss:"]) / 1024, "pss": int(sizes["Pss:"]) / 1024}


def processes(of):
    """Return [(pid, name)] of the processes that are in the process namespace of process `of`."""
    found, space = [], os.readlink("/proc/%s/ns/pid" % of)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink("/proc/%s/ns/pid" % pid) == space:
                with open("/proc/%s/comm" % pid) as file:
                    found.append((int(pid), file.read().strip()))
        except OSError:
            continue
    return found


def _children(pid):
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []
