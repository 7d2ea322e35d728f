"""How fast are the book's cells? Forward and backward against PyTorch and Keras, and against the possible.

    python tools/bench.py               RNN, LSTM and GRU at the five shapes of the book, less than ten minutes
    python tools/bench.py --cell LSTM   this cell alone; may be given more than once
    python tools/bench.py --quick       tiny shapes and few rounds: only shows that it works

The GRU is the one that resets after the product, the only one that both libraries have.

Everything is measured in one process on one thread in float32, interleaved round by round; a ratio is the median of
the rounds' ratios, so a machine that is slow for a while slows both of its sides. The contenders have the same weights
and the same data, compute the same gradients (of every parameter and of the input) and are checked against each other
before they are timed.

- the limit: the matrix products that the forward and backward pass cannot do without, alone, by the same NumPy
- PyTorch: torch.nn.RNN, LSTM or GRU with torch.autograd.grad
- Keras: keras.layers.SimpleRNN, LSTM or GRU on TensorFlow, GradientTape inside a tf.function. Four ways to run it are
  tried, and the fastest for the cell and the shape is measured: the default loop, unrolled, the loop compiled by XLA,
  and both. The last is tried only up to T = 16: XLA takes about a minute to compile an unrolled network of 64 steps,
  and about three times as long for twice the steps. The others are ready in seconds, unrolled networks of 200 steps too

What bounds a cell is measured too: its matrix products, its element-wise work, both without the price of the calls,
and the calls, which is the time that the same cell takes at B = D = H = 1.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from tools import environment  # noqa: E402


class Aim(NamedTuple):
    """What a cell should reach: at most so many times the time of the faster library, so much of the limit."""

    ratio: float
    of_limit: float


class Case(NamedTuple):
    """What is measured: a cell by its name in `common.cells`, and the shape of its data."""

    cell: str
    T: int
    B: int
    D: int
    H: int

    @property
    def shape(self) -> str:
        return ", ".join(map(str, self[1:]))

    def __str__(self) -> str:
        return f"{self.cell} at {self.shape}"


class Contender(NamedTuple):
    """A forward and backward pass, and what turns its result into gradients by the names of `cell.params`, and "x"."""

    step: Callable[[], object]
    gradients: Callable[[object], dict]


class Way(NamedTuple):
    """A way to run a Keras layer."""

    unroll: bool
    xla: bool


AIMS = {"RNN": Aim(1.00, 0.90), "LSTM": Aim(1.50, 0.80), "GRU": Aim(1.50, 0.80)}
SHAPES = ((100, 64, 64, 256), (100, 32, 32, 128), (64, 32, 1, 64), (10, 32, 1, 64), (200, 64, 128, 512))
QUICK = ((6, 4, 2, 8),)
SECONDS = 8  # of measuring, for each case
ROUNDS = (11, 400)  # at least, at most

OURS, LIMIT, TORCH, KERAS = "ours", "products", "PyTorch", "Keras"
LOOP = "loop"
KERAS_WAYS = {LOOP: Way(False, False), "unrolled": Way(True, False), "XLA": Way(False, True),
              "unrolled, XLA": Way(True, True)}  # fmt: skip
LONG = 16  # steps; unrolled networks beyond are not compiled by XLA, which would take minutes


def one_thread() -> None:
    """Ask every library for one thread; this must happen before any of them is imported."""
    for name in environment.THREAD_VARIABLES:
        os.environ[name] = "1"
    os.environ["KERAS_BACKEND"] = "tensorflow"
    environment.prepare(os.environ)


@contextlib.contextmanager
def quiet():
    """Keep what C++ code writes to standard error off the screen: TensorFlow talks while it is imported."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def data(case: Case):
    """Return (cell, x, upstream gradient) for a case, in float32."""
    import numpy as np

    from common import cells

    _, T, B, D, H = case
    rng = np.random.default_rng(0)
    cell = getattr(cells, case.cell)(D, H, dtype=np.float32, rng=rng)
    for name in {"b", "c_n"} & set(cell.params):
        cell.params[name] += rng.uniform(-0.1, 0.1, cell.params[name].shape).astype(np.float32)
    return cell, rng.standard_normal((T, B, D), dtype=np.float32), rng.standard_normal((T, B, H), dtype=np.float32)


def ours(case: Case) -> Contender:
    """One forward and backward pass of the book's cell."""
    cell, x, upstream = data(case)

    def step():
        cell.forward(x)
        grad_x, _ = cell.backward(upstream)
        return {**cell.grads, "x": grad_x}

    return Contender(step, lambda grads: grads)


