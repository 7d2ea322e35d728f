"""The plain recurrent cell, drawn stage by stage: forward, backward, and unrolled over time.

The backward stages follow the notation page: RNN.3 (stage 1), RNN.4 (stage 2), RNN.5 to RNN.7 (stage 3), RNN.8 and
RNN.9 (stage 4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from common import checks
from common.plots.diagram.canvas import Diagram
from common.plots.look import FONT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_GREY = "#5B616E"

# Where things stand in the cell, the same in every stage: the state travels on one line from left to right.
_LINE = 2.86
_H_IN, _W_H, _PLUS, _TANH, _H_OUT = 0.66, 2.5, 4.16, 5.85, 7.78
_X, _W_X, _B = 0.44, 1.62, 4.42
_TOP, _RIGHT = 5.75, 9.8
_APART = 0.13  # from the middle to the forward arrow on one side, the gradient on the other

_EQUATIONS = (
    r"$x_t W_x$",
    r"$a_t = x_t W_x + h_{t-1} W_h + b$",
    r"$h_t = \tanh(a_t)$",
)


_BACKWARD = (
    r"$dh_t = e_t + \delta_{t+1} W_h^{\top}$",
    r"$\delta_t = dh_t \odot (1 - h_t^2)$",
    "what the parameters get",
    "what leaves the cell",
)


def rnn_cell(stage: int = 3) -> Figure:
    """Draw one step of the plain cell, built up in stages.

    1  the input is multiplied by W_x
    2  the previous state is multiplied by W_h; both and the bias make the pre-activation a_t
    3  tanh makes the new state h_t: the complete cell
    4  the complete cell with the whole backward pass, as `rnn_cell_backward(4)`
    """
    checks.one_of("stage", stage, (1, 2, 3, 4))
    return rnn_cell_backward(4) if stage == 4 else _forward(stage).draw()


def rnn_cell_backward(stage: int = 4) -> Figure:
    """Draw the backward pass through one step of the plain cell, built up in stages.

    1  the two gradients that reach h_t are added: dh_t
    2  back through tanh: δ_t
    3  what the parameters get: dW_x, dW_h, db
    4  what leaves the cell: dx_t to the input, δ_t W_hᵀ to the step before
    """
    checks.one_of("stage", stage, (1, 2, 3, 4))
    return _backward(stage).draw()


def rnn_unrolled(steps: int = 3, *, backward: bool = False, truncate: int | None = None) -> Figure:
    """Draw the plain cell over `steps` time steps with a loss at every step.

    backward  draw the gradients: dy_t, e_t, dx_t and the carry δ_t W_hᵀ from step to step
    truncate  cut the carry after every so many steps (truncated backpropagation), while the state goes on
    """
    return _unrolled(steps, backward, truncate).draw()


def _forward(stage: int) -> Diagram:
    drawing = Diagram(10, 6.1).frame((1.26, 1.02), (8.5, 4.98))
    new = [stage == number for number in (1, 2, 3)]
    drawing.label((0.2, _TOP), _EQUATIONS[stage - 1], align="left", new=True)

    drawing.node("x", (_PLUS, _X), "$x_t$", kind="input", new=new[0])
    drawing.node("W_x", (_PLUS, _W_X), r"$\cdot\,W_x$", kind="product", new=new[0])
    drawing.arrow("x", "W_x", new=new[0])
    _shape(drawing, (_PLUS + 0.66, _X), "B × D")
    _shape(drawing, (_PLUS + 0.72, _W_X), "D × H")
    if stage == 1:
        drawing.node("product", (_PLUS, _LINE), kind="point").arrow("W_x", "product", new=True)
        return drawing

    drawing.node("h_in", (_H_IN, _LINE), "$h_{t-1}$", kind="state", width=1.02, new=new[1])
    drawing.node("W_h", (_W_H, _LINE), r"$\cdot\,W_h$", kind="product", new=new[1])
    drawing.node("plus", (_PLUS, _LINE), "+", new=new[1])
    drawing.node("b", (_PLUS, _B), "$b$", kind="parameter", new=new[1])
    for start, end in (("h_in", "W_h"), ("W_h", "plus"), ("W_x", "plus"), ("b", "plus")):
        drawing.arrow(start, end, new=new[1])
    _shape(drawing, (_H_IN, _LINE - 0.58), "B × H", "centre")
    _shape(drawing, (_W_H, _LINE - 0.62), "H × H", "centre")
    _shape(drawing, (_PLUS + 0.48, _B), "H")
    drawing.label((4.86, _LINE + 0.34), "$a_t$", new=new[1])
    if stage == 2:
        drawing.node("sum", (_TANH - 0.4, _LINE), kind="point").arrow("plus", "sum", new=True)
        return drawing

    drawing.node("tanh", (_TANH, _LINE), "tanh", width=1.06, size=FONT + 2, new=True)
    drawing.node("h_out", (_H_OUT, _LINE), "$h_t$", kind="state", new=True)
    drawing.node("next", (_RIGHT, _LINE), kind="point").node("output", (_H_OUT, _TOP), kind="point")
    drawing.arrow("plus", "tanh")
    for start, end in (("tanh", "h_out"), ("h_out", "next"), ("h_out", "output")):
        drawing.arrow(start, end, new=True)
    _shape(drawing, (_H_OUT, _LINE - 0.58), "B × H", "centre")
    _note(drawing, (9.24, _LINE - 0.5), "to\nstep t+1")
    _note(drawing, (_H_OUT - 0.22, _TOP - 0.2), "to the output layer", "right")
    return drawing


def _backward(stage: int) -> Diagram:
    drawing = Diagram(10, 6.1).frame((1.26, 1.02), (8.5, 4.98))
    drawing.node("x", (_PLUS, _X), "$x_t$", kind="input", faint=stage < 4)
    drawing.node("W_x", (_PLUS, _W_X), r"$\cdot\,W_x$", kind="product", faint=stage < 3)
    drawing.node("h_in", (_H_IN, _LINE), "$h_{t-1}$", kind="state", width=1.02, faint=stage < 4)
    drawing.node("W_h", (_W_H, _LINE), r"$\cdot\,W_h$", kind="product", faint=stage < 3)
    drawing.node("plus", (_PLUS, _LINE), "+", faint=stage < 2)
    drawing.node("b", (_PLUS, _B), "$b$", kind="parameter", faint=stage < 3)
    drawing.node("tanh", (_TANH, _LINE), "tanh", width=1.06, size=FONT + 2)
    drawing.node("h_out", (_H_OUT, _LINE), "$h_t$", kind="state")
    drawing.node("next", (_RIGHT, _LINE), kind="point").node("output", (_H_OUT, _TOP), kind="point")

    _both(drawing, "next", "h_out", stage, 1)
    _both(drawing, "output", "h_out", stage, 1)
    _both(drawing, "h_out", "tanh", stage, 1)
    _both(drawing, "tanh", "plus", stage, 2)
    for end in ("W_h", "W_x", "b"):
        _both(drawing, "plus", end, stage, 3)
    _both(drawing, "W_h", "h_in", stage, 4)
    _both(drawing, "W_x", "x", stage, 4)

    _gradient(drawing, (_H_OUT + 0.34, 5.4), "$e_t$", stage, 1, "left")
    _gradient(drawing, (9.22, _LINE - 0.62), r"$\delta_{t+1} W_h^{\top}$", stage, 1)
    _gradient(drawing, (6.8, _LINE - 0.52), "$dh_t$", stage, 1)
    _gradient(drawing, (4.88, _LINE - 0.46), r"$\delta_t$", stage, 2)
    _gradient(drawing, (_TANH, _LINE + 0.62), r"$\odot\,(1 - h_t^2)$", stage, 2)
    _gradient(drawing, (3.44, _LINE - 0.46), r"$\delta_t$", stage, 3)
    _gradient(drawing, (_PLUS + 0.72, _W_X), r"$dW_x$ += $x_t^{\top} \delta_t$", stage, 3, "left")
    _gradient(drawing, (_W_H + 0.04, _LINE + 0.75), r"$dW_h$ += $h_{t-1}^{\top} \delta_t$", stage, 3)
    _gradient(drawing, (_PLUS + 0.5, _B), r"$db$ += $\Sigma_B\,\delta_t$", stage, 3, "left")
    _gradient(drawing, (_PLUS + 0.66, _X), r"$dx_t = \delta_t W_x^{\top}$", stage, 4, "left")
    _gradient(drawing, (0.64, _LINE - 0.66), r"$\delta_t W_h^{\top}$", stage, 4)
    drawing.label((0.2, _TOP), _BACKWARD[stage - 1], align="left", colour="gradient", new=stage < 3)
    return drawing


def _both(drawing: Diagram, start: str, end: str, stage: int, when: int) -> None:
    """Draw the gradient's arrow from `start` to `end` from stage `when` on, beside the faint arrow it answers."""
    answered = stage >= when
    drawing.arrow(end, start, faint=True, shift=-_APART if answered else 0)
    if answered:
        drawing.arrow(start, end, kind="backward", shift=-_APART, new=stage == when)


