"""What happens inside a cell while it reads: states and gates over time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from common import checks
from common.plots.look import COLOURS, figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GATE_NAMES = {
    "i": "input gate i",
    "f": "forget gate f",
    "g": "candidate g",
    "n": "candidate n",
    "o": "output gate o",
    "r": "reset gate r",
    "z": "update gate z",
}


def states(
    hs: np.ndarray,
    *,
    symbol: str = "h",
    title: str | None = None,
    xlabel: str = "time step",
    limit: float = 1.0,
    colourbar: bool = True,
    height: float = 2.8,
    ax: Axes | None = None,
) -> Figure:
    """Draw the state of one example while it reads, (T, H), as a picture: time to the right, one row a unit.

    Blue is negative, white zero, red positive; `limit` is the value of the darkest colour (1, where
    tanh ends).
    """
    checks.array("hs", hs, ("T", "H"))
    fig, ax = figure(height=height) if ax is None else (ax.figure, ax)
    image = _picture(ax, hs, "RdBu_r", -limit, limit)
    ax.set(xlabel=xlabel, ylabel="unit")
    if title:
        ax.set_title(title)
    if colourbar:
        bar = fig.colorbar(image, ax=ax, pad=0.02, ticks=[-limit, 0, limit])
        bar.outline.set_visible(False)
        bar.set_label(f"value of ${symbol}$", labelpad=2)
    return fig


def gates(
    values: Mapping[str, np.ndarray],
    *,
    xlabel: str = "time step",
    lines: bool = False,
    height: float | None = None,
) -> Figure:
    """Draw the gates of one example while it reads, each (T, H), in the gate's own colour.

    values  gate's letter (i, f, g, n, o, r, z) -> array (T, H)
    lines   False: one picture a gate, one row a unit, white is the lowest value, the full colour the highest.
            True: one panel with the mean over the units as a line and the range of the middle half as a band.
    """
    if not values:
        raise ValueError("values: expected at least one gate, got none")
    for letter, gate in values.items():
        checks.one_of("values", letter, GATE_NAMES)
        checks.array(f"values[{letter!r}]", gate, ("T", "H"))
    return _gate_lines(values, xlabel, height or 3.2) if lines else _gate_pictures(values, xlabel, height)


def _gate_pictures(values: Mapping[str, np.ndarray], xlabel: str, height: float | None) -> Figure:
    from matplotlib.colors import LinearSegmentedColormap

    fig, axes = figure(len(values), 1, height=height or 0.7 + 1.4 * len(values), sharex=True, squeeze=False)
    for ax, (letter, gate) in zip(axes[:, 0], values.items(), strict=True):
        low = -1.0 if letter in "gn" else 0.0  # a candidate comes from tanh, a gate from the logistic function
        colours = [COLOURS["baseline"], "white", COLOURS[letter]] if low else ["white", COLOURS[letter]]
        image = _picture(ax, gate, LinearSegmentedColormap.from_list(letter, colours), low, 1.0)
        ax.set_ylabel("unit")
        ax.set_title(GATE_NAMES[letter], color=COLOURS["ink"])
        bar = fig.colorbar(image, ax=ax, pad=0.02, ticks=[low, 1.0])
        bar.outline.set_edgecolor(COLOURS["faint"])
    axes[-1, 0].set_xlabel(xlabel)
    return fig


def _gate_lines(values: Mapping[str, np.ndarray], xlabel: str, height: float) -> Figure:
    from common.plots.look import legend

    fig, ax = figure(height=height)
    for letter, gate in values.items():
        time = np.arange(1, len(gate) + 1)
        low, high = np.quantile(gate, [0.25, 0.75], axis=1)
        ax.plot(time, gate.mean(axis=1), color=COLOURS[letter], label=GATE_NAMES[letter])
        ax.fill_between(time, low, high, color=COLOURS[letter], alpha=0.18, linewidth=0)
    ax.set(xlabel=xlabel, ylabel="mean over the units")
    legend(ax)
    return fig


def _picture(ax: Axes, values: np.ndarray, cmap, low: float, high: float):
    """Draw (T, H) with time to the right, steps counted from 1 as in the equations."""
    steps, units = values.shape
    image = ax.imshow(
        values.T,
        aspect="auto",
        interpolation="nearest",
        cmap=cmap,
        vmin=low,
        vmax=high,
        extent=(0.5, steps + 0.5, units + 0.5, 0.5),
    )
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(min(8, max(steps - 1, 1)), integer=True))
    ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    ax.grid(False)
    return image