def products(case: Case) -> Callable[[], object]:
    """The matrix products of one forward and backward pass, into memory that is already there.

    Forward: the input projection at once and T products with W_h. Backward: T products with W_hᵀ, and one product each
    for the gradients of W_x, of W_h and of x. W_x and W_h hold all gates side by side, and so do the δ. The gated cells
    multiply x and h in one product instead. From H = 256 on, that takes as long; below, it takes less.
    """
    import numpy as np

    _, T, B, D, H = case
    cell, x, _ = data(case)
    W_x, W_h = cell.params["W_x"], cell.params["W_h"]
    W_h_T = np.ascontiguousarray(W_h.T)
    # Two different arrays: NumPy sees when a product is AᵀA and does half the work.
    rng = np.random.default_rng(1)
    states = rng.standard_normal((T, B, H), dtype=np.float32)
    deltas = rng.standard_normal((T, B, cell.blocks * H), dtype=np.float32)
    flat, flat_states, flat_deltas = x.reshape(T * B, D), states.reshape(T * B, H), deltas.reshape(T * B, -1)
    projected, grad_x = np.empty_like(flat_deltas), np.empty_like(flat)
    forward, backward = np.empty_like(deltas[0]), np.empty_like(states[0])
    grad_W_x, grad_W_h = np.empty_like(W_x), np.empty_like(W_h)

    def step():
        np.matmul(flat, W_x, out=projected)
        for h in states:
            np.matmul(h, W_h, out=forward)
        for delta in deltas:
            np.matmul(delta, W_h_T, out=backward)
        np.matmul(flat.T, flat_deltas, out=grad_W_x)
        np.matmul(flat_states.T, flat_deltas, out=grad_W_h)
        np.matmul(flat_deltas, W_x.T, out=grad_x)

    return step


def element_wise(case: Case) -> Callable[[], object]:
    """The element-wise work of one forward and backward pass, with fresh memory where the pass needs it.

    For a gated cell this is its own pass with the products left out. The plain cell's products are operators, @, which
    cannot be left out from outside; its few lines of element-wise work are written out here.
    """
    if case.cell == "RNN":
        return _element_wise_rnn(case)
    step, numpy = ours(case).step, numpy_without_products()

    def step_without_products():
        with gated_cells_using(numpy):
            return step()

    return step_without_products


def numpy_without_products() -> SimpleNamespace:
    """NumPy, but every matrix product by name is zeros.

    They are written where the product would have gone: what lies in fresh memory may be NaN, or so small that the
    processor computes with it a hundred times more slowly.
    """
    import numpy as np

    return SimpleNamespace(**{**vars(np), "matmul": _zeros_for_product})


@contextlib.contextmanager
def gated_cells_using(numpy):
    """Inside, the modules of the gated cells have `numpy` for `np`."""
    import numpy as np

    from common.cells import gated, gru, lstm

    for module in (gated, gru, lstm):
        module.np = numpy
    try:
        yield
    finally:
        for module in (gated, gru, lstm):
            module.np = np


def _zeros_for_product(a, b, out=None):
    import numpy as np

    if out is None:
        return np.zeros((*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1]), a.dtype)
    out.fill(0)
    return out


def _element_wise_rnn(case: Case) -> Callable[[], object]:
    import numpy as np

    _, T, B, _, H = case
    cell, _, upstream = data(case)
    b, product = cell.params["b"], np.zeros((B, H), np.float32)
    template = np.random.default_rng(1).standard_normal((T, B, H), dtype=np.float32)

    def step():
        hs = template.copy()  # stands for the projection, which the products write
        for a in hs:
            a += product
            a += b
            np.tanh(a, out=a)
        deltas = np.empty_like(hs)
        dh = np.zeros((B, H), np.float32)
        for h, delta, g in zip(hs[::-1], deltas[::-1], upstream[::-1], strict=True):
            np.add(dh, g, out=dh)
            np.multiply(h, h, out=delta)
            np.subtract(1, delta, out=delta)
            np.multiply(delta, dh, out=delta)
        return np.ones(T * B, np.float32) @ deltas.reshape(-1, H)

    return step


def pytorch(case: Case) -> Contender:
    """The same pass of torch.nn.RNN, LSTM or GRU with the same weights."""
    import torch

    from common import convert

    cell, x, upstream = data(case)
    module = convert.to_torch(cell)
    x, upstream = torch.from_numpy(x).requires_grad_(), torch.from_numpy(upstream)
    names, weights = zip(*module.named_parameters(), strict=True)

    def step():
        outputs, _ = module(x)
        return torch.autograd.grad(outputs, [*weights, x], upstream)

    def gradients(result):
        *grads, grad_x = (grad.numpy() for grad in result)
        return {**convert.torch_grads(cell, dict(zip(names, grads, strict=True))), "x": grad_x}

    return Contender(step, gradients)


