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
imported only where a module or a layer is made. They take arrays in any memory order, and tensors of either framework;
what they return are C-ordered NumPy arrays of their own.

What does not fit is refused, never dropped: a number that silently took another place would look like a learned one.
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
    """Our parameters, those of one cell, under PyTorch's names and in its layout.

    b goes into bias_ih; bias_hh becomes zero, but for the GRU's c_n, which has its place there.

    Raises ValueError for parameters of several cells, and for those of a GRU that resets before the product: PyTorch
    does not have that function. It is known by its b without c_n. Without biases both variants have the same
    parameters; they are taken for those of a reset after the product. `to_torch` sees the cell, and refuses.
    """
    params = _ours(params)
    if _is_gru(params) and "b" in params and "c_n" not in params:
        raise ValueError(_NO_RESET_BEFORE)
    torch_params = {"weight_ih_l0": _turned(params["W_x"]), "weight_hh_l0": _turned(params["W_h"])}
    if "b" in params:
        torch_params["bias_ih_l0"] = params["b"]
        torch_params["bias_hh_l0"] = np.zeros_like(params["b"])
    if "c_n" in params:
        torch_params["bias_hh_l0"][_candidate(params)] = params["c_n"]
    return torch_params


def params_from_torch(torch_params: Arrays) -> Arrays:
    """PyTorch's parameters of one layer in our layout. The two biases are added, but for the GRU's candidate, which
    keeps both.

    torch_params  weight_ih_l0, weight_hh_l0 and, with biases, bias_ih_l0 and bias_hh_l0: arrays or tensors, as in
                  `module.state_dict()`

    Raises ValueError for several layers, two directions or a projection (`from_torch` takes the first two).
    """
    params, biases = _theirs(torch_params)
    return params | _one_bias(params, *biases) if biases else params


def grads_from_torch(torch_grads: Arrays) -> Arrays:
    """PyTorch's gradients in our layout; names as in `params_from_torch`, arrays or tensors.

    Not the same as converting parameters: two biases that enter as one sum each receive the whole gradient of b. Adding
    them would double it.
    """
    grads, biases = _theirs(torch_grads)
    if biases:
        grads["b"] = biases[0]
        if _is_gru(grads):
            grads["c_n"] = biases[1][_candidate(grads)].copy()
    return grads


def params_to_keras(params: Arrays) -> list[np.ndarray]:
    """Our parameters, those of one cell, as the list that `layer.set_weights` takes: kernel, recurrent kernel, bias.

    A GRU's c_n makes the bias two rows, the layout of `reset_after=True`.
    """
    params = _ours(params)
    weights = [_swapped(params, params[name]) for name in ("W_x", "W_h", "b") if name in params]
    if "c_n" in params:
        inside = np.zeros_like(params["b"])
        inside[_candidate(params)] = params["c_n"]
        weights[2] = np.stack([weights[2], inside])
    return weights


def params_from_keras(weights: Sequence[np.ndarray]) -> Arrays:
    """The weights of one Keras layer, in the order of `layer.get_weights()`, under our names.

    A GRU's two rows of biases are added, but for the candidate, which keeps both: the second row there is c_n.

    Raises ValueError for any other number of weights than two or three, such as those of two directions: `from_keras`.
    """
    params = _from_keras(weights)
    if "b" in params and params["b"].ndim == 2:
        params |= _one_bias(params, *params["b"])
    return params


def grads_from_keras(weights: Sequence[np.ndarray]) -> Arrays:
    """The gradients of one Keras layer's weights, in the same order, under our names.

    Of a GRU's two rows of biases each holds the whole gradient; adding them, as for parameters, would double it.
    """
    grads = _from_keras(weights)
    if "b" in grads and grads["b"].ndim == 2:
        outside, inside = grads["b"]
        grads |= {"b": outside.copy(), "c_n": inside[_candidate(grads)].copy()}
    return grads


_NO_RESET_BEFORE = (
    "params: a GRU with reset before the product; PyTorch only has the GRU with reset after it, which is another "
    "function, so no weights of it compute the same. Keras has both: to_keras"
)

_FLOATS = ("float32", "float64")


