"""Configuration: one JSON file becomes one value, checked and complete.

Every key has a default, so `{}` is a configuration.  A wrong value and an unknown key are refused with their
place, as in `interfaces[1].vlans[0]`, and with what would be right.  The tables at the end say it all: a line is a
key, what checks and completes its value, and its default.
"""
import os
import re
from collections import namedtuple

from . import auth, passwords
from .core import json, saps, values
from .core.errors import BadRequest, listed, show, unknown

ID = re.compile("[A-Za-z0-9_.-]{1,64}")
DRIVER = re.compile("[a-z][a-z0-9_]{0,31}")
LISTEN = re.compile(r"(?:(localhost|[0-9.]+)|\[([0-9A-Fa-f]*:[0-9A-Fa-f:.]+)\]):([0-9]{1,5})")
URL = re.compile(r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?(?:/[A-Za-z0-9._~/%+-]*)?")
VLANS = re.compile("([0-9]{1,4})(?:-([0-9]{1,4}))?")

LARGEST = 1 << 20  # bytes of a configuration
SOCKET_PATH = 107  # bytes of a unix socket's path, the kernel's limit
YEAR = 366 * 24 * 3600  # seconds


def load(path, environ=os.environ):
    """Return the Config that the file `path` says.  Raises BadRequest."""
    try:
        with open(path, "rb") as file:
            text = file.read(LARGEST + 1)
    except OSError as error:
        raise BadRequest(path, "cannot be read: %s" % error.strerror)
    if len(text) > LARGEST:
        raise BadRequest(path, "is too big: a configuration may have %d bytes" % LARGEST)
    return parse(text, environ, os.uname().nodename, path)


def parse(document, environ=os.environ, hostname="localhost", path="configuration"):
    """Return the Config that `document` says, a JSON text or its value.  Raises BadRequest.

    `hostname` is the default of node, OVS_RUNDIR of `environ` that of ovs.rundir, and `path` names the document
    where all of it is wrong.
    """
    if isinstance(document, (str, bytes)):
        try:
            document = json.loads(document)
        except ValueError as error:
            raise BadRequest(path, "must be JSON: %s" % error)
    if not isinstance(document, dict):
        raise BadRequest(path, "must be a JSON object, not %s" % show(document))
    config = _complete(Config, KEYS, {"node": hostname, **document}, "")
    inband, names = config.inband, [interface.name for interface in config.interfaces]
    if inband.interface and inband.interface not in names:
        raise BadRequest("inband.interface", "must be one of interfaces, those are %s, not %s" % (listed(names), inband.interface))
    for key in ("address", "gateway"):
        if getattr(inband, key) and not (inband.address and inband.interface):
            raise BadRequest("inband." + key, "goes with inband.interface and inband.address")
    _agree(config, document)
    rundir = config.ovs.rundir or _path_or_nothing(environ.get("OVS_RUNDIR", ""), "OVS_RUNDIR")
    cache = config.cache._replace(folder=config.cache.folder or config.state + "/cache")
    return config._replace(ovs=config.ovs._replace(rundir=rundir), cache=cache)


def _complete(value, keys, document, where):
    """Return `value`, a namedtuple, made of what `document` says about `keys`."""
    place = where + "." if where else ""
    known = [key for key, _, _ in keys]
    for key in document:
        if key not in known:
            raise BadRequest(place + key, unknown(key, known, "key"))
    return value(*[check(document.get(key, default), place + key) for key, check, default in keys])


def _agree(config, document):
    """Refuse what only two keys together make wrong."""
    users = [user.name for user in config.auth.users or ()]
    for number, address in enumerate(config.listen):
        if config.auth.users == [] and not _is_local(address):
            raise BadRequest("listen" if isinstance(document["listen"], str) else "listen[%d]" % number,
                             '%s is reached by others, and there are no users: have some in auth, or "auth": "none" if '
                             'whoever reaches it may do everything' % address)
    for number, interface in enumerate(config.interfaces):
        for place, name in enumerate(interface.owners or ()):
            if name not in users:
                raise BadRequest("interfaces[%d].owners[%d]" % (number, place), unknown(name, users, "user"))


def _each(value, where, check):
    if not isinstance(value, list):
        raise BadRequest(where, "must be a list, not %s" % show(value))
    return [check(entry, "%s[%d]" % (where, number)) for number, entry in enumerate(value)]


def _different(values, where):
    """Return `values` unless one is there twice."""
    for number, value in enumerate(values):
        if value in values[:number]:
            raise BadRequest("%s[%d]" % (where, number),
                             "%s may be there once, and is %s[%d] too" % (show(value), where, values.index(value)))
    return values


def _id(value, where):
    if not isinstance(value, str) or not ID.fullmatch(value):
        raise BadRequest(where, "must be 1 to 64 of A-Z a-z 0-9 _ . -, not %s" % show(value))
    return value


def _text(value, where):
    if not isinstance(value, str) or not value.isprintable():
        raise BadRequest(where, "must be a text on one line, not %s" % show(value))
    return value


def _path(value, where):
    if not isinstance(value, str) or not value.startswith("/") or not value.isprintable():
        raise BadRequest(where, "must be an absolute path, not %s" % show(value))
    return os.path.normpath(value)


def _paths(value, where):
    return _different(_each(value, where, _path), where)


def _path_or_nothing(value, where):
    return value if value == "" else _path(value, where)


def _repository(value, where):
    if not isinstance(value, str) or not value.startswith(("http:", "https:")):
        return _path(value, where)
    if "@" in value:
        raise BadRequest(where, "may have no user and password, which everybody sees who sees the processes of this node: "
                         "let the repository know this node by its address")
    found = URL.fullmatch(value)
    if not found or int(found.group(1) or 80) > 65535 or ".." in value:
        raise BadRequest(where, "must be a path, or like http://repository.example:8080/path, not %s" % show(value))
    return value.rstrip("/")


def _cache(value, where):
    return _complete(Cache, CACHE_KEYS, _object(value, where), where)


def _size(value, where):
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 1 << 20:
        raise BadRequest(where, "must be a whole number of MiB, 1 or more, not %s" % show(value))
    return value


def _driver(value, where):
    if not isinstance(value, str) or not DRIVER.fullmatch(value):
        raise BadRequest(where, "must be the name of a vSwitch driver, like ovs, not %s" % show(value))
    return value


def _one_of(*words):
    def check(value, where):
        if value not in words:
            raise BadRequest(where, "must be %s, not %s" % (" or ".join(words), show(value)))
        return value
    return check


def _object(value, where):
    if not isinstance(value, dict):
        raise BadRequest(where, "must be an object, not %s" % show(value))
    return dict(value)


def _later(value, where):
    """What this agent does not do yet is refused, not taken in silence: "tls" that protects nothing is a trap."""
    if value != {}:
        raise BadRequest(where, "is not offered by this agent yet: leave it out")
    return {}


def _ovs(value, where):
    return _complete(Ovs, OVS_KEYS, _object(value, where), where)


def _auth(value, where):
    if value == "none":
        return Auth(None, 0)
    if not isinstance(value, dict):
        raise BadRequest(where, 'must be an object with users, or "none", not %s' % show(value))
    return _complete(Auth, AUTH_KEYS, value, where)


def _users(value, where):
    users = _each(value, where, lambda user, where: _complete(User, USER_KEYS, _object(user, where), where))
    _different([user.name for user in users], where)
    return users


def _password(value, where):
    try:
        return passwords.parse(value)
    except ValueError as error:
        raise BadRequest(where, str(error))


def _lifetime(value, where):
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= YEAR:
        raise BadRequest(where, "must be a whole number of seconds, 1 to %d, not %s" % (YEAR, show(value)))
    return value


def _listen(value, where):
    """Return a list of addresses, as http.Server takes them."""
    if isinstance(value, str):
        return [_address(value, where)]
    addresses = _different(_each(value, where, _address), where)
    if not addresses:
        raise BadRequest(where, "must have an address, like 127.0.0.1:8080")
    return addresses


def _address(value, where):
    if isinstance(value, str) and value.startswith("unix:"):
        path = _path(value[len("unix:"):], where)
        if len(path.encode()) > SOCKET_PATH:
            raise BadRequest(where, "is too long: the path of a unix socket may have %d bytes" % SOCKET_PATH)
        return value
    found = LISTEN.fullmatch(value) if isinstance(value, str) else None
    v4, v6, port = found.groups() if found else ("", "", "")
    if not found or int(port) > 65535 or not _is_host(v4 or v6):
        raise BadRequest(where, "must be like 127.0.0.1:8080, [::1]:8080 or unix:/PATH, not %s" % show(value))
    return value


def _is_host(text):
    import socket
    if text == "localhost":
        return True  # the one name that nobody has to be asked for
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
        return True
    except OSError:
        return False


def _inband(value, where):
    return _complete(Inband, INBAND_KEYS, _object(value, where), where)


def _name_or_nothing(value, where):
    return value if value == "" else _interface_name(value, where)


def _address_of_device(read):
    def check(value, where):
        try:
            return value if value == "" else read(value)
        except ValueError as error:
            raise BadRequest(where, "must be %s, not %s" % (error, show(value)))
    return check


def _resources(value, where):
    return _complete(Resources, RESOURCE_KEYS, _object(value, where), where)


def _amount(value, where):
    if value is not None and (not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 < value < 1 << 31):
        raise BadRequest(where, "must be a number above 0, not %s" % show(value))
    return value


def _seconds(value, where):
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 86400:
        raise BadRequest(where, "must be a number of seconds, 0 to 86400, not %s" % show(value))
    return value


def _is_local(address):
    """Say whether only this machine reaches an address."""
    if address.startswith(("unix:", "localhost:", "127.")):
        return True
    import socket
    host = address.rpartition(":")[0]
    return host[0] == "[" and socket.inet_pton(socket.AF_INET6, host[1:-1]) == b"\0" * 15 + b"\1"


def _interfaces(value, where):
    interfaces = _each(value, where, _interface)
    _different([interface.name for interface in interfaces], where)
    return interfaces


def _interface(value, where):
    if isinstance(value, str):
        value = {"name": _interface_name(value, where)}
    if not isinstance(value, dict):
        raise BadRequest(where, "must be the name of an interface, or an object with it, not %s" % show(value))
    return _complete(Interface, INTERFACE_KEYS, value, where)


def _interface_name(value, where):
    try:
        return values.interface_name(value)
    except ValueError as error:
        raise BadRequest(where, "must be %s, not %s" % (error, show(value)))


def _owners(value, where):
    return None if value is None else _different(_each(value, where, _id), where)


def _vlans(value, where):
    """Return the VLAN ids as sorted (first, last) that neither overlap nor touch."""
    merged = []
    for first, last in sorted(_each(value, where, _vlan)):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged


def _vlan(value, where):
    text = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    found = VLANS.fullmatch(text)
    first, last = found.groups() if found else (0, 0)
    first, last = int(first), int(last or first)
    if not 1 <= first <= last <= 4094:
        raise BadRequest(where, 'must be a VLAN id, 1 to 4094, or a range like "100-199", not %s' % show(value))
    return first, last


OVS_KEYS = (
    ("rundir", _path_or_nothing, ""),  # "" is the environment's, else the system's
    ("datapath", _one_of("auto", "system", "netdev"), "auto"),
    ("tunnels", _one_of("auto", "ovs", "device"), "auto"),  # ended by the switch, or by devices of the kernel
)
CACHE_KEYS = (
    ("folder", _path_or_nothing, ""),  # "" is the folder "cache" in state
    ("size", _size, 32),  # MiB of images, beside those that graphs have
)
USER_KEYS = (
    ("name", _id, None),
    ("password", _password, None),
    ("role", _one_of(*auth.RIGHTS), None),
)
AUTH_KEYS = (
    ("users", _users, []),  # none: only this machine is listened to; None, from "none": all are, and may do everything
    ("lifetime", _lifetime, 3600),  # seconds of a token
)
INTERFACE_KEYS = (
    ("name", _interface_name, None),
    ("neighbour", _text, ""),  # the domain behind it
    ("vlans", _vlans, ["1-4094"]),  # those that graphs may use
    ("owners", _owners, None),  # the users whose graphs may use it, beside those of admins and operators; None: all
)
INBAND_KEYS = (
    ("interface", _name_or_nothing, ""),  # one of interfaces, that the node is managed through; "" for none
    ("address", _address_of_device(saps.with_length), ""),  # "" takes what the interface has
    ("gateway", _address_of_device(saps.device), ""),
    ("confirm", _seconds, 0),  # seconds in which a change must be confirmed, 0 for no need to
)
RESOURCE_KEYS = (
    ("memory", _amount, None),  # MiB that functions may reserve; None: three quarters of what the node has
    ("cpu", _amount, None),  # cores that they may; None: those that the node has
)
KEYS = (
    ("node", _id, None),  # the host name
    ("listen", _listen, "127.0.0.1:8080"),
    ("interfaces", _interfaces, []),
    ("state", _path, "/etc/composer"),
    ("runtime", _path, "/var/run/composer"),
    ("repository", _repository, "/usr/lib/composer/nsf"),
    ("cache", _cache, {}),  # of a repository over http
    ("vswitch", _driver, "ovs"),
    ("ovs", _ovs, {}),
    ("graphs", _paths, []),
    ("log", _one_of("stderr", "syslog"), "stderr"),
    ("mqtt", _later, {}),
    ("tls", _later, {}),
    ("auth", _auth, {}),
    ("inband", _inband, {}),
    ("resources", _resources, {}),
)
Ovs = namedtuple("Ovs", [key for key, _, _ in OVS_KEYS])
Inband = namedtuple("Inband", [key for key, _, _ in INBAND_KEYS])
Cache = namedtuple("Cache", [key for key, _, _ in CACHE_KEYS])
User = namedtuple("User", [key for key, _, _ in USER_KEYS])
Auth = namedtuple("Auth", [key for key, _, _ in AUTH_KEYS])
Resources = namedtuple("Resources", [key for key, _, _ in RESOURCE_KEYS])
Interface = namedtuple("Interface", [key for key, _, _ in INTERFACE_KEYS])
Config = namedtuple("Config", [key for key, _, _ in KEYS])
