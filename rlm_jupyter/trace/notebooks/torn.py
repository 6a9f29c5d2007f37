"""Tells what is left of a file whose writer was killed: nothing, or the beginning of a notebook."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeGuard

__all__ = ["is_torn", "was_ours"]

_BEFORE_ID = b'{\n "cells": [\n  {\n   "cell_type": "markdown",\n   "id": "'
_AFTER_ID = b'",\n   "metadata": {\n    "tags": [\n     "rlm",\n     "rlm-title"\n    ],\n    "rlm_jupyter": {'
"""How a trace notebook begins as we write it. What a front end saved, and so what a user edited, is sorted by names."""

_ID_LENGTH = 64


def is_torn(content: bytes | str | Mapping[str, Any] | None) -> TypeGuard[bytes | str]:
    """Return whether a file is empty, or the beginning of a notebook without its end."""
    if content is None or isinstance(content, Mapping):
        return False
    kept = _bytes(content)
    if not kept:
        return True
    if not kept.startswith(b"{"):
        return False
    try:
        json.loads(kept)
    except (ValueError, RecursionError):
        return True
    return False


def was_ours(torn: bytes | str) -> bool:
    """Return whether nobody's words are lost when a torn file is written over: it is empty, or begins as ours do."""
    kept = _bytes(torn)
    before, rest = kept[: len(_BEFORE_ID)], kept[len(_BEFORE_ID) :]
    if not rest:
        return _BEFORE_ID.startswith(before)
    end = rest.find(b'"')
    if before != _BEFORE_ID or (end if end >= 0 else len(rest)) > _ID_LENGTH:
        return False
    after = rest[end:] if end >= 0 else b""
    return after.startswith(_AFTER_ID) or _AFTER_ID.startswith(after)


def _bytes(content: bytes | str) -> bytes:
    """Return what was written; after a power failure, zeros may stand for what was not."""
    kept = content.encode(errors="replace") if isinstance(content, str) else content
    return kept.rstrip(b"\0") if kept.strip(b"\0 \t\r\n") else b""
