"""What comes of a code block that the user was asked about: what runs, what is recorded, what the model is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlm_jupyter.core.observation import OBSERVATION_LIMIT, head_and_tail
from rlm_jupyter.core.prompts import user_note
from rlm_jupyter.core.results import REPLResult

if TYPE_CHECKING:
    from rlm_jupyter.core.steering import Decision
    from rlm_jupyter.trace.schema import Review

    from .earlier import EarlierBlock

__all__ = ["Verdict"]

_REJECTED = "The user rejected this block: it was not run."
_EDITED = "The user changed this block before it was run. This is what ran:"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The code of a block as it was decided; without ``review``, nobody was asked.

    ``proposed`` is the model's code where the user put other code in its place, and ``reason`` what the user says.
    ``earlier`` is the block as a run that is taken up again had run it.
    """

    code: str
    review: Review | None = None
    proposed: str | None = None
    reason: str = ""
    earlier: EarlierBlock | None = None

    @classmethod
    def of(cls, proposed: str, shown: str, decision: Decision) -> Verdict:
        """Return what comes of the decision about a block that was ``shown`` without its secrets."""
        reason = head_and_tail((decision.reason or "").strip(), OBSERVATION_LIMIT)
        if decision.decision == "rejected":
            return cls(proposed, "rejected", reason=reason)
        if decision.decision == "edited" and decision.code not in (None, shown, proposed):
            return cls(decision.code or "", "edited", proposed, reason)
        return cls(proposed, "approved", reason=reason)

    @classmethod
    def again(cls, proposed: str, earlier: EarlierBlock) -> Verdict:
        """Return what came of the decision in the run that is taken up again, where there was one."""
        begun = earlier.start
        if begun.review == "edited":
            return cls(begun.code, "edited", proposed, earlier=earlier)
        return cls(proposed, begun.review, earlier=earlier)

    @property
    def not_run(self) -> REPLResult | None:
        """What a block gives that is not run; None for one that is."""
        if self.review != "rejected":
            return None
        note = f"{_REJECTED} {user_note(self.reason)}" if self.reason else _REJECTED
        return REPLResult("", "", {}, notes=[note], rejected=True)

    @property
    def remarks(self) -> list[str]:
        """What the model is told besides what its block gave."""
        if self.review == "rejected":
            return []
        edited = self.proposed is not None
        code = head_and_tail(self.code, OBSERVATION_LIMIT)
        return [*([f"{_EDITED}\n\n{code}"] if edited else []), *([user_note(self.reason)] if self.reason else [])]
