"""A node in one process: the agent from the REST API down to its steps, and a fake system that keeps its world.

    ask("PUT", "/graphs/g", body)  ->  rest, orchestrator, plan, drivers  ->  steps  ->  World, which performs them

The world does what the real programs do to names: it knows bridges, ports, rules, namespaces, links, folders.  What
a real system would have refused, and a rule that takes the place of another rule's, is a line in `wrong`.
"""
import collections
import io
import json
import sys
import types
from urllib.parse import unquote_to_bytes

from composer import config, orchestrator, repository, rest, restore
from composer.compute import nsf
from composer.core.json import dumps
from composer.vswitch import ovs

INTERFACE = "lo"  # the one that every machine has
TEMPLATES = [
    {"name": "firewall", "functional-capability": "firewall", "vnf-type": "native", "uri-image": "any.tgz",
     "memory-size": 1, "attributes": {"ipv6": True, "throughput": 100}, "ports": [
         {"position": "1-1", "label": "inside", "min": 1}, {"position": "2-2", "label": "outside", "min": 1}]},
    {"name": "bridge", "functional-capability": "bridge", "vnf-type": "native", "uri-image": "any.tgz",
     "ports": [{"position": "1-N", "label": "port", "min": 2}]},
    {"name": "strange", "functional-capability": "strange", "vnf-type": "docker", "uri-image": "any.tgz"}]


class Loop:
    """The part of composer.loop that jobs need, without time."""

    def __init__(self):
        self.actions, self.longest, self.latest = collections.deque(), (0.0, ""), 0.0

    def soon(self, action, *arguments):
        self.actions.append((action, arguments))

    def at(self, seconds, action):
        """Nothing fails here, so nothing is tried again."""
        return types.SimpleNamespace(when=0, cancel=lambda: None)

    def clock(self):
        return 0

    def turn(self):
        action, arguments = self.actions.popleft()
        action(*arguments)


class Store:
    """Keeps records as text, as flash would."""

    def __init__(self):
        self.records, self.written, self.syncs = {}, 0, 0

    def save(self, name, record):
        self.records[name] = dumps(record).encode()
        self.written += len(self.records[name])

    def delete(self, name):
        self.records.pop(name, None)


class World:
    """Performs every step with success, and keeps what is there then."""

    def __init__(self, loop):
        self.loop, self.performed, self.wrong = loop, 0, []
        self.groups = types.SimpleNamespace(version="", names=lambda: [], pids=lambda name: [], hits=lambda name: {})
        self.things = {}  # {(kind, name): where}: of a port its bridge, of a link the namespace of its other end
        self.rules = {}   # {(LSI, table, priority and match): cookie}
        self.marks = {}   # {name of a bridge or port: {key: value} of its external_ids}

    def __str__(self):
        return "\n".join(sorted("%s %s %s" % (thing + (where,)) for thing, where in self.things.items())
                         + sorted("rule %s %s 0x%x" % (key + (cookie,)) for key, cookie in self.rules.items()))

    def perform(self, wanted, done, quiet=False):
        self.performed += len(wanted)
        results = [getattr(self, step.verb)(step) or "" for step in wanted]
        self.loop.soon(done, results)

    def prune(self, folder, used):
        self.forget(lambda kind, name, where: kind == "folder" and name.startswith(folder) and name not in used)

    def mkdir(self, step):
        self.things["folder", step.words[0]] = ""

    def remove(self, step):
        for inner in ("", "/run/sf", "/tmp"):
            self.things.pop(("folder", step.words[0] + inner), None)

    def unpack(self, step):
        self.things["folder", step.words[2]] = ""
        return "start stop update"

    def group(self, step):
        self.things["group", step.words[0]] = ""

    def ungroup(self, step):
        self.things.pop(("group", step.words[0]), None)

    def signal(self, step):
        self.need(step, "namespace", step.words[0])

    def bind(self, step):
        self.need(step, "namespace", step.words[0])

    def script(self, step):
        self.need(step, "namespace", step.words[0])
        self.need(step, "folder", step.words[2])
        for word in step.words + tuple("%s=%s" % pair for pair in step.env):
            if "\0" in word or any("\ud800" <= letter <= "\udfff" for letter in word):
                self.wrong.append("cannot be an argument: %r" % word)

    def ip(self, step):
        kind, verb, name = step.words[:3]
        if (kind, verb) == ("netns", "add"):
            self.things["namespace", name] = ""
        elif (kind, verb) == ("link", "add"):
            self.need(step, "namespace", step.words[-1])
            self.make(kind, name, step.words[-1])
        elif verb == "del":
            self.things.pop(({"netns": "namespace"}.get(kind, kind), name), None)
            if kind == "netns":
                self.forget(lambda kind, _, where: (kind, where) == ("link", name))

    def run(self, step):
        if step.words[0] == "ovs-vsctl" and "list" in step.words:
            return self.look()
        if step.words[0] == "ovs-vsctl":
            for part in " ".join(step.words).split(" -- "):
                self.vsctl(step, *[word for word in part.split(" ") if not word.startswith(("--", "ovs-vsctl"))])
        elif step.words[0] == "ovs-ofctl":
            for line in step.stdin.splitlines():
                self.ofctl(step, step.words[-2], line)
        elif step.words[0] not in ("ip", "modprobe", "ovs-appctl", "sh"):
            self.wrong.append("no such program: %s" % step.words[0])

    def look(self):
        """Return what `ovs-vsctl --format=json list` prints of the switch, its bridges and its ports."""
        bridges, ports = [[[name, ["map", list(self.marks.get(name, {}).items())]] for kind, name in sorted(self.things)
                           if kind == wanted] for wanted in ("bridge", "port")]
        tables = [[["3.1.0", ["map", []]]], [row + ["netdev"] for row in bridges], [row + [1] for row in ports]]
        return "\n".join(json.dumps({"data": rows}) for rows in tables)

    def vsctl(self, step, verb="", *words):
        if verb == "add-br":
            self.make("bridge", words[0], "")
        elif verb == "add-port":
            self.need(step, "bridge", words[0])
            self.make("port", words[1], words[0])
        elif verb == "set":
            ids = [word.partition(":")[2].partition("=") for word in words[2:] if word.startswith("external_ids:")]
            self.marks.setdefault(words[1], {}).update((key, value) for key, _, value in ids)
        elif verb == "del-br":
            self.things.pop(("bridge", words[0]), None)
            self.forget(lambda kind, _, where: (kind, where) == ("port", words[0]))
            self.rules = {key: cookie for key, cookie in self.rules.items() if key[0] != words[0]}
        elif verb == "del-port":
            self.things.pop(("port", words[1]), None)

    def ofctl(self, step, lsi, line):
        self.need(step, "bridge", lsi)
        verb, _, line = line.partition(" cookie=")
        cookie, _, line = line.partition(",")
        if verb == "add":
            key = lsi, line[line.index("table="):line.index(",actions=")]
            number = int(cookie, 16)
            if self.rules.setdefault(key, number) != number:
                self.wrong.append("rule 0x%x takes the place of 0x%x: %s %s" % ((number, self.rules[key]) + key))
        else:
            value, mask = [int(text, 16) for text in cookie.split("/")]
            mask &= (1 << 64) - 1
            self.rules = {key: number for key, number in self.rules.items() if key[0] != lsi or (number ^ value) & mask}

    def make(self, kind, name, where):
        if not 0 < len(name) <= 15:
            self.wrong.append("not the length of a name: %s" % name)
        self.things[kind, name] = where

    def need(self, step, kind, name):
        if (kind, name) not in self.things:
            self.wrong.append("there is no %s %s: %s" % (kind, name, " ".join(step.words)))

    def forget(self, doomed):
        """Remove all things of which doomed(kind, name, where) is true."""
        self.things = {thing: where for thing, where in self.things.items() if not doomed(*thing, where)}


