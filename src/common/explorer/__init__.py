"""Figures that a reader works with: the network computes in the page, in plain JavaScript without any library."""

from common.explorer.lstm_figure import lstm

__all__ = ["lstm"]
