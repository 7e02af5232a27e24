"""Cycles: graphs come and go for years, and nothing piles up.  `make test` does a few, `make test-faults` 2,000."""
import os
import statistics
import time

import pytest

from crash import FULL
from place import Place, chain

CYCLES = 2000 if FULL else 20
WARM = 100 if FULL else 10  # cycles before anything is counted: the events that are kept are as many then as they will be
MORE = 1.0  # MB of memory


@pytest.fixture(scope="module")
def shared():
    with Place() as place:
        yield place


def there(place):
    """Return what could pile up, as lines and numbers."""
    pid = place.agent.pid
    temporary = sorted([name for name in os.listdir("/tmp") if name.startswith("composer-%d-" % os.getpid())])
    return place.world() + sorted(os.listdir(place.node.dir)) + temporary + ["fds %d" % len(os.listdir("/proc/%d/fd" % pid))]


@pytest.mark.timeout(3000)
def test_graphs_of_three_functions_come_and_go(place):
    body, taken = chain("v", "w", "x"), []
    for index in range(CYCLES + WARM):
        if index == WARM:
            time.sleep(3)
            before, memory = there(place), place.metric("process_resident_memory_bytes")
        begun = time.monotonic()
        place.put(body, 201)
        place.delete("g")
        taken.append(time.monotonic() - begun)
    time.sleep(3)
    grown = (place.metric("process_resident_memory_bytes") - memory) / 1e6
    some = max(10, CYCLES // 20)
    first, last = statistics.median(taken[WARM:WARM + some]), statistics.median(taken[-some:])
    print("%d cycles: memory %+.2f MB, the first %.0f ms, the last %.0f ms: x %.2f" % (
        CYCLES, grown, 1000 * first, 1000 * last, last / first))
    assert there(place) == before
    assert grown < MORE
    assert last / first < 1.5, "1.2 is the aim, the rest is slack for a busy machine"
    assert place.metric("composer_loop_latest_seconds") < 0.25
