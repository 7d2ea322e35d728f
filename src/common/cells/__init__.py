"""Recurrent cells in NumPy over whole sequences, with hand-written backward passes."""

from common.cells.base import mask_from_lengths
from common.cells.compose import Bidirectional, Stacked
from common.cells.gru import GRU
from common.cells.lstm import LSTM
from common.cells.rnn import RNN

__all__ = ["GRU", "LSTM", "RNN", "Bidirectional", "Stacked", "mask_from_lengths"]
