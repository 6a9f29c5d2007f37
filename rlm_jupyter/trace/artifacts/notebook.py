"""Traces as a notebook (nbformat 4.5): a pure function of them, so that the same traces give the same cells and ids."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import Any, TypeAlias

from rlm_jupyter.trace.digest import cell_digest, cells_digest
from rlm_jupyter.trace.schema import SCHEMA_VERSION, CodeEnd, ContextRecord, IterationStart, RunStart
from rlm_jupyter.trace.trace import Span, Trace

from .children import children_of
from .facts import (
    code_of,
    cost_text,
    count_text,
    error_of,
    is_compaction,
    iteration_title,
    outcome_text,
    prose_of,
    rejection_of,
    reply_to,
    run_line,
    seconds_text,
    status_text,
    token_counts,
    tokens_text,
)
from .inert import fenced, folded, inert_markdown, plain_text
from .markdown import children_markdown, compaction_markdown, rejection_markdown, subcalls_markdown
from .outputs import notebook_outputs

__all__ = ["Cell", "has_run", "notebook_of", "run_cells", "session_of", "to_notebook"]

Cell: TypeAlias = dict[str, Any]
"""A cell in nbformat's shape."""

_NO_ID_CHARACTER = re.compile(r"[^a-zA-Z0-9_-]")
_ID_LENGTH = 64  # nbformat 4.5


def to_notebook(traces: Sequence[Trace]) -> dict[str, Any]:
    """Return a notebook of the traces: title and answer, facts, and per iteration prose, code cells and sub-calls.

    Code cells hold the code and the outputs that were recorded; what child runs executed is shown as text, since it ran
    in namespaces of their own. Traces that hold no run are left out.
    """
    told = [trace for trace in traces if has_run(trace)]
    numbers = itertools.count(1)
    cells = [cell for trace in told for cell in _cells(trace, numbers)]
    digest = cells_digest(cell_digest(cell) for cell in cells)
    return notebook_of(cells, digest, session_of(told[0]) if told else "", [trace.run_id for trace in told])


def run_cells(trace: Trace, first: int = 1) -> list[Cell]:
    """Return the cells of one run; ``first`` is the execution count of its first code cell."""
    return list(_cells(trace, itertools.count(first)))


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
        "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"},
        "rlm_jupyter": ours,
    }
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def _cells(trace: Trace, numbers: Iterator[int]) -> Iterator[Cell]:
    root = trace.root
    if root is None:
        return
    yield _markdown(trace, root, "title", ["rlm-title"], _title(trace))
    yield _markdown(trace, root, "metadata", ["rlm-metadata"], _facts(trace))
    for span in root.children:
        if span.kind == "iteration":
            yield from _iteration(trace, span, numbers)
        elif is_compaction(span):
            yield _markdown(trace, span, "compaction", ["role-compaction"], compaction_markdown(span))
    yield from _asked(trace, root, [])


def _title(trace: Trace) -> str:
    question = trace.run.question.strip()
    first_line = question.split("\n")[0]
    title = first_line if len(first_line) <= 120 else f"{first_line[:120]}…"
    parts = [f"# {plain_text(title) or 'RLM'}"]
    if title != question:
        parts.append(fenced(question, "text"))
    parts.append(f"*{plain_text(run_line(trace))}*")
    if trace.damage:
        parts.append(f"*{plain_text(trace.damage)}*")
    error = trace.outcome.error if trace.outcome is not None else None
    if error is not None:
        parts.append(f"**{status_text(trace.status)}**: {plain_text(f'{error.name}: {error.message}')}")
    if trace.answer:
        parts += ["**Answer**" if trace.status == "ok" else "**Partial answer**", inert_markdown(trace.answer)]
    return "\n\n".join(parts)


