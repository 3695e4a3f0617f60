"""The pool service: one API over the scheduler."""
