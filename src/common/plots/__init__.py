"""One look for the book: figures, tables and, in `common.plots.diagram`, drawings of the cells."""

from common.plots.curves import gradient_by_lag, learning_curves, log_ticks
from common.plots.look import COLOURS, CYCLE, WIDTH, figure, legend, style
from common.plots.maps import gates, states
from common.tables import table

__all__ = [
    "COLOURS",
    "CYCLE",
    "WIDTH",
    "figure",
    "gates",
    "gradient_by_lag",
    "learning_curves",
    "legend",
    "log_ticks",
    "states",
    "style",
    "table",
]
