"""tools/shake.py: finds planted numbers and texts that depend on the machine, and leaves stable ones in peace."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import shutil
import subprocess
import sys

import nbformat
import numpy as np
import pytest

from common.cells import LSTM, RNN
from common.layers import Embedding
from conftest import Output
from tests.notebooks.form import ROOT
from tests.notebooks.made_up import code
from tools import shake

# ---- the share of a tolerance ----------------------------------------------------------------------------------------

SHARES = [
    ("loss 0.1234", "loss 0.1234", None, [0]),
    ("loss 1000.0", "loss 1000.5", None, [0.49975]),
    ("loss 1.0, then 2.0", "loss 1.0, then 2.1", 0.1, [0, 0.47619]),
    ("error 1e-13", "error 6e-13", None, [0.5]),
    ("16961 parameters", "16962 parameters", None, [math.inf]),
    ("5 steps", "9 steps", None, [math.inf]),
    ("It took 1000.", "It took 1001.", None, [math.inf]),
    ("104 steps", "100 steps", 0.05, [0.76923]),
    ("0.37", "0.26", 0.15, [1.98198]),
    ("5", "5.0", None, [0]),
    ("inf nan", "inf nan", None, []),
    ("differs by ≤ 1e-6", "differs by ≤ 1e-8", None, [0]),
    ("differs by ≤ 1e-6", "differs by ≤ 1e-5", None, [1]),
    ("differs by ≤ 1e-6", "differs by ≤ 1e-4", None, [2]),
    ("differs by at most 0", "differs by at most 1e-13", None, [0.1]),
    ("[1. 2.\n 3.]", "[1. 2.\n 3.001]", None, [0, 0, 0.33322]),
]


@pytest.mark.parametrize(("stored", "now", "rtol", "expected"), SHARES)
def test_share_of_the_tolerance(stored, now, rtol, expected):
    numbers, lines = shake.judged(Output(stored, rtol), now)
    found = [share for *_, share in numbers]
    assert found == pytest.approx(expected, rel=1e-4)
    assert lines == []
    assert (Output(stored, rtol) == now) is all(share <= 1 for share in found), "the comparison says the same"


def test_the_comparison_has_the_last_word(monkeypatch):
    """Where it knows a rule that the shares do not know, its verdict counts."""
    monkeypatch.setattr(Output, "close", lambda self, a, b: b == "0.9")
    assert shake.share(Output("0.5"), "0.5", "0.50001") == math.inf
    assert shake.share(Output("0.5"), "0.5", "0.9") == 1


def test_lines_that_differ_are_told_from_numbers():
    stored, now = "a 1\nb 2.0\nc 3.0\n", "a 1\nB 2.0\nc 3.001\n\n"
    assert shake.judged(Output(stored), now) == (
        [(0, "1", "1", 0.0), (2, "3.0", "3.001", pytest.approx(0.333222, rel=1e-5))],
        [("b 2.0", "B 2.0")],
    )
    assert shake.judged(Output("a\nb"), "a") == ([], [("a\nb", "a")])


# ---- whole runs ------------------------------------------------------------------------------------------------------

CELLS = {
    "start": "import os\nfrom common.cells import RNN\nw = RNN(2, 3, rng=0).params['W_h']",
    "stable": "print(f'mean {w.mean():.6f} of {w.size}')",
    "chaos": "x = abs(w[0, 0]) % 1\nfor _ in range(120):\n    x = 3.99 * x * (1 - x)\nprint(f'run 1: {x:.3f}')",
    "text": "noise = 'SHAKE_NOISE' in os.environ\nprint('the same\\n' + ('above' if noise else 'below'))",
    "ignored": "print('noise', noise)",
    "threads": "print(os.environ['OMP_NUM_THREADS'], 'math threads')",
    "fails": "assert not noise, 'a cell that fails'",
    "value": "float(f'{x:.2f}')",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A notebook with the outputs of this machine, one cell for each of CELLS."""
    folder = tmp_path_factory.mktemp("shaken")
    shutil.copy(ROOT / "conftest.py", folder)
    (folder / "pytest.ini").write_text("[pytest]\n")
    names, cells = {}, []
    for name, source in CELLS.items():
        said = io.StringIO()
        with contextlib.redirect_stdout(said), pytest.MonkeyPatch.context() as patch:
            patch.setenv("OMP_NUM_THREADS", "1")
            exec(source, names)
        cells.append(code(source, said.getvalue(), tags=("nbval-ignore-output",) if name == "ignored" else ()))
    value = {"text/plain": str(eval(CELLS["value"], names))}
    cells[-1].outputs = [nbformat.v4.new_output("execute_result", data=value, execution_count=1)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "made_up.ipynb")
    return folder


@pytest.fixture(scope="module")
def shaken(folder):
    """(exit status, what was printed, the report's file) of one call with two settings."""
    said, file = io.StringIO(), folder / "report.txt"
    options = ["--settings", "threads,noise-1", "--records", str(folder / "records"), "--report", str(file)]
    with contextlib.redirect_stdout(said), pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.endswith("_THREADS")]:
            patch.setenv(name, "1")
        status = shake.main([str(folder / "made_up.ipynb"), *options])
    return status, said.getvalue(), file.read_text()


