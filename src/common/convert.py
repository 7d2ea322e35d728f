"""Weights between `common.cells`, PyTorch and Keras, in both directions.

Three layouts of one network (H hidden units, G gate blocks):

    ours      W_x (D, G*H), W_h (H, G*H), b (G*H,)          y = x @ W
    Keras     kernel, recurrent_kernel, bias                the same layout: nothing to transpose
    PyTorch   weight_ih (G*H, D), weight_hh (G*H, H)        transposed; two biases whose sum is b

Sources: torch/nn/modules/rnn.py (PyTorch 2.13), keras/src/layers/rnn/simple_rnn.py (Keras 3.15). PyTorch keeps a second
bias only because cuDNN has one. The functions on dictionaries need NumPy alone; a framework is imported only where a
module or a layer is made or read.
"""

from __future__ import annotations

import numpy as np

from common import checks
from common.cells import RNN

Arrays = dict[str, np.ndarray]


# ---- dictionaries of arrays ------------------------------------------------------------------------------------------


def params_to_torch(params: Arrays) -> Arrays:
    """Our parameters under PyTorch's names and in its layout; b goes into bias_ih, bias_hh becomes zero."""
    torch_params = {"weight_ih_l0": params["W_x"].T.copy(), "weight_hh_l0": params["W_h"].T.copy()}
    if "b" in params:
        torch_params["bias_ih_l0"] = params["b"].copy()
        torch_params["bias_hh_l0"] = np.zeros_like(params["b"])
    return torch_params


def params_from_torch(torch_params: Arrays) -> Arrays:
    """PyTorch's parameters in our layout; the two biases are added."""
    params = {"W_x": torch_params["weight_ih_l0"].T.copy(), "W_h": torch_params["weight_hh_l0"].T.copy()}
    if "bias_ih_l0" in torch_params:
        params["b"] = torch_params["bias_ih_l0"] + torch_params["bias_hh_l0"]
    return params


def grads_from_torch(torch_grads: Arrays) -> Arrays:
    """PyTorch's gradients in our layout.

    Not the same as converting parameters: both of PyTorch's biases enter as one sum, so each receives the whole
    gradient of b. Adding them would double it.
    """
    grads = {"W_x": torch_grads["weight_ih_l0"].T.copy(), "W_h": torch_grads["weight_hh_l0"].T.copy()}
    if "bias_ih_l0" in torch_grads:
        grads["b"] = torch_grads["bias_ih_l0"].copy()
    return grads


def params_to_keras(params: Arrays) -> list[np.ndarray]:
    """Our parameters as the list that `layer.set_weights` takes: kernel, recurrent kernel, bias."""
    return [params[name].copy() for name in ("W_x", "W_h", "b") if name in params]


def params_from_keras(weights: list[np.ndarray]) -> Arrays:
    """A Keras layer's weights (or their gradients), in the order of `layer.get_weights()`, under our names."""
    return {name: np.array(w) for name, w in zip(("W_x", "W_h", "b"), weights, strict=False)}


# ---- modules and layers ----------------------------------------------------------------------------------------------


def to_torch(cell: RNN):
    """A new one-layer `torch.nn.RNN` with the weights, dtype and activation of `cell`, on the CPU."""
    import torch

    module = torch.nn.RNN(
        cell.input_size,
        cell.hidden_size,
        nonlinearity=cell.activation,
        bias="b" in cell.params,
        dtype=getattr(torch, cell.dtype.name),
    )
    state = {name: torch.from_numpy(value) for name, value in params_to_torch(cell.params).items()}
    module.load_state_dict(state)
    return module


def from_torch(module) -> RNN:
    """A new `RNN` with the weights of a `torch.nn.RNN`.

    Raises ValueError for a module with several layers or directions, TypeError for anything but an RNN.
    """
    kind = type(module).__name__
    if kind != "RNN":
        raise TypeError(f"module: expected a torch.nn.RNN, got {kind}")
    if module.num_layers != 1 or module.bidirectional:
        raise ValueError(
            f"module: expected one layer in one direction, got num_layers={module.num_layers}, "
            f"bidirectional={module.bidirectional}; convert the layers one by one"
        )
    values = {name: p.detach().cpu().numpy() for name, p in module.named_parameters()}
    dtype = values["weight_ih_l0"].dtype
    cell = RNN(module.input_size, module.hidden_size, activation=module.nonlinearity, bias=module.bias, dtype=dtype)
    return _load(cell, params_from_torch(values))


def to_keras(cell: RNN):
    """A new, built `keras.layers.SimpleRNN` with the weights, dtype and activation of `cell`.

    It returns the whole sequence and the final state. Keras is batch-major: its input is (B, T, D).
    """
    import keras

    layer = keras.layers.SimpleRNN(
        cell.hidden_size,
        activation=cell.activation,
        use_bias="b" in cell.params,
        return_sequences=True,
        return_state=True,
        dtype=cell.dtype.name,
    )
    layer.build((None, None, cell.input_size))
    layer.set_weights(params_to_keras(cell.params))
    return layer


def from_keras(layer) -> RNN:
    """A new `RNN` with the weights of a built `keras.layers.SimpleRNN`.

    Raises TypeError for another kind of layer, ValueError for one that is not built or has another activation.
    """
    kind = type(layer).__name__
    if kind != "SimpleRNN":
        raise TypeError(f"layer: expected a keras.layers.SimpleRNN, got {kind}")
    if not layer.built:
        raise ValueError("layer: expected a layer with weights; call it on data or build it first")
    activation = checks.one_of("layer.activation", layer.activation.__name__, ("tanh", "relu"))
    params = params_from_keras(layer.get_weights())
    D, H = params["W_x"].shape
    return _load(RNN(D, H, activation=activation, bias="b" in params, dtype=params["W_x"].dtype), params)


def _load(cell: RNN, params: Arrays) -> RNN:
    for name, value in params.items():
        cell.params[name][...] = value
    return cell
