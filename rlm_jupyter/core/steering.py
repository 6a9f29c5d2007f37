"""Steering a run under way: stop, pause, notes to the model, and code blocks about which the user decides first.

Nothing waits here: what is to be waited for is yielded as futures, which end with the scope that they are adopted by.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, TypeVar

from .errors import CancellationError, ConfigurationError
from .interrupts import model_code
from .observation import head_and_tail

__all__ = ["NOTE_LIMIT", "Decision", "ProposedBlock", "Reviewer", "Steering", "SteeringState", "Stopped", "Waits"]

T = TypeVar("T")

Waits: TypeAlias = Generator[Future[Any], Any, T]
"""Yields what is to be waited for, is sent what came of it, and returns its result."""

NOTE_LIMIT = 10_000
"""Characters of a note that the model is told."""

_DECISIONS = ("approved", "edited", "rejected")


class Stopped(CancellationError):
    """The user had the run end after an iteration; the message says which.

    A synchronous root run raises ``InterruptedRun`` in its place, as after Ctrl-C.
    """


@dataclass(frozen=True, slots=True)
class Decision:
    """What the user decided about a block; ``code`` runs in its place when it was edited.

    The model is told the ``reason``, where there is one.
    """

    decision: Literal["approved", "edited", "rejected"]
    code: str | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be carried out."""
        if self.decision not in _DECISIONS:
            msg = f"A decision is one of {', '.join(map(repr, _DECISIONS))}, not {self.decision!r}."
            raise ConfigurationError(msg)
        if self.decision == "edited" and not isinstance(self.code, str):
            msg = "Of a block that was edited the decision says the code that runs: Decision('edited', code=...)."
            raise ConfigurationError(msg)


@dataclass(frozen=True, slots=True)
class ProposedBlock:
    """A code block that waits for a decision; ``code`` is without secrets, and ``depth`` is 0 in the root run."""

    review_id: str
    code: str
    iteration: int
    index: int
    depth: int = 0

    @property
    def place(self) -> str:
        """Where in the run the block stands, for people."""
        whose = " of a child run" if self.depth else ""
        return f"block {self.index} of iteration {self.iteration}{whose}"


Reviewer: TypeAlias = Callable[[ProposedBlock], "Decision | None"]
"""Asked before each block; None leaves the decision to ``Steering.decide``. It may raise ``Stopped``."""


@dataclass(frozen=True, slots=True)
class SteeringState:
    """How a tree of runs is steered; ``notes`` counts those that wait, ``review`` is what ``decide`` is waited for."""

    paused: bool = False
    stopping: bool = False
    notes: int = 0
    review: ProposedBlock | None = None


@dataclass(slots=True, eq=False)
class _Question:
    block: ProposedBlock
    turn: Future[None] = field(default_factory=Future)
    decided: Future[Decision | None] = field(default_factory=Future)
    open: bool = False


