"""FROG: its orchestrator and its GUI drive the agent, with all that they take for granted (SPEC 2).

Both keep their connection, log in when they have to, and log in once more and repeat a request when it is answered 401.
"""
import copy
import hashlib
import http.client
import json
import threading
import time

import pytest

from function import pings
from place import Place

ADDRESS = "127.0.0.1", 8080
USERNAME, PASSWORD = "frog", "tadpole and newt"
SALT = bytes(range(16))
HASH = "pbkdf2-sha256$10000$%s$%s" % (SALT.hex(), hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), SALT, 10000).hex())
USERS = {"users": [{"name": USERNAME, "role": "admin", "password": HASH}]}


class Connection(http.client.HTTPConnection):
    """A connection to a node's agent, from the node; .opened: how often it had to be."""

    def __init__(self, node):
        super().__init__(*ADDRESS)
        self.node, self.opened = node, 0

    def connect(self):
        self.sock = self.node.socket()
        self.sock.settimeout(30)
        self.sock.connect(ADDRESS)
        self.opened += 1


class Client:
    """What both have in common.  .seen: the statuses of all requests, logins too; .headers: those of the last answer."""

    def __init__(self, place, password=PASSWORD):
        self.connection, self.password, self.token, self.seen = Connection(place.node), password, None, []

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.connection.close()

    def ask(self, method, path, body=None, wanted=200):
        """Return the answer to a request, which must have the status `wanted`: from JSON, if it is JSON."""
        if self.token is None:
            self.login()
        status, text = self.send(method, path, body)
        if status == 401:
            self.login()
            status, text = self.send(method, path, body)
        assert status == wanted, "%s %s: %d %s" % (method, path, status, text)
        return json.loads(text) if "json" in self.headers.get("Content-Type", "") else text

    def login(self):
        status, text = self.send("POST", "/login", {"username": USERNAME, "password": self.password})
        if status != 200:
            raise PermissionError(text)
        assert self.headers["Content-Type"].startswith("text/plain") and text.strip() == text != ""
        self.token = text

    def send(self, method, path, body):
        """Return (status, text) of the answer to one request; on a new connection if the old one has been closed."""
        headers = {"Accept": "*/*", "Connection": "keep-alive", "Content-Type": "application/json"}
        if self.token:
            headers["X-Auth-Token"] = self.token
        for last in False, True:
            try:
                self.connection.request(method, path, None if body is None else json.dumps(body), headers)
                answer = self.connection.getresponse()
                break
            except ConnectionError:
                self.connection.close()
                if last:
                    raise
        text, self.headers = answer.read().decode(), answer.headers
        self.seen.append(answer.status)
        return answer.status, text


class Orchestrator(Client):
    """Deploys, watches, changes and removes."""

    def deploy(self, graph, path="/NF-FG/"):
        name = self.ask("POST", path, graph, 201)["nffg-uuid"]
        assert self.headers["Location"] == "/NF-FG/" + name
        return name

    def change(self, name, graph):
        self.ask("PUT", "/NF-FG/" + name, graph, 202)

    def remove(self, name):
        assert self.ask("DELETE", "/NF-FG/" + name, wanted=204) == ""

    def graph(self, name):
        return self.ask("GET", "/NF-FG/" + name)

    def state(self, name):
        answer = self.ask("GET", "/NF-FG/status/" + name)
        return answer["status"], answer["percentage_completed"]

    def names(self, path="/NF-FG"):
        return [one["nffg-uuid"] for one in self.ask("GET", path)["NF-FG"]]


class Gui(Client):
    """Shows what there is, and puts back what a person has moved or drawn."""

    def drawings(self):
        return {one.pop("nffg-uuid"): one for one in self.ask("GET", "/NF-FG/")["NF-FG"]}

    def move(self, name, x, y):
        """Move all of a graph."""
        graph = self.ask("GET", "/NF-FG/" + name)
        for one in graph["forwarding-graph"]["VNFs"] + graph["forwarding-graph"]["end-points"]:
            one["gui-position"] = {"x": x, "y": y}
        self.ask("PUT", "/NF-FG/" + name, graph, 202)
        return graph


@pytest.fixture(scope="module")
def shared():
    with Place(["lan0", "wan0"], auth=USERS) as place:
        place.agent.stop()
        place.agent.config["listen"] = [place.agent.config["listen"], "%s:%d" % ADDRESS]
        place.agent.start()
        yield place


@pytest.fixture
def orchestrator(place):
    with Orchestrator(place) as client:
        yield client


@pytest.fixture
def gui(place):
    with Gui(place) as client:
        yield client


def chain(*functions, name="chain"):
    """Return a graph of lan0, functions in a row, and wan0, as FROG says it."""
    ends = ["endpoint:lan"] + ["vnf:%s:inout:%d" % (one["id"], port) for one in functions for port in (0, 1)]
    ends.append("endpoint:wan")
    rules = []
    for one, other in zip(ends[::2], ends[1::2]):
        for port_in, output in (one, other), (other, one):
            rules.append({"id": str(len(rules) + 1), "priority": 10, "match": {"port_in": port_in},
                          "actions": [{"output_to_port": output}]})
    return {"forwarding-graph": {
        "name": name, "VNFs": list(functions), "big-switch": {"flow-rules": rules}, "end-points": [
            {"id": "lan", "name": "lan", "type": "interface", "interface": {"if-name": "lan0"}},
            {"id": "wan", "name": "wan", "type": "interface", "interface": {"if-name": "wan0"}}]}}


