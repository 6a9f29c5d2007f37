"""Receives kernels: tells each which notebook it belongs to and what was said there, and answers its questions."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .off_loop import off_loop

if TYPE_CHECKING:
    from rlm_jupyter.trace.wire import AskTrace, Hello, Question

    from .link import Link
    from .notebooks import Notebooks
    from .store import Store
    from .store.rows import SessionRow

__all__ = ["Reception"]

_log = logging.getLogger(__name__)

_SESSIONS_TOLD = 50
_TURNS_TOLD = 200
"""How many of a session's turns a kernel is told, the last ones; a longer conversation would fill any window."""

_TEXT_TOLD = 20_000
"""Characters of a question or an answer that a kernel is told."""

_RECORD_TOLD = 1_000_000
"""Bytes of a session that a kernel is told, as JSON; the last turns come first."""

_SETTINGS_TOLD = 100_000
"""Bytes of a session's settings; those of a run that the kernel's own magics began have a few hundred."""

_PIECE_TOLD = 4_000_000
"""Characters of a trace that a kernel is told at once, or a single event."""

_QUESTIONS = 8
"""Questions of a kernel that wait for their answers; a kernel that asks more at once does not wait for them itself."""

_PAUSES = (0.5, 30.0)
"""Seconds until a welcome that failed is tried again: at first, and at most."""


@dataclass(eq=False, slots=True)
class _Guest:
    """A kernel that has loaded the extension. ``due`` is set while it is to be welcomed."""

    load_id: str
    told: int | None = None
    due: asyncio.Event = field(default_factory=asyncio.Event)
    is_attended: bool = False


