"""Monitoring: what a graph says is to be measured is, of real functions and real packets, and who is to know is told."""
import json
import time

import pytest

from broker import Broker, Client
from graphs import both, graph, host_stack, sf, vlan_sap
from place import LAN, WAN, Place, bundle, chain, until
from probes import send

ROOT = "composer/v1/node/"
BUSY = 'cpu = cpu(vnf = one); mem = mem(vnf = one); in = throughput.rx(interface = lan); out = throughput.tx(interface = wan); ' \
       'pin = rate.rx(interface = a, vnf = one); pout = rate.tx(interface = b, vnf = one); '
LOAD = 'high = (AVG(val = %s, max_age = "3 second") > %s); low = (AVG(val = %s, max_age = "3 second") <= %s);'
TELL = '->high = Publish(topic = "load", message = "high"); high->low = Publish(topic = "load", message = "low"); ' \
       '->high = Notify(target = "ctrl/app", message = "more");'


def program(metrics, zones="", actions=""):
    return "measurements { %s }\nzones { %s }\nactions { %s }" % (metrics, zones, actions)


def monitored(body, *program_of):
    return {"sffg": dict(body["sffg"], monitoring=program(*program_of))}


@pytest.fixture(scope="module")
def place():
    with Place(mqtt={"host": "127.0.0.1"}) as place, Broker(place.node.host) as place.broker:
        with Client(place.node.host, ROOT + "#") as place.ear:
            place.ear.wait(ROOT + "status", lambda value: value["status"] == "online", 15)
            yield place


@pytest.fixture(autouse=True)
def cleared(place):
    yield
    place.clear()


def measured(place, name="g"):
    return place.status(name)["measurements"]


def test_processor_and_memory_are_those_of_the_function(place):
    place.put(monitored(chain("one"), BUSY))
    until(lambda: measured(place)["cpu"] is not None)
    assert measured(place)["cpu"] < 0.2
    space, = place.node.run("ls", "/run/netns").stdout.split()
    group, = [path for path in place.node.run("find", "/sys/fs/cgroup", "-type", "d", "-name", "composer:*").stdout.split()
              if "/cpu/" in path or "unified" in path][:1]
    burner = place.node.popen("dash", "-c", "echo 0 >%s/cgroup.procs; head -c 20000000 /dev/zero | (read -r x; :) ; while :; do :; done" % group)
    try:
        until(lambda: (measured(place)["cpu"] or 0) > 0.4, 8)
        place.ear.wait(ROOT + "measurement/g/cpu", lambda value: value["value"] > 0.4)
    finally:
        burner.kill()
        burner.wait()
    assert space.endswith(":one")


def test_traffic_is_counted_where_it_comes_and_where_it_goes(place):
    place.put(monitored(chain("one"), BUSY))
    until(lambda: measured(place)["in"] is not None)
    end = time.monotonic() + 4
    while time.monotonic() < end:
        send(place.lan, "x" * 900)
        time.sleep(0.005)
        found = measured(place)
        if found["in"] and found["in"] > 1e5 and found["pin"] > 20:
            break
    found = measured(place)
    assert found["in"] > 1e5 and found["out"] > 1e5 and found["pin"] > 20 and found["pout"] > 20, found


def test_zones_fire_and_both_the_bus_and_the_events_tell(place):
    place.put(monitored(chain("one"), BUSY, LOAD % ("pin", 20, "pin", 20), TELL))
    until(lambda: place.status("g")["zones"] == ["low"])
    before = time.monotonic()
    while place.status("g")["zones"] != ["high"]:
        send(place.lan, "x")
        assert time.monotonic() < before + 10
        time.sleep(0.005)
    alarm = json.loads(place.ear.wait(ROOT + "alarms/load", since=before).payload)
    assert {key: alarm[key] for key in ("graph", "zone", "action", "message")} == {
        "graph": "g", "zone": "->high", "action": "Publish", "message": "high"}
    note = json.loads(place.ear.wait(ROOT + "bus/ctrl/app", since=before).payload)
    assert note["message"] == "more" and note["sequence"] != alarm["sequence"]
    assert json.loads(place.ear.wait(ROOT + "alarms/load", lambda value: value["message"] == "low", since=before).payload)["zone"] == "high->low"
    told = [one["zone"] for one in place.ask("GET", "/events")["events"] if one["event"] == "alarm"]
    assert told[-3:] == ["->high", "->high", "high->low"]


