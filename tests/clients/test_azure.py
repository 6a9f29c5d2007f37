"""OpenAI's models on Azure: their addresses, versions and credentials."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from network_client import AT_ONCE, KEY, ask, refused
from scripted_server import Reply, ScriptedServer

from rlm_jupyter import RLM
from rlm_jupyter.clients.azure import AzureClient
from rlm_jupyter.clients.choice import make_client
from rlm_jupyter.clients.io_thread import submit
from rlm_jupyter.core.errors import ClientError, ConfigurationError

VERSION = "2024-10-21"


@pytest.fixture
def connect() -> Iterator[Callable[..., AzureClient]]:
    clients: list[AzureClient] = []

    def make(server: ScriptedServer, model_name: str | None = "small", **options: Any) -> AzureClient:
        address = server.base_url.removesuffix("/v1")
        clients.append(AzureClient(model_name, azure_endpoint=address, **{"api_version": VERSION, **options}))
        return clients[-1]

    yield make
    for client in clients:
        submit(client.aclose()).result(10)


def test_a_deployment_is_asked_at_its_address_with_the_key(connect: Callable[..., AzureClient]) -> None:
    with ScriptedServer(lambda _: Reply("ok", message={"reasoning_content": "Hm."})) as server:
        client = connect(server, api_key=KEY)
        reply = ask(client, on_text=lambda _: None)
        ask(client, model="large")
        ask(client)
    assert (reply.text, reply.reasoning) == ("ok", "Hm.")
    small, large = (f"/openai/deployments/{name}/chat/completions?api-version={VERSION}" for name in ("small", "large"))
    assert [request.path for request in server.requests] == [small, large, small]
    assert {request.headers["api-key"] for request in server.requests} == {KEY}
    assert not any("Authorization" in request.headers for request in server.requests)
    assert KEY in client.secrets
    assert len({request.connection for request in server.requests}) == 1


def test_the_address_may_be_given_as_for_any_other_server() -> None:
    with ScriptedServer(lambda _: "FINAL(ok)") as server:
        address = server.base_url.removesuffix("/v1")
        options = {"model_name": "small", "base_url": f"{address}/", "api_key": KEY, "api_version": VERSION}
        with RLM("azure", options) as rlm:
            assert rlm.completion("Is it there?").response == "ok"
    assert server.requests[0].path.startswith("/openai/deployments/small/chat/completions?")


def test_a_deployment_may_have_another_name_than_its_model(connect: Callable[..., AzureClient]) -> None:
    with ScriptedServer(lambda _: "ok") as server:
        ask(connect(server, azure_deployment="mine", api_key=KEY))
        ask(connect(server, None, azure_deployment="mine", api_key=KEY))
    assert {request.path.partition("?")[0] for request in server.requests} == {
        "/openai/deployments/mine/chat/completions"
    }
    assert [request.model for request in server.requests] == ["small", "mine"]


def test_a_token_is_sent_as_such(connect: Callable[..., AzureClient]) -> None:
    with ScriptedServer(lambda _: "ok") as server:
        client = connect(server, azure_ad_token="a-token")
        ask(client)
    assert server.requests[0].headers["Authorization"] == "Bearer a-token"
    assert "api-key" not in server.requests[0].headers
    assert "a-token" in client.secrets


@pytest.mark.parametrize("is_async", [False, True], ids=["function", "coroutine"])
def test_a_token_that_changes_is_asked_for_with_every_request_and_kept_secret(
    connect: Callable[..., AzureClient], is_async: bool
) -> None:
    given: list[str] = []

    def provide() -> str:
        given.append(f"token-{len(given)}")
        return given[-1]

    async def provide_later() -> str:
        return provide()

    refusal = Reply("bad token-2", status=401)
    with ScriptedServer([Reply("ok"), Reply("busy", status=429, headers=AT_ONCE), refusal]) as server:
        client = connect(server, azure_ad_token_provider=provide_later if is_async else provide)
        ask(client)
        assert "bad [redacted]." in str(refused(client))
    sent = [request.headers["Authorization"] for request in server.requests]
    assert sent == ["Bearer token-0", "Bearer token-1", "Bearer token-2"]
    assert set(given) <= set(client.secrets)


def test_a_provider_that_fails_is_named(connect: Callable[..., AzureClient]) -> None:
    def fail() -> str:
        msg = "log in first"
        raise OSError(msg)

    with ScriptedServer([]) as server:
        with pytest.raises(ClientError, match=r"azure_ad_token_provider gave no token for .*'log in first'"):
            ask(connect(server, azure_ad_token_provider=fail))
        with pytest.raises(ConfigurationError, match="must return a token, not a NoneType"):
            ask(connect(server, azure_ad_token_provider=lambda: None))


def test_the_environment_says_where_and_how(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer(lambda _: "FINAL(ok)") as server:
        monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", server.base_url.removesuffix("/v1"))
        monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_API_VERSION", VERSION)
        monkeypatch.setenv("OPENAI_ORG_ID", "not-for-azure")
        monkeypatch.setenv("OPENAI_API_KEY", "not-for-azure")
        monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Gate: not-for-azure")
        with RLM("azure", {"model_name": "small"}) as rlm:
            assert rlm.completion("Is it there?").response == "ok"
    assert server.requests[0].headers["api-key"] == KEY
    assert "not-for-azure" not in server.requests[0].headers.values()


@pytest.mark.parametrize("name", ["AZURE_OPENAI_API_KEY", "AZURE_OPENAI_AD_TOKEN", "OPENAI_API_KEY"])
def test_the_environments_key_is_for_the_environments_address(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://mine.openai.azure.com")
    monkeypatch.setenv(name, KEY)
    elsewhere: dict[str, Any] = {"azure_endpoint": "https://other.openai.azure.com", "api_version": VERSION}
    with pytest.raises(ConfigurationError, match="is for AZURE_OPENAI_ENDPOINT only"):
        AzureClient("small", **elsewhere)
    monkeypatch.setenv("RLM_JUPYTER_API_KEY", "my-own")
    assert "my-own" in AzureClient("small", **elsewhere).secrets


def test_all_that_is_missing_is_said_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_client("azure")
    said = ("needs the name of a deployment", "set AZURE_OPENAI_ENDPOINT", "set OPENAI_API_VERSION", "no credential")
    assert all(each in str(caught.value) for each in said)


def test_a_deployment_that_is_not_there_is_told_in_azures_words(connect: Callable[..., AzureClient]) -> None:
    with ScriptedServer([Reply("DeploymentNotFound", status=404)]) as server:
        said = str(refused(connect(server, api_key=KEY)))
    assert "a deployment has the name that is asked for (azure_deployment, else the model's: 'small')" in said
    assert "/v1" not in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"model_name": None}, "needs the name of a deployment"),
        ({"api_version": None}, "set OPENAI_API_VERSION"),
        ({"azure_endpoint": None}, "set AZURE_OPENAI_ENDPOINT"),
        ({"azure_endpoint": "mine"}, "is not the address of a server"),
        ({"azure_endpoint": "https://ada:pw@host"}, "has no credentials in its address"),
        ({"azure_ad_token": "token"}, "There are two credentials"),
        ({"api_key": None}, "There is no credential"),
        ({"api_key": "two words"}, "copy it again"),
        ({"api_key": None, "azure_ad_token_provider": "token"}, "must be a function"),
        ({"organisation": "mine"}, "has no option organisation"),
    ],
)
def test_arguments_that_cannot_be_used_are_refused_at_once(options: dict[str, Any], said: str) -> None:
    given = {"model_name": "small", "azure_endpoint": "https://host", "api_version": VERSION, "api_key": KEY, **options}
    with pytest.raises(ConfigurationError, match=said) as caught:
        make_client("azure", given)
    assert KEY not in str(caught.value)
