"""``rlm_jupyter.replay``: the code of a trace is run again over its recorded answers, and compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from family import family
from recorded_runs import SHELF, conversation
from replayed_runs import KINDS, recorded, trace_recorded
from scripted_server import ScriptedServer
from scripts import code, is_root, says

import rlm_jupyter
from rlm_jupyter import RLM, ConfigurationError
from rlm_jupyter.playback.report import ReplayReport
from rlm_jupyter.trace.schema import ModelCallStart
from rlm_jupyter.trace.trace import Trace


def changed(trace: Trace, folder: Path, *pairs: tuple[str, str]) -> Path:
    """A log of the same run, with other code in it."""
    text = trace.to_jsonl()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    log = folder / "changed.jsonl"
    log.write_text(text, encoding="utf-8")
    return log


def kinds(report: ReplayReport) -> list[str]:
    return [difference.kind for difference in report.differences]


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_comes_out_as_it_was_recorded(kind: str) -> None:
    trace = trace_recorded(kind)
    report = rlm_jupyter.replay(trace)
    assert report.same, str(report)
    assert report.runs == [trace.run_id]
    begun = [span for span in trace.walk() if span.kind == "code"]
    assert report.blocks == len(begun) > 0
    assert report.children == len(trace.children)
    assert report.calls == len(trace.subcalls) + len(trace.children)
    assert len(report.cut) == sum(span.status == "interrupted" for span in begun)
    if kind == "compaction":
        purposes = [
            each.start.payload.purpose for each in trace.walk() if isinstance(each.start.payload, ModelCallStart)
        ]
        assert "compaction" in purposes


def test_what_code_does_otherwise_is_reported_where_it_arises(tmp_path: Path) -> None:
    trace = trace_recorded("children")
    report = rlm_jupyter.replay(changed(trace, tmp_path, ("context.upper()", "context.lower()")))
    assert not report.same
    (first, *others) = report.differences
    children = [span.span_id for span in trace.children]
    assert first.place == f"child {children[0]}, block 1 of iteration 1"
    assert (first.recorded, first.replayed) == ("[stdout]\nA CHILD\n", "[stdout]\na child\n")
    assert len(others) == 2
    assert kinds(report) == ["output"] * 3
    assert rlm_jupyter.replay(changed(trace, tmp_path, ("context.upper()", "context.lower()")), children=False).same


def test_each_kind_of_difference_is_told_apart(tmp_path: Path) -> None:
    trace = recorded(says(code("x = llm_query('a')", "print(x)"), code("FINAL(x)")))
    other = changed(trace, tmp_path, ("x = llm_query('a')", "y = llm_query('b')"))
    report = rlm_jupyter.replay(other)
    assert kinds(report) == [
        "output",
        "error",
        "names",
        "call not recorded",
        "call not asked again",
        "error",
        "answer",
    ]
    told = {difference.kind: difference for difference in report.differences}
    assert told["call not recorded"].replayed == "llm_query('b')"
    assert told["call not asked again"].recorded == "llm_query('a')"
    assert (told["names"].recorded, told["names"].replayed) == ("bound x", "")
    assert report.differences[1].replayed.startswith("NotRecordedCallError: llm_query('b') is not in the recording")
    assert "live=True" in report.differences[1].replayed


def test_what_is_not_recorded_is_asked_of_a_live_model(tmp_path: Path) -> None:
    trace = recorded(says(code("print(llm_query('a'), llm_query_batched(['b', 'a', 'c']))"), "FINAL(done)"))
    other = changed(trace, tmp_path, ("['b', 'a', 'c']", "['b', 'new', 'c', 'newer']"))
    with ScriptedServer(lambda request: f"live {request.prompt}") as server:
        backend = {"model_name": "m", "api_key": "k", "base_url": server.base_url}
        report = rlm_jupyter.replay(other, live=("openai", backend))
        assert sorted(request.prompt for request in server.requests) == ["new", "newer"]
    assert kinds(report) == ["output", "call not recorded", "call not recorded", "call not asked again"]
    assert report.differences[0].replayed == (
        "[stdout]\na sub-call's reply [\"a sub-call's reply\", 'live new', \"a sub-call's reply\", 'live newer']\n"
    )
    assert (report.calls, report.asked_live) == (3, 2)
    with pytest.raises(ConfigurationError, match="live is True, or a backend and its arguments"):
        rlm_jupyter.replay(trace, live=3)


def test_a_live_model_is_the_one_that_code_names_and_a_child_is_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    block = code(
        "import time", "seen = time.perf_counter_ns()", "llm_query(f'{seen}', 'small')", "rlm_query(f'{seen}')"
    )
    trace = recorded(says(block, "FINAL(done)"))
    with ScriptedServer(says("FINAL(by a run)", sub="a reply")) as server:
        backend = {"model_name": "big", "api_key": "k", "base_url": server.base_url}
        report = rlm_jupyter.replay(trace, live=("openai", backend))
        assert [(request.model, is_root(request)) for request in server.requests] == [("small", False), ("big", True)]
    assert report.asked_live == 2
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("RLM_JUPYTER_MODEL", raising=False)
    assert "the offline extractor answers" in str(rlm_jupyter.replay(trace, live=True))


def test_a_context_that_is_not_recorded_is_handed_over() -> None:
    context = "x" * 300_000
    script = says(code("print(len(context), completion_context is context)", "FINAL(1)"))
    trace = recorded(script, context, "How long is it?", record_limit=0)
    with pytest.raises(ConfigurationError, match=r"a str of 300,000 characters.*replay\(trace, context=...\)"):
        rlm_jupyter.replay(trace)
    with pytest.raises(ConfigurationError, match=r"This context is not the one that the run had.*digests differ"):
        rlm_jupyter.replay(trace, context="y" * 300_000)
    assert rlm_jupyter.replay(trace, context=context).same
    other = recorded(says(code("FINAL(1)")))
    report = rlm_jupyter.replay([other, trace, other])
    assert report.runs == [other.run_id] * 2
    assert kinds(report) == ["run not replayed"]
    assert "run 2 (s1): the run could not be replayed" in str(report)
    assert not report.same


def test_the_turns_of_a_session_are_replayed_in_one_repl_and_each_alone() -> None:
    runs = conversation("Which lamp is red?", "Where does the walrus live?", context=SHELF)
    traces = [Trace(events) for events in runs.values()]
    report = rlm_jupyter.replay(traces)
    assert report.same, str(report)
    assert report.runs == [trace.run_id for trace in traces]
    assert rlm_jupyter.replay(traces[-1]).same


@pytest.mark.parametrize("persistent", [True, False])
def test_a_session_finds_what_its_earlier_turns_left(persistent: bool) -> None:
    script = says(code("kept = {'a': 1}", "def double(x): return 2 * x", "FINAL(1)"))
    left = "double(kept['a']), context_1" if persistent else "'kept' in globals()"
    second = code(f"print({left}, session_context_0, context, len(session_history))", "FINAL(2)")
    with ScriptedServer(lambda request: script(request)) as server:  # noqa: PLW0108 - it changes below
        backend = {"model_name": "m", "api_key": "k", "base_url": server.base_url}
        with RLM("openai", backend, persistent=persistent) as rlm:
            session = rlm.start_session()
            session.chat("one")
            script = says(second)
            result = session.chat("two")
    report = rlm_jupyter.replay(result)
    assert report.same, str(report)
    assert len(report.runs) == 2
    alone = rlm_jupyter.replay(result.trace)
    assert alone.runs == [report.runs[-1]]
    assert alone.same, str(alone)


def test_values_take_the_place_of_what_code_had_found() -> None:
    def rate() -> int:
        return seven

    seven = 7
    trace = recorded(says(code("FINAL(rate())")), custom_tools={"rate": rate})
    report = rlm_jupyter.replay(trace)
    assert kinds(report) == ["error", "answer"]
    assert "the variable rate (function) is not in the trace in full" in str(report)
    assert rlm_jupyter.replay(trace, values={"rate": rate}).same
    assert rlm_jupyter.replay(trace, environment_kwargs={"custom_tools": {"rate": rate}}).same
    script = family(code("print(rlm_query('a child'))"), "FINAL(done)", child=code("FINAL(rate())"))
    trace = recorded(script, custom_tools={"rate": rate})
    assert kinds(rlm_jupyter.replay(trace)) == ["error", "answer"]
    assert rlm_jupyter.replay(trace, values={"rate": rate}).same


def test_which_variables_there_are_is_seen_again() -> None:
    script = says(code("rows, shut = [1, 2], iter([3])", "FINAL(1)"))
    with ScriptedServer(lambda request: script(request)) as server:  # noqa: PLW0108 - it changes below
        backend = {"model_name": "m", "api_key": "k", "base_url": server.base_url}
        with RLM("openai", backend, "ipython", persistent=True, record_limit=0) as rlm:
            rlm.completion("one")
            script = says(code("print(SHOW_VARS())", "SHOW_VARS()"), code("rows[0]", "FINAL(2)"))
            trace = rlm.completion("two").trace
    report = rlm_jupyter.replay(trace)
    assert [(each.kind, each.replayed) for each in report.differences] == [
        ("error", "TypeError: 'ValueSummary' object is not subscriptable"),
        ("answer", ""),
    ]
    (note,) = report.notes
    assert "the variable rows (list) is not in the trace in full" in note
    assert rlm_jupyter.replay(trace, values={"rows": [1, 2]}).same


def test_a_limit_in_a_trace_is_a_number_of_seconds(tmp_path: Path) -> None:
    trace = trace_recorded("stopped by its time")
    for odd in ("1e+99", "1.2.3", "9" * 400):
        pairs = ("while True: pass", "1"), ("than the 0.2 s", f"than the {odd} s")
        assert not rlm_jupyter.replay(changed(trace, tmp_path, *pairs)).same


def test_a_block_may_not_take_forever(tmp_path: Path) -> None:
    trace = recorded(says(code("print(1)"), "FINAL(done)"))
    report = rlm_jupyter.replay(changed(trace, tmp_path, ("print(1)", "while True: pass")), cell_timeout=0.2)
    assert kinds(report) == ["output", "error"]
    assert "TimeoutError" in report.differences[1].replayed


def test_what_cannot_repeat_is_no_difference_that_counts() -> None:
    block = code(
        "import time, datetime, tempfile, uuid",
        "print(time.time(), datetime.datetime.now(), object(), tempfile.mkdtemp(), uuid.uuid4())",
        "print({'2020-01-01', 'a', 'b'})",
        "datetime.date.today()",
    )
    report = rlm_jupyter.replay(recorded(says(block, "FINAL(done)")))
    assert report.same, str(report)
    assert [difference.repeatable for difference in report.differences] == [False]
    assert "1 that cannot repeat" in str(report)


def test_only_an_environment_of_this_process_can_be_chosen() -> None:
    trace = trace_recorded("tools")
    assert rlm_jupyter.replay(trace, environment="ipython").same
    with pytest.raises(ConfigurationError, match="replayed in this process"):
        rlm_jupyter.replay(trace, environment="ipython", environment_kwargs={"kernel_mode": "subprocess"})


@pytest.mark.parametrize(
    ("what", "error", "said"),
    [(None, ValueError, "NoneType"), (3, ValueError, "int"), ("no-such-file.jsonl", OSError, "No such file")],
)
def test_what_is_no_trace_is_said_to_be_none(what: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        rlm_jupyter.replay(what)
