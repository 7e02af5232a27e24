"""Views: what the agent answers, as people read it.  Each makes text of a value; nothing is written here."""
import os
import sys
import time

COLOURS = {"deployed": 32, "running": 32, "failed": 31}  # of states on a terminal; any other is yellow
YELLOW = 33


def on_terminal(stream):
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def plain(value):
    """Return a value as text on one line, with nothing in it that a terminal would obey."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = "-" if value in (None, "") else str(value)
    return "".join([letter if letter.isprintable() else "?" for letter in text])


def table(header, rows):
    """Return aligned columns; on a terminal the states have colours."""
    rows = [header] + [[plain(value) for value in row] for row in rows]
    widths = [max([len(row[column]) for row in rows]) for column in range(len(header))]
    colourful = "STATE" in header and on_terminal(sys.stdout) and "NO_COLOR" not in os.environ
    lines = []
    for row in rows:
        cells = [value.ljust(width) for value, width in zip(row, widths)]
        cells[-1] = row[-1]
        if colourful and row is not header:
            state = header.index("STATE")
            cells[state] = "\033[%dm%s\033[m" % (COLOURS.get(row[state], YELLOW), cells[state])
        lines.append("  ".join(cells) + "\n")
    return "".join(lines)


def pairs(found):
    """Return aligned lines of `key  value`; what a value holds stands on its line."""
    width = max([len(key) for key in found])
    return "".join(["%s  %s\n" % (plain(key).ljust(width), _flat(found[key])) for key in found])


def _flat(value):
    if isinstance(value, dict) and value:
        return ", ".join(["%s %s" % (plain(key), _flat(value[key])) for key in value])
    if isinstance(value, list) and value:
        return ", ".join([_flat(one) for one in value])
    return plain("" if value in ({}, []) else value)


def error(found):
    """Return an error of the agent: its place and message, or the command that failed and its output."""
    where = plain(found["where"]) + ": " if found.get("where") else ""
    if not found.get("command"):
        return where + plain(found["message"])
    output = [plain(line) for line in str(found.get("output")).strip().split("\n")]
    return "%sa command failed\n  command  %s\n  output   %s" % (
        where, plain(found["command"]), "\n           ".join(output))


def graphs(found):
    if not found["graphs"]:
        return "no graphs; composerctl apply FILE deploys one\n"
    return table(["ID", "NAME", "STATE"], [[one["id"], one["name"], one["state"]] for one in found["graphs"]])


def sfs(status):
    """Return the table of a graph's functions, as its status tells them."""
    if not status["functions"]:
        return ""
    bound = any([sf.get("cores") for sf in status["functions"]])
    return table(["SF", "FUNCTION", "IMPLEMENTATION", "TYPE", "STATE"] + ["CORES"] * bound, [
        [sf["id"], sf["name"], sf["implementation"], sf["type"], sf["state"]]
        + [None if "functions" in sf else ",".join(map(str, sf.get("cores") or ["any"]))] * bound for sf in status["functions"]])


def choices(found):
    """Return for each function the template that was taken, those that were not, and why; and of a refusal the same."""
    lines = []
    for sf in found["functions"]:
        taken = [one for one in sf["choice"] if one["taken"]]
        lines += ["%s: %s is %s: %s" % (plain(sf["id"]), plain(sf["name"]), plain(one["template"]), plain(one["why"])) for one in taken]
        lines += _not_taken([one for one in sf["choice"] if not one["taken"]])
    if found["error"]:
        lines.append("the last change failed: " + error(found["error"]))
        lines += _not_taken(found["error"].get("templates", ()))
    return "\n".join(lines) + "\n" if lines else "there is no function to be explained\n"


def _not_taken(choice):
    width = max([len(plain(one["template"])) for one in choice] + [0])
    return ["    not %s  %s" % (plain(one["template"]).ljust(width), plain(one["why"])) for one in choice]


def saps(status):
    """Return the table of the SAPs of a graph that are ports of their own."""
    rows = [[sap["id"], sap["type"], sap["port"], sap.get("way"), " ".join(sap.get("addresses", ()))]
            for sap in status.get("saps", ())]
    return table(["SAP", "KIND", "PORT", "MADE BY", "ADDRESS"], rows) if rows else ""


def failed(status):
    """Return a line for each function of a graph that has failed."""
    return ["function %s has failed, and is started again %s s after that: %s" % (
        plain(sf["id"]), plain(sf["error"].get("restart_in")), error(sf["error"]))
        for sf in status["functions"] if sf.get("error")]


