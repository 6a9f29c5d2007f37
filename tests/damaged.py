"""Files of traces that are damaged, by chance or on purpose; the same ones for the same seed."""

from __future__ import annotations

import base64
import copy
import functools
import gzip
import io
import json
import random
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from rlm_jupyter.trace.trace import Trace
from rlm_jupyter.trace.values import compressed, value_digest

__all__ = ["HOSTILE_VALUES", "TRAP", "Damaged"]

TRAP = "RLM_JUPYTER_TRAP"
"""The environment variable that hostile code in a trace sets when anything runs it."""

_CODE = f"__import__('os').environ.__setitem__('{TRAP}', 'sprung')"

_TEXTS = (
    "", "\x00", "\x1b[2J\x1b]0;title\x07", "\u202egnp.exe", "<script>alert(1)</script>", "<img src=x onerror=a>",
    "javascript:alert(1)", "{{7*7}}", "```\n" * 200, "`" * 5_000, "[](" * 2_000, "> " * 2_000, "*" * 5_000, "<" * 5_000,
    "../../../../etc/passwd", "x" * 200_000, "\r\n" * 3_000, "| a |" * 1_000, "]]>", "{%", "%s%n", "sha256:" + "0" * 32,
    _CODE, "#!/bin/sh", "\ud7ff\ue000", "a\u0300" * 2_000, "&#0;", "---\n" * 500, "$$" * 500, "&lt;" * 500,
)  # fmt: skip
_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 2**53, 2**63, -(2**70), 10**400, 1e308, -1e308, 0.1, "", "x", [], {}, [[]], {"": None}, [None],
    ["a", 1, {}], {"a": [1, {"b": None}]}, "9" * 400, "NaN", _CODE,
)  # fmt: skip
_RAW = (
    b"", b"\n" * 1_000, b"{", b"null\n", b"[]", b'"text"', b"NaN", b"[" * 10_000_000, b'{"a":' * 2_000_000,
    b'{"event":' * 100_000, b'{"event":"start","payload":' + b"[" * 5_000_000, b'{"cells":' + b"[" * 10_000_000,
    b'{"cells": [], "nbformat": 4}', b'{"cells": {}}', b'{"cells": [1, null, [], {}]}', b"\xff\xfe", b"\x00" * 100_000,
    b"\x1f\x8b", b"\x1f\x8b\x08\x00" + b"x" * 100, b"\x78\x9c", b"\x78\x9cgarbage", b"x" * 3_000_000, b"\xef\xbb\xbf{}",
    b'{"event": "end"}\n' * 5_000, b"," * 1_000_000, b'{"cells": [' + b"[]," * 200_000 + b"[]]}",
    b'{"version": 99, "event": "start"}', b'{"version": 1' + b"0" * 3_000 + b"}", b"PK\x03\x04", b"%PDF-1.7",
)  # fmt: skip

_NONE = '"index":{"$rangeindex":{"range":[0,300000000,1],"name":null}}'
_ONE = '{"kind":"numpy","data":{"dtype":"<f8","shape":[],"data":"AAAAAAAAAAA="}}'


def _filled(form: str, *parts: str) -> str:
    for part in parts:
        form = form.replace("%s", part, 1)
    return form


