"""Brokers: passwords, access lists, TLS, functions that are on the bus, and brokers of brokers, as agent/examples/bus has them."""
import json
import time

import pytest

from broker import Broker, Client
from function import pings
from node import ROOT as TREE, Host, wire
from place import Place, until

ROOT = "composer/v1/node/"
FOLDER = TREE + "/agent/examples/bus/"
AGENT = {"host": "127.0.0.1", "user": "node", "password": "the agent's"}
SETTLE = 15  # seconds, for an agent to find a broker that has come


def online(value):
    return value["status"] == "online"


def example(box, name, **others):
    """Return the text of an example's file, whose files are in the box's folder; `others` are {text: another}."""
    with open(FOLDER + name) as file:
        text = file.read().replace("/etc/mosquitto/", box.dir + "/").replace("/var/lib/mosquitto", box.dir)
    for one, other in others.items():
        assert one in text
        text = text.replace(one, other)
    return text


def prepare(box, lists, **passwords):
    """Put the access lists of the examples and the passwords {user: password} into the box's folder."""
    for name in lists:
        with open(FOLDER + name) as file, open(box.dir + "/" + name, "w") as copy:
            copy.write(file.read())
    for user, password in passwords.items():
        box.run("dash", "-c", 'touch "$1"; mosquitto_passwd -b "$1" "$2" "$3"', "sh", box.dir + "/passwords", user, password)


@pytest.fixture(scope="module")
def region():
    with Host("region", "203.0.113.2/24") as region:
        prepare(region, ["region.acl"], node="the bridge's own", operator="the operator's", other="another's")
        yield region


@pytest.fixture(scope="module")
def place(region):
    """A node with the broker of the examples, and a wire to its region that is no business of LSI-0's."""
    with Place(mqtt=AGENT) as place:
        place.node.run("ip", "link", "add", "uplink", "up", "type", "veth", "peer", "name", "uplink.far")
        wire(region, place.node, "uplink")
        place.node.run("ip", "address", "add", "203.0.113.1/24", "dev", "uplink")
        prepare(place.node.host, ["acl"], node="the agent's", meter="its own", stranger="a stranger's")
        text = example(place.node.host, "node.conf").replace("region.example:1883", "203.0.113.2:1883")
        with Broker(place.node.host, text) as place.broker:
            with Client(place.node.host, ROOT + "status", user="node", password="the agent's") as ear:
                ear.wait(ROOT + "status", online, SETTLE)
            yield place


