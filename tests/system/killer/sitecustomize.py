"""Loaded by the interpreter of an agent under test: ends it at a certain one of the things that it does.

COMPOSER_KILL names a file of one line, `N HOW`.  Whatever changes the world (a file opened for writing, renamed or
removed, a folder, a program) is counted, and the Nth is the last: HOW is "before" it is done, or "amid" it, which for a
program is two milliseconds after its start.  Or it is refused: HOW is "full" for all but a program, "fork" for that.  0
is none.  What is done is written behind, for whoever asks.
"""
import os
import signal
import sys

CHANGES = {"os.rename": 2, "os.remove": 1, "os.mkdir": 1, "os.rmdir": 1, "os.link": 2, "subprocess.Popen": 2}
AMID = 0.002  # seconds
REFUSALS = {b"full": (28, "No space left on device"), b"fork": (11, "Resource temporarily unavailable")}
link = os.open(os.environ["COMPOSER_KILL"], os.O_RDWR)
done = [0]


def hook(event, arguments):
    if event == "open":
        path, mode, flags = arguments
        if not (set(mode or "") & set("wxa+") or flags & (os.O_WRONLY | os.O_RDWR)) or not str(path).startswith("/") or str(path).startswith(("/dev/", "/proc/")):
            return
    elif event not in CHANGES:
        return
    text = os.pread(link, 64, 0).split()
    if not text or text[0] == b"0":
        done[0] = 0
        return
    done[0] += 1
    name = "%s %s" % (event, " ".join([str(one)[:120] for one in arguments[:CHANGES.get(event, 1)]]))
    os.pwrite(link, ("%8d %s\n" % (done[0], name.replace("\n", " "))).encode().ljust(512), 64)
    if done[0] == int(text[0]):
        if text[1] in (b"full", b"fork"):
            if (event == "subprocess.Popen") == (text[1] == b"fork"):
                raise OSError(*REFUSALS[text[1]])
            return
        if text[1] == b"before":
            os.kill(os.getpid(), signal.SIGKILL)
        signal.setitimer(signal.ITIMER_REAL, AMID)


sys.addaudithook(hook)
