"""The extension in a real server process: kernels that it starts, notebooks on disk, no browser."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import nbformat
import psutil
import pytest
from live_server import LiveServer, ServedKernel, eventually
from scripted_server import ChatRequest, Reply, ScriptedServer
from scripts import Script, code, says

KEY = "sk-scripted-0123456789abcdefghij"


@dataclass
class Site:
    """A server, the model behind its kernels, and what that model says."""

    server: LiveServer
    model: ScriptedServer
    script: Script

    def runs(self, notebook: str) -> list[dict[str, Any]]:
        """The runs of a notebook that the store holds, the last one first."""
        found: list[dict[str, Any]] = self.server.get(f"rlm-jupyter/runs?notebook={quote(notebook)}")["runs"]
        return found

    def whole(self, notebook: str, count: int = 1) -> list[dict[str, Any]]:
        """The runs of a notebook, once so many of them have ended and none of their events is missing."""

        def look() -> list[dict[str, Any]]:
            runs = self.runs(notebook)
            return runs if sum(run["whole"] for run in runs) == count == len(runs) else []

        return eventually(look, f"{count} whole runs of {notebook}")

    def trace(self, path: str, *parts: str) -> nbformat.NotebookNode:
        """A trace notebook, once it holds these texts."""
        file = self.server.root / path

        def look() -> Any:
            if not file.is_file():
                return None
            text = file.read_text()
            return nbformat.reads(text, as_version=4) if all(part in text for part in parts) else None

        notebook: nbformat.NotebookNode = eventually(look, f"{path} with {parts}")
        nbformat.validate(notebook)
        return notebook


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """JupyterLab below a base URL, as a hub's; other tests have a server without either."""
    folder = tmp_path_factory.mktemp("site")
    sites: list[Site] = []

    def answer(asked: ChatRequest) -> Reply | str:
        return sites[0].script(asked)

    with ScriptedServer(answer) as model:
        env = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": model.base_url}
        with LiveServer(folder, command="lab", env=env, base_url="/user/ada/") as server:
            sites.append(Site(server, model, says("FINAL(nobody wrote a script)")))
            yield sites[0]


def stored_bytes(server: LiveServer) -> bytes:
    """Everything that the store's files hold, the journal too."""
    return b"".join(path.read_bytes() for path in server.store.parent.rglob("*") if path.is_file())


def test_a_run_with_no_browser_open_is_kept_and_written_down(site: Site) -> None:
    site.script = says(
        code("found = llm_query('what about it?')", "print(found)"), "FINAL(seven walruses)", sub="seven"
    )
    kernel = site.server.notebook("reports/analysis.ipynb")
    kernel.ok("%%rlm\nHow many walruses are there?")
    (run,) = site.whole("reports/analysis.ipynb")
    assert (run["question"], run["answer"], run["status"]) == ("How many walruses are there?", "seven walruses", "ok")
    assert (run["iterations"], run["subcalls"]) == (2, 1)
    trace = site.trace("reports/analysis.trace.ipynb", "How many walruses are there?", "seven walruses")
    assert trace.metadata["jupytext"] == {"formats": "ipynb"}
    assert not list((site.server.root / "reports").glob("*.tmp"))
    sessions = site.server.get("rlm-jupyter/sessions?notebook=reports/analysis.ipynb")["sessions"]
    assert [(session["turns"], session["first_question"]) for session in sessions] == [
        (1, "How many walruses are there?")
    ]


def test_many_runs_at_once_stand_under_their_own_notebooks(site: Site) -> None:
    site.script = says(
        code("import re", "print(llm_query_batched([f'{i}' for i in range(5)]))"), "FINAL(done)", sub="yes"
    )
    notebooks = ["at-once/one.ipynb", "at-once/two.ipynb"]
    kernels = [site.server.notebook(path) for path in notebooks]
    ask = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from rlm_jupyter import RLM\n"
        "def ask(number):\n"
        "    with RLM(backend='openai', environment='local') as rlm:\n"
        "        return rlm.completion('a text', root_prompt=f'{WHO} {number}').response\n"
        "with ThreadPoolExecutor(10) as threads:\n"
        "    print(list(threads.map(ask, range(10))))"
    )
    for kernel, path in zip(kernels, notebooks, strict=True):
        kernel.ok(f"WHO = {path!r}")
    cells = [kernel.send(ask) for kernel in kernels]
    assert [kernel.finish(cell).status for kernel, cell in zip(kernels, cells, strict=True)] == ["ok", "ok"]
    for path in notebooks:
        runs = site.whole(path, 10)
        assert sorted(run["question"] for run in runs) == [f"{path} {number}" for number in range(10)]
        assert {run["subcalls"] for run in runs} == {5}
        site.trace(path.replace(".ipynb", ".trace.ipynb"), *(f"{path} {number}" for number in range(10)))


