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
        ("a string", ValueError, "cell: expected one of 'RNN', 'LSTM', 'GRU', got 'str'"),
    ],
)
def test_what_pytorch_does_not_have_is_refused(cell, error, message):
    with pytest.raises(error, match=message):
        convert.to_torch(cell)


def test_the_parameters_of_a_gru_with_reset_before_are_refused():
    with pytest.raises(ValueError, match=NOT_THERE):
        convert.params_to_torch(GRU(2, 3, reset="before").params)


@pytest.mark.parametrize(
    ("module", "error", "message"),
    [
        (torch.nn.Linear(2, 3), TypeError, "module: expected a torch.nn.RNN, LSTM or GRU, got Linear"),
        (torch.nn.LSTM(2, 3, proj_size=2), ValueError, "without projection, got proj_size=2"),
    ],
)
def test_what_cannot_be_converted_is_refused(module, error, message):
    with pytest.raises(error, match=message):
        convert.from_torch(module)
