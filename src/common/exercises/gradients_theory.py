"""Checks for the exercises of notebooks/03_gradients/1_why_plain_rnns_forget.ipynb."""

from __future__ import annotations

import numpy as np

from common.exercises.core import Check, Mistake, case


def _orthogonal(rng, H):
    return np.linalg.qr(rng.normal(size=(H, H)))[0]


def _radius(W):
    return np.abs(np.linalg.eigvals(W)).max()


# ---- Exercise 1: must the gradient vanish? ---------------------------------------------------------------------------


def _must_vanish_cases(rng):
    return [
        case(np.array([[0.9, 1.0], [0.0, 0.8]]), 1.0, label="a triangular matrix and γ = 1", H=2),
        case(0.9 * _orthogonal(rng, 5), 1.0, label="0.9 times an orthogonal matrix and γ = 1", H=5),
        case(3.0 * _orthogonal(rng, 4), 0.25, label="3 times an orthogonal matrix and γ = 1/4", H=4),
        case(0.5 * _orthogonal(rng, 4), 0.25, label="half an orthogonal matrix and γ = 1/4", H=4),
        case(np.full((6, 6), 0.5), 1.0, label="0.5 everywhere and γ = 1", H=6),
        case(np.array([[-0.7]]), 1.0, label="one unit with w = -0.7 and γ = 1", H=1),
    ]


check_must_vanish = Check(
    "check_must_vanish",
    solution=lambda W_h, gamma: bool(gamma * np.linalg.norm(W_h, 2) < 1),
    cases=_must_vanish_cases,
    mistakes=[
        Mistake(
            "spectral radius",
            lambda W_h, gamma: bool(gamma * _radius(W_h) < 1),
            "That asks the eigenvalues. They settle the linear case in the long run; with slopes that change from step "
            "to step they prove nothing. The proof needs the longest stretch of one step.",
        ),
        Mistake(
            "Frobenius norm",
            lambda W_h, gamma: bool(gamma * np.linalg.norm(W_h) < 1),
            "`np.linalg.norm(W_h)` adds up all entries (Frobenius). It is never below the largest singular value, so "
            "it says no in some cases where the condition holds.",
        ),
        Mistake(
            "no slope",
            lambda W_h, gamma: bool(np.linalg.norm(W_h, 2) < 1),
            "γ does not enter. With slopes of at most 1/4 the matrix may be four times as large.",
        ),
        Mistake(
            "slope on the wrong side",
            lambda W_h, gamma: bool(np.linalg.norm(W_h, 2) < gamma),
            "γ stands on the wrong side: a smaller slope makes the condition easier to meet, not harder.",
        ),
        Mistake(
            "largest entry",
            lambda W_h, gamma: bool(gamma * np.abs(W_h).max() < 1),
            "The largest entry says little about a matrix: many small entries add up to a long stretch.",
        ),
        Mistake(
            "the other way round",
            lambda W_h, gamma: bool(gamma * np.linalg.norm(W_h, 2) > 1),
            "The answer is the wrong way round: True should mean that the gradient must vanish.",
        ),
    ],
    returns="the verdict",
)

# ---- Exercise 2: the Jacobian of a leaky unit ------------------------------------------------------------------------


def _leaky_jacobian(u, W_h, alpha):
    return (1 - alpha) * np.eye(len(u)) + alpha * (1 - u**2)[:, None] * W_h.T


def _leaky_cases(rng):
    return [
        case(np.tanh(rng.normal(size=H)), rng.normal(size=(H, H)), alpha, label=f"α = {alpha}", H=H)
        for H, alpha in [(3, 0.3), (1, 0.1), (4, 0.8)]
    ]


