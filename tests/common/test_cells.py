"""The cells in NumPy: right against a step-by-step reference and central differences, strict about bad input."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.cells import GRU, LSTM, RNN, Bidirectional, Stacked, gated, initial, mask_from_lengths
from common.gradcheck import check_gradients
from tests.common.cases import CELLS, SIZES, VARIANTS, arrays_for, make, make_composed, variant_name

ACTIVATIONS = {"tanh": np.tanh, "relu": lambda a: np.maximum(a, 0)}


@pytest.fixture(params=SIZES, ids=str)
def size(request):
    return request.param


@pytest.fixture(params=VARIANTS, ids=variant_name)
def variant(request):
    return request.param


@pytest.fixture(params=CELLS)
def kind(request):
    return request.param


def made(kind, size, variant, **options):
    cell_type, own = CELLS[kind]
    return make(cell_type, size, variant, **own, **options)


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def step(cell, x, state):
    """One step of one example, the equations as they stand: x (D,), state a tuple of (H,)."""
    p, H = cell.params, cell.hidden_size
    b, h = p.get("b", np.zeros(cell.blocks * H)), state[0]
    if isinstance(cell, RNN):
        return (ACTIVATIONS[cell.activation](x @ p["W_x"] + h @ p["W_h"] + b),)
    if isinstance(cell, LSTM):
        a_i, a_f, a_g, a_o = np.split(x @ p["W_x"] + h @ p["W_h"] + b, 4)
        c = sigmoid(a_f) * state[1] + sigmoid(a_i) * np.tanh(a_g)
        return sigmoid(a_o) * np.tanh(c), c
    (W_r, W_z, W_n), (U_r, U_z, U_n), (b_r, b_z, b_n) = (np.split(a, 3, axis=-1) for a in (p["W_x"], p["W_h"], b))
    r, z = sigmoid(x @ W_r + h @ U_r + b_r), sigmoid(x @ W_z + h @ U_z + b_z)
    if cell.reset == "after":
        n = np.tanh(x @ W_n + b_n + r * (h @ U_n + p.get("c_n", 0)))
    else:
        n = np.tanh(x @ W_n + b_n + (r * h) @ U_n)
    return ((1 - z) * n + z * h,)


def reference(cell, x, state, mask):
    """One step, one example at a time."""
    state, outputs = [part.copy() for part in state], []
    for t in range(len(x)):
        state = [part.copy() for part in state]
        for k in range(x.shape[1]):
            if mask is None or mask[t, k]:
                for part, new in zip(state, step(cell, x[t, k], [part[k] for part in state]), strict=True):
                    part[k] = new
        outputs.append(state[0])
    return np.stack(outputs), state


def test_forward_is_the_recurrence(size, variant, kind):
    cell, x, state, _, _, mask = made(kind, size, variant)
    outputs, final = cell.forward(x, state, mask)
    wanted, wanted_final = reference(cell, x, state, mask)
    np.testing.assert_allclose(outputs, wanted, rtol=0, atol=1e-14)
    for part, wanted_part in zip(final, wanted_final, strict=True):
        np.testing.assert_allclose(part, wanted_part, rtol=0, atol=1e-14)


def assert_gradients(cell, x, state, grad_outputs, grad_state, mask):
    """Every gradient of a backward pass against central differences."""

    def loss():
        outputs, final = cell.forward(x, state, mask)
        return float(
            (outputs * grad_outputs).sum() + sum((p * g).sum() for p, g in zip(final, grad_state, strict=True))
        )

    loss()
    grad_x, grad_start = cell.backward(grad_outputs, grad_state)
    names = [f"initial {name}" for name in cell.state_names]
    values = {"x": x, **dict(zip(names, state, strict=True)), **cell.params}
    grads = {"x": grad_x, **dict(zip(names, grad_start, strict=True)), **cell.grads}
    report = check_gradients(loss, values, grads)
    assert report.passed, str(report)


def test_backward_agrees_with_central_differences(size, variant, kind):
    assert_gradients(*made(kind, size, variant))


@pytest.mark.parametrize("together", ["stacked", "bidirectional", "both", "funnel"])
def test_cells_put_together_agree_with_central_differences(together, variant, kind):
    cell_type, options = CELLS[kind]
    assert_gradients(*make_composed(together, cell_type, variant, **options))


@pytest.mark.parametrize("kind", ["LSTM", "GRU after", "GRU before"])
@pytest.mark.parametrize(("slopes", "products"), [(1, 1), (1, 2000), (500, 2000), (900, 900)])
@pytest.mark.parametrize("masked", [True, False])
def test_stretches_change_nothing(kind, slopes, products, masked, monkeypatch):
    """7 steps of 3 examples and 5 units in stretches of 1 to 4 steps, and all at once."""
    results = []
    for limits in ((2**19, 2**22), (slopes, products)):
        monkeypatch.setattr(gated, "SLOPES", limits[0])
        monkeypatch.setattr(gated, "PRODUCTS", limits[1])
        cell, x, state, grad_outputs, grad_state, mask = made(kind, SIZES[0], (True, True, masked))
        cell.forward(x, state, mask)
        grad_x, start = cell.backward(grad_outputs, grad_state)
        results.append([grad_x, *start, *cell.grads.values()])
    for whole, in_pieces in zip(*results, strict=True):
        np.testing.assert_allclose(in_pieces, whole, rtol=0, atol=1e-13)


def test_backward_may_be_called_twice(kind):
    cell, x, state, grad_outputs, grad_state, _ = made(kind, SIZES[0], (True, True, False))
    cell.forward(x, state)
    first, first_grads = cell.backward(grad_outputs, grad_state), cell.grads
    second = cell.backward(grad_outputs, grad_state)
    np.testing.assert_array_equal(first[0], second[0])
    for name in first_grads:
        np.testing.assert_array_equal(first_grads[name], cell.grads[name])


def test_gates_are_what_the_equations_say():
    cell, x, state, *_ = make(LSTM, SIZES[0], (True, True, False))
    with pytest.raises(RuntimeError, match="call forward first"):
        cell.gates()
    outputs, _ = cell.forward(x, state)
    gates = cell.gates()
    assert tuple(gates) == ("i", "f", "g", "o", "c")
    a = x[0] @ cell.params["W_x"] + state[0] @ cell.params["W_h"] + cell.params["b"]
    np.testing.assert_allclose(gates["f"][0], sigmoid(a[:, cell.block("f")]), atol=1e-15)
    np.testing.assert_allclose(gates["g"][0], np.tanh(a[:, cell.block("g")]), atol=1e-15)
    np.testing.assert_allclose(outputs, gates["o"] * np.tanh(gates["c"]), atol=1e-15)
    gates["f"][...] = 7  # copies: the cell's own are not touched
    assert not (cell.gates()["f"] == 7).any()
    with pytest.raises(ValueError, match="name: expected one of 'i', 'f', 'g', 'o', got 'z'"):
        cell.block("z")


@pytest.mark.parametrize("reset", ["after", "before"])
def test_the_gru_s_gates(reset):
    cell, x, state, *_ = make(GRU, SIZES[0], (True, True, False), reset=reset)
    outputs, _ = cell.forward(x, state)
    gates = cell.gates()
    assert tuple(gates) == ("r", "z", "n")
    before = np.concatenate([state[0][None], outputs[:-1]])
    np.testing.assert_allclose(outputs, (1 - gates["z"]) * gates["n"] + gates["z"] * before, atol=1e-15)
    a = x[0] @ cell.params["W_x"] + state[0] @ cell.params["W_h"] + cell.params["b"]
    np.testing.assert_allclose(gates["r"][0], sigmoid(a[:, cell.block("r")]), atol=1e-15)


def test_the_two_grus_are_different_functions():
    after, x, state, *_ = make(GRU, SIZES[0], (True, True, False))
    before = GRU(2, 5, reset="before")
    for name, value in before.params.items():
        value[...] = after.params[name]
    after.params["c_n"][...] = 0
    assert np.abs(after.forward(x, state)[0] - before.forward(x, state)[0]).max() > 0.01


def test_flipping_the_sign_of_z_gives_the_other_convention():
    """h = (1 − z) h_{t-1} + z n with z from −W_z, −U_z, −b_z is our GRU."""
    cell, x, state, *_ = make(GRU, SIZES[0], (True, True, False))
    outputs, _ = cell.forward(x, state)
    z = cell.gates()["z"]
    for name in ("W_x", "W_h", "b"):
        cell.params[name][..., cell.block("z")] *= -1
    cell.forward(x[:1], state)
    np.testing.assert_allclose(cell.gates()["z"][0], 1 - z[0], atol=1e-15)
    assert np.abs(cell.forward(x, state)[0] - outputs).max() > 0.01


def test_the_forget_bias_stands_in_its_block():
    cell = LSTM(3, 4, rng=0)
    np.testing.assert_array_equal(cell.params["b"].reshape(4, 4), [[0] * 4, [1] * 4, [0] * 4, [0] * 4])
    np.testing.assert_array_equal(LSTM(3, 4, forget_bias=-2.5).params["b"][cell.block("f")], -2.5)
    assert not LSTM(3, 4, forget_bias=0).params["b"].any()
    assert "b" not in LSTM(3, 4, bias=False).params


def test_chrono_biases():
    b_i, b_f = initial.chrono_biases(np.random.default_rng(0), 2000, 101)
    np.testing.assert_array_equal(b_i, -b_f)
    memory = np.exp(b_f)  # uniform in (1, 100)
    assert 1 <= memory.min() < 1.5
    assert 99 < memory.max() <= 100
    assert abs(memory.mean() - 50.5) < 2
    with pytest.raises(ValueError, match="longest: expected a memory of at least 3 steps, got 2"):
        initial.chrono_biases(np.random.default_rng(0), 2, 2)


def test_parameter_counts():
    """4 inputs, 5 units: the numbers of the notation page."""
    assert LSTM(4, 5).parameter_count == 4 * 5 * (4 + 5) + 4 * 5 == 200
    assert GRU(4, 5).parameter_count == 3 * 5 * (4 + 5) + 3 * 5 + 5 == 155
    assert GRU(4, 5, reset="before").parameter_count == 3 * 5 * (4 + 5) + 3 * 5 == 150
    assert GRU(4, 5, bias=False).parameter_count == GRU(4, 5, reset="before", bias=False).parameter_count == 135


def test_every_block_starts_orthogonal():
    for cell in (LSTM(3, 6, rng=0), GRU(3, 6, rng=0)):
        for name in cell.gate_names:
            block = cell.params["W_h"][:, cell.block(name)]
            np.testing.assert_allclose(block @ block.T, np.eye(6), atol=1e-12)


def test_large_pre_activations_saturate_without_a_warning():
    for cell in (LSTM(1, 2, rng=0), GRU(1, 2, rng=0), GRU(1, 2, reset="before", rng=0)):
        outputs, _ = cell.forward(np.full((3, 1, 1), 1e8))
        assert np.isfinite(outputs).all()
        grad_x, _ = cell.backward(np.ones((3, 1, 2)))
        assert np.isfinite(grad_x).all()


def test_layers_must_fit():
    with pytest.raises(ValueError, match="layer 2 takes 4 inputs, the one below gives 5"):
        Stacked([RNN(2, 5), RNN(4, 3)])
    with pytest.raises(ValueError, match="layers: expected at least one"):
        Stacked([])
    with pytest.raises(TypeError, match="1: expected a cell, got str"):
        Stacked(["LSTM"])
    with pytest.raises(TypeError, match="expected parts of one dtype, got float32, float64"):
        Stacked([RNN(2, 5), RNN(5, 3, dtype=np.float32)])
    with pytest.raises(ValueError, match="back: expected an input size of 2"):
        Bidirectional(RNN(2, 5), RNN(3, 5))
    both = Bidirectional(RNN(2, 5), RNN(2, 4))
    with pytest.raises(ValueError, match="back: expected a hidden size of 5, as ahead, to sum them, got 4"):
        Bidirectional(RNN(2, 5), RNN(2, 4), merge="sum")
    with pytest.raises(ValueError, match="merge: expected one of 'concat', 'sum', 'ave', 'mul', got 'max'"):
        Bidirectional(RNN(2, 5), RNN(2, 5), merge="max")
    with pytest.raises(RuntimeError, match="call forward first"):
        both.backward(np.zeros((3, 1, 9)))
    with pytest.raises(TypeError, match="expected a tuple of 2 arrays"):
        both.forward(np.zeros((3, 1, 2)), (np.zeros((1, 5)),))
    assert both.state_names == ("ahead.h", "back.h")
    assert both.output_size == 9


def test_one_cell_in_two_places_is_refused():
    cell, pair = RNN(3, 3), Bidirectional(RNN(3, 3), RNN(3, 3))
    for build in (
        lambda: Bidirectional(cell, cell),
        lambda: Stacked([cell, cell]),
        lambda: Stacked([pair, RNN(6, 3), cell, cell]),
        lambda: Stacked([Stacked([cell, RNN(3, 3)]), cell]),
        lambda: Stacked([pair, RNN(6, 3), Bidirectional(RNN(3, 3), pair.back)]),
    ):
        with pytest.raises(ValueError, match="the same cell object stands in two places"):
            build()
    Stacked([cell, copy.deepcopy(cell)])


@pytest.mark.parametrize("merge", ["concat", "sum", "ave", "mul"])
@pytest.mark.parametrize("masked", [False, True])
def test_two_directions_merged_agree_with_central_differences(merge, masked):
    rng = np.random.default_rng(3)
    cell = Bidirectional(LSTM(2, 3, rng=rng), GRU(2, 3, rng=rng), merge=merge)
    arrays = arrays_for(cell, (5, 3, 2, 3), (True, True, masked), rng)
    assert_gradients(*arrays)
    outputs, _ = cell.forward(arrays[1], arrays[2], arrays[5])
    ahead, _ = cell.ahead.forward(arrays[1], arrays[2][:2], arrays[5])
    mask_back = None if arrays[5] is None else arrays[5][::-1]
    back, _ = cell.back.forward(arrays[1][::-1], arrays[2][2:], mask_back)
    wanted = {
        "concat": np.concatenate([ahead, back[::-1]], axis=-1),
        "sum": ahead + back[::-1],
        "ave": (ahead + back[::-1]) / 2,
        "mul": ahead * back[::-1],
    }
    np.testing.assert_allclose(outputs, wanted[merge], rtol=0, atol=1e-15)


MASKS = {
    "at the end": [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 0, 0, 0, 0]],
    "at the start": [[0, 0, 1, 1, 1], [1, 1, 1, 1, 1], [0, 0, 0, 0, 1]],
    "holes": [[1, 0, 1, 1, 0], [0, 1, 0, 0, 1], [1, 1, 0, 1, 1]],
    "no step at all": [[0, 0, 0, 0, 0], [1, 1, 1, 1, 1], [0, 0, 1, 0, 0]],
}


@pytest.mark.parametrize("where", MASKS)
def test_each_direction_reads_the_real_steps_of_a_sequence_in_its_own_order(where, kind):
    """Wherever the padding stands: the real steps alone, without it, give the same numbers."""
    cell_type, options = CELLS[kind]
    rng = np.random.default_rng(5)
    cell = Bidirectional(cell_type(2, 4, rng=rng, **options), cell_type(2, 4, rng=rng, **options))
    _, x, state, grad_outputs, grad_state, _ = arrays_for(cell, (5, 3, 2, 4), (True, True, False), rng)
    mask = np.array(MASKS[where], bool).T
    grad_outputs = grad_outputs * mask[..., None]
    outputs, final = cell.forward(np.where(mask[..., None], x, 1e3), state, mask)
    grad_x, start = cell.backward(grad_outputs, grad_state)
    together, alone = cell.grads, {name: 0.0 for name in cell.grads}
    for n in range(3):
        real, one = mask[:, n], slice(n, n + 1)
        if not real.any():
            for got, given_ in zip((*final, *start), (*state, *grad_state), strict=True):
                np.testing.assert_array_equal(got[n], given_[n])
            continue
        single, single_final = cell.forward(x[real, one], tuple(part[one] for part in state))
        single_x, single_start = cell.backward(grad_outputs[real, one], tuple(part[one] for part in grad_state))
        np.testing.assert_allclose(outputs[real, one], single, rtol=0, atol=1e-14)
        np.testing.assert_allclose(grad_x[real, one], single_x, rtol=0, atol=1e-13)
        for got, wanted in zip((*final, *start), (*single_final, *single_start), strict=True):
            np.testing.assert_allclose(got[one], wanted, rtol=0, atol=1e-13)
        alone = {name: alone[name] + cell.grads[name] for name in alone}
    assert not grad_x[~mask].any()
    for name in together:
        np.testing.assert_allclose(together[name], alone[name], rtol=0, atol=1e-13)


@pytest.mark.parametrize("filler", [np.nan, np.inf, -np.inf])
def test_padding_may_hold_nan(kind, filler):
    cell, x, state, grad_outputs, grad_state, mask = made(kind, (7, 4, 2, 5), (True, True, True))
    outputs, final = cell.forward(np.where(mask[..., None], x, 0), state, mask)
    grad_x, start = cell.backward(grad_outputs, grad_state)
    wanted = [outputs.copy(), *final, grad_x, *start, *cell.grads.values()]
    spoiled = np.where(mask[..., None], x, filler)
    outputs, final = cell.forward(spoiled, state, mask)
    grad_x, start = cell.backward(grad_outputs, grad_state)
    for got, right in zip([outputs, *final, grad_x, *start, *cell.grads.values()], wanted, strict=True):
        np.testing.assert_array_equal(got, right)
    spoiled[0, 0, 0] = filler  # a real step
    with pytest.raises(ValueError, match=r"x: expected finite numbers, got (nan|-?inf) at index \(0, 0, 0\)"):
        cell.forward(spoiled, state, mask)
    with pytest.raises(ValueError, match="x: expected finite numbers"):
        cell.forward(spoiled, state)


def test_masks_from_lengths():
    np.testing.assert_array_equal(mask_from_lengths([2, 0, 3], 3).T, [[1, 1, 0], [0, 0, 0], [1, 1, 1]])
    assert mask_from_lengths(np.array([1]), 2).dtype == bool
    for wrong, said in [([2, 4], "from 0 to the 3 steps, got 2 to 4"), ([-1], "got -1 to -1")]:
        with pytest.raises(ValueError, match=said):
            mask_from_lengths(wrong, 3)
    for wrong in ([1.5], [[1, 2]], [True]):
        with pytest.raises(TypeError, match="lengths: expected whole numbers, one for each sequence"):
            mask_from_lengths(wrong, 3)
    with pytest.raises(TypeError, match="mask_from_lengths makes one from lengths"):
        RNN(2, 3).forward(np.zeros((3, 2, 2)), mask=np.array([3, 1]))


@pytest.mark.parametrize("together", ["single", "both"])
def test_gradients_of_two_halves_add_up_to_those_of_the_whole(together, kind):
    cell_type, options = CELLS[kind]
    cell, x, state, grad_outputs, grad_state, mask = (
        made(kind, (5, 4, 2, 3), (True, True, True))
        if together == "single"
        else make_composed("both", cell_type, (True, True, True), **options)
    )
    cell.forward(x, state, mask)
    cell.backward(grad_outputs, grad_state)
    whole = cell.grads
    half = x.shape[1] // 2
    for number, piece in enumerate((slice(0, half), slice(half, None))):
        cell.forward(x[:, piece], tuple(part[piece] for part in state), mask[:, piece])
        cell.backward(grad_outputs[:, piece], tuple(g[piece] for g in grad_state), accumulate=number > 0)
    for name in whole:
        np.testing.assert_allclose(cell.grads[name], whole[name], rtol=0, atol=1e-13)


def test_chunks_with_a_carried_state_equal_the_whole_sequence(kind):
    cell, x, state, grad_outputs, grad_state, _ = made(kind, (12, 3, 2, 5), (True, True, False))
    whole, final = cell.forward(x, state)
    grad_x, grad_start = cell.backward(grad_outputs, grad_state)
    whole_grads = cell.grads

    starts, chunk_state = [], state
    for chunk in np.split(x, 3):
        starts.append(chunk_state)
        outputs, chunk_state = cell.forward(chunk, chunk_state)
        k = 4 * (len(starts) - 1)
        np.testing.assert_allclose(outputs, whole[k : k + 4], rtol=0, atol=1e-15)
    for part, whole_part in zip(chunk_state, final, strict=True):
        np.testing.assert_allclose(part, whole_part, rtol=0, atol=1e-15)

    # Backward, last chunk first: the gradient of a chunk's initial state goes to its predecessor's final state.
    summed, carry = {name: 0.0 for name in whole_grads}, grad_state
    for k in (2, 1, 0):
        piece = slice(4 * k, 4 * k + 4)
        cell.forward(x[piece], starts[k])
        chunk_grad_x, carry = cell.backward(grad_outputs[piece], carry)
        np.testing.assert_allclose(chunk_grad_x, grad_x[piece], rtol=0, atol=1e-13)
        summed = {name: summed[name] + cell.grads[name] for name in summed}
    for part, whole_part in zip(carry, grad_start, strict=True):
        np.testing.assert_allclose(part, whole_part, rtol=0, atol=1e-13)
    for name in summed:
        np.testing.assert_allclose(summed[name], whole_grads[name], rtol=0, atol=1e-12)


def test_a_padded_batch_gives_what_each_sequence_gives_alone(kind):
    cell, x, state, grad_outputs, _, mask = made(kind, (7, 4, 2, 5), (True, True, True))
    grad_outputs = grad_outputs * mask[..., None]
    outputs, final = cell.forward(x, state, mask)
    cell.backward(grad_outputs)
    together = cell.grads
    alone = {name: 0.0 for name in together}
    for i, length in enumerate(mask.sum(axis=0)):
        piece = (slice(0, length), slice(i, i + 1))
        single, single_final = cell.forward(x[piece], tuple(part[i : i + 1] for part in state))
        cell.backward(grad_outputs[piece])
        np.testing.assert_allclose(single[:, 0], outputs[:length, i], rtol=0, atol=1e-14)
        for part, single_part in zip(final, single_final, strict=True):
            np.testing.assert_allclose(single_part[0], part[i], rtol=0, atol=1e-14)
        np.testing.assert_array_equal(outputs[length:, i], np.broadcast_to(final[0][i], (7 - length, 5)))
        alone = {name: alone[name] + cell.grads[name] for name in alone}
    for name in together:
        np.testing.assert_allclose(together[name], alone[name], rtol=0, atol=1e-13)


def test_two_directions_over_padding_give_what_each_sequence_gives_alone(kind):
    """The cell that reads from the end must begin at the last real step."""
    cell_type, options = CELLS[kind]
    cell, x, state, _, _, mask = make_composed("bidirectional", cell_type, (True, True, True), **options)
    outputs, final = cell.forward(x, state, mask)
    for i, length in enumerate(mask.sum(axis=0)):
        alone, alone_final = cell.forward(x[:length, i : i + 1], tuple(part[i : i + 1] for part in state))
        np.testing.assert_allclose(outputs[:length, i], alone[:, 0], rtol=0, atol=1e-14)
        for part, alone_part in zip(final, alone_final, strict=True):
            np.testing.assert_allclose(part[i], alone_part[0], rtol=0, atol=1e-14)


def test_what_is_under_the_mask_does_not_matter(kind):
    cell, x, state, grad_outputs, grad_state, mask = made(kind, (7, 4, 2, 5), (True, True, True))
    results = []
    for filler in (0.0, 123.0):
        cell.forward(np.where(mask[..., None], x, filler), state, mask)
        results.append((cell.backward(grad_outputs, grad_state), cell.grads))
    (first, first_grads), (second, second_grads) = results
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[0][~mask], 0)
    for name in first_grads:
        np.testing.assert_array_equal(first_grads[name], second_grads[name])


@given(
    T=st.integers(1, 6),
    B=st.integers(1, 4),
    D=st.integers(1, 4),
    H=st.integers(1, 5),
    variant=st.sampled_from(VARIANTS),
    dtype=st.sampled_from([np.float32, np.float64]),
    kind=st.sampled_from(list(CELLS)),
)
@settings(max_examples=120, deadline=None)
def test_shapes_and_dtypes_are_kept(T, B, D, H, variant, dtype, kind):
    cell, x, state, grad_outputs, grad_state, mask = made(kind, (T, B, D, H), variant, dtype=dtype)
    outputs, final = cell.forward(x, state, mask)
    grad_x, grad_start = cell.backward(grad_outputs, grad_state)
    assert outputs.shape == (T, B, H)
    assert grad_x.shape == (T, B, D)
    assert [part.shape for part in (*final, *grad_start)] == [(B, H)] * 2 * len(cell.state_names)
    assert cell.grads.keys() == cell.params.keys()
    for name, value in cell.params.items():
        assert cell.grads[name].shape == value.shape
    assert {a.dtype for a in [outputs, grad_x, *final, *grad_start, *cell.grads.values()]} == {np.dtype(dtype)}


def test_float32_follows_float64(kind):
    results = {}
    for dtype in (np.float32, np.float64):
        cell, x, state, grad_outputs, grad_state, _ = made(kind, (20, 4, 3, 8), (True, True, False), dtype=dtype)
        outputs, _ = cell.forward(x, state)
        cell.backward(grad_outputs, grad_state)
        results[dtype] = (outputs, cell.grads["W_h"])
    for single, double in zip(results[np.float32], results[np.float64], strict=True):
        np.testing.assert_allclose(single, double, rtol=1e-4, atol=1e-4)


def test_forward_leaves_its_arguments_alone(kind):
    cell, x, state, grad_outputs, grad_state, mask = made(kind, (7, 3, 2, 5), (True, True, True))
    before = [a.copy() for a in (x, *state, grad_outputs, *grad_state, mask, *cell.params.values())]
    cell.forward(x, state, mask)
    cell.backward(grad_outputs, grad_state)
    after = [x, *state, grad_outputs, *grad_state, mask, *cell.params.values()]
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)


def test_outputs_cannot_be_overwritten_by_accident(kind):
    """Backward still needs them; a silent change would give a silently wrong gradient."""
    cell, x, *_ = made(kind, (7, 3, 2, 5), (True, False, False))
    outputs, (h, *_) = cell.forward(x)
    with pytest.raises(ValueError, match="read-only"):
        outputs[0] = 0
    kept = outputs[-1].copy()
    h[...] = 0  # the state is the caller's own copy
    np.testing.assert_array_equal(outputs[-1], kept)


def test_the_seed_decides_the_weights():
    first, same, other = RNN(3, 4, rng=0), RNN(3, 4, rng=np.random.default_rng(0)), RNN(3, 4, rng=1)
    np.testing.assert_array_equal(first.params["W_h"], same.params["W_h"])
    assert not np.array_equal(first.params["W_h"], other.params["W_h"])


def test_starting_weights_are_what_the_docstring_says():
    cell = RNN(30, 50, rng=0)
    np.testing.assert_allclose(cell.params["W_h"] @ cell.params["W_h"].T, np.eye(50), atol=1e-12)
    limit = np.sqrt(6 / 80)
    assert np.abs(cell.params["W_x"]).max() <= limit
    assert np.abs(cell.params["W_x"]).max() > 0.95 * limit
    assert not cell.params["b"].any()
    assert cell.parameter_count == 30 * 50 + 50 * 50 + 50


GOOD = np.zeros((7, 3, 2))
BAD_GRAD = np.zeros((7, 3, 5))
BAD_GRAD[6, 2, 4] = np.nan


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda c: c.forward(np.zeros((7, 2))), ValueError, r"x: expected 3 axes \(T, B, 2\), got 2"),
        (
            lambda c: c.forward(np.zeros((7, 3, 4))),
            ValueError,
            r"x: expected shape \(T, B, 2\), got \(7, 3, 4\)",
        ),
        (lambda c: c.forward(np.zeros((0, 3, 2))), ValueError, r"x: axis 0 \(T\) must not be empty"),
        (lambda c: c.forward(np.zeros((7, 0, 2))), ValueError, r"x: axis 1 \(B\) must not be empty"),
        (lambda c: c.forward(GOOD.astype(np.float32)), TypeError, "x: expected dtype float64, got float32"),
        (lambda c: c.forward(GOOD.astype(int)), TypeError, "x: expected dtype float64, got int64"),
        (lambda c: c.forward(GOOD.tolist()), TypeError, "x: expected a NumPy array, got list"),
        (
            lambda c: c.forward(GOOD + np.nan),
            ValueError,
            r"x: expected finite numbers, got nan at index \(0, 0, 0\)",
        ),
        (
            lambda c: c.forward(GOOD, np.zeros((3, 5))),
            TypeError,
            r"state: expected the tuple \(h,\) of arrays",
        ),
        (
            lambda c: c.forward(GOOD, (np.zeros((2, 5)),)),
            ValueError,
            r"state h: expected shape \(3, 5\), got \(2, 5\)",
        ),
        (lambda c: c.forward(GOOD, mask=np.ones((3, 7), bool)), ValueError, r"mask: expected shape \(7, 3\)"),
        (
            lambda c: c.forward(GOOD, mask=np.ones((7, 3))),
            TypeError,
            "mask: expected a NumPy array of dtype bool",
        ),
        (lambda c: c.backward(np.zeros((7, 3, 5))), RuntimeError, "call forward first"),
        (
            lambda c: (c.forward(GOOD), c.backward(GOOD)),
            ValueError,
            r"grad_outputs: expected shape \(7, 3, 5\)",
        ),
        (
            lambda c: (c.forward(GOOD), c.backward(BAD_GRAD)),
            ValueError,
            r"grad_outputs: .* got nan at index \(6, 2, 4\)",
        ),
        (lambda c: RNN(0, 5), ValueError, "input_size: expected a whole number of at least 1, got 0"),
        (lambda c: RNN(2, 5.0), TypeError, "hidden_size: expected a whole number of at least 1, got 5.0"),
        (lambda c: RNN(2, 5, activation="sigmoid"), ValueError, "activation: expected one of 'tanh', 'relu'"),
        (lambda c: RNN(2, 5, dtype=np.float16), ValueError, "dtype: expected one of"),
        (lambda c: c.zero_state(0), ValueError, "batch: expected a whole number of at least 1"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call(RNN(2, 5))
