"""`common.cells` and PyTorch are the same functions: outputs, final states and every gradient, over the edge sizes."""

from __future__ import annotations

import numpy as np
import pytest

from common import convert, parity
from common.cells import GRU, LSTM, RNN, Bidirectional, Stacked
from tests.common.cases import CELLS, SIZES, VARIANTS, make, make_composed, variant_name
from tests.common.journey import TYPES, assert_same_cell

torch = pytest.importorskip("torch")

TOLERANCE = 1e-10
IN_TORCH = [name for name in CELLS if name != "GRU before"]


def compare(cell, x, state, grad_outputs, grad_state, mask):
    """The largest difference of each quantity between ours and PyTorch's, on the steps that are real."""
    real = 1 if mask is None else mask[..., None]
    ours = parity.run(cell, x, state, grad_outputs * real, grad_state, mask)
    lengths = None if mask is None else mask.sum(axis=0)
    theirs = parity.run_torch(cell, x, state, grad_outputs * real, grad_state, lengths)
    ours["outputs"] = ours["outputs"] * real  # padded outputs are zero in PyTorch, the last one repeated here
    return parity.differences(ours, theirs)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("variant", VARIANTS, ids=variant_name)
@pytest.mark.parametrize("kind", IN_TORCH)
def test_cell(size, variant, kind):
    cell_type, options = CELLS[kind]
    worst = compare(*make(cell_type, size, variant, **options))
    assert max(worst.values()) < TOLERANCE, worst


@pytest.mark.parametrize("together", ["stacked", "bidirectional", "both"])
@pytest.mark.parametrize("variant", VARIANTS, ids=variant_name)
@pytest.mark.parametrize("kind", IN_TORCH)
def test_cells_put_together(together, variant, kind):
    cell_type, options = CELLS[kind]
    worst = compare(*make_composed(together, cell_type, variant, **options))
    assert max(worst.values()) < TOLERANCE, worst


@pytest.mark.parametrize("kind", IN_TORCH)
def test_a_wrong_weight_is_noticed(kind):
    cell_type, options = CELLS[kind]
    cell, x, state, grad_outputs, grad_state, _ = make(cell_type, SIZES[0], VARIANTS[0], **options)
    theirs = parity.run_torch(cell, x, state, grad_outputs, grad_state)
    cell.params["W_h"][0] += 1e-6
    worst = parity.differences(parity.run(cell, x, state, grad_outputs, grad_state), theirs)
    assert all(value > TOLERANCE for value in worst.values()), worst


def test_a_missing_or_misshapen_quantity_is_refused():
    cell, x, state, grad_outputs, grad_state, _ = make(RNN, SIZES[0], VARIANTS[0])
    ours = parity.run(cell, x, state, grad_outputs, grad_state)
    with pytest.raises(ValueError, match="theirs: expected the quantities"):
        parity.differences(ours, {k: v for k, v in ours.items() if k != "grad b"})
    with pytest.raises(ValueError, match="grad x: expected shape"):
        parity.differences(ours, {**ours, "grad x": ours["grad x"][:1]})


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", IN_TORCH)
def test_weights_survive_the_journey(bias, dtype, kind):
    cell_type, options = CELLS[kind]
    cell = make(cell_type, SIZES[0], (bias, False, False), dtype=dtype, **options)[0]
    assert_same_cell(convert.from_torch(convert.to_torch(cell)), cell)


@pytest.mark.parametrize("together", ["stacked", "bidirectional", "both"])
@pytest.mark.parametrize("kind", IN_TORCH)
def test_cells_put_together_survive_it_too(together, kind):
    cell_type, options = CELLS[kind]
    cell = make_composed(together, cell_type, VARIANTS[0], **options)[0]
    assert_same_cell(convert.from_torch(convert.to_torch(cell)), cell)


@pytest.mark.parametrize("name", TYPES)
def test_both_biases_of_a_module_count(name):
    """Fresh modules of PyTorch have two random biases; our outputs must be theirs."""
    module = getattr(torch.nn, name)(2, 3, dtype=torch.float64)
    x = torch.randn(4, 1, 2, dtype=torch.float64)
    outputs, _ = convert.from_torch(module).forward(x.numpy())
    np.testing.assert_allclose(outputs, module(x)[0].detach().numpy(), rtol=0, atol=1e-14)


def test_a_forget_bias_of_one_in_pytorch():
    """bias_ih carries the 1, bias_hh is zero: setting both to 1 would give 2."""
    module = convert.to_torch(LSTM(2, 3, rng=0))
    np.testing.assert_array_equal(module.bias_ih_l0.detach().numpy(), [0] * 3 + [1] * 3 + [0] * 6)
    np.testing.assert_array_equal(module.bias_hh_l0.detach().numpy(), 0)


