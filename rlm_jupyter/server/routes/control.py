"""Control: a run is interrupted, stopped, halted, told something, and its code blocks are decided about."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import authorized
from tornado import web

from .base import RLMHandler

if TYPE_CHECKING:
    from rlm_jupyter.server.store.rows import RunRow
    from rlm_jupyter.trace.wire import Control, Decision

__all__ = ["ControlHandler", "ReviewerHandler"]

_ACTIONS = ("interrupt", "stop", "pause", "resume", "note", "decide")
_EXECUTING = ("interrupt", "decide")
"""What ends a cell, or says which code runs: whoever may do neither in a notebook may not do it here."""

_NOTE_LIMIT = 10_000  # characters, of a reason too
_CODE_LIMIT = 500_000
_REVIEW_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")

_AT_THE_END_OF_THE_CELL = (
    "This kernel takes no message while a cell runs (that takes ipykernel 7 or newer): it takes effect when the cell "
    "ends. Interrupt the run to end it now."
)


class ControlHandler(RLMHandler):
    """``runs/{run_id}/control``."""

    body_limit = 6_500_000
    """Bytes: JSON may take six for a character of a block that was edited."""

    @web.authenticated
    @authorized
    async def post(self, run_id: str) -> None:
        """Do it, or have the kernel do it; the answer says when that is."""
        asked = self.body()
        _check_asked(asked)
        if asked["action"] in _EXECUTING:
            await self._check_may_execute()
        control = _control(run_id, asked) if asked["action"] != "interrupt" else None
        run = await self.run_named(run_id)
        await self._check_running(run)
        self._check_waiting(run, control)
        told: dict[str, Any] = {"run_id": run_id, "action": asked["action"], "when": "now", "note": None}
        if control is None:
            await self._interrupt(run)
        elif not await self.services.link.send(run.kernel_id, control):
            msg = "The kernel cannot be reached: it is restarting, or %unload_ext took the extension out of it."
            raise web.HTTPError(409, msg, reason="Kernel out of reach")
        elif self.services.link.reach(run.kernel_id) == "shell":
            told |= {"when": "after the cell", "note": _AT_THE_END_OF_THE_CELL}
        await self.reply(told, 202)

    async def _check_may_execute(self) -> None:
        allowed: Any = self.authorizer.is_authorized(self, self.current_user, "execute", "kernels")
        if not await ensure_async(allowed):
            msg = "This acts in the kernel: it takes the permission to execute in kernels, which you do not have."
            raise web.HTTPError(403, msg)

    async def _check_running(self, run: RunRow) -> None:
        if run.status is not None:
            msg = f"This run is over: its status is {run.status}. There is nothing left to steer."
            raise web.HTTPError(409, msg, reason="Run is over")
        if not await self.has_kernel(run.kernel_id):
            msg = "The kernel of this run is no more, and so the run is not either."
            raise web.HTTPError(409, msg, reason="Kernel is gone")

    def _check_waiting(self, run: RunRow, control: Control | None) -> None:
        """Refuse a decision about another block than the one that waits; whether one does, a new server cannot know."""
        decision = control.decision if control is not None else None
        steered = self.services.changes.steered_of(run) if decision is not None else None
        if decision is None or steered is None or steered.review is None:
            return
        if steered.review.review_id != decision.review_id:
            msg = "Another block waits for a decision now. GET /rlm-jupyter/runs/{run_id} has it."
            raise web.HTTPError(409, msg, reason="Another block waits")

    async def _interrupt(self, run: RunRow) -> None:
        try:
            interrupting: Any = self.kernel_manager.interrupt_kernel  # by its types, not every one has to be awaited
            await ensure_async(interrupting(run.kernel_id))
        except (RuntimeError, KeyError) as error:  # it died since it was looked up
            msg = "The kernel of this run is not running, and so the run is not either."
            raise web.HTTPError(409, msg, reason="Kernel is gone") from error


class ReviewerHandler(RLMHandler):
    """``kernels/{kernel_id}/reviewer``."""

    @web.authenticated
    @authorized
    async def put(self, kernel_id: str) -> None:
        """Say that somebody decides here about the code blocks of ``%%rlm --review``: the cell then does not ask.

        That holds for the seconds that the answer tells, unless it is said again.
        """
        reviewer_id = self._reviewer_id()
        self._check_told(await self.services.reviewers.put(await self.kernel_named(kernel_id), reviewer_id))
        await self._reply(kernel_id, reviewer_id, self.services.reviewers.lifetime)

    @web.authenticated
    @authorized
    async def delete(self, kernel_id: str) -> None:
        """Say that this one does no longer: the cell asks when nobody is left."""
        reviewer_id = self._reviewer_id()
        self._check_told(await self.services.reviewers.delete(await self.kernel_named(kernel_id), reviewer_id))
        await self._reply(kernel_id, reviewer_id, None)

    def _reviewer_id(self) -> str:
        """Return who it is: as the request says, or else its user; whoever holds the server's token is one user."""
        asked = self.body()
        if unknown := set(asked) - {"reviewer_id"}:
            msg = f"Nothing here is called {min(unknown)!r:.40}: a reviewer has a reviewer_id, and nothing else."
            raise web.HTTPError(400, msg)
        if "reviewer_id" not in asked:
            return "token" if self.token_authenticated else f"user {self.current_user.username}"
        reviewer_id = asked["reviewer_id"]
        if not isinstance(reviewer_id, str) or not _REVIEW_ID.fullmatch(reviewer_id):
            msg = "reviewer_id must be 1 to 64 letters, digits, dashes and underscores, such as a new UUID."
            raise web.HTTPError(400, msg)
        return reviewer_id

    def _check_told(self, told: bool) -> None:
        if not told:
            msg = "This kernel has not loaded the extension, or cannot be reached. Run %load_ext rlm_jupyter in it."
            raise web.HTTPError(409, msg, reason="Kernel out of reach")

    async def _reply(self, kernel_id: str, reviewer_id: str, expires_in: float | None) -> None:
        told = {
            "kernel_id": kernel_id,
            "reviewer_id": reviewer_id,
            "present": self.services.reviewers.present(kernel_id),
            "expires_in": expires_in,
            "reach": self.services.link.reach(kernel_id),
        }
        await self.reply(told)


