"""composerctl with a real agent: what a user types, and what he reads."""
import copy
import glob
import json
import os
import re
import signal

import pytest

from ctl import ERASE, Terminal, ctl, popen
from graphs import both, graph, rule, sap, sf, wire
from place import Place

LAN, WAN = sap("lan", "lan0"), sap("wan", "wan0")
GATED = "while [ ! -e /tmp/go ]; do sleep 0.02; done"  # until the test makes it: see open_gate
FIREWALL = sf("fw", "firewall", "in", "out", FIREWALL_RULES="drop tcp 8081")
HOME = graph("home", [LAN, WAN], [FIREWALL, sf("br", "bridge", "1", "2")],
             *both("a", "lan", "fw:in"), *both("b", "fw:out", "br:1"), *both("c", "br:2", "wan"))
CORE = [str(core) for core in sorted(os.sched_getaffinity(0))[:-1][:1]]  # none if there is one: nothing is bound
HEADER = ["SF", "FUNCTION", "IMPLEMENTATION", "TYPE", "STATE"] + ["CORES"] * len(CORE)


@pytest.fixture(scope="module")
def shared():
    with Place() as place:
        place.url = "unix:%s/agent.sock" % place.node.dir
        yield place


@pytest.fixture
def place(shared):
    yield shared
    shared.clear()


@pytest.fixture
def run(place):
    """composerctl, to its end: run("list")."""
    return lambda *words, **options: ctl(place.url, *words, **options)


@pytest.fixture
def file(tmp_path):
    """Write a graph to a file; return its path."""
    def write(body, name="graph.json"):
        (tmp_path / name).write_text(body if isinstance(body, str) else json.dumps(body))
        return str(tmp_path / name)
    return write


def slow(name="slow", **variables):
    """A graph of one function, which does not start before its gate is open."""
    return graph(name, [LAN, WAN], [sf("f", "puppet", "a", "b", START=GATED, **variables)], *both("r", "lan", "f:a"))


def open_gate(place):
    for folder in glob.glob(place.node.dir + "/runtime/functions/*/tmp"):
        open(folder + "/go", "w").close()


def rows(text):
    """Return a table's cells, and that they stand in columns."""
    lines = text.rstrip("\n").split("\n")
    starts = [found.start() for found in re.finditer(r"(?<=  )\S|^\S", lines[0])]
    assert all(line[start - 1] == " " and line[start] != " " for line in lines for start in starts[1:]), text
    return [[line[start:end].strip() for start, end in zip(starts, starts[1:] + [None])] for line in lines]


# What is done.


def test_a_graph_is_applied_read_and_deleted(run, file):
    done = run("apply", file(HOME))
    assert done.returncode == 0
    first, table = done.stdout.split("\n", 1)
    assert re.fullmatch(r"home created in \d+\.\d\d s", first)
    functions = [HEADER] + [[sf, name, name, "native", "running"] + CORE for sf, name in (("br", "bridge"), ("fw", "firewall"))]
    assert rows(table) == functions
    assert rows(run("list").stdout) == [["ID", "NAME", "STATE"], ["home", "-", "deployed"]]
    first, table = run("status", "home").stdout.split("\n", 1)
    assert first == "home: deployed, 100 %" and rows(table) == functions
    done = run("delete", "home")
    assert done.returncode == 0 and re.fullmatch(r"home deleted in \d+\.\d\d s\n", done.stdout)
    assert run("list").stdout == "no graphs; composerctl apply FILE deploys one\n"


def test_what_get_gives_apply_takes_and_changes_nothing(run, file):
    run("apply", file(HOME))
    found = run("get", "home").stdout
    assert json.loads(found) == HOME and found.startswith('{\n  "sffg": {\n')
    assert run("apply", "-", input=found).stdout.startswith("home unchanged in ")
    assert run("plan", "-", input=found).stdout == "# nothing to do: the graph is deployed like that\n"


def test_a_change_of_the_file_is_an_update(run, file, place):
    run("apply", file(HOME))
    changed = copy.deepcopy(HOME)
    changed["sffg"]["name"] = "another"
    changed["sffg"]["flowrules"][0]["priority"] = 7
    assert run("apply", file(changed)).stdout.startswith("home updated in ")
    assert place.ask("GET", "/graphs/home") == changed


