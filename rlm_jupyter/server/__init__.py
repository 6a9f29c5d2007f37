"""The Jupyter Server extension: it listens to every kernel, keeps what it hears, and writes trace notebooks.

It runs in the server's process, which may be another Python environment than the kernel's: it imports ``trace`` and
nothing else of ours. What comes from a kernel is hostile until ``intake`` has validated it.
"""
