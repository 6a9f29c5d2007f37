"""What a run changed, told where it is cheap to tell, and never at the cost of the run."""

from __future__ import annotations

import tracemalloc
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest

from rlm_jupyter.core.results import NamespaceChanges
from rlm_jupyter.environments.changes import Snapshot


def test_created_rebound_and_deleted() -> None:
    namespace: dict[str, Any] = {"kept": 1, "bound": [1], "gone": 2, "_private": 3, "ignored": 4}
    snapshot = Snapshot(namespace, ignored=["ignored"])
    namespace |= {"new": 5, "also_new": 6, "bound": [1], "_private": 7, "ignored": 8}
    del namespace["gone"]
    assert snapshot.changes(namespace) == NamespaceChanges(
        created=("also_new", "new"), rebound=("bound",), deleted=("gone",)
    )


def test_nothing_changed() -> None:
    namespace = {"a": [1, {"b": 2}], "df": pd.DataFrame({"a": [1, 2], "s": ["x", "y"]}), "n": np.arange(9)}
    assert not Snapshot(namespace).changes(namespace)


class Thing:
    def __init__(self) -> None:
        self.size = 1


Thing.__module__ = "__main__"  # as in a notebook


def frame() -> pd.DataFrame:
    return pd.DataFrame({"a": [1, 2, 3], "s": ["x", "y", "z"], "o": [[1], [2], [3]]})


def set_cell(df: pd.DataFrame) -> None:
    df.loc[1, "a"] = 7


def set_text(df: pd.DataFrame) -> None:
    df.loc[1, "s"] = "changed"


def add_column(df: pd.DataFrame) -> None:
    df["new"] = 1


def rename_column(df: pd.DataFrame) -> None:
    df.columns = ["b", "s", "o"]


def set_index(df: pd.DataFrame) -> None:
    df.index = [7, 8, 9]


MUTATIONS: dict[str, tuple[Callable[[], Any], Callable[[Any], object]]] = {
    "a list grows": (lambda: [1], lambda x: x.append(2)),
    "an item of a list": (lambda: [1, 2], lambda x: x.__setitem__(0, 5)),
    "an item that takes the place of another": (lambda: [object()], lambda x: (x.pop(), x.append(object()))),
    "a list is turned round": (lambda: [1, 2], lambda x: x.reverse()),
    "a dict grows": (dict, lambda x: x.update(a=1)),
    "a value of a dict": (lambda: {"a": 1}, lambda x: x.update(a=2)),
    "a key for a key": (lambda: {"a": 1}, lambda x: x.update(b=x.pop("a"))),
    "deep inside": (lambda: {"a": [{"b": (1, [2])}]}, lambda x: x["a"][0]["b"][1].append(3)),
    "a set": (lambda: {1}, lambda x: x.add(2)),
    "a deque": (lambda: deque([1]), lambda x: x.append(2)),
    "a default dict": (lambda: defaultdict(list), lambda x: x["a"].append(1)),
    "an ordered dict": (lambda: OrderedDict(a=1, b=2), lambda x: x.move_to_end("a")),
    "a counter": (Counter, lambda x: x.update("a")),
    "bytes": (lambda: bytearray(b"abc"), lambda x: x.__setitem__(0, 0)),
    "an attribute": (Thing, lambda x: setattr(x, "size", 2)),
    "a new attribute": (Thing, lambda x: setattr(x, "colour", "red")),
    "an object in a list": (lambda: [Thing()], lambda x: setattr(x[0], "size", 2)),
    "an array": (lambda: np.arange(9), lambda x: x.__setitem__(3, 0)),
    "an array of objects": (
        lambda: np.array([object()], dtype=object),
        lambda x: (x.fill(None), x.__setitem__(0, object())),
    ),
    "an object in a table": (
        lambda: pd.Series([object()], dtype=object),
        lambda x: (x.__setitem__(0, None), x.__setitem__(0, object())),
    ),
    "an array in a dict": (lambda: {"a": np.zeros(100)}, lambda x: x["a"].fill(1)),
    "a cell of a table": (frame, set_cell),
    "a text of a table": (frame, set_text),
    "a column more": (frame, add_column),
    "a column's name": (frame, rename_column),
    "the index": (frame, set_index),
    "a series": (lambda: pd.Series([1.0, 2.0]), lambda x: x.__setitem__(0, 5.0)),
    "a column more in a large table": (lambda: pd.DataFrame({"a": np.zeros(1_000_000)}), add_column),
    "a large list grows": (lambda: list(range(1_000_000)), lambda x: x.append(1)),
}


@pytest.mark.parametrize(("make", "mutate"), MUTATIONS.values(), ids=MUTATIONS.keys())
def test_mutations(make: Callable[[], Any], mutate: Callable[[Any], object]) -> None:
    namespace = {"x": make(), "other": make()}
    snapshot = Snapshot(namespace)
    assert not snapshot.changes(namespace)
    mutate(namespace["x"])
    assert snapshot.changes(namespace) == NamespaceChanges(mutated=("x",))


