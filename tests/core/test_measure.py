"""MEASURE: the whole grammar, every mistake with its line and column, windows, and what follows of them."""
from composer.core import measure, sffg, windows
from composer.core.errors import BadGraph
from expect import raises

AVG = 'AVG(val = m, max_age = "1 minute")'
PAPER = """
measurements { m1 = cpu(vnf = fw); m2 = overload.risk.rx(interface = wan); }
zones { z1 = (AVG(val = m1, max_age = "5 minute") < 0.5); z2 = (AVG(val = m1, max_age = "1 minute") >= 0.8); }
actions { z1 = Notify(target = "ctrl", message = "ok"); z1->z2 = Publish(topic = "alarms", message = "scale_out");
          ->z2 = Publish(topic = a, message = b); z2-> = Publish(topic = a/b, message = c); }
"""
GRAPH = {"sffg": {
    "id": "g", "SFs": [{"id": "fw", "name": "firewall", "ports": [{"id": "in"}, {"id": "out:0"}]}],
    "saps": [{"id": "wan", "type": "interface", "interface": {"if-name": "eth1"}}], "flowrules": []}}


def program(metrics="m = cpu(vnf = fw);", zones="", actions=""):
    return "measurements { %s }\nzones { %s }\nactions { %s }" % (metrics, zones, actions)


def zone(expression):
    return measure.parse(program(zones="z = %s;" % expression)).zones[0].expression


def test_the_papers_own_kind_of_string_is_read():
    found = measure.parse(PAPER)
    assert [(one.name, one.kind) for one in found.metrics] == [("m1", "cpu"), ("m2", "overload.risk.rx")]
    assert found.metrics[1].parameters == {"interface": "wan", "vnf": "", "line_rate": 0.0, "cutoff": 0.9}
    assert (found.metrics[1].line, found.metrics[1].column) == (2, 36)
    assert [one.expression for one in found.zones] == [
        ("<", ("AVG", "m1", 300.0), ("number", 0.5)), (">=", ("AVG", "m1", 60.0), ("number", 0.8))]
    assert [(one.state, one.way, one.zone, one.to, one.function) for one in found.actions] == [
        ("z1", "in", "z1", "", "Notify"), ("z1->z2", "move", "z1", "z2", "Publish"), ("->z2", "enter", "z2", "", "Publish"),
        ("z2->", "leave", "z2", "", "Publish")]
    assert found.actions[3].parameters == {"topic": "a/b", "message": "c"}
    assert measure.windows(found) == {("m1", 300.0), ("m1", 60.0)}


def test_nothing_is_measured_unless_something_is_said():
    for text in ("", " \n\t "):
        assert measure.parse(text) == measure.EMPTY
    assert measure.parse("measurements{}zones{}actions{}") == measure.EMPTY


def test_every_metric_has_its_parameters():
    for kind, parameters, found in (
            ("cpu", "vnf = fw-1.a", {"vnf": "fw-1.a"}), ("mem", 'vnf = "a name of two words"', {"vnf": "a name of two words"}),
            ("rate.tx", "interface = inout:0, vnf = 0x1", {"interface": "inout:0", "vnf": "0x1"}),
            ("throughput.rx", "interface = wan", {"interface": "wan", "vnf": ""}),
            ("overload.risk.tx", "cutoff = 0.5, line_rate = 2e7, interface = x",
             {"interface": "x", "vnf": "", "line_rate": 2e7, "cutoff": 0.5}),
            ("delay.twoway.icmp.us.50pct", "destination.ip4 = 192.0.2.1, source.ip4 = \"192.0.2.2\", count = 7, interval = 60",
             {"destination.ip4": "192.0.2.1", "source.ip4": "192.0.2.2", "count": 7, "interval": 60.0}),
            ("delay.twoway.icmp.count", "destination.ip4 = 192.0.2.1",
             {"destination.ip4": "192.0.2.1", "source.ip4": "", "count": 4, "interval": 5.0}),
            ("reported", "name = fw.sessions", {"name": "fw.sessions"})):
        one = measure.parse(program("m = %s(%s);" % (kind, parameters))).metrics[0]
        assert (one.kind, one.parameters) == (kind, found), one
    assert len(measure.METRICS) == 14


