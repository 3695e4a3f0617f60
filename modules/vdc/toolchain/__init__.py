"""The programs that vdc runs and no Python index carries: the Pulumi CLI and Nomad.

``vdc.toolchain.found`` says where they are, ``vdc.toolchain.status`` what there is, and
``vdc.toolchain.install`` obtains them. Nothing is imported here: the program's own Python starts
below this package, and every command waits for it.
"""
