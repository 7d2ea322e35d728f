"""Starting values for weights. Each takes a NumPy generator, so that a seed decides everything."""

from __future__ import annotations

import numpy as np


def glorot_uniform(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """Uniform in ±√(6 / (rows + columns)), shape (rows, columns): Keras' default for input weights."""
    limit = np.sqrt(6.0 / (rows + columns))
    return rng.uniform(-limit, limit, (rows, columns))


def orthogonal(rng: np.random.Generator, size: int) -> np.ndarray:
    """A random orthogonal matrix, shape (size, size): it neither stretches nor shrinks any vector.

    The QR decomposition of a Gaussian matrix; the signs of R's diagonal are moved into Q, which makes Q uniformly
    distributed. Saxe, McClelland and Ganguli (2014) give the reason to start here.
    """
    q, r = np.linalg.qr(rng.standard_normal((size, size)))
    return q * np.sign(np.diag(r))


def chrono_biases(rng: np.random.Generator, size: int, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """Starting biases of an LSTM's input and forget gates for memories of 1 to `longest` steps: (b_i, b_f), (size,).

    b_f = log u with u uniform in (1, longest − 1), and b_i = −b_f (Tallec and Ollivier 2018). A unit whose forget gate
    stays at σ(b_f) = u / (1 + u) keeps its content for about u steps. Raises ValueError for `longest` below 3.
    """
    if longest < 3:
        raise ValueError(f"longest: expected a memory of at least 3 steps, got {longest}")
    b_f = np.log(rng.uniform(1, longest - 1, size))  # INIT.1
    return -b_f, b_f
