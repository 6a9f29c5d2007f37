"""What OpenTelemetry's spans say of a run: the attributes of OpenInference and of the GenAI semantic conventions.

The names are those of OpenInference's ``spec/semantic_conventions.md`` and of OpenTelemetry's ``gen-ai-spans.md`` and
``gen-ai-agent-spans.md`` (1.41). What neither has a name for stands in OpenInference's ``metadata``, as JSON. The
messages are there once, as OpenInference has them: ``gen_ai.input.messages`` would say all of it again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from rlm_jupyter.trace.schema import (
    CodeEnd,
    CodeStart,
    IterationEnd,
    IterationStart,
    MessageRecord,
    ModelCallEnd,
    ModelCallStart,
    RunEnd,
    RunStart,
    SubcallEnd,
    SubcallStart,
    UsageRecord,
)
from rlm_jupyter.trace.trace import Span, Trace

from .conversation import content_of, message_size
from .facts import reply_to
from .outputs import notebook_outputs, output_text
from .room import EXPORT_LIMIT, Room, text_room

__all__ = ["Attributes", "Content", "Texts", "attributes_of", "span_title"]

Attributes: TypeAlias = Mapping[str, str | int | float | bool | Sequence[str]]

_AGENT = "rlm"
_TOOL = "python"

_SAMPLING = {  # OpenAI's names, and those of the conventions
    "temperature": ("gen_ai.request.temperature", float),
    "top_p": ("gen_ai.request.top_p", float),
    "frequency_penalty": ("gen_ai.request.frequency_penalty", float),
    "presence_penalty": ("gen_ai.request.presence_penalty", float),
    "max_tokens": ("gen_ai.request.max_tokens", int),
    "max_completion_tokens": ("gen_ai.request.max_tokens", int),
    "seed": ("gen_ai.request.seed", int),
}


@dataclass(frozen=True, slots=True)
class Content:
    """Which texts go with the spans: what models and code were given, and what came of it."""

    inputs: bool = True
    outputs: bool = True

    @property
    def errors(self) -> bool:
        """Whether the messages of errors do: they may quote either."""
        return self.inputs and self.outputs

    def texts_of(self, trace: Trace) -> Texts:
        """Return the texts of a trace, as far as they are wanted."""
        return Texts(trace, self)


class Texts:
    """The texts of a trace that go with its spans, and the room that they take up together."""

    def __init__(self, trace: Trace, content: Content) -> None:
        self._trace, self._content = trace, content
        self._again, self._once = Room(EXPORT_LIMIT), text_room(trace)

    def input(self, text: str) -> dict[str, str]:
        """Return ``input.value``; nothing when it is not wanted, or there is no room."""
        wanted = self._content.inputs and self._once.take(len(text))
        return {"input.value": text, "input.mime_type": "text/plain"} if wanted else {}

    def output(self, text: str | None) -> dict[str, str]:
        """Return ``output.value``; nothing when there is none, it is not wanted, or there is no room."""
        wanted = text is not None and self._content.outputs and self._once.take(len(text))
        return {"output.value": text or "", "output.mime_type": "text/plain"} if wanted else {}

    def sampling(self, sampling: Mapping[str, Any]) -> dict[str, Any]:
        """Return what went to the API besides, without its texts when those are not wanted."""
        if self._content.inputs:
            return dict(sampling)
        return {name: value for name, value in sampling.items() if isinstance(value, bool | int | float)}

    def conversation(self, messages: Sequence[MessageRecord]) -> dict[str, str]:
        """Return the messages that a call was sent, and as its input the text of the last.

        They are to stand first: where a provider limits the attributes of a span, the first are dropped.
        """
        told: dict[str, str] = {}
        size = sum(message_size(self._trace, message) for message in messages)
        if self._content.inputs and self._again.take(size):
            for number, message in enumerate(messages):
                told.update(self._message(f"llm.input_messages.{number}.message", message))
        last = self._trace.text(messages[-1].digest) if messages else ""
        return {**told, **self.input(last)}

    def reply(self, span: Span, reasoning: str) -> dict[str, str]:
        """Return what a model said, and what it thought before."""
        text = reply_to(self._trace, span)
        if not text or not self._content.outputs or not self._once.take(2 * len(text) + len(reasoning)):
            return {}
        at = "llm.output_messages.0.message"
        told = {"output.value": text, "output.mime_type": "text/plain", f"{at}.role": "assistant"}
        if not reasoning:
            return {**told, f"{at}.content": text}
        for number, (kind, said) in enumerate((("reasoning", reasoning), ("text", text))):
            item = f"{at}.contents.{number}.message_content"
            told |= {f"{item}.type": kind, f"{item}.text": said}
        return told

    def _message(self, at: str, message: MessageRecord) -> dict[str, str]:
        content = content_of(self._trace, self._trace.text(message.digest), message.images)
        if isinstance(content, str):
            return {f"{at}.role": message.role, f"{at}.content": content}
        told = {f"{at}.role": message.role}
        for number, part in enumerate(content):
            item = f"{at}.contents.{number}.message_content"
            is_text = part["type"] == "text"
            told[f"{item}.type"] = "text" if is_text else "image"
            told[f"{item}.text" if is_text else f"{item}.image.image.url"] = (
                part["text"] if is_text else part["image_url"]["url"]
            )
        return told


def span_title(span: Span) -> str:
    """Return the span's name: of few kinds, as the conventions ask for."""
    begun = span.start.payload
    if isinstance(begun, RunStart):
        return f"invoke_agent {_AGENT}"
    if isinstance(begun, IterationStart):
        return f"iteration {begun.number}"
    if isinstance(begun, CodeStart):
        return f"execute_tool {_TOOL}"
    return f"chat {begun.model}"


