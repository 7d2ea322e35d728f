"""Cells put together: one on top of the other, and two that read in opposite directions.

Both have the interface of a single cell (`forward`, `backward`, `params`, `grads`, `zero_state`), so that what takes a
cell takes them too. Their state is one flat tuple, their parameters carry the part's name in front: "1.W_x".
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from common import checks
from common.cells.base import RecurrentCell, State, _check_mask


class Composed:
    """What both have in common: several parts, each a cell or composed itself, whose dictionaries are joined."""

    def __init__(self, parts: dict[str, RecurrentCell | Composed]):
        for name, part in parts.items():
            if not isinstance(part, (RecurrentCell, Composed)):
                raise TypeError(f"{name}: expected a cell, got {type(part).__name__}")
        dtypes = {part.dtype for part in parts.values()}
        if len(dtypes) > 1:
            raise TypeError(f"expected parts of one dtype, got {', '.join(sorted(d.name for d in dtypes))}")
        self.parts = parts
        self.dtype = dtypes.pop()

    @property
    def params(self) -> dict[str, np.ndarray]:
        """All parameters, "part.name" -> array. The arrays are the parts' own, not copies."""
        return {f"{name}.{key}": value for name, part in self.parts.items() for key, value in part.params.items()}

    @property
    def grads(self) -> dict[str, np.ndarray]:
        """The gradients of the last backward pass, under the names of the parameters."""
        return {f"{name}.{key}": value for name, part in self.parts.items() for key, value in part.grads.items()}

    @property
    def state_names(self) -> tuple[str, ...]:
        """ "part.name" of every array of the state, in its order."""
        return tuple(f"{name}.{key}" for name, part in self.parts.items() for key in part.state_names)

    @property
    def parameter_count(self) -> int:
        """How many numbers training may change."""
        return sum(part.parameter_count for part in self.parts.values())

    def zero_state(self, batch: int) -> State:
        """The state before any input: zeros, a flat tuple of (batch, H) arrays in the order of `state_names`."""
        return tuple(array for part in self.parts.values() for array in part.zero_state(batch))

    def _split(self, name: str, state) -> list:
        """The flat state as one piece a part; None for each where there is none."""
        if state is None:
            return [None] * len(self.parts)
        if not isinstance(state, (tuple, list)) or len(state) != len(self.state_names):
            got = f"{len(state)} items" if isinstance(state, (tuple, list)) else type(state).__name__
            raise TypeError(f"{name}: expected a tuple of {len(self.state_names)} arrays {self.state_names}, got {got}")
        pieces, rest = [], tuple(state)
        for part in self.parts.values():
            pieces.append(rest[: len(part.state_names)])
            rest = rest[len(part.state_names) :]
        return pieces


class Stacked(Composed):
    """Layers on top of each other: the outputs of one are the inputs of the next.

    layers  cells or `Bidirectional` pairs, the lowest first; the input size of each must be the output size of the one
            below. Raises ValueError where it is not, TypeError for anything else or for a mixture of dtypes.
    """

    def __init__(self, layers: Sequence[RecurrentCell | Bidirectional]):
        layers = list(layers)
        if not layers:
            raise ValueError("layers: expected at least one, got none")
        super().__init__({str(number): layer for number, layer in enumerate(layers, 1)})
        for number, (below, above) in enumerate(itertools.pairwise(layers), 2):
            if above.input_size != below.output_size:
                raise ValueError(
                    f"layers: layer {number} takes {above.input_size} inputs, the one below gives {below.output_size}"
                )
        self.layers = layers
        self.input_size, self.output_size = layers[0].input_size, layers[-1].output_size
        self.hidden_size = self.output_size

    def forward(self, x: np.ndarray, state: State | None = None, mask: np.ndarray | None = None):
        """As for a cell: x (T, B, D) → outputs of the top layer (T, B, N), and the state of all layers."""
        finals: tuple[np.ndarray, ...] = ()
        for layer, start in zip(self.layers, self._split("state", state), strict=True):
            x, final = layer.forward(x, start, mask)
            finals += final
        return x, finals

    def backward(self, grad_outputs: np.ndarray, grad_state: State | None = None):
        """As for a cell: the gradient of the top layer's outputs → gradients of x and of the initial state."""
        starts: tuple[np.ndarray, ...] = ()
        for layer, final in reversed(list(zip(self.layers, self._split("grad_state", grad_state), strict=True))):
            grad_outputs, start = layer.backward(grad_outputs, final)
            starts = start + starts
        return grad_outputs, starts


class Bidirectional(Composed):
    """Two cells read the sequence, one from each end; at every step their outputs stand side by side.

    ahead, back  cells of the same input size; `back` sees the last step first (Schuster and Paliwal, 1997). The outputs
                 have shape (T, B, H of ahead + H of back). Masked steps must lie at the end, as padding does: reading
                 from the end, `back` then carries its initial state to the last real step.
    """

    def __init__(self, ahead: RecurrentCell, back: RecurrentCell):
        super().__init__({"ahead": ahead, "back": back})
        if ahead.input_size != back.input_size:
            raise ValueError(f"back: expected an input size of {ahead.input_size}, as ahead, got {back.input_size}")
        self.ahead, self.back = ahead, back
        self.input_size = ahead.input_size
        self.output_size = self.hidden_size = ahead.hidden_size + back.hidden_size

    def forward(self, x: np.ndarray, state: State | None = None, mask: np.ndarray | None = None):
        """As for a cell; outputs (T, B, H of ahead + H of back), where step t of `back` has read steps T … t."""
        checks.array("x", x, ("T", "B", self.input_size), dtype=self.dtype)
        if mask is not None:
            _check_mask(mask, *x.shape[:2])
            if (mask[1:] & ~mask[:-1]).any():
                raise ValueError("mask: expected masked steps at the end of a sequence only, for two directions")
        ahead, back = self._split("state", state)
        outputs, final = self.ahead.forward(x, ahead, mask)
        outputs_back, final_back = self.back.forward(x[::-1], back, None if mask is None else mask[::-1])
        return np.concatenate([outputs, outputs_back[::-1]], axis=-1), final + final_back

    def backward(self, grad_outputs: np.ndarray, grad_state: State | None = None):
        """As for a cell."""
        H = self.ahead.hidden_size
        checks.array("grad_outputs", grad_outputs, ("T", "B", self.output_size), dtype=self.dtype, finite=False)
        ahead, back = self._split("grad_state", grad_state)
        grad_x, start = self.ahead.backward(grad_outputs[..., :H], ahead)
        grad_x_back, start_back = self.back.backward(grad_outputs[::-1, :, H:], back)
        return grad_x + grad_x_back[::-1], start + start_back
