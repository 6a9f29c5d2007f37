"""The relay over REST: what has no room, or is not read in time, is no success."""

from __future__ import annotations

from .conftest import Rest


async def test_who_relays_more_than_there_is_room_for_is_told_so(rest: Rest) -> None:
    kernel_id = await rest.app.kernel_manager.start_kernel(kernel_name="python3")
    path = f"kernels/{kernel_id}/messages"
    services = rest.services
    await services.tap.stop()  # as if it were a gateway's, which the server cannot hear
    services.intake._worker.sources.pop(kernel_id, None)
    assert (await rest.ask("POST", path, {"messages": [{}]})).status == 200
    services.intake._inbox.close()  # it has no room any more
    answer = await rest.ask("POST", path, {"messages": [{}]})
    assert (answer.status, answer.json["reason"]) == (429, "Busy")
