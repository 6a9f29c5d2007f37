"""Which sink the calling code's output goes to, told by context variable: threads and tasks inherit it."""

from __future__ import annotations

from contextvars import ContextVar

from .sink import Sink

__all__ = ["receiver"]

receiver: ContextVar[Sink | None] = ContextVar("rlm_jupyter_sink", default=None)
"""None outside model code."""
