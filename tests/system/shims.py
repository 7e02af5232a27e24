"""Programs of a node that fail when a test says so: a script stands in for each, and calls the real one.

It lies over the program in the node's own mount namespace, so the agent's fixed PATH finds it, and nobody else
does.  The calls of the agent's jobs are counted, not what a function calls for itself, nor what the watch asks now and
then.  A call fails in one of WAYS:

    before, after     it fails without having done its work, or having done it
    killed            it does its work, and the agent is killed before it hears of it
"""
import shutil

from composer.system import PATH

WAYS = ("before", "after")
KILLED = "killed"
FOLDER = "/mnt"  # a tmpfs in the node: functions see it too, unlike /tmp
SHIM = """#!/bin/sh
cd %(folder)s
case "$* " in
    *" list Bridge "* | *" diff-flows "* | "netns exec "*" status "*) exec real/%(name)s "$@" ;;
esac
if [ -z "${SF_ID-}" ] || [ "$1 $2" = "netns exec" ]; then
    call=1
    until ( set -C; echo "%(name)s $*" >calls/$call ) 2>/dev/null; do call=$((call + 1)); done
    read -r fail way <fail
    if [ $call = "$fail" ]; then
        [ $way = before ] || real/%(name)s "$@"
        agent=$PPID
        while read -r _ name _ parent _ <"/proc/$agent/stat" && [ "$name" = "(sh)" ]; do agent=$parent; done
        [ $way != killed ] || kill -9 $agent
        echo "the moon is full" >&2
        exit 1
    fi
fi
exec real/%(name)s "$@"
"""


class Shims:
    """While the body runs, the shims are there."""

    def __init__(self, node, programs=("ip", "ovs-vsctl", "ovs-ofctl")):
        self.node, self.paths = node, {name: shutil.which(name, path=PATH) for name in programs}

    def __enter__(self):
        self.node.run("mount", "-t", "tmpfs", "tmpfs", FOLDER)
        self.node.run("mkdir", FOLDER + "/real", FOLDER + "/calls")
        self.fail(0)
        for name, path in self.paths.items():
            self.node.run("cp", path, "%s/real/%s" % (FOLDER, name))
            shim = "%s/%s" % (FOLDER, name)
            self.node.run("dash", "-c", 'cat >"$1" && chmod 755 "$1" && mount --bind "$1" "$2"', "sh", shim, path,
                          input=SHIM % {"name": name, "folder": FOLDER})
        return self

    def __exit__(self, *failure):
        for path in self.paths.values():
            self.node.run("umount", path)
        self.node.run("umount", FOLDER)

    def fail(self, call, way="before"):
        """Let the call of this number fail, counted from now, 0 for none."""
        self.node.run("dash", "-euc", 'cd "$1"; rm -f calls/*; echo "$2 $3" >fail', "sh", FOLDER, str(call), way)

    def calls(self):
        """Return how many calls there were since then."""
        return len(self.node.run("ls", FOLDER + "/calls").stdout.split())
