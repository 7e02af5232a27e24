"""The plan: its order, what it keeps, what it leaves alone; deploying and deleting are its special cases."""
from composer.core import placing, plan, sffg
from composer.core.errors import StepFailed
from composer.core.steps import line
from expect import raises
from fake_node import Drivers, place

SCRIPTS = "start stop update status"


def graph(rules, variables=(), ports="12", name="wire", mac=None):
    """Return a graph of SAPs a, b and function f; rules: "a > f:1, f:2 > b"."""
    sf = {"id": "f", "name": name, "ports": [{"id": port} for port in ports], "variables": dict(variables)}
    if mac:
        sf["ports"][0]["mac"] = mac
    made = []
    for number, text in enumerate(rules.split(", ") if rules else ()):
        ends = [("sf:" if ":" in end else "service-access-point:") + end for end in text.split(" > ")]
        made.append({"id": str(number + 1), "priority": number, "match": {"port_in": ends[0]},
                     "actions": {"output_to_port": ends[1]}})
    return sffg.parse({"sffg": {
        "SFs": [sf] if ports else [], "flowrules": made,
        "saps": [{"id": "a", "type": "interface", "interface": {"if-name": "eth0"}},
                 {"id": "b", "type": "interface", "interface": {"if-name": "eth1"}}]}}, "g")


EMPTY = placing.empty("g")
CHAIN = "a > f:1, f:1 > a, f:2 > b, b > f:2"


def rounds(generator, scripts=SCRIPTS, fails=()):
    """Return ([[a step as a line, ...], ...], what the generator returns); a step that has one of `fails` in it fails."""
    seen, answer = [], None
    try:
        while True:
            wanted = generator.throw(answer) if isinstance(answer, StepFailed) else generator.send(answer)
            several = wanted if isinstance(wanted, list) else [wanted]
            seen.append([line(step) for step in several])
            answers = [StepFailed(text, "no") if any([word in text for word in fails]) else
                       scripts if step.verb == "unpack" else "" for step, text in zip(several, seen[-1])]
            answer = answers if isinstance(wanted, list) else answers[0]
    except StopIteration as end:
        return seen, end.value
    except StepFailed as failure:
        return seen, failure


def deployed(of, scripts=SCRIPTS):
    """Return a graph placed and deployed: its functions know their scripts."""
    new = place(of, EMPTY)
    rounds(plan.update(EMPTY, new, Drivers), scripts)
    return new


def kinds(seen):
    """Return what each round is, in a word or two: what its first line does."""
    found = []
    for lines in seen:
        words = lines[0].split(" ")
        if "ovs-ofctl" in words:
            found.append("rules of " + words[-2])
        elif words[0] == "ovs-vsctl":
            found.append("unmake" if "--if-exists" in words else "make")
        elif words[0] == "env":
            found.append([word for word in words if "/" in word and "=" not in word][0].split("/")[-1])
        elif "kill" in words:
            found.append("kill")
        else:
            found.append(words[0] if words[0] != "ip" else " ".join(words[:3]))
    return found


def test_a_deploy_makes_then_starts_then_steers_and_traffic_flows_last():
    seen, ended = rounds(plan.update(EMPTY, place(graph(CHAIN), EMPTY), Drivers))
    assert kinds(seen) == ["mkdir", "make", "start", "rules of lsi1", "rules of lsi0"]
    assert not any(ended)


def test_a_delete_is_the_reverse():
    seen, ended = rounds(plan.take_down(deployed(graph(CHAIN)), EMPTY, Drivers))
    assert kinds(seen) == ["rules of lsi0", "stop", "kill", "unmake", "ip link del", "rm"]
    assert not any(ended)


def test_a_delete_that_cannot_stop_a_function_goes_on():
    seen, ended = rounds(plan.take_down(deployed(graph(CHAIN)), EMPTY, Drivers), fails=["/stop ", "ovs-vsctl"])
    assert kinds(seen) == ["rules of lsi0", "stop", "kill", "unmake", "unmake", "ip link del", "rm"]
    assert any(ended)
    assert "--no-wait" in seen[4][0] and "--no-wait" not in seen[3][0]


def test_an_update_to_the_same_has_no_steps():
    old = deployed(graph(CHAIN))
    new = place(graph(CHAIN), old)
    assert placing.same(old, new)
    assert rounds(plan.update(old, new, Drivers))[0] == []


