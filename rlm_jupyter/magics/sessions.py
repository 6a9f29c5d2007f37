"""The notebook's sessions, this kernel's and those that the Jupyter server keeps, and how one is taken up again."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from IPython.core.error import UsageError

from rlm_jupyter.core.observation import head_and_tail
from rlm_jupyter.rlm import RLM
from rlm_jupyter.runs.cut_runs import can_go_on
from rlm_jupyter.session import RLMSession
from rlm_jupyter.trace.wire import (
    AskSession,
    AskSessions,
    Question,
    SessionRecord,
    SessionSummary,
    TellSession,
    TellSessions,
    TellTrace,
)

from .server_link import NoAnswerError, ServerLink
from .session_settings import set_again

if TYPE_CHECKING:
    from .rlm_magics import RLMMagics

__all__ = [
    "NoSessionError",
    "answer",
    "could_be_id",
    "earlier_session",
    "kept_session",
    "questions",
    "resume",
    "session_rows",
    "taken_up",
]

_SHOWN = 8  # characters of a session's id
_EXCERPT = 90  # characters of a question
_LONGEST = 2_000  # characters about a session's settings
_WAS_CUT = "; its last run was cut"
_ID = re.compile(r"[\w-]{1,64}", re.ASCII)

Rows: TypeAlias = list[tuple[str, str]]


class NoSessionError(UsageError):
    """There is no such session; a run may be meant."""


def questions(count: int) -> str:
    """Return how many questions that is, in words."""
    return f"{count} question{'' if count == 1 else 's'}"


def earlier_session(magics: RLMMagics) -> str | None:
    """Return a line about the session that ``%rlm resume`` takes up; None when there is none."""
    last = magics.link.last if magics.link is not None else None
    if last is None or not (last.turns or last.cut) or last.session_id in magics.own_sessions():
        return None
    cut = f"{_WAS_CUT}, and goes on with" if last.cut else ""
    asked = f", last on {_date(_asked(last))}" if last.turns else ""
    return f"{questions(len(last.turns))}{asked}{cut}: %rlm resume"


def session_rows(magics: RLMMagics) -> Rows:
    """Return a row for each session: the server's in the order in which they began, then what only this kernel has."""
    conversations = magics.conversations
    kept, note = _kept_sessions(magics.link)
    own = {session.session_id: session for session in conversations.sessions}
    cut = _cut(magics)
    rows: Rows = []
    for summary in sorted(kept, key=lambda each: each.begun):
        session = own.pop(summary.session_id, None)
        turns = max(summary.turns, len(session.history) if session is not None else 0)
        told = f"{_date(summary.begun)}, {questions(turns)}{_WAS_CUT if summary.session_id in cut else ''}"
        rows.append(_row(magics, summary.session_id, told, summary.first_question))
    for session_id, session in own.items():
        first = session.rlm.redactor.redact(session.history[0].question) if session.history else ""
        told = f"{questions(len(session.history))}{_WAS_CUT if session_id in cut else ''}"
        rows.append(_row(magics, session_id, told, first))
    return [*rows, *([("note", note)] if note else [])]


def resume(magics: RLMMagics, prefix: str) -> tuple[Rows, str | None]:
    """Take up the session whose id begins so, or the one from before this kernel.

    Returns what to tell of it, and the id of its last run if that was cut and its trace is the server's.
    Raises ``UsageError`` where there is none, or more than one.
    """
    found = _named(magics, prefix) if prefix else _last(magics)
    session = taken_up(found) if isinstance(found, SessionRecord) else found
    magics.conversations.resume(session)
    settings: Rows = []
    if isinstance(found, SessionRecord):
        lost = "what the earlier questions were about is not known any more: session_context_N reads None"
        settings = [*_settings(magics, found), ("context", lost)]
    last = session.rlm.redactor.redact(session.history[-1].question) if session.history else "(no answer yet)"
    rows = [
        ("session", session.session_id[:_SHOWN]),
        ("turns", questions(len(session.history))),
        ("last question", _excerpt(last)),
        *settings,
    ]
    return rows, found.cut if isinstance(found, SessionRecord) else None


def _last(magics: RLMMagics) -> SessionRecord | RLMSession:
    """Return the session from before this kernel, or else the one that this kernel was asked in before."""
    link = magics.link
    welcome = link.wait_for_welcome() if link is not None else None
    record = link.last if link is not None else None
    if record is None and link is not None and welcome is not None:
        record = _before(link, magics.own_sessions())
    if record is not None and (record.turns or record.cut):
        return _own(magics, record.session_id) or record
    conversations = magics.conversations
    others = [session for session in conversations.sessions if session.history and session is not conversations.current]
    if others:
        return others[-1]
    if welcome is not None:
        msg = "There is nothing to resume: the Jupyter server keeps no earlier session of this notebook."
    else:
        msg = (
            "There is nothing to resume: sessions from before this kernel are kept by a Jupyter server that has "
            f"rlm-jupyter in it, and none has answered.{_where_to_ask(link)}"
        )
    raise NoSessionError(msg)


def _where_to_ask(link: ServerLink | None) -> str:
    if link is not None and link.reach == "shell":
        return " It can answer between cells only, in this kernel: if there is one, run this cell again."
    return " Whether it is there: jupyter server extension list"


def _before(link: ServerLink, own: set[str]) -> SessionRecord | None:
    """Return the last session that is none of this kernel's, where the greeting came too late to say it."""
    summary = next((each for each in _ask_sessions(link) if each.session_id not in own and each.turns), None)
    return _ask_session(link, summary.session_id).session if summary is not None else None


