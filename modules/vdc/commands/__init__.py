"""The grammar of the pool's commands and their handlers over the API.

The command line and the console's panel both call it.
"""
