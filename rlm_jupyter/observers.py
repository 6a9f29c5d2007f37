"""Who is told of every run of this process: the trace notebook's journal, and whoever else listens."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rlm_jupyter.trace.schema import Event

__all__ = ["observers"]

observers: list[Callable[[Event], None]] = []
"""Called with every trace event of every run, in order, on the thread where it happened."""
