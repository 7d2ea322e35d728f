"""Mistakes that were published elsewhere, planted again: each must be seen by a check of this book.

book/errata.md says where each was found. Nothing here is copied from there: the mistake is planted in code of our own.
Where a weaker check would have let it pass, the test shows that as well.
"""

from __future__ import annotations

import numpy as np
import pytest

from common import convert
from common.cells import GRU, LSTM, RNN
from common.gradcheck import check_gradients, relative_error
from common.losses import softmax_cross_entropy
from tests.common.cases import make

SIZE = (5, 3, 2, 4)  # T, B, D, H
PLAIN = (True, True, False)  # bias, initial state, no mask


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


# ---- the LSTM's backward pass, line by line --------------------------------------------------------------------------


def lstm_gradients(cell, x, state, e, from_later, mistake=""):
    """LSTM.8 to LSTM.19 as they stand, with a mistake planted: the gradients of x, h, c and the parameters."""
    hs, (h_0, c_0) = cell.forward(x, state)[0], state
    gates = cell.gates()
    hs, cs = [h_0, *hs], [c_0, *gates["c"]]
    deltas, (carry_h, carry_c) = [None] * len(x), from_later
    for t in reversed(range(len(x))):
        i, f, g, o = (gates[name][t] for name in "ifgo")
        c, c_before = cs[t + 1], cs[t]
        if mistake == "states one step early":
            c, c_before = cs[t], cs[t - 1]
        dh = e[t] + carry_h
        through_h = dh * o * (1 - np.tanh(c) ** 2)
        dc = through_h + carry_c
        slope_i, slope_f, slope_o, slope_g = i * (1 - i), f * (1 - f), o * (1 - o), 1 - g**2
        if mistake == "slope of a value that is a tanh already":
            slope_g = 1 - np.tanh(g) ** 2
        if mistake == "slope of a value that is a gate already":
            slope_i, slope_f, slope_o = (sigmoid(v) * (1 - sigmoid(v)) for v in (i, f, o))
        if mistake == "gate in the place of its slope":
            slope_f = sigmoid(f)
        if mistake == "candidate for the old cell state":
            c_before = gates["g"][t - 1] if t else np.zeros_like(c_0)
        if mistake == "no parentheses":
            delta_i = carry_c * g + through_h * g * slope_i
            delta_f = carry_c * c_before + through_h * c_before * slope_f
            delta_g = carry_c * i + through_h * i * slope_g
        else:
            delta_i, delta_f, delta_g = dc * g * slope_i, dc * c_before * slope_f, dc * i * slope_g
        delta_o = dh * np.tanh(c) * slope_o
        deltas[t] = np.hstack([delta_i, delta_f, delta_g, delta_o])
        carry_h, carry_c = deltas[t] @ cell.params["W_h"].T, dc * f
        if mistake in ("neither carry", "no carry of dh"):
            carry_h = np.zeros_like(carry_h)
        if mistake in ("neither carry", "no carry of dc"):
            carry_c = np.zeros_like(carry_c)
    return {
        "x": np.stack([delta @ cell.params["W_x"].T for delta in deltas]),
        "h": carry_h,
        "c": carry_c,
        "W_x": sum(x_t.T @ delta for x_t, delta in zip(x, deltas, strict=True)),
        "W_h": sum(h.T @ delta for h, delta in zip(hs[:-1], deltas, strict=True)),
        "b": sum(delta.sum(axis=0) for delta in deltas),
    }


def lstm_case(T=SIZE[0], later=True):
    cell, x, state, e, grad_state, _ = make(LSTM, (T, *SIZE[1:]), PLAIN)
    from_later = grad_state if later else cell.zero_state(SIZE[1])

    def loss():
        outputs, final = cell.forward(x, state)
        return float((outputs * e).sum() + sum((s * g).sum() for s, g in zip(final, from_later, strict=True)))

    values = {"x": x, "h": state[0], "c": state[1], **cell.params}
    return cell, loss, values, lambda mistake="": lstm_gradients(cell, x, state, e, from_later, mistake)


