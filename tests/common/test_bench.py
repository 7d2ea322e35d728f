"""`make bench`: its contenders compute the same thing, its limit is the limit, its table says what it should."""

import re
import subprocess
import sys
from unittest import mock

import numpy as np
import pytest

from common import device
from common.cells import RNN, gated, gru, lstm
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


@pytest.fixture(params=bench.AIMS)
def case(request):
    return bench.Case(request.param, 5, 3, 2, 4)


class Counting(np.ndarray):
    """An array that counts the multiplications of the matrix products it takes part in, and so do its results."""

    multiplications = 0
    matmul = np.matmul

    def __array_ufunc__(self, ufunc, method, *inputs, out=(), **options):
        plain = [i.view(np.ndarray) if isinstance(i, Counting) else i for i in inputs]
        if out:
            options["out"] = tuple(o.view(np.ndarray) if isinstance(o, Counting) else o for o in out)
        result = np.asarray(getattr(ufunc, method)(*plain, **options))
        if ufunc is Counting.matmul:
            # NumPy does only half of the work of AᵀA, which no product of the cells is.
            assert not np.shares_memory(*plain)
            Counting.multiplications += result.size * plain[0].shape[-1]
        return result.view(Counting)


@pytest.fixture
def counted(monkeypatch):
    """A function that returns how many multiplications the matrix products of a function do.

    Those by name are counted whatever they multiply; those by operator, @, if the cell's own arrays take part.
    """
    original = bench.data

    def data(case):
        cell, *arrays = original(case)
        cell.params = {name: value.view(Counting) for name, value in cell.params.items()}
        return cell, *(array.view(Counting) for array in arrays)

    monkeypatch.setattr(bench, "data", data)
    monkeypatch.setattr(np, "matmul", lambda a, b, **options: Counting.matmul(a.view(Counting), b, **options))

    def count(function):
        Counting.multiplications = 0
        function()
        return Counting.multiplications

    return count


def test_the_limit_does_as_many_multiplications_as_the_cell_and_no_fewer_than_the_equations_need(case, counted):
    name, T, B, D, H = case
    blocks = {"RNN": 1, "LSTM": 4, "GRU": 3}[name]
    # Forward, and back to the weights and to what they were multiplied with.
    equations = 3 * T * B * blocks * (D * H + H * H)
    # What the cells multiply besides are ones: for the bias, or both of the GRU's candidate, there and back. The plain
    # cell has only the way back as a product. The gates of the GRU get a gradient of c_n, too, which is not used.
    ones = {"RNN": 1, "LSTM": 4 + 4, "GRU": 4 + 6}[name]
    assert counted(bench.products(case)) == equations
    assert counted(bench.ours(case).step) == equations + ones * T * B * H


def wrong(contender, change):
    """The contender with its gradients changed: `change` gets them by name and changes them in place."""

    def gradients(result):
        grads = dict(contender.gradients(result))
        change(grads)
        return grads

    return contender._replace(gradients=gradients)


def test_the_contenders_compute_the_same_gradients_and_a_wrong_one_is_named(case):
    pytest.importorskip("torch")
    contenders = {bench.OURS: bench.ours(case), bench.TORCH: bench.pytorch(case)}
    bench.check_equal(case, contenders)
    right = contenders[bench.TORCH]
    names = {"W_x", "W_h", "b", "x"} | ({"c_n"} if case.cell == "GRU" else set())
    assert right.gradients(right.step()).keys() == names
    for name in names:
        doubled = wrong(right, lambda grads, name=name: grads.update({name: 2 * grads[name]}))
        with pytest.raises(AssertionError, match=f"the gradient of {name} of PyTorch is not that of ours"):
            bench.check_equal(case, {**contenders, bench.TORCH: doubled})
        lacking = wrong(right, lambda grads, name=name: grads.pop(name))
        with pytest.raises(AssertionError, match="PyTorch has gradients of"):
            bench.check_equal(case, {**contenders, bench.TORCH: lacking})


