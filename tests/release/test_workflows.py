"""What runs at GitHub: it names what there is, may do no more than it must, and publishes what was checked."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".github/workflows"
FILES = sorted(path.name for path in FOLDER.glob("*.yml"))
WRITES = {
    ("release.yml", "attest"): {"attestations", "id-token"},
    ("release.yml", "testpypi"): {"id-token"},
    ("release.yml", "pypi"): {"id-token"},
    ("release.yml", "github"): {"contents"},
}


def read(name: str) -> dict[Any, Any]:
    workflow: dict[Any, Any] = yaml.safe_load((FOLDER / name).read_text())
    return workflow


def steps(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for job, told in read(name)["jobs"].items():
        for step in told.get("steps", []):
            yield job, step


@pytest.mark.parametrize("name", FILES)
def test_a_job_may_write_only_what_it_has_to(name: str) -> None:
    workflow = read(name)
    assert set(workflow["permissions"].values()) <= {"read"}
    for job, told in workflow["jobs"].items():
        permissions: dict[str, str] = told.get("permissions", {})
        assert {what for what, may in permissions.items() if may != "read"} == WRITES.get((name, job), set())
        assert "uses" in told or told["timeout-minutes"] <= 45


@pytest.mark.parametrize("name", FILES)
def test_actions_are_pinned_and_a_checkout_keeps_no_token(name: str) -> None:
    used = [(job, step) for job, step in steps(name) if "uses" in step]
    for job, step in used:
        version = r"[0-9a-f]{40}" if (name, job) in WRITES else r"v\d+"
        assert re.fullmatch(rf"[\w-]+/[\w-]+@{version}", step["uses"])
    assert all(step["with"]["persist-credentials"] is False for _, step in used if "checkout" in step["uses"])


@pytest.mark.parametrize("name", FILES)
def test_scripts_are_sound_and_name_what_there_is(name: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for _, step in steps(name):
        if "run" not in step:
            continue
        script = step["run"]
        subprocess.run(["bash", "-n", "-c", script], check=True)
        assert "${{" not in script, "a name of a branch or tag would be run: hand it over in env"
        made = [re.sub(r'\w+=("[^"]*"|\S+)', "", line) for line in re.findall(r"^make (.*)$", script, re.MULTILINE)]
        assert set(" ".join(made).split()) <= targets
        assert all((ROOT / path).is_file() for path in re.findall(r"(?<![\w/])\.(?:ci|github)/[\w./-]+", script))


def test_ci_runs_on_each_python_that_the_package_names() -> None:
    tested = read("ci.yml")["jobs"]["check"]["strategy"]["matrix"]["python"]
    classifiers = metadata("rlm-jupyter").get_all("Classifier", [])
    named = [found[1] for each in classifiers if (found := re.fullmatch(r".* :: Python :: (3\.\d+)", each))]
    assert sorted(tested) == sorted(named)


def test_nothing_is_published_that_was_not_checked() -> None:
    jobs = read("release.yml")["jobs"]
    assert jobs["check"]["uses"] == "./.github/workflows/ci.yml"
    for job in ("testpypi", "pypi"):
        assert set(needed(jobs, job)) >= {"attest", "build", "check"}
        assert jobs[job]["environment"]["name"] == job
    scripts = " ".join(step["run"] for job, step in steps("release.yml") if job == "build" and "run" in step)
    assert all(check in scripts for check in ("make PYTHON=python dist", ".ci/releasable.py", "make audit"))
    assert [job for job, step in steps("release.yml") if "checkout" in step.get("uses", "")] == ["build"]


def test_strangers_start_nothing_that_may_write() -> None:
    started = {name: set(read(name)[True]) for name in FILES}  # YAML 1.1 takes `on` for a truth value
    assert started == {
        "ci.yml": {"push", "pull_request", "workflow_call"},
        "release.yml": {"push"},
        "upkeep.yml": {"schedule", "workflow_dispatch", "pull_request"},
    }
    assert read("release.yml")[True] == {"push": {"tags": ["v*"]}}


@pytest.mark.parametrize(
    ("job", "candidate", "given"),
    [("testpypi", "true", {"repository-url": "https://test.pypi.org/legacy/"}), ("pypi", "false", {})],
)
def test_a_candidate_is_published_for_tests_and_a_release_for_all(
    job: str, candidate: str, given: dict[str, str]
) -> None:
    told = read("release.yml")["jobs"][job]
    assert told["if"] == f"needs.build.outputs.candidate == '{candidate}'"
    download, publish = told["steps"]
    assert download["with"] == {"name": "dist", "path": "dist"}  # and the publisher takes all that is in dist
    assert publish["uses"].startswith("pypa/gh-action-pypi-publish@")
    assert publish.get("with", {}) == given


def test_what_is_published_is_what_was_built_and_nothing_besides() -> None:
    build = read("release.yml")["jobs"]["build"]
    assert build["outputs"] == {"candidate": "${{ steps.notes.outputs.candidate }}"}
    (notes,) = (step["run"] for step in build["steps"] if step.get("id") == "notes")
    assert re.search(r'releasable\.py "\$TAG" notes\.md >>"\$GITHUB_OUTPUT"$', notes, re.MULTILINE)
    kept = {step["with"]["name"]: step["with"]["path"] for step in build["steps"] if "upload-artifact" in str(step)}
    assert {name: path.split() for name, path in kept.items()} == {
        "dist": ["dist/"],
        "about": ["notes.md", "build/sbom.cdx.json"],
    }


def needed(jobs: dict[str, Any], job: str) -> Iterator[str]:
    direct = jobs[job].get("needs", [])
    for other in [direct] if isinstance(direct, str) else direct:
        yield other
        yield from needed(jobs, other)


@pytest.mark.parametrize("form", sorted(path.name for path in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")))
def test_the_issue_forms_are_what_github_reads(form: str) -> None:
    told = yaml.safe_load((ROOT / ".github/ISSUE_TEMPLATE" / form).read_text())
    if form == "config.yml":
        assert {link["name"] for link in told["contact_links"]} == {"A question", "A security problem"}
        return
    assert {"name", "description"} <= told.keys()
    ids = [part["id"] for part in told["body"] if part["type"] != "markdown"]
    assert len(ids) == len(set(ids)) > 0
    assert all(part["attributes"].get("label") for part in told["body"] if part["type"] != "markdown")
