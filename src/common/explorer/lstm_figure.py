"""The interactive figure of an LSTM over symbols: one piece of HTML with its style, its weights and its script.

It loads nothing, so it works on the site (opened from a file too), in JupyterLab and in Colab, where an output stands
in a frame of its own. Where no script runs (GitHub, print, a notebook that is not trusted) the description and the
table of all steps remain: Python writes both for the first sequence, and the script rewrites the table.
"""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common import checks
from common.cells import LSTM
from common.layers import Linear

if TYPE_CHECKING:
    from IPython.display import HTML

MAX_UNITS = 8
MAX_SYMBOLS = 6
MAX_STEPS = 60
MAX_LETTERS = 8  # of a symbol
GATES = LSTM.gate_names
INSIDE = (*GATES, "c", "h")  # the columns of the table
COLOURS = (*INSIDE, "y")


def lstm(
    cell: LSTM, head: Linear, symbols: Sequence[str], text: Sequence[str], *, title: str, description: str = ""
) -> HTML:
    """Return a figure in which a reader steps an LSTM through a sequence of symbols and changes the sequence.

    cell         `common.cells.LSTM` that reads one-hot vectors: K inputs (at most 6), H units (at most 8)
    head         `common.layers.Linear`, H to K: its softmax over h_t is the prediction of the next symbol
    symbols      the K symbols in the order of the one-hot vectors: different strings of 1 to 8 characters, no spaces
    text         the first sequence, 1 to 60 symbols: a string if every symbol is one character, else a list of symbols
    title        what the figure is, in a few words; also its name for screen readers
    description  what there is to see, in a sentence or two: shown under the title, before a general description

    The weights travel as they are (a float64 keeps all its digits); the page computes in float64 too. A later change of
    `cell` or `head` changes nothing in the figure. The numbers are those of LSTM.1 to LSTM.7 from a state of zeros.

    Raises TypeError for arguments of another type, ValueError for sizes that do not fit or weights that are not finite.
    """
    from IPython.display import HTML

    return HTML(page(cell, head, symbols, text, title=title, description=description))


def page(
    cell: LSTM, head: Linear, symbols: Sequence[str], text: Sequence[str], *, title: str, description: str = ""
) -> str:
    """The figure of `lstm` as a string of HTML."""
    _check_network(cell, head)
    symbols = _check_symbols(symbols, cell.input_size)
    sequence = _check_text(text, symbols)
    for name, value in (("title", title), ("description", description)):
        if not isinstance(value, str):
            raise TypeError(f"{name}: expected a string, got {type(value).__name__}")
    if not title.strip():
        raise ValueError("title: expected a few words, got an empty string")
    weights = _weights(cell, head)
    model = {
        "symbols": symbols,
        "sequence": sequence,
        "longest": MAX_STEPS,
        **{name: values.tolist() for name, values in weights.items()},
    }
    steps = _run(weights, sequence)
    drawn = (" " if max(map(len, symbols)) > 1 else "").join(symbols[k] for k in sequence)
    alternative = (
        f"An LSTM with {cell.hidden_size} {'units' if cell.hidden_size > 1 else 'unit'} reads the sequence "
        f"<code>{html.escape(drawn)}</code> one symbol at a time. For every step and unit there is a bar for each of "
        "the gates i, f and o (between 0 and 1), the candidate g and the hidden state h (between −1 and 1) and the "
        "cell state c before and after the step; then the probability of each symbol to be the next. The buttons and "
        "the arrow keys ← and → step through the sequence, which can be changed. A sentence says what happens at the "
        "step, and the tables at the end hold the numbers of all steps."
    )
    described = f"<p>{html.escape(description)}</p>\n" if description.strip() else ""
    return (
        f'<figure class="lstm-explorer tex2jax_ignore mathjax_ignore" aria-label="{html.escape(title)}" '
        f'data-lm-suppress-shortcuts="true" data-model="{_attribute(model)}">\n'
        f"<style>\n{_colours()}{_file('lstm.css')}</style>\n"
        f'<figcaption>\n<p class="title"><strong>{html.escape(title)}</strong></p>\n{described}'
        f"<p>{alternative}</p>\n</figcaption>\n"
        '<p class="waiting">No buttons here? Then the script of this figure did not run: run this cell, trust the '
        "notebook, or open the page of the book. The table below holds the numbers of the first sequence.</p>\n"
        f"<details>\n<summary>All numbers, step by step</summary>\n{_tables(symbols, sequence, steps)}</details>\n"
        f"<script>\n{_file('lstm.js')}</script>\n</figure>"
    )


