"""What the model is shown of what its code gave."""

from __future__ import annotations

from typing import Any

import pytest

from rlm_jupyter.core.observation import head_and_tail, observe
from rlm_jupyter.core.results import CellError, REPLResult


def result(*outputs: dict[str, Any], error: CellError | None = None, notes: list[str] | None = None) -> REPLResult:
    return REPLResult("", "", {}, outputs=list(outputs), error=error, notes=notes or [])


def stream(text: str, name: str = "stdout") -> dict[str, Any]:
    return {"output_type": "stream", "name": name, "text": text}


def display(**data: Any) -> dict[str, Any]:
    return {"output_type": "display_data", "data": {k.replace("_", "/", 1): v for k, v in data.items()}, "metadata": {}}


ERROR = CellError("ValueError", "no", "Traceback (most recent call last):\n  line 3, in f\nValueError: no\n")


def test_streams_and_values_stand_in_their_order() -> None:
    shown = observe([result(stream("one\n"), stream("careful\n", "stderr"), display(text_plain="'two'"))], 1)
    assert shown == "Output:\none\ncareful\n'two'"


def test_nothing_is_said_in_words() -> None:
    assert observe([result()], 1) == "Output: (nothing was printed, and the block does not end in an expression)"


def test_long_output_keeps_its_head_and_its_tail() -> None:
    shown = observe([result(stream("begin" + "x" * 100_000 + "end\n"))], 1, limit=9_000)
    assert shown.startswith("Output:\nbegin")
    assert shown.endswith("end")
    assert "[... 91,008 characters left out ...]" in shown
    assert len(shown) < 9_200


def test_a_traceback_is_not_cut_away_by_what_was_printed_before_it() -> None:
    """Defect 5 of the field: after 30k of stdout the model never saw the error."""
    shown = observe([result(stream("x" * 30_000 + "\n"), error=ERROR)], 1)
    assert shown.endswith(ERROR.traceback.rstrip())


def test_a_long_traceback_keeps_its_last_line() -> None:
    deep = CellError(
        "RecursionError", "too deep", "Traceback\n" + "  line 1, in f\n" * 5_000 + "RecursionError: too deep"
    )
    shown = observe([result(error=deep)], 1)
    assert shown.startswith("Output:\nTraceback")
    assert shown.endswith("RecursionError: too deep")
    assert len(shown) < 7_000


def test_the_error_output_is_not_told_twice() -> None:
    output = {"output_type": "error", "ename": "ValueError", "evalue": "no", "traceback": ERROR.traceback.split("\n")}
    assert observe([result(output, error=ERROR)], 1).count("ValueError: no") == 1


def test_notes_of_the_environment_come_last() -> None:
    shown = observe([result(stream("1\n"), error=ERROR, notes=["`context` is reserved.", "Another."])], 1)
    assert shown.endswith("ValueError: no\nNote: `context` is reserved.\nNote: Another.")


RICH: dict[str, tuple[dict[str, Any], str]] = {
    "a table has a good text form": (
        {"text/plain": "   a\n0  1", "text/html": "<table><tr><td>1</td></tr></table>"},
        "   a\n0  1",
    ),
    "Markdown": ({"text/plain": "<IPython.core.display.Markdown object>", "text/markdown": "# Title"}, "# Title"),
    "LaTeX": ({"text/plain": "<IPython.core.display.Latex object>", "text/latex": "$x$"}, "$x$"),
    "JSON": ({"text/plain": "<IPython.core.display.JSON object>", "application/json": {"a": [1]}}, "{'a': [1]}"),
    "HTML by its words": (
        {
            "text/plain": "<IPython.core.display.HTML object>",
            "text/html": "<style>p {}</style><p>A &lt;b&gt;</p>\n<script>go()</script><p>C</p><!-- D -->",
        },
        "A <b> C",
    ),
    "HTML alone": ({"text/html": "<b>bold</b>"}, "bold"),
    "a figure is named": (
        {"text/plain": "<Figure size 640x480 with 1 Axes>", "image/png": "iVBORw0KGgo="},
        "<Figure size 640x480 with 1 Axes> [kept with the answer: image/png]",
    ),
    "an image alone": ({"image/svg+xml": "<svg/>"}, "[kept with the answer: image/svg+xml]"),
    "a widget": (
        {"text/plain": "IntSlider(value=3)", "application/vnd.jupyter.widget-view+json": {"model_id": "1"}},
        "IntSlider(value=3) [kept with the answer: application/vnd.jupyter.widget-view+json]",
    ),
    "a script": ({"application/javascript": "go()"}, "[kept with the answer: application/javascript]"),
}


@pytest.mark.parametrize(("data", "text"), RICH.values(), ids=RICH.keys())
def test_rich_displays_have_a_text_form(data: dict[str, Any], text: str) -> None:
    """Defect 14 of the field: what model code displayed, the model never saw."""
    output = {"output_type": "display_data", "data": data, "metadata": {}}
    assert observe([result(output)], 1) == f"Output:\n{text}"


def test_an_image_is_never_told_by_its_bytes() -> None:
    assert "A" * 100 not in observe([result(display(text_plain="<Figure>", image_png="A" * 1_000_000))], 1)


def test_blocks_are_numbered_where_there_are_several() -> None:
    shown = observe([result(stream("1\n")), result(stream("2\n"))], 2)
    assert shown == "Output of block 1:\n1\n\nOutput of block 2:\n2"


def test_each_block_has_its_own_room() -> None:
    shown = observe([result(stream("a" * 5_000)), result(stream("b" * 50))], 2, limit=1_000)
    assert "b" * 50 in shown


def test_one_block_that_was_not_run() -> None:
    assert observe([result(error=ERROR)], 2).endswith("Block 2 was not run, because block 1 failed.")


@pytest.mark.parametrize("length", [0, 1, 99, 100])
def test_a_short_text_is_left_alone(length: int) -> None:
    assert head_and_tail("x" * length, 100) == "x" * length


def test_the_head_is_longer_than_the_tail() -> None:
    cut = head_and_tail("a" * 1_000 + "b" * 1_000, 300)
    assert cut == "a" * 200 + "\n[... 1,700 characters left out ...]\n" + "b" * 100
