"""Bundles: unpacks the .tgz of a function safely, whoever made it.

The gzip is inflated piece by piece; every byte that comes out is counted, headers and padding too, and the
bytes that are hashed are the bytes that are unpacked.  The tar is read here, header by header, because tarfile's
filters were got around and stop no bomb.  Folders and regular files are made, nothing else, each of them new, in
a staging folder that becomes the real one when all is well and is removed when anything is not:

    fw.tgz  ->  inflate, count, hash  ->  header  ->  name, kind, mode  ->  fw.part/start  ->  rename to fw
"""
import os
import stat

from .core.errors import NO_ROOM, BadImage, show

PACKED = 8 << 20     # bytes of a .tgz
UNPACKED = 16 << 20  # bytes that come out of it: files, headers and padding
ENTRIES = 1000       # files and folders
NAME = 255           # bytes of a name, with its folders
DEPTH = 8            # parts of a name
EXTENSION = 8 << 10  # bytes of one pax header or GNU long name

PIECE = 32 << 10     # bytes: one slice of work
BLOCK = 512          # bytes: the unit of a tar

FILES, FOLDER, EXTENSIONS = (b"0", b"\0"), b"5", (b"x", b"g", b"L")
REFUSED = {b"1": "a hard link", b"2": "a symbolic link", b"3": "a device", b"4": "a device", b"6": "a named pipe",
           b"7": "a contiguous file", b"K": "a long name of a link", b"S": "a sparse file"}

_unpacking = set()  # the folders that are being made: jobs interleave, and two may want one


def unpack(image, folder, digest=""):
    """Unpack the file `image` into `folder`, unless that is there; a generator that yields between slices.

    `digest` is the sha256 that the file must have, in hex, "" if nobody said.  Raises BadImage, or closed
    half-way, leaves nothing behind.
    """
    while folder in _unpacking:
        yield
    if os.path.isdir(folder):
        return
    _unpacking.add(folder)
    try:
        yield from _stage(image, folder, digest)
    except (OSError, ValueError) as error:  # ValueError: a path that cannot be one
        if getattr(error, "errno", None) in NO_ROOM:
            raise  # not the image's fault
        raise BadImage(os.path.basename(image), "cannot be unpacked: %s" % error)
    finally:
        _unpacking.discard(folder)


def sound(image):
    """Return the sha256 of the file `image`, in hex, if it is one whole gzip and not too big; else raise BadImage.

    A generator that yields [] between slices.  What is in it, `unpack` will see.
    """
    with open(image, "rb", buffering=0, opener=_open_at_once) as file:
        packed = _Packed(file, os.path.basename(image))
        while not packed.inflater.eof:
            packed._more()
            yield []
        for _ in packed.end(""):
            yield []
        return packed.sum.hexdigest()


def remove(folder):
    """Remove `folder` and all in it, in one go; absence is fine, a link is removed and not followed."""
    for _ in removing(folder):
        pass


def removing(folder):
    """Remove `folder` in slices; a generator.  A folder in it is moved to its top first: whatever the depth, two are open."""
    try:
        top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        os.unlink(folder)
        return
    try:
        number = int.from_bytes(os.urandom(6), "big")  # of a new name, which what is in it cannot have taken
        while inside := os.listdir(top):
            for name in inside:
                number = yield from _remove(name, top, number)
    finally:
        os.close(top)
    os.rmdir(folder)


def _remove(name, top, number):
    """Remove a file, or a folder whose own folders go up to `top` under new names; return the next free number."""
    try:
        here = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=top)
    except NotADirectoryError:
        os.unlink(name, dir_fd=top)
        yield
        return number
    try:
        for inside in os.listdir(here):
            try:
                os.unlink(inside, dir_fd=here)
            except (IsADirectoryError, PermissionError):
                number += 1
                os.rename(inside, ".gone-%d" % number, src_dir_fd=here, dst_dir_fd=top)
            yield
    finally:
        os.close(here)
    os.rmdir(name, dir_fd=top)
    return number


def _stage(image, folder, digest):
    staging = os.fsencode(folder + ".part")  # bytes: a name of the tar is used as it is
    try:
        yield from removing(staging)
        yield from _fill(image, staging, digest)
        os.rename(staging, folder)
    except (BadImage, OSError):
        yield from removing(staging)
        raise
    finally:
        remove(staging)  # closed half-way, nothing can go in slices any more


def _fill(image, staging, digest):
    os.makedirs(staging, 0o700)  # nobody else may come in before it is done
    with open(image, "rb", buffering=0, opener=_open_at_once) as file:
        packed = _Packed(file, os.path.basename(image))
        made = yield from _untar(packed, staging)
        yield from packed.end(digest)
    if made.get(b"start") != 0o755:
        raise BadImage("start", "must be at the top of the bundle, a regular file with its x bit set")
    os.chmod(staging, 0o755)


