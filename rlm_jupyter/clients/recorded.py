"""Answers from what was recorded: the same request gets the same reply, and no server is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeAlias

from rlm_jupyter.core.errors import ClientError
from rlm_jupyter.core.protocols import Client, ModelReply, ModelRequest, OnText
from rlm_jupyter.core.request_key import MessageKey, alike_digests, alike_keys, message_keys, request_key

from .cache import Cache

__all__ = ["Asked", "CachedReplies", "Found", "NotAskedError", "RecordedCall", "RecordedClient", "Recording", "Source"]

_SHOWN = 80  # characters of a message that an error quotes
_LOOKED_AT = 10_000  # characters of it that are searched for secrets before

_SILENT = 0.3  # of the time that a reply takes: how much of it is over before its first word
_PIECES = 40  # of a reply that comes bit by bit, at most
_PIECE = 0.05  # seconds from one to the next, at least

Outcome: TypeAlias = ModelReply | ClientError


class NotAskedError(ClientError):
    """There is no recorded reply, or a recorded error; nobody was asked, and nothing was paid."""

    @property
    def refused(self) -> bool:
        """That nobody did the work."""
        return True


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """A call as it was recorded: what was asked, the reply or the error that came, and how many seconds it took.

    ``alike`` are its messages without what is incidental in tracebacks.
    """

    model: str
    messages: tuple[MessageKey, ...]
    alike: tuple[MessageKey, ...]
    sampling: Mapping[str, Any]
    outcome: Outcome
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that is looked for. ``any_model``: it names none, and is answered whoever it was asked of.

    ``alike`` are its messages without what is incidental in tracebacks.
    """

    model: str
    messages: tuple[MessageKey, ...]
    alike: tuple[MessageKey, ...]
    sampling: Mapping[str, Any]
    any_model: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What is recorded of a request, and how many seconds it took to come."""

    outcome: Outcome
    seconds: float = 0.0


class Source(Protocol):
    """Where recorded replies are found."""

    async def find(self, asked: Asked) -> Found | None:
        """Return what is recorded of the request, or None."""

    def nearest(self, asked: Asked) -> str:
        """Return what of the request is recorded, in a sentence, once it was not found."""

    async def aclose(self) -> None:
        """Give up what is open. May be called twice."""


@dataclass(slots=True)
class _Told:
    """A call, and whether its outcome was told."""

    found: Found
    already: bool = False


@dataclass(slots=True)
class _Line:
    """What a request was answered, time after time. A call may stand in several lines, and is told in one of them."""

    calls: list[_Told] = field(default_factory=list)
    at: int = 0

    def next(self) -> Found:
        while self.calls[self.at].already and self.at < len(self.calls) - 1:
            self.at += 1
        call = self.calls[self.at]
        call.already = True
        return call.found


class Recording:
    """Calls in the order in which they were made; a request that was made again gets the next reply, and then the last.

    A request that is not there word for word gets the reply to one that differs in what is incidental in tracebacks.
    ``text`` gives the text of a digest, as far as it is known: for what an error says.
    """

    def __init__(self, calls: Iterable[RecordedCall], text: Callable[[str], str] = lambda _: "") -> None:
        self._calls = list(calls)
        self._text = text
        self._lines: dict[str, _Line] = {}
        for call in self._calls:
            told = _Told(Found(call.outcome, call.seconds))
            for messages in dict.fromkeys((call.messages, call.alike)):
                for model in dict.fromkeys((call.model, "")):
                    line = self._lines.setdefault(request_key(model, messages, call.sampling), _Line())
                    line.calls.append(told)

    async def find(self, asked: Asked) -> Found | None:
        """Return what is recorded of the request, or None."""
        for messages in (asked.messages, asked.alike):
            for model in (asked.model, "") if asked.any_model else (asked.model,):
                line = self._lines.get(request_key(model, messages, asked.sampling))
                if line is not None:
                    return line.next()
        return None

    def nearest(self, asked: Asked) -> str:
        """Return what of the request is recorded, in a sentence."""
        if not self._calls:
            return "No call is recorded."
        same = [call for call in self._calls if call.alike == asked.alike]
        if any(call.model == asked.model for call in same):
            return (
                f"The recorded call has the same messages and model, but other sampling: {same[0].sampling or 'none'}."
            )
        if same:
            return f"The recorded call has the same messages, but another model: {same[0].model}."
        nearest = max(self._calls, key=lambda call: _in_common(call.alike, asked.alike))
        common = _in_common(nearest.alike, asked.alike)
        if common == 0:
            return "No recorded call begins with the same message."
        if common == len(asked.messages):
            return f"A recorded call begins with its {common} messages, but goes on."
        told = f"The nearest recorded call has the same first {common} of its {len(asked.messages)} messages"
        if common == len(nearest.messages):
            return f"{told}, and ends there."
        differs = self._text(nearest.messages[common][1])
        return f"{told}; then it goes on: {_quoted(differs)}." if differs else f"{told}."

    async def aclose(self) -> None:
        """Do nothing: a recording is in memory."""


class CachedReplies:
    """The replies that a cache holds, of whichever server; ``owned``: nobody else closes the cache."""

    def __init__(self, cache: Cache, *, owned: bool = False) -> None:
        self._cache = cache
        self._owned = owned

    async def find(self, asked: Asked) -> Found | None:
        """Return what is kept of the request, or None."""
        kept = await self._cache.get(request_key(asked.model, asked.messages, asked.sampling))
        return None if kept is None else Found(replace(kept, cached=True, retries=0))

    def nearest(self, asked: Asked) -> str:
        """Return where it was looked for: a cache does not tell what its requests were."""
        return f"The cache {self._cache.path} has none to this request: the same model, messages and sampling."

    async def aclose(self) -> None:
        """Close the cache, if that is nobody else's."""
        if self._owned:
            await self._cache.aclose()


