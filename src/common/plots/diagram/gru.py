"""The GRU cell in both its variants, drawn stage by stage: forward and backward.

The tags are those of the notation page: GRU.1 to GRU.3 and the two equations of the variant forward, GRU.4 (stage 1),
GRU.5 and GRU.6 (stage 2), the variant's own (stage 3), GRU.7 to GRU.11 (stage 4) backward.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from common import checks
from common.plots.diagram.canvas import LABEL, Diagram
from common.plots.diagram.lstm import _both
from common.plots.diagram.rnn import _APART, _note, _shape
from common.plots.look import FONT

if TYPE_CHECKING:
    from collections.abc import Collection

    from matplotlib.figure import Figure

# Where things stand, the same in every stage and in both variants. The old state travels on the upper line, the
# candidate is made on the lower one, as in the plain cell, and rises at the right; the gates stand between them.
_IN, _X_UP, _BOX, _SQUASH, _GATE, _RIGHT_OF, _NEW, _OUT, _RIGHT = 0.66, 1.56, 2.6, 3.8, 4.82, 5.93, 7.0, 8.1, 9.85
_X, _W_N, _LOW, _R, _Z, _LINE = 0.92, 2.05, 3.1, 4.65, 6.25, 7.6
_TANH, _N = 4.1, 5.1
_U_N = 3.05
_FRAME = ((1.22, 1.42), (8.72, 8.2))
_TOP, _HEIGHT = 8.72, 9.12

_COMPLETE = 4
_RESETS = ("after", "before")


_MIX = r"$h_t = (1 - z_t) \odot n_t + z_t \odot h_{t-1}$"
_CANDIDATE = {
    "after": r"$n_t = \tanh(x_t W_n + b_n + r_t \odot m_t)$",
    "before": r"$n_t = \tanh(x_t W_n + b_n + q_t U_n)$",
}


def gru_cell(stage: int = _COMPLETE, reset: str = "after") -> Figure:
    """Draw one step of the GRU cell, built up in stages.

    stage  1  two states to choose from: the old one, h_{t-1}, and the candidate n_t, made as the plain cell does
           2  the update gate z mixes them
           3  the reset gate r: how much of the old state the candidate gets to see
           4  the complete cell, nothing marked, with the shapes
    reset  where r acts: "after" the product, on m_t = h_{t-1} U_n + c_n, or "before" it, on h_{t-1} itself
    """
    checks.one_of("stage", stage, (1, 2, 3, 4))
    checks.one_of("reset", reset, _RESETS)
    return _forward(stage, reset).draw()


def gru_cell_backward(stage: int = 4, reset: str = "after") -> Figure:
    """Draw the backward pass through one step of the GRU cell, built up in stages.

    stage  1  the two gradients that reach h_t are added: dh_t
           2  back through the mixture: δ_n and δ_z
           3  back through the reset: δ_r, and dm_t (after the product) or dq_t (before it)
           4  what the parameters get, and what leaves the cell: dx_t, and the carry to the step before in four parts
    reset  "after" or "before", as in `gru_cell`
    """
    checks.one_of("stage", stage, (1, 2, 3, 4))
    checks.one_of("reset", reset, _RESETS)
    return _backward(stage, reset).draw()


def gru_variants() -> Figure:
    """Draw the one part in which the two variants differ, side by side: where the reset gate multiplies."""
    return _variants().draw()


def _forward(stage: int, reset: str) -> Diagram:
    drawing = Diagram(10, _HEIGHT).frame(*_FRAME)
    _nodes(drawing, stage, reset)
    for start, end, via, when, colour, bridge in _wires(stage, reset):
        drawing.arrow(start, end, via=via, colour=colour, bridge=bridge, new=when == stage)
    title = ("keep $h_{t-1}$ or take $n_t$?", _MIX, _CANDIDATE[reset], _MIX)[stage - 1]
    drawing.label((0.2, _TOP), title, align="left", new=stage < _COMPLETE)
    if stage >= 3:
        _names(drawing, reset, new=stage == 3)
        _note(drawing, (_RIGHT, 0.34), f"reset {reset} the product", "right")
    if stage == _COMPLETE:
        _shapes(drawing, reset)
    return drawing


def _nodes(drawing: Diagram, stage: int, reset: str, faint: Collection[str] = ()) -> None:
    def node(name: str, at: tuple[float, float], text: str = "", *, when: int = 0, **look) -> None:
        if stage >= when:
            drawing.node(name, at, text, new=when == stage, faint=name in faint, **look)

    node("x", (4.4, _X), "$x_t$", kind="input")
    node("h_in", (_IN, _LINE), "$h_{t-1}$", kind="state", width=1.02)
    node("W_n", (_NEW, _W_N), r"$\cdot\,W_n + b_n$", kind="product", width=1.8, size=FONT + 4)
    if reset == "after":
        node("U_n", (_U_N, _LOW), r"$\cdot\,U_n + c_n$", kind="product", width=1.7, size=FONT + 4)
    else:
        node("U_n", (_RIGHT_OF, _LOW), r"$\cdot\,U_n$", kind="product", width=1.0)
    node("sum", (_NEW, _LOW), "+")
    node("tanh", (_NEW, _TANH), "tanh", width=1.06, size=FONT + 2, colour="n")
    node("n", (_NEW, _N), "$n_t$", kind="state", colour="n", width=0.86)
    for letter, row, when in (("z", _Z, 2), ("r", _R, 3)):
        node(
            f"W_{letter}",
            (_BOX, row),
            rf"$W_{letter}, U_{letter}$",
            kind="product",
            width=1.2,
            size=FONT + 4,
            when=when,
        )
        node(f"squash {letter}", (_SQUASH, row), r"$\sigma$", colour=letter, when=when)
        node(letter, (_GATE, row), f"${letter}_t$", kind="state", colour=letter, width=0.84, when=when)
    node("reset", (_GATE, _LOW), r"$\odot$", colour="r", when=3)
    node("keep", (_GATE, _LINE), r"$\odot$", colour="z", when=2)
    node("rest", (_RIGHT_OF, _Z), "$1-$", colour="z", width=0.8, when=2)
    node("write", (_NEW, _Z), r"$\odot$", colour="z", when=2)
    if stage == 1:
        node("mix", (_NEW, _LINE), "?", when=1)
    else:
        node("mix", (_NEW, _LINE), "+", when=2)
    node("h_out", (_OUT, _LINE), "$h_t$", kind="state")
    node("next", (_RIGHT, _LINE), kind="point")
    node("output", (_OUT, drawing.height - 0.1), kind="point")


def _wires(stage: int, reset: str) -> list[tuple]:
    """Return the arrows of this stage: (start, end, via, the stage that adds it, colour, whether it is a bridge)."""
    wires = [("x", "W_n", ((_NEW, _X),), 0, "x", False), ("W_n", "sum", (), 0, None, False)]
    for letter, row, when in (("z", _Z, 2), ("r", _R, 3)):
        left, apart = _BOX - 0.6, 0.25
        wires += [
            ("h_in", (left, row + apart), ((_IN, row + apart),), when, "h", False),
            ("x", (left, row - apart), ((_X_UP, _X), (_X_UP, row - apart)), when, "x", True),
            (f"W_{letter}", f"squash {letter}", (), when, None, False),
            (f"squash {letter}", letter, (), when, letter, False),
        ]
    down = ((_IN, _LOW),)
    path = [
        name for name in (("U_n", "reset") if reset == "after" else ("reset", "U_n")) if stage >= 3 or name == "U_n"
    ]
    wires.append(("h_in", path[0], down, 0, "h", False))
    for start, end in zip(path, [*path[1:], "sum"], strict=True):
        wires.append((start, end, (), 3 if start == "reset" else 0, None, False))
    wires += [("r", "reset", (), 3, "r", False), ("sum", "tanh", (), 0, None, False), ("tanh", "n", (), 0, "n", False)]
    if stage == 1:
        wires += [("h_in", "mix", (), 1, "h", False), ("n", "mix", (), 1, "n", False)]
    else:
        wires += [("h_in", "keep", (), 0, "h", False), ("keep", "mix", (), 0, "h", False)]
        wires += [("n", "write", (), 0, "n", False), ("write", "mix", (), 0, "n", False)]
    wires += [
        ("z", "keep", (), 2, "z", False),
        ("z", "rest", (), 2, "z", False),
        ("rest", "write", (), 2, "z", False),
        ("mix", "h_out", (), 0, "h", False),
        ("h_out", "next", (), 0, "h", False),
        ("h_out", "output", (), 0, "h", False),
    ]
    return [wire for wire in wires if stage >= wire[3]]


def _names(drawing: Diagram, reset: str, *, new: bool) -> None:
    """Write the values that only one of the variants has."""
    if reset == "after":
        drawing.label((4.22, _LOW + 0.62), "$m_t$", new=new)
        drawing.label((5.95, _LOW + 0.34), r"$r_t \odot m_t$", new=new)
    else:
        drawing.label((5.25, _LOW + 0.64), "$q_t$", new=new)


def _shapes(drawing: Diagram, reset: str) -> None:
    _shape(drawing, (4.4, _X - 0.52), "B × D", "centre")
    _shape(drawing, (_IN, _LINE + 0.5), "B × H", "centre")
    _shape(drawing, (_NEW - 1.02, _W_N), "D × H", "right")
    if reset == "after":
        _shape(drawing, (_U_N, _LOW - 0.56), "H × H", "centre")
    else:
        _shape(drawing, (_RIGHT_OF + 0.08, _LOW + 0.58), "H × H", "centre")
    for row in (_Z, _R):
        _shape(drawing, (_X_UP + 0.12, row - 0.74), "D × H, H × H")
    _note(drawing, (_OUT - 0.2, _TOP + 0.05), "to the output layer", "right")
    _note(drawing, (9.32, _LINE - 0.5), "to\nstep t+1")


# (start, end) of an arrow -> the stage in which the gradient runs back along it; all others in stage 4
_ANSWERED = {
    ("h_out", "next"): 1,
    ("h_out", "output"): 1,
    ("mix", "h_out"): 1,
    ("keep", "mix"): 2,
    ("write", "mix"): 2,
    ("z", "keep"): 2,
    ("z", "rest"): 2,
    ("rest", "write"): 2,
    ("n", "write"): 2,
    ("tanh", "n"): 2,
    ("sum", "tanh"): 2,
    ("squash z", "z"): 2,
    ("W_z", "squash z"): 2,
    ("U_n", "reset"): 3,
    ("reset", "sum"): 3,
    ("reset", "U_n"): 3,
    ("U_n", "sum"): 3,
    ("r", "reset"): 3,
    ("squash r", "r"): 3,
    ("W_r", "squash r"): 3,
}

_BACKWARD = {
    1: (r"$dh_t = e_t + $ the carry of step $t+1$",),
    2: (
        r"$\delta_n = dh_t \odot (1 - z_t) \odot (1 - n_t^2)$",
        r"$\delta_z = dh_t \odot (h_{t-1} - n_t) \odot z_t\,(1 - z_t)$",
    ),
    "after": (r"$dm_t = \delta_n \odot r_t$", r"$\delta_r = \delta_n \odot m_t \odot r_t\,(1 - r_t)$"),
    "before": (r"$dq_t = \delta_n U_n^{\top}$", r"$\delta_r = dq_t \odot h_{t-1} \odot r_t\,(1 - r_t)$"),
}
_CARRY = {
    "after": r"$dh_t \odot z_t + \delta_r U_r^{\top} + \delta_z U_z^{\top} + dm_t U_n^{\top}$",
    "before": r"$dh_t \odot z_t + \delta_r U_r^{\top} + \delta_z U_z^{\top} + dq_t \odot r_t$",
}


def _backward(stage: int, reset: str) -> Diagram:
    drawing = Diagram(10, _HEIGHT + 0.55).frame(*_FRAME)
    wires = _wires(_COMPLETE, reset)
    touched = {name for pair, when in _ANSWERED.items() if stage >= when for name in pair}
    faint = {name for wire in wires for name in wire[:2] if isinstance(name, str)} - touched
    _nodes(drawing, _COMPLETE, reset, faint=() if stage == _COMPLETE else faint)
    for start, end, via, *_ in wires:
        when = _ANSWERED.get((start, end), 4)
        if stage == when and _joins(start, end):
            drawing.arrow(start, end, via=via, faint=True, shift=-_APART)
            drawing.arrow(end, via[-1], kind="backward", shift=-_APART, head=False, new=True)
        else:
            _both(drawing, start, end, via, stage, when)
    equations = (_CARRY[reset],) if stage == 4 else _BACKWARD[reset if stage == 3 else stage]
    for row, equation in enumerate(equations):
        size = LABEL if stage == 1 else FONT + 2
        drawing.label((0.2, _TOP + 0.55 - 0.58 * row), equation, align="left", colour="gradient", size=size, new=True)
    if stage == 4:
        _note(drawing, (0.2, _TOP), "the carry to step t−1", "left")
    _note(drawing, (_RIGHT, 0.34), f"reset {reset} the product", "right")
    _gradients(drawing, stage, reset)
    return drawing


def _joins(start: str, end: str | tuple[float, float]) -> bool:
    """Say whether the gradient along this arrow flows into another one's, which goes on to the same place."""
    return isinstance(end, tuple) and (start == "h_in" or end[1] < _R)