@pytest.mark.parametrize("library", [bench.TORCH, bench.KERAS])
def test_no_library_is_timed_before_it_was_checked(case, library, monkeypatch):
    """TensorFlow stays out of this process; that its gradients are right is checked whenever the bench runs."""
    right = bench.ours(case)
    found = {bench.TORCH: right, bench.KERAS: right}
    found[library] = wrong(right, lambda grads: grads.update(x=-grads["x"]))
    monkeypatch.setattr(bench, "pytorch", lambda case: found[bench.TORCH])
    monkeypatch.setattr(bench, "fastest_keras", lambda case, ways: ("loop", found[bench.KERAS]))
    with pytest.raises(AssertionError, match=f"{case.cell} at 5, 3, 2, 4: the gradient of x of {library} is not"):
        bench.measure_case(case, quick=True)


def test_every_bias_takes_part_so_that_a_wrong_one_could_be_seen(case):
    cell, _, _ = bench.data(case)
    for name in {"b", "c_n"} & set(cell.params):
        assert np.all(cell.params[name] != 0)


@pytest.mark.parametrize("T", [16, 17])
def test_xla_is_not_asked_to_compile_long_unrolled_networks(T):
    ways = bench.keras_ways(bench.Case("LSTM", T, 2, 3, 4))
    both = {"unrolled, XLA"} if T == 16 else set()
    assert set(ways) == {"loop", "unrolled", "XLA"} | both
    assert ways["unrolled"] == (True, False)
    assert ways["XLA"] == (False, True)


def test_the_way_to_run_keras_is_the_fastest_one(monkeypatch):
    seconds = {"slow": 9.0, "fast at first": 2.0, "fast": 1.9, "slower": 3.0}
    tried = []

    def measure(functions, *, repeats, warmup):
        tried.append(list(functions))
        times = {name: [seconds[name]] * repeats for name in functions}
        if len(tried) == 1:
            times["fast at first"][0] = 1.0
            times["fast"][0] = 8.0  # something else went on
        return device.Timings({name: np.array(values) for name, values in times.items()})

    monkeypatch.setattr(device, "measure", measure)
    monkeypatch.setattr(bench, "keras", lambda case, way: bench.Contender(None, way))
    case = bench.Case("RNN", 2, 2, 2, 2)
    assert bench.fastest_keras(case, {name: name for name in seconds}) == ("fast", bench.Contender(None, "fast"))
    assert tried == [list(seconds), ["fast at first", "fast"]]


def test_the_element_wise_part_of_the_plain_cell_is_what_it_does_without_its_products():
    """With W_h = 0 and no input the cell does only element-wise work, so both must give the same bias gradient."""
    case = bench.Case("RNN", 4, 3, 2, 5)
    _, T, B, _, H = case
    template = np.random.default_rng(1).standard_normal((T, B, H), dtype=np.float32)
    cell, _, upstream = bench.data(case)
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
    np.testing.assert_allclose(bench.element_wise(case)(), carried.sum(axis=(0, 1)), rtol=1e-4)


gated_cells = pytest.mark.parametrize("name", ["LSTM", "GRU"])


@gated_cells
def test_the_element_wise_part_of_a_gated_cell_is_its_pass_without_any_product(name, counted):
    case = bench.Case(name, 5, 3, 2, 4)
    assert counted(bench.element_wise(case)) == 0
    assert counted(bench.ours(case).step) > 0  # the products are back
    assert all(module.np is np for module in (gated, gru, lstm))


@gated_cells
def test_the_element_wise_part_of_a_gated_cell_works_on_the_numbers_of_a_cell_with_zero_weights(name, monkeypatch):
    """Whatever lies in fresh memory: here it is NaN."""
    case = bench.Case(name, 5, 3, 2, 4)
    reference, x, upstream = bench.data(case)
    for value in reference.params.values():
        value[:] = 0
    reference.forward(x)
    expected, _ = reference.backward(upstream)
    cells = []
    original = bench.data
    monkeypatch.setattr(bench, "data", lambda case: (found := original(case), cells.append(found[0]))[0])
    monkeypatch.setattr(np, "empty", lambda shape, dtype=float: np.full(shape, np.nan, dtype))
    grads = bench.element_wise(case)()
    np.testing.assert_array_equal(grads.pop("x"), expected)
    for label, grad in grads.items():
        np.testing.assert_array_equal(grad, np.zeros_like(reference.grads[label]))
    for label, values in reference.gates().items():
        np.testing.assert_array_equal(cells[0].gates()[label], values)


