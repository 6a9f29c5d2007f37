"""Names a notebook's cells by what they say."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rlm_jupyter.core.digest import text_digest

__all__ = ["PLAY_TAG", "REPORT_TAG", "cell_digest", "cells_digest"]

PLAY_TAG, REPORT_TAG = "rlm-resume", "rlm-report"
"""What marks the cells that play a run again and say how that went: what they put out is nobody's edit."""


def cell_digest(cell: Mapping[str, Any]) -> str:
    """Return a digest over what the cell says: type, source, tags and outputs.

    What JupyterLab changes when it merely saves a notebook (more metadata, texts as lists of lines, 1.0 as 1, execution
    counts) leaves the digest as it is, and so does what the cells that play a run put out.
    """
    tags = _tags(cell)
    outputs = [] if PLAY_TAG in tags or REPORT_TAG in tags else _outputs(cell)
    meaning = [cell.get("cell_type"), _joined(cell.get("source", "")), tags, outputs]
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