def test_a_function_on_the_bus_is_a_user_of_its_own_who_may_do_one_thing(place):
    with open(TREE + "/agent/examples/meter.json") as file:
        place.put(json.load(file))
    with Client(place.node.host, ROOT + "#", user="node", password="the agent's") as ear:
        ear.wait(ROOT + "monitor/meter.meter", lambda value: value == 0)
        assert pings(place.lan, "10.0.0.2")
        ear.wait(ROOT + "monitor/meter.meter", lambda value: value > 1000)
        with Client(place.node.host, user="meter", password="its own") as meter:
            meter.publish(ROOT + "graphs/meter/state", "lies")
            meter.publish(ROOT + "bus/config/meter/meter", {"METER_EVERY": "7"})
            meter.publish(ROOT + "monitor/meter.meter", 42)
        ear.wait(ROOT + "monitor/meter.meter", lambda value: value == 42)
        assert not [one for one in ear.of(ROOT) if "lies" in one.payload or "bus/config" in one.topic]
    place.broker.kill()
    place.broker.start()
    with Client(place.node.host, ROOT + "#", user="node", password="the agent's") as ear:
        ear.wait(ROOT + "status", online, SETTLE)
        ear.wait(ROOT + "monitor/meter.meter")
        ear.publish(ROOT + "bus/config/meter/meter", {"METER_NAME": "passes"})
        ear.wait(ROOT + "graphs/meter/event", lambda value: value["event"] == "function configured", SETTLE)
    assert place.status("meter")["functions"][0]["state"] == "running" and pings(place.lan, "10.0.0.2")
    text = place.node.run("dash", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '").stdout
    assert "its own" not in text, "who sees the processes sees no password"
    place.clear()


def test_who_is_not_known_or_has_another_password_hears_nothing(place):
    for user, password in ("", ""), ("meter", "wrong"), ("nobody", "x"):
        with Client(place.node.host, "#", user=user, password=password) as ear:
            assert ear.answer != 0
    with Client(place.node.host, "#", user="stranger", password="a stranger's") as ear:
        time.sleep(0.5)
        assert not ear.heard


def test_a_region_hears_its_nodes_and_configures_their_functions(place, region):
    with Broker(region, example(region, "region.conf")) as above:
        def operator(*topics):
            return Client(region, *topics, user="operator", password="the operator's")

        with operator("composer/v1/#") as ear, Client(region, "composer/v1/#", user="other", password="another's") as other:
            ear.wait(ROOT + "bridge", lambda value: value == 1, 60)
            ear.wait(ROOT + "status", online)
            with open(TREE + "/agent/examples/meter.json") as file:
                place.put(json.load(file))
            ear.wait(ROOT + "graphs/meter/state", lambda value: value["state"] == "deployed")
            ear.wait(ROOT + "monitor/meter.meter")
            ear.publish(ROOT + "bus/config/meter/meter", {"METER_EVERY": "2"})
            ear.wait(ROOT + "graphs/meter/event", lambda value: value["event"] == "function configured")
            assert place.ask("GET", "/graphs/meter")["sffg"]["SFs"][0]["variables"]["METER_EVERY"] == "2"
            ear.publish(ROOT + "graphs/meter/state", "lies")
            other.publish(ROOT + "bus/config/meter/meter", {"METER_EVERY": "9"})
            time.sleep(0.5)
            assert place.ask("GET", "/graphs/meter")["sffg"]["SFs"][0]["variables"]["METER_EVERY"] == "2"
            assert not other.heard and not [one for one in ear.heard if "lies" in one.payload]
            place.delete("meter")
            ear.wait(ROOT + "graphs/meter/state", lambda value: value == "")
            before = time.monotonic()
            place.broker.kill()
            ear.wait(ROOT + "bridge", lambda value: value == 0, since=before)
            place.broker.start()
            ear.wait(ROOT + "bridge", lambda value: value == 1, since=before)
            ear.wait(ROOT + "status", online, since=before)
        above.kill()
        place.put({"sffg": {"id": "alone", "SFs": [], "saps": [], "flowrules": []}})
        place.clear()
        above.start()
        with operator("composer/v1/#") as ear:
            ear.wait(ROOT + "bridge", lambda value: value == 1, 60)
            ear.wait(ROOT + "status", online)


# TLS.

CERTIFICATES = """
cd "$1"
for ca in ca other; do
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=$ca" -keyout $ca.key -out $ca.pem
done
for name in broker agent; do
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$name" -keyout $name.key -out $name.csr
    printf 'subjectAltName=DNS:localhost,IP:127.0.0.1' >$name.ext
    openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile $name.ext -out $name.pem
done
"""
SECURE = """
listener 1883 127.0.0.1
listener 8883 127.0.0.1
cafile %(dir)s/ca.pem
certfile %(dir)s/broker.pem
keyfile %(dir)s/broker.key
require_certificate true
allow_anonymous true
"""


def test_tls_with_a_client_certificate():
    with Host("maker") as maker:
        maker.run("dash", "-euc", CERTIFICATES, "sh", maker.dir)
        tls = {"ca": maker.dir + "/ca.pem", "certificate": maker.dir + "/agent.pem", "key": maker.dir + "/agent.key"}
        with Place(mqtt={"host": "localhost", "tls": tls}) as place, \
                Broker(place.node.host, SECURE % {"dir": maker.dir}), Client(place.node.host, ROOT + "#") as ear:
            ear.wait(ROOT + "status", online, SETTLE)
            place.put(WIDE)  # more than TLS hands out at once
            ear.wait(ROOT + "graphs/wide/state", lambda value: value["state"] == "deployed")
            ear.publish(ROOT + "bus/config/wide/x", {"A": "1" * 40000})
            ear.wait(ROOT + "graphs/wide/event", lambda value: value["event"] == "configuration refused")
            for wrong, why in (dict(tls, ca=maker.dir + "/other.pem"), "certificate verify failed"), \
                    (dict(tls, ca=maker.dir + "/none.pem"), "none.pem: No such file"), \
                    ({"ca": tls["ca"]}, "certificate"):  # paho 1.6 has OpenSSL's word for it, 2.x none
                place.agent.stop()
                place.agent.config["mqtt"]["tls"] = wrong
                place.agent.start()
                until(lambda why=why: why in place.agent.log.rpartition("agent: started")[2])
                assert place.ask("GET", "/health")["status"] == "ok"


WIDE = {"sffg": {"id": "wide", "SFs": [], "saps": [], "flowrules": []}}
