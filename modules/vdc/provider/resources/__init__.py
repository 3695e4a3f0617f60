"""The resource types that are no node groups of one kind."""
