"""The schema of a trace: a run is a tree of spans, written as start and end events.

A trace is a sequence of events. A span opens with a ``SpanStart`` and closes with a ``SpanEnd``; long texts (messages,
prompts, replies) and pictures are ``Blob`` events, written once each and referred to by digest; a reply that takes its
time is told while it comes, in ``SpanText`` events. Times are seconds since the epoch,
tokens are counted by the server, money is in US dollars. Names follow OpenTelemetry's GenAI conventions where there is
one (``input_tokens``, ``output_tokens``, ``finish_reason``, ``response_id``).

A child run stands in the trace of its root: a ``run`` span whose parent is, as a rule, the code span that asked for it.
A batch's children run at the same time, so their events interleave; what belongs to whom is told by ``parent_id``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

__all__ = [
    "ROOT_SPAN",
    "SCHEMA_VERSION",
    "Blob",
    "CodeEnd",
    "CodeStart",
    "ContextRecord",
    "ErrorRecord",
    "Event",
    "IterationEnd",
    "IterationStart",
    "ModelCallEnd",
    "ModelCallStart",
    "Review",
    "RunEnd",
    "RunStart",
    "SpanEnd",
    "SpanStart",
    "SpanText",
    "Status",
    "SubcallEnd",
    "SubcallStart",
    "UsageRecord",
    "event_adapter",
    "json_schema",
]

SCHEMA_VERSION = 2

ROOT_SPAN = "s1"
"""The id of the span that is the run itself: the first one."""

Status: TypeAlias = Literal["ok", "error", "interrupted", "limit"]

Review: TypeAlias = Literal["approved", "edited", "rejected"]


class _Record(BaseModel):
    # Validators are built at first use: importing this module takes 25 ms so, against 53.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class UsageRecord(_Record):
    """What one model call took; None means that the server did not say."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost: float | None = None


class ErrorRecord(_Record):
    """An exception: its class's name, its message, and its traceback where there is one."""

    name: str
    message: str
    traceback: str | None = None


class ContextRecord(_Record):
    """A context, or another value that code reads: described, and in full where it is small or was asked for.

    ``size`` counts ``unit`` (characters, bytes, items, ...); ``digest`` is over the whole of a small context and over
    the size and sampled blocks of a large one (``sampled``); ``preview`` shows its beginning. ``value`` names
    the text that holds all of it (``trace.values``), ``expression`` what the notebook called it.
    """

    name: str
    type: str
    size: int | None = None
    unit: str | None = None
    preview: str = ""
    digest: str | None = None
    sampled: bool = False
    value: str | None = None
    expression: str | None = None


class RunStart(_Record):
    """A recursive completion begins; ``batch`` and ``index`` (from 0) are set for a child that is a slot of a batch.

    ``settings`` are the notebook's own (``%config RLMMagics``) that a session is taken up again with. ``resumes`` is
    the id of the run that was cut, and that this one takes up again.
    """

    kind: Literal["run"] = "run"
    question: str
    model: str
    backend: str
    environment: str
    depth: int = 0
    batch: str | None = None
    index: int | None = None
    max_iterations: int
    contexts: list[ContextRecord] = Field(default_factory=list)
    session_id: str | None = None
    turn: int | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    notebook: str | None = None
    cell_id: str | None = None
    versions: dict[str, str] = Field(default_factory=dict)
    resumes: str | None = None


class RunEnd(_Record):
    """A recursive completion ends; ``answer`` is the partial one when the status is not ``ok``.

    ``answer_size`` counts the characters of the whole when ``answer`` is an excerpt.
    """

    kind: Literal["run"] = "run"
    answer: str | None = None
    answer_size: int | None = None
    error: ErrorRecord | None = None
    changes: dict[str, list[str]] = Field(default_factory=dict)


class IterationStart(_Record):
    """A root-model reply and the blocks in it begin. ``closing`` marks the call for a final answer after the last.

    ``notes`` are what the user had to say before it, as the model was told it.
    """

    kind: Literal["iteration"] = "iteration"
    number: int
    closing: bool = False
    notes: list[str] = Field(default_factory=list)


class IterationEnd(_Record):
    """The iteration is over; ``answered`` when it ended the run with an answer.

    ``rejected`` is what was wrong with an answer that was not accepted, as the model was told it.
    """

    kind: Literal["iteration"] = "iteration"
    answered: bool = False
    rejected: str | None = None


class MessageRecord(_Record):
    """A chat message; its text is the blob named by ``digest``, its pictures are those named by ``images``."""

    role: str
    digest: str
    images: list[str] = Field(default_factory=list)


class ModelCallStart(_Record):
    """The run's model is called with the first ``kept`` messages of the run's previous call, then ``added``.

    Its ``purpose`` is the next step towards an answer, or to sum up a conversation that fills the model's window.
    ``sampling`` is what went to the API besides (``temperature``, ...).
    """

    kind: Literal["model_call"] = "model_call"
    model: str
    purpose: Literal["answer", "compaction"] = "answer"
    kept: int = 0
    added: list[MessageRecord] = Field(default_factory=list)
    sampling: dict[str, Any] = Field(default_factory=dict)


