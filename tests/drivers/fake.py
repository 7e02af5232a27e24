"""A fake system: it carries out steps on a world of its own, which it prints, and fails at the step it is told to.

    bridge lsi1 g                         namespace composer:g:fw
    port l1s0p0 on lsi1 g                 veth l1s0p0 to eth0 of composer:g:fw
    flow lsi1 table=0,... actions=...     folder /runtime/functions/1-0/tmp
                                          function composer:g:fw runs SAY=hello
    group composer:g:fw                   (its control group)
    table composer_1_0 ...                (of nftables)
    gateway l1a0 10.0.0.254               (the node's default route)

It is as strict as the real one where that matters: a namespace that is not there takes no veth, a flow may not
name an unknown port, ovs-vsctl says 0 where a device is missing, a transaction is done as a whole or not at all.
"""
import copy

from composer.core import steps
from composer.core.errors import StepFailed

SCRIPTS = "start stop update"  # of every image


class Refusal(Exception):
    """What a program says before it ends with an error."""


class FakeSystem:
    """fail_at: numbers of the steps that fail, counted from 1; `late`: they do their work all the same."""

    def __init__(self, interfaces, fail_at=(), late=False):
        self.world = {"bridge": {}, "port": {}, "flow": {}, "namespace": {}, "veth": {}, "folder": {}, "function": {}, "group": {},
                      "address": {}, "client": {}, "table": {}, "gateway": {}, "socket": {}}
        self.interfaces, self.fail_at, self.late = set(interfaces), fail_at, late
        self.failed, self.lines = [], []  # of the steps that failed, of all

    def __str__(self):
        return "\n".join(sorted(" ".join((kind,) + (name if isinstance(name, tuple) else (name,)) + (what,)).rstrip()
                                for kind, things in self.world.items() for name, what in things.items()))

    def drive(self, generator):
        """Drive a plan to its end, as the orchestrator does; return what it returns, or raise what it raises."""
        answer, wanted = None, None
        try:
            while True:
                wanted = generator.throw(answer) if isinstance(answer, Exception) else generator.send(answer)
                results = [self.perform(step) for step in (wanted if isinstance(wanted, list) else [wanted])]
                answer = results if isinstance(wanted, list) else results[0]
        except StopIteration as end:
            return end.value

    def perform(self, step):
        """Return the output of a step, or the StepFailed that it ends with."""
        line = steps.line(step)
        self.lines.append(line)
        fails = len(self.lines) in self.fail_at
        if fails:
            self.failed.append(line)
            if not self.late:
                return StepFailed(line, "the moon is full", 1)
        before = copy.deepcopy(self.world)
        try:
            output = getattr(self, "_" + step.verb)(step)
        except Refusal as refusal:
            self.world = before
            return StepFailed(line, str(refusal), 1)
        return StepFailed(line, "the moon is full", 1) if fails else output

    def prune(self, *placed):
        """Remove the images that no placed graph uses: the orchestrator does so after each job."""
        used = [sf["folder"] for one in placed for sf in one["sfs"].values()]
        for name in [name for name in self.world["folder"] if "/images/" in name and name not in used]:
            del self.world["folder"][name]

    # Verbs.

    def _run(self, step):
        program = step.words[0]
        if program == "ovs-vsctl":
            return self._vsctl(step.words[1:])
        if step.words[:2] == ("sh", "-s"):
            return self._control(step)
        if program == "sh" and step.words[3] == "gateway":
            gateway, port = step.words[4:]
            if "replace" in step.words[2]:
                self._check([key for key in self.world["address"] if key[1] == port], "Nexthop has invalid gateway")
                self.world["gateway"][port] = gateway
            elif self.world["gateway"].get(port) == gateway:
                del self.world["gateway"][port]
            return ""
        if program == "sh" and "rm -rf" in step.words[2]:
            self.world["client"].pop(step.words[-1], None)
            return ""
        if program == "sh" and "forwarding" in step.words[2]:
            self._check(step.words[4] in [port for port, _, _ in self.world["port"]], "no device " + step.words[4])
            return ""
        if program == "sh":
            self.world["client"][step.words[4].rpartition("/")[2]] = ""
            return ""
        if step.words[:3] == ("ip", "address", "flush"):
            self._forget("address", lambda name, _: name[1] == step.words[4])
            return ""
        if program == "ovs-ofctl" and "add-flows" in step.words:
            return self._bundle(step.words[-2], step.stdin.splitlines())
        raise AssertionError("a step that the fake system should learn: " + steps.line(step))

    def _control(self, step):
        """Join functions and the node, or part them; or have a port of a host-stack SAP forward nothing."""
        tables = [line for line in step.stdin.split("\n") if line.startswith("table ip composer_")]
        joined = step.words[2:] if tables else ()
        for port, space in zip(joined[::3], joined[1::3]):
            self._check(self.world["veth"].get(port) == "to ctl0 of " + space, "no link " + port)
            self._check([key for key in self.world["address"] if key[1] == port], "no address on " + port)
        for line in tables:
            name = line.split(" ")[2].rstrip(";")
            self.world["table"].pop(name, None)
            if "{" in line:
                self.world["table"][name] = line.partition("{ ")[2]
        return ""

    def _expose(self, step):
        name, socket = step.words
        if socket:
            self.world["socket"][name] = "is " + socket
        else:
            self.world["socket"].pop(name, None)
        return ""

    def _ip(self, step):
        words = step.words
        if words[:2] == ("netns", "add"):
            self.world["namespace"][words[2]] = ""
        elif words[:2] == ("netns", "del"):
            self.world["namespace"].pop(words[2], None)
            self.world["function"].pop(words[2], None)
            self._forget("veth", lambda name, what: what.endswith(" of " + words[2]))
            self._addresses_go()
        elif words[:2] == ("link", "del"):
            self.world["veth"].pop(words[2], None)
            self._addresses_go()
        elif words[:2] in (("link", "set"), ("address", "replace")):
            name = words[2 if words[0] == "link" else 4]
            self._check(name in self.world["veth"] or name in [port for port, _, _ in self.world["port"]], "no device " + name)
            if words[0] == "address":
                self.world["address"][words[2], name] = ""
            elif "type" in words:  # what may be changed of a device comes first in its words
                self.world["veth"][name] = " ".join(words[4:] + tuple(self.world["veth"][name].split()[len(words) - 4:]))
        elif words[:4:3] == ("link", "type") and "peer" not in words:
            self.world["veth"][words[2]] = " ".join(words[4:])
        elif words[:2] == ("link", "add"):
            inside, space = words[words.index("peer") + 2], words[-1]
            self._check(space in self.world["namespace"], "no namespace " + space)
            self.world["veth"][words[2]] = "to %s of %s" % (inside, space)
        else:
            raise AssertionError("a wish that the fake system should learn: " + steps.line(step))
        return ""

    def _script(self, step):
        space, home, image, name = step.words[:4]
        self._check(space in self.world["namespace"], "no namespace " + space)
        for folder in (home + "/run/sf", home + "/tmp", image):
            self._check(folder in self.world["folder"], "no folder " + folder)
        if name == "stop":
            self.world["function"].pop(space, None)
        elif name in ("start", "update"):
            said = ["%s=%s" % pair for pair in step.env if not pair[0].startswith("SF_")]
            self.world["function"][space] = " ".join(["runs"] + said)
        return ""

    def _unpack(self, step):
        self.world["folder"][step.words[2]] = ""
        return SCRIPTS

    def _mkdir(self, step):
        self.world["folder"][step.words[0]] = ""
        return ""

    def _remove(self, step):
        self._forget("folder", lambda name, what: (name + "/").startswith(step.words[0] + "/"))
        return ""

    def _signal(self, step):
        return ""

    def _bind(self, step):
        self._check(step.words[0] in self.world["namespace"], "no namespace " + step.words[0])
        return ""

    def _group(self, step):
        self.world["group"][step.words[0]] = ""
        return ""

    def _ungroup(self, step):
        self.world["group"].pop(step.words[0], None)
        self.world["function"].pop(step.words[0], None)
        return ""

    # Open vSwitch.

    def _vsctl(self, words):
        """Carry out one transaction; each command begins after a --, and may have options of its own."""
        commands, waits = [[]], "--no-wait" not in words
        for word in words:
            if word == "--":
                commands.append([])
            else:
                commands[-1].append(word)
        for command in commands:
            verb = [word for word in command if not word.startswith("--")]
            if verb:
                lenient = "--may-exist" in command or "--if-exists" in command
                getattr(self, "_" + verb[0].replace("-", "_"))(lenient, *verb[1:])
        missing = [port for (port, _, lsi), mark in self.world["port"].items() if port not in self.interfaces
                   and port not in self.world["veth"] and not mark.endswith(("patch", "gre", "internal"))]
        return "\n".join("could not open network device " + port for port in missing if waits)

    def _add_br(self, lenient, name):
        self._check(lenient or name not in self.world["bridge"], "there is a bridge " + name)
        self.world["bridge"].setdefault(name, "")

    def _del_br(self, lenient, name):
        self._check(lenient or name in self.world["bridge"], "no bridge " + name)
        self.world["bridge"].pop(name, None)
        for kind in ("port", "flow"):
            self._forget(kind, lambda key, what: key[-1] == name if kind == "port" else key[0] == name)
        self._addresses_go()

    def _add_port(self, lenient, bridge, port):
        self._check(bridge in self.world["bridge"], "no bridge " + bridge)
        at = [name for name in self.world["port"] if name[0] == port]
        self._check(not at or lenient and at[0][2] == bridge, "there is a port " + port)
        self.world["port"].setdefault((port, "on", bridge), "")

    def _del_port(self, lenient, *words):
        bridge, port = words if len(words) == 2 else (None, words[0])
        at = [name for name in self.world["port"] if name[0] == port]
        self._check(lenient or at, "no port " + port)
        self._check(not at or bridge in (None, at[0][2]), "bridge %s does not have a port %s" % (bridge, port))
        self._forget("port", lambda name, what: name[0] == port)
        self._addresses_go()

    def _addresses_go(self):
        """An address goes with its port."""
        there = [port for port, _, _ in self.world["port"]] + list(self.world["veth"])
        self._forget("address", lambda key, what: key[1] not in there)
        self._forget("gateway", lambda port, what: port not in there)

    def _set_controller(self, lenient, name, target):
        self._check(name in self.world["bridge"], "no bridge " + name)

    def _set(self, lenient, table, name, *settings):
        if table == "controller":
            return
        things = self.world["bridge" if table == "bridge" else "port"]
        keys = [key for key in things if key == name or key[0] == name]
        self._check(lenient or keys, "no %s %s" % (table, name))
        said = dict(setting.split("=", 1) for setting in settings)
        if not keys or set(said) <= {"options:peer", "ofport_request"}:
            return
        things[keys[0]] = (said.get("external_ids:composer", "") + " " + said.get("type", "")).strip()

    def _bundle(self, bridge, lines):
        """Carry out lines of flows, of which one that is wrong spoils all."""
        self._check(bridge in self.world["bridge"], "%s is not a bridge" % bridge)
        ports = self.interfaces | {port for port, _, lsi in self.world["port"] if lsi == bridge}
        for line in lines:
            verb, _, rest = line.partition(" ")
            cookie, _, rest = rest.partition(",")
            if verb == "add":
                named = rest.split('"')[1::2]
                self._check(ports.issuperset(named), "unknown port in " + line)
                key, _, actions = rest.partition(",actions=")
                self.world["flow"][bridge, key] = "%s %s" % (actions, cookie)
            else:
                value, _, mask = cookie[len("cookie="):].partition("/")
                value, mask = int(value, 0), int(mask, 0)
                self._forget("flow", lambda name, what: name[0] == bridge and (
                    int(what.rpartition("cookie=")[2], 0) & mask == value & mask))
        return ""

    def _check(self, good, said):
        if not good:
            raise Refusal(said)

    def _forget(self, kind, is_gone):
        for name in [name for name, what in self.world[kind].items() if is_gone(name, what)]:
            del self.world[kind][name]
