"""Receives kernels: tells each which notebook it belongs to and what was said there, and answers its questions."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from .off_loop import off_loop

if TYPE_CHECKING:
    from rlm_jupyter.trace.wire import AskSession, AskSessions, Hello, SessionRecord, ToKernel

    from .link import Link
    from .notebooks import Notebooks
    from .store import Store
    from .store.rows import SessionRow

__all__ = ["Reception"]

_SESSIONS_TOLD = 50
_TURNS_TOLD = 200
"""How many of a session's turns a kernel is told, the last ones; a longer conversation would fill any window."""


class Reception:
    """Answers what kernels say. Its methods are called on the event loop and do their work in tasks."""

    def __init__(self, link: Link, store: Store, notebooks: Notebooks) -> None:
        self._link = link
        self._store = store
        self._notebooks = notebooks
        self._loads: dict[str, str] = {}
        self._told: dict[str, int | None] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    def hello(self, kernel_id: str, hello: Hello) -> None:
        """Welcome a kernel that has loaded the extension."""
        self._loads[kernel_id] = hello.load_id
        self._spawn(self._welcome(kernel_id))

    def settled(self, kernel_id: str, notebook_id: int | None) -> None:
        """Tell a kernel of its notebook, which was not known, or was another one, when it was welcomed."""
        if kernel_id in self._loads and self._told.get(kernel_id) != notebook_id:
            self._spawn(self._welcome(kernel_id))

    def moved(self, notebook_id: int, path: str | None) -> None:
        """Tell the kernels of a notebook that it has another path."""
        from rlm_jupyter.trace.wire import Notebook

        for kernel_id in self._notebooks.kernels_of(notebook_id):
            self._spawn(self._link.send(kernel_id, Notebook(path=path)))

    def gone(self, kernel_id: str) -> None:
        """Forget a kernel that is no more, or that begins anew."""
        self._loads.pop(kernel_id, None)
        self._told.pop(kernel_id, None)

    def asked(self, kernel_id: str, question: AskSession | AskSessions) -> None:
        """Answer a kernel's question about the sessions of its notebook."""
        self._spawn(self._answer(kernel_id, question))

    async def close(self) -> None:
        """Let go of what is under way."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _welcome(self, kernel_id: str) -> None:
        from rlm_jupyter.trace.wire import Welcome

        notebook_id = await self._notebooks.of_kernel(kernel_id)
        load_id = self._loads.get(kernel_id)
        if load_id is None:
            return
        self._told[kernel_id] = notebook_id
        path, last, begun = None, None, None
        if notebook_id is not None:
            path = await off_loop(self._store.path_of, notebook_id)
            rows = await off_loop(self._store.session, notebook_id, None)
            if rows:
                last, begun = await self._record(notebook_id, rows[0].session_id), rows[0].updated
        message = Welcome(load_id=load_id, notebook=path, writes=path is not None, last=last, begun=begun)
        await self._link.send(kernel_id, message)

    async def _answer(self, kernel_id: str, question: AskSession | AskSessions) -> None:
        from rlm_jupyter.trace.wire import AskSessions, TellSession, TellSessions

        notebook_id = await self._notebooks.of_kernel(kernel_id)
        answer: ToKernel
        if isinstance(question, AskSessions):
            rows = [] if notebook_id is None else await off_loop(self._sessions, notebook_id)
            answer = TellSessions(request_id=question.request_id, sessions=[_summary(row) for row in rows])
        else:
            found = [] if notebook_id is None else await off_loop(self._store.session, notebook_id, question.session_id)
            one = found[0] if found and (len(found) == 1 or question.session_id is None) else None
            record = await self._record(notebook_id, one.session_id) if one and notebook_id is not None else None
            answer = TellSession(request_id=question.request_id, session=record, found=len(found))
        await self._link.send(kernel_id, answer)

    def _sessions(self, notebook_id: int) -> list[SessionRow]:
        path = self._store.path_of(notebook_id)
        return self._store.sessions(path, limit=_SESSIONS_TOLD) if path is not None else []

    async def _record(self, notebook_id: int, session_id: str) -> SessionRecord:
        record = await off_loop(self._store.conversation, notebook_id, session_id)
        return record.model_copy(update={"turns": record.turns[-_TURNS_TOLD:]})


def _summary(row: SessionRow) -> Any:
    from rlm_jupyter.trace.wire import SessionSummary

    return SessionSummary(
        session_id=row.session_id,
        first_question=row.first_question,
        turns=row.turns,
        runs=row.runs,
        begun=row.began,
        updated=row.updated,
    )
