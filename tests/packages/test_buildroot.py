"""Buildroot's own tools on our external tree, where BUILDROOT names a Buildroot: its style, its defconfigs."""
import os
import subprocess

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TREE = os.path.join(TOP, "buildroot")
BUILDROOT = os.environ.get("BUILDROOT", "")

pytestmark = [pytest.mark.skipif(not BUILDROOT, reason="BUILDROOT does not name a tree of Buildroot"), pytest.mark.timeout(300)]


def test_check_package_has_nothing_to_say():
    if subprocess.run(["python3", "-c", "import magic, flake8"], capture_output=True).returncode:
        pytest.skip("check-package needs python3-magic and flake8")
    files = [os.path.join(base, name) for base, _, names in os.walk(TREE) for name in names]
    done = subprocess.run([os.path.join(BUILDROOT, "utils/check-package"), "-b", *files], capture_output=True, text=True)
    assert done.returncode == 0 and "0 warnings generated" in done.stderr, done.stdout + done.stderr


@pytest.mark.parametrize("name", sorted(os.listdir(os.path.join(TREE, "configs"))))
def test_a_defconfig_is_taken_line_by_line(name, tmp_path):
    subprocess.run(["make", "-s", "-C", BUILDROOT, "O=%s" % tmp_path, "BR2_EXTERNAL=" + TREE, name], check=True, capture_output=True,
                   env=dict(os.environ, MAKEFLAGS=""))
    taken = (tmp_path / ".config").read_text().split("\n")
    with open(os.path.join(TREE, "configs", name)) as file:
        lost = [line for line in file.read().split("\n") if line and not line.startswith("#") and line not in taken]
    assert lost == []
