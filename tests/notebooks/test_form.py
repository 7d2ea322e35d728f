"""The form of the book's notebooks, and for each check of it a made-up fault that the check must see."""

from __future__ import annotations

import copy
from collections.abc import Callable

import nbformat
import pytest
import yaml
from nbformat import NotebookNode

from tests.notebooks import form, made_up
from tools import normalise, setup_cell

BOOK = form.pages()


def report(complaints: list[str]) -> str:
    return "\n" + "\n".join(f"  {complaint}" for complaint in complaints)


# The book


def test_there_are_notebooks():
    assert BOOK, "no notebook found under notebooks/: the tests below would pass on an empty book"


@pytest.mark.parametrize("name", form.CHECKS)
def test_every_notebook(name):
    complaints = [f"{page.name}: {c}" for page in BOOK for c in form.CHECKS[name](page)]
    assert not complaints, report(complaints)


def test_most_printing_cells_are_compared():
    assert not (complaints := form.compared(BOOK)), report(complaints)


def test_equations_and_code_agree():
    prose = {page.name: "\n\n".join(page.prose) for page in BOOK}
    prose |= {f"book/{path.name}": path.read_text("utf-8") for path in sorted((form.ROOT / "book").glob("*.md"))}
    code = {page.name: "\n".join(cell.source for cell in page.code) for page in BOOK}
    package = {
        str(path.relative_to(form.ROOT)): path.read_text("utf-8")
        for path in sorted((form.ROOT / "src" / "common").rglob("*.py"))
        if "exercises" not in path.parts  # a solution is not an implementation that others use
    }
    complaints = form.equation_tags(prose, code, package)
    assert not complaints, report(complaints)


def test_prose_pages_have_equations_that_render():
    complaints = [
        f"book/{path.name}: {c}"
        for path in sorted((form.ROOT / "book").glob("*.md"))
        for c in form.equation_faults(path.read_text("utf-8"))
    ]
    assert not complaints, report(complaints)


def test_contents_and_files_agree():
    toc = (form.ROOT / "_toc.yml").read_text("utf-8")
    complaints = form.contents(toc, [page.name.removesuffix(".ipynb") for page in BOOK])
    assert not complaints, report(complaints)


def test_setup_cell_reads_the_address_that_the_site_reads():
    repository = yaml.safe_load(setup_cell.CONFIG.read_text("utf-8"))["repository"]
    assert setup_cell.configured() == (repository["url"], repository["branch"])


# The checks themselves


@pytest.mark.parametrize("name", form.CHECKS)
def test_a_notebook_without_fault_passes(name):
    assert form.CHECKS[name](made_up.page()) == []


FAULTS: list[tuple[str, str, Callable[[NotebookNode], None]]] = []


def fault(check: str, expected: str):
    """Register a change of the good notebook that `check` must answer with a complaint holding `expected`."""

    def register(change: Callable[[NotebookNode], None]) -> Callable[[NotebookNode], None]:
        FAULTS.append((check, expected, change))
        return change

    return register


def cells(made: NotebookNode, kind: str = "code") -> list[NotebookNode]:
    return [cell for cell in made.cells if cell.cell_type == kind]


def tagged(made: NotebookNode, tag: str) -> NotebookNode:
    return next(cell for cell in made.cells if tag in cell.metadata.get("tags", []))


def add_text(text: str) -> Callable[[NotebookNode], None]:
    def change(made: NotebookNode) -> None:
        cells(made, "markdown")[0].source += f"\n\n{text}\n"

    return change


def replace_text(old: str, new: str) -> Callable[[NotebookNode], None]:
    def change(made: NotebookNode) -> None:
        assert any(old in cell.source for cell in made.cells)
        for cell in made.cells:
            cell.source = cell.source.replace(old, new)

    return change


def put_code(source: str, printed: str = "", **more) -> Callable[[NotebookNode], None]:
    def change(made: NotebookNode) -> None:
        made.cells.insert(4, made_up.code(source, printed, **more))

    return change


@fault("executed", "execution counts")
def stripped(made):
    for cell in cells(made):
        cell.outputs, cell.execution_count = [], None


@fault("executed", "execution counts")
def run_out_of_order(made):
    a, b = cells(made)[2:4]
    a.execution_count, b.execution_count = b.execution_count, a.execution_count


