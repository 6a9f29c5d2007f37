"""List prices: known for the servers and models of providers, unknown for all else, and never 0 where unknown."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from scripted_server import Reply, ScriptedServer

from rlm_jupyter import RLM
from rlm_jupyter.clients.prices import cost_of
from rlm_jupyter.core.usage import Usage

OPENAI = "https://api.openai.com/v1"
USED = Usage(1_000_000, 100_000, 400_000)


def cost(url: str, model: str, usage: Usage = USED, provider: str | None = None) -> float | None:
    return asyncio.run(cost_of(url, provider, model, usage))


@pytest.mark.parametrize(
    ("url", "model"),
    [
        (OPENAI, "gpt-4o-2024-11-20"),
        ("https://some-resource.openai.azure.com/openai/v1", "gpt-4o-2024-11-20"),
    ],
)
def test_cached_input_costs_what_it_is_listed_at(url: str, model: str) -> None:
    assert cost(url, model) == pytest.approx(0.6 * 2.50 + 0.4 * 1.25 + 0.1 * 10.00)
    assert cost(url, model, Usage(1_000_000, 100_000)) == pytest.approx(2.50 + 0.1 * 10.00)


def test_a_price_that_rises_with_the_prompt_is_that_of_its_length() -> None:
    google = "https://generativelanguage.googleapis.com/v1beta/openai"
    short, long = (cost(google, "gemini-2.5-pro", Usage(tokens, 0)) for tokens in (100_000, 300_000))
    assert short is not None
    assert long == pytest.approx(6 * short)


@pytest.mark.parametrize(
    ("url", "model"),
    [
        (OPENAI, "a-model-that-nobody-has"),
        (OPENAI, "text-embedding-3-small"),  # it has no price for output
        ("https://models.some-company.com/v1", "gpt-4o"),
        ("http://localhost:11434/v1", "gpt-4o"),
        ("http://127.0.0.1:8000/v1", "gpt-4o"),
        ("http://192.168.1.7:8000/v1", "gpt-4o"),
        ("http://gpu-box.local:8000/v1", "gpt-4o"),
        ("http://vllm:8000/v1", "gpt-4o"),
    ],
)
def test_what_nobody_lists_is_unknown(url: str, model: str) -> None:
    assert cost(url, model) is None


def test_a_reply_without_a_count_has_no_price() -> None:
    assert cost(OPENAI, "gpt-4o", Usage()) is None
    assert cost(OPENAI, "gpt-4o", Usage(input_tokens=10)) is None


def test_a_provider_can_be_named_whose_prices_hold() -> None:
    assert cost("http://gateway.internal/v1", "gpt-4o", provider="openai") == cost(OPENAI, "gpt-4o")
    assert cost("http://gateway.internal/v1", "gpt-4o", provider="nobody") is None


def test_a_local_server_is_priced_only_where_a_provider_is_named_and_the_servers_own_word_counts_first() -> None:
    told = {"prompt_tokens": 1_000_000, "completion_tokens": 0, "total_tokens": 1_000_000}
    replies = [Reply("a", usage=told), Reply("b", usage=told), Reply("c", usage={**told, "cost": 7.0})]
    with ScriptedServer(replies) as server:
        options = {"model_name": "gpt-4o", "base_url": server.base_url}
        with RLM("openai", options, max_depth=0) as rlm:
            assert rlm.completion("x").usage_summary.total_cost is None
        with RLM("openai", {**options, "price_provider": "openai"}, max_depth=0) as rlm:
            assert rlm.completion("x").usage_summary.total_cost == pytest.approx(2.50)
            assert rlm.completion("x").usage_summary.total_cost == pytest.approx(7.0)


def test_a_local_server_does_not_read_the_lists() -> None:
    script = (
        "import asyncio, sys\n"
        "from rlm_jupyter.clients.prices import cost_of, prepare\n"
        "from rlm_jupyter.core.usage import Usage\n"
        "prepare('http://localhost:1/v1')\n"
        "assert asyncio.run(cost_of('http://localhost:1/v1', None, 'gpt-4o', Usage(1, 1))) is None\n"
        "assert 'genai_prices' not in sys.modules\n"
        "assert asyncio.run(cost_of('https://api.openai.com/v1', None, 'gpt-4o', Usage(1, 1)))\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_an_error_in_the_lists_costs_no_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        msg = "the list is odd"
        raise RuntimeError(msg)

    monkeypatch.setattr("genai_prices.data_snapshot.DataSnapshot.find_provider_model", broken)
    assert cost("https://api.openai.com/v1", "a-model-that-nobody-asked-for") is None
