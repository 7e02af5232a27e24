"""MEASURE: what of a graph is measured, what the measurements mean, and who is told (SPEC 7; paper, 5.8 and its [46]).

    measurements { m1 = cpu(vnf = fw); m2 = overload.risk.rx(interface = wan, line_rate = 20e6); }
    zones        { z1 = (AVG(val = m1, max_age = "5 minute") < 0.5); z2 = ((AVG(val = m1, max_age = "1 minute") >= 0.8) or ...); }
    actions      { z1 = Notify(target = "ctrl", message = "ok"); z1->z2 = Publish(topic = "alarms", message = "scale_out"); }

A string becomes a Measure, once; windows.py keeps what was measured; `evaluate` says which zones are true and what follows.
It is pure: values and the time are handed in.  Without data a comparison is not true, and a sum is no number.

In an expression everything is a tuple: ("number", 0.5), ("AVG", metric, seconds), (operator, left, right).
"""
from collections import namedtuple

from . import values
from .errors import BadGraph, show, unknown
from .windows import AGGREGATES

# parameters: {name: value}; line and column: of its name
Metric = namedtuple("Metric", ("name", "kind", "parameters", "line", "column"))
Zone = namedtuple("Zone", ("name", "expression"))
# way: IN, ENTER, LEAVE or MOVE; zone: the one that is meant, entered or left; to: of MOVE, the one that is entered
Action = namedtuple("Action", ("state", "way", "zone", "to", "function", "parameters"))
Measure = namedtuple("Measure", ("metrics", "zones", "actions"))
Token = namedtuple("Token", ("text", "kind", "at"))

EMPTY = Measure((), (), ())
IN, ENTER, LEAVE, MOVE = "in", "enter", "leave", "move"
LONGEST = 16384  # letters
MOST = 128  # metrics, zones, actions, and windows of a graph, each
DEEPEST = 32  # expressions within expressions
OLDEST = 86400  # seconds of max_age

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
WORD = LETTERS + values.DIGITS + "."
VALUE = WORD + ":-/"  # of a parameter, where nothing is subtracted
SIGNS = ("->", ">=", "<=", "&&", "||", "{", "}", "(", ")", ";", ",", "=", "<", ">", "+", "-")
COMPARE, COUNT, JOIN = ("=", ">=", "<=", ">", "<"), ("+", "-"), ("&&", "||", "and", "or")
UNITS = {"second": 1, "seconds": 1, "minute": 60, "minutes": 60, "hour": 3600, "hours": 3600}
TRUTH, NUMBER = "a truth", "a number"


def _name(token):
    if token.kind not in ("word", "string") or not token.text:
        raise ValueError("a name")
    return token.text


def _ip(token):
    try:
        return values.ipv4_text(values.ipv4(token.text))
    except ValueError:
        raise ValueError("an IPv4 address, such as 192.0.2.1")


def _between(least, most, whole=False):
    def check(token):
        try:
            found = int(token.text) if whole else float(token.text)
        except ValueError:
            found = None
        if token.kind != "word" or found is None or not least <= found <= most:
            raise ValueError("a %snumber from %s to %s" % ("whole " * whole, _short(least), _short(most)))
        return found
    return check


def _topic(token):
    levels = token.text.split("/")
    if len(token.text) > 200 or not all([level and all([c in WORD + "-" for c in level]) for level in levels]):
        raise ValueError("levels of letters, digits, _ . and -, with a / between, such as alarms")
    return token.text


def _text(token):
    if token.kind not in ("word", "string") or len(token.text) > 1000:
        raise ValueError("a text of 1000 letters at most")
    return token.text


_ways = {"interface": (_name, None), "vnf": (_name, "")}
_risk = {"interface": (_name, None), "vnf": (_name, ""), "line_rate": (_between(1, 1e13), 0.0), "cutoff": (_between(0.01, 1), 0.9)}
_ping = {"destination.ip4": (_ip, None), "source.ip4": (_ip, ""), "count": (_between(1, 20, True), 4),
         "interval": (_between(1, 3600), 5.0)}
