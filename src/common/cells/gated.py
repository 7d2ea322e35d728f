"""What the gated cells share: the names of their gates, and three ways to spend less time around the products.

**One product a step.** The rows [h_{t-1} 1 x_t] stand ready in one array, and W_h, b and W_x on top of each other in a
matrix for each gate. So a_t = [h_{t-1} 1 x_t] W is a single call with nothing left to add, and one product of the same
array with δ_t gives the gradients of all three. Inside the cell the gates are an axis of their own, (gates, B, H), so
that each gate's numbers lie side by side in memory.

**One tanh for all gates.** The logistic function is a tanh in disguise, σ(a) = ½ + ½ tanh(½ a). So the weights of
the gates are halved in the copy, which is exact in binary numbers; one call of tanh serves all blocks, and a
multiplication and an addition finish the gates.

**Stretches of steps.** Backward, what does not have to wait for the later step is done for a stretch of steps while its
numbers are still in the processor's cache: the slopes of the gates before the loop, the gradients of weights and input
after it. A stretch is the whole sequence for a small network, where the price of a call weighs most, and a few steps
for a large one, where the way to the memory does.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

import numpy as np

from common import checks
from common.cells.base import RecurrentCell, State

# Bytes that the δ of a stretch may take. Slopes fit the second-level cache of today's processors; for the products a
# longer stretch is worth more than a closer cache. Found by trial at H = 64 … 512.
SLOPES, PRODUCTS = 2**19, 2**22


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
        """What the last forward pass computed inside, by letter: arrays of shape (T, B, H), copies.

        A masked step holds what the cell would have computed there; it has no effect.

        Raises RuntimeError when there was no forward pass.
        """
        if self._cache is None:
            raise RuntimeError("gates: there is no forward pass to look into; call forward first")
        return {name: values.copy() for name, values in self._inside().items()}

    def _inside(self) -> dict[str, np.ndarray]:
        """The arrays (T, B, H) that `gates` shows."""
        return {name: self._activations[:, k] for k, name in enumerate(self.gate_names)}

    # ---- for the loops of the subclasses -------------------------------------------------------------------------

    def _joined(self, x: np.ndarray, h_0: np.ndarray) -> np.ndarray:
        """The rows [h_{t-1} 1 x_t] of all steps, (T + 1, B, H + 1 + D). The loop writes h_t into row t + 1.

        The last row only has a place for h_T.
        """
        T, B, D = x.shape
        H = self.hidden_size
        joined = np.empty((T + 1, B, H + 1 + D), self.dtype)
        joined[0, :, :H] = h_0
        joined[..., H] = 1
        joined[:T, :, H + 1 :] = x
        return joined

    def _weights(self) -> np.ndarray:
        """W_h, b and W_x of each gate on top of each other, (gates, H + 1 + D, H): what multiplies a row of `_joined`.

        The weights of the logistic gates are halved. Without a bias its row is zero.
        """
        b = self.params.get("b", np.zeros(self.blocks * self.hidden_size, self.dtype))
        together = self._by_gate(np.vstack([self.params["W_h"], b, self.params["W_x"]]))
        return together * self._affine()[0]

    def _by_gate(self, columns: np.ndarray) -> np.ndarray:
        """(rows, gates * H) as (gates, rows, H), a view."""
        return columns.reshape(len(columns), self.blocks, self.hidden_size).swapaxes(0, 1)

    def _affine(self) -> tuple[np.ndarray, np.ndarray]:
        """(scale, shift), (gates, 1, 1): ½ and ½ for a gate, 1 and 0 for a block that ends in tanh."""
        half = np.array([name in self.logistic for name in self.gate_names])[:, None, None]
        return np.where(half, 0.5, 1).astype(self.dtype), np.where(half, 0.5, 0).astype(self.dtype)

    def _run_back(self, grad_outputs, grad_state: State, mask):
        (T, B, H), D = grad_outputs.shape, self.input_size
        W_x_T = np.ascontiguousarray(self._by_gate(self.params["W_x"]).swapaxes(1, 2))
        # Not empty_like(x): that keeps the memory order of x, and a piece of it, flattened for `out=`, may be a copy.
        grad_x, sums = np.empty((T, B, D), self.dtype), None
        carry = tuple(g.copy() for g in grad_state)  # what reaches the state from later steps
        weights = self._weights_back(B)
        step_bytes = B * self.blocks * H * self.dtype.itemsize
        for stretch in _stretches_back(0, T, PRODUCTS // step_bytes):
            deltas = np.empty((self._slots, stretch.stop - stretch.start, B, H), self.dtype)
            for steps in _stretches_back(stretch.start, stretch.stop, SLOPES // step_bytes):
                piece = deltas[:, steps.start - stretch.start : steps.stop - stretch.start]
                carry = self._steps_back(steps, piece, grad_outputs, carry, weights, mask)
            flat = deltas.reshape(self._slots, -1, H)
            by_gate = np.matmul(flat[-self.blocks :], W_x_T)
            np.add.reduce(by_gate, axis=0, out=grad_x[stretch].reshape(-1, D))  # LSTM.17, GRU.10
            products = self._weight_products(stretch, flat)
            sums = products if sums is None else [a + b for a, b in zip(sums, products, strict=True)]
        grads = self._weight_grads(*sums)
        return {name: grads[name] for name in self.params}, grad_x, carry

    @property
    def _slots(self) -> int:
        """How many arrays (B, H) a step backward fills; the last ones are δ_t, gate by gate."""
        return self.blocks

    @abstractmethod
    def _weights_back(self, B: int) -> tuple[np.ndarray, ...]:
        """What every step backward multiplies by, and scratch memory."""

    @abstractmethod
    def _steps_back(self, steps: slice, deltas, grad_outputs, carry: State, weights, mask) -> State:
        """The loop backward over a few steps: writes δ, returns what reaches the state before them."""

    @abstractmethod
    def _weight_products(self, stretch: slice, deltas: np.ndarray) -> list[np.ndarray]:
        """The products of a stretch whose sums over all stretches hold the gradients of the parameters.

        deltas  (slots, steps of the stretch * B, H)
        """

    @abstractmethod
    def _weight_grads(self, *sums: np.ndarray) -> dict[str, np.ndarray]:
        """The gradients of the parameters by name, out of these sums."""


def _stretches_back(start: int, stop: int, steps: int) -> Iterator[slice]:
    """Consecutive slices of at most `steps` (at least 1) from `start` to `stop`, the last first."""
    steps = max(1, steps)
    return (slice(first, min(first + steps, stop)) for first in reversed(range(start, stop, steps)))