def test_the_risk_of_overload_rises_with_the_rate(place):
    text = "risk = overload.risk.rx(interface = lan, line_rate = 4e5, cutoff = 0.5); rate = throughput.rx(interface = lan);"
    place.put(monitored(chain("one"), text))
    begun, quiet, loud = time.monotonic(), [], []
    while time.monotonic() < begun + 16:
        send(place.lan, "x" * 1000)
        time.sleep(0.1 if time.monotonic() < begun + 6 else 0.01)
        risk = measured(place)["risk"]
        if risk is not None:
            (quiet if time.monotonic() < begun + 6 else loud).append(risk)
        if loud and loud[-1] > 0.9:
            break
    assert quiet and max(quiet) < 0.3 and loud[-1] > 0.9, (quiet, loud[-5:])


def test_pings_are_sent_and_timed(place):
    body = graph("g", [LAN, WAN, host_stack("me", "10.9.0.1/24")], [], *both("1", "lan", "wan"))
    pinged = "delay.twoway.icmp.%s(destination.ip4 = 127.0.0.1, count = 2, interval = 1)"
    place.put(monitored(body, "".join(["%s = %s;" % (name, pinged % kind) for name, kind in (
        ("least", "us.min"), ("mean", "us.mean"), ("half", "us.50pct"), ("most", "us.max"), ("count", "count"))])
        + "lost = delay.twoway.icmp.count(destination.ip4 = 10.9.0.77, count = 1, interval = 1);"))
    until(lambda: None not in measured(place).values(), 10)
    found = measured(place)
    assert found["count"] == 2 and found["lost"] == 0 and 0 < found["least"] <= found["mean"] <= found["most"] < 100000, found
    assert found["least"] <= found["half"] <= found["most"]


def test_others_report_over_the_bus(place):
    zones = 'hot = (MAX(val = t, max_age = "1 minute") > 40); many = (COUNT(val = t, max_age = "1 minute") >= 3);'
    place.put(monitored(chain("one"), "t = reported(name = one.heat);", zones, "->hot = Publish(topic = heat, message = hot);"))
    time.sleep(1.2)
    for payload in (20, {"value": 21.5}, "no JSON", [1], {"value": "x"}, b"\xff", 1e308, 45):
        place.ear.publish(ROOT + "monitor/one.heat", payload)
    place.ear.publish(ROOT + "monitor/nobodys", 99)
    place.ear.wait(ROOT + "alarms/heat")
    until(lambda: place.status("g")["zones"] == ["hot", "many"])
    assert measured(place)["t"] == 45


def test_a_graph_that_is_being_changed_is_on_hold_and_begins_anew(place):
    slow = chain("one", ONE="1")
    place.put(monitored(slow, BUSY, 'seen = (COUNT(val = mem, max_age = "1 minute") > 0);'))
    until(lambda: place.status("g")["zones"] == ["seen"])
    place.put(monitored(chain("one", "two"), BUSY.replace("vnf = one", "vnf = two"), 'seen = (COUNT(val = mem, max_age = "1 minute") > 3);'))
    assert place.status("g")["zones"] == [] and set(measured(place).values()) == {None}, "it begins anew"
    until(lambda: place.status("g")["zones"] == ["seen"], 8)
    changes = [one for one in place.ear.of(ROOT + "measurement/g/mem")]
    assert changes


