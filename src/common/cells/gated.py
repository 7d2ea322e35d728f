"""What the gated cells share: names of the gates, and two ways to spend less time around the matrix products.

**One tanh for all gates.** The logistic function is a tanh in disguise, σ(a) = ½ + ½ tanh(½ a). So the columns of the
gates are halved in a copy of the weights, which is exact in binary numbers; one call of tanh serves all blocks, and a
multiplication and an addition finish the gates.

**Blocks of steps.** What does not depend on the loop over time (the projection of the input, the slopes of the gates)
is computed for as many steps at once as stay in the processor's cache: many for a small network, where the price of a
call weighs most, one for a large one, where the memory does.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from common import checks
from common.cells.base import RecurrentCell, _rows

CACHE = 2**19  # bytes that a block's pre-activations may take: a part of the second-level cache of today's processors


class GatedCell(RecurrentCell):
    """A recurrent cell with gates. Subclasses name the blocks of their columns in order, and say which are gates."""

    gate_names: tuple[str, ...]  # the blocks of W_x, W_h and b, from left to right
    logistic: tuple[str, ...]  # those among them that end in σ; the others end in tanh

    @property
    def blocks(self) -> int:
        """How many gate blocks of H columns stand side by side in W_x, W_h and b."""
        return len(self.gate_names)

    def block(self, name: str) -> slice:
        """The columns of W_x, W_h and b that belong to one gate: `cell.params["b"][cell.block("f")] = 1`.

        Raises ValueError for a name that is not among `gate_names`.
        """
        at = self.gate_names.index(checks.one_of("name", name, self.gate_names))
        return slice(at * self.hidden_size, (at + 1) * self.hidden_size)

    def gates(self) -> dict[str, np.ndarray]:
        """What the last forward pass computed inside, by letter: arrays of shape (T, B, H), read-only.

        A masked step holds what the cell would have computed there; it has no effect. The arrays are views: the next
        forward pass leaves them alone, and makes new ones.

        Raises RuntimeError when there was no forward pass.
        """
        if self._cache is None:
            raise RuntimeError("gates: there is no forward pass to look into; call forward first")
        views = {name: values.view() for name, values in self._inside().items()}
        for view in views.values():
            view.flags.writeable = False
        return views

    def _inside(self) -> dict[str, np.ndarray]:
        """The arrays (T, B, H) that `gates` shows."""
        return {name: self._activations[..., self.block(name)] for name in self.gate_names}

    # ---- for the loops of the subclasses -------------------------------------------------------------------------

    def _affine(self) -> tuple[np.ndarray, np.ndarray]:
        """(scale, shift), one number a column: ½ and ½ for a gate, 1 and 0 for a block that ends in tanh."""
        scale, shift = np.ones(self.blocks * self.hidden_size), np.zeros(self.blocks * self.hidden_size)
        for name in self.logistic:
            scale[self.block(name)] = shift[self.block(name)] = 0.5
        return scale.astype(self.dtype), shift.astype(self.dtype)

    def _stretches(self, T: int, B: int) -> Iterator[slice]:
        """Consecutive stretches of the T steps, each small enough for the cache."""
        steps = max(1, CACHE // (B * self.blocks * self.hidden_size * self.dtype.itemsize))
        return (slice(start, min(start + steps, T)) for start in range(0, T, steps))


def project(x: np.ndarray, W_x: np.ndarray, b: np.ndarray | None, out: np.ndarray) -> None:
    """Write x_t W_x + b into `out` for all steps of a stretch: x (t, B, D), out (t, B, N)."""
    np.matmul(_rows(x), W_x, out=_rows(out))
    if b is not None:
        out += b
