"""Runs the code of a trace again, over the answers that the trace holds.

``rlm_jupyter.replay`` does so and reports the differences (``rerun``, ``report``); ``rlm_jupyter.play`` has a trace
notebook's cells do it (``play``, ``player``). This folder stands above the front door and below the magics. Nothing in
it is to be used on a trace that one would not run: its code is executed.
"""
