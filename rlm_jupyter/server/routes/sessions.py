"""Sessions: which there are, what was said in one, and deleting it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jupyter_server.auth.decorator import authorized
from tornado import web

from rlm_jupyter.server.off_loop import off_loop

from .base import RLMHandler, checked

if TYPE_CHECKING:
    from rlm_jupyter.server.store import Store
    from rlm_jupyter.server.store.rows import SessionRow

__all__ = ["SessionHandler", "SessionsHandler"]

_MOST_PATH = 4_096


class SessionsHandler(RLMHandler):
    """``sessions``."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """List the sessions of a notebook, or of all, the last one first."""
        notebook = self.text("notebook", most=_MOST_PATH)
        limit = self.number("limit", 50, least=1, most=500)
        offset = self.number("offset", 0)
        rows = await off_loop(self.services.store.sessions, notebook, limit=limit, offset=offset)
        following = offset + len(rows) if len(rows) == limit else None
        await self.reply({"sessions": [_session(row) for row in rows], "next": following})


class SessionHandler(RLMHandler):
    """``sessions/{session_id}``."""

    @web.authenticated
    @authorized
    async def get(self, session_id: str) -> None:
        """Answer with the conversation: its turns, the first one first, and the settings of its last run."""
        row = await self._row(session_id)
        record = await off_loop(self.services.store.conversation, row.notebook_id, row.session_id)
        said = [turn.model_dump() for turn in record.turns]
        await self.reply({**_session(row), "settings": record.settings, "conversation": said})

    @web.authenticated
    @authorized
    async def delete(self, session_id: str) -> None:
        """Delete the session with all its runs, unless one of them is under way. Trace notebooks stay as they are."""
        row = await self._row(session_id)
        if await off_loop(_is_under_way, self.services.store, row):
            msg = "A run of this session is under way. Stop it, or wait for its end, then delete the session."
            raise web.HTTPError(409, msg, reason="Run under way")
        deleted = await off_loop(self.services.store.delete_session, row.notebook_id, row.session_id)
        if not deleted:
            msg = "This session belongs to the notebook that this one is a copy of. Delete it there."
            raise web.HTTPError(409, msg, reason="Another's session")
        self.services.changes.session_deleted(row.notebook_id, row.notebook, row.session_id)
        await self.reply({"deleted": deleted})

    async def _row(self, session_id: str) -> SessionRow:
        notebook = self.text("notebook", most=_MOST_PATH)
        number = self.number("notebook_id", 0, least=1)
        checked("session_id", session_id)
        row = await off_loop(_find, self.services.store, notebook, number, session_id)
        if row is None:
            msg = (
                "There is no such session there. A session belongs to a notebook: name that with ?notebook= and its "
                "path, or with ?notebook_id= when it was deleted. GET /rlm-jupyter/sessions lists what there is."
            )
            raise web.HTTPError(404, msg)
        return row


def _find(store: Store, path: str | None, number: int, session_id: str) -> SessionRow | None:
    notebook_id = number or None
    if path is not None and not number:
        notebook_id = store.notebook_at(path)
        if notebook_id is None:
            return None
    return next((row for row in store.session(notebook_id, session_id) if row.session_id == session_id), None)


def _is_under_way(store: Store, row: SessionRow) -> bool:
    runs = store.runs(session=row.session_id, status="running", limit=1_000)
    return any(run.notebook_id == row.notebook_id for run in runs)


def _session(row: SessionRow) -> dict[str, Any]:
    return {
        "session_id": row.session_id,
        "notebook_id": row.notebook_id,
        "notebook": row.notebook,
        "first_question": row.first_question,
        "turns": row.turns,
        "runs": row.runs,
        "began": row.began,
        "updated": row.updated,
    }
