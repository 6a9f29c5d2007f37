"""Names a text, or a notebook's cells, by what they hold."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["bytes_digest", "cell_digest", "cells_digest", "text_digest"]


def bytes_digest(*parts: bytes | memoryview) -> str:
    """Return ``sha256:`` and 32 hexadecimal digits over the parts as one."""
    hashed = hashlib.sha256()
    for part in parts:
        hashed.update(part)
    return f"sha256:{hashed.hexdigest()[:32]}"


def text_digest(text: str) -> str:
    """Return the digest of the text in UTF-8; a lone surrogate counts as it is."""
    return bytes_digest(text.encode("utf-8", "surrogatepass"))


def cell_digest(cell: Mapping[str, Any]) -> str:
    """Return a digest over what the cell says: type, source, tags and outputs.

    What JupyterLab changes when it merely saves a notebook (more metadata, texts as lists of lines, 1.0 as 1, execution
    counts) leaves the digest as it is.
    """
    meaning = [cell.get("cell_type"), _joined(cell.get("source", "")), _tags(cell), _outputs(cell)]
    return text_digest(json.dumps(meaning, sort_keys=True, default=str))


def cells_digest(digests: Iterable[str]) -> str:
    """Return the digest of the cells that have these digests, in this order."""
    return text_digest("\n".join(digests))


def _tags(cell: Mapping[str, Any]) -> list[str]:
    metadata = cell.get("metadata")
    tags = metadata.get("tags", []) if isinstance(metadata, Mapping) else []
    return [str(tag) for tag in tags] if isinstance(tags, Sequence) else []


def _outputs(cell: Mapping[str, Any]) -> list[dict[str, Any]]:
    outputs = cell.get("outputs") or []
    kept = ("output_type", "name", "text", "data", "ename", "evalue", "traceback")
    return [{key: _plain(output[key], key) for key in kept if key in output} for output in outputs]


def _plain(value: Any, key: str) -> Any:
    """Return the value in the one form that both we and a front end's JSON come to."""
    if isinstance(value, Mapping):
        return {str(name): _plain(each, str(name)) for name, each in value.items()}
    if isinstance(value, list):
        if key not in ("traceback", "") and not key.endswith("json") and all(isinstance(each, str) for each in value):
            return "".join(value)
        return [_plain(each, "") for each in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _joined(source: Any) -> str:
    return "".join(source) if isinstance(source, list) else str(source)
