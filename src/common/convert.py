"""Weights between `common.cells`, PyTorch and Keras, in both directions.

Three layouts of one network (D inputs, H hidden units, G gate blocks):

    ours      W_x (D, G*H), W_h (H, G*H), b (G*H,)          y = x @ W
    Keras     kernel, recurrent_kernel, bias                the same layout: nothing to transpose
    PyTorch   weight_ih (G*H, D), weight_hh (G*H, H)        transposed; two biases

    gates     ours and PyTorch i f g o and r z n            Keras i f c o and z r h: the GRU's first two change places
    biases    RNN, LSTM: PyTorch's two enter as a sum, which is b
              GRU, reset after: the candidate needs both, b_n outside and c_n inside the reset gate; of the gates' two
              only the sum counts. Keras keeps two rows, (2, 3H), PyTorch two vectors
              GRU, reset before: one bias, (3H,). PyTorch does not have this function

Sources: torch/nn/modules/rnn.py (PyTorch 2.13), keras/src/layers/rnn/{simple_rnn,lstm,gru}.py (Keras 3.15). PyTorch
keeps a second bias everywhere because cuDNN has one. The functions on dictionaries need NumPy alone; a framework is
imported only where a module or a layer is made or read.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from common import checks
from common.cells import GRU, LSTM, RNN, Bidirectional, Stacked

Arrays = dict[str, np.ndarray]
Cell = RNN | LSTM | GRU

TORCH = ("RNN", "LSTM", "GRU")
KERAS = {"SimpleRNN": RNN, "LSTM": LSTM, "GRU": GRU}


# ---- dictionaries of arrays ------------------------------------------------------------------------------------------


def params_to_torch(params: Arrays) -> Arrays:
    """Our parameters under PyTorch's names and in its layout.

    b goes into bias_ih; bias_hh becomes zero, but for the GRU's c_n, which has its place there.

    Raises ValueError for the parameters of a GRU that resets before the product: PyTorch does not have that function.
    """
    if _is_gru(params) and "b" in params and "c_n" not in params:
        raise ValueError(_NO_RESET_BEFORE)
    torch_params = {"weight_ih_l0": params["W_x"].T.copy(), "weight_hh_l0": params["W_h"].T.copy()}
    if "b" in params:
        torch_params["bias_ih_l0"] = params["b"].copy()
        torch_params["bias_hh_l0"] = np.zeros_like(params["b"])
    if "c_n" in params:
        torch_params["bias_hh_l0"][_candidate(params)] = params["c_n"]
    return torch_params


def params_from_torch(torch_params: Arrays) -> Arrays:
    """PyTorch's parameters in our layout. The two biases are added, but for the GRU's candidate, which keeps both."""
    params = {"W_x": torch_params["weight_ih_l0"].T.copy(), "W_h": torch_params["weight_hh_l0"].T.copy()}
    if "bias_ih_l0" in torch_params:
        params |= _one_bias(params, torch_params["bias_ih_l0"], torch_params["bias_hh_l0"])
    return params


def grads_from_torch(torch_grads: Arrays) -> Arrays:
    """PyTorch's gradients in our layout.

    Not the same as converting parameters: two biases that enter as one sum each receive the whole gradient of b. Adding
    them would double it.
    """
    grads = {"W_x": torch_grads["weight_ih_l0"].T.copy(), "W_h": torch_grads["weight_hh_l0"].T.copy()}
    if "bias_ih_l0" in torch_grads:
        grads["b"] = torch_grads["bias_ih_l0"].copy()
        if _is_gru(grads):
            grads["c_n"] = torch_grads["bias_hh_l0"][_candidate(grads)].copy()
    return grads


def params_to_keras(params: Arrays) -> list[np.ndarray]:
    """Our parameters as the list that `layer.set_weights` takes: kernel, recurrent kernel, bias.

    A GRU's c_n makes the bias two rows, the layout of `reset_after=True`.
    """
    weights = [_swapped(params, params[name]) for name in ("W_x", "W_h", "b") if name in params]
    if "c_n" in params:
        inside = np.zeros_like(params["b"])
        inside[_candidate(params)] = params["c_n"]
        weights[2] = np.stack([weights[2], inside])
    return weights


def params_from_keras(weights: Sequence[np.ndarray]) -> Arrays:
    """A Keras layer's weights, in the order of `layer.get_weights()`, under our names.

    A GRU's two rows of biases are added, but for the candidate, which keeps both: the second row there is c_n.
    """
    params = _from_keras(weights)
    if "b" in params and params["b"].ndim == 2:
        params |= _one_bias(params, *params["b"])
    return params


def grads_from_keras(weights: Sequence[np.ndarray]) -> Arrays:
    """The gradients of a Keras layer's weights, in the same order, under our names.

    Of a GRU's two rows of biases each holds the whole gradient; adding them, as for parameters, would double it.
    """
    grads = _from_keras(weights)
    if "b" in grads and grads["b"].ndim == 2:
        outside, inside = grads["b"]
        grads |= {"b": outside, "c_n": inside[_candidate(grads)]}
    return grads


_NO_RESET_BEFORE = (
    "params: a GRU with reset before the product; PyTorch only has the GRU with reset after it, which is another "
    "function, so no weights of it compute the same. Keras has both: to_keras"
)


def _is_gru(params: Arrays) -> bool:
    """Three gate blocks: of our cells only the GRU has them."""
    return params["W_h"].shape[1] == 3 * params["W_h"].shape[0]


def _candidate(params: Arrays) -> slice:
    """The columns of a GRU's candidate."""
    H = params["W_h"].shape[0]
    return slice(2 * H, 3 * H)


