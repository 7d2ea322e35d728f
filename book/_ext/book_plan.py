"""The plan of the book on its pages: lists, tables, totals and the drawing of the paths, made while the site is built.

The plan stands in `book/plan.yml`; `_toc.yml` has the order and the parts, and every notebook states its reading time
("**Time** 45 minutes"). Directives:

    ```{plan-contents}     every part with its notebooks, for the landing page
    ```{plan-part}         the notebooks of the part whose opener the page is
    ```{plan-paths}        the paths, in a table
    ```{plan-map}          the paths, drawn
    ```{plan-stops} A      the stops of one path
    ```{plan-timetable}    every notebook with its times
    ```{plan-weeks}        the course by weeks

and a role for a number in a sentence, such as {plan}`weeks` or {plan}`A stops`.
"""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective, SphinxRole

STATED = re.compile(r"\*\*Time\*\* (\d+) minutes")
NUMBERS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]


class PlanError(ExtensionError):
    """The plan does not fit the book. The message says which file to change, and how."""


# ---- what is planned -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Notebook:
    """One notebook: `file` without its ending, as in _toc.yml; `minutes` to read it, `hours` with its exercises."""

    file: str
    name: str
    stop: str
    line: str
    minutes: int
    hours: float
    paths: tuple[str, ...]

    @property
    def chapter(self) -> str:
        """The chapter's two digits."""
        return self.file.split("/")[1][:2]


@dataclass(frozen=True)
class Part:
    """A part of the book: its opener, a document name, and its notebooks in order."""

    caption: str
    opener: str
    notebooks: tuple[Notebook, ...]


@dataclass(frozen=True)
class Route:
    """A way through the book. `stops` and `time` are texts in which {names of `numbers`} stand for numbers."""

    letter: str
    name: str
    reader: str
    stops: str
    time: str


@dataclass(frozen=True)
class Week:
    """A week of the course."""

    do: str
    notebooks: tuple[Notebook, ...]
    hours: float
    can: str


@dataclass(frozen=True)
class Plan:
    """The whole plan."""

    parts: tuple[Part, ...]
    paths: tuple[Route, ...]
    weeks: tuple[Week, ...]

    @property
    def notebooks(self) -> tuple[Notebook, ...]:
        """All notebooks in order."""
        return tuple(notebook for part in self.parts for notebook in part.notebooks)

    def stops(self, letter: str, without: str = "") -> list[Notebook]:
        """The notebooks at which a path stops; `without` leaves out those whose file name contains it."""
        found = [notebook for notebook in self.notebooks if letter in notebook.paths]
        return [notebook for notebook in found if not without or without not in notebook.file]

    def numbers(self, letter: str) -> dict[str, str]:
        """What may stand in the texts of a path, by name: stops, hours, weeks, and both without one library."""
        found = {"weeks": str(len(self.weeks))}
        for prefix, without in (("", ""), ("without_keras_", "keras")):
            stops = self.stops(letter, without)
            found[f"{prefix}stops"] = str(len(stops))
            found[f"{prefix}hours"] = _half_hours(sum(notebook.minutes for notebook in stops))
        return found

    def number(self, what: str) -> str:
        """A number for a sentence.

        "notebooks", "chapters", "weeks" and "A stops" in words up to twelve; "A hours" to half an hour; "week hours"
        the shortest and the longest week; "weeks through 02" how many weeks that chapter's end takes.

        Raises PlanError for anything else.
        """
        words = what.split()
        if what == "notebooks":
            return _in_words(len(self.notebooks))
        if what == "chapters":
            return _in_words(len({notebook.chapter for notebook in self.notebooks}))
        if what == "weeks":
            return _in_words(len(self.weeks))
        if what == "week hours":
            hours = [week.hours for week in self.weeks]
            return f"{min(hours):g} to {max(hours):g}"
        if what.startswith("weeks through "):
            chapter = words[-1]
            last = [i for i, week in enumerate(self.weeks, 1) if any(n.chapter == chapter for n in week.notebooks)]
            if last:
                return _in_words(last[-1])
        if len(words) == 2 and words[0] in {path.letter for path in self.paths}:
            number = self.numbers(words[0]).get(words[1])
            if number is not None:
                return _in_words(int(number)) if words[1].endswith("stops") else number
        raise PlanError(
            f'{{plan}}`{what}`: expected "notebooks", "chapters", "weeks", "week hours", "weeks through 02" or a path '
            f'with a number, such as "A stops" or "C without_keras_hours"'
        )


def _half_hours(minutes: float) -> str:
    return f"{round(minutes / 30) / 2:g}"


def _in_words(number: int) -> str:
    return NUMBERS[number] if number < len(NUMBERS) else str(number)


# ---- reading it ----------------------------------------------------------------------------------------------------


