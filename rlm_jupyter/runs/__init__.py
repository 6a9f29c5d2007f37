"""A run and the tree below it: the loop performed with a client and an environment, recorded, within its limits."""

from __future__ import annotations
