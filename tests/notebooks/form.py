"""The form of a notebook: each function takes a page and returns what is wrong with it, in words; empty is right.

`CHECKS` holds those that look at one page. Those that look at the whole book stand below it.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import nbformat
import yaml
from nbformat import NotebookNode

from tools import normalise, setup_cell

ROOT = Path(__file__).resolve().parents[2]

MAX_BYTES = 1_500_000
MAX_LINES = 25  # of a code cell
MAX_PRINTED = 100  # lines of output of a code cell; nbval gives up on floods
MIN_ALT, MAX_ALT = 40, 600  # characters
MIN_COMPARED = 0.85  # of the cells that print
MAX_RTOL, MAX_ATOL = 0.3, 1e-4

TAGS = {"exercise", "hide-cell", "hide-input", "hide-output", "nbval-ignore-output", "setup", "solution"}
OBJECTIVES = range(3, 6)

# RNN.1, GRU-after.3: at least two capitals, so that "Fig.1" or "v2.0" are none.
EQUATION = re.compile(r"\b[A-Z]{2,}(?:-[a-z]+)?\.\d+\b")


@dataclass(frozen=True)
class Page:
    """A notebook with its name and the text of its file."""

    name: str
    notebook: NotebookNode
    text: str

    @classmethod
    def read(cls, path: Path) -> Page:
        """The page of a notebook file of the book."""
        name = path.relative_to(ROOT).as_posix()
        return cls(name, normalise.parse(path.read_bytes(), name), path.read_text(encoding="utf-8"))

    @property
    def code(self) -> list[NotebookNode]:
        """The code cells."""
        return [cell for cell in self.notebook.cells if cell.cell_type == "code"]

    @property
    def prose(self) -> list[str]:
        """The sources of the Markdown cells."""
        return [cell.source for cell in self.notebook.cells if cell.cell_type == "markdown"]


def pages() -> list[Page]:
    """All notebooks of the book."""
    paths = sorted((ROOT / "notebooks").rglob("*.ipynb"))
    return [Page.read(path) for path in paths if ".ipynb_checkpoints" not in path.parts]


CHECKS: dict[str, Callable[[Page], list[str]]] = {}


def check(function: Callable[[Page], list[str]]) -> Callable[[Page], list[str]]:
    """Register a check of one page."""
    CHECKS[function.__name__] = function
    return function


def _tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def _printed(cell: NotebookNode) -> str:
    """What a code cell shows as text; a figure's own line is none."""
    pieces = [
        o.get("text", "") if o.output_type == "stream" else o.get("data", {}).get("text/plain", "")
        for o in cell.outputs
    ]
    return "\n".join(p for p in pieces if p.strip() and not p.startswith("<Figure size"))


def _label(number: int, cell: NotebookNode) -> str:
    first = next((line.strip() for line in cell.source.splitlines() if line.strip()), "")
    return f"code cell {number} ({first[:50]})"


def _without_code(markdown: str) -> str:
    """Markdown with fenced blocks taken out and code spans replaced by one mark each."""
    markdown = re.sub(r"^(```|~~~).*?^\1[ \t]*$", "", markdown, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "\x01", markdown, flags=re.DOTALL)


def _without_mathematics(markdown: str) -> str:
    markdown = re.sub(r"\$\$.*?\$\$", "\x02", markdown, flags=re.DOTALL)
    markdown = re.sub(r"\\begin\{(\w+\*?)\}.*?\\end\{\1\}", "\x02", markdown, flags=re.DOTALL)
    return re.sub(r"(?<![\\$])\$[^$\n]+?\$", "\x02", markdown)


def _tree(cell: NotebookNode) -> ast.Module | None:
    try:
        return ast.parse(cell.source)
    except SyntaxError:
        return None


# One page


