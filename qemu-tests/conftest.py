"""Which gateway: `--gateway arm` or `--gateway mips`; without one there is none, and its tests are skipped."""
import glob
import os
import shutil

import pytest

import figures
from gateway import MACHINES, TOP, Gateway


def pytest_addoption(parser):
    parser.addoption("--gateway", choices=sorted(MACHINES), help="boot an image of this architecture, made by qemu-tests/image")


@pytest.fixture(scope="session")
def gateway(request, tmp_path_factory):
    """The gateway, switched on, with the packages of `make ipk` in /root/ipk; its plug is pulled in the end."""
    arch = request.config.getoption("--gateway")
    if not arch:
        pytest.skip("--gateway arm or mips")
    program = MACHINES[arch][0]
    if not shutil.which(program):
        pytest.skip("this machine has no " + program)
    packages = [path for path in glob.glob(os.path.join(TOP, "build/ipk/*.ipk")) if "-src_" not in path]
    assert packages, "make ipk has not been run"
    gateway = Gateway(arch, tmp_path_factory.mktemp(arch), {"/root/ipk/" + os.path.basename(path): path for path in packages})
    request.config.figures = gateway.figures
    try:
        gateway.figures["boot"] = [gateway.start()]
        yield gateway
    finally:
        gateway.off()


def pytest_terminal_summary(terminalreporter, config):
    found, arch = getattr(config, "figures", None), config.getoption("--gateway")
    if found:
        figures.write(os.path.join(TOP, "build/qemu-%s.json" % arch), found)
        for line in figures.lines(arch, found):
            terminalreporter.write_line(line)
