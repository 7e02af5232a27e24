"""A broker for tests: a real mosquitto, in a box of its user's, and clients that keep what they hear."""
import collections
import contextlib
import json
import threading
import time

from paho.mqtt import client as mqtt

START_LIMIT = 10  # seconds
SOON = 10  # seconds, for a message to come

Heard = collections.namedtuple("Heard", ("time", "topic", "payload", "retained"))  # seconds, text, text, whether


class Broker:
    """mosquitto in a box; `lines` are of its configuration, beside a listener on 127.0.0.1:1883 for everybody.

    It is a process that stays until it is stopped, and keeps nothing over a restart.
    """

    def __init__(self, box, lines="listener 1883 127.0.0.1\nallow_anonymous true\n", port=1883, address="127.0.0.1"):
        self.box, self.port, self.address, self.path = box, port, address, box.dir + "/mosquitto.conf"
        with open(self.path, "w") as file:
            file.write("persistence false\nuser root\nlog_dest stderr\n" + lines)
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.stop()

    def start(self):
        with open(self.box.dir + "/mosquitto.log", "a") as log:
            self.process = self.box.popen("mosquitto", "-v", "-c", self.path, stdout=log, stderr=log)
        end = time.monotonic() + START_LIMIT
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise RuntimeError("mosquitto does not answer:\n" + self.log)
            time.sleep(0.01)

    def _answers(self):
        with self.box.socket() as link:
            return link.connect_ex((self.address, self.port)) == 0

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(START_LIMIT)

    def kill(self):
        self.process.kill()
        self.process.wait(START_LIMIT)

    @property
    def log(self):
        with open(self.box.dir + "/mosquitto.log") as file:
            return file.read()


class Client:
    """A client in a box: subscribes to `topics`, and keeps what it hears."""

    def __init__(self, box, *topics, address="127.0.0.1", port=1883, user="", password=""):
        version = (mqtt.CallbackAPIVersion.VERSION2,) if hasattr(mqtt, "CallbackAPIVersion") else ()
        self.client, self.heard, self.news = mqtt.Client(*version), [], threading.Condition()
        self.answer, self.up = None, threading.Event()

        def connected(client, mine, flags, code, *more):
            self.answer = code if isinstance(code, int) else code.value
            if self.answer == 0 and topics:
                client.subscribe([(topic, 1) for topic in topics])
            else:
                self.up.set()

        def heard(client, mine, message):
            with self.news:
                self.heard.append(Heard(time.monotonic(), message.topic, message.payload.decode(errors="replace"), bool(message.retain)))
                self.news.notify_all()

        def link():
            made = box.socket()
            made.connect((address, port))
            return made

        self.client._create_socket_connection = link
        self.client.on_connect, self.client.on_message = connected, heard
        self.client.on_subscribe = lambda *those: self.up.set()
        if user:
            self.client.username_pw_set(user, password)
        self.client.connect(address, port)
        self.client.loop_start()
        assert self.up.wait(START_LIMIT), "the broker does not answer"

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.client.disconnect()
        self.client.loop_stop()

    def publish(self, topic, payload, retain=False):
        """Publish a text, or a value as JSON."""
        text = payload if isinstance(payload, (str, bytes)) else json.dumps(payload)
        self.client.publish(topic, text, 1, retain).wait_for_publish(SOON)

    def of(self, topic):
        """Return what was heard of a topic, or below it if it ends with /."""
        with self.news:
            return [one for one in self.heard if one.topic == topic or topic.endswith("/") and one.topic.startswith(topic)]

    def last(self, topic):
        """Return the last payload of a topic from JSON, None if it is empty or there is none."""
        found = self.of(topic)
        return json.loads(found[-1].payload) if found and found[-1].payload else None

    def wait(self, topic, true=lambda value: True, within=SOON, since=0):
        """Return the first Heard of a topic after `since` whose value is as wanted; the value is from JSON, "" if empty."""
        end = time.monotonic() + within
        with self.news:
            while True:
                for one in self.heard:
                    if one.time >= since and (one.topic == topic or topic.endswith("/") and one.topic.startswith(topic)):
                        with contextlib.suppress(ValueError):
                            if true(json.loads(one.payload) if one.payload else ""):
                                return one
                if not self.news.wait(max(0, end - time.monotonic())) and time.monotonic() >= end:
                    raise AssertionError("not within %g s: %s; heard were %s" % (within, topic, [
                        one[1:3] for one in self.heard if one.topic.startswith(topic.rpartition("/")[0])][-5:]))
