"""Is this cell the same function as that one? One forward and backward pass in each library, compared name by name.

`run`, `run_torch` and `run_keras` take the same arrays (time-major, our layout) and return the same dictionary: the
outputs, the final state, and the total derivative of

    L = Σ outputs ⊙ grad_outputs + Σ final state ⊙ grad_state

with respect to the input, the initial state and every parameter. With random upstream gradients no error can hide
behind a symmetry, as it can when they are all ones.
"""

from __future__ import annotations

import numpy as np

from common import convert

Arrays = dict[str, np.ndarray]


def run(cell, x, state, grad_outputs, grad_state, mask=None) -> Arrays:
    """Our own cell. x (T, B, D), state a tuple of (B, H), grad_outputs (T, B, H), grad_state like state."""
    outputs, final = cell.forward(x, state, mask)
    grad_x, grad_start = cell.backward(grad_outputs, grad_state)
    return _result(cell.state_names, outputs, final, grad_x, grad_start, cell.grads)


def run_torch(cell, x, state, grad_outputs, grad_state, lengths=None) -> Arrays:
    """The PyTorch layer with the weights of `cell`, differentiated by autograd.

    lengths  (B,) whole numbers: pack the batch, so that steps beyond a sequence's length are skipped. Outputs there are
             zero in PyTorch; ours repeat the last one.
    """
    import torch

    module = convert.to_torch(cell)
    tensors = [torch.tensor(a, requires_grad=True) for a in (x, *state)]
    # PyTorch's h and c have an axis for layers and directions; our state is one flat tuple of them.
    letters = len({name.rpartition(".")[2] for name in cell.state_names})
    start = tuple(torch.stack(tensors[1 + k :: letters]) for k in range(letters))
    inputs = tensors[0] if lengths is None else _pack(tensors[0], lengths)
    outputs, final = module(inputs, start if letters > 1 else start[0])
    if lengths is not None:
        outputs, _ = torch.nn.utils.rnn.pad_packed_sequence(outputs, total_length=len(x))
    final = final if isinstance(final, tuple) else (final,)
    final = [part for together in zip(*final, strict=True) for part in together]
    upstream = [torch.tensor(g) for g in (grad_outputs, *grad_state)]
    torch.autograd.backward([outputs, *final], upstream)
    grads = convert.torch_grads(cell, {n: p.grad.numpy() for n, p in module.named_parameters()})
    values = [t.detach().numpy() for t in (outputs, *final)]
    leaves = [t.grad.numpy() for t in tensors]
    return _result(cell.state_names, values[0], values[1:], leaves[0], leaves[1:], grads)


def run_keras(cell, x, state, grad_outputs, grad_state, mask=None) -> Arrays:
    """The Keras layer with the weights of `cell`, differentiated by the backend in use (TensorFlow, PyTorch or JAX)."""
    layers = convert.to_keras(cell)
    # Each layer with the number of its states: h, or h and c, and twice that in two directions.
    parts = cell.layers if isinstance(layers, list) else [cell]
    layers = layers if isinstance(layers, list) else [layers]
    layers = [(layer, len(part.state_names)) for layer, part in zip(layers, parts, strict=True)]
    upstream = [np.swapaxes(grad_outputs, 0, 1), *grad_state]
    mask = None if mask is None else mask.T
    values, leaves, weights = _keras_gradients(layers, [np.swapaxes(x, 0, 1), *state], mask, upstream)
    outputs, grad_x = np.swapaxes(values[0], 0, 1), np.swapaxes(leaves[0], 0, 1)
    grads = convert.keras_grads(cell, weights)
    return _result(cell.state_names, outputs, values[1:], grad_x, leaves[1:], grads)


def differences(ours: Arrays, theirs: Arrays) -> dict[str, float]:
    """The largest absolute difference of each quantity, by name.

    Raises ValueError when the two do not hold the same names and shapes: a quantity that is missing is not equal.
    """
    if ours.keys() != theirs.keys():
        raise ValueError(f"theirs: expected the quantities {sorted(ours)}, got {sorted(theirs)}")
    for name in ours:
        if ours[name].shape != theirs[name].shape:
            raise ValueError(f"{name}: expected shape {ours[name].shape}, got {theirs[name].shape}")
    return {name: float(np.max(np.abs(ours[name] - theirs[name]))) for name in ours}


