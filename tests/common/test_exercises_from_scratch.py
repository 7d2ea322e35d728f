"""The solutions of the exercises on gated cells from scratch, held against `common.cells` and against differences.

That each check recognises its mistakes is proved for all exercises in tests/notebooks/test_exercises.py.
"""

from __future__ import annotations

import numpy as np
import pytest

from common.cells import GRU, LSTM
from common.exercises import gru_from_scratch as gru
from common.exercises import lstm_from_scratch as lstm

STEP = 1e-6


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def slope(loss, array):
    """Central differences of loss() by every entry of `array`."""
    found = np.empty_like(array)
    for index in np.ndindex(array.shape):
        value = array[index]
        array[index] = value + STEP
        above = loss()
        array[index] = value - STEP
        below = loss()
        array[index] = value
        found[index] = (above - below) / (2 * STEP)
    return found


def random_cell(kind, D, H, rng, **options):
    cell = kind(D, H, **options)
    for value in cell.params.values():
        value[...] = 0.6 * rng.normal(size=value.shape)
    return cell


def caches_of(module, cell, x, state, mask=None):
    params = dict(cell.params)
    if isinstance(cell, GRU):
        params.setdefault("c_n", None)
    return module._forward(x, *state, **params, mask=mask)


def case(kind, rng, T=5, B=4, D=2, H=3, **options):
    cell = random_cell(kind, D, H, rng, **options)
    x, e = rng.normal(size=(T, B, D)), rng.normal(size=(T, B, H))
    return cell, x, tuple(rng.normal(size=(B, H)) for _ in cell.state_names), e


def by_cell(cell, x, state, e, mask=None):
    """What `common.cells` says, under the names of the exercises."""
    cell.forward(x, state, mask)
    grad_x, grad_state = cell.backward(e)
    return {"x": grad_x, **{f"{n}_0": g for n, g in zip(cell.state_names, grad_state, strict=True)}, **cell.grads}


def assert_same(ours, wanted):
    assert ours.keys() == wanted.keys()
    for name, value in wanted.items():
        np.testing.assert_allclose(ours[name], value, rtol=0, atol=1e-12, err_msg=name)


WHOLE = [(LSTM, lstm, "check_repaired_lstm_backward"), (GRU, gru, "check_repaired_gru_backward")]
MASKED = [(LSTM, lstm, "check_masked_lstm_backward"), (GRU, gru, "check_masked_gru_backward")]


@pytest.mark.parametrize(("kind", "module", "name"), WHOLE, ids=["LSTM", "GRU"])
def test_repaired_backward_is_that_of_the_cell(kind, module, name):
    cell, x, state, e = case(kind, np.random.default_rng(0))
    caches = caches_of(module, cell, x, state)
    ours = getattr(module, name).solution(e, caches, cell.params["W_x"], cell.params["W_h"])
    assert_same(ours, by_cell(cell, x, state, e))


@pytest.mark.parametrize(("kind", "module", "name"), MASKED, ids=["LSTM", "GRU"])
def test_masked_backward_is_that_of_the_cell(kind, module, name):
    rng = np.random.default_rng(1)
    cell, x, state, e = case(kind, rng)
    mask = rng.random((5, 4)) < 0.6
    assert mask.any()
    assert not mask.all()
    caches = caches_of(module, cell, x, state, mask)
    ours = getattr(module, name).solution(e, mask, caches, cell.params["W_x"], cell.params["W_h"])
    assert_same(ours, by_cell(cell, x, state, e, mask))


def test_linear_exit_is_the_derivative_of_such_a_step():
    rng = np.random.default_rng(2)
    a, c_before, dh, dc = rng.normal(size=(3, 8)), *rng.normal(size=(3, 3, 2))

    def parts():
        i, f, g, o = np.split(a, 4, axis=1)
        return sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)

    def loss():
        i, f, g, o = parts()
        c = f * c_before + i * g
        return np.sum(dh * o * c) + np.sum(dc * c)

    i, f, g, o = parts()
    delta, carry = lstm.check_linear_exit_backward.solution(dh, dc, i, f, g, o, f * c_before + i * g, c_before)
    np.testing.assert_allclose(delta, slope(loss, a), atol=1e-8)
    np.testing.assert_allclose(carry, slope(loss, c_before), atol=1e-8)