def pairs(count):
    return [(RNN(3, 3), RNN(3, 3)) for _ in range(count)]


NOT_THERE = "only has the GRU with reset after it"
DIFFERENT = "one kind of cell, one hidden size"


@pytest.mark.parametrize(
    ("cell", "error", "message"),
    [
        (GRU(2, 3, reset="before"), ValueError, NOT_THERE),
        (GRU(2, 3, reset="before", bias=False), ValueError, NOT_THERE),
        (Stacked([GRU(2, 3, reset="before"), GRU(3, 3, reset="before")]), ValueError, NOT_THERE),
        (Stacked([LSTM(2, 3), GRU(3, 3)]), ValueError, DIFFERENT),
        (Stacked([LSTM(2, 3), LSTM(3, 4)]), ValueError, DIFFERENT),
        (Stacked([LSTM(2, 3), LSTM(3, 3, bias=False)]), ValueError, DIFFERENT),
        (Stacked([RNN(2, 3), RNN(3, 3, activation="relu")]), ValueError, DIFFERENT),
        (Stacked([Bidirectional(RNN(2, 3), RNN(2, 3)), RNN(6, 3)]), ValueError, DIFFERENT),
        (Bidirectional(RNN(2, 3), RNN(2, 3), merge="sum"), ValueError, "side by side .* got 'sum'"),
        (Stacked([Bidirectional(*two, merge="ave") for two in pairs(2)]), ValueError, "side by side .* got 'ave'"),
        ("a string", TypeError, "cell: expected one of the book's cells, RNN, LSTM or GRU, .* got str$"),
        (type("Peephole", (LSTM,), {})(2, 3), TypeError, "got Peephole$"),
        (Stacked([Stacked([LSTM(2, 3)])]), TypeError, "got Stacked inside$"),
        (Bidirectional(Stacked([LSTM(2, 3)]), LSTM(2, 3)), TypeError, "got Stacked inside$"),
    ],
)
def test_what_pytorch_does_not_have_is_refused(cell, error, message):
    with pytest.raises(error, match=message):
        convert.to_torch(cell)


def test_the_parameters_of_a_gru_with_reset_before_are_refused():
    with pytest.raises(ValueError, match=NOT_THERE):
        convert.params_to_torch(GRU(2, 3, reset="before").params)


def test_without_biases_only_the_cell_tells_the_two_grus_apart():
    """As the docstring says: the two dictionaries have the same names and shapes, and the numbers go one way only."""
    before, after = GRU(2, 3, reset="before", bias=False, rng=0), GRU(2, 3, bias=False, rng=0)
    ours, theirs = convert.params_to_torch(before.params), convert.params_to_torch(after.params)
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


def weight_normed(old: bool):
    module = torch.nn.LSTM(2, 3)
    wrap = torch.nn.utils.weight_norm if old else torch.nn.utils.parametrizations.weight_norm
    return wrap(module, "weight_hh_l0")


def pruned():
    from torch.nn.utils import prune

    module = torch.nn.GRU(2, 3)
    prune.random_unstructured(module, "weight_ih_l0", 0.5)
    return module


def of_mixed_dtype():
    module = torch.nn.RNN(2, 3)
    module.bias_hh_l0 = torch.nn.Parameter(module.bias_hh_l0.detach().double())
    return module


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize(
    ("module", "error", "message"),
    [
        (lambda: torch.nn.Linear(2, 3), TypeError, "module: expected a torch.nn.RNN, LSTM or GRU, got Linear"),
        (lambda: torch.nn.LSTMCell(2, 3), TypeError, "got LSTMCell"),
        (lambda: type("LSTM", (torch.nn.LSTM,), {})(2, 3), TypeError, r"got .*test_parity_torch\.LSTM"),
        (lambda: torch.nn.LSTM(2, 3, proj_size=2), ValueError, "without projection, got proj_size=2"),
        (lambda: weight_normed(old=True), ValueError, "module: weight_hh_l0 of it is computed from other parameters"),
        (lambda: weight_normed(old=False), ValueError, "module: weight_hh_l0 of it is computed from other parameters"),
        (pruned, ValueError, r"module: weight_ih_l0 of it is computed .* prune\.remove"),
        (lambda: torch.nn.RNN(2, 3).bfloat16(), TypeError, "expected float32 or float64, .* got bfloat16"),
        (lambda: torch.nn.RNN(2, 3).half(), TypeError, "expected float32 or float64, .* got float16"),
        (lambda: torch.nn.RNN(2, 3, dtype=torch.complex64), TypeError, "expected float32 or float64, .* got complex64"),
        (of_mixed_dtype, TypeError, "one dtype, got float32 and float64"),
        (lambda: torch.nn.GRU(2, 3, device="meta"), ValueError, "'meta' has a shape but no numbers"),
    ],
)
def test_what_cannot_be_converted_is_refused(module, error, message):
    with pytest.raises(error, match=message):
        convert.from_torch(module())


