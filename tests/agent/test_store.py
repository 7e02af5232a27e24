"""The store: what was saved is loaded, what is there is not written again, and a power failure loses nothing."""
import os
import stat
import string

import pytest

from composer.store import Store

GRAPH = {"id": "g1", "graph": {"SFs": [{"id": "nat", "ports": [1, 2.5, None, True]}], "name": "caf\u00e9 \U0001f600"}}


class Flash:
    """Calls of the operating system, in the order they came; which of them fails, which the process ends at."""

    def __init__(self, monkeypatch):
        self.calls, self.failing, self.fatal = [], "", ""
        for name in ("fsync", "rename", "unlink", "makedirs", "open"):
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
            if mark and mark == self.fatal:
                os._exit(0)
            if mark and mark == self.failing:
                raise OSError(28, "No space left on device")
            return real(path, *rest, **more)
        return call


def files(folder):
    return sorted(os.listdir(folder / "graphs"))


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
    flash = Flash(monkeypatch)
    ours.save("g", 2)
    assert flash.calls == ["open", "fsync file", "rename", "fsync folder"]


def test_nothing_is_written_when_nothing_changed(tmp_path, monkeypatch):
    Store(tmp_path).save("g", GRAPH)
    before = os.stat(tmp_path / "graphs" / "g.json")
    flash, ours = Flash(monkeypatch), Store(tmp_path)
    for _ in range(3):
        ours.save("g", GRAPH)
        ours.delete("absent")
    after = os.stat(tmp_path / "graphs" / "g.json")
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert ours.written == 0 and set(flash.calls) == {"unlink"}


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
    assert Store(tmp_path / "flash").load() == (wanted, [])
    assert os.listdir(tmp_path) == ["flash"] and os.listdir(tmp_path / "flash") == ["graphs"]
    for id in IDS:
        ours.delete(id)
        del wanted[id]
        wanted.update({letter: {"id": letter} for letter in "aA0" if letter not in IDS})
        assert ours.load() == (wanted, [])


@pytest.mark.parametrize("id", ["", "/", "../g", "a/b", "x" * 65, "a b", "a\n", "a\0", "caf\u00e9", "\ud800"])
def test_what_is_no_id_touches_nothing(tmp_path, id):
    for call in (lambda ours: ours.save(id, 1), lambda ours: ours.delete(id)):
        with pytest.raises(ValueError, match="is not an id"):
            call(Store(tmp_path))
    assert os.listdir(tmp_path) == []


GARBLED = {"empty": b"", "zeros": bytes(100), "cut": b'{"id": "g1", "gra', "not UTF-8": b'{"id": "\xff\xfe\xfd"}',
           "text": b"hello", "behind": b"{} {}", "too deep": b"[" * 100000, "digits": b"9" * 5000 + b"x"}


@pytest.mark.parametrize("kind", GARBLED)
def test_a_garbled_record_is_put_aside_and_named(tmp_path, kind):
    ours = Store(tmp_path)
    ours.save("good", GRAPH)
    ours.save("bad", GRAPH)
    (tmp_path / "graphs" / "bad.json").write_bytes(GARBLED[kind])
    records, problems = ours.load()
    assert records == {"good": GRAPH}
    assert len(problems) == 1 and "bad.json" in problems[0] and "\n" not in problems[0]
    assert files(tmp_path) == ["bad.json.bad", "good.json"]
    assert (tmp_path / "graphs" / "bad.json.bad").read_bytes() == GARBLED[kind]
    assert ours.load() == ({"good": GRAPH}, [])
    ours.save("bad", 1)
    assert ours.load() == ({"good": GRAPH, "bad": 1}, [])


def test_a_second_garbled_record_takes_the_place_of_the_first(tmp_path):
    ours = Store(tmp_path)
    for text in ("first", "second"):
        ours.save("g", 1)
        (tmp_path / "graphs" / "g.json").write_text(text)
        assert len(ours.load()[1]) == 1
    assert (tmp_path / "graphs" / "g.json.bad").read_text() == "second"


def test_what_cannot_be_put_aside_is_reported_too(tmp_path):
    Store(tmp_path).save("g", 1)
    (tmp_path / "graphs" / "g.json").write_text("{")
    (tmp_path / "graphs" / "g.json.bad").mkdir()
    records, problems = Store(tmp_path).load()
    assert records == {} and "cannot be put aside" in problems[0]


def test_load_survives_what_else_may_lie_in_the_folder(tmp_path):
    ours = Store(tmp_path)
    ours.save("g", 1)
    graphs = tmp_path / "graphs"
    (graphs / "half.json.new").write_text('{"a')
    (graphs / "folder.json").mkdir()
    (graphs / "dangling.json").symlink_to("nowhere")
    (graphs / "no id.json").write_text("{}")
    (graphs / "README").write_text("hello")
    open(os.fsencode(graphs) + b"/\xff.json", "w").close()
    records, problems = ours.load()
    assert records == {"g": 1}
    assert [word for line in problems for word in ("dangling", "folder", "no id", "udcff") if word in line] \
        == ["dangling", "folder", "no id", "udcff"]
    assert "\n".join(problems).isascii() and not (graphs / "half.json.new").exists()


def test_a_store_that_is_a_file_is_a_problem_and_no_more(tmp_path):
    (tmp_path / "graphs").write_text("")
    records, problems = Store(tmp_path).load()
    assert records == {} and "Not a directory" in problems[0]


@pytest.mark.parametrize("failing", ["open", "fsync file", "rename"])
def test_when_flash_is_full_the_old_record_stays(tmp_path, monkeypatch, failing):
    ours, flash = Store(tmp_path), Flash(monkeypatch)
    ours.save("g", 1)
    flash.failing, written = failing, ours.written
    with pytest.raises(OSError, match="No space left"):
        ours.save("g", 2)
    with pytest.raises(OSError, match="No space left"):
        ours.save("new", 2)
    assert files(tmp_path) == ["g.json"] and Store(tmp_path).load() == ({"g": 1}, [])
    assert ours.written == written
    flash.failing = ""
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
    assert flash.calls[-1] == "fsync folder" and "open" not in flash.calls


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
    for last in ("open", "fsync file", "rename", "fsync folder"):
        pid = os.fork()
        if pid == 0:
            flash.fatal = last
            ours.save("g", "new after " + last)
            os._exit(1)
        assert os.waitpid(pid, 0)[1] == 0
        records, problems = Store(tmp_path).load()
        assert problems == [] and files(tmp_path) == ["g.json"]
        assert records == {"g": "new after fsync folder" if last == "fsync folder" else "old"}


def test_the_store_remembers_no_record(tmp_path):
    ours = Store(tmp_path)
    for number in range(20):
        ours.save("g%d" % number, "x" * 10000)
    ours.load()
    assert sorted(vars(ours)) == ["flushed", "folder", "graphs", "written"]
