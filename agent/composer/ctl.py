"""composerctl: the agent's commands for people, and with --json for programs.

A command is a line of COMMANDS and a function that takes the agent, the words and the options.  Results go to
standard output; progress, warnings and errors to standard error.
"""
import os
import sys
import time
from collections import namedtuple
from functools import partial

from . import __version__, views
from .client import Agent, Failed, place, query
from .core import json
from .core.errors import unknown
from .views import plain

URL = "http://127.0.0.1:8080"
BAR, NAME = 24, 32  # characters of the progress bar, and of the name before it
CHANGING = ("deploying", "updating", "repairing", "deleting")  # states of a graph
INTERRUPTED = 130  # exit code, as of a program that a signal ended

Command = namedtuple("Command", ("name", "words", "options", "least", "most", "run", "does", "more"))


class WrongUsage(Exception):
    """The command line is wrong; the message says how."""


def main(arguments=None):
    """Return the exit code: 0 done, 1 refused or failed, 2 wrong usage, 130 interrupted."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # whoever started us closed it
            setattr(sys, name, open(os.devnull, "w"))
    sys.stdout.reconfigure(errors="replace")
    options = {}
    try:
        words = parse(sys.argv[1:] if arguments is None else arguments, options)
        return run(words, options) or 0
    except WrongUsage as wrong:
        say("composerctl: %s\n" % wrong, sys.stderr)
        return 2
    except Failed as failed:
        complain(failed, "", options)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def parse(arguments, options):
    """Return the words of a command line; its options go into `options`."""
    words, rest = [], list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "--":
            return words + rest
        if not word.startswith("-") or word == "-":
            words.append(word)
            continue
        name, equals, value = word.partition("=")
        name = "--help" if name == "-h" else name
        if name not in OPTIONS:
            raise WrongUsage(unknown(name, OPTIONS, "option"))
        if OPTIONS[name] and not equals:
            if not rest:
                raise WrongUsage("%s needs a word after it: %s %s" % (name, name, OPTIONS[name]))
            value = rest.pop(0)
        elif equals and not OPTIONS[name]:
            raise WrongUsage("%s takes no value" % name)
        options[name] = value
    return words


def run(words, options):
    """Run a command; return its exit code, None if all is well."""
    if "--version" in options:
        return say(__version__ + "\n")
    asked = "--help" in options
    if words[:1] == ["help"]:
        asked, words = True, words[1:]
    if not words:
        if asked:
            return say(usage())
        raise WrongUsage("what shall be done?  composerctl --help lists the commands")
    names = [command.name for command in COMMANDS]
    if words[0] not in names:
        raise WrongUsage(unknown(words[0], names, "command"))
    command = COMMANDS[names.index(words[0])]
    own = ["[%s]" % " ".join([name, OPTIONS[name]]).rstrip() for name in command.options]
    line = "usage: composerctl " + " ".join([command.name] + command.words.split() + own)
    if asked:
        return say("%s\n\n%s.\n%s" % (line, command.does.capitalize(), command.more))
    if not command.least <= len(words) - 1 <= command.most:
        raise WrongUsage(line)
    for name in options:
        if name not in EVERYWHERE + command.options:
            raise WrongUsage("%s does not go with %s; %s" % (name, command.name, line))
    try:
        agent = Agent(options.get("--url") or os.environ.get("COMPOSER_URL") or URL,
                      options.get("--token") or os.environ.get("COMPOSER_TOKEN"))
    except ValueError as error:
        raise WrongUsage("--url: %s" % error)
    return command.run(agent, words[1:], options)


def usage():
    rows = [((command.name + " " + command.words).rstrip(), command.does) for command in COMMANDS]
    width = max([len(words) for words, _ in rows])
    return HELP % "".join(["    %s  %s\n" % (words.ljust(width), does) for words, does in rows])


def say(text, stream=None):
    """Write text.  That nobody reads on (a closed pipe) is no reason to stop."""
    stream = stream or sys.stdout
    try:
        stream.write(text)
        stream.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        if not isinstance(error, BrokenPipeError):
            raise Failed("Unwritable", "", "cannot write: %s" % error.strerror)


def warn(subject, text):
    say("composerctl: %s%s\n" % (plain(subject) + ": " if subject else "", text), sys.stderr)


def complain(failed, subject, options):
    if "--json" in options:
        say(json.dumps(failed.error) + "\n", sys.stderr)
    else:
        warn(subject, views.error(failed.error))


def show(options, text, view):
    """Say an answer: as it is for programs, else as `view` makes it of its value."""
    say(text + "\n" if "--json" in options else view(json.loads(text)))


class Progress:
    """How far a change of a graph is: a bar on a terminal, elsewhere a line whenever its state is another."""

    def __init__(self, agent, graph_id):
        self.agent, self.graph_id, self.state = agent, graph_id, ""
        self.bar = views.on_terminal(sys.stderr)
        if self.bar:
            self._draw(0)

    def look(self):
        """Show what the agent says; if it cannot be asked, the change itself will tell."""
        try:
            status = json.loads(self.agent.ask("GET", place("graphs", self.graph_id, "status")))
        except Failed:
            return
        if status["state"] not in CHANGING:
            return  # it has not begun, or is done
        before, self.state = self.state, status["state"]
        if self.bar:
            self._draw(status["percentage_completed"])
        elif self.state != before:
            say("%s: %s, %d %%\n" % (self.graph_id, self.state, status["percentage_completed"]), sys.stderr)

    def end(self, good):
        """Complete the bar, or wipe it away."""
        self.state = ""
        if self.bar and good:
            self._draw(100)
        if self.bar:
            say("\n" if good else "\r\033[K", sys.stderr)

    def _draw(self, percentage):
        done = percentage * BAR // 100
        say("\r\033[K%s [%s%s] %3d %% %s" % (self.graph_id[:NAME], "#" * done, "." * (BAR - done), percentage, self.state),
            sys.stderr)


# The commands: each takes the agent, the words and the options, and returns an exit code, None if all is well.


def each(do, agent, words, options):
    """Do something for each word; one that fails holds up no other."""
    code = 0
    for word in words:
        try:
            do(agent, word, options)
        except Failed as failed:
            complain(failed, word, options)
            code = 1
    return code


def apply(agent, words, options):
    return each(plan_file if "--dry-run" in options else apply_file, agent, _files(words, options), options)


def plan(agent, words, options):
    return each(plan_file, agent, _files(words, options), options)


def _files(words, options):
    if "--id" in options and len(words) > 1:
        raise WrongUsage("--id names one graph, and there are %d files" % len(words))
    return words


def apply_file(agent, path, options):
    body, name = read(path, options)
    name = name or os.urandom(8).hex()  # as POST would; but so its progress can be asked for
    change(agent, "PUT", name, body, options)
    if "--json" not in options:
        status = json.loads(agent.ask("GET", place("graphs", name, "status")))
        say(views.sfs(status))
        for line in views.overlaps(status):
            warn(name, "warning: " + line)


def plan_file(agent, path, options):
    body, name = read(path, options)
    method, resource = ("PUT", place("graphs", name)) if name else ("POST", "/graphs")
    show(options, agent.ask(method, resource + "?dry-run=1", body), views.steps)


def read(path, options):
    """Return (the bytes of a graph file, the id that it is to have or None); `-` is standard input."""
    try:
        with open(0 if path == "-" else path, "rb") as file:
            text = file.read()
        body = json.loads(text)
    except OSError as error:
        raise Failed("BadGraph", "", "cannot be read: %s" % error.strerror)
    except ValueError as error:
        raise Failed("BadGraph", "", "should be JSON: %s" % error)
    graph = body.get("sffg") if isinstance(body, dict) else None
    name = graph.get("id") if isinstance(graph, dict) else None
    return text, options.get("--id") or (name if isinstance(name, str) and name else None)


def delete(agent, words, options):
    return each(lambda agent, name, options: change(agent, "DELETE", name, None, options), agent, words, options)


def change(agent, method, name, body, options):
    """Change a graph, and say what came out."""
    path = place("graphs", name) + (query([("confirm", options["--confirm"])]) if "--confirm" in options else "")
    if "--json" in options:
        answer = agent.ask(method, path, body, limit=None)
        return say(answer + "\n" if answer else "")
    progress, begun = Progress(agent, name), time.monotonic()
    try:
        answer = agent.ask(method, path, body, limit=None, watch=progress.look)
    except (Failed, KeyboardInterrupt) as error:
        progress.end(False)
        if isinstance(error, KeyboardInterrupt):
            warn(name, "the agent goes on with it; composerctl status %s tells how far it is" % name)
        raise
    progress.end(True)
    outcome = json.loads(answer) if answer else {"outcome": "deleted"}
    say("%s %s in %.2f s\n" % (name, outcome["outcome"], time.monotonic() - begun))
    for one in outcome.get("failures", ()):
        warn(name, "warning: not taken down: " + views.error(one))


def confirm(agent, words, options):
    answer = agent.ask("POST", place("graphs", words[0], "confirm"), b"")
    show(options, answer, lambda found: "%s confirmed\n" % words[0])


def list_graphs(agent, words, options):
    show(options, agent.ask("GET", "/graphs"), views.graphs)


def get(agent, words, options):
    show(options, agent.ask("GET", place("graphs", words[0])), lambda found: json.dumps(found, indent=2) + "\n")


def status(agent, words, options):
    show(options, agent.ask("GET", place("graphs", words[0], "status")), views.status)


def explain(agent, words, options):
    found = json.loads(agent.ask("GET", place("graphs", words[0], "status")))
    if len(words) > 1:
        found["functions"] = [sf for sf in found["functions"] if (sf["id"] + "/").startswith(words[1] + "/")]
        if not found["functions"]:
            raise Failed("NotFound", "", "graph %s has no function %s" % (words[0], words[1]))
    chosen = {"functions": [{"id": sf["id"], "name": sf["name"], "choice": sf.get("choice", [])} for sf in found["functions"]],
              "error": found["error"]}
    show(options, json.dumps(chosen), views.choices)


def trace(agent, words, options):
    for word in words[2:]:
        if "=" not in word:
            raise WrongUsage("%s: should be KEY=VALUE, as in protocol=tcp" % plain(word))
    pairs = [("port_in", words[1])] + [word.split("=", 1) for word in words[2:]]
    show(options, agent.ask("GET", place("graphs", words[0], "trace") + query(pairs)), views.way)


def functions(agent, words, options):
    text = agent.ask("GET", "/functions")
    if not words:
        return show(options, text, views.functions)
    known = json.loads(text)["functions"]
    chosen = [one for one in known if words[0] in (one["function"], one["template"])]
    if not chosen:
        raise Failed("NotFound", "", unknown(words[0], [one["function"] for one in known], "function"))
    show(options, json.dumps({"functions": chosen}), lambda found: "\n".join([views.function(one) for one in chosen]))


def node(agent, words, options):
    show(options, agent.ask("GET", "/node"), views.node)


def events(agent, words, options):
    since = words[0] if words else "0"
    if not since.isdigit():
        raise WrongUsage("%s: should be the number of an event, as in composerctl events 12" % plain(since))
    show(options, agent.ask("GET", "/events" + query([("since", since)])), views.events)


def login(agent, words, options):
    from . import passwords
    name = words[0] if words else os.environ.get("USER")
    if not name:
        raise WrongUsage("who logs in?  composerctl login USER")
    body = {"username": name, "password": passwords.ask("password of %s: " % plain(name))}
    token = agent.ask("POST", "/login", json.dumps(body), kind="text/plain")
    say((json.dumps({"token": token}) if "--json" in options else token) + "\n")


def act(verb, agent, words, options):
    graph_id, sf_id = words
    answer = agent.ask("POST", place("graphs", graph_id, "functions", *sf_id.split("/"), verb), b"", limit=None)
    show(options, answer, lambda found: "%s of %s %s\n" % (sf_id, graph_id, VERBS[verb]))


ANY = 1 << 16  # words
VERBS = {"start": "started", "stop": "stopped", "pause": "paused", "resume": "resumed", "restart": "restarted"}
OPTIONS = {"--url": "URL", "--token": "TOKEN", "--json": "", "--help": "", "--version": "", "--id": "ID", "--dry-run": "",
           "--confirm": "SECONDS"}
EVERYWHERE = ("--url", "--token", "--json", "--help")
FILES = """
FILE is a service graph, an SF-FG or an NF-FG in JSON; - is standard input.  The graph
has the id that --id gives, else its own; one without an id gets a new one.
"""
DRY_RUN = "With --dry-run nothing is done, and the plan is shown.\n"
TRIAL = """With --confirm a change is taken back after so many seconds, unless composerctl confirm
says that it shall stay.
"""
GONE = """
A graph that could not be deployed is gone; how it failed can still be read.
"""
EVENTS = "With the number of an event: what happened after that.  The last 128 are kept.\n"
LOGIN = """
The password is asked for, or read from standard input.  The token is printed:

    export COMPOSER_TOKEN=$(composerctl login alice)
