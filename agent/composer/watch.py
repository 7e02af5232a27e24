"""The watch: notices what happens to a node while nobody asks anything of it, and has it restored (restore.py).

    a daemon of the switch ends           the kernel says so (pidfd); its next life is looked for all the time
    an interface or a port comes or goes  the kernel says so (netlink)
    a bridge, a port or a rule goes       the switch is asked, every other second, how many it has: no child, 0.1 ms
    a namespace goes                      its folder has another time
    a DHCP client of a SAP ends           its pid is nobody's
    a rule is changed                     the rules of one LSI after the other, all within a round: a child if they changed
    all else                              one whole look in a round

No news costs next to nothing; news is only a reason to look, and the look says what is to be done.
"""
import os
import socket
import struct

from . import host, log, restore
from .core import control, flows, names, placing

TICK, AWAY = 2, 0.1  # seconds between two short looks: usually, and while a daemon of the switch is away
ROUND = 50  # seconds in which the rules of all LSIs, and all else, are looked at once
PATIENCE = 8  # seconds that a short look waits for jobs that are under way
OURS = 1 << 24  # numbers of graphs are smaller; of a rule with another one nobody knows whose it is
SOON = 0.05  # seconds from news to the look: news come in flocks

LINKS, ADDRESSES = 0x1, 0x10  # RTMGRP_LINK, RTMGRP_IPV4_IFADDR, rtnetlink(7)
NEW_LINK, DEL_LINK, DEL_ADDRESS = 16, 17, 21
NAMES = {NEW_LINK: (32, 3), DEL_LINK: (32, 3), DEL_ADDRESS: (24, 3)}  # where attributes begin; IFLA_IFNAME, IFA_LABEL


class Links:
    """News of the kernel about interfaces, as a source of the loop: calls told(name, whether it or its address is gone)."""

    def __init__(self, told):
        self.told = told
        self.link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
        self.link.bind((0, LINKS | ADDRESSES))

    def fileno(self):
        return self.link.fileno()

    def ready(self, readable, writable):
        try:
            data = self.link.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:  # more news than the kernel keeps
            self.told("", True)
            return
        at = 0
        while at + 16 <= len(data):
            size, kind = struct.unpack_from("=IH", data, at)
            if kind in NAMES:
                begin, wanted = NAMES[kind]
                self.told(_name(data[at + begin:at + size], wanted), kind != NEW_LINK)
            at += max(16, (size + 3) & ~3)


class Daemon:
    """One life of a daemon, as a source of the loop: calls ended(self) when it is over."""

    def __init__(self, life, ended):
        self.number, self.ended = os.pidfd_open(int(life.partition("-")[0])), ended

    def fileno(self):
        return self.number

    def ready(self, readable, writable):
        self.ended(self)


