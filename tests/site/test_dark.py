"""Every page, served under a folder of a host, in dark colours: what the browser says of it, and the contrast."""

from __future__ import annotations

import pytest

from tests.site import checks


def test_page(dark, server, name):
    if name == "index":
        pytest.skip("leads to the landing page (test_reading.py)")
    with checks.visited(dark, f"{server.url}{name}.html") as (page, complaints):
        checks.open_all(page)
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"
        complaints += checks.broken_pictures(page)
        complaints += checks.faint_text(page)
        complaints += checks.axe_violations(page, checks.COLOUR_RULES)
    assert not complaints, "\n".join(complaints)