def test_the_id_is_that_of_the_option_or_the_graph_or_new(run, file, place):
    body = wire("w", LAN, WAN)
    del body["sffg"]["id"]
    nffg = {"forwarding-graph": {"name": "n", "end-points": [LAN, WAN], "big-switch": {"flow-rules": [
        {"id": "1", "priority": 9, "match": {"port_in": "endpoint:lan"}, "actions": [{"output_to_port": "endpoint:wan"}]}]}}}
    assert run("apply", file(body)).returncode == run("apply", file(nffg), "--id", "frog").returncode == 0
    names = [one["id"] for one in place.ask("GET", "/graphs")["graphs"]]
    assert len(names) == 2 and "frog" in names and re.fullmatch("[0-9a-f]{16}", min(names))
    refused = run("apply", file(wire("w", LAN, WAN)), "--id", "v")
    assert refused.returncode == 1 and "id: is w, but the URL names v" in refused.stderr


def test_a_plan_is_shown_and_not_done(run, file, place):
    before = place.world()
    plans = [run("plan", file(HOME)), run("apply", "--dry-run", file(HOME)), run("plan", "--json", file(HOME))]
    assert [plan.returncode for plan in plans] == [0, 0, 0] and plans[0].stdout == plans[1].stdout
    assert json.loads(plans[2].stdout)["plan"] == plans[0].stdout.splitlines()
    assert "ip netns add composer:home:fw\n" in plans[0].stdout and place.world() == before
    del (body := copy.deepcopy(HOME))["sffg"]["id"]
    assert re.search("ip netns add composer:[0-9a-f]{16}:fw\n", run("plan", file(body)).stdout)


def test_functions_are_stopped_and_started(run, file, place):
    run("apply", file(HOME))
    for verb, said, state in (("pause", "paused", "paused"), ("resume", "resumed", "running"), ("stop", "stopped", "stopped"),
                              ("start", "started", "running"), ("restart", "restarted", "running")):
        done = run(verb, "home", "fw")
        assert (done.returncode, done.stdout) == (0, "fw of home %s\n" % said)
        assert {one["id"]: one["state"] for one in place.status("home")["functions"]} == {"fw": state, "br": "running"}
    done = run("pause", "home", "nope")
    assert done.returncode == 1 and "composerctl: graph home has no function nope" in done.stderr


def test_the_way_of_a_real_packet_is_shown_with_its_counters(run, file, place):
    run("apply", file(HOME))
    place.lan.run("ping", "-c3", "-i0.2", "-w9", place.wan.ip)
    place.node.ovs("appctl", "revalidator/purge")  # which brings the counters up to date
    lines = run("trace", "home", "sap:lan", "ether_type=0x0800", "protocol=icmp").stdout.splitlines()
    assert "lan0" in lines[0] and "nw_proto=1" in lines[0] and lines[-2:] == [" v", "l1s0p0"]
    hops = [re.fullmatch(r" \|  (lsi\d), table (\d): rule (.*?) +(\d+) packets, (\d+) bytes", line) for line in lines]
    hops = [found.groups() for found in hops if found]
    assert [hop[:3] for hop in hops] == [("lsi0", "0", "dispatch"), ("lsi0", "1", "aa"), ("lsi1", "0", "onward from link 0")]
    assert all(int(hop[3]) >= 3 and int(hop[4]) >= 3 * 98 for hop in hops), lines
    assert run("trace", "--json", "home", "sap:lan").stdout.startswith('{"packet": ')


def test_node_and_functions_are_shown(run, place):
    lines = dict(line.split("  ", 1) for line in run("node").stdout.splitlines())
    assert lines["name"].strip() == place.node.name and "name %s" % place.node.interfaces[0] in lines["endpoints"]
    assert lines["memory"].strip().startswith("total ") and "firewall" in lines["functions"]
    table = rows(run("functions").stdout)
    assert table[0] == ["FUNCTION", "TEMPLATE", "TYPE", "PORTS", "MEMORY", "RUNS HERE"]
    assert ["firewall", "firewall", "native", "2", "1 MiB", "yes"] in table and ["wire", "sample"] in [row[:2] for row in table]
    firewall = run("functions", "firewall").stdout
    assert "\nVARIABLE " in firewall and "\nFIREWALL_RULES " in firewall
    assert "the nearest known is firewall" in run("functions", "firewal").stderr
    assert [one["template"] for one in json.loads(run("functions", "wire", "--json").stdout)["functions"]] == ["sample"]


