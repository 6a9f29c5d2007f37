"""The notebook's conversations: which session is asked, with which ``RLM``, and one question at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from rlm_jupyter.rlm import RLM
from rlm_jupyter.session import RLMSession
from rlm_jupyter.settings import Origin

if TYPE_CHECKING:
    from rlm_jupyter.core.results import RLMChatCompletion

    from .live import LiveDisplay

__all__ = ["Ask", "Conversations"]

_SYNC = {"none": (False, False), "in": (True, False), "out": (False, True), "both": (True, True)}


@dataclass(frozen=True, slots=True)
class Ask:
    """Everything that decides which ``RLM`` answers."""

    backend: str
    backend_kwargs: tuple[tuple[str, Any], ...]
    environment: str
    sync: str
    sync_vars: tuple[str, ...] | None
    limits: tuple[tuple[str, Any], ...] = field(default=())

    def make(self) -> RLM:
        """Return an ``RLM`` for it. Variables of the model outlive a question, except where they are the notebook's."""
        environment_kwargs: dict[str, Any] = {}
        shared = False
        if self.environment == "jupyter":
            sync_from, sync_to = _SYNC[self.sync]
            environment_kwargs = {"sync_from_user_ns": sync_from, "sync_to_user_ns": sync_to}
            if self.sync_vars is not None:
                environment_kwargs["sync_vars"] = self.sync_vars
            shared = sync_from and sync_to and self.sync_vars is None
        return RLM(
            self.backend,
            dict(self.backend_kwargs),
            self.environment,
            environment_kwargs,
            persistent=not shared,
            **dict(self.limits),
        )


class Conversations:
    """The sessions of this kernel; one of them is the current one."""

    def __init__(self) -> None:
        self._busy = threading.Lock()
        self._rlms: dict[Ask, RLM] = {}
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
        live: LiveDisplay,
    ) -> RLMChatCompletion:
        """Ask the current session, or nobody who remembers (``fresh``).

        Raises ``UsageError`` while another question is being answered: subshells share the namespace.
        """
        with self._alone():
            rlm = ask.make() if fresh else self._rlm(ask)
            rlm.listeners, rlm.on_text = [live.observe], live.text
            live.redact = rlm.redact
            try:
                session = RLMSession(rlm) if fresh else self._session(rlm)
                return session.chat(context, question, origin=origin)
            finally:
                rlm.listeners, rlm.on_text = [], None
                if fresh:
                    rlm.close()

    def new(self) -> None:
        """Begin another session at the next question; the old one is kept."""
        self.current = None

    def reset(self) -> None:
        """Forget the current conversation, and the variables that the model kept out of the notebook."""
        with self._alone():
            if self.current is not None:
                self.sessions.remove(self.current)
            self.current = None
            self.close_models()

    def close_models(self) -> None:
        """Close every ``RLM``; the next question makes a new one."""
        rlms, self._rlms = self._rlms, {}
        for rlm in rlms.values():
            rlm.close()

    def _rlm(self, ask: Ask) -> RLM:
        if ask not in self._rlms:
            self._rlms[ask] = ask.make()
        return self._rlms[ask]

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
