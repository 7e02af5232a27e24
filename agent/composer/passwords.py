"""Passwords: kept as salted hashes, and asked for without an echo.

    pbkdf2-sha256$100000$SALT$DIGEST     iterations; 16 bytes or more and 32 bytes, in hex

PBKDF2-HMAC-SHA256 (RFC 8018) in Python, because hashlib has it only with OpenSSL, which takes 4 MB of memory.  It is a
generator that yields pauses: a login holds up nobody.
"""
import os
import re
import sys
from collections import namedtuple

# 0.09 s on a PC's core with Python 3.11, 0.25 s with 3.13, so some seconds on a router's; the 600,000 that are advised
# for a server would take that half a minute.  Who copies the hash, and so was root here or has a backup, tries about 40
# passwords a second on a core.  Each hash says its own number, so a later agent may make dearer ones.
ITERATIONS = 100000
FEWEST, MOST = 10000, 10000000  # iterations of a hash in a configuration
SLICE = 500  # iterations between two pauses: about a millisecond on a PC's core, under 30 on a router's
SHORTEST, LONGEST = 8, 1024  # characters
FORM = re.compile(r"pbkdf2-sha256\$([0-9]{1,8})\$((?:[0-9a-f]{2}){16,64})\$([0-9a-f]{64})")

Hash = namedtuple("Hash", ("iterations", "salt", "digest"))  # a number, bytes, bytes


def parse(text):
    """Return the Hash that a text says.  ValueError shows nothing of it, because it may be a password."""
    found = FORM.fullmatch(text) if isinstance(text, str) else None
    if not found:
        raise ValueError("must be a hash, not the password itself: composer-agent --password makes one, which is "
                         "pbkdf2-sha256$ITERATIONS$SALT$DIGEST")
    iterations, salt, digest = int(found.group(1)), bytes.fromhex(found.group(2)), bytes.fromhex(found.group(3))
    if not FEWEST <= iterations <= MOST:
        raise ValueError("must have %d to %d iterations" % (FEWEST, MOST))
    return Hash(iterations, salt, digest)


def make(password, iterations=ITERATIONS):
    """Return the text of a new hash of a password.  ValueError if that is too short or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise ValueError("must have %d to %d characters" % (SHORTEST, LONGEST))
    salt = os.urandom(16)
    deriving = derive(password, salt, iterations)
    while True:
        try:
            next(deriving)
        except StopIteration as end:
            return "pbkdf2-sha256$%d$%s$%s" % (iterations, salt.hex(), end.value.hex())


def matches(password, known):
    """Return whether a password is that of a Hash; a generator that yields pauses, which are []."""
    from hmac import compare_digest
    digest = yield from derive(password, known.salt, known.iterations)
    return compare_digest(digest, known.digest)


def derive(password, salt, iterations):
    """Return the 32 bytes of PBKDF2-HMAC-SHA256; a generator that yields pauses."""
    from hashlib import sha256  # not above: this file is read before rest.py keeps OpenSSL out
    key = password.encode("utf-8", "surrogatepass")
    key = (sha256(key).digest() if len(key) > 64 else key).ljust(64, b"\0")
    inner, outer = [sha256(bytes([byte ^ pad for byte in key])) for pad in (0x36, 0x5c)]  # the keyed halves of HMAC
    last, result = salt + b"\0\0\0\1", 0
    for number in range(1, iterations + 1):
        one, other = inner.copy(), outer.copy()
        one.update(last)
        other.update(one.digest())
        last = other.digest()
        result ^= int.from_bytes(last, "big")
        if number % SLICE == 0:
            yield []
    return result.to_bytes(32, "big")


def ask(prompt):
    """Return a password: typed at the terminal without an echo, else one line of standard input."""
    if not sys.stdin or not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n") if sys.stdin else ""
    import getpass
    try:
        return getpass.getpass(prompt)
    except EOFError:
        return ""
