"""Two measured series that come with statsmodels, sunspots and CO₂, and how to cut them without looking ahead.

The order of work that keeps the future out of the past:

    past, future = split(sunspots(), test_fraction=0.2)  # 1. by time, never at random
    scale = Scale.fit(past)                              # 2. mean and deviation of the training part only
    x, y = windows(scale.standardise(past), length=20)   # 3. windows inside one part: none reaches over the cut

The naive forecast, "the same as now", is x itself; a model is worth something once it beats that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from common import checks
from common.data._arguments import fraction, whole


@dataclass(frozen=True, eq=False)
class Series:
    """Evenly spaced measurements of one quantity, with their times and units.

    values   (S,) float64, in `unit`
    times    (S,) float64, calendar years (1962.5 is the middle of 1962)
    missing  (S,) bool, True where nothing was measured and the value is a straight line between its
             neighbours
    name, unit, step, source   for labels: step is "year", "month" or "week"

    `len(series)` is S; `series[a:b]` is the part from a to b − 1, a Series again.
    """

    values: np.ndarray
    times: np.ndarray
    missing: np.ndarray
    name: str
    unit: str
    step: str
    source: str

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, part: slice) -> Series:
        if not isinstance(part, slice) or part.step not in (None, 1):
            raise TypeError(f"series[…]: expected a slice without a step, such as series[:100], got {part!r}")
        return replace(self, values=self.values[part], times=self.times[part], missing=self.missing[part])


def sunspots() -> Series:
    """Load the yearly mean sunspot number, 1700–2008: 309 values, none missing.

    The sunspot number of a day is k (10 g + f): f spots in g groups, k corrects for the observer; it has no
    unit. The cycle lasts about eleven years, but its length and its height vary: the next value depends on
    where in the cycle the sun is, and one value alone does not tell (50 may be on the way up or down). That
    is what a memory is for here.

    Source: National Geophysical Data Center, by statsmodels (public domain). It is the old scale, before the
    revision of 2015, whose numbers are larger; the two must not be mixed.
    """
    from statsmodels.datasets import sunspots as bundled

    data = bundled.load_pandas().data
    values = data["SUNACTIVITY"].to_numpy(np.float64, copy=True)
    return Series(
        values=values,
        times=data["YEAR"].to_numpy(np.float64, copy=True),
        missing=np.zeros(len(values), bool),
        name="sunspots",
        unit="sunspot number, yearly mean",
        step="year",
        source="National Geophysical Data Center, bundled with statsmodels",
    )


def co2(every: str = "month") -> Series:
    """Load the CO₂ in the air over Mauna Loa, Hawaii, 1958–2001, in ppm (parts per million by volume).

    every  "week": 2,284 Saturdays from 29 March 1958 to 29 December 2001, 59 of them without a measurement
           "month": 526 monthly means of the weeks that were measured, 5 months without any

    Where nothing was measured the value lies on the straight line between its measured neighbours, and
    `missing` is True. That uses the value after the gap, so a gap must not reach over the cut between
    training and test; all gaps here end by August 1985, and the longest is 18 weeks, early in 1964. `times`
    of a monthly mean is mid-month.

    Two things happen at once: a rise that never stops, and a yearly wave of a few ppm. Because of the rise,
    most of the test part lies above everything in the training part. A model that predicts the value itself
    must go beyond what it saw; one that predicts the change from now does not.

    Source: C. D. Keeling and T. P. Whorf, Scripps Institution of Oceanography (2004), by statsmodels (public
    domain).

    Raises ValueError for another `every`.
    """
    checks.one_of("every", every, ["month", "week"])
    from statsmodels.datasets import co2 as bundled

    data = bundled.load_pandas().data
    dates = data.index.to_numpy().astype("datetime64[D]")
    samples = data["co2"].to_numpy(np.float64, copy=True)
    if every == "month":
        times, samples = _monthly_means(dates, samples)
    else:
        times = _decimal_years(dates)
    values, missing = _filled(samples)
    return Series(
        values=values,
        times=times,
        missing=missing,
        name="CO₂ at Mauna Loa",
        unit="ppm",
        step=every,
        source="Keeling and Whorf (2004), Scripps Institution of Oceanography, bundled with statsmodels",
    )


def _decimal_years(dates: np.ndarray) -> np.ndarray:
    years = dates.astype("datetime64[Y]")
    start, end = years.astype("datetime64[D]"), (years + np.timedelta64(1, "Y")).astype("datetime64[D]")
    return years.astype(np.int64) + 1970 + (dates - start) / (end - start)


def _monthly_means(dates: np.ndarray, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Times (middle of the month) and means of the samples there are; NaN for a month without any."""
    months = dates.astype("datetime64[M]").astype(np.int64)  # months since January 1970
    position = months - months[0]
    measured = ~np.isnan(samples)
    counts = np.bincount(position, weights=measured)
    sums = np.bincount(position, weights=np.where(measured, samples, 0.0))
    means = np.full(len(counts), np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return 1970 + (months[0] + np.arange(len(counts)) + 0.5) / 12, means


def _filled(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Samples with NaN replaced by straight lines, and where that was."""
    missing = np.isnan(samples)
    index = np.arange(len(samples))
    return np.where(missing, np.interp(index, index[~missing], samples[~missing]), samples), missing


def split(series, test_fraction: float = 0.2, *, context: int = 0) -> tuple:
    """Cut a series in two by time: the first part to learn from, the last part to be tested on.

    series         a Series, or an array whose first axis is time
    test_fraction  part of the values that is held out, between 0 and 1
    context        how many steps of the past the test part is given as well, to be used as inputs

    Returns (train, test), of the same kind as `series`; len(test) is the number of held-out values plus
    `context`.

    With context = 0 every input and target of a test window is held out, and the first window's worth of test
    values is only ever input. With context = length + horizon − 1 the *last* target of the first window is
    the first held-out value, so that every held-out value is predicted once; its inputs are the known past,
    as for a forecaster on that day. Then score the last step only: y[-1]. The earlier targets of the first
    windows are training values.

    Raises TypeError or ValueError that names the argument.
    """
    _values("series", series)
    held_out = round(fraction("test_fraction", test_fraction) * len(series))
    cut = len(series) - held_out
    if not 0 < cut < len(series):
        raise ValueError(f"test_fraction: {test_fraction} of {len(series)} values leaves one part empty")
    context = whole("context", context, least=0, most=cut)
    return series[:cut], series[cut - context :]


@dataclass(frozen=True)
class Scale:
    """Mean and standard deviation (both in `unit`), kept so that predictions can be turned back into units.

    Fit it on the training part only. A mean over the whole series would already know how the test part goes
    on.
    """

    mean: float
    std: float
    unit: str = ""

    @classmethod
    def fit(cls, train) -> Scale:
        """Measure a Series or an array (all its values together; divisor S, not S − 1).

        Raises ValueError when all values are equal: there is nothing to scale by.
        """
        values = _values("train", train)
        with np.errstate(over="ignore"):  # said below, in words
            mean, std = float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64))
        # The deviation of equal numbers may be a rounding error instead of 0, so look at the numbers themselves.
        if std == 0 or values.min() == values.max():
            raise ValueError(
                f"train: all {values.size} values equal {values.flat[0]}; a constant cannot be standardised"
            )
        if not np.isfinite(std):
            raise ValueError(f"train: values up to {np.abs(values).max()} are too large, their deviation overflows")
        return cls(mean, std, train.unit if isinstance(train, Series) else "")

    def standardise(self, values):
        """Return (values − mean) / std, without a unit; a Series stays a Series, an array keeps its dtype."""
        return _mapped(values, lambda v: (v - self.mean) / self.std, unit="standard deviations")

    def restore(self, values):
        """Return std · values + mean, in units again: the inverse of `standardise`."""
        return _mapped(values, lambda v: v * self.std + self.mean, unit=self.unit)


def windows(series, length: int, horizon: int = 1, *, step: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Cut a series into overlapping sequences, each with the values to be predicted.

    series   a Series, or an array of shape (S,)
    length   steps T of a window
    horizon  how far ahead the target lies: 1 is the next value
    step     distance between the starts of neighbouring windows; 1 takes all of them

    Returns x and y, both of shape (T, N, 1), with N = (S − length − horizon) // step + 1 and the dtype of the
    series.
    x[t, n]  the value at position n · step + t
    y[t, n]  the value `horizon` steps later, at position n · step + t + horizon

    So there is a target at every step; take y[-1] for one forecast a window. Neighbouring windows share
    values: they are no independent examples, and the cut between training and test must be made before
    (`split`), not among windows.

    Raises TypeError or ValueError that names the argument; ValueError when the series is too short for one
    window.
    """
    values = _values("series", series)
    checks.check_shape("series", values.shape, ("S",))
    length, horizon = checks.positive_int("length", length), checks.positive_int("horizon", horizon)
    step = checks.positive_int("step", step)
    if len(values) < length + horizon:
        raise ValueError(
            f"series: a window of {length} steps with a target {horizon} later needs at least {length + horizon} "
            f"values, got {len(values)}; take a shorter window"
        )
    inside = np.lib.stride_tricks.sliding_window_view
    x = inside(values[:-horizon], length)[::step]
    y = inside(values[horizon:], length)[::step]
    return np.ascontiguousarray(x.T)[..., None], np.ascontiguousarray(y.T)[..., None]


def _values(name: str, series) -> np.ndarray:
    """The checked values of a Series or an array: floating-point, not empty, finite."""
    values = series.values if isinstance(series, Series) else series
    if isinstance(values, np.ndarray) and values.ndim == 0:
        raise ValueError(f"{name}: expected at least one axis, got a single number")
    values = checks.array(name, values)
    if values.size == 0:
        raise ValueError(f"{name}: must not be empty, got shape {values.shape}")
    return values


def _mapped(values, function, unit: str):
    checked = _values("values", values)
    result = function(checked).astype(checked.dtype, copy=False)
    return replace(values, values=result, unit=unit) if isinstance(values, Series) else result
