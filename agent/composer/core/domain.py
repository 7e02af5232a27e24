"""The domain description: what a node is to those who place services on it (paper, 5.1.2; SPEC 6).

A big switch with end-points, what functions it has, what it is made of, what of that is free.  It is data of the YANG module
composer-domain (agent/yang), encoded as RFC 7951 says: numbers of 64 bits and those with a fraction are texts.  `frog` says the
same as FROG's domain-information-library parses it [U].
"""

MODULE = "composer-domain:domain"
MOVED = 0.1  # how much of itself a load, or what is free, has to change by to be told again


def describe(facts):
    """Return the description that a node's facts make, a JSON value.

    facts: {"name", "version", "boot", "endpoints": [{"name", "mac", "mtu", "up", "speed", "neighbour", "addresses", "vlans":
    [(first, last)] that are free, "tunnels": kinds}], "functions": {name: [templates]}} and, if they are told,
    "infrastructure" and "resources", as description.py reads them.
    """
    found = {"state": {"name": facts["name"], "version": facts["version"], "boot-id": facts["boot"]},
             "endpoints": {"endpoint": [_endpoint(one) for one in facts["endpoints"]]},
             "functional-capabilities": {"functional-capability": [
                 _function(name, facts["functions"][name]) for name in sorted(facts["functions"])]}}
    if "infrastructure" in facts:
        found["infrastructure"] = {"state": facts["infrastructure"]}
    if "resources" in facts:
        found["resources"] = _resources(facts["resources"])
    return {MODULE: found}


def _endpoint(one):
    state = {"name": one["name"], "oper-status": "UP" if one["up"] else "DOWN", "mac-address": one["mac"], "mtu": one["mtu"],
             "address": one["addresses"], "vlan-free": [_range(*pair) for pair in one["vlans"]], "tunnel": one["tunnels"]}
    if one["neighbour"]:
        state["neighbor-domain"] = one["neighbour"]
    if one["speed"]:
        state["speed"] = "%d" % one["speed"]
    return {"name": one["name"], "state": state}


def _function(name, templates):
    found = []
    for one in sorted(templates, key=lambda one: one["name"]):
        state = {"name": one["name"], "type": one["type"], "ports-min": one["least"], "memory": one["memory"],
                 "attribute": sorted(["%s=%s" % (key, _word(one["attributes"][key])) for key in one["attributes"]])}
        if one["most"] is not None:
            state["ports-max"] = one["most"]
        found.append({"name": one["name"], "state": state})
    return {"name": name, "state": {"name": name}, "templates": {"template": found}}


def _resources(found):
    cpu, memory, storage = found["cpu"], found["memory"], found["storage"]
    return {"cpu": {"state": {"cores": cpu["cores"], "total": _fraction(cpu["total"]), "reserved": _fraction(cpu["reserved"]),
                              "load": _fraction(cpu["load"])}},
            "memory": {"state": dict([(key, "%d" % memory[key]) for key in ("total", "free", "reservable", "reserved")])},
            "storage": {"state": {"total": "%d" % storage["total"], "free": "%d" % storage["free"]}},
            "accelerators": {"accelerator": [{"name": name, "state": {"name": name, "total": total, "free": free}}
                                             for name, total, free in found["accelerators"]]}}


def differs(before, after):
    """Say whether two descriptions differ in more than load and what is free, which change all the time."""
    return _steady(before) != _steady(after)


def moved(before, after):
    """Say whether load, or what is free, has changed by a tenth."""
    pairs = list(zip(_volatile(before), _volatile(after)))
    return any([abs(new - old) > MOVED * max(abs(old), 0.1) for old, new in pairs])


def _volatile(found):
    resources = found[MODULE].get("resources")
    if not resources:
        return []
    return [float(resources["cpu"]["state"]["load"]), float(resources["memory"]["state"]["free"]),
            float(resources["storage"]["state"]["free"])]


def _steady(found):
    found = dict(found[MODULE])
    if "resources" in found:
        found["resources"] = dict(found["resources"])
        for kind, key in (("cpu", "load"), ("memory", "free"), ("storage", "free")):
            state = dict(found["resources"][kind]["state"])
            del state[key]
            found["resources"][kind] = state
    return found


def frog(found, address):
    """Return a description as FROG's library parses it; address: where the agent listens."""
    found = found[MODULE]
    infrastructure, resources = found.get("infrastructure"), found.get("resources")
    hardware = {"interfaces": {"interface": [_interface(number, one["state"]) for number, one in enumerate(found["endpoints"]["endpoint"])]}}
    if resources:
        cpu, memory, storage = [resources[kind]["state"] for kind in ("cpu", "memory", "storage")]
        hardware["resources"] = {
            "cpu": {"number": cpu["cores"], "frequency": None, "free": float(cpu["total"]) - float(cpu["reserved"])},
            "memory": {"size": int(memory["total"]), "frequency": None, "latency": None, "free": int(memory["free"])},
            "storage": {"size": int(storage["total"]), "latency": None, "free": int(storage["free"])}}
    capabilities = {"functional-capabilities": {"functional-capability": [
        {"type": one["name"], "name": template["name"], "ready": True, "family": "Network", "template": template["name"] + ".json",
         "function-specifications": {"function-specification": []}}
        for one in found["functional-capabilities"]["functional-capability"] for template in one["templates"]["template"]]}}
    if infrastructure:
        state = infrastructure["state"]
        capabilities["infrastructural-capabilities"] = {"infrastructural-capability": [
            {"type": "cpu_architecture", "name": state["architecture"]}, {"type": "vswitch", "name": state["vswitch"]}]
            + [{"type": "execution_environment", "name": name} for name in state["environment"]]}
    return {"netgroup-domain:informations": {
        "id": found["state"]["name"], "name": found["state"]["name"], "type": "universal_node", "management-address": address,
        "hardware-informations": hardware, "capabilities": capabilities}}


def _interface(number, state):
    found = {"index": number + 1, "name": state["name"], "config": {"enabled": state["oper-status"] == "UP"},
             "subinterfaces": {"subinterface": [{
                 "index": 1, "config": {"name": state["name"]},
                 "netgroup-if-capabilities:capabilities": {"netgroup-if-capabilities:gre": "gre" in state["tunnel"]},
                 "netgroup-if-gre:gre": []}]}}
    if state.get("neighbor-domain"):
        found["netgroup-neighbor:neighbors"] = {"netgroup-neighbor:neighbor": [
            {"domain-name": state["neighbor-domain"], "neighbor-type": "domain"}]}
    vlans = []
    for text in state["vlan-free"]:
        first, _, last = text.partition("-")
        vlans.extend([{"netgroup-vlan:vlan-id": vlan, "netgroup-vlan:config": {"netgroup-vlan:vlan-id": vlan}}
                      for vlan in range(int(first), int(last or first) + 1)])
    found["netgroup-if-ethernet:ethernet"] = {"netgroup-vlan:vlans": {"netgroup-vlan:vlan": vlans}}
    return found


def _range(first, last):
    return "%d" % first if first == last else "%d-%d" % (first, last)


def _fraction(number):
    return "%.2f" % number


def _word(value):
    return "true" if value is True else "false" if value is False else "%s" % value
