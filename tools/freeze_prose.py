"""Write src/common/data/book_prose.txt: the running text of the book as plain ASCII, for models of characters.

    python tools/freeze_prose.py

Run once. Afterwards the file is frozen: notebooks print what models learn from it, and every change of the book's text
would change what they print. `common.data.text.book_prose()` reads it and refuses a file that is not the frozen one.

Kept are paragraphs and list items of the notebooks and pages, in the order of the table of contents. Left out are code,
tables, displayed equations and figures, and every sentence that does not survive as ASCII without TeX.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "src" / "common" / "data" / "book_prose.txt"

PLAIN = {
    "’": "'",
    "‘": "'",
    "“": '"',
    "”": '"',
    "–": "-",
    "−": "-",
    "…": "...",
    "×": "x",
    "·": "-",
    "₂": "2",
    "²": "^2",
}


def pages() -> list[Path]:
    """The files of the table of contents, in its order."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    names = [toc["root"]] + [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    candidates = [ROOT / f"{name}{suffix}" for name in names for suffix in (".md", ".ipynb")]
    return [path for path in candidates if path.exists()]


def markdown(path: Path) -> str:
    """The Markdown of a page or of a notebook's text cells."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return source
    return "\n\n".join("".join(c["source"]) for c in json.loads(source)["cells"] if c["cell_type"] == "markdown")


def paragraphs(source: str) -> list[str]:
    """Paragraphs and list items without what is no running text."""
    source = re.sub(r"\A---\n.*?\n---\n", "", source, flags=re.S)
    source = re.sub(r"^(```+|:::+).*?^\1[ \t]*$", "", source, flags=re.S | re.M)
    source = re.sub(r"\$\$.*?\$\$|\\begin\{(\w+\*?)\}.*?\\end\{\1\}|<svg.*?</svg>", "", source, flags=re.S)
    blocks = re.split(r"\n\s*\n|\n(?=[-*] |\d+\. )", source)
    return [" ".join(b.split()) for b in blocks if b.strip() and not re.match(r"\s*([#|<!:(%\[]|:\w)", b)]


def plain(text: str) -> str:
    """Without marks: links, emphasis, code and simple inline mathematics become their text."""
    text = re.sub(r"^([-*]|\d+\.) +", "", text)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"\{[a-z:]+\}`[^`]*`|<[^>]+>", "", text)
    text = re.sub(r"\$([^$]*)\$", lambda m: re.sub(r"[{}]|\\[,;]", "", m[1]), text)
    text = re.sub(r"\*\*|`|(?<!\w)\*(?=\w)|(?<=\w)\*(?!\w)", "", text)
    return "".join(PLAIN.get(c, c) for c in text)


def sentences(text: str) -> str:
    """The sentences that are plain ASCII and contain no TeX."""
    kept = [s for s in re.split(r"(?<=[.?!:]) ", text) if s.isascii() and not re.search(r"[\\{}$^~#]", s)]
    return " ".join(kept)


def main() -> None:
    lines = [sentences(plain(p)) for path in pages() for p in paragraphs(markdown(path))]
    text = "\n".join(line for line in lines if len(line.split()) >= 4) + "\n"
    TARGET.write_text(text, encoding="ascii", newline="\n")
    print(f"{TARGET.relative_to(ROOT)}: {len(text):,} characters, {len(set(text))} symbols", file=sys.stderr)


if __name__ == "__main__":
    main()
