"""The drawings of the LSTM and GRU cells: sound, legible on a phone, one idea a stage, every arrow answered."""

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")
import matplotlib.pyplot as plt

from common import plots
from common.plots import COLOURS, diagram
from common.plots.diagram import gru, lstm
from common.plots.diagram.canvas import Diagram

PHONE = 360 / (plots.WIDTH * 72)  # CSS pixels on a phone for one point of a figure
RESETS = ("after", "before")


@pytest.fixture(autouse=True)
def look():
    with plots.style():
        yield
    plt.close("all")


FORWARD = {
    **{f"lstm_cell({stage})": lambda stage=stage: lstm._forward(stage) for stage in (1, 2, 3, 4, 5)},
    **{
        f"gru_cell({stage}, {reset})": lambda stage=stage, reset=reset: gru._forward(stage, reset)
        for stage in (1, 2, 3, 4)
        for reset in RESETS
    },
}
BACKWARD = {
    **{f"lstm_cell_backward({stage})": lambda stage=stage: lstm._backward(stage) for stage in (1, 2, 3, 4)},
    **{
        f"gru_cell_backward({stage}, {reset})": lambda stage=stage, reset=reset: gru._backward(stage, reset)
        for stage in (1, 2, 3, 4)
        for reset in RESETS
    },
}
OTHER = {
    **{
        f"lstm_unrolled({steps}, {backward})": lambda a=(steps, backward): lstm._unrolled(*a)
        for steps in (2, 3)
        for backward in (False, True)
    },
    "gru_variants()": lambda: gru._variants(),
}
DRAWINGS = {**FORWARD, **BACKWARD, **OTHER}
READY = {
    "lstm_cell()": diagram.lstm_cell,
    "lstm_cell_backward()": diagram.lstm_cell_backward,
    "lstm_unrolled()": diagram.lstm_unrolled,
    "gru_cell()": diagram.gru_cell,
    "gru_cell(before)": lambda: diagram.gru_cell(reset="before"),
    "gru_cell_backward()": diagram.gru_cell_backward,
    "gru_cell_backward(before)": lambda: diagram.gru_cell_backward(reset="before"),
    "gru_variants()": diagram.gru_variants,
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_has_no_fault(name):
    assert DRAWINGS[name]().faults() == []


@pytest.mark.parametrize("name", DRAWINGS)
def test_every_text_is_legible_on_a_phone(name):
    drawing = DRAWINGS[name]()
    sizes = [part.size for part in (*drawing._labels, *drawing._nodes.values()) if part.text]
    assert min(sizes) * PHONE >= 9


@pytest.mark.parametrize("name", READY)
def test_a_figure_is_white_and_of_the_book_s_width(name):
    fig = READY[name]()
    assert fig.get_figwidth() == pytest.approx(plots.WIDTH)
    assert mpl.colors.same_color(fig.get_facecolor(), "white")


@pytest.mark.parametrize("name", DRAWINGS)
def test_gates_and_states_have_the_colours_of_the_book(name):
    for node in DRAWINGS[name]()._nodes.values():
        letter = node.text.strip("$").split("_")[0]
        if node.kind in ("state", "memory", "input", "output") and not node.faint:
            assert mpl.colors.same_color(node.colour or _fill(node), COLOURS[letter]), node.text


def _fill(node):
    from common.plots.diagram.canvas import _KINDS

    return _KINDS[node.kind][0]


def marked(drawing):
    """The values, gates and operations that the marker pen shows to be new."""
    return {name for name, node in drawing._nodes.items() if node.new}


@pytest.mark.parametrize(
    ("draw", "new"),
    [
        (lambda: lstm._forward(1), {"c_in", "c_out", "plus", "g"}),
        (lambda: lstm._forward(2), {"squash i", "i", "write"}),
        (lambda: lstm._forward(3), {"squash o", "o", "read"}),
        (lambda: lstm._forward(4), {"squash f", "f", "forget"}),
        (lambda: lstm._forward(5), set()),
        *((lambda reset=reset: gru._forward(1, reset), {"mix"}) for reset in RESETS),
        *(
            (lambda reset=reset: gru._forward(2, reset), {"W_z", "squash z", "z", "keep", "rest", "write", "mix"})
            for reset in RESETS
        ),
        *((lambda reset=reset: gru._forward(3, reset), {"W_r", "squash r", "r", "reset"}) for reset in RESETS),
        *((lambda reset=reset: gru._forward(4, reset), set()) for reset in RESETS),
    ],
)
def test_a_stage_marks_what_it_adds_and_nothing_else(draw, new):
    assert marked(draw()) == new


@pytest.mark.parametrize(
    "draw", [lstm._forward, *(lambda stage, reset=reset: gru._forward(stage, reset) for reset in RESETS)]
)
def test_a_stage_keeps_what_stood_there_before_and_adds_to_it(draw):
    last = 5 if draw is lstm._forward else 4
    for stage in range(2, last + 1):
        before, now = draw(stage - 1), draw(stage)
        assert set(before._nodes) <= set(now._nodes)
        for name, node in before._nodes.items():
            np.testing.assert_array_equal(node.at, now._nodes[name].at)
        assert (len(now._nodes) > len(before._nodes)) == (stage < last)


@pytest.mark.parametrize("name", BACKWARD)
def test_the_gradient_arrows_grow_from_stage_to_stage_until_every_arrow_is_answered(name):
    drawing = BACKWARD[name]()
    forward = [arrow for arrow in drawing._arrows if not arrow.backward]
    backward = [arrow for arrow in drawing._arrows if arrow.backward]
    assert all(arrow.faint for arrow in forward)
    assert any(arrow.new for arrow in backward)
    assert (len(backward) == len(forward)) == ("(4" in name)
    assert any(node.faint for node in drawing._nodes.values()) == ("(4" not in name)


def test_over_two_steps_every_gradient_of_the_lstm_has_its_name():
    drawing = lstm._unrolled(2, True)
    names = [label.text.replace("\n", " ") for label in drawing._labels]
    expected = ["0", "0"]  # behind the last step
    for t in (1, 2):
        expected += [rf"$dc_{t} \odot f_{t}$", rf"$\delta_{t} W_h^{{\top}}$", f"$e_{t}$", f"$dc_{t}$", f"$dc_{t}$"]
        expected += [rf"$dc_{t}$ $\odot\,c_{t - 1}$", rf"$dh_{t}$ $\odot\,\mathrm{{tanh}}(c_{t})$"]
        expected += [rf"$dh_{t} \odot o_{t}$ $\odot\,\mathrm{{tanh}}'(c_{t})$"]
    assert sorted(names) == sorted(expected)
    # dc_t stands once for both of its arrows on the upper line.
    assert len([arrow for arrow in drawing._arrows if arrow.backward]) == len(expected) + 2


def test_every_arrow_of_the_complete_lstm_cell_has_a_stage_in_which_it_is_answered():
    assert {(start, end) for start, end, *_ in lstm._wires(5)} == set(lstm._ANSWERED)


def reach(wires, start):
    """The nodes that a value reaches over the arrows of a cell."""
    found, ahead = set(), [start]
    while ahead:
        place = ahead.pop()
        found.add(place)
        for begin, end, *_ in wires:
            box = {6.25: "W_z", 4.65: "W_r"}
            end = end if isinstance(end, str) else min(box.items(), key=lambda item: abs(item[0] - end[1]))[1]
            if begin == place and end not in found:
                ahead.append(end)
    return found


@pytest.mark.parametrize("reset", RESETS)
def test_the_reset_gate_stands_after_or_before_the_product(reset):
    pairs = {(start, end) for start, end, *_ in gru._wires(4, reset)}
    path = {
        "after": [("h_in", "U_n"), ("U_n", "reset"), ("reset", "sum")],
        "before": [("h_in", "reset"), ("reset", "U_n"), ("U_n", "sum")],
    }
    assert set(path[reset]) <= pairs
    assert pairs.isdisjoint(set(path[RESETS[reset == "after"]]) - set(path[reset]))
    texts = {label.text for label in gru._forward(4, reset)._labels}
    assert ("$m_t$" in texts, "$q_t$" in texts) == (reset == "after", reset == "before")


@pytest.mark.parametrize("wires", [lstm._wires(5), gru._wires(4, "after"), gru._wires(4, "before")])
def test_the_input_and_the_old_state_reach_every_gate_and_the_new_state(wires):
    gates = {end for _, end, *_ in wires if isinstance(end, str) and len(end) == 1}
    assert len(gates) in (3, 4)
    for start in ("x", "h_in"):
        assert gates | {"h_out"} <= reach(wires, start)


def test_a_bridge_interrupts_what_it_crosses_and_lies_above_it():
    def patches(bridge):
        drawing = Diagram(10, 4).arrow((1, 2), (9, 2)).arrow((5, 1), (5, 3), bridge=bridge)
        return sorted(drawing.draw().axes[0].patches, key=lambda patch: patch.get_zorder())

    plain, bridged = patches(False), patches(True)
    assert len(bridged) == len(plain) + 1
    gap, line, _head = bridged[-3:]
    assert gap.get_linewidth() > line.get_linewidth()
    assert gap.get_zorder() > max(patch.get_zorder() for patch in plain)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: diagram.lstm_cell(6), "stage: expected one of 1, 2, 3, 4, 5, got 6"),
        (lambda: diagram.lstm_cell_backward(5), "stage: expected one of 1, 2, 3, 4, got 5"),
        (lambda: diagram.lstm_unrolled(4), "steps: expected one of 2, 3, got 4"),
        (lambda: diagram.gru_cell(0), "stage: expected one of 1, 2, 3, 4, got 0"),
        (lambda: diagram.gru_cell(reset="between"), "reset: expected one of 'after', 'before', got 'between'"),
        (lambda: diagram.gru_cell_backward(5), "stage: expected one of 1, 2, 3, 4, got 5"),
        (lambda: diagram.gru_cell_backward(reset="b"), "reset: expected one of 'after', 'before', got 'b'"),
    ],
)
def test_bad_input_says_what_is_wrong(call, message):
    with pytest.raises(ValueError, match=message):
        call()
