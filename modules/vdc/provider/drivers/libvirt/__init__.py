"""Nodes on hosts that run libvirt."""
