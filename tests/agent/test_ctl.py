"""composerctl without a node: its words, how it reaches an agent, how things look.  (With one: system/test_ctl.py.)"""
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from composer import ctl as command
from composer import views
from composer.client import Agent
from ctl import COMMAND, ctl, environment, popen

NOBODY = "unix:/nowhere/agent.sock"
NAMES = [one.name for one in command.COMMANDS]


@contextlib.contextmanager
def answering(*answers, family=socket.AF_UNIX, address=""):
    """An agent that gives these answers, (status, body), a connection each: (its URL, the requests that it got)."""
    requests = []
    with socket.socket(family) as listener:
        listener.bind(address)
        listener.listen()

        def serve():
            for status, body in answers:
                with listener.accept()[0] as link:
                    got = b""
                    while b"\r\n\r\n" not in got:
                        got += link.recv(65536)
                    requests.append(got.decode())
                    kind = "application/json" if body.startswith("{") else "text/html"
                    head = "HTTP/1.1 %d X\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (status, kind, len(body))
                    link.sendall(((head if status else "") + body).encode())

        thread = threading.Thread(target=serve)
        thread.start()
        found = listener.getsockname()
        yield "unix:" + found if isinstance(found, str) else "http://%s:%d" % found[:2], requests
        thread.join()


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "sock")


# Words.


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["help"]])
def test_help_tells_all_commands(words):
    done = ctl(NOBODY, *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[0] for line in done.stdout.splitlines() if line.startswith("    ") and line[4] not in " -"] == NAMES
    assert max(len(line) for line in done.stdout.splitlines()) <= 80


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_its_help(name):
    for words in ([name, "--help"], ["help", name], ["--help", name]):
        done = ctl(NOBODY, *words)
        assert done.returncode == 0 and done.stdout.startswith("usage: composerctl " + name)
        assert len(done.stdout.splitlines()) >= 3


def test_the_version_is_told():
    assert ctl(NOBODY, "--version").stdout.strip() == command.__version__


WRONG = [
    ([], "composerctl --help lists the commands"), (["aply", "x"], "the nearest known is apply"),
    (["zzzzzz"], "known are apply, confirm, delete"), (["apply"], "usage: composerctl apply FILE"), (["get"], "composerctl get ID"),
    (["get", "a", "b"], "composerctl get ID"), (["list", "a"], "usage: composerctl list"), (["status"], "status ID"),
    (["delete"], "delete ID ..."), (["trace", "g"], "trace ID PORT"), (["pause", "g"], "pause ID SF"),
    (["trace", "g", "sap:a", "tcp"], "KEY=VALUE"), (["--jsn", "list"], "the nearest known is --json"),
    (["list", "--url"], "--url URL"), (["list", "--json=1"], "takes no value"), (["list", "--id", "g"], "does not go with list"),
    (["delete", "g", "--dry-run"], "does not go with delete"), (["plan", "--dry-run", "f"], "does not go with plan"),
    (["apply", "--id", "g", "a", "b"], "--id names one graph"), (["help", "aply"], "the nearest known is apply"),
    (["list", "--url", "ftp://x"], "http://HOST:PORT or unix:PATH"), (["list", "--url", "host:port"], "http://HOST:PORT"),
    (["list", "--url", "unix:"], "unix:PATH"), (["list", "--url", "http:///x"], "http://HOST:PORT"),
    (["list", "--url=https://x"], "http://HOST:PORT"),
]


