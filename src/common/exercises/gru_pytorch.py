"""Checks for the exercises of notebooks/05_gru/4_pytorch.ipynb."""

from __future__ import annotations

import numpy as np

from common.exercises.core import Check, Mistake, case

# ---- Exercise 1: three counts ----------------------------------------------------------------------------------------


def _counts(D, H):
    weights = 3 * H * (D + H)
    return weights + 6 * H, weights + 4 * H, weights + 3 * H


def _four_blocks(D, H):
    weights = 4 * H * (D + H)
    return weights + 8 * H, weights + 5 * H, weights + 4 * H


def _input_weights_only(D, H):
    return 3 * H * D + 6 * H, 3 * H * D + 4 * H, 3 * H * D + 3 * H


check_torch_gru_count = Check(
    "check_torch_gru_count",
    solution=_counts,
    cases=lambda rng: [case(D, H, D=D, H=H) for D, H in [(4, 5), (1, 1), (2, 7)]],
    mistakes=[
        Mistake("four blocks", _four_blocks, "Four blocks are an LSTM's. A GRU has three: r, z and n."),
        Mistake(
            "one bias in PyTorch",
            lambda D, H: (_counts(D, H)[2], *_counts(D, H)[1:]),
            "The first count is too small: `nn.GRU` has two biases of 3H numbers each, needed or not.",
        ),
        Mistake(
            "two full biases after",
            lambda D, H: (_counts(D, H)[0], _counts(D, H)[0], _counts(D, H)[2]),
            "The second count is too large: with the reset after the product only the candidate needs a second bias.",
        ),
        Mistake(
            "second bias before",
            lambda D, H: (*_counts(D, H)[:2], _counts(D, H)[1]),
            "The third count is too large: with the reset before the product there is no second bias at all.",
        ),
        Mistake(
            "no second bias after",
            lambda D, H: (_counts(D, H)[0], _counts(D, H)[2], _counts(D, H)[2]),
            "The second count is too small: with the reset after the product the candidate has a bias of its own, c_n.",
        ),
        Mistake("no recurrent weights", _input_weights_only, "The recurrent weights are missing: three blocks H × H."),
    ],
    returns=("nn.GRU", "reset after", "reset before"),
)

# ---- Exercise 2: weights from PyTorch --------------------------------------------------------------------------------


def _from_torch(weight_ih, weight_hh, bias_ih, bias_hh):
    H = weight_hh.shape[1]
    b = bias_ih + bias_hh
    b[2 * H :] = bias_ih[2 * H :]
    return weight_ih.T, weight_hh.T, b, bias_hh[2 * H :]


def _with_biases(b, c_n):
    """The right matrices with other biases: b and c_n from (bias_ih, bias_hh, H)."""

    def answer(weight_ih, weight_hh, bias_ih, bias_hh):
        H = weight_hh.shape[1]
        return weight_ih.T, weight_hh.T, b(bias_ih, bias_hh, H), c_n(bias_ih, bias_hh, H)

    return answer


def _candidate(first, second, H):
    return second[2 * H :]


def _blocks_swapped(weight_ih, weight_hh, bias_ih, bias_hh):
    H = weight_hh.shape[1]
    order = np.r_[H : 2 * H, :H, 2 * H : 3 * H]
    W_x, W_h, b, c_n = _from_torch(weight_ih, weight_hh, bias_ih, bias_hh)
    return W_x[:, order], W_h[:, order], b[order], c_n


check_torch_gru_weights = Check(
    "check_torch_gru_weights",
    solution=_from_torch,
    cases=lambda rng: [
        case(
            rng.normal(size=(3 * H, D)),
            rng.normal(size=(3 * H, H)),
            rng.normal(size=3 * H),
            rng.normal(size=3 * H),
            D=D,
            H=H,
        )
        for D, H in [(2, 5), (4, 3), (1, 1)]
    ],
    mistakes=[
        Mistake(
            "all biases added",
            _with_biases(lambda first, second, H: first + second, lambda first, second, H: np.zeros(H)),
            "The candidate's two biases do not add up: r multiplies the second one. Keep it apart, as c_n.",
        ),
        Mistake(
            "counted twice",
            _with_biases(lambda first, second, H: first + second, _candidate),
            "c_n is right, and it is in b as well. The block n of b is bias_ih alone.",
        ),
        Mistake(
            "second biases of the gates dropped",
            _with_biases(lambda first, second, H: first, _candidate),
            "For r and z the second bias counts too: there b is the sum of both.",
        ),
        Mistake(
            "candidate's biases swapped",
            _with_biases(
                lambda first, second, H: np.r_[(first + second)[: 2 * H], second[2 * H :]],
                lambda first, second, H: first[2 * H :],
            ),
            "The candidate's biases have changed places. The one beside the recurrent product is c_n.",
        ),
        Mistake(
            "gates swapped",
            _blocks_swapped,
            "r and z have changed places. PyTorch and this book have the same order; Keras has the other.",
        ),
        Mistake(
            "nothing transposed",
            lambda w, u, b, c: (w, u, *_from_torch(w, u, b, c)[2:]),
            "PyTorch stores both matrices transposed.",
        ),
    ],
    returns=("W_x", "W_h", "b", "c_n"),
)

