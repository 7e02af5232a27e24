"""Configuration parameters: what a function is told while it runs are changes of its variables (paper, 5.7).

    {"NAT_INSIDE": "10.1.0.1/24", "NAT_FORWARD": null}      null: its default again

They go into the body of the graph, which is then put like any other: the same checks, the same `update` of the function, the
same store.  So GET shows what a function really runs with.
"""
from .errors import NotFound, listed


def changed(body, sf_id, changes):
    """Return a copy of the body of a graph, of either dialect, in which the variables of a function have `changes`.

    changes: {name: value}, which sffg.parse sees to.  Raises NotFound if the graph has no such function.
    """
    root = [key for key in body][0]
    key = "SFs" if root == "sffg" else "VNFs"
    sfs = body[root].get(key) or []
    if sf_id not in [sf["id"] for sf in sfs]:
        raise NotFound("", "the graph has no function %s, it has %s" % (sf_id, listed([sf["id"] for sf in sfs])))
    change = _sffg if root == "sffg" else _nffg
    found = dict(body[root])
    found[key] = [change(sf, changes) if sf["id"] == sf_id else sf for sf in sfs]
    return {root: found}


def _sffg(sf, changes):
    sf = dict(sf)
    variables = dict(sf.get("variables") or {})
    for name in changes:
        variables.pop(name, None)
        if changes[name] is not None:
            variables[name] = changes[name]
    sf["variables"] = variables
    if not variables:
        del sf["variables"]
    return sf


def _nffg(sf, changes):
    sf, key = dict(sf), "unify-env-variables"
    kept = [one for one in sf.get(key) or [] if one["variable"].partition("=")[0] not in changes]
    added = [{"variable": "%s=%s" % (name, changes[name])} for name in sorted(changes) if changes[name] is not None]
    sf[key] = kept + added
    if not sf[key]:
        del sf[key]
    return sf
