"""Cells, sizes and arrays that the tests of the cells share."""

from __future__ import annotations

import itertools

import numpy as np

from common.cells import GRU, LSTM, RNN, Bidirectional, Stacked

# name -> (type, options)
CELLS = {
    "RNN tanh": (RNN, {}),
    "RNN relu": (RNN, {"activation": "relu"}),
    "LSTM": (LSTM, {}),
    "GRU after": (GRU, {"reset": "after"}),
    "GRU before": (GRU, {"reset": "before"}),
}

# (T, B, D, H): an ordinary size, then each axis at its edge, then all of them.
SIZES = [(7, 3, 2, 5), (7, 1, 2, 5), (7, 3, 2, 1), (1, 3, 2, 5), (7, 3, 1, 5), (1, 1, 1, 1)]

# Every combination of bias, initial state and mask.
VARIANTS = list(itertools.product([True, False], repeat=3))


def variant_name(variant) -> str:
    return "-".join(name if on else f"no_{name}" for name, on in zip(("bias", "state", "mask"), variant, strict=True))


def make(cell_type, size, variant, dtype=np.float64, seed=0, **options):
    """A cell with non-zero biases, an input, an initial state, upstream gradients and a mask (or None)."""
    (_, _, D, H), rng = size, np.random.default_rng(seed)
    cell = _with_biases(cell_type(D, H, bias=variant[0], dtype=dtype, rng=rng, **options), rng)
    return arrays_for(cell, size, variant, rng)


def make_composed(name, cell_type, variant, seed=0, **options):
    """The same for cells put together: "stacked", "bidirectional", "both" (two layers, each in two directions),
    or "funnel" (two directions below one)."""
    (T, B, D, H), rng = SIZES[0], np.random.default_rng(seed)

    def one(inputs):
        return _with_biases(cell_type(inputs, H, bias=variant[0], rng=rng, **options), rng)

    def pair(inputs):
        return Bidirectional(one(inputs), one(inputs))

    cell = {
        "stacked": lambda: Stacked([one(D), one(H)]),
        "bidirectional": lambda: pair(D),
        "both": lambda: Stacked([pair(D), pair(2 * H)]),
        "funnel": lambda: Stacked([pair(D), one(2 * H)]),
    }[name]()
    return arrays_for(cell, (T, B, D, H), variant, rng)


def arrays_for(cell, size, variant, rng):
    """(cell, x, initial state, upstream gradients, mask) for one cell or several put together."""
    (T, B, D, _), (_, with_state, masked), dtype = size, variant, cell.dtype

    def normal(*shape):
        return rng.normal(size=shape).astype(dtype)

    x, grad_outputs, zeros = normal(T, B, D), normal(T, B, cell.output_size), cell.zero_state(B)
    state = tuple(normal(*part.shape) for part in zeros) if with_state else zeros
    grad_state = tuple(normal(*part.shape) for part in zeros)
    lengths = rng.integers(1, T + 1, B)
    lengths[0] = T  # the frameworks want the longest sequence to fill the batch
    mask = np.arange(T)[:, None] < lengths if masked else None
    return cell, x, state, grad_outputs, grad_state, mask


def _with_biases(cell, rng):
    for value in cell.params.values():
        if value.ndim == 1:
            value[...] = rng.normal(size=value.shape)
    return cell
