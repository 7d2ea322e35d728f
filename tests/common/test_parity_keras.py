"""`common.cells` and Keras on TensorFlow are the same functions: outputs, final states, every gradient, edge sizes."""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import numpy as np
import pytest

from common import convert, parity
from common.cells import RNN
from tests.common.cases import SIZES, VARIANTS, make, variant_name

keras = pytest.importorskip("keras")

# Keras on PyTorch takes matrix products down to float32, so only TensorFlow can be held to double precision.
TOLERANCE = 1e-10 if keras.backend.backend() == "tensorflow" else 1e-4


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("variant", VARIANTS, ids=variant_name)
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_rnn(size, variant, activation):
    cell, x, state, grad_outputs, grad_state, mask = make(RNN, size, variant, activation=activation)
    ours = parity.run(cell, x, state, grad_outputs, grad_state, mask)
    theirs = parity.run_keras(cell, x, state, grad_outputs, grad_state, mask)
    worst = parity.differences(ours, theirs)
    assert max(worst.values()) < TOLERANCE, worst


def test_a_wrong_weight_is_noticed():
    cell, x, state, grad_outputs, grad_state, _ = make(RNN, SIZES[0], VARIANTS[0])
    theirs = parity.run_keras(cell, x, state, grad_outputs, grad_state)
    cell.params["W_h"][0, 0] += 1e-3
    worst = parity.differences(parity.run(cell, x, state, grad_outputs, grad_state), theirs)
    assert all(value > TOLERANCE for value in worst.values()), worst


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_survive_the_journey(bias, dtype):
    cell = make(RNN, SIZES[0], (bias, False, False), dtype=dtype, activation="relu")[0]
    back = convert.from_keras(convert.to_keras(cell))
    assert back.activation == "relu"
    assert back.dtype == dtype
    assert back.params.keys() == cell.params.keys()
    for name in cell.params:
        np.testing.assert_array_equal(back.params[name], cell.params[name])


def test_what_cannot_be_converted_is_refused():
    with pytest.raises(TypeError, match=r"layer: expected a keras.layers.SimpleRNN, got GRU"):
        convert.from_keras(keras.layers.GRU(3))
    with pytest.raises(ValueError, match="call it on data or build it first"):
        convert.from_keras(keras.layers.SimpleRNN(3))
    layer = keras.layers.SimpleRNN(3, activation="sigmoid")
    layer.build((None, None, 2))
    with pytest.raises(ValueError, match=r"layer\.activation: expected one of 'tanh', 'relu', got 'sigmoid'"):
        convert.from_keras(layer)
