"""A swarm: the buses of many agents in one loop, for what they do to a broker together."""
import threading
import time
import types

from composer import bus, config, mqtt
from composer.events import Events
from composer.loop import Loop


class Swarm:
    """`count` buses whose broker is at 127.0.0.1:1883 of a box; they run in a thread until the end."""

    def __init__(self, box, count):
        self.box, self.count, self.buses, self.times = box, count, [], []
        self.loop, self.ready = Loop(), threading.Event()
        self.thread = threading.Thread(target=lambda: box.enter(self._run))

    def __enter__(self):
        self.thread.start()
        assert self.ready.wait(10)
        return self

    def __exit__(self, *failure):
        self.loop.stop()
        self.thread.join()

    def _run(self):
        connect, swarm = mqtt.Connection, self

        class Counted(connect):
            def _connect(self):
                swarm.times.append(time.monotonic())
                connect._connect(self)

        mqtt.Connection = Counted
        try:
            for number in range(self.count):
                found = config.parse({"node": "n%d" % number, "mqtt": {"host": "127.0.0.1"}}, {})
                node = types.SimpleNamespace(loop=self.loop, config=found, events=Events(), graphs={})
                self.buses.append(bus.Bus(node))
                self.buses[-1].start()
            self.ready.set()
            self.loop.run(signals=False)
        finally:
            mqtt.Connection = connect
            for one in self.buses:
                one.link.leave()
            self.loop.close()

    def until(self, true, within):
        end = time.monotonic() + within
        while not true():
            assert time.monotonic() < end, "not within %d s: %d connected" % (within, self.connected())
            time.sleep(0.05)

    def connected(self):
        return sum([one.up for one in self.buses])

    def tries(self):
        return len(self.times)

    def crowd(self):
        """Return the most tries in a tenth of a second, but for the very first."""
        times = sorted(self.times[self.count:])
        return max([sum([begin <= one < begin + 0.1 for one in times]) for begin in times])
