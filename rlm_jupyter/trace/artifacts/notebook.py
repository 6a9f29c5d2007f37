"""Traces as a notebook (nbformat 4.5): a pure function of them, so that the same traces give the same cells and ids."""

from __future__ import annotations

import itertools
import math
import platform
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, TypeAlias

from rlm_jupyter.core.observation import head_and_tail
from rlm_jupyter.trace.bounds import TEXT_LIMIT
from rlm_jupyter.trace.digest import PLAY_TAG, REPORT_TAG, cell_digest, cells_digest
from rlm_jupyter.trace.omitted import Tally
from rlm_jupyter.trace.schema import SCHEMA_VERSION, CodeEnd, ContextRecord, IterationStart, RunStart
from rlm_jupyter.trace.trace import Span, Trace

from .facts import (
    child_count,
    code_of,
    cost_of,
    cost_text,
    count_text,
    error_of,
    is_compaction,
    iteration_title,
    omitted_below,
    outcome_text,
    prose_of,
    rejection_of,
    reply_to,
    run_line,
    seconds_text,
    status_text,
    subcall_count,
    token_counts,
    tokens_of,
    tokens_text,
)
from .inert import fenced, folded, inert_markdown, plain_text
from .markdown import children_markdown, compaction_markdown, rejection_markdown, subcalls_markdown
from .outputs import notebook_outputs, output_size
from .play_cell import PlayCell
from .replies import pictures_of, remarks_markdown
from .review import notes_markdown, proposed_code, review_markdown, review_of
from .room import Room

__all__ = ["Cell", "has_run", "notebook_of", "run_cells", "session_of", "to_notebook"]

Cell: TypeAlias = dict[str, Any]
"""A cell in nbformat's shape."""

_REPORT = "# Says what came out otherwise than it was recorded.\nimport rlm_jupyter\n\nrlm_jupyter.played()"
_NO_ID_CHARACTER = re.compile(r"[^a-zA-Z0-9_-]")
_ID_LENGTH = 64  # nbformat 4.5

# Characters of one run. Together they make a file that JupyterLab still opens.
_WORDS = 4_000_000  # prose and code
_OUTPUTS = 8_000_000
_ASKED = 4_000_000  # sub-calls and child runs

_SMALL = 200
"""Characters of a block's outputs that are shown in any case."""

_ELSEWHERE = "too much for this notebook; the store or the log holds it"


def to_notebook(traces: Sequence[Trace]) -> dict[str, Any]:
    """Return a notebook of the traces: title and answer, facts, and per iteration prose, code cells and sub-calls.

    Code cells hold the code and the outputs that were recorded; before them stands one that holds the recording and
    plays them again. What child runs executed is shown as text, since it ran in namespaces of their own. Traces that
    hold no run are left out. Of a huge run there is as much as a browser can show: the first outputs, sub-calls and
    iterations, and how many more there were.
    """
    told = [trace for trace in traces if has_run(trace)]
    numbers = itertools.count(1)
    cells = [cell for trace in told for cell in _cells(_Page(trace, numbers), PlayCell.of(trace, math.inf))]
    digest = cells_digest(cell_digest(cell) for cell in cells)
    return notebook_of(cells, digest, session_of(told[0]) if told else "", [trace.run_id for trace in told])


def run_cells(trace: Trace, first: int, play: PlayCell) -> list[Cell]:
    """Return the cells of one run, with this one to play it; ``first`` is the execution count of its first code."""
    return list(_cells(_Page(trace, itertools.count(first)), play))


def has_run(trace: Trace) -> bool:
    """Return whether the trace is of a run, and so has cells."""
    return trace.root is not None and trace.root.kind == "run"


def session_of(trace: Trace) -> str:
    """Return the session that a notebook belongs to when this run is its first; a run alone is its own."""
    return trace.run.session_id or trace.run_id


