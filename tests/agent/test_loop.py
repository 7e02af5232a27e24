"""The loop: sources, timers, children and signals, each with real file descriptors and processes."""
import os
import signal
import socket
import sys
import threading
import time

import pytest

import composer.loop
from composer.loop import GONE

MADE = []  # loops and sources, to be closed after each test


def Loop(*arguments, **named):
    MADE.append(composer.loop.Loop(*arguments, **named))
    return MADE[-1]


@pytest.fixture(autouse=True)
def close_what_was_made():
    yield
    while MADE:
        MADE.pop().close()


class Clock:
    """Time stands still until a test moves it."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Source:
    """One end of a socket pair that writes down what it is called for."""

    def __init__(self, act=None, writes=False):
        self.socket, self.far = socket.socketpair()
        self.act, self.writes = act, writes
        self.calls, self.closed = [], False
        MADE.append(self)

    def fileno(self):
        return self.socket.fileno()

    def wants_write(self):
        return self.writes

    def ready(self, readable, writable):
        self.calls.append((readable, writable))
        if self.act:
            self.act(self)

    def close(self):
        self.closed = True
        self.socket.close()
        self.far.close()


class Deaf(Source):
    """A source that does not want to read."""

    def wants_read(self):
        return False


def turns(loop, number=1):
    """Turn without waiting."""
    for _ in range(number):
        loop.soon(int)
        loop.turn()


def fails(*_):
    raise ValueError("two\nlines")


def child(code):
    """Start a Python child.  Not by subprocess, which waits for its children itself once the Popen is forgotten."""
    return os.posix_spawn(sys.executable, [sys.executable, "-S", "-c", code], os.environ)


def run_until(loop, condition, seconds=5):
    """Run `loop`, with its signals, until `condition()`."""
    def look():
        if condition():
            loop.stop()
        else:
            loop.at(0.005, look)

    late = loop.at(seconds, loop.stop)
    look()
    loop.run()
    late.cancel()
    assert condition(), "not within %d s" % seconds


def test_timers_go_off_in_the_order_of_their_time():
    clock, seen = Clock(), []
    loop = Loop(clock)
    for seconds in (3, 1, 2):
        loop.at(seconds, lambda seconds=seconds: seen.append(seconds))
    for name in "abcdef":
        loop.at(2, lambda name=name: seen.append(name))
    turns(loop)
    assert seen == []
    clock.now += 2
    turns(loop)
    assert seen == [1, 2, "a", "b", "c", "d", "e", "f"]
    clock.now += 2
    turns(loop)
    assert seen[-1] == 3


def test_a_cancelled_timer_does_not_go_off_even_if_another_of_the_same_turn_cancels_it():
    clock, seen = Clock(), []
    loop = Loop(clock, seen.append)
    loop.at(1, lambda: second.cancel())
    second = loop.at(1, lambda: seen.append("second"))
    third = loop.at(1, lambda: seen.append("third"))
    third.cancel()
    third.cancel()
    clock.now += 5
    turns(loop)
    assert seen == []


def test_a_timer_that_arms_itself_for_now_waits_for_the_next_turn():
    clock, seen = Clock(), []
    loop = Loop(clock)

    def again():
        seen.append(1)
        loop.at(0, again)

    again()
    turns(loop, 3)
    assert len(seen) == 4


def test_the_loop_sleeps_until_the_first_timer_and_no_longer():
    loop, seen = Loop(), []
    loop.at(0.05, lambda: seen.append(time.monotonic()))
    loop.at(0.01, fails).cancel()
    begun = time.monotonic()
    loop.turn()
    assert 0.05 <= seen[0] - begun < 0.5


def test_cancelled_timers_do_not_pile_up():
    loop = Loop(Clock())
    for _ in range(10000):
        loop.at(3600, fails).cancel()
    assert len(loop._timers) < 200


def test_what_is_called_for_soon_comes_in_the_next_turn_with_its_arguments():
    loop, seen = Loop(), []

    def again(word):
        seen.append(word)
        loop.soon(again, word + "!")

    loop.soon(again, "a")
    loop.turn()
    assert seen == ["a"]
    loop.turn()
    assert seen == ["a", "a!"]


def test_a_source_is_called_for_what_it_wants_only():
    loop = Loop()
    reader, writer, deaf = Source(), Source(writes=True), Deaf()
    for source in (reader, writer, deaf):
        loop.add(source)
        source.far.send(b"x") if source is not writer else None
    turns(loop)
    assert reader.calls == [(True, False)] and writer.calls == [(False, True)] and deaf.calls == []
    writer.writes, reader.writes = False, True
    turns(loop)
    assert reader.calls[1:] == [(True, True)] and writer.calls[1:] == []


def test_a_source_without_wishes_wants_to_read_only():
    near, far = socket.socketpair()

    class Plain:
        fileno, calls = staticmethod(far.fileno), []

        def ready(self, readable, writable):
            self.calls.append((readable, writable))

    with far, near:
        loop = Loop()
        loop.add(Plain())
        near.send(b"x")
        turns(loop)
        assert Plain.calls == [(True, False)]


def test_a_hang_up_is_told_even_to_a_source_that_wants_nothing():
    loop, deaf = Loop(), Deaf()
    loop.add(deaf)
    deaf.far.close()
    turns(loop)
    assert deaf.calls == [(True, True)]


def test_a_source_that_another_one_removes_is_not_called_in_that_turn():
    loop = Loop()
    first, second = Source(lambda it: loop.remove(second)), Source(lambda it: loop.remove(first))
    for source in (first, second):
        loop.add(source)
        source.far.send(b"x")
    turns(loop)
    assert len(first.calls) + len(second.calls) == 1


def test_a_new_source_under_a_used_number_is_not_called_for_the_old_ones_event():
    loop, new = Loop(), []

    def replace(it):
        other = second if it is first else first
        number = other.fileno()
        loop.remove(other)
        other.close()
        fresh = Source()
        if fresh.fileno() != number:
            os.dup2(fresh.fileno(), number)
            fresh.socket = socket.socket(fileno=number)
        loop.add(fresh)
        new.append(fresh)
        it.act = None

    first, second = Source(replace), Source(replace)
    for source in (first, second):
        loop.add(source)
        source.far.send(b"x")
    turns(loop)
    assert len(new) == 1 and new[0].calls == []
    new[0].far.send(b"x")
    turns(loop)
    assert new[0].calls == [(True, False)]


def test_removing_a_source_twice_or_one_never_added_is_nothing():
    loop, source = Loop(), Source()
    loop.remove(source)
    loop.add(source)
    loop.remove(source)
    loop.remove(source)
    source.far.send(b"x")
    turns(loop)
    assert source.calls == []


def test_a_source_that_fails_is_logged_in_one_line_removed_and_closed_and_the_others_go_on():
    lines = []
    loop = Loop(log=lines.append)
    bad, good = Source(fails), Source()
    for source in (bad, good):
        loop.add(source)
        source.far.send(b"x")
    turns(loop, 2)
    assert bad.closed and len(bad.calls) == 1 and len(good.calls) == 2
    assert len(lines) == 1
    assert lines[0].startswith("loop: failed Source.ready ValueError: two lines at=test_loop.py:")


def test_a_source_whose_wish_or_whose_close_fails_does_no_harm():
    lines = []
    loop = Loop(log=lines.append)
    bad, good = Source(), Source()
    bad.wants_write, bad.close, close = fails, fails, bad.close
    for source in (bad, good):
        loop.add(source)
        source.far.send(b"x")
    turns(loop, 2)
    assert good.calls == [(True, False)] * 2 and bad.calls == []
    assert [line.split()[:2] for line in lines] == [["loop:", "failed"]] * 2
    bad.close = close


def test_a_timer_or_an_action_that_fails_is_logged_and_the_loop_goes_on():
    clock, lines, seen = Clock(), [], []
    loop = Loop(clock, lines.append)
    for _ in range(2):
        loop.at(1, fails)
        loop.soon(fails)
    loop.at(1, lambda: seen.append("timer"))
    loop.soon(seen.append, "action")
    clock.now += 1
    turns(loop)
    assert sorted(seen) == ["action", "timer"] and len(lines) == 4


def test_a_source_closed_without_being_removed_is_reported_once():
    lines = []
    loop, source = Loop(log=lines.append), Source()
    loop.add(source)
    source.close()
    turns(loop, 3)
    assert lines == ["loop: failed Source was closed before it was removed"]


def test_the_exit_code_of_a_child_is_told_and_a_signal_is_negative():
    loop, seen = Loop(), {}
    loop.watch(child("raise SystemExit(3)"), lambda code: seen.update(exit=code))
    loop.watch(child("import os; os.kill(os.getpid(), 9)"), lambda code: seen.update(killed=code))
    run_until(loop, lambda: len(seen) == 2)
    assert seen == {"exit": 3, "killed": -9}


def test_a_child_that_ended_before_it_was_watched_is_noticed():
    loop, seen = Loop(), []
    pid = child("pass")
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    loop.watch(pid, seen.append)
    begun = time.monotonic()
    while not seen and time.monotonic() - begun < 5:
        turns(loop)
    assert seen == [0]


def test_the_end_of_a_child_wakes_the_loop():
    loop, seen = Loop(), []

    def done(code):
        seen.append(code)
        loop.stop()

    loop.watch(child("import time; time.sleep(0.2)"), done)
    loop.at(20, loop.stop)
    begun = time.monotonic()
    loop.run()
    assert seen == [0] and time.monotonic() - begun < 10


def test_only_watched_children_are_waited_for():
    loop, seen = Loop(), []
    other = child("raise SystemExit(7)")
    os.waitid(os.P_PID, other, os.WEXITED | os.WNOWAIT)
    loop.watch(child("pass"), seen.append)
    run_until(loop, lambda: seen)
    assert os.waitstatus_to_exitcode(os.waitpid(other, 0)[1]) == 7


def test_a_child_whose_status_somebody_else_took_is_gone():
    loop, seen = Loop(), []
    pid = child("pass")
    os.waitpid(pid, 0)
    loop.watch(pid, seen.append)
    turns(loop, 3)
    assert seen == [GONE]


def test_fifty_children_that_end_together_are_all_noticed():
    loop, seen = Loop(), []
    for _ in range(50):
        loop.watch(os.posix_spawn("/bin/true", ["true"], {}), seen.append)
    run_until(loop, lambda: len(seen) == 50)
    assert seen == [0] * 50


def test_what_a_child_leads_to_may_fail_and_the_loop_goes_on():
    lines, seen = [], []
    loop = Loop(log=lines.append)
    loop.watch(child("pass"), fails)
    loop.watch(child("pass"), seen.append)
    run_until(loop, lambda: seen and lines)


def test_sigterm_and_sigint_stop_the_loop_and_the_old_handlers_come_back():
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)]
    for number in (signal.SIGTERM, signal.SIGINT):
        loop = Loop()
        loop.at(0.02, lambda: os.kill(os.getpid(), number))
        late = loop.at(5, fails)
        begun = time.monotonic()
        loop.run()
        assert time.monotonic() - begun < 4
        late.cancel()
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)] == before


def test_stop_before_run_counts_and_run_may_be_called_again():
    loop, seen = Loop(), []
    loop.stop()
    loop.run()
    loop.soon(seen.append, 1)
    loop.at(0.01, loop.stop)
    loop.run()
    assert seen == [1]


def test_another_thread_may_stop_the_loop():
    loop = Loop()
    thread = threading.Thread(target=loop.run, args=(False,))
    thread.start()
    time.sleep(0.02)
    loop.stop()
    thread.join(5)
    assert not thread.is_alive()


def test_the_longest_turn_is_told_with_the_name_of_what_took_longest():
    clock = Clock()
    loop = Loop(clock)

    def slow():
        clock.now += 0.3

    def slower():
        clock.now += 0.5

    for action in (slow, slower, int):
        loop.soon(action)
    loop.turn()
    seconds, name = loop.longest
    assert round(seconds, 6) == 0.8 and name.endswith("slower")
    turns(loop)
    assert loop.longest == (seconds, name)
    loop.longest = loop.NEVER
    loop.soon(slow)
    loop.turn()
    assert round(loop.longest[0], 6) == 0.3 and loop.longest[1].endswith("slow")


def test_the_slow_end_of_a_child_is_not_blamed_on_the_loop():
    clock = Clock()
    loop = Loop(clock)

    def slow(code):
        clock.now += 1
        loop.stop()

    loop.watch(child("import time; time.sleep(0.1)"), slow)
    loop.run()
    assert round(loop.longest[0], 6) == 1 and loop.longest[1].endswith("slow")


def test_sleeping_does_not_count_as_being_late():
    loop = Loop()
    loop.at(0.1, int)
    loop.turn()
    assert loop.longest[0] < 0.05


def test_a_closed_loop_keeps_no_file_descriptor():
    before = os.listdir("/proc/self/fd")
    for _ in range(3):
        composer.loop.Loop().close()
    assert os.listdir("/proc/self/fd") == before
