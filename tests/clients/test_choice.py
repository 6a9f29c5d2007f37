"""Which model is asked, and what is said when that cannot be told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from scripted_server import ScriptedServer

from rlm_jupyter.clients.choice import Choice, backend_names, choose, make_client
from rlm_jupyter.clients.io_thread import submit
from rlm_jupyter.clients.offline import OfflineClient
from rlm_jupyter.clients.openai import OpenAIClient
from rlm_jupyter.core.errors import ConfigurationError
from rlm_jupyter.core.protocols import ModelRequest

KEY = {"OPENAI_API_KEY": "sk-test"}
HERE = "http://localhost:8000/v1"


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENROUTER_API_KEY", "RLM_JUPYTER_API_KEY", "RLM_JUPYTER_MODEL"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("asked", "environ", "chosen"),
    [
        ({"model": "a", "config_model": "b"}, {"RLM_JUPYTER_MODEL": "c", **KEY}, Choice("openai", {"model_name": "a"})),
        ({"config_model": "b"}, {"RLM_JUPYTER_MODEL": "c", **KEY}, Choice("openai", {"model_name": "b"})),
        ({}, {"RLM_JUPYTER_MODEL": "c", **KEY}, Choice("openai", {"model_name": "c"})),
        ({}, KEY, Choice("openai", {"model_name": "gpt-5-mini"})),
    ],
    ids=["argument", "configuration", "environment", "key"],
)
def test_the_first_that_is_named_is_asked(asked: dict[str, str], environ: dict[str, str], chosen: Choice) -> None:
    assert choose(**asked, environ=environ) == chosen


def test_with_nothing_named_the_offline_extractor_answers_and_a_line_says_so() -> None:
    choice = choose(environ={})
    assert (choice.backend, choice.backend_kwargs) == ("offline", {})
    assert choice.notice is not None
    assert "\n" not in choice.notice
    for word in ("offline", "no language model", "OPENAI_API_KEY", "RLM_JUPYTER_MODEL"):
        assert word in choice.notice


@pytest.mark.parametrize(
    ("model", "chosen"),
    [
        ("offline", Choice("offline")),
        ("openai", Choice("openai", {"model_name": "gpt-5-mini"})),
        ("openai:gpt-5", Choice("openai", {"model_name": "gpt-5"})),
        ("ollama:qwen3:8b", Choice("ollama", {"model_name": "qwen3:8b"})),
        ("qwen3:8b", Choice("openai", {"model_name": "qwen3:8b"})),
        ("ft:gpt-4o:org::id", Choice("openai", {"model_name": "ft:gpt-4o:org::id"})),
        ("openrouter:a/b:free", Choice("openrouter", {"model_name": "a/b:free"})),
    ],
)
def test_a_model_may_name_its_backend_and_a_colon_alone_does_not(model: str, chosen: Choice) -> None:
    assert choose(model, environ={}) == chosen
    assert choose(environ={"RLM_JUPYTER_MODEL": model}) == chosen
    assert choose(config_model=model, environ={}) == chosen


@pytest.mark.parametrize(
    ("asked", "configured", "chosen"),
    [
        ({"backend": "openai"}, "offline", Choice("openai", {"model_name": "gpt-5-mini"})),
        ({"backend": "openai"}, "gpt-5", Choice("openai", {"model_name": "gpt-5"})),
        ({"backend": "offline"}, "gpt-5", Choice("offline")),
        ({"backend": "ollama"}, "qwen3:8b", Choice("ollama", {"model_name": "qwen3:8b"})),
        ({"backend": "ollama"}, "vllm:big", Choice("ollama")),
        ({"base_url": HERE}, "offline", Choice("openai", {"model_name": "gpt-5-mini", "base_url": HERE})),
        ({"base_url": HERE}, "vllm:big", Choice("vllm", {"model_name": "big", "base_url": HERE})),
        ({"base_url": HERE, "model": "big"}, None, Choice("openai", {"model_name": "big", "base_url": HERE})),
    ],
)
def test_what_is_configured_for_one_backend_says_nothing_of_another(
    asked: dict[str, str], configured: str | None, chosen: Choice
) -> None:
    assert choose(**asked, config_model=configured, environ={}) == chosen
    assert choose(**asked, environ={"RLM_JUPYTER_MODEL": configured} if configured else {}) == chosen


def test_a_model_and_a_backend_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="'ollama:qwen3' belongs to the backend 'ollama', not to 'openai'"):
        choose("ollama:qwen3", "openai", environ={})


def test_an_unknown_backend_is_told_what_there_is() -> None:
    names = ["lmstudio", "offline", "ollama", "openai", "openrouter", "vllm"]
    assert set(names) <= set(backend_names())
    for attempt in (lambda: choose(backend="opnai", environ={}), lambda: make_client("opnai", {"model_name": "a"})):
        with pytest.raises(ConfigurationError, match="There is no backend 'opnai'") as caught:
            attempt()
        assert all(name in str(caught.value) for name in names)


@pytest.mark.parametrize(
    ("backend", "arguments", "base_url"),
    [
        ("ollama", {}, "http://localhost:11434/v1"),
        ("lmstudio", {}, "http://localhost:1234/v1"),
        ("openrouter", {"api_key": "sk-or"}, "https://openrouter.ai/api/v1"),
        ("vllm", {"base_url": HERE}, HERE),
        ("ollama", {"base_url": HERE}, HERE),
        ("openai", {"api_key": "sk-test"}, "https://api.openai.com/v1"),
        (None, {"api_key": "sk-test"}, "https://api.openai.com/v1"),
        (None, {"base_url": HERE}, HERE),
    ],
)
def test_a_server_is_found_by_its_name(backend: str | None, arguments: dict[str, Any], base_url: str) -> None:
    client = make_client(backend, {"model_name": "some-model", **arguments})
    assert isinstance(client, OpenAIClient)
    assert (client.model_name, client.base_url) == ("some-model", base_url)


@pytest.mark.parametrize(
    ("backend", "arguments", "said"),
    [
        ("vllm", {"model_name": "big"}, "needs base_url: give it in backend_kwargs, or with --base-url"),
        ("ollama", {}, "needs model_name: give it in backend_kwargs, or with --model"),
        ("offline", {"base_url": HERE}, "unexpected keyword argument 'base_url'. It takes: model_name."),
        ("openai", {"model_name": "a", "api_key": "sk-test", "temprature": 1}, "has no option temprature"),
        ("openai", {"model_name": "a"}, "There is no API key for api.openai.com"),
        ("openrouter", {"model_name": "a"}, "OPENROUTER_API_KEY"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_with_what_would(
    backend: str, arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_client(backend, arguments)
    assert said in str(caught.value)


def test_openai_without_a_model_takes_the_configured_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    assert make_client("openai").model_name == "gpt-5-mini"
    monkeypatch.setenv("RLM_JUPYTER_MODEL", "gpt-5")
    assert make_client("openai").model_name == "gpt-5"
    assert make_client().model_name == "gpt-5"


def test_without_anything_the_client_is_the_offline_one() -> None:
    assert isinstance(make_client(), OfflineClient)


def test_a_named_server_is_really_asked() -> None:
    with ScriptedServer(["ok"]) as server:
        client = make_client("vllm", {"model_name": "big", "base_url": server.base_url})
        assert (
            submit(client.acompletion(ModelRequest([{"role": "user", "content": "How many?"}]))).result(30).text == "ok"
        )
        submit(client.aclose()).result(10)
    assert server.requests[0].model == "big"


def test_another_package_brings_its_own_backend(tmp_path: Path) -> None:
    (tmp_path / "parrot.py").write_text(
        "class Parrot:\n    def __init__(self, model_name='polly'):\n        self.model_name = model_name\n"
    )
    information = tmp_path / "parrot-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: parrot\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(
        "[rlm_jupyter.clients]\nparrot = parrot:Parrot\nbroken = parrot:Macaw\n"
    )
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
from rlm_jupyter.clients.choice import choose, make_client
from rlm_jupyter.core.errors import ConfigurationError
choice = choose("parrot:grey", environ={{}})
print(make_client(choice.backend, choice.backend_kwargs).model_name, make_client("parrot").model_name)
try:
    make_client("broken")
except ConfigurationError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, timeout=60, capture_output=True, text=True)
    names, broken = done.stdout.splitlines()
    assert names == "grey polly"
    assert "'broken' (parrot:Macaw) cannot be loaded" in broken
