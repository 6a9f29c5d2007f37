"""Values in full, as text: plain data and tables only, so that nothing runs when a trace is read.

The text is JSON. An object with one key that begins with ``$`` is of a type that JSON does not have:
``{"$tuple": [1, 2]}``. A dict of the user's with such a key, or one that is no string, is written as
``{"$dict": [[key, value], ...]}``.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rlm_jupyter.core.digest import bytes_digest

if TYPE_CHECKING:
    from rlm_jupyter.trace.schema import Blob, ContextRecord
    from rlm_jupyter.trace.trace import Trace

__all__ = [
    "VALUE_LIMIT",
    "NotRecordedError",
    "check_value",
    "compressed",
    "read_value",
    "recorded_text",
    "recorded_value",
    "shown_text",
    "value_digest",
    "whole_text",
    "write_value",
]

VALUE_LIMIT = 50_000_000
"""Characters of one value as it is written, at most."""

_COMPRESSED_FROM = 4_000  # characters
_LEVEL = 6
_SHOWN = 100_000  # characters, as many as a trace keeps of a text
_SPACE = b"\xffvalue:"  # no text begins so, whatever it says: these bytes are no UTF-8


class NotRecordedError(LookupError):
    """The value is not in the trace in full: it was too large, or nothing that can be written as plain data."""


def write_value(value: Any, limit: int) -> str | None:
    """Return the value as text; None when it is no plain data, or would be longer than ``limit`` characters.

    Plain are None, booleans, numbers, texts, bytes, the built-in containers, dates and times, paths, pictures, numpy's
    arrays and pandas' tables, of exactly these types and not of classes derived from them: no code of the value's own
    is run. Of a module, and of what can be imported from one, the name is written; of a function or class of the
    notebook the source, and of an object of such a class its attributes too. What holds itself is not written. The
    work is bounded by ``limit``, whatever the value's size.
    """
    from .writing import written

    return written(value, min(limit, VALUE_LIMIT))


def read_value(text: str, *, run: bool = False, namespace: dict[str, Any] | None = None) -> Any:
    """Return what ``write_value`` wrote. Raises ``ValueError`` for anything else.

    Raises ``NotRecordedError`` when it needs a package that is not installed. Modules, functions and classes come back
    with ``run`` only, which imports what the text names and runs the source that it holds, with ``namespace`` for its
    globals; else they are ``NotRecordedError`` too. Without it nothing of the text is run, whatever it holds.
    """
    from .reading import read

    return read(text, ({} if namespace is None else namespace) if run else None)


def check_value(text: str) -> None:
    """Raise ``ValueError`` for what is plainly no value, without making one: tables and sets are looked at as lists.

    It takes time and memory by the length of the text alone, whatever stands in it. Raises ``NotRecordedError`` at what
    only a replay reads.
    """
    from .reading import check

    check(text)


def value_digest(text: str) -> str:
    """Return the name that the text of a value has in a trace: never that of a message or reply that says the same."""
    return bytes_digest(_SPACE, text.encode("utf-8", "surrogatepass"))


def recorded_text(trace: Trace, record: ContextRecord) -> str:
    """Return the text of the value, as ``write_value`` wrote it; raises what ``recorded_value`` does."""
    blob = trace.blobs.get(record.value) if record.value is not None else None
    if blob is None or blob.cut:
        msg = (
            f"The value of {record.name} ({record.type}) is not in the trace in full: pass it, or record with a larger "
            "record_limit."
        )
        raise NotRecordedError(msg)
    return whole_text(blob)


def recorded_value(
    trace: Trace, record: ContextRecord, *, run: bool = False, namespace: dict[str, Any] | None = None
) -> Any:
    """Return the value as it was; a new object each time. ``run`` and ``namespace`` are those of ``read_value``.

    Raises ``NotRecordedError`` when it is not in the trace, and ``ValueError`` when what is there is damaged.
    """
    return read_value(recorded_text(trace, record), run=run, namespace=namespace)


def compressed(text: str) -> Mapping[str, Any]:
    """Return ``text`` and ``encoding`` of a blob that holds the text: compressed, unless it is short."""
    if len(text) <= _COMPRESSED_FROM:
        return {"text": text, "encoding": None}
    packed = zlib.compress(text.encode("utf-8"), _LEVEL)
    return {"text": base64.b64encode(packed).decode("ascii"), "encoding": "zlib"}


def shown_text(blob: Blob) -> str:
    """Return the text of a blob to be shown, of a compressed one 100,000 characters at most; of a damaged one none."""
    if blob.encoding is None:
        return blob.text
    try:
        unpacked = zlib.decompressobj().decompress(base64.b64decode(blob.text, validate=True), 4 * _SHOWN)
    except (zlib.error, ValueError):
        return ""
    return unpacked.decode("utf-8", "ignore")[:_SHOWN]


def whole_text(blob: Blob) -> str:
    """Return the text of a blob, which may be compressed; never more of it than the blob says that there is.

    Raises ``ValueError`` when it is damaged, or longer than a value is ever written.
    """
    if blob.encoding is None:
        return blob.text
    if not 0 <= blob.size <= VALUE_LIMIT:
        msg = f"The text {blob.digest} cannot be read: it is said to have {blob.size:,} characters."
        raise ValueError(msg)
    unpacking = zlib.decompressobj()
    try:
        unpacked = unpacking.decompress(base64.b64decode(blob.text, validate=True), 4 * blob.size + 1)
        text = unpacked.decode("utf-8")
    except (zlib.error, ValueError) as error:
        msg = f"The text {blob.digest} is damaged: {error}."
        raise ValueError(msg) from error
    if not unpacking.eof or len(text) != blob.size:
        msg = f"The text {blob.digest} is damaged: it does not have the {blob.size:,} characters that it should have."
        raise ValueError(msg)
    return text
