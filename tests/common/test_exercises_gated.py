"""The solutions of the derivation exercises on gated cells are derivatives: compare them with central differences."""

from __future__ import annotations

import numpy as np
import pytest

from common import gradcheck
from common.exercises.gru_derivation import check_flip_update, check_leak, check_minimal_backward
from common.exercises.lstm_derivation import (
    check_bias_to_hold,
    check_coupled_delta,
    check_peephole_backward,
    check_peephole_forward,
)

B, H = 3, 4


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def close(mine: dict[str, np.ndarray], values: dict[str, np.ndarray], loss) -> None:
    report = gradcheck.check_gradients(loss, values, mine)
    assert report.passed, f"\n{report}"


def test_peephole_backward_is_the_derivative_of_peephole_forward(rng):
    a, c_before = rng.normal(size=(B, 4 * H)), rng.normal(size=(B, H))
    p_i, p_f, p_o = rng.normal(size=(3, H))
    dh, carry = rng.normal(size=(2, B, H))
    forward = check_peephole_forward.solution

    def loss():
        h, c = forward(a, c_before, p_i, p_f, p_o)
        return float((dh * h).sum() + (carry * c).sum())

    _, c = forward(a, c_before, p_i, p_f, p_o)
    a_i, a_f, a_g, a_o = np.split(a, 4, axis=1)
    i, f, g, o = sigmoid(a_i + p_i * c_before), sigmoid(a_f + p_f * c_before), np.tanh(a_g), sigmoid(a_o + p_o * c)
    delta, dc_before, dp = check_peephole_backward.solution(dh, carry, c_before, c, i, f, g, o, p_i, p_f, p_o)
    values = {"a": a, "c_before": c_before, "p_i": p_i, "p_f": p_f, "p_o": p_o}
    close({"a": delta, "c_before": dc_before, "p_i": dp[0], "p_f": dp[1], "p_o": dp[2]}, values, loss)


def test_coupled_delta_is_the_derivative_of_the_coupled_state(rng):
    a_i, c_before, dc = rng.normal(size=(3, B, H))
    g = np.tanh(rng.normal(size=(B, H)))

    def loss():
        i = sigmoid(a_i)
        return float((dc * ((1 - i) * c_before + i * g)).sum())

    close({"a_i": check_coupled_delta.solution(dc, c_before, g, sigmoid(a_i))}, {"a_i": a_i}, loss)


def test_the_bias_holds_what_it_promises():
    for part, steps in [(0.5, 10), (0.9, 100), (0.1, 1)]:
        assert sigmoid(check_bias_to_hold.solution(part, steps)) ** steps == pytest.approx(part)


def test_the_leak_has_the_mean_lag_that_was_asked_for():
    for tau in (0.5, 1.0, 9.0):
        z, lags = check_leak.solution(tau), np.arange(2000)
        assert np.sum(lags * (1 - z) * z**lags) == pytest.approx(tau)


def test_flipped_weights_give_one_minus_z(rng):
    x, h = rng.normal(size=(B, 2)), rng.normal(size=(B, H))
    W_x, W_h, b = rng.normal(size=(2, 3 * H)), rng.normal(size=(H, 3 * H)), rng.normal(size=3 * H)
    before = x @ W_x + h @ W_h + b
    W_x, W_h, b = check_flip_update.solution(W_x, W_h, b)
    after = x @ W_x + h @ W_h + b
    z = slice(H, 2 * H)
    np.testing.assert_allclose(sigmoid(after[:, z]), 1 - sigmoid(before[:, z]), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(np.delete(after, z, axis=1), np.delete(before, z, axis=1))


def test_minimal_backward_is_the_derivative_of_one_step(rng):
    x_f, x_n, h_before, dh = rng.normal(size=(4, B, H))  # x_f, x_n: what the input and the biases contribute
    U_f, U_n = rng.normal(size=(2, H, H))

    def inside():
        f = sigmoid(x_f + h_before @ U_f)
        return f, np.tanh(x_n + (f * h_before) @ U_n)

    def loss():
        f, n = inside()
        return float((dh * ((1 - f) * h_before + f * n)).sum())

    delta_f, delta_n, dh_before = check_minimal_backward.solution(dh, h_before, *inside(), U_f, U_n)
    mine = {"x_f": delta_f, "x_n": delta_n, "h_before": dh_before}
    close(mine, {"x_f": x_f, "x_n": x_n, "h_before": h_before}, loss)
