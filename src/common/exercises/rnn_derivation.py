"""Checks for the exercises of notebooks/02_rnn/1_derivation.ipynb."""

from __future__ import annotations

import numpy as np

from common.exercises.core import Check, Mistake, case

# ---- Exercise 1: how many parameters ---------------------------------------------------------------------------------

check_parameter_count = Check(
    "check_parameter_count",
    solution=lambda D, H, K: D * H + H * H + H + H * K + K,
    cases=lambda rng: [case(28, 64, 10), case(1, 1, 1), case(2, 3, 5)],
    mistakes=[
        Mistake("no output layer", lambda D, H, K: D * H + H * H + H, "The output layer is missing: W_y and b_y."),
        Mistake("no biases", lambda D, H, K: D * H + H * H + H * K, "The two biases b and b_y are missing."),
        Mistake("no b", lambda D, H, K: D * H + H * H + H * K + K, "The bias b of the cell is missing."),
        Mistake("no b_y", lambda D, H, K: D * H + H * H + H + H * K, "The bias b_y of the output layer is missing."),
        Mistake("no recurrence", lambda D, H, K: D * H + H + H * K + K, "The recurrent matrix W_h is missing."),
        Mistake(
            "two biases",
            lambda D, H, K: D * H + H * H + 2 * H + H * K + K,
            "That is PyTorch's count, which keeps two biases in the cell. Here the cell has one, b.",
        ),
        Mistake(
            "W_h as D x H",
            lambda D, H, K: D * H + D * H + H + H * K + K,
            "W_h takes the old state, which has H numbers, not D.",
        ),
    ],
    returns="the count",
)

# ---- Exercise 2: the slope of the logistic function ------------------------------------------------------------------


def _sigmoid(a):
    return 1 / (1 + np.exp(-a))


def _delta_cases(rng):
    return [
        case(rng.normal(size=(B, H)), _sigmoid(rng.normal(size=(B, H))), B=B, H=H) for B, H in [(3, 4), (1, 1), (2, 5)]
    ]


check_sigmoid_delta = Check(
    "check_sigmoid_delta",
    solution=lambda dh, h: dh * h * (1 - h),
    cases=_delta_cases,
    mistakes=[
        Mistake("slope of tanh", lambda dh, h: dh * (1 - h**2), "That is the slope of tanh, 1 − h²."),
        Mistake(
            "squashed twice",
            lambda dh, h: dh * _sigmoid(h) * (1 - _sigmoid(h)),
            "h is the value of σ already: this squashes it a second time.",
        ),
        Mistake(
            "brackets",
            lambda dh, h: dh * h * 1 - h,
            "Brackets are missing around 1 − h: `a * 1 - h` multiplies first and subtracts then.",
        ),
        Mistake("slope alone", lambda dh, h: h * (1 - h), "The slope is right; multiply it by dh (the chain rule)."),
        Mistake("half the slope", lambda dh, h: dh * (1 - h), "One factor is missing: the slope of σ is σ(1 − σ)."),
    ],
    returns="delta",
)

# ---- Exercise 3: a loss on the last step alone -----------------------------------------------------------------------


def _grad_last_step(dy, W_y, T):
    e = np.zeros((T, len(dy), len(W_y)))
    e[-1] = dy @ W_y.T
    return e


def _first_step(dy, W_y, T):
    return _grad_last_step(dy, W_y, T)[::-1].copy()


def _last_step_cases(rng):
    return [
        case(rng.normal(size=(B, K)), rng.normal(size=(H, K)), T, T=T, B=B, H=H, K=K)
        for T, B, H, K in [(4, 2, 3, 5), (1, 1, 1, 1), (6, 3, 2, 1)]
    ]


