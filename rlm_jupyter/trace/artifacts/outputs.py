"""The outputs of a code block, in nbformat's shape and, for readers of text, as text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rlm_jupyter.trace.schema import CodeEnd
from rlm_jupyter.trace.trace import Span

from .inert import without_controls

__all__ = ["notebook_outputs", "output_size", "output_text"]

_TEXT_FORMS = ("text/plain", "text/markdown", "text/latex")
_WIDGETS = "application/vnd.jupyter.widget"


def notebook_outputs(span: Span, execution_count: int | None = None) -> list[dict[str, Any]]:
    """Return a code span's outputs as nbformat 4.5 has them, the error last.

    Widgets are left out, since nothing would stand behind them; their text form stays.
    """
    end = span.end.payload if span.end is not None else None
    if not isinstance(end, CodeEnd):
        return []
    outputs: list[dict[str, Any]] = []
    for recorded in end.outputs:
        output = _output(recorded, execution_count)
        last = outputs[-1] if outputs else None
        if (
            last is not None
            and output["output_type"] == last["output_type"] == "stream"
            and last["name"] == output["name"]
        ):
            last["text"] += output["text"]
        else:
            outputs.append(output)
    if end.error is not None and not any(output["output_type"] == "error" for output in outputs):
        traceback = (end.error.traceback or f"{end.error.name}: {end.error.message}").split("\n")
        outputs.append(
            {"output_type": "error", "ename": end.error.name, "evalue": end.error.message, "traceback": traceback}
        )
    return outputs


def output_text(output: dict[str, Any], shown: Iterable[str] = ()) -> tuple[str, str]:
    """Return what an output is (``stdout``, ``result``, ``display``, ``error``) and its text form.

    The forms that it has besides are named, unless they are among those that are ``shown`` elsewhere.
    """
    kind = output["output_type"]
    if kind == "stream":
        return output["name"], without_controls(output["text"])
    if kind == "error":
        return "error", without_controls("\n".join(output["traceback"]))
    data = output["data"]
    text = next((_joined(data[form]) for form in _TEXT_FORMS if form in data), "")
    others = [form for form in data if form not in (*_TEXT_FORMS, *shown)]
    named = f"[{', '.join(others)}]" if others else ""
    return ("result" if kind == "execute_result" else "display"), "\n".join(
        filter(None, (without_controls(text), named))
    )


def output_size(outputs: Iterable[dict[str, Any]]) -> int:
    """Return how many characters the outputs hold, as nearly as it can be told without writing them."""
    return sum(_size(value) for output in outputs for value in output.values())


def _size(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(len(str(name)) + _size(each) for name, each in value.items())
    if isinstance(value, list):
        return sum(map(_size, value))
    return 8  # a number, true, null


def _output(recorded: dict[str, Any], execution_count: int | None) -> dict[str, Any]:
    kind = recorded.get("output_type")
    if kind == "stream":
        name = "stderr" if recorded.get("name") == "stderr" else "stdout"
        return {"output_type": "stream", "name": name, "text": _joined(recorded.get("text", ""))}
    if kind == "error":
        told = recorded.get("traceback")
        traceback = [str(line) for line in told] if isinstance(told, list) else [str(told)] if told else []
        named = {"ename": str(recorded.get("ename", "")), "evalue": str(recorded.get("evalue", ""))}
        return {"output_type": "error", **named, "traceback": traceback}
    forms = _mapping(recorded.get("data")).items()
    data = {form: _form(form, value) for form, value in forms if not form.startswith(_WIDGETS)}
    shown = {"data": data, "metadata": dict(_mapping(recorded.get("metadata")))}
    if kind == "execute_result":
        return {"output_type": "execute_result", "execution_count": execution_count, **shown}
    return {"output_type": "display_data", **shown}


def _form(name: str, value: Any) -> Any:
    """Return what nbformat allows an output's form to be: JSON where it says so, else a text or its lines."""
    is_text = isinstance(value, str) or (isinstance(value, list) and all(isinstance(line, str) for line in value))
    return value if is_text or name.endswith("json") else _joined(value)


def _mapping(value: Any) -> dict[str, Any]:
    """Return a mapping as it is, and none in place of what else a trace may hold there."""
    return value if isinstance(value, dict) else {}


def _joined(value: Any) -> str:
    return "".join(str(line) for line in value) if isinstance(value, list) else str(value)
