"""The backend ``recorded``: a client that answers as a trace or a cache tells that models did."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rlm_jupyter.clients.cache import Cache
from rlm_jupyter.clients.choice import Choice, choose, make_client
from rlm_jupyter.clients.recorded import CachedReplies, RecordedCall, RecordedClient, Recording
from rlm_jupyter.core.errors import ConfigurationError
from rlm_jupyter.core.request_key import MessageKey, alike_digests, alike_keys
from rlm_jupyter.trace.files.opened import TraceVersionError, traces_of
from rlm_jupyter.trace.redaction import Redactor
from rlm_jupyter.trace.schema import MessageRecord, ModelCallStart, SubcallStart
from rlm_jupyter.trace.trace import Trace

from .earlier import outcome_of

__all__ = ["live_backend", "recorded_client"]

_HOW = 'RLM("recorded", {"trace": "run.jsonl"})'


def recorded_client(
    model_name: str | None = None, *, trace: Any = None, cache: Any = None, live: Any = None, pace: float = 0.0
) -> RecordedClient:
    """Return a client that answers from a trace or from a cache file, and asks no server.

    ``trace`` is a ``Trace``, a result that has one, or the path of a log or of a trace notebook, whose runs are all
    used; ``cache`` is the path of a cache file, True for the default one, or a ``Cache``. A call that is not there is
    an error, or goes to ``live``: True for the model that ``RLM`` would ask, or a backend and its arguments,
    ``("openai", {"model_name": ...})``. Without ``model_name`` it is the trace's, and a request that names no model
    gets what was recorded of it, whichever model it was asked of.

    Replies come at once, or, with a ``pace``, as long after their requests as they did when the trace was recorded,
    times ``pace``: 1 is as it was, 0.5 twice as fast.
    """
    if (trace is None) == (cache is None):
        msg = f'The backend "recorded" takes a trace or a cache, and one of them: {_HOW}, or {{"cache": path}}.'
        raise ConfigurationError(msg)
    _check_pace(pace, trace)
    client = _live_client(live)
    # What was redacted when it was recorded is no longer in the text: it is looked for without.
    redactor = Redactor(client.secrets if client is not None else ())
    if cache is not None:
        if model_name is None and client is None:
            msg = 'With a cache, "recorded" is to be told whose replies it plays: give "model_name" as well.'
            raise ConfigurationError(msg)
        name = model_name or (client.model_name if client is not None else "")
        kept = CachedReplies(_cache(cache), owned=not isinstance(cache, Cache))
        return RecordedClient(kept, name, live=client)
    traces = _traces(trace)
    calls = [call for each in traces for call in _calls(each)]
    texts = {digest: blob.text for each in traces for digest, blob in each.blobs.items()}
    name = model_name or traces[0].run.model
    recording = Recording(calls, lambda digest: texts.get(digest, ""))
    any_model = model_name is None
    return RecordedClient(recording, name, live=client, redact=redactor.named, any_model=any_model, pace=pace)


def live_backend(live: Any) -> Choice:
    """Return who answers what is not recorded: the model that ``RLM`` would ask for True, or a backend by name.

    ``live`` is the backend's name, or that and its arguments. Raises ``ConfigurationError`` for anything else.
    """
    if live is True:
        return choose()
    if isinstance(live, str):
        return Choice(live)
    if isinstance(live, Sequence) and len(live) == 2 and isinstance(live[1], Mapping | None):
        return Choice(str(live[0]), dict(live[1] or {}))
    msg = 'live is True, or a backend and its arguments, such as ("openai", {"model_name": "gpt-5-mini"}).'
    raise ConfigurationError(msg)


def _check_pace(pace: Any, trace: Any) -> None:
    if isinstance(pace, bool) or not isinstance(pace, int | float) or not (pace >= 0 and math.isfinite(pace)):
        msg = f"pace is a number from 0 on: 1 for the time that replies took, 0 for at once. This is {pace!r}."
        raise ConfigurationError(msg)
    if pace and trace is None:
        msg = "A cache does not tell how long replies took: give a trace, or leave out pace."
        raise ConfigurationError(msg)


def _live_client(live: Any) -> Any:
    if live is None or live is False:
        return None
    choice = live_backend(live)
    if choice.notice is not None:
        warnings.warn(choice.notice, stacklevel=4)
    return make_client(choice.backend, choice.backend_kwargs)


def _cache(cache: Any) -> Cache:
    if not isinstance(cache, Cache | str | os.PathLike) and cache is not True:
        msg = "cache is the path of a file that RLM(cache=...) has written, True for the default one, or a Cache."
        raise ConfigurationError(msg)
    kept = cache if isinstance(cache, Cache) else Cache(None if cache is True else cache)
    if not kept.path.is_file():
        named = os.fspath(cache if isinstance(cache, str | os.PathLike) else kept.path)
        msg = f"There is no cache file {named!r}: give the path of one that RLM(cache=...) has written."
        raise ConfigurationError(msg)
    problem = kept.stats().problem
    if problem is not None:
        raise ConfigurationError(problem)
    return kept


def _traces(trace: Any) -> list[Trace]:
    """Return the traces that are meant, of which there is at least one with a run."""
    try:
        return traces_of(trace)
    except TraceVersionError:
        raise
    except ValueError as error:
        msg = f"{error} As in {_HOW}."
        raise ConfigurationError(msg) from error
    except OSError as error:
        named = os.fspath(trace) if isinstance(trace, str | os.PathLike) else trace
        msg = f"The trace {named} cannot be read: {error.strerror or error}."
        raise ConfigurationError(msg) from error


def _calls(trace: Trace) -> Iterator[RecordedCall]:
    """Yield the calls of all runs of the trace that got a reply or an error, in the order in which they began."""
    calls: list[tuple[int, RecordedCall]] = []
    alike = alike_digests(blob.text for blob in trace.blobs.values() if not blob.cut)
    for root in (span for span in trace.walk() if span.kind == "run"):
        said: list[MessageRecord] = []
        for span in root.own():
            begun = span.start.payload
            if isinstance(begun, ModelCallStart):
                said = [*said[: begun.kept], *begun.added]
                messages, model = tuple(map(_key, said)), begun.model
            elif isinstance(begun, SubcallStart):
                messages, model = (("user", begun.prompt, tuple(begun.images)),), begun.model
            else:
                continue
            outcome = outcome_of(trace, span)
            if outcome is not None:
                seconds = max(0.0, span.seconds or 0.0)
                keys = messages, alike_keys(messages, alike)
                calls.append((span.start.seq, RecordedCall(model, *keys, begun.sampling, outcome, seconds)))
    yield from (call for _, call in sorted(calls, key=lambda each: each[0]))


def _key(message: MessageRecord) -> MessageKey:
    return message.role, message.digest, tuple(message.images)
