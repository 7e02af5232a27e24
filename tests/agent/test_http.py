"""The HTTP front: real sockets against a Server whose loop runs in a thread of the test."""
from contextlib import contextmanager
import errno
import os
import random
import resource
import select
import socket
import stat
import struct
import threading
import time

import bottle
from pytest import mark, raises

from composer.core.errors import BadRequest
from composer.core.json import dumps, loads
from composer.http import EVENTS, LIMITS, Server
from composer.loop import Loop

GET = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
PUT = b"PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s"
BIG = bytes(range(256)) * 32 * 1024  # 8 MiB: more than the system buffers of a connection


class Job:
    """Ends when a test says so."""

    def __init__(self):
        self.callbacks, self.ended = [], False

    def when_done(self, callback):
        self.callbacks.append(callback)
        if self.ended:
            callback()

    def end(self):
        self.ended = True
        for callback in self.callbacks:
            callback()


def make_app():
    """A small app.  `calls` are the requests it got, `jobs` those that it waits for; GET /end ends them."""
    app, calls, jobs = bottle.Bottle(), [], []
    app.catchall = False

    @app.hook("before_request")
    def note():
        calls.append(dict(bottle.request.environ))

    @app.get("/health")
    def health():
        return {"state": "ok"}

    @app.route("/echo", ["PUT", "POST"])
    def echo():
        return bottle.request.body.read()

    @app.get("/big")
    def big():
        return BIG

    @app.get("/pieces")
    def pieces():
        return iter(["one ", "two ", "three"])

    @app.get("/status/<code:int>")
    def status(code):
        bottle.response.status = code
        return ""

    @app.get("/crash")
    def crash():
        raise ZeroDivisionError("a secret of the agent")

    @app.get("/header")
    def header():
        bottle.response.headers["X-Bad"] = "a\0b"

    @app.put("/job")
    def job():
        job = bottle.request.environ.get("composer.outcome")
        if job:
            return b"ended: " + bottle.request.body.read()
        bottle.request.environ["composer.job"] = Job()
        jobs.append(bottle.request.environ["composer.job"])
        if bottle.request.query_string == "at-once":
            jobs[-1].end()
        return bottle.request.body.read()

    @app.put("/bad-job")
    def bad_job():
        bottle.request.environ["composer.job"] = "not a job"

    @app.get("/end")
    def end():
        while jobs:
            jobs.pop(0).end()

    app.calls, app.jobs = calls, jobs
    return app


@contextmanager
def serving(listen="127.0.0.1:0", app=None, **limits):
    """A server in a thread; it must still be alive at the end, and leave nothing behind."""
    lines = []
    loop = Loop(log=lines.append)
    server = Server(loop, app or make_app(), listen, LIMITS._replace(**limits))
    server.lines = lines
    thread = threading.Thread(target=loop.run, args=(False,), daemon=True)
    thread.start()
    try:
        yield server
        with Client(server) as client:
            assert client.ask(GET)[0] == 200, "the server is dead"
        assert [line for line in lines if line.startswith("loop: failed")] == []
    finally:
        loop.stop()
        thread.join(10)
        server.close()
        left = [source for source, _, _ in loop._sources.values() if source is not loop]
        loop.close()
    assert left == [] and server.connections == {}


class Client:
    """A socket that sends bytes and reads answers, one by one."""

    def __init__(self, server):
        if server.address.startswith("unix:"):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(server.address[5:])
        else:
            host, _, port = server.address.rpartition(":")
            self.socket = socket.create_connection((host.strip("[]"), int(port)))
        self.socket.settimeout(10)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def send(self, *pieces):
        for piece in pieces:
            self.socket.sendall(piece)

    def answer(self, bare=False):
        """Return (status, headers, body) of the next answer; a `bare` one has no body, whatever it says."""
        version, status, _ = self.file.readline().split(b" ", 2)
        assert version == b"HTTP/1.1"
        headers = {}
        for line in iter(self.file.readline, b"\r\n"):
            name, _, value = line.decode().partition(":")
            assert name.lower() not in headers
            headers[name.lower()] = value.strip()
        body = b"" if bare else self.file.read(int(headers.get("content-length", 0)))
        return int(status), headers, body

    def ask(self, request, bare=False):
        self.send(request)
        return self.answer(bare)

    def closed(self):
        """Wait for the end of the connection.  Is there nothing more to read?"""
        try:
            return self.file.read() == b""
        except ConnectionResetError:
            return True

    def quiet(self, seconds=0.1):
        """Does nothing come for a while, not even the end?"""
        self.socket.settimeout(seconds)
        try:
            return self.socket.recv(1) is None
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(10)