"""
EXPLAINED = """
Of each function: the template that was taken and why, then those that were not, and why.
A graph that was refused is explained too, until another one of its id is deployed.
"""
TRACED = """
PORT is where it enters: sap:<sap> or sf:<sf>:<port>.  The keys are those of a match:

    composerctl trace home sap:lan ether_type=0x0800 protocol=tcp dest_port=80
"""
COMMANDS = (
    Command("apply", "FILE ...", ("--id", "--dry-run", "--confirm"), 1, ANY, apply, "deploy graphs, or update them",
            FILES + DRY_RUN + TRIAL),
    Command("plan", "FILE ...", ("--id",), 1, ANY, plan, "show what apply would do, and do nothing", FILES),
    Command("list", "", (), 0, 0, list_graphs, "the graphs of the node", ""),
    Command("get", "ID", (), 1, 1, get, "a graph as it was given; apply takes it", ""),
    Command("status", "ID", (), 1, 1, status, "how a graph and its functions are", GONE),
    Command("explain", "ID [SF]", (), 1, 2, explain, "why a function is what it is, or is not", EXPLAINED),
    Command("delete", "ID ...", ("--confirm",), 1, ANY, delete, "take graphs down", TRIAL),
    Command("confirm", "ID", (), 1, 1, confirm, "have a change stay that is on trial", ""),
    Command("trace", "ID PORT [KEY=VALUE ...]", (), 2, ANY, trace, "the way of a packet, with counters", TRACED),
    Command("events", "[NUMBER]", (), 0, 1, events, "what happened on the node", EVENTS),
    Command("functions", "[NAME]", (), 0, 1, functions, "what functions there are, or all about one", ""),
    Command("login", "[USER]", (), 0, 1, login, "a token for a user", LOGIN),
    Command("node", "", (), 0, 0, node, "what the node is and has", ""),
) + tuple([Command(verb, "ID SF", (), 2, 2, partial(act, verb), verb + " one function of a graph", "") for verb in VERBS])
HELP = """usage: composerctl [--url URL] [--token TOKEN] [--json] COMMAND ...

%s
    --url URL      where the agent listens: http://HOST:PORT or unix:PATH
                   (else COMPOSER_URL, else http://127.0.0.1:8080)
    --token TOKEN  what a login gave, sent as X-Auth-Token (else COMPOSER_TOKEN)
    --json         the agent's JSON as it is; errors are JSON too
    --help         this, or after a command what that does
    --version      print the version and end

Exit codes: 0 done, 1 refused or failed, 2 wrong usage.
"""


if __name__ == "__main__":
    sys.exit(main())
