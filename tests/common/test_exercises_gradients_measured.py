"""The solutions of the exercises on measured gradients, held against definitions and brute force.

That each check recognises its mistakes is proved for all exercises in tests/notebooks/test_exercises.py.
"""

from __future__ import annotations

import numpy as np
import pytest

from common.exercises import gradients_measured as exercises
from common.optim import clip_by_norm


def gradients(seed):
    rng = np.random.default_rng(seed)
    return {"W_h": 2 * rng.normal(size=(4, 4)), "b": rng.normal(size=4), "W_x": rng.normal(size=(2, 4))}


@pytest.mark.parametrize("c", [0.5, 3.0, 100.0])
def test_clipping_is_that_of_the_optimisers(c):
    grads, theirs = gradients(0), gradients(0)
    clipped, _ = exercises.check_two_clippings.solution(grads, c)
    clip_by_norm(theirs, c)
    for name, g in theirs.items():
        np.testing.assert_allclose(clipped[name], g, rtol=1e-5)
        assert np.array_equal(grads[name], gradients(0)[name]), "the gradients handed in were changed"


def test_the_cosine_is_that_of_one_long_vector():
    grads, c = gradients(1), 0.7
    whole = np.concatenate([g.ravel() for g in grads.values()])
    clipped = np.clip(whole, -c, c)
    expected = whole @ clipped / (np.linalg.norm(whole) * np.linalg.norm(clipped))
    _, cosine = exercises.check_two_clippings.solution(grads, c)
    assert cosine == pytest.approx(expected, rel=1e-12)
    assert cosine < 0.99, "nothing was clipped, so the test shows nothing"
    assert exercises.check_two_clippings.solution(grads, 100.0)[1] == pytest.approx(1)


@pytest.mark.parametrize("length", [1.0, 1e4, 3e-7])
@pytest.mark.parametrize("factor", [0.02, 0.5, 0.77, 0.97])
def test_the_underflow_lag_is_found_by_walking(length, factor):
    # Every product in float64, which goes on far below the limit of float32.
    tiny, size, lag = float(np.finfo(np.float32).tiny), length, 0
    while size >= tiny:
        size, lag = size * factor, lag + 1
    assert exercises.check_underflow_lag.solution(length, factor) == lag


def test_the_new_matrix_has_the_values_and_keeps_the_directions():
    W = np.random.default_rng(2).normal(size=(5, 5))
    s = np.array([3.0, 1.5, 1.0, 0.2, 0.01])
    made = exercises.check_singular_values.solution(W, s)
    np.testing.assert_allclose(np.linalg.svd(made, compute_uv=False), s, rtol=1e-10)
    U, old, Vt = np.linalg.svd(W)
    np.testing.assert_allclose(U.T @ made @ Vt.T, np.diag(s), atol=1e-12)
    np.testing.assert_allclose(exercises.check_singular_values.solution(W, old), W, atol=1e-12)


@pytest.mark.parametrize(("T", "k", "delay"), [(30, 7, 3), (30, 3, 3), (31, 8, 7), (12, 20, 5), (9, 1, 0)])
def test_the_visible_share_is_that_of_pairs_in_one_chunk(T, k, delay):
    chunk = np.arange(T) // k
    same = [chunk[t] == chunk[t - delay] for t in range(delay, T)]
    assert exercises.check_visible_share.solution(T, k, delay) == pytest.approx(np.mean(same))


@pytest.mark.parametrize(
    "answer",
    [
        lambda T, k, delay: float(np.mean(np.arange(delay, T) % k >= delay)),
        lambda T, k, delay: sum(t // k == (t - delay) // k for t in range(delay, T)) / (T - delay),
    ],
    ids=["places", "chunks"],
)
def test_other_ways_to_the_same_share_pass(answer):
    assert exercises.check_visible_share.verdict(answer).passed
