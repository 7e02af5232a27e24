"""The DNS forwarder: real queries, an upstream server that answers them all, and names that are blocked."""
import select
import socket
import struct
import threading
import time

import pytest

REAL, NXDOMAIN, REFUSED = "192.0.2.1", 3, 5


def query(number, name):
    """Return a query for the IPv4 address of a name (RFC 1035)."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!6H", number, 0x100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", 1, 1)


def meaning(answer):
    """Return the address that an answer has, or its code."""
    code, count = answer[3] & 15, struct.unpack("!H", answer[6:8])[0]
    return socket.inet_ntoa(answer[-4:]) if count else code


class Upstream:
    """A server on a host that says of every name that it is REAL; `asked` is how often."""

    def __init__(self, host, address):
        self.asked, self.socket = 0, host.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 53))
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self):
        while True:
            asked, client = self.socket.recvfrom(512)
            if asked == b"end":
                break
            self.asked += 1
            question = asked[12:asked.index(b"\0", 12) + 5]
            self.socket.sendto(asked[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + question + b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4"
                               + socket.inet_aton(REAL), client)

    def close(self):
        self.socket.sendto(b"end", self.socket.getsockname())
        self.thread.join()
        self.socket.close()


@pytest.fixture
def lan(host, function):
    """(ask a name, the upstream server, the function)."""
    client = host("192.168.1.9/24", "10.9.9.9/32")
    one = function("dns", client, DNS_SERVERS="10.9.9.9", DNS_GATEWAY="192.168.1.9")
    upstream, mouth = Upstream(client, "10.9.9.9"), client.socket(socket.AF_INET, socket.SOCK_DGRAM)
    mouth.settimeout(2)

    def ask(name, server="192.168.1.53"):
        mouth.sendto(query(1, name), (server, 53))
        return meaning(mouth.recv(512))
    ask.socket = mouth
    yield ask, upstream, one
    mouth.close()
    upstream.close()


def wait_for(ask, name, answer):
    """The servers read their list again a moment after an update."""
    end = time.monotonic() + 2
    while ask(name) != answer:
        assert time.monotonic() < end, "%s is not %s" % (name, answer)


def test_names_are_asked_for_except_what_is_blocked(lan):
    ask, upstream, one = lan
    assert one.run("status") == 3
    assert one.run("start", DNS_BLOCK="ads.example tracker.example.com; \n metrics.example\n") == 0, one.said
    assert ask("example.com") == REAL and upstream.asked == 1
    assert ask("example.com") == REAL and upstream.asked == 1, "it remembers"
    for name in "ads.example", "a.b.ads.example", "tracker.example.com", "metrics.example":
        assert ask(name) == NXDOMAIN
    assert ask("bads.example") == ask("www.example.com") == REAL
    assert upstream.asked == 3
    assert one.run("status") == 0, one.said
    assert one.run("stop") == 0 and one.run("stop") == 0, one.said
    assert one.run("status") == 3
    assert one.left() == []
    ask.socket.settimeout(0.1)
    with pytest.raises(OSError):
        ask("example.com")


def test_another_list_loses_no_query(lan):
    ask, upstream, one = lan
    assert one.run("start") == 0, one.said
    assert ask("ads.example") == REAL
    servers = one.node.run("ip", "netns", "pids", one.space).stdout
    sent, answers, end = 0, [], threading.Event()

    def send():
        nonlocal sent
        while not end.wait(0.001) or sent > len(answers):
            if not end.is_set() and sent < len(answers) + 20:
                sent += 1
                ask.socket.sendto(query(sent, "n%d.example.com" % sent), ("192.168.1.53", 53))
            if select.select([ask.socket], [], [], 2 if end.is_set() else 0)[0]:
                answers.append(ask.socket.recv(512))
            elif end.is_set():
                return
    sender = threading.Thread(target=send)
    sender.start()
    for number in range(3):
        names = ["ads%d.example" % (number + other) for other in range(1000)]
        assert one.run("update", DNS_BLOCK=" ".join(names)) == 0, one.said
    end.set()
    sender.join()
    assert sent > 20
    assert {answer[:2] for answer in answers} == {struct.pack("!H", number + 1) for number in range(sent)}
    assert {meaning(answer) for answer in answers} == {REAL}
    wait_for(ask, "ads1001.example", NXDOMAIN)
    assert ask("ads1.example") == REAL and ask("ads2.example") == NXDOMAIN
    assert one.node.run("ip", "netns", "pids", one.space).stdout == servers


def test_the_answer_for_what_is_blocked_may_be_an_address(lan):
    ask, upstream, one = lan
    assert one.run("start", DNS_BLOCK="ads.example", DNS_ANSWER="192.168.1.80") == 0, one.said
    assert ask("ads.example") == ask("x.ads.example") == "192.168.1.80"
    assert ask("example.com") == REAL
    assert one.run("update", DNS_BLOCK="example.com") == 0, one.said
    wait_for(ask, "ads.example", REAL)
    assert ask("www.example.com") == "192.168.1.80"
    assert one.run("update", DNS_ANSWER="") == 0, one.said
    wait_for(ask, "www.example.com", NXDOMAIN)
    assert one.run("stop") == 0, one.said
    assert one.left() == []


def test_without_a_server_to_ask_it_refuses(lan):
    ask, upstream, one = lan
    assert one.run("start", DNS_SERVERS="", DNS_BLOCK="ads.example", DNS_ADDRESS="192.168.1.54/24") == 0, one.said
    assert ask("example.com", "192.168.1.54") == REFUSED
    assert ask("ads.example", "192.168.1.54") == NXDOMAIN
    assert not upstream.asked


def test_a_server_that_died_is_not_running_until_it_is_started(lan):
    ask, upstream, one = lan
    one.run("start", DNS_ANSWER="192.168.1.80", DNS_BLOCK="ads.example")
    assert one.run("pause") == 0, one.said
    with pytest.raises(OSError):
        ask.socket.settimeout(0.1)
        ask("ads.example")
    assert one.run("resume") == 0, one.said
    for name, said in ("sink", "dns: its second server has died"), ("server", "dns: its server has died"):
        one.inside("sh", "-c", "kill -9 $(cat %s/run/%s.pid)" % (one.home, name))
        while one.run("status") == 0:
            pass
        assert one.run("status") == 1
        assert one.said == said + "; start runs it again"
    assert one.run("start") == 0, one.said
    assert one.run("status") == 0, one.said


def test_what_it_cannot_read_it_refuses(function):
    one = function("dns")
    one.ports = ["eth0"]
    for variables, said in (
            ({"DNS_BLOCK": "ads.example; ads/example"},
             "DNS_BLOCK, ads/example: not a name; right would be ads.example.com"),
            ({"DNS_BLOCK": "a..b"}, "DNS_BLOCK, a..b: not a name; right would be ads.example.com"),
            ({"DNS_ANSWER": "none"}, "DNS_ANSWER=none: neither nxdomain nor an IPv4 address"),
            ({"DNS_ANSWER": "", "DNS_BLOCK": "", "DNS_SERVERS": "9.9.9.9,dns"},
             "DNS_SERVERS=dns: not an IPv4 address; right would be 192.168.1.1"),
            ({"DNS_GATEWAY": "10.0.0"}, "DNS_GATEWAY=10.0.0: not an IPv4 address; right would be 192.168.1.1")):
        assert one.run("start", **variables) == 1
        assert one.said == said
    assert one.left() == []