def _open_at_once(path, flags):
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)  # a named pipe would wait for its writer


class _Packed:
    """What comes out of a gzip file, counted on its way, and the sha256 of what went in."""

    def __init__(self, file, image):
        import hashlib
        import zlib
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise BadImage(image, "must be a regular file, a .tgz")
        self.file, self.image = file, image
        self.sum, self.error = hashlib.sha256(), zlib.error
        self.inflater = zlib.decompressobj(wbits=31)  # gzip: it checks the header, the crc and the length
        self.packed = self.unpacked = 0
        self.ready = b""

    def read(self, size):
        """Return the next `size` bytes, no fewer; a generator."""
        while len(self.ready) < size:
            self.ready += self._more()
            yield
        data, self.ready = self.ready[:size], self.ready[size:]
        return data

    def end(self, digest):
        """Refuse anything but padding in the rest, and a file whose sha256 is not `digest`; a generator."""
        rest = self.ready
        while not rest.strip(b"\0") and not self.inflater.eof:
            rest = self._more()
            yield
        if rest.strip(b"\0"):
            raise BadImage(self.image, "must hold nothing but zeros after the end of the tar")
        if self.inflater.unused_data or self.file.read(1):
            raise BadImage(self.image, "must hold nothing after the end of the gzip")
        if digest and self.sum.hexdigest() != digest.lower():
            raise BadImage(self.image, "its sha256 is %s, and should be %s" % (self.sum.hexdigest(), show(digest)))

    def _more(self):
        """Return a piece of what comes next, b"" when the file has to be read on first."""
        if self.inflater.eof:
            raise BadImage(self.image, "ends too early: a tar ends in a block of zeros")
        data = self.inflater.unconsumed_tail
        if not data:
            data = self.file.read(PIECE)
            self.sum.update(data)
            self.packed += len(data)
            if self.packed > PACKED:
                raise BadImage(self.image, "is too big: a .tgz may have %d bytes" % PACKED)
        try:
            piece = self.inflater.decompress(data, min(PIECE, UNPACKED - self.unpacked + 1))
        except self.error as error:
            raise BadImage(self.image, "must be a sound gzip file: %s" % error)
        if not data and not piece and not self.inflater.eof:
            raise BadImage(self.image, "ends too early: the gzip file must be whole")
        self.unpacked += len(piece)
        if self.unpacked > UNPACKED:
            raise BadImage(self.image, "is too big: a bundle may unpack to %d bytes" % UNPACKED)
        return piece


def _untar(packed, staging):
    """Make what the tar says; return {name: mode}, the mode of a folder being None.  A generator."""
    made, entries, long_name = {b"": None}, 0, b""
    while True:
        block = yield from packed.read(BLOCK)
        if not block.strip(b"\0"):
            break
        kind, name, mode, size = _header(block, packed.image)
        if kind in EXTENSIONS:
            longer = yield from _long_name(packed, kind, name, size)
            if long_name and longer:
                raise BadImage(_text(longer), "must be the only long name before its entry")
            long_name = long_name or longer
            continue
        name, long_name = long_name or name, b""
        entries += 1
        if max(entries, len(made)) > ENTRIES:
            raise BadImage(_text(name), "is one too many: a bundle may have %d files and folders" % ENTRIES)
        _check_kind(name, kind, mode, size)
        path = _path(name, kind)
        if kind == FOLDER:
            _make_folders(path, path.count(b"/") + 1, made, staging)
        else:
            yield from _make_file(packed, path, mode, size, made, staging)
        yield
    if long_name:
        raise BadImage(_text(long_name), "is a long name, which must have an entry after it")
    return made


def _header(block, image):
    """Return (kind, name, mode, size) of a tar header; the name is not checked yet."""
    name = block[:100].rstrip(b"\0")
    if block[257:263] == b"ustar\0" and block[345]:  # GNU tar keeps times there, and another magic
        name = block[345:500].rstrip(b"\0") + b"/" + name
    if _octal(block[148:156], image) != sum(block) - sum(block[148:156]) + 8 * 32:
        raise BadImage(image, "must be a sound tar: the checksum of the header of %s is wrong" % _text(name))
    return block[156:157], name, _octal(block[100:108], _text(name)), _octal(block[124:136], _text(name))


def _octal(field, where):
    digits = field.rstrip(b" \0").lstrip(b" ")
    if not digits or digits.strip(b"01234567"):
        raise BadImage(where, "must have octal numbers in its tar header, not %s" % show(field))
    return int(digits, 8)


