"""JSON for the whole agent: ujson where it is, else json.

The only place where either is imported (core, shell and commands alike).
"""
try:
    from ujson import dumps, loads as _loads
except ImportError:
    from json import dumps, loads as _loads


def loads(text):
    """Return the value of `text` (str or bytes).  ValueError says what is wrong, however deep it nests."""
    try:
        return _loads(text)
    except (RuntimeError, MemoryError):  # RecursionError is a RuntimeError; MicroPython raises that itself
        raise ValueError("nested too deeply")
