"""The kernel's end of the link to the Jupyter server: a comm, on which it tells what happens and hears what to do.

It works with no server as well, which then never says a word. Nothing that takes time to import is imported before a
question is asked: what is heard earlier is read then.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import sys
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, cast

from .link_comm import LinkComm, Reach

if TYPE_CHECKING:
    from ipykernel.ipkernel import IPythonKernel
    from pydantic import BaseModel

    from rlm_jupyter.core.steering import SteeringState
    from rlm_jupyter.trace.schema import Event
    from rlm_jupyter.trace.wire import (
        Control,
        Question,
        SessionRecord,
        TellSession,
        TellSessions,
        TellTrace,
        Welcome,
    )

    from .journal import Journal
    from .publisher import Publisher

__all__ = ["NoAnswerError", "ServerLink"]

_PROTOCOL = 1  # wire.PROTOCOL_VERSION: importing that module takes its time

_ANSWER = 5.0  # seconds that an answer may take
_RECENT = 120.0  # seconds for which an answer that came after its cell is still one

_log = logging.getLogger(__name__)


class NoAnswerError(RuntimeError):
    """The server did not answer; the message says what to do."""


class _Asked:
    """A question to the server; its answer may come after the cell that asked."""

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        self.answers: SimpleQueue[tuple[float, Any]] = SimpleQueue()


class ServerLink:
    """Publishes the runs that ``journal`` shares, and keeps what the server says about this notebook.

    ``own_sessions`` returns the ids of this kernel's sessions. Runs that are shared can be steered through the server;
    ``reviewer_present`` tells whether somebody there decides about code blocks.
    """

    def __init__(
        self, kernel: IPythonKernel, journal: Callable[[], Journal], own_sessions: Callable[[], set[str]]
    ) -> None:
        self._kernel = kernel
        self._journal = journal
        self._own_sessions = own_sessions
        self._process = os.getpid()
        self._lock = threading.RLock()
        self._heard: deque[dict[str, Any]] = deque()
        self._changed: list[SimpleQueue[None]] = []
        self._asked: dict[str, _Asked] = {}
        self._runs: set[str] = set()
        self._publisher: Publisher | None = None
        self._welcome: Welcome | None = None
        self._last: SessionRecord | None = None
        self._notebook: str | None = None
        self.trace: tuple[str | None, str | None] | None = None  # where the server writes it, and what is wrong
        self._over = False
        self._load_id = uuid.uuid4().hex
        self._opened = self._greeted = time.monotonic()
        self._retell = False
        self._reviewer_present = self._told_of_reviewer = False
        self._comm = LinkComm(kernel, self.hear)
        self.reach: Reach = self._comm.reach()
        self._comm.greet(self._hello())
        atexit.register(self._leave)

    @classmethod
    def of(cls, shell: Any, journal: Callable[[], Journal], own_sessions: Callable[[], set[str]]) -> ServerLink | None:
        """Return a link for a shell that runs in an ipykernel; None elsewhere, such as in a terminal."""
        kernelbase = sys.modules.get("ipykernel.kernelbase")
        kernel = getattr(shell, "kernel", None)
        if kernelbase is None or not isinstance(kernel, kernelbase.Kernel) or not hasattr(kernel, "comm_manager"):
            return None
        return cls(cast("IPythonKernel", kernel), journal, own_sessions)

    # What the kernel tells

    def observe(self, event: Event) -> None:
        """Publish an event of a run that is shared."""
        if os.getpid() != self._process:
            return  # a child process, which has no thread that could publish
        if event.seq == 0 and not self._over and self._journal().shares(event.run_id):
            self._runs.add(event.run_id)
        if event.run_id in self._runs:
            (self._publisher or self._published()).put(self._journal().veiled(event))
            if event.event == "end" and event.span_id == _root_span():
                self._runs.discard(event.run_id)

    def say(self, message: BaseModel) -> None:
        """Publish a message, after the events that were there before it."""
        if not self._over:
            self._published().say(message.model_dump_json().encode())

    def ask(self, question: Question) -> TellSession | TellSessions | TellTrace:
        """Return the server's answer. Raises ``NoAnswerError`` when there is none in time.

        Where messages wait for the end of the cell, the answer is here when the same is asked again.
        """
        key = question.model_dump_json(exclude={"request_id"})
        waits = self.reach != "shell"
        asked = self._asked.get(key)
        if asked is not None and not waits:
            try:
                told, answer = asked.answers.get_nowait()
            except Empty:
                pass
            else:
                if time.monotonic() - told < _RECENT:
                    return cast("TellSession | TellSessions | TellTrace", answer)
        asked = self._asked[key] = _Asked(question.request_id)
        self.say(question)
        if not waits:
            msg = (
                "The Jupyter server can answer between cells only, in this kernel. Run this cell again: it has by then."
            )
            raise NoAnswerError(msg)
        try:
            return cast("TellSession | TellSessions | TellTrace", asked.answers.get(timeout=_ANSWER)[1])
        except Empty:
            msg = f"The Jupyter server did not answer within {_ANSWER:g} s. Run the cell again when it has less to do."
            raise NoAnswerError(msg) from None
        finally:
            self._asked.pop(key, None)

    # What the server told

    @property
    def welcome(self) -> Welcome | None:
        """What the server said when it heard this kernel; None while there is no server."""
        self._read()
        return self._welcome

    def wait_for_welcome(self) -> Welcome | None:
        """Return what the server said, having waited for it if this kernel loaded the extension just now."""
        news: SimpleQueue[None] = SimpleQueue()
        self._changed.append(news)
        try:
            while self.welcome is None and self.reach != "shell":
                news.get(timeout=max(0.0, self._opened + _ANSWER - time.monotonic()))
        except Empty:
            pass
        finally:
            self._changed.remove(news)
        return self.welcome

    @property
    def writes(self) -> bool:
        """Whether the server writes the trace notebook."""
        welcome = self.welcome
        return welcome is not None and welcome.writes

    @property
    def notebook(self) -> str | None:
        """The notebook's path, as the contents manager has it."""
        self._read()
        return self._notebook

    @property
    def reviewer_present(self) -> bool:
        """Whether somebody decides about code blocks through the server."""
        self._read()
        return self._reviewer_present and self.reach != "shell"  # where no decision comes while a cell runs

    @property
    def last(self) -> SessionRecord | None:
        """The notebook's last session from before this kernel, which it may have taken up since."""
        self._read()
        return self._last

    # How it is heard

    def hear(self, message: Any) -> None:
        """Take in what the server says. It is read at once if anybody asked anything in this kernel, else later."""
        if not isinstance(message, dict):
            return
        if message.get("type") == "introduce":  # a server that was not there when the extension was loaded
            self._greet()
            return
        if message.get("type") == "reviewer":
            self._told_of_reviewer = True  # since the last greeting, whenever it is read
        self._heard.append(message)
        for news in list(self._changed):
            news.put(None)
        if "rlm_jupyter.trace.schema" in sys.modules:
            self._read()

    def _read(self) -> None:
        """Take in what was heard. What others do about it, they do with no lock held: a run may be waiting for it."""
        steering: list[Callable[[], None]] = []
        with self._lock:
            while self._heard:
                try:
                    steering += self._taken_in(self._heard[0])
                except Exception:  # noqa: BLE001 - it must not keep back those after it; an interrupt leaves it where it is
                    _log.exception("A message of the Jupyter server's could not be heeded, and is passed over.")
                self._heard.popleft()
        for steer in steering:
            try:
                steer()
            except Exception:  # noqa: BLE001 - as above
                _log.exception("A run could not be steered as the Jupyter server says.")

    def _taken_in(self, heard: dict[str, Any]) -> list[Callable[[], None]]:
        """Take in a message, and return what is left to be called."""
        from pydantic import ValidationError

        from rlm_jupyter.runs.steering import ask_again
        from rlm_jupyter.trace.wire import to_kernel

        try:
            message = to_kernel.validate_python(heard)
        except ValidationError as error:
            _log.debug("A message of the Jupyter server's was passed over: %s", error)
            return []
        if message.type == "control":
            return [lambda: self._steer(message)]
        if message.type == "reviewer":
            self._reviewer_present = message.present
            return [] if message.present else [ask_again]
        if message.type == "welcome":
            # Who was there for an earlier server may not be for this one, which says so before or after its welcome.
            left = self._welcomed(message) and self._reviewer_present and not self._told_of_reviewer
            self._reviewer_present = self._reviewer_present and not left
            return [ask_again] if left else []
        if message.type == "notebook":
            self._notebook = message.path
        elif message.type == "written":
            self.trace = message.path, message.problem
        elif message.type == "stored":
            self._journal().stored(message.run_id)
        elif message.type == "missing":
            self._published().again(message.run_id, message.ranges)
        elif message.type != "introduce":  # which needs no reading: it is answered as it is heard
            for asked in list(self._asked.values()):
                if asked.request_id == message.request_id:
                    asked.answers.put((time.monotonic(), message))
        return []

    def _greet(self) -> None:
        """Say hello once more: the answer tells that there is a server, which may have missed what was said before."""
        self._load_id, self._greeted, self._retell = uuid.uuid4().hex, time.monotonic(), True
        self._told_of_reviewer = False
        self._comm.publish(json.dumps(self._hello()).encode())

    def _welcomed(self, welcome: Welcome) -> bool:
        """Take in the greeting, unless it is to an earlier one; a server that is new here gets what no server has."""
        if welcome.load_id != self._load_id:
            return False
        self.trace = self.trace if welcome.notebook == self._notebook else None
        self._welcome, self._notebook = welcome, welcome.notebook
        if welcome.last is not None and welcome.last.session_id not in self._own_sessions():
            self._last = welcome.last
        if self._retell:
            self._retell = False
            for run_id in self._journal().not_stored():
                self._published().again(run_id)
        return True

    def _overdue(self, run_id: str) -> bool:
        """Write a run that the server did not say it has, and look for the server; return whether to look again."""
        journal = self._journal()
        journal.overdue(run_id)
        if self._welcome is None or run_id not in journal.not_stored():
            return False
        if time.monotonic() - self._greeted > _ANSWER:
            self._greet()
        return True

    # How runs are steered

    def _steer(self, control: Control) -> None:
        from rlm_jupyter.runs.steering import steer

        if control.run_id in self._runs:
            steer(control)

    def _steered(self, run_id: str, state: SteeringState) -> None:
        """Publish how a run is steered that is shared; of others nothing leaves the kernel."""
        from rlm_jupyter.trace.wire import ProposedCode, Steered

        if run_id not in self._runs:
            return
        block = state.review
        review = None
        if block is not None:
            review = ProposedCode(
                review_id=block.review_id, code=block.code, iteration=block.iteration, index=block.index
            )
        self.say(Steered(run_id=run_id, paused=state.paused, stopping=state.stopping, notes=state.notes, review=review))

    # How it comes and goes

    def _hello(self) -> dict[str, Any]:
        from importlib.metadata import version

        return {
            "type": "hello",
            "protocol": _PROTOCOL,
            "load_id": self._load_id,
            "version": version("rlm-jupyter"),
            "reach": self.reach,
        }

    def _published(self) -> Publisher:
        with self._lock:
            if self._publisher is None:
                from rlm_jupyter.runs import steering

                from .publisher import Publisher

                journal = self._journal()
                steering.observers.append(self._steered)
                self._publisher = Publisher(self._comm.publish, journal.shared_events, self._overdue)
            return self._publisher

    def close(self) -> None:
        """Publish what waits, and take everything out of the kernel again."""
        self._over = True
        atexit.unregister(self._leave)
        self._leave()
        self._comm.close()

    def _leave(self) -> None:
        """Publish what waits, and see that it is on its way; write what no server said it has stored."""
        if os.getpid() != self._process:
            return
        publisher, self._publisher = self._publisher, None
        if publisher is None:
            return
        from rlm_jupyter.runs import steering

        steering.observers.remove(self._steered)
        self._runs.clear()
        publisher.close()
        iopub = self._kernel.iopub_thread
        if iopub is not None:
            sent: SimpleQueue[None] = SimpleQueue()
            iopub.schedule(lambda: sent.put(None))
            try:
                sent.get(timeout=1.0)
            except Empty:
                _log.debug("The last messages to the Jupyter server may not have been sent.")
        self._journal().overdue(None)


def _root_span() -> str:
    from rlm_jupyter.trace.schema import ROOT_SPAN

    return ROOT_SPAN
