"""Edges of the engine: what a caller may change or hand in wrongly is never turned silently into another result."""

from __future__ import annotations

import numpy as np
import pytest

from common import gradflow, layers, losses, optim
from common.batches import Minibatches
from common.cells import GRU, LSTM, RNN, Bidirectional, Stacked, mask_from_lengths
from common.models import SequenceModel

T, B, D, H = 5, 3, 2, 4


def _x(seed=0):
    return np.random.default_rng(seed).normal(size=(T, B, D))


# ---- a model that reads the last outputs -----------------------------------------------------------------------------


@pytest.mark.parametrize("merge", ["concat", "sum", "ave", "mul"])
@pytest.mark.parametrize("stacked", [False, True])
def test_the_caller_may_reuse_the_final_state_of_a_model(merge, stacked):
    pair = Bidirectional(LSTM(D, H, rng=0), GRU(D, H, rng=1), merge=merge)
    cell = Stacked([RNN(D, D, rng=3), pair]) if stacked else pair
    model = SequenceModel(cell, layers.Linear(cell.output_size, 2, rng=2), read="last")
    found = []
    for reused in (False, True):
        y, final = model.forward(_x())
        if reused:
            for part in final:
                part[...] = 7
        grad_x, _ = model.backward(np.ones_like(y))
        found.append([grad_x, *model.grads.values()])
    for got, wanted in zip(*reversed(found), strict=True):
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("read", ["every", "last"])
def test_what_reaches_the_final_state_of_a_model_is_checked_as_by_the_cell(read):
    model = SequenceModel(LSTM(D, H, rng=0), layers.Linear(H, 2, rng=1), read=read)
    y, _ = model.forward(_x())
    good = np.zeros((B, H))
    for wrong, error, said in [
        ((np.ones((1, H)), good), ValueError, r"grad_state h: expected shape \(3, 4\), got \(1, 4\)"),
        ((np.ones(H), good), ValueError, "grad_state h: expected 2 axes"),
        ((good, np.ones((B, H), int)), TypeError, "grad_state c: expected dtype float64, got int64"),
        ((1.0, 2.0), TypeError, "grad_state h: expected a NumPy array, got float"),
        ((good,), TypeError, "grad_state: expected the tuple .* of arrays, got 1 items"),
        (good, TypeError, "grad_state: expected the tuple .* of arrays, got ndarray"),
    ]:
        with pytest.raises(error, match=said):
            model.backward(np.ones_like(y), wrong)


# ---- masked arrays: refused wherever an array goes in ----------------------------------------------------------------

_hidden = np.ma.masked_array


@pytest.mark.parametrize(
    "call",
    [
        lambda: RNN(D, H).forward(_x(), mask=_hidden(np.ones((T, B), bool))),
        lambda: Bidirectional(RNN(D, H), RNN(D, H)).forward(_x(), mask=_hidden(np.ones((T, B), bool))),
        lambda: mask_from_lengths(_hidden([1, 2], [0, 1]), 3),
        lambda: layers.Embedding(6, D).forward(_hidden(np.ones((T, B), int))),
        lambda: losses.softmax_cross_entropy(np.zeros((T, B, 3)), _hidden(np.zeros((T, B), int))),
        lambda: losses.mean_squared_error(_x(), _x(), _hidden(np.ones((T, B), bool))),
        lambda: optim.clip_by_norm({"W": _hidden(np.ones(3))}, 0.1),
        lambda: optim.clip_by_value({"W": _hidden(np.ones(3))}, 0.1),
        lambda: Minibatches(_hidden(_x()), _x(), 2, seed=0, axis=1),
        lambda: Minibatches(_x(), _hidden(_x()), 2, seed=0, axis=1),
    ],
)
def test_masked_arrays_are_refused_wherever_they_go_in(call):
    with pytest.raises(TypeError, match="expected a plain NumPy array, got a masked array"):
        call()


# ---- read-only arrays where something is changed in place: said first, and nothing is half done ----------------------