def read(root: Path) -> Plan:
    """Return the plan of the book in the folder `root`.

    Raises PlanError where book/plan.yml, _toc.yml and the notebooks do not fit together.
    """
    file = root / "book" / "plan.yml"
    if not file.exists():
        raise PlanError("book/plan.yml is missing: the pages take their lists of notebooks from it")
    written = yaml.safe_load(file.read_text(encoding="utf-8"))
    _has("the file", written, {"paths": dict, "notebooks": dict, "weeks": list})
    contents = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))["parts"]
    listed = [entry["file"] for part in contents for entry in part["chapters"]]
    listed = [name.removeprefix("notebooks/") for name in listed if name.startswith("notebooks/")]
    if missing := [name for name in listed if name not in written["notebooks"]]:
        raise PlanError(f"book/plan.yml: no entry under `notebooks:` for {', '.join(missing)}, which _toc.yml lists")
    if unknown := [name for name in written["notebooks"] if name not in listed]:
        raise PlanError(f"book/plan.yml: {', '.join(unknown)} stands under `notebooks:`, but not in _toc.yml")
    notebooks = {name: _notebook(root, name, written["notebooks"][name], set(written["paths"])) for name in listed}
    weeks = tuple(_week(number, week, notebooks) for number, week in enumerate(written["weeks"], 1))
    taught = [notebook.file.removeprefix("notebooks/") for week in weeks for notebook in week.notebooks]
    if wrong := [name for name in listed if taught.count(name) != 1]:
        raise PlanError(f"book/plan.yml: {', '.join(wrong)} must stand in one week of `weeks:`, no more and no less")
    return Plan(_parts(contents, notebooks), _paths(written["paths"]), weeks)


def _has(where: str, entry: Any, wanted: dict[str, type | tuple[type, ...]]) -> None:
    """Raise PlanError unless `entry` is a mapping with just the wanted keys and types."""
    if not isinstance(entry, dict) or set(entry) != set(wanted):
        got = ", ".join(map(str, entry)) if isinstance(entry, dict) else type(entry).__name__
        raise PlanError(f"book/plan.yml: {where}: expected {', '.join(wanted)}; got {got}")
    for key, kind in wanted.items():
        if not isinstance(entry[key], kind) or isinstance(entry[key], bool):
            raise PlanError(f"book/plan.yml: {where}: `{key}` must not be {entry[key]!r}")


def _notebook(root: Path, name: str, entry: Any, letters: set[str]) -> Notebook:
    _has(name, entry, {"name": str, "stop": str, "line": str, "hours": (int, float), "paths": str})
    paths = tuple(entry["paths"].split())
    if unknown := set(paths) - letters:
        raise PlanError(f"book/plan.yml: {name}: there is no path {', '.join(sorted(unknown))}")
    if len(entry["stop"]) > 24:
        raise PlanError(f"book/plan.yml: {name}: `stop` has {len(entry['stop'])} letters, the drawing has room for 24")
    file = root / "notebooks" / f"{name}.ipynb"
    if not file.exists():
        raise PlanError(f"_toc.yml lists notebooks/{name}, but there is no notebooks/{name}.ipynb")
    first = json.loads(file.read_text(encoding="utf-8"))["cells"][0]
    stated = STATED.search("".join(first["source"]))
    if stated is None:
        raise PlanError(f"notebooks/{name}.ipynb: the first cell does not say '**Time** … minutes'")
    return Notebook(
        f"notebooks/{name}", entry["name"], entry["stop"], entry["line"], int(stated[1]), entry["hours"], paths
    )


def _parts(contents: list[dict], notebooks: dict[str, Notebook]) -> tuple[Part, ...]:
    found = []
    for part in contents:
        files = [entry["file"] for entry in part["chapters"]]
        inside = tuple(notebooks[name.removeprefix("notebooks/")] for name in files if name.startswith("notebooks/"))
        if inside:
            found.append(Part(part["caption"], files[0], inside))
    return tuple(found)


def _paths(written: dict[str, Any]) -> tuple[Route, ...]:
    found = []
    for letter, entry in written.items():
        _has(f"path {letter}", entry, {"name": str, "for": str, "stops": str, "time": str})
        found.append(Route(letter, entry["name"], entry["for"], entry["stops"], entry["time"]))
    return tuple(found)


def _week(number: int, entry: Any, notebooks: dict[str, Notebook]) -> Week:
    where = f"week {number}"
    own = isinstance(entry, dict) and "notebooks" not in entry
    _has(where, entry, {"do": str, "can": str} | ({"hours": (int, float)} if own else {"notebooks": list}))
    names = entry.get("notebooks", [])
    if unknown := [name for name in names if name not in notebooks]:
        raise PlanError(f"book/plan.yml: {where}: there is no notebook {', '.join(unknown)}")
    chosen = tuple(notebooks[name] for name in names)
    hours = entry["hours"] if own else sum(notebook.hours for notebook in chosen)
    return Week(entry["do"], chosen, hours, entry["can"])


