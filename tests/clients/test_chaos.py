"""A thousand sub-calls to a server that refuses, drops, stalls and dies: nothing is lost, and none of it too much."""

from __future__ import annotations

import threading

from scripted_server import ChatRequest, Reply, ScriptedServer
from scripts import code, is_root

from rlm_jupyter import RLM, RLMChatCompletion

_AWAY = 3.0  # seconds, for which the server is gone


def batch_of(calls: int) -> str:
    """A root model's reply that asks so many at once, and answers how many came back in their places."""
    return code(
        f"replies = llm_query_batched([f'prompt {{n}}' for n in range({calls})])",
        f"answer['content'] = str(sum(replies[n] == f'reply to prompt {{n}}' for n in range({calls})))",
        "answer['ready'] = True",
    )


def completed(base_url: str, timeout: float = 60.0) -> RLMChatCompletion:
    backend = {"model_name": "small", "base_url": base_url, "timeout": timeout}
    with RLM(backend_kwargs=backend, max_iterations=1, max_concurrent_subcalls=16) as rlm:
        return rlm.completion("How many come back?")


def test_every_answer_comes_from_a_server_that_refuses_drops_and_stalls() -> None:
    def script(request: ChatRequest) -> Reply | str:
        if is_root(request):
            return batch_of(1000)
        if request.number % 5 == 0:
            return Reply("slow down", status=429, headers={"Retry-After": "0.2"})
        if request.number % 100 == 53:
            return Reply("never", delay=60)
        return Reply(f"reply to {request.prompt}", delay=0.02, cut_after=0 if request.number % 50 == 7 else None)

    with ScriptedServer(script) as server:
        result = completed(server.base_url, timeout=4.0)
        assert result.response == "1000"
        assert server.max_in_flight <= 16
        assert result.usage_summary.total_calls == len(server.requests)


def test_a_server_that_takes_four_at_a_time_is_soon_sent_hardly_more() -> None:
    refused: list[int] = []

    def script(request: ChatRequest) -> Reply | str:
        if is_root(request):
            return batch_of(400)
        if server.in_flight > 4:
            refused.append(request.number)
            return Reply("one at a time, please", status=429, headers={"Retry-After": "0.05"}, delay=0.02)
        return Reply(f"reply to {request.prompt}", delay=0.02)

    with ScriptedServer(script) as server:
        assert completed(server.base_url).response == "400"
        assert len(refused) < 700  # some 330; without a bound 1,250


def test_nothing_is_lost_when_the_server_dies_in_the_middle_of_a_batch_and_comes_back() -> None:
    dying = threading.Event()

    def before(request: ChatRequest) -> Reply | str:
        if is_root(request):
            return batch_of(200)
        if request.number > 100:
            dying.set()
        return Reply(f"reply to {request.prompt}", delay=60 if request.number > 100 else 0)

    with ScriptedServer(before) as first:
        second = ScriptedServer(lambda request: f"reply to {request.prompt}", port=first.port)

        def die_and_come_back() -> None:
            dying.wait(60)
            first.close()
            threading.Event().wait(_AWAY)
            second.__enter__()

        fate = threading.Thread(target=die_and_come_back, daemon=True)
        fate.start()
        try:
            assert completed(first.base_url).response == "200"
        finally:
            fate.join(60)
            second.close()
    assert first.max_in_flight <= 16
    assert second.max_in_flight <= 16
