"""Every script of the project: shellcheck has nothing to say, and the shells of gateways, busybox's ash and dash, can read it.

Functions' scripts are read once more by `make -C nsf check`, with what they include.
"""
import os
import subprocess

from node import ROOT

BUILT = {".git", ".venv", "build"}


def scripts():
    found = []
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in BUILT]
        for path in [os.path.join(folder, name) for name in files]:
            if not os.path.islink(path) and open(path, "rb").read(9) == b"#!/bin/sh":
                found.append(path)
    return sorted(found)


def test_shellcheck_has_nothing_to_say():
    assert len(scripts()) > 50
    done = subprocess.run(["shellcheck", *scripts()], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_shells_of_gateways_can_read_them():
    for path in scripts():
        for shell in (["busybox", "ash"], ["dash"]):
            done = subprocess.run([*shell, "-n", path], capture_output=True, text=True)
            assert done.returncode == 0 and not done.stderr, (shell, path, done.stderr)