def _named(magics: RLMMagics, prefix: str) -> SessionRecord | RLMSession:
    """Return the session whose id begins so: this kernel's own, which knows more, where it is one."""
    own = [session for session in magics.conversations.sessions if session.session_id.startswith(prefix)]
    told = None
    if could_be_id(prefix) and magics.link is not None and magics.link.wait_for_welcome() is not None:
        told = _ask_session(magics.link, prefix)
    record = told.session if told is not None else None
    found = {session.session_id for session in own} | ({record.session_id} if record is not None else set())
    if len(found) > 1 or (told is not None and told.found > 1):
        msg = f"More than one session begins with {prefix!r}: give more of its id. %rlm sessions lists them."
        raise UsageError(msg)
    answered = [session for session in own if session.history]
    if answered:
        return answered[0]
    if record is not None and (record.turns or record.cut):
        return record
    if found:
        msg = f"No question was answered in the session {prefix!r} yet: there is nothing to resume."
    else:
        msg = f"There is no session whose id begins with {prefix!r}: %rlm sessions lists those that there are."
        raise NoSessionError(msg)
    raise UsageError(msg)


def could_be_id(prefix: str) -> bool:
    """Return whether an id may begin so: the server answers no other question."""
    return _ID.fullmatch(prefix) is not None


def kept_session(magics: RLMMagics, session_id: str) -> SessionRecord | None:
    """Return what the server keeps of the session with this id, if it does."""
    link = magics.link
    if link is None or link.welcome is None or not could_be_id(session_id):
        return None
    record = _ask_session(link, session_id).session
    return record if record is not None and record.session_id == session_id else None


def taken_up(record: SessionRecord) -> RLMSession:
    """Return the session as it is gone on with, in REPLs of its own."""
    numbers = [turn.turn for turn in record.turns if turn.turn is not None]
    said = [(turn.question, turn.answer) for turn in record.turns]
    number = max(numbers) + 1 if numbers else None
    # Who answers is set with the next question; until then there is nobody, and this one needs no key.
    return RLMSession.taken_up(RLM("offline"), record.session_id, said, number)


def _settings(magics: RLMMagics, record: SessionRecord) -> Rows:
    restored = set_again(magics, record.settings)
    rows: Rows = []
    if restored.done:
        rows.append(("set", _told(f"{name} = {value!r}" for name, value in restored.done.items())))
    if restored.refused:
        rows.append(("not set", _told((f"{name}: {why}" for name, why in restored.refused.items()), "; ")))
    for name, line in restored.offered.items():
        rows.append((name, f"the session had another one, which only you can set. If you trust it: {line}"))
    return rows


def _told(pieces: Iterable[str], mark: str = ", ") -> str:
    return head_and_tail(mark.join(pieces), _LONGEST)


def _kept_sessions(link: ServerLink | None) -> tuple[list[SessionSummary], str | None]:
    """Return the server's sessions of this notebook, and what to tell when it does not answer."""
    if link is None or link.welcome is None:
        return [], None
    try:
        return _ask_sessions(link), None
    except UsageError as error:
        return [], f"Those that the server keeps are not shown. {error}"


def _ask_sessions(link: ServerLink) -> list[SessionSummary]:
    told = answer(link, AskSessions(request_id=uuid.uuid4().hex))
    return told.sessions if isinstance(told, TellSessions) else []


def _ask_session(link: ServerLink, prefix: str) -> TellSession:
    told = answer(link, AskSession(request_id=uuid.uuid4().hex, session_id=prefix))
    return told if isinstance(told, TellSession) else TellSession(request_id=told.request_id)


def answer(link: ServerLink, question: Question) -> TellSession | TellSessions | TellTrace:
    """Return what the server says. Raises ``UsageError`` when it says nothing."""
    try:
        return link.ask(question)
    except NoAnswerError as error:
        raise UsageError(str(error)) from None


def _own(magics: RLMMagics, session_id: str) -> RLMSession | None:
    sessions = magics.conversations.sessions
    return next((session for session in sessions if session.session_id == session_id and session.history), None)


def _cut(magics: RLMMagics) -> set[str | None]:
    """Return the sessions whose last run was cut, as far as it is known: this kernel's, and the one from before it."""
    last = magics.link.last if magics.link is not None else None
    ends: dict[str | None, bool] = {last.session_id: last.cut is not None} if last is not None else {}
    ends |= {trace.run.session_id: can_go_on(trace) for trace in magics.journal.traces}
    return {session_id for session_id, cut in ends.items() if cut}


def _row(magics: RLMMagics, session_id: str, told: str, first: str) -> tuple[str, str]:
    current = magics.conversations.current
    mark = " (current)" if current is not None and current.session_id == session_id else ""
    return f"{session_id[:_SHOWN]}{mark}", f"{told}: {_excerpt(first) or '(no answer yet)'}"


def _excerpt(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _EXCERPT else f"{line[: _EXCERPT - 1]}…"


def _asked(record: SessionRecord) -> float:
    """Return when the last question was asked, which a run's id begins with: milliseconds, in twelve digits."""
    try:
        return int(record.turns[-1].run_id[:12], 16) / 1000
    except ValueError:
        return 0.0


def _date(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M")
    except (OverflowError, ValueError, OSError):
        return "an unknown day"
