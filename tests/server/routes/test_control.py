"""Control over REST: what is refused before it reaches a kernel, and what a real kernel hears."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from jupyter_client.asynchronous.client import AsyncKernelClient
from recorded_runs import begun, recorded

from rlm_jupyter.trace.wire import ProposedCode, Steered

from .conftest import KERNEL, Rest

UNKNOWN = "00000000-0000-0000-0000-000000000000"


class Served:
    """A kernel that the server started, and a client of its own."""

    def __init__(self, rest: Rest, kernel_id: str, client: AsyncKernelClient) -> None:
        self.rest = rest
        self.kernel_id = kernel_id
        self.client = client

    async def ended(self, message_id: str) -> dict[str, Any]:
        """The reply to a cell."""
        while True:
            reply: dict[str, Any] = await self.client.get_shell_msg(timeout=60)
            if reply["parent_header"]["msg_id"] == message_id:
                content: dict[str, Any] = reply["content"]
                return content

    async def run(self, code: str) -> dict[str, Any]:
        """Run a cell to its end."""
        return await self.ended(self.client.execute(code))


async def until(look: Callable[[], Any], what: str) -> Any:
    """What ``look`` returns as soon as it is true."""
    deadline = time.monotonic() + 30
    while not (seen := look()):
        assert time.monotonic() < deadline, f"{what} did not come about"
        await asyncio.sleep(0.02)
    return seen


@pytest.fixture
def start(rest: Rest) -> Iterator[Callable[[], Any]]:
    """Starts a kernel, which ends with the test."""
    served: list[Served] = []

    async def start() -> Served:
        manager = rest.app.kernel_manager
        kernel_id = await manager.start_kernel(kernel_name="python3")
        client = AsyncKernelClient()
        client.load_connection_info(manager.get_kernel(kernel_id).get_connection_info())
        client.start_channels()
        await client.wait_for_ready(timeout=60)
        served.append(Served(rest, kernel_id, client))
        return served[-1]

    yield start
    for each in served:
        each.client.stop_channels()


async def test_there_is_nothing_to_steer_in_a_run_that_is_over_or_unknown(rest: Rest) -> None:
    over = rest.keep(recorded("Which colour has the lamp?"))
    for action in ("interrupt", "stop", "pause", "resume"):
        answer = await rest.ask("POST", f"runs/{over}/control", {"action": action})
        assert (answer.status, answer.json["reason"]) == (409, "Run is over")
    assert (await rest.ask("POST", f"runs/{'0' * 32}/control", {"action": "stop"})).status == 404


async def test_a_run_whose_kernel_is_gone_cannot_be_steered(rest: Rest) -> None:
    run_id = rest.keep(begun(recorded("Which colour has the lamp?")))
    for action in ("interrupt", "stop"):
        answer = await rest.ask("POST", f"runs/{run_id}/control", {"action": action})
        assert (answer.status, answer.json["reason"]) == (409, "Kernel is gone")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b'"stop"',
        b"\xff\xfe",
        b'{"action": NaN}',
        b"[" * 50_000,
        b'{"action": ' + b"[" * 20_000,
        b'{"action": "explode"}',
        b'{"action": ["stop"]}',
        b'{"action": "stop", "run_id": "1"}',
        b'{"action": "stop", "note": "why"}',
        b'{"action": "note"}',
        b'{"action": "note", "note": ""}',
        b'{"action": "note", "note": "  "}',
        b'{"action": "note", "note": 5}',
        b'{"action": "note", "note": "' + b"x" * 10_001 + b'"}',
        b'{"action": "decide"}',
        b'{"action": "decide", "decision": "approved"}',
        b'{"action": "decide", "decision": {"review_id": "r", "decision": "maybe"}}',
        b'{"action": "decide", "decision": {"review_id": "r", "decision": "edited"}}',
        b'{"action": "decide", "decision": {"review_id": "r", "decision": "approved", "code": "x"}}',
        b'{"action": "decide", "decision": {"review_id": 1, "decision": "approved"}}',
        b'{"action": "decide", "decision": {"review_id": "r", "decision": "approved", "\\ud800": 1}}',
        b'{"action": "interrupt", "\\ud800": 1}',
    ],
    ids=range(26),
)
async def test_what_is_no_action_is_refused_with_a_reason(rest: Rest, body: bytes) -> None:
    run_id = rest.keep(begun(recorded("Which colour has the lamp?")))
    answer = await rest.ask("POST", f"runs/{run_id}/control", body)
    assert answer.status == 400, answer.body
    assert len(answer.json["message"]) > 10


async def test_interrupting_a_run_interrupts_its_kernel(rest: Rest, start: Callable[[], Any]) -> None:
    kernel: Served = await start()
    run_id = rest.keep(begun(recorded("Which colour has the lamp?")), kernel=kernel.kernel_id)
    cell = kernel.client.execute("print('begun')\nwhile True: pass")
    while (await kernel.client.get_iopub_msg(timeout=60))["msg_type"] != "stream":
        pass
    answer = await rest.ask("POST", f"runs/{run_id}/control", {"action": "interrupt"})
    assert (answer.status, answer.json["when"]) == (202, "now")
    assert (await kernel.ended(cell))["ename"] == "KeyboardInterrupt"


async def test_a_kernel_without_the_extension_is_out_of_reach(rest: Rest, start: Callable[[], Any]) -> None:
    kernel: Served = await start()
    run_id = rest.keep(begun(recorded("Which colour has the lamp?")), kernel=kernel.kernel_id)
    for path, verb, body in [
        (f"runs/{run_id}/control", "POST", {"action": "stop"}),
        (f"kernels/{kernel.kernel_id}/reviewer", "PUT", None),
        (f"kernels/{kernel.kernel_id}/reviewer", "DELETE", None),
    ]:
        answer = await rest.ask(verb, path, body)
        assert (answer.status, answer.json["reason"]) == (409, "Kernel out of reach")
        assert "%" in answer.json["message"]
        assert "%%" not in answer.json["message"]


async def test_what_is_asked_reaches_a_kernel_that_loaded_the_extension(rest: Rest, start: Callable[[], Any]) -> None:
    kernel: Served = await start()
    assert (await kernel.run("%load_ext rlm_jupyter"))["status"] == "ok"
    await until(lambda: rest.services.link.reach(kernel.kernel_id), "the kernel's greeting")
    run_id = rest.keep(begun(recorded("Which colour has the lamp?")), kernel=kernel.kernel_id)
    decision = {"review_id": "r1", "decision": "edited", "code": "print(1)"}
    for body in (
        {"action": "pause"},
        {"action": "note", "note": "Mind the walrus. " * 500},
        {"action": "decide", "decision": decision},
        {"action": "resume"},
        {"action": "stop"},
    ):
        answer = await rest.ask("POST", f"runs/{run_id}/control", body)
        assert answer.status == 202, answer.body
        assert (answer.json["run_id"], answer.json["action"]) == (run_id, body["action"])
        assert (answer.json["when"] == "now") == (rest.services.link.reach(kernel.kernel_id) != "shell")
        assert (answer.json["note"] is None) == (answer.json["when"] == "now")


PRESENT = "assert get_ipython().magics_manager.registry['RLMMagics'].link.reviewer_present is %s"


async def test_a_kernel_hears_of_the_first_reviewer_and_of_the_end_of_the_last(
    rest: Rest, start: Callable[[], Any]
) -> None:
    kernel: Served = await start()
    link, reviewers = rest.services.link, rest.services.reviewers
    path = f"kernels/{kernel.kernel_id}/reviewer"
    await kernel.run("%load_ext rlm_jupyter")
    await until(lambda: link.reach(kernel.kernel_id), "the kernel's greeting")

    async def tell(verb: str, body: Any = None) -> Any:
        answer = await rest.ask(verb, path, body)
        assert answer.status == 200, answer.body
        assert answer.json["reach"] == link.reach(kernel.kernel_id)
        assert reviewers.present(kernel.kernel_id) is answer.json["present"]
        return answer.json

    first, second = {"reviewer_id": "one-1"}, {"reviewer_id": "two_2"}
    for body in (first, second, second, None):
        told = await tell("PUT", body)
        assert (told["present"], told["expires_in"]) == (True, 60)
        assert told["reviewer_id"] == (body or {"reviewer_id": "token"})["reviewer_id"]
    for body, present in ((first, True), (first, True), ({"reviewer_id": "nobody"}, True), (None, True)):
        told = await tell("DELETE", body)
        assert (told["present"], told["expires_in"]) == (present, None)
    await holds(kernel, present=True)
    assert (await tell("DELETE", second))["present"] is False
    await holds(kernel, present=False)

    await tell("PUT", first)
    for again in ("%reload_ext rlm_jupyter", "%unload_ext rlm_jupyter\n%load_ext rlm_jupyter"):
        assert (await kernel.run(again))["status"] == "ok"
        await holds(kernel, present=True)
    reviewers.lifetime = 0.05
    await tell("PUT", first)
    await until(lambda: not reviewers.present(kernel.kernel_id), "the reviewer's end")
    await holds(kernel, present=False)


async def test_a_kernel_that_is_restarted_hears_of_its_reviewer(rest: Rest, start: Callable[[], Any]) -> None:
    kernel: Served = await start()
    path = f"kernels/{kernel.kernel_id}/reviewer"
    await kernel.run("%load_ext rlm_jupyter")
    await until(lambda: rest.services.link.reach(kernel.kernel_id), "the kernel's greeting")
    assert (await rest.ask("PUT", path)).status == 200
    manager: Any = rest.app.kernel_manager
    await manager.restart_kernel(kernel.kernel_id)
    await kernel.client.wait_for_ready(timeout=60)
    await until(lambda: rest.services.link.reach(kernel.kernel_id) is None, "the end of the kernel's process")
    assert (await rest.ask("PUT", path)).status == 409
    await kernel.run("%load_ext rlm_jupyter")
    await holds(kernel, present=True)


async def holds(kernel: Served, *, present: bool) -> None:
    """Wait until the kernel knows whether a reviewer is there."""
    deadline = time.monotonic() + 30
    while (await kernel.run(PRESENT % present))["status"] != "ok":
        assert time.monotonic() < deadline, f"the kernel does not know that it is {present}"


@pytest.mark.parametrize(
    "wrong", [{"reviewer": "x"}, {"reviewer_id": ""}, {"reviewer_id": 1}, {"reviewer_id": "a b"}, []]
)
async def test_what_is_no_reviewer_is_refused(rest: Rest, wrong: Any) -> None:
    for verb in ("PUT", "DELETE"):
        assert (await rest.ask(verb, f"kernels/{UNKNOWN}/reviewer", wrong)).status == 400


async def test_how_a_run_is_steered_is_told_with_it(rest: Rest) -> None:
    events = recorded("Which colour has the lamp?")
    run_id = rest.keep(begun(events))
    assert (await rest.get(f"runs/{run_id}"))["steered"] is None
    code = ProposedCode(review_id="r1", code="print('lamp')", iteration=2, index=1)
    rest.services.changes.steered(KERNEL, Steered(run_id=run_id, paused=True, notes=2, review=code))
    assert (await rest.get(f"runs/{run_id}"))["steered"] == {
        "paused": True,
        "stopping": False,
        "notes": 2,
        "review": {"review_id": "r1", "code": "print('lamp')", "iteration": 2, "index": 1},
    }
    rest.keep(events)
    assert (await rest.get(f"runs/{run_id}"))["steered"] is None


async def test_a_decision_about_a_block_that_no_longer_waits_is_refused(rest: Rest, start: Callable[[], Any]) -> None:
    kernel: Served = await start()
    run_id = rest.keep(begun(recorded("Which colour has the lamp?")), kernel=kernel.kernel_id)
    code = ProposedCode(review_id="r2", code="print('lamp')", iteration=2, index=1)
    rest.services.changes.steered(kernel.kernel_id, Steered(run_id=run_id, review=code))
    body = {"action": "decide", "decision": {"review_id": "r1", "decision": "approved"}}
    answer = await rest.ask("POST", f"runs/{run_id}/control", body)
    assert (answer.status, answer.json["reason"]) == (409, "Another block waits")


async def test_only_kernels_that_the_server_cannot_hear_are_relayed(rest: Rest, start: Callable[[], Any]) -> None:
    kernel: Served = await start()
    await until(lambda: rest.services.tap.hears(kernel.kernel_id), "the kernel's being heard")
    answer = await rest.ask("POST", f"kernels/{kernel.kernel_id}/messages", {"messages": []})
    assert (answer.status, answer.json["reason"]) == (409, "Kernel is heard")
    assert (await rest.ask("POST", f"kernels/{UNKNOWN}/messages", {"messages": []})).status == 404
    for verb in ("PUT", "DELETE"):
        assert (await rest.ask(verb, f"kernels/{UNKNOWN}/reviewer")).status == 404
    several: list[Any] = [{}, {"messages": None}, {"messages": [1]}, {"messages": [{}] * 201}, [], "x"]
    for wrong in several:
        answer = await rest.ask("POST", f"kernels/{kernel.kernel_id}/messages", wrong)
        assert answer.status == 400, wrong
    deep = b'{"messages": [' + b'{"a": ' * 50_000
    assert (await rest.ask("POST", f"kernels/{kernel.kernel_id}/messages", deep)).status == 400
