"""book/_ext/book_site.py, on books of two pages that are built for it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.site import checks
from tests.site.conftest import ROOT

TOC = {
    "format": "jb-book",
    "root": "book/index",
    "parts": [{"caption": "I", "chapters": [{"file": "notebooks/a/1_x"}]}],
}
LANDING = "# Landing\n\nA plain paragraph, long enough to describe the page.\n\n```{launch} notebooks/a/1_x\n```\n"


def cell(source: str, *tags: str, **output) -> dict:
    outputs = [{"output_type": "stream", "name": "stdout", "text": output["text"]}] if output else []
    made = {"cell_type": "code", "metadata": {"tags": list(tags)}, "execution_count": 1, "source": source}
    return {**made, "outputs": outputs, "id": f"c{abs(hash((source, tags)))}"}


def notebook(*cells: dict, text: str = "# A notebook\n\nIt says something, at some length, about networks.") -> str:
    first = {"cell_type": "markdown", "metadata": {}, "source": text, "id": "first"}
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return json.dumps({"cells": [first, *cells], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})


@pytest.fixture
def book(tmp_path):
    """Build a book with the real settings and made-up pages; return its pages and what the build said."""

    def build(landing=LANDING, page=None, **repository):
        config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
        config["repository"].update({"url": "", "branch": "main"} | repository)
        config.pop("bibtex_bibfiles")
        settings = config["sphinx"]["config"]
        config["sphinx"]["config"] = {key: value for key, value in settings.items() if not key.startswith("bibtex")}
        (tmp_path / "_config.yml").write_text(yaml.safe_dump(config))
        (tmp_path / "_toc.yml").write_text(yaml.safe_dump(TOC))
        for folder in ("_ext", "_static", "_templates", "_vendor"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / "book" / folder, tmp_path / "book" / folder, ignore=ignored)
        (tmp_path / "book" / "index.md").write_text(landing)
        (tmp_path / "notebooks" / "a").mkdir(parents=True)
        (tmp_path / "notebooks" / "a" / "1_x.ipynb").write_text(page or notebook())
        program = Path(sys.executable).with_name("jupyter-book")
        command = [sys.executable, program, "build", ".", "-W", "-n", "--keep-going"]
        # Pipes: the build must not leave a process behind that holds them open.
        made = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=180, check=False)
        html = tmp_path / "_build" / "html"
        pages = {name: html / f"{name}.html" for name in ("book/index", "notebooks/a/1_x", "index")}
        return made, pages

    return build


def test_without_an_address_no_page_speaks_to_colab(book):
    made, pages = book()
    assert made.returncode == 0, made.stdout + made.stderr
    for path in pages.values():
        assert "colab.research" not in path.read_text()
    landing = checks.soup_of(pages["book/index"])
    assert landing.select_one(".launch a")["href"] == "../_sources/notebooks/a/1_x.ipynb"
    assert "make repository URL=" in landing.select_one(".launch-note").text
    assert checks.dead_links(pages["book/index"], pages["index"].parent) == []


@pytest.mark.parametrize("address", ["https://github.com/someone/a-book", "https://github.com/someone/a-book.git"])
def test_with_an_address_every_notebook_opens_in_colab(book, address):
    made, pages = book(url=address, branch="stable")
    assert made.returncode == 0, made.stdout + made.stderr
    colab = "https://colab.research.google.com/github/someone/a-book/blob/stable/notebooks/a/1_x.ipynb"
    soup = checks.soup_of(pages["notebooks/a/1_x"])
    assert [a["href"] for a in soup.select("a.page-action")] == [colab, "../../_sources/notebooks/a/1_x.ipynb"]
    landing = checks.soup_of(pages["book/index"])
    assert landing.select_one(".launch a")["href"] == colab
    assert not landing.select(".launch-note, a.page-action")


def test_an_address_that_colab_cannot_open_is_refused(book):
    made, _ = book(url="https://gitlab.com/someone/a-book")
    assert made.returncode != 0
    assert "repository.url is 'https://gitlab.com/someone/a-book'" in made.stdout + made.stderr


def test_an_equation_that_cannot_be_set_fails_the_build(book):
    made, _ = book(page=notebook(text="# A notebook\n\n$$ \\frac{a}{ $$\n"))
    assert made.returncode != 0
    assert "KaTeX could not set an equation" in made.stdout + made.stderr


def test_a_launch_that_leads_nowhere_fails_the_build(book):
    made, _ = book(landing=LANDING.replace("1_x", "2_gone"))
    assert made.returncode != 0
    assert "there is no notebook notebooks/a/2_gone.ipynb" in made.stdout + made.stderr


def test_folded_cells_tables_and_equations(book):
    text = (
        "# A notebook\n\nA paragraph that describes the page in plain words.\n\n"
        "The shape is $(B, H)$.\n\n$$ a = b \\tag{RNN.1} $$\n\n"
        "\\begin{align*}\na &= b \\tag{RNN.2}\\\\\nc &= d \\tag{RNN.3}\n\\end{align*}\n\n"
        "\\begin{equation*}\\begin{aligned}a &= b\\\\ c &= d\\end{aligned}\\tag{RNN.4}\\end{equation*}\n\n"
        "| | one | two |\n|---|---|---|\n| a | $1$ | `2` |\n\n"
        "<details>\n<summary>Hint</summary>\n\nThink of **$x$**.\n\n</details>\n"
    )
    made, pages = book(
        page=notebook(
            cell("import sys", "setup", "hide-cell"),
            cell("answer = 42", "solution", "hide-cell"),
            cell("print('long')", "hide-output", text="long\n"),
            cell("print('code')", "hide-input", text="code\n"),
            text=text,
        )
    )
    assert made.returncode == 0, made.stdout + made.stderr
    soup = checks.soup_of(pages["notebooks/a/1_x"])
    labels = [summary.text.strip() for summary in soup.select("details.fold > summary")]
    assert [label.split(":")[0] for label in labels] == ["Setup", "Solution", "Output", "Code"]
    assert not soup.select("summary[aria-label]")
    assert soup.select_one("details:not(.fold) strong .katex")
    assert [tag.text.strip("\u200b") for tag in soup.select(".katex-html > .tag")] == [
        "(RNN.1)",
        "(RNN.2)(RNN.3)",
        "(RNN.4)",
    ]
    assert checks.raw_mathematics(soup) == []
    assert soup.select_one("thead td") is not None
    assert not any(heading.text.strip() == "" for heading in soup.select("th"))
    assert soup.find("meta", attrs={"name": "description"})["content"].startswith("A paragraph that describes")
    assert any("katex.min.css" in link["href"] for link in soup.select("link[rel=stylesheet]"))
    landing = checks.soup_of(pages["book/index"])
    assert not any("katex" in link["href"] for link in landing.select("link[rel=stylesheet]"))
