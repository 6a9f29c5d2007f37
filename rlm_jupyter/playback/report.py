"""What a replay has shown: how much was run again, and what came out otherwise."""

from __future__ import annotations

import difflib
import html
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from rlm_jupyter.trace.artifacts.facts import count_text

from .differences import Difference

__all__ = ["ReplayReport"]

_LINES = 40
"""Lines of one difference that are shown."""

_WIDTH = 300
"""Characters of one line that are shown."""

_SHOWN = 20
"""Differences that are shown; all of them stand in ``differences``."""

_COMPARED = 2_000
"""Lines of a text that are compared line by line, which takes a time that grows with their square."""


@dataclass(slots=True)
class ReplayReport:
    """How the replay of a trace differed from what was recorded.

    ``runs`` are the ids of the runs that were replayed; ``blocks`` counts the code blocks that were run, ``children``
    the child runs among them, ``calls`` those that were answered from the recording, and ``asked_live`` those that a
    model was asked in its place. ``cut`` are the places of blocks that had been cut when they were recorded: they are
    run, and there is nothing to compare them with. ``notes`` say what else is worth knowing.
    """

    runs: list[str] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    blocks: int = 0
    children: int = 0
    calls: int = 0
    asked_live: int = 0
    cut: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def same(self) -> bool:
        """Whether all came out as it was recorded, but for what cannot repeat: times, addresses and the like."""
        return not any(difference.repeatable for difference in self.differences)

    def left_out(self, names: Mapping[str, str], place: str) -> None:
        """Note variables, by name and type, that code read and that neither the trace nor the caller had."""
        for name, kind in names.items():
            at = f"{place}: " if place else ""
            self.notes.append(
                f"{at}the variable {name} ({kind}) is not in the trace in full, and was left out. "
                f"Hand it over: replay(trace, values={{{name!r}: ...}})."
            )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values under the same names."""
        return {
            "same": self.same,
            "runs": list(self.runs),
            "blocks": self.blocks,
            "children": self.children,
            "calls": self.calls,
            "asked_live": self.asked_live,
            "cut": list(self.cut),
            "notes": list(self.notes),
            "differences": [difference.to_dict() for difference in self.differences],
        }

    def __str__(self) -> str:
        """Return the report as text: what was run, the verdict, and the differences line by line."""
        return "\n".join(self._lines())

    def __repr__(self) -> str:
        """Show the verdict and the counts."""
        return f"<ReplayReport: {self._verdict()} {self._extent()}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": self._html()}

    def _lines(self) -> Iterator[str]:
        yield f"{self._verdict()} {self._extent()}"
        yield from (_inert(note) for note in self.notes)
        yield from (f"{place} had been cut: it was run, and there is nothing to compare it with." for place in self.cut)
        for difference in self.differences[:_SHOWN]:
            yield ""
            yield _title(difference)
            yield from _compared(difference)
        if len(self.differences) > _SHOWN:
            yield f"\n{len(self.differences) - _SHOWN} more differences: see report.differences."

    def _verdict(self) -> str:
        real = sum(difference.repeatable for difference in self.differences)
        unrepeatable = len(self.differences) - real
        aside = f"{unrepeatable} that cannot repeat, such as times and addresses" if unrepeatable else ""
        if real:
            return f"{count_text(real, 'difference')}{f' (and {aside})' if aside else ''}."
        return f"The same as recorded{f', but for {aside}' if aside else ''}."

    def _extent(self) -> str:
        ran = f"{count_text(self.blocks, 'code block')} of {count_text(len(self.runs), 'run')}"
        below = f" and {count_text(self.children, 'child run')}" if self.children else ""
        live = f", {count_text(self.asked_live, 'call')} by a model" if self.asked_live else ""
        calls = f"{count_text(self.calls, 'call')} answered from the recording"
        return f"{ran}{below}; {calls}{live}."

    def _html(self) -> str:
        parts = [f"<p><b>{html.escape(self._verdict())}</b> {html.escape(self._extent())}</p>"]
        parts += [
            f"<p>{html.escape(_inert(note))}</p>" for note in [*self.notes, *(f"{c} had been cut" for c in self.cut)]
        ]
        for difference in self.differences[:_SHOWN]:
            opened = " open" if difference.repeatable else ""
            lines = html.escape("\n".join(_compared(difference)))
            parts.append(
                f"<details{opened}><summary>{html.escape(_title(difference))}</summary><pre>{lines}</pre></details>"
            )
        if len(self.differences) > _SHOWN:
            parts.append(f"<p>{len(self.differences) - _SHOWN} more differences</p>")
        return "\n".join(parts)


def _title(difference: Difference) -> str:
    aside = "" if difference.repeatable else " (as times and addresses do)"
    return f"{difference.place} ({difference.span_id}): {_TITLES.get(difference.kind, difference.kind)}{aside}"


_TITLES = {
    "output": "the output differs",
    "error": "the error differs",
    "answer": "the answer differs",
    "names": "the names that it bound differ",
    "call not recorded": "a call is not in the recording",
    "call not asked again": "a recorded call was not asked again",
    "run not replayed": "the run could not be replayed",
}


def _compared(difference: Difference) -> Iterator[str]:
    """Yield the two forms as a unified diff; of a long one, its beginning."""
    then, now = (
        [*map(_line, islice(text.split("\n"), _COMPARED))] for text in (difference.recorded, difference.replayed)
    )
    if difference.kind.startswith("call") or difference.kind == "run not replayed":
        yield f"  {(now if difference.replayed else then)[0]}"
        return
    if then == now:
        yield "  (beyond what is shown of it)"
        return
    lines = list(difflib.unified_diff(then, now, "recorded", "replayed", n=2, lineterm=""))
    yield from (f"  {line}" for line in lines[:_LINES])
    if len(lines) > _LINES:
        yield f"  ... {len(lines) - _LINES} more lines"


def _line(text: str) -> str:
    shown = _inert(text[:_WIDTH])
    return shown if len(text) <= _WIDTH else f"{shown}… ({len(text):,} characters)"


def _inert(text: str) -> str:
    """Return the text with what a terminal would obey written out: it may be all that differs."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each == "\t" else repr(each)[1:-1] for each in text)
