"""The errata page: 25 entries for the article, each whole; every test and every section that it names exists."""

from __future__ import annotations

import ast
import json
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "book/errata.md"
MISTAKES = "test_published_mistakes.py"

ARTICLE, ELSEWHERE = "One article, 25 mistakes", "Courses, books and libraries"
PARTS = {ARTICLE: ["It says", "Right", "Source", "Shown"], ELSEWHERE: ["What", "Seen in", "Since", "Test here"]}

# Tests of the file of mistakes that plant none: they hold the others up.
CONTROLS = {"test_the_line_by_line_backward_pass_is_right"}


# ---- reading the page ------------------------------------------------------------------------------------------------


def section(text: str, heading: str) -> str:
    """The text under a heading of level 2."""
    found = re.split(rf"^## {re.escape(heading)}$", text, maxsplit=1, flags=re.M)
    return re.split(r"^## ", found[1], maxsplit=1, flags=re.M)[0] if len(found) == 2 else ""


def entries(text: str, heading: str) -> dict[str, dict[str, str]]:
    """Title -> part -> text, of a section whose entries are lists of labelled parts."""
    found = {}
    for block in re.split(r"^### ", section(text, heading), flags=re.M)[1:]:
        title, body = block.split("\n", 1)
        body = re.split(r"^\([\w-]+\)=$", body, maxsplit=1, flags=re.M)[0]
        parts = re.findall(r"^- \*\*(.*?)\.\*\* (.*(?:\n  .*)*)", body, re.M)
        found[title] = {name: " ".join(text.split()) for name, text in parts}
    return found


def named_tests(text: str) -> set[tuple[str, str]]:
    """(file, test) of each test named: the file as code, then the test's name as words in italics."""
    named = set()
    for file, following in re.findall(r"`(test_\w+\.py)`((?:(?:,| and) \*[^*]+\*)+)", text):
        for words in re.findall(r"\*([^*]+)\*", following):
            named.add((file, "test_" + "_".join(words.lower().split())))
    return named


@cache
def existing_tests(file: str) -> frozenset[str]:
    found = list((ROOT / "tests").rglob(file))
    if len(found) != 1:
        return frozenset()
    return frozenset(n.name for n in ast.parse(found[0].read_text()).body if isinstance(n, ast.FunctionDef))


def slug(title: str) -> str:
    """The anchor that the site gives to a heading."""
    return re.sub(r"[^\w\u4e00-\u9fff\- ]", "", title.strip().lower().replace(" ", "-"))


