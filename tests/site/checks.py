"""What must hold on every page: each function returns a list of complaints, empty if there are none.

`test_checks.py` shows every one of them a page that it must complain about.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup, NavigableString
from playwright.sync_api import BrowserContext, Page

HOME = ("file:", "data:", "blob:", "about:", "http://127.0.0.1:")
FOREIGN_HOSTS = re.compile(
    r"unpkg\.com|jsdelivr\.net|cdnjs\.|googleapis\.com|gstatic\.com|mybinder\.org|polyfill\.io", re.I
)
LOADING = {
    "script": "src",
    "link": "href",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "object": "data",
    "form": "action",
}
FILE_NAME = re.compile(r"^[\w./-]+\.(png|svg|jpe?g|gif|webp)$|[0-9a-f]{16}", re.I)
RAW_MATHEMATICS = re.compile(
    r"\$\$|\\(?:begin|end|tag|frac|mathbf|sum|odot|tanh)\b|\\\(|\\\[|(?<![\w$])\$[^$\s][^$]*\\[^$]*\$"
)
# Rules of axe whose verdict hangs on the colours: the others were asked in the light theme, of the same elements.
COLOUR_RULES = ["color-contrast", "link-in-text-block"]


# ---- the HTML alone ---------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def soup_of(path: Path) -> BeautifulSoup:
    """A page, parsed (and kept: many tests look at it)."""
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


@lru_cache(maxsize=256)
def anchors(path: Path) -> frozenset[str]:
    """Every id (and old-style name) of a page."""
    soup = soup_of(path)
    return frozenset(
        {tag["id"] for tag in soup.find_all(id=True)}
        | {tag["name"] for tag in soup.find_all("a", attrs={"name": True})}
    )


def dead_links(path: Path, site: Path) -> list[str]:
    """Links, images, scripts and style sheets of a page that lead to no file, or to no place in a file, of the site."""
    complaints = []
    soup = soup_of(path)
    for tag in soup.find_all(["a", "link", "script", "img", "iframe", "source", "object"]):
        address = tag.get("href") or tag.get("src") or tag.get("data")
        if address is None:
            continue
        parts = urlsplit(address)
        if parts.scheme or parts.netloc:
            continue
        if address.startswith("/"):
            complaints.append(f"{address}: leads to the root of the host, not of the site")
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if target.is_dir():
            target /= "index.html"
        if not target.is_file():
            complaints.append(f"{address}: no such file")
        elif not target.is_relative_to(site):
            complaints.append(f"{address}: outside the site")
        elif (
            tag.name == "a"
            and parts.fragment
            and target.suffix == ".html"
            and unquote(parts.fragment) not in anchors(target)
        ):
            complaints.append(f"{address}: no such place in the page")
    return complaints


def twice_used_ids(soup: BeautifulSoup) -> list[str]:
    """Ids that two elements share: a link to them leads to the first."""
    seen: dict[str, int] = {}
    for tag in soup.find_all(id=True):
        seen[tag["id"]] = seen.get(tag["id"], 0) + 1
    return [f"id {name} stands {count} times" for name, count in seen.items() if count > 1]


def bad_alternatives(soup: BeautifulSoup) -> list[str]:
    """Pictures without a text that says what they show."""
    complaints = []
    for image in soup.find_all("img"):
        text = (image.get("alt") or "").strip()
        if FILE_NAME.search(text) or len(text.split()) < 3:
            complaints.append(f"{image.get('src')}: alt={text!r}")
    for drawing in soup.find_all("svg"):
        hidden = any(one.get("aria-hidden") == "true" for one in [drawing, *drawing.parents])
        if not hidden and not (drawing.find("title") and drawing.get("role") == "img"):
            complaints.append(f"svg {drawing.get('class')}: neither hidden nor named")
    return complaints


def raw_mathematics(soup: BeautifulSoup) -> list[str]:
    """TeX that a reader would see, and equations that KaTeX gave up on."""
    complaints = [f"KaTeX: {tag.get('title', tag.text)}" for tag in soup.select(".katex-error")]
    article = soup.find("article") or soup
    for text in article.find_all(string=RAW_MATHEMATICS):
        hidden = {"code", "pre", "script", "style", "annotation", "title"}
        if type(text) is NavigableString and not any(parent.name in hidden for parent in text.parents):
            complaints.append(" ".join(text.split())[:120])
    return complaints


def foreign_addresses(soup: BeautifulSoup) -> list[str]:
    """Addresses of other hosts from which a page would load something, and names of hosts that serve such things."""
    complaints = []
    for name, attribute in LOADING.items():
        for tag in soup.find_all(name):
            address = tag.get(attribute) or ""
            if urlsplit(address).netloc and not (name == "link" and "canonical" in tag.get("rel", [])):
                complaints.append(f"<{name}> {address}")
            complaints += [f"<{name}> {part}" for part in re.findall(r"https?://\S+", tag.get("srcset") or "")]
    for script in soup.find_all(["script", "style"]):
        complaints += [f"<{script.name}> names {host}" for host in FOREIGN_HOSTS.findall(script.text)]
    return complaints


def missing_basics(soup: BeautifulSoup) -> list[str]:
    """What a browser, a screen reader or a search engine needs of every page."""
    complaints = []
    if not (soup.html and soup.html.get("lang")):
        complaints.append("no language")
    if not (soup.title and soup.title.text.strip()):
        complaints.append("no title")
    if len(soup.find_all("h1")) - len(soup.select("#jb-print-docs-body h1")) != 1:
        complaints.append("not exactly one h1")
    if not soup.find("meta", attrs={"name": "viewport"}):
        complaints.append("no viewport")
    if not soup.find("link", rel="icon"):
        complaints.append("no icon")
    return complaints


# ---- the page in a browser --------------------------------------------------------------------------------


@contextmanager
def visited(context: BrowserContext, address: str) -> Iterator[tuple[Page, list[str]]]:
    """Open a page; yield it with the complaints of its console and its requests, which may still grow."""
    page = context.new_page()
    complaints: list[str] = []

    def said(message):
        if message.type in ("error", "warning"):
            complaints.append(f"console: {message.text}")

    def failed(asked):
        # A redirect cuts off what the page before it still loads.
        if "ERR_ABORTED" not in (asked.failure or ""):
            complaints.append(f"not loaded: {asked.url}")

    def answered(response):
        if response.status >= 400:
            complaints.append(f"{response.status}: {response.url}")

    def guard(route):
        if route.request.url.startswith(HOME):
            route.continue_()
        else:
            complaints.append(f"foreign request: {route.request.url}")
            route.abort()

    page.on("console", said)
    page.on("pageerror", lambda error: complaints.append(f"script: {error}"))
    page.on("requestfailed", failed)
    page.on("response", answered)
    page.route("**/*", guard)
    try:
        page.goto(address, wait_until="load")
        yield page, complaints
    finally:
        page.close()


def open_all(page: Page) -> None:
    """Unfold everything, and load every picture."""
    page.evaluate(
        """async () => {
            document.querySelectorAll('details').forEach(fold => { fold.open = true; });
            const pictures = [...document.images];
            pictures.forEach(picture => { picture.loading = 'eager'; });
            await Promise.all(pictures.map(picture => picture.decode().catch(() => {})));
            await document.fonts.ready;
            for (let n = 0; n < 3; n++) await new Promise(requestAnimationFrame);
        }"""
    )


def broken_pictures(page: Page) -> list[str]:
    """Pictures that the browser could not show."""
    return page.evaluate("() => [...document.images].filter(i => !i.naturalWidth).map(i => i.src)")


def axe_violations(page: Page, rules: list[str] | None = None) -> list[str]:
    """What axe complains about, by all its rules or by those named. Comes last: it flattens code and equations.

    Their thousands of elements would take axe a minute a page; `faint_text` and `out_of_reach` look at them.
    """
    page.evaluate(
        """() => {
            for (const code of document.querySelectorAll('.highlight pre')) code.textContent = code.textContent;
            for (const formula of document.querySelectorAll('.katex')) formula.textContent = 'formula';
        }"""
    )
    # Without preload: axe would fetch the style sheets once more, which a page opened as a file may not.
    options = {"resultTypes": ["violations"], "preload": False}
    if rules:
        options["runOnly"] = {"type": "rule", "values": rules}
    found = Axe().run(page, options=options).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:160]} {node.get('failureSummary', '')[:200]}"
        for rule in found
        for node in rule["nodes"]
    ]


def faint_text(page: Page) -> list[str]:
    """Equations, their tags, and every kind of word in code with a contrast under 4.5 (WCAG 1.4.3)."""
    return page.evaluate(
        """() => {
            const numbers = colour => (colour.match(/[\\d.]+/g) || []).map(Number);
            const luminance = rgb => {
                const linear = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
                const [r, g, b] = rgb.map(v => linear(v / 255));
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
            };
            const behind = element => {
                for (let one = element; one; one = one.parentElement) {
                    const [r, g, b, alpha = 1] = numbers(getComputedStyle(one).backgroundColor);
                    if (alpha === 1 && r !== undefined) return [r, g, b];
                }
                return [255, 255, 255];
            };
            const kinds = new Map();
            const parts = '.katex-html, .katex-html > .tag, .katex-html [style*="color"], .highlight pre, ' +
                '.highlight pre span';
            for (const part of document.querySelectorAll(parts)) {
                // One of a kind: the same words in the same sort of box have the same colours.
                const box = part.closest('.cell_output, .cell_input, .admonition, details, article');
                const kind = `${box?.className} ${part.tagName} ${part.className} ${part.getAttribute('style')}`;
                if (part.textContent.trim() && !kinds.has(kind)) kinds.set(kind, part);
            }
            const faint = [];
            for (const part of kinds.values()) {
                const pair = [luminance(numbers(getComputedStyle(part).color).slice(0, 3)), luminance(behind(part))];
                const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
                if (ratio < 4.5) faint.push(`contrast ${ratio.toFixed(2)}: ${part.textContent.slice(0, 60)}`);
            }
            return faint;
        }"""
    )


def stuck_for_the_keyboard(page: Page) -> list[str]:
    """Boxes that scroll, but neither have the focus nor hold anything that can have it."""
    return page.evaluate(
        """() => [...document.querySelectorAll('main *')].filter(box => {
            if (box.scrollWidth <= box.clientWidth + 1 || !box.clientWidth || box.tabIndex >= 0) return false;
            const scrolls = ['auto', 'scroll'].includes(getComputedStyle(box).overflowX);
            return scrolls && !box.querySelector('a[href], button, input, summary, [tabindex="0"]');
        }).map(box => 'the keyboard cannot scroll ' + box.outerHTML.slice(0, 120))"""
    )


def out_of_reach(page: Page) -> list[str]:
    """Displayed equations that a reader cannot bring into view from end to end, or whose tag lies over them."""
    return page.evaluate(
        """() => {
            const complaints = [];
            for (const box of document.querySelectorAll('div.math')) {
                const say = what => complaints.push(what + ': ' +
                    (box.querySelector('annotation')?.textContent || box.textContent).trim().slice(0, 80));
                const frame = box.getBoundingClientRect();
                if (!frame.width) continue;
                if (frame.left < -1 || frame.right > innerWidth + 1) say('the box leaves the screen');
                const ink = part => {
                    const boxes = [...part.querySelectorAll('*')].map(e => e.getBoundingClientRect());
                    const all = boxes.filter(box => box.width);
                    return { left: Math.min(...all.map(r => r.left)), right: Math.max(...all.map(r => r.right)) };
                };
                const parts = [...box.querySelectorAll('.katex-html > .base')];
                const tag = box.querySelector('.katex-html > .tag');
                if (!parts.length) { say('no equation in the box'); continue; }
                box.scrollLeft = 0;
                if (ink(parts[0]).left < frame.left - 2) say('its left end cannot be reached');
                box.scrollLeft = box.scrollWidth;
                const last = ink(tag || parts[parts.length - 1]);
                if (last.right > frame.right + 2) say('its right end cannot be reached');
                if (tag && ink(tag).left < Math.max(...parts.map(p => ink(p).right)) - 1) say('the tag lies over it');
                if (box.scrollWidth > box.clientWidth + 1 && box.tabIndex !== 0) say('the keyboard cannot scroll it');
                box.scrollLeft = 0;
            }
            return complaints;
        }"""
    )


def sideways(page: Page) -> list[str]:
    """By how much the page is wider than the screen, and what sticks out."""
    return page.evaluate(
        """() => {
            const root = document.documentElement;
            scrollTo(10000, scrollY);
            const moved = scrollX;
            scrollTo(0, scrollY);
            if (!moved && root.scrollWidth <= root.clientWidth) return [];
            const out = [...document.querySelectorAll('main *')].filter(e => {
                const box = e.getBoundingClientRect();
                const scrolls = 'pre, .math, .output, .pst-scrollable-table-container';
                return box.width && box.right > innerWidth + 1 && !e.closest(scrolls);
            });
            return ['the page scrolls sideways: ' + out.slice(-3).map(e => e.outerHTML.slice(0, 100)).join(' | ')];
        }"""
    )
