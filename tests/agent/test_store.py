"""The store: what was saved is loaded, what is there is not written again, and of each graph one more is kept.

What a power cut leaves is in test_powercut.py.
"""
import hashlib
import json
import os
import socket
import stat
import string

import pytest

from composer.store import Store

GRAPH = {"id": "g1", "graph": {"SFs": [{"id": "nat", "ports": [1, 2.5, None, True]}], "name": "caf\u00e9 \U0001f600"}}


class Flash:
    """Calls of the operating system, in the order they came; which of them fails, which the process ends at."""

    def __init__(self, monkeypatch):
        self.calls, self.failing, self.fatal = [], "", ""  # "rename 2" is the second rename
        for name in ("fsync", "rename", "unlink", "mkdir", "open"):
            monkeypatch.setattr(os, name, self.watched(name, getattr(os, name)))

    def watched(self, name, real):
        def call(path, *rest, **more):
            if name == "open":
                mark = "open" if rest and rest[0] & (os.O_WRONLY | os.O_RDWR) else None
            else:
                mark = name
            if mark == "fsync":
                mark = "fsync folder" if stat.S_ISDIR(os.fstat(path).st_mode) else "fsync file"
            if mark:
                self.calls.append(mark)
            nth = "%s %d" % (mark, self.calls.count(mark))
            if mark and self.fatal in (mark, nth):
                os._exit(0)
            if mark and self.failing in (mark, nth):
                raise OSError(28, "No space left on device")
            return real(path, *rest, **more)
        return call


def files(folder):
    return sorted(os.listdir(folder / "graphs"))


def spoil(folder, id, content=b"garbled"):
    (folder / "graphs" / (id + ".json")).write_bytes(content)


def test_what_is_saved_is_loaded(tmp_path):
    Store(tmp_path).save("g1", GRAPH)
    Store(tmp_path).save("g2", [])
    assert Store(tmp_path).load() == ({"g1": GRAPH, "g2": []}, [])
    assert files(tmp_path) == ["g1.json", "g2.json"]


def test_the_order_of_keys_is_kept(tmp_path):
    Store(tmp_path).save("g", {"z": 1, "a": 2, "m": {"y": 1, "b": 2}})
    record = Store(tmp_path).load()[0]["g"]
    assert (list(record), list(record["m"])) == (["z", "a", "m"], ["y", "b"])


def test_an_empty_and_an_absent_store_are_loaded_and_not_made(tmp_path):
    assert Store(tmp_path).load() == ({}, [])
    assert Store(tmp_path / "absent").load() == ({}, [])
    assert os.listdir(tmp_path) == []


def test_folders_and_files_are_private(tmp_path):
    old = os.umask(0)
    try:
        Store(tmp_path / "etc" / "composer").save("g", 1)
    finally:
        os.umask(old)
    there = tmp_path / "etc" / "composer"
    assert [stat.S_IMODE(os.stat(path).st_mode) for path in (there, there / "graphs", there / "graphs" / "g.json")] \
        == [0o700, 0o700, 0o600]


def test_a_write_is_flushed_renamed_and_the_folder_flushed(tmp_path, monkeypatch):
    ours = Store(tmp_path)
    ours.save("g", 1)
    flash, syncs = Flash(monkeypatch), ours.syncs
    ours.save("g", 2)
    calls = ["open", "fsync file", "rename", "rename", "fsync folder"]
    assert [call for call in flash.calls if call != "unlink"] == calls and ours.syncs - syncs == 2
    del flash.calls[:]
    ours.delete("g")
    assert [call for call in flash.calls if call != "unlink"] == ["fsync folder"] * 2 and ours.syncs - syncs == 4


def test_folders_made_are_flushed_from_the_top(tmp_path, monkeypatch):
    ours, flash = Store(tmp_path / "etc" / "composer"), Flash(monkeypatch)
    ours.save("g", 1)
    made = flash.calls.index("mkdir"), len(flash.calls) - flash.calls[::-1].index("mkdir") - 1
    assert flash.calls.count("mkdir") == 3 and "fsync folder" in flash.calls[made[0]:made[1]]
    assert ours.syncs == sum([call.startswith("fsync") for call in flash.calls])


