"""The scheduler, Nomad, as the rest of vdc sees it: a client, typed objects, ACL policies."""
