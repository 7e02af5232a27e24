"""The security manager: who may do what to which graph (paper, 5.1).

The one door: every handler of rest.py asks here.  Users and roles are not configured yet, so everybody who reaches
the agent may do everything; it listens on loopback unless told otherwise.
"""

READ, WRITE = "read", "write"


def allowed(who, verb, owner):
    """Say whether `who` (None: nobody in particular) may `verb` a graph of `owner` (None: nobody's)."""
    return verb in (READ, WRITE)
