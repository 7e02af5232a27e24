"""The log: lines of `area: event key=value` on stderr or to syslog."""
import sys

_write = []  # where lines go; stderr as long as nothing is said


def to(name):
    """Send the log to "stderr" or "syslog"."""
    del _write[:]
    if name == "syslog":
        import syslog
        syslog.openlog("composer-agent")
        _write.append(syslog.syslog)


def write(area, event, **values):
    """Log one line."""
    line("%s: %s%s" % (area, event, "".join([" %s=%s" % (key, values[key]) for key in sorted(values)])))


def failure(area, error):
    """Log an error that is nobody's but ours, with where it came from."""
    place, last = error.__traceback__, ""
    while place:
        last = "%s:%d" % (place.tb_frame.f_code.co_filename.rpartition("/")[2], place.tb_lineno)
        place = place.tb_next
    write(area, "failed", error="%s: %s" % (type(error).__name__, error), at=last)


def line(text):
    """Log one line as it is."""
    text = text.encode("utf-8", "replace").decode("utf-8").replace("\n", "\\n")
    if _write:
        _write[0](text)
        return
    try:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        pass  # nobody reads us: no reason to stop
