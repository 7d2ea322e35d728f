"""Every check of the site is shown a page that it must complain about, and one that it must let pass."""

from __future__ import annotations

import http.server
import os
import threading

import pytest
from bs4 import BeautifulSoup

from tests.site import checks, conftest
from tests.site.conftest import PHONE

# The smallest picture: a GIF of one dot.
DOT = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
SHELL = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Made up</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<style>body {{ margin: 0; background: #fff; color: #222 }} {style}</style></head>
<body><main><article><h1>Made up</h1>{body}</article></main></body></html>"""
EQUATION = (
    '<div class="math"{extra}><span class="katex-display"><span class="katex">'
    '<span class="katex-html" aria-hidden="true">'
    '<span class="base"><span>a long equation that goes on and on and on over the edge of a phone</span></span>'
    '<span class="tag"><span>(RNN.1)</span></span></span></span></span></div>'
)
SCROLLS = (
    ".math { overflow-x: auto } .katex-html { display: flex; min-width: max-content; white-space: nowrap }"
    ".base, .tag { flex: none }"
)


def soup(body: str, **parts) -> BeautifulSoup:
    return BeautifulSoup(SHELL.format(style="", body=body, **parts), "html.parser")


@pytest.fixture
def opened(light, tmp_path):
    """Show a made-up page to a check, at the width of a phone."""

    def show(body, check, style="", size=PHONE):
        path = tmp_path / "page.html"
        path.write_text(SHELL.format(style=style, body=body), encoding="utf-8")
        with checks.visited(light, path.as_uri()) as (page, complaints):
            page.set_viewport_size(size)
            return check(page) if check else complaints

    return show


# ---- the HTML alone ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ('<a href="missing.html">x</a>', "no such file"),
        ('<a href="other.html#nowhere">x</a>', "no such place"),
        ('<a href="#nowhere">x</a>', "no such place"),
        ('<a href="/book/index.html">x</a>', "root of the host"),
        ('<a href="../outside.html">x</a>', "outside the site"),
        ('<img src="missing.png" alt="a picture that is gone">', "no such file"),
        ('<script src="missing.js"></script>', "no such file"),
    ],
)
def test_dead_links(tmp_path, body, complaint):
    site = tmp_path / "site"
    site.mkdir()
    (tmp_path / "outside.html").write_text("out")
    (site / "other.html").write_text('<p id="here">x</p>')
    page = site / "page.html"
    page.write_text(SHELL.format(style="", body=body))
    (found,) = checks.dead_links(page, site)
    assert complaint in found


def test_live_links(tmp_path):
    (tmp_path / "other.html").write_text('<p id="here">x</p>')
    page = tmp_path / "page.html"
    body = '<a href="other.html#here">x</a> <a href="https://example.org/">y</a> <a href="#top">z</a><p id="top"></p>'
    page.write_text(SHELL.format(style="", body=body))
    assert checks.dead_links(page, tmp_path) == []


def test_twice_used_ids():
    assert checks.twice_used_ids(soup('<p id="a"></p><p id="a"></p><p id="b"></p>')) == ["id a stands 2 times"]


@pytest.mark.parametrize(
    "body",
    [
        '<img src="x.png">',
        '<img src="x.png" alt="">',
        '<img src="x.png" alt="../_images/cbd69c1f0a9b8e7d6c5b.png">',
        '<img src="x.png" alt="loss.png">',
        '<img src="x.png" alt="a figure">',
        "<svg><path/></svg>",
    ],
)
def test_bad_alternatives(body):
    assert len(checks.bad_alternatives(soup(body))) == 1


def test_good_alternatives():
    body = '<img src="x.png" alt="Two losses that fall."><svg aria-hidden="true"></svg>'
    body += '<svg role="img"><title>A cell with a loop</title></svg>'
    assert checks.bad_alternatives(soup(body)) == []


@pytest.mark.parametrize(
    "body",
    [
        r"<p>$$ a_t = b $$</p>",
        r"<p>\begin{align} a \end{align}</p>",
        r"<p>the state $\mathbf{h}_t$ is</p>",
        r"<p>a = b \tag{RNN.1}</p>",
        r'<span class="katex-error" title="ParseError: no">\frac{</span>',
    ],
)
def test_raw_mathematics(body):
    assert checks.raw_mathematics(soup(body))


def test_mathematics_and_money_pass():
    body = r"<p>It costs $5 or $6.</p><pre>$$ \begin{x}</pre><code>\tag{RNN.1}</code>"
    assert checks.raw_mathematics(soup(body)) == []


@pytest.mark.parametrize(
    "body",
    [
        '<script src="https://unpkg.com/thebe@0.8.2/lib/index.js"></script>',
        '<script>const THEBE_JS_URL = "https://unpkg.com/thebe"</script>',
        '<link rel="stylesheet" href="//fonts.googleapis.com/css">',
        '<img src="https://example.org/x.png" alt="a picture from elsewhere">',
        '<iframe src="https://example.org/"></iframe>',
        '<img srcset="https://example.org/x.png 2x" src="x.png" alt="a picture from elsewhere">',
    ],
)
def test_foreign_addresses(body):
    assert checks.foreign_addresses(soup(body))


def test_links_to_other_hosts_are_no_requests():
    body = '<a href="https://doi.org/10.1162/neco.1997.9.8.1735">LSTM</a><link rel="canonical" href="https://a.org/">'
    assert checks.foreign_addresses(soup(body)) == []


def test_missing_basics():
    assert len(checks.missing_basics(BeautifulSoup("<html><body></body></html>", "html.parser"))) == 5
    assert checks.missing_basics(soup("")) == []


# ---- in a browser -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("<script>console.error('bad')</script>", "console: bad"),
        ("<script>console.warn('odd')</script>", "console: odd"),
        ("<script>nobody.home()</script>", "script: nobody is not defined"),
        ('<img src="missing.png" alt="gone">', "not loaded"),
        ('<img src="https://example.org/x.png" alt="foreign">', "foreign request: https://example.org/x.png"),
        ("<script>fetch('https://example.org/').catch(() => {})</script>", "foreign request"),
    ],
)
def test_console_and_requests(opened, body, complaint):
    assert any(complaint in found for found in opened(body, None)), body


def test_a_quiet_page(opened):
    assert opened(f'<img src="{DOT}" alt="a dot of red">', None) == []


def test_an_answer_that_says_no(light):
    class Refuses(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(404)

        def log_message(self, *args):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Refuses) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        with checks.visited(light, f"http://127.0.0.1:{server.server_address[1]}/x") as (_, complaints):
            pass
        server.shutdown()
    assert any(found.startswith("404: ") for found in complaints)


def test_broken_pictures(opened):
    assert len(opened('<img src="missing.png" alt="gone">', checks.broken_pictures)) == 1


@pytest.mark.parametrize(
    ("style", "extra", "complaint"),
    [
        (SCROLLS + ".katex-html { justify-content: flex-end; min-width: 0 }", ' tabindex="0"', "its left end"),
        (SCROLLS + ".math { overflow: hidden; width: 200px; direction: rtl }", ' tabindex="0"', "its left end"),
        (
            SCROLLS + ".katex-html { position: relative } .tag { position: absolute; right: 0 }",
            ' tabindex="0"',
            "over it",
        ),
        (SCROLLS, "", "the keyboard cannot scroll it"),
        (SCROLLS + ".math { width: 500px }", ' tabindex="0"', "leaves the screen"),
    ],
)
def test_equations_out_of_reach(opened, style, extra, complaint):
    found = opened(EQUATION.format(extra=extra), checks.out_of_reach, style)
    assert any(complaint in one for one in found), found


def test_equations_in_reach(opened):
    assert opened(EQUATION.format(extra=' tabindex="0"'), checks.out_of_reach, SCROLLS) == []


def test_a_page_that_scrolls_sideways(opened):
    assert "sideways" in opened('<div style="width: 500px">wide</div>', checks.sideways)[0]
    assert opened('<pre style="overflow: auto">' + "long " * 99 + "</pre>", checks.sideways) == []


def test_boxes_that_the_keyboard_cannot_scroll(opened):
    box = '<pre style="overflow: auto"{}>' + "long " * 99 + "</pre>"
    assert len(opened(box.format(""), checks.stuck_for_the_keyboard)) == 1
    assert opened(box.format(' tabindex="0"'), checks.stuck_for_the_keyboard) == []


def test_faint_text(opened):
    code = '<div class="highlight"><pre><span class="c1"># a comment</span> <span class="k">def</span></pre></div>'
    assert "a comment" in opened(code, checks.faint_text, ".c1 { color: #999 }")[0]
    assert opened(code, checks.faint_text, ".c1 { color: #555 }") == []
    formula = '<span class="katex"><span class="katex-html">x<span class="tag">(RNN.1)</span></span></span>'
    assert "(RNN.1)" in opened(formula, checks.faint_text, ".tag { color: #aaa }")[0]


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (f'<img src="{DOT}">', "image-alt"),
        ('<p style="color: #aaa">faint</p>', "color-contrast"),
        ('<button type="button"></button>', "button-name"),
        ("<table><tr><th></th><td>1</td></tr></table>", "empty-table-header"),
        ('<p role="nothing">x</p>', "aria-roles"),
    ],
)
def test_axe(opened, body, rule):
    assert any(found.startswith(f"{rule}:") for found in opened(body, checks.axe_violations))


def test_axe_lets_a_good_page_pass(opened):
    assert opened("<p>Good.</p>", checks.axe_violations) == []


# ---- the site that is tested ------------------------------------------------------------------------------


def test_a_site_that_is_missing_old_or_half_built(tmp_path, monkeypatch):
    html = tmp_path / "_build" / "html"
    html.mkdir(parents=True)
    for name in ("_config.yml", "_toc.yml"):
        (tmp_path / name).write_text("x")
    (tmp_path / "book").mkdir()
    monkeypatch.setattr(conftest, "ROOT", tmp_path)
    monkeypatch.setattr(conftest, "HTML", html)
    monkeypatch.setattr(conftest, "OTHER", False)
    assert "no site" in conftest.complaint_about_site()
    (html / "index.html").write_text("x")
    assert conftest.complaint_about_site() == ""
    (tmp_path / "_build" / ".unfinished").touch()
    assert "failed" in conftest.complaint_about_site()
    (tmp_path / "_build" / ".unfinished").unlink()
    page = tmp_path / "book" / "index.md"
    page.write_text("x")
    later = (html / "index.html").stat().st_mtime + 5
    os.utime(page, (later, later))
    assert "older than book/index.md" in conftest.complaint_about_site()
