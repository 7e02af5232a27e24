"""The front door: who may come in by default, and what is sent or brought by people who mean harm."""
import json
import os
import random

import pytest

import corpus
import mutation
from graphs import both, graph, sf
from node import Agent, Node
from place import LAN, WAN, bundle

SEED, MUTANTS = 20260301, 3000
DOORS = [("PUT", "/graphs/g1"), ("PUT", "/graphs/g2"), ("POST", "/graphs"), ("PUT", "/graphs/g1?dry-run=1"),
         ("PUT", "/NF-FG/g2"), ("POST", "/NF-FG/")]


class Untold(Agent):
    """An agent whose configuration does not say where to listen."""

    def start(self, ready=True):
        self.config.pop("listen", None)
        super().start(ready)

    def connect(self, timeout=60, address=None):
        link = self.node.socket()
        link.settimeout(timeout)
        try:
            link.connect(("127.0.0.1", 8080))
        except BaseException:
            link.close()
            raise
        return link


def test_without_listen_only_the_machine_itself_is_listened_to():
    with Node() as node:
        node.run("ip", "address", "add", "192.0.2.1/24", "dev", "lan0")
        assert node.run("ss", "-ltunH").stdout == ""
        with Untold(node) as agent:
            sockets = [line.split() for line in node.run("ss", "-ltunH").stdout.splitlines()]
            assert [(words[0], words[4]) for words in sockets] == [("tcp", "127.0.0.1:8080")]
            assert agent.request("GET", "/node")[0] == 200
            elsewhere = node.run("curl", "-s", "-m", "5", "http://192.0.2.1:8080/health", check=False)
            assert elsewhere.returncode == 7, "connection refused"
        started, = [line for line in agent.log.splitlines() if line.startswith("agent: started ")]
        assert "listen=127.0.0.1:8080" in started.split()


def paths(folder):
    """Return all that is in a folder, but not in those of Open vSwitch."""
    found = []
    for here, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != "ovs"]
        found += [os.path.join(here, name) for name in folders + files]
    return sorted(found)


@pytest.mark.parametrize("entry", ["../x", "../../x", "z/../../x", "/%s/x"])
def test_a_bundle_that_leads_out_of_its_folder_is_refused(place, entry):
    place.put(graph("good", [LAN, WAN], [sf("w", "puppet", "a", "b")], *both("1", "lan", "w:a")))
    place.delete("good")  # now the folder of the images is there
    folder = place.node.dir
    entry = entry.replace("/%s", folder)
    bundle(folder + "/repository/evil.tgz", {"start": "#!/bin/sh\n", entry: "evil\n"})
    before, world = paths(folder), place.world()
    template = {"name": "evil", "vnf-type": "native", "uri-image": "evil.tgz", "ports": [{"position": "1-N", "min": 1}]}
    evil = dict(sf("e", "evil", "a", "b"), template=template)
    body = graph("g", [LAN, WAN], [evil], *both("1", "lan", "e:a"))
    answer = place.put(body, 409)
    assert answer["error"] == "BadImage" and entry in answer["where"] + answer["message"], answer
    assert paths(folder) == before, "neither an x nor a staging folder"
    assert place.world() == world
    assert [one["id"] for one in place.ask("GET", "/graphs")["graphs"]] == []
    os.remove(folder + "/repository/evil.tgz")


@pytest.mark.long
@pytest.mark.timeout(600)
def test_mutants_over_http_to_a_real_agent_do_no_harm(place, capsys):
    rng, counts, before = random.Random(SEED), {}, place.world()
    good = [json.dumps(one) for one in corpus.graphs("lan0")]
    with capsys.disabled():
        print(" seed %d" % SEED, end="")
    for number in range(MUTANTS):
        text = mutation.mutate(rng, rng.choice(good), good)
        method, path = rng.choice(DOORS)
        status, _, answer = place.agent.request(method, path, text)
        counts[status] = counts.get(status, 0) + 1
        where = "mutant %d: %s %s %r: %d %s" % (number, method, path, text[:3000], status, answer)
        assert status < 500, where
        if status >= 400:
            assert sorted(answer) == ["error", "message", "where"], where
        if rng.random() < 0.2:
            place.clear()
    place.clear()
    assert not place.changes(before)
    assert "Traceback" not in place.agent.log and place.ask("GET", "/health")["status"] == "ok"
    assert all(counts.get(status, 0) > MUTANTS // 1000 for status in (200, 201, 400, 409)), counts


def test_an_address_that_others_reach_is_warned_of():
    with Node() as node:
        with Agent(node) as agent:
            assert "there are no users" not in agent.log
        with Agent(node, {"listen": "0.0.0.0:8080", "auth": "none"}) as agent:
            assert "there are no users" in agent.log
