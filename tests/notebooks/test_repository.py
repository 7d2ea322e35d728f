"""tools/repository.py: one command writes the book's address into _config.yml and every setup cell."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import yaml

from tests.notebooks import made_up
from tests.notebooks.form import ROOT
from tools import normalise, refresh, repository, setup_cell

CONFIG = """\
title: A book   # stays
# repository: not this one
repository:
  url: ""  # the only address
  branch: main
  path_to_book: ""

sphinx:
  config:
    url: other
"""
ADDRESS = "https://github.com/somebody/book"


@pytest.fixture
def book(tmp_path):
    (tmp_path / "_config.yml").write_text(CONFIG)
    folder = tmp_path / "notebooks" / "01_x"
    folder.mkdir(parents=True)
    for name in ("1_a.ipynb", "2_b.ipynb"):
        (folder / name).write_text(made_up.page().text, encoding="utf-8")
    return tmp_path


def test_address_goes_everywhere_and_nothing_else_changes(book, monkeypatch):
    changed = repository.set_address(book, ADDRESS, "stable")
    assert [path.name for path in changed] == ["_config.yml", "1_a.ipynb", "2_b.ipynb"]
    text = (book / "_config.yml").read_text()
    assert text == CONFIG.replace('url: ""  #', f'url: "{ADDRESS}"  #').replace("branch: main", "branch: stable")
    assert yaml.safe_load(text)["repository"] == {"url": ADDRESS, "branch": "stable", "path_to_book": ""}
    assert setup_cell.configured(book / "_config.yml") == (ADDRESS, "stable")
    monkeypatch.setattr(setup_cell, "CONFIG", book / "_config.yml")
    monkeypatch.setattr(setup_cell, "current", lambda: setup_cell.text(ADDRESS, "stable"))
    for path in changed[1:]:
        page = made_up.Page("x", normalise.read(path), path.read_text("utf-8"))
        assert page.code[0].source == setup_cell.text(ADDRESS, "stable")
        assert f'ADDRESS = "{ADDRESS}"' in page.code[0].source
        assert refresh.main(["--check", str(path)]) == 0, "still in normal form"


def test_there_and_back_again(book):
    before = {path: path.read_bytes() for path in book.rglob("*") if path.is_file()}
    repository.set_address(book, ADDRESS, "main")
    assert repository.set_address(book, ADDRESS, "main") == [], "twice changes nothing"
    repository.set_address(book, "", "main")
    if setup_cell.configured() == ("", "main"):  # the made-up notebooks start with the book's own address
        assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("line", ['url: ""', "url: ''", "url:", "url: https://x.org/a", 'url: "https://x.org/a" # why'])
def test_spellings_of_the_setting(line):
    text = f"repository:\n  {line}\n  branch: main\n"
    changed = repository.configure(text, ADDRESS, "main")
    assert yaml.safe_load(changed)["repository"] == {"url": ADDRESS, "branch": "main"}
    assert ("# why" in changed) == ("# why" in line)


@pytest.mark.parametrize("text", ["title: x\n", "repository:\n  branch: main\n", "html:\n  url: x\n  branch: main\n"])
def test_a_configuration_without_the_block_is_refused(text):
    with pytest.raises(ValueError, match=r"_config.yml: expected"):
        repository.configure(text, ADDRESS, "main")


@pytest.mark.parametrize("address", [ADDRESS, f"{ADDRESS}/", f"{ADDRESS}.git", f" {ADDRESS}.git/ "])
def test_addresses_have_one_spelling(address):
    assert repository.check_address(address) == ADDRESS


@pytest.mark.parametrize(
    "address", ["git@github.com:a/b.git", "github.com/a/b", "http://x.org/a/b", 'https://x.org/a"b', "https://x.org"]
)
def test_addresses_that_colab_could_not_clone_are_refused(address):
    with pytest.raises(ValueError, match="URL: expected https://"):
        repository.check_address(address)


def test_command_line_needs_an_address():
    command = [sys.executable, "-S", str(ROOT / "tools" / "repository.py")]  # -S: nothing installed is needed
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "make repository URL=https://github.com/NAME/BOOK" in done.stderr


def test_a_notebook_without_setup_cell_is_left_alone():
    text = json.dumps({"cells": [{"cell_type": "code", "metadata": {}, "source": []}]})
    assert repository.with_setup(text, "x") == text
