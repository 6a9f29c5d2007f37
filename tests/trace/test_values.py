"""Values in full: what is written comes back as it was, nothing of the user's is run, and hostile text runs nothing."""

from __future__ import annotations

import base64
import collections
import datetime as dt
import decimal
import fractions
import json
import linecache
import math
import pathlib
import re
import sys
import tracemalloc
import types
import zlib
import zoneinfo
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from damaged import HOSTILE_VALUES

from rlm_jupyter.core.pictures import Picture
from rlm_jupyter.trace.context_record import context_record
from rlm_jupyter.trace.recorder import Recorder
from rlm_jupyter.trace.redaction import Redactor
from rlm_jupyter.trace.schema import (
    Blob,
    CodeEnd,
    CodeStart,
    IterationStart,
    RunEnd,
    RunStart,
    SubcallEnd,
    SubcallStart,
    event_adapter,
)
from rlm_jupyter.trace.trace import Trace
from rlm_jupyter.trace.values import NotRecordedError, read_value, recorded_value, whole_text, write_value
from rlm_jupyter.trace.verify import verify

LIMIT = 100_000

PLAIN: list[Any] = [
    None, True, 0, -(2**63), 2**63, -(7**5_000), 1.5, -0.0, 1e300, math.inf, "", 'a"b\\\n', "ü😀", "half \ud800",
    "\ud83d\ude00", b"", bytes(range(256)), bytearray(b"x"), [], [1, [2.5, None]], (), (1,), (1, (2, [3])), {},
    {"a": {"b": [1]}}, {"$tuple": [1]}, {"$a": 1, "b": 2}, {1: "a", None: 2, (1, "x"): {3}}, {"\ud800": 1},
    {"z": 1, "a": 2}, set(), {1, "a", (2,)}, frozenset({b"x"}), range(3, 30, 4), 1 + 2j, decimal.Decimal("1.10"),
    fractions.Fraction(-1, 3), dt.date(2020, 2, 29), dt.time(1, 2, 3, 4), dt.timedelta(-1, 5, 7),
    dt.datetime(2024, 5, 6, 7, 8, 9, 10, dt.timezone(dt.timedelta(hours=-3))),
    pathlib.PurePosixPath("/a/b"), pathlib.PureWindowsPath("c:\\x"), pathlib.Path("a/b"),
    dt.datetime(2024, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin")), dt.time(12, tzinfo=ZoneInfo("Europe/Berlin")),
    dt.datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")), dt.time(2, 30, fold=1),
    Picture("image/png", b"\x89PNG"), list(range(99)), ["a"] * 50, ["\ud800"] * 50,
    [math.inf] * 40, [2**80] * 40, [{"a": 1, "b": [None, "x"]}] * 40, [{"$a": 1}] * 40, [(1, 2)] * 40,
]  # fmt: skip


def again(value: Any) -> Any:
    text = write_value(value, LIMIT)
    assert text is not None
    return read_value(text)


@pytest.mark.parametrize("value", PLAIN, ids=lambda value: type(value).__name__)
def test_plain_data_comes_back_as_it_was(value: Any) -> None:
    found = again(value)
    assert found == value
    assert type(found) is type(value)
    assert repr(found) == repr(value) or isinstance(value, set | frozenset)
    text = write_value(value, LIMIT)
    assert text is not None
    assert write_value(found, LIMIT) == text
    assert write_value(value, len(text)) == text
    assert write_value(value, len(text) - 1) is None
    json.loads(text, parse_constant=pytest.fail)


def test_what_a_text_cannot_tell_is_not_written_and_nan_is_one() -> None:
    assert math.isnan(again(math.nan))
    named = dt.timezone(dt.timedelta(hours=1), "CET")
    with (Path(zoneinfo.TZPATH[0]) / "UTC").open("rb") as file:
        nameless = ZoneInfo.from_file(file)
    for value in (dt.time(1, tzinfo=named), dt.time(1, tzinfo=nameless), fractions.Fraction(1, 10**9_000)):
        assert write_value(value, LIMIT) is None


def test_the_same_set_is_the_same_text_in_any_order() -> None:
    words = [f"word {number}" for number in range(50)]
    texts = {write_value(set(order), LIMIT) for order in (words, words[25:] + words[:25])}
    assert texts == {'{"$set":[' + ",".join(sorted(map(json.dumps, words))) + "]}"}


def test_numpy_comes_back() -> None:
    numpy: Any = import_module("numpy")
    arrays = [numpy.arange(6, dtype="<i2").reshape(2, 3).T, numpy.array(["a", "bc\u20ac"]), numpy.array(3.5)]
    arrays += [numpy.zeros((0, 5)), numpy.array([b"ab", b"c"]), numpy.array(["2020-01-01", "NaT"], "M8[D]")]
    arrays += [numpy.array([True, False]), numpy.array([1 + 2j, numpy.nan])]
    for array in arrays:
        found = again({"x": array})["x"]
        numpy.testing.assert_array_equal(found, array)
        assert (found.dtype, found.shape, found.flags.writeable) == (array.dtype, array.shape, True)
    for scalar in (numpy.float64(1.5), numpy.int8(3), numpy.str_("ab"), numpy.bool_(True)):
        assert (again(scalar), type(again(scalar))) == (scalar, type(scalar))
    assert write_value(numpy.array([object()]), LIMIT) is None
    assert write_value(numpy.zeros(2, "i4,f8"), LIMIT) is None


def test_tables_come_back() -> None:
    pandas: Any = import_module("pandas")
    days = pandas.date_range("2024-01-01", periods=3)
    frame = pandas.DataFrame(
        {
            "number": [1, 2, 3],
            "float": [1.5, math.nan, 2],
            "text": ["x", None, "z"],
            "mixed": pandas.Series(["x", [1], None], dtype=object),
            "string": pandas.array(["q", None, "r"], dtype="string"),
            "whole": pandas.array([1, None, 3], dtype="Int64"),
            "flag": pandas.array([True, None, False], dtype="boolean"),
            "kind": pandas.Categorical(["u", "v", "u"], categories=["v", "u"], ordered=True),
            "day": days,
            "moment": days.tz_localize("Europe/Berlin"),
            "took": pandas.to_timedelta([1, 2, 3], unit="h"),
        }
    )
    twice = pandas.DataFrame([[1, "a"], [2, "b"]], columns=["same", "same"])
    shapes = [frame, frame.iloc[:0], pandas.DataFrame(), twice, frame.T, frame.set_index("kind")]
    shapes += [frame.set_index(["number", "text"]), frame.set_index(days), frame.set_index("moment")]
    for table in shapes:
        pandas.testing.assert_frame_equal(again(table), table)
    for name in frame:
        pandas.testing.assert_series_equal(again(frame[name]), frame[name])
    index = pandas.MultiIndex.from_tuples([(1, "a"), (2, "b")], names=["n", None])
    pandas.testing.assert_index_equal(again(index), index)
    assert again([pandas.NaT, pandas.NA]) == [pandas.NaT, pandas.NA] or again([pandas.NA])[0] is pandas.NA
    assert write_value(pandas.Series([object()]), LIMIT) is None
    assert write_value(pandas.Series(pandas.period_range("2024", periods=2)), LIMIT) is None


class Loud(list[Any]):
    """Fails when anything of it is called."""

    def _fail(self, *arguments: Any) -> Any:
        pytest.fail("code of the value's own was run")

    __len__ = __iter__ = __reduce__ = __reduce_ex__ = __repr__ = __str__ = __eq__ = _fail
    __hash__ = None
    __getattribute__ = _fail


def test_no_code_of_a_value_is_run_and_no_cycle_is_followed() -> None:
    for value in (Loud(), [Loud()], {"a": (Loud(),)}, type("Text", (str,), {})("a"), object(), re.compile("a")):
        assert write_value(value, LIMIT) is None
    circle: list[Any] = []
    circle.append({"in": (circle,)})
    assert write_value(circle, LIMIT) is None
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert write_value(deep, LIMIT) is None
    while deep:
        deep = deep.pop()
    shared = ["x"]
    assert again([shared, shared]) == [["x"], ["x"]]


@pytest.mark.parametrize(
    "make",
    [
        lambda: "x" * 5_000_000, lambda: b"x" * 5_000_000, lambda: [1] * 1_000_000, lambda: ["x" * 1_000] * 10_000,
        lambda: [["x"] * 1_000] * 1_000, lambda: dict.fromkeys(range(100_000)), lambda: (1.5,) * 1_000_000,
        lambda: 1 << 80_000_000, lambda: [{"a": [number]} for number in range(19_000)],
    ],
    ids=range(9),
)  # fmt: skip
def test_of_a_value_that_is_too_large_no_copy_is_made(make: Callable[[], Any]) -> None:
    value = make()
    tracemalloc.start()
    assert write_value(value, 20_000) is None
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000


def defined(name: str, source: str) -> Any:
    """Return what a cell of a notebook defined."""
    linecache.cache["<cell>"] = (len(source), None, source.splitlines(keepends=True), "<cell>")
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(source, "<cell>", "exec"), space)
    return space[name]


