"""Checks for the exercises of notebooks/04_lstm/5_keras.ipynb."""

from __future__ import annotations

import numpy as np

from common import cells
from common.exercises.core import Answer, Check, Mistake, case

# ---- Exercise 1: count the parameters --------------------------------------------------------------------------------

check_keras_lstm_parameters = Answer(
    "check_keras_lstm_parameters",
    16961,
    mistakes=[
        Mistake("plain network", 4289, "That is the plain network's count. An LSTM has four blocks of such weights."),
        Mistake("no dense layer", 16896, "That is the LSTM. Dense(1) has 64 weights and a bias."),
        Mistake("no dense bias", 16960, "Dense(1) has a bias too."),
        Mistake("two biases", 17217, "That is PyTorch's count, with two biases in the cell. Keras has one."),
        Mistake("three gates only", 12737, "Three gates, and the candidate: it has weights of its own as well."),
        Mistake("no recurrent bias", 16705, "Each of the four blocks has 64 biases."),
    ],
)

# ---- Exercise 2: what the bias starts with ---------------------------------------------------------------------------


def _bias_with_ones(*ones: int):
    """A starting bias whose blocks of these numbers are one."""
    return lambda H: np.concatenate([np.full(H, float(block in ones)) for block in range(4)])


check_keras_starting_bias = Check(
    "check_keras_starting_bias",
    solution=_bias_with_ones(1),
    cases=lambda rng: [case(H, label=f"{H} units") for H in (3, 1, 5)],
    mistakes=[
        Mistake("zeros", _bias_with_ones(), "All blocks are zero. `unit_forget_bias=True` is the default."),
        Mistake("all ones", _bias_with_ones(0, 1, 2, 3), "Only the forget gate starts at one, not every block."),
        Mistake("input gate", _bias_with_ones(0), "The ones are in the first block. That is the input gate."),
        Mistake("candidate", _bias_with_ones(2), "The ones are in the third block. That is the candidate."),
        Mistake("output gate", _bias_with_ones(3), "The ones are in the last block. That is the output gate."),
        Mistake(
            "every fourth",
            lambda H: np.tile([0.0, 1.0, 0.0, 0.0], H),
            "Every fourth number is one. The blocks lie one after the other, they are not interleaved.",
        ),
    ],
    returns="b",
)

# ---- Exercise 3: carry the state -------------------------------------------------------------------------------------


def _in_chunks(cell, x, state, size):
    outputs = []
    for start in range(0, len(x), size):
        chunk, state = cell.forward(x[start : start + size], state)
        outputs.append(chunk.copy())
    return np.concatenate(outputs)


def _with_states(following):
    """A version that hands `following(first state, last state)` to the next chunk."""

    def in_chunks(cell, x, state, size):
        first, outputs = state, []
        for start in range(0, len(x), size):
            chunk, last = cell.forward(x[start : start + size], state)
            outputs.append(chunk.copy())
            state = following(first, last)
        return np.concatenate(outputs)

    return in_chunks


def _without_the_rest(cell, x, state, size):
    return _in_chunks(cell, x[: len(x) // size * size], state, size)


def _chunk_cases(rng):
    cases = []
    for T, B, D, H, size in [(7, 3, 2, 4, 3), (8, 1, 2, 3, 2), (5, 2, 1, 3, 2)]:
        cell = cells.LSTM(D, H, rng=rng)
        x, h_0, c_0 = (rng.normal(size=shape) for shape in ((T, B, D), (B, H), (B, H)))
        cases.append(case(cell, x, (h_0, c_0), size, T=T, B=B, H=H))
    return cases


check_keras_chunks = Check(
    "check_keras_chunks",
    solution=_in_chunks,
    cases=_chunk_cases,
    mistakes=[
        Mistake(
            "zeros every time",
            _with_states(lambda first, last: None),
            "Every chunk after the first starts from zeros. It should start where the chunk before it has ended.",
        ),
        Mistake(
            "the first state every time",
            _with_states(lambda first, last: first),
            "Every chunk starts from the state that was handed in. Only the first one should.",
        ),
        Mistake(
            "h alone",
            _with_states(lambda first, last: (last[0], np.zeros_like(last[1]))),
            "h is carried and c is not. The LSTM's memory is in c.",
        ),
        Mistake(
            "c alone",
            _with_states(lambda first, last: (np.zeros_like(last[0]), last[1])),
            "c is carried and h is not. The gates of the next step read h.",
        ),
        Mistake(
            "h and c exchanged",
            _with_states(lambda first, last: last[::-1]),
            "h and c have changed places on the way to the next chunk. The state is (h, c).",
        ),
        Mistake(
            "the rest is lost",
            _without_the_rest,
            "The last chunk may be shorter than the others. Its steps are missing.",
        ),
    ],
    returns="hs",
)

# ---- Exercise 4: the last word of both directions --------------------------------------------------------------------


def _pick(ahead, back):
    """A version that takes these steps, functions of (number of steps, lengths), of the two halves."""

    def last_of_both(outputs, lengths):
        (_, T, both), rows = outputs.shape, np.arange(len(outputs))
        half = both // 2
        parts = outputs[rows, ahead(T, lengths), :half], outputs[rows, back(T, lengths), half:]
        return np.concatenate(parts, axis=1)

    return last_of_both


def _end(T, lengths):
    return np.full(len(lengths), T - 1)


def _last_real(T, lengths):
    return lengths - 1


def _first(T, lengths):
    return np.zeros_like(lengths)


def _pair_cases(rng):
    sizes = [(3, 7, 4, [7, 4, 2]), (2, 5, 3, [1, 3]), (1, 4, 1, [2])]
    return [case(rng.normal(size=(B, T, 2 * H)), np.array(lengths), B=B, T=T, H=H) for B, T, H, lengths in sizes]


check_keras_last_of_both = Check(
    "check_keras_last_of_both",
    solution=_pick(_last_real, _first),
    cases=_pair_cases,
    mistakes=[
        Mistake(
            "the last row",
            _pick(_end, _end),
            "That is `outputs[:, -1]`. It is padding wherever a sequence is shorter, and at the last step the backward "
            "direction has only just begun.",
        ),
        Mistake(
            "the last real step of both",
            _pick(_last_real, _last_real),
            "At the last real step the forward half has read everything, but the backward half has read that one step.",
        ),
        Mistake(
            "padding ignored",
            _pick(_end, _first),
            "The backward half is right. The forward half should stop at each sequence's own last step, not at the "
            "last step of the array.",
        ),
        Mistake(
            "the first step of both",
            _pick(_first, _first),
            "At the first step the backward half has read everything, but the forward half has read that one step.",
        ),
        Mistake(
            "halves exchanged",
            _pick(_first, _last_real),
            "That takes the first step of the forward half and the last of the backward half: the other way round.",
        ),
    ],
    returns="h",
)
