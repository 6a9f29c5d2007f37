"""rest.md: the routes, from the OpenAPI document that the server answers with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rlm_jupyter.server.routes.openapi import published_document

from .json_types import Schemas, fields_table
from .markdown import code, paragraphs, prose, table, text

__all__ = ["rest_page"]

_VERBS = ("get", "put", "post", "delete")
_TRACE = ("SpanStart", "SpanEnd", "SpanText", "Blob")
"""What the page of the trace's schema tells."""


class _Document:
    """The document, and what of it has a heading on the page."""

    def __init__(self) -> None:
        self.whole = published_document()
        self.named: dict[str, Any] = self.whole["components"]["schemas"]
        self.schemas = Schemas(self.named, self._link)

    def _link(self, name: str) -> str | None:
        if name in _TRACE:
            return f"trace-schema.md#{name.lower()}"
        return f"#{name.lower()}" if self.has_heading(name) else None

    def has_heading(self, name: str) -> bool:
        """Return whether a schema is an object of the server's own answers, and has fields to tell of."""
        return "properties" in self.named[name] and name in self._used

    @property
    def _used(self) -> set[str]:
        """The schemas that the YAML writes out or the wire has; those of a trace stand on a page of their own."""
        trace = set(self._trace_names())
        return {name for name in self.named if name not in trace}

    def _trace_names(self) -> Iterator[str]:
        from rlm_jupyter.trace.artifacts import shapes
        from rlm_jupyter.trace.schema import json_schema

        yield from json_schema()["$defs"]
        yield from shapes.__all__

    def resolved(self, each: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what a reference refers to, and anything else as it is."""
        found: Any = each
        while "$ref" in found:
            path = found["$ref"].removeprefix("#/").split("/")
            found = self.whole
            for name in path:
                found = found[name]
        return found  # type: ignore[no-any-return]


def rest_page() -> str:
    """Return the page."""
    document = _Document()
    info = document.whole["info"]
    routes = [part for tag in document.whole["tags"] for part in _section(document, tag)]
    errors = {
        status: document.resolved(response)
        for item in document.whole["paths"].values()
        for verb in _VERBS
        if verb in item
        for status, response in item[verb]["responses"].items()
        if "$ref" in response
    }
    objects = [part for name in document.named if document.has_heading(name) for part in _object(document, name)]
    return paragraphs(
        "# REST",
        prose(info["description"]),
        "The document itself, in OpenAPI 3.1, is what `GET /rlm-jupyter/openapi.json` answers with; client libraries "
        "can be made from it. A token of the server goes with each request:",
        "<!-- not run: a pattern, with the token of a server of yours -->\n```sh\n"
        'curl -H "Authorization: token $JUPYTER_TOKEN" http://localhost:8888/rlm-jupyter/runs?limit=5\n```',
        "## Errors",
        "Each of these comes with an [Error](#error); the routes name those that they have.",
        table(("status", "when"), ((status, text(errors[status]["description"])) for status in sorted(errors))),
        *routes,
        "## Objects",
        "What answers hold. The events of a run are told in [the trace's schema](trace-schema.md).",
        *objects,
    )


def _section(document: _Document, tag: Mapping[str, str]) -> Iterator[str]:
    yield f"## {tag['name'].capitalize()}"
    yield text(tag["description"])
    for path, item in document.whole["paths"].items():
        for verb in _VERBS:
            if verb in item and tag["name"] in item[verb]["tags"]:
                yield from _operation(document, f"{verb.upper()} {path}", item.get("parameters", ()), item[verb])


def _operation(
    document: _Document, title: str, shared: tuple[Any, ...] | list[Any], operation: Mapping[str, Any]
) -> Iterator[str]:
    yield f"### `{title}`"
    yield f"{text(operation['summary'])}."
    yield prose(operation.get("description"))
    parameters = [document.resolved(each) for each in (*shared, *operation.get("parameters", ()))]
    yield table(
        ("parameter", "in", "type", "default", "what it is"), (_parameter(document, each) for each in parameters)
    )
    if "requestBody" in operation:
        body = document.resolved(operation["requestBody"])
        yield " ".join(["The body, in JSON.", text(body.get("description", ""))]).strip()
        yield from _body(document, body["content"]["application/json"]["schema"])
    answers = operation["responses"].items()
    told = (_answer(document, *each) for each in answers if "$ref" not in each[1])
    yield table(("answer", "when", "holds"), told)
    errors = ", ".join(status for status, response in answers if "$ref" in response)
    yield f"[Errors](#errors): {errors}."


def _parameter(document: _Document, parameter: Mapping[str, Any]) -> tuple[str, ...]:
    schema = parameter["schema"]
    default = code(str(schema["default"]).lower()) if "default" in schema else ""
    needed = "needed" if parameter.get("required") else default
    told = parameter.get("description") or document.resolved(schema).get("description", "")
    return code(parameter["name"]), parameter["in"], document.schemas.type_text(schema), needed, text(told)


def _body(document: _Document, schema: Mapping[str, Any]) -> Iterator[str]:
    for each in schema.get("oneOf", (schema,)):
        if "title" in each:
            yield f"{each['title']}:"
        yield fields_table(document.schemas, each)


def _answer(document: _Document, status: str, response: Mapping[str, Any]) -> tuple[str, str, str]:
    found = document.resolved(response)
    content: Mapping[str, Any] = found.get("content", {})
    if set(content) == {"application/json"}:
        held = document.schemas.type_text(content["application/json"]["schema"])
    else:
        held = ", ".join(map(code, content))
    return status, text(" ".join(found["description"].split())), held


def _object(document: _Document, name: str) -> Iterator[str]:
    schema = document.named[name]
    yield f"### {name}"
    yield prose(schema.get("description"))
    yield fields_table(document.schemas, schema)