check_leaky_jacobian = Check(
    "check_leaky_jacobian",
    solution=_leaky_jacobian,
    cases=_leaky_cases,
    mistakes=[
        Mistake(
            "no direct path",
            lambda u, W_h, alpha: alpha * (1 - u**2)[:, None] * W_h.T,
            "h_{t-1} enters twice: through u_t, and directly with the factor 1 − α. The direct path is missing.",
        ),
        Mistake(
            "not weighted",
            lambda u, W_h, alpha: (1 - alpha) * np.eye(len(u)) + (1 - u**2)[:, None] * W_h.T,
            "u_t enters h_t with the factor α, and so does everything that comes through it.",
        ),
        Mistake(
            "weights swapped",
            lambda u, W_h, alpha: alpha * np.eye(len(u)) + (1 - alpha) * (1 - u**2)[:, None] * W_h.T,
            "The two factors are swapped: the old state has 1 − α, the new content α.",
        ),
        Mistake(
            "transposed",
            lambda u, W_h, alpha: _leaky_jacobian(u, W_h, alpha).T.copy(),
            "That is the transpose. Rows belong to the unit of h_t, columns to the unit of h_{t-1}.",
        ),
        Mistake(
            "slope on the columns",
            lambda u, W_h, alpha: (1 - alpha) * np.eye(len(u)) + alpha * (1 - u**2) * W_h.T,
            "The slope belongs to the unit that responds, so it multiplies the rows. Here it multiplies the columns.",
        ),
        Mistake(
            "W_h as it is",
            lambda u, W_h, alpha: (1 - alpha) * np.eye(len(u)) + alpha * (1 - u**2)[:, None] * W_h,
            "W_h[j, i] leads from unit j to unit i. The Jacobian has the unit that responds first: W_h transposed.",
        ),
        Mistake(
            "brackets",
            lambda u, W_h, alpha: (1 - alpha) * np.eye(len(u)) + alpha * 1 - (u**2)[:, None] * W_h.T,
            "Brackets are missing around 1 − u²: `alpha * 1 - u**2 * W` multiplies first and subtracts then.",
        ),
        Mistake(
            "identity as ones",
            lambda u, W_h, alpha: (1 - alpha) + alpha * (1 - u**2)[:, None] * W_h.T,
            "1 − α was added to every entry. The direct path joins each unit to itself alone: the identity matrix.",
        ),
    ],
    returns="J",
)

# ---- Exercise 3: the share of each lag -------------------------------------------------------------------------------


def _lag_norms(hs, dh, W_h):
    norms = []
    for t in range(len(hs) - 1, 0, -1):
        delta = dh * (1 - hs[t] ** 2)
        norms.append(np.linalg.norm(hs[t - 1]) * np.linalg.norm(delta))
        dh = delta @ W_h.T
    return np.array(norms)


def _lag_shares(hs, dh, W_h):
    norms = _lag_norms(hs, dh, W_h)
    return norms / norms.sum()


def _squared_shares(hs, dh, W_h):
    norms = _lag_norms(hs, dh, W_h) ** 2
    return norms / norms.sum()


def _shares_of_the_state(hs, dh, W_h):
    norms = []
    for h in hs[:0:-1]:
        norms.append(np.linalg.norm(dh))
        dh = (dh * (1 - h**2)) @ W_h.T
    return np.array(norms) / np.sum(norms)


def _shares_without_slope(hs, dh, W_h):
    norms = []
    for t in range(len(hs) - 1, 0, -1):
        norms.append(np.linalg.norm(hs[t - 1]) * np.linalg.norm(dh))
        dh = dh @ W_h.T
    return np.array(norms) / np.sum(norms)


def _shares_with_the_later_state(hs, dh, W_h):
    norms = []
    for h in hs[:0:-1]:
        delta = dh * (1 - h**2)
        norms.append(np.linalg.norm(h) * np.linalg.norm(delta))
        dh = delta @ W_h.T
    return np.array(norms) / np.sum(norms)


def _lag_cases(rng):
    return [
        case(
            np.tanh(rng.normal(size=(T + 1, H))),
            rng.normal(size=H),
            rng.normal(size=(H, H)) / np.sqrt(H),
            T=T,
            H=H,
        )
        for T, H in [(6, 3), (1, 1), (4, 5)]
    ]


