"""MQTT: one connection to a broker, from its name to its end, in the one loop.

paho-mqtt speaks the protocol, but its connect() blocks in the resolver, in TCP and in TLS.  So all three are done here,
as a source of the loop, and paho is given a socket that is connected:

    resolve (a child: the resolver cannot be asked without waiting)  ->  connect  ->  TLS  ->  paho

Both paho 1.6 and 2.x are served.  A connection is used once: when it ends, `ended(why)` is called, and bus.py makes
another one when it is time.
"""
import errno
import os
import signal
import socket
import sys

from .core import json

LIMIT = 15  # seconds from the name to the broker's acceptance
LARGEST = 1 << 20  # bytes of a message: who sends a longer one is not listened to any more
HUNG_UP = ("the broker hung up; perhaps it wants a certificate, or another one", "the broker hung up")  # with TLS, without
BUSY = (errno.EINPROGRESS, errno.EAGAIN, errno.EINTR)


class Never(Exception):
    pass


class Plain:
    """What paho needs of the module ssl on a connection without TLS."""
    SSLWantReadError = SSLWantWriteError = Never


class Connection:
    """`config` is mqtt of the configuration, `will` (topic, payload); up() is called when the broker accepts,
    heard(topic, payload, retained), sent(number) when it has a message, ended(why) once."""

    def __init__(self, loop, config, name, will, up, heard, sent, ended):
        self.loop, self.config, self.name, self.will = loop, config, name, will
        self.up, self.heard, self.sent, self._tell_ended = up, heard, sent, ended
        self.link = self.client = self.accepted = None  # the socket; paho's client; whether the broker has accepted
        self.number = None  # of the socket while it is in the loop; paho closes sockets when it likes
        self.step, self.writes, self.addresses, self.over = None, False, [], False
        self.why = ""  # as the broker says it
        self.chore = None  # the timer of the next look whether the broker is there
        self.timer = loop.at(LIMIT, lambda: self.end("the broker has not answered within %d s" % LIMIT))
        try:
            self._resolve()
        except OSError as error:
            self.loop.soon(self.end, _why(error))

    # As a source of the loop.

    def fileno(self):
        return self.number

    def wants_write(self):
        return self.writes or self.client is not None and self.client.want_write()

    def ready(self, readable, writable):
        try:
            self.step(readable, writable)
        except (OSError, ValueError) as error:
            early = self.client is not None and not self.accepted and "EOF" in str(error)  # as paho 1.6 lets TLS say it
            self.end(HUNG_UP[0] if early else _why(error))

    def close(self):
        """The loop gives up a source that failed."""
        self.end("the agent failed; its log says more")

    def _watch(self):
        self.number = self.link.fileno()
        self.loop.add(self)

    # From a name to a socket.

    def _resolve(self):
        host = self.config.host
        if _is_address(host):
            self.addresses = [host]
            self._connect()
            return
        self.link, pid = look_up(host)
        self.loop.watch(pid, lambda code: None)
        self.step = self._resolved
        self._watch()

    def _resolved(self, readable, writable):
        text = self.link.recv(1 << 16)
        self._let_go()
        found = json.loads(text.decode()) if text else "the name was not found in time"
        if isinstance(found, str):
            raise OSError("%s: %s" % (self.config.host, found))
        self.addresses = found
        self._connect()

    def _connect(self):
        """Try the next address."""
        address = self.addresses.pop(0)
        self.link = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        code = self.link.connect_ex((address, self.config.port))
        if code and code not in BUSY:
            self._next(code)
            return
        self.step, self.writes = self._connected, True
        self._watch()

    def _connected(self, readable, writable):
        code = self.link.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._next(code)
            return
        self.link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.config.tls is None:
            self._begin()
            return
        # The socket of TLS has the number of the other one, so it stays in the loop.
        self.link = context(self.config.tls).wrap_socket(self.link, server_hostname=self.config.host, do_handshake_on_connect=False)
        self.step = self._greet
        self._greet(False, True)

    def _next(self, code):
        """This address failed: try the next one, if there is one."""
        self._let_go()
        if not self.addresses:
            raise OSError(code, os.strerror(code))
        self._connect()

    def _greet(self, readable, writable):
        import ssl
        try:
            self.link.do_handshake()
        except ssl.SSLWantReadError:
            self.writes = False
        except ssl.SSLWantWriteError:
            self.writes = True
        else:
            self._begin()

    # What paho does.

    def _begin(self):
        """Hand the socket to paho, and have it ask the broker in."""
        self.step, self.writes = self._session, False
        self.client = client = self._make_client()
        client._create_socket_connection = lambda: self.link  # of 1.6 and 2.x alike: reconnect() gets its socket there
        client.on_connect = lambda client, mine, flags, code, *more: self._answered(code)
        client.on_message = lambda client, mine, message: self.heard(message.topic, message.payload, bool(message.retain))
        client.on_publish = lambda client, mine, number, *more: self.sent(number)
        client.connect_async(self.config.host, self.config.port, self.config.keepalive)
        client.reconnect()
        self._look(0)
        if not self.over:
            self.chore = self.loop.at(self.config.keepalive / 4, self._chores)

    def _make_client(self):
        mqtt = paho(self.config.tls is not None)
        version = (mqtt.CallbackAPIVersion.VERSION2,) if hasattr(mqtt, "CallbackAPIVersion") else ()
        client = mqtt.Client(*version, client_id=self.name, clean_session=True, protocol=mqtt.MQTTv311)
        if self.config.user:
            client.username_pw_set(self.config.user, self.config.password or None)
        client.will_set(self.will[0], self.will[1], qos=1, retain=True)
        return client

    def _answered(self, code):
        """The broker has answered whether it lets us in; 1.6 has a number, 2.x a word for it."""
        self.accepted = code == 0
        if not self.accepted:
            words = paho(False).connack_string(code) if isinstance(code, int) else str(code)
            self.why = "the broker refuses: %s" % words.rstrip(".").replace("Connection Refused: ", "")
            return  # paho ends it
        self.timer.cancel()
        self.loop.soon(lambda: self.over or self.up())

    def _session(self, readable, writable):
        if readable:
            self._read()
        if writable and not self.over and self.client.want_write():
            self._look(self.client.loop_write())

    def _read(self):
        pending = getattr(self.link, "pending", lambda: 0)
        while not self.over:
            self._look(self.client.loop_read())
            if not self.over and self.client._in_packet["remaining_length"] > LARGEST:
                self.end("somebody sent a message of %d bytes, %d are taken" % (self.client._in_packet["remaining_length"], LARGEST))
            if self.over or not pending():  # what TLS has read already, poll() does not see
                return

    def _chores(self):
        """Ask the broker whether it is there, if nothing was heard of it for long."""
        if not self.over:
            self.chore = self.loop.at(self.config.keepalive / 4, self._chores)
            self._look(self.client.loop_misc())

    def _look(self, code):
        """End if paho has given up the connection."""
        if not self.over and (code or self.client.socket() is None):
            self.end(self.why or ("the connection broke off" if self.accepted else HUNG_UP[self.config.tls is None]))

    def publish(self, topic, payload, quality, retain):
        """Publish a text; return the number that sent() will be told."""
        found = self.client.publish(topic, payload, quality, retain)
        self._look(0)
        return found.mid

    def subscribe(self, topics):
        self.client.subscribe([(topic, 1) for topic in topics])
        self._look(0)

    def unsubscribe(self, topics):
        self.client.unsubscribe(topics)
        self._look(0)

    # The end.

    def leave(self):
        """End as one who means it: the broker does not publish the will."""
        self._tell_ended = lambda why: None
        if self.accepted and not self.over:
            self.client.disconnect()
        self.end("")

    def end(self, why):
        if self.over:
            return
        self.over = True
        for timer in filter(None, (self.timer, self.chore)):
            timer.cancel()
        self._let_go()
        self._tell_ended(why)

    def _let_go(self):
        """Close the socket, and have the loop look at it no more."""
        if self.number is not None:
            self.loop.remove(self)
        if self.link is not None:
            self.link.close()
        self.link = self.number = None


