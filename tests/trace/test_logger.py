"""The logger has the field's names; what it holds of an iteration is that iteration's own (field.md, defect 8)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rlm_jupyter.trace.files.opened import read_traces
from rlm_jupyter.trace.logger import RLMLogger
from rlm_jupyter.trace.recorder import Recorder
from rlm_jupyter.trace.redaction import Redactor
from rlm_jupyter.trace.schema import RunStart


def test_each_iteration_shows_what_it_had(run: Any) -> None:
    logger = RLMLogger()
    assert logger.get_trajectory() is None
    assert logger.iteration_count == 0
    run.record(sinks=[logger.sink])
    trajectory = logger.get_trajectory()
    assert trajectory is not None
    assert trajectory["run_metadata"]["root_model"] == "gpt-test"
    first, second, third = trajectory["iterations"]
    assert [message["role"] for message in first["prompt"]] == ["system", "user"]
    assert second["prompt"][-1] == {"role": "user", "content": "Output of iteration 1"}
    assert third["prompt"][-1] == {"role": "user", "content": "Output of iteration 2"}
    assert first["code_blocks"][0]["result"]["stdout"].startswith("21\n")
    assert "ZeroDivisionError" in second["code_blocks"][0]["result"]["stderr"]
    assert [call["response"] for call in second["code_blocks"][0]["result"]["rlm_calls"]] == ["No.", "Yes.", "A text."]
    assert (first["final_answer"], third["final_answer"]) == (None, "42")
    assert logger.iteration_count == 3


def test_a_log_grows_with_the_iterations_and_not_with_the_context(
    make_run: Callable[..., Any], make_block: Callable[..., Any], tmp_path: Path
) -> None:
    def size(iterations: int, context: str) -> tuple[int, int]:
        logger = RLMLogger(tmp_path)
        block = make_block("print(context[:100])", [{"output_type": "stream", "name": "stdout", "text": "x" * 100}])
        replies = [(f"Step {number}\n```repl\nprint(context[:100])\n```", [block]) for number in range(iterations)]
        make_run(iterations=replies, context=context).record(sinks=[logger.sink])
        written = Path(str(logger.log_file_path)).stat().st_size
        return written, len(json.dumps(logger.get_trajectory()))

    for small, large in zip(size(10, "x" * 1_000), size(100, "x" * 1_000_000), strict=True):
        assert large < 11 * small
        assert large < 500_000


def test_the_file_is_named_for_the_log_and_holds_every_run(run: Any, tmp_path: Path) -> None:
    logger = RLMLogger(tmp_path / "logs", file_name="mine")
    assert logger.log_dir == str(tmp_path / "logs")
    path = Path(str(logger.log_file_path))
    assert re.fullmatch(r"mine_\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_[0-9a-f]{8}\.jsonl", path.name)
    first, second = run.record(sinks=[logger.sink]), run.record(sinks=[logger.sink])
    assert [trace.run_id for trace in read_traces(path)] == [first.run_id, second.run_id]
    trajectory = logger.get_trajectory()
    assert trajectory is not None
    assert trajectory["run_metadata"]["run_id"] == second.run_id


def test_without_a_folder_nothing_is_written(run: Any, tmp_path: Path) -> None:
    logger = RLMLogger()
    run.record(sinks=[logger.sink])
    assert (logger.log_dir, logger.log_file_path) == (None, None)
    assert list(tmp_path.iterdir()) == []


def test_a_run_under_way_has_a_trajectory() -> None:
    logger = RLMLogger()
    Recorder(Redactor(environ={}), [logger.sink]).start(
        RunStart(question="q", model="m", backend="b", environment="e", max_iterations=1)
    )
    trajectory = logger.get_trajectory()
    assert trajectory is not None
    assert trajectory["iterations"] == []
