"""What the client is made with, and what goes to the API, as the defaults of the magics say it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from live_kernel import LiveKernel
from scripted_server import Reply, ScriptedServer
from scripts import code, is_root, says
from stage import Stage


@pytest.fixture
def notebook(stage: Stage) -> Iterator[Stage]:
    """The stage, whose settings of this module are taken back."""
    stage.script = says(code("llm_query('a')"), "FINAL(x)")
    yield stage
    for name, value in (("backend_kwargs", {}), ("sampling_args", {}), ("model", None), ("base_url", None)):
        stage.kernel.ok(f"%config RLMMagics.{name} = {value!r}")


def configure(stage: Stage, value: str) -> None:
    stage.kernel.ok(f"%config RLMMagics.backend_kwargs = {value}")


def test_sampling_goes_below_too_unless_it_is_said_otherwise(notebook: Stage) -> None:
    notebook.kernel.ok("%config RLMMagics.sampling_args = dict(temperature=0.25)")
    notebook.kernel.ok("%rlm Go.")
    told = {is_root(request): request.body.get("temperature") for request in notebook.server.requests}
    assert told == {True: 0.25, False: 0.25}


def test_the_client_is_made_with_what_is_configured(notebook: Stage) -> None:
    headers = "default_headers={'X-Team': 'blue'}"
    configure(notebook, f"dict(max_retries=0, {headers})")
    notebook.kernel.ok("%rlm --sub-model small Go.")
    assert [request.headers.get("X-Team") for request in notebook.server.requests] == ["blue"] * 3
    notebook.server.requests.clear()
    notebook.script = says(Reply("down", status=503))
    assert notebook.kernel.run("%rlm Go on.").status == "error"
    assert len(notebook.server.requests) == 1


def test_a_price_list_can_be_named(notebook: Stage) -> None:
    configure(notebook, "dict(price_provider='openai')")
    notebook.kernel.ok("%rlm --model gpt-4o-mini --out r Go.")
    assert notebook.kernel.value("r.usage_summary.total_cost") > 0


def test_a_key_goes_to_no_other_server(notebook: Stage) -> None:
    configure(notebook, "dict(api_key='hidden-4711', default_headers={'X-Team': 'blue'})")
    with ScriptedServer(says("FINAL(elsewhere)")) as other:
        for options in (f"--base-url {other.base_url}", f"--backend vllm --base-url {other.base_url} --model m"):
            executed = notebook.kernel.ok(f"%rlm {options} Go.")
            told = executed.of("update_display_data")[-1]["content"]["data"]["text/plain"]
            assert "RLMMagics.backend_kwargs is left out: it is for openai, and " in told
            assert f"at 127.0.0.1:{other.port} is asked" in told
        notebook.kernel.ok("%rlm Go.")
        assert all("hidden" not in str(request.headers) + str(request.body) for request in other.requests)
        assert not any("X-Team" in request.headers for request in other.requests)
        assert len(other.requests) == 2
    assert {request.headers["Authorization"] for request in notebook.server.requests} == {"Bearer hidden-4711"}


def test_a_key_alone_is_openais(notebook: Stage) -> None:
    with LiveKernel({"OPENAI_BASE_URL": notebook.server.base_url}) as kernel:
        assert "offline extractor" in kernel.ok("%rlm models").text
        kernel.ok("%config RLMMagics.backend_kwargs = dict(api_key='hidden-4711')")
        assert kernel.ok("%rlm Go.").result["text/plain"] == "x"
    assert {request.headers["Authorization"] for request in notebook.server.requests} == {"Bearer hidden-4711"}


def test_a_sub_model_of_azures_is_another_deployment(notebook: Stage) -> None:
    address = notebook.server.base_url.removesuffix("/v1")
    kwargs = f"azure_endpoint={address!r}, api_version='2024-10-21', api_key='k-4711', azure_deployment='mine'"
    notebook.kernel.ok("%config RLMMagics.model = 'azure:big'")
    configure(notebook, f"dict({kwargs})")
    notebook.kernel.ok("%rlm --sub-model small Go.")
    paths = [request.path.partition("/deployments/")[2].partition("/")[0] for request in notebook.server.requests]
    assert paths == ["mine", "small", "mine"]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("dict(model_name='m')", "leave model_name out of it, RLMMagics.model says it"),
        ("dict(base_url='http://x')", "leave base_url out of it, RLMMagics.base_url says it"),
        ("dict(sampling_args={})", "leave sampling_args out of it, RLMMagics.sampling_args says it"),
        ("dict(colour='red')", "colour"),
    ],
)
def test_what_it_cannot_be_made_with_is_said_before_anything_is_asked(notebook: Stage, value: str, told: str) -> None:
    configure(notebook, value)
    executed = notebook.kernel.run("%rlm Go.")
    assert executed.status == "error"
    assert told in executed.traceback + executed.text + str(executed.of("stream"))
    assert not notebook.server.requests


def test_what_is_said_of_it_holds_no_key(notebook: Stage) -> None:
    configure(notebook, "dict(timeout=61, default_headers={'X-Api-Key': 'correct-horse-battery'})")
    notebook.script = says("FINAL(x)")
    for command in ("%rlm config", "%rlm --out here Go.", "%rlm --model offline --out elsewhere Go.", "%rlm trace"):
        executed = notebook.kernel.ok(command)
        assert "correct-horse-battery" not in str(executed.messages[1:])
    assert "'timeout': 61" in notebook.kernel.ok("%rlm config").text
    kept = notebook.kernel.value("[r.trace.to_jsonl() for r in (here, elsewhere)]")
    for trace in kept:
        assert "correct-horse-battery" not in trace
        assert '"timeout":61' in trace


def test_a_model_below_that_cannot_be_asked_is_named_as_such(notebook: Stage) -> None:
    error = notebook.kernel.run("%rlm --sub-model azure:small Go.").error
    assert error.startswith("ConfigurationError: The model for calls below the root (--sub-model, other_backends)")
    assert not notebook.server.requests
