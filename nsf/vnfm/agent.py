"""vnfm/agent.py: the agent's HTTP interface, for functions that read the graph which they are in, and change it."""
import json
import socket

STALE = 412  # of an answer: what was read is not what is there any more
LIMIT = 120  # seconds for an answer: that to a change comes when it is done


class Agent:
    """The agent's HTTP interface, at (address, port)."""

    def __init__(self, address, name, password):
        self.address, self.login, self.token = address, {"username": name, "password": password}, ""
        self.tag = ""  # of the graph that was read last

    def ask(self, method, path, body=None):
        """Return what an answer holds, None if what was to be changed is another one by now.  Raises ValueError if the agent
        refuses, OSError if it cannot be reached."""
        status, text = self._exchange(method, path, body)
        if status == 401:
            status, text = self._exchange("POST", "/login", self.login)
            if status == 200:
                self.token = text
                status, text = self._exchange(method, path, body)
        if status not in (200, 201, STALE):
            raise ValueError("%s %s: %s %s" % (method, path, status, text))
        return json.loads(text) if status != STALE else None

    def _exchange(self, method, path, body):
        content = json.dumps(body) if body is not None else ""
        words = ["%s %s HTTP/1.1" % (method, path), "Host: agent", "Connection: close", "X-Auth-Token: " + self.token,
                 "Content-Type: application/json", "Content-Length: %d" % len(content)]
        words += ["If-Match: " + self.tag] * (method == "PUT") + ["", content]
        with socket.socket() as link:
            link.settimeout(LIMIT)
            link.connect(self.address)
            link.sendall("\r\n".join(words).encode())
            answer = b"".join(iter(lambda: link.recv(65536), b""))
        head, _, text = answer.partition(b"\r\n\r\n")
        for line in head.decode("latin-1").split("\r\n"):
            if line.lower().startswith("etag:"):
                self.tag = line.partition(":")[2].strip()
        return int((head.split() + [b"0", b"0"])[1]), text.decode()
