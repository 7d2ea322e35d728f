"""Checks for the exercises of notebooks/05_gru/2_from_scratch.ipynb: backward passes by hand, and a memory by hand."""

from __future__ import annotations

import numpy as np

from common.exercises.core import Case, Check, Mistake, case

Grads = dict[str, np.ndarray]
Cache = tuple[
    np.ndarray, ...
]  # x, h_before, r, z, n and m (after) or q (before), as the page's step forward keeps them


def _sigmoid(a):
    return 1 / (1 + np.exp(-a))


def _blocks(w):
    return np.split(w, 3, axis=-1)


def _forward(x, h, W_x, W_h, b, c_n, mask=None) -> list[Cache]:
    """The caches of all steps; `c_n` None is the variant with the reset before the product."""
    caches = []
    (U_r, U_z, U_n) = _blocks(W_h)
    for t, x_t in enumerate(x):
        a_r, a_z, a_n = _blocks(x_t @ W_x + b)
        r, z = _sigmoid(a_r + h @ U_r), _sigmoid(a_z + h @ U_z)
        inner = r * h if c_n is None else h @ U_n + c_n
        n = np.tanh(a_n + (inner @ U_n if c_n is None else r * inner))
        caches.append((x_t, h, r, z, n, inner))
        new = (1 - z) * n + z * h
        h = new if mask is None else np.where(mask[t][:, None], new, h)
    return caches


def _backward(
    e,
    caches,
    W_x,
    W_h,
    mask=None,
    *,
    reset="after",
    sign=1,
    inner="dm",
    past="carry",
    outside="kept",
    steps="masked",
    ways="all",
) -> Grads:
    """The right backward pass of a variant, or a wrong one.

    sign     of δ_z: 1 (right) or −1
    inner    what goes back through U_n with the reset after: "dm" (right) or "delta_n"
    past     what a masked step hands on: "carry" (dh, right), "nothing", or dh "faded" by the update gate
    outside  what a masked step does with its own e: "kept" (right) or "dropped"
    steps    which steps give something to the parameters: "masked" (the real ones, right), "delta" (all of them), or
             "all", where a masked step carries on as a real one too
    ways     which ways lead to the step before: "all" (right), "direct" (dh ⊙ z), "through r", "no direct", "none"
    """
    T, B, H = e.shape
    U_r, U_z, U_n = _blocks(W_h)
    carry, dxs = np.zeros((B, H)), []
    dW_x, dU, db, dc_n = np.zeros_like(W_x), [np.zeros((H, H)) for _ in range(3)], np.zeros(3 * H), np.zeros(H)
    for t in reversed(range(T)):
        x, h_before, r, z, n, m_or_q = caches[t]
        real = np.ones((B, 1), bool) if mask is None else mask[t][:, None]
        dh = carry + (e[t] if outside == "kept" else e[t] * real)
        used = dh if steps in ("all", "delta") else dh * real
        delta_n = used * (1 - z) * (1 - n**2)
        delta_z = sign * used * (h_before - n) * z * (1 - z)
        if reset == "after":
            dm = delta_n * r
            delta_r = delta_n * m_or_q * r * (1 - r)
            dU[2] += h_before.T @ dm
            dc_n += dm.sum(axis=0)
            inside = (dm if inner == "dm" else delta_n) @ U_n.T
        else:
            dq = delta_n @ U_n.T
            delta_r = dq * h_before * r * (1 - r)
            dU[2] += m_or_q.T @ delta_n
            inside = dq * r
        delta = np.hstack([delta_r, delta_z, delta_n])
        dW_x += x.T @ delta
        dU[0] += h_before.T @ delta_r
        dU[1] += h_before.T @ delta_z
        db += delta.sum(axis=0)
        dxs.append(delta @ W_x.T)
        direct, gates = used * z, delta_r @ U_r.T + delta_z @ U_z.T
        to_before = {
            "all": direct + inside + gates,
            "direct": direct,
            "through r": direct + inside,
            "no direct": inside + gates,
            "none": 0 * direct,
        }[ways]
        skipped = {"carry": dh, "nothing": 0 * dh, "faded": dh * z}[past]
        carry = to_before if steps == "all" else np.where(real, to_before, skipped)
    grads = {"x": np.stack(dxs[::-1]), "h_0": carry, "W_x": dW_x, "W_h": np.hstack(dU), "b": db}
    return grads | ({"c_n": dc_n} if reset == "after" else {})


def _network(rng: np.random.Generator, T: int, B: int, D: int, H: int, *, reset="after", mask=None) -> tuple:
    """e, caches, W_x, W_h of a random network over T steps."""
    x, h = rng.normal(size=(T, B, D)), rng.normal(size=(B, H))
    W_x, W_h, b = (0.7 * rng.normal(size=shape) for shape in ((D, 3 * H), (H, 3 * H), (3 * H,)))
    c_n = 0.7 * rng.normal(size=H) if reset == "after" else None
    return rng.normal(size=(T, B, H)), _forward(x, h, W_x, W_h, b, c_n, mask), W_x, W_h


