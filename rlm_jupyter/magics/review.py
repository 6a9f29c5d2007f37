"""Asks the user, in the cell, about each code block before it runs (``%%rlm --review``)."""

from __future__ import annotations

import builtins
import html
import sys
import unicodedata
from collections.abc import Callable
from typing import TYPE_CHECKING

from IPython.core.error import StdinNotImplementedError, UsageError
from IPython.display import DisplayHandle

from rlm_jupyter.core.steering import Decision, ProposedBlock, Stopped
from rlm_jupyter.trace.artifacts.facts import count_text

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from .live import LiveDisplay

__all__ = ["CellReviewer"]

_PROMPT = "Run this block? [y]es, [n]o, [e]dit, [s]top: "
_REASON = "Why not? The model is told (may be empty): "
_EDIT = "Type the code to run instead, line by line. A line with only a dot ends it; a dot at once asks again:"
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_PRE = (
    "margin:4px 0;padding:6px 8px;overflow:auto;max-height:32em;white-space:pre-wrap;word-break:normal;"
    "overflow-wrap:anywhere;color:inherit;background:rgba(128,128,128,.1);"
    "font-family:var(--jp-code-font-family,monospace);font-size:.92em"
)


class CellReviewer:
    """Asks about blocks with ``input()``, unless somebody at the server decides about them.

    ``someone_there`` tells whether somebody does. It is looked up when a block is proposed: one who comes while the
    cell asks decides about the next block; when the last one goes, the cell asks, or stops where it
    cannot. Blocks of child runs are asked about in the children's threads, one at a time.
    """

    def __init__(self, shell: InteractiveShell, live: LiveDisplay, someone_there: Callable[[], bool]) -> None:
        self._shell = shell
        self._live = live
        self._someone_there = someone_there
        self._input = builtins.input  # the kernel's, and none that code has put into its place since

    def check(self) -> None:
        """Raise ``UsageError`` when there is nobody who could be asked."""
        if not self._can_ask and not self._someone_there():
            msg = (
                "--review needs someone to ask before each block, and nobody can type an answer here (nbclient, "
                "papermill, a script): run the cell in JupyterLab or a terminal, or leave out --review."
            )
            raise UsageError(msg)

    def __call__(self, block: ProposedBlock) -> Decision | None:
        """Return the user's decision; None when it comes from the server. Raises ``Stopped``."""
        if self._someone_there():
            return None
        if not self._can_ask:
            msg = (
                f"The run was stopped at {block.place}: whoever was to decide about it has gone, and nobody can type "
                "an answer in this cell."
            )
            raise Stopped(msg)
        with self._live.waiting("waiting for your decision below"):
            shown = DisplayHandle()
            place = block.place
            shown.display(_bundle(f"{place}, {count_text(len(_lines(block.code)), 'line')}:", block.code), raw=True)
            try:
                decision = self._decided(block)
            except (EOFError, StdinNotImplementedError):
                msg = f"The run was stopped at {place}: nobody answered whether to run it."
                raise Stopped(msg) from None
        if hasattr(self._shell, "kernel"):
            shown.update(_bundle(f"{place}: {decision.decision}"), raw=True)
        return decision

    @property
    def _can_ask(self) -> bool:
        """Whether the front end that runs the cell can be asked for input."""
        kernel = getattr(self._shell, "kernel", None)
        if kernel is None:
            return sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()
        request = kernel.get_parent("shell")
        return bool(request.get("content", {}).get("allow_stdin", False))

    def _decided(self, block: ProposedBlock) -> Decision:
        while True:
            answer = self._input(_PROMPT).strip().lower()
            if answer in ("y", "yes"):
                return Decision("approved")
            if answer in ("n", "no"):
                return Decision("rejected", reason=self._input(_REASON).strip())
            if answer in ("s", "stop"):
                msg = f"The run was stopped at {block.place}."
                raise Stopped(msg)
            if answer in ("e", "edit") and (code := self._edited()).strip():
                return Decision("edited", code)

    def _edited(self) -> str:
        lines: list[str] = []
        prompt = f"{_EDIT}\n"
        while (line := self._input(prompt)) != ".":
            lines.append(line)
            prompt = ""
        return "\n".join(lines)


def _bundle(title: str, code: str | None = None) -> dict[str, str]:
    title = title[:1].upper() + title[1:]
    if code is None:
        return {"text/plain": title, "text/html": _title_html(title)}
    numbered = _numbered(code)
    pre = f'<pre style="{_PRE}">{html.escape(numbered)}</pre>'
    return {"text/plain": f"{title}\n{numbered}", "text/html": f"{_title_html(title)}{pre}"}


def _title_html(title: str) -> str:
    return f'<div style="margin-top:8px">{html.escape(title)}</div>'


def _lines(code: str) -> list[str]:
    return code.rstrip("\n").split("\n")


def _numbered(code: str) -> str:
    lines = _lines(code)
    width = len(str(len(lines)))
    return "\n".join(f"{number:>{width}}  {_visible(line)}" for number, line in enumerate(lines, 1))


def _visible(line: str) -> str:
    """Return the line with what a reader would not see written out: it may make code look like other code."""
    return "".join(
        each if each == "\t" or unicodedata.category(each) not in _HIDDEN else f"\\u{{{ord(each):x}}}" for each in line
    )