def test_nothing_is_measured_while_a_graph_is_being_changed(place):
    folder = place.node.dir + "/repository/"
    bundle(folder + "slow.tgz", {"start": "#!/bin/sh\nsleep 4\n", "stop": "#!/bin/sh\n"})
    with open(folder + "slow.json", "w") as file:
        json.dump({"name": "slow", "functional-capability": "slow", "vnf-type": "native", "uri-image": "slow.tgz",
                   "ports": [{"position": "1-N", "min": 1}]}, file)
    place.put(monitored(chain("one"), BUSY))
    until(lambda: measured(place)["mem"])
    body = monitored(chain("one"), BUSY)
    body["sffg"]["SFs"].append(sf("late", "slow", "a"))
    begun = time.monotonic()
    place.put(body)
    ended = time.monotonic()
    while len(place.ear.of(ROOT + "measurement/g/mem")) == 0 or place.ear.of(ROOT + "measurement/g/mem")[-1].time < ended:
        assert time.monotonic() < ended + 5, "it goes on"
        time.sleep(0.1)
    times = [one.time for one in place.ear.of(ROOT + "measurement/g/mem")]
    assert ended - begun > 4 and not [one for one in times if begun + 0.2 < one < ended - 0.2]


def test_monitoring_alone_is_changed_without_a_step_and_survives_the_agent(place):
    place.put(chain("one"))
    steps = place.metric("composer_steps_total")
    assert place.put(monitored(chain("one"), BUSY))["outcome"] == "updated"
    assert place.put(monitored(chain("one"), BUSY))["outcome"] == "unchanged"
    assert place.metric("composer_steps_total") == steps
    until(lambda: measured(place)["mem"])
    place.agent.kill()
    place.agent.start()
    until(lambda: measured(place)["mem"])
    assert place.ask("GET", "/graphs/g")["sffg"]["monitoring"] == program(BUSY)
    assert place.put(chain("one"))["outcome"] == "updated" and "measurements" not in place.status("g")


def test_one_thing_is_measured_once_however_many_ask(place):
    text = "a = delay.twoway.icmp.us.min(destination.ip4 = 127.0.0.1, interval = 3600); b = delay.twoway.icmp.count(destination.ip4 = 127.0.0.1, interval = 3600);"
    bodies = [{"sffg": {"id": name, "SFs": [], "saps": [], "flowrules": []}} for name in ("g", "h")]
    for body in bodies:
        place.put(body)
    before = echos(place)
    for body in bodies:
        place.put(monitored(body, text))
    until(lambda: None not in measured(place, "g").values() and None not in measured(place, "h").values(), 15)
    assert echos(place) == before + 4, "one ping, of four packets, for four metrics of two graphs"


def echos(place):
    """Return how many pings have come to the node."""
    names, counts = [line.split() for line in place.node.run("cat", "/proc/net/snmp").stdout.split("\n") if line.startswith("Icmp:")]
    return int(counts[names.index("InEchos")])


def test_ports_that_are_the_switchs_own_are_counted_by_the_switch(place):
    place.put(monitored(graph("g", [LAN, {"id": "seg", "type": "internal", "internal": {"internal-group": "s"}}], [], *both("1", "lan", "seg")),
                        "m = rate.tx(interface = seg);"))
    begun = time.monotonic()
    while not measured(place)["m"]:
        assert time.monotonic() < begun + 10
        send(place.lan, "x")
        time.sleep(0.01)


@pytest.mark.parametrize("metric, where", [
    ("rate.rx(interface = v)", "SAP v is a VLAN, which has no counter of its own"),
    ("overload.risk.rx(interface = me)", "SAP me does not say how fast it is: give its line_rate")])
def test_what_cannot_be_measured_is_refused(place, metric, where):
    body = graph("g", [vlan_sap("v", "lan0", 7), host_stack("me", "10.9.0.1/24")], [])
    refused = place.ask("PUT", "/graphs/g", monitored(body, "m = %s;" % metric), 409)
    assert refused["where"] == "monitoring" and refused["message"].startswith("line 1, column 16: m: " + where)


def test_a_function_that_is_a_graph_is_measured_as_one(place):
    body = graph("g", [LAN, WAN], [sf("gw", "home-gateway", "in", "out")], *both("1", "lan", "gw:in"), *both("2", "gw:out", "wan"))
    place.put(monitored(body, "m = mem(vnf = gw); r = rate.rx(interface = in, vnf = gw); c = cpu(vnf = gw);"))
    until(lambda: measured(place)["m"] is not None and measured(place)["c"] is not None)
    begun = time.monotonic()
    while not measured(place)["r"]:
        assert time.monotonic() < begun + 10
        send(place.lan, "x", to="ff:ff:ff:ff:ff:ff")
        time.sleep(0.01)
