"""Where model code runs: ``local`` (one namespace in this process) and ``jupyter`` (the user's live kernel).

Both stand on the same executor. Nothing here talks to a model: model calls go to the ``Queries`` of the run.
"""