def _result(names, outputs, final, grad_x, grad_start, grads) -> Arrays:
    result = {"outputs": outputs}
    result.update({f"final {name}": value for name, value in zip(names, final, strict=True)})
    result["grad x"] = grad_x
    result.update({f"grad initial {name}": value for name, value in zip(names, grad_start, strict=True)})
    result.update({f"grad {name}": grads[name] for name in sorted(grads)})
    return result


def _pack(inputs, lengths):
    import torch

    return torch.nn.utils.rnn.pack_padded_sequence(inputs, torch.as_tensor(lengths), enforce_sorted=False)


def _keras_gradients(layers, inputs, mask, upstream):
    """(outputs and final states, gradients of the inputs, gradients of the weights), all as NumPy arrays."""
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        return _keras_on_tensorflow(layers, inputs, mask, upstream)
    if backend == "torch":
        return _keras_on_torch(layers, inputs, mask, upstream)
    if backend == "jax":
        return _keras_on_jax(layers, inputs, mask, upstream)
    raise NotImplementedError(f"Keras backend {backend!r}: expected tensorflow, torch or jax")


def _keras_through(layers, inputs, mask, call):
    """Outputs of the top layer and final states of all layers; `call` runs one layer with its initial state."""
    x, states, finals = inputs[0], list(inputs[1:]), []
    for layer, taken in layers:
        x, *final = call(layer, x, states[:taken], mask)
        states, finals = states[taken:], finals + final
    return [x, *finals]


def _call(layer, x, states, mask):
    return layer(x, initial_state=states, mask=mask)


def _keras_on_tensorflow(layers, inputs, mask, upstream):
    import tensorflow as tf

    inputs = [tf.constant(a) for a in inputs]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        values = _keras_through(layers, inputs, mask, _call)
    weights = [w.value for layer, _ in layers for w in layer.trainable_weights]
    leaves = tape.gradient(values, inputs + weights, output_gradients=[tf.constant(g) for g in upstream])
    arrays = [np.asarray(a) for a in leaves]
    return [np.asarray(v) for v in values], arrays[: len(inputs)], arrays[len(inputs) :]


def _keras_on_torch(layers, inputs, mask, upstream):
    import torch
    from keras import ops

    # Without its dtype named, Keras would take float64 down to float32 here.
    inputs = [ops.convert_to_tensor(a, dtype=a.dtype.name).requires_grad_() for a in inputs]
    upstream = [ops.convert_to_tensor(g, dtype=g.dtype.name) for g in upstream]
    mask = None if mask is None else ops.convert_to_tensor(mask)
    values = _keras_through(layers, inputs, mask, _call)
    weights = [w.value for layer, _ in layers for w in layer.trainable_weights]
    leaves = torch.autograd.grad(values, inputs + weights, upstream)
    arrays = [a.detach().cpu().numpy() for a in leaves]
    return [v.detach().cpu().numpy() for v in values], arrays[: len(inputs)], arrays[len(inputs) :]


def _keras_on_jax(layers, inputs, mask, upstream):
    import jax

    weights = [[w.value for w in layer.trainable_variables] for layer, _ in layers]

    def forward(inputs, weights):
        own = {id(layer): values for (layer, _), values in zip(layers, weights, strict=True)}

        def call(layer, x, states, mask):
            return layer.stateless_call(own[id(layer)], [], x, initial_state=states, mask=mask)[0]

        return _keras_through(layers, inputs, mask, call)

    values, back = jax.vjp(forward, inputs, weights)
    leaves, grads = back(list(upstream))
    flat = [np.asarray(a) for layer in grads for a in layer]
    return [np.asarray(v) for v in values], [np.asarray(a) for a in leaves], flat
