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
from rlm_jupyter.session import RLMSession
from rlm_jupyter.trace.wire import AskSession, AskSessions, SessionRecord, SessionSummary, TellSession, TellSessions

from .server_link import NoAnswerError, ServerLink
from .session_settings import set_again

if TYPE_CHECKING:
    from .rlm_magics import RLMMagics

__all__ = ["earlier_session", "questions", "resume", "session_rows"]

_SHOWN = 8  # characters of a session's id
_EXCERPT = 90  # characters of a question
_LONGEST = 2_000  # characters about a session's settings
_ID = re.compile(r"[\w-]{1,64}", re.ASCII)

Rows: TypeAlias = list[tuple[str, str]]


def questions(count: int) -> str:
    """Return how many questions that is, in words."""
    return f"{count} question{'' if count == 1 else 's'}"


def earlier_session(magics: RLMMagics) -> str | None:
    """Return a line about the session that ``%rlm resume`` takes up; None when there is none."""
    last = magics.link.last if magics.link is not None else None
    if last is None or not last.turns or last.session_id in magics.own_sessions():
        return None
    return f"{questions(len(last.turns))}, last on {_date(_asked(last))}: %rlm resume"


def session_rows(magics: RLMMagics) -> Rows:
    """Return a row for each session: the server's in the order in which they began, then what only this kernel has."""
    conversations = magics.conversations
    kept, note = _kept_sessions(magics.link)
    own = {session.session_id: session for session in conversations.sessions}
    rows: Rows = []
    for summary in sorted(kept, key=lambda each: each.begun):
        session = own.pop(summary.session_id, None)
        turns = max(summary.turns, len(session.history) if session is not None else 0)
        rows.append(_row(magics, summary.session_id, f"{_date(summary.begun)}, ", turns, summary.first_question))
    for session_id, session in own.items():
        first = session.rlm.redactor.redact(session.history[0].question) if session.history else ""
        rows.append(_row(magics, session_id, "", len(session.history), first))
    return [*rows, *([("note", note)] if note else [])]


def resume(magics: RLMMagics, prefix: str) -> Rows:
    """Take up the session whose id begins so, or the one from before this kernel, and return what to tell of it.

    Raises ``UsageError`` where there is none, or more than one.
    """
    found = _named(magics, prefix) if prefix else _last(magics)
    session = _taken_up(found) if isinstance(found, SessionRecord) else found
    magics.conversations.resume(session)
    settings: Rows = []
    if isinstance(found, SessionRecord):
        lost = "what the earlier questions were about is not known any more: session_context_N reads None"
        settings = [*_settings(magics, found), ("context", lost)]
    last = session.rlm.redactor.redact(session.history[-1].question)
    return [
        ("session", session.session_id[:_SHOWN]),
        ("turns", questions(len(session.history))),
        ("last question", _excerpt(last)),
        *settings,
    ]


def _last(magics: RLMMagics) -> SessionRecord | RLMSession:
    """Return the session from before this kernel, or else the one that this kernel was asked in before."""
    link = magics.link
    welcome = link.wait_for_welcome() if link is not None else None
    record = link.last if link is not None else None
    if record is None and link is not None and welcome is not None:
        record = _before(link, magics.own_sessions())
    if record is not None and record.turns:
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
    raise UsageError(msg)


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
    could_be = _ID.fullmatch(prefix) is not None  # the server answers no other question
    if could_be and magics.link is not None and magics.link.wait_for_welcome() is not None:
        told = _ask_session(magics.link, prefix)
    record = told.session if told is not None else None
    found = {session.session_id for session in own} | ({record.session_id} if record is not None else set())
    if len(found) > 1 or (told is not None and told.found > 1):
        msg = f"More than one session begins with {prefix!r}: give more of its id. %rlm sessions lists them."
        raise UsageError(msg)
    answered = [session for session in own if session.history]
    if answered:
        return answered[0]
    if record is not None and record.turns:
        return record
    if found:
        msg = f"No question was answered in the session {prefix!r} yet: there is nothing to resume."
    else:
        msg = f"There is no session whose id begins with {prefix!r}: %rlm sessions lists those that there are."
    raise UsageError(msg)


def _taken_up(record: SessionRecord) -> RLMSession:
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
    told = _answer(link, AskSessions(request_id=uuid.uuid4().hex))
    return told.sessions if isinstance(told, TellSessions) else []


def _ask_session(link: ServerLink, prefix: str) -> TellSession:
    told = _answer(link, AskSession(request_id=uuid.uuid4().hex, session_id=prefix))
    return told if isinstance(told, TellSession) else TellSession(request_id=told.request_id)


def _answer(link: ServerLink, question: AskSession | AskSessions) -> TellSession | TellSessions:
    try:
        return link.ask(question)
    except NoAnswerError as error:
        raise UsageError(str(error)) from None


def _own(magics: RLMMagics, session_id: str) -> RLMSession | None:
    sessions = magics.conversations.sessions
    return next((session for session in sessions if session.session_id == session_id and session.history), None)


def _row(magics: RLMMagics, session_id: str, begun: str, turns: int, first: str) -> tuple[str, str]:
    current = magics.conversations.current
    mark = " (current)" if current is not None and current.session_id == session_id else ""
    return f"{session_id[:_SHOWN]}{mark}", f"{begun}{questions(turns)}: {_excerpt(first) or '(no answer yet)'}"


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
