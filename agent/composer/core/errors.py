"""Errors of the agent: the class says whose fault, the message says what would be right.

Each knows the HTTP status that it becomes (SPEC: 400 the request is wrong, 409 the node cannot, 5xx the
node failed).  They are caught in three places only: rest, orchestrator, loop.
"""


UNBORN = -1000  # the code of a step whose program could not be started: nothing was said by it
NO_ROOM = (28, 122)  # ENOSPC, EDQUOT: no space left on device, disk quota exceeded


class Refused(Exception):
    """A request that is not carried out.  `where` is the place in the request, "" if it is all of it; `more`: what else the
    answer says, {key: JSON value}."""
    status = 409
    headers = ()

    def __init__(self, where, message, more=None):
        super().__init__("%s: %s" % (where, message) if where else message)
        self.where = where
        self.message = message
        self.more = more or {}


class BadGraph(Refused):
    """What was sent is wrong, whatever the state of the node."""
    status = 400


class BadRequest(Refused):
    """The request around the graph is wrong: a query, a header, a configuration."""
    status = 400


class Conflict(Refused):
    """Well said, but this node cannot do it now."""
    status = 409


class Unauthorized(Refused):
    """Nobody knows who asks: no token, one that has ended, or a wrong password."""
    status = 401


class Stale(Refused):
    """What was to be changed is another one by now (If-Match)."""
    status = 412


class NotFound(Refused):
    """No such graph, function or path."""
    status = 404


class Forbidden(Refused):
    """Known, but not allowed."""
    status = 403


class TooBusy(Refused):
    """A queue is full: that of the writes, or of the logins."""
    status = 503
    headers = (("Retry-After", "2"),)


class Unavailable(Refused):
    """Something that the node stands on is away: the switch, the disk."""
    status = 503
    headers = (("Retry-After", "5"),)


class Full(Refused):
    """A disk has no room for what the node has to write."""
    status = 507


class BadImage(Refused):
    """An image that is not what its template says, or that could do harm."""
    status = 409


class StepFailed(Exception):
    """A step ended badly.  `command` is the line that a person could type, `output` its last lines."""
    status = 500

    def __init__(self, command, output, code=None):
        short = command if len(command) <= 400 else "%s ... %s" % (command[:300], command[-80:])
        super().__init__("%s: %s" % (short, output))
        self.command = command
        self.output = output
        self.code = code  # the exit status, if there was one


def failed(place, error):
    """Return what an exception of the operating system means to whoever asked; `place` says what was tried."""
    number = getattr(error, "errno", None)
    if number in NO_ROOM:
        return Full("", "%s: %s: free some, then try again" % (place, error))
    return StepFailed(place, str(error))


def nearest(word, words):
    """Return the one of `words` that is most like `word`, or None if none is alike (edit distance)."""
    word = word[:64]
    best, least = None, max(2, len(word) // 3) + 1
    for other in sorted(words):
        if abs(len(other) - len(word)) < least:
            distance = _distance(word, other)
            if distance < least:
                best, least = other, distance
    return best


def unknown(word, words, noun):
    """Return the message for an unknown `word`: what was not known, and what is."""
    like = nearest(word, words)
    if like:
        return "unknown %s %s, the nearest known is %s" % (noun, show(word), like)
    return "unknown %s %s, known are %s" % (noun, show(word), listed(words))


def listed(words, between=", "):
    """Return `words` as they may stand in a message: in order, and not without end."""
    most = 16
    return between.join(sorted(words)[:most] + ["..."] * (len(words) > most)) or "none"


def show(value):
    """Return `value` as it may stand in a message: short, and on one line."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _distance(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a):
        last, row[0] = row[0], i + 1
        for j, y in enumerate(b):
            last, row[j + 1] = row[j + 1], min(last + (x != y), row[j] + 1, row[j + 1] + 1)
    return row[-1]
