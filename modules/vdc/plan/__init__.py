"""What a declaration comes to: machines, groups and prices; pure and deterministic."""

from vdc.plan.builder import plan
from vdc.plan.model import App, Control, Node, NodeGroup, Plan, Site, Size

__all__ = ["App", "Control", "Node", "NodeGroup", "Plan", "Site", "Size", "plan"]
