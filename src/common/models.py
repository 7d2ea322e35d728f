"""A recurrent cell with an output layer: the smallest model of sequences that can be trained."""

from __future__ import annotations

import numpy as np

from common import checks


class SequenceModel:
    """x (T, B, D) → cell → outputs (T, B, H) → head → y.

    cell  a recurrent cell, such as common.cells.RNN
    head  a layer that is applied to its outputs, such as common.layers.Linear(H, K)
    read  "every": the head reads every step, y is (T, B, K). "last": it reads the last step only, y is (B, K).

    With a mask, "last" means the last step that is not masked, for every sequence in the batch. Nothing has to be
    looked up: a masked step carries the state over and repeats the last output, so what the sequence ended with has
    arrived at step T.
    """

    def __init__(self, cell, head, *, read: str = "every"):
        self.cell, self.head = cell, head
        self.read = checks.one_of("read", read, ("every", "last"))
        self._hs_shape: tuple[int, ...] | None = None

    @property
    def params(self) -> dict[str, np.ndarray]:
        """All parameters by name, "cell.W_x", …, "head.b". The arrays are the cell's and the head's own, not copies."""
        return self._together("params")

    @property
    def grads(self) -> dict[str, np.ndarray]:
        """The gradients of the last backward pass, under the names of the parameters. Not copies either."""
        return self._together("grads")

    @property
    def generators(self) -> tuple[np.random.Generator, ...]:
        """The random generators inside (of dropout), which a checkpoint must remember."""
        return tuple(rng for part in (self.cell, self.head) for rng in getattr(part, "generators", ()))

    @property
    def parameter_count(self) -> int:
        """How many numbers training may change."""
        return sum(p.size for p in self.params.values())

    def forward(self, x: np.ndarray, state=None, mask: np.ndarray | None = None):
        """x (T, B, D), `state` and `mask` (T, B) as for the cell → (y, state): state is the cell's after step T."""
        hs, state = self.cell.forward(x, state, mask)
        self._hs_shape = hs.shape
        return self.head.forward(hs if self.read == "every" else hs[-1]), state

    def backward(self, grad_y: np.ndarray, grad_state=None):
        """grad_y, shaped like y; `grad_state` what reaches the final state from a later chunk, as for the cell.

        Sets `grads`. Returns (grad_x, grad_state): the gradients of the input and of the initial state.
        """
        grad_hs = self.head.backward(grad_y)
        if self.read == "last":
            grad_last, grad_hs = grad_hs, np.zeros(self._hs_shape, grad_hs.dtype)
            grad_hs[-1] = grad_last
        return self.cell.backward(grad_hs, grad_state)

    def _together(self, what: str) -> dict[str, np.ndarray]:
        parts = {"cell": self.cell, "head": self.head}
        return {f"{part}.{name}": a for part, layer in parts.items() for name, a in getattr(layer, what).items()}
