"""Lines with their spread over seeds: learning curves, and how large a gradient is after many steps back."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from common import checks
from common.plots.look import COLOURS, figure, legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def learning_curves(
    curves: Mapping[str, object],
    *,
    baseline: float | Mapping[str, float] | None = None,
    baseline_label: str = "baseline",
    xlabel: str = "training step",
    ylabel: str = "loss",
    log: bool = True,
    smooth: int = 1,
    height: float = 3.2,
    ax: Axes | None = None,
) -> Figure:
    """Draw the loss over training: the median over seeds as a line, the full range over seeds as a band.

    curves    name -> one run or several: an object with .steps and .losses (common.train.History), a list of
              them (one a seed), an array (steps,) or (seeds, steps), or a pair (step numbers, array)
    baseline  the loss of the best answer without memory, as a dashed line; a dict draws one line a name
    smooth    mean over this many recorded losses, for a loss measured on small batches
    """
    smooth = checks.positive_int("smooth", smooth)
    fig, ax = _axes(ax, height)
    for name, runs in _named("curves", curves).items():
        steps, values = _runs(name, runs)
        steps, values = _smoothed(steps, values, smooth)
        _band(ax, steps, values, name)
    if isinstance(baseline, numbers.Real):
        baseline = {baseline_label: baseline}
    for number, (name, value) in enumerate((baseline or {}).items()):
        ax.axhline(value, color=COLOURS["baseline"], linestyle=("--", ":", "-.")[number % 3], label=name, zorder=1.5)
    if log:
        log_ticks(ax)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    legend(ax)
    return fig


def gradient_by_lag(
    norms: Mapping[str, object],
    *,
    reference: Mapping[str, object] | None = None,
    xlabel: str = "steps back in time",
    ylabel: str = "size of the gradient",
    height: float = 3.2,
    ax: Axes | None = None,
) -> Figure:
    """Draw how large a gradient still is after k steps back, on a logarithmic scale.

    norms      name -> array (lags,) or (seeds, lags); entry k belongs to lag k. Zeros cannot be drawn
               and are left out.
    reference  name -> array (lags,), drawn dashed: a prediction to compare with
    """
    fig, ax = _axes(ax, height)
    for name, values in _named("norms", norms).items():
        lags, values = _runs(name, values)
        _band(ax, lags, np.where(values > 0, values, np.nan), name)
    for name, values in (reference or {}).items():
        lags, values = _runs(name, values)
        ax.plot(lags, values[0], color=COLOURS["baseline"], linestyle="--", linewidth=1.6, label=name)
    log_ticks(ax)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    legend(ax)
    return fig


def _axes(ax: Axes | None, height: float) -> tuple[Figure, Axes]:
    return figure(height=height) if ax is None else (ax.figure, ax)


def _named(argument: str, curves) -> Mapping:
    if not isinstance(curves, Mapping) or not curves:
        raise TypeError(f'{argument}: expected a dict of at least one curve, such as {{"RNN": losses}}, got {curves!r}')
    return curves


def _runs(name: str, runs) -> tuple[np.ndarray, np.ndarray]:
    """Return (positions (S,), values (seeds, S)) of whatever was handed in for one curve."""
    if hasattr(runs, "losses"):
        runs = [runs]
    if isinstance(runs, (list, tuple)) and len(runs) and all(hasattr(run, "losses") for run in runs):
        # A run that stopped early has fewer steps: the band ends where the shortest run ends.
        length = min(len(run.losses) for run in runs)
        return _runs(name, (np.asarray(runs[0].steps)[:length], np.array([run.losses[:length] for run in runs])))
    steps = None
    if isinstance(runs, tuple) and len(runs) == 2:
        steps, runs = runs
    values = np.atleast_2d(np.asarray(runs, dtype=float))
    if values.ndim != 2 or values.shape[1] == 0:
        raise ValueError(f"{name!r}: expected shape (steps,) or (seeds, steps), got {np.shape(runs)}")
    steps = np.arange(values.shape[1]) if steps is None else np.asarray(steps)
    if steps.shape != values.shape[1:]:
        raise ValueError(f"{name!r}: expected {values.shape[1]} step numbers, got shape {steps.shape}")
    return steps, values


def _smoothed(steps: np.ndarray, values: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    width = min(width, len(steps))
    if width == 1:
        return steps, values
    kernel = np.full(width, 1 / width)
    # Each mean stands at the last of the steps it covers, so a curve never shows what has not happened yet.
    return steps[width - 1 :], np.array([np.convolve(row, kernel, mode="valid") for row in values])


def _band(ax: Axes, positions: np.ndarray, values: np.ndarray, name: str) -> None:
    (line,) = ax.plot(positions, np.median(values, axis=0), label=name)
    if len(values) > 1:
        low, high = values.min(axis=0), values.max(axis=0)
        ax.fill_between(positions, low, high, color=line.get_color(), alpha=0.18, linewidth=0)


def log_ticks(ax: Axes, axis: str = "y") -> None:
    """Make an axis logarithmic with labels that stay legible on a phone: 0.01 or 1e-5 in full size, no small powers.

    axis  "x" or "y"
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    checks.one_of("axis", axis, ("x", "y"))
    getattr(ax, f"set_{axis}scale")("log")
    scale = getattr(ax, f"{axis}axis")
    low, high = scale.get_view_interval()
    # Less than three decades need numbers between the powers of ten, less than one needs many of them.
    if high / low <= 1000:
        fine = np.arange(1.0, 10.0, 0.5 if high / low > 1.6 else 0.25)
        scale.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high / low > 4 else tuple(fine), numticks=12))

    def written(value: float, _) -> str:
        small, large = scale.get_view_interval()
        if (small >= 5e-4 and large < 5e4) or value == 1:
            return f"{value:.3g}" if value < 1000 else f"{value:.0f}"
        digits, power = f"{value:.2e}".split("e")
        return f"{float(digits):g}e{int(power)}"

    scale.set_major_formatter(FuncFormatter(written))
    scale.set_minor_formatter(NullFormatter())