@check
def executed(page: Page) -> list[str]:
    """Every code cell was run, in order, in a fresh kernel, without an error. A stripped notebook compares nothing."""
    counts = [cell.execution_count for cell in page.code]
    complaints = [] if page.code else ["no code cell"]
    if counts != list(range(1, len(counts) + 1)):
        complaints.append(f"execution counts are {counts}, not 1 to {len(counts)}: refresh it")
    for i, cell in enumerate(page.code, 1):
        complaints += [
            f"{_label(i, cell)} has a stored error: {o.ename}" for o in cell.outputs if o.output_type == "error"
        ]
    return complaints


@check
def normal_form(page: Page) -> list[str]:
    """The file is what tools/refresh.py writes."""
    wanted = normalise.text(normalise.normalise(nbformat.reads(page.text, as_version=4)))
    return [] if page.text == wanted else ["not in normal form: tools/refresh.py --normalise"]


@check
def setup(page: Page) -> list[str]:
    """The first code cell is the book's setup cell, silent, and there is no other."""
    if not page.code or page.code[0].source != setup_cell.current() or setup_cell.TAG not in _tags(page.code[0]):
        return ["the first code cell is not the setup cell of tools/setup_cell.py"]
    complaints = ["the setup cell prints something"] if page.code[0].outputs else []
    if sum(setup_cell.TAG in _tags(cell) for cell in page.code) > 1:
        complaints.append("more than one setup cell")
    return complaints


@check
def plain_markdown(page: Page) -> list[str]:
    """Nothing that only Sphinx understands: the same text is read in Colab and JupyterLab."""
    faults = {
        r"\{[A-Za-z][\w:+-]*\}\x01": "a role",
        r"^\s*:{3,}": "a colon fence",
        r"^\([\w-]+\)=\s*$": "a target",
        r"\x02[ \t]*\([\w-]+\)[ \t]*$": "an equation label",
        r"^%": "a comment line",
        r"^\+\+\+": "a block break",
        r"^\{[^}\n]*\}\s*$|[\])\x01]\{[^}\n]*\}": "an attribute in braces",
        r"\{\{": "a substitution",
        r"<!--": "an HTML comment",
    }
    complaints = []
    for source in page.prose:
        if re.search(r"^\s*(```+|~~~+)\s*\{", source, re.MULTILINE):
            complaints.append("a directive in a fenced block")
        text = _without_mathematics(_without_code(source))
        for pattern, name in faults.items():
            if found := re.search(pattern, text, re.MULTILINE):
                shown = found[0].replace("\x01", "`…`").replace("\x02", "$…$")
                complaints.append(f"{name} in the Markdown: {shown!r}")
    return complaints


@check
def equations(page: Page) -> list[str]:
    """Displayed equations are written in the forms that render on the site, in Colab and in JupyterLab."""
    return [complaint for source in page.prose for complaint in equation_faults(source)]


def equation_faults(markdown: str) -> list[str]:
    """What would not render among the equations of a text."""
    text = _without_code(markdown)
    complaints = []
    if text.count("$$") % 2:
        complaints.append("an odd number of $$")
    for block in re.findall(r"\$\$(.*?)\$\$", text, re.DOTALL):
        shown = " ".join(block.split())[:50]
        if "\\tag" in block and re.search(r"\\\\(?!\w)", block):
            complaints.append(f"several lines and a \\tag between $$, use a bare align* block: {shown}")
        if block.count("\\tag") > 1:
            complaints.append(f"two tags between one pair of $$: {shown}")
        if re.search(r"\\begin\{(align|equation|gather)\*?\}", block):
            complaints.append(f"an environment of its own between $$: {shown}")
    for before, name in re.findall(r"^(.*?)\\begin\{((?:align|equation|gather)\*?)\}", text, re.MULTILINE):
        if before.strip():
            complaints.append(f"\\begin{{{name}}} does not begin its line")
        if not name.endswith("*"):
            complaints.append(f"\\begin{{{name}}} numbers itself: use {name}* and \\tag")
    complaints += [
        f"{command} is not rendered everywhere" for command in ("\\label", "\\ref", "\\eqref") if f"{command}{{" in text
    ]
    return complaints


