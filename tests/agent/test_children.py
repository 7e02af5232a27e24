"""Children: what they say is read, whatever they leave behind; what they take of time and memory has an end."""
import os
import time

import pytest

from composer import children
from composer.core.errors import UNBORN
from composer.loop import Loop

ENVIRON = {"PATH": os.environ["PATH"]}


def run(script, limit=20, leaves=True, stdin=""):
    """Return (exit status or None, output, seconds) of a shell script."""
    loop, ended, begun = Loop(log=print), [], time.monotonic()

    def done(*how):
        ended.extend(how)
        loop.stop()
    children.start(loop, ["sh", "-c", script], stdin, ENVIRON, limit, done, leaves)
    before = len(loop._sources)
    loop.run()
    assert len(loop._sources) <= before
    loop.close()
    return ended[0], ended[1], time.monotonic() - begun


@pytest.mark.parametrize("leaves", [True, False])
def test_what_is_said_is_read_with_the_exit_status(leaves):
    assert run("cat; echo out; echo err >&2; echo again >/dev/stderr; exit 3", leaves=leaves, stdin="in\n")[:2] \
        == (3, "in\nout\nerr\nagain\n")


def test_a_daemon_that_is_left_behind_holds_up_nobody_and_may_go_on_talking():
    code, said, seconds = run("(sleep 0.2; for i in 1 2 3; do echo talk || exit; done; echo well >/tmp/composer-%d-talk) & echo begun"
                              % os.getpid())
    assert (code, said) == (0, "begun\n") and seconds < 0.2
    path = "/tmp/composer-%d-talk" % os.getpid()
    end = time.monotonic() + 5
    while not os.path.exists(path):
        assert time.monotonic() < end, "nobody listens, and it was ended"
        time.sleep(0.01)
    os.unlink(path)


def test_of_very_much_the_end_is_kept_and_it_is_said():
    code, said, _ = run("i=0; while [ $i -lt 300 ]; do i=$((i + 1)); echo $i; head -c 5000 /dev/zero | tr '\\0' x; echo; sleep 0.001; done")
    assert code == 0 and len(said) < 2 * children.TAIL + children.PIECE
    assert "\n300\n" in said and said.endswith("some is lost")


def test_of_a_program_all_is_read():
    code, said, _ = run("head -c 3000000 /dev/zero | tr '\\0' x", leaves=False)
    assert (code, len(said)) == (0, 3000000)


def test_at_its_limit_a_child_is_told_and_may_tidy_up():
    code, said, seconds = run("trap 'echo tidy; exit 0' TERM; sleep 100 & wait", limit=0.2)
    assert (code, said) == (None, "tidy\n") and seconds < 1.5


def test_one_that_does_not_heed_it_is_killed_with_its_group():
    code, said, seconds = run("trap '' TERM; sleep 1000 & echo $!; while :; do sleep 1000; done", limit=0.2)
    assert code is None and 2 < seconds < 4
    end = time.monotonic() + 1
    while is_alive(said.split()[0]):
        assert time.monotonic() < end, "its child lives on"


def is_alive(pid):
    try:
        with open("/proc/%s/stat" % pid) as file:
            return file.read().split()[2] != "Z"
    except FileNotFoundError:
        return False


def test_a_program_that_is_not_there_is_no_surprise():
    ended = []
    loop = Loop()
    children.start(loop, ["/no/such/program"], "", ENVIRON, 1, lambda *how: ended.extend(how), False)
    assert ended == [UNBORN, "/no/such/program: No such file or directory"]
    loop.close()
