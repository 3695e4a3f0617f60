"""One Python that imports what a command's processes need, before the engine asks for them.

Every ``pulumi up`` begins with a second in which the engine derives the key of the stack's secrets,
on one core, and then starts two Pythons that import for a second each: the program and its
provider. A standby imports for both meanwhile (:mod:`vdc.standby.serve`); the two, when they are
started, have it fork and only wait for what it forked (:mod:`vdc.standby.run`). Where there is no
standby each does its work itself, as if none had ever been meant to be there.
"""
