"""Reading with the keyboard, on a phone, from a file and from a server: what a reader does, done once."""

from __future__ import annotations

import pytest

from tests.site import checks
from tests.site.conftest import PHONE, documents

# A page with folded cells, equations and a table of contents of its own.
NOTEBOOK = next(name for name in documents() if name.startswith("notebooks/"))
DESCRIBE = """() => {
    const e = document.activeElement;
    const style = getComputedStyle(e);
    return {
        tag: e.tagName,
        text: (e.ariaLabel || e.title || e.innerText || e.querySelector('svg title')?.textContent || '')
            .trim(),
        classes: e.getAttribute('class') || '',
        landmark: e.closest('nav')?.getAttribute('aria-label') || e.closest('article')?.tagName || '',
        seen: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0 || style.boxShadow !== 'none',
        place: e === document.body ? 'body' : 'element',
    };
}"""


@pytest.fixture(params=["file", "server"])
def root(request, site) -> str:
    """The address of the site: of its files, and on a server under a folder."""
    return f"{site.as_uri()}/" if request.param == "file" else request.getfixturevalue("server").url


def tabbed(page, limit: int = 600) -> list[dict]:
    """Everything that Tab reaches, from the top of the page to its end."""
    stops = []
    for _ in range(limit):
        page.keyboard.press("Tab")
        stop = page.evaluate(DESCRIBE)
        if stop["place"] == "body":
            break
        stops.append(stop)
    return stops


def test_the_root_page_leads_to_the_landing_page(light, root):
    with checks.visited(light, f"{root}index.html") as (page, complaints):
        page.wait_for_url("**/book/index.html")
        assert "Recurrent Networks" in page.title()
    assert not complaints, complaints


def test_tab_reaches_everything_in_order(light, site):
    with checks.visited(light, (site / f"{NOTEBOOK}.html").as_uri()) as (page, _):
        stops = tabbed(page)

        def first(what: str, test) -> int:
            found = [number for number, stop in enumerate(stops) if test(stop)]
            assert found, f"Tab does not reach {what}: {[stop['text'][:20] for stop in stops]}"
            return found[0]

        order = [
            first("the skip link", lambda stop: stop["text"] == "Skip to main content"),
            first("the landing page", lambda stop: stop["landmark"] == "Home"),
            first("the search", lambda stop: "search-button-field" in stop["classes"]),
            first("the navigation", lambda stop: stop["landmark"] == "Main"),
            first("the switch of the sidebar", lambda stop: "primary-toggle" in stop["classes"]),
            first("the download", lambda stop: "page-action" in stop["classes"]),
            first("the colours", lambda stop: "theme-switch-button" in stop["classes"]),
            first("the text", lambda stop: stop["landmark"] == "ARTICLE"),
            first("a fold", lambda stop: stop["tag"] == "SUMMARY"),
            first("the next page", lambda stop: stop["landmark"] == "Previous and next page"),
            first("the headings of the page", lambda stop: stop["landmark"] == "" and "nav-link" in stop["classes"]),
        ]
        assert order[0] == 0
        assert order == sorted(order)
        unseen = [stop["text"] or stop["classes"] or stop["tag"] for stop in stops if not stop["seen"]]
        assert unseen == [], "no visible focus"
        nameless = [stop for stop in stops if stop["tag"] in ("A", "BUTTON", "SUMMARY") and not stop["text"]]
        assert nameless == []


def test_folds_open_by_the_keyboard_and_say_what_they_hold(light, site):
    with checks.visited(light, (site / f"{NOTEBOOK}.html").as_uri()) as (page, _):
        labels = page.eval_on_selector_all("article summary", "all => all.map(one => one.innerText.trim())")
        assert any(label.startswith("Setup") for label in labels)
        assert "Solution" in {label.split("\n")[0] for label in labels}
        assert all(labels)
        fold = page.locator("article details").first
        assert fold.get_attribute("open") is None
        fold.locator("summary").focus()
        page.keyboard.press("Enter")
        assert fold.get_attribute("open") is not None
        assert fold.locator("pre").first.is_visible()


def test_the_skip_link_leads_to_the_text(light, site):
    with checks.visited(light, (site / f"{NOTEBOOK}.html").as_uri()) as (page, _):
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert page.url.endswith("#main-content")


