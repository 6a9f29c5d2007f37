"""The runs that can be steered, for those who are told what the user wants: the link to the server, and programs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rlm_jupyter.core.errors import ConfigurationError
from rlm_jupyter.core.steering import Decision, Steering, SteeringState

if TYPE_CHECKING:
    from rlm_jupyter.trace.wire import Control

__all__ = ["ask_again", "observers", "steer", "steerable", "under_way"]

_log = logging.getLogger(__name__)

under_way: dict[str, Steering] = {}
"""The runs under way in this process, by their run id: root runs, which are steered together with their children."""

observers: list[Callable[[str, SteeringState], None]] = []
"""Called with a run's id and its new state whenever it changes, on any thread; whoever calls ``steer`` is not to hold
a lock then that an observer takes."""


@contextmanager
def steerable(run_id: str, steering: Steering) -> Iterator[None]:
    """Have the run among those under way, and its observers told, until it is over."""
    under_way[run_id] = steering
    steering.on_change = lambda state: _tell(run_id, state)
    try:
        yield
    finally:
        under_way.pop(run_id, None)
        steering.close()


def steer(control: Control) -> bool:
    """Do what the user wants; False when there is no such run under way, or no such block waits for a decision."""
    steering = under_way.get(control.run_id)
    if steering is None:
        return False
    if control.action == "note":
        return steering.note(control.note or "")
    if control.action == "decide":
        told = control.decision
        try:
            return told is not None and steering.decide(told.review_id, Decision(told.decision, told.code, told.reason))
        except ConfigurationError:  # no decision that can be carried out
            return False
    return {"stop": steering.stop, "pause": steering.pause, "resume": steering.resume}[control.action]()


def ask_again() -> None:
    """Have blocks that wait for ``decide`` put to their reviewers again: nobody is left at the server to decide."""
    for steering in tuple(under_way.values()):
        steering.ask_again()


def _tell(run_id: str, state: SteeringState) -> None:
    for observer in tuple(observers):
        try:
            observer(run_id, state)
        except Exception:  # noqa: BLE001 - whoever watches a run must not be able to end it
            _log.exception("An observer failed to take in how a run is steered.")
