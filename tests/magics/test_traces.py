"""Which runs are kept, and which are written beside the notebook."""

from __future__ import annotations

from pathlib import Path

from scripts import code, says
from stage import Stage

LIBRARY = "from rlm_jupyter import RLM\nRLM(backend_kwargs={'model_name': 'm'}).completion('Asked of the library')"


def last_trace(stage: Stage) -> str:
    shown = stage.kernel.ok("%rlm trace").of("display_data")[0]["content"]["data"]
    return str(shown["text/markdown"])


def test_a_run_that_is_not_written_can_be_looked_at(stage: Stage) -> None:
    stage.script = says("FINAL(ok)")
    stage.kernel.ok("%rlm One that is written")
    stage.kernel.ok("%rlm --no-trace One that is left out")
    assert "One that is left out" in last_trace(stage)
    stage.kernel.ok("%rlm Another that is written")
    written = stage.trace.read_text()
    assert "One that is written" in written
    assert "Another that is written" in written
    assert "One that is left out" not in written


def test_a_failure_points_to_the_trace_that_there_is(stage: Stage) -> None:
    stage.script = says(code("1 / 0"), code("while True: pass"))
    executed = stage.kernel.run("%rlm --no-trace --timeout 0.5 One that fails", timeout=20)
    assert "%rlm trace" in executed.traceback
    assert "One that fails" in last_trace(stage)


def test_with_traces_switched_off_nothing_is_written_until_asked_for(stage: Stage, tmp_path: Path) -> None:
    stage.script = says("FINAL(ok)")
    stage.kernel.ok("%rlm One before")
    stage.kernel.ok("%config RLMMagics.trace = False")
    try:
        stage.kernel.ok("%rlm One of the magic's")
        stage.kernel.ok(LIBRARY)
        assert "Asked of the library" in last_trace(stage)
        assert "One of the magic's" not in stage.trace.read_text()
        stage.kernel.ok("%rlm --no-trace A confidential one")
        stage.kernel.ok(f"%rlm save {tmp_path / 'saved.ipynb'}")
        saved = (tmp_path / "saved.ipynb").read_text()
        for question in ("One before", "One of the magic's", "Asked of the library"):
            assert question in saved
        assert "A confidential one" not in saved
    finally:
        stage.kernel.ok("%config RLMMagics.trace = True")
    stage.kernel.ok("%rlm One after")
    written = stage.trace.read_text()
    assert "One after" in written
    assert "Asked of the library" not in written
    stage.kernel.ok("%rlm save")
    stage.kernel.ok("%rlm One more")
    assert "Asked of the library" in stage.trace.read_text()


def test_runs_of_the_library_are_traced_from_loading_to_unloading(stage: Stage) -> None:
    stage.script = says("FINAL(ok)")
    stage.kernel.ok("%unload_ext rlm_jupyter")
    stage.kernel.ok(LIBRARY.replace("Asked of", "Not traced in"))
    stage.kernel.ok("%load_ext rlm_jupyter")
    stage.kernel.ok(LIBRARY)
    assert "Asked of the library" in last_trace(stage)
    assert "1 run in this kernel" in stage.kernel.ok("%rlm status").text
    assert "Asked of the library" in stage.trace.read_text()
    assert "Not traced in the library" not in stage.trace.read_text()


def test_loading_imports_nothing_that_takes_its_time(stage: Stage) -> None:
    loaded = "[name for name in ('pydantic', 'openai', 'aiohttp') if name in sys.modules]"
    program = (
        "import sys; from IPython.core.interactiveshell import InteractiveShell; "
        f"InteractiveShell.instance().run_line_magic('load_ext', 'rlm_jupyter'); print({loaded})"
    )
    stage.kernel.ok(f"import subprocess, sys\nsaid = subprocess.check_output([sys.executable, '-c', {program!r}])")
    assert stage.kernel.value("said.decode()") == "[]\n"


def test_what_comes_after_the_end_of_a_run_is_nobodys(stage: Stage) -> None:
    stage.kernel.ok(
        """
import gc
from rlm_jupyter.observers import observers
from rlm_jupyter.trace.recorder import Recorder
from rlm_jupyter.trace.redaction import Redactor
from rlm_jupyter.trace.schema import RunEnd, RunStart, SubcallEnd, SubcallStart
from rlm_jupyter.trace.trace import Trace

def alive():
    gc.collect()
    return sum(isinstance(each, Trace) for each in gc.get_objects())

before = alive()
recorder = Recorder(Redactor(), observers)
begin = RunStart(question="q", model="m", backend="b", environment="local", max_iterations=1)
run = recorder.start(begin)
call = recorder.start(SubcallStart(model="m", prompt=recorder.blob("p", 10)), run)
recorder.end(run, RunEnd(answer="ok"))
recorder.end(call, SubcallEnd(reply=recorder.blob("a late reply", 10)))
"""
    )
    # The recorder's own and the one that is kept.
    assert stage.kernel.value("alive() - before") == 2
