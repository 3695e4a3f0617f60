"""The lab by hand: ``python -m labs.aws up|down|status [--name NAME]``, from ``tests/``."""

from labs.aws.lab import Lab

Lab.main()
