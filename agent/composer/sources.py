"""Sources: where measurements come from (paper, 5.8: what cAdvisor and Ramon are there).

    cpu, mem              the control group of a function
    rate, throughput      counters of a device in /sys; of what has none, those of the switch, asked once for all ports of an LSI
    overload.risk         the rates of late, taken for log-normal: how likely is one above the line's (Ramon)
    delay.twoway.icmp     ping(8), a child now and then
    reported              what others publish on the bus

One value is taken for all who want it: it is kept under a key that says what is measured, whoever asks.
"""
import math

from . import host
from .core import names, placing, recursion, saps, steps
from .core.errors import StepFailed

RATES = 8  # those of late of which a risk is told, and how many it takes at least
FEWEST = 3
OLD, OLDEST = 2.5, 60  # after how many ticks a counter is too old to make a rate of; of the switch's, seconds
PINGS, ASKED = 3, 4  # at most at one time: children are few, and changes of graphs need them; LSIs asked in one tick
MOST_REPORTS = 64  # of one name, between two ticks
DIRECTIONS = {"rx": 0, "tx": 2}  # where packets are in a row of counters; octets come next


class Sources:
    def __init__(self, node, interval):
        self.node, self.interval = node, interval
        self.round, self.values = 0, {}  # of this round: {key: value}
        self.before = {}  # {key: (when, counter or counters)} of the last time
        self.rates = {}  # {(device, direction): rates of late}
        self.switch, self.asking = {}, set()  # {LSI: (when, counters)}; LSIs that are being asked
        self.pings, self.fresh = {}, {}  # {key: [next time, whether it runs]}; {key: what came of it since the last round}
        self.reports = {}  # {name: values since the last round}

    def turn(self, wanted):
        """Begin a round; forget what nobody wants any more.  wanted: keys, all that will be asked for."""
        self.round += 1
        self.values = {}
        devices = set([key[1] for key in wanted if key[0] == "counters"])
        self.before = dict([(key, self.before[key]) for key in self.before if key in wanted])
        self.rates = dict([(key, self.rates[key]) for key in self.rates if key[0] in devices])
        self.pings = dict([(key, self.pings[key]) for key in self.pings if key in wanted])
        self.fresh = {}
        self.reports = dict([(key[1], []) for key in wanted if key[0] == "reported"])
        lsis = set([key[2] for key in wanted if key[0] == "counters" and key[2]])
        self.switch = dict([(lsi, self.switch[lsi]) for lsi in self.switch if lsi in lsis])
        waiting = sorted(lsis - self.asking, key=lambda lsi: self.switch.get(lsi, (0, None))[0])
        for lsi in waiting[:ASKED - len(self.asking)] if len(self.asking) < ASKED else ():
            self._ask(lsi)

    def anew(self, keys):
        """Begin anew with what is measured under these keys: no rate is that of before and of now."""
        for key in keys:
            if self.before.pop(key, None) and key[0] == "counters":
                for way in DIRECTIONS:
                    self.rates.pop((key[1], way), None)

    def value(self, metric, key, now):
        """Return the value of a metric now, None if there is none; of what comes when it likes, a list of what has come."""
        kind, parameters = metric.kind, metric.parameters
        if key[0] == "reported":
            return self.reports.get(key[1], [])
        if key[0] == "ping":
            found, what = self.fresh.get(key, {}), kind.rpartition(".")[2]
            return [found[what]] if what in found else []
        if key[0] in ("cpu", "mem"):
            return self._once(key, lambda: self._group(key, now))
        rates = self._once(key, lambda: self._rates(key, now))
        if rates is None:
            return None
        what, _, way = kind.rpartition(".")
        packets, octets = rates[DIRECTIONS[way]:DIRECTIONS[way] + 2]
        if what == "rate":
            return packets
        if what == "throughput":
            return octets * 8
        return risk(self.rates[key[1], way], (parameters["line_rate"] or host.speed(key[1])) * parameters["cutoff"])

    def _once(self, key, read):
        if key not in self.values:
            self.values[key] = read()
        return self.values[key]

    def _group(self, key, now):
        groups = self.node.system.groups
        try:
            if key[0] == "mem":
                found = [groups.memory(name) for name in key[1]]
                return None if None in found or not found else sum(found)
            found = [groups.cpu(name) for name in key[1]]
        except OSError:  # out of file descriptors: there is no value now
            return None
        if None in found or not found:
            return None
        return self._rise(key, now, (sum(found),), lambda rates: rates[0])

    def _rates(self, key, now):
        _, device, lsi, turned = key
        if lsi:
            when, counters = self.switch.get(lsi, (now, {}))
            found = counters.get(device)
        else:
            when, found = now, host.counters(device)
        if found is None or (key in self.before and self.before[key][0] == when):
            return None
        if turned:
            found = found[2:] + found[:2]
        return self._rise(key, when, found, lambda rates: self._remember(device, rates))

    def _remember(self, device, rates):
        for way in DIRECTIONS:
            kept = self.rates.setdefault((device, way), [])
            kept.append(rates[DIRECTIONS[way] + 1] * 8)
            del kept[:-RATES]
        return rates

    def _rise(self, key, when, counters, made):
        """Return what is made of how much counters have risen a second; None the first time, or if they began anew."""
        before, self.before[key] = self.before.get(key), (when, counters)
        most = OLDEST if key[0] == "counters" and key[2] else OLD * self.interval
        if before is None or not 0 < when - before[0] <= most:
            self.anew([key])
            self.before[key] = (when, counters)
            return None
        rises = [(new - old) / (when - before[0]) for new, old in zip(counters, before[1])]
        return None if min(rises) < 0 else made(rises)

    def _ask(self, lsi):
        self.asking.add(lsi)

        def answered(counters, error):
            self.asking.discard(lsi)
            if error is None:
                self.switch[lsi] = (self.node.loop.clock(), counters)
        self.node.drive(self.node.drivers.vswitch.port_counters(lsi), answered, quiet=True)

    def ping(self, key, now):
        """See that a ping is sent when it is time."""
        _, target, source, count, interval = key
        state = self.pings.setdefault(key, [now, False])
        if state[1] or now < state[0] or sum([running for _, running in self.pings.values()]) >= PINGS:
            return
        state[0], state[1] = now + interval, True

        def answered(found, error):
            state[1] = False
            if error is None:
                self.fresh[key] = found
        self.node.drive(_pinging(target, source, count), answered, quiet=True)

    def report(self, name, value):
        """Take a value that somebody has measured; return whether it is wanted."""
        if name not in self.reports:
            return False
        self.reports[name].append(value)
        del self.reports[name][:-MOST_REPORTS]
        return True


def key_of(subject, metric, placed):
    """Return the key of what a metric of a placed graph is about.  Raises ValueError for what has no counter."""
    if subject[0] in ("ping", "reported"):
        return subject
    if subject[0] == "sf":
        return metric.kind, tuple(sorted([placed["sfs"][name]["netns"] for name in recursion.of(subject[1], placed["sfs"])]))
    number, lsi = placed["number"], names.lsi(placed["number"])
    if subject[0] == "port":
        _, sf_id, port_id = subject
        if sf_id in placed["parts"]:  # its ports are joints: what comes out of the outer end was sent by the function
            return "counters", names.joint(number, placed["joints"]["%s:%s" % (sf_id, port_id)])[0], lsi, True
        sf = placed["sfs"][sf_id]
        place = next(port["number"] for port in sf["ports"] if port["id"] == port_id)
        return "counters", names.port(number, sf["number"], place), "", True
    sap = next(sap for sap in placed["graph"].saps if sap.id == subject[1])
    if sap.vlan is not None:
        raise ValueError("SAP %s is a VLAN, which has no counter of its own: measure a function's port behind it" % sap.id)
    if saps.place(sap) == saps.WIRE:
        return "counters", sap.interface, "", False
    device, own = names.sap(number, placed["saps"][sap.id]["number"])[0], placed["saps"][sap.id]["way"]
    if saps.place(sap) == saps.SEGMENT:
        return "counters", device, names.LSI0, False
    if saps.place(sap) == saps.HOST:
        return "counters", device, "", True  # what the node sends there comes in
    return "counters", device, "" if own == placing.DEVICE else lsi, False


def risk(rates, most):
    """Return how likely a rate is above `most`, both in bits a second, if rates are log-normal; None of too few (SPEC 7)."""
    if len(rates) < FEWEST or most <= 0:
        return None
    mean = sum(rates) / len(rates)
    variance = sum([(rate - mean) ** 2 for rate in rates]) / len(rates)
    if mean <= 0:
        return 0.0
    if variance <= 0:
        return float(mean > most)
    spread = math.log(1 + variance / (mean * mean))  # of the logarithm, from mean and variance of the rate itself
    middle = math.log(mean) - spread / 2
    return math.erfc((math.log(most) - middle) / math.sqrt(2 * spread)) / 2


def _pinging(target, source, count):
    """Yield the step that pings; return {"count", "min", "mean", "50pct", "max"}, the times in microseconds."""
    words = ("ping", "-c", str(count), "-W", "1") + (("-I", source) if source else ()) + (target,)
    try:
        text = yield steps.run(*words)
    except StepFailed as error:  # nobody answered, or not all did
        text = error.output
    times = sorted([float(line.partition("time=")[2].split()[0]) * 1000 for line in text.split("\n") if "time=" in line])
    if not times:
        return {"count": 0}
    return {"count": len(times), "min": times[0], "max": times[-1], "mean": sum(times) / len(times),
            "50pct": times[len(times) // 2] if len(times) % 2 else (times[len(times) // 2 - 1] + times[len(times) // 2]) / 2}
