"""The interactive LSTM figure in a browser: its numbers against NumPy's, the keyboard, what it says, how it looks.

On pages made here with random weights, and on every built page whose notebook uses `common.explorer`.
"""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from bs4 import BeautifulSoup

from common.cells import LSTM
from common.explorer.lstm_figure import page as figure
from common.layers import Linear
from tests.site import checks
from tests.site.conftest import ROOT, WIDE, documents

TOLERANCE = 1e-6
SMALL = {"width": 360, "height": 740}
SHELL = """<!DOCTYPE html><html lang="en" data-theme="{theme}"><head><meta charset="utf-8"><title>Made up</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<style>body {{ margin: 0 }} html[data-theme="dark"] body {{ background: #14151c; color: #dee0e9 }}</style></head>
<body><main><h1>Made up</h1>{body}</main></body></html>"""

# What a figure shows of its step: exact values, and the text of each.
READ = """figure => {
    const bars = box => [...box.querySelectorAll('.bar')].map(bar =>
        [bar.dataset.symbol ?? bar.dataset.name, Number(bar.dataset.value), bar.querySelector('.value').textContent]);
    return {
        step: Number(figure.dataset.step),
        sequence: [...figure.querySelectorAll('.symbol code')].map(symbol => symbol.textContent),
        current: [...figure.querySelectorAll('.symbol')].findIndex(symbol => symbol.ariaCurrent === 'step') + 1,
        units: [...figure.querySelectorAll('.unit')].map(bars),
        next: bars(figure.querySelector('.next')),
        said: figure.querySelector('.said').textContent,
    };
}"""
TABLES = "figure => [...figure.querySelectorAll('tr')].map(row => [...row.cells].map(cell => cell.textContent))"


def network(K: int, H: int, *, seed: int = 0, scale: float = 1.5) -> tuple[LSTM, Linear]:
    rng = np.random.default_rng(seed)
    cell, head = LSTM(K, H), Linear(H, K)
    for layer in (cell, head):
        for values in layer.params.values():
            values[...] = scale * rng.normal(size=values.shape)
    return cell, head


def html(cell=None, head=None, symbols="^ab$", text="^aabb$", *, theme="light", **options) -> str:
    if cell is None:
        cell, head = network(len(symbols), 3)
    body = figure(
        cell, head, symbols, text, **{"title": "A made-up network", "description": "It does little."} | options
    )
    return SHELL.format(theme=theme, body=body)


def by_numpy(model: dict, sequence: list[str]) -> list[dict[str, np.ndarray]]:
    """What `common.cells.LSTM` computes at each step with the weights that a page carries."""
    K, H = len(model["symbols"]), len(model["W_h"])
    cell = LSTM(K, H)
    cell.params = {name: np.array(model[name]) for name in ("W_x", "W_h", "b")}
    hs, _ = cell.forward(np.eye(K)[[model["symbols"].index(symbol) for symbol in sequence]][:, None])
    inside = {name: values[:, 0] for name, values in cell.gates().items()} | {"h": hs[:, 0]}
    inside["before"] = np.vstack([np.zeros(H), inside["c"][:-1]])
    y = hs[:, 0] @ np.array(model["W"]) + np.array(model["b_y"])
    inside["p"] = np.exp(y - y.max(axis=1, keepdims=True))
    inside["p"] /= inside["p"].sum(axis=1, keepdims=True)
    return [{name: values[t] for name, values in inside.items()} for t in range(len(sequence))]


def close(shown: float, wanted: float) -> bool:
    return abs(shown - wanted) <= TOLERANCE


def as_number(text: str) -> float:
    return float(text.replace("−", "-").removesuffix(" %"))


def is_rounded(text: str, value: float) -> bool:
    """Whether `text` is `value`, rounded to the digits that it has."""
    decimals = len(text.removesuffix(" %").partition(".")[2])
    assert decimals == (1 if text.endswith(" %") else 3 if abs(value) < 10 else 2)
    return abs(as_number(text) - value) <= 0.50001 * 10**-decimals


