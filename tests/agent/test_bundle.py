"""Bundles: what is sound is unpacked, what is not leaves no trace, and neither ever takes long."""
import gzip
import hashlib
import io
import itertools
import os
import random
import stat
import subprocess
import sys
import tarfile
import time
import zlib

import pytest

from composer import bundle
from composer.core.errors import BadImage

START = b"#!/bin/sh\nexit 0\n"
END = bytes(1024)


def header(name, size=0, kind=b"0", mode=0o755, link=b"", magic=b"ustar\x0000", prefix=b"", **fields):
    """Return a tar header; `fields` are raw bytes put in place of the sound ones."""
    block = bytearray(512)
    places = {"name": (0, name), "mode": (100, b"%07o\0" % mode), "uid": (108, b"0000000\0"),
              "gid": (116, b"0000000\0"), "size": (124, b"%011o\0" % size), "mtime": (136, b"00000000000\0"),
              "kind": (156, kind), "link": (157, link), "magic": (257, magic), "prefix": (345, prefix)}
    for field, (at, value) in places.items():
        value = fields.get("raw_" + field, value)
        block[at:at + len(value)] = value
    block[148:156] = b"        "
    block[148:156] = fields.get("raw_sum", b"%06o\0 " % sum(block))
    return bytes(block)


def entry(name, body=b"", **fields):
    return header(name, len(body), **fields) + body + bytes(-len(body) % 512)


def folder(name, **fields):
    return entry(name, kind=b"5", **fields)


def pax(name, kind=b"x", **records):
    return entry(b"PaxHeaders/" + name, b"".join([record(*pair) for pair in records.items()]), kind=kind)


def record(key, value):
    text = b" %s=%s\n" % (key.replace("__", ".").encode(), value)
    length = len(text) + 1
    while len(b"%d" % length) + len(text) != length:
        length += 1
    return b"%d" % length + text


def long_name(name, **fields):
    return entry(b"././@LongLink", name + b"\0", kind=b"L", magic=b"ustar  \0", **fields)


def tgz(*entries, end=END):
    return gzip.compress(b"".join(entries) + end, 1)


GOOD = entry(b"start", START)


def snapshot(top):
    """Return all that is in a folder: what, mode, content."""
    found = {}
    for place, folders, files in os.walk(top):
        for name in folders + files:
            path = os.path.join(place, name)
            state = os.lstat(path)
            content = open(path, "rb").read() if stat.S_ISREG(state.st_mode) else None
            found[os.path.relpath(path, top)] = (oct(state.st_mode), content)
    return found


@pytest.fixture
def cage(tmp_path):
    """A folder with a victim in it, and beside what is unpacked."""
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "victim").write_text("mine too")
    return tmp_path


def unpack(cage, image, digest="", name="fw.tgz"):
    """Unpack the bytes `image`; return the folder and the number of slices."""
    (cage / "images").mkdir(exist_ok=True)
    (cage / "images" / name).write_bytes(image)
    place = cage / "home" / "fw"
    return place, sum(1 for _ in bundle.unpack(str(cage / "images" / name), str(place), digest))


def refused(cage, image, digest=""):
    """Have `image` refused and nothing changed; return the error."""
    before = snapshot(cage / "home"), (cage / "victim").read_text()
    with pytest.raises(BadImage) as caught:
        unpack(cage, image, digest)
    assert (snapshot(cage / "home"), (cage / "victim").read_text()) == before
    assert sorted(os.listdir(cage)) == ["home", "images", "victim"]
    assert caught.value.where and caught.value.message
    return caught.value


def edited(image, at, value):
    return image[:at] + value + image[at + len(value):]


def many(count, make):
    return lambda: tgz(GOOD, *[make(number) for number in range(count)])