def _one_bias(params: Arrays, outside: np.ndarray, inside: np.ndarray) -> Arrays:
    """b, and c_n for a GRU, from a bias beside the input product and one beside the recurrent product."""
    b = outside + inside
    if not _is_gru(params):
        return {"b": b}
    n = _candidate(params)
    b[n] = outside[n]
    return {"b": b, "c_n": inside[n].copy()}


def _swapped(params: Arrays, array: np.ndarray) -> np.ndarray:
    """For a GRU a copy of `array` whose first two blocks of columns have changed places; else a plain copy."""
    if not _is_gru(params):
        return np.array(array)
    first, second, third = np.split(np.asarray(array), 3, axis=-1)
    return np.concatenate([second, first, third], axis=-1)


def _from_keras(weights: Sequence[np.ndarray]) -> Arrays:
    arrays = {name: np.asarray(w) for name, w in zip(("W_x", "W_h", "b"), weights, strict=False)}
    return {name: _swapped(arrays, array) for name, array in arrays.items()}


# ---- PyTorch ---------------------------------------------------------------------------------------------------------


def to_torch(cell: Cell | Bidirectional | Stacked):
    """A new `torch.nn.RNN`, `LSTM` or `GRU` with the weights and dtype of `cell`, on the CPU, time first.

    Stacked cells and two directions become one module, whose layers must all be of one kind and one size.

    Raises ValueError for a GRU with reset="before", which PyTorch does not have, and for layers that do not fit into
    one module; TypeError for anything else.
    """
    import torch

    layers = _layers(cell)
    cells = [c for layer in layers for c in layer]
    first = cells[0]
    kind = checks.one_of("cell", type(first).__name__, TORCH)
    alike = {(type(c), c.hidden_size, getattr(c, "activation", None), "b" in c.params, len(layer))
             for layer in layers for c in layer}  # fmt: skip
    if len(alike) > 1:
        raise ValueError(
            f"cell: torch.nn.{kind} has one kind of cell, one hidden size and as many directions in every layer, "
            f"and biases everywhere or nowhere; convert layers that differ one by one"
        )
    if any(getattr(c, "reset", "after") == "before" for c in cells):
        raise ValueError(_NO_RESET_BEFORE)
    options = {"nonlinearity": first.activation} if kind == "RNN" else {}
    module = getattr(torch.nn, kind)(
        first.input_size,
        first.hidden_size,
        len(layers),
        bias="b" in first.params,
        bidirectional=len(layers[0]) == 2,
        dtype=getattr(torch, first.dtype.name),
        **options,
    )
    state = {
        name.replace("_l0", _suffix(number, direction)): torch.from_numpy(value)
        for number, layer in enumerate(layers)
        for direction, c in enumerate(layer)
        for name, value in params_to_torch(c.params).items()
    }
    module.load_state_dict(state)
    return module


