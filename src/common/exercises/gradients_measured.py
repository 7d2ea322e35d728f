"""Checks for the exercises of notebooks/03_gradients/2_measured.ipynb, and for the first of 3_what_helps.ipynb."""

from __future__ import annotations

import math

import numpy as np

from common.exercises.core import Check, Mistake, case

# ---- Exercise 1: clipping by norm and entry by entry -----------------------------------------------------------------


def _norm(grads):
    return np.sqrt(sum(np.sum(g**2) for g in grads.values()))


def _scaled(grads, factor):
    return {name: factor * g for name, g in grads.items()}


def _by_norm(grads, c):
    return _scaled(grads, min(1.0, c / _norm(grads)))


def _entrywise(grads, c):
    return {name: np.clip(g, -c, c) for name, g in grads.items()}


def _cosine(a, b):
    return sum(np.sum(a[name] * b[name]) for name in a) / (_norm(a) * _norm(b))


def _two_clippings(grads, c):
    return _by_norm(grads, c), _cosine(grads, _entrywise(grads, c))


def _each_by_itself(grads, c):
    clipped = {name: g * min(1.0, c / np.linalg.norm(g)) for name, g in grads.items()}
    return clipped, _cosine(grads, _entrywise(grads, c))


def _always_c(grads, c):
    return _scaled(grads, c / _norm(grads)), _cosine(grads, _entrywise(grads, c))


def _sum_of_norms(grads, c):
    total = sum(np.linalg.norm(g) for g in grads.values())
    return _scaled(grads, min(1.0, c / total)), _cosine(grads, _entrywise(grads, c))


def _squared_norm(grads, c):
    return _scaled(grads, min(1.0, c / _norm(grads) ** 2)), _cosine(grads, _entrywise(grads, c))


def _mean_cosine(grads, c):
    cosines = [_cosine({"": g}, {"": np.clip(g, -c, c)}) for g in grads.values()]
    return _by_norm(grads, c), np.mean(cosines)


def _cosine_of_the_norm_clipped(grads, c):
    return _by_norm(grads, c), _cosine(grads, _by_norm(grads, c))


def _not_divided(grads, c):
    clipped = _entrywise(grads, c)
    return _by_norm(grads, c), sum(np.sum(grads[name] * clipped[name]) for name in grads)


def _clipping_cases(rng):
    return [
        case(
            {"W_x": rng.normal(size=(2, 3)), "W_h": 3 * rng.normal(size=(3, 3)), "b": rng.normal(size=3)},
            1.0,
            label="a long gradient",
        ),
        case({"W": 0.1 * rng.normal(size=(2, 2)), "b": 0.1 * rng.normal(size=2)}, 2.0, label="a short gradient"),
        case({"w": np.array([3.0, 0.1]), "b": np.array([-8.0])}, 0.5, label="one large entry"),
    ]


check_two_clippings = Check(
    "check_two_clippings",
    solution=_two_clippings,
    cases=_clipping_cases,
    mistakes=[
        Mistake(
            "each array by itself",
            _each_by_itself,
            "Each array was clipped by its own norm. That turns the step as a whole: CLIP.1 has one norm over all "
            "arrays and one factor for all.",
        ),
        Mistake(
            "always",
            _always_c,
            "Short gradients were made longer. Clipping leaves a gradient alone that is not longer than c.",
        ),
        Mistake(
            "sum of norms",
            _sum_of_norms,
            "The joint norm is not the sum of the norms: add the squares, then take one root.",
        ),
        Mistake("squared norm", _squared_norm, "The root is missing: the norm is the root of the sum of squares."),
        Mistake(
            "entry by entry",
            lambda grads, c: (_entrywise(grads, c), _cosine(grads, _entrywise(grads, c))),
            "The dictionary holds the gradients clipped entry by entry. It should hold those clipped by norm; the "
            "other way of clipping is for the cosine only.",
        ),
        Mistake(
            "mean of cosines",
            _mean_cosine,
            "That is the mean of one cosine an array. There is one gradient, spread over several arrays: one dot "
            "product and two norms over all of them.",
        ),
        Mistake(
            "cosine of the other clipping",
            _cosine_of_the_norm_clipped,
            "That is the cosine with the gradient clipped by norm. It is always 1; asked for is the other way.",
        ),
        Mistake("not divided", _not_divided, "That is the dot product. A cosine is divided by both norms."),
    ],
    returns=("clipped", "cosine"),
)