def refused(answer, status, where):
    """Is it an error of ours: JSON that says where and what, on a connection that ends?"""
    code, headers, body = answer
    assert (code, headers["content-type"], headers["connection"]) == (status, "application/json", "close"), answer
    assert sorted(loads(body)) == ["error", "message", "where"] and loads(body)["where"] == where, answer
    return True


def wait_for(condition):
    for _ in range(500):
        if condition():
            return True
        time.sleep(0.01)
    return False


# --- requests and answers ------------------------------------------------------------------------


def test_a_whole_request_reaches_the_app_as_pep_3333_says():
    with serving() as server, Client(server) as client:
        request = (b"PUT /echo?a=%20b HTTP/1.1\r\nHost: gateway\r\nContent-Type: text/x\r\nContent-Length: 3\r\n"
                   b"X-Auth-Token: t\r\nX_Auth_Token: forged\r\nX-Two: 1\r\nX-Two: 2\r\nCookie: a=1\r\n"
                   b"Cookie: b=2\r\n\r\nabc")
        assert client.ask(request)[2] == b"abc"
        environ = server.app.calls[0]
        expected = {
            "REQUEST_METHOD": "PUT", "SCRIPT_NAME": "", "PATH_INFO": "/echo", "QUERY_STRING": "a=%20b",
            "CONTENT_TYPE": "text/x", "CONTENT_LENGTH": "3", "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": server.address.split(":")[1], "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "gateway", "HTTP_X_AUTH_TOKEN": "t", "HTTP_X_TWO": "1,2", "HTTP_COOKIE": "a=1; b=2",
            "wsgi.version": (1, 0), "wsgi.url_scheme": "http", "wsgi.multithread": False,
            "wsgi.multiprocess": False, "wsgi.run_once": False}
        assert {key: environ.get(key) for key in expected} == expected
        assert not [key for key in environ if key in ("HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE")]


def test_the_front_obeys_the_validator_of_the_standard_library():
    from wsgiref.validate import validator

    def app(environ, start_response):
        environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"fine"]

    with serving(app=validator(app)) as server, Client(server) as client:
        assert client.ask(PUT % (3, b"abc"))[2] == b"fine"


@mark.parametrize("target, route", [
    (b"/a%2Fb%20c%C3%A9", "/a/b c\xc3\xa9"), (b"http://gateway:80/x?y", "/x"), (b"http://gateway", "/"),
    (b"//x", "//x"), (b"/%zz", "/%zz")])
def test_the_path_is_given_decoded(target, route):
    def app(environ, start_response):
        start_response("200 OK", [])
        return [environ["PATH_INFO"].encode("latin-1")]

    with serving(app=app) as server, Client(server) as client:
        assert client.ask(b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % target)[2] == route.encode("latin-1")


def test_an_answer_has_its_length_and_says_little_about_us():
    with serving() as server, Client(server) as client:
        assert client.ask(GET) == (200, {"server": "composer", "content-type": "application/json",
                                         "content-length": "15"}, b'{"state": "ok"}')
        assert client.ask(GET.replace(b"health", b"pieces"))[2] == b"one two three"


def test_what_the_app_writes_and_returns_is_joined_and_closed():
    class Body(list):
        closed = 0

        def close(self):
            Body.closed += 1

    def app(environ, start_response):
        start_response("200 OK", [("Content-Length", "999")])(b"written ")
        return Body([b"and ", b"returned"])

    with serving(app=app) as server, Client(server) as client:
        assert client.ask(GET)[1:] == ({"server": "composer", "content-length": "20"}, b"written and returned")
        assert Body.closed == 1


