"""``%rlm cost``: what the last run, this session and this kernel have used, and what it cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.display import display

from rlm_jupyter.core.usage import ModelUsageSummary, UsageSummary
from rlm_jupyter.trace.artifacts.inert import without_controls

from .tables import cell

if TYPE_CHECKING:
    from .rlm_magics import RLMMagics

__all__ = ["cost_words", "show_cost"]

_HEADER = ("", "calls", "tokens in", "of them cached", "tokens out", "of them reasoning", "cost")
_SMALLEST = 0.00005  # dollars; less would be shown as nothing


def show_cost(magics: RLMMagics) -> None:
    """Show the usage of the last run by model, and the totals of the run, the session and the kernel."""
    traces = magics.journal.traces
    rows: list[tuple[str, ...]] = []
    if traces:
        last = traces[-1].usage
        rows += [_row(model, used) for model, used in sorted(last.model_usage_summaries.items())]
        rows.append(_row("last run", last.total))
    rows.append(_row("this session", _session_total(magics)))
    rows.append(_row("this kernel", magics.journal.spent.total))
    _show_table("Cost", rows, _notes(magics))


def cost_words(used: ModelUsageSummary) -> str:
    """Return US dollars for people: ``$0.0123``, ``at least $0.0123 (2 calls of unknown price)`` or ``unknown``."""
    if not used.unpriced_calls:
        return _money(used.total_cost or 0.0)
    if not used.total_cost:
        return "unknown"
    calls = f"{used.unpriced_calls:,} call{'' if used.unpriced_calls == 1 else 's'}"
    return f"at least {_money(used.total_cost)} ({calls} of unknown price)"


def _money(cost: float) -> str:
    if 0 < cost < _SMALLEST:
        return "under $0.0001"
    return f"${cost:,.2f}" if cost >= 1 or cost == 0 else f"${cost:.4f}"


def _row(name: str, used: ModelUsageSummary) -> tuple[str, ...]:
    calls = f"{used.total_calls:,}" + (f" + {used.cached_calls:,} from the cache" if used.cached_calls else "")
    counts = (
        used.total_input_tokens,
        used.total_cached_input_tokens,
        used.total_output_tokens,
        used.total_reasoning_tokens,
    )
    return (without_controls(name), calls, *(f"{count:,}" for count in counts), cost_words(used))


def _notes(magics: RLMMagics) -> list[str]:
    traces = magics.journal.traces
    if not traces:
        return ["No question was asked in this kernel yet."]
    spent, lost = magics.journal.spent.total, magics.journal.lost
    notes = []
    if traces[-1].run.backend == "offline":
        notes.append("The offline extractor costs nothing; its tokens are words.")
    if spent.unpriced_calls > lost:
        notes.append("unknown: the server did not say what it cost, and no list price is known of its models.")
    if lost:
        calls = "1 call was" if lost == 1 else f"{lost:,} calls were"
        notes.append(
            f"unknown: {calls} sent and gave no reply, as the connection broke or the run was stopped; what the server "
            "takes for that, if anything, it did not say."
        )
    if spent.cached_calls:
        notes.append("Replies from the cache were paid for before: they count neither as calls nor as tokens.")
    if _requests(spent) > _requests(_session_total(magics)):
        notes.append(
            "this kernel: with what was asked with --fresh, in other sessions and in Python, none of which is part of "
            "this session."
        )
    return notes


def _session_total(magics: RLMMagics) -> ModelUsageSummary:
    session = magics.conversations.current
    return (session.usage_summary if session is not None else UsageSummary()).total


def _requests(used: ModelUsageSummary) -> int:
    return used.total_calls + used.cached_calls


def _show_table(title: str, rows: list[tuple[str, ...]], notes: list[str]) -> None:
    """Show rows under the header, as a table and as lines; numbers stand on the right."""
    widths = [max(len(row[at]) for row in (_HEADER, *rows)) for at in range(len(_HEADER))]
    plain = ["  ".join([row[0].ljust(widths[0]), *_right(row[1:], widths[1:])]) for row in (_HEADER, *rows)]
    cells = [f"| {' | '.join(map(cell, row))} |" for row in (_HEADER, *rows)]
    cells.insert(1, f"|:--|{'--:|' * (len(_HEADER) - 1)}")
    data = {
        "text/plain": "\n".join([title, *(line.rstrip() for line in plain), *notes]),
        "text/markdown": "\n".join([f"**{title}**", "", *cells, *(f"\n{cell(note)}" for note in notes)]),
    }
    display(data, raw=True)


def _right(texts: tuple[str, ...], widths: list[int]) -> list[str]:
    return [text.rjust(width) for text, width in zip(texts, widths, strict=True)]
