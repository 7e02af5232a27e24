"""The domain description: its shape, what of it is worth telling, and the same as FROG's library has it."""
from composer.core import domain

FACTS = {
    "name": "gw", "version": "1.2.3", "boot": "b", "endpoints": [
        {"name": "wan0", "mac": "02:00:00:00:00:01", "mtu": 1500, "up": True, "speed": 1000000000, "neighbour": "isp",
         "addresses": ["192.0.2.1/24"], "vlans": [(1, 1), (7, 9)], "tunnels": ["gre"]},
        {"name": "lan0", "mac": "02:00:00:00:00:02", "mtu": 1500, "up": False, "speed": 0, "neighbour": "", "addresses": [],
         "vlans": [], "tunnels": []}],
    "functions": {"firewall": [{"name": "fw2", "type": "native", "least": 2, "most": None, "memory": 3, "attributes": {"ipv6": True, "speed": 5}},
                               {"name": "fw1", "type": "native", "least": 2, "most": 2, "memory": 3, "attributes": {}}]},
    "infrastructure": {"architecture": "mips", "vswitch": "ovs", "environment": ["native"]},
    "resources": {"cpu": {"cores": 2, "load": 0.5, "total": 2, "reserved": 0.25},
                  "memory": {"total": 128, "free": 64, "reservable": 96, "reserved": 4}, "storage": {"total": 100, "free": 50},
                  "accelerators": [("crypto", 1, 0)]}}


def changed(**resources):
    facts = dict(FACTS)
    facts["resources"] = dict(facts["resources"])
    for kind in resources:
        facts["resources"][kind] = dict(facts["resources"][kind])
        facts["resources"][kind].update(resources[kind])
    return domain.describe(facts)


def test_numbers_are_as_the_encoding_of_yang_has_them():
    found = domain.describe(FACTS)["composer-domain:domain"]
    wan, lan = [one["state"] for one in found["endpoints"]["endpoint"]]
    assert wan["speed"] == "1000000000" and "speed" not in lan and "neighbor-domain" not in lan
    assert wan["vlan-free"] == ["1", "7-9"] and (wan["oper-status"], lan["oper-status"]) == ("UP", "DOWN")
    assert found["resources"]["cpu"]["state"] == {"cores": 2, "total": "2.00", "reserved": "0.25", "load": "0.50"}
    assert found["resources"]["memory"]["state"]["free"] == "64"
    function, = found["functional-capabilities"]["functional-capability"]
    first, second = function["templates"]["template"]
    assert (first["name"], first["state"]["ports-max"]) == ("fw1", 2) and "ports-max" not in second["state"]
    assert second["state"]["attribute"] == ["ipv6=true", "speed=5"]


def test_what_is_not_to_be_told_is_not():
    facts = dict(FACTS)
    del facts["resources"], facts["infrastructure"]
    found = domain.describe(facts)
    assert sorted(found["composer-domain:domain"]) == ["endpoints", "functional-capabilities", "state"]
    assert not domain.moved(found, found) and "resources" not in domain.frog(found, "a:1")["netgroup-domain:informations"]["hardware-informations"]


def test_load_and_what_is_free_are_told_when_they_move_by_a_tenth():
    before = domain.describe(FACTS)
    for what, moves in (({"cpu": {"load": 0.54}}, False), ({"cpu": {"load": 0.6}}, True), ({"memory": {"free": 60}}, False),
                        ({"memory": {"free": 57}}, True), ({"storage": {"free": 44}}, True)):
        after = changed(**what)
        assert not domain.differs(before, after) and domain.moved(before, after) is moves, what
    for what in ({"memory": {"reserved": 5}}, {"cpu": {"reserved": 1}}):
        assert domain.differs(before, changed(**what)), what


def test_frogs_library_finds_what_it_asks_for():
    found = domain.frog(domain.describe(FACTS), "192.0.2.1:8080")["netgroup-domain:informations"]
    assert (found["id"], found["name"], found["management-address"]) == ("gw", "gw", "192.0.2.1:8080")
    wan, lan = found["hardware-informations"]["interfaces"]["interface"]
    assert wan["netgroup-neighbor:neighbors"]["netgroup-neighbor:neighbor"][0]["domain-name"] == "isp"
    assert [one["netgroup-vlan:vlan-id"] for one in wan["netgroup-if-ethernet:ethernet"]["netgroup-vlan:vlans"]["netgroup-vlan:vlan"]] == [1, 7, 8, 9]
    inner = wan["subinterfaces"]["subinterface"][0]
    assert inner["config"]["name"] == "wan0" and inner["netgroup-if-capabilities:capabilities"]["netgroup-if-capabilities:gre"] is True
    assert (wan["config"]["enabled"], lan["config"]["enabled"]) == (True, False)
    functions = found["capabilities"]["functional-capabilities"]["functional-capability"]
    assert [(one["type"], one["name"], one["ready"]) for one in functions] == [("firewall", "fw1", True), ("firewall", "fw2", True)]
    for one in functions:
        assert one["template"] and one["family"] and "function-specification" in one["function-specifications"]
    resources = found["hardware-informations"]["resources"]
    assert resources["memory"]["size"] == 128 and resources["cpu"]["number"] == 2 and resources["storage"]["free"] == 50
