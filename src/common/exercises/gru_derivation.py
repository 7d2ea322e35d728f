"""Checks for the exercises of notebooks/05_gru/1_derivation.ipynb."""

from __future__ import annotations

import numpy as np

from common.exercises.core import Check, Mistake, case

# ---- Exercise 1: one cell, three counts ------------------------------------------------------------------------------


def _counts(D, H):
    weights = 3 * H * (D + H)
    return weights + 4 * H, weights + 6 * H, weights + 3 * H


check_gru_parameter_counts = Check(
    "check_gru_parameter_counts",
    solution=_counts,
    cases=lambda rng: [case(4, 5), case(1, 1), case(28, 64)],
    mistakes=[
        Mistake(
            "one count for all",
            lambda D, H: (3 * H * (D + H) + 3 * H,) * 3,
            "The weights are the same three times. The biases are not: see how many of them each cell keeps.",
        ),
        Mistake(
            "no c_n",
            lambda D, H: (_counts(D, H)[2], _counts(D, H)[1], _counts(D, H)[2]),
            "The cell of this book has c_n besides b: H numbers more, because r multiplies them.",
        ),
        Mistake(
            "our count for the libraries",
            lambda D, H: (_counts(D, H)[0], _counts(D, H)[0], _counts(D, H)[2]),
            "PyTorch and Keras keep the second bias for all three blocks, not only for the candidate.",
        ),
        Mistake(
            "four blocks",
            lambda D, H: tuple(count + H * (D + H) for count in _counts(D, H)),
            "Four blocks are an LSTM. A GRU has three: r, z and n.",
        ),
        Mistake(
            "two blocks",
            lambda D, H: tuple(count - H * (D + H) for count in _counts(D, H)),
            "Those are the two gates. The candidate has a block of weights as well.",
        ),
    ],
    returns=("this book", "PyTorch and Keras", "reset before"),
)

# ---- Exercise 2: how far back a leak looks ---------------------------------------------------------------------------

check_leak = Check(
    "check_leak",
    solution=lambda tau: tau / (1 + tau),
    cases=lambda rng: [case(1.0), case(9.0), case(0.5), case(99.0)],
    mistakes=[
        Mistake(
            "the other part",
            lambda tau: 1 / (1 + tau),
            "That is 1 − z, the part of the new candidate. z is the part of the old state.",
        ),
        Mistake(
            "counted from one",
            lambda tau: 1 - 1 / tau,
            "That counts the present candidate as one step old. Here it has lag 0.",
        ),
        Mistake(
            "an exponential",
            lambda tau: np.exp(-1 / tau),
            "That is the leak after which 1/e is left in τ steps: another measure. Here the mean lag is τ.",
        ),
        Mistake(
            "half-life",
            lambda tau: 0.5 ** (1 / tau),
            "That is the leak with which half is left after τ steps. Here the mean lag is τ.",
        ),
    ],
    returns="z",
)

# ---- Exercise 3: the other sign --------------------------------------------------------------------------------------


def _flipped(W_x, W_h, b, *, blocks=(1,), biases=True, weights=True):
    H = len(W_h)
    signs = np.ones(3 * H)
    for block in blocks:
        signs[block * H : (block + 1) * H] = -1
    return W_x * (signs if weights else 1), W_h * (signs if weights else 1), b * (signs if biases else 1)


def _one_minus(W_x, W_h, b):
    H = len(W_h)
    changed = W_x.copy(), W_h.copy(), b.copy()
    for array in changed:
        array[..., H : 2 * H] = 1 - array[..., H : 2 * H]
    return changed


def _cases_of_weights(rng):
    return [
        case(rng.normal(size=(D, 3 * H)), rng.normal(size=(H, 3 * H)), rng.normal(size=3 * H), D=D, H=H)
        for D, H in [(4, 5), (1, 1), (2, 3)]
    ]


