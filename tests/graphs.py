"""Service graphs for tests: short words for the bodies that a client sends (SPEC 1).

A port is named by one word: "lan" is a SAP, "fw:in" a port of a function.

    graph("g", [sap("lan", "lan0"), vlan_sap("v25", "wan0", 25)], [sf("fw", "firewall", "in", "out")],
          rule("1", "lan", "fw:in", protocol="tcp", dest_port=80), rule("2", "fw:out", {"dec_ttl": True}, "v25"))
"""
import json


def graph(name, saps, sfs, *rules):
    return {"sffg": {"id": name, "SFs": sfs, "saps": saps, "flowrules": list(rules)}}


def sap(name, interface):
    return {"id": name, "type": "interface", "interface": {"if-name": interface}}


def vlan_sap(name, interface, vlan):
    return {"id": name, "type": "vlan", "vlan": {"vlan-id": vlan, "if-name": interface}}


def internal(name, group):
    return {"id": name, "type": "internal", "internal": {"internal-group": group}}


def tunnel(kind, local, remote, key, name=None, **more):
    """A SAP of kind gre or vxlan, called like its kind if no `name` is given."""
    inner = dict({"local-ip": local, "remote-ip": remote, {"gre": "gre-key", "vxlan": "vni"}[kind]: key}, **more)
    return {"id": name or kind, "type": kind, kind: inner}


def host_stack(name, address=None, **more):
    """A SAP of the node itself: with an address a.b.c.d/n, or by DHCP."""
    how = {"configuration": "static", "IPv4": address} if address else {"configuration": "dhcp"}
    return {"id": name, "type": "host-stack", "host-stack": dict(how, **more)}


def sf(name, function, *ports, **variables):
    """A function; its ports are ids, or whole ports."""
    return {"id": name, "name": function, "variables": variables,
            "ports": [{"id": port} if isinstance(port, str) else port for port in ports]}


def rule(name, port_in, *actions, priority=1, **match):
    """A rule; its actions are ports to send to, or actions as they are, in order."""
    return {"id": name, "priority": priority, "match": dict(match, port_in=port(port_in)),
            "actions": [{"output_to_port": port(one)} if isinstance(one, str) else one for one in actions]}


def both(name, one, other, priority=1, **match):
    """The two rules that join two ports."""
    return [rule(name + "a", one, other, priority=priority, **match),
            rule(name + "b", other, one, priority=priority, **match)]


def wire(name, one, other):
    """A graph of two SAPs, joined."""
    return graph(name, [one, other], [], *both("r", one["id"], other["id"]))


def nffg(body, control=(), gateway=None):
    """Return a graph in the second dialect.  control: {function: {TCP port of the node: TCP port of the function}}."""
    inner = json.loads(json.dumps(body["sffg"]).replace('"service-access-point:', '"endpoint:').replace('"sf:', '"vnf:'))
    for one in inner["SFs"]:
        one["unify-env-variables"] = [{"variable": "%s=%s" % pair} for pair in one.pop("variables").items()]
        one["unify-control"] = [{"host-tcp-port": outside, "vnf-tcp-port": inside}
                                for outside, inside in dict(control).get(one["id"], {}).items()]
        one["ports"] = [{"unify-ip" if key == "ip" else key: value for key, value in port.items()} for port in one["ports"]]
    config = [{"id": "1", "type": "default-gateway", "default-gateway": {"ip-address": gateway}}] if gateway else []
    return {"forwarding-graph": {"id": inner["id"], "VNFs": inner["SFs"], "end-points": inner["saps"],
                                 "big-switch": {"flow-rules": inner["flowrules"]}, "node-config": config}}


def port(word):
    return ("sf:" if ":" in word else "service-access-point:") + word
