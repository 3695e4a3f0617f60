"""The Pulumi provider ``pulumi-resource-vdc``: node groups, authority, cluster, pool service, apps."""