def test_every_operator_is_one_of_two_sides():
    for sign in ("=", ">=", "<=", ">", "<"):
        assert zone("(%s %s 5)" % (AVG, sign)) == (sign, ("AVG", "m", 60.0), ("number", 5.0))
    for sign in ("+", "-"):
        assert zone("((%s %s .5) > 1)" % (AVG, sign))[1] == (sign, ("AVG", "m", 60.0), ("number", 0.5))
    for sign, read in (("and", "&&"), ("&&", "&&"), ("or", "||"), ("||", "||")):
        assert zone("((1 < 2) %s (3 > 4))" % sign) == (read, ("<", ("number", 1.0), ("number", 2.0)), (">", ("number", 3.0), ("number", 4.0)))
    assert zone("((((1 < 2))))") == ("<", ("number", 1.0), ("number", 2.0))
    for name in windows.AGGREGATES:
        assert zone('(%s(max_age = "90 seconds", val = "m") < 2e-3)' % name) == ("<", (name, "m", 90.0), ("number", 0.002))
    for text, seconds in (("1 second", 1), ("1.5 minutes", 90), ("24 hours", 86400), ("1 hour", 3600)):
        assert zone('(AVG(val = m, max_age = "%s") < 1)' % text)[1][2] == seconds


MISTAKES = (  # a text, line, column, and what is said
    ("x", 1, 1, "should be measurements { ... }, not 'x'"),
    ("zones {}", 1, 1, "should be measurements"), ("measurements {", 1, 15, "measurements { has to end with }"),
    ("measurements {} actions {}", 1, 17, "should be zones { ... }, not 'actions'"),
    ("measurements {} zones {} actions {}\n more", 2, 2, "should be the end, not 'more'"),
    (program("m = cpu(vnf = fw)"), 1, 34, "should be ;, not '}'"), (program("m : cpu"), 1, 18, "':' begins nothing"),
    (program("1 = cpu(vnf = fw);"), 1, 16, "should be the name of a metric, which begins with a letter, not '1'"),
    (program("a.b = cpu(vnf = fw);"), 1, 16, "should be the name of a metric, 64 letters"),
    (program("m = cpo(vnf = fw);"), 1, 20, "unknown metric 'cpo', the nearest known is cpu"),
    (program('m = "cpu"(vnf = fw);'), 1, 20, "should be a metric, not 'cpu'"),
    (program("m = cpu(vnv = fw);"), 1, 24, "unknown parameter 'vnv', the nearest known is vnf"),
    (program("m = cpu();"), 1, 23, "cpu has to have a parameter vnf"),
    (program("m = cpu(vnf = fw, vnf = fw);"), 1, 34, "vnf is there already"),
    (program("m = cpu(vnf = fw vnf = fw);"), 1, 33, "should be ,, not 'vnf'"),
    (program("m = cpu(vnf = );"), 1, 30, "vnf should be a value, not ')'"),
    (program("m = cpu(vnf = fw); m = mem(vnf = fw);"), 1, 35, "m is there already"),
    (program('m = cpu(vnf = "fw);'), 1, 30, 'a text that begins with " has to end with one'),
    (program("m = delay.twoway.icmp.count(destination.ip4 = 1.2.3);"), 1, 62, "should be an IPv4 address"),
    (program("m = delay.twoway.icmp.count(destination.ip4 = 1.2.3.4, count = 1.5);"), 1, 79, "a whole number from 1 to 20"),
    (program("m = overload.risk.rx(interface = x, cutoff = 2);"), 1, 61, "cutoff should be a number from 0.01 to 1, not '2'"),
    (program("m = overload.risk.rx(interface = x, line_rate = nan);"), 1, 64, "a number from 1 to"),
    (program(zones="z = 1 < 2;"), 2, 13, "should be (, not '1': expressions are in parentheses"),
    (program(zones="z = (1);"), 2, 13, "should be a truth"), (program(zones="z = (1 + 2);"), 2, 13, "should be a truth"),
    (program(zones="z = (1 < 2 < 3);"), 2, 20, "should be ), not '<'"),
    (program(zones="z = ((1 < 2) < 3);"), 2, 22, "< wants a number on either side, and has a truth before it"),
    (program(zones="z = ((1 < 2) && 3);"), 2, 25, "&& wants a truth on either side, and has a number after it"),
    (program(zones="z = (1 -> 2);"), 2, 16, "should be an operator (= >= <= > < + - && || and or) or ), not '->'"),
    (program(zones="z = (-1 < 2);"), 2, 14, "should be a number of 0 or more: write (0 - 5) for -5"),
    (program(zones="z = (1.2.3 < 2);"), 2, 14, "'1.2.3' is no number"), (program(zones="z = (; < 2);"), 2, 14, "should be a number, AVG"),
    (program(zones='z = (AVH(val = m, max_age = "1 minute") < 2);'), 2, 14, "unknown function 'AVH', the nearest known is AVG"),
    (program(zones='z = (AVG(val = n, max_age = "1 minute") < 2);'), 2, 24, "unknown metric 'n', the nearest known is m"),
    (program(zones='z = (AVG(val = m) < 2);'), 2, 17, "AVG has to have a parameter max_age"),
    (program(zones='z = (AVG(val = m, max_age = "1 minite") < 2);'), 2, 37, 'a text such as "5 minute"'),
    (program(zones='z = (AVG(val = m, max_age = "25 hours") < 2);'), 2, 37, "from 1 second to 24 hours"),
    (program(zones='z = (AVG(val = m, max_age = "nan hours") < 2);'), 2, 37, "from 1 second to 24 hours"),
    (program(zones="z = %s1 < 2%s;" % ("(" * 40, ")" * 40)), 2, 45, "is nested too deeply: 32 parentheses are the most"),
    (program(zones="z = (1 < 2);", actions="y = Notify(target = t, message = m);"), 3, 11, "unknown zone 'y', the nearest known is z"),
    (program(zones="z = (1 < 2);", actions="-> = Notify(target = t, message = m);"), 3, 11, "should be a zone, as z, ->z, z-> or z->y"),
    (program(zones="z = (1 < 2);", actions="z->z->z = Notify(target = t, message = m);"), 3, 11, "should be a zone, as z, ->z"),
    (program(zones="z = (1 < 2);", actions="z > z = Notify(target = t, message = m);"), 3, 13, "should be a zone, ->, or =, not '>'"),
    (program(zones="z = (1 < 2);", actions="z = Notifi(target = t, message = m);"), 3, 15, "unknown action 'Notifi', the nearest known is Notify"),
    (program(zones="z = (1 < 2);", actions="z = Publish(topic = a//b, message = m);"), 3, 31, "topic should be levels of letters"),
    (program(zones="z = (1 < 2);", actions="z = Publish(topic = \"#\", message = m);"), 3, 31, "topic should be levels of letters"),
    ("measurements {\n\n  \u00e9 }", 3, 3, "begins nothing that MEASURE has"))


