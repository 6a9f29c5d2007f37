"""How far a run may go: what cannot be is refused in words."""

from __future__ import annotations

from typing import Any

import pytest

from rlm_jupyter.core.errors import ConfigurationError
from rlm_jupyter.core.limits import Limits

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"max_iterations": 0}, "max_iterations must be a whole number of at least 1, not 0."),
    ({"max_iterations": None}, "max_iterations must be a whole number of at least 1, not None."),
    ({"max_iterations": True}, "max_iterations must be a whole number of at least 1, not True."),
    ({"max_iterations": 2.5}, "max_iterations must be a whole number of at least 1, not 2.5."),
    ({"max_iterations": "30"}, "max_iterations must be a whole number of at least 1, not '30'."),
    ({"max_depth": -1}, "max_depth must be a whole number of at least 0, not -1."),
    ({"max_concurrent_subcalls": 0}, "max_concurrent_subcalls must be a whole number of at least 1, not 0."),
    ({"max_tokens": 0}, "max_tokens must be a whole number of at least 1 or None, not 0."),
    ({"max_errors": -2}, "max_errors must be a whole number of at least 1 or None, not -2."),
    ({"max_budget": 0}, "max_budget must be a number above 0 or None, not 0."),
    ({"max_budget": float("nan")}, "max_budget must be a number above 0 or None, not nan."),
    ({"max_timeout": -1.5}, "max_timeout must be a number above 0 or None, not -1.5."),
    ({"max_timeout": "1 min"}, "max_timeout must be a number above 0 or None, not '1 min'."),
    ({"max_timeout": True}, "max_timeout must be a number above 0 or None, not True."),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_what_cannot_be_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Limits(**arguments)
    assert str(caught.value) == message
    assert isinstance(caught.value, ValueError)


def test_what_can_be_is_taken() -> None:
    Limits()
    Limits(max_iterations=1, max_depth=0, max_budget=0.01, max_timeout=1, max_tokens=1, max_errors=1)