class _ReplyEnd(_Record):
    """A model replied, or failed to; ``reply`` is the digest of the text, ``reasoning`` that of the model's thinking.

    Of a call that was broken off, ``reply`` is what had come by then. ``retries`` counts the requests after the first;
    ``lost`` those that gave no reply and were followed by another: each may have been charged beside ``usage``.
    ``notes`` say what was odd about the reply; one that is ``cached`` comes from a recording, and no server was asked.
    """

    reply: str | None = None
    response_model: str | None = None
    response_id: str | None = None
    finish_reason: str | None = None
    retries: int = 0
    lost: int = 0
    usage: UsageRecord = Field(default_factory=UsageRecord)
    reasoning: str | None = None
    notes: list[str] = Field(default_factory=list)
    cached: bool = False
    error: ErrorRecord | None = None


class ModelCallEnd(_ReplyEnd):
    """The root model replied, or failed to."""

    kind: Literal["model_call"] = "model_call"


class CodeStart(_Record):
    """A code block begins to run; ``index`` counts the blocks of a reply from 1.

    ``review`` is what the user said to it where he was asked first; ``proposed`` is the model's code where the user
    put other code in its place. A block that was rejected is not run. ``inputs`` are the variables that it names and
    that its run did not make, as they were then; a run tells of each once.
    """

    kind: Literal["code"] = "code"
    code: str
    index: int
    review: Review | None = None
    proposed: str | None = None
    inputs: list[ContextRecord] = Field(default_factory=list)


class CodeEnd(_Record):
    """A code block ended. ``outputs`` have nbformat's shape and order; ``final_answer`` when the block answered.

    ``changes`` are the public names that the block ``created``, ``rebound`` and ``deleted`` in the namespace that it
    ran in, 200 of a kind at most; what is the run's own (``answer``, ``context``, ...) is left out.
    """

    kind: Literal["code"] = "code"
    outputs: list[dict[str, Any]] = Field(default_factory=list)
    error: ErrorRecord | None = None
    final_answer: str | None = None
    notes: list[str] = Field(default_factory=list)
    changes: dict[str, list[str]] = Field(default_factory=dict)


class SubcallStart(_Record):
    """Model code called a model; ``batch`` and ``index`` (from 0) are set for a slot of a batch.

    ``prompt`` is the digest of its text, ``images`` are those of its pictures, ``sampling`` went to the API besides.
    """

    kind: Literal["subcall"] = "subcall"
    model: str
    prompt: str
    images: list[str] = Field(default_factory=list)
    batch: str | None = None
    index: int | None = None
    sampling: dict[str, Any] = Field(default_factory=dict)


class SubcallEnd(_ReplyEnd):
    """The model replied to model code, or failed to."""

    kind: Literal["subcall"] = "subcall"


StartPayload: TypeAlias = Annotated[
    RunStart | IterationStart | ModelCallStart | CodeStart | SubcallStart, Field(discriminator="kind")
]
EndPayload: TypeAlias = Annotated[
    RunEnd | IterationEnd | ModelCallEnd | CodeEnd | SubcallEnd, Field(discriminator="kind")
]


class SpanStart(_Record):
    """A span opens. ``seq`` numbers the events of a run from 0 without a gap."""

    event: Literal["start"] = "start"
    version: int = SCHEMA_VERSION
    run_id: str
    seq: int
    span_id: str
    parent_id: str | None = None
    started: float
    payload: StartPayload


class SpanEnd(_Record):
    """A span closes."""

    event: Literal["end"] = "end"
    version: int = SCHEMA_VERSION
    run_id: str
    seq: int
    span_id: str
    ended: float
    status: Status
    payload: EndPayload


class SpanText(_Record):
    """More of the reply that a model call is about to get, while it comes; the call's end has the whole.

    With ``anew``, what was told before is void: the connection broke, and the reply is asked for again.
    """

    event: Literal["text"] = "text"
    version: int = SCHEMA_VERSION
    run_id: str
    seq: int
    span_id: str
    at: float
    text: str
    anew: bool = False


class Blob(_Record):
    """A text, written once. ``size`` counts the characters of the whole; ``text`` is an excerpt when ``cut``.

    With a ``media_type`` it is a picture in base64, ``size`` counts its bytes, and of a large one ``text`` is empty.
    With the ``encoding`` ``zlib``, ``text`` is the base64 of the compressed UTF-8 of the whole.
    """

    event: Literal["blob"] = "blob"
    version: int = SCHEMA_VERSION
    run_id: str
    seq: int
    digest: str
    size: int
    text: str
    cut: bool = False
    media_type: str | None = None
    encoding: Literal["zlib"] | None = None


Event: TypeAlias = Annotated[SpanStart | SpanEnd | SpanText | Blob, Field(discriminator="event")]

event_adapter: TypeAdapter[SpanStart | SpanEnd | SpanText | Blob] = TypeAdapter(
    Event, config=ConfigDict(defer_build=True)
)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of an event as it is written: a line of a trace in JSON lines."""
    schema = event_adapter.json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Event", **schema}
