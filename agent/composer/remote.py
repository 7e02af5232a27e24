"""The SF repository over HTTP (SPEC 3).  What it is asked for is answered from the cache on this node, at once.

What the cache lacks, or has for too long, is raised as Absent, and `bring` is the plan that brings it: programs of the
system fetch, so nothing here waits for a network.

    find(sf)         Absent: nat          bring: GET /v2/nf_capability/nat/    or /v2/nf_template/<name>/
    lacks(template)  Absent: its image    bring: GET /v2/nf_image/<id>/        or its uri-image, if that is a URL

An image comes from the configured repository and from nowhere else: a template, which may be a tenant's, must not make
the node ask servers that only the node can reach.
"""
import os
import re
import time
from urllib.parse import quote

from . import host, log
from .cache import ANSWER, Cache, entries, has_room, key, unlink
from .core import json
from .core.errors import BadImage, BadRequest, Full, StepFailed, Unavailable, failed, show
from .core.steps import fetch, run
from .repository import LARGEST, Absent, check, read_graph
from .system import size

FRESH = 60  # seconds for which an answer is good, that there is no such thing, too
NAME = 200  # letters of a name as it stands in a URL, and in that of a file
PAUSES = (0, 1, 4)  # seconds before each try
ABREAST = 4  # fetches at one time

# What fetches, the best first.  uclient-fetch looks for what it could continue under another name than it writes to.
CLIENTS = (
    ("curl", ("-qgsSfL", "--max-redirs", "0", "--proto", "=http,https", "--connect-timeout", "5", "-m", "300", "-y", "15", "-Y", "1", "-C", "-",
              "-o", "%(path)s", "%(url)s")),
    ("wget", ("--no-config", "-nv", "-t", "1", "-T", "15", "--connect-timeout=5", "--max-redirect=0", "-c",
              "-O", "%(path)s", "%(url)s")),
    ("uclient-fetch", ("-T", "15", "-O", "%(path)s", "%(url)s")),
    ("busybox", ("wget", "-q", "-c", "-O", "%(path)s", "%(url)s")))
STATUS = re.compile(r"(?:error:?|ERROR|HTTP/[0-9.]+) ([1-5][0-9][0-9])\b")  # as the clients say it
ANEW = (33, 416)  # an exit status of curl, and one of HTTP: it cannot be continued
TRY_AGAIN = (408, 416, 429)  # of what is the client's fault, and so final
ELSEWHERE = re.compile("redirect(s|ions) (followed|exceeded)")  # it is not asked there


class Wish:
    """What is to be fetched: what answers a name (key), and has a place in the cache; or the image of a template (key)."""

    def __init__(self, key, url, part, most, place=""):
        self.key, self.url, self.part, self.most, self.place = key, url, part, most, place
        self.spoiled = False  # whether it has come whole and was not what it should be