check_grad_last_step = Check(
    "check_grad_last_step",
    solution=_grad_last_step,
    cases=_last_step_cases,
    mistakes=[
        Mistake(
            "every step",
            lambda dy, W_y, T: np.repeat((dy @ W_y.T)[None], T, axis=0),
            "The loss sees the last state only. The earlier ones get their gradient through the carry.",
        ),
        Mistake("first step", _first_step, "Time runs along axis 0, and the last step has index −1."),
        Mistake(
            "last step alone",
            lambda dy, W_y, T: dy @ W_y.T,
            "That is e_T. `backward` wants one entry for every step: shape (T, B, H), zero elsewhere.",
        ),
        Mistake(
            "spread evenly",
            lambda dy, W_y, T: np.repeat((dy @ W_y.T)[None], T, axis=0) / T,
            "The gradient is not shared out over the steps: the loss touches the last state, and only that one.",
        ),
    ],
    returns="e",
)

# ---- Exercise 4: the derivative carried forward ----------------------------------------------------------------------


def _carried_forward(x, h_0, W_x, W_h, b, step):
    h, P = h_0, np.zeros((len(b), len(b)))
    for x_t in x:
        h = np.tanh(x_t @ W_x + h @ W_h + b)
        P = step(P, W_h, 1 - h**2)
    return P


def _forward_mode(x, h_0, W_x, W_h, b):
    return _carried_forward(x, h_0, W_x, W_h, b, lambda P, W, slope: (np.eye(len(b)) + P @ W) * slope)


def _immediate_only(x, h_0, W_x, W_h, b):
    return _carried_forward(x, h_0, W_x, W_h, b, lambda P, W, slope: np.eye(len(b)) * slope)


def _no_immediate_part(x, h_0, W_x, W_h, b):
    def step(P, W, slope):
        return (P @ W if P.any() else np.eye(len(b))) * slope

    return _carried_forward(x, h_0, W_x, W_h, b, step)


def _slope_on_the_rows(x, h_0, W_x, W_h, b):
    return _carried_forward(x, h_0, W_x, W_h, b, lambda P, W, slope: (np.eye(len(b)) + P @ W) * slope[:, None])


def _slope_forgotten(x, h_0, W_x, W_h, b):
    return _carried_forward(x, h_0, W_x, W_h, b, lambda P, W, slope: np.eye(len(b)) + P @ W)


def _forward_mode_cases(rng):
    return [
        case(
            rng.normal(size=(T, D)),
            rng.normal(size=H),
            rng.normal(size=(D, H)),
            rng.normal(size=(H, H)) / np.sqrt(H),
            rng.normal(size=H),
            T=T,
            D=D,
            H=H,
        )
        for T, D, H in [(5, 2, 3), (1, 1, 1), (4, 3, 2)]
    ]


check_forward_mode = Check(
    "check_forward_mode",
    solution=_forward_mode,
    cases=_forward_mode_cases,
    mistakes=[
        Mistake(
            "immediate only",
            _immediate_only,
            "That is the immediate derivative of the last step. The way through h_{t-1} is missing.",
        ),
        Mistake(
            "no immediate part",
            _no_immediate_part,
            "b enters at every step, not only at the first: each step adds its own immediate part, the identity.",
        ),
        Mistake(
            "W_h transposed",
            lambda *a: _carried_forward(*a, lambda P, W, slope: (np.eye(len(W)) + P @ W.T) * slope),
            "W_h is transposed. P[i, j] has the unit of h in its columns, and h @ W_h leads from rows to columns.",
        ),
        Mistake(
            "W_h on the other side",
            lambda *a: _carried_forward(*a, lambda P, W, slope: (np.eye(len(W)) + W @ P) * slope),
            "W_h stands on the wrong side of P: the step from h_{t-1} to h_t comes after the steps before it.",
        ),
        Mistake(
            "slope on the rows",
            _slope_on_the_rows,
            "The slope belongs to the unit that responds, index j, the columns. Here it multiplies the rows.",
        ),
        Mistake("no slope", _slope_forgotten, "That is the derivative of a_t. h_t = tanh(a_t) also has a slope."),
    ],
    returns="P",
)
