"""Is a cell that went to a library and came back the one that left?"""

from __future__ import annotations

import numpy as np

from common.cells import GRU, LSTM, RNN

TYPES = {"RNN": RNN, "LSTM": LSTM, "GRU": GRU}


def assert_same_cell(back, cell) -> None:
    """The same kind of cell with the same options and exactly the same parameters, part by part."""
    assert type(back) is type(cell)
    assert back.dtype == cell.dtype
    for option in ("activation", "reset"):
        assert getattr(back, option, None) == getattr(cell, option, None)
    for name, part in getattr(cell, "parts", {}).items():
        assert_same_cell(back.parts[name], part)
    assert back.params.keys() == cell.params.keys()
    for name in cell.params:
        np.testing.assert_array_equal(back.params[name], cell.params[name])