# {metric: {parameter: (what checks its value, its default; None: it has to be there)}}
METRICS = {"cpu": {"vnf": (_name, None)}, "mem": {"vnf": (_name, None)}, "reported": {"name": (_name, None)}}
for _way in ("rx", "tx"):
    METRICS["rate." + _way] = METRICS["throughput." + _way] = _ways
    METRICS["overload.risk." + _way] = _risk
for _what in ("us.min", "us.mean", "us.50pct", "us.max", "count"):
    METRICS["delay.twoway.icmp." + _what] = _ping
ACTIONS = {"Publish": {"topic": (_topic, None), "message": (_text, None)},
           "Notify": {"target": (_topic, None), "message": (_text, None)}}


def parse(text, where="monitoring"):
    """Return the Measure that a text is; EMPTY of an empty one.  Raises BadGraph with line and column."""
    if not isinstance(text, str):
        raise BadGraph(where, "should be a text in MEASURE, not %s" % show(text))
    if len(text) > LONGEST:
        raise BadGraph(where, "is too long: %d letters are the most" % LONGEST)
    if not text.strip():
        return EMPTY
    return _Parser(text, where).measure()


class _Parser:
    def __init__(self, text, where):
        self.text, self.where, self.at, self.pushed = text, where, 0, None

    # Tokens.

    def fail(self, at, message):
        before = self.text[:at]
        raise BadGraph(self.where, "line %d, column %d: %s" % (
            before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1, message))

    def next(self, letters=WORD):
        """Return the next Token, of kind word, string, sign or end; words are of these letters."""
        if self.pushed:
            token, self.pushed = self.pushed, None
            return token
        text, size = self.text, len(self.text)
        while self.at < size and text[self.at] in " \t\r\n":
            self.at += 1
        begin = self.at
        if begin == size:
            return Token("", "end", begin)
        if text[begin] == '"':
            end = text.find('"', begin + 1)
            if end < 0 or "\n" in text[begin:end]:
                self.fail(begin, 'a text that begins with " has to end with one, on the same line')
            self.at = end + 1
            return Token(text[begin + 1:end], "string", begin)
        while self.at < size and text[self.at] in letters and text[self.at:self.at + 2] != "->":
            self.at += 1
            if text[self.at - 1] in "eE" and text[begin] in values.DIGITS and text[self.at:self.at + 1] in ("+", "-") \
                    and text[begin:self.at - 1].replace(".", "", 1).isdigit():
                self.at += 1  # 2e-3
        if self.at > begin:
            return Token(text[begin:self.at], "word", begin)
        for sign in SIGNS:
            if text[begin:begin + len(sign)] == sign:
                self.at += len(sign)
                return Token(sign, "sign", begin)
        self.fail(begin, "%s begins nothing that MEASURE has" % show(text[begin]))

    def peek(self):
        self.pushed = self.next()
        return self.pushed

    def take(self, text):
        """Take the sign or word that has to be next."""
        token = self.next()
        if token.text != text or token.kind == "string":
            self.fail(token.at, "should be %s, not %s" % (text, _said(token)))
        return token

    def name(self, noun):
        """Return the Token of a name that is defined or meant."""
        token = self.next()
        if token.kind != "word" or token.text[0] not in LETTERS:
            self.fail(token.at, "should be the name of %s, which begins with a letter, not %s" % (noun, _said(token)))
        if "." in token.text or len(token.text) > 64:
            self.fail(token.at, "should be the name of %s, 64 letters, digits and _ at most, not %s" % (noun, _said(token)))
        return token

    # Sections.

    def measure(self):
        metrics = self.section("measurements", self.metric)
        self.metrics = dict([(metric.name, metric) for metric in metrics])
        self.windows = set()
        zones = self.section("zones", self.zone)
        self.zones = [zone.name for zone in zones]
        actions = self.section("actions", self.action)
        token = self.next()
        if token.kind != "end":
            self.fail(token.at, "should be the end, not %s" % _said(token))
        return Measure(tuple(metrics), tuple(zones), tuple(actions))

    def section(self, title, read):
        token = self.next()
        if token.text != title or token.kind != "word":
            self.fail(token.at, "should be %s { ... }, not %s: the sections are measurements, zones and actions, in this order" % (
                title, _said(token)))
        self.take("{")
        found, names = [], set()
        while self.peek().text != "}" or self.pushed.kind == "string":
            begin = self.pushed.at
            if self.pushed.kind == "end":
                self.fail(begin, "%s { has to end with }" % title)
            if len(found) == MOST:
                self.fail(begin, "%d %s are the most" % (MOST, title))
            one = read()
            name = getattr(one, "name", None)
            if name in names:
                self.fail(begin, "%s is there already" % name)
            if name is not None:
                names.add(name)
            found.append(one)
            self.take(";")
        self.pushed = None
        return found

    def metric(self):
        token = self.name("a metric")
        self.take("=")
        kind = self.next()
        if kind.kind != "word" or kind.text not in METRICS:
            self.fail(kind.at, unknown(kind.text, METRICS, "metric") if kind.kind == "word" else "should be a metric, not %s" % _said(kind))
        before = self.text[:token.at]
        return Metric(token.text, kind.text, self.parameters(kind.text, METRICS[kind.text]),
                      before.count("\n") + 1, token.at - (before.rfind("\n") + 1) + 1)

    def parameters(self, noun, known):
        """Return {name: value} of what stands in parentheses."""
        opening, found = self.take("("), {}
        while self.peek().text != ")" or self.pushed.kind == "string":
            if found:
                self.take(",")
            key = self.next()
            if key.text not in known or key.kind != "word":
                self.fail(key.at, unknown(key.text, known, "parameter") if key.kind == "word" else "should be a parameter, not %s" % _said(key))
            if key.text in found:
                self.fail(key.at, "%s is there already" % key.text)
            self.take("=")
            value = self.next(VALUE)
            try:
                if value.kind not in ("word", "string"):
                    raise ValueError("a value")
                found[key.text] = known[key.text][0](value)
            except ValueError as error:
                self.fail(value.at, "%s should be %s, not %s" % (key.text, error, _said(value)))
        self.pushed = None
        for key in sorted(known):
            if key not in found:
                if known[key][1] is None:
                    self.fail(opening.at, "%s has to have a parameter %s" % (noun, key))
                found[key] = known[key][1]
        return found

    def zone(self):
        token = self.name("a zone")
        self.take("=")
        opening = self.peek()
        if opening.text != "(" or opening.kind == "string":
            self.fail(opening.at, "should be (, not %s: expressions are in parentheses" % _said(opening))
        expression, kind = self.expression(0)
        if kind != TRUTH:
            self.fail(opening.at, "should be a truth, such as (AVG(...) < 0.5), not a number")
        return Zone(token.text, expression)

    def expression(self, depth):
        """Return (the expression, TRUTH or NUMBER)."""
        token = self.next()
        if token.kind == "word" and token.text in AGGREGATES:
            return self.aggregate(token.text), NUMBER
        if token.kind == "word" and token.text[0] in values.DIGITS + ".":
            try:
                return ("number", float(token.text)), NUMBER
            except ValueError:
                self.fail(token.at, "%s is no number" % show(token.text))
        if token.text == "-" and token.kind == "sign":
            self.fail(token.at, "should be a number of 0 or more: write (0 - 5) for -5")
        if token.text != "(" or token.kind == "string":
            self.fail(token.at, unknown(token.text, AGGREGATES, "function") if token.kind == "word"
                      else "should be a number, %s or (, not %s" % (", ".join(AGGREGATES), _said(token)))
        if depth == DEEPEST:
            self.fail(token.at, "is nested too deeply: %d parentheses are the most" % DEEPEST)
        left, kind = self.expression(depth + 1)
        sign = self.next()
        if sign.text == ")" and sign.kind == "sign":
            return left, kind
        if sign.kind == "string" or sign.text not in COMPARE + COUNT + JOIN:
            self.fail(sign.at, "should be an operator (%s) or ), not %s" % (" ".join(COMPARE + COUNT + JOIN), _said(sign)))
        wanted = TRUTH if sign.text in JOIN else NUMBER
        if kind != wanted:
            self.fail(sign.at, "%s wants %s on either side, and has %s before it" % (sign.text, wanted, kind))
        place = self.peek().at
        right, kind = self.expression(depth + 1)
        if kind != wanted:
            self.fail(place, "%s wants %s on either side, and has %s after it" % (sign.text, wanted, kind))
        self.take(")")
        text = {"and": "&&", "or": "||"}.get(sign.text, sign.text)
        return (text, left, right), NUMBER if text in COUNT else TRUTH

    def aggregate(self, name):
        opening = self.peek()
        metric = self.parameters(name, {"val": (self.known, None), "max_age": (_age, None)})
        self.windows.add((metric["val"], metric["max_age"]))
        if len(self.windows) > MOST:
            self.fail(opening.at, "%d pairs of a metric and a max_age are the most" % MOST)
        return (name, metric["val"], metric["max_age"])

    def known(self, token):
        if token.text not in self.metrics:
            self.fail(token.at, unknown(token.text, self.metrics, "metric"))
        return token.text

    def action(self):
        begin, words = self.peek().at, []
        while self.peek().text != "=" or self.pushed.kind == "string":
            token = self.next()
            if token.kind == "word":
                if token.text not in self.zones:
                    self.fail(token.at, unknown(token.text, self.zones, "zone"))
            elif token.text != "->" or token.kind != "sign":
                self.fail(token.at, "should be a zone, ->, or =, not %s" % _said(token))
            words.append(token.text)
            if len(words) > 3:
                break
        self.pushed = None
        shape = ["->" if word == "->" else "z" for word in words]
        ways = {"z": (IN, 0, None), "->z": (ENTER, 1, None), "z->": (LEAVE, 0, None), "z->z": (MOVE, 0, 2)}
        if "".join(shape) not in ways:
            self.fail(begin, "should be a zone, as z, ->z, z-> or z->y, not %s" % show("".join(words)))
        way, first, second = ways["".join(shape)]
        function = self.next()
        if function.text not in ACTIONS or function.kind != "word":
            self.fail(function.at, unknown(function.text, ACTIONS, "action") if function.kind == "word" else "should be an action, not %s" % _said(function))
        return Action("".join(words), way, words[first], words[second] if second else "", function.text,
                      self.parameters(function.text, ACTIONS[function.text]))


