"""What runs in the kernel: its text is sent there and executed.

Nothing of this package can be imported in a kernel, whose Python may be another one (3.8 or later) with ipykernel and
little else; so these modules import the standard library and each other, and nothing more.
"""
