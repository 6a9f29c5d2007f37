"""The example notebooks: each runs from top to bottom with no key, and says what it should."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import nbformat
import pytest
from live_kernel import clean_environment
from nbclient import NotebookClient
from pages.reader import FEWER_PLUGINS

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
NOTEBOOKS = sorted(path.stem for path in EXAMPLES.glob("*.ipynb") if not path.stem.endswith(".trace"))

LEFT_BEHIND = shutil.ignore_patterns("*.trace.ipynb", "logs", "shop", "__pycache__", ".ipynb_checkpoints")

SAYS: dict[str, dict[str, tuple[str, ...]]] = {
    "data_frame": {
        "data": ("[20154 rows x 5 columns]",),
        "ask": (
            "created plt, weekly; rebound orders",
            "154 orders of 17 to 19 June",
            "Gent wrote cents in place of euros from 3 to 16 March: 200 rows",
            "The year's revenue is 1,431,813.98.",
            "(32 to 35) bring 48% less",
            "no model was asked",
        ),
        "changed": ("{'created': ['plt', 'weekly'], 'rebound': ['orders']}",),
        "changed-frame": ("20,154 rows before, 20,000 now", "week"),
        "figure": ("image/png",),
        "on-ask": ("mutated orders",),
        "on-check": ("January", "December"),
        "undo-ask": ("rebound orders",),
        "undo": ("20000 {'rebound': ['orders']}", "20,154 rows again"),
        "copy": ("created items_sold",),
        "copy-check": ("items; True",),
    },
    "documents": {
        "data": ("40 documents",),
        "offline-ask": ("Renate Vik is elected chair of the board",),
        "ask": ("children: 3 done", "C-2021-04", "9 July 2026", "Tor Elvestad and Renate Vik", "no model was asked"),
        "trace": ("KeyError: 'Date'", "child run", "12 calls of a model, JSONDecodeError", "iteration 7"),
        "children": ("contracts/C-2021-04.txt, Tarn Coatings", "4.6 per cent", "section 8"),
        "quotes": ("4 per cent", "From: Tarn Coatings"),
    },
    "index": {"ask": ("Guided tours begin at eleven, in the hall of the fountains.",)},
    "integration": {
        "data": ("refuse the temptation to guess",),
        "completion": ("In the face of ambiguity, refuse the temptation to guess.", "offline extractor"),
        "completion-forgets": ("it is no language model, it can only look words up in a context that it is given",),
        "session": ("`session_context_0`", "Namespaces are one honking great idea"),
        "session-history": ("0. What does it refuse", "1. And what does it say about namespaces?"),
        "session-trace": ("## Run Context", "### Code Block 1", "## Run Context", "## Answer"),
        "persistence": ("`x` is 1000.", "x in the notebook: False"),
        "mode-a": ("83810205",),
        "mode-b": ("`seen_by_model` is [True, False].", "seen_by_model in the notebook: False"),
        "mode-c": ("[15, 25] True",),
        "trace": ("9 runs; notebook: True",),
        "replay": ("The same as recorded.", "of 9 runs"),
    },
    "log_lines": {
        "data": ("10,000 lines",),
        "offline-ask": ("restart of checkout requested by r.kaur",),
        "ask": ("sub-calls: 24 done", "0213_drop_legacy_keys", "202 checkouts failed", "no model was asked"),
        "trace": ("ValueError: not enough values to unpack", "24 calls of a model", "iteration 8"),
        "names": ("ix_price_rules_tier_key", "bulk-discounts"),
        "cost": ("32 calls", "Now: 0 calls"),
    },
    "quickstart": {
        "context": ("files,", "characters"),
        "question-1": ("collections/__init__.py", "groups multiple dicts (or other mappings) together"),
        "question-2": ("antigravity.py", "geohash()"),
        "result": ("collections/__init__.py", "model calls in"),
        "mode-a-check": ("83810205",),
        "mode-b-check": ("'scores'", "(False, False)"),
        "mode-c-check": ("[15, 25]", "True"),
        "trace": ("## Iteration 1", "llm_query_batched"),
        "status": ("offline", "quickstart.trace.ipynb"),
    },
    "recursion": {
        "data": ("26 modules",),
        "offline-ask": ("`MAX_INTERPOLATION_DEPTH = 10` stands in `configparser.py`",),
        "ask": ("children: 5 done", "26 of 509 functions", "json.dumps", "no model was asked"),
        "trace": ("AttributeError", "31 calls of a model", "child run", "Circular reference detected", "iteration 7"),
        "errors": ("'Attribute' object has no attribute 'id' ->", "Max string recursion exceeded ->"),
        "cost": ("51 calls", "Now: 0 calls"),
    },
    "regression_test": {
        "data": ("2000 prices: 24,77 EUR; 7.718,47 EUR",),
        "run": ("sub-calls: 1 done", "The total is 3501511.97 EUR."),
        "replay": ("The same as recorded. 1 code block of 1 run; 1 call answered",),
        "test-passes": ("1 passed",),
        "test-fails": ("The total is 3500563.00 EUR.') is not in the recording", "1 failed"),
        "command": ("5 differences.", "exit code 1"),
        "mended": ("The same as recorded.",),
    },
    "sessions": {
        "data": ("topics,", "characters"),
        "ask": ('The "nonlocal" statement causes',),
        "follow": ("`comparisons`", "Comparisons can be chained arbitrarily"),
        "history": ("1  Which topic explains", "2  What happens when a chained comparison"),
        "forgotten": ("it can only look words up in a context that it is given",),
        "sessions": ("2 questions: Which topic", "(current)", "1 question: And in which order"),
        "resume": ("2 questions", "What happens when a chained comparison"),
        "back": ("Multiple decorators are applied in",),
        "cut": ("of the 20,000 tokens that it may use", "sub-calls until then"),
        "go-on": ("replies from the cache", "Multiple decorators are applied in"),
        "go-on-cost": ("calls now,", "from the trace"),
        "persistent": ("is 42.", "is False.", "2 turns"),
    },
}

"""What the outputs of a cell hold, one after the other, by notebook and cell."""

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_ID = re.compile(r"(?=.*[g-z])[a-z][a-z0-9-]{1,40}")  # a name, and no digits by chance
_OF_ONE_MACHINE = re.compile(r"/(home|root|tmp|Users|work|opt|usr)/|[A-Z]:\\\\|localhost:8888|sk-\w{8}")
_LINK = re.compile(r"\]\((\w+)\.ipynb\)")


def read(name: str) -> nbformat.NotebookNode:
    """Return an example."""
    notebook: nbformat.NotebookNode = nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)
    return notebook


def told(cell: nbformat.NotebookNode) -> str:
    """Return what a cell printed and showed, as text; of a picture its type."""
    pieces = []
    for output in cell.outputs:
        data = output.get("data", {})
        shown = data.get("text/plain", "") if "text/markdown" not in data else _shown(data)
        pieces += [output.get("text", ""), shown, *(kind for kind in data if kind.startswith("image/"))]
    return _ANSI.sub("", "\n".join(pieces))


def _shown(data: nbformat.NotebookNode) -> str:
    plain = str(data.get("text/plain", ""))
    return data["text/markdown"] if plain.startswith("<") else plain


@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_runs_and_says_what_it_should(name: str, reading: Path) -> None:
    folder = Path(shutil.copytree(EXAMPLES, reading / "examples", ignore=LEFT_BEHIND))
    path = folder / f"{name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":  # a recording plays at once
            cell.source = re.sub(r"\bpace( ?= ?)[\d.]+", r"pace\g<1>0.0", cell.source)
    resources = {"metadata": {"path": str(folder)}}
    client = NotebookClient(notebook, timeout=300, resources=resources, extra_arguments=["--log-level=ERROR"])
    client.execute(env={**clean_environment(), **FEWER_PLUGINS, "JPY_SESSION_NAME": str(path)})
    cells = {cell["id"]: cell for cell in notebook.cells if cell.cell_type == "code"}
    complaints = [
        f"{cell_id}: {output['text']}"
        for cell_id, cell in cells.items()
        for output in cell.outputs
        if output.get("name") == "stderr"
    ]
    assert not complaints
    for cell_id, parts in SAYS[name].items():
        _assert_says(cell_id, told(cells[cell_id]), parts)
    (trace,) = [*folder.glob(f"{name}.trace.ipynb"), *folder.glob(f"logs/{name}_*.trace.ipynb")]
    nbformat.validate(nbformat.read(trace, as_version=4))


def _assert_says(cell_id: str, text: str, parts: tuple[str, ...]) -> None:
    at = 0
    for part in parts:
        found = text.find(part, at)
        assert found >= 0, f"{cell_id} does not say {part!r} there: {text}"
        at = found + len(part)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_is_committed_clean(name: str) -> None:
    notebook = read(name)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    ids = [cell["id"] for cell in notebook.cells]
    assert [cell_id for cell_id in ids if not _ID.fullmatch(cell_id)] == []
    assert len(set(ids)) == len(ids)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell["id"] for cell in code if cell.outputs or cell.execution_count is not None] == []
    assert [cell["id"] for cell in notebook.cells if _OF_ONE_MACHINE.search(cell.source)] == []


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_says_what_a_real_model_would_do_differently(name: str) -> None:
    (cell,) = [cell for cell in read(name).cells if cell.source.startswith("## With a real model")]
    assert cell.cell_type == "markdown"
    assert re.search(r"\b(would|may|might)\b", cell.source)


def test_the_first_page_names_every_notebook() -> None:
    table = next(cell.source for cell in read("index").cells if cell["id"] == "table")
    assert sorted([*_LINK.findall(table), "index"]) == NOTEBOOKS


def test_of_each_notebook_it_is_known_what_it_should_say() -> None:
    assert sorted(SAYS) == NOTEBOOKS