@check
def alternative_text(page: Page) -> list[str]:
    """Every figure says in words what it shows; figures are PNG, one a cell."""
    complaints, seen = [], set()
    for i, cell in enumerate(page.code, 1):
        kinds = [kind for output in cell.outputs for kind in output.get("data", {})]
        if "image/svg+xml" in kinds or any("widget" in kind for kind in kinds):
            complaints.append(f"{_label(i, cell)} shows SVG or a widget; only PNG is stable")
        if (figures := kinds.count("image/png")) > 1:
            complaints.append(f"{_label(i, cell)} shows {figures} figures under one alternative text")
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        if figures and not MIN_ALT <= len(alt.strip()) <= MAX_ALT:
            complaints.append(
                f"{_label(i, cell)} has an alternative text of {len(alt)} characters, not {MIN_ALT} to {MAX_ALT}"
            )
        if figures and re.match(r"(an? )?(figure|image|picture)\b", alt, re.IGNORECASE):
            complaints.append(
                f"{_label(i, cell)}: the alternative text begins with what every screen reader says itself"
            )
        if figures and alt in seen:
            complaints.append(f"{_label(i, cell)} repeats the alternative text of another figure")
        if alt and not figures:
            complaints.append(f"{_label(i, cell)} has an alternative text and no figure")
        seen.add(alt)
    for source in page.prose:
        complaints += [
            f"a picture without alternative text: {found}" for found in re.findall(r"!\[\s*\]\([^)]*\)", source)
        ]
        complaints += [
            f"a picture without alternative text: {found}"
            for found in re.findall(r"<img(?![^>]*\balt=\"[^\"]{10,}\")[^>]*>", source)
        ]
    return complaints


@check
def stable_output(page: Page) -> list[str]:
    """Nothing in the outputs that differs at every run or kills nbval."""
    complaints = []
    for i, cell in enumerate(page.code, 1):
        text = _printed(cell)
        if found := re.search(r"\bat 0x[0-9a-fA-F]+|<matplotlib\.[^>]*>|<Axes[^>]*>|\bText\(", text):
            complaints.append(f"{_label(i, cell)} prints an object: {found[0]}; end the cell with plt.show()")
        if "\b" in text:
            complaints.append(f"{_label(i, cell)} prints backspaces (a progress bar?)")
        if text.count("\n") > MAX_PRINTED:
            complaints.append(f"{_label(i, cell)} prints {text.count(chr(10))} lines, more than {MAX_PRINTED}")
    return complaints


@check
def size(page: Page) -> list[str]:
    """The file is small enough for Colab, GitHub and a phone."""
    length = len(page.text.encode())
    return [] if length <= MAX_BYTES else [f"{length / 1e6:.2f} MB, more than {MAX_BYTES / 1e6} MB"]


@check
def anatomy(page: Page) -> list[str]:
    """Title, objectives, what it takes; Exercises, Summary, Read on as the last sections; no heading level skipped."""
    if not page.notebook.cells or page.notebook.cells[0].cell_type != "markdown":
        return ["does not begin with a Markdown cell"]
    complaints = []
    headings = [
        h for source in page.prose for h in re.findall(r"^(#{1,6}) +(.+?)\s*$", _without_code(source), re.MULTILINE)
    ]
    levels = [len(marks) for marks, _ in headings]
    if levels.count(1) != 1 or not page.prose[0].startswith("# "):
        complaints.append("needs one title (# …), at its very beginning")
    for (marks, title), before in zip(headings[1:], levels, strict=False):
        if len(marks) > before + 1:
            complaints.append(f"the heading {title!r} skips a level")
    first_code = next((i for i, c in enumerate(page.notebook.cells) if c.cell_type == "code"), 0)
    opening = "\n\n".join(cell.source for cell in page.notebook.cells[:first_code])
    goals = re.search(
        r"^\*\*You will:?\*\*:?[^\n]*\n\s*((?:[-*] [^\n]*\n?(?:[ \t]+[^\n]*\n?)*)+)", opening, re.MULTILINE
    )
    if not goals:
        complaints.append("the opening has no list under **You will**")
    elif (count := len(re.findall(r"^[-*] ", goals[1], re.MULTILINE))) not in OBJECTIVES:
        complaints.append(f"{count} objectives, not {OBJECTIVES[0]} to {OBJECTIVES[-1]}")
    complaints += [
        f"the opening does not say **{w}**" for w in ("Time", "Prerequisites", "Hardware") if f"**{w}" not in opening
    ]
    sections = [title for marks, title in headings if marks == "##"]
    if sections[-3:] != ["Exercises", "Summary", "Read on"]:
        complaints.append(f"the last sections are {sections[-3:]}, not Exercises, Summary, Read on")
    if page.prose and not re.search(r"\]\(https?://[^)]+\)", page.prose[-1]):
        complaints.append("Read on has no link")
    return complaints


