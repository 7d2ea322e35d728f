"""Checks for the exercises of notebooks/02_rnn/4_pytorch.ipynb."""

from __future__ import annotations

import numpy as np

from common.exercises.core import Check, Mistake, case

# ---- Exercise 1: the shapes ------------------------------------------------------------------------------------------


def _shapes(T, B, H, layers, directions, batch_first):
    time_and_batch = (B, T) if batch_first else (T, B)
    return (*time_and_batch, directions * H), (layers * directions, B, H)


def _all_layers_in_output(T, B, H, layers, directions, batch_first):
    time_and_batch = (B, T) if batch_first else (T, B)
    return (*time_and_batch, layers * directions * H), (layers * directions, B, H)


def _state_moves_too(T, B, H, layers, directions, batch_first):
    output, h_n = _shapes(T, B, H, layers, directions, batch_first)
    return output, ((B, layers * directions, H) if batch_first else h_n)


check_rnn_shapes = Check(
    "check_rnn_shapes",
    solution=_shapes,
    cases=lambda rng: [
        case(7, 3, 5, 1, 1, False, label="one layer"),
        case(7, 3, 5, 1, 1, True, label="batch first"),
        case(7, 3, 5, 2, 1, False, label="two layers"),
        case(6, 4, 3, 2, 2, True, label="two layers, two directions, batch first"),
    ],
    mistakes=[
        Mistake(
            "batch first ignored",
            lambda T, B, H, layers, directions, batch_first: _shapes(T, B, H, layers, directions, False),
            "With batch_first the output starts with the batch axis.",
        ),
        Mistake(
            "state moves too",
            _state_moves_too,
            "batch_first moves the batch axis of output only. h_n keeps its order: layer, batch, unit.",
        ),
        Mistake(
            "all layers in output",
            _all_layers_in_output,
            "output holds the top layer only, so the number of layers does not appear in it.",
        ),
        Mistake(
            "top layer in h_n",
            lambda T, B, H, layers, directions, batch_first: (
                _shapes(T, B, H, layers, directions, batch_first)[0],
                (directions, B, H),
            ),
            "h_n holds the last state of every layer, not of the top one alone.",
        ),
        Mistake(
            "one direction",
            lambda T, B, H, layers, directions, batch_first: _shapes(T, B, H, layers, 1, batch_first),
            "Two directions stand side by side in output and one after the other in h_n.",
        ),
    ],
    returns=("output", "h_n"),
)

# ---- Exercise 2: weights from PyTorch --------------------------------------------------------------------------------


def _weight_cases(rng):
    return [
        case(rng.normal(size=(H, D)), rng.normal(size=(H, H)), rng.normal(size=H), rng.normal(size=H), D=D, H=H)
        for D, H in [(2, 5), (3, 4), (4, 4)]
    ]


check_weights_from_torch = Check(
    "check_weights_from_torch",
    solution=lambda w, u, b, c: (w.T, u.T, b + c),
    cases=_weight_cases,
    mistakes=[
        Mistake(
            "recurrent weights not transposed",
            lambda w, u, b, c: (w.T, u, b + c),
            "W_h is not transposed. It is square, so no error would ever tell you.",
        ),
        Mistake(
            "second bias dropped",
            lambda w, u, b, c: (w.T, u.T, b),
            "bias_hh is missing. Both biases enter the pre-activation, so their sum is b.",
        ),
        Mistake("first bias dropped", lambda w, u, b, c: (w.T, u.T, c), "bias_ih is missing. b is the sum of both."),
        Mistake("mean of the biases", lambda w, u, b, c: (w.T, u.T, (b + c) / 2), "b is the sum of the two biases."),
        Mistake("nothing transposed", lambda w, u, b, c: (w, u, b + c), "PyTorch stores both matrices transposed."),
    ],
    returns=("W_x", "W_h", "b"),
)

# ---- Exercise 3: the last real output --------------------------------------------------------------------------------


def _padded_cases(rng):
    sizes = [(5, 3, 4, [5, 2, 1]), (1, 1, 1, [1]), (4, 2, 3, [1, 3])]
    return [case(rng.normal(size=(T, B, H)), np.array(n), T=T, B=B, H=H) for T, B, H, n in sizes]


def _last(outputs, lengths):
    return outputs[lengths - 1, np.arange(len(lengths))]


check_last_outputs = Check(
    "check_last_outputs",
    solution=_last,
    cases=_padded_cases,
    mistakes=[
        Mistake(
            "last row of the rectangle",
            lambda outputs, lengths: outputs[-1],
            "That is the last step of the rectangle. For a short sequence it is padding.",
        ),
        Mistake(
            "one late",
            lambda outputs, lengths: outputs[np.minimum(lengths, len(outputs) - 1), np.arange(len(lengths))],
            "One step late: a sequence of length n ends at index n − 1.",
        ),
        Mistake(
            "a block instead of pairs",
            lambda outputs, lengths: outputs[lengths - 1],
            "Indexing with the lengths alone takes whole rows of the batch. Give the number of each sequence too.",
        ),
        Mistake(
            "first step",
            lambda outputs, lengths: outputs[np.zeros_like(lengths), np.arange(len(lengths))],
            "That is the first step of every sequence.",
        ),
    ],
    returns="the outputs",
)

# ---- Exercise 4: a mean without the padding --------------------------------------------------------------------------


def _real(losses, lengths):
    return np.arange(len(losses))[:, None] < lengths


def _masked_mean(losses, lengths):
    real = _real(losses, lengths)
    return losses[real].mean(), real / real.sum()


def _divided_by_all(losses, lengths):
    real = _real(losses, lengths)
    return (losses * real).sum() / real.size, real / real.size


def _mean_of_means(losses, lengths):
    real = _real(losses, lengths)
    return ((losses * real).sum(axis=0) / lengths).mean(), real / lengths / len(lengths)


def _gradient_of_the_sum(losses, lengths):
    real = _real(losses, lengths)
    return losses[real].mean(), real.astype(float)


def _loss_cases(rng):
    sizes = [(5, 3, [5, 2, 1]), (4, 2, [3, 4]), (6, 3, [2, 6, 3])]
    return [case(rng.uniform(1, 2, size=(T, B)), np.array(n), T=T, B=B) for T, B, n in sizes]


check_masked_mean = Check(
    "check_masked_mean",
    solution=_masked_mean,
    cases=_loss_cases,
    mistakes=[
        Mistake(
            "padding counted",
            lambda losses, lengths: (losses.mean(), np.full_like(losses, 1 / losses.size)),
            "The padding is in the mean. Only steps before a sequence's length count.",
        ),
        Mistake(
            "divided by all steps",
            _divided_by_all,
            "The sum leaves the padding out, but you divide by all T · B steps. Divide by the number of real ones.",
        ),
        Mistake(
            "mean of means",
            _mean_of_means,
            "That averages within each sequence first, so a step of a short sequence counts more.",
        ),
        Mistake(
            "gradient of the sum",
            _gradient_of_the_sum,
            "The mean is right. Its gradient is not 1 for a real step: each enters with weight 1 over their number.",
        ),
    ],
    returns=("mean", "gradient"),
)
