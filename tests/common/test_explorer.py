"""common.explorer as text: what the HTML holds, what is refused. tests/site/test_explorer.py runs it in a browser."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from bs4 import BeautifulSoup
from IPython.display import HTML

import common.explorer
from common.cells import GRU, LSTM
from common.explorer.lstm_figure import MAX_STEPS, page
from common.layers import Linear
from tests.notebooks.form import EQUATION, pages

FOLDER = Path(common.explorer.__file__).parent
SCRIPT = (FOLDER / "lstm.js").read_text(encoding="utf-8")
STYLE = (FOLDER / "lstm.css").read_text(encoding="utf-8")


def network(K=4, H=3, *, seed=0, **options):
    rng = np.random.default_rng(seed)
    cell, head = LSTM(K, H, rng=rng, **options), Linear(H, K, rng=rng)
    for layer in (cell, head):
        for values in layer.params.values():
            values[...] = rng.normal(size=values.shape)
    return cell, head


def made(cell=None, head=None, symbols="^ab$", text="^aabb$", **options) -> BeautifulSoup:
    if cell is None:
        cell, head = network(len(symbols))
    return BeautifulSoup(page(cell, head, symbols, text, **{"title": "A title", **options}), "html.parser")


def model(soup: BeautifulSoup) -> dict:
    return json.loads(soup.figure["data-model"])


# ---- what the figure holds -------------------------------------------------------------------------------------------


def test_it_is_one_output_of_html():
    cell, head = network()
    shown = common.explorer.lstm(cell, head, "^ab$", "^ab$", title="A title")
    assert isinstance(shown, HTML)
    assert shown.data == page(cell, head, "^ab$", "^ab$", title="A title")
    assert re.fullmatch(r"<figure\b.*</figure>", shown.data, re.DOTALL)


def test_it_loads_nothing():
    soup = made()
    for tag in soup.find_all(True):
        for name in ("src", "href", "srcset", "data", "action", "poster", "background"):
            assert name not in tag.attrs, tag
        assert not [name for name in tag.attrs if name.startswith("on")], "a handler that a strict policy refuses"
    assert [tag.name for tag in soup.find_all(["script", "style"])] == ["style", "script"]
    assert not re.search(r"url\(|@import", STYLE)
    # The one address is the name of SVG's namespace, which nobody fetches.
    assert set(re.findall(r"\w+://[^\s\"']+", SCRIPT)) == {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize(
    "forbidden",
    [r"\beval\b", r"new Function", r"\bimport\b", r"\bfetch\b", "XMLHttp", r"[sS]torage", "cookie", r"innerHTML"],
)
def test_the_script_keeps_to_itself(forbidden):
    code = re.sub(r"/\*.*?\*/|// .*", "", SCRIPT, flags=re.DOTALL)
    assert not re.search(forbidden, code)


def test_script_and_style_end_where_they_should():
    assert "</" not in SCRIPT
    assert "<" not in STYLE
    assert made().script.string.strip() == SCRIPT.strip()
    assert made().style.string.strip().endswith(STYLE.strip())


def test_every_equation_of_the_step_has_its_line():
    comments = [tag for line in SCRIPT.splitlines() for tag in EQUATION.findall(line.partition("//")[2])]
    assert comments == [f"LSTM.{n}" for n in range(1, 8)]


def test_the_tags_are_balanced():
    text = page(*network(), "^ab$", "^aabb$", title="A title")
    text = re.sub(r"<(script|style)>.*?</\1>", "", text, flags=re.DOTALL)
    open_tags = []
    for end, name in re.findall(r"<(/?)([a-z]+)\b[^>]*>", text):
        if not end:
            open_tags.append(name)
        else:
            assert open_tags.pop() == name
    assert not open_tags


def test_it_has_no_ids_so_that_two_stand_on_one_page():
    assert not made().find_all(id=True)


def test_it_has_the_colours_of_the_book():
    from common.plots.look import COLOURS

    style = made().style.string
    for name, key in {**{name: name for name in "ifgoch"}, "y": "y"}.items():
        assert re.search(rf"--{name}: {COLOURS[key]};", style)
    assert "}" in style[: style.index(STYLE)], "before the palette for the dark, which replaces some of them"


def test_mathjax_leaves_the_dollar_signs_alone():
    classes = made().figure["class"]
    assert {"tex2jax_ignore", "mathjax_ignore"} <= set(classes)


def test_the_packages_carry_script_and_style():
    settings = tomllib.loads((FOLDER.parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = settings["tool"]["setuptools"]["package-data"]["common"]
    files = {path for pattern in patterns for path in FOLDER.parent.glob(pattern)}
    assert {FOLDER / "lstm.js", FOLDER / "lstm.css"} <= files


def stored() -> dict[str, list[BeautifulSoup]]:
    """The figures in the stored notebooks, by the notebook's name."""
    found = {}
    for book_page in pages():
        data = [output.get("data", {}).get("text/html", "") for cell in book_page.code for output in cell.outputs]
        if figures := [BeautifulSoup(text, "html.parser") for text in data if "lstm-explorer" in text]:
            found[book_page.name] = figures
    return found


