"""``%rlm cost``, and what the display says of money."""

from __future__ import annotations

from typing import Any

from live_kernel import LiveKernel
from scripted_server import Reply
from scripts import code, says
from stage import Stage

PRICED = {
    "prompt_tokens": 1000,
    "completion_tokens": 10,
    "total_tokens": 1010,
    "cost": 0.02,
    "prompt_tokens_details": {"cached_tokens": 600},
    "completion_tokens_details": {"reasoning_tokens": 4},
}


def row(text: str, name: str) -> list[str]:
    """Return the cells of a row of the table, in its form as lines."""
    line = next(line for line in text.splitlines() if line.startswith(name))
    return line[len(name) :].split()


def shown(stage: Stage, command: str = "%rlm cost") -> dict[str, Any]:
    return dict(stage.kernel.ok(command).of("display_data")[-1]["content"]["data"])


def test_cost_shows_the_last_run_by_model_and_the_totals(stage: Stage) -> None:
    stage.kernel.ok("%rlm new")
    before = row(shown(stage)["text/plain"], "this kernel")
    stage.script = says(Reply(code("llm_query('a', model='small')"), usage=PRICED), Reply("FINAL(x)", usage=PRICED),
                        sub=Reply("s", usage=PRICED))  # fmt: skip
    stage.kernel.ok("%rlm --model big First?")
    stage.script = says(Reply("FINAL(y)", usage=PRICED))
    stage.kernel.ok("%rlm --model big Second?")
    bundle = shown(stage)
    plain = bundle["text/plain"]
    assert row(plain, "big") == row(plain, "last run") == ["1", "1,000", "600", "10", "4", "$0.0200"]
    assert row(plain, "this session") == ["4", "4,000", "2,400", "40", "16", "$0.0800"]
    assert int(row(plain, "this kernel")[0]) == int(before[0]) + 4
    assert "| this session | 4 | 4,000 | 2,400 | 40 | 16 | \\$0.0800 |" in bundle["text/markdown"]


def test_a_run_that_fails_counts_and_an_unknown_price_is_said(stage: Stage) -> None:
    stage.kernel.ok("%rlm new")
    stage.script = says(Reply(code("pass"), usage=PRICED), Reply("no", status=400))
    executed = stage.kernel.run("%rlm First?")
    assert executed.status == "error"
    live = [message["content"]["data"]["text/plain"] for message in executed.of("update_display_data")]
    assert "1,000 tokens in, 10 out · $0.0200" in live[-1]
    assert row(shown(stage)["text/plain"], "this session")[-1] == "$0.0200"
    stage.script = says(Reply("FINAL(y)"))
    stage.kernel.ok("%rlm Second?")
    plain = shown(stage)["text/plain"]
    assert row(plain, "last run")[-1] == "unknown"
    assert " ".join(row(plain, "this session")).endswith("at least $0.0200 (1 call of unknown price)")


UNLISTED = "unknown: the server did not say what it cost"


def test_a_call_that_gave_no_reply_is_told_from_one_without_a_price(stage: Stage) -> None:
    with LiveKernel({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": stage.server.base_url}) as kernel:
        kernel.ok("%config RLMMagics.backend_kwargs = dict(max_retries=0)")
        stage.script = says(Reply("half of it", chunks=["half", " of", " it"], cut_after=1))
        assert kernel.run("%rlm First?").status == "error"
        plain = kernel.ok("%rlm cost").text
        assert row(plain, "last run")[-1] == "unknown"
        assert "unknown: 1 call was sent and gave no reply" in plain
        assert UNLISTED not in plain
        stage.script = says("FINAL(y)")
        kernel.ok("%rlm Second?")
        plain = kernel.ok("%rlm cost").text
        assert "unknown: 1 call was sent and gave no reply" in plain
        assert UNLISTED in plain


def test_what_is_no_part_of_the_session_is_said(stage: Stage) -> None:
    with LiveKernel({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": stage.server.base_url}) as kernel:
        stage.script = says(Reply("FINAL(y)", usage=PRICED))
        kernel.ok("%rlm First?")
        assert "--fresh" not in kernel.ok("%rlm cost").text
        kernel.ok("%rlm --fresh Second?")
        plain = kernel.ok("%rlm cost").text
        assert (row(plain, "this session")[0], row(plain, "this kernel")[0]) == ("1", "2")
        assert "this kernel: with what was asked with --fresh, in other sessions and in Python" in plain


def test_the_offline_extractor_costs_nothing_and_says_so(stage: Stage) -> None:
    stage.kernel.ok("text = 'gold is here'\n%rlm --model offline --context text Where is gold?")
    plain = shown(stage)["text/plain"]
    assert row(plain, "last run")[-1] == "$0.00"
    assert "costs nothing" in plain


def test_no_model_can_put_markup_or_a_key_into_the_table(stage: Stage) -> None:
    key = "for-the-scripted-server"
    name = f"<img src=x>|{key}"
    stage.script = says(Reply("FINAL(y)", stream=False, completion={"model": name}))
    stage.kernel.ok("%rlm Who?")
    bundle = shown(stage)
    assert key not in str(bundle)
    assert "<img" not in bundle["text/markdown"]


def test_before_any_question_there_is_nothing_to_tell() -> None:
    with LiveKernel({}) as kernel:
        assert "No question was asked" in kernel.ok("%rlm cost").text
