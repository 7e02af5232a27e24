"""The driver contracts: every driver file found has all of them; what it makes twice and destroys twice is gone."""
import importlib
import inspect
import pkgutil

import pytest

from composer import compute, vswitch
from composer.core import flows
from fake import FakeSystem

# {what a module has: its arguments}, as the docstrings of the packages say.
VSWITCH = {"transact": 1, "dismantle": 1, "make_port": 4, "unmake_port": 1, "change_rules": 2, "version": 0, "look": 0, "remember": 2, "pulse": 0,
           "fingerprint": 1, "compare": 3, "hold": 0, "release": 0,
           "trace": 2, "counters": 1, "port_counters": 1}
COMPUTE = {"create": 1, "start": 1, "stop": 1, "update": 2, "pause": 1, "resume": 1, "status": 1, "destroy": 1}
PARTS = {"lsi": ("lsi1", "g", "netdev"), "link": ("lsi0", "l1v0", "lsi1", "l1w0", "g"), "port": ("lsi1", "l1s0p0", "g"),
         "sap": ("lsi1", "lan0", "g", "7"), "segment": ("seg1", "node", "netdev"),
         "tunnel": ("lsi1", "l1a0", "g", "gre", (("key", 7), ("local", "192.0.2.1"), ("remote", "192.0.2.2"), ("ttl", 64))),
         "host": ("lsi1", "l1a1", "g", "02:00:00:00:00:01"), "switch": ("l1s0o", "g", "netdev"),
         "plug": ("lsi1", "l1s0p1", "l1s0o", "l1s0q1", "g", 1, True)}
FLOWS = [flows.Flow(0x100000001, False, 'table=0,priority=1,in_port="l1w0"', 'output:"l1s0p0"'),
         flows.Flow(0x100000002, False, 'table=0,priority=1,in_port="l1s0p0"', 'output:"lan0"')]
SF = {"id": "fw", "name": "firewall", "number": 0, "netns": "composer:g:fw", "home": "/runtime/functions/1-0",
      "type": "any", "template": "firewall", "image": "/repository/firewall.tgz", "digest": "0" * 64,
      "folder": "/images/firewall", "ports": [
          {"id": "1", "number": 0, "mac": "", "ip": ""}, {"id": "2", "number": 1, "mac": "", "ip": ""}],
      "variables": {"SAY": "hello"}, "scripts": [], "state": "running", "limits": {"pids": 9}, "cores": [], "control": [],
      "graph": "g", "lsi": "lsi1", "switch": "l1s0o"}


def drivers(package):
    found = pkgutil.iter_modules(package.__path__, package.__name__ + ".")
    return [importlib.import_module(item.name) for item in found]


def system():
    """A node with LSI-0 and a namespace for the far end of a port."""
    one = FakeSystem(["lan0"])
    one.world["bridge"]["lsi0"] = "node"
    one.world["namespace"]["far"] = ""
    return one


EMPTY = str(system())


def twice(node, driver, function, *words):
    """Do it twice: the world is the same after the second time."""
    node.drive(getattr(driver, function)(*words))
    once = str(node)
    node.drive(getattr(driver, function)(*words))
    assert str(node) == once, "%s changes the world when it is done again" % function


@pytest.mark.parametrize("driver", drivers(vswitch) + drivers(compute), ids=lambda driver: driver.__name__)
def test_a_driver_has_all_of_its_contract(driver):
    wanted = VSWITCH if driver.__name__.startswith(vswitch.__name__) else COMPUTE
    for name in wanted:
        function = getattr(driver, name)
        assert inspect.isgeneratorfunction(function), "%s yields steps" % name
        assert len(inspect.signature(function).parameters) == wanted[name], name
    for name in ("NAME", "NEEDS", "TECHNOLOGIES") + (("DAEMONS", "SWITCH") if wanted is VSWITCH else ()):
        assert getattr(driver, name)
    assert wanted is not VSWITCH or len(driver.DEAF) == 2
    assert driver.__doc__ and isinstance(driver.NEEDS, tuple) and isinstance(driver.TECHNOLOGIES, tuple)


def test_names_of_drivers_are_unique():
    for package in (vswitch, compute):
        found = [driver.NAME for driver in drivers(package)]
        assert len(set(found)) == len(found) > 0


