"""Losses and their gradients: equal to PyTorch's, proven by the gradient check, right at the edges."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.gradcheck import check_gradients
from common.losses import binary_cross_entropy, mean_squared_error, softmax_cross_entropy

K = 5
leading = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)
dtypes = st.sampled_from([np.float32, np.float64])


def case(loss, rng, shape, dtype=np.float64):
    """(prediction, target) for a loss."""
    prediction = rng.normal(0, 2, (*shape, K)).astype(dtype)
    if loss is softmax_cross_entropy:
        return prediction, rng.integers(0, K, shape)
    if loss is binary_cross_entropy:
        return prediction, rng.uniform(0, 1, prediction.shape).astype(dtype)
    return prediction, rng.normal(size=prediction.shape).astype(dtype)


losses = pytest.mark.parametrize("loss", [mean_squared_error, softmax_cross_entropy, binary_cross_entropy])


@losses
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_to_pytorch(loss, masked, dtype):
    torch = pytest.importorskip("torch")
    F = torch.nn.functional
    rng = np.random.default_rng(1)
    prediction, target = case(loss, rng, (7, 3), dtype)
    mask = rng.random((7, 3)) < 0.6 if masked else None
    keep = np.ones((7, 3), bool) if mask is None else mask
    tensor = torch.tensor(prediction, requires_grad=True)
    wanted = {
        mean_squared_error: F.mse_loss,
        softmax_cross_entropy: F.cross_entropy,
        binary_cross_entropy: F.binary_cross_entropy_with_logits,
    }[loss](tensor[torch.tensor(keep)], torch.tensor(target[keep]))
    wanted.backward()
    value, gradient = loss(prediction, target, mask)
    tolerance = 1e-6 if dtype == np.float32 else 1e-14
    np.testing.assert_allclose(value, wanted.item(), rtol=tolerance)
    np.testing.assert_allclose(gradient, tensor.grad.numpy(), rtol=tolerance, atol=tolerance)
    assert (gradient[~keep] == 0).all()


@losses
@pytest.mark.parametrize("masked", [False, True])
def test_the_gradient_is_the_derivative(loss, masked):
    rng = np.random.default_rng(2)
    prediction, target = case(loss, rng, (3, 2))
    mask = np.array([[True, False], [True, True], [False, True]]) if masked else None
    _, gradient = loss(prediction, target, mask)
    report = check_gradients(lambda: loss(prediction, target, mask)[0], {"y": prediction}, {"y": gradient})
    assert report.passed, str(report)


@losses
@given(shape=leading, dtype=dtypes, seed=st.integers(0, 99))
@settings(deadline=None, max_examples=30)
def test_any_leading_axes_and_the_dtype_stays(loss, shape, dtype, seed):
    prediction, target = case(loss, np.random.default_rng(seed), shape, dtype)
    value, gradient = loss(prediction, target)
    assert type(value) is float
    assert gradient.shape == prediction.shape
    assert gradient.dtype == dtype
    everything = np.ones(shape, bool)
    masked_value, masked_gradient = loss(prediction, target, everything)
    assert masked_value == pytest.approx(value, rel=1e-6)
    np.testing.assert_allclose(masked_gradient, gradient, rtol=1e-6)


@losses
def test_what_is_masked_does_not_matter(loss):
    rng = np.random.default_rng(3)
    prediction, target = case(loss, rng, (4, 2))
    mask = rng.random((4, 2)) < 0.5
    before = loss(prediction, target, mask)
    prediction[~mask] = 1e3
    target[~mask] = -1 if loss is softmax_cross_entropy else 0
    after = loss(prediction, target, mask)
    assert before[0] == after[0]
    np.testing.assert_array_equal(before[1], after[1])


def test_an_uninformed_model_has_the_loss_everyone_should_know():
    labels = np.arange(6).reshape(2, 3) % K
    assert softmax_cross_entropy(np.zeros((2, 3, K)), labels)[0] == pytest.approx(np.log(K))
    assert binary_cross_entropy(np.zeros((2, 3)), np.ones((2, 3)))[0] == pytest.approx(np.log(2))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_scores_neither_overflow_nor_lose_the_loss(dtype):
    big = 1e4
    value, gradient = softmax_cross_entropy(np.array([[big, -big, 0]], dtype), np.array([1]))
    assert value == pytest.approx(2 * big)
    np.testing.assert_allclose(gradient, [[1, -1, 0]])
    value, gradient = binary_cross_entropy(np.array([big, -big], dtype), np.array([0, 0], dtype))
    assert value == pytest.approx(big / 2)
    np.testing.assert_allclose(gradient, [0.5, 0])


@losses
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_prediction_that_is_not_finite_gives_such_a_loss(loss):
    prediction, target = case(loss, np.random.default_rng(4), (2, 2))
    prediction[0, 0, 0] = np.nan
    assert np.isnan(loss(prediction, target)[0])


def test_bad_input_is_named():
    y = np.zeros((3, 2, K))
    with pytest.raises(ValueError, match=r"target: expected shape \(3, 2, 5\), got \(3, 2, 1\)"):
        mean_squared_error(y, y[..., :1])
    with pytest.raises(TypeError, match="target: expected dtype float64, got float32"):
        mean_squared_error(y, y.astype(np.float32))
    with pytest.raises(TypeError, match="prediction: expected dtype float32 or float64, got int"):
        mean_squared_error(y.astype(int), y)
    with pytest.raises(ValueError, match="target: expected finite numbers, got nan"):
        mean_squared_error(y, y + np.nan)
    with pytest.raises(ValueError, match=r"nothing to average in shape \(0, 2\)"):
        mean_squared_error(np.zeros((0, 2)), np.zeros((0, 2)))
    with pytest.raises(TypeError, match=r"mask: expected a NumPy array of dtype bool.*got float64"):
        mean_squared_error(y, y, np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"mask: expected the leading axes of \(3, 2, 5\), got shape \(2, 3\)"):
        mean_squared_error(y, y, np.ones((2, 3), bool))
    with pytest.raises(ValueError, match="mask: every entry is masked"):
        softmax_cross_entropy(y, np.zeros((3, 2), int), np.zeros((3, 2), bool))
    with pytest.raises(TypeError, match="labels: expected a NumPy array of whole numbers, got float64"):
        softmax_cross_entropy(y, np.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"labels: expected shape \(3, 2\), got \(3, 1\)"):
        softmax_cross_entropy(y, np.zeros((3, 1), int))
    for wrong in (-1, K):
        with pytest.raises(ValueError, match=f"labels: expected classes from 0 to 4 for 5 logits, got {wrong}"):
            softmax_cross_entropy(y, np.full((3, 2), wrong))
    with pytest.raises(ValueError, match="target: expected numbers from 0 to 1, got 0 to 2"):
        binary_cross_entropy(np.zeros(2), np.array([0.0, 2.0]))
