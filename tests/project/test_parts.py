"""The openers of the five parts: one form, their notebooks out of the plan, their place in the contents."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
OPENERS = sorted((ROOT / "book/parts").glob("*.md"))
FOLDERS = sorted(p for p in (ROOT / "notebooks").iterdir() if p.is_dir() and list(p.glob("*.ipynb")))
NUMERALS = ["I", "II", "III", "IV", "V"]


def test_every_part_has_an_opener():
    assert [f"0{page.stem}" for page in OPENERS] == [folder.name for folder in FOLDERS]


@pytest.mark.parametrize("page", OPENERS, ids=lambda page: page.stem)
def test_an_opener_has_the_form_of_all(page):
    text = page.read_text()
    number = NUMERALS[int(page.stem[0]) - 1]
    assert re.match(rf"# Part {number}\. \S.*\?\n", text), "the title is the question of the part"
    assert re.findall(r"^## (.*)$", text, re.M) == ["What you need", "The notebooks", "Afterwards you can"]
    assert text.count("```{image} ") == 1
    assert f"images/part_{page.stem[0]}.svg" in text
    assert len(re.findall(r"^- ", text.split("## Afterwards you can")[1], re.M)) == 3
    assert len(text.split("## What you need")[0].split()) < 200, "a reader wants to begin"


@pytest.mark.parametrize("page", OPENERS, ids=lambda page: page.stem)
def test_an_opener_takes_its_notebooks_from_the_plan(page):
    section = page.read_text().split("## The notebooks\n")[1].split("\n## ")[0]
    assert section.strip() == "```{plan-part}\n```"


def test_an_opener_stands_before_its_notebooks():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    parts = [[chapter["file"] for chapter in part["chapters"]] for part in toc["parts"]]
    for page in OPENERS:
        part = next((files for files in parts if f"book/parts/{page.stem}" in files), None)
        assert part, f"{page.name} is not in _toc.yml"
        assert part[0] == f"book/parts/{page.stem}"
        assert all(name.startswith(f"notebooks/0{page.stem}/") for name in part[1:])