def test_the_colours_can_be_chosen_and_are_kept(chromium, server):
    context = chromium.new_context(color_scheme="light")
    try:
        with checks.visited(context, f"{server.url}{NOTEBOOK}.html") as (page, complaints):
            button = page.locator(".theme-switch-button").first
            button.focus()
            seen = {}
            for _ in range(3):
                mode = page.evaluate("document.documentElement.dataset.mode")
                seen[mode] = button.get_attribute("aria-label")
                page.keyboard.press("Enter")
            assert set(seen) == {"auto", "light", "dark"}, "Enter does not change the colours, or loses its place"
            assert len(set(seen.values())) == 3, "the button does not say which colours are on"
            button.focus()
            for _ in range(3):
                if page.evaluate("document.documentElement.dataset.mode") != "dark":
                    page.keyboard.press("Enter")
            page.goto(f"{server.url}book/index.html")
            assert page.evaluate("document.documentElement.dataset.theme") == "dark"
            assert not complaints, complaints
    finally:
        context.close()


def test_search_finds_pages_that_exist(light, root):
    with checks.visited(light, f"{root}{NOTEBOOK}.html") as (page, complaints):
        page.keyboard.press("Control+k")
        page.keyboard.type("recurrent gradient")
        page.keyboard.press("Enter")
        page.wait_for_url("**/search.html?q=*")
        page.wait_for_selector("#search-results .search li a")
        # "recurrent" is in every title bar, both words are on the pages that derive them.
        links = page.eval_on_selector_all("#search-results .search li a", "all => all.map(one => one.href)")
        assert any("/notebooks/" in link for link in links), links
        page.locator("#search-results .search li a").first.click()
        page.wait_for_selector("article h1")
        assert not complaints, complaints


def test_a_search_for_nothing_says_so(light, root):
    with checks.visited(light, f"{root}search.html?q=zyzzyva") as (page, complaints):
        page.wait_for_function("document.querySelector('#search-results').innerText.includes('did not match')")
        assert not complaints, complaints


def test_a_phone_opens_and_closes_the_contents(chromium, site):
    context = chromium.new_context(viewport=PHONE, has_touch=True)
    try:
        with checks.visited(context, (site / f"{NOTEBOOK}.html").as_uri()) as (page, complaints):
            for button, drawer in ((".primary-toggle", "nav.bd-links"), (".secondary-toggle", "#pst-page-toc-nav")):
                assert not page.locator(drawer).is_visible()
                page.locator(button).tap()
                page.wait_for_selector(drawer, state="visible")
                complaints += checks.axe_violations(page, ["color-contrast", "region", "aria-dialog-name"])
                page.keyboard.press("Escape")
                page.wait_for_selector(drawer, state="hidden")
                assert page.evaluate(f"document.activeElement === document.querySelector('{button}')")
            assert not complaints, complaints
    finally:
        context.close()


def test_the_landing_page_fits_one_screen(light, site):
    with checks.visited(light, (site / "book/index.html").as_uri()) as (page, _):
        page.wait_for_function("document.fonts.status === 'loaded'")
        ends = page.eval_on_selector_all(".hero, .way", "all => all.map(one => one.getBoundingClientRect().bottom)")
        assert len(ends) == 4
        assert max(ends) <= 800
        assert page.locator("svg.unrolled").is_visible()


def test_the_picture_of_the_landing_page_rests_within_five_seconds(chromium, site):
    context = chromium.new_context(reduced_motion="no-preference")
    try:
        with checks.visited(context, (site / "book/index.html").as_uri()) as (page, _):
            ends = page.evaluate("document.getAnimations().map(one => one.effect.getComputedTiming().endTime)")
            assert ends
            assert max(ends) <= 5000  # WCAG 2.2.2: what moves longer needs a switch
    finally:
        context.close()


def test_nothing_moves_for_a_reader_who_asked_for_rest(light, site):
    with checks.visited(light, (site / "book/index.html").as_uri()) as (page, _):
        assert page.evaluate("document.getAnimations().length") == 0


def test_pages_read_without_scripts(chromium, site):
    context = chromium.new_context(java_script_enabled=False)
    try:
        page = context.new_page()
        page.goto((site / f"{NOTEBOOK}.html").as_uri())
        assert page.locator("article h1").is_visible()
        assert page.locator("article .katex-html:visible").count() > 0
        assert not page.locator(".theme-switch-button").first.is_visible()
    finally:
        context.close()