REPLACED = ["mkdir", "make", "start", "rules of lsi1", "stop", "kill", "unmake", "ip link del", "rm"]

# before, after: the rounds of the update
UPDATES = (
    # rules come and go: the far end of a link before what sends to it, and the end of one after
    (graph("a > f:1"), graph("a > f:1, b > f:1"), ["rules of lsi0"]),
    (graph("a > f:1"), graph("a > f:1, f:1 > f:2"), ["rules of lsi1"]),
    (graph("a > f:1"), graph("a > f:1, f:1 > b"), ["rules of lsi0", "rules of lsi1"]),
    (graph("a > f:1, f:1 > b"), graph("a > f:1"), ["rules of lsi1", "rules of lsi0"]),
    (graph("a > f:1"), graph("a > f:1, b > f:2"), ["make", "rules of lsi1", "rules of lsi0"]),
    (graph("a > f:1, b > f:2"), graph("a > f:1"), ["rules of lsi0", "rules of lsi1", "unmake"]),
    # a function is told of variables and ports, and nothing else is touched
    (graph(CHAIN), graph(CHAIN, {"A": "1"}), ["update"]),
    (graph(CHAIN), graph(CHAIN, ports="123"), ["ip link add", "make", "update"]),
    (graph(CHAIN, ports="123"), graph(CHAIN), ["update", "unmake", "ip link del"]),
    # another image, or a port that is another device: a new function, before the old one goes
    (graph(CHAIN), graph(CHAIN, name="tunnel"), REPLACED),
    (graph(CHAIN), graph(CHAIN, mac="02:00:00:00:00:01"), REPLACED),
    # a graph whose rules all stay on LSI-0 has no LSI until a rule needs one
    (graph("a > b", ports=""), graph("a > b, b > a", ports=""), ["rules of lsi0"]),
    (graph("a > b", ports=""), graph("a > f:1"), ["mkdir", "make", "start", "rules of lsi1", "rules of lsi0"]),
    (graph("a > f:1"), graph("a > b", ports=""), ["rules of lsi0", "stop", "kill", "unmake", "ip link del", "rm"]))


def test_an_update_does_what_has_changed_and_in_order():
    for before, after, found in UPDATES:
        old = deployed(before)
        seen, ended = rounds(plan.update(old, place(after, old), Drivers))
        assert kinds(seen) == found, (found, seen)
        assert not any(ended)


def test_deploying_and_deleting_are_updates():
    new = place(graph("a > b", ports=""), EMPTY)
    assert kinds(rounds(plan.update(EMPTY, new, Drivers))[0]) == ["rules of lsi0"]
    assert rounds(plan.update(EMPTY, EMPTY, Drivers))[0] == []
    taken = rounds(plan.update(deployed(graph(CHAIN)), EMPTY, Drivers))[0]
    assert taken[-5:] == rounds(plan.take_down(deployed(graph(CHAIN)), EMPTY, Drivers))[0][-5:]


def test_a_function_without_an_update_script_is_stopped_and_started():
    old = deployed(graph(CHAIN), "start stop")
    assert kinds(rounds(plan.update(old, place(graph(CHAIN, {"A": "1"}), old), Drivers))[0]) == ["stop", "kill", "start"]
    old = deployed(graph(CHAIN), "start")
    assert kinds(rounds(plan.update(old, place(graph(CHAIN, {"A": "1"}), old), Drivers))[0]) == ["kill", "start"]


def test_an_update_script_is_told_which_ports_came_and_went():
    old = deployed(graph(CHAIN, ports="123"))
    new = place(graph(CHAIN, ports="12"), old)
    assert "SF_PORTS_ADDED= SF_PORTS_REMOVED=eth2" in " ".join(rounds(plan.update(old, new, Drivers))[0][0]).replace("'", "")
    assert "SF_PORTS_ADDED=eth2 SF_PORTS_REMOVED=" in " ".join(rounds(plan.update(new, old, Drivers))[0][2]).replace("'", "")


def test_a_change_of_one_rule_sends_that_rule_only():
    old = deployed(graph("a > b, b > a", ports=""))
    new = place(graph("a > b, b > b", ports=""), old)
    seen = rounds(plan.update(old, new, Drivers))[0]
    only = seen[0][0]
    assert len(seen) == len(seen[0]) == 1
    assert only.count("cookie=") == 1 and "cookie=0x100000002" in only