class Reception:
    """Answers what kernels say. Its methods are called on the event loop and do their work in tasks.

    A kernel has one welcome and one answer under way at most, however often it says hello, or asks.
    """

    def __init__(self, link: Link, store: Store, notebooks: Notebooks) -> None:
        self._link = link
        self._store = store
        self._notebooks = notebooks
        self._guests: dict[str, _Guest] = {}
        self._questions: dict[str, deque[Question]] = {}
        self._written: dict[int, tuple[str | None, str | None]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._has_complained = False

    def hello(self, kernel_id: str, hello: Hello) -> None:
        """Welcome a kernel that has loaded the extension."""
        guest = self._guests.setdefault(kernel_id, _Guest(hello.load_id))
        guest.load_id = hello.load_id
        self._attend(kernel_id, guest)

    def settled(self, kernel_id: str, notebook_id: int | None) -> None:
        """Tell a kernel of its notebook, which was not known, or was another one, when it was welcomed."""
        guest = self._guests.get(kernel_id)
        if guest is not None and guest.told != notebook_id:
            self._attend(kernel_id, guest)

    def moved(self, notebook_id: int, path: str | None) -> None:
        """Tell the kernels of a notebook that it has another path."""
        from rlm_jupyter.trace.wire import Notebook

        if path is None:
            self._written.pop(notebook_id, None)
        for kernel_id in self._notebooks.kernels_of(notebook_id):
            self._spawn(self._link.send(kernel_id, Notebook(path=path)))

    def written(self, notebook_id: int, path: str | None, problem: str | None) -> None:
        """Tell the kernels of a notebook where its trace is written, or why it is not."""
        self._written[notebook_id] = path, problem
        for kernel_id in self._notebooks.kernels_of(notebook_id):
            self._spawn(self._tell_of_trace(kernel_id, notebook_id))

    async def _tell_of_trace(self, kernel_id: str, notebook_id: int | None) -> None:
        from rlm_jupyter.trace.wire import Written

        if notebook_id in self._written:
            path, problem = self._written[notebook_id]
            await self._link.send(kernel_id, Written(path=path, problem=problem[:_TEXT_TOLD] if problem else None))

    def gone(self, kernel_id: str) -> None:
        """Forget a kernel that is no more, or that begins anew."""
        guest = self._guests.pop(kernel_id, None)
        if guest is not None:
            guest.due.set()  # who waits to try again need not
        self._questions.pop(kernel_id, deque()).clear()

    def asked(self, kernel_id: str, question: Question) -> None:
        """Answer a kernel's question about the sessions and runs of its notebook."""
        waiting = self._questions.get(kernel_id)
        if waiting is None:
            waiting = self._questions[kernel_id] = deque([question])
            self._spawn(self._answer_all(kernel_id, waiting))
        elif len(waiting) < _QUESTIONS:
            waiting.append(question)
        else:
            _log.debug("The kernel %s asks more than can be answered.", kernel_id)

    async def close(self) -> None:
        """Let go of what is under way."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # Welcomes

    def _attend(self, kernel_id: str, guest: _Guest) -> None:
        guest.due.set()
        if not guest.is_attended:
            guest.is_attended = True
            self._spawn(self._attend_to(kernel_id, guest))

    async def _attend_to(self, kernel_id: str, guest: _Guest) -> None:
        """Welcome the guest, and again while that fails, or while it has said hello meanwhile."""
        first, most = _PAUSES
        pause = first
        while guest.due.is_set() and self._guests.get(kernel_id) is guest:
            guest.due.clear()
            if await self._is_welcomed(kernel_id, guest) or self._link.reach(kernel_id) is None:
                pause = first
                continue  # what listens on no comm is welcomed when it says hello again
            try:
                await asyncio.wait_for(guest.due.wait(), pause)
                pause = first
            except asyncio.TimeoutError:
                pause = min(2 * pause, most)
                guest.due.set()
        guest.is_attended = False

    async def _is_welcomed(self, kernel_id: str, guest: _Guest) -> bool:
        try:
            notebook_id = await self._notebooks.of_kernel(kernel_id)
            guest.told = notebook_id
            message = await off_loop(self._welcome, guest.load_id, notebook_id)
            is_sent = self._guests.get(kernel_id) is guest and await self._link.send(kernel_id, message)
            if is_sent:
                await self._tell_of_trace(kernel_id, notebook_id)
        except Exception as error:  # noqa: BLE001 - the store, or somebody else's session manager; it is tried again
            self._complain(error)
            return False
        self._has_complained = False
        return is_sent

    def _welcome(self, load_id: str, notebook_id: int | None) -> dict[str, Any]:
        from rlm_jupyter.trace.wire import Welcome

        path, last, begun = None, None, None
        if notebook_id is not None:
            path = self._store.path_of(notebook_id)
            rows = self._store.session(notebook_id, None)
            if rows:
                last, begun = self._record(notebook_id, rows[0].session_id), rows[0].updated
        message = Welcome(load_id=load_id, notebook=path, writes=path is not None, begun=begun)
        return message.model_dump(mode="json") | {"last": last}

    # Answers

    async def _answer_all(self, kernel_id: str, waiting: deque[Question]) -> None:
        try:
            while waiting:
                await self._answer(kernel_id, waiting[0])
                if waiting:
                    waiting.popleft()
        finally:
            if self._questions.get(kernel_id) is waiting:
                del self._questions[kernel_id]

    async def _answer(self, kernel_id: str, question: Question) -> None:
        """Answer a question; when nobody can, that there is nothing: the kernel's cell waits for a word."""
        try:
            notebook_id = await self._notebooks.of_kernel(kernel_id)
            answer = await off_loop(self._found, question, notebook_id)
            self._has_complained = False
        except Exception as error:  # noqa: BLE001 - the store, or somebody else's session manager
            self._complain(error)
            answer = self._found(question, None)
        await self._link.send(kernel_id, answer)

    def _found(self, question: Question, notebook_id: int | None) -> dict[str, Any]:
        from rlm_jupyter.trace.wire import AskSessions, AskTrace, TellSession, TellSessions

        if isinstance(question, AskTrace):
            return self._trace(question, notebook_id)
        if isinstance(question, AskSessions):
            rows = [] if notebook_id is None else self._sessions(notebook_id)
            told = TellSessions(request_id=question.request_id, sessions=[_summary(row) for row in rows])
            return told.model_dump(mode="json")
        found = [] if notebook_id is None else self._store.session(notebook_id, question.session_id)
        one = found[0] if found and (len(found) == 1 or question.session_id is None) else None
        record = self._record(notebook_id, one.session_id) if one and notebook_id is not None else None
        answer = TellSession(request_id=question.request_id, found=len(found))
        return answer.model_dump(mode="json") | {"session": record}

    def _trace(self, question: AskTrace, notebook_id: int | None) -> dict[str, Any]:
        """Return a piece of the trace of a run; of another notebook's runs a kernel is told nothing."""
        from rlm_jupyter.trace.wire import TellTrace

        wanted = question.run_id, question.session_id
        found = [] if notebook_id is None else self._store.cut_runs(notebook_id, *wanted)
        answer = TellTrace(request_id=question.request_id, found=len(found))
        if len(found) == 1:
            events, following = self._store.events(found[0], question.since, _PIECE_TOLD)
            row = self._store.run(found[0])
            running = row is not None and row.status is None
            told = {"run_id": found[0], "running": running, "events": events, "next": following}
            answer = answer.model_copy(update=told)
        return answer.model_dump(mode="json")

    def _sessions(self, notebook_id: int) -> list[SessionRow]:
        path = self._store.path_of(notebook_id)
        return self._store.sessions(path, limit=_SESSIONS_TOLD) if path is not None else []

    def _record(self, notebook_id: int, session_id: str) -> dict[str, Any]:
        """Return a session as a kernel is told of it: the last turns, and of long texts the beginning and the end."""
        from rlm_jupyter.core.observation import head_and_tail

        record = self._store.conversation(notebook_id, session_id)
        settings = record.settings if _size(record.settings) <= _SETTINGS_TOLD else {}
        turns: list[dict[str, Any]] = []
        room = _RECORD_TOLD - _size(settings)
        for turn in reversed(record.turns[-_TURNS_TOLD:]):
            told = turn.model_dump(mode="json")
            told |= {key: head_and_tail(told[key], _TEXT_TOLD) for key in ("question", "answer")}
            room -= _size(told)
            if room < 0:
                break
            turns.append(told)
        told = {"session_id": session_id, "settings": settings, "turns": turns[::-1]}
        cut = self._store.cut_runs(notebook_id, None, session_id)
        return {**told, "cut": cut[0]} if cut else told

    def _complain(self, error: Exception) -> None:
        """Say once, until something succeeds, that kernels cannot be told what was said."""
        if not self._has_complained:
            self._has_complained = True
            _log.error("Kernels cannot be told of their sessions now: %s", error)


def _size(value: Any) -> int:
    """Return how many bytes the value has as JSON, of which every character may take six."""
    return len(json.dumps(value))


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
