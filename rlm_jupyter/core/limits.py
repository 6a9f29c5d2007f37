"""How far a run may go."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import ConfigurationError

__all__ = ["Limits"]

_WHOLE = {"max_iterations": 1, "max_depth": 0, "max_concurrent_subcalls": 1, "max_tokens": 1, "max_errors": 1}


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a run; None is no limit.

    ``max_budget`` is in US dollars, ``max_timeout`` in seconds, ``max_tokens`` counts tokens in and out: they hold over
    the run and all below it. ``max_iterations`` and ``max_errors``, the code blocks that fail in a row, hold for each
    run of the tree by itself; ``max_depth`` is how many levels of runs there are; ``max_concurrent_subcalls`` is how
    many model calls, and how many children of one run, are under way at the same time.
    """

    max_iterations: int = 30
    max_depth: int = 1
    max_concurrent_subcalls: int = 16
    max_budget: float | None = None
    max_timeout: float | None = None
    max_tokens: int | None = None
    max_errors: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        for name, least in _WHOLE.items():
            value = getattr(self, name)
            optional = name in ("max_tokens", "max_errors")
            if (value is None and optional) or (type(value) is int and value >= least):
                continue
            msg = f"{name} must be a whole number of at least {least}{' or None' if optional else ''}, not {value!r}."
            raise ConfigurationError(msg)
        for name in ("max_budget", "max_timeout"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not value > 0):
                msg = f"{name} must be a number above 0 or None, not {value!r}."
                raise ConfigurationError(msg)
