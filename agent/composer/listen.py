"""Listen: an address to a listening socket, without asking a name server."""
import errno
import os
import socket
import stat

from .core.errors import BadRequest, show

BACKLOG = 128  # connections that may wait to be accepted


def listen(address):
    """Return (a listening socket, the address it has) for "127.0.0.1:8080", "[::1]:8080", "localhost:8080" or
    "unix:PATH"; port 0 is any free one.  BadRequest says what is wrong with `address`, OSError why the system
    refused it.  Nobody is asked for a name: that could take long.
    """
    unix = address[:5] == "unix:" and address[5:]
    family, where = (socket.AF_UNIX, unix) if unix else _numeric(address)
    listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    mask = os.umask(0o177)
    try:
        if unix:
            _make_room(unix)
        else:
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # connections inherit it
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise OSError(error.errno, "cannot listen on %s: %s" % (address, error.strerror or error)) from None
    finally:
        os.umask(mask)
    if unix:
        return listener, address
    return listener, ("[%s]:%d" if family == socket.AF_INET6 else "%s:%d") % listener.getsockname()[:2]


def _numeric(address):
    """Return (family, (host, port))."""
    host, _, port = address.rpartition(":")
    host = "127.0.0.1" if host == "localhost" else host
    bracketed = host[:1] == "[" and host[-1:] == "]"
    family, host = (socket.AF_INET6, host[1:-1]) if bracketed else (socket.AF_INET, host)
    try:
        socket.inet_pton(family, host)
        if not port.isdecimal() or int(port) > 65535:
            raise ValueError
    except (OSError, ValueError):
        raise BadRequest("listen", "%s must be a numeric address and a port, as 127.0.0.1:8080 or [::1]:8080, "
                         "or unix:PATH" % show(address)) from None
    return family, (host, int(port))


def _make_room(path):
    """Remove the socket that an earlier agent left at `path`, if nobody answers on it."""
    if not os.path.lexists(path):
        return
    if not stat.S_ISSOCK(os.lstat(path).st_mode):
        raise OSError(errno.EEXIST, "the file is there and is not a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return os.unlink(path)
        except BlockingIOError:  # somebody does listen, and has much to do
            pass
    raise OSError(errno.EADDRINUSE, "somebody answers there already")