def keras(case: Case, way: Way) -> Contender:
    """The same pass of keras.layers.SimpleRNN, LSTM or GRU, compiled."""
    import keras
    import tensorflow as tf

    from common import convert

    _, T, B, D, H = case
    cell, x, upstream = data(case)
    kind = {"RNN": keras.layers.SimpleRNN, "LSTM": keras.layers.LSTM, "GRU": keras.layers.GRU}[case.cell]
    layer = kind(H, return_sequences=True, unroll=way.unroll, dtype="float32")
    layer.build((B, T, D))
    layer.set_weights(convert.params_to_keras(cell.params))
    x, upstream = (tf.constant(array.swapaxes(0, 1).copy()) for array in (x, upstream))
    weights = [weight.value for weight in layer.trainable_weights]

    @tf.function(jit_compile=way.xla)
    def step(x, upstream):
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = layer(x)
        return tape.gradient(outputs, [*weights, x], output_gradients=upstream)

    def gradients(result):
        *grads, grad_x = (grad.numpy() for grad in result)
        return {**convert.keras_grads(cell, grads), "x": grad_x.swapaxes(0, 1)}

    return Contender(lambda: step(x, upstream), gradients)


def keras_ways(case: Case) -> dict[str, Way]:
    """The ways to run Keras that are tried for a case, by name."""
    return {name: way for name, way in KERAS_WAYS.items() if case.T <= LONG or way != Way(unroll=True, xla=True)}


def fastest_keras(case: Case, ways: dict[str, Way]) -> tuple[str, Contender]:
    """Return (name, contender) of the way to run Keras that is fastest for the case, after a few tries of each.

    A way that takes twice as long as the fastest at first is not tried again.
    """
    from common import device

    contenders = {name: keras(case, way) for name, way in ways.items()}
    functions = {name: contender.step for name, contender in contenders.items()}
    first = {name: min(times) for name, times in device.measure(functions, repeats=2, warmup=1).times.items()}
    functions = {name: step for name, step in functions.items() if first[name] < 2 * min(first.values())}
    best = min(functions, key=device.measure(functions, repeats=5, warmup=0).median)
    return best, contenders[best]


def check_equal(case: Case, contenders: dict[str, Contender]) -> None:
    """Raise AssertionError unless all contenders compute the gradients of the first one, to float32's accuracy."""
    import numpy as np

    grads = {name: contender.gradients(contender.step()) for name, contender in contenders.items()}
    first, *others = grads
    for name in others:
        assert grads[name].keys() == grads[first].keys(), f"{case}: {name} has gradients of {list(grads[name])}"
        for label, expected in grads[first].items():
            error = np.linalg.norm(grads[name][label] - expected) / np.linalg.norm(expected)
            assert error < 1e-3, f"{case}: the gradient of {label} of {name} is not that of {first} ({error:.1e})"


def measure_case(case: Case, *, quick: bool = False) -> dict:
    """Measure everything for one case; returns names, ratios and shares ready for the tables."""
    from common import device

    way, fastest = fastest_keras(case, {LOOP: KERAS_WAYS[LOOP]} if quick else keras_ways(case))
    contenders = {OURS: ours(case), TORCH: pytorch(case), KERAS: fastest}
    check_equal(case, contenders)
    tiny = case._replace(B=1, D=1, H=1)
    functions = {
        **{name: contender.step for name, contender in contenders.items()},
        LIMIT: products(case),
        "element-wise": element_wise(case),
        "calls": ours(tiny).step,
        "calls of the products": products(tiny),
        "calls element-wise": element_wise(tiny),
    }
    once = sum(map(device.measure(functions, repeats=1, warmup=1).median, functions))
    repeats = 5 if quick else min(max(int(SECONDS / once), ROUNDS[0]), ROUNDS[1])
    timings = device.measure(functions, repeats=repeats, warmup=1)
    ratio = timings.ratios(to=OURS)
    # The faster library is the one that ours compares worse with, judged like everything else within the rounds.
    against = [timings.ratios(to=library)[OURS] for library in (TORCH, KERAS)]
    return {
        "case": case,
        "way": way,
        "ms": 1e3 * timings.median(OURS),
        "of the limit": ratio[LIMIT],
        "to torch": against[0],
        "to keras": against[1],
        "to faster": max(against),
        "shares": _shares(ratio),
    }


