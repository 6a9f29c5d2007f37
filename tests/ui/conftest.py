"""One browser for all of these tests, a JupyterLab for each module, a page and a notebook of its own for each test."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from ui.browser import launched
from ui.lab import Lab
from ui.lab_site import Site, open_site

PATIENCE = 20_000
"""Milliseconds that a browser on a busy machine is waited for; what comes sooner is not waited for."""

REPORT = pytest.StashKey[dict[str, pytest.TestReport]]()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep how a test went for the fixtures that end after it."""
    report = yield
    item.stash.setdefault(REPORT, {})[report.when] = report
    return report


def has_failed(request: pytest.FixtureRequest) -> bool:
    """Whether the test has failed."""
    report = request.node.stash.get(REPORT, {}).get("call")
    return report is None or bool(report.failed)


def keep(page: Page, folder: Path) -> None:
    """Keep how a page looks."""
    page.screenshot(path=folder / "failed.png")
    print(f"How it looked: {folder / 'failed.png'}")


# Playwright's event loop is that of the thread as long as it is open: nobody else's tests run meanwhile.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """The browser."""
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright, launched(playwright) as browser:
        yield browser


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A JupyterLab, and a model that says what a test's script says."""
    with open_site(tmp_path_factory.mktemp("lab")) as site:
        yield site


@pytest.fixture(scope="package")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A window of the browser, which keeps what the pages before have loaded."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    context.set_default_timeout(PATIENCE)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Page]:
    """A page of the test's own; how it looked when the test failed is in the test's folder."""
    page = context.new_page()
    yield page
    if has_failed(request):
        keep(page, tmp_path)
    page.close()


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name that no other test has, for a notebook or a workspace."""
    return re.sub(r"\W+", "-", str(request.node.name).removeprefix("test_"))[:60].strip("-")


@pytest.fixture(scope="package")
def seat() -> list[Lab]:
    """JupyterLab as the test before left it, which saves half of a test's time; nothing after one that failed."""
    return []


@pytest.fixture
def lab(
    seat: list[Lab], context: BrowserContext, site: Site, name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Lab]:
    """JupyterLab with nothing open; at the end nothing may have been logged as an error."""
    site.held.clear()
    lab = seat.pop() if seat else Lab(context.new_page(), site).start(workspace=name)
    yield lab
    site.held.set()
    if has_failed(request):
        keep(lab.page, tmp_path)
    logged, lab.logged = lab.logged, []
    if has_failed(request) or not lab.tidied():
        lab.page.close()
    else:
        seat.append(lab)
    site.end_kernels()
    assert not logged, "\n".join(logged)


@pytest.fixture
def notebook(lab: Lab, name: str) -> Callable[..., str]:
    """Returns a function that makes a notebook of these cells and opens it beside the panel."""

    def opened(*cells: str | dict[str, Any]) -> str:
        return lab.notebook_with(f"{name}.ipynb", cells)

    return opened