@pytest.mark.parametrize("driver", drivers(vswitch), ids=lambda driver: driver.NAME)
def test_what_a_vswitch_makes_twice_and_unmakes_twice_is_gone(driver):
    node = system()
    assert sorted(driver.MAKE) == sorted(driver.UNMAKE) == sorted(PARTS)
    twice(node, driver, "make_port", "l1s0p0", "far", "eth0", "02:00:00:00:00:01")
    twice(node, driver, "transact", [driver.MAKE[kind](*words) for kind, words in PARTS.items()])
    twice(node, driver, "change_rules", "lsi1", flows.change([], FLOWS))
    assert len(str(node).splitlines()) == len(EMPTY.splitlines()) + 1 + 3 + 8 + 2, str(node)
    twice(node, driver, "change_rules", "lsi1", flows.change(FLOWS, []))
    twice(node, driver, "dismantle", [driver.UNMAKE[kind](*words) for kind, words in reversed(PARTS.items())])
    twice(node, driver, "unmake_port", "l1s0p0")
    assert str(node) == EMPTY


@pytest.mark.parametrize("driver", drivers(vswitch), ids=lambda driver: driver.NAME)
def test_what_a_vswitch_never_made_it_unmakes(driver):
    node = system()
    node.drive(driver.dismantle([driver.UNMAKE[kind](*words) for kind, words in reversed(PARTS.items())]))
    node.drive(driver.unmake_port("l1s0p0"))
    assert str(node) == EMPTY


@pytest.mark.parametrize("driver", drivers(vswitch), ids=lambda driver: driver.NAME)
def test_a_vswitch_makes_all_parts_or_none_and_all_rules_or_none(driver):
    node = system()
    node.drive(driver.make_port("l1s0p0", "far", "eth0", ""))
    before = str(node)
    with pytest.raises(Exception, match="no bridge"):
        node.drive(driver.transact([driver.MAKE["port"](*PARTS["port"]), driver.MAKE["lsi"](*PARTS["lsi"])]))
    assert str(node) == before
    node.drive(driver.transact([driver.MAKE["lsi"]("lsi1", "g", "netdev")]))
    before = str(node)
    with pytest.raises(Exception, match="unknown port"):
        node.drive(driver.change_rules("lsi1", flows.change([], FLOWS)))
    assert str(node) == before


@pytest.mark.parametrize("driver", drivers(vswitch), ids=lambda driver: driver.NAME)
def test_a_port_without_a_device_is_a_failure_though_ovs_vsctl_says_nothing_of_it(driver):
    node = system()
    node.drive(driver.transact([driver.MAKE["lsi"]("lsi1", "g", "netdev")]))
    with pytest.raises(Exception, match="could not open network device l1s0p0"):
        node.drive(driver.transact([driver.MAKE["port"]("lsi1", "l1s0p0", "g")]))


@pytest.mark.parametrize("driver", drivers(compute), ids=lambda driver: driver.NAME)
def test_what_a_driver_creates_twice_and_destroys_twice_is_gone(driver):
    node, sf = system(), dict(SF)
    twice(node, driver, "create", sf)
    created = str(node)
    twice(node, driver, "start", sf)
    assert str(node) != created
    assert node.drive(driver.status(sf)) in (("running", ""), ("", ""))
    for verb in ("pause", "resume", "start", "stop"):
        twice(node, driver, verb, sf)
    assert str(node) == created
    twice(node, driver, "start", sf)
    twice(node, driver, "destroy", sf)
    node.prune()
    assert str(node) == EMPTY


@pytest.mark.parametrize("driver", drivers(compute), ids=lambda driver: driver.NAME)
def test_a_function_that_gets_other_cores_and_nothing_else_is_not_told(driver):
    node, sf = system(), dict(SF)
    node.drive(driver.create(sf))
    node.drive(driver.start(sf))
    before, count = str(node), len(node.lines)
    node.drive(driver.update(sf, dict(sf, cores=[1])))
    assert str(node) == before and node.lines[count:] == ["ip netns pids composer:g:fw | xargs -n 1 taskset -apc 1"]
    node.drive(driver.update(dict(sf, state="stopped"), dict(sf, state="stopped", cores=[1])))


@pytest.mark.parametrize("driver", drivers(compute), ids=lambda driver: driver.NAME)
def test_what_a_driver_never_created_it_destroys(driver):
    node = system()
    node.drive(driver.destroy(dict(SF)))
    assert str(node) == EMPTY


@pytest.mark.parametrize("driver", drivers(compute), ids=lambda driver: driver.NAME)
def test_a_function_that_is_stopped_is_not_started_by_an_update(driver):
    node, sf = system(), dict(SF)
    node.drive(driver.create(sf))
    before = str(node)
    node.drive(driver.update(dict(sf, state="stopped"), dict(sf, state="stopped", variables={})))
    assert str(node) == before