def rows(report: str, name: str) -> list[list[str]]:
    """The lines about numbers of one cell, each as [share, setting]."""
    place = f"made_up.ipynb::Cell {list(CELLS).index(name)}:"
    return [line.split()[:2] for line in report.splitlines() if place in line]


def test_an_unstable_number_is_found(shaken):
    status, printed, report = shaken
    assert status == 1
    for text in (printed, report):
        [(share, setting)] = rows(text, "chaos")
        assert setting == "noise-1"
        assert float(share) > 1
        [(share, setting)] = rows(text, "value")
        assert float(share) > 1


def test_a_stable_number_is_not(shaken):
    assert rows(shaken[2], "stable") == []
    assert "threads: 1 numbers moved, largest share inf, 0 texts differ" in shaken[1]


def test_a_whole_number_that_changes_is_found(shaken):
    assert rows(shaken[2], "threads") == [["whole", "threads"]]


def test_a_text_that_differs_is_found(shaken):
    at = list(CELLS).index("text")
    found = shaken[2].split(f"made_up.ipynb::Cell {at}  under noise-1\n")[1].splitlines()
    assert found[:2] == ["    stored: below", "    now:    above"], "the one line, not its neighbours"


def test_a_cell_that_fails_is_found(shaken):
    at = list(CELLS).index("fails")
    assert "a cell that fails" in shaken[2].split(f"made_up.ipynb::Cell {at}  under noise-1\n")[1]
    assert "texts that differ and cells that failed: 2" in shaken[2]


def test_a_cell_whose_output_is_ignored_is_not_looked_at(shaken):
    assert f"Cell {list(CELLS).index('ignored')}" not in shaken[2]


def test_the_report_counts(shaken):
    assert "2 of 2 runs" in shaken[2]
    assert "numbers compared: 6; printed otherwise at least once: 3" in shaken[2]
    assert "used more than a third of their tolerance: 3; more than all of it: 3" in shaken[2]
    assert shaken[2].index("whole  threads") < shaken[2].index("noise-1  "), "worst first"


def kept(folder, setting: str):
    """The arguments that take a setting of the made-up notebook from an earlier call, and the file it is kept in."""
    record = folder / "kept" / folder.name / "made_up" / f"{setting}.jsonl"
    record.parent.mkdir(parents=True, exist_ok=True)
    entry = {"cell": 1, "stored": "a 1.0\n", "now": "a 1.0\n", "rtol": None, "atol": 1e-12}
    record.write_text(json.dumps(entry) + "\n" + json.dumps({**entry, "cell": 2}) + "\n")
    options = ["--settings", f"{setting},noise-2", "--continue", "--records", str(folder / "kept")]
    return [str(folder / "made_up.ipynb"), *options], record


def test_a_stable_notebook_ends_well(folder, capsys, monkeypatch):
    arguments, record = kept(folder, "plain")
    monkeypatch.setattr(shake, "run", lambda notebook, setting, path: shutil.copy(record, path))
    assert shake.main(arguments) == 0
    said = capsys.readouterr().out
    assert "noise-2: 0 numbers moved, largest share 0.00, 0 texts differ" in said
    assert "texts that differ and cells that failed: none" in said
    assert "numbers compared: 2; printed otherwise at least once: 0" in said


def test_an_interrupt_keeps_what_was_done(folder, capsys, monkeypatch):
    def interrupted(notebook, setting, record):
        raise KeyboardInterrupt

    monkeypatch.setattr(shake, "run", interrupted)
    arguments, _ = kept(folder, "threads")
    (folder / "kept" / folder.name / "made_up" / "noise-2.jsonl").unlink(missing_ok=True)
    assert shake.main(arguments) == 1
    said = capsys.readouterr().out
    assert "stopped; this is what was done" in said
    assert "1 of 2 runs" in said
    assert "numbers compared: 2;" in said


def test_pytest_that_does_not_start_is_said(folder, tmp_path, capsys):
    broken = tmp_path / "broken.ipynb"
    broken.write_text("<<<<<<< not a notebook")
    assert shake.main([str(broken), "--settings", "plain", "--records", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "texts that differ and cells that failed: 1\n" in said
    assert "broken.ipynb  under plain\n    now: " in said
    assert "does not appear to be JSON" in said


@pytest.mark.parametrize(("arguments", "said"), [(["nowhere.ipynb"], "no such"), (["--settings", "vax"], "vax; there")])
def test_wrong_arguments_are_said(arguments, said, capsys):
    with pytest.raises(SystemExit):
        shake.main(arguments)
    assert said in capsys.readouterr().err


# ---- the settings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("setting", shake.settings(), ids=lambda setting: setting.name)
def test_numpy_works_under_every_setting(setting):
    """No illegal instruction, and no feature that NumPy refuses to switch off."""
    program = "import numpy as np; a = np.ones((50, 50)); print(np.tanh(a @ a).sum())"
    variables = {**os.environ, **setting.variables}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], env=variables, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "2500.0\n"), done.stderr


