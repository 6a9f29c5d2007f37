"""Runs: which there are, how one stands, the events of its spans, the texts that they name, and deleting it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from jupyter_server.auth.decorator import authorized
from tornado import web

from rlm_jupyter.server.off_loop import off_loop

from .base import RLMHandler, checked, json_bytes

if TYPE_CHECKING:
    from rlm_jupyter.server.services import Services
    from rlm_jupyter.server.store import Store
    from rlm_jupyter.server.store.rows import RunRow

__all__ = ["STATUSES", "RunHandler", "RunsHandler", "SpansHandler", "TextHandler", "runs_json"]

STATUSES = ("running", "ok", "error", "interrupted", "limit")

_PAGE_LIMIT = 16_000_000  # characters of the events in a page; the last one may go beyond
_TEXTS_LIMIT = 8_000_000  # characters of the texts that come with a page of spans

_turn = threading.Lock()
"""One page of events is read at a time: threads that step through rows together hand Python over at each one."""


class RunsHandler(RLMHandler):
    """``runs``."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """List runs, the last one first."""
        limit = self.number("limit", 50, least=1, most=500)
        rows = await off_loop(
            self.services.store.runs,
            notebook=self.text("notebook", most=4_096),
            session=self.identifier("session", "session_id"),
            kernel=self.identifier("kernel", "kernel_id"),
            status=self.choice("status", STATUSES),
            limit=limit,
            before=self.identifier("before", "run_id"),
        )
        following = rows[-1].run_id if len(rows) == limit else None
        await self.reply({"runs": await runs_json(self.services, rows), "next": following})


class RunHandler(RLMHandler):
    """``runs/{run_id}``."""

    @web.authenticated
    @authorized
    async def get(self, run_id: str) -> None:
        """Answer with the run: question, answer, figures, and how it is steered while it is under way."""
        run = await self.run_named(run_id)
        steered = self.services.changes.steered_of(run)
        told = steered.model_dump(exclude={"type", "run_id"}) if steered is not None else None
        (told_run,) = await runs_json(self.services, [run], listed=False)
        await self.reply({**told_run, "steered": told})

    @web.authenticated
    @authorized
    async def delete(self, run_id: str) -> None:
        """Delete the run, unless it is under way. What stands in a trace notebook stays there."""
        run = await self.run_named(run_id)
        if run.status is None:
            msg = "This run is under way. Stop it, or wait for its end, then delete it."
            raise web.HTTPError(409, msg, reason="Run under way")
        await off_loop(self.services.store.delete_run, run_id)
        self.services.changes.run_deleted(run)
        self.set_status(204)
        self.finish()


class SpansHandler(RLMHandler):
    """``runs/{run_id}/spans``."""

    @web.authenticated
    @authorized
    async def get(self, run_id: str) -> None:
        """Answer with the start and end events whose number is ``since`` or higher, in order."""
        since = self.number("since", 0)
        limit = self.number("limit", 1_000, least=1, most=5_000)
        texts = self.flag("texts")
        run = await self.run_named(run_id)
        store = self.services.store
        await self.send(lambda: _spans(store, run, since, limit, texts=texts))


class TextHandler(RLMHandler):
    """``runs/{run_id}/texts/{digest}``."""

    @web.authenticated
    @authorized
    async def get(self, run_id: str, digest: str) -> None:
        """Answer with a text that an event of the run names by its digest."""
        checked("digest", digest)
        await self.run_named(run_id)
        text = await off_loop(self.services.store.text, run_id, digest)
        if text is None:
            msg = "This run has no such text; or the event that holds it is missing, or yet to arrive."
            raise web.HTTPError(404, msg)
        await self.reply(_text(text))


async def runs_json(services: Services, runs: Sequence[RunRow], *, listed: bool = True) -> list[dict[str, Any]]:
    """Return what is known of runs; ``cut`` says that their texts may be cut, as the store does in lists.

    Where one notebook's runs are asked for, its trace is looked for; of many only what this server wrote is told.
    """
    notebooks = {run.notebook_id: run.notebook for run in runs if run.notebook_id is not None and run.notebook}
    files = services.trace_files
    traces: dict[int, str | None] = {number: files.path_of(number) for number in notebooks}
    if len(notebooks) == 1:
        traces = {number: await files.found_at(number, path) for number, path in notebooks.items()}
    return [{**_run(run, listed=listed), "trace_notebook": traces.get(run.notebook_id or 0)} for run in runs]


def _run(run: RunRow, *, listed: bool) -> dict[str, Any]:
    from rlm_jupyter.server.store.reading import LIST_TEXT

    texts = (run.question, run.answer or "", run.error or "")
    return {
        "run_id": run.run_id,
        "notebook_id": run.notebook_id,
        "notebook": run.notebook,
        "kernel_id": run.kernel_id,
        "session_id": run.session_id,
        "turn": run.turn,
        "cell_id": run.cell_id,
        "question": run.question,
        "answer": run.answer,
        "cut": listed and any(len(text) >= LIST_TEXT for text in texts),
        "error": run.error,
        "model": run.model,
        "backend": run.backend,
        "environment": run.environment,
        "status": run.status,
        "began": run.began,
        "ended": run.ended,
        "last_seq": run.last_seq,
        "events": run.events,
        "whole": run.whole,
        "iterations": run.iterations,
        "subcalls": run.subcalls,
        "children": run.children,
        "input_tokens": run.input_tokens,
        "output_tokens": run.output_tokens,
        "cost": run.cost,
        "max_iterations": run.max_iterations,
        "resumes": run.resumes,
    }


def _spans(store: Store, run: RunRow, since: int, limit: int, *, texts: bool) -> bytes:
    # What is missing is asked first: a gap that closes meanwhile is then in the events, and named all the same.
    missing = store.missing(run.run_id)
    with _turn:
        events = store.spans(run.run_id, since, limit, _PAGE_LIMIT)
    more = len(events) == limit or sum(map(len, events)) > _PAGE_LIMIT
    last = json.loads(events[-1])["seq"] if events else since - 1
    head = {
        "run_id": run.run_id,
        "status": run.status,
        "whole": run.whole,
        "last_seq": run.last_seq,
        "missing": missing,
        # Texts have numbers too: at the end of what there is, they are passed over.
        "next": last + 1 if more else max(last, run.last_seq, since - 1) + 1,
        "more": more,
    }
    if texts:
        head["texts"] = _texts(store, run.run_id, events)
    # The events are stored as JSON, and sent as they are.
    return json_bytes(head)[:-1] + b', "events": [' + ",".join(events).encode("utf-8", "replace") + b"]}"


def _texts(store: Store, run_id: str, events: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    size = 0
    for digest in dict.fromkeys(digest for event in events for digest in _digests(json.loads(event))):
        text = store.text(run_id, digest) if size < _TEXTS_LIMIT else None
        if text is not None:
            found[digest] = _text(text)
            size += len(found[digest]["text"])
    return found


def _digests(event: dict[str, Any]) -> Iterator[str]:
    """Yield the names of the texts that an event names; pictures are fetched one by one."""
    payload = event.get("payload", {})
    yield from (message["digest"] for message in payload.get("added", ()))
    yield from (payload[name] for name in ("prompt", "reply", "reasoning") if payload.get(name))


def _text(text: Any) -> dict[str, Any]:
    told = {"digest": text.digest, "size": text.size, "text": text.text, "cut": text.cut}
    return {**told, "media_type": text.media_type, "encoding": text.encoding}