def _age(token):
    """Return the seconds of an age, such as "5 minute"."""
    words = token.text.split()
    if token.kind != "string" or len(words) != 2 or words[1] not in UNITS:
        raise ValueError('a text such as "5 minute", of seconds, minutes or hours')
    try:
        found = float(words[0]) * UNITS[words[1]]
    except ValueError:
        found = 0
    if not 1 <= found <= OLDEST:
        raise ValueError("from 1 second to 24 hours")
    return found


def windows(measure):
    """Return the set of (metric, seconds) of which a Measure wants windows."""
    found, level = set(), [zone.expression for zone in measure.zones]
    while level:
        one = level.pop()
        if one[0] in AGGREGATES:
            found.add(one[1:])
        elif one[0] != "number":
            level.extend(one[1:])
    return found


def evaluate(measure, kept, now, before):
    """Return (the zones that are true now, the actions that follow).

    kept: {(metric, seconds): Window}; now: seconds, on the clock of what was added to them; before: the zones that were true.
    """
    true = set([zone.name for zone in measure.zones if _value(zone.expression, kept, now)])
    entered, left, fired = true - before, before - true, []
    for action in measure.actions:
        if action.zone in {IN: true, ENTER: entered, LEAVE: left, MOVE: left}[action.way] and (
                action.way != MOVE or action.to in entered):
            fired.append(action)
    return true, fired


def _value(expression, kept, now):
    kind = expression[0]
    if kind == "number":
        return expression[1]
    if kind in AGGREGATES:
        return kept[expression[1:]].value(kind, now)
    left = _value(expression[1], kept, now)
    if kind == "&&":
        return left and _value(expression[2], kept, now)
    if kind == "||":
        return left or _value(expression[2], kept, now)
    right = _value(expression[2], kept, now)
    if kind in COUNT:
        return None if left is None or right is None else left + right if kind == "+" else left - right
    if left is None or right is None:
        return False
    return left < right if kind == "<" else left > right if kind == ">" else left <= right if kind == "<=" \
        else left >= right if kind == ">=" else left == right


def _said(token):
    return "the end" if token.kind == "end" else show(token.text)


def _short(number):
    return "%d" % number if number == int(number) else "%g" % number