def _check_asked(asked: dict[str, Any]) -> None:
    """Raise 400 when this is no action, or one without what belongs to it, or with more."""
    action, note = asked.get("action"), asked.get("note")
    if action not in _ACTIONS:
        msg = f"action must be one of: {', '.join(_ACTIONS)}."
    elif unknown := set(asked) - {"action", "note", "decision"}:
        msg = f"Nothing here is called {min(unknown)!r:.40}: an action takes note or decision, and nothing else."
    elif (action == "note") != ("note" in asked) or (action == "decide") != ("decision" in asked):
        msg = "note goes with the action note, decision with the action decide, and neither with any other."
    elif action == "note" and not (isinstance(note, str) and note.strip() and len(note) <= _NOTE_LIMIT):
        msg = f"note must be a text of 1 to {_NOTE_LIMIT:,} characters."
    else:
        return
    raise web.HTTPError(400, msg)


def _control(run_id: str, asked: dict[str, Any]) -> Control:
    """Return what was asked as a message to the kernel. Raises 400 when the decision is none."""
    from pydantic import ValidationError

    from rlm_jupyter.trace.wire import Control

    try:
        control = Control.model_validate({**asked, "run_id": run_id})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        msg = f"{where}: {first['msg']}. GET /rlm-jupyter/openapi.json has the schema."
        raise web.HTTPError(400, msg) from error
    if control.decision is not None:
        _check_decision(control.decision)
    return control


def _check_decision(decision: Decision) -> None:
    if (decision.decision == "edited") != (decision.code is not None):
        msg = "code goes with the decision edited, and with no other: it is what runs instead."
    elif not _REVIEW_ID.fullmatch(decision.review_id):
        msg = "review_id must be the one that GET /rlm-jupyter/runs/{run_id} tells of the block that waits."
    elif len(decision.code or "") > _CODE_LIMIT or len(decision.reason or "") > _NOTE_LIMIT:
        msg = f"code may have {_CODE_LIMIT:,} characters, and reason {_NOTE_LIMIT:,}."
    else:
        return
    raise web.HTTPError(400, msg)