def test_the_shares_of_the_time_sum_to_the_whole():
    ratio = {bench.LIMIT: 0.75, "calls of the products": 0.125, "element-wise": 0.25, "calls element-wise": 0.125}
    shares = bench._shares({**ratio, "calls": 0.1875})
    assert shares == {"matrix products": 0.625, "element-wise": 0.125, "calls": 0.1875, "rest": 0.0625}


def test_the_report_shows_every_ratio_and_the_verdict():
    row = {
        "case": bench.Case("RNN", 10, 2, 3, 256),
        "way": "unrolled",
        "ms": 12.345,
        "of the limit": 0.934,
        "to torch": 0.5,
        "to keras": 1.25,
        "to faster": 1.25,
        "shares": {"matrix products": 0.9, "element-wise": 0.06, "calls": 0.04, "rest": 0.0},
    }
    small = {**row, "case": bench.Case("RNN", 10, 2, 3, 64), "of the limit": 0.4, "to faster": 0.75}
    text = bench.report([row, small])
    assert (
        "| 10, 2, 3, 256 |    12.3 |         93 % |           0.50 |         1.25 |          1.25 |   unrolled |"
        in text
    )
    assert "Median of ours / faster: 1.00 (aim: at most 1.00)." in text
    assert "Of the limit at H ≥ 256: at least 93 % (aim: 90 %)." in text
    assert len({len(line) for line in text.splitlines() if line.startswith("| 10")}) == 2  # two tables, each aligned
    assert text.startswith("## RNN\n")


@gated_cells
def test_the_aims_of_the_gated_cells_are_their_own(name):
    row = {"case": bench.Case(name, 10, 2, 3, 256), "way": "loop", "ms": 1.0, "of the limit": 0.8}
    row |= {"to torch": 1.5, "to keras": 0.5, "to faster": 1.5, "shares": {"rest": 1.0}}
    text = bench.report([row])
    assert text.startswith(f"## {name}\n")
    assert "Median of ours / faster: 1.50 (aim: at most 1.50)." in text
    assert "Of the limit at H ≥ 256: at least 80 % (aim: 80 %)." in text


def check_section(section):
    rows = [line for line in section.splitlines() if line.startswith("| ") and line[2].isdigit()]
    assert len(rows) == 2 * len(bench.QUICK)
    for line in rows[: len(bench.QUICK)]:
        _, _, ms, limit, torch, keras, faster, way, _ = (cell.strip() for cell in line.split("|"))
        assert float(ms) > 0
        assert limit.endswith(" %")
        assert float(faster) == max(float(torch), float(keras))  # against the faster library ours looks worse
        assert way in ("loop", "unrolled", "XLA", "unrolled, XLA")


def test_cells_can_be_chosen(monkeypatch):
    cells = []
    for name in ("keras", "tensorflow", "torch"):
        monkeypatch.setitem(sys.modules, name, mock.MagicMock())
    for name in ("one_thread", "versions", "import_times"):
        monkeypatch.setattr(bench, name, lambda *repeats: {})
    monkeypatch.setattr(bench, "measure_case", lambda case, quick: cells.append(case.cell))
    monkeypatch.setattr(bench, "report", lambda found: f"{len(found)} shapes")
    assert bench.main(["--cell", "GRU", "--cell", "RNN"]) == 0
    assert cells == ["GRU"] * 5 + ["RNN"] * 5
    with pytest.raises(SystemExit):
        bench.main(["--cell", "Elman"])


def test_the_bench_runs_with_every_contender_in_one_process_on_one_thread():
    pytest.importorskip("torch")
    pytest.importorskip("tensorflow")
    command = [sys.executable, str(ROOT / "tools" / "bench.py"), "--quick"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert run.returncode == 0, run.stderr[-2000:]
    sections = dict(section.split("\n", 1) for section in run.stdout.split("\n## ")[1:])
    assert list(sections) == ["RNN", "LSTM", "GRU"]
    for name, section in sections.items():
        assert f"measuring {name} at 6, 4, 2, 8 …" in run.stderr
        check_section(section)
    assert re.search(r"^NumPy .*, 1 thread$", run.stdout, re.MULTILINE)
    assert re.search(r"^PyTorch .*, 1 thread$", run.stdout, re.MULTILINE)
    assert re.search(r"Import in a fresh interpreter: common \d+ ms, common.cells \d+ ms, numpy \d+ ms\.", run.stdout)