@dataclass
class _Exercise:
    title: str
    cells: list[NotebookNode]


def _exercises(page: Page) -> list[_Exercise]:
    """The exercises of a page: the cells from each heading `### Exercise` to the next heading of its level or above."""
    found: list[_Exercise] = []
    inside = False
    for cell in page.notebook.cells:
        headings = []
        if cell.cell_type == "markdown":
            headings = re.findall(r"^(#{1,3}) +(.+?)\s*$", _without_code(cell.source), re.MULTILINE)
        for marks, title in headings:
            inside = marks == "###" and bool(re.match(r"Exercise\b", title))
            if inside:
                found.append(_Exercise(title, []))
        if inside:
            found[-1].cells.append(cell)
    return found


@check
def exercises(page: Page) -> list[str]:
    """At least three exercises, each with grade, stub, check, hint and an executed, folded solution that passes."""
    found = _exercises(page)
    complaints = (
        [] if len(found) >= 3 else [f"{len(found)} exercises (cells that begin with `### Exercise N ★`), not 3"]
    )
    for exercise in found:
        name = f"exercise {exercise.title!r}"
        if not re.match(r"Exercise \d+ ★{1,3}(?!★)\W", exercise.title):
            complaints.append(f"{name}: the heading is not `### Exercise N ★: what`, with one to three stars")
        prose = "\n".join(cell.source for cell in exercise.cells if cell.cell_type == "markdown")
        if not re.search(r"<details>\s*<summary>.*?[Hh]int.*?</summary>\n\n.*?\S.*?\n\n</details>", prose, re.DOTALL):
            complaints.append(
                f"{name}: no hint in <details><summary>Hint</summary>, blank line, text, blank line, </details>"
            )
        code = [cell for cell in exercise.cells if cell.cell_type == "code"]
        stubs = [cell for cell in code if "exercise" in _tags(cell)]
        solutions = [cell for cell in code if "solution" in _tags(cell)]
        if not any("not written yet" in _printed(cell) for cell in stubs):
            complaints.append(f"{name}: no cell tagged `exercise` whose check answers that nothing is written yet")
        if not any(re.search(r"^check_\w+: passed", _printed(cell), re.MULTILINE) for cell in solutions):
            complaints.append(f"{name}: no cell tagged `solution` whose check passes")
        for cell in solutions:
            folded = "hide-cell" in _tags(cell) and cell.metadata.get("cellView") == "form"
            if not folded or not re.match(r"# ?@title Solution\b", cell.source):
                complaints.append(f"{name}: the solution is not folded (hide-cell, cellView form, `# @title Solution`)")
            if "not yet." in _printed(cell):
                complaints.append(f"{name}: the solution fails its check")
    outside = [cell for cell in page.code if {"exercise", "solution"} & set(_tags(cell))]
    if len(outside) != sum(
        len({"exercise", "solution"} & set(_tags(c))) for e in found for c in e.cells if c.cell_type == "code"
    ):
        complaints.append("a cell tagged `exercise` or `solution` outside an exercise, or with both tags")
    return complaints


def imported(page: Page) -> set[str]:
    """The top-level modules that a page imports."""
    names: set[str] = set()
    for cell in page.code:
        for node in ast.walk(_tree(cell) or ast.Module([], [])):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.split(".")[0])
    return names


