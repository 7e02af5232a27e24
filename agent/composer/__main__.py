"""composer-agent: reads the configuration, makes the objects, runs the loop."""
import sys

from . import __version__, config, log

USAGE = """usage: composer-agent --config FILE [--check] | --password | --version

    --config FILE   the configuration, one JSON file (README has one that works)
    --check         read the configuration, say what is wrong with it, and end
    --password      read a password, print its hash for the configuration, and end
    --version       print the version and end
"""


def main(arguments=None):
    """Return the exit code: 0 done, 1 refused or failed, 2 wrong usage."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments in (["--help"], ["-h"]):
        print(USAGE, end="")
        return 0
    if arguments == ["--version"]:
        print(__version__)
        return 0
    if arguments == ["--password"]:
        return password()
    check = "--check" in arguments
    rest = [word for word in arguments if word != "--check"]
    if len(rest) == 1 and rest[0].startswith("--config="):
        rest = ["--config", rest[0][len("--config="):]]
    if len(rest) != 2 or rest[0] != "--config":
        sys.stderr.write(USAGE)
        return 2
    from .core.errors import Refused
    try:
        found = config.load(rest[1])
        if check:
            print("%s is a good configuration" % rest[1])
            return 0
        return run(found)
    except (Refused, OSError) as error:
        log.write("agent", "cannot start", why=error)
        return 1


def password():
    """Print the hash of a password that is asked for."""
    from . import passwords
    try:
        word = passwords.ask("password: ")
        if sys.stdin and sys.stdin.isatty() and passwords.ask("again: ") != word:
            raise ValueError("is not the same")
        print(passwords.make(word))
        return 0
    except ValueError as error:
        sys.stderr.write("composer-agent: the password %s\n" % error)
    except KeyboardInterrupt:
        sys.stderr.write("\n")
    return 1


def run(found):
    """Run the agent of one configuration until a signal stops it."""
    from . import rest  # first: it has hashlib do without OpenSSL, which costs 4 MB
    from . import restore
    from .drivers import Drivers
    from .http import Server
    from .loop import Loop
    from .orchestrator import Orchestrator
    from .store import Store
    from .system import System
    from .watch import Watch
    log.to(found.log)
    loop = Loop(log=log.line)
    repository = repository_of(found, loop.clock)
    node = Orchestrator(loop, System(loop, found.ovs.rundir), Drivers(found.vswitch, found.ovs.tunnels), Store(found.state),
                        repository, found)
    app = rest.application(node)
    servers = [Server(loop, app, address) for address in found.listen]
    log.write("agent", "started", version=__version__, node=found.node,
              listen=",".join([server.address for server in servers]))
    for server in servers:
        if found.auth.users is None and not server.address.startswith(("unix:", "127.", "[::1]")):
            log.write("agent", "there are no users: whoever reaches this address may do everything", listen=server.address)
    restore.read_store(node)
    restore.start(node, "start")
    Watch(node)
    bus = bus_of(node)
    try:
        loop.run()
    finally:
        if bus:
            bus.stop()
        for server in servers:
            server.close()
        loop.close()
    return 0


def bus_of(node):
    """Return the Bus of a node, None without a broker, or without paho-mqtt, which is said."""
    if not node.config.mqtt.host:
        return None
    from . import description, mqtt
    from .bus import Bus
    from .commands import Commands
    try:
        mqtt.paho(node.config.mqtt.tls is not None)
    except ImportError as error:
        log.write("bus", "not offered", missing="paho-mqtt", why=error)
        return None
    bus = node.bus = Bus(node)
    Commands(node, bus)
    description.tell(node, bus)
    bus.listen("monitor/+", "monitor/", node.monitor.reported)
    bus.start()
    return bus


def repository_of(found, clock):
    """Return the repository of a configuration."""
    if found.repository.startswith("/"):
        from .repository import Repository
        return Repository(found.repository)
    from .remote import Remote
    return Remote(found.repository, found.cache.folder, found.cache.size << 20, found.runtime, clock)


if __name__ == "__main__":
    sys.exit(main())
