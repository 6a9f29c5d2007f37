"""Where the code of ``%rlm`` runs, and what that place is made with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from scripts import code, says
from stage import Stage


@contextmanager
def configured(stage: Stage, name: str, value: str, default: str) -> Iterator[None]:
    """Set a default of the magics, as a user does."""
    stage.kernel.ok(f"%config RLMMagics.{name} = {value}")
    try:
        yield
    finally:
        stage.kernel.ok(f"%config RLMMagics.{name} = {default}")


def test_a_kernel_of_its_own_is_made_as_configured_and_kept(stage: Stage) -> None:
    stage.script = says(code("import os", "kept = globals().get('kept', 0) + 1", "FINAL((os.getpid(), kept))"))
    with configured(stage, "environment_kwargs", "dict(kernel_mode='subprocess', cell_timeout=60)", "{}"):
        stage.kernel.ok("%rlm --env ipython --out first Where are you?", timeout=90)
        stage.kernel.ok("%rlm --env ipython --out second And now?", timeout=90)
        here, first, second = stage.kernel.value("[__import__('os').getpid(), eval(str(first)), eval(str(second))]")
        assert first[0] != here
        assert second == [first[0], 2]
        stage.kernel.ok("%rlm reset")
        stage.kernel.ok("import psutil")
        assert not stage.kernel.value(f"psutil.pid_exists({first[0]}) and psutil.Process({first[0]}).is_running()")


def test_a_cell_ends_at_the_time_limit_that_is_configured(stage: Stage) -> None:
    stage.script = says(code("while True: pass"), "FINAL(went on)")
    with configured(stage, "environment_kwargs", "dict(kernel_mode='subprocess', cell_timeout=0.5)", "{}"):
        executed = stage.kernel.ok("%%rlm --env ipython --fresh\nGo.", timeout=90)
    assert executed.result["text/plain"] == "went on"
    assert "0.5" in stage.server.requests[1].prompt


def test_other_arguments_make_another_repl(stage: Stage) -> None:
    stage.script = says(code("FINAL(globals().get('planted', 'nothing'))"))
    with configured(stage, "environment_kwargs", "dict(setup_code='planted = [1]')", "{}"):
        assert stage.kernel.ok("%rlm --env ipython Go.").result["text/plain"] == "[1]"
    assert stage.kernel.ok("%rlm --env ipython Go.").result["text/plain"] == "nothing"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("dict(kernel_mode='elsewhere')", "There is no kernel_mode 'elsewhere'"),
        ("dict(colour='red')", "Environment 'ipython' does not take colour. It takes: "),
        ("dict(sync_vars=['a'])", "leave sync_vars out of it, --vars says it"),
        ("dict(custom_tools=dict(f=len))", "leave custom_tools out of it, define them in the notebook"),
    ],
)
def test_what_it_cannot_be_made_with_is_said_before_anything_is_asked(stage: Stage, value: str, told: str) -> None:
    with configured(stage, "environment_kwargs", value, "{}"):
        executed = stage.kernel.run("%rlm --env ipython Go.")
    assert executed.status == "error"
    assert told in executed.traceback + executed.text + str(executed.of("stream"))
    assert not stage.server.requests


def test_the_defaults_show_it_without_its_secrets(stage: Stage) -> None:
    with configured(stage, "environment_kwargs", "dict(cell_timeout=60, api_token='correct-horse-battery')", "{}"):
        shown = stage.kernel.ok("%rlm config").text
    assert "'cell_timeout': 60" in shown
    assert "correct-horse-battery" not in shown


def test_failing_blocks_in_a_row_end_a_run_where_that_is_configured(stage: Stage) -> None:
    stage.script = says(code("1 / 0"))
    with configured(stage, "max_errors", "2", "None"):
        executed = stage.kernel.run("%rlm Go.")
    assert executed.error.startswith("ErrorThresholdExceededError")
    assert len(stage.server.requests) == 2
