"""The Elastic Router (paper, 8.7): it grows and shrinks with its load, and those who are routed notice nothing."""
import json
import sys
import time

import pytest

from node import ROOT

sys.path.insert(0, ROOT + "/nsf/elastic-router")
import topology  # noqa: E402
from elastic import GRAPH, Elastic  # noqa: E402

OUT_WITHIN = 5  # seconds from the threshold
SLOW = 1  # seconds that a machine of the tests may take longer, which does other things too


@pytest.fixture(scope="module")
def router():
    with Elastic() as router:
        router.deploy()
        yield router


def test_what_the_control_puts_is_what_the_example_is(router):
    assert router.switches() == ["sw"]
    with open(GRAPH) as file:
        example = json.load(file)
    assert router.ask("PUT", "/graphs/elastic-router", example)["outcome"] == "unchanged"


def test_it_scales_out_and_in_and_no_packet_of_the_flows_that_are_there_is_lost(router):
    begun = time.monotonic()
    first, second = router.probes()
    with first, second:
        load = router.load((4, 8e6), (4, 40e6), (6, 40e6), (1, 1e5), (12, 1e5))
        threshold = router.threshold(begun)
        out = router.wait("scaled", "large", begun, 30)
        assert router.switches() == ["sw0", "sw1", "sw2", "sw3"]
        back = router.wait("scaled", "small", out, 40)
        time.sleep(1)
        load.kill()
        load.wait()
    print("scaled out %.2f s after the threshold, in after %.1f s; lost %d and %d of %d and %d packets" % (
        out - threshold, back - begun, first.lost, second.lost, first.sent, second.sent))
    assert out - threshold < OUT_WITHIN + SLOW
    assert (first.lost, second.lost) == (0, 0)
    assert router.switches() == ["sw"]


def test_a_control_that_is_started_anew_finishes_what_it_finds(router):
    body = router.ask("GET", "/graphs/elastic-router")
    between = topology.make(body["sffg"], [topology.SMALL, topology.LARGE], topology.SMALL, {"rate": 20000000, "risk": 0.5, "calm": 0.3})
    router.ask("PUT", "/graphs/elastic-router", {"sffg": between})
    assert len(router.switches()) == 5
    begun = time.monotonic()
    router.ask("POST", "/graphs/elastic-router/functions/ctl/restart")
    router.wait("scaled", "small", begun, 20)
    assert router.switches() == ["sw"]
    assert not router.hosts[0].run("ping", "-c", "1", "-W", "2", router.hosts[3].ip).returncode


def test_without_a_broker_it_routes_on_and_says_why_it_cannot_scale(router):
    """What its status script says when that has lasted for 20 s."""
    router.broker.kill()
    try:
        end = time.monotonic() + 30
        while "no broker at 10.80.0.1:1883" not in router.node.run("dash", "-c", "cat %s/runtime/functions/*/run/control.said" % router.node.dir).stdout:
            assert time.monotonic() < end
            assert not router.hosts[1].run("ping", "-c", "1", "-W", "2", router.hosts[2].ip).returncode
            time.sleep(0.5)
    finally:
        router.broker.start()
