"""A node whose functions are in a repository over HTTP: they come, they are what they should be, and they are there again
after a reboot, though the repository is away."""
import socket

import pytest

from function import pings
from graphs import both, graph, sap, sf
from place import LAN, WAN, Place, chain, until
from web import EVER, Web

PORT = 8000
TEMPLATE = {"name": "puppet", "functional-capability": "puppet", "vnf-type": "native", "uri-image": "puppet.tgz",
            "ports": [{"position": "1-N", "min": 1}]}
IMAGE = "/v2/nf_image/%s/"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    cache = {"folder": str(tmp_path_factory.mktemp("cache")), "size": 1}
    with Place(repository="http://127.0.0.1:%d" % PORT, cache=cache) as place:
        yield place


@pytest.fixture
def web(shared):
    with open(shared.node.dir + "/repository/puppet.tgz", "rb") as file:
        image = file.read()
    sock = shared.node.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", PORT))
    with Web(sock) as web:
        for name in ("puppet", "evil"):
            web.say("/v2/nf_capability/%s/" % name, {"list": [{"id": name, "template": dict(TEMPLATE, name=name)}]})
            web.files[IMAGE % name] = image
        yield web


def test_a_function_comes_from_the_repository_and_after_a_reboot_from_the_cache(place, web):
    place.put(chain("v", "w"))
    assert pings(place.lan, "10.0.0.2")
    assert [path for path, _ in web.asked] == ["/v2/nf_capability/puppet/", IMAGE % "puppet"]
    assert place.put(chain("v", "w"))["outcome"] == "unchanged"
    assert [one["template"] for one in place.ask("GET", "/functions")["functions"]] == ["puppet"]
    assert len(web.asked) == 2
    web.close()
    place.agent.stop()
    place.node.run("dash", "-c", "for name in $(ovs-vsctl list-br); do ovs-vsctl del-br $name; done; ip -all netns del; "
                   "rm -rf %s/runtime" % place.node.dir)
    place.agent.start()
    until(lambda: place.status("g")["state"] == "deployed")
    assert pings(place.lan, "10.0.0.2")
    place.delete("g")
    place.put(chain("v"))  # with the answer of before
    assert place.calls("v") == ["start"]


def test_an_image_that_is_not_what_it_should_be_is_refused_and_nothing_is_left(place, web):
    body = graph("g", [LAN, WAN], [sf("e", "evil", "a", "b")], *both("1", "lan", "e:a"))
    web.say("/v2/nf_capability/evil/", {"list": [{"id": "evil", "template": dict(TEMPLATE, name="evil", sha256="1" * 64)}]})
    before = place.world()
    answer = place.put(body, 409)
    assert answer["error"] == "BadImage" and answer["where"].endswith(IMAGE % "evil")
    assert "should be " + "1" * 64 in answer["message"]
    web.faults["/v2/nf_capability/other/"] = [403, EVER]
    body["sffg"]["SFs"][0]["name"] = "other"
    answer = place.put(body, 503)
    assert answer["error"] == "Unavailable" and "403" in answer["message"]
    assert place.world() == before and place.ask("GET", "/graphs")["graphs"] == []


def test_a_dry_run_brings_no_image(place, web):
    web.say("/v2/nf_capability/dry/", {"list": [{"id": "dry", "template": dict(TEMPLATE, name="dry", sha256="2" * 64)}]})
    web.say("/v2/nf_capability/unknown/", {"list": [{"id": "unknown", "template": dict(TEMPLATE, name="unknown")}]})
    body = graph("g", [LAN, WAN], [sf("d", "dry", "a", "b")], *both("1", "lan", "d:a"))
    plan = place.ask("PUT", "/graphs/g?dry-run=1", body)["plan"]
    assert [line for line in plan if "2" * 64 + ".tgz" in line]
    body["sffg"]["SFs"][0]["name"] = "unknown"
    assert "a dry run brings none" in place.ask("PUT", "/graphs/g?dry-run=1", body, 409)["message"]
    assert not [path for path, _ in web.asked if "image" in path]


def test_a_tenants_template_reaches_no_other_server(place, web):
    with Web() as inside:
        template = dict(TEMPLATE, **{"uri-image": inside.url + "/secret", "sha256": "1" * 64})
        body = graph("g", [LAN, WAN], [dict(sf("e", "evil", "a", "b"), template=template)], *both("1", "lan", "e:a"))
        answer = place.put(body, 400)
        assert "should be a URL of this node's repository" in answer["message"] and inside.asked == []


def test_a_function_that_is_a_graph_comes_with_all_that_is_in_it(place, web):
    inner = chain("v")["sffg"]
    body = dict(inner, id="t", saps=[dict(sap, interface={"if-name": sap["id"]}) for sap in inner["saps"]])
    template = {"name": "whole", "functional-capability": "whole", "vnf-type": "graph", "uri-image": "whole.graph"}
    web.say("/v2/nf_capability/whole/", {"list": [{"id": "whole", "template": template}]})
    web.say(IMAGE % "whole", {"sffg": body})
    place.put(graph("g", [LAN, WAN], [sf("w", "whole", "a", "b")], *both("1", "lan", "w:a"), *both("2", "w:b", "wan")))
    assert pings(place.lan, "10.0.0.2")
    assert [(one["id"], one["type"]) for one in place.status("g")["functions"]] == [("w", "graph"), ("w/v", "native")]
    place.clear()


def test_what_a_large_graph_that_is_a_template_is_made_of_comes_at_once(place, web):
    names = ["f%d" % number for number in range(70)]
    for name in names:
        web.say("/v2/nf_capability/%s/" % name, {"list": [{"id": "puppet", "template": TEMPLATE}]})
    body = graph("t", [sap("a", "a")], [sf(name, name, "a", "b") for name in names])
    web.say("/v2/nf_capability/large/", {"list": [{"id": "large", "template": {
        "name": "large", "functional-capability": "large", "vnf-type": "graph", "uri-image": "large.graph"}}]})
    web.say(IMAGE % "large", body)
    asked = graph("g", [LAN, WAN], [sf("w", "large", "a")], *both("1", "lan", "w:a"))
    assert place.ask("PUT", "/graphs/g?dry-run=1", asked)["plan"]
