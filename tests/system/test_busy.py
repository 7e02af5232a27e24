"""A busy agent: slow clients, a full queue of writes and scripts that hang keep nobody else waiting."""
import contextlib
import os
import signal
import threading
import time

from graphs import both, graph, sf, vlan_sap

CLIENTS = 60
WRITES = 8  # more are refused
LATENCY = 0.1  # seconds for 99 of 100 answers
STALL = 0.1  # seconds of the longest turn of the loop: 0.05 is the aim, the rest is for a busy machine


class SlowClients:
    """Connections that send nothing, or a byte a second; one that the agent closes comes back at once."""

    def __init__(self, agent):
        self.agent, self.goes_on, self.links, self.begun = agent, True, [None] * CLIENTS, 0
        self.thread = threading.Thread(target=self._send)

    def __enter__(self):
        for index in range(CLIENTS):
            self._connect(index)
        self.thread.start()
        return self

    def __exit__(self, *failure):
        self.goes_on = False
        self.thread.join()
        for link in self.links:
            link.close()

    def _connect(self, index):
        self.links[index] = self.agent.connect()
        self.links[index].setblocking(False)
        self.begun += 1

    def _send(self):
        request = b"GET /graphs HTTP/1.1\r\nHost: slow\r\nX-Slow: " + b"x" * 1000
        second = 0
        while self.goes_on:
            for index, link in enumerate(self.links):
                try:
                    if index % 2:
                        link.send(request[second:second + 1])
                    with contextlib.suppress(BlockingIOError):
                        if not link.recv(1000):
                            raise ConnectionError
                except ConnectionError:
                    link.close()
                    self._connect(index)
            second += 1
            time.sleep(1 if self.goes_on else 0)


def hanging(index):
    return graph("g%d" % index, [vlan_sap("a", "lan0", index)], [sf("w", "puppet", "1", START="sleep 1000")],
                 *both("1", "a", "w:1"))


def latencies(place, path, seconds):
    """Return how long the answers to one GET after the other took, sorted."""
    found, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        begun = time.monotonic()
        place.ask("GET", path)
        found.append(time.monotonic() - begun)
        time.sleep(0.005)
    return sorted(found)


def test_reads_are_answered_beside_slow_clients_and_a_full_queue_of_writes(place):
    with SlowClients(place.agent) as clients:
        writes = [place.later("PUT", "/graphs/g%d" % index, hanging(index)) for index in range(1, WRITES + 1)]
        while place.metric("composer_jobs_waiting") < WRITES:
            time.sleep(0.01)
        status, headers, answer = place.agent.request("PUT", "/graphs/g9", hanging(9))
        assert (status, answer["error"]) == (503, "TooBusy") and int(headers["Retry-After"]) > 0
        for path in ("/health", "/graphs", "/graphs/g1/status"):
            found = latencies(place, path, 1)
            assert found[len(found) * 99 // 100] < LATENCY, "%s: %.3f s of %d" % (path, found[-1], len(found))
        assert clients.begun > CLIENTS, "the slow ones were shown out, and came back"
        for pid in place.node.pids("sleep"):
            os.kill(pid, signal.SIGKILL)
        for answer, thread in writes:
            thread.join()
            assert answer[0] == 500
    assert place.metric("composer_loop_longest_seconds") < STALL


def test_a_large_graph_does_not_hold_up_the_reads(place):
    """A graph of 300 rules and 20 functions is parsed, placed, planned, logged and stored beside them."""
    functions = [sf("f%d" % index, "puppet", "1", "2") for index in range(20)]
    rules = [one for index in range(20) for one in both("f%d" % index, "a", "f%d:1" % index, priority=index)]
    rules += [one for index in range(130) for one in both(
        "r%d" % index, "a", "b", priority=1000 + index, ether_type=0x0800, protocol="tcp", dest_port=index)]
    body = graph("large", [vlan_sap("a", "lan0", 9), vlan_sap("b", "wan0", 9)], functions, *rules)
    answer, thread = place.later("PUT", "/graphs/large", body)
    found = []
    while thread.is_alive():
        found += latencies(place, "/health", 0.05)
    thread.join()
    assert answer[0] == 201, answer
    found.sort()
    assert found[len(found) * 99 // 100] < LATENCY, found[-3:]
    place.delete("large")
    assert place.metric("composer_loop_longest_seconds") < STALL
