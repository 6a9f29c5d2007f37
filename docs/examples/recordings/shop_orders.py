"""A year of orders of four shops, always the same ones, with some things wrong with them."""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from itertools import accumulate
from random import Random

import pandas as pd  # type: ignore[import-untyped]

__all__ = ["shop_orders"]

_ORDERS = 20_000
_FIRST = datetime(2025, 1, 1)  # noqa: DTZ001 - exports name no zone
_SHOPS = ("Gent", "Graz", "Lyon", "Porto")
_TWICE = date(2025, 6, 17), date(2025, 6, 19)  # these days stand in the export twice
_IN_CENTS = date(2025, 3, 3), date(2025, 3, 16)  # in these days Gent wrote cents


def shop_orders() -> pd.DataFrame:
    """Return the orders: ``order_id``, ``ordered``, ``shop``, ``items``, and the ``amount`` in euros, as a rule."""
    chance = Random(2025).random  # the same numbers on every Python
    rows = []
    for number, ordered in enumerate(sorted(_times(chance)), 500_001):
        shop = _SHOPS[int(len(_SHOPS) * chance())]
        items = 1 + int(-2 * math.log(1 - chance()))
        amount = round(items * (8 + 40 * chance()), 2)
        if shop == "Gent" and _IN_CENTS[0] <= ordered.date() <= _IN_CENTS[1]:
            amount = float(round(100 * amount))
        rows.append((number, ordered, shop, items, amount))
    rows += [row for row in rows if _TWICE[0] <= row[1].date() <= _TWICE[1]]
    return pd.DataFrame(rows, columns=["order_id", "ordered", "shop", "items", "amount"])


def _times(chance: Callable[[], float]) -> Iterator[datetime]:
    """Yield the times of the orders: more at weekends and in December, few in August."""
    days = [_FIRST + timedelta(days=number) for number in range(365)]
    ends = list(accumulate(_weight(day) for day in days))
    for _ in range(_ORDERS):
        yield days[bisect(ends, chance() * ends[-1])] + timedelta(seconds=int(86_400 * chance()))


def _weight(day: datetime) -> float:
    season = {8: 0.5, 12: 1.5}.get(day.month, 1.0)
    return season * (1.3 if day.weekday() >= 5 else 1.0)
