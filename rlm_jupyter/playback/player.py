"""Plays the cells of a trace notebook: each cell that holds a recorded block runs as it ran, over recorded answers."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rlm_jupyter.core.results import CellError, REPLResult
from rlm_jupyter.core.scope import CELL_FILE_PREFIX
from rlm_jupyter.environments.cells.interrupted import CellInterrupted
from rlm_jupyter.runs.earlier import EarlierBlock, EarlierRun
from rlm_jupyter.runs.inputs import lists_names
from rlm_jupyter.trace.artifacts.facts import count_text
from rlm_jupyter.trace.redaction import Redactor
from rlm_jupyter.trace.schema import CodeEnd, ErrorRecord
from rlm_jupyter.trace.values.sources import names_in

from .answers import RecordedQueries
from .differences import Difference
from .given import check_inputs
from .live import live_queries
from .patience import limited, seconds_for
from .report import ReplayReport
from .retold import Retold, place_of
from .stage import Stage
from .surroundings import Inputs, conversations

if TYPE_CHECKING:
    from IPython.core.interactiveshell import ExecutionInfo, InteractiveShell

__all__ = ["Player", "run_block"]

_CALL = "__import__('rlm_jupyter.playback.player', fromlist=['run_block']).run_block()"
_FILE = re.compile(re.escape(CELL_FILE_PREFIX) + r"\d+")
_SYNTAX_ERRORS = ("IndentationError", "SyntaxError", "TabError")

_playing: list[Player] = []
"""The one that plays in this process, if any does."""


def run_block() -> None:
    """Run the block that the current cell holds: what such a cell is made to say when it is run."""
    _playing[-1].run_due()


class Player:
    """Plays the blocks of one run in the shell's cells, from ``begin`` to ``end``.

    ``values`` are given for variables that the recording does not hold; ``live`` is that of ``live_queries``.
    """

    def __init__(
        self,
        shell: InteractiveShell,
        run: EarlierRun,
        stage: Stage,
        values: Mapping[str, Any],
        live: Any,
    ) -> None:
        self._shell = shell
        self.run = run
        self.stage = stage
        self._values = values
        self._live = live
        self._codes = [_plain(block.start.code) for block in run.blocks]
        self._unparsed = {
            code for code, block in zip(self._codes, run.blocks, strict=True) if _failed_with(block) in _SYNTAX_ERRORS
        }
        self._histories = list(conversations(run))[:-1]  # the last one is the whole, once the run is over
        self._next = 0
        self._due: EarlierBlock | None = None
        self._seen: set[str] = set()
        self._at_work = False
        self._laid = ExitStack()
        self._retold = Retold(run, Redactor())
        self._found: dict[str, list[Difference]] = {}

    @property
    def report(self) -> ReplayReport:
        """What came of the blocks that were run so far, of each when it was run last."""
        blocks = [block for block in self.run.blocks if block.span.span_id in self._found]
        differences = [each for block in blocks for each in self._found[block.span.span_id]]
        report = ReplayReport([self.run.trace.run_id], differences, len(blocks), calls=self._queries.answered)
        report.cut = [place_of(block, self.run) for block in blocks if block.end is None]
        report.asked_live = sum(call.live for call in self._queries.missing)
        left = sum(block.start.review != "rejected" for block in self.run.blocks) - len(blocks)
        if left:
            report.notes.append(f"{count_text(left, 'code block')} of this run not run yet.")
        return report

    def begin(self) -> None:
        """Lay the scaffold over the namespace, and take over the cells that hold a recorded block."""
        with ExitStack() as laid:
            live = live_queries(self._live)
            if live is not None:
                laid.callback(live.close)
                if live.notice is not None:
                    print(live.notice)  # noqa: T201 - the cell's output
            queries = RecordedQueries(self.run, Redactor(), live)
            self._queries = queries
            laid.callback(self.stage.cleanup)
            laid.enter_context(self.stage.running(queries))
            self._inputs = Inputs(self.run.trace, self.stage, self._values)
            transformers: list[Any] = self._shell.ast_transformers  # which need a ``visit``, and no more
            _hook(laid, transformers, self)
            _hook(laid, self._shell.input_transformers_cleanup, self._stand_in)
            _hook(laid, _playing, self)
            for event, callback in (("pre_run_cell", self._before_cell), ("post_run_cell", self._after_cell)):
                self._shell.events.register(event, callback)
                laid.callback(self._shell.events.unregister, event, callback)
            self._laid = laid.pop_all()

    def end(self) -> None:
        """Give the namespace back as it was, but for the variables that the blocks made. May be called twice."""
        self._laid.close()

    def visit(self, tree: ast.AST) -> ast.AST:
        """Return the tree of the cell to run: where it holds a recorded block, one that runs this block."""
        if self._due is None or not isinstance(tree, ast.Module):
            return tree
        return ast.parse(_CALL)

    def run_due(self) -> None:
        """Run the block, show its outputs as the cell's, and raise what it raised."""
        block, self._due = self._due, None
        if block is None:
            return
        inputs = block.start.inputs
        self._inputs.bind(block)
        check_inputs(inputs, self._values, self._inputs.left_out)
        self._seen |= {record.name for record in inputs}
        self.stage.hide(self._seen, listed=lists_names(names_in(block.start.code)))
        for seq, messages in self._histories:
            if seq < block.span.start.seq:
                self.stage.keep_history(messages)
        self._queries.begin(block)
        recorded = _Recorded.of(block)
        self._at_work = True
        try:
            with limited(self.stage, seconds_for(block)):
                result = self.stage.played(
                    block.start.code, in_a_loop=recorded.in_a_loop, shows_figures=recorded.shows_figures
                )
        except CellInterrupted as interrupt:
            self._show(interrupt.result)
            raise
        finally:
            self._at_work = False
            self._queries.begin(None)
        result = replace(result, outputs=[recorded.output(each) for each in result.outputs])
        now = self._retold.end(block, result)
        self._found[block.span.span_id] = self._retold.differences(place_of(block, self.run), block, now)
        self._show(result)
        if result.error is not None:
            raise recorded.raised(result.error)

    def _before_cell(self, info: ExecutionInfo) -> None:
        self._due = self._block_of(str(info.raw_cell))

    def _after_cell(self, result: Any = None) -> None:
        """Forget the block of a cell that failed before it came to it."""
        del result
        self._due = None

    def _block_of(self, code: str) -> EarlierBlock | None:
        """Return the block that a cell holds: the next one of this code, else one of those before, as if anew."""
        wanted = _plain(code)
        order = (*range(self._next, len(self._codes)), *reversed(range(self._next)))
        at = next((index for index in order if self._codes[index] == wanted), None)
        if at is None:
            return None
        self._next = at + 1
        return EarlierBlock(self.run.trace, self.run.blocks[at].span)

    def _stand_in(self, lines: list[str]) -> list[str]:
        """Return for code that is no Python something that is, in whose place the recorded block then runs."""
        if self._at_work or not self._unparsed:
            return lines
        return ["None\n"] if _plain("".join(lines)) in self._unparsed else lines

    def _show(self, result: REPLResult) -> None:
        for output in result.outputs:
            kind = output["output_type"]
            if kind == "stream":
                stream = sys.stderr if output["name"] == "stderr" else sys.stdout
                stream.write(output["text"])
                stream.flush()
            elif kind == "display_data":
                self._shell.display_pub.publish(output["data"], output["metadata"])
            elif kind == "execute_result":
                self._show_value(_Shown(output["data"], output["metadata"]))

    def _show_value(self, shown: _Shown) -> None:
        """Make the value the cell's result, and what ``_`` and ``Out`` hold the value itself."""
        self._shell.displayhook(shown)
        namespace, value = self._shell.user_ns, self.stage.value
        kept: Any = namespace.get("Out")
        for place in (namespace, kept if isinstance(kept, dict) else {}):
            for name in [name for name, each in place.items() if each is shown]:
                place[name] = value