@pytest.mark.filterwarnings("ignore::UserWarning")  # one layer with dropout drops nothing, says PyTorch
def test_what_is_not_the_function_is_left_behind():
    module = torch.nn.GRU(2, 3, num_layers=2, dropout=0.5, batch_first=True, dtype=torch.float64).eval()
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    x = torch.randn(1, 4, 2, dtype=torch.float64)
    outputs, _ = convert.from_torch(module).forward(x.numpy().swapaxes(0, 1))
    np.testing.assert_allclose(outputs.swapaxes(0, 1), module(x)[0].numpy(), rtol=0, atol=1e-14)


@pytest.mark.parametrize("function", [convert.params_from_torch, convert.grads_from_torch])
@pytest.mark.parametrize(
    "module",
    [
        torch.nn.LSTM(2, 3, num_layers=2),
        torch.nn.RNN(2, 3, bidirectional=True),
        torch.nn.LSTM(2, 3, proj_size=2),
        torch.nn.LSTM(2, 3, num_layers=2, bias=False),
        torch.nn.GRUCell(2, 3),
        torch.nn.Linear(2, 3),
    ],
    ids=str,
)
def test_a_dictionary_of_more_than_one_layer_is_refused_not_cut(function, module):
    with pytest.raises(ValueError, match=r"torch_params: expected those of one layer in one direction, .*from_torch"):
        function(module.state_dict())


def test_half_a_pair_of_biases_is_refused():
    state = dict(torch.nn.RNN(2, 3).state_dict())
    state.pop("bias_hh_l0")
    with pytest.raises(ValueError, match="and, with biases, bias_ih_l0, bias_hh_l0, got weight_ih_l0"):
        convert.params_from_torch(state)


@pytest.mark.parametrize("name", TYPES)
def test_tensors_will_do_also_those_with_a_history(name):
    module = getattr(torch.nn, name)(2, 3)
    arrays = {n: p.detach().numpy().copy() for n, p in module.named_parameters()}
    wanted = convert.params_from_torch(arrays)
    for given in (
        module.state_dict(),
        dict(module.named_parameters()),
        {n: p * 1 for n, p in module.named_parameters()},
    ):
        found = convert.params_from_torch(given)
        assert list(found) == list(wanted)
        for key in wanted:
            np.testing.assert_array_equal(found[key], wanted[key])
            assert isinstance(found[key], np.ndarray)
            assert found[key].dtype == np.float32
    grads = convert.grads_from_torch(dict(module.named_parameters()))
    assert grads.keys() == wanted.keys()


def test_gradients_that_are_not_there_are_named():
    module = torch.nn.RNN(2, 3)
    with pytest.raises(TypeError, match=r"weight_ih_l0: expected an array, got None; does it have a gradient"):
        convert.grads_from_torch({n: p.grad for n, p in module.named_parameters()})


@pytest.mark.parametrize("dtype", [np.float16, np.int64, np.complex128])
def test_both_ways_take_the_same_dtypes(dtype):
    params = {name: value.astype(dtype) for name, value in RNN(2, 3).params.items()}
    theirs = {name: value.astype(dtype) for name, value in convert.params_to_torch(RNN(2, 3).params).items()}
    message = f"expected float32 or float64, the two types of the book's cells, got {np.dtype(dtype).name}"
    for function, given in ((convert.params_to_torch, params), (convert.params_from_torch, theirs)):
        with pytest.raises(TypeError, match=message):
            function(given)


@pytest.mark.parametrize(
    "params",
    [
        Stacked([LSTM(2, 3), LSTM(3, 3)]).params,
        Bidirectional(RNN(2, 3), RNN(2, 3)).params,
        {},
        {"W_x": np.ones((2, 3))},
        RNN(2, 3).params | {"W_y": np.ones((3, 1))},
    ],
    ids=["stacked", "bidirectional", "none", "one", "more"],
)
def test_only_one_cell_s_parameters_are_taken(params):
    for function in (convert.params_to_torch, convert.params_to_keras):
        with pytest.raises(ValueError, match=r"params: expected those of one cell, W_x, W_h and.*to_torch, to_keras"):
            function(params)