def events(found):
    """Return a line for each event, what it was about behind it."""
    rows = []
    for one in found["events"]:
        about = ["%s=%s" % (key, _flat(one[key])) for key in one if key not in ("sequence", "time", "event")]
        rows.append([one["sequence"], time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one["time"])), one["event"], " ".join(about)])
    return table(["NUMBER", "TIME", "EVENT", "ABOUT"], rows) if rows else "nothing has happened\n"


def overlaps(status):
    return ["rules %s and %s match common packets at one priority, and the switch may take either" % (
        plain(one), plain(other)) for one, other in status.get("overlaps", ())]


def status(found):
    lines = ["%s: %s, %d %%" % (plain(found["id"]), found["state"], found["percentage_completed"])]
    if found["error"]:
        lines.append("the last change failed: " + error(found["error"]))
    if "confirm_within" in found:
        lines.append("on trial: taken back in %s s, unless composerctl confirm %s is said" % (
            found["confirm_within"], plain(found["id"])))
    lines += ["left, and tried again: " + error(one) for one in found.get("left", ())] + failed(found)
    return "\n".join(lines + overlaps(found)) + "\n" + sfs(found) + saps(found) + measured(found)


def measured(status):
    """Return what is measured of a graph, and the zones that are true; "" if nothing is."""
    if "measurements" not in status:
        return ""
    rows = [[name, "-" if value is None else "%.6g" % value] for name, value in sorted(status["measurements"].items())]
    zones = "zones: %s\n" % (", ".join(status["zones"]) or "none")
    return (table(["MEASURED", "VALUE"], rows) if rows else "") + zones


def node(found):
    """Return the domain description in lines: of each list its names, of each thing what it says."""
    found, told = found["composer-domain:domain"], {}
    told.update(found["state"])
    told["endpoints"] = [dict([(key, one["state"][key]) for key in one["state"] if one["state"][key] not in ([], "")])
                         for one in found["endpoints"]["endpoint"]]
    told["functions"] = [one["name"] for one in found["functional-capabilities"]["functional-capability"]]
    told.update(found.get("infrastructure", {"state": {}})["state"])
    for kind in ("cpu", "memory", "storage"):
        if "resources" in found:
            told[kind] = found["resources"][kind]["state"]
    if "resources" in found:
        told["accelerators"] = ["%s (%d free)" % (one["name"], one["state"]["free"])
                                for one in found["resources"]["accelerators"]["accelerator"]]
    return pairs(told)


def functions(found):
    return table(["FUNCTION", "TEMPLATE", "TYPE", "PORTS", "MEMORY", "RUNS HERE"], [
        [one["function"], one["template"], one["type"], _ports(one["ports"]), _memory(one), _runs_here(one)]
        for one in found["functions"]])


def function(one):
    """Return all that is known of one function: what its template says of its attributes and variables too."""
    text = pairs({"function": one["function"], "template": one["template"], "type": one["type"],
                  "ports": _ports(one["ports"]), "memory": _memory(one), "attributes": one["attributes"],
                  "runs here": _runs_here(one)})
    known = [[name] + [said.get(key) if isinstance(said, dict) else "" for key in ("default", "meaning")]
             for name, said in sorted(one["variables"].items())]
    return text + "\n" + table(["VARIABLE", "DEFAULT", "MEANING"], known) if known else text


def _ports(ports):
    least, most = ports["min"], ports["max"]
    return "%d or more" % least if most is None else "%d" % least if least == most else "%d to %d" % (least, most)


def _memory(one):
    return "%s MiB" % one["memory"] if one["memory"] else ""


def _runs_here(one):
    return "yes" if one["available"] else "no: " + one["why"]


def way(found):
    """Return the way of a packet from top to bottom, one rule that it meets after the other."""
    heads = ["%s, table %d: rule %s" % (hop["lsi"], hop["table"], plain(hop["rule"])) for hop in found["hops"]]
    width = max([len(head) for head in heads] + [0])
    lines = [plain(found["packet"])]
    for head, hop in zip(heads, found["hops"]):
        lines += [" |", " |  %s  %d packets, %d bytes" % (head.ljust(width), hop["packets"], hop["bytes"]),
                  " |    %s" % plain(hop["match"])]
        lines += [" |    -> %s" % plain(action) for action in hop["actions"]]
    return "\n".join(lines + [" v", plain(found["verdict"])]) + "\n"


def steps(found):
    """Return the lines of a plan, which a person could type."""
    return "".join([line + "\n" for line in found["plan"]]) or "# nothing to do: the graph is deployed like that\n"