def _facts(trace: Trace) -> str:
    run, root = trace.run, trace.root
    rows = [("model", run.model), ("backend", run.backend), ("environment", run.environment)]
    rows.append(("status", outcome_text(trace)))
    if root is not None:
        rows += [("started", _time(root.start.started)), ("took", seconds_text(root.seconds))]
    iterations = f"{len(trace.iterations):,}, of at most {run.max_iterations:,}"
    rows += [("iterations", iterations), ("sub-calls", f"{len(trace.subcalls):,}")]
    children = trace.children
    rows += [("child runs", f"{len(children):,}{_depth(run, children)}")] if children else []
    rows += [("tokens", tokens_text(token_counts(trace.walk()))), ("cost", cost_text(trace.usage.total_cost))]
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


def _iteration(trace: Trace, iteration: Span, numbers: Iterator[int]) -> Iterator[Cell]:
    start = iteration.start.payload
    tag = f"iteration-{start.number}" if isinstance(start, IterationStart) else "iteration"
    blocks = [span for span in iteration.children if span.kind == "code"]
    yield _markdown(trace, iteration, "assistant", [tag, "role-assistant"], _prose(trace, iteration, blocks))
    for block in blocks:
        yield _code(trace, block, [tag, "role-code"], next(numbers))
        yield from _asked(trace, block, [tag])
    yield from _asked(trace, iteration, [tag])
    if complaint := rejection_of(iteration):
        yield _markdown(trace, iteration, "rejected", [tag, "role-rejected"], rejection_markdown(complaint))


def _asked(trace: Trace, span: Span, tags: list[str]) -> Iterator[Cell]:
    """Tell which models and child runs were asked right below a span, a code block as a rule."""
    calls, children = [child for child in span.children if child.kind == "subcall"], children_of(span)
    if calls:
        yield _markdown(trace, span, "calls", [*tags, "role-llm-calls"], _folded(trace, calls))
    if children:
        told = children_markdown(trace, children, 3)
        yield _markdown(trace, span, "children", [*tags, "role-llm-calls", "role-child-runs"], told)


def _prose(trace: Trace, iteration: Span, blocks: Sequence[Span]) -> str:
    parts = [f"## {iteration_title(iteration)}"]
    codes = [code_of(block) for block in blocks]
    for call in iteration.children:
        if is_compaction(call):
            parts.append(compaction_markdown(call))
        if call.kind != "model_call" or is_compaction(call):
            continue
        prose, error = prose_of(reply_to(trace, call), codes), error_of(call)
        if prose:
            parts.append(inert_markdown(prose))
        if error is not None:
            parts += ["**The model call failed.**", fenced(f"{error.name}: {error.message}", "text")]
    return "\n\n".join(parts)


def _folded(trace: Trace, calls: Sequence[Span]) -> str:
    failed = sum(1 for call in calls if call.status == "error")
    parts = [count_text(len(calls), "model call"), tokens_text(token_counts(calls))]
    parts += [f"{failed:,} failed"] if failed else []
    return folded(" · ".join(parts), subcalls_markdown(trace, calls))


def _code(trace: Trace, block: Span, tags: list[str], number: int) -> Cell:
    cell = _markdown(trace, block, "code", tags, code_of(block))
    end = block.end.payload if block.end is not None else None
    if isinstance(end, CodeEnd) and end.notes:
        cell["metadata"]["rlm_jupyter"]["notes"] = list(end.notes)
    return {**cell, "cell_type": "code", "execution_count": number, "outputs": notebook_outputs(block, number)}


def _markdown(trace: Trace, span: Span, role: str, tags: list[str], source: str) -> Cell:
    ours: dict[str, Any] = {"run_id": trace.run_id, "span_id": span.span_id}
    return {
        "cell_type": "markdown",
        "id": _cell_id(trace.run_id, span.span_id, role),
        "metadata": {"tags": ["rlm", *tags], "rlm_jupyter": ours},
        "source": source,
    }


def _cell_id(run_id: str, span_id: str, role: str) -> str:
    tail = _NO_ID_CHARACTER.sub("-", f"-{span_id}-{role}")[-(_ID_LENGTH // 2) :]
    return _NO_ID_CHARACTER.sub("-", run_id)[: _ID_LENGTH - len(tail)] + tail


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, tz=timezone.utc).isoformat(sep=" ", timespec="seconds")
