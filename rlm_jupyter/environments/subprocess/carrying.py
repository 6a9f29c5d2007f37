"""Values as bytes, to be made again in a kernel of the same or another Python."""

from __future__ import annotations

import pickle
from typing import Any

from rlm_jupyter.core.errors import ConfigurationError

__all__ = ["carried", "is_plain"]

_PROTOCOL = 5
_PLAIN = (str, bytes, int, float, bool, type(None))


def is_plain(value: Any) -> bool:
    """Return whether the value is of a builtin type that is always carried and never changes."""
    return type(value) in _PLAIN


def carried(name: str, value: Any) -> bytes:
    """Return the value's pickle; functions and classes that the kernel cannot import travel with their code.

    Raises ``ConfigurationError`` when the value cannot be pickled.
    """
    if is_plain(value):
        return pickle.dumps(value, _PROTOCOL)
    import cloudpickle

    try:
        packed: bytes = cloudpickle.dumps(value, protocol=_PROTOCOL)
    except Exception as error:
        msg = (
            f"`{name}`, of type {type(value).__qualname__}, cannot be carried into the kernel's process "
            f"({type(error).__name__}: {error}). Pass plain data, or use kernel_mode='in_process'."
        )
        raise ConfigurationError(msg) from error
    return packed
