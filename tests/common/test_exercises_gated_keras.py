"""The solutions of the exercises on the LSTM and the GRU in Keras, held against Keras itself.

That each check recognises its mistakes is proved for all exercises in tests/notebooks/test_exercises.py.
"""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import numpy as np
import pytest

from common import convert
from common.cells import GRU, LSTM
from common.exercises import gru_keras, lstm_keras

keras = pytest.importorskip("keras")

TOLERANCE = 1e-10 if keras.backend.backend() == "tensorflow" else 1e-4


def as_array(tensor):
    return keras.ops.convert_to_numpy(tensor)


@pytest.mark.parametrize(
    ("kind", "check"),
    [("LSTM", lstm_keras.check_keras_lstm_parameters), ("GRU", gru_keras.check_keras_gru_parameters)],
)
def test_the_counts_are_those_of_the_model(kind, check):
    recurrent = getattr(keras.layers, kind)(64, return_sequences=True)
    model = keras.Sequential([keras.Input((10, 1)), recurrent, keras.layers.Dense(1)])
    assert check.solution == model.count_params()


@pytest.mark.parametrize("units", [1, 5])
def test_starting_bias_is_that_of_a_fresh_layer(units):
    layer = keras.layers.LSTM(units)
    layer.build((None, None, 2))
    np.testing.assert_array_equal(lstm_keras.check_keras_starting_bias.solution(units), layer.get_weights()[2])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 9])
def test_chunks_are_the_whole_sequence(size):
    rng = np.random.default_rng(0)
    cell = LSTM(2, 4, rng=rng)
    x, h_0, c_0 = rng.normal(size=(7, 3, 2)), rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    whole = cell.forward(x, (h_0, c_0))[0].copy()
    np.testing.assert_allclose(lstm_keras.check_keras_chunks.solution(cell, x, (h_0, c_0), size), whole, atol=1e-12)


def test_last_of_both_is_what_keras_returns_without_the_sequence():
    rng, lengths = np.random.default_rng(1), np.array([7, 4, 2])
    x, mask = rng.normal(size=(3, 7, 2)), np.arange(7) < lengths[:, None]
    every, last = (
        keras.layers.Bidirectional(keras.layers.LSTM(4, return_sequences=on, dtype="float64"), dtype="float64")
        for on in (True, False)
    )
    for layer in (every, last):
        layer.build((None, None, 2))
    last.set_weights(every.get_weights())
    outputs, vector = as_array(every(x, mask=mask)), as_array(last(x, mask=mask))
    found = lstm_keras.check_keras_last_of_both.solution(outputs, lengths)
    np.testing.assert_allclose(found, vector, atol=TOLERANCE)


def test_order_and_biases_are_those_of_the_conversion():
    rng = np.random.default_rng(2)
    params = {name: rng.normal(size=value.shape) for name, value in GRU(2, 4).params.items()}
    kernel, recurrent_kernel, bias = convert.params_to_keras(params)
    order, two_biases = gru_keras.check_keras_gate_order.solution, gru_keras.check_keras_two_biases.solution
    np.testing.assert_array_equal(order(params["W_x"]), kernel)
    np.testing.assert_array_equal(order(params["W_h"]), recurrent_kernel)
    np.testing.assert_array_equal(two_biases(params["b"], params["c_n"]), bias)


def test_step_is_one_step_of_the_layer():
    rng = np.random.default_rng(3)
    layer = keras.layers.GRU(4, dtype="float64")
    layer.build((None, None, 2))
    weights = [rng.normal(size=w.shape) for w in layer.get_weights()]
    layer.set_weights(weights)
    x, h = rng.normal(size=(3, 2)), rng.normal(size=(3, 4))
    wanted = as_array(layer(x[:, None], initial_state=keras.ops.convert_to_tensor(h, dtype="float64")))
    np.testing.assert_allclose(gru_keras.check_keras_gru_step.solution(x, h, *weights), wanted, atol=TOLERANCE)