def _array(name: str, value) -> np.ndarray:
    """A copy of an array or of a tensor of either framework, in C order, as float32 or float64; else an error.

    What is not finite passes: a run that has failed may be looked at.
    """
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name}: expected a plain array, got a masked array, whose mask would be lost on the way")
    if value is None:
        raise TypeError(f"{name}: expected an array, got None; does it have a gradient already?")
    dtype = getattr(value, "dtype", type(value).__name__)
    dtype = getattr(dtype, "name", None) or str(dtype).removeprefix("torch.")
    if dtype not in _FLOATS:
        raise TypeError(_wrong_dtype(name, dtype))
    if hasattr(value, "detach"):  # a tensor of PyTorch, perhaps with a history, perhaps on a GPU
        if value.device.type == "meta":
            raise ValueError(f"{name}: a tensor on the device 'meta' has a shape but no numbers; load weights first")
        value = value.detach().cpu().numpy()
    return np.array(np.asarray(value), dtype=dtype, order="C")


def _wrong_dtype(name: str, dtype: str) -> str:
    return f"{name}: expected float32 or float64, the two types of the book's cells, got {dtype}; convert it first"


def _ours(params: Arrays) -> Arrays:
    """A copy of the parameters of one cell; raises where they are not one cell's."""
    names = set(params)
    if names not in ({"W_x", "W_h"}, {"W_x", "W_h", "b"}, {"W_x", "W_h", "b", "c_n"}):
        raise ValueError(
            f"params: expected those of one cell, W_x, W_h and, with biases, b (and c_n), got {_listed(params)};"
            f" several cells at once: to_torch, to_keras"
        )
    arrays = {name: _array(f"params[{name!r}]", value) for name, value in params.items()}
    _check_shapes("params", arrays)
    if "c_n" in names:
        H = len(arrays["W_h"])
        if not _is_gru(arrays):
            raise ValueError("params: only a GRU has a c_n, and its W_h has the shape (H, 3 H)")
        checks.check_shape("params['c_n']", arrays["c_n"].shape, (H,))
    return arrays


def _theirs(torch_params: Arrays) -> tuple[Arrays, list[np.ndarray]]:
    """W_x and W_h out of PyTorch's arrays of one layer, and its two biases, if it has them, as they are."""
    weights, biases = ["weight_ih_l0", "weight_hh_l0"], ["bias_ih_l0", "bias_hh_l0"]
    if set(torch_params) not in (set(weights), {*weights, *biases}):
        raise ValueError(
            f"torch_params: expected those of one layer in one direction, {', '.join(weights)} and, with biases,"
            f" {', '.join(biases)}, got {_listed(torch_params)}; for layers and directions take from_torch, for"
            f" gradients torch_grads. A projection (weight_hr) the book's cells do not have"
        )
    arrays = {name: _array(name, value) for name, value in torch_params.items()}
    for name in weights:
        if arrays[name].ndim != 2:
            raise ValueError(f"torch_params: expected {name} to have two axes, got the shape {arrays[name].shape}")
    found = {"W_x": _turned(arrays["weight_ih_l0"]), "W_h": _turned(arrays["weight_hh_l0"])}
    both = [arrays[name] for name in biases if name in arrays]
    _check_shapes("torch_params", found)
    for bias in both:
        _check_shapes("torch_params", found | {"b": bias})
    return found, both


def _check_shapes(where: str, arrays: Arrays, *, two_rows: bool = False) -> None:
    """Whether W_x, W_h and b, in our layout, belong to one cell; `two_rows` lets a GRU's b be (2, 3H), as in Keras."""
    W_x, W_h, b = arrays["W_x"], arrays["W_h"], arrays.get("b")
    fits = W_x.ndim == W_h.ndim == 2 and W_h.shape[1] in [blocks * len(W_h) for blocks in (1, 3, 4)]
    if fits:
        columns = W_h.shape[1]
        rows = [(columns,)] + ([(2, columns)] if two_rows and _is_gru(arrays) else [])
        fits = W_x.shape[1] == columns and (b is None or b.shape in rows)
    if not fits:
        shapes = ", ".join(f"{name} {arrays[name].shape}" for name in ("W_x", "W_h", "b") if name in arrays)
        raise ValueError(
            f"{where}: expected the shapes of one RNN, LSTM or GRU, which in our layout are W_x (D, G·H), W_h (H, G·H)"
            f" and b (G·H,) with G = 1, 4 or 3 blocks, got {shapes}"
        )