def _gradients(drawing: Diagram, stage: int, reset: str) -> None:
    beside = _APART + 0.14

    def label(at: tuple[float, float], text: str, when: int, align: str = "centre", size: float = FONT + 2) -> None:
        if stage >= when:
            drawing.label(at, text, colour="gradient", align=align, size=size, new=stage == when)

    label((_OUT + beside, _TOP + 0.2), "$e_t$", 1, "left", LABEL)
    label((9.3, _LINE - 0.66), "carry\nof t+1", 1, size=FONT)
    label((7.5, _LINE - 0.58), "$dh_t$", 1)
    label((_NEW + beside, 5.68), r"$\odot\,(1 - z_t)$", 2, "left")
    label((_NEW - 0.64, 4.08), r"$\odot\,(1 - n_t^2)$", 2, "right", FONT + 1)
    label((_NEW + 0.42, 3.5), r"$\delta_n$", 2, "left")
    label((6.5, _Z + 0.52), r"$\odot\,n_t$", 2)
    label((_GATE + beside, 6.9), r"$\odot\,h_{t-1}$", 2, "left")
    label((3.34, _Z - 0.6), r"$\delta_z$", 2)
    label((3.34, _R + 0.6), r"$\delta_r$", 3)
    if reset == "after":
        label((4.3, _LOW - 0.56), "$dm_t$", 3)
        label((_GATE + beside, 3.67), r"$\odot\,m_t$", 3, "left")
        label((5.9, _LOW - 0.4), r"$\delta_n$", 3)
        label((1.86, _LOW - 1.42), r"$dU_n$ += $h_{t-1}^{\top} dm_t$", 4, "left")
        label((1.86, _LOW - 0.92), r"$dc_n$ += $\Sigma_B\,dm_t$", 4, "left")
    else:
        label((5.18, _LOW - 0.6), "$dq_t$", 3)
        label((_GATE + beside, 3.67), r"$\odot\,h_{t-1}$", 3, "left")
        label((3.9, _LOW - 1.1), r"$dU_n$ += $q_t^{\top} \delta_n$", 4, "left")
    label((1.86, _R - 0.8), r"$dU_r$ += $h_{t-1}^{\top} \delta_r$", 4, "left")
    label((1.5, _Z + 0.78), r"$dU_z$ += $h_{t-1}^{\top} \delta_z$", 4, "left")
    label((0.2, 0.34), r"$dx_t = \delta_t W_x^{\top}$", 4, "left")
    label((2.4, 0.34), r"$dW_x$ += $x_t^{\top} \delta_t$", 4, "left")
    label((4.8, 0.34), r"$db$ += $\Sigma_B\,\delta_t$", 4, "left")


