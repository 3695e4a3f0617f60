"""The pool API from Python."""