def notebook_of(cells: list[Cell], digest: str, session_id: str, run_ids: Sequence[str]) -> dict[str, Any]:
    """Return the cells as a notebook that says whose it is and, by the digest, what it held when it was written."""
    ours = {
        "schema_version": SCHEMA_VERSION,
        "session_id": session_id,
        "run_ids": list(run_ids),
        "digest": digest,
    }
    metadata = {
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        # All that ipykernel says of itself: JupyterLab adds what is missing, and then takes the notebook for unsaved.
        "language_info": {
            "codemirror_mode": {"name": "ipython", "version": 3},
            "file_extension": ".py",
            "mimetype": "text/x-python",
            "name": "python",
            "nbconvert_exporter": "python",
            "pygments_lexer": "ipython3",
            "version": platform.python_version(),
        },
        "jupytext": {"formats": "ipynb"},  # or it would pair every notebook with a text file, where it is told so
        "rlm_jupyter": ours,
    }
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


@dataclass(frozen=True, slots=True)
class _Page:
    """A run that is being told: how code cells are numbered, and how much room there is for each sort of thing."""

    trace: Trace
    numbers: Iterator[int]
    words: Room = field(default_factory=lambda: Room(_WORDS))
    outputs: Room = field(default_factory=lambda: Room(_OUTPUTS))
    asked: Room = field(default_factory=lambda: Room(_ASKED))


def _cells(page: _Page, play: PlayCell) -> Iterator[Cell]:
    root = page.trace.root
    if root is None:
        return
    yield _markdown(page, root, "title", ["rlm-title"], _title(page.trace))
    yield _markdown(page, root, "metadata", ["rlm-metadata"], _facts(page.trace))
    yield _ours(page, root, "play", PLAY_TAG, play.source)
    left_out = omitted_below(page.trace, root).steps
    for number, span in enumerate(root.children):
        if page.words.full:
            left_out += len(root.children) - number
            break
        if span.kind == "iteration":
            yield from _iteration(page, span)
        elif is_compaction(span):
            yield _markdown(page, span, "compaction", ["role-compaction"], compaction_markdown(span))
    if left_out:
        told = f"*… and {count_text(left_out, 'more step')}, {_ELSEWHERE}.*"
        yield _markdown(page, root, "left-out", ["rlm-left-out"], told)
    yield from _asked(page, root, [])
    if page.trace.status is not None:
        yield _ours(page, root, "report", REPORT_TAG, _REPORT)


def _title(trace: Trace) -> str:
    question = trace.run.question.strip()
    first_line = question.split("\n")[0]
    title = first_line if len(first_line) <= 120 else f"{first_line[:120]}…"
    parts = [f"# {plain_text(title) or 'RLM'}"]
    if title != question:
        parts.append(fenced(head_and_tail(question, TEXT_LIMIT), "text"))
    parts.append(f"*{plain_text(run_line(trace))}*")
    if trace.damage:
        parts.append(f"*{plain_text(trace.damage)}*")
    error = trace.outcome.error if trace.outcome is not None else None
    if error is not None:
        told = head_and_tail(f"{error.name}: {error.message}", TEXT_LIMIT)
        parts.append(f"**{status_text(trace.status)}**: {plain_text(told)}")
    if trace.answer:
        answer = inert_markdown(head_and_tail(trace.answer, TEXT_LIMIT))
        parts += ["**Answer**" if trace.status == "ok" else "**Partial answer**", answer]
    return "\n\n".join(parts)


