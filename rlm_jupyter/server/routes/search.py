"""Search over questions and answers."""

from __future__ import annotations

from jupyter_server.auth.decorator import authorized
from tornado import web

from rlm_jupyter.server.off_loop import off_loop

from .base import RLMHandler
from .runs import run_json

__all__ = ["SearchHandler"]


class SearchHandler(RLMHandler):
    """``search``."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """List the runs whose question or answer holds the words, the best first."""
        words = self.text("q", most=500)
        if words is None:
            msg = "Say what to look for, with ?q= and some words."
            raise web.HTTPError(400, msg)
        notebook = self.text("notebook", most=4_096)
        limit = self.number("limit", 20, least=1, most=200)
        offset = self.number("offset", 0)
        rows = await off_loop(self.services.store.search, words, notebook, limit=limit, offset=offset)
        following = offset + len(rows) if len(rows) == limit else None
        found = [
            {**run_json(row, listed=True), "excerpt": row.excerpt, "found_in": row.found_in, "hits": row.hits}
            for row in rows
        ]
        await self.reply({"runs": found, "next": following})
