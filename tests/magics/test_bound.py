"""Results that ``--out`` bound are set aside; what the user bound to the name is not."""

from __future__ import annotations

from typing import Any

from rlm_jupyter.magics.bound import BoundNames


def test_a_result_is_taken_away_and_comes_back_unless_there_is_another() -> None:
    space: dict[str, Any] = {}
    names = BoundNames(space)
    names.bind("result", 1.5)
    with names.set_aside("result"):
        assert "result" not in space
    assert space["result"] == 1.5
    with names.set_aside("result"):
        names.bind("result", 2.5)
    assert space["result"] == 2.5


def test_what_the_user_bound_stays_also_where_the_result_lay() -> None:
    """A value that is made when another is gone often gets its address, and so its id."""
    space: dict[str, Any] = {}
    names = BoundNames(space)
    names.bind("result", set())
    address = id(space["result"])
    space["result"] = None
    others: list[set[Any]] = []
    while len(others) < 1000 and (not others or id(others[-1]) != address):
        others.append(set())
    space["result"] = others[-1]
    with names.set_aside("result"):
        assert space["result"] is others[-1]
