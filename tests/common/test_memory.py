"""Memory is no business of the caller: no order of it, no reuse of an array, no leftover in it changes a result.

The same numbers can lie in memory in many ways: a batch-first array turned with `swapaxes` is the most ordinary of
them. Here everything public that computes is handed the same numbers in each of these ways.
"""

from __future__ import annotations

import functools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common import checks, convert, gradcheck, gradflow, layers, losses, optim
from common.cells import GRU, LSTM, RNN, Bidirectional, Stacked
from common.models import SequenceModel

T, B, D, H = 5, 3, 2, 4


def _turned(a):
    return np.ascontiguousarray(a.swapaxes(0, 1)).swapaxes(0, 1) if a.ndim > 1 else a.copy()


def _strided(a):
    wide = np.full(tuple(2 * n for n in a.shape), a.dtype.type(7))
    piece = wide[tuple(slice(None, None, 2) for _ in a.shape)]
    piece[...] = a
    return piece


def _backwards(a):
    there_and_back = tuple(slice(None, None, -1) for _ in a.shape)
    return np.ascontiguousarray(a[there_and_back])[there_and_back]


def _read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


LAYOUTS = {
    "C order": np.array,
    "Fortran order": np.asfortranarray,
    "turned": _turned,
    "strided": _strided,
    "backwards": _backwards,
    "read only": _read_only,
}


# ---- what is tried ---------------------------------------------------------------------------------------------------

CELLS = {
    "RNN": lambda: RNN(D, H, rng=0),
    "RNN relu": lambda: RNN(D, H, activation="relu", rng=0),
    "LSTM": lambda: LSTM(D, H, rng=0),
    "GRU after": lambda: GRU(D, H, rng=0),
    "GRU before": lambda: GRU(D, H, reset="before", rng=0),
    "stacked": lambda: Stacked([LSTM(D, H, rng=0), GRU(H, 3, rng=1)]),
    "both directions": lambda: Bidirectional(LSTM(D, H, rng=0), GRU(D, H, rng=1)),
    "both, product": lambda: Bidirectional(RNN(D, H, rng=0), RNN(D, H, rng=1), merge="mul"),
}


def through_cell(made, lay):
    """Forward and backward, all arrays in another layout: everything that comes out."""
    rng = np.random.default_rng(1)
    cell = made()
    for value in cell.params.values():
        value += 0.1 * rng.normal(size=value.shape)
    x = lay(rng.normal(size=(T, B, D)))
    state = tuple(lay(rng.normal(size=part.shape)) for part in cell.zero_state(B))
    mask = lay(rng.random((T, B)) < 0.7)
    e = lay(rng.normal(size=(T, B, cell.output_size)))
    grad_state = tuple(lay(rng.normal(size=part.shape)) for part in cell.zero_state(B))
    outputs, final = cell.forward(x, state, mask)
    grad_x, start = cell.backward(e, grad_state)
    return [outputs, *final, grad_x, *start, *cell.grads.values(), cell.last_output(final)]


def _linear(lay):
    rng = np.random.default_rng(1)
    layer = layers.Linear(D, H, rng=0)
    y = layer.forward(lay(rng.normal(size=(T, B, D))))
    return [y, layer.backward(lay(rng.normal(size=(T, B, H)))), *layer.grads.values()]


def _embedding(lay):
    rng = np.random.default_rng(1)
    layer = layers.Embedding(6, D, rng=0)
    y = layer.forward(lay(rng.integers(0, 6, (T, B))))
    layer.backward(lay(rng.normal(size=(T, B, D))))
    return [y, *layer.grads.values()]


def _dropout(lay):
    rng = np.random.default_rng(1)
    layer = layers.Dropout(0.5, rng=0)
    return [layer.forward(lay(rng.normal(size=(T, B, D)))), layer.backward(lay(rng.normal(size=(T, B, D))))]


def _loss(function, target):
    def run(lay):
        rng = np.random.default_rng(1)
        loss, gradient = function(lay(rng.normal(size=(T, B, 3))), lay(target(rng)), lay(rng.random((T, B)) < 0.7))
        return [np.array(loss), gradient]

    return run


def _model(read):
    def run(lay):
        rng = np.random.default_rng(1)
        model = SequenceModel(
            Bidirectional(LSTM(D, H, rng=0), LSTM(D, H, rng=1)), layers.Linear(2 * H, 2, rng=2), read=read
        )
        y, final = model.forward(lay(rng.normal(size=(T, B, D))), mask=lay(rng.random((T, B)) < 0.7))
        grad_x, start = model.backward(lay(rng.normal(size=y.shape)))
        return [y, *final, grad_x, *start, *model.grads.values()]

    return run