# ---- the arguments ---------------------------------------------------------------------------------------------------


def _check_network(cell: LSTM, head: Linear) -> None:
    if not isinstance(cell, LSTM):
        raise TypeError(f"cell: expected a common.cells.LSTM, got {type(cell).__name__}")
    if not isinstance(head, Linear):
        raise TypeError(f"head: expected a common.layers.Linear, got {type(head).__name__}")
    if cell.hidden_size > MAX_UNITS:
        raise ValueError(f"cell: expected at most {MAX_UNITS} units to look at, got {cell.hidden_size}")
    if (head.input_size, head.output_size) != (cell.hidden_size, cell.input_size):
        raise ValueError(
            f"head: expected a layer from {cell.hidden_size} (the units) to {cell.input_size} (the symbols), "
            f"got one from {head.input_size} to {head.output_size}"
        )
    for owner, layer in (("cell", cell), ("head", head)):
        for name, values in layer.params.items():
            checks.array(f'{owner}.params["{name}"]', values)


def _check_symbols(symbols: Sequence[str], count: int) -> list[str]:
    if not isinstance(symbols, Sequence) or not all(isinstance(symbol, str) for symbol in symbols):
        raise TypeError(f"symbols: expected a sequence of strings, got {symbols!r}")
    symbols = list(symbols)
    if len(symbols) != count:
        raise ValueError(f"symbols: expected {count}, one for each input of the cell, got {len(symbols)}")
    if not 2 <= count <= MAX_SYMBOLS:
        raise ValueError(f"symbols: expected 2 to {MAX_SYMBOLS}, got {count}")
    for symbol in symbols:
        if not 1 <= len(symbol) <= MAX_LETTERS or any(c.isspace() or not c.isprintable() for c in symbol):
            raise ValueError(f"symbols: expected 1 to {MAX_LETTERS} printable characters without a space: {symbol!r}")
    if len(set(symbols)) < count:
        raise ValueError(f"symbols: expected different symbols, got {symbols!r}")
    return symbols


def _check_text(text: Sequence[str], symbols: list[str]) -> list[int]:
    """The sequence as indices of symbols."""
    if isinstance(text, str) and any(len(symbol) > 1 for symbol in symbols):
        raise TypeError("text: expected a list of symbols, got a string; some symbols have several characters")
    if not isinstance(text, Sequence) or not all(isinstance(symbol, str) for symbol in text):
        raise TypeError(f"text: expected a string or a sequence of symbols, got {text!r}")
    if not 1 <= len(text) <= MAX_STEPS:
        raise ValueError(f"text: expected 1 to {MAX_STEPS} symbols, got {len(text)}")
    for place, symbol in enumerate(text):
        if symbol not in symbols:
            raise ValueError(f"text: expected symbols among {symbols!r}, got {symbol!r} at position {place}")
    return [symbols.index(symbol) for symbol in text]


# ---- the numbers -----------------------------------------------------------------------------------------------------


