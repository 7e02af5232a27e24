"""S99composer, the init script of Buildroot and of Yocto with sysvinit, with busybox's start-stop-daemon."""
import os
import subprocess
import time

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCRIPT = os.path.join(TOP, "agent/init/S99composer")

pytestmark = pytest.mark.root


@pytest.fixture
def service(tmp_path):
    """A service of its own: an agent that says when it starts, and what with; it takes no configuration that has "bad"."""
    (tmp_path / "bin").mkdir()
    agent = tmp_path / "bin/composer-agent"
    agent.write_text('#!/bin/sh\n[ "$3" != --check ] || { ! grep -q bad "$2"; exit; }\necho "started $*"; exec sleep 60\n')
    agent.chmod(0o755)
    (tmp_path / "bin/start-stop-daemon").symlink_to("/bin/busybox" if os.path.exists("/bin/busybox") else "/usr/bin/busybox")
    config = tmp_path / "composer.json"
    config.write_text("{}")
    # What /etc/default/composer-agent could say, said to a copy.
    text = open(SCRIPT).read().replace("PAUSE=5", "PAUSE=0.2")
    for name, path in (("PIDFILE", "pid"), ("CONFIG", "composer.json"), ("LOG", "log")):
        lines = [line for line in text.split("\n") if line.startswith(name + "=")]
        text = text.replace(lines[0], '%s="%s"' % (name, tmp_path / path))
    script = tmp_path / "S99composer"
    script.write_text(text)

    class Service:
        folder = tmp_path

        def do(self, action):
            return subprocess.run(["busybox", "ash", str(script), action], capture_output=True, text=True, timeout=20,
                                  env={"PATH": "%s:%s" % (tmp_path / "bin", os.environ["PATH"]), "COMPOSER_TESTS": os.environ.get("COMPOSER_TESTS", "")})

        def starts(self):
            return (tmp_path / "log").read_text().count("started") if (tmp_path / "log").exists() else 0

        def children(self):
            pid = (tmp_path / "pid").read_text().strip()
            return open("/proc/%s/task/%s/children" % (pid, pid)).read().split()
    service = Service()
    yield service
    service.do("stop")


def eventually(condition):
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_it_starts_the_agent_again_when_it_ends_until_it_is_stopped(service):
    done = service.do("start")
    assert done.returncode == 0 and done.stdout == "Starting composer-agent: OK\n", done
    eventually(lambda: service.starts() == 1)
    assert "--config %s" % (service.folder / "composer.json") in (service.folder / "log").read_text()
    child, = service.children()
    os.kill(int(child), 9)
    eventually(lambda: service.starts() == 2)
    child, = service.children()
    assert service.do("stop").returncode == 0
    assert not os.path.exists("/proc/" + child) and not (service.folder / "pid").exists()
    assert service.do("stop").returncode != 0
    time.sleep(0.5)
    assert service.starts() == 2


def test_a_reload_with_a_bad_configuration_leaves_the_agent_as_it_is(service):
    service.do("start")
    eventually(lambda: service.starts() == 1)
    before = service.children()
    (service.folder / "composer.json").write_text("bad")
    assert service.do("reload").returncode != 0 and service.children() == before
    (service.folder / "composer.json").write_text("{}")
    assert service.do("reload").returncode == 0
    eventually(lambda: service.starts() == 2)
    assert service.do("nonsense").returncode == 1