def test_a_session_comes_back_after_the_kernel_was_restarted(site: Site) -> None:
    site.script = says("FINAL(the lamp is red)")
    kernel = site.server.notebook("comes-back.ipynb")
    kernel.ok("%config RLMMagics.max_iterations = 7")
    kernel.ok("%%rlm\nWhich colour has the lamp?")
    site.whole("comes-back.ipynb")
    kernel.restart()
    kernel.ok("%load_ext rlm_jupyter")
    shown = eventually(lambda: _after(kernel, "%rlm", "earlier session"), "word of the earlier session")
    assert "1 question" in shown
    assert "Which colour has the lamp?" in kernel.ok("%rlm resume").text
    assert kernel.value("get_ipython().magics_manager.registry['RLMMagics'].max_iterations") == 7
    site.model.requests.clear()
    site.script = says("FINAL(it still is)")
    kernel.ok("%%rlm\nAnd now?")
    told = json.dumps(site.model.requests[0].messages)
    assert "Which colour has the lamp?" in told
    assert "the lamp is red" in told
    runs = site.whole("comes-back.ipynb", 2)
    assert len({run["session_id"] for run in runs}) == 1
    assert [run["turn"] for run in runs] == [1, 0]


def test_nothing_secret_reaches_kernels_messages_or_the_store_because_of_us(site: Site) -> None:
    site.script = says(code("import os", "print(os.environ['OPENAI_API_KEY'])", "print(TOKEN)"), "FINAL(done)")
    plain = site.server.notebook("secret/plain.ipynb", extension=False)
    kernel = site.server.notebook("secret/loaded.ipynb")
    names = "sorted(__import__('os').environ)"
    assert kernel.value(names) == plain.value(names), "the kernel's environment has nothing of ours in it"
    kernel.ok("TOKEN = 'no token of the server'")
    kernel.ok("%%rlm\nWhich key do you have?")
    site.whole("secret/loaded.ipynb")
    site.trace("secret/loaded.trace.ipynb", "Which key do you have?")
    secret = [site.server.token.encode(), KEY.encode()]
    environment = Path(f"/proc/{kernel.pid}/environ")
    before = Path(f"/proc/{plain.pid}/environ")
    if environment.exists():  # the token is there as the server's own start put it there, and not by us
        assert environment.read_bytes().count(secret[0]) == before.read_bytes().count(secret[0])
    held = stored_bytes(site.server) + (site.server.root / "secret/loaded.trace.ipynb").read_bytes()
    assert not any(each in held for each in secret)
    assert b"Which key do you have?" in held


def test_the_trace_follows_a_notebook_that_is_renamed_during_a_run(site: Site) -> None:
    site.script = says(code("import time", "time.sleep(1.5)"), "FINAL(renamed meanwhile)")
    kernel = site.server.notebook("moving/draft.ipynb")
    kernel.ok("%%rlm\nA first question?")
    site.trace("moving/draft.trace.ipynb", "A first question?")
    cell = kernel.send("%%rlm\nWho am I?")
    eventually(lambda: len(site.runs("moving/draft.ipynb")) == 2, "the second run's beginning")
    site.server.rename("moving/draft.ipynb", "moving/final.ipynb")
    assert kernel.finish(cell).status == "ok"
    site.whole("moving/final.ipynb", 2)
    site.trace("moving/final.trace.ipynb", "A first question?", "renamed meanwhile")
    assert sorted(path.name for path in (site.server.root / "moving").iterdir() if not path.name.startswith(".")) == [
        "final.ipynb",
        "final.trace.ipynb",
    ]
    assert site.runs("moving/draft.ipynb") == []


def test_a_notebook_that_is_deleted_during_a_run_leaves_no_orphan(site: Site) -> None:
    site.script = says(code("import time", "time.sleep(1.5)"), "FINAL(nobody reads this)")
    kernel = site.server.notebook("going/away.ipynb")
    cell = kernel.send("%%rlm\nIs anybody there?")
    eventually(lambda: site.runs("going/away.ipynb"), "the run's beginning")
    assert site.server.ask("DELETE", "api/contents/going/away.ipynb")[0] == 204
    assert kernel.finish(cell).status == "ok"
    kernel.ok("%%rlm\nAnd now?")
    health = site.server.get("rlm-jupyter/health")
    assert health["status"] == "ok", health
    assert not [path for path in (site.server.root / "going").iterdir() if path.name.endswith(".ipynb")]


