"""`common.cells` and Keras on TensorFlow are the same functions: outputs, final states, every gradient, edge sizes."""

from __future__ import annotations

import functools
import inspect
import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import numpy as np
import pytest

from common import convert, parity
from common.cells import GRU, LSTM, RNN, Bidirectional, Stacked
from tests.common.cases import CELLS, SIZES, VARIANTS, arrays_for, make, make_composed, variant_name
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


MERGES = ["concat", "sum", "ave", "mul"]


@pytest.mark.parametrize("merge", MERGES)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("kind", ["RNN relu", "LSTM", "GRU after"])
def test_two_directions_merged_in_every_way(kind, masked, merge):
    """On the real steps: Keras sets the others to zero in two directions, whatever one asks for."""
    cell_type, options = CELLS[kind]
    rng = np.random.default_rng(0)
    two = [cell_type(2, 5, rng=rng, **options) for _ in range(2)]
    cell, x, state, grad_outputs, grad_state, mask = arrays_for(
        Bidirectional(*two, merge=merge), SIZES[0], (True, True, masked), rng
    )
    real = np.ones((*x.shape[:2], 1)) if mask is None else mask[..., None]
    ours = parity.run(cell, x, state, grad_outputs * real, grad_state, mask)
    theirs = parity.run_keras(cell, x, state, grad_outputs * real, grad_state, mask)
    worst = parity.differences(
        ours | {"outputs": ours["outputs"] * real}, theirs | {"outputs": theirs["outputs"] * real}
    )
    assert max(worst.values()) < TOLERANCE, worst
    back = convert.from_keras(convert.to_keras(cell))
    assert_same_cell(back, cell)
    assert back.merge == merge


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
    layer.build((4, None, 2))
    return layer


def _named_tanh(x):
    return 2 * x


_named_tanh.__name__ = "tanh"


LEFT_BEHIND = {
    "dropout": {"dropout": 0.5, "recurrent_dropout": 0.5, "seed": 1},
    "training only": {"kernel_regularizer": "l2", "recurrent_constraint": "non_neg", "activity_regularizer": "l1"},
    "how": {"unroll": True, "use_cudnn": False, "implementation": 1},
    "returned": {"return_state": False, "trainable": False},
    "a function of Keras' own": {"activation": keras.ops.tanh},
    "no biases": {"use_bias": False},
    "the variant": {"reset_after": False},
}


@pytest.mark.parametrize("options", LEFT_BEHIND.values(), ids=LEFT_BEHIND)
def test_what_does_not_change_the_function_is_left_behind(options):
    """The docstring of from_keras says so; here it is measured, with weights far from the starting ones."""
    layer = keras.layers.GRU(3, **{"return_sequences": True, "dtype": "float64"} | options)
    x = np.random.default_rng(0).normal(size=(2, 4, 2))
    layer(x)
    layer.set_weights([np.random.default_rng(1).normal(size=w.shape) for w in layer.get_weights()])
    outputs, _ = convert.from_keras(layer).forward(x.swapaxes(0, 1))
    np.testing.assert_allclose(outputs.swapaxes(0, 1), np.asarray(layer(x)), rtol=0, atol=1e-14)


