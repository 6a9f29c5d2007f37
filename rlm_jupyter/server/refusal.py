"""Why something that a kernel said was not taken."""

from __future__ import annotations

from enum import Enum

__all__ = ["Reason", "RefusedError"]


class Reason(str, Enum):
    """Why something from a kernel was not taken; it is what the refused are counted by."""

    SIZE = "size"
    MALFORMED = "malformed"
    SIGNATURE = "signature"
    REPLAY = "replay"
    TYPE = "type"
    DENSE = "dense"
    JSON = "json"
    SCHEMA = "schema"
    VALUE = "value"
    COUNT = "count"
    FOREIGN = "foreign"
    CONFLICT = "conflict"
    RATE = "rate"
    QUEUE = "queue"
    KERNEL = "kernel"
    STORE = "store"


class RefusedError(Exception):
    """Something is not taken, for this ``reason``."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(f"It was refused: {reason.value}.")
        self.reason = reason
