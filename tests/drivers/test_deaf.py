"""An Open vSwitch that takes no packets, for it was started too soon after boot: what of its bridges is made anew, and when.

The real one is in the life of a gateway (qemu-tests): it needs the kernel's datapath, and a boot.
"""
import os
from types import SimpleNamespace

import pytest

from composer import restore
from composer.core.errors import Unavailable
from composer.vswitch import ovs
from fake import FakeSystem

TICKS = os.sysconf("SC_CLK_TCK")
SOON, LATE = "7-%d" % (9 * TICKS), "7-%d" % (10 * TICKS)


def heard(life, clock=20, version="3.1.0", **more):
    """Return what is left of lsi0, lsi1 and `more`, {bridge: (mark, datapath)}, and what was told."""
    there = dict({"lsi0": ("node", "system"), "lsi1": ("g", "system")}, **more)
    system, told = FakeSystem([]), []
    system.world["bridge"] = {name: mark for name, (mark, _) in there.items()}

    def look():
        left = {name: there[name] for name in system.world["bridge"]}
        return {"lsis": {name: mark for name, (mark, _) in left.items()}, "datapaths": {name: kind for name, (_, kind) in left.items()}}
        yield

    def of_daemon():
        return version
        yield

    vswitch = SimpleNamespace(DEAF=ovs.DEAF, version=of_daemon, SWITCH=ovs.SWITCH, UNMAKE=ovs.UNMAKE, dismantle=ovs.dismantle, look=look)
    node = SimpleNamespace(drivers=SimpleNamespace(vswitch=vswitch), loop=SimpleNamespace(clock=lambda: clock),
                           events=SimpleNamespace(tell=lambda kind, **words: told.append(kind)))
    seen = system.drive(restore._heard(node, system.drive(look()), life))
    assert list(seen["lsis"]) == list(system.world["bridge"])
    return sorted(seen["lsis"]), told


def test_bridges_on_the_kernels_datapath_are_made_anew_and_no_others():
    assert heard(SOON, br0=(None, "netdev")) == (["br0"], ["bridges are made anew"])


@pytest.mark.parametrize("life, version", [(LATE, "3.1.0"), (SOON, "3.1.1"), (SOON, "2.17.9"), (SOON, "")])
def test_a_switch_that_takes_packets_is_left_alone(life, version):
    assert heard(life, version=version) == (["lsi0", "lsi1"], [])


def test_until_it_can_be_cured_it_is_waited_for():
    with pytest.raises(Unavailable, match="3.1.0 was started within 10 s of boot and takes no packets"):
        heard(SOON, clock=9.9)


def test_with_somebody_elses_bridge_the_user_is_told_what_to_do():
    with pytest.raises(Unavailable, match=r"start it again \(.*bridge br0 is not its own\)"):
        heard(SOON, br0=(None, "system"))
