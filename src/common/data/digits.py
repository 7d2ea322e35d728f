"""Hand-written digits read as sequences: real images, small enough for one processor.

The images come with scikit-learn: 1,797 pictures of 8 × 8 pixels, ten classes (the test part of the UCI set
"Optical Recognition of Handwritten Digits" by E. Alpaydin and C. Kaynak, 1998; 13 writers).

Read row by row, a digit is 8 steps of 8 pixels; the network must remember how the strokes above went on. Read
pixel by pixel, it is 64 steps of one number: the same image, the same information, but eight times the
distance over which something must be kept. It is the small sister of the "sequential MNIST" of the literature
(784 steps).

The split is random within each class, so the same writers appear in both parts. The test accuracy therefore
tells how well digits of known writers are read, and is kinder than one on unknown writers would be.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from common.data._arguments import float_dtype, fraction, whole

CLASSES = 10


class Digits(NamedTuple):
    """Two disjoint sets of sequences with their classes; unpacks as `x_train, y_train, x_test, y_test`.

    x_train, x_test  (T, N, D), grey values from 0 (paper) to 1 (ink), in steps of 1/16; no unit
    y_train, y_test  (N,) int64, the digit shown, 0 … 9
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def rows(*, test_fraction: float = 0.25, seed: int = 0, dtype=np.float64) -> Digits:
    """Load the digits as sequences of rows, from top to bottom: x of shape (8, N, 8).

    test_fraction  part of each class that goes to the test set, between 0 and 1
    seed           of the split and of the order; the same seed gives the same split in `pixels`

    `x[:, n]` is image n, ready to be shown. Classes are spread evenly (stratified): each gives the same part,
    rounded to whole images, to the test set.

    Raises TypeError or ValueError that names the argument.
    """
    return _sequences((8, 8), test_fraction, seed, dtype)


def pixels(*, test_fraction: float = 0.25, seed: int = 0, dtype=np.float64) -> Digits:
    """Load the digits as sequences of pixels, row after row, from left to right: x of shape (64, N, 1).

    The same images in the same order and split as `rows` with the same arguments: pixel t of image n is
    `rows().x_train[t // 8, n, t % 8]`.

    Raises TypeError or ValueError that names the argument.
    """
    return _sequences((64, 1), test_fraction, seed, dtype)


def _sequences(shape: tuple[int, int], test_fraction, seed, dtype) -> Digits:
    test_fraction, dtype = fraction("test_fraction", test_fraction), float_dtype(dtype)
    rng = np.random.default_rng(whole("seed", seed))
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    train, test = _stratified(labels, test_fraction, rng)
    # Sixteenths are exact in both precisions.
    sequences = (images / 16).astype(dtype).reshape(-1, *shape).transpose(1, 0, 2)
    labels = labels.astype(np.int64)
    return Digits(
        np.ascontiguousarray(sequences[:, train]),
        labels[train],
        np.ascontiguousarray(sequences[:, test]),
        labels[test],
    )


def _stratified(labels: np.ndarray, test_fraction: float, rng) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the training and of the test examples, each in random order."""
    train, test = [], []
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        count = round(test_fraction * len(members))
        if not 0 < count < len(members):
            raise ValueError(
                f"test_fraction: {test_fraction} of the {len(members)} examples of class {label} leaves one "
                "part empty; take a fraction nearer to 0.5"
            )
        test.append(members[:count])
        train.append(members[count:])
    # Without this the examples would come class by class, and a minibatch in order would hold a single class.
    return rng.permutation(np.concatenate(train)), rng.permutation(np.concatenate(test))
