"""Store: keeps the accepted graphs on flash, and behind each the generation before it.

Flash wears and power fails.  A record is written beside, flushed, and takes the place of the old one by two renames,
so that a whole one is there at every moment; a record that is there already is not written again.  What is on flash
is compared, not a copy in memory: the store itself remembers nothing.

    ID.json        the record             ID.json.new      being written
    ID.json.old    the one before it      ID.json.older    the one before that, while a save may have to go back
                                          .bad             added to the name of what was garbled

An id's file ends in .json, so none of the other names can be one.  A file is a line and the JSON text: the line has
the format and the text's sha256.  A file of the format before, JSON and no line, begins with "{".

What lasts is what was flushed.  Of the rest a power cut keeps any part, in any order, so between two flushes of the
folder no name may come to stand for something older than it did: a save moves each record one name down and removes
none, and a deletion has flushed that the generation before is gone before the record goes.
"""
import hashlib
import os
import re

from .core import json

FORMAT = b"composer-1 "
ID = re.compile("[A-Za-z0-9_.-]{1,64}")
LARGEST = 8 << 20  # bytes of a file
RECORD, BEFORE = ".json", ".json.old"
LEFT_OVER = ".json.new", ".json.older"
ASIDE = ".json.bad", ".json.old.bad"


class Store:
    """The folder of graphs.  `written` counts the bytes of records that went to flash, `syncs` the flushes."""

    def __init__(self, folder):
        self.folder = os.fspath(folder)
        self.graphs = os.path.join(folder, "graphs")
        self.written = self.syncs = 0
        self.loose = set()  # folders with names that may not be on flash

    def load(self):
        """Return ({id: record}, problems): what is garbled is put aside, and each problem is a line."""
        records, problems, ids = {}, [], set()
        try:
            names = sorted(os.listdir(self.graphs))
        except FileNotFoundError:
            return records, problems
        except OSError as error:
            return records, ["%a: %s" % (self.graphs, error.strerror)]
        self.loose.update((self.folder, self.graphs))  # the agent before may have been killed before it flushed
        for name in names:
            ending = next((one for one in (RECORD, BEFORE) + LEFT_OVER if name.endswith(one)), None)
            try:
                if ending in LEFT_OVER and _checked(name[:-len(ending)]):
                    os.unlink(os.path.join(self.graphs, name))
                elif ending:
                    ids.add(_checked(name[:-len(ending)]))
            except (OSError, ValueError) as error:
                problems.append("%a: %s" % (os.path.join(self.graphs, name), getattr(error, "strerror", error)))
        for id in ids:
            found, faults = self._look(id)
            records.update([(id, record) for record in found])
            problems.extend(faults)
        try:
            self._flush()
        except OSError as error:
            problems.append("%a: cannot be flushed: %s" % (self.graphs, error.strerror))
        return records, sorted(problems)

    def save(self, id, record):
        """Have `record`, a JSON value, on flash under `id`.  An OSError leaves the old one as it was."""
        path, text = self._path(id), json.dumps(record).encode()
        try:
            now = _read(path)[0]
        except (OSError, ValueError):
            now = None  # and nothing to go back to: what is behind it stays there
        if now != text:
            self._replace(path, text, now is not None)
        self._flush()

    def delete(self, id):
        """Have nothing under `id`; absence is fine."""
        path = self._path(id)
        for ending in (BEFORE,) + LEFT_OVER + ASIDE:
            self._remove(self._path(id, ending))
        self._flush()
        self._remove(path)
        self._flush()

    def _path(self, id, ending=RECORD):
        return os.path.join(self.graphs, _checked(id) + ending)

    def _look(self, id):
        """Return ([the record of an id] or [], problems)."""
        found, faults = [], []
        for ending in (RECORD, BEFORE):
            path = self._path(id, ending)
            try:
                found.append((_read(path)[1], ending))
            except FileNotFoundError:
                faults.extend(["%a: is not there" % path] if ending == RECORD else [])
            except ValueError as error:
                faults.append("%a: %s%s" % (path, error, _put_aside(path)))
            except OSError as error:
                faults.append("%a: %s" % (path, error.strerror))
        outcome = "nothing is left of it" if not found else \
            "the generation before is used" if found[0][1] == BEFORE else "the graph itself is good"
        return [record for record, _ in found[:1]], ["%s, %s" % (fault, outcome) for fault in faults]

    def _replace(self, path, text, good):
        """Put a text in the place of what is there, and that, if it is good, in the place of the generation before."""
        new, old, older = path + ".new", path + ".old", path + ".older"
        back, kept = (), False
        self._make_folders()
        self._flush()  # what an earlier call could not
        try:
            self.loose.add(self.graphs)
            self._write(new, _line(text) + text)
            if good:
                kept = _link(old, older)
                os.rename(path, old)
                back = os.rename, old, path
            os.rename(new, path)
            back = back or (os.unlink, path)
            self._flush()
        except OSError:
            try:
                if back:
                    back[0](*back[1:])
                    self._sync_folder(self.graphs)  # or flash might have the next rename alone
                if back and kept:
                    os.rename(older, old)
            except OSError:
                pass  # flash is gone: what is there is a whole record, the old or the new
            _unlink(new)
            _unlink(older)
            raise
        _unlink(older)
        self.written += len(text)

    def _write(self, path, content):
        if len(content) > LARGEST:
            raise OSError(27, "File too large", path)
        _unlink(path)
        with open(path, "xb", opener=_open_private) as file:
            file.write(content)
            file.flush()
            self._sync(file.fileno())

    def _make_folders(self):
        """Make the folder of graphs.  It comes last: where it is, those above it are on flash."""
        if os.path.isdir(self.graphs):
            return
        above = os.path.abspath(self.folder)
        os.makedirs(above, 0o700, exist_ok=True)
        while above != "/" and os.access(os.path.dirname(above), os.W_OK):  # where it may not write, it made nothing
            above = os.path.dirname(above)
            self._sync_folder(above)
        os.mkdir(self.graphs, 0o700)
        self.loose.add(self.folder)

    def _remove(self, path):
        try:
            os.unlink(path)
            self.loose.add(self.graphs)
        except (FileNotFoundError, IsADirectoryError):
            pass  # a folder is no record

    def _flush(self):
        """Have all names on flash; if that fails, the next call tries again, though its record be there."""
        for folder in sorted(self.loose):
            self._sync_folder(folder)
            self.loose.remove(folder)

    def _sync_folder(self, folder):
        there = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._sync(there)
        finally:
            os.close(there)

    def _sync(self, number):
        self.syncs += 1
        os.fsync(number)


