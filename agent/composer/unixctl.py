"""Control sockets: asks a daemon of Open vSwitch a question, as ovs-appctl does, without a child for it.

One call is one connection: {"id", "method", "params"} there, {"result", "error"} back.  A child that asks costs 5 ms
of a processor, this costs 0.05: the watch asks every other second.  (JSON-RPC 1.0, ovs-appctl(8).)
"""
import socket

from .core import json

LIMIT = 5  # seconds for an answer
LARGEST = 64 << 20  # bytes of one


class Ask:
    """A source of the loop: one question; calls done(answer, "") or done("", why not)."""

    def __init__(self, loop, path, method, words, done):
        self.loop, self.done = loop, done
        self.parts, self.size = [], 0
        self.link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.link.setblocking(False)
            self.link.connect(path)
            self.link.send(json.dumps({"id": 0, "method": method, "params": list(words)}).encode())
        except OSError:
            self.link.close()
            raise
        self.timer = loop.at(LIMIT, lambda: self._end("", "no answer in %d s" % LIMIT))
        loop.add(self)

    def fileno(self):
        return self.link.fileno()

    def ready(self, readable, writable):
        try:
            part = self.link.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError as error:
            self._end("", error.strerror)
            return
        self.parts.append(part)
        self.size += len(part)
        if not part or self.size > LARGEST:
            self._end("", "the daemon hung up" if not part else "too long an answer")
        elif part.rstrip().endswith(b"}"):  # perhaps the end
            try:
                answer = json.loads(b"".join(self.parts))
            except ValueError:
                return
            self._end(answer.get("result") or "", answer.get("error") or "")

    def _end(self, answer, why):
        self.timer.cancel()
        self.loop.remove(self)
        self.link.close()
        self.done(answer, why)