def compare(seen: dict, model: dict, sequence: list[str], step: int) -> None:
    """Every number that the figure shows at this step (from 1) is NumPy's, and its text is that number, rounded."""
    assert seen["sequence"] == sequence
    assert (seen["step"], seen["current"]) == (step, step)
    wanted = by_numpy(model, sequence)[step - 1]
    assert len(seen["units"]) == len(model["W_h"])
    for unit, bars in enumerate(seen["units"]):
        assert [name for name, _, _ in bars] == ["i", "f", "g", "o", "before", "c", "h"]
        for name, value, text in bars:
            assert close(value, wanted[name][unit]), (step, unit, name, value, wanted[name][unit])
            assert is_rounded(text, value), (name, text, value)
    assert [symbol for symbol, _, _ in seen["next"]] == model["symbols"]
    for k, (_, value, text) in enumerate(seen["next"]):
        assert close(value, wanted["p"][k]), (step, k, value, wanted["p"][k])
        assert is_rounded(text, 100 * value), (text, value)
    assert seen["said"].startswith(f"Step {step} of {len(sequence)}, input {sequence[step - 1]}.")


def compare_tables(page, model: dict, sequence: list[str]) -> None:
    """The tables of all steps hold NumPy's numbers, to three digits."""
    rows = page.locator(".lstm-explorer").evaluate(TABLES)
    H, steps = len(model["W_h"]), by_numpy(model, sequence)
    assert len(rows) == 1 + H * len(sequence) + 1 + len(sequence)
    for t, step in enumerate(steps):
        for unit in range(H):
            for text, name in zip(rows[1 + H * t + unit][-6:], "ifgoch", strict=True):
                assert is_rounded(text, step[name][unit]), (t + 1, unit + 1, name, text)
        number, symbol, *shown = rows[2 + H * len(sequence) + t]
        assert (number, symbol) == (str(t + 1), sequence[t])
        assert all(is_rounded(text, p) for text, p in zip(shown, step["p"], strict=True)), (t + 1, shown, step["p"])


def walk(page, model: dict, sequence: list[str]) -> None:
    """Step from the first symbol to the last by the keyboard, comparing all numbers."""
    shown = page.locator(".lstm-explorer")
    shown.locator(".symbol[aria-current]").focus()
    page.keyboard.press("Home")
    for step in range(1, len(sequence) + 1):
        compare(shown.evaluate(READ), model, sequence, step)
        page.keyboard.press("ArrowRight")
    compare(shown.evaluate(READ), model, sequence, len(sequence))  # there is no further step
    compare_tables(page, model, sequence)


@pytest.fixture
def opened(light, tmp_path):
    """Open made-up pages, and complain at the end about what the browser had to say."""
    visits = []

    def show(text: str, context=light):
        path = tmp_path / f"page{len(visits)}.html"
        path.write_text(text, encoding="utf-8")
        visit = checks.visited(context, path.as_uri())
        page, complaints = visit.__enter__()
        visits.append((visit, complaints))
        return page

    yield show
    for visit, complaints in visits:
        visit.__exit__(None, None, None)
        assert not complaints, complaints


def model_of(page) -> dict:
    return json.loads(page.locator(".lstm-explorer").get_attribute("data-model"))


def write(page, text: str) -> None:
    """Write a sequence into the field, by the keyboard."""
    page.get_by_label("or write one").focus()
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    page.keyboard.type(text)
    page.keyboard.press("Enter")


# ---- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("K", "H", "seed", "scale"),
    [(4, 1, 0, 1.5), (4, 2, 1, 1.5), (2, 3, 2, 0.3), (3, 4, 3, 3), (6, 5, 4, 1.5), (5, 6, 5, 1.5), (6, 8, 6, 1)],
)
def test_the_numbers_are_those_of_numpy(opened, K, H, seed, scale):
    symbols, rng = "^abcd$"[:K], np.random.default_rng(seed)
    sequences = ["".join(rng.choice(list(symbols), size)) for size in (9, 1, 14)]
    cell, head = network(K, H, seed=seed, scale=scale)
    page = opened(html(cell, head, symbols, sequences[0]))
    model = model_of(page)
    assert np.array_equal(np.array(model["W_h"]), cell.params["W_h"])
    walk(page, model, list(sequences[0]))
    for sequence in sequences[1:]:
        write(page, sequence)
        walk(page, model, list(sequence))


