"""How the tests run: threads, the order of the files, and the comparison of notebook outputs.

This file stands at the root because pytest must read it for `notebooks/` too. Notebooks run under strict nbval; two
outputs are equal when their texts are equal with the numbers blanked and their numbers are close:

- whole numbers (a shape, a count) must be equal, also at the end of a sentence and in thousands (1,000); a version
  such as 2.13.0 is text;
- other numbers may differ by 0.001 of the larger one, or by 1e-12, which is what "zero up to rounding" comes to in
  float64: a parity of 1e-16 may become 3e-16, but not 1e-6;
- a bound, as `common.tables.at_most` writes it (≤ 1e-15, or "at most 1e-15"), may become smaller, or larger by one
  power of ten; a 0 in its place and a bound of 1e-12 or less are the same, both ways;
- a cell that needs more says so by a tag, `rtol-0.05` or `atol-1e-8`; rtol then holds for its whole numbers too;
- runs of spaces count as one, and so do the lines under a table's headers, since a number that changes its sign or
  its length moves its neighbours;
- standard error, images and HTML are not compared.
"""

from __future__ import annotations

import math
import os
import re
from itertools import zip_longest
from pathlib import Path

import pytest
from nbval.plugin import IPyNbCell

from tools import environment

# Before any test module imports NumPy. Workers and kernels inherit it.
environment.prepare(os.environ)

RTOL = 1e-3
ATOL = 1e-12
NOT_COMPARED = ("stderr", "text/html", "image/svg+xml")
DURATIONS = "book/durations"  # in pytest's cache: seconds a file took the last time

TOKEN = re.compile(
    r"""(?P<version>(?<![\d.])\d+(?:\.\d+){2,})
      | (?P<bound>(?:≤|at\ most)\ (?:1e[-+]?\d+|0)(?![\d.eE]))
      | (?P<number>[-+−]?(?:\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)""",
    re.VERBOSE,
)
ARRAY = re.compile(r"[-+−\d.,eE\sinfa]*")  # what stands in an array before one of its numbers
RULE = re.compile(r"([-=─━═])\1{2,}")
BLANK = "\x00"  # stands for a number; nobody prints it


