"""Drawings of recurrent cells, made by code: `Diagram` for any cell, and the plain cell ready made."""

from common.plots.diagram.canvas import Diagram
from common.plots.diagram.rnn import rnn_cell, rnn_cell_backward, rnn_unrolled

__all__ = ["Diagram", "rnn_cell", "rnn_cell_backward", "rnn_unrolled"]
