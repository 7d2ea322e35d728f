"""Records of full-size runs: complete, never mixed with small runs, stale exactly when the code has changed."""

import copy
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from common import results
from common.results import fingerprint, record

NAME = "07_made_up/1_example/accuracy"
SOUND = {
    "format": 1,
    "experiment": NAME,
    "variant": None,
    "size": "full",
    "notebook": "notebooks/07_made_up/1_example.ipynb",
    "sizes": {"T": 200, "hidden": 512},
    "seeds": [0, 1, 2],
    "metrics": {"accuracy": [0.5, 0.75, 0.625]},
    "times": {"fused": 0.25},
    "hardware": {"kind": "gpu", "gpu": "Some GPU", "processor": "Some processor", "cores": 8},
    "versions": {"Python": "3.12.3", "PyTorch": "2.13.0"},
    "date": "2030-01-31T12:00:00Z",
    "commit": "0123456789abcdef0123456789abcdef01234567",
    "changed_files": False,
    "code": {"notebook": "0011223344556677"},
}
CODE = """
from common import cells_of_test as cells, plots

# a comment
width = 64
loss = cells.loss(width)
"""


def notebook(path, *sources, tags=()):
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = [{"cell_type": "code", "metadata": {"tags": list(tags)}, "source": s, "outputs": []} for s in sources]
    path.write_text(json.dumps({"cells": [{"cell_type": "markdown", "metadata": {}, "source": "# T"}, *cells]}))
    return path


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A book of one notebook, a package `common` of its own, and a folder for its records."""
    monkeypatch.setenv("BOOK_NOTEBOOKS", str(tmp_path / "notebooks"))
    monkeypatch.setenv("BOOK_RECORD_DIR", str(tmp_path / "records"))
    monkeypatch.delenv("BOOK_RECORD", raising=False)
    for framework in ("keras", "torch"):  # another test of this process may have imported one
        monkeypatch.delitem(sys.modules, framework, raising=False)
    common = tmp_path / "common"
    (common / "deep").mkdir(parents=True)
    (common / "__init__.py").write_text("")
    (common / "cells_of_test.py").write_text(
        '"""Cells."""\nfrom common.deep import thing\n\ndef loss(n):\n    return n\n'
    )
    (common / "deep" / "__init__.py").write_text("")
    (common / "deep" / "thing.py").write_text("from . import other\nLIMIT = 3\n")
    (common / "deep" / "other.py").write_text("STEP = 0.5\n")
    (common / "plots.py").write_text("from common import never\nRED = 1\n")
    (common / "never.py").write_text("X = 1\n")
    monkeypatch.setattr(fingerprint.code_behind, "__defaults__", (common,))
    notebook(tmp_path / "notebooks" / "07_made_up" / "1_example.ipynb", CODE)
    return tmp_path


def recorded(book, **changes):
    """Write a record whose fingerprints fit the book's code now."""
    code = fingerprint.code_behind(book / "notebooks" / "07_made_up" / "1_example.ipynb")
    return results.write({**copy.deepcopy(SOUND), "code": code, **changes})


# Sizes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "size", "recording"), [("", 1, False), ("1", 9, True), ("small", 1, True)])
def test_the_sizes_are_small_unless_the_full_ones_are_recorded(book, monkeypatch, mode, size, recording):
    monkeypatch.setenv("BOOK_RECORD", mode)
    run = results.experiment(NAME, small={"T": 1}, full={"T": 9})
    assert (run.sizes, run.recording) == ({"T": size}, recording)


def test_a_small_run_of_a_reader_writes_nothing(book):
    run = results.experiment(NAME, small={"T": 1}, full={"T": 9})
    assert run.save({"accuracy": 0.5}) is None
    assert not (book / "records").exists()


def test_small_runs_are_never_stored_among_the_records(book, monkeypatch):
    monkeypatch.setenv("BOOK_RECORD", "small")
    monkeypatch.delenv("BOOK_RECORD_DIR")
    with pytest.raises(ValueError, match="BOOK_RECORD_DIR: small runs are never stored among the records"):
        results.experiment(NAME, small={}, full={})


