"""`common.cells` and PyTorch are the same functions: outputs, final states and every gradient, over the edge sizes."""

from __future__ import annotations

import numpy as np
import pytest

from common import convert, parity
from common.cells import RNN
from tests.common.cases import SIZES, VARIANTS, make, variant_name

torch = pytest.importorskip("torch")

TOLERANCE = 1e-10


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("variant", VARIANTS, ids=variant_name)
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_rnn(size, variant, activation):
    cell, x, state, grad_outputs, grad_state, mask = make(RNN, size, variant, activation=activation)
    if mask is None:
        ours = parity.run(cell, x, state, grad_outputs, grad_state)
        theirs = parity.run_torch(cell, x, state, grad_outputs, grad_state)
    else:
        real = mask[..., None]
        ours = parity.run(cell, x, state, grad_outputs * real, grad_state, mask)
        theirs = parity.run_torch(cell, x, state, grad_outputs * real, grad_state, mask.sum(axis=0))
        ours["outputs"] = ours["outputs"] * real  # padded outputs are zero in PyTorch, the last one repeated here
    worst = parity.differences(ours, theirs)
    assert max(worst.values()) < TOLERANCE, worst


def test_a_wrong_weight_is_noticed():
    cell, x, state, grad_outputs, grad_state, _ = make(RNN, SIZES[0], VARIANTS[0])
    theirs = parity.run_torch(cell, x, state, grad_outputs, grad_state)
    cell.params["W_h"][0, 0] += 1e-6
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
def test_weights_survive_the_journey(bias, dtype):
    cell = make(RNN, SIZES[0], (bias, False, False), dtype=dtype, activation="relu")[0]
    back = convert.from_torch(convert.to_torch(cell))
    assert back.activation == "relu"
    assert back.dtype == dtype
    assert back.params.keys() == cell.params.keys()
    for name in cell.params:
        np.testing.assert_array_equal(back.params[name], cell.params[name])


def test_both_biases_of_a_module_count():
    module = torch.nn.RNN(2, 3, dtype=torch.float64)
    x = torch.randn(4, 1, 2, dtype=torch.float64)
    outputs, _ = convert.from_torch(module).forward(x.numpy())
    np.testing.assert_allclose(outputs, module(x)[0].detach().numpy(), rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    ("module", "error", "message"),
    [
        (torch.nn.LSTM(2, 3), TypeError, "module: expected a torch.nn.RNN, got LSTM"),
        (torch.nn.RNN(2, 3, num_layers=2), ValueError, "num_layers=2"),
        (torch.nn.RNN(2, 3, bidirectional=True), ValueError, "bidirectional=True"),
    ],
)
def test_what_cannot_be_converted_is_refused(module, error, message):
    with pytest.raises(error, match=message):
        convert.from_torch(module)