def from_torch(module) -> Cell | Bidirectional | Stacked:
    """A new cell with the weights of a `torch.nn.RNN`, `LSTM` or `GRU`: `Stacked` if it has several layers, of
    `Bidirectional` if it has two directions.

    What the module does to its data is not part of the weights: `batch_first` and `dropout` are left behind.

    Raises TypeError for another kind of module, ValueError for an LSTM with a projection (`proj_size`).
    """
    kind = type(module).__name__
    if kind not in TORCH:
        raise TypeError(f"module: expected a torch.nn.RNN, LSTM or GRU, got {kind}")
    if module.proj_size:
        raise ValueError(f"module: expected an LSTM without projection, got proj_size={module.proj_size}")
    values = {name: p.detach().cpu().numpy() for name, p in module.named_parameters()}
    return _assembled(
        [
            [
                _cell_from_torch(module, _of_layer(values, _suffix(number, direction)))
                for direction in range(1 + module.bidirectional)
            ]
            for number in range(module.num_layers)
        ]
    )


def torch_grads(cell: Cell | Bidirectional | Stacked, grads: Arrays) -> Arrays:
    """The gradients of the module that `to_torch(cell)` made, by PyTorch's names, under the names of `cell.grads`."""
    return _by_part(cell, lambda number, direction: grads_from_torch(_of_layer(grads, _suffix(number, direction))))


def _suffix(number: int, direction: int) -> str:
    return f"_l{number}" + ("_reverse" if direction else "")


def _of_layer(values: Arrays, suffix: str) -> Arrays:
    """One layer's and direction's arrays out of all, under the names of layer 0."""
    return {f"{name.removesuffix(suffix)}_l0": value for name, value in values.items() if name.endswith(suffix)}


def _cell_from_torch(module, values: Arrays) -> Cell:
    options = {"activation": module.nonlinearity} if isinstance(getattr(module, "nonlinearity", None), str) else {}
    cell_type = {"RNN": RNN, "LSTM": LSTM, "GRU": GRU}[type(module).__name__]
    D, dtype = values["weight_ih_l0"].shape[1], values["weight_ih_l0"].dtype
    cell = cell_type(D, module.hidden_size, bias=module.bias, dtype=dtype, **options)
    return _load(cell, params_from_torch(values))


# ---- Keras -----------------------------------------------------------------------------------------------------------


def to_keras(cell: Cell | Bidirectional | Stacked):
    """A new, built `keras.layers.SimpleRNN`, `LSTM` or `GRU` with the weights, dtype and activation of `cell`.

    It returns the whole sequence and the final state. Keras is batch-major: its input is (B, T, D). Two directions
    become a `keras.layers.Bidirectional`. Stacked cells become a list of layers, the lowest first.
    """
    if isinstance(cell, Stacked):
        return [to_keras(layer) for layer in cell.layers]
    import keras

    if isinstance(cell, Bidirectional):
        layer = keras.layers.Bidirectional(
            _empty_keras(cell.ahead), backward_layer=_empty_keras(cell.back, go_backwards=True), dtype=cell.dtype.name
        )
        weights = params_to_keras(cell.ahead.params) + params_to_keras(cell.back.params)
    else:
        layer, weights = _empty_keras(cell), params_to_keras(cell.params)
    layer.build((None, None, cell.input_size))
    layer.set_weights(weights)
    return layer


def from_keras(layer) -> Cell | Bidirectional | Stacked:
    """A new cell with the weights of a built `keras.layers.SimpleRNN`, `LSTM` or `GRU`, of a `Bidirectional` around
    them, or, stacked, of a list of such layers.

    Raises TypeError for another kind of layer, ValueError for one that is not built or computes something else: another
    activation, a merge of directions that is not side by side, a direction of its own.
    """
    if isinstance(layer, (list, tuple)):
        return Stacked([from_keras(one) for one in layer])
    kind = type(layer).__name__
    if kind == "Bidirectional":
        checks.one_of("layer.merge_mode", layer.merge_mode, ("concat",))
        return Bidirectional(from_keras(layer.forward_layer), _from_keras_layer(layer.backward_layer, backwards=True))
    if kind not in KERAS:
        raise TypeError(f"layer: expected a keras.layers.SimpleRNN, LSTM or GRU, got {kind}")
    return _from_keras_layer(layer, backwards=False)


