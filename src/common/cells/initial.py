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