def _checked(id):
    if not ID.fullmatch(id):
        raise ValueError("%a is not an id: 1 to 64 of A-Z a-z 0-9 _ . -" % id)
    return id


def _line(text):
    return FORMAT + hashlib.sha256(text).hexdigest().encode() + b"\n"


def _read(path):
    """Return (the JSON text of a file, its record).  ValueError says what is wrong with the file."""
    size = os.lstat(path).st_size
    if os.path.islink(path) or not os.path.isfile(path):
        raise ValueError("is not a file")
    if size > LARGEST:
        raise ValueError("has %d bytes, %d are the most" % (size, LARGEST))
    with open(path, "rb", opener=_open_private) as file:
        text = file.read(LARGEST)
    if not text.startswith(b"{"):
        line, _, text = text.partition(b"\n")
        if line + b"\n" != _line(text):
            raise ValueError("is not whole: its first line should be %a and the sha256 of the rest" % FORMAT.decode())
    return text, json.loads(text.decode())


def _put_aside(path):
    """Rename what is garbled, and return how that went, for a message."""
    try:
        os.rename(path, path + ".bad")
        return "; put aside, with .bad added to its name"
    except OSError as error:
        return "; cannot be put aside: %s" % error.strerror


def _open_private(path, flags):
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)


def _link(path, other):
    """Give a file a second name, and say whether it has it: there may be no file, or no such thing on this flash."""
    _unlink(other)
    try:
        os.link(path, other)
        return True
    except OSError:
        return False


def _unlink(path):
    try:
        os.unlink(path)
    except OSError:
        pass  # it was never made, or flash is gone: the next load removes it
