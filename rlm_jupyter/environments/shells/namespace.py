"""Where a shell's magics find and bind names, told apart by context variable: no cell takes the user's place.

The shell has one ``user_ns``. Setting it for the length of a cell would set it for whoever runs meanwhile: the user's
next cell while this one awaits, a subshell's cell in another thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

__all__ = ["global_ns_route", "user_ns_route", "working_in"]


@dataclass(slots=True)
class _Place:
    shell: Any
    namespace: dict[str, Any]


_place: ContextVar[_Place | None] = ContextVar("rlm_jupyter_namespace", default=None)


@contextmanager
def working_in(shell: Any, namespace: dict[str, Any]) -> Iterator[None]:
    """Make the namespace the shell's ``user_ns`` for this context, while the shell's routes are laid."""
    if shell.user_ns is namespace:
        yield
        return
    token = _place.set(_Place(shell, namespace))
    try:
        yield
    finally:
        _place.reset(token)


def user_ns_route(original: Any) -> property:
    """Return the route of a shell class's ``user_ns``, which is a property or, before IPython 9, an attribute."""

    def get(shell: Any) -> Any:
        place = _place.get()
        if place is not None and place.shell is shell:
            return place.namespace
        return vars(shell)["user_ns"] if original is None else original.fget(shell)

    def put(shell: Any, namespace: dict[str, Any]) -> None:
        place = _place.get()
        if place is not None and place.shell is shell:
            place.namespace = namespace
        elif original is None:
            vars(shell)["user_ns"] = namespace
        else:
            original.fset(shell, namespace)

    return property(get, put)


def global_ns_route(original: property) -> property:
    """Return the route of a shell class's ``user_global_ns``."""

    def get(shell: Any) -> Any:
        place = _place.get()
        if place is not None and place.shell is shell:
            return place.namespace
        return original.__get__(shell)

    return property(get)
