"""Checks for the exercises of notebooks/04_lstm/4_pytorch.ipynb."""

from __future__ import annotations

import numpy as np

from common.cells import LSTM
from common.exercises.core import Check, Mistake, case

# ---- Exercise 1: how many numbers ------------------------------------------------------------------------------------


def _count(D, H, layers, directions):
    below = [D] + [directions * H] * (layers - 1)
    return sum(directions * (4 * H * (n + H) + 8 * H) for n in below)


def _counted(blocks, biases, above):
    """A count with another number of blocks or biases, or with `above` inputs from the second layer on."""

    def count(D, H, layers, directions):
        below = [D] + [above(D, H, directions)] * (layers - 1)
        return sum(directions * (blocks * H * (n + H) + biases * blocks * H) for n in below)

    return count


check_torch_lstm_count = Check(
    "check_torch_lstm_count",
    solution=_count,
    cases=lambda rng: [
        case(2, 5, 1, 1, label="one layer"),
        case(3, 4, 2, 1, label="two layers"),
        case(2, 5, 1, 2, label="two directions"),
        case(3, 4, 3, 2, label="three layers, two directions"),
    ],
    mistakes=[
        Mistake(
            "one bias",
            _counted(4, 1, lambda D, H, directions: directions * H),
            "Each layer and direction has two biases of 4H numbers, and PyTorch counts both.",
        ),
        Mistake(
            "one block",
            _counted(1, 2, lambda D, H, directions: directions * H),
            "That is the count of `nn.RNN`. An LSTM has four blocks: i, f, g and o.",
        ),
        Mistake(
            "every layer reads the input",
            _counted(4, 2, lambda D, H, directions: D),
            "Only the first layer reads the D inputs. Those above read the outputs of the layer below.",
        ),
        Mistake(
            "one direction read",
            _counted(4, 2, lambda D, H, directions: H),
            "The layer above reads both directions of the layer below, side by side.",
        ),
        Mistake(
            "one direction",
            lambda D, H, layers, directions: _count(D, H, layers, 1),
            "The second direction has weights of its own.",
        ),
    ],
    returns="the number of parameters",
)

# ---- Exercise 2: the start of the forget gate ------------------------------------------------------------------------


def _forget(bias_ih, bias_hh, value):
    H = len(bias_ih) // 4
    first, second = bias_ih.copy(), bias_hh.copy()
    first[H : 2 * H], second[H : 2 * H] = value, 0
    return first + second


def _forget_block(at, first_value, second_value):
    """Other values written into a block; `None` leaves what was there."""

    def write(bias_ih, bias_hh, value):
        H = len(bias_ih) // 4
        first, second = bias_ih.copy(), bias_hh.copy()
        first[at * H : (at + 1) * H] = first_value(value)
        if second_value is not None:
            second[at * H : (at + 1) * H] = second_value(value)
        return first + second

    return write


def _forget_everywhere(bias_ih, bias_hh, value):
    return np.full_like(bias_ih, value)


def _forget_added(bias_ih, bias_hh, value):
    H = len(bias_ih) // 4
    total = bias_ih + bias_hh
    total[H : 2 * H] += value
    return total


def _sum_of_two(answer, bias_ih, bias_hh, value):
    """The learner returns two biases; only their sum is judged, for only the sum matters."""
    pair = answer(bias_ih, bias_hh, value)
    if isinstance(pair, (tuple, list)) and len(pair) == 2 and all(isinstance(part, np.ndarray) for part in pair):
        return pair[0] + pair[1]
    return pair


check_torch_forget_bias = Check(
    "check_torch_forget_bias",
    solution=_forget,
    cases=lambda rng: [
        case(rng.normal(size=4 * H), rng.normal(size=4 * H), value, H=H) for H, value in [(3, 1.0), (1, 2.0), (5, 0.5)]
    ],
    mistakes=[
        Mistake(
            "both biases",
            _forget_block(1, lambda v: v, lambda v: v),
            "Both biases enter the gate, so value in each of them starts the gate at twice the value.",
        ),
        Mistake(
            "second bias left",
            _forget_block(1, lambda v: v, None),
            "The second bias still holds random numbers in the forget block, and they are added to yours.",
        ),
        Mistake(
            "wrong block",
            _forget_block(0, lambda v: v, lambda v: 0),
            "That is the block of the input gate. The order is i, f, g, o.",
        ),
        Mistake(
            "candidate",
            _forget_block(2, lambda v: v, lambda v: 0),
            "That is the block of the candidate g. The forget gate is the second block of four.",
        ),
        Mistake(
            "everywhere",
            _forget_everywhere,
            "All four blocks hold the value now. Leave the biases of i, g and o as they were.",
        ),
        Mistake(
            "added",
            _forget_added,
            "You add to what was there. The sum of the two forget biases has to be the value itself.",
        ),
    ],
    returns="the sum of the two biases",
    call=_sum_of_two,
)

# ---- Exercise 3: where both directions end ---------------------------------------------------------------------------


def _halves(outputs):
    H = outputs.shape[2] // 2
    return outputs[..., :H], outputs[..., H:]


def _ends(outputs, lengths):
    ahead, back = _halves(outputs)
    return np.concatenate([ahead[lengths - 1, np.arange(len(lengths))], back[0]], axis=1)