def _facts(trace: Trace) -> str:
    run, root = trace.run, trace.root
    rows = [("model", run.model), ("backend", run.backend), ("environment", run.environment)]
    rows.append(("status", outcome_text(trace)))
    if root is not None:
        rows += [("started", _time(root.start.started)), ("took", seconds_text(root.seconds))]
    iterations = f"{len(trace.iterations):,}, of at most {run.max_iterations:,}"
    rows += [("iterations", iterations), ("sub-calls", f"{subcall_count(trace):,}")]
    children = trace.children
    rows += [("child runs", f"{child_count(trace):,}{_depth(run, children)}")] if children else []
    rows += [("tokens", tokens_text(tokens_of(trace))), ("cost", cost_text(cost_of(trace)))]
    rows += [(f"context {record.name}", _context(record)) for record in run.contexts]
    changes = trace.outcome.changes if trace.outcome is not None else {}
    rows += [(f"variables {what}", ", ".join(names)) for what, names in changes.items() if names]
    rows += [(f"version of {name}", version) for name, version in run.versions.items()]
    rows.append(("run", trace.run_id))
    return "\n".join(["| | |", "|---|---|", *(f"| {plain_text(name)} | {plain_text(value)} |" for name, value in rows)])


def _depth(root: RunStart, children: Sequence[Span]) -> str:
    depth = max(child.start.payload.depth for child in children if isinstance(child.start.payload, RunStart))
    return f", {depth - root.depth} levels deep" if depth - root.depth > 1 else ""


def _context(record: ContextRecord) -> str:
    size = "" if record.size is None else f", {record.size:,} {record.unit}"
    preview = record.preview if len(record.preview) <= 200 else f"{record.preview[:200]}…"
    return f"{record.type}{size}: {preview}"


def _iteration(page: _Page, iteration: Span) -> Iterator[Cell]:
    start = iteration.start.payload
    tag = f"iteration-{start.number}" if isinstance(start, IterationStart) else "iteration"
    blocks = [span for span in iteration.children if span.kind == "code"]
    prose = _prose(page, iteration, blocks)
    told = _markdown(page, iteration, "assistant", [tag, "role-assistant"], prose)
    yield _illustrated(page, told, [call for call in iteration.children if call.kind == "model_call"])
    for block in blocks:
        if review_of(block) in ("edited", "rejected"):
            yield _reviewed(page, block, [tag, "role-review"])
        if review_of(block) != "rejected":  # or it would run with the notebook
            yield _code(page, block, [tag, "role-code"])
        yield from _asked(page, block, [tag])
    yield from _asked(page, iteration, [tag])
    if complaint := rejection_of(iteration):
        yield _markdown(page, iteration, "rejected", [tag, "role-rejected"], rejection_markdown(complaint))


def _asked(page: _Page, span: Span, tags: list[str]) -> Iterator[Cell]:
    """Tell which models and child runs were asked right below a span, a code block as a rule."""
    calls = [child for child in span.children if child.kind == "subcall"]
    if calls or omitted_below(page.trace, span).calls.count:
        told_calls = _markdown(page, span, "calls", [*tags, "role-llm-calls"], _folded(page, span, calls))
        yield _illustrated(page, told_calls, calls)
    if told := children_markdown(page.trace, span, 3, page.asked):
        yield _markdown(page, span, "children", [*tags, "role-llm-calls", "role-child-runs"], told)


def _prose(page: _Page, iteration: Span, blocks: Sequence[Span]) -> str:
    trace = page.trace
    parts = [f"## {iteration_title(iteration)}", *notes_markdown(iteration)]
    codes = [proposed_code(block) for block in blocks]
    for call in iteration.children:
        if is_compaction(call):
            parts.append(compaction_markdown(call))
        if call.kind != "model_call" or is_compaction(call) or page.words.full:
            continue
        prose, error = prose_of(reply_to(trace, call), codes), error_of(call)
        if prose:
            parts.append(inert_markdown(prose))
        page.words.take(len(prose))
        parts += remarks_markdown(trace, call)
        if error is not None:
            parts += ["**The model call failed.**", fenced(f"{error.name}: {error.message}", "text")]
    return "\n\n".join(parts)