def test_a_file_is_a_line_with_the_sum_and_then_the_json(tmp_path):
    Store(tmp_path).save("g", {"a": [1, 2]})
    line, text = (tmp_path / "graphs" / "g.json").read_bytes().split(b"\n")
    assert json.loads(text) == {"a": [1, 2]}
    assert line == b"composer-1 " + hashlib.sha256(text).hexdigest().encode()


def test_a_file_of_the_format_before_is_loaded_and_becomes_the_generation_before(tmp_path):
    (tmp_path / "graphs").mkdir()
    spoil(tmp_path, "g", json.dumps(GRAPH).encode())
    ours = Store(tmp_path)
    assert ours.load() == ({"g": GRAPH}, [])
    ours.save("g", GRAPH)
    assert ours.written == 0
    ours.save("g", 2)
    spoil(tmp_path, "g")
    assert ours.load()[0] == {"g": GRAPH}


def test_nothing_is_written_when_nothing_changed(tmp_path, monkeypatch):
    Store(tmp_path).save("g", GRAPH)
    before = os.stat(tmp_path / "graphs" / "g.json")
    flash, ours = Flash(monkeypatch), Store(tmp_path)
    for _ in range(3):
        ours.save("g", GRAPH)
        ours.delete("absent")
    after = os.stat(tmp_path / "graphs" / "g.json")
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert ours.written == ours.syncs == 0 and set(flash.calls) == {"unlink"}


def test_the_bytes_written_are_counted(tmp_path):
    ours = Store(tmp_path)
    for record in (1, 22, 22, 333, 1):
        ours.save("g", record)
    assert ours.written == 1 + 2 + 3 + 1


def test_what_somebody_else_changed_is_written_again(tmp_path):
    ours = Store(tmp_path)
    ours.save("g", GRAPH)
    (tmp_path / "graphs" / "g.json").write_text("{}")
    ours.save("g", GRAPH)
    assert ours.load() == ({"g": GRAPH}, [])


def test_what_is_deleted_is_gone_and_may_be_deleted_again(tmp_path):
    ours = Store(tmp_path)
    ours.save("g", GRAPH)
    ours.save("h", GRAPH)
    ours.delete("g")
    ours.delete("g")
    assert ours.load() == ({"h": GRAPH}, [])
    ours.save("g", 2)
    assert Store(tmp_path).load() == ({"g": 2, "h": GRAPH}, [])


def test_a_deletion_from_an_absent_store_is_fine(tmp_path):
    Store(tmp_path / "absent").delete("g")
    assert os.listdir(tmp_path) == []


IDS = [".", "..", "...", "-x", "-rf", "--", "_", "a", "A", "ab", "aB", "Ab", "AB", "g", "g.json", "g.json.new",
       "g.json.bad", "g.json.json", "g.new", ".new", ".json", ".json.new", "0", "00", "null", "x" * 64, "." * 64, "CON"]


def test_all_ids_are_safe_and_different(tmp_path):
    ours, wanted = Store(tmp_path / "flash"), {}
    for id in IDS + list(string.ascii_letters + string.digits):
        ours.save(id, {"id": id})
        wanted[id] = {"id": id}
        assert ours.load() == (wanted, [])
    for id in IDS:
        ours.save(id, {"id": id, "twice": True})
        wanted[id] = {"id": id, "twice": True}
        assert ours.load() == (wanted, [])
    assert Store(tmp_path / "flash").load() == (wanted, [])
    assert os.listdir(tmp_path) == ["flash"] and os.listdir(tmp_path / "flash") == ["graphs"]
    for id in IDS:
        ours.delete(id)
        del wanted[id]
        wanted.update({letter: {"id": letter} for letter in "aA0" if letter not in IDS})
        assert ours.load() == (wanted, [])
    assert len(files(tmp_path / "flash")) == len(wanted)


@pytest.mark.parametrize("id", ["", "/", "../g", "a/b", "x" * 65, "a b", "a\n", "a\0", "caf\u00e9", "\ud800"])
def test_what_is_no_id_touches_nothing(tmp_path, id):
    for call in (lambda ours: ours.save(id, 1), lambda ours: ours.delete(id)):
        with pytest.raises(ValueError, match="is not an id"):
            call(Store(tmp_path))
    assert os.listdir(tmp_path) == []


