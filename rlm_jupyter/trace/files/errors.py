"""What is wrong with a file of which traces were wanted."""

from __future__ import annotations

__all__ = ["TraceFileError"]


class TraceFileError(ValueError):
    """The file holds no trace that can be read, or too much; the message says what to do."""
