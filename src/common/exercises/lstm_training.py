"""Checks for the exercises of notebooks/04_lstm/3_training.ipynb: a start, a counter by hand, the direct path."""

from __future__ import annotations

import numpy as np

from common.exercises.core import Case, Check, Mistake, case
from common.exercises.lstm_from_scratch import check_counter_by_hand

__all__ = ["check_chrono_start", "check_counter_by_hand", "check_direct_path"]


# ---- Exercise 1: a start for long memories ---------------------------------------------------------------------------


def _start(u, *, input_gate=-1.0, bias=np.log, order="ifgo"):
    b_f, nothing = bias(u), np.zeros_like(u)
    blocks = {"i": input_gate * b_f, "f": b_f, "g": nothing, "o": nothing}
    return np.concatenate([blocks[letter] for letter in order])


def _start_cases(rng: np.random.Generator) -> list[Case]:
    return [case(rng.uniform(1.5, longest - 1, H), H=H) for H, longest in [(5, 50), (1, 10), (8, 200)]]


check_chrono_start = Check(
    "check_chrono_start",
    solution=_start,
    cases=_start_cases,
    mistakes=[
        Mistake(
            "input gate open",
            lambda u: _start(u, input_gate=1.0),
            "The input gate begins as open as the forget gate. INIT.1 gives it the opposite sign.",
        ),
        Mistake(
            "input gate left out",
            lambda u: _start(u, input_gate=0.0),
            "The input gate's block is zero. INIT.1 sets it too.",
        ),
        Mistake("no logarithm", lambda u: _start(u, bias=lambda u: u), "The bias is log u, not u itself."),
        Mistake(
            "the gate itself",
            lambda u: _start(u, bias=lambda u: u / (1 + u)),
            "That is the value of the gate. The bias is what goes into σ to make it.",
        ),
        Mistake(
            "another order",
            lambda u: _start(u, order="figo"),
            "The blocks stand in the order i, f, g, o. Here the first two have changed places.",
        ),
        Mistake(
            "order of ONNX",
            lambda u: _start(u, order="iogf"),
            "The forget gate's block is the second. Here it stands elsewhere.",
        ),
    ],
    returns="b",
)


# ---- Exercise 3: the direct path -------------------------------------------------------------------------------------


def _direct(f):
    return np.concatenate([np.ones_like(f[:1]), np.cumprod(f[::-1], axis=0)])


def _direct_cases(rng: np.random.Generator) -> list[Case]:
    return [case(rng.uniform(0.2, 0.99, (T, B, H)), T=T, B=B, H=H) for T, B, H in [(6, 3, 4), (1, 2, 3), (4, 1, 2)]]


check_direct_path = Check(
    "check_direct_path",
    solution=_direct,
    cases=_direct_cases,
    mistakes=[
        Mistake(
            "from the first step on",
            lambda f: np.concatenate([np.ones_like(f[:1]), np.cumprod(f, axis=0)]),
            "You multiply from the first step on. The gradient comes from the end and meets the last gate first.",
        ),
        Mistake(
            "by step, not by lag",
            lambda f: _direct(f)[::-1],
            "The entries are right and in reverse order: entry 0 belongs to c_T, the last one to c_0.",
        ),
        Mistake(
            "no lag 0",
            lambda f: np.cumprod(f[::-1], axis=0),
            "Entry 0 is missing: at c_T nothing is multiplied yet, so it is 1, and there are T + 1 entries.",
        ),
        Mistake(
            "gates, not their products",
            lambda f: np.concatenate([np.ones_like(f[:1]), f[::-1]]),
            "These are the single gates. On the way back they multiply: entry k is a product of k of them.",
        ),
        Mistake(
            "a sum",
            lambda f: np.concatenate([np.ones_like(f[:1]), np.cumsum(f[::-1], axis=0)]),
            "The gates are added up. Each of them multiplies what is left.",
        ),
    ],
    returns="what is left",
)