@fault("executed", "execution counts")
def one_cell_not_run(made):
    cells(made)[3].execution_count = None


@fault("executed", "stored error: ValueError")
def stored_error(made):
    cells(made)[2].outputs = [nbformat.v4.new_output("error", ename="ValueError", evalue="", traceback=[])]


@fault("normal_form", "not in normal form")
def standard_error_kept(made):
    cells(made)[2].outputs.append(nbformat.v4.new_output("stream", name="stderr", text="warning\n"))


@fault("normal_form", "not in normal form")
def kernel_of_somebody(made):
    made.metadata.kernelspec.display_name = "my venv"


@fault("normal_form", "not in normal form")
def timings_kept(made):
    cells(made)[2].metadata["execution"] = {"iopub.execute_input": "2026-01-01T00:00:00"}


@fault("normal_form", "not in normal form")
def trailing_space(made):
    cells(made, "markdown")[0].source += "\n  "


@fault("normal_form", "not in normal form")
def same_id_twice(made):
    made.cells[3].id = made.cells[2].id


@fault("setup", "not the setup cell")
def setup_changed(made):
    cells(made)[0].source += "\n# mine"


@fault("setup", "not the setup cell")
def setup_not_first(made):
    made.cells.insert(1, made_up.code("x = 1"))


@fault("setup", "more than one")
def setup_twice(made):
    made.cells.insert(3, copy.deepcopy(cells(made)[0]))


@fault("setup", "prints something")
def setup_prints(made):
    cells(made)[0].outputs = [nbformat.v4.new_output("stream", name="stdout", text="hello\n")]


for text, what in [
    ("See {ref}`rnn`.", "a role"),
    ("{cite:p}`elman1990`", "a role"),
    (":::{note}\nMind.\n:::", "a colon fence"),
    ("```{note}\nMind.\n```", "a directive"),
    ("(my-label)=\n## There", "a target"),
    ("$$ a = b $$ (eq1)", "an equation label"),
    ("% a comment", "a comment line"),
    ("+++", "a block break"),
    ("{#anchor .class}\nText", "an attribute"),
    ("[text](https://example.org){.external}", "an attribute"),
    ("{{ name }}", "a substitution"),
    ("<!-- hidden -->", "an HTML comment"),
]:
    fault("plain_markdown", what)(add_text(text))

for text, what in [
    ("$$ a = b \\\\ c = d \\tag{MADE.3} $$", "several lines"),
    ("$$ a = b \\tag{MADE.3} c = d \\tag{MADE.4} $$", "two tags"),
    ("$$ a = b", "odd number"),
    ("\\begin{align}\na = b\n\\end{align}", "numbers itself"),
    ("so \\begin{align*}\na = b\n\\end{align*}", "does not begin its line"),
    ("$$ \\begin{align*} a = b \\end{align*} $$", "of its own"),
    ("$$ a = b \\label{x} $$", "\\label is not"),
]:
    fault("equations", what)(add_text(text))


@fault("alternative_text", "alternative text of 0")
def no_alternative_text(made):
    del next(c for c in cells(made) if "mystnb" in c.metadata and "image" in c.metadata.mystnb).metadata["mystnb"]


fault("alternative_text", "alternative text of 6")(put_code("plt.show()", alt="A plot"))
fault("alternative_text", "reader says itself")(
    put_code("plt.show()", alt="Figure of a curve that falls from ten to one")
)
fault("alternative_text", "repeats")(put_code("plt.show()", alt=made_up.ALT))
fault("alternative_text", "without alternative text")(add_text("![](picture.png)"))
fault("alternative_text", "without alternative text")(add_text('<img src="picture.png">'))


@fault("alternative_text", "2 figures")
def two_figures(made):
    cell = next(c for c in cells(made) if "image" in c.metadata.get("mystnb", {}))
    cell.outputs.append(copy.deepcopy(cell.outputs[0]))


@fault("alternative_text", "SVG")
def svg(made):
    data = {"image/svg+xml": "<svg/>", "text/plain": "<Figure size 640x480 with 1 Axes>"}
    cells(made)[2].outputs.append(nbformat.v4.new_output("display_data", data=data))


