"""Checks for the exercises of notebooks/05_gru/5_keras.ipynb."""

from __future__ import annotations

import numpy as np

from common.exercises.core import Answer, Check, Mistake, case

# ---- Exercise 1: count the parameters --------------------------------------------------------------------------------

check_keras_gru_parameters = Answer(
    "check_keras_gru_parameters",
    12929,
    mistakes=[
        Mistake(
            "reset before", 12737, "That is the count for `reset_after=False`. The default keeps two rows of biases."
        ),
        Mistake("this book", 12801, "That is this book's count, with c_n alone as a second bias. Keras keeps a row."),
        Mistake("no dense layer", 12864, "That is the GRU. Dense(1) has 64 weights and a bias."),
        Mistake("no dense bias", 12928, "Dense(1) has a bias too."),
        Mistake("LSTM", 16961, "That is the LSTM's count. A GRU has three blocks, not four."),
    ],
)

# ---- Exercise 2: the order of the blocks -----------------------------------------------------------------------------


def _blocks(*order: int):
    """A version that puts the three blocks in this order."""
    return lambda array: np.concatenate([np.split(array, 3, axis=-1)[block] for block in order], axis=-1)


def _block_cases(rng):
    return [case(rng.normal(size=shape), label=label) for label, shape in
            [("W_x", (2, 12)), ("W_h", (4, 12)), ("b", (12,)), ("one unit", (5, 3))]]  # fmt: skip


check_keras_gate_order = Check(
    "check_keras_gate_order",
    solution=_blocks(1, 0, 2),
    cases=_block_cases,
    mistakes=[
        Mistake("nothing moved", _blocks(0, 1, 2), "This is still r, z, n. Keras begins with z."),
        Mistake(
            "reversed", _blocks(2, 1, 0), "This is n, z, r. The candidate stays last; only the gates change places."
        ),
        Mistake("turned on", _blocks(1, 2, 0), "This is z, n, r. The candidate stays last."),
        Mistake(
            "columns reversed",
            lambda array: array[..., ::-1].copy(),
            "Every single column has been reversed, inside the blocks too. Move whole blocks of H columns.",
        ),
        Mistake(
            "rows",
            lambda array: np.concatenate([array[1:2], array[:1], array[2:]]),
            "The first two rows have changed places. The blocks lie along the last axis.",
        ),
    ],
    returns="the array",
)

# ---- Exercise 3: two rows of biases ----------------------------------------------------------------------------------


def _two_rows(b, c_n):
    r, z, n = np.split(b, 3)
    nothing = np.zeros_like(c_n)
    return np.stack([np.concatenate([z, r, n]), np.concatenate([nothing, nothing, c_n])])


def _not_swapped(b, c_n):
    return np.stack([b, np.concatenate([np.zeros(2 * len(c_n)), c_n])])


def _rows_exchanged(b, c_n):
    return _two_rows(b, c_n)[::-1].copy()


def _added(b, c_n):
    rows = _two_rows(b, c_n)
    return np.stack([rows.sum(0), np.zeros_like(rows[0])])


def _everywhere(b, c_n):
    return np.stack([_two_rows(b, c_n)[0], np.tile(c_n, 3)])


def _in_front(b, c_n):
    return np.stack([_two_rows(b, c_n)[0], np.concatenate([c_n, np.zeros(2 * len(c_n))])])


check_keras_two_biases = Check(
    "check_keras_two_biases",
    solution=_two_rows,
    cases=lambda rng: [case(rng.normal(size=3 * H), rng.normal(size=H), H=H) for H in (4, 1, 2)],
    mistakes=[
        Mistake("not swapped", _not_swapped, "The first row is still in the order r, z, n. Keras' order is z, r, h."),
        Mistake(
            "rows exchanged",
            _rows_exchanged,
            "The rows have changed places: the first belongs to the input product, the second to the recurrent one.",
        ),
        Mistake(
            "added",
            _added,
            "c_n is added to b_n. The reset gate multiplies c_n and not b_n, so it must stay in the second row.",
        ),
        Mistake(
            "everywhere", _everywhere, "c_n belongs to the candidate alone. The gates have no second bias here: zeros."
        ),
        Mistake("in front", _in_front, "c_n stands in the block of the update gate. The candidate is the last block."),
    ],
    returns="bias",
)

# ---- Exercise 4: a step in Keras' layout -----------------------------------------------------------------------------


def _logistic(a):
    return 1 / (1 + np.exp(-a))


def _step(x, h, kernel, recurrent_kernel, bias, *, order="zrh", reset="after", keep="z", inside=True):
    """One step of keras.layers.GRU with reset_after=True; the options make the mistakes."""
    H = h.shape[1]
    columns = {letter: slice(k * H, (k + 1) * H) for k, letter in enumerate(order)}
    outer = x @ kernel + bias[0]
    inner = h @ recurrent_kernel + bias[1]
    z = _logistic(outer[:, columns["z"]] + inner[:, columns["z"]])
    r = _logistic(outer[:, columns["r"]] + inner[:, columns["r"]])
    n = columns["h"]
    if reset == "before":
        through = (r * h) @ recurrent_kernel[:, n] + bias[1, n]
    elif inside:
        through = r * inner[:, n]
    else:
        through = r * (h @ recurrent_kernel[:, n]) + bias[1, n]
    candidate = np.tanh(outer[:, n] + through)
    return z * h + (1 - z) * candidate if keep == "z" else (1 - z) * h + z * candidate


def _variant(**options):
    return lambda *arguments: _step(*arguments, **options)


def _without_second_row(x, h, kernel, recurrent_kernel, bias):
    return _step(x, h, kernel, recurrent_kernel, np.stack([bias[0], np.zeros_like(bias[1])]))


def _step_cases(rng):
    return [
        case(*(rng.normal(size=shape) for shape in ((B, D), (B, H), (D, 3 * H), (H, 3 * H), (2, 3 * H))), B=B, D=D, H=H)
        for B, D, H in [(3, 2, 5), (1, 4, 2), (4, 1, 3)]
    ]


check_keras_gru_step = Check(
    "check_keras_gru_step",
    solution=_variant(),
    cases=_step_cases,
    mistakes=[
        Mistake(
            "order of the gates",
            _variant(order="rzh"),
            "The first block is the update gate z, the second the reset gate r: Keras' order is z, r, h.",
        ),
        Mistake(
            "reset before",
            _variant(reset="before"),
            "The reset gate multiplies the state before the product. With reset_after=True it multiplies the product.",
        ),
        Mistake(
            "bias outside",
            _variant(inside=False),
            "The second row's bias of the candidate stands outside the reset gate. r multiplies it together with the "
            "product.",
        ),
        Mistake(
            "z on the candidate",
            _variant(keep="candidate"),
            "z multiplies the candidate. In Keras, as in this book, z multiplies the old state.",
        ),
        Mistake("no second row", _without_second_row, "The second row of the bias is missing."),
    ],
    returns="h",
)
