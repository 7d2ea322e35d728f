"""Checks for the exercises of notebooks/04_lstm/2_from_scratch.ipynb: backward passes and a counter, by hand."""

from __future__ import annotations

import numpy as np

from common.exercises.core import Case, Check, Mistake, case

Grads = dict[str, np.ndarray]
Cache = tuple[np.ndarray, ...]  # x, h_before, c_before, i, f, g, o, tanh_c, as the page's step_forward keeps them
NAMES = ("x", "h_0", "c_0", "W_x", "W_h", "b")


def _sigmoid(a):
    return 1 / (1 + np.exp(-a))


def _forward(x, h, c, W_x, W_h, b, mask=None) -> list[Cache]:
    """The caches of all steps, as the page's `forward` returns them; a masked step keeps both states."""
    caches = []
    for t, x_t in enumerate(x):
        a_i, a_f, a_g, a_o = np.split(x_t @ W_x + h @ W_h + b, 4, axis=1)
        i, f, g, o = _sigmoid(a_i), _sigmoid(a_f), np.tanh(a_g), _sigmoid(a_o)
        new = f * c + i * g
        caches.append((x_t, h, c, i, f, g, o, np.tanh(new)))
        real = np.ones((len(h), 1), bool) if mask is None else mask[t][:, None]
        h, c = np.where(real, o * np.tanh(new), h), np.where(real, new, c)
    return caches


def _backward(
    e, caches, W_x, W_h, mask=None, *, slope="g", keep="f", past="both", outside="kept", steps="masked", carried="hc"
) -> Grads:
    """The right backward pass, or a wrong one.

    slope    of the candidate, taken at "g" (right) or at "tanh g"
    keep     what dc is carried through: "f" (right), "i" or "one"
    past     what a masked step hands on: "both" (right), "dh" alone, "dc" alone, or dc "faded" by the forget gate
    outside  what a masked step does with its own e: "kept" (right) or "dropped"
    steps    which steps give something to the parameters: "masked" (the real ones, right), "delta" (all of them), or
             "all", where a masked step carries on as a real one too
    carried  which carries are not cut: "hc" (right), "h", "c" or ""
    """
    T, B, H = e.shape
    carry_h, carry_c, dxs = np.zeros((B, H)), np.zeros((B, H)), []
    dW_x, dW_h, db = np.zeros_like(W_x), np.zeros_like(W_h), np.zeros(4 * H)
    for t in reversed(range(T)):
        x, h_before, c_before, i, f, g, o, tanh_c = caches[t]
        real = np.ones((B, 1), bool) if mask is None else mask[t][:, None]
        dh = carry_h + (e[t] if outside == "kept" else e[t] * real)
        dc = dh * o * (1 - tanh_c**2) + carry_c
        inside = g if slope == "g" else np.tanh(g)
        whole = np.hstack(
            [dc * g * i * (1 - i), dc * c_before * f * (1 - f), dc * i * (1 - inside**2), dh * tanh_c * o * (1 - o)]
        )
        delta = whole if steps in ("all", "delta") else whole * real
        dW_x += x.T @ delta
        dW_h += h_before.T @ delta
        db += delta.sum(axis=0)
        dxs.append(delta @ W_x.T)
        through = dc * {"f": f, "i": i, "one": 1.0}[keep]
        if steps == "all":
            real = np.ones_like(real)
        skipped_h = dh if past in ("both", "dh", "faded") else np.zeros_like(dh)
        skipped_c = carry_c if past in ("both", "dc") else carry_c * f if past == "faded" else np.zeros_like(dh)
        carry_h = np.where(real, delta @ W_h.T, skipped_h) * ("h" in carried)
        carry_c = np.where(real, through, skipped_c) * ("c" in carried)
    return dict(zip(NAMES, (np.stack(dxs[::-1]), carry_h, carry_c, dW_x, dW_h, db), strict=True))


def _network(rng: np.random.Generator, T: int, B: int, D: int, H: int, mask=None) -> tuple:
    """e, caches, W_x, W_h of a random network over T steps."""
    x, h, c = rng.normal(size=(T, B, D)), rng.normal(size=(B, H)), rng.normal(size=(B, H))
    W_x, W_h, b = (0.7 * rng.normal(size=shape) for shape in ((D, 4 * H), (H, 4 * H), (4 * H,)))
    return rng.normal(size=(T, B, H)), _forward(x, h, c, W_x, W_h, b, mask), W_x, W_h


