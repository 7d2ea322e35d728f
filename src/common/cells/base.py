"""What every recurrent cell has in common: the interface, the checks, and the work that needs no loop over time.

A cell computes a_t = x_t W_x + h_{t-1} W_h + b at every step and then its own step function. Backward, the loop only
collects δ_t, the gradient of a_t; the gradients of the weights and of the input are products over many steps at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from common import checks
from common.cells import initial

State = tuple[np.ndarray, ...]


class RecurrentCell(ABC):
    """A recurrent layer over whole sequences. Subclasses supply the loop forward and the loop backward.

    Arrays are time-major: x has shape (T, B, D), outputs have shape (T, B, H). A state is always a tuple of arrays of
    shape (B, H): `(h,)` here, `(h, c)` for an LSTM. The memory order of what is handed in does not matter.

    What backward needs is copied by forward, so the caller may reuse x, state and mask at once. The parameters are not
    copied: backward reads them again, so update them after it.
    """

    state_names: tuple[str, ...]
    blocks: int  # how many gate blocks of H columns stand side by side in W_x, W_h and b

    def __init__(self, input_size: int, hidden_size: int, *, bias: bool = True, dtype=np.float64, rng=None):
        self.input_size = checks.positive_int("input_size", input_size)
        self.hidden_size = checks.positive_int("hidden_size", hidden_size)
        self.dtype = np.dtype(dtype)
        checks.one_of("dtype", self.dtype, checks.FLOATS)
        rng = np.random.default_rng(rng)
        D, H = self.input_size, self.hidden_size
        self.params: dict[str, np.ndarray] = {
            "W_x": initial.glorot_uniform(rng, D, self.blocks * H).astype(self.dtype),
            "W_h": np.hstack([initial.orthogonal(rng, H) for _ in range(self.blocks)]).astype(self.dtype),
        }
        if bias:
            self.params["b"] = np.zeros(self.blocks * H, self.dtype)
        self.grads: dict[str, np.ndarray] = {}
        self._cache: dict | None = None

    # ---- the interface -------------------------------------------------------------------------------------------

    def forward(self, x: np.ndarray, state: State | None = None, mask: np.ndarray | None = None):
        """Run the cell over a sequence.

        x      (T, B, D), of the cell's dtype. What stands at masked steps does not matter, not even NaN
        state  the state before the first step, a tuple of (B, H) arrays; zeros when None
        mask   (T, B) of bool, True where a step is real; from lengths by `mask_from_lengths`. A masked step is padding,
               wherever it stands: it carries the state over and repeats the last output (before the first real step
               the h it started from).

        Returns (outputs, state): outputs (T, B, H), a read-only view that backward still needs, and the state after
        the last step, which may be passed to the next chunk of the same sequences.

        Raises TypeError for a wrong dtype and ValueError for a wrong shape, an empty axis, NaN or infinity.
        """
        self._cache = None  # should anything below fail, there is nothing to go back through
        checks.array("x", x, ("T", "B", self.input_size), dtype=self.dtype, finite=mask is None)
        T, B, _ = x.shape
        state = self._check_state("state", state, B)
        if mask is not None:
            mask = _check_mask(mask, T, B).copy()
            x = _finite_where_real(x, mask)
        self._cache = {"steps": T, "batch": B, "mask": mask}
        outputs, state = self._run(x, state, mask)
        outputs.flags.writeable = False
        return outputs, state

    def backward(self, grad_outputs: np.ndarray, grad_state: State | None = None, *, accumulate: bool = False):
        """Carry gradients back through the last forward pass (backpropagation through time).

        grad_outputs  (T, B, H): what reaches each output from outside, e_t in the equations
        grad_state    what reaches the final state from a later chunk, a tuple of (B, H) arrays; zeros when None
        accumulate    add to the gradients of earlier backward passes, as PyTorch always does, in place of overwriting
                      them: for a batch that is worked through in pieces

        Sets `grads`, the total derivatives of the loss with respect to the parameters, by name. Returns
        (grad_x, grad_state): (T, B, D), and the gradient of the initial state.

        Raises RuntimeError when there was no forward pass, TypeError and ValueError for arrays that do not fit it.
        """
        if self._cache is None:
            raise RuntimeError("backward: there is no forward pass to go back through; call forward first")
        T, B, mask = self._cache["steps"], self._cache["batch"], self._cache["mask"]
        checks.array("grad_outputs", grad_outputs, (T, B, self.hidden_size), dtype=self.dtype, finite=False)
        grad_state = self._check_state("grad_state", grad_state, B)
        grads, grad_x, grad_state = self._run_back(grad_outputs, grad_state, mask)
        if not checks.all_finite(grads["W_h"]):  # NaN in grad_outputs has spread to here; only now look for it there
            checks.array("grad_outputs", grad_outputs)
        self.grads = added(self.grads, grads) if accumulate else grads
        return grad_x, grad_state

    def last_output(self, state: State) -> np.ndarray:
        """What each sequence ended with, (B, H), from the final state that `forward` returned."""
        return state[0]

    def last_output_backward(self, grad: np.ndarray, state: State) -> State:
        """The gradient of `last_output`, (B, H) → the gradient of the final state, to be handed to `backward`."""
        return grad, *(np.zeros_like(part) for part in state[1:])

    @property
    def output_size(self) -> int:
        """How many numbers come out at every step: H."""
        return self.hidden_size

    def zero_state(self, batch: int) -> State:
        """The state before any input: zeros, a tuple of (batch, H) arrays."""
        shape = (checks.positive_int("batch", batch), self.hidden_size)
        return tuple(np.zeros(shape, self.dtype) for _ in self.state_names)

    @property
    def parameter_count(self) -> int:
        """How many numbers training may change."""
        return sum(p.size for p in self.params.values())

    # ---- what a subclass supplies --------------------------------------------------------------------------------

    @abstractmethod
    def _run(self, x: np.ndarray, state: State, mask) -> tuple[np.ndarray, State]:
        """The loop forward. Returns the outputs of all steps, (T, B, H), and the state after the last step."""

    @abstractmethod
    def _run_back(self, grad_outputs, grad_state: State, mask) -> tuple[dict[str, np.ndarray], np.ndarray, State]:
        """The loop backward. Returns the gradients of the parameters by name, of the input, of the initial state."""

    # ---- checks --------------------------------------------------------------------------------------------------

    def _check_state(self, name: str, state, batch: int) -> State:
        if state is None:
            return self.zero_state(batch)
        wanted = f"({', '.join(self.state_names)}{',' if len(self.state_names) == 1 else ''})"
        if not isinstance(state, (tuple, list)) or len(state) != len(self.state_names):
            got = f"{len(state)} items" if isinstance(state, (tuple, list)) else type(state).__name__
            raise TypeError(f"{name}: expected the tuple {wanted} of arrays, got {got}")
        return tuple(
            checks.array(f"{name} {part}", value, (batch, self.hidden_size), dtype=self.dtype)
            for part, value in zip(self.state_names, state, strict=True)
        )


def mask_from_lengths(lengths, steps: int) -> np.ndarray:
    """The mask of sequences that are padded at their end: lengths (B,) → (steps, B) of bool, True where a step is real.

    lengths  whole numbers from 0 to `steps`, a list or an array. A length of 0 is a sequence without a step: its final
             state is its initial one.

    Raises TypeError for anything but whole numbers, ValueError for one that does not fit.
    """
    checks.not_masked("lengths", lengths)
    steps, lengths = checks.positive_int("steps", steps), np.asarray(lengths)
    if lengths.ndim != 1 or (lengths.size and lengths.dtype.kind not in "iu"):
        got = f"{lengths.dtype} of shape {lengths.shape}"
        raise TypeError(f"lengths: expected whole numbers, one for each sequence, got {got}")
    if lengths.size == 0 or lengths.min() < 0 or lengths.max() > steps:
        got = "none" if lengths.size == 0 else f"{lengths.min()} to {lengths.max()}"
        raise ValueError(f"lengths: expected numbers from 0 to the {steps} steps, got {got}")
    return np.arange(steps)[:, None] < lengths


def added(before: dict[str, np.ndarray], grads: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Gradients of several backward passes, added up; `before` is empty at the first."""
    return {name: before[name] + grad for name, grad in grads.items()} if before else grads


def _check_mask(mask, T: int, B: int) -> np.ndarray:
    checks.not_masked("mask", mask)
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_:
        got = mask.dtype if isinstance(mask, np.ndarray) else type(mask).__name__
        raise TypeError(
            f"mask: expected a NumPy array of dtype bool, True where a step is real, got {got};"
            f" mask_from_lengths makes one from lengths"
        )
    checks.check_shape("mask", mask.shape, (T, B))
    return mask


def _finite_where_real(x: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """x, with zeros in the padding if there is NaN or infinity: 0 times NaN would be NaN. Raises for real steps."""
    return x if checks.all_finite(x) else checks.array("x", np.where(mask[..., None], x, 0))


def _rows(a: np.ndarray) -> np.ndarray:
    """Time and batch as one axis: (T, B, N) becomes (T * B, N)."""
    return a.reshape(-1, a.shape[-1])
