"""Checks for the exercises of notebooks/02_rnn/3_training.ipynb: clipping, when to stop, a truncated backward pass."""

from __future__ import annotations

import numpy as np

from common.exercises.core import Case, Check, Mistake, case

# It is made of the same backward pass by hand as the checks of the page before.
from common.exercises.rnn_from_scratch import check_truncated_backward

__all__ = ["check_choose_steps", "check_clip", "check_truncated_backward"]

Arrays = dict[str, np.ndarray]


# ---- Exercise 1: clip ------------------------------------------------------------------------------------------------


def _norm(grads: Arrays) -> float:
    return float(np.sqrt(sum(np.sum(d**2) for d in grads.values())))


def _clip(grads: Arrays, c: float) -> Arrays:
    norm = _norm(grads)
    factor = min(1.0, c / norm) if norm > 0 else 1.0
    return {name: factor * d for name, d in grads.items()}


def _one_by_one(grads: Arrays, c: float) -> Arrays:
    return {name: _clip({name: d}, c)[name] for name, d in grads.items()}


def _clip_cases(rng: np.random.Generator) -> list[Case]:
    def grads(scale: float) -> Arrays:
        return {"W_x": scale * rng.normal(size=(2, 4)), "W_h": scale * rng.normal(size=(4, 4)), "b": np.ones(4)}

    return [
        case(grads(3.0), 1.0, label="a long gradient"),
        case({"W": np.array([[3.0, -4.0]])}, 2.5, label="a norm of 5"),
        case(grads(0.01), 10.0, label="a gradient that is short enough"),
    ]


check_clip = Check(
    "check_clip",
    solution=_clip,
    cases=_clip_cases,
    mistakes=[
        Mistake(
            "each array by itself",
            _one_by_one,
            "Each array is clipped by its own norm. That turns the step: take one norm over all arrays and one factor.",
        ),
        Mistake(
            "each entry by itself",
            lambda grads, c: {name: np.clip(d, -c, c) for name, d in grads.items()},
            "That cuts every entry by itself and turns the step. CLIP.1 multiplies all entries by one factor.",
        ),
        Mistake(
            "always to length c",
            lambda grads, c: {name: d * c / _norm(grads) for name, d in grads.items()},
            "A short gradient is made longer. The factor is never more than 1.",
        ),
        Mistake(
            "no root",
            lambda grads, c: {name: d * min(1.0, c / _norm(grads) ** 2) for name, d in grads.items()},
            "The norm is the root of the sum of squares; the root is missing.",
        ),
        Mistake(
            "sum of norms",
            lambda grads, c: {
                name: d * min(1.0, c / sum(np.linalg.norm(g) for g in grads.values())) for name, d in grads.items()
            },
            "The norms of the arrays are added up. Add the squares of all entries, then take one root.",
        ),
        Mistake(
            "mean of squares",
            lambda grads, c: {
                name: d * min(1.0, c / np.sqrt(np.mean(np.concatenate([g.ravel() for g in grads.values()]) ** 2)))
                for name, d in grads.items()
            },
            "The norm is the root of the sum of the squares, not of their mean.",
        ),
    ],
    returns="the gradients",
)


# ---- Exercise 2: when to stop ----------------------------------------------------------------------------------------


def _steps_cases(rng: np.random.Generator) -> list[Case]:
    evaluated = np.arange(50, 350, 50)
    # One seed with a very low error late on, so that the mean and the minimum choose another step than the median.
    errors = np.array(
        [
            [5.0, 3.0, 2.5, 2.8, 3.5, 9.9],
            [5.5, 3.2, 2.6, 2.9, 3.6, 9.5],
            [5.2, 3.1, 2.7, 2.7, 3.4, 0.1],
            [5.1, 0.2, 6.9, 0.3, 3.3, 9.7],
            [5.3, 3.3, 2.4, 3.0, 3.7, 9.8],
        ]
    )
    tied = np.array([[3.0, 1.0, 1.0, 2.0], [2.0, 1.0, 1.0, 1.5], [4.0, 1.0, 1.0, 1.0]])
    return [
        case(errors, evaluated, label="five seeds"),
        case(tied, np.array([100, 200, 300, 400]), label="two steps are equally good"),
        case(np.array([[2.0, 1.5, 1.0]]), np.array([10, 20, 30]), label="one seed, still falling"),
    ]


def _choose(errors, evaluated):
    return int(evaluated[np.argmin(np.median(errors, axis=0))])


check_choose_steps = Check(
    "check_choose_steps",
    solution=_choose,
    cases=_steps_cases,
    mistakes=[
        Mistake(
            "place, not steps",
            lambda errors, evaluated: int(np.argmin(np.median(errors, axis=0))),
            "That is the place in the list of evaluations. The number of steps at that place is asked for.",
        ),
        Mistake(
            "mean",
            lambda errors, evaluated: int(evaluated[np.argmin(np.mean(errors, axis=0))]),
            "That is the mean over the seeds. One seed that goes astray moves it; take the median.",
        ),
        Mistake(
            "best single seed",
            lambda errors, evaluated: int(evaluated[np.argmin(np.min(errors, axis=0))]),
            "That follows the luckiest seed. Take the median over the seeds at each evaluation.",
        ),
        Mistake(
            "last of several",
            lambda errors, evaluated: int(evaluated[len(evaluated) - 1 - np.argmin(np.median(errors, axis=0)[::-1])]),
            "Of several equally good steps you take the last. The shorter training is as good: take the first.",
        ),
        Mistake(
            "the end",
            lambda errors, evaluated: int(evaluated[-1]),
            "That is the last evaluation. The error rises again before it: take the lowest median.",
        ),
    ],
    returns="the number of steps",
)