EMPTY = hashlib.sha256(b"").hexdigest().encode()
GARBLED = {"empty": b"", "zeros": bytes(100), "cut": b'{"id": "g1", "gra', "not UTF-8": b'{"id": "\xff\xfe\xfd"}',
           "text": b"hello", "behind": b"{} {}", "too deep": b'{"a":' * 100000, "digits": b"9" * 5000 + b"x",
           "another sum": b"composer-1 %s\n{}" % (b"0" * 64), "no JSON": b"composer-1 %s\n" % EMPTY,
           "UTF-16": b"{\0}\0"}


@pytest.mark.parametrize("kind", GARBLED)
def test_a_garbled_record_is_put_aside_and_named(tmp_path, kind):
    ours = Store(tmp_path)
    ours.save("good", GRAPH)
    ours.save("bad", GRAPH)
    spoil(tmp_path, "bad", GARBLED[kind])
    records, problems = ours.load()
    assert records == {"good": GRAPH}
    assert len(problems) == 1 and "bad.json" in problems[0] and "\n" not in problems[0]
    assert problems[0].endswith("; put aside, with .bad added to its name, nothing is left of it")
    assert files(tmp_path) == ["bad.json.bad", "good.json"]
    assert (tmp_path / "graphs" / "bad.json.bad").read_bytes() == GARBLED[kind]
    assert ours.load() == ({"good": GRAPH}, [])
    ours.save("bad", 1)
    assert ours.load() == ({"good": GRAPH, "bad": 1}, [])


@pytest.mark.parametrize("kind", GARBLED)
def test_for_a_garbled_record_there_is_the_generation_before(tmp_path, kind):
    ours = Store(tmp_path)
    for record in (1, 2, 3):
        ours.save("g", record)
    spoil(tmp_path, "g", GARBLED[kind])
    records, problems = ours.load()
    assert records == {"g": 2} and len(problems) == 1
    assert problems[0].endswith("; put aside, with .bad added to its name, the generation before is used")
    records, problems = ours.load()
    assert records == {"g": 2} and [line[-43:] for line in problems] == ["is not there, the generation before is used"]
    ours.save("g", 4)
    assert ours.load() == ({"g": 4}, [])
    spoil(tmp_path, "g", GARBLED[kind])
    assert ours.load()[0] == {"g": 2}


def test_a_garbled_record_does_not_take_the_place_of_the_good_one_before_it(tmp_path):
    """It was garbled while the agent ran, or cannot be put aside."""
    ours = Store(tmp_path)
    ours.save("g", 1)
    for record in (2, 3):
        ours.save("g", record)
        spoil(tmp_path, "g")
    ours.save("g", 4)
    spoil(tmp_path, "g")
    assert ours.load()[0] == {"g": 1}


def test_a_garbled_generation_before_is_put_aside_too(tmp_path):
    ours = Store(tmp_path)
    ours.save("g", 1)
    ours.save("g", 2)
    (tmp_path / "graphs" / "g.json.old").write_bytes(b"")
    records, problems = ours.load()
    assert records == {"g": 2} and len(problems) == 1 and problems[0].endswith("the graph itself is good")
    assert files(tmp_path) == ["g.json", "g.json.old.bad"] and ours.load() == ({"g": 2}, [])
    ours.save("g", 3)
    (tmp_path / "graphs" / "g.json.old").write_bytes(b"")
    spoil(tmp_path, "g")
    records, problems = ours.load()
    assert records == {} and [line[-23:] for line in problems] == [", nothing is left of it"] * 2


def test_what_is_deleted_leaves_no_file(tmp_path):
    ours = Store(tmp_path)
    for record in (1, 2):
        ours.save("g", record)
        spoil(tmp_path, "g")
        (tmp_path / "graphs" / "g.json.old").write_bytes(b"")
        ours.load()
    for record in (3, 4, 5):
        ours.save("g", record)
    for ending in ("new", "older"):
        (tmp_path / "graphs" / ("g.json." + ending)).write_bytes(b"")
    ours.delete("g")
    assert files(tmp_path) == [] and ours.load() == ({}, [])


