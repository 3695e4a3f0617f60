"""The ACL policies of a data centre: what each holder of a token may do, and no more.

SECURITY.md lists them; ``vdc:scheduler:Cluster`` writes them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Policy:
    """An ACL policy in the scheduler's own language."""

    name: str
    description: str
    rules: str


PROVISIONER = Policy(
    "vdc-provisioner",
    "The provider: admits, introduces, drains and removes nodes; reads what runs on them",
    """
    namespace "*" { capabilities = ["list-jobs", "read-job", "submit-job"] }
    namespace "default" {
      capabilities = ["list-jobs", "read-job", "submit-job"]
      variables {
        path "vdc/join/*" { capabilities = ["list", "read", "write", "destroy"] }
        path "vdc/join-groups/*" { capabilities = ["read", "write"] }
        path "vdc/service" { capabilities = ["read", "write", "destroy"] }
      }
    }
    node { policy = "write" }
    node_pool "*" { policy = "write" }
    operator { policy = "read" }
    """,
)

POOL_SERVICE = Policy(
    "vdc-pool-service",
    "The pool service: follows the pool, keeps its own small state, labels nodes, stages apps",
    """
    namespace "*" {
      capabilities = ["list-jobs", "parse-job", "read-job"]
    }
    namespace "default" {
      capabilities = ["list-jobs", "parse-job", "read-job", "submit-job"]
      variables {
        path "vdc/*" { capabilities = ["read", "list", "write", "destroy"] }
        path "nomad/jobs/*" { capabilities = ["read", "list", "write", "destroy"] }
      }
    }
    node { policy = "write" }
    node_pool "*" { policy = "read" }
    """,
)

OPERATOR = Policy(
    "vdc-operator",
    "People and programs that run work on the pool",
    """
    namespace "default" {
      policy = "write"
      variables {
        path "vdc/*" { capabilities = ["read", "list"] }
      }
    }
    node { policy = "write" }
    node_pool "*" { policy = "read" }
    operator { policy = "read" }
    """,
)

VIEWER = Policy(
    "vdc-viewer",
    "People and programs that look",
    """
    namespace "*" { policy = "read" }
    node { policy = "read" }
    node_pool "*" { policy = "read" }
    """,
)

POLICIES = (PROVISIONER, POOL_SERVICE, OPERATOR, VIEWER)