def _optimiser(kind, **options):
    def run(lay):
        rng = np.random.default_rng(1)
        # Parameters are changed in place, so a read-only one has no place here.
        start = lay(rng.normal(size=(3, 4)))
        params = {"W": start if start.flags.writeable else start.copy(), "b": np.zeros(3)}
        optimiser = kind(params, 0.01, **options)
        for _ in range(3):
            optimiser.step({"W": lay(rng.normal(size=(3, 4))), "b": lay(rng.normal(size=3))})
        return [*params.values(), *optimiser.state().values()]

    return run


def _clip(function, limit):
    def run(lay):
        rng = np.random.default_rng(1)
        grads = {"W": lay(rng.normal(size=(3, 4)))}
        grads = {n: g if g.flags.writeable else g.copy() for n, g in grads.items()}  # changed in place
        function(grads, limit)
        return [*grads.values()]

    return run


def _gradcheck(lay):
    rng = np.random.default_rng(1)
    array = lay(rng.normal(size=(3, 4)))
    array = array if array.flags.writeable else array.copy()  # nudged in place
    # Summed in one order, whatever lies in memory: the difference of two sums would magnify their rounding.
    slope = gradcheck.numerical_gradient(lambda: float(np.ascontiguousarray(array**3).sum()), array)
    return [slope, np.array(gradcheck.relative_error(lay(slope), lay(slope + 1)))]


def _gradflow(lay):
    rng = np.random.default_rng(1)
    cell = LSTM(D, H, rng=0)
    x = lay(rng.normal(size=(T, B, D)))
    state = tuple(lay(rng.normal(size=(B, H))) for _ in "hc")
    e = lay(rng.normal(size=(T, B, H)))
    one = lay(rng.normal(size=(T, 1, D)))
    jacobians = gradflow.jacobians(cell, one)
    found = gradflow.state_gradients(cell, x, state, grad_outputs=e)
    return [*found.values(), jacobians, gradflow.singular_values(lay(jacobians))]


def _convert(lay):
    rng = np.random.default_rng(1)
    found = []
    for made in (RNN(D, H, rng=0), LSTM(D, H, rng=0), GRU(D, H, rng=0), GRU(D, H, reset="before", rng=0)):
        params = {n: lay(p + rng.normal(size=p.shape)) for n, p in made.params.items()}
        keras = [lay(w) for w in convert.params_to_keras(params)]
        found += [*keras, *convert.params_from_keras(keras).values(), *convert.grads_from_keras(keras).values()]
        if not isinstance(made, GRU) or made.reset == "after":
            torch = {n: lay(p) for n, p in convert.params_to_torch(params).items()}
            found += [*torch.values(), *convert.params_from_torch(torch).values()]
            found += [*convert.grads_from_torch(torch).values()]
    return found


SUBJECTS = {f"cell {name}": functools.partial(through_cell, made) for name, made in CELLS.items()} | {
    "Linear": _linear,
    "Embedding": _embedding,
    "Dropout": _dropout,
    "mean_squared_error": _loss(losses.mean_squared_error, lambda rng: rng.normal(size=(T, B, 3))),
    "softmax_cross_entropy": _loss(losses.softmax_cross_entropy, lambda rng: rng.integers(0, 3, (T, B))),
    "binary_cross_entropy": _loss(losses.binary_cross_entropy, lambda rng: rng.random((T, B, 3))),
    "SequenceModel every": _model("every"),
    "SequenceModel last": _model("last"),
    "SGD": _optimiser(optim.SGD, momentum=0.9),
    "SGD nesterov": _optimiser(optim.SGD, momentum=0.9, nesterov=True),
    "RMSProp": _optimiser(optim.RMSProp),
    "Adam": _optimiser(optim.Adam),
    "AdamW": _optimiser(optim.AdamW),
    "clip_by_norm": _clip(optim.clip_by_norm, 0.5),
    "clip_by_value": _clip(optim.clip_by_value, 0.5),
    "gradcheck": _gradcheck,
    "gradflow": _gradflow,
    "convert": _convert,
}


# ---- the tests -------------------------------------------------------------------------------------------------------


def assert_same(got, wanted):
    assert len(got) == len(wanted)
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "C order"])
@pytest.mark.parametrize("subject", SUBJECTS)
def test_the_order_in_memory_changes_nothing(subject, layout):
    assert_same(SUBJECTS[subject](LAYOUTS[layout]), SUBJECTS[subject](np.array))