QUIET: dict[str, Any] = {
    "a large list": list(range(12_500_000)),
    "a large dict": dict.fromkeys(range(1_000_000)),
    "a large text": "x" * 100_000_000,
    "a large array": np.zeros(12_500_000),
    "a large table": pd.DataFrame({"a": np.zeros(6_000_000), "b": 1.0}),
    "a table of long texts": pd.DataFrame({"s": ["x" * 1_000_000 + str(n) for n in range(100)]}),
    "a wide table": pd.DataFrame(np.zeros((2, 5_000))),
    "tables of many kinds": pd.DataFrame(
        {
            "category": pd.Categorical(["a", "b"]),
            "integer": pd.array([1, None], dtype="Int64"),
            "time": pd.to_datetime(["2026-01-01", "2026-01-02"]),
            "zone": pd.to_datetime(["2026-01-01", "2026-01-02"]).tz_localize("UTC"),
            "span": pd.to_timedelta([1, 2], unit="s"),
            "mixed": [object(), float("nan")],
        }
    ),
    "rows with names on two levels": pd.DataFrame(
        {("a", "b"): [1, 2]}, index=pd.MultiIndex.from_tuples([("x", 1), ("y", 2)])
    ),
    "no rows": pd.DataFrame(),
    "numbers that equal nothing": [float("nan")],
}


@pytest.mark.parametrize("value", QUIET.values(), ids=QUIET.keys())
def test_looking_costs_little_and_finds_nothing_where_nothing_is(value: Any) -> None:
    namespace = {"x": value}
    Snapshot(namespace)
    tracemalloc.start()
    changes = Snapshot(namespace).changes(namespace)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert not changes
    assert peak < 5_000_000


def test_many_names_share_what_one_may_cost() -> None:
    """What is looked at has a bound for all names together, and every name has its part of it."""
    namespace: dict[str, Any] = {f"list_{n}": list(range(1_000)) for n in range(400)}
    namespace |= {f"frame_{n}": pd.DataFrame({"a": np.zeros(10_000)}) for n in range(60)}
    namespace |= {"short": "x", "number": 1, "module": np}
    Snapshot(namespace)
    tracemalloc.start()
    snapshot = Snapshot(namespace)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000
    namespace["list_7"].append(1)
    namespace["frame_7"]["b"] = 1
    assert snapshot.changes(namespace) == NamespaceChanges(mutated=("frame_7", "list_7"))


def test_only_what_may_be_mutated_is_looked_into() -> None:
    namespace: dict[str, Any] = {"a": [], "b": []}
    snapshot, names_only = Snapshot(namespace, looked_into=["a"]), Snapshot(namespace, looked_into=())
    namespace["a"].append(1)
    namespace["b"].append(1)
    namespace["c"] = []
    assert snapshot.changes(namespace) == NamespaceChanges(created=("c",), mutated=("a",))
    assert names_only.changes(namespace) == NamespaceChanges(created=("c",))


def raising(self: object, *arguments: object) -> Any:
    msg = "asked"
    raise RuntimeError(msg)


HOSTILE = [
    "__eq__", "__ne__", "__len__", "__bool__", "__iter__", "__getattr__", "__getattribute__", "__repr__", "__str__",
    "__contains__", "__getitem__", "__sizeof__",
]  # fmt: skip


@pytest.mark.parametrize("method", HOSTILE)
@pytest.mark.parametrize("base", [object, list, dict, set])
def test_objects_that_raise_break_nothing(method: str, base: type) -> None:
    kind = type("Weird", (base,), {method: raising, "__hash__": object.__hash__, "__module__": "__main__"})
    namespace = {"x": kind(), "y": [kind()], "z": {"a": kind()}}
    snapshot = Snapshot(namespace)
    namespace["new"] = kind()
    assert snapshot.changes(namespace) == NamespaceChanges(created=("new",))


def test_proxies_break_nothing() -> None:
    class Proxy:
        __class__ = property(raising)
        __dict__ = property(raising)

    class Shared:
        __dict__ = property(lambda _: {"other": object()})

    class Slotted:
        __slots__ = ("a",)

    for kind in (Proxy, Shared, Slotted):
        kind.__module__ = "__main__"
        namespace = {"x": kind()}
        Snapshot(namespace).changes(namespace)


def test_values_that_hold_each_other() -> None:
    one: list[Any] = []
    other = {"one": one}
    one.append(other)
    namespace = {"one": one}
    snapshot = Snapshot(namespace)
    assert not snapshot.changes(namespace)
    other["more"] = 1  # type: ignore[assignment]
    assert snapshot.changes(namespace).mutated == ("one",)


def test_names_that_are_no_texts_are_left_out() -> None:
    namespace: dict[Any, Any] = {1: 2}
    snapshot = Snapshot(namespace)
    namespace[2] = 3
    assert not snapshot.changes(namespace)
