"""The architecture, executable: who may import what, and how long a file may be.

    shell -> core      drivers -> a few of core      core -> core

The core never imports a driver: it is handed one.  Read from the source, so nothing has to run.
"""
import ast
import os

import pytest

from node import ROOT

AGENT = ROOT + "/agent"
FILES = sorted(os.path.relpath(os.path.join(folder, file), AGENT)
               for folder, _, files in os.walk(AGENT + "/composer") for file in files if file.endswith(".py"))

# What is pure has nothing of the system, and little of the library: it runs on MicroPython.
PURE_LIBRARY = {"binascii", "collections", "hashlib", "math", "re", "struct"}
DRIVER_MAY = {"composer.core." + name for name in ("steps", "flows", "names", "errors", "json")}
DRIVER_MAY.add("composer.compute.nsf")  # of the base package: an environment may have a native function beside what it is

# Modules that cost memory or open a second door: who alone may import them.
ONLY = {
    "asyncio": (), "dataclasses": (), "importlib.metadata": (), "logging": (), "typing": (),
    "subprocess": ("composer/children.py",),
    "json": ("composer/core/json.py",), "ujson": ("composer/core/json.py",),
    "pyroute2": (),  # ip -batch does it in one child, and without 13 MB
}
LONGEST_FILE = 400  # lines
LONGEST_FUNCTION = 60


def layer(path):
    folder = path.split("/")[1]
    return {"core": "core", "vswitch": "driver", "compute": "driver"}.get(folder, "shell")


def tree(path):
    with open(os.path.join(AGENT, path)) as file:
        return ast.parse(file.read(), path)


def modules(path):
    """Return {name: line} of all that a file imports; of `from a import b`, a and, if it is ours, a.b too."""
    package, found = os.path.dirname(path).replace("/", "."), {}
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found.update((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[:1 - node.level or None]) if node.level else ""
            name = ".".join(filter(None, (base, node.module)))
            inside = {name + "." + alias.name for alias in node.names}
            ours = {module for module in inside if is_module(module)}
            found.update((module, node.lineno) for module in ours or {name})
            if name == "importlib":
                found.update((module, node.lineno) for module in inside)
    return found


def is_module(name):
    path = os.path.join(AGENT, *name.split("."))
    return os.path.exists(path + ".py") or os.path.exists(path + "/__init__.py")


def within(name, names):
    return any(name == other or name.startswith(other + ".") for other in names)


def wrong(path):
    """Return the imports of a file that its layer does not allow, a line each."""
    found = []
    for name, line in modules(path).items():
        ours, mine = within(name, ["composer"]), layer(path)
        if mine == "shell":
            allowed = not (ours and layer(name.replace(".", "/") + "/") == "driver")
            allowed |= path == "composer/drivers.py"
        elif ours:
            allowed = within(name, ["composer.core"] if mine == "core" else DRIVER_MAY)
        else:
            allowed = name in PURE_LIBRARY or path in ONLY.get(name, ())
        if not allowed:
            found.append("%s:%d: %s may not import %s" % (path, line, mine, name))
    return found


def test_there_is_something_to_read():
    assert "composer/core/errors.py" in FILES


@pytest.mark.parametrize("path", FILES)
def test_a_file_imports_only_what_its_layer_may(path):
    assert wrong(path) == []


@pytest.mark.parametrize("path", FILES)
def test_what_costs_memory_has_one_door(path):
    for name, line in modules(path).items():
        for costly, doors in ONLY.items():
            assert not within(name, [costly]) or path in doors, "%s:%d imports %s" % (path, line, name)


@pytest.mark.parametrize("path", [path for path in FILES if layer(path) != "shell"])
def test_what_is_pure_opens_nothing(path):
    names = [node for node in ast.walk(tree(path)) if isinstance(node, ast.Name)]
    for node in names:
        assert node.id not in ("open", "print", "input", "exec", "eval"), "%s:%d: %s" % (path, node.lineno, node.id)


@pytest.mark.parametrize("path", FILES)
def test_files_and_functions_are_short(path):
    with open(os.path.join(AGENT, path)) as file:
        lines = len(file.readlines())
    assert lines <= LONGEST_FILE, "%s has %d lines" % (path, lines)
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < LONGEST_FUNCTION, "%s:%d: %s" % (path, node.lineno, node.name)
