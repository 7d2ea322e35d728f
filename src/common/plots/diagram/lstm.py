"""The LSTM cell, drawn stage by stage: forward, backward, and its line of cell states over time.

The forward stages build the cell in the order of its history; the complete one is LSTM.1 to LSTM.7 of the notation
page. The backward stages are LSTM.8 (stage 1), LSTM.9 (stage 2), LSTM.10 to LSTM.13 (stage 3), LSTM.14 to LSTM.19
(stage 4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from common import checks
from common.plots.diagram.canvas import LABEL, Diagram
from common.plots.diagram.rnn import _APART, _note, _shape
from common.plots.look import FONT

if TYPE_CHECKING:
    from collections.abc import Collection

    from matplotlib.figure import Figure

# Where things stand, the same in every stage. The cell state travels on the upper line, from left to right, the four
# blocks of a_t rise from the lower one. From left to right they stand as the cell state meets them: f, i, g, o.
_COLUMNS = {"f": 2.2, "i": 3.45, "g": 4.75, "o": 6.05}
_IN, _W_H, _SUM, _B, _OUT, _RIGHT = 0.66, 2.42, 4.1, 5.4, 7.76, 9.8
_X, _W_X, _LOW, _BUS, _SQUASH, _GATE, _PRODUCT, _LINE = 0.44, 1.42, 2.65, 3.62, 4.45, 5.4, 6.9, 7.9
_FRAME = ((1.3, 1.0), (8.5, 8.45))
_TOP, _HEIGHT = 9.0, 9.38

_COMPLETE = 5
_FROM = {"g": 1, "i": 2, "o": 3, "f": 4}  # the stage that adds this block; tanh of a_t is known from the plain cell

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


def lstm_cell_backward(stage: int = 4) -> Figure:
    """Draw the backward pass through one step of the LSTM cell, built up in stages.

    1  the two gradients that reach h_t are added: dh_t
    2  back through the output gate and tanh, and the carry of the cell state is added: dc_t
    3  at every product each factor gets the gradient times the other factor: the four blocks of δ_t
    4  what the parameters get, and what leaves the cell: dx_t, and the two carries to the step before
    """
    checks.one_of("stage", stage, (1, 2, 3, 4))
    return _backward(stage).draw()


def lstm_unrolled(steps: int = 3, *, backward: bool = False) -> Figure:
    """Draw the line of cell states over `steps` time steps (2 or 3), above the line of hidden states.

    On the upper line a state is only multiplied by f_t and added to; the lower one passes the weights at every step.

    backward  draw the gradients: e_t, the carry of the cell state dc_t ⊙ f_t and that of the hidden state δ_t W_hᵀ;
              over two steps every arrow is named, with tanh' for the slope of tanh
    """
    return _unrolled(steps, backward).draw()


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


def _nodes(drawing: Diagram, stage: int, faint: Collection[str] = ()) -> None:
    def node(name: str, at: tuple[float, float], text: str = "", *, when: int = 0, **look) -> None:
        if stage >= when:
            drawing.node(name, at, text, new=when == stage, faint=name in faint, **look)

    node("x", (_SUM, _X), "$x_t$", kind="input")
    node("W_x", (_SUM, _W_X), r"$\cdot\,W_x$", kind="product")
    node("h_in", (_IN, _LOW), "$h_{t-1}$", kind="state", width=1.02)
    node("W_h", (_W_H, _LOW), r"$\cdot\,W_h$", kind="product")
    node("sum", (_SUM, _LOW), "+")
    node("b", (_B, _LOW), "$b$", kind="parameter")
    for letter, column in _COLUMNS.items():
        when = _FROM[letter]
        squash = {"text": "tanh", "width": 1.06, "size": FONT + 2} if letter == "g" else {"text": r"$\sigma$"}
        node(f"squash {letter}", (column, _SQUASH), when=0 if letter == "g" else when, colour=letter, **squash)
        node(letter, (column, _GATE), f"${letter}_t$", kind="state", colour=letter, width=0.86, when=when)
    node("c_in", (_IN, _LINE), "$c_{t-1}$", kind="memory", width=1.02, when=1)
    node("forget", (_COLUMNS["f"], _LINE), r"$\odot$", colour="f", when=4)
    node("write", (_COLUMNS["g"], _PRODUCT), r"$\odot$", colour="i", when=2)
    node("plus", (_COLUMNS["g"], _LINE), "+", when=1)
    node("c_out", (_OUT, _LINE), "$c_t$", kind="memory", when=1)
    node("tanh", (_OUT, _PRODUCT), "tanh", width=1.06, size=FONT + 2)
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
        wires.append(
            ("sum", f"squash {letter}", ((_SUM, _BUS), (column, _BUS)), 0 if letter == "g" else _FROM[letter], None)
        )
        wires.append((f"squash {letter}", letter, (), _FROM[letter], letter))
    wires += [
        ("f", "forget", (), 4, "f"),
        ("i", "write", ((_COLUMNS["i"], _PRODUCT),), 2, "i"),
        ("o", "read", (), 3, "o"),
        ("plus", "c_out", (), 1, "c"),
        ("c_out", "tanh", (), 0, None),
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
        else [("tanh", "h_out", (), 0, None)]
    )
    return [wire for wire in wires if stage >= wire[3]]


def _shapes(drawing: Diagram) -> None:
    _shape(drawing, (_SUM + 0.66, _X), "B × D")
    _shape(drawing, (_SUM + 0.72, _W_X), "D × 4H")
    _shape(drawing, (_W_H, _LOW - 0.58), "H × 4H", "centre")
    _shape(drawing, (_B + 0.46, _LOW), "4H")
    _shape(drawing, (_IN, _LOW - 0.55), "B × H", "centre")
    _shape(drawing, (_IN, _LINE - 0.55), "B × H", "centre")
    drawing.label((_SUM + 0.16, _BUS - 0.36), "$a_t$", align="left")
    for letter, column in _COLUMNS.items():
        drawing.label((column - 0.12, _BUS + 0.26), f"$a_{letter}$", size=FONT + 2, align="right")
    for row in (_LINE, _LOW):
        _note(drawing, (9.24, row - 0.5), "to\nstep t+1")
    _note(drawing, (_OUT - 0.2, 0.46), "to the\noutput layer", "right")


# (start, end) of an arrow -> the stage in which the gradient runs back along it
_ANSWERED = {
    ("h_out", "next h"): 1,
    ("h_out", "output"): 1,
    ("read", "h_out"): 1,
    ("tanh", "read"): 2,
    ("c_out", "tanh"): 2,
    ("c_out", "next c"): 2,
    ("plus", "c_out"): 2,
    ("forget", "plus"): 3,
    ("write", "plus"): 3,
    ("f", "forget"): 3,
    ("i", "write"): 3,
    ("g", "write"): 3,
    ("o", "read"): 3,
    **{(f"squash {letter}", letter): 3 for letter in _COLUMNS},
    **{("sum", f"squash {letter}"): 3 for letter in _COLUMNS},
    ("c_in", "forget"): 4,
    ("h_in", "W_h"): 4,
    ("W_h", "sum"): 4,
    ("x", "W_x"): 4,
    ("W_x", "sum"): 4,
    ("b", "sum"): 4,
}

_BACKWARD = (
    (r"$dh_t = e_t + \delta_{t+1} W_h^{\top}$",),
    (r"$dc_t = dh_t \odot o_t \odot (1 - \tanh^2 c_t) + dc_{t+1} \odot f_{t+1}$",),
    (
        r"$\delta_f = dc_t \odot c_{t-1} \odot f_t\,(1 - f_t)$",
        r"$\delta_i = dc_t \odot g_t \odot i_t\,(1 - i_t)$",
        r"$\delta_g = dc_t \odot i_t \odot (1 - g_t^2)$",
        r"$\delta_o = dh_t \odot \tanh(c_t) \odot o_t\,(1 - o_t)$",
    ),
    ("what the parameters get, what leaves the cell",),
)


def _backward(stage: int) -> Diagram:
    equations = _BACKWARD[stage - 1]
    drawing = Diagram(10, _HEIGHT + 0.6 * (len(equations) > 1)).frame(*_FRAME)
    wires = _wires(_COMPLETE)
    touched = {name for pair, when in _ANSWERED.items() if stage >= when for name in pair}
    _nodes(drawing, _COMPLETE, faint={name for wire in wires for name in wire[:2]} - touched)
    for start, end, via, *_ in wires:
        when = _ANSWERED[start, end]
        if start == "sum":
            _both_on_bus(drawing, end, stage, when)
        else:
            _both(drawing, start, end, via, stage, when)
    for number, equation in enumerate(equations):
        column, row = divmod(number, 2)
        at = (0.2 + 4.66 * column, drawing.height - 0.38 - 0.6 * row)
        size = LABEL if len(equations) == 1 else FONT + 2
        drawing.label(at, equation, align="left", colour="gradient", size=size, new=stage < 4)
    _gradients(drawing, stage)
    return drawing


def _gradients(drawing: Diagram, stage: int) -> None:
    column, beside = _COLUMNS, _APART + 0.14

    def label(at: tuple[float, float], text: str, when: int, align: str = "centre", size: float = LABEL) -> None:
        if stage >= when:
            drawing.label(at, text, colour="gradient", align=align, size=size, new=stage == when)

    label((_OUT + beside, 0.5), "$e_t$", 1, "left")
    label((9.22, _LOW - 0.6), r"$\delta_{t+1} W_h^{\top}$", 1)
    label((_OUT - beside, 4.0), "$dh_t$", 1, "right")
    label((_OUT - beside, 6.38), r"$\odot\,o_t$", 2, "right", FONT + 2)
    label((7.12, _PRODUCT), r"$\odot\,(1 - \tanh^2 c_t)$", 2, "right", FONT + 1)
    label((6.1, _LINE - 0.46), "$dc_t$", 2)
    label((9.24, _LINE - 0.74), "$dc_{t+1}$\n$\\odot\\,f_{t+1}$", 2)
    label((column["f"] + beside, _PRODUCT + 0.47), r"$\odot\,c_{t-1}$", 3, "left", FONT + 2)
    label((column["i"] + beside, 6.2), r"$\odot\,g_t$", 3, "left", FONT + 2)
    label((column["g"] + beside, 6.2), r"$\odot\,i_t$", 3, "left", FONT + 2)
    label((7.44, _GATE + 0.55), r"$\odot\tanh(c_t)$", 3, "right", FONT + 2)
    for letter, at in column.items():
        label((at + beside, _BUS + 0.3), rf"$\delta_{letter}$", 3, "left", FONT + 2)
    label((_SUM + beside, _LOW + 0.52), r"$\delta_t$", 4, "left", FONT + 2)
    label((_SUM + 0.72, _W_X), r"$dW_x$ += $x_t^{\top} \delta_t$", 4, "left", FONT + 2)
    label((1.44, _LOW - 0.62), r"$dW_h$ += $h_{t-1}^{\top} \delta_t$", 4, "left", FONT + 2)
    label((_B - 0.4, _LOW - 0.54), r"$db$ += $\Sigma_B\,\delta_t$", 4, "left", FONT + 2)
    label((_SUM + 0.66, _X), r"$dx_t = \delta_t W_x^{\top}$", 4, "left")
    label((0.62, _LOW - 0.64), r"$\delta_t W_h^{\top}$", 4)
    label((0.66, _LINE - 0.62), r"$dc_t \odot f_t$", 4)


def _both(drawing: Diagram, start: str, end: str, via: tuple, stage: int, when: int) -> None:
    """Draw the arrow from `start` to `end` faintly and, from stage `when` on, the gradient that runs back beside it."""
    answered = stage >= when
    drawing.arrow(start, end, via=via, faint=True, shift=-_APART if answered else 0)
    if answered:
        drawing.arrow(end, start, via=via[::-1], kind="backward", shift=-_APART, new=stage == when)


def _both_on_bus(drawing: Diagram, end: str, stage: int, when: int) -> None:
    """Do the same for one block of a_t, forward on the upper of two levels and back on the lower."""
    column = _COLUMNS[end[-1]]
    if stage < when:
        drawing.arrow("sum", end, via=((_SUM, _BUS), (column, _BUS)), faint=True)
        return
    inset = 0.27
    paths = [
        [(_SUM + side, _LOW + inset), (_SUM + side, level), (column + side, level), (column + side, _SQUASH - inset)]
        for side, level in ((-_APART, _BUS + 0.06), (_APART, _BUS - 0.16))
    ]
    (start, *via, stop), back = paths[0], paths[1][::-1]
    drawing.arrow(start, stop, via=via, faint=True)
    drawing.arrow(back[0], back[3], via=back[1:3], kind="backward", new=stage == when)


_ROW_X, _ROW_H, _ROW_C = 0.5, 2.3, 4.5
_ROOMY = 4  # from state to state: room for a name at every gradient


def _unrolled(steps: int, backward: bool) -> Diagram:
    checks.one_of("steps", steps, (2, 3))
    drawing = Diagram(10, 5.5)
    apart = 8.25 / steps
    columns = [0.6 + apart * step for step in range(steps + 1)]
    for name, row, kind in (("c", _ROW_C, "memory"), ("h", _ROW_H, "state")):
        drawing.node(f"{name}0", (columns[0], row), f"${name}_0$", kind=kind, width=0.8)
    for step, column in enumerate(columns[1:], start=1):
        _step(drawing, step, column, apart)
        for start, end, colour, via in _step_wires(step, column, apart):
            if backward:
                _both(drawing, start, end, via, 1, 2 if start == f"x{step}" else 0)
            else:
                drawing.arrow(start, end, colour=colour, via=via)
        write = _names_backward if backward else _names_forward
        write(drawing, step, column, apart)
    if backward:
        for name, row in (("c", _ROW_C), ("h", _ROW_H)):
            drawing.node(f"end {name}", (9.95, row), kind="point")
            drawing.arrow(f"end {name}", f"{name}{steps}", kind="backward", shift=-_APART)
            drawing.label((9.62, row - 0.45), "0", colour="gradient")
    return drawing


def _places(column: float, apart: float) -> tuple[float, float, float]:
    """Where the two operations on the upper line and the box of the gates stand, in the step that ends at `column`."""
    middle, half = (0.6, 0.12) if apart > _ROOMY else (0.5, 0.136)
    return column - (middle + half) * apart, column - (middle - half) * apart, column - middle * apart


def _step(drawing: Diagram, step: int, column: float, apart: float) -> None:
    forget, write, gates = _places(column, apart)
    drawing.node(f"forget{step}", (forget, _ROW_C), r"$\odot$", colour="f", width=0.5, height=0.5)
    drawing.node(f"plus{step}", (write, _ROW_C), "+", width=0.5, height=0.5)
    drawing.node(f"c{step}", (column, _ROW_C), f"$c_{step}$", kind="memory", width=0.8)
    drawing.node(f"gates{step}", (gates, _ROW_H), "gates", kind="product", width=write - forget + 0.38, size=FONT + 1)
    drawing.node(f"h{step}", (column, _ROW_H), f"$h_{step}$", kind="state", width=0.8)
    drawing.node(f"x{step}", (gates, _ROW_X), f"$x_{step}$", kind="input", width=0.8)
    drawing.node(f"y{step}", (column, _ROW_X), f"$y_{step}$", kind="output", width=0.8)
    for name, at in (("f", forget), ("ig", write)):
        drawing.node(f"{name}{step}", (at, _ROW_H + 0.36), kind="point")


def _step_wires(step: int, column: float, apart: float) -> list[tuple]:
    """Return the arrows of one step: (start, end, colour, via)."""
    return [
        (f"c{step - 1}", f"forget{step}", "c", ()),
        (f"forget{step}", f"plus{step}", "c", ()),
        (f"plus{step}", f"c{step}", "c", ()),
        (f"f{step}", f"forget{step}", "f", ()),
        (f"ig{step}", f"plus{step}", "g", ()),
        (f"c{step}", f"h{step}", None, ()),
        (f"gates{step}", f"h{step}", "o", ()),
        (f"h{step - 1}", f"gates{step}", None, ()),
        (f"x{step}", f"gates{step}", None, ()),
        (f"h{step}", f"y{step}", None, ()),
    ]


def _names_forward(drawing: Diagram, step: int, column: float, apart: float) -> None:
    forget, write, gates = _places(column, apart)
    middle = (_ROW_H + _ROW_C) / 2 + 0.05
    drawing.label((forget - 0.1, middle), f"$f_{step}$", align="right")
    drawing.label((write + 0.07, middle), rf"$i_{step} \odot g_{step}$", align="left", size=FONT + 1)
    drawing.label(((gates + column) / 2 + 0.08, _ROW_H - 0.53), f"$o_{step}$")


def _names_backward(drawing: Diagram, step: int, column: float, apart: float) -> None:
    """Name the carries and e_t and, over two steps, where there is room for it, what every arrow carries."""

    def label(at: tuple[float, float], text: str, align: str = "centre", size: float = FONT + 2) -> None:
        drawing.label(at, text, colour="gradient", align=align, size=size)

    forget, write, _ = _places(column, apart)
    before, beside, middle = column - apart, _APART + 0.14, (_ROW_H + _ROW_C) / 2
    label(((before + forget) / 2 + 0.1, _ROW_C + 0.6), rf"$dc_{step} \odot f_{step}$", size=LABEL)
    label((before + min(0.78, 0.275 * apart), _ROW_H - 0.64), rf"$\delta_{step} W_h^{{\top}}$")
    label((column - 0.26, (_ROW_H + _ROW_X) / 2 - 0.36), f"$e_{step}$", "right", LABEL)
    if apart < _ROOMY:
        return
    label(((write + column) / 2 - 0.1, _ROW_C + 0.5), f"$dc_{step}$")
    label((forget + beside, middle), f"$dc_{step}$\n" + rf"$\odot\,c_{step - 1}$", "left")
    label((write + beside, middle + 0.6), f"$dc_{step}$", "left")
    squashed, sloped = (rf"$\odot\,\mathrm{{tanh}}{mark}(c_{step})$" for mark in ("", "'"))
    label((column - beside, middle - 0.15), rf"$dh_{step} \odot o_{step}$" + "\n" + sloped, "right")
    label((column - 1.1, _ROW_H - 0.64), f"$dh_{step}$\n" + squashed, size=FONT + 1)
