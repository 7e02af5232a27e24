"""Flash: a model of it.  It notes a program's calls, and tells what may be there after a power cut.

The bytes of a file last when the file was flushed, its name when the folder was.  Of all else any part may be there:

    noted       bytes of F | sync F | graphs: g.json.new -> none, g.json -> F | sync graphs | ...
    the cut     is behind any of these
    what lasts  of names not flushed: any of the changes, in any order, a rename perhaps with both its names (JFFS2)
                of bytes not flushed: any beginning, or as many zeros

The calls are performed too, but for the flushing.
"""
import os

CALLS = ("open", "fsync", "rename", "link", "unlink", "mkdir", "rmdir")


class Killed(BaseException):
    """The process ends here."""


class Folder:
    def __init__(self):
        self.names = {}  # {name: Folder or File}, as a program sees it


class File:
    def __init__(self, content=b""):
        self.content = content


class Flash:
    """Notes the calls for what is below a folder; at first there is `content`, {path: bytes, or None for a folder}."""

    def __init__(self, folder, monkeypatch, content=()):
        self.folder, self.root, self.events = str(folder), Folder(), []
        self.opened, self.writing = {}, None  # {file descriptor: node}, (path, File) of what is being written
        self.calls, self.failing, self.fatal = 0, (), None  # those that change something, counted; which fail or kill
        build(self.folder, content)
        for path in sorted(content):
            above, name = self.place(os.path.join(self.folder, path))
            above.names[name] = Folder() if content[path] is None else File(content[path])
        self.first = _copy(self.root)
        for name in CALLS:
            monkeypatch.setattr(os, name, self._noting(name, getattr(os, name)))

    def place(self, path):
        """Return (the Folder that a path is in, its name there)."""
        above, node = os.path.relpath(path, self.folder).split("/"), self.root
        for part in above[:-1]:
            node = node.names[part]
        return node, above[-1]

    def node(self, path):
        return self.root if path == self.folder else self.place(path)[0].names.get(self.place(path)[1])

    def spoil(self, path, content):
        """Have a file hold other bytes from now on, as if flash had lost some."""
        with open(path, "wb") as file:
            file.write(content)
        self._bytes(self.node(path), content)
        self.events.append(("sync", self.node(path), None))

    def _noting(self, name, real):
        def call(path, *rest, **more):
            if path not in self.opened if name == "fsync" else not (str(path) + "/").startswith(self.folder + "/"):
                return real(path, *rest, **more)
            if name == "open" and not rest[0] & os.O_CREAT:
                number = real(path, *rest, **more)
                self.opened[number] = self.node(path)
                return number
            if self.writing and os.path.exists(self.writing[0]):
                with open(self.writing[0], "rb") as file:
                    self._bytes(self.writing[1], file.read())
            self.calls += 1
            if self.calls == self.fatal:
                raise Killed
            if self.calls in self.failing:
                raise OSError(28, "No space left on device")
            if name == "fsync":
                self.events.append(("sync", self.opened[path], None))
                return None
            result = real(path, *rest, **more)
            getattr(self, "_" + name)(path, rest, result)
            return result
        return call

    def _bytes(self, file, content):
        if content != file.content:
            file.content = content
            self.events.append(("bytes", file, content))

    def _names(self, path, change):
        folder = self.place(path)[0]
        self.events.append(("names", folder, change))
        folder.names.update(change)

    def _open(self, path, _, number):
        if not self.node(path):
            self._names(path, {self.place(path)[1]: File()})
        self.opened[number], self.writing = self.node(path), (path, self.node(path))

    def _rename(self, path, rest, _):
        assert os.path.dirname(path) == os.path.dirname(rest[0]), "the model has no rename to another folder"
        if self.writing and self.writing[0] in (path, rest[0]):
            self.writing = (rest[0], self.writing[1]) if self.writing[0] == path else None
        if self.node(path) is not self.node(rest[0]):
            self._names(path, {self.place(path)[1]: None, self.place(rest[0])[1]: self.node(path)})

    def _link(self, path, rest, _):
        self._names(path, {self.place(rest[0])[1]: self.node(path)})

    def _unlink(self, path, *_):
        self._names(path, {self.place(path)[1]: None})

    _rmdir = _unlink

    def _mkdir(self, path, *_):
        self._names(path, {self.place(path)[1]: Folder()})

    def cuts(self, count, rng, number):
        """Yield what may be there, {path: bytes, or None for a folder}, if power fails behind `count` events.

        Of what was not flushed: all, none, each alone, all but each, and `number` times some in some order.
        """
        names, waiting, content, loose = self._after(count)
        some = [waiting, []] + [[one] for one in waiting] + [waiting[:k] + waiting[k + 1:] for k in range(len(waiting))]
        for changes in some + [rng.sample(waiting, rng.randint(0, len(waiting))) for _ in range(number)]:
            there = {folder: dict(inside) for folder, inside in names.items()}
            for folder, change in changes:
                both = changes is not waiting and len(change) == 2 and rng.random() < 0.2
                there.setdefault(folder, {}).update([one for one in change.items() if one[1] or not both])
            for part in PARTS if changes is waiting and loose else [rng.choice(PARTS)]:
                lasting = dict(content)
                lasting.update([(file, part(content[file], rng)) for file in loose])
                yield dict(_walk(there, lasting, self.root, ""))

    def _after(self, count):
        """Return ({Folder: {name: node}} that last, [(Folder, change)] that may, {File: bytes}, {Files not whole})."""
        names, waiting, content, loose = dict(self.first[0]), [], dict(self.first[1]), set()
        for kind, node, value in self.events[:count]:
            if kind == "names":
                waiting.append((node, value))
                continue
            if kind == "bytes":
                content[node] = value
                loose.add(node)
                continue
            loose.discard(node)
            for folder, change in waiting:
                if folder is node:
                    names[node] = dict(names.get(node, {}), **change)
            waiting = [one for one in waiting if one[0] is not node]
        return names, waiting, content, loose


PARTS = [lambda content, rng: content, lambda content, rng: b"", lambda content, rng: bytes(len(content)),
         lambda content, rng: content[:rng.randint(0, len(content))]]


def build(folder, content):
    """Have nothing in a folder but `content`, {path: bytes, or None for a folder}."""
    for above, folders, files in os.walk(folder, topdown=False):
        for name in files:
            os.unlink(os.path.join(above, name))
        for name in folders:
            os.rmdir(os.path.join(above, name))
    for path in sorted(content):
        if content[path] is None:
            os.mkdir(os.path.join(folder, path))
            continue
        with open(os.path.join(folder, path), "wb") as file:
            file.write(content[path])


def _copy(folder):
    """Return ({Folder: {name: node}}, {File: bytes}) of all that is below a folder now."""
    names, content = {folder: dict(folder.names)}, {}
    for node in folder.names.values():
        if isinstance(node, File):
            content[node] = node.content
        else:
            below = _copy(node)
            names.update(below[0])
            content.update(below[1])
    return names, content


def _walk(there, content, folder, path):
    for name, node in there.get(folder, {}).items():
        if isinstance(node, File):
            yield path + name, content.get(node, b"")
        elif node:
            yield path + name, None
            yield from _walk(there, content, node, path + name + "/")
