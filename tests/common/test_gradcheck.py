"""The gradient check: exact on what is known, green on a right backward pass, red on every planted bug."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from common.cells import RNN
from common.gradcheck import Report, check_gradients, numerical_gradient, relative_error
from common.layers import Linear
from common.losses import mean_squared_error
from common.models import SequenceModel

small = st.floats(-2, 2, allow_subnormal=False)


def rnn_case(T=5, B=3, D=2, H=4, seed=0):
    """A recurrent model with everything non-zero: loss(), the values it reads, and their gradients."""
    rng = np.random.default_rng(seed)
    model = SequenceModel(RNN(D, H, rng=rng), Linear(H, 2, rng=rng))
    model.params["cell.b"][:] = rng.normal(0, 0.3, H)
    x, h_0 = rng.normal(size=(T, B, D)), rng.normal(size=(B, H))
    target = rng.normal(size=(T, B, 2))

    def loss():
        return mean_squared_error(model.forward(x, (h_0,))[0], target)[0]

    _, grad_y = mean_squared_error(model.forward(x, (h_0,))[0], target)
    grad_x, (grad_h_0,) = model.backward(grad_y)
    values, grads = {**model.params, "x": x, "h_0": h_0}, {**model.grads, "x": grad_x, "h_0": grad_h_0}
    return SimpleNamespace(model=model, loss=loss, values=values, grads=grads, target=target)


@given(hnp.arrays(np.float64, hnp.array_shapes(min_dims=0, max_dims=3, max_side=4), elements=small))
@settings(deadline=None, max_examples=40)
def test_the_derivative_of_a_cubic_is_known_for_any_shape(a):
    before = a.copy()
    gradient = numerical_gradient(lambda: float((a**3 + 2 * a).sum()), a)
    assert gradient.shape == a.shape
    assert gradient.dtype == np.float64
    np.testing.assert_allclose(gradient, 3 * a**2 + 2, atol=1e-8)
    np.testing.assert_array_equal(a, before)


def test_a_view_that_is_not_contiguous_is_nudged_in_place():
    base = np.arange(12.0).reshape(3, 4)
    gradient = numerical_gradient(lambda: float((base**2).sum()), base[:, ::2])
    np.testing.assert_allclose(gradient, 2 * base[:, ::2], atol=1e-8)


def test_values_come_back_bit_for_bit_even_when_the_loss_fails():
    a = np.array([0.1, 1e-9, 1e9])
    before, calls = a.copy(), iter(range(5))

    def fails_at_the_fifth_call():
        if next(calls) == 4:
            raise RuntimeError("no")
        return 1.0

    with pytest.raises(RuntimeError, match="no"):
        numerical_gradient(fails_at_the_fifth_call, a)
    assert a.tobytes() == before.tobytes()


def test_relative_error_is_the_norm_of_the_difference_over_the_sum_of_norms():
    assert relative_error(np.array([3.0, 4.0]), np.array([3.0, 4.0])) == 0
    assert relative_error(np.array([3.0, 4.0]), np.zeros(2)) == 1
    assert relative_error(np.array([1.0]), np.array([3.0])) == pytest.approx(0.5)
    assert relative_error(np.zeros(2), np.zeros(2)) == 0
    with pytest.raises(ValueError, match=r"n: expected .*\(3, 1\)"):
        relative_error(np.zeros((3, 1)), np.zeros(3))


@pytest.mark.parametrize("sizes", [(1, 1, 1, 1), (5, 3, 2, 4), (6, 1, 3, 5), (3, 4, 1, 2)])
@pytest.mark.parametrize("seed", range(3))
def test_a_right_backward_pass_passes_with_room_to_spare(sizes, seed):
    case = rnn_case(*sizes, seed=seed)
    before = {name: a.tobytes() for name, a in case.values.items()}
    report = check_gradients(case.loss, case.values, case.grads)
    assert report.passed, str(report)
    assert report.worst < 2e-9
    assert {name: a.tobytes() for name, a in case.values.items()} == before


@pytest.mark.parametrize("bug", ["sign", "factor", "one entry", "transposed", "last step only", "zeros"])
def test_every_planted_bug_is_seen(bug):
    case = rnn_case()
    wrong = case.grads["cell.W_h"]
    case.grads["cell.W_h"] = {
        "sign": lambda: -wrong,
        "factor": lambda: wrong * 1.0001,
        "one entry": lambda: wrong + 1e-4 * np.eye(4)[:, :1],
        "transposed": lambda: wrong.T.copy(),
        "last step only": lambda: wrong * np.linspace(0, 1, 4),
        "zeros": lambda: np.zeros_like(wrong),
    }[bug]()
    report = check_gradients(case.loss, case.values, case.grads)
    assert not report.passed
    assert max(report.errors, key=report.errors.get) == "cell.W_h"
    assert re.search(r"cell\.W_h  \(4, 4\)     error [0-9.e-]+, not below 1e-08: no", str(report))
    assert str(report).count("yes") == len(case.values) - 1


def test_a_loss_that_runs_backward_cannot_overwrite_the_gradients_being_checked():
    case = rnn_case()
    case.grads["cell.W_x"][:] = 7  # wrong, and the array that a backward pass in the loss could repair
    values = {"cell.W_x": case.values["cell.W_x"]}
    claimed = {"cell.W_x": case.grads["cell.W_x"]}

    def loss_that_repairs():
        value = case.loss()
        y, _ = case.model.forward(case.values["x"], (case.values["h_0"],))
        case.model.backward(mean_squared_error(y, case.target)[1])
        claimed["cell.W_x"][:] = case.model.grads["cell.W_x"]
        return value

    assert check_gradients(loss_that_repairs, values, claimed).worst > 0.1


def test_the_report_reads_the_same_everywhere():
    report = Report({"W_x": 3.1e-11, "b": 0.33333}, {"W_x": (2, 3), "b": (3,)}, 1e-8)
    assert str(report) == "W_x  (2, 3)  error ≤ 1e-10 < 1e-08: yes\nb    (3,)    error 0.33, not below 1e-08: no"
    assert repr(report) == str(report)
    assert report.worst == 0.33333
    assert not report.passed
    assert not Report({"b": float("nan")}, {"b": (1,)}, 1e-8).passed


def test_float32_is_refused():
    a = np.ones(3, np.float32)
    with pytest.raises(TypeError, match=r"array: float32 is too coarse .* dtype=np.float64"):
        numerical_gradient(lambda: float(a.sum()), a)
    with pytest.raises(TypeError, match=r"values\['W'\]: float32 is too coarse"):
        check_gradients(lambda: 0.0, {"W": a}, {"W": a})
    with pytest.raises(TypeError, match="f: expected a loss in float64, got float32"):
        numerical_gradient(lambda: np.float32(1), np.ones(2))


def test_bad_input_is_named():
    a = np.ones(2)
    with pytest.raises(ValueError, match=r"two different losses.*dropout"):
        numerical_gradient(iter(np.arange(9.0)).__next__, a)
    with pytest.raises(ValueError, match=r"f: expected a loss that is one number, got shape \(2,\)"):
        numerical_gradient(lambda: a, a)
    with pytest.raises(ValueError, match="f: expected a finite loss, got nan"):
        check_gradients(lambda: np.nan, {"W": a}, {"W": a})
    with pytest.raises(ValueError, match=r"grads: .*missing: \['b'\], unknown: \['c'\]"):
        check_gradients(lambda: 0.0, {"W": a, "b": a}, {"W": a, "c": a})
    with pytest.raises(ValueError, match=r"grads\['W'\]: expected 1 axes \(2,\), got 2"):
        check_gradients(lambda: 0.0, {"W": a}, {"W": np.ones((2, 1))})
    with pytest.raises(ValueError, match=r"grads\['W'\]: expected finite numbers, got nan at index \(1,\)"):
        check_gradients(lambda: 0.0, {"W": a}, {"W": np.array([0, np.nan])})
    with pytest.raises(ValueError, match="values: there is nothing to check"):
        check_gradients(lambda: 0.0, {}, {})
    with pytest.raises(ValueError, match="step: expected a number in"):
        numerical_gradient(lambda: 0.0, a, step=0)
    a.flags.writeable = False
    with pytest.raises(ValueError, match="array: the array is read-only"):
        numerical_gradient(lambda: 0.0, a)