def test_every_mistake_is_told_with_its_line_and_column():
    for text, line, column, said in MISTAKES:
        message = raises(BadGraph, measure.parse, text).message
        begin = "line %d, column %d: " % (line, column)
        assert message.startswith(begin) and said in message, (text, message)


def test_what_is_too_much_is_refused():
    many = " ".join(["m%d = cpu(vnf = f);" % number for number in range(measure.MOST + 1)])
    assert "128 measurements are the most" in raises(BadGraph, measure.parse, program(many)).message
    assert "is too long" in raises(BadGraph, measure.parse, " " * (measure.LONGEST + 1)).message
    ages = " ".join(['z%d = ((AVG(val = m, max_age = "%d seconds") < 1) or (AVG(val = m, max_age = "%d seconds") < 1));' % (
        number, 2 * number + 1, 2 * number + 2) for number in range(65)])
    assert "128 pairs of a metric and a max_age are the most" in raises(BadGraph, measure.parse, program(zones=ages)).message
    for other in (7, ["x"], {"a": 1}, True):
        assert "should be a text in MEASURE" in raises(BadGraph, measure.parse, other).message


def test_what_is_measured_has_to_be_in_the_graph():
    for metric, said in (
            ("cpu(vnf = fx)", "unknown function 'fx', the nearest known is fw"),
            ("rate.rx(interface = im, vnf = fw)", "unknown port of function fw 'im', the nearest known is in"),
            ("rate.rx(interface = want)", "unknown SAP 'want', the nearest known is wan; a port of a function")):
        body = {"sffg": dict(GRAPH["sffg"])}
        body["sffg"]["monitoring"] = program("a = cpu(vnf = fw);\n m = %s;" % metric)
        refusal = raises(BadGraph, sffg.parse, body)
        assert refusal.where == "monitoring" and refusal.message.startswith("line 2, column 2: m: " + said), refusal.message
    for metric in ("rate.rx(interface = wan)", "rate.rx(interface = eth1)", "rate.tx(interface = out:0, vnf = fw)", "mem(vnf = fw)"):
        body = {"sffg": dict(GRAPH["sffg"])}
        body["sffg"]["monitoring"] = program("m = %s;" % metric)
        assert len(sffg.parse(body).measure.metrics) == 1
    assert sffg.parse(GRAPH).measure == measure.EMPTY


