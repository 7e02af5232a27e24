"""Passwords: hashes that are those of hashlib, and how they are asked for."""
import hashlib
import subprocess
import sys

import pytest

from composer import passwords
from ctl import Terminal, environment

AGENT = [sys.executable, "-m", "composer"]
HASH = passwords.make("correct horse", passwords.FEWEST)


def whole(generator):
    """Return (what a generator returned, how many pauses it yielded)."""
    pauses = 0
    while True:
        try:
            assert next(generator) == []
            pauses += 1
        except StopIteration as end:
            return end.value, pauses


@pytest.mark.parametrize("password", ["secret", "", "x" * 64, "x" * 65, "x" * 1000, "\u00e4\u20ac\U0001f511", "a\0b"])
@pytest.mark.parametrize("iterations", [1, 2, 1001])
def test_the_digest_is_that_of_hashlib(password, iterations):
    salt = b"0123456789abcdef"
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    assert whole(passwords.derive(password, salt, iterations)) == (digest, iterations // passwords.SLICE)


def test_a_hash_is_of_its_password_only_and_no_two_are_alike():
    known, other = passwords.parse(HASH), passwords.parse(passwords.make("correct horse", passwords.FEWEST))
    assert known.salt != other.salt and known.digest != other.digest and len(known.salt) == 16
    for password, right in (("correct horse", True), ("correct horsf", False), ("", False), ("correct horse ", False),
                            ("\ud800", False)):
        for one in (known, other):
            assert whole(passwords.matches(password, one))[0] is right


START, NUMBER, SALT, DIGEST = PARTS = HASH.split("$")
TAMPERED = [
    "", "correct horse", None, 7, {}, HASH[:-1], HASH + "0", HASH + "\n", " " + HASH, HASH.upper(), HASH[:-1] + "g",
    "$".join(PARTS[:3]), "$".join(PARTS + [""]),
] + ["$".join(PARTS[:number] + [text] + PARTS[number + 1:]) for number, text in (
    (0, "pbkdf2-sha1"), (0, ""), (1, "0"), (1, "9999"), (1, "10000001"), (1, "-10000"), (1, "1e5"), (1, ""),
    (1, "\u0661" * 5), (2, ""), (2, SALT[1:]), (2, SALT[2:]), (2, SALT * 5), (3, ""), (3, DIGEST * 2))]


@pytest.mark.parametrize("text", TAMPERED, ids=[str(number) for number in range(len(TAMPERED))])
def test_a_tampered_hash_is_refused_and_not_shown(text):
    with pytest.raises(ValueError) as caught:
        passwords.parse(text)
    assert not (isinstance(text, str) and len(text) > 5 and text.strip() in str(caught.value))


def agent(*words, input=""):
    return subprocess.run([*AGENT, *words], input=input, capture_output=True, text=True, env=environment(""),
                          timeout=20)


def test_a_hash_is_made_of_a_line():
    done = agent("--password", input="correct horse\nmore\n")
    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1)
    known = passwords.parse(done.stdout.strip())
    assert known.iterations == passwords.ITERATIONS and whole(passwords.matches("correct horse", known))[0]


@pytest.mark.parametrize("line", ["", "\n", "short\n", "x" * 1025 + "\n"])
def test_a_password_that_is_short_or_endless_is_refused(line):
    done = agent("--password", input=line)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "composer-agent: the password must have 8 to 1024 characters\n"


@pytest.mark.parametrize("second, code", [("correct horse", 0), ("correct house", 1)])
def test_on_a_terminal_a_password_is_asked_for_twice_and_not_shown(second, code):
    with Terminal("", "--password", command=AGENT) as terminal:
        terminal.until("password: ")
        terminal.type("correct horse\n")
        terminal.until("again: ")
        terminal.type(second + "\n")
        assert terminal.end() == code
    assert "correct" not in terminal.text and ("pbkdf2-sha256$" in terminal.text) == (code == 0)
