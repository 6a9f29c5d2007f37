"""What came out otherwise than it had, and whether it could have come out the same."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from rlm_jupyter.runs.earlier import EarlierBlock
from rlm_jupyter.trace.schema import CodeEnd, ErrorRecord

from .unrepeatable import Settled

__all__ = ["Difference", "Kind", "differences_of"]

Kind: TypeAlias = Literal[
    "output", "error", "answer", "names", "call not recorded", "call not asked again", "run not replayed"
]


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that was recorded in one way and came out in another.

    ``place`` says where in words (``block 2 of iteration 3``), ``span_id`` in the trace. ``recorded`` and ``replayed``
    are its two forms as text. It is not ``repeatable`` when both are the same but for times, addresses and the like.
    """

    place: str
    span_id: str
    kind: Kind
    recorded: str
    replayed: str
    repeatable: bool = True

    def to_dict(self) -> dict[str, Any]:
        """Return plain values under the same names."""
        return asdict(self)


def differences_of(
    place: str, block: EarlierBlock, recorded: CodeEnd, replayed: CodeEnd, settled: Settled
) -> Iterator[Difference]:
    """Yield how the end of a block differs from what was recorded of it."""
    span_id = block.span.span_id
    bound = _bound(recorded.changes)
    pairs: list[tuple[Kind, str, str]] = [
        *(("output", *pair) for pair in _paired(_shown(recorded.outputs), _shown(replayed.outputs))),
        ("error", _error(recorded.error), _error(replayed.error)),
        ("answer", recorded.final_answer or "", replayed.final_answer or ""),
        ("names", _names(bound, recorded), _names(_bound(replayed.changes) - _unmoved(block, bound), replayed)),
    ]
    for kind, then, now in pairs:
        if then != now:
            yield Difference(place, span_id, kind, then, now, repeatable=not settled.same(then, now))


def _paired(recorded: Sequence[str], replayed: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield outputs side by side; all of them as one where there are more of them, or fewer, than there were."""
    if len(recorded) == len(replayed):
        yield from zip(recorded, replayed, strict=True)
    else:
        yield "\n".join(recorded), "\n".join(replayed)


def _shown(outputs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what each output says, a stream's pieces joined; an error's is compared by name and message elsewhere."""
    shown: list[str] = []
    last = None
    for output in outputs:
        kind = output.get("output_type")
        if kind == "error":
            continue
        if kind == "stream":
            text, stream = _joined(output.get("text", "")), str(output.get("name"))
            if stream == last:
                shown[-1] += text
            else:
                shown.append(f"[{stream}]\n{text}")
            last = stream
            continue
        last = None
        shown.append(f"[{kind}]\n{_forms(output)}")
    return shown


def _forms(output: Mapping[str, Any]) -> str:
    """Return the forms of a display, plain text first."""
    told = output.get("data")
    forms = dict(told) if isinstance(told, Mapping) else {}
    lines = [_joined(forms.pop("text/plain"))] if "text/plain" in forms else []
    lines += [f"[{name}]\n{_joined(forms[name])}" for name in sorted(forms)]
    if output.get("metadata"):
        lines.append(f"[metadata]\n{_joined(output['metadata'])}")
    return "\n".join(lines)


def _joined(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return "".join(value)
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)


def _error(error: ErrorRecord | None) -> str:
    return f"{error.name}: {error.message}" if error is not None else ""


def _bound(changes: Mapping[str, Sequence[str]]) -> set[str]:
    """Return the names that a block bound.

    Those that it made and those that it bound anew are one: what there was before it, the recording may not hold.
    """
    return {*changes.get("created", ()), *changes.get("rebound", ())}


def _unmoved(block: EarlierBlock, bound: Set[str]) -> set[str]:
    """Return the names that the code binds and was not seen to: each stood for that very value already.

    As in a run that was taken up where it had left its variables.
    """
    try:
        tree = ast.parse(block.start.code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    stored = {each.id for each in ast.walk(tree) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}
    return stored - bound


def _names(bound: Set[str], end: CodeEnd) -> str:
    deleted = sorted(end.changes.get("deleted", ()))
    return "\n".join([*(f"bound {name}" for name in sorted(bound)), *(f"deleted {name}" for name in deleted)])
