"""The client: asks an agent over HTTP, as composerctl does.

A change is one request, which the agent answers when it is done.  While that is awaited, `watch` is called now and
then and may ask on a connection of its own how far it is: so the outcome is the agent's own word, never a guess.
"""
import os
import re

from .core import json, values

CONNECT_LIMIT, READ_LIMIT = 5, 60  # seconds
FIRST_WATCH, NEXT_WATCH = 0.1, 0.25  # seconds
HOST = re.compile(r"([^:/\[\]]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")


class Failed(Exception):
    """The agent refused, or could not be asked; `error` is an object as its JSON has them."""

    def __init__(self, kind, where, message):
        Exception.__init__(self, message)
        self.error = {"error": kind, "where": where, "message": message}


class Agent:
    """The agent at `url`: http://HOST:PORT or unix:PATH.  ValueError if that is not what it is."""

    def __init__(self, url, token):
        self.url, self.headers = url, {"X-Auth-Token": token} if token else {}
        self.path = url[len("unix:"):] if url.startswith("unix:") else ""
        scheme, mark, rest = url.partition("://")
        self.host, _, prefix = ("localhost", "", "") if self.path else (rest if mark else url).partition("/")
        self.prefix = ("/" + prefix).rstrip("/")
        if not HOST.fullmatch(self.host) or mark and scheme != "http":
            raise ValueError("should be http://HOST:PORT or unix:PATH")

    def ask(self, method, path, body=None, limit=READ_LIMIT, watch=None, kind="json"):
        """Return the text of the answer, which is of a `kind`, or raise Failed.

        limit: seconds, None for a change, whose steps have theirs.
        """
        import http.client
        import select
        connection = self._connect(limit)
        try:
            try:
                connection.request(method, self.prefix + path, body, self.headers)
            except BrokenPipeError:
                pass  # refused before all of it was sent: the answer says why
            pause = FIRST_WATCH
            while watch and not select.select([connection.sock], [], [], pause)[0]:
                watch()
                pause = NEXT_WATCH
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise self._lost("%s %s was not answered: %s" % (method, path, error))
        finally:
            connection.close()
        if answer.status >= 400:
            raise self._refusal(answer.status, path, text)
        if text and kind not in answer.headers.get("Content-Type", ""):
            raise self._stranger(answer.status, path)
        return text

    def _connect(self, limit):
        import http.client
        import socket
        try:
            connection = http.client.HTTPConnection(self.host, timeout=CONNECT_LIMIT)
            if self.path:
                connection.sock = socket.socket(socket.AF_UNIX)
                connection.sock.settimeout(CONNECT_LIMIT)
                connection.sock.connect(self.path)
            else:
                connection.connect()
            connection.sock.settimeout(limit)
            return connection
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise self._lost("%s.  Is the agent running (composer-agent --config FILE)?  If it listens elsewhere, "
                             "--url or COMPOSER_URL says where" % (getattr(error, "strerror", None) or error))

    def _lost(self, message):
        return Failed("Unreachable", self.url, message)

    def _stranger(self, status, path):
        return self._lost("answered %s with %d, and not as the agent does: what is there?" % (path, status))

    def _refusal(self, status, path, text):
        try:
            error = json.loads(text)
            failed = Failed(error["error"], error["where"], error["message"])
            failed.error.update(error)
        except (ValueError, TypeError, KeyError):
            return self._stranger(status, path)
        if status == 401 and path != "/login":
            failed.error["message"] += " (composerctl login gives a token, --token or COMPOSER_TOKEN passes it on)"
        return failed


def place(*words):
    """Return the path of a resource.  Raises Failed if a word cannot be an id."""
    for word in words:
        try:
            values.identifier(word)
        except ValueError as error:
            raise Failed("BadRequest", word, "should be %s" % error)
    return "/" + "/".join(words)


def query(pairs):
    """Return the query of a list of (key, value)."""
    from urllib.parse import quote
    return "?" + "&".join(["=".join([quote(os.fsencode(word), safe="") for word in pair]) for pair in pairs])
