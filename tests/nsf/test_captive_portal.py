"""The captive portal: what a guest can do before he accepts, and after."""
import re
import socket
import time

import pytest

from function import nothing_lost, pings, seen

NOTHING = 0.15  # seconds to wait for what should not come
FAR = "203.0.113.5"


def ask(host, address, port=80, path="/a?b", within=2):
    """Return what a web server answers, None if nothing."""
    with host.socket() as mouth:
        mouth.settimeout(within)
        try:
            mouth.connect((address, port))
            mouth.send(b"GET %s HTTP/1.1\r\nHost: example.org\r\n\r\n" % path.encode())
            return b"".join(iter(lambda: mouth.recv(4096), b"")).decode()
        except OSError:
            return None


@pytest.fixture
def portal(host, function):
    """(a guest, a host outside, the portal between them), started."""
    guest, outside = host("192.168.1.9/24", gateway="192.168.1.1"), host("192.168.1.1/24", FAR + "/32")
    one = function("captive-portal", guest, outside)
    assert one.run("start") == 0, one.said
    return guest, outside, one


def test_who_has_not_accepted_gets_names_and_the_portal_and_no_more(portal):
    guest, outside, one = portal
    assert ask(guest, FAR).startswith("HTTP/1.0 302 Found\r\nLocation: http://192.168.1.3/\r\n")
    assert "Please accept" in ask(guest, "192.168.1.3")
    assert seen(guest, outside, 53, kind=socket.SOCK_DGRAM) == guest.ip
    assert seen(guest, outside, 53) == guest.ip
    assert not seen(guest, outside, 443, within=NOTHING)
    assert not seen(guest, outside, 4000, kind=socket.SOCK_DGRAM, within=NOTHING)
    assert not seen(outside, guest, 80, within=NOTHING)
    assert not pings(guest, FAR, within=NOTHING)
    assert not ask(outside, "192.168.1.3", within=NOTHING)


def test_who_accepts_passes_and_others_do_not(portal):
    guest, outside, one = portal
    assert not seen(guest, outside, 80, to=(FAR, 80), within=NOTHING)
    action = re.search('action="http://192.168.1.3:([0-9]+)/"', ask(guest, "192.168.1.3"))[1]
    assert "may go on" in ask(guest, "192.168.1.3", int(action))
    assert seen(guest, outside, 80, to=(FAR, 80)) == guest.ip
    assert seen(guest, outside, 443) == guest.ip
    assert seen(outside, guest, 4000, kind=socket.SOCK_DGRAM) == outside.ip
    guest.run("ip", "link", "set", "eth0", "address", "02:00:00:00:00:07")
    assert not seen(guest, outside, 443, within=NOTHING)


def test_who_asks_slowly_is_answered_before_he_has_asked(portal):
    guest, outside, one = portal
    with guest.socket() as mouth:
        mouth.connect(("192.168.1.3", 80))
        mouth.settimeout(0.4)
        for _ in range(18):
            mouth.send(b"GET\r\n")
            try:
                assert mouth.recv(8) == b"HTTP/1.0"
                return
            except TimeoutError:
                continue
    assert False, "a process is taken up for as long as he likes"


def test_it_is_all_the_same_what_is_asked(portal):
    guest, outside, one = portal
    page = ask(guest, "192.168.1.3")
    for path in "/../../run/page.pid", "/`id`;$(id)'\"<b>\\x00%00\n\0", 9000 * "/":
        assert ask(guest, "192.168.1.3", path=path) == page


def test_an_open_connection_is_no_acceptance(portal):
    guest, outside, one = portal
    with guest.socket() as mouth:
        mouth.connect(("192.168.1.3", 81))
    assert not seen(guest, outside, 443, within=NOTHING)


def test_an_acceptance_outlives_an_update_and_ends_with_its_time(portal):
    guest, outside, one = portal
    assert one.run("update", PORTAL_TIME="1") == 0, one.said
    until = time.monotonic() + 1.1
    assert ask(guest, "192.168.1.3", 81)
    with nothing_lost(guest, FAR):
        assert one.run("update", PORTAL_TEXT="<b>Fish & chips</b>", PORTAL_TIME="60") == 0, one.said
    assert "&lt;b&gt;Fish &amp; chips&lt;/b&gt;" in ask(guest, "192.168.1.3")
    time.sleep(max(0, until - time.monotonic()))
    assert not seen(guest, outside, 443, within=NOTHING)


def test_it_runs_from_start_to_stop_and_leaves_nothing(portal):
    guest, outside, one = portal
    ask(guest, "192.168.1.3", 81)
    assert pings(guest, FAR)
    assert one.run("pause") == 0, one.said
    assert not pings(guest, FAR, within=NOTHING)
    assert one.run("resume") == 0, one.said
    assert pings(guest, FAR)
    assert one.run("status") == 0, one.said
    one.inside("sh", "-c", "kill -9 $(ip netns pids %s | head -n 1)" % one.space)
    while one.run("status") == 0:
        pass
    assert one.said == "portal: a server of it has died; start runs it again"
    assert one.run("start") == 0, one.said
    assert one.run("status") == 0, one.said
    assert one.run("stop") == 0 and one.run("stop") == 0, one.said
    assert one.run("status") == 3
    assert one.left() == []
    assert one.run("start") == 0, one.said
    assert not pings(guest, FAR, within=NOTHING)
    assert ask(guest, FAR)
