"""The GRU cell in both its variants, drawn stage by stage: forward and backward.

The tags are those of the notation page: GRU.1 to GRU.3 and the two equations of the variant forward, GRU.4 (stage 1),
GRU.5 and GRU.6 (stage 2), the variant's own (stage 3), GRU.7 to GRU.11 (stage 4) backward.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from common import checks
from common.plots.diagram.canvas import Diagram
from common.plots.diagram.rnn import _note, _shape
from common.plots.look import FONT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Where things stand, the same in every stage and in both variants. The old state travels on the upper line, the
# candidate is made on the lower one, as in the plain cell, and rises at the right; the gates stand between them.
_IN, _X_UP, _BOX, _SQUASH, _GATE, _RIGHT_OF, _NEW, _OUT, _RIGHT = 0.66, 1.6, 2.5, 3.72, 4.8, 5.92, 7.0, 8.1, 9.85
_X, _W_N, _LOW, _R, _Z, _LINE = 0.44, 1.55, 2.6, 4.1, 5.4, 6.5
_TANH, _N = 3.5, 4.45
_U_N = 3.0
_FRAME = ((1.3, 0.96), (8.72, 7.08))
_TOP, _HEIGHT = 7.7, 8.1

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


def _forward(stage: int, reset: str) -> Diagram:
    drawing = Diagram(10, _HEIGHT).frame(*_FRAME)
    _nodes(drawing, stage, reset)
    for start, end, via, when, colour, bridge in _wires(stage, reset):
        drawing.arrow(start, end, via=via, colour=colour, bridge=bridge, new=when == stage)
    title = ("keep $h_{t-1}$ or take $n_t$?", _MIX, _CANDIDATE[reset], _MIX)[stage - 1]
    drawing.label((0.2, _TOP), title, align="left", new=stage < _COMPLETE)
    if stage >= 3:
        _names(drawing, reset, new=stage == 3)
        _note(drawing, (8.56, _X + 0.06), f"reset {reset}\nthe product")
    if stage == _COMPLETE:
        _shapes(drawing, reset)
    return drawing


def _nodes(drawing: Diagram, stage: int, reset: str) -> None:
    def node(name: str, at: tuple[float, float], text: str = "", *, when: int = 0, **look) -> None:
        if stage >= when:
            drawing.node(name, at, text, new=when == stage, **look)

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
    node("output", (_OUT, _HEIGHT - 0.1), kind="point")


def _wires(stage: int, reset: str) -> list[tuple]:
    """Return the arrows of this stage: (start, end, via, the stage that adds it, colour, whether it is a bridge)."""
    wires = [("x", "W_n", ((_NEW, _X),), 0, None, False), ("W_n", "sum", (), 0, None, False)]
    for letter, row, when in (("z", _Z, 2), ("r", _R, 3)):
        left = _BOX - 0.6
        wires += [
            ("h_in", (left, row + 0.18), ((_IN, row + 0.18),), when, "h", False),
            ("x", (left, row - 0.18), ((_X_UP, _X), (_X_UP, row - 0.18)), when, "x", True),
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
    wires += [
        ("h_in", "keep", (), 2, "h", False),
        ("keep", "mix", (), 2, "h", False),
        ("z", "keep", (), 2, "z", False),
        ("z", "rest", (), 2, "z", False),
        ("rest", "write", (), 2, "z", False),
        ("n", "write", (), 2, "n", False),
        ("write", "mix", (), 2, "n", False),
        ("mix", "h_out", (), 0, "h", False),
        ("h_out", "next", (), 0, "h", False),
        ("h_out", "output", (), 0, "h", False),
    ]
    return [wire for wire in wires if stage >= wire[3]]


def _names(drawing: Diagram, reset: str, *, new: bool) -> None:
    """Write the values that only one of the variants has."""
    if reset == "after":
        drawing.label((4.17, _LOW + 0.56), "$m_t$", new=new)
        drawing.label((5.95, _LOW + 0.34), r"$r_t \odot m_t$", new=new)
    else:
        drawing.label((5.25, _LOW + 0.64), "$q_t$", new=new)


def _shapes(drawing: Diagram, reset: str) -> None:
    _shape(drawing, (5.02, _X + 0.26), "B × D")
    _shape(drawing, (_IN, _LINE + 0.5), "B × H", "centre")
    _shape(drawing, (_NEW - 1.02, _W_N), "D × H", "right")
    if reset == "after":
        _shape(drawing, (_U_N, _LOW - 0.56), "H × H", "centre")
    else:
        _shape(drawing, (_RIGHT_OF + 0.08, _LOW + 0.58), "H × H", "centre")
    for row in (_Z, _R):
        _shape(drawing, (_X_UP + 0.12, row - 0.63), "D × H, H × H")
    _note(drawing, (_OUT - 0.2, _TOP + 0.05), "to the output layer", "right")
    _note(drawing, (9.32, _LINE - 0.5), "to\nstep t+1")