def attributes_of(trace: Trace, span: Span, backend: str, texts: Texts) -> dict[str, Any]:
    """Return what a span says of itself; ``backend`` is its run's. The messages of a model call are not among it."""
    begun = span.start.payload
    if isinstance(begun, RunStart):
        return _run(trace, span, begun, texts)
    if isinstance(begun, IterationStart):
        return _iteration(span, begun)
    if isinstance(begun, CodeStart):
        return _code(span, begun, texts)
    return _call(trace, span, begun, backend, texts)


def _run(trace: Trace, span: Span, begun: RunStart, texts: Texts) -> dict[str, Any]:
    end = span.end.payload if span.end is not None else None
    contexts = [record.model_dump(include={"name", "type", "size", "unit"}) for record in begun.contexts]
    metadata = {
        "run_id": trace.run_id,
        "span_id": span.span_id,
        "environment": begun.environment,
        "depth": begun.depth,
        "batch": begun.batch,
        "index": begun.index,
        "turn": begun.turn,
        "max_iterations": begun.max_iterations,
        "iterations": sum(child.kind == "iteration" for child in span.children),
        "contexts": contexts,
        "resumes": begun.resumes,
        "status": span.status,
    }
    return {
        "openinference.span.kind": "AGENT",
        "agent.name": _AGENT,
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": _AGENT,
        "gen_ai.provider.name": begun.backend,
        "gen_ai.request.model": begun.model,
        "metadata": _json(metadata),
        **texts.input(begun.question),
        **texts.output(end.answer if isinstance(end, RunEnd) else None),
    }


def _iteration(span: Span, begun: IterationStart) -> dict[str, Any]:
    end = span.end.payload if span.end is not None else None
    metadata: dict[str, Any] = {"number": begun.number, "closing": begun.closing, "status": span.status}
    if isinstance(end, IterationEnd):
        metadata |= {"answered": end.answered, "rejected": end.rejected is not None}
    return {"openinference.span.kind": "CHAIN", "metadata": _json(metadata)}