HOSTILE_VALUES: tuple[Callable[[], str], ...] = (
    lambda: '{"$fraction":["1e9999999"]}', lambda: '{"$fraction":[{"$decimal":"1e9999999"},1]}',
    lambda: _filled('{"$fraction":[{"$int":"%s"},{"$int":"%s"}]}', "7" * 300_000, "b" * 300_001),
    lambda: _filled('{"$range":[0,{"$int":"%s"},{"$int":"%s"}]}', "7" * 300_000, "b" * 150_000),
    lambda: _filled('{"$decimal":{"$int":"%s"}}', "7" * 300_000),
    lambda: _filled('{"$set":[%s]}', ",".join(str(each * (2**61 - 1)) for each in range(20_000))),
    lambda: _filled('{"$dict":[%s]}', ",".join(f"[{each * (2**61 - 1)},0]" for each in range(20_000))),
    lambda: _filled('{"$ndarray":{"dtype":"<U4096","shape":[100000],"data":[%s]}}', ",".join(['""'] * 100_000)),
    lambda: _filled('{"$series":{%s,"name":null,"data":%s}}', _NONE, _ONE),
    lambda: _filled('{"$frame":{%s,"columns":["a"],"data":[%s]}}', _NONE, _ONE),
    lambda: _filled('{"$timedelta":[{"$int":"%s"},0,0]}', "7" * 100_000), lambda: '{"$complex":["1","2"]}',
    lambda: '{"$zoned":["datetime","2024-01-01T00:00","../../etc/passwd",0]}', lambda: '{"$zoned":["exec","1",null,0]}',
    lambda: f'{{"$source":["f","def f(): pass\\n{_CODE}"]}}', lambda: '{"$module":"antigravity"}',
    lambda: f'{{"$instance":["A","{_CODE}",{{}}]}}', lambda: '{"$import":"os:system"}', lambda: '{"$name":"os:system"}',
    lambda: '{"$ndarray":{"dtype":"O","shape":[1],"data":"gASVAAA="}}', lambda: '{"$index":{"data":3}}',
    lambda: "[" * 100_000, lambda: '{"$tuple":' * 90 + "1" + "}" * 90, lambda: "nope", str, lambda: "1" * 5_000,
    lambda: '{"$dict":[[1]]}', lambda: '{"$date":"tomorrow"}', lambda: '{"$set":[[],{}]}', lambda: '{"$bytes":"!!"}',
)  # fmt: skip
"""Texts of no value, or of one that would take hours or all memory to be made."""