def _gradient(
    drawing: Diagram, at: tuple[float, float], text: str, stage: int, when: int, align: str = "centre"
) -> None:
    if stage >= when:
        drawing.label(at, text, colour="gradient", align=align, new=stage == when)


_ROW_X, _ROW_H, _ROW_Y, _ROW_L = 0.5, 2.3, 4.0, 5.5


def _unrolled(steps: int, backward: bool, truncate: int | None) -> Diagram:
    checks.one_of("steps", steps, (2, 3, 4))
    checks.one_of("truncate", truncate, (None, *range(1, steps)))
    drawing = Diagram(10, 6.0)
    apart = 8.1 / steps
    columns = [0.6 + apart * step for step in range(steps + 1)]
    drawing.node("h0", (columns[0], _ROW_H), "$h_0$", kind="state", width=0.9)
    for step, column in enumerate(columns[1:], start=1):
        drawing.node(f"x{step}", (column, _ROW_X), f"$x_{step}$", kind="input", width=0.9)
        drawing.node(f"h{step}", (column, _ROW_H), f"$h_{step}$", kind="state", width=0.9)
        drawing.node(f"y{step}", (column, _ROW_Y), f"$y_{step}$", kind="output", width=0.9)
        drawing.node(f"L{step}", (column, _ROW_L), f"$L_{step}$", kind="loss", width=0.9)
    draw = _gradients_over_time if backward or truncate else _values_over_time
    draw(drawing, columns, truncate)
    return drawing


