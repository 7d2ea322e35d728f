"""Gradients by lag: equal to the cell's own backward pass and to central differences, for every cell."""

from __future__ import annotations

import numpy as np
import pytest

from common import gradflow
from common.cells import GRU, LSTM, RNN, Bidirectional, Stacked
from common.gradcheck import numerical_gradient

CELLS = {
    "RNN": lambda rng: RNN(2, 4, rng=rng),
    "LSTM": lambda rng: LSTM(2, 4, rng=rng),
    "GRU": lambda rng: GRU(2, 4, rng=rng),
    "GRU before": lambda rng: GRU(2, 4, reset="before", rng=rng),
    "stacked": lambda rng: Stacked([LSTM(2, 3, rng=rng), LSTM(3, 4, rng=rng)]),
}


@pytest.fixture(params=CELLS, ids=str)
def case(request):
    rng = np.random.default_rng(0)
    cell = CELLS[request.param](rng)
    x = rng.normal(size=(6, 3, 2))
    state = tuple(rng.normal(size=s.shape) for s in cell.zero_state(3))
    return cell, x, state, rng


def test_the_last_lag_is_the_cell_s_own_gradient_of_the_initial_state(case):
    cell, x, state, rng = case
    grad_outputs = rng.normal(size=(6, 3, cell.output_size))
    grad_state = tuple(rng.normal(size=s.shape) for s in state)
    found = gradflow.state_gradients(cell, x, state, grad_outputs=grad_outputs, grad_state=grad_state)
    cell.forward(x, state)
    _, start = cell.backward(grad_outputs, grad_state)
    assert tuple(found) == cell.state_names
    for name, expected in zip(cell.state_names, start, strict=True):
        assert found[name].shape == (7, *expected.shape)
        np.testing.assert_allclose(found[name][-1], expected, rtol=0, atol=1e-12)


def test_a_lag_in_the_middle_is_the_derivative_by_that_state(case):
    """The state after step 4 of 6 is the initial state of the last two steps: lag 2."""
    cell, x, state, rng = case
    grad_outputs = rng.normal(size=(6, 3, cell.output_size))
    found = gradflow.state_gradients(cell, x, state, grad_outputs=grad_outputs)
    _, middle = cell.forward(x[:4], state)

    def loss():
        outputs, _ = cell.forward(x[4:], middle)
        return float((outputs * grad_outputs[4:]).sum())

    top = [k for k, name in enumerate(cell.state_names) if name.endswith("h")][-1]
    for k, name in enumerate(cell.state_names):
        expected = numerical_gradient(loss, middle[k])
        expected = expected + grad_outputs[3] if k == top else expected  # the output at step 4 is that h
        np.testing.assert_allclose(found[name][2], expected, rtol=0, atol=1e-8)


def test_jacobians_are_derivatives_of_the_final_state(case):
    cell, x, state, _ = case
    x, state = x[:, :1], tuple(s[:1] for s in state)
    found = gradflow.jacobians(cell, x, state)
    S = sum(s.shape[1] for s in state)
    assert found.shape == (7, S, S)
    np.testing.assert_array_equal(found[0], np.eye(S))
    start = [s.copy() for s in state]
    row = 0
    for k, part in enumerate(start):
        for unit in range(part.shape[1]):
            columns = [numerical_gradient(lambda k=k, u=unit: float(cell.forward(x, tuple(start))[1][k][0, u]), s)[0]
                       for s in start]  # fmt: skip
            np.testing.assert_allclose(found[-1][row], np.concatenate(columns), rtol=0, atol=1e-8)
            row += 1


def test_a_linear_chain_has_known_norms():
    """With W_h = 0.5 · orthogonal and a state near zero, tanh is the identity: the norm halves at every step."""
    cell = RNN(1, 4, rng=0)
    cell.params["W_h"] *= 0.5
    norms = gradflow.norms_by_lag(cell, np.zeros((8, 3, 1)), grad_state=(np.eye(4)[:3],))
    np.testing.assert_allclose(norms, 0.5 ** np.arange(9), rtol=1e-12)
    values = gradflow.singular_values(gradflow.jacobians(cell, np.zeros((8, 1, 1))))
    np.testing.assert_allclose(values, np.repeat(0.5 ** np.arange(9)[:, None], 4, axis=1), rtol=1e-12)


def test_the_median_of_the_batch_is_taken():
    cell = RNN(1, 2, rng=0)
    upstream = np.array([[1.0, 0.0], [2.0, 0.0], [300.0, 0.0]])
    assert gradflow.norms_by_lag(cell, np.zeros((2, 3, 1)), grad_state=(upstream,))[0] == 2.0


def test_two_directions_are_refused():
    pair = Bidirectional(RNN(2, 3), RNN(2, 3))
    for cell in (pair, Stacked([pair, RNN(6, 3)])):
        with pytest.raises(ValueError, match="cell: expected one that reads forwards"):
            gradflow.norms_by_lag(cell, np.zeros((4, 1, 2)), grad_outputs=np.ones((4, 1, cell.output_size)))


def test_bad_input_is_refused():
    cell = RNN(2, 4, rng=0)
    with pytest.raises(ValueError, match="expected at least one"):
        gradflow.state_gradients(cell, np.zeros((3, 1, 2)))
    with pytest.raises(ValueError, match="x: expected shape"):
        gradflow.jacobians(cell, np.zeros((3, 2, 2)))
    with pytest.raises(ValueError, match="grad_outputs: expected shape"):
        gradflow.state_gradients(cell, np.zeros((3, 1, 2)), grad_outputs=np.zeros((3, 1, 5)))
