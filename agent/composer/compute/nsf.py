"""Native service functions: a bundle of scripts, run in a network namespace of the function's own.

The bundle is unpacked once per image; the function's folder holds its private /run and /tmp.  Paper, 6.1;
nsf/CONTRACT.md is what the scripts rely on.
"""
from ..core import names
from ..core.errors import StepFailed
from ..core.steps import ip, mkdir, remove, script, signal, unpack

NAME = "native"
NEEDS = ("ip", "mount")
TECHNOLOGIES = ("veth",)

STOPPED = 3  # exit status of `status`


def create(sf):
    """Make the function's namespace and folders, and unpack its image."""
    listing = yield [unpack(sf["image"], sf["digest"], sf["folder"]), mkdir(sf["home"] + "/run/sf"),
                     mkdir(sf["home"] + "/tmp"), ip("netns", "add", sf["netns"])]
    sf["scripts"] = listing[0].split()


def start(sf):
    """Bring the function into the state that it is to have."""
    if sf["state"] != "stopped":
        yield _script(sf, "start")
    if sf["state"] == "paused":
        yield from pause(sf)


def stop(sf):
    """Stop the function; without a script for that, end the processes in its namespace."""
    yield _script(sf, "stop") if "stop" in sf["scripts"] else signal(sf["netns"], "KILL")


def update(old, new):
    """Tell a running function of its ports and variables; one that cannot be told is stopped and started."""
    if new["state"] == "stopped":
        return
    if "update" not in new["scripts"]:
        yield from stop(old)
        yield from start(new)
        return
    before, after = [set([port["number"] for port in sf["ports"]]) for sf in (old, new)]
    yield _script(new, "update", (("SF_PORTS_ADDED", _inside(after - before)), ("SF_PORTS_REMOVED", _inside(before - after))))


def pause(sf):
    yield _script(sf, "pause") if "pause" in sf["scripts"] else signal(sf["netns"], "STOP")


def resume(sf):
    yield _script(sf, "resume") if "resume" in sf["scripts"] else signal(sf["netns"], "CONT")


def status(sf):
    """Return what the function says of itself: "running", "stopped" or "failed"."""
    if "status" not in sf["scripts"]:
        return sf["state"]
    try:
        yield _script(sf, "status")
    except StepFailed as failure:
        return "stopped" if failure.code == STOPPED else "failed"
    return "running"


def destroy(sf):
    """End every process in the function's namespace, and remove the namespace and the folders."""
    yield ip("netns", "del", sf["netns"])
    yield remove(sf["home"])


def _script(sf, name, more=()):
    ports = [names.inside(port["number"]) for port in sf["ports"]]
    env = [("SF_ID", sf["id"]), ("SF_NAME", sf["name"]), ("SF_GRAPH", sf["graph"]), ("SF_PORTS", " ".join(ports)),
           ("SF_DIR", "/run/sf")] + list(more) + [(key, sf["variables"][key]) for key in sorted(sf["variables"])]
    return script(sf["netns"], sf["home"], sf["folder"], name, [sf["lsi"], sf["id"], str(len(ports))] + ports, env)


def _inside(numbers):
    return " ".join([names.inside(number) for number in sorted(numbers)])
