"""Configuration: one JSON file becomes one value, checked and complete.

Every key has a default, so `{}` is a configuration.  A wrong value and an unknown key are refused with their
place, as in `interfaces[1].vlans[0]`, and with what would be right.  The tables at the end say it all: a line is a
key, what checks and completes its value, and its default.
"""
import os
from collections import namedtuple

from . import auth, checks
from .core import json, saps
from .core.errors import BadRequest, listed, show, unknown

LARGEST = 1 << 20  # bytes of a configuration


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
    rundir = config.ovs.rundir or checks.path_or_nothing(environ.get("OVS_RUNDIR", ""), "OVS_RUNDIR")
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
        if config.auth.users == [] and not checks.is_local(address):
            raise BadRequest("listen" if isinstance(document["listen"], str) else "listen[%d]" % number,
                             '%s is reached by others, and there are no users: have some in auth, or "auth": "none" if '
                             'whoever reaches it may do everything' % address)
    for number, interface in enumerate(config.interfaces):
        for place, name in enumerate(interface.owners or ()):
            if name not in users:
                raise BadRequest("interfaces[%d].owners[%d]" % (number, place), unknown(name, users, "user"))


def _cache(value, where):
    return _complete(Cache, CACHE_KEYS, checks.fields(value, where), where)


def _later(value, where):
    """What this agent does not do yet is refused, not taken in silence: "tls" that protects nothing is a trap."""
    if value != {}:
        raise BadRequest(where, "is not offered by this agent yet: leave it out")
    return {}


def _ovs(value, where):
    return _complete(Ovs, OVS_KEYS, checks.fields(value, where), where)


def _auth(value, where):
    if value == "none":
        return Auth(None, 0)
    if not isinstance(value, dict):
        raise BadRequest(where, 'must be an object with users, or "none", not %s' % show(value))
    return _complete(Auth, AUTH_KEYS, value, where)


def _users(value, where):
    users = checks.each(value, where, lambda user, where: _complete(User, USER_KEYS, checks.fields(user, where), where))
    checks.different([user.name for user in users], where)
    return users


def _inband(value, where):
    return _complete(Inband, INBAND_KEYS, checks.fields(value, where), where)


def _resources(value, where):
    return _complete(Resources, RESOURCE_KEYS, checks.fields(value, where), where)


def _description(value, where):
    return _complete(Description, DESCRIPTION_KEYS, checks.fields(value, where), where)


def _mqtt(value, where):
    found = _complete(Mqtt, MQTT_KEYS, checks.fields(value, where), where)
    if value and not found.host:
        raise BadRequest(where + ".host", "is missing: the host of the broker")
    if found.password and not found.user:
        raise BadRequest(where + ".user", "is missing: a password is one of a user")
    return found._replace(port=found.port or (1883 if found.tls is None else 8883))


def _tls(value, where):
    if value is None:
        return None
    found = _complete(Tls, TLS_KEYS, checks.fields(value, where), where)
    if found.key and not found.certificate:
        raise BadRequest(where + ".certificate", "is missing: a key is that of a certificate")
    return found


def _interfaces(value, where):
    interfaces = checks.each(value, where, _interface)
    checks.different([interface.name for interface in interfaces], where)
    return interfaces


def _interface(value, where):
    if isinstance(value, str):
        value = {"name": checks.interface_name(value, where)}
    if not isinstance(value, dict):
        raise BadRequest(where, "must be the name of an interface, or an object with it, not %s" % show(value))
    return _complete(Interface, INTERFACE_KEYS, value, where)


def _owners(value, where):
    return None if value is None else checks.different(checks.each(value, where, checks.identifier), where)


