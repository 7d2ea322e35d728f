"""Losses with their gradients: each returns (loss, gradient with respect to the prediction).

Every loss is the mean over all entries, or over the entries that a mask leaves. A prediction that is not finite gives a
loss that is not finite; `common.train.fit` stops there and says at which step. Targets are data, and are checked; where
the mask is False they may be NaN.
"""

from __future__ import annotations

import numpy as np

from common import checks


def mean_squared_error(
    prediction: np.ndarray, target: np.ndarray, mask: np.ndarray | None = None
) -> tuple[float, np.ndarray]:
    """The mean of (prediction − target)², and its gradient.

    prediction, target  the same shape, for example (T, B, K), and the same dtype
    mask                bool, shaped like the leading axes of the prediction, for example (T, B); False entries do not
                        count and get a zero gradient

    As torch.nn.functional.mse_loss.
    """
    checks.array("prediction", prediction, finite=False)
    checks.array("target", target, prediction.shape, dtype=prediction.dtype, finite=False)
    kept, n = _kept(mask, prediction.shape)
    target = _finite_where_kept(target, kept)
    difference = np.where(kept, prediction - target, 0)
    loss = (difference**2).sum() / n  # LOSS.1
    gradient = 2 * difference / n  # LOSS.2
    return float(loss), gradient


def softmax_cross_entropy(
    logits: np.ndarray, labels: np.ndarray, mask: np.ndarray | None = None
) -> tuple[float, np.ndarray]:
    """The mean of −log p(label), p = softmax(logits), in nats, and its gradient.

    logits  (…, K), one score a class
    labels  (…), whole numbers from 0 to K − 1
    mask    (…), bool; False entries do not count, whatever their label is, and get a zero gradient

    As torch.nn.functional.cross_entropy, with the classes on the last axis. A model that knows nothing has loss log K.
    """
    checks.array("logits", logits, finite=False)
    K = logits.shape[-1]
    kept, n = _kept(mask, logits.shape[:-1])
    labels = np.where(kept, _whole_numbers("labels", labels, logits.shape[:-1]), 0)
    if labels.min() < 0 or labels.max() >= K:
        wrong = labels.min() if labels.min() < 0 else labels.max()
        raise ValueError(f"labels: expected classes from 0 to {K - 1} for {K} logits, got {wrong}")
    shifted = logits - logits.max(axis=-1, keepdims=True)  # the same softmax, and exp cannot overflow
    log_p = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    log_p_label = np.take_along_axis(log_p, labels[..., None], axis=-1)[..., 0]
    one_hot = labels[..., None] == np.arange(K)
    loss = -np.where(kept, log_p_label, 0).sum() / n  # LOSS.3
    gradient = np.where(np.expand_dims(kept, -1), np.exp(log_p) - one_hot, 0) / n  # LOSS.4
    return float(loss), gradient


def binary_cross_entropy(
    logits: np.ndarray, target: np.ndarray, mask: np.ndarray | None = None
) -> tuple[float, np.ndarray]:
    """The mean of −t log p − (1 − t) log(1 − p), p = σ(logits), in nats, and its gradient.

    logits, target  the same shape and dtype; targets between 0 and 1
    mask            bool, shaped like the leading axes of the logits; False entries do not count

    As torch.nn.functional.binary_cross_entropy_with_logits. A model that knows nothing has loss log 2.
    """
    checks.array("logits", logits, finite=False)
    checks.array("target", target, logits.shape, dtype=logits.dtype, finite=False)
    kept, n = _kept(mask, logits.shape)
    target = _finite_where_kept(target, kept)
    if target.min() < 0 or target.max() > 1:
        raise ValueError(f"target: expected numbers from 0 to 1, got {target.min():g} to {target.max():g}")
    # −t log σ(a) − (1 − t) log σ(−a) = max(a, 0) − t a + log(1 + exp(−|a|)), which never overflows.
    each = np.maximum(logits, 0) - target * logits + np.log1p(np.exp(-np.abs(logits)))
    p = (1 + np.tanh(logits / 2)) / 2  # σ, without the overflow of exp
    loss = np.where(kept, each, 0).sum() / n
    gradient = np.where(kept, p - target, 0) / n
    return float(loss), gradient


def _kept(mask: np.ndarray | None, shape: tuple[int, ...]) -> tuple[np.ndarray, int]:
    """The mask, shaped to broadcast over entries of the given shape, and how many entries it leaves."""
    if not np.prod(shape):
        raise ValueError(f"prediction: there is nothing to average in shape {shape}")
    if mask is None:
        mask = np.ones((), bool)
    checks.not_masked("mask", mask)
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_:
        got = mask.dtype if isinstance(mask, np.ndarray) else type(mask).__name__
        raise TypeError(f"mask: expected a NumPy array of dtype bool, True where an entry counts, got {got}")
    if mask.shape != shape[: mask.ndim]:
        raise ValueError(f"mask: expected the leading axes of {shape}, got shape {mask.shape}")
    if not mask.any():
        raise ValueError("mask: every entry is masked, so there is nothing to average")
    mask = mask.reshape(mask.shape + (1,) * (len(shape) - mask.ndim))
    return mask, int(mask.sum()) * int(np.prod(shape)) // mask.size


def _finite_where_kept(target: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """The target, with zeros where nothing counts if there is NaN or infinity. Raises for entries that count."""
    return target if checks.all_finite(target) else checks.array("target", np.where(kept, target, 0))


def _whole_numbers(name: str, value, shape: tuple[int, ...]) -> np.ndarray:
    checks.not_masked(name, value)
    if not isinstance(value, np.ndarray) or not np.issubdtype(value.dtype, np.integer):
        got = value.dtype if isinstance(value, np.ndarray) else type(value).__name__
        raise TypeError(f"{name}: expected a NumPy array of whole numbers, got {got}")
    checks.check_shape(name, value.shape, shape)
    return value
