"""Stored graphs: a placed graph as a record for the store, and back.

What comes back was on flash for years, perhaps written by an agent before this one: it is looked at as closely as a
request, and the graph is placed anew from it, so that what is not right becomes an error and never a step.
"""
from . import names, placing, recursion, saps, sffg
from .errors import BadGraph

LARGEST = 1 << 24  # of a number in a record; far more than any graph has
STATES = ("running", "stopped", "paused")


def record(owner, placed):
    """Return the record of a placed graph, a JSON value."""
    return {"owner": owner, "body": placed["graph"].body,
            "placed": dict([(key, placed[key]) for key in placed if key not in ("graph", "flows")])}


def read(found, graph_id, runtime):
    """Return (owner, the placed graph) of a record.  Raises Refused."""
    try:
        graph, old = sffg.parse(found["body"], graph_id), found["placed"]
        for key in ("saps", "groups", "parts", "joints", "choices"):  # an agent before this one had none
            old.setdefault(key, {})
        parts = old["parts"]
        _want(all([isinstance(parts[name][key], str) for name in parts for key in ("name", "template", "digest")]), "parts")
        graph = old["graph"] = recursion.expand(graph, parts) if parts else graph
        numbers = [old["number"]] + list(old["links"].values()) + list(old["low"].values()) \
            + [one["number"] for key in ("sfs", "saps") for one in old[key].values()] \
            + list(old["groups"].values()) + list(old["joints"].values())
        _want(all([_is_number(number) for number in numbers]) and old["number"] > 0, "numbers")
        _want(isinstance(old["lsi"], bool) and old["id"] == graph_id, "id and lsi")
        images, taken = {}, set()
        for sf in graph.sfs:
            images[sf.id] = _image(old["sfs"][sf.id], graph_id, sf)
            taken.add(old["sfs"][sf.id]["number"])
        _want(len(taken) == len(graph.sfs) == len(old["sfs"]), "functions")
        _want(len(set([one["netns"] for one in old["sfs"].values()])) == len(taken), "namespaces")
        _want(all([one["way"] in ("", placing.SWITCH, placing.DEVICE) for one in old["saps"].values()]), "ways of tunnels")
        for one in old["saps"].values():
            _want(one.setdefault("mac", "") == "" or saps.mac(one["mac"]), "MAC addresses")
        placed = placing.place(old, graph, images, old["number"], runtime, parts=parts, choices=old["choices"])
        _want(placed["joints"] == old["joints"] and len(set(old["joints"].values())) == len(old["joints"]), "joints")
        _want(isinstance(old["choices"], dict) and all([isinstance(one, list) for one in old["choices"].values()]), "choices")
        _want(set(placed["saps"]) == set(old["saps"]), "SAPs")
        _want(placed["links"] == old["links"] and len(set(placed["low"].values())) == len(placed["low"]), "links and rules")
        placing.placed_flows(placed)
        owner = found["owner"]
        _want(owner is None or isinstance(owner, str), "owner")
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError) as error:  # RuntimeError: too deep
        raise BadGraph("", "is not a stored graph: %s %s" % (type(error).__name__, error))
    return owner, placed


def _image(sf, graph_id, wanted):
    """Return what place() needs of the image of a stored function."""
    for key, nothing in (("limits", {}), ("needs", {}), ("cores", [])):
        sf.setdefault(key, nothing)  # an agent before this one had none
    _want(all([isinstance(sf[key], str) for key in ("type", "template", "image", "digest", "netns")]), "texts")
    _want(sf["digest"] and "/" not in sf["digest"] and sf["digest"][0] != ".", "digest")
    _want(sf["netns"].startswith("%s:%s:" % (names.MARK, graph_id)) and "/" not in sf["netns"], "namespace")
    _want(isinstance(sf["scripts"], list) and all([isinstance(one, str) for one in sf["scripts"]]), "scripts")
    _want(sf["state"] in STATES and sf["id"] == wanted.id, "state and id")
    for key in ("limits", "needs"):
        _want(isinstance(sf[key], dict) and all([isinstance(one, (int, float)) for one in sf[key].values()]), key)
    _want(all([0 <= one < 1 << 31 for one in sf["needs"].values()]), "needs")
    _want(isinstance(sf["cores"], list) and all([_is_number(core) for core in sf["cores"]]), "cores")
    positions = dict([(port["id"], port["number"]) for port in sf["ports"]])
    _want(all([_is_number(place) and place < 1000 for place in positions.values()]), "positions")
    _want(all([port["mac"] == "" or saps.mac(port["mac"]) for port in sf["ports"]]), "MAC addresses of ports")
    _want(len(set(positions.values())) == len(positions) == len(wanted.ports), "ports")
    return {"type": sf["type"], "template": sf["template"], "image": sf["image"], "digest": sf["digest"],
            "limits": sf["limits"], "needs": sf["needs"], "cores": sf["cores"], "positions": positions}


def _want(good, what):
    if not good:
        raise ValueError(what)


def _is_number(value):
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < LARGEST
