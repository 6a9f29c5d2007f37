"""How a cell runs in this process: executed, captured, timed, one at a time.

``executor`` runs it in the words of a ``dialect``; ``capture`` tells by context variable whose output is whose.
"""

from __future__ import annotations
