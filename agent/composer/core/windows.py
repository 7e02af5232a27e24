"""Windows: what was measured of late, in few numbers however much it was.

    a window of 5 minutes    | 10 s | 10 s | ... | 10 s |      30 buckets of count, sum, sum of squares, least and most

A bucket goes when the last value in it is too old, so a value is counted for a thirtieth of the window's age too long at most.
"""

BUCKETS = 30
AGGREGATES = ("AVG", "COUNT", "MAX", "MIN", "STDDEV")


class Window:
    """What was added in the last `seconds`.  Times are seconds on any one clock that does not go back."""

    def __init__(self, seconds):
        self.seconds, self.width = seconds, seconds / BUCKETS
        self.begins, self.ends, self.counts, self.sums, self.squares, self.least, self.most = [], [], [], [], [], [], []
        self.lists = (self.begins, self.ends, self.counts, self.sums, self.squares, self.least, self.most)
        self.base = 0  # squares are of what a value differs from this one: else a small spread of large values is lost

    def add(self, now, value):
        self.forget(now)
        if not self.begins:
            self.base = value
        from_base = value - self.base
        if self.begins and now - self.begins[-1] < self.width:
            self.ends[-1] = now
            self.counts[-1] += 1
            self.sums[-1] += from_base
            self.squares[-1] += from_base * from_base
            self.least[-1] = min(self.least[-1], value)
            self.most[-1] = max(self.most[-1], value)
            return
        for kept, one in zip(self.lists, (now, now, 1, from_base, from_base * from_base, value, value)):
            kept.append(one)

    def forget(self, now):
        """Forget what is too old."""
        while self.ends and now - self.ends[0] > self.seconds:
            for kept in self.lists:
                kept.pop(0)

    def clear(self):
        for kept in self.lists:
            del kept[:]

    def value(self, aggregate, now):
        """Return one of AGGREGATES of what is there; None of nothing, whose COUNT is 0.  STDDEV is that of a population."""
        self.forget(now)
        count = sum(self.counts)
        if aggregate == "COUNT":
            return count
        if not count:
            return None
        if aggregate == "MIN":
            return min(self.least)
        if aggregate == "MAX":
            return max(self.most)
        mean = sum(self.sums) / count
        if aggregate == "AVG":
            return mean + self.base
        return max(0, sum(self.squares) / count - mean * mean) ** 0.5
