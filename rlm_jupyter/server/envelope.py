"""Opens what a kernel published: sizes, signature, replays, JSON. All of it is hostile until it is through here.

It does not use ``Session.deserialize``, which parses before it knows how much there is, takes undecodable bytes, and
lets a hostile header raise whatever it likes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from hmac import compare_digest
from typing import TYPE_CHECKING, Any

from jupyter_client.session import DELIM

from .parsing import parse
from .refusal import Reason, RefusedError

if TYPE_CHECKING:
    from jupyter_client.session import Session

__all__ = ["Envelope", "Opener"]

_HEADER_LIMIT = 1_000_000
"""Bytes of a header, of a parent's header, and of the metadata."""

_SEEN = 20_000
"""Signatures that are remembered, against replays; a kernel sends 20 messages a second."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A comm message of ours: what kind it is, which comm it came from, and what it says, as JSON values."""

    type: str
    comm_id: str
    target: str | None
    data: Any


class Opener:
    """Opens the messages of one kernel; for one thread."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._seen: set[bytes] = set()
        self._order: deque[bytes] = deque()

    def open(self, frames: Sequence[bytes]) -> Envelope | None:
        """Return what the frames hold, or None when they are no comm message. Raises ``RefusedError``."""
        if DELIM not in frames:
            raise RefusedError(Reason.MALFORMED)
        parts = frames[list(frames).index(DELIM) + 1 :]
        if len(parts) < 5:
            raise RefusedError(Reason.MALFORMED)
        signature, *signed = parts[:5]
        if any(len(part) > _HEADER_LIMIT for part in signed[:3]):
            raise RefusedError(Reason.SIZE)
        self._check(signature, signed)
        header, content = parse(signed[0]), signed[3]
        kind = header.get("msg_type") if isinstance(header, dict) else None
        if kind not in ("comm_open", "comm_msg", "comm_close"):
            if kind == "iopub_welcome":
                return None
            raise RefusedError(Reason.TYPE)
        body = parse(content)
        if not isinstance(body, dict):
            raise RefusedError(Reason.MALFORMED)
        comm_id, target = body.get("comm_id"), body.get("target_name")
        if not isinstance(comm_id, str) or not (target is None or isinstance(target, str)):
            raise RefusedError(Reason.MALFORMED)
        return Envelope(kind, comm_id, target, body.get("data"))

    def _check(self, signature: bytes, signed: Sequence[bytes]) -> None:
        if not self._session.key:  # the administrator has switched signatures off
            return
        if not compare_digest(signature, self._session.sign(list(signed))):
            raise RefusedError(Reason.SIGNATURE)
        if signature in self._seen:
            raise RefusedError(Reason.REPLAY)
        self._seen.add(signature)
        self._order.append(signature)
        if len(self._order) > _SEEN:
            self._seen.discard(self._order.popleft())
