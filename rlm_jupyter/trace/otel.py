"""Traces to OpenTelemetry, with its own SDK: to an address, or through the pipeline that the user has (``[otel]``).

The spans, their ids, times and parents are those of the format ``otlp``; a run that is sent twice is one trace.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .artifacts.otel_spans import Content, OTelSpan, otel_spans
from .artifacts.otlp import SCOPE, SERVICE
from .schema import ROOT_SPAN, Event, SpanEnd
from .trace import Trace

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

__all__ = ["OTelExportError", "OTelExporter", "export_otel"]

_log = logging.getLogger(__name__)

_BATCH = 4_000_000
"""Characters of the texts of one request: collectors take 20 MB as a rule, and gRPC's in between 4."""

_STATUS = re.compile(r"(?<=code: )[45]\d\d\b")

_UNLIMITED = 1_000_000_000  # attributes of a span: a conversation of 64 messages has 128, and there is one per message

_sending = threading.Lock()  # the ids are handed to the provider's tracer, which all exports share


class OTelExportError(RuntimeError):
    """The spans were not taken."""


def export_otel(
    trace: Trace,
    *,
    endpoint: str | None = None,
    headers: Mapping[str, str] | None = None,
    tracer_provider: TracerProvider | None = None,
    capture_content: bool = True,
    resource: Mapping[str, str] | None = None,
) -> int:
    """Send a trace as OpenTelemetry's spans, with OpenInference's attributes, and return how many there were.

    They go to ``endpoint``, the whole URL of an OTLP/HTTP receiver (``http://localhost:6006/v1/traces``), with
    ``headers``; or through a ``tracer_provider``, which samples, limits and sends them as it does its other spans.
    Without either, to where OpenTelemetry's environment variables say (``OTEL_EXPORTER_OTLP_ENDPOINT``,
    ``OTEL_EXPORTER_OTLP_HEADERS``), else to a collector on this machine. ``resource`` says more of who sends them, as
    ``service.name`` and ``openinference.project.name``; a provider has its own.

    With ``capture_content=False`` no text goes along: no question, prompt, reply, code, output, answer or message of an
    error; names, counts and times do. OpenInference's ``OPENINFERENCE_HIDE_INPUTS`` and ``OPENINFERENCE_HIDE_OUTPUTS``
    are heeded too.

    Raises ``ImportError`` without the extra, ``ValueError`` for a trace that has no run and for a provider beside an
    endpoint, and ``OTelExportError`` when the spans were not taken.
    """
    _require_sdk()
    if tracer_provider is not None and (endpoint is not None or headers is not None or resource is not None):
        msg = "A tracer_provider knows where its spans go: give endpoint, headers and resource to it, or leave it out."
        raise ValueError(msg)
    spans = otel_spans(trace, _content(capture_content))
    if tracer_provider is not None:
        _record(tracer_provider, spans)
    else:
        _send(spans, endpoint, headers, resource)
    return len(spans)


