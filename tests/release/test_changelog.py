"""The changelog's form, and what is refused at a release."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from packaging.version import Version

import rlm_jupyter

ROOT = Path(__file__).parents[2]
CHANGELOG = """# Changelog

## Unreleased

### Added

- What comes next.

## 0.2.0 - 2026-12-01

### Added

- What is new.

## 0.1.0 - 2026-11-01

- All of it.
"""


def test_the_changelog_has_a_section_for_what_the_version_says() -> None:
    sections = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    released = [re.fullmatch(r"(\d+\.\d+\.\d+) - (\d{4}-\d{2}-\d{2})", name) for name in sections]
    if sections[0] == "Unreleased":
        released.pop(0)
    dated = [(Version(found[1]), date.fromisoformat(found[2])) for found in released if found]
    assert len(dated) == len(released)
    assert dated == sorted(dated, reverse=True)
    ours = Version(rlm_jupyter.__version__)
    assert "Unreleased" in sections if ours.is_prerelease else ours in {version for version, _ in dated}


def test_the_changelog_sorts_changes_by_the_six_kinds_and_says_each_in_a_line_or_more() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    kinds = re.findall(r"^### (.+)$", text, re.MULTILINE)
    assert set(kinds) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert [line for line in text.splitlines() if len(line) > 120] == []


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """What a release is made of: the script, a changelog, and what was built."""
    (tmp_path / ".ci").mkdir()
    (tmp_path / "dist").mkdir()
    shutil.copy(ROOT / ".ci/releasable.py", tmp_path / ".ci")
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    return tmp_path


def release(tree: Path, tag: str, built: str = "") -> tuple[int, str]:
    """Return the exit code of the check, and what it wrote and printed."""
    for name in [built or tag.removeprefix("v")] * bool(tag):
        (tree / f"dist/rlm_jupyter-{name}-py3-none-any.whl").touch()
        (tree / f"dist/rlm_jupyter-{name}.tar.gz").touch()
    notes = tree / "notes.md"
    command = [sys.executable, str(tree / ".ci/releasable.py"), tag, str(notes)]
    said = subprocess.run(command, check=False, capture_output=True, text=True)
    return said.returncode, (notes.read_text() if notes.exists() else "") + said.stdout + said.stderr


@pytest.mark.parametrize(
    ("tag", "notes", "candidate"),
    [
        ("v0.2.0", "### Added\n\n- What is new.\n", "false"),
        ("v0.2.0.post1", "### Added\n\n- What is new.\n", "false"),
        ("v0.2.0rc1", "### Added\n\n- What is new.\n", "true"),
        ("v0.3.0rc2", "### Added\n\n- What comes next.\n", "true"),
        ("v0.3.0a1", "### Added\n\n- What comes next.\n", "true"),
        ("v0.3.0b1", "### Added\n\n- What comes next.\n", "true"),
        ("v0.1.0", "- All of it.\n", "false"),
    ],
)
def test_a_release_is_told_in_the_changelogs_words(tree: Path, tag: str, notes: str, candidate: str) -> None:
    assert release(tree, tag) == (0, f"{notes}candidate={candidate}\n")


@pytest.mark.parametrize("kept", ["## Unreleased\n\n## 0.2.0", "## 0.2.0"])
def test_a_candidate_of_which_nothing_is_told_is_not_released(tree: Path, kept: str) -> None:
    (tree / "CHANGELOG.md").write_text(f"# Changelog\n\n{kept}{CHANGELOG.partition('## 0.2.0')[2]}")
    code, printed = release(tree, "v0.3.0rc1")
    assert (code, "has no section `## 0.3.0 - YEAR-MONTH-DAY`, nor `## Unreleased`" in printed) == (1, True), printed


@pytest.mark.parametrize(
    ("tag", "built", "said"),
    [
        ("v0.3.0", "", "CHANGELOG.md has no section `## 0.3.0 - YEAR-MONTH-DAY`"),
        ("v0.2.0", "0.1.0", "The tag says 0.2.0, and these are of another version: rlm_jupyter-0.1.0"),
        ("v0.2.0.dev0", "", "0.2.0.dev0 is not for release"),
        ("v0.2.0+mine", "", "0.2.0+mine is not for release"),
        ("0.2.0", "", "The tag 0.2.0 is no version"),
        ("v0.2.0-rc.1", "0.2.0rc1", "The tag v0.2.0-rc.1 is no version: write it as v0.1.0, or v0.1.0rc1"),
        ("vnext", "0.2.0", "The tag vnext is no version"),
    ],
)
def test_what_does_not_agree_is_not_released(tree: Path, tag: str, built: str, said: str) -> None:
    code, printed = release(tree, tag, built)
    assert (code, said in printed) == (1, True), printed


def test_one_wheel_and_one_source_distribution_are_released(tree: Path) -> None:
    release(tree, "v0.1.0")
    code, printed = release(tree, "v0.2.0")
    assert code == 1
    assert "and not one wheel and one source distribution" in printed