class Remote:
    """url: without / at its end; folder: of the cache; most: its limit in bytes; runtime: a folder that is not on flash."""

    def __init__(self, url, folder, most, runtime, clock=time.monotonic):
        self.url, self.clock, self.coming_answers = url, clock, runtime + "/answers"
        self.origin = "/".join(url.split("/")[:3]) + "/"
        self.client = client()
        self.cache = Cache(folder, most, url, self._vet, clock)
        self.asked = {}  # {place of an answer: when it was asked for}
        self.coming = set()  # paths of what is being fetched
        self.away = False

    def templates(self):
        """Return the templates in the cache, each with "path" and "digest" of its image, "" if that is not known yet."""
        found = {}
        for _, templates in sorted(self.cache.read().items()):
            found.update(templates)
        return [self._complete(name, found[name]) for name in sorted(found)]

    def find(self, sf):
        """Return the templates for a function of a graph.  Raises Absent if they have to be brought first, ValueError if they
        cannot be."""
        if isinstance(sf.template, dict):
            return [self.read(sf.template)]
        kind, name = ("capability", sf.name) if sf.template is None else ("template", sf.template)
        place = _place(kind, name)
        if self._is_stale(place):
            raise Absent(kind, name)
        return [self._complete(*one) for one in self.cache.read().get(place, ())]

    def read(self, template):
        """Return a template that came within a graph, with "path" and "digest".  ValueError says what is wrong."""
        check(template)
        if _is_url(template["uri-image"]) and not template.get("sha256"):
            raise ValueError("sha256: should be there, as uri-image is a URL")
        return self._complete(template["name"], template)

    def body(self, template):
        """Return the graph that a template is, a JSON value.  Raises Absent, ValueError."""
        absent = self.lacks(template)
        if absent:
            raise absent
        return read_graph(template)

    def has(self, sf):
        """Say whether the image of a placed function is in the cache, and whole; a generator."""
        return (yield from self.cache.look(sf["image"], sf["digest"]))

    def lacks(self, template):
        """Return Absent if the image of a template has to be brought, or only hashed, before it is used; else None."""
        if not template["digest"] or not self.cache.has(template["path"]):
            return Absent("image", template)
        self.cache.use(template["path"], template["digest"])
        return None

    def keep(self, digests):
        """Have the images of these digests stay in the cache: graphs have them."""
        self.cache.kept = set(digests)

    def bring(self, absents):
        """Yield the steps that bring what is absent.  Raises Refused, when all has been tried, for what cannot be had and of
        which nothing older is known.  Afterwards, `find` knows more."""
        wishes = {}
        for absent in absents:
            wish = self._wish(absent)
            wishes.setdefault(wish.part, wish)
        while self.coming.intersection(wishes):  # for another graph
            yield run("sleep", "1")
        self.coming.update(wishes)
        left, errors = [], []
        try:
            for folder in (self.cache.answers, self.cache.images, self.coming_answers):
                os.makedirs(folder, 0o700, exist_ok=True)
            for wish in wishes.values():
                if not (yield from self._is_there(wish)):
                    left.append(wish)
                if wish.place:
                    unlink(wish.part)  # what an agent left that was killed is no beginning of an answer of today
            for first in range(0, len(left), ABREAST):
                yield from self._fetch(left[first:first + ABREAST], errors)
            self.cache.evict(self.coming)
        except OSError as error:
            errors.append(failed("cache of the repository", error))
        finally:
            self.coming.difference_update(wishes)
        if errors:
            raise errors[0]

    def _wish(self, absent):
        if absent.kind == "image":
            url, template = absent.key["url"], absent.key
            part = "%s/%s.part" % (self.cache.images, template.get("sha256") or key(url, template))
            return Wish(template, url, part, LARGEST)
        place = _place(absent.kind, absent.key)
        url = "%s/v2/nf_%s/%s/" % (self.url, absent.kind, quote(absent.key, safe=""))
        return Wish(absent.key, url, "%s/%s" % (self.coming_answers, place), ANSWER, place)

    def _is_there(self, wish):
        """Say whether nothing has to be fetched; a generator."""
        if wish.place:
            return not self._is_stale(wish.place)
        path, digest = self.cache.image(wish.url, wish.key)
        return digest != "" and (yield from self.cache.look(path, digest))

    def _fetch(self, left, errors):
        """Yield the steps that fetch what is left, side by side, with pauses; add to `errors` why one cannot be had."""
        for pause in PAUSES:
            if not left:
                return
            if pause:
                yield run("sleep", str(pause))
            results = yield [fetch(wish.url, wish.part, wish.most, self.client) for wish in left]
            again = []
            for wish, result in zip(left, results):
                error, worth = yield from self._take(wish, result)
                if error and wish.place and wish.place in self.cache.read():
                    self._use_old(wish, error)
                elif error and worth and pause != PAUSES[-1]:
                    again.append(wish)
                elif error:
                    errors.append(error)
                elif self.away:
                    self.away = False
                    log.write("repository", "is there again", url=self.url)
                if wish.place or isinstance(error, Full) or not size(wish.part):
                    unlink(wish.part)
            left = again

    def _take(self, wish, result):
        """Put what has come into the cache; return (what is wrong or None, whether to try again).  A generator."""
        try:
            if size(wish.part) > wish.most:
                unlink(wish.part)
                return BadImage(wish.url, "is larger than %d bytes" % wish.most), False
            if isinstance(result, Exception):
                return self._failure(wish, result)
            if wish.place:
                self._take_answer(wish)
            else:
                yield from self.cache.put_image(wish.part, wish.url, wish.key)
        except BadImage as error:  # what was continued may not have been the beginning of it
            unlink(wish.part)
            spoiled, wish.spoiled = wish.spoiled, True
            return BadImage(wish.url, error.message), not spoiled
        except ValueError as error:
            return Unavailable(wish.url, "its answer is of no use: %s" % error), True
        except OSError as error:
            return failed(wish.url, error), False
        except StepFailed as error:
            return error, False
        return None, False

    def _failure(self, wish, failure):
        """Return what a failed fetch means, as _take does.  Raises OSError if there is no room for what would come."""
        found = STATUS.search(failure.output)
        status = int(found.group(1)) if found else 0
        if status == 404 and wish.place:
            self.cache.drop_answer(wish.place)
            self._note(wish.place)
            return None, False
        if status == 404:
            return BadImage(wish.url, "is not there: %s" % failure.output), False
        if failure.code in ANEW or status in ANEW:
            unlink(wish.part)
        if not status:
            has_room(os.path.dirname(wish.part))
        final = 400 <= status < 500 and status not in TRY_AGAIN or ELSEWHERE.search(failure.output)
        return Unavailable(wish.url, failure.output), not final

    def _take_answer(self, wish):
        with open(wish.part, "rb") as file:
            found = entries(json.strict(file.read()), wish.key)
        good = []
        for name, template in found:
            try:
                self._vet(name, template)
                good.append((name, template))
            except ValueError as error:
                log.write("repository", "template left out", template=show(name), why=error)
        self.asked.pop(self.cache.put_answer(wish.place, good), None)  # what has left is to be asked for anew
        self._note(wish.place)

    def _use_old(self, wish, error):
        """Go on with what the repository said before."""
        if not self.away:
            self.away = True
            log.write("repository", "is away, what it said before is used", url=wish.url, why=error)
        self._note(wish.place)

    def _is_stale(self, place):
        return place not in self.asked or self.clock() - self.asked[place] >= FRESH

    def _note(self, place):
        """Note that an answer is as good as new; forget that others, which are not in the cache, were asked for long ago."""
        self.asked[place], known = self.clock(), self.cache.read()
        self.asked = dict([(one, when) for one, when in self.asked.items() if one in known or not self._is_stale(one)])

    def _vet(self, name, template):
        check(template)
        self._image_url(name, template)

    def _complete(self, name, template):
        """Return a template of the repository with "url", "path" and "digest" of its image."""
        url = self._image_url(name, template)
        path, digest = self.cache.image(url, template)
        return dict(template, url=url, path=path, digest=digest)

    def _image_url(self, name, template):
        """Return where an image is fetched from; name: the id of its template.  Raises ValueError if it may not be."""
        url = template["uri-image"]
        if not _is_url(url):
            return "%s/v2/nf_image/%s/" % (self.url, quote(_named(name), safe=""))
        if not url.startswith(self.origin) or not url.isascii() or set(url) & set(" \"'\\<>^`{|}"):
            raise ValueError("uri-image: %s: should be a URL of this node's repository, %s" % (show(url), self.origin))
        return url


def client(known=CLIENTS):
    """Return the words of the program that fetches.  Raises BadRequest if there is none."""
    for name, words in known:
        path = host.program(name)
        if os.path.basename(path).startswith(name):  # wget may be a link to another one of them
            return (path,) + words
    raise BadRequest("repository", "over http needs curl or wget on this node: install one of them")


def _place(kind, name):
    """Return the name of an answer in the cache."""
    return "%s-%s" % (kind, quote(_named(name), safe=""))


def _named(name):
    """Return a name that can stand in a URL and leads nowhere else.  Raises ValueError."""
    if name in ("", ".", "..") or set(name) & set("/\\") or not name.isprintable() or len(quote(name, safe="")) > NAME:
        raise ValueError("%s: should be a name without /, of %d letters at most in a URL" % (show(name), NAME))
    return name


def _is_url(text):
    return text.startswith(("http:", "https:"))
