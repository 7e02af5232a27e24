"""The pure parts run on a MicroPython: tests/core, once more, there."""
import subprocess

from node import ROOT


def test_the_core_passes_its_tests_on_micropython():
    run = subprocess.run(["node", ROOT + "/tests/core/run_micropython.mjs"], text=True, timeout=100,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert run.returncode == 0, "\n" + run.stdout
