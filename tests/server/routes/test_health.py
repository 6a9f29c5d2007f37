"""Health over REST: figures, and what is wrong when something is."""

from __future__ import annotations

import json

from recorded_runs import recorded

from .conftest import Rest


async def test_health_tells_figures_and_no_path_of_the_machine(rest: Rest) -> None:
    rest.keep(recorded("Which colour has the lamp?"))
    health = await rest.get("health")
    assert health["status"] == "ok"
    assert (health["store"]["runs"], health["kernels"]["heard"], health["loop"]["ok"]) == (1, 0, True)
    told = json.dumps(health)
    assert rest.app.root_dir not in told
    assert str(rest.services.store.path.parent) not in told


async def test_a_store_that_cannot_be_read_is_said_so_and_is_nobodys_request_at_fault(rest: Rest) -> None:
    run_id = rest.keep(recorded("Which colour has the lamp?"))
    rest.services.store.close()
    for verb, path in [("GET", "runs"), ("GET", f"runs/{run_id}/spans"), ("DELETE", f"runs/{run_id}")]:
        answer = await rest.ask(verb, path)
        assert answer.status == 503
        assert "log" in answer.json["message"]
    health = await rest.get("health")
    assert health["status"] == "impaired"
    assert "log" in health["store"]["problem"]


async def test_until_the_extension_has_started_it_asks_for_patience(starting: Rest) -> None:
    for path in ("health", "runs", f"runs/{'0' * 32}", "sessions", "search?q=lamp"):
        answer = await starting.ask("GET", path)
        assert (answer.status, answer.json["reason"]) == (503, "Starting")
    assert (await starting.ask("GET", "runs", headers={})).status == 403
    assert (await starting.ask("GET", "openapi.json")).status == 200


async def test_a_query_that_cannot_be_decoded_is_answered(rest: Rest) -> None:
    assert (await rest.ask("GET", "health?no_track_activity=%FF")).status == 200
    assert (await rest.ask("GET", "runs?limit=%FF&no_track_activity=%FF")).status == 400
