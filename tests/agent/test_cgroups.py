"""Control groups: limits hold, and nothing in a group escapes its end; on the kernel's own groups, in a box of them.

The tests see the groups of the box from outside: a file like /proc/self/mounts says where they are.
"""
import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

from composer import cgroups
from composer.cgroups import Groups
from node import JOIN, ROOT, Host, hierarchies

FW, NAT = "composer:home:fw", "composer:%s:%s:2" % ("g" * 64, "n" * 64)

# One process that is never the same for long, and many that want to be more.
RELAY = "import os\nwhile True:\n    if os.fork(): os._exit(0)"
BOMB = """
import os
while True:
    try:
        os.fork()
    except OSError:
        pass
"""


class World:
    """A box, its groups, and programs in them."""

    def __init__(self, box, mounts):
        self.box, self.groups = box, Groups(mounts)

    def start(self, name, *argv, **options):
        """Start a program in a group."""
        doors = [door.replace("/" + os.path.basename(self.box.dir), "") for door in self.groups.doors(name)]
        process = self.box.popen("dash", "-c", JOIN, " ".join(doors), *argv, **options)
        with contextlib.suppress(ProcessLookupError):  # it has ended already
            until(lambda: process.poll() is not None or process.inner in self.groups.pids(name))
        return process

    def needs(self, *controllers):
        missing = sorted(set(controllers) - set(self.groups.places))
        if missing:
            pytest.skip("no controller here for " + ", ".join(missing))

    def read(self, controller, name, knob):
        with open("%s/%s/%s" % (self.groups.places[controller], name, knob)) as file:
            return file.read().strip()


@pytest.fixture(params=["v1", "v1 without freezer", "v2"])
def world(request, tmp_path):
    version, _, less = request.param.partition(" without ")
    kind = {"v1": "cgroup", "v2": "cgroup2"}[version]
    with Host("groups", groups=True) as box:
        lines = ["%s %s/%s %s rw,%s" % (kind, mount, os.path.basename(box.dir), kind, controllers)
                 for mount, one, controllers in hierarchies() if one == kind and controllers != (less or None)]
        if not lines:
            pytest.skip("no control groups %s here" % version)
        (tmp_path / "mounts").write_text("\n".join(lines) + "\n")
        world = World(box, str(tmp_path / "mounts"))
        assert world.groups.version == version
        yield world
        for name in world.groups.names():
            for pause in world.groups.remove(name):
                time.sleep(pause)


def until(true):
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end, "not in 10 s"
        time.sleep(0.005)


def remove(groups, name):
    """Remove a group; return how often that was tried in vain."""
    tries = 0
    for pause in groups.remove(name):
        assert 0 < pause <= cgroups.MOST
        time.sleep(pause)
        tries += 1
    return tries


@pytest.mark.root
def test_what_takes_more_memory_than_its_limit_is_killed_and_counted(world):
    world.needs("memory")
    world.groups.make(FW, {"memory": 16})
    other = world.start(FW, "sleep", "100")
    assert world.groups.hits(FW)["memory"] == 0
    assert world.start(FW, "tail", "/dev/zero").wait(30) == -signal.SIGKILL
    assert world.groups.hits(FW)["memory"] == 1
    assert other.poll() is None, "only who took the memory is killed"
    assert world.groups.problems == []


@pytest.mark.root
def test_a_fork_bomb_has_no_more_processes_than_its_limit_and_is_ended(world):
    world.needs("pids")
    world.groups.make(FW, {"pids": 20})
    world.start(FW, sys.executable, "-c", BOMB)
    until(lambda: world.groups.hits(FW)["pids"] > 0)
    assert len(world.groups.pids(FW)) <= 20
    world.groups.kill(FW)
    until(lambda: world.groups.pids(FW) == [])
    time.sleep(0.1)
    assert world.groups.pids(FW) == []
    assert world.start(FW, "true").wait(5) == 0, "what is started next lives"


@pytest.mark.root
def test_a_group_that_always_forks_is_ended(world):
    world.groups.make(FW, {})
    for _ in range(4):
        world.start(FW, sys.executable, "-c", RELAY)
    world.groups.kill(FW)
    until(lambda: world.groups.pids(FW) == [])
    until(lambda: world.box.pids(os.path.basename(sys.executable)) == [])


