"""Sizes and arrays that the tests of the cells share."""

from __future__ import annotations

import itertools

import numpy as np

# (T, B, D, H): an ordinary size, then each axis at its edge, then all of them.
SIZES = [(7, 3, 2, 5), (7, 1, 2, 5), (7, 3, 2, 1), (1, 3, 2, 5), (7, 3, 1, 5), (1, 1, 1, 1)]

# Every combination of bias, initial state and mask.
VARIANTS = list(itertools.product([True, False], repeat=3))


def variant_name(variant) -> str:
    return "-".join(name if on else f"no_{name}" for name, on in zip(("bias", "state", "mask"), variant, strict=True))


def make(cell_type, size, variant, dtype=np.float64, seed=0, **options):
    """A cell with non-zero biases, an input, an initial state, upstream gradients and a mask (or None)."""
    (T, B, D, H), (bias, with_state, masked) = size, variant
    rng = np.random.default_rng(seed)
    cell = cell_type(D, H, bias=bias, dtype=dtype, rng=rng, **options)
    for name, value in cell.params.items():
        if value.ndim == 1:
            cell.params[name][...] = rng.normal(size=value.shape)

    def normal(*shape):
        return rng.normal(size=shape).astype(dtype)

    x, grad_outputs = normal(T, B, D), normal(T, B, H)
    state = tuple(normal(B, H) for _ in cell.state_names) if with_state else cell.zero_state(B)
    grad_state = tuple(normal(B, H) for _ in cell.state_names)
    lengths = rng.integers(1, T + 1, B)
    lengths[0] = T  # the frameworks want the longest sequence to fill the batch
    mask = np.arange(T)[:, None] < lengths if masked else None
    return cell, x, state, grad_outputs, grad_state, mask