@check
def frameworks(page: Page) -> list[str]:
    """PyTorch and TensorFlow never share a kernel (Keras runs on TensorFlow unless the page says otherwise)."""
    names = imported(page)
    other = any(re.search(r"KERAS_BACKEND\W+\"(torch|jax|numpy)\"", cell.source) for cell in page.code)
    if "torch" in names and ("tensorflow" in names or ("keras" in names and not other)):
        return ["PyTorch and TensorFlow (or Keras on it) in one notebook"]
    return []


@check
def no_absolute_paths(page: Page) -> list[str]:
    """No path of somebody's machine, in sources or outputs."""
    pattern = r"(?<![\w.:/-])(?:/(?:home|Users|root|tmp|work|content|opt|usr|mnt|var)/[\w.-]+|[A-Z]:\\\w+)"
    complaints = []
    for i, cell in enumerate(page.code, 1):
        for text in (cell.source, _printed(cell)):
            complaints += [
                f"{_label(i, cell)} holds a path of one machine: {found}" for found in re.findall(pattern, text)
            ]
    complaints += [f"the Markdown holds a path of one machine: {f}" for s in page.prose for f in re.findall(pattern, s)]
    return complaints


@check
def short_cells(page: Page) -> list[str]:
    """A cell does one thing, in at most 25 lines; the setup cell aside."""
    complaints = []
    for i, cell in enumerate(page.code, 1):
        lines = sum(bool(line.strip()) for line in cell.source.splitlines())
        if lines > MAX_LINES and setup_cell.TAG not in _tags(cell):
            complaints.append(f"{_label(i, cell)} has {lines} lines, more than {MAX_LINES}")
    return complaints


@check
def plain_python(page: Page) -> list[str]:
    """Python only: no shell line, no magic, nothing installed."""
    complaints = []
    for i, cell in enumerate(page.code, 1):
        if found := re.search(r"^\s*[!%].*|\b(pip|conda|mamba)3? install\b|\bget_ipython\b", cell.source, re.MULTILINE):
            complaints.append(f"{_label(i, cell)} is not plain Python: {found[0].strip()}")
        elif _tree(cell) is None:
            complaints.append(f"{_label(i, cell)} is not valid Python")
    return complaints


@check
def known_tags(page: Page) -> list[str]:
    """Only tags that something reads; a tolerance that still compares."""
    complaints = []
    for cell in page.notebook.cells:
        for tag in set(_tags(cell)) - TAGS:
            found = re.fullmatch(r"(rtol|atol)-(\d+(?:\.\d+)?(?:e-?\d+)?)", tag)
            if not found:
                complaints.append(f"unknown tag {tag!r}")
            elif not 0 < float(found[2]) <= (MAX_RTOL if found[1] == "rtol" else MAX_ATOL):
                complaints.append(f"tag {tag!r} compares nothing any more")
        if cell.cell_type == "code" and re.search(r"#\s*(NBVAL|PYTEST_VALIDATE)_", cell.source):
            complaints.append("a comment steers nbval: use a tag")
    return complaints


# The whole book


def comparison(page: Page) -> tuple[int, int]:
    """(cells that print, those of them that nbval compares)."""
    printing = [cell for cell in page.code if _printed(cell).strip()]
    return len(printing), sum("nbval-ignore-output" not in _tags(cell) for cell in printing)


def compared(book: Iterable[Page]) -> list[str]:
    """At least 85 % of the cells that print are compared."""
    counts = {page.name: comparison(page) for page in book}
    printing, kept = sum(n for n, _ in counts.values()), sum(k for _, k in counts.values())
    if not printing or kept < MIN_COMPARED * printing:
        listed = ", ".join(f"{name} {k}/{n}" for name, (n, k) in counts.items())
        return [f"{kept} of {printing} printing cells are compared, less than {MIN_COMPARED:.0%}: {listed}"]
    return []


