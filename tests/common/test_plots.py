"""The figures: right look, right data, nothing cut off, nothing over anything else, legible on a phone."""

import types

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")
import matplotlib.pyplot as plt

from common import plots
from common.plots import diagram
from common.plots.diagram import rnn
from common.plots.diagram.canvas import Diagram

RNG = np.random.default_rng(0)
PHONE = 360 / (plots.WIDTH * 72)  # CSS pixels on a phone for one point of a figure


@pytest.fixture(autouse=True)
def look():
    with plots.style():
        yield
    plt.close("all")


def texts_of(fig):
    return [t for t in fig.findobj(mpl.text.Text) if t.get_visible() and t.get_text().strip()]


def cut_off(fig):
    """How far the ink reaches beyond the figure, in inches: (left, below, right, above), zeros when nothing does."""
    fig.draw_without_rendering()
    ink, (width, height) = fig.get_tightbbox(), fig.get_size_inches()
    return [max(0, round(float(side), 2)) for side in (-ink.x0, -ink.y0, ink.x1 - width, ink.y1 - height)]


def history(losses):
    return types.SimpleNamespace(steps=list(range(0, 10 * len(losses), 10)), losses=list(losses))


FIGURES = {
    "curves, one run": lambda: plots.learning_curves({"RNN": RNG.random(50) + 0.1}),
    "curves, seeds": lambda: plots.learning_curves(
        {"RNN": RNG.random((5, 50)) + 0.1, "LSTM": RNG.random((5, 50)) + 0.01}, baseline=1 / 6, smooth=5
    ),
    "curves, many names": lambda: plots.learning_curves(
        {f"a model with a long name, {k}": RNG.random(9) + 1 for k in range(5)}, baseline={"mean": 1.2, "last": 1.1}
    ),
    "curves, histories": lambda: plots.learning_curves({"RNN": [history(RNG.random(20) + 0.1) for _ in range(3)]}),
    "curves, linear": lambda: plots.learning_curves({"accuracy": RNG.random(20)}, log=False, ylabel="accuracy"),
    "gradient": lambda: plots.gradient_by_lag(
        {"RNN": np.exp(-np.arange(60.0)) * np.ones((3, 1)), "LSTM": np.ones(60)}, reference={"bound": np.ones(60)}
    ),
    "states": lambda: plots.states(np.tanh(RNG.standard_normal((40, 8))), title="one example"),
    "gates": lambda: plots.gates({letter: RNG.random((30, 5)) for letter in "ifgo"}),
    "gates of a GRU": lambda: plots.gates({letter: RNG.random((30, 5)) for letter in "rzn"}, lines=True),
}
DRAWINGS = {
    **{f"cell {stage}": lambda stage=stage: rnn._forward(stage) for stage in (1, 2, 3)},
    **{f"cell backward {stage}": lambda stage=stage: rnn._backward(stage) for stage in (1, 2, 3, 4)},
    **{
        f"unrolled {steps} {backward} {truncate}": lambda a=(steps, backward, truncate): rnn._unrolled(*a)
        for steps in (2, 3, 4)
        for backward, truncate in [(False, None), (True, None), *((True, k) for k in range(1, steps))]
    },
}
READY = {
    **{f"rnn_cell({stage})": lambda stage=stage: diagram.rnn_cell(stage) for stage in (1, 2, 3, 4)},
    **{f"rnn_cell_backward({stage})": lambda stage=stage: diagram.rnn_cell_backward(stage) for stage in (1, 2, 3, 4)},
    "rnn_unrolled()": lambda: diagram.rnn_unrolled(),
    "rnn_unrolled(truncate=2)": lambda: diagram.rnn_unrolled(4, backward=True, truncate=2),
}


