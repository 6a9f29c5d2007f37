"""The backend ``recorded``: a client that answers as a trace or a cache tells that models did."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rlm_jupyter.clients.cache import Cache
from rlm_jupyter.clients.choice import make_client
from rlm_jupyter.clients.recorded import CachedReplies, RecordedCall, RecordedClient, Recording
from rlm_jupyter.core.errors import ClientError, ConfigurationError
from rlm_jupyter.core.protocols import ModelReply
from rlm_jupyter.core.request_key import MessageKey
from rlm_jupyter.core.results import RLMChatCompletion
from rlm_jupyter.core.usage import Usage
from rlm_jupyter.trace.jsonl import read_events
from rlm_jupyter.trace.redaction import Redactor
from rlm_jupyter.trace.schema import MessageRecord, ModelCallEnd, ModelCallStart, SubcallEnd, SubcallStart
from rlm_jupyter.trace.trace import Span, Trace

__all__ = ["recorded_client"]

_HOW = 'RLM("recorded", {"trace": "run.jsonl"})'


def recorded_client(
    model_name: str | None = None, *, trace: Any = None, cache: Any = None, live: Any = None
) -> RecordedClient:
    """Return a client that answers from a trace or from a cache file, and asks no server.

    ``trace`` is a ``Trace``, a result that has one, or the path of a log in JSON lines, all of whose runs are used;
    ``cache`` is the path of a cache file, True for the default one, or a ``Cache``. A call that is not there is an
    error, or goes to ``live``, a backend and its arguments: ``("openai", {"model_name": ...})``. Without ``model_name``
    it is the trace's, and a request that names no model gets what was recorded of it, whichever model it was asked of.
    """
    if (trace is None) == (cache is None):
        msg = f'The backend "recorded" takes a trace or a cache, and one of them: {_HOW}, or {{"cache": path}}.'
        raise ConfigurationError(msg)
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
    texts = {digest: blob.text for each in traces for digest, blob in each.blobs.items()}
    calls = [call for each in traces for call in _calls(each)]
    name = model_name or traces[0].run.model
    recording = Recording(calls, lambda digest: texts.get(digest, ""))
    return RecordedClient(recording, name, live=client, redact=redactor.named, any_model=model_name is None)


def _live_client(live: Any) -> Any:
    if live is None:
        return None
    if isinstance(live, str):
        return make_client(live)
    if isinstance(live, Sequence) and len(live) == 2 and isinstance(live[1], Mapping | None):
        return make_client(live[0], live[1])
    msg = 'live is a backend and its arguments, such as ("openai", {"model_name": "gpt-5-mini"}).'
    raise ConfigurationError(msg)


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
    if isinstance(trace, RLMChatCompletion):
        trace = trace.trace
    if isinstance(trace, Trace):
        traces = [trace]
    elif isinstance(trace, str | os.PathLike):
        traces = _logged(Path(trace).expanduser())
    else:
        msg = f"trace is a Trace, a result, or the path of a log in JSON lines, not of type {type(trace).__name__}."
        raise ConfigurationError(msg)
    with_a_run = [each for each in traces if each.root is not None]
    if not with_a_run:
        msg = f"No run is recorded there. Give a log that RLMLogger has written, or a result: {_HOW}."
        raise ConfigurationError(msg)
    return with_a_run


def _logged(path: Path) -> list[Trace]:
    if path.suffix == ".ipynb":
        msg = (
            f"{path.name}: a trace notebook does not hold what the models were told. Play the log in JSON lines that "
            "RLMLogger writes, or what trace.to_jsonl() returns."
        )
        raise ConfigurationError(msg)
    try:
        return read_events(path)
    except OSError as error:
        msg = f"The log {path} cannot be read: {error.strerror or error}."
        raise ConfigurationError(msg) from error


def _calls(trace: Trace) -> Iterator[RecordedCall]:
    """Yield the calls of all runs of the trace that got a reply or an error, in the order in which they began."""
    calls: list[tuple[int, RecordedCall]] = []
    for root in (span for span in trace.walk() if span.kind == "run"):
        said: list[MessageRecord] = []
        for span in _own_spans(root):
            begun = span.start.payload
            if isinstance(begun, ModelCallStart):
                said = [*said[: begun.kept], *begun.added]
                messages, model = tuple(_key(message) for message in said), begun.model
            elif isinstance(begun, SubcallStart):
                messages, model = (("user", begun.prompt, tuple(begun.images)),), begun.model
            else:
                continue
            outcome = _outcome(trace, span)
            if outcome is not None:
                calls.append((span.start.seq, RecordedCall(model, messages, begun.sampling, outcome)))
    yield from (call for _, call in sorted(calls, key=lambda each: each[0]))


def _own_spans(root: Span) -> Iterator[Span]:
    """Yield what stands below a run, without its children's, in the order in which it began."""
    pending, own = list(root.children), []
    while pending:
        span = pending.pop()
        if span.kind != "run":
            own.append(span)
            pending.extend(span.children)
    yield from sorted(own, key=lambda span: span.start.seq)


def _key(message: MessageRecord) -> MessageKey:
    return message.role, message.digest, tuple(message.images)


def _outcome(trace: Trace, span: Span) -> ModelReply | ClientError | None:
    """Return what the call came to; None of one that was broken off, for its reply is not the whole."""
    ended = span.end.payload if span.end is not None else None
    begun = span.start.payload
    if not isinstance(ended, ModelCallEnd | SubcallEnd) or not isinstance(begun, ModelCallStart | SubcallStart):
        return None
    if ended.error is not None and span.status == "error":
        return ClientError(ended.error.message)
    blob = trace.blobs.get(ended.reply) if ended.reply is not None else None
    if span.status != "ok" or blob is None:
        return None
    if blob.cut:
        msg = (
            f"The reply that is recorded for this request is a part of the whole: {len(blob.text):,} of {blob.size:,} "
            "characters. Play it from the cache that the run was asked with."
        )
        return ClientError(msg)
    reply = ModelReply(
        text=blob.text,
        model=ended.response_model or begun.model,
        usage=Usage(**ended.usage.model_dump()),
        finish_reason=ended.finish_reason,
        response_id=ended.response_id,
        notes=tuple(ended.notes),
        cached=True,
    )
    reasoning = trace.text(ended.reasoning)
    return replace(reply, reasoning=reasoning) if reasoning else reply