class Output(str):
    """A piece of text output that equals another one if the texts agree and the numbers are close."""

    rtol: float | None
    atol: float

    def __new__(cls, text: str, rtol: float | None = None, atol: float = ATOL) -> Output:
        self = super().__new__(cls, text)
        self.rtol, self.atol = rtol, atol
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and not self.difference(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__

    def difference(self, other: str) -> str:
        """What makes `other` (the new output) differ from this one (the stored output); empty if nothing does."""
        (mine, were), (theirs, are) = _read(self), _read(other)
        if mine != theirs:
            pairs = zip_longest(mine.splitlines(), theirs.splitlines())
            line = next((i for i, (a, b) in enumerate(pairs, 1) if a != b), 0)
            return f"the texts differ, first in line {line}"
        for i, (a, b) in enumerate(zip(were, are, strict=True), 1):
            if not self.close(a, b):
                return f"number {i} was {a} and is {b}{self._why_not(a, b)}"
        return ""

    def close(self, a: str, b: str) -> bool:
        """Whether two numbers, as printed, count as equal; `a` is the stored one."""
        if _is_bound(a) or _is_bound(b):
            return self._bound_holds(a, b)
        if self._exact(a, b):
            return _value(a) == _value(b)
        if math.isinf(_value(a)) or math.isinf(_value(b)):  # such as 1e999: digits, but no float
            return a == b
        return math.isclose(_value(a), _value(b), rel_tol=self.rtol or RTOL, abs_tol=self.atol)

    def _bound_holds(self, a: str, b: str) -> bool:
        """Whether the bound `b` may stand where `a` stood; either may be a 0 instead."""
        if not all(_is_bound(text) or text == "0" for text in (a, b)):
            return False
        before, now = _power(a), _power(b)
        if -math.inf in (before, now):
            return before == now or 10.0 ** max(before, now) <= self.atol
        return now <= before + 1

    def _exact(self, a: str, b: str) -> bool:
        """Two whole numbers in a cell that asked for nothing else; 1e5 and the 3. of an array were computed."""
        return self.rtol is None and not set(".eE") & set(a + b)

    def _why_not(self, a: str, b: str) -> str:
        if _is_bound(a) or _is_bound(b):
            return f"; a bound may grow by one power of ten, and be 0 up to {self.atol:g}"
        change = abs(_value(b) - _value(a)) / max(abs(_value(a)), abs(_value(b)))
        allowed = "whole numbers must be equal" if self._exact(a, b) else f"allowed {self.rtol or RTOL:g}"
        return f", a relative change of {change:.2g}; {allowed}"


def _read(text: str) -> tuple[str, list[str]]:
    """The text without its numbers, and without the spaces and lines that align them; the numbers, as printed."""
    kept, numbers, at = [], [], 0
    for found in TOKEN.finditer(text):
        if found.lastgroup == "version":
            continue
        end = found.end()
        if found[0].endswith(".") and not _in_array(text, found):
            end -= 1  # a full stop
        kept.append(text[at : found.start()])
        numbers.append(text[found.start() : end])
        at = end
    lines = (" ".join(RULE.sub(r"\1", line).split()) for line in BLANK.join([*kept, text[at:]]).splitlines())
    return "\n".join(re.sub(rf"\s*{BLANK}", BLANK, line) for line in lines).rstrip("\n"), numbers


def _in_array(text: str, found: re.Match) -> bool:
    """Whether a number that ends in a point is an array's, as in [1. 2.] or tensor(3.); Python's own floats have 3.0.

    What stands between the last bracket and the number tells: only numbers do in an array.
    """
    if text[found.end() : found.end() + 1] == ")" and re.search(r"[a-z]\($", text[: found.start()]):
        return True
    bracket = text.rfind("[", 0, found.start())
    return bracket >= 0 and ARRAY.fullmatch(text, bracket + 1, found.start()) is not None


def _is_bound(number: str) -> bool:
    return number.startswith(("≤", "at most"))


def _power(bound: str) -> float:
    """The power of ten of a bound; that of 0 is minus infinity."""
    last = bound.split()[-1]
    return -math.inf if last == "0" else int(last.removeprefix("1e"))


def _value(number: str) -> float:
    plain = number.replace(",", "").replace("−", "-")
    return float(plain) if set(".eE") & set(plain) else int(plain)


def _tolerance(tags: list[str], name: str) -> float | None:
    """The number in a tag such as rtol-0.05, or None where there is none."""
    found = [tag[len(name) + 1 :] for tag in tags if tag.startswith(f"{name}-")]
    try:
        return float(found[0]) if found else None
    except ValueError:  # a test of the notebooks' form complains about the tag
        return None


def pytest_collectstart(collector: pytest.Collector) -> None:
    if collector.path.suffix == ".ipynb" and hasattr(collector, "skip_compare"):
        collector.skip_compare += NOT_COMPARED


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give each notebook cell the tolerant comparison: nbval sends every text through `sanitize` and uses ==."""
    if not isinstance(item, IPyNbCell):
        return
    tags = item.cell.metadata.get("tags", [])
    rtol, atol = _tolerance(tags, "rtol"), _tolerance(tags, "atol")

    def sanitize(text: object) -> object:
        return Output(text, rtol, ATOL if atol is None else atol) if isinstance(text, str) else text

    item.sanitize = sanitize


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """In a failure, say which number or line differs before the two outputs are shown."""
    if op != "==" or not isinstance(left, Output) or not isinstance(right, str):
        return None
    shown = [f"stored: {line}" for line in left.splitlines()] + [f"now:    {line}" for line in right.splitlines()]
    return [left.difference(right), *shown[:60]]


# Order: the longest file first, so that no worker starts it when all the others are done.


def pytest_configure(config: pytest.Config) -> None:
    config.option.loadscopereorder = False  # xdist would put the file with the most tests first


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    last = config.cache.get(DURATIONS, {}) if getattr(config, "cache", None) else {}
    expected = {path: _expected(path, last.get(_name(path, config))) for path in {item.path for item in items}}
    items.sort(key=lambda item: (-expected[item.path], str(item.path)))  # stable: a file's tests keep their order


def _expected(path: Path, last: float | None) -> float:
    """Seconds a file will take: what it took the last time, else a guess (frameworks are slow, so are notebooks)."""
    if last is not None:
        return last
    if path.suffix != ".ipynb":
        return 10.0 if path.parent.name == "site" else 1.0
    text = path.read_text(encoding="utf-8")
    return 40.0 if "keras" in text else 30.0 if "torch" in text else 20.0


def _name(path: Path, config: pytest.Config) -> str:
    return os.path.relpath(path, config.rootpath)


# At the end: what each notebook took. Nothing is asserted about time.


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    seconds: dict[str, float] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if hasattr(report, "duration") and hasattr(report, "nodeid"):
                file = report.nodeid.split("::")[0]
                seconds[file] = seconds.get(file, 0.0) + report.duration
    if getattr(config, "cache", None) and seconds:
        config.cache.set(DURATIONS, {**config.cache.get(DURATIONS, {}), **{f: round(s, 2) for f, s in seconds.items()}})
    notebooks = {file: s for file, s in seconds.items() if file.endswith(".ipynb")}
    if notebooks:
        terminalreporter.section("seconds a notebook took")
        for file, s in sorted(notebooks.items(), key=lambda pair: -pair[1]):
            terminalreporter.line(f"{s:6.1f}  {file}{'  (over 60)' if s > 60 else ''}")
        if (config.rootpath / "tests" / "notebooks" / "form.py").exists():
            from tests.notebooks import form

            counts = [form.comparison(page) for page in form.pages()]
            printing, compared = sum(n for n, _ in counts), sum(k for _, k in counts)
            terminalreporter.line(f"{compared} of {printing} cells that print are compared, in all notebooks")
