"""Steps: what a plan yields.  A step is a verb and strings, printed as a line that a person could type.

    run     a program                                            ovs-vsctl --timeout=10 add-br lsi1
    ip      a line for ip(8); wishes, so presence and absence are fine; many in a row are one child process
    script  a script of a function, in the function's namespace  ip netns exec composer:g1:fw ./start
    ask     a daemon, over its control socket: no child          ovs-appctl -t ovs-vswitchd memory/show
    unpack  an image into a folder                               mkdir X && tar -xzf fw.tgz -C X
    group   a control group with limits, by the name of a function's namespace; ungroup ends all in it and removes it
    signal  to every process of a function                       ip netns pids composer:g1:fw | xargs kill -STOP
    fetch   a URL into a file, by a program                      curl -o X http://repository/v2/nf_image/fw/
    bind    every process of a function to cores                 ip netns pids composer:g1:fw | xargs -n 1 taskset -apc 0,1
    expose  a socket of a function to the daemons of the switch  ln -sfn X /var/run/openvswitch/l1s0o.controller
    mkdir, remove  a folder and all in it                        mkdir -p X, rm -rf X

A plan is a generator: it yields a step, or a list of steps that are independent of each other, and is sent
the output (or the list of outputs).  A step that fails is thrown into the plan as StepFailed.
"""
from collections import namedtuple

_PLAIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@%+=:,./-_"

ANYWHERE = "0-1023"  # cores, in the words of taskset(1): those that are not there do not count

SHOWN = 1024  # letters of a variable's value, in a line
SECRETS = ("SECRET", "PASSWORD", "KEY", "TOKEN")  # in the names of variables

Step = namedtuple("Step", ("verb", "words", "stdin", "env"))


def run(*words, stdin=""):
    """Run a program; `stdin` is its standard input, a text."""
    return Step("run", words, stdin, ())


def ip(*words):
    """Wish one thing of ip(8): `netns add`, `netns del`, `link add`, `link del`, `link set`, `address replace`, `route replace`;
    `address del` of an address that is there."""
    return Step("ip", words, "", ())


def script(namespace, home, image, name, arguments, env):
    """Run script `name` of a function: `home` its private folder, `image` the folder of its unpacked bundle,
    `env` a tuple of (name, value)."""
    return Step("script", (namespace, home, image, name) + tuple(arguments), "", tuple(env))


def ask(daemon, method, *words):
    """Ask a daemon of the switch that has a control socket; the output is its answer."""
    return Step("ask", (daemon, method) + words, "", ())


def unpack(image, digest, folder):
    """Unpack `image` (a .tgz whose sha256 is `digest`, "" if its template does not say) into `folder`."""
    return Step("unpack", (image, digest, folder), "", ())


def group(namespace, limits):
    """Have a control group for the function of this namespace; limits: {"memory": MiB, "pids": number, "cpu": cores}."""
    return Step("group", (namespace,) + tuple(["%s=%s" % (key, limits[key]) for key in sorted(limits)]), "", ())


def ungroup(namespace):
    """End every process of a function, and remove its control group."""
    return Step("ungroup", (namespace,), "", ())


def signal(namespace, name):
    """Send a signal, such as STOP, to every process of a function."""
    return Step("signal", (namespace, name), "", ())


def fetch(url, path, most, client):
    """Fetch a URL into the file `path`, which may have `most` bytes, and of which a part may be there.

    client: the words of a program, with %(url)s and %(path)s.
    """
    told = {"url": url, "path": path}
    return Step("fetch", (url, path, str(most)) + tuple([word % told for word in client]), "", ())


def bind(namespace, cores):
    """Bind every process of a function to cores, [] for any: those that it has, and so what they will start."""
    return Step("bind", (namespace, ",".join([str(core) for core in cores])), "", ())


def expose(name, socket):
    """Have the daemons of the switch find a socket under a name in their own folder; "" takes the name away."""
    return Step("expose", (name, socket), "", ())


def mkdir(folder):
    return Step("mkdir", (folder,), "", ())


def remove(folder):
    return Step("remove", (folder,), "", ())


def line(step):
    """Return the step as one line that a person could type."""
    words = step.words
    if step.verb == "run":
        text = _words(words)
        if not step.stdin:
            return text
        return "printf '%s\\n' " + _words(step.stdin.rstrip("\n").split("\n")) + " | " + text
    if step.verb == "ip":
        return "ip " + _words(words)
    if step.verb == "script":
        env = _words(["%s=%s" % (name, "..." if _is_secret(name) else value if len(value) <= SHOWN else value[:SHOWN] + "...")
                      for name, value in step.env])
        return "env %s ip netns exec %s %s/%s" % (env, words[0], words[2], _words(words[3:]))
    if step.verb == "fetch":
        return _words(words[3:])
    if step.verb == "unpack":
        return "mkdir -p %s && tar -xzf %s -C %s" % (quote(words[2]), quote(words[0]), quote(words[2]))
    if step.verb == "signal":
        return "ip netns pids %s | xargs kill -%s" % (quote(words[0]), words[1])
    if step.verb == "bind":
        return "ip netns pids %s | xargs -n 1 taskset -apc %s" % (quote(words[0]), words[1] or ANYWHERE)
    if step.verb == "ask":
        return "ovs-appctl -t " + _words(words)
    if step.verb == "group":
        return "mkdir -p composer/%s  # a control group, %s" % (quote(words[0]), " ".join(words[1:]) or "no limits")
    if step.verb == "expose":
        return "ln -sfn %s $OVS_RUNDIR/%s" % (quote(words[1]), words[0]) if words[1] else "rm -f $OVS_RUNDIR/" + words[0]
    if step.verb == "ungroup":
        return "rmdir composer/%s  # the control group, when all in it is killed" % quote(words[0])
    return {"mkdir": "mkdir -p ", "remove": "rm -rf "}[step.verb] + _words(words)


def _is_secret(name):
    """Say whether the value of a variable is nobody's to see in a log, a plan or an error."""
    return any([word in name for word in SECRETS])


def quote(word):
    """Return `word` quoted for a shell, if it needs to be."""
    if word and not word.strip(_PLAIN):
        return word
    return "'" + word.replace("'", "'\\''") + "'"


def _words(words):
    return " ".join([quote(word) for word in words])
