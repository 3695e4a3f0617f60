"""What holds for every test."""

from hypothesis import settings

# A deadline measures the machine; the same examples each time make a failure the code's own.
settings.register_profile("vdc", deadline=None, derandomize=True)
settings.load_profile("vdc")