def test_modules_and_functions_come_back_only_where_they_may_be_run() -> None:
    source = (
        "x = 1\ndef clean(text):\n    return re.sub('a', 'b', text)\nclass Row:\n    def f(self):\n        return 7\n"
    )
    values = [math, collections.Counter, json.dumps, len, defined("clean", source), defined("Row", source)]
    texts = [write_value(value, LIMIT) for value in values]
    for text in texts:
        assert text is not None
        with pytest.raises(NotRecordedError, match="replay"):
            read_value(text)
    found = [read_value(text or "", run=True, namespace={"re": re}) for text in texts]
    assert found[:4] == values[:4]
    assert found[4]("aha") == "bhb"
    assert found[5]().f() == 7
    row = values[5]()
    row.cells = [1, (2,)]
    told = write_value([row], LIMIT) or ""
    with pytest.raises(NotRecordedError, match="an object of the class Row"):
        read_value(told)
    (made,) = read_value(told, run=True, namespace={"Row": values[5]})
    assert (type(made), made.cells, made.f()) == (values[5], [1, (2,)], 7)
    assert read_value(told, run=True)[0].f() == 7
    with pytest.raises(NotRecordedError, match="no_such_module"):
        read_value('{"$module": "no_such_module"}', run=True)
    closure = "def make():\n    y = 1\n    def inner():\n        return y\n    return inner\n\n\ninner = make()\n"
    assert write_value(defined("inner", closure), LIMIT) is None
    assert write_value(types.SimpleNamespace(), LIMIT) is None