class Damaged:
    """Damages good traces. ``good`` are their lines as values, ``notebooks`` those that hold them."""

    def __init__(self, good: list[Trace], notebooks: list[dict[str, Any]], seed: int) -> None:
        self._good = [[json.loads(line) for line in trace.to_jsonl().splitlines()] for trace in good]
        self._notebooks = notebooks
        self._random = random.Random(seed)
        self._makers: tuple[Callable[[], bytes], ...] = (
            self._cut, self._flipped, self._flipped, self._wrong_type, self._wrong_type, self._wrong_type,
            self._missing, self._doubled, self._shuffled, self._cycle, self._deep_tree, self._numbers, self._hostile,
            self._hostile, self._packed, self._digests, self._notebook, self._notebook, self._value, self._outputs,
        )  # fmt: skip

    def files(self, count: int) -> Iterator[tuple[str, bytes]]:
        """Yield so many files: what each is, and what it holds. The raw ones come first."""
        for number, raw in enumerate(_RAW[:count]):
            yield f"raw {number}", raw
        yield "bomb", gzip.compress(b"\n" * 1_000_000)
        yield "long line", gzip.compress(b"x" * 70_000_000 + b"\n")
        for number in range(count - len(_RAW) - 2):
            make = self._makers[number % len(self._makers)]
            yield f"{make.__name__[1:]} {number}", make()

    def _events(self) -> list[dict[str, Any]]:
        return copy.deepcopy(self._random.choice(self._good))

    def _cut(self) -> bytes:
        whole = _lines(self._events())
        return whole[: self._random.randrange(len(whole))]

    def _flipped(self) -> bytes:
        whole = bytearray(_lines(self._events()))
        for _ in range(self._random.choice((1, 3, 30))):
            whole[self._random.randrange(len(whole))] ^= 1 << self._random.randrange(8)
        return bytes(whole)

    def _wrong_type(self) -> bytes:
        events = self._events()
        for _ in range(self._random.choice((1, 2, 10))):
            self._replace(self._random.choice(events), self._random.choice(_VALUES))
        return _lines(events)

    def _hostile(self) -> bytes:
        events = self._events()
        for _ in range(self._random.choice((1, 5, 30))):
            self._replace(self._random.choice(events), self._random.choice(_TEXTS), (str,))
        return _lines(events)

    def _missing(self) -> bytes:
        events = self._events()
        for _ in range(self._random.choice((1, 1, 5))):
            del events[self._random.randrange(len(events))]
        return _lines(events)

    def _doubled(self) -> bytes:
        events = self._events()
        for _ in range(5):
            again = copy.deepcopy(self._random.choice(events))
            again["seq"] = self._random.choice((again["seq"], len(events)))
            events.insert(self._random.randrange(len(events)), again)
        return _lines(events)

    def _shuffled(self) -> bytes:
        events = self._events()
        self._random.shuffle(events)
        if self._random.random() < 0.5:
            for number, event in enumerate(events):
                event["seq"] = number
        return _lines(events)

    def _cycle(self) -> bytes:
        events = self._events()
        starts = [event for event in events if event["event"] == "start"]
        for _ in range(4):
            one, other = self._random.choice(starts), self._random.choice(starts)
            one["parent_id"], other["parent_id"] = other["span_id"], one["span_id"]
        if self._random.random() < 0.5:
            self._random.choice(starts)["span_id"] = starts[0]["span_id"]
        return _lines(events)

    def _deep_tree(self) -> bytes:
        """A run in a run in a run, 250 levels deep, with and without its end."""
        events = self._events()
        start, end = events[0], next((each for each in events if each["event"] == "end"), None)
        kinds = {each["payload"]["kind"]: each["payload"] for each in reversed(events) if each["event"] == "start"}
        order = self._random.choice((("run",), ("run", "iteration", "code"), ("run", "code"), tuple(kinds)))
        told: list[dict[str, Any]] = []
        for level in range(250):
            payload = kinds[order[level % len(order)]] if level else start["payload"]
            parent = f"s{level}" if level else None
            told.append({**start, "span_id": f"s{level + 1}", "parent_id": parent, "payload": payload, "seq": level})
        if end is not None and self._random.random() < 0.5:
            root = {"kind": "run", "answer": "deep"}
            told.append({**end, "span_id": "s1", "seq": len(told), "payload": root, "status": "ok"})
        return _lines(told)

    def _numbers(self) -> bytes:
        events = self._events()
        for event in events:
            for name in ("seq", "started", "ended", "at"):
                if name in event and self._random.random() < 0.1:
                    event[name] = self._random.choice((-1, 0, 2**53 - 1, 2**62, 1e18, -1e18, 3e10, 1e308, 0.5))
        return _lines(events).replace(b"1e+308", self._random.choice((b"NaN", b"Infinity", b"1e999")))

    def _digests(self) -> bytes:
        events = self._events()
        for blob in (event for event in events if event["event"] == "blob"):
            change = self._random.randrange(6)
            if change == 0:
                blob["digest"] = f"sha256:{self._random.getrandbits(128):032x}"
            elif change == 1:
                blob["size"] = self._random.choice((0, -1, 2**52, len(blob["text"]) + 1))
            elif change == 2:
                blob.update(encoding="zlib", size=self._random.choice((10, 40_000_000)), text=_bomb())
            elif change == 3:
                blob.update(media_type="image/png", text=self._random.choice(("!", "AAAA", blob["text"])))
        return _lines(events)

    def _value(self) -> bytes:
        """Contexts and inputs whose values are not what they should be, under the names that these texts have."""
        events = self._events()
        text = self._random.choice(HOSTILE_VALUES)()
        digest = value_digest(text)
        record = {"name": "context", "type": "str", "value": digest, "digest": digest, "expression": _CODE}
        events[0]["payload"]["contexts"] = [record]
        for event in events:
            if event["event"] == "start" and event["payload"]["kind"] == "code":
                event["payload"]["inputs"] = [record, {**record, "name": _CODE}]
        blob = {"event": "blob", "run_id": events[0]["run_id"], "version": 2, "digest": digest, "size": len(text)}
        return _lines([*events, {**blob, **compressed(text), "seq": len(events)}])

    def _outputs(self) -> bytes:
        """Outputs of no shape that nbformat has."""
        events = self._events()
        for event in events:
            if event["event"] == "end" and event["payload"]["kind"] == "code":
                event["payload"]["outputs"] = [self._output() for _ in range(5)]
        return _lines(events)

    def _output(self) -> Any:
        value, text = self._random.choice(_VALUES), self._random.choice(_TEXTS)
        forms = {self._random.choice(("text/plain", "text/html", "image/png", "application/json", text)): value}
        return self._random.choice(
            (
                {}, {"output_type": value}, {"output_type": "stream", "name": value, "text": value},
                {"output_type": "error", "ename": value, "evalue": value, "traceback": value},
                {"output_type": "display_data", "data": value, "metadata": value},
                {"output_type": "execute_result", "data": forms, "metadata": value, "execution_count": value},
                {"output_type": "display_data", "data": {"text/html": text, "text/plain": [text, value]}},
            )
        )  # fmt: skip

    def _packed(self) -> bytes:
        """Packed, and then damaged."""
        whole = self._random.choice((gzip.compress, zlib.compress))(_lines(self._events()))
        change = self._random.randrange(3)
        if change == 0:
            return whole[: self._random.randrange(2, len(whole))]
        if change == 1:
            flipped = bytearray(whole)
            flipped[self._random.randrange(2, len(whole))] ^= 1 << self._random.randrange(8)
            return bytes(flipped)
        return whole + b"more"

    def _notebook(self) -> bytes:
        notebook = copy.deepcopy(self._random.choice(self._notebooks))
        for _ in range(self._random.choice((1, 3, 10))):
            if self._random.random() < 0.4:
                cells = notebook.get("cells")
                cell = self._random.choice(cells) if cells and isinstance(cells, list) else {}
                cell = cell if isinstance(cell, dict) else {}
                cell["metadata"] = {"tags": ["rlm", "rlm-resume"]}
                cell["source"] = self._random.choice(
                    (
                        _CODE, f'rlm_jupyter.play("""{_bomb()}""")', 'play("""!!!!""")', 'play("""\n' + "(" * 100_000,
                        'rlm_jupyter.play(file="../../../etc/passwd", digest="sha256:' + "0" * 32 + '")',
                        'rlm_jupyter.play(file="0123456789abcdef01234567.rlm", digest="sha256:' + "0" * 32 + '")',
                        ["rlm_jupyter.", 3, None, _CODE], {"a": 1}, "((((" * 50_000, 'play("""eJzLSM3JyQcABiwCFQ==""")',
                    )
                )  # fmt: skip
            else:
                self._replace(notebook, self._random.choice((*_VALUES, *_TEXTS)))
        whole = io.StringIO()
        json.dump(notebook, whole)
        return whole.getvalue().encode("utf-8", "replace")

    def _replace(self, within: dict[str, Any], value: Any, kinds: tuple[type, ...] = (object,)) -> None:
        """Replace a value of one of these types somewhere within."""
        places: list[tuple[Any, Any]] = []
        pending: list[Any] = [within]
        while pending:
            each = pending.pop()
            items = each.items() if isinstance(each, dict) else enumerate(each)
            for key, held in list(items):
                if isinstance(held, kinds) and key not in ("run_id", "event", "version", "kind"):
                    places.append((each, key))
                if isinstance(held, dict | list):
                    pending.append(held)
        if places:
            container, key = self._random.choice(places)
            container[key] = copy.deepcopy(value)  # in which something may be replaced next


def _lines(events: list[dict[str, Any]]) -> bytes:
    return "".join(f"{json.dumps(event)}\n" for event in events).encode("utf-8", "replace")


@functools.cache
def _bomb() -> str:
    return base64.b64encode(zlib.compress(b"[" * 40_000_000, 9)).decode()
