"""Checks for the exercises of notebooks/01_sequences/2_why_a_window_is_not_enough.ipynb."""

from __future__ import annotations

import numpy as np

from common.exercises.core import Check, Mistake, case


def _written(answer):
    """What a learner's function returned; a stub says so before anything is done with its `...`."""
    if answer is None or answer is ...:
        raise NotImplementedError
    return answer


# ---- Exercise 1: the state for parity --------------------------------------------------------------------------------


def _final(step, bits):
    """Run a hand-made state over bits of shape (T, B), starting at 0."""
    h = np.zeros(bits.shape[1], int)
    for x_t in bits:
        h = _written(step(h, x_t))
    return h


check_parity_step = Check(
    "check_parity_step",
    solution=lambda h, x_t: (h + x_t) % 2,
    cases=lambda rng: [
        case(rng.integers(0, 2, (T, B)), T=T, B=B, label=f"{T} steps") for T, B in [(1, 4), (2, 8), (9, 6), (200, 5)]
    ],
    mistakes=[
        Mistake("count", lambda h, x_t: h + x_t, "That counts the ones. Even or odd is all that is asked for."),
        Mistake(
            "or", lambda h, x_t: h | x_t, "That says whether there was a one at all. A second one must undo the first."
        ),
        Mistake("and", lambda h, x_t: h & x_t, "That stays 0 for ever: the state starts at 0."),
        Mistake("no memory", lambda h, x_t: x_t, "That forgets the old state: the new one needs both h and x_t."),
        Mistake(
            "one at the start",
            lambda h, x_t: 1 - (h + x_t) % 2,
            "That turns the state round at every step, also when a 0 arrives.",
        ),
    ],
    returns="h_T",
    call=_final,
)

# ---- Exercise 2: the mean so far -------------------------------------------------------------------------------------


def _mean_so_far(step, x):
    """Run the step over x of shape (T, B); the means after each step."""
    mean, means = np.zeros(x.shape[1]), []
    for t, x_t in enumerate(x, 1):
        mean = _written(step(mean, t, x_t))
        means.append(mean)
    return np.stack(means)


check_mean_step = Check(
    "check_mean_step",
    solution=lambda mean, t, x_t: mean + (x_t - mean) / t,
    cases=lambda rng: [
        case(rng.normal(size=(T, B)), T=T, B=B, label=f"{T} steps") for T, B in [(1, 3), (2, 4), (30, 2)]
    ],
    mistakes=[
        Mistake(
            "average of two",
            lambda mean, t, x_t: (mean + x_t) / 2,
            "That gives the newest number half of the weight. After t steps its share is 1/t.",
        ),
        Mistake("sum", lambda mean, t, x_t: mean + x_t, "That is the sum so far."),
        Mistake(
            "old part not shrunk",
            lambda mean, t, x_t: mean + x_t / t,
            "The new number enters with 1/t, but the old mean must shrink in return: its share is (t − 1)/t.",
        ),
        Mistake(
            "one too many",
            lambda mean, t, x_t: mean + (x_t - mean) / (t + 1),
            "The first step has t = 1: there the mean is the number itself, so divide by t.",
        ),
    ],
    returns="means",
    call=_mean_so_far,
)

# ---- Exercise 3: a queue made of two matrices ------------------------------------------------------------------------


def _echoed(weights, x, delay):
    """Run h_t = x_t W_x + h_{t-1} W_h over x of shape (T, B, K) and read y_t = h_t W_y."""
    W_x, W_h, W_y = _written(weights(delay, x.shape[-1]))
    h, ys = np.zeros((x.shape[1], np.asarray(W_h).shape[0])), []
    for x_t in x:
        h = x_t @ W_x + h @ W_h
        ys.append(h @ W_y)
    return np.stack(ys)


def _queue(delay, K, shift=None, read=None):
    """Places 0 … delay of K numbers each: a symbol enters at 0 and moves on by one place a step."""
    shift = np.eye(delay + 1, k=1) if shift is None else shift
    read = delay if read is None else read
    place = np.eye(delay + 1)
    return np.kron(place[:1], np.eye(K)), np.kron(shift, np.eye(K)), np.kron(place[:, [read]], np.eye(K))


def _echo_cases(rng):
    cases = []
    for T, B, K, delay in [(6, 2, 2, 1), (9, 3, 3, 4), (4, 1, 2, 0)]:
        x = np.eye(K)[rng.integers(0, K, (T, B))]
        cases.append(case(x, delay, T=T, B=B, K=K, label=f"delay {delay}"))
    return cases


check_queue = Check(
    "check_queue",
    solution=_queue,
    cases=_echo_cases,
    mistakes=[
        Mistake(
            "one early",
            lambda delay, K: _queue(delay, K, read=max(delay - 1, 0)),
            "One step early: the symbol of `delay` steps ago has moved `delay` places since it came in.",
        ),
        Mistake(
            "backwards",
            lambda delay, K: _queue(delay, K, shift=np.eye(delay + 1, k=-1)),
            "W_h moves the other way: the newest symbol falls out at once. Row i of W_h says where place i goes.",
        ),
        Mistake(
            "kept",
            lambda delay, K: _queue(delay, K, shift=np.eye(delay + 1)),
            "W_h keeps every symbol where it is, so they pile up at the entrance. It must move them on.",
        ),
        Mistake(
            "ring",
            lambda delay, K: _queue(delay, K, shift=np.roll(np.eye(delay + 1), 1, axis=1)),
            "The queue is a ring: what leaves at the end comes in again at the front. It must be forgotten.",
        ),
    ],
    returns="y",
    call=_echoed,
)

# ---- Exercise 4: the product of two marked numbers -------------------------------------------------------------------


def _chances(T, k):
    """Probabilities that the window of the last k steps sees both markers, one, or none; T even."""
    second = min(k / (T / 2), 1)
    first = max(k / (T / 2) - 1, 0)
    return first, second - first, 1 - second


def _product_error(T, k, one=1 / 36, none=7 / 144):
    _, p_one, p_none = _chances(T, k)
    return p_one * one + p_none * none


def _independent(T, k):
    first, one, _ = _chances(T, k)
    second = first + one
    return (first * (1 - second) + second * (1 - first)) / 36 + (1 - first) * (1 - second) * 7 / 144


check_product_window = Check(
    "check_product_window",
    solution=_product_error,
    cases=lambda rng: (
        [
            case(20, k, label=label)
            for k, label in [
                (0, "no window"),
                (6, "a short window"),
                (10, "half"),
                (16, "a long window"),
                (20, "all steps"),
            ]
        ]
        + [case(50, 40, label="T = 50")]
    ),
    mistakes=[
        Mistake(
            "as for the sum",
            lambda T, k: (1 - k / T) / 6,
            "That is the error for the sum. The product of two numbers has another variance.",
        ),
        Mistake(
            "unknown factor alone",
            lambda T, k: _product_error(T, k, one=1 / 12),
            "One number u is known: the product varies by u² · 1/12. Average this over u.",
        ),
        Mistake(
            "mean squared instead of mean of the square",
            lambda T, k: _product_error(T, k, one=1 / 48),
            "The known number enters squared, so you need the mean of u², which is 1/3, not the square of its mean.",
        ),
        Mistake(
            "variances multiplied",
            lambda T, k: _product_error(T, k, none=1 / 144),
            "With none known: the variance of a product is not the product of the variances. Use E[u²v²] − E[uv]².",
        ),
        Mistake(
            "mean not taken away",
            lambda T, k: _product_error(T, k, none=1 / 9),
            "With none known: 1/9 is the mean of the square. Take away the square of the mean.",
        ),
    ],
    returns="error",
)
