"""IPython's shells: what a live one shows and asks is routed to the cell it belongs to; a private one is made."""

from __future__ import annotations
