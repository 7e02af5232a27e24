"""Subjects: what in a graph a metric of its MEASURE string is about (SPEC 7).

    vnf = fw                     a function, by its id
    vnf = fw, interface = in     a port of it, by its id
    interface = wan              a SAP of the graph, by its id or else by the interface that it is on

A subject is a tuple: ("sf", id), ("port", sf id, port id), ("sap", id), ("ping", ...), ("reported", name).
"""
from . import measure
from .errors import BadGraph, show, unknown


def read(text, sfs, ends, where):
    """Return the Measure of a graph that has these functions and SAPs.  Raises BadGraph."""
    found = measure.parse(text, where)
    for metric in found.metrics:
        try:
            of(metric, sfs, ends)
        except ValueError as error:
            raise BadGraph(where, "line %d, column %d: %s: %s" % (metric.line, metric.column, metric.name, error))
    return found


def of(metric, sfs, ends):
    """Return the subject of a metric.  Raises ValueError if the graph does not have it."""
    parameters, vnf, interface = metric.parameters, metric.parameters.get("vnf"), metric.parameters.get("interface")
    if "destination.ip4" in parameters:
        return ("ping", parameters["destination.ip4"], parameters["source.ip4"], parameters["count"], parameters["interval"])
    if metric.kind == "reported":
        return ("reported", parameters["name"])
    if vnf:
        ports = dict([(sf.id, [port.id for port in sf.ports]) for sf in sfs])
        if vnf not in ports:
            raise ValueError(unknown(vnf, ports, "function"))
        if interface is None:
            return ("sf", vnf)
        if interface not in ports[vnf]:
            raise ValueError(unknown(interface, ports[vnf], "port of function " + vnf))
        return ("port", vnf, interface)
    for name, place in [(sap.id, sap) for sap in ends] + [(sap.interface, sap) for sap in ends if sap.interface]:
        if interface == name:
            return ("sap", place.id)
    raise ValueError(unknown(interface, [sap.id for sap in ends], "SAP") + "; a port of a function is named with its vnf, too"
                     if ends else "interface %s: the graph has no SAP" % show(interface))
