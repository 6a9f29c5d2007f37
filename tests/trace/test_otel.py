"""Traces sent to OpenTelemetry with its own SDK, and received over a real socket."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from otlp_receiver import Receiver
from scripted_server import ScriptedServer

from rlm_jupyter import RLM, OTelExporter, OTelExportError, export_otel
from rlm_jupyter.trace.trace import Trace

SECRETS = ("What is the answer?", "You work in code.", "Is it here?", "division by zero", "len(context)", "Now I know")
"""A text of every kind that is in the trace of the fixture ``run``."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def trace(run: Any) -> Trace:
    run.session_id = "a-session"
    recorded: Trace = run.record()
    return recorded


def of_json(text: str) -> list[Span]:
    """The spans of OTLP's JSON, read by its protocol: that has ids in base64 where OTLP has them in hexadecimal."""
    request = json.loads(text)
    (resource,) = request["resourceSpans"]
    (scope,) = resource["scopeSpans"]
    for span in scope["spans"]:
        for name in ("traceId", "spanId", "parentSpanId"):
            if name in span:
                span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
    parsed = ParseDict(request, ExportTraceServiceRequest())
    return list(parsed.resource_spans[0].scope_spans[0].spans)


def comparable(span: Span) -> Span:
    """A span without the order of its attributes, and without what the SDK's version adds."""
    copy = Span()
    copy.CopyFrom(span)
    copy.ClearField("flags")
    for holder in (copy, *copy.events):
        ordered = sorted(holder.attributes, key=lambda attribute: attribute.key)
        del holder.attributes[:]
        holder.attributes.extend(ordered)
    return copy


def test_what_is_sent_is_what_the_file_has(trace: Trace, receiver: Receiver) -> None:
    sent = export_otel(trace, endpoint=receiver.endpoint, headers={"Authorization": "Basic eA=="})
    assert sent == len(trace.spans) == len(receiver.spans)
    assert [comparable(span) for span in receiver.spans] == [comparable(span) for span in of_json(trace.export("otlp"))]
    assert {headers["authorization"] for headers in receiver.headers} == {"Basic eA=="}
    (resource,) = receiver.requests[0].resource_spans
    assert {each.key: each.value.string_value for each in resource.resource.attributes}["service.name"] == "rlm-jupyter"


def test_a_run_that_is_sent_again_is_the_same_trace(trace: Trace, receiver: Receiver) -> None:
    for _ in range(2):
        export_otel(trace, endpoint=receiver.endpoint, resource={"openinference.project.name": "walrus"})
    half = len(receiver.spans) // 2
    assert receiver.spans[:half] == receiver.spans[half:]
    names = {each.key: each.value.string_value for each in receiver.requests[0].resource_spans[0].resource.attributes}
    assert names["openinference.project.name"] == "walrus"
    assert names["service.name"] == "rlm-jupyter"


def test_no_text_goes_along_when_content_is_off(trace: Trace, receiver: Receiver) -> None:
    export_otel(trace, endpoint=receiver.endpoint)
    told = str(receiver.requests)
    assert [text for text in SECRETS if text not in told] == []
    receiver.requests.clear()
    export_otel(trace, endpoint=receiver.endpoint, capture_content=False)
    told = str(receiver.requests)
    assert [text for text in SECRETS if text in told] == []
    assert "gpt-small" in told
    assert "ZeroDivisionError" in told
    assert "llm.token_count.prompt" in told


@pytest.mark.parametrize("side", ["INPUTS", "OUTPUTS"])
def test_openinference_s_switches_are_heeded(
    trace: Trace, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, side: str
) -> None:
    monkeypatch.setenv(f"OPENINFERENCE_HIDE_{side}", "true")
    export_otel(trace, endpoint=receiver.endpoint)
    last = [span for span in receiver.spans if span.name == "chat gpt-test"][-1]
    keys = {each.key for each in last.attributes}
    asked, replied = {"input.value", "llm.input_messages.0.message.content"}, {"output.value"}
    assert keys & (asked | replied) == (replied if side == "INPUTS" else asked)
    failed = [event for span in receiver.spans for event in span.events]
    assert [each.key for event in failed for each in event.attributes] == ["exception.type"]


