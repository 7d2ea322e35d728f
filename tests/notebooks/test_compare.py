"""The comparison of notebook outputs, alone and in a whole pytest run with nbval on made-up notebooks."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from common.tables import at_most
from conftest import Output
from tests.notebooks.form import ROOT
from tools import environment

SAME = [
    ("loss 0.12345678", "loss 0.12345671"),
    ("loss 0.1234", "loss 0.1235"),
    ("1e-16", "3.2e-16"),
    ("parity 1.1e-16", "parity 0.0"),
    ("[ 0.1 -0.0]", "[ 0.1  0.0]"),
    ("[-1e-17  1.  2.]", "[ 1e-17  1.  2.]"),
    ("a   9.9999 |", "a  10.0000 |"),
    ("inf nan True", "inf nan True"),
    ("shape (3, 4)", "shape (3, 4)"),
    ("5", "5.0"),
    ("", ""),
    ("[  10.1  100.  1000. ]", "[  10.1  100.  1000.0001 ]"),
    ("[1. 2.\n 3. 4.]", "[1. 2.\n 3. 4.001]"),
    ("[nan 2. inf]", "[nan 2.001 inf]"),
    ("tensor(3.)", "tensor(3.001)"),
    ("it is −0.0", "it is 0.0"),
    ("1,000.0 seconds", "999.9 seconds"),
    ("12,345", "12,345"),
    ("1000.", "1000."),
    ("37.50%", "37.51%"),
    ("1e5", "1.0005e5"),
    ("version 2.13.0", "version 2.13.0"),
    ("worst    y\n───────  ─\n≤ 1e-15  1", "worst  y\n─────  ─\n0      1"),
    ("0", "≤ 1e-12"),
    ("error at most 1e-16", "error at most 0"),
    ("T=50: ≤ 1e-15", "T=50: ≤ 1e-14"),
]
DIFFERENT = [
    ("loss 0.1234", "loss 0.2234", "number 1 was 0.1234 and is 0.2234"),
    ("1.5 and 2.5", "1.5 and 2.6", "number 2"),
    ("loss 0.123", "loss 0.124", "number 1"),
    ("16961 parameters", "16962 parameters", "whole numbers must be equal"),
    ("float64", "float32", "whole numbers"),
    ("worst 1e-16", "worst 1e-6", "number 1"),
    ("0.5", "-0.5", "number 1"),
    ("3.0", "nan", "texts differ"),
    ("True", "False", "texts differ, first in line 1"),
    ("a\nb 1", "a\nc 1", "first in line 2"),
    ("1.0 2.0", "1.0", "texts differ"),
    ("a\nb", "a", "texts differ"),
    ("1.5", "1.5 s", "texts differ"),
    ("It took 1000.", "It took 1001.", "whole numbers must be equal"),
    ("1000. Then 5", "1001. Then 5", "whole numbers must be equal"),
    ("[see] 1000.\n", "[see] 1001.\n", "whole numbers must be equal"),
    ("[it took 1000.]", "[it took 1001.]", "whole numbers must be equal"),
    ("(in 1000.)", "(in 1001.)", "whole numbers must be equal"),
    ("after 1000...", "after 1001...", "whole numbers must be equal"),
    ("weight 1000.h", "weight 1001.h", "whole numbers must be equal"),
    ("100,000 weights", "100,001 weights", "whole numbers must be equal"),
    ("T=1000:", "T=1001:", "whole numbers must be equal"),
    ("1000%", "1001%", "whole numbers must be equal"),
    ("version 2.1300.0", "version 2.1301.0", "texts differ"),
    ("−0.5", "0.5", "number 1"),
    ("hash 1e999", "hash 2e999", "number 1"),
    ("0", "≤ 1e-11", "number 1 was 0 and is ≤ 1e-11; a bound may grow"),
    ("≤ 1e-15", "1e-15", "number 1"),
    ("≤ 1e-15", "≤ 2e-15", "texts differ"),
    ("a 1e-16\n≤ 1e-6", "a 1e-16\n≤ 1e6", "number 2"),
]


@pytest.mark.parametrize(("stored", "now"), SAME)
def test_close_outputs_are_equal(stored, now):
    assert Output(stored) == Output(now)
    assert (Output(stored) != Output(now)) is False
    assert Output(now) == Output(stored)


@pytest.mark.parametrize(("stored", "now", "said"), DIFFERENT)
def test_other_outputs_differ(stored, now, said):
    assert Output(stored) != Output(now)
    assert Output(now) != Output(stored) or "≤ 1e6" in now  # a bound may shrink as far as it likes
    assert said in Output(stored).difference(now)


def test_a_bound_may_shrink_and_may_grow_by_one_power_of_ten():
    for written in ("≤ 1e{}", "error: at most 1e{} in all"):
        stored = Output(written.format(-8))
        same = [written.format(power) == stored and stored == Output(written.format(power)) for power in range(-16, -4)]
        assert same == [power <= -7 for power in range(-16, -4)]


def test_zero_is_a_bound_up_to_what_zero_up_to_rounding_comes_to():
    for power in range(-20, 3):
        bound = f"≤ 1e{power}"
        assert (Output("0") == Output(bound)) == (Output(bound) == Output("0")) == (power <= -12)
    assert Output("0", None, 1e-6) == "≤ 1e-6"


def test_what_at_most_writes_is_read_as_a_bound():
    assert Output(f"a {at_most(3e-16)} b") == f"a {at_most(0.0)} b"
    assert Output(at_most(2.0)) != at_most(200.0)
    assert Output(at_most(200.0)) == at_most(2.0)


def test_tags_widen_the_comparison():
    assert Output("100 steps, loss 0.50", 0.05) == "104 steps, loss 0.52"
    assert Output("100 steps, loss 0.50", 0.05) != "110 steps, loss 0.50"
    assert Output("error 3e-10", None, 1e-8) == "error 7e-9"
    assert Output("error 3e-10", None, 1e-8) != "error 7e-7"


def test_one_math_thread_unless_the_caller_says_otherwise():
    alone, two, mixed = {}, {"OMP_NUM_THREADS": "2"}, {"TF_NUM_INTEROP_THREADS": "4"}
    for variables in (alone, two, mixed):
        environment.prepare(variables)
    assert {alone[name] for name in environment.THREAD_VARIABLES} == {"1"}
    assert {two[name] for name in environment.THREAD_VARIABLES} == {"2"}
    assert (mixed["OMP_NUM_THREADS"], mixed["TF_NUM_INTEROP_THREADS"]) == ("1", "4")


# A whole run. Each entry is one cell: its code, the output it stores, its tags, whether it must pass.

CELLS = {
    "same": ("print(0.12345678)", "0.12345671\n", [], True),
    "changed_number": ("print(0.2234)", "0.1234\n", [], False),
    "changed_count": ("print(16962)", "16961\n", [], False),
    "changed_text": ("print('False')", "True\n", [], False),
    "changed_value": ("[1.0, 3.0]", [("text/plain", "[1.0, 2.0]")], [], False),
    "widened": ("print(1.03)", "1.0\n", ["rtol-0.05"], True),
    "not_widened_enough": ("print(1.3)", "1.0\n", ["rtol-0.05"], False),
    "nothing_stored": ("print(1)", "", [], False),
    "standard_error": ("import sys\nprint('new warning', file=sys.stderr)\nprint(1)", "1\n", [], True),
    "ignored": ("import time\nprint(time.time())", "1.0\n", ["nbval-ignore-output"], True),
    "raises": ("1 / 0", "", [], False),
    "html": (
        "from IPython.display import HTML\nHTML('<b>1</b>')",
        [("text/html", "<i>2</i>"), ("text/plain", "<IPython.core.display.HTML object>")],
        [],
        True,
    ),
    "threads": (
        "import os\nprint(*(os.environ[n] for n in ('OMP_NUM_THREADS', 'TF_NUM_INTEROP_THREADS')))",
        "2 2\n",
        [],
        True,
    ),
    "tag_not_a_number": ("print(1.3)", "1.0\n", ["rtol-much"], False),
}


def cell(source: str, stored: str | list, tags: list[str]) -> nbformat.NotebookNode:
    made = nbformat.v4.new_code_cell(source, execution_count=1, metadata={"tags": tags})
    if isinstance(stored, list):
        made.outputs = [nbformat.v4.new_output("execute_result", data=dict(stored), execution_count=1)]
    elif stored:
        made.outputs = [nbformat.v4.new_output("stream", name="stdout", text=stored)]
    return made


def pytest_here(folder: Path, *options: str, **variables: str) -> str:
    """What pytest prints when it runs in `folder` with the book's conftest, two workers, strict nbval."""
    shutil.copy(ROOT / "conftest.py", folder)
    (folder / "pytest.ini").write_text("[pytest]\n")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadfile", "--nbval", "--nbval-current-env", "-rA"]
    done = subprocess.run(
        [*command, "--color=no", *options],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> str:
    """Two notebooks, so that both workers have one; every other cell is in the second."""
    folder = tmp_path_factory.mktemp("compare")
    cells = [cell(source, stored, tags) for source, stored, tags, _ in CELLS.values()]
    for part, name in enumerate(("first", "second")):
        nbformat.write(nbformat.v4.new_notebook(cells=cells[part::2]), folder / f"{name}.ipynb")
    names = [n for n in os.environ if n.endswith("_THREADS")]
    return pytest_here(folder, **dict.fromkeys(names, "2"))


@pytest.mark.parametrize("name", CELLS)
def test_run_of_a_notebook(run, name):
    place = list(CELLS).index(name)
    file, number, passes = ("first", "second")[place % 2], place // 2, CELLS[name][3]
    found = re.search(rf"^(PASSED|FAILED) {file}\.ipynb::Cell {number}\b", run, re.MULTILINE)
    assert found, run
    assert found[1] == ("PASSED" if passes else "FAILED"), run


def test_the_report_names_the_number(run):
    assert "number 1 was 0.1234 and is 0.2234, a relative change of 0.45; allowed 0.001" in run


def test_pytests_own_line_is_the_last_one(run):
    passed = sum(passes for *_, passes in CELLS.values())
    lines = run.strip().splitlines()
    assert re.search(rf"{len(CELLS) - passed} failed, {passed} passed in [\d.]+s", lines[-1]), lines[-1]
    assert any("seconds a notebook took" in line for line in lines)


def test_the_file_that_took_longest_starts_first(tmp_path):
    """The second run knows how long each file took; by name the slow one would be last."""
    for name in "abc":
        (tmp_path / f"test_{name}.py").write_text("def test_it():\n    pass\n")
    (tmp_path / "test_z.py").write_text("import time\n\n\ndef test_it():\n    time.sleep(1)\n")
    for first in ("a", "z"):
        run = pytest_here(tmp_path, "-n", "0", "-v")
        assert re.findall(r"^test_(\w)\.py::test_it PASSED", run, re.MULTILINE)[0] == first, run
