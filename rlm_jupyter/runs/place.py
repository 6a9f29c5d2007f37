"""Where a question stands that is asked again: as it was the first time, so that the model is told the same."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rlm_jupyter.core.describe import ValueSummary, describe
from rlm_jupyter.core.protocols import Environment, SupportsPersistence
from rlm_jupyter.core.scaffold_names import number_in

from .held import GONE, Held
from .listing import Listing

__all__ = ["Ground", "Place", "standing_at"]

_WORD = re.compile(r"[^\W\d]\w*")
_LISTINGS = 20
"""Listings that are remembered of a place, which has been asked from with as many different variables."""


@dataclass(frozen=True, slots=True)
class _Growth:
    """A run from ``place`` changed a value, the same object, which was described otherwise before and after."""

    value: Held
    before: ValueSummary
    after: ValueSummary
    place: Place


@dataclass(slots=True, eq=False)
class Ground:
    """The places in one namespace, in the order in which they were first asked from.

    ``left`` says of a name which run bound it last, and to what: what was bound anew since is the user's. Small numbers
    and other constants are the same object wherever they are made: ``n = 3`` of the user's is taken for the model's.
    """

    places: list[Place] = field(default_factory=list)
    left: dict[str, tuple[Held, Place]] = field(default_factory=dict)
    grown: list[_Growth] = field(default_factory=list)

    def let_go(self, variables: Mapping[str, Any]) -> None:
        """Forget what the REPL does not hold any more."""
        self.left = {name: each for name, each in self.left.items() if variables.get(name, self) is each[0].value}
        self.grown = [each for each in self.grown if each.value.value is not GONE]


@dataclass(slots=True, eq=False)
class Place:
    """What the last run from here left behind, which the next one is not to see.

    ``made`` are the names that it made in the REPL, ``was`` the values of those that it bound anew. ``listed`` is what
    there was before it in a REPL where that cannot be brought back. ``told`` is what was listed for the model, each
    time that there was something else to list. ``turns`` is how many there were before it in the session. In a REPL
    that is kept, ``context`` is the number of its context, ``history`` that of its messages once it has answered, and
    ``histories`` is how many there were before it; None while it has no place in one.
    """

    ground: Ground = field(default_factory=Ground, repr=False)
    made: frozenset[str] = frozenset()
    was: dict[str, Any] = field(default_factory=dict, repr=False)
    listed: dict[str, Any] | None = field(default=None, repr=False)
    told: list[Listing] = field(default_factory=list, repr=False)
    turns: int = 0
    context: int | None = None
    history: int | None = None
    histories: int = 0
    _seen: list[tuple[Any, ValueSummary]] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        """Stand behind the others."""
        self.ground.places.append(self)

    def leave(self) -> None:
        """Give the place in the REPL up: the next run from here gets one of its own, after what has come since."""
        self.context = self.history = self.listed = None
        self.histories = 0

    def move(self, ground: Ground) -> None:
        """Stand in another namespace, which has nothing of the runs from here; what the model was told is kept."""
        if ground is not self.ground:
            self.leave()
            self.made, self.was = frozenset(), {}
            self.ground.places.remove(self)
            self.ground = ground
            ground.places.append(self)

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

    def listing(self, others: Mapping[str, Any], variables: Mapping[str, Any], question: str) -> Listing:
        """Return what the model is told that there is: what it was told before, while that is still true.

        Names that have come since are left out, unless the question names them, or a run from here bound them and the
        user has bound them since. What was told is not true any more when a name is gone or its value is described
        otherwise, unless a run from here or from a later place changed that value.
        """
        variables = self.listed if self.listed is not None else variables
        values = {**others, **variables}
        words = {*_WORD.findall(question), *self.made, *self.was}
        for listing in reversed(self.told):
            if words.isdisjoint(values.keys() - listing.names) and self._is_true(listing, others, variables):
                break
        else:
            listing = Listing.of(others, variables)
            self.told = [*self.told, listing][-_LISTINGS:]
        self._seen = [(values[name], describe(values[name], 0)) for name in listing.described]
        return listing

    def before(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the names that runs from here and from later places bound, with their values.

        And what they stood for before: those that are not in the second stood for nothing.
        """
        later = self._later()
        bound: dict[str, Any] = {}
        instead: dict[str, Any] = {}
        for place in later:
            for name in (*place.made, *place.was):
                if name in self.ground.left and name not in bound and self.ground.left[name][1] in later:
                    bound[name] = self.ground.left[name][0].value
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
        self.ground.left.update({name: (Held(after[name]), self) for name in bound})
        seen, self._seen = self._seen, []
        for value, was in seen:
            held, now = Held(value), describe(value, 0)
            if now != was and held.is_weak:  # of others it would be kept too long that they were changed
                self.ground.grown.append(_Growth(held, was, now, self))

    def _later(self) -> list[Place]:
        return self.ground.places[self.ground.places.index(self) :]

    def _is_true(self, listing: Listing, others: Mapping[str, Any], variables: Mapping[str, Any]) -> bool:
        for told, values in ((listing.others, others), (listing.variables, variables)):
            for name, summary in told.items():
                if name not in values or not self._is_so(values[name], summary):
                    return False
        return True

    def _is_so(self, value: Any, summary: ValueSummary) -> bool:
        """Tell whether the value is so described, or was before runs from here and from later places changed it."""
        now, later = describe(value, 0), self._later()
        for growth in reversed(self.ground.grown):
            if now == summary:
                break
            if growth.value.value is value and growth.after == now and growth.place in later:
                now = growth.before
        return now == summary

    def _is_earlier(self, name: str) -> bool:
        numbered = number_in(name)
        if numbered is None or self.context is None:
            return True
        kind, number = numbered
        return number <= self.context if kind == "context" else number < self.histories


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
    place.ground.let_go(environment.variables())
    with set_aside(*place.before()) as aside:
        before = dict(environment.variables())
        try:
            yield
        finally:
            place.ran(before, environment.variables(), aside)
