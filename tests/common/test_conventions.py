"""The tables of book/notation.md against the installed libraries.

A probe runs each framework's layers with random weights, in a process of its own (PyTorch and TensorFlow never share
one), and hands over weights, inputs and outputs. Here every hypothesis about the layer is tried in NumPy: each order of
the blocks, both meanings of z, both places of the reset. Exactly one may reproduce the output, and it must be the one
that the page prints.
"""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from common.cells import GRU, LSTM, RNN

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "book/notation.md"
D, H, B, T = 2, 3, 4, 5  # the sizes that the probes use
TOLERANCE = 1e-12


# ---- the page --------------------------------------------------------------------------------------------------------


@cache
def table(heading: str) -> dict[str, dict[str, str]]:
    """The first table under a heading: row name -> column name -> text, without Markdown's ticks and stars."""
    section = PAGE.read_text().split(f"\n### {heading}\n", 1)[1]
    lines = itertools.dropwhile(lambda line: not line.startswith("|"), section.splitlines())
    lines = itertools.takewhile(lambda line: line.startswith("|"), lines)
    head, _, *rows = ([re.sub(r"[`*${}]", "", cell).strip() for cell in line.strip("|").split("|")] for line in lines)
    return {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in rows}


def sizes(text: str) -> list[int]:
    """ "(2, 3H)" -> [2, 9] with the probes' sizes."""
    text = re.sub(r"(\d)([DH])", r"\1*\2", text)
    names = {"D": D, "H": H, "B": B, "T": T}
    parts = [p for p in text.strip("()").split(",") if p.strip()]
    return [int(eval(p, {}, names)) for p in parts]


def formula(text: str, m: int, h: int) -> int:
    """ "4HS + 8H" as a number, with S = D + H."""
    text = re.sub(r"(\d)H", r"\1*H", text).replace("HS", "H*S")
    return int(eval(text, {}, {"H": h, "S": m + h}))


# ---- the libraries ---------------------------------------------------------------------------------------------------


@cache
def probe(framework: str) -> dict:
    program = Path(__file__).parent / "probes" / f"{framework}_layers.py"
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def weights(framework: str, kind: str):
    """(input weights (D, G*H), recurrent weights (H, G*H), input bias (G*H,), recurrent bias (G*H,)) of a layer."""
    given = {name: np.array(w) for name, w in probe(framework)["runs"][kind]["weights"].items()}
    if framework == "torch":
        return (
            given["weight_ih_l0"].T,
            given["weight_hh_l0"].T,
            given["bias_ih_l0"],
            given["bias_hh_l0"],
        )
    bias = np.atleast_2d(given["bias"])
    return given["kernel"], given["recurrent_kernel"], bias[0], bias[1] if len(bias) == 2 else np.zeros_like(bias[0])


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def lstm(x, h, c, W, U, b, order):
    """Outputs (T, B, H) and the last cell state of an LSTM whose blocks lie in the given order."""
    at = {name: slice(k * H, (k + 1) * H) for k, name in enumerate(order)}
    outputs = []
    for x_t in x:
        a = x_t @ W + h @ U + b
        i, f, o = (sigmoid(a[:, at[name]]) for name in "ifo")
        c = f * c + i * np.tanh(a[:, at["g"]])
        h = o * np.tanh(c)
        outputs.append(h)
    return np.array(outputs), c


def gru(x, h, W, U, b, b_h, order, z_multiplies, reset):
    """Outputs (T, B, H) of a GRU with the given order of blocks, meaning of z and place of the reset."""
    at = {name: slice(k * H, (k + 1) * H) for k, name in enumerate(order)}
    outputs = []
    for x_t in x:
        a, m = x_t @ W + b, h @ U + b_h
        r, z = (sigmoid(a[:, at[name]] + m[:, at[name]]) for name in "rz")
        n = at["n"]
        inner = r * m[:, n] if reset == "after" else (r * h) @ U[:, n] + b_h[n]
        n = np.tanh(a[:, n] + inner)
        h = z * h + (1 - z) * n if z_multiplies == "the old state" else (1 - z) * h + z * n
        outputs.append(h)
    return np.array(outputs)


