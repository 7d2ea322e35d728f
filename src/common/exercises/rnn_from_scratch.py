"""Checks for the exercises of notebooks/02_rnn/2_from_scratch.ipynb: backward passes written by hand."""

from __future__ import annotations

import numpy as np

from common.exercises.core import Case, Check, Mistake, case

Grads = dict[str, np.ndarray]
NAMES = ("x", "h_0", "W_x", "W_h", "b")


# ---- Exercise 1: one step backward through ReLU ----------------------------------------------------------------------


def _relu_step(dh, x, h_before, h, W_x, W_h, slope=lambda h: h > 0):
    delta = dh * slope(h)
    return delta @ W_x.T, delta @ W_h.T, x.T @ delta, h_before.T @ delta, delta.sum(axis=0)


def _relu_no_batch_sum(dh, x, h_before, h, W_x, W_h):
    *others, _ = _relu_step(dh, x, h_before, h, W_x, W_h)
    return *others, dh * (h > 0)


def _relu_cases(rng: np.random.Generator) -> list[Case]:
    cases = []
    for B, D, H in [(4, 3, 5), (1, 2, 3), (6, 1, 2)]:
        x, h_before = rng.normal(size=(B, D)), np.maximum(rng.normal(size=(B, H)), 0)
        W_x, W_h = rng.normal(size=(D, H)), rng.normal(size=(H, H))
        h = np.maximum(x @ W_x + h_before @ W_h, 0)
        cases.append(case(rng.normal(size=(B, H)), x, h_before, h, W_x, W_h, B=B, D=D, H=H))
    return cases


check_relu_step_backward = Check(
    "check_relu_step_backward",
    solution=_relu_step,
    cases=_relu_cases,
    returns=("dx", "carry", "dW_x", "dW_h", "db"),
    mistakes=[
        Mistake(
            "slope of tanh",
            lambda *a: _relu_step(*a, slope=lambda h: 1 - h**2),
            "That is still the slope of tanh. What is the slope of max(a, 0), left and right of zero?",
        ),
        Mistake(
            "slope one",
            lambda *a: _relu_step(*a, slope=np.ones_like),
            "Your slope is 1 everywhere. Where a was negative, ReLU is flat; there h is 0, and `h >= 0` is still true.",
        ),
        Mistake(
            "multiplied by h",
            lambda *a: _relu_step(*a, slope=lambda h: h),
            "You multiply by h itself. The slope of ReLU is 0 or 1, however large h is.",
        ),
        Mistake(
            "no sum over the batch",
            _relu_no_batch_sum,
            "`db` still has a row for every example. The bias is one row, added to all of them: sum over the batch.",
        ),
    ],
)


# ---- Exercise 2: the backward pass with a mask -----------------------------------------------------------------------


def _masked(e, mask, x, h_0, hs, W_x, W_h) -> Grads:
    return _masked_as(e, mask, x, h_0, hs, W_x, W_h)


def _masked_as(e, mask, x, h_0, hs, W_x, W_h, *, past="carry", outside="kept", steps="masked") -> Grads:
    """The right backward pass, or one of the wrong ones.

    past     what a masked step hands to the step before: "carry" (right), "nothing", "product" (as a real step does)
    outside  what a masked step does with its own e: "kept" (right) or "dropped"
    steps    which steps give something to the parameters: "masked" (the real ones, right) or "all"
    """
    carry, dx = np.zeros_like(h_0), np.zeros_like(x)
    dW_x, dW_h, db = np.zeros_like(W_x), np.zeros_like(W_h), np.zeros(len(W_h))
    for t in reversed(range(len(x))):
        real = mask[t][:, None]
        h_before = hs[t - 1] if t > 0 else h_0
        dh = carry + (e[t] if outside == "kept" else e[t] * real)
        whole = dh * (1 - hs[t] ** 2)
        delta = whole if steps == "all" else whole * real
        dW_x += x[t].T @ delta
        dW_h += h_before.T @ delta
        db += delta.sum(axis=0)
        dx[t] = delta @ W_x.T
        skipped = {"carry": dh, "nothing": np.zeros_like(dh), "product": whole @ W_h.T}[past]
        carry = np.where(real, delta @ W_h.T, skipped)
    return dict(zip(NAMES, (dx, carry, dW_x, dW_h, db), strict=True))


