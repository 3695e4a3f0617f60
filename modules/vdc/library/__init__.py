"""The library of packages that run on the pool."""