class Steering:
    """How the user steers a tree of runs while it is under way. Safe to use from any thread.

    What is asked for takes effect where an iteration ends; an iteration that answered ends its run as usual. Once the
    run is to stop, nobody is asked about a block any more: the run ends before the next one that is proposed. ``stop``,
    ``pause``, ``resume``, ``note`` and ``decide`` return False when there is nothing for them to steer any more.
    ``on_change`` is called with each new state, in order, by whoever brought it about.
    """

    def __init__(self, reviewer: Reviewer | None = None) -> None:
        self.reviewer = reviewer
        self.on_change: Callable[[SteeringState], None] | None = None
        self._lock = threading.Lock()
        self._telling = threading.RLock()
        self._told = SteeringState()
        self._over = False
        self._paused = False
        self._stopping = False
        self._notes: list[str] = []
        self._held: list[Future[None]] = []
        self._questions: list[_Question] = []

    @property
    def state(self) -> SteeringState:
        """How the tree is steered now."""
        with self._lock:
            head = self._questions[0] if self._questions else None
            review = head.block if head is not None and head.open else None
            return SteeringState(self._paused, self._stopping, len(self._notes), review)

    def stop(self) -> bool:
        """End the run after the iteration that is under way, and its children after theirs.

        A pause ends, and so does the wait for ``decide``: the block is not run, and its run ends there. What a reviewer
        waits for itself, such as ``input()`` in the cell, cannot be ended from outside: what is typed there counts.
        """
        with self._lock:
            over, self._stopping, self._paused = self._over, not self._over, False
            self._leave_undecided()
        self._tell()  # before what comes of it
        self._release()
        return not over

    def pause(self) -> bool:
        """Halt the run, and each of its children, where its iteration ends. Time limits go on counting."""
        with self._lock:
            over, self._paused = self._over, not self._over and not self._stopping
        self._tell()
        return not over

    def resume(self) -> bool:
        """Let what was paused go on."""
        with self._lock:
            over, self._paused = self._over, False
        self._tell()  # before what comes of it
        self._release()
        return not over

    def note(self, text: str) -> bool:
        """Tell the root run's model this, with what it is told after the iteration that is under way.

        True says that there is a run to take it; when that iteration ends the run, nobody is told it.
        """
        text = head_and_tail(text.strip(), NOTE_LIMIT)
        with self._lock:
            over = self._over
            if text and not over:
                self._notes.append(text)
        self._tell()
        return not over

    def decide(self, review_id: str, decision: Decision) -> bool:
        """Decide about the block that waits; False when it is another one, or none."""
        with self._lock:
            head = self._questions[0] if self._questions else None
            if head is None or not head.open or head.block.review_id != review_id:
                return False
            head.open = False
            _set(head.decided, decision)
        self._tell()
        return True

    def ask_again(self) -> None:
        """Ask the reviewer again about a block that waits for ``decide``: whoever was to decide has gone away."""
        with self._lock:
            self._leave_undecided()
        self._tell()

    def close(self) -> None:
        """Steer nothing any more: the tree is over."""
        with self._lock:
            self._over = True
            self._held.clear()

    def check(self, iterations: int) -> None:
        """Raise ``Stopped`` when the run is to end, which it does after so many iterations."""
        if self._stopping:
            when = f"after iteration {iterations}" if iterations else "before its first iteration"
            msg = f"The run was stopped {when}."
            raise Stopped(msg)

    def heed(self, iterations: int, *, notes: bool = False) -> Waits[list[str]]:
        """Wait while the tree is paused; return the notes, of which each is told once. Raises ``Stopped``."""
        while self._paused:
            held = self._hold()
            if held is not None:
                yield held
        self.check(iterations)
        return self._taken_notes() if notes and self._notes else []

    def review(self, block: ProposedBlock) -> Waits[Decision]:
        """Return the decision about a block; one is asked about at a time.

        Raises ``Stopped``, and what the reviewer raises.
        """
        question = _Question(block)
        with self._lock:
            self._questions.append(question)
            first = len(self._questions) == 1
        try:
            if not first:
                yield question.turn
            while True:
                decision = self._asked(question)
                if decision is None:
                    self._open(question)
                    decision = yield question.decided
                if decision is not None:
                    return decision
        finally:
            self._leave(question)

    def _asked(self, question: _Question) -> Decision | None:
        # Before the reviewer looks who is there: one who goes away after that look has it asked again.
        question.decided = Future()
        if self._stopping:
            msg = f"The run was stopped at {question.block.place}."
            raise Stopped(msg)
        if self.reviewer is None:
            return None
        with model_code():  # an interrupt and the time limit break into it, in whichever thread it asks
            return self.reviewer(question.block)

    def _open(self, question: _Question) -> None:
        with self._lock:
            question.open = not question.decided.done()
        self._tell()

    def _leave_undecided(self) -> None:
        """End the wait for a decision without one, with the lock held."""
        for question in self._questions[:1]:
            question.open = False
            _set(question.decided, None)

    def _leave(self, question: _Question) -> None:
        with self._lock:
            first = self._questions[0] is question
            self._questions.remove(question)
            following = self._questions[0] if first and self._questions else None
        if following is not None:
            _set(following.turn, None)
        self._tell()

    def _hold(self) -> Future[None] | None:
        with self._lock:
            if not self._paused:
                return None
            held: Future[None] = Future()
            self._held = [each for each in self._held if not each.done()] + [held]
            return held

    def _release(self) -> None:
        with self._lock:
            held, self._held = self._held, []
        for each in held:
            _set(each, None)

    def _taken_notes(self) -> list[str]:
        with self._lock:
            notes, self._notes = self._notes, []
        self._tell()
        return notes

    def _tell(self) -> None:
        with self._telling:  # so that the last state that is told of is the last one
            state = self.state
            if state != self._told:
                self._told = state
                if self.on_change is not None:
                    self.on_change(state)


def _set(future: Future[Any], value: Any) -> None:
    """Give the future its result, unless it has one or was cancelled with its scope."""
    if not future.done() and future.set_running_or_notify_cancel():
        future.set_result(value)