class Watch:
    def __init__(self, node):
        self.node, self.loop, self.switch = node, node.loop, node.drivers.vswitch
        self.lives, self.reason = {}, ""  # {daemon: its life, "" while it is away}
        self.pulse = None  # how many ports and rules there were at the last look, when a namespace last came or went, how many
        # DHCP clients there are
        self.prints, self.next = {}, 0  # {LSI: fingerprint of rules that are as wanted}; whose turn it is
        self.trouble = ""  # why the last short look failed
        self.asking = False
        self.looked = self.whole = self.lsi = self.loop.clock()  # when all was looked at, shortly, wholly; the last LSI
        try:
            self.loop.add(Links(self._link))
        except OSError as error:  # a kernel without it: the looks have to do
            log.write("watch", "no news of interfaces", why=error)
        self._tick()

    def _tick(self):
        self.timer = self.loop.at(TICK, self._tick)
        try:
            self._short_look()
        except OSError as error:  # out of file descriptors, say
            self._note(error)

    def _short_look(self):
        away = [name for name in self.switch.DAEMONS if not self._life(name)]
        if away:
            self.timer.cancel()
            self.timer = self.loop.at(AWAY, self._tick)
        if away or not self.node.known or self.node.looking or self.asking:
            return
        if self.node.moved():
            self._soon("an interface has come")
        patient = self.loop.clock() - self.looked < PATIENCE and any([entry.running for entry in self.node.graphs.values()])
        if not patient and not self.reason:  # a job changes what there is: wait for its end, but not for ever
            self.asking, self.looked = True, self.loop.clock()
            self.node.drive(self._look(), self._looked, quiet=True)

    # Daemons and interfaces.

    def _life(self, name):
        """Return the life of a daemon, having noted whether it is another one."""
        life, before = host.daemon(self.node.config.ovs.rundir, name), self.lives.get(name)
        if life == before:
            return life
        self.lives[name] = life
        if life:
            try:
                self.loop.add(Daemon(life, lambda source: self._died(name, source)))
            except (OSError, AttributeError):  # it has ended again, or this kernel cannot tell: the tick will
                pass
            if before is not None:
                self.node.events.tell("daemon is there again", daemon=name)
                restore.start(self.node, "%s was started again" % name)
        else:
            self._gone(name)
        return life

    def _died(self, name, source):
        self.loop.remove(source)
        os.close(source.number)
        if self.lives.get(name) and not host.daemon(self.node.config.ovs.rundir, name):
            self.lives[name] = ""
            self._gone(name)
            self.timer.cancel()
            self.timer = self.loop.at(AWAY, self._tick)

    def _gone(self, name):
        self.node.events.tell("daemon is away", daemon=name)
        self.node.problem = "%s is not running: start it" % name
        if name == self.switch.SWITCH and self.node.drivers.datapath == "system" and self.lives.get(self.switch.DATABASE):
            self.node.drive(self.switch.hold(), lambda answer, error: None)

    def _link(self, name, gone, again=False):
        """An interface has come, gone or changed."""
        try:
            self._consider(name, gone, again)
        except OSError as error:  # out of file descriptors, say: the tick will see it
            self._note(error)

    def _consider(self, name, gone, again):
        if name in self.node.interfaces:
            if self.node.bus:
                self.node.bus.note("description")
            if gone and self.node.indexes.get(name) and not host.has_interface(name):
                self.node.indexes[name] = ""
                self.node.events.tell("interface is gone", interface=name)
            elif gone and not again:  # the kernel says so a moment before /sys does
                self.loop.at(SOON, lambda: self._link(name, True, again=True))
            elif name in self.node.moved():
                self._soon("interface %s has come" % name)
        elif gone and (not name or self._owner(name)):
            self._soon("interface %s has gone" % name)

    def _owner(self, name):
        """Return whether an interface is wanted by a graph that no job is at work on."""
        number = names.number(name)
        return number == names.NODE or any([
            (entry.placed["number"] == number or number is None) and not entry.running
            and (any([name in mine for mine in placing.on_switch(entry.placed)])
                 or name in [port for _, port in control.ends(entry.placed)])
            for entry in self.node.graphs.values() if entry.placed])

    def _soon(self, reason):
        """Have the node looked at soon."""
        if not self.reason:
            self.loop.at(SOON, self._restore)
        self.reason = reason

    def _restore(self):
        reason, self.reason = self.reason, ""
        restore.start(self.node, reason)

    # Looks.

    def _look(self):
        """Yield the steps of one short look; return why a restore is needed, or ""."""
        pulse = (yield from self.switch.pulse()) + (host.namespaces_stamp(), self._clients())
        now, seen, self.node.seen = self.loop.clock(), None, pulse[:2]
        lsis = [names.LSI0] + [names.lsi(entry.placed["number"]) for entry in self.node.graphs.values()
                               if entry.placed and entry.placed["lsi"]]
        self.prints = dict([(lsi, self.prints[lsi]) for lsi in lsis if lsi in self.prints])
        if self._news(pulse) or now - self.whole > ROUND:
            seen = yield from self.switch.look()
            if restore.compare(self.node, seen, self._left_alone()).anything:
                return "something is missing"
            self.whole = now
        turn, self.lsi = (lsis, now) if pulse != self.pulse else self._turn(lsis, now)
        for lsi in turn:
            if (yield from self._check(lsi, seen)):
                return "rules have changed"
        # rules that were wrong are others by now: until they were seen to be right, no pulse says that nothing happened
        self.pulse = pulse if all([lsi in self.prints for lsi in turn]) else None
        return ""

    def _news(self, pulse):
        """Return whether a pulse calls for a whole look.  The rules of functions that are switches come and go all the time, and
        their number is in it: then a rule that has gone is found when the LSIs are compared, which a pulse calls for as well."""
        switches = any(["switch" in sf for entry in self.node.graphs.values() if entry.placed for sf in entry.placed["sfs"].values()])
        if not switches or self.pulse is None:
            return pulse != self.pulse
        return pulse[:1] + pulse[2:] != self.pulse[:1] + self.pulse[2:]

    def _clients(self):
        """Return how many DHCP clients of SAPs run."""
        return sum([host.runs(sap["home"] + "/pid") for entry in self.node.graphs.values() if entry.placed
                    for sap in entry.placed["saps"].values()])

    def _turn(self, lsis, now):
        """Return (the LSIs whose turn it is, when that of the last one was)."""
        step = ROUND / len(lsis)
        count = min(len(lsis), int((now - self.lsi) / step))
        self.next += count
        return [lsis[(self.next - index) % len(lsis)] for index in range(count)], self.lsi + count * step

    def _check(self, lsi, seen):
        """Return whether rules of an LSI are not as wanted; the graphs whose they are are noted as broken."""
        found = yield from self.switch.fingerprint(lsi)
        if self.prints.pop(lsi, None) == found:
            self.prints[lsi] = found
            return False
        entries, wanted, epoch = {}, [], self._epoch()
        for entry in list(self.node.graphs.values()):
            if entry.placed and (lsi == names.LSI0 or lsi == names.lsi(entry.placed["number"])):
                entries[entry.placed["number"]] = entry
                wanted.extend(placing.placed_flows(entry.placed)[0 if lsi == names.LSI0 else 1])
                entry.placed.pop("flows", None)
                yield []
        numbers = (seen or (yield from self.switch.look()))["numbers"]
        wanted = [flow for flow in wanted if set((flow.key + flow.actions).split('"')[1::2]) <= set(numbers)]
        wrong = yield from self.switch.compare(lsi, (self.node.flows() if lsi == names.LSI0 else []) + wanted, numbers)
        if self._epoch() != epoch:
            return False  # a job was at work meanwhile: next time
        unclear = set([number for entry in self.node.graphs.values() if entry.id in self._left_alone()
                       for number in entry.numbers()])
        wrong -= unclear
        if not wrong:
            if not unclear:
                self.prints[lsi] = found
            return False
        if names.NODE in wrong:
            yield from self.switch.change_rules(names.LSI0, flows.anew(self.node.flows()))
        nobodys = set([number for number in wrong if names.NODE < number < OURS]) - set(entries)
        if nobodys:
            yield from self.switch.change_rules(lsi, [flows.delete_graph(number) for number in sorted(nobodys)])
        broken = [entries[number] for number in sorted(wrong & set(entries))]
        for entry in broken:
            entry.broken = entry.broken or set()
        self.node.events.tell("rules are not as wanted", lsi=lsi, graphs=[entry.id for entry in broken])
        return bool(broken)

    def _left_alone(self):
        """Return the ids of the graphs that somebody sees to already: a job, or the one that mends them."""
        return self.node.busy() | set([entry.id for entry in self.node.graphs.values() if entry.broken is not None])

    def _epoch(self):
        """Return a value that is another one when a job has been at work."""
        return self.node.jobs["done"] + self.node.jobs["failed"], sorted(self.node.busy())

    def _looked(self, reason, error):
        self.asking = False
        self._note(error)
        if error is not None:
            self.pulse = None
        elif reason:
            restore.start(self.node, reason)

    def _note(self, error):
        if error is not None and str(error) != self.trouble:
            log.write("watch", "could not look", why=error)
        self.trouble = str(error or "")


def _name(attributes, wanted):
    """Return the name of an interface from the attributes of a message about it, "" if there is none."""
    return dict(host.attributes(attributes)).get(wanted, b"").rstrip(b"\0").decode("utf-8", "replace")
