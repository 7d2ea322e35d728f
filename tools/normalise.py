"""Normal form of the book's notebooks: what does not belong into a commit goes, the rest has one spelling.

A notebook in normal form has the book's setup cell, stable cell ids, execution counts 1..n, only the metadata
that somebody reads, no standard error, and one JSON spelling. Normalising twice changes nothing.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import tempfile
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from tools import setup_cell

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LANGUAGE = {
    "file_extension": ".py",
    "name": "python",
    "pygments_lexer": "ipython3",
}
CELL_METADATA = ("cellView", "mystnb", "tags")
# What the site shows for a folded cell, by its tag.
FOLDED = {setup_cell.TAG: "the setup", "solution": "the solution"}
# SVG and widgets are not among them: SVG differs at every run, a widget is dead on the page.
MIME_TYPES = ("image/png", "text/html", "text/latex", "text/markdown", "text/plain")
VALID_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def normalise(notebook: NotebookNode) -> NotebookNode:
    """Bring `notebook` (nbformat 4, changed in place) into normal form and return it."""
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    kept = {k: notebook.metadata[k] for k in ("accelerator",) if k in notebook.metadata}
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": LANGUAGE, **kept})
    notebook.cells = [cell for cell in notebook.cells if cell.source.strip()]
    _put_setup_cell(notebook)
    taken: set[str] = set()
    count = 0
    for cell in notebook.cells:
        cell.source = _without_trailing_space(cell.source)
        cell.metadata = _cell_metadata(cell)
        cell.id = _identifier(cell, taken)
        if cell.cell_type == "code":
            count += 1
            _code_cell(cell, count)
        elif not cell.get("attachments"):
            cell.pop("attachments", None)
    return notebook


def text(notebook: NotebookNode) -> str:
    """The one JSON spelling of a notebook: indent 1, sorted keys, no escapes, newline at the end."""
    return nbformat.writes(notebook, version=nbformat.NO_CONVERT) + "\n"


def read(path: Path) -> NotebookNode:
    """Read a notebook as nbformat 4."""
    return nbformat.read(str(path), as_version=4)


def write(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook so that a reader of `path` finds the old file or the new one, never half a file."""
    nbformat.validate(notebook)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text(notebook))
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def is_normal(path: Path) -> bool:
    """Whether the file at `path` is exactly what normalise and text would write."""
    return path.read_text(encoding="utf-8") == text(normalise(read(path)))


def _put_setup_cell(notebook: NotebookNode) -> None:
    """Give the first code cell, or a new one before it, the text of the setup cell."""
    first = next((i for i, c in enumerate(notebook.cells) if c.cell_type == "code"), len(notebook.cells))
    cell = notebook.cells[first] if first < len(notebook.cells) else None
    if cell is None or setup_cell.TAG not in cell.metadata.get("tags", []):
        cell = nbformat.v4.new_code_cell(metadata={"tags": [setup_cell.TAG]})
        cell.id = setup_cell.TAG
        notebook.cells.insert(first, cell)
    cell.source = setup_cell.current()


def _cell_metadata(cell: NotebookNode) -> NotebookNode:
    """Keep what the site, Colab or nbval reads; fold the cells that are to be folded everywhere."""
    metadata = {k: cell.metadata[k] for k in CELL_METADATA if cell.metadata.get(k)}
    tags = list(dict.fromkeys(metadata.get("tags", [])))
    for tag, name in FOLDED.items():
        if tag in tags and cell.cell_type == "code":
            tags = [*tags, "hide-cell"] if "hide-cell" not in tags else tags
            metadata["cellView"] = "form"
            prompts = {"code_prompt_show": f"Show {name}", "code_prompt_hide": f"Hide {name}"}
            metadata["mystnb"] = {**metadata.get("mystnb", {}), **prompts}
    if tags:
        metadata["tags"] = tags
    return nbformat.from_dict(metadata)


def _identifier(cell: NotebookNode, taken: set[str]) -> str:
    """The cell's id where it is valid and unique, else one made from its text."""
    identifier = cell.get("id", "")
    number = 0
    while not VALID_ID.fullmatch(identifier) or identifier in taken:
        digest = hashlib.sha256(f"{number} {cell.source}".encode()).hexdigest()
        identifier, number = digest[:8], number + 1
    taken.add(identifier)
    return identifier


def _code_cell(cell: NotebookNode, count: int) -> None:
    """Number a code cell that was run, and clean its outputs."""
    cell.execution_count = count if cell.get("execution_count") is not None else None
    outputs: list[NotebookNode] = []
    for output in cell.outputs:
        if output.output_type == "stream":
            if output.name == "stderr":
                continue
            if outputs and outputs[-1].output_type == "stream":
                outputs[-1].text += output.text
                continue
        elif output.output_type in ("display_data", "execute_result"):
            output.data = nbformat.from_dict({k: v for k, v in output.data.items() if k in MIME_TYPES})
            if "image/png" in output.data:
                output.data["image/png"] = _with_palette(output.data["image/png"].strip())
            if not output.data:
                continue
            output.metadata = nbformat.from_dict({})
            if output.output_type == "execute_result":
                output.execution_count = cell.execution_count
        outputs.append(output)
    cell.outputs = outputs


def _with_palette(picture: str) -> str:
    """A figure (PNG in base64) with a palette of 256 colours: a third of the size, no difference one could see.

    The palette covers a plot's few colours and their blends with white to within 12 of 255. A picture that has a
    palette already, or that is transparent, stays as it is.
    """
    from PIL import Image  # comes with matplotlib, which drew the figure

    image = Image.open(io.BytesIO(base64.b64decode(picture)))
    if image.mode not in ("RGB", "RGBA") or image.convert("RGBA").getextrema()[3][0] < 255:
        return picture
    colours = image.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE)
    smaller = io.BytesIO()
    colours.save(smaller, "PNG", optimize=True)
    encoded = base64.b64encode(smaller.getvalue()).decode()
    return encoded if len(encoded) < len(picture) else picture


def _without_trailing_space(source: str) -> str:
    return "\n".join(line.rstrip() for line in source.strip("\n").split("\n"))
