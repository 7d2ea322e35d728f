"""SequenceModel: cell and head as one, reading every step or the last, with masks and carried state."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.cells import GRU, LSTM, RNN, Bidirectional, Stacked
from common.gradcheck import check_gradients
from common.layers import Dropout, Linear
from common.losses import mean_squared_error
from common.models import SequenceModel

T, B, D, H, K = 6, 3, 2, 4, 2
MASK = np.arange(T)[:, None] < np.array([6, 2, 4])  # sequences of lengths 6, 2 and 4


def model_of(read="every", dtype=np.float64, D=D, H=H, K=K):
    model = SequenceModel(RNN(D, H, dtype=dtype, rng=0), Linear(H, K, dtype=dtype, rng=1), read=read)
    for name in ("cell.b", "head.b"):
        model.params[name][:] = np.random.default_rng(2).normal(size=model.params[name].shape)
    return model


def data(T=T, B=B, D=D, H=H, dtype=np.float64):
    rng = np.random.default_rng(3)
    return rng.normal(size=(T, B, D)).astype(dtype), rng.normal(size=(B, H)).astype(dtype)


@given(
    sizes=st.tuples(*[st.integers(1, 4)] * 5),
    dtype=st.sampled_from([np.float32, np.float64]),
    read=st.sampled_from(["every", "last"]),
)
@settings(deadline=None, max_examples=40)
def test_shapes_and_dtypes(sizes, dtype, read):
    T, B, D, H, K = sizes
    model = model_of(read, dtype, D, H, K)
    x, h_0 = data(T, B, D, H, dtype)
    y, (h_T,) = model.forward(x, (h_0,))
    grad_x, (grad_h_0,) = model.backward(np.ones_like(y), (np.ones_like(h_T),))
    assert y.shape == ((T, B, K) if read == "every" else (B, K))
    assert (h_T.shape, grad_x.shape, grad_h_0.shape) == ((B, H), x.shape, h_0.shape)
    arrays = (y, h_T, grad_x, grad_h_0, *model.params.values(), *model.grads.values())
    assert {a.dtype for a in arrays} == {np.dtype(dtype)}
    assert {n: p.shape for n, p in model.params.items()} == {n: g.shape for n, g in model.grads.items()}


@pytest.mark.parametrize("read", ["every", "last"])
@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "masked"])
def test_the_whole_model_passes_the_gradient_check(read, mask):
    model, (x, h_0) = model_of(read), data()
    rng = np.random.default_rng(4)
    target, weight = rng.normal(size=(T, B, K) if read == "every" else (B, K)), rng.normal(size=(B, H))
    loss_mask = mask if read == "every" else None

    def loss():
        y, (h_T,) = model.forward(x, (h_0,), mask)
        return mean_squared_error(y, target, loss_mask)[0] + float((h_T * weight).sum())

    y, _ = model.forward(x, (h_0,), mask)
    grad_x, (grad_h_0,) = model.backward(mean_squared_error(y, target, loss_mask)[1], (weight,))
    values, grads = {**model.params, "x": x, "h_0": h_0}, {**model.grads, "x": grad_x, "h_0": grad_h_0}
    report = check_gradients(loss, values, grads)
    assert report.passed, str(report)


def test_with_a_mask_last_means_the_last_step_that_is_real():
    model, (x, _) = model_of("last"), data()
    y, (h_T,) = model.forward(x, mask=MASK)
    for b, length in enumerate(MASK.sum(axis=0)):
        alone, (h_alone,) = model.forward(np.ascontiguousarray(x[:length, b : b + 1]))
        np.testing.assert_allclose(y[b], alone[0], atol=1e-14)
        np.testing.assert_allclose(h_T[b], h_alone[0], atol=1e-14)


def test_padding_has_no_influence_and_gets_no_gradient():
    model, (x, _) = model_of("last"), data()
    y, _ = model.forward(x, mask=MASK)
    grad_x, _ = model.backward(np.ones_like(y))
    before = {name: g.copy() for name, g in model.grads.items()}
    assert (grad_x[~MASK] == 0).all()
    x[~MASK] = 99.0
    np.testing.assert_array_equal(model.forward(x, mask=MASK)[0], y)
    model.backward(np.ones_like(y))
    for name, g in model.grads.items():
        np.testing.assert_array_equal(g, before[name])


def test_last_reads_what_every_reads_last():
    x, h_0 = data()
    every, last = model_of("every"), model_of("last")
    np.testing.assert_allclose(last.forward(x, (h_0,))[0], every.forward(x, (h_0,))[0][-1], atol=1e-14)


def test_state_carried_over_chunks_equals_the_whole_sequence():
    model, (x, h_0) = model_of(), data()
    whole, (h_T,) = model.forward(x, (h_0,))
    first, state = model.forward(x[:2], (h_0,))
    second, (h_chunk,) = model.forward(x[2:], state)
    np.testing.assert_allclose(np.concatenate([first, second]), whole, atol=1e-14)
    np.testing.assert_allclose(h_chunk, h_T, atol=1e-14)


def test_params_are_the_parts_own_arrays():
    model = model_of()
    assert list(model.params) == ["cell.W_x", "cell.W_h", "cell.b", "head.W", "head.b"]
    assert model.params["cell.W_h"] is model.cell.params["W_h"]
    assert model.params["head.W"] is model.head.params["W"]
    x, _ = data()
    y, _ = model.forward(x)
    model.params["head.b"] += 1
    np.testing.assert_allclose(model.forward(x)[0], y + 1, atol=1e-14)
    model.backward(np.ones_like(y))
    assert model.grads["cell.W_x"] is model.cell.grads["W_x"]
    assert model.parameter_count == D * H + H * H + H + H * K + K


def test_generators_of_the_parts_are_collected():
    assert model_of().generators == ()
    dropout = Dropout(0.5, rng=0)
    assert SequenceModel(RNN(D, H), dropout).generators == (dropout.rng,)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="read: expected one of 'every', 'last', got 'first'"):
        SequenceModel(RNN(D, H), Linear(H, K), read="first")
    with pytest.raises(RuntimeError, match=r"backward: .*call forward first"):
        model_of().backward(np.ones((T, B, K)))
    with pytest.raises(ValueError, match="x: expected 3 axes"):
        model_of().forward(np.ones((B, D)))
    with pytest.raises(ValueError, match=r"x: expected shape \(…, 5\)"):
        SequenceModel(RNN(D, H), Linear(5, K)).forward(data()[0])
    model = model_of("last")
    model.forward(data()[0])
    with pytest.raises(ValueError, match="grad_y: expected 2 axes"):
        model.backward(np.ones((T, B, K)))


TWO_WAYS = {
    "pair": lambda: Bidirectional(LSTM(D, H, rng=1), LSTM(D, H, rng=2)),
    "product": lambda: Bidirectional(GRU(D, H, rng=1), GRU(D, H, rng=2), merge="mul"),
    "pair on top": lambda: Stacked([RNN(D, 3, rng=1), Bidirectional(LSTM(3, H, rng=2), GRU(3, H, rng=3))]),
    "pair below": lambda: Stacked([Bidirectional(RNN(D, H, rng=1), RNN(D, H, rng=2)), LSTM(2 * H, H, rng=3)]),
}


@pytest.mark.parametrize("cell", TWO_WAYS)
@pytest.mark.parametrize("mask", [None, MASK, MASK[::-1]], ids=["whole", "padded at the end", "padded at the start"])
def test_the_last_of_two_directions_is_what_both_ended_with(cell, mask):
    """Each sequence alone, without padding: the top cells' own final states, and exact gradients."""
    model = SequenceModel(TWO_WAYS[cell](), Linear(TWO_WAYS[cell]().output_size, K, rng=5), read="last")
    x = data()[0]
    y, _ = model.forward(x, mask=mask)
    top = model.cell.layers[-1] if isinstance(model.cell, Stacked) else model.cell
    for n in range(B):
        real = np.ones(T, bool) if mask is None else mask[:, n]
        alone = x[real, n : n + 1]
        for layer in model.cell.layers[:-1] if isinstance(model.cell, Stacked) else []:
            alone, _ = layer.forward(alone)
        if isinstance(top, Bidirectional):
            ends = top.ahead.forward(alone)[0][-1], top.back.forward(alone[::-1])[0][-1]
            end = ends[0] * ends[1] if top.merge == "mul" else np.concatenate(ends, axis=-1)
        else:
            end = top.forward(alone)[0][-1]
        np.testing.assert_allclose(y[n], model.head.forward(end)[0], rtol=0, atol=1e-14)

    target = np.random.default_rng(4).normal(size=(B, K))

    def loss():
        return mean_squared_error(model.forward(x, mask=mask)[0], target)[0]

    model.backward(mean_squared_error(model.forward(x, mask=mask)[0], target)[1])
    report = check_gradients(loss, model.params, model.grads)
    assert report.passed, str(report)
    for name, grad in model.grads.items():
        assert np.any(grad), f"{name} gets no gradient"


def test_gradients_of_a_model_add_up_when_asked():
    model, (x, h_0) = model_of("last"), data()
    rng = np.random.default_rng(4)
    e = rng.normal(size=(B, K))
    model.forward(x, (h_0,))
    model.backward(e)
    once = {name: grad.copy() for name, grad in model.grads.items()}
    model.forward(x, (h_0,))
    model.backward(e, accumulate=True)
    for name in once:
        np.testing.assert_allclose(model.grads[name], 2 * once[name], rtol=1e-12)
