"""Tasks made of random numbers: there is always more data, and the best possible loss is known.

Each function draws one batch. Every array is time-major and nothing loops over steps or sequences.
"""

from __future__ import annotations

import numpy as np

from common import checks
from common.data._arguments import float_dtype, generator, whole

ADDING_BASELINE = 1 / 6
"""Mean squared error on the adding problem of the best answer that looks at nothing: always 1. See `adding`."""

COUNTING_SYMBOLS = "ab$"
"""The symbols of `counting`, in the order of its one-hot vectors; $ marks the beginning and the end of a string."""


def adding(length: int, batch: int, rng, *, dtype=np.float64) -> tuple[np.ndarray, np.ndarray]:
    """Draw a batch of the adding problem: find the two marked numbers in a long list and add them.

    length  steps T, at least 2
    batch   sequences B
    rng     a seed or a numpy.random.Generator

    Returns x of shape (T, B, 2) and y of shape (B, 1).
    x[..., 0]  numbers drawn uniformly from [0, 1); no unit. float32 may round the largest ones up to 1.
    x[..., 1]  markers: 1 at two steps of each sequence, 0 at all others. One marker is drawn uniformly among
               the steps 0 … T//2 − 1, the other among T//2 … T − 1.
    y          the sum of the two marked numbers, between 0 and 2. It is asked for once, after the last step.

    What it asks of a memory: hold the first marked number until the second comes, T/2 steps later on average
    and up to T − 1, then hold their sum to the end; while at every step another number of the same size
    arrives and must leave no trace. Nothing local helps: a window that does not contain both markers cannot
    know the sum.

    The baseline. A model without memory does best with a constant answer a. The sum of two independent
    numbers, each uniform on [0, 1] with mean 1/2 and variance ∫ (u − 1/2)² du = 1/12, has mean 1 and variance
    1/6. The mean squared error of a is 1/6 + (1 − a)², smallest at a = 1: 1/6 ≈ 0.1667, in `ADDING_BASELINE`.

    Source: the simplified version of Le, Jaitly & Hinton (2015) and of Arjovsky, Shah & Bengio (2016), whose
    published code puts one marker into each half, as here. It is not the original of Hochreiter & Schmidhuber
    (1997): there the numbers lie in [−1, 1], the lengths vary from T to 1.1 T, and the target is 0.5 + (X₁ +
    X₂)/4. Errors of the two versions cannot be compared.

    Raises TypeError or ValueError that names the argument.
    """
    length = whole("length", length, least=2)
    batch = checks.positive_int("batch", batch)
    rng, dtype = generator(rng), float_dtype(dtype)

    x = np.zeros((length, batch, 2), dtype)
    # Always drawn in float64: the same seed gives the same problem in both precisions.
    x[..., 0] = rng.random((length, batch))
    first = rng.integers(0, length // 2, batch)
    second = rng.integers(length // 2, length, batch)
    sequence = np.arange(batch)
    x[first, sequence, 1] = 1
    x[second, sequence, 1] = 1
    y = x[first, sequence, 0] + x[second, sequence, 0]
    return x, y[:, None]


def echo(
    length: int, batch: int, rng, delay: int, *, symbols: int = 2, dtype=np.float64
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw a batch of the echo task: say at every step what was heard `delay` steps ago.

    length   steps T
    batch    sequences B
    rng      a seed or a numpy.random.Generator
    delay    steps between hearing and saying, from 0 (repeat at once, no memory needed) to T − 1
    symbols  size K of the alphabet, at least 2; with 2 the stream is one of bits

    Returns x of shape (T, B, K), y of shape (T, B) and mask of shape (T, B).
    x     one symbol a step, drawn uniformly and independently, one-hot: x[t, b, k] is 1 for the symbol k,
          else 0. For bits, x[..., 1:] is the same stream as one number a step.
    y     whole numbers (int64): y[t] is the symbol that x[t − delay] shows; 0 in the first `delay` steps.
    mask  True where there is something to say: t ≥ delay. The loss and the accuracy count these steps only.

    What it asks of a memory: a queue. At every step the last `delay` symbols must all be held, in order, that
    is delay · log₂ K bits; each is used once, then it may be forgotten. The distance to look back is the same
    at every step, so a window of delay + 1 steps solves the task, and one of `delay` steps can do no better
    than guess.

    The baseline. All symbols are equally likely whatever came later, so the best guess gives each the
    probability 1/K: the cross-entropy is log K (natural logarithm, 0.693 for bits) and the accuracy 1/K.

    Raises TypeError or ValueError that names the argument.
    """
    length = checks.positive_int("length", length)
    batch = checks.positive_int("batch", batch)
    symbols = whole("symbols", symbols, least=2)
    delay = whole("delay", delay, least=0)
    if delay >= length:
        raise ValueError(f"delay: expected less than the length {length}, or nothing is ever repeated; got {delay}")
    rng, dtype = generator(rng), float_dtype(dtype)

    heard = rng.integers(0, symbols, (length, batch))
    x = np.zeros((length, batch, symbols), dtype)
    np.put_along_axis(x, heard[..., None], 1, axis=-1)
    y = np.zeros((length, batch), np.int64)
    y[delay:] = heard[: length - delay]
    mask = np.zeros((length, batch), bool)
    mask[delay:] = True
    return x, y, mask


def counting(
    longest: int, batch: int, rng, *, shortest: int = 1, dtype=np.float64
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw a batch of strings aⁿbⁿ and ask at every step for the next symbol: whoever counts the a's knows the end.

    longest   largest n, at least 1
    batch     sequences B
    rng       a seed or a numpy.random.Generator
    shortest  smallest n, from 1 to `longest`; n is drawn uniformly from shortest … longest, one for each sequence

    A sequence is read as $ aⁿ bⁿ and predicted as aⁿ bⁿ $, where $ marks the beginning and the end. Returns x of shape
    (T, B, 3), y of shape (T, B) and mask of shape (T, B), with T = 2 · longest + 1 whatever n was drawn.
    x     one symbol a step, one-hot in the order a, b, $ (`COUNTING_SYMBOLS`); zeros in the padding
    y     whole numbers (int64): the next symbol; 0 in the padding
    mask  True where there is a symbol: the first 2n + 1 steps. For the cell and for the loss.

    What it asks of a memory: a counter. After the first b everything is decided: n − 1 more b's, then $. To say when $
    comes, the number of a's must have been kept, and so must the number of b's since.

    The best possible loss. Nobody can know when the a's end. All N = longest − shortest + 1 values of n are equally
    likely, so a string holds log N nats of surprise, whatever is done, and nothing else has to cost anything: log N
    divided by the mean length, log N / (longest + shortest + 1) a symbol, is the mean cross-entropy (natural logarithm)
    of a predictor that counts and knows the range of n.

    The task of Gers & Schmidhuber (2001), there with other lengths and another output code.

    Raises TypeError or ValueError that names the argument.
    """
    longest = whole("longest", longest, least=1)
    batch = checks.positive_int("batch", batch)
    shortest = whole("shortest", shortest, least=1, most=longest)
    rng, dtype = generator(rng), float_dtype(dtype)

    n = rng.integers(shortest, longest + 1, batch)
    place = np.arange(2 * longest + 2)[:, None]
    a, b, marker = range(len(COUNTING_SYMBOLS))
    symbols = np.select([place == 0, place <= n, place <= 2 * n], [marker, a, b], default=marker)
    mask = place[:-1] <= 2 * n
    x = np.zeros((*mask.shape, len(COUNTING_SYMBOLS)), dtype)
    np.put_along_axis(x, symbols[:-1, :, None], mask[..., None].astype(dtype), axis=-1)
    return x, np.where(mask, symbols[1:], 0), mask