def test_a_graph_saved_again_has_no_generation_of_before_its_deletion(tmp_path):
    ours = Store(tmp_path)
    for record in (1, 2):
        ours.save("g", record)
    ours.delete("g")
    ours.save("g", 3)
    spoil(tmp_path, "g")
    records, problems = ours.load()
    assert records == {} and len(problems) == 1


def a_socket(path):
    here = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as ours:
        ours.bind("/proc/self/fd/%d/%s" % (here, path.name))
    os.close(here)


NO_FILES = {"folder": lambda path: path.mkdir(), "fifo": os.mkfifo, "socket": a_socket,
            "link to nothing": lambda path: path.symlink_to("nowhere"),
            "link to itself": lambda path: path.symlink_to(path),
            "link to a record": lambda path: path.symlink_to("other.json"),
            "link to zeros": lambda path: path.symlink_to("/dev/zero")}


@pytest.mark.timeout(10)
@pytest.mark.parametrize("kind", NO_FILES)
def test_what_is_no_file_is_put_aside_and_holds_up_nobody(tmp_path, kind):
    ours = Store(tmp_path)
    ours.save("other", 0)
    ours.save("g", 1)
    ours.save("g", 2)
    for ending, record, outcome in ((".json", 1, "the generation before is used"),
                                    (".json.old", 3, "the graph itself is good")):
        path = tmp_path / "graphs" / ("g" + ending)
        path.unlink()
        NO_FILES[kind](path)
        records, problems = ours.load()
        assert records == {"other": 0, "g": record} and len(problems) == 1
        assert problems[0].endswith("is not a file; put aside, with .bad added to its name, " + outcome)
        ours.save("g", 3)
    ours.save("g", 4)
    assert ours.load() == ({"other": 0, "g": 4}, [])
    if kind != "folder":
        ours.delete("g")
        assert files(tmp_path) == ["other.json"]


@pytest.mark.timeout(10)
@pytest.mark.parametrize("kind", sorted(set(NO_FILES) - {"folder"}))
def test_what_lies_where_a_record_is_to_be_written_goes(tmp_path, kind):
    ours = Store(tmp_path)
    ours.save("other", 0)
    NO_FILES[kind](tmp_path / "graphs" / "g.json.new")
    ours.save("g", 1)
    NO_FILES[kind](tmp_path / "graphs" / "g.json.new")
    assert ours.load() == ({"other": 0, "g": 1}, []) and files(tmp_path) == ["g.json", "other.json"]


def test_a_second_garbled_record_takes_the_place_of_the_first(tmp_path):
    ours = Store(tmp_path)
    for text in ("first", "second"):
        ours.save("g", 1)
        (tmp_path / "graphs" / "g.json").write_text(text)
        assert len(ours.load()[1]) == 1
        assert ours.load() == ({}, [])
    assert (tmp_path / "graphs" / "g.json.bad").read_text() == "second"


def test_what_cannot_be_put_aside_is_reported_too(tmp_path):
    Store(tmp_path).save("g", 1)
    (tmp_path / "graphs" / "g.json").write_text("{")
    (tmp_path / "graphs" / "g.json.bad").mkdir()
    records, problems = Store(tmp_path).load()
    assert records == {} and "cannot be put aside" in problems[0]
    ours = Store(tmp_path)
    ours.save("g", 2)
    assert ours.load() == ({"g": 2}, [])


def test_load_survives_what_else_may_lie_in_the_folder(tmp_path):
    ours = Store(tmp_path)
    ours.save("g", 1)
    graphs = tmp_path / "graphs"
    (graphs / "half.json.new").write_text('{"a')
    (graphs / "folder.json").mkdir()
    (graphs / "dangling.json").symlink_to("nowhere")
    for ending in ("json", "json.old", "json.new", "json.older"):
        (graphs / ("no id." + ending)).write_text("{}")
    (graphs / "full.json.new").mkdir()
    (graphs / "README").write_text("hello")
    open(os.fsencode(graphs) + b"/\xff.json", "w").close()
    records, problems = ours.load()
    assert records == {"g": 1}
    assert [word for line in problems for word in ("dangling", "folder", "full", "no id", "udcff") if word in line] \
        == ["udcff", "dangling", "folder", "full"] + ["no id"] * 4
    assert [name for name in files(tmp_path) if name.startswith("no id")] \
        == ["no id.json", "no id.json.new", "no id.json.old", "no id.json.older"]
    assert "\n".join(problems).isascii() and not (graphs / "half.json.new").exists()


