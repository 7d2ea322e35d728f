"""`make book` on a small book: fails as long as something is broken, rebuilds only what changed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]

EXCLUDED = yaml.safe_load((ROOT / "_config.yml").read_text())["exclude_patterns"]
CONFIG = """
title: A small book
author: nobody
only_build_toc_files: true
execute:
  execute_notebooks: "off"
sphinx:
  config:
    html_static_path: [book/_static]
    html_css_files: [site.css]
"""
TOC = """
format: jb-book
root: book/index
chapters:
- file: book/one
- file: book/two
"""
INDEX = "# Index\n\nBegin with the first page.\n"
ONE = "(first)=\n\n# One\n\nThe first page.\n"
TWO = "# Two\n\nThe page after {ref}`the first <first>`.\n"


class Book:
    def __init__(self, folder: Path):
        self.folder = folder
        (folder / "book/_static").mkdir(parents=True)
        (folder / "notebooks").mkdir()
        (folder / ".pytest_cache").mkdir()
        shutil.copytree(ROOT / "tools", folder / "tools", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("Makefile", "pyproject.toml", "lock.txt"):
            shutil.copy(ROOT / name, folder)
        self.restore()

    def restore(self):
        """Every page as it was at first."""
        # What pytest leaves in its hidden folder; the book's own list of what is no page must cover it.
        self.write(".pytest_cache/README.md", "# pytest's own page\n")
        self.write("_config.yml", CONFIG + f"exclude_patterns: {json.dumps(EXCLUDED)}\n")
        self.write("_toc.yml", TOC)
        self.write("book/_static/site.css", "body { color: navy }")
        self.write("book/index.md", INDEX)
        self.write("book/one.md", ONE)
        self.write("book/two.md", TWO)

    def write(self, name, text):
        path = self.folder / name
        # Writing the same again would change the time of the file, and Sphinx would read it again.
        if not path.exists() or path.read_text() != text:
            path.write_text(text)

    def html(self, name):
        return self.folder / "_build/html/book" / f"{name}.html"

    def build(self):
        """Run the Makefile's own recipe, in the environment that runs this test."""
        return subprocess.run(
            ["make", "--no-print-directory", "book", "ENVIRONMENT=true", f"VENV={sys.prefix}"],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def pages_written_by(self, change):
        """The pages that a build after `change` writes."""
        before = self.times()
        change()
        answer = self.build()
        assert answer.returncode == 0, answer.stderr
        return {name for name, time in self.times().items() if before.get(name) != time}

    def times(self):
        return {path.stem: path.stat().st_mtime_ns for path in (self.folder / "_build/html/book").glob("*.html")}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    book = Book(tmp_path_factory.mktemp("book"))
    answer = book.build()
    assert answer.returncode == 0, answer.stdout + answer.stderr
    first, last = answer.stdout.splitlines()
    assert first == "Building the site."
    assert last.startswith("Built 3 pages in ")
    assert last.endswith(f" s. Open {(book.folder / '_build/html/index.html').as_uri()}")
    assert answer.stderr == ""
    return book


@pytest.fixture
def book(built):
    """A book whose pages are whole; the site is still that of the test before. Fewer builds, in this order."""
    built.restore()
    return built


@pytest.fixture
def fresh(book):
    """A book whose site is whole, too."""
    assert book.build().returncode == 0
    return book


def test_nothing_changed_nothing_written(built):
    assert built.pages_written_by(lambda: None) == set()


def test_after_a_killed_build_every_page_is_read_again(book):
    # What a build that was killed leaves behind.
    (book.folder / "_build/.unfinished").touch()
    assert book.pages_written_by(lambda: None) == {"index", "one", "two"}


def test_only_the_changed_page_is_written(built):
    # The index holds the table of contents, so Sphinx writes it with any of its pages.
    assert built.pages_written_by(lambda: built.write("book/one.md", ONE + "\nMore.\n")) <= {"one", "index"}
    assert "More." in built.html("one").read_text()


def test_a_broken_reference_fails_until_it_is_repaired(book):
    book.write("book/two.md", TWO + "\nSee {ref}`nowhere`.\n")
    for _ in range(2):
        answer = book.build()
        assert answer.returncode != 0
        told, where, *_ = answer.stderr.splitlines()
        assert told == "book/two.md:5: WARNING: undefined label: 'nowhere'"
        assert where == "The site was not built. The whole log: _build/build.log"
    book.write("book/two.md", TWO)
    assert book.build().returncode == 0


def test_a_changed_title_is_written_on_every_page(book):
    book.write("book/one.md", ONE.replace("# One", "# A new name"))
    assert book.build().returncode == 0
    assert all("A new name" in book.html(name).read_text() for name in ("index", "one", "two"))


def test_a_changed_style_is_named_on_every_page(fresh):
    """Pages name their style sheets with a digest, so that a browser does not show the old one from its cache."""
    style = re.compile(r"site\.css\?v=(\w+)")
    before = style.search(fresh.html("one").read_text())[1]
    fresh.write("book/_static/site.css", "body { color: black }")
    assert fresh.build().returncode == 0
    assert all(style.search(fresh.html(name).read_text())[1] != before for name in ("index", "one", "two"))


def test_a_removed_page_leaves_the_site(book):
    assert book.html("two").exists()
    book.write("_toc.yml", TOC.replace("- file: book/two\n", ""))
    (book.folder / "book/two.md").unlink()
    assert book.build().returncode == 0
    assert not book.html("two").exists()


def test_a_broken_reference_fails_though_its_own_page_did_not_change(fresh):
    fresh.write("book/one.md", ONE.replace("first", "moved", 1))
    answer = fresh.build()
    assert answer.returncode != 0
    assert "book/two.md:3: WARNING: undefined label: 'first'" in answer.stderr