def test_the_line_by_line_backward_pass_is_right():
    cell, loss, values, gradients = lstm_case()
    right = gradients()
    assert check_gradients(loss, values, right).passed
    _, x, state, e, grad_state, _ = make(LSTM, SIZE, PLAIN)
    cell.forward(x, state)
    grad_x, (grad_h, grad_c) = cell.backward(e, grad_state)
    for name, gradient in {"x": grad_x, "h": grad_h, "c": grad_c, **cell.grads}.items():
        np.testing.assert_allclose(right[name], gradient, rtol=0, atol=1e-12, err_msg=name)


LSTM_MISTAKES = [
    "no parentheses",
    "slope of a value that is a tanh already",
    "slope of a value that is a gate already",
    "gate in the place of its slope",
    "candidate for the old cell state",
    "states one step early",
    "neither carry",
    "no carry of dh",
    "no carry of dc",
]


@pytest.mark.parametrize("mistake", LSTM_MISTAKES)
def test_the_gradient_check_sees_every_published_mistake_in_an_lstm(mistake):
    _, loss, values, gradients = lstm_case()
    report = check_gradients(loss, values, gradients(mistake))
    assert not report.passed
    assert report.worst > 1e-3, "far beyond what rounding could explain"


@pytest.mark.parametrize("mistake", ["no parentheses", "neither carry"])
def test_one_step_and_no_gradient_from_later_would_not_have_shown_it(mistake):
    """The last step of a sequence receives no carry, so these two mistakes leave it right."""
    _, loss, values, gradients = lstm_case(T=1, later=False)
    right, wrong = gradients(), gradients(mistake)
    assert check_gradients(loss, values, right).passed
    for name in ("W_x", "W_h", "b", "x"):
        np.testing.assert_array_equal(right[name], wrong[name])


def test_without_the_carry_every_step_is_a_network_of_its_own():
    """No backpropagation through time at all: the gradients of T networks of one step, added."""
    cell, x, state, e, *_ = make(LSTM, SIZE, PLAIN)
    nothing = cell.zero_state(SIZE[1])
    wrong = lstm_gradients(cell, x, state, e, nothing, "neither carry")
    summed = {name: np.zeros_like(value) for name, value in cell.params.items()}
    for t in range(len(x)):
        step = slice(t, t + 1)
        before = state
        _, state = cell.forward(x[step], state)
        alone = lstm_gradients(cell, x[step], before, e[step], nothing)
        for name, total in summed.items():
            total += alone[name]
    for name, total in summed.items():
        np.testing.assert_allclose(wrong[name], total, rtol=0, atol=1e-12, err_msg=name)


def test_a_second_training_step_is_possible():
    """Gradients of one step must not be in the way of the next."""
    for kind in (RNN, LSTM, GRU):
        cell, x, state, e, grad_state, _ = make(kind, SIZE, PLAIN)
        first = None
        for _ in range(3):
            cell.forward(x, state)
            cell.backward(e, grad_state)
            first = first or {name: grad.copy() for name, grad in cell.grads.items()}
            for name, grad in cell.grads.items():
                np.testing.assert_array_equal(grad, first[name])


# ---- what the cases of the tests must contain ------------------------------------------------------------------------


def test_a_bias_counted_twice_hides_behind_zero_biases_and_not_behind_ours():
    cell, x, state, *_ = make(LSTM, SIZE, PLAIN)
    twice = LSTM(SIZE[2], SIZE[3])
    for name, value in cell.params.items():
        twice.params[name][...] = 2 * value if name == "b" else value
    assert np.abs(cell.forward(x, state)[0] - twice.forward(x, state)[0]).max() > 0.01
    for each in (cell, twice):
        each.params["b"][...] = 0
    np.testing.assert_array_equal(cell.forward(x, state)[0], twice.forward(x, state)[0])