def bomb(first, again, mebibytes):
    """Return a maker of a bundle that is `first` and then `again` and again, so many MiB."""
    def make():
        packer = zlib.compressobj(1, wbits=31)
        mebibyte = again * ((1 << 20) // len(again))
        return b"".join([packer.compress(first)] + [packer.compress(mebibyte) for _ in range(mebibytes)]
                        + [packer.compress(END), packer.flush()])
    return make


def empty_blocks():
    """Return the biggest .tgz of deflate blocks in which there is nothing."""
    return (b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + b"\0\0\0\xff\xff" * (bundle.PACKED // 5) + b"\x03\0" + bytes(8))


def noise(size):
    return random.Random(1).randbytes(size)


SOUND = tgz(GOOD)

# what is wrong: (the bundle or what makes it, the place that is named, a part of the message)
BAD = {
    # names that lead elsewhere
    "absolute": (tgz(GOOD, entry(b"/victim", b"!")), "/victim", "absolute"),
    "absolute, twice": (tgz(GOOD, entry(b"//victim", b"!")), "//victim", "absolute"),
    "dot absolute": (tgz(GOOD, entry(b".//victim", b"!")), ".//victim", "plain name"),
    "absolute folder": (tgz(GOOD, folder(b"/new/")), "/new/", "absolute"),
    "the root": (tgz(GOOD, folder(b"/")), "/", "absolute"),
    "dot dot": (tgz(GOOD, entry(b"../victim", b"!")), "../victim", "plain name"),
    "dot dot within": (tgz(GOOD, entry(b"a/../../victim", b"!")), "a/../../victim", "plain name"),
    "dot dot that stays": (tgz(GOOD, entry(b"a/../b", b"!")), "a/../b", "plain name"),
    "dot dot folder": (tgz(GOOD, folder(b"../new")), "../new", "plain name"),
    "dot dot alone": (tgz(GOOD, folder(b"..")), "..", "plain name"),
    "dot dot behind a dot": (tgz(GOOD, entry(b"./../victim", b"!")), "./../victim", "plain name"),
    "dot dot in the prefix": (tgz(GOOD, entry(b"victim", b"!", prefix=b"..")), "../victim", "plain name"),
    "absolute by prefix": (tgz(GOOD, entry(b"victim", b"!", prefix=b"/tmp")), "/tmp/victim", "absolute"),
    "dot dot by a pax path": (tgz(GOOD, pax(b"x", path=b"../victim"), entry(b"x", b"!")), "../victim", "plain name"),
    "absolute by a pax path": (tgz(GOOD, pax(b"x", path=b"/victim"), entry(b"x", b"!")), "/victim", "absolute"),
    "dot dot by a long name": (tgz(GOOD, long_name(b"../victim"), entry(b"x", b"!")), "../victim", "plain name"),
    "dot dot by backslashes": (tgz(GOOD, entry(b"..\\victim", b"!")), "..\\victim", "backslash"),
    "backslash": (tgz(GOOD, entry(b"bin\\sh", b"!")), "bin\\sh", "backslash"),
    # names that are none
    "empty name": (tgz(GOOD, entry(b"", b"!")), "''", "plain name"),
    "empty folder name": (tgz(GOOD, folder(b"")), "''", "plain name"),
    "file called dot": (tgz(GOOD, entry(b".", b"!")), ".", "plain name"),
    "file called dot slash": (tgz(GOOD, entry(b"./", b"!")), "./", "plain name"),
    "empty part": (tgz(GOOD, entry(b"a//b", b"!")), "a//b", "plain name"),
    "dot part": (tgz(GOOD, entry(b"a/./b", b"!")), "a/./b", "plain name"),
    "file with a slash behind": (tgz(GOOD, entry(b"lib/", b"!")), "lib/", "plain name"),
    "folder with two slashes behind": (tgz(GOOD, folder(b"lib//")), "lib//", "plain name"),
    "NUL in a name": (tgz(GOOD, entry(b"a\0/../victim", b"!")), "'a\\x00/../victim'", "plain name"),
    "NUL and a suffix": (tgz(GOOD, entry(b"start\0.txt", b"!")), "'start\\x00.txt'", "printable"),
    "NUL in a long name": (tgz(GOOD, long_name(b"a\0b"), entry(b"x", b"!")), "'a\\x00b'", "printable"),
    "NUL in a pax path": (tgz(GOOD, pax(b"x", path=b"a\0b"), entry(b"x", b"!")), "'a\\x00b'", "printable"),
    "line feed": (tgz(GOOD, entry(b"a\nb", b"!")), "'a\\nb'", "printable"),
    "escape": (tgz(GOOD, entry(b"\x1b[2J", b"!")), "'\\x1b[2J'", "printable"),
    "delete": (tgz(GOOD, entry(b"a\x7f", b"!")), "'a\\x7f'", "printable"),
    "right to left": (tgz(GOOD, entry("a\u202eb".encode(), b"!")), "'a\\u202eb'", "printable"),
    "not UTF-8": (tgz(GOOD, entry(b"a\xff", b"!")), "a\\xff", "UTF-8"),
    "surrogate": (tgz(GOOD, entry(b"a\xed\xa0\x80", b"!")), "a\\xed\\xa0\\x80", "UTF-8"),
    "name too long": (tgz(GOOD, long_name(b"n" * 256), entry(b"x", b"!")), "nnnn", "255 bytes"),
    "pax name too long": (tgz(GOOD, pax(b"x", path=b"n" * 300), entry(b"x", b"!")), "nnnn", "255 bytes"),
    "name too deep": (tgz(GOOD, entry(b"1/2/3/4/5/6/7/8/9", b"!")), "1/2/3/4/5/6/7/8/9", "8 parts"),
    "folder too deep": (tgz(GOOD, folder(b"1/2/3/4/5/6/7/8/9/")), "1/2/3/4/5/6/7/8/9/", "8 parts"),
    # kinds that are neither file nor folder
    "symbolic link": (tgz(GOOD, entry(b"link", kind=b"2", link=b"/etc/passwd")), "link", "symbolic link"),
    "start is a link": (tgz(entry(b"start", kind=b"2", link=b"/bin/sh")), "start", "symbolic link"),
    "through a link": (tgz(GOOD, entry(b"up", kind=b"2", link=b".."), entry(b"up/victim", b"!")),
                       "up", "symbolic link"),
    "hard link": (tgz(GOOD, entry(b"link", kind=b"1", link=b"start")), "link", "hard link"),
    "hard link outside": (tgz(GOOD, entry(b"link", kind=b"1", link=b"../../victim")), "link", "hard link"),
    "hard link with a body": (tgz(GOOD, entry(b"link", b"!", kind=b"1", link=b"start")), "link", "hard link"),
    "character device": (tgz(GOOD, entry(b"null", kind=b"3")), "null", "a device"),
    "block device": (tgz(GOOD, entry(b"disk", kind=b"4")), "disk", "a device"),
    "named pipe": (tgz(GOOD, entry(b"pipe", kind=b"6")), "pipe", "named pipe"),
    "contiguous file": (tgz(GOOD, entry(b"old", b"!", kind=b"7")), "old", "contiguous"),
    "sparse file": (tgz(GOOD, entry(b"holes", b"!", kind=b"S")), "holes", "sparse"),
    "long name of a link": (tgz(GOOD, entry(b"././@LongLink", b"/etc\0", kind=b"K"), entry(b"x", kind=b"2")),
                            "././@LongLink", "link"),
    "volume label": (tgz(entry(b"label", kind=b"V"), GOOD), "label", "kind 'V'"),
    "multi-volume": (tgz(GOOD, entry(b"rest", b"!", kind=b"M")), "rest", "kind 'M'"),
    "Solaris extension": (tgz(GOOD, entry(b"x", b"!", kind=b"X")), "x", "kind 'X'"),
    "unknown kind": (tgz(GOOD, entry(b"what", kind=b"Z")), "what", "kind 'Z'"),
    # modes
    "setuid": (tgz(GOOD, entry(b"su", b"!", mode=0o4755)), "su", "setuid"),
    "setgid": (tgz(GOOD, entry(b"wall", b"!", mode=0o2755)), "wall", "setgid"),
    "setuid start": (tgz(entry(b"start", START, mode=0o4711)), "start", "setuid"),
    "setgid folder": (tgz(GOOD, folder(b"mail", mode=0o2755)), "mail", "setgid"),
    # what is there already
    "file twice": (tgz(GOOD, entry(b"a", b"1"), entry(b"a", b"2")), "a", "only once"),
    "start twice": (tgz(GOOD, GOOD), "start", "only once"),
    "file twice, spelt otherwise": (tgz(GOOD, entry(b"./start", b"2")), "start", "only once"),
    "file over a folder": (tgz(GOOD, folder(b"a/"), entry(b"a", b"1")), "a", "only once"),
    "file over an implied folder": (tgz(GOOD, entry(b"a/b", b"1"), entry(b"a", b"1")), "a", "only once"),
    "folder over a file": (tgz(GOOD, entry(b"a", b"1"), folder(b"a/")), "a", "file of the bundle"),
    "file in a file": (tgz(GOOD, entry(b"start/x", b"1")), "start/x", "start, which is a file"),
    # start
    "no start": (tgz(entry(b"stop", START)), "start", "at the top"),
    "nothing in it": (tgz(), "start", "at the top"),
    "start further down": (tgz(folder(b"fw/"), entry(b"fw/start", START)), "start", "at the top"),
    "start not executable": (tgz(entry(b"start", START, mode=0o644)), "start", "x bit"),
    "start is a folder": (tgz(folder(b"start/")), "start", "regular file"),
    # pax headers and long names
    "pax size": (tgz(GOOD, pax(b"x", size=b"1"), entry(b"x", b"12")), "PaxHeaders/x", "size"),
    "pax linkpath": (tgz(GOOD, pax(b"x", linkpath=b"/etc"), entry(b"x", kind=b"2")), "PaxHeaders/x", "linkpath"),
    "pax sparse": (tgz(GOOD, pax(b"x", GNU__sparse__size=b"9"), entry(b"x", b"1")), "PaxHeaders/x", "GNU.sparse.size"),
    "pax sparse name": (tgz(GOOD, pax(b"x", GNU__sparse__name=b"../victim"), entry(b"x", b"1")), "PaxHeaders/x", "GNU"),
    "pax charset": (tgz(GOOD, pax(b"x", hdrcharset=b"BINARY"), entry(b"x", b"1")), "PaxHeaders/x", "hdrcharset"),
    "pax path for all": (tgz(pax(b"x", kind=b"g", path=b"start"), entry(b"x", b"1")), "start", "all entries"),
    "pax size for all": (tgz(pax(b"x", kind=b"g", size=b"1"), GOOD), "PaxHeaders/x", "size"),
    "pax length 0": (tgz(entry(b"p", b"0 a=b\n", kind=b"x"), GOOD), "p", "records"),
    "pax length too big": (tgz(entry(b"p", b"99999 a=b\n", kind=b"x"), GOOD), "p", "records"),
    "pax length too small": (tgz(entry(b"p", b"3 a=b\n", kind=b"x"), GOOD), "p", "records"),
    "pax length negative": (tgz(entry(b"p", b"-7 a=b\n", kind=b"x"), GOOD), "p", "records"),
    "pax length endless": (tgz(entry(b"p", b"9" * 5000 + b" a=b\n", kind=b"x"), GOOD), "p", "records"),
    "pax without records": (tgz(entry(b"p", b"nothing", kind=b"x"), GOOD), "p", "records"),
    "pax too long": (tgz(pax(b"p", comment=bytes(9000)), GOOD), "PaxHeaders/p", "8192 bytes"),
    "long name too long": (tgz(long_name(b"n" * 9000), GOOD), "././@LongLink", "8192 bytes"),
    "long name of 8 GiB": (tgz(header(b"././@LongLink", 8 ** 11 - 1, kind=b"L"), GOOD), "././@LongLink", "8192 bytes"),
    "two long names": (tgz(GOOD, long_name(b"a"), long_name(b"../victim"), entry(b"x")), "../victim", "only long name"),
    "pax and GNU names": (tgz(GOOD, long_name(b"a"), pax(b"x", path=b"b"), entry(b"x")), "b", "only long name"),
    "long name at the end": (tgz(GOOD, long_name(b"a")), "a", "entry after it"),
    "long name of a link to outside": (tgz(GOOD, long_name(b"deep"), entry(b"x", kind=b"2")), "deep", "symbolic link"),
    # sizes
    "too much": (lambda: tgz(GOOD, entry(b"big", bytes(bundle.UNPACKED))), "fw.tgz", "is too big"),
    "a little too much": (lambda: tgz(entry(b"start", bytes(bundle.UNPACKED - 1536)), end=bytes(1025)),
                          "fw.tgz", "is too big"),
    "too much in one size": (tgz(GOOD, header(b"big", bundle.UNPACKED + 1)), "big", "is too big"),
    "too much in many": (many(40, lambda n: entry(b"f%d" % n, bytes(1 << 19))), "fw.tgz", "is too big"),
    "too much padding": (bomb(GOOD, bytes(512), 16), "fw.tgz", "is too big"),
    "too much in pax headers": (bomb(GOOD, pax(b"x", comment=b"c" * 8000), 17), "fw.tgz", "is too big"),
    "a bomb": (bomb(GOOD + header(b"bomb", 200 << 20), bytes(512), 200), "bomb", "is too big"),
    "a bomb of padding": (bomb(GOOD, bytes(512), 200), "fw.tgz", "is too big"),
    "a bomb of headers": (bomb(GOOD, pax(b"x", mtime=b"1"), 100), "fw.tgz", "is too big"),
    "a bomb of nothing": (empty_blocks, "fw.tgz", "is too big: a .tgz"),
    "too big a file": (lambda: SOUND + noise(bundle.PACKED), "fw.tgz", "end of the gzip"),
    "too big a sound file": (lambda: tgz(GOOD, entry(b"r", noise(9 << 20))), "fw.tgz", "is too big: a .tgz"),
    "too many files": (many(1000, lambda n: entry(b"f%d" % n)), "f999", "one too many"),
    "too many folders": (many(1100, lambda n: folder(b"d%d/" % n)), "d99", "one too many"),
    "too many implied folders": (many(200, lambda n: entry(b"%d/2/3/4/5/6/7/8" % n)), "/2/3/4/5/6/7/8", "one too many"),
    "a million entries": (bomb(GOOD, folder(b"./"), 512), "./", "one too many"),
    "base-256 size": (tgz(GOOD, header(b"b", raw_size=b"\x80" + bytes(10) + b"\1")), "b", "octal"),
    "negative size": (tgz(GOOD, header(b"b", raw_size=b"-0000000001\0")), "b", "octal"),
    "base-256 negative size": (tgz(GOOD, header(b"b", raw_size=b"\xff" * 12)), "b", "octal"),
    "size with an underscore": (tgz(GOOD, header(b"b", raw_size=b"0000_000001\0")), "b", "octal"),
    "size with a prefix": (tgz(GOOD, header(b"b", raw_size=b"0o000000001\0")), "b", "octal"),
    "size with a 9": (tgz(GOOD, header(b"b", raw_size=b"00000000009\0")), "b", "octal"),
    "size with a NUL within": (tgz(GOOD, header(b"b", raw_size=b"0001\x000000001")), "b", "octal"),
    "no size": (tgz(GOOD, header(b"b", raw_size=bytes(12))), "b", "octal"),
    "no mode": (tgz(GOOD, header(b"b", raw_mode=bytes(8))), "b", "octal"),
    "folder with a size": (tgz(GOOD, folder(b"d/", raw_size=b"00000001000\0"), bytes(512)), "d/", "size 0"),
    # the tar itself
    "wrong checksum": (tgz(GOOD, header(b"b", raw_sum=b"000000\0 ")), "fw.tgz", "header of b is wrong"),
    "checksum of text": (tgz(GOOD, header(b"b", raw_sum=b"checksum")), "fw.tgz", "octal"),
    "not a tar": (gzip.compress(b"#!/bin/sh\n" * 1000), "fw.tgz", "octal"),
    "text for a tar": (gzip.compress(b"hello"), "fw.tgz", "ends too early"),
    "nothing for a tar": (gzip.compress(b""), "fw.tgz", "ends too early"),
    "no end": (tgz(GOOD, end=b""), "fw.tgz", "ends too early"),
    "ends in a header": (tgz(GOOD, GOOD[:100], end=b""), "fw.tgz", "ends too early"),
    "ends in a file": (tgz(GOOD, header(b"b", 1 << 20), bytes(1 << 19), end=b""), "fw.tgz", "ends too early"),
    "a tar behind the end": (tgz(GOOD, END, entry(b"x", b"1")), "fw.tgz", "after the end of the tar"),
    "one byte behind the end": (tgz(GOOD, end=END + bytes(70000) + b"!"), "fw.tgz", "after the end of the tar"),
    # the gzip itself
    "empty file": (b"", "fw.tgz", "ends too early"),
    "not gzip": (b"PK\3\4" + bytes(100), "fw.tgz", "sound gzip"),
    "a bare tar": (GOOD + END, "fw.tgz", "sound gzip"),
    "zlib for gzip": (zlib.compress(GOOD + END), "fw.tgz", "sound gzip"),
    "gzip header only": (SOUND[:10], "fw.tgz", "ends too early"),
    "half a gzip header": (SOUND[:5], "fw.tgz", "ends too early"),
    "half a gzip": (SOUND[:len(SOUND) // 2], "fw.tgz", "ends too early"),
    "no crc": (SOUND[:-8], "fw.tgz", "ends too early"),
    "one byte short": (SOUND[:-1], "fw.tgz", "ends too early"),
    "wrong crc": (edited(SOUND, len(SOUND) - 8, b"\1\2\3\4"), "fw.tgz", "sound gzip"),
    "wrong length": (edited(SOUND, len(SOUND) - 4, b"\1\2\3\4"), "fw.tgz", "sound gzip"),
    "rubbish behind": (SOUND + b"rubbish", "fw.tgz", "end of the gzip"),
    "zeros behind": (SOUND + bytes(512), "fw.tgz", "end of the gzip"),
    "a second gzip behind": (SOUND + SOUND, "fw.tgz", "end of the gzip"),
    "rubbish at a piece's end": (lambda: exactly(bundle.PIECE) + b"!", "fw.tgz", "end of the gzip"),
    "garbled middle": (edited(SOUND, 20, b"\xff" * 20), "fw.tgz", "sound gzip"),
}


def exactly(size):
    """Return a sound bundle of `size` bytes, the gzip header's file name filling it up."""
    bare = tgz(GOOD)
    return bare[:3] + b"\x08" + bare[4:10] + b"n" * (size - len(bare) - 1) + b"\0" + bare[10:]


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_bundle_is_refused_by_name_and_leaves_nothing(cage, kind):
    image, where, message = BAD[kind]
    image = image() if callable(image) else image
    started = time.monotonic()
    error = refused(cage, image)
    assert where in error.where and message in error.message, str(error)
    assert "\n" not in str(error) and str(error).isprintable() and len(str(error)) < 500
    assert time.monotonic() - started < 5


def test_the_table_of_bad_bundles_is_long():
    assert len(BAD) > 100


def test_times_where_gnu_tar_keeps_them_are_no_prefix(cage):
    place, _ = unpack(cage, tgz(entry(b"start", START, magic=b"ustar  \0", prefix=b"14712345678\0")))
    assert os.listdir(place) == ["start"]


def test_the_smallest_bundle(cage):
    place, _ = unpack(cage, SOUND)
    assert snapshot(place) == {"start": ("0o100755", START)}
    assert stat.S_IMODE(os.stat(place).st_mode) == 0o755
    assert os.listdir(cage / "home").count("fw.part") == 0


def test_modes_are_made_plain_whatever_the_umask(cage):
    old = os.umask(0o077)
    try:
        place, _ = unpack(cage, tgz(
            folder(b"./", mode=0o700), entry(b"./start", START, mode=0o500), folder(b"./etc", mode=0o1777),
            entry(b"./etc/secret", b"s", mode=0o600), entry(b"./etc/open", b"o", mode=0o666),
            entry(b"./bin/tool", b"t", mode=0o001), entry(b"sticky", b"", mode=0o1644)))
    finally:
        os.umask(old)
    assert {name: mode for name, (mode, _) in snapshot(place).items()} == {
        "start": "0o100755", "etc": "0o40755", "etc/secret": "0o100644", "etc/open": "0o100644",
        "bin": "0o40755", "bin/tool": "0o100755", "sticky": "0o100644"}
    assert os.stat(place / "start").st_uid == os.geteuid()


GOODS = {
    "v7": entry(b"start", START, magic=b"", kind=b"\0"),
    "GNU": entry(b"start", START, magic=b"ustar  \0"),
    "long name": GOOD + long_name(b"lib/" + b"n" * 120) + entry(b"lib/nnn", b"x"),
    "a name of 255 bytes": GOOD + long_name(b"n" * 120 + b"/" + b"m" * 134) + entry(b"n", b"x"),
    "pax path": pax(b"start", path=b"start", mtime=b"1.5") + entry(b"other", START),
    "pax for all": pax(b"x", kind=b"g", comment=b"0123abc") + GOOD,
    "pax attributes": pax(b"x", SCHILY__xattr__user__a=b"b\nc=d", uid=b"99999999") + GOOD,
    "prefix": GOOD + entry(b"filter", b"x", prefix=b"bin"),
    "eight parts": GOOD + entry(b"1/2/3/4/5/6/7/8", b"x"),
    "folder twice": GOOD + folder(b"lib/") + entry(b"lib/a", b"x") + folder(b"./lib"),
    "the top": folder(b".") + folder(b"./") + GOOD,
    "empty file": GOOD + entry(b"empty"),
    "a file that fills its block": GOOD + entry(b"b", b"x" * 512) + entry(b"c", b"x" * bundle.PIECE),
    "names like options": GOOD + entry(b"-rf", b"x") + entry(b"...", b"x") + entry(b"..a", b"x") + entry(b" ", b"x"),
    "another alphabet": GOOD + entry("caf\u00e9".encode(), b"x"),
    "mode with a type": entry(b"start", START, mode=0o100755),
    "numbers with blanks": header(b"start", raw_mode=b"   755 \0", raw_size=b"          0 "),
    "1000 entries": GOOD + b"".join([entry(b"f%d" % n) for n in range(999)]),
}


@pytest.mark.parametrize("kind", GOODS)
def test_what_other_tars_write_is_unpacked_as_tarfile_would(cage, kind):
    image = tgz(GOODS[kind])
    place, _ = unpack(cage, image)
    with tarfile.open(fileobj=io.BytesIO(image)) as tar:
        wanted = {member.name.removeprefix("./"): tar.extractfile(member).read()
                  for member in tar if member.isfile()}
    assert {name: text for name, (_, text) in snapshot(place).items() if text is not None} == wanted


@pytest.mark.parametrize("command", ["tar -czf %s .", "tar --format=posix -czf %s .", "tar --format=ustar -czf %s .",
                                     "tar --format=v7 -czf %s start bin/tool", "tar -czf %s *",
                                     "busybox tar -czf %s .", "python3 -m tarfile -c %s start bin"])
def test_what_the_tools_at_hand_pack_is_unpacked(cage, command):
    tree, image = cage / "tree", cage / "made.tgz"
    (tree / "bin").mkdir(parents=True)
    for name in ("start", "bin/tool"):
        (tree / name).write_bytes(START)
        (tree / name).chmod(0o750)
    if subprocess.run(command % image, shell=True, cwd=tree, stderr=subprocess.PIPE).returncode == 127:
        pytest.skip("not on this machine")
    place, _ = unpack(cage, image.read_bytes())
    assert snapshot(place) == {"start": ("0o100755", START), "bin": ("0o40755", None),
                               "bin/tool": ("0o100755", START)}


def test_the_biggest_bundle_is_exactly_as_big_as_the_limits(cage):
    body = bundle.UNPACKED - 512 - 1024
    place, _ = unpack(cage, tgz(entry(b"start", bytes(body))))
    assert os.path.getsize(place / "start") == body
    bundle.remove(str(place))
    unpack(cage, exactly(bundle.PACKED))
    bundle.remove(str(place))
    assert "is too big: a .tgz" in refused(cage, exactly(bundle.PACKED + 1)).message


def test_a_file_that_ends_where_a_piece_ends(cage):
    for size in (bundle.PIECE - 1, bundle.PIECE, bundle.PIECE + 1, 2 * bundle.PIECE):
        bundle.remove(str(unpack(cage, exactly(size))[0]))


def test_no_more_is_inflated_than_the_cap_and_a_block(cage, monkeypatch):
    lengths = []
    real = zlib.decompressobj

    class Counting:
        def __init__(self, wbits):
            self.real = real(wbits=wbits)

        def decompress(self, data, most):
            piece = self.real.decompress(data, most)
            lengths.append(len(piece))
            return piece

        def __getattr__(self, name):
            return getattr(self.real, name)

    monkeypatch.setattr(zlib, "decompressobj", Counting)
    refused(cage, BAD["a bomb of padding"][0]())
    assert bundle.UNPACKED < sum(lengths) <= bundle.UNPACKED + bundle.BLOCK
    assert max(lengths) <= bundle.PIECE


def test_a_folder_that_is_there_is_left_alone(cage):
    (cage / "home" / "fw").mkdir()
    before = snapshot(cage)
    assert list(bundle.unpack("/no/such/image", str(cage / "home" / "fw"))) == []
    assert snapshot(cage) == before


def test_a_left_over_staging_folder_is_removed_and_its_links_are_not_followed(cage):
    left = cage / "home" / "fw.part"
    (left / "deep" / "er").mkdir(parents=True)
    (left / "start").write_text("old")
    (left / "out").symlink_to(cage)
    (left / "deep" / "victim").symlink_to(cage / "victim")
    place, _ = unpack(cage, SOUND)
    assert snapshot(place) == {"start": ("0o100755", START)}
    assert (cage / "victim").read_text() == "mine" and not left.exists()


def test_a_staging_folder_that_is_a_link_is_not_entered(cage):
    (cage / "home" / "fw.part").symlink_to(cage)
    unpack(cage, SOUND)
    assert sorted(os.listdir(cage)) == ["home", "images", "victim"]


def test_a_digest_must_be_that_of_the_file(cage):
    digest = hashlib.sha256(SOUND).hexdigest()
    error = refused(cage, SOUND, "0" * 64)
    assert (error.where, digest in error.message) == ("fw.tgz", True)
    unpack(cage, SOUND, digest.upper())


def test_a_sound_digest_excuses_nothing(cage):
    image = BAD["symbolic link"][0]
    refused(cage, image, hashlib.sha256(image).hexdigest())


def test_the_parents_of_the_folder_are_made(cage):
    (cage / "fw.tgz").write_bytes(SOUND)
    list(bundle.unpack(str(cage / "fw.tgz"), str(cage / "run" / "images" / "fw")))
    assert (cage / "run" / "images" / "fw" / "start").exists()


@pytest.mark.parametrize("image", ["missing.tgz", "home", "pipe", "nul\0.tgz"])
def test_an_image_that_is_no_file_is_refused_at_once(cage, image):
    os.mkfifo(cage / "pipe")
    with pytest.raises(BadImage) as caught:
        list(bundle.unpack(os.path.join(str(cage), image), str(cage / "home" / "fw")))
    assert caught.value.where == image
    assert os.listdir(cage / "home") == ["victim"]


def test_a_device_is_no_image(cage):
    with pytest.raises(BadImage, match="zero: must be a regular file"):
        list(bundle.unpack("/dev/zero", str(cage / "home" / "fw")))


def test_closed_after_any_slice_it_leaves_nothing(cage):
    image = tgz(GOOD, folder(b"lib/"), entry(b"lib/big", os.urandom(200000)), entry(b"last", b"x"))
    (cage / "fw.tgz").write_bytes(image)
    before, slices = snapshot(cage), 0
    while True:
        job = bundle.unpack(str(cage / "fw.tgz"), str(cage / "home" / "fw"))
        if sum(1 for _ in itertools.islice(job, slices)) < slices:
            break
        job.close()
        assert snapshot(cage) == before, "closed after %d slices" % slices
        slices += 1
    assert slices > 10 and (cage / "home" / "fw" / "last").exists()


def test_a_full_disk_is_named_and_leaves_nothing(cage, monkeypatch):
    real = os.fchmod

    def full(file, mode):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fchmod", full)
    before = snapshot(cage / "home")
    with pytest.raises(OSError, match="No space left"):  # not the image's fault: 507
        unpack(cage, SOUND)
    assert snapshot(cage / "home") == before
    monkeypatch.setattr(os, "fchmod", real)
    unpack(cage, SOUND)


def test_two_that_want_one_folder_share_the_work(cage):
    (cage / "fw.tgz").write_bytes(tgz(GOOD, entry(b"big", os.urandom(300000))))
    jobs = [bundle.unpack(str(cage / "fw.tgz"), str(cage / "home" / "fw")) for _ in range(3)]
    while jobs:
        jobs = [job for job in jobs if next(job, "done") != "done"]
    assert sorted(snapshot(cage / "home" / "fw")) == ["big", "start"]


def test_when_the_first_of_two_gives_up_the_second_goes_on(cage):
    (cage / "fw.tgz").write_bytes(tgz(GOOD, entry(b"big", os.urandom(300000))))
    first, second = [bundle.unpack(str(cage / "fw.tgz"), str(cage / "home" / "fw")) for _ in range(2)]
    for _ in range(3):
        next(first), next(second)
    first.close()
    assert list(second) and sorted(snapshot(cage / "home" / "fw")) == ["big", "start"]


def slices(image, folder):
    """Return the milliseconds of each slice, the first and the last too."""
    job, times, more = bundle.unpack(str(image), str(folder)), [], True
    while more:
        started = time.perf_counter()
        try:
            next(job)
        except (StopIteration, BadImage):
            more = False
        times.append(1000 * (time.perf_counter() - started))
    return times


@pytest.mark.parametrize("kind, image", [
    ("one big file", lambda: tgz(entry(b"start", bytes(bundle.UNPACKED - 2048)))),
    ("7 MiB that do not shrink", lambda: tgz(entry(b"start", noise(7 << 20)))),
    ("1000 files of 16 kB", many(999, lambda n: entry(b"f%d" % n, b"x" * 15800))),
    ("1000 deep files", many(990, lambda n: entry(b"1/2/3/4/5/6/7/%d" % n, b"x"))),
    ("1001 files, refused", many(1000, lambda n: entry(b"f%d" % n, b"x"))),
    ("blocks of nothing, refused", empty_blocks),
])
def test_no_slice_is_long(cage, kind, image):
    (cage / "fw.tgz").write_bytes(image())
    runs = [slices(cage / "fw.tgz", cage / "home" / str(number)) for number in range(3)]
    times = [min(each) for each in zip(*runs, strict=True)]  # what a busy machine adds is not at the same slice in each
    print("%s: %d slices, the longest %.1f ms" % (kind, len(times), max(times)))
    assert len(times) > 200 and max(times) < 20


def test_remove_takes_links_pipes_and_locked_files_but_not_what_they_lead_to(cage):
    tree = cage / "tree"
    (tree / "a" / "b" / "c").mkdir(parents=True)
    (tree / "a" / "out").symlink_to(cage / "home")
    (tree / "a" / "lost").symlink_to("nowhere")
    os.mkfifo(tree / "pipe")
    (tree / "a" / "b" / "file").write_text("x")
    (tree / "a" / "b" / "file").chmod(0)
    os.link(cage / "victim", tree / "hard")
    bundle.remove(str(tree))
    assert sorted(os.listdir(cage)) == ["home", "victim"] and (cage / "home" / "victim").exists()


def test_remove_minds_neither_absence_nor_a_file_nor_a_link(cage):
    bundle.remove(str(cage / "absent"))
    bundle.remove(str(cage / "absent" / "deeper"))
    (cage / "link").symlink_to(cage / "home")
    (cage / "file").write_text("x")
    bundle.remove(str(cage / "link"))
    bundle.remove(str(cage / "file"))
    assert sorted(os.listdir(cage)) == ["home", "victim"]


def mutated(rng, tar):
    """Return a bundle in which something is wrong: in the tar, often with a true checksum, or in the gzip."""
    tar = bytearray(tar)
    for _ in range(rng.choice((1, 1, 2, 8))):
        at = rng.randrange(len(tar))
        what = rng.randrange(6)
        if what == 0:
            tar[at] = rng.randrange(256)
        elif what == 1:
            tar[at:at] = rng.randbytes(rng.choice((1, 512)))
        elif what == 2:
            del tar[at:at + rng.choice((1, 512, 1024))]
        elif what == 3:
            other = rng.randrange(len(tar) // 512) * 512
            tar[at - at % 512:at - at % 512] = tar[other:other + 512]
        else:  # a field of a header, and its checksum
            at -= at % 512
            place, length = rng.choice(((0, 100), (100, 8), (124, 12), (156, 1), (157, 100), (257, 8), (345, 155)))
            value = rng.choice((b"../x", b"/x", b"\0", b"start", b"0000777", b"00000001000", b"1", b"2", b"5", b"L",
                                b"x", b"g", b"\x80", rng.randbytes(8)))[:length]
            tar[at + place:at + place + len(value)] = value
            if len(tar) >= at + 512:
                tar[at + 148:at + 156] = b"%06o\0 " % (sum(tar[at:at + 512]) - sum(tar[at + 148:at + 156]) + 256)
    image = bytearray(gzip.compress(bytes(tar), 1))
    if rng.randrange(4) == 0:
        image[rng.randrange(len(image))] = rng.randrange(256)
    return bytes(image)


def test_2000_mutations_are_refused_or_unpacked_and_nothing_else(cage):
    rng, done = random.Random(20240607), {"refused": 0, "unpacked": 0}
    tar = (pax(b"g", kind=b"g", comment=b"c") + folder(b"./") + GOOD + pax(b"x", path=b"lib/a", mtime=b"1")
           + entry(b"a", b"x" * 700) + long_name(b"lib/" + b"n" * 110) + entry(b"n", b"y" * 10) + END)
    before, slow = snapshot(cage / "home"), time.monotonic()
    for number in range(2000):
        image = mutated(rng, tar)
        try:
            place, _ = unpack(cage, image)
            done["unpacked"] += 1
            assert (place / "start").stat().st_mode == 0o100755
            for mode, _ in snapshot(place).values():
                assert mode in ("0o100755", "0o100644", "0o40755")
            bundle.remove(str(place))
        except BadImage as error:
            done["refused"] += 1
            assert str(error).isprintable()
        assert snapshot(cage / "home") == before, "mutation %d" % number
    assert sorted(os.listdir(cage)) == ["home", "images", "victim"] and (cage / "victim").read_text() == "mine"
    assert min(done.values()) > 200, done
    assert time.monotonic() - slow < 30


def test_unpacking_imports_little(cage):
    (cage / "fw.tgz").write_bytes(SOUND)
    script = ("import os, stat, sys\nbefore = set(sys.modules)\nfrom composer import bundle\n"
              "list(bundle.unpack('fw.tgz', 'home/fw'))\nprint(*sorted(set(sys.modules) - before))")
    agent = os.path.dirname(os.path.dirname(bundle.__file__))
    done = subprocess.run([sys.executable, "-c", script], cwd=cage, env=dict(os.environ, PYTHONPATH=agent),
                          stdout=subprocess.PIPE, check=True, text=True)
    assert set(done.stdout.split()) - {"zlib"} <= {
        "composer", "composer.bundle", "composer.core", "composer.core.errors", "hashlib", "_hashlib", "_blake2"}
