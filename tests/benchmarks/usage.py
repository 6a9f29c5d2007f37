"""What each package says that it used, beside what the server counted."""

from __future__ import annotations

from benchmarks.bench import Bench
from benchmarks.children import CHILD, fan_out
from benchmarks.figure import Figure, compared
from benchmarks.scripted_model import Troubles, answer

__all__ = ["measure"]

_CALLS, _CHILDREN = 6, 2
_REFUSED = Troubles(refused=3, dropped=10**9, stalled=10**9, retry_after=0.05)
_KINDS = {"calls": "calls", "input": "tokens in", "output": "tokens out"}


def measure(bench: Bench) -> list[Figure]:
    """Return what is reported in hundredths of what was asked for; children and sub-calls count."""
    figures = []
    what = f"usage, {_CALLS} calls and {_CHILDREN} children"
    for troubles, when in ((None, ""), (_REFUSED, ", one call in three refused at first")):
        shares = bench.each(_shares, troubles)
        for kind, label in _KINDS.items():
            named = f"{what}{when}: {label} reported" if kind == "calls" else f"  {label}"
            values = compared({name: share.get(kind) if share else None for name, share in shares.items()})
            figures.append(Figure(named, "%", *values, exactly=100))
    return figures


def _shares(bench: Bench, name: str, troubles: Troubles | None) -> dict[str, float]:
    code = (
        f"first = [llm_query(f'prompt {{number}}') for number in range({_CALLS // 2})]",
        f"more = llm_query_batched([f'prompt {{number}}' for number in range({_CALLS // 2}, {_CALLS})])",
        f"assert first + more == [f'reply to prompt {{number}}' for number in range({_CALLS})], (first, more)",
        *fan_out(name, _CHILDREN),
        f"assert answers == ['its answer'] * {_CHILDREN}, answers",
    )
    bench.model.play(answer(*code), package=name, child=CHILD, children=_CHILDREN, troubles=troubles)
    (completion,) = bench.complete(name, 1, iterations=3, depth=2)
    counted = bench.model.counted()
    asked = {"calls": counted.calls, "input": counted.input, "output": counted.output}
    assert completion.answer == "42", f"{name} answered {completion.answer}"
    return {kind: 100 * said / asked[kind] for kind, said in completion.usage.items()}