def vnf(sf, *variables, **more):
    """Return a function: a puppet, if `more` does not say what it is."""
    more = more or {"name": "puppet"}
    return dict({"id": sf, "ports": [{"id": "inout:%d" % port, "name": "data-port"} for port in (0, 1)],
                 "unify-env-variables": [{"variable": one} for one in variables]}, **more)


def drawn():
    """Return a graph as a person draws it: "" for what was left empty, numbers as strings, functions named all ways."""
    graph = chain(
        vnf("fw", name="firewall", **{"functional-capability": "firewall"}),
        vnf("br", name="our bridge", **{"functional-capability": "bridge"}),
        vnf("wire", **{"functional-capability": "wire"}), vnf("last", name="bridge"))
    inner = graph["forwarding-graph"]
    inner.update({"id": "", "description": "", "domain": "", "unify-monitoring": ""})
    for one in inner["VNFs"]:
        one.update({"vnf_template": "", "domain": "", "groups": [], "unify-control": [],
                    "gui-position": {"x": "10", "y": "20"}})
        one.setdefault("functional-capability", "")
        for port in one["ports"]:
            port.update({"name": "", "mac": "", "trusted": "", "unify-ip": "", "gui-position": {"x": 1, "y": 2}})
    for one in inner["end-points"]:
        one.update({"name": "", "domain": "", "node-id": "", "remote_endpoint_id": "", "gui-position": {"x": 3, "y": 4},
                    "prepare_connection_to_remote_endpoint_ids": []})
    inner["end-points"].append({"id": "phones", "name": "", "type": "vlan", "vlan": {"vlan-id": "25", "if-name": "lan0"}})
    for rule in inner["big-switch"]["flow-rules"]:
        rule.update({"priority": "10", "description": ""})
    inner["big-switch"]["flow-rules"].append({
        "id": "11", "description": "", "priority": "0x14", "actions": [{"drop": True}],
        "match": {"port_in": "endpoint:lan", "ether_type": "0x800", "protocol": "6", "dest_port": "23"}})
    return graph


# The orchestrator.


@pytest.mark.parametrize("path", ["/NF-FG", "/NF-FG/"])
def test_the_orchestrator_takes_a_graph_through_its_life_on_one_connection(place, orchestrator, path):
    graph = chain(vnf("b", name="bridge"))
    assert orchestrator.names(path) == []
    name = orchestrator.deploy(graph, path)
    assert pings(place.lan, "10.0.0.2"), "201 means that it forwards"
    assert orchestrator.graph(name) == graph and orchestrator.state(name) == ("complete", 100)
    other = chain(vnf("f", "FIREWALL_RULES=drop icmp", name="firewall"))
    orchestrator.change(name, other)
    assert not pings(place.lan, "10.0.0.2", within=0.3), "202 means that it has changed"
    assert orchestrator.graph(name) == other and orchestrator.names(path) == [name]
    orchestrator.remove(name)
    assert orchestrator.names(path) == []
    for method, gone in ("GET", name), ("DELETE", name), ("GET", "status/nobody"), ("GET", "nobody"):
        orchestrator.ask(method, "/NF-FG/" + gone, wanted=404)
    assert orchestrator.connection.opened == 1 and 401 not in orchestrator.seen
    assert place.ask("GET", "/graphs") == {"graphs": []}


def test_a_graph_can_be_put_under_a_name_that_the_orchestrator_chose(orchestrator):
    orchestrator.change("0001", chain())
    assert orchestrator.names() == ["0001"] and orchestrator.graph("0001") == chain()
    orchestrator.change("0001", chain())
    orchestrator.remove("0001")


def test_the_status_is_true_while_a_deploy_is_under_way_and_while_a_change_is(place, orchestrator):
    slow = [vnf(name, "START=sleep 0.3") for name in ("p", "q", "r", "s", "t")]
    for new, functions in (3, slow[:3]), (2, slow):
        seen = watched(place, orchestrator, chain(*functions))
        shares = [share for state, share in seen if state == "in_progress"]
        assert len(shares) >= new and shares == sorted(shares), seen
        assert all((state == "complete") == (share == 100) for state, share in seen), seen
    before = orchestrator.graph("g")
    seen = watched(place, orchestrator, chain(*slow, vnf("bad", "START=sleep 0.2; exit 1")), wanted=500)
    assert seen[-1][0] == "error" and orchestrator.state("g")[0] == "error"
    assert orchestrator.graph("g") == before, "a change that fails changes nothing"


