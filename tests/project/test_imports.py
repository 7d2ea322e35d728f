"""`import common` is light: whoever wants a NumPy cell does not wait for PyTorch and TensorFlow."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"
HEAVY = ("torch", "tensorflow", "keras", "jax", "matplotlib", "scipy", "sklearn", "statsmodels", "pandas", "pooch")
HEAVY += ("requests", "tqdm", "threadpoolctl", "IPython", "hypothesis", "pytest")
# The one room that draws may load what it draws with.
DRAWING = ("common.plots", "matplotlib")


def modules():
    found = [m.name for m in pkgutil.walk_packages([str(SOURCE / "common")], "common.", onerror=lambda name: None)]
    return ["common", *found]


def loaded_by(module):
    """The heavy packages in the memory of a fresh interpreter after importing `module`."""
    code = f"import sys; sys.path.insert(0, {str(SOURCE)!r}); import {module}; print(*sys.modules)"
    answer = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    return {name.split(".")[0] for name in answer.stdout.split()} & set(HEAVY)


@pytest.mark.parametrize("module", modules())
def test_importing_is_light(module):
    allowed = {DRAWING[1]} if module.startswith(DRAWING[0]) else set()
    assert loaded_by(module) <= allowed


def test_all_rooms_are_looked_at():
    files = {path for path in (SOURCE / "common").rglob("*.py")}
    assert len(modules()) == len(files)
