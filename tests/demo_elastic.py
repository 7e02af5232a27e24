"""The demo of the Elastic Router (paper, 8.7): a load that grows and falls, and the figure of what was measured meanwhile.

    A  the router is deployed     B  the load begins     C  it begins to scale out     D  it has scaled out
    E  it begins to scale in      F  it has scaled in

The figure is like Figure 23: build/elastic.svg.  Exit status 0 only if it scaled both ways and no packet of the established
flows was lost.
"""
import json
import os
import sys
import time

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), folder) for folder in ("system", "nsf")]

from elastic import BUS, STATE, Elastic  # noqa: E402
from node import ROOT  # noqa: E402

OUT = ROOT + "/build/elastic.svg"
COLOURS = ("#1b6ca8", "#c8553d", "#588157", "#8d5a97", "#444444")
WIDTH, HEIGHT, LEFT, TOP, GAP = 900, 190, 70, 40, 60
PLAN = ((8, 6e6), (10, 40e6), (14, 40e6), (4, 5e5), (16, 5e5))  # seconds, bits a second at their end


def main():
    print("a node, four hosts, a broker, the agent")
    with Elastic() as router:
        begun = time.monotonic()
        router.deploy()
        events = [("A", begun)]
        first, second = router.probes()
        with first, second:
            time.sleep(5)
            load = router.load(*PLAN)
            events.append(("B", time.monotonic()))
            threshold = router.threshold(begun, 60)
            for letter, event, size in ("C", "scaling", "large"), ("D", "scaled", "large"), ("E", "scaling", "small"), ("F", "scaled", "small"):
                events.append((letter, router.wait(event, size, events[-1][1], 60)))
                print("  %s  %s to %s at %.1f s: %s" % (letter, event, size, events[-1][1] - begun, " ".join(router.switches())))
            time.sleep(4)
            load.kill()
            load.wait()
        series = {}
        for one in router.ear.of(BUS + "measurement/elastic-router/"):
            series.setdefault(one.topic.rpartition("/")[2], []).append((one.time - begun, json.loads(one.payload)["value"]))
        assert router.ear.last(STATE)["event"] == "scaled"
    at = dict(events)
    with open(OUT, "w") as file:
        file.write(figure(series, [(letter, when - begun) for letter, when in events], at["F"] - begun + 4))
    lost = first.lost + second.lost
    print("scaled out %.2f s after a SAP was measured to be likely to have too much, in %.2f s (C to D); in again in %.2f s (E to F)" % (
        at["D"] - threshold, at["D"] - at["C"], at["F"] - at["E"]))
    print("lost %d of %d packets of the established flows" % (lost, first.sent + second.sent))
    print("the figure is %s" % os.path.relpath(OUT))
    return 1 if lost else 0


def figure(series, events, end):
    """Return the figure as SVG; series: {metric: [(seconds, value)]}, events: [(letter, seconds)], end: seconds."""
    panels = (("overload risk of each SAP, and CPU of the control (cores)", ["risk0", "risk1", "risk2", "risk3", "cpu"], 1.0, 1),
              ("throughput into each SAP (Mb/s)", ["load0", "load1", "load2", "load3"], None, 1e-6))
    parts = []
    for number, (title, names, most, unit) in enumerate(panels):
        top = TOP + number * (HEIGHT + GAP)
        values = [value * unit for name in names for _, value in series.get(name, ())]
        most = most or max(values + [1]) * 1.1
        parts.append('<text x="%d" y="%d" font-weight="bold">%s</text>' % (LEFT, top - 22, title))
        parts.append('<rect x="%d" y="%d" width="%d" height="%d" fill="none" stroke="#999"/>' % (LEFT, top, WIDTH, HEIGHT))
        for tick in range(5):
            y = top + HEIGHT - HEIGHT * tick / 4
            parts.append('<text x="%d" y="%.1f" text-anchor="end">%.3g</text>' % (LEFT - 6, y + 4, most * tick / 4))
        for tick in range(0, int(end) + 1, 5):
            parts.append('<text x="%.1f" y="%d" text-anchor="middle">%d</text>' % (LEFT + WIDTH * tick / end, top + HEIGHT + 15, tick))
        for place, name in enumerate(names):
            parts.append('<text x="%d" y="%d" fill="%s">%s</text>' % (LEFT + WIDTH + 8, top + 14 + 16 * place, COLOURS[place], name))
            for line in lines(series.get(name, ())):
                parts.append('<polyline fill="none" stroke="%s" stroke-width="1.5" points="%s"/>' % (COLOURS[place], " ".join(
                    ["%.1f,%.1f" % (LEFT + WIDTH * when / end, top + HEIGHT - HEIGHT * min(1, value * unit / most)) for when, value in line])))
        for letter, when in events:
            x = LEFT + WIDTH * when / end
            parts.append('<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#000" stroke-dasharray="4 3"/>' % (x, top, x, top + HEIGHT))
            parts.append('<text x="%.1f" y="%d" text-anchor="middle">%s</text>' % (x, top - 6, letter))
    bottom = TOP + 2 * HEIGHT + GAP + 40
    parts.append('<text x="%d" y="%d">seconds; A deployed, B load begins, C to D scaling out, E to F scaling in</text>' % (LEFT, bottom))
    return '<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">\n%s\n</svg>\n' % (
        LEFT + WIDTH + 70, bottom + 20, "\n".join(['<rect width="100%" height="100%" fill="#fff"/>'] + parts))


def lines(points):
    """Return the points of a metric as lines: it is broken where nothing was measured."""
    found = []
    for when, value in points:
        if found and when - found[-1][-1][0] < 2:
            found[-1].append((when, value))
        else:
            found.append([(when, value)])
    return found


if __name__ == "__main__":
    sys.exit(main())
