"""The SF repository: the templates and images that functions are made from; here a local folder.

A template is a file <name>.json; its uri-image is a file beside it, a bundle or, if its vnf-type is "graph", an SF-FG.  The
folder is read again when it or a file in it has changed.

What the rest of the agent asks of a repository, wherever it is:
    templates()       all that are known now
    find(sf)          those that a function of a graph may be made from; raises ValueError, Absent
    body(template)    the graph that a template of vnf-type "graph" is; raises ValueError, Absent
    lacks(template)   an Absent, if its image has to be brought first; else None
    has(sf)           whether the image of a placed function is still what it was; a generator
    bring(absents)    yields the steps that bring what was Absent; raises Refused if it cannot be had
    keep(digests)     what graphs have
"""
import hashlib
import os
import stat

from . import log
from .core import json, templates

LARGEST = 8 << 20  # bytes of an image
LIMITS = ("memory", "pids", "cpu")  # in MiB, processes, cores
MOST = 64  # dependencies, ports, attributes or variables of a template
LONGEST = 256  # letters of a name or a version


class Absent(Exception):
    """Something that has to be brought before it can be told.  kind: "capability", "template" or "image"; key: its name, or
    the template of an image."""

    def __init__(self, kind, key):
        super().__init__("%s %s" % (kind, key["name"] if isinstance(key, dict) else key))
        self.kind, self.key = kind, key


class Repository:
    def __init__(self, folder):
        self.folder = folder
        self.seen, self.known = None, []
        self.told = set()  # (name, why) of files that are no use, each of which is said once
        self.digests = {}  # {path: (its size and time, sha256)}

    def templates(self):
        """Return the templates, each with "path" and "digest" of its image."""
        try:
            names = sorted([name for name in os.listdir(self.folder) if name.endswith(".json")])
        except OSError as error:
            log.write("repository", "not read", folder=self.folder, why=error.strerror)
            names = []
        seen = [(name, stamp_of(os.path.join(self.folder, name))) for name in names]
        if seen != self.seen:
            self.seen, self.known = seen, []
            self.told.clear()
            for name in names:
                try:
                    with open(os.path.join(self.folder, name), "rb") as file:
                        self.known.append((name, json.strict(file.read())))
                except (OSError, ValueError) as error:
                    self._leave_out(name, error)
        result = []
        for name, template in self.known:
            try:
                result.append(self.read(template))
            except ValueError as error:
                self._leave_out(name, error)
        return result

    def _leave_out(self, name, error):
        if (name, str(error)) not in self.told:
            self.told.add((name, str(error)))
            log.write("repository", "template left out", template=name, why=error)

    def find(self, sf):
        """Return the templates that a function of a graph may be made from.  Raises ValueError."""
        return [self.read(sf.template)] if isinstance(sf.template, dict) else templates.of_function(sf, self.templates())

    def body(self, template):
        """Return the graph that a template is, a JSON value.  Raises ValueError."""
        return read_graph(template)

    def lacks(self, template):
        return None

    def has(self, sf):
        yield from ()
        return (sf["template"], sf["digest"]) in [(one["name"], one["digest"]) for one in self.templates()]

    def bring(self, absents):
        yield from ()  # nothing of a local folder is ever absent

    def keep(self, digests):
        pass

    def read(self, template):
        """Return a template with "path" and "digest" of its image.  Raises ValueError, which says what is wrong."""
        check(template)
        if "/" in template["uri-image"]:
            raise ValueError("uri-image: should be the name of a file in the repository, without /")
        path = os.path.join(self.folder, template["uri-image"])
        return dict(template, path=path, digest=template.get("sha256") or self._digest(path))

    def _digest(self, path):
        stamp = stamp_of(path)
        if stamp is None:
            raise ValueError("uri-image: %s: no such file" % path)
        if stamp[0] > LARGEST:
            raise ValueError("uri-image: %s: larger than %d bytes" % (path, LARGEST))
        if self.digests.get(path, (None,))[0] != stamp:
            try:
                with open(path, "rb") as file:
                    self.digests[path] = stamp, hashlib.sha256(file.read()).hexdigest()
            except OSError as error:
                raise ValueError("uri-image: %s: %s" % (path, error.strerror))
        return self.digests[path][1]