@cache
def anchors(path: Path) -> frozenset[str]:
    """The anchors of a notebook or of a page of the book."""
    if path.suffix == ".ipynb":
        cells = json.loads(path.read_text())["cells"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    else:
        text = path.read_text()
    text = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    headings = [slug(title) for title in re.findall(r"^#{1,4} +(.+?) *$", text, re.M)]
    return frozenset(headings + re.findall(r"^\(([\w-]+)\)=$", text, re.M))


# ---- what may be wrong with it ---------------------------------------------------------------------------------------


def incomplete(text: str) -> list[str]:
    """Entries that lack a part, have it empty or twice, or stand in another order."""
    complaints = []
    for heading, wanted in PARTS.items():
        for title, parts in entries(text, heading).items():
            if list(parts) != wanted:
                complaints.append(f"{title}: has the parts {list(parts)}, not {wanted}")
            complaints += [f"{title}: {name} is empty" for name, part in parts.items() if len(part) < 8]
    return complaints


def miscounted(text: str) -> list[str]:
    """The article has 25 entries, numbered in order; the other part has some."""
    numbers = [re.match(r"(\d+)\. \S", title) for title in entries(text, ARTICLE)]
    complaints = []
    if [int(n[1]) if n else 0 for n in numbers] != list(range(1, 26)):
        complaints.append(f"the entries of the article are numbered {[n and n[1] for n in numbers]}, not 1 to 25")
    if len(section(text, ARTICLE).split("\n### ")) - 1 != 25:
        complaints.append("two entries of the article have one title")
    if len(entries(text, ELSEWHERE)) < 12:
        complaints.append(f"only {len(entries(text, ELSEWHERE))} mistakes of other works")
    return complaints


def unsupported(text: str) -> list[str]:
    """Entries without a source, or without a place where this book shows it."""
    complaints = []
    for title, parts in entries(text, ARTICLE).items():
        if not re.search(r"\{cite:|\]\(https://", parts.get("Source", "")):
            complaints.append(f"{title}: the source is neither cited nor linked")
        shown = parts.get("Shown", "")
        if not re.search(r"\]\([^)]+\)", shown) and not named_tests(shown) and "Nowhere yet" not in shown:
            complaints.append(f"{title}: shown nowhere, and does not say so")
    for title, parts in entries(text, ELSEWHERE).items():
        if "](https://" not in parts.get("Seen in", ""):
            complaints.append(f"{title}: no link to what was seen")
        if not re.search(r"\b([Rr]un|Read|read)\b", parts.get("Seen in", "")):
            complaints.append(f"{title}: does not say whether the code was run or read")
        test = parts.get("Test here", "")
        if not named_tests(test) and not re.search(r"\b[Nn]o (test|single one)\b", test):
            complaints.append(f"{title}: names no test, and does not say that there is none")
    return complaints


def unversioned(text: str) -> list[str]:
    """Links to a file on GitHub that do not fix the version."""
    links = re.findall(r"https://github\.com/[\w.-]+/[\w.-]+/(?:blob|tree)/([^/]+)/[^)\s]+", text)
    return [f"a file of the branch {ref}, which moves" for ref in links if not re.fullmatch(r"[0-9a-f]{7,40}", ref)]


def missing_tests(text: str) -> list[str]:
    """Tests that are named and do not exist, and planted mistakes that are not named."""
    named = named_tests(text)
    complaints = [f"{file} has no {test}" for file, test in sorted(named) if test not in existing_tests(file)]
    planted = {n for n in existing_tests(MISTAKES) if n.startswith("test_")} - CONTROLS
    complaints += [f"{n} is named nowhere" for n in sorted(planted) if (MISTAKES, n) not in named]
    return complaints


def broken_links(text: str) -> list[str]:
    """Links within the book whose page or section does not exist."""
    complaints = []
    for target in re.findall(r"\]\(((?!https?://)[^)]+)\)", text):
        name, _, anchor = target.partition("#")
        if not name:
            here = anchors(PAGE) | anchors(ROOT / "book/notation.md")  # a label is found on every page
            complaints += [] if anchor in here else [f"no label {anchor}"]
            continue
        path = (PAGE.parent / name).resolve()
        if not path.is_file():
            complaints.append(f"{name} does not exist")
        elif anchor and anchor not in anchors(path):
            complaints.append(f"{name} has no section {anchor}")
    return complaints


CHECKS = [incomplete, miscounted, unsupported, unversioned, missing_tests, broken_links]


@pytest.mark.parametrize("check", CHECKS)
def test_the_errata(check):
    complaints = check(PAGE.read_text())
    assert not complaints, "\n" + "\n".join(complaints)


FAULTS = [
    (incomplete, "**Right.** It was proposed", "**Not so.** It was proposed"),
    (incomplete, "**Since.** Not known.", "**Since.** ?"),
    (miscounted, "### 7. ", "### 8. "),
    (miscounted, "### 25. Questions", "## Questions"),
    (unsupported, "{cite:t}`werbos1990`", "Common knowledge"),
    (unsupported, "Nowhere yet: the book", "Later, perhaps: the book"),
    (unsupported, "Read. The code itself is right.", "The code itself is right."),
    (unsupported, "No single one. Every", "Every"),
    (unversioned, "/blob/b0359af/", "/blob/main/"),
    (missing_tests, "*a second training step is possible*", "*a second step is possible*"),
    (missing_tests, "`test_generators.py`", "`test_generator.py`"),
    (broken_links, "#where-it-fails", "#where-it-falls"),
    (broken_links, "02_rnn/1_derivation", "02_rnn/9_derivation"),
    (broken_links, "(#parameter-counts)", "(#parameter-count)"),
]


@pytest.mark.parametrize(("check", "old", "new"), FAULTS)
def test_a_fault_is_seen(check, old, new):
    text = PAGE.read_text()
    assert old in text
    assert set(check(text.replace(old, new))) - set(check(text)), "a fault that nobody sees"
