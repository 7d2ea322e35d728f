"""Checks for the exercises of notebooks/02_rnn/5_keras.ipynb."""

from __future__ import annotations

import numpy as np

from common.exercises.core import Answer, Check, Mistake, case

# ---- Exercise 1: count the parameters --------------------------------------------------------------------------------

check_keras_parameters = Answer(
    "check_keras_parameters",
    4289,
    mistakes=[
        Mistake("no dense layer", 4224, "That is the recurrent layer. Dense(1) has 64 weights and a bias."),
        Mistake("no dense bias", 4288, "Dense(1) has a bias too."),
        Mistake("no recurrent bias", 4225, "The recurrent layer has 64 biases."),
        Mistake("two biases", 4353, "That is PyTorch's count, with two biases in the cell. Keras has one."),
        Mistake("once a step", 42890, "The ten steps share their weights: the length does not appear in the count."),
    ],
)

# ---- Exercise 2: axes ------------------------------------------------------------------------------------------------


def _axis_cases(rng):
    return [case(rng.normal(size=(T, B, D)), T=T, B=B, D=D) for T, B, D in [(5, 3, 2), (4, 4, 4), (1, 3, 2)]]


check_to_keras_layout = Check(
    "check_to_keras_layout",
    solution=lambda x: np.swapaxes(x, 0, 1),
    cases=_axis_cases,
    mistakes=[
        Mistake(
            "reshape",
            lambda x: x.reshape(x.shape[1], x.shape[0], x.shape[2]),
            "The shape is right and the content is not: reshape does not move axes, it reads on through memory, so "
            "examples are mixed.",
        ),
        Mistake("all axes reversed", lambda x: x.T, ".T reverses all three axes. Only the first two change places."),
        Mistake("nothing moved", lambda x: x, "This is still time-major."),
        Mistake(
            "last two swapped",
            lambda x: np.swapaxes(x, 1, 2),
            "The last axis, the features, stays where it is. Swap the first two.",
        ),
    ],
    returns="x",
)

# ---- Exercise 3: the silent loss -------------------------------------------------------------------------------------


def _loss_cases(rng):
    return [case(rng.normal(size=(N, T, 1)), rng.normal(size=(N, 1)), N=N, T=T) for N, T in [(4, 3), (5, 5), (1, 2)]]


def _own_targets(predicted, target):
    return float(np.mean((predicted[:, -1] - target) ** 2))


check_silent_loss = Check(
    "check_silent_loss",
    solution=lambda predicted, target: float(np.mean((predicted[:, :, 0] - target) ** 2)),
    cases=_loss_cases,
    mistakes=[
        Mistake(
            "last step only",
            _own_targets,
            "That is what one would like it to be. Keras compares the target with the prediction of every step.",
        ),
        Mistake(
            "first step only",
            lambda predicted, target: float(np.mean((predicted[:, 0] - target) ** 2)),
            "That compares the first step alone. Every step meets the target.",
        ),
        Mistake(
            "all with all",
            lambda predicted, target: float(np.mean((predicted - target) ** 2)),
            "(N, T, 1) against (N, 1) broadcasts examples against steps. Keras drops the last axis of the prediction "
            "first.",
        ),
        Mistake(
            "sum over the steps",
            lambda predicted, target: float(np.mean(np.sum((predicted[:, :, 0] - target) ** 2, axis=1))),
            "It is the mean over examples and steps, not the sum over the steps.",
        ),
    ],
    returns="the loss",
)

# ---- Exercise 4: a mask for the fused path ---------------------------------------------------------------------------


def _fused_mask(mask):
    return bool(mask[:, 0].all() and not (mask[:, 1:] & ~mask[:, :-1]).any())


def _mask_cases(rng):
    rows = {
        "all real": ["111", "111"],
        "right-padded": ["1110", "1000"],
        "left-padded": ["0111", "1111"],
        "a hole": ["1011", "1111"],
        "an empty row": ["1100", "0000"],
        "one step": ["1", "1"],
    }
    return [case(np.array([[c == "1" for c in row] for row in value]), label=name) for name, value in rows.items()]


check_fused_mask = Check(
    "check_fused_mask",
    solution=_fused_mask,
    cases=_mask_cases,
    mistakes=[
        Mistake(
            "empty rows allowed",
            lambda mask: not bool((mask[:, 1:] & ~mask[:, :-1]).any()),
            "An empty row is right-padded from the start, but a sequence without any step is refused.",
        ),
        Mistake(
            "first step only",
            lambda mask: bool(mask[:, 0].all()),
            "That looks at the first step. A row with a hole passes it.",
        ),
        Mistake(
            "no padding at all",
            lambda mask: bool(mask.all()),
            "Padding on the right is allowed.",
        ),
        Mistake(
            "every row has a step",
            lambda mask: bool(mask.any(axis=1).all()),
            "That only asks that no row is empty. The order of real and padded steps matters too.",
        ),
    ],
    returns="the verdict",
)