ARRAY = '{"$ndarray":{"dtype":"%s","shape":%s,"data":%s}}'
HOSTILE = [
    "", "[", "[" * 200_000, '{"$tuple":' * 100_000, "NaN", "Infinity", '{"$tuple":"ab"}', '{"$nothing":1}', "1 2",
    '{"$int":"1_0"}', '{"$float":"1.5"}', '{"$range":[1,2,0]}', '{"$fraction":[1,0]}', '{"$set":[[1]]}',
    '{"$dict":[[[],1]]}', '{"$path":["Popen","y"]}', '{"$path":["PosixPath",1]}', '{"$bytes":"%"}', '{"$str":"/w=="}',
    '{"$datetime":"now"}', '{"$decimal":"x"}', '{"$frame":1}', '{"$series":{}}', '{"$source":["a"]}', '{"$module":1}',
    ARRAY % ("|O8", "[1]", '"AAAAAAAAAAA="'), ARRAY % ("<U999999999", "[1]", '["a"]'),
    ARRAY % ("<f8", "[1000000000000]", '""'), ARRAY % ("<f8", "[-1]", '"AAAAAAAAAAA="'), ARRAY % ("<i8", "{}", '""'),
    '{"$index":{"name":null,"freq":null,"data":{"kind":"zoned","zone":"dateutil//etc/passwd","data":%s}}}'
    % (ARRAY[12:-1] % ("<M8[ns]", "[0]", '""')),
    '{"$index":{"name":null,"freq":null,"data":{"kind":"interval[os.system]","data":[]}}}',
    "9" * 5_000, '{"$source":["antigravity","this",1]}',
]  # fmt: skip


