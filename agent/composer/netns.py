"""Namespaces and links: wishes for ip(8) become one `ip -batch -`, of just what is not so already.

One child process makes hundreds of namespaces and veths in the time that a netlink library needs for its import,
and costs this process no memory.  (pyroute2, measured: 33 MB; ip: none.)
"""
import itertools
import os

FOLDER = "/var/run/netns/"
LINKS = "/sys/class/net/"
PLAIN = ("link", "set"), ("address", "replace"), ("address", "del"), ("route", "replace")  # done as they are
GROUPS = itertools.count(0x636f6d70)  # of links that go together: each alone waits 28 ms for the kernel, a group once


def batch(wishes):
    """Return the lines for `ip -batch -` that make `wishes` (tuples of words of ip) true, in order."""
    lines, fresh, doomed = [], set(), []
    for words in wishes:
        kind, name = words[:2], words[2]
        if kind == ("netns", "add"):
            if not os.path.exists(FOLDER + name):
                fresh.add(name)
                lines.append(words)
        elif kind == ("link", "add"):
            there = os.path.exists(LINKS + name)
            if there and words[-1] in fresh:  # its other end was in a namespace that is gone
                lines.append(("link", "del", name))
            if not there or words[-1] in fresh:
                lines.append(words)
        elif kind == ("netns", "del"):
            if os.path.exists(FOLDER + name):
                lines.append(words)
        elif kind == ("link", "del"):
            if os.path.exists(LINKS + name):
                doomed.append(name)
        elif kind in PLAIN:
            lines.append(words)
        else:
            raise ValueError("no such wish: %s" % " ".join(words))
    return _delete(doomed) + [" ".join(words) for words in lines]


def processes(names):
    """Return the pids of the processes in the namespaces `names`."""
    wanted = set()
    for name in names:
        try:
            wanted.add(os.stat(FOLDER + name).st_ino)
        except OSError:
            pass  # it is gone, and so are they
    pids = []
    for pid in os.listdir("/proc") if wanted else ():
        if pid.isdigit():
            try:
                if os.stat("/proc/%s/ns/net" % pid).st_ino in wanted:
                    pids.append(int(pid))
            except OSError:
                pass
    return pids


def signal(names, number):
    """Send a signal to every process in the namespaces `names`."""
    for pid in processes(names):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def _delete(links):
    if len(links) < 2:
        return ["link del " + name for name in links]
    taken = set([_group(name) for name in os.listdir(LINKS)])  # of somebody else's links
    group = next(number for number in GROUPS if number not in taken)  # and no other job's, which may be at it now
    return ["link set %s group %d" % (name, group) for name in links] + ["link del group %d" % group]


def _group(link):
    try:
        with open(LINKS + link + "/netdev_group") as file:
            return int(file.read())
    except OSError:
        return 0
