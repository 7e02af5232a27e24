"""The cache of a repository that is far away: its answers and images on this node, which outlive a reboot.

    answers/capability-nat.json    what the repository said last
    images/<sha256>.tgz
    images/KEY.url                 a link to the image of a template that states no sha256; KEY is that of all it says
    images/*.part                  what has come of an image that is not whole yet

An image is hashed before it is used for the first time in the life of an agent, so what flash has garbled is fetched
again.  Images leave, those first that were not used for longest, when all of them have more than `size` bytes; never one
that a graph has.
"""
import hashlib
import os
import time

from . import bundle, log
from .core import json
from .core.errors import BadImage
from .core.steps import run
from .core.templates import GRAPH
from .repository import MOST, stamp_of

IN_USE = 600  # seconds for which an image that was asked for is kept, though no graph has it yet
TOUCH = 24 * 3600  # seconds after which the use of an image is noted again: flash wears
ANSWERS, ANSWER = 256, 1 << 20  # answers that are kept, and bytes of one
PIECE = 256 << 10  # bytes that are hashed before the loop turns


class Cache:
    """source: the URL of the repository; vet(id, template): raises ValueError for a template that is of no use."""

    def __init__(self, folder, size, source, vet, clock):
        self.answers, self.images = folder + "/answers", folder + "/images"
        self.size, self.source, self.vet, self.clock = size, source, vet, clock
        self.known = None  # {place: [(id, template)]}, once they were read
        self.sound = {}  # {path of an image that was hashed: its stamp}
        self.used = {}  # {digest: when its image was asked for}
        self.kept = None  # digests of the images that graphs have, once somebody has said so

    def read(self):
        """Return {place: [(id, template)]} of the answers; one that is garbled, or another repository's, is thrown away."""
        if self.known is None:
            self.known = {}
            for name in os.listdir(self.answers) if os.path.isdir(self.answers) else ():
                path = os.path.join(self.answers, name)
                try:
                    with open(path, "rb") as file:
                        document = json.strict(file.read(2 * ANSWER))
                    found = entries(document, "")
                    if document.get("repository") != self.source or not name.endswith(".json"):
                        raise ValueError("is not an answer of %s" % self.source)
                    for one in found:
                        self.vet(*one)
                    self.known[name[:-len(".json")]] = found
                except (OSError, ValueError) as error:
                    log.write("repository", "answer thrown away", path=path, why=error)
                    unlink(path)
        return self.known

    def put_answer(self, place, found):
        """Have an answer, which is [(id, template)]; one that is there is not written again.  Return the place of one that had
        to leave, or None."""
        known, left = self.read(), None
        if known.get(place) == found:
            return left
        if place not in known and len(known) >= ANSWERS:
            left = next(iter(known))
            self.drop_answer(left)
        path = "%s/%s.json" % (self.answers, place)
        told = {"repository": self.source, "list": [{"id": name, "template": template} for name, template in found]}
        try:
            with open(path + ".new", "wb") as file:
                file.write(json.dumps(told).encode())
                file.flush()
                os.fsync(file.fileno())
            os.rename(path + ".new", path)
        except OSError:
            unlink(path + ".new")
            raise
        _flush(self.answers)
        known[place] = found
        return left

    def drop_answer(self, place):
        if self.read().pop(place, None) is not None:
            unlink("%s/%s.json" % (self.answers, place))

    def image(self, url, template):
        """Return (path, digest) of a template's image, wherever it is fetched from; digest: "" if it is not known yet."""
        digest = template.get("sha256") or ""
        if not digest and os.path.islink(self._link(url, template)):
            digest = os.readlink(self._link(url, template))[:-len(".tgz")]
        return "%s/%s.tgz" % (self.images, digest or key(url, template)), digest

    def has(self, path):
        """Say whether an image is there, as it was when it was hashed."""
        return stamp_of(path) is not None and self.sound.get(path) == stamp_of(path)

    def look(self, path, digest):
        """Say whether an image is there, by its digest; a generator.  One that is garbled is thrown away."""
        if not self.has(path):
            if not stamp_of(path):
                return False
            if (yield from _sum(path)) != digest:
                log.write("repository", "image garbled, thrown away", path=path)
                unlink(path)
                return False
            self.sound[path] = stamp_of(path)
        self.use(path, digest)
        return True

    def put_image(self, part, url, template):
        """Have the image that the file `part` is; a generator of steps.  Raises BadImage, if it is not what it should be."""
        stated = template.get("sha256") or ""
        digest = yield from _sum(part) if stated or template["vnf-type"] == GRAPH else bundle.sound(part)
        if stated and digest != stated:
            raise BadImage("", "its sha256 is %s, and should be %s" % (digest, stated))
        yield run("sync", part)  # a child: flash is slow
        path = "%s/%s.tgz" % (self.images, digest)
        os.utime(part)
        os.rename(part, path)
        if not stated:
            link = self._link(url, template)
            unlink(link + ".new")
            os.symlink(digest + ".tgz", link + ".new")
            os.rename(link + ".new", link)
        _flush(self.images)
        self.sound[path] = stamp_of(path)
        self.use(path, digest)

    def use(self, path, digest):
        """Note that an image is used."""
        self.used[digest] = self.clock()
        if time.time() - os.stat(path).st_mtime > TOUCH:
            os.utime(path)
            self.sound[path] = stamp_of(path)

    def evict(self, coming):
        """Keep within the limit; coming: paths of what is being fetched."""
        if self.kept is None:
            return
        found = sorted([(entry.stat().st_mtime, entry.stat().st_size, entry.path)
                        for entry in os.scandir(self.images) if not entry.is_symlink()])
        total, now = sum([size for _, size, _ in found]), self.clock()
        self.used = dict([(digest, when) for digest, when in self.used.items() if now - when < IN_USE])
        for _, size, path in found:
            digest = os.path.basename(path).partition(".")[0]
            if total > self.size and path not in coming and digest not in self.kept and digest not in self.used:
                log.write("repository", "image leaves the cache", path=path)
                unlink(path)
                self.sound.pop(path, None)
                total -= size
        for entry in os.scandir(self.images):
            if entry.is_symlink() and not os.path.exists(entry.path):
                unlink(entry.path)

    def _link(self, url, template):
        return "%s/%s.url" % (self.images, key(url, template))


