"""The notebook's conversations: which session is asked, in which REPL, by which client, and one question at a time."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from rlm_jupyter.rlm import RLM
from rlm_jupyter.runs.place import Ground, Place
from rlm_jupyter.runs.settings import Origin
from rlm_jupyter.session import RLMSession
from rlm_jupyter.trace.redaction import Redactor

if TYPE_CHECKING:
    from rlm_jupyter.core.results import RLMChatCompletion
    from rlm_jupyter.core.steering import Reviewer
    from rlm_jupyter.trace.schema import Event
    from rlm_jupyter.trace.trace import Trace

    from .live import LiveDisplay

__all__ = ["Ask", "Asker", "Conversations", "Onlookers", "Repl"]

_PLACES = 100
"""How many questions are known again: what each replaced in the notebook is held for it."""

_ASKED_BEFORE = (
    "Asked before in this conversation, with the same words and options: it is asked again in its old place, before "
    "the questions after it. In other words, or with --no-cache, it is the next question."
)

_SYNC = {"none": (False, False), "in": (True, False), "out": (False, True), "both": (True, True)}


@dataclass(frozen=True, slots=True)
class Repl:
    """Where the model's code runs, and what it shares with the notebook."""

    environment: str
    sync: str
    sync_vars: tuple[str, ...] | None
    environment_kwargs: Mapping[str, Any] = field(default_factory=dict, hash=False)  # values need not have a hash

    def make(self) -> RLM:
        """Return an ``RLM`` that keeps this REPL, and which others derive from it that know whom to ask.

        Variables of the model outlive a question, except where they are the notebook's.
        """
        environment_kwargs = dict(self.environment_kwargs)
        if self.environment == "jupyter":
            sync_from, sync_to = _SYNC[self.sync]
            environment_kwargs |= {"sync_from_user_ns": sync_from, "sync_to_user_ns": sync_to}
            if self.sync_vars is not None:
                environment_kwargs["sync_vars"] = self.sync_vars
        return RLM("offline", None, self.environment, environment_kwargs, persistent=not self.is_the_notebook)

    @property
    def is_the_notebook(self) -> bool:
        """Whether code runs in the notebook's own namespace."""
        return self.environment == "jupyter" and self.sync == "both" and self.sync_vars is None


