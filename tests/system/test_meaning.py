"""Random graphs on real Open vSwitch: it says of packets what the big switch says, ports and headers.

The agent's own commands are carried out on an ovs-vswitchd without a datapath, whose ports are dummies, and ofproto/trace
tells, for the octets of a packet, what the datapath would do with it.
"""
import glob
import json
import re
import socket

import pytest

import packets
import random_graphs
import test_matches
import test_property
import test_tracing
from composer.core import names, tracing
from composer.core.errors import StepFailed
from composer.core.steps import line
from fake_node import NODE_RULES, Drivers, FakeNode
from frames import octets
from node import OVSDB_SERVER, Host

SEED = 20260102
GRAPHS = 100
VSWITCHD = """
ovs-vswitchd --detach --no-chdir --pidfile --log-file -vconsole:off -vsyslog:off --enable-dummy=override \
    --disable-system unix:"$OVS_RUNDIR/db.sock"
"""
# of `set` among the datapath's actions: the field of a packet and where in it the value begins
FIELDS = {"eth": {"src": ("eth_src", 0), "dst": ("eth_dst", 0)}, "tcp": {"src": ("tp_src", 0), "dst": ("tp_dst", 0)},
          "ipv4": {"src": ("ip_src", 0), "dst": ("ip_dst", 0), "tos": ("ip_dscp", 2), "ttl": ("ttl", 0)},
          "ipv6": {"src": ("ipv6_src", 0), "dst": ("ipv6_dst", 0), "tclass": ("ip_dscp", 2), "hlimit": ("ttl", 0)}}
FIELDS["udp"] = FIELDS["sctp"] = FIELDS["tcp"]


@pytest.fixture
def switch():
    with Host("switch") as box:
        box.env.update(dict.fromkeys(("OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR"), box.dir + "/ovs"))
        box.run("dash", "-euc", OVSDB_SERVER + VSWITCHD)
        yield box


class RealNode(FakeNode):
    """A FakeNode whose steps change a real switch too, which is asked where packets land."""

    def __init__(self, box):
        super().__init__(random_graphs.INTERFACES, self.run)
        self.box = box
        vswitch = Drivers.vswitch
        parts = [vswitch.MAKE["lsi"](names.LSI0, "node", "netdev")] + [
            vswitch.MAKE["sap"](names.LSI0, interface, "node", "1") for interface in random_graphs.INTERFACES]
        self.carry_out(vswitch.transact(parts))
        self.carry_out(vswitch.change_rules(names.LSI0, NODE_RULES))

    def run(self, step):
        if step.verb != "run":
            return ""
        done = self.box.run(*step.words, input=step.stdin, check=False)
        if done.returncode:
            raise StepFailed(line(step), done.stderr, done.returncode)
        return done.stdout + done.stderr

    def __enter__(self):
        """Be ready to be asked, and know which port of the datapath is which place."""
        self.unixctl = socket.socket(socket.AF_UNIX)
        self.unixctl.settimeout(10)
        self.unixctl.connect(glob.glob(self.box.dir + "/ovs/ovs-vswitchd.*.ctl")[0])
        self.numbers, lsi = {}, None
        for words in [text.split() for text in self.call("dpif/show").split("\n")]:
            if len(words) == 1:
                lsi = words[0].rstrip(":")
            elif len(words) == 3 and (lsi, words[0]) in self.places:
                self.numbers[words[1].rstrip(":").split("/")[1]] = self.places[lsi, words[0]]
        return self

    def __exit__(self, *failure):
        """Leave the switch without LSIs."""
        self.unixctl.close()
        self.box.run("ovs-vsctl", *" -- ".join(["del-br " + lsi for lsi in self.switch.ports]).split())

    def call(self, method, *params):
        """Return what ovs-appctl would print, without a process."""
        self.unixctl.sendall(json.dumps({"id": 0, "method": method, "params": params}).encode())
        text = b""
        while some := self.unixctl.recv(1 << 20):
            text += some
            try:
                answer = json.loads(text)
            except ValueError:  # there is more to come
                continue
            assert not answer["error"], answer["error"]
            return answer["result"]
        raise ConnectionError("ovs-vswitchd has ended")

    def lands(self, place, packet):
        lsi, port = self.port(place)
        told = self.call("ofproto/trace", lsi, "in_port=" + port, octets(packet).hex())
        actions = re.search("^Datapath actions: (.*)$", told, re.M)[1]
        return [] if actions == "drop" else landed(actions, packet, self.numbers)


def landed(actions, packet, numbers):
    """Return [(place, packet)] of the datapath's actions."""
    result, packet = [], dict(packet)
    for word in re.findall(r"(?:[^,(]|\((?:[^()]|\([^()]*\))*\))+", actions):
        verb, _, inner = word.partition("(")
        values = dict(re.findall(r"(\w+)=([^,()]+)", inner))
        if verb in numbers:
            result.append((numbers[verb], dict(packet)))
        elif verb == "pop_vlan":
            packet["tags"] = packet["tags"][1:]
        elif verb == "push_vlan":
            packet["tags"] = ((int(values["vid"]), int(values["pcp"])), *packet["tags"])
        elif "controller(reason=2" not in inner:  # a TTL that ended; there is no controller, so nothing comes of it
            assert verb == "set", actions
            fields = FIELDS[inner.partition("(")[0]]
            for name, text in values.items():
                field, shift = fields[name]
                value, mask = [packets.value_of(one) >> shift for one in (text.split("/") + ["0x" + "f" * 32])[:2]]
                packet[field] = packet[field] & ~mask | value & mask
    return result


def test_open_vswitch_says_what_the_big_switch_says(switch):
    dice, made = packets.Dice(SEED), 0
    print("seed", SEED)
    while made < GRAPHS:
        node, drafts, seen = test_property.several(dice, lambda: RealNode(switch))
        made += len(drafts)
        if made % 10 < len(drafts):
            new = random_graphs.varied(dice, drafts["a"])
            assert not any(node.put("a", random_graphs.fitting(dice, "a", new, node)))
            seen += random_graphs.packets(dice, "a", new)
        with node:
            test_property.check(node, [one for one in seen if node.has(one[0])], "graph %d" % made, node.bodies)


def test_open_vswitch_takes_every_match_as_it_is_told(switch):
    texts = [text for _, told in test_matches.EVERY_KEY for text in told]
    lines = ["add table=%d,%s,actions=drop" % (table, text) for table, text in enumerate(texts)]
    with RealNode(switch):
        said = switch.run("ovs-ofctl", "-O", "OpenFlow14", "--bundle", "add-flows", names.LSI0, "-",
                          input="\n".join(lines) + "\n").stderr
        assert said == "", "it says so if it made something else of a match"
        dumped = switch.run("ovs-ofctl", "-O", "OpenFlow14", "dump-flows", names.LSI0).stdout
        assert len(re.findall("actions=drop", dumped)) == len(texts)


def test_a_trace_is_read_as_the_recorded_one_is(switch):
    with RealNode(switch) as node:
        node.put("home", test_tracing.HOME["graph"].body)
        reading = tracing.trace(node.placed["home"], {"port_in": "sap:lan", "protocol": "tcp"}, Drivers.vswitch)
        answer = None
        with pytest.raises(StopIteration) as ended:
            while True:
                step = reading.send(answer)
                answer = node.run(step)
    found = [(hop["lsi"], hop["table"], hop["rule"], hop["actions"]) for hop in ended.value.value["hops"]]
    assert found == test_tracing.way(test_tracing.BOTH, port_in="sap:lan")
