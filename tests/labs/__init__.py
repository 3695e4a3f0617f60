"""Labs: real back ends for tests, made on this machine and gone without a trace."""
