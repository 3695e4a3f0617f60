"""The Pulumi provider ``pulumi-resource-vdc``.

It serves node groups, the authority, the cluster, the pool service and apps.
"""
