"""WSGI: an h11 request to a PEP 3333 environ, and what an app returns to an h11 response."""
import sys
from io import BytesIO
from urllib.parse import unquote_to_bytes

import h11

from .core.errors import TooBusy
from .core.json import dumps

REASONS = {400: "Bad Request", 408: "Request Timeout", 413: "Content Too Large", 431: "Request Header Fields Too Large",
           500: "Internal Server Error", 501: "Not Implemented", 503: "Service Unavailable"}


class Unfit(Exception):
    """A request that is not answered by the app: (status, where, message)."""


def check(request, limits):
    """Return the path that is asked for.  Raise Unfit for a request that is too long or can be read in two ways."""
    target, names, size = request.target, [], len(request.method) + len(request.target) + 13
    for name, value in request.headers:
        names.append(name)
        size += len(name) + len(value) + 4
        if name == b"content-length" and int(value) > limits.body:
            raise Unfit(413, "body", "the body may have %d bytes" % limits.body)
    if size > limits.header:
        raise Unfit(431, "header", "the header may have %d bytes" % limits.header)
    if b"transfer-encoding" in names and (b"content-length" in names or request.http_version < b"1.1"):
        raise Unfit(400, "header", "Transfer-Encoding goes with HTTP/1.1 and without Content-Length")
    if target[:7].lower() == b"http://":
        target = b"/" + target[7:].partition(b"/")[2]
    if target[:1] != b"/" and (request.method, target) != (b"OPTIONS", b"*"):
        raise Unfit(400, "header", "the target must be a path, as in GET /health HTTP/1.1")
    return target


def environment(request, path, body, peer, address):
    """Return the environ of PEP 3333, in which composer.unix says whether it came through a unix socket."""
    name, _, port = ("localhost:80" if address.startswith("unix:") else address).rpartition(":")
    path, _, query = path.partition(b"?")
    environ = {
        "REQUEST_METHOD": request.method.decode("ascii"), "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"), "QUERY_STRING": query.decode("latin-1"),
        "CONTENT_LENGTH": str(len(body)), "SERVER_NAME": name, "SERVER_PORT": port,
        "SERVER_PROTOCOL": "HTTP/" + request.http_version.decode("ascii"), "REMOTE_ADDR": peer,
        "wsgi.version": (1, 0), "wsgi.url_scheme": "http", "wsgi.input": BytesIO(body), "wsgi.errors": sys.stderr,
        "composer.unix": address.startswith("unix:"),
        "wsgi.multithread": False, "wsgi.multiprocess": False, "wsgi.run_once": False}
    for field, value in request.headers:
        # The body is whole and no longer chunked; a name with "_" could pass for one with "-".
        if field in (b"content-length", b"transfer-encoding") or b"_" in field:
            continue
        key = field.decode("ascii").upper().replace("-", "_")
        key, value = key if key == "CONTENT_TYPE" else "HTTP_" + key, value.decode("latin-1")
        if key in environ:
            value = environ[key] + ("; " if key == "HTTP_COOKIE" else ",") + value
        environ[key] = value
    return environ


def call(app, environ):
    """Call a WSGI app.  Return (status, headers, body)."""
    head, parts = [], []

    def start_response(status, headers, exc_info=None):
        head[:] = status, headers
        return parts.append

    answer = app(environ, start_response)
    try:
        parts.extend(answer)
    finally:
        if hasattr(answer, "close"):
            answer.close()
    return head[0], head[1], b"".join(parts)


def reply(request, status, headers, body):
    """Return (response, body) as they are sent in answer to `request`, which is None if there was none."""
    code, _, reason = status.partition(" ")
    head, length = [(b"Server", b"composer")], b"%d" % len(body)
    asked = request.method if request else b""
    for name, value in headers:
        if name.lower() != "content-length":
            head.append((name.encode("latin-1"), value.encode("latin-1")))
        elif asked == b"HEAD" and not body:
            length = value.encode("latin-1")
    bare = code in ("204", "304")
    if not bare:
        head.append((b"Content-Length", length))
    response = h11.Response(status_code=int(code), reason=reason.encode("latin-1"), headers=head)
    return response, b"" if bare or asked == b"HEAD" else body


def refusal(request, status, where, message):
    """Return (response, body) of an error of ours, after which the connection ends."""
    reason = REASONS.get(status, "Refused")
    body = dumps({"error": reason.replace(" ", ""), "message": message, "where": where})
    headers = [("Content-Type", "application/json"), ("Connection", "close")]
    if status == TooBusy.status:
        headers.extend(TooBusy.headers)
    return reply(request, "%d %s" % (status, reason), headers, body.encode())