def _listed(names) -> str:
    names = [str(name) for name in names]
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "") or "nothing"


def _turned(array: np.ndarray) -> np.ndarray:
    return array.T.copy()


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
    """A copy of `array`, in C order; for a GRU its first two blocks of columns change places."""
    if not _is_gru(params):
        return array.copy()
    first, second, third = np.split(array, 3, axis=-1)
    return np.ascontiguousarray(np.concatenate([second, first, third], axis=-1))


def _from_keras(weights: Sequence[np.ndarray]) -> Arrays:
    weights = list(weights)
    if len(weights) not in (2, 3):
        raise ValueError(
            f"weights: expected those of one layer, kernel, recurrent kernel and, with biases, bias, got"
            f" {len(weights)}; for two directions or several layers take from_keras, for gradients keras_grads"
        )
    arrays = {
        name: _array(f"weights[{i}]", w) for i, (name, w) in enumerate(zip(("W_x", "W_h", "b"), weights, strict=False))
    }
    _check_shapes("weights", arrays, two_rows=True)
    return {name: _swapped(arrays, array) for name, array in arrays.items()}


# ---- PyTorch ---------------------------------------------------------------------------------------------------------


def to_torch(cell: Cell | Bidirectional | Stacked):
    """A new `torch.nn.RNN`, `LSTM` or `GRU` with the weights and dtype of `cell`, on the CPU, time first.

    Stacked cells and two directions become one module, whose layers must all be of one kind and one size.

    Raises ValueError for what PyTorch does not have, a GRU with reset="before" and two directions that are merged
    otherwise than side by side, and for layers that do not fit into one module; TypeError for anything else.
    """
    layers = _layers(cell)
    cells = [c for layer in layers for c in layer]
    first = cells[0]
    kind = type(first).__name__
    for part in [*getattr(cell, "layers", []), cell]:
        if getattr(part, "merge", "concat") != "concat":
            raise ValueError(
                f"cell: torch.nn.{kind} only has two directions side by side (merge='concat'), got {part.merge!r};"
                f" Keras has it: to_keras"
            )
    alike = {(type(c), c.hidden_size, getattr(c, "activation", None), "b" in c.params, len(layer))
             for layer in layers for c in layer}  # fmt: skip
    if len(alike) > 1:
        raise ValueError(
            f"cell: torch.nn.{kind} has one kind of cell, one hidden size and as many directions in every layer, "
            f"and biases everywhere or nowhere; convert layers that differ one by one"
        )
    if any(getattr(c, "reset", "after") == "before" for c in cells):
        raise ValueError(_NO_RESET_BEFORE)
    import torch

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

    What is not part of the function at inference is left behind: `batch_first` (our arrays are time first), `dropout`,
    the device, and whether the module was frozen.

    Raises TypeError for another kind of module (subclasses and quantised ones compute something else) and for another
    dtype than float32 and float64; ValueError for an LSTM with a projection (`proj_size`), for weights that are
    computed from others (weight norm, pruning, any parametrisation), and for a module without numbers ("meta").
    """
    kind, origin = type(module).__name__, type(module).__module__
    if hasattr(module, "parametrizations"):
        raise ValueError(_PARAMETRISED.format(", ".join(module.parametrizations)))
    if kind not in TORCH or origin != "torch.nn.modules.rnn":
        got = kind if kind not in TORCH else f"{origin}.{kind}"
        raise TypeError(f"module: expected a torch.nn.RNN, LSTM or GRU, got {got}")
    if module.proj_size:
        raise ValueError(f"module: expected an LSTM without projection, got proj_size={module.proj_size}")
    values, pieces = dict(module.named_parameters()), {}
    for number in range(module.num_layers):
        for direction in range(1 + module.bidirectional):
            names = ("weight_ih", "weight_hh", *(("bias_ih", "bias_hh") if module.bias else ()))
            names = [name + _suffix(number, direction) for name in names]
            if missing := [name for name in names if name not in values]:
                raise ValueError(_PARAMETRISED.format(", ".join(missing)))
            pieces[number, direction] = {n: _array(f"module.{n}", values[n]) for n in names}
    if len(dtypes := {str(v.dtype) for piece in pieces.values() for v in piece.values()}) > 1:
        raise TypeError(f"module: expected parameters of one dtype, got {' and '.join(sorted(dtypes))}")
    return _assembled(
        [
            [
                _cell_from_torch(module, _of_layer(pieces[number, direction], _suffix(number, direction)))
                for direction in range(1 + module.bidirectional)
            ]
            for number in range(module.num_layers)
        ]
    )


_PARAMETRISED = (
    "module: {} of it is computed from other parameters, by weight norm, pruning or another parametrisation; make plain"
    " weights of it first, with torch.nn.utils.parametrize.remove_parametrizations, remove_weight_norm or prune.remove"
)


def torch_grads(cell: Cell | Bidirectional | Stacked, grads: Arrays) -> Arrays:
    """The gradients of the module that `to_torch(cell)` made, by PyTorch's names, under the names of `cell.grads`.

    Raises ValueError for the gradients of a module with other layers or directions than `cell`.
    """
    suffixes = [_suffix(i, j) for i, layer in enumerate(_layers(cell)) for j in range(len(layer))]
    if unknown := [name for name in grads if not name.endswith(tuple(suffixes))]:
        raise ValueError(f"grads: expected those of {len(suffixes)} layers and directions, got also {_listed(unknown)}")
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
    become a `keras.layers.Bidirectional`, merged as they are here, whose outputs at masked steps are zero (Keras sets
    `zero_output_for_mask` in it). Stacked cells become a list of layers, the lowest first.

    Raises TypeError for anything but the book's cells.
    """
    _layers(cell)
    if isinstance(cell, Stacked):
        return [to_keras(layer) for layer in cell.layers]
    import keras

    if isinstance(cell, Bidirectional):
        layer = keras.layers.Bidirectional(
            _empty_keras(cell.ahead),
            backward_layer=_empty_keras(cell.back, go_backwards=True),
            merge_mode=cell.merge,
            dtype=cell.dtype.name,
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

    What is not part of the function at inference is left behind: dropout and recurrent dropout with their seed,
    regularisers, constraints, initialisers, `trainable`; and so is how it is computed (`unroll`, `implementation`,
    `use_cudnn`) and how much of it is returned (`return_sequences`, `return_state`).

    Raises TypeError for another kind of layer (subclasses compute something else) and for another dtype than float32
    and float64, mixed precision included; ValueError for a layer that is not built or computes something else: another
    activation, a direction of its own, directions that are not merged into one output, a state that stays from one call
    to the next (`stateful`), outputs set to zero at masked steps (`zero_output_for_mask`; ours repeat the last one).
    Inside a `Bidirectional` that returns sequences Keras always sets the latter, so there it is accepted: outputs at
    masked steps differ, states and all other outputs do not.
    """
    if isinstance(layer, (list, tuple)):
        return Stacked([from_keras(one) for one in layer])
    kind, origin = type(layer).__name__, type(layer).__module__
    if kind not in (*KERAS, "Bidirectional") or not origin.startswith("keras."):
        got = kind if kind not in (*KERAS, "Bidirectional") else f"{origin}.{kind}"
        raise TypeError(f"layer: expected a keras.layers.SimpleRNN, LSTM or GRU, got {got}")
    if kind != "Bidirectional":
        if layer.zero_output_for_mask:
            raise ValueError(
                "layer.zero_output_for_mask: expected False, got True; a cell of the book repeats its last output at"
                " masked steps, and final states are the same either way. Set it to False, or multiply by the mask"
            )
        return _from_keras_layer(layer, backwards=False)
    checks.one_of("layer.merge_mode", layer.merge_mode, ("concat", "sum", "ave", "mul"))
    ahead, back = layer.forward_layer, layer.backward_layer
    for part in (ahead, back):
        if type(part).__name__ not in KERAS or not type(part).__module__.startswith("keras."):
            raise TypeError(f"layer: expected two directions of SimpleRNN, LSTM or GRU, got {type(part).__name__}")
        if layer.compute_dtype != part.compute_dtype:  # the layer casts what it hands on
            raise TypeError(
                f"layer: expected one dtype, got a Bidirectional of {layer.compute_dtype} around {part.compute_dtype}"
            )
    cells = _from_keras_layer(ahead, backwards=False), _from_keras_layer(back, backwards=True)
    return Bidirectional(*cells, merge=layer.merge_mode)


def keras_grads(cell: Cell | Bidirectional | Stacked, weights: Sequence[np.ndarray]) -> Arrays:
    """The gradients of all weights of what `to_keras(cell)` made, in Keras' order, under the names of `cell.grads`.

    Raises ValueError for another number of them.
    """
    weights = list(weights)
    each = {
        (number, direction): 2 + ("b" in c.params)
        for number, layer in enumerate(_layers(cell))
        for direction, c in enumerate(layer)
    }

    if len(weights) != sum(each.values()):
        raise ValueError(f"weights: expected {sum(each.values())}, as many as the layers have, got {len(weights)}")

    def part(number: int, direction: int) -> Arrays:
        taken = [weights.pop(0) for _ in range(each[number, direction])]
        return grads_from_keras(taken)

    return _by_part(cell, part)


def _empty_keras(cell: Cell, **options):
    import keras

    kinds = {RNN: keras.layers.SimpleRNN, LSTM: keras.layers.LSTM, GRU: keras.layers.GRU}
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
    for dtype in (layer.compute_dtype, layer.variable_dtype):
        if dtype not in _FLOATS:
            raise TypeError(_wrong_dtype("layer", dtype))
    if layer.compute_dtype != layer.variable_dtype:
        raise TypeError(f"layer: expected one dtype, got {layer.variable_dtype} that computes in {layer.compute_dtype}")
    checks.one_of("layer.go_backwards", bool(layer.go_backwards), (backwards,))
    if layer.stateful:
        raise ValueError(
            "layer.stateful: expected False, got True; a cell of the book starts from zeros unless it is given a state."
            " Set it to False, and hand the final state of one call to the next"
        )
    if kind == "SimpleRNN":
        options = {"activation": _activation(layer, "activation", ("tanh", "relu"))}
    else:
        _activation(layer, "activation", ("tanh",))
        _activation(layer, "recurrent_activation", ("sigmoid",))
        options = {"reset": "after" if layer.reset_after else "before"} if kind == "GRU" else {}
    params = params_from_keras(layer.get_weights())
    D, H = params["W_x"].shape[0], params["W_h"].shape[0]
    return _load(KERAS[kind](D, H, bias="b" in params, dtype=params["W_x"].dtype, **options), params)


def _activation(layer, name: str, allowed: tuple[str, ...]) -> str:
    """The name of the function; a function of one's own is another function, whatever its name."""
    function = getattr(layer, name)
    found = getattr(function, "__name__", None)
    library = (getattr(function, "__module__", None) or "").partition(".")[0]
    if found in allowed and library in ("keras", "tensorflow", "torch", "jax"):
        return found
    got = (
        repr(found)
        if found and library == "keras"
        else f"{found or type(function).__name__} of {library or 'builtins'}"
    )
    raise ValueError(f"layer.{name}: expected one of {', '.join(map(repr, allowed))}, got {got}")


# ---- layers and directions -------------------------------------------------------------------------------------------


def _layers(cell: Cell | Bidirectional | Stacked) -> list[list[Cell]]:
    """Layers, the lowest first; each a list of one cell, or of two for two directions.

    Raises TypeError for what is not made of the book's three cells: a subclass may compute something else.
    """
    layers = cell.layers if isinstance(cell, Stacked) else [cell]
    layers = [[layer.ahead, layer.back] if isinstance(layer, Bidirectional) else [layer] for layer in layers]
    for part in (part for layer in layers for part in layer):
        if type(part) not in (RNN, LSTM, GRU):
            raise TypeError(
                f"cell: expected one of the book's cells, RNN, LSTM or GRU, alone, in two directions or stacked,"
                f" got {type(part).__name__}{'' if part is cell else ' inside'}"
            )
    return layers


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