def test_for_programs_there_is_the_json_of_the_agent(run, file, place):
    assert json.loads(run("--json", "apply", file(HOME)).stdout) == {"id": "home", "outcome": "created"}
    for words, path in (["list"], "/graphs"), (["get", "home"], "/graphs/home"), (["status", "home"], "/graphs/home/status"), \
            (["functions"], "/functions"):
        done = run(*words, "--json")
        assert json.loads(done.stdout) == place.ask("GET", path) and done.stderr == "" and done.stdout.count("\n") == 1
    assert json.loads(run("--json", "pause", "home", "fw").stdout) == {"id": "fw", "outcome": "done"}
    done = run("--json", "delete", "home")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# What is refused, and what fails.


REFUSED = [
    (["get", "nope"], "there is no graph nope"), (["status", "nope"], "there is no graph nope"),
    (["delete", "nope"], "nope: there is no graph nope"), (["trace", "nope", "sap:lan"], "there is no graph nope"),
    (["trace", "home", "lan"], "port_in: unknown port 'lan'"),
    (["trace", "home", "sap:lan", "dest_prt=80"], "the nearest known is dest_port"),
    (["start", "nope", "fw"], "there is no graph nope"),
]


def test_what_is_refused_is_1_and_said_on_standard_error(run, file):
    run("apply", file(HOME))
    for words, message in REFUSED:
        done = run(*words)
        assert (done.returncode, done.stdout) == (1, "") and message in done.stderr and done.stderr.startswith("composerctl: ")
        done = run("--json", *words)
        error = json.loads(done.stderr)
        assert (done.returncode, done.stdout) == (1, "") and error["message"] in message + error["message"]
        assert set(error) == {"error", "message", "where"}


BAD = [
    (graph("home", [sap("lan", "eth7"), WAN], []), "saps[0]: interface eth7 is not given to LSI-0"),
    (graph("home", [LAN], [sf("fw", "firewal", "a", "b")]), "SFs[0]: function firewal cannot run here"),
    (graph("home", [LAN, WAN], [], rule("1", "lan", "fan")), "there is no such SAP, there are lan, wan"),
    (graph("home", [LAN], [], dict(rule("1", "lan", "lan"), prio=1)), "flowrules[0].prio: unknown key 'prio'"),
    ({"sffg": {"id": "a b"}}, "a b: should be a string of 1 to 64"), ({"sffg": {"id": 5}}, "id: 5: should be a string"),
    ([], 'should be an object with one key, "sffg" or'), ({"sffg": {"id": "home", "name": "x" * (1 << 20)}}, "body: "),
]


@pytest.mark.parametrize("body, message", BAD, ids=[message[:16] for _, message in BAD])
def test_a_bad_graph_is_refused_by_file_and_place(run, file, place, body, message):
    done = run("apply", file(body))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("composerctl: ") and "graph.json: " in done.stderr and message in done.stderr
    assert place.ask("GET", "/graphs") == {"graphs": []}


def test_a_failed_command_is_shown_with_its_output_and_can_be_read_later(run, file, place):
    bad = copy.deepcopy(HOME)
    bad["sffg"]["SFs"][0]["variables"]["FIREWALL_RULES"] = "drop tcp 808x"
    done = run("apply", file(bad))
    assert done.returncode == 1 and done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if not line.startswith("home: ")]
    assert lines[0].startswith("composerctl: ") and lines[0].endswith("graph.json: a command failed")
    assert lines[1].startswith("  command  env SF_ID=fw ") and "/start lsi1 fw 2 " in lines[1]
    assert lines[2].startswith("  output   ") and "808x is not a port; right would be" in lines[2]
    found = run("status", "home").stdout.splitlines()
    assert found[0].startswith("home: failed, ") and found[1] == "the last change failed: a command failed"
    assert found[2:4] == lines[1:3] and run("get", "home").returncode == 1
    error = json.loads(run("--json", "apply", file(bad)).stderr)
    assert error["error"] == "StepFailed" and "808x" in error["output"] and error["command"].startswith("env SF_ID=fw ")


def test_one_bad_file_holds_up_no_other(run, file):
    done = run("apply", file(BAD[0][0], "bad.json"), file("{", "worse.json"), file(wire("w", LAN, WAN), "good.json"))
    assert done.returncode == 1 and done.stdout.startswith("w created in ")
    assert [line.split("/")[-1].split(":")[0] for line in done.stderr.splitlines() if line.startswith("composerctl")] == [
        "bad.json", "worse.json"]
    done = run("delete", "nope", "w")
    assert done.returncode == 1 and done.stdout.startswith("w deleted in ")