def displayed_tags(markdown: str) -> list[str]:
    """The tags of the equations of a text."""
    return re.findall(r"\\tag\*?\{([^}]*)\}", _without_code(markdown))


def commented_tags(source: str) -> set[str]:
    """The equation tags that the comments of Python code name."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (tokenize.TokenError, IndentationError, SyntaxError):
        return set()
    return {tag for token in tokens if token.type == tokenize.COMMENT for tag in EQUATION.findall(token.string)}


def equation_tags(prose: dict[str, str], notebook_code: dict[str, str], package: dict[str, str]) -> list[str]:
    """Tags of equations and comments in code agree both ways; each argument maps a file's name to its text.

    Every tagged equation is implemented in a notebook and in `common`; every comment names an equation that is shown.
    """
    shown = {tag: name for name, text in prose.items() for tag in displayed_tags(text)}
    in_notebooks = {tag: name for name, text in notebook_code.items() for tag in commented_tags(text)}
    in_package = {tag: name for name, text in package.items() for tag in commented_tags(text)}
    complaints = [
        f"\\tag{{{tag}}} in {name} is not of the form RNN.1"
        for tag, name in shown.items()
        if not EQUATION.fullmatch(tag)
    ]
    for tag, name in sorted(shown.items()):
        if tag not in in_notebooks:
            complaints.append(f"equation {tag} ({name}): no line of a notebook's code says # {tag}")
        if tag not in in_package:
            complaints.append(f"equation {tag} ({name}): no line of src/common says # {tag}")
    for tag, name in sorted({**in_package, **in_notebooks}.items()):
        if tag not in shown:
            complaints.append(f"comment # {tag} in {name}: no equation has this tag")
    return complaints


def contents(toc: str, files: Iterable[str]) -> list[str]:
    """`_toc.yml` and the notebooks agree; `files` are names like notebooks/02_rnn/1_derivation."""

    def walk(node: object) -> Iterable[str]:
        if isinstance(node, dict):
            for key, value in node.items():
                if key in ("file", "root"):
                    yield str(value)
                else:
                    yield from walk(value)
        elif isinstance(node, list):
            for value in node:
                yield from walk(value)

    listed = [name.removesuffix(".ipynb") for name in walk(yaml.safe_load(toc)) if name.startswith("notebooks/")]
    present = set(files)
    complaints = [f"_toc.yml names {name} twice" for name in sorted({n for n in listed if listed.count(n) > 1})]
    complaints += [f"_toc.yml names {name}, which does not exist" for name in sorted(set(listed) - present)]
    complaints += [f"{name} is not in _toc.yml" for name in sorted(present - set(listed))]
    if listed != sorted(listed):
        complaints.append("_toc.yml lists the notebooks in another order than their numbers")
    return complaints


def imported_checks(page: Page) -> set[str]:
    """The exercise checks that a page imports, by `from common.exercises.… import check_…`."""
    names: set[str] = set()
    for cell in page.code:
        for node in ast.walk(_tree(cell) or ast.Module([], [])):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("common.exercises"):
                names |= {alias.name for alias in node.names}
    return names


def called(page: Page) -> dict[str, int]:
    """How often a page calls each name."""
    counts: dict[str, int] = {}
    for cell in page.code:
        for node in ast.walk(_tree(cell) or ast.Module([], [])):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                counts[node.func.id] = counts.get(node.func.id, 0) + 1
    return counts


def used_checks(book: Iterable[Page], registered: Iterable[str]) -> list[str]:
    """Notebooks and registry agree: a page calls each check it imports on stub and solution; each check has a page."""
    registered = set(registered)
    complaints, used = [], set()
    for page in book:
        calls = called(page)
        for name in sorted(imported_checks(page)):
            used.add(name)
            if name not in registered:
                complaints.append(f"{page.name} imports {name}, which is no registered check")
            elif calls.get(name, 0) < 2:
                complaints.append(f"{page.name} calls {name} {calls.get(name, 0)} times; stub and solution are two")
    complaints += [f"no notebook uses {name}" for name in sorted(registered - used)]
    return complaints