check_flip_update = Check(
    "check_flip_update",
    solution=lambda W_x, W_h, b: _flipped(W_x, W_h, b),
    cases=_cases_of_weights,
    mistakes=[
        Mistake(
            "bias forgotten",
            lambda W_x, W_h, b: _flipped(W_x, W_h, b, biases=False),
            "The weights are right. The bias of z is a part of its pre-activation and changes its sign too.",
        ),
        Mistake(
            "weights forgotten",
            lambda W_x, W_h, b: _flipped(W_x, W_h, b, weights=False),
            "Only the bias has changed. The whole pre-activation must change its sign: W_z and U_z too.",
        ),
        Mistake(
            "block of r",
            lambda W_x, W_h, b: _flipped(W_x, W_h, b, blocks=(0,)),
            "That is the block of r. The blocks stand in the order r, z, n.",
        ),
        Mistake(
            "block of n",
            lambda W_x, W_h, b: _flipped(W_x, W_h, b, blocks=(2,)),
            "That is the block of n, which gives −n. The blocks stand in the order r, z, n.",
        ),
        Mistake(
            "everything",
            lambda W_x, W_h, b: _flipped(W_x, W_h, b, blocks=(0, 1, 2)),
            "All blocks have changed their sign. Only z has another meaning; r and n stay as they are.",
        ),
        Mistake(
            "one minus the weights",
            _one_minus,
            "1 − z is wanted, but σ comes in between: 1 − σ(a) = σ(−a), not σ(1 − a).",
        ),
    ],
    returns=("W_x", "W_h", "b"),
)

# ---- Exercise 4: the minimal gated unit, backward --------------------------------------------------------------------


def _sigmoid(a):
    return 1 / (1 + np.exp(-a))


def _minimal(
    dh, h_before, f, n, U_f, U_n, *, mixes=1.0, resets=1.0, gate=1.0, reset_carry=1.0, turned=False, brackets=True
):
    delta_n = dh * f * (1 - n**2)
    dq = delta_n @ (U_n if turned else U_n.T)
    df = mixes * dh * (n - h_before) + resets * dq * h_before
    delta_f = df * f * (1 - f) if brackets else df * f * 1 - f
    back = delta_f @ (U_f if turned else U_f.T)
    return delta_f, delta_n, dh * (1 - f) + reset_carry * dq * f + gate * back


def _minimal_cases(rng):
    return [
        case(
            rng.normal(size=(B, H)),
            rng.normal(size=(B, H)),
            _sigmoid(rng.normal(size=(B, H))),
            np.tanh(rng.normal(size=(B, H))),
            rng.normal(size=(H, H)),
            rng.normal(size=(H, H)),
            B=B,
            H=H,
        )
        for B, H in [(3, 4), (1, 1), (2, 5)]
    ]


def _variant(**options):
    return lambda dh, h_before, f, n, U_f, U_n: _minimal(dh, h_before, f, n, U_f, U_n, **options)


check_minimal_backward = Check(
    "check_minimal_backward",
    solution=_variant(),
    cases=_minimal_cases,
    mistakes=[
        Mistake(
            "brackets",
            _variant(brackets=False),
            "Brackets are missing around 1 − f in δ_f: `a * f * 1 - f` multiplies first and subtracts then.",
        ),
        Mistake(
            "only as update gate",
            _variant(resets=0.0),
            "δ_f has one of its two paths, the mixture. f also decides what the candidate sees of the old state.",
        ),
        Mistake(
            "only as reset gate",
            _variant(mixes=0.0),
            "δ_f has one of its two paths, the one through the candidate. f also mixes.",
        ),
        Mistake(
            "no way through the candidate",
            _variant(reset_carry=0.0),
            "The old state goes to three places. The way through the candidate is missing in what it gets back.",
        ),
        Mistake(
            "no way through the gate",
            _variant(gate=0.0),
            "The old state goes to three places. The way through the gate itself is missing in what it gets back.",
        ),
        Mistake(
            "not transposed",
            _variant(turned=True),
            "U_f and U_n are square, so both orders fit. On the way back they are transposed (rule 2).",
        ),
    ],
    returns=("delta_f", "delta_n", "dh_before"),
)
