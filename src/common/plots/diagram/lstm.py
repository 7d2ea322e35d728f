"""The LSTM cell, drawn stage by stage: forward, backward, and its line of cell states over time.

The forward stages build the cell in the order of its history; the complete one is LSTM.1 to LSTM.7 of the notation
page. The backward stages are LSTM.8 (stage 1), LSTM.9 (stage 2), LSTM.10 to LSTM.13 (stage 3), LSTM.14 to LSTM.19
(stage 4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from common import checks
from common.plots.diagram.canvas import Diagram
from common.plots.diagram.rnn import _note, _shape
from common.plots.look import FONT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Where things stand, the same in every stage. The cell state travels on the upper line, from left to right, the four
# blocks of a_t rise from the lower one. From left to right they stand as the cell state meets them: f, i, g, o.
_COLUMNS = {"f": 2.3, "i": 3.7, "g": 5.1, "o": 6.5}
_IN, _W_H, _SUM, _B, _OUT, _RIGHT = 0.66, 2.6, 4.4, 5.8, 7.9, 9.8
_X, _W_X, _LOW, _BUS, _SQUASH, _GATE, _PRODUCT, _LINE = 0.44, 1.42, 2.5, 3.26, 4.14, 5.1, 6.1, 7.1
_FRAME = ((1.3, 1.0), (8.62, 7.66))
_TOP, _HEIGHT = 8.22, 8.6

_COMPLETE = 5
_FROM = {"g": 1, "i": 2, "o": 3, "f": 4}  # the stage that adds this block

_EQUATIONS = (
    r"$c_t = c_{t-1} + g_t$",
    r"$c_t = c_{t-1} + i_t \odot g_t$",
    r"$h_t = o_t \odot \tanh(c_t)$",
    r"$c_t = f_t \odot c_{t-1} + i_t \odot g_t$",
)
_REMARKS = ("the constant error carousel", "+ input gate", "+ output gate: 1997", "+ forget gate: 2000")


def lstm_cell(stage: int = _COMPLETE) -> Figure:
    """Draw one step of the LSTM cell, built up in stages.

    1  the constant error carousel: c_t = c_{t-1} + g_t, the state goes straight through and the candidate is added
    2  the input gate i: how much of the candidate is written
    3  the output gate o: how much of tanh(c_t) is shown as h_t; the cell of 1997, without a forget gate
    4  the forget gate f (2000): how much of the old state is kept
    5  the complete cell, nothing marked, with the shapes and both equations of the state
    """
    checks.one_of("stage", stage, (1, 2, 3, 4, 5))
    return _forward(stage).draw()


def _forward(stage: int) -> Diagram:
    drawing = Diagram(10, _HEIGHT).frame(*_FRAME)
    _nodes(drawing, stage)
    for start, end, via, when, colour in _wires(stage):
        drawing.arrow(start, end, via=via, colour=colour, new=when == stage)
    if stage < _COMPLETE:
        drawing.label((0.2, _TOP), _EQUATIONS[stage - 1], align="left", new=True)
        _note(drawing, (_RIGHT, _TOP), _REMARKS[stage - 1], "right")
    else:
        drawing.label((0.2, _TOP), _EQUATIONS[3], align="left")
        drawing.label((_RIGHT, _TOP), _EQUATIONS[2], align="right")
        _shapes(drawing)
    return drawing


def _nodes(drawing: Diagram, stage: int) -> None:
    def node(name: str, at: tuple[float, float], text: str = "", *, when: int = 0, **look) -> None:
        if stage >= when:
            drawing.node(name, at, text, new=when == stage, **look)

    node("x", (_SUM, _X), "$x_t$", kind="input")
    node("W_x", (_SUM, _W_X), r"$\cdot\,W_x$", kind="product")
    node("h_in", (_IN, _LOW), "$h_{t-1}$", kind="state", width=1.02)
    node("W_h", (_W_H, _LOW), r"$\cdot\,W_h$", kind="product")
    node("sum", (_SUM, _LOW), "+")
    node("b", (_B, _LOW), "$b$", kind="parameter")
    for letter, column in _COLUMNS.items():
        when = _FROM[letter]
        squash = {"text": "tanh", "width": 1.06, "size": FONT + 2} if letter == "g" else {"text": r"$\sigma$"}
        node(f"squash {letter}", (column, _SQUASH), when=when, colour=letter, **squash)
        node(letter, (column, _GATE), f"${letter}_t$", kind="state", colour=letter, width=0.86, when=when)
    node("c_in", (_IN, _LINE), "$c_{t-1}$", kind="memory", width=1.02, when=1)
    node("forget", (_COLUMNS["f"], _LINE), r"$\odot$", colour="f", when=4)
    node("write", (_COLUMNS["g"], _PRODUCT), r"$\odot$", colour="i", when=2)
    node("plus", (_COLUMNS["g"], _LINE), "+", when=1)
    node("c_out", (_OUT, _LINE), "$c_t$", kind="memory", when=1)
    node("tanh", (_OUT, _PRODUCT), "tanh", width=1.06, size=FONT + 2, when=1)
    node("read", (_OUT, _GATE), r"$\odot$", colour="o", when=3)
    node("h_out", (_OUT, _LOW), "$h_t$", kind="state")
    node("next c", (_RIGHT, _LINE), kind="point")
    node("next h", (_RIGHT, _LOW), kind="point")
    node("output", (_OUT, 0.14), kind="point")


def _wires(stage: int) -> list[tuple]:
    """Return the arrows of this stage: (start, end, via, the stage that adds it, colour)."""
    wires = [
        ("x", "W_x", (), 0, None),
        ("W_x", "sum", (), 0, None),
        ("h_in", "W_h", (), 0, None),
        ("W_h", "sum", (), 0, None),
        ("b", "sum", (), 0, None),
    ]
    for letter, column in _COLUMNS.items():
        wires.append(("sum", f"squash {letter}", ((_SUM, _BUS), (column, _BUS)), _FROM[letter], None))
        wires.append((f"squash {letter}", letter, (), _FROM[letter], letter))
    wires += [
        ("f", "forget", (), 4, "f"),
        ("i", "write", ((_COLUMNS["i"], _PRODUCT),), 2, "i"),
        ("o", "read", (), 3, "o"),
        ("plus", "c_out", (), 1, "c"),
        ("c_out", "tanh", (), 1, None),
        ("c_out", "next c", (), 1, "c"),
        ("h_out", "next h", (), 0, None),
        ("h_out", "output", (), 0, None),
    ]
    wires += (
        [("c_in", "forget", (), 0, "c"), ("forget", "plus", (), 4, "c")]
        if stage >= 4
        else [("c_in", "plus", (), 1, "c")]
    )
    wires += [("g", "write", (), 0, "g"), ("write", "plus", (), 2, None)] if stage >= 2 else [("g", "plus", (), 1, "g")]
    wires += (
        [("tanh", "read", (), 0, None), ("read", "h_out", (), 3, None)]
        if stage >= 3
        else [("tanh", "h_out", (), 1, None)]
    )
    return [wire for wire in wires if stage >= wire[3]]


def _shapes(drawing: Diagram) -> None:
    _shape(drawing, (_SUM + 0.66, _X), "B × D")
    _shape(drawing, (_SUM + 0.72, _W_X), "D × 4H")
    _shape(drawing, (_W_H, _LOW - 0.6), "H × 4H", "centre")
    _shape(drawing, (_B + 0.46, _LOW), "4H")
    _shape(drawing, (_IN, _LOW - 0.55), "B × H", "centre")
    _shape(drawing, (_IN, _LINE - 0.55), "B × H", "centre")
    drawing.label((_SUM + 0.24, _BUS - 0.27), "$a_t$", size=FONT + 2, align="left")
    for letter, column in _COLUMNS.items():
        drawing.label((column - 0.12, _BUS + 0.26), f"$a_{letter}$", size=FONT + 2, align="right")
    for row in (_LINE, _LOW):
        _note(drawing, (9.24, row - 0.5), "to\nstep t+1")
    _note(drawing, (_OUT - 0.2, 0.42), "to the\noutput layer", "right")
