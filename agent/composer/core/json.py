"""JSON for the whole agent: ujson where it is, else json.

The only place where either is imported (core, shell and commands alike).
"""
try:
    from ujson import dumps, loads as _loads
except ImportError:
    from json import dumps, loads as _loads

__all__ = ("dumps", "loads", "strict")

DEEPEST = 64  # levels of what comes from outside: more than anybody needs, and no stack is at its end


def loads(text):
    """Return the value of `text` (str or bytes).  ValueError says what is wrong, however deep it nests."""
    try:
        return _loads(text)
    except (RuntimeError, MemoryError):  # RecursionError is a RuntimeError; MicroPython raises that itself
        raise ValueError("nested too deeply")


def strict(text):
    """Return the value of a text from outside, if it can be given back as JSON: ValueError for NaN and Infinity."""
    value = loads(text)
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > DEEPEST:
            raise ValueError("nested too deeply, %d levels are the most" % DEEPEST)
        below = []
        for one in level:
            kind = type(one)
            if kind is dict:
                below.extend(one.values())
            elif kind is list:
                below.extend(one)
            elif kind is float and one - one != 0:
                raise ValueError("NaN and Infinity are no numbers")
        level = below
    return value
