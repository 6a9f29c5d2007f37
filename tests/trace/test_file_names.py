"""How the files of artifacts are called."""

from __future__ import annotations

import re

import pytest

from rlm_jupyter.trace.file_names import artifact_name

RUN_ID = "01a0c4506c00f266da0a96d0e3dae0f6"
BEGAN = 1_790_000_000.0


def test_a_name_tells_the_notebook_or_the_question_and_the_day() -> None:
    named = artifact_name("reports/Q3 analysis.ipynb", "Which ends first?", BEGAN, RUN_ID, ".md")
    assert named == "Q3 analysis-2026-09-21-e3dae0f6.md"
    asked = artifact_name(None, "Which contract\nends first, and who may end it early?", BEGAN, RUN_ID, ".html")
    assert asked == "Which contract ends first_ and who-2026-09-21-e3dae0f6.html"


def test_runs_of_the_same_moment_have_names_of_their_own() -> None:
    names = {artifact_name("a.ipynb", "", BEGAN, f"01a0c4506c00{number:020x}", ".md") for number in range(50)}
    assert len(names) == 50


@pytest.mark.parametrize(
    "question", ["", " ", "../..", "-rf .", "CON", "nul.txt", "\u202ecod.exe", "é" * 500, "\0", "%2F"]
)
@pytest.mark.parametrize("began", [BEGAN, float("nan"), float("inf"), -1e300])
def test_every_system_takes_it(question: str, began: float) -> None:
    name = artifact_name(None, question, began, "../" + RUN_ID, ".md")
    assert re.fullmatch(r"[\w()+][\w .()+-]*-(?:\d{4}-\d\d-\d\d|undated)-[0-9a-f]{8}\.md", name)
    assert name.partition("-")[0].lower() not in {"con", "nul"}
    assert len(name.encode()) < 200
