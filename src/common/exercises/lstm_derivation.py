"""Checks for the exercises of notebooks/04_lstm/1_derivation.ipynb."""

from __future__ import annotations

import numpy as np

from common.exercises.core import Check, Mistake, case

# ---- Exercise 1: how many parameters ---------------------------------------------------------------------------------

check_lstm_parameter_count = Check(
    "check_lstm_parameter_count",
    solution=lambda D, H, K: 4 * (D * H + H * H + H) + H * K + K,
    cases=lambda rng: [case(28, 64, 10), case(1, 1, 1), case(2, 3, 5)],
    mistakes=[
        Mistake(
            "one block",
            lambda D, H, K: D * H + H * H + H + H * K + K,
            "That is the plain cell. An LSTM has a block of weights for each of i, f, g and o.",
        ),
        Mistake(
            "three blocks",
            lambda D, H, K: 3 * (D * H + H * H + H) + H * K + K,
            "Those are the three gates. The candidate g is no gate, but it has weights of its own.",
        ),
        Mistake(
            "five blocks",
            lambda D, H, K: 5 * (D * H + H * H + H) + H * K + K,
            "One block too many: the cell state c is computed from the others and has no weights.",
        ),
        Mistake(
            "two biases",
            lambda D, H, K: 4 * (D * H + H * H + 2 * H) + H * K + K,
            "That is PyTorch's count, which keeps two biases in each block. Here a block has one.",
        ),
        Mistake(
            "no output layer",
            lambda D, H, K: 4 * (D * H + H * H + H),
            "The output layer is missing: W_y and b_y.",
        ),
        Mistake(
            "no b",
            lambda D, H, K: 4 * (D * H + H * H) + H * K + K,
            "The bias b of the cell is missing: H numbers in each block.",
        ),
        Mistake(
            "no b_y",
            lambda D, H, K: 4 * (D * H + H * H + H) + H * K,
            "The bias b_y of the output layer is missing.",
        ),
        Mistake(
            "no biases",
            lambda D, H, K: 4 * (D * H + H * H) + H * K,
            "The biases are missing: four blocks of H in the cell, and K in the output layer.",
        ),
    ],
    returns="the count",
)

# ---- Exercise 2: a forget gate that holds ----------------------------------------------------------------------------


def _sigmoid(a):
    return 1 / (1 + np.exp(-a))


def _bias_to_hold(part, T):
    f = part ** (1 / T)
    return np.log(f / (1 - f))


check_bias_to_hold = Check(
    "check_bias_to_hold",
    solution=_bias_to_hold,
    cases=lambda rng: [case(0.5, 10), case(0.9, 100), case(0.1, 1), case(0.99, 1000)],
    mistakes=[
        Mistake(
            "the gate",
            lambda part, T: part ** (1 / T),
            "That is the value of the gate. The bias is what goes into σ to make it.",
        ),
        Mistake(
            "one step",
            lambda part, T: np.log(part / (1 - part)),
            "That bias keeps the part after one step. Here the gate multiplies T times.",
        ),
        Mistake(
            "sign",
            lambda part, T: -_bias_to_hold(part, T),
            "The sign is the wrong way round: a gate above 1/2 needs a positive bias.",
        ),
        Mistake(
            "logarithm alone",
            lambda part, T: np.log(part) / T,
            "That is the logarithm of the gate. The inverse of σ is log(f / (1 − f)).",
        ),
        Mistake(
            "squashed again",
            lambda part, T: _sigmoid(part ** (1 / T)),
            "That squashes the gate a second time. You need the inverse of σ.",
        ),
    ],
    returns="the bias",
)

# ---- Exercise 3: one gate for both -----------------------------------------------------------------------------------


def _coupled_cases(rng):
    return [
        case(
            rng.normal(size=(B, H)),
            rng.normal(size=(B, H)),
            np.tanh(rng.normal(size=(B, H))),
            _sigmoid(rng.normal(size=(B, H))),
            B=B,
            H=H,
        )
        for B, H in [(3, 4), (1, 1), (2, 5)]
    ]


