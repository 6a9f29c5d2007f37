"""Bounds what a payload may hold, whatever a model, or an environment that is not ours, put into it."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import BaseModel

from rlm_jupyter.core.observation import head_and_tail

from .schema import RunEnd, UsageRecord

__all__ = ["MEDIA_LIMIT", "OUTPUT_LIMIT", "TEXT_LIMIT", "bounded"]

TEXT_LIMIT = 100_000
"""Characters of a text in a trace, such as an answer or an error's message; only the result holds a longer answer."""

OUTPUT_LIMIT = 1_000_000
"""Characters of a code block, and of each text form, stream and traceback among its outputs."""

MEDIA_LIMIT = 7_000_000
"""Characters of an output's form that half of would be worthless, such as HTML, JSON and images (5 MB of an image)."""

_CUTTABLE = frozenset({"text/plain", "text/markdown", "text/latex"})

_NO_TEXT = frozenset({int, float, bool, UsageRecord})

_Payload = TypeVar("_Payload", bound=BaseModel)


def bounded(payload: _Payload) -> _Payload:
    """Return the payload with head and tail of each text that is too long: itself when none is.

    It is to hold plain JSON, and no secrets: a cut may leave half of one.
    """
    changed: dict[str, Any] = {}
    for name, value in payload.__dict__.items():
        kind = type(value)
        if not value or kind in _NO_TEXT or (kind is str and len(value) <= TEXT_LIMIT):  # as most of a payload is
            continue
        kept = _outputs(value) if name == "outputs" else _texts(value, OUTPUT_LIMIT if name == "code" else TEXT_LIMIT)
        if kept is not value:
            changed[name] = kept
    if isinstance(payload, RunEnd) and payload.answer is not None and "answer" in changed:
        changed["answer_size"] = len(payload.answer)
    return payload.model_copy(update=changed) if changed else payload


def _texts(value: Any, limit: int) -> Any:
    if isinstance(value, str):
        return head_and_tail(value, limit)
    if isinstance(value, BaseModel):
        return bounded(value)
    if isinstance(value, list):
        items = [_texts(each, limit) for each in value]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    if isinstance(value, dict):
        pairs = {name: _texts(each, limit) for name, each in value.items()}
        return pairs if any(pairs[name] is not value[name] for name in value) else value
    return value


def _outputs(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    kept = [_output(output) for output in outputs]
    return kept if any(new is not old for new, old in zip(kept, outputs, strict=True)) else outputs


def _output(output: dict[str, Any]) -> dict[str, Any]:
    changed = {}
    for name, value in output.items():
        if isinstance(value, dict):
            kept = _forms(value) if name == "data" else _texts(value, OUTPUT_LIMIT)
        elif name == "traceback":
            kept = _joined(value, "\n")
            kept = kept.split("\n") if isinstance(value, list) and kept is not value else kept
        else:
            kept = _joined(value)
        if kept is not value:
            changed[name] = kept
    return {**output, **changed} if changed else output


def _forms(forms: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    left_out = []
    for name, value in forms.items():
        size = 0 if name in _CUTTABLE else _size(value)
        if size > MEDIA_LIMIT:
            left_out.append(f"[{name} left out of the trace: {size:,} characters]")
        else:
            kept[name] = _joined(value) if name in _CUTTABLE else value
    if left_out:
        kept["text/plain"] = "\n".join([*([str(kept["text/plain"])] if "text/plain" in kept else []), *left_out])
    return kept if any(kept.get(name) is not value for name, value in forms.items()) else forms


def _joined(value: Any, separator: str = "") -> Any:
    """Return head and tail of a text that is too long; nbformat allows a list of lines in its place."""
    is_lines = isinstance(value, list) and all(isinstance(line, str) for line in value)
    text = separator.join(value) if is_lines else value
    return head_and_tail(text, OUTPUT_LIMIT) if isinstance(text, str) and len(text) > OUTPUT_LIMIT else value


def _size(value: Any) -> int:
    return len(value) if isinstance(value, str) else len(json.dumps(value))
