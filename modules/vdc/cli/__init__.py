"""The command line ``vdc``."""