def key(url, template):
    """Return what stands for an image whose digest is not known: another one when anything of its template changes."""
    said = dict([(word, template[word]) for word in sorted(template) if word not in ("url", "path", "digest")])
    return hashlib.sha256(("%s\n%s" % (url, json.dumps(said))).encode()).hexdigest()


def entries(document, name):
    """Return [(id, template)] of what a repository answers; `name` is the id of a template that comes without.

    It may be {"list": [{"id", "template"}]}, one of these, or a template.  Raises ValueError.
    """
    if not isinstance(document, dict):
        raise ValueError("should be an object")
    found = document.get("list", [document])
    if not isinstance(found, list) or len(found) > MOST or not all([isinstance(one, dict) for one in found]):
        raise ValueError("list: should be a list of %d objects at most" % MOST)
    return [(str(one.get("id", name)), one["template"]) if "template" in one else (name, one) for one in found]


def has_room(folder):
    """Raise OSError if a disk is full: the programs that fetch do not all say so."""
    path = folder + "/room"
    try:
        with open(path, "wb") as file:
            file.write(bytes(4096))
    finally:
        unlink(path)


def unlink(path):
    try:
        os.unlink(path)
    except OSError:
        pass  # it was never made, or flash is gone


def _sum(path):
    """Return the sha256 of a file; a generator that yields between pieces."""
    total = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        while piece := file.read(PIECE):
            total.update(piece)
            yield []
    return total.hexdigest()


def _flush(folder):
    there = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(there)
    finally:
        os.close(there)
