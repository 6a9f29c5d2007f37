"""A client that asks another one only for what it was not paid for before."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from rlm_jupyter.core.protocols import Client, ModelReply, ModelRequest, OnText
from rlm_jupyter.core.request_key import message_keys, request_key

from .cache import Cache

__all__ = ["CachingClient"]

_NOT_WHOLE = frozenset({"content_filter"})
"""Reasons to finish that another request may be spared. ``length`` is none of them: the limit that cut the reply is
part of the request, and who asks again gets as much."""

_SHORTEST_SECRET = 12  # characters; shorter ones are words such as "ollama", which a reply may well hold


@dataclass(frozen=True, slots=True)
class _Landed:
    """How the request ended that others waited for. Neither: its asker went away, and the next one asks."""

    reply: ModelReply | None = None
    failed: bool = False


class _Flights(dict[tuple[str, str], "asyncio.Future[_Landed]"]):
    """The requests that are under way, by their key and server; it keeps its loop, whose id is another's else."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.loop = loop


_shared: WeakValueDictionary[tuple[int, Path], _Flights] = WeakValueDictionary()


class CachingClient:
    """Answers from the cache what it holds, asks ``client`` for the rest, and keeps the replies.

    Requests that are the same and come at the same time are asked once, also by several
    clients with the same file. When that one is cancelled, the next of them
    asks; when it fails, its error is its own, and the others ask for themselves, all at once as without a cache. Errors
    are never kept, nor are replies without a text, those that a filter cut, and those that hold one of the client's
    secrets. ``sampling`` is what the client adds to every request.
    """

    def __init__(self, client: Client, cache: Cache, sampling: Mapping[str, Any] | None = None) -> None:
        self.client = client
        self.cache = cache
        self._sampling = dict(sampling or {})
        self._server = str(getattr(client, "base_url", None) or type(client).__name__)
        self._flights: _Flights | None = None

    @property
    def model_name(self) -> str:
        """The model that is asked when a request names none."""
        return self.client.model_name

    @property
    def secrets(self) -> Sequence[str]:
        """Those of the client."""
        return self.client.secrets

    async def acompletion(self, request: ModelRequest, on_text: OnText | None = None) -> ModelReply:
        """Return the reply; one from the cache is told to ``on_text`` as a whole. Raises what the client raises."""
        model, sampling = request.model or self.client.model_name, {**self._sampling, **request.sampling}
        key = request_key(model, message_keys(request.messages), sampling)
        place, flights = (key, self._server), self._flights_here()
        while (flight := flights.get(place)) is not None:
            if request.attempts is not None:
                request.attempts.waits()
            landed = await asyncio.shield(flight)
            if landed.reply is not None:
                return _again(landed.reply, on_text)
            if landed.failed:
                return await self._asked(key, request, on_text)
        flight = flights[place] = asyncio.get_running_loop().create_future()
        landed = _Landed()
        try:
            kept = await self.cache.get(key, self._server)
            reply = _again(kept, on_text) if kept is not None else await self._asked(key, request, on_text)
            landed = _Landed(reply)
        except Exception:
            landed = _Landed(failed=True)
            raise
        finally:
            del flights[place]
            flight.set_result(landed)
        return reply

    async def aclose(self) -> None:
        """Close the client's connections, and the file once everything is written. May be called twice."""
        await self.client.aclose()
        await self.cache.aclose()

    def _flights_here(self) -> _Flights:
        """Return the requests under way on the running loop, of all clients with the same file."""
        loop = asyncio.get_running_loop()
        if self._flights is None or self._flights.loop is not loop:
            shared = _shared.get((id(loop), self.cache.path))
            if shared is None or shared.loop is not loop:
                shared = _shared[id(loop), self.cache.path] = _Flights(loop)
            self._flights = shared
        return self._flights

    async def _asked(self, key: str, request: ModelRequest, on_text: OnText | None) -> ModelReply:
        reply = await self.client.acompletion(request, on_text)
        if self._is_worth_keeping(reply):
            self.cache.put(key, self._server, reply)
        return reply

    def _is_worth_keeping(self, reply: ModelReply) -> bool:
        if reply.cached or not reply.text.strip() or reply.finish_reason in _NOT_WHOLE:
            return False
        secrets = [secret for secret in self.client.secrets if len(secret) >= _SHORTEST_SECRET]
        return not any(secret in text for secret in secrets for text in (reply.text, reply.reasoning or ""))


def _again(reply: ModelReply, on_text: OnText | None) -> ModelReply:
    """Return a reply that nobody pays for a second time; its usage is what it took when it was paid for."""
    if on_text is not None:
        on_text(reply.text)
    return replace(reply, cached=True, retries=0)