FOUND = [
    (["X86_V3"], {"sse": "X86_V3", "avx": "X86_V3", "avx2": ""}),
    (
        ["X86_V3", "X86_V4", "AVX512_ICL"],
        {
            "sse": "X86_V3 X86_V4 AVX512_ICL",
            "avx": "X86_V3 X86_V4 AVX512_ICL",
            "avx2": "X86_V4 AVX512_ICL",
            "avx512": "",
        },
    ),
    ([], {"sse": "", "avx": ""}),
    (None, {}),
]


@pytest.mark.parametrize(("found", "without"), FOUND)
def test_a_machine_imitates_what_it_can(found, without, monkeypatch):
    """The imitated machines, with the features of NumPy that each switches off; None: a processor of another make."""
    monkeypatch.setattr(np, "show_config", lambda mode: {"SIMD Extensions": {} if found is None else {"found": found}})
    monkeypatch.setattr("platform.machine", lambda: "arm64" if found is None else "x86_64")
    made = {setting.name: setting.variables for setting in shake.settings()}
    assert {k: v["NPY_DISABLE_CPU_FEATURES"] for k, v in made.items() if "OPENBLAS_CORETYPE" in v} == without
    assert next(iter(made)) == "plain"
    assert list(made)[-4:] == ["threads", "noise-1", "noise-2", "noise-3"]


# ---- the noise -------------------------------------------------------------------------------------------------------

WEIGHTS = {
    "common": """
        from common.cells import LSTM, RNN, initial
        from common.layers import Embedding
        make = lambda: {
            "W_x": LSTM(3, 4, rng=0).params["W_x"], "b": LSTM(3, 4, rng=0).params["b"],
            "single": RNN(3, 4, dtype=np.float32, rng=0).params["W_h"], "W": Embedding(5, 3, rng=0).params["W"],
            "glorot": initial.glorot_uniform(np.random.default_rng(0), 3, 4),
            "chrono": sum(initial.chrono_biases(np.random.default_rng(0), 5, 20)),
        }""",
    "torch": """
        import torch
        def make():
            torch.manual_seed(0)
            lstm, linear = torch.nn.LSTM(3, 4), torch.nn.Linear(3, 4, dtype=torch.float64)
            square = torch.nn.init.orthogonal_(torch.empty(4, 4))
            made = [lstm.weight_hh_l0, linear.bias, square, torch.nn.init.ones_(torch.empty(2)), torch.rand(3)]
            return dict(zip(["W_h", "double", "square", "ones", "drawn"], [m.detach().numpy() for m in made]))""",
    "keras": """
        import keras
        def make():
            keras.utils.set_random_seed(0)
            lstm = keras.layers.LSTM(4)
            lstm.build((None, None, 3))
            W_x, W_h, b = (w.numpy() for w in lstm.weights)
            return {"W_x": W_x, "W_h": W_h, "b": b}""",
}
PROGRAM = """
import json, os, sys
import numpy as np
{make}
found = []
for seed in ("", "1", "1", "2"):
    os.environ["SHAKE_NOISE"] = seed
    found.append({{k: (str(v.dtype), np.ravel(v).tolist()) for k, v in make().items()}})
print(json.dumps(found))
"""


@pytest.mark.parametrize("library", WEIGHTS)
def test_noise_is_rounding_and_seeded(library):
    make = "\n".join(line[8:] for line in WEIGHTS[library].splitlines())
    variables = {**os.environ, "SHAKE_NOISE": "1", "PYTHONPATH": str(ROOT / "tools" / "shaking")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(make=make)], env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    without, one, again, two = json.loads(done.stdout.splitlines()[-1])
    assert one == again, "the same seed, the same noise"
    exact = {"b", "ones", "drawn", "chrono"}  # zeros and ones, data, and −b + b
    for name, (dtype, values) in without.items():
        values, moved = np.array(values), np.array(one[name][1])
        assert one[name][0] == dtype
        if name in exact:
            np.testing.assert_array_equal(moved, values)
            continue
        assert (moved != values).any(), name
        assert one[name] != two[name], "another seed, other noise"
        # Noise may come twice: into the weights as they are drawn, and once more into those of a cell.
        assert np.abs(moved / values - 1).max() < 20 * np.finfo(dtype).eps, name


def test_without_a_seed_nothing_is_changed():
    variables = {**os.environ, "PYTHONPATH": str(ROOT / "tools" / "shaking")}
    variables.pop("SHAKE_NOISE", None)
    program = (
        "from common.cells import LSTM, RNN; from common.layers import Embedding; import numpy as np; print("
        "LSTM(3, 4, rng=0).params['W_x'].tolist(), RNN(3, 4, dtype=np.float32, rng=0).params['W_h'].tolist(),"
        "Embedding(5, 3, rng=0).params['W'].tolist())"
    )
    said = subprocess.run([sys.executable, "-c", program], env=variables, capture_output=True, text=True, check=True)
    here = (LSTM(3, 4, rng=0).params["W_x"], RNN(3, 4, dtype=np.float32, rng=0).params["W_h"])
    assert said.stdout.strip() == " ".join(str(a.tolist()) for a in (*here, Embedding(5, 3, rng=0).params["W"]))
