"""The solutions of the exercises on what helps, held against the optimiser and the data themselves.

That each check recognises its mistakes is proved for all exercises in tests/notebooks/test_exercises.py.
"""

from __future__ import annotations

import numpy as np
import pytest

from common.cells import RNN
from common.data import generators
from common.exercises import gradients_helps as exercises
from common.optim import Adam


@pytest.mark.parametrize(("length", "beta"), [(50.0, 0.9), (400.0, 0.99), (3.0, 0.9), (1.0, 0.99)])
def test_the_update_is_found_by_running_adam(length, beta):
    # β₁ = 0: without the running mean of the gradients, every step after the first shows 1 / √v̂ alone.
    p = {"p": np.zeros(1)}
    adam, moved, n = Adam(p, learning_rate=1.0, betas=(0.0, beta), epsilon=1e-15), 0.0, 0
    while moved < 0.5 or (n == 1 and length > 2):  # the first step is 1 long whatever its gradient
        before, n = p["p"].copy(), n + 1
        adam.step({"p": np.array([length if n == 1 else 1.0])})
        moved = abs(p["p"] - before).item()
    assert exercises.check_updates_until_half.solution(length, beta) == n


def test_two_units_add_in_the_cell_of_the_book():
    W_x, W_h, b, w = exercises.check_two_units.solution()
    cell = RNN(2, 2, activation="relu")
    for name, value in {"W_x": W_x, "W_h": W_h, "b": b}.items():
        cell.params[name][...] = value
    x, y = generators.adding(200, 100, 0)
    np.testing.assert_allclose(cell.forward(x)[1][0] @ w, y[:, 0], atol=1e-12)
