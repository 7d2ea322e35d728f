"""How fast is `common.cells.RNN`? Forward and backward against PyTorch and Keras, and against the possible.

    python tools/bench.py            the five shapes of the book, a few minutes
    python tools/bench.py --quick    tiny shapes and few rounds: only shows that it works

Everything is measured in one process on one thread in float32, interleaved round by round; a ratio is the median of
the rounds' ratios, so a machine that is slow for a while slows both of its sides. The contenders have the same weights
and the same data, compute the same gradients (of every parameter and of the input) and are checked against each other
before they are timed.

- the limit: the matrix products that the forward and backward pass cannot do without, alone, by the same NumPy
- PyTorch: torch.nn.RNN with torch.autograd.grad
- Keras: keras.layers.SimpleRNN on TensorFlow, GradientTape inside a tf.function. Four ways to run it are tried (the
  default loop, unrolled, compiled by XLA, and both for short sequences), and the fastest for the shape is measured

What bounds the cell is measured too: its matrix products, its element-wise work, both without the price of the calls,
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

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from tools import environment  # noqa: E402

SHAPES = ((100, 64, 64, 256), (100, 32, 32, 128), (64, 32, 1, 64), (10, 32, 1, 64), (200, 64, 128, 512))
QUICK = ((6, 4, 2, 8),)
SECONDS = 12  # of measuring, for each shape
ROUNDS = (21, 400)  # at least, at most

OURS, LIMIT, TORCH, KERAS = "ours", "products", "PyTorch", "Keras"
Shape = tuple[int, int, int, int]
Function = Callable[[], object]


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


def data(shape: Shape):
    """Return (cell, x, upstream gradient) for a shape (T, B, D, H), in float32."""
    import numpy as np

    from common.cells import RNN

    T, B, D, H = shape
    rng = np.random.default_rng(0)
    cell = RNN(D, H, dtype=np.float32, rng=rng)
    cell.params["b"][:] = rng.uniform(-0.1, 0.1, H)
    return cell, rng.standard_normal((T, B, D), dtype=np.float32), rng.standard_normal((T, B, H), dtype=np.float32)


def ours(shape: Shape) -> Function:
    """One forward and backward pass of the book's cell; returns the gradients of W_x, W_h, b and x."""
    cell, x, upstream = data(shape)

    def step():
        cell.forward(x)
        grad_x, _ = cell.backward(upstream)
        return cell.grads["W_x"], cell.grads["W_h"], cell.grads["b"], grad_x

    return step


def products(shape: Shape) -> Function:
    """The matrix products of one forward and backward pass, into memory that is already there.

    Forward: the input projection at once and T products with W_h. Backward: T products with W_hᵀ, and one product each
    for the gradients of W_x, of W_h and of x.
    """
    import numpy as np

    T, B, D, H = shape
    cell, x, deltas = data(shape)
    # Not the deltas once more: NumPy sees that a product is AᵀA and does half the work.
    states = np.random.default_rng(1).standard_normal(deltas.shape, dtype=np.float32)
    W_x, W_h = cell.params["W_x"], cell.params["W_h"]
    W_h_T = np.ascontiguousarray(W_h.T)
    flat, flat_states, flat_deltas = x.reshape(T * B, D), states.reshape(T * B, H), deltas.reshape(T * B, H)
    projected, state, grad_x = np.empty((T * B, H), np.float32), np.empty((B, H), np.float32), np.empty_like(flat)
    grad_W_x, grad_W_h = np.empty_like(W_x), np.empty_like(W_h)

    def step():
        np.matmul(flat, W_x, out=projected)
        for h in states:
            np.matmul(h, W_h, out=state)
        for delta in deltas:
            np.matmul(delta, W_h_T, out=state)
        np.matmul(flat.T, flat_deltas, out=grad_W_x)
        np.matmul(flat_states.T, flat_deltas, out=grad_W_h)
        np.matmul(flat_deltas, W_x.T, out=grad_x)

    return step


def element_wise(shape: Shape) -> Function:
    """The element-wise work of one forward and backward pass, with fresh memory where the pass needs it."""
    import numpy as np

    T, B, _, H = shape
    cell, _, upstream = data(shape)
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


def torch_rnn(shape: Shape) -> Function:
    """The same pass of torch.nn.RNN with the same weights; returns the gradients in our layout."""
    import torch

    from common import convert

    cell, x, upstream = data(shape)
    module = convert.to_torch(cell)
    x, upstream = torch.from_numpy(x).requires_grad_(), torch.from_numpy(upstream)
    wanted = [module.weight_ih_l0, module.weight_hh_l0, module.bias_ih_l0, module.bias_hh_l0, x]

    def step():
        outputs, _ = module(x)
        W_x, W_h, b, _, grad_x = torch.autograd.grad(outputs, wanted, upstream)
        return W_x.T, W_h.T, b, grad_x

    return step


def keras_rnn(shape: Shape, *, unroll: bool, xla: bool) -> Function:
    """The same pass of keras.layers.SimpleRNN, compiled; returns the gradients, that of x batch-major."""
    import keras
    import tensorflow as tf

    from common import convert

    T, B, D, H = shape
    cell, x, upstream = data(shape)
    layer = keras.layers.SimpleRNN(H, return_sequences=True, unroll=unroll, dtype="float32")
    layer.build((B, T, D))
    layer.set_weights(convert.params_to_keras(cell.params))
    x, upstream = (tf.constant(array.swapaxes(0, 1).copy()) for array in (x, upstream))
    weights = [weight.value for weight in layer.trainable_weights]

    @tf.function(jit_compile=xla)
    def step(x, upstream):
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = layer(x)
        return tape.gradient(outputs, [*weights, x], output_gradients=upstream)

    return lambda: step(x, upstream)


