"""Layers without memory: linear, embedding, dropout. They treat every step and every example alike.

A layer has `params` and `grads` (dictionaries with the same names), `forward`, and `backward`, which goes back through
the last forward pass, overwrites `grads` and returns the gradient of the layer's input. All axes before the last are
leading axes: (T, B) for a sequence, (B,) for one vector an example, any others too.

Inside a network numbers may overflow while training diverges. The layers let them through, so that the loss shows it
and `common.train.fit` can say at which step.
"""

from __future__ import annotations

import numpy as np

from common import checks
from common.cells import initial
from common.cells.base import added


class Linear:
    """y = x W + b. Parameters: W (D, K), the transpose of torch.nn.Linear's weight, and b (K,).

    `input_size` D, `output_size` K; `bias=False` leaves b out; `dtype` float64 or float32; `rng` a NumPy generator or a
    seed for the starting weights (W Glorot uniform, b zero: the defaults of keras.layers.Dense).
    """

    def __init__(self, input_size: int, output_size: int, *, bias: bool = True, dtype=np.float64, rng=None):
        self.input_size = checks.positive_int("input_size", input_size)
        self.output_size = checks.positive_int("output_size", output_size)
        self.dtype = checks.one_of("dtype", np.dtype(dtype), checks.FLOATS)
        W = initial.glorot_uniform(np.random.default_rng(rng), self.input_size, self.output_size)
        self.params: dict[str, np.ndarray] = {"W": W.astype(self.dtype)}
        if bias:
            self.params["b"] = np.zeros(self.output_size, self.dtype)
        self.grads: dict[str, np.ndarray] = {}
        self._x: np.ndarray | None = None

    def forward(self, x: np.ndarray) -> np.ndarray:
        """x (…, D) → (…, K). Raises TypeError for a wrong dtype, ValueError for another last axis or no entry."""
        self._x = None
        _check_last_axis("x", x, self.input_size, self.dtype)
        self._x = x.copy()  # backward needs it, and the caller may reuse it
        y = x @ self.params["W"]  # OUT.1
        return y + self.params["b"] if "b" in self.params else y

    def backward(self, grad_y: np.ndarray, *, accumulate: bool = False) -> np.ndarray:
        """grad_y (…, K), shaped like the last output → the gradient of x (…, D). Sets `grads`, or adds to them."""
        x = _after_forward(self._x)
        checks.array("grad_y", grad_y, (*x.shape[:-1], self.output_size), dtype=self.dtype, finite=False)
        rows, grad_rows = x.reshape(-1, self.input_size), grad_y.reshape(-1, self.output_size)
        grads = {"W": rows.T @ grad_rows}  # OUT.3
        if "b" in self.params:
            grads["b"] = grad_rows.sum(axis=0)  # OUT.4
        self.grads = added(self.grads, grads) if accumulate else grads
        return grad_y @ self.params["W"].T  # OUT.2


class Embedding:
    """One learned vector for each of V symbols. Parameter: W (V, D), one row a symbol.

    Looking up row i is the product of a one-hot vector with W, without the zeros. `symbols` V, `size` D; `rng` a NumPy
    generator or a seed for the starting weights (standard normal, the default of torch.nn.Embedding).
    """

    def __init__(self, symbols: int, size: int, *, dtype=np.float64, rng=None):
        self.symbols = checks.positive_int("symbols", symbols)
        self.size = checks.positive_int("size", size)
        self.dtype = checks.one_of("dtype", np.dtype(dtype), checks.FLOATS)
        W = np.random.default_rng(rng).standard_normal((self.symbols, self.size))
        self.params: dict[str, np.ndarray] = {"W": W.astype(self.dtype)}
        self.grads: dict[str, np.ndarray] = {}
        self._ids: np.ndarray | None = None

    def forward(self, ids: np.ndarray) -> np.ndarray:
        """ids (…), whole numbers from 0 to V − 1 → (…, D). Raises TypeError or ValueError for anything else."""
        checks.not_masked("ids", ids)
        if not isinstance(ids, np.ndarray) or not np.issubdtype(ids.dtype, np.integer):
            got = ids.dtype if isinstance(ids, np.ndarray) else type(ids).__name__
            raise TypeError(f"ids: expected a NumPy array of whole numbers, got {got}")
        if ids.size == 0:
            raise ValueError(f"ids: expected at least one symbol, got shape {ids.shape}")
        if ids.min() < 0 or ids.max() >= self.symbols:
            wrong = ids.min() if ids.min() < 0 else ids.max()
            raise ValueError(f"ids: expected symbols from 0 to {self.symbols - 1}, got {wrong}")
        self._ids = ids.copy()
        return self.params["W"][ids]

    def backward(self, grad_y: np.ndarray, *, accumulate: bool = False) -> None:
        """grad_y (…, D). Sets `grads`, or adds to them: a row collects the gradients of all its uses.

        Symbols have no gradient, so nothing is returned.
        """
        ids = _after_forward(self._ids)
        checks.array("grad_y", grad_y, (*ids.shape, self.size), dtype=self.dtype, finite=False)
        grad_W = np.zeros_like(self.params["W"])
        np.add.at(grad_W, ids, grad_y)  # not grad_W[ids] += grad_y, which counts a repeated symbol once
        self.grads = added(self.grads, {"W": grad_W}) if accumulate else {"W": grad_W}


class Dropout:
    """While training, set each number to zero with probability `rate`, and divide the others by 1 − rate.

    So the expected value stays, and nothing has to be rescaled later ("inverted" dropout, as in PyTorch and Keras;
    Srivastava et al. 2014). Set `training = False` to evaluate: then it passes everything through.

    `rng` is a NumPy generator or a seed; `common.train.fit` keeps the generator's state in its checkpoints.
    """

    def __init__(self, rate: float, rng=None):
        self.rate = checks.number("rate", rate, 0, 1, low_allowed=True)
        self.rng = np.random.default_rng(rng)
        self.training = True
        self.params: dict[str, np.ndarray] = {}
        self.grads: dict[str, np.ndarray] = {}
        self._scale: np.ndarray | None = None

    @property
    def generators(self) -> tuple[np.random.Generator, ...]:
        """What a checkpoint must remember besides the parameters."""
        return (self.rng,)

    def forward(self, x: np.ndarray) -> np.ndarray:
        """x of any shape → the same shape and dtype."""
        checks.array("x", x, finite=False)
        kept = self.rng.random(x.shape) >= self.rate if self.training else np.ones(x.shape, bool)
        scale = 1 / (1 - self.rate) if self.training else 1
        self._scale = kept * x.dtype.type(scale)
        return x * self._scale

    def backward(self, grad_y: np.ndarray, *, accumulate: bool = False) -> np.ndarray:
        """grad_y, shaped like the last output → the gradient of x: what was dropped gets none.

        There are no parameters, so `accumulate` changes nothing; it is here as in the other layers.
        """
        scale = _after_forward(self._scale)
        checks.array("grad_y", grad_y, scale.shape, dtype=scale.dtype, finite=False)
        return grad_y * scale


def _check_last_axis(name: str, value, size: int, dtype) -> None:
    checks.array(name, value, dtype=dtype, finite=False)
    if value.ndim < 1 or value.shape[-1] != size or value.size == 0:
        raise ValueError(f"{name}: expected shape (…, {size}) with at least one entry, got {value.shape}")


def _after_forward(stored):
    if stored is None:
        raise RuntimeError("backward: there is no forward pass to go back through; call forward first")
    return stored
