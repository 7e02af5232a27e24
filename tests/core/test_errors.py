"""Errors say where, what, and what would be right; a step prints as the line that a person could type."""
from composer.core import errors, steps
from expect import raises


def fail(error):
    raise error


def test_an_error_names_the_place():
    error = raises(errors.Refused, fail, errors.BadGraph("flowrules[2].match", "is empty"))
    assert str(error) == "flowrules[2].match: is empty"
    assert (error.where, error.message, error.status) == ("flowrules[2].match", "is empty", 400)
    assert str(errors.Conflict("", "no room")) == "no room"


def test_a_busy_node_says_when_to_come_back():
    assert dict(errors.TooBusy("", "8 writes wait").headers)["Retry-After"] == "2"


def test_the_nearest_word_is_found_if_it_is_near():
    assert errors.nearest("priorty", ["priority", "id", "match"]) == "priority"
    assert errors.nearest("zzzzzz", ["priority", "id", "match"]) is None
    assert errors.nearest("x" * 100000, ["priority"]) is None


def test_an_unknown_word_is_answered_with_what_is_known():
    assert errors.unknown("mach", ["match", "id"], "key") == "unknown key 'mach', the nearest known is match"
    assert errors.unknown("zzzzzz", ["match", "id"], "key") == "unknown key 'zzzzzz', known are id, match"


def test_words_are_quoted_if_a_shell_would_take_them_apart():
    assert steps.quote("lan0") == "lan0"
    assert steps.quote("") == "''"
    assert steps.quote("a b") == "'a b'"
    assert steps.quote("it's") == "'it'\\''s'"


def test_a_step_is_a_line_that_a_person_could_type():
    assert steps.line(steps.run("ovs-vsctl", "add-br", "lsi 1")) == "ovs-vsctl add-br 'lsi 1'"
    assert (steps.line(steps.run("ovs-ofctl", "add-flows", "lsi1", "-", stdin="add a\nadd b\n"))
            == "printf '%s\\n' 'add a' 'add b' | ovs-ofctl add-flows lsi1 -")
    assert steps.line(steps.ip("netns", "add", "composer:g1:fw")) == "ip netns add composer:g1:fw"
    assert (steps.line(steps.script("n", "/home", "/image", "start", ["1", "fw"], [("SF_ID", "fw")]))
            == "env SF_ID=fw ip netns exec n /image/start 1 fw")
    assert steps.line(steps.script("n", "/home", "/image", "start", [], [("VPN_KEY", "hers"), ("VPN_PORT", "1")])).startswith(
        "env VPN_KEY=... VPN_PORT=1 ip netns exec n ")
    assert steps.line(steps.bind("composer:g1:fw", [0])) == "ip netns pids composer:g1:fw | xargs -n 1 taskset -apc 0"
    assert steps.line(steps.bind("n", [])) == "ip netns pids n | xargs -n 1 taskset -apc 0-1023"
    assert steps.line(steps.unpack("fw.tgz", "", "/x")) == "mkdir -p /x && tar -xzf fw.tgz -C /x"
    assert steps.line(steps.mkdir("/x y")) == "mkdir -p '/x y'"
    assert steps.line(steps.remove("/x")) == "rm -rf /x"
