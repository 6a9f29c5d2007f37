"""What a call costs where its server does not say: by the list prices of ``genai-prices``."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import functools
import ipaddress
import os
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

from rlm_jupyter.core.errors import ConfigurationError
from rlm_jupyter.core.usage import Usage

from .loading import in_thread

if TYPE_CHECKING:
    from genai_prices.types import ModelPrice

__all__ = ["check_provider", "cost_of", "is_public", "prepare"]

_NOBODYS = (".local", ".localhost", ".internal", ".lan", ".home.arpa", ".test", ".invalid", ".example")
"""Names that no provider on the internet has (RFC 6761, 6762, 8375, and what ICANN keeps for private use)."""

_Price: TypeAlias = Callable[[Usage], "float | None"]
_Lists: TypeAlias = Callable[[str, "str | None", str], "_Price | None"]


def check_provider(name: str) -> None:
    """Raise ``ConfigurationError`` for a provider that has no price list; waits for the lists, 0.4 s at first."""
    _reading().result()
    try:
        from genai_prices.data_snapshot import get_snapshot

        snapshot = get_snapshot()
        names = [provider.id for provider in snapshot.providers]
        with contextlib.suppress(LookupError):
            snapshot.find_provider(None, name, None)
            return
    except Exception:  # noqa: BLE001 - as in _read: without lists no price is known, and none is wrong
        return
    near = difflib.get_close_matches(name, names, n=1)
    msg = (
        f"There is no list of prices for the price_provider {name!r}"
        f"{f'; is it {near[0]!r}?' if near else '.'} There are: {', '.join(names)}."
    )
    raise ConfigurationError(msg)


def prepare(url: str, provider: str | None = None) -> None:
    """Begin to read the price lists, in a thread, if they may know this endpoint; called while a reply is awaited."""
    if provider or is_public(url):
        _reading()


async def cost_of(url: str, provider: str | None, model: str, usage: Usage) -> float | None:
    """Return what a call cost by its provider's list prices, in US dollars; None where nobody knows.

    ``url`` is the endpoint's address, by which its provider is known; ``provider`` names another whose prices hold
    there (``openai``, ``anthropic``, ``azure``, ...). ``model`` is the one that answered. Cached input costs what it is
    listed at. The first call may wait for the lists to be read, 0.4 s in a thread; a private address has no prices.
    """
    if usage.input_tokens is None or usage.output_tokens is None or not (provider or is_public(url)):
        return None
    reading = _reading()
    lists = reading.result() if reading.done() else await asyncio.wrap_future(reading)
    try:
        price = lists(url, provider, model)
        return price(usage) if price is not None else None
    except Exception:  # noqa: BLE001 - whatever is the matter with a list: the reply is there, and is paid for
        return None


@functools.cache
def _reading() -> Future[_Lists]:
    """Return the price lists, which are read once."""
    return in_thread(_read, "rlm-jupyter-prices")


def _read() -> _Lists:
    """Return the lists; where they cannot be read, prices are unknown, and no paid reply is lost over it."""
    try:
        from genai_prices.data_snapshot import get_snapshot

        get_snapshot()
    except Exception:  # noqa: BLE001 - another release than those that we know, or a file that cannot be read
        return _unlisted
    return functools.lru_cache(maxsize=1024)(_listed)


def _unlisted(_url: str, _provider: str | None, _model: str) -> None:
    """Return that no price is known."""


def _listed(url: str, provider: str | None, model: str) -> _Price | None:
    """Return how a model's calls are priced, or None for names that the lists do not know."""
    from genai_prices.data_snapshot import get_snapshot

    try:
        _, listed = get_snapshot().find_provider_model(model, None, provider, None if provider else url)
    except LookupError:
        return None
    # Some prices change by the hour, so it is looked for anew each time.
    return lambda usage: _cost(listed.get_prices(datetime.now(tz=timezone.utc)), usage)


def _cost(price: ModelPrice, usage: Usage) -> float | None:
    """Return US dollars; None for a model whose input or output has no price in the list, which is not free."""
    asked, answered = usage.input_tokens or 0, usage.output_tokens or 0
    cached = min(usage.cached_input_tokens or 0, asked)
    fresh, answer = price.input_mtok, price.output_mtok
    again = fresh if price.cache_read_mtok is None else price.cache_read_mtok
    if fresh is None or answer is None:
        return None
    match fresh, again, answer, price.requests_kcount:
        case Decimal(), Decimal(), Decimal(), None:
            # The library takes 70 us for this product, a tenth of what a call costs us in all.
            return float((asked - cached) * fresh + cached * again + answered * answer) / 1e6
    import genai_prices

    counted = {"input_tokens": asked, "output_tokens": answered, **({"cache_read_tokens": cached} if cached else {})}
    return float(price.calc_price(genai_prices.Usage(**counted))["total_price"])


@functools.lru_cache(maxsize=256)
def is_public(url: str) -> bool:
    """Return whether an address may be a provider's: not this machine's, and no private network's."""
    host = (urlsplit(url).hostname or "").lower().rstrip(".")
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith(_NOBODYS)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reading.cache_clear)  # the thread that reads is not in a forked child
