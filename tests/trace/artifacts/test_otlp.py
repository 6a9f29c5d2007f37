"""OpenTelemetry's spans of a run, as OTLP's JSON has them, with the attributes of OpenInference and of GenAI."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rlm_jupyter.trace.artifacts import otel_attributes
from rlm_jupyter.trace.recorder import Recorder
from rlm_jupyter.trace.redaction import Redactor
from rlm_jupyter.trace.schema import (
    ErrorRecord,
    ModelCallEnd,
    ModelCallStart,
    RunEnd,
    RunStart,
    SpanEnd,
    SubcallEnd,
    SubcallStart,
    UsageRecord,
)
from rlm_jupyter.trace.trace import Trace

KINDS = {
    "invoke_agent rlm": ("AGENT", "invoke_agent"),
    "chat gpt-test": ("LLM", "chat"),
    "chat gpt-small": ("LLM", "chat"),
    "execute_tool python": ("TOOL", "execute_tool"),
}


def spans_of(trace: Trace, **options: bool) -> list[dict[str, Any]]:
    (resource,) = json.loads(trace.export("otlp", None, **options))["resourceSpans"]
    (scope,) = resource["scopeSpans"]
    return [{**span, "attributes": plain(span["attributes"])} for span in scope["spans"]]


def plain(attributes: list[dict[str, Any]]) -> dict[str, Any]:
    told = {}
    for attribute in attributes:
        ((kind, value),) = attribute["value"].items()
        told[attribute["key"]] = (
            [each["stringValue"] for each in value["values"]]
            if kind == "arrayValue"
            else int(value)
            if kind == "intValue"
            else value
        )
    return told


def test_every_span_says_what_it_is_and_hangs_where_it_did(run: Any) -> None:
    run.session_id = "a-session"
    trace = run.record()
    spans = spans_of(trace)
    assert len(spans) == len(trace.spans) == len({span["spanId"] for span in spans})
    for span, ours in zip(spans, trace.walk(), strict=True):
        told = span["attributes"]
        kind, operation = KINDS.get(span["name"], ("CHAIN", None))
        assert (told["openinference.span.kind"], told.get("gen_ai.operation.name")) == (kind, operation)
        assert told["session.id"] == told["gen_ai.conversation.id"] == "a-session"
        assert (len(span["traceId"]), len(span["spanId"])) == (32, 16)
        assert int(span["startTimeUnixNano"]) == round(ours.start.started * 1e9)
        assert ours.end is not None
        assert int(span["endTimeUnixNano"]) == round(ours.end.ended * 1e9)
    ids = {ours.span_id: span["spanId"] for span, ours in zip(spans, trace.walk(), strict=True)}
    parents = [ids.get(ours.start.parent_id or "") for ours in trace.walk()]
    assert [span.get("parentSpanId") for span in spans] == parents
    assert spans_of(trace.part(trace.children[0].span_id))[0]["spanId"] == ids[trace.children[0].span_id]


def test_a_call_has_its_messages_and_a_block_its_code(run: Any) -> None:
    spans = spans_of(run.record())
    second = [span["attributes"] for span in spans if span["name"] == "chat gpt-test"][1]
    roles = [second[f"llm.input_messages.{number}.message.role"] for number in range(4)]
    assert roles == ["system", "user", "assistant", "user"]
    assert second["input.value"] == second["llm.input_messages.3.message.content"] == "Output of iteration 1"
    assert second["output.value"] == second["llm.output_messages.0.message.content"]
    assert (second["llm.token_count.prompt"], second["gen_ai.usage.output_tokens"]) == (100, 10)
    block = next(span for span in spans if span["name"] == "execute_tool python")["attributes"]
    assert block["tool.name"] == block["gen_ai.tool.name"] == "python"
    assert block["input.value"] == "print(len(context))\ncontext[:9]"
    assert block["output.value"].startswith("21\n'the text '")
    root = spans[0]["attributes"]
    assert (root["input.value"], root["output.value"]) == ("What is the answer?", "42")
    assert json.loads(root["metadata"])["contexts"] == [
        {"name": "context", "type": "str", "size": 21, "unit": "characters"}
    ]


def test_an_error_is_an_exception_and_the_span_s_status(run: Any) -> None:
    failed = next(span for span in spans_of(run.record()) if span["status"]["code"] == 2)
    assert failed["status"]["message"] == "ZeroDivisionError: division by zero"
    assert failed["attributes"]["error.type"] == "ZeroDivisionError"
    (event,) = failed["events"]
    assert event["name"] == "exception"
    assert plain(event["attributes"])["exception.stacktrace"].startswith("Traceback")
    (bare,) = next(span for span in spans_of(run.record(), capture_content=False) if "events" in span)["events"]
    assert plain(bare["attributes"]) == {"exception.type": "ZeroDivisionError"}


def test_what_came_back_has_the_conventions_names() -> None:
    recorder = Recorder(Redactor(environ={}))
    root = recorder.start(RunStart(question="q", model="m", backend="openai", environment="local", max_iterations=1))
    sampling = {"temperature": 0, "max_completion_tokens": 9, "stop": ["my secret"], "top_p": "high"}
    call = recorder.start(ModelCallStart(model="asked", sampling=sampling), root)
    usage = UsageRecord(input_tokens=9, output_tokens=4, cached_input_tokens=3, reasoning_tokens=2, cost=0.5)
    end = ModelCallEnd(
        reply=recorder.blob("said", 99),
        reasoning=recorder.blob("thought", 99),
        response_model="answered",
        response_id="r1",
        finish_reason="stop",
        usage=usage,
    )
    recorder.end(call, end)
    again = recorder.start(SubcallStart(model="asked", prompt=recorder.blob("p", 99)), root)
    recorder.end(again, SubcallEnd(reply=recorder.blob("said", 99), usage=usage, cached=True))
    recorder.end(root, RunEnd(error=ErrorRecord(name="E", message="a secret")), "error")
    _, told, cached = (span["attributes"] for span in spans_of(recorder.trace))
    expected = {
        "llm.model_name": "answered",
        "gen_ai.request.model": "asked",
        "gen_ai.response.model": "answered",
        "gen_ai.response.id": "r1",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.request.temperature": 0.0,
        "gen_ai.request.max_tokens": 9,
        "llm.token_count.total": 13,
        "llm.token_count.prompt_details.cache_read": 3,
        "gen_ai.usage.cache_read.input_tokens": 3,
        "llm.token_count.completion_details.reasoning": 2,
        "gen_ai.usage.reasoning.output_tokens": 2,
        "llm.cost.total": 0.5,
        "llm.output_messages.0.message.contents.0.message_content.type": "reasoning",
        "llm.output_messages.0.message.contents.1.message_content.text": "said",
    }
    assert expected.items() <= told.items()
    assert json.loads(told["llm.invocation_parameters"]) == sampling
    assert "gen_ai.request.top_p" not in told
    assert json.loads(cached["metadata"])["cached"] is True
    assert not [name for name in cached if "token" in name or "cost" in name]
    hidden = recorder.trace.export("otlp", capture_content=False)
    assert "secret" not in hidden
    assert "thought" not in hidden
    assert "gen_ai.request.temperature" in hidden


def test_a_span_that_has_not_ended_lasts_as_long_as_the_run_so_far(run: Any) -> None:
    events = run.record().events
    ends = [index for index, event in enumerate(events) if isinstance(event, SpanEnd)]
    spans = spans_of(Trace(events[: ends[3]]))
    assert spans[0]["status"] == {"code": 0}
    assert int(spans[0]["endTimeUnixNano"]) == max(int(span["endTimeUnixNano"]) for span in spans)


def test_hostile_values_stay_within_what_the_protocol_has(run: Any) -> None:
    run.usage = UsageRecord(input_tokens=2**80, output_tokens=1)
    run.question = "half \ud800 a pair"
    text = run.record().export("otlp")
    assert text.encode("utf-8")
    assert str(2**63 - 1) in text
    assert str(2**80) not in text


def test_texts_that_are_named_again_and_again_fill_no_disk(make_run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otel_attributes, "EXPORT_LIMIT", 20_000)
    long = make_run(iterations=[(f"reply {number} {'x' * 1_000}", []) for number in range(40)]).record()
    calls = [span["attributes"] for span in spans_of(long) if span["name"] == "chat gpt-test"]
    assert "llm.input_messages.0.message.content" in calls[2]
    assert "llm.input_messages.0.message.content" not in calls[-1]
    assert calls[-1]["input.value"] == "Output of iteration 39"
    assert calls[-1]["output.value"].startswith("reply 39")