@pytest.mark.root
def test_a_frozen_group_stands_still_goes_on_and_can_be_killed(world):
    world.groups.make(FW, {})
    beats = world.box.dir + "/beats"
    process = world.start(FW, "dash", "-c", "while echo >>%s; do sleep 0.01; done" % beats)

    def beating():
        before = os.path.getsize(beats)
        time.sleep(0.2)
        return os.path.getsize(beats) > before

    until(lambda: os.path.exists(beats))
    if not world.groups.freeze(FW, True):
        assert "freezer" not in world.groups.places
        pytest.skip("no freezer here")
    until(lambda: not beating())
    assert world.groups.freeze(FW, False)
    assert beating()
    world.groups.freeze(FW, True)
    world.groups.kill(FW)
    assert process.wait(5) == -signal.SIGKILL
    assert world.start(FW, "true").wait(5) == 0, "it is not frozen any more"
    assert not world.groups.freeze("composer:nobody:here", True)


@pytest.mark.root
def test_a_limit_of_cores_holds(world):
    world.needs("cpu")
    world.groups.make(FW, {"cpu": 0.2})
    process = world.start(FW, "dash", "-c", "while :; do :; done")
    time.sleep(1)
    with open("/proc/%d/stat" % process.inner) as file:
        words = file.read().split()
    assert (int(words[13]) + int(words[14])) / os.sysconf("SC_CLK_TCK") < 0.5
    assert world.groups.problems == []


@pytest.mark.root
def test_a_group_is_made_twice_and_its_limits_are_the_last(world):
    world.needs("memory", "pids", "cpu")
    knobs = {"v1": ("memory.limit_in_bytes", "cpu.cfs_quota_us"), "v2": ("memory.max", "cpu.max")}[world.groups.version]
    for size in (32, 16, 64):
        world.groups.make(FW, {"memory": size, "pids": size, "cpu": size / 64})
        assert int(world.read("memory", FW, knobs[0])) == size << 20
        assert world.read("pids", FW, "pids.max") == str(size)
        assert world.read("cpu", FW, knobs[1]).split()[0] == str(int(size / 64 * 100000))
    world.groups.make(FW, {"memory": None, "cpu": 2})
    assert world.read("pids", FW, "pids.max") == "max"
    assert not world.read("memory", FW, knobs[0]).startswith(str(64 << 20))
    assert world.groups.problems == [] and world.groups.names() == [FW]


@pytest.mark.root
def test_names_and_processes_of_groups(world):
    assert world.groups.names() == [] and world.groups.pids(FW) == []
    for name in (NAT, FW):
        world.groups.make(name, {})
    assert world.groups.names() == sorted([FW, NAT])
    assert len(world.groups.doors(NAT)) == len(world.groups.folders)
    sleeps = [world.start(NAT, "sleep", "100") for _ in range(3)]
    assert world.groups.pids(NAT) == sorted([process.inner for process in sleeps])
    assert world.groups.pids(FW) == []
    assert Groups("/nowhere").names() == []