def _last_of_both(outputs, lengths):
    return outputs[lengths - 1, np.arange(len(lengths))]


def _swapped_ends(outputs, lengths):
    ahead, back = _halves(outputs)
    return np.concatenate([ahead[0], back[lengths - 1, np.arange(len(lengths))]], axis=1)


def _rectangle_ends(outputs, lengths):
    ahead, back = _halves(outputs)
    return np.concatenate([ahead[-1], back[0]], axis=1)


def _one_late(outputs, lengths):
    ahead, back = _halves(outputs)
    end = np.minimum(lengths, len(outputs) - 1)
    return np.concatenate([ahead[end, np.arange(len(lengths))], back[0]], axis=1)


def _end_cases(rng):
    sizes = [(5, 3, 4, [5, 2, 1]), (1, 1, 1, [1]), (4, 2, 3, [3, 4])]
    return [case(rng.normal(size=(T, B, 2 * H)), np.array(n), T=T, B=B, H=H) for T, B, H, n in sizes]


check_ends_of_both = Check(
    "check_ends_of_both",
    solution=_ends,
    cases=_end_cases,
    mistakes=[
        Mistake(
            "last step of both",
            _last_of_both,
            "At the last step the second direction has read one step only. Where has it read the whole sequence?",
        ),
        Mistake(
            "ends swapped",
            _swapped_ends,
            "The two ends are swapped: the first half of the numbers reads forward and ends at the last step.",
        ),
        Mistake(
            "end of the rectangle",
            _rectangle_ends,
            "The last step of the rectangle is padding for a short sequence. The forward half ends at its own length.",
        ),
        Mistake("one late", _one_late, "One step late: a sequence of length n ends at index n − 1."),
        Mistake(
            "first step of both",
            lambda outputs, lengths: outputs[0],
            "At the first step the forward direction has read one step only.",
        ),
    ],
    returns="the outputs",
)

# ---- Exercise 4: an exact gradient in chunks -------------------------------------------------------------------------


def _cell(params):
    W_x, W_h, b = params
    cell = LSTM(W_x.shape[0], W_h.shape[0])
    for name, value in (("W_x", W_x), ("W_h", W_h), ("b", b)):
        cell.params[name][...] = value
    return cell


def _chunked(carried=lambda state: state, start=lambda state, first: state, total=True, again=True):
    """The solution, and its mistakes: another gradient carried, another start of a chunk, no sum, no second pass."""

    def backward(cell, x, state, e, size):
        first, starts = state, []
        for t in range(0, len(x), size):
            starts.append(state)
            _, state = cell.forward(x[t : t + size], start(state, first))
        dx, grads, grad_state = np.empty_like(x), {}, None
        for t in reversed(range(0, len(x), size)):
            if again:
                cell.forward(x[t : t + size], start(starts[t // size], first))
            dx[t : t + size], grad_state = cell.backward(e[t : t + size], grad_state)
            for name, grad in cell.grads.items():
                grads[name] = grads.get(name, 0) + grad if total else grad
            before, grad_state = grad_state, carried(grad_state)
        return dx, before, grads

    return backward


def _chunk_cases(rng):
    cases = []
    for T, B, D, H, size in [(6, 3, 2, 4, 2), (7, 2, 3, 2, 3), (4, 1, 1, 1, 1), (3, 2, 1, 2, 5)]:
        params = (rng.normal(size=(D, 4 * H)), rng.normal(size=(H, 4 * H)), rng.normal(size=4 * H))
        state = (rng.normal(size=(B, H)), rng.normal(size=(B, H)))
        x, e = rng.normal(size=(T, B, D)), rng.normal(size=(T, B, H))
        cases.append(case(params, x, state, e, size, T=T, B=B, D=D, H=H, label=f"chunks of {size}"))
    return cases


check_backward_in_chunks = Check(
    "check_backward_in_chunks",
    solution=_chunked(),
    cases=_chunk_cases,
    mistakes=[
        Mistake(
            "gradient cut",
            _chunked(carried=lambda state: None),
            "No gradient crosses the border between two chunks. `backward` returns what the chunk before needs.",
        ),
        Mistake(
            "only dh",
            _chunked(carried=lambda state: (state[0], np.zeros_like(state[1]))),
            "dh crosses the border, dc does not. The state of an LSTM is two arrays, and so is its gradient.",
        ),
        Mistake(
            "only dc",
            _chunked(carried=lambda state: (np.zeros_like(state[0]), state[1])),
            "dc crosses the border, dh does not.",
        ),
        Mistake(
            "no sum",
            _chunked(total=False),
            "dx is right, the weights' gradients are those of one chunk. `backward` overwrites them: add them up.",
        ),
        Mistake(
            "every chunk from the start",
            _chunked(start=lambda state, first: first),
            "Each chunk starts from the initial state. It has to start from the state the chunk before ended in.",
        ),
        Mistake(
            "no second forward pass",
            _chunked(again=False),
            "`backward` goes through the last forward pass. Run the chunk forward again before you go back through it.",
        ),
    ],
    returns=("dx", "gradient of the initial state", "grads"),
    call=lambda answer, params, x, state, e, size: answer(_cell(params), x, state, e, size),
)
