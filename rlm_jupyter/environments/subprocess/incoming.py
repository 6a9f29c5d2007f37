"""What comes from the kernel, checked in one place: its code may send anything over the kernel's own connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import zmq
from jupyter_client.session import Session

__all__ = ["Incoming", "received"]

_SHAPES: dict[str, dict[str, tuple[type, ...]]] = {
    "stream": {"name": (str,), "text": (str,)},
    "execute_result": {"data": (dict,), "metadata": (dict,)},
    "display_data": {"data": (dict,), "metadata": (dict,)},
    "update_display_data": {"data": (dict,), "metadata": (dict,)},
    "rlm_query": {"query": (str,), "kind": (str,), "cell": (str, type(None))},
    "rlm_report": {"cell": (str,)},
}
_WITH_TEXT = frozenset({"rlm_query", "rlm_report"})


@dataclass(frozen=True, slots=True)
class Incoming:
    """One message: its kind, the request that it belongs to ("" for none), its content and the text beside it."""

    kind: str
    parent: str
    content: dict[str, Any]
    text: bytes


def received(session: Session, socket: zmq.Socket[bytes]) -> Incoming | None:
    """Take a message off the socket; None when it is not signed by the kernel or not of the shape that its kind has.

    A reply is never dropped, for somebody waits for it: one that says nothing usable has no content.
    """
    try:
        _, message = session.recv(socket)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):  # unsigned, or no message at all
        return None
    if not isinstance(message, dict):
        return None
    parent, kind, content = message["parent_header"], message["msg_type"], message["content"]
    if not isinstance(parent, dict) or not isinstance(kind, str):
        return None
    origin = parent.get("msg_id", "")
    if not isinstance(origin, str):
        return None
    if kind.endswith("_reply"):
        return Incoming(kind, origin, content if _is_reply(content) else {}, b"")
    buffers = message["buffers"]
    if not isinstance(content, dict) or not _has_shape(kind, content) or (kind in _WITH_TEXT and not buffers):
        return None
    return Incoming(kind, origin, content, bytes(buffers[0]) if kind in _WITH_TEXT else b"")


def _is_reply(content: object) -> bool:
    if not isinstance(content, dict):
        return False
    lines = content.get("traceback", [])
    return isinstance(lines, list) and all(isinstance(line, str) for line in lines)


def _has_shape(kind: str, content: dict[str, Any]) -> bool:
    if any(not isinstance(content.get(key), types) for key, types in _SHAPES.get(kind, {}).items()):
        return False
    if kind == "stream":
        return content["name"] in ("stdout", "stderr")
    if "data" in _SHAPES.get(kind, {}):
        transient = content.get("transient") or {}
        texts = [value for mime, value in content["data"].items() if mime.startswith("text/")]
        return (
            isinstance(transient, dict)
            and isinstance(transient.get("display_id"), str | None)
            and all(isinstance(text, str) for text in texts)
        )
    return True
