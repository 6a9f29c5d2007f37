"""The model behind a block that is served: it finds passages as the offline extractor does, or says what it is told."""

from __future__ import annotations

import json
import re
from typing import Any

from scripted_server import ChatRequest
from scripts import is_root, step, text_of

from rlm_jupyter.clients.offline import reply_to
from rlm_jupyter.core.protocols import Message

__all__ = ["ServedModel"]

_SCHEMA = re.compile(r"JSON schema.*?```json\n(.*?)\n```", re.DOTALL)
_LOOK = "```repl\nprint(type(context).__name__, len(str(context)))\n```"
_VALUES = {"string": "a text", "integer": 1, "number": 1.0, "boolean": True, "null": None}


class ServedModel:
    """Answers every request. As a root it says ``told`` where that is not empty, after a look at the context."""

    def __init__(self) -> None:
        self.told = ""

    def __call__(self, request: ChatRequest) -> str:
        """Return the reply."""
        messages: list[Message] = [{"role": each["role"], "content": text_of(each)} for each in request.messages]
        schemas = _SCHEMA.findall(messages[-1]["content"] if not is_root(request) else _question(messages))
        answer = self.told or (json.dumps(_example(json.loads(schemas[-1]))) if schemas else "")
        if not is_root(request):
            return answer if schemas else reply_to(messages)
        if not answer:
            return reply_to(messages)
        return _LOOK if step(request) == 0 else f'```repl\nanswer["content"] = {answer!r}\nanswer["ready"] = True\n```'


def _question(messages: list[Message]) -> str:
    return [each["content"] for each in messages if each["content"].startswith("## Question")][-1]


def _example(schema: dict[str, Any], definitions: dict[str, Any] | None = None) -> Any:
    """Return a small value that fits a JSON schema of the plain kind that pydantic writes."""
    definitions = schema.get("$defs", {}) if definitions is None else definitions
    if "$ref" in schema:
        return _example(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if "enum" in schema:
        return schema["enum"][0]
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return _example(schema[key][0], definitions)
    if schema.get("type") == "object":
        return {name: _example(each, definitions) for name, each in schema.get("properties", {}).items()}
    if schema.get("type") == "array":
        return [_example(schema.get("items", {}), definitions)]
    return _VALUES.get(schema.get("type", "string"), "a text")
