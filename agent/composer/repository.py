"""The SF repository: the templates and images that functions are made from; here a local folder.

A template is a file <name>.json; its uri-image is a file beside it.  The folder is read again when it or a file
in it has changed.
"""
import hashlib
import os

from . import log
from .core import json
from .core.errors import BadRequest

LARGEST = 8 << 20  # bytes of an image


class Repository:
    def __init__(self, folder):
        if folder.startswith("http:") or folder.startswith("https:"):
            raise BadRequest("repository", "this agent reads a local folder: give its path")
        self.folder = folder
        self.seen, self.known = None, []
        self.digests = {}  # {path: (its size and time, sha256)}

    def templates(self):
        """Return the templates, each with "path" and "digest" of its image."""
        try:
            names = sorted([name for name in os.listdir(self.folder) if name.endswith(".json")])
        except OSError as error:
            log.write("repository", "not read", folder=self.folder, why=error.strerror)
            names = []
        seen = [(name, _stamp(os.path.join(self.folder, name))) for name in names]
        if seen != self.seen:
            self.seen, self.known = seen, []
            for name in names:
                try:
                    with open(os.path.join(self.folder, name), "rb") as file:
                        self.known.append(json.loads(file.read()))
                except (OSError, ValueError) as error:
                    log.write("repository", "template left out", template=name, why=error)
        result = []
        for template in self.known:
            try:
                result.append(self.read(template))
            except ValueError as error:
                log.write("repository", "template left out", template=template, why=error)
        return result

    def read(self, template):
        """Return a template with "path" and "digest" of its image.  Raises ValueError, which says what is wrong."""
        if not isinstance(template, dict):
            raise ValueError("should be an object")
        for key in ("name", "vnf-type", "uri-image"):
            if not isinstance(template.get(key), str):
                raise ValueError("%s: should be a string" % key)
        if not isinstance(template.get("dependencies", []), list) or not isinstance(template.get("attributes", {}), dict) \
                or not isinstance(template.get("ports", []), list):
            raise ValueError("dependencies and ports should be lists, attributes an object")
        path = os.path.join(self.folder, template["uri-image"])
        digest = template.get("sha256") or self._digest(path)
        if not isinstance(digest, str) or len(digest) != 64 or digest.strip("0123456789abcdef"):
            raise ValueError("sha256: should be 64 hexadecimal digits")
        _check_ports(template)
        return dict(template, path=path, digest=digest)

    def _digest(self, path):
        stamp = _stamp(path)
        if stamp is None:
            raise ValueError("uri-image: %s: no such file" % path)
        if stamp[0] > LARGEST:
            raise ValueError("uri-image: %s: larger than %d bytes" % (path, LARGEST))
        if self.digests.get(path, (None,))[0] != stamp:
            with open(path, "rb") as file:
                self.digests[path] = stamp, hashlib.sha256(file.read()).hexdigest()
        return self.digests[path][1]


def _check_ports(template):
    for spec in template.get("ports", ()):
        first, dash, last = str(spec.get("position", "1-N") if isinstance(spec, dict) else "").partition("-")
        if not first.isdigit() or dash and last != "N" and not last.isdigit():
            raise ValueError('ports: position: should be "1-2" or "3-N"')
        if not isinstance(spec.get("min", 0), int):
            raise ValueError("ports: min: should be a number")


def _stamp(path):
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns
