"""Fuzzing MEASURE: whatever text comes, it is read, or refused with a line and a column; what is read can be evaluated."""
import random
import re
import time

from composer.core import measure, windows
from composer.core.errors import BadGraph
from crash import sample

SEED = 20261126
TEXTS, CHUNK = 50_000, 5_000
LIMIT = 0.1  # seconds of processor time for one text
PLACE = re.compile(r"line [1-9]\d*, column [1-9]\d*: .")
GOOD = ['''measurements { m1 = cpu(vnf = fw); m2 = overload.risk.rx(interface = wan, line_rate = 1e6, cutoff = 0.5); m3 = reported(name = "a b"); }
zones { z1 = (AVG(val = m1, max_age = "5 minute") < 0.5); z2 = ((MAX(val = m2, max_age = "1 hours") >= (0.8 - 0.1)) or (COUNT(val = m3,
max_age = "30 seconds") > 2)); z3 = (((1 < 2) && (3 = 3)) || (STDDEV(val = m1, max_age = "1 minute") <= 4)); }
actions { z1 = Notify(target = "ctrl", message = "ok"); z1->z2 = Publish(topic = "alarms", message = "scale_out"); ->z3 = Publish(topic = a/b,
message = c); z2-> = Notify(target = t, message = "a longer text"); }''',
        '''measurements { d = delay.twoway.icmp.us.50pct(destination.ip4 = 192.0.2.1, source.ip4 = "10.0.0.1", count = 7, interval = 60); }
zones { late = (MIN(val = d, max_age = "2 minutes") > 1000); } actions { late = Publish(topic = late, message = "yes"); }''']
WORDS = ["measurements", "zones", "actions", "{", "}", "(", ")", ";", ",", "=", "->", ">=", "<=", "&&", "||", "and", "or", "+", "-", "<", ">", '"', "AVG",
         "cpu", "m1", "z1", "val", "max_age", '"1 minute"', "0.5", "1e999", "nan", "-1", "1.2.3", "\0", "\n", "\ufeff", "\u00b2", "'", "#", "//", "(" * 40]


def mutant(rng):
    """Return a text that is wrong somewhere, perhaps everywhere."""
    kind = rng.random()
    if kind < 0.1:
        return "".join([chr(rng.randrange(1, 0x250)) for _ in range(rng.randrange(80))])
    if kind < 0.3:
        return " ".join([rng.choice(WORDS) for _ in range(rng.randrange(60))])
    words = re.findall(r'"[^"]*"|[\w.]+|\s+|.', rng.choice(GOOD))
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        at = rng.randrange(len(words))
        change = rng.randrange(4)
        if change == 0:
            del words[at]
        elif change == 1:
            words.insert(at, rng.choice(WORDS))
        elif change == 2:
            words[at] = rng.choice(words)
        else:
            words[at] = words[at][:rng.randrange(len(words[at]) + 1)] + rng.choice(WORDS)
        if not words:
            break
    return "".join(words)


def test_whatever_text_comes_is_read_or_refused_with_its_place():
    good = bad = 0
    for number in sample(list(range(TEXTS // CHUNK)), 2):
        rng = random.Random(SEED + number)
        for index in range(CHUNK):
            text, begun = mutant(rng), time.process_time()
            try:
                found = measure.parse(text)
            except BadGraph as refusal:
                bad += 1
                assert PLACE.match(refusal.message), (number, index, text, refusal.message)
                assert len(refusal.message) < 2000
                line, column = [int(word) for word in re.findall(r"\d+", refusal.message)[:2]]
                assert line <= text.count("\n") + 1 and column <= len(text.split("\n")[line - 1]) + 1, (number, index, text, refusal.message)
            else:
                good += 1
                kept = {key: windows.Window(key[1]) for key in measure.windows(found)}
                for window in kept.values():
                    window.add(0, rng.choice((0, 1, -5.5, 1e300)))
                true, fired = measure.evaluate(found, kept, 1, set())
                assert true <= {zone.name for zone in found.zones} and all(one in found.actions for one in fired)
            assert time.process_time() - begun < LIMIT, (number, index, text)
    print("seed %d: %d texts refused, %d read" % (SEED, bad, good))
    assert bad > 10 * good > 0