def test_a_connection_is_kept_for_many_requests():
    with serving() as server, Client(server) as client:
        for k in range(50):
            body = b"x" * k * 1000
            assert client.ask(PUT % (len(body), body))[2] == body
            assert client.ask(GET)[0] == 200


def test_a_client_that_says_close_is_left_after_the_answer():
    with serving() as server, Client(server) as client:
        answer = client.ask(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert (answer[0], answer[1]["connection"]) == (200, "close") and client.closed()


def test_http_1_0_is_answered_and_closed():
    with serving() as server, Client(server) as client:
        assert client.ask(b"GET /health HTTP/1.0\r\n\r\n")[0] == 200 and client.closed()


def test_a_client_that_has_said_all_is_still_answered():
    with serving() as server, Client(server) as client:
        client.send(GET, GET)
        client.socket.shutdown(socket.SHUT_WR)
        assert [client.answer()[0], client.answer()[0]] == [200, 200] and client.closed()


def test_pipelined_requests_are_answered_in_their_order():
    with serving() as server, Client(server) as client:
        client.send(b"".join([PUT % (len(b"%d" % k), b"%d" % k) + GET for k in range(100)]))
        for k in range(100):
            assert client.answer()[2] == b"%d" % k
            assert client.answer()[0] == 200


def test_a_request_in_single_bytes_is_understood():
    with serving() as server, Client(server) as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in PUT % (3, b"abc"):
            client.send(bytes([byte]))
        assert client.answer()[2] == b"abc"


def test_head_has_the_length_and_no_body_and_the_connection_goes_on():
    with serving() as server, Client(server) as client:
        for _ in range(2):
            status, headers, _ = client.ask(GET.replace(b"GET", b"HEAD"), bare=True)
            assert (status, headers["content-length"]) == (200, "15")
        assert client.ask(GET)[0] == 200


@mark.parametrize("status", [204, 304])
def test_an_answer_that_may_have_no_body_has_none(status):
    with serving() as server, Client(server) as client:
        answer = client.ask(b"GET /status/%d HTTP/1.1\r\nHost: a\r\n\r\n" % status)
        assert answer[0] == status and not {"content-length", "transfer-encoding"} & set(answer[1])
        assert client.ask(GET)[0] == 200


def test_a_chunked_body_is_collected():
    with serving() as server, Client(server) as client:
        client.send(b"PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
                    b"2;x=y\r\nde\r\n", b"0\r\nX-Trailer: 1\r\n\r\n")
        assert client.answer()[2] == b"abcde"
        environ = server.app.calls[0]
        assert environ["CONTENT_LENGTH"] == "5" and "HTTP_TRANSFER_ENCODING" not in environ


def test_who_expects_100_continue_is_told_to_go_on():
    with serving() as server, Client(server) as client:
        client.send((PUT % (3, b"")).replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
        assert client.answer()[0] == 100 and client.quiet()
        client.send(b"abc")
        assert client.answer()[2] == b"abc"


def test_an_app_that_crashes_is_500_without_its_secrets_and_once_in_the_log(capfd):
    with serving() as server:
        for path in (b"crash", b"header", b"status/100"):
            with Client(server) as client:
                answer = client.ask(GET.replace(b"health", path))
                assert refused(answer, 500, "") and b"secret" not in answer[2] and client.closed()
    assert capfd.readouterr().err.count("ZeroDivisionError: a secret") == 1


# --- limits --------------------------------------------------------------------------------------


def test_a_body_that_says_it_is_too_long_is_refused_before_it_is_sent():
    with serving() as server:
        for more in (b"", b"Expect: 100-continue\r\n"):
            with Client(server) as client:
                client.send(b"PUT /echo HTTP/1.1\r\nHost: a\r\n%sContent-Length: 1048577\r\n\r\n" % more)
                assert refused(client.answer(), 413, "body") and client.closed()
        assert server.app.calls == []


def test_a_body_of_exactly_the_limit_is_taken():
    body = b"x" * LIMITS.body
    with serving() as server, Client(server) as client:
        assert client.ask(PUT % (len(body), body))[2] == body


def test_a_chunked_body_is_refused_once_it_is_too_long():
    with serving() as server, Client(server) as client:
        client.send(b"PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
                    *[b"10000\r\n%s\r\n" % (b"x" * 65536)] * 16)
        assert client.quiet()
        client.send(b"1\r\nx\r\n")
        assert refused(client.answer(), 413, "body") and client.closed()
        assert server.app.calls == []


def test_a_client_that_goes_on_sending_can_still_read_why_it_was_refused():
    with serving() as server, Client(server) as client:
        client.send(b"PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n", b"x" * 3000000)
        assert refused(client.answer(), 413, "body")


@mark.parametrize("header", [
    b"GET /health HTTP/1.1\r\nHost: a\r\nX: %s\r\n\r\n" % (b"x" * 16384),
    b"GET /health HTTP/1.1\r\nHost: a\r\n%s\r\n" % (b"X: y\r\n" * 3000),
    b"GET /%s HTTP/1.1\r\nHost: a\r\n\r\n" % (b"x" * 16384),
    b"HEAD /%s HTTP/1.1\r\nHost: a\r\n\r\n" % (b"x" * 16384),
    b"GET /health HTTP/1.1\r\nHost: a\r\nX: %s" % (b"x" * 20000)])
def test_a_header_that_is_too_long_is_refused(header):
    with serving() as server, Client(server) as client:
        client.send(header)
        status, headers, body = client.answer(bare=header[:4] == b"HEAD")
        assert status == 431 and client.closed()
        assert header[:4] == b"HEAD" or refused((status, headers, body), 431, "header")
        assert server.app.calls == []


def test_a_header_just_under_the_limit_is_taken():
    header = b"GET /health HTTP/1.1\r\nHost: a\r\nX: %s\r\n\r\n"
    with serving() as server, Client(server) as client:
        assert client.ask(header % (b"x" * (16384 - len(header) + 2)))[0] == 200


def test_a_header_that_is_late_is_refused_even_if_a_byte_comes_now_and_then():
    with serving(header_time=0.3) as server, Client(server) as silent, Client(server) as slow:
        begun = time.monotonic()
        for byte in GET[:-2] * 100:
            slow.send(bytes([byte]))
            if select.select([slow.socket], [], [], 0.02)[0]:
                break
        assert refused(slow.answer(), 408, "header") and slow.closed()
        assert refused(silent.answer(), 408, "header") and silent.closed()
        assert 0.25 < time.monotonic() - begun < 2


def test_the_second_header_on_a_connection_has_its_own_time():
    with serving(header_time=0.3) as server, Client(server) as client:
        assert client.ask(GET)[0] == 200
        time.sleep(0.5)
        client.send(GET[:10])
        assert client.quiet(0.2)
        assert client.ask(GET[10:])[0] == 200
        client.send(GET[:10])
        assert refused(client.answer(), 408, "header") and client.closed()


def test_a_second_header_that_begins_with_the_first_request_has_no_more_time():
    with serving(header_time=0.2) as server, Client(server) as client:
        assert client.ask(GET + GET[:10])[0] == 200
        assert refused(client.answer(), 408, "header") and client.closed()


def test_a_body_that_is_late_is_refused():
    with serving(body_time=0.2) as server, Client(server) as client:
        client.send(PUT % (3, b"ab"))
        assert refused(client.answer(), 408, "body") and client.closed()
        assert server.app.calls == []


def test_an_idle_connection_is_closed_without_a_word():
    with serving(idle_time=0.2) as server, Client(server) as client:
        assert client.ask(GET)[0] == 200
        assert client.closed()


def test_a_client_that_does_not_close_after_the_last_answer_is_dropped(monkeypatch):
    monkeypatch.setattr("composer.http.LEAVE_TIME", 0.2)
    with serving() as server, Client(server) as client:
        assert client.ask(b"junk\r\n\r\n")[0] == 400 and client.closed()
        assert len(server.connections) == 1 and wait_for(lambda: not server.connections)


def test_a_client_that_does_not_take_its_answer_is_dropped():
    with serving(answer_time=0.3) as server, Client(server) as client:
        client.send(GET.replace(b"health", b"big"))
        assert wait_for(lambda: server.connections) and wait_for(lambda: not server.connections)
        with raises((AssertionError, ConnectionResetError)):
            assert client.file.read()[-1000:] == BIG[-1000:]


def test_a_big_answer_to_a_slow_reader_arrives_whole_and_holds_up_nobody():
    with serving() as server, Client(server) as slow, Client(server) as quick:
        slow.send(GET.replace(b"health", b"big"))
        for _ in range(20):
            begun = time.monotonic()
            assert quick.ask(GET)[0] == 200 and time.monotonic() - begun < 0.1
        assert slow.answer()[2] == BIG
        assert slow.ask(GET)[0] == 200


# --- malformed -----------------------------------------------------------------------------------


@mark.parametrize("request_", [
    b"nonsense\r\n\r\n", b"\x16\x03\x01\x02\x00", b"GET /\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n",
    b"GET x HTTP/1.1\r\nHost: a\r\n\r\n", b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
    b"PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"PUT /echo HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
    b"PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 4\r\n\r\nabc",
    b"PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc",
    b"PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\nabc",
    b"PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %s\r\n\r\nabc" % (b"9" * 5000)])
def test_what_is_malformed_or_ambiguous_is_400(request_):
    with serving() as server, Client(server) as client:
        client.send(request_)
        assert refused(client.answer(), 400, "header") and client.closed()
        assert server.app.calls == []


@mark.parametrize("coding", [b"gzip, chunked", b"identity", b"chunked\r\nTransfer-Encoding: chunked", b"xchunked"])
def test_a_transfer_encoding_other_than_chunked_is_501(coding):
    with serving() as server, Client(server) as client:
        client.send(b"PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: %s\r\n\r\n0\r\n\r\n" % coding)
        assert refused(client.answer(), 501, "header") and client.closed()


@mark.parametrize("chunk", [b"z\r\n", b"-1\r\nx\r\n", b"3 x\r\nabc\r\n", b"0x3\r\nabc\r\n"])
def test_a_malformed_chunk_is_400(chunk):
    with serving() as server, Client(server) as client:
        client.send(b"PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk)
        assert refused(client.answer(), 400, "body") and client.closed()


def test_three_thousand_pieces_of_junk_do_no_harm():
    chance = random.Random(8)
    words = [b"GET ", b"PUT ", b"/", b"/echo", b" HTTP/1.1", b"\r\n", b"\r\n\r\n", b"Host: a", b"Content-Length: ",
             b"3", b"abc", b"Transfer-Encoding: chunked", b"Expect: 100-continue", b"Upgrade: h2c", b"0\r\n\r\n", b":",
             b"\0", b"\xff", b"%", b" "]
    with serving() as server:
        for _ in range(75):
            clients = [Client(server) for _ in range(40)]
            for k, client in enumerate(clients):
                if k % 2:
                    client.send(chance.randbytes(chance.randrange(1, 200)))
                else:
                    client.send(b"".join(chance.choices(words, k=chance.randrange(1, 25))))
            for client in clients:
                client.__exit__()
            with Client(server) as client:  # also lets the server catch up: a full backlog would cost a second
                assert client.ask(GET)[0] == 200
        assert wait_for(lambda: not server.connections)


# --- many clients --------------------------------------------------------------------------------


def test_sixty_idle_and_slow_clients_do_not_keep_others_waiting():
    with serving(header_time=30) as server:
        slow = [Client(server) for _ in range(60)]
        times, stop = [], threading.Event()

        def trickle():
            while not stop.wait(0.05):  # faster than a byte a second each: the test is to be short
                for client in slow[30:]:
                    client.send(b"x")

        thread = threading.Thread(target=trickle)
        thread.start()
        for _ in range(300):
            begun = time.monotonic()
            with Client(server) as client:
                assert client.ask(GET)[0] == 200
            times.append(time.monotonic() - begun)
        stop.set()
        thread.join()
        assert len(server.connections) >= 60
        assert sorted(times)[int(len(times) * 0.99)] < 0.1
        for client in slow:
            client.__exit__()


def test_at_the_cap_the_connection_that_is_idle_longest_makes_room():
    with serving(connections=4) as server:
        clients = [Client(server) for _ in range(4)]
        for client in clients:
            assert client.ask(GET)[0] == 200
        assert clients[0].ask(GET)[0] == 200
        clients[2].send(GET[:10])  # a slow sender is no better than an idle one
        for victim in (1, 2, 3, 0):
            clients.append(Client(server))
            assert clients[-1].ask(GET)[0] == 200
            assert clients[victim].closed()
            assert wait_for(lambda: len(server.connections) == 4)
        for client in clients:
            client.__exit__()


def test_at_the_cap_nobody_who_waits_for_a_job_makes_room_and_new_ones_are_told_to_try_again():
    with serving(connections=4) as server:
        waiting = [Client(server) for _ in range(4)]
        for client in waiting:
            client.send(PUT.replace(b"echo", b"job") % (1, b"a"))
        assert wait_for(lambda: len(server.app.jobs) == 4)
        new = [Client(server) for _ in range(8)]
        for client in new:
            client.send(GET)
        for client in new:
            answer = client.answer()
            assert refused(answer, 503, "") and answer[1]["retry-after"] == "2"
            client.__exit__()
        assert wait_for(lambda: len(server.connections) == 4)
        server.loop.soon(lambda: [job.end() for job in server.app.jobs])
        Client(server).__exit__()  # wakes the loop
        assert [client.answer()[2] for client in waiting] == [b"ended: a"] * 4
        for client in waiting:
            client.__exit__()


def test_at_the_cap_who_no_longer_takes_the_answer_makes_room(monkeypatch):
    monkeypatch.setattr("composer.http.STALL_TIME", 0.3)
    with serving(connections=2) as server:
        stalled = [Client(server) for _ in range(2)]
        for client in stalled:
            client.send(GET.replace(b"health", b"big"))
        assert wait_for(lambda: [one.waits for one in server.connections] == ["write"] * 2)
        with Client(server) as client:
            assert refused(client.ask(GET), 503, "")
        time.sleep(0.4)
        with Client(server) as client:
            assert client.ask(GET)[0] == 200
        for client in stalled:
            client.__exit__()


def count_turns(loop):
    """Return a list that grows by one with each turn from the next event on."""
    turns = []

    def turn():
        turns.append(1)
        loop.soon(turn)

    loop.soon(turn)
    return turns


def test_a_body_in_tiny_chunks_is_taken_in_slices():
    with serving() as server, Client(server) as client:
        turns = count_turns(server.loop)
        client.send(b"PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
                    b"1\r\nx\r\n" * EVENTS * 100, b"0\r\n\r\n")
        assert len(client.answer()[2]) == EVENTS * 100 and len(turns) >= 100


def test_pipelined_requests_take_turns_with_others():
    with serving() as server, Client(server) as client:
        turns = count_turns(server.loop)
        client.send(GET * 100)
        assert [client.answer()[0] for _ in range(100)] == [200] * 100 and len(turns) >= 100


def test_out_of_file_descriptors_it_pauses_says_so_once_and_comes_back(monkeypatch):
    monkeypatch.setattr("composer.http.PAUSE", 0.1)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with serving() as server:
        host, port = server.address.split(":")
        turns, turn = [], server.loop.turn
        server.loop.turn = lambda: (turns.append(1), turn())
        for _ in range(2):
            with socket.socket() as client:
                highest = max(int(name) for name in os.listdir("/proc/self/fd"))
                spare = [os.open("/dev/null", os.O_RDONLY)]
                while spare[-1] <= highest:
                    spare.append(os.open("/dev/null", os.O_RDONLY))
                try:
                    resource.setrlimit(resource.RLIMIT_NOFILE, (spare[-1] + 1, limits[1]))
                    client.connect((host, int(port)))
                    client.sendall(GET)
                    assert select.select([client], [], [], 0.5)[0] == []
                finally:
                    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
                    for number in spare:
                        os.close(number)
                assert client.recv(12) == b"HTTP/1.1 200"
            assert wait_for(lambda: not server.connections)
        assert server.lines == ["http: accept failed, trying again every 0.1 s: " + os.strerror(errno.EMFILE)] * 2
        assert len(turns) < 40


# --- jobs ----------------------------------------------------------------------------------------


def test_an_answer_that_waits_for_a_job_comes_from_a_second_call_with_the_same_request():
    with serving() as server, Client(server) as client, Client(server) as other:
        client.send(PUT.replace(b"echo", b"job") % (3, b"abc"))
        assert client.quiet()
        assert other.ask(GET)[0] == 200, "reads are answered meanwhile"
        other.ask(GET.replace(b"health", b"end"))
        assert client.answer()[2] == b"ended: abc"
        first, second = [call for call in server.app.calls if call["PATH_INFO"] == "/job"]
        assert "composer.job" not in second and "composer.outcome" not in first
        assert {key: value for key, value in first.items() if key.isupper()} == {
            key: value for key, value in second.items() if key.isupper()}
        assert client.ask(GET)[0] == 200


def test_a_waiting_connection_has_no_deadline():
    with serving(header_time=0.1, body_time=0.1, idle_time=0.1, answer_time=0.1) as server, Client(server) as client:
        client.send(PUT.replace(b"echo", b"job") % (3, b"abc"))
        assert client.quiet(0.5)
        with Client(server) as other:
            other.ask(GET.replace(b"health", b"end"))
        assert client.answer()[2] == b"ended: abc"


def test_a_job_that_has_ended_already_is_answered_at_once():
    with serving() as server, Client(server) as client:
        assert client.ask(PUT.replace(b"echo", b"job?at-once") % (3, b"abc"))[2] == b"ended: abc"


def test_a_client_that_hangs_up_cancels_nothing_and_its_job_ends_without_it():
    with serving() as server:
        with Client(server) as client:
            client.send(PUT.replace(b"echo", b"job") % (3, b"abc"))
            assert wait_for(lambda: server.app.jobs)
        assert wait_for(lambda: not server.connections)
        job = server.app.jobs[0]
        with Client(server) as other:
            other.ask(GET.replace(b"health", b"end"))
        assert job.ended
        assert len([call for call in server.app.calls if call["PATH_INFO"] == "/job"]) == 1


def test_what_is_sent_while_a_job_runs_is_answered_after_it():
    with serving() as server, Client(server) as client, Client(server) as other:
        client.send(PUT.replace(b"echo", b"job") % (3, b"abc"), GET)
        assert wait_for(lambda: server.app.jobs)
        client.send(PUT % (2, b"de"))
        assert client.quiet()
        other.ask(GET.replace(b"health", b"end"))
        assert [client.answer()[2], client.answer()[0], client.answer()[2]] == [b"ended: abc", 200, b"de"]


def test_a_flood_while_a_job_runs_is_not_read_into_memory():
    with serving() as server, Client(server) as client, Client(server) as other:
        client.send(PUT.replace(b"echo", b"job") % (3, b"abc"))
        assert wait_for(lambda: server.app.jobs)
        client.socket.settimeout(0.3)
        with raises(TimeoutError):
            for _ in range(1000):
                client.send(GET * 2000)
        other.ask(GET.replace(b"health", b"end"))
        client.socket.settimeout(10)
        assert client.answer()[2] == b"ended: abc"
        assert client.answer()[0] == 200


def test_a_client_that_floods_and_then_breaks_off_is_noticed_while_the_job_runs():
    with serving() as server, Client(server) as client:
        client.send(PUT.replace(b"echo", b"job") % (3, b"abc"))
        assert wait_for(lambda: server.app.jobs)
        client.socket.settimeout(0.2)
        with raises(TimeoutError):
            for _ in range(1000):
                client.send(GET * 2000)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.__exit__()
        assert wait_for(lambda: not server.connections)


def test_a_job_that_calls_back_twice_is_answered_once():
    with serving() as server, Client(server) as client, Client(server) as other:
        client.send(PUT.replace(b"echo", b"job") % (1, b"a"))
        assert wait_for(lambda: server.app.jobs)
        first = server.app.jobs[0]
        other.ask(GET.replace(b"health", b"end"))
        assert client.answer()[2] == b"ended: a"
        client.send(PUT.replace(b"echo", b"job") % (1, b"b"))
        assert wait_for(lambda: server.app.jobs)
        server.loop.soon(first.end)
        assert other.ask(GET)[0] == 200 and client.quiet()
        other.ask(GET.replace(b"health", b"end"))
        assert client.answer()[2] == b"ended: b"


def test_a_job_that_is_none_is_500(capfd):
    with serving() as server, Client(server) as client:
        assert refused(client.ask(PUT.replace(b"echo", b"bad-job") % (1, b"a")), 500, "")
    assert "when_done" in capfd.readouterr().err


# --- listening -----------------------------------------------------------------------------------


def test_it_listens_on_a_unix_socket_that_only_its_owner_may_use(tmp_path):
    path = str(tmp_path / "api")
    with serving("unix:" + path) as server, Client(server) as client:
        assert server.address == "unix:" + path
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        assert client.ask(GET)[0] == 200
        with raises(OSError, match="cannot listen on unix:.*somebody answers"):
            Server(None, None, "unix:" + path)
    assert not os.path.exists(path)


def test_a_unix_socket_on_which_nobody_answers_is_replaced_and_a_file_is_not(tmp_path):
    path = str(tmp_path / "api")
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(path)
    with serving("unix:" + path) as server, Client(server) as client:
        assert client.ask(GET)[0] == 200
    (tmp_path / "file").write_text("precious")
    with raises(OSError, match="not a socket"):
        Server(None, None, "unix:%s" % (tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "precious"
    with raises(OSError, match="cannot listen on unix:.*too long"):
        Server(None, None, "unix:%s" % (tmp_path / ("x" * 120)))


def test_it_listens_on_ipv6_and_tells_the_port_it_got():
    with serving("[::1]:0") as server, Client(server) as client:
        assert server.address.startswith("[::1]:") and not server.address.endswith(":0")
        assert client.ask(GET)[0] == 200
        assert server.app.calls[0]["SERVER_NAME"] == "[::1]" and server.app.calls[0]["REMOTE_ADDR"] == "::1"


def test_localhost_needs_no_name_server():
    with serving("localhost:0") as server:
        assert server.address.startswith("127.0.0.1:")


@mark.parametrize("listen", [
    "", "8080", ":8080", "*:8080", "example.org:80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536",
    "127.0.0.1:-1", "127.0.0.1:+80", "::1:80", "[::1]", "[127.0.0.1]:80", "1.2.3:80", "127.0.0.1\0:80", "unix:"])
def test_an_address_that_is_none_is_refused_saying_what_would_be_right(listen):
    with raises(BadRequest, match="127.0.0.1:8080.*unix:PATH") as caught:
        Server(None, None, listen)
    assert caught.value.where == "listen"


def test_an_address_in_use_is_an_error_that_names_it():
    with serving() as server:
        with raises(OSError, match="cannot listen on " + server.address) as caught:
            Server(None, None, server.address)
        assert caught.value.errno == errno.EADDRINUSE


def test_a_child_of_the_agent_does_not_inherit_a_connection():
    with serving() as server, Client(server) as client:
        assert client.ask(GET)[0] == 200
        connection = next(iter(server.connections))
        assert not os.get_inheritable(server.fileno()) and not os.get_inheritable(connection.fileno())
        assert connection._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_errors_are_json_of_the_agents_own_making():
    with serving() as server, Client(server) as client:
        body = client.ask(b"\r\n\r\n")[2]
        assert dumps(loads(body)).encode() == body
