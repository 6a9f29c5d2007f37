"""Which key goes to which server, and what is kept secret."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from network_client import KEY, Connect, ask, refused
from scripted_server import Reply, ScriptedServer

from rlm_jupyter.clients.io_thread import submit
from rlm_jupyter.clients.openai import OpenAIClient
from rlm_jupyter.core.errors import ConfigurationError


@pytest.mark.parametrize(
    ("environ", "options", "sent"),
    [
        ({}, {}, "Bearer none"),
        ({"OPENAI_API_KEY": KEY, "OPENROUTER_API_KEY": KEY}, {}, "Bearer none"),
        ({"RLM_JUPYTER_API_KEY": "sk-mine"}, {}, "Bearer sk-mine"),
        ({"RLM_JUPYTER_API_KEY": "sk-mine"}, {"api_key": "sk-given\n"}, "Bearer sk-given"),
        ({"RLM_JUPYTER_API_KEY": "sk-mine"}, {"default_headers": {"authorization": "Token t"}}, "Token t"),
    ],
    ids=["none", "not-for-strangers", "own", "argument", "header"],
)
def test_a_key_goes_to_the_server_that_it_is_for(
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    environ: dict[str, str],
    options: dict[str, Any],
    sent: str,
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with ScriptedServer(["ok"]) as server:
        ask(connect(server, **options))
    assert server.requests[0].headers["Authorization"] == sent


def test_what_the_environment_holds_for_openai_stays_from_others(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ORG_ID", "PROJECT_ID", "ADMIN_KEY"):
        monkeypatch.setenv(f"OPENAI_{name}", "sk-private")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Gate: sk-private\nAuthorization: sk-private\nX-Mine: sk-private")
    with ScriptedServer(["ok"]) as server:
        ask(connect(server, organization="given", default_headers={"X-Mine": "given"}))
    headers = server.requests[0].headers
    assert "sk-private" not in headers.values()
    assert (headers["OpenAI-Organization"], headers["X-Mine"]) == ("given", "given")


def test_credentials_in_the_address_are_sent_as_a_header_and_shown_nowhere() -> None:
    with ScriptedServer([Reply("ok"), Reply("no model for ada:p@ss", status=404)]) as server:
        client = OpenAIClient("small", base_url=server.base_url.replace("//", "//ada:p%40ss@"))
        ask(client)
        error = refused(client)
    login = base64.b64encode(b"ada:p@ss").decode()
    assert server.requests[0].headers["Authorization"] == f"Basic {login}"
    assert {"ada", "p@ss", login} <= set(client.secrets)
    assert client.base_url == server.base_url
    assert "ada" not in str(error)
    assert "p@ss" not in str(error)
    submit(client.aclose()).result(10)


@pytest.mark.parametrize(
    ("base_url", "variable"),
    [
        (None, "OPENAI_API_KEY"),
        ("https://eu.api.openai.com/v1", "OPENAI_API_KEY"),
        ("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    ],
)
def test_a_provider_gets_its_own_key_and_no_other(
    monkeypatch: pytest.MonkeyPatch, base_url: str | None, variable: str
) -> None:
    for name in ("OPENAI_API_KEY", "OPENROUTER_API_KEY", "RLM_JUPYTER_API_KEY"):
        monkeypatch.setenv(name, f"the-{name}")
    assert f"the-{variable}" in OpenAIClient("small", base_url=base_url).secrets
    monkeypatch.delenv(variable)
    with pytest.raises(ConfigurationError) as caught:
        OpenAIClient("small", base_url=base_url)
    for way_out in (f"set {variable} or pass api_key", "base_url=", 'backend="offline"'):
        assert way_out in str(caught.value)


@pytest.mark.parametrize("base_url", ["https://api.openai.com.evil.example/v1", "http://api.openai.com/v1"])
def test_a_key_is_neither_sent_to_a_look_alike_nor_in_the_open(monkeypatch: pytest.MonkeyPatch, base_url: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert OpenAIClient("small", base_url=base_url).secrets == ()


def test_the_address_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer(["ok"]) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        client = OpenAIClient("small")
        assert ask(client).text == "ok"
        submit(client.aclose()).result(10)


def test_secrets_are_the_key_and_what_looks_like_one(connect: Connect) -> None:
    headers = {"X-Api-Key": "in-a-header", "Cookie": "session in-a-cookie", "X-Title": "my notebook"}
    query = {"api-version": "2024-10", "access_token": "in-the-query"}
    with ScriptedServer(["ok"]) as server:
        client = connect(server, api_key=KEY, default_headers=headers, default_query=query)
        ask(client)
    assert {KEY, "in-a-header", "in-a-cookie", "in-the-query"} <= set(client.secrets)
    assert not {"my notebook", "notebook", "2024-10"} & set(client.secrets)
    assert server.requests[0].headers["X-Title"] == "my notebook"
    assert "api-version=2024-10" in server.requests[0].path
    assert KEY not in repr(client)


def test_openais_key_goes_with_openais_variable_for_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer(lambda request: request.headers["Authorization"]) as server:
        monkeypatch.setenv("OPENAI_API_KEY", "a-gateways-key")
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        assert ask(OpenAIClient("m")).text == "Bearer a-gateways-key"
        assert ask(OpenAIClient("m", base_url=server.base_url)).text == "Bearer none"