@pytest.mark.parametrize("kind", [RNN, LSTM, GRU])
def test_the_cases_of_the_parity_tests_hide_nothing_behind_zeros_or_ones(kind):
    cell, x, state, grad_outputs, grad_state, _ = make(kind, SIZE, PLAIN)
    for value in (*cell.params.values(), x, *state, grad_outputs, *grad_state):
        assert np.all(value != 0)
        assert len(np.unique(value)) == value.size


# ---- recurrence without a curve, or with the wrong one ---------------------------------------------------------------


def steps(cell, x, h, activation):
    """A plain cell with another activation: the states of all steps."""
    hs = []
    for x_t in x:
        h = activation(x_t @ cell.params["W_x"] + h @ cell.params["W_h"] + cell.params["b"])
        hs.append(h)
    return np.stack(hs)


def test_a_hidden_state_without_non_linearity_is_one_linear_map():
    """It can be added up; a recurrent network cannot, and the comparison of outputs sees it."""
    cell, x, (h,), *_ = make(RNN, SIZE, PLAIN)
    identity = lambda a: a  # noqa: E731
    assert np.abs(steps(cell, x, h, np.tanh) - cell.forward(x, (h,))[0]).max() < 1e-14
    assert np.abs(steps(cell, x, h, identity) - cell.forward(x, (h,))[0]).max() > 0.1
    cell.params["b"][...] = 0
    other = np.random.default_rng(1).normal(size=x.shape)
    nothing = np.zeros_like(h)
    for activation, additive in ((identity, True), (np.tanh, False)):
        together = steps(cell, x + other, nothing, activation)
        added = steps(cell, x, nothing, activation) + steps(cell, other, nothing, activation)
        assert np.allclose(together, added, rtol=0, atol=1e-12) is additive


def test_the_formula_of_tanh_upside_down_is_another_function():
    """(eᵃ + e⁻ᵃ) / (eᵃ − e⁻ᵃ) is coth: never between −1 and 1."""
    a = np.array([-2.0, -0.5, 0.5, 2.0])
    upside_down = (np.exp(a) + np.exp(-a)) / (np.exp(a) - np.exp(-a))
    np.testing.assert_allclose((np.exp(a) - np.exp(-a)) / (np.exp(a) + np.exp(-a)), np.tanh(a), atol=1e-15)
    np.testing.assert_allclose(upside_down, 1 / np.tanh(a), atol=1e-15)
    assert np.all(np.abs(upside_down) > 1)


def test_the_immediate_derivative_alone_fails_the_check():
    cell, x, state, e, *_ = make(RNN, SIZE, PLAIN)
    hs, _ = cell.forward(x, state)
    before = np.stack([state[0], *hs[:-1]])
    cell.backward(e)

    def loss():
        return float((cell.forward(x, state)[0] * e).sum())

    immediate = np.einsum("tbh,tbk->hk", before, e * (1 - hs**2))
    assert check_gradients(loss, {"W_h": cell.params["W_h"]}, {"W_h": cell.grads["W_h"]}).passed
    assert not check_gradients(loss, {"W_h": cell.params["W_h"]}, {"W_h": immediate}).passed


# ---- axes, states and padding ----------------------------------------------------------------------------------------


def test_a_recurrence_over_the_batch_axis_fits_and_mixes_the_examples():
    """With T = B every shape fits. What gives it away: one example then changes the answers of the others."""
    cell, x, *_ = make(GRU, (4, 4, 2, 5), PLAIN)
    changed = x.copy()
    changed[:, 0] += 1

    def right(x):
        return cell.forward(x)[0]

    def over_the_batch(x):
        return cell.forward(np.ascontiguousarray(x.swapaxes(0, 1)))[0].swapaxes(0, 1)

    assert right(x).shape == over_the_batch(x).shape
    np.testing.assert_array_equal(right(changed)[:, 1:], right(x)[:, 1:])
    assert np.abs(over_the_batch(changed)[:, 1:] - over_the_batch(x)[:, 1:]).max() > 0.01


