"""Is this gradient right? Compare it with one that needs no calculus: nudge every number and watch the loss.

The check works in float64 only. A central difference with step s is off by about s² (the curve is not a line) and by
about 1e-16 / s (the loss is rounded). Near s = 1e-5 both are small: for a network over a few steps the relative error
of a right gradient stays below 1e-9, and the tolerance of 1e-8 leaves room. A wrong gradient does not come near it. In
float32 the rounding is 1e-7 / s, and nothing would be proven.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from common import checks
from common.tables import at_most

Loss = Callable[[], float]


@dataclass(frozen=True, repr=False)
class Report:
    """What a gradient check found. `print` it: one line a parameter, errors as bounds that hold on every machine."""

    errors: dict[str, float]
    shapes: dict[str, tuple[int, ...]]
    tolerance: float

    @property
    def worst(self) -> float:
        """The largest relative error of all parameters."""
        return max(self.errors.values())

    @property
    def passed(self) -> bool:
        """True when every error is below the tolerance."""
        return self.worst < self.tolerance

    def __str__(self) -> str:
        names = max(map(len, self.errors))
        shapes = max(len(str(shape)) for shape in self.shapes.values())
        return "\n".join(
            f"{name:<{names}}  {self.shapes[name]!s:<{shapes}}  error "
            + (
                f"{at_most(error)} < {self.tolerance:g}: yes"
                if error < self.tolerance
                else f"{error:.2g}, not below {self.tolerance:g}: no"
            )
            for name, error in self.errors.items()
        )

    __repr__ = __str__


def numerical_gradient(f: Loss, array: np.ndarray, step: float = 1e-5) -> np.ndarray:
    """The derivative of f() with respect to every number in `array`, by central differences.

    f      takes no argument and returns the loss, one number. It must read `array` itself, not a copy, and must
           compute the same loss every time: no dropout, no new random batch
    array  float64, any shape; changed during the call, and afterwards exactly what it was

    Returns an array of the same shape. Costs two calls of f a number, so keep the sizes small.

    Raises TypeError for float32, ValueError for a loss that is not one finite number or that changes by itself.
    """
    _float64("array", array)
    step = checks.number("step", step, 0, np.inf)
    if _value(f) != _value(f):
        raise ValueError("f: two calls gave two different losses; fix the batch, switch off what is random (dropout)")
    gradient = np.empty(array.shape)
    for index in np.ndindex(array.shape):
        value = array[index]
        try:
            array[index] = value + step
            above = _value(f)
            array[index] = value - step
            below = _value(f)
        finally:
            array[index] = value
        gradient[index] = (above - below) / (2 * step)  # GRAD.1
    return gradient


def relative_error(a: np.ndarray, n: np.ndarray) -> float:
    """How far two arrays lie apart, between 0 (equal) and 1: the norm of a − n over the sum of their norms.

    One number for a whole array: single entries that happen to be almost zero cannot spoil it, as they do when every
    entry is divided by its own size. Two arrays of zeros are equal.
    """
    checks.check_shape("n", np.shape(n), np.shape(a))
    size = np.linalg.norm(a) + np.linalg.norm(n)
    return float(np.linalg.norm(np.subtract(a, n)) / size) if size > 0 else 0.0  # GRAD.2


def check_gradients(
    loss: Loss,
    values: dict[str, np.ndarray],
    grads: dict[str, np.ndarray],
    *,
    step: float = 1e-5,
    tolerance: float = 1e-8,
) -> Report:
    """Compare the gradients of a backward pass with central differences.

    loss    takes no argument, runs the forward pass on the arrays in `values`, and returns one number
    values  name -> the array that the forward pass reads: parameters, and if you like the input and the initial state
    grads   name -> the gradient of the loss with respect to it; the same names

    Returns a Report: `print(report)` for the table, `assert report.passed` for the proof.

    A right gradient that is more than a thousand times smaller than the loss drowns in the loss's rounding and looks
    wrong. So check with few steps, few examples and weights of ordinary size.

    Raises ValueError for names or shapes that do not match, TypeError for float32.
    """
    tolerance = checks.number("tolerance", tolerance, 0, np.inf)
    _same_names(values, grads)
    for name in values:
        _float64(f"values[{name!r}]", values[name])
        checks.array(f"grads[{name!r}]", grads[name], values[name].shape, dtype=np.float64)
    # A loss that also runs the backward pass would overwrite the gradients we are about to check.
    grads = {name: grad.copy() for name, grad in grads.items()}
    errors = {
        name: relative_error(grads[name], numerical_gradient(loss, array, step)) for name, array in values.items()
    }
    return Report(errors, {name: array.shape for name, array in values.items()}, tolerance)


def _value(f: Loss) -> float:
    value = np.asarray(f())
    if value.shape != ():
        raise ValueError(f"f: expected a loss that is one number, got shape {value.shape}; sum or average it")
    if value.dtype != np.float64:
        raise TypeError(f"f: expected a loss in float64, got {value.dtype}; float32 is too coarse for this check")
    if not np.isfinite(value):
        raise ValueError(f"f: expected a finite loss, got {value}")
    return float(value)


def _float64(name: str, array) -> None:
    if isinstance(array, np.ndarray) and array.dtype == np.float32:
        raise TypeError(
            f"{name}: float32 is too coarse for a gradient check, its rounding hides the error;"
            " make the model with dtype=np.float64"
        )
    checks.array(name, array, dtype=np.float64)
    if not array.flags.writeable:
        raise ValueError(f"{name}: the array is read-only, and the check must nudge it; pass a copy the loss reads")


def _same_names(values: dict, grads: dict) -> None:
    if not values:
        raise ValueError("values: there is nothing to check, the dictionary is empty")
    if values.keys() != grads.keys():
        raise ValueError(
            f"grads: expected the names {sorted(values)}, got {sorted(grads)}"
            f" (missing: {sorted(values.keys() - grads.keys())}, unknown: {sorted(grads.keys() - values.keys())})"
        )