def watched(place, orchestrator, graph, wanted=202):
    """PUT graph g; return the states in which another client meanwhile finds it, each once."""
    seen = []
    with Orchestrator(place) as watcher:
        watcher.login()
        change = threading.Thread(target=orchestrator.ask, args=("PUT", "/NF-FG/g", graph, wanted))
        change.start()
        while change.is_alive():
            status, text = watcher.send("GET", "/NF-FG/status/g", None)
            if status == 200:  # else it is not there yet
                answer = json.loads(text)
                state = answer["status"], answer["percentage_completed"]
                seen += [] if state in seen else [state]
            time.sleep(0.02)
        change.join()
        assert orchestrator.seen[-1] == wanted
        seen.append(watcher.state("g"))
    return seen


def test_a_deploy_that_fails_is_an_error_and_its_status_says_so(place, orchestrator):
    before = place.world()
    orchestrator.ask("PUT", "/NF-FG/g", chain(vnf("bad", "START=exit 1")), 500)
    assert orchestrator.state("g")[0] == "error" and orchestrator.names() == []
    orchestrator.ask("POST", "/NF-FG/", {"forwarding-graph": {"VNFs": "none"}}, 400)
    orchestrator.ask("POST", "/NF-FG/", chain(vnf("x", name="teleport")), 409)
    assert not place.changes(before)


# Logins.


def test_who_has_no_token_gets_nothing_and_who_has_a_wrong_password_no_token(place):
    with Orchestrator(place, "another") as stranger:
        for method, path in (("GET", "/NF-FG"), ("GET", "/NF-FG/"), ("POST", "/NF-FG/"), ("PUT", "/NF-FG/g"),
                             ("GET", "/NF-FG/g"), ("GET", "/NF-FG/status/g"), ("DELETE", "/NF-FG/g")):
            assert stranger.send(method, path, chain() if method[0] == "P" else None)[0] == 401, (method, path)
        with pytest.raises(PermissionError):
            stranger.names()
        assert set(stranger.seen) == {401}
    assert place.ask("GET", "/graphs") == {"graphs": []}


def test_a_token_that_has_ended_costs_one_more_login_and_each_request_is_done_once(place, orchestrator):
    kept = orchestrator.deploy(chain())
    steps = (lambda: orchestrator.names(), lambda: orchestrator.graph(kept), lambda: orchestrator.state(kept),
             lambda: orchestrator.change(kept, chain(name="another")), lambda: orchestrator.remove(kept),
             lambda: orchestrator.deploy(chain(name="one")))
    for step in steps:
        orchestrator.token, orchestrator.seen = "0" * 64, []
        step()
        assert orchestrator.seen[:2] == [401, 200] and len(orchestrator.seen) == 3 and orchestrator.seen[2] < 300
    assert len(orchestrator.names()) == 1, "the POST that was answered 401 deployed nothing"
    assert orchestrator.connection.opened == 1


def test_an_agent_that_starts_again_is_met_with_a_new_connection_and_a_new_login(place, orchestrator):
    name = orchestrator.deploy(chain())
    place.agent.stop()
    place.agent.start()
    assert orchestrator.graph(name) == chain() and orchestrator.seen[-3:] == [401, 200, 200]
    assert orchestrator.connection.opened == 2 and pings(place.lan, "10.0.0.2")


def test_without_users_a_login_gives_a_token_that_nobody_asks_for():
    with Place(["lan0", "wan0"], listen="%s:%d" % ADDRESS) as place, Orchestrator(place) as orchestrator:
        orchestrator.remove(orchestrator.deploy(chain()))
        assert orchestrator.token and orchestrator.seen == [200, 201, 204]
        orchestrator.token = "anything"
        assert orchestrator.names() == []


# The GUI.


def test_the_gui_shows_what_the_orchestrator_deployed_and_a_move_is_kept_but_does_nothing(place, orchestrator, gui):
    graph = chain(vnf("b", name="bridge"))
    name = orchestrator.deploy(graph)
    assert gui.drawings() == {name: graph}
    world, steps = place.world(), place.metric("composer_steps_total")
    for x, y in (367, 586), (12.5, -3):
        moved = gui.move(name, x, y)
        assert orchestrator.graph(name) == moved != graph
        assert gui.drawings()[name]["forwarding-graph"]["VNFs"][0]["gui-position"] == {"x": x, "y": y}
    assert place.metric("composer_steps_total") == steps
    assert all(" stored " in " " + line[1:] for line in place.changes(world)), "only what is kept of the graph is new"
    place.agent.stop()
    place.agent.start()
    assert gui.drawings() == {name: moved}, "it is still there after a start"


def test_what_a_person_draws_is_taken_with_all_that_was_left_empty(place, orchestrator, gui):
    name = orchestrator.deploy(drawn())
    assert gui.drawings() == {name: drawn()}
    assert pings(place.lan, "10.0.0.2")
    assert {one["id"]: one["implementation"] for one in place.status(name)["functions"]} == {
        "fw": "firewall", "br": "bridge", "wire": "sample", "last": "bridge"}, "the capability, or else the name"
    again = copy.deepcopy(drawn())
    again["forwarding-graph"]["description"] = "now it has one"
    steps = place.metric("composer_steps_total")
    gui.ask("PUT", "/NF-FG/" + name, again, 202)
    assert gui.drawings() == {name: again} and place.metric("composer_steps_total") == steps