# ---- as Markdown ---------------------------------------------------------------------------------------------------


def contents(plan: Plan, up: str) -> str:
    """Every part with its notebooks, as a list of definitions; `up` leads from the page to the root of the book."""
    lines = []
    for part in plan.parts:
        lines.append(f"[{part.caption}]({up}{part.opener}.md)")
        lines += [f": {_link(notebook, up)}: {notebook.line}." for notebook in part.notebooks]
        lines.append("")
    return "\n".join(lines)


def part_table(plan: Plan, opener: str, up: str) -> str:
    """The notebooks of one part, with reading times. Raises PlanError for a page that opens no part."""
    part = next((part for part in plan.parts if part.opener == opener), None)
    if part is None:
        raise PlanError(f"{opener}: this page opens no part of _toc.yml, so plan-part has nothing to list")
    rows = [[_link(notebook, up), f"{notebook.minutes} min", notebook.line] for notebook in part.notebooks]
    return _table(["Notebook", "Reading", "What it does"], ":-- --: :--", rows)


def paths_table(plan: Plan, up: str) -> str:
    """The paths: for whom, how many stops, how long."""
    rows = []
    for path in plan.paths:
        numbers = plan.numbers(path.letter)
        rows.append(
            [f"{path.letter}, {path.name}", path.reader, path.stops.format(**numbers), path.time.format(**numbers)]
        )
    return _table(["Path", "For you if", "Stops", "Time"], ":-- :-- :-- :--", rows)


def stops_list(plan: Plan, letter: str, up: str) -> str:
    """The stops of a path in order. Raises PlanError for a path that there is not."""
    if letter not in {path.letter for path in plan.paths}:
        raise PlanError(f"plan-stops: there is no path {letter!r} in book/plan.yml")
    return "".join(f"1. {_full_link(n, up)}: {n.line} ({n.minutes} min)\n" for n in plan.stops(letter))


def timetable(plan: Plan, up: str) -> str:
    """Every notebook with the time it takes to read, and to work through."""
    rows = [
        [_full_link(notebook, up), f"{notebook.minutes} min", f"{notebook.hours:g} h"] for notebook in plan.notebooks
    ]
    total = sum(notebook.minutes for notebook in plan.notebooks), sum(notebook.hours for notebook in plan.notebooks)
    rows.append(["**All**", f"**{_half_hours(total[0])} h**", f"**{total[1]:g} h**"])
    return _table(["Notebook", "Reading", "With exercises"], ":-- --: --:", rows)


def weeks_table(plan: Plan, up: str) -> str:
    """The course by weeks."""
    rows = [[str(i), week.do, f"{week.hours:g}", week.can] for i, week in enumerate(plan.weeks, 1)]
    return _table(["Week", "What to do", "Hours", "You can then"], ":-- :-- --: :--", rows)


def _link(notebook: Notebook, up: str) -> str:
    """A link under the name that is clear within its part."""
    return f"[{notebook.name}]({up}{notebook.file}.ipynb)"


def _full_link(notebook: Notebook, up: str) -> str:
    """A link under a name that is clear anywhere."""
    return f"[{notebook.chapter} · {notebook.stop}]({up}{notebook.file}.ipynb)"