def test_other_z_is_the_derivative_of_such_a_mixture():
    rng = np.random.default_rng(3)
    a_z, a_n, h, dh = rng.normal(size=(4, 3, 2))

    def loss():
        z = sigmoid(a_z)
        return np.sum(dh * ((1 - z) * h + z * np.tanh(a_n)))

    delta_n, delta_z, direct = gru.check_other_z_backward.solution(dh, h, sigmoid(a_z), np.tanh(a_n))
    for ours, array in ((delta_n, a_n), (delta_z, a_z), (direct, h)):
        np.testing.assert_allclose(ours, slope(loss, array), atol=1e-8)


def test_the_gradient_of_1997_is_the_derivative_with_the_hidden_state_held_fixed():
    cell, x, (h_0, c_0), e = case(LSTM, np.random.default_rng(4))
    caches = caches_of(lstm, cell, x, (h_0, c_0))
    held = [cache[1].copy() for cache in caches]  # h_{t-1} of every step, constants from here on

    def loss():
        c, total = c_0, 0.0
        for t in range(len(x)):
            h, (c,) = one_step(cell.params, x[t], held[t], c)
            total += np.sum(e[t] * h)
        return total

    def one_step(p, x_t, h, c):
        i, f, g, o = np.split(x_t @ p["W_x"] + h @ p["W_h"] + p["b"], 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), (c,)

    ours = lstm.check_gradient_of_1997.solution(e, caches, cell.params["W_x"], cell.params["W_h"])
    for name, array in {"x": x, "c_0": c_0, **cell.params}.items():
        np.testing.assert_allclose(ours[name], slope(loss, array), atol=1e-7, err_msg=name)
    assert not ours["h_0"].any()


def test_the_direct_gradient_is_the_derivative_with_what_gates_and_candidate_read_held_fixed():
    cell, x, (h_0,), e = case(GRU, np.random.default_rng(5), reset="before")
    caches = caches_of(gru, cell, x, (h_0,))
    held = [cache[1].copy() for cache in caches]

    def loss():
        h, total, p = h_0, 0.0, cell.params
        for t in range(len(x)):
            (U_r, U_z, U_n), (a_r, a_z, a_n) = np.split(p["W_h"], 3, 1), np.split(x[t] @ p["W_x"] + p["b"], 3, 1)
            r, z = sigmoid(a_r + held[t] @ U_r), sigmoid(a_z + held[t] @ U_z)
            n = np.tanh(a_n + (r * held[t]) @ U_n)
            h = (1 - z) * n + z * h
            total += np.sum(e[t] * h)
        return total

    ours = gru.check_direct_gradient.solution(e, caches, cell.params["W_x"], cell.params["W_h"])
    for name, array in {"x": x, "h_0": h_0, **cell.params}.items():
        np.testing.assert_allclose(ours[name], slope(loss, array), atol=1e-7, err_msg=name)


def test_the_counter_by_hand_counts_in_the_book_s_cell():
    cell = LSTM(3, 1)
    cell.params.update(zip(("W_x", "W_h", "b"), lstm.check_counter_by_hand.solution(), strict=True))
    symbols = ["ab$".index(s) for s in "$aaababbbb$a"]
    cell.forward(np.eye(3)[symbols][:, None])
    c = cell.gates()["c"][:, 0, 0]
    np.testing.assert_allclose(c / c[1], [0, 1, 2, 3, 2, 3, 2, 1, 0, -1, -1, 0], atol=1e-6)


def test_the_memory_by_hand_remembers_in_the_book_s_cell():
    cell = GRU(2, 1)
    cell.params.update(zip(("W_x", "W_h", "b", "c_n"), gru.check_memory_by_hand.solution(), strict=True))
    x = np.zeros((6, 1, 2))
    x[:, 0, 0], x[[1, 4], 0, 1] = [0.3, -0.7, 0.9, 0.1, 0.5, -0.2], 1
    hs, _ = cell.forward(x)
    np.testing.assert_allclose(hs[:, 0, 0], [0, *[np.tanh(-0.7)] * 3, *[np.tanh(0.5)] * 2], atol=1e-6)
