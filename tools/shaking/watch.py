"""A plugin of pytest, for tools/shake.py: writes down what nbval compares, and lets every comparison pass.

One line of JSON for each pair of texts and one for each failure goes to the file named by SHAKE_RECORD.
"""

from __future__ import annotations

import json
import os
import re

import pytest
from nbval.plugin import IPyNbCell


class Watched:
    """A text as nbval handles it; `stored != now` writes both down and never says that they differ."""

    def __init__(self, text: str, cell: IPyNbCell):
        self.text, self.cell = text, cell

    def __ne__(self, now: object) -> bool:
        lines = self.cell.cell.source.splitlines()
        _note(
            cell=self.cell.cell_num,
            source=next((line for line in lines if line.strip() and not line.startswith("#")), ""),
            stored=str(self.text),
            now=str(now.text),
            rtol=self.text.rtol,
            atol=self.text.atol,
        )
        return False


@pytest.hookimpl(trylast=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    """After the book's conftest.py: its comparison is handed on, to be judged later."""
    if isinstance(item, IPyNbCell):
        compared = item.sanitize
        item.sanitize = lambda text: Watched(compared(text), item) if isinstance(text, str) else text


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """A cell that raised an error, or that printed where nothing is stored."""
    if report.failed:
        number = re.search(r"Cell (\d+)$", report.nodeid)
        said = re.sub(r"\x1b\[[\d;]*m", "", str(report.longrepr))
        _note(cell=int(number[1]) if number else -1, failed=said)


def _note(**entries: object) -> None:
    with open(os.environ["SHAKE_RECORD"], "a", encoding="utf-8") as file:
        file.write(json.dumps(entries) + "\n")
