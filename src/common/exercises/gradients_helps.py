"""Checks for the exercises of notebooks/03_gradients/3_what_helps.ipynb (its first is in gradients_measured)."""

from __future__ import annotations

import numpy as np

from common.data import generators
from common.exercises.core import Check, Mistake, case

# ---- Exercise 2: how long Adam remembers one long gradient -----------------------------------------------------------


def _updates_until_half(length, beta, *, limit=4.0, corrected=True, squared=True):
    v, n = 0.0, 0
    while True:
        n += 1
        g = length if n == 1 else 1.0
        v = beta * v + (1 - beta) * (g**2 if squared else g)
        if v / (1 - beta**n if corrected else 1) <= limit:
            return n


def _spike_cases(_):
    return [
        case(100.0, 0.9, label="length 100, β₂ = 0.9"),
        case(3000.0, 0.999, label="length 3000, β₂ = 0.999"),
        case(10.0, 0.99, label="length 10, β₂ = 0.99"),
        case(1.0, 0.999, label="length 1, β₂ = 0.999"),
    ]


check_updates_until_half = Check(
    "check_updates_until_half",
    solution=_updates_until_half,
    cases=_spike_cases,
    mistakes=[
        Mistake(
            "no correction",
            lambda length, beta: _updates_until_half(length, beta, corrected=False),
            "The correction of the start is missing: Adam divides v by 1 − β₂ⁿ before it takes the root.",
        ),
        Mistake(
            "not squared",
            lambda length, beta: _updates_until_half(length, beta, squared=False),
            "v is the running mean of the *squares* of the gradients.",
        ),
        Mistake(
            "root forgotten",
            lambda length, beta: _updates_until_half(length, beta, limit=2.0),
            "The step is divided by the *root* of the mean square. It is half as long when the mean square is 4.",
        ),
        Mistake(
            "one too many",
            lambda length, beta: _updates_until_half(length, beta) + 1,
            "That is one update too late. The first update, with the long gradient, has the number 1.",
        ),
        Mistake(
            "one too few",
            lambda length, beta: _updates_until_half(length, beta) - 1,
            "That is one update too early: the step is still shorter than half. The first has the number 1.",
        ),
    ],
    returns="the number of the update",
)

# ---- Exercise 3: two units that add without an error -----------------------------------------------------------------


def _two_units():
    # Unit 0 holds this step's number if it is marked: relu(x + m - 1). Unit 1 adds up what unit 0 held before.
    return np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([[0.0, 1.0], [0.0, 1.0]]), np.array([-1.0, 0.0]), np.ones(2)


def _run(weights, x):
    """The answers (B,) of a network with ReLU to x (T, B, 2)."""
    if weights is ...:
        return ...
    W_x, W_h, b, w = (part if part is ... else np.asarray(part, float) for part in weights)
    if any(part is ... for part in (W_x, W_h, b, w)):
        return ...
    h = np.zeros((x.shape[1], 2))
    for x_t in x:
        h = np.maximum(x_t @ W_x + h @ W_h + b, 0)
    return h @ w


def _changed(**new):
    def answer():
        parts = dict(zip(("W_x", "W_h", "b", "w"), _two_units(), strict=True))
        return tuple({**parts, **{name: np.array(value) for name, value in new.items()}}.values())

    return answer


def _adding_cases(rng):
    last, second_last = (generators.adding(6, 4, rng)[0] for _ in range(2))
    for x, marked in ((last, (2, 5)), (second_last, (1, 4))):
        x[..., 1] = 0
        x[marked, :, 1] = 1
    return [
        case(generators.adding(10, 7, rng)[0], label="ten steps"),
        case(generators.adding(50, 3, rng)[0], label="fifty steps"),
        case(last, label="a marker at the last step"),
        case(second_last, label="a marker at the last step but one"),
    ]


check_two_units = Check(
    "check_two_units",
    solution=_two_units,
    cases=_adding_cases,
    call=lambda answer, x: _run(answer(), x),
    mistakes=[
        Mistake(
            "no threshold",
            _changed(b=[0.0, 0.0]),
            "It adds the numbers without a marker too. A number passes only if something is taken away that the "
            "marker alone makes up for.",
        ),
        Mistake(
            "last step missed",
            _changed(w=[0.0, 1.0]),
            "A marker at the last step is missed: the sum hears of a number one step late. The answer may read both "
            "units.",
        ),
        Mistake(
            "nothing is kept",
            _changed(W_h=[[0.0, 1.0], [0.0, 0.0]]),
            "The sum is forgotten after a step. It has to reach itself with the weight 1.",
        ),
        Mistake(
            "transposed",
            _changed(W_h=[[0.0, 0.0], [1.0, 1.0]]),
            "W_h is transposed: its rows are the old units, its columns the new ones, as in h @ W_h.",
        ),
        Mistake(
            "marker not read",
            _changed(W_x=[[1.0, 0.0], [0.0, 0.0]]),
            "The marker, column 1 of x, has no weight. So no number can get over the threshold.",
        ),
    ],
    returns="the answers",
)