def _values_over_time(drawing: Diagram, columns: list[float], _) -> None:
    _note(drawing, (0.15, _ROW_L - 0.5), "the same\nweights at\nevery step", "left")
    for step, column in enumerate(columns[1:], start=1):
        for start, end, at, text in (
            (f"x{step}", f"h{step}", (column + 0.16, (_ROW_X + _ROW_H) / 2), "$W_x$"),
            (f"h{step}", f"y{step}", (column + 0.16, (_ROW_H + _ROW_Y) / 2), "$W_y$"),
        ):
            drawing.arrow(start, end).label(at, text, align="left")
        drawing.arrow(f"y{step}", f"L{step}").arrow(f"h{step - 1}", f"h{step}")
        drawing.label(((columns[step - 1] + column) / 2, _ROW_H + 0.32), "$W_h$")


def _gradients_over_time(drawing: Diagram, columns: list[float], truncate: int | None) -> None:
    steps = len(columns) - 1
    if truncate:
        _chunks(drawing, columns, truncate)
        _note(drawing, (0.15, _ROW_L - 0.5), "the state\ngoes on,\nthe gradient\nis cut", "left")
    for step, column in enumerate(columns[1:], start=1):
        for start, end, at, text in (
            (f"L{step}", f"y{step}", (_ROW_L + _ROW_Y) / 2, f"$dy_{step}$"),
            (f"y{step}", f"h{step}", (_ROW_Y + _ROW_H) / 2, f"$e_{step}$"),
            (f"h{step}", f"x{step}", (_ROW_H + _ROW_X) / 2 - 0.08, f"$dx_{step}$"),
        ):
            _both(drawing, start, end, 1, 0)
            drawing.label((column + _APART + 0.16, at), text, colour="gradient", align="left")
        middle = (columns[step - 1] + column) / 2
        if truncate and (step - 1) % truncate == 0:
            drawing.arrow(f"h{step - 1}", f"h{step}", shift=-_APART)
            _cut(drawing, f"h{step}", (middle, _ROW_H - _APART))
            continue
        _both(drawing, f"h{step}", f"h{step - 1}", 1, 0)
        drawing.label((middle, _ROW_H - 0.52), rf"$\delta_{step} W_h^{{\top}}$", colour="gradient")
    if not truncate:
        drawing.node("end", (columns[-1] + 1.2, _ROW_H), kind="point")
        drawing.arrow("end", f"h{steps}", kind="backward", shift=-_APART)
        drawing.label((columns[-1] + 0.85, _ROW_H - 0.5), "0", colour="gradient")


def _cut(drawing: Diagram, start: str, at: tuple[float, float]) -> None:
    """Draw the carry that stops short, with a bar across its way."""
    drawing.arrow(start, (at[0] + 0.04, at[1] + _APART), kind="backward", shift=-_APART, head=False)
    drawing.arrow((at[0], at[1] + 0.2), (at[0], at[1] - 0.2), colour="gradient", head=False)


def _chunks(drawing: Diagram, columns: list[float], truncate: int) -> None:
    for first in range(1, len(columns), truncate):
        last = min(first + truncate, len(columns)) - 1
        drawing.frame((columns[first] - 0.6, 0.06), (columns[last] + 0.96, 5.94))


def _shape(drawing: Diagram, at: tuple[float, float], text: str, align: str = "left") -> None:
    drawing.label(at, text, colour=_GREY, size=FONT, align=align)


def _note(drawing: Diagram, at: tuple[float, float], text: str, align: str = "centre") -> None:
    drawing.label(at, text, colour=_GREY, size=FONT, align=align)