def _two(second_writeable):
    arrays = {"a": np.full(2, 9.0), "b": np.full(2, 9.0)}
    arrays["b"].flags.writeable = second_writeable
    return arrays


def test_a_read_only_parameter_is_refused_before_any_is_changed():
    params = _two(second_writeable=True)
    optimiser = optim.SGD(params, 0.1, momentum=0.9)
    params["b"].flags.writeable = False
    with pytest.raises(ValueError, match=r"params\['b'\]: the array is read-only"):
        optimiser.step({"a": np.ones(2), "b": np.ones(2)})
    assert (params["a"] == 9).all()
    assert optimiser.steps == 0
    assert not optimiser.memory["velocity"]["a"].any()


@pytest.mark.parametrize("clip", [optim.clip_by_norm, optim.clip_by_value])
def test_a_read_only_gradient_is_refused_before_any_is_clipped(clip):
    grads = _two(second_writeable=False)
    with pytest.raises(ValueError, match=r"grads\['b'\]: the array is read-only"):
        clip(grads, 0.5)
    assert (grads["a"] == 9).all()


def test_read_only_gradients_that_need_no_clipping_can_be_measured():
    assert optim.clip_by_norm(_two(second_writeable=False)) == pytest.approx(18)


# ---- others ----------------------------------------------------------------------------------------------------------


def test_two_directions_are_refused_however_deep_in_a_stack():
    pair = Bidirectional(RNN(D, H), RNN(D, H))
    for cell in (pair, Stacked([pair]), Stacked([Stacked([Stacked([pair])])])):
        with pytest.raises(ValueError, match="cell: expected one that reads forwards"):
            gradflow.jacobians(cell, _x()[:, :1])


@pytest.mark.parametrize("loss", [losses.mean_squared_error, losses.binary_cross_entropy])
def test_targets_in_the_padding_do_not_matter_not_even_nan(loss):
    rng, mask = np.random.default_rng(0), mask_from_lengths([5, 2, 1], T)
    prediction, target = rng.normal(size=(T, B, D)), rng.random((T, B, D))
    wanted = loss(prediction, target, mask)
    spoiled = np.where(mask[..., None], target, np.nan)
    got = loss(prediction, spoiled, mask)
    assert got[0] == wanted[0]
    np.testing.assert_array_equal(got[1], wanted[1])
    assert np.isnan(spoiled[~mask]).all()  # the argument was not changed
    spoiled[1, 0, 1] = np.nan  # an entry that counts
    with pytest.raises(ValueError, match=r"target: expected finite numbers, got nan at index \(1, 0, 1\)"):
        loss(prediction, spoiled, mask)
    with pytest.raises(ValueError, match="target: expected finite numbers"):
        loss(prediction, spoiled)


def test_no_lengths_at_all_are_said_to_be_none():
    with pytest.raises(ValueError, match="lengths: expected numbers from 0 to the 3 steps, got none"):
        mask_from_lengths([], 3)


@pytest.mark.parametrize("kind", ["single", "both", "stack", "model"])
def test_after_a_forward_pass_that_failed_there_is_nothing_to_go_back_through(kind):
    """Not half of the pass before it and half of the new one."""
    pair = Bidirectional(RNN(D, H, rng=0), RNN(D, H, rng=1))
    subject = {
        "single": lambda: LSTM(D, H, rng=0),
        "both": lambda: pair,
        "stack": lambda: Stacked([RNN(D, H, rng=0), RNN(H, H, rng=1)]),
        "model": lambda: SequenceModel(RNN(D, H, rng=0), layers.Linear(H, 2, rng=1)),
    }[kind]()
    outputs, final = subject.forward(_x())
    bad = (*(part for part in final[:-1]), np.full_like(final[-1], np.nan))
    with pytest.raises(ValueError, match="expected finite numbers"):
        subject.forward(_x(1), bad)
    with pytest.raises(RuntimeError, match="there is no forward pass to go back through"):
        subject.backward(np.ones_like(outputs))
