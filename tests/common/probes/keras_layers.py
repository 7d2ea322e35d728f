"""Print, as JSON, what Keras' recurrent layers do; run by test_conventions.py in a process of its own."""

import json
import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import keras
import numpy as np

D, H, B, T = 2, 3, 4, 5
KINDS = {
    "RNN": (keras.layers.SimpleRNN, {}),
    "LSTM": (keras.layers.LSTM, {}),
    "GRU": (keras.layers.GRU, {}),
    "GRU reset_after=False": (keras.layers.GRU, {"reset_after": False}),
}


def build(kind: str, m: int, h: int, **more):
    layer_class, options = KINDS[kind]
    layer = layer_class(h, **options, **more)
    layer.build((None, None, m))
    return layer


def run_with_random_weights(kind: str) -> dict:
    """Weights, input, initial state and outputs of one layer: enough to find out what it computed."""
    rng = np.random.default_rng(1)
    layer = build(kind, D, H, return_sequences=True, return_state=True, dtype="float64")
    layer.set_weights([rng.standard_normal(w.shape) for w in layer.get_weights()])
    x = rng.standard_normal((B, T, D))
    state = [rng.standard_normal((B, H)) for _ in range(2 if kind == "LSTM" else 1)]
    output, *last = layer(x, initial_state=state if kind == "LSTM" else state[0])
    return {
        "weights": {w.name: np.asarray(w).tolist() for w in layer.weights},
        "shapes": {w.name: list(w.shape) for w in layer.weights},
        "x": x.transpose(1, 0, 2).tolist(),  # time first, as in the book
        "state": [s.tolist() for s in state],
        "output": np.asarray(output).transpose(1, 0, 2).tolist(),
        "last": [np.asarray(s).tolist() for s in last],
        "output_shape": list(output.shape),
        "last_shapes": [list(s.shape) for s in last],
        "last_only_shape": list(build(kind, D, H)(x.astype("float32")).shape),
    }


def at_the_start(kind: str, size: int) -> dict:
    """The fresh bias, and the singular values of the fresh recurrent kernel, whole and block by block."""
    keras.utils.set_random_seed(1)
    layer = build(kind, size, size)
    fresh = {w.name: np.asarray(w) for w in layer.weights}
    kernel = fresh["recurrent_kernel"]
    blocks = [kernel[:, at : at + size] for at in range(0, kernel.shape[1], size)]
    return {
        "bias": fresh["bias"].tolist(),
        "kernel_range": [float(fresh["kernel"].min()), float(fresh["kernel"].max())],
        "whole": np.linalg.svd(kernel, compute_uv=False).tolist(),
        "blocks": [np.linalg.svd(b, compute_uv=False).tolist() for b in blocks],
    }


def count(kind: str, m: int, h: int) -> int:
    return int(build(kind, m, h).count_params())


print(
    json.dumps(
        {
            "runs": {kind: run_with_random_weights(kind) for kind in KINDS},
            "counts": {kind: [[m, h, count(kind, m, h)] for m, h in ((1, 1), (2, 5), (12, 128))] for kind in KINDS},
            "start": {kind: at_the_start(kind, 64) for kind in KINDS},
            "reset_after_by_default": keras.layers.GRU(1).reset_after,
        }
    )
)
