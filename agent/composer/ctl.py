"""composerctl: the agent's commands for people, and for programs with --json.

A command is a line of COMMANDS and a function `command(agent, words, options)`, which says what the agent answered
and returns the exit code.  Results go to standard output; progress, warnings and errors to standard error.

A change is one request that the agent answers when it is done.  While that is awaited, a second connection asks for
the graph's status, which is what the progress bar shows: so the outcome is the agent's own, never a guess.
"""
import os
import sys
import time
from collections import namedtuple

from . import __version__
from .core import json
from .core.errors import unknown

URL = "http://127.0.0.1:8080"
CONNECT_LIMIT, READ_LIMIT = 5, 60  # seconds; a change has none, its steps have
FIRST_LOOK, NEXT_LOOK = 0.1, 0.25  # seconds between two looks at how far a change is
BAR = 24                           # characters
COLOURS = {"deployed": 32, "running": 32, "failed": 31, "stopped": 33, "paused": 33, "deploying": 33, "updating": 33,
           "deleting": 33}
INTERRUPTED = 130

Command = namedtuple("Command", ("name", "words", "least", "most", "options", "summary", "more", "run"))


class WrongUsage(Exception):
    """The command line is wrong: (message, the Command or None)."""


class Failed(Exception):
    """What the agent refused, or why it could not be asked.  error: an object as the agent's JSON has them."""

    def __init__(self, error):
        Exception.__init__(self, error.get("message"))
        self.error = error


class Agent:
    """The agent at `url`: http://HOST:PORT, HOST:PORT or unix:PATH."""

    def __init__(self, url, token):
        self.url, self.token = url, token
        kind, mark, rest = url.partition("://")
        self.path = url[len("unix:"):] if url.startswith("unix:") else ""
        self.host, _, prefix = ("localhost", "", "") if self.path else (rest if mark else url).partition("/")
        self.prefix = "/" + prefix.rstrip("/") if prefix else ""
        if not self.host or mark and kind != "http" or url == "unix:":
            raise WrongUsage("--url %s: should be http://HOST:PORT or unix:PATH" % url, None)

    def ask(self, method, path, body=None, idle=None):
        """Return the text of an answer, or raise Failed.  With `idle`, for a change: called while it is awaited."""
        import http.client
        import select
        connection = self._connect()
        try:
            connection.sock.settimeout(None if idle else READ_LIMIT)
            headers = {"Content-Type": "application/json"} if body is not None else {}
            try:
                connection.request(method, self.prefix + path, body, dict(headers, **self._token()))
            except BrokenPipeError:
                pass  # refused before all of it was sent: the answer says why
            pause = FIRST_LOOK
            while idle and not select.select([connection.sock], [], [], pause)[0]:
                idle()
                pause = NEXT_LOOK
            answer = connection.getresponse()
            return self._read(answer.status, answer.read().decode("utf-8", "replace"), path)
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise self._lost("no answer to %s %s: %s" % (method, path, str(error) or type(error).__name__))
        finally:
            connection.close()

    def get(self, *path):
        """Return what GET gives, from JSON."""
        return json.loads(self.ask("GET", place(*path)))

    def _token(self):
        return {"X-Auth-Token": self.token} if self.token else {}

    def _connect(self):
        import http.client
        import socket
        try:
            connection = http.client.HTTPConnection(self.host, timeout=CONNECT_LIMIT)
            if self.path:
                connection.sock = socket.socket(socket.AF_UNIX)
                connection.sock.settimeout(CONNECT_LIMIT)
                connection.sock.connect(self.path)
            else:
                connection.connect()
            return connection
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise self._lost("%s.  Is the agent running (composer-agent --config FILE), and does it listen there?  "
                             "--url or COMPOSER_URL says where, unix:PATH too" % (getattr(error, "strerror", "") or error))

    def _lost(self, message):
        return Failed({"error": "Unreachable", "message": message, "where": self.url})

    def _read(self, status, text, path):
        if status < 400:
            return text
        try:
            error = json.loads(text)
            error["message"]
        except (ValueError, KeyError, TypeError):
            raise self._lost("answered %d to %s, and not as the agent does: is something else there?" % (status, path))
        if status == 401:
            error["message"] += " (--token or COMPOSER_TOKEN gives one)"
        raise Failed(error)


