"""Stored graphs: what was written is what comes back; whatever else is there becomes an error or a graph, never a surprise."""
import json
import os
import random

import pytest

from composer.core import json as shim, placing, plan, sffg, stored
from composer.core.errors import Conflict, Refused
from fake_node import Drivers
from graphs import both, graph, rule, sap, sf, vlan_sap
from mutation import mutate

SEED = int(os.environ.get("COMPOSER_SEED", "20261125"))
MUTANTS = 10_000 if os.environ.get("COMPOSER_FAULTS") == "full" else 1_000
BODIES = [
    graph("g", [sap("lan", "lan0"), sap("wan", "wan0")], [sf("fw", "firewall", "in", "out", SAY="hello"), sf("nat", "nat", "1", "2")],
          *both("1", "lan", "fw:in"), *both("2", "fw:out", "nat:1"), *both("3", "nat:2", "wan")),
    graph("g", [vlan_sap("a", "lan0", 7), sap("wan", "wan0")], [], *both("1", "a", "wan"), rule("t", "wan", "a", priority=4, dest_port=80,
                                                                                            protocol="tcp")),
]


def placed(body):
    found = sffg.parse(body)
    images = {one.id: {"type": "native", "template": one.name, "image": "/nsf/%s.tgz" % one.name, "digest": one.name * 4,
                       "limits": {"pids": 9}, "needs": {"memory": 4, "cpu": 0}, "cores": [1],
                       "positions": {port.id: index for index, port in enumerate(one.ports)}}
              for one in found.sfs}
    return placing.place(placing.empty("g"), found, images, 3, "/runtime")


RECORDS = [json.dumps(stored.record("me", placed(body))).encode() for body in BODIES]


@pytest.mark.parametrize("record", RECORDS)
def test_what_was_written_comes_back(record):
    owner, found = stored.read(json.loads(record), "g", "/runtime")
    again = json.dumps(stored.record(owner, found)).encode()
    assert again == record
    assert placing.same(found, placed(json.loads(record)["body"]))


def test_a_record_of_before_has_no_limits_and_no_cores_and_another_runtime_is_taken_as_it_is_configured():
    record = json.loads(RECORDS[0])
    for one in record["placed"]["sfs"].values():
        del one["limits"], one["needs"], one["cores"]
    _, found = stored.read(record, "g", "/elsewhere")
    fw = found["sfs"]["fw"]
    assert (fw["limits"], fw["needs"], fw["cores"]) == ({}, {}, []) and fw["home"].startswith("/elsewhere/")


@pytest.mark.parametrize("key, wrong", [("cores", "0"), ("cores", [-1]), ("cores", [1.5]), ("cores", {}), ("needs", []),
                                        ("needs", {"cpu": "2"}), ("needs", {"cpu": -1}), ("needs", {"cpu": float("nan")})])
def test_a_record_of_no_cores_or_needs_that_can_be_is_refused(key, wrong):
    record = json.loads(RECORDS[0])
    record["placed"]["sfs"]["fw"][key] = wrong
    with pytest.raises(Refused, match=key):
        stored.read(record, "g", "/runtime")


def test_whatever_is_in_a_record_is_refused_or_is_a_graph_that_can_be_made_and_taken_down():
    rng, taken = random.Random(SEED), 0
    for number in range(MUTANTS):
        text = mutate(rng, rng.choice(RECORDS), RECORDS)
        try:
            record = shim.loads(text)
        except ValueError:
            continue
        said = "seed %d, mutant %d: %.2000s" % (SEED, number, text)
        try:
            _, found = stored.read(record, "g", "/runtime")
        except Refused:
            continue
        except Exception as error:
            raise AssertionError(said) from error
        taken += 1
        lsis, ports = placing.on_switch(found)
        assert all(0 < len(name) <= 15 for name in lsis | ports), said
        for generator in (plan.mend(found, set([one["number"] for one in found["sfs"].values()]), Drivers),
                          plan.take_down(found, placing.empty("g"), Drivers)):
            try:
                answer = None
                while True:
                    steps = generator.send(answer)
                    answer = [""] * len(steps) if isinstance(steps, list) else ""
            except (StopIteration, Conflict):  # Conflict: of an execution environment that is not offered
                pass
    assert taken > MUTANTS // 100, "some are still graphs"
