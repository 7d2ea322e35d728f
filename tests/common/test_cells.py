"""The cells in NumPy: right against a step-by-step reference and central differences, strict about bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.cells import RNN
from common.gradcheck import check_gradients
from tests.common.cases import SIZES, VARIANTS, make, variant_name

ACTIVATIONS = {"tanh": np.tanh, "relu": lambda a: np.maximum(a, 0)}


@pytest.fixture(params=SIZES, ids=str)
def size(request):
    return request.param


@pytest.fixture(params=VARIANTS, ids=variant_name)
def variant(request):
    return request.param


@pytest.fixture(params=["tanh", "relu"])
def activation(request):
    return request.param


def reference(cell, x, state, mask):
    """The equations as they stand: one step, one example at a time."""
    b = cell.params.get("b", 0.0)
    h, outputs = state[0].copy(), []
    for t in range(len(x)):
        h = h.copy()
        for i in range(x.shape[1]):
            if mask is None or mask[t, i]:
                a = x[t, i] @ cell.params["W_x"] + h[i] @ cell.params["W_h"] + b
                h[i] = ACTIVATIONS[cell.activation](a)
        outputs.append(h)
    return np.stack(outputs), h


def test_forward_is_the_recurrence(size, variant, activation):
    cell, x, state, _, _, mask = make(RNN, size, variant, activation=activation)
    outputs, (h,) = cell.forward(x, state, mask)
    wanted, wanted_h = reference(cell, x, state, mask)
    np.testing.assert_allclose(outputs, wanted, rtol=0, atol=1e-14)
    np.testing.assert_allclose(h, wanted_h, rtol=0, atol=1e-14)


def test_backward_agrees_with_central_differences(size, variant, activation):
    cell, x, state, grad_outputs, grad_state, mask = make(RNN, size, variant, activation=activation)

    def loss():
        outputs, (h,) = cell.forward(x, state, mask)
        return float((outputs * grad_outputs).sum() + (h * grad_state[0]).sum())

    loss()
    grad_x, (grad_h,) = cell.backward(grad_outputs, grad_state)
    values = {"x": x, "h": state[0], **cell.params}
    report = check_gradients(loss, values, {"x": grad_x, "h": grad_h, **cell.grads})
    assert report.passed, str(report)


def test_chunks_with_a_carried_state_equal_the_whole_sequence():
    cell, x, state, grad_outputs, grad_state, _ = make(RNN, (12, 3, 2, 5), (True, True, False))
    whole, final = cell.forward(x, state)
    grad_x, grad_start = cell.backward(grad_outputs, grad_state)
    whole_grads = cell.grads

    starts, chunk_state = [], state
    for chunk in np.split(x, 3):
        starts.append(chunk_state)
        outputs, chunk_state = cell.forward(chunk, chunk_state)
        k = 4 * (len(starts) - 1)
        np.testing.assert_allclose(outputs, whole[k : k + 4], rtol=0, atol=1e-15)
    np.testing.assert_allclose(chunk_state[0], final[0], rtol=0, atol=1e-15)

    # Backward, last chunk first: the gradient of a chunk's initial state goes to its predecessor's final state.
    summed, carry = {name: 0.0 for name in whole_grads}, grad_state
    for k in (2, 1, 0):
        piece = slice(4 * k, 4 * k + 4)
        cell.forward(x[piece], starts[k])
        chunk_grad_x, carry = cell.backward(grad_outputs[piece], carry)
        np.testing.assert_allclose(chunk_grad_x, grad_x[piece], rtol=0, atol=1e-13)
        summed = {name: summed[name] + cell.grads[name] for name in summed}
    np.testing.assert_allclose(carry[0], grad_start[0], rtol=0, atol=1e-13)
    for name in summed:
        np.testing.assert_allclose(summed[name], whole_grads[name], rtol=0, atol=1e-12)


def test_a_padded_batch_gives_what_each_sequence_gives_alone():
    cell, x, state, grad_outputs, _, mask = make(RNN, (7, 4, 2, 5), (True, True, True))
    grad_outputs = grad_outputs * mask[..., None]
    outputs, (h,) = cell.forward(x, state, mask)
    cell.backward(grad_outputs)
    together = cell.grads
    alone = {name: 0.0 for name in together}
    for i, length in enumerate(mask.sum(axis=0)):
        piece = (slice(0, length), slice(i, i + 1))
        single, (single_h,) = cell.forward(x[piece], (state[0][i : i + 1],))
        cell.backward(grad_outputs[piece])
        np.testing.assert_allclose(single[:, 0], outputs[:length, i], rtol=0, atol=1e-14)
        np.testing.assert_allclose(single_h[0], h[i], rtol=0, atol=1e-14)
        np.testing.assert_array_equal(outputs[length:, i], np.broadcast_to(h[i], (7 - length, 5)))
        alone = {name: alone[name] + cell.grads[name] for name in alone}
    for name in together:
        np.testing.assert_allclose(together[name], alone[name], rtol=0, atol=1e-13)


def test_what_is_under_the_mask_does_not_matter():
    cell, x, state, grad_outputs, grad_state, mask = make(RNN, (7, 4, 2, 5), (True, True, True))
    results = []
    for filler in (0.0, 123.0):
        cell.forward(np.where(mask[..., None], x, filler), state, mask)
        results.append((cell.backward(grad_outputs, grad_state), cell.grads))
    (first, first_grads), (second, second_grads) = results
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[0][~mask], 0)
    for name in first_grads:
        np.testing.assert_array_equal(first_grads[name], second_grads[name])


@given(
    T=st.integers(1, 6),
    B=st.integers(1, 4),
    D=st.integers(1, 4),
    H=st.integers(1, 5),
    variant=st.sampled_from(VARIANTS),
    dtype=st.sampled_from([np.float32, np.float64]),
    activation=st.sampled_from(["tanh", "relu"]),
)
@settings(max_examples=60, deadline=None)
def test_shapes_and_dtypes_are_kept(T, B, D, H, variant, dtype, activation):
    cell, x, state, grad_outputs, grad_state, mask = make(
        RNN, (T, B, D, H), variant, dtype=dtype, activation=activation
    )
    outputs, (h,) = cell.forward(x, state, mask)
    grad_x, (grad_h,) = cell.backward(grad_outputs, grad_state)
    shapes = {"outputs": outputs, "h": h, "grad_x": grad_x, "grad_h": grad_h}
    assert {n: a.shape for n, a in shapes.items()} == {
        "outputs": (T, B, H),
        "h": (B, H),
        "grad_x": (T, B, D),
        "grad_h": (B, H),
    }
    assert cell.grads.keys() == cell.params.keys()
    for name, value in cell.params.items():
        assert cell.grads[name].shape == value.shape
    assert {a.dtype for a in [*shapes.values(), *cell.grads.values()]} == {np.dtype(dtype)}


def test_float32_follows_float64():
    results = {}
    for dtype in (np.float32, np.float64):
        cell, x, state, grad_outputs, grad_state, _ = make(RNN, (20, 4, 3, 8), (True, True, False), dtype=dtype)
        outputs, _ = cell.forward(x, state)
        cell.backward(grad_outputs, grad_state)
        results[dtype] = (outputs, cell.grads["W_h"])
    for single, double in zip(results[np.float32], results[np.float64], strict=True):
        np.testing.assert_allclose(single, double, rtol=1e-4, atol=1e-4)


def test_forward_leaves_its_arguments_alone():
    cell, x, state, grad_outputs, grad_state, mask = make(RNN, (7, 3, 2, 5), (True, True, True))
    before = [a.copy() for a in (x, state[0], grad_outputs, grad_state[0], mask, *cell.params.values())]
    cell.forward(x, state, mask)
    cell.backward(grad_outputs, grad_state)
    after = [x, state[0], grad_outputs, grad_state[0], mask, *cell.params.values()]
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)


def test_outputs_cannot_be_overwritten_by_accident():
    """Backward still needs them; a silent change would give a silently wrong gradient."""
    cell, x, *_ = make(RNN, (7, 3, 2, 5), (True, False, False))
    outputs, (h,) = cell.forward(x)
    with pytest.raises(ValueError, match="read-only"):
        outputs[0] = 0
    kept = outputs[-1].copy()
    h[...] = 0  # the state is the caller's own copy
    np.testing.assert_array_equal(outputs[-1], kept)


def test_the_seed_decides_the_weights():
    first, same, other = RNN(3, 4, rng=0), RNN(3, 4, rng=np.random.default_rng(0)), RNN(3, 4, rng=1)
    np.testing.assert_array_equal(first.params["W_h"], same.params["W_h"])
    assert not np.array_equal(first.params["W_h"], other.params["W_h"])


def test_starting_weights_are_what_the_docstring_says():
    cell = RNN(30, 50, rng=0)
    np.testing.assert_allclose(cell.params["W_h"] @ cell.params["W_h"].T, np.eye(50), atol=1e-12)
    limit = np.sqrt(6 / 80)
    assert np.abs(cell.params["W_x"]).max() <= limit
    assert np.abs(cell.params["W_x"]).max() > 0.95 * limit
    assert not cell.params["b"].any()
    assert cell.parameter_count == 30 * 50 + 50 * 50 + 50


GOOD = np.zeros((7, 3, 2))
BAD_GRAD = np.zeros((7, 3, 5))
BAD_GRAD[6, 2, 4] = np.nan


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda c: c.forward(np.zeros((7, 2))), ValueError, r"x: expected 3 axes \(T, B, 2\), got 2"),
        (
            lambda c: c.forward(np.zeros((7, 3, 4))),
            ValueError,
            r"x: expected shape \(T, B, 2\), got \(7, 3, 4\)",
        ),
        (lambda c: c.forward(np.zeros((0, 3, 2))), ValueError, r"x: axis 0 \(T\) must not be empty"),
        (lambda c: c.forward(np.zeros((7, 0, 2))), ValueError, r"x: axis 1 \(B\) must not be empty"),
        (lambda c: c.forward(GOOD.astype(np.float32)), TypeError, "x: expected dtype float64, got float32"),
        (lambda c: c.forward(GOOD.astype(int)), TypeError, "x: expected dtype float64, got int64"),
        (lambda c: c.forward(GOOD.tolist()), TypeError, "x: expected a NumPy array, got list"),
        (
            lambda c: c.forward(GOOD + np.nan),
            ValueError,
            r"x: expected finite numbers, got nan at index \(0, 0, 0\)",
        ),
        (
            lambda c: c.forward(GOOD, np.zeros((3, 5))),
            TypeError,
            r"state: expected the tuple \(h,\) of arrays",
        ),
        (
            lambda c: c.forward(GOOD, (np.zeros((2, 5)),)),
            ValueError,
            r"state h: expected shape \(3, 5\), got \(2, 5\)",
        ),
        (lambda c: c.forward(GOOD, mask=np.ones((3, 7), bool)), ValueError, r"mask: expected shape \(7, 3\)"),
        (
            lambda c: c.forward(GOOD, mask=np.ones((7, 3))),
            TypeError,
            "mask: expected a NumPy array of dtype bool",
        ),
        (lambda c: c.backward(np.zeros((7, 3, 5))), RuntimeError, "call forward first"),
        (
            lambda c: (c.forward(GOOD), c.backward(GOOD)),
            ValueError,
            r"grad_outputs: expected shape \(7, 3, 5\)",
        ),
        (
            lambda c: (c.forward(GOOD), c.backward(BAD_GRAD)),
            ValueError,
            r"grad_outputs: .* got nan at index \(6, 2, 4\)",
        ),
        (lambda c: RNN(0, 5), ValueError, "input_size: expected a whole number of at least 1, got 0"),
        (lambda c: RNN(2, 5.0), TypeError, "hidden_size: expected a whole number of at least 1, got 5.0"),
        (lambda c: RNN(2, 5, activation="sigmoid"), ValueError, "activation: expected one of 'tanh', 'relu'"),
        (lambda c: RNN(2, 5, dtype=np.float16), ValueError, "dtype: expected one of"),
        (lambda c: c.zero_state(0), ValueError, "batch: expected a whole number of at least 1"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call(RNN(2, 5))