OVS_KEYS = (
    ("rundir", checks.path_or_nothing, ""),  # "" is the environment's, else the system's
    ("datapath", checks.one_of("auto", "system", "netdev"), "auto"),
    ("tunnels", checks.one_of("auto", "ovs", "device"), "auto"),  # ended by the switch, or by devices of the kernel
)
CACHE_KEYS = (
    ("folder", checks.path_or_nothing, ""),  # "" is the folder "cache" in state
    ("size", checks.size, 32),  # MiB of images, beside those that graphs have
)
USER_KEYS = (
    ("name", checks.identifier, None),
    ("password", checks.password, None),
    ("role", checks.one_of(*auth.RIGHTS), None),
)
AUTH_KEYS = (
    ("users", _users, []),  # none: only this machine is listened to; None, from "none": all are, and may do everything
    ("lifetime", checks.lifetime, 3600),  # seconds of a token
)
INTERFACE_KEYS = (
    ("name", checks.interface_name, None),
    ("neighbour", checks.text, ""),  # the domain behind it
    ("vlans", checks.vlans, ["1-4094"]),  # those that graphs may use
    ("owners", _owners, None),  # the users whose graphs may use it, beside those of admins and operators; None: all
)
INBAND_KEYS = (
    ("interface", checks.name_or_nothing, ""),  # one of interfaces, that the node is managed through; "" for none
    ("address", checks.address_of_device(saps.with_length), ""),  # "" takes what the interface has
    ("gateway", checks.address_of_device(saps.device), ""),
    ("confirm", checks.seconds, 0),  # seconds in which a change must be confirmed, 0 for no need to
)
RESOURCE_KEYS = (
    ("memory", checks.amount, None),  # MiB that functions may reserve; None: three quarters of what the node has
    ("cpu", checks.amount, None),  # cores that they may; None: those that the node has
)
TLS_KEYS = (
    ("ca", checks.path_or_nothing, ""),  # of those who sign brokers; "" is the system's
    ("certificate", checks.path_or_nothing, ""),  # of the node, if the broker wants one
    ("key", checks.path_or_nothing, ""),
)
MQTT_KEYS = (
    ("host", checks.host_or_nothing, ""),  # of the broker; "" for none
    ("port", checks.port, None),  # None: 1883, or 8883 with tls
    ("user", checks.text, ""),
    ("password", checks.text, ""),
    ("keepalive", checks.keepalive, 30),  # seconds
    ("commands", checks.truth, False),  # whether functions are started and graphs put by who may publish commands
    ("tls", _tls, None),  # None: without; {}: with the system's authorities
)
DESCRIPTION_KEYS = (  # what is told of the node beside its functions (paper, 4.1)
    ("infrastructure", checks.truth, True),
    ("resources", checks.truth, True),
)
KEYS = (
    ("node", checks.identifier, None),  # the host name
    ("listen", checks.listen, "127.0.0.1:8080"),
    ("interfaces", _interfaces, []),
    ("state", checks.path, "/etc/composer"),
    ("runtime", checks.path, "/var/run/composer"),
    ("repository", checks.repository, "/usr/lib/composer/nsf"),
    ("cache", _cache, {}),  # of a repository over http
    ("vswitch", checks.driver, "ovs"),
    ("ovs", _ovs, {}),
    ("graphs", checks.paths, []),
    ("log", checks.one_of("stderr", "syslog"), "stderr"),
    ("mqtt", _mqtt, {}),
    ("tls", _later, {}),
    ("auth", _auth, {}),
    ("inband", _inband, {}),
    ("resources", _resources, {}),
    ("description", _description, {}),
)
Ovs = namedtuple("Ovs", [key for key, _, _ in OVS_KEYS])
Inband = namedtuple("Inband", [key for key, _, _ in INBAND_KEYS])
Cache = namedtuple("Cache", [key for key, _, _ in CACHE_KEYS])
User = namedtuple("User", [key for key, _, _ in USER_KEYS])
Auth = namedtuple("Auth", [key for key, _, _ in AUTH_KEYS])
Tls = namedtuple("Tls", [key for key, _, _ in TLS_KEYS])
Mqtt = namedtuple("Mqtt", [key for key, _, _ in MQTT_KEYS])
Description = namedtuple("Description", [key for key, _, _ in DESCRIPTION_KEYS])
Resources = namedtuple("Resources", [key for key, _, _ in RESOURCE_KEYS])
Interface = namedtuple("Interface", [key for key, _, _ in INTERFACE_KEYS])
Config = namedtuple("Config", [key for key, _, _ in KEYS])
