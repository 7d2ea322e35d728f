"""The generated tasks: shapes, dtypes, ranges, what makes each a task, and that a seed fixes every number."""

import ast
import hashlib
import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.data.generators import ADDING_BASELINE, COUNTING_SYMBOLS, adding, counting, echo

FEW = settings(max_examples=60, deadline=None)
DTYPES = st.sampled_from([np.float32, np.float64])


def fingerprint(*arrays) -> str:
    """A checksum of arrays, rounded so that only other numbers change it, not another way to sum them."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(str(array.shape).encode())
        digest.update(np.round(array.astype(np.float64), 6).tobytes())
    return digest.hexdigest()[:16]


# ---- adding


@FEW
@given(length=st.integers(2, 40), batch=st.integers(1, 20), seed=st.integers(0, 2**32), dtype=DTYPES)
def test_adding_is_two_marked_numbers_and_their_sum(length, batch, seed, dtype):
    x, y = adding(length, batch, seed, dtype=dtype)
    assert x.shape == (length, batch, 2)
    assert y.shape == (batch, 1)
    assert x.dtype == y.dtype == dtype
    values, markers = x[..., 0], x[..., 1]
    assert values.min() >= 0
    assert values.max() <= 1
    assert np.isin(markers, [0, 1]).all()
    half = length // 2
    assert (markers[:half].sum(axis=0) == 1).all()
    assert (markers[half:].sum(axis=0) == 1).all()
    np.testing.assert_array_equal(y[:, 0], (values * markers).sum(axis=0, dtype=dtype))


def test_adding_marks_every_step_of_each_half_equally_often():
    x, _ = adding(7, 60_000, 0)
    # Three steps in the first half, four in the second; five standard deviations of a count.
    often = x[..., 1].mean(axis=1)
    expected = np.array([1 / 3] * 3 + [1 / 4] * 4)
    assert np.abs(often - expected).max() < 5 * np.sqrt(expected.max() / 60_000)


def test_adding_baseline_is_the_error_of_always_one():
    _, y = adding(10, 400_000, 0)
    assert ADDING_BASELINE == 1 / 6
    assert np.mean((y - 1) ** 2) == pytest.approx(ADDING_BASELINE, rel=0.01)
    for other in (0.9, 1.1):
        assert np.mean((y - other) ** 2) > np.mean((y - 1) ** 2)


def test_adding_of_one_seed_is_the_same_problem_in_both_precisions():
    (x, y), (x32, y32) = adding(9, 5, 3), adding(9, 5, 3, dtype=np.float32)
    np.testing.assert_array_equal(x.astype(np.float32), x32)
    np.testing.assert_allclose(y, y32, rtol=1e-6)


# ---- echo


@FEW
@given(
    data=st.data(),
    length=st.integers(1, 30),
    batch=st.integers(1, 10),
    symbols=st.integers(2, 6),
    seed=st.integers(0, 2**32),
    dtype=DTYPES,
)
def test_echo_repeats_what_was_heard(data, length, batch, symbols, seed, dtype):
    delay = data.draw(st.integers(0, length - 1))
    x, y, mask = echo(length, batch, seed, delay, symbols=symbols, dtype=dtype)
    assert x.shape == (length, batch, symbols)
    assert y.shape == mask.shape == (length, batch)
    assert (x.dtype, y.dtype, mask.dtype) == (dtype, np.int64, bool)
    assert set(np.unique(x)) == {0, 1}
    assert (x.sum(axis=-1) == 1).all()
    heard = x.argmax(axis=-1)
    for t in range(length):
        assert (mask[t] == (t >= delay)).all()
        assert (y[t] == (heard[t - delay] if t >= delay else 0)).all()


def test_echo_uses_every_symbol_equally_often():
    x, y, mask = echo(20, 5_000, 0, 3, symbols=4)
    assert np.abs(x.mean(axis=(0, 1)) - 1 / 4).max() < 0.01
    # What is to be said tells nothing about what is heard now: all 16 pairs are equally likely.
    pairs = np.bincount(4 * x.argmax(axis=-1)[mask] + y[mask], minlength=16) / mask.sum()
    assert np.abs(pairs - 1 / 16).max() < 0.005


# ---- counting


@FEW
@given(
    data=st.data(),
    longest=st.integers(1, 20),
    batch=st.integers(1, 10),
    seed=st.integers(0, 2**32),
    dtype=DTYPES,
)
def test_counting_is_as_many_b_as_a_and_asks_for_the_next_symbol(data, longest, batch, seed, dtype):
    shortest = data.draw(st.integers(1, longest))
    x, y, mask = counting(longest, batch, seed, shortest=shortest, dtype=dtype)
    assert x.shape == (2 * longest + 1, batch, 3)
    assert y.shape == mask.shape == x.shape[:2]
    assert (x.dtype, y.dtype, mask.dtype) == (dtype, np.int64, bool)
    for sequence in range(batch):
        real = mask[:, sequence]
        steps = int(real.sum())
        n = (steps - 1) // 2
        assert shortest <= n <= longest
        assert real[:steps].all(), "the padding stands at the end"
        read = "".join(COUNTING_SYMBOLS[k] for k in x[:steps, sequence].argmax(axis=-1))
        asked = "".join(COUNTING_SYMBOLS[k] for k in y[:steps, sequence])
        assert read == "$" + "a" * n + "b" * n
        assert asked == "a" * n + "b" * n + "$"
        assert (x[:steps, sequence].sum(axis=-1) == 1).all()
        assert set(np.unique(x[:, sequence])) <= {0, 1}
        assert not x[steps:, sequence].any()
        assert not y[steps:, sequence].any()


def test_counting_draws_every_n_equally_often():
    mask = counting(7, 50_000, 0, shortest=3)[2]
    n = (mask.sum(axis=0) - 1) // 2
    often = np.bincount(n, minlength=8) / len(n)
    assert not often[:3].any()
    # Five values of n; five standard deviations of a count.
    assert np.abs(often[3:] - 1 / 5).max() < 5 * np.sqrt(1 / 5 / len(n))


def test_counting_best_loss_is_what_a_counter_that_knows_the_range_pays():
    longest, shortest = 6, 2
    x, y, mask = counting(longest, 50_000, 0, shortest=shortest)
    n = (mask.sum(axis=0) - 1) // 2
    total = 0.0
    for t in range(len(x)):
        # After k a's and no b, one of (longest − k + 1) equally likely n; before `shortest` an a is sure.
        k = t
        deciding = mask[t] & (t <= n) & (k >= shortest)
        ends = 1 / (longest - k + 1) if k <= longest else 1.0
        stops = deciding & (y[t] == 1)
        total -= np.log(ends) * stops.sum()
        total -= np.log1p(-ends) * (deciding & ~stops).sum() if ends < 1 else 0.0
    assert total / mask.sum() == pytest.approx(np.log(5) / (longest + shortest + 1), rel=0.01)


# ---- the seed


@pytest.mark.parametrize(
    "draw",
    [lambda rng: adding(6, 3, rng), lambda rng: echo(6, 3, rng, 2), lambda rng: counting(9, 5, rng)],
    ids=["adding", "echo", "counting"],
)
def test_a_seed_repeats_and_a_generator_goes_on(draw):
    for one, other in zip(draw(7), draw(7), strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(draw(7), draw(np.random.default_rng(7)), strict=True):
        np.testing.assert_array_equal(one, other)
    rng = np.random.default_rng(7)
    assert fingerprint(*draw(rng)) != fingerprint(*draw(rng))
    assert fingerprint(*draw(7)) != fingerprint(*draw(8))
    assert fingerprint(*draw(np.int64(7))) == fingerprint(*draw(7))


def test_the_numbers_of_a_seed_stay_what_they_are():
    """Stored outputs of notebooks depend on them: who changes a generator must see this and refresh the notebooks."""
    assert fingerprint(*adding(50, 8, 0)) == "cd95f6d3e0a67839"
    assert fingerprint(*echo(20, 4, 0, 5, symbols=3)) == "65cb897b6cabdcaf"
    assert fingerprint(*counting(10, 8, 0, shortest=2)) == "6f62d177ff5712cd"


# ---- bad input


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: adding(1, 4, 0), ValueError, "length: expected a whole number of at least 2, got 1"),
        (lambda: adding(0, 4, 0), ValueError, "length: .* got 0"),
        (lambda: adding(5.0, 4, 0), TypeError, "length: .* got 5.0"),
        (lambda: adding(True, 4, 0), TypeError, "length: .* got True"),
        (lambda: adding(5, 0, 0), ValueError, "batch: .* got 0"),
        (lambda: adding(5, "4", 0), TypeError, "batch: .* got '4'"),
        (lambda: adding(5, 4, None), TypeError, "rng: expected a whole number .a seed. or .*Generator, got None"),
        (lambda: adding(5, 4, True), TypeError, "rng: .* got True"),
        (lambda: adding(5, 4, -1), ValueError, "rng: expected a seed of at least 0, got -1"),
        (lambda: adding(5, 4, np.random.RandomState(0)), TypeError, "rng: .* got RandomState"),
        (lambda: adding(5, 4, 0, dtype=np.int64), TypeError, "dtype: expected float32 or float64, got .*int64"),
        (lambda: adding(5, 4, 0, dtype="float16"), TypeError, "dtype: .* got 'float16'"),
        (lambda: adding(5, 4, 0, dtype="no such"), TypeError, "dtype: .* got 'no such'"),
        (lambda: echo(0, 4, 0, 0), ValueError, "length: .* got 0"),
        (lambda: echo(5, 0, 0, 0), ValueError, "batch: .* got 0"),
        (lambda: echo(5, 4, 0, 5), ValueError, "delay: expected less than the length 5, .* got 5"),
        (lambda: echo(5, 4, 0, -1), ValueError, "delay: expected a whole number of at least 0, got -1"),
        (lambda: echo(5, 4, 0, 1.5), TypeError, "delay: .* got 1.5"),
        (lambda: echo(5, 4, 0, 1, symbols=1), ValueError, "symbols: .* at least 2, got 1"),
        (lambda: echo(5, 4, "0", 1), TypeError, "rng: .* got '0'"),
        (lambda: counting(0, 4, 0), ValueError, "longest: expected a whole number of at least 1, got 0"),
        (lambda: counting(2.0, 4, 0), TypeError, "longest: .* got 2.0"),
        (lambda: counting(5, 0, 0), ValueError, "batch: .* got 0"),
        (lambda: counting(5, 4, 0, shortest=0), ValueError, "shortest: .* at least 1 and at most 5, got 0"),
        (lambda: counting(5, 4, 0, shortest=6), ValueError, "shortest: .* at least 1 and at most 5, got 6"),
        (lambda: counting(5, 4, None), TypeError, "rng: .* got None"),
        (lambda: counting(5, 4, 0, dtype=int), TypeError, "dtype: expected float32 or float64"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("generator", [adding, echo, counting])
def test_nothing_loops_over_steps_or_sequences(generator):
    loops = (ast.For, ast.While, ast.comprehension)
    tree = ast.parse(inspect.getsource(generator))
    assert not [node.lineno for node in ast.walk(tree) if isinstance(node, loops)]
