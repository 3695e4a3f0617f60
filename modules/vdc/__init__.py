"""vdc: a whole data centre as one declaration and one pool."""

__version__ = "0.1.0"
