"""Recurrent cells in NumPy over whole sequences, with hand-written backward passes."""

from common.cells.rnn import RNN

__all__ = ["RNN"]
