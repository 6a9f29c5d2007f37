"""Fifty secrets, planted everywhere that text comes from, are in no artifact."""

from __future__ import annotations

import base64
import json
import random
import string
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlm_jupyter.trace.logger import RLMLogger
from rlm_jupyter.trace.notebooks.writer import TraceNotebook
from rlm_jupyter.trace.redaction import Redactor, secrets_in
from rlm_jupyter.trace.schema import ErrorRecord

WRITTEN: list[Callable[[str], str]] = [
    str,
    repr,
    json.dumps,
    urllib.parse.quote,
    lambda secret: base64.b64encode(f"user:{secret}".encode()).decode(),
    lambda secret: repr({"nested": [json.dumps(secret)]}),
]


def make_secrets() -> list[str]:
    chance = random.Random(7)
    letters = string.ascii_letters + string.digits
    awkward = letters + "/+='\"\\ %&<>{}$#@!é"
    plain = ["".join(chance.choices(letters, k=24)) for _ in range(25)]
    return plain + ["".join(chance.choices(awkward, k=30)).strip() for _ in range(25)]


@pytest.fixture
def secrets() -> list[str]:
    return make_secrets()


def test_no_artifact_holds_one(
    secrets: list[str], make_run: Callable[..., Any], make_block: Callable[..., Any], tmp_path: Path
) -> None:
    environ = {f"SERVICE_{number}_TOKEN": secret for number, secret in enumerate(secrets[::2])}
    arguments = {f"client_{number}": {"api_key": secret} for number, secret in enumerate(secrets[1::2])}
    redactor = Redactor(secrets_in(arguments), environ)

    text = "\n".join(write(secret) for secret in secrets for write in WRITTEN)
    error = ErrorRecord(name="Error", message=text, traceback=text)
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": text},
        {"output_type": "display_data", "data": {"text/plain": text, "application/json": {text: text}}, "metadata": {}},
    ]
    block = make_block(text, outputs, [(text, text)], error, [make_run(text, text, [(text, [])], {"c": text})])
    run = make_run(text, text, [(text, [block])], text, "error", error)
    logger = RLMLogger(tmp_path)
    trace = run.record(redactor, [logger.sink])
    notebook = TraceNotebook(tmp_path / "a.trace.ipynb").save([trace])

    artifacts = {
        "log": Path(str(logger.log_file_path)).read_text(encoding="utf-8"),
        "notebook": notebook.read_text(encoding="utf-8"),
        "markdown": trace.to_markdown(),
        "bundle": json.dumps(trace.mimebundle()),
        "trajectory": json.dumps(logger.get_trajectory()),
        "repr": repr(trace.events) + repr(redactor),
    }
    for name, artifact in artifacts.items():
        assert "[redacted SERVICE_0_TOKEN]" in artifact or name == "repr"
        for secret in secrets:
            forms = {secret, json.dumps(secret)[1:-1], repr(secret)[1:-1], urllib.parse.quote(secret)}
            forms.add(base64.b64encode(f"user:{secret}".encode()).decode()[8:-4])
            forms.add(secret.split(" ")[0] if len(secret.split(" ")[0]) > 8 else secret)
            assert not [form for form in forms if form in artifact], name
