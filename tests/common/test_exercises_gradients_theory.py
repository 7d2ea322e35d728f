"""The solutions of the exercises on vanishing gradients, held against differences and brute force.

That each check recognises its mistakes is proved for all exercises in tests/notebooks/test_exercises.py.
"""

from __future__ import annotations

import numpy as np
import pytest

from common.exercises import gradients_theory as exercises


def forward(x, h_0, weights, b):
    """States (T + 1, H) of a plain network in which every step t has a recurrent matrix of its own, weights[t]."""
    hs = [h_0]
    for x_t, W in zip(x, weights, strict=True):
        hs.append(np.tanh(x_t + hs[-1] @ W + b))
    return np.stack(hs)


def test_leaky_jacobian_is_the_derivative_of_the_step():
    rng = np.random.default_rng(0)
    x, h, W, b, alpha, step = rng.normal(size=4), rng.normal(size=4), rng.normal(size=(4, 4)), 0.1, 0.3, 1e-6

    def leaky(h):
        return (1 - alpha) * h + alpha * np.tanh(x + h @ W + b)

    measured = np.stack([(leaky(h + d) - leaky(h - d)) / (2 * step) for d in step * np.eye(4)], axis=1)
    solution = exercises.check_leaky_jacobian.solution(np.tanh(x + h @ W + b), W, alpha)
    np.testing.assert_allclose(solution, measured, atol=1e-9)


def test_lag_shares_are_the_derivatives_by_the_matrix_of_each_step():
    rng = np.random.default_rng(1)
    T, H, step = 5, 3, 1e-6
    x, h_0, b, dh = rng.normal(size=(T, H)), rng.normal(size=H), rng.normal(size=H), rng.normal(size=H)
    W = rng.normal(size=(H, H))
    lengths = []
    for t in reversed(range(T)):
        term = np.zeros((H, H))
        for index in np.ndindex(H, H):
            losses = []
            for sign in (1, -1):
                weights = np.stack([W] * T)
                weights[t][index] += sign * step
                losses.append(forward(x, h_0, weights, b)[-1] @ dh)
            term[index] = (losses[0] - losses[1]) / (2 * step)
        lengths.append(np.linalg.norm(term))
    shares = exercises.check_lag_shares.solution(forward(x, h_0, [W] * T, b), dh, W)
    np.testing.assert_allclose(shares, np.array(lengths) / np.sum(lengths), rtol=1e-6)
    assert shares.sum() == pytest.approx(1)


def test_no_gradient_is_longer_than_the_longest():
    rng = np.random.default_rng(2)
    W = np.array([[0.9, 3.0], [0.0, 0.8]])
    dh, length = exercises.check_longest_gradient.solution(W, 4)
    back = np.linalg.matrix_power(W.T, 4)
    assert np.linalg.norm(dh) == pytest.approx(1)
    assert np.linalg.norm(dh @ back) == pytest.approx(length)
    others = rng.normal(size=(1000, 2))
    others /= np.linalg.norm(others, axis=1, keepdims=True)
    assert np.linalg.norm(others @ back, axis=1).max() <= length + 1e-12
    assert length > 0.9**4, "this matrix was chosen to grow first"


def test_either_sign_of_the_longest_gradient_is_right():
    check = exercises.check_longest_gradient

    def turned(W, n):
        dh, length = check.solution(W, n)
        return -dh, length

    assert check.verdict(turned).passed
    assert check.verdict(lambda W, n: list(turned(W, n))).passed
    assert "2 values (dh, length)" in check.verdict(lambda W, n: check.solution(W, n)[0]).message


@pytest.mark.parametrize("seed", range(5))
def test_where_the_gradient_must_vanish_no_step_makes_it_longer(seed):
    rng = np.random.default_rng(seed)
    must_vanish = exercises.check_must_vanish.solution
    W = rng.normal(size=(5, 5))
    W *= 0.99 / np.linalg.norm(W, 2)
    assert must_vanish(W, 1.0)
    assert must_vanish(3.9 * W, 0.25)
    assert not must_vanish(1.02 * W, 1.0)
    dh, slopes = rng.normal(size=(1000, 5)), rng.uniform(0, 1, size=5)
    assert np.all(np.linalg.norm((dh * slopes) @ W.T, axis=1) < np.linalg.norm(dh, axis=1))


@pytest.mark.parametrize(
    "answer",
    [
        lambda W, gamma: np.linalg.svd(W, compute_uv=False)[0] < 1 / gamma,
        lambda W, gamma: gamma**2 * np.linalg.eigvalsh(W @ W.T).max() < 1,
    ],
    ids=["singular values", "eigenvalues of W Wᵀ"],
)
def test_other_ways_to_the_same_answer_pass(answer):
    assert exercises.check_must_vanish.verdict(answer).passed
