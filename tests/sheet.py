"""Sheet: keeps the figures of a benchmark, prints them as a table as they come, and writes them as JSON."""
import json


class Sheet:
    COLUMNS = "%-62s %7s %-5s %7s %6s  %-34s %s"

    def __init__(self):
        self.figures = []
        print(self.COLUMNS % ("", "value", "unit", "floor", "ratio", "goal", "rival"), flush=True)

    def add(self, name, value, unit, floor=None, goals=(), rival=None):
        """Add a figure; goals: [(text, the most that the value may be)]."""
        figure = {"name": name, "value": _short(value), "unit": unit}
        if floor is not None:
            figure["floor"], figure["ratio"] = _short(floor), round(value / floor, 2)
        if goals:
            figure["goal"] = ", ".join([text for text, _ in goals])
        if rival:
            figure["rival"] = rival
        self.figures.append(figure)
        missed = ["MISSED " + text for text, most in goals if value > most]
        print(self.COLUMNS % (name, figure["value"], unit, figure.get("floor", ""), figure.get("ratio", ""),
                              ", ".join(missed) or figure.get("goal", ""), figure.get("rival", "")), flush=True)

    def write(self, path):
        with open(path, "w") as file:
            json.dump(self.figures, file, indent=1)
            file.write("\n")


def _short(value):
    """Return a number with three digits that mean something, or all that are before the point."""
    return value if isinstance(value, int) else round(value) if abs(value) >= 100 else float("%.3g" % value)
