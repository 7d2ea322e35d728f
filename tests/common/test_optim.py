"""Optimisers and clipping: step for step what PyTorch computes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.optim import SGD, Adam, AdamW, RMSProp, clip_by_norm, clip_by_value

SHAPES = {"W": (3, 2), "b": (2,), "scale": ()}
KINDS = {
    "sgd": (SGD, {"learning_rate": 0.1}, "SGD", {"lr": 0.1}),
    "momentum": (SGD, {"learning_rate": 0.1, "momentum": 0.9}, "SGD", {"lr": 0.1, "momentum": 0.9}),
    "rmsprop": (RMSProp, {}, "RMSprop", {}),
    "rmsprop set": (
        RMSProp,
        {"learning_rate": 0.02, "decay": 0.9, "epsilon": 1e-3},
        "RMSprop",
        {"lr": 0.02, "alpha": 0.9, "eps": 1e-3},
    ),
    "nesterov": (
        SGD,
        {"learning_rate": 0.02, "momentum": 0.9, "nesterov": True},
        "SGD",
        {"lr": 0.02, "momentum": 0.9, "nesterov": True},
    ),
    "adam": (Adam, {}, "Adam", {}),
    "adamw": (AdamW, {}, "AdamW", {}),
    "adamw set": (
        AdamW,
        {"learning_rate": 0.02, "betas": (0.8, 0.9), "epsilon": 1e-3, "weight_decay": 0.1},
        "AdamW",
        {"lr": 0.02, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1},
    ),
    "adam set": (
        Adam,
        {"learning_rate": 0.02, "betas": (0.8, 0.9), "epsilon": 1e-3},
        "Adam",
        {"lr": 0.02, "betas": (0.8, 0.9), "eps": 1e-3},
    ),
}


def arrays(seed, scale=1.0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return {name: np.asarray(rng.normal(0, scale, shape), dtype=dtype) for name, shape in SHAPES.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_every_step_equals_pytorch(kind):
    torch = pytest.importorskip("torch")
    ours_class, ours_settings, theirs_name, their_settings = KINDS[kind]
    params = arrays(0)
    tensors = {name: torch.tensor(p, requires_grad=True) for name, p in params.items()}
    ours = ours_class(params, **ours_settings)
    theirs = getattr(torch.optim, theirs_name)(tensors.values(), **their_settings)
    for step in range(60):
        grads = arrays(step + 1, scale=10.0 ** (step % 7 - 3))
        ours.step(grads)
        for name, tensor in tensors.items():
            tensor.grad = torch.tensor(grads[name])
        theirs.step()
        for name, tensor in tensors.items():
            np.testing.assert_allclose(params[name], tensor.detach().numpy(), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_parameters_change_in_place_and_keep_their_dtype(kind, dtype):
    make, settings_, *_ = KINDS[kind]
    params = arrays(0, dtype=dtype)
    before = {name: p.copy() for name, p in params.items()}
    own = dict(params)
    optimiser = make(params, **settings_)
    optimiser.step(arrays(1, dtype=dtype))
    for name, p in params.items():
        assert p is own[name]
        assert p.dtype == dtype
        assert (p != before[name]).all()
    assert {a.dtype for name, a in optimiser.state().items() if name != "steps"} == {np.dtype(dtype)}


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_state_goes_on_bit_for_bit(kind):
    make, settings_, *_ = KINDS[kind]

    def run(optimiser, steps):
        for step in steps:
            optimiser.step(arrays(step + 1))

    whole = arrays(0)
    run(make(whole, **settings_), range(8))
    first = arrays(0)
    optimiser = make(first, **settings_)
    run(optimiser, range(3))
    state, kept = optimiser.state(), {name: p.copy() for name, p in first.items()}
    run(optimiser, range(3, 5))  # the state is a copy: what follows must not change it
    resumed = make(kept, **settings_)
    resumed.load_state(state)
    run(resumed, range(3, 8))
    for name in whole:
        assert kept[name].tobytes() == whole[name].tobytes()


def test_adam_forgets_the_size_of_the_gradient():
    small, large = arrays(0), arrays(0)
    for params, scale in ((small, 1e-3), (large, 1e3)):
        Adam(params, 0.1).step(arrays(1, scale))
    for name in SHAPES:
        np.testing.assert_allclose(small[name], large[name], rtol=1e-3)


@pytest.mark.parametrize("limit", [0.3, 1.0, 5.0, 1e6, np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clipping_equals_pytorch(limit, dtype):
    torch = pytest.importorskip("torch")
    grads = arrays(1, dtype=dtype)
    tensors = [torch.zeros(g.shape, dtype=getattr(torch, dtype.__name__), requires_grad=True) for g in grads.values()]
    for tensor, g in zip(tensors, grads.values(), strict=True):
        tensor.grad = torch.tensor(g)
    wanted = torch.nn.utils.clip_grad_norm_(tensors, limit).item()
    own = dict(grads)
    norm = clip_by_norm(grads, limit)
    tolerance = 1e-6 if dtype == np.float32 else 1e-14
    assert norm == pytest.approx(wanted, rel=tolerance)
    for name, tensor in zip(SHAPES, tensors, strict=True):
        assert grads[name] is own[name]
        assert grads[name].dtype == dtype
        np.testing.assert_allclose(grads[name], tensor.grad.numpy(), rtol=tolerance)


@pytest.mark.parametrize("limit", [0.3, 1.0, 5.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clipping_by_value_equals_pytorch(limit, dtype):
    torch = pytest.importorskip("torch")
    grads = arrays(1, dtype=dtype)
    grads["W"].flat[0] = np.nan
    tensors = [torch.zeros(g.shape, dtype=getattr(torch, dtype.__name__), requires_grad=True) for g in grads.values()]
    for tensor, g in zip(tensors, grads.values(), strict=True):
        tensor.grad = torch.tensor(g)
    torch.nn.utils.clip_grad_value_(tensors, limit)
    own = dict(grads)
    assert clip_by_value(grads, limit) is None
    for name, tensor in zip(SHAPES, tensors, strict=True):
        assert grads[name] is own[name]
        np.testing.assert_array_equal(grads[name], tensor.grad.numpy())
    with pytest.raises(ValueError, match="limit: expected a number in"):
        clip_by_value(grads, 0)


def test_nesterov_needs_momentum():
    with pytest.raises(ValueError, match="momentum: expected a number above 0 with nesterov=True, got 0"):
        SGD(arrays(0), 0.1, nesterov=True)


@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3), st.integers(0, 99))
@settings(deadline=None, max_examples=40)
def test_clipping_shortens_and_never_turns(limit, scale, seed):
    grads = arrays(seed, scale)
    before = {name: g.copy() for name, g in grads.items()}
    norm = clip_by_norm(grads, limit)
    after = clip_by_norm({name: g.copy() for name, g in grads.items()})
    assert norm == pytest.approx(np.sqrt(sum((g**2).sum() for g in before.values())))
    assert after <= limit * (1 + 1e-12) or after == norm < limit
    assert after == pytest.approx(min(norm, limit), rel=2e-3)  # the 1e-6 shows for the smallest norms
    for name in grads:
        np.testing.assert_allclose(grads[name] * norm, before[name] * after, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_norm_that_is_not_finite_is_returned_and_nothing_touched(bad):
    grads = {"W": np.array([1.0, bad]), "b": np.array([2.0])}
    assert not np.isfinite(clip_by_norm(grads, 1.0))
    np.testing.assert_array_equal(grads["W"], [1.0, bad])
    np.testing.assert_array_equal(grads["b"], [2.0])


def test_bad_input_is_named():
    params = arrays(0)
    with pytest.raises(ValueError, match=r"grads: expected the names \['W', 'b', 'scale'\], got \['W'\]"):
        SGD(params, 0.1).step({"W": params["W"]})
    with pytest.raises(ValueError, match=r"grads\['W'\]: expected shape \(3, 2\), got \(2, 3\)"):
        SGD(params, 0.1).step({**arrays(1), "W": np.ones((2, 3))})
    with pytest.raises(ValueError, match=r"grads\['b'\]: expected finite numbers, got nan"):
        SGD(params, 0.1).step({**arrays(1), "b": np.array([0.0, np.nan])})
    with pytest.raises(TypeError, match=r"grads\['b'\]: expected dtype float64, got float32"):
        SGD(params, 0.1).step({**arrays(1), "b": np.ones(2, np.float32)})
    for wrong in (0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match=r"learning_rate: expected a number in \(0, inf\)"):
            SGD(params, wrong)
    with pytest.raises(ValueError, match=r"momentum: expected a number in \[0, 1\), got 1"):
        SGD(params, 0.1, momentum=1)
    with pytest.raises(TypeError, match="params: expected a dictionary of arrays"):
        Adam([params["W"]])
    with pytest.raises(ValueError, match=r"max_norm: expected a number in \(0, inf\), got 0"):
        clip_by_norm(arrays(1), 0)


def test_a_state_of_another_optimiser_is_refused_and_changes_nothing():
    params = arrays(0)
    adam, state = Adam(params), None
    adam.step(arrays(1))
    state = adam.state()
    for other in (SGD(params, 0.1).state(), Adam({"W": params["W"]}).state(), Adam({"W": np.ones((2, 2))}).state()):
        with pytest.raises(ValueError, match="state: it belongs to another optimiser or to other parameters"):
            adam.load_state(other)
    assert {name: a.tobytes() for name, a in adam.state().items()} == {n: a.tobytes() for n, a in state.items()}
