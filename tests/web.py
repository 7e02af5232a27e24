"""A small repository over HTTP, real, with faults on demand.

    with Web() as web:
        web.files["/v2/nf_image/fw/"] = b"..."
        web.faults["/v2/nf_image/fw/"] = [500, "truncated"]    # of the first two answers; the last one stays if it is EVER

`asked` lists the paths that were asked for, each with the byte that the answer was to begin at.
"""
import http.server
import json
import socketserver
import threading
import time

EVER = "ever"


class Web:
    """sock: a socket to listen on, in whatever network it is; else a free port of this machine."""

    def __init__(self, sock=None):
        self.files, self.faults, self.asked = {}, {}, []
        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler, bind_and_activate=sock is None)
        if sock:
            self.server.socket.close()
            self.server.socket = sock
            sock.listen()
        self.server.web, self.server.daemon_threads, self.server.block_on_close = self, True, False
        self.url = "http://127.0.0.1:%d" % self.server.socket.getsockname()[1]
        self.open = True
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.close()

    def close(self):
        """Be gone: nobody listens any more."""
        if self.open:
            self.open = False
            self.server.shutdown()
            self.server.server_close()

    def say(self, path, document):
        self.files[path] = json.dumps(document).encode()

    def fault(self, path):
        faults = self.faults.get(path, [])
        if not faults:
            return None
        return faults[0] if faults[1:] == [EVER] else faults.pop(0)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        web, body = self.server.web, self.server.web.files.get(self.path)
        begin = int(self.headers.get("Range", "bytes=0-").partition("=")[2].partition("-")[0])
        web.asked.append((self.path, begin))
        fault = web.fault(self.path)
        if isinstance(fault, int) or body is None:
            self.send_error(fault or 404)
            return
        if fault == "redirect":
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.end_headers()
            return
        if fault == "no range":
            begin = 0
        if begin >= len(body):
            self.send_error(416)
            return
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", "bytes %d-%d/%d" % (begin, len(body) - 1, len(body)))
        if fault != "cut":  # how long it is to be, nobody says
            self.send_header("Content-Length", str(len(body) - begin))
        self.end_headers()
        half = body[begin:(begin + len(body)) // 2]
        if fault == "tampered":
            body = body[:-1] + bytes([body[-1] ^ 1])
        if fault in ("truncated", "cut", "stall"):
            self.wfile.write(half)
            self.wfile.flush()
            time.sleep(8 if fault == "stall" else 0)
            return
        pieces = 8 if fault == "slow" else 1
        size = -(-(len(body) - begin) // pieces)
        for at in range(begin, len(body), size):
            self.wfile.write(body[at:at + size])
            self.wfile.flush()
            time.sleep(0.1 if pieces > 1 else 0)

    def log_message(self, *words):
        pass