# name -> (unroll, compiled by XLA)
KERAS_WAYS = {"loop": (False, False), "unrolled": (True, False), "XLA": (False, True), "unrolled, XLA": (True, True)}


def fastest_keras(shape: Shape, ways: dict[str, tuple[bool, bool]] = KERAS_WAYS) -> tuple[str, Function]:
    """Return (name, function) of the way to run Keras that is fastest for the shape, after a few tries of each."""
    from common import device

    if shape[0] > 16:  # XLA takes minutes to compile a long unrolled network
        ways = {name: way for name, way in ways.items() if way != (True, True)}
    functions = {name: keras_rnn(shape, unroll=unroll, xla=xla) for name, (unroll, xla) in ways.items()}
    timings = device.measure(functions, repeats=5, warmup=2)
    best = min(functions, key=timings.median)
    return best, functions[best]


def check_equal(shape: Shape, contenders: dict[str, Function]) -> None:
    """Raise AssertionError unless all contenders compute the gradients of the first one, to float32's accuracy."""
    import numpy as np

    (first, reference), *others = ((name, function()) for name, function in contenders.items())
    for name, grads in others:
        grads = [np.asarray(grad.detach() if hasattr(grad, "detach") else grad) for grad in grads]
        if name == KERAS:
            grads[-1] = grads[-1].swapaxes(0, 1)
        for label, grad, expected in zip(("W_x", "W_h", "b", "x"), grads, reference, strict=True):
            error = np.linalg.norm(grad - expected) / np.linalg.norm(expected)
            assert error < 1e-3, f"{shape}: the gradient of {label} of {name} is not that of {first} ({error:.1e})"


def measure_shape(shape: Shape, *, quick: bool = False) -> dict:
    """Measure everything for one shape; returns names, ratios and shares ready for the tables."""
    from common import device

    way, keras = fastest_keras(shape, {"loop": KERAS_WAYS["loop"]} if quick else KERAS_WAYS)
    contenders = {OURS: ours(shape), TORCH: torch_rnn(shape), KERAS: keras}
    check_equal(shape, contenders)
    tiny = (shape[0], 1, 1, 1)
    functions = {
        **contenders,
        LIMIT: products(shape),
        "element-wise": element_wise(shape),
        "calls": ours(tiny),
        "calls of the products": products(tiny),
        "calls element-wise": element_wise(tiny),
    }
    once = sum(map(device.measure(functions, repeats=3, warmup=1).median, functions))
    repeats = 5 if quick else min(max(int(SECONDS / once), ROUNDS[0]), ROUNDS[1])
    timings = device.measure(functions, repeats=repeats, warmup=3)
    ratio = timings.ratios(to=OURS)
    # The faster library is the one that ours compares worse with, judged like everything else within the rounds.
    against = [timings.ratios(to=library)[OURS] for library in (TORCH, KERAS)]
    return {
        "shape": shape,
        "way": way,
        "rounds": repeats,
        "ms": {name: 1e3 * timings.median(name) for name in (OURS, LIMIT, TORCH, KERAS)},
        "of the limit": ratio[LIMIT],
        "to torch": against[0],
        "to keras": against[1],
        "to faster": max(against),
        "shares": _shares(ratio),
    }


def _shares(ratio: dict[str, float]) -> dict[str, float]:
    """Split the time of our cell; what the parts do not explain (fresh memory, cold caches) is the rest."""
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


def _spelled(shape: Shape) -> str:
    return ", ".join(map(str, shape))


def report(found: list[dict]) -> str:
    """Return the tables and the verdict as Markdown."""
    speed = [
        [
            _spelled(row["shape"]),
            f"{row['ms'][OURS]:.3g}",
            f"{100 * row['of the limit']:.0f} %",
            f"{row['to torch']:.2f}",
            f"{row['to keras']:.2f}",
            f"{row['to faster']:.2f}",
            row["way"],
        ]
        for row in found
    ]
    bounds = [[_spelled(row["shape"]), *(f"{100 * share:.0f} %" for share in row["shares"].values())] for row in found]
    median = statistics.median(row["to faster"] for row in found)
    large = [row["of the limit"] for row in found if row["shape"][3] >= 256]
    verdict = [f"Median of ours / faster: {median:.2f} (aim: at most 1.00)."]
    if large:
        verdict.append(f"Of the limit at H ≥ 256: at least {100 * min(large):.0f} % (aim: 90 %).")
    return "\n\n".join(
        [
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
    options = parser.parse_args(arguments)
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
    print(f"common.cells.RNN, forward and backward, float32, one thread\n\n```\n{versions()}\n```\n", flush=True)
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if busy > 1.2:
        print(f"Note: other programs use this machine (load {busy:.1f}); times are longer than they could be.\n")
    found = []
    for shape in QUICK if options.quick else SHAPES:
        print(f"measuring {_spelled(shape)} …", file=sys.stderr, flush=True)
        found.append(measure_shape(shape, quick=options.quick))
    print(report(found), flush=True)
    imports = ", ".join(f"{module} {ms:.0f} ms" for module, ms in import_times(1 if options.quick else 7).items())
    print(f"\nImport in a fresh interpreter: {imports}.")
    print(f"Measured in {time.perf_counter() - started:.0f} s.", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
