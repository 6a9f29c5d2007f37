"""Names that are set aside come back, wherever an interrupt comes in between."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import pytest

from rlm_jupyter.environments import unbroken
from rlm_jupyter.environments.in_process import InProcessEnvironment
from rlm_jupyter.environments.local import LocalREPL

_OURS = {inspect.getsourcefile(InProcessEnvironment), inspect.getsourcefile(unbroken)}


@contextmanager
def interrupted_at(nth: int) -> Iterator[list[int]]:
    """Raise ``KeyboardInterrupt`` at the ``nth`` line of ours; yields the list of lines that were reached."""
    reached: list[int] = []

    def within(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            reached.append(frame.f_lineno)
            if len(reached) == nth:
                raise KeyboardInterrupt
        return within

    def trace(frame: FrameType, _: str, __: Any) -> Any:
        return within if frame.f_code.co_filename in _OURS else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield reached
    finally:
        sys.settrace(before)


@pytest.mark.parametrize("bound", [{}, {"a": "bound by the run"}])
def test_an_interrupt_at_any_line_loses_no_name(bound: dict[str, Any]) -> None:
    values = {name: [name] for name in "abc"}
    nth = reached = 0
    while nth <= reached:
        nth += 1
        with LocalREPL() as place:
            place.add_context("x")
            space = place._namespace
            space.update(values)
            with interrupted_at(nth) as lines, suppress(KeyboardInterrupt), place.set_aside(values, {"b": 0}) as aside:
                assert aside == {"a", "b", "c"}
                assert space["b"] == 0
                space.update(bound)
            reached = len(lines)
            now = {name: space.get(name) for name in values}
            assert now in ({**values, **bound}, values), f"interrupted at line {lines[-1]}"
    assert nth > 15


def test_only_the_same_value_is_set_aside() -> None:
    with LocalREPL() as place:
        space = place._namespace
        space.update(mine=[1], same=[2])
        with place.set_aside({"mine": [1], "same": space["same"], "gone": [3]}, {}) as aside:
            assert aside == {"same"}
        assert (space["mine"], space["same"], "gone" in space) == ([1], [2], False)
