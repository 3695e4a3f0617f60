"""Machines for the ssh kind: namespaces with a real sshd, on a network of their own."""

from labs.ssh.lab import ADDRESS, Lab, ssh_lab

__all__ = ["ADDRESS", "Lab", "ssh_lab"]
