"""What is left of a gradient k steps back in time? Measured on any recurrent cell, by its own backward pass.

The cells' `backward` returns the gradient of the initial state only. So the functions here let a cell read one step at
a time, keep the states, and go back the same way: the gradient that leaves step t is the one that reaches step t − 1.
They use nothing but the interface of a cell and serve RNN, LSTM, GRU and stacked cells alike. A cell in two directions
cannot be read one step at a time, so it is refused.

A *lag* counts backwards: lag 0 is the state after the last step, lag T the initial state.
"""

from __future__ import annotations

import numpy as np

from common import checks
from common.cells import Bidirectional

State = tuple[np.ndarray, ...]


def state_gradients(
    cell, x: np.ndarray, state: State | None = None, *, grad_outputs: np.ndarray | None = None, grad_state=None
) -> dict[str, np.ndarray]:
    """The total derivative of a loss with respect to the state at every lag.

    cell          a cell of `common.cells`; the result of its next `backward` call is not what it was before
    x             (T, B, D), the sequence
    state         the initial state, a tuple of (B, H); zeros when None
    grad_outputs  (T, B, H), what reaches each output from the loss at its own step; zeros when None
    grad_state    what reaches the final state, a tuple of (B, H); zeros when None

    Returns name of the state -> (T + 1, B, H); entry k belongs to lag k. At the lag of an output, what reaches that
    output is included: the entry is the total derivative dh_t, with everything that comes later.

    Raises ValueError when both gradients are None, and whatever the cell says of arrays that do not fit.
    """
    if grad_outputs is None and grad_state is None:
        raise ValueError("grad_outputs, grad_state: expected at least one; without any, every gradient is zero")
    T, B, _ = checks.array("x", x, ("T", "B", cell.input_size), dtype=cell.dtype).shape
    if grad_outputs is None:
        grad_outputs = np.zeros((T, B, cell.output_size), cell.dtype)
    checks.array("grad_outputs", grad_outputs, (T, B, cell.output_size), dtype=cell.dtype)
    grad_state = cell.zero_state(B) if grad_state is None else tuple(grad_state)
    before = _states(cell, x, state)
    total = _plus_output(cell, grad_state, grad_outputs[-1])
    lags = [total]
    for t in reversed(range(T)):
        cell.forward(x[t : t + 1], before[t])
        # The output's gradient is already in dh_t, so nothing more comes from outside.
        _, total = cell.backward(np.zeros_like(grad_outputs[:1]), total)
        if t > 0:
            total = _plus_output(cell, total, grad_outputs[t - 1])
        lags.append(total)
    return {name: np.stack([lag[k] for lag in lags]) for k, name in enumerate(cell.state_names)}


def norms_by_lag(
    cell, x: np.ndarray, state: State | None = None, *, grad_outputs: np.ndarray | None = None, grad_state=None
) -> np.ndarray:
    """How long the gradient of the hidden state is at every lag: (T + 1,), the median of the batch.

    The arguments are those of `state_gradients`. The length is the Euclidean norm of one example's dh (of a stack: of
    all its layers' dh together); a cell state is not in it, see `state_gradients` for that.
    """
    found = state_gradients(cell, x, state, grad_outputs=grad_outputs, grad_state=grad_state)
    squares = sum(np.sum(g**2, axis=-1) for name, g in found.items() if name.rpartition(".")[2] == "h")
    return np.median(np.sqrt(squares), axis=1)


def jacobians(cell, x: np.ndarray, state: State | None = None) -> np.ndarray:
    """The Jacobian of the final state with respect to the state at every lag, for one sequence.

    x      (T, 1, D): a Jacobian belongs to one example
    state  as above, for one example

    Returns (T + 1, S, S), where S counts all numbers of the state, h before c for an LSTM. Entry [k, i, j] is how
    number i of the final state responds to number j of the state k steps before: the product of the Jacobians of k
    steps. Entry 0 is the identity. Raises ValueError for more than one sequence.
    """
    checks.array("x", x, ("T", 1, cell.input_size), dtype=cell.dtype)
    sizes = [array.shape[1] for array in cell.zero_state(1)]
    S, ends = sum(sizes), np.cumsum(sizes)[:-1]
    # One copy of the sequence a row of the Jacobian, with the unit vector of that row as the upstream gradient.
    copies = np.repeat(x, S, axis=1)
    if state is not None:
        state = tuple(np.repeat(array, S, axis=0) for array in state)
    unit = tuple(np.ascontiguousarray(part) for part in np.split(np.eye(S, dtype=cell.dtype), ends, axis=1))
    found = state_gradients(cell, copies, state, grad_state=unit)  # GRAD.3, GRAD.4
    return np.concatenate([found[name] for name in cell.state_names], axis=-1)


def singular_values(jacobians: np.ndarray) -> np.ndarray:
    """The singular values of each matrix, (…, S, S) -> (…, S), the largest first.

    The largest is the most by which any gradient can be stretched on its way back, the smallest the least.
    """
    checks.array("jacobians", jacobians)
    return np.linalg.svd(jacobians, compute_uv=False)


def _one_direction(cell) -> None:
    """Raise ValueError for a cell that reads in two directions, alone or in a stack."""
    if isinstance(cell, Bidirectional):
        raise ValueError("cell: expected one that reads forwards; in two directions a step has no one state before it")
    for part in getattr(cell, "parts", {}).values():
        _one_direction(part)


def _states(cell, x: np.ndarray, state: State | None) -> list[State]:
    """The state before every step."""
    _one_direction(cell)
    before = [cell.zero_state(x.shape[1]) if state is None else tuple(state)]
    for step in x[:-1]:
        before.append(cell.forward(step[None], before[-1])[1])
    return before


def _plus_output(cell, grad_state: State, grad_output: np.ndarray) -> State:
    """The gradient of a step's output added to that of the state it is part of: the output is the top h."""
    grads = list(grad_state)
    top = [k for k, name in enumerate(cell.state_names) if name.rpartition(".")[2] == "h"][-1]
    grads[top] = grads[top] + grad_output
    return tuple(grads)
