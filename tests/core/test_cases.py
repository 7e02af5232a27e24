"""Plan cases: a folder of cases/ is a graph and its plan, a step a line; steps of one paragraph go side by side.

    graph.json    the graph that is wanted; without it, none is
    before.json   the graph that is there; without it, none is
    plan.txt      the plan from one to the other

After a change of the plan that is meant, write the plans anew and read what changed:
    PYTHONPATH=agent:tests/core python3 tests/core/test_cases.py
"""
import os

from composer.core import json, placing, plan, sffg
from fake_node import Drivers, place
from test_plan import rounds

CASES = __file__[:-len("test_cases.py")] + "cases/"


def read(case, name):
    """Return the text of a file of a case, "" if it has none."""
    if name not in os.listdir(CASES + case):
        return ""
    with open("%s%s/%s" % (CASES, case, name)) as file:
        return file.read()


def placed(case, name, old):
    text = read(case, name)
    return place(sffg.parse(json.loads(text), "home"), old) if text else placing.empty("home")


def plan_of(case):
    old = placed(case, "before.json", placing.empty("home"))
    rounds(plan.update(placing.empty("home"), old, Drivers))  # its functions know their scripts
    seen, _ = rounds(plan.update(old, placed(case, "graph.json", old), Drivers))
    return "\n".join(["".join([text + "\n" for text in side_by_side]) for side_by_side in seen])


def test_every_case_has_the_plan_that_its_folder_says():
    cases = sorted(os.listdir(CASES))
    assert len(cases) > 7
    for case in cases:
        assert plan_of(case) == read(case, "plan.txt"), case


if __name__ == "__main__":
    for folder in sorted(os.listdir(CASES)):
        with open("%s%s/plan.txt" % (CASES, folder), "w") as plan_file:
            plan_file.write(plan_of(folder))
