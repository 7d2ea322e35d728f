"""Every page, opened as a file, in light colours: the browser's console, accessibility, a wide and a small screen."""

from __future__ import annotations

import pytest

from tests.site import checks
from tests.site.conftest import GENERATED, PHONE, WIDE


@pytest.fixture
def address(site, name) -> str:
    if name == "index":
        pytest.skip("leads to the landing page (test_reading.py)")
    return (site / f"{name}.html").as_uri()


def test_page(light, address):
    with checks.visited(light, address) as (page, complaints):
        checks.open_all(page)
        complaints += checks.broken_pictures(page)
        complaints += checks.faint_text(page)
        for size in (WIDE, PHONE):
            page.set_viewport_size(size)
            # site.js looks again, 0.4 s after the last change of size, at what scrolls.
            page.wait_for_timeout(600)
            complaints += checks.sideways(page)
            complaints += checks.out_of_reach(page)
            complaints += checks.stuck_for_the_keyboard(page)
        page.set_viewport_size(WIDE)
        complaints += checks.axe_violations(page)
    assert not complaints, "\n".join(complaints)


def test_there_are_pages(site, name):
    assert (site / f"{name}.html").is_file()
    if name not in GENERATED:
        assert len((site / f"{name}.html").read_text(encoding="utf-8")) > 2000