@pytest.mark.parametrize("name", [*FIGURES, *READY])
def test_a_figure_is_white_of_the_book_s_width_with_nothing_cut_off_and_legible_on_a_phone(name):
    fig = {**FIGURES, **READY}[name]()
    assert fig.get_figwidth() == pytest.approx(plots.WIDTH)
    assert mpl.colors.same_color(fig.get_facecolor(), "white")
    assert cut_off(fig) == [0, 0, 0, 0]
    smallest = min(texts_of(fig), key=lambda text: text.get_fontsize())
    assert smallest.get_fontsize() * PHONE >= 9, smallest.get_text()


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_has_no_fault(name):
    assert DRAWINGS[name]().faults() == []


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda d: d.label((2.5, 1), "in the way"), "an arrow runs through 'in the way'"),
        (lambda d: d.label((9.9, 0.5), "too far right"), "'too far right' is cut off"),
        (lambda d: d.label((1, 1.1), "over"), "'over' lies over the node 'a'"),
        (lambda d: d.label((5, 2), "one").label((5.1, 2.05), "two"), "'one' lies over 'two'"),
        (lambda d: d.node("c", (2.5, 1), "c"), "an arrow runs through the node 'c'"),
        (lambda d: d.node("c", (7, 1), "much too long for it"), "spills over its node 'c'"),
        (lambda d: d.node("c", (0.3, 2), "c", new=True), "the node 'c' is cut off"),
    ],
)
def test_faults_of_a_drawing_are_found(spoil, message):
    sound = Diagram(10, 3).node("a", (1, 1), "a").node("b", (4, 1), "b").arrow("a", "b")
    assert sound.faults() == []
    spoil(sound)
    assert any(message in fault for fault in sound.faults()), sound.faults()


def test_arrows_end_at_the_edges_of_their_nodes_and_a_shift_goes_to_their_right():
    drawing = Diagram(10, 3).node("a", (1, 1), "a", width=1, height=1, kind="product").node("b", (4, 1), "b")
    drawing.arrow("a", "b").arrow("b", "a", kind="backward", shift=-0.1)
    forward, backward = (arrow.points for arrow in drawing._arrows)
    np.testing.assert_allclose(forward, [[1.5, 1], [3.7, 1]], atol=1e-6)
    assert (backward[:, 1] < 1).all()  # walking left, the right hand is above, and the shift is negative
    assert backward[0, 0] > backward[1, 0]


def test_an_arrow_around_corners_keeps_its_distance_when_shifted():
    drawing = Diagram(10, 5).arrow((1, 1), (4, 4), via=[(4, 1)], shift=0.5)
    np.testing.assert_allclose(drawing._arrows[0].points, [[1, 0.5], [4.5, 0.5], [4.5, 4]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Diagram(10, 3).node("a", (1, 1), kind="gate"), "kind: expected one of 'input'"),
        (lambda: Diagram(10, 3).node("a", (1, 1)).node("a", (2, 1)), "name: expected a name not used yet, got 'a'"),
        (lambda: Diagram(10, 3).node("a", (1, 1)).arrow("a", "b"), r"end: expected the name of a node \(a\), got 'b'"),
        (lambda: Diagram(10, 0), "height: expected units"),
        (lambda: diagram.rnn_cell(5), "stage: expected one of 1, 2, 3, 4, got 5"),
        (lambda: diagram.rnn_unrolled(9), "steps: expected one of 2, 3, 4, got 9"),
        (lambda: diagram.rnn_unrolled(3, truncate=3), "truncate: expected one of None, 1, 2, got 3"),
        (lambda: plots.learning_curves({}), "curves: expected a dict of at least one curve"),
        (lambda: plots.learning_curves({"RNN": np.ones((2, 3, 4))}), r"'RNN': expected shape \(steps,\) or"),
        (lambda: plots.learning_curves({"RNN": ([1, 2], np.ones(3))}), "'RNN': expected 3 step numbers"),
        (lambda: plots.gates({"q": np.ones((2, 2))}), "values: expected one of 'i'"),
        (lambda: plots.gates({}), "values: expected at least one gate"),
        (lambda: plots.states(np.ones(4)), r"hs: expected 2 axes \(T, H\), got 1"),
        (lambda: plots.log_ticks(plots.figure()[1], "z"), "axis: expected one of 'x', 'y', got 'z'"),
        (lambda: plots.figure(height=50), "height: expected inches"),
        (lambda: plots.table([[1, 2]], ["one"]), "row 0 has 2 entries, expected 1"),
    ],
)
def test_bad_input_says_what_is_wrong(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()


def test_a_learning_curve_shows_the_median_of_the_seeds_and_their_whole_range():
    losses = np.array([[3.0, 2.0, 1.0], [5.0, 3.0, 2.0], [4.0, 9.0, 0.5]])
    ax = plots.learning_curves({"RNN": losses}, baseline=2.5, log=False).axes[0]
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [4, 3, 1])
    band = ax.collections[0].get_paths()[0].vertices
    assert {(0, 3), (0, 5), (1, 2), (1, 9), (2, 0.5), (2, 2)} <= {tuple(point) for point in band}
    np.testing.assert_allclose(ax.lines[1].get_ydata(), 2.5)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["RNN", "baseline"]


