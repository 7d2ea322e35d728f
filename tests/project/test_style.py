"""The code has the form that ruff gives it, notebooks included (`make format` repairs, `make lint` shows)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "command", [("check", "--output-format", "concise"), ("format", "--check")], ids=lambda c: c[0]
)
def test_style(command):
    answer = subprocess.run(
        [sys.executable, "-m", "ruff", *command, "--no-cache", "."],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
