"""A region of AWS as a site: every group of work nodes is an Auto Scaling group."""

from __future__ import annotations

from vdc.sites.aws.component import Aws

__all__ = ["COMPONENT", "Aws"]

COMPONENT = Aws
