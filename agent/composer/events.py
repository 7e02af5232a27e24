"""Events: what happened on this node, in order, each with a number; the last ones are kept to be read.

    events.tell("function failed", graph="home", function="fw", why="exit status 1")

Whoever wants to hear of each puts a function into `listeners` (SPEC 5: the bus).
"""
import time

from . import log

KEPT = 128


class Events:
    def __init__(self):
        self.listeners, self.kept, self.last = [], [], 0

    def tell(self, event, **what):
        """Note an event, with what it was about as values for JSON; log it."""
        self.last += 1
        one = dict({"sequence": self.last, "time": int(time.time()), "event": event}, **what)
        self.kept.append(one)
        del self.kept[:-KEPT]
        log.write("event", event, **what)
        for listener in self.listeners:
            try:
                listener(one)
            except Exception as error:  # it happened all the same
                log.failure("event", error)

    def since(self, sequence):
        """Return the events after that one which are still kept."""
        return [one for one in self.kept if one["sequence"] > sequence]
