"""What servers write into their headers about when to come back."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from rlm_jupyter.clients.rate_limits import pause_until_reset, retry_after


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "20"}, 20),
        ({"retry-after": "0.2"}, 0.2),
        ({"retry-after": "20", "retry-after-ms": "150"}, 0.15),
        ({"retry-after": formatdate(0, usegmt=True)}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "Fri, 99 Nov 99999 00:00:00 GMT"}, None),
    ],
)
def test_when_to_ask_again(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        ("1s", 1),
        ("20ms", 0.02),
        ("2m59.56s", 30),
        ("6m0s", 30),
        ("1h", 30),
        ("1d2h3m4s5ms", 30),
        ("7.66s", 7.66),
        ("1m", 30),
        ("12", 12),
        ("", 0),
        ("tomorrow", 0),
    ],
)
def test_until_a_limit_is_reset(reset: str, seconds: float) -> None:
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": reset}
    assert pause_until_reset(headers) == pytest.approx(seconds)
    assert pause_until_reset({**headers, "x-ratelimit-remaining-requests": "1"}) == 0
