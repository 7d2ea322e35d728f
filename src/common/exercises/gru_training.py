"""Checks for the exercises of notebooks/05_gru/3_training.ipynb: how long it keeps, a memory by hand, which variant."""

from __future__ import annotations

import numpy as np

from common.exercises.core import Case, Check, Mistake, case
from common.exercises.gru_from_scratch import check_memory_by_hand

__all__ = ["check_half_life", "check_memory_by_hand", "check_which_gru"]


# ---- Exercise 1: how long it keeps -----------------------------------------------------------------------------------


def _half_life(z):
    k = 1
    while z**k >= 0.5:
        k += 1
    return k


check_half_life = Check(
    "check_half_life",
    solution=_half_life,
    cases=lambda rng: [case(0.9), case(0.5), case(0.99), case(0.3), case(0.999)],
    mistakes=[
        Mistake(
            "not a whole number",
            lambda z: np.log(0.5) / np.log(z),
            "That is where exactly half is left. Asked is the first whole number of steps after which it is less.",
        ),
        Mistake(
            "half counts",
            lambda z: int(np.ceil(np.log(0.5) / np.log(z) - 1e-9)),
            "Nearly. Where exactly half is left (z = 1/2, one step) it is not yet less than half.",
        ),
        Mistake(
            "rounded down",
            lambda z: max(1, int(np.log(0.5) / np.log(z))),
            "You round down, and then more than half is left. Go to the next whole number.",
        ),
        Mistake(
            "the sum of a series",
            lambda z: round(1 / (1 - z)),
            "1 / (1 − z) is the mean time that the state keeps, not the time until half of it is gone.",
        ),
    ],
    returns="k",
)


# ---- Exercise 3: which of the two ------------------------------------------------------------------------------------


def _sigmoid(a):
    return 1 / (1 + np.exp(-a))


def _states(x, h, W_x, W_h, reset, *, swapped=False):
    (W_r, W_z, W_n), (U_r, U_z, U_n) = (np.split(W, 3, axis=1) for W in (W_x, W_h))
    states = []
    for x_t in x:
        r, z = _sigmoid(x_t @ W_r + h @ U_r), _sigmoid(x_t @ W_z + h @ U_z)
        n = np.tanh(x_t @ W_n + (r * (h @ U_n) if reset == "after" else (r * h) @ U_n))
        h = z * n + (1 - z) * h if swapped else (1 - z) * n + z * h
        states.append(h)
    return np.stack(states)


def _which(x, h_0, hs, W_x, W_h, *, rtol=0.0, atol=1e-9, steps=None, swapped=False):
    agrees = {
        reset: np.allclose(_states(x, h_0, W_x, W_h, reset, swapped=swapped)[:steps], hs[:steps], rtol=rtol, atol=atol)
        for reset in ("after", "before")
    }
    if all(agrees.values()):
        return "both"
    return "after" if agrees["after"] else "before"


def _which_cases(rng: np.random.Generator) -> list[Case]:
    found = []
    # The last three: a start from zero shows nothing in the first step; one unit; gates that stand wide open.
    for reset, scale, start, (T, B, D, H) in [
        ("after", 1.0, 1.0, (5, 3, 2, 4)),
        ("before", 1.0, 1.0, (5, 3, 2, 4)),
        ("before", 1.0, 0.0, (4, 2, 3, 5)),
        ("after", 1.0, 1.0, (6, 2, 2, 1)),
        ("after", 0.05, 0.0, (1, 2, 3, 4)),
        ("after", 0.2, 0.5, (3, 2, 2, 3)),
    ]:
        x, h_0 = rng.normal(size=(T, B, D)), start * rng.normal(size=(B, H))
        W_x, W_h = scale * rng.normal(size=(D, 3 * H)), scale * rng.normal(size=(H, 3 * H))
        hs = _states(x, h_0, W_x, W_h, reset)
        found.append(case(x, h_0, hs, W_x, W_h, T=T, B=B, D=D, H=H))
    return found


check_which_gru = Check(
    "check_which_gru",
    solution=_which,
    cases=_which_cases,
    mistakes=[
        Mistake(
            "the first step only",
            lambda *a: _which(*a, steps=1),
            "The first step alone does not tell: from a state of zero the two variants agree there. Use all steps.",
        ),
        Mistake(
            "never both",
            lambda *a: "after" if _which(*a) in ("after", "both") else "before",
            'The two can agree, for example with a single unit. Then the answer is "both".',
        ),
        Mistake(
            "too generous",
            lambda *a: _which(*a, atol=0.05),
            "You call equal what is only similar. With small weights the two are close, but not to rounding.",
        ),
        Mistake(
            "the other z",
            lambda *a: _which(*a, swapped=True),
            "Your states mix with the other meaning of z. In GRU.3 the update gate multiplies the old state.",
        ),
        Mistake(
            "names exchanged",
            lambda *a: {"after": "before", "before": "after", "both": "both"}[_which(*a)],
            'The names are exchanged: "after" multiplies the product h U_n, "before" multiplies h.',
        ),
    ],
    returns="the variant",
)