def _masked_states(x, mask, h_0, W_x, W_h, b):
    h, hs = h_0, []
    for x_t, real in zip(x, mask, strict=True):
        h = np.where(real[:, None], np.tanh(x_t @ W_x + h @ W_h + b), h)
        hs.append(h)
    return np.stack(hs)


def _masked_cases(rng: np.random.Generator) -> list[Case]:
    cases = []
    for T, B, D, H, place in [(6, 3, 2, 4, "end"), (5, 4, 1, 3, "middle"), (1, 2, 3, 2, ""), (4, 1, 2, 3, "end")]:
        mask = np.ones((T, B), bool)
        if place == "end":
            mask = np.arange(T)[:, None] < rng.integers(1, T, B)
        elif place == "middle":
            mask[1 : T - 1] = rng.random((T - 2, B)) < 0.5
            mask[2] = [True, False, False, True]
        x, h_0 = rng.normal(size=(T, B, D)), rng.normal(size=(B, H))
        W_x, W_h, b = rng.normal(size=(D, H)), rng.normal(size=(H, H)), rng.normal(size=H)
        hs = _masked_states(x, mask, h_0, W_x, W_h, b)
        e = rng.normal(size=(T, B, H))
        label = (
            f"padding at the {place}" if place == "end" else "masked steps in the middle" if place else "one real step"
        )
        cases.append(case(e, mask, x, h_0, hs, W_x, W_h, label=label, T=T, B=B, D=D, H=H))
    return cases


check_masked_backward = Check(
    "check_masked_backward",
    solution=_masked,
    cases=_masked_cases,
    mistakes=[
        Mistake(
            "mask ignored",
            lambda *a: _masked_as(*a, past="product", steps="all"),
            "The mask has no effect. At a masked step nothing was computed: x, the weights and the bias get nothing.",
        ),
        Mistake(
            "carry lost",
            lambda *a: _masked_as(*a, past="nothing"),
            "The gradient stops at a masked step. Forward, h_t was h_{t-1} there: all of dh_t must go on to h_{t-1}.",
        ),
        Mistake(
            "carry through the weights",
            lambda *a: _masked_as(*a, past="product"),
            "At a masked step the carry still goes through the slope and W_h. Forward it skipped both, and so it must"
            " on the way back.",
        ),
        Mistake(
            "delta not zeroed",
            lambda *a: _masked_as(*a, steps="all"),
            "The carry is right, but delta is not zero at masked steps: nothing was computed there, so x, the weights"
            " and the bias get nothing.",
        ),
        Mistake(
            "e dropped",
            lambda *a: _masked_as(*a, outside="dropped"),
            "You drop e at masked steps. The output there repeats an earlier state, and what reaches it belongs to that"
            " state. (A loss that ignores padding hands in zeros by itself.)",
        ),
    ],
)


# ---- Exercise 3: find two faults -------------------------------------------------------------------------------------


def _repaired(e, x, h_0, hs, W_x, W_h) -> Grads:
    return _backward(e, x, h_0, hs, W_x, W_h)


def _backward(e, x, h_0, hs, W_x, W_h, *, slope=True, transposed=True, cut=None, state_cut=False) -> Grads:
    """The right backward pass, or one with faults: `slope` and `transposed` switch those of exercise 3 on when False,
    `cut(t)` tells before which step the carry is dropped, and `state_cut` takes the state there as zero as well.
    """
    carry, dx = np.zeros_like(h_0), np.zeros_like(x)
    dW_x, dW_h, db = np.zeros_like(W_x), np.zeros_like(W_h), np.zeros(len(W_h))
    for t in reversed(range(len(x))):
        h_before = hs[t - 1] if t > 0 else h_0
        dropped = t > 0 and cut is not None and cut(t)
        dh = e[t] + carry
        delta = dh * (1 - hs[t] ** 2) if slope else dh * 1 - hs[t] ** 2
        dW_x += x[t].T @ delta
        if not (dropped and state_cut):
            dW_h += h_before.T @ delta
        db += delta.sum(axis=0)
        dx[t] = delta @ W_x.T
        carry = delta @ (W_h.T if transposed else W_h) * (not dropped)
    return dict(zip(NAMES, (dx, carry, dW_x, dW_h, db), strict=True))


