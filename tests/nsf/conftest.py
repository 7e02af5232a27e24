"""A small world for a function: the hosts around it and the function between them; it ends with the test."""
import os
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from function import Function  # noqa: E402
from node import ROOT, Host  # noqa: E402


def pytest_collection_modifyitems(items):
    for item in items:
        if "boxes" in item.fixturenames:
            item.add_marker("root")


@pytest.fixture(scope="session")
def bundles(tmp_path_factory):
    """The folder of the built bundles."""
    out = str(tmp_path_factory.mktemp("nsf"))
    subprocess.run(["make", "-s", "-C", ROOT + "/nsf", "OUT=" + out], check=True)
    return out


@pytest.fixture
def boxes():
    """What has to be closed when the test ends."""
    if os.geteuid():
        pytest.skip("needs root: it makes network namespaces")
    made = []
    yield made
    for box in made:
        box.close()


@pytest.fixture
def host(boxes):
    """Make a host: host("10.0.0.1/24", "fd00::1/64", gateway="10.0.0.254")."""
    def make(*addresses, gateway=""):
        boxes.append(Host("host%d" % len(boxes), *addresses, gateway=gateway))
        return boxes[-1]
    return make


@pytest.fixture
def function(boxes, bundles):
    """Make a function, a port for each host: function("nat", lan, wan, NAT_INSIDE="10.0.0.1/24").

    Its node is one of its own, which lacks the program `without`, or that of the function `beside`.
    """
    def make(name, *hosts, without=None, beside=None, **variables):
        if not beside:
            boxes.append(Host("node%d" % len(boxes)))
        one = Function(bundles + "/" + name, beside.node if beside else boxes[-1], variables)
        if without:
            one.hide(without)
        for neighbour in hosts:
            one.add_port(neighbour)
        return one
    return make