def test_a_store_that_is_a_file_is_a_problem_and_no_more(tmp_path):
    (tmp_path / "graphs").write_text("")
    records, problems = Store(tmp_path).load()
    assert records == {} and "Not a directory" in problems[0]


@pytest.mark.parametrize("failing", ["open", "fsync file", "rename 1", "rename 2", "fsync folder 1"])
def test_when_flash_is_full_the_old_record_and_the_one_before_it_stay(tmp_path, monkeypatch, failing):
    ours, flash = Store(tmp_path), Flash(monkeypatch)
    for record in (0, 1):
        ours.save("g", record)
    written = ours.written
    for id in ("g", "new"):
        flash.failing = failing if id == "g" else failing.replace("rename 2", "rename 1")
        del flash.calls[:]
        with pytest.raises(OSError, match="No space left"):
            ours.save(id, 2)
        flash.failing = ""
        assert files(tmp_path) == ["g.json", "g.json.old"] and Store(tmp_path).load() == ({"g": 1}, [])
    assert ours.written == written
    spoil(tmp_path, "g")
    assert Store(tmp_path).load()[0] == {"g": 0}
    ours.save("g", 2)
    assert Store(tmp_path).load() == ({"g": 2}, [])


@pytest.mark.root
def test_a_really_full_disk(tmp_path):
    assert os.system("mount -t tmpfs -o size=16k none %s" % tmp_path) == 0
    try:
        ours = Store(tmp_path)
        ours.save("g", "x" * 3000)
        with pytest.raises(OSError, match="No space left"):
            ours.save("g", "y" * 100000)
        assert files(tmp_path) == ["g.json"] and ours.load() == ({"g": "x" * 3000}, [])
        ours.save("g", "z" * 3000)
        assert ours.load() == ({"g": "z" * 3000}, [])
    finally:
        os.system("umount %s" % tmp_path)


@pytest.mark.parametrize("call", [lambda ours: ours.save("g", 2), lambda ours: ours.delete("g")])
def test_a_folder_that_could_not_be_flushed_is_flushed_by_the_next_call(tmp_path, monkeypatch, call):
    ours, flash = Store(tmp_path), Flash(monkeypatch)
    ours.save("g", 1)
    flash.failing = "fsync folder"
    with pytest.raises(OSError):
        call(ours)
    flash.failing = ""
    del flash.calls[:]
    call(ours)
    assert "fsync folder" in flash.calls
    del flash.calls[:]
    call(ours)
    assert "fsync folder" not in flash.calls


def test_a_record_that_is_not_json_changes_nothing(tmp_path):
    ours = Store(tmp_path)
    ours.save("g", 1)
    with pytest.raises(TypeError):
        ours.save("g", {"x": object()})
    assert files(tmp_path) == ["g.json"] and ours.load() == ({"g": 1}, [])


def test_killed_at_any_call_it_has_the_old_record_or_the_new(tmp_path, monkeypatch):
    """Each call of a save is the last one of a process; then another process loads."""
    ours, flash = Store(tmp_path), Flash(monkeypatch)
    ours.save("g", "old")
    for last in ("open", "fsync file", "rename 1", "rename 2", "fsync folder"):
        del flash.calls[:]
        pid = os.fork()
        if pid == 0:
            flash.fatal = last
            ours.save("g", "new after " + last)
            os._exit(1)
        assert os.waitpid(pid, 0)[1] == 0
        records, problems = Store(tmp_path).load()
        assert records == {"g": "new after fsync folder" if last == "fsync folder" else "old"}
        assert [line[-43:] for line in problems] \
            == (["is not there, the generation before is used"] if last == "rename 2" else [])
        assert not [name for name in files(tmp_path) if name not in ("g.json", "g.json.old")]


def test_the_store_remembers_no_record(tmp_path):
    ours = Store(tmp_path)
    for number in range(20):
        ours.save("g%d" % number, "x" * 10000)
    ours.load()
    assert sorted(vars(ours)) == ["folder", "graphs", "loose", "syncs", "written"]