def _sequence(rng: np.random.Generator, T: int, B: int, D: int, H: int) -> tuple[np.ndarray, ...]:
    """e, x, h_0, hs, W_x, W_h of a random network over T steps."""
    x, h_0 = rng.normal(size=(T, B, D)), rng.normal(size=(B, H))
    W_x, W_h, b = (0.7 * rng.normal(size=shape) for shape in ((D, H), (H, H), (H,)))
    hs = _masked_states(x, np.ones((T, B), bool), h_0, W_x, W_h, b)
    return rng.normal(size=(T, B, H)), x, h_0, hs, W_x, W_h


def _repair_cases(rng: np.random.Generator) -> list[Case]:
    return [
        case(*_sequence(rng, T, B, D, H), T=T, B=B, D=D, H=H)
        for T, B, D, H in [(4, 3, 2, 5), (1, 2, 3, 4), (6, 1, 1, 3)]
    ]


check_repaired_backward = Check(
    "check_repaired_backward",
    solution=_repaired,
    cases=_repair_cases,
    mistakes=[
        Mistake(
            "nothing repaired",
            lambda *a: _backward(*a, slope=False, transposed=False),
            "Both faults are still there. With T = 1 every gradient is wrong: look at what all five share.",
        ),
        Mistake(
            "slope left",
            lambda *a: _backward(*a, slope=False),
            "One fault is left. It spoils all five gradients even with T = 1: they all come from delta.",
        ),
        Mistake(
            "transpose left",
            lambda *a: _backward(*a, transposed=False),
            "One fault is left. With T = 1 only h_0 is wrong, with T = 2 all five: which line hands on the carry?",
        ),
        Mistake(
            "transposed the wrong factor",
            lambda *a: {**_backward(*a), "W_h": _backward(*a)["W_h"].T},
            "dW_h is transposed now. The square shape hides it: compare its line with RNN.6.",
        ),
    ],
)


# ---- Exercise 4: truncated -------------------------------------------------------------------------------------------


def _truncated(e, x, h_0, hs, W_x, W_h, k) -> Grads:
    return _backward(e, x, h_0, hs, W_x, W_h, cut=lambda t: t % k == 0)


def _truncated_cases(rng: np.random.Generator) -> list[Case]:
    return [
        case(*_sequence(rng, T, B, D, H), k, label=f"chunks of {k}", T=T, B=B, D=D, H=H)
        for T, B, D, H, k in [(7, 3, 2, 4, 3), (5, 2, 1, 3, 2), (4, 1, 2, 3, 1), (3, 2, 3, 2, 8)]
    ]


check_truncated_backward = Check(
    "check_truncated_backward",
    solution=_truncated,
    cases=_truncated_cases,
    mistakes=[
        Mistake(
            "not truncated",
            lambda *a: _backward(*a[:-1]),
            "This is the full gradient: the carry is not cut anywhere.",
        ),
        Mistake(
            "counted from the end",
            lambda *a: _backward(*a[:-1], cut=lambda t: (len(a[0]) - t) % a[-1] == 0),
            "You count the chunks from the end of the sequence. The first chunk begins at the first step; the last"
            " one may be shorter.",
        ),
        Mistake(
            "one step off",
            lambda *a: _backward(*a[:-1], cut=lambda t: (t + 1) % a[-1] == 0),
            "The cut is one step off. Counting from 0, chunks begin at 0, k, 2k, …; the carry is dropped after step t"
            " when t is the first step of a chunk, because from there it would enter the chunk before.",
        ),
        Mistake(
            "dh_0 cut too",
            lambda *a: {**_truncated(*a), "h_0": np.zeros_like(a[2])},
            "dh_0 is cut as well. The first chunk begins with h_0, and the gradient of that chunk reaches it.",
        ),
        Mistake(
            "state cut too",
            lambda *a: _backward(*a[:-1], cut=lambda t: t % a[-1] == 0, state_cut=True),
            "You cut the state as well: at the first step of a chunk dW_h needs the last state of the chunk before."
            " Forward, the state goes on; only the carry is dropped.",
        ),
    ],
)
