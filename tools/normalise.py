"""Normal form of the book's notebooks: what does not belong into a commit goes, the rest has one spelling.

A notebook in normal form has the book's setup cell, stable cell ids, execution counts 1..n, only the metadata
that somebody reads, no standard error, and one JSON spelling. Normalising twice changes nothing.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import sys
import tempfile
import tokenize
from pathlib import Path

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [p for p in (str(ROOT), str(ROOT / "src")) if p not in sys.path]

from common import disk  # noqa: E402
from tools import setup_cell  # noqa: E402

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


class NotANotebookError(ValueError):
    """A file is not a notebook. The message says which, what is wrong with it and what to do."""


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
        cell.source = _tidied(cell)
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
    """Read a notebook as nbformat 4. Raises NotANotebookError, which names the file."""
    return parse(path.read_bytes(), os.path.relpath(path))


def parse(content: str | bytes, name: str) -> NotebookNode:
    """Read the content of the file `name` as nbformat 4.

    Raises NotANotebookError where it is none: what is wrong, in which file, and what to do.
    """
    try:
        content = content.decode("utf-8") if isinstance(content, bytes) else content
        notebook = nbformat.reads(content, as_version=4)
        if not isinstance(notebook.cells, list):
            raise TypeError("its cells are no list")
    except UnicodeDecodeError as error:
        raise NotANotebookError(f"{name}: not a notebook, it is not UTF-8 ({error}); {_ANEW.format(name)}") from None
    except Exception as error:  # nbformat raises many kinds, by what is missing
        lines = content.splitlines()
        conflict = [i for i, line in enumerate(lines, 1) if line.startswith(("<<<<<<< ", "=======", ">>>>>>> "))]
        if conflict:
            raise NotANotebookError(
                f"{name}: a merge conflict is left in it, first in line {conflict[0]}; take one side whole, with"
                f" git checkout --ours -- {name} or git checkout --theirs -- {name}, repeat the changes of the"
                f" other by hand, then make refresh NOTEBOOK={name}"
            ) from None
        raise NotANotebookError(f"{name}: not a notebook ({_said(error)}); {_ANEW.format(name)}") from None
    return notebook


_ANEW = "take the stored one back with git checkout -- {}"


def _said(error: Exception) -> str:
    """The first line of an error that says where it stands, if it says so."""
    cause = error.__context__ if isinstance(error.__context__, json.JSONDecodeError) else error
    if isinstance(cause, json.JSONDecodeError):
        return f"no JSON: {cause}"
    return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"[:200]


def write(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook so that a reader of `path` finds the old file or the new one, never half a file."""
    nbformat.validate(notebook)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text(notebook))
            disk.flush(file)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def is_normal(path: Path) -> bool:
    """Whether the file at `path` is exactly what normalise and text would write."""
    notebook = read(path)
    return path.read_text(encoding="utf-8") == text(normalise(notebook))


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


def _tidied(cell: NotebookNode) -> str:
    """The cell's text without empty lines at its ends and without blanks at the ends of lines, where they say nothing.

    They are content in a string of several lines, as a line break of Markdown (two blanks), between its fences, in a
    cell of another language (%%bash) and in a raw cell.
    """
    source = cell.source.strip("\n")
    if cell.cell_type == "raw":
        return source
    kept = _kept_in_code(source) if cell.cell_type == "code" else _kept_in_markdown(source)
    lines = source.split("\n")
    return "\n".join(kept[i] if i in kept else line.rstrip() for i, line in enumerate(lines)).strip("\n")


def _kept_in_code(source: str) -> dict[int, str]:
    """The lines of code that end inside a string, by number from 0; all of them where the code cannot be read."""
    lines = source.split("\n")
    if source.lstrip().startswith("%%"):
        return dict(enumerate(lines))
    # A line of IPython's (%magic, !command) is no Python: what stands in its place has the same number of lines.
    for code in (source, re.sub(r"(?m)^([ \t]*)[%!].*$", r"\1pass", source)):
        try:
            inside = _ends_inside_strings(code)
        except (tokenize.TokenError, SyntaxError):
            continue
        return {i: lines[i] for i in inside}
    return dict(enumerate(lines))


def _ends_inside_strings(code: str) -> set[int]:
    """Numbers, from 0, of the lines whose end lies in a string of several lines."""
    inside: set[int] = set()
    begun: list[int] = []  # since Python 3.12 an f-string is several tokens
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        kind = tokenize.tok_name[token.type]
        if kind in ("FSTRING_START", "TSTRING_START"):
            begun.append(token.start[0])
        elif kind in ("FSTRING_END", "TSTRING_END"):
            inside.update(range(begun.pop() - 1, token.end[0] - 1))
        elif kind == "STRING":
            inside.update(range(token.start[0] - 1, token.end[0] - 1))
    return inside


def _kept_in_markdown(source: str) -> dict[int, str]:
    """The lines that end in a line break, with two blanks, and those between fences as they are, by number from 0."""
    kept: dict[int, str] = {}
    lines, fence = source.split("\n"), ""
    for i, line in enumerate(lines):
        mark = re.match(r" {0,3}(`{3,}|~{3,})", line)
        if fence:
            kept[i] = line
            if mark and mark[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
        elif mark:
            fence = mark[1]
        elif line.endswith("  ") and line.strip() and i + 1 < len(lines) and lines[i + 1].strip():
            kept[i] = line.rstrip() + "  "
    return kept