class Answer:
    """status, headers and body (bytes) of an answer."""

    def __init__(self, line, headers, body):
        self.status, self.headers, self.body = int(line.split(" ")[0]), dict(headers), body

    def json(self):
        """Return the body, which must be strict JSON."""
        return json.loads(self.body, parse_constant=_refuse)


class Node:
    """A node that is ready; its templates are in `folder`."""

    def __init__(self, folder):
        for template in TEMPLATES:
            (folder / (template["name"] + ".json")).write_text(json.dumps(template))
        (folder / "any.tgz").write_bytes(b"a bundle that nobody unpacks")
        for daemon in ovs.DAEMONS:
            (folder / (daemon + ".pid")).write_text(open("/proc/self/stat").read().split()[0])
        found = config.parse({"node": "node", "interfaces": [INTERFACE], "repository": str(folder),
                              "state": str(folder), "runtime": str(folder / "run"), "ovs": {"rundir": str(folder)}}, {})
        self.loop, self.store = Loop(), Store()
        self.world = World(self.loop)
        compute = {nsf.NAME: nsf}
        drivers = types.SimpleNamespace(vswitch=ovs, datapath="netdev", compute=compute, tunnels="auto", dhcp="udhcpc")
        drivers.silent = lambda: types.SimpleNamespace(**dict(vars(drivers), tell=lambda sf, state: None))
        self.orchestrator = orchestrator.Orchestrator(
            self.loop, self.world, drivers, self.store, repository.Repository(found.repository), found)
        self.app = rest.application(self.orchestrator)
        restore.start(self.orchestrator, "start")
        self.rest()

    def rest(self):
        """Let the node do what it has to do."""
        while self.loop.actions:
            self.loop.turn()

    def ask(self, method, path, body=b"", **headers):
        """Return the Answer to a request, after the job that it waits for."""
        answer, job = self._call(method, path, body, headers)
        if job:
            while not job.done:
                self.loop.turn()
            answer, _ = self._call(method, path, body, headers, job)
        self.rest()
        return answer

    def _call(self, method, path, body, headers, outcome=None):
        """Call the app as http.py does; return (the Answer, the job to wait for or None)."""
        path, _, query = path.partition("?")
        environ = {"REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
                   "QUERY_STRING": query, "CONTENT_LENGTH": str(len(body)), "SERVER_NAME": "localhost", "SERVER_PORT": "80",
                   "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(body),
                   "wsgi.errors": sys.stderr}
        environ.update(("HTTP_" + name.upper(), value) for name, value in headers.items())
        if outcome:
            environ["composer.outcome"] = outcome
        head = []
        parts = self.app(environ, lambda status, headers, exc_info=None: head.extend((status, headers)))
        return Answer(*head, b"".join(parts)), environ.get("composer.job")


def _refuse(name):
    raise ValueError("%s is not JSON" % name)