# ---- Exercise 2: when a float32 has no normal number left ------------------------------------------------------------

TINY = float(np.finfo(np.float32).tiny)  # the smallest normal number, 2**-126


def _first_lag(length, factor, limit=TINY):
    return math.floor(math.log(limit / length) / math.log(factor)) + 1


def _lag_cases(_):
    return [
        case(1.0, 0.5, label="length 1, factor 0.5"),
        case(1.0, 0.9, label="length 1, factor 0.9"),
        case(1e3, 0.05, label="length 1000, factor 0.05"),
        case(1e-5, 0.99, label="length 1e-5, factor 0.99"),
    ]


check_underflow_lag = Check(
    "check_underflow_lag",
    solution=_first_lag,
    cases=_lag_cases,
    mistakes=[
        Mistake(
            "machine epsilon",
            lambda length, factor: _first_lag(length, factor, float(np.finfo(np.float32).eps)),
            "That is where the gradient falls below `eps`, the spacing of the numbers near 1. Small numbers have a "
            "small spacing of their own; the limit asked for is `np.finfo(np.float32).tiny`.",
        ),
        Mistake(
            "smallest subnormal",
            lambda length, factor: _first_lag(length, factor, float(np.finfo(np.float32).smallest_subnormal)),
            "That is where the gradient becomes zero. Before that come the subnormal numbers, with fewer and fewer "
            "digits; asked for is the first lag below the smallest normal number.",
        ),
        Mistake(
            "float64",
            lambda length, factor: _first_lag(length, factor, float(np.finfo(np.float64).tiny)),
            "That is the limit of float64. float32 has 8 bits of exponent and ends much earlier.",
        ),
        Mistake(
            "one too early",
            lambda length, factor: _first_lag(length, factor) - 1,
            "At that lag the gradient is not below the limit yet: round up.",
        ),
        Mistake(
            "one too late",
            lambda length, factor: _first_lag(length, factor) + 1,
            "That is one lag too late: at the lag before, the gradient is below the limit already.",
        ),
        Mistake(
            "starts at 1",
            lambda length, factor: _first_lag(1.0, factor),
            "The length at lag 0 does not enter. The gradient is length · factor^n.",
        ),
        Mistake(
            "not a whole number",
            lambda length, factor: math.log(TINY / length) / math.log(factor),
            "A lag is a whole number: the first one at which the gradient is below the limit.",
        ),
        Mistake(
            "negative",
            lambda length, factor: -_first_lag(length, factor),
            "The lag should be positive: both logarithms are negative, and their quotient is not.",
        ),
    ],
    returns="the lag",
)

# ---- Exercise 3: a matrix with given singular values -----------------------------------------------------------------


def _with_singular_values(W, s):
    U, _, Vt = np.linalg.svd(W)
    return (U * s) @ Vt


def _not_transposed(W, s):
    U, _, Vt = np.linalg.svd(W)
    return (U * s) @ Vt.T


def _on_the_rows(W, s):
    U, _, Vt = np.linalg.svd(W)
    return (s[:, None] * U) @ Vt


def _added_to_the_old(W, s):
    U, old, Vt = np.linalg.svd(W)
    return (U * (old * s)) @ Vt


def _symmetric(W, s):
    U, _, _ = np.linalg.svd(W)
    return (U * s) @ U.T


def _eigenvalues(W, s):
    _, V = np.linalg.eig(W)
    return (V * s) @ np.linalg.inv(V)