def test_a_full_run_is_stored_with_its_provenance(book, monkeypatch):
    monkeypatch.setenv("BOOK_RECORD", "1")
    run = results.experiment(NAME, small={"T": 1}, full={"T": 9})
    path = run.save({"accuracy": np.array([0.5, 0.25])}, times={"fused": np.float64(0.1)}, seeds=np.array([0, 1]))
    assert path == book / "records" / f"{NAME}.json"
    stored = results.read(path)
    assert stored["sizes"] == {"T": 9}
    assert stored["metrics"] == {"accuracy": [0.5, 0.25]}
    assert (stored["seeds"], stored["times"], stored["size"]) == ([0, 1], {"fused": 0.1}, "full")
    assert stored["versions"]["NumPy"] == np.__version__
    assert stored["hardware"]["processor"]
    assert len(stored["commit"] or 40 * "x") == 40
    assert list(stored["code"]) == [
        "notebook",
        "common.cells_of_test",
        "common.deep",
        "common.deep.other",
        "common.deep.thing",
    ]
    assert [p.name for p in path.parent.iterdir()] == [path.name]  # no half file is left


def test_a_record_is_written_whole_or_not_at_all(book, monkeypatch):
    path = recorded(book)
    before = path.read_text()

    def full_disk(_):
        raise OSError("no space left on device")

    monkeypatch.setattr(record.os, "fsync", full_disk)
    with pytest.raises(OSError, match="no space left"):
        recorded(book, sizes={"T": 1})
    assert path.read_text() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: results.experiment("timing", small={}, full={}), "name: expected the notebook and a name, such as"),
        (lambda: results.experiment("02_rnn/../x/y", small={}, full={}), "name: expected the notebook and a name"),
        (lambda: results.experiment(NAME, small={"T": 1}, full={"T": 1, "B": 2}), "but B stands in only one"),
        (lambda: results.show("nothing"), "name: expected the notebook"),
        (lambda: run().save({"accuracy": float("nan")}), "metrics.accuracy: expected a finite number"),
        (lambda: run().save({"accuracy": [1.0, 2.0]}, seeds=[0]), "metrics.accuracy: expected 1 numbers, one a seed"),
        (lambda: run().save({"accuracy": "good"}), "metrics.accuracy: expected a finite number"),
        (lambda: run().save(times={"fused": -1.0}), "times.fused: expected seconds"),
        (lambda: run().save({}), "metrics and times are both empty"),
        (lambda: run().save({"a": 1.0}, seeds=[0.5]), "seeds: expected whole numbers"),
    ],
)
def test_bad_input_says_what_is_wrong_even_in_a_small_run(book, call, message):
    with pytest.raises(ValueError, match=message):
        call()


def run():
    return results.experiment(NAME, small={"T": 1}, full={"T": 9})


# The schema -------------------------------------------------------------------------------------------------------


def test_a_sound_record_passes():
    assert results.check_record(copy.deepcopy(SOUND)) == SOUND


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("format", 2, "format: expected 1, got 2"),
        ("experiment", "x", "experiment: expected a name"),
        ("size", "medium", "size: expected full or small"),
        ("seeds", [True], "seeds: expected whole numbers"),
        ("metrics", {"a": []}, "metrics.a: expected a finite number"),
        ("metrics", {"a": True}, "metrics.a: expected a finite number"),
        ("metrics", [1], "metrics: expected object"),
        ("date", "yesterday", "date: expected a time such as"),
        ("commit", 5, "commit: expected text or null, got 5"),
        ("changed_files", 0, "changed_files: expected true or false"),
        ("code", {}, "code: expected the fingerprint of the notebook"),
        ("hardware", {"kind": "gpu"}, "hardware.gpu is missing"),
        ("hardware", {**SOUND["hardware"], "gpu": None}, "hardware.gpu: expected the GPU's name if"),
        ("hardware", {**SOUND["hardware"], "kind": "cpu"}, "hardware.gpu: expected the GPU's name if"),
        ("hardware", {**SOUND["hardware"], "cores": True}, "hardware.cores: expected whole number"),
        ("extra", 1, "extra is not a field of a record"),
    ],
)
def test_a_wrong_field_is_named(field, value, message):
    with pytest.raises(ValueError, match=message):
        results.check_record({**copy.deepcopy(SOUND), field: value})


@pytest.mark.parametrize("field", SOUND)
def test_a_missing_field_is_named(field):
    with pytest.raises(ValueError, match=f"{field} is missing"):
        results.check_record({key: value for key, value in SOUND.items() if key != field})


def test_a_file_that_is_no_record_or_another_one_is_named(book):
    path = recorded(book)
    moved = path.with_name("other.json")
    path.rename(moved)
    with pytest.raises(ValueError, match=r"other\.json: holds the record of 07_made_up/1_example/accuracy"):
        results.read(moved)
    moved.write_text("{")
    with pytest.raises(ValueError, match=r"other\.json: "):
        results.read(moved)