def keras_grads(cell: Cell | Bidirectional | Stacked, weights: Sequence[np.ndarray]) -> Arrays:
    """The gradients of all weights of what `to_keras(cell)` made, in Keras' order, under the names of `cell.grads`."""
    weights = list(weights)
    each = {
        (number, direction): 2 + ("b" in c.params)
        for number, layer in enumerate(_layers(cell))
        for direction, c in enumerate(layer)
    }

    def part(number: int, direction: int) -> Arrays:
        taken = [weights.pop(0) for _ in range(each[number, direction])]
        return grads_from_keras(taken)

    return _by_part(cell, part)


def _empty_keras(cell: Cell, **options):
    import keras

    kinds = {RNN: keras.layers.SimpleRNN, LSTM: keras.layers.LSTM, GRU: keras.layers.GRU}
    if type(cell) not in kinds:
        raise TypeError(f"cell: expected one of the book's cells, got {type(cell).__name__}")
    options |= {"activation": cell.activation} if isinstance(cell, RNN) else {}
    options |= {"reset_after": cell.reset == "after"} if isinstance(cell, GRU) else {}
    return kinds[type(cell)](
        cell.hidden_size,
        use_bias="b" in cell.params,
        return_sequences=True,
        return_state=True,
        dtype=cell.dtype.name,
        **options,
    )


def _from_keras_layer(layer, *, backwards: bool) -> Cell:
    kind = type(layer).__name__
    if not layer.built:
        raise ValueError("layer: expected a layer with weights; call it on data or build it first")
    checks.one_of("layer.go_backwards", bool(layer.go_backwards), (backwards,))
    params = params_from_keras(layer.get_weights())
    activation = layer.activation.__name__
    if kind == "SimpleRNN":
        options = {"activation": checks.one_of("layer.activation", activation, ("tanh", "relu"))}
    else:
        checks.one_of("layer.activation", activation, ("tanh",))
        checks.one_of("layer.recurrent_activation", layer.recurrent_activation.__name__, ("sigmoid",))
        options = {"reset": "after" if layer.reset_after else "before"} if kind == "GRU" else {}
    D, H = params["W_x"].shape[0], params["W_h"].shape[0]
    return _load(KERAS[kind](D, H, bias="b" in params, dtype=params["W_x"].dtype, **options), params)


# ---- layers and directions -------------------------------------------------------------------------------------------


def _layers(cell: Cell | Bidirectional | Stacked) -> list[list[Cell]]:
    """Layers, the lowest first; each a list of one cell, or of two for two directions."""
    layers = cell.layers if isinstance(cell, Stacked) else [cell]
    return [[layer.ahead, layer.back] if isinstance(layer, Bidirectional) else [layer] for layer in layers]


def _assembled(layers: list[list[Cell]]) -> Cell | Bidirectional | Stacked:
    """The inverse of `_layers`, with nothing around a single cell."""
    cells = [Bidirectional(*layer) if len(layer) == 2 else layer[0] for layer in layers]
    return Stacked(cells) if len(cells) > 1 else cells[0]


def _by_part(cell: Cell | Bidirectional | Stacked, part) -> Arrays:
    """Arrays by the names of `cell.params`, from a function of layer number and direction."""
    found = {}
    for number, layer in enumerate(_layers(cell)):
        for direction in range(len(layer)):
            prefix = f"{number + 1}." if isinstance(cell, Stacked) else ""
            prefix += ("ahead.", "back.")[direction] if len(layer) == 2 else ""
            found |= {f"{prefix}{name}": value for name, value in part(number, direction).items()}
    return found


def _load(cell: Cell, params: Arrays) -> Cell:
    for name, value in params.items():
        cell.params[name][...] = value
    return cell