@pytest.mark.parametrize("make", HOSTILE_VALUES)
def test_no_value_takes_more_than_its_text_is_worth(make: Callable[[], str]) -> None:
    text = make()
    tracemalloc.start()
    with pytest.raises((ValueError, NotRecordedError)):
        read_value(text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000_000


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:30])
def test_hostile_text_is_an_error_and_runs_nothing(text: str) -> None:
    before = set(sys.modules)
    with pytest.raises(ValueError, match="no value that a trace holds"):
        read_value(text)
    assert not {"antigravity", "this"} & (sys.modules.keys() - before)


def test_without_the_package_that_a_value_needs_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(NotRecordedError, match="pip install numpy"):
        read_value(ARRAY % ("<i8", "[0]", '""'))


def begin(recorder: Recorder, value: Any, **update: Any) -> RunStart:
    record = context_record("context_0", value).model_copy(update={"value": recorder.value(value)})
    told = {"question": "q", "model": "m", "backend": "b", "environment": "e", "max_iterations": 1, **update}
    return RunStart(contexts=[record], **told)


def test_a_trace_holds_values_up_to_its_limit_each_once() -> None:
    recorder = Recorder(Redactor(environ={}), record_limit=10_000)
    large = "lamp " * 1_000
    recorder.start(begin(recorder, large))
    assert recorder.trace.events[0].event == "start"
    (blob,) = recorder.trace.blobs.values()
    assert (blob.encoding, blob.size, len(blob.text) < 200) == ("zlib", 5_002, True)
    assert recorded_value(recorder.trace, recorder.trace.run.contexts[0]) == large
    assert recorder.value(large) == blob.digest
    assert recorder.values_left == 10_000 - 5_002
    assert recorder.value("other " * 1_000) is None
    assert recorder.value("small") is not None
    assert recorder.value(large) == blob.digest
    assert Recorder(Redactor(environ={})).value(1) is None


def test_a_value_with_a_secret_is_described_only() -> None:
    for value in ("the key is zq7-0123456789", {"k": ["zq7-0123456789"]}, b"zq7-0123456789"):
        recorder = Recorder(Redactor(["zq7-0123456789"], environ={}), record_limit=10_000)
        recorder.start(begin(recorder, value))
        assert recorder.trace.run.contexts[0].value is None
        assert not recorder.trace.blobs
        with pytest.raises(NotRecordedError, match="record_limit"):
            recorded_value(recorder.trace, recorder.trace.run.contexts[0])


@pytest.mark.parametrize(("secret", "room", "kept"), [("x", 9_000, True), ("lamp", 9_000, False), ("x", 99, False)])
def test_what_another_process_recorded_is_taken_in_unless_it_may_not_be(secret: str, room: int, kept: bool) -> None:
    there = Recorder(Redactor(environ={}), record_limit=9_000)
    run = there.start(begin(there, "the lamp is red " * 300))
    code = there.start(CodeStart(code="x", index=1, inputs=list(there.trace.run.contexts)), run)
    there.end(code, CodeEnd())
    there.end(run, RunEnd(answer="red"))
    here = Recorder(Redactor([f"{secret} is red the"], environ={}), record_limit=room)
    root = here.start(begin(here, None))
    child = here.trace.part(here.graft(there.trace.events, root))
    read = child.spans[next(span for span in child.spans if child.spans[span].kind == "code")].start.payload
    assert isinstance(read, CodeStart)
    assert [record.value is not None for record in (*child.run.contexts, *read.inputs)] == [kept, kept]
    assert here.values_left == room - len("null") - (len(json.dumps("the lamp is red " * 300)) if kept else 0)
    if kept:
        assert recorded_value(child, child.run.contexts[0]) == "the lamp is red " * 300


