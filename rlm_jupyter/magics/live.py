"""The live display: one output of the cell that tells how far the run is, at most five times a second."""

from __future__ import annotations

import contextvars
import html
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from IPython.display import DisplayHandle

from rlm_jupyter.core.protocols import CUT_OFF
from rlm_jupyter.core.steering import SteeringState
from rlm_jupyter.runs.steering import observers
from rlm_jupyter.trace.artifacts.bundle import OUTPUT_VERSION
from rlm_jupyter.trace.artifacts.facts import cost_text, count_text
from rlm_jupyter.trace.schema import (
    IterationEnd,
    IterationStart,
    ModelCallEnd,
    ModelCallStart,
    RunEnd,
    RunStart,
    SpanEnd,
    SpanStart,
    SubcallEnd,
    SubcallStart,
)

if TYPE_CHECKING:
    from rlm_jupyter.trace.schema import Event

__all__ = ["LIVE_MIME_TYPE", "LiveDisplay"]

LIVE_MIME_TYPE = "application/vnd.rlm-jupyter.live+json"

_INTERVAL = 0.2  # seconds; VS Code flickers when a display changes more often
_TAIL = 240  # characters of the reply that is being written
_NAMES = 12  # of the variables that changed; the trace has all

_STYLE = "font-family:var(--jp-ui-font-family,sans-serif);font-size:var(--jp-ui-font-size1,13px)"
_DIM = "opacity:.65"
"""Reasons to finish of a reply that would have gone on."""

_WORDS = {"ok": "answered", "error": "failed", "interrupted": "interrupted", "limit": "stopped at a limit"}
_COLOURS = {
    "ok": "var(--jp-success-color1,#388e3c)",
    "error": "var(--jp-error-color1,#d32f2f)",
    "interrupted": "var(--jp-warn-color1,#f57c00)",
    "limit": "var(--jp-warn-color1,#f57c00)",
    None: "var(--jp-brand-color1,#1976d2)",
}


@dataclass(slots=True)
class _Count:
    """How many of a kind are under way, and how the others ended."""

    running: int = 0
    done: int = 0
    failed: int = 0

    def begin(self) -> None:
        self.running += 1

    def end(self, status: str) -> None:
        self.running -= 1
        self.done += status == "ok"
        self.failed += status != "ok"

    def told(self, noun: str) -> list[str]:
        parts = [f"{self.done} done"] if self.running or self.done or self.failed else []
        parts += [f"{self.failed} failed"] if self.failed else []
        parts += [f"{self.running} running"] if self.running else []
        return [f"{noun}: {', '.join(parts)}"] if parts else []