@dataclass(frozen=True, slots=True)
class _Recorded:
    """What is to be known of how a block ran when it was recorded.

    ``files`` is how the files of its run's code were called: ``<rlm 3``, up to the number of the cell. ``error`` is
    what it raised; of one that was ``cut``, what its cell shows of that.
    """

    in_a_loop: bool
    shows_figures: bool
    files: str | None
    error: ErrorRecord | None
    cut: bool

    @classmethod
    def of(cls, block: EarlierBlock) -> _Recorded:
        """Read it off the block's outputs."""
        ended = block.span.end.payload if block.span.end is not None else None
        end = ended if isinstance(ended, CodeEnd) else CodeEnd()
        error = end.error
        texts = [str(output.get("text", "")) for output in end.outputs] + [error.traceback or "" if error else ""]
        found = next((match[0] for text in texts if (match := _FILE.search(text)) is not None), None)
        pictures = any(form.startswith("image/") for output in end.outputs for form in output.get("data") or {})
        in_a_loop = error is not None and "event loop" in error.message
        return cls(in_a_loop, pictures, found, error, block.end is None)

    def renamed(self, text: str) -> str:
        """Return the text with the names that files of code had then."""
        return _FILE.sub(self.files, text) if self.files is not None else text

    def output(self, output: dict[str, Any]) -> dict[str, Any]:
        """Return an output with these names where it is a text that was printed."""
        return {**output, "text": self.renamed(output["text"])} if output["output_type"] == "stream" else output

    def raised(self, now: CellError) -> Exception:
        """Return an exception that a notebook shows as what the block raised now.

        Where that is the recorded error, out of the same lines of code, it is shown as it was: below these lines a
        model was asked then, and the recording is now. So is what a block raised when it was cut.
        """
        then, message, traceback = self.error, self.renamed(now.message), self.renamed(now.traceback)
        if then is None or not (self.cut or (then.name, then.message) == (now.name, message)):
            return _raised(now.name, message, traceback)
        same = _lines_of_code(then.traceback or "") == _lines_of_code(traceback)
        return _raised(then.name, then.message, then.traceback or traceback if same else traceback)


def _lines_of_code(traceback: str) -> list[str]:
    return [line for line in traceback.split("\n") if _FILE.search(line) is not None]


def _hook(laid: ExitStack, hooks: list[Any], hook: Any) -> None:
    """Add the hook until what was laid is lifted; by then somebody else may have taken it away."""

    def remove() -> None:
        with suppress(ValueError):
            hooks.remove(hook)

    hooks.append(hook)
    laid.callback(remove)


class _Shown:
    """A display as it was put out."""

    def __init__(self, data: dict[str, Any], metadata: dict[str, Any]) -> None:
        self._display = data, metadata

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        del include, exclude
        return self._display


def _raised(name: str, message: str, traceback: str) -> Exception:
    """Return an exception that a notebook shows as the one that was raised."""
    lines = traceback.rstrip("\n").split("\n")
    methods = {"__str__": lambda _: message, "_render_traceback_": lambda _: lines}
    error: Exception = type(name, (Exception,), methods)(message)
    return error


def _plain(code: str) -> str:
    """Return the code without what front ends change when they save a notebook."""
    return code.replace("\r\n", "\n").rstrip()


def _failed_with(block: EarlierBlock) -> str | None:
    return block.end.error.name if block.end is not None and block.end.error is not None else None
