"""Python reads this at its start, where tools/shake.py has put the folder on its path: noise for starting weights.

With SHAKE_NOISE=seed in the environment, every random starting weight, of the book's cells and layers, of PyTorch and
of Keras, is multiplied by 1 + u, where |u| is a few roundings of its dtype. So a run begins as it would on a machine
that rounds in other places; what it prints later shows how much that matters. No random generator is touched, and the
same weights get the same noise whatever their signs, so that equal starts stay equal. Weights that a notebook draws by
itself, with `rng.normal`, stay as they are: they cannot be told from data.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.abc
import importlib.machinery
import os
import sys

ROUNDINGS = 4  # |u| is below this many times the eps of the dtype


def noisy(values):
    """An array of floats, each multiplied by 1 + u; u depends on SHAKE_NOISE and on the sizes of all of them.

    Whole numbers stay: a zero, a one and an identity are the same on every machine.
    """
    import numpy as np

    seed = os.environ.get("SHAKE_NOISE", "")
    if not seed or values.dtype.kind != "f":
        return values
    key = hashlib.sha256(seed.encode() + np.abs(values).tobytes()).digest()
    u = np.random.default_rng(list(key)).uniform(-ROUNDINGS, ROUNDINGS, values.shape) * np.finfo(values.dtype).eps
    # In float64, so that the product is rounded once, to its own dtype.
    moved = (values.astype(np.float64) * (1 + u)).astype(values.dtype)
    return np.where(values == np.round(values), values, moved)


def after(function, change):
    """`function`, with `change` applied to what it returns."""

    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        return change(function(*args, **kwargs))

    return wrapped


def initial(module) -> None:
    """common.cells.initial: functions that return arrays, or tuples of them."""

    def change(result):
        return tuple(map(noisy, result)) if isinstance(result, tuple) else noisy(result)

    for name, value in list(vars(module).items()):
        if callable(value) and not name.startswith("_") and getattr(value, "__module__", "") == module.__name__:
            setattr(module, name, after(value, change))


def owners(module) -> None:
    """common.cells.base and common.layers: objects whose `params` are arrays, here in their own dtype."""
    for value in list(vars(module).values()):
        if isinstance(value, type) and value.__module__ == module.__name__ and "__init__" in vars(value):
            value.__init__ = _then_noise(value.__init__)


def _then_noise(start):
    @functools.wraps(start)
    def wrapped(self, *args, **kwargs):
        start(self, *args, **kwargs)
        for name, values in getattr(self, "params", {}).items():
            self.params[name] = noisy(values)

    return wrapped


def torch_init(module) -> None:
    """torch.nn.init: functions that fill a tensor in place. The modules of PyTorch start with them."""
    import torch

    def change(tensor):
        if tensor.dtype in (torch.float32, torch.float64) and not tensor.is_meta:
            with torch.no_grad():
                tensor.copy_(torch.from_numpy(noisy(tensor.detach().cpu().numpy())))
        return tensor

    for name, value in list(vars(module).items()):
        random = ("uniform_", "normal_", "orthogonal_", "sparse_")
        if callable(value) and not name.startswith("_") and name.endswith(random):
            setattr(module, name, after(value, change))


def keras_initializers(module) -> None:
    """keras.src.initializers.random_initializers: objects that return a tensor when they are called."""
    from keras.src import backend

    def change(tensor):
        try:
            values = backend.convert_to_numpy(tensor)
        except Exception:  # a tensor of a graph, which has no values yet
            return tensor
        return backend.convert_to_tensor(noisy(values), dtype=tensor.dtype)

    for value in list(vars(module).values()):
        if isinstance(value, type) and value.__module__ == module.__name__ and "__call__" in vars(value):
            value.__call__ = after(value.__call__, change)


CHANGES = {
    "common.cells.initial": initial,
    "common.cells.base": owners,
    "common.layers": owners,
    "torch.nn.init": torch_init,
    "keras.src.initializers.random_initializers": keras_initializers,
}


class Finder(importlib.abc.MetaPathFinder):
    """Finds the modules of CHANGES as Python does, and changes each right after it was loaded."""

    def find_spec(self, name, path, target=None):
        if name not in CHANGES:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None:
            load = spec.loader.exec_module

            def exec_module(module):
                load(module)
                CHANGES[name](module)

            spec.loader.exec_module = exec_module
        return spec


if os.environ.get("SHAKE_NOISE"):
    sys.meta_path.insert(0, Finder())
