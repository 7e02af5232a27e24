"""Drivers: finds the installed driver modules and vets them.

A driver is a file in vswitch/ or compute/; it is offered if the programs that it NEEDS are there.  That is the
whole feature-flag system.
"""
import importlib
import pkgutil

from . import compute, host, log, vswitch
from .core.access import CLIENTS
from .core.errors import BadRequest


class Drivers:
    """What this node offers: .vswitch, .datapath (set when the switch was looked at), .compute {type: driver}, and what
    core.plan wants to know of it: .tunnels, .dhcp, .keeps and .tell (set by who knows)."""

    def __init__(self, wanted, tunnels="auto"):
        switches = _offered(vswitch)
        if wanted not in switches:
            raise BadRequest("vswitch", "%s is not offered, there are %s" % (wanted, ", ".join(sorted(switches)) or "none"))
        self.vswitch = switches[wanted]
        self.datapath = "netdev"
        self.compute = dict([(name, driver) for name, driver in _offered(compute).items()
                             if _common_technology(driver, self.vswitch)])
        self.tunnels, self.keeps, self.tell = tunnels, lambda segment, graph_id: False, lambda sf, state: None
        self.dhcp = next((name for name, _ in CLIENTS if host.has_program(name)), "")

    def silent(self):
        """Return the same for a plan that is not carried out: nobody is told of functions."""
        other = Drivers.__new__(Drivers)
        other.__dict__.update(self.__dict__, tell=lambda sf, state: None)
        return other


def _offered(package):
    """Return {NAME: module} of the package's drivers whose programs are there."""
    found = {}
    for item in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        module = importlib.import_module(item.name)
        missing = [program for program in module.NEEDS if not host.has_program(program)]
        if missing:
            log.write("drivers", "not offered", driver=module.NAME, missing=",".join(missing))
        else:
            found[module.NAME] = module
    return found


def _common_technology(driver, switch):
    common = set(driver.TECHNOLOGIES) & set(switch.TECHNOLOGIES)
    if not common:
        log.write("drivers", "not offered", driver=driver.NAME, missing="a port technology of " + switch.NAME)
    return common