def _table(heads: list[str], align: str, rows: list[list[str]]) -> str:
    lines = [heads, align.split(), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


# ---- as a drawing --------------------------------------------------------------------------------------------------

COLOURS = {"A": "#0072B2", "B": "#D55E00", "C": "#009E73"}  # blue, vermilion and green of Okabe and Ito
FONT = "font-family=\"Helvetica, Arial, 'DejaVu Sans', sans-serif\""
LEFT, TRACK, STEP, GAP, TOP, WIDTH = 60, 70, 54, 12, 126, 720


def draw(plan: Plan) -> str:
    """The paths as lines of a railway map, an SVG with a text that replaces it."""
    columns = {path.letter: LEFT + TRACK * i for i, path in enumerate(plan.paths)}
    rows, y = [], TOP
    for i, notebook in enumerate(plan.notebooks):
        if i and notebook.chapter != plan.notebooks[i - 1].chapter:
            y += GAP
        rows.append((notebook, y))
        y += STEP
    height = rows[-1][1] + 48
    text_x = LEFT + TRACK * (len(columns) - 1) + 50
    drawn = [f'<rect width="{WIDTH}" height="{height}" rx="12" fill="#ffffff"/>']
    for letter, x in columns.items():
        colour = COLOURS.get(letter, "#6C757D")
        stations = [y for notebook, y in rows if letter in notebook.paths]
        drawn.append(f'<circle cx="{x}" cy="52" r="26" fill="{colour}"/>')
        drawn.append(_text(x, 62, letter, 30, "#ffffff", 'font-weight="bold" text-anchor="middle"'))
        if stations:
            line = f"M{x} 78L{x} {stations[-1]}"
            drawn.append(f'<path d="{line}" stroke="{colour}" stroke-width="10" stroke-linecap="round"/>')
        drawn += [
            f'<circle cx="{x}" cy="{y}" r="14" fill="#ffffff" stroke="{colour}" stroke-width="7"/>' for y in stations
        ]
    drawn.append(_text(text_x, 62, f"the {_in_words(len(columns))} paths", 28, "#6C757D"))
    for notebook, y in rows:
        drawn.append(_text(text_x, y + 10, notebook.chapter, 26, "#6C757D"))
        drawn.append(_text(text_x + 48, y + 11, notebook.stop, 31, "#2B2D42", 'font-weight="bold"'))
    label = html.escape(in_words(plan), quote=True)
    return (
        f'<svg class="plan-map" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" role="img" aria-label="{label}">\n'
        f"<title>The {_in_words(len(columns))} paths through the book</title>\n" + "\n".join(drawn) + "\n</svg>\n"
    )


def in_words(plan: Plan) -> str:
    """What the drawing shows, for who does not see it."""
    said = [f"{_in_words(len(plan.paths)).capitalize()} lines like those of a railway map."]
    for path in plan.paths:
        stops = plan.stops(path.letter)
        where = "everywhere" if len(stops) == len(plan.notebooks) else "at " + ", ".join(n.stop for n in stops)
        said.append(f"Line {path.letter}, {path.name}, stops {where}.")
    return " ".join(said)


def _text(x: int, y: int, text: str, size: int, colour: str, more: str = "") -> str:
    more = f" {more}" if more else ""
    return f'<text x="{x}" y="{y}" {FONT} font-size="{size}" fill="{colour}"{more}>{html.escape(text)}</text>'


# ---- on the pages --------------------------------------------------------------------------------------------------


class OnPage:
    """What directives and the role share: the plan, read once a build, and the pages that depend on it."""

    def plan(self) -> Plan:
        """The plan. The page is built again when the plan, the contents or a notebook change."""
        root, env = Path(self.env.srcdir), self.env
        for name in ("book/plan.yml", "_toc.yml"):
            env.note_dependency(name)
        if not hasattr(env.app, "book_plan"):
            env.app.book_plan = read(root)
        for notebook in env.app.book_plan.notebooks:  # their reading times
            env.note_dependency(f"{notebook.file}.ipynb")
        return env.app.book_plan

    def up(self) -> str:
        """The way from the page's folder to the root of the book."""
        return "../" * self.env.docname.count("/")


class PlanText(OnPage, SphinxDirective):
    """A directive that writes a piece of the plan as Markdown, and lets the page's own parser read it."""

    def markdown(self) -> str:
        """The text."""
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        """Return the nodes of the text."""
        return self.parse_text_to_nodes(self.markdown())


class PlanContents(PlanText):
    def markdown(self) -> str:
        return contents(self.plan(), self.up())


class PlanPart(PlanText):
    def markdown(self) -> str:
        return part_table(self.plan(), self.env.docname, self.up())


class PlanPaths(PlanText):
    def markdown(self) -> str:
        return paths_table(self.plan(), self.up())


class PlanStops(PlanText):
    required_arguments = 1

    def markdown(self) -> str:
        return stops_list(self.plan(), self.arguments[0], self.up())


class PlanTimetable(PlanText):
    def markdown(self) -> str:
        return timetable(self.plan(), self.up())


class PlanWeeks(PlanText):
    def markdown(self) -> str:
        return weeks_table(self.plan(), self.up())


class PlanMap(OnPage, SphinxDirective):
    """The drawing of the paths, inside the page."""

    def run(self) -> list[nodes.Node]:
        """Return the drawing."""
        return [nodes.raw("", draw(self.plan()), format="html")]


class PlanNumber(OnPage, SphinxRole):
    """A number of the plan in a sentence."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the number as text."""
        return [nodes.Text(self.plan().number(self.text))], []


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives and the role with Sphinx."""
    for name, directive in {
        "plan-contents": PlanContents,
        "plan-part": PlanPart,
        "plan-paths": PlanPaths,
        "plan-map": PlanMap,
        "plan-stops": PlanStops,
        "plan-timetable": PlanTimetable,
        "plan-weeks": PlanWeeks,
    }.items():
        app.add_directive(name, directive)
    app.add_role("plan", PlanNumber())
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