def read_graph(template):
    """Return the graph in the file of a template whose type is "graph".  Raises ValueError."""
    try:
        with open(template["path"], "rb") as file:
            text = file.read(LARGEST)
    except OSError as error:
        raise ValueError("uri-image: %s: %s" % (template["path"], error.strerror))
    found = hashlib.sha256(text).hexdigest()
    if found != template["digest"]:
        raise ValueError("uri-image: its sha256 is %s, its template says %s" % (found, template["digest"]))
    return json.strict(text)


def check(template):
    """Raise ValueError, which says what is wrong with a template, whatever repository it is of."""
    if not isinstance(template, dict):
        raise ValueError("should be an object")
    for key in ("name", "vnf-type", "uri-image"):
        if not _is_word(template.get(key)):
            raise ValueError("%s: should be a string of one line" % key)
    digest = template.get("sha256") or "0" * 64
    if not isinstance(digest, str) or len(digest) != 64 or digest.strip("0123456789abcdef"):
        raise ValueError("sha256: should be 64 hexadecimal digits")
    if not _is_amount(template.get("memory-size", 1) or 1):
        raise ValueError("memory-size: should be a number of MiB")
    for key, kind, name in (("dependencies", list, "a list"), ("ports", list, "a list"), ("attributes", dict, "an object"),
                            ("variables", dict, "an object")):
        found = template.get(key, kind())
        if not isinstance(found, kind) or len(found) > MOST:
            raise ValueError("%s: should be %s of %d at most" % (key, name, MOST))
    version = template.get("version", "")
    if not isinstance(version, (str, int, float)) or len(str(version)) > LONGEST:
        raise ValueError('version: should be like "1.2.10"')
    accelerators = template.get("accelerators", [])
    if not isinstance(accelerators, list) or not all([_is_word(one) for one in accelerators]):
        raise ValueError('accelerators: should be a list, such as ["crypto"]')
    cores = template.get("CPUrequirements", {})
    cores = cores.get("socket", []) if isinstance(cores, dict) else None
    if not isinstance(cores, list) or not all([isinstance(one, dict) and _is_amount(one.get("coreNumbers", 1)) for one in cores]):
        raise ValueError('CPUrequirements: should be like {"socket": [{"coreNumbers": 1}]}')
    limits = template.get("limits", {})
    if not isinstance(limits, dict) or set(limits) - set(LIMITS) or not all([_is_amount(one) for one in limits.values()]):
        raise ValueError("limits: should be an object with some of %s, each a number above 0" % ", ".join(LIMITS))
    if not all([_is_word(dependency) for dependency in template.get("dependencies", ())]):
        raise ValueError('dependencies: each should be a string of one line, such as "nft" or "module:nf_tables"')
    for spec in template.get("ports", ()):
        first, dash, last = str(spec.get("position", "1-N") if isinstance(spec, dict) else "").partition("-")
        if not _is_place(first, 1) or dash and last != "N" and not _is_place(last, int(first)):
            raise ValueError('ports: position: should be "1-2" or "3-N", of 1 to 999')
        least = spec.get("min", 0)
        if not isinstance(least, int) or isinstance(least, bool) or not 0 <= least <= 999:
            raise ValueError("ports: min: should be a number from 0 to 999")


def _is_place(word, least):
    return word.isascii() and word.isdigit() and len(word) <= 3 and int(word) >= least


def _is_amount(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1 << 31


def _is_word(value):
    return isinstance(value, str) and 0 < len(value) <= LONGEST and value.isprintable()


def stamp_of(path):
    """Return what tells one content of a file from another, or None if there is no such file."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None
