"""Runs a copy of quickstart.ipynb in a real kernel, in build/demo, and says what came of it.

Exits with 1 when an answer is wrong.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

import rlm_jupyter
from rlm_jupyter.trace.verify.file import verify_file

QUICKSTART = Path(__file__).resolve().parent / "quickstart.ipynb"
FOLDER = Path(__file__).resolve().parents[2] / "build" / "demo"
NOTEBOOK = FOLDER / QUICKSTART.name
RUN = "application/vnd.rlm-jupyter.run+json"

# What a right answer holds, by the cell that asks. There is one right answer to each.
EXPECTED = {
    "question-1": ("collections/__init__.py", "groups multiple dicts (or other mappings) together"),
    "question-2": ("antigravity.py", "geohash()"),
}
MODES = {
    "mode-a-check": ("83810205",),
    "mode-b-check": ("'scores'", "(False, False)"),
    "mode-c-check": ("[15, 25]", "True"),
}


def main() -> int:
    """Execute the notebook, print a line per fact, and return the exit code."""
    shutil.rmtree(FOLDER, ignore_errors=True)  # each demo has a trace of its own
    FOLDER.mkdir(parents=True)
    shutil.copy(QUICKSTART, NOTEBOOK)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    began = time.perf_counter()
    # A Jupyter server tells its kernels in this variable which notebook they belong to.
    quiet = ["--log-level=ERROR"]  # a word about TCP from the kernel is no fact of this demo
    resources = {"metadata": {"path": str(FOLDER)}}
    client = NotebookClient(notebook, timeout=300, resources=resources, extra_arguments=quiet)
    client.execute(env={**os.environ, "JPY_SESSION_NAME": str(NOTEBOOK)})
    in_all = time.perf_counter() - began

    cells = {cell["id"]: cell for cell in notebook.cells}
    wrong: list[str] = []
    for cell_id, parts in EXPECTED.items():
        run = next(output["data"][RUN] for output in cells[cell_id].outputs if RUN in output.get("data", {}))
        print(f"Question    {run['question']}")
        print("Answer      " + run["answer"].replace("\n", "\n            "))
        seconds = run["ended"] - run["started"]
        print(f"            {run['iterations']} iterations, {run['subcalls']} sub-calls, {seconds:.2f} s\n")
        wrong += [f"{cell_id}: no {part!r} in the answer" for part in parts if part not in run["answer"]]
    for cell_id, expected in MODES.items():
        shown = "".join(_text(output) for output in cells[cell_id].outputs)
        wrong += [f"{cell_id}: no {part!r} in {shown!r}" for part in expected if part not in shown]
    print(cells["context"].outputs[0]["text"].strip())
    written = _trace()
    print(f"Trace       {written}")
    told, differs = _replayed(written)
    print(f"Replay      {told}")
    wrong += differs
    print(f"In all      {in_all:.1f} s, the kernel's start and end included")
    for each in wrong:
        print(f"WRONG       {each}", file=sys.stderr)
    return 1 if wrong else 0


def _text(output: nbformat.NotebookNode) -> str:
    return str(output.get("text") or output.get("data", {}).get("text/plain", ""))


def _trace() -> Path:
    written = sorted(FOLDER.glob("quickstart.trace*.ipynb"), key=lambda path: path.stat().st_mtime)
    if not written:
        msg = "No trace notebook was written beside the quickstart."
        raise SystemExit(msg)
    nbformat.validate(nbformat.read(written[-1], as_version=4))
    return written[-1]


def _replayed(path: Path) -> tuple[str, list[str]]:
    """Run the code of the trace notebook again over its recording; return a line about it, and what is wrong."""
    wrong = [f"{path.name}: {finding}" for finding in verify_file(path) if finding.severity == "error"]
    report = rlm_jupyter.replay(path)
    first = str(report).split("\n")[0]
    return first, wrong if report.same else [*wrong, str(report)]


if __name__ == "__main__":
    sys.exit(main())