@given(seed=st.integers(0, 10**6), kind=st.sampled_from(list(CELLS)))
@settings(max_examples=60, deadline=None)
def test_any_mixture_of_orders_changes_nothing(seed, kind):
    rng = np.random.default_rng(seed)

    def lay(a):
        return list(LAYOUTS.values())[rng.integers(len(LAYOUTS))](a)

    assert_same(through_cell(CELLS[kind], lay), through_cell(CELLS[kind], np.array))


@pytest.mark.parametrize("subject", SUBJECTS)
def test_what_lay_in_memory_before_does_not_come_out(subject, monkeypatch):
    """Every array that is made without a value holds NaN: what is not overwritten shows."""
    wanted = SUBJECTS[subject](_turned)
    for name in ("empty", "empty_like"):
        make = getattr(np, name)

        def poisoned(*arguments, _make=make, **options):
            made = _make(*arguments, **options)
            if made.dtype.kind == "f":
                made[...] = np.nan
            return made

        monkeypatch.setattr(np, name, poisoned)
    assert_same(SUBJECTS[subject](_turned), wanted)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_twice_the_same_call_gives_the_same(subject):
    for a, b in zip(SUBJECTS[subject](_turned), SUBJECTS[subject](_turned), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", CELLS)
def test_the_caller_may_reuse_arrays_between_forward_and_backward(kind):
    rng = np.random.default_rng(1)
    cell, again = CELLS[kind](), CELLS[kind]()
    x, mask = rng.normal(size=(T, B, D)), rng.random((T, B)) < 0.7
    state = tuple(rng.normal(size=part.shape) for part in cell.zero_state(B))
    e = rng.normal(size=(T, B, cell.output_size))
    cell.forward(x, state, mask)
    grad_x, start = cell.backward(e)
    again.forward(x, state, mask)
    for reused in (x, mask, *state):
        reused[...] = 0
    grad_x_again, start_again = again.backward(e)
    assert_same([grad_x_again, *start_again, *again.grads.values()], [grad_x, *start, *cell.grads.values()])


def test_the_caller_may_reuse_the_input_of_a_layer():
    rng = np.random.default_rng(1)
    linear, embedding = layers.Linear(D, H, rng=0), layers.Embedding(6, D, rng=0)
    x, ids = rng.normal(size=(B, D)), rng.integers(0, 6, (T, B))
    e, e_ids = rng.normal(size=(B, H)), rng.normal(size=(T, B, D))
    found = []
    for reused in (False, True):
        linear.forward(x)
        embedding.forward(ids)
        if reused:
            x[...], ids[...] = 0, 0
        linear.backward(e)
        embedding.backward(e_ids)
        found.append([*linear.grads.values(), *embedding.grads.values()])
    assert_same(*found)


@pytest.mark.parametrize("kind", CELLS)
def test_no_argument_is_changed(kind):
    rng = np.random.default_rng(1)
    cell = CELLS[kind]()
    state, grad_state = (tuple(rng.normal(size=p.shape) for p in cell.zero_state(B)) for _ in range(2))
    x, mask, e = rng.normal(size=(T, B, D)), rng.random((T, B)) < 0.7, rng.normal(size=(T, B, cell.output_size))
    arrays = [x, mask, e, *state, *grad_state]
    before = [a.copy() for a in arrays]
    cell.forward(x, state, mask)
    cell.backward(e, grad_state)
    for now, then in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_finite_numbers_near_the_largest_pass_without_a_warning(dtype):
    large = np.full((50, 2), np.finfo(dtype).max)
    large[::2] *= -1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for array in (large, np.abs(large), large[::-1]):
            assert checks.array("x", array) is array
        large[3, 1] = np.nan
        with pytest.raises(ValueError, match=r"expected finite numbers, got nan at index \(3, 1\)"):
            checks.array("x", large)


def test_masked_arrays_and_matrices_are_refused():
    masked = np.ma.masked_array(np.ones((T, B, D)), mask=False)
    with pytest.raises(TypeError, match=r"x: expected a plain NumPy array, got a masked array.*\.filled\(0\)"):
        LSTM(D, H).forward(masked)
    with pytest.raises(TypeError, match="expected a NumPy array, got matrix"), pytest.warns(PendingDeprecationWarning):
        checks.array("W", np.matrix(np.ones((2, 2))))
    with pytest.raises(TypeError, match="masked array"):
        losses.mean_squared_error(masked, np.ones((T, B, D)))