class Progress:
    """How far a change of a graph is: a bar on a terminal, elsewhere a line when its state is another."""

    def __init__(self, agent, graph_id):
        self.agent, self.graph_id, self.begun = agent, graph_id, time.monotonic()
        self.terminal, self.shown = sys.stderr.isatty(), ""
        if self.terminal:
            self._draw(0, "")

    def look(self):
        """Ask the agent and show what it says; that it cannot be asked, the change itself will tell."""
        try:
            status = self.agent.get("graphs", self.graph_id, "status")
        except Failed:
            return
        busy = status["state"] in ("deploying", "updating", "deleting")  # else it waits behind another change
        percentage, state = (status["percentage_completed"], status["state"]) if busy else (0, "waiting")
        if self.terminal:
            self._draw(percentage, state)
        elif state != self.shown:
            say("%s: %s, %d %%\n" % (self.graph_id, state, percentage), sys.stderr)
        self.shown = state

    def end(self, good):
        """Return the seconds that it took."""
        if self.terminal and good:
            self._draw(100, "")
            say("\n", sys.stderr)
        elif self.terminal:
            say("\r\033[K", sys.stderr)
        return time.monotonic() - self.begun

    def _draw(self, percentage, state):
        done = percentage * BAR // 100
        say("\r\033[K%s  [%s%s] %3d %%  %s" % (
            plain(self.graph_id), "#" * done, "-" * (BAR - done), percentage, state), sys.stderr)


# What is said, and how it looks.


def say(text, stream=None):
    """Write text.  That nobody reads on (a closed pipe) is no reason to stop."""
    stream = stream or sys.stdout
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def warn(text):
    say("composerctl: %s\n" % text, sys.stderr)


def plain(value):
    """Return a value as text without what a terminal would obey."""
    text = "-" if value in (None, "") else str(value)
    return "".join([letter if letter.isprintable() else "?" for letter in text])


def table(header, rows):
    """Return aligned columns; on a terminal, a state has its colour."""
    rows = [header] + [[plain(value) for value in row] for row in rows]
    widths = [max([len(row[column]) for row in rows]) for column in range(len(header))]
    colours = COLOURS if sys.stdout.isatty() and "NO_COLOR" not in os.environ else {}
    lines = []
    for row in rows:
        cells = [value.ljust(width) for value, width in zip(row, widths)]
        if "STATE" in header and row[header.index("STATE")] in colours:
            state = header.index("STATE")
            cells[state] = "\033[%dm%s\033[m" % (colours[row[state]], cells[state])
        lines.append("  ".join(cells).rstrip() + "\n")
    return "".join(lines)


def pairs(found):
    """Return lines of `key  value`; what lies within is written on the line."""
    def flat(value):
        if isinstance(value, dict):
            return ", ".join(["%s %s" % (key, flat(value[key])) for key in value])
        return ", ".join([flat(one) for one in value]) if isinstance(value, list) else plain(value)
    width = max([len(key) for key in found])
    return "".join(["%s  %s\n" % (key.ljust(width), flat(value)) for key, value in found.items()])


def describe(error):
    """Return an error of the agent as lines: where, what, and of a failed step the command and its output."""
    where = plain(error["where"]) + ": " if error.get("where") else ""
    if "command" not in error:
        return where + "\n".join([plain(line) for line in str(error["message"]).split("\n")])
    lines = [plain(line) for line in str(error["output"]).strip().split("\n")]
    return "%sa step failed\n    command  %s\n    output   %s" % (where, plain(error["command"]), "\n             ".join(lines))


def complain(error, subject, options):
    """Say on standard error what went wrong: as JSON for programs."""
    if "--json" in options:
        say(json.dumps(error) + "\n", sys.stderr)
    else:
        warn((plain(subject) + ": " if subject else "") + describe(error))


def place(*words):
    """Return the path of a resource."""
    from urllib.parse import quote
    return "".join(["/" + quote(os.fsencode(word), safe="") for word in words])


# The commands.


def each(run):
    """Make of a command for one word a command for several: each is tried, and the exit code is the worst."""
    def run_each(agent, words, options):
        if len(words) > 1 and "--id" in options:
            raise WrongUsage("--id names one graph, not %d" % len(words), None)
        code = 0
        for word in words:
            try:
                run(agent, word, options)
            except Failed as failed:
                complain(failed.error, word, options)
                code = 1
        return code
    return run_each


def read(path):
    """Return (the bytes of a graph file, the id that it names or None); `-` is standard input."""
    try:
        if path == "-":
            text = sys.stdin.buffer.read()
        else:
            with open(path, "rb") as file:
                text = file.read()
        body = json.loads(text)
    except OSError as error:
        raise Failed({"error": "BadGraph", "message": "cannot be read: %s" % error.strerror, "where": ""})
    except ValueError as error:
        raise Failed({"error": "BadGraph", "message": "should be JSON: %s" % error, "where": ""})
    graph = body.get("sffg") if isinstance(body, dict) else None
    name = graph.get("id") if isinstance(graph, dict) else None
    return text, name if isinstance(name, str) and name else None


