"""Metrics: the text that Prometheus reads, by its rules, and true."""
import re

import pytest

from broker import Broker, Client
from place import Place, chain, until
from probes import send

LINE = re.compile(r'([a-z_]+)(?:\{([a-z]+="(?:[^"\\\n]|\\["\\n])*"(?:,[a-z]+="(?:[^"\\\n]|\\["\\n])*")*)\})? ([0-9.e+-]+)')


@pytest.fixture(scope="module")
def place():
    with Place(mqtt={"host": "127.0.0.1"}) as place, Broker(place.node.host):
        with Client(place.node.host, "composer/v1/node/status") as ear:
            ear.wait("composer/v1/node/status", lambda value: value["status"] == "online", 15)
        yield place


def read(place):
    """Return ({name: type}, {(name, labels): value}) of the metrics, having held their text against the format's rules."""
    kinds, meanings, values, last = {}, {}, {}, None
    for line in place.ask("GET", "/metrics").splitlines():
        if line.startswith("# HELP "):
            name, meaning = line[len("# HELP "):].split(" ", 1)
            assert name not in meanings and meaning.endswith("."), line
            meanings[name] = meaning
        elif line.startswith("# TYPE "):
            name, kind = line[len("# TYPE "):].split()
            assert name in meanings and kind in ("gauge", "counter"), line
            kinds[name] = kind
        else:
            found = LINE.fullmatch(line)
            assert found, line
            name, labels, value = found.groups()
            assert name in kinds and name in (last, list(kinds)[-1]), "what is of one family stands together"
            assert (name, labels) not in values
            values[name, labels], last = float(value), name
    for name, kind in kinds.items():
        assert name.endswith("_total") == (kind == "counter"), name
    return kinds, values


def test_it_is_the_text_of_prometheus_and_says_what_is_there(place):
    before = read(place)[1]
    place.put(chain("one", "two"))
    place.ask("POST", "/graphs/g/functions/two/pause")
    kinds, values = read(place)
    assert values["composer_graphs", 'state="deployed"'] == 1
    assert values["composer_functions", 'state="running",type="native"'] == values["composer_functions", 'state="paused",type="native"'] == 1
    assert values["composer_ports", 'kind="function"'] == 4 and values["composer_ports", 'kind="interface"'] == 3
    assert values["composer_rules", None] == 6
    until(lambda: read(place)[1]["composer_switch_rules", None] > 6)  # at the next look
    assert values["composer_jobs_total", 'result="done"'] == before["composer_jobs_total", 'result="done"'] + 2
    assert values["composer_bus_connected", None] == 1 and values["composer_bus_messages_total", 'result="published"'] > 0
    assert values["composer_function_memory_bytes", 'function="one",graph="g"'] >= 0
    assert values["composer_function_cpu_seconds_total", 'function="two",graph="g"'] >= 0
    assert values["composer_port_receive_packets_total", 'function="one",graph="g",port="a"'] >= 0
    before = values["composer_port_receive_packets_total", 'function="one",graph="g",port="a"']
    for _ in range(20):
        send(place.lan, "x", to="ff:ff:ff:ff:ff:ff")
    until(lambda: read(place)[1]["composer_port_receive_packets_total", 'function="one",graph="g",port="a"'] >= before + 20)
    assert values["process_resident_memory_bytes", None] > 1e7 and values["composer_loop_latest_seconds", None] >= 0
    assert {"composer_bus_failures_total", "composer_alarms_total", "composer_loop_longest_seconds"} <= set(kinds)
    place.clear()


def test_without_a_broker_there_is_nothing_of_a_bus():
    with Place() as place:
        assert not [name for name in read(place)[0] if "bus" in name]
