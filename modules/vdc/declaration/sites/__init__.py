"""One module per kind of site: its models and its rules."""
