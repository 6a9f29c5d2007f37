"""Secrets reach no trace, no display and no log, wherever they come from."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from live_kernel import LiveKernel
from scripted_server import ChatRequest, Reply, ScriptedServer
from scripts import code, is_root, step

NAMES = [f"SERVICE_{i}_{kind}" for i in range(10) for kind in ("API_KEY", "TOKEN", "SECRET")]
IN_ENVIRONMENT = {name: f"{name[::-1].lower()}/{'x' * (i % 7)}\"'\\q{i}" for i, name in enumerate(NAMES)}
IN_ENVIRONMENT |= {
    "DB_PASSWORD": "correct horse battery staple",
    "VAULT_PASSPHRASE": "first half of it\nsecond half of it",
    "BACKUP_SECRET": "drei späte Gäste: «Öl & Äpfel»",
}
SHAPED = [
    "sk-proj-" + "Ab3" * 14,
    "sk-ant-api03-" + "Zy9" * 14,
    "ghp_" + "a1B2" * 9,
    "github_pat_" + "x9" * 30,
    "xoxb-1234567890-abcdefghijklmnop",
    "AKIA" + "IOSFODNN7EXAMPL1",
    "AIza" + "Sy1" * 12,
    "hf_" + "QwErTy" * 6,
    "glpat-" + "k3y" * 7,
    "gsk_" + "g5K" * 10,
    "xai-" + "t7U" * 10,
    "npm_" + "w1Q" * 12,
    "ASIA" + "IOSFODNN7EXAMPL2",
    "-----BEGIN EC PRIVATE KEY-----\n" + f"{'MHcCAQEEIPb0Kx9z' * 4}\n" * 3 + "-----END EC PRIVATE KEY-----",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
]
ARGUMENTS = ["argument-key-4711-abcdef", "header-value-0815-ghijkl", "tool-password-2342-mnopqr"]
IN_CONTEXT = SHAPED[:5]
IN_REPLIES = SHAPED[5:]
SECRETS = [*IN_ENVIRONMENT.values(), *SHAPED, *ARGUMENTS]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Everything that a kernel published and wrote in runs that are full of secrets."""
    assert len(SECRETS) >= 50
    folder = tmp_path_factory.mktemp("secrets")
    notebook = folder / "analysis.ipynb"
    notebook.write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    with ScriptedServer(_model) as server:
        env = {
            **IN_ENVIRONMENT,
            "OPENAI_API_KEY": ARGUMENTS[0],
            "OPENAI_BASE_URL": server.base_url,
            "JPY_SESSION_NAME": str(notebook),
        }
        with LiveKernel(env, cwd=str(folder)) as kernel:
            cells = [
                _LIBRARY,
                "%%rlm --context notes\nWhat do the notes say?",
                "%rlm trace",
                "%rlm history",
                "%rlm status",
            ]
            messages = [message for cell in cells for message in kernel.run(cell).messages]
            failing = kernel.run(f"%rlm {IN_REPLIES[0]} fail")
    # What the user typed is in the notebook anyway: the front end put it there.
    published = [m for m in [*messages, *failing.messages] if m["msg_type"] not in ("execute_input", "status")]
    files = [path.read_text() for path in folder.rglob("*") if path.is_file()]
    assert any(path.suffix == ".jsonl" for path in folder.rglob("*"))
    assert any(path.name == "analysis.trace.ipynb" for path in folder.rglob("*"))
    return "\n".join([*(json.dumps(m["content"], ensure_ascii=False) for m in published), *files])


_LIBRARY = f"""
notes = {IN_CONTEXT!r} + ["and so on"]
from rlm_jupyter import RLM, enable_trace_notebook
logger, handle = enable_trace_notebook(log_dir="logs")
rlm = RLM(
    environment="jupyter",
    backend_kwargs={{
        "model_name": "m", "api_key": {ARGUMENTS[0]!r}, "default_headers": {{"X-Api-Key": {ARGUMENTS[1]!r}}}
    }},
    custom_tools={{"DB_PASSWORD": {ARGUMENTS[2]!r}}},
    logger=logger,
)
rlm.completion(notes, root_prompt="What do the notes say?")
"""


def _model(request: ChatRequest) -> Reply | str:
    if not is_root(request):
        return f"The keys are {', '.join(IN_REPLIES)}."
    if " fail" in request.prompt:
        return Reply(status=400, body=json.dumps({"error": {"message": f"Not with {ARGUMENTS[0]}"}}).encode())
    if step(request) == 0:
        return f"I see {IN_REPLIES[2]} and {ARGUMENTS[0]}.\n" + code(
            "import os, base64",
            "print({k: v for k, v in os.environ.items()})",
            f"print({IN_REPLIES[3]!r}, base64.b64encode({ARGUMENTS[0]!r}.encode()))",
            "print(globals().get('DB_PASSWORD'), context)",
            f"llm_query('Is this a key: {IN_REPLIES[4]}')",
        )
    if step(request) == 1:
        return code("raise ValueError(os.environ['SERVICE_0_API_KEY'] + ' in an error')")
    return f"FINAL(It says {', '.join([*IN_CONTEXT, *IN_REPLIES, *IN_ENVIRONMENT.values()])} and {ARGUMENTS[0]}.)"


@pytest.mark.parametrize("secret", SECRETS)
def test_no_secret_is_shown_or_written(written: str, secret: str) -> None:
    encoded = base64.b64encode(secret.encode()).decode().rstrip("=")[:-1]
    for form in {secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], json.dumps(json.dumps(secret))[3:-3], encoded}:
        assert form not in written


def test_the_rest_is(written: str) -> None:
    assert "[redacted" in written
    assert "and so on" in written
    assert Path("analysis").name in written
