"""composerctl, as a user runs it: with its output in pipes, or on a terminal."""
import os
import select
import subprocess
import sys
import time

from node import ROOT

PROGRAM = sys.prefix + "/bin/composerctl"
COMMAND = [PROGRAM] if os.path.exists(PROGRAM) else [sys.executable, "-m", "composer.ctl"]
LIMIT = 30  # seconds
ERASE = "\r\033[K"  # what comes before a new look of the progress bar


def environment(url, **env):
    env = {"COMPOSER_URL": url, "TERM": "xterm", "PYTHONPATH": ROOT + "/agent", **env}
    kept = {name: value for name, value in os.environ.items() if name not in ("COMPOSER_TOKEN", "NO_COLOR")}
    return dict(kept, **{name: value for name, value in env.items() if value is not None})


def popen(url, *words, **options):
    """Start it; its output is in pipes unless `options` say otherwise."""
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    command = ["env", "--default-signal=INT", *COMMAND, *words]  # a job in the background has none
    return subprocess.Popen(command, env=environment(url), **options)


def ctl(url, *words, input="", **env):
    """Run it to its end; return a CompletedProcess.  It never shows a traceback."""
    done = subprocess.run([*COMMAND, *words], input=input, capture_output=True, text=True, timeout=LIMIT,
                          env=environment(url, **env))
    assert "Traceback" not in done.stderr, done.stderr
    return done


class Terminal:
    """It, or another command, on a terminal of its own; `text` is what that has shown so far."""

    def __init__(self, url, *words, command=COMMAND, **env):
        self.text, (self._master, slave) = "", os.openpty()
        self.process = subprocess.Popen([*command, *words], env=environment(url, **env), stdin=slave, stdout=slave,
                                        stderr=slave, start_new_session=True)  # no /dev/tty but this
        os.close(slave)

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.process.kill()
        self.process.wait()
        os.close(self._master)

    def until(self, text):
        """Read until it has shown `text`."""
        end = time.monotonic() + LIMIT
        while text not in self.text:
            assert time.monotonic() < end and self._read(), "not shown: %r, but %r" % (text, self.text)

    def type(self, text):
        os.write(self._master, text.encode())

    def end(self):
        """Read to the end; return the exit code."""
        while self._read():
            pass
        return self.process.wait(LIMIT)

    def _read(self):
        try:
            assert select.select([self._master], [], [], LIMIT)[0], "it hangs: " + self.text
            got = os.read(self._master, 4096)
        except OSError:  # nobody has the other end any more
            return False
        self.text += got.decode().replace("\r\n", "\n")
        return bool(got)
