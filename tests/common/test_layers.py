"""Linear, Embedding and Dropout: equal to PyTorch, proven by the gradient check, clear about bad input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.gradcheck import check_gradients
from common.layers import Dropout, Embedding, Linear

leading = st.lists(st.integers(1, 4), min_size=0, max_size=3).map(tuple)
dtypes = st.sampled_from([np.float32, np.float64])


@given(leading=leading, D=st.integers(1, 4), K=st.integers(1, 4), dtype=dtypes, bias=st.booleans())
@settings(deadline=None, max_examples=40)
def test_linear_keeps_leading_axes_and_dtype(leading, D, K, dtype, bias):
    layer = Linear(D, K, bias=bias, dtype=dtype, rng=0)
    x = np.random.default_rng(1).normal(size=(*leading, D)).astype(dtype)
    y = layer.forward(x)
    grad_x = layer.backward(np.ones_like(y))
    assert y.shape == (*leading, K)
    assert grad_x.shape == x.shape
    assert {a.dtype for a in (y, grad_x, *layer.params.values(), *layer.grads.values())} == {np.dtype(dtype)}
    assert {n: p.shape for n, p in layer.params.items()} == {n: g.shape for n, g in layer.grads.items()}
    assert ("b" in layer.params) == bias


@pytest.mark.parametrize("shape", [(1, 1, 3), (4, 2, 3), (5, 3), (3,)])
@pytest.mark.parametrize("bias", [True, False])
def test_linear_passes_the_gradient_check(shape, bias):
    rng = np.random.default_rng(0)
    layer = Linear(3, 2, bias=bias, rng=rng)
    x, weight = rng.normal(size=shape), rng.normal(size=(*shape[:-1], 2))
    layer.forward(x)
    grads = {"x": layer.backward(weight), **layer.grads}
    report = check_gradients(lambda: float((layer.forward(x) * weight).sum()), {"x": x, **layer.params}, grads)
    assert report.passed, str(report)


def test_linear_equals_pytorch():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(2)
    layer, theirs = Linear(4, 3, rng=rng), torch.nn.Linear(4, 3, dtype=torch.float64)
    layer.params["b"][:] = rng.normal(size=3)
    with torch.no_grad():
        theirs.weight.copy_(torch.tensor(layer.params["W"].T))
        theirs.bias.copy_(torch.tensor(layer.params["b"]))
    x, upstream = rng.normal(size=(5, 2, 4)), rng.normal(size=(5, 2, 3))
    tensor = torch.tensor(x, requires_grad=True)
    output = theirs(tensor)
    output.backward(torch.tensor(upstream))
    np.testing.assert_allclose(layer.forward(x), output.detach().numpy(), atol=1e-14)
    np.testing.assert_allclose(layer.backward(upstream), tensor.grad.numpy(), atol=1e-14)
    np.testing.assert_allclose(layer.grads["W"], theirs.weight.grad.numpy().T, atol=1e-14)
    np.testing.assert_allclose(layer.grads["b"], theirs.bias.grad.numpy(), atol=1e-14)


def test_gradients_are_overwritten_not_added():
    layer = Linear(2, 2, rng=0)
    x = np.ones((3, 2))
    for _ in range(2):
        layer.forward(x)
        layer.backward(np.ones((3, 2)))
    np.testing.assert_allclose(layer.grads["b"], 3)


def test_gradients_add_up_when_asked():
    rng = np.random.default_rng(0)
    layer, x, e = Linear(2, 3, rng=0), rng.normal(size=(4, 2)), rng.normal(size=(4, 3))
    layer.forward(x)
    layer.backward(e)
    whole = layer.grads
    for rows in (slice(0, 1), slice(1, 4)):
        layer.forward(x[rows])
        layer.backward(e[rows], accumulate=rows.start > 0)
    embedding, ids, e = Embedding(3, 2, rng=0), np.array([0, 1, 1]), rng.normal(size=(3, 2))
    embedding.forward(ids)
    embedding.backward(e)
    once = embedding.grads
    embedding.backward(e, accumulate=True)
    for name in whole:
        np.testing.assert_allclose(layer.grads[name], whole[name], rtol=1e-13)
    np.testing.assert_array_equal(embedding.grads["W"], 2 * once["W"])
    dropout = Dropout(0.5, rng=0)
    y = dropout.forward(x)
    np.testing.assert_array_equal(dropout.backward(y, accumulate=True), dropout.backward(y))


def test_starting_weights_come_from_the_seed():
    assert (Linear(3, 2, rng=1).params["W"] == Linear(3, 2, rng=1).params["W"]).all()
    assert (Linear(3, 2, rng=1).params["W"] != Linear(3, 2, rng=2).params["W"]).all()
    assert (Linear(3, 2).params["b"] == 0).all()
    assert np.abs(Linear(40, 20, rng=0).params["W"]).max() <= np.sqrt(6 / 60)
    assert Embedding(200, 50, rng=0).params["W"].std() == pytest.approx(1, abs=0.02)


def test_embedding_equals_pytorch_also_where_a_symbol_repeats():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    layer, ids, upstream = Embedding(6, 3, rng=rng), rng.integers(0, 4, (5, 4)), rng.normal(size=(5, 4, 3))
    W = torch.tensor(layer.params["W"], requires_grad=True)
    output = torch.nn.functional.embedding(torch.tensor(ids), W)
    output.backward(torch.tensor(upstream))
    np.testing.assert_array_equal(layer.forward(ids), output.detach().numpy())
    assert layer.backward(upstream) is None
    np.testing.assert_allclose(layer.grads["W"], W.grad.numpy(), atol=1e-14)
    assert (layer.grads["W"][4:] == 0).all()


def test_embedding_is_a_product_with_one_hot_rows():
    layer, ids = Embedding(4, 2, rng=0), np.array([[3, 0], [1, 1]])
    np.testing.assert_array_equal(layer.forward(ids), np.eye(4)[ids] @ layer.params["W"])
    assert Embedding(4, 2, dtype=np.float32).forward(ids).dtype == np.float32


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dropout_keeps_the_mean_and_drops_the_same_entries_backward(dtype):
    layer = Dropout(0.3, rng=0)
    x = np.ones((40, 50, 20), dtype)
    y = layer.forward(x)
    grad = layer.backward(np.ones_like(x))
    assert y.dtype == grad.dtype == dtype
    assert set(np.unique(y)) == {dtype(0), dtype(1) * dtype(1 / 0.7)}
    assert (y == 0).mean() == pytest.approx(0.3, abs=0.01)
    assert y.mean() == pytest.approx(1, abs=0.01)
    np.testing.assert_array_equal(grad, y)


def test_dropout_does_nothing_when_not_training_or_at_rate_zero():
    x = np.random.default_rng(0).normal(size=(3, 4))
    layer = Dropout(0.9, rng=0)
    layer.training = False
    np.testing.assert_array_equal(layer.forward(x), x)
    np.testing.assert_array_equal(layer.backward(x), x)
    np.testing.assert_array_equal(Dropout(0.0).forward(x), x)


def test_dropout_shows_its_generator_to_checkpoints():
    layer = Dropout(0.5, rng=1)
    (rng,) = layer.generators
    before, x = rng.bit_generator.state, np.ones(20)
    first = layer.forward(x)
    rng.bit_generator.state = before
    np.testing.assert_array_equal(layer.forward(x), first)


def test_a_diverging_network_is_not_stopped_by_a_layer():
    layer = Linear(1, 1, rng=0)
    assert np.isinf(layer.forward(np.array([[np.inf]]))).all()
    assert np.isnan(layer.backward(np.array([[np.nan]]))).all()


def test_bad_input_is_named():
    layer = Linear(3, 2)
    with pytest.raises(RuntimeError, match=r"backward: .*call forward first"):
        layer.backward(np.ones((1, 2)))
    with pytest.raises(ValueError, match=r"x: expected shape \(…, 3\) with at least one entry, got \(4, 2\)"):
        layer.forward(np.ones((4, 2)))
    with pytest.raises(ValueError, match=r"x: expected shape \(…, 3\) .*got \(0, 3\)"):
        layer.forward(np.ones((0, 3)))
    with pytest.raises(TypeError, match="x: expected dtype float64, got float32"):
        layer.forward(np.ones((4, 3), np.float32))
    layer.forward(np.ones((4, 3)))
    with pytest.raises(ValueError, match=r"grad_y: expected shape \(4, 2\), got \(4, 3\)"):
        layer.backward(np.ones((4, 3)))
    with pytest.raises(ValueError, match="input_size: expected a whole number of at least 1, got 0"):
        Linear(0, 2)
    with pytest.raises(ValueError, match="dtype: expected one of"):
        Linear(1, 2, dtype=np.float16)
    embedding = Embedding(3, 2)
    with pytest.raises(TypeError, match="ids: expected a NumPy array of whole numbers, got float64"):
        embedding.forward(np.ones(2))
    for wrong in (-1, 3):
        with pytest.raises(ValueError, match=f"ids: expected symbols from 0 to 2, got {wrong}"):
            embedding.forward(np.array([0, wrong]))
    with pytest.raises(ValueError, match="ids: expected at least one symbol"):
        embedding.forward(np.zeros((0, 2), int))
    with pytest.raises(RuntimeError, match=r"backward: .*call forward first"):
        embedding.backward(np.ones((1, 2)))
    for wrong in (1, -0.1):
        with pytest.raises(ValueError, match=r"rate: expected a number in \[0, 1\)"):
            Dropout(wrong)
    with pytest.raises(TypeError, match="rate: expected a number"):
        Dropout("0.5")
