"""Checks of arguments that all data functions share."""

from __future__ import annotations

import numbers

import numpy as np

from common import checks


def generator(rng) -> np.random.Generator:
    """Return a generator: `rng` itself if it is one, a new one if it is a seed. Nothing is ever drawn unseeded."""
    if isinstance(rng, np.random.Generator):
        return rng
    if isinstance(rng, bool) or not isinstance(rng, (int, np.integer)):
        raise TypeError(f"rng: expected a whole number (a seed) or a numpy.random.Generator, got {rng!r}")
    if rng < 0:
        raise ValueError(f"rng: expected a seed of at least 0, got {rng}")
    return np.random.default_rng(int(rng))


def float_dtype(dtype) -> np.dtype:
    """Return `dtype` as float32 or float64, or raise TypeError."""
    try:
        wanted = np.dtype(dtype)
    except TypeError:
        wanted = None
    if wanted is None or wanted not in checks.FLOATS:
        raise TypeError(f"dtype: expected float32 or float64, got {dtype!r}")
    return wanted


def whole(name: str, value, least: int = 0, most: int | None = None) -> int:
    """Return `value` as an int between `least` and `most` (both allowed), or raise."""
    wanted = f"a whole number of at least {least}" + ("" if most is None else f" and at most {most}")
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name}: expected {wanted}, got {value!r}")
    if value < least or (most is not None and value > most):
        raise ValueError(f"{name}: expected {wanted}, got {value}")
    return int(value)


def fraction(name: str, value) -> float:
    """Return `value` as a float strictly between 0 and 1, or raise."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name}: expected a number between 0 and 1, got {value!r}")
    if not 0 < value < 1:
        raise ValueError(f"{name}: expected a number between 0 and 1 (neither of them), got {value}")
    return float(value)


def integers(name: str, value, size: int | None = None) -> np.ndarray:
    """Return `value` as an array of whole numbers, each from 0 to size − 1 where a size is given, or raise."""
    ids = np.asarray(value)
    if ids.dtype == bool or not np.issubdtype(ids.dtype, np.integer):
        # An empty list has dtype float64; it holds no wrong number.
        if ids.size or isinstance(value, np.ndarray):
            raise TypeError(f"{name}: expected whole numbers, got dtype {ids.dtype}")
        ids = ids.astype(np.int64)
    if size is not None and ids.size and (ids.min() < 0 or ids.max() >= size):
        where = tuple(int(i) for i in np.argwhere((ids < 0) | (ids >= size))[0])
        raise ValueError(f"{name}: expected numbers from 0 to {size - 1}, got {ids[where]} at index {where}")
    return ids
