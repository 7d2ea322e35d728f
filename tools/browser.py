"""The browser that the site's tests drive: find one, or get one.

`python tools/browser.py` (what `make browser` runs) gets a Chromium where none is found. Everybody else asks
`find()`, which never installs anything.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

# The first that runs is taken: on some Ubuntu machines `chromium-browser` only tells to install a snap.
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MAC_APPLICATIONS = (
    "Google Chrome.app/Contents/MacOS/Google Chrome",
    "Chromium.app/Contents/MacOS/Chromium",
)
MISSING = "No Chromium or Chrome found, so the browser tests cannot run: get one with `make browser`."


def required() -> bool:
    """Whether a missing browser is a failure (in continuous integration) and not a reason to skip."""
    return os.environ.get("CI", "").lower() in ("true", "1")


def arguments() -> list[str]:
    """Command-line arguments that the browser needs on this machine."""
    quiet = ["--no-first-run", "--disable-sync", "--disable-background-networking"]
    # Chromium's sandbox refuses to start as root and in many containers; the pages are our own.
    sandbox = ["--no-sandbox"] if required() or os.geteuid() == 0 else []
    return [*sandbox, *quiet, "--disable-component-update"]


@functools.cache
def find() -> Path | None:
    """Return the path of a Chromium or Chrome that runs on this machine, or None.

    Looks at the environment variable BROWSER_PATH, on the PATH, in the usual places of macOS, and at
    Playwright's own download, in this order. Where BROWSER_PATH is set, nothing else is looked at.
    """
    return next((path for path in _candidates() if _runs(path)), None)


def _candidates() -> Iterator[Path]:
    if chosen := os.environ.get("BROWSER_PATH"):
        yield Path(chosen)
        return
    for name in NAMES:
        if path := shutil.which(name):
            yield Path(path)
    if sys.platform == "darwin":
        for folder in (Path("/Applications"), Path.home() / "Applications"):
            for application in MAC_APPLICATIONS:
                yield folder / application
    if path := _playwrights_own():
        yield path


def _playwrights_own() -> Path | None:
    # In a process of its own: Playwright refuses to start where an event loop runs, as it does in some tests.
    code = (
        "from playwright.sync_api import sync_playwright\n"
        "with sync_playwright() as p: print(p.chromium.executable_path)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return Path(answer.stdout.strip()) if answer.returncode == 0 else None


def _runs(path: Path) -> bool:
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=60, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def get() -> Path | None:
    """Return the browser, after installing one if there was none; None if that failed.

    Takes Debian's package where packages may be installed without a password, else Playwright's own download.
    """
    if path := find():
        return path
    for commands in _ways():
        print("Getting a browser:", " ".join(commands[-1]), flush=True)
        if all(_succeeds(command) for command in commands):
            find.cache_clear()
            if path := find():
                return path
    return None


def _ways() -> Iterator[list[list[str]]]:
    """The ways to get a browser on this machine, each a list of commands."""
    if shutil.which("apt-get"):
        root = [] if os.geteuid() == 0 else ["sudo", "-n"]
        if not root or (shutil.which("sudo") and _succeeds([*root, "true"])):
            install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"]
            yield [
                [*root, "apt-get", "update", "-qq"],
                [*root, "env", "DEBIAN_FRONTEND=noninteractive", *install],
            ]
    yield [[sys.executable, "-m", "playwright", "install", "chromium"]]


def _succeeds(command: list[str]) -> bool:
    # Output goes to stderr, where it tells why a way failed; stdout is this program's own.
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False).returncode == 0
    except OSError:
        return False


def main() -> int:
    """Get a browser and say where it is; return the exit status."""
    path = get()
    if path is None:
        message = "No browser could be installed. Install Chromium or Chrome by hand, or set BROWSER_PATH to one."
        print(message, file=sys.stderr)
        return 1
    print(f"Browser: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
