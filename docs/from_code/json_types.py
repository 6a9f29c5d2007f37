"""What JSON Schema says of a value, in words, and its fields as a table."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from .markdown import code, table, text

__all__ = ["Schemas", "fields_table"]

_WORDS = {"integer": "whole number", "string": "text", "boolean": "true or false", "object": "object", "null": "null"}


class Schemas:
    """The named schemas of a document. ``link`` gives the address of one that has a place of its own on a page."""

    def __init__(self, named: Mapping[str, Any], link: Callable[[str], str | None]) -> None:
        self._named = named
        self._link = link

    def type_text(self, schema: Mapping[str, Any]) -> str:
        """Return which values are valid; a name that has no place of its own is told here."""
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            address = self._link(name)
            return f"[{name}]({address})" if address is not None else self.type_text(self._named[name])
        for choice in ("anyOf", "oneOf"):
            if choice in schema:
                return " or ".join(dict.fromkeys(self.type_text(each) for each in schema[choice]))
        if "enum" in schema:
            return ", ".join(code(json.dumps(each)) for each in schema["enum"])
        if "const" in schema:
            return code(json.dumps(schema["const"]))
        kinds = schema.get("type", "any")
        if isinstance(kinds, list):
            return " or ".join(self.type_text({**schema, "type": kind}) for kind in kinds)
        return self._of_kind(str(kinds), schema)

    def _of_kind(self, kind: str, schema: Mapping[str, Any]) -> str:
        if kind == "array":
            if "prefixItems" in schema:
                return f"list of {len(schema['prefixItems'])}: {self.type_text(schema['prefixItems'][0])}"
            return f"list of {self.type_text(schema.get('items', {}))}"
        if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
            return f"object, by name: {self.type_text(schema['additionalProperties'])}"
        if kind == "object" and schema.get("properties"):
            told = (f"{code(name)}: {self.type_text(each)}" for name, each in schema["properties"].items())
            return f"object ({', '.join(told)})"
        return f"{_WORDS.get(kind, kind)}{_bounds(kind, schema)}"


def _bounds(kind: str, schema: Mapping[str, Any]) -> str:
    if kind == "string":
        pattern = f" like {code(schema['pattern'])}" if "pattern" in schema else ""
        most = schema.get("maxLength")
        return f"{pattern}, at most {most:,} characters" if most is not None else pattern
    least, most = schema.get("minimum"), schema.get("maximum")
    if kind in ("integer", "number") and most is not None and most < 2**53 - 1:
        return f", {least:,} to {most:,}"
    return f", at least {least:,}" if kind in ("integer", "number") and least is not None else ""


def fields_table(
    schemas: Schemas,
    schema: Mapping[str, Any],
    about: Callable[[str, Mapping[str, Any]], str] | None = None,
    absent: str = "may be left out",
) -> str:
    """Return the fields of an object: type, default, and what each is, as ``about`` tells where the schema does not.

    ``absent`` is said of a field that need not be there and has no default.
    """
    needed = schema.get("required", ())
    rows = []
    for name, each in schema.get("properties", {}).items():
        told = about(name, each) if about is not None else text(" ".join(each.get("description", "").split()))
        default = code(json.dumps(each["default"])) if "default" in each else "" if name in needed else absent
        rows.append((code(name), schemas.type_text(each), default, told))
    return table(("field", "type", "default", "what it is"), rows)