# ---- Exercise 1: an exit without tanh --------------------------------------------------------------------------------


def _exit(dh, carry_c, i, f, g, o, c, c_before):
    return _exit_as(dh, carry_c, i, f, g, o, c, c_before)


def _exit_as(
    dh, carry_c, i, f, g, o, c, c_before, *, slope=False, squashed=False, later=True, keep=True, brackets=True
):
    def through(d, gate):
        return d * gate * (1 - gate) if brackets else d * gate * 1 - gate

    dc = dh * o * (1 - np.tanh(c) ** 2 if slope else 1) + carry_c * later
    delta_o = through(dh * (np.tanh(c) if squashed else c), o)
    delta = [through(dc * g, i), through(dc * c_before, f), dc * i * (1 - g**2), delta_o]
    return np.hstack(delta), dc * f if keep else dc


def _exit_cases(rng: np.random.Generator) -> list[Case]:
    cases = []
    for B, H in [(4, 3), (1, 2), (3, 5)]:
        i, f, o = _sigmoid(rng.normal(size=(3, B, H)))
        g, c_before = np.tanh(rng.normal(size=(B, H))), rng.normal(size=(B, H))
        dh, carry_c = rng.normal(size=(2, B, H))
        cases.append(case(dh, carry_c, i, f, g, o, f * c_before + i * g, c_before, B=B, H=H))
    return cases


check_linear_exit_backward = Check(
    "check_linear_exit_backward",
    solution=_exit,
    cases=_exit_cases,
    returns=("delta", "carry_c"),
    mistakes=[
        Mistake(
            "nothing changed",
            lambda *a: _exit_as(*a, slope=True, squashed=True),
            "These are still the equations with tanh(c). Two of them contain it: which?",
        ),
        Mistake(
            "brackets",
            lambda *a: _exit_as(*a, brackets=False),
            "Brackets are missing in the slope of the gates: `a * i * 1 - i` multiplies first and subtracts then.",
        ),
        Mistake(
            "slope of tanh left",
            lambda *a: _exit_as(*a, slope=True),
            "`dc` still holds the slope of tanh. Without a tanh on the way from c to h, that slope is 1.",
        ),
        Mistake(
            "tanh left at the output gate",
            lambda *a: _exit_as(*a, squashed=True),
            "The output gate now multiplies c itself, so its gradient is dh times c and not dh times tanh(c).",
        ),
        Mistake(
            "later steps forgotten",
            lambda *a: _exit_as(*a, later=False),
            "`carry_c` is missing in dc: what the later steps say about c_t arrives there.",
        ),
        Mistake(
            "carried past the forget gate",
            lambda *a: _exit_as(*a, keep=False),
            "What is handed to the step before has to pass the forget gate, as the cell state did on its way here.",
        ),
    ],
)


# ---- Exercise 2: find two faults -------------------------------------------------------------------------------------


def _repaired(e, caches, W_x, W_h) -> Grads:
    return _backward(e, caches, W_x, W_h)


def _repair_cases(rng: np.random.Generator) -> list[Case]:
    return [
        case(*_network(rng, T, B, D, H), T=T, B=B, D=D, H=H)
        for T, B, D, H in [(4, 3, 2, 5), (1, 2, 3, 4), (6, 1, 1, 3)]
    ]


check_repaired_lstm_backward = Check(
    "check_repaired_lstm_backward",
    solution=_repaired,
    cases=_repair_cases,
    mistakes=[
        Mistake(
            "nothing repaired",
            lambda *a: _backward(*a, slope="tanh g", keep="one"),
            "Both faults are still there. With T = 1 two different things are wrong: c_0, and everything that comes"
            " from delta.",
        ),
        Mistake(
            "slope left",
            lambda *a: _backward(*a, slope="tanh g"),
            "One fault is left. With T = 1 c_0 is right now; the columns of one block of W_x are not. Which block?",
        ),
        Mistake(
            "carry left",
            lambda *a: _backward(*a, keep="one"),
            "One fault is left. With T = 1 only c_0 is wrong: which line makes it? Compare with LSTM.19.",
        ),
        Mistake(
            "carry through the input gate",
            lambda *a: _backward(*a, keep="i"),
            "dc goes to the step before through another gate: the old cell state was multiplied by f, not by i.",
        ),
    ],
)