def _variants() -> Diagram:
    drawing = Diagram(10, 4.3)
    row, above = 1.7, 3.0
    for left, reset, result in (
        (0.0, "after", r"$r_t \odot (h_{t-1} U_n + c_n)$"),
        (5.0, "before", r"$(r_t \odot h_{t-1})\,U_n$"),
    ):
        drawing.frame((left + 0.12, 0.12), (left + 4.88, 4.18), f"reset {reset} the product")
        path = [(f"h {reset}", 0.76), (f"first {reset}", 2.2), (f"second {reset}", 3.6), (f"end {reset}", 4.74)]
        (h_in, at), (first, _), (second, _), (end, stop) = path
        drawing.node(h_in, (left + at, row), "$h_{t-1}$", kind="state", width=0.98)
        gate, product = (second, first) if reset == "after" else (first, second)
        places = {name: left + place for name, place in path}
        drawing.node(gate, (places[gate], row), r"$\odot$", colour="r")
        text, width = (r"$\cdot\,U_n + c_n$", 1.3) if reset == "after" else (r"$\cdot\,U_n$", 1.06)
        drawing.node(product, (places[product], row), text, kind="product", width=width, size=FONT + 2)
        drawing.node(end, (left + stop, row), kind="point")
        drawing.node(f"r {reset}", (places[gate], above), "$r_t$", kind="state", colour="r", width=0.84)
        drawing.arrow(h_in, first).arrow(first, second).arrow(second, end)
        drawing.arrow(f"r {reset}", gate, colour="r")
        name = "$m_t$" if reset == "after" else "$q_t$"
        drawing.label((left + (3.09 if reset == "after" else 2.72), row + 0.62), name)
        drawing.label((left + 2.5, 0.66), result)
    return drawing