def test_every_record_of_the_book_is_sound_full_and_in_its_place():
    for path in results.RECORDS.rglob("*.json"):
        stored = results.read(path)
        assert stored["size"] == "full", path
        assert path == record.path_of(stored["experiment"], stored["variant"], results.RECORDS)
        assert (results.ROOT / stored["notebook"]).is_file(), path


# What makes a record stale ----------------------------------------------------------------------------------------


def test_a_record_whose_code_is_unchanged_is_not_stale(book):
    recorded(book)
    assert "STALE" not in results.show(NAME)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("notebooks/07_made_up/1_example.ipynb", "# a comment\\n", ""),
        ("notebooks/07_made_up/1_example.ipynb", "width = 64", "width=( 64 )"),
        ("notebooks/07_made_up/1_example.ipynb", '# T"', '# A new title"'),
        ("common/cells_of_test.py", '"""Cells."""', '"""Other words."""\n# and a comment'),
        ("common/cells_of_test.py", "def loss(n):\n    return n", "def loss(\n    n,\n):\n    'doc'\n    return (n)"),
        ("common/plots.py", "RED = 1", "RED = 2"),
        ("common/never.py", "X = 1", "X = 2"),
    ],
)
def test_layout_words_and_modules_that_only_show_make_no_record_stale(book, file, old, new):
    recorded(book)
    change(book / file, old, new)
    assert "STALE" not in results.show(NAME)


@pytest.mark.parametrize(
    ("file", "old", "new", "part"),
    [
        ("notebooks/07_made_up/1_example.ipynb", "width = 64", "width = 65", "notebook"),
        ("notebooks/07_made_up/1_example.ipynb", "cells.loss(width)", "cells.loss(-width)", "notebook"),
        ("common/cells_of_test.py", "return n", "return n + 1", "common.cells_of_test"),
        ("common/deep/thing.py", "LIMIT = 3", "LIMIT = 4", "common.deep.thing"),
        ("common/deep/other.py", "STEP = 0.5", "STEP = None", "common.deep.other"),
        ("common/deep/thing.py", "from . import other\n", "", "common.deep.other, common.deep.thing"),
    ],
)
def test_a_change_of_the_code_makes_the_record_stale_and_names_the_part(book, file, old, new, part):
    recorded(book)
    change(book / file, old, new)
    stale = next(line for line in results.show(NAME).splitlines() if line.startswith("STALE"))
    assert set(stale.split(": ")[2].removesuffix(". `make record` makes it anew.").split(", ")) == set(part.split(", "))


def change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_the_setup_cell_holds_the_book_s_address_and_does_not_count(tmp_path):
    one = notebook(tmp_path / "1.ipynb", 'ADDRESS = "a"', tags=["setup"])
    two = notebook(tmp_path / "2.ipynb", 'ADDRESS = "b"', tags=["setup"])
    assert fingerprint.code_behind(one) == fingerprint.code_behind(two)


def test_imports_are_followed_inside_functions_and_ipython_commands_do_not_stop_it(tmp_path):
    path = notebook(tmp_path / "1.ipynb", "%matplotlib inline\ndef f():\n    import common.checks as c\n    return c")
    assert list(fingerprint.code_behind(path)) == ["notebook", "common.checks"]
    other = notebook(tmp_path / "2.ipynb", "%matplotlib widget\ndef f():\n    import common.checks as c\n    return c")
    assert fingerprint.code_behind(path)["notebook"] != fingerprint.code_behind(other)["notebook"]


def test_fingerprints_of_the_real_book_follow_the_imports_of_the_cells(tmp_path):
    path = notebook(tmp_path / "1.ipynb", "from common.cells import RNN\nfrom common import explorer, plots, results")
    parts = list(fingerprint.code_behind(path))
    assert {"notebook", "common.cells", "common.checks"} <= set(parts)
    assert not any(part.startswith(("common.explorer", "common.plots", "common.results")) for part in parts)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("f('')", "f()"),
        ("x = None", "x = 0"),
        ("x = 1", "x = 1.0"),
        ("x = '1'", "x = 1"),
        ("return_ = a", "return_ = b"),
    ],
)
def test_codes_that_differ_have_different_fingerprints(one, two):
    import ast

    assert fingerprint.canonical(ast.parse(one)) != fingerprint.canonical(ast.parse(two))