@dataclass(frozen=True, slots=True)
class Ask:
    """Everything that decides who answers, where its code runs, and how long it may take."""

    backend: str
    backend_kwargs: tuple[tuple[str, Any], ...]
    repl: Repl
    limits: tuple[tuple[str, Any], ...] = field(default=())
    compaction: bool = False
    context_window: int | None = None
    cache: bool | str = False
    others: tuple[tuple[str, tuple[tuple[str, Any], ...]], ...] = ()
    sampling: Mapping[str, Any] = field(default_factory=dict)
    sub_sampling: Mapping[str, Any] | None = None
    record_limit: int | None = None

    def make(self, keeper: RLM) -> RLM:
        """Return an ``RLM`` that asks so, in the REPL of ``keeper``."""
        return keeper.reconfigured(
            self.backend,
            dict(self.backend_kwargs),
            dict(self.limits),
            compaction=self.compaction,
            context_window=self.context_window,
            cache=self.cache,
            others=[(backend, dict(arguments)) for backend, arguments in self.others],
            sampling_args=self.sampling,
            sub_sampling_args=self.sub_sampling,
            record_limit=self.record_limit,
        )


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: the cell, where the front end tells it, and the question in it; else the question with its options."""

    cell_id: str | None
    question: str
    options: str = ""


@dataclass(frozen=True, slots=True)
class Onlookers:
    """Who follows a question while it is answered, who is asked about its code, and who is told of a broken cache."""

    live: LiveDisplay
    listeners: Sequence[Callable[[Event], None]] = ()
    reviewer: Reviewer | None = None
    tell: Callable[[str], None] | None = None


class Conversations:
    """The sessions of this kernel; one of them is the current one, and the REPLs are its own."""

    def __init__(self) -> None:
        self._busy = threading.Lock()
        self._repls: dict[Repl, RLM] = {}
        self._asking: RLM | None = None
        self._made_of: object = None
        self._notebook = Ground()
        self._grounds: dict[Repl, Ground] = {}  # of the REPLs that are kept
        self._places: dict[tuple[Repl, Asker, bool], Place] = {}
        self.sessions: list[RLMSession] = []
        self.current: RLMSession | None = None

    def ask(
        self,
        ask: Ask,
        context: Any,
        question: str | None,
        *,
        fresh: bool,
        origin: Origin,
        onlookers: Onlookers,
        response_model: Any = None,
        asker: Asker | None = None,
    ) -> RLMChatCompletion:
        """Ask the current session, or nobody who remembers (``fresh``).

        With a cache, what the same ``asker`` has asked before is asked again in its place. Raises ``UsageError`` while
        another question is being answered: subshells share the namespace.
        """
        with self._alone(), self._attended(ask, onlookers, fresh=fresh) as session:
            place = self._place(ask, asker, fresh=fresh) if asker is not None else None
            if asker is not None and asker.cell_id is None and self._is_old(place):
                onlookers.live.note(_ASKED_BEFORE)
            return session.chat(context, question, response_model=response_model, origin=origin, place=place)

    def go_on(
        self,
        ask: Ask,
        trace: Trace,
        context: Any,
        *,
        fresh: bool,
        origin: Origin,
        onlookers: Onlookers,
        response_model: Any = None,
    ) -> RLMChatCompletion:
        """Go on with a run that was cut: of the current session, or of none (``fresh``); raises what ``ask`` does."""
        with self._alone(), self._attended(ask, onlookers, fresh=fresh) as session:
            return session.resume(trace, context, response_model=response_model, origin=origin)

    def new(self) -> None:
        """Begin another session at the next question, with REPLs of its own; what the old one said is kept."""
        with self._alone():
            self.current = None
            self.close()

    def resume(self, session: RLMSession) -> None:
        """Ask this session from now on, in REPLs of its own; the one before is kept."""
        with self._alone():
            self.close()
            self.sessions = [*(each for each in self.sessions if each is not session), session]
            self.current = session

    def reset(self) -> None:
        """Forget the current conversation, and the variables that the model kept out of the notebook."""
        with self._alone():
            if self.current is not None:
                self.sessions.remove(self.current)
            self.current = None
            self.close()
            for place in self._notebook.places:
                place.was = {}  # large tables, it may be: the user may want them gone

    def close(self) -> None:
        """Close the client and every REPL; the next question makes new ones."""
        self._close_client()
        repls, self._repls = self._repls, {}
        self._grounds = {}
        for place in self._places.values():
            if place.ground is self._notebook:
                place.leave()
            else:
                place.move(Ground())  # its names went with its REPL
        for keeper in repls.values():
            keeper.close()

    @contextmanager
    def _attended(self, ask: Ask, onlookers: Onlookers, *, fresh: bool) -> Iterator[RLMSession]:
        """Yield the session that is asked, while those look on."""
        with self._fresh(ask) if fresh else self._lasting(ask) as rlm, _told(rlm, onlookers.tell):
            live, rlm.reviewer = onlookers.live, onlookers.reviewer
            rlm.listeners, rlm.on_text = [live.observe, *onlookers.listeners], live.text
            rlm.on_wait = live.held_up
            live.redact = _unfinished(rlm.redactor)
            try:
                yield RLMSession(rlm) if fresh else self._session(rlm)
            finally:
                rlm.listeners, rlm.on_text, rlm.on_wait, rlm.reviewer = [], None, None, None

    @contextmanager
    def _fresh(self, ask: Ask) -> Iterator[RLM]:
        with ask.repl.make() as keeper, ask.make(keeper) as rlm:
            yield rlm

    @contextmanager
    def _lasting(self, ask: Ask) -> Iterator[RLM]:
        """Yield what asked last, so that its connections are used again, unless what it was made of has changed.

        Keys, addresses and proxies come from the environment: whichever variable a client reads, it counts.
        """
        made_of = ask, dict(os.environ)
        if self._asking is None or self._made_of != made_of:
            self._close_client()
            if ask.repl not in self._repls:
                self._repls[ask.repl] = ask.repl.make()
            self._asking, self._made_of = ask.make(self._repls[ask.repl]), made_of
        yield self._asking

    def _place(self, ask: Ask, asker: Asker, *, fresh: bool) -> Place | None:
        """Return where the question stands; None without a cache, where nothing is gained by its old place."""
        if ask.cache is False:
            return None
        if ask.repl.is_the_notebook:
            ground = self._notebook
        else:
            ground = Ground() if fresh else self._grounds.setdefault(ask.repl, Ground())
        key = ask.repl, asker, fresh
        place = self._places.pop(key, None) or Place(ground)
        place.move(ground)
        self._places[key] = place
        if len(self._places) > _PLACES:
            self._places.pop(next(iter(self._places))).move(Ground())
        return place

    def _is_old(self, place: Place | None) -> bool:
        """Whether other questions were answered since the one that stood there."""
        turns = self.current.history if self.current is not None else ()
        return any(turn.place is place for turn in turns[:-1]) and place is not None

    def _close_client(self) -> None:
        asking, self._asking = self._asking, None
        if asking is not None:
            asking.close()

    def _session(self, rlm: RLM) -> RLMSession:
        if self.current is None:
            self.current = RLMSession(rlm)
            self.sessions.append(self.current)
        self.current.rlm = rlm
        return self.current

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._busy.acquire(blocking=False):
            msg = "A question is being answered in this notebook already: wait for it, or interrupt it."
            raise UsageError(msg)
        try:
            yield
        finally:
            self._busy.release()


@contextmanager
def _told(rlm: RLM, tell: Callable[[str], None] | None) -> Iterator[None]:
    """Have somebody told, instead of a warning, when the cache cannot be used."""
    cache = rlm.cache
    if cache is None or tell is None:
        yield
        return
    before, cache.tell = cache.tell, tell
    try:
        yield
    finally:
        cache.tell = before


def _unfinished(redactor: Redactor) -> Callable[[str], str]:
    """Return what takes secrets, and what may be the beginning of one, out of a text that is being written."""
    return lambda text: redactor.redact(redactor.settled(text))