@pytest.mark.parametrize("words, message", WRONG, ids=[" ".join(words) or "nothing" for words, _ in WRONG])
def test_wrong_usage_is_2_and_says_what_is_right(words, message):
    done = ctl(NOBODY, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr and done.stderr.count("\n") == 1


def test_a_word_after_two_dashes_is_no_option():
    assert "no such option" not in ctl(NOBODY, "get", "--", "--json").stderr
    assert ctl(NOBODY, "get", "--", "--json").returncode == 1


def test_what_cannot_be_an_id_is_not_sent():
    done = ctl(NOBODY, "get", "a/b")
    assert done.returncode == 1 and "a/b: should be a string of 1 to 64 of" in done.stderr


# Files.


@pytest.mark.parametrize("text, message", [("{", "should be JSON: "), ("", "should be JSON: "), ("\xff", "should be JSON: "),
                                           ("[" * 100000, "should be JSON: ")])
def test_a_file_that_is_no_json_is_refused(tmp_path, text, message):
    (tmp_path / "graph.json").write_bytes(text.encode("latin-1"))
    for words in (["apply"], ["plan"], ["apply", "--dry-run"]):
        done = ctl(NOBODY, *words, str(tmp_path / "graph.json"))
        assert done.returncode == 1 and "graph.json: " + message in done.stderr


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    assert "nope.json: cannot be read: No such file" in ctl(NOBODY, "apply", str(tmp_path / "nope.json")).stderr
    assert "cannot be read: Is a directory" in ctl(NOBODY, "apply", str(tmp_path)).stderr


# The way to the agent.


def test_an_agent_that_is_not_there_is_told_with_what_would_be_right():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = "http://127.0.0.1:%d" % unused.getsockname()[1]
        for found in (ctl(url, "list"), ctl(NOBODY, "list", "--url", url), ctl(None, "--url=" + url[len("http://"):], "list")):
            assert found.returncode == 1 and url[len("http://"):] + ": Connection refused.  Is the agent running" in found.stderr
            assert "--url or COMPOSER_URL" in found.stderr
    assert NOBODY + ": No such file or directory" in ctl(NOBODY, "list").stderr


def test_for_programs_the_error_is_json():
    done = ctl(NOBODY, "--json", "list")
    assert (done.returncode, done.stdout) == (1, "")
    assert json.loads(done.stderr)["error"] == "Unreachable" and json.loads(done.stderr)["where"] == NOBODY


def test_the_token_goes_into_the_header(path):
    with answering((200, '{"graphs": []}'), (200, '{"graphs": []}'), (200, '{"graphs": []}'), address=path) as (url, requests):
        ctl(url, "list")
        ctl(url, "list", "--token", "secret")
        ctl(url, "list", COMPOSER_TOKEN="other")
    assert ["X-Auth-Token" in one for one in requests] == [False, True, True]
    assert "X-Auth-Token: secret\r\n" in requests[1] and "X-Auth-Token: other\r\n" in requests[2]


def test_a_url_may_have_a_path():
    with answering((200, "{}"), family=socket.AF_INET, address=("127.0.0.1", 0)) as (url, requests):
        ctl(url + "/gateway/", "get", "g")
    assert requests[0].startswith("GET /gateway/graphs/g HTTP/1.1\r\nHost: 127.0.0.1:")


def test_an_ipv6_address_is_an_address():
    assert Agent("http://[::1]:8080", None).host == "[::1]:8080"
    with pytest.raises(ValueError):
        Agent("http://::1:8080", None)


def test_who_has_no_right_is_told_how_to_get_it(path):
    refusal = json.dumps({"error": "Unauthorized", "message": "who are you?", "where": ""})
    with answering((401, refusal), address=path) as (url, _):
        done = ctl(url, "list")
    assert done.returncode == 1 and done.stderr == (
        "composerctl: who are you? (composerctl login gives a token, --token or COMPOSER_TOKEN passes it on)\n")


@pytest.mark.parametrize("status, body, message", [
    (200, "<html>welcome</html>", "answered /graphs with 200, and not as the agent does"),
    (404, "<html>not here</html>", "answered /graphs with 404, and not as the agent does"),
    (500, '{"error": "x"}', "answered /graphs with 500, and not as the agent does"),
    (0, "220 mail.example.org\r\n", "GET /graphs was not answered"), (0, "", "GET /graphs was not answered")])
def test_what_is_no_agent_is_told_apart(path, status, body, message):
    with answering((status, body), address=path) as (url, _):
        done = ctl(url, "list")
    assert done.returncode == 1 and url + ": " + message in done.stderr


# What is written.


def test_a_closed_pipe_is_no_error(path):
    with answering((200, '{"plan": ["%s"]}' % ("x" * 300000)), address=path) as (url, _):
        process = popen(url, "plan", "-", stdin=subprocess.PIPE)
        process.stdout.close()
        assert process.communicate('{"sffg": {}}', 20)[1] == ""
    assert process.returncode == 0


def test_a_full_disk_is_an_error_without_a_traceback(path):
    with answering((200, '{"graphs": []}'), address=path) as (url, _), open("/dev/full", "w") as full:
        process = popen(url, "list", stdout=full)
        assert process.communicate(timeout=20)[1] == "composerctl: cannot write: No space left on device\n"
    assert process.returncode == 1


def test_a_closed_output_is_no_error(path):
    with answering((200, '{"graphs": []}'), address=path) as (url, _):
        done = subprocess.run(["dash", "-c", 'exec "$@" >&-', "dash", *COMMAND, "list"], env=environment(url),
                              capture_output=True, timeout=20)
    assert (done.returncode, done.stderr) == (0, b"")


def test_an_interrupt_ends_it_without_a_traceback(path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        process = popen("unix:" + path, "list")
        with listener.accept()[0] as link:
            link.recv(1)  # it waits for an answer now
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, "", "")


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["aply"]])
def test_what_needs_no_agent_imports_no_network(words):
    loaded = imported(words)
    assert not loaded & {"http.client", "socket", "ssl", "email"}


