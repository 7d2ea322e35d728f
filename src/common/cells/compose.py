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
        cells = [cell for part in parts.values() for cell in _cells(part)]
        if len({id(cell) for cell in cells}) < len(cells):
            raise ValueError(
                f"{', '.join(parts)}: the same cell object stands in two places, where it would overwrite what it"
                f" remembers of the first; make two cells (copy.deepcopy gives a second one with equal weights)"
            )
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

    def backward(self, grad_outputs: np.ndarray, grad_state: State | None = None, *, accumulate: bool = False):
        """As for a cell: the gradient of the top layer's outputs → gradients of x and of the initial state."""
        starts: tuple[np.ndarray, ...] = ()
        for layer, final in reversed(list(zip(self.layers, self._split("grad_state", grad_state), strict=True))):
            grad_outputs, start = layer.backward(grad_outputs, final, accumulate=accumulate)
            starts = start + starts
        return grad_outputs, starts

    def last_output(self, state: State) -> np.ndarray:
        """What each sequence ended with in the top layer, (B, N), from the final state of all layers."""
        return self.layers[-1].last_output(self._split("state", state)[-1])

    def last_output_backward(self, grad: np.ndarray, state: State) -> State:
        """The gradient of `last_output` → the gradient of the final state: nothing for the layers below."""
        *below, top = self._split("state", state)
        zeros = tuple(np.zeros_like(part) for piece in below for part in piece)
        return zeros + self.layers[-1].last_output_backward(grad, top)


class Bidirectional(Composed):
    """Two cells read the sequence, one from each end; at every step their outputs are put together.

    ahead, back  cells of the same input size; `back` sees the last step first (Schuster and Paliwal, 1997)
    merge        how the two outputs of a step become one: "concat" side by side, (T, B, H of ahead + H of back), as in
                 PyTorch; "sum", "ave" or "mul" entry by entry, for cells of one hidden size, as in keras.layers

    Masked steps may stand anywhere. Each direction carries its state over them, so it reads the real steps of a
    sequence in its own order and no others. Where there is padding at the end, `back` repeats its initial state there.

    The last step of the outputs is not what the sequence ended with: there `back` has read one step only. `last_output`
    is: both final states, as `SequenceModel(read="last")` takes them.
    """

    def __init__(self, ahead: RecurrentCell, back: RecurrentCell, *, merge: str = "concat"):
        super().__init__({"ahead": ahead, "back": back})
        if ahead.input_size != back.input_size:
            raise ValueError(f"back: expected an input size of {ahead.input_size}, as ahead, got {back.input_size}")
        self.merge = checks.one_of("merge", merge, ("concat", "sum", "ave", "mul"))
        if merge != "concat" and ahead.output_size != back.output_size:
            raise ValueError(
                f"back: expected a hidden size of {ahead.output_size}, as ahead, to {merge} them,"
                f" got {back.output_size}"
            )
        self.ahead, self.back = ahead, back
        self.input_size = ahead.input_size
        self.output_size = ahead.output_size + (back.output_size if merge == "concat" else 0)
        self.hidden_size = self.output_size
        self._both: tuple[np.ndarray, np.ndarray] | None = None

    def forward(self, x: np.ndarray, state: State | None = None, mask: np.ndarray | None = None):
        """As for a cell; in the outputs, step t of `back` has read the steps T … t."""
        checks.array("x", x, ("T", "B", self.input_size), dtype=self.dtype, finite=False)
        if mask is not None:
            _check_mask(mask, *x.shape[:2])
        ahead, back = self._split("state", state)
        outputs, final = self.ahead.forward(x, ahead, mask)
        outputs_back, final_back = self.back.forward(x[::-1], back, None if mask is None else mask[::-1])
        self._both = outputs, outputs_back[::-1]
        return self._merged(*self._both), final + final_back

    def backward(self, grad_outputs: np.ndarray, grad_state: State | None = None, *, accumulate: bool = False):
        """As for a cell."""
        if self._both is None:
            raise RuntimeError("backward: there is no forward pass to go back through; call forward first")
        shape = (*self._both[0].shape[:2], self.output_size)
        checks.array("grad_outputs", grad_outputs, shape, dtype=self.dtype, finite=False)
        ahead, back = self._split("grad_state", grad_state)
        grad_ahead, grad_back = self._merged_back(grad_outputs, *self._both)
        grad_x, start = self.ahead.backward(grad_ahead, ahead, accumulate=accumulate)
        grad_x_back, start_back = self.back.backward(grad_back[::-1], back, accumulate=accumulate)
        return grad_x + grad_x_back[::-1], start + start_back

    def last_output(self, state: State) -> np.ndarray:
        """What both directions ended with, merged, (B, N): that of `back` after it has read the first step."""
        return self._merged(*self._ends(state))

    def last_output_backward(self, grad: np.ndarray, state: State) -> State:
        """The gradient of `last_output` → the gradient of both final states."""
        ahead, back = self._split("state", state)
        grad_ahead, grad_back = self._merged_back(grad, *self._ends(state))
        return (
            *self.ahead.last_output_backward(grad_ahead, ahead),
            *self.back.last_output_backward(grad_back, back),
        )

    def _ends(self, state: State) -> tuple[np.ndarray, np.ndarray]:
        ahead, back = self._split("state", state)
        return self.ahead.last_output(ahead), self.back.last_output(back)

    def _merged(self, ahead: np.ndarray, back: np.ndarray) -> np.ndarray:
        if self.merge == "concat":
            return np.concatenate([ahead, back], axis=-1)
        if self.merge == "mul":
            return ahead * back
        return (ahead + back) * self.dtype.type(0.5 if self.merge == "ave" else 1)

    def _merged_back(self, grad: np.ndarray, ahead: np.ndarray, back: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The gradients of the two outputs, which are needed for a product only."""
        if self.merge == "concat":
            H = self.ahead.output_size
            return grad[..., :H], grad[..., H:]
        if self.merge == "mul":
            return grad * back, grad * ahead
        half = grad * self.dtype.type(0.5 if self.merge == "ave" else 1)
        return half, half


def _cells(part: RecurrentCell | Composed) -> list[RecurrentCell]:
    """The cells inside, one for each place."""
    return [cell for inner in part.parts.values() for cell in _cells(inner)] if isinstance(part, Composed) else [part]
