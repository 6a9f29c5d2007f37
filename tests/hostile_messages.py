"""Messages that a kernel would send in order to harm the server, or by mistake; the same ones for the same seed."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from jupyter_client.session import DELIM, Session
from made_runs import RunEvent

__all__ = ["Hostile", "packed"]

COMM_ID = "rlm_jupyter-0123456789abcdef"

_PATHS = (
    "../../../../tmp/hostile",
    "/etc/passwd",
    "..\\..\\hostile",
    "file:///etc/passwd",
    "a/../../hostile.ipynb",
    "C:\\hostile",
    "~/hostile",
    "%2e%2e%2fhostile",
)
_VALUES: tuple[Any, ...] = (
    None, True, False, -1, 0, 2**31, 2**63, -(2**63) - 1, 10**400, 1e308, -0.5, "", "\x00", "a\x00b", "\u202e",
    [], {}, [[]], {"": {"": {}}}, "'; DROP TABLE runs; --", "<script>alert(1)</script>", "${jndi:x}", "{{7*7}}",
    "x" * 300_000, "\r\n\r\n", *_PATHS,
)  # fmt: skip
_RAW = (
    b"", b"{", b"null", b"[]", b'"text"', b"NaN", b"{" * 10_000, b"[" * 10_000 + b"]" * 10_000, b'{"data":' * 10_000,
    b'{"comm_id": "rlm_jupyter-ab", "data": NaN}',
    b'{"comm_id": "rlm_jupyter-ab", "data": {"type": "events", "events": [{"seq": 1e999}]}}',
    b"\xff\xfe{}", b'{"a": "\xed\xa0\x80"}', b'{"comm_id": 1, "data": {}}', b"9" * 5_000,
    b'{"comm_id": "rlm_jupyter-ab", "data": {"type": "steered", "run_id": "\\ud800"}}', b'{"a": 1} {"a": 2}',
    b'{"comm_id": "../../x", "data": {"type": "events", "events": []}}',
)  # fmt: skip
_KINDS = ("", "execute_request", "shutdown_request", "stream", "comm_info_reply", "\x00", "comm_open" * 1_000, "status")


def packed(session: Session, content: Any, kind: str = "comm_msg") -> list[bytes]:
    """Return a signed message as it comes out of a kernel's socket; the content may be JSON already, or no JSON."""
    message = session.msg(kind, {})
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    parts = [session.pack(message["header"]), b"{}", b"{}", raw]
    return [b"comm-" + COMM_ID.encode(), DELIM, session.sign(parts), *parts]


class Hostile:
    """Makes messages out of a good run of the sender's and the ids of another kernel's."""

    def __init__(self, session: Session, good: list[RunEvent], others: list[str], seed: int) -> None:
        self._session = session
        self._good = [event.model_dump(mode="json") for event in good]
        self._others = others
        self._random = random.Random(seed)
        self._last: list[bytes] = []
        self._makers: tuple[Callable[[], list[bytes]], ...] = (
            self._mutated, self._mutated, self._mutated, self._deep, self._raw, self._wrong_kind, self._wrong_signature,
            self._replayed, self._truncated, self._another_runs, self._noise, self._speech, self._spread,
        )  # fmt: skip

    def messages(self, count: int) -> Iterator[list[bytes]]:
        """Return so many messages, as frames."""
        for _ in range(count):
            made = self._random.choice(self._makers)()
            yield made
            self._last = made

    def data(self, count: int) -> list[Any]:
        """Return the data of so many messages, which a kernel can be made to publish itself."""
        return [self._hurt(self._events()) for _ in range(count)]

    def _events(self) -> dict[str, Any]:
        begin = self._random.randrange(len(self._good))
        return {"type": "events", "events": copy.deepcopy(self._good[begin : begin + 5])}

    def _mutated(self) -> list[bytes]:
        return self._pack(self._hurt(self._events()))

    def _spread(self) -> list[bytes]:
        """Every text of a message is a path out of where it belongs, or every number is absurd."""
        text, number = self._random.choice(_PATHS), self._random.choice((-1, 2**70, 1e300, -1e300))

        def replaced(value: Any) -> Any:
            if isinstance(value, dict):
                return {name: each if name in ("event", "kind") else replaced(each) for name, each in value.items()}
            if isinstance(value, list):
                return [replaced(each) for each in value]
            return text if isinstance(value, str) else number

        return self._pack({"type": "events", "events": replaced(self._events()["events"])})

    def _deep(self) -> list[bytes]:
        value: Any = self._random.choice(_VALUES[:20])
        for _ in range(self._random.choice((50, 200, 900))):
            value = [value] if self._random.random() < 0.5 else {"a": value}
        events = self._events()
        events["events"][0]["payload"] = {"kind": "code", "outputs": [{"data": value}]}
        return self._pack(events)

    def _raw(self) -> list[bytes]:
        return packed(self._session, self._random.choice(_RAW))

    def _wrong_kind(self) -> list[bytes]:
        kind = self._random.choice(_KINDS)
        return packed(self._session, {"comm_id": COMM_ID, "data": self._events()}, kind)

    def _wrong_signature(self) -> list[bytes]:
        message = self._pack(self._events())
        message[2] = bytes(self._random.choice(b"0123456789abcdef") for _ in range(64))
        return message

    def _replayed(self) -> list[bytes]:
        return list(self._last) if self._last else self._raw()

    def _truncated(self) -> list[bytes]:
        message = self._pack(self._events())
        del message[self._random.randrange(len(message)) :]
        return message

    def _another_runs(self) -> list[bytes]:
        events = self._events()
        for event in events["events"]:
            event["run_id"] = self._random.choice(self._others)
            event["seq"] = self._random.randrange(1_000)
        return self._pack(events)

    def _noise(self) -> list[bytes]:
        return [self._random.randbytes(self._random.randrange(200)) for _ in range(self._random.randrange(9))]

    def _speech(self) -> list[bytes]:
        said: dict[str, Any] = self._random.choice(
            (
                {"type": "hello", "protocol": 1, "load_id": "a", "version": "0.1", "reach": "shell"},
                {"type": "steered", "run_id": self._random.choice(self._others), "paused": True, "review": None},
                {"type": "ask_session", "request_id": "1", "session_id": "ab"},
                {"type": "ask_sessions", "request_id": "1"},
                {"type": "ask_trace", "request_id": "1", "run_id": "ab"},
                {"type": self._random.choice(_KINDS)},
            )
        )
        return self._pack(self._hurt(said))

    def _hurt(self, values: Any) -> Any:
        """Return the values with something else in one place, something more, or something less."""
        at: Any = values
        while True:
            keys = list(at) if isinstance(at, dict) else list(range(len(at)))
            if not keys:
                return values
            key = self._random.choice(keys)
            if not isinstance(at[key], dict | list) or self._random.random() < 0.15:
                break
            at = at[key]
        deed = self._random.random()
        if deed < 0.7:
            at[key] = self._random.choice(_VALUES)
        elif deed < 0.85 and isinstance(at, dict):
            at[self._random.choice(_PATHS)] = self._random.choice(_VALUES)
        else:
            del at[key]
        return values

    def _pack(self, data: Any) -> list[bytes]:
        return packed(self._session, {"comm_id": COMM_ID, "data": data})
