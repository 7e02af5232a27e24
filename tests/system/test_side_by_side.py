"""Side by side: the functions of a graph do not wait for each other, whatever their scripts take."""
import pytest

from graphs import both, graph, sf
from place import LAN, WAN

FOLDER = "/mnt"  # a tmpfs in the node: functions see it, unlike what is in /tmp
MEET = """
echo here >$PLACE/$SF_ID.%(script)s
turns=0
while [ ! -e $PLACE/$OTHER.%(script)s ]; do
    [ $turns -lt $PATIENCE ] || { echo "$OTHER does not come" >&2; exit 1; }
    turns=$((turns + 1))
    sleep 0.1
done
"""
MEETINGS = {script.upper(): MEET % {"script": script} for script in ("start", "update", "stop")}
PATIENCE = "100"  # tenths of a second


@pytest.fixture
def meeting(place):
    """A folder where functions can meet."""
    place.node.run("mount", "-t", "tmpfs", "tmpfs", FOLDER)
    yield
    place.clear()
    place.node.run("umount", FOLDER)


def pair(one, other):
    """A graph of lan, two functions and wan, with their variables; each script waits for that of the other function."""
    sfs = [sf("one", "puppet", "a", "b", PLACE=FOLDER, OTHER="two", **one),
           sf("two", "puppet", "a", "b", PLACE=FOLDER, OTHER="one", **other)]
    return graph("g", [LAN, WAN], sfs, *both("1", "lan", "one:a"), *both("2", "one:b", "two:a"), *both("3", "two:b", "wan"))


def test_two_functions_start_update_and_stop_side_by_side(place, meeting):
    meets = dict(MEETINGS, PATIENCE=PATIENCE)
    place.put(pair(meets, meets), 201)
    meets["SAY"] = "another"
    place.put(pair(meets, meets), 200)
    assert place.calls("one") == place.calls("two") == ["start", "update"]
    place.delete("g")
    assert place.node.run("ls", FOLDER).stdout.split() == [
        name + script for name in ("one", "two") for script in (".start", ".stop", ".update")]


def test_a_function_whose_other_does_not_come_fails(place, meeting):
    """So the test above would not hold if one were started after the other."""
    answer = place.put(pair(dict(MEETINGS, PATIENCE="3"), {}), 500)
    assert answer["error"] == "StepFailed" and "two does not come" in answer["output"]