@pytest.mark.parametrize("kind", [RNN, LSTM, GRU])
def test_a_state_is_carried_for_a_batch_of_more_than_one(kind):
    cell, x, state, *_ = make(kind, (6, 3, 2, 4), PLAIN)
    whole, final = cell.forward(x, state)
    first, middle = cell.forward(x[:2], state)
    second, last = cell.forward(x[2:], middle)
    np.testing.assert_allclose(np.concatenate([first, second]), whole, rtol=0, atol=1e-14)
    for ours, wanted in zip(last, final, strict=True):
        np.testing.assert_allclose(ours, wanted, rtol=0, atol=1e-14)


@pytest.mark.parametrize("kind", [RNN, LSTM, GRU])
def test_a_state_read_after_the_padding_is_not_the_state_of_the_sequence(kind):
    cell, x, *_ = make(kind, (7, 3, 2, 4), PLAIN)
    lengths = np.array([7, 4, 2])
    mask = np.arange(7)[:, None] < lengths
    padded = np.where(mask[..., None], x, 0.0)
    _, masked = cell.forward(padded, mask=mask)
    _, unmasked = cell.forward(padded)
    for i, length in enumerate(lengths):
        _, alone = cell.forward(np.ascontiguousarray(x[:length, i : i + 1]))
        for part, of_the_sequence in enumerate(alone):
            np.testing.assert_allclose(masked[part][i], of_the_sequence[0], rtol=0, atol=1e-14)
            assert (np.abs(unmasked[part][i] - of_the_sequence[0]).max() < 1e-14) == (length == 7)


def test_a_loss_that_counts_the_padding_is_another_loss():
    rng = np.random.default_rng(0)
    scores, targets = rng.normal(size=(6, 2, 5)), rng.integers(0, 5, (6, 2))
    mask = np.arange(6)[:, None] < np.array([6, 2])
    right, grad = softmax_cross_entropy(scores, targets, mask)
    wrong, _ = softmax_cross_entropy(scores, targets)
    scores[~mask] = rng.normal(size=(4, 5))
    assert softmax_cross_entropy(scores, targets, mask)[0] == right
    assert softmax_cross_entropy(scores, targets)[0] != wrong
    assert not grad[~mask].any()


# ---- the GRU ---------------------------------------------------------------------------------------------------------


def both_grus():
    """The same numbers in both variants, with c_n zero, so that only the place of the reset differs."""
    after, x, state, *_ = make(GRU, SIZE, PLAIN, reset="after")
    before = GRU(SIZE[2], SIZE[3], reset="before")
    for name, value in before.params.items():
        value[...] = after.params[name]
    after.params["c_n"][...] = 0
    return after, before, x, state


def test_the_two_grus_give_different_outputs_with_the_same_weights():
    after, before, x, state = both_grus()
    assert np.abs(after.forward(x, state)[0] - before.forward(x, state)[0]).max() > 0.01
    # They agree where the reset gate is fully open: then there is nothing to place.
    for gru in (after, before):
        gru.params["b"][gru.block("r")] = 50
    np.testing.assert_allclose(after.forward(x, state)[0], before.forward(x, state)[0], rtol=0, atol=1e-12)


def test_a_gru_that_resets_before_is_refused_where_there_is_none():
    _, before, *_ = both_grus()
    with pytest.raises(ValueError, match="reset"):
        convert.params_to_torch(before.params)