class OTelExporter:
    """Exports each run when it ends: ``rlm.listeners.append(OTelExporter(endpoint=...))``.

    For every run of the process, of ``%%rlm`` too, append it to ``rlm_jupyter.observers.observers``. Takes what
    ``export_otel`` takes. Runs are sent in a thread of their own, so that none waits for a collector; ``flush`` waits.
    What cannot be sent is logged as a warning, and the run knows nothing of it.
    """

    def __init__(self, **options: Any) -> None:
        _require_sdk()
        unknown = options.keys() - {"endpoint", "headers", "tracer_provider", "capture_content", "resource"}
        if unknown:
            msg = f"export_otel takes no {', '.join(sorted(unknown))}."
            raise TypeError(msg)
        self._options = options
        self._runs: dict[str, Trace] = {}
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Take in one event of a run; its last one has the run exported."""
        with self._lock:
            trace = self._runs.setdefault(event.run_id, Trace())
            trace.add(event)
            if not (isinstance(event, SpanEnd) and event.span_id == ROOT_SPAN):
                return
            del self._runs[event.run_id]
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            thread = threading.Thread(target=self._export, args=(trace,), name="rlm-jupyter-otel")
            self._threads.append(thread)
            thread.start()

    def flush(self) -> None:
        """Wait until every run that has ended is sent, or could not be."""
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join()

    def _export(self, trace: Trace) -> None:
        try:
            export_otel(trace, **self._options)
        except (OTelExportError, ValueError) as error:
            _log.warning("The run %s was not exported: %s", trace.run_id, error)
        except Exception as error:  # noqa: BLE001 - of the SDK and of the user's own pipeline; addresses hold secrets
            _log.warning("The run %s was not exported: %s was raised on the way.", trace.run_id, type(error).__name__)


def _require_sdk() -> None:
    try:
        import opentelemetry.exporter.otlp.proto.http
        import opentelemetry.sdk.trace  # noqa: F401
    except ImportError as error:
        msg = "Exporting to OpenTelemetry wants its SDK: pip install 'rlm-jupyter[otel]'"
        raise ImportError(msg) from error


def _content(capture_content: bool) -> Content:
    hidden = {side: _is_true(os.environ.get(f"OPENINFERENCE_HIDE_{side}", "")) for side in ("INPUTS", "OUTPUTS")}
    return Content(inputs=capture_content and not hidden["INPUTS"], outputs=capture_content and not hidden["OUTPUTS"])


def _is_true(value: str) -> bool:
    return value.strip().lower() in {"true", "1", "yes", "on"}


def _send(
    spans: Sequence[OTelSpan],
    endpoint: str | None,
    headers: Mapping[str, str] | None,
    resource: Mapping[str, str] | None,
) -> None:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import SpanLimits, SpanProcessor, TracerProvider
    from opentelemetry.sdk.trace.export import SpanExportResult
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    limits = SpanLimits(max_attributes=_UNLIMITED, max_span_attributes=_UNLIMITED)
    provider = TracerProvider(
        resource=_resource(resource or {}), sampler=ALWAYS_ON, span_limits=limits, shutdown_on_exit=False
    )
    collected: list[Any] = []

    class Collecting(SpanProcessor):
        def on_end(self, span: Any) -> None:
            collected.append(span)

    provider.add_span_processor(Collecting())
    _record(provider, spans)
    exporter = OTLPSpanExporter(endpoint=endpoint, headers=dict(headers) if headers is not None else None)
    try:
        with _heard() as why:
            for batch in _batches(collected):
                if exporter.export(batch) is not SpanExportResult.SUCCESS:
                    host = urlsplit(endpoint).hostname if endpoint is not None else None  # the rest may be a secret
                    msg = f"{host or 'The collector'} did not take the spans{_cause(why)}: check address and headers."
                    raise OTelExportError(msg)
    finally:
        exporter.shutdown()
        provider.shutdown()


@contextmanager
def _heard() -> Iterator[list[str]]:
    """Have what the exporter logs in this thread collected: it tells nobody else why it failed."""
    told: list[str] = []
    here = threading.get_ident()

    class Collecting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == here:
                told.append(record.getMessage())

    logger, handler = logging.getLogger("opentelemetry.exporter.otlp.proto.http"), Collecting(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield told
    finally:
        logger.removeHandler(handler)


def _cause(told: Sequence[str]) -> str:
    """Return why they were not taken, in words of ours: the exporter's may quote the address."""
    said = " ".join(told)
    if status := _STATUS.search(said):
        return f" (it answered {status[0]})"
    known = {"refused": "nothing answers there", "resol": "no such host", "timed out": "no answer in time"}
    return next((f" ({cause})" for word, cause in known.items() if word in said), "")


def _batches(spans: Sequence[Any]) -> Iterator[list[Any]]:
    """Yield the spans in requests that receivers take, in their order."""
    batch: list[Any] = []
    size = 0
    for span in spans:
        texts = sum(len(value) for value in span.attributes.values() if isinstance(value, str))
        if batch and size + texts > _BATCH:
            yield batch
            batch, size = [], 0
        batch.append(span)
        size += texts + 500
    if batch:
        yield batch


def _resource(given: Mapping[str, str]) -> Resource:
    """Return who sends the spans: what is given, what the environment says, and for want of a name ours."""
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource

    resource = Resource.create(dict(given))
    if str(resource.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: SERVICE}))
    return resource


def _record(provider: TracerProvider, spans: Sequence[OTelSpan]) -> None:
    """Have the spans made by the provider's tracer, with their own ids, times and parents."""
    from opentelemetry.sdk.trace import Tracer
    from opentelemetry.sdk.trace.id_generator import IdGenerator
    from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context

    kinds = {"internal": SpanKind.INTERNAL, "client": SpanKind.CLIENT}
    codes = {"unset": StatusCode.UNSET, "ok": StatusCode.OK, "error": StatusCode.ERROR}
    tracer = provider.get_tracer(SCOPE)
    if not isinstance(tracer, Tracer):  # OTEL_SDK_DISABLED
        return

    class Ids(IdGenerator):
        """The ids of the span that is about to be made."""

        span = spans[0]

        def generate_trace_id(self) -> int:
            return int(self.span.trace_id, 16)

        def generate_span_id(self) -> int:
            return int(self.span.span_id, 16)

    made: dict[str, Span] = {}
    with _sending:
        before, tracer.id_generator = tracer.id_generator, (ids := Ids())
        try:
            for told in spans:
                ids.span = told
                parent = made.get(told.parent_id or "")
                context = _root_context() if parent is None else set_span_in_context(parent, _root_context())
                span = tracer.start_span(
                    told.name,
                    context=context,
                    kind=kinds[told.kind],
                    attributes=dict(told.attributes),
                    start_time=told.started,
                )
                made[told.span_id] = span
                for event in told.events:
                    span.add_event(event.name, dict(event.attributes), event.time)
                span.set_status(codes[told.status], told.message or None)
                span.end(told.ended)
        finally:
            tracer.id_generator = before


def _root_context() -> Any:
    from opentelemetry.context import Context

    return Context()
