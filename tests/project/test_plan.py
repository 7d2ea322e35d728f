"""The plan of the book (book/plan.yml) and what the pages make of it."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "book" / "_ext"))

import book_plan  # noqa: E402

# Where a list of notebooks once stood by hand.
PAGES = [ROOT / "book/index.md", ROOT / "book/how_to_study.md", *sorted((ROOT / "book/parts").glob("*.md"))]


@pytest.fixture(scope="module")
def plan():
    return book_plan.read(ROOT)


@pytest.fixture
def small(tmp_path):
    """A book of two notebooks in a folder; `change` writes a changed plan and reads it."""
    (tmp_path / "book").mkdir()
    for name, minutes in (("a/1_x", 45), ("b/1_y", 75)):
        file = tmp_path / "notebooks" / f"{name}.ipynb"
        file.parent.mkdir(parents=True)
        file.write_text(
            json.dumps({"cells": [{"cell_type": "markdown", "source": f"# T\n\n**Time** {minutes} minutes"}]})
        )
    parts = [
        {"caption": "Start", "chapters": [{"file": "book/study"}]},
        {"caption": "I · First", "chapters": [{"file": "book/parts/1"}, {"file": "notebooks/a/1_x"}]},
        {"caption": "II · Second", "chapters": [{"file": "book/parts/2"}, {"file": "notebooks/b/1_y"}]},
    ]
    (tmp_path / "_toc.yml").write_text(yaml.safe_dump({"format": "jb-book", "root": "book/index", "parts": parts}))
    entry = {"name": "X", "stop": "The X", "line": "what x does", "hours": 2, "paths": "A B"}
    path = {"name": "short", "for": "you hurry", "stops": "{stops} notebooks", "time": "{hours} hours"}
    good = {
        "paths": {"A": path, "B": path | {"time": "{weeks} weeks"}},
        "notebooks": {"a/1_x": entry, "b/1_y": entry | {"name": "Y", "stop": "The Y", "hours": 3.5, "paths": "B"}},
        "weeks": [
            {"do": "both", "notebooks": ["a/1_x", "b/1_y"], "can": "see"},
            {"do": "your own", "hours": 4, "can": "do"},
        ],
    }

    def change(**changes):
        (tmp_path / "book/plan.yml").write_text(yaml.safe_dump(good | changes))
        return book_plan.read(tmp_path)

    change.good, change.root = good, tmp_path
    return change


# ---- the book's own plan ---------------------------------------------------------------------------------------------


def test_every_notebook_is_planned_in_the_order_of_the_contents(plan):
    listed = re.findall(r"file: (notebooks/\S+)", (ROOT / "_toc.yml").read_text())
    assert [notebook.file for notebook in plan.notebooks] == listed
    here = sorted(str(path.relative_to(ROOT))[:-6] for path in (ROOT / "notebooks").glob("*/*.ipynb"))
    assert sorted(listed) == here


def test_the_course_stops_everywhere(plan):
    assert plan.stops("B") == list(plan.notebooks)


def test_no_notebook_takes_less_time_with_its_exercises_than_to_read(plan):
    for notebook in plan.notebooks:
        assert notebook.hours >= notebook.minutes / 60, notebook.file


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_page_lists_notebooks_by_hand(page):
    text = page.read_text()
    assert "{plan-" in text
    for line in text.splitlines():
        by_hand = re.match(r"(\||: |- |\d+\. )\s*\[[^]]+\]\([./]*notebooks/", line)
        assert not by_hand, f"{page.name}: {line[:80]}: the plan writes such lists"


def test_the_directives_that_the_pages_use_exist():
    known = set(re.findall(r'"(plan-[a-z]+)":', (ROOT / "book/_ext/book_plan.py").read_text()))
    used = {name for page in PAGES for name in re.findall(r"```\{(plan-[a-z]+)\}", page.read_text())}
    assert used == known


def test_every_number_in_a_sentence_can_be_given(plan):
    asked = [what for page in PAGES for what in re.findall(r"\{plan\}`([^`]+)`", page.read_text())]
    assert asked
    for what in asked:
        assert plan.number(what)


# ---- what is made of it ----------------------------------------------------------------------------------------------


def test_the_lists_of_a_small_book(small):
    plan = small()
    assert book_plan.contents(plan, "../") == (
        "[I · First](../book/parts/1.md)\n: [X](../notebooks/a/1_x.ipynb): what x does.\n\n"
        "[II · Second](../book/parts/2.md)\n: [Y](../notebooks/b/1_y.ipynb): what x does.\n"
    )
    table = book_plan.part_table(plan, "book/parts/2", "../../")
    assert table.splitlines()[2:] == ["| [Y](../../notebooks/b/1_y.ipynb) | 75 min | what x does |"]
    rows = book_plan.timetable(plan, "../").splitlines()[2:]
    assert rows[0] == "| [a · The X](../notebooks/a/1_x.ipynb) | 45 min | 2 h |"
    assert rows[-1] == "| **All** | **2 h** | **5.5 h** |"
    weeks = book_plan.weeks_table(plan, "../").splitlines()[2:]
    assert weeks == ["| 1 | both | 5.5 | see |", "| 2 | your own | 4 | do |"]
    paths = book_plan.paths_table(plan, "../").splitlines()[2:]
    assert paths == [
        "| A, short | you hurry | 1 notebooks | 1 hours |",
        "| B, short | you hurry | 2 notebooks | 2 weeks |",
    ]
    assert book_plan.stops_list(plan, "A", "../") == "1. [a · The X](../notebooks/a/1_x.ipynb): what x does (45 min)\n"


def test_numbers_in_sentences(small):
    plan = small()
    numbers = ("notebooks", "chapters", "weeks", "week hours", "weeks through a", "B stops", "B hours")
    assert [plan.number(n) for n in numbers] == ["two", "two", "two", "4 to 5.5", "one", "two", "2"]
    for unknown in ("pages", "C stops", "A pages", "weeks through 09"):
        with pytest.raises(book_plan.PlanError, match="expected"):
            plan.number(unknown)


def test_times_are_given_to_half_an_hour():
    assert [book_plan._half_hours(minutes) for minutes in (10, 45, 80, 120, 460)] == ["0", "1", "1.5", "2", "7.5"]


def test_a_page_that_opens_no_part_has_nothing_to_list(small):
    with pytest.raises(book_plan.PlanError, match="opens no part"):
        book_plan.part_table(small(), "book/index", "")
    with pytest.raises(book_plan.PlanError, match="no path 'Z'"):
        book_plan.stops_list(small(), "Z", "")


def test_the_drawing_has_a_station_a_stop_and_a_text_that_replaces_it(plan):
    root = ElementTree.fromstring(book_plan.draw(plan))
    name = "{http://www.w3.org/2000/svg}"
    stations = [c for c in root.iter(f"{name}circle") if c.get("r") == "14"]
    assert len(stations) == sum(len(plan.stops(path.letter)) for path in plan.paths)
    texts = [t.text for t in root.iter(f"{name}text")]
    for notebook in plan.notebooks:
        assert notebook.stop in texts
    assert root.get("role") == "img"
    for path in plan.paths:
        assert f"Line {path.letter}, {path.name}, stops" in root.get("aria-label")
    width, height = map(int, root.get("viewBox").split()[2:])
    ground = root.find(f"{name}rect")
    assert (ground.get("width"), ground.get("height"), ground.get("fill")) == (str(width), str(height), "#ffffff")
    assert max(int(c.get("cy")) for c in stations) < height - 14
    last = {x: max(int(c.get("cy")) for c in stations if c.get("cx") == x) for x in {c.get("cx") for c in stations}}
    ends = [re.fullmatch(r"M(\d+) 78L\1 (\d+)", line.get("d")).groups() for line in root.iter(f"{name}path")]
    assert {x: int(y) for x, y in ends} == last, "a line ends at its last station"
    sizes = [int(t.get("font-size")) for t in root.iter(f"{name}text")]
    assert min(sizes) * 350 / width >= 11, "letters must stay readable where the picture is 350 px wide"


# ---- what does not fit is said ---------------------------------------------------------------------------------------


def test_faults_of_a_plan_are_named(small):
    good = small.good
    x, y = good["notebooks"]["a/1_x"], good["notebooks"]["b/1_y"]
    week = good["weeks"][0]
    for changes, said in [
        ({"notebooks": {"a/1_x": x}}, r"no entry under `notebooks:` for b/1_y"),
        ({"notebooks": {"a/1_x": x, "b/1_y": y, "c/1_z": x}}, r"c/1_z stands under `notebooks:`, but not in _toc.yml"),
        (
            {"notebooks": {"a/1_x": x, "b/1_y": {"name": "Y"}}},
            r"expected name, stop, line, hours, paths; got name",
        ),
        ({"notebooks": {"a/1_x": x, "b/1_y": y | {"hours": "3"}}}, r"b/1_y: `hours` must not be '3'"),
        ({"notebooks": {"a/1_x": x, "b/1_y": y | {"paths": "B Q"}}}, r"b/1_y: there is no path Q"),
        ({"notebooks": {"a/1_x": x, "b/1_y": y | {"stop": "x" * 25}}}, r"b/1_y: `stop` has 25 letters"),
        ({"weeks": [week | {"notebooks": ["a/1_x"]}]}, r"b/1_y must stand in one week"),
        ({"weeks": [week, week]}, r"a/1_x, b/1_y must stand in one week"),
        ({"weeks": [week | {"notebooks": ["a/1_x", "d"]}]}, r"week 1: there is no notebook d"),
        ({"weeks": [{"do": "own", "can": "do"}]}, r"week 1: expected do, can, hours"),
        ({"paths": {"A": {"name": "short"}}}, r"path A: expected|there is no path B"),
    ]:
        with pytest.raises(book_plan.PlanError, match=said):
            small(**changes)


def test_a_notebook_without_a_reading_time_is_named(small):
    small()
    file = small.root / "notebooks/a/1_x.ipynb"
    file.write_text(file.read_text().replace("**Time** 45 minutes", "nothing"))
    with pytest.raises(book_plan.PlanError, match=r"notebooks/a/1_x.ipynb: the first cell"):
        book_plan.read(small.root)
    file.unlink()
    with pytest.raises(book_plan.PlanError, match=r"there is no notebooks/a/1_x\.ipynb"):
        book_plan.read(small.root)
    shutil.rmtree(small.root / "book")
    with pytest.raises(book_plan.PlanError, match=r"plan\.yml is missing"):
        book_plan.read(small.root)
