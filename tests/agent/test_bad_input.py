"""Bad input, to a real agent over real HTTP: the right status, the place, what would be right; and nothing is done."""
import copy
import json
import re

import pytest

import mistakes
from node import Agent, Node


def put(graph, changes):
    """Return a copy of `graph` with {place: value} changed in what it holds."""
    graph = copy.deepcopy(graph)
    for place, value in changes.items():
        holder = next(iter(graph.values()))
        words = [int(word) if word.isdigit() else word for word in re.findall(r"[^.\[\]]+", place)]
        for word in words[:-1]:
            holder = holder[word]
        if value is mistakes.GONE:
            del holder[words[-1]]
        elif isinstance(holder, list) and words[-1] == len(holder):
            holder.append(value)
        else:
            holder[words[-1]] = value
    return graph


def rows():
    """Yield (method, path, body, headers, status, where, what would be right) of every mistake."""
    for text, where, right in mistakes.TEXTS:
        yield "PUT", "/graphs/g", text, {}, 400, where, right
    for graph, table in ((mistakes.GOOD, mistakes.PLACES), (mistakes.SECOND, mistakes.SECOND_PLACES)):
        for place, value, right, *where in table:
            yield "PUT", "/graphs/g", put(graph, {place: value}), {}, 400, (where or [place])[0], right
    for graph, table in ((mistakes.GOOD, mistakes.NODE), (mistakes.SECOND, mistakes.SECOND_NODE)):
        for changes, where, right in table:
            yield "PUT", "/graphs/g", put(graph, changes), {}, 409, where, right
    for changes, right in mistakes.TEMPLATES:
        template = {key: value for key, value in dict(mistakes.TEMPLATE, **changes).items() if value is not mistakes.GONE}
        yield "PUT", "/graphs/g", put(mistakes.GOOD, {"SFs[0].template": template}), {}, 400, "SFs[0].template", right
    for rules, graph, said in (("flowrules[0]", mistakes.GOOD, lambda value: value),
                               ("big-switch.flow-rules[0]", mistakes.SECOND, in_second)):
        for match, key, right in mistakes.MATCHES:
            changes = {rules + ".match." + name: said(value) for name, value in match.items()}
            yield "PUT", "/graphs/g", put(graph, changes), {}, 400, rules + ".match." + key, said(right)
        for match, actions, place, right, *status in mistakes.ACTIONS:
            changes = {rules + ".match." + name: value for name, value in match.items()}
            changes[rules + ".actions"] = said(actions)
            yield "POST", "/NF-FG", put(graph, changes), {}, (status or [400])[0], rules + ".actions" + place, said(right)
    yield from mistakes.REQUESTS


def in_second(value):
    """Return a value with its port references as the second dialect writes them."""
    if value is mistakes.GONE:
        return value
    return json.loads(json.dumps(value).replace(mistakes.SAP, "endpoint:").replace('"sf:', '"vnf:').replace(" sf:", " vnf:"))


ROWS = list(rows())


@pytest.fixture(scope="module")
def node():
    with Node(interfaces=("lan0", "wan0", "old0")) as node:
        yield node


@pytest.fixture(scope="module")
def agent(node):
    with Agent(node) as agent:
        node.run("ip", "link", "del", "old0")
        assert agent.request("PUT", "/graphs/there", mistakes.THERE)[0] == 201
        yield agent


def state(agent):
    """Return what a refused request must not change: how many steps were performed, and the graphs."""
    steps = [line for line in agent.request("GET", "/metrics")[2].split("\n") if line.startswith("composer_steps_total")]
    return [steps] + [agent.request("GET", path)[2] for path in ("/graphs", "/graphs/there", "/graphs/there/status")]


def test_there_are_many_mistakes():
    assert len(ROWS) > 400 and len({str(row) for row in ROWS}) == len(ROWS)


def test_the_graphs_are_good_without_the_mistakes(agent):
    template = {"SFs[0].template": mistakes.TEMPLATE}
    for graph in (mistakes.GOOD, mistakes.SECOND, put(mistakes.GOOD, template)):
        assert agent.request("POST", "/graphs?dry-run=1", graph)[0] == 200


@pytest.mark.parametrize("row", ROWS, ids=["%d %s" % row[4:6] for row in ROWS])
def test_a_mistake_is_named_and_nothing_is_done(agent, row):
    method, path, body, headers, status, where, right = row
    before, logged = state(agent), len(agent.log)
    answer = agent.request(method, path, body, headers)
    sent = "%s %s %.3000r -> %s" % (method, path, body, answer[::2])
    assert (answer[0], answer[2]["where"]) == (status, where), sent
    assert right in answer[2]["message"], sent
    assert sorted(set(answer[2]) - {"templates"}) == ["error", "message", "where"] and len(answer[2]["message"]) < 1000, sent
    assert ("Allow" in answer[1]) == (status == 405)
    assert state(agent) == before, sent
    log = agent.log[logged:]
    assert "Traceback" not in log and ": failed at=" not in log and "loop: failed" not in log, log
