"""Language models behind one protocol: ``openai`` (the network), ``offline`` (no key, no network).

Every call runs on the process's one I/O thread. Nothing here knows of notebooks or traces.
"""