def _weights(cell: LSTM, head: Linear) -> dict[str, np.ndarray]:
    """All weights in float64, zeros for a bias that is not there; `W` and `b_y` belong to the head."""
    H, K = cell.hidden_size, cell.input_size
    return {
        "W_x": cell.params["W_x"].astype(np.float64),
        "W_h": cell.params["W_h"].astype(np.float64),
        "b": cell.params.get("b", np.zeros(4 * H)).astype(np.float64),
        "W": head.params["W"].astype(np.float64),
        "b_y": head.params.get("b", np.zeros(K)).astype(np.float64),
    }


def _run(weights: dict[str, np.ndarray], sequence: list[int]) -> dict[str, np.ndarray]:
    """What happens at each step: i, f, g, o, c and h (T, H), and p (T, K), the probabilities of the next symbol."""
    K, H = weights["W_x"].shape[0], weights["W_h"].shape[0]
    cell = LSTM(K, H)  # a fresh one: the caller's keeps what its last forward pass left for backward
    cell.params = {name: weights[name] for name in ("W_x", "W_h", "b")}
    hs, _ = cell.forward(np.eye(K)[sequence][:, None])
    y = hs[:, 0] @ weights["W"] + weights["b_y"]
    p = np.exp(y - y.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    return {**{name: values[:, 0] for name, values in cell.gates().items()}, "h": hs[:, 0], "p": p}


# ---- the text --------------------------------------------------------------------------------------------------------


def _tables(symbols: list[str], sequence: list[int], steps: dict[str, np.ndarray]) -> str:
    """Two tables of all steps, as the script writes them too: the cell, and the predictions."""
    H = steps["c"].shape[1]
    heads = "".join(f'<th scope="col">{name}</th>' for name in ("step", "input", "unit", *INSIDE))
    groups = []
    for t, k in enumerate(sequence):
        first = f'<th scope="rowgroup" rowspan="{H}">{t + 1}</th><td rowspan="{H}">{_code(symbols[k])}</td>'
        rows = []
        for unit in range(H):
            numbers = "".join(f"<td>{_number(steps[name][t, unit])}</td>" for name in INSIDE)
            rows.append(f'<tr>{"" if unit else first}<th scope="row">{unit + 1}</th>{numbers}</tr>')
        groups.append(f"<tbody>{''.join(rows)}</tbody>")
    cell = _table("gates", "Gates and states", heads, "\n".join(groups))
    heads = "".join(f'<th scope="col">{name}</th>' for name in ("step", "input", *map(_code, symbols)))
    rows = []
    for t, k in enumerate(sequence):
        numbers = "".join(f"<td>{_number(p)}</td>" for p in steps["p"][t])
        rows.append(f'<tr><th scope="row">{t + 1}</th><td>{_code(symbols[k])}</td>{numbers}</tr>')
    return cell + _table(
        "predictions", "Probability of each symbol as the next one", heads, f"<tbody>{''.join(rows)}</tbody>"
    )


def _table(name: str, caption: str, heads: str, body: str) -> str:
    return (
        f'<div class="scroll" role="region" aria-label="{caption}" tabindex="0"><table class="{name}">'
        f"<caption>{caption}</caption>\n<thead><tr>{heads}</tr></thead>\n{body}</table></div>\n"
    )


def _code(symbol: str) -> str:
    return f"<code>{html.escape(symbol)}</code>"


def _number(value: float) -> str:
    """Three digits after the point (two from 10 on), with a real minus sign, and no minus before a zero."""
    text = f"{value:.{3 if abs(value) < 10 else 2}f}"
    return "0.000" if text == "-0.000" else text.replace("-", "−")


def _attribute(model: dict) -> str:
    """JSON for an attribute in double quotes. Finite by `_check_network`; repr keeps every digit of a float64."""
    return html.escape(json.dumps(model, ensure_ascii=False, allow_nan=False, separators=(",", ":")))


def _colours() -> str:
    from common.plots.look import COLOURS as book  # not at the top: it loads matplotlib

    return f".lstm-explorer {{ {' '.join(f'--{name}: {book[name]};' for name in COLOURS)} }}\n"


def _file(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")
