"""raises(): what pytest.raises does, for tests that run on MicroPython too."""


def raises(kind, function, *arguments):
    """Return the exception of class `kind` that `function(*arguments)` raises."""
    try:
        value = function(*arguments)
    except kind as error:
        return error
    raise AssertionError("no %s, but %r" % (kind.__name__, value))
