"""A place in a REPL: what a run left there is set aside for the next one from there, and the user's is not."""

from __future__ import annotations

from typing import Any

import pytest

from rlm_jupyter.environments.local import LocalREPL
from rlm_jupyter.runs.place import Ground, Place, standing_at


def lying_at(address: int, value: type[Any]) -> Any:
    """Return a new value of the type that has this id, or another one if there is none to be had."""
    others = []
    for _ in range(1000):
        others.append(value())
        if id(others[-1]) == address:
            break
    return others[-1]


@pytest.mark.parametrize("kind", [list, dict, set, type("Own", (), {})])
def test_what_the_user_binds_is_the_users_also_where_the_models_lay(kind: type[Any]) -> None:
    """A value that is made when another is gone often gets its address, and so its id."""
    with LocalREPL() as repl:
        place, space = Place(Ground()), repl._namespace
        with standing_at(place, repl):
            space["made"] = kind()
        with standing_at(place, repl):
            assert "made" not in space
            space["made"] = kind()
        address = id(space["made"])
        space["made"] = None
        space["made"] = mine = lying_at(address, kind)
        with standing_at(place, repl):
            assert space["made"] is mine


def test_what_is_bound_no_more_is_not_kept() -> None:
    with LocalREPL() as repl:
        place, space = Place(Ground()), repl._namespace
        with standing_at(place, repl):
            space["made"] = [1]
        assert "made" in place.ground.left
        del space["made"]
        with standing_at(place, repl):
            pass
        assert not place.ground.left
