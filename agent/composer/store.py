"""Store: keeps the accepted graphs on flash.

One file a graph, FOLDER/graphs/ID.json.  Flash wears and power fails: a record is written beside, flushed, and
renamed over the old one, so that there is always a whole one; a record that is there already is not written
again.  What is on flash is compared, not a copy in memory: the store itself remembers nothing.

    ID.json        the record        ID.json.new    being written        ID.json.bad    was garbled

An id's file ends in .json, so none of the other names can be one.
"""
import os
import re

from .core import json

ID = re.compile("[A-Za-z0-9_.-]{1,64}")


class Store:
    """The folder of graphs.  `written` counts the bytes of records that went to flash."""

    def __init__(self, folder):
        self.folder = folder
        self.graphs = os.path.join(folder, "graphs")
        self.written = 0
        self.flushed = True  # whether the names in the folder are on flash

    def load(self):
        """Return ({id: record}, problems): a garbled record is put aside, and each problem is a line."""
        records, problems = {}, []
        try:
            names = sorted(os.listdir(self.graphs))
        except FileNotFoundError:
            return records, problems
        except OSError as error:
            return records, ["%a: %s" % (self.graphs, error.strerror)]
        for name in names:
            path = os.path.join(self.graphs, name)
            try:
                if name.endswith(".json.new"):  # the power failed while it was written
                    os.unlink(path)
                elif name.endswith(".json"):
                    records[_checked(name[:-len(".json")])] = json.loads(_read(path))
            except ValueError as error:
                problems.append("%a: %s%s" % (path, error, _put_aside(path)))
            except OSError as error:
                problems.append("%a: %s" % (path, error.strerror))
        return records, problems

    def save(self, id, record):
        """Have `record`, a JSON value, on flash under `id`.  An OSError leaves the old one as it was."""
        path, text = self._path(id), json.dumps(record).encode()
        try:
            same = _read(path) == text
        except OSError:
            same = False
        if not same:
            self._write(path, text)
        self._flush()

    def delete(self, id):
        """Have nothing under `id`; absence is fine."""
        try:
            os.unlink(self._path(id))
            self.flushed = False
        except FileNotFoundError:
            pass
        self._flush()

    def _path(self, id):
        return os.path.join(self.graphs, _checked(id) + ".json")

    def _write(self, path, text):
        self._make_folders()
        try:
            with open(path + ".new", "wb", opener=_open_private) as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.rename(path + ".new", path)
        except OSError:
            _unlink(path + ".new")
            raise
        self.written += len(text)
        self.flushed = False

    def _make_folders(self):
        for folder in (self.folder, self.graphs):
            if not os.path.isdir(folder):
                os.makedirs(folder, 0o700)
                _fsync(os.path.dirname(os.path.abspath(folder)))

    def _flush(self):
        """Flush the folder; if that fails, the next call tries again, though its record be there."""
        if not self.flushed:
            _fsync(self.graphs)
            self.flushed = True


def _checked(id):
    if not ID.fullmatch(id):
        raise ValueError("%a is not an id: 1 to 64 of A-Z a-z 0-9 _ . -" % id)
    return id


def _put_aside(path):
    """Rename a garbled record, and return how that went, for a message."""
    try:
        os.rename(path, path + ".bad")
        return "; put aside, with .bad added to its name"
    except OSError as error:
        return "; cannot be put aside: %s" % error.strerror


def _open_private(path, flags):
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _read(path):
    with open(path, "rb") as file:
        return file.read()


def _unlink(path):
    try:
        os.unlink(path)
    except OSError:
        pass  # it was never made, or flash is gone: the next load removes it


def _fsync(folder):
    there = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(there)
    finally:
        os.close(there)
