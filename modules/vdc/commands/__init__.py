"""The grammar of the pool's commands and their handlers over the API."""