fault("stable_output", "prints an object")(put_code("f", "<function f at 0x7f12ab34>\n"))
fault("stable_output", "prints an object")(put_code("plt.plot(x)", "[<matplotlib.lines.Line2D>]\n"))
fault("stable_output", "backspaces")(put_code("fit()", "1/2\b\b\b2/2\n"))
fault("stable_output", "prints 500 lines")(put_code("train()", "loss 1\n" * 500))
fault("size", "MB")(put_code("# " + "x" * 1_600_000))

fault("anatomy", "one title")(add_text("# Another title"))
fault("anatomy", "skips a level")(add_text("#### Too deep"))
fault("anatomy", "**You will**")(replace_text("**You will**", "Goals"))
fault("anatomy", "6 objectives")(replace_text("- see them,", "- a\n- b\n- c\n- see them,"))
fault("anatomy", "**Hardware**")(replace_text("**Hardware**", "Machine"))
fault("anatomy", "the last sections")(replace_text("## Summary", "## The end"))
fault("anatomy", "has no link")(replace_text("https://example.org/sums", "#sums"))


@fault("anatomy", "does not begin")
def code_first(made):
    made.cells.insert(0, made_up.code("x = 1"))


@fault("exercises", "2 exercises")
def too_few_exercises(made):
    del made.cells[-6:-2]


fault("exercises", "the heading is not")(replace_text("Exercise 2 ★★:", "Exercise 2:"))
fault("exercises", "the heading is not")(replace_text("Exercise 2 ★★:", "Exercise 2 ★★★★:"))
fault("exercises", "no hint")(replace_text("Hint", "Tip"))
fault("exercises", "no hint")(replace_text("</summary>\n\n", "</summary>\n"))
fault("exercises", "is not folded")(replace_text("# @title Solution", "# The answer"))


@fault("exercises", "nothing is written yet")
def stub_already_solved(made):
    tagged(made, "exercise").outputs[0].text = "check_add: passed, 3 cases.\n"


@fault("exercises", "whose check passes")
def solution_not_run(made):
    tagged(made, "solution").outputs = []


@fault("exercises", "fails its check")
def solution_fails(made):
    tagged(made, "solution").outputs[0].text += "check_add: not yet. The sign is the wrong way round.\n"


@fault("exercises", "is not folded")
def solution_in_the_open(made):
    tagged(made, "solution").metadata.pop("cellView")


@fault("exercises", "outside an exercise")
def solution_outside(made):
    made.cells.insert(4, made_up.code("# @title Solution", tags=("solution",)))


fault("frameworks", "in one notebook")(put_code("import torch\nimport tensorflow as tf"))
fault("frameworks", "in one notebook")(put_code("import torch\nfrom keras import layers"))
fault("no_absolute_paths", "/home/me")(put_code("open('/home/me/data.txt')"))
fault("no_absolute_paths", "/work/x.py")(put_code("print(f)", "/work/x.py\n"))
fault("no_absolute_paths", "C:\\data")(add_text("in C:\\data"))
fault("short_cells", "26 lines")(put_code("\n".join(f"x{i} = {i}" for i in range(26))))
fault("plain_python", "not plain Python")(put_code("!ls"))
fault("plain_python", "not plain Python")(put_code("%matplotlib inline"))
fault("plain_python", "not plain Python")(put_code("import os\nos.system('pip install numpy')"))
fault("plain_python", "not valid Python")(put_code("x = = 1"))
fault("known_tags", "unknown tag")(put_code("x = 1", tags=("nbval-ignore-ouput",)))
fault("known_tags", "unknown tag 'rtol-much'")(put_code("x = 1", tags=("rtol-much",)))
fault("known_tags", "compares nothing")(put_code("x = 1", tags=("rtol-0.9",)))
fault("known_tags", "compares nothing")(put_code("x = 1", tags=("atol-1",)))
fault("known_tags", "steers nbval")(put_code("# NBVAL_IGNORE_OUTPUT\nx = 1"))


@pytest.mark.filterwarnings("ignore:Non-unique cell id")
@pytest.mark.parametrize(("check", "expected", "change"), FAULTS, ids=[f"{i}-{f[0]}" for i, f in enumerate(FAULTS)])
def test_a_fault_is_seen(check, expected, change):
    made = made_up.notebook()
    change(made)
    complaints = form.CHECKS[check](made_up.page(made))
    assert any(expected in complaint for complaint in complaints), complaints


