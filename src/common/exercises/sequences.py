"""Checks for the exercises of notebooks/01_sequences/1_tasks_and_baselines.ipynb."""

from __future__ import annotations

import numpy as np

from common.exercises.core import Check, Mistake, case

# ---- Exercise 1: the best constant -----------------------------------------------------------------------------------

check_best_constant = Check(
    "check_best_constant",
    solution=lambda low, high, marked: (marked * (low + high) / 2, marked * (high - low) ** 2 / 12),
    cases=lambda rng: [
        case(0.0, 1.0, 2, label="the adding problem"),
        case(-1.0, 1.0, 2, label="numbers from −1 to 1"),
        case(2.0, 5.0, 3, label="three numbers from 2 to 5"),
        case(0.0, 4.0, 1, label="one number from 0 to 4"),
    ],
    mistakes=[
        Mistake(
            "one number only",
            lambda low, high, marked: (marked * (low + high) / 2, (high - low) ** 2 / 12),
            "That is the variance of one number. The variances of independent numbers add up.",
        ),
        Mistake(
            "variance of m times one number",
            lambda low, high, marked: (marked * (low + high) / 2, marked**2 * (high - low) ** 2 / 12),
            "That is the variance of m times the same number. For independent ones it grows with m, not m².",
        ),
        Mistake(
            "width not squared",
            lambda low, high, marked: (marked * (low + high) / 2, marked * (high - low) / 12),
            "A variance is in squared units: the width of the interval enters squared.",
        ),
        Mistake(
            "deviation",
            lambda low, high, marked: (marked * (low + high) / 2, np.sqrt(marked / 12) * (high - low)),
            "That is the standard deviation. The mean squared error is its square.",
        ),
        Mistake(
            "mean instead of sum",
            lambda low, high, marked: ((low + high) / 2, marked * (high - low) ** 2 / 12),
            "The answer is the mean of one number. The target is the sum of all marked ones.",
        ),
    ],
    returns=("answer", "error"),
)

# ---- Exercise 2: padding and mask ------------------------------------------------------------------------------------


def _pad(sequences):
    T, B = max(map(len, sequences)), len(sequences)
    x, mask = np.zeros((T, B), int), np.zeros((T, B), bool)
    for b, sequence in enumerate(sequences):
        x[: len(sequence), b] = sequence
        mask[: len(sequence), b] = True
    return x, mask


def _pad_front(sequences):
    T, B = max(map(len, sequences)), len(sequences)
    x, mask = np.zeros((T, B), int), np.zeros((T, B), bool)
    for b, sequence in enumerate(sequences):
        x[T - len(sequence) :, b] = sequence
        mask[T - len(sequence) :, b] = True
    return x, mask


def _cut(sequences):
    T = min(map(len, sequences))
    return _pad([sequence[:T] for sequence in sequences])


check_pad = Check(
    "check_pad",
    solution=_pad,
    cases=lambda rng: [
        case([[3, 1, 4], [1], [5, 9]], T=3, B=3, label="three sequences"),
        case([[2, 0, 7, 0], [0, 8]], T=4, B=2, label="sequences that contain 0"),
        case([[6]], T=1, B=1, label="one sequence of one step"),
    ],
    mistakes=[
        Mistake(
            "batch-major",
            lambda sequences: tuple(array.T for array in _pad(sequences)),
            "The axes are swapped: time comes first, so that x[t] is one step of all sequences.",
        ),
        Mistake(
            "padding in front",
            _pad_front,
            "The padding is in front. Here it comes after the end, so that all sequences begin at step 0.",
        ),
        Mistake(
            "mask from the values",
            lambda sequences: (_pad(sequences)[0], _pad(sequences)[0] != 0),
            "The mask takes every 0 for padding, but 0 is a symbol, too. Make it from the lengths.",
        ),
        Mistake(
            "mask the wrong way round",
            lambda sequences: (_pad(sequences)[0], ~_pad(sequences)[1]),
            "The mask is the wrong way round: True marks a real step.",
        ),
        Mistake("cut to the shortest", _cut, "Nothing may be cut off: T is the length of the longest sequence."),
    ],
    returns=("x", "mask"),
    exact=True,
)

# ---- Exercise 3: the seasonal forecast -------------------------------------------------------------------------------


def _places(history, season, horizon):
    return len(history) - season + np.arange(horizon) % season


def _seasonal(history, season, horizon):
    return history[_places(history, season, horizon)]


def _seasonal_with_rise(history, season, horizon):
    years = np.arange(horizon) // season + 1
    return _seasonal(history, season, horizon) + years * (history[-1] - history[-1 - season])


