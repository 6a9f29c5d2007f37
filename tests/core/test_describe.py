"""What a value is said to be: in constant time, without a copy, and whatever the value does."""

from __future__ import annotations

import tracemalloc
from array import array
from collections import Counter, OrderedDict, defaultdict, deque
from json import JSONDecoder
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest

from rlm_jupyter.core.describe import describe


class Plain:
    pass


class Documented:
    def __repr__(self) -> str:
        return "Documented()"


SUMMARIES: dict[str, tuple[Any, str, str]] = {
    "a text": ("abc", "str, 3 characters", "abc"),
    "an empty text": ("", "str, 0 characters", ""),
    "a text with a lone surrogate": ("a\ud800b", "str, 3 characters", "a\ud800b"),
    "bytes": (b"abc", "bytes, 3 bytes", "b'abc'"),
    "a bytearray": (bytearray(b"abc"), "bytearray, 3 bytes", "b'abc'"),
    "a view of bytes": (memoryview(b"abc"), "memoryview, 3 bytes", "<memoryview of 3 bytes>"),
    "a list": ([1, "two", None], "list, 3 items", "[1, 'two', None]"),
    "a dict in its own order": ({"b": 1, "a": [2]}, "dict, 2 items", "{'b': 1, 'a': [2]}"),
    "a dict of a kind": (OrderedDict(b=1, a=2), "collections.OrderedDict, 2 items", "{'b': 1, 'a': 2}"),
    "a dict with a default": (defaultdict(int, b=1), "collections.defaultdict, 1 items", "{'b': 1}"),
    "a counter": (Counter("aab"), "collections.Counter, 2 items", "{'a': 2, 'b': 1}"),
    "a deque": (deque([1, 2]), "collections.deque, 2 items", "deque([1, 2])"),
    "a tuple": ((1,), "tuple, 1 items", "(1,)"),
    "a set": ({7}, "set, 1 items", "{7}"),
    "an empty set": (set(), "set, 0 items", "set()"),
    "a frozen set": (frozenset({7}), "frozenset, 1 items", "frozenset({7})"),
    "a range": (range(3), "range, 3 items", "range(0, 3)"),
    "an array": (array("i", [1, 2]), "array.array, 2 items", "array('i', [1, 2])"),
    "a number": (42, "int", "42"),
    "nothing": (None, "NoneType", "None"),
    "an object's own words": (Documented(), f"{__name__}.Documented", "Documented()"),
    "objects in a list are named by their type": ([Documented()], "list, 1 items", "[<Documented object>]"),
}


@pytest.mark.parametrize(("value", "told", "preview"), SUMMARIES.values(), ids=SUMMARIES.keys())
def test_what_a_value_is(value: Any, told: str, preview: str) -> None:
    summary = describe(value)
    assert str(summary) == told
    assert summary.preview == preview


def test_tables() -> None:
    frame = pd.DataFrame({"a": range(1_234), "b": 0.5})
    assert str(describe(frame)) == "pandas.DataFrame, 1,234 rows x 2 columns"
    assert "0.5" in describe(frame).preview
    assert str(describe(frame["a"])) == "pandas.Series, 1,234 items"
    assert str(describe(np.zeros((3, 4)))) == "numpy.ndarray, 3 rows x 4 columns"
    assert str(describe(np.zeros((2, 3, 4)))) == "numpy.ndarray, 2 items"
    assert str(describe(np.float64(1.5))) == "numpy.float64"


def test_a_type_is_named_as_its_package_names_it() -> None:
    decoder = JSONDecoder()
    assert type(decoder).__module__ == "json.decoder"
    assert str(describe(decoder)) == "json.JSONDecoder"


HUGE: dict[str, Any] = {
    "a text of 100 MB": "x" * 100_000_000,
    "bytes of 100 MB": bytes(100_000_000),
    "a list of a million": list(range(1_000_000)),
    "a tuple of a million": (None,) * 1_000_000,
    "a dict of a million": dict.fromkeys(range(1_000_000)),
    "a set of a million": set(range(1_000_000)),
    "a deque of a million": deque(range(1_000_000)),
    "an array of a million": array("d", bytes(8_000_000)),
    "a list of long texts": ["x" * 10_000_000] * 3,
    "a table of a million rows": pd.DataFrame({"a": np.zeros(1_000_000)}),
}


@pytest.mark.parametrize("value", HUGE.values(), ids=HUGE.keys())
def test_neither_a_copy_nor_a_walk(value: Any) -> None:
    describe(value)  # pandas imports its formatters at the first repr
    tracemalloc.start()
    summary = describe(value)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 300_000
    assert summary.size
    assert len(summary.preview) <= 601


class Unsortable:
    """Fails when it is compared: items are looked at, never sorted."""

    def __lt__(self, other: object) -> bool:
        msg = "compared"
        raise AssertionError(msg)


def test_items_are_not_sorted() -> None:
    items = [Unsortable() for _ in range(20)]
    assert describe(set(items)).preview.startswith("{<Unsortable object>, ")
    assert describe(dict.fromkeys(items)).preview.startswith("{<Unsortable object>: None, ")


def test_a_list_that_holds_itself() -> None:
    endless: list[Any] = [1]
    endless.append(endless)
    assert describe(endless).preview.startswith("[1, [1, ")


class Hostile:
    """Raises wherever it is asked."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __len__(self) -> int:
        msg = "len"
        raise RuntimeError(msg)

    def __repr__(self) -> str:
        msg = "repr"
        raise RuntimeError(msg)

    def __eq__(self, other: object) -> bool:
        msg = "eq"
        raise RuntimeError(msg)

    __hash__ = object.__hash__


class HostileList(list[Any]):
    __len__ = Hostile.__len__
    __repr__ = Hostile.__repr__


class Huge:
    def __len__(self) -> int:
        return 1 << 100

    def __repr__(self) -> str:
        return "y" * 5_000_000


class HugeList(list[Any]):
    __len__ = Huge.__len__


@pytest.mark.parametrize("kind", [Hostile, HostileList, HugeList])
def test_objects_that_raise_are_told_by_their_type(kind: type) -> None:
    summary = describe(kind())
    assert (summary.size, summary.unit) == (None, None)
    assert summary.type.endswith(kind.__name__)
    assert describe({"a": [kind()]}).preview == f"{{'a': [<{kind.__name__} object>]}}"


def test_a_repr_that_raises_is_left_out() -> None:
    assert describe(Hostile()).preview == "<Hostile; its repr raised RuntimeError>"


def test_a_huge_repr_is_cut() -> None:
    assert describe(Huge()).preview == "y" * 600 + "…"


def test_a_number_with_more_digits_than_python_prints() -> None:
    assert describe([10**10_000]).type == "list"


def test_without_a_preview_no_repr_is_called() -> None:
    assert describe(Hostile(), 0).preview == ""
    assert str(describe(Plain(), 0)) == f"{__name__}.Plain"
