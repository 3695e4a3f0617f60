"""The grammar of the pool's commands and their handlers over the API; the command line and the console's panel both call it."""