def arrays(framework, kind):
    run = probe(framework)["runs"][kind]
    return np.array(run["x"]), [np.array(s) for s in run["state"]], np.array(run["output"])


FRAMEWORKS = {"PyTorch": "torch", "Keras": "keras"}
OURS = {"RNN": RNN, "LSTM": LSTM, "GRU": GRU}


# ---- the tests -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", FRAMEWORKS)
def test_the_order_of_the_lstm_blocks_is_the_one_printed(where):
    framework = FRAMEWORKS[where]
    x, (h, c), output = arrays(framework, "LSTM")
    W, U, b, b_h = weights(framework, "LSTM")
    last = np.array(probe(framework)["runs"]["LSTM"]["last"][1])
    fits = []
    for order in itertools.permutations("ifgo"):
        got, got_c = lstm(x, h, c, W, U, b + b_h, order)
        if np.abs(got - output).max() < TOLERANCE and np.abs(got_c - last).max() < TOLERANCE:
            fits.append(", ".join(order))
    assert fits == [table("The order of the gates: LSTM")[where]["Blocks, in order"]]


@pytest.mark.parametrize(
    ("where", "framework", "kind"),
    [
        ("PyTorch", "torch", "GRU"),
        ("Keras", "keras", "GRU"),
        ("Keras, option", "keras", "GRU reset_after=False"),
    ],
)
def test_order_sign_and_reset_of_the_gru_are_the_ones_printed(where, framework, kind):
    x, (h,), output = arrays(framework, kind)
    fits = []
    for order in itertools.permutations("rzn"):
        for sign, reset in itertools.product(("the old state", "the candidate"), ("after", "before")):
            got = gru(x, h, *weights(framework, kind), order, sign, reset)
            if np.abs(got - output).max() < TOLERANCE:
                fits.append({"Blocks, in order": ", ".join(order), "z multiplies": sign, "Reset": reset})
    assert fits == [table("The order of the gates: GRU")[where]]


def test_keras_resets_after_the_product_unless_told_otherwise():
    assert probe("keras")["reset_after_by_default"] is True


@pytest.mark.parametrize("where", FRAMEWORKS)
def test_the_plain_layer_computes_the_equation_of_the_page(where):
    framework = FRAMEWORKS[where]
    x, (h,), output = arrays(framework, "RNN")
    W, U, b, b_h = weights(framework, "RNN")
    cell = RNN(D, H)
    cell.params["W_x"][:], cell.params["W_h"][:], cell.params["b"][:] = W, U, b + b_h
    hs, _ = cell.forward(x, (h,))
    assert np.abs(hs - output).max() < TOLERANCE


