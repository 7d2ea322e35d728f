"""Tables as aligned text: the same on every machine, readable in a terminal, in a notebook and on a page."""

from __future__ import annotations

import numbers
import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np

from common import checks


def table(rows: Iterable[Sequence], headers: Sequence[str], *, digits: int = 3) -> str:
    """Return the rows as text, one line a row, under a line of headers.

    A column of numbers stands right-aligned, every other column left-aligned. Floats are written with
    `digits` significant figures, booleans as yes and no; a string is taken as it is, so a cell that needs
    another format brings its own. No line ends in a blank.

    Raises ValueError for a row whose length is not that of the headers.
    """
    digits = checks.positive_int("digits", digits)
    headers = [str(header) for header in headers]
    rows = [list(row) for row in rows]
    for number, row in enumerate(rows):
        if len(row) != len(headers):
            raise ValueError(f"rows: row {number} has {len(row)} entries, expected {len(headers)}")
    written = [[_write(entry, digits) for entry in row] for row in rows]
    right = [bool(rows) and all(_is_number(row[column]) for row in rows) for column in range(len(headers))]
    widths = [max(map(_width, column)) for column in zip(headers, *written, strict=True)]
    lines = [headers, ["─" * width for width in widths], *written]
    return "\n".join(
        "  ".join(_pad(entry, width, flag) for entry, width, flag in zip(line, widths, right, strict=True)).rstrip()
        for line in lines
    )


def at_most(x: float) -> str:
    """Return the size of a difference as text that holds on every processor: "≤ 1e-15" for 3e-16.

    x is rounded up to a power of ten, in the shortest digits of its own dtype, so that 1e-15 stays what it is; an exact
    zero is written "0". What differs by rounding alone changes its digits from one processor to the next: the tests of
    the notebooks let such a bound shrink, or grow by one power of ten.

    Raises TypeError for something that is not one real number, ValueError for a negative, infinite or undefined one.
    """
    value = x
    if getattr(x, "ndim", None) == 0 and not isinstance(x, np.generic):  # an array or a tensor of no axes
        value = x[()] if isinstance(x, np.ndarray) else x.item()
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"x: expected one number, such as np.abs(a - b).max(), got {type(x).__name__}")
    if not 0 <= value < float("inf"):
        raise ValueError(f"x: expected the size of a difference, finite and not negative, got {value}")
    if value == 0:
        return "0"
    digits, power = np.format_float_scientific(value, trim="-").split("e")
    return f"≤ 1e{int(power) + (digits != '1')}"


def _is_number(entry) -> bool:
    return isinstance(entry, numbers.Real) and not isinstance(entry, bool)


def _write(entry, digits: int) -> str:
    if entry is None:
        return "–"
    if isinstance(entry, bool) or type(entry).__name__ in ("bool_", "bool"):
        return "yes" if entry else "no"
    if isinstance(entry, numbers.Integral):
        return str(int(entry))
    if isinstance(entry, numbers.Real):
        return _significant(float(entry), digits)
    return str(entry)


def _significant(value: float, digits: int) -> str:
    """Write `value` with `digits` significant figures, keeping trailing zeros: 0.500 with 3 digits."""
    text = f"{value:#.{digits}g}"
    # '#' keeps the zeros but also leaves a bare point behind whole numbers: 123. for 123.4.
    return text[:-1] if text.endswith(".") else text.replace(".e", "e")


def _width(text: str) -> int:
    """Columns the text takes in a fixed-width font: a combining mark (as in x̂) takes none."""
    return sum(not unicodedata.combining(character) for character in text)


def _pad(text: str, width: int, right: bool) -> str:
    blanks = " " * (width - _width(text))
    return blanks + text if right else text + blanks