# ---- Exercise 1: the other meaning of z ------------------------------------------------------------------------------


def _other_z(dh, h_before, z, n):
    return dh * z * (1 - n**2), dh * (n - h_before) * z * (1 - z), dh * (1 - z)


def _other_z_cases(rng: np.random.Generator) -> list[Case]:
    cases = []
    for B, H in [(4, 3), (1, 2), (3, 5)]:
        dh, h_before = rng.normal(size=(2, B, H))
        cases.append(case(dh, h_before, _sigmoid(rng.normal(size=(B, H))), np.tanh(rng.normal(size=(B, H))), B=B, H=H))
    return cases


check_other_z_backward = Check(
    "check_other_z_backward",
    solution=_other_z,
    cases=_other_z_cases,
    returns=("delta_n", "delta_z", "direct"),
    mistakes=[
        Mistake(
            "nothing changed",
            lambda dh, h, z, n: (dh * (1 - z) * (1 - n**2), dh * (h - n) * z * (1 - z), dh * z),
            "These are still the lines for z on the old state. All three change.",
        ),
        Mistake(
            "sign of delta_z",
            lambda dh, h, z, n: (dh * z * (1 - n**2), dh * (h - n) * z * (1 - z), dh * (1 - z)),
            "`delta_z` has the wrong sign: now a larger z means more of n and less of the old state.",
        ),
        Mistake(
            "candidate not moved",
            lambda dh, h, z, n: (dh * (1 - z) * (1 - n**2), dh * (n - h) * z * (1 - z), dh * (1 - z)),
            "`delta_n` still has the factor of the old convention. What multiplies n here?",
        ),
        Mistake(
            "direct way not moved",
            lambda dh, h, z, n: (dh * z * (1 - n**2), dh * (n - h) * z * (1 - z), dh * z),
            "`direct` still has the factor of the old convention. What multiplies the old state here?",
        ),
        Mistake(
            "gate for its slope",
            lambda dh, h, z, n: (dh * z * (1 - n**2), dh * (n - h) * z, dh * (1 - z)),
            "In `delta_z` the gate stands where its slope z (1 − z) belongs.",
        ),
    ],
)


# ---- Exercise 2: find two faults -------------------------------------------------------------------------------------


def _repaired(e, caches, W_x, W_h) -> Grads:
    return _backward(e, caches, W_x, W_h)


def _cases_of(reset: str):
    def cases(rng: np.random.Generator) -> list[Case]:
        sizes = [(4, 3, 2, 5), (1, 2, 3, 4), (6, 1, 1, 3)]
        return [case(*_network(rng, T, B, D, H, reset=reset), T=T, B=B, D=D, H=H) for T, B, D, H in sizes]

    return cases