# ---- Exercise 3: backward with a mask --------------------------------------------------------------------------------


def _masked(e, mask, caches, W_x, W_h) -> Grads:
    return _backward(e, caches, W_x, W_h, mask)


def _masked_cases(rng: np.random.Generator) -> list[Case]:
    cases = []
    for T, B, D, H, place in [(6, 3, 2, 4, "end"), (5, 4, 1, 3, "middle"), (1, 2, 3, 2, ""), (4, 1, 2, 3, "end")]:
        mask = np.ones((T, B), bool)
        if place == "end":
            mask = np.arange(T)[:, None] < rng.integers(1, T, B)
        elif place == "middle":
            mask[1 : T - 1] = rng.random((T - 2, B)) < 0.5
            mask[2] = [True, False, False, True]
        e, caches, W_x, W_h = _network(rng, T, B, D, H, mask)
        label = {"end": "padding at the end", "middle": "masked steps in the middle", "": "one real step"}[place]
        cases.append(case(e, mask, caches, W_x, W_h, label=label, T=T, B=B, D=D, H=H))
    return cases


def _masked_wrong(**faults):
    return lambda e, mask, caches, W_x, W_h: _backward(e, caches, W_x, W_h, mask, **faults)


check_masked_lstm_backward = Check(
    "check_masked_lstm_backward",
    solution=_masked,
    cases=_masked_cases,
    mistakes=[
        Mistake(
            "delta not zeroed",
            _masked_wrong(steps="delta"),
            "The carries are right, but delta is not zero at masked steps: nothing was computed there, so x, the"
            " weights and the bias get nothing.",
        ),
        Mistake(
            "mask ignored",
            _masked_wrong(steps="all"),
            "The mask has no effect. At a masked step nothing was computed: x, the weights and the bias get nothing.",
        ),
        Mistake(
            "cell state lost",
            _masked_wrong(past="dh"),
            "The gradient of the cell state stops at a masked step. Two states were carried over, so two gradients go"
            " on.",
        ),
        Mistake(
            "hidden state lost",
            _masked_wrong(past="dc"),
            "The gradient of the hidden state stops at a masked step. Forward, h_t was h_{t-1} there: all of dh_t must"
            " go on to h_{t-1}.",
        ),
        Mistake(
            "faded",
            _masked_wrong(past="faded"),
            "At a masked step the cell state was not multiplied by the forget gate. Its gradient must not be either.",
        ),
        Mistake(
            "e dropped",
            _masked_wrong(outside="dropped"),
            "You drop e at masked steps. The output there repeats an earlier state, and what reaches it belongs to that"
            " state. (A loss that ignores padding hands in zeros by itself.)",
        ),
    ],
)


# ---- Exercise 4: a counter by hand -----------------------------------------------------------------------------------


READABLE = 0.05  # what an a has to write at least, and how far the output gate has to be open


def _counter(step=(1.0, -1.0, 0.0), forget=20.0, order="ifgo", write=20.0, output=20.0):
    """W_x (3, 4), W_h (1, 4), b (4,) of one unit: `step` is what a, b and $ write."""
    bias = {"i": write, "f": forget, "g": 0.0, "o": output}
    W_x = np.zeros((3, 4))
    W_x[:, order.index("g")] = step
    return W_x, np.zeros((1, 4)), np.array([bias[gate] for gate in order])


