"""The fixture ``rlm_replay``, in a suite of somebody else's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from replayed_runs import recorded
from scripts import code, says

SUITE = """
def test_one_that_is_as_it_was(rlm_replay):
    report = rlm_replay("kept.jsonl")
    assert report.same
    assert report.calls == 1


def test_one_that_is_not(rlm_replay):
    rlm_replay("changed.jsonl")


def test_one_that_is_looked_at(rlm_replay):
    report = rlm_replay("changed.jsonl", check=False)
    assert [each.kind for each in report.differences] == ["output"]


def test_one_that_is_not_there(rlm_replay):
    rlm_replay("absent.jsonl")
"""

SETTINGS = """
[pytest]
addopts = --strict-markers --strict-config
filterwarnings = error
"""


def test_a_suite_fails_readably_where_a_replay_differs(tmp_path: Path) -> None:
    trace = recorded(says(code("print(llm_query('a').upper())"), "FINAL(done)", sub="a reply"))
    text = trace.to_jsonl()
    suite = tmp_path / "suite"
    suite.mkdir()
    (tmp_path / "pytest.ini").write_text(SETTINGS)
    (suite / "test_traces.py").write_text(SUITE)
    (suite / "kept.jsonl").write_text(text)
    (suite / "changed.jsonl").write_text(text.replace(".upper()", ".title()"))
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "rlm_jupyter", "-p", "no:cacheprovider", "-q", "suite"],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "2 failed, 2 passed" in ran.stdout, ran.stdout + ran.stderr
    assert "1 difference. 1 code block of 1 run; 1 call answered from the recording." in ran.stdout
    assert "block 1 of iteration 1 (s4): the output differs" in ran.stdout
    assert "-A REPLY" in ran.stdout
    assert "+A Reply" in ran.stdout
    assert "This trace cannot be replayed: " in ran.stdout
    assert "rerun.py" not in ran.stdout
