"""Exit codes of ``vdc``, in one place: the errors of :mod:`vdc.errors` and what programs return."""

from __future__ import annotations

NEVER_RAN = 125
"""A program was accepted and has no exit code: it was lost, stopped, or never started."""

INTERRUPTED = 130
"""The user pressed Ctrl-C."""

TABLE = """Exit codes:

0 it is done, and what was waited for is healthy.

1 an error that is none of the following.

2 what was typed, a declaration, a package or an option cannot be used; nothing was changed.

3 an engine is missing, or the stack cannot be used as it is.

4 the pool refused, does not answer, or an app is not healthy: the line says why.

125 (run, submit) the program never ran to its end.

130 interrupted by Ctrl-C.

Otherwise run and submit exit with the program's own code.
"""
