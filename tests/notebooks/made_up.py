"""A small notebook without a fault, made of text; the tests break it in one place each."""

from __future__ import annotations

import nbformat
from nbformat import NotebookNode

from tests.notebooks.form import Page
from tools import normalise

OPENING = r"""
# A made-up page

After this page you can add two numbers.

**You will**
- add two numbers,
- see them,
- and believe it.

**Time** 5 minutes · **Prerequisites** none · **Hardware** any

## The idea

The sum is $s = a + b$, in code `s = f{a}`, and displayed

$$ s = a + b \tag{MADE.1} $$

\begin{align*}
s &= a + b \tag{MADE.2} \\
  &= b + a
\end{align*}
"""

HINT = """
<details><summary>Hint</summary>

Use the **plus** sign.

</details>
"""

# One grey pixel, the smallest whole PNG.
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
ALT = "A bar of height three beside a bar of height four; the second one is higher."


def markdown(source: str) -> NotebookNode:
    """A Markdown cell."""
    return nbformat.v4.new_markdown_cell(source.strip())


def code(source: str, printed: str = "", *, tags: tuple[str, ...] = (), alt: str = "") -> NotebookNode:
    """A code cell that was run, with what it printed, and a figure if there is an `alt`."""
    cell = nbformat.v4.new_code_cell(source.strip(), execution_count=1)
    if tags:
        cell.metadata["tags"] = list(tags)
    if printed:
        cell.outputs.append(nbformat.v4.new_output("stream", name="stdout", text=printed))
    if alt:
        cell.metadata["mystnb"] = {"image": {"alt": alt}}
        data = {"image/png": PIXEL, "text/plain": "<Figure size 640x480 with 1 Axes>"}
        cell.outputs.append(nbformat.v4.new_output("display_data", data=data))
    return cell


def exercise(number: int) -> list[NotebookNode]:
    """The cells of one exercise."""
    return [
        markdown(f"### Exercise {number} {'★' * number}: a sum\n\nAdd the numbers."),
        code(
            "def add(a, b):\n    return ...\n\n\ncheck_add(add)",
            "check_add: not written yet. Go on.\n",
            tags=("exercise",),
        ),
        markdown(HINT),
        code(
            "# @title Solution\ndef right(a, b):\n    return a + b\n\n\ncheck_add(right)",
            "check_add: passed, 3 cases.\n",
            tags=("solution",),
        ),
    ]


def notebook() -> NotebookNode:
    """A notebook that every check of the form accepts, in normal form."""
    cells = [
        markdown(OPENING),
        code("", tags=("setup",)),
        code("import numpy as np\n\nfrom common.exercises.made_up import check_add"),
        code("print(np.add(1, 2))  # MADE.1, MADE.2", "3\n"),
        code("print(0.1234)", "0.1234\n", tags=("rtol-0.05",)),
        code("plt.bar([1, 2], [3, 4])\nplt.show()", alt=ALT),
        markdown("## Exercises"),
        *exercise(1),
        *exercise(2),
        *exercise(3),
        markdown("## Summary\n\nThe sum was shown."),
        markdown("## Read on\n\n[A book about sums](https://example.org/sums)"),
    ]
    cells[1].source = "placeholder"  # normalise writes the text of the setup cell
    return normalise.normalise(nbformat.v4.new_notebook(cells=cells))


def page(made: NotebookNode | None = None) -> Page:
    """The page of a notebook, by default the one without a fault; its file's text is what the notebook says."""
    made = made or notebook()
    text = nbformat.v4.writes(made) + "\n"  # not nbformat.writes, which mends some faults by itself
    return Page("notebooks/00_made_up/1_page.ipynb", nbformat.reads(text, as_version=4), text)
