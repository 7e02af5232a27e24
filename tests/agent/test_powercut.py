"""Power cuts and bad flash: the store loads what it had or what it was given, and never anything else.

A run of saves, deletions, failures and restarts is noted call by call (flash.py).  Then power fails behind every call,
and a new store loads what may be there: of the graph under way the state before or after, of all others the one that
was answered.  COMPOSER_SEED sets the seed, COMPOSER_FAULTS=full asks for many more.
"""
import hashlib
import json
import os
import random
import time

import pytest

from composer.store import LARGEST, Store
from flash import Flash, Killed, build

SEED = int(os.environ.get("COMPOSER_SEED", "20260301"))
FULL = os.environ.get("COMPOSER_FAULTS") == "full"
RUNS, ACTIONS = (40 if FULL else 4), 30
GARBLED = 10_000 if FULL else 500
IDS = ["a", "b", "a.json"]
STATE = "etc/composer"  # the folder of the store on flash
VERBS = ["save"] * 6 + ["delete"] * 3 + ["fail", "kill"] * 2 + ["save_the_same", "break_down", "restart", "spoil",
                                                               "spoil_unseen"]
CALLS = 14  # more than a save or a deletion makes
LOAD_LIMIT = 5  # seconds for one folder, on a busy machine


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Nothing needs to be flushed: power does not fail really."""
    monkeypatch.setattr(os, "fsync", lambda number: None)


def whole(record):
    """Return what the file of a record holds."""
    text = json.dumps(record).encode()
    return b"composer-1 %s\n%s" % (hashlib.sha256(text).hexdigest().encode(), text)


def generations(folder, id):
    """Return {ending: record} of the files of an id that are whole, the newest first."""
    found = {}
    for ending in (".json", ".json.old"):
        path = os.path.join(folder, "graphs", id + ending)
        if os.path.exists(path):
            with open(path, "rb") as file:
                content = file.read()
            try:
                record = json.loads(content.partition(b"\n")[2])
                found.update({ending: record} if whole(record) == content else {})
            except ValueError:
                pass
    return found


SUMMED = b"composer-1 %s\n{" % hashlib.sha256(b"{").hexdigest().encode()  # whole, and no JSON


class Run:
    """A store on flash, and what is expected of it behind each event.

    expected: [(number of events, {id: records of which it has one, None for absent}, {id: the same, if the newest
    generation is garbled too} or None while something is under way)]
    """

    def __init__(self, flash, rng, what):
        self.flash, self.rng, self.what = flash, rng, what
        self.folder, self.expected, self.loose = os.path.join(flash.folder, STATE), [], set()
        self.store = Store(self.folder)
        self.tried, self.call, self.verb = None, None, None  # what is saved; what is interrupted, if not anything

    def act(self, verb, id):
        """Do something, check what is there then, and note what may be there in its midst."""
        start, before = len(self.flash.events), list(self.files(id).values())
        others = {one: self.now(one) for one in IDS}
        self.what += "\nfrom event %d: %s %s" % (start, verb, id)
        self.tried = {"number": self.rng.random(), "text": "x" * self.rng.randint(0, 40)}
        possible = getattr(self, verb)(id, before)
        after = list(self.files(id).values())
        assert after in possible, "%s\nleft %r of %r" % (self.what, after, before)
        midst = dict(others, **{id: self.now(id) + others[id] + ([self.tried] if verb == "fail" else [])})
        self.expected += [(count, midst, None) for count in range(start + 1, len(self.flash.events))]
        self.loose = self.loose | {id} if verb == "fail" else set()
        self.expected.append((len(self.flash.events), dict(others, **{id: self.now(id)}),
                              {one: self.behind(one) + [None] * (one in self.loose) for one in IDS}))

    def files(self, id):
        return generations(self.folder, id)

    def now(self, id):
        return (list(self.files(id).values()) + [None])[:1]

    def behind(self, id):
        """Return [the record that takes over when ID.json is garbled]."""
        return [self.files(id).get(".json.old")]

    def path(self, id, ending=".json"):
        return os.path.join(self.folder, "graphs", id + ending)

    def save(self, id, before):
        self.store.save(id, self.tried)
        return [[self.tried] + before[:1]]

    def save_the_same(self, id, before):
        record, there, start = before[0] if before else self.tried, ".json" in self.files(id), len(self.flash.events)
        self.store.save(id, record)
        assert not there or len(self.flash.events) <= start + 1, self.what + "\nit wrote"
        return [before if there else [record] + before[:1]]

    def delete(self, id, before):
        self.store.delete(id)
        return [[]]

    def fail(self, id, before):
        """One call of a save fails; where that was one that does not matter, the save did not fail."""
        self.flash.failing = [self.next_call()]
        try:
            return self.save(id, before)
        except OSError:
            return [before]
        finally:
            self.flash.failing = ()

    def break_down(self, id, before):
        """From some call on all fail, until the agent starts again."""
        self.flash.failing = range(self.next_call(), self.flash.calls + 1000)
        try:
            self.interrupted()(id, before)
        except OSError:
            pass
        self.flash.failing = ()
        return self.restart(id, before) + self.halves(before)

    def kill(self, id, before):
        """The process is killed, and the next one starts at once: power has not failed."""
        self.flash.fatal = self.next_call()
        try:
            self.interrupted()(id, before)
        except Killed:
            pass
        self.flash.fatal = None
        return self.restart(id, before) + self.halves(before)

    def next_call(self):
        return self.flash.calls + (self.call or self.rng.randint(1, CALLS))

    def interrupted(self):
        return getattr(self, self.verb or self.rng.choice(["save", "delete"]))

    def halves(self, before):
        """Return what an interrupted save or deletion may leave."""
        return [[self.tried] + before[:1], before[:1], []]

    def restart(self, id, before):
        self.store = Store(self.folder)
        records = self.store.load()[0]
        assert {one: records.get(one) for one in IDS} == {one: self.now(one)[0] for one in IDS}, self.what
        return [before]

    def spoil(self, id, before):
        """Flash loses a file, and the agent starts again."""
        possible = self.spoil_unseen(id, before)
        self.restart(id, before)
        return possible

    def spoil_unseen(self, id, before):
        """Flash loses a file while the agent runs."""
        files = self.files(id)
        if files:
            lost = self.rng.choice(list(files))
            del files[lost]
            self.flash.spoil(self.path(id, lost), self.rng.choice([b"", b"{", bytes(100), b"composer-1 \n{}", SUMMED]))
        return [list(files.values())]

    def spoil_newest(self, id, before):
        self.flash.spoil(self.path(id), SUMMED)
        return [before[1:]]


def check(folder, content, expected, what):
    """Load what is there after a power cut: {path: bytes, or None for a folder}."""
    build(folder, content)
    records, problems = Store(os.path.join(folder, STATE)).load()
    wrong = [(id, records.get(id)) for id in IDS if records.get(id) not in expected[id]]
    assert not wrong and not set(records) - set(IDS), "%s\nthere is %r\nexpected %r\nof %r" \
        % (what, wrong, expected, content)
    left = [name for name in content
            if name.endswith((".new", ".older")) and os.path.exists(os.path.join(folder, name))]
    assert not left, "%s\n%r are left over" % (what, left)


def check_cuts(run, folder, rng, number):
    """Cut the power behind each event of a run, and return what was there: [({path: bytes}, expected)]."""
    seen = {}
    for count, expected, behind in run.expected:
        what = "COMPOSER_SEED=%d%s\nthe power failed behind event %d" % (SEED, run.what, count)
        for content in run.flash.cuts(count, rng, number):
            key = (frozenset(content.items()), repr(expected), repr(behind))
            if key in seen:
                continue
            seen[key] = content, expected
            check(folder, content, expected, what)
            for id in IDS if behind else ():
                name = "%s/graphs/%s.json" % (STATE, id)
                if name in content:
                    check(folder, dict(content, **{name: b"garbled"}), dict(expected, **{id: behind[id]}),
                          what + ", and %s is garbled" % name)
    return list(seen.values())


@pytest.mark.parametrize("number", range(RUNS))
def test_after_a_power_cut_a_graph_is_as_it_was_or_as_it_was_to_be(tmp_path, monkeypatch, number):
    rng = random.Random(SEED + number)
    for name in ("flash", "cut", "again"):
        (tmp_path / name).mkdir()
    with monkeypatch.context() as patch:
        run = Run(Flash(tmp_path / "flash", patch), rng, "")
        for _ in range(ACTIONS):
            run.act(rng.choice(VERBS), rng.choice(IDS))
        cuts = check_cuts(run, str(tmp_path / "cut"), rng, 6)
    for content, expected in rng.sample(cuts, min(len(cuts), 25)):
        with monkeypatch.context() as patch:  # the agent starts after the cut, and power fails again
            what = run.what + "\nthen, after a cut that left %r" % content
            again = Run(Flash(tmp_path / "again", patch, content), rng, what)
            for verb in ("restart", "save", rng.choice(VERBS), "delete", "save"):
                again.act(verb, rng.choice(IDS))
            check_cuts(again, str(tmp_path / "cut"), rng, 2)


BEFORE = {"nothing": [], "one": ["save"], "two": ["save"] * 2, "three": ["save"] * 3,
          "anew": ["save", "save", "delete"],
          "garbled": ["save", "save", "spoil_newest"], "put aside": ["save", "save", "spoil_newest", "restart"]}


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("how, verb", [("fail", "save"), ("break_down", "save"), ("kill", "save"),
                                       ("break_down", "delete"), ("kill", "delete")])
def test_whichever_call_is_the_last_a_graph_is_as_it_was_or_as_it_was_to_be(tmp_path, monkeypatch, before, how, verb):
    rng = random.Random(SEED)
    for call in range(1, CALLS + 1):
        for name in ("flash", "cut"):
            (tmp_path / name).mkdir(exist_ok=True)
        with monkeypatch.context() as patch:
            run = Run(Flash(tmp_path / "flash", patch), rng, "\ncall %d" % call)
            for action in BEFORE[before]:
                run.act(action, "a")
            quiet = len(run.expected)
            run.call, run.verb = call, verb
            for action in (how, "save", "delete"):
                run.act(action, "a")
            del run.expected[:quiet]
            check_cuts(run, str(tmp_path / "cut"), rng, 6)


def test_the_model_finds_what_a_careless_store_loses(tmp_path, monkeypatch):
    """Of a file that was renamed and never flushed there may be its beginning, or the old file, or neither name."""
    (tmp_path / "flash").mkdir()
    flash = Flash(tmp_path / "flash", monkeypatch, {"g": b"old"})
    there = os.open(str(tmp_path / "flash" / "g.new"), os.O_CREAT | os.O_WRONLY, 0o600)
    os.write(there, b"new")
    os.close(there)
    os.rename(str(tmp_path / "flash" / "g.new"), str(tmp_path / "flash" / "g"))
    rng, found = random.Random(SEED), set()
    for _ in range(50):
        for content in flash.cuts(len(flash.events), rng, 4):
            found.add(tuple(sorted(content.items())))
    assert {(("g", b"old"),), (("g", b"new"),), (("g", b""),), (("g", b"n"),), (("g", b"old"), ("g.new", b"ne")),
            (("g", bytes(3)),)} <= found


# Garbled files.

GOOD = [{"number": number, "SFs": [{"id": "nat", "ports": [1, 2.5, None]}] * (number % 4), "name": "caf\u00e9"}
        for number in range(20)]
NESTED = [b"[" * 100_000, b'{"a":' * 50_000 + b"1" + b"}" * 50_000, b"[" * 100_000 + b"]" * 100_000]


def garble(rng):
    """Return (what a file may hold after flash went bad, whether it may be taken for whole)."""
    good, other = [bytearray(whole(record)) for record in rng.sample(GOOD, 2)]
    kind = rng.choice(["flip", "cut", "random", "splice", "nested", "swap", "summed", "plain", "zeros", "page"])
    if kind == "flip":
        for _ in range(rng.choice([1, 1, 2, 50])):
            good[rng.randrange(len(good))] ^= 1 << rng.randrange(8)
    elif kind == "cut":
        good = good[:rng.randrange(len(good))]
    elif kind == "random":
        good = rng.randbytes(rng.choice([1, 10, 1000, 100_000]))
    elif kind == "splice":
        good = good[:rng.randrange(len(good))] + other[rng.randrange(len(other)):]
    elif kind == "nested":
        good = rng.choice(NESTED)
    elif kind == "swap":
        good = other
    elif kind in ("summed", "plain"):  # the sum is right, or there is none, and the text may be anything
        text = garble(rng)[0].partition(b"\n")[2] or rng.choice(NESTED + [b"\xff\xfe{\x00", b"", b"NaN", b"9" * 5000])
        sum = b"" if kind == "plain" else b"composer-1 %s\n" % hashlib.sha256(text).hexdigest().encode()
        return sum + text, True
    elif kind == "zeros":
        good[rng.randrange(len(good)):] = bytes(rng.randrange(5000))
    elif kind == "page":
        start = rng.randrange(len(good))
        good[start:start + 64] = b"\xff" * 64
    return bytes(good), bytes(good) in [whole(record) for record in GOOD]


@pytest.mark.parametrize("first", range(0, GARBLED, 100))
def test_no_garbled_file_is_believed_or_stops_the_others(tmp_path, first):
    """Of two graphs in three the record is garbled, of the third the generation before it."""
    rng, graphs, trusted = random.Random("%d %d" % (SEED, first)), tmp_path / "graphs", set()
    graphs.mkdir()
    for number in range(first, first + 100):
        content, trust = garble(rng)
        trusted.update([number] if trust else [])
        (graphs / ("%d.json" % number)).write_bytes(whole(["now", number]) if number % 3 == 0 else content)
        (graphs / ("%d.json.old" % number)).write_bytes(content if number % 3 == 0 else whole(["before", number]))
    begun = time.monotonic()
    records, problems = Store(tmp_path).load()
    seconds = time.monotonic() - begun
    for number in range(first, first + 100):
        what = "COMPOSER_SEED=%d, graph %d" % (SEED, number)
        record, lines = records.get(str(number)), [line for line in problems if "/%d.json" % number in line]
        outcome = "the graph itself is good" if number % 3 == 0 else "the generation before is used"
        if number not in trusted or lines:
            assert record == ["now" if number % 3 == 0 else "before", number], what
            assert len(lines) == 1 and lines[0].endswith(outcome) and lines[0].isascii(), what
    assert len(records) == 100 and seconds < LOAD_LIMIT, "COMPOSER_SEED=%d: %.1f s" % (SEED, seconds)
    again, problems = Store(tmp_path).load()
    assert repr(again) == repr(records), "COMPOSER_SEED=%d: the second load" % SEED
    assert all(["is not there" in line for line in problems]), "COMPOSER_SEED=%d: %r" % (SEED, problems)


def test_what_is_too_large_is_neither_read_nor_written(tmp_path):
    Store(tmp_path).save("g", 1)
    with pytest.raises(OSError, match="too large"):
        Store(tmp_path).save("g", "x" * LARGEST)
    with open(tmp_path / "graphs" / "huge.json", "wb") as file:
        file.truncate(1 << 36)
    records, problems = Store(tmp_path).load()
    assert records == {"g": 1} and len(problems) == 1 and "%d are the most" % LARGEST in problems[0]
    assert os.listdir(tmp_path / "graphs").count("g.json.new") == 0
