"""``%rlm replay``: the code of a run is run again in the notebook's kernel, and nothing of the notebook is touched."""

from __future__ import annotations

import json

from live_kernel import Executed
from scripts import code, says
from stage import Stage


def shown(executed: Executed) -> dict[str, str]:
    (display,) = executed.of("display_data")
    data: dict[str, str] = display["content"]["data"]
    return data


def test_the_last_run_is_replayed_beside_the_notebook(stage: Stage) -> None:
    stage.kernel.ok("rows = [1, 2, 3]\ndef double(n): return 2 * n\nimport math\nname = 'mine'")
    stage.script = says(
        code("total = math.prod(map(double, rows))", "print(total, llm_query('a'))", "name = 'the model\\'s'"),
        code("import matplotlib.pyplot as plt", "plt.plot(rows)", "plt.show()", "table = {'a': 1}"),
        code("import pandas as pd", "pd.DataFrame({'total': [total]})"),
        "FINAL_VAR(total)",
    )
    stage.kernel.ok("%rlm What is the product?")
    asked = len(stage.server.requests)
    stage.kernel.ok("del total, table\nrows.append(4)\nname = 'mine again'")
    executed = stage.kernel.ok("%rlm replay")
    report = shown(executed)
    assert report["text/plain"].startswith("The same as recorded"), report["text/plain"]
    assert "4 code blocks of 1 run; 1 call answered" in report["text/plain"]
    assert "<script" not in report["text/html"]
    assert executed.stdout == ""
    assert len(stage.server.requests) == asked
    assert stage.kernel.value("[rows, name, 'total' in globals()]") == [[1, 2, 3, 4], "mine again", False]


def test_a_context_that_the_trace_does_not_hold_is_taken_from_the_notebook(stage: Stage) -> None:
    stage.script = says(code("FINAL(len(context))"))
    stage.kernel.ok("%config RLMMagics.record_limit = 0")
    try:
        stage.kernel.ok("text = 'x' * 100_000")
        stage.kernel.ok("%rlm --context text How long is it?")
    finally:
        stage.kernel.ok("%config RLMMagics.record_limit = 200_000")
    assert shown(stage.kernel.ok("%rlm replay"))["text/plain"].startswith("The same as recorded.")
    stage.kernel.ok("text += 'y'")
    executed = stage.kernel.run("%rlm replay")
    assert "This context is not the one that the run had" in executed.error


def test_a_run_is_named_by_number_id_or_file(stage: Stage) -> None:
    stage.script = says(code("FINAL('one')"))
    stage.kernel.ok("first = %rlm Which?")
    stage.script = says(code("FINAL(llm_query('a'))"))
    stage.kernel.ok("second = %rlm Another?")
    run = stage.kernel.value("first.trace.run_id")
    assert "0 calls answered" in shown(stage.kernel.ok(f"%rlm replay {run}"))["text/plain"]
    log = stage.folder / "kept runs.jsonl"
    log.write_text(stage.kernel.value("second.trace.to_jsonl()").replace("FINAL(llm", "print(llm"))
    told = shown(stage.kernel.ok(f"%rlm replay '{log}'"))["text/plain"]
    assert told.startswith("2 differences. 1 code block of 1 run; 1 call answered")
    assert "the answer differs" in told
    log.write_text(json.dumps({"no": "trace"}))
    assert "UsageError" in stage.kernel.run(f"%rlm replay '{log}'").error
    assert "the number of a run of this kernel" in stage.kernel.run("%rlm replay 4711").error
