"""Software on machines that do not share the pool service's own packages folder."""
