"""What tests of several folders stand on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from jupyter_client.channels import HBChannel
from live_kernel import LiveKernel

from rlm_jupyter.environments.local import LocalREPL

TESTS = Path(__file__).parent

# On a busy machine a kernel that starts may take longer than a second to answer, and is not dead.
HBChannel.time_to_dead = 30.0


@pytest.fixture
def local() -> Iterator[LocalREPL]:
    """A ``local`` environment, given back afterwards."""
    environment = LocalREPL()
    yield environment
    environment.cleanup()


@pytest.fixture(scope="module")
def bare_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveKernel]:
    """A kernel without the extension, which finds the package and the modules of the tests."""
    path = os.pathsep.join(filter(None, [str(TESTS.parent), str(TESTS), os.environ.get("PYTHONPATH")]))
    folder = str(tmp_path_factory.mktemp("kernel"))
    with LiveKernel({"PYTHONPATH": path, "IPYTHONDIR": folder}, cwd=folder, extension=False) as kernel:
        yield kernel
