"""Native service functions: a bundle of scripts, run in a network namespace of the function's own.

The bundle is unpacked once per image; the function's folder holds its private /run and /tmp; its processes are in a
control group of its own, by which they are limited, paused and ended.  Paper, 6.1; nsf/CONTRACT.md is what the
scripts rely on.
"""
from ..core import names
from ..core.errors import UNBORN, StepFailed
from ..core.steps import bind, group, ip, mkdir, remove, script, signal, ungroup, unpack

NAME = "native"
NEEDS = ("ip", "mount")
TECHNOLOGIES = ("veth",)

STOPPED = 3  # exit status of `status`


def create(sf):
    """Make the function's namespace, folders and control group, and unpack its image."""
    listing = yield [unpack(sf["image"], sf["digest"], sf["folder"]), mkdir(sf["home"] + "/run/sf"),
                     mkdir(sf["home"] + "/tmp"), group(sf["netns"], sf["limits"]), ip("netns", "add", sf["netns"])]
    sf["scripts"] = listing[0].split()


def start(sf):
    """Bring the function into the state that it is to have."""
    if sf["state"] != "stopped":
        yield _script(sf, "start")
        yield from _bound(sf)
    if sf["state"] == "paused":
        yield from pause(sf)


def stop(sf):
    """Stop the function, and end whatever of it is still there."""
    if "stop" in sf["scripts"]:
        try:
            yield from _awake(sf)
            yield _script(sf, "stop")
        except StepFailed:
            yield signal(sf["netns"], "KILL")
            raise
    yield signal(sf["netns"], "KILL")


def update(old, new):
    """Tell a function of its limits, ports and variables; one that cannot be told is stopped and started.  Of its cores it
    need not know."""
    if new["limits"] != old["limits"]:
        yield group(new["netns"], new["limits"])
    if new["cores"] != old["cores"]:
        yield bind(new["netns"], new["cores"])
    if new["state"] == "stopped" or all([new[key] == old[key] for key in ("limits", "ports", "variables")]):
        return
    if "update" not in new["scripts"]:
        yield from stop(old)
        yield from start(new)
        return
    before, after = [set([port["number"] for port in sf["ports"]]) for sf in (old, new)]
    yield from _awake(new)
    told = [("SF_PORTS_ADDED", _inside(after - before)), ("SF_PORTS_REMOVED", _inside(before - after))]
    yield _script(new, "update", told + [("SF_PAUSED", "yes")] * (new["state"] == "paused"))
    yield from _bound(new)
    if new["state"] == "paused":
        yield from pause(new)


def pause(sf):
    yield _script(sf, "pause") if "pause" in sf["scripts"] else signal(sf["netns"], "STOP")


def resume(sf):
    if "resume" not in sf["scripts"]:
        yield signal(sf["netns"], "CONT")
        return
    yield _script(sf, "resume")
    yield from _bound(sf)


def status(sf):
    """Return what the function says of itself: ("running", "stopped", "failed" or "" if it cannot tell, and why)."""
    if "status" not in sf["scripts"]:
        return "", ""
    try:
        yield _script(sf, "status")
    except StepFailed as failure:
        if failure.code == UNBORN:
            return "", ""  # nobody asked it
        return ("stopped" if failure.code == STOPPED else "failed"), failure.output
    return "running", ""


def destroy(sf):
    """End every process of the function, and remove its namespace, its control group and its folders."""
    yield [ungroup(sf["netns"]), ip("netns", "del", sf["netns"])]
    yield remove(sf["home"])


def _bound(sf):
    """Bind what a script has left behind to the function's cores, if it has some."""
    if sf["cores"]:
        yield bind(sf["netns"], sf["cores"])


def _awake(sf):
    """Let a paused function go on if it was paused by a signal: no script of it would, either."""
    if sf["state"] == "paused" and "pause" not in sf["scripts"]:
        yield signal(sf["netns"], "CONT")


def _script(sf, name, more=()):
    ports = [names.inside(port["number"]) for port in sf["ports"]]
    addresses = ["%s=%s" % (names.inside(port["number"]), port["ip"]) for port in sf["ports"] if port["ip"]]
    env = [("SF_ID", sf["id"]), ("SF_NAME", sf["name"]), ("SF_GRAPH", sf["graph"]), ("SF_PORTS", " ".join(ports)),
           ("SF_ADDRESSES", " ".join(addresses)),
           ("SF_DIR", "/run/sf")] + list(more) + [(key, sf["variables"][key]) for key in sorted(sf["variables"])]
    return script(sf["netns"], sf["home"], sf["folder"], name, [sf["lsi"], sf["id"], str(len(ports))] + ports, env)


def _inside(numbers):
    return " ".join([names.inside(number) for number in sorted(numbers)])
