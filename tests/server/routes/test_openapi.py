"""The OpenAPI document: it is complete, and the running server does as it says, whoever asks whatever."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from itertools import cycle
from typing import Any, TypeAlias

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from jsonschema import Draft202012Validator
from live_server import LiveServer, ServedKernel
from recorded_runs import begun, conversation
from schemathesis.specs.openapi.schemas import OpenApiSchema

import rlm_jupyter
from rlm_jupyter.server.routes.openapi import openapi_document
from rlm_jupyter.server.store import Store
from rlm_jupyter.trace.artifacts.formats import FORMATS
from rlm_jupyter.trace.artifacts.shapes import LiveBundle, RunBundle
from rlm_jupyter.trace.schema import Blob, SpanStart, event_adapter

from .conftest import KERNEL, Rest

FUZZ = os.environ.get("RLM_JUPYTER_FUZZ")
"""How many requests are made up for each verb of each path; without it a few, and each time the same ones."""

COPIES = 100
"""How often the runs are there, under other ids: some are deleted meanwhile."""

Case: TypeAlias = "schemathesis.Case[Any]"

bounded = settings(
    max_examples=int(FUZZ or 12),
    deadline=None,
    derandomize=FUZZ is None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


class Site:
    """A server with runs of two notebooks, one of them under way in a real kernel."""

    def __init__(self, server: LiveServer, kernel: ServedKernel) -> None:
        self.server = server
        self.kernel = kernel
        self._names = {name: cycle(values) for name, values in self.fill().items()}
        self._turns = cycle([True, True, False])

    @property
    def header(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.server.token}"}

    def fill(self) -> dict[str, list[str]]:
        """Put runs into the store, which several processes may do, and return what is in it by parameters' names."""
        store = Store(self.server.store)
        notebook = store.notebook("shelf.ipynb")
        runs = list(conversation("Which colour has the lamp?", "And the door?").values())
        (under_way,) = conversation("Who lives in the bath?").values()
        store.take(self.kernel.kernel_id, notebook, begun(under_way))
        ids = [under_way[0].run_id]
        for number in range(COPIES):
            for events in runs:
                ids.append(f"{number:08x}{events[0].run_id[8:]}")
                store.take(KERNEL, notebook, [event.model_copy(update={"run_id": ids[-1]}) for event in events])
        start = runs[0][0]
        assert isinstance(start, SpanStart)
        store.close()
        return {
            "run_id": ids,
            "session_id": [start.payload.session_id or ""],  # type: ignore[union-attr]
            "digest": [event.digest for event in runs[0] if isinstance(event, Blob)],
            "kernel_id": [self.kernel.kernel_id],
            "format": list(FORMATS),
        }

    def name(self, case: Case) -> None:
        """Have two of three requests be about something that there is, but for those that are to be refused."""
        if case.meta is not None and case.meta.generation.mode.is_positive and next(self._turns):
            for name in set(case.path_parameters) & set(self._names):
                case.path_parameters[name] = next(self._names[name])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with LiveServer(tmp_path_factory.mktemp("site"), base_url="/user/ada/") as server:
        yield Site(server, server.notebook("shelf.ipynb"))


def described(*, thorough: bool) -> OpenApiSchema:
    """Return what is tried out; ``thorough`` adds what each word of the document gives rise to, such as every limit."""
    # Jupyter says 403 where nobody is logged in, and ignores parameters that it does not know (``no_track_activity``).
    refused = {"expected-statuses": [400, 401, 403, 404, 405, 409, 413]}
    checks = {"missing_required_header": {"enabled": False}, "negative_data_rejection": refused}
    generation = {"allow-extra-parameters": False, "with-security-parameters": False}
    phases = {"coverage": {"enabled": thorough}}
    config = schemathesis.Config.from_dict({"checks": checks, "generation": generation, "phases": phases})
    # It is the document that is served (see below), but for the address. Read here, each operation is a test by itself.
    return schemathesis.openapi.from_dict(deepcopy(openapi_document()), config=config)


api, api_in_short = described(thorough=True), described(thorough=False)


@api.parametrize()
@bounded
@pytest.mark.timeout(3600)
def test_the_server_does_as_the_document_says(case: Case, site: Site) -> None:
    site.name(case)
    case.call_and_validate(base_url=site.server.url, headers=site.header, timeout=30)


@api_in_short.parametrize()
@bounded
@pytest.mark.timeout(3600)
def test_without_credentials_the_server_says_nothing(case: Case, site: Site) -> None:
    site.name(case)
    response = case.call(base_url=site.server.url, timeout=30)
    if response.request.method == "OPTIONS":  # a preflight never has credentials, and is told nothing
        assert response.content == b""
        return
    unreadable = case.headers.get("Content-Type") == "multipart/form-data"  # tornado finds no boundary, and says so
    assert response.status_code in ((400,) if unreadable else (401, 403, 404, 405)), response.request.method
    if "json" in response.headers.get("content-type", [""])[0]:
        assert set(response.json()) <= {"message", "reason"}
    assert "lamp" not in response.text


def test_the_server_is_well_after_all_that(site: Site) -> None:
    health = site.server.get("rlm-jupyter/health")
    assert health["status"] == "ok"
    assert "Traceback" not in site.server.log.read_text()
    assert [path.name for path in site.server.root.iterdir() if not path.name.startswith(".")] == ["shelf.ipynb"]


async def test_the_document_is_served_for_this_server(rest: Rest) -> None:
    served = await rest.get("openapi.json")
    assert served["servers"] == [{"url": rest.app.base_url.rstrip("/")}]
    assert {**served, "servers": openapi_document()["servers"]} == openapi_document()


def test_every_reference_leads_somewhere_and_every_schema_is_one() -> None:
    document = openapi_document()
    assert document["openapi"].startswith("3.1.")
    for reference in _references(document):
        found: Any = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        assert found
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for path, item in document["paths"].items():
        for verb in set(item) & {"get", "put", "post", "delete"}:
            assert item[verb]["operationId"], (verb, path)
            assert "403" in item[verb]["responses"]


def test_the_events_are_documented_as_the_schema_has_them() -> None:
    schemas = openapi_document()["components"]["schemas"]
    known = event_adapter.json_schema(mode="serialization", ref_template="#/components/schemas/{model}")["$defs"]
    assert {name: schemas[name] for name in known if name != "Blob"} == {
        name: schema for name, schema in known.items() if name != "Blob"
    }
    assert schemas["FormatName"]["enum"] == list(FORMATS)


def test_types_can_be_generated_from_it_and_no_release_changes_them() -> None:
    command = [sys.executable, "-W", "error", "-m", "rlm_jupyter.server.routes.openapi"]
    printed = [subprocess.run(command, check=True, capture_output=True, cwd=cwd).stdout for cwd in (None, "/")]
    assert printed[0] == printed[1]
    document = json.loads(printed[0])
    assert document["info"].pop("version") == "0"
    served = deepcopy(openapi_document())
    assert served["info"].pop("version") == rlm_jupyter.__version__
    assert document == served
    assert list(document["components"]["schemas"]) == sorted(served["components"]["schemas"])
    for name, shape in (("RunBundle", RunBundle), ("LiveBundle", LiveBundle)):
        schema = document["components"]["schemas"][name]
        assert set(schema["required"]) == set(schema["properties"]) == set(shape.model_fields)


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)
