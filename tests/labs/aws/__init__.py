"""An AWS with moto's API, whose machines take time, are vouched for, and really boot.

::

    with aws_lab() as lab, lab.boots() as boots:
        lab.environment                # credential, endpoint and stand-ins for vdc up
        boots.node("i-0abc…")
"""

from labs.aws.lab import Lab, aws_lab

__all__ = ["Lab", "aws_lab"]