@pytest.mark.parametrize(("kind", "blocks"), [("RNN", 1), ("LSTM", 4), ("GRU", 3)])
def test_the_weights_lie_as_printed(kind, blocks):
    rows = table("How the weights lie in memory")
    torch_weights = {n: np.shape(w) for n, w in probe("torch")["runs"][kind]["weights"].items()}
    keras_shapes = probe("keras")["runs"][kind]["shapes"]

    def printed(where, column):
        return sizes(rows[where][column].replace("G", str(blocks)))

    assert list(torch_weights["weight_ih_l0"]) == printed("PyTorch", "Input")
    assert list(torch_weights["weight_hh_l0"]) == printed("PyTorch", "Recurrent")
    assert keras_shapes["kernel"] == printed("Keras", "Input")
    assert keras_shapes["recurrent_kernel"] == printed("Keras", "Recurrent")
    # D comes first where x multiplies W as it lies, last where W has to be transposed.
    assert torch_weights["weight_ih_l0"][1] == keras_shapes["kernel"][0] == D
    assert rows["PyTorch"]["Product"] == rows["ONNX"]["Product"] == "x @ W.T"
    assert rows["Keras"]["Product"] == rows["This book"]["Product"] == "x @ W"
    cell = OURS[kind](D, H)
    assert list(cell.params["W_x"].shape) == printed("This book", "Input")
    assert list(cell.params["W_h"].shape) == printed("This book", "Recurrent")


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_the_biases_have_the_shapes_printed(kind):
    rows = table("How many biases")
    given = probe("torch")["runs"][kind]["weights"]
    shape, twice = rows["PyTorch"][kind].rsplit(" ", 1)
    assert twice == "twice"
    assert [list(np.shape(given[name])) for name in ("bias_ih_l0", "bias_hh_l0")] == [sizes(shape)] * 2
    assert probe("keras")["runs"][kind]["shapes"]["bias"] == sizes(rows["Keras"][kind])
    if kind == "GRU":
        before = probe("keras")["runs"]["GRU reset_after=False"]["shapes"]["bias"]
        assert before == sizes(rows["Keras, option"]["GRU"])
    printed = [sizes(shape) for shape in rows["This book"][kind].split(" and ")]
    assert [list(p.shape) for name, p in OURS[kind](D, H).params.items() if not name.startswith("W")] == printed
    if kind == "GRU":
        assert "c_n" not in (before := GRU(D, H, reset="before").params)
        assert list(before["b"].shape) == sizes(rows["This book, option"]["GRU"])


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_the_parameter_counts_follow_the_formulas_printed(kind):
    rows = table("How many parameters")
    for where, framework in FRAMEWORKS.items():
        for m, h, counted in probe(framework)["counts"][kind]:
            assert formula(rows[where][kind], m, h) == counted, (where, kind, m, h)
    if kind == "GRU":
        for m, h, counted in probe("keras")["counts"]["GRU reset_after=False"]:
            assert formula(rows["Keras, option"]["GRU"], m, h) == counted
        example = re.search(
            r"With \$D = (\d+)\$ and \$H = (\d+)\$.*?has (\d+) parameters, and (\d+)", PAGE.read_text(), re.S
        )
        m, h, after, before = map(int, example.groups())
        assert formula(rows["Keras"]["GRU"], m, h) == after
        assert formula(rows["Keras, option"]["GRU"], m, h) == before
        ours = GRU(12, 128, reset="before").parameter_count
        assert formula(rows["This book, option"]["GRU"], 12, 128) == ours
    assert formula(rows["This book"][kind], 12, 128) == OURS[kind](12, 128).parameter_count


def test_the_parameter_counts_of_the_example_follow_from_the_formulas():
    section = PAGE.read_text().split("\n### How many parameters\n", 1)[1].split("\n### ", 1)[0]
    formulas = table("How many parameters")
    example = section.split("With $D = 4$ and $H = 5$", 1)[1]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in example.splitlines() if line[:1] == "|"]
    assert len(rows) == len(formulas) + 2
    for where, *counts in rows[2:]:
        for kind, count in zip(("RNN", "LSTM", "GRU"), counts, strict=True):
            text = formulas[where][kind]
            assert count == (text if text == "–" else str(formula(text, 4, 5))), (where, kind)


def test_shapes_in_and_out_are_the_ones_printed():
    rows = table("Shapes that go in and come out")
    torch_run, keras_run = probe("torch")["runs"], probe("keras")["runs"]
    for kind in ("RNN", "LSTM", "GRU"):
        for where, run in (("PyTorch", torch_run[kind]), ("Keras", keras_run[kind])):
            assert run["output_shape"] == sizes(rows[where]["All steps"])
            assert run["last_shapes"] == [sizes(rows[where]["Last state"])] * (2 if kind == "LSTM" else 1)
        assert keras_run[kind]["last_only_shape"] == [B, H]
    assert torch_run["RNN"]["batch_first_shapes"] == [[B, T, H], [1, B, H]]
    hs, (h,) = RNN(D, H).forward(np.zeros(sizes(rows["This book"]["Input"])))
    assert list(hs.shape) == sizes(rows["This book"]["All steps"])
    assert list(h.shape) == sizes(rows["This book"]["Last state"])