class LiveDisplay:
    """Follows one run through its events, which the recorder has redacted, and the text that streams in.

    Child runs are counted, like sub-calls; iterations and the text are the root's own.

    Without ``updates``, as in a terminal, which can only add lines, it is shown once, at the end.

    ``redact`` takes secrets, and what may become one, out of that text.
    """

    def __init__(self, *, updates: bool) -> None:
        self._updates = updates
        self.redact: Callable[[str], str] = str
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._model = ""
        self._iteration = self._max_iterations = 0
        self._closing = self._compacting = self._between = False
        self._steered = SteeringState()
        self._waiting = ""
        self._held_up: dict[object, tuple[float, str]] = {}
        self._run_id = ""
        self._own: str | None = None
        self._own_steps: set[str] = set()
        self._subcalls, self._children = _Count(), _Count()
        self._tokens_in = self._tokens_out = 0
        self._replies = self._cached = self._cut = 0
        self._cost, self._unpriced = 0.0, 0
        self._written: list[str] = []
        self._size = 0
        self._status: str | None = None
        self._notes: list[str] = []
        self._changes: dict[str, list[str]] = {}
        self._over = threading.Event()
        # Displays find their cell through a context variable: the thread runs in this cell's context.
        self._context = contextvars.copy_context()
        self._handle = DisplayHandle()
        self._thread = threading.Thread(target=lambda: self._context.run(self._refresh), name="rlm-jupyter-live")
        self._thread.daemon = True

    def __enter__(self) -> LiveDisplay:
        """Show the display and keep it up to date."""
        observers.append(self.steered)
        if self._updates:
            self._handle.display(self._bundle(), raw=True)
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        """Show the final state; what failed before a run began has no other."""
        observers.remove(self.steered)
        if kind is not None and self._status is None:
            self._status = "interrupted" if issubclass(kind, KeyboardInterrupt) else "error"
        if not self._updates:
            self._handle.display(self._bundle(), raw=True)
            return
        self._over.set()
        self._thread.join()
        self._handle.update(self._bundle(), raw=True)

    def note(self, text: str) -> None:
        """Add a line of our own to the final state."""
        self._notes.append(text)

    def text(self, piece: str | None) -> None:
        """Take in a piece of the reply that is being written; None takes back all of it."""
        with self._lock:
            if piece is None:
                self._clear()
            else:
                self._written.append(piece)
                self._size += len(piece)

    def steered(self, run_id: str, state: SteeringState) -> None:
        """Take in how a run is steered."""
        with self._lock:
            if run_id == self._run_id:
                self._steered = state

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """Say for what the run waits, until it goes on."""
        self._waiting = what
        try:
            yield
        finally:
            self._waiting = ""

    def held_up(self, call: object, why: str, seconds: float) -> None:
        """Take in that a model call waits so long before it is sent again; 0: it waits no more."""
        with self._lock:
            if seconds:
                self._held_up[call] = time.monotonic() + seconds, self.redact(why)
            else:
                self._held_up.pop(call, None)

    def observe(self, event: Event) -> None:
        """Take in an event of the run."""
        with self._lock:
            if isinstance(event, SpanStart):
                self._begin(event)
            elif isinstance(event, SpanEnd):
                self._end(event)

    def _begin(self, event: SpanStart) -> None:
        payload = event.payload
        if isinstance(payload, SubcallStart):
            self._subcalls.begin()
        elif isinstance(payload, RunStart) and self._own is not None:
            self._children.begin()
        elif isinstance(payload, RunStart):
            self._own, self._run_id = event.span_id, event.run_id
            self._own_steps = {event.span_id}
            self._model, self._max_iterations = payload.model, payload.max_iterations
        elif event.parent_id not in self._own_steps:
            return
        elif isinstance(payload, IterationStart):
            self._own_steps = {event.parent_id, event.span_id} if event.parent_id else {event.span_id}
            self._iteration, self._closing, self._between = payload.number, payload.closing, False
        elif isinstance(payload, ModelCallStart):
            self._own_steps.add(event.span_id)
            self._compacting = payload.purpose == "compaction"
            self._clear()

    def _end(self, event: SpanEnd) -> None:
        payload = event.payload
        if isinstance(payload, SubcallEnd):
            self._subcalls.end(event.status)
        if isinstance(payload, ModelCallEnd | SubcallEnd):
            self._replies += event.status == "ok"
            self._cached += payload.cached
            self._cut += payload.finish_reason in CUT_OFF
            if not payload.cached:  # nobody pays for it again
                self._tokens_in += payload.usage.input_tokens or 0
                self._tokens_out += payload.usage.output_tokens or 0
                self._cost += payload.usage.cost or 0.0
                self._unpriced += payload.lost + (payload.usage.cost is None)
        if isinstance(payload, ModelCallEnd) and event.span_id in self._own_steps:
            self._compacting = False
            self._clear()
        if isinstance(payload, IterationEnd) and event.span_id in self._own_steps:
            self._between = True
        if isinstance(payload, RunEnd) and event.span_id != self._own:
            self._children.end(event.status)
        elif isinstance(payload, RunEnd):
            self._status, self._changes = event.status, payload.changes

    def _clear(self) -> None:
        self._written, self._size = [], 0

    def _refresh(self) -> None:
        shown = self._facts()
        while not self._over.wait(_INTERVAL):
            facts = self._facts()
            if facts != shown:
                shown = facts
                self._handle.update(self._bundle(), raw=True)

    def _facts(self) -> tuple[object, ...]:
        """What a person would notice; whole seconds, so that a clock alone changes the display once a second."""
        seconds = int(time.monotonic() - self._began)
        counts = *self._subcalls.told("sub-calls"), *self._children.told("children")
        steered = self._steered, self._waiting, self._between, len(self._held_up)
        tokens = self._cached, self._tokens_out, self._size
        return (self._run_id, seconds, self._iteration, self._compacting, counts, tokens, steered)

    def _bundle(self) -> dict[str, Any]:
        with self._lock:
            lines, tail = self._lines(), self._tail()
            return {
                "text/plain": "\n".join(lines),
                "text/html": self._html(lines, tail),
                LIVE_MIME_TYPE: self._json(lines, tail),
            }

    def _json(self, lines: list[str], tail: str) -> dict[str, Any]:
        """Return the same for our own renderer, which links to the run by its id; it is empty until the run begins."""
        return {
            "version": OUTPUT_VERSION,
            "run_id": self._run_id,
            "status": self._shown_status(),
            "lines": lines,
            "tail": tail,
        }

    def _lines(self) -> list[str]:
        seconds = f"{time.monotonic() - self._began:.1f} s"
        # Once there is an answer, the result below it tells the rest.
        facts = [*([] if self._status == "ok" else [self._model]), *self._progress(), seconds]
        lines = [" · ".join(fact for fact in facts if fact)]
        if changes := "; ".join(f"{what} {_listed(names)}" for what, names in self._changes.items()):
            lines.append(f"In the notebook: {changes}")
        return lines + self._notes

    def _out_of_iterations(self) -> bool:
        return self._status == "ok" and self._closing

    def _shown_status(self) -> str | None:
        return "limit" if self._out_of_iterations() else self._status

    def _progress(self) -> list[str]:
        number = min(self._iteration, self._max_iterations)
        if self._status is not None:
            word = "out of iterations, answered with what it had" if self._out_of_iterations() else _WORDS[self._status]
            state = word + (f" after {number} iteration{'' if number == 1 else 's'}" if number else "")
        elif self._compacting:
            state = "summing up the conversation"
        elif self._closing:
            state = "asking for a final answer"
        else:
            state = f"iteration {number} of {self._max_iterations}" if number else "starting"
        facts = [state, *(self._steering() if self._status is None else [])]
        facts += [*self._children.told("children"), *self._subcalls.told("sub-calls")]
        if self._cached:
            replies = "1 reply" if self._replies == 1 else f"{self._replies:,} replies"
            facts.append(f"{self._cached:,} of {replies} from the cache")
        if self._cut:
            replies = "1 reply" if self._cut == 1 else f"{self._cut:,} replies"
            facts.append(f"{replies} cut off at the length limit")
        if (self._tokens_in or self._tokens_out) and self._status != "ok":
            facts.append(f"{self._tokens_in:,} tokens in, {self._tokens_out:,} out")
        if self._cost and self._status != "ok":
            facts.append(("at least " if self._unpriced else "") + cost_text(self._cost))
        return facts

    def _steering(self) -> list[str]:
        """Return what the user asked for, and what the run waits for."""
        steered = self._steered
        told = [self._waiting] if self._waiting else []
        now = time.monotonic()
        held_up = [(until - now, why) for until, why in self._held_up.values() if until > now]
        if held_up:
            seconds, why = max(held_up)
            others = f" ({len(held_up)} calls)" if len(held_up) > 1 else ""
            told.append(f"waiting {math.ceil(seconds)} s: {why}{others}")
        if steered.review is not None:
            told.append("waiting for a decision about a block")
        if steered.stopping:
            told.append("stopping after this iteration")
        elif steered.paused:
            told.append("paused" if self._between else "pausing after this iteration")
        told += [f"{count_text(steered.notes, 'note')} for the model"] if steered.notes else []
        return told

    def _html(self, lines: list[str], tail: str) -> str:
        dot = f'<span style="color:{_COLOURS[self._shown_status()]}">●</span>'
        rows = [f"<div>{dot} {html.escape(lines[0])}</div>"]
        rows += [f'<div style="{_DIM}">{html.escape(line)}</div>' for line in lines[1:]]
        if tail:
            style = f"{_DIM};white-space:pre-wrap;font-family:var(--jp-code-font-family,monospace);font-size:90%"
            rows.append(f'<div style="{style}">{html.escape(tail)}</div>')
        return f'<div class="rlm-live" style="{_STYLE}">{"".join(rows)}</div>'

    def _tail(self) -> str:
        """Return the end of the reply that is being written, cut after secrets were looked for in the whole."""
        text = "".join(self._written)
        self._written = [text]
        # The word that is being written is left out: it may be half a key, which no pattern knows.
        return self.redact(text[: max(text.rfind(" "), text.rfind("\n"), 0)])[-_TAIL:].strip()


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMES
    return ", ".join(names[:_NAMES]) + (f" and {more:,} more" if more > 0 else "")