def test_a_provider_samples_and_sends_as_it_does_its_own(trace: Trace) -> None:
    memory = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    with provider.get_tracer("the user's").start_as_current_span("mine"):
        export_otel(trace, tracer_provider=provider)
    spans = memory.get_finished_spans()
    exported = {span.context.span_id: span for span in spans if span.name != "mine"}
    assert [f"{span_id:016x}" for span_id in exported] == [span.span_id.hex() for span in of_json(trace.export("otlp"))]
    roots = [span for span in exported.values() if span.parent is None]
    assert [span.name for span in roots] == ["invoke_agent rlm"]
    assert all(span.parent.span_id in exported for span in exported.values() if span.parent is not None)
    own = provider.get_tracer("rlm_jupyter").start_span("another")
    assert own.get_span_context().span_id not in exported

    silent = TracerProvider(sampler=ALWAYS_OFF)
    memory.clear()
    silent.add_span_processor(SimpleSpanProcessor(memory))
    export_otel(trace, tracer_provider=silent)
    assert memory.get_finished_spans() == ()


def test_a_conversation_that_is_longer_than_a_span_may_be_keeps_what_matters(make_run: Any, make_block: Any) -> None:
    long = make_run(iterations=[(f"reply {number}", []) for number in range(80)]).record()
    memory = InMemorySpanExporter()
    provider = TracerProvider()  # 128 attributes
    provider.add_span_processor(SimpleSpanProcessor(memory))
    export_otel(long, tracer_provider=provider)
    last = [span for span in memory.get_finished_spans() if span.name == "chat gpt-test"][-1]
    assert last.attributes is not None
    assert last.attributes["openinference.span.kind"] == "LLM"
    assert last.attributes["llm.token_count.total"] == 110
    with Receiver() as receiver:
        export_otel(long, endpoint=receiver.endpoint)
    last_sent = [span for span in receiver.spans if span.name == "chat gpt-test"][-1]
    assert sum(each.key.endswith(".message.content") for each in last_sent.attributes) == 161


def test_spans_that_are_refused_are_an_error_that_says_so(trace: Trace) -> None:
    with Receiver(status=400) as refusing, pytest.raises(OTelExportError, match=r"did not take .* \(it answered 400\)"):
        export_otel(trace, endpoint=refusing.endpoint)
    with pytest.raises(ValueError, match="leave it out"):
        export_otel(trace, endpoint="http://127.0.0.1:9/v1/traces", tracer_provider=TracerProvider())
    with pytest.raises(ValueError, match="no run"):
        export_otel(Trace(), endpoint="http://127.0.0.1:9/v1/traces")


def test_large_traces_go_in_several_requests(make_run: Any, make_block: Any, receiver: Receiver) -> None:
    calls = [(f"{number} {'x' * 3_000}", "y") for number in range(900)]
    large = make_run(iterations=[("```repl\n1\n```", [make_block("1", calls=calls)])]).record()
    export_otel(large, endpoint=receiver.endpoint)
    assert len(receiver.requests) > 1
    assert len(receiver.spans) == len(large.spans)


def test_runs_are_exported_as_they_end(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    exporter = OTelExporter(endpoint=receiver.endpoint, capture_content=False)
    with ScriptedServer(lambda _: "FINAL(the bath)") as server:
        backend = {"model_name": "scripted", "base_url": server.base_url, "api_key": "for-the-scripted-server"}
        with RLM("openai", backend, "local") as rlm:
            rlm.listeners.append(exporter)
            traces = [rlm.completion("a walrus", "Where is it?").trace for _ in range(2)]
    exporter.flush()
    roots = [span for span in receiver.spans if not span.parent_span_id]
    assert len({span.trace_id for span in roots}) == len(roots) == 2
    assert len(receiver.spans) == sum(len(trace.spans) for trace in traces if isinstance(trace, Trace))
    assert "the bath" not in str(receiver.requests)

    with Receiver(status=400) as refusing, caplog.at_level(logging.WARNING, "rlm_jupyter"):
        other = OTelExporter(endpoint=refusing.endpoint)
        for event in traces[0].events if isinstance(traces[0], Trace) else ():
            other(event)
        other.flush()
    assert "was not exported" in caplog.text

    class Broken(SpanProcessor):
        def on_end(self, span: object) -> None:
            msg = "https://collector.example/?key=hidden"
            raise RuntimeError(msg)

    caplog.clear()
    provider = TracerProvider()
    provider.add_span_processor(Broken())
    theirs = OTelExporter(tracer_provider=provider)
    for event in traces[0].events if isinstance(traces[0], Trace) else ():
        theirs(event)
    theirs.flush()
    assert "was not exported: RuntimeError" in caplog.text
    assert "hidden" not in caplog.text
    with pytest.raises(TypeError, match="colour"):
        OTelExporter(colour="red")
