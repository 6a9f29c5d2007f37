"""The browser of these tests: a Chromium that the machine has, or one that is fetched once.

``python tests/ui/browser.py`` says which one it is; `make` calls it before the tests.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Playwright, sync_playwright

__all__ = ["chromium", "launched"]

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")

_PLACES = (
    "/usr/bin/chromium",
    "/usr/lib/chromium/chromium",
    "/usr/bin/google-chrome",
    "/opt/google/chrome/chrome",
    "/snap/bin/chromium",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)

# No sandbox: containers have none, and no page here is a stranger's. The rest keeps it from asking the network.
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def launched(playwright: Playwright) -> Iterator[Browser]:
    """Start a headless Chromium; it is closed at the end."""
    browser = playwright.chromium.launch(executable_path=chromium(playwright), args=list(_ARGUMENTS))
    yield browser
    browser.close()


def chromium(playwright: Playwright) -> Path:
    """Return the path of a Chromium that starts: the machine's, else Playwright's own, else Debian's, just installed.

    Raises:
        FileNotFoundError: There is none, and none could be fetched.
    """
    places = [*filter(None, map(shutil.which, _NAMES)), *_PLACES, playwright.chromium.executable_path]
    for fetch in (None, _fetch_playwright, _fetch_debian):
        if fetch is not None and not fetch():
            continue
        for place in map(Path, places):
            if place.is_file() and _starts(place):
                return place
    msg = (
        "The browser tests need Chromium or Chrome, and this machine has none that starts. Install one"
        " (Debian: apt-get install chromium; else .venv/bin/playwright install --with-deps chromium), then try again."
    )
    raise FileNotFoundError(msg)


def _fetch_playwright() -> bool:
    return _run(sys.executable, "-m", "playwright", "install", "chromium")


def _fetch_debian() -> bool:
    """Install Debian's Chromium, which only root can; Ubuntu's is a snap, which containers cannot run."""
    release = Path("/etc/os-release")
    is_debian = release.is_file() and "ID=debian" in release.read_text(encoding="utf-8").splitlines()
    if not (is_debian and os.geteuid() == 0 and shutil.which("apt-get")):
        return False
    return _run("apt-get", "update") and _run("apt-get", "install", "--yes", "chromium")


def _run(*command: str) -> bool:
    print(f"Looking for a browser: {' '.join(command)}", file=sys.stderr)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=False).returncode == 0


def _starts(place: Path) -> bool:
    try:
        said = subprocess.run([place, "--version"], capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return said.returncode == 0


def main() -> None:
    """Find or fetch the browser, and say where it is; end with 1 when there is none."""
    with sync_playwright() as playwright:
        try:
            print(f"The browser tests use {chromium(playwright)}")
        except FileNotFoundError as error:
            sys.exit(str(error))


if __name__ == "__main__":
    main()
