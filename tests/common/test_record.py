"""`make record`, tried at small size with a made-up notebook: it records, refuses, and never touches the notebook."""

import json
import os
import sys
from pathlib import Path

import pytest

pytest.importorskip("nbclient")

from common import results
from tools import record

NAME = "07_made_up/1_example/accuracy"
SOURCE = f"""
import numpy as np
from common import results

run = results.experiment("{NAME}", small={{"steps": 3, "seeds": [0, 1]}}, full={{"steps": 3000, "seeds": [0, 1, 2]}})
found = [float(np.random.default_rng(s).random(run.sizes["steps"]).mean()) for s in run.sizes["seeds"]]
run.save({{"mean": found}}, times={{"all": 0.5}}, seeds=run.sizes["seeds"])
print(found)
"""


@pytest.fixture
def book(tmp_path, monkeypatch):
    monkeypatch.setenv("BOOK_NOTEBOOKS", str(tmp_path / "notebooks"))
    monkeypatch.delenv("BOOK_RECORD", raising=False)
    monkeypatch.setattr(record.tempfile, "mkdtemp", lambda prefix: str(tmp_path / "records"))
    return tmp_path


def notebook(book, source, name="1_example"):
    path = book / "notebooks" / "07_made_up" / f"{name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "source": source, "outputs": [], "execution_count": None}
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    text = json.dumps({"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5})
    path.write_text(text)
    return path


def test_a_trial_records_at_small_size_elsewhere_and_leaves_the_notebook_alone(book, monkeypatch, capsys):
    monkeypatch.setattr(record, "installed_gpus", dict)
    path = notebook(book, SOURCE)
    before = path.read_bytes()
    assert record.main(["--small", str(book / "notebooks")]) == 0
    assert path.read_bytes() == before
    stored = results.read(book / "records" / f"{NAME}.json")
    assert stored["size"] == "small"
    assert stored["sizes"] == {"steps": 3, "seeds": [0, 1]}
    assert stored["hardware"]["kind"] == "cpu"
    assert len(stored["metrics"]["mean"]) == 2
    assert "1 of 1 runs recorded" in capsys.readouterr().out


def test_full_size_without_a_gpu_is_refused_unless_asked_for(book, monkeypatch, capsys):
    monkeypatch.setattr(record, "installed_gpus", lambda: {"torch": "", "tensorflow": ""})
    monkeypatch.setenv("BOOK_RECORD_DIR", str(book / "records"))
    notebook(book, SOURCE)
    assert record.main([str(book / "notebooks")]) == 1
    said = capsys.readouterr().err
    assert "no GPU found (installed here: torch, tensorflow)" in said
    assert not (book / "records").exists()
    assert record.main(["--cpu", str(book / "notebooks")]) == 0
    stored = results.read(book / "records" / f"{NAME}.json")
    assert (stored["size"], stored["sizes"]["steps"], stored["hardware"]["kind"]) == ("full", 3000, "cpu")


def test_a_notebook_that_fails_or_forgets_to_save_is_reported(book, monkeypatch, capsys):
    monkeypatch.setattr(record, "installed_gpus", dict)
    notebook(book, SOURCE.replace("run.save", "dict"), "1_example")
    notebook(book, SOURCE.replace("1_example", "2_other") + "1 / 0", "2_other")
    assert record.main(["--small", str(book / "notebooks")]) == 1
    said = capsys.readouterr().out
    assert f"{NAME}: the notebook ran, but did not save this experiment" in said
    assert "ZeroDivisionError" in said
    assert "0 of 2 runs recorded" in said


def test_a_keras_notebook_runs_once_a_backend_and_a_torch_notebook_once(book):
    keras = notebook(book, "import keras\n" + SOURCE, "1_example")
    torch = notebook(book, "import torch\n" + SOURCE, "2_other")
    notebook(book, "import torch\nprint(1)", "3_none")
    todo = record.jobs(record.find([str(book / "notebooks")]), ["torch", "jax"])
    assert [(job.notebook, job.framework, job.keras) for job in todo] == [
        (keras, "torch", True),
        (keras, "jax", True),
        (torch, "torch", False),
    ]


def test_jobs_that_cannot_run_here_say_why(book):
    notebook(book, "import keras\n" + SOURCE)
    todo = record.jobs(record.find([str(book / "notebooks")]), ["torch", "jax", "tensorflow"])
    chosen, left = record.choose(todo, {"torch": "Some GPU", "tensorflow": ""}, any_machine=False)
    assert [job.framework for job in chosen] == ["torch"]
    assert [line.split(": ")[1] for line in left] == [
        "jax is not installed here",
        "tensorflow is installed here, but sees no GPU",
    ]
    chosen, _ = record.choose(todo, {"torch": "", "tensorflow": ""}, any_machine=True)
    assert [job.framework for job in chosen] == ["torch", "tensorflow"]


def test_the_backend_reaches_the_kernel_of_a_keras_notebook_only(book, monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    # Keras is named but never imported: a real one would take seconds.
    head = "import os\nif False:\n    import keras\nassert os.environ['KERAS_BACKEND'] == 'jax'\n"
    path = notebook(book, head + SOURCE.replace("\n\n", "\nresults._variant = lambda: 'jax'\n"))
    job = record.jobs([path], ["jax"])[0]
    assert record.execute(job, small=True, folder=book / "records") == []
    assert (book / "records" / f"{NAME}.jax.json").is_file()
    assert "KERAS_BACKEND" not in os.environ


def test_the_frameworks_are_looked_at_in_processes_of_their_own(monkeypatch):
    monkeypatch.setattr(
        record,
        "_LOOK",
        {"torch": "print('noise'); print('Some GPU')", "jax": "import nothing_of_the_kind", "tensorflow": "print('')"},
    )
    assert record.installed_gpus() == {"torch": "Some GPU", "tensorflow": ""}
    assert "nothing_of_the_kind" not in sys.modules


def test_a_wrong_path_is_named(capsys):
    with pytest.raises(SystemExit):
        record.main(["notebooks/nowhere"])
    assert "no such notebook or folder: notebooks/nowhere" in capsys.readouterr().err


def test_the_real_notebooks_of_the_book_can_be_searched_for_experiments():
    notebooks = record.find([str(Path(record.ROOT, "notebooks"))])
    assert isinstance(record.jobs(notebooks, ["torch"]), list)