check_coupled_delta = Check(
    "check_coupled_delta",
    solution=lambda dc, c_before, g, i: dc * (g - c_before) * i * (1 - i),
    cases=_coupled_cases,
    mistakes=[
        Mistake(
            "one path",
            lambda dc, c_before, g, i: dc * g * i * (1 - i),
            "That is LSTM.11 as it stands. Here i also decides how much of the old state is kept: a second path.",
        ),
        Mistake(
            "paths with the same sign",
            lambda dc, c_before, g, i: dc * (g + c_before) * i * (1 - i),
            "Both paths are there, but a larger i keeps less of the old state: 1 − i has the slope −1.",
        ),
        Mistake(
            "no slope",
            lambda dc, c_before, g, i: dc * (g - c_before),
            "That is the derivative with respect to i. For the pre-activation multiply by the slope of σ.",
        ),
        Mistake(
            "squashed twice",
            lambda dc, c_before, g, i: dc * (g - c_before) * _sigmoid(i) * (1 - _sigmoid(i)),
            "i is the value of σ already: this squashes it a second time.",
        ),
        Mistake(
            "only the old state",
            lambda dc, c_before, g, i: -dc * c_before * i * (1 - i),
            "The path through the candidate is missing: i still decides how much of g is written.",
        ),
    ],
    returns="delta_i",
)

# ---- Exercise 4: peepholes, forward ----------------------------------------------------------------------------------


def _peephole(a, c_before, p_i, p_f, p_o, *, o_sees="c", g_sees=0.0, inside=True):
    a_i, a_f, a_g, a_o = np.split(a, 4, axis=1)
    if inside:
        i, f = _sigmoid(a_i + p_i * c_before), _sigmoid(a_f + p_f * c_before)
    else:
        i, f = _sigmoid(a_i) + p_i * c_before, _sigmoid(a_f) + p_f * c_before
    g = np.tanh(a_g + g_sees * c_before)
    c = f * c_before + i * g
    seen = c if o_sees == "c" else c_before
    o = _sigmoid(a_o + p_o * seen) if inside else _sigmoid(a_o) + p_o * seen
    return o * np.tanh(c), c


def _peephole_forward(a, c_before, p_i, p_f, p_o):
    return _peephole(a, c_before, p_i, p_f, p_o)


def _another_order(a, c_before, p_i, p_f, p_o):
    a_i, a_f, a_g, a_o = np.split(a, 4, axis=1)
    return _peephole(np.hstack([a_i, a_f, a_o, a_g]), c_before, p_i, p_f, p_o)


def _peephole_cases(rng):
    return [
        case(
            rng.normal(size=(B, 4 * H)),
            rng.normal(size=(B, H)),
            *rng.normal(size=(3, H)),
            B=B,
            H=H,
        )
        for B, H in [(3, 4), (1, 1), (2, 5)]
    ]


check_peephole_forward = Check(
    "check_peephole_forward",
    solution=_peephole_forward,
    cases=_peephole_cases,
    mistakes=[
        Mistake(
            "o sees the old state",
            lambda a, c_before, p_i, p_f, p_o: _peephole(a, c_before, p_i, p_f, p_o, o_sees="c_before"),
            "The output gate looks at the new cell state c_t, which is there by then; i and f look at c_{t-1}.",
        ),
        Mistake(
            "no peepholes",
            lambda a, c_before, p_i, p_f, p_o: _peephole(a, c_before, 0 * p_i, 0 * p_f, 0 * p_o),
            "That is the cell without peepholes: the gates do not look at the cell state yet.",
        ),
        Mistake(
            "outside the gate",
            lambda a, c_before, p_i, p_f, p_o: _peephole(a, c_before, p_i, p_f, p_o, inside=False),
            "The peephole belongs to the pre-activation, inside σ. Outside, a gate can leave the range 0 to 1.",
        ),
        Mistake(
            "g looks too",
            lambda a, c_before, p_i, p_f, p_o: _peephole(a, c_before, p_i, p_f, p_o, g_sees=p_i),
            "The candidate g has no peephole; only the three gates have one.",
        ),
        Mistake(
            "h and c swapped",
            lambda *a: _peephole_forward(*a)[::-1],
            "h and c are exchanged: h comes first.",
        ),
        Mistake(
            "weights of i and f exchanged",
            lambda a, c_before, p_i, p_f, p_o: _peephole(a, c_before, p_f, p_i, p_o),
            "Two of the peephole weights are exchanged: p_i belongs to the input gate, p_f to the forget gate.",
        ),
        Mistake(
            "another order",
            _another_order,
            "The blocks of a stand in the order i, f, g, o. Here the last two are exchanged.",
        ),
    ],
    returns=("h", "c"),
)