class RecordedClient:
    """Answers from recorded calls, and asks ``live`` for the rest; without one, what is not recorded is an error.

    ``redact`` takes out of a text what was taken out of it when it was recorded. With a ``pace`` an outcome comes as
    long after its request as it did when it was recorded, times ``pace``; with 0 it comes at once.
    """

    def __init__(
        self,
        source: Source,
        model_name: str,
        *,
        live: Client | None = None,
        redact: Callable[[str], str] = str,
        any_model: bool = False,
        pace: float = 0.0,
    ) -> None:
        self._source = source
        self._model_name = model_name
        self._live = live
        self._redact = redact
        self._any_model = any_model
        self._pace = pace
        self._first_missing = ""

    @property
    def model_name(self) -> str:
        """The model that is asked when a request names none."""
        return self._model_name

    @property
    def secrets(self) -> Sequence[str]:
        """Those of the client that is asked for the rest."""
        return self._live.secrets if self._live is not None else ()

    async def acompletion(self, request: ModelRequest, on_text: OnText | None = None) -> ModelReply:
        """Return the recorded reply, with the usage that it had.

        Raises ``NotAskedError`` where an error is recorded, and for what is not, unless there is a live client.
        """
        keys = message_keys(request.messages, self._redact)
        asked = Asked(
            request.model or self._model_name,
            tuple(keys),
            alike_keys(keys, alike_digests((message["content"] for message in request.messages), self._redact)),
            _redacted(dict(request.sampling), self._redact),
            any_model=self._any_model and request.model is None,
        )
        found = await self._source.find(asked)
        if found is not None and isinstance(found.outcome, ModelReply):
            await _told(found.outcome.text, found.seconds * self._pace, on_text)
            return found.outcome
        if self._live is not None:
            return await self._live.acompletion(request, on_text)
        if found is not None:
            await asyncio.sleep(found.seconds * self._pace)
            raise NotAskedError(str(found.outcome))
        missing = self._missing(asked, request)
        before, self._first_missing = self._first_missing, self._first_missing or missing
        if before:
            missing = f"{missing} It may follow from the first request that was missing: {before}"
        raise NotAskedError(missing)

    async def aclose(self) -> None:
        """Close the live client's connections, and the recording. May be called twice."""
        await self._source.aclose()
        if self._live is not None:
            await self._live.aclose()

    def _missing(self, asked: Asked, request: ModelRequest) -> str:
        last = self._redact(request.messages[-1]["content"][:_LOOKED_AT]) if request.messages else ""
        return (
            f"No reply is recorded for this request to {asked.model}: {_quoted(last)}. {self._source.nearest(asked)} "
            'Give backend_kwargs={..., "live": ("openai", {"model_name": ...})} to have a model asked instead.'
        )


async def _told(text: str, seconds: float, on_text: OnText | None) -> None:
    """Tell a reply over so many seconds: after a silence piece by piece, each when it is due."""
    if not seconds or on_text is None:
        if on_text is not None:
            on_text(text)
        await asyncio.sleep(seconds)
        return
    clock = asyncio.get_running_loop().time
    began, writing = clock(), seconds * (1 - _SILENT)
    count = max(1, min(_PIECES, int(writing / _PIECE), len(text)))
    for number in range(count):
        due = began + seconds - writing * (1 - number / count)
        await asyncio.sleep(max(0.0, due - clock()))
        on_text(text[len(text) * number // count : len(text) * (number + 1) // count])
    await asyncio.sleep(max(0.0, began + seconds - clock()))


def _redacted(value: Any, redact: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {redact(str(name)): _redacted(each, redact) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(each, redact) for each in value]
    return value


def _in_common(recorded: Sequence[MessageKey], asked: Sequence[MessageKey]) -> int:
    pairs = zip(recorded, asked, strict=False)
    return next((at for at, (one, other) in enumerate(pairs) if one != other), min(len(recorded), len(asked)))


def _quoted(text: str) -> str:
    line = " ".join(text.split())
    return f'"{line[:_SHOWN]}..."' if len(line) > _SHOWN else f'"{line}"'