def test_every_check_has_a_fault():
    assert {check for check, _, _ in FAULTS} == set(form.CHECKS)


@pytest.mark.parametrize(
    "text",
    [
        "Code such as `{ref}` or ``x{a}`` or `f{a}` and $\\frac{a}{b}$ and $x_{t-1}$ `b`.",
        "```python\nd = {{1: 2}}\n% not a comment\n```",
        "$$ \\begin{aligned} a &= b \\\\ c &= d \\end{aligned} $$",
        "50 % of it, $5 and $6.",
        "<details><summary>More</summary>\n\nText.\n\n</details>",
    ],
)
def test_good_markdown_is_left_alone(text):
    made = made_up.notebook()
    add_text(text)(made)
    page = made_up.page(made)
    assert form.plain_markdown(page) + form.equations(page) == []


def test_too_few_compared_cells_are_seen():
    made = made_up.notebook()
    for cell in cells(made)[3:6]:
        cell.metadata["tags"] = ["nbval-ignore-output"]
    assert form.comparison(made_up.page()) == (8, 8)
    assert form.comparison(made_up.page(made)) == (8, 6)  # of the three, one shows only a figure
    assert form.compared([made_up.page()]) == []
    assert "6 of 8 printing cells" in form.compared([made_up.page(made)])[0]
    assert form.compared([]), "an empty book compares nothing"


def test_equation_tags_must_agree_both_ways():
    prose, book, package = {"p": "$$ x \\tag{A.1} $$"}, {"n": "x = 1"}, {"m": "x = 1"}
    assert form.equation_tags({"p": "$$ x \\tag{AB.1} $$"}, {"n": "x = 1  # AB.1"}, {"m": "# AB.1, fast\nx = 1"}) == []
    assert form.equation_tags({"p": "`\\tag{AB.1}`"}, book, package) == [], "a tag in a code span is no equation"
    assert any("not of the form" in c for c in form.equation_tags(prose, book, package))
    complaints = form.equation_tags({"p": "$$ x \\tag{AB.1} $$"}, book, package)
    assert any("notebook's code" in c for c in complaints)
    assert any("src/common" in c for c in complaints)
    complaints = form.equation_tags({}, {"n": "x = 'AB.9'  # AB.1"}, {"m": "x = 1  # AB.2"})
    assert [c.split(" in ")[0] for c in complaints] == ["comment # AB.1", "comment # AB.2"]


def test_contents_must_agree_both_ways():
    toc = "root: book/index\nchapters:\n- file: notebooks/a\n- file: notebooks/b\n"
    assert form.contents(toc, ["notebooks/a", "notebooks/b"]) == []
    assert form.contents(toc, ["notebooks/a"]) == ["_toc.yml names notebooks/b, which does not exist"]
    assert form.contents(toc, ["notebooks/a", "notebooks/b", "notebooks/c"]) == ["notebooks/c is not in _toc.yml"]
    assert "twice" in form.contents(toc + "- file: notebooks/a\n", ["notebooks/a", "notebooks/b"])[0]
    swapped = "root: x\nchapters:\n- file: notebooks/b\n- file: notebooks/a\n"
    assert "another order" in form.contents(swapped, ["notebooks/a", "notebooks/b"])[0]


def test_checks_and_registry_must_agree_both_ways():
    page = made_up.page()
    assert form.used_checks([page], ["check_add"]) == []
    assert "no registered check" in form.used_checks([page], [])[0]
    assert form.used_checks([page], ["check_add", "check_more"]) == ["no notebook uses check_more"]
    made = made_up.notebook()
    for cell in cells(made):
        if "solution" in cell.metadata.get("tags", []) or "exercise" in cell.metadata.get("tags", []):
            cell.source = cell.source.replace("check_add(", "print(")
    assert "0 times" in form.used_checks([made_up.page(made)], ["check_add"])[0]


def test_normalising_twice_changes_nothing():
    made = made_up.notebook()
    once = normalise.text(made)
    assert normalise.text(normalise.normalise(nbformat.reads(once, as_version=4))) == once