def apply(agent, path, options):
    if "--dry-run" in options:
        return plan(agent, path, options)
    body, name = read(path)
    # One without an id gets it here rather than by POST: so its progress can be asked for.
    name = options.get("--id") or name or os.urandom(8).hex()
    answer, seconds = change(agent, "PUT", place("graphs", name), body, name, options)
    if not seconds:
        return say(answer + "\n")
    answer = json.loads(answer)
    say("%s %s in %.2f s\n" % (plain(name), answer["outcome"], seconds))
    warn_of(answer.get("failures", ()), name, "was not taken down")
    status = agent.get("graphs", name, "status")
    if status["functions"]:
        say(functions_of(status))
    warn_of_overlaps(status)


def delete(agent, name, options):
    answer, seconds = change(agent, "DELETE", place("graphs", name), None, name, options)
    if not seconds:
        return say(answer + "\n" if answer else "")
    say("%s deleted in %.2f s\n" % (plain(name), seconds))
    warn_of(json.loads(answer).get("failures", ()) if answer else (), name, "was not taken down")


def change(agent, method, path, body, name, options):
    """Return (the answer to a change of graph `name`, the seconds it took; 0 if nobody was to look on)."""
    if "--json" in options:
        return agent.ask(method, path, body, idle=lambda: None), 0
    progress, good = Progress(agent, name), False
    try:
        answer = agent.ask(method, path, body, idle=progress.look)
        good = True
    except KeyboardInterrupt:
        progress.end(False)
        warn("%s: the agent goes on with it; `composerctl status %s` tells how far it is" % (plain(name), plain(name)))
        raise
    except Failed:
        progress.end(False)
        raise
    return answer, progress.end(good)


def warn_of(failures, name, what):
    for one in failures:
        warn("%s: warning: %s: %s" % (plain(name), what, describe(one)))


def warn_of_overlaps(status):
    for one, other in status.get("overlaps", ()):
        warn("%s: warning: rules %s and %s match common packets at one priority: which of them takes a packet is open"
             % (plain(status["id"]), plain(one), plain(other)))


def functions_of(status):
    return table(["SF", "FUNCTION", "IMPLEMENTATION", "TYPE", "STATE"], [
        [sf["id"], sf["name"], sf["implementation"], sf["type"], sf["state"]] for sf in status["functions"]])


def plan(agent, path, options):
    body, name = read(path)
    name = options.get("--id") or name
    method, path = ("PUT", place("graphs", name)) if name else ("POST", "/graphs")
    answer = agent.ask(method, path + "?dry-run=1", body)
    if "--json" in options:
        return say(answer + "\n")
    lines = json.loads(answer)["plan"]
    say("".join([line + "\n" for line in lines]) or "# nothing to do: the graph is deployed like that\n")


def shown(*path):
    """Make a command of a GET and the function that shows what it gives, which knows the words too."""
    def make(show):
        def run(agent, words, options):
            text = agent.ask("GET", place(*[words[part] if isinstance(part, int) else part for part in path]))
            say(text + "\n" if "--json" in options else show(json.loads(text), words))
            return 0
        return run
    return make


@shown("graphs")
def list_graphs(found, words):
    graphs = found["graphs"]
    if not graphs:
        return "no graphs: composerctl apply FILE deploys one\n"
    return table(["ID", "NAME", "STATE"], [[graph["id"], graph["name"], graph["state"]] for graph in graphs])


@shown("graphs", 0)
def get(found, words):
    return json.dumps(found, indent=2) + "\n"


@shown("graphs", 0, "status")
def status(found, words):
    lines = "%s: %s, %d %%\n" % (plain(found["id"]), found["state"], found["percentage_completed"])
    if found["functions"]:
        lines += functions_of(found)
    if found["error"]:
        lines += "the last change failed: %s\n" % describe(found["error"])
    for one in found.get("left", ()):
        lines += "left, and tried again: %s\n" % describe(one)
    for pair in found.get("overlaps", ()):
        lines += "rules %s and %s match common packets at one priority\n" % (plain(pair[0]), plain(pair[1]))
    return lines


@shown("functions")
def functions(found, words):
    chosen = [one for one in found["functions"] if not words or words[0] in (one["function"], one["template"])]
    if not chosen:
        return "no function\n"
    return table(["FUNCTION", "TEMPLATE", "TYPE"], [])


@shown("node")
def node(found, words):
    return pairs(found)
