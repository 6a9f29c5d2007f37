"""For test suites: the fixture ``rlm_replay``, with which a trace is a regression test that asks no model."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .report import ReplayReport

__all__ = ["rlm_replay"]


@pytest.fixture
def rlm_replay(request: pytest.FixtureRequest) -> Callable[..., ReplayReport]:
    """Replay a trace, and fail the test with what differs from the recording; times and addresses may.

    Called with a trace, a result, or a path, which is looked for beside the test's file first, and the options of
    ``rlm_jupyter.replay``. Returns the report; with ``check=False`` without failing.
    """

    def replayed(trace: Any, *, check: bool = True, **options: Any) -> ReplayReport:
        __tracebackhide__ = True
        from rlm_jupyter.core.errors import ConfigurationError

        from .rerun import replay

        try:
            report = replay(_beside(request.path, trace), **options)
        except (ConfigurationError, OSError, ValueError) as error:
            pytest.fail(f"This trace cannot be replayed: {error}", pytrace=False)
        if check and not report.same:
            pytest.fail(str(report), pytrace=False)
        return report

    return replayed


def _beside(test: Path, trace: Any) -> Any:
    if not isinstance(trace, str | os.PathLike):
        return trace
    path = test.parent / Path(trace).expanduser()
    return path if path.exists() else trace