def test_every_argument_of_the_layers_was_thought_of():
    """A new one of Keras may change the function: decide then whether from_keras refuses it or leaves it behind."""
    known = """
        self units activation recurrent_activation use_bias kernel_initializer recurrent_initializer bias_initializer
        unit_forget_bias kernel_regularizer recurrent_regularizer bias_regularizer activity_regularizer
        kernel_constraint recurrent_constraint bias_constraint dropout recurrent_dropout seed return_sequences
        return_state go_backwards stateful unroll reset_after use_cudnn kwargs layer merge_mode weights
        backward_layer cell zero_output_for_mask implementation
    """
    for kind in (*convert.KERAS, "Bidirectional", "RNN"):
        assert set(inspect.signature(getattr(keras.layers, kind).__init__).parameters) <= set(known.split())


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
            lambda: _built(keras.layers.Bidirectional(keras.layers.LSTM(3), merge_mode=None)),
            ValueError,
            r"layer\.merge_mode: expected one of 'concat', 'sum', 'ave', 'mul', got None",
        ),
        (
            lambda: _built(keras.layers.LSTM(3, return_sequences=True, zero_output_for_mask=True)),
            ValueError,
            r"layer\.zero_output_for_mask: expected False, got True",
        ),
        (
            lambda: [keras.layers.GRU(3), _built(keras.layers.GRU(3, zero_output_for_mask=True))][1:],
            ValueError,
            r"layer\.zero_output_for_mask: expected False, got True",
        ),
        (
            lambda: _built(keras.layers.GRU(3, stateful=True)),
            ValueError,
            r"layer\.stateful: expected False, got True",
        ),
        (
            lambda: _built(keras.layers.SimpleRNN(3, activation=keras.layers.LeakyReLU())),
            ValueError,
            r"layer\.activation: expected one of 'tanh', 'relu', got LeakyReLU",
        ),
        (
            lambda: _built(keras.layers.LSTM(3, activation=_named_tanh)),
            ValueError,
            r"layer\.activation: expected one of 'tanh', got tanh of tests",
        ),
        (
            lambda: _built(keras.layers.LSTM(3, activation=lambda x: x)),
            ValueError,
            r"layer\.activation: expected one of 'tanh', got <lambda> of tests",
        ),
        (
            lambda: _built(keras.layers.LSTM(3, activation=functools.partial(keras.ops.leaky_relu, negative_slope=1))),
            ValueError,
            r"layer\.activation: expected one of 'tanh', got partial of functools",
        ),
        (
            lambda: _built(keras.layers.GRU(3, activation=None)),
            ValueError,
            r"layer\.activation: expected one of 'tanh', got 'linear'",
        ),
        (lambda: _built(keras.layers.LSTM(3, dtype="mixed_float16")), TypeError, "float64, .* got float16"),
        (lambda: _built(keras.layers.LSTM(3, dtype="mixed_bfloat16")), TypeError, "float64, .* got bfloat16"),
        (
            lambda: _built(keras.layers.GRU(3, dtype="bfloat16", recurrent_initializer="zeros")),
            TypeError,
            "float64, .* got bfloat16",
        ),
        (lambda: _built(keras.layers.GRU(3, dtype="float16")), TypeError, "float64, .* got float16"),
        (
            lambda: _built(keras.layers.Bidirectional(keras.layers.LSTM(3, dtype="float64"))),
            TypeError,
            "a Bidirectional of float32 around float64",
        ),
        (
            lambda: keras.layers.RNN(keras.layers.LSTMCell(3)),
            TypeError,
            "layer: expected a keras.layers.SimpleRNN, LSTM or GRU, got RNN",
        ),
        (
            lambda: _built(type("LSTM", (keras.layers.LSTM,), {})(3)),
            TypeError,
            r"layer: expected a keras.layers.SimpleRNN, LSTM or GRU, got tests\..*\.LSTM",
        ),
    ],
)
def test_what_cannot_be_converted_is_refused(layer, error, message):
    with pytest.raises(error, match=message):
        convert.from_keras(layer())


@pytest.mark.parametrize("function", [convert.params_from_keras, convert.grads_from_keras])
def test_a_list_of_more_than_one_layer_s_weights_is_refused_not_cut(function):
    both = _built(keras.layers.Bidirectional(keras.layers.LSTM(3)))
    bare = _built(keras.layers.Bidirectional(keras.layers.LSTM(3, use_bias=False)))
    for weights in (both.get_weights(), bare.get_weights(), []):
        with pytest.raises(
            ValueError, match=f"weights: expected those of one layer, .* got {len(weights)}; .*from_keras"
        ):
            function(weights)


def test_two_rows_of_biases_belong_to_a_gru():
    kernel, recurrent_kernel, bias = _built(keras.layers.LSTM(3)).get_weights()
    with pytest.raises(ValueError, match="weights: expected the shapes of one RNN, LSTM or GRU"):
        convert.params_from_keras([kernel, recurrent_kernel, np.stack([bias, bias])])


def test_variables_and_tensors_will_do():
    layer = _built(keras.layers.GRU(3))
    wanted = convert.params_from_keras(layer.get_weights())
    for given in (layer.weights, [w.value for w in layer.weights], [w.value * 1 for w in layer.weights]):
        found = convert.params_from_keras(given)
        for name in wanted:
            np.testing.assert_array_equal(found[name], wanted[name])
            assert found[name].flags.c_contiguous


def test_gradients_of_another_layer_are_refused():
    cell = Stacked([LSTM(2, 3), LSTM(3, 3, bias=False)])
    weights = [w for layer in convert.to_keras(cell) for w in layer.get_weights()]
    assert convert.keras_grads(cell, weights).keys() == cell.params.keys()
    for given in (weights[:-1], [*weights, weights[0]]):
        with pytest.raises(ValueError, match=f"weights: expected 5, as many as the layers have, got {len(given)}"):
            convert.keras_grads(cell, given)


@pytest.mark.parametrize("kind", CELLS)
def test_layers_and_cells_share_no_memory(kind):
    cell_type, options = CELLS[kind]
    cell = make(cell_type, SIZES[0], VARIANTS[0], **options)[0]
    before = {name: value.copy() for name, value in cell.params.items()}
    layer = convert.to_keras(cell)
    back = convert.from_keras(layer)
    layer.set_weights([w + 1 for w in layer.get_weights()])
    for value in back.params.values():
        value -= 1
    for name, value in before.items():
        np.testing.assert_array_equal(cell.params[name], value)
    assert min(w.min() for w in layer.get_weights()) > min(v.min() for v in before.values())


def test_only_the_book_s_cells_become_layers():
    with pytest.raises(TypeError, match=r"cell: expected one of the book's cells, .* got str"):
        convert.to_keras("LSTM")


def test_a_stack_becomes_a_list_of_layers():
    layers = convert.to_keras(make_composed("stacked", GRU, VARIANTS[0])[0])
    assert [type(layer).__name__ for layer in layers] == ["GRU", "GRU"]
    assert convert.to_keras(RNN(2, 3)).return_state
