"""Drawings of recurrent cells, made by code: `Diagram` for any cell, and the cells of the book ready made."""

from common.plots.diagram.canvas import Diagram
from common.plots.diagram.gru import gru_cell, gru_cell_backward, gru_variants
from common.plots.diagram.lstm import lstm_cell, lstm_cell_backward, lstm_unrolled
from common.plots.diagram.rnn import rnn_cell, rnn_cell_backward, rnn_unrolled

__all__ = [
    "Diagram",
    "gru_cell",
    "gru_cell_backward",
    "gru_variants",
    "lstm_cell",
    "lstm_cell_backward",
    "lstm_unrolled",
    "rnn_cell",
    "rnn_cell_backward",
    "rnn_unrolled",
]
