"""The measured series, and that nothing of the future reaches the past."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from common.data import series
from common.data.series import Scale, Series, co2, split, sunspots, windows

FEW = settings(max_examples=80, deadline=None)


@pytest.fixture(scope="module")
def weeks():
    return co2("week")


@pytest.fixture(scope="module")
def months():
    return co2("month")


# ---- the data


def test_sunspots():
    spots = sunspots()
    assert len(spots) == 309
    assert spots.values.dtype == np.float64
    assert (spots.step, spots.unit) == ("year", "sunspot number, yearly mean")
    np.testing.assert_array_equal(spots.times, np.arange(1700, 2009))
    assert not spots.missing.any()
    assert (spots.values[0], spots.values[-1]) == (5.0, 2.9)
    assert spots.values.min() == 0
    assert (spots.values.max(), spots.times[spots.values.argmax()]) == (190.2, 1957)


def test_co2_by_week(weeks):
    assert len(weeks) == 2284
    assert weeks.unit == "ppm"
    assert weeks.missing.sum() == 59
    assert np.isfinite(weeks.values).all()
    assert (weeks.values[0], weeks.values[-1]) == (316.1, 371.5)
    assert weeks.times[0] == pytest.approx(1958 + (31 + 28 + 28) / 365)  # 29 March
    assert np.diff(weeks.times) == pytest.approx(7 / 365.25, rel=5e-3)


def test_gaps_are_straight_lines_and_what_was_measured_stays(weeks):
    from statsmodels.datasets import co2 as bundled

    measured = bundled.load_pandas().data["co2"].to_numpy()
    np.testing.assert_array_equal(np.isnan(measured), weeks.missing)
    np.testing.assert_array_equal(measured[~weeks.missing], weeks.values[~weeks.missing])
    bends = np.abs(np.diff(weeks.values, 2))[weeks.missing[1:-1]]
    assert bends.max() < 1e-9
    # The longest gap, 18 weeks, and the last one, as the docstring says.
    runs = np.flatnonzero(np.diff(np.concatenate([[0], weeks.missing, [0]]))).reshape(-1, 2)
    longest = (runs[:, 1] - runs[:, 0]).argmax()
    assert runs[longest, 1] - runs[longest, 0] == 18
    assert 1964 < weeks.times[runs[longest, 0]] < weeks.times[runs[longest, 1]] < 1964.5
    assert weeks.times[weeks.missing].max() < 1985 + 8 / 12


def test_co2_by_month_is_the_mean_of_the_measured_weeks(months):
    import pandas
    from statsmodels.datasets import co2 as bundled

    expected = bundled.load_pandas().data["co2"].resample("MS").mean()
    assert len(months) == len(expected) == 526
    missing = expected.isna().to_numpy()
    assert missing.sum() == 5
    np.testing.assert_array_equal(months.missing, missing)
    np.testing.assert_allclose(months.values[~missing], expected[~missing], rtol=1e-12)
    np.testing.assert_allclose(months.values, expected.interpolate().to_numpy(), rtol=1e-12)
    middle = pandas.DatetimeIndex(expected.index)
    np.testing.assert_allclose(months.times, middle.year + (middle.month - 0.5) / 12, rtol=1e-12)


def test_what_is_said_of_the_rise_holds(weeks, months):
    """Most of the test part lies above everything in the training part."""
    for data in (weeks, months):
        train, test = split(data)
        assert (test.values > train.values.max()).mean() > 0.5
        assert not test.missing.any()


def test_series_slices_are_series(months):
    part = months[10:20]
    assert isinstance(part, Series)
    assert len(part) == len(part.times) == len(part.missing) == 10
    assert part.unit == months.unit
    assert part.times[0] == months.times[10]
    for wrong in (3, slice(None, None, 2), slice(None, None, -1), [1, 2]):
        with pytest.raises(TypeError, match=r"series\[…\]: expected a slice without a step"):
            months[wrong]


# ---- windows


@FEW
@given(
    data=st.data(),
    size=st.integers(2, 60),
    dtype=st.sampled_from([np.float32, np.float64]),
    step=st.integers(1, 5),
)
def test_windows_hold_the_values_and_what_comes_later(data, size, dtype, step):
    length = data.draw(st.integers(1, size - 1))
    horizon = data.draw(st.integers(1, size - length))
    values = np.arange(size, dtype=dtype)
    x, y = windows(values, length, horizon, step=step)
    count = (size - length - horizon) // step + 1
    assert x.shape == y.shape == (length, count, 1)
    assert x.dtype == y.dtype == dtype
    for n in range(count):
        np.testing.assert_array_equal(x[:, n, 0], n * step + np.arange(length))
    np.testing.assert_array_equal(y, x + horizon)
    # No whole window was left out.
    assert count * step + length + horizon > size


def test_windows_are_copies_and_take_a_series(months):
    x, y = windows(months, 12)
    x[:] = 0
    y[:] = 0
    assert months.values.min() > 300
    np.testing.assert_array_equal(windows(months, 12, 3)[1], windows(months.values, 12, 3)[1])


# ---- split


@FEW
@given(size=st.integers(2, 200), fraction=st.floats(0.01, 0.99), context=st.integers(0, 30))
def test_split_is_by_time_and_loses_nothing(size, fraction, context):
    held_out = round(fraction * size)
    assume(0 < held_out < size)
    assume(context <= size - held_out)
    values = np.arange(size, dtype=float)
    train, test = split(values, fraction, context=context)
    np.testing.assert_array_equal(np.concatenate([train, test[context:]]), values)
    assert len(test) == held_out + context


@FEW
@given(length=st.integers(1, 12), horizon=st.integers(1, 6), size=st.integers(60, 90))
def test_no_test_target_was_seen_in_training_and_no_window_reaches_over_the_cut(length, horizon, size):
    values = np.arange(size, dtype=float)
    train, test = split(values, 0.4)
    seen = np.concatenate([part.ravel() for part in windows(train, length, horizon)])
    x, y = windows(test, length, horizon)
    assert seen.max() < min(x.min(), y.min())
    # With the past as context every held-out value is the last target of exactly one window.
    train, test = split(values, 0.4, context=length + horizon - 1)
    x, y = windows(test, length, horizon)
    np.testing.assert_array_equal(y[-1, :, 0], values[len(train) :])
    assert seen.max() < y[-1].min()


def test_split_of_a_series_keeps_times(months):
    train, test = split(months, 0.25)
    assert isinstance(train, Series)
    assert train.times[-1] < test.times[0]
    assert len(train) + len(test) == len(months)


# ---- scale


@FEW
@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=50), st.sampled_from([np.float32, np.float64]))
def test_scale_gives_mean_zero_and_deviation_one_and_back(numbers, dtype):
    values = np.array(numbers, dtype)
    assume(values.std() > 1e-2)
    scale = Scale.fit(values)
    standard = scale.standardise(values)
    assert standard.dtype == dtype
    tolerance = 1e-9 if dtype is np.float64 else 1e-2
    assert standard.mean() == pytest.approx(0, abs=tolerance)
    assert standard.std() == pytest.approx(1, abs=tolerance)
    restored = scale.restore(standard)
    assert restored.dtype == dtype
    np.testing.assert_allclose(restored, values, atol=1e-9 if dtype is np.float64 else 1e-2)


def test_scale_knows_nothing_of_the_test_part():
    spots = sunspots()
    train, test = split(spots)
    scale = Scale.fit(train)
    changed = np.concatenate([train.values, test.values + 1000])
    assert Scale.fit(split(changed)[0]) == Scale(scale.mean, scale.std)
    assert scale.mean == pytest.approx(train.values.mean())


def test_scale_carries_the_unit():
    spots = sunspots()
    scale = Scale.fit(spots)
    standard = scale.standardise(spots)
    assert standard.unit == "standard deviations"
    back = scale.restore(standard)
    assert back.unit == spots.unit
    np.testing.assert_allclose(back.values, spots.values, atol=1e-12)
    np.testing.assert_array_equal(back.times, spots.times)


# ---- bad input

VALUES = np.arange(10.0)
HOLE = np.where(np.arange(10) == 4, np.nan, 1.0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: co2("day"), ValueError, "every: expected one of 'month', 'week', got 'day'"),
        (lambda: windows(VALUES, 0), ValueError, "length: .* got 0"),
        (lambda: windows(VALUES, 3, 0), ValueError, "horizon: .* got 0"),
        (lambda: windows(VALUES, 3, -1), ValueError, "horizon: .* got -1"),
        (lambda: windows(VALUES, 3, step=0), ValueError, "step: .* got 0"),
        (lambda: windows(VALUES, 2.5), TypeError, "length: .* got 2.5"),
        (lambda: windows(VALUES, 10), ValueError, "series: a window of 10 steps .* at least 11 values, got 10"),
        (lambda: windows(VALUES, 5, 6), ValueError, "at least 11 values, got 10"),
        (lambda: windows(VALUES[:, None], 3), ValueError, "series: expected 1 axes .*got 2"),
        (lambda: windows([1.0, 2.0, 3.0], 1), TypeError, "series: expected a NumPy array, got list"),
        (lambda: windows(np.arange(9), 3), TypeError, "series: expected dtype float32 or float64, got int64"),
        (lambda: windows(HOLE, 3), ValueError, r"series: expected finite numbers, got nan at index \(4,\)"),
        (lambda: windows(np.empty(0), 3), ValueError, "series: must not be empty"),
        (lambda: windows(np.array(1.0), 3), ValueError, "series: expected at least one axis"),
        (lambda: split(VALUES, 0.0), ValueError, "test_fraction: .* got 0.0"),
        (lambda: split(VALUES, 1.5), ValueError, "test_fraction: .* got 1.5"),
        (lambda: split(VALUES, "0.2"), TypeError, "test_fraction: .* got '0.2'"),
        (lambda: split(VALUES, 0.01), ValueError, "test_fraction: 0.01 of 10 values leaves one part empty"),
        (lambda: split(VALUES, 0.2, context=9), ValueError, "context: .* at most 8, got 9"),
        (lambda: split(VALUES, 0.2, context=-1), ValueError, "context: .* got -1"),
        (lambda: split(HOLE), ValueError, "series: expected finite numbers"),
        (lambda: Scale.fit(np.full(7, 0.1)), ValueError, "train: all 7 values equal 0.1"),
        (lambda: Scale.fit(np.array([1e308, -1e308])), ValueError, "train: values up to 1e.308 are too large"),
        (lambda: Scale.fit(HOLE), ValueError, "train: expected finite numbers"),
        (lambda: Scale.fit(np.empty(0)), ValueError, "train: must not be empty"),
        (lambda: Scale(0.0, 1.0).standardise([1.0]), TypeError, "values: expected a NumPy array"),
        (lambda: Scale(0.0, 1.0).restore(HOLE), ValueError, "values: expected finite numbers"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_the_order_of_work_of_the_module_runs():
    past, future = series.split(sunspots(), test_fraction=0.2)
    scale = Scale.fit(past)
    x, y = windows(scale.standardise(past), length=20)
    assert x.shape == y.shape == (20, len(past) - 20, 1)
    np.testing.assert_array_equal(x[1:], y[:-1])
    assert len(future) == 62