def test_a_run_can_be_steered_from_outside(site: Site) -> None:
    site.script = says(*(code(f"step = {number}") for number in range(200)))
    kernel = site.server.notebook("steered.ipynb")
    kernel.ok("%config RLMMagics.max_iterations = 200")
    cell = kernel.send("%%rlm\nFor how long?")
    (run,) = eventually(lambda: site.runs("steered.ipynb"), "the run's beginning")
    control = f"rlm-jupyter/runs/{run['run_id']}/control"
    assert site.server.ask("POST", control, {"action": "pause"})[0] == 202
    eventually(
        lambda: (site.server.get(f"rlm-jupyter/runs/{run['run_id']}").get("steered") or {}).get("paused"), "the pause"
    )
    site.model.wait_idle()
    asked = len(site.model.requests)
    assert site.server.ask("POST", control, {"action": "note", "note": "Mind the walrus."})[0] == 202
    assert site.server.ask("POST", control, {"action": "resume"})[0] == 202
    site.model.wait_for(asked + 2)
    assert "Mind the walrus." in json.dumps(site.model.requests[-1].messages)
    assert site.server.ask("POST", control, {"action": "stop"})[0] == 202
    assert kernel.finish(cell).status == "error"
    (run,) = site.whole("steered.ipynb")
    assert run["status"] == "interrupted"
    status, told = site.server.ask("POST", control, {"action": "stop"})
    assert status == 409, told


def test_the_stop_button_of_another_client_ends_a_run(site: Site) -> None:
    site.script = says(code("import time", "time.sleep(60)"))
    kernel = site.server.notebook("interrupted.ipynb")
    cell = kernel.send("%%rlm\nHow long is it?")
    (run,) = eventually(
        lambda: [run for run in site.runs("interrupted.ipynb") if run["iterations"] == 1], "the first iteration"
    )
    assert site.server.ask("POST", f"rlm-jupyter/runs/{run['run_id']}/control", {"action": "interrupt"})[0] == 202
    assert kernel.finish(cell).status == "error"
    (run,) = site.whole("interrupted.ipynb")
    assert run["status"] == "interrupted"


def test_a_code_block_waits_for_a_decision_from_outside(site: Site) -> None:
    site.script = says(code("made = 'by the model'"), code("print('FINAL?')", "FINAL(made)"))
    kernel = site.server.notebook("reviewed.ipynb")
    reviewer = f"rlm-jupyter/kernels/{kernel.kernel_id}/reviewer"
    eventually(lambda: site.server.ask("PUT", reviewer)[0] < 400, "a kernel that can be told of a reviewer")
    cell = kernel.send("%%rlm --review\nWho made it?")
    (run,) = eventually(lambda: site.runs("reviewed.ipynb"), "the run's beginning")
    path = f"rlm-jupyter/runs/{run['run_id']}"

    def decide(decision: dict[str, str]) -> Any:
        waiting: Any = eventually(
            lambda: (site.server.get(path).get("steered") or {}).get("review"), "a block to review"
        )
        body = {"action": "decide", "decision": {"review_id": waiting["review_id"], **decision}}
        assert site.server.ask("POST", f"{path}/control", body)[0] == 202
        eventually(
            lambda: (
                ((site.server.get(path).get("steered") or {}).get("review") or {}).get("review_id")
                != waiting["review_id"]
            ),
            "the end of the wait",
        )
        return waiting

    assert decide({"decision": "edited", "code": "made = 'by the user'"})["code"] == "made = 'by the model'"
    assert "FINAL(made)" in decide({"decision": "approved"})["code"]
    assert kernel.finish(cell).status == "ok"
    (run,) = site.whole("reviewed.ipynb")
    assert run["answer"] == "by the user"


def test_a_cell_that_goes_on_after_its_run_is_not_taken_for_idle(site: Site) -> None:
    site.script = says("FINAL(quickly)")
    kernel = site.server.notebook("goes-on.ipynb")
    of_kernel = f"api/kernels/{kernel.kernel_id}"
    over = site.server.root / "over"
    wait = f"import pathlib, time\nwhile not pathlib.Path({str(over)!r}).exists(): time.sleep(0.05)"
    cell = kernel.send(f"%rlm How fast?\n{wait}")
    site.whole("goes-on.ipynb")  # and the kernel is told so
    states = [site.server.get(of_kernel)["execution_state"] for _ in range(100)]
    assert states[-1] == "busy", states
    over.touch()
    assert kernel.finish(cell).status == "ok"
    eventually(lambda: site.server.get(of_kernel)["execution_state"] == "idle", "an idle kernel")


def test_the_store_is_sound_and_private(site: Site) -> None:
    mode = site.server.store.stat().st_mode & 0o777
    assert mode == 0o600, oct(mode)
    with sqlite3.connect(f"file:{site.server.store}?mode=ro", uri=True) as store:
        assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    store.close()
    assert psutil.pid_exists(site.server.process.pid)


def _after(kernel: ServedKernel, command: str, part: str) -> str:
    shown = kernel.ok(command).text
    return shown if part in shown else ""
