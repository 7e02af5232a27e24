"""The security manager: who asks, and who may do what to which graph (paper, 5.1).

allowed() is the one door: every handler of rest.py asks there.  Users and their roles are the configuration's; a login
gives a token, which is kept in memory only, and of which only the hash is.  Who comes through a unix socket, which the
mode of its file protects, and, while there are no users, whoever comes, is an admin without a name.
"""
import os
from collections import namedtuple

from . import log, passwords
from .core.errors import Conflict, TooBusy, Unauthorized

# What can be done: see the node; watch it (events and counters, which tell of all graphs); read, write a graph; use an
# interface that has owners in a graph of one's own.
SEE, WATCH, READ, WRITE, USE = "see", "watch", "read", "write", "use"
ALL, OWN = "all", "own"
RIGHTS = {  # an admin is an operator until there is something to administer
    "admin": {SEE: ALL, WATCH: ALL, READ: ALL, WRITE: ALL, USE: ALL},
    "operator": {SEE: ALL, WATCH: ALL, READ: ALL, WRITE: ALL, USE: ALL},
    "owner": {SEE: ALL, READ: OWN, WRITE: OWN, USE: OWN},
    "reader": {SEE: ALL, WATCH: ALL, READ: ALL},
}
TOKEN = 32  # bytes
TOKENS = 16  # of one user; the oldest is dropped, so that nobody can end another's
WAITING = 4  # logins that wait for the one at work; more are refused

Who = namedtuple("Who", ("name", "role"))  # name: None is nobody in particular
Token = namedtuple("Token", ("digest", "who", "end"))  # sha256, Who, seconds of the clock
ANYBODY = Who(None, "admin")


def allowed(who, verb, owner):
    """Say whether a Who may do `verb` to what is `owner`'s (None: nobody's)."""
    right = RIGHTS.get(who.role, {}).get(verb)
    return right == ALL or right == OWN and owner == who.name


class Manager:
    """The users of a node, and who of them has logged in.  `auth` is that of the configuration, `clock` the loop's."""

    def __init__(self, auth, clock):
        self.users = dict([(user.name, user) for user in auth.users or ()])
        self.lifetime, self.clock = auth.lifetime, clock
        self.tokens = []  # in the order of their ends
        self.logins = []  # in turn: the first is at work

    def who(self, token, trusted):
        """Return the Who that has a token; or who is `trusted` without one.  Raises Unauthorized."""
        if trusted or not self.users:
            return ANYBODY
        if not token:
            raise Unauthorized("", "log in: POST /login gives a token for the header X-Auth-Token")
        self._forget()
        from hmac import compare_digest  # not above: this file is read before rest.py keeps OpenSSL out
        digest = _digest(token)
        for one in self.tokens:
            if compare_digest(one.digest, digest):
                return one.who
        raise Unauthorized("", "the token is unknown, or has ended: log in again")

    def login(self, name, password, peer):
        """Return a new token; a generator that yields pauses.  Raises Unauthorized, TooBusy.  `peer` is for the log.

        One login is at work at a time, and an unknown name takes as long as a known one.  Without users the token
        means nothing, and nobody asks for it.
        """
        token = os.urandom(TOKEN).hex()
        if not self.users:
            return token
        if len(self.logins) > WAITING:
            raise TooBusy("", "%d logins are waiting: try again in a moment" % WAITING)
        turn, user = object(), self.users.get(name)
        self.logins.append(turn)
        try:
            while self.logins[0] is not turn:
                yield []
            known = user.password if user else max([one.password for one in self.users.values()])  # the costliest
            right = yield from passwords.matches(password, known)
        finally:
            self.logins.remove(turn)
        # What is typed for a name may be a password: only names are logged.
        good = user and right
        log.write("auth", "login" if good else "wrong login", user=user.name if user else "?", peer=peer or "-")
        if not good:
            raise Unauthorized("", "wrong name or password")
        self._forget()
        mine = [one for one in self.tokens if one.who.name == name]
        if len(mine) == TOKENS:
            self.tokens.remove(mine[0])
        self.tokens.append(Token(_digest(token), Who(name, user.role), self.clock() + self.lifetime))
        return token

    def check_saps(self, graph, owner, interfaces, groups):
        """Raise Conflict if a graph of `owner` is on one of the configuration's `interfaces` that has other owners, or
        would join those of somebody else: `groups` are {group: owners of the graphs that name it}."""
        role = self.users[owner].role if owner in self.users else None
        who = Who(owner, role) if owner and self.users else ANYBODY
        owners = dict([(one.name, one.owners) for one in interfaces if one.owners is not None])
        for sap in graph.saps:
            names = owners.get(sap.interface)
            if names is not None and not allowed(who, USE, owner if owner in names else None):
                raise Conflict(sap.where, "interface %s is not for graphs of %s, but of %s" % (
                    sap.interface, owner, ", ".join(names + ["operators"])))
            if groups.get(sap.options.get("group"), set()) - {owner} and not allowed(who, USE, None):
                raise Conflict(sap.where, "group %s is that of graphs of somebody else" % sap.options["group"])

    def _forget(self):
        """Forget the tokens that have ended."""
        now = self.clock()
        self.tokens = [one for one in self.tokens if one.end > now]


def _digest(token):
    from hashlib import sha256
    return sha256(token.encode()).digest()