def asked_in(trace: Trace) -> RunStart:
    """The innermost run."""
    payload = [*trace.children, trace.root][0].start.payload  # type: ignore[union-attr]
    assert isinstance(payload, RunStart)
    return payload


@pytest.mark.parametrize("room", [0, 100_000])
def test_a_value_and_a_prompt_that_says_the_same_are_two_texts(room: int) -> None:
    rows = [{"id": number} for number in range(1_000)]
    prompt = json.dumps(rows, separators=(",", ":"))
    there, here = (Recorder(Redactor(environ={}), record_limit=limit) for limit in (100_000, room))
    start = {"question": "q", "model": "m", "backend": "b", "environment": "e", "max_iterations": 1}
    run = there.start(begin(there, rows))
    code = there.start(CodeStart(code="x", index=1), there.start(IterationStart(number=1)))
    call = there.start(SubcallStart(model="m", prompt=there.blob(prompt, 100_000)), code)
    there.end(call, SubcallEnd(reply=there.blob("x", 10)))
    there.end(run, RunEnd(answer="x"))
    assert there.trace.text(there.trace.run.contexts[0].value) == prompt  # whatever names it
    here.start(RunStart(**start))
    here.graft(there.trace.events)
    for recorder, left in ((there, 100_000), (here, room)):
        (asked,) = recorder.trace.subcalls
        assert recorder.trace.text(asked.start.payload.prompt) == prompt  # type: ignore[union-attr]
        run_of_it = asked_in(recorder.trace)
        (record,) = run_of_it.contexts
        assert (record.value is not None) == (left > 0)
        if left:
            assert recorded_value(recorder.trace, record) == rows
        again_ = Trace(event_adapter.validate_json(line) for line in recorder.trace.to_jsonl().splitlines())
        assert {each.severity for each in verify(again_)} <= {"warning"}


def test_a_text_that_is_taken_in_takes_no_other_ones_place() -> None:
    there = Recorder(Redactor(environ={}), record_limit=100_000)
    run = there.start(begin(there, "green"))
    call = there.start(SubcallStart(model="m", prompt=there.blob("What colour?", 100)), run)
    there.end(call, SubcallEnd(reply=there.blob("green", 100)))
    lies = {"What colour?": "Send money.", '"green"': '"greed"', "green": "greed"}
    events = [
        event.model_copy(update={"text": lies[event.text]}) if isinstance(event, Blob) else event
        for event in there.trace.events
    ]
    here = Recorder(Redactor(environ={}), record_limit=100_000)
    root = here.start(begin(here, 1))
    here.graft(events, root)
    for text in ("What colour?", "green"):
        assert here.trace.text(here.blob(text, 100)) == text
    assert [child.start.payload.contexts[0].value for child in here.trace.children] == [None]  # type: ignore[union-attr]
    assert here.trace.text(here.trace.subcalls[0].start.payload.prompt) == "Send money."  # type: ignore[union-attr]


def test_a_damaged_text_is_an_error_and_a_bomb_is_not_unpacked() -> None:
    def blob(raw: bytes, size: int) -> Blob:
        return Blob(run_id="r", seq=1, digest="d", size=size, text=base64.b64encode(raw).decode(), encoding="zlib")

    whole = zlib.compress(b'"abc"')
    assert whole_text(blob(whole, 5)) == '"abc"'
    bomb = zlib.compress(b"a" * 10_000_000)
    tracemalloc.start()
    for raw, size in ((whole, 6), (whole[:-3], 5), (b"no", 5), (bomb, 5), (bomb, 10**12), (zlib.compress(b"\xff"), 1)):
        with pytest.raises(ValueError, match=r"damaged|cannot be read"):
            whole_text(blob(raw, size))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000


def test_a_path_of_another_system_is_one_of_this() -> None:
    assert again(Path("a")) == Path("a")
    assert read_value('{"$path":["WindowsPath","a"]}') == Path("a")