@pytest.mark.parametrize("scale", [1e3, 1e6, 1e300])
def test_weights_so_large_that_the_exponential_overflows(opened, scale):
    cell, head = network(4, 3, scale=scale)
    page = opened(html(cell, head))
    walk(page, model_of(page), list("^aabb$"))
    gates = [value for _, value, _ in page.locator(".lstm-explorer").evaluate(READ)["units"][0]][:4]
    assert {abs(value) for value in gates} <= {0.0, 1.0}, "not extreme: this tests nothing"


def test_a_cell_state_beyond_ten(opened):
    cell, head = network(2, 1)
    cell.params["b"][:] = [50, 50, -50, 50]  # c falls by 1 at each step
    for name in ("W_x", "W_h"):
        cell.params[name][:] = 0
    page = opened(html(cell, head, "ab", "ab" * 8))
    walk(page, model_of(page), list("ab" * 8))
    assert "falls from −15.00 to −16.00" in page.locator(".said").inner_text()


def test_the_comparison_would_notice(opened):
    """A number off by two millionths, at one step, of one unit."""
    page = opened(html())
    model = model_of(page)
    seen = page.locator(".lstm-explorer").evaluate(READ)
    compare(seen, model, list("^aabb$"), 1)
    seen["units"][2][3][1] += 2e-6
    with pytest.raises(AssertionError, match="'o'"):
        compare(seen, model, list("^aabb$"), 1)


def test_python_and_the_script_write_the_same_tables(opened):
    text = html()
    soup = BeautifulSoup(text, "html.parser")
    by_python = [[cell.text for cell in row.find_all(["th", "td"])] for row in soup.find_all("tr")]
    assert opened(text).locator(".lstm-explorer").evaluate(TABLES) == by_python


def test_the_charts_show_what_is_asked_for(opened):
    page = opened(html())
    steps = by_numpy(model_of(page), list("^aabb$"))
    charts = page.locator(".chart")
    choice = page.get_by_label("Small charts")
    assert choice.evaluate("select => [...select.options].map(option => option.value)") == list("chifgo")
    for name in "chifgo":
        choice.select_option(name)
        exact, heights = [], []
        for unit in range(3):
            wanted = [step[name][unit] for step in steps]
            label = charts.nth(unit).get_attribute("aria-label")
            numbers = [as_number(text) for text in re.findall(r"−?\d+\.\d{3}", label)]
            assert np.allclose(numbers, wanted, rtol=0, atol=0.0005001)
            exact += wanted
            heights += charts.nth(unit).locator("circle").evaluate_all("all => all.map(one => +one.getAttribute('cy'))")
        # All dots of all units stand on one scale, higher where the value is, and within the chart.
        slope, start = np.polyfit(exact, heights, 1)
        assert slope < 0
        assert np.allclose(np.polyval([slope, start], exact), heights, atol=1e-6)
        assert 0 <= min(heights) <= max(heights) <= charts.first.bounding_box()["height"]


