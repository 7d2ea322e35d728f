"""Clear errors for bad input: each names the argument, what it was and what was expected."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def array(name: str, value, shape: tuple | None = None, *, dtype=None, finite: bool = True) -> np.ndarray:
    """Return `value` if it is a floating-point array of the given shape; raise an error that says what is wrong.

    shape   one entry an axis: a number the axis must have, or a letter for an axis of any length of at least 1,
            for example ("T", "B", 3)
    dtype   the exact dtype expected; by default float32 and float64 are both accepted
    finite  refuse NaN and infinity

    Raises TypeError for something that is not a floating-point array, ValueError for a wrong shape or value. The memory
    order does not matter, nor whether the array may be written to; nothing here writes to it.
    """
    not_masked(name, value)
    if not isinstance(value, np.ndarray) or isinstance(value, np.matrix):
        raise TypeError(f"{name}: expected a NumPy array, got {type(value).__name__}; convert it with np.asarray")
    if dtype is not None and value.dtype != dtype:
        raise TypeError(f"{name}: expected dtype {np.dtype(dtype)}, got {value.dtype}; convert it with .astype")
    if value.dtype not in FLOATS:
        raise TypeError(f"{name}: expected dtype float32 or float64, got {value.dtype}; convert it with .astype")
    if shape is not None:
        check_shape(name, value.shape, shape)
    if finite and not all_finite(value):
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(value))[0])
        raise ValueError(f"{name}: expected finite numbers, got {value[where]} at index {where}")
    return value


def all_finite(value: np.ndarray) -> bool:
    """Whether no entry is NaN or infinite."""
    # The sum is quick. That of finite numbers may overflow, so a non-finite one only asks for the closer look.
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(value.sum())) or bool(np.isfinite(value).all())


def not_masked(name: str, value) -> None:
    """Raise TypeError for a NumPy masked array, of whatever numbers."""
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(
            f"{name}: expected a plain NumPy array, got a masked array, whose mask would be lost on the way; fill it"
            f" with .filled(0) and say by other means which entries count"
        )


def writeable(name: str, value: np.ndarray) -> None:
    """Raise ValueError for an array that is to be changed in place and must not be."""
    if not value.flags.writeable:
        raise ValueError(f"{name}: the array is read-only, and it is changed in place here; pass a copy")


def check_shape(name: str, got: tuple, expected: tuple) -> None:
    """Raise ValueError unless the shape `got` fits `expected` (numbers must agree, letters match any length ≥ 1)."""
    spelled = "(" + ", ".join(str(e) for e in expected) + ("," if len(expected) == 1 else "") + ")"
    if len(got) != len(expected):
        raise ValueError(f"{name}: expected {len(expected)} axes {spelled}, got {len(got)} in shape {tuple(got)}")
    for axis, (size, wanted) in enumerate(zip(got, expected, strict=True)):
        if isinstance(wanted, str):
            if size < 1:
                raise ValueError(f"{name}: axis {axis} ({wanted}) must not be empty, got shape {tuple(got)}")
        elif size != wanted:
            raise ValueError(f"{name}: expected shape {spelled}, got {tuple(got)}")


def positive_int(name: str, value) -> int:
    """Return `value` as an int of at least 1, or raise."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name}: expected a whole number of at least 1, got {value!r}")
    if value < 1:
        raise ValueError(f"{name}: expected a whole number of at least 1, got {value}")
    return int(value)


def one_of(name: str, value, allowed: Iterable):
    """Return `value` if it is among `allowed`, or raise an error that lists them."""
    allowed = list(allowed)
    if value not in allowed:
        raise ValueError(f"{name}: expected one of {', '.join(map(repr, allowed))}, got {value!r}")
    return value


def number(name: str, value, low: float, high: float, *, low_allowed: bool = False) -> float:
    """Return `value` as a float if it is a number between `low` and `high`, or raise.

    `high` is not allowed; `low` only with `low_allowed`. So (0, inf) is a positive number, [0, 1) a rate.
    """
    interval = f"{'[' if low_allowed else '('}{low:g}, {high:g})"
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name}: expected a number in {interval}, got {value!r}")
    if not (low < value < high or (low_allowed and value == low)):
        raise ValueError(f"{name}: expected a number in {interval}, got {value}")
    return float(value)
