"""Child runs are shown in their place: listed first, some of them in full, and never more than one can read."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import nbformat
import pytest
from markdown_it import MarkdownIt

from rlm_jupyter.trace.artifacts.bundle import RUN_MIME_TYPE
from rlm_jupyter.trace.artifacts.trajectory import trajectory
from rlm_jupyter.trace.recorder import Recorder
from rlm_jupyter.trace.redaction import Redactor
from rlm_jupyter.trace.schema import ErrorRecord, RunEnd, RunStart

MakeRun = Callable[..., Any]


@pytest.fixture
def many(make_run: MakeRun, make_block: Callable[..., Any]) -> Any:
    """A run with a batch of 64 children, 8 at a time, who all have much to say; one failed."""
    long = "x" * 30_000
    children = [
        make_run(
            question=f"question {number}\n{long}",
            answer=f"answer {number}\n{long}",
            iterations=[
                (f"reply {number} {long}", [make_block(f"print({number})  # {long}", printed(f"{number} {long}"))]),
                ("FINAL(it)", []),
            ],
        )
        for number in range(64)
    ]
    children[3].status, children[3].answer = "error", None
    children[3].error = ErrorRecord(name="ClientError", message="the server is gone")
    block = make_block("rlm_query_batched(prompts)", children=children, width=8)
    return make_run(iterations=[("go", [block]), ("FINAL(42)", [])])


def printed(text: str) -> list[dict[str, Any]]:
    return [{"output_type": "stream", "name": "stdout", "text": text}]


def nested(make_run: MakeRun, make_block: Callable[..., Any], depth: int, width: int) -> Any:
    """A run with children of children, as deep and as wide as said."""
    if depth == 0:
        return make_run(question="the deepest question", answer="the deepest answer", iterations=[("FINAL(x)", [])])
    children = [nested(make_run, make_block, depth - 1, width) for _ in range(width)]
    block = make_block("rlm_query_batched(p)", children=children)
    return make_run(question=f"question {depth}", answer=f"answer {depth}", iterations=[("go", [block])])


def test_a_page_lists_all_children_in_the_order_of_the_batch_and_unfolds_the_first(many: Any) -> None:
    markdown = many.record().to_markdown()
    assert "#### Child Runs (64)\n\n*64 child runs · 63 answered · 1 failed · 12,800 tokens in" in markdown
    lines = [markdown.index(f": question {number} → answer {number}\n") for number in (0, 1, 2, 10, 62)]
    assert lines == sorted(lines)
    failed = next(line for line in markdown.splitlines() if line.startswith("4. failed · gpt-test · 2 iterations"))
    assert failed.endswith(": question 3 → ClientError: the server is gone")
    assert "<summary>Child Run 20 · answered" in markdown
    assert "<summary>Child Run 21 · answered" not in markdown
    assert "What 44 more child runs did, the store or the log holds." in markdown
    assert "reply 19" in markdown
    assert "ClientError: the server is gone" in markdown
    assert len(markdown) < 400_000
    assert "· 64 child runs ·" in markdown.splitlines()[-1]


def test_the_notebook_tells_of_children_in_one_cell_below_the_code_that_asked(many: Any) -> None:
    notebook = many.record().to_notebook()
    nbformat.validate(notebook)
    roles = [cell["metadata"]["tags"][-1] for cell in notebook["cells"]]
    told = ["role-assistant", "role-code", "role-child-runs", "role-assistant"]
    assert roles == ["rlm-title", "rlm-metadata", "rlm-resume", *told, "rlm-report"]
    title, facts, children = notebook["cells"][0], notebook["cells"][1], notebook["cells"][5]
    assert "· 64 child runs ·" in title["source"]
    assert "| child runs | 64 |" in facts["source"]
    assert children["source"].count("<details>") == children["source"].count("</details>") == 20
    assert len(json.dumps(notebook)) < 400_000


def test_a_display_stays_small(many: Any, make_run: MakeRun, make_block: Callable[..., Any]) -> None:
    bundle = many.record().mimebundle()
    assert "64 child runs · 63 answered · 1 failed" in bundle["text/html"]
    assert "question 63 → answer 63" in bundle["text/html"]
    assert len(json.dumps(bundle)) < 400_000
    assert bundle[RUN_MIME_TYPE]["children"] == 64
    wide = nested(make_run, make_block, 2, 30).record()
    assert len(wide.children) == 930
    html = wide.mimebundle()["text/html"]
    assert html.count("<details") == html.count("</details>")
    assert len(html) < 400_000


def test_what_is_cut_from_the_tree_of_a_display_is_what_is_deepest(
    many: Any, make_run: MakeRun, make_block: Callable[..., Any]
) -> None:
    view = nested(make_run, make_block, 2, 30).record().mimebundle()[RUN_MIME_TYPE]
    ids = [span["id"] for span in view["spans"]]
    assert len(ids) == 500
    assert all(span["parent"] in ids[:place] for place, span in enumerate(view["spans"]) if place)
    assert sum(span["kind"] == "run" and span["name"] == "question 1" for span in view["spans"]) == 30
    kinds = [span["kind"] for span in many.record().mimebundle()[RUN_MIME_TYPE]["spans"]]
    assert kinds.count("run") == 65


def test_children_of_children_stand_in_their_parents_and_the_deeper_the_fewer(
    make_run: MakeRun, make_block: Callable[..., Any]
) -> None:
    trace = nested(make_run, make_block, 3, 8).record()
    assert len(trace.children) == 8 + 64 + 512
    markdown = trace.to_markdown()
    assert markdown.count("<summary>Child Run") == 8 + 8 * 5 + 8 * 5 * 2
    assert markdown.index("question 3") < markdown.index("question 2") < markdown.index("the deepest question")
    html = str(MarkdownIt("js-default", {"html": True}).render(markdown))
    assert html.count("<details>") == html.count("</details>") == 8 + 8 * 5 + 8 * 5 * 2
    facts = trace.to_notebook()["cells"][1]["source"]
    assert "| child runs | 584, 3 levels deep |" in facts


def test_a_child_alone_is_shown_without_a_list(run: Any) -> None:
    markdown = run.record().to_markdown()
    assert "#### Child Runs" not in markdown
    assert "<summary>Child Run · answered · gpt-test · 1 iteration" in markdown
    assert "· 1 child run ·" in markdown


def test_the_fields_trajectory_has_a_child_as_a_call_with_a_trajectory_of_its_own(run: Any) -> None:
    told = trajectory(run.record())
    *calls, child = told["iterations"][1]["code_blocks"][0]["result"]["rlm_calls"]
    assert [call["prompt"] for call in calls] == ["Is it here?", "Or here?"]
    assert (child["prompt"], child["response"]) == ("What is in the half?", "A text.")
    assert child["usage_summary"]["model_usage_summaries"]["gpt-test"]["total_calls"] == 1
    (iteration,) = child["metadata"]["iterations"]
    assert iteration["code_blocks"][0]["result"]["stdout"] == "1\n"
    json.dumps(told)


def test_summing_up_a_conversation_is_a_line_and_no_reply(run: Any) -> None:
    run.compacted_at = 2
    trace = run.record()
    line = "the conversation was summed up · 100 tokens in, 10 out"
    assert f"*{line}" in trace.to_markdown()
    assert line in trace.mimebundle()["text/html"]
    (told,) = [cell["source"] for cell in trace.to_notebook()["cells"] if line in cell["source"]]
    assert told.startswith("## Iteration 2")
    second = trajectory(trace)["iterations"][1]
    assert "In short" not in second["response"]
    assert second["compactions"] == ["In short: nothing so far."]
    for shown in (trace.to_markdown(), trace.mimebundle()["text/html"], told):
        assert "In short" not in shown


def test_an_answer_that_was_refused_is_told_with_the_reason(run: Any) -> None:
    run.rejected = "year: <b>Input</b> should be a valid integer"
    trace = run.record()
    assert trace.to_markdown().count("**The answer was not accepted**: year: &lt;b&gt;Input") == 2
    cells = [cell for cell in trace.to_notebook()["cells"] if "role-rejected" in cell["metadata"]["tags"]]
    assert [cell["metadata"]["tags"][1] for cell in cells] == ["iteration-1", "iteration-2"]
    assert "The answer was not accepted</b>: year: &lt;b&gt;Input" in trace.mimebundle()["text/html"]
    assert [iteration.get("rejected") for iteration in trajectory(trace)["iterations"]] == [run.rejected] * 2 + [None]


def test_a_child_that_no_code_block_claims_is_shown_too(run: Any) -> None:
    recorder = Recorder(Redactor(environ={}))
    begin = RunStart(question="What?", model="m", backend="b", environment="local", max_iterations=3)
    root = recorder.start(begin)
    run.record_in(recorder)
    recorder.end(root, RunEnd(answer="done"))
    trace = recorder.trace
    assert "<summary>Child Run · answered" in trace.to_markdown()
    assert "1 child run · 1 answered" in trace.mimebundle()["text/html"]
    (cell,) = [cell for cell in trace.to_notebook()["cells"] if "role-child-runs" in cell["metadata"]["tags"]]
    assert "What is the answer?" in cell["source"]
