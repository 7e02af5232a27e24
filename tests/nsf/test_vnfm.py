"""The manager of network functions as a daemon; what it does with an agent is in tests/system/test_vnfm.py."""
import os
import time

import pytest


@pytest.fixture
def manager(function, host):
    """The function, started; nobody answers where it asks."""
    one = function("vnfm", host("10.77.0.1/24"), SF_ADDRESSES="eth0=10.77.0.2/24")
    assert one.run("status") == 3
    assert one.run("start") == 0, one.said
    return one


def pid(one):
    number, = one.node.run("ip", "netns", "pids", one.space).stdout.split()
    return number


def test_it_begins_anew_only_if_something_has_changed_and_its_end_leaves_nothing(manager):
    assert manager.run("update", VNFM_USER="bob", VNFM_PASSWORD=r"back\new\c") == 0, manager.said
    first = pid(manager)
    assert manager.run("start") == manager.run("update") == manager.run("status") == 0, manager.said
    assert pid(manager) == first
    for change in {"VNFM_FIREWALLS": "2"}, {"VNFM_USER": "alice", "VNFM_PASSWORD": "a b"}, {"VNFM_PASSWORD": "a c"}:
        before = pid(manager)
        assert manager.run("update", **change) == 0, manager.said
        assert pid(manager) != before
    for _ in range(2):
        assert manager.run("stop") == 0, manager.said
        assert manager.run("status") == 3
    assert manager.left() == []


def test_what_is_secret_is_shown_to_root_only(manager):
    manager.run("update", VNFM_PASSWORD="secret")
    assert "secret" not in manager.node.run("ps", "ax", "-o", "args").stdout
    assert manager.node.run("stat", "-c", "%a", manager.home + "/run/manager.conf").stdout == "600\n"


def test_paused_it_stands_still(manager):
    for script, states in ("pause", "T"), ("resume", "SR"):
        assert manager.run(script) == 0, manager.said
        assert manager.node.run("ps", "-o", "stat=", "-p", pid(manager)).stdout[0] in states


def test_one_that_can_do_nothing_says_so_after_a_while(manager):
    said = manager.home + "/run/manager.said"
    while not os.path.exists(said) or not os.path.getsize(said):
        time.sleep(0.02)
    assert manager.run("pause") == manager.run("status") == 0, "it may still come"
    with open(said) as file:
        since, _, why = file.read().partition(" ")
    with open(said, "w") as file:
        file.write("%d %s" % (int(since) - 20, why))  # 20 seconds later
    assert manager.run("status") == 1
    assert manager.said == "manager: can do nothing: [Errno 101] Network is unreachable"


def test_one_that_has_died_is_not_running_and_is_started_again(manager):
    manager.node.run("kill", "-9", pid(manager))
    assert manager.run("status") == 1
    assert manager.said == "manager: has died; start runs it again"
    assert manager.run("start") == manager.run("status") == 0, manager.said