def test_a_notebook_shows_it_with_todays_script_and_style():
    """What stands in a notebook was written when it last ran: `make refresh NOTEBOOK=…` brings it up to date."""
    assert stored(), "no notebook shows the figure"
    for name, figures in stored().items():
        for soup in figures:
            assert soup.script.string.strip() == SCRIPT.strip(), f"{name}: another script, refresh it"
            assert soup.style.string.strip().endswith(STYLE.strip()), f"{name}: another style, refresh it"
            assert model(soup)["longest"] == MAX_STEPS


# ---- the weights -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e9, 1e300])
def test_no_digit_of_a_weight_is_lost(scale):
    cell, head = network()
    for values in (*cell.params.values(), *head.params.values()):
        values *= scale
    with np.errstate(over="ignore", invalid="ignore"):
        found = model(made(cell, head))
    for name, values in {**cell.params, "W": head.params["W"], "b_y": head.params["b"]}.items():
        assert np.array_equal(np.array(found[name]), values), name
    assert found["symbols"] == list("^ab$")
    assert found["sequence"] == [0, 1, 1, 2, 2, 3]


def test_a_network_without_biases_has_zeros():
    cell, head = LSTM(2, 3, bias=False, rng=0), Linear(3, 2, bias=False, rng=0)
    found = model(made(cell, head, "ab", "ab"))
    assert found["b"] == [0] * 12
    assert found["b_y"] == [0] * 2


def test_float32_weights_are_shown_as_they_are():
    cell, head = LSTM(2, 3, dtype=np.float32, rng=0), Linear(3, 2, dtype=np.float32, rng=0)
    found = model(made(cell, head, "ab", "ab"))
    assert np.array_equal(np.array(found["W_x"], np.float32), cell.params["W_x"])


def test_the_network_stays_as_it_was():
    cell, head = network()
    x = np.eye(4)[[0, 1, 2]][:, None]
    hs, _ = cell.forward(x)
    head.forward(hs)
    before = {name: values.copy() for name, values in cell.params.items()}
    made(cell, head)
    cell.backward(head.backward(np.ones((3, 1, 4))))
    assert cell.grads["W_x"].shape == (4, 12)
    assert all(np.array_equal(values, before[name]) for name, values in cell.params.items())


# ---- the text that reads without the script --------------------------------------------------------------------------


def rows(soup: BeautifulSoup, name: str) -> list[list[str]]:
    found = soup.select(f"table.{name} tbody tr")
    return [[cell.text for cell in row.find_all(["td", "th"])] for row in found]


def test_the_tables_hold_the_numbers_of_the_cell():
    cell, head = network()
    soup = made(cell, head)
    hs, _ = cell.forward(np.eye(4)[[0, 1, 1, 2, 2, 3]][:, None])
    inside = {**cell.gates(), "h": hs}
    y = hs[:, 0] @ head.params["W"] + head.params["b"]
    p = np.exp(y) / np.exp(y).sum(axis=1, keepdims=True)
    gates, predictions = rows(soup, "gates"), rows(soup, "predictions")
    assert len(gates) == 6 * 3
    assert len(predictions) == 6
    for t in range(6):
        for unit in range(3):
            *place, _, _, _, _, _, _ = gates[3 * t + unit]
            assert place == ([str(t + 1), "^aabb$"[t]] if unit == 0 else []) + [str(unit + 1)]
            shown = [float(text.replace("−", "-")) for text in gates[3 * t + unit][-6:]]
            assert np.allclose(shown, [inside[name][t, 0, unit] for name in "ifgoch"], rtol=0, atol=5.001e-4)
        assert predictions[t][:2] == [str(t + 1), "^aabb$"[t]]
        assert np.allclose([float(text) for text in predictions[t][2:]], p[t], rtol=0, atol=5.001e-4)


def test_tables_have_names_heads_and_a_place_for_the_keyboard():
    soup = made()
    for table in soup.find_all("table"):
        assert table.caption.text
        assert table.parent["tabindex"] == "0"
        assert table.parent["aria-label"] == table.caption.text
        heads = [cell.text for cell in table.thead.find_all("th", scope="col")]
        assert heads[:2] == ["step", "input"]
    assert heads[2:] == list("^ab$")
    assert [cell.text for cell in soup.select("table.gates thead th")][2:] == ["unit", *"ifgoch"]


def test_a_minus_is_a_minus_and_zero_has_none():
    cell, head = network(2, 1)
    for values in (*cell.params.values(), *head.params.values()):
        values[...] = 0
    cell.params["b"][:] = [0, 0, -1e-5, 0]  # g is -0.00001
    first = rows(made(cell, head, "ab", "a"), "gates")[0]
    assert first[3:] == ["0.500", "0.500", "0.000", "0.500", "0.000", "0.000"]
    cell.params["b"][:] = [50, 0, -50, 0]
    assert rows(made(cell, head, "ab", "a"), "gates")[0][-2] == "−1.000"


def test_extreme_weights_give_numbers():
    cell, head = network()
    for values in (*cell.params.values(), *head.params.values()):
        values *= 1e6
    text = made(cell, head).find("details").text
    assert "nan" not in text
    assert "inf" not in text


