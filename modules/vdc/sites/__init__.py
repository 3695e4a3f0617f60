"""Plan to Pulumi resources: one component per kind of site, and the data centre of them all."""
