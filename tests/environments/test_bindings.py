"""What one block bound is told by name, in every environment, without looking into anything."""

from __future__ import annotations

import json
import weakref
from typing import Any

import pytest
from every_environment import Place, in_every_environment
from scripted_server import ScriptedServer
from scripts import code, says

from rlm_jupyter.environments.bindings import Bindings
from rlm_jupyter.environments.subprocess.report import Report
from rlm_jupyter.trace.schema import CodeEnd


@in_every_environment
def test_each_block_tells_what_it_bound(place: Place) -> None:
    with place.make() as repl:
        first = repl.execute_code("made = [1]\nkept = other = 'text'\n_private = 1\nfrom math import pi")
        assert first.changes == {"created": ["kept", "made", "other", "pi"]}
        second = repl.execute_code("made = [1]\ndel other\nkept += ''\nnew = len(made)")
        assert second.changes == {"created": ["new"], "rebound": ["made"], "deleted": ["other"]}
        assert repl.execute_code("made.append(2)\nmade[0] = 3\n[made for _ in 'ab']\nkept").changes == {}


@in_every_environment
def test_what_a_block_bound_before_it_failed_is_told(place: Place) -> None:
    with place.make() as repl:
        assert repl.execute_code("before = 1\n1 / 0\nafter = 2").changes == {"created": ["before"]}
        assert repl.execute_code("after = (").changes == {}


@in_every_environment
def test_the_scaffold_is_none_of_it(place: Place) -> None:
    with place.make(context_payload="a text") as repl:
        meddling = "context = answer = llm_query = 1\ndel FINAL\ncontext_0 = 2\nmine = SHOW_VARS()"
        assert repl.execute_code(meddling).changes == {"created": ["mine"]}
        repl.add_context("another")
        assert repl.execute_code("answer['content'] = mine\nanswer['ready'] = True").changes == {}


@in_every_environment
def test_names_that_were_bound_by_other_ways_are_told_too(place: Place) -> None:
    with place.make() as repl:
        ways = "def f():\n    global a\n    a = 1\nf()\nexec('b = 2')\nglobals()['c d'] = 3\nfor i in range(3): pass"
        assert repl.execute_code(ways).changes == {"created": ["a", "b", "c d", "f", "i"]}
        awaited = "import asyncio\nawait asyncio.sleep(0)\na = [await asyncio.sleep(0, 4)]"
        assert repl.execute_code(awaited).changes == {"created": ["asyncio"], "rebound": ["a"]}


@in_every_environment
def test_the_trace_tells_it_and_no_secret_in_it(place: Place) -> None:
    key = "sk-" + "proj0123456789abcdefghijkl" * 2
    blocks = ("rows = [1]", f"globals()[{key!r}] = rows", "for n in range(300): globals()[f'v{n:03}'] = n")
    with ScriptedServer(says(*map(code, blocks), "FINAL(done)")) as server, place.asked(server) as rlm:
        trace: Any = rlm.completion("Go.").trace
    ends = [span.end.payload for span in trace.walk() if span.kind == "code"]
    assert all(isinstance(end, CodeEnd) for end in ends)
    assert ends[0].changes == {"created": ["rows"]}
    (name,) = ends[1].changes["created"]
    assert key not in name
    assert "redacted" in name
    assert ends[2].changes == {"created": ["n", *(f"v{n:03}" for n in range(199))]}


class Large:
    pass


def test_a_value_that_was_let_go_is_gone_at_once_and_never_taken_for_another() -> None:
    namespace: dict[str, Any] = {"large": Large(), "small": [1]}
    gone = weakref.ref(namespace["large"])
    bindings = Bindings(namespace)
    for _ in range(100):
        namespace["large"], namespace["small"] = Large(), [1]
        assert gone() is None
        assert bindings.changes(namespace) == {"rebound": ["large", "small"]}
    del namespace["large"]
    assert bindings.changes(namespace) == {"deleted": ["large"], "rebound": ["small"]}


class Hostile:
    """A key that nobody may ask anything."""

    def __hash__(self) -> int:
        return hash("name")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError


class Meta(type):
    def __hash__(cls) -> int:
        raise RuntimeError

    def __eq__(cls, other: object) -> bool:
        raise RuntimeError

    @property
    def __weakrefoffset__(cls) -> int:
        raise RuntimeError


class Odd(metaclass=Meta):
    def __bool__(self) -> bool:
        raise RuntimeError


def test_foreign_code_cannot_break_it() -> None:
    namespace: dict[Any, Any] = {"odd": Odd(), Hostile(): Odd(), 7: 8}
    bindings = Bindings(namespace)
    namespace["odd"], namespace[9] = Odd(), 10
    assert bindings.changes(namespace) == {"rebound": ["odd"]}
    del namespace[7], namespace[9]
    namespace["new"] = Odd()
    assert bindings.changes(namespace, {"odd"}) == {"created": ["new"]}


def test_a_name_that_is_deleted_and_made_again_is_rebound() -> None:
    value = [1]
    namespace: dict[str, Any] = {"a": value, "b": 2}
    bindings = Bindings(namespace)
    del namespace["a"]
    namespace["a"] = [1]
    assert bindings.changes(namespace) == {"rebound": ["a"]}
    namespace["a"] = value
    assert bindings.changes(namespace) == {}


def report(changes: Any) -> bytes:
    told = {"notes": [], "so_far": None, "ready": False, "variables": {}, "error": None, "changes": changes}
    return json.dumps(told).encode()


@pytest.mark.parametrize("told", [3, None, {"created": 3}, {"created": [3]}, {"created": {"a": 1}}])
def test_a_kernel_that_tells_nonsense_is_broken(told: Any) -> None:
    with pytest.raises(ValueError, match="no report"):
        Report.read(report(told))


def test_of_what_a_kernel_tells_no_more_is_kept_than_of_others() -> None:
    assert Report.read(report({"created": ["x" * 999] * 999, "else": []})).changes == {"created": ["x" * 200] * 200}