def test_a_bar_is_as_long_as_its_number(opened):
    cell, head = network(4, 3)
    cell.params["b"][3:6] += 4  # forget less, so that c grows
    page = opened(html(cell, head))
    page.get_by_role("button", name="Step 4: b").click()
    largest = max(np.abs(step["c"]).max() for step in by_numpy(model_of(page), list("^aabb$")))
    assert largest > 1.5
    for name, value, left, width, track in page.eval_on_selector_all(
        ".bar",
        """all => all.map(bar => {
            const fill = bar.querySelector('.fill').getBoundingClientRect();
            const track = bar.querySelector('.track').getBoundingClientRect(), edge = 1;
            return [bar.dataset.name, Number(bar.dataset.value), fill.left - track.left - edge, fill.width,
                track.width - 2 * edge];
        })""",
    ):
        part = value / (largest if name in ("c", "before") else 1)
        if name in ("g", "before", "c", "h"):
            assert width == pytest.approx(abs(part) * track / 2, abs=0.1)
            assert left == pytest.approx(track / 2 + min(part, 0) * track / 2, abs=0.1)
        else:
            assert (left, width) == pytest.approx((0, part * track), abs=0.1)


# ---- stepping and changing -------------------------------------------------------------------------------------------


def tab_to(page, name: str) -> None:
    """Press Tab until the element of this name has the focus."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("e => (e = document.activeElement).ariaLabel || e.innerText.trim()") == name:
            return
    raise AssertionError(f"Tab does not reach {name!r}")


def test_everything_is_within_reach_of_the_keyboard_and_seen(opened):
    page = opened(html())
    stops = []
    for _ in range(40):
        page.keyboard.press("Tab")
        stop = page.evaluate(
            """() => {
                const e = document.activeElement, style = getComputedStyle(e);
                if (e === document.body) return null;
                const seen = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
                return [e.ariaLabel || e.labels?.[0]?.firstChild.textContent.trim() || e.innerText.trim(), seen];
            }"""
        )
        if stop is None:
            break
        stops.append(stop)
    names = [name.split("\n")[0] for name, _ in stops]
    assert names == [
        "Step 1: ^",  # one stop for the whole sequence; the arrow keys move within it
        *("Previous", "Play", "Next"),
        *(f"Append {symbol}" for symbol in "^ab$"),
        *("Delete last", "Reset", "or write one", "Read it"),
        "Small charts:",
        "All numbers, step by step",
    ]
    assert all(seen for _, seen in stops), "no visible focus"


@pytest.mark.parametrize("holder", ["Step 1: ^", "Next", "Append a"])
def test_arrow_keys_step_wherever_the_focus_is_in_the_figure(opened, holder):
    page = opened(html())
    shown = page.locator(".lstm-explorer")
    tab_to(page, holder)
    places = []
    keys = ["ArrowLeft", "ArrowRight", "ArrowRight", "ArrowLeft", "End", "ArrowRight", "Home", "Control+ArrowRight"]
    for key in keys:
        page.keyboard.press(key)
        places.append(int(shown.get_attribute("data-step")))
    assert places == [1, 2, 3, 2, 6, 6, 1, 1]
    if holder.startswith("Step"):
        page.keyboard.press("End")
        assert page.evaluate("document.activeElement.ariaLabel") == "Step 6: $", "the focus goes with the step"


def test_a_click_anywhere_gives_it_the_arrow_keys(opened):
    page = opened(html())
    shown = page.locator(".lstm-explorer")
    shown.locator("figcaption").click()
    page.keyboard.press("ArrowRight")
    assert shown.get_attribute("data-step") == "2"
    assert shown.evaluate("figure => getComputedStyle(figure).outlineStyle") == "solid"
    page.locator("h1").click()
    page.keyboard.press("ArrowRight")
    assert shown.get_attribute("data-step") == "2", "the page around it has its arrow keys back"


def test_arrow_keys_stay_with_the_field_the_choice_and_the_table(opened):
    page = opened(html())
    page.locator("details").evaluate("fold => { fold.open = true; }")
    for selector in ("input", "select", ".scroll"):
        page.locator(selector).first.focus()
        page.keyboard.press("ArrowRight")
        assert page.locator(".lstm-explorer").get_attribute("data-step") == "1", selector


def test_buttons_step_by_the_keyboard(opened):
    page = opened(html())
    shown = page.locator(".lstm-explorer")
    previous, following = page.get_by_role("button", name="Previous"), page.get_by_role("button", name="Next")
    assert previous.get_attribute("aria-disabled") == "true"
    following.focus()
    for step in range(2, 8):
        page.keyboard.press("Enter" if step % 2 else "Space")
        assert shown.get_attribute("data-step") == str(min(step, 6))
    assert following.get_attribute("aria-disabled") == "true"
    assert following.evaluate("button => button === document.activeElement"), "the focus is lost at the end"
    previous.focus()
    page.keyboard.press("Enter")
    assert shown.get_attribute("data-step") == "5"
    page.get_by_role("button", name="Step 2: a").click()
    assert shown.get_attribute("data-step") == "2"


def test_the_sequence_changes_by_buttons(opened):
    page = opened(html(text="^a"))
    model, shown = model_of(page), page.locator(".lstm-explorer")
    page.get_by_role("button", name="Append b").focus()
    page.keyboard.press("Enter")
    compare(shown.evaluate(READ), model, list("^ab"), 3)
    page.get_by_role("button", name="Append $").click()
    compare(shown.evaluate(READ), model, list("^ab$"), 4)
    compare_tables(page, model, list("^ab$"))
    assert page.get_by_label("or write one").input_value() == "^ab$"
    for left in ("^ab", "^a", "^"):
        page.get_by_role("button", name="Delete last").click()
        compare(shown.evaluate(READ), model, list(left), len(left))
    page.get_by_role("button", name="Delete last").click()
    compare(shown.evaluate(READ), model, ["^"], 1)
    assert page.get_by_role("alert").inner_text() == "The sequence needs at least one symbol."
    page.get_by_role("button", name="Reset").click()
    compare(shown.evaluate(READ), model, list("^a"), 1)
    assert not page.get_by_role("alert").inner_text()


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("^axb", "“x” at place 3 is no symbol of this network; it knows ^ a b $. The sequence stays as it was."),
        ("A", "“A” at place 1 is no symbol"),
        ("", "The sequence needs at least one symbol."),
        ("   ", "The sequence needs at least one symbol."),
        ("a" * 61, "The sequence may have at most 60 symbols."),
        ("<b>", "“<” at place 1 is no symbol"),
        ("😀", "“😀” at place 1 is no symbol"),
    ],
)
def test_a_wrong_sequence_is_refused_in_words(opened, text, answer):
    page = opened(html())
    write(page, text)
    assert page.get_by_role("alert").inner_text().startswith(answer)
    field = page.get_by_label("or write one")
    assert field.get_attribute("aria-invalid") == "true"
    described = field.get_attribute("aria-describedby")
    assert page.locator(f"#{described}").inner_text().startswith(answer)
    compare(page.locator(".lstm-explorer").evaluate(READ), model_of(page), list("^aabb$"), 1)
    write(page, " ^a b ")
    compare(page.locator(".lstm-explorer").evaluate(READ), model_of(page), list("^ab"), 1)
    assert field.get_attribute("aria-invalid") is None
    assert not page.get_by_role("alert").inner_text()


def test_sixty_steps_and_no_more(opened):
    page = opened(html())
    write(page, "^" + "ab" * 29 + "a")
    page.get_by_role("button", name="Append $").click()
    assert page.get_by_role("alert").inner_text() == "The sequence may have at most 60 symbols."
    assert page.locator(".symbol").count() == 60


def test_symbols_of_several_characters(opened):
    symbols = ["<on>", "&off", '"']
    page = opened(html(*network(3, 2), symbols, ["<on>", '"', "&off"]))
    model = model_of(page)
    walk(page, model, ["<on>", '"', "&off"])
    assert page.get_by_label("or write one").input_value() == '<on> " &off'
    write(page, '&off &off  "')
    walk(page, model, ["&off", "&off", '"'])
    write(page, "on")
    assert "with a space between two symbols" in page.get_by_role("alert").inner_text()


def test_it_says_what_happens(opened):
    """One unit, made by hand: an a adds about 1 to c, a b takes it away."""
    cell, head = network(2, 2)
    for values in (*cell.params.values(), *head.params.values()):
        values[...] = 0
    cell.params["b"][:] = [50, -50, 50, 50, 0, 0, -50, -50]  # unit 1 adds and keeps, unit 2 does neither
    cell.params["W_x"][:, 4] = [50, -50]
    page = opened(html(cell, head, "ab", "aab"))
    said = page.locator(".said")
    assert said.get_attribute("aria-live") == "polite"
    tab_to(page, "Next")
    page.keyboard.press("Enter")
    assert said.inner_text() == (
        "Step 2 of 3, input a. Unit 1 changes most: input gate 1.000, forget gate 1.000, candidate 1.000, output gate "
        "0.000; its cell state c rises from 1.000 to 2.000. c of unit 2 stays at 0.000. Next: a 50.0 %, b 50.0 %."
    )
    assert [note for note in page.locator(".note").all_inner_texts() if note] == ["← comes next here"]
    page.keyboard.press("Enter")
    assert "falls from 2.000 to 1.000" in said.inner_text()
    assert not any(page.locator(".note").all_inner_texts())


# ---- playing ---------------------------------------------------------------------------------------------------------


def test_it_plays_pauses_and_stops_at_the_end(opened):
    page = opened(html())
    page.clock.install()
    page.reload()
    shown, said = page.locator(".lstm-explorer"), page.locator(".said")
    play = page.get_by_role("button", name="Play")
    play.focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.innerText") == "Pause"
    assert said.get_attribute("aria-live") == "off"
    page.clock.run_for(2700)
    assert shown.get_attribute("data-step") == "3"
    page.keyboard.press("Enter")
    assert said.get_attribute("aria-live") == "polite"
    page.clock.run_for(5000)
    assert shown.get_attribute("data-step") == "3"
    page.keyboard.press("Enter")
    page.clock.run_for(20000)
    assert shown.get_attribute("data-step") == "6"
    assert page.evaluate("document.activeElement.innerText") == "Play"
    assert said.get_attribute("aria-live") == "polite"
    page.keyboard.press("Enter")
    assert shown.get_attribute("data-step") == "1", "from the end it starts anew"
    page.clock.run_for(1400)
    page.keyboard.press("ArrowLeft")
    page.clock.run_for(5000)
    assert shown.get_attribute("data-step") == "1", "stepping by hand pauses"
    write(page, "a")
    play.click()
    page.clock.run_for(5000)
    assert play.inner_text() == "Play"


def test_nothing_glides_for_a_reader_who_asked_for_rest(chromium, opened):
    durations = "getComputedStyle(document.querySelector('.lstm-explorer .fill')).transitionDuration"
    assert opened(html()).evaluate(durations) == "0s"
    context = chromium.new_context(reduced_motion="no-preference")
    try:
        with_motion = opened(html(), context)
        assert with_motion.evaluate(durations) == "0.25s, 0.25s"
        with_motion.wait_for_timeout(1500)
        assert with_motion.locator(".lstm-explorer").get_attribute("data-step") == "1", "it plays unasked"
    finally:
        context.close()


# ---- looks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_has_nothing_to_say(opened, theme):
    page = opened(html(theme=theme))
    ground = page.evaluate("getComputedStyle(document.querySelector('.lstm-explorer')).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (theme == "light")
    checks.open_all(page)
    write(page, "^x")  # with a message, and with a button that has nothing to do
    assert checks.axe_violations(page) == []


DARK_PLACES = {
    "JupyterLab": "document.body.setAttribute('data-jp-theme-light', 'false')",
    "Colab": "document.documentElement.setAttribute('theme', 'dark')",
    "Visual Studio Code": "document.body.classList.add('vscode-dark')",
}


@pytest.mark.parametrize("place", DARK_PLACES)
def test_it_is_dark_in_the_dark(opened, place):
    page = opened(html())
    page.evaluate(DARK_PLACES[place])
    assert page.evaluate("getComputedStyle(document.querySelector('.lstm-explorer')).color") == "rgb(226, 228, 236)"
    page.wait_for_timeout(300)
    assert checks.axe_violations(page, checks.COLOUR_RULES) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_is_drawn_is_seen(opened, theme):
    """Marks, bars and lines have a contrast of 3 with what is behind them (WCAG 1.4.11); the pink of o has an edge."""
    page = opened(html(theme=theme))
    colours = page.evaluate(
        """() => {
            const style = getComputedStyle(document.querySelector('.lstm-explorer'));
            const probe = document.createElement('span');
            document.body.append(probe);
            const rgb = name => {
                probe.style.color = style.getPropertyValue('--' + name);
                return getComputedStyle(probe).color.match(/[\\d.]+/g).map(Number);
            };
            return Object.fromEntries(['ground', 'raised', 'ink', 'quiet', 'edge', 'strong', 'i', 'f', 'g', 'o', 'c',
                'h', 'y'].map(name => [name, rgb(name)]));
        }"""
    )

    def luminance(rgb):
        parts = [v / 255 for v in rgb]
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(one, other):
        pair = sorted((luminance(colours[one]), luminance(colours[other])), reverse=True)
        return (pair[0] + 0.05) / (pair[1] + 0.05)

    for ground in ("ground", "raised"):
        for name in ("ink", "quiet"):
            assert contrast(name, ground) >= 4.5, (name, ground)
        for name in ("edge", "strong", "i", "f", "g", "c", "h", "y"):
            assert contrast(name, ground) >= 3, (name, ground, contrast(name, ground))
        assert contrast("o", ground) >= 2.5


@pytest.mark.parametrize(("K", "H", "steps"), [(4, 3, 6), (6, 8, 60), (2, 1, 1)])
@pytest.mark.parametrize("size", [SMALL, WIDE, {"width": 320, "height": 600}], ids=lambda size: size["width"])
def test_it_fits_the_screen(opened, K, H, steps, size):
    symbols = "^ab$WM"[:K]
    text = (symbols * 60)[:steps]
    page = opened(html(*network(K, H), symbols, text))
    page.set_viewport_size(size)
    checks.open_all(page)
    write(page, "?" + "W" * 40)
    assert checks.sideways(page) == []
    out = page.evaluate(
        """() => {
            const figure = document.querySelector('.lstm-explorer');
            const edge = figure.getBoundingClientRect();
            const faults = [];
            for (const e of figure.querySelectorAll('*')) {
                const box = e.getBoundingClientRect();
                if (!box.width || e.closest('.scroll > *, .unseen, style, script')) continue;
                if (box.right > edge.right - 1 || box.left < edge.left + 1) faults.push(e.outerHTML.slice(0, 80));
                const cuts = e.matches('.unit, .next, .bar, .value, .symbol, button, p, .note');
                if (cuts && e.scrollWidth > e.clientWidth + 1) faults.push('cut: ' + e.outerHTML.slice(0, 80));
            }
            return faults;
        }"""
    )
    assert out == []
    assert checks.stuck_for_the_keyboard(page) == []


# ---- where it stands -------------------------------------------------------------------------------------------------


def test_two_figures_on_a_page_know_nothing_of_each_other(opened):
    first = html(*network(4, 3, seed=1), text="^ab$", title="The first")
    second = figure(*network(2, 2, seed=2), "xy", "xyx", title="The second")
    page = opened(first.replace("</main>", f"{second}</main>"))
    figures = page.locator(".lstm-explorer")
    models = [json.loads(figures.nth(n).get_attribute("data-model")) for n in (0, 1)]
    figures.nth(1).get_by_role("button", name="Next").click()
    compare(figures.nth(0).evaluate(READ), models[0], list("^ab$"), 1)
    compare(figures.nth(1).evaluate(READ), models[1], list("xyx"), 2)
    assert page.locator(".stage").count() == 2
    assert checks.twice_used_ids(BeautifulSoup(page.content(), "html.parser")) == []
    assert checks.axe_violations(page) == []


def test_it_runs_in_a_frame_of_its_own(opened):
    """As in Colab: a sandboxed frame that may do nothing but run scripts."""
    page = opened(SHELL.format(theme="light", body='<iframe title="output" sandbox="allow-scripts"></iframe>'))
    page.locator("iframe").evaluate("(frame, text) => { frame.srcdoc = text; }", html())
    shown = page.frame_locator("iframe").locator(".lstm-explorer")
    shown.get_by_role("button", name="Next").click()
    model = json.loads(shown.get_attribute("data-model"))
    compare(shown.evaluate(READ), model, list("^aabb$"), 2)
    shown.get_by_label("or write one").fill("^ab")
    shown.get_by_role("button", name="Read it").click()
    compare(shown.evaluate(READ), model, list("^ab"), 1)


def test_it_runs_where_a_page_puts_it_in_later(opened):
    """As in JupyterLab: the HTML goes in as text, then every script is replaced by a copy, which runs. Twice."""
    page = opened(SHELL.format(theme="light", body='<div id="output"></div>'))
    for count in (1, 2):
        page.locator("#output").evaluate(
            """(output, text) => {
                output.insertAdjacentHTML('beforeend', text);
                const script = [...output.querySelectorAll('script')].at(-1), copy = document.createElement('script');
                copy.textContent = script.textContent;
                script.replaceWith(copy);
            }""",
            figure(*network(4, 3), "^ab$", "^aabb$", title=f"Number {count}"),
        )
        assert page.locator(".stage").count() == count
    page.locator(".lstm-explorer").nth(1).get_by_role("button", name="Next").click()
    assert [page.locator(".lstm-explorer").nth(n).get_attribute("data-step") for n in (0, 1)] == ["1", "2"]


def test_without_scripts_the_numbers_remain(chromium, tmp_path):
    context = chromium.new_context(java_script_enabled=False, viewport=SMALL)
    try:
        page = context.new_page()
        path = tmp_path / "page.html"
        path.write_text(html(), encoding="utf-8")
        page.goto(path.as_uri())
        assert page.get_by_text("the script of this figure did not run").is_visible()
        assert page.locator("figcaption").is_visible()
        assert page.locator("button").count() == 0
        page.locator("summary").click()
        assert page.locator("table.gates").is_visible()
        assert page.locator("table.gates tbody tr").count() == 6 * 3
    finally:
        context.close()


def test_the_text_for_readers_without_scripts_goes_when_it_runs(opened):
    assert opened(html()).locator(".waiting").count() == 0


# ---- on the pages of the book ----------------------------------------------------------------------------------------


def with_figure() -> list[str]:
    """The pages whose notebook shows the figure."""
    notebooks = {name: ROOT / f"{name}.ipynb" for name in documents()}
    return [
        name
        for name, path in notebooks.items()
        if path.exists() and "lstm-explorer" in path.read_text(encoding="utf-8")
    ]


def test_a_page_of_the_book_has_the_figure():
    assert with_figure(), "no notebook of the table of contents shows a figure of common.explorer"


@pytest.mark.parametrize("document", with_figure())
def test_the_page_of_the_book(light, site, document):
    with checks.visited(light, (site / f"{document}.html").as_uri()) as (page, complaints):
        shown = page.locator(".lstm-explorer")
        assert shown.count() == 1
        model = model_of(page)
        sequence = [model["symbols"][k] for k in model["sequence"]]
        walk(page, model, sequence)
        changed = [*reversed(sequence), *sequence][: model["longest"]]
        write(page, ("" if all(len(symbol) == 1 for symbol in model["symbols"]) else " ").join(changed))
        walk(page, model, changed)
        page.set_viewport_size(SMALL)
        page.wait_for_timeout(600)  # site.js looks again at what scrolls
        assert checks.sideways(page) == []
        page.evaluate("document.documentElement.dataset.theme = 'dark'")
        page.set_viewport_size(WIDE)
        checks.open_all(page)
        assert checks.axe_violations(page) == []
    assert not complaints, "\n".join(complaints)