check_lag_shares = Check(
    "check_lag_shares",
    solution=_lag_shares,
    cases=_lag_cases,
    mistakes=[
        Mistake(
            "not divided",
            _lag_norms,
            "Those are the lengths of the terms. A share is a part of the whole: divide by their sum.",
        ),
        Mistake(
            "in the order of time",
            lambda hs, dh, W_h: _lag_shares(hs, dh, W_h)[::-1].copy(),
            "The entries stand in the order of time. Entry n belongs to lag n, so the last step comes first.",
        ),
        Mistake(
            "gradient of the state",
            _shares_of_the_state,
            "Those are the lengths of dh by lag. The term of W_h is the product of h_{t-1} and δ_t: equation RNN.6.",
        ),
        Mistake(
            "no slope",
            _shares_without_slope,
            "The slope 1 − h_t² is missing on the way from dh_t to δ_t: equation RNN.4.",
        ),
        Mistake(
            "later state",
            _shares_with_the_later_state,
            "W_h multiplies h_{t-1}, not h_t: the term of step t is h_{t-1}ᵀ δ_t.",
        ),
        Mistake(
            "squares",
            _squared_shares,
            "Those are shares of the squared lengths. Take the lengths themselves.",
        ),
    ],
    returns="the shares",
)

# ---- Exercise 4: the gradient that grows most ------------------------------------------------------------------------


def _power(W_h, n):
    return np.linalg.matrix_power(W_h.T, n)


def _longest(W_h, n):
    left, lengths, _ = np.linalg.svd(_power(W_h, n))
    return left[:, 0], lengths[0]


def _arriving(W_h, n):
    _, lengths, right = np.linalg.svd(_power(W_h, n))
    return right[0], lengths[0]


def _one_step(W_h, n):
    left, lengths, _ = np.linalg.svd(W_h.T)
    return left[:, 0], lengths[0] ** n


def _shortest(W_h, n):
    left, lengths, _ = np.linalg.svd(_power(W_h, n))
    return left[:, -1], lengths[-1]


def _by_eigenvalues(W_h, n):
    values, vectors = np.linalg.eig(W_h)
    first = np.abs(values).argmax()
    return vectors[:, first].real, np.abs(values[first]) ** n


def _signed(function, *arguments):
    """Run an answer; dh and −dh are equally long after n steps, so turn the largest entry positive."""
    answer = function(*arguments)
    if isinstance(answer, (tuple, list)) and len(answer) == 2 and isinstance(answer[0], (np.ndarray, list, tuple)):
        dh = np.asarray(answer[0])
        if dh.dtype.kind == "f" and dh.ndim == 1 and dh.size and np.isrealobj(dh) and dh[np.abs(dh).argmax()] < 0:
            return -dh, answer[1]
    return answer


def _longest_cases(rng):
    triangular = np.triu(rng.normal(size=(4, 4)))
    np.fill_diagonal(triangular, [0.9, 0.8, -0.7, 0.5])
    return [
        case(np.array([[0.9, 2.0], [0.0, 0.7]]), 3, label="three steps", H=2),
        case(triangular, 5, label="five steps", H=4),
        case(np.diag([0.5, -2.0, 1.5]), 1, label="one step", H=3),
    ]


check_longest_gradient = Check(
    "check_longest_gradient",
    solution=_longest,
    cases=_longest_cases,
    mistakes=[
        Mistake(
            "direction of arrival",
            _arriving,
            "The length is right. The direction is the one in which the gradient arrives n steps back, not the one in "
            "which it sets out: dh stands on the left of the matrix.",
        ),
        Mistake(
            "one step only",
            _one_step,
            "That is the best direction for a single step, and its stretch to the power of n. After one step the "
            "gradient points elsewhere: look at the product of all n steps.",
        ),
        Mistake(
            "eigenvalues",
            _by_eigenvalues,
            "That is the eigenvector, the direction that every step keeps. Where the eigenvectors are not at right "
            "angles, another direction is longer after n steps.",
        ),
        Mistake(
            "shortest", _shortest, "That is the direction which shrinks most. Singular values come in falling order."
        ),
    ],
    returns=("dh", "length"),
    call=_signed,
    atol=1e-8,
)
