"""Checks: what a single value of the configuration must be.

Each takes the value and its place, and returns the value as the agent has it.  They raise BadRequest, which says where, and
what would be right.  A number, and what is true or false, may come as text: UCI has nothing else.
"""
import os
import re

from . import passwords
from .core import values
from .core.errors import BadRequest, show

ID = re.compile("[A-Za-z0-9_.-]{1,64}")
DRIVER = re.compile("[a-z][a-z0-9_]{0,31}")
LISTEN = re.compile(r"(?:(localhost|[0-9.]+)|\[([0-9A-Fa-f]*:[0-9A-Fa-f:.]+)\]):([0-9]{1,5})")
URL = re.compile(r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?(?:/[A-Za-z0-9._~/%+-]*)?")
HOST = re.compile("[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|[0-9A-Fa-f:]+:[0-9A-Fa-f:.]*")
NUMBER = re.compile(r"(?:0|[1-9][0-9]{0,15})(?:\.[0-9]{1,15})?")
TRUTH = {"1": True, "on": True, "true": True, "yes": True, "enabled": True,
         "0": False, "off": False, "false": False, "no": False, "disabled": False}
VLANS = re.compile("([0-9]{1,4})(?:-([0-9]{1,4}))?")

SOCKET_PATH = 107  # bytes of a unix socket's path, the kernel's limit
YEAR = 366 * 24 * 3600  # seconds


def each(value, where, check):
    if not isinstance(value, list):
        raise BadRequest(where, "must be a list, not %s" % show(value))
    return [check(entry, "%s[%d]" % (where, number)) for number, entry in enumerate(value)]


def different(values, where):
    """Return `values` unless one is there twice."""
    for number, value in enumerate(values):
        if value in values[:number]:
            raise BadRequest("%s[%d]" % (where, number),
                             "%s may be there once, and is %s[%d] too" % (show(value), where, values.index(value)))
    return values


def identifier(value, where):
    if not isinstance(value, str) or not ID.fullmatch(value):
        raise BadRequest(where, "must be 1 to 64 of A-Z a-z 0-9 _ . -, not %s" % show(value))
    return value


def text(value, where):
    if not isinstance(value, str) or not value.isprintable():
        raise BadRequest(where, "must be a text on one line, not %s" % show(value))
    return value


def path(value, where):
    if not isinstance(value, str) or not value.startswith("/") or not value.isprintable():
        raise BadRequest(where, "must be an absolute path, not %s" % show(value))
    return os.path.normpath(value)


def paths(value, where):
    return different(each(value, where, path), where)


def path_or_nothing(value, where):
    return value if value == "" else path(value, where)


def repository(value, where):
    if not isinstance(value, str) or not value.startswith(("http:", "https:")):
        return path(value, where)
    if "@" in value:
        raise BadRequest(where, "may have no user and password, which everybody sees who sees the processes of this node: "
                         "let the repository know this node by its address")
    found = URL.fullmatch(value)
    if not found or int(found.group(1) or 80) > 65535 or ".." in value:
        raise BadRequest(where, "must be a path, or like http://repository.example:8080/path, not %s" % show(value))
    return value.rstrip("/")


def number(value):
    """Return the number that a text is, all else as it is."""
    if isinstance(value, str) and NUMBER.fullmatch(value):
        return float(value) if "." in value else int(value)
    return value


def whole(first, last, meaning):
    """Return the check of a whole number from `first` to `last`."""
    def check(value, where):
        found = number(value)
        if not isinstance(found, int) or isinstance(found, bool) or not first <= found <= last:
            raise BadRequest(where, "must be %s, not %s" % (meaning, show(value)))
        return found
    return check


def driver(value, where):
    if not isinstance(value, str) or not DRIVER.fullmatch(value):
        raise BadRequest(where, "must be the name of a vSwitch driver, like ovs, not %s" % show(value))
    return value


def one_of(*words):
    def check(value, where):
        if value not in words:
            raise BadRequest(where, "must be %s, not %s" % (" or ".join(words), show(value)))
        return value
    return check


def fields(value, where):
    if not isinstance(value, dict):
        raise BadRequest(where, "must be an object, not %s" % show(value))
    return dict(value)


def password(value, where):
    try:
        return passwords.parse(value)
    except ValueError as error:
        raise BadRequest(where, str(error))


def listen(value, where):
    """Return a list of addresses, as http.Server takes them."""
    if isinstance(value, str):
        return [address(value, where)]
    addresses = different(each(value, where, address), where)
    if not addresses:
        raise BadRequest(where, "must have an address, like 127.0.0.1:8080")
    return addresses


def address(value, where):
    if isinstance(value, str) and value.startswith("unix:"):
        if len(path(value[len("unix:"):], where).encode()) > SOCKET_PATH:
            raise BadRequest(where, "is too long: the path of a unix socket may have %d bytes" % SOCKET_PATH)
        return value
    found = LISTEN.fullmatch(value) if isinstance(value, str) else None
    v4, v6, port = found.groups() if found else ("", "", "")
    if not found or int(port) > 65535 or not is_host(v4 or v6):
        raise BadRequest(where, "must be like 127.0.0.1:8080, [::1]:8080 or unix:/PATH, not %s" % show(value))
    return value


def is_host(text):
    import socket
    if text == "localhost":
        return True  # the one name that nobody has to be asked for
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
        return True
    except OSError:
        return False


def host_or_nothing(value, where):
    if value != "" and not (isinstance(value, str) and HOST.fullmatch(value)):
        raise BadRequest(where, "must be the name or the address of a host, not %s" % show(value))
    return value


def port(value, where):
    return value if value is None else _port(value, where)


def truth(value, where):
    found = TRUTH.get(value) if isinstance(value, str) else value
    if not isinstance(found, bool):
        raise BadRequest(where, "must be true or false, not %s" % show(value))
    return found


def name_or_nothing(value, where):
    return value if value == "" else interface_name(value, where)


def address_of_device(read):
    def check(value, where):
        try:
            return value if value == "" else read(value)
        except ValueError as error:
            raise BadRequest(where, "must be %s, not %s" % (error, show(value)))
    return check


def amount(value, where):
    found = number(value)
    if found is not None and (not isinstance(found, (int, float)) or isinstance(found, bool) or not 0 < found < 1 << 31):
        raise BadRequest(where, "must be a number above 0, not %s" % show(value))
    return found


def is_local(address):
    """Say whether only this machine reaches an address."""
    if address.startswith(("unix:", "localhost:", "127.")):
        return True
    import socket
    host = address.rpartition(":")[0]
    return host[0] == "[" and socket.inet_pton(socket.AF_INET6, host[1:-1]) == b"\0" * 15 + b"\1"


def interface_name(value, where):
    try:
        return values.interface_name(value)
    except ValueError as error:
        raise BadRequest(where, "must be %s, not %s" % (error, show(value)))


def vlans(value, where):
    """Return the VLAN ids as sorted (first, last) that neither overlap nor touch."""
    merged = []
    for first, last in sorted(each(value, where, vlan)):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged


def vlan(value, where):
    text = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    found = VLANS.fullmatch(text)
    first, last = found.groups() if found else (0, 0)
    first, last = int(first), int(last or first)
    if not 1 <= first <= last <= 4094:
        raise BadRequest(where, 'must be a VLAN id, 1 to 4094, or a range like "100-199", not %s' % show(value))
    return first, last


size = whole(1, 1 << 20, "a whole number of MiB, 1 or more")
lifetime = whole(1, YEAR, "a whole number of seconds, 1 to %d" % YEAR)
keepalive = whole(5, 3600, "a number of seconds, 5 to 3600")
seconds = whole(0, 86400, "a number of seconds, 0 to 86400")
_port = whole(1, 65535, "a TCP port, 1 to 65535")
