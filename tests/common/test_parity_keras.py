"""`common.cells` and Keras on TensorFlow are the same functions: outputs, final states, every gradient, edge sizes."""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import numpy as np
import pytest

from common import convert, parity
from common.cells import GRU, LSTM, RNN
from tests.common.cases import CELLS, SIZES, VARIANTS, make, make_composed, variant_name
from tests.common.journey import assert_same_cell

keras = pytest.importorskip("keras")

# Keras on PyTorch takes matrix products down to float32, so only TensorFlow can be held to double precision.
TOLERANCE = 1e-10 if keras.backend.backend() == "tensorflow" else 1e-4


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("variant", VARIANTS, ids=variant_name)
@pytest.mark.parametrize("kind", CELLS)
def test_cell(size, variant, kind):
    cell_type, options = CELLS[kind]
    cell, x, state, grad_outputs, grad_state, mask = make(cell_type, size, variant, **options)
    ours = parity.run(cell, x, state, grad_outputs, grad_state, mask)
    theirs = parity.run_keras(cell, x, state, grad_outputs, grad_state, mask)
    worst = parity.differences(ours, theirs)
    assert max(worst.values()) < TOLERANCE, worst


@pytest.mark.parametrize("together", ["stacked", "bidirectional", "both", "funnel"])
@pytest.mark.parametrize("variant", VARIANTS, ids=variant_name)
@pytest.mark.parametrize("kind", ["RNN tanh", "LSTM", "GRU after", "GRU before"])
def test_cells_put_together(together, variant, kind):
    cell_type, options = CELLS[kind]
    cell, x, state, grad_outputs, grad_state, mask = make_composed(together, cell_type, variant, **options)
    real = 1 if mask is None else mask[..., None]
    ours = parity.run(cell, x, state, grad_outputs * real, grad_state, mask)
    theirs = parity.run_keras(cell, x, state, grad_outputs * real, grad_state, mask)
    # Read from the end, Keras' outputs on the padding are zero until the first real step; ours are the initial state.
    worst = parity.differences(
        ours | {"outputs": ours["outputs"] * real}, theirs | {"outputs": theirs["outputs"] * real}
    )
    assert max(worst.values()) < TOLERANCE, worst


@pytest.mark.parametrize("kind", CELLS)
def test_a_wrong_weight_is_noticed(kind):
    cell_type, options = CELLS[kind]
    cell, x, state, grad_outputs, grad_state, _ = make(cell_type, SIZES[0], VARIANTS[0], **options)
    theirs = parity.run_keras(cell, x, state, grad_outputs, grad_state)
    cell.params["W_h"][0] += 1e-3
    worst = parity.differences(parity.run(cell, x, state, grad_outputs, grad_state), theirs)
    assert all(value > TOLERANCE for value in worst.values()), worst


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", CELLS)
def test_weights_survive_the_journey(bias, dtype, kind):
    cell_type, options = CELLS[kind]
    cell = make(cell_type, SIZES[0], (bias, False, False), dtype=dtype, **options)[0]
    assert_same_cell(convert.from_keras(convert.to_keras(cell)), cell)


@pytest.mark.parametrize("together", ["stacked", "bidirectional", "both", "funnel"])
@pytest.mark.parametrize("kind", ["LSTM", "GRU after", "GRU before"])
def test_cells_put_together_survive_it_too(together, kind):
    cell_type, options = CELLS[kind]
    cell = make_composed(together, cell_type, VARIANTS[0], **options)[0]
    assert_same_cell(convert.from_keras(convert.to_keras(cell)), cell)


def test_both_rows_of_biases_count():
    """A GRU with two random rows of biases: their sum for the gates, both for the candidate."""
    layer = keras.layers.GRU(3, return_sequences=True, dtype="float64", bias_initializer="random_normal")
    x = np.random.default_rng(0).normal(size=(1, 4, 2))
    theirs = np.asarray(layer(x)).swapaxes(0, 1)
    outputs, _ = convert.from_keras(layer).forward(x.swapaxes(0, 1).copy())
    np.testing.assert_allclose(outputs, theirs, rtol=0, atol=1e-14)


def test_fresh_layers_have_the_forget_bias_of_ours():
    layer = keras.layers.LSTM(3)
    layer.build((None, None, 2))
    np.testing.assert_array_equal(convert.from_keras(layer).params["b"], LSTM(2, 3).params["b"])


def _built(layer):
    layer.build((None, None, 2))
    return layer


@pytest.mark.parametrize(
    ("layer", "error", "message"),
    [
        (lambda: keras.layers.Dense(3), TypeError, "layer: expected a keras.layers.SimpleRNN, LSTM or GRU, got Dense"),
        (lambda: keras.layers.SimpleRNN(3), ValueError, "call it on data or build it first"),
        (
            lambda: _built(keras.layers.SimpleRNN(3, activation="sigmoid")),
            ValueError,
            r"layer\.activation: expected one of 'tanh', 'relu', got 'sigmoid'",
        ),
        (
            lambda: _built(keras.layers.LSTM(3, activation="relu")),
            ValueError,
            r"layer\.activation: expected one of 'tanh', got 'relu'",
        ),
        (
            lambda: _built(keras.layers.GRU(3, recurrent_activation="hard_sigmoid")),
            ValueError,
            r"layer\.recurrent_activation: expected one of 'sigmoid'",
        ),
        (
            lambda: _built(keras.layers.LSTM(3, go_backwards=True)),
            ValueError,
            r"layer\.go_backwards: expected one of False, got True",
        ),
        (
            lambda: _built(keras.layers.Bidirectional(keras.layers.LSTM(3), merge_mode="sum")),
            ValueError,
            r"layer\.merge_mode: expected one of 'concat', got 'sum'",
        ),
    ],
)
def test_what_cannot_be_converted_is_refused(layer, error, message):
    with pytest.raises(error, match=message):
        convert.from_keras(layer())


def test_only_the_book_s_cells_become_layers():
    with pytest.raises(TypeError, match="cell: expected one of the book's cells, got str"):
        convert.to_keras("LSTM")


def test_a_stack_becomes_a_list_of_layers():
    layers = convert.to_keras(make_composed("stacked", GRU, VARIANTS[0])[0])
    assert [type(layer).__name__ for layer in layers] == ["GRU", "GRU"]
    assert convert.to_keras(RNN(2, 3)).return_state