def _folded(page: _Page, span: Span, calls: Sequence[Span]) -> str:
    omitted = omitted_below(page.trace, span).calls
    taken = Tally(omitted.count, omitted.failed, omitted.input_tokens, omitted.output_tokens)
    taken.add_tokens(*token_counts(calls))
    failed = taken.failed + sum(1 for call in calls if call.status == "error")
    tokens = tokens_text((taken.input_tokens, taken.output_tokens))
    parts = [count_text(len(calls) + omitted.count, "model call"), tokens]
    parts += [f"{failed:,} failed"] if failed else []
    if page.asked.full:
        return f"*{plain_text(' · '.join(parts))}, {_ELSEWHERE}.*"
    return folded(" · ".join(parts), subcalls_markdown(page.trace, calls, page.asked, omitted.count))


def _illustrated(page: _Page, cell: Cell, calls: Sequence[Span]) -> Cell:
    """Return the cell with the pictures that the models were shown in these calls below its text, attached to it."""
    attachments: dict[str, dict[str, str]] = {}
    for blob in pictures_of(page.trace, calls):
        if blob.media_type is not None and page.outputs.take(len(blob.text)):
            name = f"{blob.digest.rpartition(':')[2]}.{blob.media_type.rpartition('/')[2]}"
            attachments[name] = {blob.media_type: blob.text}
    if not attachments:
        return cell
    shown = [f"![a picture that the model was shown](attachment:{name})" for name in attachments]
    return {**cell, "source": "\n\n".join([cell["source"], *shown]), "attachments": attachments}


def _ours(page: _Page, root: Span, role: str, tag: str, source: str) -> Cell:
    """Return a cell of code that no model wrote."""
    cell = _markdown(page, root, role, [tag], source)
    cell["metadata"]["jupyter"] = {"source_hidden": True}
    return {**cell, "cell_type": "code", "execution_count": None, "outputs": []}


def _reviewed(page: _Page, block: Span, tags: list[str]) -> Cell:
    told = review_markdown(block)
    page.words.take(len(told))
    return _markdown(page, block, "review", tags, told)


def _code(page: _Page, block: Span, tags: list[str]) -> Cell:
    code = code_of(block)
    page.words.take(len(code))
    cell = _markdown(page, block, "code", tags, code)
    end = block.end.payload if block.end is not None else None
    if isinstance(end, CodeEnd) and end.error is not None:
        cell["metadata"]["tags"].append("raises-exception")  # who runs the notebook then goes on
    if isinstance(end, CodeEnd) and end.notes:
        cell["metadata"]["rlm_jupyter"]["notes"] = list(end.notes)
    if (review := review_of(block)) is not None:
        cell["metadata"]["rlm_jupyter"]["review"] = review
    number = next(page.numbers)
    return {**cell, "cell_type": "code", "execution_count": number, "outputs": _outputs(page, block, number)}


def _outputs(page: _Page, block: Span, number: int) -> list[dict[str, Any]]:
    outputs = notebook_outputs(block, number)
    size = output_size(outputs)
    if size <= _SMALL or page.outputs.take(size):
        return outputs
    told = f"[{count_text(len(outputs), 'output')} of {size:,} characters, {_ELSEWHERE}]\n"
    return [{"output_type": "stream", "name": "stdout", "text": told}]


def _markdown(page: _Page, span: Span, role: str, tags: list[str], source: str) -> Cell:
    ours: dict[str, Any] = {"run_id": page.trace.run_id, "span_id": span.span_id}
    return {
        "cell_type": "markdown",
        "id": _cell_id(page.trace.run_id, span.span_id, role),
        "metadata": {"tags": ["rlm", *tags], "rlm_jupyter": ours},
        "source": source,
    }


def _cell_id(run_id: str, span_id: str, role: str) -> str:
    tail = _NO_ID_CHARACTER.sub("-", f"-{span_id}-{role}")[-(_ID_LENGTH // 2) :]
    return _NO_ID_CHARACTER.sub("-", run_id)[: _ID_LENGTH - len(tail)] + tail


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, tz=timezone.utc).isoformat(sep=" ", timespec="seconds")