check_repaired_gru_backward = Check(
    "check_repaired_gru_backward",
    solution=_repaired,
    cases=_cases_of("after"),
    mistakes=[
        Mistake(
            "nothing repaired",
            lambda *a: _backward(*a, sign=-1, inner="delta_n"),
            "Both faults are still there. With T = 1 one of them shows in the columns of one block, the other in h_0"
            " alone.",
        ),
        Mistake(
            "sign left",
            lambda *a: _backward(*a, sign=-1),
            "One fault is left. With T = 1 look at b block by block: r, z or n?",
        ),
        Mistake(
            "carry left",
            lambda *a: _backward(*a, inner="delta_n"),
            "One fault is left. With T = 1 only h_0 is wrong: which of the four terms of the carry? Compare with"
            " GRU-after.6.",
        ),
        Mistake(
            "direct way lost",
            lambda *a: _backward(*a, ways="no direct"),
            "The carry has lost dh ⊙ z, the direct way past the candidate. Four terms make it.",
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
        e, caches, W_x, W_h = _network(rng, T, B, D, H, mask=mask)
        label = {"end": "padding at the end", "middle": "masked steps in the middle", "": "one real step"}[place]
        cases.append(case(e, mask, caches, W_x, W_h, label=label, T=T, B=B, D=D, H=H))
    return cases


def _masked_wrong(**faults):
    return lambda e, mask, caches, W_x, W_h: _backward(e, caches, W_x, W_h, mask, **faults)


check_masked_gru_backward = Check(
    "check_masked_gru_backward",
    solution=_masked,
    cases=_masked_cases,
    mistakes=[
        Mistake(
            "delta not zeroed",
            _masked_wrong(steps="delta"),
            "The carry is right, but the deltas are not zero at masked steps: nothing was computed there, so x, the"
            " weights and the biases get nothing.",
        ),
        Mistake(
            "mask ignored",
            _masked_wrong(steps="all"),
            "The mask has no effect. At a masked step nothing was computed: x, the weights and the biases get nothing.",
        ),
        Mistake(
            "carry lost",
            _masked_wrong(past="nothing"),
            "The gradient stops at a masked step. Forward, h_t was h_{t-1} there: all of dh_t must go on to h_{t-1}.",
        ),
        Mistake(
            "faded",
            _masked_wrong(past="faded"),
            "At a masked step the old state was kept whole, not z of it. Its gradient is kept whole as well.",
        ),
        Mistake(
            "e dropped",
            _masked_wrong(outside="dropped"),
            "You drop e at masked steps. The output there repeats an earlier state, and what reaches it belongs to that"
            " state. (A loss that ignores padding hands in zeros by itself.)",
        ),
    ],
)


# ---- Exercise 4: a memory by hand ------------------------------------------------------------------------------------


def _memory(marker=-40.0, bias=20.0, into_n=0.0, old=0.0, order="rzn"):
    """W_x (2, 3), W_h (1, 3), b (3,), c_n (1,) of one unit that reads a number and a marker."""
    W_x, W_h, b = np.zeros((2, 3)), np.zeros((1, 3)), np.zeros(3)
    z, n = order.index("z"), order.index("n")
    W_x[1, z], b[z] = marker, bias
    W_x[0, n], W_x[1, n], W_h[0, n] = 1.0, into_n, old
    return W_x, W_h, b, np.zeros(1)


def _remembered(answer, marks: tuple[int, ...], steps: int):
    """The state after every step of a fixed stream of numbers, marked at `marks`."""
    weights = answer()
    if weights is None or weights is ... or any(w is ... or w is None for w in weights):
        return weights
    weights = [np.asarray(w, float) for w in weights]
    for name, array, shape in zip(("W_x", "W_h", "b", "c_n"), weights, ((2, 3), (1, 3), (3,), (1,)), strict=True):
        if array.shape != shape:
            raise ValueError(f"{name} should have shape {shape} for one unit and two inputs, not {array.shape}")
    x = np.zeros((steps, 1, 2))
    x[:, 0, 0] = 0.8 * np.cos(1.7 * np.arange(steps) + 0.4)
    x[list(marks), 0, 1] = 1
    W_x, W_h, b, c_n = weights
    caches = _forward(np.concatenate([x, x[-1:]]), np.zeros((1, 1)), W_x, W_h, b, c_n)
    return np.array([h_before[0, 0] for _, h_before, *_ in caches[1:]])


check_memory_by_hand = Check(
    "check_memory_by_hand",
    solution=_memory,
    cases=lambda rng: [
        case(marks, steps, label=f"{steps} steps, marked at {', '.join(str(m + 1) for m in marks) or 'none'}")
        for marks, steps in [((2,), 8), ((0, 5, 6), 12), ((), 4), ((1, 20), 40)]
    ],
    returns="the state after every step",
    call=_remembered,
    rtol=0.01,
    atol=0.01,
    mistakes=[
        Mistake(
            "the gate the wrong way round",
            lambda: _memory(marker=40.0, bias=-20.0),
            "It takes every number but the marked ones. Here z multiplies the old state: z near 1 keeps.",
        ),
        Mistake(
            "always open",
            lambda: _memory(marker=0.0, bias=-20.0),
            "It takes every number, marked or not. The marker must move the update gate.",
        ),
        Mistake(
            "half open",
            lambda: _memory(marker=-20.0, bias=0.0),
            "Without a marker the update gate stands half open, and half of the memory is replaced at every step. What"
            " keeps it shut?",
        ),
        Mistake(
            "marker in the candidate",
            lambda: _memory(into_n=1.0),
            "The marker is added to the number. The candidate should read the number alone.",
        ),
        Mistake(
            "old state in the candidate",
            lambda: _memory(old=1.0),
            "The new value holds a part of the old one: the candidate reads h_{t-1}. It need not.",
        ),
        Mistake(
            "blocks in another order",
            lambda: _memory(order="zrn"),
            "The columns stand in the order z, r, n, as in Keras. Here it is r, z, n.",
        ),
    ],
)


# ---- Exercise 5: the direct way alone --------------------------------------------------------------------------------


def _direct(e, caches, W_x, W_h) -> Grads:
    return _backward(e, caches, W_x, W_h, reset="before", ways="direct")


def _before(**faults):
    return lambda *a: _backward(*a, reset="before", **faults)


check_direct_gradient = Check(
    "check_direct_gradient",
    solution=_direct,
    cases=_cases_of("before"),
    mistakes=[
        Mistake(
            "full gradient",
            _before(),
            "This is the full gradient. Three of the four terms of the carry go through a weight: which one does not?",
        ),
        Mistake(
            "the way through the reset gate left",
            _before(ways="through r"),
            "dq ⊙ r is still in the carry. It has come through U_n: only dh ⊙ z goes past all weights.",
        ),
        Mistake(
            "the direct way cut",
            _before(ways="no direct"),
            "You cut the very way that was to stay: dh ⊙ z.",
        ),
        Mistake(
            "all ways cut",
            _before(ways="none"),
            "Now nothing goes back from step to step. dh ⊙ z stays.",
        ),
    ],
)