def test_the_meaning_of_z_is_a_matter_of_signs():
    """z on the candidate instead of the old state: the same function after a change of sign."""
    gru, x, (h,), *_ = make(GRU, SIZE, PLAIN, reset="before")
    H, p = SIZE[3], gru.params
    wanted, _ = gru.forward(x, (h,))
    outputs = []
    for x_t in x:
        r = sigmoid(x_t @ p["W_x"][:, :H] + h @ p["W_h"][:, :H] + p["b"][:H])
        z = sigmoid(-(x_t @ p["W_x"][:, H : 2 * H] + h @ p["W_h"][:, H : 2 * H] + p["b"][H : 2 * H]))
        n = np.tanh(x_t @ p["W_x"][:, 2 * H :] + (r * h) @ p["W_h"][:, 2 * H :] + p["b"][2 * H :])
        h = (1 - z) * h + z * n
        outputs.append(h)
    np.testing.assert_allclose(np.stack(outputs), wanted, rtol=0, atol=1e-14)


def test_a_candidate_that_does_not_use_the_reset_gate_leaves_it_without_gradient():
    """(1 − z) ⊙ h in the place of r ⊙ h: the weights of r change nothing, so nothing can teach them."""
    gru, x, state, e, *_ = make(GRU, SIZE, PLAIN, reset="before")
    H = SIZE[3]

    def loss(use_r):
        h, total, p = state[0], 0.0, gru.params
        for x_t, e_t in zip(x, e, strict=True):
            a = x_t @ p["W_x"] + p["b"]
            r, z = (sigmoid(a[:, s] + h @ p["W_h"][:, s]) for s in (slice(0, H), slice(H, 2 * H)))
            n = np.tanh(a[:, 2 * H :] + ((r if use_r else 1 - z) * h) @ p["W_h"][:, 2 * H :])
            h = (1 - z) * n + z * h
            total += float((h * e_t).sum())
        return total

    gru.forward(x, state)
    gru.backward(e)
    for name in ("W_x", "W_h", "b"):
        of_r = gru.params[name][..., :H]  # a view: nudged in place
        nothing = np.zeros(of_r.shape)
        assert check_gradients(lambda: loss(False), {name: of_r}, {name: nothing}).passed
        assert check_gradients(lambda: loss(True), {name: of_r}, {name: gru.grads[name][..., :H]}).passed
        assert relative_error(gru.grads[name][..., :H], nothing) == 1


# ---- what is claimed of gradients ------------------------------------------------------------------------------------


def gradient_at_the_start(cell, T=60, seed=0):
    """The norm of the gradient of a loss at step T with respect to the initial states."""
    rng = np.random.default_rng(seed)
    x = 0.1 * rng.normal(size=(T, 1, cell.input_size))
    cell.forward(x)
    e = np.zeros((T, 1, cell.hidden_size))
    e[-1] = rng.normal(size=(1, cell.hidden_size))
    _, grads = cell.backward(e)
    return float(np.sqrt(sum((g**2).sum() for g in grads)) / np.linalg.norm(e))


def test_an_lstm_can_lose_a_gradient_and_can_let_it_explode():
    def median(T, forget_bias, gain):
        norms = []
        for seed in range(7):
            cell = LSTM(2, 8, forget_bias=forget_bias, rng=seed)
            cell.params["W_h"] *= gain
            norms.append(gradient_at_the_start(cell, T, seed))
        return np.median(norms)

    assert median(60, forget_bias=0.0, gain=1) < 1e-6
    assert median(60, forget_bias=8.0, gain=1) > 0.1
    assert median(20, forget_bias=1.0, gain=6) > 10


def test_a_jacobian_with_a_norm_above_one_need_not_explode():
    """The condition is necessary and not sufficient: this one stretches a vector by 3, and is gone after two steps."""
    cell = RNN(1, 2)
    cell.params["W_x"][...] = 0
    cell.params["W_h"][...] = [[0, 3], [0, 0]]
    assert np.linalg.norm(cell.params["W_h"], 2) == pytest.approx(3)
    assert gradient_at_the_start(cell, T=1) > 1
    assert gradient_at_the_start(cell, T=2) == 0