def test_a_smoothed_curve_shows_no_step_before_it_happened():
    ax = plots.learning_curves({"RNN": np.array([4.0, 2.0, 0.0, 2.0])}, smooth=2, log=False).axes[0]
    np.testing.assert_allclose(ax.lines[0].get_xdata(), [1, 2, 3])
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [3, 1, 1])


def test_runs_of_different_length_are_drawn_as_far_as_the_shortest_goes():
    ax = plots.learning_curves({"RNN": [history([4.0, 3.0, 2.0]), history([2.0, 1.0])]}, log=False).axes[0]
    np.testing.assert_allclose(ax.lines[0].get_xdata(), [0, 10])
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [3, 2])


def test_a_gradient_of_zero_leaves_a_gap_and_does_not_pull_the_axis_down():
    ax = plots.gradient_by_lag({"RNN": np.array([1.0, 1e-3, 0.0])}).axes[0]
    assert np.isnan(ax.lines[0].get_ydata()[2])
    assert ax.get_ylim()[0] > 1e-5


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([0.16, 0.17], ["0.16", "0.17"]),
        ([0.012, 0.7], ["0.02", "0.05", "0.1", "0.2", "0.5"]),
        ([1e-7, 1.0], ["1e-6", "1e-4", "1e-2", "1"]),
        ([2.0, 900.0], ["2", "5", "10", "20", "50", "100", "200", "500"]),
        ([1.0, 1e7], ["1", "1e2", "1e4", "1e6"]),
    ],
)
def test_a_logarithmic_axis_has_labels_without_small_powers(values, labels):
    ax = plots.learning_curves({"RNN": np.array(values)}).axes[0]
    ax.figure.draw_without_rendering()
    low, high = ax.get_ylim()
    shown = [t.get_text() for t in ax.get_yticklabels() if low <= t.get_position()[1] <= high]
    assert [text for text in shown if text in labels] == labels
    assert not any("$" in text for text in shown)


def test_states_are_drawn_with_time_to_the_right_counted_from_one():
    hs = np.zeros((6, 3))
    hs[4, 1] = 0.75
    image = plots.states(hs).axes[0].images[0]
    assert image.get_array()[1, 4] == 0.75
    assert image.get_extent() == [0.5, 6.5, 3.5, 0.5]
    assert image.get_clim() == (-1, 1)


def test_style_sets_the_look_and_gives_the_old_one_back():
    with mpl.rc_context():
        mpl.rcParams["font.size"] = 3
        with plots.style():
            assert mpl.rcParams["font.size"] == 12
            assert mpl.rcParams["savefig.facecolor"] == "white"
        assert mpl.rcParams["font.size"] == 3


def test_every_colour_of_text_on_a_filled_node_has_enough_contrast():
    """WCAG 2.2: at least 4.5 to 1."""

    def luminance(colour):
        channels = np.array(mpl.colors.to_rgb(colour))
        return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4) @ (
            0.2126,
            0.7152,
            0.0722,
        )

    for colour in "ifgnorzhcxy":
        drawing = Diagram(3, 3).node("a", (1, 1), "a", kind="state", colour=colour)
        ax = drawing.draw().axes[0]
        dark, light = sorted((luminance(ax.patches[0].get_facecolor()), luminance(ax.texts[0].get_color())))
        assert (light + 0.05) / (dark + 0.05) >= 4.5, colour


def test_a_table_aligns_numbers_right_and_text_left():
    rows = [["ours", 1.2345, 3, True], ["x̂ of PyTorch", 0.5, 12, np.False_], ["none", 100.0, 7, None]]
    assert plots.table(rows, ["who", "time", "n", "ok"]).splitlines() == [
        "who            time   n  ok",
        "────────────  ─────  ──  ───",
        "ours           1.23   3  yes",
        "x̂ of PyTorch  0.500  12  no",
        "none            100   7  –",
    ]


def test_a_table_writes_significant_figures():
    table = plots.table([[1234567.0], [0.000012345], [1.0], [np.float32(0.1)]], ["v"], digits=2)
    assert [line.strip() for line in table.splitlines()[2:]] == ["1.2e+06", "1.2e-05", "1.0", "0.10"]
