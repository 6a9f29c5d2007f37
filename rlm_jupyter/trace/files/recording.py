"""A trace packed: small enough to travel inside a notebook's cell, and named by what it holds."""

from __future__ import annotations

import base64
import binascii
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from rlm_jupyter.core.digest import bytes_digest
from rlm_jupyter.trace.schema import ROOT_SPAN, SpanText
from rlm_jupyter.trace.trace import Trace

from .allowance import Allowance
from .lines import event_of

__all__ = ["UNPACKED_LIMIT", "PartialTraceError", "Recording", "file_name_of", "pack", "packed_in", "unpack"]

UNPACKED_LIMIT = 200_000_000
"""Bytes that a recording may unpack to."""

_LINE = 100  # characters of a line in a cell
_SHORT = 24  # digits of the digest in a file's name
_SUFFIX = ".rlm"


class PartialTraceError(ValueError):
    """The trace is not the whole run, so that there is nothing to play again."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A packed trace: ``data`` is the zlib of its JSON lines, ``digest`` is over ``data``."""

    digest: str
    data: bytes

    @property
    def text(self) -> str:
        """The data in base64, in lines of 100 characters."""
        packed = base64.b64encode(self.data).decode("ascii")
        return "\n".join(packed[at : at + _LINE] for at in range(0, len(packed), _LINE))

    @property
    def text_size(self) -> int:
        """How many characters ``text`` has, line breaks apart."""
        return (len(self.data) + 2) // 3 * 4

    @property
    def file_name(self) -> str:
        """What a file of the data is called: 24 digits of the digest, and ``.rlm``."""
        return file_name_of(self.digest)


def file_name_of(digest: str) -> str:
    """Return how the file of the recording of that digest (``sha256:...``) is called."""
    return f"{digest.rpartition(':')[2][:_SHORT]}{_SUFFIX}"


def pack(trace: Trace) -> Recording:
    """Return the trace packed, without what was told of replies while they came. The same trace gives the same bytes.

    Raises ``PartialTraceError`` when something of the run is not in the trace, or when it is too large to be unpacked.
    """
    if trace.root is None or trace.root.span_id != ROOT_SPAN:
        msg = "This trace has no run."
        raise PartialTraceError(msg)
    if trace.damage is not None:
        raise PartialTraceError(trace.damage)
    if trace.omitted:
        msg = "This is an excerpt of a large run; the store or the log has all of it."
        raise PartialTraceError(msg)
    packer, size, parts = zlib.compressobj(6), 0, []
    for event in trace.events:
        if isinstance(event, SpanText):
            continue
        line = f"{event.model_dump_json()}\n".encode()
        size += len(line)
        if size > UNPACKED_LIMIT:
            msg = f"The trace is larger than the {UNPACKED_LIMIT:,} bytes that a recording may have; the log has it."
            raise PartialTraceError(msg)
        parts.append(packer.compress(line))
    parts.append(packer.flush())
    data = b"".join(parts)
    return Recording(bytes_digest(data), data)


def unpack(data: bytes, allowance: Allowance | None = None) -> Trace:
    """Return the trace that was packed; ``allowance`` is for all recordings of a file. Nothing of it is run.

    Raises ``ValueError`` when it is damaged or too large, and ``TraceVersionError`` when a newer version wrote it.
    """
    trace = Trace()
    allowed = Allowance(UNPACKED_LIMIT) if allowance is None else allowance
    for number, line in enumerate(_lines(data, allowed), 1):
        event = event_of(line, "The recording")
        if event is None or (trace.events and event.run_id != trace.run_id):
            msg = f"The recording is damaged: its line {number} is no event of this run. Export the run again."
            raise ValueError(msg)
        allowed.take(event)
        trace.add(event)
    if trace.root is None or trace.root.span_id != ROOT_SPAN:
        msg = "The recording is damaged: it holds no run. Export the run again."
        raise ValueError(msg)
    return trace


def packed_in(text: str) -> Recording:
    """Return the recording whose ``text`` this is, spaces and line breaks apart.

    Raises ``ValueError`` when it is no base64. What it holds is looked at by ``unpack``.
    """
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        msg = f"The recording is damaged: {error}. Export the run again."
        raise ValueError(msg) from error
    return Recording(bytes_digest(data), data)


def _lines(data: bytes, allowed: Allowance) -> Iterator[bytes]:
    limit = min(UNPACKED_LIMIT, allowed.unpacked)
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(data, limit + 1)
    except zlib.error as error:
        msg = f"The recording is damaged: {error}. Export the run again."
        raise ValueError(msg) from error
    if len(text) > limit:
        msg = f"The recording is larger than {limit:,} bytes, and is not opened."
        raise ValueError(msg)
    allowed.take_bytes(len(text))
    if not unpacker.eof or unpacker.unused_data:
        msg = "The recording is damaged: it is cut off, or something stands behind it. Export the run again."
        raise ValueError(msg)
    yield from io.BytesIO(text)