# ---- Exercise 3: the other sign of z ---------------------------------------------------------------------------------


def _negated(*blocks, arrays=(0, 1, 2)):
    """Change the sign of some blocks in some of W_x, W_h and b."""

    def answer(W_x, W_h, b):
        H = W_h.shape[0]
        new = [W_x.copy(), W_h.copy(), b.copy()]
        for which in arrays:
            for block in blocks:
                new[which][..., block * H : (block + 1) * H] *= -1
        return tuple(new)

    return answer


def _z_inverted(W_x, W_h, b):
    H = W_h.shape[0]
    new = [W_x.copy(), W_h.copy(), b.copy()]
    for array in new:
        array[..., H : 2 * H] = 1 - array[..., H : 2 * H]
    return tuple(new)


check_other_sign_of_z = Check(
    "check_other_sign_of_z",
    solution=_negated(1),
    cases=lambda rng: [
        case(rng.normal(size=(D, 3 * H)), rng.normal(size=(H, 3 * H)), rng.normal(size=3 * H), D=D, H=H)
        for D, H in [(2, 5), (4, 3), (1, 1)]
    ],
    mistakes=[
        Mistake("first block", _negated(0), "That is the reset gate. The order is r, z, n."),
        Mistake(
            "bias alone",
            _negated(1, arrays=(2,)),
            "The whole pre-activation of z must change its sign, not its bias alone.",
        ),
        Mistake(
            "bias left",
            _negated(1, arrays=(0, 1)),
            "The weights of z are right. Its bias is part of the pre-activation too.",
        ),
        Mistake("everything", _negated(0, 1, 2), "Only z has two conventions. r and n stay as they are."),
        Mistake(
            "one minus the weights",
            _z_inverted,
            "1 − z is wanted for the gate, not for its weights: 1 − σ(a) = σ(−a).",
        ),
        Mistake("nothing", lambda W_x, W_h, b: (W_x, W_h, b), "Nothing has changed, but the two forms of z differ."),
    ],
    returns=("W_x", "W_h", "b"),
)

# ---- Exercise 4: what the backward direction reads -------------------------------------------------------------------


def _reversed(x, lengths):
    T, B = x.shape[:2]
    step = np.arange(T)[:, None]
    source = np.where(step < lengths, lengths - 1 - step, step)
    return x[source, np.arange(B)]


def _one_off(x, lengths):
    T, B = x.shape[:2]
    step = np.arange(T)[:, None]
    source = np.where(step < lengths, np.minimum(lengths - step, T - 1), step)
    return x[source, np.arange(B)]


def _padding_reversed(x, lengths):
    T, B = x.shape[:2]
    return x[(lengths - 1 - np.arange(T)[:, None]) % T, np.arange(B)]


def _zero_padding(x, lengths):
    real = np.arange(len(x))[:, None] < lengths
    return _reversed(x, lengths) * real[..., None]


check_reversed_padded = Check(
    "check_reversed_padded",
    solution=_reversed,
    cases=lambda rng: [
        case(rng.normal(size=(T, B, D)), np.array(n), T=T, B=B, D=D)
        for T, B, D, n in [(5, 3, 2, [5, 2, 1]), (1, 1, 1, [1]), (6, 2, 3, [3, 4])]
    ],
    mistakes=[
        Mistake(
            "rectangle reversed",
            lambda x, lengths: x[::-1],
            "The whole rectangle is reversed, so a short sequence begins with its padding.",
        ),
        Mistake(
            "batch reversed",
            lambda x, lengths: x[:, ::-1],
            "That reverses the order of the sequences. Time is the first axis.",
        ),
        Mistake(
            "one off", _one_off, "The first step read should be the last real one, and that has the index length − 1."
        ),
        Mistake(
            "padding moved",
            _padding_reversed,
            "The real steps are right. The padding has been moved too; leave it where it is.",
        ),
        Mistake(
            "padding emptied",
            _zero_padding,
            "The real steps are right. The padding is overwritten with zeros; leave it as it is.",
        ),
        Mistake("nothing reversed", lambda x, lengths: x, "Nothing is reversed."),
    ],
    returns="x",
)
