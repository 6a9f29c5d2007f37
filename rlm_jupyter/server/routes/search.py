"""Search over questions and answers, and over all that one run holds."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from jupyter_server.auth.decorator import authorized
from tornado import web

from rlm_jupyter.server.off_loop import off_loop

from .base import RLMHandler, json_bytes
from .runs import runs_json

if TYPE_CHECKING:
    from rlm_jupyter.server.store import Passages

__all__ = ["RunSearchHandler", "SearchHandler"]


class SearchHandler(RLMHandler):
    """``search``."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """List the runs whose question or answer holds the words, the best first."""
        words = _wanted(self)
        notebook = self.text("notebook", most=4_096)
        limit = self.number("limit", 20, least=1, most=200)
        offset = self.number("offset", 0)
        rows = await off_loop(self.services.store.search, words, notebook, limit=limit, offset=offset)
        following = offset + len(rows) if len(rows) == limit else None
        runs = await runs_json(self.services, rows)
        found = [
            {**run, "excerpt": row.excerpt, "found_in": row.found_in, "hits": row.hits}
            for run, row in zip(runs, rows, strict=True)
        ]
        await self.reply({"runs": found, "next": following})


class RunSearchHandler(RLMHandler):
    """``runs/{run_id}/search``."""

    @web.authenticated
    @authorized
    async def get(self, run_id: str) -> None:
        """List where the run's spans hold the text or all of its words, in the order in which they began."""
        from rlm_jupyter.server.store.passages import KINDS

        words = _wanted(self)
        kind = self.choice("kind", KINDS)
        limit = self.number("limit", 200, least=1, most=2_000)
        await self.run_named(run_id)
        store = self.services.store
        await self.send(lambda: _found(store.search_run(run_id, words, kind, limit=limit)))


def _found(passages: Passages) -> bytes:
    return json_bytes({"hits": [asdict(passage) for passage in passages.found], "more": passages.more})


def _wanted(handler: RLMHandler) -> str:
    words = handler.text("q", most=500)
    if words is None:
        msg = "Say what to look for, with ?q= and some words."
        raise web.HTTPError(400, msg)
    return words