def test_shapes_that_fit_no_cell_are_refused():
    params = LSTM(2, 3).params
    for name, value in (("W_h", np.ones((3, 6))), ("W_x", np.ones((2, 9))), ("b", np.ones(3)), ("W_x", np.ones(12))):
        with pytest.raises(ValueError, match="params: expected the shapes of one RNN, LSTM or GRU"):
            convert.params_to_torch(params | {name: value})
    with pytest.raises(ValueError, match="only a GRU has a c_n"):
        convert.params_to_torch(params | {"c_n": np.ones(3)})
    state = dict(torch.nn.LSTM(2, 3).state_dict())
    with pytest.raises(ValueError, match="torch_params: expected the shapes of one RNN, LSTM or GRU"):
        convert.params_from_torch(state | {"bias_hh_l0": torch.ones(3)})
    with pytest.raises(ValueError, match="expected weight_hh_l0 to have two axes"):
        convert.params_from_torch(state | {"weight_hh_l0": torch.ones(3)})


def test_a_masked_array_is_refused():
    params = RNN(2, 3).params
    with pytest.raises(TypeError, match=r"params\['b'\]: expected a plain array, got a masked array"):
        convert.params_to_torch(params | {"b": np.ma.masked_array(params["b"], params["b"] == 0)})


def test_gradients_of_another_module_are_refused():
    module = torch.nn.LSTM(2, 3, num_layers=2, bidirectional=True)
    grads = {n: p.detach().numpy() for n, p in module.named_parameters()}
    cell = convert.from_torch(module)
    assert convert.torch_grads(cell, grads).keys() == cell.params.keys()
    for smaller in (LSTM(2, 3), Bidirectional(LSTM(2, 3), LSTM(2, 3))):
        with pytest.raises(
            ValueError, match=r"grads: expected those of \d layers and directions, got also weight_ih_l"
        ):
            convert.torch_grads(smaller, grads)


ORDERS = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "strided": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "reversed": lambda a: np.ascontiguousarray(a[::-1])[::-1],
    "big-endian": lambda a: a.astype(">f8"),
}


def conversions(params, torch_params):
    """Every conversion of dictionaries: what it takes, and a function to its arrays as a list."""
    weights = convert.params_to_keras(params)
    named, listed = lambda f: lambda d: list(f(d).values()), lambda f: lambda d: f(list(d.values()))
    return {
        "params_to_torch": (params, named(convert.params_to_torch)),
        "params_from_torch": (torch_params, named(convert.params_from_torch)),
        "grads_from_torch": (torch_params, named(convert.grads_from_torch)),
        "params_to_keras": (params, convert.params_to_keras),
        "params_from_keras": (dict(enumerate(weights)), listed(lambda w: list(convert.params_from_keras(w).values()))),
        "grads_from_keras": (dict(enumerate(weights)), listed(lambda w: list(convert.grads_from_keras(w).values()))),
    }


@pytest.mark.parametrize("kind", IN_TORCH)
@pytest.mark.parametrize("name", list(conversions(RNN(1, 1).params, convert.params_to_torch(RNN(1, 1).params))))
def test_conversions_return_c_ordered_copies_of_their_own_whatever_the_order(name, kind):
    cell_type, options = CELLS[kind]
    cell = make(cell_type, SIZES[0], VARIANTS[0], **options)[0]
    given, function = conversions(cell.params, convert.params_to_torch(cell.params))[name]
    wanted = [array.copy() for array in function(given)]
    for turn in ORDERS.values():
        source = {key: turn(value) for key, value in given.items()}
        for value in source.values():
            value.flags.writeable = False
        for array, expected in zip(function(source), wanted, strict=True):
            np.testing.assert_array_equal(array, expected)
            assert array.flags.c_contiguous
            assert array.flags.writeable
            assert array.dtype == np.dtype(np.float64)
            assert not any(np.shares_memory(array, value) for value in source.values())
    found = function(given)
    assert not any(np.shares_memory(a, b) for i, a in enumerate(found) for b in found[:i])
    for array in found:  # a change of the result does not reach the source
        array += 1
    for array, expected in zip(function(given), wanted, strict=True):
        np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize("kind", IN_TORCH)
def test_modules_and_cells_share_no_memory(kind):
    cell_type, options = CELLS[kind]
    cell = make(cell_type, SIZES[0], VARIANTS[0], **options)[0]
    before = {name: value.copy() for name, value in cell.params.items()}
    module = convert.to_torch(cell)
    back = convert.from_torch(module)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 1
    for name, value in before.items():
        np.testing.assert_array_equal(cell.params[name], value)
        np.testing.assert_array_equal(back.params[name], value)