def test_an_overlap_and_what_could_not_be_taken_down_are_warnings(run, file):
    web = {"ether_type": 0x0800, "protocol": "tcp"}
    body = graph("home", [LAN, WAN], [sf("p", "puppet", "a", "b", STOP="echo away is away >&2; exit 1")],
                 rule("one", "lan", "wan", dest_port=80, **web), rule("two", "lan", "p:a", source_port=80, **web))
    done = run("apply", file(body))
    assert done.returncode == 0 and done.stdout.startswith("home created in ")
    assert "composerctl: home: warning: rules one and two match common packets at one priority" in done.stderr
    assert "rules one and two match common packets" in run("status", "home").stdout
    done = run("delete", "home")
    assert done.returncode == 0 and done.stdout.startswith("home deleted in ")
    assert "composerctl: home: warning: not taken down: a command failed\n  command  " in done.stderr
    assert "away is away" in done.stderr


def test_what_a_terminal_would_obey_is_not_shown(run, file):
    body = wire("w", LAN, WAN)
    body["sffg"]["name"] = "\033[31mred\nline"
    run("apply", file(body))
    assert rows(run("list").stdout)[1] == ["w", "?[31mred?line", "deployed"]
    assert json.loads(run("list", "--json").stdout)["graphs"][0]["name"] == "\033[31mred\nline"


# Progress.


def test_without_a_terminal_progress_is_a_line(place, file):
    process = popen(place.url, "apply", file(slow()))
    assert re.fullmatch(r"slow: deploying, \d+ %\n", process.stderr.readline())
    open_gate(place)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0 and out.startswith("slow created in ") and err == ""


def test_on_a_terminal_progress_is_a_bar(place, file):
    with Terminal(place.url, "apply", file(slow())) as terminal:
        terminal.until(" % deploying")
        open_gate(place)
        assert terminal.end() == 0
    looks = terminal.text.split(ERASE)
    assert looks[0] == "" and all(re.match(r"slow \[#*\.*\] +\d+ % ", look) for look in looks[1:])
    assert looks[1] == "slow [%s]   0 %% " % ("." * 24)
    bar, outcome, header, row = looks[-1].rstrip("\n").split("\n")
    assert bar == "slow [%s] 100 %% " % ("#" * 24) and outcome.startswith("slow created in ")
    assert header.split() == HEADER and "  ".join(["  \033[32mrunning\033[m"] + CORE) in row


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colours_are_for_terminals_that_have_them(place, file, env):
    ctl(place.url, "apply", file(HOME))
    with Terminal(place.url, "status", "home", **env) as terminal:
        assert terminal.end() == 0
    assert "running" in terminal.text and "\033" not in terminal.text


def test_a_bar_is_wiped_away_when_it_fails(place, file):
    with Terminal(place.url, "apply", file(BAD[0][0])) as terminal:
        assert terminal.end() == 1
    assert terminal.text.split(ERASE)[-1].startswith("composerctl: ") and "eth7" in terminal.text


def test_an_interrupt_leaves_the_agent_at_work(place, file):
    process = popen(place.url, "apply", file(slow()))
    process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert err == "composerctl: slow: the agent goes on with it; composerctl status slow tells how far it is\n"
    open_gate(place)
    place.ask("POST", "/graphs/slow/functions/f/resume")  # waits behind it
    assert place.status("slow")["state"] == "deployed"


def test_each_of_two_changes_of_a_graph_learns_its_own_outcome(place, file):
    first = popen(place.url, "apply", file(slow(), "first.json"))
    first.stderr.readline()
    bad = popen(place.url, "apply", file(slow(STOP="", UPDATE="echo no >&2; exit 1"), "bad.json"))
    bad.stderr.readline()
    open_gate(place)
    results = [(process.communicate(timeout=30), process.returncode) for process in (first, bad)]
    (out, _), code = results[0]
    assert code == 0 and out.startswith("slow created in ")
    (out, err), code = results[1]
    assert (code, out) == (1, "") and "bad.json: a command failed" in err and "no" in err


def test_an_agent_that_dies_meanwhile_is_told(place, file):
    process = popen(place.url, "apply", file(slow()))
    process.stderr.readline()
    place.agent.kill()
    out, err = process.communicate(timeout=30)
    place.agent.start()
    assert (process.returncode, out) == (1, "") and place.url + ": PUT /graphs/slow was not answered: " in err