def _code(span: Span, begun: CodeStart, texts: Texts) -> dict[str, Any]:
    end = span.end.payload if span.end is not None else None
    shown = "\n".join(output_text(output)[1].rstrip("\n") for output in notebook_outputs(span))
    metadata = {"index": begun.index, "review": begun.review, "status": span.status}
    if isinstance(end, CodeEnd):
        metadata |= {"outputs": len(end.outputs), "answered": end.final_answer is not None}
    return {
        "openinference.span.kind": "TOOL",
        "tool.name": _TOOL,
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": _TOOL,
        "gen_ai.tool.type": "function",
        "metadata": _json(metadata),
        **texts.input(begun.code),
        **texts.output(shown if isinstance(end, CodeEnd) else None),
    }


def _call(trace: Trace, span: Span, begun: ModelCallStart | SubcallStart, backend: str, texts: Texts) -> dict[str, Any]:
    sampling = texts.sampling(begun.sampling)
    metadata: dict[str, Any] = {"status": span.status}
    if isinstance(begun, SubcallStart):
        metadata |= {"purpose": "subcall", "batch": begun.batch, "index": begun.index}
    else:
        metadata["purpose"] = begun.purpose
    told: dict[str, Any] = {
        "openinference.span.kind": "LLM",
        "llm.system": backend,
        "llm.model_name": begun.model,
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": backend,
        "gen_ai.request.model": begun.model,
    }
    if sampling:
        told["llm.invocation_parameters"] = _json(sampling)
        told |= _request(begun.sampling)
    end = span.end.payload if span.end is not None else None
    reasoning = ""
    if isinstance(end, ModelCallEnd | SubcallEnd):
        metadata |= {"retries": end.retries, "lost": end.lost, "cached": end.cached}
        reasoning = trace.text(end.reasoning)
        told |= _response(end)
    if isinstance(begun, SubcallStart):
        prompt = MessageRecord(role="user", digest=begun.prompt, images=begun.images)
        told = {**texts.conversation([prompt]), **told}
    return {**told, "metadata": _json(metadata), **texts.reply(span, reasoning)}


def _request(sampling: Mapping[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for name, (attribute, of) in _SAMPLING.items():
        value = sampling.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            told[attribute] = of(value)
    return told


def _response(end: ModelCallEnd | SubcallEnd) -> dict[str, Any]:
    """Return what came back. A reply from a recording took no tokens and no money: no server was asked."""
    told: dict[str, Any] = {}
    if end.response_model is not None:
        told |= {"llm.model_name": end.response_model, "gen_ai.response.model": end.response_model}
    if end.response_id is not None:
        told["gen_ai.response.id"] = end.response_id
    if end.finish_reason is not None:
        told |= {"gen_ai.response.finish_reasons": [end.finish_reason], "llm.finish_reason": end.finish_reason}
    return told if end.cached else told | _usage(end.usage)


def _usage(usage: UsageRecord) -> dict[str, Any]:
    counts = (
        (usage.input_tokens, ("llm.token_count.prompt", "gen_ai.usage.input_tokens")),
        (usage.output_tokens, ("llm.token_count.completion", "gen_ai.usage.output_tokens")),
        (usage.cached_input_tokens, _CACHED),
        (usage.reasoning_tokens, _REASONING),
    )
    told: dict[str, Any] = {name: count for count, names in counts if count is not None for name in names}
    if usage.input_tokens is not None and usage.output_tokens is not None:
        told["llm.token_count.total"] = usage.input_tokens + usage.output_tokens
    if usage.cost is not None and math.isfinite(usage.cost):
        told["llm.cost.total"] = float(usage.cost)
    return told


_CACHED = ("llm.token_count.prompt_details.cache_read", "gen_ai.usage.cache_read.input_tokens")
_REASONING = ("llm.token_count.completion_details.reasoning", "gen_ai.usage.reasoning.output_tokens")


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps({name: each for name, each in value.items() if each is not None}, ensure_ascii=False)