def _only_the_largest(W, s):
    return W * (s[0] / np.linalg.norm(W, 2))


def _spectrum_cases(rng):
    return [
        case(rng.normal(size=(H, H)), s, label=label, H=H)
        for H, s, label in [
            (3, np.array([2.0, 1.0, 0.5]), "three values"),
            (4, np.ones(4), "all values 1"),
            (5, np.array([1.5, 1.2, 1.0, 0.3, 0.0]), "one value 0"),
        ]
    ]


check_singular_values = Check(
    "check_singular_values",
    solution=_with_singular_values,
    cases=_spectrum_cases,
    mistakes=[
        Mistake(
            "eigenvalues",
            _eigenvalues,
            "That matrix has the given numbers as eigenvalues. Its singular values are others.",
        ),
        Mistake(
            "V not transposed",
            _not_transposed,
            "`np.linalg.svd` returns V already transposed. The singular values are right, the directions are not "
            "those of W.",
        ),
        Mistake(
            "rows of U",
            _on_the_rows,
            "The values multiply the rows of U. Each belongs to one column of U and to one row of Vᵀ.",
        ),
        Mistake(
            "old ones kept",
            _added_to_the_old,
            "The old singular values are still in the product. Leave them out.",
        ),
        Mistake(
            "U on both sides",
            _symmetric,
            "U stands on both sides, so the matrix is symmetric. The right side has the other directions, V.",
        ),
        Mistake(
            "largest only",
            _only_the_largest,
            "The largest singular value is right, the others are those of W, scaled. Each has to be set.",
        ),
    ],
    returns="the matrix",
)

# ---- Exercise 4: how many answers see their bit ----------------------------------------------------------------------


def _visible(T, k, delay):
    return sum(1 for t in range(delay, T) if t % k >= delay) / (T - delay)


def _sliding(T, k, delay):
    return sum(1 for t in range(delay, T) if k > delay) / (T - delay)


def _pairs_cases(_):
    return [
        case(24, 8, 3, label="T = 24, k = 8, delay 3"),
        case(20, 4, 4, label="T = 20, k = 4, delay 4"),
        case(20, 5, 4, label="T = 20, k = 5, delay 4"),
        case(17, 6, 2, label="T = 17, k = 6, delay 2"),
        case(12, 12, 5, label="T = 12, k = 12, delay 5"),
        case(12, 3, 0, label="T = 12, k = 3, delay 0"),
    ]


check_visible_share = Check(
    "check_visible_share",
    solution=_visible,
    cases=_pairs_cases,
    mistakes=[
        Mistake(
            "all or nothing",
            _sliding,
            "That says 1 as soon as a chunk is longer than the delay. An answer near the beginning of its chunk still "
            "has its bit in the chunk before.",
        ),
        Mistake(
            "first chunk counted",
            lambda T, k, delay: sum(1 for t in range(T) if t % k >= delay) / T,
            "The steps before the first answer were counted. In the first `delay` steps nothing is asked.",
        ),
        Mistake(
            "one step too few",
            lambda T, k, delay: sum(1 for t in range(delay, T) if t % k > delay) / (T - delay),
            "An answer at place `delay` of its chunk sees the bit at place 0. Places count from 0.",
        ),
        Mistake(
            "one step too many",
            lambda T, k, delay: sum(1 for t in range(delay, T) if t % k >= delay - 1) / (T - delay),
            "An answer at place `delay - 1` of its chunk asks for a bit at place -1: that is in the chunk before.",
        ),
        Mistake(
            "whole chunks only",
            lambda T, k, delay: max(0, k - delay) / k,
            "That is the share inside one full chunk. The first chunk has no answers in its first steps that could "
            "miss their bit, and the last chunk may be shorter: count.",
        ),
        Mistake(
            "not divided",
            lambda T, k, delay: sum(1 for t in range(delay, T) if t % k >= delay),
            "That is the number of answers that see their bit. Divide by the number of all answers.",
        ),
    ],
    returns="the share",
)