@pytest.mark.root
def test_what_is_slow_to_die_is_waited_for(world):
    world.groups.make(FW, {})
    process = world.start(FW, sys.executable, "-c", "a = bytearray(300 << 20); print(flush=True); input()",
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.readline()
    assert remove(world.groups, FW) > 0
    assert world.groups.names() == []
    assert remove(world.groups, FW) == 0
    assert not any(map(os.path.exists, world.groups.folders)), "the last one takes their folder away"
    process.communicate()


@pytest.mark.root
def test_what_does_not_die_is_named(world, monkeypatch):
    world.groups.make(FW, {})
    world.start(FW, "sleep", "100")
    monkeypatch.setattr(cgroups, "LIMIT", 0.2)
    with monkeypatch.context() as patch, pytest.raises(OSError) as caught:
        patch.setattr(world.groups, "kill", lambda name: None)  # as for one that waits for a broken disk
        remove(world.groups, FW)
    assert caught.value.filename in [folder + "/" + FW for folder in world.groups.folders]
    remove(world.groups, FW)


@pytest.mark.root
def test_groups_that_a_function_made_in_its_own_go_with_it(world):
    world.groups.make(FW, {})
    inner = ["%s/%s/own" % (folder, FW) for folder in world.groups.folders]
    for folder in inner:
        os.mkdir(folder)
    process = world.start(FW, "sleep", "100")
    for folder in inner:
        with open(folder + "/cgroup.procs", "w") as file:
            file.write(str(process.inner))
    assert world.groups.pids(FW) == [process.inner]
    remove(world.groups, FW)
    assert process.wait(5) == -signal.SIGKILL and world.groups.names() == []


@pytest.mark.root
def test_a_kernel_without_room_for_a_group_says_so(world):
    if world.groups.version == "v1":
        pytest.skip("v1 knows no limit of groups")
    world.groups.make(FW, {})
    with open(world.groups.folders[0] + "/cgroup.max.descendants", "w") as file:
        file.write("1")
    with pytest.raises(OSError):
        world.groups.make(NAT, {})
    assert world.groups.names() == [FW]


KILLED = """
import os, signal, time
from node import Host
box = Host("killed", groups=True)
box.run("dash", "-euc", '''
    cd /sys/fs/cgroup
    for one in $(find . -maxdepth 3 -name cgroup.procs); do mkdir -p $(dirname $one)/a/b; done''')
inner = box.popen("dash", "-c", "for one in $(find /sys/fs/cgroup -path '*/a/b/cgroup.procs'); do echo 0 >$one; done; sleep 100")
while len(box.pids("sleep")) < 1:
    time.sleep(0.01)
box.popen("sleep", "100", grouped=True)
box.run("dash", "-c", "cd /sys/fs/cgroup; echo FROZEN >freezer/a/b/freezer.state; echo 1 >unified/a/b/cgroup.freeze; true")
print(os.path.basename(box.dir), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.root
def test_a_killed_run_leaves_no_groups_behind():
    run = subprocess.run([sys.executable, "-c", KILLED], stdout=subprocess.PIPE, text=True,
                         env=dict(os.environ, PYTHONPATH=ROOT + "/tests"))
    assert run.returncode == -signal.SIGKILL
    name = run.stdout.strip()
    assert name
    until(lambda: not any(os.path.exists(mount + "/" + name) for mount, _, _ in hierarchies()))


@pytest.mark.root
def test_a_box_sees_its_own_groups_only_and_a_program_can_be_in_them():
    if not hierarchies():
        pytest.skip("no control groups here")
    with Host("groups", groups=True) as box, Host("plain") as plain:
        lines = box.run("cat", "/proc/self/cgroup", grouped=True).stdout.split("\n")
        paths = {line.split(":")[2] for line in lines if line}
        assert paths <= {"/", "/init"}
        found = box.run("find", "/sys/fs/cgroup", "-name", "composer*").stdout
        assert found == ""
        assert plain.doors == []
        plain.run("true", grouped=True)
        assert plain.run("ls", "/sys/fs/cgroup").stdout == ""


# By table, on folders that look like those of a kernel


def tree(top, *mounts):
    """Make folders with files; each mount is (folder, type, options, {file: text}).  Return the file of mounts."""
    lines = []
    for folder, kind, options, files in mounts:
        os.makedirs(top / folder, exist_ok=True)
        for name, text in files.items():
            os.makedirs(os.path.dirname(top / folder / name), exist_ok=True)
            (top / folder / name).write_text(text)
        lines.append("%s %s/%s %s rw,relatime,%s 0 0\n" % (kind, top, folder, kind, options))
    (top / "mounts").write_text("".join(lines))
    return str(top / "mounts")


KNOBS = {"memory": ("memory.max", "memory.swap.max"), "pids": ("pids.max",), "cpu": ("cpu.max",), "": ("cgroup.freeze",)}


def v2(controllers, less=()):
    """Return the files of a v2 hierarchy that has a group FW."""
    files = {"cgroup.controllers": " ".join(controllers), "cgroup.subtree_control": "",
             "composer/cgroup.subtree_control": "", "composer/cpu.weight": "100"}
    for one in list(controllers) + [""]:
        files.update({"composer/%s/%s" % (FW, knob): "" for knob in KNOBS.get(one, ()) if knob not in less})
    return files


def test_v2_writes_what_its_manual_says(tmp_path):
    groups = Groups(tree(tmp_path, ("u", "cgroup2", "", v2(["cpuset", "cpu", "io", "memory", "pids"]))))
    assert groups.version == "v2"
    groups.make(FW, {"memory": 80, "pids": 64, "cpu": 1.5})
    base = tmp_path / "u/composer"
    texts = {knob: (base / FW / knob).read_text() for knob in ("memory.max", "memory.swap.max", "pids.max", "cpu.max")}
    assert texts == {"memory.max": "83886080", "memory.swap.max": "0", "pids.max": "64", "cpu.max": "150000"}
    assert (base / "cpu.weight").read_text()[:2] == "50"
    for folder in (base.parent, base):  # written over each other, from the start of the file
        assert (folder / "cgroup.subtree_control").read_text() == "+pidsry"  # after +cpu and +memory
    assert groups.problems == []
    assert groups.doors(FW) == ("%s/%s/cgroup.procs" % (base, FW),)


def test_v2_tells_what_the_kernel_tells(tmp_path):
    files = v2(["memory", "pids"])
    files.update({"composer/%s/%s" % (FW, name): text for name, text in {
        "memory.events": "low 0\nhigh 0\nmax 7\noom 3\noom_kill 2\noom_group_kill 0\n", "pids.events": "max 5\n",
        "cgroup.procs": "12\n7\n0\n12\n"}.items()})
    groups = Groups(tree(tmp_path, ("u", "cgroup2", "", files)))
    assert groups.hits(FW) == {"memory": 2, "pids": 5}
    assert groups.hits(NAT) == {}
    assert groups.pids(FW) == [7, 12], "and not 0, which stands for one that cannot be seen"
    assert groups.freeze(FW, True) and (tmp_path / "u/composer" / FW / "cgroup.freeze").read_text() == "1"


def test_a_limit_that_cannot_be_set_is_a_problem_named_once(tmp_path):
    files = v2(["memory", "cpu"], less=("memory.swap.max", "cpu.max"))
    groups = Groups(tree(tmp_path, ("u", "cgroup2", "", files)))
    for _ in range(2):
        groups.make(FW, {"memory": 80, "pids": 64, "cpu": 1})
    assert groups.problems == ["cpu is not limited: cpu.max: No such file or directory",
                               "pids is not limited: this kernel has no controller for it"]
    groups.make(NAT, {})
    assert len(groups.problems) == 2, "nobody misses a knob that nobody wanted"
    assert groups.names() == sorted([FW, NAT])


V1 = {"tasks": ""}


@pytest.mark.parametrize("mounts, version, controllers", [
    ([], "", ""),
    ([("m", "cgroup", "memory", V1), ("c", "cgroup", "cpu,cpuacct", V1), ("s", "cgroup", "cpuset", V1)], "v1", "cpu memory"),
    ([("u", "cgroup2", "", v2([])), ("f", "cgroup", "freezer", V1)], "v1", "freezer"),
    ([("u", "cgroup2", "", v2(["cpuset", "io"])), ("f", "cgroup", "xattr,name=systemd", V1)], "v2", "freezer"),
    ([("m", "cgroup", "memory", V1), ("u", "cgroup2", "", v2(["pids"]))], "v2", "freezer pids"),
    ([("old", "cgroup2", "", v2([])), ("u", "cgroup2", "", v2(["cpu"]))], "v2", "cpu freezer"),
    ([("hidden", "cgroup", "memory", {}), ("p", "cgroup", "pids", V1)], "v1", "pids"),
    ([("hidden", "cgroup2", "", {}), ("tmp", "tmpfs", "", V1)], "", ""),
])
def test_hierarchies_are_found(tmp_path, mounts, version, controllers):
    groups = Groups(tree(tmp_path, *mounts))
    assert groups.version == version
    assert " ".join(sorted(groups.places)) == controllers


def test_where_there_are_none_nothing_is_done(tmp_path):
    groups = Groups("/nowhere")
    groups.make(FW, {"memory": 1})
    groups.kill(FW)
    assert (groups.doors(FW), groups.pids(FW), groups.names(), groups.hits(FW)) == ((), [], [], {})
    assert list(groups.remove(FW)) == [] and groups.freeze(FW, True) is False
    assert groups.problems == ["nothing is limited: no control groups that can be written to are mounted"]


@pytest.mark.parametrize("name", ["", "home", "composer", "memory.max", "composer:../../x", "../composer:x"])
def test_what_is_not_ours_is_never_touched(tmp_path, name):
    files = dict(v2(["memory"]), **{"composer/other/cgroup.procs": "1\n"})
    groups = Groups(tree(tmp_path, ("u", "cgroup2", "", files)))
    assert groups.names() == [FW]
    for call in (lambda: groups.make(name, {}), lambda: groups.kill(name), lambda: list(groups.remove(name)),
                 lambda: groups.pids(name), lambda: groups.freeze(name, True), lambda: groups.doors(name)):
        with pytest.raises(ValueError):
            call()