def test_either_dialect_has_its_own_key():
    for body, key, other in (({"sffg": {}}, "monitoring", "unify-monitoring"), ({"forwarding-graph": {}}, "unify-monitoring", "monitoring")):
        root = [name for name in body][0]
        assert len(sffg.parse({root: {key: program("m = reported(name = x);")}}).measure.metrics) == 1
        assert raises(BadGraph, sffg.parse, {root: {other: "x"}}).where == other
        assert raises(BadGraph, sffg.parse, {root: {key: "x"}}).where == key
        assert sffg.parse({root: {key: ""}}).measure == measure.EMPTY


# Windows.

def test_a_window_says_what_a_list_of_its_values_would():
    seed, window, values = 7, windows.Window(60), []
    for step in range(2000):
        seed = (seed * 1103515245 + 12345) % (1 << 31)
        now, value = step * 0.7, 1e6 + seed % 1000 / 10
        if seed % 5:
            window.add(now, value)
            values.append((now, value))
        fresh = [one for when, one in values if now - when <= 60]
        most = [one for when, one in values if now - when <= 62]
        count = window.value("COUNT", now)
        assert len(fresh) <= count <= len(most), step
        kept = most[len(most) - count:]
        if kept:
            mean = sum(kept) / count
            spread = (sum([(one - mean) ** 2 for one in kept]) / count) ** 0.5
            assert window.value("MIN", now) == min(kept) and window.value("MAX", now) == max(kept)
            assert abs(window.value("AVG", now) - mean) < 1e-6 and abs(window.value("STDDEV", now) - spread) < 1e-4
        assert len(window.begins) <= windows.BUCKETS + 2


def test_a_window_of_nothing_has_no_value():
    window = windows.Window(10)
    for _ in range(2):
        assert [window.value(name, 0) for name in windows.AGGREGATES] == [None, 0, None, None, None]
        window.add(0, 5)
        assert [window.value(name, 10) for name in windows.AGGREGATES] == [5, 1, 5, 5, 0]
        assert window.value("COUNT", 10.1) == 0
        window.add(0, 5)
        window.clear()


# Zones and actions.

def run(zones, actions, values):
    """Return the states of the actions that fire, for each of the values of m, one a second."""
    found = measure.parse(program(zones=zones, actions=actions))
    kept = dict([(key, windows.Window(key[1])) for key in measure.windows(found)])
    true, told = set(), []
    for now, value in enumerate(values):
        for window in kept.values():
            if value is not None:
                window.add(now, value)
        true, fired = measure.evaluate(found, kept, now, true)
        told.append([one.state for one in fired])
    return told


LAST = 'MAX(val = m, max_age = "1 second")'
TWO = "low = (%s < 5); high = (%s >= 5);" % (LAST, LAST)


def all_of(states):
    return " ".join(["%s = Notify(target = t, message = m);" % state for state in states])


def test_actions_follow_the_states():
    told = run(TWO, all_of(["low", "->low", "low->", "low->high", "high->low", "->high"]), [1, 1, 9, 9, 9, 1, 1, 1])
    assert told == [["low", "->low"], ["low"], ["low->", "low->high", "->high"], [], [], [], ["low", "->low", "high->low"], ["low"]]


def test_without_data_nothing_is_true():
    told = run(TWO, all_of(["low", "high", "low->"]), [None, 1, None, None, 9])
    assert told == [[], ["low"], ["low"], ["low->"], ["high"]]
    for expression, truth in (("(COUNT(val = m, max_age = \"1 second\") = 0)", True), ("(%s = 0)" % AVG, False),
                              ("((%s + 1) > 0)" % AVG, False), ("((%s < 0) or (1 < 2))" % AVG, True),
                              ("((%s < 0) and (1 < 2))" % AVG, False)):
        assert run("z = %s;" % expression, all_of(["z"]), [None]) == [["z"] * truth], expression


def test_arithmetic_and_comparison():
    for expression, truth in (("((2 + 3) = 5)", True), ("((2 - 3) < 0)", True), ("(5 <= 5)", True), ("(5 >= 6)", False), ("(5 > 5)", False),
                              ("((%s - MIN(val = m, max_age = \"1 minute\")) = 0)" % AVG, True)):
        assert run("z = %s;" % expression, all_of(["z"]), [4]) == [["z"] * truth], expression
