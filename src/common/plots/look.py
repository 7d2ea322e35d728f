"""The look of every figure in the book: colours, fonts, width."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import matplotlib as mpl

from common import checks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

# One role, one colour, in the plots as in the drawings of the cells. The gates take the palette of Okabe and
# Ito ("Color Universal Design", 2008), which readers with any kind of colour blindness can tell apart.
COLOURS = {
    "i": "#0072B2",  # input gate
    "f": "#D55E00",  # forget gate
    "g": "#009E73",  # candidate of the LSTM
    "n": "#009E73",  # candidate of the GRU
    "o": "#CC79A7",  # output gate
    "r": "#E69F00",  # reset gate
    "z": "#56B4E9",  # update gate
    "h": "#2B2D42",  # hidden state
    "c": "#6A4C93",  # cell state
    "x": "#6C757D",  # input
    "y": "#0F766E",  # output, prediction
    "loss": "#7F1D1D",
    "parameter": "#FFFFFF",
    "gradient": "#B2182B",  # everything that flows backward
    "baseline": "#6C757D",
    "ink": "#1F2430",  # text, axes, forward arrows
    "faint": "#C9CED6",  # what is already known and only gives the place
    "marker": "#FFE8A3",  # the marker pen: what this stage of a drawing adds
}

CYCLE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#6A4C93", "#2B2D42")

WIDTH = 6.4  # inches of every figure, so that one font size is one size on the page
FONT = 12  # points; on a phone, where a figure is 360 px wide, 12 pt of a 6.4-inch figure are 9.4 px
DPI = 100  # notebooks store twice as many, for sharp screens

_SETTINGS = {
    "figure.facecolor": "white",
    "figure.figsize": (WIDTH, 3.2),
    "figure.dpi": DPI,
    "figure.constrained_layout.use": True,
    "savefig.facecolor": "white",  # never transparent: the dark theme would swallow the axes
    "savefig.dpi": 2 * DPI,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib, so every machine draws the same
    "font.size": FONT,
    "mathtext.fontset": "cm",  # the letters of the equations on the page
    "axes.titlesize": FONT + 1,
    "axes.titlelocation": "left",
    "axes.labelsize": FONT,
    "axes.edgecolor": "#8A909C",
    "axes.labelcolor": COLOURS["ink"],
    "axes.titlecolor": COLOURS["ink"],
    "axes.prop_cycle": mpl.cycler(color=CYCLE),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E8EC",
    "grid.linewidth": 0.8,
    "text.color": COLOURS["ink"],
    "xtick.color": "#5B616E",
    "ytick.color": "#5B616E",
    "xtick.labelcolor": COLOURS["ink"],
    "ytick.labelcolor": COLOURS["ink"],
    "xtick.labelsize": FONT,
    "ytick.labelsize": FONT,
    "lines.linewidth": 2.0,
    "lines.markersize": 6,
    "legend.fontsize": FONT,
    "legend.frameon": False,
    "image.cmap": "viridis",
}


class style:
    """Set the look of the book; used as a context manager, give the old settings back at its end.

    `plots.style()` in a notebook's import cell is enough. In a notebook it also asks for figures of twice the
    resolution, stored with their full white margin: each has the same width and so the same font size.
    """

    def __init__(self) -> None:
        self._before = {name: mpl.rcParams[name] for name in _SETTINGS}
        mpl.rcParams.update(_SETTINGS)
        _sharpen_notebook_figures()

    def __enter__(self) -> style:
        return self

    def _ipython_display_(self) -> None:
        """Nothing to show where the call ends a cell."""

    def __exit__(self, *_) -> None:
        mpl.rcParams.update(self._before)


def _sharpen_notebook_figures() -> None:
    """Have a notebook store PNGs of twice the resolution and with the figure's own margins."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None or not hasattr(shell, "kernel"):
        return
    # Importing pyplot first lets the notebook choose its inline backend before it is configured.
    import matplotlib.pyplot
    from matplotlib_inline.config import InlineBackend

    if "inline" not in matplotlib.pyplot.get_backend():
        return
    backend = InlineBackend.instance(parent=shell)
    backend.print_figure_kwargs = {"bbox_inches": None}
    backend.figure_formats = {"retina"}


def figure(rows: int = 1, cols: int = 1, *, height: float = 3.2, **options) -> tuple[Figure, Axes]:
    """Return (figure, axes) of the book's width and `height` inches; options go to matplotlib's subplots."""
    import matplotlib.pyplot as plt

    if not 0.5 <= height <= 20:
        raise ValueError(f"height: expected inches between 0.5 and 20, got {height!r}")
    rows, cols = checks.positive_int("rows", rows), checks.positive_int("cols", cols)
    return plt.subplots(rows, cols, figsize=(WIDTH, height), layout="constrained", **options)


def legend(ax: Axes, **options) -> Legend | None:
    """Draw the legend above the axes, where it covers no data, in as few rows as fit the figure's width.

    Returns None when nothing in the axes has a label.
    """
    handles, labels = ax.get_legend_handles_labels()
    if not handles:
        return None
    for columns in range(len(labels), 0, -1):
        drawn = ax.legend(
            handles,
            labels,
            loc="lower left",
            bbox_to_anchor=(0.0, 1.0),
            ncols=columns,
            borderaxespad=0.2,
            handlelength=1.4,
            columnspacing=1.2,
            borderpad=0.2,
            **options,
        )
        # The axes begin right of their tick labels: about a tenth of the figure is not theirs.
        room = 0.88 * ax.figure.bbox.width / _columns(ax)
        if columns == 1 or drawn.get_window_extent(ax.figure.canvas.get_renderer()).width <= room:
            break
    return drawn


def _columns(ax: Axes) -> int:
    """How many axes stand beside each other in the figure."""
    place = ax.get_subplotspec()
    return 1 if place is None else place.get_gridspec().ncols