# What the page shows ----------------------------------------------------------------------------------------------


def test_without_a_record_the_page_says_how_to_make_one(book):
    assert results.show(NAME).splitlines() == [
        "07_made_up/1_example/accuracy: no full-size run on a GPU has been recorded yet.",
        "`make record` on a machine with a GPU makes the record; nothing is shown in its place.",
    ]
    assert results.load(NAME) == []


def test_a_record_is_shown_with_everything_one_must_know_to_believe_it(book):
    recorded(book)
    text = results.show(NAME)
    assert text.splitlines() == [
        "Recorded run: 07_made_up/1_example/accuracy",
        "",
        "           median  lowest  highest  count",
        "─────────  ──────  ──────  ───────  ─────",
        "accuracy    0.625   0.500    0.750      3",
        "fused [s]   0.250   0.250    0.250      1",
        "",
        "sizes     T 200, hidden 512",
        "seeds     0, 1, 2",
        "hardware  Some GPU; Some processor, 8 cores",
        "software  Python 3.12.3, PyTorch 2.13.0",
        "made      2030-01-31, commit 0123456789",
    ]


def test_a_run_without_a_gpu_and_a_trial_are_shown_as_what_they_are(book):
    recorded(book, size="small", hardware={**SOUND["hardware"], "kind": "cpu", "gpu": None}, changed_files=True)
    text = results.show(NAME)
    assert "TRIAL at small size: not a result" in text
    assert "hardware  NO GPU; Some processor" in text
    assert "commit 0123456789 with uncommitted changes" in text


def test_every_backend_has_a_record_of_its_own(book):
    recorded(book, variant="torch")
    recorded(book, variant="jax")
    recorded(book, experiment=f"{NAME}_of_something_else")
    assert [found["variant"] for found in results.load(NAME)] == ["jax", "torch"]
    heads = [line for line in results.show(NAME).splitlines() if line.startswith("Recorded")]
    assert heads == [f"Recorded run: {NAME} (jax)", f"Recorded run: {NAME} (torch)"]


def test_importing_it_loads_nothing_heavy():
    code = "import sys, common.results; print(*{'torch', 'keras', 'numpy', 'matplotlib'} & set(sys.modules))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() in ("", "numpy")


def test_the_names_in_the_book_s_notebooks_fit_their_notebooks():
    for path in (results.ROOT / "notebooks").rglob("*.ipynb"):
        for name in fingerprint.experiments_of(path):
            assert results.ROOT / "notebooks" / Path(name).parent.with_suffix(".ipynb") == path


def test_only_the_cells_up_to_the_one_that_saves_count(tmp_path):
    """What comes after an experiment was saved cannot have made its record."""
    first = 'run = results.experiment("07_made_up/1_example/accuracy", small={}, full={})'
    second = 'other = results.experiment("07_made_up/1_example/speed", small={}, full={})'
    cells = ["width = 64", first, "run.save({})", "print(width)", second, "depth = 2", "other.save({})", "show()"]

    def behind(name, *changed):
        sources = [changed[1] if changed and number == changed[0] else cell for number, cell in enumerate(cells)]
        path = notebook(tmp_path / f"{abs(hash(changed))}.ipynb", *sources)
        return fingerprint.code_behind(path, experiment=name)["notebook"]

    accuracy, speed = "07_made_up/1_example/accuracy", "07_made_up/1_example/speed"
    for number in range(len(cells)):
        change = (number, cells[number] + "; more = 1")
        assert (behind(accuracy, *change) != behind(accuracy)) == (number <= 2), number
        assert (behind(speed, *change) != behind(speed)) == (number <= 6), number
        assert behind(None, *change) != behind(None), number
    renamed = "07_made_up/1_example/unsaved"
    assert behind(renamed) == behind(None)


def test_a_variable_that_is_used_again_belongs_to_the_next_experiment(tmp_path):
    cells = [
        'run = results.experiment("07_made_up/1_example/accuracy", small={}, full={})',
        "run.save({})",
        'run = results.experiment("07_made_up/1_example/speed", small={}, full={})',
        "run.save({})",
    ]
    path = notebook(tmp_path / "a.ipynb", *cells)
    until_first = notebook(tmp_path / "b.ipynb", *cells[:2])
    of_first = fingerprint.code_behind(path, experiment="07_made_up/1_example/accuracy")
    assert of_first == fingerprint.code_behind(until_first)