def test_little_is_imported():
    assert not imported(["list"]) & {"argparse", "bottle", "h11", "subprocess", "asyncio", "typing", "logging", "pyroute2"}


def imported(words):
    """Return the modules that a command imports."""
    script = "import sys\nfrom composer import ctl\nctl.main(%r)\nprint(*sys.modules, file=sys.stderr)" % (words,)
    done = subprocess.run([sys.executable, "-c", script], env=environment(NOBODY), capture_output=True, text=True, timeout=20)
    return set(done.stderr.splitlines()[-1].split())


# How things look.


def test_columns_are_aligned():
    lines = views.table(["ID", "LONG HEADER", "X"], [["a", "b", 1], ["longer", "", None]]).split("\n")
    assert lines == ["ID      LONG HEADER  X", "a       b            1", "longer  -            -", ""]


def test_what_a_terminal_would_obey_is_not_written():
    assert views.plain("a\033[31mred\nline\u202e\udcff") == "a?[31mred?line??"
    assert "\033" not in views.graphs({"graphs": [{"id": "a", "name": "\033[2J", "state": "deployed"}]})
    failed = {"error": "StepFailed", "message": "", "where": "", "command": "\033c", "output": "\033\n\033"}
    assert "\033" not in views.error(failed)


def test_a_failed_command_shows_its_output_line_by_line():
    text = views.error({"error": "StepFailed", "message": "x", "where": "", "command": "false", "output": "one\ntwo\n"})
    assert text == "a command failed\n  command  false\n  output   one\n           two"


def test_a_function_is_shown_whatever_its_template_says():
    one = {"function": "f", "template": "t", "type": "native", "ports": {"min": 1, "max": 3}, "memory": None,
           "attributes": {"ipv6": True, "list": [1, {}]}, "available": False, "why": "nft is missing",
           "variables": {"A": {"default": "", "meaning": "of A"}, "B": "strange"}}
    assert views.function(one).splitlines() == [
        "function    f", "template    t", "type        native", "ports       1 to 3", "memory      -",
        "attributes  ipv6 yes, list 1, -", "runs here   no: nft is missing", "",
        "VARIABLE  DEFAULT  MEANING", "A         -        of A", "B         -        -"]


def test_the_way_of_a_packet_is_a_picture():
    hop = {"lsi": "lsi0", "table": 1, "rule": "out", "match": "in_port=lan0", "actions": ["output:l1v0"],
           "packets": 2, "bytes": 84}
    hops = [hop, dict(hop, rule="none: dropped", actions=[])]
    assert views.way({"packet": "in_port=lan0", "verdict": "wan0", "hops": hops}) == """\
in_port=lan0
 |
 |  lsi0, table 1: rule out            2 packets, 84 bytes
 |    in_port=lan0
 |    -> output:l1v0
 |
 |  lsi0, table 1: rule none: dropped  2 packets, 84 bytes
 |    in_port=lan0
 v
wan0
"""


def test_a_path_is_what_the_system_says(tmp_path):
    name = os.fsencode(str(tmp_path)) + b"/\xff.json"
    done = subprocess.run([*[os.fsencode(word) for word in COMMAND], b"apply", name], env=environment(NOBODY),
                          capture_output=True, timeout=20)
    assert done.returncode == 1 and b"cannot be read" in done.stderr and b"Traceback" not in done.stderr


def test_events_are_a_line_each_and_a_failed_function_is_told_with_its_graph(path):
    event = {"sequence": 7, "time": 0, "event": "function failed", "graph": "home", "function": "fw", "why": "it has\ndied",
             "limits_hit": ["memory"]}
    with answering((200, json.dumps({"events": [event], "last": 7})), address=path) as (url, requests):
        done = ctl(url, "events", "6")
    assert (done.returncode, requests[0].split()[1]) == (0, "/events?since=6")
    header, line = done.stdout.splitlines()
    assert header.split() == ["NUMBER", "TIME", "EVENT", "ABOUT"]
    assert line.startswith("7 ") and line.endswith("function failed  graph=home function=fw why=it has?died limits_hit=memory")
    assert ctl(NOBODY, "events", "soon").returncode == 2
    error = {"error": "StepFailed", "message": "", "where": "", "command": "start fw", "output": "no moon", "restart_in": 8}
    sf = {"id": "fw", "name": "f", "implementation": "f", "type": "native", "state": "failed", "restarts": 3, "error": error}
    text = views.status({"id": "home", "state": "deployed", "percentage_completed": 100, "error": None, "functions": [sf]})
    assert "function fw has failed, and is started again 8 s after that" in text and "no moon" in text
