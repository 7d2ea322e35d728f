"""A recurrent cell with an output layer: the smallest model of sequences that can be trained."""

from __future__ import annotations

import numpy as np

from common import checks


class SequenceModel:
    """x (T, B, D) → cell → outputs (T, B, H) → head → y.

    cell  a recurrent cell, such as common.cells.RNN
    head  a layer that is applied to its outputs, such as common.layers.Linear(H, K)
    read  "every": the head reads every step, y is (T, B, K). "last": it reads what each sequence ended with, (B, K).

    With a mask, "last" means after the last step that is not masked, for every sequence in the batch. Nothing has to be
    looked up: a masked step carries the state over, so what the sequence ended with is in the final state. In two
    directions it is the final state of both, and not the outputs of step T, where the second has read one step only.
    """

    def __init__(self, cell, head, *, read: str = "every"):
        self.cell, self.head = cell, head
        self.read = checks.one_of("read", read, ("every", "last"))
        self._outputs_shape: tuple[int, ...] | None = None
        self._final: tuple[np.ndarray, ...] | None = None

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
        outputs, final = self.cell.forward(x, state, mask)
        self._outputs_shape = outputs.shape
        self._final = tuple(part.copy() for part in final)  # backward reads it again, and the caller may change it
        return self.head.forward(outputs if self.read == "every" else self.cell.last_output(final)), final

    def backward(self, grad_y: np.ndarray, grad_state=None, *, accumulate: bool = False):
        """grad_y, shaped like y; `grad_state` what reaches the final state from a later chunk, as for the cell.

        Sets `grads`, or adds to them. Returns (grad_x, grad_state): the gradients of the input and of the initial
        state.
        """
        # Said only when asked, so that a head of your own need not know it.
        asked = {"accumulate": True} if accumulate else {}
        grad = self.head.backward(grad_y, **asked)
        if self.read == "every":
            return self.cell.backward(grad, grad_state, **asked)
        at_end = self.cell.last_output_backward(grad, self._final)
        if grad_state is not None:
            at_end = self._plus(at_end, grad_state)
        nothing = np.zeros(self._outputs_shape, grad.dtype)
        return self.cell.backward(nothing, at_end, **asked)

    def _plus(self, at_end: tuple[np.ndarray, ...], grad_state) -> tuple[np.ndarray, ...]:
        names = self.cell.state_names
        if not isinstance(grad_state, (tuple, list)) or len(grad_state) != len(names):
            got = f"{len(grad_state)} items" if isinstance(grad_state, (tuple, list)) else type(grad_state).__name__
            raise TypeError(f"grad_state: expected the tuple ({', '.join(names)}) of arrays, got {got}")
        return tuple(
            own + checks.array(f"grad_state {name}", late, own.shape, dtype=own.dtype)
            for name, own, late in zip(names, at_end, grad_state, strict=True)
        )

    def _together(self, what: str) -> dict[str, np.ndarray]:
        parts = {"cell": self.cell, "head": self.head}
        return {f"{part}.{name}": a for part, layer in parts.items() for name, a in getattr(layer, what).items()}
