"""Two traces side by side: the first difference is told, and what follows from it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from recorded_runs import record

from rlm_jupyter.trace.diff import diff
from rlm_jupyter.trace.diff.texts import text_diff


def test_a_trace_differs_from_itself_in_nothing(run: Any) -> None:
    trace = run.record()
    found = trace.diff(trace)
    assert found.same
    assert (found.settings, found.contexts, found.outcomes, found.first, found.answers) == ((), (), (), None, None)
    assert "did the same" in str(found)
    assert run.record().diff(trace).same


def test_the_first_difference_is_where_the_runs_part(
    make_run: Callable[..., Any], make_block: Callable[..., Any]
) -> None:
    def trace(reply: str = "I look.", code: str = "print(1)", said: str = "1\n", calls: Any = (), **more: Any) -> Any:
        outputs = [{"output_type": "stream", "name": "stdout", "text": said}]
        block = make_block(code, outputs, list(calls))
        steps = [("I begin.", []), (reply, [block]), ("FINAL(42)", [])]
        return make_run(iterations=steps, **more).record()

    first = trace()
    for other, place, sorts in (
        (trace(reply="You look."), "iteration 2, reply", ("reply",)),
        (trace(code="print(2)", said="2\n"), "iteration 2, block 1, code", ("code", "output")),
        (trace(said="2\n"), "iteration 2, block 1, output 1 (stdout)", ("output",)),
        (trace(calls=[("Is it?", "No.")]), "iteration 2, block 1, output 1 (stdout)", ("sub-call",)),
    ):
        found = first.diff(other)
        assert found.first is not None
        assert found.first.place.startswith(place)
        assert [set(pair.differs) for pair in found.iterations] == [set(), set(sorts), set()]
        assert place in found.to_text()
        assert json.loads(json.dumps(found.to_dict()))["first"]["place"] == found.first.place
        assert not found.same


def test_iterations_that_are_equal_stand_side_by_side(make_run: Callable[..., Any]) -> None:
    one = make_run(iterations=[("a", []), ("b", []), ("FINAL(1)", [])]).record()
    two = make_run(iterations=[("a", []), ("x", []), ("b", []), ("FINAL(1)", [])]).record()
    found = one.diff(two)
    assert [(pair.a, pair.b, pair.differs) for pair in found.iterations] == [
        (1, 1, ()),
        (None, 2, ("only here",)),
        (2, 3, ()),
        (3, 4, ()),
    ]
    assert {change.name: (change.a, change.b) for change in found.outcomes}["iterations"] == (3, 4)


def test_what_the_runs_were_given_and_came_to_is_compared(make_run: Callable[..., Any]) -> None:
    one = make_run(answer="40\n41\n42").record()
    two = make_run("Which?", answer="40\n41\n43", context="another text").record()
    found = one.diff(two)
    assert [change.name for change in found.settings] == ["question"]
    assert [change.name for change in found.contexts] == ["context"]
    assert found.answers is not None
    assert "  -42\n  +43" in str(found)


def test_a_display_shows_markup_as_text(make_run: Callable[..., Any]) -> None:
    shown = make_run(answer="<b>\x1b[31mno").record().diff(record())._repr_mimebundle_()
    assert "<b>" not in shown["text/html"]
    assert "&lt;b&gt;" in shown["text/html"]
    assert "\x1b" not in "".join(shown.values())


def test_long_texts_are_told_in_a_screen() -> None:
    one = [f"line {number}" for number in range(100_000)]
    two = [*one[:70_000], "another", *one[70_001:]]
    told = list(text_diff("\n".join(one), "\n".join(two)))
    assert len(told) < 20
    assert "  +another" in told
    told = list(text_diff("x" * 500_000 + "a" + "y" * 500_000, "x" * 500_000 + "b" + "y" * 500_000))
    assert sum(map(len, told)) < 2_000
    assert any("a" in line for line in told)
    assert list(text_diff(None, "all of it"))[-1].strip() == "all of it"


def test_sub_calls_of_a_batch_are_compared_by_their_slots() -> None:
    assert diff(record(subcalls=3), record(subcalls=3)).same