# ---- Exercise 5: peepholes, backward ---------------------------------------------------------------------------------


def _peephole_back(
    dh, carry, c_before, c, i, f, g, o, p_i, p_f, p_o, *, into_c=1.0, into_carry=1.0, o_saw="c", brackets=True
):
    def through(d, gate):
        return d * gate * (1 - gate) if brackets else d * gate * 1 - gate

    delta_o = through(dh * np.tanh(c), o)
    dc = dh * o * (1 - np.tanh(c) ** 2) + carry + into_c * delta_o * p_o
    delta_i = through(dc * g, i)
    delta_f = through(dc * c_before, f)
    delta_g = dc * i * (1 - g**2)
    dc_before = dc * f + into_carry * (delta_i * p_i + delta_f * p_f)
    seen = c if o_saw == "c" else c_before
    dp = np.stack([delta_i * c_before, delta_f * c_before, delta_o * seen])
    return np.hstack([delta_i, delta_f, delta_g, delta_o]), dc_before, dp


def _peephole_backward(dh, carry, c_before, c, i, f, g, o, p_i, p_f, p_o):
    delta, dc_before, dp = _peephole_back(dh, carry, c_before, c, i, f, g, o, p_i, p_f, p_o)
    return delta, dc_before, dp.sum(axis=1)


def _wrongly(**options):
    def backward(dh, carry, c_before, c, i, f, g, o, p_i, p_f, p_o):
        delta, dc_before, dp = _peephole_back(dh, carry, c_before, c, i, f, g, o, p_i, p_f, p_o, **options)
        return delta, dc_before, dp.sum(axis=1)

    return backward


def _blocks_of_delta(delta, dc_before, dp):
    d_i, d_f, d_g, d_o = np.split(delta, 4, axis=1)
    return np.hstack([d_i, d_f, d_o, d_g]), dc_before, dp


def _no_batch_sum(dh, carry, c_before, c, i, f, g, o, p_i, p_f, p_o):
    return _peephole_back(dh, carry, c_before, c, i, f, g, o, p_i, p_f, p_o)


def _peephole_back_cases(rng):
    found = []
    for B, H in [(3, 4), (1, 1), (2, 5)]:
        dh, carry, c_before, a_i, a_f, a_g, a_o = rng.normal(size=(7, B, H))
        p_i, p_f, p_o = rng.normal(size=(3, H))
        i, f, g = _sigmoid(a_i + p_i * c_before), _sigmoid(a_f + p_f * c_before), np.tanh(a_g)
        c = f * c_before + i * g
        o = _sigmoid(a_o + p_o * c)
        found.append(case(dh, carry, c_before, c, i, f, g, o, p_i, p_f, p_o, B=B, H=H))
    return found


check_peephole_backward = Check(
    "check_peephole_backward",
    solution=_peephole_backward,
    cases=_peephole_back_cases,
    mistakes=[
        Mistake(
            "as without peepholes",
            _wrongly(into_c=0.0, into_carry=0.0),
            "The new paths are missing: c_t also reaches o_t, and c_{t-1} also reaches i_t and f_t.",
        ),
        Mistake(
            "o does not reach c",
            _wrongly(into_c=0.0),
            "c_t has one more path, through the output gate: dc_t is missing the term with p_o.",
        ),
        Mistake(
            "gates do not reach the old state",
            _wrongly(into_carry=0.0),
            "c_{t-1} has two more paths, through i_t and f_t: the carry is missing the terms with p_i and p_f.",
        ),
        Mistake(
            "dp_o with the old state",
            _wrongly(o_saw="c_before"),
            "The output gate has seen c_t, so its weight's gradient is the sum of δ_o ⊙ c_t.",
        ),
        Mistake(
            "another order",
            lambda *a: _blocks_of_delta(*_peephole_backward(*a)),
            "The blocks of delta stand in the order i, f, g, o. Here the last two are exchanged.",
        ),
        Mistake(
            "brackets",
            _wrongly(brackets=False),
            "Brackets are missing in the slope of the gates: `a * i * 1 - i` multiplies first and subtracts then.",
        ),
        Mistake(
            "no sum over the batch",
            _no_batch_sum,
            "The peephole weights serve every row, so their gradients sum over the batch: shape (3, H).",
        ),
    ],
    returns=("delta", "dc_before", "dp"),
)