def look_up(host):
    """Return (a socket on which the addresses of `host` come as JSON, a text if there are none; the pid of who looks).

    It is a fork that runs nothing else: a few pages of memory, where a program of its own would be megabytes.
    """
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid:
        theirs.close()
        ours.setblocking(False)
        return ours, pid
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)
        signal.alarm(LIMIT)
        try:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            answer = [entry[4][0] for entry in found][:8]
        except OSError as error:
            answer = error.strerror or str(error)
        theirs.send(json.dumps(answer).encode())
    finally:
        os._exit(0)


def paho(tls):
    """Return paho's module; without TLS it is imported without OpenSSL, which costs 3.5 MB."""
    without = not tls and "ssl" not in sys.modules
    if without:
        sys.modules["ssl"] = None
    try:
        from paho.mqtt import client
    finally:
        if without:
            del sys.modules["ssl"]
    if client.ssl is None:
        if tls:
            import ssl
            client.ssl = ssl
        else:
            client.ssl = Plain
    return client


def context(tls):
    """Return the TLS context of a configuration.  Raises OSError for a file that is not there, or no certificate."""
    import ssl
    place = tls.ca
    try:
        made = ssl.create_default_context(cafile=tls.ca or None)
        if tls.certificate:
            place = "%s, %s" % (tls.certificate, tls.key)
            made.load_cert_chain(tls.certificate, tls.key or None)
    except OSError as error:
        raise OSError("mqtt.tls, %s: %s" % (place, _why(error)))
    return made


def _is_address(host):
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
            return True
        except OSError:
            pass
    return False


def _why(error):
    return getattr(error, "strerror", None) or str(error)
