"""Where training batches come from: generated on the spot, or drawn from a data set.

Both have three methods. `next()` returns a batch, (x, y) or (x, y, mask). `state()` returns, in plain values that JSON
can hold, what the coming batches depend on, and `load_state` goes on from there: so a resumed run sees the batches that
it would have seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from common import checks


class Generated:
    """Batches of a task that is generated while training: no example comes twice.

    sample  takes a NumPy generator and returns (x, y) or (x, y, mask), for example
            lambda rng: adding(50, 32, rng)
    seed    a whole number; the same seed gives the same batches
    """

    def __init__(self, sample: Callable[[np.random.Generator], tuple], seed: int):
        self._sample = sample
        self._rng = _generator(seed)

    def next(self) -> tuple[np.ndarray, ...]:
        """The next batch."""
        batch = self._sample(self._rng)
        if not isinstance(batch, tuple) or len(batch) not in (2, 3):
            raise TypeError(f"sample: expected it to return (x, y) or (x, y, mask), got {type(batch).__name__}")
        return batch

    def state(self) -> dict:
        """What the coming batches depend on."""
        return {"generator": self._rng.bit_generator.state}

    def load_state(self, state: dict) -> None:
        """Go on from a saved `state()`."""
        _check_state(state, self.state())
        self._rng.bit_generator.state = state["generator"]


class Minibatches:
    """Batches of a fixed data set, each example once an epoch, in a new random order every epoch.

    x     the examples side by side along `axis`: (T, N, D) with axis 1
    y     their targets: along `axis` too if there is one for every step, (T, N, K); along the first axis if there is
          one for every sequence, (N,) or (N, K)
    mask  for sequences of different lengths, (T, N) of bool

    The last batch of an epoch is smaller when `batch_size` does not divide N. `len(batches)` is how many make an epoch.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, batch_size: int, seed: int, axis: int = 1, mask=None):
        for name, array in {"x": x, "y": y, "mask": mask}.items():
            checks.not_masked(name, array)
            if not (isinstance(array, np.ndarray) or (name == "mask" and array is None)):
                raise TypeError(f"{name}: expected a NumPy array, got {type(array).__name__}")
        if not 0 <= axis < x.ndim:
            raise ValueError(f"axis: expected an axis of x, which has shape {x.shape}, got {axis}")
        self._examples = x.shape[axis]
        self.batch_size = checks.positive_int("batch_size", batch_size)
        if self.batch_size > self._examples:
            raise ValueError(f"batch_size: expected at most the {self._examples} examples of x, got {batch_size}")
        self._arrays = [(x, axis), (y, self._axis_of_targets(x, y, axis))]
        if mask is not None:
            checks.check_shape("mask", mask.shape, x.shape[: axis + 1])
            self._arrays.append((mask, axis))
        self._rng = _generator(seed)
        self._start_epoch()

    def next(self) -> tuple[np.ndarray, ...]:
        """The next batch: (x, y) or (x, y, mask)."""
        if self._position >= self._examples:
            self._start_epoch()
        chosen = self._order[self._position : self._position + self.batch_size]
        self._position += self.batch_size
        return tuple(a.take(chosen, axis) for a, axis in self._arrays)

    def __len__(self) -> int:
        return math.ceil(self._examples / self.batch_size)

    def state(self) -> dict:
        """What the coming batches depend on: the generator before it drew this epoch's order, and the place in it."""
        return {
            "generator": self._before_epoch,
            "position": self._position,
            "examples": self._examples,
            "batch_size": self.batch_size,
        }

    def load_state(self, state: dict) -> None:
        """Go on from a saved `state()`. ValueError when it belongs to other data."""
        _check_state(state, self.state(), same=("examples", "batch_size"))
        self._rng.bit_generator.state = state["generator"]
        self._start_epoch()
        self._position = state["position"]

    def _start_epoch(self) -> None:
        self._before_epoch = self._rng.bit_generator.state
        self._order = self._rng.permutation(self._examples)
        self._position = 0

    @staticmethod
    def _axis_of_targets(x: np.ndarray, y: np.ndarray, axis: int) -> int:
        if y.shape[: axis + 1] == x.shape[: axis + 1]:
            return axis
        if y.shape[:1] == (x.shape[axis],):
            return 0
        raise ValueError(
            f"y: expected a target a step, {(*x.shape[: axis + 1], '…')}, or a target a sequence,"
            f" {(x.shape[axis], '…')}, for x of shape {x.shape}, got {y.shape}"
        )


def _generator(seed: int) -> np.random.Generator:
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise TypeError(f"seed: expected a whole number of at least 0, got {seed!r}")
    return np.random.default_rng(int(seed))


def _check_state(state: dict, own: dict, same: tuple[str, ...] = ()) -> None:
    if state.keys() != own.keys() or any(state[name] != own[name] for name in same):
        wanted = {name: own[name] for name in same} or sorted(own)
        got = {name: state.get(name) for name in same} or sorted(state)
        raise ValueError(f"state: it belongs to other batches; expected {wanted}, got {got}")