def _count(answer, symbols: str):
    """The cell state after every symbol, in units of what the first a wrote; is that up, and can it be read?

    It can if the first a moves c by more than READABLE, and h shows it if the output gate is open by more than that.
    """
    weights = answer()
    if weights is None or weights is ... or any(w is ... or w is None for w in weights):
        return weights
    W_x, W_h, b = (np.asarray(w, float) for w in weights)
    for name, array, shape in (("W_x", W_x, (3, 4)), ("W_h", W_h, (1, 4)), ("b", b, (4,))):
        if array.shape != shape:
            raise ValueError(f"{name} should have shape {shape} for one unit and three symbols, not {array.shape}")
    h, c, states, exits = np.zeros((1, 1)), np.zeros((1, 1)), [], []
    for symbol in symbols:
        a_i, a_f, a_g, a_o = np.split(np.eye(3)[["ab$".index(symbol)]] @ W_x + h @ W_h + b, 4, axis=1)
        c = _sigmoid(a_f) * c + _sigmoid(a_i) * np.tanh(a_g)
        h = _sigmoid(a_o) * np.tanh(c)
        states.append(c[0, 0])
        exits.append(_sigmoid(a_o)[0, 0])
    first = symbols.index("a")
    moved = states[first] - (states[first - 1] if first else 0.0)
    return np.array(states) / (moved or 1.0), bool(moved >= 0), bool(abs(moved) > READABLE), bool(min(exits) > READABLE)


check_counter_by_hand = Check(
    "check_counter_by_hand",
    solution=_counter,
    cases=lambda rng: [case(text, label=text) for text in ("$aaabbb", "aabab$b", "$" + "a" * 12 + "b" * 12)],
    returns=("the cell state, in units of its first step", "up at an a", "an a leaves a trace", "h shows it"),
    call=_count,
    rtol=0.01,
    atol=0.01,
    mistakes=[
        Mistake(
            "half forgotten",
            lambda: _counter(forget=0.0),
            "The forget gate stands half open: after every symbol half of the count is gone. What keeps it near 1?",
        ),
        Mistake(
            "counts only up",
            lambda: _counter(step=(1.0, 0.0, 0.0)),
            "It counts the a's and does not count down at b. What must the candidate be at a b?",
        ),
        Mistake(
            "the same way for both",
            lambda: _counter(step=(1.0, 1.0, 0.0)),
            "It counts every letter up. The candidate may be negative: that is how a step down is written.",
        ),
        Mistake(
            "marker counted",
            lambda: _counter(step=(1.0, -1.0, 1.0)),
            "The marker $ is counted as well. It should write nothing: its candidate is 0.",
        ),
        Mistake(
            "input gate shut",
            lambda: _counter(write=-20.0),
            "The input gate is shut: an a moves the cell state by next to nothing, and no one can read that.",
        ),
        Mistake(
            "counts down",
            lambda: _counter(step=(-1.0, 1.0, 0.0)),
            "It counts down at an a and up at a b. Asked for is the other way round.",
        ),
        Mistake(
            "output gate shut",
            lambda: _counter(output=-20.0),
            "The cell state counts, but the output gate is shut: h is 0 and shows nothing of the count.",
        ),
        Mistake(
            "blocks in another order",
            lambda: _counter(order="ifog"),
            "The columns stand in another order, i, f, o, g. Here it is i, f, g, o: the candidate is the third.",
        ),
    ],
)


# ---- Exercise 5: the gradient of 1997 --------------------------------------------------------------------------------


def _of_1997(e, caches, W_x, W_h) -> Grads:
    return _backward(e, caches, W_x, W_h, carried="c")


check_gradient_of_1997 = Check(
    "check_gradient_of_1997",
    solution=_of_1997,
    cases=_repair_cases,
    mistakes=[
        Mistake(
            "full gradient",
            _backward,
            "This is the full gradient. Which of the two carries goes through W_h, and so through the gates of the step"
            " before?",
        ),
        Mistake(
            "the other carry cut",
            lambda *a: _backward(*a, carried="h"),
            "You cut the carry of the cell state, the very one that was to stay: the carousel turns on c.",
        ),
        Mistake(
            "both cut",
            lambda *a: _backward(*a, carried=""),
            "Now nothing goes back from step to step. Only the way through h is cut; dc goes on through the forget"
            " gate.",
        ),
        Mistake(
            "h_0 left",
            lambda *a: {**_of_1997(*a), "h_0": _backward(*a)["h_0"]},
            "Nothing is sent back through h, and that includes the initial state: dh_0 is zero.",
        ),
    ],
)
