"""CONTRIBUTING.md's first change, made as it stands there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def blocks(language: str) -> list[str]:
    page = (ROOT / "CONTRIBUTING.md").read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)


def make(change: str, tree: Path) -> None:
    subprocess.run(["git", "apply", "-"], input=change, text=True, cwd=tree, check=True)


def test_a_newcomers_first_test_fails_and_passes_with_the_change(reading: Path) -> None:
    (reading / "tests").mkdir()
    for path in [*(ROOT / "tests").glob("*.py"), ROOT / "pyproject.toml"]:
        shutil.copy(path, reading / path.relative_to(ROOT))
    for folder in ("rlm_jupyter", "tests/clients"):
        shutil.copytree(ROOT / folder, reading / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (command,) = (line for block in blocks("sh") for line in block.splitlines() if "-k computed" in line)
    its_python, *arguments = command.split()
    assert its_python == ".venv/bin/python"
    ours = {**os.environ, "PYTHONPATH": str(reading)}

    def ask() -> str:
        said = subprocess.run(
            [sys.executable, *arguments, "-p", "no:cacheprovider"],
            check=False,
            cwd=reading,
            env=ours,
            capture_output=True,
            text=True,
        )
        return said.stdout

    test, change = blocks("diff")
    make(test, reading)
    assert re.search(r"FAILED .*6 \* 7", failed := ask()), failed
    assert re.search(r" 1 failed, \d+ passed", failed), failed
    make(change, reading)
    assert re.search(r"= \d+ passed", passed := ask()), passed
