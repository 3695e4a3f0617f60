"""What the user writes: YAML into a validated, typed model, with every problem at once."""

from vdc.declaration.changes import Change, changes, fixed
from vdc.declaration.loader import Checked, check, load
from vdc.declaration.model import Declaration

__all__ = ["Change", "Checked", "Declaration", "changes", "check", "fixed", "load"]