def _long_name(packed, kind, name, size):
    """Return the name that a pax or GNU header gives to the next entry, b"" if it gives none.  A generator."""
    if size > EXTENSION:
        raise BadImage(_text(name), "is too long: a pax header or a long name may have %d bytes" % EXTENSION)
    body = yield from packed.read(size + -size % BLOCK)
    if kind == b"L":
        return body[:size].rstrip(b"\0")
    longer = b""
    for key, value in _records(body[:size], name):
        if key in (b"size", b"linkpath", b"hdrcharset") or key.startswith(b"GNU.sparse."):
            raise BadImage(_text(name), "may not set %s in a pax header: use tar --format=ustar" % _text(key))
        if key == b"path" and kind == b"g":
            raise BadImage(_text(value), "may not be the name of all entries: use tar --format=ustar")
        if key == b"path":
            longer = value
    return longer  # what else pax headers say, times and owners, is not used


def _records(body, name):
    """Return the (key, value) pairs of a pax header: `19 path=bin/filter\\n`, the length being the record's."""
    records = []
    while body:
        length = body.partition(b" ")[0]
        size = int(length) if length.isdigit() and len(length) < 6 else 0
        record, body = body[:size], body[size:]
        key, equals, value = record[len(length) + 1:-1].partition(b"=")
        if not (key and equals and record.endswith(b"\n") and len(record) == size):
            raise BadImage(_text(name), "must be a sound pax header, with records like `19 path=bin/filter`")
        records.append((key, value))
    return records


def _check_kind(name, kind, mode, size):
    if kind != FOLDER and kind not in FILES:
        what = REFUSED.get(kind, "of kind %s" % show(kind.decode("latin-1")))
        raise BadImage(_text(name), "is %s, and only regular files and folders may be in a bundle" % what)
    if mode & (stat.S_ISUID | stat.S_ISGID):
        raise BadImage(_text(name), "may be neither setuid nor setgid: use chmod ug-s")
    if kind == FOLDER and size:
        raise BadImage(_text(name), "is a folder, and must have size 0")
    if size > UNPACKED:
        raise BadImage(_text(name), "is too big: a bundle may unpack to %d bytes" % UNPACKED)


def _path(name, kind):
    """Return `name` without "./" before and "/" behind, b"" for the top; raise if it could lead anywhere else."""
    path = name[2:] if name.startswith(b"./") else name
    if kind == FOLDER:
        path = path[:-1] if path.endswith(b"/") else path
        if path in (b"", b".") and name.startswith(b"."):
            return b""
    parts, text = path.split(b"/"), _text(name)
    if name.startswith(b"/"):
        raise BadImage(text, "may not be absolute: names start at the top of the bundle")
    if len(name) > NAME:
        raise BadImage(text, "is too long: a name may have %d bytes" % NAME)
    if len(parts) > DEPTH:
        raise BadImage(text, "is too deep: a name may have %d parts" % DEPTH)
    if b"" in parts or b"." in parts or b".." in parts:
        raise BadImage(text or "''", "must be a plain name, with no empty part, no . and no ..")
    if b"\\" in name or text != name.decode("utf-8", "replace"):  # or _text had to spell it otherwise
        raise BadImage(text, "must be a name of printable UTF-8 without a backslash")
    return path


def _text(name):
    """Return a name as it may stand in a message: as it is, if that is printable UTF-8 and not too long."""
    text = name.decode("utf-8", "backslashreplace")
    return text if text.isprintable() and len(text) <= NAME else show(text)


def _make_folders(path, depth, made, staging):
    """Make the folders that the first `depth` parts of `path` name, unless they are there."""
    parts = path.split(b"/")
    for count in range(1, depth + 1):
        folder = b"/".join(parts[:count])
        if folder not in made:
            os.mkdir(staging + b"/" + folder)
            os.chmod(staging + b"/" + folder, 0o755)  # mkdir heeds the umask
            made[folder] = None
        elif made[folder] is not None:
            raise BadImage(_text(path), "needs a folder %s, which is a file of the bundle" % _text(folder))


def _make_file(packed, path, mode, size, made, staging):
    _make_folders(path, path.count(b"/"), made, staging)
    if path in made:
        raise BadImage(_text(path), "may be in a bundle only once, as a file or as a folder")
    made[path] = 0o755 if mode & 0o111 else 0o644
    with open(staging + b"/" + path, "xb", opener=_open_new) as file:
        for at in range(0, size, PIECE):
            file.write((yield from packed.read(min(PIECE, size - at))))
        os.fchmod(file.fileno(), made[path])
    yield from packed.read(-size % BLOCK)


def _open_new(path, flags):
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)  # mode "x" says O_CREAT and O_EXCL
