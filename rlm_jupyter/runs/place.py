"""Where a question stands that is asked again: as it was the first time, so that the model is told the same."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rlm_jupyter.core.protocols import Environment, SupportsPersistence

__all__ = ["Ground", "Place", "standing_at"]

_NUMBERED = re.compile(r"(context|history)_(\d+)")


@dataclass(slots=True, eq=False)
class Ground:
    """The places in one REPL, in the order in which they were first asked from.

    ``left`` says of a name which run bound it last, and the id of the value: what was bound anew since is the user's.
    """

    places: list[Place] = field(default_factory=list)
    left: dict[str, tuple[int, Place]] = field(default_factory=dict)

    def place(self) -> Place:
        """Return a new place, behind the others."""
        place = Place(self)
        self.places.append(place)
        return place


@dataclass(slots=True, eq=False)
class Place:
    """What the last run from here left behind, which the next one is not to see.

    ``made`` are the names that it made in the REPL, ``was`` the values of those that it bound anew. ``listed`` is what
    there was before it in a REPL where that cannot be brought back. ``turns`` is how many there were before it in the
    session. In a REPL that is kept, ``context`` is the number of its context, ``history`` that of its messages once it
    has answered, and ``histories`` is how many there were before it; None while it has no place in one.
    """

    ground: Ground = field(repr=False)
    made: frozenset[str] = frozenset()
    was: dict[str, Any] = field(default_factory=dict, repr=False)
    listed: dict[str, Any] | None = field(default=None, repr=False)
    turns: int = 0
    context: int | None = None
    history: int | None = None
    histories: int = 0

    def leave(self) -> None:
        """Give the place in the REPL up: the next run from here gets one of its own, after what has come since."""
        self.context = self.history = self.listed = None
        self.histories = 0

    def add_context(self, environment: SupportsPersistence, prompt: Any) -> int:
        """Put the prompt into the REPL, where it was before if it was, and return its number."""
        if self.context is None:
            self.histories = environment.get_history_count()
        self.context = environment.add_context(prompt, self.context)
        return self.context

    def add_history(self, environment: SupportsPersistence, messages: list[dict[str, Any]]) -> None:
        """Put the run's messages into the REPL, where they were before if they were."""
        self.history = environment.add_history(messages, self.history)

    def earlier(self, named: Mapping[str, Any]) -> dict[str, Any]:
        """Return of contexts and histories, by name, those that were there before this place."""
        return {name: value for name, value in named.items() if self._is_earlier(name)}

    def before(self) -> tuple[dict[str, int], dict[str, Any]]:
        """Return the names that runs from here and from later places bound, with the ids of their values.

        And what they stood for before: those that are not in the second stood for nothing.
        """
        later = self.ground.places[self.ground.places.index(self) :]
        bound: dict[str, int] = {}
        instead: dict[str, Any] = {}
        for place in later:
            for name in (*place.made, *place.was):
                value, by = self.ground.left.get(name, (0, None))
                if name not in bound and by in later:
                    bound[name] = value
                    if name in place.was:
                        instead[name] = place.was[name]
        return bound, instead

    def ran(self, before: Mapping[str, Any], after: Mapping[str, Any], aside: frozenset[str]) -> None:
        """Take in the REPL's variables before and after a run; of those ``aside``, what it did not bind comes back."""
        bound = {name for name, value in after.items() if name not in before or before[name] is not value}
        back = aside - bound
        self.made = frozenset(bound - before.keys()) | (self.made & back)
        self.was = {
            **{name: value for name, value in self.was.items() if name in back},
            **{name: before[name] for name in bound & before.keys()},
        }
        self.ground.left.update({name: (id(after[name]), self) for name in bound})

    def _is_earlier(self, name: str) -> bool:
        match = _NUMBERED.fullmatch(name)
        if match is None or self.context is None:
            return True
        number = int(match[2])
        return number <= self.context if match[1] == "context" else number < self.histories


@contextmanager
def standing_at(place: Place | None, environment: Environment) -> Iterator[None]:
    """Have the REPL's variables be for a run what they were before the first one from this place.

    What the user has bound since stays; so does, after the run, what the run did not bind anew. In an environment that
    cannot set names aside all stay, and the model is told of those that there were the first time.
    """
    if place is None:
        yield
        return
    set_aside = getattr(environment, "set_aside", None)
    if set_aside is None:
        if place.listed is None:
            place.listed = dict(environment.variables())
        yield
        return
    with set_aside(*place.before()) as aside:
        before = dict(environment.variables())
        try:
            yield
        finally:
            place.ran(before, environment.variables(), aside)
