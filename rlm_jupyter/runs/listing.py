"""What the first message lists besides the current context: names that code can use, and what they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rlm_jupyter.core.describe import ValueSummary, describe

__all__ = ["Listing"]

_VARIABLES_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Listing:
    """Earlier contexts (``others``) and the user's ``variables``, described; ``names`` are all, listed or not."""

    others: Mapping[str, ValueSummary]
    variables: Mapping[str, ValueSummary]
    names: frozenset[str]

    @classmethod
    def of(cls, others: Mapping[str, Any], variables: Mapping[str, Any]) -> Listing:
        """Return the listing of these values, of the first 80 variables."""
        return cls(
            {name: describe(value, 0) for name, value in others.items()},
            {name: describe(value, 0) for name, value in list(variables.items())[:_VARIABLES_SHOWN]},
            frozenset((*others, *variables)),
        )

    @property
    def described(self) -> dict[str, ValueSummary]:
        """What is said of each name that is listed."""
        return {**self.others, **self.variables}

    @property
    def unlisted(self) -> int:
        """How many variables are not listed."""
        return len(self.names) - len(self.described)