def test_pytorch_starts_as_printed():
    row = table("Where training starts")["PyTorch"]
    assert set(row.values()) == {"±1/√H"}
    for kind in ("RNN", "LSTM", "GRU"):
        for name, (low, high) in probe("torch")["start"][kind]["ranges"].items():
            bound = 1 / np.sqrt(64)
            assert -bound <= low < -0.9 * bound, (kind, name, low)
            assert 0.9 * bound < high <= bound, (kind, name, high)
    assert abs(probe("torch")["start"]["LSTM"]["forget"]) < 0.05  # around 0: no forget bias


def test_keras_starts_as_printed():
    row = table("Where training starts")["Keras"]
    assert row == {"Input": "Glorot", "Recurrent": "orthogonal", "Biases": "0, forget gate 1"}
    size = 64
    for kind, blocks in (("RNN", 1), ("LSTM", 4), ("GRU", 3)):
        start = probe("keras")["start"][kind]
        limit = np.sqrt(6 / (size + blocks * size))
        low, high = start["kernel_range"]
        assert -limit <= low < -0.99 * limit
        assert 0.99 * limit < high <= limit
        assert np.allclose(start["whole"], 1, atol=1e-5), "the kernel as a whole has orthonormal rows"
        # "The square block of a single gate is then not orthogonal."
        assert all(np.allclose(s, 1, atol=1e-5) == (blocks == 1) for s in start["blocks"])
        bias = np.array(start["bias"])
        expected = np.zeros_like(bias)
        if kind == "LSTM":
            forget = table("The order of the gates: LSTM")["Keras"]["Blocks, in order"].split(", ").index("f")
            expected[forget * size : (forget + 1) * size] = 1
        assert np.array_equal(bias, expected), kind


@pytest.mark.parametrize(("kind", "blocks"), [("RNN", 1), ("LSTM", 4), ("GRU", 3)])
def test_this_book_starts_as_printed(kind, blocks):
    row = table("Where training starts")[f"Our {kind}"]
    recurrent = "orthogonal" if kind == "RNN" else "orthogonal, each block"
    assert row == {"Input": "Glorot", "Recurrent": recurrent, "Biases": "0, forget gate 1" if kind == "LSTM" else "0"}
    cell = OURS[kind](64, 64, rng=0)
    limit = np.sqrt(6 / (64 + blocks * 64))
    assert 0.99 * limit < np.abs(cell.params["W_x"]).max() <= limit
    for block in np.split(cell.params["W_h"], blocks, axis=1):
        assert np.allclose(block @ block.T, np.eye(64))
    if kind == "LSTM":
        assert np.all(cell.params["b"][cell.block("f")] == 1)
        cell.params["b"][cell.block("f")] = 0
    assert not any(p.any() for name, p in cell.params.items() if not name.startswith("W"))


def test_the_names_of_the_parameters_are_the_ones_printed():
    rows = table("What the parameters are called")
    torch_names = set(probe("torch")["runs"]["RNN"]["weights"])
    keras_names = set(probe("keras")["runs"]["RNN"]["weights"])
    printed_torch = {name for row in ("W_x", "W_h", "b") for name in re.findall(r"\w+_l0", rows[row]["PyTorch"])}
    printed_keras = {rows[row]["Keras"] for row in ("W_x", "W_h", "b")}
    assert printed_torch == torch_names
    assert printed_keras == keras_names


def test_the_worked_example_of_the_two_derivatives_is_right():
    """w = 3, h_0 = 2: immediate 6, total 12, and a small movement of w finds the total one."""
    page = PAGE.read_text()
    numbers = re.search(r"\$w = (\d+)\$ and \$h_0 = (\d+)\$ give \$h_1 = (\d+)\$ and \$h_2 = (\d+)\$", page)
    w, h_0, h_1, h_2 = map(int, numbers.groups())
    assert (w * h_0, w * w * h_0) == (h_1, h_2)
    immediate = int(re.search(r"The immediate\s+derivative is \$(\d+)\$", page)[1])
    total = int(re.search(r"The total derivative\s+is \$6 \+ 3 \\cdot 2 = (\d+)\$", page)[1])
    step = 1e-5
    moved = ((w + step) ** 2 * h_0 - (w - step) ** 2 * h_0) / (2 * step)
    assert immediate == h_1
    assert total == pytest.approx(moved)
