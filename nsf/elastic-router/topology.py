"""elastic-router/topology.py: the graph of an elastic router of one switch, or of one for each SAP (paper, Figure 24).

    small   SAP 0 --- data:0 [sw] data:1 --- SAP 1 ...            all of it is one switch

    large   SAP 0 --- data:0 [sw0] data:1 --- data:1 [sw1] data:0 --- SAP 1 ...      a switch for each, every two joined

`graph` makes the rules and what is measured from nothing but the functions and the SAPs, so what there is can be read from
the graph alone.
"""
SMALL, LARGE = "small", "large"
CONTROL = "ctl"  # the id of the control function: its port of:0 is for switches, bus:0 for the node
HOST = "node"  # the id of the SAP to the node


def saps(graph):
    """Return the ids of the SAPs between which is routed, in order."""
    return [sap["id"] for sap in graph["saps"] if sap["id"] != HOST]


def switches(size, count):
    """Return {switch: its address on the control network} of a router of `count` SAPs."""
    if size == SMALL:
        return {"sw": "10.79.0.10"}
    return dict([("sw%d" % index, "10.79.0.%d" % (11 + index)) for index in range(count)])


def places(switch, count):
    """Return ({SAP's number: port of the switch}, {other SAP's number: port that leads there}); port 1 is data:0."""
    if switch == "sw":
        return dict([(index, index + 1) for index in range(count)]), {}
    mine = int(switch[len("sw"):])
    others = [index for index in range(count) if index != mine]
    return {mine: 1}, dict([(other, place + 2) for place, other in enumerate(others)])


def carries(graph):
    """Return the size of the router through which traffic goes now."""
    for rule in graph["flowrules"]:
        if rule["match"]["port_in"] == "service-access-point:" + saps(graph)[0]:
            return SMALL if rule["actions"]["output_to_port"].startswith("sf:sw:") else LARGE
    raise ValueError("no rule leads from SAP %s to a switch" % saps(graph)[0])


def sizes(graph):
    """Return the sizes of which the graph has the switches."""
    there = set([sf["id"] for sf in graph["SFs"]])
    return [size for size in (SMALL, LARGE) if set(switches(size, len(saps(graph)))) <= there]


def make(graph, there, traffic, settings):
    """Return the graph with the switches of the sizes `there`, whose traffic goes through those of the size `traffic`.

    settings: what the measurements need, as `monitoring` has it.
    """
    ends = saps(graph)
    names = [name for size in there for name in sorted(switches(size, len(ends)))]
    addresses = dict([pair for size in there for pair in switches(size, len(ends)).items()])
    known = dict([(sf["id"], sf) for sf in graph["SFs"]])
    sfs = [known[CONTROL]] + [known.get(name) or _switch(name, addresses[name], len(ends)) for name in names]
    rules = _pair("bus", "sf:%s:bus:0" % CONTROL, "service-access-point:" + HOST) + _control(names, addresses)
    for name in switches(traffic, len(ends)):
        for index, port in sorted(places(name, len(ends))[0].items()):
            rules += _pair("sap%d" % index, "service-access-point:" + ends[index], "sf:%s:data:%d" % (name, port - 1))
    for one in names if LARGE in there else ():
        for other, port in sorted(places(one, len(ends))[1].items()):
            back = places("sw%d" % other, len(ends))[1].get(int(one[2:] or -1))
            if one < "sw%d" % other:
                rules += _pair("%s-sw%d" % (one, other), "sf:%s:data:%d" % (one, port - 1), "sf:sw%d:data:%d" % (other, back - 1))
    return dict(graph, SFs=sfs, flowrules=rules, monitoring=monitoring(ends, traffic, settings))


def monitoring(ends, traffic, settings):
    """Return the MEASURE text: scale out when one of the SAPs is likely to have more than a switch can carry, in when all have
    little.  settings: {"rate": bits a second of one switch, "risk": from 0 to 1, "calm": share of the rate}."""
    ways = range(len(ends))
    metrics = ["risk%d = overload.risk.rx(interface = %s, line_rate = %s, cutoff = 0.9); load%d = throughput.rx(interface = %s);" % (
        way, ends[way], settings["rate"], way, ends[way]) for way in ways]
    metrics.append("cpu = cpu(vnf = %s);" % CONTROL)
    high = _joined(['(AVG(val = risk%d, max_age = "2 second") > %s)' % (way, settings["risk"]) for way in ways], "or")
    low = _joined(['(MAX(val = load%d, max_age = "5 second") < %d)' % (way, settings["rate"] * settings["calm"]) for way in ways]
                  + ['(COUNT(val = load%d, max_age = "5 second") >= 4)' % way for way in ways], "and")
    return "measurements { %s }\nzones { over = %s; calm = %s; }\nactions { %s }" % (
        " ".join(metrics), high, low, 'over = Publish(topic = elastic, message = scale_out);' if traffic == SMALL
        else "calm = Publish(topic = elastic, message = scale_in);")


def _joined(expressions, sign):
    while len(expressions) > 1:
        expressions = ["(%s %s %s)" % (expressions[0], sign, expressions[1])] + expressions[2:]
    return expressions[0]


def _switch(name, address, count):
    inside, others = places(name, count)
    return {"id": name, "name": "openflow-switch",
            "ports": [{"id": "control:0", "ip": address + "/24"}] + [{"id": "data:%d" % port} for port in range(len(inside) + len(others))],
            "variables": {"SWITCH_CONTROLLER": "10.79.0.2:6653"}}


def _control(names, addresses):
    """Return the rules between the control function and the switches: by address, and ARP to all."""
    port, rules = "sf:%s:of:0" % CONTROL, []
    for name in names:
        rules.append({"id": "of-" + name, "priority": 10, "match": {
            "port_in": port, "ether_type": "0x0800", "dest_ip": addresses[name]}, "actions": {"output_to_port": "sf:%s:control:0" % name}})
        rules.append({"id": name + "-of", "priority": 10, "match": {"port_in": "sf:%s:control:0" % name}, "actions": {"output_to_port": port}})
    rules.append({"id": "of-arp", "priority": 5, "match": {"port_in": port, "ether_type": "0x0806"},
                  "actions": [{"output_to_port": "sf:%s:control:0" % name} for name in names]})
    return rules


def _pair(name, one, other):
    return [{"id": name + "-in", "priority": 1, "match": {"port_in": one}, "actions": {"output_to_port": other}},
            {"id": name + "-out", "priority": 1, "match": {"port_in": other}, "actions": {"output_to_port": one}}]