def test_the_caption_names_and_describes():
    soup = made(title="A <counter>", description="One unit & its state.")
    assert soup.figure["aria-label"] == "A <counter>"
    paragraphs = [p.text for p in soup.figcaption.find_all("p")]
    assert paragraphs[:2] == ["A <counter>", "One unit & its state."]
    assert "3 units" in paragraphs[2]
    assert soup.figcaption.code.text == "^aabb$"
    assert len(made().figcaption.find_all("p")) == 2
    assert soup.select_one(".waiting")
    cell, head = network(2, 1)
    assert "1 unit reads" in made(cell, head, "ab", "ab").figcaption.text


@pytest.mark.parametrize("symbols", [["<", "&"], ["</script>"[:8], "-->"], ['"', "'"], ["</b>", "<!--"], ["é", "😀"]])
def test_symbols_are_text_whatever_they_look_like(symbols):
    cell, head = network(2)
    soup = made(
        cell, head, symbols, [*symbols, symbols[1]], title='"</script><script>', description="</figure><script>"
    )
    assert len(soup.find_all("script")) == 1
    assert len(soup.find_all("figure")) == 1
    assert model(soup)["symbols"] == symbols
    assert [row[1] for row in rows(soup, "predictions")] == [*symbols, symbols[1]]
    assert soup.script.string.strip() == SCRIPT.strip()


# ---- what is refused -------------------------------------------------------------------------------------------------


def refused(error, match, *, K=4, H=3, symbols="^ab$", text="^ab$", spoil=lambda cell, head: (cell, head), **options):
    cell, head = spoil(*network(K, H))
    with pytest.raises(error, match=match):
        common.explorer.lstm(cell, head, symbols, text, **{"title": "A title", **options})


def test_other_networks_are_refused():
    refused(TypeError, "cell: expected a common.cells.LSTM, got GRU", spoil=lambda c, h: (GRU(4, 3), h))
    refused(TypeError, "head: expected a common.layers.Linear, got LSTM", spoil=lambda c, h: (c, c))
    refused(ValueError, "cell: expected at most 8 units", H=9)
    refused(
        ValueError,
        "head: expected a layer from 3 .* to 4 .*, got one from 3 to 5",
        spoil=lambda c, h: (c, Linear(3, 5)),
    )
    refused(
        ValueError,
        "head: expected a layer from 3 .* to 4 .*, got one from 2 to 4",
        spoil=lambda c, h: (c, Linear(2, 4)),
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["W_x", "W_h", "b", "W"])
def test_weights_that_are_no_numbers_are_refused(bad, where):
    def spoil(cell, head):
        (head if where == "W" else cell).params[where].flat[1] = bad
        return cell, head

    refused(ValueError, f'params\\["{where}"\\]: expected finite numbers', spoil=spoil)


@pytest.mark.parametrize(
    ("symbols", "error", "match"),
    [
        ("ab$", ValueError, "symbols: expected 4, one for each input of the cell, got 3"),
        ("aab$", ValueError, "symbols: expected different"),
        (["^", "a b", "b", "$"], ValueError, "without a space: 'a b'"),
        (["^", "", "b", "$"], ValueError, "1 to 8 printable"),
        (["^", "a\u200b", "b", "$"], ValueError, "printable"),
        (["^", "a" * 9, "b", "$"], ValueError, "1 to 8 printable"),
        ([0, 1, 2, 3], TypeError, "symbols: expected a sequence of strings"),
        ({"^", "a", "b", "$"}, TypeError, "symbols: expected a sequence of strings"),
    ],
)
def test_symbols_are_checked(symbols, error, match):
    refused(error, match, symbols=symbols)


@pytest.mark.parametrize("K", [1, 7])
def test_the_number_of_symbols_is_checked(K):
    refused(ValueError, "symbols: expected 2 to 6", K=K, symbols="abcdefg"[:K], text="a")


@pytest.mark.parametrize(
    ("text", "error", "match"),
    [
        ("", ValueError, "text: expected 1 to 60 symbols, got 0"),
        ("a" * 61, ValueError, "text: expected 1 to 60 symbols, got 61"),
        ("^ax", ValueError, "got 'x' at position 2"),
        ("^a b", ValueError, "got ' ' at position 2"),
        ([1, 2], TypeError, "text: expected a string or a sequence of symbols"),
        (7, TypeError, "text: expected a string or a sequence of symbols"),
    ],
)
def test_the_sequence_is_checked(text, error, match):
    refused(error, match, text=text)


def test_a_string_is_no_list_of_long_symbols():
    refused(TypeError, "text: expected a list of symbols", K=2, symbols=["on", "off"], text="onoff")
    assert model(made(*network(2), ["on", "off"], ["off", "on"]))["sequence"] == [1, 0]


def test_title_and_description_are_checked():
    refused(ValueError, "title: expected a few words", title="  ")
    refused(TypeError, "title: expected a string, got int", title=3)
    refused(TypeError, "description: expected a string, got NoneType", description=None)
