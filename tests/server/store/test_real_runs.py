"""What is stored of real runs: the trace that comes out is the one that went in, and so is every artifact of it."""

from __future__ import annotations

import random

import pytest
from family import asked, family, trace_of
from scripted_server import ScriptedServer
from scripts import code

from rlm_jupyter import RLM, RLMError
from rlm_jupyter.server.store import Store
from rlm_jupyter.trace.artifacts.html_summary import html_summary
from rlm_jupyter.trace.artifacts.notebook import to_notebook
from rlm_jupyter.trace.artifacts.trajectory import trajectory
from rlm_jupyter.trace.schema import SpanEnd
from rlm_jupyter.trace.trace import Trace

BATCHES = family(
    code("print(rlm_query_batched(['a', 'b', 'c', 'd']))", "llm_query_batched(['x'] * 20)", "1 / 0"),
    code("from IPython.display import HTML, display", "display(HTML('<b>é</b>'))", "rlm_query('ünï\\x00code')"),
    "FINAL(done 🎉)",
    child=code("print(llm_query('deep'))", "FINAL(context)"),
)


@pytest.fixture(scope="module")
def traces() -> list[Trace]:
    """Runs with batches, children and errors, one that failed, and one of the offline extractor."""
    found = []
    with ScriptedServer(BATCHES) as server, asked(server) as rlm:
        found.append(trace_of(rlm.completion("parent")))
    with ScriptedServer(lambda _: code("1 / 0")) as server, asked(server, max_errors=1) as rlm:
        with pytest.raises(RLMError) as failed:
            rlm.completion("parent")
        found.append(trace_of(failed.value))
    with RLM(backend="offline") as rlm:
        contracts = [f"The contract with A{number} ends in {2100 - number}." for number in range(300)]
        found.append(trace_of(rlm.completion(contracts, "Which contract ends in 1950?")))
    return found


def test_a_run_comes_out_as_it_went_in(store: Store, traces: list[Trace]) -> None:
    chance = random.Random(2)
    for trace in traces:
        events = list(trace.events)
        chance.shuffle(events)
        for first in range(0, len(events), 10):
            _, refused = store.take("k", None, events[first : first + 10])
            assert refused == 0
        kept = store.trace(trace.run_id)
        row = store.run(trace.run_id)
        assert kept is not None
        assert row is not None
        assert kept.events == trace.events
        assert kept.to_jsonl() == trace.to_jsonl()
        assert kept.to_markdown() == trace.to_markdown()
        assert to_notebook([kept]) == to_notebook([trace])
        assert html_summary(kept) == html_summary(trace)
        assert trajectory(kept) == trajectory(trace)
        assert kept.mimebundle() == trace.mimebundle()
        assert (row.status, row.answer, row.whole) == (trace.status, trace.answer, True)
        assert (row.iterations, row.subcalls, row.children) == (
            *(len(trace.iterations), len(trace.subcalls), len(trace.children)),
        )
        assert (row.input_tokens, row.output_tokens) == (
            *(trace.usage.total_input_tokens, trace.usage.total_output_tokens),
        )
        assert row.cost == trace.usage.total_cost
        calls = {model: usage.total_calls for model, usage in trace.usage.model_usage_summaries.items()}
        assert {each.model: each.calls for each in store.usage(trace.run_id)} == calls
    assert traces[0].children
    assert traces[1].status == "limit"


def test_a_run_whose_kernel_died_has_artifacts_too(store: Store, traces: list[Trace]) -> None:
    for trace in traces:
        ends = [number for number, event in enumerate(trace.events) if isinstance(event, SpanEnd)]
        store.take("k", None, trace.events[: ends[len(ends) // 2]])
    assert {change.status for change in store.abandon("k")} == {"interrupted"}
    for trace in traces:
        kept = store.trace(trace.run_id)
        assert kept is not None
        assert kept.status == "interrupted"
        assert all(span.end is not None for span in kept.spans.values())
        assert "The kernel, or the server that listened to it, ended before the run did." in kept.to_markdown()
        to_notebook([kept])
        html_summary(kept)
