"""`make bench`: its contenders compute the same thing, its limit is the limit, its table says what it should."""

import re
import subprocess
import sys

import numpy as np
import pytest

from common.cells import RNN
from tools import bench

ROOT = bench.ROOT


def test_the_shapes_are_those_of_the_book():
    assert set(bench.SHAPES) == {
        (100, 64, 64, 256),
        (100, 32, 32, 128),
        (64, 32, 1, 64),
        (10, 32, 1, 64),
        (200, 64, 128, 512),
    }


class Counting(np.ndarray):
    """An array that counts the multiplications of the matrix products it takes part in, and so do its results."""

    multiplications = 0

    def __array_ufunc__(self, ufunc, method, *inputs, out=(), **options):
        plain = [i.view(np.ndarray) if isinstance(i, Counting) else i for i in inputs]
        if ufunc is np.matmul:
            # NumPy does only half of the work of AᵀA, which no product of the cell is.
            assert not np.shares_memory(plain[0], plain[1])
            Counting.multiplications += plain[0].size * plain[1].shape[-1]
        if out:
            options["out"] = tuple(o.view(np.ndarray) if isinstance(o, Counting) else o for o in out)
        return np.asarray(getattr(ufunc, method)(*plain, **options)).view(Counting)


def counted(function):
    Counting.multiplications = 0
    function()
    return Counting.multiplications


def test_the_limit_does_as_many_multiplications_as_the_cell_and_no_fewer_than_the_equations_need(monkeypatch):
    T, B, D, H = shape = (5, 3, 2, 4)
    original = bench.data

    def counting(shape):
        cell, x, upstream = original(shape)
        cell.params = {name: value.view(Counting) for name, value in cell.params.items()}
        return cell, x.view(Counting), upstream.view(Counting)

    monkeypatch.setattr(bench, "data", counting)
    equations = 3 * T * B * (D * H + H * H)  # forward, and back to the weights and to what they were multiplied with
    assert counted(bench.products(shape)) == equations
    assert counted(bench.ours(shape)) == equations + T * B * H  # the gradient of b is taken as a product, too


def test_the_contenders_compute_the_same_gradients_and_a_wrong_one_is_named():
    pytest.importorskip("torch")
    shape = (4, 3, 2, 5)
    contenders = {bench.OURS: bench.ours(shape), bench.TORCH: bench.torch_rnn(shape)}
    bench.check_equal(shape, contenders)
    right = contenders[bench.TORCH]

    def wrong():
        W_x, W_h, b, x = right()
        return W_x, W_h, 2 * b, x

    with pytest.raises(AssertionError, match="the gradient of b of PyTorch is not that of ours"):
        bench.check_equal(shape, {**contenders, bench.TORCH: wrong})


def test_the_element_wise_part_is_that_of_the_cell_without_its_products():
    """With W_h = 0 and no input the cell does only element-wise work, so both must give the same bias gradient."""
    T, B, _, H = shape = (4, 3, 2, 5)
    template = np.random.default_rng(1).standard_normal((T, B, H), dtype=np.float32)
    cell, _, upstream = bench.data(shape)
    reference = RNN(H, H, dtype=np.float32)
    reference.params["W_x"][:] = np.eye(H)
    reference.params["W_h"][:] = 0
    reference.params["b"][:] = cell.params["b"]
    reference.forward(template)
    deltas = upstream * (1 - np.tanh(template + cell.params["b"]) ** 2)
    reference.backward(upstream)
    np.testing.assert_allclose(reference.grads["b"], deltas.sum(axis=(0, 1)), rtol=1e-5)
    # element_wise keeps adding the upstream gradient to dh, since no product takes its place.
    carried = np.cumsum(upstream[::-1], axis=0)[::-1] * (1 - np.tanh(template + cell.params["b"]) ** 2)
    np.testing.assert_allclose(bench.element_wise(shape)(), carried.sum(axis=(0, 1)), rtol=1e-4)


def test_the_shares_of_the_time_sum_to_the_whole():
    ratio = {bench.LIMIT: 0.75, "calls of the products": 0.125, "element-wise": 0.25, "calls element-wise": 0.125}
    shares = bench._shares({**ratio, "calls": 0.1875})
    assert shares == {"matrix products": 0.625, "element-wise": 0.125, "calls": 0.1875, "rest": 0.0625}


def test_the_report_shows_every_ratio_and_the_verdict():
    row = {
        "shape": (10, 2, 3, 256),
        "way": "unrolled",
        "ms": {bench.OURS: 12.345},
        "of the limit": 0.934,
        "to torch": 0.5,
        "to keras": 1.25,
        "to faster": 1.25,
        "shares": {"matrix products": 0.9, "element-wise": 0.06, "calls": 0.04, "rest": 0.0},
    }
    small = {**row, "shape": (10, 2, 3, 64), "of the limit": 0.4, "to faster": 0.75}
    text = bench.report([row, small])
    assert (
        "| 10, 2, 3, 256 |    12.3 |         93 % |           0.50 |         1.25 |          1.25 |   unrolled |"
        in text
    )
    assert "Median of ours / faster: 1.00 (aim: at most 1.00)." in text
    assert "Of the limit at H ≥ 256: at least 93 % (aim: 90 %)." in text
    assert len({len(line) for line in text.splitlines() if line.startswith("| 10")}) == 2  # two tables, each aligned


def test_the_bench_runs_with_every_contender_in_one_process_on_one_thread():
    pytest.importorskip("torch")
    pytest.importorskip("tensorflow")
    command = [sys.executable, str(ROOT / "tools" / "bench.py"), "--quick"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert run.returncode == 0, run.stderr[-2000:]
    rows = [line for line in run.stdout.splitlines() if line.startswith("| ") and line[2].isdigit()]
    assert len(rows) == 2 * len(bench.QUICK)
    for line in rows[: len(bench.QUICK)]:
        _, _, ms, limit, torch, keras, faster, way, _ = (cell.strip() for cell in line.split("|"))
        assert float(ms) > 0
        assert limit.endswith(" %")
        assert float(faster) == max(float(torch), float(keras))  # against the faster library ours looks worse
        assert way in ("loop", "unrolled", "XLA", "unrolled, XLA")
    assert re.search(r"^NumPy .*, 1 thread$", run.stdout, re.MULTILINE)
    assert re.search(r"^PyTorch .*, 1 thread$", run.stdout, re.MULTILINE)
    assert re.search(r"Import in a fresh interpreter: common \d+ ms, common.cells \d+ ms, numpy \d+ ms\.", run.stdout)