def _shares(ratio: dict[str, float]) -> dict[str, float]:
    """Split the time of our cell; what the parts do not explain (fresh memory, cold caches) is the rest.

    It can be below zero, where the cell's own products take less than those of the limit.
    """
    shares = {
        "matrix products": max(ratio[LIMIT] - ratio["calls of the products"], 0.0),
        "element-wise": max(ratio["element-wise"] - ratio["calls element-wise"], 0.0),
        "calls": ratio["calls"],
    }
    return {**shares, "rest": 1 - sum(shares.values())}


def import_times(repeats: int = 7) -> dict[str, float]:
    """Return the median milliseconds that an import takes in a fresh interpreter."""
    code = "import time; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"
    variables = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    found = {}
    for module in ("common", "common.cells", "numpy"):
        command = [sys.executable, "-c", code.format(module)]
        options = {"env": variables, "capture_output": True, "text": True, "check": True}
        runs = [subprocess.run(command, **options) for _ in range(repeats)]
        found[module] = 1e3 * statistics.median(float(run.stdout) for run in runs)
    return found


def markdown(rows: list[list[str]], headers: list[str]) -> str:
    """Return a Markdown table with aligned columns: the first to the left, the others to the right."""
    table = [headers, *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    pad = [str.ljust, *[str.rjust] * (len(headers) - 1)]
    lines = [[put(text, width) for put, text, width in zip(pad, row, widths, strict=True)] for row in table]
    lines.insert(1, rule)
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


_AGAINST = ("ours / PyTorch", "ours / Keras", "ours / faster")


def report(found: list[dict]) -> str:
    """Return the tables and the verdict on one cell as Markdown."""
    cell = found[0]["case"].cell
    speed = [
        [
            row["case"].shape,
            f"{row['ms']:.3g}",
            f"{100 * row['of the limit']:.0f} %",
            f"{row['to torch']:.2f}",
            f"{row['to keras']:.2f}",
            f"{row['to faster']:.2f}",
            row["way"],
        ]
        for row in found
    ]
    bounds = [[row["case"].shape, *(f"{100 * share:.0f} %" for share in row["shares"].values())] for row in found]
    median = statistics.median(row["to faster"] for row in found)
    large = [row["of the limit"] for row in found if row["case"].H >= 256]
    aim = AIMS[cell]
    verdict = [f"Median of ours / faster: {median:.2f} (aim: at most {aim.ratio:.2f})."]
    if large:
        verdict.append(f"Of the limit at H ≥ 256: at least {100 * min(large):.0f} % (aim: {100 * aim.of_limit:.0f} %).")
    return "\n\n".join(
        [
            f"## {cell}",
            markdown(speed, ["T, B, D, H", "ours ms", "of the limit", *_AGAINST, "Keras runs"]),
            "\n".join(verdict),
            "What the time of our cell goes into:",
            markdown(bounds, ["T, B, D, H", *found[0]["shares"]]),
        ]
    )


def versions() -> str:
    """Return what was measured on what: machine, kernels of the matrix products, versions."""
    import keras
    import tensorflow as tf
    import torch

    from common import device

    return "\n".join(
        [
            device.describe(),
            f"PyTorch    {torch.__version__}, {torch.get_num_threads()} thread",
            f"Keras      {keras.__version__} on TensorFlow {tf.__version__}",
        ]
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny shapes, few rounds: shows that it works")
    parser.add_argument("--cell", action="append", choices=AIMS, help="measure only this cell; may be repeated")
    options = parser.parse_args(arguments)
    names = options.cell or list(AIMS)
    one_thread()
    started = time.perf_counter()
    try:
        with quiet():
            import keras  # noqa: F401
            import tensorflow as tf
            import torch
    except ImportError as error:
        print(f"bench: {error}; `make bench` installs what it needs", file=sys.stderr)
        return 1
    torch.set_num_threads(1)
    tf.config.set_visible_devices([], "GPU")  # this bench is about the processor
    tf.get_logger().setLevel("ERROR")
    title = f"common.cells: {', '.join(names)}; forward and backward, float32, one thread"
    print(f"{title}\n\n```\n{versions()}\n```\n", flush=True)
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if busy > 1.2:
        print(f"Note: other programs use this machine (load {busy:.1f}); times are longer than they could be.\n")
    for name in names:
        found = []
        for case in (Case(name, *shape) for shape in (QUICK if options.quick else SHAPES)):
            print(f"measuring {case} …", file=sys.stderr, flush=True)
            found.append(measure_case(case, quick=options.quick))
        print(report(found), end="\n\n", flush=True)
    imports = ", ".join(f"{module} {ms:.0f} ms" for module, ms in import_times(1 if options.quick else 7).items())
    print(f"Import in a fresh interpreter: {imports}.")
    print(f"Measured in {time.perf_counter() - started:.0f} s.", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