check_seasonal_forecast = Check(
    "check_seasonal_forecast",
    solution=_seasonal_with_rise,
    cases=lambda rng: [
        case(rng.normal(size=13), 4, 3, label="less than a season ahead"),
        case(rng.normal(size=9), 4, 10, label="more than two seasons ahead"),
        case(rng.normal(size=30), 12, 12, label="a year of months"),
        case(rng.normal(size=5), 1, 4, label="a season of one step"),
    ],
    mistakes=[
        Mistake("no rise", _seasonal, "The rise is missing: each season lies above the one before."),
        Mistake(
            "rise only once",
            lambda history, season, horizon: _seasonal(history, season, horizon) + (history[-1] - history[-1 - season]),
            "The rise is added once. Two seasons ahead it has happened twice.",
        ),
        Mistake(
            "rise at every step",
            lambda history, season, horizon: (
                _seasonal(history, season, horizon) + np.arange(1, horizon + 1) * (history[-1] - history[-1 - season])
            ),
            "The rise is that of a whole season. Add it once a season, not once a step.",
        ),
        Mistake(
            "one late",
            lambda history, season, horizon: (
                history[len(history) - season + (np.arange(horizon) + 1) % season]
                + (np.arange(horizon) // season + 1) * (history[-1] - history[-1 - season])
            ),
            "One step late: the first forecast repeats the value one season before it, history[-season].",
        ),
        Mistake(
            "last value",
            lambda history, season, horizon: np.full(horizon, history[-1]),
            "That repeats the last value. Repeat the last season.",
        ),
    ],
    returns="forecast",
)

# ---- Exercise 4: the bigram ------------------------------------------------------------------------------------------


def _bigram_counts(ids, V):
    counts = np.zeros((V, V))
    np.add.at(counts, (ids[:-1], ids[1:]), 1)
    return counts


def _counted_once(ids, V):
    counts = np.zeros((V, V))
    counts[ids[:-1], ids[1:]] += 1
    return counts


def _loss(counts, test):
    p = counts / counts.sum(axis=1, keepdims=True)
    return -np.log(p[test[:-1], test[1:]]).mean()


def _bigram(train, test, V, alpha):
    return _loss(_bigram_counts(train, V) + alpha, test)


def _denominator_forgotten(train, test, V, alpha):
    counts = _bigram_counts(train, V)
    p = (counts + alpha) / (counts.sum(axis=1, keepdims=True) + alpha)
    return -np.log(p[test[:-1], test[1:]]).mean()


def _joint(train, test, V, alpha):
    counts = _bigram_counts(train, V) + alpha
    return -np.log(counts[test[:-1], test[1:]] / counts.sum()).mean()


def _backwards(train, test, V, alpha):
    counts = _bigram_counts(train, V) + alpha
    p = counts / counts.sum(axis=0, keepdims=True)
    return -np.log(p[test[:-1], test[1:]]).mean()


check_bigram = Check(
    "check_bigram",
    solution=_bigram,
    cases=lambda rng: [
        case(rng.integers(0, V, 60), rng.integers(0, V, 25), V, alpha, V=V)
        for V, alpha in [(4, 1.0), (6, 0.5), (3, 2.0)]
    ],
    mistakes=[
        Mistake(
            "alpha once in the denominator",
            _denominator_forgotten,
            "The probabilities of one context do not add up to 1: the denominator needs α for each of the V symbols.",
        ),
        Mistake(
            "joint",
            _joint,
            "That is the probability of the pair. Divide by the total of the context's row, not of all pairs.",
        ),
        Mistake(
            "backwards",
            _backwards,
            "That predicts the symbol before from the symbol after: divide along the other axis.",
        ),
        Mistake(
            "bits", lambda *a: _bigram(*a) / np.log(2), "That is in bits. In nats the logarithm is the natural one."
        ),
        Mistake(
            "perplexity", lambda *a: np.exp(_bigram(*a)), "That is the perplexity. The cross-entropy is its logarithm."
        ),
        Mistake(
            "pairs counted once",
            lambda train, test, V, alpha: _loss(_counted_once(train, V) + alpha, test),
            "A pair that occurs often is counted once: `counts[a, b] += 1` adds once for each place, however often the "
            "place is named. Add the pairs one by one, or look at `np.add.at`.",
        ),
        Mistake(
            "table transposed",
            lambda train, test, V, alpha: _loss(_bigram_counts(train, V).T + alpha, test),
            "The table is transposed: the row is the symbol before, the column the one that follows.",
        ),
        Mistake(
            "counted on the test text",
            lambda train, test, V, alpha: _bigram(test, test, V, alpha),
            "The counts come from the test text. Then the model has seen the answers.",
        ),
        Mistake(
            "sum",
            lambda train, test, V, alpha: _bigram(train, test, V, alpha) * (len(test) - 1),
            "That is the sum. The cross-entropy is the mean a prediction.",
        ),
    ],
    returns="cross-entropy",
)
