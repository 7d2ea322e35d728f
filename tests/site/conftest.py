"""The built site, a browser, and the site on a server: what the tests of this folder share.

The site is the one that `make book` built. BOOK_HTML names another folder, for instance of a build with made-up pages;
the tests then take its pages instead of those of the table of contents.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Browser, BrowserContext, Error, sync_playwright

from tools import browser as browsers
from tools.serve import Server

ROOT = Path(__file__).resolve().parents[2]
HTML = Path(os.environ.get("BOOK_HTML", ROOT / "_build" / "html")).resolve()
OTHER = "BOOK_HTML" in os.environ
GENERATED = ["index", "search", "genindex"]  # pages that no file of the table of contents is behind
WIDE = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}


def documents() -> list[str]:
    """The names of the pages in the table of contents, in reading order."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    return [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]


def page_names() -> list[str]:
    """The names of all pages of the site, without `.html`."""
    if OTHER:
        found = (path.relative_to(HTML).with_suffix("").as_posix() for path in HTML.rglob("*.html"))
        return sorted(name for name in found if not name.startswith(("_", "katex/")))
    return [*documents(), *GENERATED]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a page for every test that takes `name`."""
    if "name" in metafunc.fixturenames:
        metafunc.parametrize("name", page_names())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a browser where there is none, in one line a file; under CI=true it fails instead."""
    waiting = [item for item in items if "chromium" in getattr(item, "fixturenames", [])]
    if waiting and browsers.find() is None and not browsers.required():
        for item in waiting:
            item.add_marker(pytest.mark.skip(reason=browsers.MISSING))


def complaint_about_site() -> str:
    """Say why the site cannot be tested, "" if it can."""
    if not (HTML / "index.html").is_file():
        return f"There is no site in {HTML}: build it with `make book`."
    if OTHER:
        return ""
    if (HTML.parent / ".unfinished").exists():
        return "The last build of the site failed: see `make book`."
    built = (HTML / "index.html").stat().st_mtime
    for path in [
        ROOT / "_config.yml",
        ROOT / "_toc.yml",
        *(ROOT / "book").rglob("*"),
        *(ROOT / "notebooks").rglob("*"),
    ]:
        hidden = {"__pycache__", ".ipynb_checkpoints"} & set(path.parts)
        if path.is_file() and not hidden and path.stat().st_mtime > built:
            return f"The site is older than {path.relative_to(ROOT)}: build it again with `make book`."
    return ""


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder of the built site."""
    if complaint := complaint_about_site():
        pytest.fail(complaint, pytrace=False)
    return HTML


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A browser, the one that `make browser` found or got."""
    path = browsers.find()
    if path is None:
        pytest.fail(browsers.MISSING, pytrace=False)
    with sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(executable_path=path, args=browsers.arguments())
        except Error as error:
            pytest.fail(f"{path} does not start: {error}", pytrace=False)
        yield started
        started.close()


@pytest.fixture(scope="session")
def server(site: Path) -> Iterator[Server]:
    """The site on this machine, under /sub/folder/, as on a host that serves many sites."""
    with Server(site, under="/sub/folder") as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield running
        running.shutdown()


@pytest.fixture(scope="session")
def light(chromium: Browser) -> Iterator[BrowserContext]:
    """A browser with light colours."""
    context = chromium.new_context(viewport=WIDE, color_scheme="light", reduced_motion="reduce")
    yield context
    context.close()


@pytest.fixture(scope="session")
def dark(chromium: Browser) -> Iterator[BrowserContext]:
    """A browser with dark colours."""
    context = chromium.new_context(viewport=WIDE, color_scheme="dark", reduced_motion="reduce")
    yield context
    context.close()