def test_placing_again_keeps_numbers_names_links_and_cookies():
    old = deployed(graph("a > f:1, a > f:2"))
    new = place(graph("b > f:2, a > f:2", ports="21"), old, 9)
    assert new["number"] == old["number"] == 1
    assert (new["sfs"]["f"]["number"], new["sfs"]["f"]["netns"]) == (0, "composer:g:f")
    assert new["links"] == {"sf:f:2": 1}
    assert new["low"] == {"1": 1, "2": 2}


def test_placing_gives_what_is_new_a_number_that_nothing_of_before_has():
    old = deployed(graph("a > f:1, f:1 > a"))
    other = place(graph("a > f:1, f:1 > a", name="tunnel"), old)
    assert (other["sfs"]["f"]["number"], other["sfs"]["f"]["netns"]) == (1, "composer:g:f:1")
    again = place(graph("a > f:1, f:1 > a", name="tunnel"), other)
    assert again["sfs"] == other["sfs"]
    third = graph("a > f:1, f:1 > a, f:1 > b")
    del third.rules[0]
    assert place(third, old)["low"] == {"2": 2, "3": 3}


def test_a_failure_before_the_rules_changed_undoes_what_was_done_and_stops_no_other_function():
    for fails, found in (
            ("netns add", ["mkdir", "ip link del", "rm"]),
            ("--may-exist", ["mkdir", "make", "unmake", "ip link del", "rm"]),
            ("/start", ["mkdir", "make", "start", "stop", "kill", "unmake", "ip link del", "rm"]),
            ("add-flows lsi1", ["mkdir", "make", "start", "rules of lsi1", "stop", "kill", "unmake", "ip link del", "rm"]),
            ("add-flows lsi0", ["mkdir", "make", "start", "rules of lsi1", "rules of lsi0", "rules of lsi0", "stop", "kill",
                                "unmake",
                                "ip link del", "rm"])):
        seen, failure = rounds(plan.update(EMPTY, place(graph(CHAIN), EMPTY), Drivers), fails=[fails])
        assert isinstance(failure, StepFailed) and fails in failure.command, fails
        assert kinds(seen) == found, (fails, seen)


def test_a_failed_update_tells_a_function_what_it_had():
    old = deployed(graph(CHAIN, {"A": "1"}))
    new = place(graph(CHAIN + ", a > b", {"A": "2"}), old)
    seen, failure = rounds(plan.update(old, new, Drivers), fails=["add-flows"])
    assert ["A=1" in lines[0] for lines in seen if "/update" in lines[0]] == [False, True]
    assert failure.left and "add-flows" in failure.left[0].command  # what could not be undone


def test_a_failure_after_the_rules_changed_is_told_and_the_way_is_forward():
    old = deployed(graph(CHAIN))
    seen, ended = rounds(plan.update(old, place(graph("a > b", ports=""), old), Drivers), fails=["netns del"])
    assert kinds(seen)[0] == "rules of lsi0"
    assert "netns del" in ended[0][0].command


def several(*answers):
    """A generator that yields what it is told to, and keeps what it is sent."""
    for step in answers:
        got.append((step, (yield step)))


got = []


def test_generators_that_are_driven_together_go_side_by_side():
    del got[:]
    both = plan.together([several("a", ["b", "c"]), several(), several("d", [], "e")])
    assert both.send(None) == ["a", "d"]
    assert both.send([1, 2]) == ["b", "c"]
    assert both.send([3, 4]) == ["e"]
    assert raises(StopIteration, both.send, [5])
    assert sorted(got, key=repr) == sorted([("a", 1), ("d", 2), (["b", "c"], [3, 4]), ([], []), ("e", 5)], key=repr)


def test_a_step_that_fails_is_its_own_generators_and_the_others_end_first():
    for failures in (None, []):
        del got[:]
        both = plan.together([several("a", "b"), several("c", "d")], failures)
        assert both.send(None) == ["a", "c"]
        assert both.send([StepFailed("a", "no"), 2]) == ["d"]
        ended = raises(StopIteration if failures is not None else StepFailed, both.send, [3])
        assert got == [("c", 2), ("d", 3)]
        assert failures is None and ended.command == "a" or [failure.command for failure in failures] == ["a"]


def test_together_with_nothing_to_do_is_nothing():
    assert list(plan.together([])) == []
    assert list(plan.together([several(), several()], [])) == []
