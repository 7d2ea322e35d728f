"""Every page as text: links, alternatives of pictures, mathematics, other hosts; and the site as a whole."""

from __future__ import annotations

import re

import sphinxcontrib.katex

from tests.site import checks
from tests.site.conftest import GENERATED, OTHER, ROOT, documents

LARGEST = 60_000_000  # bytes of the whole site: what a public host takes and a reader can download


def complain(complaints: list[str]) -> None:
    assert not complaints, "\n".join(complaints)


def test_links_lead_somewhere(site, name):
    complain(checks.dead_links(site / f"{name}.html", site))


def test_ids_are_unique(site, name):
    complain(checks.twice_used_ids(checks.soup_of(site / f"{name}.html")))


def test_pictures_have_a_text(site, name):
    complain(checks.bad_alternatives(checks.soup_of(site / f"{name}.html")))


def test_mathematics_is_set(site, name):
    complain(checks.raw_mathematics(checks.soup_of(site / f"{name}.html")))


def test_mathematics_can_be_read_aloud(site, name):
    for formula in checks.soup_of(site / f"{name}.html").select(".katex"):
        assert formula.select_one(".katex-mathml math")
        assert formula.select_one(".katex-html")["aria-hidden"] == "true"


def test_nothing_comes_from_another_host(site, name):
    complain(checks.foreign_addresses(checks.soup_of(site / f"{name}.html")))


def test_basics(site, name):
    complain(checks.missing_basics(checks.soup_of(site / f"{name}.html")))


def test_pages_describe_themselves(site, name):
    if name in GENERATED or OTHER:
        return
    found = checks.soup_of(site / f"{name}.html").find("meta", attrs={"name": "description"})
    assert found, "no description: the page has no plain paragraph to take it from"
    assert 20 < len(found["content"]) <= 200


def test_style_sheets_and_scripts_name_no_other_host(site):
    complaints = []
    for path in [*site.rglob("*.css"), *site.rglob("*.js")]:
        text = path.read_text(encoding="utf-8")
        complaints += [f"{path.name} names {host}" for host in checks.FOREIGN_HOSTS.findall(text)]
        if path.suffix == ".css":
            complaints += [f"{path.name}: {url}" for url in re.findall(r"url\(\s*['\"]?((?:https?:)?//[^)]*)", text)]
            complaints += [
                f"{path.name}: @import {url}" for url in re.findall(r"@import[^;]*(?:https?:)?//[^;]*", text)
            ]
    complain(complaints)


def test_files_that_style_sheets_name_exist(site):
    complaints = []
    for path in [site / "_static/site.css", *(site / "katex").glob("*.css")]:
        for url in re.findall(r"url\(\s*['\"]?([^)'\"]+)", path.read_text(encoding="utf-8")):
            if not url.startswith("data:") and not (path.parent / url).is_file():
                complaints.append(f"{path.name}: {url}")
    complain(complaints)


def test_the_style_of_equations_fits_the_program_that_sets_them(site):
    style = (site / "katex" / "katex.min.css").read_text(encoding="utf-8")
    assert f'content:"{sphinxcontrib.katex.katex_version}"' in style


def test_the_table_of_contents_and_the_files_agree(site):
    listed = documents()
    assert len(set(listed)) == len(listed), "a page stands twice in _toc.yml"
    pages = [*(ROOT / "book").glob("*.md"), *(ROOT / "book" / "parts").glob("*.md")]
    sources = [*pages, *(ROOT / "notebooks").rglob("*.ipynb")]
    names = {p.relative_to(ROOT).with_suffix("").as_posix() for p in sources if ".ipynb_checkpoints" not in p.parts}
    if not OTHER:
        assert set(listed) == names
    built = {path.relative_to(site).with_suffix("").as_posix() for path in site.rglob("*.html")}
    built = {name for name in built if not name.startswith("_")}
    assert built == set(listed) | set(GENERATED)


def test_the_navigation_lists_every_page_in_order(site):
    soup = checks.soup_of(site / "book/index.html")
    links = [a["href"] for a in soup.select("nav.bd-links a.reference")]
    expected = [f"{name}.html" for name in documents()[1:]]
    assert [link.removeprefix("../") if link.startswith("../") else f"book/{link}" for link in links] == expected


def test_the_plan_is_on_the_pages(site):
    """Every notebook is linked from the landing page, its part's opener and the timetable; the paths are drawn."""
    notebooks = [name for name in documents() if name.startswith("notebooks/")]
    openers = [name for name in documents() if name.startswith("book/parts/")]

    def linked(page: str) -> list[str]:
        links = checks.soup_of(site / f"{page}.html").select("article a.reference")
        names = [re.sub(r"^(\.\./)+", "", a["href"]).removesuffix(".html") for a in links]
        return [name for name in names if name.startswith("notebooks/")]

    assert set(linked("book/index")) == set(notebooks)
    assert [name for opener in openers for name in dict.fromkeys(linked(opener))] == notebooks
    assert set(linked("book/how_to_study")) == set(notebooks)
    assert checks.soup_of(site / "book/how_to_study.html").select_one("article svg.plan-map")["aria-label"]


def test_one_search_and_no_leftovers(site, name):
    if name == "index":
        return
    soup = checks.soup_of(site / f"{name}.html")
    dialogs = 2 if name == "search" else 1
    assert len(soup.select("form.bd-search")) == dialogs
    assert "thebe" not in str(soup).lower()
    assert "fontawesome" not in str(soup).lower()


def test_the_theme_asks_for_no_icon_that_the_pages_do_not_carry(site, name):
    # The theme's icons are a script and a font, which are not delivered (see book/_templates/icons.html).
    found = checks.soup_of(site / f"{name}.html").select("i[class*='fa-'], span[class*='fa-']")
    assert [tag["class"] for tag in found] == []


def test_colab_is_offered_where_it_leads_somewhere(site):
    config = (ROOT / "_config.yml").read_text(encoding="utf-8")
    address = re.search(r'^\s+url: "(.*)"', config, re.M)[1]
    for document in documents():
        if not document.startswith("notebooks/") or OTHER:
            continue
        links = [a["href"] for a in checks.soup_of(site / f"{document}.html").select("a.page-action")]
        assert f"../../_sources/{document}.ipynb" in links
        colab = [link for link in links if "colab.research.google.com" in link]
        repository = address.removeprefix("https://github.com/").removesuffix(".git").rstrip("/")
        expected = f"https://colab.research.google.com/github/{repository}/blob/main/{document}.ipynb"
        assert colab == ([expected] if address else [])


def test_the_site_is_not_too_large(site):
    assert sum(path.stat().st_size for path in site.rglob("*") if path.is_file()) < LARGEST
